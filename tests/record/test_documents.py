"""Documents: what one alone shows to be wrong is refused, with its field and how to mend it."""

from datetime import UTC, datetime

import pytest

from shipworthy.errors import Unusable
from shipworthy.record.documents import KINDS, MODELS, Risk
from shipworthy.record.reading import MOST_BYTES, body_bytes, checked, kept_document, read_document

ANN, BO, CY = (f"person:{digit * 64}" for digit in "abc")
D = "sha256:" + "0" * 64
RATING = {"likelihood": 3, "severity": 4, "basis": "judged"}
BODIES = {
    "system": {"id": "lending", "tier": "high", "purpose": "Ranks loans.", "areas": ["credit"]},
    "version": {"id": "lending@1", "system": "lending", "version": "1", "digests": {"model": D}},
    "plan": {"id": "p", "system": "lending", "digest": D, "locked": "2026-11-21T10:00:00+01:00", "body": {"a": [1, None]}},
    "decision": {
        "id": "d", "system": "lending", "version": "1", "outcome": "ship", "automated": "ship", "plan": D, "runs": [D],
        "waivers": [{"id": "W-1", "digest": D}],
    },
    "risk": {"id": "R-1", "system": "lending", "title": "Bias", "cause": "c", "harm": "h", "inherent": RATING,
             "taxonomy": ["owasp-llm@2025:LLM01", "eu-ai-act@2024/1689:art-10.2.g"], "due": "2026-12-01"},
    "mitigation": {"id": "M-1", "system": "lending", "title": "Reweigh", "what": "w", "risks": ["R-1"]},
    "waiver": {
        "id": "W-1", "system": "lending", "tier": "high", "requirement": "FAIR-1", "reason": "r", "control": "c",
        "requester": ANN, "starts": "2026-11-21", "ends": "2026-12-21",
    },
    "sign-off": {
        "id": "S-1", "system": "lending", "version": "1", "role": "legal", "signer": ANN, "verdict": "approve",
        "statement": "I accept.", "bindings": {"decision": D, "evidence": D, "policy": D},
    },
    "incident": {
        "id": "I-1", "system": "lending", "title": "Denied", "severity": "high", "detected": "2026-11-21T10:00:00Z",
    },
    "answers": {"id": "a", "system": "lending", "questionnaire": "intake@1", "answers": {"q1": ["x", 1, {"y": None}]}},
}  # fmt: skip


def faults(kind, **more):
    with pytest.raises(Unusable) as caught:
        read_document(kind, {**BODIES[kind], **more})
    return caught.value.faults


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_kept_and_read_back_the_same(kind):
    document = read_document(kind, BODIES[kind])
    assert document.kind == kind
    assert kept_document(kind, document.id, body_bytes(document).decode()) == document == checked(document)
    heading = document.heading()
    assert heading["system"] == "lending"
    assert set(heading) == {"system", "status", "owner", "due", "score"}
    assert isinstance(heading.pop("score"), int if kind == "risk" else type(None))
    assert all(value is None or isinstance(value, str) for value in heading.values())


