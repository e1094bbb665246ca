from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.estimate.estimates import Estimate
from shipworthy.present import numbers


def estimate(**changes: object) -> Estimate:
    given: dict[str, object] = {
        "evaluation": "e",
        "metric": "fpr",
        "slice": {},
        "value": 805 / 1795,
        "low": 0.42559,
        "high": 0.47156,
        "level": 0.95,
        "n": 1795,
        "effective_n": 1795.0,
        "method": "wilson",
    }
    return Estimate(**(given | changes))


def test_estimate_against_reference():
    it = estimate()
    assert numbers.estimate(it) == "44.8 % (42.6 to 47.2)"
    assert numbers.estimate(it, named=True, n=True) == "FPR 44.8 % (42.6 to 47.2), n = 1,795"
    gap = estimate(compare="difference", value=0.2139, low=-0.1821, high=0.245)
    assert numbers.estimate(gap) == "+21.4 points (−18.2 to +24.5)"
    assert numbers.estimate(estimate(compare="ratio", value=1.9124, low=1.721, high=2.124)) == "1.91 (1.72 to 2.12)"
    assert numbers.estimate(estimate(metric="auc", value=0.7022, low=0.6903, high=0.7138)) == "0.702 (0.690 to 0.714)"
    assert (
        numbers.estimate(estimate(metric="mae", value=12345.678, low=12000.0, high=12700.0))
        == "12,346 (12,000 to 12,700)"
    )
    assert numbers.estimate(estimate(value=0.004, low=0.001, high=0.009)) == "0.40 % (0.10 to 0.90)"


def test_estimate_without_limits_against_reference():
    assert numbers.estimate(estimate(value=None, low=None, high=None, reason="no negatives")) == "unknown: no negatives"
    assert numbers.estimate(estimate(low=None, high=None)) == "44.8 % (no interval)"
    assert numbers.estimate(estimate(low=None)) == "44.8 % (no lower limit, up to 47.2)"
    assert numbers.estimate(estimate(high=math.inf)) == "44.8 % (from 42.6, no upper limit)"


def test_counts_and_bounds_against_reference():
    assert numbers.count(1795) == "1,795"
    assert numbers.count(None) == "–"
    assert numbers.about(1134) == "about 1,200"
    assert numbers.about(7) == "about 7"
    assert numbers.bound_value(0.05, "fpr", "difference") == "5 points"
    assert numbers.bound_value(0.8, "selection_rate", "ratio") == "0.8"
    assert numbers.bound_value(0.1 + 0.2, "fpr") == "30 %"
    assert numbers.level(0.95) == "95 %"
    assert numbers.probability(0.00001) == "p < 0.001"
    assert numbers.probability(0.0321) == "p = 0.032"


@given(st.floats(-1, 1))
def test_no_negative_zero_properties(value):
    text = numbers.value(value, "fpr", "difference")
    digits = text.removesuffix(" points").lstrip("+−").strip("0.")
    assert digits or text[0] not in "+−"


@given(st.integers(1, 10**9))
def test_rounded_properties(n):
    rounded = int(numbers.rounded(n).replace(",", ""))
    assert n <= rounded <= n * 1.1 + 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_number_is_written_for_what_is_none_validates_input(bad):
    assert numbers.value(bad, "fpr") == "– %"
    assert numbers.count(bad) == "–"


def answered(**changes: object) -> Estimate:
    given: dict[str, object] = {
        "evaluation": "e",
        "metric": "leak_rate",
        "slice": {},
        "value": 0.02,
        "low": 0.01,
        "high": 0.04,
        "level": 0.95,
        "n": 400,
        "effective_n": 120.0,
        "method": "wilson",
    }
    return Estimate(**(given | changes))


def test_an_estimate_that_rests_on_a_judge_says_so():
    assert numbers.estimate(answered()) == "2.0 % (1.0 to 4.0)"
    assert numbers.estimate(answered(method="wilson, judge uncorrected")) == "2.0 % (1.0 to 4.0; judge uncorrected)"
    assert numbers.estimate(answered(method="strat-mover")) == "2.0 % (1.0 to 4.0; judge corrected with 120 labels)"
    change = answered(method="mover on strat-mover", compare="change", baseline="b")
    assert numbers.judged(change) == "judge corrected with 120 labels a version or more"
    assert numbers.judged(answered(method="strat-mover", effective_n=None)) == "judge corrected with labels"
    assert numbers.judged(answered(method=None)) == ""


def test_latencies_are_written_in_milliseconds_and_said_in_seconds():
    slow = answered(metric="latency_p95", value=1292.4, low=1240.0, high=1351.0)
    assert numbers.estimate(slow) == "1,292 ms (1,240 to 1,351)"
    assert numbers.bound_value(2000, "latency_p95") == "2,000 ms"
    assert [numbers.duration(ms) for ms in (43.2, 1292, 75_000)] == ["43 ms", "1.3 s", "75 s"]


def test_a_limit_does_not_look_like_the_bound_that_it_misses():
    assert numbers.value(-0.0204, "brier", "change") == f"{numbers.MINUS}0.020"
    assert numbers.value(-0.0204, "brier", "change", apart=-0.02) == f"{numbers.MINUS}0.0204"
    assert numbers.value(0.80004, "tpr", apart=0.8) == "80.004 %"
    assert numbers.value(0.8, "tpr", apart=0.8) == "80.0 %"
    assert numbers.value(0.81, "tpr", apart=0.8) == "81.0 %"
