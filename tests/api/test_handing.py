"""Packages that were handed out and attempts to reproduce a run: what the record knows of them, and what it is told."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.api import handing, kpis
from shipworthy.api.changes import content
from shipworthy.api.checking import check
from shipworthy.api.packing import chosen, pack
from shipworthy.api.recording import open_record, run_digest
from shipworthy.api.reproducing import reproduce
from shipworthy.api.standing import evidence_root
from shipworthy.api.verifying import verify
from shipworthy.cli import main
from shipworthy.errors import Unusable
from shipworthy.evidence.history import History, MitigationFact, PackageFact, ReproductionFact, SliceFact, Window
from shipworthy.evidence.kpis import kpis as indicators
from shipworthy.integrity import keys
from shipworthy.record.documents import Bindings, Decision, Mitigation, SignOff

sys.path.insert(0, str(Path(__file__).parents[1] / "evidence"))
from packable import ADA, ADAS, BOB, BOBS, NOW, TRUSTED, edit, files, packed, relist
from packable import workshop as build


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A workshop with a second run, and a decision on both that somebody rejected."""
    where = build(tmp_path_factory.mktemp("whole"))
    later = NOW + timedelta(hours=1)
    check(where / "plan.yaml", out=where / "second", now=later, record=where / "record.db", actor=str(ADA))
    digests = tuple(run_digest(where / name) for name in ("second", "run"))
    with open_record(where / "record.db") as record:
        bob = record.person(BOB.email, BOB.name)
        facts = record.runs(digest=digests[0])[0].facts
        decision = Decision(
            id="D-1", system="lending", version="2026.11", outcome="hold", automated="hold", runs=digests,
            plan=facts.plan_digest,
        )  # fmt: skip
        bindings = Bindings(decision=content(decision), evidence=evidence_root(digests), policy=facts.plan_digest)
        said = SignOff(
            id="S-2", system="lending", version="2026.11", role="risk", signer=bob, verdict="reject",
            statement="Not on these two runs.", bindings=bindings,
        )  # fmt: skip
        record.write(bob, later, decision, said)
    return where


@pytest.fixture
def desk(whole, tmp_path, monkeypatch):
    where = Path(shutil.copytree(whole, tmp_path / "desk"))
    monkeypatch.chdir(where)
    monkeypatch.delenv("SHIPWORTHY_RECORD", raising=False)
    monkeypatch.delenv("SHIPWORTHY_ACTOR", raising=False)
    keys.write_register(TRUSTED, where / "keys.json")
    return where


def of_decision(where: Path, out: Path, **more: object) -> Path:
    with open_record(where / "record.db") as record:
        wanted = chosen(record, "D-1", where)
    given = {
        "record": where / "record.db", "sign_with": (ADAS, BOBS), "register": TRUSTED, "audience": "personal",
        "now": NOW + timedelta(days=1),
    }  # fmt: skip
    first, *others = wanted.folders
    return pack(first, others=others, decision=wanted.decision, out=out, **(given | more)).path


def call(*words: str):
    return CliRunner().invoke(main, list(words), prog_name="shipworthy")


# A decision, with all the runs that it rests on


def test_a_decision_is_packed_with_all_its_runs_and_verifies(desk, tmp_path):
    package = of_decision(desk, tmp_path / "package")
    found = verify(package, keys=desk / "keys.json", threshold=2)
    assert found.faults == ()
    told = json.loads((package / "package.json").read_text())
    assert told["decided_as"] == "D-1"
    assert [one["run_digest"] for one in told["runs"]] == [run_digest(desk / "second"), run_digest(desk / "run")]
    assert told["run_digest"] == told["runs"][0]["run_digest"]
    assert len(list((package / "runs").iterdir())) == 2
    signed = {path.name for path in (package / "attestations").glob("*eval-result*")}
    assert len(signed) == 2  # one for each run
    # The sign-off was given for both runs together: only a package that holds both is what it was given for.
    stale = "The sign-off 'S-2' was given for other evidence than is here."
    assert stale not in found.notes
    assert stale in verify(packed(desk, tmp_path / "one")).notes
    archive = of_decision(desk, tmp_path / "package.zip", zipped=True)
    assert verify(archive).faults == ()


def test_a_package_of_a_decision_is_reproduced_run_by_run(desk, tmp_path):
    archive = of_decision(desk, tmp_path / "elsewhere" / "package.zip", zipped=True)
    found = reproduce(archive)
    assert found.reproduced
    assert len(found.rows_from) == 2
    assert found.compared == 2 * reproduce(packed(desk, tmp_path / "one.zip", zipped=True)).compared


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["runs"].pop(),
        lambda told: told["runs"].append(told["runs"][0]),
        lambda told: told["runs"][1].update(decision="ship"),
        lambda told: told.update(runs="both"),
        lambda told: told.update(runs=[1]),
    ],
)
def test_runs_that_are_stated_otherwise_are_seen(desk, tmp_path, change):
    package = of_decision(desk, tmp_path / "package", sign_with=(), record=None)
    edit(package / "package.json", change)
    relist(package)
    faults = verify(package).faults
    assert [(fault.code, fault.where) for fault in faults] == [("PACK022", "package.json")]
    assert "other runs" in faults[0].what


