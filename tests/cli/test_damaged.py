"""One row of the record that can no longer be read: lists show the others and name it; what rests on it is refused."""

from __future__ import annotations

import json
import sqlite3
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from shipworthy.api.pages import Library, portfolio, system_page
from shipworthy.api.recording import open_record
from shipworthy.api.registers import listed, search_page
from shipworthy.record import documents

sys.path.insert(0, str(Path(__file__).parent))
from calling import call

ADA = "Ada <ada@example.org>"
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
PLAN = """system: {name: lending, version: "2", tier: high, purpose: Rank applications.}
evaluations: {decisions: {data: d.csv, roles: {label: y, prediction: p}}}
requirements: [{id: ACC, metric: accuracy, at_least: 0.7}]
"""
KINDS = ("risk", "mitigation", "waiver", "incident", "system")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SHIPWORTHY_ACTOR", "SHIPWORTHY_RECORD"):
        monkeypatch.delenv(name, raising=False)
    Path("d.csv").write_text("y,p\n" + "".join(f"{i % 2},{i % 2 if i % 5 else 1 - i % 2}\n" for i in range(600)))
    Path("shipworthy.yaml").write_text(PLAN)
    call("check", "--quiet")
    call("sign", "latest", "--role", "product", "--verdict", "approve", "--as", ADA, "--yes")
    rating = documents.Rating(likelihood=2, severity=2, basis="judged")
    with open_record(".shipworthy/record.db") as record:
        ada = record.person("ada@example.org", "Ada")
        for n in "12":
            about = {"system": "lending", "title": f"The thing {n}"}
            record.write(
                ada, NOW, documents.System(id=f"other-{n}", tier="high"),
                documents.Risk(id=f"R-{n}", cause="c", harm="h", inherent=rating, **about),
                documents.Mitigation(id=f"M-{n}", what="w", **about),
                documents.Incident(id=f"I-{n}", severity="low", detected=NOW, **about),
                documents.Waiver(id=f"W-{n}", system="lending", tier="high", requirement="ACC", reason="r", control="c",
                                 requester=ada, starts=date(2026, 11, 1), ends=date(2027, 1, 1)),
            )  # fmt: skip
    return tmp_path


def damage(kind, id_):
    with sqlite3.connect(".shipworthy/record.db") as raw:
        done = raw.execute("UPDATE documents SET body = '{\"kind\": 3' WHERE kind = ? AND id = ?", (kind, id_))
        assert done.rowcount


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_shows_the_others_and_names_the_one_that_cannot_be_read(folder, kind):
    bad, good = ("other-1", "other-2") if kind == "system" else (f"{kind[0].upper()}-1", f"{kind[0].upper()}-2")
    damage(kind, bad)
    shown = call(kind, "list").stdout.splitlines()
    assert sum(good in line for line in shown) == 1
    (line,) = (line for line in shown if bad in line)
    assert line.startswith(f"{bad}  unreadable: `shipworthy record verify`")
    entries = json.loads(call(kind, "list", "--json").stdout)
    (told,) = (one for one in entries if one.get("status") == "unreadable")
    assert (told["kind"], told["id"]) == (kind, bad)
    with open_record(".shipworthy/record.db") as record:
        library = Library(record=record, place=folder / ".shipworthy" / "record.db")
        first = portfolio(library, now=NOW)
        if kind == "system":
            assert first.unreadable == [bad]
            assert good in [one.name for one in first.systems]
            return
        page = system_page(library, "lending", now=NOW)
        register = listed(library, kind, today=NOW.date())
        hits = search_page(library, bad, today=NOW.date()).hits
    assert {one.id: one.state == "unreadable" for one in register.items}.items() >= {bad: True, good: False}.items()
    assert register.total == len(register.items)
    assert [one.state for one in hits if one.id == bad] == ["unreadable"]
    assert f"The {kind} {bad} cannot be read: `shipworthy record verify` says what was changed." in page.left_out
    if kind == "incident":
        (row,) = (one for one in first.systems if one.name == "lending")
        assert row.open_incidents == 2  # it is counted, as nobody can tell that it was closed
    assert f"is not what was written: {kind}/{bad}" in call("record", "verify", code=4).output


@pytest.mark.parametrize("kind", ["decision", "sign-off", "system"])
def test_what_rests_on_a_row_that_cannot_be_read_is_refused(folder, kind):
    with open_record(".shipworthy/record.db") as record:
        run = record.runs(limit=1)[0].facts.run
        id_ = {"decision": run, "sign-off": f"{run}:product:1", "system": "lending"}[kind]
    damage(kind, id_)
    for args in (
        ("status", "lending"),
        ("sign", "latest", "--role", "risk", "--verdict", "approve", "--as", "Bea <bea@example.org>", "--yes"),
        ("pack", "latest", "--out", "package"),
        ("signoffs",),
    ):
        done = call(*args, code=4)
        assert "RECORD009" in done.stderr
        assert f"{kind}/{id_}" in done.stderr
    assert not Path("package").exists()
    with open_record(".shipworthy/record.db") as record:
        library = Library(record=record, place=folder / ".shipworthy" / "record.db")
        if kind != "system":
            assert system_page(library, "lending", now=NOW).fit.fit == "unknown"
        assert "lending" in [
            *(one.name for one in portfolio(library, now=NOW).systems),
            *portfolio(library, now=NOW).unreadable,
        ]


def test_a_package_does_not_leave_out_a_risk_in_silence(folder):
    damage("risk", "R-1")
    call("status", "lending", code=3)  # no decision rests on it
    assert "risk/R-1" in call("pack", "latest", "--out", "package", code=4).stderr
