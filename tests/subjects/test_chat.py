import json
import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import SubjectError
from shipworthy.exchange import STATUSES, Case, Message, ToolCall
from shipworthy.plan.models import Subject
from shipworthy.subjects.assistants import Endpoint
from shipworthy.subjects.chat import open_chat

CASE = Case(id="c", turns=("hi",))
HI = (Message(role="user", content="hi"),)
TOOL = {"name": "search", "description": "Finds.", "parameters": {"type": "object"}}


@pytest.fixture
def chat(tmp_path):
    def make(**declared):
        settings = {"chat": "http://localhost:8000/v1", "model": "m"} | declared
        return open_chat("assistant", Subject(**settings), folder=tmp_path)

    return make


def body_of(subject, case=CASE, conversation=HI, trial=0):
    return json.loads(subject.request(case, conversation, trial=trial, session="s").body)


def fault_of(make):
    with pytest.raises(SubjectError) as caught:
        make()
    (fault,) = caught.value.faults
    assert fault.where == "subjects.assistant"
    assert fault.mend
    return fault


# what goes out


def test_a_request_is_that_of_the_protocol(chat):
    subject = chat(parameters={"temperature": 0.2, "max_tokens": 5, "logprobs": True})
    assert isinstance(subject, Endpoint)
    request = subject.request(CASE, HI, trial=0, session="s")
    assert request.url == "http://localhost:8000/v1/chat/completions"
    assert request.method == "POST"
    assert request.headers == {"Content-Type": "application/json"}
    assert json.loads(request.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.2,
        "max_tokens": 5,
        "logprobs": True,
    }


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://h/v1/", "http://h/v1/chat/completions"),
        ("https://h/v1/chat/completions", "https://h/v1/chat/completions"),
        ("https://h/deployments/d?api-version=2", "https://h/deployments/d/chat/completions?api-version=2"),
    ],
)
def test_addresses(chat, base, url):
    assert chat(chat=base).request(CASE, HI, trial=0, session="s").url == url


def test_each_trial_has_its_seed_and_only_where_one_is_given(chat):
    assert [body_of(chat(parameters={"seed": 7}), trial=t)["seed"] for t in range(3)] == [7, 8, 9]
    assert "seed" not in body_of(chat(), trial=3)


def test_the_subjects_own_system_prompt_gives_way_to_the_cases(chat, tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "brief.md").write_text("Be brief. é\n", encoding="utf-8")
    own = {"role": "system", "content": "Be brief. é"}
    assert body_of(chat(system="prompts/brief.md"))["messages"][0] == own
    assert body_of(chat(system="See notes.txt"))["messages"][0]["content"] == "See notes.txt"
    conversation = (Message(role="system", content="Be long."), *HI)
    assert [m["content"] for m in body_of(chat(system="prompts/brief.md"), conversation=conversation)["messages"]] == [
        "Be long.",
        "hi",
    ]
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe")
    assert fault_of(lambda: chat(system="bad.txt")).code == "SUBJ021"


def test_streaming_asks_for_usage_and_null_takes_out(chat):
    body = body_of(chat(stream=True))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert "stream_options" not in body_of(chat(stream=True, parameters={"stream_options": None}))
    assert chat(stream=True).request(CASE, HI, trial=0, session="s").streams


def test_tools_go_out_whether_wrapped_or_not(chat):
    wrapped = {"type": "function", "function": TOOL}
    case = Case(id="c", turns=("hi",), tools=(TOOL, wrapped))
    assert body_of(chat(), case)["tools"] == [wrapped, wrapped]


def test_a_tools_result_follows_a_call_of_it(chat):
    conversation = (*HI, Message(role="tool", content="one"), Message(role="tool", content="two"), *HI)
    case = Case(id="c", turns=("hi",), tools=(TOOL,))
    _, caller, one, two, _ = body_of(chat(), case, conversation)["messages"]
    assert [call["id"] for call in caller["tool_calls"]] == [one["tool_call_id"], two["tool_call_id"]]
    assert {call["function"]["name"] for call in caller["tool_calls"]} == {"search"}
    said = (*HI, Message(role="assistant", content="I look."), Message(role="tool", content="one"), *HI)
    assert [m["role"] for m in body_of(chat(), case, said)["messages"]] == ["user", "assistant", "tool", "user"]


