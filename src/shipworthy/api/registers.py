"""What the pages show of what people answer for: risks, waivers, sign-offs, trace, audit log, coverage, search."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from shipworthy.api import incidents, tracing
from shipworthy.api.acting import everyone, shown
from shipworthy.api.naming import name_of, run_name
from shipworthy.api.pages import (
    PAGE,
    Fit,
    Library,
    Measured,
    People,
    RunRow,
    Shown,
    absent,
    controls,
    fit_of,
    left_out,
    of_system,
    promises,
    run_row,
    show,
    stands,
)
from shipworthy.api.pages.fit import look_at
from shipworthy.api.pages.library import system_of
from shipworthy.api.pages.measured import RANK, measured
from shipworthy.api.runs import decision_of, runs_of
from shipworthy.api.standing import Standing, decision_signed
from shipworthy.catalogues.catalogue import UnknownControl, all_catalogues
from shipworthy.catalogues.coverage import coverage
from shipworthy.catalogues.finding import find as find_control
from shipworthy.catalogues.finding import is_own
from shipworthy.errors import Damaged, Unusable
from shipworthy.gates.fitness import REQUIRED
from shipworthy.integrity import checkpoints
from shipworthy.present.safe import shorten
from shipworthy.record import documents
from shipworthy.record.documents import KINDS, Kind

if TYPE_CHECKING:
    from shipworthy.errors import Fault
    from shipworthy.record.finding import Order, Where
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Record

LINES = 100  # of the log on a page
FARTHEST = 8_000  # lines that a filter looks back
CHECKED = 20_000  # lines up to which the page checks the chain without being asked
HITS = 25  # of one kind
VERSIONS = 200  # of a document
SIGNED = 20  # decisions with their signatures on a page
_MOST_RUNS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A page of the documents of one kind."""

    kind: str
    items: list[Shown]
    system: str | None
    status: str | None
    statuses: list[str]  # that there are
    page: int
    has_more: bool
    total: int  # of the kind and system
    matching: int  # of these, with the status


@dataclass(frozen=True, kw_only=True, slots=True)
class SignOffs:
    """Where each system's decision stands, and who signed it."""

    decisions: list[Signed]
    system: str | None
    page: int
    has_more: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """One sign-off, and whether it still counts."""

    id: str
    role: str
    by: str
    verdict: str
    conditions: list[str]
    due: date | None
    at: datetime
    state: str  # withdrawn | stale | counts
    with_key: bool
    stale: list[str]  # why it does not count, but for that it was withdrawn
    bindings: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """A decision with its signatures."""

    system: str
    fit: Fit
    roles: list[str]  # that must sign
    persons: int
    missing: list[str]
    signatures: list[Signature]


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentPage:
    """A document with all its versions, the newest first."""

    newest: Shown
    name: str  # as people call it
    clock: str  # of an incident that an authority has to hear of: by when, and whether it did
    because: list[str]  # of a signature that does not count: why
    runs: list[RunRow]  # that a signature or a waiver is about
    versions: list[Shown]
    left_out: list[str]  # what the page does not show, in sentences


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Something that is missing between a requirement and the signature under it, as `shipworthy trace` says it."""

    code: str
    of: str  # the requirement, risk, mitigation, role or control that lacks it
    gap: str
    mend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A requirement with everything that follows from it."""

    requirement: str
    text: str
    severity: str
    controls: list[str]
    standing: str  # met | breached | undecided | waived; "" where no run has judged it
    measured: Measured | None
    risks: list[Shown]
    mitigations: list[Shown]
    waivers: list[Shown]  # that cover it today
    verified_by: list[RunRow]
    gaps: list[Gap]  # of it, and of the risks and mitigations on it


