"""What kind of decision a table holds, where the plan does not say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ibis.expr.types as ir

from shipworthy.observations.conditions import translate
from shipworthy.plan.models import Evaluation, Task

_ORDER: tuple[Task, ...] = ("binary", "multiclass", "regression", "ranking")


def infer_task(
    model: Evaluation, possible: Iterable[frozenset[str]], table: ir.Table, backend: Any, *, where: str
) -> Task:
    """Tell the task from the roles, then from the metrics, then from the label's values.

    possible: for each metric named, the tasks it is defined for.
    Raises DataError where the label cannot be read.
    """
    if model.task is not None:
        return model.task
    roles = model.roles
    if roles.query is not None:
        return "ranking"
    if roles.scores:
        return "multiclass"
    candidates = [task for task in _ORDER if all(task in tasks for tasks in possible)]
    if len(candidates) == 1:
        return candidates[0]
    if roles.positive is not None:
        return "binary"
    text = (
        roles.label or roles.prediction or next((v.prediction for v in model.variants.values() if v.prediction), None)
    )
    if text is None:
        return candidates[0] if candidates else "binary"
    value = translate(text, table, where=where)
    kind = value.type()
    if kind.is_boolean() or kind.is_null():
        return "binary"
    if kind.is_numeric():
        facts = table.aggregate(n=value.nunique(), low=value.min(), high=value.max())
        found = backend.to_pyarrow(facts).to_pylist()[0]
        if found["n"] <= 2 and found["low"] in (0, 1, None) and found["high"] in (0, 1, None):
            return "binary"
        if "regression" in candidates or not candidates:
            return (
                "regression"
                if kind.is_floating() or found["n"] > 20
                else ("multiclass" if "multiclass" in candidates else "regression")
            )
        return "multiclass" if "multiclass" in candidates and 2 < found["n"] <= 50 else "binary"
    distinct = backend.to_pyarrow(table.aggregate(n=value.nunique())).to_pylist()[0]["n"]
    return "multiclass" if distinct > 2 and "multiclass" in candidates else "binary"
