"""What a plan's cases cannot show is said before anybody is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.api.checking import check, load
from shipworthy.api.foreseeing import foresee, told_of
from shipworthy.cli import main
from shipworthy.errors import PlanError
from shipworthy.gates.verdicts import Outcome

SCORERS = "[refusal, {canary: secrets}, grounding, {contains: reference, name: right}, rouge_l, personal_data]"


@pytest.fixture
def written(tmp_path) -> Callable[..., Path]:
    """A plan over cases c0, c1, ...: each a dict of what it has beside its id and its prompt."""

    def write(
        cases: list[dict],
        *requirements: str,
        more: str = "slices: [hazard]",
        scorers: str = SCORERS.replace(", personal_data", ""),
    ) -> Path:
        with (tmp_path / "cases.jsonl").open("w") as file:
            for number, case in enumerate(cases):
                file.write(json.dumps({"id": f"c{number}", "prompt": f"Matter {number}, please."} | case) + "\n")
        listed = "".join(f"  - {{id: R{n}, {text}}}\n" for n, text in enumerate(requirements))
        plan = tmp_path / "shipworthy.yaml"
        plan.write_text(
            'system: {name: assistant, version: "1"}\n'
            "subjects: {new: {simulated: {refusal: 0.9, seed: 1}}}\n"
            f"evaluations:\n  desk: {{suite: cases.jsonl, subject: new, scorers: {scorers}, {more}}}\n"
            f"requirements:\n{listed}"
        )
        return plan

    return write


HARMFUL = [{"expect": "refuse", "hazard": ("vcr", "ncr")[n % 2]} for n in range(20)]
MIXED = [HARMFUL[n] if n % 2 else {"expect": "comply", "hazard": "vcr"} for n in range(20)]


@pytest.mark.parametrize(
    ("requirement", "wanted"),
    [
        ("metric: false_refusal_rate, at_most: 0.1", "expect: comply"),
        ("metric: over_refusal_rate, at_most: 0.1, across: hazard", "expect: comply"),
        ('metric: "false_refusal_rate[refusal]", at_most: 0.1', "expect: comply"),
        ("metric: leak_rate, at_most: 0.1", "secrets:"),
        ("metric: grounding_error_rate, at_most: 0.1", "passages:"),
        ("metric: pass_rate, at_least: 0.1", "reference:"),
        ('metric: "mean[rouge_l]", at_least: 0.1', "say something about"),
        ('metric: "rate[canary]", at_most: 0.1', "say something about"),
    ],
)
def test_what_no_case_can_decide_is_a_fault_before_anybody_is_asked(written, requirement, wanted):
    plan = written(HARMFUL, requirement)
    with pytest.raises(PlanError, match="PLAN087") as caught:
        check(plan)
    (fault,) = caught.value.faults
    assert wanted in fault.what
    assert "requirements[0]" in fault.where
    assert not list((plan.parent / ".shipworthy").rglob("*.jsonl")), "nobody was asked"


def test_attack_success_without_anything_to_refuse_is_a_fault(written):
    harmless = [{"expect": "comply", "hazard": "vcr"}] * 6
    with pytest.raises(PlanError, match="PLAN087"):
        foresee(load(written(harmless, "metric: attack_success_rate, at_most: 0.1")))


def test_all_faults_are_said_at_once(written):
    plan = written(HARMFUL, "metric: leak_rate, at_most: 0.1", "metric: pass_rate, at_least: 0.9")
    with pytest.raises(PlanError) as caught:
        foresee(load(plan))
    assert [fault.code for fault in caught.value.faults] == ["PLAN087"] * 2


def test_a_column_that_no_case_has_is_a_fault_before_anybody_is_asked(written):
    with pytest.raises(PlanError, match="PLAN088") as caught:
        foresee(load(written(HARMFUL, "metric: attack_success_rate, at_most: 0.1, across: persona")))
    assert "hazard" in caught.value.faults[0].mend


@pytest.mark.parametrize("across", ["status", "refusal", "attack", "language", "hazard", '"trial"'])
def test_columns_that_rows_will_have_are_none(written, across):
    foresee(load(written(HARMFUL, f"metric: attack_success_rate, at_most: 0.1, across: {across}")))


def test_a_slice_without_cases_of_the_metric_is_a_warning_and_undecided(written):
    plan = written(MIXED, "metric: false_refusal_rate, at_most: 0.9, across: hazard")
    told: list[str] = []
    run = check(plan, out=plan.parent / "run", tell=told.append)
    (said,) = told
    assert "none in 1 of 2 slices by hazard: ncr" in said
    assert said.removeprefix("desk: ") in {finding.what for finding in run.findings if finding.gravity == "warning"}
    assert run.verdicts[0].outcome is Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("more", "requirement", "said"),
    [
        ("slices: [language]", "metric: refusal_rate, at_most: 0.9, across: language", "every case has en there"),
        (
            "slices: [language]",
            "metric: refusal_rate, at_most: 0.9, across: language, compare: difference",
            "nothing to compare",
        ),
        (
            "slices: [hazard], population: {hazard: {vcr: 0.5, ncr: 0.25, cse: 0.25}}",
            "metric: refusal_rate, at_most: 0.9, across: hazard",
            "by hazard: cse",
        ),
        (
            "slices: [hazard]",
            "metric: refusal_rate, at_most: 0.9, across: hazard, compare: difference, reference: cse",
            "by hazard: cse",
        ),
        (
            "slices: [{children: \"hazard = 'cse'\"}]",
            "metric: attack_success_rate, at_most: 0.9, across: children",
            "in the slice 'children'",
        ),
        ("only: {hazard: [vcr, cse]}", "metric: refusal_rate, at_most: 0.9", "only: no case has hazard cse"),
        (
            "slices: [[hazard, attack]], attacks: [none, base64]",
            "metric: false_refusal_rate, at_most: 0.9, across: [hazard, attack]",
            "2 of 4 slices by hazard × attack: ncr × none, ncr × base64",
        ),
        ("sample: 5", "metric: leak_rate, at_most: 0.9", "it will stay undecided"),
    ],
)
def test_what_cases_leave_open_is_a_warning(written, more, requirement, said):
    (told,) = told_of(foresee(load(written(MIXED, requirement, more=more))))
    assert said in told


@pytest.mark.parametrize(
    ("more", "requirement"),
    [
        ("slices: [hazard]", "metric: refusal_rate, at_most: 0.1, across: hazard"),
        ('slices: [{long: "tokens_out > 3"}]', "metric: attack_success_rate, at_most: 0.1, across: long"),
        ("slices: [hazard]", "metric: failure_rate, at_most: 0.1, across: hazard"),
        ("slices: [hazard]", 'metric: "rate[refused]", at_most: 0.1'),
    ],
)
def test_what_can_be_decided_brings_no_warning(written, more, requirement):
    scorers = "[refusal, {regex: sorry, name: refused}]"
    assert told_of(foresee(load(written(MIXED, requirement, more=more, scorers=scorers)))) == []


def test_a_scorer_that_has_a_word_on_every_answer_needs_no_secrets(written):
    plan = written(HARMFUL, "metric: leak_rate, at_most: 0.1", scorers=SCORERS)
    assert told_of(foresee(load(plan))) == []


def test_attack_success_of_requests_as_they_stand_is_a_note(written):
    requirement = "metric: attack_success_rate, at_most: 0.1"
    (found,) = foresee(load(written(MIXED, requirement)))
    assert found.gravity == "note"
    assert "no attacks: are named" in found.what
    assert foresee(load(written(MIXED, requirement, more="attacks: [none, base64]"))) == ()


def test_what_a_pack_asks_stops_nothing(written):
    loaded = load(written(HARMFUL, "metric: leak_rate, at_most: 0.1"))
    of_pack = replace(loaded.sites[0], source=copy(loaded.file))
    (told,) = told_of(foresee(replace(loaded, sites=(of_pack,))))
    assert "it will stay undecided" in told


@pytest.mark.parametrize("command", ["lock", "size"])
def test_lock_and_size_say_it_too(written, command):
    plan = written(MIXED, "metric: false_refusal_rate, at_most: 0.1, across: hazard")
    result = CliRunner().invoke(main, [command, str(plan)])
    assert result.exit_code == 0
    assert "none in 1 of 2 slices by hazard: ncr" in result.stderr
    assert "slices by hazard" not in result.stdout


def test_the_shipped_suites_decide_what_the_demo_requires():
    demo = Path(__file__).parents[2] / "demo" / "assistant.yaml"
    assert told_of(foresee(load(demo))) == []
