"""From an evaluation's rows to arms: which passes the metrics need, each metric bound to what its pass brought."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TypeAlias, TypeGuard

import ibis
import ibis.expr.types as ir
import numpy as np

from shipworthy.errors import DataError, Fault
from shipworthy.estimate.arms import Arms, Context, measure
from shipworthy.estimate.changes import measure_auc_change
from shipworthy.estimate.curves import CalibrationCurve
from shipworthy.estimate.lists import measure_list_change, measure_rows
from shipworthy.estimate.means import MOST_BETS, MOST_SKEWED, judged_function, judged_mean
from shipworthy.estimate.missing import (
    CellMetric,
    bounded_error,
    completed_by,
    measure_counts,
    measure_counts_change,
)
from shipworthy.estimate.outcomes import (
    MISSING,
    PAIRS,
    PARTS,
    SAME,
    STRATA,
    SURE,
    VERSIONS,
    either_way,
    measure_corrected_change,
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
from shipworthy.observations.answers import RESERVED
from shipworthy.observations.passes import fetch_rows, histograms, tally_cells, tally_terms
from shipworthy.observations.table import EVERYONE, Axis, Locate, Observations
from shipworthy.observations.tally import Rows, Tally
from shipworthy.observations.truth import as_number
from shipworthy.scorers.catalogue import measuring

UNWEIGHTED = "this metric is not defined here for weighted rows"
Condition: TypeAlias = Callable[[Any], ir.BooleanValue]  # of a table


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
            mend="name the column under roles, or drop the metric"
            if metric.needs - roles != {"prediction"} or "score" not in roles
            else "say under roles which scores count as yes, such as prediction: 'subject.score >= 0.5' (or a column "
            "of the data in its place), or drop the metric",
        )
        if observations.task != "generative"
        else unfilled(metric, metric.needs - roles, where)
        for metric in metrics
        if metric.needs - roles
    ]
    faults += [
        Fault(
            code="DATA017",
            what=f"the metric {metric.name!r} is for {' or '.join(sorted(metric.tasks))}; this is {observations.task}",
            where=where,
            mend=f"drop the metric, or set task: {sorted(metric.tasks)[0]}",
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


def unfilled(metric: Metric, missing: frozenset[str], where: str) -> Fault:
    """The fault of a metric of answers whose columns nothing fills, and which scorers would."""
    lacks, advice = [], []
    for need in sorted(missing):
        if need.startswith(_OUTCOME):
            kinds = measuring(outcome := need.removeprefix(_OUTCOME))
            more = ", ..." if len(kinds) > _SHOWN_KINDS else ""
            lacks.append(f"a scorer that measures {outcome}")
            advice.append(f"add one under scorers: {', '.join(kinds[:_SHOWN_KINDS])}{more}")
        elif need in RESERVED:
            lacks.append(f"{need}, which no answer has")
        else:
            lacks.append(f"a scorer called {need}")
            advice.append(f"give a scorer under scorers name: {need}")
    what = f"the metric {metric.name!r} needs {' and '.join(lacks)}"
    told = "; ".join([*advice, "or drop the metric"]) + ("; `shipworthy scorers` lists them all" if advice else "")
    return Fault(code="DATA016", what=what, where=where, mend=told)


_OUTCOME = "outcome."
_SHOWN_KINDS = 5


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
    missing = {role: observations.missing.get(_column(role, version) if role in moved else role, 0) for role in roles}
    missing = {role: rows for role, rows in missing.items() if rows}
    table = observations.table.mutate(**moved)
    return replace(observations, table=table, roles=roles, cells=cells, missing=missing)


def _short(metric: Metric, *versions: Observations) -> list[str]:
    """The columns that a metric reads of these versions and that the system did not fill everywhere."""
    found = {
        role
        for version in versions
        for role in version.missing
        if role in metric.needs or (role.startswith("scores.") and "scores" in metric.needs)
    }
    return sorted(found)


def _lacks(columns: Sequence[str]) -> Condition:
    """Where one of the columns is missing."""
    return lambda table: ibis.or_(*(table[column].isnull() for column in columns))


def _counting_all(metric: RowMean, columns: Sequence[str], table: Any) -> RowMean:
    """The same mean, about every row that has a value or lacks one of the columns."""
    if not columns or metric.case is not None:
        return metric
    bounds = (0.0, 1.0) if isinstance(metric.row(table), ir.BooleanValue) else metric.bounds
    return replace(metric, bounds=bounds, case=lambda table: metric.row(table).notnull() | _lacks(columns)(table))


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
                yield one.name, axis.name, measure_counts(one, tallies[axis.name], context)
    sums = [
        _counting_all(metric, _short(metric, mine), mine.table) if isinstance(metric, RowMean) else metric
        for metric in usable
        if isinstance(metric, RowMean | RowFunction)
    ]
    lacks = {metric.name: _lacks(columns) for metric in sums if (columns := _short(metric, mine))}
    yield from _row_sums(mine, sums, axes, context, lacks=lacks)
    yield from _outcomes(mine, [metric for metric in usable if isinstance(metric, OutcomeRate)], axes, context)
    scored = [metric for metric in usable if isinstance(metric, ScoreStatistic)]
    if scored:
        yield from _scored(mine, scored, axes, context, rng)
    for metric in usable:
        for axis in axes if isinstance(metric, RowQuantile | ListMean) else ():
            if isinstance(metric, RowQuantile):
                arms = _quantile(metric, mine, axis, context)
            elif isinstance(metric, ListMean):
                arms = _lists(metric, mine, axis, context)
            else:
                continue
            if "weight" in mine.roles:
                arms = without_values(arms, lambda known: known or UNWEIGHTED)
            yield metric.name, axis.name, arms


def _quantile(metric: RowQuantile, observations: Observations, axis: Axis, context: Context) -> Arms:
    table, short = observations.table, _short(metric, observations)
    if short and metric.case is None:
        metric = replace(metric, case=lambda table: metric.row(table).notnull() | _lacks(short)(table))
    valued = table.mutate(value=_quantile_of(metric, table))
    own = replace(observations, table=valued.filter(valued["value"].notnull()))
    rows = fetch_rows(own, axis, ["value"])
    arms = measure_rows(metric, rows, context)
    if not short:
        return arms
    gone = np.bincount(rows.slice[np.isnan(rows.columns["value"])], minlength=len(rows.keys)).astype(float)
    return replace(arms, missing=gone) if gone.any() else arms


def _lists(metric: ListMean, observations: Observations, axis: Axis, context: Context) -> Arms:
    """A list with an item that has no score could be as bad or as good as any."""
    columns, table = ["label", "score", "query"], observations.table
    if not _short(metric, observations):
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


def _outcomes(
    observations: Observations, metrics: Sequence[OutcomeRate], axes: Sequence[Axis], context: Context
) -> Iterable[tuple[str, str, Arms]]:
    if not metrics:
        return
    table = observations.table
    groups = {
        m.name: _strata(
            m,
            table,
            _asked(m, table).fill_null(False),
            labelled=f"{m.outcome}.human" in observations.roles,
            sure=f"{m.outcome}.sure" in observations.roles,
        )
        for m in metrics
    }
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


def _strata(
    metric: OutcomeRate, table: Any, case: ir.BooleanValue, *, labelled: bool, sure: bool
) -> dict[str, ir.Value]:
    """Row terms of an outcome: rows by what the scorer said, and among them those that people labelled, if any; apart
    from them those that need no label, if any.
    """
    said = _hit(metric, table[metric.outcome])
    settled, apart = ibis.literal(False), f"{metric.outcome}.sure"
    if sure and apart in table.columns:
        settled = case & table[apart].fill_null(False)
        case &= ~settled
    where = {"yes": case & said.fill_null(False), "no": case & (~said).fill_null(False), "none": case & said.isnull()}
    terms: dict[str, ir.Value] = {term(metric, stratum): where[stratum] for stratum in STRATA}
    if labelled:
        human = _hit(metric, table[f"{metric.outcome}.human"])
        for stratum in STRATA:
            terms[term(metric, stratum, "labelled")] = where[stratum] & human.notnull()
            terms[term(metric, stratum, "positive")] = where[stratum] & human.fill_null(False)
    if sure:
        for stratum, is_hit in zip(SURE, (said, ~said), strict=True):
            rows = settled & is_hit.fill_null(False)
            terms |= {term(metric, stratum): rows, term(metric, stratum, "labelled"): rows}
            terms[term(metric, stratum, "positive")] = rows & said.fill_null(False)
    return {name: as_number(row) for name, row in terms.items()}


def _asked(metric: OutcomeRate, table: Any) -> ir.BooleanValue:
    """The rows that a metric is about; null where a version was never asked."""
    case: ir.BooleanValue = ibis.literal(True) if metric.case is None else metric.case(table).fill_null(False)
    if "status" not in table.columns:
        return case
    asked: ir.BooleanValue = ibis.ifelse(table["status"].isnull(), ibis.null("boolean"), case)
    return asked


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
        old, new = (_View(observations.table, version) for version in (baseline, context.variant))
        asked = _asked(metric, old), _asked(metric, new)  # where one was never asked, the other tells
        case = (asked[0].fill_null(asked[1]) & asked[1].fill_null(asked[0])).fill_null(False)
        judged = metric.outcome in observations.judged
        human = f"{metric.outcome}.human"
        labelled = [_column(human, version) in observations.roles for version in (baseline, context.variant)]
        sure = f"{metric.outcome}.sure" in {role.partition("@")[0] for role in observations.roles}
        if judged and all(labelled):
            same = case & _same_answer(observations.table, baseline, context.variant)
            alike = {part: as_number(same & ibis.literal(part != "positive")) for part in PARTS}
            joint: dict[Any, ir.Value] = {
                (version, name): row
                for version, view in zip(VERSIONS, (old, new), strict=True)
                for name, row in (
                    _strata(metric, view, case & ~same, labelled=True, sure=sure)
                    | {term(metric, SAME, part): row for part, row in alike.items()}
                ).items()
            }
            tallies = tally_terms(observations, axes, joint)
            for axis in axes:
                arms = measure_corrected_change(metric, tallies[axis.name], context, baseline=baseline)
                yield metric.name, axis.name, arms
            continue
        sides = [
            ibis.cases((said.isnull(), MISSING), (said, 1), else_=0)
            for said in (_hit(metric, view[metric.outcome]) for view in (old, new))
        ]
        terms = {pair: as_number(case & (sides[0] == pair[1]) & (sides[1] == pair[2])) for pair in PAIRS}
        tallies = tally_terms(observations, axes, terms)
        for axis in axes:
            arms = measure_outcome_change(metric, tallies[axis.name], context, baseline=baseline, judged=judged)
            yield metric.name, axis.name, arms


def _same_answer(table: ir.Table, *versions: str | None) -> ir.BooleanValue:
    """Where both versions said word for word the same and called the same tools; nowhere, where that was not kept."""
    said, called = ([_column(name, version) for version in versions] for name in ("response", "tool_calls"))
    if not {*said, *called} <= set(table.columns):
        return ibis.literal(False)
    same: ir.BooleanValue = (table[said[0]] == table[said[1]]).fill_null(False)
    return same & table[called[0]].identical_to(table[called[1]])


def _row_sums(
    observations: Observations,
    metrics: Sequence[RowMean | RowFunction],
    axes: Sequence[Axis],
    context: Context,
    *,
    paired: bool = False,
    lacks: Mapping[str, Condition] | None = None,
) -> Iterable[tuple[str, str, Arms]]:
    """lacks: for metrics whose columns the system did not fill everywhere, where it did not."""
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
                    found = _row_sums(observations, [_filled(metric, case, end)], axes, context, paired=paired)
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
                    tally = tallies[axis.name]
                    yield one.name, axis.name, measure_counts_change(one, tally, context, baseline=baseline)
    means = [
        _counting_all(m, _short(m, old, new), new.table)
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
        if isinstance(m, RowMean | RowFunction) and (short := _short(m, old, new))
    }
    for name, axis_name, arms in _row_sums(observations, moved, axes, context, paired=True, lacks=lacks):
        yield name, axis_name, replace(arms, compare="change", baseline=baseline, method=f"paired {arms.method}")
    sums = [_sums_change(m, baseline, version) for m in metrics if _is_of_sums(m) and m.needs <= old.roles & new.roles]
    for name, axis_name, arms in _row_sums(observations, sums, axes, context, lacks=lacks):
        yield name, axis_name, replace(arms, compare="change", baseline=baseline, method=f"paired {arms.method}")
    rates = [m for m in metrics if isinstance(m, OutcomeRate) and m.needs <= old.roles and m.needs <= new.roles]
    yield from _outcome_changes(observations, rates, axes, context, baseline)
    scores = [_column("score", baseline), _column("score", version)]
    if set(scores) <= observations.roles:
        for metric in metrics:
            if isinstance(metric, ScoreStatistic) and metric.statistic == "auc" and "weight" not in observations.roles:
                for axis in axes:
                    yield metric.name, axis.name, _auc_change(metric, observations, axis, context, baseline, scores)
            if isinstance(metric, ListMean) and metric.needs <= observations.roles | {"score"}:
                for axis in axes if "weight" not in observations.roles else ():
                    yield metric.name, axis.name, _list_change(metric, observations, axis, context, baseline, scores)


def _auc_change(  # noqa: PLR0917
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


def _list_change(  # noqa: PLR0917
    metric: ListMean, observations: Observations, axis: Axis, context: Context, baseline: str, scores: list[str]
) -> Arms:
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


def _lacks_in_either(columns: Sequence[str], baseline: str, version: str | None) -> Condition:
    """Where one of the columns is missing in one of the versions."""
    lacks = _lacks(columns)
    return lambda table: lacks(_View(table, baseline)) | lacks(_View(table, version))


def _case_of_both(metric: RowMean, baseline: str, version: str | None) -> Callable[[ir.Table], ir.BooleanValue] | None:
    """The rows that a metric is about in both versions."""
    case: Callable[[Any], ir.BooleanValue] | None = metric.case
    if case is None:
        return None
    return lambda table: case(_View(table, baseline)) & case(_View(table, version))


def of_version(table: ir.Table, version: str | None) -> Any:
    """The table as a metric sees it: with a version's columns in the main places."""
    return _View(table, version)


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
