"""Means and functions of sums over rows, of one version and between two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeGuard

import ibis
import ibis.expr.types as ir
import numpy as np

from shipworthy.api.measuring.versions import (
    Condition,
    View,
    column_of,
    lacking,
    seen_as,
    unfilled_columns,
    without_values,
)
from shipworthy.estimate.arms import Arms, Context, measure
from shipworthy.estimate.means import MOST_BETS, MOST_SKEWED, judged_function, judged_mean
from shipworthy.estimate.missing import completed_by
from shipworthy.estimate.outcomes import either_way
from shipworthy.metrics.kinds import Metric, RowFunction, RowMean
from shipworthy.observations.passes import fetch_rows, tally_terms
from shipworthy.observations.table import Axis, Observations
from shipworthy.observations.tally import Rows, Tally
from shipworthy.observations.truth import as_number


def row_sums(
    observations: Observations,
    metrics: Sequence[RowMean | RowFunction],
    axes: Sequence[Axis],
    context: Context,
    *,
    paired: bool = False,
    lacks: Mapping[str, Condition] | None = None,
) -> Iterable[tuple[str, str, Arms]]:
    """Means and functions of sums on every axis.

    lacks: for metrics whose columns the system did not fill everywhere, where it did not.
    """
    if not metrics:
        return
    lacks = lacks or {}
    cases = {metric.name: metric.case for metric in metrics if isinstance(metric, RowMean)}
    metrics = [_of_its_cases(m, observations.table) if isinstance(m, RowMean) else m for m in metrics]
    simple = not {"cluster", "weight"} & observations.roles
    terms: dict[Any, ir.Value] = {}
    groups, conditions = [], set()
    for metric in metrics:
        if isinstance(metric, RowMean):
            row = metric.row(observations.table)
            if isinstance(row, ir.BooleanValue):
                conditions.add(metric.name)
            own = {metric.name: as_number(row), f"{metric.name}.n": as_number(row.notnull())}
            if simple:  # what tells how skewed the values are
                own[f"{metric.name}.squares"] = as_number(row) * as_number(row)
            if (case := cases[metric.name]) is not None:
                own[f"{metric.name}.missing"] = as_number(case(observations.table).fill_null(False) & row.isnull())
        else:
            own = {f"{metric.name}.{name}": row for name, row in metric.rows(observations.table).items()}
            if metric.name in lacks:
                gone = lacks[metric.name](observations.table)
                own = {name: ibis.ifelse(gone, ibis.null(row.type()), row) for name, row in own.items()}
                own[_gone(metric)] = as_number(gone)
        terms |= own
        groups.append(list(own))
    tallies = tally_terms(observations, axes, terms, groups)
    context = replace(context, proportions=frozenset(conditions))
    for metric, group in zip(metrics, groups, strict=True):
        ends: dict[float, dict[str, Arms]] = {}
        if isinstance(metric, RowMean) and (case := cases[metric.name]) is not None:
            gaps = any(tallies[axis.name].select([group[-1]]).raw.any() for axis in axes)
            for end in metric.bounds or () if gaps else ():
                if np.isfinite(end):
                    found = row_sums(observations, [_filled(metric, case, end)], axes, context, paired=paired)
                    ends[end] = {axis_name: arms for _, axis_name, arms in found}
        for axis in axes:
            tally = tallies[axis.name].select(group)
            arms = measure(metric, tally, context)
            if isinstance(metric, RowMean) and metric.name not in conditions:
                fetch = partial(_fetch_values, observations, metric, axis)
                arms = judged_mean(metric, tally, arms, fetch, paired=paired)
            if isinstance(metric, RowMean) and cases[metric.name] is not None:
                found_ends = [ends.get(e, {}).get(axis.name) for e in metric.bounds or ()]
                arms = _with_missing(metric, tally, arms, found_ends, by_system=metric.name in lacks)
            elif isinstance(metric, RowFunction):
                own = {str(term): terms[term] for term in tally.terms}
                arms = judged_function(metric, tally, arms, partial(_fetch_terms, observations, own, axis))
                if metric.name in lacks:
                    missing = tally.raw[:, tally.terms.index(_gone(metric))]
                    arms = completed_by(arms, (None, None), missing=missing, what=_of_what(metric))
            yield metric.name, axis.name, _refuse_improbable(arms, metric, observations)


def counting_all(metric: RowMean, columns: Sequence[str], table: Any) -> RowMean:
    """The same mean, about every row that has a value or lacks one of the columns."""
    if not columns or metric.case is not None:
        return metric
    bounds = (0.0, 1.0) if isinstance(metric.row(table), ir.BooleanValue) else metric.bounds
    return replace(metric, bounds=bounds, case=lambda table: metric.row(table).notnull() | lacking(columns)(table))


def _of_its_cases(metric: RowMean, table: ir.Table) -> RowMean:
    """The same metric of the rows that it is about and that have a value."""
    case, row = metric.case, metric.row
    if case is None:
        return metric
    bounds = (0.0, 1.0) if isinstance(row(table), ir.BooleanValue) else metric.bounds

    def of(table: ir.Table) -> ir.Value:
        value = row(table)
        return ibis.ifelse(case(table).fill_null(False), value, ibis.null(value.type()))

    return replace(metric, row=of, case=None, bounds=bounds)


def _filled(metric: RowMean, case: Callable[[ir.Table], ir.BooleanValue], end: float) -> RowMean:
    """The same metric with what is missing at one end of its range."""
    known = metric.row

    def row(table: ir.Table) -> ir.Value:
        value = known(table)
        full = value.fill_null(bool(end)) if isinstance(value, ir.BooleanValue) else as_number(value).fill_null(end)
        return ibis.ifelse(case(table).fill_null(False), full, ibis.null(full.type()))

    return replace(metric, row=row)


def _with_missing(metric: RowMean, tally: Tally, arms: Arms, ends: Sequence[Arms | None], *, by_system: bool) -> Arms:
    missing = tally.raw[:, tally.terms.index(f"{metric.name}.missing")]
    if not missing.any():
        return arms
    least, most = ends or (None, None)
    if by_system:
        return completed_by(arms, (least, most), missing=missing, what=_of_what(metric))
    return either_way(arms, least, most, missing=missing, n=arms.n + missing)


def _of_what(metric: Metric) -> str:
    """What a row lacks of which a metric is."""
    return "score" if {"score", "scores"} & metric.needs else "prediction"


def _gone(metric: Metric) -> str:
    """Name of the term that counts the rows in which a function of sums lacks something."""
    return f"missing of {metric.name}"


def _fetch_values(observations: Observations, metric: RowMean, axis: Axis) -> Rows:
    """A metric's row values, of levels with few rows only; NaN where a row has none."""
    value = as_number(metric.row(observations.table)).fill_null(float("nan"))
    return _fetch_columns(observations, {"value": value}, axis, most=MOST_BETS - 1)


