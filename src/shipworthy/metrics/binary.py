"""Metrics of yes-or-no decisions, as counts of true and false positives and negatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from shipworthy.metrics.kinds import CellFunction, CellMixture, CellRate, Metric

_BOTH = frozenset({"label", "prediction"})
_BINARY = frozenset({"binary"})


def _always(label: Any, prediction: Any) -> bool:  # noqa: ARG001
    return True


def _rate(
    name: str,
    title: str,
    meaning: str,
    hit: Callable[[Any, Any], bool],
    case: Callable[[Any, Any], bool] = _always,
    *,
    better: Literal["higher", "lower", None],
    needs: frozenset[str] = _BOTH,
    transform: Callable[[Any], Any] | None = None,
) -> CellRate:
    return CellRate(
        name=name,
        title=title,
        meaning=meaning,
        tasks=_BINARY,
        needs=needs,
        better=better,
        hit=hit,
        case=case,
        transform=transform,
    )


TPR = _rate(
    "tpr",
    "True positive rate",
    "Of those who were positive, the share that was found.",
    lambda y, p: p == 1,
    lambda y, p: y == 1,
    better="higher",
)
TNR = _rate(
    "tnr",
    "True negative rate",
    "Of those who were negative, the share that was left alone.",
    lambda y, p: p == 0,
    lambda y, p: y == 0,
    better="higher",
)


def _matthews(counts: Mapping[Any, Any], classes: Sequence[Any]) -> Any:  # noqa: ARG001
    tn, fp, fn, tp = (counts[cell] for cell in ((0, 0), (0, 1), (1, 0), (1, 1)))
    return (tp * tn - fp * fn) / ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5


METRICS: tuple[Metric, ...] = (
    _rate(
        "selection_rate",
        "Selection rate",
        "The share of people who got the positive decision.",
        lambda y, p: p == 1,
        better=None,
        needs=frozenset({"prediction"}),
    ),
    _rate(
        "base_rate",
        "Base rate",
        "The share of people whose label is positive.",
        lambda y, p: y == 1,
        better=None,
        needs=frozenset({"label"}),
    ),
    TPR,
    TNR,
    _rate(
        "fpr",
        "False positive rate",
        "Of those who were negative, the share that was flagged.",
        lambda y, p: p == 1,
        lambda y, p: y == 0,
        better="lower",
    ),
    _rate(
        "fnr",
        "False negative rate",
        "Of those who were positive, the share that was missed.",
        lambda y, p: p == 0,
        lambda y, p: y == 1,
        better="lower",
    ),
    _rate(
        "ppv",
        "Positive predictive value",
        "Of those flagged, the share that was truly positive.",
        lambda y, p: y == 1,
        lambda y, p: p == 1,
        better="higher",
    ),
    _rate(
        "npv",
        "Negative predictive value",
        "Of those not flagged, the share that was truly negative.",
        lambda y, p: y == 0,
        lambda y, p: p == 0,
        better="higher",
    ),
    _rate(
        "fdr",
        "False discovery rate",
        "Of those flagged, the share that was not positive.",
        lambda y, p: y == 0,
        lambda y, p: p == 1,
        better="lower",
    ),
    _rate(
        "for",
        "False omission rate",
        "Of those not flagged, the share that was positive.",
        lambda y, p: y == 1,
        lambda y, p: p == 0,
        better="lower",
    ),
    _rate(
        "f1",
        "F1 score",
        "Harmonic mean of precision and recall.",
        lambda y, p: y == 1 and p == 1,
        lambda y, p: y == 1 or p == 1,
        better="higher",
        transform=lambda jaccard: 2 * jaccard / (1 + jaccard),
    ),
    CellMixture(
        name="balanced_accuracy",
        title="Balanced accuracy",
        meaning="The mean of the true positive and the true negative rate.",
        tasks=_BINARY,
        needs=_BOTH,
        better="higher",
        parts=lambda classes: (TPR, TNR),
    ),
    CellFunction(
        name="mcc",
        title="Matthews correlation",
        meaning="Correlation of label and prediction: 0 is chance, 1 is perfect.",
        tasks=_BINARY,
        needs=_BOTH,
        better="higher",
        function=_matthews,
        scale="atanh",
        monotone=True,
    ),
)
ALIASES: Mapping[str, str] = {
    "recall": "tpr",
    "sensitivity": "tpr",
    "true_positive_rate": "tpr",
    "specificity": "tnr",
    "true_negative_rate": "tnr",
    "false_positive_rate": "fpr",
    "false_negative_rate": "fnr",
    "precision": "ppv",
    "positive_predictive_value": "ppv",
    "negative_predictive_value": "npv",
    "false_discovery_rate": "fdr",
    "false_omission_rate": "for",
    "f1_score": "f1",
    "matthews_corrcoef": "mcc",
    "prevalence": "base_rate",
    "ppr": "selection_rate",
}
