"""Drawing in SVG: positions in percent, so that pictures stretch and labels do not; colours by class, so that both
themes fit.

What is drawn takes its colours from the page's own style sheet (`STYLE`), uses no script, no style attribute and no
foreign file.
"""

from __future__ import annotations

import math

from markupsafe import Markup, escape

from shipworthy.charts.axis import Axis
from shipworthy.charts.calibration import Calibration
from shipworthy.charts.forest import Bounds, Forest, Row
from shipworthy.charts.tradeoff import Place, Tradeoff
from shipworthy.present import numbers
from shipworthy.present.safe import shorten
from shipworthy.present.verdicts import Mark

STYLE = """
svg.bar,svg.scale{display:block;width:100%;overflow:visible}
svg.bar{height:1.75rem}svg.scale{height:1.35rem}svg.scale.two{height:2.2rem}
svg .grid{stroke:var(--hair)}svg .still{stroke:var(--faint)}
svg .bound{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:3 2}
svg .wrong{fill:var(--wrong)}
svg .whisker{stroke:currentColor;stroke-width:2}svg .cap{stroke:currentColor;stroke-width:2}
svg .point{fill:currentColor;stroke:var(--paper);stroke-width:1}
svg .hollow{fill:var(--paper);stroke:currentColor;stroke-width:1.75}
svg .half{fill:currentColor}
svg .arrow{fill:none;stroke:currentColor;stroke-width:2}
svg text{fill:var(--quiet);font-size:.75rem;font-variant-numeric:tabular-nums}svg text.bound-label{fill:var(--ink)}
svg.curve{display:block;width:100%;height:15rem;overflow:visible}
svg .band{fill:var(--met);opacity:.16}
svg .line{fill:none;stroke:var(--met);stroke-width:2;vector-effect:non-scaling-stroke}
svg .dot{fill:var(--met);stroke:var(--paper);stroke-width:1}
svg.tradeoff{display:block;width:100%;height:19rem;overflow:visible}
svg.tradeoff text{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
svg.tradeoff text.name{fill:currentColor;font-weight:600}
svg .way{stroke:var(--faint);stroke-width:1.5}
svg .diagonal{stroke:var(--quiet);stroke-dasharray:4 3}svg .count{fill:var(--faint)}
"""

_SHAPES = {  # centred on the point, in pixels
    "met": '<circle r="4.5" class="point"/>',
    "breached": '<path d="M0-5.5 5.5 4.5h-11z" class="point"/>',
    "undecided": '<circle r="4.5" class="hollow"/><path d="M0-4.5a4.5 4.5 0 0 0 0 9z" class="half"/>',
    "waived": '<path d="M0-6 5 0 0 6-5 0z" class="hollow"/>',
    "none": '<circle r="4" class="point"/>',
}


def shape(mark: Mark) -> Markup:
    """The shape of a verdict as a picture of its own, for legends and table cells."""
    return Markup(
        '<svg class="shape {}" width="13" height="13" viewBox="-7 -7 14 14" aria-hidden="true">{}</svg>'
    ).format(mark.style, Markup(_SHAPES[mark.style]))


def _at(axis: Axis, value: float) -> str:
    return f"{axis.at(value):g}%"


def _wrong(axis: Axis, bounds: Bounds) -> list[str]:
    low, high = bounds
    parts = []
    if low is not None and low > axis.low:
        parts.append(f'<rect class="wrong" width="{_at(axis, low)}" height="100%"/>')
    if high is not None and high < axis.high:
        parts.append(f'<rect class="wrong" x="{_at(axis, high)}" width="{100 - axis.at(high):g}%" height="100%"/>')
    return parts


def _upright(axis: Axis, value: float | None, style: str) -> str:
    if value is None or not axis.low <= value <= axis.high:
        return ""
    x = _at(axis, value)
    return f'<line class="{style}" x1="{x}" x2="{x}" y2="100%"/>'


def _limit(axis: Axis, value: float | None, *, end: float, outwards: int) -> tuple[str, str]:
    """Where a whisker ends, and its cap: a stroke, or an arrow where the limit lies beyond the axis or does not
    exist."""
    beyond = value is None or not math.isfinite(value) or not axis.low - 1e-9 <= value <= axis.high + 1e-9
    x = _at(axis, end if beyond or value is None else value)
    if beyond:
        head = f'<path class="arrow" d="M{-5 * outwards}-4 0 0 {-5 * outwards} 4"/>'
        return (
            x,
            f'<svg x="{x}" y="50%" overflow="visible">{head}</svg>',
        )
    return x, f'<svg x="{x}" y="50%" overflow="visible"><path class="cap" d="M0-6V6"/></svg>'


