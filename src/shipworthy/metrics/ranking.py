"""Metrics of ranked lists. The query is the unit: a list counts once, however long it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import ibis
import ibis.expr.types as ir

from shipworthy.metrics.kinds import ListMean, Metric, RowMean

_NEEDS = frozenset({"label", "score", "query"})
_RANKING = frozenset({"ranking"})


def _list(
    name: str,
    title: str,
    meaning: str,
    statistic: Literal["ndcg", "map", "mrr", "recall", "precision"],
    depth: int | None,
) -> ListMean:
    return ListMean(
        name=name if depth is None else f"{name}@{depth}",
        title=title if depth is None else f"{title} at {depth}",
        meaning=meaning,
        tasks=_RANKING,
        needs=_NEEDS,
        better="higher",
        statistic=statistic,
        depth=depth,
    )


def ndcg(depth: int | None = None) -> ListMean:
    """Normalised discounted cumulative gain of the first `depth` items; tied scores share their places."""
    return _list("ndcg", "nDCG", "Gain of the ranking against the best possible one.", "ndcg", depth)


def recall(depth: int | None = None) -> ListMean:
    """Share of the relevant items (label > 0) among the first `depth`."""
    return _list("recall", "Recall", "The share of relevant items that is among the first.", "recall", depth)


def precision(depth: int | None = None) -> ListMean:
    """Share of the first `depth` items that is relevant."""
    return _list("precision", "Precision", "The share of the first items that is relevant.", "precision", depth)


def _exposure(table: ir.Table) -> ir.Value:
    place = ibis.row_number().over(group_by=table.query, order_by=[table.score.desc(), table.label.asc()])
    attention = 1 / (place.cast("float64") + 2).log2()
    return ibis.ifelse(table.score.notnull(), attention, ibis.null("float64"))


METRICS: tuple[Metric, ...] = (
    ndcg(),
    _list("map", "Mean average precision", "Mean precision at the places of the relevant items.", "map", None),
    _list("mrr", "Mean reciprocal rank", "One over the place of the first relevant item.", "mrr", None),
    RowMean(
        name="exposure",
        title="Exposure",
        meaning="Mean attention an item gets: 1 at the top place, falling with the logarithm of the place.",
        tasks=_RANKING,
        needs=frozenset({"score", "query", "label"}),
        row=_exposure,
    ),
)
ALIASES: Mapping[str, str] = {"mean_average_precision": "map", "mean_reciprocal_rank": "mrr"}
PARAMETRIC: Mapping[str, Callable[[int], Metric]] = {"ndcg": ndcg, "recall": recall, "precision": precision}
