"""How far the rates of several groups differ, beyond what chance alone spreads them.

All functions work on counts per group. The raw range max - min is never an estimate: it grows with the number of groups
when nothing differs. Use the simultaneous level for limits, the between-group standard deviation for a size, and the
permutation for a test.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Array, Interval

Counts = NDArray[np.int64]

# Trapezoid nodes over the standard normal: the integrands below are analytic and vanish at the ends, so the rule
# converges geometrically; doubling the nodes moves no quantile by 1e-11.
_NODES = np.linspace(-10.0, 10.0, 1601)
_WEIGHTS = np.exp(-(_NODES**2) / 2) / np.sqrt(2 * np.pi) * (_NODES[1] - _NODES[0])


class PermutationRange(NamedTuple):
    """Observed range of group rates against its distribution when group labels mean nothing."""

    observed: float  # max - min of the group rates
    null_mean: float  # its mean over permutations; observed - null_mean is the excess "beyond chance"
    p_value: float  # at least 1 / (draws + 1)


class Omnibus(NamedTuple):
    """Pearson's test that all groups share one rate."""

    statistic: float
    df: int
    p_value: float


def _groups(groups: int) -> int:
    if groups != int(groups) or groups < 2:
        raise ValueError(f"groups must be an integer, 2 or more. Got {groups!r}")
    return int(groups)


def _level(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1). Got {level!r}")
    return float(level)


def range_probability(groups: int, width: float) -> float:
    """P(max - min <= width) for `groups` independent standard normals: the studentized range with infinite degrees of
    freedom.

    Source: Tippett (1925), Biometrika 17, 364-387.
    """
    count = _groups(groups)
    if not width > 0:
        return 0.0
    inside = ndtr(_NODES) - ndtr(_NODES - width)
    return min(1.0, float(count * (_WEIGHTS @ inside ** (count - 1))))


