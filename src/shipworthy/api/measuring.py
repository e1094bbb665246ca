"""From an evaluation's rows to arms: which passes the metrics need, each metric bound to what its pass brought."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias, TypeGuard

import ibis
import ibis.expr.types as ir
import numpy as np

from shipworthy.errors import DataError, Fault
from shipworthy.estimate.arms import Arms, Context, measure
from shipworthy.estimate.changes import measure_auc_change, measure_change
from shipworthy.estimate.curves import CalibrationCurve
from shipworthy.estimate.lists import measure_list_change, measure_rows
from shipworthy.estimate.means import MOST_BETS, judged_function, judged_mean
from shipworthy.estimate.outcomes import (
    MISSING,
    PAIRS,
    STRATA,
    corrected_change,
    measure_outcome,
    measure_outcome_change,
    term,
)
from shipworthy.estimate.scores import curves, measure_scores
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
from shipworthy.observations.passes import fetch_rows, histograms, tally_cells, tally_terms
from shipworthy.observations.table import EVERYONE, Axis, Locate, Observations
from shipworthy.observations.tally import Rows
from shipworthy.observations.truth import as_number

CellMetric: TypeAlias = CellRate | CellMixture | CellFunction


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
    _refuse_missing_roles(observations, metrics, baseline, where)
    measured = Measured(observations=observations)
    axes = (EVERYONE, *observations.axes)
    versions: list[str | None] = [v for v in (None, *observations.variants) if _has_version(observations, v)]
    for version in versions:
        for metric_name, axis_name, arms in _of_version(observations, metrics, axes, version, rng):
            measured.values[version, metric_name, axis_name] = arms
        if (
            with_curves
            and "weight" not in observations.roles
            and observations.task == "binary"
            and {
                "label",
                _column("score", version),
            }
            <= observations.roles
            and _column("score", version) in observations.score_ranges
        ):
            found = histograms(observations, axes, _column("score", version))
            for axis in axes:
                measured.curves += curves(found[axis.name], _context(observations, version))
    if baseline is not None:
        for version in versions:
            if version != baseline:
                for metric_name, axis_name, arms in _changes(observations, metrics, axes, version, baseline):
                    measured.changes[version, metric_name, axis_name] = arms
    return measured


def _column(role: str, version: str | None) -> str:
    return role if version is None else f"{role}@{version}"


def _has_version(observations: Observations, version: str | None) -> bool:
    if version is None:
        return not observations.variants or bool({"prediction", "score", "scores", "status"} & observations.roles)
    return True


def _context(observations: Observations, version: str | None) -> Context:
    return Context(
        evaluation=observations.evaluation,
        minimum_group=observations.minimum_group,
        conditions=frozenset(axis.name for axis in observations.axes if axis.is_condition),
        variant=version,
    )


def _refuse_missing_roles(
    observations: Observations, metrics: Iterable[Metric], baseline: str | None, where: str
) -> None:
    roles = set(observations.roles)
    if any(role.startswith("scores.") for role in roles):
        roles.add("scores")
    if any(role.startswith("prediction@") for role in roles):
        roles.add("prediction")
    if any(role.startswith("score@") for role in roles):
        roles.add("score")
    faults = [
        Fault(
            code="DATA016",
            what=f"the metric {metric.name!r} needs {' and '.join(sorted(metric.needs - roles))}, which no role names",
            where=where,
            mend="name the column under roles, or drop the metric",
        )
        for metric in metrics
        if metric.needs - roles
    ]
    faults += [
        Fault(
            code="DATA017",
            what=f"the metric {metric.name!r} is for {' or '.join(sorted(metric.tasks))}; this is {observations.task}",
            where=where,
            mend="drop the metric, or set task:",
        )
        for metric in metrics
        if observations.task not in metric.tasks
    ]
    faults += [
        Fault(
            code="DATA017",
            what=f"the metric {metric.name!r} is a share, and {metric.outcome!r} gives numbers",
            where=where,
            mend=f"write mean[{metric.outcome}] or p95[{metric.outcome}]",
        )
        for metric in metrics
        if isinstance(metric, OutcomeRate)
        and metric.outcome in observations.roles
        and observations.table[metric.outcome].type().is_numeric()
    ]
    if baseline is not None and baseline not in observations.variants:
        faults.append(
            Fault(
                code="DATA018",
                what=f"the baseline {baseline!r} is not a variant of this evaluation",
                where=where,
                mend=f"the variants are {', '.join(observations.variants) or 'none'}",
            )
        )
    faults += [
        Fault(
            code="DATA008",
            what=f"the {role} is missing in every row",
            where=where,
            mend="name the column that holds it",
        )
        for role in sorted(observations.roles)
        if role.partition("@")[0] == "score"
        and role not in observations.score_ranges
        and any("score" in metric.needs for metric in metrics)
    ]
    if faults:
        raise DataError(faults)


def _version_of(observations: Observations, version: str | None) -> Observations:
    """The same rows with a variant's prediction and score in the main places."""
    if version is None:
        return observations
    moved = {
        role.removesuffix(f"@{version}"): observations.table[role]
        for role in observations.roles
        if role.endswith(f"@{version}")
    }
    cells = observations.cells
    if cells is not None and "prediction" in moved:
        others = [column for column in cells.column_names if column != "prediction"]
        cells = cells.select(others).append_column("prediction", cells[_column("prediction", version)])
    varying = {"prediction", "score"} | {role.rpartition("@")[0] for role in observations.roles if "@" in role}
    roles = observations.roles - varying | set(moved)  # what a variant does not have is not borrowed
    return replace(observations, table=observations.table.mutate(**moved), roles=roles, cells=cells)


