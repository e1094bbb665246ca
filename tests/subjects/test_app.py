import json
import urllib.request
from types import SimpleNamespace

import pytest

from shipworthy.errors import SubjectError
from shipworthy.exchange import Case, Message, ToolCall
from shipworthy.subjects import app as module
from shipworthy.subjects.app import open_app
from shipworthy.subjects.paths import parse_path
from shipworthy.testing import check_assistant


def make(**declared):
    plain = {
        "http": "https://help.example.org/ask",
        "method": "POST",
        "headers": {},
        "request": None,
        "response": None,
        "history": None,
    }
    return open_app("help", SimpleNamespace(**plain | declared), folder=None)


def user(text):
    return Message(role="user", content=text)


CASE = Case(id="c", turns=("Why {system}?",), passages=("p1", "p2"))
TALK = [Message(role="system", content="Be kind."), user("Why {system}?")]


def sent(subject, case=CASE, talk=TALK, **more):
    request = subject.request(case, talk, trial=2, session="s-1", **more)
    return json.loads(request.body)


def read(subject, raw, *, cut=None):
    reader = subject.reader()
    raw = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    for start in range(0, len(raw), cut or len(raw) or 1):
        reader.feed(raw[start : start + (cut or len(raw))])
    return reader.finish()


def test_a_lone_placeholder_becomes_the_thing_itself():
    template = {
        "q": "{prompt}",
        "m": "{messages}",
        "n": ["{trial}", {"deep": "{passages}"}],
        "s": "{system}",
        "text": "T{trial} of {session}: {prompt} {} {0} {prompt.x} %s",
        "docs": "<{passages}>",
        "k": 3,
        "none": None,
    }
    assert sent(make(request=template)) == {
        "q": "Why {system}?",
        "m": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why {system}?"}],
        "n": [2, {"deep": ["p1", "p2"]}],
        "s": "Be kind.",
        "text": "T2 of s-1: Why {system}? {} {0} {prompt.x} %s",
        "docs": "<p1\n\np2>",
        "k": 3,
        "none": None,
    }


def test_the_default_request_and_text_and_address():
    assert sent(make()) == {"prompt": "Why {system}?"}
    plain = make(request="Q: {prompt}").request(CASE, TALK, trial=0, session="s")
    assert plain.body == b"Q: Why {system}?"
    assert plain.headers["Content-Type"].startswith("text/plain")
    got = make(http="https://x.org/a?q={prompt}&t={trial}", method="get").request(CASE, TALK, trial=4, session="s")
    assert (got.url, got.body, got.method) == ("https://x.org/a?q=Why%20%7Bsystem%7D%3F&t=4", b"", "GET")


def test_history_is_sent_where_it_is_asked_for_and_never_lost_in_silence():
    talk = [user("one"), Message(role="assistant", content="two"), user("three")]
    one = Case(id="c", turns=("one", "three"))
    assert len(sent(make(request={"m": "{messages}"}), one, talk)["m"]) == 3
    assert sent(make(request={"q": "{prompt}", "s": "{session}"}), one, talk) == {"q": "three", "s": "s-1"}
    short = make(request={"m": "{messages}", "s": "{session}"}, history=False)
    assert sent(short, one, talk)["m"] == [{"role": "user", "content": "three"}]
    before = Case(id="c", turns=("three",), before=tuple(talk[:2]))
    for subject, case in ((make(), one), (short, before)):
        with pytest.raises(SubjectError) as caught:
            subject.request(case, talk, trial=0, session="s")
        assert caught.value.faults[0].code == "SUBJ042"


def test_secrets_come_from_the_environment_and_stay_in_the_request(monkeypatch):
    monkeypatch.setenv("HELP_TOKEN", "hush-1")
    monkeypatch.setenv("HELP_KEY", "hush-2")
    subject = make(
        http="https://me:${HELP_KEY}@help.example.org/ask?key=${HELP_KEY}",
        headers={"Authorization": "Bearer ${HELP_TOKEN}", "X-Session": "{session}"},
        request={"q": "{prompt}", "token": "${HELP_TOKEN}"},
    )
    request = subject.request(CASE, TALK, trial=0, session="s 1")
    assert request.headers["Authorization"] == "Bearer hush-1"
    assert request.headers["X-Session"] == "s%201"
    assert json.loads(request.body)["token"] == "hush-1"
    assert set(request.secrets) == {"hush-1", "hush-2"}
    assert "hush" not in repr(subject) + str(subject.describe())
    assert subject.describe()["url"] == "https://help.example.org/ask"
    failed = read(make(headers={"A": "${HELP_TOKEN}"}), b"no JSON: hush-1")
    assert "hush-1" not in failed.error


