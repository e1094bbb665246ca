"""Quantiles and ranked lists, of one version and between two."""

from __future__ import annotations

from dataclasses import replace

import ibis
import ibis.expr.types as ir
import numpy as np

from shipworthy.api.measuring.versions import lacking, unfilled_columns
from shipworthy.estimate.arms import Arms, Context
from shipworthy.estimate.lists import measure_list_change, measure_rows
from shipworthy.estimate.missing import completed_by
from shipworthy.metrics.kinds import ListMean, RowQuantile
from shipworthy.observations.passes import fetch_rows
from shipworthy.observations.table import Axis, Observations
from shipworthy.observations.truth import as_number


def quantiles(metric: RowQuantile, observations: Observations, axis: Axis, context: Context) -> Arms:
    """A quantile of row values on one axis."""
    table, short = observations.table, unfilled_columns(metric, observations)
    if short and metric.case is None:
        metric = replace(metric, case=lambda table: metric.row(table).notnull() | lacking(short)(table))
    valued = table.mutate(value=_quantile_of(metric, table))
    own = replace(observations, table=valued.filter(valued["value"].notnull()))
    rows = fetch_rows(own, axis, ["value"])
    arms = measure_rows(metric, rows, context)
    if not short:
        return arms
    gone = np.bincount(rows.slice[np.isnan(rows.columns["value"])], minlength=len(rows.keys)).astype(float)
    return replace(arms, missing=gone) if gone.any() else arms


def list_means(metric: ListMean, observations: Observations, axis: Axis, context: Context) -> Arms:
    """A list with an item that has no score could be as bad or as good as any."""
    columns, table = ["label", "score", "query"], observations.table
    if not unfilled_columns(metric, observations):
        return measure_rows(metric, fetch_rows(observations, axis, columns), context)
    own = replace(observations, table=table.mutate(score=table["score"].fill_null(float("nan"))))
    rows = fetch_rows(own, axis, columns)
    known, least, most = (measure_rows(metric, rows, context, unranked=end) for end in (None, 0.0, 1.0))
    return completed_by(known, (least, most), missing=most.n - known.n, what="score")


def _quantile_of(metric: RowQuantile, table: ir.Table) -> ir.Value:
    """What a quantile is of: null where a row is not about it, NaN where its value is missing, infinite where it never
    came.
    """
    value = as_number(metric.row(table))
    if metric.case is None:
        return value
    never = ibis.literal(False) if metric.never is None else metric.never(table).fill_null(False)
    return ibis.cases(
        (~metric.case(table).fill_null(False), ibis.null("float64")),
        (never, float("inf")),
        else_=value.fill_null(float("nan")),
    )


def list_change(  # noqa: PLR0917
    metric: ListMean, observations: Observations, axis: Axis, context: Context, baseline: str, scores: list[str]
) -> Arms:
    """How the mean over lists changed on one axis; lists with unscored items as bad and as good as they may be."""
    columns, table = ["label", *scores, "query"], observations.table
    if any(observations.missing.get(score) for score in scores):
        filled = {score: table[score].fill_null(float("nan")) for score in scores}
        observations = replace(observations, table=table.mutate(**filled))
    rows = fetch_rows(observations, axis, columns)

    def of(unranked: tuple[float, float] | None) -> Arms:
        return measure_list_change(
            metric, rows, context, baseline=baseline, old=scores[0], new=scores[1], unranked=unranked
        )

    known = of(None)
    if not any(observations.missing.get(score) for score in scores):
        return known
    least, most = of((1.0, 0.0)), of((0.0, 1.0))
    return completed_by(known, (least, most), missing=most.n - known.n, what="score")
