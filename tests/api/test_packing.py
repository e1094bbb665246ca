from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.api.packing import pack
from shipworthy.api.reproducing import reproduce
from shipworthy.api.verifying import verify
from shipworthy.cli import main
from shipworthy.errors import Stale, Unusable
from shipworthy.evidence.documents.privacy import commitment, opening
from shipworthy.integrity import keys

sys.path.insert(0, str(Path(__file__).parents[1] / "evidence"))
from packable import ADA, ADAS, NOW, TRUSTED, files, packed, registered
from packable import workshop as build


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return build(tmp_path_factory.mktemp("lending"))


@pytest.fixture
def copy(workshop, tmp_path):
    """A workshop of one's own, to change."""
    return Path(shutil.copytree(workshop, tmp_path / "copy"))


def contents(package: Path) -> dict[str, bytes]:
    return {name: (package / name).read_bytes() for name in files(package)}


@pytest.mark.parametrize("audience", ["public", "internal", "restricted", "personal"])
def test_the_same_input_gives_the_same_bytes(workshop, tmp_path, audience):
    one = packed(workshop, tmp_path / "one", audience=audience)
    other = packed(workshop, tmp_path / "deep" / "other", audience=audience)
    assert contents(one) == contents(other)
    assert verify(one).faults == ()
    later = packed(workshop, tmp_path / "later", audience=audience, now=NOW + timedelta(days=1))
    assert contents(later) != contents(one)


def test_the_same_input_gives_the_same_zip(workshop, tmp_path):
    made = [packed(workshop, tmp_path / f"{n}.zip", zipped=True).read_bytes() for n in range(2)]
    assert made[0] == made[1]


def test_no_file_tells_of_this_machine(workshop, tmp_path):
    package = packed(workshop, tmp_path / "package")
    places = {str(workshop), str(tmp_path), str(Path.home()), str(Path(__file__).parents[2]), os.uname().nodename}
    for name, data in contents(package).items():
        for place in places:
            if len(place) > 4:  # a short name of a machine stands in many words
                assert place.encode() not in data, (name, place)


def test_a_plan_with_absolute_paths_is_told(copy, tmp_path):
    from shipworthy.api.checking import check

    plan = (copy / "plan.yaml").read_text().replace("loans.csv", str(copy / "loans.csv"))
    (copy / "plan.yaml").write_text(plan)
    check(copy / "plan.yaml", out=copy / "absolute", now=NOW)
    found = pack(copy / "absolute", out=tmp_path / "package", now=NOW)
    assert any("folders on this machine" in note and "plan.yaml" in note for note in found.notes)
    assert not any("machine" in note for note in pack(copy / "run", out=tmp_path / "other", now=NOW).notes)


def test_what_is_missing_is_asked_of_those_who_know(workshop, tmp_path):
    bare = pack(workshop / "run", out=tmp_path / "bare", now=NOW)
    told = pack(workshop / "run", out=tmp_path / "told", now=NOW, answers={"security.measures": "Signed files."})
    assert "security.measures" in {entry.field.id for entry in bare.asked()["security"]}
    assert len(told.missing) == len(bare.missing) - 1
    assert told.score > bare.score
    stated = json.loads((tmp_path / "told/package.json").read_text())["completeness"]["score"]
    assert stated == pytest.approx(told.score)
    assert "security.measures:" in (tmp_path / "bare/docs/questions.yaml").read_text()


def test_the_trace_leads_from_a_requirement_to_its_risk_and_what_is_done(workshop, tmp_path):
    trace = json.loads((packed(workshop, tmp_path / "package") / "trace/trace.json").read_text())
    fair = next(one for one in trace["requirements"] if one["requirement"] == "FAIR-1")
    assert fair["verdict"] == "breached"
    assert [one["id"] for one in fair["risks"]] == ["R-1"]
    assert [one["id"] for one in fair["mitigations"]] == ["M-1"]
    assert fair["waivers"] == ["W-1"]
    gaps = {(gap["of"], gap["id"]): gap["gap"] for gap in trace["gaps"]}
    assert gaps["mitigation", "M-1"] == "not verified"
    assert not {"FAIR-1", "ACC-1"} & {gap["id"] for gap in trace["gaps"]}
    assert {gap["code"] for gap in trace["gaps"]} <= {f"TRACE00{i}" for i in range(1, 9)}
    assert [one["role"] for one in trace["sign_offs"]] == ["model risk"]
    alone = json.loads((packed(workshop, tmp_path / "alone", record=None) / "trace/trace.json").read_text())
    assert alone["not_looked_up"] == ["mitigation", "risk", "sign-off", "waiver"]
    assert (alone["gaps"], alone["locked"]) == ([], None)


