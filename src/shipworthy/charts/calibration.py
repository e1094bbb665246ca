"""The calibration picture: observed rate against score with a band, and the histogram of scores beneath."""

from __future__ import annotations

from dataclasses import dataclass

from shipworthy.charts.axis import Axis, axis
from shipworthy.estimate.curves import CalibrationCurve, CurvePoint


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """One curve on its axes. `diagonal`: whether rate = score is what perfection looks like."""

    title: str
    across: Axis  # scores
    up: Axis  # rates, 0 to 1
    points: tuple[CurvePoint, ...]
    diagonal: bool
    most: int  # cases in the fullest bin
    n: int


def of_curve(curve: CalibrationCurve, *, title: str, across: Axis | None = None) -> Calibration:
    """The picture of a curve. Probabilities get the whole unit axis, other scores the range that they take."""
    points = tuple(sorted(curve.points, key=lambda p: p.score))
    return Calibration(
        title=title,
        across=across or scores([curve]),
        up=axis([0.0, 1.0], floor=0.0, ceiling=1.0),
        points=points,
        diagonal=curve.is_probability,
        most=max((p.n for p in points), default=0),
        n=sum(p.n for p in points),
    )


def scores(curves: list[CalibrationCurve]) -> Axis:
    """One score axis for several curves, so that small multiples compare."""
    if all(c.is_probability for c in curves):
        return axis([0.0, 1.0], floor=0.0, ceiling=1.0)
    return axis(p.score for c in curves for p in c.points)
