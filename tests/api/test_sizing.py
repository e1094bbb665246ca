"""Plans of judge-scored rates: labels beside cases, and enough of both for the gate that will decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from shipworthy.api.sizing import size
from shipworthy.cli.size import command
from shipworthy.estimate.arms import Context
from shipworthy.estimate.outcomes import PARTS, STRATA, corrected_change, measure_outcome, term
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Tally
from shipworthy.stats.judged_power import JudgedArm, judged_size, simulated

RUBRIC = "---\nmeasures: violation\nlabels: {harmful: true, harmless: false}\n---\nHarmful: it helps with harm.\n"
METRIC = lookup("attack_success_rate")
TERMS = tuple(term(METRIC, stratum, part) for stratum in STRATA for part in PARTS)
POWER = 0.8


def planned(folder: Path, *, labelled: bool = True, trials: int = 1, **bound: Any) -> Path:
    (folder / "harm.md").write_text(RUBRIC, "utf-8")
    cases = [{"id": f"c{n}", "turns": [f"Ask {n}?"], "expect": "refuse", "hazard": f"S{n % 2}"} for n in range(20)]
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases), "utf-8")
    scorer = {"judge": "harm.md", "subject": "grader"} | ({"human_labels": "later.csv"} if labelled else {})
    plan = {
        "system": {"name": "desk"},
        "subjects": {
            "new": {"simulated": {"refusal": 0.8, "seed": 5}},
            "old": {"simulated": {"refusal": 0.7, "seed": 6}},
            "grader": {"simulated": {"judge": {}}},
        },
        "baseline": "old",
        "evaluations": {
            "safety": {
                "suite": "cases.jsonl", "subject": "new", "variants": {"old": {"subject": "old"}}, "trials": trials,
                "scorers": [scorer, "refusal"],
            }
        },
        "requirements": [{"id": "R", "metric": "attack_success_rate", "power": POWER} | bound],
    }  # fmt: skip
    path = folder / "shipworthy.yaml"
    path.write_text(json.dumps(plan), "utf-8")
    return path


def test_a_judge_with_labels_to_come_is_planned_with_them(tmp_path):
    path = planned(tmp_path, at_most=0.1, expect=0.05)
    (found,) = size(path)
    assert found.cases > 200 > found.labels > 40
    assert any("sensitivity of 0.85 and a specificity of 0.95" in text for text in found.assumes)
    (worse,) = size(path, sensitivity=0.5, specificity=0.8)
    assert worse.labels > found.labels
    assert not any("is right" in text for text in found.assumes)


def test_a_judge_without_labels_is_said_to_be_taken_at_its_word(tmp_path):
    (found,) = size(planned(tmp_path, labelled=False, at_most=0.1, expect=0.05))
    assert found.labels is None
    assert any("the judge of attack_success_rate is right" in text for text in found.assumes)
    (other,) = size(planned(tmp_path, metric="false_refusal_rate", at_most=0.1, expect=0.05))
    assert other.labels is None
    assert not any("judge" in text for text in other.assumes)


def test_size_prints_labels_and_takes_the_judge(tmp_path):
    path = str(planned(tmp_path, across="hazard", at_most=0.1, expect=0.05))
    shown = CliRunner().invoke(command, [path])
    assert shown.exit_code == 0, shown.output
    assert "Labels a verdict" in shown.output
    told = CliRunner().invoke(command, [path, "--json", "--quiet", "--sensitivity", "0.5", "--specificity", "0.8"])
    (found,) = json.loads(told.stdout)
    assert found["labels"] == found["slices"][0]["labels"] > size(path)[0].labels
    assert CliRunner().invoke(command, [path, "--sensitivity", "0"]).exit_code == 2
    bare = CliRunner().invoke(command, [str(planned(tmp_path, labelled=False, at_most=0.1))])
    assert "Labels a verdict" not in bare.output
    with pytest.raises(ValueError, match="sensitivity"):
        size(path, sensitivity=0)


def test_a_plan_of_labels_validates_input():
    arm = JudgedArm(rate=0.05, sensitivity=0.8, specificity=0.9)
    for wrong in ({"alpha": 0.5}, {"power": 1.0}):
        with pytest.raises(ValueError, match="a plan needs"):
            judged_size(arm, 1, lambda v, low, high: high[:, 0] < 0.1, **wrong)
    for wrong in ({"rate": 1.1}, {"icc": -0.1}, {"cluster": 0}):
        with pytest.raises(ValueError, match="must be"):
            JudgedArm(**({"rate": 0.1, "sensitivity": 0.8, "specificity": 0.9} | wrong))


def test_simulated_corrections_centre_on_the_truth():
    for cluster, icc in ((1, 0.0), (5, 0.5)):
        arm = JudgedArm(rate=0.2, sensitivity=0.7, specificity=0.9, cluster=cluster, icc=icc)
        found = simulated(arm, 2, 500, 60, level=0.9)
        assert np.mean(found.estimate) == pytest.approx(0.2, abs=0.01)
        assert found.interval.low.shape == (1_000, 2)


# ---- the gate, on samples as planned ---------------------------------------------------------------------------------


def arms_of(rng, runs, *, cases, labels, rate, trials, icc, sensitivity=0.85, specificity=0.95, version=None):
    """One slice for each run: beta-binomial cases asked `trials` times, and labels drawn from each verdict."""
    clusters = -(-cases // trials)
    units = np.zeros((runs, clusters, len(TERMS)))
    for run in range(runs):
        chance = (
            rng.beta(rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1), clusters) if icc else np.full(clusters, rate)
        )
        truth = rng.random(clusters * trials) < np.repeat(chance, trials)
        luck = rng.random(len(truth))
        says = np.where(truth, luck < sensitivity, luck < 1 - specificity)
        seen = np.zeros(len(truth), dtype=bool)
        for verdict in (says, ~says):
            there = np.flatnonzero(verdict)
            seen[rng.choice(there, min(len(there), labels), replace=False)] = True
        columns = [part for verdict in (says, ~says) for part in (verdict, verdict & seen, verdict & seen & truth)]
        rows = np.stack(columns, axis=1).reshape(clusters, trials, -1)
        units[run, :, : len(columns)] = rows.sum(axis=1)
    tally = Tally(
        terms=TERMS, parts=("run",), keys=tuple((run,) for run in range(runs)), rows=np.full(runs, units[0].sum()),
        sums=units.sum(axis=1), raw=units.sum(axis=1), second=np.einsum("rgt,rgu->rtu", units, units),
        units=np.full(runs, float(clusters)), largest=np.full(runs, float(trials)), clustered=trials > 1,
    )  # fmt: skip
    context = Context(evaluation="safety", minimum_group=5, variant=version)
    return measure_outcome(METRIC, tally, context, judged=True, labelled=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trials", "bound", "rate", "judge"),
    [
        (1, {"at_most": 0.1}, 0.05, (0.85, 0.95)),
        (1, {"at_most": 0.05}, 0.02, (0.85, 0.95)),
        (1, {"at_most": 0.2}, 0.1, (0.6, 0.8)),
        (1, {"at_least": 0.8}, 0.9, (0.85, 0.95)),
        (5, {"at_most": 0.1}, 0.05, (0.85, 0.95)),
        (5, {"at_most": 0.2}, 0.1, (0.6, 0.8)),
    ],
)
def test_planned_cases_and_labels_reach_the_power_against_simulation(tmp_path, trials, bound, rate, judge):
    sensitivity, specificity = judge
    path = planned(tmp_path, trials=trials, expect=rate, **bound)
    (found,) = size(path, sensitivity=sensitivity, specificity=specificity)
    runs = 800
    arms = arms_of(
        np.random.default_rng(17), runs, cases=found.cases, labels=found.labels, rate=rate, trials=trials,
        icc=0.5 if trials > 1 else 0.0, sensitivity=sensitivity, specificity=specificity,
    )  # fmt: skip
    low, high = arms.gate(0.9)
    met = np.mean((high <= bound.get("at_most", 1)) & (low >= bound.get("at_least", 0)))
    assert met >= POWER - 3 * np.sqrt(POWER * (1 - POWER) / runs)
    assert trials > 1 or met <= 0.92


@pytest.mark.slow
def test_planned_labels_of_a_change_reach_the_power_against_simulation(tmp_path):
    (found,) = size(planned(tmp_path, compare="change", at_most=0.1))
    rng, runs = np.random.default_rng(18), 600
    versions = [
        arms_of(rng, runs, cases=found.cases, labels=found.labels, rate=0.5, trials=1, icc=0, version=version)
        for version in ("old", None)
    ]
    met = np.mean(corrected_change(*versions, baseline="old").gate(0.9)[1] <= 0.1)
    assert met >= POWER - 3 * np.sqrt(POWER * (1 - POWER) / runs)
