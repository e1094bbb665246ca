import dataclasses
import json
import os
import tracemalloc
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.collect.jobs import Job, job_key
from shipworthy.collect.journal import NOT_ASKED, Journal, answer_bytes, answer_from, read_journal
from shipworthy.errors import Unusable
from shipworthy.exchange import Answer, Case, ToolCall

KEY = "0123456789abcdef" * 2
OTHER = "f" * 32


def opened(path):
    return Journal(path, subject={"kind": "test"})


def code_of(caught) -> str:
    (fault,) = caught.value.faults
    assert fault.mend
    assert fault.where
    return fault.code


def written(path, count=6):
    with opened(path) as journal:
        for seq in range(count):
            journal.add(seq, KEY, Answer(status="ok", text=f"answer {seq}\n"), spent=0.5)
    return path.read_bytes()


def test_answers_come_back_in_the_order_of_the_jobs(tmp_path):
    path = tmp_path / "deep" / "j.jsonl"
    with opened(path) as journal:
        for seq in (3, 0, 2):
            journal.add(seq, KEY, Answer(status="ok", text=str(seq)), spent=0.1)
        journal.add(0, OTHER, Answer(status="refused", text="later"), spent=0.1)
        journal.take_back(2)
        assert journal.index.holds(0, OTHER)
        assert not journal.index.holds(0, KEY)
        assert not journal.index.finished(2)
        assert journal.index.statuses(5) == {"ok": 1, "refused": 1, "skipped": 3}
    assert [(a.status, a.text) for a in read_journal(path)] == [
        ("refused", "later"),
        ("skipped", ""),
        ("skipped", ""),
        ("ok", "3"),
    ]
    assert {a.error for a in read_journal(path) if a.status == "skipped"} == {NOT_ASKED}
    with opened(path) as journal:
        assert journal.index.spent == pytest.approx(0.4)
        journal.end(jobs=6, why="the ceiling was reached")
        size = path.stat().st_size
        journal.end(jobs=6, why="the ceiling was reached")
        assert path.stat().st_size == size
    assert [a.error for a in read_journal(path)].count("the ceiling was reached") == 4
    with opened(path) as journal:
        journal.end(jobs=1, why=None)
    assert len(list(read_journal(path))) == 1


def test_killed_at_any_byte_whole_records_stay_and_half_ones_go(tmp_path):
    path = tmp_path / "j.jsonl"
    whole = written(path)
    header = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        left = max(0, whole[:cut].count(b"\n") - 1) if cut >= header else 0
        if cut:
            assert len(list(read_journal(path))) == left
        with opened(path) as journal:
            assert [journal.index.finished(seq) for seq in range(6)] == [seq < left for seq in range(6)]
            for seq in range(left, 6):
                journal.add(seq, KEY, Answer(status="ok", text=f"answer {seq}\n"), spent=0.5)
        assert path.read_bytes() == whole


def test_a_file_that_is_no_journal_is_left_alone(tmp_path):
    path = tmp_path / "notes.jsonl"
    for content in (b"my notes\n", b"my notes", b'{"schema":"shipworthy/results@1"}\n', b"\xff\x00" * 50):
        path.write_bytes(content)
        for use in (opened, lambda path: list(read_journal(path))):
            with pytest.raises(Unusable) as caught:
                use(path)
            assert code_of(caught) == "COLL002"
        assert path.read_bytes() == content
    with pytest.raises(Unusable) as caught:
        list(read_journal(tmp_path / "absent"))
    assert code_of(caught) == "COLL002"


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines[:2], b"\0" * 40, *lines[3:]],
        lambda lines: [*lines[:2], lines[2][:-5], *lines[3:]],
        lambda lines: [*lines[:2], lines[2].replace(b'"ok"', b'"fine"', 1), *lines[3:]],
        lambda lines: [*lines[:2], b'{"ended":{"jobs":"many"}}', *lines[3:]],
        lambda lines: [*lines[:2], b"", *lines[3:]],
    ],
)
def test_a_damaged_record_is_an_error_that_names_its_line(tmp_path, damage):
    path = tmp_path / "j.jsonl"
    lines = written(path).split(b"\n")
    path.write_bytes(b"\n".join(damage(lines)))
    with pytest.raises(Unusable) as caught:
        opened(path)
    assert code_of(caught) == "COLL003"
    assert ":3" in str(caught.value)


def test_an_edited_answer_is_an_error(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_bytes(written(path).replace(b'"text":"answer 1', b'"text":answer 1'))
    with pytest.raises(Unusable) as caught:
        list(read_journal(path))
    assert code_of(caught) == "COLL003"


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path):
    path = tmp_path / "j.jsonl"
    with opened(path):
        with pytest.raises(Unusable) as caught:
            opened(path)
        assert code_of(caught) == "COLL001"
    opened(path).close()