def bar(
    row: Row, *, axis: Axis, bounds: Bounds = (None, None), still: float | None = None, grid: bool = True
) -> Markup:
    """One interval against its bounds, as wide as its container."""
    estimate = row.estimate
    style = row.mark.style if row.mark else "plain"
    parts = [*_wrong(axis, bounds)]
    if grid:
        parts += [_upright(axis, tick, "grid") for tick in axis.ticks]
    parts.append(_upright(axis, still, "still"))
    parts += [_upright(axis, end, "bound") for end in bounds]
    if estimate.value is not None:
        shown = [f'<g class="{style}">']
        if any(end is not None and math.isfinite(end) for end in (estimate.low, estimate.high)):
            x1, cap1 = _limit(axis, estimate.low, end=axis.low, outwards=-1)
            x2, cap2 = _limit(axis, estimate.high, end=axis.high, outwards=1)
            shown += [f'<line class="whisker" x1="{x1}" x2="{x2}" y1="50%" y2="50%"/>', cap1, cap2]
        point = _SHAPES[row.mark.style if row.mark else "none"]
        shown += [f'<svg x="{_at(axis, estimate.value)}" y="50%" overflow="visible">{point}</svg>', "</g>"]
        parts += shown
    label = f"{row.name}: {row.text}" + (f"; {row.mark.word}" if row.mark else "")
    return Markup('<svg class="bar" role="img" aria-label="{}">{}</svg>').format(label, Markup("".join(parts)))


def scale(forest: Forest) -> Markup:
    """The axis over a forest plot: ticks and their labels."""
    parts = []
    bounds = [(forest.axis.at(x), text) for x, text in bound_labels(forest)]
    for tick, label in zip(forest.axis.ticks, forest.tick_labels, strict=True):
        if all(abs(forest.axis.at(tick) - x) > 20 for x, _ in bounds):
            parts.append(_label(forest.axis.at(tick), label, "tick"))
    parts += [_label(x, text, "bound-label") for x, text in bounds]
    said = ", ".join([f"axis from {forest.written(forest.axis.low)} to {forest.written(forest.axis.high)}"]
                     + [text for _, text in bounds])  # fmt: skip
    return Markup('<svg class="scale" role="img" aria-label="{}">{}</svg>').format(said, Markup("".join(parts)))


def bound_labels(picture: Forest) -> list[tuple[float, str]]:
    """The bounds of a picture, written where they lie; the two ends of a symmetric range share one label, between them
    where both are drawn."""
    low, high = picture.bounds
    if low is not None and high is not None and math.isclose(low, -high):
        return [((low + high) / 2 if picture.axis.low <= low else high, f"bound ±{picture.written(high)}")]
    return [
        (end, f"bound {picture.written(end)}")
        for end in picture.bounds
        if end is not None and picture.axis.low <= end <= picture.axis.high
    ]


def ends(forest: Forest) -> Markup:
    """A small axis with only its two ends and its bounds written; the bounds get a line of their own where the two
    would touch.
    """
    axis = forest.axis
    bounds = [(axis.at(x), text + forest.unit) for x, text in bound_labels(forest)]
    corners = ((0.0, forest.written(axis.low)), (100.0, forest.written(axis.high) + forest.unit))
    close = any(abs(at - b) <= 34 for at, _ in corners for b, _ in bounds)
    parts = [_label(at, text, "tick") for at, text in corners]
    parts += [_label(at, text, "bound-label", line=2 if close else 1) for at, text in bounds]
    style = "scale two" if close else "scale"
    return Markup('<svg class="{}" aria-hidden="true">{}</svg>').format(style, Markup("".join(parts)))


def _label(percent: float, text: str, style: str, *, line: int = 1) -> str:
    anchor = "start" if percent < 6 else "end" if percent > 94 else "middle"
    return f'<text class="{style}" x="{percent:g}%" y="{14 * line}" text-anchor="{anchor}">{escape(text)}</text>'


def curve(picture: Calibration) -> Markup:
    """A calibration curve with its band and the histogram of scores. Needs a container that leaves room left and
    below."""
    parts: list[str] = []
    across, up = picture.across, picture.up
    for tick in up.ticks:
        y = f"{100 - up.at(tick):g}%"
        parts.append(
            f'<line class="grid" x2="100%" y1="{y}" y2="{y}"/>'
            f'<text x="-6" y="{y}" dy="4" text-anchor="end">{round(tick * 100)}</text>'
        )
    for tick in across.ticks:
        x = across.at(tick)
        parts.append(f'<text x="{x:g}%" y="100%" dy="16" text-anchor="middle">{tick:g}</text>')
    width = max(1.2, min(6.0, 60 / max(1, len(picture.points))))
    for point in picture.points:
        tall = 18 * point.n / picture.most if picture.most else 0
        left = max(0.0, min(100 - width, across.at(point.score) - width / 2))
        parts.append(f'<rect class="count" x="{left:g}%" y="{100 - tall:g}%" width="{width:g}%" height="{tall:g}%"/>')
    if picture.diagonal:
        parts.append('<line class="diagonal" y1="100%" x2="100%"/>')
    if picture.points:
        xy = [(across.at(p.score), 100 - up.at(p.rate)) for p in picture.points]
        upper = [(across.at(p.score), 100 - up.at(p.high)) for p in picture.points]
        lower = [(across.at(p.score), 100 - up.at(p.low)) for p in reversed(picture.points)]
        parts.append('<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">')
        parts.append(
            f'<polygon class="band" points="{_path([*upper, *lower])}"/>'
            f'<polyline class="line" points="{_path(xy)}"/></svg>'
        )
        parts += [f'<circle class="dot" cx="{x:g}%" cy="{y:g}%" r="3.5"/>' for x, y in xy]
    label = f"{picture.title}: observed rate by score, {picture.n:,} cases in {len(picture.points)} bins"
    return Markup('<svg class="curve" role="img" aria-label="{}">{}</svg>').format(label, Markup("".join(parts)))


