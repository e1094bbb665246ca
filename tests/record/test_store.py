"""The record in SQLite and in PostgreSQL: one behaviour."""

import json
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from shipworthy.errors import Unusable
from shipworthy.integrity import chain, checkpoints
from shipworthy.integrity.keys import NO_KEYS, signing_key
from shipworthy.integrity.persons import person
from shipworthy.record.artifacts import Artifact
from shipworthy.record.documents import Answers, Bindings, Mitigation, Rating, SignOff, System, Waiver
from shipworthy.record.labels import Label
from shipworthy.record.seen import Seen
from shipworthy.record.store import Record

D = "sha256:" + "0" * 64
RATING = Rating(likelihood=1, severity=4, basis="judged")


def codes(caught):
    return [fault.code for fault in caught.value.faults]


def entries(record):
    return [json.loads(line) for line in record.log()]


def test_a_change_is_a_version_and_a_line_of_the_log(record, ann, bo, risk, now):
    (first,) = record.write(ann, now, risk())
    (second,) = record.write(bo, now + timedelta(hours=1), risk(title="Bias against the young"), action="retitle")
    assert (first.version, second.version, second.previous) == (1, 2, first.digest)
    assert record.get("risk", "R-1").document.title == "Bias against the young"
    assert record.get("risk", "R-1", version=1).document == risk()
    assert [kept.version for kept in record.history("risk", "R-1")] == [1, 2]
    one, two = entries(record)
    assert (one["action"], one["object"], one["actor"]) == ("risk.create", "risk/R-1", ann)
    assert (one["before"], one["after"], one["at"]) == (None, first.digest, "2026-11-21T09:30:00.000000Z")
    assert (two["action"], two["before"], two["after"], two["actor"]) == (
        "risk.retitle",
        first.digest,
        second.digest,
        bo,
    )
    assert second.at == now + timedelta(hours=1)
    assert record.get("risk", "R-2") is None
    assert record.history("risk", "R-2") == ()


def test_what_did_not_change_is_left(record, ann, risk, now):
    record.write(ann, now, risk())
    (again,) = record.write(ann, now, risk())
    assert (again.version, again.is_new, record.size()) == (1, False, 1)


def test_documents_are_written_all_or_none(record, ann, risk, now):
    forged = Waiver(
        id="W-1", system="lending", tier="high", requirement="F", reason="r", control="c", requester="person:" + "0" * 64,
        starts=date(2026, 11, 21), ends=date(2026, 12, 1),
    )  # fmt: skip
    with pytest.raises(Unusable) as caught:
        record.write(ann, now, risk(), forged)
    assert codes(caught) == ["RECORD016"]
    assert record.get("risk", "R-1") is None
    assert record.size() == 0


def test_digests_against_reference(record, ann, risk, now):
    """The salted digest is that of the log's own algebra."""
    from shipworthy.record import audit
    from shipworthy.record.reading import body_bytes

    salt = audit.fresh_salt()
    body = body_bytes(risk(title="ünï ☂"))
    assert audit.sealed(body, salt) == chain.body_digest(json.loads(body), salt=bytes.fromhex(salt))
    assert record.write(ann, now, risk())[0].digest != record.write(ann, now, risk("R-2"))[0].digest


def test_a_change_that_was_overtaken_is_refused(record, ann, risk, now):
    record.write(ann, now, risk(), based_on={("risk", "R-1"): 0})
    record.write(ann, now, risk(title="B"), based_on={("risk", "R-1"): 1})
    with pytest.raises(Unusable) as caught:
        record.write(ann, now, risk(title="C"), based_on={("risk", "R-1"): 1})
    assert codes(caught) == ["RECORD015"]


