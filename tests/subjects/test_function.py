import asyncio
import inspect
from types import SimpleNamespace

import pytest

from shipworthy.errors import SubjectError
from shipworthy.exchange import Answer, Case, Message, ToolCall
from shipworthy.subjects.function import open_function
from shipworthy.testing import check_assistant

CASE = Case(id="c", turns=("one", "three"), passages=("p",))
TALK = [
    Message(role="user", content="one"),
    Message(role="assistant", content="two"),
    Message(role="user", content="three"),
]


@pytest.fixture
def assistant(tmp_path):
    def make(source, target="bot:answer"):
        (tmp_path / "bot.py").write_text(source)
        return open_function("bot", SimpleNamespace(python=target), folder=tmp_path)

    return make


def ask(subject):
    said = subject.ask(CASE, TALK, trial=4, session="s-1")

    async def wait():
        return await said

    return asyncio.run(wait()) if inspect.isawaitable(said) else said


@pytest.mark.parametrize(
    ("head", "body", "said"),
    [
        ("def answer(prompt)", "prompt", "three"),
        ("def answer(text: str)", "text", "three"),
        ("def answer(text, /)", "text", "three"),
        ("def answer(prompt, /)", "prompt", "three"),
        ("def answer(messages)", "messages[0]['role'] + messages[1]['content']", "usertwo"),
        ("def answer(talk: list[dict])", "talk[1]['content']", "two"),
        ("def answer(talk: 'list[dict]')", "talk[1]['content']", "two"),
        ("def answer(*, case, session, trial, passages)", "f'{case.id} {session} {trial} {passages}'", "c s-1 4 ['p']"),
        ("def answer(question, trial, temperature=0.5)", "f'{question} {trial} {temperature}'", "three 4 0.5"),
        ("def answer(prompt, **more)", "prompt + ','.join(sorted(more))", "threecase,messages,passages,session,trial"),
        ("async def answer(prompt)", "prompt", "three"),
    ],
)
def test_takes_what_its_parameters_are_named_after(assistant, head, body, said):
    got = ask(assistant(f"{head}:\n    return {body}\n"))
    assert (got.status, got.text) == ("ok", said)


def test_takes_a_callable_object(assistant):
    source = "class Bot:\n    def __call__(self, prompt):\n        return prompt\nbot = Bot()\n"
    assert ask(assistant(source, "bot:bot")).text == "three"


@pytest.mark.parametrize(
    ("returned", "answer"),
    [
        ("'x'", Answer(status="ok", text="x")),
        ("' '", Answer(status="empty", text=" ")),
        ("{'text': None}", Answer(status="empty")),
        ("{'text': 'no', 'refused': True}", Answer(status="refused", text="no")),
        (
            "{'text': 'x', 'passages': ('p',), 'tokens_in': 1, 'tokens_out': 2, 'cost': 0.1}",
            Answer(status="ok", text="x", passages=("p",), tokens_in=1, tokens_out=2, cost=0.1),
        ),
        (
            "{'tool_calls': [{'name': 'f', 'arguments': '{\"a\": 1}'}, {'name': 'g'}]}",
            Answer(status="ok", tool_calls=(ToolCall(name="f", arguments={"a": 1}), ToolCall(name="g"))),
        ),
        ("__import__('shipworthy.exchange').exchange.Answer(status='filtered')", Answer(status="filtered")),
    ],
)
def test_returns_are_read(assistant, returned, answer):
    assert ask(assistant(f"def answer(prompt):\n    return {returned}\n")) == answer


@pytest.mark.parametrize(
    "returned",
    [
        "None",
        "3",
        "{'txt': 'x'}",
        "{'text': 3}",
        "{'text': 'x', 'cost': 'much'}",
        "{'text': 'x', 'tokens_in': -1}",
        "{'text': 'x', 'passages': [3]}",
        "{'tool_calls': ['f']}",
    ],
)
def test_a_wrong_return_validates_input(assistant, returned):
    with pytest.raises(SubjectError) as caught:
        ask(assistant(f"def answer(prompt):\n    return {returned}\n"))
    assert caught.value.faults[0].code == "SUBJ043"


@pytest.mark.parametrize("word", ["", "async "])
def test_what_it_raises_is_located(assistant, word):
    with pytest.raises(SubjectError) as caught:
        ask(assistant(f"{word}def answer(prompt):\n    raise SystemExit('boom')\n"))
    (fault,) = caught.value.faults
    assert fault.code == "SUBJ006"
    assert "boom (bot.py, line 2)" in fault.what


@pytest.mark.parametrize("word", ["", "async "])
def test_a_timeout_stays_a_timeout(assistant, word):
    with pytest.raises(TimeoutError):
        ask(assistant(f"{word}def answer(prompt):\n    raise TimeoutError\n"))


@pytest.mark.parametrize(
    "head", ["def answer()", "def answer(a, b)", "def answer(*, question)", "def answer(prompt, question)"]
)
def test_parameters_validates_input(assistant, head):
    with pytest.raises(SubjectError) as caught:
        assistant(f"{head}:\n    return 'x'\n")
    assert caught.value.faults[0].code == "SUBJ044"


@pytest.mark.parametrize(
    ("target", "code"), [("bot", "SUBJ001"), ("bot:none", "SUBJ001"), ("nowhere_at_all:f", "SUBJ001")]
)
def test_target_validates_input(assistant, target, code):
    with pytest.raises(SubjectError) as caught:
        assistant("def answer(prompt):\n    return 'x'\n", target)
    assert caught.value.faults[0].code == code


def test_describes_itself_by_the_digest_of_its_source(assistant):
    told = assistant("def answer(prompt, trial):\n    return prompt\n").describe()
    assert told["takes"] == "prompt, trial"
    assert told["digest"].startswith("sha256:")


@pytest.mark.parametrize("word", ["", "async "])
def test_keeps_the_promises_of_an_assistant(assistant, word):
    check_assistant(assistant(f"{word}def answer(messages):\n    messages.clear()\n    return 'x'\n"), [CASE, CASE])
