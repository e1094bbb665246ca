"""Difference of two independent proportions, and MOVER: the difference of any two estimates from their own limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Array, Interval, critical
from shipworthy.stats.proportion import as_interval, counts, crossing, wilson


def mover_difference(
    p1: ArrayLike,
    limits1: tuple[ArrayLike, ArrayLike],
    p2: ArrayLike,
    limits2: tuple[ArrayLike, ArrayLike],
    *,
    correlation: ArrayLike = 0.0,
) -> Interval:
    """MOVER interval for p1 - p2 from an estimate and limits per arm, whatever these were made with.

    p1, p2: finite estimates on one scale; limits1, limits2: (low, high) of each at the wanted level, possibly infinite.
    correlation: of the two estimates, in [-1, 1]; 0 for independent arms. Everything broadcasts: `p[:, None]` against
    `p` gives all ordered pairs. A limit on the wrong side of its estimate counts as equal to it.
    Raises ValueError on NaN, on an infinite estimate and where low > high.
    Source: L = d - sqrt((p1-l1)^2 + (u2-p2)^2 - 2 r (p1-l1)(u2-p2)), U alike; Newcombe (1998b), Stat. Med. 17, 873-890,
    method 10; Zou and Donner (2008), Stat. Med. 27, 1693-1702; the correlation as in Newcombe (1998c) and Zou (2008).
    """
    first, below1, above1 = distances(p1, limits1)
    second, below2, above2 = distances(p2, limits2)
    r = np.asarray(correlation, dtype=float)
    if not np.all(np.abs(r) <= 1):
        raise ValueError(f"correlation must be in [-1, 1]. Got {correlation!r}")
    d = first - second
    return as_interval(d - _combined(below1, above2, r), d + _combined(above1, below2, r))


def newcombe(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float = 0.95) -> Interval:
    """Newcombe hybrid score interval for p1 - p2: MOVER on the two Wilson intervals. The default for a difference.

    x1 of n1, x2 of n2: counts of independent cases (fractional effective counts allowed), all broadcast.
    level: two-sided, in (0, 1). Limits in [-1, 1]. Raises NotEstimable at n == 0.
    Source: Newcombe (1998b), Stat. Med. 17, 873-890, method 10.
    """
    (a, m), (b, n) = counts(x1, n1), counts(x2, n2)
    return mover_difference(a / m, wilson(a, m, level=level), b / n, wilson(b, n, level=level))


def mee(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float = 0.95) -> Interval:
    """Mee score interval for p1 - p2: all differences that the score test does not reject.

    Arguments, scale and errors as `newcombe`. Limits are bisected to the precision of a double, on sparse tables too.
    Source: Mee (1984), Biometrics 40, 1175-1176; constrained estimate as Miettinen and Nurminen (1985).
    """
    return _score(x1, n1, x2, n2, level=level, unbiased=False)


def miettinen_nurminen(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float = 0.95) -> Interval:
    """Miettinen-Nurminen score interval for p1 - p2: `mee` with the variance multiplied by N / (N - 1), N = n1 + n2.

    Arguments, scale and errors as `newcombe`; NotEstimable at N <= 1 as well.
    Source: Miettinen and Nurminen (1985), Stat. Med. 4, 213-226.
    """
    return _score(x1, n1, x2, n2, level=level, unbiased=True)


def agresti_caffo(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float = 0.95) -> Interval:
    """Agresti-Caffo interval for p1 - p2: the normal interval after one more success and failure per arm, clipped.

    Arguments, scale and errors as `newcombe`. Its centre is pulled towards 0, so it may exclude the plain estimate.
    Source: Agresti and Caffo (2000), Am. Stat. 54, 280-288.
    """
    (a, m), (b, n) = counts(x1, n1), counts(x2, n2)
    p, q = (a + 1) / (m + 2), (b + 1) / (n + 2)
    half = critical(level) * np.sqrt(p * (1 - p) / (m + 2) + q * (1 - q) / (n + 2))
    return as_interval(np.clip(p - q - half, -1, 1), np.clip(p - q + half, -1, 1))


def distances(estimate: ArrayLike, limits: tuple[ArrayLike, ArrayLike]) -> tuple[Array, Array, Array]:
    """An estimate, how far its lower limit lies below it and its upper limit above it, once known to be possible."""
    point, low, high = (np.asarray(value, dtype=float) for value in (estimate, *limits))
    if not (np.all(np.isfinite(point)) and np.all(low <= high)):
        raise ValueError(f"estimates must be finite and limits ordered. Got {estimate!r} with limits {limits!r}")
    return point, np.maximum(point - low, 0), np.maximum(high - point, 0)


def inflation(n1: Array, n2: Array) -> Array:
    """sqrt(N / (N - 1)), by which Miettinen and Nurminen multiply the standard error."""
    total = n1 + n2
    if np.any(total <= 1):
        raise NotEstimable("only one case in both arms together: the variance has no unbiased estimate")
    return np.asarray(np.sqrt(total / (total - 1)))


def _combined(a: Array, b: Array, r: Array) -> Array:
    infinite = np.isinf(a) | np.isinf(b)
    a, b = np.where(infinite, 0, a), np.where(infinite, 0, b)
    return np.where(infinite, np.inf, np.sqrt(np.maximum(a**2 + b**2 - 2 * r * a * b, 0)))


def _score(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, *, level: float, unbiased: bool) -> Interval:
    (a, m), (b, n) = counts(x1, n1), counts(x2, n2)
    a, m, b, n = np.broadcast_arrays(a, m, b, n)
    z = critical(level) * (inflation(m, n) if unbiased else 1.0)

    def lower(a: Array, m: Array, b: Array, n: Array) -> Array:
        d = a / m - b / n
        # The score statistic falls in delta and passes z once between -1 and the estimate.
        return crossing(lambda delta: d - delta > z * _constrained_error(a, m, b, n, delta), np.full_like(d, -1), d)

    return as_interval(lower(a, m, b, n), -lower(b, n, a, m))


def _constrained_error(x1: Array, n1: Array, x2: Array, n2: Array, delta: Array) -> Array:
    """Standard error of the difference at the likelihood's maximum under p1 - p2 = delta.

    The maximum is the root of L3 p2^3 + L2 p2^2 + L1 p2 + L0 in Miettinen and Nurminen (1985), appendix.
    """
    total, hits = n1 + n2, x1 + x2
    quadratic = ((n1 + 2 * n2) * delta - total - hits) / (3 * total)  # L2 / 3 L3
    linear = ((n2 * delta - total - 2 * x2) * delta + hits) / total  # L1 / L3
    constant = x2 * delta * (1 - delta) / total  # L0 / L3
    q = quadratic**3 - linear * quadratic / 2 + constant / 2
    p = np.copysign(np.sqrt(np.maximum(quadratic**2 - linear / 3, 0)), q)
    cosine = np.divide(q, p**3, out=np.ones_like(q), where=p**3 != 0)
    root = 2 * p * np.cos((np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3) - quadratic
    for _ in range(2):  # the arc cosine leaves 1e-8, which a rate of one in a million would notice
        value = ((root + 3 * quadratic) * root + linear) * root + constant
        slope = (3 * root + 6 * quadratic) * root + linear
        step = np.divide(value, slope, out=np.zeros_like(value), where=np.abs(value) < 1e-6 * np.abs(slope))
        root = root - step
    p2 = np.clip(root, np.maximum(0, -delta), np.minimum(1, 1 - delta))
    p1 = np.clip(p2 + delta, 0, 1)
    return np.asarray(np.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2))
