"""Rates of what scorers and people said of answers, of one version and between two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from shipworthy.api.measuring.versions import View, column_of
from shipworthy.estimate.arms import Arms, Context
from shipworthy.estimate.outcomes import (
    MISSING,
    PAIRS,
    PARTS,
    SAME,
    STRATA,
    SURE,
    VERSIONS,
    measure_corrected_change,
    measure_outcome,
    measure_outcome_change,
    term,
)
from shipworthy.metrics.kinds import OutcomeRate
from shipworthy.observations.passes import tally_terms
from shipworthy.observations.table import Axis, Observations
from shipworthy.observations.truth import as_number


def outcome_rates(
    observations: Observations, metrics: Sequence[OutcomeRate], axes: Sequence[Axis], context: Context
) -> Iterable[tuple[str, str, Arms]]:
    """Rates of outcomes on every axis, corrected with the labels of people where there are any."""
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


def outcome_changes(
    observations: Observations,
    metrics: Sequence[OutcomeRate],
    axes: Sequence[Axis],
    context: Context,
    baseline: str,
) -> Iterable[tuple[str, str, Arms]]:
    """How rates of outcomes changed, case by case."""
    for metric in metrics:
        old, new = (View(observations.table, version) for version in (baseline, context.variant))
        asked = _asked(metric, old), _asked(metric, new)  # where one was never asked, the other tells
        case = (asked[0].fill_null(asked[1]) & asked[1].fill_null(asked[0])).fill_null(False)
        judged = metric.outcome in observations.judged
        human = f"{metric.outcome}.human"
        labelled = [column_of(human, version) in observations.roles for version in (baseline, context.variant)]
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
    said, called = ([column_of(name, version) for version in versions] for name in ("response", "tool_calls"))
    if not {*said, *called} <= set(table.columns):
        return ibis.literal(False)
    same: ir.BooleanValue = (table[said[0]] == table[said[1]]).fill_null(False)
    return same & table[called[0]].identical_to(table[called[1]])
