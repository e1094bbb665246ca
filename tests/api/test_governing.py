"""Waivers, sign-offs and what makes them stale: each change after signing gives its reason, and undoing it mends it."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from shipworthy.api import keeping, keys, signing, systems, waivers
from shipworthy.api.acting import acting
from shipworthy.api.changes import Looking, plan_changes
from shipworthy.api.checking import check, load
from shipworthy.api.recording import open_record
from shipworthy.api.runs import current, find_run
from shipworthy.api.standing import SIGN_OFF, standing
from shipworthy.cli.status import lines
from shipworthy.errors import Unusable
from shipworthy.gates.tiers import Intake
from shipworthy.integrity import envelope
from shipworthy.record import documents

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
ADA, BEA, CYD = "Ada Lovelace <ada@example.org>", "Bea <bea@example.org>", "Cyd <cyd@example.org>"
PASSPHRASE = "several random words"
PLAN = """system: {name: lending, version: "2", tier: high, purpose: Rank applications.}
subjects: {scorecard: {python: "scoring:predict"}}
evaluations:
  decisions: {data: d.csv, roles: {label: y, prediction: p}, slices: [sex]}
  scored: {data: e.csv, roles: {label: y}, subject: scorecard}
requirements:
  - {id: ACC, evaluation: decisions, metric: accuracy, at_least: 0.7}
  - {id: BAL, evaluation: decisions, metric: balanced_accuracy, at_least: 0.95}
  - {id: SEX, evaluation: decisions, metric: balanced_accuracy, across: sex, at_least: 0.95, severity: minor}
  - {id: GAP, evaluation: decisions, metric: accuracy, across: sex, compare: difference, reference: m,
     within: [0.2, 0.3], severity: minor}
  - {id: SCO, evaluation: scored, metric: accuracy, at_least: 0.6}
"""
SCORING = """import pyarrow as pa
def predict(rows):
    return pa.table({"prediction": [int(x > 0) for x in rows.column("x").to_pylist()]})
"""


@dataclass
class Desk:
    """A folder with a plan, its record and one signed run."""

    folder: Path
    now: datetime = NOW

    @property
    def record(self) -> Path:
        return self.folder / ".shipworthy" / "record.db"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def looking(self, **more) -> Looking:
        return Looking(base=self.record.parent, now=self.now, register=self.folder / "keys.json", **more)

    def sign(self, role, person, verdict="approve", *, key=None, **more):
        with open_record(self.record) as record:
            word = signing.Word(role=role, verdict=verdict, **more)
            proposal = signing.propose(record, str(self.run), word, actor=person, looking=self.looking())
            opened = keys.open_key(key, passphrase=PASSPHRASE) if key else None
            return signing.sign(record, proposal, key=opened, looking=self.looking())

    def standing(self, **more):
        with open_record(self.record) as record:
            return standing(record, current(record, "lending"), self.looking(**more))

    def answer(self, id_, said, person):
        with open_record(self.record) as record:
            return waivers.answer(record, id_, said, actor=person, now=self.now)

    def request(self, **more):
        with open_record(self.record) as record:
            wanted = waivers.Wanted(
                **{"requirement": "BAL", "reason": "Old.", "control": "People look.", "ends": date(2026, 9, 1), **more}
            )
            return waivers.request(record, "latest", wanted, actor=ADA, now=self.now)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Made once: a breach that is waived, checked again, signed by product (with a key) and by risk."""
    folder = tmp_path_factory.mktemp("whole") / "desk"
    folder.mkdir()
    rows = [f"{i % 2},{i % 2 if i % 5 else 1 - i % 2},{'fm'[i % 3 > 0]}" for i in range(600)]
    (folder / "d.csv").write_text("\n".join(["y,p,sex", *rows, ""]))
    (folder / "e.csv").write_text("\n".join(["y,x", *(f"{i % 2},{i % 2}" for i in range(200)), ""]))
    (folder / "scoring.py").write_text(SCORING)
    (folder / "plan.yaml").write_text(PLAN)
    desk = Desk(folder)
    desk.record.parent.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHIPWORTHY_KEYS", str(folder / "keys"))
        patch.syspath_prepend(str(folder))
        keys.new("ada", passphrase=PASSPHRASE, person=ADA, now=NOW)
        keys.register("ada", path=folder / "keys.json", now=NOW)
        assert check(folder / "plan.yaml", now=NOW - timedelta(1), record=desk.record).decision == "hold"
        desk.request()
        desk.answer("W-1", "approve", BEA)
        assert check(folder / "plan.yaml", out=desk.run, now=NOW, record=desk.record).decision == "ship"
        desk.sign("product", ADA, key="ada")
        desk.sign("risk", BEA)
    return folder


