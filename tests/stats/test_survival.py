"""Kaplan-Meier and the limits of its quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import NotEstimable
from shipworthy.stats.survival import kaplan_meier, survival_quantile

# Freireich et al. (1963), as printed by Gehan (1965), Biometrika 52, table 2: weeks in remission; + is still in it.
SIX_MP = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"


def read(text):
    return [float(one.rstrip("+")) for one in text.split()], [not one.endswith("+") for one in text.split()]


def test_kaplan_meier_against_reference():
    # The same data worked out in Kleinbaum and Klein (2012), Survival Analysis, 3rd edition, chapter 2, and Collett.
    curve = kaplan_meier(*read(SIX_MP))
    assert curve.times.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.survival == pytest.approx([0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=5e-5)
    error = curve.survival * np.sqrt(curve.variance)
    assert error == pytest.approx([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], abs=5e-5)


def test_medians_against_reference():
    assert survival_quantile(*read(SIX_MP), 0.5) == (23, (13, np.inf))  # SAS LIFETEST prints 23 (13, .)
    assert survival_quantile(*read(PLACEBO), 0.5) == (8, (4, 11))  # and 8 (4, 11)


@pytest.mark.parametrize("q", [0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9])
@pytest.mark.parametrize("data", [SIX_MP, PLACEBO])
def test_quantiles_against_reference(q, data):
    survfunc = pytest.importorskip("statsmodels.duration.survfunc")
    times, ended = read(data)
    with np.errstate(all="ignore"):
        theirs = survfunc.SurvfuncRight(times, np.array(ended, dtype=int))
        low, high = theirs.quantile_ci(q, method="cloglog")
    value, ours = survival_quantile(times, ended, q)
    assert value == (theirs.quantile(q) if np.isfinite(theirs.quantile(q)) else np.inf)
    if np.isfinite(low) and np.isfinite(high):
        # Theirs are the last times inside, ours the first outside above: the same set of event times.
        curve = kaplan_meier(times, ended).times
        assert ours[0] <= low
        assert ours[1] >= high
        assert np.count_nonzero((curve >= ours[0]) & (curve < low)) <= 1
        assert np.count_nonzero((curve > high) & (curve <= ours[1])) <= 1


def test_without_censoring_it_is_the_share_that_is_left():
    values = np.random.default_rng(1).permutation(np.arange(1.0, 41.0))
    curve = kaplan_meier(values, np.ones(40, bool))
    assert curve.survival == pytest.approx(1 - curve.times / 40)
    assert survival_quantile(values, np.ones(40, bool), 0.5)[0] == 20
    assert survival_quantile(values, np.ones(40, bool), 0.9)[0] == 36


def test_intervals_against_simulation():
    rng, hits, naive, runs = np.random.default_rng(7), 0, 0, 1_500
    for _ in range(runs):
        true, until = rng.exponential(10, 40), rng.uniform(0, 25, 40)
        times, ended = np.minimum(true, until), true <= until
        _, (low, high) = survival_quantile(times, ended, 0.5)
        hits += low <= 10 * np.log(2) <= high
        naive += np.median(times[ended]) < 10 * np.log(2)
    assert 0.93 <= hits / runs <= 0.98
    assert naive / runs > 0.95  # to drop what is open would nearly always say that it is faster


def test_what_is_not_reached_is_infinite():
    assert survival_quantile([1, 2, 3], [False] * 3, 0.5) == (np.inf, (-np.inf, np.inf))
    assert survival_quantile([1, 5, 5, 5], [True, False, False, False], 0.5)[0] == np.inf
    assert survival_quantile([4], [True], 0.5) == (4, (-np.inf, np.inf))
    assert survival_quantile([0] * 9 + [1], [True] * 10, 0.5) == (0, (0, 0))  # a limit, and not the lack of one


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=30), st.floats(0.05, 0.95))
def test_quantile_properties(pairs, q):
    times, ended = zip(*pairs, strict=True)
    value, (low, high) = survival_quantile(times, ended, q)
    assert low <= value <= high
    assert low >= 0 or (low, high) == (-np.inf, np.inf)
    assert survival_quantile([10 * one for one in times], ended, q)[0] == 10 * value
    longer = [one + (not over) for one, over in pairs]  # whatever is open goes on
    assert survival_quantile(longer, ended, q)[0] >= value


def test_kaplan_meier_validates_input():
    with pytest.raises(NotEstimable):
        kaplan_meier([], [])
    for times, ended in (([1.0, -1.0], [True, True]), ([np.nan], [True]), ([np.inf], [False]), ([1.0], [True, False])):
        with pytest.raises(ValueError, match="must"):
            kaplan_meier(times, ended)
    with pytest.raises(ValueError, match="q must"):
        survival_quantile([1], [True], 1.0)
