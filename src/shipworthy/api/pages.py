"""What the pages show of what was measured and decided: systems, runs, requirements in time, two runs side by side.

Everything is read from the record. A run's folder is read only where it lies in the project's folder, and only as
far as its bytes have the digests that the record and the manifest give them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from shipworthy.api import waivers as leave
from shipworthy.api.acting import Actor, everyone, shown
from shipworthy.api.changes import Looking
from shipworthy.api.runs import base_of, current
from shipworthy.api.standing import Standing, standing
from shipworthy.charts.forest import good_side
from shipworthy.errors import Fault, ShipworthyError, Unusable
from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.manifest import NAME as MANIFEST
from shipworthy.integrity.reading import read_bytes, read_json
from shipworthy.plan.models import Requirement
from shipworthy.present import numbers, sentences
from shipworthy.present.safe import plain, shorten
from shipworthy.present.vocabulary import words
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun, KeptVerdict
    from shipworthy.record.store import Kept, Record

PAGE = 50  # rows of a page
FILTERED = 200  # systems that are looked at to find those of one fitness
SORTED = 50  # systems up to which all are looked at, to show those first that need somebody
LONGEST_HISTORY = 24  # runs of a requirement's history
SOON = timedelta(days=30)
_MOST = 2_000  # verdicts, or documents of one kind, of one system that are looked at
_MOST_MANIFEST = 32 << 20
_MOST_REPORT = 64 << 20
_ESTIMATE = TypeAdapter(Estimate)
_REQUIREMENTS = TypeAdapter(list[Requirement])
_RANK = {"breached": 0, "undecided": 1, "waived": 2, "met": 3}

People: TypeAlias = "dict[str, Actor]"
Way: TypeAlias = Literal["worse", "better", "same", "added", "dropped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """A record that pages are made from, and where the folders of its runs may lie."""

    record: Record
    place: str | Path

    @property
    def start(self) -> Path:
        """The folder that places of runs start from."""
        return base_of(self.place)

    @property
    def root(self) -> Path:
        """The folder that no run's folder is read outside of: that of the project."""
        start = self.start.resolve()
        return start.parent if start.name == ".shipworthy" else start


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """The newest version of a document."""

    kind: str
    id: str
    version: int
    at: datetime
    by: str  # who wrote it, by name where that is known
    digest: str
    seq: int  # of its entry in the audit log
    state: str  # its status today
    due: date | None = None
    is_overdue: bool = False
    body: dict[str, Any] | None  # None once it was forgotten


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """A recorded run."""

    digest: str
    run: str
    system: str
    version: str
    decision: str
    created: datetime
    locked: datetime | None
    plan_digest: str
    by: str
    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What one run found about one requirement."""

    requirement: str
    text: str  # the promise in the plan's words; "" where only the record is at hand
    claim: str  # the technical claim
    verdict: str  # met | breached | undecided | waived
    severity: str
    bound: dict[str, float | list[float]]
    good: tuple[float | None, float | None]  # the ends of the good side; of a gap between any two, both
    estimate: Estimate | None
    needed: int | None
    waiver: str | None  # id
    waived_until: str | None
    controls: list[str]
    why: str
    run: str  # digest
    name: str  # of the run
    version: str
    created: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """Whether the newest decision of a system holds today."""

    fit: str  # ship | hold | undecided | stale | unknown
    until: date | None = None
    reasons: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)  # what is no longer what it was
    notes: list[str] = field(default_factory=list)
    run: str | None = None  # digest of the run that it is about
    version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemRow:
    """A system in one line."""

    name: str
    purpose: str
    tier: str
    owner: str
    status: str
    released: str | None  # the version in use
    newest: RunRow | None
    fit: Fit
    open_risks: int
    worst_risk: int | None  # likelihood × severity
    overdue: int
    last_incident: datetime | None
    open_incidents: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Portfolio:
    """Every system."""

    systems: list[SystemRow]
    tier: str | None
    fit: str | None
    page: int
    has_more: bool
    total: int  # that the record knows, before filters
    left_out: int = 0  # that a filter by fitness did not look at


@dataclass(frozen=True, kw_only=True, slots=True)
class Owed:
    """Something that somebody still has to do."""

    what: str
    who: str
    due: date | None
    is_overdue: bool
    kind: str = ""  # and id: of the document that it is about
    id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRow:
    """A version with the decisions on it."""

    version: str
    status: str
    first: datetime | None
    runs: list[RunRow]  # the newest first
    decision: str | None  # signed, else of its newest run
    is_signed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """A requirement over the runs that looked at it, the oldest first."""

    requirement: str
    text: str
    claim: str
    points: list[Measured]
    left_out: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemPage:
    """A system."""

    system: Shown
    fit: Fit
    versions: list[VersionRow]
    histories: list[History]
    owed: list[Owed]
    runs: list[RunRow]
    open_risks: list[Shown]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPage:
    """A run."""

    run: RunRow
    headline: str
    verdicts: list[Measured]
    estimates: int
    fit: Fit | None  # only of the run that the system's newest decision rests on
    folder: str | None  # as seen from the project; None where it is not read
    why_no_report: str  # "" where there is one
    earlier: RunRow | None  # the run before it, to be compared with


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A requirement in two runs."""

    requirement: str
    claim: str
    before: Measured | None
    after: Measured | None
    way: Way
    is_loud: bool  # the verdict changed, or the two intervals do not overlap


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two runs side by side; or only the runs to choose from."""

    before: RunRow | None
    after: RunRow | None
    pairs: list[Pair]
    choices: list[RunRow]


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementPage:
    """A requirement, with everything that hangs on it."""

    system: str
    history: History
    controls: list[str]
    risks: list[Shown]
    mitigations: list[Shown]
    waivers: list[Shown]


def absent(what: str, mend: str) -> Unusable:
    """The error of a page about something that is not there."""
    return Unusable(Fault(code="WEB001", what=what, where="address", mend=mend))


def portfolio(
    library: Library, *, now: datetime, tier: str | None = None, fit: str | None = None, page: int = 1
) -> Portfolio:
    """Every system with whether it is fit to ship now, those that need somebody first; beyond SORTED, by name."""
    record, today = library.record, now.date()
    known = [one.document for one in record.find("system", limit=_MOST)]
    chosen = [one for one in known if isinstance(one, documents.System) and tier in (None, one.tier)]
    start = (page - 1) * PAGE
    if fit is None and len(chosen) > SORTED:
        rows = [_system_row(library, one, now=now, today=today) for one in chosen[start : start + PAGE + 1]]
    else:
        rows = [_system_row(library, one, now=now, today=today) for one in chosen[:FILTERED]]
        rows = [row for row in rows if fit in (None, row.fit.fit)]
        rows = sorted(rows, key=_urgency)[start : start + PAGE + 1]
    return Portfolio(
        systems=rows[:PAGE], tier=tier, fit=fit, page=page, has_more=len(rows) > PAGE, total=len(known),
        left_out=max(0, len(chosen) - FILTERED) if fit is not None else 0,
    )  # fmt: skip


def _urgency(row: SystemRow) -> tuple[bool, bool, int, int, str]:
    order = ("hold", "stale", "undecided", "unknown", "ship")
    return row.status == "retired", row.newest is None, order.index(row.fit.fit), -row.overdue, row.name


def system_page(library: Library, name: str, *, now: datetime) -> SystemPage:
    """One system: its versions with their decisions, its requirements in time, and who owes what."""
    record, today = library.record, now.date()
    kept, people = _system(record, name), everyone(record)
    runs = record.runs(system=name, limit=200)
    stands = stand(library, name, now=now)
    risks = open_risks(record, name, today)
    return SystemPage(
        system=show(kept, today, people),
        fit=fit_of(library, name, stands),
        versions=_versions(record, name, runs),
        histories=histories(library, name),
        owed=owed(record, name, stands, today),
        runs=[run_row(one, people) for one in runs[:PAGE]],
        open_risks=risks,
    )


def run_page(library: Library, digest: str, *, now: datetime) -> RunPage:
    """One run, as the record holds it."""
    record = library.record
    kept, people = find(record, digest), everyone(record)
    promised = promises(library, kept)
    found = [_measured(one, promised) for one in record.verdicts(run=kept.facts.digest, limit=_MOST)]
    found.sort(key=lambda one: _RANK.get(one.verdict, 4))
    folder, why = report_of(library, kept)
    stands = stand(library, kept.facts.system, now=now)
    is_current = stands is not None and not isinstance(stands, str) and stands.run.facts.digest == kept.facts.digest
    before = record.runs(system=kept.facts.system, before=kept.facts.created, limit=1)
    return RunPage(
        run=run_row(kept, people),
        headline=headline(kept.facts.decision, [one.verdict for one in found]),
        verdicts=found,
        estimates=record.estimates(run=kept.facts.digest).num_rows,
        fit=fit_of(library, kept.facts.system, stands) if is_current else None,
        folder=None if folder is None else _inside(library, folder),
        why_no_report=why,
        earlier=run_row(before[0], people) if before else None,
    )


def report_bytes(library: Library, digest: str) -> bytes:
    """The report of a run, byte for byte as its manifest says. Raises Unusable (WEB001, WEB007)."""
    kept = find(library.record, digest)
    folder, why = report_of(library, kept)
    if folder is not None:
        try:
            return _listed(folder, kept.facts.digest, "report.html")
        except (OSError, ValueError) as error:
            why = _said(error)
    mend = "look at what the record holds of it, or put its folder back where it lay"
    raise Unusable(Fault(code="WEB007", what=f"the report cannot be shown: {why}", where=digest, mend=mend))


def comparison(library: Library, before: str | None, after: str | None, *, system: str | None = None) -> Comparison:
    """Two runs, requirement by requirement: the worse first, then the better, then what stayed."""
    record, people = library.record, everyone(library.record)
    choices = [run_row(one, people) for one in record.runs(system=system, limit=PAGE)]
    if not before or not after:
        return Comparison(before=None, after=None, pairs=[], choices=choices)
    old, new = find(record, before), find(record, after)
    sides = [
        {one.requirement: _measured(one, required) for one in record.verdicts(run=run.facts.digest, limit=_MOST)}
        for run, required in ((run, promises(library, run)) for run in (old, new))
    ]
    pairs = [_pair(name, sides[0].get(name), sides[1].get(name)) for name in dict.fromkeys([*sides[1], *sides[0]])]
    order = ("worse", "better", "dropped", "added", "same")
    pairs.sort(key=lambda one: (order.index(one.way), not one.is_loud))
    return Comparison(before=run_row(old, people), after=run_row(new, people), pairs=pairs, choices=choices)


def requirement_page(library: Library, system: str, requirement: str, *, now: datetime) -> RequirementPage:
    """One requirement of a system over all its runs, with its risks, mitigations and waivers."""
    record, today = library.record, now.date()
    _system(record, system)
    found = histories(library, system, requirement=requirement)
    if not found:
        what = f"no run of {shorten(system, 60)!r} has looked at a requirement {shorten(requirement, 60)!r}"
        raise absent(what, "the system's page lists those that were looked at")
    risks = [one for one in of_system(record, "risk", system, today) if _names(one, "requirements", requirement)]
    names = {one.id for one in risks}
    told = {name for one in risks for name in (one.body or {}).get("mitigations", ())}
    mitigations = [
        one
        for one in of_system(record, "mitigation", system, today)
        if _names(one, "requirements", requirement) or names & set((one.body or {}).get("risks", ())) or one.id in told
    ]
    asked = [
        one for one in of_system(record, "waiver", system, today) if (one.body or {}).get("requirement") == requirement
    ]
    return RequirementPage(
        system=system,
        history=found[0],
        controls=found[0].points[-1].controls,
        risks=risks,
        mitigations=mitigations,
        waivers=asked,
    )


def find(record: Record, digest: str) -> KeptRun:
    """A recorded run by its digest or its own id. Raises Unusable (WEB001)."""
    found = record.runs(digest=digest, limit=1) or record.runs(run=digest, limit=1)
    if not found:
        raise absent(f"the record has no run {shorten(digest, 80)!r}", "`shipworthy check` records its runs")
    return found[0]


def run_row(kept: KeptRun, people: People) -> RunRow:
    """A run in one line."""
    facts = kept.facts
    return RunRow(
        digest=facts.digest, run=facts.run, system=facts.system, version=facts.version, decision=facts.decision,
        created=facts.created, locked=facts.locked, plan_digest=facts.plan_digest,
        by=shown(people, kept.actor), seq=kept.seq,
    )  # fmt: skip


def show(kept: Kept, today: date, people: People) -> Shown:
    """A document with its state today."""
    document = kept.document
    due = getattr(document, "due", None)
    due = due.date() if isinstance(due, datetime) else due
    state = str(getattr(document, "status", "") or "")
    if isinstance(document, documents.Waiver):
        state = leave.state(document, today)
    is_over = due is not None and due < today and state not in _SETTLED
    return Shown(
        kind=kept.kind, id=kept.id, version=kept.version, at=kept.at, by=shown(people, kept.actor),
        digest=kept.digest, seq=kept.seq, state=state or ("forgotten" if document is None else ""), due=due,
        is_overdue=is_over, body=document.model_dump(mode="json") if document is not None else None,
    )  # fmt: skip


_SETTLED = ("closed", "treated", "accepted", "verified", "abandoned", "resolved", "ended", "refused", "withdrawn", "")


def of_system(record: Record, kind: documents.Kind, system: str | None, today: date) -> list[Shown]:
    """The documents of a kind, of one system or of all."""
    people = everyone(record)
    return [show(one, today, people) for one in record.find(kind, system=system, limit=_MOST)]


def open_risks(record: Record, system: str, today: date) -> list[Shown]:
    """The open risks of a system, the worst first."""
    people = everyone(record)
    found = [show(one, today, people) for one in record.find("risk", system=system, status="open", limit=_MOST)]
    return sorted(found, key=lambda one: -(score(one) or 0))


def score(risk: Shown) -> int | None:
    """What is left of a risk: likelihood × severity, residual where that was rated."""
    body = risk.body or {}
    rating = body.get("residual") or body.get("inherent")
    return rating["likelihood"] * rating["severity"] if rating else None


def headline(decision: str, verdicts: Sequence[str]) -> str:
    """The decision in one line, as the report has it."""
    total = len(verdicts)
    if not total:
        return "UNDECIDED: nothing was required"
    of = f"of {total} requirement{'s' * (total > 1)}"
    counts = [(word, verdicts.count(word)) for word in ("breached", "undecided", "waived")]
    parts = [f"{count} {word}" for word, count in counts if count]
    if not parts:
        return f"{decision.upper()}: {total} {of} met"
    first, *rest = parts
    count, word = first.split(" ", 1)
    return f"{decision.upper()}: " + ", ".join([f"{count} {of} {word}", *rest])


def histories(library: Library, system: str, *, requirement: str | None = None) -> list[History]:
    """The requirements of a system over its runs, the worst standing of today first."""
    record = library.record
    runs = record.runs(system=system, limit=1)
    promised = promises(library, runs[0]) if runs else {}
    groups: dict[str, list[KeptVerdict]] = {}
    for one in record.verdicts(system=system, requirement=requirement, limit=_MOST):
        groups.setdefault(one.requirement, []).append(one)
    found = []
    for name, kept in groups.items():
        points = [_measured(one, promised) for one in islice(kept, LONGEST_HISTORY)][::-1]
        newest = points[-1]
        found.append(
            History(
                requirement=name, text=newest.text, claim=newest.claim, points=points,
                left_out=len(kept) - len(points),
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (_RANK.get(one.points[-1].verdict, 4), one.requirement))


def promises(library: Library, kept: KeptRun) -> Mapping[str, Requirement]:
    """What a run's plan requires, by id; nothing where its folder is not at hand."""
    folder, _ = _folder(library, kept)
    if folder is None:
        return {}
    try:
        resolved = read_json(_listed(folder, kept.facts.digest, "plan.json"))
        return {one.id: one for one in _REQUIREMENTS.validate_json(json.dumps(resolved["requirements"]))}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def report_of(library: Library, kept: KeptRun) -> tuple[Path | None, str]:
    """The folder that holds a run's report, unchanged; else None and why not."""
    folder, why = _folder(library, kept)
    if folder is None:
        return None, why
    try:
        _listed(folder, kept.facts.digest, "report.html")
    except (OSError, ValueError) as error:
        return None, _said(error)
    return folder, ""