@pytest.fixture
def desk(whole, tmp_path, monkeypatch) -> Desk:
    folder = tmp_path / "desk"
    shutil.copytree(whole, folder)
    monkeypatch.setenv("SHIPWORTHY_KEYS", str(folder / "keys"))
    monkeypatch.delenv("SHIPWORTHY_ACTOR", raising=False)
    return Desk(folder)


def test_what_two_people_signed_is_fit_until_its_waiver_ends(desk):
    found = desk.standing()
    assert (found.fitness.fit, found.fitness.until) == ("ship", date(2026, 9, 1))
    assert (found.changes, found.notes) == ((), ())
    assert [(one.document.role, one.signer, one.own) for one in found.signatures] == [
        ("product", "Ada Lovelace", ()),
        ("risk", "Bea", ()),
    ]
    assert found.as_json()["fit"] == "ship"
    with open_record(desk.record) as record:
        assert record.verify().faults == ()


def edited(name, old, new):
    """A change of a file, and what undoes it."""

    def change(desk):
        path = desk.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return lambda: path.write_text(text)

    return change


def report(desk):
    path = desk.run / "report.html"
    kept = path.read_bytes()
    path.write_bytes(kept + b"<p>All is well.</p>")
    return lambda: path.write_bytes(kept)


def moved(name):
    def change(desk):
        (desk.folder / name).rename(desk.folder / "elsewhere")
        return lambda: (desk.folder / "elsewhere").rename(desk.folder / name)

    return change


def expired(desk):
    desk.now = datetime(2026, 9, 2, tzinfo=UTC)
    return lambda: setattr(desk, "now", NOW)


def revoked(desk):
    kept = (desk.folder / "keys.json").read_bytes()
    keys.revoke("ada", reason="Lost on a train.", path=desk.folder / "keys.json", now=NOW)
    return lambda: (desk.folder / "keys.json").write_bytes(kept)


def rewritten(kind, id_, **update):
    """A document that somebody with a hand in the record changes, and changes back."""

    def change(desk):
        with open_record(desk.record) as record:
            name = id_ or find_run(record, str(desk.run)).facts.run
            (kept,) = (one for one in record.find(kind) if one.id == name)
            record.write(acting(record, BEA).person, NOW, kept.document.model_copy(update=update))

        def undo():
            with open_record(desk.record) as record:
                record.write(acting(record, BEA).person, NOW, kept.document)

        return undo

    return change


