"""What the pages show of what people answer for: risks, waivers, sign-offs, trace, audit log, coverage, search."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from shipworthy.api.acting import everyone, shown
from shipworthy.api.pages import (
    PAGE,
    Fit,
    Library,
    Measured,
    RunRow,
    Shown,
    absent,
    controls,
    fit_of,
    histories,
    of_system,
    run_row,
    score,
    show,
    stand,
)
from shipworthy.api.standing import Standing
from shipworthy.catalogues.catalogue import UnknownControl, all_catalogues
from shipworthy.catalogues.coverage import coverage
from shipworthy.catalogues.finding import find as find_control
from shipworthy.catalogues.finding import is_own
from shipworthy.errors import Unusable
from shipworthy.integrity import checkpoints
from shipworthy.present.safe import shorten
from shipworthy.record import documents
from shipworthy.record.documents import KINDS, Kind

if TYPE_CHECKING:
    from shipworthy.record.store import Record

LINES = 100  # of the log on a page
FARTHEST = 50_000  # lines that a filter looks back
CHECKED = 20_000  # lines up to which the page checks the chain without being asked
HITS = 25  # of one kind
_WINDOW = 5_000  # lines read at once
_MOST_RUNS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """Documents of one kind."""

    kind: str
    items: list[Shown]
    system: str | None
    status: str | None
    statuses: list[str]  # that there are
    page: int
    has_more: bool
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SignOffs:
    """Where each system's decision stands, and who signed it."""

    decisions: list[Signed]
    system: str | None


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
    is_withdrawn: bool
    with_key: bool
    stale: list[str]
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
    versions: list[Shown]


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A requirement with everything that follows from it."""

    requirement: Measured
    risks: list[Shown]
    mitigations: list[Shown]
    waivers: list[Shown]
    verified_by: list[RunRow]
    gaps: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class TracePage:
    """From requirement to sign-off."""

    system: str
    run: RunRow | None
    links: list[Link]
    loose: list[Shown]  # risks that hang on no requirement
    signatures: list[Signature]
    gaps: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A line of the audit log."""

    seq: int
    at: str
    by: str
    action: str
    object: str
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """Something that was found."""

    kind: str
    id: str
    title: str
    system: str
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPage:
    """What was found."""

    query: str
    hits: list[Hit]
    is_cut: bool


def listed(
    library: Library, kind: Kind, *, today: date, system: str | None = None, status: str | None = None, page: int = 1
) -> Listed:
    """Risks, the worst first; waivers, those that end first; others by id."""
    found = of_system(library.record, kind, system, today)
    statuses = sorted({_word(one.state) for one in found})
    total = len(found)
    if status is not None:
        found = [one for one in found if _word(one.state) == status]
    if kind == "risk":
        found.sort(key=lambda one: (one.state != "open", -(score(one) or 0), one.id))
    if kind == "waiver":
        found.sort(key=lambda one: (_word(one.state) in _OVER, one.due or date.max, one.id))
    start = (page - 1) * PAGE
    return Listed(
        kind=kind, items=found[start : start + PAGE], system=system, status=status, statuses=statuses, page=page,
        has_more=len(found) > start + PAGE, total=total,
    )  # fmt: skip


_OVER = ("ended", "refused", "withdrawn")


def _word(state: str) -> str:
    """A state without its numbers: "requested, 1 of 2 approved" is requested."""
    return "approved" if state.startswith("from ") else state.partition(",")[0]


def document_page(library: Library, kind: str, id_: str, *, today: date) -> DocumentPage:
    """A document with its history. Raises Unusable (WEB001)."""
    history = library.record.history(kind, id_) if kind in KINDS else ()
    if not history:
        raise absent(f"the record has no {shorten(kind, 30)} {shorten(id_, 80)!r}", "search for it by a word of it")
    people = everyone(library.record)
    versions = [show(one, today, people) for one in reversed(history)]
    return DocumentPage(newest=versions[0], versions=versions[:200])


def sign_offs(library: Library, *, now: datetime, system: str | None = None) -> SignOffs:
    """The decision of each system that has a run, with its signatures."""
    names = [one.id for one in library.record.find("system", limit=PAGE)] if system is None else [system]
    if system is not None and library.record.get("system", system) is None:
        raise absent(f"the record has no system {shorten(system, 80)!r}", "the first page lists those that it has")
    found = [(name, stand(library, name, now=now)) for name in names]
    return SignOffs(
        decisions=[_signed(library, name, stands) for name, stands in found if stands is not None], system=system
    )


