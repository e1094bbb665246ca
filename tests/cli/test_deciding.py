"""One decision over several runs: written and signed in one go, and how everything that reads decisions treats it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from shipworthy.api import signing
from shipworthy.api.recording import open_record

sys.path.insert(0, str(Path(__file__).parent))
from calling import call

ADA, BEA, CY = "Ada <ada@example.org>", "Bea <bea@example.org>", "Cy <cy@example.org>"
FAIR = """system: {name: lending, version: "2", tier: high, purpose: Rank applications.}
evaluations: {decisions: {data: d.csv, roles: {label: y, prediction: p}}}
requirements: [{id: FAIR, metric: accuracy, at_least: 0.7}]
"""
ATTACKS = FAIR.replace("d.csv", "e.csv").replace("FAIR", "SAFE")
APPROVE = ("--verdict", "approve", "--yes")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two plans of one version, one folder, one record; each was checked once."""
    monkeypatch.chdir(tmp_path)
    for name in ("SHIPWORTHY_ACTOR", "SHIPWORTHY_RECORD"):
        monkeypatch.delenv(name, raising=False)
    for name in ("d.csv", "e.csv"):
        Path(name).write_text("y,p\n" + "".join(f"{i % 2},{i % 2 if i % 5 else 1 - i % 2}\n" for i in range(600)))
    Path("fair.yaml").write_text(FAIR)
    Path("attacks.yaml").write_text(ATTACKS)
    for plan in ("fair", "attacks"):
        call("check", f"{plan}.yaml", "--out", plan, "--quiet")
    return tmp_path


def sign(*runs: str, role="product", by=ADA, code=0, more=APPROVE):
    return call("sign", *runs, "--role", role, "--as", by, *more, code=code)


def told(*args: str, code: int = 0):
    return json.loads(call(*args, "--json", code=code).stdout)


def test_runs_are_decided_on_together_and_signed_from_the_check_to_the_package(folder):
    shown = sign("fair", "attacks").stderr
    names = [one["run"] for one in told("status", "lending", code=3)["runs"]]
    for text in (
        "written now, on 2 runs: the worst of theirs",
        "2 runs, 2 requirements",
        *(f"{one}: ship" for one in names),
    ):
        assert text in shown
    assert "written now" not in sign("attacks", "fair", role="risk", by=BEA).stderr  # the same, in another order
    (one,) = told("signoffs")
    assert (one["fit"], [each["state"] for each in one["signoffs"]]) == ("ship", ["counts", "counts"])
    assert [each["run"] for each in one["runs"]] == names
    decision = one["decision"]
    for target in ("lending", "fair.yaml", "attacks.yaml"):
        text = call("status", target).stdout
        assert "FIT TO SHIP" in text
        assert f"decision {decision}, on 2 runs" in text
        assert all(f"run {name} of" in text for name in names)
    traced = call("trace", "lending", code=1).stdout
    assert "FAIR" in traced
    assert "SAFE" in traced
    assert "rests on another one" not in traced
    assert "TRACE008" not in traced
    (valid,) = (each for each in told("kpi")["kpis"] if each["name"] == "sign-off-validity")
    assert [(each["hits"], each["of"]) for each in valid["figures"]] == [(2, 2)]
    call("pack", decision, "--out", "package", "--quiet")
    about = json.loads(Path("package/package.json").read_text())
    assert about["decided_as"] == decision
    assert [each["run"] for each in about["runs"]] == names
    verified = call("verify", "package", "--json")
    assert "was given for" not in verified.stdout
    assert told("record", "verify")["faults"] == []


@pytest.mark.parametrize(("path", "old", "new", "said"), [
    ("e.csv", "1,1\n", "0,1\n", "the data of decisions have changed: other rows than the run read (run "),
    ("d.csv", "1,1\n", "0,1\n", "the data of decisions have changed: other rows than the run read (run "),
    ("attacks.yaml", "0.7", "0.6", "the threshold of SAFE was at least 70 %, and is at least 60 % (run "),
    ("attacks/results.json", "ship", "hold", "results.json of the run"),
])  # fmt: skip
def test_a_change_of_any_of_its_runs_makes_it_stale_and_undoing_it_mends_it(folder, path, old, new, said):
    sign("fair", "attacks")
    sign("fair", "attacks", role="risk", by=BEA)
    before = Path(path).read_text()
    Path(path).write_text(before.replace(old, new))
    for target in ((), ("lending",), ("fair.yaml",)):
        assert said in call("status", *target, code=4).stdout
    assert "GOVERN008" in sign("fair", "attacks", role="legal", by=CY, code=2).stderr
    Path(path).write_text(before)
    assert "FIT TO SHIP" in call("status").stdout


