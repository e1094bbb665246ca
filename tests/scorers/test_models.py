"""What the scorers make of a model's probabilities. Loading a model is not tested here: none is at hand offline."""

from __future__ import annotations

import pytest

from shipworthy.errors import MissingExtra
from shipworthy.scorers import models


def says(monkeypatch, *rows):
    given = iter(rows)
    monkeypatch.setattr(models, "_probabilities", lambda model, first, second=None: next(given))


def test_a_label_counts_from_its_threshold(score, monkeypatch):
    spec = {"classifier": "m", "labels": ["Toxic", "insult"], "least": 0.6}
    says(monkeypatch, [{"toxic": 0.6, "insult": 0.1, "fine": 0.3}])
    found = score(spec, "x")
    assert found.value is True
    assert found.why == "Toxic 0.600"
    says(monkeypatch, [{"toxic": 0.59, "insult": 0.1, "fine": 0.3}])
    assert score(spec, "x").value is False


def test_a_label_that_the_model_lacks_is_said(score, monkeypatch):
    says(monkeypatch, [{"label_0": 1.0}])
    found = score({"classifier": "m", "labels": ["toxic"]}, "x")
    assert found.value is None
    assert "label_0" in found.why


def test_entailment_takes_the_best_passage_and_the_weakest_sentence(score, monkeypatch):
    rows = ([{"entailment": 0.1}, {"entailment": 0.9}], [{"entailment": 0.2}, {"entailment": 0.3}])
    says(monkeypatch, *rows)
    found = score({"entailment": "m", "least": 0.5}, "It opened. It closed.", passages=("a", "b"))
    assert found.value is True
    assert found.why == '0.300 "It closed."'
    says(monkeypatch, *rows)
    assert score({"entailment": "m", "least": 0.25}, "It opened. It closed.", passages=("a", "b")).value is False


@pytest.mark.parametrize("spec", [{"classifier": "m", "labels": ["x"]}, {"entailment": "m"}, {"embedding": "m"}])
def test_nothing_to_score_is_no_value(score, spec):
    assert score(spec, "").value is None


def test_an_absent_library_is_named(score):
    try:
        import transformers  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match="transformers"):
            score({"embedding": "m"}, "x", reference="y")
