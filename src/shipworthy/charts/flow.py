"""A map that is read from left to right: boxes in columns, and lines between them. Gaps have a shape and a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shipworthy.charts.svg import shape
from shipworthy.present.safe import shorten
from shipworthy.present.verdicts import Mark

_WIDE, _TALL, _APART, _BETWEEN, _HEAD, _EDGE = 150, 40, 46, 12, 28, 8  # pixels
_LETTERS = 20  # of a line in a box
# The page's own colours where it has them, else those of its house in light and dark.
STYLE = """
svg.flow{--flow-ink:var(--ink,#1c1d1f);--flow-paper:var(--paper,#fdfdfb);--flow-quiet:var(--quiet,#5a5e64);
--flow-faint:var(--faint,#a9acb0);--flow-gap:var(--breached,#ad3500);color:var(--flow-ink);
font-family:system-ui,sans-serif;font-size:12px}
@media (prefers-color-scheme:dark){svg.flow{--flow-ink:var(--ink,#e6e6e2);--flow-paper:var(--paper,#16181b);
--flow-quiet:var(--quiet,#a4a8ae);--flow-faint:var(--faint,#6b7077);--flow-gap:var(--breached,#ff9a73)}}
svg.flow .box{fill:var(--flow-paper);stroke:var(--flow-faint)}
svg.flow .way{fill:none;stroke:var(--flow-faint);stroke-width:1.25}
svg.flow text{fill:currentColor;stroke:none}
svg.flow text.head,svg.flow text.state{fill:var(--flow-quiet);font-size:11px}
svg.flow .gap .box{stroke:var(--flow-gap);stroke-dasharray:4 3;stroke-width:1.5}
svg.flow .gap .cross{stroke:var(--flow-gap);stroke-width:2;fill:none}svg.flow .gap text.state{fill:var(--flow-gap)}
svg.flow .point{fill:currentColor}svg.flow .hollow{fill:none;stroke:currentColor}svg.flow .half{fill:currentColor}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """One thing on the map."""

    id: str
    text: str  # outside text; it is shortened and escaped
    state: str = ""
    mark: Mark | None = None  # shape of a verdict
    is_gap: bool = False


def flow(columns: Sequence[tuple[str, Sequence[Box]]], edges: Sequence[tuple[str, str]], *, title: str) -> Markup:
    """The map as one SVG picture that stands on its own: no script, no style attribute, no foreign file.

    columns: heading and boxes of each, from left to right. edges: ids of boxes that a line joins; others are left out.
    """
    places = _places(columns, edges)
    boxes = {box.id: box for _, column in columns for box in column}
    wide = 2 * _EDGE + len(columns) * _WIDE + max(0, len(columns) - 1) * _APART
    tall = max((y for _, y in places.values()), default=_HEAD) + _TALL + _EDGE
    parts = [Markup("<title>{}</title><style>{}</style>").format(shorten(title, 200), Markup(STYLE))]
    for i, (head, _) in enumerate(columns):
        parts.append(Markup('<text class="head" x="{}" y="18">{}</text>').format(_EDGE + i * (_WIDE + _APART), head))
    for one, other in edges:
        if one in places and other in places:
            (x1, y1), (x2, y2) = places[one], places[other]
            x1, y1, y2 = x1 + _WIDE, y1 + _TALL // 2, y2 + _TALL // 2
            bend = (x2 - x1) // 2
            way = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
            parts.append(Markup('<path class="way" d="{}"/>').format(way))
    parts += [_drawn(boxes[id_], x, y) for id_, (x, y) in places.items()]
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="flow" role="img" viewBox="0 0 {} {}" width="{}" height="{}">'
        "{}</svg>"
    ).format(wide, tall, wide, tall, Markup("\n").join(parts))


def _places(
    columns: Sequence[tuple[str, Sequence[Box]]], edges: Sequence[tuple[str, str]]
) -> Mapping[str, tuple[int, int]]:
    """Where each box stands: as near as there is room to the boxes that lead to it, in their order."""
    places: dict[str, tuple[int, int]] = {}
    step = _TALL + _BETWEEN
    for i, (_, column) in enumerate(columns):
        x, free = _EDGE + i * (_WIDE + _APART), _HEAD
        wanted = {}
        for box in column:
            before = [places[one][1] for one, other in edges if other == box.id and one in places]
            wanted[box.id] = sum(before) / len(before) if before else float("inf")
        for box in sorted(column, key=lambda box: wanted[box.id]):  # stable: in the order that was handed in
            near = wanted[box.id]
            y = free if near == float("inf") else max(free, round(near))
            places[box.id] = (x, y)
            free = y + step
    return places


def _drawn(box: Box, x: int, y: int) -> Markup:
    left = 24 if box.is_gap or box.mark else 9
    sign = Markup("")
    if box.is_gap:
        sign = Markup('<path class="cross" d="M8 16l8 8m0-8l-8 8"/>')
    elif box.mark is not None:
        sign = Markup('<g class="{}" transform="translate(7,14)">{}</g>').format(box.mark.style, shape(box.mark))
    rows = [("name", shorten(box.text, _LETTERS)), ("state", shorten(box.state, _LETTERS + 2))]
    shown = [(style, text) for style, text in rows if text]
    lines = Markup("").join(
        Markup('<text class="{}" x="{}" y="{}">{}</text>').format(
            style, left, 24 if len(shown) == 1 else 17 + 14 * i, text
        )
        for i, (style, text) in enumerate(shown)
    )
    said = " ".join(filter(None, ["missing:" if box.is_gap else "", shorten(box.text, 200), shorten(box.state, 200)]))
    return Markup(
        '<g class="{}" transform="translate({},{})"><title>{}</title>'
        '<rect class="box" width="{}" height="{}" rx="4"/>{}{}</g>'
    ).format("gap" if box.is_gap else "plain", x, y, said, _WIDE, _TALL, sign, lines)