def test_kinds_and_models_are_the_same_list():
    assert set(MODELS) == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "more", "code", "where", "says"),
    [
        ("risk", {"titel": "x"}, "RECORD010", "risk 'R-1': titel", "unknown"),
        ("risk", {"title": ""}, "RECORD010", "title", "empty"),
        ("risk", {"title": "x" * 501}, "RECORD010", "title", "500 characters"),
        ("risk", {"inherent": {**RATING, "likelihood": 6}}, "RECORD010", "inherent.likelihood", "at most 5"),
        ("risk", {"inherent": {**RATING, "likelihood": "3"}}, "RECORD010", "inherent.likelihood", "whole number"),
        ("risk", {"taxonomy": ["LLM01"]}, "RECORD010", "taxonomy.0", "must match"),
        ("risk", {"due": "soon"}, "RECORD010", "due", "date"),
        ("risk", {"inherent": {**RATING, "basis": "measured"}}, "RECORD014", "inherent", "`run`"),
        ("risk", {"status": "treated", "treatment": "mitigate"}, "RECORD014", "risk", "`residual`"),
        ("risk", {"status": "treated", "residual": RATING}, "RECORD014", "risk", "`treatment`"),
        ("risk", {"status": "accepted", "residual": RATING, "treatment": "accept"}, "RECORD014", "risk", "accepted_by"),
        (
            "risk",
            {"status": "accepted", "residual": RATING, "treatment": "accept", "accepted_by": ANN, "owner": ANN},
            "RECORD014", "risk", "another person",
        ),
        ("mitigation", {"status": "verified"}, "RECORD014", "mitigation", "`verification`"),
        ("waiver", {"ends": None}, "RECORD010", "ends", "date"),
        ("waiver", {"ends": "2026-11-20"}, "RECORD014", "waiver", "before"),
        ("waiver", {"ends": "2027-11-23"}, "RECORD014", "waiver", "366 days"),
        ("waiver", {"approvers": [ANN]}, "RECORD014", "waiver", "does not approve"),
        ("waiver", {"approvers": [BO, BO]}, "RECORD014", "waiver", "approves once"),
        ("waiver", {"status": "approved"}, "RECORD014", "waiver", "1 approver,"),
        ("waiver", {"status": "approved", "tier": "critical", "approvers": [BO]}, "RECORD014", "waiver", "2 approvers"),
        ("waiver", {"requester": "ann@example.org"}, "RECORD010", "requester", "must match"),
        ("sign-off", {"verdict": "approve with conditions"}, "RECORD014", "sign-off", "`conditions`"),
        ("sign-off", {"conditions": ["c"]}, "RECORD014", "sign-off", "`conditions`"),
        ("sign-off", {"prepared_by": [ANN]}, "RECORD014", "sign-off", "prepared"),
        ("sign-off", {"bindings": {"decision": D, "policy": D}}, "RECORD010", "bindings.evidence", "missing"),
        ("decision", {"outcome": "hold"}, "RECORD014", "decision", "`reason`"),
        ("decision", {"runs": []}, "RECORD010", "runs", "at least 1"),
        ("incident", {"detected": "2026-11-21T10:00:00"}, "RECORD010", "detected", "offset"),
        ("incident", {"resolved": "2026-11-20T10:00:00Z"}, "RECORD014", "incident", "`resolved` is before `detected`"),
        ("answers", {"answers": {"q": "\0"}}, "RECORD011", "answers 'a': answers.q", "NUL"),
        ("answers", {"answers": {"q": ["\ud800"]}}, "RECORD011", "answers.q[0]", "surrogate"),
        ("answers", {"answers": {"\ud800": 1}}, "RECORD011", "answers", "in a key"),
        ("answers", {"answers": {"q": 2**53}}, "RECORD011", "answers.q", "2**53"),
        ("answers", {"answers": {"q": float("nan")}}, "RECORD011", "answers.q", "finite"),
        ("answers", {"answers": {"q": {1, 2}}}, "RECORD011", "answers.q", "set"),
        ("answers", {"answers": {"q": "x" * MOST_BYTES}}, "RECORD012", "answers 'a'", "bytes"),
        ("answers", {"answers": {"q": "x" * 13_000_000}}, "RECORD012", "answers 'a'", "characters"),
        ("risk", {"cause": "x" * 10_000_000}, "RECORD010", "cause", "20,000"),
    ],
)  # fmt: skip
def test_documents_validates_input(kind, more, code, where, says):
    (fault,) = faults(kind, **more)
    assert fault.code == code
    assert where in fault.where
    assert says in f"{fault.what}; {fault.mend}"
    assert fault.mend
    assert len(str(fault)) < 1500


def test_two_approvers_are_enough_at_the_top_tier():
    body = {**BODIES["waiver"], "tier": "critical", "approvers": [BO, CY], "status": "approved"}
    assert read_document("waiver", body).needed == 2


def test_every_mistake_is_told_at_once():
    assert {f.where.rpartition(": ")[2] for f in faults("risk", title="", cause="", more=1)} == {
        "title",
        "cause",
        "more",
    }


@pytest.mark.parametrize("body", [None, [], "x", 7, {}, {"id": []}])
def test_what_is_no_document_validates_input(body):
    with pytest.raises(Unusable) as caught:
        read_document("risk", body)
    assert {fault.code for fault in caught.value.faults} == {"RECORD010"}


def test_an_unknown_kind_and_a_deep_nest_validates_input():
    with pytest.raises(Unusable, match="RECORD013"):
        read_document("rumour", {})
    nest = 1
    for _ in range(10_000):
        nest = [nest]
    (fault,) = faults("answers", answers={"q": nest})
    assert fault.code == "RECORD012"


def test_a_model_made_without_validation_is_refused():
    sly = Risk.model_construct(**{**BODIES["risk"], "title": ""})
    with pytest.raises(Unusable, match="RECORD010"):
        checked(sly)


def test_moments_are_kept_in_utc():
    assert read_document("plan", BODIES["plan"]).locked == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert b'"2026-11-21T09:00:00Z"' in body_bytes(read_document("plan", BODIES["plan"]))
