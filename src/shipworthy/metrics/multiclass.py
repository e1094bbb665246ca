"""Metrics of a choice among several classes: overall, per class, and averaged over classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from shipworthy.metrics.kinds import CellFunction, CellMixture, CellRate, Metric, RowMean

_BOTH = frozenset({"label", "prediction"})
_CHOICE = frozenset({"binary", "multiclass"})
_MULTICLASS = frozenset({"multiclass"})


def _accuracy(name: str, title: str, *, right: bool) -> CellRate:
    return CellRate(
        name=name,
        title=title,
        meaning=f"The share of decisions that were {'right' if right else 'wrong'}.",
        tasks=_CHOICE,
        needs=_BOTH,
        better="higher" if right else "lower",
        hit=lambda y, p: (y == p) is right,
        case=lambda y, p: True,
    )


def of_class(statistic: str, target: Any) -> CellRate:
    """Precision, recall, F1 or share of one class against the rest, e.g. `recall[spam]`."""
    hit, case, transform = {
        "recall": (lambda y, p: p == target, lambda y, p: y == target, None),
        "precision": (lambda y, p: y == target, lambda y, p: p == target, None),
        "f1": (
            lambda y, p: y == target and p == target,
            lambda y, p: target in (y, p),
            lambda jaccard: 2 * jaccard / (1 + jaccard),
        ),
        "selection_rate": (lambda y, p: p == target, lambda y, p: True, None),
        "base_rate": (lambda y, p: y == target, lambda y, p: True, None),
        "fpr": (lambda y, p: p == target, lambda y, p: y != target, None),
    }[statistic]
    return CellRate(
        name=f"{statistic}[{target}]",
        title=f"{statistic.replace('_', ' ').capitalize()} of class {target}",
        meaning=f"{statistic.replace('_', ' ').capitalize()}, class {target} against the rest.",
        tasks=_MULTICLASS,
        needs=_BOTH,
        better={"fpr": "lower", "selection_rate": None, "base_rate": None}.get(statistic, "higher"),
        hit=hit,
        case=case,
        transform=transform,
    )


CLASS_STATISTICS = ("recall", "precision", "f1", "selection_rate", "base_rate", "fpr")


def _macro(statistic: str) -> CellMixture:
    return CellMixture(
        name=f"macro_{statistic}",
        title=f"Macro {statistic}",
        meaning=f"Mean of the {statistic} of all classes, each counting alike.",
        tasks=_MULTICLASS,
        needs=_BOTH,
        better="higher",
        parts=lambda classes: [of_class(statistic, target) for target in classes],
    )


def _macro_f1(counts: Mapping[Any, Any], classes: Sequence[Any]) -> Any:
    total: Any = 0.0
    for target in classes:
        both = counts.get((target, target), 0.0)
        either = sum(n for (y, p), n in counts.items() if target in (y, p))
        total = total + 2 * both / (either + both)
    return total / len(classes)


def top_k(depth: int) -> RowMean:
    """Share of rows whose true class has one of the `depth` highest class scores (ties with the true class count
    against).
    """

    def row(table: ir.Table) -> ir.Value:
        names = [column for column in table.columns if column.startswith("scores.")]
        own = ibis.cases(
            *((table.label == name.removeprefix("scores."), table[name]) for name in names), else_=ibis.null("float64")
        )
        others = [
            ibis.ifelse((table[name] >= own) & (table.label != name.removeprefix("scores.")), 1, 0) for name in names
        ]
        above = others[0]
        for other in others[1:]:
            above = above + other
        known = own.notnull()
        for name in names:
            known = known & table[name].notnull()
        return ibis.ifelse(known, above < depth, ibis.null("boolean"))  # a row without all its scores is no case

    return RowMean(
        name=f"top_k_accuracy@{depth}",
        title=f"Top-{depth} accuracy",
        meaning=f"The share of rows whose true class is among the {depth} highest scored.",
        tasks=_MULTICLASS,
        needs=frozenset({"label", "scores"}),
        better="higher",
        row=row,
    )


METRICS: tuple[Metric, ...] = (
    _accuracy("accuracy", "Accuracy", right=True),
    _accuracy("error_rate", "Error rate", right=False),
    _macro("recall"),
    _macro("precision"),
    CellFunction(
        name="macro_f1",
        title="Macro F1",
        meaning="Mean of the F1 scores of all classes, each counting alike.",
        tasks=_MULTICLASS,
        needs=_BOTH,
        better="higher",
        function=_macro_f1,
    ),
    _accuracy("micro_f1", "Micro F1", right=True),
)
ALIASES: Mapping[str, str] = {"zero_one_loss": "error_rate"}
PARAMETRIC: Mapping[str, Callable[[int], Metric]] = {"top_k_accuracy": top_k}
