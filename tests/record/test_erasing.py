"""Where the record could hold the name of a person: every field of it is known, and erasure reaches each that has one."""

from __future__ import annotations

import types
import typing
from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import BaseModel

from shipworthy.api import answering, keeping
from shipworthy.record import documents, erasing, schema
from shipworthy.record.store import Record

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ADA, BOB = "Ada Lovelace <ada@example.org>", "Bob <bob@example.org>"

# What people write in their own words: it is written anew, and forgotten (docs/record.md).
PROSE = {
    "System.purpose", "System.tier_reason", "System.areas", "System.affected", "Version.notes", "Plan.body",
    "Decision.reason", "Rating.why", "Risk.title", "Risk.cause", "Risk.harm", "Risk.affected", "Mitigation.title",
    "Mitigation.what", "Waiver.reason", "Waiver.control", "SignOff.conditions", "SignOff.statement", "Action.what",
    "Event.what", "Incident.title", "Incident.what", "Incident.source", "Incident.affected", "Incident.harms",
    "Incident.cause", "Incident.factors", "Incident.signature", "Incident.regression_tests", "Answers.about",
}  # fmt: skip
# Names of things, which stand in the log or in plans as well.
THINGS = {
    *(f"{one.__name__}.id" for one in documents.MODELS.values()), "Bound.id", "Version.system", "Version.version",
    "Version.digests", "Plan.system", "Plan.requirements", "Decision.system", "Decision.version", "Risk.system",
    "Risk.version", "Risk.requirements", "Risk.mitigations", "Mitigation.system", "Mitigation.risks",
    "Mitigation.requirements", "Scope.version", "Scope.evaluation", "Scope.slice", "Waiver.system", "Waiver.requirement",
    "Waiver.risk", "Waiver.renews", "SignOff.system", "SignOff.version", "SignOff.role", "Incident.system",
    "Incident.version", "Incident.risks", "Incident.waivers", "Incident.decisions", "Answers.system",
    "Answers.questionnaire",
}  # fmt: skip
# A commitment and digests, signed: no words for anybody.
SIGNED = {"SignOff.envelope"}
NAMED = {
    *(f"{one}.owner" for one in ("System", "Risk", "Mitigation", "Waiver", "Action", "Incident", "Answers")),
    "Answers.answers",  # `by`, of who answered
}

# Columns that hold documents, commitments, digests, moments, words of a closed list, or names of things.
OF_DOCUMENTS = {"documents.body", "heads.owner", "heads.words"}  # as the documents above; `heads` is made from them
OPENED = {"people.email", "people.name", "people.salt"}  # what erasure deletes
CLOSED = {"accounts.password", "accounts.login", "tokens.name", "tokens.token"}  # go, or are closed, with the account
SAID = {"labels.why"}  # the words of a rater
PLACES = {"runs.place", "artifacts.place", "artifacts.name", "inputs.source"}  # of files, as they were called
COLUMNS = {
    "actor", "after", "account", "action", "artifact", "at", "attack", "baseline", "before", "body", "case", "compare",
    "created", "decision", "digest", "due", "ends", "evaluation", "id", "key", "kind", "label", "level", "line", "locked",
    "media_type", "method", "metric", "note", "object", "person", "plan_digest", "previous", "rater", "reason",
    "reference", "requirement", "response", "role", "run", "salt", "scopes", "scorer", "seen", "severity", "slice",
    "status", "system", "tree", "used", "variant", "verdict", "version",
}  # fmt: skip


def texts(model, found=None):
    """Every field of a model, and of the parts in it, that can hold a free text."""
    found = {} if found is None else found
    for name, field in model.model_fields.items():
        for part in parts(field.annotation):
            texts(part, found)
        if is_free(field.annotation, field.metadata):
            found[f"{model.__name__}.{name}"] = field
    return found