def test_a_run_that_was_put_into_a_package_is_seen(desk, tmp_path):
    package = packed(desk, tmp_path / "package", sign_with=(), record=None)
    shutil.copytree(desk / "second", package / "runs" / "another")
    relist(package)
    assert any("other runs" in fault.what for fault in verify(package).faults)


def test_a_decision_without_one_of_its_runs_is_not_packed(desk):
    shutil.rmtree(desk / "run")
    with open_record(desk / "record.db") as record, pytest.raises(Unusable, match="PACK007"):
        chosen(record, "D-1", desk)
    with open_record(desk / "record.db") as record, pytest.raises(Unusable, match="GOVERN002"):
        chosen(record, "D-2", desk)


# What the record keeps


def test_the_record_knows_who_was_handed_which_package(desk):
    place = ("--record", "record.db")
    done = call("pack", "D-1", "--out", "out/package", "--as", str(BOB), *place)
    assert done.exit_code == 0, done.output
    root = next(line.split()[1] for line in done.output.splitlines() if line.startswith("Root"))
    assert call("pack", "run", "--out", "bare", "--no-record").exit_code == 0
    with open_record(desk / "record.db") as record:
        (kept,) = record.artifacts(role="package")
        assert (kept.artifact.digest, kept.artifact.name, kept.artifact.place) == (root, "decision/D-1", "out/package")
        assert kept.artifact.size == sum((desk / "out" / name).stat().st_size for name in files(desk / "out"))
        assert record.artifact(root) == kept.artifact
        assert record.artifacts(role="package", name="decision/D-2") == []
        assert record.verify().faults == ()
    told = json.loads(call("status", "lending", "--json", "--no-data", *place).output)
    assert [(one["root"], one["by"], one["place"]) for one in told["packages"]] == [(root, "Bob", "out/package")]
    assert f"package: {root[:19]}, Bob" in call("status", "lending", "--no-data", *place).output
    traced = json.loads(call("trace", "lending", "--json", *place).output)
    assert [one["about"] for one in traced["packages"]] == ["decision/D-1"]
    assert f"package: {root[:19]}, Bob" in call("trace", "lending", *place).output


def test_an_attempt_to_reproduce_is_kept_whatever_came_of_it(desk):
    place = ("--record", "record.db")
    assert call("reproduce", "run", *place, "--as", str(ADA)).exit_code == 0
    (desk / "loans.csv").write_text((desk / "loans.csv").read_text().replace(",female,1,", ",female,0,", 3))
    assert call("reproduce", "second", *place).exit_code == 4
    assert call("reproduce", "run").exit_code == 4  # and nothing is kept
    with open_record(desk / "record.db") as record:
        second, first = record.artifacts(role="reproduction")
        assert first.artifact.name == f"run/{run_digest(desk / 'run')}"
        assert [handing.outcome_of(one, desk) for one in (first, second)] == [True, False]
        assert record.people()[first.actor].name == "Ada"
        path = desk / second.artifact.place
        path.write_text(path.read_text().replace('"reproduced": false', '"reproduced": true'))
        assert handing.outcome_of(second, desk) is None  # no longer what was recorded
    assert call("reproduce", "nothing", *place).exit_code == 2
    done = call("reproduce", "latest", "--record", str(desk / "record.db"))
    assert done.exit_code in (0, 4), done.output
    assert "reproduced: " in done.output.lower()


def test_an_attempt_that_cannot_be_run_has_failed(desk):
    archive = packed(desk, desk / "bare.zip", zipped=True, audience="internal")
    done = call("reproduce", str(archive), "--record", "record.db")
    assert done.exit_code == 2
    assert "PACK024" in done.output
    with open_record(desk / "record.db") as record:
        (kept,) = record.artifacts(role="reproduction")
        assert handing.outcome_of(kept, desk) is False
        assert "PACK024" in (desk / kept.artifact.place).read_text()


# Indicators


def test_what_was_handed_out_and_reproduced_gives_indicators(desk):
    place, now = desk / "record.db", NOW + timedelta(days=2)
    with open_record(place) as record:
        over = kpis.window(NOW - timedelta(days=9), now, now)
        before = {one.name: one for one in kpis.kpis(record, over, base=desk, now=now)}
    assert before["documentation-completeness"].reason == "nothing in this window"
    assert before["reproducibility-rate"].reason == "nothing in this window"
    made = pack(desk / "run", out=desk / "out", record=place, now=NOW)
    about = f"run/{run_digest(desk / 'run')}"
    handing.keep_package(place, made.path, root=made.root, about=about, actor=None, now=NOW)
    for number, said in enumerate((True, True, False)):
        handing.keep_reproduction(
            place, {"reproduced": said}, about=about, actor=None, now=NOW + timedelta(minutes=number)
        )
    with open_record(place) as record:
        after = {one.name: one for one in kpis.kpis(record, over, base=desk, now=now)}
        (share,) = after["documentation-completeness"].figures
        assert share.value == pytest.approx(made.score)
        (rate,) = after["reproducibility-rate"].figures
        assert (rate.hits, rate.of) == (2, 3)
        (slices,) = after["slice-coverage"].figures
        assert (slices.hits, slices.of) == (2, 2)  # women and men
        shutil.rmtree(made.path)
        gone = {one.name: one for one in kpis.kpis(record, over, base=desk, now=now)}
        assert gone["documentation-completeness"].excluded == {"no longer where it was written": 1}


