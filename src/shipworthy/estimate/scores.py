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
    outcomes = [
        _one(metric, histogram, context, rng, spoiled, _of_slice(rows, histograms, index, score))
        for index, histogram in enumerate(histograms.slices)
    ]
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
        effective=n.astype(float),
        reasons=tuple(outcome.reason for outcome in outcomes),
        method=method,
        limits=limits,
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


class _Outcome:
    """A value with its limits, or the reason why there is none."""

    def __init__(self, value: float | None, limits: Callable[[float], Interval] | None, reason: str | None) -> None:
        self.value, self.limits, self.reason = value, limits, reason


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
        value, limits = _STATISTICS[metric.statistic](histogram, rng, rows)
    except NotEstimable as error:
        return _Outcome(None, None, str(error))
    return _Outcome(value, limits, None)


_Pair = tuple[float, "Callable[[float], Interval] | None"]


def _auc(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Pair:  # noqa: ARG001
    positives, negatives = histogram.positives, histogram.negatives
    value = disc.auc(positives, negatives)
    m, n = int(positives.sum()), int(negatives.sum())
    if rows is not None:
        label, score, units = rows
        variance = disc.clustered_auc_variance(label, score, units)
        m, n = len(np.unique(units[label == 1])), len(np.unique(units[label == 0]))
    else:
        variance = disc.delong_variance(positives, negatives)
    return value, lambda level: disc.logit_delong(value, variance, positives=m, negatives=n, level=level)


def _auprc(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Pair:  # noqa: ARG001
    value = disc.average_precision(histogram.positives, histogram.negatives)
    m = int(histogram.positives.sum())
    if rows is not None:
        m = len(np.unique(rows[2][rows[0] == 1]))
    return value, lambda level: disc.average_precision_interval(value, positives=m, level=level)


def _ece(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Pair:
    bins = (histogram.score, histogram.cases, histogram.positives)
    squared = cal.debiased_squared_ece(*bins)
    seed = int(rng.integers(2**63))
    if rows is not None:
        return float(np.sqrt(max(squared, 0.0))), None

    def limits(level: float) -> Interval:
        return cal.calibration_error_interval(*bins, rng=np.random.default_rng(seed), draws=DRAWS, level=level)

    return float(np.sqrt(max(squared, 0.0))), limits


def _in_the_large(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Pair:  # noqa: ARG001
    bins = (histogram.score, histogram.cases, histogram.positives)
    if rows is not None:
        label, score, units = rows
        residual = label - score
        _, codes = np.unique(units, return_inverse=True)
        sums = np.bincount(codes, residual - residual.mean())
        count = len(sums)
        se = float(np.sqrt(count / max(count - 1, 1) * (sums**2).sum()) / len(residual))
        mean = float(residual.mean())
        return mean, lambda level: Interval(
            mean - critical(level, count - 1) * se, mean + critical(level, count - 1) * se
        )
    return cal.calibration_in_the_large(
        *bins
    ).difference, lambda level: cal.calibration_in_the_large(*bins, level=level).interval


def _slope(histogram: Histogram, rng: np.random.Generator, rows: _RowsOfSlice | None) -> _Pair:  # noqa: ARG001
    fit = cal.cox_calibration(histogram.score, histogram.cases, histogram.positives)
    if rows is not None:
        return fit.slope, None
    se = fit.slope_se
    return fit.slope, lambda level: Interval(fit.slope - critical(level) * se, fit.slope + critical(level) * se)


def _plug_in(compute: Callable[[Array, Array, Array], float]) -> Callable[..., _Pair]:
    def statistic(histogram: Histogram, rng: np.random.Generator, rows: object) -> _Pair:  # noqa: ARG001
        return float(compute(histogram.score, histogram.cases, histogram.positives)), None

    return statistic


_STATISTICS: Mapping[str, Callable[..., _Pair]] = {
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
