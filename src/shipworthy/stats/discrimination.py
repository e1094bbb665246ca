"""How well a score ranks positives above negatives: AUROC and average precision, with their uncertainty.

Most functions take two histograms, `positives` and `negatives`: counts per distinct score, in ascending order of score.
They cost one pass over the bins, so a million distinct scores are no trouble, and they never see a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammainccinv, gammaincinv, logit, ndtr, ndtri, stdtr

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Array, Interval, critical
from shipworthy.stats.proportion import clopper_pearson, tail

FEWEST_OF_A_LABEL = 20  # positives or negatives, or clusters that hold one, below which no claim can be judged
FEWEST_MISPLACED = 5  # cases of the rarer label below which a variance rests on next to nothing
MINIMUM_CLUSTERS = 10  # below this a clustered variance is itself too uncertain to build an interval on
MOSTLY_TIED = 0.5  # share of a label's cases at one score from which the others are counted as rare events
SYMMETRIC = 1e-3  # skewness below which a normal quantile stands for that of a shifted gamma


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedAUC:
    """Two scores on the same cases, compared by AUROC."""

    auc_a: float
    auc_b: float
    difference: float  # auc_a - auc_b
    standard_error: float  # of the difference
    interval: Interval  # of the difference, clipped to [-1, 1]
    z: float  # difference / standard_error; Student's t with units - 1 degrees of freedom under clusters
    p_value: float  # two-sided
    units: int  # independent units: cases, or clusters when they were given


def _histograms(positives: ArrayLike, negatives: ArrayLike) -> tuple[Array, Array]:
    positive, negative = np.asarray(positives, dtype=float), np.asarray(negatives, dtype=float)
    if positive.ndim != 1 or positive.shape != negative.shape:
        raise ValueError(
            "positives and negatives must be two vectors of one length. "
            f"Got shapes {positive.shape} and {negative.shape}"
        )
    for name, counts in (("positives", positive), ("negatives", negative)):
        if not np.all(np.isfinite(counts)) or np.any(counts < 0):
            raise ValueError(f"{name} must be finite counts, 0 or more. Got {counts[~(counts >= 0)][:3]}")
    return positive, negative


def structural_components(positives: ArrayLike, negatives: ArrayLike) -> tuple[Array, Array]:
    """DeLong's structural components, per bin.

    positives, negatives: counts per distinct score, ascending, shape (bins,).
    Returns (V10, V01), each of shape (bins,): V10[b] is the share of negatives that a positive in bin b outranks,
    V01[b] the share of positives that outrank a negative in bin b, ties counting one half. Their count-weighted means
    are both the AUROC; sums over clusters and products over two scores give the clustered and the paired variance.
    Raises NotEstimable without a positive or without a negative.
    Source: DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44, 837-845; ranks as in Sun & Xu (2014), IEEE SPL 21,
    1389-1393.
    """
    positive, negative = _histograms(positives, negatives)
    m, n = positive.sum(), negative.sum()
    if m == 0 or n == 0:
        raise NotEstimable(f"AUROC needs at least one positive and one negative case; there are {m:g} and {n:g}")
    v10 = (np.cumsum(negative) - negative / 2) / n
    v01 = (m - np.cumsum(positive) + positive / 2) / m
    return v10, v01


def auc(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting one half.

    positives, negatives: counts per distinct score, ascending, shape (bins,). Returns a float in [0, 1].
    Raises NotEstimable without a positive or without a negative. Source: Bamber (1975), J. Math. Psychol. 12, 387-415.
    """
    positive, negative = _histograms(positives, negatives)
    v10, _ = structural_components(positive, negative)
    return float(positive @ v10 / positive.sum())


