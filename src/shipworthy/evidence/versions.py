"""Which version to ship, and why: what the paired changes of a run say about safety, usefulness and running cost.

Only what lies beyond noise is said to have changed; the rest is said to be undecided, or to be ruled out as far as a
requirement on the change does so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shipworthy.charts import forest, tradeoff
from shipworthy.charts.axis import Axis
from shipworthy.charts.forest import Row
from shipworthy.charts.tradeoff import Tradeoff
from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.run import Run
from shipworthy.gates.verdicts import Decision, Outcome, Verdict
from shipworthy.present import numbers, sentences, slices
from shipworthy.present.safe import plain, shorten
from shipworthy.present.vocabulary import Side, importance, words

MOST_VERSIONS = 6
MOST_ROWS = 40
MOST_WAYS = 2  # of one side in the summary: safer by one metric, less safe by another
_SIDES: tuple[Side, ...] = ("safety", "usefulness", "running")
_TITLES = {"safety": "Safety", "usefulness": "Usefulness", "running": "Running it", None: "Quality"}
_UNDECIDED = {
    "safety": "whether it is safer is undecided",
    "usefulness": "whether it is more or less useful is undecided",
}
_SAFETY = ("attack_success_rate", "violation_rate")  # the first that was measured stands for safety in the picture
_REFUSAL = "false_refusal_rate"
_UNTOLD = ("tokens_in_mean", "tokens_out_mean")  # in the summary: what they cost and how long they take says it


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One metric of everyone: both versions, the paired change, and what it makes the version."""

    before: Estimate | None
    after: Estimate | None
    row: Row  # the change; `note` says "safer", "slower" or "no difference shown"
    axis: Axis


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A version against the baseline. `name` is None for the version that is decided on."""

    name: str | None
    title: str
    baseline: str
    summary: str  # one sentence
    groups: tuple[tuple[str, tuple[Change, ...]], ...]  # "Safety" -> its changes, the most important metric first


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """The story of a run with a baseline: what to ship, and why."""

    advice: str
    because: str
    baseline: str  # how the baseline stands against the bounds that stop this version; "" where that is not known
    comparisons: tuple[Comparison, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The story as sentences, for faces without tables."""
        said = (f"{self.advice} {self.because}", *(each.summary for each in self.comparisons), self.baseline)
        return tuple(line for line in said if line)


def versions(run: Run) -> Versions | None:
    """The story of a run; None where nothing was compared with a baseline, or nothing was required."""
    changes = [e for e in run.estimates if e.compare == "change" and not e.slice]
    named = list(dict.fromkeys(e.variant for e in changes))
    named.sort(key=lambda name: name is not None)  # the version that is decided on comes first
    if not named or not run.verdicts:
        return None
    return Versions(
        advice={
            Decision.SHIP: f"Ship {this(run)}.",
            Decision.HOLD: f"Do not ship {this(run)}.",
            Decision.UNDECIDED: f"Do not ship {this(run)} yet.",
        }[run.decision],
        because=_because(run),
        baseline=_way_out(run),
        comparisons=tuple(
            _comparison(run, name, [e for e in changes if e.variant == name]) for name in named[:MOST_VERSIONS]
        ),
    )


def this(run: Run) -> str:
    """How the version that is decided on is called in a sentence."""
    return f"this version ({shorten(run.plan.system.version, 60)})"


