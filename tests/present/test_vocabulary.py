from __future__ import annotations

import subprocess
import sys

import pytest

from shipworthy.metrics import catalogue, fairness
from shipworthy.present.vocabulary import importance, terms, words

WAYS = {"higher": "high", "lower": "low", None: None}


@pytest.mark.parametrize("metric", list(catalogue.all_metrics()), ids=lambda m: m.name)
def test_every_metric_has_its_words_against_reference(metric):
    assert words(metric.name).title == metric.title
    assert words(metric.name).good == WAYS[metric.better]


@pytest.mark.parametrize(
    "name", ["ndcg@10", "recall@5", "precision@3", "top_k_accuracy@3", "pinball@0.9", "recall[spam]"]
)
def test_metrics_with_a_parameter_against_reference(name):
    assert words(name).title == catalogue.lookup(name).title


def test_aliases_speak_alike_against_reference():
    for room in catalogue._ROOMS:
        for alias, own in room.ALIASES.items():
            assert words(alias) == words(own), alias


def test_fairness_summaries_against_reference():
    for name, summary in fairness.SUMMARIES.items():
        assert terms(name, "value") == (tuple(summary.metrics), summary.compare)
    assert terms("disparate_impact", "value") == (("selection_rate",), "ratio")
    assert terms("fpr", "difference") == (("fpr",), "difference")
    assert terms("own_difference", "value") == (("own_difference",), "value")


def test_a_stranger_speaks_under_its_own_name_properties():
    assert words("my_own-metric").title == "My own metric"
    assert words("my_own-metric").kind == "number"
    assert words("escalation_rate").kind == "share"
    assert len(words("x" * 500).title) <= 60
    assert "\x1b" not in words("\x1b[31mred").title


def test_present_imports_nothing_heavy():
    modules = "numbers, safe, sentences, slices, verdicts, vocabulary"
    heavy = "{'numpy', 'scipy', 'pydantic', 'jinja2', 'ibis', 'pandas', 'pyarrow', 'altair'}"
    code = f"import sys; from shipworthy.present import {modules}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["rate[regex]", "mean[rouge_l]", "p95[length]"])
def test_metrics_of_a_scorer_against_reference(name):
    found = catalogue.lookup(name)
    assert words(name).title == found.title
    assert words(name).kind == ("share" if name.startswith("rate") else "number")


def test_an_outcome_judged_by_one_scorer_names_it():
    assert words("attack_success_rate[harm]").title == "Attack success rate, by harm"
    assert words("asr[harm]").good == "low"
    assert words("attack_success_rate[harm]").side == "safety"
    assert "\x1b" not in words("rate[\x1b[31mred]").title


def test_metrics_of_answers_come_in_the_order_in_which_they_matter():
    names = ["latency_p95", "false_refusal_rate", "leak_rate", "attack_success_rate[harm]", "accuracy"]
    assert sorted(names, key=importance) == [names[3], names[2], names[1], names[0], names[4]]