def _of_version(
    observations: Observations,
    metrics: Sequence[Metric],
    axes: Sequence[Axis],
    version: str | None,
    rng: np.random.Generator,
) -> Iterable[tuple[str, str, Arms]]:
    mine = _version_of(observations, version)
    context = _context(observations, version)
    usable = [metric for metric in metrics if {n for n in metric.needs if n != "scores"} <= mine.roles]
    cells: list[CellMetric] = [metric for metric in usable if isinstance(metric, CellRate | CellMixture | CellFunction)]
    if cells:
        outcomes = [role for role in ("label", "prediction") if role in mine.roles]
        tallies = tally_cells(mine, axes, outcomes)
        for one in cells:
            for axis in axes:
                yield one.name, axis.name, measure(one, tallies[axis.name], context)
    yield from _row_sums(
        mine, [metric for metric in usable if isinstance(metric, RowMean | RowFunction)], axes, context
    )
    yield from _outcomes(mine, [metric for metric in usable if isinstance(metric, OutcomeRate)], axes, context)
    scored = [metric for metric in usable if isinstance(metric, ScoreStatistic)]
    if scored:
        yield from _scored(mine, scored, axes, context, rng)
    for metric in usable:
        for axis in axes if isinstance(metric, RowQuantile | ListMean) else ():
            if isinstance(metric, RowQuantile):
                own = replace(mine, table=mine.table.mutate(value=metric.row(mine.table)))
                arms = measure_rows(metric, fetch_rows(own, axis, ["value"]), context)
            elif isinstance(metric, ListMean):
                arms = measure_rows(metric, fetch_rows(mine, axis, ["label", "score", "query"]), context)
            else:
                continue
            if "weight" in mine.roles:
                arms = without_values(arms, lambda known: known or "this metric is not defined here for weighted rows")
            yield metric.name, axis.name, arms


def _outcomes(
    observations: Observations, metrics: Sequence[OutcomeRate], axes: Sequence[Axis], context: Context
) -> Iterable[tuple[str, str, Arms]]:
    if not metrics:
        return
    groups = {metric.name: _strata(metric, observations) for metric in metrics}
    terms = {name: row for group in groups.values() for name, row in group.items()}
    tallies = tally_terms(observations, axes, terms, [list(group) for group in groups.values()])
    for metric in metrics:
        for axis in axes:
            yield (
                metric.name,
                axis.name,
                measure_outcome(
                    metric,
                    tallies[axis.name].select(list(groups[metric.name])),
                    context,
                    judged=metric.outcome in observations.judged,
                    labelled=f"{metric.outcome}.human" in observations.roles,
                ),
            )


def _strata(metric: OutcomeRate, observations: Observations) -> dict[str, ir.Value]:
    """Row terms of an outcome: rows by what the scorer said, and among them those that people labelled."""
    table = observations.table
    case, said = _asked(metric, table), _hit(metric, table[metric.outcome])
    where = {"yes": case & said.fill_null(False), "no": case & (~said).fill_null(False), "none": case & said.isnull()}
    terms: dict[str, ir.Value] = {term(metric, stratum): where[stratum] for stratum in STRATA}
    if f"{metric.outcome}.human" in observations.roles:
        human = _hit(metric, table[f"{metric.outcome}.human"])
        for stratum in STRATA:
            terms[term(metric, stratum, "labelled")] = where[stratum] & human.notnull()
            terms[term(metric, stratum, "positive")] = where[stratum] & human.fill_null(False)
    return {name: as_number(row) for name, row in terms.items()}


