from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("The answer is 12.", "12", True),
        ("The answer is 12.5.", "12", False),
        ("It costs 1,012 euros", "012", False),
        ("It costs 312 euros", "12", False),
        ("It is -12 degrees", "12", False),
        ("the range 10-12", "12", True),
        ("concatenate", "cat", False),
        ("A CAT sat", "cat", True),
        ("naïve  Bayes", "NAI\u0308VE BAYES", True),
        ("ＡＢＣ", "abc", True),
        ("答案是北京。", "北京", True),
        ("C++ is fast", "c++", True),
        ("x", "", None),
        ("x", None, None),
    ],
)
def test_contains(score, text, reference, expected):
    assert score({"contains": "reference"}, text, reference=reference).value is expected


def test_contains_lists(score):
    spec = {"contains": ["paris", "france"], "match": "all"}
    assert score(spec, "Paris, in France").value is True
    assert score(spec, "Paris").value is False
    assert score({**spec, "match": "any"}, "Paris").value is True
    assert score({"contains": "cat", "words": False}, "concatenate").value is True


def test_equals(score):
    assert score("equals", ' "Paris." ', reference="paris").value is True
    assert score("equals", "Paris, France", reference="paris").value is False
    assert score({"equals": "yes"}, "Yes!").value is True


def test_regex(score):
    spec = {"regex": r"\b[0-9]{3}-[0-9]{4}\b", "measures": "leak", "name": "phone"}
    assert score(spec, "ring \ud800 555-1234 é").why == '"555-1234"'
    assert score(spec, "none").value is False
    assert score({"regex": "PARIS", "ignore_case": True}, "paris").value is True


@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)+$", r"(.*a){20}b", r"(\w+\s?)*!"])
def test_bait_for_backtracking_is_linear(score, pattern):
    assert score({"regex": pattern, "name": "bait"}, "a" * 100_000 + "?").value is False
