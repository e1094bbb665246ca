"""Metrics of scores, from their histograms: ranking quality, calibration, and the curves of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shipworthy.errors import NotEstimable
from shipworthy.estimate.arms import FEWEST_CLUSTERS, Arms, Context, slice_of
from shipworthy.estimate.curves import CalibrationCurve, CurvePoint
from shipworthy.metrics.kinds import ScoreStatistic
from shipworthy.observations.tally import FOLDED, Array, Histogram, Histograms, Rows
from shipworthy.stats import calibration as cal
from shipworthy.stats import discrimination as disc
from shipworthy.stats.interval import Interval, critical

DRAWS = 400  # of the bootstrap behind a calibration error's interval
_METHODS: Mapping[str, str] = {
    "auc": "logit-delong",
    "auprc": "logit-binomial",
    "ece": "debiased, test inversion",
    "in_the_large": "t",
    "slope": "wald (Cox)",
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
    suffice.
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

    def limits(level: float) -> tuple[Array, Array]:
        pairs = [_limits_of(outcome, level) for outcome in outcomes]
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


class _Outcome:
    """A value with its limits and design effect, or the reason why there is none."""

    def __init__(
        self,
        value: float | None,
        limits: Callable[[float], Interval] | None,
        reason: str | None,
        deff: float = 1.0,
    ) -> None:
        self.value, self.limits, self.reason, self.deff = value, limits, reason, deff


def _limits_of(outcome: _Outcome, level: float) -> Interval:
    try:
        return outcome.limits(level) if outcome.limits else Interval(-np.inf, np.inf)
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
        return _Outcome(
            None, None, f"only {n} cases: fewer than {context.minimum_group} show no value" if n else "no cases"
        )
    if spoiled:
        return _Outcome(None, None, spoiled)
    if rows is not None and (clusters := len(np.unique(rows[2]))) < FEWEST_CLUSTERS:
        return _Outcome(None, None, f"only {clusters} clusters: an interval needs {FEWEST_CLUSTERS}")
    try:
        value, limits, deff = _STATISTICS[metric.statistic](histogram, rng, rows)
    except NotEstimable as error:
        return _Outcome(None, None, str(error))
    return _Outcome(value, limits, None, deff)


_Found = tuple[float, "Callable[[float], Interval] | None", float]  # value, limits, design effect


def _auc(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Found:  # noqa: ARG001
    positives, negatives = histogram.positives, histogram.negatives
    value = disc.auc(positives, negatives)
    m, n = int(positives.sum()), int(negatives.sum())
    if rows is None:
        variance = disc.delong_variance(positives, negatives)
        return value, lambda level: disc.logit_delong(value, variance, positives=m, negatives=n, level=level), 1.0
    label, score, units = rows
    clusters = [len(np.unique(units[label == outcome])) for outcome in (1, 0)]
    fewest = min(clusters)
    if fewest < FEWEST_CLUSTERS:
        kind = "positive" if clusters[0] == fewest else "negative"
        raise NotEstimable(f"only {fewest} clusters hold a {kind}: an interval needs {FEWEST_CLUSTERS}")
    clustered, independent = (disc.clustered_auc_variance(label, score, by) for by in (units, np.arange(len(units))))

    def limits(level: float) -> Interval:
        wider = float(critical(level, fewest - 1)) / float(critical(level))  # Student's t for the normal quantile
        return disc.logit_delong(value, clustered * wider**2, positives=clusters[0], negatives=clusters[1], level=level)

    deff = clustered / independent if independent > 0 else min(m / clusters[0], n / clusters[1])
    return value, limits, max(deff, 1.0)


def _auprc(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Found:  # noqa: ARG001
    value = disc.average_precision(histogram.positives, histogram.negatives)
    m = cases = int(histogram.positives.sum())
    if rows is not None:
        m = len(np.unique(rows[2][rows[0] == 1]))
    return value, lambda level: disc.average_precision_interval(value, positives=m, level=level), cases / max(m, 1)


def _ece(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Found:
    bins = (histogram.score, histogram.cases, histogram.positives)
    squared = cal.debiased_squared_ece(*bins)
    seed = int(rng.integers(2**63))
    if rows is not None:
        return float(np.sqrt(max(squared, 0.0))), None, 1.0

    def limits(level: float) -> Interval:
        return cal.calibration_error_interval(*bins, rng=np.random.default_rng(seed), draws=DRAWS, level=level)

    return float(np.sqrt(max(squared, 0.0))), limits, 1.0


def _in_the_large(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Found:  # noqa: ARG001
    bins = (histogram.score, histogram.cases, histogram.positives)
    if rows is not None:
        label, score, units = rows
        residual = label - score
        _, codes = np.unique(units, return_inverse=True)
        sums = np.bincount(codes, residual - residual.mean())
        count = len(sums)
        se = float(np.sqrt(count / max(count - 1, 1) * (sums**2).sum()) / len(residual))
        mean = float(residual.mean())
        independent = float(np.var(residual, ddof=1)) / len(residual)

        def limits(level: float) -> Interval:
            half = critical(level, count - 1) * se
            return Interval(mean - half, mean + half)

        return mean, limits, max(se**2 / independent, 1.0) if independent > 0 else len(residual) / count
    value = cal.calibration_in_the_large(*bins).difference
    return value, lambda level: cal.calibration_in_the_large(*bins, level=level).interval, 1.0


def _slope(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Found:  # noqa: ARG001
    fit = cal.cox_calibration(histogram.score, histogram.cases, histogram.positives)
    if rows is not None:
        return fit.slope, None, 1.0
    se = fit.slope_se
    return fit.slope, lambda level: Interval(fit.slope - critical(level) * se, fit.slope + critical(level) * se), 1.0


def _plug_in(compute: Callable[[Array, Array, Array], float]) -> Callable[..., _Found]:
    def statistic(histogram: Histogram, rng: np.random.Generator, rows: object) -> _Found:  # noqa: ARG001
        return float(compute(histogram.score, histogram.cases, histogram.positives)), None, 1.0

    return statistic


_STATISTICS: Mapping[str, Callable[..., _Found]] = {
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