def test_find(record, ann, risk, now):
    record.write(
        ann, now,
        risk("R-1", title="100 % Überraschung", due=date(2026, 12, 1), owner="team-a"),
        risk("R-2", title="_ and 'quotes'", due=date(2027, 1, 1), status="closed", residual=RATING, treatment="avoid"),
        risk("R-3", system="other", title="1000 surprises"),
        Mitigation(id="M-1", system="lending", title="Überraschung", what="w"),
    )  # fmt: skip

    def found(**conditions):
        return [kept.id for kept in record.find("risk", **conditions)]

    assert found() == ["R-1", "R-2", "R-3"]
    assert found(system="lending") == ["R-1", "R-2"]
    assert found(status="closed") == ["R-2"]
    assert found(status=["closed", "open"], limit=1, offset=1) == ["R-2"]
    assert found(owner="team-a") == ["R-1"]
    assert found(due_before=date(2027, 1, 1)) == ["R-1"]
    assert found(text="überRASCHUNG") == ["R-1"]
    assert found(text="100 %") == ["R-1"]
    assert found(text="_ and '") == ["R-2"]
    assert found(text="nothing") == []
    record.write(ann, now, risk("R-1", title="Other"))
    assert (
        found(text="Überraschung") == found(owner="team-a") == found(due_before=date(2030, 1, 1), owner="team-a") == []
    )


def test_write_validates_input(record, ann, risk, now):
    with pytest.raises(Unusable) as caught:
        record.write("person:" + "0" * 64, now, risk())
    assert codes(caught) == ["RECORD017"]
    with pytest.raises(Unusable) as caught:
        record.write(ann, now, risk(), action="X; DROP")
    assert codes(caught) == ["RECORD017"]
    with pytest.raises(Unusable) as caught:
        record.write(ann, datetime(2026, 1, 1), risk())
    assert codes(caught) == ["RECORD018"]
    assert record.size() == 0
    record.write("tool:shipworthy/0.1", now, risk())
    assert record.size() == 1


HOSTILE = [
    "'; DROP TABLE audit;--",
    "%s %(x)s :name ?",
    "🙂‍👩‍👩‍👧",
    "\u202eevil",
    "\x01\x7f\r\n\t",
    "{}\\\"'",
    "NULL",
    "x" * 200,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_kept_exactly(record, ann, risk, now, text):
    record.write(ann, now, System(id=text, tier="limited", owner=text), risk(text, system=text, title=text))
    assert record.get("risk", text).document == risk(text, system=text, title=text)
    assert [kept.id for kept in record.find("risk", system=text)] == [text]
    assert [kept.id for kept in record.find("system", owner=text)] == [text]
    assert [kept.id for kept in record.find("risk", text=text)] == [text]
    assert record.verify().faults == ()


@pytest.mark.parametrize("text", ["\u202evil", "A\u200bnn", "Ann\n", "<Ann>", "x" * 201])
def test_a_name_of_a_person_hides_nothing(record, text):
    with pytest.raises(Unusable, match="RECORD017"):
        record.person("ann2@example.org", f"Ann {text}.")


@settings(max_examples=60)
@given(text=st.text(st.characters(exclude_categories=()), min_size=1, max_size=30), number=st.integers() | st.floats())
def test_values_properties(record, ann, now, text, number):
    """Any text and number comes back as it was, or is refused with its place."""
    try:
        given = Answers.model_construct(id="a", system="s", questionnaire="q", answers={"t": text, "n": number})
        record.write(ann, now, given)
    except Unusable as error:
        assert all(fault.code == "RECORD011" and "answers." in fault.where for fault in error.faults)
        surrogate = any("\ud800" <= char <= "\udfff" for char in text)
        assert "\0" in text or surrogate or not abs(number) <= 2**53 - 1
    else:
        assert record.get("answers", "a").document.answers == {"t": text, "n": number}


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "x" * 10_000_000])
def test_hostile_texts_are_refused_with_their_place(record, ann, risk, now, text):
    for attempt in (
        lambda: record.write(ann, now, risk().model_copy(update={"title": text})),
        lambda: record.person(text, "Ann"),
        lambda: record.add_labels(
            ann, now, [Label(run=D, evaluation="e", case="c", scorer="s", label=text, rater=ann)]
        ),
        lambda: record.add_artifacts(ann, now, Artifact(digest=D, size=1, role="model", name=text)),
    ):
        with pytest.raises(Unusable) as caught:
            attempt()
        assert set(codes(caught)) <= {"RECORD010", "RECORD011", "RECORD017", "RECORD018"}
        assert all(fault.where and len(str(fault)) < 1000 for fault in caught.value.faults)
    assert record.get("risk", text) is None if len(text) > 10 else True
    assert record.size() == 0