@dataclass(frozen=True, kw_only=True, slots=True)
class TracePage:
    """From requirement to sign-off, by the newest run of a system."""

    system: str
    tier: str
    run: RunRow | None
    decided: RunRow | None  # the run that the system's decision rests on, where that is another one
    beside: list[RunRow]  # traced with it: the newest decision on it rests on them, too
    links: list[Link]  # the worst first
    loose: list[Shown]  # risks and mitigations that hang on no requirement
    signatures: list[Signature]  # on this run
    roles: list[str]  # that must sign
    required: int  # controls that the tier or the plan asks for
    covered: int  # of them, with evidence
    waived: int
    gaps: list[Gap]  # all of them, each once
    left_out: list[str]  # what the page does not show, in sentences


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A line of the audit log."""

    seq: int
    at: str
    by: str
    action: str
    object: str
    name: str  # of the object, as people call it; "" where the log's own word is no worse
    before: str | None
    after: str | None
    previous: str | None
    details: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A signed checkpoint, as it says of itself; its signatures were not checked."""

    origin: str
    size: int
    root: str
    signed_by: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditPage:
    """The audit log."""

    size: int
    entries: list[Entry]  # the newest first
    action: str | None
    about: str | None
    older: int | None  # the number that the next page goes on below; None: there is none
    looked_back: int | None  # lines that a filter looked at, where it did not look at all
    is_checked: bool
    faults: list[dict[str, str]]
    caveat: str
    objects: int
    checkpoints: list[Note]


@dataclass(frozen=True, kw_only=True, slots=True)
class Covered:
    """How much of a catalogue there is evidence for."""

    name: str
    title: str
    publisher: str
    covered: list[str]
    missing: list[str]
    total: int | None
    titles: dict[str, str] = field(default_factory=dict)  # of the ids


@dataclass(frozen=True, kw_only=True, slots=True)
class CoveragePage:
    """Coverage of every catalogue, by the newest runs."""

    system: str | None
    catalogues: list[Covered]
    unknown: list[str]  # ids that no catalogue has
    runs: int
    left_out: list[str]  # what the page does not show, in sentences


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """Something that was found."""

    kind: str
    id: str
    name: str  # as people call it
    title: str  # what it says, in a line
    system: str
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPage:
    """What was found."""

    query: str
    hits: list[Hit]
    is_cut: bool
    system: str | None
    left_out: list[str]  # what was not searched, in sentences


def listed(
    library: Library, kind: Kind, *, today: date, system: str | None = None, status: str | None = None, page: int = 1
) -> Listed:
    """Risks, the worst first and closed ones last; waivers, those that end first; others by id.

    Raises Unusable (WEB001) for a system that is not there.
    """
    record, people = library.record, everyone(library.record)
    if system is not None:
        system_of(record, system)
    states = record.states(kind, system=system)
    words: dict[str, tuple[Where, int]]
    words = {state: ({"system": system, "status": state}, count) for state, count in states.items()}
    if kind == "waiver":
        words = _waivers(record, system, today, states)
    total = sum(states.values())
    groups: list[tuple[Where, int]]
    if status is not None:
        groups = [words[status]] if status in words else []
    elif kind == "risk":
        first = sum(states.get(state, 0) for state in documents.STILL_OPEN)
        rest = [state for state in states if state not in documents.STILL_OPEN]  # closed, or forgotten
        groups = [
            ({"system": system, "status": documents.STILL_OPEN}, first),
            ({"system": system, "status": rest}, total - first),
        ]
    elif kind == "waiver":
        over = sum(count for word, (_, count) in words.items() if word in _OVER)
        groups = [({"system": system, "live_on": today}, total - over), ({"system": system, "over_on": today}, over)]
    else:
        groups = [({"system": system}, total)]
    order: Order = "worst" if kind == "risk" else "due" if kind == "waiver" else "id"
    items, start, matching = list[Shown](), (page - 1) * PAGE, 0
    for where, count in groups:
        if start < count and len(items) < PAGE:
            found = record.find(kind, order=order, offset=start, limit=PAGE - len(items), damaged=True, **where)
            items += [show(one, today, people) for one in found]
        start, matching = max(0, start - count), matching + count
    return Listed(
        kind=kind, items=items, system=system, status=status, statuses=sorted(words), page=page,
        has_more=matching > page * PAGE, total=total, matching=matching,
    )  # fmt: skip


_OVER = ("ended", "refused", "withdrawn")


