"""The few shapes a metric can have. Each says which sufficient statistics it needs; none of them touches a row
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import ibis.expr.types as ir

Cell: TypeAlias = tuple[Any, ...]  # (label, prediction), or the one of them that there is
Scale: TypeAlias = Literal["identity", "log", "logit", "atanh"]  # where the estimate is closest to normal


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What every metric says about itself."""

    name: str
    title: str  # "False positive rate"
    meaning: str  # one sentence a product manager understands
    tasks: frozenset[str]  # binary, multiclass, regression, ranking
    needs: frozenset[str]  # canonical columns: label, prediction, score, lower, upper, query
    better: Literal["higher", "lower", None] = None
    probability: bool = False  # needs scores that are probabilities


@dataclass(frozen=True, kw_only=True)
class CellRate(Metric):
    """A proportion of counts: rows whose (label, prediction) is a hit, among those that are a case."""

    hit: Callable[[Any, Any], bool]
    case: Callable[[Any, Any], bool]
    transform: Callable[[Any], Any] | None = None  # monotone map of the proportion, e.g. Jaccard index -> F1


@dataclass(frozen=True, kw_only=True)
class CellMixture(Metric):
    """A weighted mean of proportions over disjoint rows, e.g. balanced accuracy or macro recall."""

    parts: Callable[[Sequence[Any]], Sequence[CellRate]]  # classes -> proportions, weighted alike


@dataclass(frozen=True, kw_only=True)
class CellFunction(Metric):
    """A smooth function of counts, analytic in each of them (its derivative is taken by a complex step)."""

    function: Callable[[Mapping[Cell, Any], Sequence[Any]], Any]  # counts by cell, classes -> value
    scale: Scale = "identity"
    monotone: bool = False  # a right decision in the place of a wrong one never lowers it


@dataclass(frozen=True, kw_only=True)
class RowMean(Metric):
    """The mean of a row expression; a proportion when the expression is a condition.

    Where a row of `case` has no value it counts as the least of `bounds` for the lower end of the estimate and as the
    greatest for the upper; without a bound that end is not known.
    """

    row: Callable[[ir.Table], ir.Value]
    case: Callable[[ir.Table], ir.BooleanValue] | None = None  # rows that it is about; None: those that have a value
    root: bool = False  # report the square root, e.g. RMSE
    bounds: tuple[float, float] | None = None  # range of the row values, when there is one


@dataclass(frozen=True, kw_only=True)
class OutcomeRate(Metric):
    """A share of answers with an outcome that may be missing, or known only through a judge.

    A row counts where `case` holds. Where its outcome is null (no answer, or no verdict on it) it counts as a hit for
    the upper end of the estimate and as none for the lower: what is not known is never taken for good.
    """

    outcome: str  # column that holds it
    case: Callable[[ir.Table], ir.BooleanValue] | None = None  # None: every row
    hit: Callable[[ir.Value], ir.BooleanValue] | None = None  # of the outcome; None: it is a truth value itself


@dataclass(frozen=True, kw_only=True)
class RowFunction(Metric):
    """A smooth function of sums of row expressions, e.g. R²."""

    rows: Callable[[ir.Table], Mapping[str, ir.Value]]
    function: Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, kw_only=True)
class ScoreStatistic(Metric):
    """A function of the scores' distribution by label."""

    statistic: Literal[
        "auc", "auprc", "ece", "ece_binned", "smooth_ece", "in_the_large", "slope", "reliability", "resolution"
    ]


@dataclass(frozen=True, kw_only=True)
class RowQuantile(Metric):
    """A quantile of a row expression.

    Where a row of `case` has no value it counts as less than any for the lower end of the estimate and as more than any
    for the upper.
    """

    row: Callable[[ir.Table], ir.Value]
    quantile: float
    case: Callable[[ir.Table], ir.BooleanValue] | None = None  # rows that it is about; None: those that have a value
    never: Callable[[ir.Table], ir.BooleanValue] | None = None  # rows of it beyond any value, whatever `row` says


@dataclass(frozen=True, kw_only=True)
class ListMean(Metric):
    """The mean, over queries, of a quality of the ranked list. The query is the unit."""

    statistic: Literal["ndcg", "map", "mrr", "recall", "precision"]
    depth: int | None = None  # first k items; None: the whole list


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A fairness measure in the field's words: a comparison of one or more metrics between slices."""

    name: str
    title: str
    compare: Literal["difference", "ratio"]
    metrics: tuple[str, ...]  # all of them have to hold