def _signed(library: Library, name: str, stands: Standing | str) -> Signed:
    if isinstance(stands, str):
        fit = fit_of(library, name, stands)
        return Signed(system=name, fit=fit, roles=[], persons=0, missing=[], signatures=[])
    signatures = _signatures(stands)
    given = {one.role for one in signatures if not one.stale and not one.is_withdrawn}
    return Signed(
        system=name,
        fit=fit_of(library, name, stands),
        roles=list(stands.required.roles),
        persons=stands.required.persons,
        missing=[role for role in stands.required.roles if role not in given],
        signatures=signatures,
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
            is_withdrawn=one.document.withdrawn,
            with_key=one.document.envelope is not None,
            stale=[change.what for change in one.changes],
            bindings=one.document.bindings.model_dump(mode="json"),
        )
        for one in stands.signatures
    ]


def trace_page(library: Library, system: str, *, now: datetime) -> TracePage:
    """Every requirement of the run that a system stands on, with its risks, mitigations, checks and gaps."""
    record, today = library.record, now.date()
    if record.get("system", system) is None:
        raise absent(f"the record has no system {shorten(system, 80)!r}", "the first page lists those that it has")
    stands, people = stand(library, system, now=now), everyone(record)
    runs = record.runs(system=system, limit=_MOST_RUNS)
    known = {one.facts.digest: one for one in runs}
    kept = stands.run if isinstance(stands, Standing) else (runs[0] if runs else None)
    risks, mitigations, waivers = (of_system(record, kind, system, today) for kind in _FOLLOW)
    links = []
    for history in histories(library, system) if kept is not None else ():
        newest = next((one for one in reversed(history.points) if one.run == kept.facts.digest), None) if kept else None
        if newest is None:
            continue
        own = [one for one in risks if newest.requirement in _list(one, "requirements")]
        names, named = {one.id for one in own}, {name for one in own for name in _list(one, "mitigations")}
        done = [
            one
            for one in mitigations
            if newest.requirement in _list(one, "requirements") or names & set(_list(one, "risks")) or one.id in named
        ]
        checks = [(one.body or {}).get("verification") for one in done]
        verified = [run_row(known[check], people) for check in dict.fromkeys(checks) if check in known]
        links.append(
            Link(
                requirement=newest,
                risks=own,
                mitigations=done,
                waivers=[one for one in waivers if (one.body or {}).get("requirement") == newest.requirement],
                verified_by=verified,
                gaps=list(_gaps(newest, own, done, known)),
            )
        )
    hung = {one.id for link in links for one in link.risks}
    signatures = _signatures(stands) if isinstance(stands, Standing) else []
    gaps = []
    if kept is not None and not any(one.verdict != "reject" and not one.is_withdrawn for one in signatures):
        gaps.append("nobody has approved the decision")
    if kept is not None and kept.facts.locked is None:
        gaps.append("the plan was not locked before the run")
    return TracePage(
        system=system, run=run_row(kept, people) if kept else None, links=links,
        loose=[one for one in risks if one.id not in hung], signatures=signatures, gaps=gaps,
    )  # fmt: skip


_FOLLOW: tuple[Kind, Kind, Kind] = ("risk", "mitigation", "waiver")


def _list(one: Shown, key: str) -> Sequence[str]:
    return (one.body or {}).get(key) or ()


def _gaps(it: Measured, risks: Sequence[Shown], done: Sequence[Shown], known: Mapping[str, Any]) -> Iterator[str]:
    """What is missing between a requirement and a signature that rests on it."""
    if not it.controls:
        yield "mapped to no control"
    if it.verdict != "met" and not risks:
        yield "not met, and no risk says what may follow"
    if it.verdict != "met" and not done:
        yield "not met, and nothing is done about it"
    for risk in risks:
        if risk.state == "open" and (risk.body or {}).get("treatment") is None:
            yield f"risk {risk.id}: nobody said how it is treated"
    for one in done:
        check = (one.body or {}).get("verification")
        if check is None:
            yield f"mitigation {one.id}: no run shows that it works"
        elif check not in known:
            yield f"mitigation {one.id}: the run that verified it is not known"