def stand(library: Library, system: str, *, now: datetime) -> Standing | str | None:
    """Where a system's newest decision stands; a reason where that cannot be said; None where nothing was run."""
    record = library.record
    if not record.runs(system=system, limit=1):
        return None
    kept = current(record, system)
    if _outside(library, kept):
        return "the run's folder lies outside of the project's, and was not looked at"
    try:
        return standing(record, kept, Looking(base=library.start, now=now, data=False))
    except (ShipworthyError, OSError, ValueError) as error:
        return f"its run cannot be looked at again: {shorten(error, 200)}"


def fit_of(library: Library, system: str, stands: Standing | str | None) -> Fit:
    """The answer to "fit to ship now?" for a page."""
    if stands is None:
        return Fit(fit="unknown", reasons=["nothing was run yet"])
    if isinstance(stands, str):
        run = library.record.runs(system=system, limit=1)[0].facts
        return Fit(fit="unknown", reasons=[stands], run=run.digest, version=run.version)
    return Fit(
        fit=stands.fitness.fit,
        until=stands.fitness.until,
        reasons=list(stands.fitness.reasons),
        changes=[change.what for change in stands.changes],
        notes=list(stands.notes),
        run=stands.run.facts.digest,
        version=stands.run.facts.version,
    )


def owed(record: Record, system: str, stands: Standing | str | None, today: date) -> list[Owed]:
    """What is still to be done for a system, the most pressing first."""
    found: list[Owed] = []
    if isinstance(stands, Standing):
        given = {one.document.role for one in stands.signatures if not one.changes and not one.document.withdrawn}
        found += [
            Owed(what=f"sign the decision, in the role “{role}”", who=role, due=None, is_overdue=False)
            for role in stands.required.roles
            if role not in given
        ]
    doing: tuple[tuple[documents.Kind, str], ...] = (
        ("risk", "treat the risk"),
        ("mitigation", "carry out"),
        ("incident", "close the incident"),
    )
    people = everyone(record)
    for kind, verb in doing:
        for one in of_system(record, kind, system, today):
            body = one.body or {}
            if one.state in _SETTLED or (one.due is None and kind != "incident"):
                continue
            what = f"{verb} “{shorten(body.get('title', ''), 90)}”"
            who = shown(people, body.get("owner", "")) if body.get("owner") else ""
            found.append(Owed(what=what, who=who, due=one.due, is_overdue=one.is_overdue, kind=kind, id=one.id))
    for one in of_system(record, "waiver", system, today):
        body = one.body or {}
        name, by = shorten(body.get("requirement", ""), 60), shown(people, body.get("requester", ""))
        if body.get("status") == "requested" and not one.is_overdue:
            what = f"answer the request to waive {name}"
            found.append(Owed(what=what, who="approvers", due=one.due, is_overdue=False, kind="waiver", id=one.id))
        elif body.get("status") == "approved" and one.due is not None and today <= one.due <= today + SOON:
            what = f"meet {name} before its waiver ends"
            found.append(Owed(what=what, who=by, due=one.due, is_overdue=False, kind="waiver", id=one.id))
    return sorted(found, key=lambda one: (not one.is_overdue, one.due or date.max, one.what))