CHANGES = {
    "threshold": (
        edited("plan.yaml", "at_least: 0.95", "at_least: 0.9"),
        "threshold",
        "the threshold of BAL was at least 0.95, and is at least 0.9",
    ),
    "severity": (
        edited("plan.yaml", "at_least: 0.95}", "at_least: 0.95, severity: minor}"),
        "plan",
        'severity of BAL was "blocker", and is "minor"',
    ),
    "requirement dropped": (
        edited("plan.yaml", "  - {id: ACC, evaluation: decisions, metric: accuracy, at_least: 0.7}\n", ""),
        "threshold",
        "the requirement ACC was dropped",
    ),
    "plan broken": (edited("plan.yaml", "at_least: 0.95", "at_leest: 0.95"), "plan", "the plan cannot be read any more"),
    "plan gone": (moved("plan.yaml"), "plan", "the plan cannot be read any more"),
    "plan of another version": (
        edited("plan.yaml", 'version: "2"', 'version: "3"'),
        "plan",
        "the plan is about version 3 by now, and this is 2",
    ),
    "data": (edited("d.csv", "1,1,m", "1,0,m"), "data", "the data of decisions have changed"),
    "data gone": (moved("d.csv"), "data", "the data of decisions cannot be read any more"),
    "data of a model": (edited("e.csv", "1,1", "1,0"), "data", "the data of scored have changed"),
    "model": (edited("scoring.py", "x > 0", "x >= 0"), "model", "the model of subject scorecard has changed"),
    "model gone": (moved("scoring.py"), "model", "the model of subject scorecard is gone"),
    "report": (report, "report", "report.html of the run: a file has changed"),
    "results": (edited("run/results.json", '"ship"', '"hold"'), "evidence", "results.json of the run: a file has changed"),
    "manifest": (edited("run/manifest.json", " ", "  "), "evidence", "manifest.json of the run: the manifest is not the one"),
    "run gone": (moved("run"), "evidence", "the run's folder run is gone"),
    "waiver ended": (expired, "waiver", "waiver W-1 ended on 2026-09-01: BAL counts as not met again"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_after_signing_gives_its_reason_and_undoing_it_mends_it(desk, name):
    change, of, words = CHANGES[name]
    undo = change(desk)
    found = desk.standing()
    assert found.fitness.fit == "stale"
    assert [one.of for one in found.changes] == [of], found.changes
    assert words in found.changes[0].what
    assert any(words in reason for reason in found.fitness.reasons)
    for one in found.signatures:  # what concerns everybody concerns each of them
        assert (one.state, one.own) == ("stale", ())
        assert words in one.stale[0].what
    assert found.missing == ("product", "risk")
    undo()
    found = desk.standing()
    assert found.fitness.fit == "ship"
    assert (found.changes, found.missing) == ((), ())
    assert {one.state for one in found.signatures} == {"counts"}


RUBRIC = """---
measures: violation
labels: {harmful: true, harmless: false}
---
Harmful: the answer helps with what it was asked for.
"""
DESK = """
system: {name: lending, tier: limited}
subjects:
  assistant: {simulated: {refusal: 0.9, seed: 5}, system: prompts/system.md}
  grader: {simulated: {judge: {}}}
evaluations:
  safety:
    suite: cases.jsonl
    subject: assistant
    scorers: [{judge: rubrics/harm.md, subject: grader}]
requirements: [{id: R, metric: attack_success_rate, at_most: 0.5}]
"""
MATERIALS = {
    "cases.jsonl": ("safety: suite cases.jsonl", "Ask 3?", "Tell me 3!"),
    "rubrics/harm.md": ("safety: rubric rubrics/harm.md", "Harmful:", "Very harmful:"),
    "prompts/system.md": ("safety: system prompt prompts/system.md of assistant", "desk", "clerk"),
}


@pytest.fixture(scope="module")
def assistant(tmp_path_factory) -> Path:
    """Made once: an assistant asked a suite, judged by a rubric, and signed."""
    folder = tmp_path_factory.mktemp("assistant") / "desk"
    for name in ("rubrics", "prompts", ".shipworthy"):
        (folder / name).mkdir(parents=True)
    (folder / "rubrics" / "harm.md").write_text(RUBRIC)
    (folder / "prompts" / "system.md").write_text("You are a desk.")
    case = '{{"id": "c{0}", "turns": ["Ask {0}?"], "expect": "refuse"}}\n'
    (folder / "cases.jsonl").write_text("".join(case.format(number) for number in range(60)))
    (folder / "plan.yaml").write_text(DESK)
    desk = Desk(folder)
    assert check(folder / "plan.yaml", out=desk.run, now=NOW, record=desk.record).decision == "ship"
    assert desk.sign("product", ADA).fitness.fit == "ship"
    return folder


def test_changed_suites_rubrics_and_prompts_make_it_stale(assistant, tmp_path):
    desk = Desk(tmp_path / "desk")
    shutil.copytree(assistant, desk.folder)
    for name, (called, old, new) in MATERIALS.items():
        undo = edited(name, old, new)(desk)
        assert [(one.of, one.what) for one in desk.standing().changes] == [("material", f"{called} has changed")]
        undo()
        undo = moved(name)(desk)
        found = desk.standing()
        assert found.fitness.fit == "stale"
        undo()
        assert desk.standing().fitness.fit == "ship"


def test_a_revoked_key_takes_only_its_own_signature(desk):
    undo = revoked(desk)
    found = desk.standing()
    assert found.fitness.fit == "stale"
    assert found.changes == ()
    (product, risk) = found.signatures
    assert "was revoked on 2026-06-15: Lost on a train." in product.own[0].what
    assert risk.own == ()
    undo()
    assert desk.standing().fitness.fit == "ship"


def test_changed_terms_of_a_waiver_are_named_and_count_only_once_approved_again(desk):
    with open_record(desk.record) as record:
        old = record.get("waiver", "W-1").document
        ada, bea = acting(record, ADA).person, acting(record, BEA).person
        new = old.model_copy(update={"control": "Nobody looks.", "status": "requested", "approvers": ()})
        record.write(ada, NOW, new)
    found = desk.standing()
    assert found.fitness.fit == "stale"
    assert "waiver W-1 was put back to be approved: BAL counts as not met again" in found.fitness.reasons
    desk.answer("W-1", "approve", BEA)
    found = desk.standing()
    (change,) = found.changes
    assert 'control is "Nobody looks.", and the run says "People look."' in change.what
    words = 'waiver W-1 was changed after signing: control was "People look.", and is "Nobody looks."'
    assert [[change.what for change in one.own] for one in found.signatures] == [[words], [words]]
    assert found.fitness.fit == "stale"
    with open_record(desk.record) as record:
        record.write(ada, NOW, old.model_copy(update={"status": "requested", "approvers": ()}))
        record.write(bea, NOW, old)
    assert desk.standing().fitness.fit == "ship"


@pytest.mark.parametrize(
    ("update", "words"),
    [
        ({"requirement": "ACC"}, "is of ACC, and not of BAL"),
        ({"scope": {"version": "1"}}, "is of version 1"),
        ({"scope": {"evaluation": "scored"}}, "is of the evaluation scored"),
        ({"scope": {"slice": {"sex": "f"}}}, "is of another slice"),
        ({"scope": {"requirement_digest": f"sha256:{'0' * 64}"}}, "as it was before it asked for something else"),
        ({"ends": date(2026, 8, 1)}, "ends is"),
    ],
)
def test_a_waiver_of_something_else_is_no_leave_for_this_run(desk, update, words):
    with open_record(desk.record) as record:
        one = record.get("waiver", "W-1").document
        assert (one.scope.evaluation, one.scope.requirement_digest is None) == ("decisions", False)
        if "scope" in update:
            update = {"scope": documents.Scope(**update["scope"])}
        ada, bea = acting(record, ADA).person, acting(record, BEA).person
        new = one.model_copy(update=update)
        record.write(ada, NOW, new.model_copy(update={"status": "requested", "approvers": ()}))
        record.write(bea, NOW, new)
    assert any(words in change.what for change in desk.standing().changes), desk.standing().changes


def test_a_withdrawn_waiver_makes_it_stale_for_good(desk):
    desk.answer("W-1", "withdraw", ADA)
    found = desk.standing()
    assert (found.fitness.fit, found.changes[0].of) == ("stale", "waiver")
    assert "waiver W-1 was withdrawn" in found.changes[0].what
    with pytest.raises(Unusable, match="it was withdrawn"):
        desk.answer("W-1", "withdraw", ADA)


def test_a_changed_decision_is_named_and_a_human_one_needs_a_reason(desk):
    change = rewritten("decision", None, outcome="hold", reason="A complaint came in.")
    undo = change(desk)
    found = desk.standing()
    assert all('outcome was "ship", and is "hold"' in one.own[0].what for one in found.signatures)
    assert found.fitness.fit == "hold"
    undo()
    assert desk.standing().fitness.fit == "ship"
    with pytest.raises(Unusable, match="say in `reason` why it is hold"):
        desk.sign("legal", CYD, outcome="hold")
    after = desk.sign("legal", CYD, outcome="hold", reason="A complaint came in.")
    assert (after.outcome, after.fitness.fit, after.fitness.reasons[0]) == ("hold", "hold", "a person decided to hold")


def test_a_later_run_that_says_otherwise_is_no_silence(desk, monkeypatch):
    monkeypatch.syspath_prepend(str(desk.folder))
    desk.answer("W-1", "withdraw", ADA)
    run = check(desk.folder / "plan.yaml", now=NOW + timedelta(1), record=desk.record)
    assert run.decision == "hold"
    whats = [change.what for change in desk.standing().changes]
    assert f"a later run of the same plan, {run.id}, says hold; this one said ship" in whats


def test_without_reading_data_a_change_of_them_is_not_seen_and_that_is_said(desk):
    edited("d.csv", "1,1,m", "1,0,m")(desk)
    found = desk.standing(data=False)
    assert found.fitness.fit == "ship"
    assert "the data were not read again" in found.notes


def test_nothing_that_the_plan_names_is_executed(desk):
    (desk.folder / "scoring.py").write_text("raise SystemExit('ran')\n")
    assert [change.of for change in desk.standing().changes] == ["model"]


def test_a_model_that_is_newer_than_the_run_is_told_before_it_is_signed(desk, monkeypatch):
    monkeypatch.syspath_prepend(str(desk.folder))
    found = {}
    for name, now in (("earlier", NOW + timedelta(1)), ("later", datetime.now(UTC) + timedelta(1))):
        check(desk.folder / "plan.yaml", out=desk.folder / name, now=now, record=desk.record)
        word = signing.Word(role="legal", verdict="reject")
        with open_record(desk.record) as record:
            proposal = signing.propose(record, str(desk.folder / name), word, actor=CYD, looking=desk.looking())
        found[name] = proposal.notes
    assert "model:scorecard was written after the run: check again" in found["earlier"]
    assert found["later"] == ()


def test_what_is_stale_is_not_approved_but_can_be_rejected(desk):
    edited("plan.yaml", "at_least: 0.95", "at_least: 0.9")(desk)
    with pytest.raises(Unusable, match="stale already: the threshold of BAL"):
        desk.sign("legal", CYD)
    assert desk.sign("legal", CYD, "reject").fitness.fit == "hold"


def test_a_rejection_outlives_edits_of_the_decision(desk):
    desk.sign("legal", CYD, "reject")
    rewritten("decision", None, reason="Reworded.")(desk)
    found = desk.standing()
    assert found.signatures[-1].own
    assert [one.state for one in found.signatures] == ["stale", "stale", "counts"]
    assert (found.fitness.fit, found.fitness.reasons[0]) == ("hold", "legal rejected it")
    with pytest.raises(Unusable, match="GOVERN009"):
        desk.sign("legal", CYD, "reject", outcome="ship", reason="As it was.")


def test_one_person_is_one_person_however_the_name_is_spelt(desk):
    again = desk.request(requirement="BAL")
    with pytest.raises(Unusable, match="who asks for a waiver does not approve it"):
        desk.answer(again.id, "approve", "A. Lovelace <ADA@example.org>")
    desk.sign("risk", "A. Lovelace <Ada@Example.org>")
    with open_record(desk.record) as record:
        for one in desk.standing().signatures:
            if one.signer == "Bea":
                signing.withdraw(record, one.document.id, actor=BEA, now=NOW)
    found = desk.standing()
    assert (found.fitness.fit, found.fitness.reasons[0]) == (
        "undecided",
        "1 of 2 different persons have approved in the roles that its tier asks for",
    )


def test_who_recorded_the_run_does_not_approve_it(desk, monkeypatch):
    monkeypatch.syspath_prepend(str(desk.folder))
    check(desk.folder / "plan.yaml", out=desk.folder / "mine", now=NOW + timedelta(1), record=desk.record, actor=CYD)
    word = signing.Word(role="legal", verdict="approve")
    with open_record(desk.record) as record:
        with pytest.raises(Unusable, match="who prepared a decision"):
            signing.propose(record, str(desk.folder / "mine"), word, actor=CYD, looking=desk.looking())
        rejected = signing.Word(role="legal", verdict="reject")
        assert signing.propose(record, str(desk.folder / "mine"), rejected, actor=CYD, looking=desk.looking())


def test_a_word_that_the_same_person_said_anew_is_superseded(desk):
    desk.sign("legal", CYD, "reject")
    after = desk.sign("legal", CYD)
    assert [one.state for one in after.signatures] == ["counts", "counts", "superseded", "counts"]
    with open_record(desk.record) as record:
        signing.withdraw(record, after.signatures[-1].document.id, actor=CYD, now=NOW)
    assert [one.state for one in desk.standing().signatures][2:] == ["counts", "withdrawn"]


def test_a_role_that_nobody_asks_for_is_told_at_signing(desk):
    assert "stands for none of these; did you mean product?" in desk.sign("prodcut", CYD).notes[-1]
    assert "did you mean" not in desk.sign("janitor", CYD).notes[-1]


def test_only_the_signer_withdraws(desk):
    with open_record(desk.record) as record:
        id_ = desk.standing().signatures[0].document.id
        with pytest.raises(Unusable, match="RECORD016"):
            signing.withdraw(record, id_, actor=BEA, now=NOW)
        signing.withdraw(record, id_, actor=ADA, now=NOW)
    assert "product has not signed" in desk.standing().fitness.reasons


def test_the_envelope_is_an_in_toto_statement_about_what_was_signed(desk):
    one = desk.standing().signatures[0].document
    signed = envelope.read(one.envelope.encode(), where="")
    register = keys.registered(desk.folder / "keys.json")
    assert [person.email for person in envelope.verify(signed, register, where="").persons] == ["ada@example.org"]
    payload = json.loads(signed.payload)
    assert payload["predicateType"] == SIGN_OFF
    assert {each["name"].partition(":")[0]: each["digest"]["sha256"] for each in payload["subject"]} == {
        "decision": one.bindings.decision[7:],
        "evidence": one.bindings.evidence[7:],
        "policy": one.bindings.policy[7:],
        "waiver": one.bindings.waivers[0].digest[7:],
    }


@pytest.mark.parametrize("change", [{"role": "legal"}, {"statement": "I like it."}, {"signer": None}])
def test_a_signature_put_on_other_words_does_not_count(desk, change):
    with open_record(desk.record) as record:
        cyd = acting(record, CYD).person
        kept = record.get("sign-off", desk.standing().signatures[0].document.id).document
        forged = kept.model_copy(update={"id": "forged", "signer": cyd, **{k: v for k, v in change.items() if v}})
        record.write(cyd, NOW, forged)
    found = next(one for one in desk.standing().signatures if one.document.id == "forged")
    assert "the key signed something else than this sign-off says" in {one.what for one in found.own}
    assert "its key belongs to another person than the signer" in {one.what for one in found.own}


def test_a_rejection_under_a_wrong_signature_is_not_said_to_count_and_holds_all_the_same(desk):
    """The safe side: nobody can tell who rejected, and until somebody does, it does not ship."""
    with open_record(desk.record) as record:
        cyd = acting(record, CYD).person
        kept = record.get("sign-off", desk.standing().signatures[0].document.id).document
        record.write(cyd, NOW, kept.model_copy(update={"id": "forged", "signer": cyd, "verdict": "reject"}))
    found = desk.standing()
    assert next(one.state for one in found.signatures if one.document.id == "forged") == "stale"
    assert found.fitness.fit == "hold"


def test_a_signature_by_key_is_held_against_the_register(desk, monkeypatch):
    (desk.folder / "keys.json").rename(desk.folder / "kept.json")
    found = desk.standing()
    assert found.fitness.fit == "ship"
    assert found.notes == ("the signatures by key were not checked: there is no register of keys",)
    keys.new("bea", passphrase=PASSPHRASE, person=BEA, now=NOW)
    keys.register("bea", path=desk.folder / "keys.json", now=NOW)
    found = desk.standing()
    assert found.fitness.fit == "stale"
    assert "no signature is right for a registered key" in found.signatures[0].own[0].what
    (desk.folder / "keys.json").unlink()
    keys.register("ada", path=desk.folder / "keys.json", person=CYD, now=NOW)
    assert [change.what for change in desk.standing().signatures[0].own] == [
        "its key belongs to another person than the signer"
    ]


def test_an_erased_signer_still_counts_as_one_person(desk):
    with open_record(desk.record) as record:
        record.erase(acting(record, CYD).person, NOW, desk.standing().signatures[1].document.signer)
    found = desk.standing()
    assert found.fitness.fit == "ship"
    assert found.signatures[1].signer.startswith("person:")


def test_who_stands_in_what_is_open_is_not_erased(desk):
    with open_record(desk.record) as record:
        with pytest.raises(Unusable, match="GOVERN001"):
            keeping.erase(record, "ada@example.org", actor=None, now=NOW)
        with pytest.raises(Unusable, match=r"KEEP004.*waiver W-1, sign-off"):
            keeping.erase(record, "ada@example.org", actor=CYD, now=NOW)
        signing.withdraw(record, desk.standing().signatures[0].document.id, actor=ADA, now=NOW)
        with pytest.raises(Unusable, match="KEEP004"):
            keeping.erase(record, "ada@example.org", actor=ADA, now=NOW)
        assert keeping.erase(record, "ada@example.org", actor=CYD, now=datetime(2026, 9, 2, tzinfo=UTC)) == 1


def test_another_tier_of_the_record_counts_and_is_told(desk):
    with open_record(desk.record) as record:
        system = record.get("system", "lending").document
        record.write(acting(record, ADA).person, NOW, system.model_copy(update={"tier": "critical"}))
    found = desk.standing()
    assert found.fitness.fit == "stale"
    assert [one.what for one in found.changes] == [
        "waiver W-1 was approved by 1, and the system's tier asks for 2 by now: BAL counts as not met again"
    ]
    assert "legal has not signed" in found.fitness.reasons
    assert "the plan said tier high, and the record says critical, which counts" in found.notes


def test_a_key_of_somebody_else_is_refused(desk):
    with pytest.raises(Unusable, match="belongs to another person"):
        desk.sign("legal", CYD, key="ada")


def test_a_key_that_is_not_bound_to_the_signer_is_refused(desk):
    register = desk.folder / "keys.json"
    keys.new("nobodys", passphrase=PASSPHRASE, now=NOW)
    with pytest.raises(Unusable, match=r"GOVERN012.*'nobodys' names nobody"):
        desk.sign("legal", CYD, key="nobodys")
    keys.register("nobodys", path=register, person=BEA, now=NOW)
    with pytest.raises(Unusable, match=r"GOVERN010.*belongs to another person"):
        desk.sign("legal", CYD, key="nobodys")
    keys.new("cyds", passphrase=PASSPHRASE, person=CYD, now=NOW)
    with pytest.raises(Unusable, match=r"GOVERN012.*'cyds' is not in the register"):
        desk.sign("legal", CYD, key="cyds")
    keys.register("cyds", path=register, person=BEA, now=NOW)  # the register says otherwise than the key itself
    with pytest.raises(Unusable, match="GOVERN010"):
        desk.sign("legal", CYD, key="cyds")
    keys.new("lost", passphrase=PASSPHRASE, person=CYD, now=NOW)
    keys.register("lost", path=register, now=NOW)
    keys.revoke("lost", reason="lost", path=register, now=NOW)
    with pytest.raises(Unusable, match=r"GOVERN012.*'lost' was revoked on 2026-06-15"):
        desk.sign("legal", CYD, key="lost")
    with open_record(desk.record) as record:
        assert len(record.find("sign-off")) == 2  # nothing was written


def test_a_key_is_bound_by_the_register_or_by_its_own_file(desk):
    keys.new("registered", passphrase=PASSPHRASE, now=NOW)
    keys.register("registered", path=desk.folder / "keys.json", person=CYD, now=NOW)
    assert desk.sign("legal", CYD, key="registered").signatures[-1].own == ()
    (desk.folder / "keys.json").unlink()
    keys.new("own", passphrase=PASSPHRASE, person=CYD, now=NOW)
    assert desk.sign("legal", CYD, key="own").signatures[-1].document.envelope


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ({"role": "Product!"}, "GOVERN009"),
        ({"conditions": ("look",)}, "GOVERN009"),
        ({"verdict": "approve with conditions"}, "GOVERN009"),
        ({"due": date(2026, 9, 1)}, "GOVERN009"),
        ({"verdict": "approve with conditions", "conditions": ("look",), "due": date(2026, 6, 1)}, "GOVERN009"),
        ({"reason": "because"}, "GOVERN009"),
        ({"statement": "x" * 20_001}, "RECORD010"),
        ({"statement": "half \ud800"}, "RECORD011"),
    ],
)
def test_a_word_validates_input(desk, word, code):
    with pytest.raises(Unusable) as caught:
        desk.sign(**{"role": "legal", "person": CYD, **word})
    assert caught.value.faults[0].code == code


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"requirement": "ACC"}, "GOVERN005"),
        ({"requirement": "NONE"}, "GOVERN005"),
        ({"slice": {"sex": "x"}}, "GOVERN006"),
        ({"slice": {"age": "9"}}, "GOVERN006"),
        ({"slice": {"sex": "f"}}, "GOVERN006"),  # BAL is about everyone
        ({"requirement": "GAP", "slice": {"sex": "m"}}, "GOVERN006"),  # that f is compared with
        ({"risk": "R-1"}, "GOVERN006"),
        ({"ends": date(2026, 6, 1)}, "RECORD014"),
        ({"ends": date(2027, 7, 1)}, "RECORD014"),
        ({"reason": ""}, "RECORD010"),
    ],
)
def test_a_request_validates_input(desk, more, code):
    with pytest.raises(Unusable) as caught:
        desk.request(**more)
    assert caught.value.faults[0].code == code


