"""Charts on paper: the colours that their page's style sheet gives them, written onto each shape.

WeasyPrint applies a page's style sheet to boxes, but not to what is inside a picture: there it reads attributes alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from shipworthy.charts import svg

_SVG = "{http://www.w3.org/2000/svg}"
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_TOKEN = re.compile(r"--([\w-]+):(#[0-9a-fA-F]{3,8})")
_INSIDE = re.compile(r"svg(?:\.([\w-]+))? (\w+)?(?:\.([\w-]+))?")  # `svg.kind element.class`
_ROOT_FONT = 40 / 3  # CSS pixels of the 10 points that the page is printed in
_PAINT = ("fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-weight")
_VERDICTS = ("met", "breached", "undecided", "waived", "none", "plain")


@cache
def _paper() -> Mapping[str, str]:
    """The tokens of the report as they are in print."""
    css = resources.files("shipworthy.evidence").joinpath("templates/report.css").read_text("utf-8")
    screen, print_ = css.partition("@media")[0], css.partition("@media print")[2].partition("}")[0]
    return dict(_TOKEN.findall(screen)) | dict(_TOKEN.findall(print_))


@cache
def _rules() -> tuple[tuple[str, str, str, Mapping[str, str]], ...]:
    """What the charts' style sheet says about shapes: kind of picture, element, class, attributes; in its order."""
    found = []
    for selectors, body in _RULE.findall(svg.STYLE):
        declared = dict(part.split(":", 1) for part in body.split(";") if ":" in part)
        paint = {name: _value(value) for name, value in declared.items() if name in _PAINT}
        for selector in selectors.strip().split(","):
            if paint and (match := _INSIDE.fullmatch(selector)):
                found.append((match[1] or "", match[2] or "", match[3] or "", paint))
    return tuple(found)


def _value(value: str) -> str:
    value = re.sub(r"var\(--([\w-]+)\)", lambda match: _paper()[match[1]], value.strip())
    return f"{float(value.removesuffix('rem')) * _ROOT_FONT:g}" if value.endswith("rem") else value


def ink(root: Any) -> None:
    """Give every shape under an element its paint as attributes, in place.

    root: an element tree as WeasyPrint reads a page. A shape's own attributes stay.
    """
    paper = _paper()
    _walk(root, kind="", colour=paper["ink"], scaled=False)


def _walk(element: Any, *, kind: str, colour: str, scaled: bool) -> None:
    classes = (element.get("class") or "").split()
    verdict = next((paper for name in classes if name in _VERDICTS and (paper := _paper().get(_token(name)))), None)
    colour = verdict or colour
    tag = element.tag if isinstance(element.tag, str) else ""
    if tag.startswith(_SVG):
        name = tag.removeprefix(_SVG)
        if name == "svg":
            kind = next(iter(classes), kind)
            scaled = scaled or element.get("preserveAspectRatio") == "none"
        else:
            _paint(element, name, classes, kind=kind, colour=colour, scaled=scaled)
    for child in element:
        _walk(child, kind=kind, colour=colour, scaled=scaled)


def _token(verdict: str) -> str:
    return "ink" if verdict == "plain" else verdict


def _paint(element: Any, name: str, classes: list[str], *, kind: str, colour: str, scaled: bool) -> None:
    paint: dict[str, str] = {}
    for of_kind, of_element, of_class, declared in _rules():
        if of_kind in ("", kind) and of_element in ("", name) and (not of_class or of_class in classes):
            paint |= declared
    if scaled and "stroke-width" in paint:  # drawn on 100 × 100 and stretched, its strokes as well
        paint["stroke-width"] = "0.6"
    for attribute, value in paint.items():
        if element.get(attribute) is None:
            element.set(attribute, colour if value == "currentColor" else value)