def _bisect(probability_at: Callable[[float], float], target: float) -> float:
    """Root of an increasing function on (0, 40], to the last bits."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        if probability_at(middle) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@lru_cache(maxsize=4096)
def studentized_range(groups: int, level: float) -> float:
    """Quantile q(groups, infinity; level) of the studentized range.

    groups: 2 or more (accurate for thousands); level: in (0, 1). Source: Tukey (1953); numerically from
    `range_probability`.
    """
    count, target = _groups(groups), _level(level)
    return _bisect(lambda width: range_probability(count, width), target)


def simultaneous_level(groups: int, level: float) -> float:
    """Two-sided level for each pair, so that all pairwise limits among `groups` hold at once at `level`.

    Its normal critical value is q(groups, infinity; level) / sqrt(2); with two groups it is `level` itself. Returned as
    a level, so that any interval with a `level` argument can be made simultaneous. Source: Tukey-Kramer, as in Hochberg
    & Tamhane (1987), 3.2.
    """
    return float(1 - 2 * ndtr(-studentized_range(groups, level) / np.sqrt(2)))


@lru_cache(maxsize=4096)
def dunnett_level(groups: int, level: float, correlation: float = 0.5) -> float:
    """Two-sided level for each comparison of `groups` - 1 groups with one reference group, all to hold at once at
    `level`.

    groups: the number of groups, the reference included. correlation: between two comparisons, n_ref-side variance over
    the sum: .5 for equal groups; smaller when the reference is the larger group, and 0 is always safe (it is Sidak's
    level). Source: Dunnett (1955), JASA 50, 1096-1121.
    """
    count, target = _groups(groups), _level(level)
    if not 0 <= correlation < 1:
        raise ValueError(f"correlation must be in [0, 1). Got {correlation!r}")
    shared, own = np.sqrt(correlation), np.sqrt(1 - correlation)

    def within(width: float) -> float:
        inside = ndtr((width + shared * _NODES) / own) - ndtr((-width + shared * _NODES) / own)
        return float(_WEIGHTS @ inside ** (count - 1))

    return float(1 - 2 * ndtr(-_bisect(within, target)))


def _counts(successes: ArrayLike, trials: ArrayLike, *, least: int = 1) -> tuple[Counts, Counts]:
    x, n = np.asarray(successes), np.asarray(trials)
    if x.ndim != 1 or x.shape != n.shape or x.size < 2:
        raise ValueError(
            f"successes and trials must be vectors over two groups or more. Got shapes {x.shape}, {n.shape}"
        )
    if not (np.all(x == np.floor(x)) and np.all(n == np.floor(n)) and np.all((x >= 0) & (x <= n))):
        raise ValueError("successes and trials must be whole counts with 0 <= successes <= trials")
    if np.any(n < least):
        raise NotEstimable(f"{int(np.sum(n < least))} of {n.size} groups have fewer than {least} case(s)")
    return x.astype(np.int64), n.astype(np.int64)


def between_group_variance(successes: ArrayLike, trials: ArrayLike) -> float:
    """Variance of the true rates of these groups (ddof 1), with the sampling noise taken out.

    successes, trials: counts per group, shape (groups,), two cases or more in each. Returns S^2 - mean(p (1 - p) / (n -
    1)), which is unbiased and so falls below 0 about half of the time when the groups are alike. Raises NotEstimable
    with a smaller group. Source: Lum, Zhang, Bower (2022), FAccT, arXiv 2205.05770.
    """
    x, n = _counts(successes, trials, least=2)
    rate = x / n
    return float(np.var(rate, ddof=1) - np.mean(rate * (1 - rate) / (n - 1)))


def between_group_sd(successes: ArrayLike, trials: ArrayLike) -> float:
    """Standard deviation of the true rates: the root of `between_group_variance`, or 0 where that is negative."""
    return float(np.sqrt(max(0.0, between_group_variance(successes, trials))))


def between_group_sd_interval(
    successes: ArrayLike, trials: ArrayLike, *, rng: np.random.Generator, draws: int = 2000, level: float = 0.95
) -> Interval:
    """Bootstrap interval of the between-group standard deviation, with Lum's double correction.

    A resample of the counts carries the sampling noise twice, once from the data and once from the resampling, so it is
    subtracted twice. Over-covers when the groups are alike (1.00 at a nominal .95), .98-.995 elsewhere; with one
    correction .00-.70 (section "Disparity" of the statistics notes). Limits are on the scale of rates, floored at 0.
    Source: Lum, Zhang, Bower (2022), section 4.
    """
    x, n = _counts(successes, trials, least=2)
    _level(level)
    _draws(draws)
    rate = x / n
    again = rng.binomial(n, rate, size=(draws, n.size)) / n
    noise = np.mean(again * (1 - again) / (n - 1), axis=1) + np.mean(rate * (1 - rate) / (n - 1))
    corrected = np.var(again, axis=1, ddof=1) - noise
    low, high = np.quantile(corrected, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.sqrt(max(0.0, low))), float(np.sqrt(max(0.0, high))))


def _draws(draws: int) -> None:
    if draws < 1:
        raise ValueError(f"draws must be 1 or more. Got {draws!r}")


def permutation_range(
    successes: ArrayLike, trials: ArrayLike, *, rng: np.random.Generator, draws: int = 2000
) -> PermutationRange:
    """Test of equal rates by the range max - min, over random relabellings of the cases.

    successes, trials: counts per group, one case or more in each. Relabelling cases draws the successes from a
    multivariate hypergeometric distribution, so no row is needed. The observed data count as one relabelling: the
    p-value is exact. Raises NotEstimable with an empty group. Source: Phipson & Smyth (2010), SAGMB 9, 39, for the
    p-value.
    """
    x, n = _counts(successes, trials)
    _draws(draws)
    observed = float(np.ptp(x / n))
    null = np.ptp(rng.multivariate_hypergeometric(n, int(x.sum()), size=draws, method="marginals") / n, axis=1)
    as_wide = int(np.count_nonzero(null >= observed - 1e-12))
    return PermutationRange(observed, float(null.mean()), (1 + as_wide) / (draws + 1))


def shrink(successes: ArrayLike, trials: ArrayLike) -> Array:
    """Empirical-Bayes rates: each cell drawn towards the overall rate by as much as its size leaves in doubt.

    successes, trials: counts per cell, shape (cells,); an empty cell gets the overall rate. Returns posterior means
    under a Beta prior fitted by moments. For ranking and reporting cells only: their range is biased low, so no gate
    may read it. Raises NotEstimable with fewer than two non-empty cells. Source: Efron & Morris (1975), JASA 70,
    311-319; Kleinman (1973), JASA 68.
    """
    x, n = _counts(successes, trials, least=0)
    held = n > 0
    cells, total = int(held.sum()), int(n.sum())
    if cells < 2:
        raise NotEstimable("shrinkage needs two non-empty cells or more")
    overall = x.sum() / total
    binomial = overall * (1 - overall)
    spread = float(np.sum(n[held] * (x[held] / n[held] - overall) ** 2))
    divisor = total - float(np.sum(n.astype(float) ** 2)) / total - (cells - 1)
    between = 0.0 if divisor <= 0 else min(max(0.0, (spread - (cells - 1) * binomial) / divisor), binomial)
    if between == 0:
        return np.full(n.shape, overall)
    prior = binomial / between - 1  # a + b of the Beta prior, in cases
    own = np.divide(n, n + prior, out=np.zeros(n.shape), where=held)  # weight of a cell's own rate
    weighed: Array = overall + own * (x / np.maximum(n, 1) - overall)
    return weighed


def chi2_omnibus(successes: ArrayLike, trials: ArrayLike) -> Omnibus:
    """Pearson's chi-squared test that all groups share one rate; large samples (expected counts of about 5 and more).

    Raises NotEstimable with an empty group or when no case, or every case, succeeds. Source: Pearson (1900), Phil. Mag.
    50, 157-175.
    """
    x, n = _counts(successes, trials)
    overall = x.sum() / n.sum()
    if overall in {0.0, 1.0}:
        raise NotEstimable("every case has the same outcome: there is nothing to compare")
    statistic = float(np.sum((x - n * overall) ** 2 / n) / (overall * (1 - overall)))
    return Omnibus(statistic, n.size - 1, float(chdtrc(n.size - 1, statistic)))
