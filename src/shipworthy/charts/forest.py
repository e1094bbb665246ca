"""The forest plot: one row per slice or pair, its interval on a common axis, the bound across all rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from shipworthy.charts.axis import Axis, axis
from shipworthy.estimate.estimates import Comparison, Estimate
from shipworthy.gates.verdicts import Piece
from shipworthy.plan.models import Requirement
from shipworthy.present import numbers, sentences, slices
from shipworthy.present.safe import shorten
from shipworthy.present.verdicts import Mark, mark
from shipworthy.present.vocabulary import words

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One interval with its name."""

    name: str
    estimate: Estimate
    text: str  # the estimate, written
    mark: Mark | None = None  # None: nothing was claimed of this row
    note: str = ""
    muted: bool = False  # its n cannot carry the claim
    said: str = ""  # in whole cases
    caveat: str = ""  # cases without an outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Forest:
    """Rows on one axis. `bounds` are the ends of the good side; None where there is none."""

    title: str
    metric: str
    compare: Comparison
    axis: Axis
    rows: tuple[Row, ...] = field(default=())
    bounds: Bounds = (None, None)
    zero: float | None = None  # no difference: 0, or 1 for a ratio

    @property
    def tick_labels(self) -> tuple[str, ...]:
        """The ticks, written without their unit; `unit` says it once."""
        return tuple(self.written(tick) for tick in self.axis.ticks)

    def written(self, value: float) -> str:
        """A place on the axis, without its unit."""
        return numbers.bound_value(value, self.metric, self.compare).removesuffix(self.unit)

    @property
    def unit(self) -> str:
        """What the numbers on the axis count: " %", " points" or nothing."""
        return numbers.unit(self.metric, self.compare)


def good_side(requirement: Requirement) -> Bounds:
    """The ends of the range in which a claim holds, as drawn.

    A gap between any two slices has no direction, so "at most 0.05" also rules out -0.05, and "at least 0.8" a ratio
    above 1 / 0.8.
    """
    low, high, compare = requirement.low, requirement.high, sentences.compare_of(requirement)
    if requirement.reference is None and requirement.across is not None:
        if compare == "difference" and low is None and high is not None and high > 0:
            return -high, high
        if compare == "ratio" and high is None and low is not None and 0 < low < 1:
            return low, 1 / low
        if compare == "ratio" and low is None and high is not None and high > 1:
            return 1 / high, high
    return low, high


def fit(
    estimates: Iterable[Estimate],
    *,
    metric: str,
    compare: Comparison,
    bounds: Iterable[float | None] = (),
    zero: bool = True,
) -> Axis:
    """An axis that holds these estimates and bounds; it begins at zero where zero means something and is not far off,
    unless told not to.

    Of a row that is nearly unknown only as much is shown as the scale allows, so that one small group does not
    flatten the others.
    """
    rows = list(estimates)
    kind = words(metric).kind
    ends = [b for b in bounds if b is not None and math.isfinite(b)]
    still = 1.0 if compare == "ratio" else 0.0
    room = [b + 0.25 * (b - still) for b in ends] if compare != "value" else [b * f for b in ends for f in (0.9, 1.1)]
    ends += room  # to see the wrong side
    values = [v for e in rows for v in (e.value, e.low, e.high) if v is not None and math.isfinite(v)]
    if compare == "value" and kind == "share":
        shown = [*values, *ends]
        is_near = zero and min(shown, default=0.0) <= max(shown, default=0.0) / 2  # else zero would squeeze them
        return axis(values, floor=0.0, ceiling=1.0, include=(0.0, *ends) if is_near else ends)
    if compare == "value":
        return axis(values, include=ends)
    if compare == "ratio":
        most = max([e.value for e in rows if e.value is not None and math.isfinite(e.value)] + [1.0, *ends])
        return axis([min(v, 3 * most) for v in values], floor=0.0, include=(0.0, 1.0, *ends))
    # The mirrored bound of a gap is drawn only where some row reaches below zero.
    mirrored = compare == "difference" and all(v >= 0 for v in values) and any(-b in ends for b in ends if b > 0)
    shown = [b for b in ends if b >= 0] if mirrored else ends
    limit = 1.0 if kind == "share" else None
    return axis(values, include=(0.0, *shown), floor=-limit if limit else None, ceiling=limit)


