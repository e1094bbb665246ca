"""Metrics of a predicted number, and of predicted quantiles and intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from shipworthy.metrics.kinds import Metric, RowFunction, RowMean, RowQuantile

_BOTH = frozenset({"label", "prediction"})
_REGRESSION = frozenset({"regression"})
_POSITIVE = (0.0, inf)
_ROUNDING = 1e-13  # a sum of squares this small against what it was computed from is zero


def _error(table: ir.Table) -> ir.Value:
    return table.prediction - table.label


def _mean(
    name: str,
    title: str,
    meaning: str,
    row: Callable[[ir.Table], ir.Value],
    *,
    better: Literal["higher", "lower", None] = "lower",
    needs: frozenset[str] = _BOTH,
    root: bool = False,
    bounds: tuple[float, float] | None = None,
) -> RowMean:
    return RowMean(
        name=name,
        title=title,
        meaning=meaning,
        tasks=_REGRESSION,
        needs=needs,
        better=better,
        row=row,
        root=root,
        bounds=bounds,
    )


def _r2(sums: Mapping[str, Any]) -> Any:
    n, error, y, y2 = sums["n"], sums["error"], sums["y"], sums["y2"]
    spread = y2 - y * y / n
    return 1 - error / spread if abs(spread) > _ROUNDING * abs(y2) else float("nan")


def _r2_rows(table: ir.Table) -> Mapping[str, ir.Value]:
    centred = table.label - table.label.mean().over(ibis.window())  # sums of squares far from 0 lose their digits
    return {
        "n": ibis.ifelse(table.label.notnull(), 1.0, 0.0),  # a column of ones: a literal cannot be summed
        "error": _error(table) * _error(table),
        "y": centred,
        "y2": centred * centred,
    }


def pinball(quantile: float) -> RowMean:
    """Pinball loss of `prediction` taken as the predicted `quantile`."""

    def row(table: ir.Table) -> ir.Value:
        short = table.label - table.prediction
        return ibis.ifelse(short >= 0, short * quantile, short * (quantile - 1))

    return _mean(
        f"pinball@{quantile:g}",
        f"Pinball loss at {quantile:g}",
        f"Loss of the predicted {quantile:g} quantile.",
        row,
        bounds=_POSITIVE,
    )


METRICS: tuple[Metric, ...] = (
    _mean(
        "mae",
        "Mean absolute error",
        "How far off a prediction is on average.",
        lambda t: _error(t).abs(),
        bounds=_POSITIVE,
    ),
    _mean(
        "mse",
        "Mean squared error",
        "Mean squared distance to the truth.",
        lambda t: _error(t) * _error(t),
        bounds=_POSITIVE,
    ),
    _mean(
        "rmse",
        "Root mean squared error",
        "Typical error, large ones counting more.",
        lambda t: _error(t) * _error(t),
        root=True,
    ),
    _mean(
        "mean_error",
        "Mean signed error",
        "Average of prediction minus truth: above 0 it predicts too much.",
        _error,
        better=None,
    ),
    _mean(
        "interval_coverage",
        "Interval coverage",
        "The share of true values inside the predicted interval.",
        lambda t: (t.label >= t.lower) & (t.label <= t.upper),
        better=None,
        needs=frozenset({"label", "lower", "upper"}),
    ),
    _mean(
        "interval_width",
        "Interval width",
        "Mean width of the predicted interval.",
        lambda t: t.upper - t.lower,
        needs=frozenset({"lower", "upper"}),
    ),
    _mean(
        "quantile_coverage",
        "Quantile coverage",
        "The share of true values at or below the predicted quantile.",
        lambda t: t.label <= t.prediction,
        better=None,
    ),
    RowQuantile(
        name="median_absolute_error",
        title="Median absolute error",
        meaning="Half of the predictions are closer than this.",
        tasks=_REGRESSION,
        needs=_BOTH,
        better="lower",
        row=lambda t: _error(t).abs(),
        quantile=0.5,
    ),
    RowFunction(
        name="r2",
        title="R²",
        meaning="Share of the variance that is explained: 1 is perfect, 0 no better than the mean.",
        tasks=_REGRESSION,
        needs=_BOTH,
        better="higher",
        rows=_r2_rows,
        function=_r2,
    ),
)
ALIASES: Mapping[str, str] = {
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "r2_score": "r2",
    "bias": "mean_error",
}
PARAMETRIC: Mapping[str, Callable[[float], Metric]] = {"pinball": pinball}
