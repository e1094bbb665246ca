"""Evaluate a table in memory, from Python: the same rows, metrics, intervals and gates as a plan's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from shipworthy.api.checking import DISPLAY_LEVEL, plan_verdicts
from shipworthy.api.evaluating import Evaluated, evaluate_rows
from shipworthy.errors import DataError, Fault, PlanError, Unusable
from shipworthy.estimate.estimates import Estimate
from shipworthy.estimate.pairs import all_pairs
from shipworthy.gates.verdicts import Verdict
from shipworthy.observations.findings import Exclusion
from shipworthy.plan import models
from shipworthy.plan.faults import validation_faults
from shipworthy.plan.tree import Loc, Node, Source, path_text

if TYPE_CHECKING:
    from shipworthy.notebook.display import Chart

_NAME = "table"


class Evaluation:
    """What was measured on a table: estimates as frames, gaps between slices, and claims judged on them."""

    def __init__(self, evaluated: Evaluated, seed: int) -> None:
        self._evaluated, self._seed = evaluated, seed

    @property
    def estimates(self) -> list[Estimate]:
        """Every metric on everyone and on every slice."""
        return [one for arms in self._evaluated.measured.values.values() for one in arms.estimates(DISPLAY_LEVEL)]

    @property
    def exclusions(self) -> list[Exclusion]:
        """Rows that were left out, each reason with their number."""
        return [exclusion for exclusion in self._evaluated.observations.exclusions if exclusion.rows]

    def to_arrow(self) -> pa.Table:
        """One row per estimate: metric, slice, value, low, high, n, missing, effective_n, method, reason."""
        records = []
        for estimate in self.estimates:
            record = {"missing": 0, **estimate.as_json()}
            levels = ("missing" if value is None else str(value) for value in estimate.slice.values())
            record["slice"] = " × ".join(levels) or "everyone"
            record["axis"] = " × ".join(estimate.slice) if "name" not in estimate.slice else "condition"
            records.append({key: record[key] for key in _COLUMNS})
        return pa.Table.from_pylist(records, schema=_SCHEMA)

    def to_pandas(self) -> Any:
        """The estimates as a pandas frame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """The estimates as a Polars frame. Raises ImportError without Polars."""
        import polars

        return polars.from_arrow(self.to_arrow())

    def gaps(self, metric: str, across: str | Sequence[str], *, compare: str = "difference") -> list[Estimate]:
        """Every pair of slices with its own interval at 95 %: the larger against the smaller. Claims use `require`."""
        arms = self._evaluated.measured.values.get((None, metric, self._axis(across)))
        if arms is None:
            raise Unusable(_unmeasured(repr(metric), [one.name for one in self._evaluated.metrics]))
        pairs = all_pairs(arms, "ratio" if compare == "ratio" else "difference")
        low, high = pairs.limits(DISPLAY_LEVEL)
        neutral = 1.0 if compare == "ratio" else 0.0
        chosen = [
            i
            for i, value in enumerate(pairs.values)
            if value > neutral or ((value == neutral or np.isnan(value)) and pairs.first[i] < pairs.second[i])
        ]
        return [pairs.estimate(i, float(low[i]), float(high[i]), DISPLAY_LEVEL, "mover") for i in chosen]

    def chart(self, metric: str, across: str | Sequence[str] | None = None) -> Chart:
        """The forest plot of a metric: everyone, and every slice of the axis. Notebooks draw it.

        Raises Unusable for an axis that was not sliced, ValueError for a metric that was not measured.
        """
        from shipworthy.notebook.display import chart

        wanted = {"", self._axis(across)}
        return chart(
            [
                one
                for (_, name, axis), arms in self._evaluated.measured.values.items()
                if name == metric and axis in wanted
                for one in arms.estimates(DISPLAY_LEVEL)
            ]
        )

    def require(self, metric: str, **claim: Any) -> Verdict:
        """Judge one claim, written as in a plan: across, compare, reference, at_least, at_most, within, confidence.

        The metric and the axis must have been measured. Raises PlanError with what is wrong with the claim.
        """
        requirement = _model(models.Requirement, {"id": claim.pop("id", "claim"), "metric": metric, **claim})
        self._axis(requirement.across)
        plan = models.Plan(
            system=models.System(name=_NAME),
            evaluations={_NAME: self._evaluated.model},
            requirements=(requirement,),
            seed=self._seed,
        )
        rng = np.random.default_rng(self._seed)
        return plan_verdicts(plan, {_NAME: self._evaluated}, {}, lambda path: "the claim", rng)[0]

    def _axis(self, across: str | Sequence[str] | None) -> str:
        try:
            return self._evaluated.observations.axis(across).name
        except KeyError as error:
            raise Unusable(_unmeasured(f"slices of {across!r}", [error.args[0]])) from None

    def __repr__(self) -> str:
        rows = self._evaluated.observations.rows
        return f"<Evaluation of {rows:,} rows: {', '.join(metric.name for metric in self._evaluated.metrics)}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        from shipworthy.notebook.display import bundle

        return bundle(self.estimates, repr(self))