def _waivers(
    record: Record, system: str | None, today: date, states: Mapping[str, int]
) -> dict[str, tuple[Where, int]]:
    """What a waiver in each state meets, in the words of `waivers.state` without their numbers, and how many do."""
    approved: Where = {"system": system, "status": "approved"}
    ended: Where = {**approved, "due_before": today}
    comes: Where = {**approved, "due_from": today, "starts_after": today}
    holds: Where = {**approved, "due_from": today, "starts_by": today}
    past, later = record.count("waiver", **ended), record.count("waiver", **comes)
    found: dict[str, tuple[Where, int]] = {
        state: ({"system": system, "status": state}, count) for state, count in states.items() if state != "approved"
    }
    found |= {"ended": (ended, past), "approved": (comes, later)}
    found["in force"] = holds, states.get("approved", 0) - past - later
    return {word: one for word, one in found.items() if one[1]}


def document_page(library: Library, kind: str, id_: str, *, now: datetime) -> DocumentPage:
    """A document with its history, and the runs that it is about. Raises Unusable (WEB001).

    The state of a signature is whether it counts today: stale, superseded, withdrawn or counts, as `/sign-offs` says.
    """
    today = now.date()
    history = library.record.history(kind, id_) if kind in KINDS else ()
    if not history:
        raise absent(f"the record has no {shorten(kind, 30)} {shorten(id_, 80)!r}", "search for it by a word of it")
    people = everyone(library.record)
    versions = [show(one, today, people) for one in history[: -VERSIONS - 1 : -1]]
    left = [f"The newest {VERSIONS:,} of {len(history):,} versions are shown."] if len(history) > VERSIONS else []
    known = next((one.document for one in reversed(history) if one.document is not None), None)
    name = name_of(known) if known is not None else shorten(id_, 80)
    newest, because = versions[0], list[str]()
    runs: tuple[KeptRun, ...] = ()
    if isinstance(known, documents.SignOff) and history[-1].document is not None:
        state, because, runs = _word_today(library, known, now)
        newest = replace(newest, state=state)
    elif isinstance(known, documents.Waiver):
        runs = _waived_runs(library.record, known)
    clock = incidents.clock_in_words(known, now) if isinstance(known, documents.Incident) else ""
    return DocumentPage(
        newest=newest, name=name, clock=clock, because=because, versions=versions, left_out=left,
        runs=[run_row(one, people) for one in runs],
    )  # fmt: skip


def _word_today(library: Library, one: documents.SignOff, now: datetime) -> tuple[str, list[str], tuple[KeptRun, ...]]:
    """Whether a signature counts today, why it does not, and the runs that it is about."""
    record = library.record
    decision = decision_signed(record, one)
    runs = runs_of(record, decision) if decision is not None else ()
    if decision is None or not runs:
        return "not known", ["the decision that was signed, or its run, is not in the record"], runs
    newest = decision_of(record, runs[0].facts.digest)
    if newest is not None and newest.id != decision.id and not one.withdrawn:
        return "superseded", [f"a newer decision rests on the same run: {shorten(newest.id, 80)}"], runs
    found = look_at(library, runs[0], now=now)
    if isinstance(found, str):
        return "not known", [found], runs
    said = next((each for each in found.signatures if each.document.id == one.id), None)
    if said is None:
        return "not known", ["the decision does not name it"], runs
    return said.state, [change.what for change in said.stale], runs


def _waived_runs(record: Record, one: documents.Waiver) -> tuple[KeptRun, ...]:
    """The newest run that counted a waiver; before any did, the newest that judged what it waives."""
    found = [
        verdict
        for verdict in record.verdicts(system=one.system, requirement=one.requirement, limit=VERSIONS)
        if one.scope.version in (None, verdict.version)
    ]
    counted = [verdict for verdict in found if (verdict.body.get("waiver") or {}).get("id") == one.id]
    return tuple(run for verdict in (counted or found)[:1] for run in record.runs(digest=verdict.run, limit=1))


def sign_offs(library: Library, *, now: datetime, system: str | None = None, page: int = 1) -> SignOffs:
    """The decision of each system that has a run, with its signatures; by name."""
    record = library.record
    if system is not None:
        names, has_more = [system_of(record, system).id], False
    else:
        kept = record.find("system", limit=SIGNED + 1, offset=(page - 1) * SIGNED, damaged=True)
        names, has_more = [one.id for one in kept[:SIGNED]], len(kept) > SIGNED
    decisions = [
        _signed(library, name, found) for name, found in stands(library, names, now=now).items() if found is not None
    ]
    return SignOffs(decisions=decisions, system=system, page=page, has_more=has_more)