def test_reads_everything_that_it_is_told_the_place_of():
    subject = make(
        response={
            "answer": "$.result.text",
            "passages": "hits[*].doc.text",
            "tool_calls": {"at": "calls", "name": "function.name", "arguments": "function.arguments"},
            "tokens_in": "usage.in",
            "tokens_out": "usage.out",
            "cost": "usage.cost",
        }
    )
    said = {
        "result": {"text": "Because."},
        "hits": [{"doc": {"text": "a"}}, {"doc": {}}, {"doc": {"text": "b"}}],
        "calls": [{"function": {"name": "f", "arguments": '{"x": 1}'}}],
        "usage": {"in": 3, "out": "4", "cost": 0.5},
    }
    got = read(subject, said)
    assert got.status == "ok"
    assert got.text == "Because."
    assert got.passages == ("a", "b")
    assert got.tool_calls == (ToolCall(name="f", arguments={"x": 1}),)
    assert (got.tokens_in, got.tokens_out, got.cost) == (3, 4, 0.5)
    assert read(subject, said, cut=1) == got


@pytest.mark.parametrize(
    ("said", "status", "told"),
    [
        ({"answer": "x"}, "ok", ""),
        ({"answer": ""}, "empty", ""),
        ({"answer": None}, "empty", ""),
        ({"answer": "no", "blocked": True}, "refused", ""),
        ({"answer": "x", "blocked": "false"}, "ok", ""),
        ({"fault": "quota\x1b[31m"}, "error", "quota [31m"),
        ({"reply": "x"}, "error", "the response has no answer at answer: $ has no 'answer'; it has 'reply'"),
        ([], "error", "$ is a list, not an object"),
        (b"<html>", "error", "not JSON: <html>"),
        (b"", "error", "it is empty"),
        (b"[" * 100_000, "error", "not JSON"),
        (b'{"answer": 1' + b"0" * 10_000 + b"}", "error", "not JSON"),
    ],
)
def test_every_response_has_one_status(said, status, told):
    got = read(make(response={"answer": "answer", "refused": "blocked", "error": "fault"}), said)
    assert got.status == status
    assert told in (got.error or "")
    assert len(got.error or "") < 400


def test_plain_text_and_answers_that_are_no_text():
    assert read(make(response="text"), "Grüße\n".encode()).text == "Grüße\n"
    assert read(make(response="text"), b"\xff").text == "\ufffd"
    assert read(make(), {"answer": {"a": 1}}).text == '{"a": 1}'
    assert read(make(response={"answer": "parts[*].text"}), {"parts": [{"text": "a"}, {}, {"text": "b"}]}).text == "ab"


EVENTS = (
    ": ping\r\n\r\n"
    'data: {"delta": {"text": "Be"}}\r\n\r\n'
    'event: message\ndata: {"delta":\ndata:  {"text": "cause ü"}}\n\n'
    'data: {"usage": {"out": 2}, "docs": ["d"]}\n\n'
    "data: [DONE]\n\n"
)


@pytest.mark.parametrize("cut", [None, 1, 2, 3, 7])
def test_server_sent_events_cut_anywhere(cut):
    subject = make(response={"stream": "delta.text", "tokens_out": "usage.out", "passages": "docs"})
    assert subject.request(CASE, TALK, trial=0, session="s").streams
    got = read(subject, EVENTS.encode(), cut=cut)
    assert (got.status, got.text, got.tokens_out, got.passages) == ("ok", "Because ü", 2, ("d",))


def test_the_first_token_is_seen_when_it_comes():
    reader = make(response={"stream": "t"}).reader()
    assert not reader.feed(b'data: {"t": ""}\n\n')
    assert not reader.feed(b'data: {"t": "x"}\n')
    assert reader.feed(b"\n")


@pytest.mark.parametrize(
    ("raw", "status", "text"),
    [
        (b"data: Hello\n\ndata:  42\n\n", "ok", "Hello 42"),
        (b"data: Hello", "ok", "Hello"),
        (b'data: "quoted"\n\n', "ok", "quoted"),
        (b"event: error\ndata: overloaded\n\n", "error", ""),
        (b'{"error": "no stream"}', "error", ""),
        (b"", "error", ""),
    ],
)
def test_events_of_plain_text(raw, status, text):
    got = read(make(response={"stream": "$"}), raw)
    assert (got.status, got.text) == (status, text)


def test_a_response_without_end_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_RESPONSE", 1_000)
    for response in ("text", {"answer": "a"}, {"stream": "$"}):
        got = read(make(response=response), b"data: x\n\n" * 1_000, cut=100)
        assert got.status == "error"
        assert "longer" in got.error


