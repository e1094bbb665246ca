"""From a metric's name in a plan to the metric."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from shipworthy import registry
from shipworthy.errors import Fault, Unusable
from shipworthy.metrics import binary, fairness, generative, multiclass, ranking, regression, scores
from shipworthy.metrics.kinds import Metric, RowMean, Summary

_ROOMS = (multiclass, binary, scores, regression, ranking, generative)
_TASKS = {
    "binary": (binary, multiclass, scores),
    "multiclass": (multiclass,),
    "regression": (regression,),
    "ranking": (ranking,),
    "generative": (generative,),
}
_ALL: Mapping[str, Metric] = {metric.name: metric for room in _ROOMS for metric in room.METRICS}


class UnknownMetric(Unusable):
    """A name that no metric has, with the nearest that there are."""


def lookup(name: str, task: str | None = None) -> Metric | Summary:
    """Find a metric or a fairness summary by name.

    name: `fpr`, an alias such as `false_positive_rate`, one with a number such as `ndcg@10`, or one of a class:
    `recall[spam]`.
    task: disambiguates names that two tasks share (`recall` of decisions, `recall@10` of lists).
    A package that registers metrics under the entry point `shipworthy.metrics` is asked when none of ours has the name.
    Raises UnknownMetric (PLAN050).
    """
    summary = fairness.ALIASES.get(name, name)
    if summary in fairness.SUMMARIES:
        return replace(fairness.SUMMARIES[summary], name=name)
    if name.endswith("]") and "[" in name:
        statistic, _, target = name[:-1].partition("[")
        if statistic in multiclass.CLASS_STATISTICS:
            return multiclass.of_class(statistic, target)
        if (scored := generative.of_scorer(statistic, target)) is not None:
            return scored
    stem, _, number = name.partition("@")
    for room in _TASKS.get(task or "", _ROOMS):
        own = room.ALIASES.get(name, name)
        found: Metric | None = next((metric for metric in room.METRICS if metric.name == own), None)
        parametric: Mapping[str, Callable[[Any], Metric]] = getattr(room, "PARAMETRIC", {})
        if number and stem in parametric and (parameter := _parameter(stem, number)) is not None:
            found = parametric[stem](parameter)
        if found is not None:
            return replace(found, name=name)
    if task is not None:
        return lookup(name)
    if name in registry.names("metrics"):
        strange = registry.load("metrics", name)
        return strange if isinstance(strange, Metric) else custom(strange, name)
    raise UnknownMetric(Fault(code="PLAN050", what=f"no metric is called {name[:80]!r}", mend=suggestion(name)))


def _parameter(stem: str, number: str) -> Any:
    try:
        value: float = float(number) if stem == "pinball" else int(number)
    except ValueError:
        return None
    return value if (0 < value < 1 if stem == "pinball" else value >= 1) else None


def names() -> list[str]:
    """All names there are, without aliases; `@k` and `[class]` stand for a number and a class."""
    found = [*_ALL, *fairness.SUMMARIES, *(f"{statistic}[class]" for statistic in multiclass.CLASS_STATISTICS)]
    found += [f"{statistic}[scorer]" for statistic in generative.STATISTICS]
    found += [f"{stem}@k" for room in _ROOMS for stem in getattr(room, "PARAMETRIC", {})]
    return sorted(dict.fromkeys([*found, *registry.names("metrics")]))


def suggestion(name: str) -> str:
    """What to write instead of a name that is not known."""
    known = [*names(), *(alias for room in (*_ROOMS, fairness) for alias in room.ALIASES)]
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else "`shipworthy metrics` lists them all"


def all_metrics() -> Iterable[Metric]:
    """Every built-in metric, once."""
    return _ALL.values()


def custom(function: Callable[..., Any], name: str | None = None) -> RowMean:
    """A metric of one's own: the mean of a row expression, written as a function of the columns it names.

    function: its parameters name canonical columns (`label`, `prediction`, `score`, ...); it returns an expression.
    A condition gives a proportion, a number a mean.
    """
    import inspect

    columns = tuple(inspect.signature(function).parameters)

    def row(table: Any) -> Any:
        return function(*(table[column] for column in columns))

    own = str(name or getattr(function, "__name__", "custom"))
    return RowMean(
        name=own,
        title=own.replace("_", " ").capitalize(),
        meaning=(inspect.getdoc(function) or "A metric of the plan's own.").splitlines()[0],
        tasks=frozenset({"binary", "multiclass", "regression", "ranking"}),
        needs=frozenset(columns),
        row=row,
    )


def load_custom(target: str, name: str | None = None) -> RowMean:
    """Import `module:function` and make it a metric. Raises UnknownMetric (PLAN051)."""
    module, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
        return found if isinstance(found, RowMean) else custom(found, name)
    except Exception as error:  # an import runs a stranger's code
        reason = f"{type(error).__name__}: {error}"[:300]
        raise UnknownMetric(
            Fault(code="PLAN051", what=f"the metric {target!r} cannot be used: {reason}", mend="write module:function")
        ) from error