def test_any_prompt_can_be_sent(chat):
    nasty = "\ud800 \x00 ” \u2028 \U0001f600"
    (sent,) = body_of(chat(), conversation=(Message(role="user", content=nasty),))["messages"]
    assert sent["content"] == nasty


# secrets


def test_keys_come_from_the_environment_or_a_file_and_show_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAT_KEY", "sk-environment")
    monkeypatch.setenv("GATE", "gate-secret")
    (tmp_path / "key.txt").write_text("sk-file\n")
    for key, secret in (
        ("${CHAT_KEY}", "sk-environment"),
        ("file:key.txt", "sk-file"),
        (f"file:{tmp_path}/key.txt", "sk-file"),
    ):
        declared = Subject(chat="http://h", model="m", key=key, headers={"api-key": "${GATE}"})
        # a plan refuses a password in its address; a declaration from elsewhere may have one
        declared = declared.model_copy(update={"chat": "http://me:pass-word@h/v1?sig=query-secret"})
        subject = open_chat("assistant", declared, folder=tmp_path)
        request = subject.request(CASE, HI, trial=0, session="s")
        assert request.headers["Authorization"] == f"Bearer {secret}"
        assert request.headers["api-key"] == "gate-secret"
        assert {secret, "gate-secret", "pass-word", "sig=query-secret"} <= set(request.secrets)
        shown = repr(subject) + json.dumps(dict(subject.describe()))
        assert not any(hidden in shown for hidden in request.secrets)
        blocked = subject.read_error(
            400, json.dumps({"error": {"code": "content_filter", "message": f"key {secret}"}}).encode()
        )
        assert secret not in blocked.error


def test_keys_that_are_not_there(chat, monkeypatch, tmp_path):
    monkeypatch.delenv("NO_KEY", raising=False)
    fault = fault_of(lambda: chat(key="${NO_KEY}"))
    assert fault.code == "SUBJ020"
    assert "NO_KEY" in fault.what
    assert fault_of(lambda: chat(key="file:absent")).code == "SUBJ020"
    (tmp_path / "empty").write_text("\n")
    assert fault_of(lambda: chat(key="file:empty")).code == "SUBJ020"
    monkeypatch.setenv("TWO_LINES", "sk-a\nX-Other: b")
    fault = fault_of(lambda: chat(key="${TWO_LINES}"))
    assert fault.code == "SUBJ020"
    assert "sk-a" not in str(fault)
    literal = SimpleNamespace(**dict(Subject(chat="http://h", model="m")))
    literal.key = "sk-literal"
    fault = fault_of(lambda: open_chat("assistant", literal, folder=tmp_path))
    assert fault.code == "SUBJ020"
    assert "sk-literal" not in str(fault)
    assert fault_of(lambda: chat(headers={"api-key": "${NO_KEY}"})).code == "SUBJ013"
    monkeypatch.setenv("BROKEN", "a\r\nb")
    assert fault_of(lambda: chat(headers={"api-key": "${BROKEN}"})).code == "SUBJ013"


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://h/v1", "http://", "file:///etc/passwd"])
def test_what_is_no_address(chat, address):
    assert fault_of(lambda: chat(chat=address)).code == "SUBJ001"


def test_the_description_tells_subjects_apart(chat):
    base = chat().describe()
    assert base == {"kind": "chat", "url": "http://localhost:8000/v1/chat/completions", "model": "m"}
    others = [
        {"model": "n"},
        {"parameters": {"seed": 1}},
        {"system": "x"},
        {"system": "y"},
        {"stream": True},
        {"chat": "http://h/v1"},
    ]
    assert len({json.dumps(dict(chat(**other).describe())) for other in [{}, *others]}) == 7


# what comes back