def audit_page(
    library: Library,
    *,
    action: str | None = None,
    about: str | None = None,
    below: int | None = None,
    check: bool = False,
) -> AuditPage:
    """The newest lines of the log that meet every filter, and the state of the chain.

    action: how it begins, such as risk or risk.update. about: a piece of the object's name. below: only lines before
    this number. check: check the whole chain, however long it is.
    """
    record = library.record
    size = record.size()
    end = size if below is None else max(0, min(below, size))
    people = everyone(record)
    entries: list[Entry] = []
    looked, position = 0, end
    while position > 0 and len(entries) <= LINES and looked < FARTHEST:
        start = max(0, position - (_WINDOW if action or about else LINES + 1))
        window = _lines(record, start, position)
        looked += len(window)
        for line in reversed(window):
            one = json.loads(line)
            if (action and not one["action"].startswith(action)) or (about and about not in one["object"]):
                continue
            entries.append(
                Entry(
                    seq=one["seq"], at=one["at"], by=shown(people, one["actor"]), action=one["action"],
                    object=one["object"], before=one["before"], after=one["after"], previous=one["previous"],
                    details=one.get("details"),
                )
            )  # fmt: skip
            if len(entries) > LINES:
                break
        position = start
    more = len(entries) > LINES
    entries = entries[:LINES]
    is_cut = not more and position > 0
    do_check = check or size <= CHECKED
    verified = record.verify() if do_check else None
    return AuditPage(
        size=size, entries=entries, action=action, about=about,
        older=entries[-1].seq if more else (position if is_cut else None), looked_back=looked if is_cut else None,
        is_checked=verified is not None,
        faults=[{"code": f.code, "what": f.what, "where": f.where} for f in verified.faults] if verified else [],
        caveat=verified.log.caveat if verified else "", objects=verified.objects if verified else 0,
        checkpoints=[_note(one) for one in record.checkpoints()[-20:][::-1]],
    )  # fmt: skip


def _lines(record: Record, start: int, end: int) -> list[bytes]:
    found: list[bytes] = []
    for line in record.log(start):
        if len(found) == end - start:
            break
        found.append(line)
    return found


def _note(data: bytes) -> Note:
    try:
        one = checkpoints.read(data, where="checkpoint")
    except Unusable as error:
        return Note(origin=error.faults[0].what, size=0, root="", signed_by=[])
    return Note(origin=one.origin, size=one.size, root=one.root.hex(), signed_by=[line.name for line in one.signatures])


def coverage_page(library: Library, *, system: str | None = None) -> CoveragePage:
    """Which controls of each catalogue a requirement speaks to that was measured in the newest run of a system."""
    record = library.record
    if system is not None and record.get("system", system) is None:
        raise absent(f"the record has no system {shorten(system, 80)!r}", "the first page lists those that it has")
    names = [system] if system is not None else [one.id for one in record.find("system", limit=_MOST_RUNS)]
    newest = [run for name in names for run in record.runs(system=name, limit=1)]
    named: set[str] = set()
    for run in newest:
        for verdict in record.verdicts(run=run.facts.digest):
            named |= set(controls(verdict.body)) if verdict.body.get("estimate") else set()
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
    return CoveragePage(system=system, catalogues=found, unknown=sorted(unknown), runs=len(newest))


def _is_control(ref: str) -> bool:
    try:
        return is_own(ref) or bool(find_control(ref))
    except UnknownControl:
        return False


def search_page(library: Library, query: str, *, today: date) -> SearchPage:
    """Documents in which the words stand as one piece, runs by id or digest, requirements by their whole id."""
    record, wanted = library.record, query.strip()
    if not wanted:
        return SearchPage(query=query, hits=[], is_cut=False)
    people = everyone(record)
    hits, is_cut = [], False
    for kind in KINDS:
        found = record.find(kind, text=wanted, limit=HITS + 1)
        is_cut |= len(found) > HITS
        for one in found[:HITS]:
            seen = show(one, today, people)
            hits.append(
                Hit(kind=kind, id=one.id, title=_title(one.document), system=_of(one.document), state=seen.state)
            )
    runs = record.runs(run=wanted, limit=1) or record.runs(digest=wanted, limit=1)
    hits += [
        Hit(kind="run", id=one.facts.digest, title=one.facts.run, system=one.facts.system, state=one.facts.decision)
        for one in (runs or record.runs(version=wanted, limit=HITS))
    ]
    systems = dict.fromkeys(one.system for one in record.verdicts(requirement=wanted, limit=_MOST_RUNS))
    hits += [Hit(kind="requirement", id=wanted, title=wanted, system=name, state="") for name in systems]
    return SearchPage(query=query, hits=hits, is_cut=is_cut)


def _title(document: documents.Document | None) -> str:
    for key in ("title", "purpose", "reason", "statement", "notes", "what"):
        if document is not None and (text := getattr(document, key, "")):
            return shorten(text, 120)
    return ""


def _of(document: documents.Document | None) -> str:
    return str(getattr(document, "system", "") or "")