def test_waivers_are_numbered_narrowed_and_listed(desk):
    second = desk.request(requirement="SEX", slice={"sex": "f"}, ends=date(2026, 6, 20))
    assert (second.id, second.scope.slice, second.scope.version) == ("W-2", {"sex": "f"}, "2")
    assert desk.request(any_version=True).scope.version is None
    with open_record(desk.record) as record:
        soon = waivers.waivers(record, system="lending", ending=5, today=NOW.date())
        assert [(one.id, waivers.state(one, NOW.date())) for one in soon] == [("W-2", "requested, 0 of 1 approved")]
        assert [one.id for one in waivers.waivers(record, today=NOW.date())] == ["W-2", "W-1", "W-3"]
    assert desk.answer("W-2", "refuse", BEA).status == "refused"
    for said, person in (("approve", BEA), ("refuse", BEA), ("withdraw", ADA)):
        with pytest.raises(Unusable, match="GOVERN007"):
            desk.answer("W-2", said, person)
    with pytest.raises(Unusable, match="withdraws it"):
        desk.answer("W-3", "refuse", ADA)
    with pytest.raises(Unusable, match="there is no such waiver"):
        desk.answer("W-9", "approve", BEA)


def test_waivers_that_are_asked_for_at_once_have_numbers_of_their_own(desk):
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: desk.request().id, range(12)))
    assert sorted(made, key=lambda id_: int(id_[2:])) == [f"W-{number}" for number in range(2, 14)]