def _asked(metric: OutcomeRate, table: Any) -> ir.BooleanValue:
    """The rows that a metric is about."""
    case: ir.BooleanValue = ibis.literal(True) if metric.case is None else metric.case(table).fill_null(False)
    return case


def _hit(metric: OutcomeRate, outcome: ir.Value) -> ir.BooleanValue:
    if metric.hit is not None:
        hit: ir.BooleanValue = metric.hit(outcome)
        return hit
    return outcome != "full" if outcome.type().is_string() else outcome  # what is not refused outright goes through


def _outcome_changes(
    observations: Observations,
    metrics: Sequence[OutcomeRate],
    axes: Sequence[Axis],
    context: Context,
    baseline: str,
) -> Iterable[tuple[str, str, Arms]]:
    for metric in metrics:
        if f"{metric.outcome}.human" in observations.roles:
            found = []
            for version in (baseline, context.variant):
                mine = _version_of(observations, version)
                found.append({axis: arms for _, axis, arms in _outcomes(mine, [metric], axes, context)})
            for axis in axes:
                yield metric.name, axis.name, corrected_change(*(f[axis.name] for f in found), baseline=baseline)
            continue
        old, new = (_View(observations.table, version) for version in (baseline, context.variant))
        case = _asked(metric, old) & _asked(metric, new)
        sides = [
            ibis.cases((said.isnull(), MISSING), (said, 1), else_=0)
            for said in (_hit(metric, view[metric.outcome]) for view in (old, new))
        ]
        terms = {pair: as_number(case & (sides[0] == pair[1]) & (sides[1] == pair[2])) for pair in PAIRS}
        tallies = tally_terms(observations, axes, terms)
        for axis in axes:
            judged = metric.outcome in observations.judged
            arms = measure_outcome_change(metric, tallies[axis.name], context, baseline=baseline, judged=judged)
            yield metric.name, axis.name, arms


def _row_sums(
    observations: Observations,
    metrics: Sequence[RowMean | RowFunction],
    axes: Sequence[Axis],
    context: Context,
    *,
    paired: bool = False,
) -> Iterable[tuple[str, str, Arms]]:
    if not metrics:
        return
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
        else:
            own = {f"{metric.name}.{name}": row for name, row in metric.rows(observations.table).items()}
        terms |= own
        groups.append(list(own))
    tallies = tally_terms(observations, axes, terms, groups)
    context = replace(context, proportions=frozenset(conditions))
    for metric, group in zip(metrics, groups, strict=True):
        for axis in axes:
            tally = tallies[axis.name].select(group)
            arms = measure(metric, tally, context)
            if isinstance(metric, RowMean) and metric.name not in conditions:
                fetch = partial(_fetch_values, observations, metric, axis)
                arms = judged_mean(metric, tally, arms, fetch, paired=paired)
            elif isinstance(metric, RowFunction):
                arms = judged_function(arms)
            yield metric.name, axis.name, _refuse_improbable(arms, metric, observations)


def _fetch_values(observations: Observations, metric: RowMean, axis: Axis) -> Rows:
    """A metric's row values, of levels with few rows only; NaN where a row has none."""
    table = observations.table.mutate(value=as_number(metric.row(observations.table)).fill_null(float("nan")))
    if axis.columns:
        rows = table.mutate(level_rows=table.count().over(group_by=list(axis.columns)))
        table = rows.filter(rows["level_rows"] < MOST_BETS)
    return fetch_rows(replace(observations, table=table), axis, ["value"])


def _refuse_improbable(arms: Arms, metric: Metric, observations: Observations) -> Arms:
    """A proper score asks for probabilities: anything else has no value."""
    lowest, highest = observations.score_ranges.get(_column("score", arms.variant), (0.0, 1.0))
    if not metric.probability or (lowest >= 0 and highest <= 1):
        return arms
    reason = f"scores from {lowest:g} to {highest:g} are not probabilities"
    return without_values(arms, lambda known: known or reason)


def without_values(arms: Arms, reason: Callable[[str | None], str | None]) -> Arms:
    """The same slices with no value, each for its reason."""
    size = len(arms.slices)
    return replace(
        arms,
        values=np.full(size, np.nan),
        effective=np.full(size, np.nan),
        reasons=tuple(reason(known) for known in arms.reasons),
        limits=lambda level: (np.full(size, -np.inf), np.full(size, np.inf)),
        gate=None,
    )


