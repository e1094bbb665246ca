"""Ratio of two independent proportions, and MOVER-R: the ratio of any two estimates from their own limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shipworthy.stats.difference import distances, inflation
from shipworthy.stats.interval import Array, Interval, critical
from shipworthy.stats.proportion import as_interval, counts, crossing


def mover_ratio(
    p1: ArrayLike,
    limits1: tuple[ArrayLike, ArrayLike],
    p2: ArrayLike,
    limits2: tuple[ArrayLike, ArrayLike],
    *,
    correlation: ArrayLike = 0.0,
) -> Interval:
    """MOVER-R interval for p1 / p2 from an estimate and limits per arm, whatever these were made with.

    p1, p2: finite estimates >= 0; limits1, limits2: (low, high) of each, possibly infinite; a lower limit below 0
    counts as 0. correlation: of the two estimates, in [-1, 1]; 0 for independent arms. Everything broadcasts:
    `p[:, None]` against `p` gives all ordered pairs.
    No upper limit (+inf) where p2's lower limit is 0; [0, inf] where both estimates are 0.
    Raises ValueError on NaN, on a negative or infinite estimate, where low > high and on a correlation beyond 1.
    Source: Donner and Zou (2012), Stat. Methods Med. Res. 21, 347-359; lower limit in its rationalised form.
    """
    first, below1, above1 = distances(p1, limits1)
    second, below2, above2 = distances(p2, limits2)
    if np.any(first < 0) or np.any(second < 0):
        raise ValueError(f"estimates of a ratio must not be negative. Got {p1!r} and {p2!r}")
    r = np.asarray(correlation, dtype=float)
    if not np.all(np.abs(r) <= 1):
        raise ValueError(f"correlation must be in [-1, 1]. Got {correlation!r}")
    # l (2p - l) = p^2 - (p - l)^2, and u (2p - u) = p^2 - (u - p)^2: at most p^2, negative where u > 2p.
    low1, low2 = (np.maximum(p**2 - np.minimum(b, p) ** 2, 0) for p, b in ((first, below1), (second, below2)))
    high1, high2 = first**2 - above1**2, second**2 - above2**2
    down = first * second - r * np.minimum(below1, first) * np.where(np.isfinite(above2), above2, 0)
    up = first * second - r * np.where(np.isfinite(above1), above1, 0) * np.minimum(below2, second)
    down, up, low1, low2, high1, high2 = np.broadcast_arrays(down, up, low1, low2, high1, high2)

    bounded = np.isfinite(high2) & (low1 > 0)
    root = down + np.sqrt(np.maximum(down**2 - low1 * np.where(bounded, high2, 0), 0))
    low = np.divide(low1, root, out=np.zeros_like(root), where=bounded & (root > 0))
    bounded = np.isfinite(high1) & (low2 > 0)
    root = up + np.sqrt(np.maximum(up**2 - low2 * np.where(bounded, high1, 0), 0))
    high = np.divide(root, low2, out=np.full_like(root, np.inf), where=bounded)
    return as_interval(low, high)


def katz(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float = 0.95) -> Interval:
    """Katz log interval for p1 / p2; for large counts only. [0, inf] where either count is 0.

    x1 of n1, x2 of n2: counts of independent cases, all broadcast. level: two-sided, in (0, 1).
    Raises NotEstimable at n == 0. Degenerate (no width) at x == n in both arms, `adjusted_log` alike.
    Source: Katz, Baptista, Azen and Pike (1978), Biometrics 34, 469-474.
    """
    (a, m), (b, n) = counts(x1, n1), counts(x2, n2)
    a, m, b, n = np.broadcast_arrays(a, m, b, n)
    empty = (a == 0) | (b == 0)
    low, high = _log(np.where(empty, m, a), m, np.where(empty, n, b), n, level)
    return as_interval(np.where(empty, 0, low), np.where(empty, np.inf, high))


def adjusted_log(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float = 0.95) -> Interval:
    """Log interval for p1 / p2 with half a success added to every count and total; finite on every table.

    Arguments and errors as `katz`. At 0 it excludes the plain estimate. Source: Walter (1975), Biometrika 62, 371-374.
    """
    (a, m), (b, n) = counts(x1, n1), counts(x2, n2)
    return as_interval(*_log(a + 0.5, m + 0.5, b + 0.5, n + 0.5, level))


def koopman(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float = 0.95) -> Interval:
    """Koopman score interval for p1 / p2: all ratios that the score test does not reject. The default for a ratio.

    Arguments and errors as `katz`. Low is 0 at x1 == 0, high is +inf at x2 == 0, and [0, inf] where both are.
    Source: Koopman (1984), Biometrics 40, 513-517.
    """
    return _score(x1, n1, x2, n2, level=level, unbiased=False)


def miettinen_nurminen_ratio(
    x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Miettinen-Nurminen score interval for p1 / p2: `koopman` with the variance multiplied by N / (N - 1).

    Arguments and errors as `katz`; NotEstimable at N = n1 + n2 <= 1 as well.
    Source: Miettinen and Nurminen (1985), Stat. Med. 4, 213-226.
    """
    return _score(x1, n1, x2, n2, level=level, unbiased=True)


def _log(x1: Array, n1: Array, x2: Array, n2: Array, level: float) -> tuple[Array, Array]:
    error = np.sqrt(np.maximum(1 / x1 - 1 / n1 + 1 / x2 - 1 / n2, 0))
    centre, half = np.log(x1 / n1) - np.log(x2 / n2), critical(level) * error
    return np.exp(centre - half), np.exp(centre + half)


def _score(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float, unbiased: bool) -> Interval:
    (a, m), (b, n) = counts(x1, n1), counts(x2, n2)
    a, m, b, n = np.broadcast_arrays(a, m, b, n)
    z = critical(level) * (inflation(m, n) if unbiased else 1.0)

    def lower(a: Array, m: Array, b: Array, n: Array) -> Array:
        p, q = a / m, b / n
        start = np.zeros_like(p)
        # The ratio is searched as share / (1 - share), so that infinity is a point like any other.
        end = np.divide(p, p + q, out=start.copy(), where=p > 0)
        share = crossing(lambda s: (1 - s) * p - s * q > z * _constrained_error(a, m, b, n, s), start, end)
        return np.divide(share, 1 - share, out=np.full_like(share, np.inf), where=share < 1)

    low, flipped = lower(a, m, b, n), lower(b, n, a, m)
    low = np.where(a > 0, low, 0)
    high = np.divide(1, flipped, out=np.full_like(flipped, np.inf), where=(b > 0) & (flipped > 0))
    return as_interval(low, high)


def _constrained_error(x1: Array, n1: Array, x2: Array, n2: Array, share: Array) -> Array:
    """Standard error of (1 - s) p1 - s p2 at the likelihood's maximum under p1 / p2 = s / (1 - s)."""
    rest = 1 - share
    hits = x1 + x2
    linear = share * (n1 + x2) + rest * (n2 + x1)
    discriminant = np.maximum(linear**2 - 4 * (n1 + n2) * share * rest * hits, 0)
    scale = 2 * hits / (linear + np.sqrt(discriminant))  # the smaller root, without cancellation
    p1, p2 = np.clip(share * scale, 0, 1), np.clip(rest * scale, 0, 1)
    return np.sqrt(rest**2 * p1 * (1 - p1) / n1 + share**2 * p2 * (1 - p2) / n2)
