"""Where something stands in a JSON value: a tiny dialect of paths.

    answer                    the key `answer`
    choices[0].message.text   a key, the first of a list, two more keys
    hits[*].text              the `text` of every hit: a list
    choices[-1]               the last of a list
    ["odd key"].text          a key with a dot, a bracket or a blank in it
    $                         the whole value; a path may start with `$.`

`[*]` passes over members that lack the rest of the path. There are no filters, wildcards over keys or expressions.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

LONGEST_PATH: Final = 1_000  # characters
_STEP = re.compile(r'\.?([^.\[\]"\s$]+)|\[(-?\d{1,9}|\*)\]|\[("(?:[^"\\]|\\.)*")\]')
_SHOWN = 8  # keys of a response that a message names


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """A parsed path. A step is a key, an index, or None for every member."""

    text: str
    steps: tuple[str | int | None, ...]

    @property
    def many(self) -> bool:
        """Whether it names a list of things."""
        return None in self.steps

    def find(self, value: Any) -> Any:
        """What stands there; a list where the path is `many`. Raises LookupError with what is there instead."""
        return _found(value, self.steps, "$")


def parse_path(text: str) -> Path:
    """Parse a path. Raises ValueError with the place of the fault."""
    if len(text) > LONGEST_PATH:
        raise ValueError(f"is longer than {LONGEST_PATH} characters")
    place = 1 if text.startswith("$") else 0
    steps: list[str | int | None] = []
    while place < len(text):
        step = _STEP.match(text, place)
        if step is None or (not place and text[0] == "."):
            raise ValueError(f"cannot be read from character {place + 1} on: {text[place : place + 20]!r}")
        if place and step[1] and text[place] != ".":  # `a[0]b`
            raise ValueError(f"lacks a dot at character {place + 1}")
        steps.append(step[1] or (json.loads(step[3]) if step[3] else None if step[2] == "*" else int(step[2])))
        place = step.end()
    if not text:
        raise ValueError("is empty; write $ for the whole response")
    return Path(text=text, steps=tuple(steps))


def _found(value: Any, steps: tuple[str | int | None, ...], where: str) -> Any:
    for number, step in enumerate(steps):
        if step is None:
            if not isinstance(value, list):
                raise LookupError(f"{where} is {_kind(value)}, not a list")
            return _members(value, steps[number + 1 :], where)
        if isinstance(step, str):
            if not isinstance(value, dict):
                raise LookupError(f"{where} is {_kind(value)}, not an object")
            if step not in value:
                raise LookupError(f"{where} has no {step!r}; it has {_keys(value)}")
            value, where = value[step], f"{where}.{step}"
        else:
            if not isinstance(value, list):
                raise LookupError(f"{where} is {_kind(value)}, not a list")
            if not -len(value) <= step < len(value):
                raise LookupError(f"{where} has {len(value)} members, so none at {step}")
            value, where = value[step], f"{where}[{step}]"
    return value


def _members(values: list[Any], rest: tuple[str | int | None, ...], where: str) -> list[Any]:
    found: list[Any] = []
    for number, member in enumerate(values):
        try:
            each = _found(member, rest, f"{where}[{number}]")
        except LookupError:
            continue
        if None in rest:
            found.extend(each)
        else:
            found.append(each)
    return found


def _keys(value: dict[str, Any]) -> str:
    shown = ", ".join(repr(str(key)[:40]) for key in list(value)[:_SHOWN])
    return f"{shown} and {len(value) - _SHOWN} more" if len(value) > _SHOWN else shown or "no keys"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
