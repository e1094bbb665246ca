"""Statistics of scores, of one version and between two; rows without a score at their worst and at their best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import ibis
import numpy as np

from shipworthy.api.measuring.versions import UNWEIGHTED, column_of, without_values
from shipworthy.estimate.arms import Arms, Context
from shipworthy.estimate.changes import measure_auc_change
from shipworthy.estimate.missing import bounded_error, completed_by
from shipworthy.estimate.scores import measure_scores
from shipworthy.metrics.kinds import Metric, ScoreStatistic
from shipworthy.observations.passes import fetch_rows, histograms
from shipworthy.observations.table import Axis, Observations


def score_statistics(
    observations: Observations,
    metrics: Sequence[ScoreStatistic],
    axes: Sequence[Axis],
    context: Context,
    rng: np.random.Generator,
) -> Iterable[tuple[str, str, Arms]]:
    """Statistics of scores on every axis; none where rows are weighted."""
    weighted = "weight" in observations.roles
    score = column_of("score", context.variant)
    known = _of_scores(observations, metrics, axes, context, rng, score)
    if not observations.missing.get("score"):
        found: Iterable[tuple[Metric, Axis, Arms]] = known
    else:
        found = _with_unscored(observations, known, axes, context, rng, score)
    for metric, axis, arms in found:
        if weighted:
            yield metric.name, axis.name, without_values(arms, lambda known: known or UNWEIGHTED)
        else:
            yield metric.name, axis.name, arms


def _of_scores(  # noqa: PLR0917
    observations: Observations,
    metrics: Sequence[ScoreStatistic],
    axes: Sequence[Axis],
    context: Context,
    rng: np.random.Generator,
    score: str,
) -> Iterator[tuple[ScoreStatistic, Axis, Arms]]:
    """The metrics of the rows that have a score."""
    weighted = "weight" in observations.roles
    found = histograms(observations, axes, score)
    for axis in axes:
        rows = None
        if "cluster" in observations.roles and not weighted:
            rows = fetch_rows(observations, axis, ["label", score])
        for metric in metrics:
            yield metric, axis, measure_scores(metric, found[axis.name], context, rng=rng, rows=rows, score=score)


def _with_unscored(  # noqa: PLR0917
    observations: Observations,
    known: Iterable[tuple[ScoreStatistic, Axis, Arms]],
    axes: Sequence[Axis],
    context: Context,
    rng: np.random.Generator,
    score: str,
) -> Iterator[tuple[ScoreStatistic, Axis, Arms]]:
    """The same with rows that have no score at their worst and at their best, where that bounds a metric."""
    measured = list(known)
    metrics = list(dict.fromkeys(metric for metric, _, _ in measured))
    ends: dict[tuple[str, str], list[Arms]] = {}
    for metric in (m for m in metrics if m.statistic in _EXTREMES):
        for end in (0, 1):
            own = _scored_at(observations, score, _EXTREMES[metric.statistic][end])
            for _, axis, arms in _of_scores(own, [metric], axes, context, rng, score):
                ends.setdefault((metric.name, axis.name), []).append(arms)
    everywhere = histograms(_scored_at(observations, score, _EXTREMES["auc"][0]), axes, score)
    for metric, axis, arms in measured:
        missing = everywhere[axis.name].rows - arms.n
        least, most = ends.get((metric.name, axis.name), (None, None))
        if metric.statistic == "ece":
            least, most = bounded_error(arms, missing)
        yield metric, axis, completed_by(arms, (least, most), missing=missing, what="score")


@dataclass(frozen=True, kw_only=True)
class _Extreme:
    """What a row without a score could have had, by its label: a place among the scores, or a probability."""

    positive: Literal["lowest", "each lower", "highest", 0, 1]
    negative: Literal["lowest", "highest", 0, 1]


# Positives that rank below everything, each below another: one precision for all of them would be that of the last.
_EXTREMES: Mapping[str, tuple[_Extreme, _Extreme]] = {
    "auc": (_Extreme(positive="lowest", negative="highest"), _Extreme(positive="highest", negative="lowest")),
    "auprc": (_Extreme(positive="each lower", negative="highest"), _Extreme(positive="highest", negative="lowest")),
    "in_the_large": (_Extreme(positive=1, negative=1), _Extreme(positive=0, negative=0)),
}


def _scored_at(observations: Observations, score: str, extreme: _Extreme) -> Observations:
    """The same rows, with a score for those that have none."""
    table = observations.table
    low, high = observations.score_ranges[score]
    step = max((high - low) / 64, 1e-6 * max(abs(low), abs(high))) or 1.0
    order = [table["cluster"]] if "cluster" in observations.roles else [table["label"]]
    place = ibis.row_number().over(ibis.window(order_by=order)).cast("float64") / max(observations.rows, 1)
    values: Mapping[Any, Any] = {
        "lowest": low - step,
        "each lower": low - step * (1 + place),
        "highest": high + step,
        0: 0.0,
        1: 1.0,
    }
    filled = ibis.ifelse(table["label"] == 1, values[extreme.positive], values[extreme.negative])
    given = table[score].fill_null(filled)
    reach = (low - 2 * step, high + step)
    if extreme.positive in (0, 1):
        reach = min(low, 0.0), max(high, 1.0)
    ranges = {**observations.score_ranges, score: reach}
    return replace(observations, table=table.mutate(**{score: given}), score_ranges=ranges)


def auc_change(  # noqa: PLR0917
    metric: ScoreStatistic, observations: Observations, axis: Axis, context: Context, baseline: str, scores: list[str]
) -> Arms:
    """Complete pairs; a score that is missing at its worst in one version and at its best in the other."""

    def of(own: Observations) -> Arms:
        rows = fetch_rows(own, axis, ["label", *scores])
        return measure_auc_change(metric, rows, context, baseline=baseline, old=scores[0], new=scores[1])

    known = of(observations)
    if not any(observations.missing.get(score) for score in scores):
        return known
    worst, best = _EXTREMES["auc"]
    least, most = (
        of(_scored_at(_scored_at(observations, scores[0], old), scores[1], new))
        for old, new in ((best, worst), (worst, best))
    )
    return completed_by(known, (least, most), missing=most.n - known.n, what="score")
