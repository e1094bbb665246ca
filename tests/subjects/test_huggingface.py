"""With torch and transformers installed, a tiny random GPT-2 with a tokenizer of its own is asked; else only absence."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest

from shipworthy.errors import MissingExtra, SubjectError
from shipworthy.exchange import Case, Message
from shipworthy.subjects.huggingface import open_huggingface
from shipworthy.testing import check_assistant

INSTALLED = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
needs_model = pytest.mark.skipif(not INSTALLED, reason="torch and transformers are not installed")
CASE = Case(id="c", turns=("hello world",))
TALK = [Message(role="system", content="be kind"), Message(role="user", content="hello world")]
TEMPLATE = "{% for m in messages %}<{{ m.role }}> {{ m.content }} {% endfor %}{% if add_generation_prompt %}<assistant> {% endif %}"


def declared(*, system=None, **parameters):
    return SimpleNamespace(
        huggingface="tiny", trust=False, system=system, parameters={"max_tokens": 8, "seed": 1, **parameters}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = [
        "[UNK]",
        "[EOS]",
        "hello",
        "world",
        "be",
        "kind",
        "user",
        "assistant",
        "system",
        "<",
        ">",
        "red",
        "green",
        "blue",
    ]
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", eos_token="[EOS]")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    size = {"vocab_size": len(words), "n_positions": 32, "n_embd": 16, "n_layer": 2, "n_head": 2}
    model = GPT2LMHeadModel(GPT2Config(**size, eos_token_id=1, bos_token_id=1))
    root = tmp_path_factory.mktemp("models")
    model.save_pretrained(root / "tiny")
    tokenizer.save_pretrained(root / "tiny")
    return root


def ask(subject, trial=0, case=CASE, talk=TALK):
    return subject.ask(case, talk, trial=trial, session="s")


@needs_model
def test_greedy_answers_are_the_same_and_counted(folder):
    subject = open_huggingface("local", declared(), folder=folder)
    one = ask(subject)
    assert one.status in {"ok", "empty"}
    assert one.tokens_in == 13  # < system > be kind < user > hello world < assistant >
    assert 1 <= one.tokens_out <= 8
    assert "hello world" not in one.text
    assert ask(subject, trial=1) == one


@needs_model
def test_sampled_answers_depend_on_the_seed_the_case_and_the_trial(folder):
    subject = open_huggingface("local", declared(temperature=1.0), folder=folder)
    told = [ask(subject, trial).text for trial in range(6)]
    assert told == [ask(subject, trial).text for trial in range(6)]
    assert len(set(told)) > 1
    assert told != [ask(subject, trial, Case(id="d", turns=CASE.turns)).text for trial in range(6)]
    assert told != [
        ask(open_huggingface("l", declared(temperature=1.0, seed=2), folder=folder), t).text for t in range(6)
    ]


@needs_model
def test_a_conversation_too_long_is_an_error_and_not_cut(folder):
    got = ask(open_huggingface("local", declared(), folder=folder), talk=[Message(role="user", content="one " * 50)])
    assert got.status == "error"
    assert "32" in got.error


@needs_model
def test_describes_the_files_that_it_runs(folder):
    told = open_huggingface("local", declared(), folder=folder).describe()
    assert told["digest"].startswith("sha256:")
    assert told["decoding"] == "greedy"
    assert told["template"] == "chat"


@needs_model
def test_keeps_the_promises_of_an_assistant(folder):
    check_assistant(open_huggingface("local", declared(), folder=folder), [CASE, Case(id="d", turns=("\ud800 red",))])


@needs_model
def test_model_validates_input(tmp_path):
    (tmp_path / "tiny").mkdir()
    with pytest.raises(SubjectError) as caught:
        open_huggingface("local", declared(), folder=tmp_path)
    assert caught.value.faults[0].code == "SUBJ045"


@needs_model
@pytest.mark.parametrize("parameters", [{"tempreature": 1}, {"seed": "x"}, {"seed": True}])
def test_parameters_validates_input(folder, parameters):
    with pytest.raises(SubjectError) as caught:
        open_huggingface("local", declared(**parameters), folder=folder)
    assert caught.value.faults[0].code == "SUBJ045"


def test_absence_is_told_with_the_install_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra) as caught:
        open_huggingface("local", declared(), folder=tmp_path)
    assert "shipworthy[huggingface]" in str(caught.value)


@needs_model
def test_the_system_prompt_goes_before_conversations_that_bring_none(folder):
    subject = open_huggingface("local", declared(system="be kind"), folder=folder)
    assert ask(subject, talk=TALK[1:]) == ask(subject)
    assert subject.describe()["system"].startswith("sha256:")