def test_a_sign_off_binds_to_evidence_that_later_packages_have_too(workshop, tmp_path):
    one = pack(workshop / "run", out=tmp_path / "one", now=NOW)
    other = pack(
        workshop / "run", out=tmp_path / "other", now=NOW + timedelta(days=9), record=workshop / "record.db",
        audience="personal", sign_with=(ADAS,), register=TRUSTED,
    )  # fmt: skip
    assert one.evidence == other.evidence
    assert one.root != other.root


def test_withheld_answers_can_be_opened_by_who_keeps_the_secret(workshop, tmp_path):
    package = packed(workshop, tmp_path / "public", audience="public")
    card = (
        json.loads((package / "docs/model_card.json").read_text())
        if (package / "docs/model_card.json").exists()
        else None
    )
    assert card is None or card["audience"] == "public"
    package = packed(workshop, tmp_path / "internal", audience="internal")
    document = json.loads((package / "docs/annex-iv.json").read_text())
    ((where, digest),) = [(one["where"], one["digest"]) for one in document["withheld"]]
    assert "who answered" in where
    import hmac

    from shipworthy.api.recording import run_digest

    secret = (workshop / ".shipworthy/packing.secret").read_bytes()
    assert (workshop / ".shipworthy/packing.secret").stat().st_mode & 0o077 == 0
    salt = hmac.new(secret, run_digest(workshop / "run").encode(), hashlib.sha256).digest()
    assert digest == commitment("Cy Secretive", opening(salt, "by:Cy Secretive"))
    assert not any(secret in data or salt.hex().encode() in data for data in contents(package).values())


def test_a_run_that_was_changed_is_not_packed(copy, tmp_path):
    (copy / "run/memo.md").write_text("All is well.")
    with pytest.raises(Stale, match="PACK001"):
        pack(copy / "run", out=tmp_path / "package", now=NOW)
    assert not (tmp_path / "package").exists()


def test_a_key_that_nobody_answers_for_does_not_sign(workshop, tmp_path):
    gone = TRUSTED.revoke(ADAS.public.id, now=NOW, reason="lost")
    for register, why in ((keys.NO_KEYS, "not in the register"), (gone, "revoked")):
        with pytest.raises(Unusable, match=why) as error:
            pack(workshop / "run", out=tmp_path / "package", now=NOW, sign_with=(ADAS,), register=register)
        assert error.value.faults[0].code == "PACK004"
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_would_not_verify_is_not_written(workshop, tmp_path):
    """Somebody signed off with a key that is in no register."""
    with pytest.raises(Unusable, match="PACK006") as error:
        packed(workshop, tmp_path / "package", sign_with=(ADAS,), register=registered((ADAS, ADA)))
    assert ":model risk:1" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_runs_own_card_and_datasheet_are_documents(workshop, tmp_path):
    public = packed(workshop, tmp_path / "public", audience="public")
    card, own = ((folder / "model_card.md").read_text() for folder in (public / "docs", workshop / "run"))
    assert card.partition("\n# ")[0] == own.partition("\n# ")[0]  # what Hugging Face reads
    assert "[Missing: uses that it was not made or tested for]" in own
    assert "[Missing: uses that it was not made or tested for]" not in card
    assert card.endswith("Answers are shown up to class public.\n")
    assert "| Owner | risk&#64;example.org |" in own
    assert "| Owner | ▒ Withheld: of class internal |" in card
    assert "loans.csv" in own
    assert "loans.csv" not in card
    assert [one for one in card.splitlines() if one[:3] == "## "] == [
        one for one in own.splitlines() if one[:3] == "## "
    ]
    assert not (public / "docs/datasheet.md").exists()  # internal, and listed as withheld
    assert (packed(workshop, tmp_path / "internal", audience="internal") / "docs/datasheet.md").is_file()