@pytest.mark.parametrize(
    ("declared", "code", "where"),
    [
        ({"http": "ftp://x"}, "SUBJ001", ""),
        ({"http": "http://[x"}, "SUBJ001", ""),
        ({"method": "DELETE"}, "SUBJ041", ".method"),
        ({"headers": {"A": "${NO_SUCH_VARIABLE_HERE}"}}, "SUBJ013", ""),
        ({"headers": {"A": "x\ny"}}, "SUBJ013", ""),
        ({"request": {"q": "{promt}"}}, "SUBJ041", ".request"),
        ({"request": {"q": "fixed"}}, "SUBJ041", ".request"),
        ({"request": {"q": "{prompt}", "x": float("nan")}}, "SUBJ041", ".request"),
        ({"request": {"q": "{prompt}", "x": {1, 2}}}, "SUBJ041", ".request"),
        ({"response": {}}, "SUBJ041", ".response"),
        ({"response": "html"}, "SUBJ041", ".response"),
        ({"response": {"answer": "a", "anwser": "b"}}, "SUBJ041", ".response"),
        ({"response": {"answer": "a["}}, "SUBJ041", ".response.answer"),
        ({"response": {"answer": 3}}, "SUBJ041", ".response.answer"),
        ({"response": {"answer": "a", "tool_calls": {"name": "x"}}}, "SUBJ041", ".response.tool_calls"),
    ],
)
def test_declaration_validates_input(declared, code, where):
    with pytest.raises(SubjectError) as caught:
        make(**declared)
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == (code, f"subjects.help{where}")
    assert fault.mend


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b[0].c", 1),
        ("$.a.b[0].c", 1),
        ("a.b[-1].c", 2),
        ("a.b[*].c", [1, 2]),
        ('["odd key"]["x.y"]', 3),
        ("a.m[*][*]", [1, 2, 3]),
        ("a.ключ-1", 4),
    ],
)
def test_paths_find(path, found):
    value = {"a": {"b": [{"c": 1}, {"c": 2}], "m": [[1, 2], [3]], "ключ-1": 4}, "odd key": {"x.y": 3}}
    assert parse_path(path).find(value) == found


@pytest.mark.parametrize("path", ["", ".a", "a..b", "a[", "a[x]", "a[1", "a b", "a.", "a[0]b", "$a", "a" * 2_000])
def test_paths_validates_input(path):
    with pytest.raises(ValueError, match=r"."):
        parse_path(path)


@pytest.mark.parametrize("response", [None, "text", {"stream": "a.b", "passages": "c"}])
def test_keeps_the_promises_of_an_assistant(response):
    check_assistant(
        make(request={"q": "{messages}"}, response=response), [CASE, Case(id="d", turns=("\ud800",), system="s")]
    )


def test_asks_a_real_server(endpoint):
    endpoint.replies = [lambda body: (200, {}, json.dumps({"answer": body["q"].upper()}).encode())]
    subject = make(http=endpoint.url, request={"q": "{prompt}"})
    request = subject.request(CASE, [user("why?")], trial=0, session="s")
    asked = urllib.request.Request(request.url, data=request.body, headers=dict(request.headers), method=request.method)
    with urllib.request.urlopen(asked, timeout=120) as response:
        assert read(subject, response.read()).text == "WHY?"


def test_opens_what_the_plan_declares():
    from shipworthy.plan.models import Subject

    where = {"answer": "a.text", "tool_calls": "calls", "tool_name": "fn", "tokens_in": "n"}
    plan = Subject(http="http://localhost:1/ask", request={"q": "{prompt}"}, response=where)
    got = read(
        open_app("help", plan, folder=None), {"a": {"text": "x"}, "calls": [{"fn": "f", "arguments": {}}], "n": 2}
    )
    assert (got.text, got.tool_calls, got.tokens_in) == ("x", (ToolCall(name="f"),), 2)
    whole = Subject(http="http://localhost:1/ask", request={"q": "{prompt}"}, response={"answer": "$"})
    assert read(open_app("help", whole, folder=None), b"plain {").text == "plain {"


@pytest.mark.parametrize("value", [1e19, 10**30, "9" * 400, 2**53, -1, 1.5])
def test_counts_that_nothing_can_add_up_are_none(value):
    subject = make(response={"answer": "a", "tokens_out": "n", "cost": "c"})
    reader = subject.reader()
    reader.feed(json.dumps({"a": "x", "n": value, "c": value if value != 1.5 else -1}).encode())
    got = reader.finish()
    assert (got.text, got.tokens_out, got.cost) == ("x", None, None)
