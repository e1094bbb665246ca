"""Distribution-free limits for a quantile, such as the p95 of a latency."""

from __future__ import annotations

from bisect import bisect_right
from math import ceil, log
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from shipworthy.errors import NotEstimable
from shipworthy.stats.cluster import least_design_effect
from shipworthy.stats.interval import Interval, critical
from shipworthy.stats.proportion import clopper_pearson, tail


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


def clustered_quantile_interval(values: ArrayLike, clusters: ArrayLike, q: float, *, level: float = 0.95) -> Interval:
    """Limits for the q quantile of values that come in clusters; -inf or +inf where a limit does not exist.

    values, clusters: shape (n,), values without NaN; q, level as `quantile_ranks`.
    The share of values at or below the sample quantile is a clustered proportion: its Korn-Graubard limits around q, on
    the effective number of values, say which order statistics bound the quantile. Clusters of unequal size cost at
    least `least_design_effect`.
    Raises NotEstimable with fewer than two clusters.
    Source: Woodruff (1952), J. Am. Stat. Assoc. 47, 635-646; Francisco and Fuller (1991), Ann. Stat. 19, 454-469.
    """
    x, error = np.asarray(values, dtype=float), tail(level)
    _, unit = np.unique(np.asarray(clusters), return_inverse=True)
    size, units = len(x), int(unit.max(initial=-1)) + 1
    if units < 2:
        raise NotEstimable("fewer than two clusters: nothing tells how much values vary")
    below = (x <= np.quantile(x, _checked(q), method="inverted_cdf")).astype(float)
    sums = np.bincount(unit, below - below.mean())
    variance = units / (units - 1) * float(sums @ sums) / size**2
    independent = below.mean() * (1 - below.mean()) / size
    largest = float(np.bincount(unit).max())
    effect = float(np.clip(variance / independent, 1, largest)) if independent > 0 else largest
    hits, cases = np.bincount(unit, below), np.bincount(unit)
    effect = max(
        effect,
        float(least_design_effect(hits.sum(), size, hits @ hits, hits @ cases, cases @ cases, largest)),
    )
    worth = size / effect * float(critical(1 - 2 * error) / critical(1 - 2 * error, units - 1)) ** 2
    low, high = clopper_pearson(q * worth, worth, level=level)
    below_rank, above_rank = int(np.floor(float(low) * size)), int(np.ceil(float(high) * size)) + 1
    ordered = np.sort(x)
    return Interval(
        -np.inf if below_rank < 1 or _spare(max(int(worth), 1), q, error) < 1 else float(ordered[below_rank - 1]),
        np.inf if above_rank > size or _spare(max(int(worth), 1), 1 - q, error) < 1 else float(ordered[above_rank - 1]),
    )


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