def _scored(
    observations: Observations,
    metrics: Sequence[ScoreStatistic],
    axes: Sequence[Axis],
    context: Context,
    rng: np.random.Generator,
) -> Iterable[tuple[str, str, Arms]]:
    weighted = "weight" in observations.roles
    score = _column("score", context.variant)
    found = histograms(observations, axes, score)
    for axis in axes:
        rows = None
        if "cluster" in observations.roles and not weighted:
            rows = fetch_rows(observations, axis, ["label", score])
        for metric in metrics:
            arms = measure_scores(metric, found[axis.name], context, rng=rng, rows=rows, score=score)
            if weighted:
                arms = without_values(arms, lambda known: known or "this metric is not defined here for weighted rows")
            yield metric.name, axis.name, arms


def _changes(
    observations: Observations, metrics: Sequence[Metric], axes: Sequence[Axis], version: str | None, baseline: str
) -> Iterable[tuple[str, str, Arms]]:
    context = _context(observations, version)
    old, new = _version_of(observations, baseline), _version_of(observations, version)
    cells: list[CellMetric] = [
        metric for metric in metrics if isinstance(metric, CellRate | CellMixture | CellFunction)
    ]
    predictions = [_column("prediction", baseline), _column("prediction", version)]
    if cells and set(predictions) <= observations.roles:
        outcomes = [*(["label"] if "label" in observations.roles else []), *predictions]
        tallies = tally_cells(observations, axes, outcomes)
        for one in cells:
            if "prediction" in one.needs:
                for axis in axes:
                    yield one.name, axis.name, measure_change(one, tallies[axis.name], context, baseline=baseline)
    means = [
        m for m in metrics if isinstance(m, RowMean) and not m.root and m.needs <= old.roles and m.needs <= new.roles
    ]
    moved = [replace(m, row=_row_change(m, baseline, version), bounds=_change_bounds(m)) for m in means]
    for name, axis_name, arms in _row_sums(observations, moved, axes, context, paired=True):
        yield name, axis_name, replace(arms, compare="change", baseline=baseline, method=f"paired {arms.method}")
    sums = [_sums_change(m, baseline, version) for m in metrics if _is_of_sums(m) and m.needs <= old.roles & new.roles]
    for name, axis_name, arms in _row_sums(observations, sums, axes, context):
        yield name, axis_name, replace(arms, compare="change", baseline=baseline, method=f"paired {arms.method}")
    rates = [m for m in metrics if isinstance(m, OutcomeRate) and m.needs <= old.roles and m.needs <= new.roles]
    yield from _outcome_changes(observations, rates, axes, context, baseline)
    scores = [_column("score", baseline), _column("score", version)]
    if set(scores) <= observations.roles:
        for metric in metrics:
            if isinstance(metric, ScoreStatistic) and metric.statistic == "auc" and "weight" not in observations.roles:
                for axis in axes:
                    rows = fetch_rows(observations, axis, ["label", *scores])
                    yield (
                        metric.name,
                        axis.name,
                        measure_auc_change(metric, rows, context, baseline=baseline, old=scores[0], new=scores[1]),
                    )
            if isinstance(metric, ListMean) and metric.needs <= observations.roles | {"score"}:
                for axis in axes if "weight" not in observations.roles else ():
                    rows = fetch_rows(observations, axis, ["label", *scores, "query"])
                    yield (
                        metric.name,
                        axis.name,
                        measure_list_change(metric, rows, context, baseline=baseline, old=scores[0], new=scores[1]),
                    )


def _is_of_sums(metric: Metric) -> TypeGuard[RowMean | RowFunction]:
    return isinstance(metric, RowFunction) or (isinstance(metric, RowMean) and metric.root)


def _sums_change(metric: RowMean | RowFunction, baseline: str, version: str | None) -> RowFunction:
    """The change of a root mean, or of a function of sums, as one function of the sums of both versions."""

    def rows(table: ir.Table) -> dict[str, ir.Value]:
        def of(name: str | None) -> dict[str, ir.Value]:
            seen = _View(table, name)
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
            return as_number(metric.row(_View(table, name)))

        return of(version) - of(baseline)

    return row


class _View:
    """A table seen through one version: its prediction and score stand in the main places."""

    def __init__(self, table: ir.Table, version: str | None) -> None:
        self._table, self._version = table, version

    def __getattr__(self, name: str) -> ir.Value:
        return self[name]

    def __getitem__(self, name: str) -> ir.Value:
        own = _column(name, self._version)
        return self._table[own if own in self._table.columns else name]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._table.columns)
