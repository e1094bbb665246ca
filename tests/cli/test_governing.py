"""The commands people govern with: system, waiver, sign, signoffs, status."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.cli import main
from shipworthy.cli.status import EXIT_OF_FIT

sys.path.insert(0, str(Path(__file__).parent))
from calling import call

ADA, BEA = "Ada <ada@example.org>", "Bea <bea@example.org>"
HOSTILE = "\x1b[2J\u202eevil"
PLAN = """system: {name: lending, version: "2", tier: high, purpose: Rank applications.}
evaluations: {decisions: {data: d.csv, roles: {label: y, prediction: p}}}
requirements: [{id: ACC, metric: accuracy, at_least: 0.7}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SHIPWORTHY_ACTOR", "SHIPWORTHY_RECORD"):
        monkeypatch.delenv(name, raising=False)
    Path("d.csv").write_text("y,p\n" + "".join(f"{i % 2},{i % 2 if i % 5 else 1 - i % 2}\n" for i in range(600)))
    Path("shipworthy.yaml").write_text(PLAN)
    return tmp_path


def test_from_a_check_to_a_stale_signature_and_back(folder):
    call("check", "--quiet")
    call("status", code=3)
    shown = call("sign", "latest", "--role", "product", "--verdict", "approve", "--as", ADA, "--yes").stderr
    for word in (
        "You sign as product, as Ada: approve",
        "decision  sha256:",
        "evidence  sha256:",
        "It goes stale when",
    ):
        assert word in shown
    more = ("--condition", f"look {HOSTILE}", "--due", "2100-01-01")
    done = call("sign", "latest", "--role", "risk", "--verdict", "approve-with-conditions", *more, "--as", BEA, "--yes")
    assert "● FIT TO SHIP, until 2100-01-01  lending 2" in done.stdout
    for target in ((), ("shipworthy.yaml",), ("lending",)):
        assert "FIT TO SHIP" in call("status", *target).stdout
    Path("shipworthy.yaml").write_text(PLAN.replace("0.7", "0.6"))
    stale = call("status", code=4).stdout
    assert "STALE" in stale
    assert "the threshold of ACC was at least 70 %, and is at least 60 %" in stale
    assert "[stale]" in call("signoffs").stdout
    found = json.loads(call("status", "lending", "--json", code=4).stdout)
    assert (found["fit"], found["changes"][0]["of"]) == ("stale", "threshold")
    call("sign", "latest", "--role", "legal", "--verdict", "approve", "--as", ADA, "--yes", code=2)
    Path("shipworthy.yaml").write_text(PLAN)
    call("status")
    (signed,) = json.loads(call("signoffs", "--json", "--no-data").stdout)
    call("signoffs", "--withdraw", signed["signoffs"][0]["id"], "--as", ADA)
    assert "product has not signed" in call("status", code=3).stdout
    call("sign", "latest", "--role", "legal", "--verdict", "reject", "--as", BEA, "--yes", "--json")
    assert "HOLD" in call("status", "-q", code=1).stdout


def test_nobody_signs_without_being_asked(folder):
    call("check", "--quiet")
    done = call("sign", "latest", "--role", "product", "--verdict", "approve", "--as", ADA, code=2)
    assert "GOVERN011" in done.stderr
    assert json.loads(call("signoffs", "--json").stdout) == []


@pytest.mark.parametrize(("said", "code"), [("y\n", 0), ("n\n", 2)])
def test_on_a_terminal_it_asks(folder, monkeypatch, said, code):
    call("check", "--quiet")
    monkeypatch.setattr(
        "shipworthy.cli.sign.sys", type("sys", (), {"stdin": type("tty", (), {"isatty": lambda: True})})
    )
    args = ["sign", "latest", "--role", "product", "--verdict", "approve", "--as", ADA]
    done = CliRunner().invoke(main, args, input=said)
    assert done.exit_code == code, done.output
    assert "Sign this? [y/N]" in done.stderr
    assert len(json.loads(call("signoffs", "--json").stdout)) == (code == 0)


def test_a_waiver_request_validates_input(folder):
    Path("shipworthy.yaml").write_text(PLAN.replace("0.7", "0.95"))
    call("check", "--quiet", code=1)
    ends = f"{datetime.now(UTC) + timedelta(30):%Y-%m-%d}"
    terms = ("--reason", f"Old {HOSTILE}", "--control", "People look.", "--ends", ends)
    call("waiver", "request", "latest", "ACC", *terms, "--slice", "nothing", "--as", ADA, code=2)
    call("waiver", "request", "latest", "ACC", *terms, code=2)
    call("waiver", "request", "latest", "ACC", *terms[:4], "--ends", "1999-01-01", "--as", ADA, code=2)
    assert call("waiver", "list").stdout == ""


def test_a_waiver_is_given_by_another(folder):
    Path("shipworthy.yaml").write_text(PLAN.replace("0.7", "0.95"))
    call("check", "--quiet", code=1)
    ends = f"{datetime.now(UTC) + timedelta(30):%Y-%m-%d}"
    terms = ("--reason", f"Old {HOSTILE}", "--control", "People look.", "--ends", ends)
    made = json.loads(call("waiver", "request", "latest", "ACC", *terms, "--as", ADA, "--json").stdout)
    assert "RECORD014" in call("waiver", "approve", "W-1", "--as", ADA, code=2).stderr
    assert "in force" in call("waiver", "approve", "W-1", "--as", BEA).stdout
    assert call("waiver", "list", "--system", "lending", "--ending", "31").stdout.startswith("W-1  lending: ACC")
    assert call("waiver", "list", "--ending", "3").stdout == ""
    (listed,) = json.loads(call("waiver", "list", "--json").stdout)
    assert (listed["id"], listed["state"]) == (made["id"], "in force")
    call("check", "--quiet")
    call("waiver", "withdraw", "W-1", "--as", ADA)
    assert "waiver W-1 was withdrawn: ACC counts as not met again" in call("status", code=4).stdout


def test_an_intake_is_asked_kept_and_shown(folder):
    call("system", "intake")
    assert "GOVERN004" in call("system", "intake", code=2).stderr
    assert "GOVERN014" in call("system", "intake", "intake.yaml", "--as", ADA, code=2).stderr
    file = folder / "intake.yaml"
    file.write_text(file.read_text().replace("Rank personal-loan", "Rank car-loan"))
    done = call("system", "intake", "intake.yaml", "--as", ADA).stdout
    assert "lending-decisions: tier high" in done
    assert "shipworthy/baseline-quality, shipworthy/high-risk" in done
    assert "product, risk, by 2 different persons at least" in done
    call("system", "intake", "intake.yaml", "--tier", "minimal", "--as", ADA, code=2)
    call("system", "intake", "intake.yaml", "--tier", "minimal", "--reason", f"Pilot {HOSTILE}", "--as", ADA)
    assert "tier minimal  OVERRIDDEN" in call("system", "show", "lending-decisions").stdout
    assert "overridden" in call("system", "list").stdout
    assert json.loads(call("system", "show", "lending-decisions", "--json").stdout)["tiering"]["tier"] == "high"
    assert "GOVERN002" in call("system", "show", "other", code=2).stderr


def test_what_is_not_there_is_said_without_a_traceback(folder):
    for args in (("status",), ("status", "lending"), ("signoffs",), ("waiver", "list"), ("system", "list")):
        assert "RECORD001" in call(*args, code=2).stderr
    call("check", "--quiet")
    assert "GOVERN002" in call("status", "other", code=2).stderr
    assert "GOVERN002" in call("sign", "other", "--role", "x", "--verdict", "reject", "--as", ADA, code=2).stderr


def test_exit_codes_are_those_of_the_design():
    assert EXIT_OF_FIT == {"ship": 0, "hold": 1, "undecided": 3, "stale": 4}
