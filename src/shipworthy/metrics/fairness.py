"""Fairness measures in the field's names, each a comparison of metrics between slices.

Sign: a difference or ratio is taken between every pair of slices in both orders, so `demographic_parity_difference` at
most 0.1 means no two slices lie further apart than 0.1 (the largest difference, as Fairlearn defines it), and a ratio
of at least 0.8 means that no slice has less than 0.8 times the rate of another. Equalized odds asks for both error
rates at once (worst case).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shipworthy.metrics.kinds import Summary

_MEASURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "demographic_parity": ("Demographic parity", ("selection_rate",)),
    "equal_opportunity": ("Equal opportunity", ("tpr",)),
    "equalized_odds": ("Equalized odds", ("tpr", "fpr")),
    "predictive_parity": ("Predictive parity", ("ppv",)),
    "predictive_equality": ("Predictive equality", ("fpr",)),
    "false_discovery_rate_parity": ("False discovery rate parity", ("fdr",)),
    "false_omission_rate_parity": ("False omission rate parity", ("for",)),
    "accuracy_parity": ("Accuracy parity", ("accuracy",)),
}


def _summary(measure: str, compare: Literal["difference", "ratio"]) -> Summary:
    title, metrics = _MEASURES[measure]
    return Summary(name=f"{measure}_{compare}", title=f"{title} {compare}", compare=compare, metrics=metrics)


SUMMARIES: Mapping[str, Summary] = {
    summary.name: summary
    for measure in _MEASURES
    for summary in (_summary(measure, "difference"), _summary(measure, "ratio"))
}
ALIASES: Mapping[str, str] = {
    "statistical_parity_difference": "demographic_parity_difference",
    "disparate_impact": "demographic_parity_ratio",
}
