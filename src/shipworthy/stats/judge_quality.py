"""How good a judge is against people's labels, whether it is equally good everywhere, and whether it can carry a claim.

Two strata: cases the judge passed and cases it failed, in this order, as `judged`, `labelled` and `positives` of
`judged.strat_mover`; a third stratum, if any, holds cases without a verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from shipworthy.errors import NotEstimable
from shipworthy.stats.agreement import Agreement, gwet_ac
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.disparity import chi2_omnibus
from shipworthy.stats.interval import Array, Interval, Number
from shipworthy.stats.judged import strat_mover
from shipworthy.stats.multiplicity import holm
from shipworthy.stats.proportion import clopper_pearson, wilson
from shipworthy.stats.ratio import mover_ratio

EXPECTED = 5.0  # cells below this expected count make chi-squared's tail unreliable
LEAST_GAIN = 0.2  # a lower limit of sensitivity + specificity - 1 below this: little better than a coin


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """An estimate with its limits; both None where nobody has a label that tells."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeReport:
    """A judge's report card. A case without a verdict counts against it, on either side."""

    labels: int
    sensitivity: Rate  # passed by the judge, among cases people call positive
    specificity: Rate  # failed by the judge, among cases people call negative
    agreement: Agreement | None  # AC1 of judge and people on labelled cases; None below 2 of them
    no_verdict: float  # share of judged cases without a verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupTest:
    """Whether a judge errs alike in every group, by sensitivity and by specificity; Holm over the two."""

    measure: Literal["sensitivity", "specificity"]
    test: Literal["fisher", "chi2", "none"]  # none: fewer than two groups have labels of this outcome
    p_value: float  # 1 where nothing was tested
    adjusted: float  # Holm over both measures
    rates: tuple[Rate, ...]  # per group


@dataclass(frozen=True, kw_only=True, slots=True)
class Strength:
    """What a judge adds to its labels. `reason` is fit to be shown."""

    carries: bool  # its verdicts make the interval narrower than labels alone, and it is better than a coin
    grade: Literal["useful", "no gain", "weak", "inverted", "unknown"]
    gain: Rate  # sensitivity + specificity - 1: 1 perfect, 0 a coin, below 0 inverted
    width: float  # of the corrected interval
    width_without: float  # of Wilson's, from as many labels drawn without a judge
    reason: str


def judge_report(
    judged: ArrayLike, labelled: ArrayLike, positives: ArrayLike, *, level: float = 0.95, proportional: bool = False
) -> JudgeReport:
    """Sensitivity, specificity, AC1 and missing verdicts of a judge, over all judged cases.

    Counts per stratum (pass, fail[, no verdict]), as in `strat_mover`. proportional: True where labels were drawn
    without regard to the verdict: then sensitivity and specificity are plain proportions with Wilson limits. Otherwise
    they are weighed back to the judged cases, with MOVER-R limits on the odds of a hit.
    Source: Wilson (1927); odds of weighted rates by Donner and Zou (2012), Stat. Methods Med. Res. 21, 347-359.
    """
    cases, n, k = _strata(judged, labelled, positives)
    misses = n - k
    if proportional:
        sensitivity = _proportion(k[0], k.sum(), level)
        specificity = _proportion(misses[1], misses.sum(), level)
    else:
        sensitivity = _weighted(0, cases, n, k, level)
        specificity = _weighted(1, cases, n, misses, level)
    return JudgeReport(
        labels=int(n.sum()),
        sensitivity=sensitivity,
        specificity=specificity,
        agreement=_agreement(cases, n, k, level, proportional=proportional),
        no_verdict=float(cases[2:].sum() / cases.sum()),
    )


def sensitivity_by_group(
    labelled: ArrayLike, positives: ArrayLike, *, level: float = 0.95
) -> tuple[GroupTest, GroupTest]:
    """Test whether sensitivity, and specificity, differ by group (arm, version, slice).

    labelled, positives: counts per group and stratum (pass, fail[, no verdict]), shape (groups, strata); labels drawn
    without regard to the verdict, or in equal proportions everywhere. Two groups: Fisher's exact test. More:
    chi-squared; or, where an expected count is below 5, Fisher's test of each group against the rest, Holm over groups.
    Groups without the outcome are left out. Returns the two tests, sensitivity first.
    Source: Fisher (1922), JRSS 85, 87-94; Pearson (1900); Holm (1979).
    """
    n, k = (np.asarray(part, dtype=float) for part in np.broadcast_arrays(labelled, positives))
    if (
        n.ndim != 2
        or n.shape[1] not in (2, 3)
        or not np.all((k >= 0) & (k <= n) & np.isfinite(n))
        or np.any(n % 1 + k % 1)
    ):
        raise ValueError("labelled and positives must be counts per group and verdict, shape (groups, 2 or 3)")
    negatives = n - k
    found = [_test(k[:, 0], k.sum(axis=1)), _test(negatives[:, 1], negatives.sum(axis=1))]
    adjusted = holm([p for _, p in found])
    right = ((k[:, 0], k.sum(axis=1)), (negatives[:, 1], negatives.sum(axis=1)))
    names: tuple[Literal["sensitivity", "specificity"], ...] = ("sensitivity", "specificity")
    first, second = (
        GroupTest(
            measure=name,
            test=test,
            p_value=p,
            adjusted=float(holmed),
            rates=tuple(_proportion(x, m, level) for x, m in zip(*counted, strict=True)),
        )
        for name, (test, p), holmed, counted in zip(names, found, adjusted, right, strict=True)
    )
    return first, second


