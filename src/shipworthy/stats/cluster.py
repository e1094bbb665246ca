"""Rates over rows that came in clusters, from sums over the independent units; rows are never needed.

h and c are a unit's hits and cases. The store keeps sums over units of h, c, h^2, h c and c^2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Array, Interval, Number
from shipworthy.stats.proportion import plain, wilson

FEWEST_UNITS = 10  # below this, no t quantile repairs the variance estimate
FEWEST_BEHIND = 10  # units with hits below which they do not show how alike the cases of a unit are


def ratio_standard_error(  # noqa: PLR0917 (the order of the definition above)
    hits: ArrayLike, cases: ArrayLike, hits2: ArrayLike, cross: ArrayLike, cases2: ArrayLike, units: ArrayLike
) -> Number:
    """Cluster-robust standard error of the ratio mean p = hits / cases.

    hits, cases, hits2, cross, cases2: sums over independent units of h, c, h^2, h c, c^2; units: their number.
    All broadcast; h may be any real score total. SE^2 = G / (G - 1) sum (h - p c)^2 / cases^2.
    Raises NotEstimable at cases == 0 or units < 2.
    Source: linearisation, Cochran (1977), Sampling Techniques, section 6.3. Miller (2024), arXiv 2411.00640, omits
    the factor G / (G - 1).
    """
    h, c, hh, hc, cc, g = _arrays(hits, cases, hits2, cross, cases2, units)
    if np.any(c < 0) or np.any(hh < 0) or np.any(cc < 0):
        raise ValueError("cases and sums of squares must not be negative")
    if np.any(c == 0):
        raise NotEstimable("no cases: a rate of 0 cases has no value")
    if np.any(g < 2):
        raise NotEstimable(f"only {np.min(g):g} unit: the spread between units is unknown")
    p = h / c
    residual = np.maximum(hh - 2 * p * hc + p**2 * cc, 0)
    return plain(np.sqrt(g / (g - 1) * residual) / c)


def design_effect(p: ArrayLike, cases: ArrayLike, se: ArrayLike, largest: ArrayLike) -> Number:
    """How many clustered cases are worth one independent case, for a rate.

    p: rate in [0, 1]; cases: rows; se: its cluster-robust standard error; largest: rows of the largest unit, >= 1.
    Returns se^2 / (p (1 - p) / cases) clipped to [1, largest]; `largest` at p in {0, 1}, where se says nothing.
    Raises NotEstimable at cases == 0.
    Source: Kish (1965), Survey Sampling, section 8.2; clipping from below as Korn and Graubard (1998).
    """
    rate, n, error, most = _arrays(p, cases, se, largest)
    if not np.all((rate >= 0) & (rate <= 1) & (n >= 0) & (error >= 0) & (most >= 1)):
        raise ValueError("a design effect needs 0 <= p <= 1, cases >= 0, se >= 0 and largest >= 1")
    if np.any(n == 0):
        raise NotEstimable("no cases: a rate of 0 cases has no value")
    variance = rate * (1 - rate) / n
    return plain(np.clip(np.divide(error**2, variance, out=most.copy(), where=variance > 0), 1, most))


def least_design_effect(  # noqa: PLR0917 (as above)
    hits: ArrayLike, cases: ArrayLike, hits2: ArrayLike, cross: ArrayLike, cases2: ArrayLike, largest: ArrayLike,
    *, squares: ArrayLike | None = None,
) -> Number:  # fmt: skip
    """Design effect that the sizes of the units cost a rate at least, judged by the rarer of hits and misses.

    hits, cases, hits2, cross, cases2: sums over units of h, c, h^2, h c, c^2; largest: cases of the largest unit.
    squares: sum over cases of the squared hit, where a hit is no 0 or 1 but a weighted label; None: that of hits.
    A sample that has no hit in its large units looks as if units cost nothing. So what counts is how often a second
    case of a unit is a hit, given that one is: Kish's 1 + (m - 1) rho, with m = cases2 / cases. rho is 1 where that
    rests on fewer than FEWEST_BEHIND units with hits, which count less where they are small beside the largest.
    Returns >= 1. Simulated at rates .02 to .3, correlations 0 to 1 and sizes from all equal to 20 of 20 beside 400 of
    1: a one-sided 5 % limit errs in at most .062 of samples; without this floor in up to .55.
    Source: Kish (1965), Survey Sampling, sections 5.4 and 11.7; Ridout, Demetrio and Firth (1999), Biometrics 55,
    137-148, for a correlation from pairs.
    """
    h, c, hh, hc, cc, most, own = _arrays(
        hits, cases, hits2, cross, cases2, largest, hits if squares is None else squares
    )
    swap = h > c / 2
    own = np.where(swap, c - 2 * h + own, own)
    h, hh, hc = np.where(swap, c - h, h), np.where(swap, cc - 2 * hc + hh, hh), np.where(swap, cc - hc, hc)
    rate = np.divide(h, c, out=np.zeros_like(h), where=c > 0)
    pairs, both = np.maximum(hc - h, 0), np.maximum(hh - own, 0)  # of a hit with any other case, and with another hit
    alike = np.divide(both, pairs, out=np.ones_like(h), where=pairs > 0)
    behind = np.divide(h**2, hh, out=np.zeros_like(h), where=hh > 0)
    company = np.divide(pairs, h * (most - 1), out=np.zeros_like(h), where=(h > 0) & (most > 1))
    shown = behind * np.minimum(company, 1) >= FEWEST_BEHIND
    rho = np.where(shown, np.clip((alike - rate) / (1 - rate), 0, 1), 1)
    m = np.divide(cc, c, out=np.ones_like(h), where=c > 0)
    return plain(1 + np.maximum(m - 1, 0) * rho)


def cluster_wilson(
    p: ArrayLike, cases: ArrayLike, deff: ArrayLike, units: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Wilson interval for a rate over clustered cases: effective sample size, Student t with units - 1.

    p: rate in [0, 1]; cases: rows; deff: `design_effect`, >= 1; units: independent units. All broadcast.
    level: two-sided, in (0, 1). Returns limits in [0, 1].
    Raises NotEstimable at cases == 0 and below 10 units anywhere.
    Source: Korn and Graubard (1998), Surv. Methodol. 24, 193-201, with Wilson's limits in place of Clopper-Pearson's.
    """
    rate, n, effect, g = _arrays(p, cases, deff, units)
    if not np.all((rate >= 0) & (rate <= 1) & (effect >= 1)):
        raise ValueError("a clustered rate needs 0 <= p <= 1 and deff >= 1")
    if np.any(g < FEWEST_UNITS):
        raise NotEstimable(f"only {np.min(g):g} clusters: an interval needs {FEWEST_UNITS} independent units")
    effective = n / effect
    return wilson(np.minimum(rate * effective, effective), effective, level=level, df=g - 1)