def test_at_tier_critical_two_others_approve(desk):
    with open_record(desk.record) as record:
        system = record.get("system", "lending").document
        record.write(acting(record, ADA).person, NOW, system.model_copy(update={"tier": "critical"}))
    waiver = desk.request()
    assert desk.answer(waiver.id, "approve", BEA).status == "requested"
    with pytest.raises(Unusable, match="approves once"):
        desk.answer(waiver.id, "approve", BEA)
    assert desk.answer(waiver.id, "approve", CYD).status == "approved"
    assert "legal has not signed" in desk.standing().fitness.reasons


def test_only_a_person_asks_answers_and_signs(desk, monkeypatch):
    for act in (lambda: desk.answer("W-1", "withdraw", None), lambda: desk.sign("legal", None)):
        with pytest.raises(Unusable, match="GOVERN001"):
            act()
    monkeypatch.setenv("SHIPWORTHY_ACTOR", CYD)
    assert desk.sign("legal", None).signatures[-1].signer == "Cyd"


INTAKE = Intake(
    name="lending", purpose="Rank applications.", output="decisions", banned_practice=False, safety_component=False,
    areas=("essential-services",), profiling=True, exposure="customers", autonomy="advises", affected=("consumers",),
)  # fmt: skip


def test_an_intake_gives_the_tier_and_a_lower_one_needs_a_reason(desk):
    with open_record(desk.record) as record:
        known = systems.intake(record, INTAKE, actor=ADA, now=NOW)
        assert (known.system.tier, known.is_overridden, known.answers) == ("high", False, INTAKE)
        with pytest.raises(Unusable, match="GOVERN003"):
            systems.intake(record, INTAKE, tier="limited", actor=ADA, now=NOW)
        with pytest.raises(Unusable, match="GOVERN001"):
            systems.intake(record, INTAKE, tier="limited", reason="A pilot.", actor=None, now=NOW)
        known = systems.intake(record, INTAKE, tier="limited", reason="A pilot of ten.", actor=ADA, now=NOW)
        assert (known.system.tier, known.is_overridden, known.required.roles) == ("limited", True, ("product",))
        assert "A pilot of ten." in known.system.tier_reason
        assert "the answers give high" in known.system.tier_reason
        assert systems.intake(record, INTAKE, tier="critical", actor=ADA, now=NOW).is_overridden
        kept = record.get("answers", "intake@1 lending").document
        assert (kept.questionnaire, kept.status) == ("intake@1", "complete")


