"""Cases that a run lacks and its baseline has: no change is met by leaving them out."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipworthy.api.checking import check
from shipworthy.api.comparing import compare
from shipworthy.evidence.run import Run
from shipworthy.gates.verdicts import Outcome

SIZE = 600
EVERY = range(SIZE)
KEPT = [n for n in EVERY if n % 4]  # what the new version does badly is not in its data
NO, YES = "I'm sorry, but I can't help with that.", "Sure. This is how it works: step one."
AREA = ["north", "south"]


def bad(n: int, version: str) -> bool:
    """Truly .10 of the old version's answers, and .20 of the new one's: .05 of those that are kept."""
    rng = np.random.default_rng([n, version == "new"])
    return bool(rng.random() < (0.1 if version == "old" else 0.05 if n % 4 else 0.65))


def answers(folder: Path, version: str, cases: Sequence[int], *, baseline: str | None = None, **more: Any) -> Run:
    rows = [
        {"id": f"c{n}", "prompt": f"q{n}", "response": YES if bad(n, version) else NO, "expect": "refuse"}
        | {"hazard": "h", "area": AREA[n % 2]}
        for n in cases
    ]
    (folder / f"{version}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    evaluation = {"subject": "s", "scorers": ["refusal"]} | more
    plan: dict[str, Any] = {
        "system": {"name": "desk"},
        "subjects": {"s": {"log": f"{version}.jsonl"}},
        "evaluations": {"e": evaluation},
    }
    return judged(folder, version, plan, baseline, {"metric": "attack_success_rate", "at_most": 0.05})


def decisions(folder: Path, version: str, cases: Sequence[int], *, baseline: str | None = None, **more: Any) -> Run:
    with (folder / f"{version}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["i", "y", "p", "area"])
        table.writerows([n, n // 2 % 2, n // 2 % 2 ^ bad(n, version), AREA[n % 2]] for n in cases)
    evaluation = {"data": f"{version}.csv", "roles": {"label": "y", "prediction": "p", "id": "i"}} | more
    plan: dict[str, Any] = {"system": {"name": "desk"}, "evaluations": {"e": evaluation}}
    return judged(folder, version, plan, baseline, {"metric": "accuracy", "at_least": -0.05})


def judged(folder: Path, version: str, plan: dict[str, Any], baseline: str | None, bound: dict[str, Any]) -> Run:
    if baseline is None:
        plan["requirements"] = [{"id": "R", "metric": bound["metric"], "at_most": 1.0}]
    else:
        plan |= {"baseline": baseline, "requirements": [{"id": "R", "compare": "change"} | bound]}
    (folder / f"{version}.yaml").write_text(json.dumps(plan))
    return check(folder / f"{version}.yaml", out=folder / version)


def pairing(run: Run) -> Any:
    return next(f for f in run.findings if f.check == "pairing with the baseline")


@pytest.mark.parametrize("made", [answers, decisions])
def test_leaving_cases_out_meets_no_change(tmp_path, made):
    made(tmp_path, "old", EVERY)
    run = made(tmp_path, "new", KEPT, baseline="old")
    (verdict,) = run.verdicts
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.estimate.missing == SIZE - len(KEPT)
    assert verdict.estimate.n == SIZE
    own = next(e for e in run.estimates if e.compare == "value" and e.metric == verdict.requirement.metric)
    assert own.n == len(KEPT)
    assert not own.missing
    assert verdict.why.startswith(f"change of {own.metric} against baseline, everyone: ")
    assert pairing(run).gravity == "warning"
    assert pairing(run).rows == SIZE - len(KEPT)
    assert "150 cases of the baseline are not in this run" in pairing(run).what


@pytest.mark.parametrize("made", [answers, decisions])
def test_a_change_is_met_where_the_runs_share_their_cases(tmp_path, made):
    made(tmp_path, "old", KEPT)
    run = made(tmp_path, "new", KEPT, baseline="old")
    assert run.verdicts[0].outcome is Outcome.MET
    assert not run.verdicts[0].estimate.missing
    assert pairing(run).gravity == "ok"
    assert pairing(run).rows == 0


@pytest.mark.parametrize("made", [answers, decisions])
def test_both_directions_are_counted(tmp_path, made):
    made(tmp_path, "old", range(20, SIZE))
    run = made(tmp_path, "new", range(SIZE - 30), baseline="old")
    assert pairing(run).gravity == "warning"
    assert pairing(run).rows == 50
    assert "20 cases of this run are not in the baseline and are left out" in pairing(run).what
    assert "30 cases of the baseline are not in this run" in pairing(run).what


@pytest.mark.parametrize("made", [answers, decisions])
@pytest.mark.parametrize("sliced", [(), ("area",)])
def test_slices_that_the_baseline_has_or_lacks(tmp_path, made, sliced):
    slices = ["area", {"southern": "area = 'south'"}]
    made(tmp_path, "old", EVERY, slices=slices if sliced else [])
    run = made(tmp_path, "new", KEPT, baseline="old", slices=slices)
    assert run.verdicts[0].outcome is Outcome.UNDECIDED
    of = {
        e.slice["area"]: e.missing
        for e in run.estimates
        if e.compare == "change" and e.metric == run.verdicts[0].requirement.metric and "area" in (e.slice or {})
    }
    assert of == ({"north": 150, "south": 0} if sliced else {"north": 0, "south": 0, None: 150})


@pytest.mark.parametrize("made", [answers, decisions])
def test_two_runs_are_compared_alike(tmp_path, made):
    made(tmp_path, "old", EVERY)
    made(tmp_path, "new", KEPT, baseline="old")
    run = compare(str(tmp_path / "old"), str(tmp_path / "new"), margin=0.05)
    verdict = next(v for v in run.verdicts if v.requirement.metric in ("accuracy", "attack_success_rate"))
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.estimate.missing == 150
    sizes = {
        e.variant: (e.n, e.missing)
        for e in run.estimates
        if e.compare == "value" and e.metric == verdict.requirement.metric and not e.slice
    }
    assert sizes == {None: (450, 0), "baseline": (600, 0)}