def tradeoff(picture: Tradeoff) -> Markup:
    """Two metrics against each other. Needs a container that leaves room left and below."""
    across, up = picture.across, picture.up
    parts = [_region(line.at, picture, upright=True) for line in picture.bounds_across]
    parts += [_region(line.at, picture, upright=False) for line in picture.bounds_up]
    for tick in up.ticks:
        y = f"{100 - up.at(tick):g}%"
        parts.append(f'<line class="grid" x2="100%" y1="{y}" y2="{y}"/>')
        label = numbers.bound_value(tick, picture.places[0].up.metric).removesuffix(" %")
        parts.append(f'<text x="-6" y="{y}" dy="4" text-anchor="end">{label}</text>')
    for tick in across.ticks:
        x = _at(across, tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y2="100%"/>')
        label = numbers.bound_value(tick, picture.places[0].across.metric).removesuffix(" %")
        parts.append(f'<text x="{x}" y="100%" dy="16" text-anchor="middle">{label}</text>')
    for line in picture.bounds_across:
        x = _at(across, line.at)
        beside = 'dx="-5" y="12" text-anchor="end"' if across.at(line.at) > 50 else 'dx="5" y="12"'
        parts.append(_upright(across, line.at, "bound"))
        parts.append(f'<text class="bound-label" x="{x}" {beside}>{escape(line.label)}</text>')
    for line in picture.bounds_up:
        y = f"{100 - up.at(line.at):g}%"
        parts.append(f'<line class="bound" x2="100%" y1="{y}" y2="{y}"/>')
        at = f'x="100%" y="{y}" dx="-2" dy="-5" text-anchor="end"'
        parts.append(f'<text class="bound-label" {at}>{escape(line.label)}</text>')
    places = [p for p in picture.places if p.across.value is not None and p.up.value is not None]
    main = next((p for p in places if p.is_main), None)
    if main is not None and len(places) == 2:
        other = next(p for p in places if p is not main)
        ends = [
            (f"{across.at(p.across.value or 0.0):g}%", f"{100 - up.at(p.up.value or 0.0):g}%") for p in (other, main)
        ]
        parts.append(f'<line class="way" x1="{ends[0][0]}" y1="{ends[0][1]}" x2="{ends[1][0]}" y2="{ends[1][1]}"/>')
    for place in sorted(places, key=lambda p: p.is_main):
        parts += _cross(place, picture)
    said = "; ".join(f"{place.name}: {place.said}" for place in picture.places)
    return Markup('<svg class="tradeoff" role="img" aria-label="{}">{}</svg>').format(said, Markup("".join(parts)))


def _region(bound: float, picture: Tradeoff, *, upright: bool) -> str:
    if upright:
        x = picture.across.at(bound)
        return f'<rect class="wrong" x="{x:g}%" width="{100 - x:g}%" height="100%"/>'
    return f'<rect class="wrong" width="100%" height="{100 - picture.up.at(bound):g}%"/>'


def _cross(place: Place, picture: Tradeoff) -> list[str]:
    x, y = picture.across.at(place.across.value or 0.0), 100 - picture.up.at(place.up.value or 0.0)
    parts = [f'<g class="{"main" if place.is_main else "other"}">']
    if place.across.low is not None and place.across.high is not None:
        x1, x2 = picture.across.at(place.across.low), picture.across.at(place.across.high)
        parts.append(f'<line class="whisker" x1="{x1:g}%" x2="{x2:g}%" y1="{y:g}%" y2="{y:g}%"/>')
    if place.up.low is not None and place.up.high is not None:
        y1, y2 = 100 - picture.up.at(place.up.low), 100 - picture.up.at(place.up.high)
        parts.append(f'<line class="whisker" x1="{x:g}%" x2="{x:g}%" y1="{y1:g}%" y2="{y2:g}%"/>')
    shape = '<circle r="5" class="point"/>' if place.is_main else '<path d="M-4.5-4.5h9v9h-9z" class="hollow"/>'
    right = x < 70
    parts.append(
        f'<svg x="{x:g}%" y="{y:g}%" overflow="visible">{shape}<text class="name" x="{9 if right else -9}" y="-8" '
        f'text-anchor="{"start" if right else "end"}">{escape(shorten(place.name, 28))}</text></svg></g>'
    )
    return parts


def _path(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
