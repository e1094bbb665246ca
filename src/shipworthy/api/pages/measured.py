"""What runs found about requirements: one verdict, and a requirement over its runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from shipworthy.api.pages.folders import promises
from shipworthy.api.pages.library import MOST, Library
from shipworthy.api.tracing import found_of
from shipworthy.charts.forest import good_side
from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.trace import waiver_today
from shipworthy.plan.models import Requirement
from shipworthy.present import numbers, sentences
from shipworthy.present.safe import plain
from shipworthy.present.vocabulary import words
from shipworthy.record.documents import Waiver

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptVerdict
    from shipworthy.record.store import Record

MOST_REQUIREMENTS = 300  # of a system
LONGEST_HISTORY = 24  # runs of a requirement's history
_ESTIMATE = TypeAdapter(Estimate)
_SLICES = TypeAdapter(tuple[dict[str, str | int | float | bool | None], ...] | None)
RANK = {"breached": 0, "undecided": 1, "waived": 2, "met": 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What one run found about one requirement."""

    requirement: str
    text: str  # the promise in the plan's words; "" where only the record is at hand
    claim: str  # the technical claim
    verdict: str  # met | breached | undecided | waived
    outcome: str  # met | breached | undecided, also of what is waived
    severity: str
    bound: dict[str, float | list[float]]
    good: tuple[float | None, float | None]  # the ends of the good side; of a gap between any two, both
    estimate: Estimate | None
    needed: int | None
    next: str  # what would change the verdict: the size of a breach, or how many further cases of whom; "" if unknown
    waiver: str | None  # id
    waived_until: str | None
    controls: list[str]
    why: str
    run: str  # digest
    name: str  # of the run
    version: str
    created: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Leave:
    """The waiver that a requirement has leave by today, whether or not the run counted it."""

    waiver: str  # id
    until: date  # its last day


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """A requirement over the runs that looked at it, the oldest first."""

    requirement: str
    text: str
    claim: str
    points: list[Measured]
    left_out: int
    standing: str  # met | breached | undecided | waived, by the newest run and the waivers of today
    leave: Leave | None  # by which it is waived today


def leaves(
    record: Record, system: str, verdicts: Iterable[KeptVerdict], *, today: date
) -> dict[tuple[str, str], Leave]:
    """Which verdicts of a system have leave today, by run and requirement: as the trace says it."""
    found = record.find("waiver", system=system, status="approved", limit=MOST, damaged=True)
    waivers = [one.document for one in found if isinstance(one.document, Waiver)]
    held: dict[tuple[str, str], Leave] = {}
    for one in verdicts if waivers else ():
        evaluation = str(one.body.get("evaluation") or (one.body.get("estimate") or {}).get("evaluation") or "")
        leave = waiver_today(
            one.requirement, found_of(one), waivers, version=one.version, evaluation=evaluation or None, today=today
        )
        if leave is not None:
            held[one.run, one.requirement] = Leave(waiver=leave[0], until=leave[1])
    return held


def histories(
    library: Library, system: str, *, today: date, requirement: str | None = None
) -> tuple[list[History], int]:
    """The requirements of a system over its runs, the worst standing of today first, and how many more there are."""
    record = library.record
    runs = record.runs(system=system, limit=1)
    promised = promises(library, runs[0]) if runs else {}
    kept, counts = record.histories(system, requirement=requirement, longest=LONGEST_HISTORY, limit=MOST_REQUIREMENTS)
    leave = leaves(record, system, {one.requirement: one for one in reversed(kept)}.values(), today=today)
    groups: dict[str, list[Measured]] = {}
    for one in reversed(kept):
        groups.setdefault(one.requirement, []).append(measured(one, promised))
    found = [
        History(
            requirement=name, text=points[-1].text, claim=points[-1].claim, points=points,
            left_out=counts[name] - len(points), leave=(now := leave.get((points[-1].run, name))),
            standing="waived" if now else points[-1].outcome,
        )
        for name, points in groups.items()
    ]  # fmt: skip
    found.sort(key=lambda one: (RANK.get(one.standing, 4), one.requirement))
    return found, len(counts) - len(found)


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


def measured(kept: KeptVerdict, promised: Mapping[str, Requirement]) -> Measured:
    """A verdict. promised: what the plan requires, by id, where it is at hand."""
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
    needed = needed if isinstance(needed, int) else None
    return Measured(
        requirement=kept.requirement,
        text=plain(required.text) if required else "",
        claim=sentences.claim(required) if required else claim(estimate, bounds),
        verdict="waived" if waiver else kept.verdict,
        outcome=kept.verdict,
        severity=kept.severity,
        bound=bounds,
        good=good_side(required) if required else _stated(bounds),
        estimate=estimate,
        needed=needed,
        next=_next(kept, required, estimate, needed),
        waiver=str(waiver.get("id", "")) if waiver else None,
        waived_until=str(waiver.get("ends", "")) if waiver else None,
        controls=controls(body),
        why=str(body.get("why") or ""),
        run=kept.run,
        name=kept.name,
        version=kept.version,
        created=kept.created,
    )


def _next(kept: KeptVerdict, required: Requirement | None, estimate: Estimate | None, needed: int | None) -> str:
    if kept.verdict == "breached" and required is not None and estimate is not None:
        return sentences.excess(required, estimate)
    if kept.verdict != "undecided" or not needed:
        return ""
    try:
        slices = _SLICES.validate_python(kept.body.get("needed_of"))
    except ValidationError:
        slices = None
    is_told = "needed_of" in kept.body or estimate is None or not (estimate.slice or estimate.reference)
    whom = sentences.needed_of(slices) if is_told else ", of slices that the report names,"
    return f"{sentences.needed(needed)}{whom} would probably decide it"


def _bounds(bound: Mapping[str, Any]) -> dict[str, float | list[float]]:
    found = {str(name): (_ends(value), isinstance(value, list)) for name, value in bound.items()}
    return {name: ends if is_list else ends[0] for name, (ends, is_list) in found.items() if ends}


def _ends(value: object) -> list[float]:
    ends = value if isinstance(value, list) else [value]
    return [float(end) for end in ends if isinstance(end, int | float)]


def _stated(bounds: Mapping[str, float | list[float]]) -> tuple[float | None, float | None]:
    low, high, within = (_ends(bounds.get(name)) for name in ("at_least", "at_most", "within"))
    if len(within) == 2:
        return within[0], within[1]
    return low[0] if low else None, high[0] if high else None