def judge_strength(judged: ArrayLike, labelled: ArrayLike, positives: ArrayLike, *, level: float = 0.95) -> Strength:
    """Whether a judge is strong enough to carry a claim, and a sentence that says why or why not.

    Counts per stratum (pass, fail[, no verdict]) of one slice. A judge carries a claim when its verdicts narrow the
    interval below what as many labels alone would give, and the lower limit of sensitivity + specificity - 1 is at
    least .2. The corrected interval stays valid with a judge that does not: it then rests on the labels.
    """
    cases, n, k = _strata(judged, labelled, positives)
    corrected = strat_mover(cases, n, k, working=np.array([1.0, 0.0, np.nan])[: len(cases)], level=level)
    width = float(corrected.interval.high) - float(corrected.interval.low)
    report = judge_report(cases, n, k, level=level)
    total = float(n.sum())
    rate = float(corrected.estimate)
    without = 1.0
    if total > 0 and np.isfinite(rate):
        low, high = wilson(rate * total, total, level=level)
        without = float(high) - float(low)
    sensitivity, specificity = report.sensitivity, report.specificity
    if sensitivity.value is None or specificity.value is None:
        gain = Rate(value=None, interval=None)
        missing = "positive" if sensitivity.value is None else "negative"
        return Strength(
            carries=width < without,
            grade="unknown",
            gain=gain,
            width=width,
            width_without=without,
            reason=f"no labelled case is {missing}, so nobody can say how well the judge recognises one",
        )
    limits = mover_difference(
        sensitivity.value, sensitivity.interval or (0, 1), 1 - specificity.value, _mirrored(specificity)
    )
    low, high = float(limits.low), float(limits.high)
    value = sensitivity.value + specificity.value - 1
    said = f"sensitivity {sensitivity.value:.2f} and specificity {specificity.value:.2f}"
    grade: Literal["useful", "no gain", "weak", "inverted", "unknown"]
    if high < 0:
        grade, reason = "inverted", f"the judge tends to say the opposite of people ({said}): look at its labels first"
    elif low < LEAST_GAIN:
        grade, reason = "weak", f"on {total:g} labels the judge may be little better than a coin ({said})"
    elif width >= without:
        grade, reason = "no gain", f"with {said} its verdicts tell no more than {total:g} labels alone"
    else:
        grade = "useful"
        reason = f"with {said} its verdicts narrow the interval by {1 - width / without:.0%}"
    return Strength(
        carries=grade == "useful",
        grade=grade,
        gain=Rate(value=value, interval=Interval(low, high)),
        width=width,
        width_without=without,
        reason=reason,
    )


def _strata(judged: ArrayLike, labelled: ArrayLike, positives: ArrayLike) -> tuple[Array, Array, Array]:
    cases, n, k = (np.array(part, dtype=float) for part in np.broadcast_arrays(judged, labelled, positives))
    if cases.ndim != 1 or cases.size not in (2, 3):
        raise ValueError("counts must be for pass, fail and, if any, no verdict, shape (2,) or (3,)")
    if not np.all((k >= 0) & (k <= n) & (n <= cases) & np.isfinite(cases)):
        raise ValueError("strata must satisfy 0 <= positives <= labelled <= judged")
    if cases.sum() == 0:
        raise NotEstimable("no judged cases: there is nothing to say about the judge")
    return cases, n, k


def _mirrored(rate: Rate) -> tuple[Number, Number]:
    low, high = rate.interval or (0.0, 1.0)
    return 1 - high, 1 - low


def _proportion(hits: float, of: float, level: float) -> Rate:
    if of == 0:
        return Rate(value=None, interval=None)
    low, high = wilson(hits, of, level=level)
    return Rate(value=float(hits / of), interval=Interval(float(low), float(high)))