def test_a_package_that_was_changed_tells_nothing(desk):
    made = pack(desk / "run", out=desk / "out", now=NOW)
    handing.keep_package(desk / "record.db", made.path, root=made.root, about="run/x", actor=None, now=NOW)
    with open_record(desk / "record.db") as record:
        (kept,) = record.artifacts(role="package")
        assert handing.completeness_of(kept, desk) is not None
        edit(made.path / "package.json", lambda told: told["completeness"].update(weight_filled=10_000))
        assert handing.completeness_of(kept, desk) is None
        relist(made.path)
        assert handing.completeness_of(kept, desk) is None


def test_indicators_of_packages_attempts_and_slices_by_hand():
    window = Window(since=NOW - timedelta(days=1), until=NOW + timedelta(days=1))
    history = History(
        packages=[
            PackageFact(about="run/a", at=NOW - timedelta(hours=2), weights=(1, 10)),
            PackageFact(about="run/a", at=NOW, weights=(6, 10)),  # the newest of one run counts
            PackageFact(about="run/b", at=NOW, weights=(3, 20)),
            PackageFact(about="run/c", at=NOW, weights=None),
            PackageFact(about="run/d", at=NOW - timedelta(days=3), weights=(1, 1)),  # before
        ],
        reproductions=[
            ReproductionFact(at=NOW, reproduced=True),
            ReproductionFact(at=NOW, reproduced=None),
            ReproductionFact(at=NOW + timedelta(days=1), reproduced=False),  # after
        ],
        mitigations=[
            MitigationFact(at=NOW, is_verified=True, is_effective=True),
            MitigationFact(at=NOW, is_verified=True, is_effective=False),
            MitigationFact(at=NOW, is_verified=False),
        ],
        slices=[SliceFact(n=5, least=5), SliceFact(n=4, least=5)],
    )
    found = {one.name: one for one in indicators(history, window)}
    documented = found["documentation-completeness"]
    assert (documented.figures[0].value, documented.n) == (9 / 30, 2)
    assert documented.excluded == {"no longer where it was written": 1}
    assert (found["reproducibility-rate"].figures[0].value, found["reproducibility-rate"].n) == (1.0, 1)
    assert found["slice-coverage"].figures[0].value == 0.5
    effective = found["mitigation-effectiveness"]
    assert (effective.figures[0].hits, effective.figures[0].of) == (1, 2)
    assert effective.excluded == {"no run that shows it measured a paired change": 1}


BETTER, WORSE, SAME = (0.6, 0.9), (0.9, 0.6), (0.7, 0.7)  # share that is right before, and after


@pytest.mark.parametrize(
    ("recall", "guardrail", "effective"),
    [(BETTER, SAME, True), (BETTER, WORSE, False), (WORSE, SAME, False)],
    ids=["works", "at the expense of another", "makes it worse"],
)
def test_a_mitigation_is_effective_by_paired_changes(tmp_path, recall, guardrail, effective):
    """Positive cases speak for recall, negative ones for specificity, each by its own share before and after."""
    rows = ["id,y,old,new"]
    for label, (before, after) in ((1, recall), (0, guardrail)):
        for i in range(400):
            told = [label if i < share * 400 else 1 - label for share in (before, after)]
            rows.append(f"{label}-{i},{label},{told[0]},{told[1]}")
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "plan.yaml").write_text("""
system: {name: s, version: "1"}
evaluations:
  e:
    data: rows.csv
    roles: {label: y, prediction: new, id: id}
    metrics: [recall, specificity]
    variants: {old: {prediction: old}}
baseline: old
requirements:
  - {id: REC, metric: recall, at_least: 0.1}
  - {id: SPEC, metric: specificity, at_least: 0.1}
""")
    check(tmp_path / "plan.yaml", out=tmp_path / "run", record=tmp_path / "record.db", now=NOW)
    digest = run_digest(tmp_path / "run")
    with open_record(tmp_path / "record.db") as record:
        mended = Mitigation(
            id="M-1", system="s", title="t", what="w", requirements=("REC",), status="verified", verification=digest
        )
        record.write(record.person(ADA.email, ADA.name), NOW, mended)
        over = kpis.window(NOW - timedelta(days=1), NOW + timedelta(days=1), NOW + timedelta(days=1))
        found = {one.name: one for one in kpis.kpis(record, over, base=tmp_path, now=NOW + timedelta(days=1))}
    (figure,) = found["mitigation-effectiveness"].figures
    assert (figure.hits, figure.of) == (int(effective), 1)
