"""Distribution-free limits for a quantile, such as the p95 of a latency."""

from __future__ import annotations

from bisect import bisect_right
from math import ceil, log
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Interval
from shipworthy.stats.proportion import tail


def quantile_ranks(n: int, q: float, *, level: float = 0.95) -> tuple[int | None, int | None]:
    """Ranks (j, k), counted from 1, of the order statistics that bound the q quantile of a distribution.

    n: independent values, >= 1; q in (0, 1); level: two-sided, in (0, 1). Each side errs at most (1 - level) / 2.
    None where n is too small for that limit. Raises NotEstimable at n == 0.
    Source: Hahn and Meeker (1991), Statistical Intervals, section 5.2.
    """
    q, error = _checked(q), tail(level)
    if n < 0 or n != int(n):
        raise ValueError(f"n must be a whole number >= 0. Got {n!r}")
    if n == 0:
        raise NotEstimable("no values: a quantile of nothing has no value")
    below, above = _spare(int(n), q, error), _spare(int(n), 1 - q, error)
    return below or None, int(n) + 1 - above if above else None


def quantile_interval(values: ArrayLike, q: float, *, level: float = 0.95) -> Interval:
    """Order-statistic interval for the q quantile; -inf or +inf where that limit does not exist at this n.

    values: shape (n,), independent, no NaN (infinities, such as timeouts, are allowed). q, level as `quantile_ranks`.
    Returns an Interval on the scale of the values. Raises NotEstimable without values.
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or np.any(np.isnan(x)):
        raise ValueError("values must be numbers in one dimension, none of them NaN")
    j, k = quantile_ranks(x.size, q, level=level)
    ordered = np.sort(x)
    return Interval(-np.inf if j is None else float(ordered[j - 1]), np.inf if k is None else float(ordered[k - 1]))


def smallest_n(q: float, *, level: float = 0.95, side: Literal["lower", "upper"] = "upper") -> int:
    """The least n at which `quantile_ranks` has that limit: for p95 at 95 % 72; one-sided (level .9) 59; for p99 368.

    q in (0, 1); level: two-sided, in (0, 1); pass 1 - 2 * alpha for a one-sided limit at error alpha.
    """
    error = tail(level)
    if side not in ("lower", "upper"):
        raise ValueError(f"side must be 'lower' or 'upper'. Got {side!r}")
    return ceil(log(error) / log(_checked(q) if side == "upper" else 1 - _checked(q)))


def _spare(n: int, q: float, error: float) -> int:
    """How many counts 0, 1, ... of values below the q quantile lie in their lower tail of probability `error`."""
    return bisect_right(range(n + 1), error, key=lambda count: float(bdtr(count, n, q)))


def _checked(q: float) -> float:
    if not 0 < q < 1:
        raise ValueError(f"q must be in (0, 1). Got {q!r}")
    return q
