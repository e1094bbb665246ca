"""One proportion: confidence limits from counts, and exact binomial tails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincc, betaincinv

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Array, Interval, Number, critical

HALVINGS = 64  # a double carries 53 bits


def wilson(
    successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95, df: float | Array | None = None
) -> Interval:
    """Wilson score interval for a binomial proportion.

    successes, trials: counts of independent cases, 0 <= successes <= trials, trials > 0; effective counts may be
    fractional; they broadcast. level: two-sided confidence level in (0, 1).
    df: degrees of freedom of a Student-t critical value, broadcast; None for the normal.
    Returns an Interval on the proportion scale; exactly 0 (1) at successes == 0 (trials).
    Raises NotEstimable at trials == 0, ValueError on impossible counts.
    Source: Wilson (1927), JASA 22, 209-212; method 3 of Newcombe (1998a), Stat. Med. 17, 857-872.
    """
    x, n = counts(successes, trials)
    z = critical(level, df)
    scale = n + z**2
    centre = (x + z**2 / 2) / scale
    half = z / scale * np.sqrt(x * (n - x) / n + z**2 / 4)
    return _around(x / n, centre - half, centre + half)


def wilson_corrected(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Interval:
    """Wilson score interval with continuity correction: close to Clopper-Pearson without its quantiles.

    Arguments, scale and errors as `wilson`. Source: method 4 of Newcombe (1998a), Stat. Med. 17, 857-872.
    """
    x, n = counts(successes, trials)
    z = critical(level)
    low, high = (
        (2 * x + z**2 + side * (1 + z * np.sqrt(np.maximum(z**2 + side * 2 - 1 / n + 4 * x / n * (n - x - side), 0))))
        / (2 * (n + z**2))
        for side in (-1, 1)
    )
    return _around(x / n, low, high)


def clopper_pearson(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Interval:
    """Clopper-Pearson ("exact") interval, which never covers less than `level`; for safety floors and zero failures.

    Arguments, scale and errors as `wilson`; at fractional counts this is the Korn-Graubard interval.
    Source: Clopper and Pearson (1934), Biometrika 26, 404-413; Korn and Graubard (1998), Surv. Methodol. 24, 193-201.
    """
    x, n = counts(successes, trials)
    error = tail(level)
    # A beta quantile needs positive parameters; at the edge the limit is the estimate itself.
    low = np.where(x > 0, betaincinv(np.where(x > 0, x, 1), n - x + 1, error), 0)
    high = np.where(x < n, betaincinv(x + 1, np.where(x < n, n - x, 1), 1 - error), 1)
    return _around(x / n, low, high)


def jeffreys(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Interval:
    """Jeffreys interval: equal-tailed limits of the Beta(x + 1/2, n - x + 1/2) posterior, extended to the estimate.

    Arguments, scale and errors as `wilson`. Not for gates: one-sided at 5 % it passed a bad rate 13 % of the time.
    Source: Brown, Cai and DasGupta (2001), Statist. Sci. 16, 101-133, section 4.1.
    """
    x, n = counts(successes, trials)
    error = tail(level)
    shape = x + 0.5, n - x + 0.5
    return _around(x / n, betaincinv(*shape, error), betaincinv(*shape, 1 - error))


def agresti_coull(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Interval:
    """Agresti-Coull interval: the normal interval around Wilson's centre, clipped to [0, 1].

    Arguments, scale and errors as `wilson`. Source: Agresti and Coull (1998), Am. Stat. 52, 119-126.
    """
    x, n = counts(successes, trials)
    z = critical(level)
    scale = n + z**2
    centre = (x + z**2 / 2) / scale
    half = z * np.sqrt(centre * (1 - centre) / scale)
    return _around(x / n, centre - half, centre + half)


def mid_p(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Interval:
    """Mid-P interval: Clopper-Pearson with only half of the probability of the observed count in each tail.

    Arguments, scale and errors as `wilson`. Limits are bisected to the precision of a double.
    Source: Lancaster (1961), JASA 56, 223-234; Berry and Armitage (1995), The Statistician 44, 417-423.
    """
    x, n = counts(successes, trials)
    error = tail(level)

    def lower(x: Array) -> Array:
        return crossing(lambda p: (_at_least(x, n, p) + _at_least(x + 1, n, p)) / 2 < error, np.zeros_like(n), x / n)

    return _around(x / n, lower(x), 1 - lower(n - x))


def lower_tail(successes: ArrayLike, trials: ArrayLike, p0: ArrayLike) -> Number:
    """Exact binomial p-value P(X <= successes) at rate p0: small when the rate is below p0.

    Counts as in `wilson` (at fractional counts the incomplete beta function interpolates), p0 in [0, 1]; all broadcast.
    """
    x, n = counts(successes, trials)
    p = _rates(p0)
    x, n, p = np.broadcast_arrays(x, n, p)
    return plain(np.where(x < n, betaincc(x + 1, np.where(x < n, n - x, 1), p), 1))


def upper_tail(successes: ArrayLike, trials: ArrayLike, p0: ArrayLike) -> Number:
    """Exact binomial p-value P(X >= successes) at rate p0: small when the rate is above p0. Domain as `lower_tail`."""
    x, n = counts(successes, trials)
    p = _rates(p0)
    x, n, p = np.broadcast_arrays(x, n, p)
    return plain(_at_least(x, n, p))


def counts(successes: ArrayLike, trials: ArrayLike) -> tuple[Array, Array]:
    """Successes and trials as float arrays of one shape, once they are known to be possible.

    Raises NotEstimable where trials == 0, ValueError where not 0 <= successes <= trials < infinity.
    """
    x, n = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(trials, dtype=float))
    if not np.all((x >= 0) & (x <= n) & np.isfinite(n)):  # false for NaN as well
        raise ValueError(f"counts must satisfy 0 <= successes <= trials. Got {successes!r} of {trials!r}")
    if np.any(n == 0):
        raise NotEstimable("no cases: a rate of 0 trials has no value")
    return x, n


def tail(level: float) -> float:
    """Error probability (1 - level) / 2 on each side of a two-sided interval. Raises ValueError outside (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1). Got {level!r}")
    return (1 - level) / 2