def icc_anova(
    *,
    hits: ArrayLike,
    cases: ArrayLike,
    squares: ArrayLike,
    means2: ArrayLike,
    cases2: ArrayLike,
    units: ArrayLike,
) -> Number:
    """Intraclass correlation of rows within units, by one-way analysis of variance.

    hits, cases, cases2: sums over units of h, c, c^2; squares: sum over rows of the squared outcome (for 0/1 outcomes
    this is hits); means2: sum over units of h^2 / c; units: their number. All broadcast.
    Returns (MSB - MSW) / (MSB + (n0 - 1) MSW), at most 1, slightly negative where rows within a unit repel; 0 where no
    row differs from another. Raises NotEstimable at units < 2 or where no unit has 2 cases.
    Source: Donner (1986), Int. Stat. Rev. 54, 67-82, equation 2.1.
    """
    h, c, ss, hh, cc, g = _arrays(hits, cases, squares, means2, cases2, units)
    if np.any(g < 2):
        raise NotEstimable(f"only {np.min(g):g} unit: the spread between units is unknown")
    if np.any(c <= g):
        raise NotEstimable("one case per unit: correlation within units cannot be seen")
    between = np.maximum(hh - h**2 / c, 0) / (g - 1)
    within = np.maximum(ss - hh, 0) / (c - g)
    size = (c - cc / c) / (g - 1)
    total = between + (size - 1) * within
    return plain(np.divide(between - within, total, out=np.zeros_like(total), where=total > 0))


def kish_design_effect(m: ArrayLike, icc: ArrayLike) -> Number:
    """Design effect 1 + (m - 1) icc of m equally correlated cases per unit, for planning. m >= 1, icc in [-1, 1].

    Source: Kish (1965), Survey Sampling, section 5.4.
    """
    size, rho = _arrays(m, icc)
    if not np.all((size >= 1) & (np.abs(rho) <= 1)):
        raise ValueError(f"a design effect needs m >= 1 and icc in [-1, 1]. Got {m!r} and {icc!r}")
    return plain(1 + (size - 1) * rho)


def _arrays(*values: ArrayLike) -> list[Array]:
    arrays = [np.asarray(value, dtype=float) for value in np.broadcast_arrays(*values)]
    if not all(np.all(np.isfinite(array)) for array in arrays):
        raise ValueError(f"sums over units must be finite. Got {values!r}")
    return arrays