def _signed(library: Library, name: str, found: Standing | str) -> Signed:
    if isinstance(found, str):
        fit = fit_of(library, name, found)
        return Signed(system=name, fit=fit, roles=[], persons=0, missing=[], signatures=[])
    return Signed(
        system=name,
        fit=fit_of(library, name, found),
        roles=list(found.required.roles),
        persons=found.required.persons,
        missing=list(found.missing),
        signatures=_signatures(found),
    )


def _signatures(stands: Standing) -> list[Signature]:
    return [
        Signature(
            id=one.document.id,
            role=one.document.role,
            by=one.signer,
            verdict=one.document.verdict,
            conditions=list(one.document.conditions),
            due=one.document.due,
            at=one.at,
            state=one.state,
            with_key=one.document.envelope is not None,
            stale=[change.what for change in one.stale],
            bindings=one.document.bindings.model_dump(mode="json"),
        )
        for one in stands.signatures
    ]


def trace_page(library: Library, system: str, *, now: datetime) -> TracePage:
    """The map that `shipworthy trace` draws of a system, by its newest run: the same chain and the same gaps."""
    record, today = library.record, now.date()
    system_of(record, system)
    looked: list[Standing | str] = []

    def stand(run: KeptRun) -> Standing | None:
        looked.append(look_at(library, run, now=now))
        return one if isinstance(one := looked[0], Standing) else None

    found = tracing.trace_system(record, system, stand=stand, today=today)
    facts, people = found.facts, everyone(record)
    shown = {kind: {one.id: one for one in of_system(record, kind, system, today, people=people)} for kind in _FOLLOW}
    known = {one.facts.digest: one for one in record.runs(system=system, limit=_MOST_RUNS)}
    kept, decided = known.get(facts.run or ""), tracing.decided_elsewhere(record, found)
    promised = promises(library, kept) if kept else {}
    judged = {
        (one.run, one.requirement): measured(one, promised)
        for one in record.verdicts_of(*{one.run for one in facts.found.values()})
    }
    links = []
    for promise in facts.promises:
        held = facts.found.get(promise.id)

        def on(kind: Literal["risk", "mitigation", "waiver"], name: str = promise.id) -> list[Shown]:
            return [shown[kind][one.text] for one in found.on(name, kind) if one.text in shown[kind]]

        runs = [one.id.partition(": ")[2] for one in found.on(promise.id, "verification")]
        it = judged.get((held.run, promise.id)) if held else None
        links.append(
            Link(
                requirement=promise.id, text=promise.text or (it.text or it.claim if it else ""),
                severity=promise.severity, controls=list(promise.controls), measured=it,
                standing=next((one.state for one in found.on(promise.id, "verdict")), ""),
                risks=on("risk"), mitigations=on("mitigation"), waivers=on("waiver"),
                verified_by=[run_row(known[one], people) for one in runs if one in known],
                gaps=[_gap(one) for one in found.gaps_on(promise.id)],
            )
        )  # fmt: skip
    links.sort(key=lambda one: (RANK.get(one.standing, len(RANK)), one.requirement))
    begins = {path[0] for path in found.loose}
    stands, left = looked[0] if looked else None, left_out(record, system, *_FOLLOW)
    if isinstance(stands, str):
        left.append(f"Who signed it is not shown: {stands}.")
    return TracePage(
        system=system, tier=facts.tier, run=run_row(kept, people) if kept else None,
        decided=run_row(decided, people) if decided else None, links=links,
        beside=[run_row(known[one], people) for one in facts.beside if one in known],
        loose=[one for kind in ("risk", "mitigation") for one in shown[kind].values() if f"{kind}: {one.id}" in begins],
        signatures=_signatures(stands) if isinstance(stands, Standing) else [],
        roles=list(REQUIRED[facts.tier].roles), required=facts.controls.required, covered=len(facts.controls.covered),
        waived=len(facts.controls.waived), gaps=[_gap(one) for one in found.gaps], left_out=left,
    )  # fmt: skip


_FOLLOW: tuple[Kind, Kind, Kind] = ("risk", "mitigation", "waiver")


