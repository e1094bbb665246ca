"""What somebody else's JSON says, read within bounds: counts that can be added up, nesting that can be written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

LARGEST: Final = 2**53  # beyond, JSON readers lose digits, and a few of them add up to infinity
DEEPEST: Final = 100  # levels of lists and objects, far from where walking through them runs out of stack


def number(value: Any) -> float | None:
    """A finite number from 0 up to, not including, 2**53, also one that is written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and 0 <= found < LARGEST else None


def count(value: Any) -> int | None:
    """A whole number from 0 up to, not including, 2**53, also one that is written as text; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def is_deep(value: Any, levels: int = DEEPEST) -> bool:
    """Whether a JSON value has lists and objects inside each other more than `levels` deep, at whatever depth."""
    at = [value]
    for _ in range(levels):
        at = [
            inner
            for each in at
            if isinstance(each, Mapping | list | tuple)
            for inner in (each.values() if isinstance(each, Mapping) else each)
            if isinstance(inner, Mapping | list | tuple)
        ]
        if not at:
            return False
    return True