_COLUMNS = (
    "metric",
    "axis",
    "slice",
    "variant",
    "value",
    "low",
    "high",
    "level",
    "n",
    "missing",
    "effective_n",
    "method",
    "reason",
)
_SCHEMA = pa.schema(
    [
        (
            name,
            pa.int64()
            if name in ("n", "missing")
            else pa.float64()
            if name in ("value", "low", "high", "level", "effective_n")
            else pa.string(),
        )
        for name in _COLUMNS
    ]
)


def evaluate(
    frame: Any,
    *,
    label: str | None = None,
    prediction: str | None = None,
    score: str | None = None,
    slices: Sequence[Any] = (),
    metrics: Sequence[Any] = (),
    positive: Any = None,
    task: str | None = None,
    seed: int = 0,
    **more: Any,
) -> Evaluation:
    """Evaluate decisions in a pandas, Polars or Arrow table, or a dict of columns.

    label, prediction, score: column names, or SQL expressions such as "score >= 0.5". slices, metrics: as in a plan;
    a metric may also be a function of columns. more: further roles (id, cluster, weight, query, lower, upper,
    scores, at) and
    settings of an evaluation (variants, where, minimum_group, fold_below).
    Raises PlanError or DataError with everything that is wrong.
    """
    if frame is None:
        raise DataError(
            Fault(
                code="DATA006", what="None is not a table", where="the call", mend="give a table or a dict of columns"
            )
        )
    slices, metrics = _many("slices", slices), _many("metrics", metrics)
    roles = {"label": label, "prediction": prediction, "score": score, "positive": positive}
    roles |= {key: more.pop(key) for key in list(more) if key in models.Roles.model_fields}
    functions = [entry for entry in metrics if callable(entry)]
    settings = {
        "data": _NAME,
        "task": task,
        "roles": {key: value for key, value in roles.items() if value is not None},
        "slices": [tuple(entry) if isinstance(entry, list) else entry for entry in slices],
        "metrics": [entry for entry in metrics if not callable(entry)],
        **more,
    }
    model = _model(models.Evaluation, settings)
    evaluated = evaluate_rows(
        _NAME,
        model,
        resolve=lambda text: text,
        locate=lambda *path: ".".join(str(part) for part in path if part is not None) or "the call",
        rng=np.random.default_rng(seed),
        frame=frame,
        checks=False,
        digest=False,
        curves=False,
        functions=functions,
    )
    return Evaluation(evaluated, seed)


def _unmeasured(what: str, known: Sequence[str]) -> Fault:
    return Fault(
        code="PLAN071",
        what=f"{what} is asked for, and not measured",
        where="the claim",
        mend=f"name it in evaluate(...); there is {', '.join(known)}",
    )


def _model(kind: Any, settings: Mapping[str, Any]) -> Any:
    from pydantic import ValidationError

    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        at: Loc = ("evaluations", _NAME) if kind is models.Evaluation else ("requirements", 0)
        call = {"evaluations": {_NAME: settings}, "requirements": [settings]}
        source = _Call(file="the call", text="", root=_node(call))
        raise PlanError(replace(fault, code="CALL005") for fault in validation_faults(source, error, at=at)) from error


class _Call(Source):
    """The arguments of a call in the place of a plan's file, so that both are told of in the same words."""

    def where(self, loc: Loc, *, key: bool = False) -> str:  # noqa: ARG002  a call has no line for it to stand in
        return path_text(loc[2:]) or self.file


def _node(value: Any) -> Node:
    if isinstance(value, Mapping):
        value = {str(key): (_node(key), _node(each)) for key, each in value.items()}
    elif isinstance(value, list | tuple):
        value = [_node(each) for each in value]
    return Node(value=value, line=0, column=0)


def _many(name: str, given: Any) -> list[Any]:
    """One entry or several, as a list."""
    if isinstance(given, str | Mapping) or callable(given):
        return [given]
    if not isinstance(given, Sequence) or not all(entry or callable(entry) for entry in given):
        what = f"{name} must be a list of names, and holds {given!r}"[:200]
        raise PlanError(Fault(code="CALL005", what=what, where="the call", mend=f'write {name}=["sex"], for example'))
    return list(given)
