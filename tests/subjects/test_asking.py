from types import SimpleNamespace

import pytest

from shipworthy import registry
from shipworthy.errors import SubjectError
from shipworthy.subjects.app import open_app
from shipworthy.subjects.asking import OPENERS, load_assistant
from shipworthy.subjects.function import open_function
from shipworthy.subjects.huggingface import open_huggingface
from shipworthy.subjects.simulated import open_simulated

OURS = {"app": open_app, "function": open_function, "huggingface": open_huggingface, "simulated": open_simulated}


@pytest.fixture
def registered(monkeypatch):
    asked = []

    def load(kind, name, *, where=""):
        asked.append((kind, name, where))
        return OURS[name]

    monkeypatch.setattr(registry, "load", load)
    return asked


def test_opens_by_the_declared_kind(registered, tmp_path):
    (tmp_path / "bot.py").write_text("def answer(prompt):\n    return prompt\n")
    plain = {"method": "POST", "headers": {}, "request": None, "response": None, "history": None}
    for key, value, kind in [
        ("simulated", {"refusal": 0.5}, "simulated"),
        ("http", "http://localhost:1/ask", "app"),
        ("python", "bot:answer", "function"),
    ]:
        declared = SimpleNamespace(**dict.fromkeys(OPENERS) | plain | {key: value})
        found = load_assistant("bot", declared, folder=tmp_path)
        assert found.name == "bot"
        assert found.describe()["kind"] == kind
        assert registered[-1] == ("subjects", kind, "subjects.bot")


@pytest.mark.parametrize("given", [{}, {"sklearn": "m.skops"}, {"http": "http://x", "python": "a:b"}])
def test_asking_validates_input(registered, tmp_path, given):
    with pytest.raises(SubjectError) as caught:
        load_assistant("bot", SimpleNamespace(**given), folder=tmp_path)
    assert caught.value.faults[0].code == "SUBJ046"
    assert not registered
