"""What somebody else says, within bounds: counts, nesting, and secrets that never come out, however they are cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.subjects.faults import LONGEST, quoted, without
from shipworthy.subjects.reading import DEEPEST, LARGEST, count, is_deep, number

KEY = "sk-VERYSECRETKEY0123456789abcdefghijklmnop"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (3, 3), (3.0, 3), ("3", 3), (0, 0), (LARGEST - 1, LARGEST - 1), (None, None), (True, None), (-1, None),
        (2.5, None), ("many", None), (LARGEST, None), (1e19, None), (1e308, None), (10**400, None), ("9" * 400, None),
        (float("nan"), None), (float("inf"), None), ([1], None), ("inf", None),
    ],
)  # fmt: skip
def test_a_count_is_one_that_can_be_added_up(value, found):
    assert count(value) == found


def test_a_number_is_bounded_as_a_count_is():
    assert [number(value) for value in (0.5, "1e-3", 1e16, -0.1)] == [0.5, 0.001, None, None]


@pytest.mark.parametrize("levels", [0, 1, DEEPEST, DEEPEST + 1, 900])
@pytest.mark.parametrize("ends", ["[]", ('{"a":', "}")])
def test_depth_is_counted_without_running_out_of_stack(levels, ends):
    value = json.loads(ends[0] * levels + "1" + ends[1] * levels)
    assert is_deep([value, value]) == (levels > DEEPEST - 1)
    assert is_deep(value) == (levels > DEEPEST)


@given(
    before=st.text(max_size=40).map(lambda text: text * 9) | st.integers(0, 12_000).map(lambda n: "x" * n),
    cut=st.integers(14, len(KEY)),
    after=st.sampled_from(["", " ", "q" * 2_000, "\n"]),
    at_most=st.sampled_from([80, 200, LONGEST]),
    raw=st.booleans(),
)
def test_a_key_is_taken_out_before_anything_is_cut_off_properties(before, cut, after, at_most, raw):
    text = before + KEY[:cut] + after
    said = quoted(text.encode("utf-8", "replace") if raw else text, secrets=["", KEY], at_most=at_most)
    assert KEY[:8] not in said
    assert len(said) <= at_most


@pytest.mark.parametrize("spaces", range(9_900, 10_010, 7))
def test_our_own_cut_leaves_no_beginning_of_a_key(spaces):
    assert quoted(" " * spaces + KEY, secrets=[KEY]) in ("***", "")


def test_words_that_begin_as_a_key_does_stay():
    assert without("sk-VERY is how it begins", [KEY]) == "sk-VERY is how it begins"
    assert without(f"{KEY}{KEY[:20]} and {KEY}", [KEY]) == "****** and ***"
    assert without("abcabc", ["abc", "abcabcabcabcabc"]) == "******"
