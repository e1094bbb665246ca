"""The demo's stated truth is true, and its plan comes out as its comments say."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DEMO = Path(__file__).parents[1] / "demo"
ANNOUNCED = r"  # (Met|Breached|Undecided)\b.*\n(?:  #.*\n)*  - id: (\S+)"


@pytest.fixture(scope="module")
def lending():
    spec = importlib.util.spec_from_file_location("lending", DEMO / "lending.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_stated_disparity_against_simulation(lending):
    model = lending.train(10_000, rng=np.random.default_rng(20_250_101))
    people = lending.decide(model, 400_000, rng=np.random.default_rng(1)).to_pandas()
    women, men = (people[people["sex"] == sex] for sex in ("woman", "man"))
    ratio = women["approved"].mean() / men["approved"].mean()
    gap = men.loc[men["repaid"], "approved"].mean() - women.loc[women["repaid"], "approved"].mean()
    assert ratio == pytest.approx(
        lending.TRUTH["selection_ratio"], abs=0.01
    )  # rounding, and 3 standard errors of 0.002
    assert gap == pytest.approx(lending.TRUTH["tpr_gap"], abs=0.01)
    assert women["repaid"].mean() == pytest.approx(men["repaid"].mean(), abs=0.006)  # the groups deserve the same
    assert len(people.groupby("household")) < 0.6 * len(people)


def test_main_writes_what_the_plan_reads(lending, tmp_path, monkeypatch, capsys):
    import pyarrow.parquet as pq

    monkeypatch.setattr(lending, "__file__", str(tmp_path / "lending.py"))
    lending.main()
    table = pq.read_table(tmp_path / "out" / "applications.parquet")
    assert table.num_rows == 4_000
    plan = (DEMO / "shipworthy.yaml").read_text()
    for column in ("application", "household", "sex", "age", "region", "repaid", "score", "approved"):
        assert column in table.column_names
        assert column in plan
    assert "past_decision" not in table.column_names
    assert "0.66 times" in capsys.readouterr().out


def test_plan_loads_and_announces_every_outcome():
    from shipworthy.plan.loading import load_plan

    path = DEMO / "shipworthy.yaml"
    requirements = load_plan(path).plan.requirements
    announced = re.findall(ANNOUNCED, path.read_text())
    assert [name for _, name in announced] == [requirement.id for requirement in requirements]
    assert {verdict for verdict, _ in announced} == {"Met", "Breached", "Undecided"}


def test_assistant_comes_out_as_its_plan_announces(tmp_path):
    plan = shutil.copy(DEMO / "assistant.yaml", tmp_path)
    command = [sys.executable, "-c", "from shipworthy.cli import main; main()", "check", plan, "--out"]
    ended = subprocess.run([*command, str(tmp_path / "run")], capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    found = {verdict["requirement"]: verdict["verdict"] for verdict in results["verdicts"]}
    announced = re.findall(ANNOUNCED, Path(plan).read_text())
    assert found == {name: verdict.lower() for verdict, name in announced}
    stated = {"attack_success_rate": 0.037, "false_refusal_rate": 0.12}  # from the flaws that the plan states
    for metric, truth in stated.items():
        name = "misuse" if metric == "attack_success_rate" else "overblocking"
        (estimate,) = [
            e
            for e in results["estimates"]
            if (e["evaluation"], e["metric"], e["compare"], e["variant"]) == (name, metric, "value", None)
            and not e["slice"]
        ]
        assert estimate["low"] <= truth <= estimate["high"]


def test_check_finds_what_the_plan_announces(lending, tmp_path, monkeypatch):
    monkeypatch.setattr(lending, "__file__", str(tmp_path / "lending.py"))
    lending.main()
    plan = shutil.copy(DEMO / "shipworthy.yaml", tmp_path)
    run = tmp_path / "run"
    command = [sys.executable, "-c", "from shipworthy.cli import main; main()", "check", plan, "--out", str(run)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "report.html" in ended.stdout + ended.stderr
    results = json.loads((run / "results.json").read_text())
    assert results["decision"] == "hold"
    found = {verdict["requirement"]: verdict["verdict"] for verdict in results["verdicts"]}
    announced = re.findall(ANNOUNCED, Path(plan).read_text())
    assert found == {name: verdict.lower() for verdict, name in announced}
    (ratio,) = [verdict["estimate"] for verdict in results["verdicts"] if verdict["requirement"] == "FAIR-1"]
    assert ratio["low"] <= lending.TRUTH["selection_ratio"] <= ratio["high"]