def _weighted(right: int, cases: Array, n: Array, outcome: Array, level: float) -> Rate:
    """Share of an outcome's cases that fell in the stratum `right`, weighed back to the judged cases.

    outcome: labelled cases of that outcome per stratum. The share is 1 / (1 + odds), odds of falling elsewhere.
    """
    expected = np.divide(cases * outcome, n, out=np.zeros_like(cases), where=n > 0)
    if expected.sum() == 0 or np.any((n == 0) & (cases > 0)):
        return Rate(value=None, interval=None)
    size = np.array([cases[right], cases.sum() - cases[right]])
    rest = np.arange(cases.size) != right
    sides = [np.array([right]), np.flatnonzero(rest)]
    if 0 in size:  # the judge knows one verdict only
        share = float(size[0] > 0)
        return Rate(value=share, interval=Interval(share, share))
    limits = []
    for side in sides:
        arm = strat_mover(cases[side], n[side], outcome[side], level=level)
        limits.append(tuple(np.asarray(limit) * cases[side].sum() for limit in arm.interval))
    odds = mover_ratio(expected[rest].sum(), limits[1], expected[right], limits[0])
    low, high = 1 / (1 + float(odds.high)), 1 / (1 + float(odds.low))
    return Rate(value=float(expected[right] / expected.sum()), interval=Interval(low, high))


def _agreement(cases: Array, n: Array, k: Array, level: float, *, proportional: bool) -> Agreement | None:
    """AC1 of judge and people over cases with a verdict, weighed back to the judged unless labels are in proportion.

    AC1 = 1 - (1 - pa) / (1 - pe). Limits by MOVER on the exact ones of the rates within verdicts, so that a verdict in
    which no error was seen keeps a width; on Wilson's they cover .90 at 20 labels a verdict and errors of .03. The
    standard error is of the delta method.
    """
    hits, total = k[:2], n[:2]
    if proportional:
        both = np.array([[2.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 2.0]])  # pass+, pass-, fail+, fail-
        times = np.array([hits[0], total[0] - hits[0], hits[1], total[1] - hits[1]])
        if np.any(times % 1 != 0) or times.sum() < 2:
            return None
        return gwet_ac(np.repeat(both, times.astype(int), axis=0), level=level)
    if np.any(total < 2):
        return None
    weight = cases[:2] / cases[:2].sum()
    rate = hits / total

    def ac1(rate: Array) -> float:
        observed = weight[0] * rate[0] + weight[1] * (1 - rate[1])
        positive = (weight[0] + weight @ rate) / 2
        return float(1 - (1 - observed) / (1 - 2 * positive * (1 - positive)))

    value, step = ac1(rate), 1e-6
    slope = np.array([(ac1(rate + side) - ac1(rate - side)) / (2 * step) for side in np.eye(2) * step])
    se = float(np.sqrt((slope**2 * rate * (1 - rate) / (total - 1)).sum()))
    return Agreement(
        value=value,
        se=se,
        interval=_varied(ac1, rate, clopper_pearson(hits, total, level=level)),
        items=int(total.sum()),
    )


def _varied(of: Callable[[Array], float], rates: Array, limits: Interval) -> Interval:
    """Limits in [-1, 1] of a function of independent rates: what each of them moves it between its own limits, squared
    and added.

    Source: Zou, Huang and Zhang (2009), Comput. Stat. Data Anal. 53, 1080-1085, for a sum of such parts.
    """
    value, down, up = of(rates), 0.0, 0.0
    for at in range(len(rates)):
        ends = [of(np.where(np.arange(len(rates)) == at, np.asarray(limit), rates)) for limit in limits]
        down += max(0.0, value - min(ends)) ** 2
        up += max(0.0, max(ends) - value) ** 2
    return Interval(max(value - np.sqrt(down), -1.0), min(value + np.sqrt(up), 1.0))


def _test(hits: Array, of: Array) -> tuple[Literal["fisher", "chi2", "none"], float]:
    told = of > 0
    table = np.stack([hits[told], of[told] - hits[told]])
    if table.shape[1] < 2 or np.any(table.sum(axis=1) == 0):
        return "none", 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    if table.shape[1] > 2 and expected.min() >= EXPECTED:
        return "chi2", float(chi2_omnibus(table[0], table.sum(axis=0)).p_value)
    every = table.sum(axis=1)
    if table.shape[1] == 2:
        return "fisher", _fisher(table[:, 0], every)
    return "fisher", float(np.min(holm([_fisher(column, every) for column in table.T])))


def _fisher(group: Array, every: Array) -> float:
    """Two-sided p-value of Fisher's exact test: a group's (hits, misses) among everyone's.

    Sums the hypergeometric chances of all tables no likelier than the one seen.
    """
    (hits, misses), (all_hits, all_misses) = group, every
    size = hits + misses
    x = np.arange(max(0, size - all_misses), min(size, all_hits) + 1)
    log = -gammaln(x + 1) - gammaln(all_hits - x + 1) - gammaln(size - x + 1) - gammaln(all_misses - size + x + 1)
    chance = np.exp(log - log.max())
    seen = chance[int(hits - x[0])]
    return float(min(1.0, chance[chance <= seen * (1 + 1e-7)].sum() / chance.sum()))
