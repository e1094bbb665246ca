"""How many cases a claim needs, and what chance a given number has of deciding it.

Sample sizes are whole cases, rounded up. `alpha` is the error rate of the rule that will be used (one-sided for gates,
two-sided for comparisons, as each docstring says); `power` is the chance of the wanted verdict when the stated truth
holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, bdtrik, nctdtr, ndtr, ndtri, stdtrit

from shipworthy.errors import NotEstimable
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.disparity import range_probability, studentized_range
from shipworthy.stats.interval import Array
from shipworthy.stats.proportion import clopper_pearson, wilson
from shipworthy.stats.ratio import mover_ratio

MOST_EXACT = 100_000  # cases up to which the chance of a verdict is summed exactly
LARGEST = 10**9  # cases; beyond this the answer is "not with any realistic sample"


def _inside(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} must be in (0, 1). Got {value!r}")


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be above 0 and finite. Got {value!r}")


def _whole(size: float, *, least: int = 1) -> int:
    if size > LARGEST:
        raise NotEstimable(f"more than {LARGEST:,} cases would be needed")
    return max(least, math.ceil(size - 1e-9))


def _smallest(enough: Callable[[int], bool], *, least: int = 1) -> int:
    """Smallest n >= least with enough(n), for a condition that stays true once it is."""
    high = least
    while not enough(high):
        if high > LARGEST:
            raise NotEstimable(f"more than {LARGEST:,} cases would be needed")
        least, high = high + 1, 2 * high
    while least < high:
        middle = (least + high) // 2
        if enough(middle):
            high = middle
        else:
            least = middle + 1
    return high


def n_for_proportion_bound(p: float, limit: float, *, alpha: float = 0.05, power: float = 0.9) -> int:
    """Cases for a one-sided Wilson bound (error alpha) to clear `limit` with chance `power` when the true rate is `p`.

    p: in [0, 1], on the good side of limit, whichever that is; limit: in (0, 1). A large-sample formula for the score
    test: at small n p the exact binomial power swings a few points around it. Raises NotEstimable at p == limit, which
    no sample size can tell. Source: Fleiss, Levin, Paik (2003), Statistical Methods for Rates and Proportions, eq. 2.10
    without continuity correction.
    """
    _inside(limit=limit, alpha=alpha, power=power)
    if not 0 <= p <= 1:
        raise ValueError(f"p must be in [0, 1]. Got {p!r}")
    if p == limit:
        raise NotEstimable("a rate equal to the limit clears it with no sample size")
    reach = ndtri(1 - alpha) * math.sqrt(limit * (1 - limit)) + ndtri(power) * math.sqrt(p * (1 - p))
    return _whole((max(0.0, reach) / (p - limit)) ** 2)


def n_for_exact_bound(p: float, limit: float, *, alpha: float = 0.05, power: float = 0.9) -> int:
    """Cases from which on a one-sided Clopper-Pearson bound (error alpha) clears `limit` with chance `power` or more.

    p: the true rate in [0, 1], on the good side of limit, whichever that is; limit: in (0, 1). The chance is summed
    exactly; it saws up and down with n, and holds at the returned n and at every larger one. Where more than MOST_EXACT
    cases are needed, the answer is that of `n_for_proportion_bound` plus 1 / |p - limit| for continuity.
    Raises NotEstimable at p == limit. Source: Clopper & Pearson (1934), Biometrika 26, 404-413; Fleiss, Levin, Paik
    (2003), eq. 2.11, for the continuity.
    """
    about = n_for_proportion_bound(p, limit, alpha=alpha, power=power) + math.ceil(1 / abs(p - limit))
    if about > MOST_EXACT:
        return _whole(about)
    failing, worst = (p, limit) if p < limit else (1 - p, 1 - limit)
    n = np.arange(max(1, about // 2 - 200), about + about // 4 + 200)
    most = np.floor(bdtrik(alpha, n, worst))  # failures up to which the bound clears: chance of as few at most alpha
    most = np.where(bdtr(np.maximum(most + 1, 0), n, worst) <= alpha, most + 1, most)
    most = np.where((most >= 0) & (bdtr(np.maximum(most, 0), n, worst) > alpha), most - 1, most)
    chance = np.where(most >= 0, bdtr(np.maximum(most, 0), n, failing), 0.0)
    return int(n[chance < power].max(initial=0)) + 1


def n_to_show_close(
    p: float, limit: float, groups: int, *, compare: Literal["difference", "ratio"], alpha: float = 0.05,
    power: float = 0.9,
) -> int:  # fmt: skip
    """Cases per group, so that `groups` truly equal groups pass every pair's exact bound with chance `power`.

    As `n_for_equal_groups` and `n_for_ratio_groups`, but with MOVER on Clopper-Pearson limits, on which gates judge a
    claim that groups are close: its reach at equal observed rates p takes the place of z sqrt 2 standard errors.
    limit: of the gap, or of the ratio (below 1). Realised chances stand in tests/gates/test_sizes.py.
    """
    _inside(p=p, limit=limit, alpha=alpha, power=power)
    apart = studentized_range(groups, power)

    def enough(n: int) -> bool:
        own = clopper_pearson(p * n, n, level=1 - 2 * alpha)
        if compare == "difference":
            return float(mover_difference(p, own, p, own).high) + apart * math.sqrt(p * (1 - p) / n) < limit
        low = float(mover_ratio(p, own, p, own).low)
        return low > 0 and math.log(low) - apart * math.sqrt((1 - p) / (p * n)) > math.log(limit)

    return _smallest(enough)


def n_without_failure(limit: float, *, alpha: float = 0.05) -> int:
    """Cases that must all be without failure, to claim a failure rate below `limit` at one-sided error alpha (rule of
    three).

    Source: Hanley & Lippman-Hand (1983), JAMA 249, 1743-1745: (1 - limit) ** n <= alpha.
    """
    _inside(limit=limit, alpha=alpha)
    return _whole(math.log(alpha) / math.log1p(-limit))


def n_for_equal_groups(p: float, limit: float, groups: int, *, alpha: float = 0.05, power: float = 0.9) -> int:
    """Cases per group, so that `groups` truly equal groups pass "every pair closer than `limit`" with chance `power`.

    p: the common rate; alpha: one-sided error of each ordered pair's bound (intersection-union, no correction for the
    pairs). n = p (1 - p) (q(groups, inf; power) + z(1 - alpha) sqrt 2)^2 / limit^2, q the studentized range.
    Checked by simulation: `power_equal_groups` is within .01 of the realised chance at p = .1, limit = .05.
    """
    _inside(p=p, limit=limit, alpha=alpha, power=power)
    reach = max(0.0, studentized_range(groups, power) + ndtri(1 - alpha) * math.sqrt(2))
    return _whole(p * (1 - p) * (reach / limit) ** 2)


def power_equal_groups(p: float, limit: float, groups: int, n: float, *, alpha: float = 0.05) -> float:
    """Chance that `groups` equal groups of n cases pass "every pair closer than `limit`": the inverse of
    `n_for_equal_groups`.
    """
    _inside(p=p, limit=limit, alpha=alpha)
    _positive(n=n)
    return range_probability(groups, limit * math.sqrt(n / (p * (1 - p))) - ndtri(1 - alpha) * math.sqrt(2))


def smallest_group_that_can_pass(p: float, limit: float, *, alpha: float = 0.05, other: int | None = None) -> int:
    """Smallest group whose one-sided MOVER-Wilson bound on a gap is below `limit` when the observed rates are exactly
    equal.

    p: the common observed rate in [0, 1]; other: cases of the group it is compared with, None for the same size. Below
    this a group can only end in FAIL or "not enough evidence", whatever the data are like. Raises NotEstimable when no
    size suffices, because the other group alone is too small. Source: the bound is Newcombe (1998b), Stat. Med. 17,
    873-890, method 10.
    """
    _inside(limit=limit, alpha=alpha)
    if not 0 <= p <= 1:
        raise ValueError(f"p must be in [0, 1]. Got {p!r}")
    level = 1 - 2 * alpha
    if level <= 0:
        raise ValueError(f"alpha must be below .5. Got {alpha!r}")

    def passes(n: int) -> bool:
        m = n if other is None else other
        limits_n, limits_m = wilson(p * n, n, level=level), wilson(p * m, m, level=level)
        bounds = (mover_difference(p, limits_n, p, limits_m).high, mover_difference(p, limits_m, p, limits_n).high)
        return bool(max(float(bound) for bound in bounds) < limit)

    return _smallest(passes)


def _z_alpha(alpha: float, *, two_sided: bool) -> float:
    return float(ndtri(1 - alpha / 2 if two_sided else 1 - alpha))


def n_two_proportions(p1: float, p2: float, *, alpha: float = 0.05, power: float = 0.8, two_sided: bool = True) -> int:
    """Cases per arm to find the difference of two independent proportions: R's `power.prop.test`.

    p1, p2: in [0, 1], different. Raises NotEstimable when they are equal. Source: Fleiss, Levin, Paik (2003), eq. 4.14.
    """
    _inside(alpha=alpha, power=power)
    if p1 == p2:
        raise NotEstimable("equal proportions show no difference with any sample size")
    return _smallest(lambda n: power_two_proportions(n, p1, p2, alpha=alpha, two_sided=two_sided) >= power)


def power_two_proportions(n: float, p1: float, p2: float, *, alpha: float = 0.05, two_sided: bool = True) -> float:
    """Power of the pooled z test with n cases per arm, counting the right direction only, as R's `power.prop.test`
    does.
    """
    _inside(alpha=alpha)
    _positive(n=n)
    if not (0 <= p1 <= 1 and 0 <= p2 <= 1):
        raise ValueError(f"p1 and p2 must be in [0, 1]. Got {p1!r} and {p2!r}")
    pooled = (p1 + p2) / 2
    spread = math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    reach = math.sqrt(n) * abs(p1 - p2) - _z_alpha(alpha, two_sided=two_sided) * math.sqrt(2 * pooled * (1 - pooled))
    return float(ndtr(reach / spread)) if spread > 0 else float(reach > 0)


def power_t_test(n: float, difference: float, sd: float = 1.0, *, alpha: float = 0.05, two_sided: bool = True) -> float:
    """Power of the two-sample t test with n cases per arm, right direction only: R's `power.t.test`.

    difference: of the means; sd: common standard deviation; n >= 2. Source: Cohen (1988), by the noncentral t
    distribution.
    """
    _inside(alpha=alpha)
    _positive(sd=sd)
    if not n >= 2:
        raise ValueError(f"n must be 2 or more. Got {n!r}")
    df = 2 * (n - 1)
    tail = alpha / 2 if two_sided else alpha
    return float(1 - nctdtr(df, math.sqrt(n / 2) * abs(difference) / sd, stdtrit(df, 1 - tail)))


def n_t_test(
    difference: float, sd: float = 1.0, *, alpha: float = 0.05, power: float = 0.9, two_sided: bool = True
) -> int:
    """Cases per arm for the two-sample t test to find `difference`: R's `power.t.test`, rounded up.

    Raises NotEstimable at difference 0.
    """
    _inside(alpha=alpha, power=power)
    _positive(sd=sd)
    if difference == 0:
        raise NotEstimable("equal means show no difference with any sample size")
    return _smallest(lambda n: power_t_test(n, difference, sd, alpha=alpha, two_sided=two_sided) >= power, least=2)


def n_non_inferiority(p: float, margin: float, *, alpha: float = 0.025, power: float = 0.9) -> int:
    """Cases per arm to show "not worse by `margin`" between two arms whose true rates are both `p`; alpha one-sided.

    Source: Blackwelder (1982), Control. Clin. Trials 3, 345-353: 2 p (1 - p) (z_alpha + z_beta)^2 / margin^2.
    """
    _inside(p=p, margin=margin, alpha=alpha, power=power)
    return _whole(2 * p * (1 - p) * ((ndtri(1 - alpha) + ndtri(power)) / margin) ** 2)


def n_paired(
    difference: float, discordance: float, *, alpha: float = 0.05, power: float = 0.8, two_sided: bool = True
) -> int:
    """Pairs for McNemar's asymptotic test to find `difference` between two rates on the same cases.

    difference: p1 - p2; discordance: share of pairs whose two outcomes differ, in [|difference|, 1].
    Source: Connor (1987), Biometrics 43, 207-211: ((z_a sqrt(psi) + z_b sqrt(psi - d^2)) / d)^2.
    """
    _inside(alpha=alpha, power=power)
    if not abs(difference) <= discordance <= 1:
        raise ValueError(f"discordance must be in [|difference|, 1]. Got {discordance!r} for {difference!r}")
    if difference == 0:
        raise NotEstimable("equal rates show no difference with any number of pairs")
    z_a = _z_alpha(alpha, two_sided=two_sided)
    reach = z_a * math.sqrt(discordance) + ndtri(power) * math.sqrt(discordance - difference**2)
    return _whole((reach / difference) ** 2)


def n_miller(
    difference: float,
    variance: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    within_a: float = 0.0,
    samples_a: int = 1,
    within_b: float = 0.0,
    samples_b: int = 1,
) -> int:
    """Prompts for a paired comparison of two versions, each sampled several times per prompt; alpha two-sided.

    variance: of the per-prompt mean difference between prompts (omega^2); within_a, within_b: mean variance of repeated
    samples of one prompt; samples_a, samples_b: samples per prompt. Source: Miller (2024), arXiv 2411.00640, eq. 9.
    """
    _inside(alpha=alpha, power=power)
    if difference == 0:
        raise NotEstimable("a difference of 0 is not found with any number of prompts")
    if min(variance, within_a, within_b) < 0 or min(samples_a, samples_b) < 1:
        raise ValueError("variances must be 0 or more, and samples 1 or more")
    spread = variance + within_a / samples_a + within_b / samples_b
    return _whole(((ndtri(1 - alpha / 2) + ndtri(power)) / difference) ** 2 * spread)


def n_for_ratio_groups(p: float, limit: float, groups: int, *, alpha: float = 0.05, power: float = 0.9) -> int:
    """Cases per group, so that `groups` truly equal groups pass "every ratio of two rates above `limit`" with `power`.

    p: the common rate in (0, 1); limit: in (0, 1), .8 for four fifths; alpha: one-sided error of each ordered pair's
    MOVER-R bound, uncorrected. n = (1 - p) / p (q(groups, inf; power) + z(1 - alpha) sqrt 2)^2 / log(limit)^2, the rule
    of `n_for_equal_groups` on log rates. Simulated at p .1, .3, .5, K 2, 4, 10, 40 and power .90: .884 to .898 realised
    (docs/statistics-ratio-gates.md).
    """
    _inside(p=p, limit=limit, alpha=alpha, power=power)
    reach = max(0.0, studentized_range(groups, power) + ndtri(1 - alpha) * math.sqrt(2))
    return _whole((1 - p) / p * (reach / math.log(limit)) ** 2)


def allocation(
    total: int, deviation: ArrayLike, *, weight: ArrayLike | None = None, floor: ArrayLike = 0
) -> NDArray[np.int64]:
    """Share out `total` cases over slices.

    deviation: standard deviation of one case per slice, shape (slices,): sqrt(p (1 - p) deff) for a rate under a design
    effect. weight: None for equal precision in every slice (n_k proportional to deviation^2); shares of the population
    for the best pooled estimate (Neyman: n_k proportional to weight x deviation). floor: least cases per slice, a
    number or shape (slices,), such as `smallest_group_that_can_pass`; slices below theirs are raised and the rest
    shared anew. Returns whole numbers that sum to total. Raises NotEstimable when the floors alone exceed total.
    Source: Neyman (1934), JRSS 97, 558-625; Cochran (1977), Sampling Techniques, section 5.5.
    """
    spread = np.asarray(deviation, dtype=float)
    if spread.ndim != 1 or spread.size == 0 or not np.all(np.isfinite(spread) & (spread >= 0)):
        raise ValueError("deviation must be a vector of finite values, 0 or more")
    need = spread**2 if weight is None else spread * np.asarray(weight, dtype=float)
    least = np.broadcast_to(np.asarray(floor, dtype=float), spread.shape)
    if need.shape != spread.shape or not np.all(np.isfinite(need) & (need >= 0)) or np.any(least < 0):
        raise ValueError("weight and floor must be 0 or more, one per slice")
    least = np.ceil(least)
    if total < 0 or least.sum() > total:
        raise NotEstimable(f"the floors alone need {least.sum():g} cases; there are {total}")
    share = _above_floor(float(total), need, least)
    whole = np.floor(share + 1e-9).astype(np.int64)
    # Largest remainders get what rounding left over; a stable sort breaks ties by position.
    left_over = total - int(whole.sum())
    whole[np.argsort(-(share - whole), kind="stable")[:left_over]] += 1
    return whole


def _above_floor(total: float, need: Array, least: Array) -> Array:
    held = np.zeros(need.shape, dtype=bool)  # slices fixed at their floor
    while True:
        rest = total - least[held].sum()
        free = ~held
        if not free.any():
            return np.asarray(least + rest / need.size)
        pool = need[free].sum()
        share = least.copy()
        share[free] = rest * need[free] / pool if pool > 0 else rest / free.sum()
        short = free & (share < least)
        if not short.any():
            return share
        held |= short
