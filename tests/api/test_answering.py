"""Answers that the record keeps for the documents."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shipworthy.api.answering import answers_of, keep_answers
from shipworthy.api.recording import open_record
from shipworthy.errors import Unusable
from shipworthy.record.documents import System

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ADA = "Ada <ada@example.org>"


@pytest.fixture
def record(tmp_path):
    with open_record(tmp_path / "record.db") as opened:
        opened.write("tool:test", NOW, System(id="desk", tier="high"), action="create")
        yield opened


def keep(record, **said):
    return keep_answers(
        record, "desk", {name.replace("__", "."): one for name, one in said.items()}, actor=ADA, now=NOW
    )


def test_answers_stay_beside_those_that_are_there_and_can_be_taken_back(record):
    assert keep(record, use__excluded="Minors.").changed == ("use.excluded",)
    found = keep(record, oversight__measures={"text": "The shift lead.", "by": "Cy"}, use__excluded="Minors.")
    assert found.changed == ("oversight.measures",)
    assert dict(answers_of(record, "desk")) == {
        "use.excluded": "Minors.", "oversight.measures": {"text": "The shift lead.", "by": "Cy"}
    }  # fmt: skip
    found = keep(record, use__excluded="")
    assert (found.changed, found.withdrawn) == ((), ("use.excluded",))
    assert list(answers_of(record, "desk")) == ["oversight.measures"]
    assert len(record.history("answers", record.find("answers", system="desk", limit=5)[0].id)) == 3


def test_the_same_answers_again_are_no_line_of_the_log(record):
    keep(record, use__excluded="Minors.")
    size = record.size()
    assert keep(record, use__excluded="Minors.").changed == ()
    assert record.size() == size


@pytest.mark.parametrize(
    ("system", "given", "code"),
    [
        ("desk", {"use.exclude": "x"}, "DOC002"),
        ("desk", {"use.excluded": {"text": "x", "not_applicable": "y"}}, "DOC002"),
        ("nobody", {"use.excluded": "x"}, "GOVERN002"),
    ],
)
def test_what_is_no_answer_is_refused_whole(record, system, given, code):
    with pytest.raises(Unusable) as caught:
        keep_answers(record, system, {"oversight.measures": "fine", **given}, actor=ADA, now=NOW)
    assert caught.value.faults[0].code == code
    assert answers_of(record, "desk") == {}