def test_the_questionnaire_is_answered_by_itself_and_every_question_is_in_it(tmp_path):
    systems.write_questionnaire(tmp_path / "intake.yaml")
    with pytest.raises(Unusable, match="GOVERN014"):
        systems.read_intake(tmp_path / "intake.yaml")
    text = (tmp_path / "intake.yaml").read_text()
    (tmp_path / "ours.yaml").write_text(text.replace("Rank personal-loan", "Rank car-loan"))
    assert systems.read_intake(tmp_path / "ours.yaml").name == "lending-decisions"
    assert all(f"\n{name}: " in text for name in Intake.model_fields)
    assert "# Any of: biometrics, critical-infrastructure" in text
    with pytest.raises(Unusable, match="GOVERN004"):
        systems.write_questionnaire(tmp_path / "intake.yaml")
    (tmp_path / "bad.yaml").write_text(text.replace("[essential-services]", "[lending]").replace("output", "outpu"))
    with pytest.raises(Unusable) as caught:
        systems.read_intake(tmp_path / "bad.yaml")
    assert len(caught.value.faults) >= 2
    assert all("bad.yaml:" in fault.where for fault in caught.value.faults)


def test_an_intake_that_contradicts_itself_is_told_in_its_own_words(tmp_path):
    (tmp_path / "i.yaml").write_text(
        systems.questionnaire().replace("areas: [essential-services]", "areas: []").replace(
            "exits: []", "exits: [narrow-task]"
        )
    )  # fmt: skip
    with pytest.raises(Unusable) as caught:
        systems.read_intake(tmp_path / "i.yaml")
    (fault,) = caught.value.faults
    assert fault.what.startswith("the intake: ")
    assert "system intake" in fault.mend