def test_the_worst_of_the_runs_counts_and_what_stops_them_is_told_before_it_is_signed(folder):
    Path("attacks.yaml").write_text(ATTACKS.replace("0.7", "0.95"))
    call("check", "attacks.yaml", "--out", "worse", "--quiet", code=1)
    shown = sign("fair", "worse").stderr
    run = told("status", "lending", code=1)["runs"][1]["run"]
    assert f"SAFE  breached, blocker, run {run}" in shown
    assert "the decision to hold lending 2" in shown
    assert "HOLD" in call("status", code=1).stdout
    done = sign("fair", "worse", role="risk", by=BEA, more=(*APPROVE, "--outcome", "ship", "--reason", "It is small."))
    assert "the rules say hold" in done.stderr


def test_the_newest_decision_decides_and_none_leaves_out_runs_of_one_before(folder):
    sign("fair")
    sign("fair", "attacks")
    both = told("status", "lending", code=3)["decision"]
    assert both.startswith("runs-")
    assert len(told("signoffs")) == 1  # the decision on one of them has been overtaken
    for runs, code in ((("fair",), "GOVERN002"), (("attacks",), "GOVERN013")):
        refused = sign(*runs, role="risk", by=BEA, code=2).stderr
        assert code in refused
        assert both in refused
    call("check", "attacks.yaml", "--out", "again", "--quiet")
    sign("again", "fair", role="risk", by=BEA)  # another run takes the place of one of them
    newest = told("status", "lending", code=3)
    assert newest["decision"] != both
    assert [one["role"] for one in newest["signoffs"]] == ["risk"]
    assert "a newer decision rests on the same run" in sign(both, code=2).stderr


def test_runs_that_no_one_decision_can_rest_on_are_refused(folder):
    Path("fair.yaml").write_text(FAIR.replace('"2"', '"3"'))
    call("check", "fair.yaml", "--out", "next", "--quiet")
    Path("fair.yaml").write_text(FAIR.replace("lending", "other"))
    call("check", "fair.yaml", "--out", "other", "--quiet")
    for runs, said in (
        (("fair", "next"), "the runs are of lending 2 and of lending 3"),
        (("fair", "other"), "the runs are of lending 2 and of other 2"),
        (("fair", "attacks", "fair"), "is named twice"),
        (("fair",) * (signing.MOST_RUNS + 1), f"at most {signing.MOST_RUNS}"),
    ):
        refused = sign(*runs, code=2).stderr
        assert "GOVERN013" in refused
        assert said in refused
    assert "GOVERN002" in sign("fair", "nothing", code=2).stderr
    with open_record(".shipworthy/record.db") as record:
        assert record.count("decision") == 0


def test_what_several_runs_are_made_from_is_kept_apart(folder):
    """Runs of one version may be made from other files under one name; each is held against its own."""
    for name, plan in (("fair", FAIR), ("attacks", ATTACKS)):
        Path(f"{name}.py").write_text(
            "import pyarrow as pa\ndef predict(rows):\n    return pa.table({'prediction': rows['x']})\n" + f"# {name}\n"
        )
        Path(f"{name}.csv").write_text("y,x\n" + "".join(f"{i % 2},{i % 2}\n" for i in range(200)))
        text = plan.replace(plan[plan.index("{decisions") : plan.index("\nrequirements")],
                            f"{{decisions: {{data: {name}.csv, subject: model, roles: {{label: y}}}}}}\nsubjects: {{model: {{python: '{name}:predict'}}}}")  # fmt: skip
        Path(f"{name}.yaml").write_text(text)
        call("check", f"{name}.yaml", "--out", f"{name}-2", "--quiet")
    sign("fair-2", "attacks-2")
    sign("attacks-2", "fair-2", role="risk", by=BEA)
    assert "FIT TO SHIP" in call("status", "lending").stdout
    for name in ("fair", "attacks"):
        before = Path(f"{name}.py").read_text()
        Path(f"{name}.py").write_text(before + "# changed\n")
        assert "the model of subject model has changed (run " in call("status", "lending", code=4).stdout
        Path(f"{name}.py").unlink()
        assert "the model of subject model is gone (run " in call("status", "lending", code=4).stdout
        Path(f"{name}.py").write_text(before)
    assert "FIT TO SHIP" in call("status", "lending").stdout
    Path("attacks.py").write_text(Path("attacks.py").read_text() + "# another\n")
    call("check", "attacks.yaml", "--out", "attacks-3", "--quiet")
    sign("attacks-3")  # of the same plan, alone and from another file: held against what it was made from itself
    assert "stale" not in json.dumps(told("status", "lending", code=3)["signoffs"][0]["state"])