def whole(message, *, reason="stop", **more):
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": reason}], **more}).encode()


USAGE = {"prompt_tokens": 1000, "completion_tokens": 200}
CALL = {"id": "x", "type": "function", "function": {"name": "search", "arguments": '{"q": "é"}'}}
WHOLE = {
    "text": (whole({"content": "hello"}, usage=USAGE), "ok", "hello"),
    "parts": (
        whole({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}),
        "ok",
        "ab",
    ),
    "cut by length": (whole({"content": "hel"}, reason="length"), "ok", "hel"),
    "tool call": (whole({"content": None, "tool_calls": [CALL]}, reason="tool_calls"), "ok", ""),
    "refusal": (whole({"content": None, "refusal": "No."}), "refused", "No."),
    "refusal beside text": (whole({"content": "Well.", "refusal": "No."}), "refused", "Well."),
    "filtered": (whole({"content": "The fir"}, reason="content_filter"), "filtered", "The fir"),
    "filtered, nothing left": (whole({"content": None}, reason="content_filter"), "filtered", ""),
    "empty": (whole({"content": ""}), "empty", ""),
    "blank": (whole({"content": " \n"}), "empty", " \n"),
    "thought only": (whole({"content": None, "reasoning_content": "hmm"}, reason="length"), "empty", ""),
    "no message": (b'{"choices": [{}]}', "error", ""),
    "no choices": (b'{"choices": []}', "error", ""),
    "choices of another type": (b'{"choices": {"0": 1}}', "error", ""),
    "list": (b"[]", "error", ""),
    "number": (b"12", "error", ""),
    "nothing": (b"", "error", ""),
    "error": (b'{"error": {"message": "overloaded"}}', "error", ""),
    "error text": (b'{"error": "overloaded"}', "error", ""),
    "half": (whole({"content": "hello"})[:-9], "error", ""),
    "twice": (whole({"content": "hello"}) * 2, "error", ""),
    "html": (b"<html>", "error", ""),
    "deep": (b"[" * 100_000, "error", ""),
    "deep object": (b'{"a":' * 100_000, "error", ""),
    "long number": (b'{"choices": ' + b"9" * 10_000 + b"}", "error", ""),
    "latin": (b'{"choices":[{"message":{"content":"caf\xe9"}}]}', "ok", "caf\ufffd"),
    "lone surrogate": (b'{"choices":[{"message":{"content":"a\\ud800"}}]}', "ok", "a\ud800"),
    "nul": (whole({"content": "a\0b"}), "ok", "a\0b"),
    "nan": (b'{"choices":[{"message":{"content":"x"},"logprobs":NaN}]}', "ok", "x"),
}


NOT_STREAMED = [(name, True) for name, (body, _, _) in WHOLE.items() if body.startswith(b"{")]  # though we asked for it


@pytest.mark.parametrize(("name", "stream"), [*((name, False) for name in WHOLE), *NOT_STREAMED])
def test_statuses_of_whole_answers(chat, name, stream):
    body, status, text = WHOLE[name]
    reader = chat(stream=stream).reader()
    reader.feed(body)
    answer = reader.finish()
    assert (answer.status, answer.text) == (status, text)
    assert (answer.error is None) == (status in ("ok", "refused"))
    if answer.error:
        assert len(answer.error) < 400
        assert answer.error.isprintable()