def plain(value: ArrayLike) -> Number:
    """A float where there is one value, else the array."""
    array = np.asarray(value, dtype=float)
    return float(array) if array.ndim == 0 else array


def as_interval(low: ArrayLike, high: ArrayLike) -> Interval:
    """An Interval of two floats, or of two arrays of one shape."""
    return Interval(*(plain(side) for side in np.broadcast_arrays(low, high)))


def crossing(holds: Callable[[Array], NDArray[np.bool_]], start: Array, end: Array) -> Array:
    """Where, on the way from `start` to `end`, a condition that holds at `start` stops holding; `end` if it never does.

    Vectorised bisection to the precision of a double; `holds` maps an array of points to an array of truths.
    """
    for _ in range(HALVINGS):
        middle = (start + end) / 2
        still = holds(middle)
        start, end = np.where(still, middle, start), np.where(still, end, middle)
    return end


def _at_least(x: Array, n: Array, p: Array) -> Array:
    """P(X >= x) for X ~ Binomial(n, p) as an incomplete beta function, for 0 <= x <= n + 1."""
    a, b = np.where(x > 0, x, 1), np.where(x < n + 1, n - x + 1, 1)
    return np.where(x > 0, np.where(x < n + 1, betainc(a, b, p), 0.0), 1.0)


def _around(estimate: Array, low: Array, high: Array) -> Interval:
    """Limits within [0, 1] that contain the estimate in spite of rounding."""
    return as_interval(np.clip(low, 0, estimate), np.clip(high, estimate, 1))


def _rates(p0: ArrayLike) -> Array:
    p = np.asarray(p0, dtype=float)
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError(f"p0 must be in [0, 1]. Got {p0!r}")
    return p
