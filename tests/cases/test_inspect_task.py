"""An Inspect task as a suite: the mapping, on stand-ins for Inspect's objects, and on Inspect itself where installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from shipworthy.cases import inspect_task
from shipworthy.cases.inspect_task import InspectTask, open_inspect_task
from shipworthy.errors import DataError, MissingExtra

TASK = Path(__file__).parents[1] / "subjects/fixtures/inspect"
HAS_INSPECT = importlib.util.find_spec("inspect_ai") is not None


def sample(**given):
    usual = {"id": None, "input": "?", "target": "", "choices": None, "metadata": None, "files": None, "setup": None}
    return SimpleNamespace(**{**usual, "sandbox": None, **given})


def suite(*samples) -> InspectTask:
    return InspectTask(name="t", version="0", samples=samples, where="plan.yaml:3", title="t")


def said(role, text):
    return SimpleNamespace(role=role, text=text)


def test_samples_become_cases():
    first, second, third = suite(
        sample(id=7, input="Capital of France?", target=["Paris", "PARIS"], metadata={"level": 2, "text": "x" * 500}),
        sample(
            input=[said("system", "Be short."), said("user", "Hi"), said("assistant", "Hello"), said("user", "So?")]
        ),
        sample(input="Which?", target="B", choices=["tea", "milk"]),
    )
    assert (first.id, first.turns, first.reference, first.tags) == (
        "7",
        ("Capital of France?",),
        "Paris",
        {"level": "2"},
    )
    assert (second.id, second.system, second.turns, len(second.before)) == ("sample-00002", "Be short.", ("So?",), 2)
    assert second.reference is None
    assert third.prompt == "Which?\n\nA) tea\nB) milk\n\nAnswer with the letter of the right choice."
    assert third.reference == "B"


def test_the_digest_moves_with_the_cases():
    assert suite(sample()).digest() == suite(sample()).digest() != suite(sample(input="!")).digest()


@pytest.mark.parametrize("given", [{"sandbox": "docker"}, {"files": {"a": "b"}}, {"input": [said("assistant", "x")]}])
def test_a_sample_that_cannot_be_asked_alone_validates_input(given):
    with pytest.raises(DataError, match="SUITE003"):
        list(suite(sample(**given)))


def test_without_inspect_the_install_line_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    monkeypatch.setitem(sys.modules, "inspect_ai._eval.loader", None)
    with pytest.raises(MissingExtra, match=r"shipworthy\[inspect\]"):
        open_inspect_task("a/b", folder=tmp_path)


def fake(monkeypatch, load_tasks):
    for name in ("inspect_ai", "inspect_ai._eval"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "inspect_ai._eval.loader", SimpleNamespace(load_tasks=load_tasks))


def test_faults_are_located_validates_input(monkeypatch, tmp_path):
    def broken(specs):
        raise RuntimeError("no such thing")

    for load in (broken, lambda specs: [], lambda specs: [1, 2]):
        fake(monkeypatch, load)
        with pytest.raises(DataError, match="SUITE003") as caught:
            open_inspect_task("a/b", folder=tmp_path, where="plan.yaml:3")
        assert caught.value.faults[0].where == "plan.yaml:3"
    with pytest.raises(DataError, match="no file"):
        open_inspect_task("absent.py@t", folder=tmp_path)


@pytest.mark.skipif(not HAS_INSPECT, reason="inspect_ai is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_task_of_inspect_is_opened():
    found = open_inspect_task("capitals.py@capitals", folder=TASK)
    cases = list(found)
    assert (found.name, len(cases), cases[0].reference) == ("capitals", 16, "Paris")
    assert cases[-1].system == "Be short."
    assert inspect_task.LIMITS in found.limits