# Separation of duties


def waiver(requester, **more):
    given = {
        "id": "W-1", "system": "lending", "tier": "critical", "requirement": "F", "reason": "r", "control": "c",
        "requester": requester, "starts": date(2026, 11, 21), "ends": date(2026, 12, 1),
    }  # fmt: skip
    return Waiver(**{**given, **more})


def refused(record, actor, now, document):
    with pytest.raises(Unusable) as caught:
        record.write(actor, now, document)
    assert codes(caught) == ["RECORD016"]
    return caught.value.faults[0].what


def test_a_waiver_is_approved_by_each_approver_in_person(record, ann, bo, now):
    cy = record.person("cy@example.org", "Cy")
    record.write(ann, now, System(id="lending", tier="critical"))
    assert "requester" in refused(record, bo, now, waiver(ann))
    assert "tier" in refused(record, ann, now, waiver(ann, tier="high"))
    assert "approvers" in refused(record, ann, now, waiver(ann, approvers=(bo,)))
    record.write(ann, now, waiver(ann))
    assert "approvers" in refused(record, ann, now, waiver(ann, approvers=(bo,)))
    assert "approvers" in refused(record, bo, now, waiver(ann, approvers=(bo, cy), status="approved"))
    record.write(bo, now, waiver(ann, approvers=(bo,)))
    assert "approvers" in refused(record, cy, now, waiver(ann, approvers=(bo, cy), ends=date(2027, 5, 1)))
    record.write(cy, now, waiver(ann, approvers=(bo, cy), status="approved"))
    assert record.get("waiver", "W-1").document.status == "approved"
    assert "requester" in refused(record, cy, now, waiver(bo, approvers=(cy,)))
    assert "another system" in refused(record, ann, now, waiver(ann, system="other", tier="high"))
    record.write(ann, now, waiver(ann, approvers=(bo, cy), status="withdrawn"))
    assert "withdrawn" in refused(record, cy, now, waiver(ann, approvers=(bo, cy), status="approved"))


def test_a_signature_is_given_in_person_and_never_changed(record, ann, bo, now):
    signed = SignOff(
        id="S-1", system="lending", version="1", role="legal", signer=ann, verdict="approve", statement="I accept.",
        bindings=Bindings(decision=D, evidence=D, policy=D),
    )  # fmt: skip
    assert "signer" in refused(record, bo, now, signed)
    record.write(ann, now, signed)
    assert "withdrawn" in refused(record, ann, now, signed.model_copy(update={"statement": "I do not."}))
    withdrawn = signed.model_copy(update={"withdrawn": True})
    assert "signer" in refused(record, bo, now, withdrawn)
    record.write(ann, now, withdrawn)
    assert record.get("sign-off", "S-1").document.status == "withdrawn"
    assert "withdrawn" in refused(record, ann, now, signed)


def test_a_risk_is_accepted_in_person(record, ann, bo, risk, now):
    accepted = risk(status="accepted", residual=RATING, treatment="accept", accepted_by=bo, owner=ann)
    assert "accepted_by" in refused(record, ann, now, accepted)
    record.write(bo, now, accepted)
    record.write(ann, now, accepted.model_copy(update={"title": "Other"}))


# People


def test_one_address_is_one_person_however_it_is_spelt(record, ann, now):
    for email, name in [("ann@example.org", "Ann L"), ("ANN@example.org", "Ann"), (" Ann@Example.org ", "")]:
        assert record.person(email, name) == ann
    assert (record.people()[ann].email, record.people()[ann].name) == ("ann@example.org", "Ann")
    team = record.person("", "Team")
    assert record.person("", "Team") == team != record.person("", "Other team")
    record.erase(team, now, ann)
    assert record.person("ann@example.org", "Ann") != ann


# Erasure


