"""A check goes into the record, and the record's waivers into a check."""

from __future__ import annotations

import errno
import hashlib
import shutil
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from shipworthy.api.checking import check
from shipworthy.api.keeping import add_runs
from shipworthy.api.recording import TOOL, actor_of, kept_plan, open_record
from shipworthy.api.reproducing import reproduce
from shipworthy.api.verifying import verify
from shipworthy.cli import main
from shipworthy.errors import Fault, Unusable
from shipworthy.record import documents

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
ADA, BEA = "Ada Lovelace <ada@example.org>", "Bea <bea@example.org>"
PLAN = """system: {name: lending, version: "2", tier: high, purpose: Rank applications.}
evaluations: {decisions: {data: d.parquet, roles: {label: y, prediction: p}, slices: [sex]}}
requirements: [{id: ACC, metric: accuracy, at_least: 0.9}]
"""


@pytest.fixture
def plan(tmp_path):
    right = [i % 5 > 0 for i in range(500)]
    pq.write_table(
        pa.table({"y": [1] * 500, "p": [int(ok) for ok in right], "sex": ["f", "m"] * 250}), tmp_path / "d.parquet"
    )
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path / "plan.yaml"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "record.db"


def waive(place, **changes):
    with open_record(place) as record:
        ada, bea = actor_of(record, ADA), actor_of(record, BEA)
        asked = documents.Waiver(
            id="W-1", system="lending", tier="high", requirement="ACC", reason="Old model.", control="People look.",
            requester=ada, starts=NOW.date() - timedelta(1), ends=date(2026, 7, 1), **changes,
        )  # fmt: skip
        record.write(ada, NOW, asked)
        record.write(bea, NOW, asked.model_copy(update={"status": "approved", "approvers": (bea,)}))


def test_a_check_makes_its_system_version_plan_and_run_known_once(plan, place, tmp_path):
    check(plan, now=NOW, record=place, actor=ADA)
    run = check(plan, now=NOW + timedelta(1), record=place)
    with open_record(place) as record:
        assert record.verify().faults == ()
        assert [one.document.tier for one in record.find("system")] == ["high"]
        assert [one.document.version for one in record.find("version", system="lending")] == ["2"]
        assert len(record.find("plan")) == 1
        newest, first = record.runs(system="lending")
        assert newest.facts.run == run.id
        assert (newest.actor, record.people()[first.actor].name) == (TOOL, "Ada Lovelace")
        assert (tmp_path / newest.facts.place / "results.json").is_file()
        assert [one.verdict for one in record.verdicts(run=newest.facts.digest)] == ["breached"]
        assert record.estimates(run=newest.facts.digest).num_rows == len(run.estimates)


def test_an_approved_waiver_lets_the_release_pass_until_it_ends(plan, place):
    assert check(plan, now=NOW, record=place).decision == "hold"
    waive(place)
    run = check(plan, now=NOW, record=place)
    assert (run.decision, run.headline) == ("ship", "SHIP: 1 of 1 requirement waived")
    assert check(plan, now=NOW).decision == "hold"
    assert check(plan, now=datetime(2026, 7, 1, 23, tzinfo=UTC), record=place).decision == "ship"
    assert check(plan, now=datetime(2026, 7, 2, tzinfo=UTC), record=place).decision == "hold"


def test_a_waiver_of_another_version_or_slice_covers_nothing(plan, place):
    waive(place, scope=documents.Scope(version="1"))
    assert check(plan, now=NOW, record=place).decision == "hold"


def test_the_command_line_shows_what_is_waived_everywhere(plan, place, tmp_path, monkeypatch):
    monkeypatch.setattr("shipworthy.api.checking.datetime", type("at", (datetime,), {"now": lambda zone: NOW}))
    waive(place)
    done = CliRunner().invoke(main, ["check", str(plan), "--out", str(tmp_path / "run"), "--record", str(place)])
    assert done.exit_code == 0
    assert "◇ waived" in done.output
    assert "waived until 2026-07-01 (W-1): Old model" in " ".join(done.output.split())
    for name in ("report.html", "memo.md", "summary.md"):
        text = (tmp_path / "run" / name).read_text()
        assert "waived until 2026-07-01" in text, name
        assert "Every requirement that can stop a release is met:" not in text, name
    assert "skipped" in (tmp_path / "run" / "junit.xml").read_text()
    assert '"suppressions"' in (tmp_path / "run" / "report.sarif").read_text()
    done = CliRunner().invoke(main, ["check", str(plan), "--out", str(tmp_path / "two"), "--no-record"])
    assert done.exit_code == 1


def test_who_acts_is_looked_at_before_anything_is_done(plan, place, tmp_path):
    with pytest.raises(Unusable, match="KEYS001"):
        check(plan, now=NOW, out=tmp_path / "run", record=place, actor="ada")
    assert not (tmp_path / "run").exists()
    assert not place.exists()
    place.write_bytes(b"no database" * 1000)
    with pytest.raises(Unusable, match="RECORD002"):
        check(plan, now=NOW, out=tmp_path / "run", record=place)
    assert not (tmp_path / "run").exists()


def test_a_waived_run_is_reproduced_as_it_was(plan, place, tmp_path):
    waive(place)
    check(plan, now=NOW, record=place, out=tmp_path / "run")
    again = reproduce(tmp_path / "run")
    assert again.differences == ()


