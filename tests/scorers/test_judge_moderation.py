"""A moderation endpoint: what it flags is a verdict, everything else is a failure."""

from __future__ import annotations

import pytest

from shipworthy.errors import Unusable
from shipworthy.exchange import Answer, Case, Exchange
from shipworthy.scorers.catalogue import open_scorer
from shipworthy.scorers.moderation import Moderation
from shipworthy.scorers.protocol import AskedScorer


def opened(tmp_path, spec) -> Moderation:
    found = open_scorer(spec, folder=tmp_path, where="plan")
    assert isinstance(found, Moderation)
    assert isinstance(found, AskedScorer)
    return found


def exchange(text: str) -> Exchange:
    return Exchange(case=Case(id="c", turns=("Q",), system="S"), answer=Answer(status="ok", text=text))


@pytest.mark.parametrize(
    ("said", "value"),
    [("true", True), (" False\n", False), ("0.5", True), ("0.49", False), ("1e-9", False), ("nan", None), ("", None),
     ("inf", None), ("[true]", None), ("true" * 1_000_000, None), ("\ud800", None)],
)  # fmt: skip
def test_what_comes_back_is_read(said, value, tmp_path):
    one = exchange("text")
    score = opened(tmp_path, {"moderation": "flags"}).read(one, [Answer(status="ok", text=said)])
    assert score.value is value
    assert score.why or value is False


def test_the_answer_alone_is_sent_whole(tmp_path):
    scorer = opened(tmp_path, {"moderation": "flags", "name": "tox", "measures": "violation", "threshold": 0.9})
    (question,) = scorer.questions(exchange("x" * 1_000_000))
    assert (question.turns, question.system, question.before) == (("x" * 1_000_000,), None, ())
    assert (scorer.name, scorer.subject, scorer.measures) == ("tox", "flags", "violation")
    assert scorer.questions(exchange(" \n")) == ()
    assert scorer.read(exchange(" "), []).value is None


@pytest.mark.parametrize("status", ["refused", "timeout", "error", "empty"])
def test_no_answer_is_a_failure_with_its_reason(status, tmp_path):
    score = opened(tmp_path, {"moderation": "flags"}).read(exchange("x"), [Answer(status=status, text="true")])
    assert score.value is None
    assert status in score.why


@pytest.mark.parametrize(
    "spec", ["moderation", {"moderation": ""}, {"moderation": "f", "threshold": 2}, {"moderation": "f", "x": 1}]
)
def test_settings_are_validated(spec, tmp_path):
    with pytest.raises(Unusable, match="SCORE002"):
        open_scorer(spec, folder=tmp_path, where="plan")
