"""How well the lexical grounding scorers agree with people on BEGIN; `docs/grounding-agreement.md` shows the table."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shipworthy.scorers.grounding import support
from shipworthy.scorers.overlap import bleu, rouge_l, rouge_n, token_f1
from shipworthy.scorers.text import words
from shipworthy.stats.agreement import category_counts, gwet_ac
from shipworthy.stats.discrimination import auc, delong_variance, logit_delong
from shipworthy.stats.proportion import wilson

DOCS = Path(__file__).parents[2] / "docs" / "grounding-agreement.md"
MODELS = ("ctrl", "doha", "gpt2", "t5")
WEAK = 0.7  # balanced accuracy below which a scorer is called weak
Rows = list[dict[str, str]]
SCORERS: dict[str, Callable[[str, str], float]] = {
    "grounding": lambda said, known: support(said, [known]).share,
    "rouge_l": lambda said, known: rouge_l(words(said), words(known)),
    "rouge_n": lambda said, known: rouge_n(words(said), words(known), n=2),
    "token_f1": lambda said, known: token_f1(words(said), words(known)),
    "bleu": lambda said, known: bleu(words(said), words(known)),
}


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            row
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            if row["begin_label"] != "Generic"
        ]


def measured(name: str, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    scores = np.array([SCORERS[name](row["response"], row["knowledge"]) for row in rows])
    return scores, np.array([row["begin_label"] == "Fully attributable" for row in rows])


def best_threshold(scores: np.ndarray, grounded: np.ndarray) -> float:
    """The score at or above which calling a response grounded has the highest balanced accuracy; the lowest on ties."""
    choices = np.unique(np.round(scores, 2))
    return float(max(choices, key=lambda at: ((scores >= at)[grounded].mean() + (scores < at)[~grounded].mean(), -at)))


def line(name: str, model: str, scores: np.ndarray, grounded: np.ndarray, threshold: float) -> str:
    values, bins = np.unique(scores, return_inverse=True)
    positives = np.bincount(bins[grounded], minlength=len(values))
    negatives = np.bincount(bins[~grounded], minlength=len(values))
    area = auc(positives, negatives)
    spread = logit_delong(
        area, delong_variance(positives, negatives), positives=int(grounded.sum()), negatives=int((~grounded).sum())
    )
    says = scores >= threshold
    hits, rejections = int(says[grounded].sum()), int((~says)[~grounded].sum())
    yes, no = wilson(hits, int(grounded.sum())), wilson(rejections, int((~grounded).sum()))
    agreed = gwet_ac(category_counts(np.column_stack([says, grounded]).astype(float), [0.0, 1.0])[0])
    balanced = (says[grounded].mean() + (~says)[~grounded].mean()) / 2
    called = " **weak**" if balanced < WEAK else " usable"
    return (
        f"| `{name}` | {model} | {len(scores)} | {area:.3f} ({spread.low:.3f} to {spread.high:.3f}) | {balanced:.3f}{called} "
        f"| {hits / grounded.sum():.3f} ({yes.low:.3f} to {yes.high:.3f}) | {rejections / (~grounded).sum():.3f} ({no.low:.3f} to {no.high:.3f}) "
        f"| {agreed.value:.3f} ({agreed.interval.low:.3f} to {agreed.interval.high:.3f}) |"
    )


def table(dev: Rows, test: Rows) -> list[str]:
    lines = []
    for name in SCORERS:
        threshold = best_threshold(*measured(name, dev))
        scores, grounded = measured(name, test)
        names = np.array([row["model_name"] for row in test])
        for model in ("all", *MODELS):
            chosen = names == model if model != "all" else np.full(len(test), True)
            lines.append(line(f"{name} at {threshold:.2f}", model, scores[chosen], grounded[chosen], threshold))
    return lines


@pytest.mark.slow
def test_the_page_shows_what_is_measured(shared_data):
    rows = table(read(shared_data("begin/begin_dev_wow.tsv")), read(shared_data("begin/begin_test_wow.tsv")))
    page = DOCS.read_text(encoding="utf-8")
    missing = [row for row in rows if row not in page]
    assert not missing, "\n".join(rows)


def test_grounding_orders_responses_as_people_do(shared_data):
    rows = read(shared_data("begin/begin_dev_wow.tsv"))
    for name, least in (("grounding", 0.85), ("rouge_l", 0.8)):
        scores, grounded = measured(name, rows)
        values, bins = np.unique(scores, return_inverse=True)
        assert (
            auc(np.bincount(bins[grounded], minlength=len(values)), np.bincount(bins[~grounded], minlength=len(values)))
            > least
        )