def test_a_decision_that_its_verdicts_do_not_give_is_refused_though_the_manifest_fits(plan, place, tmp_path):
    check(plan, now=NOW, out=tmp_path / "run")
    path, listing = tmp_path / "run" / "results.json", tmp_path / "run" / "manifest.json"
    old = path.read_bytes()
    new = old.replace(b'"decision": "hold"', b'"decision": "ship"')
    assert new != old
    path.write_bytes(new)
    text = listing.read_text().replace(hashlib.sha256(old).hexdigest(), hashlib.sha256(new).hexdigest())
    listing.write_text(text)
    assert [fault.code for fault in verify(tmp_path / "run").faults] == ["PACK022"]
    with pytest.raises(Unusable, match="RECORD018"):
        add_runs(place, [tmp_path / "run"], actor=ADA, now=NOW)


def test_a_waiver_that_too_few_approved_for_the_tier_of_today_covers_nothing(plan, place):
    waive(place)
    assert check(plan, now=NOW, record=place).decision == "ship"
    with open_record(place) as record:
        system = record.get("system", "lending").document
        record.write(actor_of(record, ADA), NOW, system.model_copy(update={"tier": "critical"}))
    assert check(plan, now=NOW, record=place).decision == "hold"


def test_the_record_keeps_the_plan_with_its_packs(plan, place, tmp_path):
    pack = "about: Ours.\nrequirements: [{id: OURS, metric: accuracy, at_least: 0.1}]\n"
    (tmp_path / "ours.yaml").write_text(pack)
    plan.write_text(plan.read_text() + "extends: [ours.yaml, shipworthy/baseline-quality]\n")
    run = check(plan, now=NOW, record=place, out=tmp_path / "run")
    with open_record(place) as record:
        (kept,) = record.find("plan")
        assert kept.document.body["plan.yaml"] == plan.read_text()
        assert kept.document.body["packs"]["ours.yaml"] == pack
        assert "shipworthy/baseline-quality" in kept.document.body["packs"]
        shutil.rmtree(tmp_path / "run")
        found = kept_plan(record, run.plan_digest)
        assert found == run.plan
        assert "OURS" in {one.id for one in found.requirements}
        assert kept_plan(record, "sha256:" + "0" * 64) is None
        forged = {**kept.document.body, "plan.json": run.plan.model_dump_json().replace("0.1", "0.2")}
        record.write(TOOL, NOW, kept.document.model_copy(update={"body": forged}))
        assert kept_plan(record, run.plan_digest) is None  # not what its digest says


def test_a_plan_that_was_recorded_without_its_text_gets_it(plan, place, tmp_path):
    check(plan, now=NOW, record=place, out=tmp_path / "run")
    with open_record(place) as record:
        (kept,) = record.find("plan")
        record.write(TOOL, NOW, kept.document.model_copy(update={"body": {}}))
    check(plan, now=NOW + timedelta(1), record=place)
    with open_record(place) as record:
        assert record.find("plan")[0].document.body["plan.yaml"] == plan.read_text()
        before = record.size()
    check(plan, now=NOW + timedelta(2), record=place)
    with open_record(place) as record:
        assert record.size() == before + 1  # the run alone


def test_a_plan_that_is_too_long_is_recorded_without_its_text(plan, place, monkeypatch):
    monkeypatch.setattr("shipworthy.api.recording.PLAN_MOST", 100)
    check(plan, now=NOW, record=place)
    with open_record(place) as record:
        assert record.find("plan")[0].document.body == {}


def test_a_lock_by_a_person_is_in_the_record_before_any_run(plan, place):
    call = CliRunner().invoke
    done = call(main, ["lock", str(plan), "--as", ADA, "--record", str(place)])
    assert done.exit_code == 0, done.output
    with open_record(place) as record:
        (kept,) = record.find("plan", status="locked")
        assert record.people()[kept.actor].name == "Ada Lovelace"
        assert kept.document.body["plan.yaml"] == plan.read_text()
        assert kept.document.locked is not None
    check(plan, record=place)
    with open_record(place) as record:
        assert [one.version for one in record.find("plan")] == [1]
        assert record.runs()[0].facts.locked == kept.document.locked
    assert call(main, ["lock", str(plan), "--record", str(place)]).exit_code == 2


def test_a_run_that_could_not_be_recorded_is_there_and_can_be(plan, place, tmp_path, monkeypatch):
    def full(*_args, **_more):
        raise Unusable(Fault(code="RECORD007", what="the disk is full", mend="make room"))

    monkeypatch.setattr("shipworthy.api.checking.keep_run", full)
    with pytest.raises(Unusable) as caught:
        check(plan, now=NOW, record=place, actor=ADA, out=tmp_path / "r 1")
    (fault,) = caught.value.faults
    assert (fault.code, f"`shipworthy record add '{tmp_path / 'r 1'}'`" in fault.mend) == ("RECORD007", True)
    add_runs(place, [tmp_path / "r 1"], actor=ADA, now=NOW)
    with open_record(place) as record:
        assert len(record.runs()) == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/x/.r.part/observations/d.parquet"),
        duckdb.IOException("IO Error: async write failed: errno 28, file /x/.r.part/d.parquet"),
        duckdb.IOException('Could not write file "/x/.r.part": No space left on device'),
    ],
    ids=["system", "number", "words"],
)
def test_a_full_disk_is_told_as_one(plan, tmp_path, monkeypatch, error):
    def fails(*_args, **_more):
        raise error

    monkeypatch.setattr("shipworthy.evidence.store.write_documents", fails)
    with pytest.raises(Unusable) as caught:
        check(plan, now=NOW, out=tmp_path / "r")
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == ("RUN001", str(tmp_path / "r"))
    assert "the disk is full" in fault.what
    assert "make room" in fault.mend
    assert ".part" not in str(fault)
