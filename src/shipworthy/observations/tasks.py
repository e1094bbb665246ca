"""What kind of decision a table holds, where the plan does not say."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import ibis.expr.types as ir

from shipworthy.observations.conditions import translate
from shipworthy.plan.models import Evaluation, Level, Roles, Task

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
    candidates = [task for task in _ORDER if all(task in tasks for tasks in possible)]
    if roles.scores and candidates != ["binary"]:
        is_binary = len(roles.scores) <= 2 and candidates != ["multiclass"]
        return "binary" if is_binary else "multiclass"
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


def score_of_positive(roles: Roles) -> str | None:
    """The score of a binary decision: the one that is named, else of the scores by class that of the positive class,
    which is `positive`, or the class 1 or true. None where no class is either.
    """
    if roles.score is not None or not roles.scores:
        return roles.score
    wanted = (True,) if roles.positive is None else (roles.positive, True)
    return next((roles.scores[name] for level in wanted for name in roles.scores if _is_level(name, level)), None)


def _is_level(name: str, level: Level) -> bool:
    """Whether a class, of which the name is known, is this level: 1, 1.0 and true are one."""
    if name.casefold() == str(level).casefold():
        return True
    with suppress(ValueError):
        return float(name) == float(level)
    return False
