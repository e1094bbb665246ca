"""From an evaluation's rows to arms: which passes the metrics need, each metric bound to what its pass brought."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from shipworthy.api.measuring.lists import list_change, list_means, quantiles
from shipworthy.api.measuring.outcomes import outcome_changes, outcome_rates
from shipworthy.api.measuring.roles import refuse_missing_roles
from shipworthy.api.measuring.scores import auc_change, score_statistics
from shipworthy.api.measuring.sums import counting_all, row_sums, sum_changes
from shipworthy.api.measuring.versions import (
    UNWEIGHTED,
    column_of,
    context_of,
    has_version,
    lacking,
    seen_as,
    unfilled_columns,
    without_values,
)
from shipworthy.estimate.arms import Arms
from shipworthy.estimate.curves import CalibrationCurve
from shipworthy.estimate.missing import CellMetric, measure_counts, measure_counts_change
from shipworthy.estimate.scores import curves
from shipworthy.metrics.kinds import (
    CellFunction,
    CellMixture,
    CellRate,
    ListMean,
    Metric,
    OutcomeRate,
    RowFunction,
    RowMean,
    RowQuantile,
    ScoreStatistic,
)
from shipworthy.observations.passes import histograms, tally_cells
from shipworthy.observations.table import EVERYONE, Axis, Locate, Observations


@dataclass(kw_only=True)
class Measured:
    """Arms of one evaluation, by what they are of."""

    observations: Observations
    values: dict[tuple[str | None, str, str], Arms] = field(default_factory=dict)  # (variant, metric, axis)
    changes: dict[tuple[str | None, str, str], Arms] = field(default_factory=dict)
    curves: list[CalibrationCurve] = field(default_factory=list)


def measure_all(
    observations: Observations,
    metrics: Sequence[Metric],
    *,
    rng: np.random.Generator,
    baseline: str | None = None,
    with_curves: bool = True,
    locate: Locate | None = None,
) -> Measured:
    """Measure every metric on every axis, for the main predictions and every variant.

    baseline: the variant that changes are measured against; None: no changes are.
    Raises DataError (DATA016) where a metric needs a role that the plan does not fill.
    """
    where = locate("roles") if locate is not None else f"evaluations.{observations.evaluation}.roles"
    refuse_missing_roles(observations, metrics, baseline, where)
    measured = Measured(observations=observations)
    axes = (EVERYONE, *observations.axes)
    versions: list[str | None] = [v for v in (None, *observations.variants) if has_version(observations, v)]
    for version in versions:
        for metric_name, axis_name, arms in _of_version(observations, metrics, axes, version, rng):
            measured.values[version, metric_name, axis_name] = arms
        if (
            with_curves
            and "weight" not in observations.roles
            and observations.task == "binary"
            and {
                "label",
                column_of("score", version),
            }
            <= observations.roles
            and column_of("score", version) in observations.score_ranges
        ):
            found = histograms(observations, axes, column_of("score", version))
            for axis in axes:
                measured.curves += curves(found[axis.name], context_of(observations, version))
    if baseline is not None:
        for version in versions:
            if version != baseline:
                for metric_name, axis_name, arms in _changes(observations, metrics, axes, version, baseline):
                    measured.changes[version, metric_name, axis_name] = arms
    return measured


def _of_version(
    observations: Observations,
    metrics: Sequence[Metric],
    axes: Sequence[Axis],
    version: str | None,
    rng: np.random.Generator,
) -> Iterable[tuple[str, str, Arms]]:
    mine = seen_as(observations, version)
    context = context_of(observations, version)
    usable = [metric for metric in metrics if {n for n in metric.needs if n != "scores"} <= mine.roles]
    cells: list[CellMetric] = [metric for metric in usable if isinstance(metric, CellRate | CellMixture | CellFunction)]
    if cells:
        outcomes = [role for role in ("label", "prediction") if role in mine.roles]
        tallies = tally_cells(mine, axes, outcomes)
        for one in cells:
            for axis in axes:
                yield one.name, axis.name, measure_counts(one, tallies[axis.name], context)
    sums = [
        counting_all(metric, unfilled_columns(metric, mine), mine.table) if isinstance(metric, RowMean) else metric
        for metric in usable
        if isinstance(metric, RowMean | RowFunction)
    ]
    lacks = {metric.name: lacking(columns) for metric in sums if (columns := unfilled_columns(metric, mine))}
    yield from row_sums(mine, sums, axes, context, lacks=lacks)
    yield from outcome_rates(mine, [metric for metric in usable if isinstance(metric, OutcomeRate)], axes, context)
    scored = [metric for metric in usable if isinstance(metric, ScoreStatistic)]
    if scored:
        yield from score_statistics(mine, scored, axes, context, rng)
    for metric in usable:
        for axis in axes if isinstance(metric, RowQuantile | ListMean) else ():
            if isinstance(metric, RowQuantile):
                arms = quantiles(metric, mine, axis, context)
            elif isinstance(metric, ListMean):
                arms = list_means(metric, mine, axis, context)
            else:
                continue
            if "weight" in mine.roles:
                arms = without_values(arms, lambda known: known or UNWEIGHTED)
            yield metric.name, axis.name, arms


def _changes(
    observations: Observations, metrics: Sequence[Metric], axes: Sequence[Axis], version: str | None, baseline: str
) -> Iterable[tuple[str, str, Arms]]:
    context = context_of(observations, version)
    old, new = seen_as(observations, baseline), seen_as(observations, version)
    cells: list[CellMetric] = [
        metric for metric in metrics if isinstance(metric, CellRate | CellMixture | CellFunction)
    ]
    predictions = [column_of("prediction", baseline), column_of("prediction", version)]
    if cells and set(predictions) <= observations.roles:
        outcomes = [*(["label"] if "label" in observations.roles else []), *predictions]
        tallies = tally_cells(observations, axes, outcomes)
        for one in cells:
            if "prediction" in one.needs:
                for axis in axes:
                    tally = tallies[axis.name]
                    yield one.name, axis.name, measure_counts_change(one, tally, context, baseline=baseline)
    yield from sum_changes(observations, metrics, axes, context, baseline)
    rates = [m for m in metrics if isinstance(m, OutcomeRate) and m.needs <= old.roles and m.needs <= new.roles]
    yield from outcome_changes(observations, rates, axes, context, baseline)
    scores = [column_of("score", baseline), column_of("score", version)]
    if set(scores) <= observations.roles:
        for metric in metrics:
            if isinstance(metric, ScoreStatistic) and metric.statistic == "auc" and "weight" not in observations.roles:
                for axis in axes:
                    yield metric.name, axis.name, auc_change(metric, observations, axis, context, baseline, scores)
            if isinstance(metric, ListMean) and metric.needs <= observations.roles | {"score"}:
                for axis in axes if "weight" not in observations.roles else ():
                    yield metric.name, axis.name, list_change(metric, observations, axis, context, baseline, scores)