def claim(estimate: Estimate | None, bound: Mapping[str, Any]) -> str:
    """The technical claim, from what a verdict carries: "False positive rate, difference: at most 5 points"."""
    if estimate is None:
        return ""
    metric, compare = estimate.metric, estimate.compare
    how = {"value": "", "difference": ", difference", "ratio": ", ratio", "change": ", change"}[compare]
    said = [
        f"{name.replace('_', ' ')} {' to '.join(numbers.bound_value(end, metric, compare) for end in _ends(stated))}"
        for name, stated in bound.items()
    ]
    return f"{words(metric).title}{how}" + (f": {', '.join(said)}" if said else "")


def controls(body: Mapping[str, Any]) -> list[str]:
    """The controls that a verdict names."""
    found = body.get("controls")
    return [str(one) for one in found] if isinstance(found, list) else []


def _ends(value: object) -> list[float]:
    ends = value if isinstance(value, list) else [value]
    return [float(end) for end in ends if isinstance(end, int | float)]


def _measured(kept: KeptVerdict, promised: Mapping[str, Requirement]) -> Measured:
    body = kept.body
    try:
        estimate = _ESTIMATE.validate_python(body["estimate"]) if body.get("estimate") else None
    except ValidationError:
        estimate = None
    bound = body.get("bound")
    bounds = _bounds(bound) if isinstance(bound, dict) else {}
    waiver = body.get("waiver")
    waiver = waiver if isinstance(waiver, dict) else None
    needed, required = body.get("needed"), promised.get(kept.requirement)
    if required is not None and _bounds(required.bound) != bounds:
        required = None  # this run was judged by another plan
    return Measured(
        requirement=kept.requirement,
        text=plain(required.text) if required else "",
        claim=sentences.claim(required) if required else claim(estimate, bounds),
        verdict="waived" if waiver else kept.verdict,
        severity=kept.severity,
        bound=bounds,
        good=good_side(required) if required else _stated(bounds),
        estimate=estimate,
        needed=needed if isinstance(needed, int) else None,
        waiver=str(waiver.get("id", "")) if waiver else None,
        waived_until=str(waiver.get("ends", "")) if waiver else None,
        controls=controls(body),
        why=str(body.get("why") or ""),
        run=kept.run,
        name=kept.name,
        version=kept.version,
        created=kept.created,
    )


