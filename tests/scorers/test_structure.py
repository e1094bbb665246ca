from __future__ import annotations

import json

import pytest

from shipworthy.exchange import ToolCall


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', True), ("[]", True), ("3", True), ("```json\n{}\n```", True), ("```\n[1]\n```", True), ("", False), ("{'a': 1}", False), ("NaN", False),
        ('{"a": 1, "a": 2}', False), ("{} and more", False), ("[" * 100_000, False), ('"\ud800"', True), ("9" * 5_000, False),
    ],
)  # fmt: skip
def test_json_valid(score, text, expected):
    assert score("json_valid", text).value is expected


def test_json_without_fences(score):
    assert score({"json_valid": None, "fences": False}, "```json\n{}\n```").value is False


def test_json_schema(score, tmp_path):
    schema = {"type": "object", "properties": {"verdict": {"enum": ["yes", "no"]}}, "required": ["verdict"]}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    spec = {"json_schema": "schema.json"}
    assert score(spec, '{"verdict": "yes"}').value is True
    assert score(spec, '{"verdict": "<script>"}').why.startswith('"$.verdict"')
    assert score(spec, "no").value is False


@pytest.mark.parametrize("goal", ["http://127.0.0.1:9/x.json", "#/nowhere", "other.json"])
def test_a_schema_is_never_fetched(score, tmp_path, goal):
    (tmp_path / "schema.json").write_text(json.dumps({"properties": {"a": {"$ref": goal}}}))
    assert score({"json_schema": "schema.json"}, '{"a": 1}').value is None
    assert score({"json_schema": "schema.json"}, "{}").value is True


def calls(*names_and_arguments):
    return tuple(ToolCall(name=name, arguments=arguments) for name, arguments in names_and_arguments)


A, B = ("find", {"city": "Rome", "limit": 3}), ("book", {"id": 7})


@pytest.mark.parametrize(
    ("spec", "made", "expected"),
    [
        ("tool_calls", (A, B), True),
        ("tool_calls", (B, A), True),
        ({"tool_calls": "equal", "ordered": True}, (B, A), False),
        ("tool_calls", (A,), False),
        ("tool_calls", (A, B, B), False),
        ({"tool_calls": "equal", "extra": True}, (A, B, B), True),
        ("tool_calls", (("find", {"city": " rome ", "limit": 3.0}), B), True),
        ("tool_calls", (("find", {"city": "Rome", "limit": True}), B), False),
        ("tool_calls", (("find", {"city": "Rome", "limit": 3, "x": 1}), B), False),
        ({"tool_calls": "subset"}, (("find", {"city": "Rome", "limit": 3, "x": 1}), B), True),
        ({"tool_calls": "ignore"}, (("find", {}), ("book", {})), True),
        ("tool_calls", (A,) * 1000, False),
    ],
)
def test_tool_calls(score, spec, made, expected):
    assert score(spec, "", tool_calls=calls(A, B), answer={"tool_calls": calls(*made)}).value is expected


def test_calls_are_paired_at_best(score):
    wanted, made = calls(("f", {}), ("f", {"a": 1})), calls(("f", {"a": 1}), ("f", {}))
    assert score({"tool_calls": "subset"}, "", tool_calls=wanted, answer={"tool_calls": made}).value is True


def test_no_call_expected_and_none_made(score):
    assert score("tool_calls", "x").value is True


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("The cat is on the mat and it is happy.", "en", True), ("Die Katze ist auf dem Dach und nicht im Haus.", "en", False), ("Le chat est sur le toit et dans la maison.", "fr", True),
        ("El gato está en la casa y no por la calle.", "es", True), ("猫在屋顶上。", "zh", True), ("猫は屋根の上にいます。", "ja", True), ("고양이가 지붕 위에 있습니다.", "ko", True),
        ("Кот сидит на крыше.", "ru", True), ("Кот сидит на крыше.", "en-GB", False), ("ok", "en", None), ("x", "tlh", None),
    ],
)  # fmt: skip
def test_language(score, text, language, expected):
    assert score("language", text, language=language).value is expected


def test_length(score):
    assert score("length", "Two words.").value == 2
    assert score({"length": "characters"}, "Two words.").value == 10