def safety_against_usefulness(run: Run) -> Tradeoff | None:
    """Attack success (or violations) against false refusals, for every version; None unless both were measured."""
    every = [e for e in run.estimates if e.compare == "value" and not e.slice and e.value is not None]
    up = next((metric for metric in _SAFETY if any(e.metric == metric for e in every)), None)
    if up is None or not any(e.metric == _REFUSAL for e in every):
        return None
    shown = {metric: _evaluation(run, metric, every) for metric in (_REFUSAL, up)}
    whole = [e for e in every if shown.get(e.metric) == e.evaluation]
    places = []
    for variant in dict.fromkeys(e.variant for e in whole):
        found = [next((e for e in whole if e.metric == m and e.variant == variant), None) for m in (_REFUSAL, up)]
        if found[0] is not None and found[1] is not None:
            name = "this version" if variant is None else plain(variant)
            places.append(tradeoff.Place(name=name, across=found[0], up=found[1], is_main=variant is None))
    places.sort(key=lambda place: not place.is_main)
    if not places:
        return None
    bounds_across, bounds_up = (_bounds(run, metric, shown[metric]) for metric in (_REFUSAL, up))
    return tradeoff.of_places(
        places[:MOST_VERSIONS],
        bounds_across=bounds_across,
        bounds_up=bounds_up,
        names_evaluations=len({e.evaluation for e in every if e.metric in shown}) > 1,
    )


def _evaluation(run: Run, metric: str, measured: Sequence[Estimate]) -> str:
    """Where a metric is looked at: in the evaluation of the first requirement on it, else in the first one."""
    there = dict.fromkeys(e.evaluation for e in measured if e.metric == metric)
    required = (v.evaluation for v in run.verdicts if v.requirement.metric == metric and v.evaluation in there)
    return next(required, next(iter(there)))


def _bounds(run: Run, metric: str, evaluation: str) -> list[tradeoff.Line]:
    """The bounds that the plan sets on a metric's value; one for every slice is a bound for the whole as well."""
    found: dict[float, str] = {}
    for verdict in run.verdicts:
        requirement = verdict.requirement
        if (requirement.metric, verdict.evaluation) != (metric, evaluation):
            continue
        if sentences.compare_of(requirement) == "value" and requirement.high:
            each = f", each of {sentences.axis_of(requirement)}" if requirement.across else ""
            label = f"{plain(requirement.id)}: {sentences.bound(requirement)}{each}"
            found.setdefault(requirement.high, shorten(label, 60))
    return [tradeoff.Line(at=at, label=label) for at, label in list(found.items())[:3]]


def _because(run: Run) -> str:
    if not run.can_stop:
        return "Every requirement is minor and stops no release, so there is nothing to decide."
    if run.decision is Decision.SHIP:
        minor = [v.requirement.id for v in run.verdicts if v.standing == "breached"]
        but = f" {_listed(minor)}, minor, {'is' if len(minor) == 1 else 'are'} breached." if minor else ""
        waived = [v.requirement.id for v in run.verdicts if v.standing == "waived"]
        if waived:
            return f"What can stop a release is met, but for what is waived: {_listed(waived)}.{but}"
        return f"Every requirement that can stop a release is met.{but}"
    wanted = Outcome.BREACHED if run.decision is Decision.HOLD else Outcome.UNDECIDED
    ids = [v.requirement.id for v in run.verdicts if v.standing == wanted.value and v.requirement.severity != "minor"]
    return f"{_listed(ids)} {'is' if len(ids) == 1 else 'are'} {wanted.value}."


def _way_out(run: Run) -> str:
    """Whether keeping the baseline would be any better: where it lies against the bounds that stop this version, and
    which bound it breaks that this version keeps.
    """
    known = {
        (e.evaluation, e.metric, _key(e)): e
        for e in run.estimates
        if e.compare == "value" and e.variant == run.baseline
    }
    if run.decision is Decision.SHIP or run.baseline is None or not known:
        return ""
    name, parts, worse = plain(run.baseline), [], []
    for verdict in run.verdicts:
        it, requirement = verdict.estimate, verdict.requirement
        if requirement.severity == "minor" or it is None or it.compare != "value" or it.variant == run.baseline:
            continue
        old = known.get((verdict.evaluation, it.metric, _key(it)))
        if old is None or old.value is None or not (lies := _lies(old, requirement.low, requirement.high)):
            continue
        about = f" ({slices.subject(it)})" if it.slice else ""
        if verdict.standing in ("breached", "undecided"):
            parts.append(f"on {plain(requirement.id)}{about} it lies at {numbers.estimate(old)}, {lies}")
        elif verdict.standing == "met" and lies == _BEYOND:
            worse.append(f"{plain(requirement.id)}{about}, where it lies at {numbers.estimate(old)}")
    if not parts:
        return ""
    more = f"; and so on for {len(parts) - 3} more" if len(parts) > 3 else ""
    said = f"Keeping “{shorten(name, 60)}” instead: {'; '.join(parts[:3])}{more}."
    if worse:
        others = f", and {len(worse) - 3} more" if len(worse) > 3 else ""
        said += (
            f" But it breaks what this version keeps: {'; '.join(worse[:3])}{others}. Neither is fit to ship as it is."
        )
    return said


