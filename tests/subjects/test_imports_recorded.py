"""The scorer of recorded scores, alone and in a whole check."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.api.checking import check
from shipworthy.errors import Unusable
from shipworthy.exchange import Answer, Case, Exchange
from shipworthy.scorers.catalogue import open_scorer
from shipworthy.scorers.recorded import PREFIX, UNSCORED, number_of
from shipworthy.subjects.imports import reading

LOGS = Path(__file__).parent / "fixtures"


def score(tag, **settings):
    scorer = open_scorer({"recorded": "x", **settings}, folder=Path(), where="plan")
    tags = {} if tag is None else {"score.x": tag}
    return scorer.score(Exchange(case=Case(id="a", turns=("?",), tags=tags), answer=Answer(status="ok", text="!")))


def test_readers_and_scorer_mean_the_same_tags():
    assert (reading.SCORE, reading.UNSCORED) == (PREFIX, UNSCORED)


@pytest.mark.parametrize(
    ("text", "number"),
    [("C", 1), ("P", 0.5), ("I", 0), ("N", 0), ("true", 1), ("False", 0), ("YES", 1), ("no", 0), ("0.25", 0.25), ("-2", -2),
     ("c", None), ("", None), ("nan", None), ("inf", None), ("9" * 5000, None), ("full", None)],
)  # fmt: skip
def test_numbers_are_those_of_inspects_value_to_float_against_reference(text, number):
    assert number_of(text) == number


@given(st.text())
def test_any_tag_has_a_number_or_none_properties(text):
    found = number_of(text)
    assert found is None or math.isfinite(found)
    value = score(text).value
    assert value in (None, True, False)


def test_truth_values_need_a_threshold_between_0_and_1():
    assert score("C").value is True
    assert score("0").value is False
    assert score("P").value is None
    assert score("P").why.startswith("failed: ")
    assert score("P", at_least=0.5).value is True
    assert score("0.49", at_least=0.5, measures="violation").value is False
    assert score("true", negate=True, measures="violation").value is False
    assert score("P", measures="quality").value == 0.5


def test_what_is_missing_is_left_out_and_what_failed_is_not():
    assert (score(None).value, score(None).why) == (None, "no score was recorded")
    assert score(UNSCORED).why.startswith("failed: ")
    assert score("who knows").why.startswith("failed: ")


@pytest.mark.parametrize(
    "settings", [{"measures": "refusal"}, {"measures": "quality", "at_least": 1}, {"at_least": "x"}, {"treshold": 1}]
)
def test_settings_validates_input(settings):
    with pytest.raises(Unusable, match="SCORE002"):
        score("C", **settings)


def test_a_column_is_named_after_the_score():
    scorer = open_scorer({"recorded": "dan.DAN"}, folder=Path(), where="plan")
    assert (scorer.name, scorer.measures) == ("dan_DAN", "correct")
    assert scorer.describe()["recorded"] == "dan.DAN"


PLAN = """
system: {name: imported}
subjects:
  capitals: {log: LOGS/inspect/capitals.eval}
  shop: {log: LOGS/promptfoo/results.json}
  probed: {log: LOGS/garak/small.report.jsonl}
  facts: {log: LOGS/lm_eval/GENERATED}
evaluations:
  capitals:
    subject: capitals
    scorers: [{recorded: includes}, {recorded: style.polite, measures: quality}]
  shop: {subject: shop, scorers: [{recorded: success}], slices: [provider]}
  probed:
    subject: probed
    scorers: [{recorded: encoding.DecodeMatch, at_least: 0.5, measures: violation, name: decoded}]
  facts: {subject: facts, scorers: [{recorded: exact_match}], slices: [filter]}
requirements:
  - {id: A, evaluation: capitals, metric: "pass_rate[includes]", at_least: 0.3}
  - {id: B, evaluation: capitals, metric: "mean[style_polite]", at_least: 0.1}
  - {id: C, evaluation: shop, metric: "pass_rate[success]", at_least: 0.1, across: provider}
  - {id: D, evaluation: probed, metric: "violation_rate[decoded]", at_most: 0.9}
  - {id: E, evaluation: facts, metric: "pass_rate[exact_match]", at_least: 0.1, across: filter}
"""


def test_estimates_of_a_check_are_the_tools_own_rates_against_reference(tmp_path):
    """Requirements on recorded scores, through the whole of a check: rows, outcomes and estimates."""
    (generated,) = (LOGS / "lm_eval").glob("samples_facts_gen*")
    plan = tmp_path / "shipworthy.yaml"
    plan.write_text(PLAN.replace("LOGS", str(LOGS)).replace("GENERATED", generated.name))
    found = {
        (e.evaluation, e.metric, json.dumps(dict(e.slice))): e.value
        for e in check(plan, out=tmp_path / "run").estimates
    }
    stats = json.loads((LOGS / "promptfoo/results.json").read_text())["results"]["stats"]
    assert found["capitals", "pass_rate[includes]", "{}"] == pytest.approx(0.5)  # Inspect's accuracy
    assert found["capitals", "mean[style_polite]", "{}"] == pytest.approx(0.3125)
    answered = stats["successes"] + stats["failures"]  # errors are missing outcomes, and widen the interval
    assert found["shop", "pass_rate[success]", "{}"] == pytest.approx(stats["successes"] / answered)
    assert found["shop", "pass_rate[success]", '{"provider": "echo"}'] == pytest.approx(0.5)
    (garak,) = (
        entry
        for entry in map(json.loads, (LOGS / "garak/small.report.jsonl").read_text().splitlines())
        if entry["entry_type"] == "eval" and entry["detector"] == "encoding.DecodeMatch"
    )
    assert found["probed", "violation_rate[decoded]", "{}"] == pytest.approx(garak["fails"] / garak["total_evaluated"])
    assert found["facts", "pass_rate[exact_match]", '{"filter": "strict"}'] == pytest.approx(1 / 3)
    assert found["facts", "pass_rate[exact_match]", '{"filter": "loose"}'] == pytest.approx(1 / 2)
