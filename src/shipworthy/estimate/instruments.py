"""How far a judge can be trusted: its report card, from the answers that people labelled too.

People may have labelled other shares of what the judge passed and of what it failed, so every figure is weighed back to
all answers that were judged in this run; naive shares of the labelled ones would be of how labels were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shipworthy.estimate.estimates import SliceKey
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.interval import Array, critical
from shipworthy.stats.judge_quality import Rate, judge_report, judge_strength, sensitivity_by_group
from shipworthy.stats.proportion import wilson

UNCORRECTED = "no labels of people: its numbers are uncorrected"
SIGNIFICANT = 0.01  # a note for one axis of one version, by chance


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One figure of a judge, with its interval."""

    name: str  # "sensitivity", "specificity", "precision of yes", "precision of no", "AC1", "kappa"
    value: float | None  # None: too few labels to tell
    low: float | None
    high: float | None
    n: int  # labelled answers behind it
    level: float = 0.95

    def as_json(self) -> dict[str, object]:
        """The reading as `shipworthy/results@1` writes it."""
        return {key: getattr(self, key) for key in ("name", "value", "low", "high", "n", "level")}


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeCard:
    """A judge on one slice of one version's answers; `slice` is {} for all of them."""

    evaluation: str
    scorer: str
    variant: str | None
    slice: SliceKey
    judged: int  # answers that it was asked about
    failed: int  # of these, without a verdict
    labelled: int  # of these, with a label of people
    readings: tuple[Reading, ...] = ()  # empty without labels: the judge's numbers are uncorrected
    notes: tuple[str, ...] = ()  # what a reader must know: a sensitivity that differs between slices, say

    def as_json(self) -> dict[str, object]:
        """The card as `shipworthy/results@1` writes it."""
        plain = ("evaluation", "scorer", "variant", "judged", "failed", "labelled")
        return {key: getattr(self, key) for key in plain} | {
            "slice": dict(self.slice),
            "readings": [reading.as_json() for reading in self.readings],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """A judge's verdicts on one slice, each as (yes, no, none): how many, how many labelled, how many labelled yes."""

    judged: tuple[int, int, int]
    labelled: tuple[int, int, int]
    positive: tuple[int, int, int]


def read_card(
    counts: Counts, *, evaluation: str, scorer: str, variant: str | None, slice_: SliceKey, level: float = 0.95
) -> JudgeCard:
    """The card of one slice. Figures are of answers with a verdict; those without are counted in `failed`."""
    card = JudgeCard(
        evaluation=evaluation,
        scorer=scorer,
        variant=variant,
        slice=slice_,
        judged=sum(counts.judged),
        failed=counts.judged[2],
        labelled=sum(counts.labelled),
    )
    judged, labelled, positive = (np.array(part[:2], dtype=float) for part in _parts(counts))
    if not labelled.sum():
        return replace(card, notes=(UNCORRECTED,))
    notes = () if slice_ else tuple(_strength(counts))
    return replace(card, readings=tuple(_readings(judged, labelled, positive, level)), notes=notes)


def compared(
    cards: Sequence[JudgeCard], counts: Sequence[Counts], axis: str, *, level: float = 0.95
) -> tuple[str, ...]:
    """What differs between the slices of one axis (one version's answers), or nothing. Cards and counts go together.

    Labels have to be drawn in the same proportions in every slice: by chance, or by `shipworthy label`.
    """
    n, k = (np.array([part[:2] for part in parts], dtype=float) for parts in _columns(counts))
    if len(n) < 2:
        return ()
    notes = []
    for test in sensitivity_by_group(n, k, level=level):
        if test.test == "none" or test.adjusted >= SIGNIFICANT:
            continue
        rated = [
            (reading.value, str(next(iter(card.slice.values())))[:60], _told(reading))
            for card in cards
            for reading in card.readings  # weighed back, unlike the shares that were tested
            if reading.name == test.measure and reading.value is not None
        ]
        if len(rated) < 2:
            continue
        (_, worst, low), (_, best, high) = min(rated), max(rated)
        notes.append(
            f"its {test.measure} differs by {axis} (p = {test.adjusted:.2g}): {low} on {worst}, {high} on {best}; "
            "a rate corrected over all slices does not hold in each of them"
        )
    return tuple(notes)


def across_versions(first: JudgeCard, second: JudgeCard) -> tuple[str, ...]:
    """Whether a judge errs differently on two versions: an interval of the difference that leaves out 0."""
    notes = []
    for name in ("sensitivity", "specificity"):
        one, other = (next((r for r in card.readings if r.name == name), None) for card in (first, second))
        if one is None or other is None or one.value is None or other.value is None:
            continue
        if one.low is None or one.high is None or other.low is None or other.high is None:
            continue
        low, high = mover_difference(one.value, (one.low, one.high), other.value, (other.low, other.high))
        if float(low) > 0 or float(high) < 0:
            notes.append(
                f"its {name} differs by version: {one.value:.2f} on {first.variant or 'the main one'}, "
                f"{other.value:.2f} on {second.variant or 'the main one'}; only corrected rates can be compared"
            )
    return tuple(notes)


def _readings(judged: Array, labelled: Array, positive: Array, level: float) -> list[Reading]:
    report = judge_report(judged, labelled, positive, level=level)
    n = int(labelled.sum())

    def reading(name: str, rate: Rate, of: int) -> Reading:
        low, high = (None, None) if rate.interval is None else map(float, rate.interval)
        return Reading(name=name, value=rate.value, low=low, high=high, n=of, level=level)

    found = [reading("sensitivity", report.sensitivity, n), reading("specificity", report.specificity, n)]
    for name, right, of in (
        ("precision of yes", positive[0], labelled[0]),
        ("precision of no", labelled[1] - positive[1], labelled[1]),
    ):
        if of:
            low, high = wilson(right, of, level=level)
            value: float | None = float(right / of)
            found.append(Reading(name=name, value=value, low=float(low), high=float(high), n=int(of), level=level))
        else:
            found.append(Reading(name=name, value=None, low=None, high=None, n=0, level=level))
    if report.agreement is not None:
        low, high = map(float, report.agreement.interval)
        found.append(Reading(name="AC1", value=report.agreement.value, low=low, high=high, n=n, level=level))
        found.append(_kappa(judged, labelled, positive, level))
    return found


def _kappa(judged: Array, labelled: Array, positive: Array, level: float) -> Reading:
    """Cohen's kappa of judge and people, weighed back to all judged answers; delta method on the rates in verdicts.

    Source: Cohen (1960), Educ. Psychol. Meas. 20, 37-46. It falls with an uneven prevalence: AC1 is the one to read.
    """
    weight = judged / judged.sum()
    n = int(labelled.sum())

    def kappa(rate: Array) -> float:
        observed = weight[0] * rate[0] + weight[1] * (1 - rate[1])
        yes = float(weight @ rate)
        chance = weight[0] * yes + weight[1] * (1 - yes)
        return float((observed - chance) / (1 - chance)) if chance < 1 else float("nan")

    rate, step = positive / labelled, 1e-6
    value = kappa(rate)
    if not np.isfinite(value):
        return Reading(name="kappa", value=None, low=None, high=None, n=n, level=level)
    slope = np.array([(kappa(rate + side) - kappa(rate - side)) / (2 * step) for side in np.eye(2) * step])
    shrunk = (positive + 0.5) / (labelled + 1)  # so that no verdict looks free of error
    se = float(np.sqrt((slope**2 * shrunk * (1 - shrunk) / np.maximum(labelled - 1, 1)).sum()))
    half = float(critical(level, max(n - 1, 1))) * se
    return Reading(
        name="kappa", value=value, low=max(value - half, -1.0), high=min(value + half, 1.0), n=n, level=level
    )


def _strength(counts: Counts) -> list[str]:
    if not all(n or not cases for cases, n in zip(counts.judged[:2], counts.labelled[:2], strict=True)):
        said = "yes" if not counts.labelled[0] else "no"
        return [f"no answer that it called {said} is labelled: nobody knows how often it is wrong there"]
    strength = judge_strength(*(part[:2] for part in _parts(counts)))
    return [] if strength.grade == "useful" else [strength.reason]


def _parts(counts: Counts) -> tuple[tuple[int, int, int], ...]:
    return counts.judged, counts.labelled, counts.positive


def _columns(counts: Sequence[Counts]) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    return [one.labelled for one in counts], [one.positive for one in counts]


def _told(reading: Reading) -> str:
    return f"{reading.value:.2f} ({reading.low:.2f} to {reading.high:.2f})"
