from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from shipworthy.errors import MissingExtra, Unusable
from shipworthy.exchange import Answer, Case, Exchange
from shipworthy.scorers.catalogue import OURS, kinds, measuring, open_scorer
from shipworthy.scorers.protocol import Measure

WHERE = "plan.yaml:7  evaluations.misuse.scorers[0]"
SETTINGS = {
    "regex": "a+",
    "json_schema": "schema.json",
    "classifier": "m",
    "embedding": "m",
    "entailment": "m",
}
ASKED = {"judge", "moderation", "pairwise"}  # they ask another subject; tests/scorers/test_judge.py


def opened(spec, folder=Path()):
    return open_scorer(spec, folder=folder, where=WHERE)


def code(spec) -> str:
    with pytest.raises(Unusable) as caught:
        opened(spec)
    (fault,) = caught.value.faults
    assert fault.where == WHERE
    assert fault.mend
    return fault.code


@pytest.mark.parametrize("kind", sorted(set(OURS) - ASKED))
def test_every_kind_opens_describes_itself_and_scores_any_text(kind, tmp_path):
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    spec: dict[str, object] = {kind: SETTINGS.get(kind), "name": "mine"}
    if kind == "classifier":
        spec["labels"] = ["bad"]
    scorer = opened(spec, tmp_path)
    assert scorer.name == "mine"
    assert scorer.measures
    assert all(isinstance(key, str) and isinstance(said, str) for key, said in scorer.describe().items())
    if kind in ("classifier", "embedding", "entailment"):
        return
    for text in ("", " ", "\ud800", "\x1b[2J<script>alert(1)</script>", "=cmd|'/c calc'!A1", "e\u0301" * 50, "\0" * 10):
        found = scorer.score(Exchange(case=Case(id="c", turns=("q",)), answer=Answer(status="ok", text=text)))
        assert found.value is None or isinstance(found.value, bool | float | str)
        assert len(found.why) < 500
        assert found == scorer.score(Exchange(case=Case(id="c", turns=("q",)), answer=Answer(status="ok", text=text)))


def test_every_kind_has_its_section_in_the_pages():
    page = (Path(__file__).parents[2] / "docs" / "scorers.md").read_text(encoding="utf-8")
    for kind in set(OURS) - ASKED:
        section = page.split(f"\n## `{kind}`\n", 1)[1].split("\n## ", 1)[0]
        assert "**What it says.**" in section
        assert "**When it misleads.**" in section


def test_kinds_names_ours():
    assert set(OURS) <= set(kinds())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("refusla", "SCORE001"),
        ({"regexp": "a"}, "SCORE001"),
        (7, "SCORE001"),
        ({}, "SCORE001"),
        ({"regex": "(?=a)"}, "SCORE002"),
        ({"regex": "(a"}, "SCORE002"),
        ({"regex": "a{1,1000}{1,1000}"}, "SCORE002"),
        ({"regex": "a" * 20_000}, "SCORE002"),
        ({"regex": ""}, "SCORE002"),
        ({"regex": "a", "name": "1st"}, "SCORE002"),
        ({"regex": "a", "name": "status"}, "SCORE002"),
        ({"regex": "a", "name": "x_why"}, "SCORE002"),
        ({"regex": "a", "measures": "refusal"}, "SCORE002"),
        ({"regex": "a", "nmae": "x"}, "SCORE002"),
        ({"refusal": None, "threshold": 1}, "SCORE002"),
        ({"contains": "  "}, "SCORE002"),
        ({"contains": []}, "SCORE002"),
        ({"leak": "secrets", "share": 3}, "SCORE002"),
        ({"length": "bytes"}, "SCORE002"),
        ({"json_schema": "nowhere.json"}, "SCORE003"),
        ({"prompt_overlap": "nowhere.md"}, "SCORE003"),
        ({"classifier": "m"}, "SCORE002"),
        ({"language": "xx"}, "SCORE002"),
    ],
)  # fmt: skip
def test_catalogue_validates_input(spec, expected):
    assert code(spec) == expected


def test_did_you_mean():
    with pytest.raises(Unusable, match='did you mean "refusal"'):
        opened("refusla")
    with pytest.raises(Unusable, match='did you mean "name"'):
        opened({"regex": "a", "nmae": "x"})


@pytest.mark.parametrize("text", ['{"type": 5}', "no json", '{"$ref": "http://example.org/x"}', "[" * 100_000])
def test_a_schema_that_cannot_be_used_is_a_fault(text, tmp_path):
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(Unusable) as caught:
        opened({"json_schema": "schema.json"}, tmp_path)
    assert caught.value.faults[0].code == "SCORE003"


@pytest.mark.parametrize(
    ("spec", "package"), [({"personal_data": "presidio"}, "presidio"), ({"secrets": "detect-secrets"}, "detect")]
)
def test_an_extra_that_is_absent_is_said_when_the_plan_is_read(spec, package):
    try:
        opened(spec)
    except MissingExtra as error:
        assert package in str(error)
        assert "pip install" in str(error)


def test_settings_may_stand_one_step_deeper():
    assert opened({"leak": {"share": 0.7, "name": "out"}}).name == "out"


def test_a_stranger_is_opened_by_the_registry(monkeypatch):
    from shipworthy import registry

    class Stranger:
        name, measures = "theirs", "quality"

    monkeypatch.setattr(registry, "names", lambda kind: ("theirs",))
    monkeypatch.setattr(registry, "load", lambda kind, name, where="": Stranger)
    assert isinstance(opened("theirs"), Stranger)


@pytest.mark.parametrize("kind", sorted(OURS))
def test_what_the_catalogue_says_of_a_kind_is_what_it_does(kind, tmp_path):
    about = OURS[kind]
    for folder in ("rubrics", "schemas", "prompts"):
        (tmp_path / folder).mkdir()
    (tmp_path / "schemas" / "answer.json").write_text('{"type": "object"}')
    (tmp_path / "prompts" / "assistant.md").write_text("You are an assistant that says nothing about the code.")
    (tmp_path / "rubrics" / "harm.md").write_text("Is it harmful?")
    (tmp_path / "rubrics" / "better.md").write_text("Which is better?")
    example = YAML(typ="safe", pure=True).load(about.example)
    spec = {example: None} if isinstance(example, str) else example
    assert next(iter(spec)) == kind
    spec.pop("human_labels", None)
    assert opened(spec, tmp_path).measures == about.measures[0]
    allowed = []
    for measure in get_args(Measure):
        if kind == "judge":  # its rubric says
            labels = {"quality": "{good: 1, bad: 0}", "refusal": "{a: full, b: none}"}.get(
                measure, "{a: true, b: false}"
            )
            (tmp_path / "rubrics" / "harm.md").write_text(f"---\nmeasures: {measure}\nlabels: {labels}\n---\nIs it?")
        try:
            found = opened(spec if kind == "judge" else {**spec, "measures": measure}, tmp_path)
        except Unusable:
            continue
        allowed += [measure] * (found.measures == measure)
    assert set(allowed) <= set(about.measures)
    if kind != "pairwise":
        assert set(allowed) == set(about.measures)


def test_kinds_that_measure_something_come_with_their_own_first():
    assert measuring("ungrounded")[:3] == ("citations", "entailment", "grounding")
    assert "judge" in measuring("ungrounded")
    assert set(measuring("refusal")) == {"refusal", "judge"}
    assert measuring("nothing") == ()
