"""The record is looked after from the command line alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.cli import main
from shipworthy.cli.shared import print_json

ADA, BEA = "Ada Lovelace <ada@example.org>", "Bea <bea@example.org>"
PLAN = """system: {name: lending, version: "2"}
evaluations: {decisions: {data: d.csv, roles: {label: y, prediction: p}}}
requirements: [{id: ACC, metric: accuracy, at_least: 0.5}]
"""


def run(*args: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, list(args))
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIPWORTHY_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("SHIPWORTHY_PASSPHRASE", "correct horse battery staple")
    Path("d.csv").write_text("y,p\n" + "1,1\n" * 90 + "1,0\n" * 10)
    Path("plan.yaml").write_text(PLAN)
    return tmp_path


def test_a_run_is_recorded_once_wherever_it_was_checked(here):
    run("check", "plan.yaml", "--out", "one", "--no-record", "-q")
    assert not Path(".shipworthy/record.db").exists()
    Path(".shipworthy").mkdir(exist_ok=True)
    assert run("record", "add", "one", "--as", ADA).startswith("recorded")
    assert run("record", "add", "one").startswith("known already")
    Path("one/results.json").write_text("{}")
    assert "KEEP001" in run("record", "add", "one", code=2)
    assert "KEEP001" in run("record", "add", "nothing", code=2)


def test_the_log_is_exported_signed_and_verified_and_its_cut_end_is_found(here):
    run("check", "plan.yaml", "--out", "one", "-q")
    run("keys", "new", "log", "--person", ADA)
    run("keys", "register", "log")
    run("record", "checkpoint", "point.txt", "--key", "log")
    assert "entries in log.jsonl" in run("record", "log", "log.jsonl")
    run("verify", "log.jsonl", "--keys", "keys.json", "--checkpoint", "point.txt")
    lines = Path("log.jsonl").read_bytes().splitlines(keepends=True)
    Path("log.jsonl").write_bytes(b"".join(lines[:-1]))
    run("verify", "log.jsonl")  # a chain alone cannot show it
    assert "CHKP005" in run("verify", "log.jsonl", "--keys", "keys.json", "--checkpoint", "point.txt", code=4)


def test_the_record_is_held_against_its_log(here):
    import sqlite3

    run("check", "plan.yaml", "--out", "one", "-q")
    assert json.loads(run("record", "verify", "--json"))["intact"] is True
    with sqlite3.connect(".shipworthy/record.db") as database:
        database.execute("UPDATE runs SET decision = 'hold'")
    assert "RECORD020" in run("record", "verify", code=4)


def test_it_moves_and_people_can_be_erased(here):
    run("check", "plan.yaml", "--out", "one", "-q", "--as", ADA)
    assert "rows copied" in run("record", "copy", "new.db")
    assert "Intact" in run("record", "verify", "--record", "new.db")
    assert "RECORD019" in run("record", "copy", "new.db", code=2)
    assert "GOVERN001" in run("record", "erase", "ada@example.org", "--record", "new.db", code=2)
    assert "Erased: 1" in run("record", "erase", "Ada@example.org", "--record", "new.db", "--as", BEA)
    assert "Intact" in run("record", "verify", "--record", "new.db")
    assert b"ada@example.org" not in Path("new.db").read_bytes()
    assert "KEEP003" in run("record", "erase", "ada@example.org", "--record", "new.db", "--as", BEA, code=2)


def test_json_steers_no_terminal_and_stays_the_same_value(capsys):
    value = {"a\u202eb": ["\u2066\u200f\x85\x1b]0;x\x07\x7f", "é 日本", "\ud800\U000e0001\u2028\xad\xa0"]}
    print_json(value)
    text = capsys.readouterr().out
    assert json.loads(text) == value
    assert text.replace("\n", "").isprintable()
    assert "é 日本" in text
