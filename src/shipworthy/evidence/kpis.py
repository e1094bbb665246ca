"""How well the programme works: indicators over a window, each with its definition, n, exclusions and interval.

What the record cannot know is "not recorded", with the reason: an indicator that is guessed is worse than none. Ratios
carry a Wilson interval at 95 %; durations their median and p90 by Kaplan-Meier, so that what is still open counts as
open. A thing belongs to a window [since, until) by when it began; what happens after `until` is not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from shipworthy.digest import Json, digest
from shipworthy.evidence.history import (
    MONTH,
    DecisionFact,
    History,
    IncidentFact,
    Outcome,
    PackageFact,
    RunFact,
    Status,
    SystemFact,
    Window,
    end_of,
)
from shipworthy.plan.models import Tier
from shipworthy.stats.proportion import wilson
from shipworthy.stats.survival import survival_quantile

SCHEMA = "shipworthy/kpis@1"
# What an organisation has to declare before it looks; the digest of all of it stands in every report.
APPETITE = 9  # residual score above which a risk is beyond appetite
FRESH: Mapping[Tier, int] = {"critical": 90, "high": 180, "limited": 365, "minimal": 730}  # days that a run stays fresh
WEIGHTS: Mapping[str, int] = {"low": 1, "medium": 3, "high": 10, "critical": 30}  # of an incident
REPEAT = timedelta(days=180)
LEAST_EXPOSURE = 1.0  # system-months; a rate over less of them says how long the record is, not how things went
FULL_COUNTS = frozenset(  # indicators over all that the record has, of today: their intervals are of no sample
    {"inventory-coverage", "control-coverage", "trace-completeness", "slice-coverage", "sign-off-validity"}
)
_STEPS = ("acknowledged", "mitigated", "resolved", "closed")  # of an incident, in their order
_STRICT: Mapping[Outcome, int] = {"ship": 0, "undecided": 1, "hold": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number of an indicator."""

    label: str
    value: float  # infinite where a quantile is not reached yet
    low: float | None = None  # 95 %; infinite where there is no such limit
    high: float | None = None
    unit: Literal["ratio", "days", "points", "per system", "per system-month"] = "ratio"
    hits: int | None = None  # of a ratio of counts: its numerator
    of: int | None = None  # and its denominator