def delong_variance(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Variance of the AUROC over independent cases, in O(bins).

    positives, negatives: counts per distinct score, ascending, shape (bins,). Returns Var(V10)/m + Var(V01)/n >= 0,
    which is 0 at perfect separation: an interval there must come from `logit_delong`.
    Raises NotEstimable with fewer than two positives or two negatives. Source: DeLong et al. (1988), eq. 5.
    """
    positive, negative = _histograms(positives, negatives)
    m, n = positive.sum(), negative.sum()
    if m < 2 or n < 2:
        raise NotEstimable(f"the variance of an AUROC needs two positives and two negatives; there are {m:g} and {n:g}")
    v10, v01 = structural_components(positive, negative)
    area = positive @ v10 / m
    return float(positive @ (v10 - area) ** 2 / (m - 1) / m + negative @ (v01 - area) ** 2 / (n - 1) / n)


def logit_delong(auc: float, variance: float, *, positives: int, negatives: int, level: float = 0.95) -> Interval:
    """Confidence interval of an AUROC, symmetric on the log-odds scale.

    auc, variance: the estimate in [0, 1] and its variance (`delong_variance` or `clustered_auc_variance`).
    positives, negatives: independent positives and negatives (clusters holding one, where the variance is clustered).
    At an AUROC of 1 (0) the variance is 0 and says nothing. min(positives, negatives) disjoint pairs are independent,
    and none of them is discordant, so the limit is the Clopper-Pearson bound for none of that many: A >= (alpha / 2) **
    (1 / min). Taking all positives x negatives pairs for independent would promise far too much.
    Raises NotEstimable when the variance is 0 strictly between 0 and 1 (all scores tied).
    Source: Pepe (2003), section 5.2.4, on DeLong's variance.
    """
    half = critical(level)
    if not 0 <= auc <= 1 or not (math.isfinite(variance) and variance >= 0):
        raise ValueError(f"auc must be in [0, 1] and variance 0 or more. Got {auc!r} and {variance!r}")
    if positives < 1 or negatives < 1:
        raise ValueError(f"positives and negatives must be 1 or more. Got {positives!r} and {negatives!r}")
    if auc in {0.0, 1.0}:
        bound = float(((1 - level) / 2) ** (1 / min(positives, negatives)))
        return Interval(bound, 1.0) if auc == 1 else Interval(0.0, 1 - bound)
    if variance == 0:
        raise NotEstimable("the AUROC has no sampling variance on these data: every score is tied")
    reach = half * math.sqrt(variance) / (auc * (1 - auc))
    return Interval(float(expit(logit(auc) - reach)), float(expit(logit(auc) + reach)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Placements:
    """The structural components of one label's cases: how they lie, and how one could lie that nobody has seen."""

    cases: float  # independent ones; fewer where they come in clusters
    mean: float
    variance: float  # central, over cases
    third: float  # third central moment
    mode: float  # where most cases lie
    share: float  # of the cases that lie there
    ends: tuple[float, float]  # the least and the greatest that one more case could have

    @classmethod
    def of(
        cls, values: Array, counts: Array, *, worth: float = 1.0, ends: tuple[float, float] = (0.0, 1.0)
    ) -> Placements:
        """Of values with their counts, shape (bins,); worth: of one case, in independent ones."""
        total = float(counts.sum())
        mean = float(counts @ values / total)
        most = int(np.argmax(counts))
        return cls(
            cases=total * worth,
            mean=mean,
            variance=float(counts @ (values - mean) ** 2 / total),
            third=float(counts @ (values - mean) ** 3 / total),
            mode=float(values[most]),
            share=float(counts[most] / total),
            ends=ends,
        )


Sides: TypeAlias = tuple[Placements, Placements]  # of the positives and of the negatives


def placements(positives: ArrayLike, negatives: ArrayLike, *, worth: tuple[float, float] = (1.0, 1.0)) -> Sides:
    """Those of the positives and of the negatives; worth: of a positive, and of a negative, in independent cases.

    positives, negatives: counts per distinct score, ascending, shape (bins,). Errors as `structural_components`.
    """
    sides = zip(structural_components(positives, negatives), _histograms(positives, negatives), worth, strict=True)
    first, second = (Placements.of(values, counts, worth=each) for values, counts, each in sides)
    return first, second


def clustered_worth(label: Array, units: NDArray[np.int64], *scores: Array, deff: float) -> tuple[float, float]:
    """What a positive, and a negative, is worth in independent cases; for `placements` of rows in clusters.

    deff: design effect, 1 or more. While fewer than MINIMUM_CLUSTERS hold a case apart from the most frequent score,
    nothing shows how alike those of a cluster are: they count as all alike, a cluster as one case.
    """
    apart = np.zeros(len(label), dtype=bool)
    for score in scores:
        _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
        apart |= place != np.argmax(counts)
    if len(np.unique(units[apart])) >= MINIMUM_CLUSTERS:
        return 1 / deff, 1 / deff
    sides = [label == outcome for outcome in (1, 0)]
    positive, negative = (min(1 / deff, len(np.unique(units[side])) / int(side.sum())) for side in sides)
    return positive, negative


def paired_placements(
    label: ArrayLike, new: ArrayLike, old: ArrayLike, *, worth: tuple[float, float] = (1.0, 1.0)
) -> tuple[Sides, Sides, Sides]:
    """`placements` of two scores on the same cases, and of new - old; label, new, old: shape (rows,).

    The end of a change is that of either score alone, while the other stays where most cases are.
    """
    outcome, columns = _labels(label, new, old)
    sides, rows = [], []
    for column in columns:
        distinct, place = np.unique(column, return_inverse=True)
        counts = [np.bincount(place[side], minlength=distinct.size) for side in (outcome, ~outcome)]
        v10, v01 = structural_components(*counts)
        sides.append(placements(*counts, worth=worth))
        rows.append(np.where(outcome, v10[place], v01[place]))
    apart = np.round(rows[0] - rows[1], 12)
    change = []
    for mine, a, b, each in zip((outcome, ~outcome), *sides, worth, strict=True):
        values, times = np.unique(apart[mine], return_counts=True)
        ends = (min(-b.mode, a.mode - 1), max(1 - b.mode, a.mode))
        change.append(Placements.of(values, times.astype(float), worth=each, ends=ends))
    return sides[0], sides[1], (change[0], change[1])


def tied_limits(sides: Sides, *, level: float) -> Interval | None:
    """Limits of an AUROC, or of a change of one, from counts of the few cases that are not tied with the mass; None
    where neither label has MOSTLY_TIED of its cases at one score.

    Each end is a quantile of the mean of the placements, weighed as the Bayesian bootstrap weighs them, after one case
    more: one that nobody has seen, at that end of the scale, of the label that can move the mean most, counted as much
    as the share of its label that is tied. On two scores and one label this is Clopper and Pearson's limit, and on a
    sum of two rates Fay and Feuer's. The quantile is that of a shifted gamma with the same three moments.
    Source: Fay and Feuer (1997), Stat. Med. 16, 791-801, for the case more; Rubin (1981), Ann. Statist. 9, 130-134, for
    the weights, whose moments are those of a Dirichlet distribution.
    """
    if max(side.share for side in sides) < MOSTLY_TIED:
        return None
    error, limits = tail(level), []
    for end in (0, 1):
        steps = [side.share * abs(side.ends[end] - side.mode) / side.cases for side in sides]
        moved = steps.index(max(steps))
        mean = sides[0].mean
        variance = third = 0.0
        for index, side in enumerate(sides):
            more = side.share if index == moved else 0.0
            total = side.cases + more
            kept, added = side.cases / total, more / total
            shift = added * (side.ends[end] - side.mean)
            beyond = side.ends[end] - side.mean - shift
            square = kept * (side.variance + shift**2) + added * beyond**2
            cube = kept * (side.third - 3 * shift * side.variance - shift**3) + added * beyond**3
            mean += shift
            variance += square / (total + 1)
            third += 2 * cube / ((total + 1) * (total + 2))
        limits.append(_quantile(mean, variance, third, error, upper=bool(end)))
    return Interval(*limits)


def _quantile(mean: float, variance: float, third: float, error: float, *, upper: bool) -> float:
    """Of a shifted gamma distribution (Pearson's type III) by its mean and central moments, at a tail of `error`."""
    if variance <= 0:
        return mean
    sd, sign = math.sqrt(variance), 1 if upper else -1
    skewness = sign * third / sd**3  # towards the tail that is asked for
    if abs(skewness) < SYMMETRIC:
        return mean - sign * sd * float(ndtri(error))
    shape = 4 / skewness**2
    reach = float(gammainccinv(shape, error) if skewness > 0 else gammaincinv(shape, error))
    return mean + sign * sd * math.copysign(1, skewness) * (reach - shape) / math.sqrt(shape)


def _either(limits: Interval, other: Interval | None, lowest: float, highest: float) -> Interval:
    """The wider of both at either end, within the range."""
    if other is None:
        return limits
    return Interval(max(lowest, min(limits.low, other.low)), min(highest, max(limits.high, other.high)))


def widened_by_ties(limits: Interval, sides: Sides, *, level: float) -> Interval:
    """Limits of a change of an AUROC, no narrower than its `tied_limits`."""
    return _either(limits, tied_limits(sides, level=level), -1.0, 1.0)


def auc_interval(
    auc: float, variance: float, sides: Sides, *, positives: int, negatives: int, level: float = 0.95
) -> Interval:
    """The interval of an AUROC that is shown: `logit_delong`, and no narrower than the `tied_limits` where most cases
    share a score.

    sides: its `placements`; the rest as for `logit_delong`. Simulated over two to five scores, rare ones too, and
    masses of ties among continuous ones, at 20/20 to 200/2,000 positives and negatives: covers .94 or more at level
    .95, where the logit limits alone cover .22 to .96.
    """
    tied = tied_limits(sides, level=level)
    if variance == 0 and 0 < auc < 1 and tied is not None:
        return _either(tied, tied, 0.0, 1.0)
    return _either(logit_delong(auc, variance, positives=positives, negatives=negatives, level=level), tied, 0.0, 1.0)


def sure_auc(
    auc: float,
    variance: float,
    sides: Sides,
    *,
    positives: int,
    negatives: int,
    df: float,
    level: float,
) -> Interval:
    """Limits of an AUROC that err no more often than stated: as a share of as many cases as its variance is worth.

    auc, variance, positives, negatives: as for `logit_delong`; sides: its `placements`; df: of the variance, at most
    that of the rarer label is used. While fewer than FEWEST_MISPLACED cases of the rarer label are misplaced, they do
    not show how far: it is then worth no more than the disjoint pairs. Where most cases share a score, no narrower than
    the `tied_limits`. Infinite below FEWEST_OF_A_LABEL of either label.
    Simulated at one-sided 5 %: with normal scores at areas of .6 to .99, 20 to 300 positives and up to 100 times as
    many negatives false by chance in at most .060 of samples, where the logit limits reach .16; over two to five
    scores, rare ones too, and masses of ties among continuous scores, 20/20 to 200/2,000, in at most .06.
    Source: Korn & Graubard (1998), Surv. Methodol. 24, 193-201, for effective counts and Student's t.
    """
    fewest = min(positives, negatives)
    if fewest < FEWEST_OF_A_LABEL:
        return Interval(-np.inf, np.inf)
    tied = tied_limits(sides, level=level)
    if variance == 0 and 0 < auc < 1 and tied is not None:
        return _either(tied, tied, 0.0, 1.0)
    surer = float(critical(level) / critical(level, min(df, fewest - 1))) ** 2
    worth = auc * (1 - auc) / variance if variance > 0 else float(fewest)
    if fewest * min(auc, 1 - auc) < FEWEST_MISPLACED:
        worth = min(worth, fewest)
    return _either(clopper_pearson(auc * worth * surer, worth * surer, level=level), tied, 0.0, 1.0)


def hanley_mcneil_se(auc: float, *, positives: int, negatives: int) -> float:
    """Standard error of an AUROC from its value and the two counts alone, under exponential scores: for planning and
    for papers.

    auc: in [0, 1]; positives, negatives: counts, 1 or more. Source: Hanley & McNeil (1982), Radiology 143, 29-36, eq.
    1-2.
    """
    if not 0 <= auc <= 1:
        raise ValueError(f"auc must be in [0, 1]. Got {auc!r}")
    if positives < 1 or negatives < 1:
        raise ValueError(f"positives and negatives must be 1 or more. Got {positives!r} and {negatives!r}")
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return math.sqrt(max(0.0, spread) / (positives * negatives))


@dataclass(frozen=True, slots=True)
class _Components:
    """Structural components per row, ready for sums over clusters."""

    area: float
    positive: Array  # V10 - area on positive rows, 0 elsewhere
    negative: Array  # V01 - area on negative rows, 0 elsewhere


def _labels(label: ArrayLike, *scores: ArrayLike) -> tuple[NDArray[np.bool_], list[Array]]:
    outcome = np.asarray(label)
    columns = [np.asarray(score, dtype=float) for score in scores]
    if outcome.ndim != 1 or any(column.shape != outcome.shape for column in columns):
        raise ValueError("label and scores must be vectors of one length")
    if not np.all((outcome == 0) | (outcome == 1)):
        raise ValueError("label must hold 0 and 1, or False and True, only")
    if not all(np.all(np.isfinite(column)) for column in columns):
        raise ValueError("scores must be finite")
    return outcome.astype(bool), columns


def _row_components(outcome: NDArray[np.bool_], score: Array) -> _Components:
    distinct, place = np.unique(score, return_inverse=True)
    positives = np.bincount(place[outcome], minlength=distinct.size)
    negatives = np.bincount(place[~outcome], minlength=distinct.size)
    v10, v01 = structural_components(positives, negatives)
    area = float(positives @ v10 / positives.sum())
    return _Components(
        area=area,
        positive=np.where(outcome, v10[place] - area, 0.0),
        negative=np.where(outcome, 0.0, v01[place] - area),
    )


def _clustered_variance(
    outcome: NDArray[np.bool_], positive: Array, negative: Array, clusters: ArrayLike
) -> tuple[float, int]:
    """Obuchowski's variance of centred components; equals DeLong's when every case is its own cluster, and is never
    negative.
    """
    labels = np.asarray(clusters)
    if labels.shape != outcome.shape:
        raise ValueError(f"clusters must have one label per row. Got shape {labels.shape} for {outcome.shape}")
    distinct, place = np.unique(labels, return_inverse=True)
    units = distinct.size
    if units < MINIMUM_CLUSTERS:
        raise NotEstimable(f"a clustered variance needs {MINIMUM_CLUSTERS} clusters or more; there are {units}")
    m, n = int(outcome.sum()), int((~outcome).sum())
    with_positive, with_negative = np.unique(place[outcome]).size, np.unique(place[~outcome]).size
    if with_positive < 2 or with_negative < 2:
        raise NotEstimable(
            "a clustered variance of an AUROC needs two clusters with positives and two with negatives; "
            f"there are {with_positive} and {with_negative}"
        )
    sums10 = np.bincount(place, weights=positive) / m
    sums01 = np.bincount(place, weights=negative) / n
    variance = (
        with_positive / (with_positive - 1) * (sums10 @ sums10)
        + with_negative / (with_negative - 1) * (sums01 @ sums01)
        + 2 * units / (units - 1) * (sums10 @ sums01)
    )
    return max(0.0, float(variance)), units


def clustered_auc_variance(label: ArrayLike, score: ArrayLike, clusters: ArrayLike) -> float:
    """Variance of the AUROC when cases come in clusters (one patient, prompt or user with many cases).

    label: 0/1 per row; score: finite, higher means more positive; clusters: one label per row; all of shape (rows,).
    Reduces to `delong_variance` when every row is its own cluster. Raises NotEstimable below 10 clusters, or with fewer
    than two clusters holding a positive (a negative). Source: Obuchowski (1997), Biometrics 53, 567-578, eq. 3-6.
    """
    outcome, (column,) = _labels(label, score)
    components = _row_components(outcome, column)
    return _clustered_variance(outcome, components.positive, components.negative, clusters)[0]


def paired_delong(
    label: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, *, clusters: ArrayLike | None = None, level: float = 0.95
) -> PairedAUC:
    """Difference of the AUROCs of two scores on the same cases.

    label: 0/1 per row; score_a, score_b: finite scores per row; clusters: one label per row, or None for independent
    rows. Normal limits for independent rows, Student's t with (clusters - 1) degrees of freedom under clusters.
    Raises NotEstimable with fewer than two positives or negatives (10 clusters), or when both scores rank every case
    alike, which leaves no variance to judge the difference by. Source: DeLong et al. (1988), eq. 6-8; Obuchowski (1997)
    for clusters.
    """
    outcome, (column_a, column_b) = _labels(label, score_a, score_b)
    a, b = _row_components(outcome, column_a), _row_components(outcome, column_b)
    positive, negative = a.positive - b.positive, a.negative - b.negative
    if clusters is None:
        m, n = int(outcome.sum()), int((~outcome).sum())
        if m < 2 or n < 2:
            raise NotEstimable(f"comparing AUROCs needs two positives and two negatives; there are {m} and {n}")
        variance, units = float(positive @ positive / (m - 1) / m + negative @ negative / (n - 1) / n), outcome.size
        multiple = float(critical(level))
    else:
        variance, units = _clustered_variance(outcome, positive, negative, clusters)
        multiple = float(critical(level, units - 1))
    if variance <= 1e-24:  # rounding of identical components
        raise NotEstimable("the two scores rank the cases alike: their AUROC difference has no sampling variance here")
    difference, error = a.area - b.area, math.sqrt(variance)
    z = difference / error
    return PairedAUC(
        auc_a=a.area,
        auc_b=b.area,
        difference=difference,
        standard_error=error,
        interval=Interval(max(-1.0, difference - multiple * error), min(1.0, difference + multiple * error)),
        z=z,
        p_value=float(2 * (ndtr(-abs(z)) if clusters is None else stdtr(units - 1, -abs(z)))),
        units=units,
    )


def average_precision(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Average precision: the mean, over positives, of the precision at their score; the step-wise area under
    precision-recall.

    positives, negatives: counts per distinct score, ascending, shape (bins,). Its chance level is the prevalence, so
    two values compare only at one prevalence. Raises NotEstimable without a positive.
    Source: the definition of scikit-learn's `average_precision_score`; Boyd, Eng, Page (2013), ECML PKDD, eq. 3.
    """
    positive, negative = _histograms(positives, negatives)
    if not positive.any():
        raise NotEstimable("average precision needs at least one positive case")
    held = positive > 0
    hits = np.cumsum(positive[::-1])[::-1][held]
    flagged = np.cumsum((positive + negative)[::-1])[::-1][held]
    return float(positive[held] @ (hits / flagged) / positive.sum())


def average_precision_interval(average_precision: float, *, positives: int, level: float = 0.95) -> Interval:
    """Confidence interval of an average precision, symmetric on the log-odds scale, with standard error 1/sqrt(m A (1 -
    A)).

    average_precision: the estimate in (0, 1]; positives: independent positive cases m, 1 or more. Treats A as a
    proportion of m cases; at A = 1 the exact binomial bound (alpha / 2) ** (1 / m) stands in, as the log-odds do not
    exist there. Raises NotEstimable at 0, which no data with a positive can give.
    Source: Boyd, Eng, Page (2013), ECML PKDD, LNCS 8190, 451-466, section 4.
    """
    half = critical(level)
    if not 0 <= average_precision <= 1 or positives < 1:
        raise ValueError(
            f"average_precision must be in [0, 1] and positives 1 or more. Got {average_precision!r}, {positives!r}"
        )
    if average_precision == 0:
        raise NotEstimable("an average precision of 0 has no interval")
    if average_precision == 1:
        return Interval(float(((1 - level) / 2) ** (1 / positives)), 1.0)
    reach = half / math.sqrt(positives * average_precision * (1 - average_precision))
    centre = logit(average_precision)
    return Interval(float(expit(centre - reach)), float(expit(centre + reach)))


def average_precision_influence(positives: ArrayLike, negatives: ArrayLike) -> tuple[Array, Array]:
    """By how much a positive, and a negative, in each bin moves the average precision.

    positives, negatives: counts per distinct score, ascending, shape (bins,). Returns two arrays of that shape whose
    count-weighted sum is 0; the sum of squares over independent units (of what their cases add up to) is its variance.
    Raises NotEstimable without a positive. Source: linearisation, Hampel (1974), JASA 69, 383-393.
    """
    positive, negative = _histograms(positives, negatives)
    area = average_precision(positive, negative)
    above, wrong = np.cumsum(positive[::-1])[::-1], np.cumsum(negative[::-1])[::-1]
    flagged = np.maximum(above + wrong, 1)
    lifts, drops = (np.cumsum(positive * side / flagged**2) for side in (wrong, above))
    return (above / flagged - area + lifts) / positive.sum(), -drops / positive.sum()


def sure_average_precision(average_precision: float, variance: float, *, positives: int, level: float) -> Interval:
    """Limits of an average precision that err no more often than stated: as a share of as many cases as its variance is
    worth, and of no more than there are positives.

    variance: from `average_precision_influence`; positives: independent positives (clusters that hold one). Infinite
    below FEWEST_OF_A_LABEL. Simulated with normal scores at prevalences of .005 to .3 and 20 to 200 positives: false by
    chance in at most .057 of samples (one-sided 5 %), where the logit limits reach .16.
    Source: Boyd, Eng, Page (2013), ECML PKDD, section 4, for the worth; Korn & Graubard (1998), Surv. Methodol. 24,
    193-201, for effective counts and Student's t.
    """
    if positives < FEWEST_OF_A_LABEL:
        return Interval(-np.inf, np.inf)
    worth = float(positives)
    if variance > 0:
        worth = min(worth, average_precision * (1 - average_precision) / variance)
    worth *= float(critical(level) / critical(level, positives - 1)) ** 2
    return clopper_pearson(average_precision * worth, worth, level=level)
