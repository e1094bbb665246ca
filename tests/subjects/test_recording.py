import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shipworthy.errors import DataError
from shipworthy.exchange import Message, ToolCall
from shipworthy.subjects.recording import open_recording


@pytest.fixture
def log(tmp_path):
    def write(name, content, **options):
        path = tmp_path / name
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_recording(path, **options)

    return write


def only(recording):
    (exchange,) = recording.exchanges()
    return exchange


def fault(recording):
    with pytest.raises(DataError) as caught:
        list(recording.exchanges())
    return caught.value.faults[0]


ROW = {
    "id": "a",
    "question": "Why?",
    "answer": "Because.",
    "hazard": "ncr",
    "input_tokens": 3,
    "model": "m-1",
    "good": True,
}


def test_recognises_the_usual_columns_and_tags_the_others(log):
    one = only(log("a.jsonl", [ROW]))
    assert one.case.id == "a"
    assert one.case.prompt == "Why?"
    assert one.answer.text == "Because."
    assert one.answer.status == "ok"
    assert one.answer.tokens_in == 3
    assert one.case.hazard == "ncr"
    assert one.case.tags == {"model": "m-1", "good": "true"}


def test_what_is_no_number_is_no_answer(log, tmp_path):
    """Python and pandas write a missing text into JSON as NaN."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "question": "Why?", "answer": NaN}\n{"id": "b", "question": "Why?", "answer": null}\n')
    assert {(one.answer.status, one.answer.text) for one in open_recording(path).exchanges()} == {("empty", "")}
    row = {"id": "c", "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": float("nan")}]}
    assert "nan" not in only(log("b.jsonl", [row])).answer.text


def test_json_lines_csv_parquet_and_json_say_the_same(log, tmp_path):
    rows = [
        {
            "id": f"r{n}",
            "prompt": f"q{n}, «so»?",
            "response": f'a"{n}"\nb',
            "passages": '["p", "q"]',
            "trial": n,
            "latency_ms": 1.5,
        }
        for n in range(5)
    ]
    header = ",".join(rows[0])
    body = "\n".join(",".join('"' + str(value).replace('"', '""') + '"' for value in row.values()) for row in rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    told = [
        list(log("a.jsonl", rows).exchanges()),
        list(log("a.csv", "\ufeff" + header + "\n" + body).exchanges()),
        list(log("a.json", json.dumps(rows, indent=2)).exchanges()),
        list(open_recording(tmp_path / "a.parquet").exchanges()),
    ]
    assert told[0] == told[1] == told[2] == told[3]
    assert told[0][3].trial == 3
    assert told[0][3].case.passages == ("p", "q")


def test_fields_name_columns_before_recognition(log):
    rows = [{"prompt": "not this", "utterance": "this", "bot_said": "yes", "answer": "no"}]
    one = only(log("a.jsonl", rows, fields={"prompt": "utterance", "response": "bot_said"}))
    assert (one.case.prompt, one.answer.text) == ("this", "yes")
    assert one.case.tags == {"prompt": "not this", "answer": "no"}


def test_messages_are_split_into_what_went_before_and_the_answer(log):
    said = [
        {"role": "developer", "content": "Be kind."},
        {"role": "human", "content": "one"},
        {"role": "ai", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "thr"}, {"type": "text", "text": "ee"}]},
        {"role": "assistant", "content": "four"},
    ]
    for messages in (said, json.dumps(said)):
        one = only(log("a.jsonl", [{"messages": messages}]))
        assert one.case.system == "Be kind."
        assert one.case.before == (Message(role="user", content="one"), Message(role="assistant", content="two"))
        assert one.case.turns == ("three",)
        assert one.answer.text == "four"


def test_what_tools_said_is_what_the_subject_retrieved(log):
    said = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "sunny"},
    ]
    one = only(log("a.jsonl", [{"messages": said, "response": "It is sunny."}]))
    assert one.case.turns == ("weather?",)
    assert one.answer.passages == ("sunny",)


def test_tool_calls_in_both_spellings(log):
    calls = [{"function": {"name": "f", "arguments": '{"a": 1}'}}, {"name": "g", "arguments": {"b": 2}}]
    one = only(log("a.jsonl", [{"prompt": "x", "response": None, "tool_calls": calls}]))
    assert one.answer.tool_calls == (ToolCall(name="f", arguments={"a": 1}), ToolCall(name="g", arguments={"b": 2}))
    assert one.answer.status == "ok"


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"response": "x"}, "ok"),
        ({"response": " "}, "empty"),
        ({"response": None}, "empty"),
        ({"response": None, "error": "boom"}, "error"),
        ({"response": "x", "status": "completed"}, "ok"),
        ({"response": "", "status": "content_filter"}, "filtered"),
        ({"response": "", "status": "timed_out"}, "timeout"),
    ],
)
def test_every_row_has_one_status(log, row, status):
    assert only(log("a.jsonl", [{"prompt": "x", **row}])).answer.status == status


@pytest.mark.parametrize(
    ("name", "content", "code", "place"),
    [
        ("a.jsonl", '{"prompt": "a", "response": "b"}\n{"prompt"', "RECD002", "a.jsonl:2"),
        ("a.jsonl", "\n\n[1]\n", "RECD002", "a.jsonl:3"),
        ("a.jsonl", "[" * 100_000, "RECD002", "a.jsonl:1"),
        ("a.jsonl", '{"response": "b"}', "RECD003", "a.jsonl:1"),
        ("a.jsonl", '{"prompt": "b"}', "RECD003", "a.jsonl:1"),
        ("a.jsonl", '{"prompt": "a", "response": "b", "expect": "maybe"}', "RECD002", "a.jsonl:1"),
        ("a.jsonl", '{"prompt": "a", "response": "b", "status": "odd"}', "RECD002", "a.jsonl:1"),
        ("a.jsonl", '{"prompt": "a", "response": "b", "latency_ms": "fast"}', "RECD002", "a.jsonl:1"),
        ("a.jsonl", '{"prompt": "a", "response": "b", "tokens_in": 1.5}', "RECD002", "a.jsonl:1"),
        ("a.jsonl", '{"messages": [{"role": "alien", "content": "b"}], "response": "b"}', "RECD002", "a.jsonl:1"),
        ("a.jsonl", '{"messages": [{"role": "assistant", "content": "b"}]}', "RECD002", "a.jsonl:1"),
        ("a.csv", "prompt,response\na,b\na,b,c\n", "RECD002", "a.csv:3"),
        ("a.csv", 'prompt,response\na,"b\n', "RECD002", "a.csv:2"),
        ("a.csv", "prompt,prompt\na,b\n", "RECD002", "a.csv:1"),
        ("a.parquet", "no parquet", "RECD001", "a.parquet"),
    ],
)
def test_recording_validates_input(log, name, content, code, place):
    found = fault(log(name, content))
    assert found.code == code
    assert found.where.endswith(place)
    assert found.mend


def test_opening_validates_input(tmp_path):
    (tmp_path / "a.txt").write_text("")
    for path, options, code in [
        ("none.jsonl", {}, "RECD001"),
        ("a.txt", {}, "RECD001"),
        ("a.txt", {"fields": {"promt": "x"}}, "RECD003"),
    ]:
        with pytest.raises(DataError) as caught:
            open_recording(tmp_path / path, where="plan.yaml:3", **options)
        assert caught.value.faults[0].code == code
        assert caught.value.faults[0].where == "plan.yaml:3"


def test_invalid_utf8_is_replaced_and_counted(log, tmp_path):
    for name, content in [
        ("a.jsonl", b'{"prompt": "a\xff", "response": "b"}\n{"prompt": "a", "response": "b"}\n'),
        ("a.csv", b"prompt,response\na\xff,b\na,b\n"),
        ("a.json", b'[{"prompt": "a\xff", "response": "b"}]'),
    ]:
        recording = log(name, content)
        assert next(iter(recording.exchanges())).case.prompt == "a\ufffd"
        list(recording.exchanges())
        assert recording.replaced == 1
    bad = pa.StringArray.from_buffers(
        2, pa.py_buffer(b"\x00\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00"), pa.py_buffer(b"a\xffa")
    )
    pq.write_table(pa.table({"prompt": bad, "response": ["b", "c"]}), tmp_path / "bad.parquet")
    recording = open_recording(tmp_path / "bad.parquet")
    assert [each.case.prompt for each in recording.exchanges()] == ["a\ufffd", "a"]
    assert recording.replaced == 1


@pytest.mark.parametrize("text", ["\ud800", "=cmd()", "<script>", "\x1b[31m\x00", "a" * 10_000_000])
def test_takes_any_text_properties(log, text):
    one = only(log("a.jsonl", [{"prompt": text, "response": text, "odd": text}]))
    assert one.case.prompt == one.answer.text == text


def attributes(**told):
    def value(each):
        if isinstance(each, bool):
            return {"boolValue": each}
        if isinstance(each, int):
            return {"intValue": str(each)}
        if isinstance(each, list):
            return {"arrayValue": {"values": [value(one) for one in each]}}
        return {"stringValue": each}

    return [{"key": key.replace("__", "."), "value": value(each)} for key, each in told.items()]


def otlp(*spans):
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


ASKED = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hello?"}]}])
SAID = json.dumps(
    [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "Hi."}, {"type": "tool_call", "name": "f", "arguments": {"a": 1}}],
            "finish_reason": "stop",
        }
    ]
)


def span(**told):
    return {
        "traceId": "t1",
        "spanId": "s1",
        "name": "chat m",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000000250000000",
        "attributes": attributes(**told),
    }


def test_otlp_spans_of_the_current_convention(log):
    one_span = span(
        gen_ai__operation__name="chat",
        gen_ai__input__messages=ASKED,
        gen_ai__output__messages=SAID,
        gen_ai__system_instructions=json.dumps([{"type": "text", "content": "Be brief."}]),
        gen_ai__usage__input_tokens=7,
        gen_ai__conversation__id="conv-9",
        gen_ai__request__model="m-1",
        app__hazard="ncr",
    )
    tool = span(gen_ai__operation__name="execute_tool")
    for name in ("a.jsonl", "a.json"):
        recording = log(name, json.dumps(otlp(one_span, tool)), fields={"hazard": "app.hazard"})
        one = only(recording)
        assert one.case.prompt == "Hello?"
        assert one.case.system == "Be brief."
        assert one.answer.text == "Hi."
        assert one.answer.tool_calls == (ToolCall(name="f", arguments={"a": 1}),)
        assert one.answer.tokens_in == 7
        assert one.answer.latency_ms == 250.0
        assert one.answer.at == "2023-11-14T22:13:20.250000+00:00"
        assert one.case.cluster == "conv-9"
        assert one.case.hazard == "ncr"
        assert one.case.id == "t1/s1"
        assert one.case.tags["model"] == "m-1"
        assert recording.passed_over == 1


@pytest.mark.parametrize(
    "told",
    [
        {"gen_ai.prompt": "Hello?", "gen_ai.completion": "Hi."},
        {
            "gen_ai.prompt": json.dumps([{"role": "user", "content": "Hello?"}]),
            "gen_ai.completion": json.dumps([{"role": "assistant", "content": "Hi."}]),
        },
        {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hello?", "gen_ai.completion.0.content": "Hi."},
        {"gen_ai.input.messages": json.loads(ASKED), "gen_ai.output.messages": json.loads(SAID)},
    ],
)
def test_older_and_flattened_spans(log, told):
    told = told | {"gen_ai.usage.prompt_tokens": 5, "gen_ai.system": "acme"}
    for row in (
        told,
        {"context": {"trace_id": "t", "span_id": "s"}, "attributes": told, "start_time": "x", "end_time": "y"},
    ):
        one = only(log("a.jsonl", [row]))
        assert (one.case.prompt, one.answer.text, one.answer.tokens_in) == ("Hello?", "Hi.", 5)
        assert one.case.tags["provider"] == "acme"
        assert one.answer.status == "ok"


def test_filtered_and_failed_spans(log):
    said = json.dumps([{"role": "assistant", "parts": [], "finish_reason": "content_filter"}])
    filtered = span(gen_ai__input__messages=ASKED, gen_ai__output__messages=said)
    failed = span(gen_ai__input__messages=ASKED, error__type="RateLimitError")
    found = list(log("a.jsonl", [otlp(filtered), otlp(failed)]).exchanges())
    assert [each.answer.status for each in found] == ["filtered", "error"]
    assert found[1].answer.error == "RateLimitError"


@pytest.mark.parametrize(
    "row",
    [
        {"resourceSpans": 3},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"value": {}}]}]}]}]},
        otlp(span(gen_ai__input__messages=ASKED, gen_ai__output__messages=SAID) | {"endTimeUnixNano": "soon"}),
    ],
)
def test_damaged_spans_are_located(log, row):
    found = fault(log("a.jsonl", [row]))
    assert found.code == "RECD002"
    assert found.where.endswith("a.jsonl:1")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_memory_is_flat(tmp_path, suffix):
    def peak(rows):
        path = tmp_path / f"{rows}.{suffix}"
        table = pa.table(
            {
                "id": [f"r{n}" for n in range(rows)],
                "prompt": ["why so? " * 20] * rows,
                "response": ["because " * 50] * rows,
            }
        )
        if suffix == "parquet":
            pq.write_table(table, path, row_group_size=5_000)
        elif suffix == "csv":
            import pyarrow.csv

            pyarrow.csv.write_csv(table, path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
        del table
        tracemalloc.start()
        assert sum(1 for _ in open_recording(path).exchanges()) == rows
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1_000)  # imports
    assert peak(40_000) < peak(10_000) + 1_000_000  # of 25 MB; what waits for the collector comes and goes


@pytest.mark.parametrize("field", ["trial", "latency_ms", "ttft_ms", "tokens_in", "tokens_out", "cost"])
@pytest.mark.parametrize("value", [1e300, 10**30, 2**53, 1e308, "1e300", "9" * 400])
def test_numbers_that_nothing_can_add_up_are_located(log, field, value):
    found = fault(log("a.jsonl", [ROW, ROW | {field: value}]))
    assert (found.code, found.where[-2:]) == ("RECD002", ":2")
    assert field in found.what


def test_trials_fit_the_table_that_counts_them(log):
    assert only(log("a.jsonl", [ROW | {"trial": 2**31 - 1}])).trial == 2**31 - 1
    assert fault(log("a.jsonl", [ROW | {"trial": 2**31}])).code == "RECD002"


@pytest.mark.parametrize("levels", [101, 900])
@pytest.mark.parametrize("field", ["question", "answer", "messages", "tool_calls", "passages", "anything"])
@pytest.mark.parametrize("ends", ["[]", ('{"content":', "}")])
def test_what_is_nested_too_deeply_is_located(log, levels, field, ends):
    deep = ends[0] * levels + "1" + ends[1] * levels
    row = json.dumps(ROW | {field: 0}).replace(f'"{field}": 0', f'"{field}": {deep}')
    found = fault(log("a.jsonl", row + "\n"))
    assert (found.code, found.where[-2:]) == ("RECD002", ":1")
    assert "deep" in found.what


@pytest.mark.parametrize("name", ["\0", "a\0b", "\ud800", "x" * 1_001])
def test_a_tag_that_can_be_no_column_is_located(log, name):
    for row in (ROW | {name: "x"}, ROW | {"tags": {name: "x"}}):
        found = fault(log("a.jsonl", [row]))
        assert (found.code, found.where[-2:]) == ("RECD002", ":1")
        assert "tag" in found.what


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_misspelled_column_is_not_taken_for_one_that_is_empty(log, ending):
    rows = [{"prompt": "p", "response": "r", "docs": "d"}] * 3
    text = "prompt,response,docs\n" + "p,r,d\n" * 3 if ending == "csv" else rows
    for name, column, near in (("passages", "dcos", "docs"), ("response", "reponse", "response")):
        found = fault(log(f"a.{ending}", text, fields={name: column}))
        assert found.code == "RECD003"
        assert column in found.what
        assert f'did you mean "{near}"?' in found.mend
    assert fault(log(f"b.{ending}", text, fields={"prompt": "promt"})).code == "RECD003"


def test_a_column_that_only_some_rows_have_is_no_slip(log):
    rows = [{"prompt": "p", "response": "r"}, {"prompt": "p", "response": "r", "docs": "d"}]
    found = list(log("a.jsonl", rows, fields={"passages": "docs"}).exchanges())
    assert [each.answer.passages for each in found] == [(), ("d",)]


CHAT = {
    "choices": [{"message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2},
}
CLAUDE = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 4, "cache_read_input_tokens": 5, "output_tokens": 2},
}
RESPONSES = {
    "object": "response",
    "status": "completed",
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
    ],
    "usage": {"input_tokens": 9, "output_tokens": 2},
}
TURNS = [{"role": "user", "content": "Hello?"}]


@pytest.mark.parametrize(
    "row",
    [
        {"request": {"messages": [{"role": "system", "content": "Be brief."}, *TURNS]}, "response": CHAT},
        {"request": {"body": {"messages": TURNS}}, "response": {"status_code": 200, "body": CHAT}, "error": None},
        {"messages": TURNS, **CHAT},
        {"prompt": "Hello?", "response": json.dumps(CHAT)},
        {"request": {"messages": TURNS, "system": [{"type": "text", "text": "Be brief."}]}, "response": CLAUDE},
        {"request": {"input": "Hello?", "instructions": "Be brief."}, "response": RESPONSES},
        {"input": TURNS, **RESPONSES},
        {"prompt": "Hello?", "response": CHAT | {"choices": [{"text": "Hi.", "finish_reason": "stop"}]}},
    ],
)
def test_answers_as_providers_log_them(log, row):
    one = only(log("a.jsonl", [row]))
    assert (one.case.prompt, one.answer.text, one.answer.status) == ("Hello?", "Hi.", "ok")
    assert (one.answer.tokens_in, one.answer.tokens_out) == (9, 2)
    assert one.case.system in (None, "Be brief.")


@pytest.mark.parametrize(
    ("response", "status"),
    [
        ({"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}, "empty"),
        ({"choices": [{"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}]}, "refused"),
        ({"choices": [{"message": {"content": "Su"}, "finish_reason": "content_filter"}]}, "filtered"),
        (CLAUDE | {"content": [], "stop_reason": "refusal"}, "filtered"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error"),
        (RESPONSES | {"output": [], "incomplete_details": {"reason": "content_filter"}}, "filtered"),
        (RESPONSES | {"output": [], "error": {"code": "server_error", "message": "boom"}}, "error"),
    ],
)
def test_how_a_providers_answer_ended_is_its_status(log, response, status):
    assert only(log("a.jsonl", [{"prompt": "x", "response": response}])).answer.status == status


def test_calls_in_a_providers_answer_and_what_its_tools_said(log):
    tool = {"type": "tool_use", "id": "t", "name": "lookup", "input": {"q": "tea"}}
    given = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "Tea is hot."}]}
    asked = [*TURNS, {"role": "assistant", "content": [tool]}, given]
    one = only(log("a.jsonl", [{"request": {"messages": asked}, "response": CLAUDE | {"content": [tool]}}]))
    assert (one.case.prompt, one.answer.status) == ("Hello?", "ok")
    assert one.answer.tool_calls == (ToolCall(name="lookup", arguments={"q": "tea"}),)
    assert one.answer.passages == ("Tea is hot.",)


def test_another_object_in_the_place_of_a_text_is_refused_and_its_part_can_be_named(log):
    row = {"prompt": "x", "output": {"answer": "Hi.", "score": 3}, "meta": {"channel": "web"}}
    found = fault(log("a.jsonl", [row]))
    assert (found.code, "answer" in found.what) == ("RECD002", True)
    assert "fields: {response: output.answer}" in found.mend
    one = only(log("b.jsonl", [row], fields={"response": "output.answer", "tags": "meta"}))
    assert one.answer.text == "Hi."
    assert one.case.tags["channel"] == "web"
    assert fault(log("c.jsonl", [row], fields={"response": "output.text"})).code == "RECD003"
    assert fault(log("d.jsonl", [{"prompt": {"q": "x"}, "response": "y"}])).code == "RECD002"