def test_a_full_disk_leaves_whole_records(tmp_path, monkeypatch):
    path = tmp_path / "j.jsonl"
    before = written(path, 3)
    real = os.write
    with opened(path) as journal:
        monkeypatch.setattr(os, "write", lambda file, line: real(file, line[:20]))
        with pytest.raises(Unusable) as caught:
            journal.add(3, KEY, Answer(status="ok", text="x"), spent=0.0)
        assert code_of(caught) == "COLL004"
        assert not journal.index.finished(3)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable) as caught:
        opened(tmp_path / "file" / "j.jsonl")
    assert code_of(caught) == "COLL004"


def joined(text):
    """The same text to JSON: two halves of a surrogate pair are one character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


texts = (st.text(st.characters()) | st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zp"]))).map(joined)
numbers = st.none() | st.floats(0, 1e12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
answers = st.builds(
    Answer,
    status=st.sampled_from(["ok", "refused", "error", "timeout", "filtered", "empty"]),
    text=texts,
    error=st.none() | texts,
    tool_calls=st.lists(
        st.builds(ToolCall, name=texts, arguments=st.dictionaries(texts, json_values, max_size=3)), max_size=2
    ).map(tuple),
    passages=st.lists(texts, max_size=2).map(tuple),
    said=st.lists(texts, max_size=2).map(tuple),
    latency_ms=numbers,
    ttft_ms=numbers,
    tokens_in=st.none() | st.integers(0, 2**40),
    tokens_out=st.none() | st.integers(0, 2**40),
    cost=numbers,
    at=st.none() | texts,
)


@given(answers)
@settings(max_examples=150)
def test_any_answer_survives_properties(answer):
    line = answer_bytes(answer)
    assert b"\n" not in line
    assert b"\r" not in line
    assert answer_from(line, where="here") == answer


def test_what_is_no_json_is_an_error_of_the_function(tmp_path):
    endless: dict = {}
    endless["self"] = endless
    odd = [
        ToolCall(name="a", arguments=endless),
        ToolCall(name="a", arguments={(1, 2): 3}),
        ToolCall(name="a", arguments={"count": np.int64(3), "thing": object, "deep": MappingProxyType({"a": 1})}),
    ]
    with opened(tmp_path / "j.jsonl") as journal:
        for seq, call in enumerate(odd):
            journal.add(seq, KEY, Answer(status="ok", tool_calls=(call,)), spent=0.0)
        journal.add(3, KEY, Answer(status="ok", text="x", tokens_in=np.int64(7)), spent=0.0)
        assert journal.index.statuses(4) == {"ok": 2, "error": 2}
    found = list(read_journal(tmp_path / "j.jsonl"))
    assert [a.status for a in found] == ["error", "error", "ok", "ok"]
    assert found[2].tool_calls[0].arguments["count"] == 3
    assert found[2].tool_calls[0].arguments["deep"] == {"a": 1}
    assert found[3].tokens_in == 7


def test_memory_does_not_grow_with_the_answers(tmp_path):
    path = tmp_path / "j.jsonl"
    tracemalloc.start()
    try:
        with opened(path) as journal:
            for seq in range(300):
                journal.add(seq, KEY, Answer(status="ok", text="x" * 100_000), spent=0.0)
        assert sum(len(answer.text) for answer in read_journal(path)) == 30_000_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_the_key_changes_with_case_trial_and_subject():
    case = Case(id="a", turns=("hi",), tags={"x": "1", "y": "2"}, tools=(MappingProxyType({"name": "f"}),))
    job = Job(seq=0, case=case)
    same = dataclasses.replace(case, tags={"y": "2", "x": "1"})
    assert job_key(job, b"s") == job_key(Job(seq=9, case=same), b"s")
    others = [
        job_key(Job(seq=0, case=case, trial=1), b"s"),
        job_key(job, b"t"),
        *(
            job_key(Job(seq=0, case=dataclasses.replace(case, **change)), b"s")
            for change in (
                {"id": "b"},
                {"turns": ("hi", "hi")},
                {"system": ""},
                {"hazard": "h"},
                {"turns": ("\ud800",)},
                {"turns": ("\ud801",)},
                {"tags": {}},
            )
        ),
    ]
    with pytest.raises(TypeError, match="set, which is no JSON"):
        job_key(Job(seq=0, case=dataclasses.replace(case, tools=({"name": {1, 2}},))), b"s")
    assert len({job_key(job, b"s"), *others}) == len(others) + 1
    assert all(len(key) == 32 and int(key, 16) >= 0 for key in others)


def test_a_header_is_written_again_when_the_subject_is_another(tmp_path):
    path = tmp_path / "j.jsonl"
    for kind in ("a", "a", "b"):
        Journal(path, subject={"kind": kind}).close()
    assert [json.loads(line)["subject"]["kind"] for line in path.read_text().splitlines()] == ["a", "b"]