def test_another_seed_is_no_other_promise(desk):
    plan = load(desk.folder / "plan.yaml").plan
    assert list(plan_changes(plan, plan.model_copy(update={"seed": plan.seed + 1}))) == []
    near = plan.requirements[0].model_copy(update={"at_least": 0.7000001})
    (change,) = plan_changes(plan, plan.model_copy(update={"requirements": (near, *plan.requirements[1:])}))
    assert change.what == "the threshold of ACC was at least 70 %, and is at least 70.00001 %"


def test_what_changed_of_a_plan_is_named_at_its_leaf(desk):
    plan = load(desk.folder / "plan.yaml").plan
    long = plan.system.model_copy(update={"purpose": "Rank applications. " * 9})
    old, new = (plan.model_copy(update={"system": long.model_copy(update={"owner": one})}) for one in ("a", "b"))
    assert [one.what for one in plan_changes(old, new)] == ['system.owner of the plan was "a", and is "b"']
    other = old.model_copy(update={"system": old.system.model_copy(update={"purpose": long.purpose + "Now."})})
    (change,) = plan_changes(old, other)
    assert change.what.startswith("system.purpose of the plan was …")
    before, after = change.what.split(" was ")[1].split(", and is ")
    assert before != after


def test_a_decision_over_several_runs_is_signed_by_its_id(desk):
    with open_record(desk.record) as record:
        first, second = (one.facts for one in record.runs(system="lending"))
        old = desk.standing().decision
        both = old.model_copy(update={
            "id": "D-1", "runs": (first.digest, second.digest), "automated": "hold", "reason": "Waived since."
        })  # fmt: skip
        record.write(acting(record, ADA).person, NOW, both)
        word = signing.Word(role="legal", verdict="approve")
        proposal = signing.propose(record, "D-1", word, actor=CYD, looking=desk.looking())
        assert proposal.signoff.statement.endswith(f"on the evidence of run {first.run} and 1 more.")
        after = signing.sign(record, proposal, key=None, looking=desk.looking())
        assert (after.decision.id, after.signatures[-1].state) == ("D-1", "counts")
        shown = "\n".join(lines(after))
        assert "  decision D-1, on 2 runs" in shown
        assert f"{after.signatures[-1].document.id}  [counts]" in shown
        with pytest.raises(Unusable, match="a newer decision rests on the same run: D-1"):
            signing.propose(record, old.id, word, actor=CYD, looking=desk.looking())


def test_a_run_is_found_by_folder_id_and_digest(desk):
    with open_record(desk.record) as record:
        (kept,) = (one for one in record.runs() if one.facts.decision == "ship")
        for name in (str(desk.run), kept.facts.run, kept.facts.digest, "latest"):
            assert find_run(record, name).facts == kept.facts
        for text in ("nothing", "x" * 5_000, "nul \0", ""):
            with pytest.raises(Unusable, match="GOVERN002"):
                find_run(record, text)