def _fetch_terms(observations: Observations, terms: Mapping[str, ir.Value], axis: Axis) -> Rows:
    """What each row adds to the sums, of levels with not too many rows."""
    columns = {name: as_number(value).fill_null(0.0) for name, value in terms.items()}
    return _fetch_columns(observations, columns, axis, most=MOST_SKEWED)


def _fetch_columns(observations: Observations, columns: Mapping[str, ir.Value], axis: Axis, *, most: int) -> Rows:
    table = observations.table.mutate(**columns)
    if axis.columns:
        rows = table.mutate(level_rows=table.count().over(group_by=list(axis.columns)))
        table = rows.filter(rows["level_rows"] <= most)
    return fetch_rows(replace(observations, table=table), axis, list(columns))


def _refuse_improbable(arms: Arms, metric: Metric, observations: Observations) -> Arms:
    """A proper score asks for probabilities: anything else has no value."""
    lowest, highest = observations.score_ranges.get(column_of("score", arms.variant), (0.0, 1.0))
    if not metric.probability or (lowest >= 0 and highest <= 1):
        return arms
    reason = f"scores from {lowest:g} to {highest:g} are not probabilities"
    return without_values(arms, lambda known: known or reason)


def sum_changes(
    observations: Observations, metrics: Sequence[Metric], axes: Sequence[Axis], context: Context, baseline: str
) -> Iterable[tuple[str, str, Arms]]:
    """Changes of means, of root means and of functions of sums, of the rows that both versions have."""
    version = context.variant
    old, new = seen_as(observations, baseline), seen_as(observations, version)
    means = [
        counting_all(m, unfilled_columns(m, old, new), new.table)
        for m in metrics
        if isinstance(m, RowMean) and not m.root and m.needs <= old.roles and m.needs <= new.roles
    ]
    moved = [
        replace(
            m, row=_row_change(m, baseline, version), bounds=_change_bounds(m), case=_case_of_both(m, baseline, version)
        )
        for m in means
    ]
    lacks = {
        m.name: _lacks_in_either(short, baseline, version)
        for m in metrics
        if isinstance(m, RowMean | RowFunction) and (short := unfilled_columns(m, old, new))
    }
    for name, axis_name, arms in row_sums(observations, moved, axes, context, paired=True, lacks=lacks):
        yield name, axis_name, replace(arms, compare="change", baseline=baseline, method=f"paired {arms.method}")
    sums = [_sums_change(m, baseline, version) for m in metrics if _is_of_sums(m) and m.needs <= old.roles & new.roles]
    for name, axis_name, arms in row_sums(observations, sums, axes, context, lacks=lacks):
        yield name, axis_name, replace(arms, compare="change", baseline=baseline, method=f"paired {arms.method}")