def parts(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in typing.get_args(annotation):
        yield from parts(one) if not isinstance(one, str) else ()


def is_free(annotation, metadata=()):
    """Whether a text may stand there that no pattern and no list of words confines."""
    if typing.get_origin(annotation) is typing.Annotated:
        return is_free(annotation.__origin__, annotation.__metadata__)
    if isinstance(annotation, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        return True
    if typing.get_origin(annotation) is typing.Literal:
        return False
    if annotation is str:
        return not any("pattern='^" in repr(one) for one in metadata)
    if typing.get_origin(annotation) is dict or isinstance(annotation, types.UnionType) or typing.get_args(annotation):
        return any(is_free(one) for one in typing.get_args(annotation) if one is not Ellipsis)
    return not isinstance(annotation, type)


def test_every_text_of_a_document_is_known_and_those_that_name_people_are_erased():
    found = {}
    for model in documents.MODELS.values():
        texts(model, found)
    known = PROSE | THINGS | SIGNED | NAMED
    assert set(found) - known == set()  # a new field: does it say who somebody is? Then `erasing` has to know it
    assert known - set(found) == set()
    assert {one.rpartition(".")[2] for one in NAMED} - {"answers"} | {"by"} == set(erasing.NAMED)


def test_every_column_of_a_table_is_known():
    told = {f"{table.name}.{column.name}" for table in schema.metadata.sorted_tables for column in table.columns
            if str(column.type) not in ("INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DOUBLE_PRECISION")}  # fmt: skip
    special = OF_DOCUMENTS | OPENED | CLOSED | SAID | PLACES
    strange = {one for one in told - special if one.rpartition(".")[2] not in COLUMNS}
    assert strange == set()
    assert special <= told


@pytest.fixture
def record(tmp_path):
    with Record.open(tmp_path / "record.db") as found:
        yield found


def everything(record, person):
    """Every kind of document that names a person in words, in two versions of which the first does so too."""
    rating = documents.Rating(likelihood=2, severity=2, basis="judged")
    bob = record.person("bob@example.org", "Bob")
    said = {
        "security.measures": {"text": "Signed files.", "by": person}, "use.excluded": {"text": "No minors.", "by": "Cy"},
    }  # fmt: skip
    made = [
        documents.System(id="lending", tier="high", owner=person),
        documents.Risk(id="R-1", system="lending", title="t", cause="c", harm="h", inherent=rating, owner=person),
        documents.Mitigation(id="M-1", system="lending", title="t", what="w", owner=person),
        documents.Waiver(id="W-1", system="lending", tier="high", requirement="A", reason="r", control="c", requester=bob,
                         starts=date(2026, 1, 1), ends=date(2026, 2, 1), owner=person),
        documents.Incident(id="I-1", system="lending", title="t", severity="low", detected=NOW - timedelta(1), owner=person,
                           actions=(documents.Action(what="w", owner=person),)),
        documents.Answers(id="documents@1 lending", system="lending", questionnaire="documents@1", owner=person, answers=said),
    ]  # fmt: skip
    record.write(bob, NOW, *made)
    record.write(bob, NOW, *(one.model_copy(update={"due": date(2027, 1, 1)} if "due" in type(one).model_fields else
                                            {"status": "retired"} if one.kind == "system" else {}) for one in made))  # fmt: skip
    return {(one.kind, one.id) for one in made}


@pytest.mark.parametrize("person", [ADA, "ada lovelace", "ADA@example.org"])
def test_erasure_reaches_every_field_that_names_a_person_and_the_log_stays_whole(record, tmp_path, person):
    ada = record.person("ada@example.org", "Ada Lovelace")
    named = everything(record, person)
    assert {one[0] for one in named} == {"system", "risk", "mitigation", "waiver", "incident", "answers"}
    assert keeping.erase(record, "ada@example.org", actor=BOB, now=NOW) == 1
    for kind, id_ in named:
        told = str([kept.document for kept in record.history(kind, id_)]).casefold()
        assert person.casefold() not in told
        assert "ada" not in told.replace("eradadicate", ""), (kind, id_)
    answers = answering.answers_of(record, "lending")
    assert answers["security.measures"] == {"text": "Signed files.", "by": erasing.ERASED}
    assert answers["use.excluded"]["by"] == "Cy"
    assert record.people()[ada].email is None
    assert record.verify().faults == ()
    record.close()
    for path in tmp_path.iterdir():
        assert b"lovelace" not in path.read_bytes().lower()
        assert b"ada@example.org" not in path.read_bytes().lower()


def test_a_name_that_two_people_have_names_neither(record):
    record.person("ada@example.org", "Ada Lovelace")
    record.person("other@example.org", "Ada Lovelace")
    record.write(
        record.person("bob@example.org", "Bob"), NOW, documents.System(id="s", tier="high", owner="Ada Lovelace")
    )
    keeping.erase(record, "ada@example.org", actor=BOB, now=NOW)
    assert record.get("system", "s").document.owner == "Ada Lovelace"
