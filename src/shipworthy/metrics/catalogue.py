"""From a metric's name in a plan to the metric."""

from __future__ import annotations

import difflib
import importlib
import traceback
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


class BrokenMetric(Unusable):
    """A metric of one's own that raises where it is asked, or returns what can be no metric."""


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
    A condition gives a proportion, a number a mean. Where it raises, or returns something else, the metric raises
    BrokenMetric (PLAN052).
    """
    import inspect

    columns = tuple(inspect.signature(function).parameters)
    own = str(name or getattr(function, "__name__", "custom"))

    def row(table: Any) -> Any:
        from ibis.expr.types import BooleanValue, NumericValue

        given = [table[column] for column in columns]
        try:
            found = function(*given)
        except Exception as error:  # it is a stranger's code
            raise _broken(own, function, f"raises {type(error).__name__}: {error}", error) from error
        if not isinstance(found, BooleanValue | NumericValue):
            raise _broken(own, function, f"returns a {type(found).__name__}, no condition or number of its columns")
        return found

    return RowMean(
        name=own,
        title=own.replace("_", " ").capitalize(),
        meaning=(inspect.getdoc(function) or "A metric of the plan's own.").splitlines()[0],
        tasks=frozenset({"binary", "multiclass", "regression", "ranking"}),
        needs=frozenset(columns),
        row=row,
    )


def _broken(name: str, function: Callable[..., Any], what: str, error: Exception | None = None) -> BrokenMetric:
    """The fault of a metric of one's own, at the line of its own file that raised, else at its first."""
    code = getattr(function, "__code__", None)
    file, line = getattr(code, "co_filename", type(function).__name__), getattr(code, "co_firstlineno", 1)
    for frame, at in traceback.walk_tb(error.__traceback__ if error else None):
        line = at if frame.f_code.co_filename == file else line
    return BrokenMetric(
        Fault(
            code="PLAN052",
            what=f"the metric {name[:80]!r} {' '.join(what.split())[:300]}",
            where=f"{file}:{line}  {getattr(function, '__name__', name)}",
            mend="return an Ibis expression of the columns: & | ~ for and, or, not; ibis.ifelse for if",
        )
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
