"""A horizontal axis: its ends, its ticks, and where a value lies on it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """A linear axis from `low` to `high`, low < high; ticks ascend within it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Where a value lies, in percent of the width; values beyond the ends lie on them."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 3)


def axis(
    values: Iterable[float | None],
    *,
    floor: float | None = None,
    ceiling: float | None = None,
    include: Iterable[float] = (),
    wanted: int = 5,
) -> Axis:
    """An axis with round ends that holds all finite values.

    values: what must fit; None and infinities are ignored. include: values that mean something, such as zero or a
    bound.
    floor, ceiling: the ends of the possible scale, never exceeded. wanted: about how many intervals between ticks.
    """
    finite = [v for v in (*values, *include) if v is not None and math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if high - low < 1e-12 * max(1.0, abs(high)):
        pad = abs(high) * 0.1 or 0.5
        low, high = low - pad, high + pad
    step = _step((high - low) / wanted)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    if floor is not None:
        low = max(low, floor)
    if ceiling is not None:
        high = min(high, ceiling)
    if not low < high:
        low, high = low - step, high + step
    first = math.ceil(low / step - 1e-9)
    ticks = [round(i * step, 12) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]
    return Axis(low=low, high=high, ticks=tuple(ticks))


def _step(rough: float) -> float:
    size: float = 10.0 ** math.floor(math.log10(rough))
    return next(s for s in _STEPS if s * size >= rough * (1 - 1e-9)) * size
