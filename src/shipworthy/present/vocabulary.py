"""What a metric is called, what it is a share of, and which way is good: the words of every face."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from shipworthy.present.safe import shorten

if TYPE_CHECKING:
    from shipworthy.estimate.estimates import Comparison

# share: 0 to 1, said in percent; score: unit-free, 3 decimals; duration: milliseconds
Kind: TypeAlias = Literal["share", "score", "number", "duration"]
Side: TypeAlias = Literal["safety", "usefulness", "running"]  # what a metric of answers speaks about


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """How to speak about one metric."""

    title: str
    short: str
    kind: Kind
    good: Literal["high", "low"] | None = None  # None: neither way is good in itself
    among: str = ""  # shares: what is counted, plural
    event: str = ""  # shares: what happened to it, after "45 in 100 <among> ..."; durations: before "... 1.3 s"
    side: Side | None = None  # None: it is about decisions, not answers
    ways: tuple[str, str] = ("better", "worse")  # what a change for the good, and one for the bad, makes a version


def _share(title: str, short: str, among: str, event: str, good: Literal["high", "low"] | None = None) -> Words:
    return Words(title=title, short=short, kind="share", good=good, among=among, event=event)


def _score(title: str, short: str, good: Literal["high", "low"] | None) -> Words:
    return Words(title=title, short=short, kind="score", good=good)


def _number(title: str, short: str, good: Literal["high", "low"] | None) -> Words:
    return Words(title=title, short=short, kind="number", good=good)


def _safety(title: str, short: str, among: str, event: str) -> Words:
    known = _share(title, short, among, event, "low")
    return replace(known, side="safety", ways=("safer", "less safe"))


def _useful(title: str, short: str, among: str, event: str, good: Literal["high", "low"] | None = None) -> Words:
    known = _share(title, short, among, event, good)
    return replace(known, side="usefulness", ways=("more useful", "less useful"))


def _duration(title: str, short: str, event: str) -> Words:
    ways = ("faster", "slower")
    return Words(title=title, short=short, kind="duration", good="low", event=event, side="running", ways=ways)


def _spent(title: str, short: str, ways: tuple[str, str]) -> Words:
    return replace(_number(title, short, "low"), side="running", ways=ways)


_KNOWN: dict[str, Words] = {
    "accuracy": _share("Accuracy", "Accuracy", "cases", "were decided rightly", "high"),
    "error_rate": _share("Error rate", "Error rate", "cases", "were decided wrongly", "low"),
    "tpr": _share("True positive rate", "TPR", "positive cases", "were caught", "high"),
    "fpr": _share("False positive rate", "FPR", "negative cases", "were flagged", "low"),
    "tnr": _share("True negative rate", "TNR", "negative cases", "were cleared", "high"),
    "fnr": _share("False negative rate", "FNR", "positive cases", "were missed", "low"),
    "ppv": _share("Positive predictive value", "PPV", "flagged cases", "were truly positive", "high"),
    "npv": _share("Negative predictive value", "NPV", "cleared cases", "were truly negative", "high"),
    "fdr": _share("False discovery rate", "FDR", "flagged cases", "were truly negative", "low"),
    "for": _share("False omission rate", "FOR", "cleared cases", "were truly positive", "low"),
    "selection_rate": _share("Selection rate", "Selected", "cases", "were selected"),
    "base_rate": _share("Base rate", "Base rate", "cases", "were truly positive"),
    "balanced_accuracy": _score("Balanced accuracy", "Balanced acc.", "high"),
    "f1": _score("F1 score", "F1", "high"),
    "macro_f1": _score("Macro F1", "Macro F1", "high"),
    "micro_f1": _score("Micro F1", "Micro F1", "high"),
    "macro_recall": _score("Macro recall", "Macro recall", "high"),
    "macro_precision": _score("Macro precision", "Macro precision", "high"),
    "mcc": _score("Matthews correlation", "MCC", "high"),
    "interval_coverage": _share("Interval coverage", "Coverage", "true values", "lay inside the predicted interval"),
    "quantile_coverage": _share(
        "Quantile coverage", "Quantile cov.", "true values", "lay at or below the predicted one"
    ),
    "auc": _score("Area under the ROC curve", "AUC", "high"),
    "auprc": _score("Average precision", "AP", "high"),
    "ece": _score("Calibration error", "ECE", "low"),
    "ece_binned": _score("Binned calibration error", "Binned ECE", "low"),
    "smooth_ece": _score("Smooth calibration error", "SmoothECE", "low"),
    "calibration_in_the_large": _score("Calibration in the large", "In the large", None),
    "calibration_slope": _score("Calibration slope", "Cal. slope", None),
    "brier": _score("Brier score", "Brier", "low"),
    "brier_reliability": _score("Brier reliability", "Reliability", "low"),
    "brier_resolution": _score("Brier resolution", "Resolution", "high"),
    "log_loss": _score("Log loss", "Log loss", "low"),
    "ndcg": _score("nDCG", "nDCG", "high"),
    "map": _score("Mean average precision", "MAP", "high"),
    "mrr": _score("Mean reciprocal rank", "MRR", "high"),
    "exposure": _score("Exposure", "Exposure", None),
    "r2": _score("R²", "R²", "high"),
    "mae": _number("Mean absolute error", "MAE", "low"),
    "mse": _number("Mean squared error", "MSE", "low"),
    "rmse": _number("Root mean squared error", "RMSE", "low"),
    "mean_error": _number("Mean signed error", "Bias", None),
    "median_absolute_error": _number("Median absolute error", "Median abs. error", "low"),
    "interval_width": _number("Interval width", "Width", "low"),
}
_OF_ANSWERS: dict[str, Words] = {  # in the order in which they matter to a release
    "attack_success_rate": _safety("Attack success rate", "Attack success", "requests that should fail", "succeeded"),
    "violation_rate": _safety("Violation rate", "Violations", "judged answers", "did what they must not"),
    "leak_rate": _safety("Leak rate", "Leaks", "answers with something to keep", "gave it away"),
    "grounding_error_rate": _safety(
        "Grounding error rate", "Grounding errors", "answers with passages to rest on", "said what these do not"
    ),
    "false_refusal_rate": _useful(
        "False refusal rate", "False refusals", "harmless requests", "were refused", good="low"
    ),
    "pass_rate": _useful("Pass rate", "Passed", "answers that can be right", "were right", good="high"),
    "refusal_rate": _useful("Refusal rate", "Refusals", "requests", "were refused outright"),
    "failure_rate": replace(
        _share("Failure rate", "Failures", "requests", "got no answer", "low"),
        side="running",
        ways=("more reliable", "less reliable"),
    ),
    "latency_p50": _duration("Median latency", "Latency p50", "half of the requests were answered within"),
    "latency_p95": _duration("Latency, 95th percentile", "Latency p95", "95 in 100 requests were answered within"),
    "latency_p99": _duration("Latency, 99th percentile", "Latency p99", "99 in 100 requests were answered within"),
    "ttft_p50": _duration("Median time to first token", "First token p50", "half of the answers began within"),
    "ttft_p95": _duration("Time to first token, 95th percentile", "First token p95", "95 in 100 answers began within"),
    "cost_per_1000": _spent("Cost of 1,000 answers", "Cost of 1,000", ("cheaper", "dearer")),
    "tokens_in_mean": _spent("Tokens sent", "Tokens sent", ("terser", "wordier")),
    "tokens_out_mean": _spent("Tokens received", "Tokens received", ("terser", "wordier")),
}
_KNOWN |= _OF_ANSWERS
_AT: dict[str, Words] = {  # metrics with a number behind an @
    "ndcg": _score("nDCG at {}", "nDCG@{}", "high"),
    "recall": _score("Recall at {}", "Recall@{}", "high"),
    "precision": _score("Precision at {}", "Precision@{}", "high"),
    "top_k_accuracy": _share("Top-{} accuracy", "Top-{}", "cases", "had the truth among the first {}", "high"),
    "pinball": _number("Pinball loss at {}", "Pinball@{}", "low"),
}
_ALIASES = {
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
    "prevalence": "base_rate",
    "ppr": "selection_rate",
    "zero_one_loss": "error_rate",
    "f1_score": "f1",
    "matthews_corrcoef": "mcc",
    "auroc": "auc",
    "roc_auc": "auc",
    "average_precision": "auprc",
    "brier_score": "brier",
    "expected_calibration_error": "ece_binned",
    "cross_entropy": "log_loss",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "r2_score": "r2",
    "bias": "mean_error",
    "mean_average_precision": "map",
    "mean_reciprocal_rank": "mrr",
    "asr": "attack_success_rate",
    "jailbreak_success_rate": "attack_success_rate",
    "over_refusal_rate": "false_refusal_rate",
    "hallucination_rate": "grounding_error_rate",
    "error_rate_of_requests": "failure_rate",
}
_PARITY = {  # fairness summaries: gaps of these metrics, called <name>_difference or <name>_ratio
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("tpr",),
    "equalized_odds": ("tpr", "fpr"),
    "predictive_parity": ("ppv",),
    "predictive_equality": ("fpr",),
    "false_discovery_rate_parity": ("fdr",),
    "false_omission_rate_parity": ("for",),
    "accuracy_parity": ("accuracy",),
}
_SUMMARY_ALIASES = {
    "statistical_parity_difference": "demographic_parity_difference",
    "disparate_impact": "demographic_parity_ratio",
}


def terms(metric: str, compare: Comparison) -> tuple[tuple[str, ...], Comparison]:
    """What a claim about a metric compares: a fairness summary is a gap of one or two metrics, every other metric is
    itself.

    ("equalized_odds_difference", "value") -> (("tpr", "fpr"), "difference"); ("fpr", "ratio") -> (("fpr",), "ratio").
    """
    stem, _, gap = _SUMMARY_ALIASES.get(metric, metric).rpartition("_")
    if stem in _PARITY and gap in ("difference", "ratio"):
        return _PARITY[stem], "difference" if gap == "difference" else "ratio"
    return (metric,), compare


def words(metric: str) -> Words:
    """The words of a metric; one that is not known speaks under its own name, as a plain number."""
    known = _KNOWN.get(_ALIASES.get(metric, metric))
    if known is not None:
        return known
    stem, at, cut = metric.partition("@")
    if at and stem in _AT:
        return _filled(_AT[stem], shorten(cut, 12))
    stem, at, target = metric.partition("[")
    if at and target.endswith("]") and (known := _KNOWN.get(_ALIASES.get(stem, stem))) is not None:
        name = shorten(target[:-1], 40)
        if _ALIASES.get(stem, stem) in _OF_ANSWERS:
            return replace(known, title=f"{known.title}, by {name}", short=f"{known.short}, {name}")
        label = stem.replace("_", " ").capitalize()
        return replace(
            known,
            title=f"{label} of class {name}",
            short=f"{label} {name}",
            among=f"cases of {name}" if known.among else "",
            event="",
        )
    if at and target.endswith("]") and stem in ("rate", "mean", "p50", "p95", "p99"):
        return _of_scorer(stem, shorten(target[:-1], 40))
    if metric in _SUMMARY_ALIASES or terms(metric, "value")[0] != (metric,):
        title = metric.replace("_", " ").capitalize()
        return Words(title=title, short=title, kind="share", good="low" if metric.endswith("_difference") else None)
    return _unknown(metric)


def importance(metric: str) -> int:
    """A sort key: metrics of answers in the order in which they matter to a release, every other one after them."""
    stem = metric.partition("[")[0]
    known = list(_OF_ANSWERS)
    own = _ALIASES.get(stem, stem)
    return known.index(own) if own in known else len(known)


def _of_scorer(statistic: str, scorer: str) -> Words:
    """The words of a scorer's own column; whether more of it is good, only the plan's author knows."""
    if statistic == "rate":
        return _share(f"Share with {scorer}", f"With {scorer}", f"answers scored by {scorer}", "have it")
    title = f"Mean {scorer}" if statistic == "mean" else f"{statistic} of {scorer}"
    return _number(title, title, None)


def _filled(it: Words, cut: str) -> Words:
    return replace(it, title=it.title.format(cut), short=it.short.format(cut), event=it.event.format(cut))


def _unknown(metric: str) -> Words:
    title = shorten(metric, 60).replace("_", " ").replace("-", " ").strip() or "unnamed metric"
    if title.endswith((" rate", " share")):
        return _share(title[:1].upper() + title[1:], title, "cases", f"count towards {title}")
    return _number(title[:1].upper() + title[1:], title, None)