def _bounds(bound: Mapping[str, Any]) -> dict[str, float | list[float]]:
    found = {str(name): (_ends(value), isinstance(value, list)) for name, value in bound.items()}
    return {name: ends if is_list else ends[0] for name, (ends, is_list) in found.items() if ends}


def _stated(bounds: Mapping[str, float | list[float]]) -> tuple[float | None, float | None]:
    low, high, within = (_ends(bounds.get(name)) for name in ("at_least", "at_most", "within"))
    if len(within) == 2:
        return within[0], within[1]
    return low[0] if low else None, high[0] if high else None


def _pair(name: str, before: Measured | None, after: Measured | None) -> Pair:
    one = after or before
    way: Way = "same"
    is_loud = False
    if before is None or after is None:
        way = "added" if before is None else "dropped"
    else:
        was, now = _RANK.get(before.verdict, 4), _RANK.get(after.verdict, 4)
        way = "same" if was == now else "worse" if now < was else "better"
        is_loud = was != now or _apart(before.estimate, after.estimate)
    return Pair(
        requirement=name, claim=one.claim if one else "", before=before, after=after, way=way, is_loud=is_loud
    )  # fmt: skip


def _apart(one: Estimate | None, other: Estimate | None) -> bool:
    """Whether two intervals of one quantity do not overlap."""
    if one is None or other is None or (one.metric, one.compare) != (other.metric, other.compare):
        return False
    low, high = (one, other) if (one.value or 0) <= (other.value or 0) else (other, one)
    return low.high is not None and high.low is not None and low.high < high.low