def test_erasing_a_person_keeps_the_chain(record, ann, bo, risk, now, place):
    record.write(bo, now, risk())
    record.erase(ann, now, bo)
    gone = record.people()[bo]
    assert (gone.email, gone.name) == (None, None)
    assert entries(record)[-1] | {"action": "person.erase", "object": bo, "actor": ann} == entries(record)[-1]
    assert record.verify().faults == ()
    assert record.person("bo@example.org", "Bo") != bo
    log = b"".join(record.log())
    assert b"bo@example.org" not in log
    assert b"Ann" not in log
    with pytest.raises(Unusable, match="RECORD017"):
        record.erase(ann, now, "person:" + "1" * 64)


def test_erasure_leaves_nothing_in_the_files(ann, bo, record, risk, now, place):
    if "://" in place:
        pytest.skip("a server's files are its keeper's")
    from pathlib import Path

    unusual = record.person("zebedee@example.org", "Zebedee Quux")
    record.write(ann, now, risk(cause="Zebedee Quux did it"))
    record.write(ann, now, risk(cause="A clerk did it"))
    assert any(b"Zebedee" in path.read_bytes() for path in Path(place).parent.iterdir())
    record.forget(ann, now, "risk", "R-1", 1)
    record.erase(ann, now, unusual)
    assert not any(b"ebedee" in path.read_bytes() for path in Path(place).parent.iterdir())
    assert record.verify().faults == ()


def test_older_versions_are_forgotten_and_the_chain_stays(record, ann, risk, now):
    record.write(ann, now, risk(cause="Bo did it"))
    record.write(ann, now, risk(cause="A clerk did it"))
    for version in (2, 3):
        with pytest.raises(Unusable, match="RECORD017"):
            record.forget(ann, now, "risk", "R-1", version)
    record.forget(ann, now, "risk", "R-1", 1)
    assert [kept.document and kept.document.cause for kept in record.history("risk", "R-1")] == [None, "A clerk did it"]
    assert entries(record)[-1]["details"] == {"versions": [1]}
    assert record.verify().faults == ()


# Labels and artifacts


def test_the_later_word_of_a_rater_counts(record, ann, bo, now):
    def said(label, rater, case="1"):
        return Label(
            run=D, evaluation="misuse", case=case, scorer="refusal", label=label, rater=rater, trial=2, why="ü"
        )

    record.add_labels(ann, now, [said("full", ann), said("none", bo), said("full", ann, "2")])
    record.add_labels(bo, now, [said("none", ann)])
    record.add_labels(bo, now, [])
    assert record.labels(run=D) == (said("none", bo), said("full", ann, "2"), said("none", ann))
    assert record.labels(scorer="grounding") == record.labels(evaluation="x") == record.labels(run="x") == ()
    assert [entry["details"] for entry in entries(record)] == [{"rows": 3}, {"rows": 1}]
    assert record.verify().faults == ()
    with pytest.raises(Unusable, match="RECORD017"):
        record.add_labels(ann, now, [said("none", "person:" + "1" * 64)])


def test_artifacts_are_known_by_their_digest(record, ann, now):
    model = Artifact(digest=D, size=2**40, role="model", name="m.onnx", place="models/m.onnx")
    assert record.add_artifacts(ann, now, model, model) == (model,)
    assert record.add_artifacts(ann, now, model) == ()
    assert record.artifact(D) == model
    assert record.artifact("sha256:x") is None
    assert record.size() == 1
    assert record.verify().faults == ()
    with pytest.raises(Unusable, match="RECORD018"):
        record.add_artifacts(ann, now, Artifact(digest="md5:x", size=1, role="model", name="m"))


# One state


def test_one_state_is_read_whatever_is_written_meanwhile(record, ann, risk, now):
    record.write(ann, now, risk("R-1"))
    with record.one_state():
        before = record.get("risk", "R-1"), record.find("risk"), record.size()
        record.write(ann, now, risk("R-1", title="another"), risk("R-2"))
        assert (record.get("risk", "R-1"), record.find("risk"), record.size()) == before
        assert record.history("risk", "R-1") == (before[0],)
        assert record.get("risk", "R-2") is None
        assert record.size(anew=True) == before[2] + 2
        with record.one_state():
            assert record.size() == before[2]
    assert record.size() == before[2] + 2
    assert record.get("risk", "R-1").document.title == "another"


