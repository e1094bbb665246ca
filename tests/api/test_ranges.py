"""Scorers of numbers that have a range: claims about their means rest on it, and nothing outside it counts."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from shipworthy.api.checking import check
from shipworthy.errors import Unusable
from shipworthy.evidence.run import Run
from shipworthy.gates.verdicts import Outcome
from shipworthy.scorers.overlap import Overlap
from shipworthy.scorers.protocol import Score, checked, range_of
from shipworthy.scorers.rubric import read_rubric


@pytest.fixture
def measured(tmp_path) -> Callable[..., Run]:
    """A check of a recorded log, of answers and how they were asked for, against one requirement."""

    def run(answers: list[dict], requirement: str, scorer: str = "{rouge_l: reference, name: overlap}") -> Run:
        with (tmp_path / "log.jsonl").open("w") as file:
            for number, answer in enumerate(answers):
                row = {"id": f"c{number}", "prompt": "Which way?", "reference": "to the left"} | answer
                file.write(json.dumps(row) + "\n")
        plan = tmp_path / "shipworthy.yaml"
        plan.write_text(
            'system: {name: desk, version: "1"}\nsubjects: {a: {log: log.jsonl}}\n'
            f"evaluations: {{e: {{subject: a, scorers: [{scorer}]}}}}\n"
            f"requirements: [{{id: R, {requirement}}}]\n"
        )
        return check(plan, out=tmp_path / "run")

    return run


def mean_of(run: Run, metric: str = "mean[overlap]"):
    return next(e for e in run.estimates if e.metric == metric and e.compare == "value" and not e.slice)


def test_a_few_dozen_shares_decide_a_claim_about_their_mean(measured):
    """40 answers: a mean without a range needs 300 before anything is claimed of it."""
    right, wrong = {"response": "to the left"}, {"response": "elsewhere"}
    run = measured([right] * 37 + [wrong] * 3, 'metric: "mean[overlap]", at_least: 0.6')
    assert run.verdicts[0].outcome is Outcome.MET
    estimate = mean_of(run)
    assert estimate.value == pytest.approx(37 / 40)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@pytest.mark.parametrize(("missing", "outcome"), [(4, Outcome.MET), (30, Outcome.UNDECIDED)])
def test_answers_that_are_missing_count_at_both_ends_of_the_range(measured, missing, outcome):
    right, wrong, gone = {"response": "to the left"}, {"response": "elsewhere"}, {"status": "timeout"}
    run = measured([right] * 57 + [wrong] * 3 + [gone] * missing, 'metric: "mean[overlap]", at_least: 0.7')
    estimate = mean_of(run)
    assert run.verdicts[0].outcome is outcome
    assert estimate.value == pytest.approx(57 / 60), "of those that there are"
    assert 0 <= estimate.low < 57 / (60 + missing)  # all that are missing nothing
    assert (57 + missing) / (60 + missing) < estimate.high <= 1  # and all of them everything


@pytest.mark.parametrize("hostile", [1.7, -0.2, float("nan"), float("inf"), -float("inf"), "1", True, 10**400])
def test_a_number_outside_the_range_is_refused_and_counted(measured, monkeypatch, hostile):
    own = Overlap.score

    def score(self, exchange):
        return Score(value=hostile) if "odd" in exchange.answer.text else own(self, exchange)

    monkeypatch.setattr(Overlap, "score", score)
    rows = [{"response": "to the left"}] * 57 + [{"response": "odd"}] * 3
    run = measured(rows, 'metric: "mean[overlap]", at_least: 0.7')
    (finding,) = [each for each in run.findings if each.check == "unscored answers"]
    assert finding.rows == 3
    assert "outside its range, 0 to 1" in finding.what or "is no number" in finding.what
    estimate = mean_of(run)
    assert estimate.value == 1, "of the 57 others"
    assert estimate.low <= 57 / 60, "the three count either way"
    assert run.verdicts[0].outcome is Outcome.MET


def test_a_stranger_declares_a_range_or_none():
    class Own:
        bounds = (1, 5)

    assert range_of(Own()) == (1.0, 5.0)
    assert range_of(object()) is None


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (float("nan"), 1), (0,), "ab", 3])
def test_range_of_validates_input(bounds):
    with pytest.raises(ValueError, match="bounds must be"):
        range_of(type("Own", (), {"bounds": bounds})())


def test_a_range_that_is_none_is_a_fault_of_the_plan(measured, monkeypatch):
    monkeypatch.setattr(Overlap, "bounds", (1.0, 0.0))
    with pytest.raises(Unusable, match="SCORE005"):
        measured([{"response": "x"}], 'metric: "mean[overlap]", at_least: 0.7')


@pytest.mark.parametrize(
    ("measures", "fine", "wrong"),
    [
        ("refusal", "full", "maybe"),
        ("refusal", "none", True),
        ("leak", True, "yes"),
        ("correct", np.bool_(False), 1),
        ("violation", False, 0.0),
        ("quality", 3, "3"),
        ("number", np.float64(2.5), [2.5]),
    ],
)
def test_a_score_is_what_its_scorer_measures(measures, fine, wrong):
    assert checked(Score(value=fine), measures, None).value is fine
    refused = checked(Score(value=wrong), measures, None)
    assert refused.value is None
    assert str(wrong)[:5] in refused.why


def test_the_scale_of_a_rubric_is_that_of_its_labels(tmp_path):
    path = tmp_path / "help.md"
    path.write_text("---\nmeasures: quality\nlabels: {bad: 1, fair: 3, good: 5}\n---\nHow good is it?\n")
    assert read_rubric(path, where="").bounds == (1.0, 5.0)
    path.write_text("---\nmeasures: quality\nlabels: {bad: 2, good: 2}\n---\nHow good is it?\n")
    assert read_rubric(path, where="").bounds is None
    path.write_text("---\nmeasures: violation\n---\nIs it?\n")
    assert read_rubric(path, where="").bounds is None