def _system(record: Record, name: str) -> Kept:
    kept = record.get("system", name)
    if kept is None:
        raise absent(f"the record has no system {shorten(name, 80)!r}", "the first page lists those that it has")
    return kept


_WITH_A_DAY: tuple[documents.Kind, ...] = ("mitigation", "incident")


def _system_row(library: Library, system: documents.System, *, now: datetime, today: date) -> SystemRow:
    record, name, people = library.record, system.id, everyone(library.record)
    runs = record.runs(system=name, limit=1)
    stands = stand(library, name, now=now)
    risks = open_risks(record, name, today)
    late = [
        show(one, today, people)
        for kind in _WITH_A_DAY
        for one in record.find(kind, system=name, due_before=today, limit=_MOST)
    ]
    incidents = [one.document for one in record.find("incident", system=name, limit=_MOST)]
    detected = [one.detected for one in incidents if isinstance(one, documents.Incident)]
    open_ones = [one for one in incidents if isinstance(one, documents.Incident) and one.status not in _SETTLED]
    return SystemRow(
        name=name,
        purpose=system.purpose,
        tier=system.tier,
        owner=shown(people, system.owner) if system.owner else "",
        status=system.status,
        released=_released(record, name),
        newest=run_row(runs[0], people) if runs else None,
        fit=fit_of(library, name, stands),
        open_risks=len(risks),
        worst_risk=max((score(one) or 0 for one in risks), default=None),
        overdue=sum(one.is_overdue for one in (*risks, *late)),
        last_incident=max(detected, default=None),
        open_incidents=len(open_ones),
    )