def test_usage_becomes_cost(chat):
    reader = chat(prices={"input": 3, "output": 15}).reader()
    reader.feed(WHOLE["text"][0])
    answer = reader.finish()
    assert (answer.tokens_in, answer.tokens_out) == (1000, 200)
    assert answer.cost == pytest.approx(1000 * 3e-6 + 200 * 15e-6)
    reader = chat(prices={"input": 3, "output": 15}).reader()
    reader.feed(whole({"content": "x"}, usage={"prompt_tokens": -1, "completion_tokens": "many"}))
    assert reader.finish().cost is None


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ('{"q": "é"}', {"q": "é"}),
        ({"q": 1}, {"q": 1}),
        ("", {}),
        ("{broken", {"unparsed": "{broken"}),
        ("[1]", {"unparsed": "[1]"}),
        ("[" * 5000, {"unparsed": "[" * 5000}),
        ('{"a":' * 500 + "1" + "}" * 500, {"unparsed": '{"a":' * 500 + "1" + "}" * 500}),
    ],
)
def test_tool_calls_are_read_whatever_they_hold(chat, arguments, read):
    reader = chat().reader()
    reader.feed(
        whole({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": arguments}}, "junk", {}]})
    )
    assert reader.finish().tool_calls == (ToolCall(name="f", arguments=read),)


BLOCKS = [
    {
        "error": {
            "code": "content_filter",
            "message": "filtered",
            "innererror": {"code": "ResponsibleAIPolicyViolation"},
        }
    },
    {"error": {"code": "content_policy_violation", "message": "filtered"}},
    {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["x"], "flagged_input": "y"}}},
]


def test_blocked_requests_are_answers_and_other_errors_are_not(chat):
    for block in BLOCKS:
        answer = chat().read_error(400, json.dumps(block).encode())
        assert answer.status == "filtered"
        assert answer.error
    others = [
        b"",
        b"content_filter",
        b"[]",
        b'{"error": "content_filter"}',
        b'{"error": {"code": "context_length_exceeded", "message": "content_filter"}}',
    ]
    assert [chat().read_error(400, other) for other in others] == [None] * len(others)


# streams


def events(*said, end=b"data: [DONE]\n\n"):
    return (
        b"".join(b"data: " + (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n\n" for one in said)
        + end
    )


def delta(reason=None, **more):
    return {"choices": [{"index": 0, "delta": more, "finish_reason": reason}]}


TOOLS = [
    delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "search", "arguments": ""}}]),
    delta(tool_calls=[{"index": 1, "id": "b", "function": {"name": "send", "arguments": '{"to"'}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": '{"q": "x"}'}}]),
    delta(tool_calls=[{"index": 1, "function": {"arguments": ': "y"}'}}]),
]
STREAMS = {
    "text": (
        events(
            delta(role="assistant", content=""),
            delta(content="caf"),
            delta(content="é 😀"),
            delta("stop"),
            {"choices": [], "usage": USAGE},
        ),
        "ok",
        "café 😀",
    ),
    "comments": (b": ping\n\nevent: message\nid: 1\n" + events(delta(content="x"), delta("stop")), "ok", "x"),
    "no space, carriage returns": (
        events(delta(content="x"), delta("stop")).replace(b"data: ", b"data:").replace(b"\n", b"\r\n"),
        "ok",
        "x",
    ),
    "no DONE": (events(delta(content="x"), delta("stop"), end=b""), "ok", "x"),
    "no reason": (events(delta(content="x")), "ok", "x"),
    "last line without end": (events(delta(content="x"), end=b"data: [DONE]"), "ok", "x"),
    "second choice": (
        events({"choices": [{"index": 1, "delta": {"content": "other"}}]}, delta("stop", content="x")),
        "ok",
        "x",
    ),
    "tools": (events(*TOOLS, delta("tool_calls")), "ok", ""),
    "refusal": (events(delta(refusal="I "), delta(refusal="won't."), delta("stop")), "refused", "I won't."),
    "filtered": (events(delta(content="The fir"), delta("content_filter")), "filtered", "The fir"),
    "empty": (events(delta(content=""), delta("stop")), "empty", ""),
    "broken off": (events(delta(content="x"), end=b""), "error", ""),
    "half an event": (events(delta(content="x"), b'{"choices": [{"del'), "error", ""),
    "error": (events(delta(content="x"), {"error": {"message": "worker died"}}), "error", ""),
    "nothing": (b"", "error", ""),
    "html": (b"<html>\n</html>", "error", ""),
    "odd events": (
        events(
            [], 3, None, {"choices": None}, {"choices": [3, {"delta": 4}]}, {"usage": 5}, delta("stop", content="x")
        ),
        "ok",
        "x",
    ),
    "cut surrogates": (
        events(
            b'{"choices":[{"delta":{"content":"\\ud83d"}}]}',
            b'{"choices":[{"delta":{"content":"\\ude00"}}]}',
            delta("stop"),
        ),
        "ok",
        "😀",
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_read_the_same_wherever_they_are_cut(chat, name):
    body, status, text = STREAMS[name]
    subject, rng = chat(stream=True), random.Random(5)
    cuts = [[body], [body[n : n + 1] for n in range(len(body))]]
    for _ in range(20):
        places = sorted(rng.sample(range(len(body) + 1), min(5, len(body))))
        cuts.append([body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)])
    found = []
    for pieces in cuts:
        reader = subject.reader()
        for piece in pieces:
            reader.feed(piece)
        found.append(reader.finish())
    assert all(answer == found[0] for answer in found)
    assert (found[0].status, found[0].text) == (status, text)
    if name == "text":
        assert (found[0].tokens_in, found[0].tokens_out) == (1000, 200)
    if name == "tools":
        assert found[0].tool_calls == (
            ToolCall(name="search", arguments={"q": "x"}),
            ToolCall(name="send", arguments={"to": "y"}),
        )


def test_the_first_token_is_the_first_that_says_something(chat):
    reader = chat(stream=True).reader()
    assert not reader.feed(events(delta(role="assistant", content=""), end=b""))
    assert not reader.feed(b'data: {"choices": [{"index": 0, "delta": {"content": "x"}}]}')
    assert reader.feed(b"\n\n")


def test_a_long_line_in_small_pieces_takes_linear_time(chat):
    reader = chat(stream=True).reader()
    body = events(delta("stop", content="x" * 10_000_000))
    for start in range(0, len(body), 1000):
        reader.feed(body[start : start + 1000])
    assert len(reader.finish().text) == 10_000_000


@given(
    st.binary(max_size=200) | st.builds(lambda junk: b"data: " + junk + b"\n\n", st.binary(max_size=100)), st.booleans()
)
@settings(max_examples=300)
def test_no_bytes_raise_properties(body, stream):
    declared = Subject(chat="http://h/v1", model="m", stream=stream)
    reader = open_chat("assistant", declared, folder=None).reader()
    reader.feed(body)
    assert reader.finish().status in STATUSES


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "delta",
                    "content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "usage",
                    "error",
                    "refusal",
                    "finish_reason",
                    "index",
                    "prompt_tokens",
                    "text",
                    "code",
                    "metadata",
                    "innererror",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["choices", "usage", "error"]), json_values), json_values)
