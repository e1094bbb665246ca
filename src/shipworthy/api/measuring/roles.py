"""Metrics whose roles no column fills, and what would fill them."""

from __future__ import annotations

from collections.abc import Iterable

from shipworthy.errors import DataError, Fault
from shipworthy.metrics.kinds import Metric, OutcomeRate
from shipworthy.observations.answers import RESERVED
from shipworthy.observations.table import Observations
from shipworthy.scorers.catalogue import measuring

_OUTCOME = "outcome."


_SHOWN_KINDS = 5


def refuse_missing_roles(
    observations: Observations, metrics: Iterable[Metric], baseline: str | None, where: str
) -> None:
    """Raises DataError: DATA008, DATA016 to DATA018, all that is wrong at once."""
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