_BEYOND = "beyond the same bound"


def _key(e: Estimate) -> frozenset[tuple[str, object]]:
    return frozenset(e.slice.items())


def _lies(it: Estimate, low: float | None, high: float | None) -> str:
    """Where a whole interval lies; "across" where it does not lie on one side."""
    if it.low is None or it.high is None:
        return ""
    if (high is not None and it.low > high) or (low is not None and it.high < low):
        return _BEYOND
    within = (high is None or it.high <= high) and (low is None or it.low >= low)
    return "within the same bound" if within else "with an interval across the same bound"


def _comparison(run: Run, name: str | None, changes: Sequence[Estimate]) -> Comparison:
    changed = [v for v in run.verdicts if sentences.compare_of(v.requirement) == "change"]
    claimed = {(v.evaluation, v.requirement.metric) for v in changed}
    ordered = sorted(
        changes, key=lambda e: ((e.evaluation, e.metric) not in claimed, importance(e.metric), e.evaluation)
    )
    several = len({e.evaluation for e in changes}) > 1
    baseline = plain(next((e.baseline for e in changes if e.baseline), None) or "the baseline")
    axes = _axes(changes)
    rows = [_change(run, e, axes[e.metric], several=several) for e in ordered[:MOST_ROWS]]
    sides: tuple[Side | None, ...] = (*_SIDES, None)
    groups = {side: [r for r in rows if words(r.row.estimate.metric).side == side] for side in sides}
    title = this(run) if name is None else plain(name)
    return Comparison(
        name=name,
        title=title,
        baseline=baseline,
        summary=_summary(run, title, baseline, groups),
        groups=tuple((_TITLES[side], tuple(found)) for side, found in groups.items() if found),
    )


def _axes(changes: Sequence[Estimate]) -> dict[str, Axis]:
    """An axis for each metric, shared by those of one unit, with no change in its middle: so that all line up."""
    reach: dict[str, float] = {}
    kinds = {e.metric: e.metric if words(e.metric).kind == "number" else words(e.metric).kind for e in changes}
    for e in changes:
        ends = [abs(end) for end in (e.value, e.low, e.high) if end is not None and math.isfinite(end)]
        reach[kinds[e.metric]] = max([reach.get(kinds[e.metric], 0.0), *ends])
    return {
        metric: Axis(low=-(reach[kind] or 1.0), high=reach[kind] or 1.0, ticks=(0.0,)) for metric, kind in kinds.items()
    }


def _change(run: Run, e: Estimate, axis: Axis, *, several: bool) -> Change:
    def of(variant: str | None) -> Estimate | None:
        same = (
            v
            for v in run.estimates
            if v.compare == "value"
            and (v.evaluation, v.metric, v.variant) == (e.evaluation, e.metric, variant)
            and not v.slice
        )
        return next(same, None)

    before = of(e.baseline) if e.baseline is not None else None
    drawn = forest.row(e, gravity=True)
    name = words(e.metric).title + (f", {shorten(e.evaluation, 40)}" if several else "")
    note = reading(run, e) or (
        "changed" if forest.beyond_noise(e) else "no difference shown" if e.value is not None else ""
    )
    if forest.beyond_noise(e) and numbers.judged(e) == "judge uncorrected":
        note += ", if the judge is right"
    row = forest.renamed(drawn, name=name, note=note)
    return Change(before=before, after=of(e.variant), row=row, axis=axis)


