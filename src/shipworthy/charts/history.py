"""One requirement over its runs: an upright interval for each, the bound across, the wrong side shaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shipworthy.charts.axis import Axis
from shipworthy.charts.forest import Bounds
from shipworthy.charts.svg import shape
from shipworthy.present.verdicts import Mark

STYLE = """
svg.history{display:block;width:100%;height:5.5rem;overflow:visible}
svg.history.tall{height:13rem}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One run of a history."""

    name: str  # of the version, for the label
    text: str  # the estimate, written
    value: float | None
    low: float | None
    high: float | None
    mark: Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Runs from left to right, the oldest first, on one upright axis. `bounds` are the ends of the good side."""

    title: str
    axis: Axis
    moments: Sequence[Moment]
    bounds: Bounds = (None, None)


def history(picture: History, *, tall: bool = False, labels: Sequence[tuple[float, str]] = ()) -> Markup:
    """The picture as SVG, as wide as its container, which leaves room on the left for labels.

    labels: places on the axis with what is written there.
    """
    axis, (low, high) = picture.axis, picture.bounds
    parts: list[str] = []
    if low is not None and low > axis.low:
        parts.append(f'<rect class="wrong" y="{_up(axis, low)}" width="100%" height="{axis.at(low):g}%"/>')
    if high is not None and high < axis.high:
        parts.append(f'<rect class="wrong" width="100%" height="{_up(axis, high)}"/>')
    parts += [f'<line class="grid" x2="100%" y1="{_up(axis, at)}" y2="{_up(axis, at)}"/>' for at, _ in labels]
    for end in picture.bounds:
        if end is not None and axis.low <= end <= axis.high:
            parts.append(f'<line class="bound" x2="100%" y1="{_up(axis, end)}" y2="{_up(axis, end)}"/>')
    step = 100 / max(1, len(picture.moments))
    for place, one in enumerate(picture.moments):
        if one.value is not None:
            parts.append(_interval(axis, one, one.value, x=f"{step * (place + 0.5):g}%"))
    written = [
        Markup('<text x="-6" y="{}" dy="4" text-anchor="end">{}</text>').format(_up(axis, at), text)
        for at, text in labels
    ]
    said = "; ".join(f"{one.name}: {one.text}, {one.mark.word}" for one in picture.moments)
    return Markup('<svg class="history{}" role="img" aria-label="{}">{}{}</svg>').format(
        " tall" if tall else "", f"{picture.title}. {said}", Markup("".join(parts)), Markup("").join(written)
    )


def _interval(axis: Axis, one: Moment, value: float, *, x: str) -> str:
    whisker = ""
    if any(end is not None and math.isfinite(end) for end in (one.low, one.high)):
        low = one.low if one.low is not None and math.isfinite(one.low) else axis.low
        high = one.high if one.high is not None and math.isfinite(one.high) else axis.high
        whisker = f'<line class="whisker" x1="{x}" x2="{x}" y1="{_up(axis, low)}" y2="{_up(axis, high)}"/>'
    point = f'<g transform="translate(-6.5 -6.5)">{shape(one.mark)}</g>'
    placed = f'<svg x="{x}" y="{_up(axis, value)}" overflow="visible">{point}</svg>'
    return f'<g class="{one.mark.style}">{whisker}{placed}</g>'


def _up(axis: Axis, value: float) -> str:
    return f"{100 - axis.at(value):g}%"