def test_nothing_but_a_whole_package_is_replaced(workshop, tmp_path):
    place = tmp_path / "package"
    packed(workshop, place)
    packed(workshop, place, audience="internal")
    assert verify(place).faults == ()
    (place / "notes.txt").write_text("mine")
    for target in (place, workshop / "run", workshop):
        with pytest.raises(Unusable) as error:
            packed(workshop, target)
        assert error.value.faults[0].code == "PACK002"
    assert (place / "notes.txt").read_text() == "mine"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Unusable, match="symbolic link"):
        packed(workshop, link)


@pytest.mark.slow
def test_packing_survives_kill(workshop, tmp_path):
    code = (
        "import sys; from pathlib import Path; from shipworthy.api.packing import pack; print('on', flush=True)\n"
        "while True: pack(Path(sys.argv[1]), out=Path(sys.argv[2]))"
    )
    place = tmp_path / "package"
    for wait in (0.05, 0.4, 0.9):
        process = subprocess.Popen(
            [sys.executable, "-c", code, workshop / "run", place], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout.read(2) == b"on"
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert not place.exists() or verify(place).faults == ()
    packed(workshop, place)
    assert verify(place).faults == ()
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_a_package_is_reproduced_elsewhere(workshop, tmp_path):
    archive = packed(workshop, tmp_path / "elsewhere" / "package.zip", zipped=True)
    found = reproduce(archive)
    assert found.reproduced
    assert found.compared > 5
    assert found.rows_from == {"decisions": "the run's own rows"}
    assert [path.name for path in archive.parent.iterdir()] == ["package.zip"]
    assert reproduce(packed(workshop, tmp_path / "folder"), root=workshop).rows_from == {"decisions": "source"}


def test_verifying_loads_nothing_that_measures():
    """A stranger verifies in a moment; what fills documents in takes seconds to load."""
    heavy = {"pydantic", "numpy", "pyarrow", "ibis", "duckdb", "scipy", "sqlalchemy"}
    code = "import sys, shipworthy.api.verifying; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()


def test_options_that_would_be_left_unread_are_refused(workshop, tmp_path):
    package = packed(workshop, tmp_path / "package")
    log = package / "audit/log.jsonl"
    for given in (
        (log, {"root": "sha256:" + "0" * 64}),
        (log, {"threshold": 2}),
        (package, {"sha256": "0" * 64}),
        (workshop / "run", {"threshold": 1}),
        (package, {"root": "abc"}),
    ):
        with pytest.raises(Unusable) as error:
            verify(given[0], **given[1])
        assert error.value.faults[0].code == "PACK026"
    with pytest.raises(Unusable, match="RUN002"):
        verify(tmp_path / "nothing")
    with pytest.raises(Unusable, match="CHKP001"):
        verify(log, checkpoint=[log])


# From the command line


@pytest.fixture
def shell(copy, monkeypatch):
    monkeypatch.chdir(copy)
    monkeypatch.setenv("SHIPWORTHY_KEYS", str(copy / "secret"))
    monkeypatch.setenv("SHIPWORTHY_PASSPHRASE", "correct horse battery")
    monkeypatch.delenv("SHIPWORTHY_RECORD", raising=False)

    def call(*words: str):
        return CliRunner().invoke(main, list(words), prog_name="shipworthy")

    keys.write_register(TRUSTED, copy / "keys.json")
    assert call("keys", "new", "ada", "--person", str(ADA)).exit_code == 0
    assert call("keys", "register", "ada").exit_code == 0
    return call


def test_a_run_of_the_record_is_packed_by_its_name(shell):
    named = shell("pack", "latest", "--record", "record.db", "--out", "named")
    assert named.exit_code == 0, named.output
    assert shell("verify", "named").exit_code == 0
    strange = shell("pack", "no-such-run", "--record", "record.db", "--out", "strange")
    assert strange.exit_code == 2
    assert "GOVERN002" in strange.stderr


def test_from_the_command_line(shell, copy):
    made = shell("pack", "run", "--key", "ada", "--record", "record.db", "--audience", "personal")
    assert made.exit_code == 0, made.output
    assert "signed with 1 key" in made.stdout
    assert "% complete" in made.stderr
    assert "security 1; docs/questions.yaml asks them" in made.stderr
    root = made.stdout.split("Root")[1].split()[0]
    good = shell("verify", "run-package", "--keys", "keys.json", "--threshold", "1", "--root", root)
    assert (good.exit_code, good.stdout.count("\n")) == (0, 1)
    assert f"root {root}" in good.stdout
    assert "Ada <ada@example.org>" in good.stdout
    alone = shell("verify", "run-package")
    assert alone.exit_code == 0
    assert "agrees with itself" in alone.stderr
    assert shell("verify", "run-package", "--root", "sha256:" + "0" * 64).exit_code == 4
    assert shell("verify", "run-package", "--threshold", "2").exit_code == 4
    assert shell("reproduce", "run-package").exit_code == 0
    log = shell("verify", "run-package/audit/log.jsonl", "--json")
    assert (log.exit_code, json.loads(log.stdout)["of"]) == (0, "log")
    (copy / "run-package/docs/annex-iv.md").write_text("nothing to see")
    bad = shell("verify", "run-package", "--keys", "keys.json", "--json")
    assert bad.exit_code == 4
    assert [fault["where"] for fault in json.loads(bad.stdout)["faults"]] == ["docs/annex-iv.md"] * 2
    assert bad.stderr.startswith("PACK016")
    assert shell("pack", "run", "--record", "record.db").exit_code == 2  # what was changed is not replaced


def test_an_unsigned_package_says_so(shell, copy):
    made = shell("pack", "run", "--zip", "--no-record", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["signers"] == []
    plain = shell("verify", "run-package.zip")
    assert plain.exit_code == 0
    assert "not signed" in plain.stdout
    assert "not who made it" in plain.stderr
    assert "not who made it" not in shell("verify", "run-package.zip", "--root", told["root"]).stderr
    assert shell("verify", "run-package.zip", "--keys", "keys.json").exit_code == 4
    assert shell("verify", "run-package.zip", "--threshold", "1").exit_code == 4
    data = (copy / "run-package.zip").read_bytes()
    (copy / "run-package.zip").write_bytes(data[: len(data) // 2])
    cut = shell("verify", "run-package.zip")
    assert cut.exit_code == 4
    assert cut.stderr.startswith("PACK010")


def test_models_are_subjects_by_their_digest(shell, copy):
    (copy / "model.bin").write_bytes(b"weights")
    made = shell("pack", "run", "--key", "ada", "--model", "scorer=model.bin", "--no-record")
    assert made.exit_code == 0, made.output
    import base64

    found = json.loads((copy / "run-package/attestations/svr.dsse.json").read_text())
    subjects = json.loads(base64.b64decode(found["payload"]))["subject"]
    assert {"name": "model:scorer", "digest": {"sha256": hashlib.sha256(b"weights").hexdigest()}} in subjects
    assert hashlib.sha256(b"weights").hexdigest() in (copy / "run-package/bom/bom.cdx.json").read_text()
    assert shell("verify", "run-package", "--keys", "keys.json").exit_code == 0
    assert shell("pack", "run", "--model", "scorer").exit_code == 2


# How the decision stands when it is packed


GOVERNED = """\
system: {name: lending-decisions, version: "2", tier: high, owner: ann}
evaluations:
  decisions: {data: rows.csv, roles: {label: repaid, prediction: approved}}
requirements:
  - {id: ACC, metric: accuracy, at_least: 0.7}
  - {id: BAL, metric: balanced_accuracy, at_most: 0.5, severity: major}
"""


@pytest.fixture
def governed(tmp_path, monkeypatch):
    """A version that was held, waived, checked again and approved in both roles: `run1` and `run2`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHIPWORTHY_RECORD", raising=False)
    rows = [f"{i % 2},{i % 2 if i % 5 else 1 - i % 2}" for i in range(300)]
    Path("rows.csv").write_text("\n".join(["repaid,approved", *rows, ""]))
    Path("shipworthy.yaml").write_text(GOVERNED)

    def call(*words: str):
        done = CliRunner().invoke(main, list(words), prog_name="shipworthy")
        assert done.exit_code != 2, done.output
        return done

    ada, bea = ("--as", "Ada <ada@x.org>"), ("--as", "Bea <bea@x.org>")
    call("check", "--quiet", "--out", "run1", "--as", "Cora <c@x.org>")
    why = (
        "--reason",
        "New model in May",
        "--control",
        "A look at each no",
        "--ends",
        str(date.today() + timedelta(60)),
    )
    call("waiver", "request", "latest", "BAL", *why, *ada)
    call("waiver", "approve", "W-1", *bea)
    call("check", "--quiet", "--out", "run2", "--as", "Cora <c@x.org>")
    call("sign", "latest", "--role", "product", "--verdict", "approve", "--yes", "--quiet", *ada)
    call("sign", "latest", "--role", "risk", "--verdict", "approve", "--yes", "--quiet", *bea)
    return call


def told(call, run: str, *, audience="personal") -> tuple[str, dict, str]:
    """The memo, package.json and what `pack` printed."""
    done = call("pack", run, "--audience", audience, "--out", f"pk-{run}")
    assert done.exit_code == 0, done.output
    package = Path(f"pk-{run}")
    assert verify(package).faults == ()
    return (
        (package / "docs/launch-memo.md").read_text(),
        json.loads((package / "package.json").read_text()),
        done.stderr,
    )


def test_a_run_that_nobody_signed_has_no_approvals_of_another(governed):
    memo, about, _ = told(governed, "run1")
    assert "| The decision | product | not signed |" in memo
    assert "| The decision | risk | not signed |" in memo
    assert "| approve" not in memo
    assert "waived until" not in memo
    assert "Ship under waiver" not in memo
    assert "open: waiver W-1 came after the decision" in memo
    assert (about["decision"], about["stands"]["fit"]) == ("hold", "stale")
    assert "**Dated and signed.** [Missing:" in Path("pk-run1/docs/annex-iv.md").read_text()
    assert json.loads(Path("pk-run1/risk/sign-offs.json").read_text())["on_this_decision"] == []
    assert json.loads(Path("pk-run1/trace/trace.json").read_text())["sign_offs"] == []


def test_what_was_approved_is_dated_and_signed_by_name(governed):
    memo, about, said = told(governed, "run2")
    assert "SHIP: 1 of 2 requirements waived" in memo
    assert "the rules said" not in memo
    assert re.search(r"\| The decision \| product \| approve \(\d{4}-\d\d-\d\d\) \|", memo)
    assert "Ship under waiver: BAL stays unmet, by leave, until its waiver ends." in memo
    assert about["stands"] == {"fit": "ship", "reasons": []}
    assert "stands now" not in said
    annex = Path("pk-run2/docs/annex-iv.md").read_text()
    assert re.search(r"\| \d{4}-\d\d-\d\d \| Ada \| product \| approve \| – \| As product, I approve", annex)


def test_a_waiver_that_was_withdrawn_and_stale_approvals_are_told_as_such(governed):
    governed("waiver", "withdraw", "W-1", "--as", "Bea <bea@x.org>")
    memo, about, said = told(governed, "run2")
    assert re.search(r"BAL \| ▲ breached; its waiver was withdrawn on \d{4}-\d\d-\d\d \|", memo)
    assert "waived until" not in memo
    assert "STALE: waiver W-1 was withdrawn: BAL counts as not met again" in memo.splitlines()[2]
    assert memo.splitlines()[2].endswith("the rules said SHIP: 1 of 2 requirements waived**")
    assert "approve; stale, no longer counts" in memo
    assert (about["decision"], about["stands"]["fit"]) == ("ship", "stale")
    assert "How the decision stands now, as the package says: stale; waiver W-1 was withdrawn" in said
    trace = json.loads(Path("pk-run2/trace/trace.json").read_text())
    assert [one["waived_by"] for one in trace["requirements"]] == [None, None]
    gaps = {(gap["code"], gap["id"], gap["gap"]) for gap in trace["gaps"]}
    assert ("TRACE003", "BAL", "no risk, no waiver") in gaps
    assert ("TRACE008", "product", "stale") in gaps


def test_a_rejected_release_is_headlined_as_held(governed):
    words = ("--verdict", "reject", "--statement", "Not before the audit.", "--yes", "--quiet", "--as", "Dee <d@x.org>")
    governed("sign", "latest", "--role", "risk", *words)
    memo, about, said = told(governed, "run2")
    assert "HOLD: risk rejected it; the rules said SHIP: 1 of 2 requirements waived" in memo.splitlines()[2]
    assert about["headline"].startswith("HOLD: risk rejected it")
    assert "HOLD: risk rejected it" in Path("pk-run2/README.md").read_text().splitlines()[0]
    assert "Not before the audit." in Path("pk-run2/docs/annex-iv.md").read_text()
    assert any("HOLD: risk rejected it" in note for note in verify("pk-run2").notes)
    assert "stands now" in said
