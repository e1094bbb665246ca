"""Adjusted p-values for families of tests: reject where the adjusted value is at most alpha.

Holm, Hochberg, Bonferroni and max-T bound the chance of any false claim; Benjamini-Hochberg and -Yekutieli the share of
false claims.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shipworthy.stats.interval import Array


def _p_values(p_values: ArrayLike) -> Array:
    values = np.asarray(p_values, dtype=float)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"p_values must be a vector with one value or more. Got shape {values.shape}")
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"p_values must be in [0, 1]. Got {values[~((values >= 0) & (values <= 1))][:3]}")
    return values


def _step(p_values: ArrayLike, factors: Array, *, up: bool) -> Array:
    """Multiply the sorted p-values by `factors` and make the result monotone, from the largest down (`up`) or the
    smallest up.
    """
    values = _p_values(p_values)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * factors
    monotone = np.minimum.accumulate(scaled[::-1])[::-1] if up else np.maximum.accumulate(scaled)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(monotone, 1.0)
    return adjusted


def bonferroni(p_values: ArrayLike) -> Array:
    """Bonferroni-adjusted p-values, shape (tests,): family-wise error under any dependence. Source: Dunn (1961), JASA
    56, 52-64.
    """
    values = _p_values(p_values)
    return np.minimum(values * values.size, 1.0)


def holm(p_values: ArrayLike) -> Array:
    """Holm-adjusted p-values, shape (tests,): family-wise error under any dependence, never weaker than Bonferroni.

    Source: Holm (1979), Scand. J. Statist. 6, 65-70.
    """
    count = np.size(p_values)
    return _step(p_values, np.arange(count, 0, -1, dtype=float), up=False)


def hochberg(p_values: ArrayLike) -> Array:
    """Hochberg-adjusted p-values, shape (tests,): family-wise error for independent or positively dependent tests.

    Source: Hochberg (1988), Biometrika 75, 800-802.
    """
    count = np.size(p_values)
    return _step(p_values, np.arange(count, 0, -1, dtype=float), up=True)


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    """Benjamini-Hochberg adjusted p-values, shape (tests,): false discovery rate, independent or positively dependent
    tests.

    Source: Benjamini & Hochberg (1995), JRSS B 57, 289-300.
    """
    count = np.size(p_values)
    return _step(p_values, count / np.arange(1, count + 1), up=True)


def benjamini_yekutieli(p_values: ArrayLike) -> Array:
    """Benjamini-Yekutieli adjusted p-values, shape (tests,): false discovery rate under any dependence.

    Source: Benjamini & Yekutieli (2001), Ann. Statist. 29, 1165-1188.
    """
    count = np.size(p_values)
    ranks = np.arange(1, count + 1)
    return _step(p_values, np.sum(1 / ranks) * count / ranks, up=True)


def max_t(statistics: ArrayLike, resampled: ArrayLike) -> Array:
    """Step-down max-T adjusted p-values: family-wise error that uses the tests' actual correlation.

    statistics: shape (tests,), larger is stronger evidence (pass absolute values for two-sided tests).
    resampled: shape (draws, tests), the same statistics under the null: permuted labels, or a bootstrap centred at the
    estimate. Returns shape (tests,), each in [1 / (draws + 1), 1]. Source: Westfall & Young (1993), algorithm 4.1.
    """
    observed, null = np.asarray(statistics, dtype=float), np.asarray(resampled, dtype=float)
    if observed.ndim != 1 or observed.size == 0 or null.ndim != 2 or null.shape[1] != observed.size or len(null) == 0:
        raise ValueError(
            f"statistics must have shape (tests,) and resampled (draws, tests). Got {observed.shape} and {null.shape}"
        )
    if np.isnan(observed).any() or np.isnan(null).any():
        raise ValueError("statistics and resampled must not hold NaN")
    order = np.argsort(-observed, kind="stable")
    ceilings = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    exceedances = np.count_nonzero(ceilings >= observed[order], axis=0)
    adjusted = np.empty_like(observed)
    adjusted[order] = np.maximum.accumulate((1 + exceedances) / (len(null) + 1))
    return adjusted