@settings(max_examples=400)
def test_no_shape_raises_properties(said, message):
    declared = Subject(chat="http://h/v1", model="m", stream=True)
    subject = open_chat("assistant", declared, folder=None)
    shaped = {"choices": [{"message": message, "delta": message, "finish_reason": "stop"}]}
    for body in (said, shaped, message):
        plain, streamed = subject.reader(), subject.reader()
        plain.feed(json.dumps(body).encode())
        streamed.feed(b"data: " + json.dumps(body).encode() + b"\n\ndata: [DONE]\n\n")
        assert plain.finish().status in STATUSES
        assert streamed.finish().status in STATUSES
        subject.read_error(400, json.dumps(body).encode())


CUT_KEY = "sk-VERYSECRETKEY0123456789abcdefghijklmnop"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("before", [*range(150, 204, 9), 270, 290, 298])
def test_a_key_in_what_cannot_be_read_is_taken_out_before_it_is_cut(chat, stream, before, monkeypatch):
    monkeypatch.setenv("CUT_KEY", CUT_KEY)
    said = "y" * before + " " + CUT_KEY
    for body in (said, json.dumps({"error": {"message": said}}), json.dumps([said]), f"data: {said}\n\n"):
        reader = chat(key="${CUT_KEY}", stream=stream).reader()
        reader.feed(body.encode())
        answer = reader.finish()
        assert answer.status == "error"
        assert CUT_KEY[:8] not in answer.error