def _released(record: Record, system: str) -> str | None:
    found = [one.document for one in record.find("version", system=system, status="released", limit=_MOST)]
    ordered = sorted(
        (one for one in found if isinstance(one, documents.Version)),
        key=lambda one: one.released.isoformat() if one.released else "",
    )
    return ordered[-1].version if ordered else None


def _versions(record: Record, system: str, runs: Iterable[KeptRun]) -> list[VersionRow]:
    """The versions in the order in which they were first seen."""
    people = everyone(record)
    by_version: dict[str, list[KeptRun]] = {}
    for run in runs:
        by_version.setdefault(run.facts.version, []).append(run)
    known = [one.document for one in record.find("version", system=system, limit=_MOST)]
    status = {one.version: one.status for one in known if isinstance(one, documents.Version)}
    said = [one.document for one in record.find("decision", system=system, limit=_MOST)]
    signed = {one.version: one.outcome for one in said if isinstance(one, documents.Decision)}
    rows = []
    for version in dict.fromkeys([*status, *by_version]):
        own = by_version.get(version, [])
        decision = signed.get(version) or (own[0].facts.decision if own else None)
        rows.append(
            VersionRow(
                version=version, status=str(status.get(version, "candidate")),
                first=own[-1].facts.created if own else None,
                runs=[run_row(one, people) for one in own[:10]], decision=decision, is_signed=version in signed,
            )
        )  # fmt: skip
    return sorted(rows, key=lambda one: (one.first is None, one.first.isoformat() if one.first else "", one.version))


