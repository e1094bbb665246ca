"""The same pictures as Vega-Lite 5 specifications, as plain dictionaries: notebooks draw them, and nothing has to be
imported for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from shipworthy.charts.calibration import Calibration
from shipworthy.charts.forest import Forest
from shipworthy.present.verdicts import BREACHED, MET, NOT_EVALUATED, UNDECIDED, WAIVED

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
MIME = "application/vnd.vegalite.v5+json"

# Mid-tones that keep a contrast of 3 : 1 on white and on dark paper; the same hues as in the report.
_COLOURS = {
    MET.word: "#2f86c4",
    BREACHED.word: "#d0562a",
    UNDECIDED.word: "#9c7e1c",
    WAIVED.word: "#a569a8",
    NOT_EVALUATED.word: "#7b8087",
}
_SHAPES = {
    MET.word: "circle",
    BREACHED.word: "triangle-up",
    UNDECIDED.word: "diamond",
    WAIVED.word: "square",
    NOT_EVALUATED.word: "circle",
}
_WRONG = {"type": "rect", "color": "#d0562a", "opacity": 0.1}
_GREY = "#7b8087"

Spec = dict[str, Any]


def mimebundle(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a notebook displays: the specification under its own media type, and its title where it cannot be drawn."""
    return {MIME: dict(spec), "text/plain": str(spec.get("description", "chart"))}


def forest(picture: Forest, *, most: int = 200) -> Spec:
    """The forest plot: intervals, points shaped and coloured by verdict, the bound, and the wrong side lightly shaded.

    most: rows drawn; the rest are counted in the title.
    """
    rows = [
        {
            "order": number,
            "name": f"{row.name}  (n = {row.estimate.n:,})",
            "value": _number(row.estimate.value),
            "low": _end(row.estimate.low, picture.axis.low),
            "high": _end(row.estimate.high, picture.axis.high),
            "verdict": row.mark.word if row.mark else NOT_EVALUATED.word,
            "text": row.text,
            "n": row.estimate.n,
            "note": row.note,
            "muted": row.muted,
        }
        for number, row in enumerate(picture.rows[:most])
    ]
    domain = {"domain": [picture.axis.low, picture.axis.high], "nice": False, "zero": False}
    x: Spec = {
        "field": "value",
        "type": "quantitative",
        "scale": domain,
        "title": None,
        "axis": {"values": list(picture.axis.ticks)},
    }
    if picture.unit == " %":
        x["axis"]["format"] = "~%"
    y: Spec = {
        "field": "name",
        "type": "nominal",
        "sort": {"field": "order"},
        "title": None,
        "axis": {"labelLimit": 320},
    }
    fade = {"condition": {"test": "datum.muted", "value": 0.55}, "value": 1}
    words = list(dict.fromkeys(str(row["verdict"]) for row in rows))
    claimed = any(row.mark for row in picture.rows)
    colour: Spec = {
        "field": "verdict",
        "type": "nominal",
        "scale": {"domain": words, "range": [_COLOURS[word] for word in words]},
        "legend": {"title": None} if claimed else None,
    }
    shape = {**colour, "scale": {"domain": words, "range": [_SHAPES[word] for word in words]}}
    tooltip = [{"field": f, "type": "nominal"} for f in ("name", "text", "verdict", "note")]
    layers: list[Spec] = [*_shaded(picture), *_uprights(picture)]
    drawn: Spec = {"y": y, "color": colour, "opacity": fade, "tooltip": tooltip}
    known = [{"filter": "datum.value !== null"}]
    layers += [
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "transform": known,
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, **drawn},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70},
            "transform": known,
            "encoding": {"x": x, "shape": shape, **drawn},
        },
    ]
    left = len(picture.rows) - len(rows)
    title = picture.title + (f" ({left:,} further rows not drawn)" if left else "")
    return {
        "$schema": SCHEMA,
        "description": title,
        "title": {"text": title, "anchor": "start", "fontSize": 12},
        "width": 420,
        "height": {"step": 22},
        "background": "transparent",
        "data": {"values": rows},
        "layer": layers,
    }


def calibration(picture: Calibration) -> Spec:
    """The calibration curve with its band over the histogram of scores."""
    points = [{"score": p.score, "rate": p.rate, "low": p.low, "high": p.high, "n": p.n} for p in picture.points]
    x: Spec = {
        "field": "score",
        "type": "quantitative",
        "scale": {"domain": [picture.across.low, picture.across.high], "nice": False, "zero": False},
        "title": "score",
    }
    y: Spec = {
        "field": "rate",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "title": "observed rate",
        "axis": {"format": "~%"},
    }
    layers: list[Spec] = []
    if picture.diagonal:
        ends = [{"score": 0, "rate": 0}, {"score": 1, "rate": 1}]
        layers.append(
            {
                "data": {"values": ends},
                "mark": {"type": "line", "color": _GREY, "strokeDash": [4, 3]},
                "encoding": {"x": x, "y": y},
            }
        )
    blue = _COLOURS[MET.word]
    layers += [
        {
            "mark": {"type": "area", "color": blue, "opacity": 0.18},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "line", "color": blue, "point": {"color": blue}},
            "encoding": {
                "x": x,
                "y": y,
                "tooltip": [{"field": f, "type": "quantitative"} for f in ("score", "rate", "low", "high", "n")],
            },
        },
    ]
    histogram = {
        "height": 50,
        "width": 260,
        "mark": {"type": "bar", "color": _GREY, "size": 10},
        "encoding": {"x": x, "y": {"field": "n", "type": "quantitative", "title": "cases"}},
    }
    title = f"{picture.title} (n = {picture.n:,})"
    return {
        "$schema": SCHEMA,
        "description": title,
        "title": {"text": title, "anchor": "start", "fontSize": 12},
        "background": "transparent",
        "data": {"values": points},
        "vconcat": [{"height": 200, "width": 260, "layer": layers}, histogram],
        "spacing": 8,
    }


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _end(value: float | None, edge: float) -> float:
    """A limit that does not exist is drawn to the edge of the axis."""
    return edge if value is None or not math.isfinite(value) else float(value)


def _shaded(picture: Forest) -> list[Spec]:
    low, high = picture.bounds
    spans = []
    if low is not None and low > picture.axis.low:
        spans.append((picture.axis.low, low))
    if high is not None and high < picture.axis.high:
        spans.append((high, picture.axis.high))
    return [
        {"data": {"values": [{}]}, "mark": _WRONG, "encoding": {"x": {"datum": a}, "x2": {"datum": b}}}
        for a, b in spans
    ]


def _uprights(picture: Forest) -> list[Spec]:
    lines: list[tuple[float, Spec]] = []
    if picture.zero is not None and picture.axis.low <= picture.zero <= picture.axis.high:
        lines.append((picture.zero, {"type": "rule", "color": _GREY, "opacity": 0.5}))
    for end in picture.bounds:
        if end is not None and picture.axis.low <= end <= picture.axis.high:
            lines.append((end, {"type": "rule", "strokeDash": [3, 2], "color": _GREY, "strokeWidth": 1.5}))
    return [{"data": {"values": [{}]}, "mark": mark, "encoding": {"x": {"datum": at}}} for at, mark in lines]
