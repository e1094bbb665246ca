"""Metrics of scores, from their histograms: ranking quality, calibration, and the curves of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shipworthy.errors import NotEstimable
from shipworthy.estimate.arms import FEWEST_CLUSTERS, Arms, Context, slice_of
from shipworthy.estimate.curves import CalibrationCurve, CurvePoint
from shipworthy.estimate.means import MOST_BETS, shuffled, skewed_limits
from shipworthy.metrics.kinds import ScoreStatistic
from shipworthy.observations.tally import FOLDED, Array, Histogram, Histograms, Rows
from shipworthy.stats import calibration as cal
from shipworthy.stats import discrimination as disc
from shipworthy.stats.discrimination import FEWEST_OF_A_LABEL
from shipworthy.stats.interval import Interval, critical
from shipworthy.stats.mean import betting

DRAWS = 400  # of the bootstrap behind a calibration error's interval
_METHODS: Mapping[str, str] = {
    "auc": "logit-delong",
    "auprc": "logit-binomial",
    "ece": "debiased, test inversion or mover by bin",
    "in_the_large": "t",
    "slope": "wald (Cox)",
}
_GATES: Mapping[str, str] = {
    "auc": "korn-graubard on delong",
    "auprc": "korn-graubard on the linearised variance",
    "ece": "debiased, test inversion or mover-clopper-pearson by bin",
    "in_the_large": "betting or skewness-corrected t",
    "slope": f"wald (Cox), {FEWEST_OF_A_LABEL} of each outcome or more",
}


def measure_scores(
    metric: ScoreStatistic,
    histograms: Histograms,
    context: Context,
    *,
    rng: np.random.Generator,
    rows: Rows | None = None,
    score: str = "score",
) -> Arms:
    """Bind a score metric to histograms.

    rows: row arrays (label, score, and cluster or weight), given when rows are clustered or weighted and counts do not
    suffice. Claims are judged on limits that keep their rate where labels are few: `sure_auc`,
    `sure_average_precision`, and for the mean residual those of any bounded mean.
    """
    spoiled = None
    if metric.probability and not (histograms.lowest >= 0 and histograms.highest <= 1):
        spoiled = f"scores from {histograms.lowest:g} to {histograms.highest:g} are not probabilities"
    parted = [_of_slice(rows, histograms, index, score) for index in range(len(histograms.slices))]
    outcomes = [
        _one(metric, histogram, context, rng, spoiled, mine)
        for histogram, mine in zip(histograms.slices, parted, strict=True)
    ]
    straddling = _straddling(parted)
    n = np.array([histogram.cases.sum() for histogram in histograms.slices])

    def limits(level: float, *, judged: bool = False) -> tuple[Array, Array]:
        pairs = [_limits_of(outcome.judged if judged else outcome.shown, level) for outcome in outcomes]
        return np.array([float(pair.low) for pair in pairs]), np.array([float(pair.high) for pair in pairs])

    method = _METHODS.get(metric.statistic, "no interval")
    if histograms.slices and histograms.slices[0].binned and metric.statistic in ("auc", "auprc"):
        method += f", {len(histograms.slices[0].score):,} score bins"
    if rows is not None and metric.statistic == "auc":
        method = method.replace("logit-delong", "logit-delong, clustered (Obuchowski)")
    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(histograms.parts, key, context.conditions) for key in histograms.keys),
        values=np.array([np.nan if outcome.value is None else outcome.value for outcome in outcomes]),
        n=n,
        effective=np.array(
            [np.nan if o.value is None else cases / o.deff for o, cases in zip(outcomes, n, strict=True)]
        ),
        reasons=tuple(outcome.reason for outcome in outcomes),
        method=method,
        limits=limits,
        gate=lambda level: limits(level, judged=True),
        gate_method=_GATES.get(metric.statistic, method),
        gate_reasons=tuple(outcome.few for outcome in outcomes),
        correlation=_correlation(metric, outcomes, parted) if straddling else None,
        straddling=straddling,
        lowest=-np.inf if metric.statistic in ("in_the_large", "slope") else 0.0,
        highest=np.inf if metric.statistic == "slope" else 1.0,
        variant=context.variant,
        limits_reason=_no_interval(metric, clustered=rows is not None),
    )


def _no_interval(metric: ScoreStatistic, *, clustered: bool) -> str:
    if metric.statistic not in _METHODS:
        return "no interval: this plug-in error is biased upward by noise; use ece"
    if clustered and metric.statistic in ("ece", "slope"):
        return "no interval: this one needs independent rows"
    return "no interval: the scores show no spread to judge by"


_RowsOfSlice = tuple[Array, Array, NDArray[np.int64]]  # label, score and unit of each row


def _straddling(parted: Sequence[_RowsOfSlice | None]) -> bool:
    """Whether some unit has rows in several slices."""
    units = [np.unique(mine[2]) for mine in parted if mine is not None]
    return bool(units) and len(np.unique(np.concatenate(units))) < sum(map(len, units))


def _correlation(
    metric: ScoreStatistic, outcomes: Sequence[_Outcome], parted: Sequence[_RowsOfSlice | None]
) -> Array | None:
    """(S, S) of the estimates, from what each unit adds to each of them; None where that is not known.

    Source: Obuchowski (1997), Biometrics 53, 567-578, for an AUC; Cochran (1977), Sampling Techniques, section 6.3, for
    a mean.
    """
    from scipy.sparse import csr_array

    influence = _INFLUENCE.get(metric.statistic)
    if influence is None:
        return None
    share, slices, units = [], [], []
    for index, (outcome, mine) in enumerate(zip(outcomes, parted, strict=True)):
        if outcome.value is not None and mine is not None:
            share.append(influence(mine[0], mine[1]))
            slices.append(np.full(len(mine[0]), index))
            units.append(mine[2])
    if not share:
        return None
    row, column = np.concatenate(slices), np.unique(np.concatenate(units), return_inverse=True)[1]
    added = csr_array((np.concatenate(share), (row, column)), shape=(len(outcomes), int(column.max()) + 1))
    covariance = (added @ added.T).toarray()
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    found = np.clip(covariance / scale[:, None] / scale[None, :], -1, 1)
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)


def _moved_auc(label: Array, score: Array) -> Array:
    """By how much each row moves the AUC of its slice."""
    distinct, place = np.unique(score, return_inverse=True)
    positive = label == 1
    m, n = int(positive.sum()), int((~positive).sum())
    above, below = disc.structural_components(
        np.bincount(place[positive], minlength=len(distinct)), np.bincount(place[~positive], minlength=len(distinct))
    )
    area = float(above[place[positive]].mean())
    return np.where(positive, (above[place] - area) / m, (below[place] - area) / n)


def _moved_mean(label: Array, score: Array) -> Array:
    """By how much each row moves the mean residual of its slice, times the number of rows."""
    return np.asarray(label - score - np.mean(label - score))


_INFLUENCE: Mapping[str, Callable[[Array, Array], Array]] = {"auc": _moved_auc, "in_the_large": _moved_mean}


_OfLevel = Callable[[float], Interval]


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """A value with its limits and design effect, or the reason why there is none."""

    value: float | None = None
    shown: _OfLevel | None = None
    judged: _OfLevel | None = None  # what a claim is judged on
    few: str | None = None  # why a claim cannot be judged
    deff: float = 1.0
    reason: str | None = None


def _limits_of(limits: _OfLevel | None, level: float) -> Interval:
    try:
        return limits(level) if limits else Interval(-np.inf, np.inf)
    except NotEstimable:
        return Interval(-np.inf, np.inf)


def _of_slice(rows: Rows | None, histograms: Histograms, index: int, score: str) -> _RowsOfSlice | None:
    if rows is None:
        return None
    mine = rows.slice == rows.keys.index(histograms.keys[index])
    units = rows.unit[mine] if rows.unit is not None else np.arange(int(mine.sum()))
    return rows.columns["label"][mine], rows.columns[score][mine], units


def _one(  # noqa: PLR0917
    metric: ScoreStatistic,
    histogram: Histogram,
    context: Context,
    rng: np.random.Generator,
    spoiled: str | None,
    rows: _RowsOfSlice | None,
) -> _Outcome:
    n = int(histogram.cases.sum())
    if n < max(context.minimum_group, 1):
        few = f"only {n} cases: fewer than {context.minimum_group} show no value"
        return _Outcome(reason=few if n else "no cases")
    if spoiled:
        return _Outcome(reason=spoiled)
    if rows is not None and (clusters := len(np.unique(rows[2]))) < FEWEST_CLUSTERS:
        return _Outcome(reason=f"only {clusters} clusters: an interval needs {FEWEST_CLUSTERS}")
    try:
        return _STATISTICS[metric.statistic](histogram, rng, rows)
    except NotEstimable as error:
        return _Outcome(reason=str(error))


def _too_few(positives: int, negatives: int, *, clusters: bool) -> str | None:
    """Why no claim can be judged, where labels are too few."""
    if min(positives, negatives) >= FEWEST_OF_A_LABEL:
        return None
    kind = "positive" if positives < negatives else "negative"
    return f"a claim about it needs {FEWEST_OF_A_LABEL} " + (f"clusters that hold a {kind}" if clusters else f"{kind}s")


def _auc(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Outcome:  # noqa: ARG001
    positives, negatives = histogram.positives, histogram.negatives
    value = disc.auc(positives, negatives)
    m, n = int(positives.sum()), int(negatives.sum())
    if rows is None:
        variance, sides = disc.delong_variance(positives, negatives), disc.placements(positives, negatives)
        return _Outcome(
            value=value,
            shown=lambda level: disc.auc_interval(value, variance, sides, positives=m, negatives=n, level=level),
            judged=lambda level: disc.sure_auc(
                value, variance, sides, positives=m, negatives=n, df=np.inf, level=level
            ),
            few=_too_few(m, n, clusters=False),
        )
    label, score, units = rows
    clusters = [len(np.unique(units[label == outcome])) for outcome in (1, 0)]
    fewest = min(clusters)
    if fewest < FEWEST_CLUSTERS:
        kind = "positive" if clusters[0] == fewest else "negative"
        raise NotEstimable(f"only {fewest} clusters hold a {kind}: an interval needs {FEWEST_CLUSTERS}")
    clustered, independent = (disc.clustered_auc_variance(label, score, by) for by in (units, np.arange(len(units))))
    deff = max(clustered / independent if independent > 0 else min(m / clusters[0], n / clusters[1]), 1.0)
    sides = disc.placements(positives, negatives, worth=disc.clustered_worth(label, units, score, deff=deff))

    def limits(level: float) -> Interval:
        wider = float(critical(level, fewest - 1)) / float(critical(level))  # Student's t for the normal quantile
        variance = clustered * wider**2
        return disc.auc_interval(value, variance, sides, positives=clusters[0], negatives=clusters[1], level=level)

    return _Outcome(
        value=value,
        shown=limits,
        judged=lambda level: disc.sure_auc(
            value, clustered, sides, positives=clusters[0], negatives=clusters[1], df=fewest - 1, level=level
        ),
        few=_too_few(*clusters, clusters=True),
        deff=deff,
    )


def _auprc(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Outcome:  # noqa: ARG001
    value = disc.average_precision(histogram.positives, histogram.negatives)
    m = cases = int(histogram.positives.sum())
    moves = disc.average_precision_influence(histogram.positives, histogram.negatives)
    variance = float(histogram.positives @ moves[0] ** 2 + histogram.negatives @ moves[1] ** 2) * m / max(m - 1, 1)
    if rows is not None:
        label, score, units = rows
        m = len(np.unique(units[label == 1]))
        distinct, place = np.unique(score, return_inverse=True)
        counts = (np.bincount(place, label == outcome, len(distinct)) for outcome in (1, 0))
        moved = np.where(label == 1, *(each[place] for each in disc.average_precision_influence(*counts)))
        added = np.bincount(np.unique(units, return_inverse=True)[1], moved)
        variance = float(added @ added) * m / max(m - 1, 1)
    return _Outcome(
        value=value,
        shown=lambda level: disc.average_precision_interval(value, positives=m, level=level),
        judged=lambda level: disc.sure_average_precision(value, variance, positives=m, level=level),
        few=_too_few(m, cases + FEWEST_OF_A_LABEL, clusters=rows is not None),
        deff=cases / max(m, 1),
    )


def _ece(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Outcome:
    bins = (histogram.score, histogram.cases, histogram.positives)
    squared = cal.debiased_squared_ece(*bins)
    seed = int(rng.integers(2**63))
    if rows is not None:
        return _Outcome(value=float(np.sqrt(max(squared, 0.0))))

    def limits(level: float, *, exact: bool = False) -> Interval:
        binned = cal.binned_error_interval(*bins, level=level, exact=exact)
        try:
            rng = np.random.default_rng(seed)
            inverted = cal.calibration_error_interval(*bins, rng=rng, draws=DRAWS, level=level)
        except NotEstimable:  # every bin meets its score: there is no shape to resample
            return binned
        return Interval(min(inverted.low, binned.low), max(inverted.high, binned.high))

    return _Outcome(
        value=float(np.sqrt(max(squared, 0.0))), shown=limits, judged=lambda level: limits(level, exact=True)
    )


def _in_the_large(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Outcome:  # noqa: ARG001
    bins = (histogram.score, histogram.cases, histogram.positives)
    if rows is not None:
        label, score, units = rows
        residual = label - score
        _, codes = np.unique(units, return_inverse=True)
        sums = np.bincount(codes, residual - residual.mean()).astype(float)
        count = len(sums)
        se = float(np.sqrt(count / max(count - 1, 1) * (sums**2).sum()) / len(residual))
        mean = float(residual.mean())
        independent = float(np.var(residual, ddof=1)) / len(residual)

        def limits(level: float) -> Interval:
            half = critical(level, count - 1) * se
            return Interval(mean - half, mean + half)

        deff = max(se**2 / independent, 1.0) if independent > 0 else len(residual) / count
        return _Outcome(value=mean, shown=limits, judged=lambda level: _skewed(mean, sums, se, level), deff=deff)
    value = cal.calibration_in_the_large(*bins).difference
    residual = np.concatenate([1 - histogram.score, -histogram.score])
    counts = np.concatenate([histogram.positives, histogram.negatives]).astype(int)

    def judged(level: float) -> Interval:
        values = np.clip(np.repeat(residual, counts), -1, 1)
        if len(values) < MOST_BETS:
            return betting(shuffled(values), bounds=(-1.0, 1.0), level=level)
        centred = values - value
        return _skewed(value, centred, float(np.std(centred, ddof=1)) / np.sqrt(len(centred)), level)

    return _Outcome(
        value=value, shown=lambda level: cal.calibration_in_the_large(*bins, level=level).interval, judged=judged
    )


def _skewed(mean: float, added: Array, se: float, level: float) -> Interval:
    """`skewed_limits` of a mean residual; added: what each unit adds to it, centred."""
    square = float(np.mean(added**2))
    skewness = float(np.mean(added**3)) / square**1.5 if square > 0 else 0.0
    units = len(added)
    low, high = skewed_limits(*(np.array([m]) for m in (units, mean, se * np.sqrt(units), skewness)), level=level)
    return Interval(max(-1.0, float(low[0])), min(1.0, float(high[0])))


def _slope(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Outcome:  # noqa: ARG001
    fit = cal.cox_calibration(histogram.score, histogram.cases, histogram.positives)
    if rows is not None:
        return _Outcome(value=fit.slope)
    positives, negatives = int(histogram.positives.sum()), int(histogram.negatives.sum())
    few = _too_few(positives, negatives, clusters=False)

    def limits(level: float) -> Interval:
        half = critical(level) * fit.slope_se
        return Interval(fit.slope - half, fit.slope + half)

    return _Outcome(value=fit.slope, shown=limits, judged=None if few else limits, few=few)


def _plug_in(compute: Callable[[Array, Array, Array], float]) -> Callable[..., _Outcome]:
    def statistic(histogram: Histogram, rng: np.random.Generator, rows: object) -> _Outcome:  # noqa: ARG001
        return _Outcome(value=float(compute(histogram.score, histogram.cases, histogram.positives)))

    return statistic


_STATISTICS: Mapping[str, Callable[..., _Outcome]] = {
    "auc": _auc,
    "auprc": _auprc,
    "ece": _ece,
    "in_the_large": _in_the_large,
    "slope": _slope,
    "ece_binned": _plug_in(cal.expected_calibration_error),
    "smooth_ece": _plug_in(cal.smooth_ece),
    "reliability": _plug_in(lambda s, n, x: cal.murphy_decomposition(s, n, x, bins=15).reliability),
    "resolution": _plug_in(lambda s, n, x: cal.murphy_decomposition(s, n, x, bins=15).resolution),
}


def curves(histograms: Histograms, context: Context, *, bins: int = 10) -> list[CalibrationCurve]:
    """Calibration curves of every slice, in bins that hold equally many cases, with Wilson limits."""
    probability = histograms.lowest >= 0 and histograms.highest <= 1
    drawn = []
    for key, histogram in zip(histograms.keys, histograms.slices, strict=True):
        if histogram.cases.sum() < context.minimum_group or (key and key[0] == FOLDED):
            continue
        points = _points(histogram, bins)
        drawn.append(
            CalibrationCurve(
                evaluation=context.evaluation,
                slice=slice_of(histograms.parts, key, context.conditions),
                variant=context.variant,
                points=tuple(points),
                is_probability=probability,
            )
        )
    return drawn


def _points(histogram: Histogram, bins: int) -> Sequence[CurvePoint]:
    from shipworthy.stats.proportion import wilson

    cases = histogram.cases
    middle = (np.cumsum(cases) - cases / 2) / cases.sum()
    group = np.minimum((middle * bins).astype(int), bins - 1) if len(cases) > bins else np.arange(len(cases))
    n, x = np.bincount(group, cases), np.bincount(group, histogram.positives)
    total = np.bincount(group, histogram.score * cases)
    filled = n > 0
    n, x, score = n[filled], x[filled], total[filled] / n[filled]
    low, high = wilson(x, n)
    return [
        CurvePoint(score=float(s), rate=float(k / m), low=float(lo), high=float(hi), n=int(m))
        for s, k, m, lo, hi in zip(score, x, n, np.atleast_1d(low), np.atleast_1d(high), strict=True)
    ]