def _gap(one: Fault) -> Gap:
    return Gap(code=one.code, of=one.where, gap=one.what, mend=one.mend)


def audit_page(
    library: Library,
    *,
    action: str | None = None,
    about: str | None = None,
    below: int | None = None,
    check: bool = False,
) -> AuditPage:
    """The newest lines of the log that meet every filter, and the state of the chain.

    action: how it begins, such as risk or risk.update. about: how the object begins, such as risk/R-1; without a kind,
    a piece of its name, looked for among the FARTHEST newest lines. below: only lines before this number. check: check
    the whole chain, however long it is.
    """
    record = library.record
    size = record.size()
    end = size if below is None else max(0, min(below, size))
    people = everyone(record)
    if action or about:
        found, read_to = record.lines(action=action, about=about, below=end, most=LINES + 1, farthest=FARTHEST)
        lines = list(found)
    else:
        read_to = max(0, end - LINES - 1)
        lines = list(enumerate(islice(record.log(read_to), end - read_to), read_to))[::-1]
    entries = _entries(record, lines[:LINES], people)
    is_full = len(lines) > LINES
    is_cut = not is_full and read_to > 0
    verified = record.verify() if check or size <= CHECKED else None
    return AuditPage(
        size=size, entries=entries, action=action, about=about,
        older=entries[-1].seq if is_full else (read_to if is_cut else None),
        looked_back=end - read_to if is_cut else None, is_checked=verified is not None,
        faults=[{"code": f.code, "what": f.what, "where": f.where} for f in verified.faults] if verified else [],
        caveat=verified.log.caveat if verified else "", objects=verified.objects if verified else 0,
        checkpoints=[_note(one) for one in record.checkpoints()[-20:][::-1]],
    )  # fmt: skip


def _entries(record: Record, lines: Sequence[tuple[int, bytes]], people: People) -> list[Entry]:
    told = [_told(seq, line) for seq, line in lines]
    names = {about: _called(record, about) for about in {one["object"] for one in told}}
    return [
        Entry(
            seq=one["seq"], at=one["at"], by=shown(people, one["actor"]), action=one["action"], object=one["object"],
            name=names[one["object"]], before=one["before"], after=one["after"], previous=one["previous"],
            details=one.get("details"),
        )
        for one in told
    ]  # fmt: skip


def _told(seq: int, line: bytes) -> dict[str, Any]:
    """What a line of the log says; of one that is none any more, that it cannot be read."""
    try:
        found = json.loads(line)
        if {"seq", "at", "actor", "action", "object", "before", "after", "previous"} <= found.keys() and all(
            isinstance(found[name], str) for name in ("at", "actor", "action", "object")
        ):
            return {**found, "seq": seq}
    except (ValueError, AttributeError):
        pass
    broken = {"at": "", "actor": "", "action": "this line is broken: it cannot be read", "object": f"line/{seq}"}
    return {"seq": seq, **broken, "before": None, "after": None, "previous": None}


def _called(record: Record, about: str) -> str:
    """What people call an object of the log that is kept under a digest or a run's id."""
    try:
        return _name_of(record, about)
    except Damaged:
        return ""  # the page says what of the record cannot be read


def _name_of(record: Record, about: str) -> str:
    kind, _, id_ = about.partition("/")
    if kind == "run":
        runs = record.runs(digest=id_, limit=1)
        return run_name(runs[0].facts) if runs else ""
    known: tuple[Kind, ...] = ("plan", "decision", "sign-off")
    found = next((one for one in known if one == kind), None)
    kept = record.get(found, id_) if found is not None else None
    return name_of(kept.document) if kept is not None and kept.document is not None else ""


def _note(data: bytes) -> Note:
    try:
        one = checkpoints.read(data, where="checkpoint")
    except Unusable as error:
        return Note(origin=error.faults[0].what, size=0, root="", signed_by=[])
    return Note(origin=one.origin, size=one.size, root=one.root.hex(), signed_by=[line.name for line in one.signatures])


