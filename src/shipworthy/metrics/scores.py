"""Metrics of a score or probability: how well it ranks, and whether it means what it says."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Literal

import ibis
import ibis.expr.types as ir

from shipworthy.metrics.kinds import Metric, RowMean, ScoreStatistic

_NEEDS = frozenset({"label", "score"})
_BINARY = frozenset({"binary"})
_CLIP = 2.220446049250313e-16  # keeps the logarithm finite, as scikit-learn does for float64


def _squared(table: ir.Table) -> ir.Value:
    return (table.score - table.label) * (table.score - table.label)


def _log_loss(table: ir.Table) -> ir.Value:
    clipped = table.score.clip(_CLIP, 1 - _CLIP)
    return -ibis.ifelse(table.label == 1, clipped, 1 - clipped).ln()


def _statistic(
    name: str,
    title: str,
    meaning: str,
    statistic: Literal[
        "auc", "auprc", "ece", "ece_binned", "smooth_ece", "in_the_large", "slope", "reliability", "resolution"
    ],
    better: Literal["higher", "lower", None],
) -> ScoreStatistic:
    return ScoreStatistic(
        name=name,
        title=title,
        meaning=meaning,
        tasks=_BINARY,
        needs=_NEEDS,
        better=better,
        probability=statistic not in ("auc", "auprc"),
        statistic=statistic,
    )


METRICS: tuple[Metric, ...] = (
    _statistic(
        "auc", "Area under the ROC curve", "Chance that a positive is scored above a negative.", "auc", "higher"
    ),
    _statistic(
        "auprc",
        "Average precision",
        "Area under the precision-recall curve; depends on the base rate.",
        "auprc",
        "higher",
    ),
    _statistic(
        "ece",
        "Calibration error",
        "Root mean squared gap between score and observed rate, freed of noise.",
        "ece",
        "lower",
    ),
    _statistic(
        "ece_binned",
        "Binned calibration error",
        "Mean gap in 15 equal bins; never zero, even for a perfect score.",
        "ece_binned",
        "lower",
    ),
    _statistic("smooth_ece", "Smooth calibration error", "Calibration error without bins.", "smooth_ece", "lower"),
    _statistic(
        "calibration_in_the_large",
        "Calibration in the large",
        "Observed rate minus mean score; above 0 the score is too low.",
        "in_the_large",
        None,
    ),
    _statistic(
        "calibration_slope", "Calibration slope", "1 is right; below 1 the scores are too extreme.", "slope", None
    ),
    _statistic(
        "brier_reliability",
        "Brier reliability",
        "The part of the Brier score that recalibration could remove.",
        "reliability",
        "lower",
    ),
    _statistic(
        "brier_resolution",
        "Brier resolution",
        "The part of the Brier score that the score's information saves.",
        "resolution",
        "higher",
    ),
    RowMean(
        name="brier",
        title="Brier score",
        meaning="Mean squared distance between probability and outcome.",
        tasks=_BINARY,
        needs=_NEEDS,
        better="lower",
        probability=True,
        row=_squared,
        bounds=(0.0, 1.0),
    ),
    RowMean(
        name="log_loss",
        title="Log loss",
        meaning="Mean surprise at the outcome, in nats.",
        tasks=_BINARY,
        needs=_NEEDS,
        better="lower",
        probability=True,
        bounds=(0.0, inf),
        row=_log_loss,
    ),
)
ALIASES: Mapping[str, str] = {
    "roc_auc": "auc",
    "auroc": "auc",
    "average_precision": "auprc",
    "brier_score": "brier",
    "expected_calibration_error": "ece_binned",
    "cross_entropy": "log_loss",
}