def test_what_is_asked_twice_of_one_state_is_read_once(record, ann, bo, risk, now):
    record.write(ann, now, risk("R-1"))
    told = []
    event.listen(record._engine, "before_cursor_execute", lambda *given: told.append(given[2]))

    def asked():
        before = len(told)
        found = (
            record.get("risk", "R-1"), record.find("risk", system="lending"), record.people(), record.people((bo,)),
            record.history("risk", "R-1"), record.runs(system="lending"), record.find("risk", status=["open"]),
        )  # fmt: skip
        return found, len(told) - before

    alone, _ = asked()
    with record.one_state():
        first, count = asked()
        again = asked()
    assert first == alone
    assert count >= 7
    assert again == (first, 0)
    assert set(first[3]) == {bo}
    assert asked()[1] >= 7


def test_one_state_is_that_of_one_record_and_one_visitor(record, ann, risk, now, tmp_path):
    record.write(ann, now, risk("R-1"))
    with record.one_state(), Record.open(tmp_path / "other.db") as other:
        assert len(record.find("risk")) == 1
        assert other.find("risk") == ()
        assert Seen(record, lambda: frozenset({"none"})).find("risk") == ()
        assert Seen(record, frozenset).get("risk", "R-1") is None
    with pytest.raises(ZeroDivisionError), record.one_state():
        raise ZeroDivisionError(record.write(ann, now, risk("R-2")))
    assert len(record.find("risk")) == 2


# The log


def test_the_log_is_what_the_algebra_verifies(record, ann, risk, now):
    for i in range(30):
        record.write(ann, now, risk(f"R-{i % 7}", title=str(i)), risk(f"Q-{i % 3}", title=str(i)))
    lines = list(record.log())
    assert len(lines) == record.size() == 60
    check = chain.verify_log([line + b"\n" for line in lines], where="log")
    assert check.fault is None
    assert check.entries == 60
    assert list(record.log(55)) == lines[55:]
    assert list(record.log(60)) == []


def test_checkpoints_are_kept_and_go_on_from_each_other(record, ann, risk, now):
    key = signing_key("log", bytes(32))

    def sign(tree):
        return checkpoints.to_text(checkpoints.sign("example.org/log", tree, key))

    roots = []
    for i in range(5):
        record.write(ann, now, *(risk(f"R-{i}-{j}") for j in range(i * 3 + 1)))
        roots.append(checkpoints.read(record.checkpoint(sign, now), where="it").root)
        record.checkpoint(sign, now)
    notes = [checkpoints.read(note, where="it") for note in record.checkpoints()]
    assert [note.size for note in notes] == [1, 5, 12, 22, 35]
    assert [note.root for note in notes] == roots
    check = chain.verify_log([line + b"\n" for line in record.log()], where="log")
    assert check.tree.root() == roots[-1]
    assert [fault.code for fault in record.verify(NO_KEYS).faults] == ["CHKP002"]
    for wrong in (b"x", checkpoints.to_text(checkpoints.sign("example.org/log", type(check.tree)(), key))):
        with pytest.raises(Unusable) as caught:
            record.checkpoint(lambda tree, wrong=wrong: wrong, now)
        assert codes(caught)[0] in ("CHKP001", "RECORD018")


def test_the_log_against_a_register(record, ann, risk, now):
    key = signing_key("log", bytes(32))
    register = NO_KEYS.add(key.public, person("Keeper <keeper@example.org>"), now=now)
    record.write(ann, now, risk())
    record.checkpoint(lambda tree: checkpoints.to_text(checkpoints.sign("example.org/log", tree, key)), now)
    record.write(ann, now, risk("R-2"))
    found = record.verify(register, origin="example.org/log")
    assert (found.faults, found.log.covered, found.objects) == ((), 1, 2)
    assert record.verify().log.covered == 0