def coverage_page(library: Library, *, system: str | None = None) -> CoveragePage:
    """Which controls of each catalogue a requirement speaks to that was measured in the newest run of a system."""
    record = library.record
    if system is not None:
        names = [system_of(record, system).id]
    else:
        names = [one.id for one in record.find("system", limit=_MOST_RUNS, damaged=True)]
    newest = record.newest_runs(names)
    digests = [run.facts.digest for run in newest]
    known = library.memory.of_runs("controls", digests, partial(_measured_controls, record))
    named = frozenset[str]().union(*known.values())
    unknown = {one for one in named if not _is_control(one)}
    about = {one.name: one for one in all_catalogues()}
    found = []
    for one in coverage(sorted(named - unknown)):
        catalogue = about.get(one.catalogue)
        titles = {id_: catalogue.controls[id_].title for id_ in (*one.covered, *one.missing)} if catalogue else {}
        found.append(
            Covered(
                name=one.catalogue, title=catalogue.title if catalogue else one.catalogue,
                publisher=catalogue.publisher if catalogue else "a framework of one's own",
                covered=list(one.covered), missing=list(one.missing), total=one.total, titles=titles,
            )
        )  # fmt: skip
    found.sort(key=lambda one: -len(one.covered))
    more = record.count("system") - len(names) if system is None else 0
    left = [f"Of {more + len(names):,} systems, the first {len(names):,} by name were looked at."] if more else []
    return CoveragePage(
        system=system, catalogues=found, unknown=sorted(unknown), runs=len(newest), left_out=left
    )  # fmt: skip


def _measured_controls(record: Record, digests: Sequence[str]) -> dict[str, frozenset[str]]:
    """The controls that requirements speak to which runs have measured, by run."""
    found = dict.fromkeys(digests, frozenset[str]())
    for verdict in record.verdicts_of(*digests):
        if verdict.body.get("estimate"):
            found[verdict.run] |= frozenset(controls(verdict.body))
    return found


def _is_control(ref: str) -> bool:
    try:
        return is_own(ref) or bool(find_control(ref))
    except UnknownControl:
        return False


def search_page(library: Library, query: str, *, today: date, system: str | None = None) -> SearchPage:
    """Documents in which the words stand as one piece or whose id begins so; runs and requirements by their whole id.

    Texts are read of the documents that were written last, and of one system of all; `left_out` says so.
    """
    record, wanted = library.record, query.strip()
    if not wanted:
        return SearchPage(query=query, hits=[], is_cut=False, system=system, left_out=[])
    people = everyone(record)
    found, looked = record.search(wanted, system=system, limit=HITS * len(KINDS) + 1)
    hits, is_cut = [], False
    for kind in KINDS:
        of_kind = [one for one in found if one.kind == kind]
        is_cut |= len(of_kind) > HITS
        for one in of_kind[:HITS]:
            seen = show(one, today, people)
            hits.append(
                Hit(
                    kind=kind,
                    id=one.id,
                    name=name_of(one.document) if one.document is not None else one.id,
                    title=_title(one.document),
                    system=_of(one.document),
                    state=seen.state,
                )
            )
    runs = record.runs(run=wanted, limit=1) or record.runs(digest=wanted, limit=1)
    hits += [
        Hit(
            kind="run",
            id=one.facts.digest,
            name=run_name(one.facts),
            title=one.facts.run,
            system=one.facts.system,
            state=one.facts.decision,
        )
        for one in (runs or record.runs(version=wanted, system=system, limit=HITS))
    ]
    systems = record.systems_of(wanted, limit=HITS + 1)
    hits += [
        Hit(kind="requirement", id=wanted, name=wanted, title=wanted, system=name, state="") for name in systems[:HITS]
    ]
    more = sum(record.kinds(system).values()) - looked
    left = [
        f"Of {more + looked:,} documents, the texts of the {looked:,} written last were searched, and the ids of all."
    ]  # fmt: skip
    return SearchPage(
        query=query, hits=hits, is_cut=is_cut or len(systems) > HITS, system=system, left_out=left if more > 0 else []
    )


def _title(document: documents.Document | None) -> str:
    for key in ("title", "purpose", "reason", "statement", "notes", "what"):
        if document is not None and (text := getattr(document, key, "")):
            return shorten(text, 120)
    return ""


def _of(document: documents.Document | None) -> str:
    return str(getattr(document, "system", "") or "")