def reading(run: Run, e: Estimate) -> str:
    """What a change makes a version ("safer", "slower"); "" where its interval, or the verdict on a requirement that
    says as much, leaves that open."""
    if e.value is None or not forest.beyond_noise(e):
        return ""
    for verdict in run.verdicts:
        requirement, it = verdict.requirement, verdict.estimate
        same = it is not None and (it.metric, it.evaluation, it.variant) == (e.metric, e.evaluation, e.variant)
        zero = 0.0 in (requirement.high, requirement.low)
        if same and it is not None and it.compare == "change" and not it.slice and zero:
            good = sentences.better(e.metric, e.value) == words(e.metric).ways[0]
            if verdict.outcome is not (Outcome.MET if good else Outcome.BREACHED):
                return ""
    return sentences.better(e.metric, e.value)


def _summary(run: Run, title: str, baseline: str, groups: dict[Side | None, list[Change]]) -> str:
    parts = []
    for side, found in groups.items():
        judged = [c for c in found if _is_told(c.row.estimate)]
        if not judged:
            continue
        ways: dict[str, list[Change]] = {}
        for change in judged:
            if said := reading(run, change.row.estimate):
                ways.setdefault(said, []).append(change)
        if ways:
            parts += [f"{way} ({_fact(cs[0])})" for way, cs in list(ways.items())[:MOST_WAYS]]
        elif side != "running":
            open_ = judged[0]
            allowed = _allowed(run.verdicts, open_.row.estimate)
            parts.append(
                allowed or f"{_UNDECIDED.get(side or '', 'whether it is better is undecided')} ({_fact(open_)})"
            )
    if not parts:
        return ""
    plainly = [part for part in parts if not part.startswith("whether")]
    undecided = [part for part in parts if part.startswith("whether")]
    start = f"{title[:1].upper()}{title[1:]}"
    if not plainly:
        return f"{start} against “{baseline}”: {'; '.join(undecided)}."
    said = f"Against “{baseline}”, {title} is {_and(plainly)}"
    return said + (f"; {'; '.join(undecided)}." if undecided else ".")


def _is_told(e: Estimate) -> bool:
    return e.value is not None and words(e.metric).good is not None and e.metric not in _UNTOLD


def _fact(change: Change) -> str:
    """A change in words: "attack success rate 3.1 % against 7.9 %, 4.8 points less, 2.9 to 6.6"."""
    e = change.row.estimate
    name = change.row.name
    name = name if name[:2].isupper() else name[:1].lower() + name[1:]
    if change.before is not None and change.after is not None and change.before.value is not None:
        name += f" {numbers.point(change.after)} against {numbers.point(change.before)}"
    return f"{name}, {sentences.moved(e)}"


def _allowed(verdicts: Iterable[Verdict], e: Estimate) -> str:
    """What a requirement on the change rules out, where the change itself is not settled."""
    for verdict in verdicts:
        it, requirement = verdict.estimate, verdict.requirement
        same = it is not None and (it.metric, it.evaluation, it.variant) == (e.metric, e.evaluation, e.variant)
        if not same or it is None or it.slice or it.compare != "change" or verdict.outcome is not Outcome.MET:
            continue
        worse = words(e.metric).ways[1]
        end = requirement.high if words(e.metric).good == "low" else requirement.low
        if end is None or (end != 0 and (end < 0) == (words(e.metric).good == "low")):
            continue
        if end == 0:
            return f"not {worse} ({plain(requirement.id)}: {sentences.moved(e)})"
        most = numbers.bound_value(abs(end), e.metric, "change")
        return f"not {worse} by more than the {most} allowed by {plain(requirement.id)} ({sentences.moved(e)})"
    return ""


def _listed(ids: Sequence[str]) -> str:
    shown = [plain(i) for i in ids[:6]]
    return _and([*shown, f"{len(ids) - 6} more"] if len(ids) > 6 else shown)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
