# ruff: noqa: SIM905 - sentences read better as text
from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.scorers.overlap import bleu, rouge_l, rouge_n, token_f1

WORDS = st.lists(st.sampled_from("abcd"), max_size=12)


def test_rouge_against_reference():
    # Lin (2004), section 3.1: S1 police killed the gunman; S2 police kill the gunman; S3 the gunman kill police.
    first = "police killed the gunman".split()
    assert rouge_l("police kill the gunman".split(), first) == pytest.approx(0.75)
    assert rouge_l("the gunman kill police".split(), first) == pytest.approx(0.5)
    assert rouge_l("the gunman police killed".split(), first) == pytest.approx(0.5)
    assert rouge_n("police kill the gunman".split(), first, n=2) == pytest.approx(1 / 3)
    assert rouge_n("the gunman kill police".split(), first, n=2) == pytest.approx(1 / 3)


def test_bleu_against_theory():
    # Papineni et al. (2002), example 2: clipped unigram precision of the the the ... is 2/7.
    assert bleu(["the"] * 7, "the cat is on the mat".split(), most=1) == pytest.approx(2 / 7)
    # (5/6 * (3+1)/(5+1) * (2+1)/(4+1) * (1+1)/(3+1)) ** (1/4): no brevity penalty at equal lengths
    said, wanted = "the cat sat on the mat".split(), "the cat is on the mat".split()
    assert bleu(said, wanted) == pytest.approx((5 / 6 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25)
    assert bleu("a b c".split(), "a b c d e f".split()) == pytest.approx(math.exp(1 - 6 / 3))


def test_token_f1_against_theory():
    assert token_f1("a a b".split(), "a b b".split()) == pytest.approx(2 / 3)


@given(WORDS, WORDS)
def test_overlap_properties(first, second):
    for value in (rouge_l, token_f1, bleu, lambda a, b: rouge_n(a, b, n=2)):
        assert 0 <= value(first, second) <= 1 + 1e-12
    assert rouge_l(first, second) == pytest.approx(rouge_l(second, first))
    assert (rouge_l(first, second) > 0) == bool(set(first) & set(second))
    if first:
        assert rouge_l(first, first) == token_f1(first, first) == 1
        assert bleu(first, first) == pytest.approx(1)


@given(WORDS, WORDS)
def test_longest_common_subsequence_against_reference(first, second):
    rows = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            rows[i + 1][j + 1] = rows[i][j] + 1 if a == b else max(rows[i][j + 1], rows[i + 1][j])
    common = rows[-1][-1]
    assert rouge_l(first, second) == pytest.approx(2 * common / (len(first) + len(second)) if common else 0)


def test_columns(score):
    assert score("rouge_l", "the cat sat", reference="the cat sat").value == 1
    assert score("rouge_l", "x").value is None
    assert score({"rouge_n": "passages", "n": 1}, "a b", passages=("c", "a b")).value == 1
    assert score("bleu", "北京是首都", reference="北京是首都").value == pytest.approx(1)