def _names(one: Shown, key: str, name: str) -> bool:
    return name in ((one.body or {}).get(key) or ())


def _outside(library: Library, kept: KeptRun) -> bool:
    place = kept.facts.place
    return "://" in place or not (library.start / place).resolve().is_relative_to(library.root)


def _folder(library: Library, kept: KeptRun) -> tuple[Path | None, str]:
    """A run's folder, whose manifest is the recorded one; else None and why not."""
    if not kept.facts.place:
        return None, "the record does not say where its folder lies"
    if _outside(library, kept):
        return None, "its folder lies outside of the project's, and is not read from here"
    folder = (library.start / kept.facts.place).resolve()
    if not folder.is_dir():
        return None, "its folder is not where it lay"
    try:
        data = read_bytes(folder / MANIFEST, most=_MOST_MANIFEST)
    except (OSError, ValueError) as error:
        return None, f"its manifest cannot be read: {_said(error)}"
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != kept.facts.digest:
        return None, "another run lies in its folder, or its manifest was changed"
    return folder, ""


def _listed(folder: Path, digest: str, name: str) -> bytes:
    """A file of a run, as the recorded manifest lists it. Raises OSError, ValueError."""
    data = read_bytes(folder / MANIFEST, most=_MOST_MANIFEST)
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise ValueError("its manifest was changed")
    listed = {one["path"]: one["sha256"] for one in read_json(data)["files"]}
    if name not in listed:
        raise ValueError(f"the run has no {name}")
    content = read_bytes(folder / name, most=_MOST_REPORT)
    if hashlib.sha256(content).hexdigest() != listed[name]:
        raise ValueError(f"its {name} was changed after it was written")
    return content


def _inside(library: Library, folder: Path) -> str:
    return folder.relative_to(library.root).as_posix()


def _said(error: Exception) -> str:
    return shorten((isinstance(error, OSError) and error.strerror) or error, 160)