@dataclass(frozen=True, kw_only=True, slots=True)
class Kpi:
    """An indicator over a window."""

    name: str
    title: str
    definition: str
    figures: tuple[Figure, ...]  # empty exactly where `reason` is set
    n: int  # what it was computed from
    open: int = 0  # of them, censored: still open at the end of the window
    excluded: Mapping[str, int] = field(default_factory=dict)  # why -> how many
    reason: str | None = None  # "not recorded: ...", or that there is nothing in the window
    note: str = ""  # how the definition was read
    is_full_count: bool = False  # whether everything there is was counted, so that no sample could err

    def as_json(self) -> dict[str, Json]:
        """For machines; what is not reached is null."""
        return {
            "name": self.name, "title": self.title, "definition": self.definition, "n": self.n, "open": self.open,
            "excluded": dict(self.excluded), "reason": self.reason, "note": self.note,
            "full_count": self.is_full_count,
            "figures": [
                {"label": one.label, "unit": one.unit, "value": _finite(one.value), "low": _finite(one.low),
                 "high": _finite(one.high), "hits": one.hits, "of": one.of}
                for one in self.figures
            ],
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    figures: tuple[Figure, ...] = ()
    n: int = 0
    open: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None


_Compute: TypeAlias = Callable[[History, Window], _Result]


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """What an indicator is, whatever the window."""

    name: str
    title: str
    definition: str
    note: str
    compute: _Compute


def settings() -> dict[str, Json]:
    """What was declared beforehand, with its digest."""
    limits: dict[str, Json] = {str(tier): days for tier, days in FRESH.items()}
    weights: dict[str, Json] = {**WEIGHTS}
    told: dict[str, Json] = {
        "appetite": APPETITE, "fresh_days": limits, "incident_weights": weights, "repeat_days": REPEAT.days,
        "least_exposure": LEAST_EXPOSURE,
    }  # fmt: skip
    return {**told, "digest": digest(told)}


def kpis(history: History, window: Window) -> tuple[Kpi, ...]:
    """Every indicator over a window, in the order of DEFINITIONS."""
    found = []
    for one in DEFINITIONS.values():
        got = one.compute(history, window)
        found.append(
            Kpi(
                name=one.name, title=one.title, definition=one.definition, note=one.note, figures=got.figures, n=got.n,
                open=got.open, excluded={why: n for why, n in got.excluded.items() if n}, reason=got.reason,
                is_full_count=one.name in FULL_COUNTS,
            )
        )  # fmt: skip
    return tuple(found)


_NOTHING = "nothing in this window"


def _ratio(hits: int, total: int, *, label: str = "share", excluded: Mapping[str, int] | None = None) -> _Result:
    return _shares({label: hits}, total, excluded=excluded)


def _shares(hits: Mapping[str, int], total: int, *, excluded: Mapping[str, int] | None = None) -> _Result:
    if total == 0:
        return _Result(excluded=excluded or {}, reason=_NOTHING)
    figures = []
    for label, count in hits.items():
        low, high = wilson(count, total)
        figures.append(Figure(label=label, value=count / total, low=float(low), high=float(high), hits=count, of=total))
    return _Result(figures=tuple(figures), n=total, excluded=excluded or {})


def _times(
    pairs: Iterable[tuple[datetime, datetime | None]],
    window: Window,
    *,
    excluded: Mapping[str, int] | None = None,
) -> _Result:
    """Median and p90 of how long things took that began in the window; open ones are censored where it ends."""
    begun = [(start, end) for start, end in pairs if window.has(start)]
    found = [(start, end) for start, end in begun if end is None or end >= start]
    excluded = {**(excluded or {}), "over before it began, by the times recorded": len(begun) - len(found)}
    if not found:
        return _Result(excluded=excluded, reason=_NOTHING)
    ended = [end is not None and end < window.until for _, end in found]
    days = [
        ((end if over and end is not None else window.until) - start).total_seconds() / 86_400
        for (start, end), over in zip(found, ended, strict=True)
    ]
    figures = []
    for label, q in (("median", 0.5), ("p90", 0.9)):
        value, (low, high) = survival_quantile(days, ended, q)
        figures.append(Figure(label=label, value=value, low=float(low), high=float(high), unit="days"))
    return _Result(figures=tuple(figures), n=len(found), open=ended.count(False), excluded=excluded)


def _not_recorded(why: str) -> _Compute:
    return lambda _history, _window: _Result(reason=f"not recorded: {why}")


def _inventory(history: History, window: Window) -> _Result:
    seen = [one for one in history.systems if one.status_at(window.last)]
    return _ratio(sum(one.has_intake for one in seen), len(seen))


def _active(history: History, window: Window) -> list[SystemFact]:
    return [one for one in history.systems if one.status_at(window.last) == "active"]


def _statuses(history: History) -> Callable[[str, datetime], Status | None]:
    """What a system was at a moment, by its name; None where the record did not know it."""
    known = {one.name: one for one in history.systems}
    return lambda name, moment: known[name].status_at(moment) if name in known else None


def _control_coverage(history: History, window: Window) -> _Result:
    found = _active(history, window)
    total = sum(one.required for one in found)
    return _shares({"covered": sum(one.covered for one in found), "waived": sum(one.waived for one in found)}, total)


def _trace(history: History, window: Window) -> _Result:
    found = _active(history, window)
    return _ratio(sum(one.traced for one in found), sum(one.promises for one in found))


def _firsts(history: History) -> list[RunFact]:
    """The first submission of each version."""
    first: dict[tuple[str, str], RunFact] = {}
    for one in sorted(history.runs, key=lambda run: run.created):
        first.setdefault((one.system, one.version), one)
    return list(first.values())


def _time_to_decision(history: History, window: Window) -> _Result:
    decided: dict[str, datetime] = {}
    for decision in history.decisions:
        for use in decision.uses:
            decided[use.run] = min(use.at, decided.get(use.run, use.at))
    status = _statuses(history)
    by_version: dict[tuple[str, str], list[RunFact]] = {}
    for run in sorted(history.runs, key=lambda run: run.created):
        by_version.setdefault((run.system, run.version), []).append(run)
    pairs, replaced, gone = [], 0, 0
    for (system, _), runs in by_version.items():
        for run in runs:
            if run.digest not in decided and run is not runs[-1]:
                replaced += window.has(run.created)
            elif run.digest not in decided and status(system, window.last) == "retired":
                gone += window.has(run.created)
            else:
                pairs.append((run.created, decided.get(run.digest)))
    excluded = {
        "replaced by a newer run before anyone decided": replaced,
        "its system was retired before anyone decided": gone,
    }
    return _times(pairs, window, excluded=excluded)


def _first_pass(history: History, window: Window) -> _Result:
    found = [one for one in _firsts(history) if window.has(one.created)]
    return _ratio(sum(one.decision == "ship" and not any(v[2] for v in one.verdicts) for one in found), len(found))


def _inconclusive(history: History, window: Window) -> _Result:
    found = [verdict for run in history.runs if window.has(run.created) for verdict in run.verdicts]
    judged = [one for one in found if one[3]]
    excluded = {"nothing could be estimated": len(found) - len(judged)}
    return _ratio(sum(one[1] == "undecided" for one in judged), len(judged), excluded=excluded)


def _override(history: History, window: Window) -> _Result:
    found = [one for one in history.decisions if window.has(one.decided)]
    apart = [_STRICT[one.outcome] - _STRICT[one.automated] for one in found]
    counts = {
        "share": sum(one != 0 for one in apart), "stricter": sum(one > 0 for one in apart),
        "looser": sum(one < 0 for one in apart),
    }  # fmt: skip
    return _shares(counts, len(found))


def _used(history: History, window: Window) -> tuple[list[RunFact], int]:
    """The runs that decisions of the window rest on, each once, and how many the record does not have."""
    known = {one.digest: one for one in history.runs}
    used = dict.fromkeys(use.run for one in history.decisions for use in one.uses if window.has(use.at))
    return [known[one] for one in used if one in known], sum(one not in known for one in used)


def _preregistration(history: History, window: Window) -> _Result:
    found, unknown = _used(history, window)
    good = sum(one.locked is not None and one.locked <= one.created for one in found)
    return _ratio(good, len(found), excluded={"no such run before the window's end": unknown})


def _freshness(history: History, window: Window) -> _Result:
    tiers = {one.name: one.tier for one in _active(history, window)}
    known = {one.digest: one for one in history.runs}
    newest: dict[str, DecisionFact] = {}
    for one in sorted(history.decisions, key=lambda decision: decision.decided):
        if one.decided < window.until and one.system in tiers:
            newest[one.system] = one
    items = [(system, use) for system, one in newest.items() for use in one.uses if use.is_relied_on]
    held = [(system, use, known[use.run]) for system, use in items if use.run in known]
    good = sum(
        window.until - run.created <= timedelta(days=FRESH[tiers[system]]) and not use.changed
        for system, use, run in held
    )
    return _ratio(good, len(held), excluded={"no such run before the window's end": len(items) - len(held)})


def _independence(history: History, window: Window) -> _Result:
    found = [one for one in history.approvals if window.has(one.at)]
    asked = [one for one in found if one.is_required]
    excluded = {"no role that has to sign": len(found) - len(asked)}
    return _ratio(sum(one.is_independent for one in asked), len(asked), excluded=excluded)


def _validity(history: History, window: Window) -> _Result:
    found = [one for one in history.approvals if one.at < window.until and one.is_in_force]
    return _ratio(sum(one.is_valid for one in found), len(found))


def _waiver_load(history: History, window: Window) -> _Result:
    systems = {one.name for one in _active(history, window)}
    last = window.last.astimezone(UTC).date()
    there = [one for one in history.waivers if one.starts <= last <= one.ends]
    active = sum(one.system in systems for one in there)
    excluded = {"of a system that is not active": len(there) - active}
    if not systems:
        return _Result(reason=_NOTHING, excluded=excluded)
    figures = [Figure(label="active waivers", value=active / len(systems), unit="per system")]
    passed = [one for one in history.runs if window.has(one.created) and one.decision == "ship"]
    leaning = _ratio(sum(any(v[2] for v in one.verdicts) for one in passed), len(passed), label="passes that need one")
    return _Result(figures=(*figures, *leaning.figures), n=len(systems), excluded=excluded)


def _waivers_overdue(history: History, window: Window) -> _Result:
    since, until = window.since.astimezone(UTC).date(), window.until.astimezone(UTC).date()
    ended = [one for one in history.waivers if since <= one.ends < until]
    status = _statuses(history)
    told = [one for one in ended if status(one.system, end_of(one.ends)) != "retired"]
    excluded = {"of a system that was retired by then": len(ended) - len(told)}
    return _ratio(sum(one.is_open for one in told), len(told), excluded=excluded)


def _residual(history: History, window: Window) -> _Result:  # noqa: ARG001  the facts are of its two ends
    there = [one.after for one in history.risks if one.after is not None]
    before = sum(one.before or 0 for one in history.risks)
    parts = {"new": 0, "treated": 0, "re-scored": 0}
    for one in history.risks:
        why = "new" if not one.is_known_before else "treated" if one.is_treated else "re-scored"
        parts[why] += (one.after or 0) - (one.before or 0)
    if not there and not before:
        return _Result(reason=_NOTHING)
    figures = [Figure(label="sum", value=float(sum(there)), unit="points")]
    figures += _ratio(sum(one > APPETITE for one in there), len(there), label=f"above {APPETITE}").figures
    figures += [Figure(label=f"change: {why}", value=float(by), unit="points") for why, by in parts.items()]
    return _Result(figures=tuple(figures), n=len(there))


def _verified(history: History, window: Window) -> _Result:
    found = [one for one in history.mitigations if one.at < window.until]
    return _ratio(sum(one.is_verified for one in found), len(found))


def _slices(history: History, window: Window) -> _Result:  # noqa: ARG001  the facts are of the newest runs before it ends
    return _ratio(sum(one.n >= one.least for one in history.slices), len(history.slices))


def _reproduced(history: History, window: Window) -> _Result:
    found = [one for one in history.reproductions if window.has(one.at)]
    told = [one for one in found if one.reproduced is not None]
    excluded = {"what came out can no longer be read": len(found) - len(told)}
    return _ratio(sum(bool(one.reproduced) for one in told), len(told), excluded=excluded)


def _documented(history: History, window: Window) -> _Result:
    newest: dict[str, PackageFact] = {}
    for one in sorted(history.packages, key=lambda package: package.at):
        if window.has(one.at):
            newest[one.about] = one
    known = [one.weights for one in newest.values() if one.weights is not None]
    excluded = {"no longer where it was written": len(newest) - len(known)}
    applicable = sum(of for _, of in known)
    if not applicable:
        return _Result(reason=_NOTHING, excluded=excluded)
    figure = Figure(label="share", value=sum(filled for filled, _ in known) / applicable)
    return _Result(figures=(figure,), n=len(known), excluded=excluded)


def _effective(history: History, window: Window) -> _Result:
    found = [one for one in history.mitigations if one.at < window.until]
    told = [one for one in found if one.is_effective is not None]
    excluded = {"no run that shows it measured a paired change": len(found) - len(told)}
    return _ratio(sum(bool(one.is_effective) for one in told), len(told), excluded=excluded)


def _incidents(history: History, window: Window) -> list[IncidentFact]:
    return [one for one in history.incidents if window.has(one.detected)]


def _mttd(history: History, window: Window) -> _Result:
    found = _incidents(history, window)
    known = [(one.started, one.detected) for one in found if one.started is not None]
    if not known:
        return _Result(reason=_NOTHING, excluded={"start unknown": len(found)})
    whole = Window(since=min(start for start, _ in known), until=window.until)
    return _times(known, whole, excluded={"start unknown": len(found) - len(known)})


def _since_detected(step: Literal["acknowledged", "mitigated", "resolved"]) -> _Compute:
    later = _STEPS[_STEPS.index(step) + 1 :]

    def compute(history: History, window: Window) -> _Result:
        found = _incidents(history, window)
        told = [
            one
            for one in found
            if getattr(one, step) is not None
            or all((end := getattr(one, each)) is None or end >= window.until for each in later)
        ]
        excluded = {"its time is not recorded, a later step's is": len(found) - len(told)}
        return _times([(one.detected, getattr(one, step)) for one in told], window, excluded=excluded)

    return compute


def _reporting(history: History, window: Window) -> _Result:
    found = [
        (one.report_due, one.reported if one.reported is not None and one.reported < window.until else None)
        for one in _incidents(history, window)
        if one.reportable and one.report_due is not None
    ]
    over = [(due, filed) for due, filed in found if filed is not None or due < window.until]
    good = sum(filed is not None and filed <= due for due, filed in over)
    return _ratio(good, len(over), excluded={"not filed, and not due yet": len(found) - len(over)})


def _conversion(history: History, window: Window) -> _Result:
    found = [one for one in history.incidents if window.has(one.closed)]
    return _ratio(sum(one.is_tested for one in found), len(found))


def _repeats(history: History, window: Window) -> _Result:
    found = _incidents(history, window)
    signed = [one for one in found if one.signature]
    repeats = sum(
        any(
            other is not one
            and other.signature == one.signature
            and other.closed is not None
            and timedelta(0) <= one.detected - other.closed <= REPEAT
            for other in history.incidents
        )
        for one in signed
    )
    return _ratio(repeats, len(signed), excluded={"no failure signature": len(found) - len(signed)})


def _index(history: History, window: Window) -> _Result:
    status = _statuses(history)
    exposure = sum(one.active_within(window).total_seconds() for one in history.systems) / 86_400 / MONTH
    found = _incidents(history, window)
    exposed = [one for one in found if status(one.system, one.detected) == "active"]
    excluded = {"not while the record knew the system as active": len(found) - len(exposed)}
    if exposure <= 0:
        return _Result(excluded=excluded, reason=_NOTHING)
    if exposure < LEAST_EXPOSURE:
        why = f"too little exposure: {exposure:.2g} system-months, of at least {LEAST_EXPOSURE:g}"
        return _Result(excluded=excluded, reason=why)
    weight = sum(WEIGHTS[one.severity] for one in exposed)
    figure = Figure(label="weight", value=weight / exposure, unit="per system-month")
    return _Result(figures=(figure,), n=len(exposed), excluded=excluded)


def _actions(history: History, window: Window) -> _Result:
    since, until = window.since.astimezone(UTC).date(), window.until.astimezone(UTC).date()
    due = [pair for one in history.incidents for pair in one.actions if since <= pair[0] < until]
    return _ratio(sum(done is not None and done <= by for by, done in due), len(due))


def _table() -> Iterator[tuple[str, str, str, str, _Compute]]:
    """Name, title, definition as agreed, how it is read here, and how it is computed."""
    monitors = _not_recorded("monitors and their alerts are not in the record yet")
    yield (
        "inventory-coverage", "Inventory coverage",
        "systems with complete intake and tier ÷ systems seen in any registry, trace or deployment source",
        "Systems are seen by the record alone: one that nobody ever checked is not counted, one that was retired is. A "
        "draft of answers is no complete intake.", _inventory,
    )  # fmt: skip
    yield (
        "control-coverage", "Control coverage",
        "required (system, control) pairs with ≥ 1 linked, verified, unexpired evidence item ÷ required pairs for that "
        "tier; waived pairs reported apart, not as covered",
        "As of today, whatever the window, over all active systems. The pairs are those of `shipworthy trace`: what a "
        "system's tier or plan asks for. The catalogues count something else: what a measured requirement names.",
        _control_coverage,
    )  # fmt: skip
    yield (
        "trace-completeness", "Trace completeness",
        "requirements with a closed path requirement → test → (mitigation if ever failed) → verification → monitor ÷ "
        "active requirements",
        "As of today, whatever the window, and without its last step: monitors are not recorded yet.", _trace,
    )  # fmt: skip
    yield (
        "slice-coverage", "Slice coverage",
        "declared population slices with n ≥ planned minimum ÷ declared slices",
        "Of each active system's newest run before the window's end: the slices that it met along axes that its plan "
        "names, whose minimum is `minimum_group`. A slice without a single case is not seen.", _slices,
    )  # fmt: skip
    yield (
        "time-to-decision", "Time to decision",
        "decided_at − submitted_at − requester-owned pause time, per gate and tier",
        "From the run to the first signature on it, over all gates and tiers; pauses are not recorded. The newest run "
        "of a version that nobody decided on is open, until its system is retired.", _time_to_decision,
    )  # fmt: skip
    yield (
        "first-pass-rate", "First-pass gate rate",
        "first submissions decided pass with no waiver ÷ first submissions",
        "The first recorded run of each version is its first submission.", _first_pass,
    )  # fmt: skip
    yield (
        "inconclusive-rate", "Inconclusive rate",
        "gate evaluations whose interval straddles the threshold ÷ evaluations; also samples added until decided",
        "Verdicts of one run share its data, so that the interval is too narrow. Samples added are not recorded.",
        _inconclusive,
    )  # fmt: skip
    yield (
        "override-rate", "Override rate",
        "final human decisions differing from the automated outcome ÷ decisions, split stricter / looser", "",
        _override,
    )  # fmt: skip
    yield (
        "reproducibility-rate", "Reproducibility rate",
        "re-runs from pinned inputs with every metric inside its pre-declared tolerance ÷ re-runs attempted "
        "(cannot-run counts as failure); bit-identical share separately",
        "Attempts that `shipworthy reproduce --record` kept, within one part in 10⁹. Whether bits are the same is not "
        "recorded.", _reproduced,
    )  # fmt: skip
    yield (
        "pre-registration-rate", "Pre-registration rate",
        "runs used in a decision whose plan lock precedes the first sample ÷ runs used",
        "A run's own time stands for that of its first sample. A run is used when a decision first names it, and once "
        "in a window, by however many decisions.",
        _preregistration,
    )  # fmt: skip
    yield (
        "documentation-completeness", "Documentation completeness",
        "Σ weight of required fields filled with non-placeholder, reviewed content ÷ Σ weight of applicable fields; "
        "not-applicable needs a reason",
        "Of the newest package within the window of each run or decision, read where it was written; n is packages. A "
        "share of weights has no interval. Who reviewed an answer is not recorded.", _documented,
    )  # fmt: skip
    yield (
        "evidence-freshness", "Evidence freshness",
        "evidence items with age ≤ class limit and unchanged subject digest ÷ items relied on",
        "Items are the runs behind each active system's newest decision; the limit goes by tier. Where a "
        "version has no "
        "digests, age alone counts.", _freshness,
    )  # fmt: skip
    yield (
        "sign-off-independence", "Sign-off independence",
        "approvals where approver ∉ {author, requester, system owner} ÷ approvals required independent",
        "Required are the roles that the tier asks for; tier and owner are those of the time at which it was given.",
        _independence,
    )  # fmt: skip
    yield (
        "sign-off-validity", "Sign-off validity",
        "approvals whose bound digest still equals current content ÷ approvals in force",
        "Valid is an approval that counts by `shipworthy status`. As of today, of approvals given before the window's "
        "end; the data of plans are not read again.", _validity,
    )  # fmt: skip
    yield (
        "waiver-load", "Waiver load",
        "active waivers per system; share of passes depending on a waiver",
        "Of waivers and systems that are both active at the window's end.", _waiver_load,
    )  # fmt: skip
    yield (
        "waivers-overdue", "Waivers overdue",
        "waivers expired with the finding open ÷ waivers expired",
        "Expired within the window, also where somebody withdrew it since; open where the newest verdict on the "
        "requirement before the window's end, of whatever version, is not met.", _waivers_overdue,
    )  # fmt: skip
    yield (
        "residual-risk", "Residual risk index",
        "Σ residual score over open risks, and share above appetite; change attributed to new, treated, re-scored",
        "A risk is open until it is closed; one without a residual rating counts with its inherent one.", _residual,
    )  # fmt: skip
    yield (
        "mitigation-effectiveness", "Mitigation effectiveness",
        "paired change in failure rate on the same frozen suite before/after, with paired interval; effective only if "
        "the interval excludes zero and no guardrail metric regresses",
        "The share that is effective, of mitigations in place whose verifying run measured changes against a "
        "baseline: those of its requirements' metrics have an interval on the good side of zero, and no metric that "
        "another requirement asks for has one on the bad side. Intervals are at the level of the plan.", _effective,
    )  # fmt: skip
    yield (
        "mitigations-verified", "Mitigations verified",
        "mitigations in place that a run has shown to work, where the run before did not ÷ mitigations in place",
        "Beside the agreed list: what the record can say of mitigations.", _verified,
    )  # fmt: skip
    yield (
        "alert-precision", "Alert precision", "alerts dispositioned true ÷ (true + false); undispositioned share shown "
        "beside it", "", monitors,
    )  # fmt: skip
    yield (
        "alert-recall", "Alert recall (proxy)", "incidents preceded by a linked alert ÷ incidents", "", monitors,
    )  # fmt: skip
    yield (
        "false-alarm-rate", "False alarm rate",
        "false alerts ÷ monitored stream-days, against the α each monitor declared", "", monitors,
    )  # fmt: skip
    yield (
        "monitoring-coverage", "Monitoring coverage",
        "deployed (system, metric) pairs with data inside the freshness limit ÷ pairs required by the monitoring plan",
        "", monitors,
    )  # fmt: skip
    yield (
        "escalation-false-positives", "False-positive escalation rate",
        "escalations closed “no action needed” ÷ escalations closed", "",
        _not_recorded("escalations are not in the record"),
    )  # fmt: skip
    yield (
        "mttd", "Mean time to detect",
        "detected_at − started_at (start may be back-dated with evidence; unknown starts "
        "counted apart)", "Given as median and p90. By definition, an incident that nobody detected is not seen.",
        _mttd,
    )  # fmt: skip
    for step, name, title in (
        ("acknowledged", "mtta", "acknowledge"), ("mitigated", "mttm", "mitigate"), ("resolved", "mttr", "resolve"),
    ):  # fmt: skip
        yield (
            name, f"Mean time to {title}", f"{step} − detected",
            "Given as median and p90. An incident that got further without a time for this step is no longer open, and "
            "is left out.",
            _since_detected(step),  # type: ignore[arg-type]  # one of the three
        )  # fmt: skip
    yield (
        "reporting-timeliness", "Reporting timeliness",
        "reportable incidents filed within their 2-, 10- or 15-day clock ÷ reportable incidents",
        "The clock of Article 73 runs from detection.", _reporting,
    )  # fmt: skip
    yield (
        "incident-to-test", "Incident → test conversion",
        "closed incidents with ≥ 1 regression test shown failing before and passing after the fix ÷ closed incidents "
        "where a test is feasible",
        "A test is a requirement of that name that a run breached before the incident was closed, and a later run met; "
        "undecided is no breach. Whether a test is feasible is not recorded: every closed incident counts.",
        _conversion,
    )  # fmt: skip
    yield (
        "repeat-failure-rate", "Repeat-failure rate",
        "incidents whose failure signature (technical-failure label + component + root-cause id) matches one closed in "
        "the previous 180 days ÷ incidents", "", _repeats,
    )  # fmt: skip
    yield (
        "incident-index", "Severity-weighted incident index",
        "Σ w(severity) ÷ exposure (per million requests or per system-month); weights e.g. 1, 3, 10, 30 declared in "
        "advance",
        "Per system-month: requests are not recorded. A system is exposed while the record has it as active, whatever "
        "it is later; incidents are those of that time, and below one system-month in all nothing is said. It has no "
        "interval: severities are weights, and no sample.", _index,
    )  # fmt: skip
    yield (
        "action-closure", "Action closure", "postmortem actions verified by a passing test by due date ÷ actions due",
        "",
        _actions,
    )  # fmt: skip
    yield (
        "judge-agreement", "Judge agreement",
        "chance-corrected agreement between automated graders and human labels on a refreshed random sample, with "
        "interval", "", _not_recorded("each run's report has its judges' cards, which the record does not keep"),
    )  # fmt: skip
    yield (
        "audit-integrity", "Audit integrity",
        "entries covered by a verified, externally held checkpoint ÷ entries; age of last checkpoint", "",
        _not_recorded("who holds a checkpoint outside is not known here; `shipworthy verify` checks one"),
    )  # fmt: skip


DEFINITIONS: Mapping[str, Definition] = {
    name: Definition(name=name, title=title, definition=definition, note=note, compute=compute)
    for name, title, definition, note, compute in _table()
}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