def row(estimate: Estimate, *, piece: Piece | None = None, metric: bool = False, gravity: bool = False) -> Row:
    """One row. metric: its name goes first. gravity: a change that is beyond noise says whether it is better or
    worse."""
    verdict = mark(piece.outcome) if piece is not None else None
    unknown = estimate.value is None or (estimate.low is None and estimate.high is None)
    note = sentences.piece_note(piece) if piece is not None else ""
    if gravity and beyond_noise(estimate):
        note = sentences.better(estimate.metric, estimate.value or 0.0)
    elif gravity:
        note = "within noise" if estimate.value is not None else ""
    return Row(
        name=shorten((f"{words(estimate.metric).short}, " if metric else "") + slices.subject(estimate), 120),
        estimate=estimate,
        text=shorten(numbers.estimate(estimate), 160),
        mark=verdict,
        note=note,
        muted=unknown
        or (verdict is not None and verdict.style == "undecided")
        or (gravity and not beyond_noise(estimate)),
        said=sentences.said(estimate),
        caveat=sentences.missing(estimate),
    )


def renamed(it: Row, *, name: str, note: str) -> Row:
    """The same row under another name, with another note."""
    return replace(it, name=shorten(name, 120), note=note)


def beyond_noise(estimate: Estimate) -> bool:
    """Whether the interval of a change or gap leaves out no change at all."""
    still = 1.0 if estimate.compare == "ratio" else 0.0
    return (estimate.low is not None and estimate.low > still) or (estimate.high is not None and estimate.high < still)


def of_claim(requirement: Requirement, pieces: Sequence[Piece], *, scale: Axis | None = None) -> Forest:
    """The forest plot of a claim: its pieces as they come, worst first."""
    bounds = good_side(requirement)
    found = [piece.estimate for piece in pieces]
    metric, compare = sentences.metrics_of(requirement)[0], sentences.compare_of(requirement)
    mixed = len({e.metric for e in found}) > 1
    return Forest(
        title=sentences.claim(requirement),
        metric=metric,
        compare=compare,
        axis=scale or fit(found, metric=metric, compare=compare, bounds=bounds),
        rows=tuple(row(piece.estimate, piece=piece, metric=mixed) for piece in pieces),
        bounds=bounds,
        zero=_still(compare),
    )


def of_estimates(
    estimates: Sequence[Estimate], *, title: str, scale: Axis | None = None, gravity: bool = False
) -> Forest:
    """The forest plot of measurements that nothing was claimed of: all of one metric and comparison."""
    metric, compare = estimates[0].metric, estimates[0].compare
    return Forest(
        title=title,
        metric=metric,
        compare=compare,
        axis=scale or fit(estimates, metric=metric, compare=compare),
        rows=tuple(row(e, gravity=gravity) for e in estimates),
        zero=_still(compare),
    )


def worst_first(estimate: Estimate) -> tuple[bool, float]:
    """A sort key: worst first by the limit nearer to the good side, so that a tiny group does not lead by luck;
    unknown ones last."""
    if estimate.value is None:
        return True, 0.0
    if words(estimate.metric).good == "high":
        return False, estimate.high if estimate.high is not None else math.inf
    return False, -estimate.low if estimate.low is not None else math.inf


def strongest_first(estimate: Estimate) -> tuple[bool, bool, float]:
    """A sort key for changes: those beyond noise first, the larger before the smaller; unknown ones last."""
    return estimate.value is None, not beyond_noise(estimate), -abs(estimate.value or 0.0)


def _still(compare: Comparison) -> float | None:
    return {"value": None, "difference": 0.0, "ratio": 1.0, "change": 0.0}[compare]