def _is_of_sums(metric: Metric) -> TypeGuard[RowMean | RowFunction]:
    return isinstance(metric, RowFunction) or (isinstance(metric, RowMean) and metric.root)


def _sums_change(metric: RowMean | RowFunction, baseline: str, version: str | None) -> RowFunction:
    """The change of a root mean, or of a function of sums, as one function of the sums of both versions."""

    def rows(table: ir.Table) -> dict[str, ir.Value]:
        def of(name: str | None) -> dict[str, ir.Value]:
            seen = View(table, name)
            if isinstance(metric, RowFunction):
                return {term: as_number(value) for term, value in metric.rows(seen).items()}
            value = as_number(metric.row(seen))
            return {"n": ibis.ifelse(value.notnull(), 1.0, 0.0), "value": value}

        both = {f"{side}.{term}": value for side, name in (("old", baseline), ("new", version))
                for term, value in of(name).items()}  # fmt: skip
        return {"n": both["new.n"], **both}

    def function(sums: Mapping[str, Any]) -> Any:
        def of(side: str) -> Any:
            own = {term.removeprefix(f"{side}."): total for term, total in sums.items() if term.startswith(f"{side}.")}
            return metric.function(own) if isinstance(metric, RowFunction) else (own["value"] / own["n"]) ** 0.5

        return of("new") - of("old")

    return RowFunction(
        name=metric.name,
        title=metric.title,
        meaning=metric.meaning,
        tasks=metric.tasks,
        needs=metric.needs,
        better=metric.better,
        rows=rows,
        function=function,
    )


def _change_bounds(metric: RowMean) -> tuple[float, float] | None:
    if metric.bounds is None:
        return None
    least, most = metric.bounds
    return least - most, most - least


def _row_change(metric: RowMean, baseline: str, version: str | None) -> Callable[[ir.Table], ir.Value]:
    """The change of a row's value. Both versions' columns live in one table, so that the rows are the same."""

    def row(table: ir.Table) -> ir.Value:
        def of(name: str | None) -> ir.Value:
            return as_number(metric.row(View(table, name)))

        return of(version) - of(baseline)

    return row


def _lacks_in_either(columns: Sequence[str], baseline: str, version: str | None) -> Condition:
    """Where one of the columns is missing in one of the versions."""
    lacks = lacking(columns)
    return lambda table: lacks(View(table, baseline)) | lacks(View(table, version))


def _case_of_both(metric: RowMean, baseline: str, version: str | None) -> Callable[[ir.Table], ir.BooleanValue] | None:
    """The rows that a metric is about in both versions."""
    case: Callable[[Any], ir.BooleanValue] | None = metric.case
    if case is None:
        return None
    return lambda table: case(View(table, baseline)) & case(View(table, version))
