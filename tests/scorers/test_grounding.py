from __future__ import annotations

import pytest

from shipworthy.scorers.grounding import support

PASSAGES = (
    "The Harbour Bridge was opened in 1932. It cost 6,250,000 pounds and has a main span of 503 metres.",
    "Construction was led by John Bradfield; 16 workers died.",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Harbour Bridge opened in 1932.", False),
        ("The bridge has a main span of 503 metres. Construction was led by John Bradfield.", False),
        ("The Harbour Bridge was opened in 1935.", True),
        ("Construction was led by Peter Lalor.", True),
        ("Bananas grow on large herbs in tropical countries.", True),
        ("I don't know; the documents do not say.", False),
        ("I'm sorry, but I can't help with that.", False),
        ("It cost 6250000 pounds [1].", False),
    ],
)
def test_grounding(score, text, expected):
    assert score("grounding", text, passages=PASSAGES).value is expected


def test_what_it_cannot_tell(score):
    assert score("grounding", "x").value is None
    assert score("grounding", " ", passages=PASSAGES).value is None


def test_support_as_a_number(score):
    assert score({"grounding": 0.5, "measures": "quality"}, PASSAGES[1], passages=PASSAGES).value == 1.0


def test_passages_that_the_subject_retrieved_count(score):
    assert score("grounding", PASSAGES[1], answer={"passages": PASSAGES}).value is False


def test_support_properties():
    assert support("", PASSAGES).share == 1
    assert support("Construction was led by John Bradfield in 1999.", PASSAGES).foreign == ("1999",)
    for passage in PASSAGES:
        assert support(passage, PASSAGES).share == 1
        assert support(passage, ()).share == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It opened in 1932 [1] and 16 died [2].", False),
        ("It opened in 1932 [3].", True),
        ("It opened in 1932 [0].", True),
        ("All of it [1-2], [1, 2].", False),
        ("All of it [1–3].", True),
        ("See [3](https://example.org).", False),
        ('It says "main span of 503 metres".', False),
        ("It says “a main span of 504 metres”.", True),
        ("It opened (Source: Harbour Bridge).", False),
        ("It opened (source: Wikipedia).", True),
    ],
)
def test_citations(score, text, expected):
    assert score("citations", text, passages=PASSAGES).value is expected


def test_citations_may_be_required(score):
    assert score({"citations": None, "required": True}, "It opened.", passages=PASSAGES).value is True
    assert score("citations", "x [1]").value is None
