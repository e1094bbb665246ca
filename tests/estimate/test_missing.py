"""What is missing counts either way in differences, ratios and changes too: at its worst, and not in quadrature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.estimate.arms import Context
from shipworthy.estimate.outcomes import (
    PARTS,
    STRATA,
    VERSIONS,
    measure_corrected_change,
    measure_outcome,
    term,
)
from shipworthy.estimate.pairs import against, all_pairs
from shipworthy.gates.rules import judge
from shipworthy.gates.verdicts import Outcome
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Tally
from shipworthy.plan.models import Requirement
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.ranged import Ranged, ranged_difference, ranged_ratio
from shipworthy.stats.ratio import mover_ratio

METRIC = lookup("violation_rate", "generative")
CONTEXT = Context(evaluation="e", minimum_group=5)


def tally_of(counts, names, *, units=None, cross=None) -> Tally:
    sums = np.asarray(counts, dtype=float)
    rows = sums.sum(axis=1)
    return Tally(
        terms=tuple(names),
        parts=("group",),
        keys=tuple((f"g{index}",) for index in range(len(sums))),
        rows=rows,
        sums=sums,
        raw=sums,
        second=sums[:, :, None] * np.eye(sums.shape[1]),
        units=rows if units is None else units,
        largest=np.ones(len(sums)),
        clustered=cross is not None,
        cross=cross,
    )


def arms_of(*groups):
    """Arms of groups with counts of (hits, misses, missing)."""
    tally = tally_of(groups, [term(METRIC, stratum) for stratum in STRATA])
    return measure_outcome(METRIC, tally, CONTEXT, judged=False, labelled=False)


counts = st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 100)).filter(lambda c: c[0] + c[1] >= 5)


@given(first=counts, second=counts, share=st.floats(0, 1), level=st.sampled_from([0.5, 0.9, 0.99]))
def test_limits_hold_for_every_completion_properties(first, second, share, level):
    """Fill in what is missing in any way: the interval of the filled data lies inside."""
    arms = arms_of(first, second)
    filled = [(hits + round(share * none), misses + none - round(share * none), 0) for hits, misses, none in (
        first, second)]  # fmt: skip
    other = round((1 - share) * second[2])
    filled[1] = (second[0] + other, second[1] + second[2] - other, 0)
    for compare in ("difference", "ratio"):
        for exact in (False, True):
            low, high = all_pairs(arms, compare).limits(level, exact=exact)
            inner = all_pairs(arms_of(*filled), compare)
            inner_low, inner_high = inner.limits(level, exact=exact)
            ok = ~np.isnan(inner.values) & ~np.isnan(all_pairs(arms, compare).values)
            assert (low[ok] <= inner_low[ok] + 1e-9).all()
            assert (high[ok] >= inner_high[ok] - 1e-9).all()


def test_nothing_missing_is_mover_to_the_last_bit_against_reference():
    arms = arms_of((120, 280, 0), (90, 410, 0), (30, 70, 0))
    gapped = arms_of((120, 280, 0), (90, 410, 0), (30, 70, 0), (50, 50, 5))  # another slice has gaps
    low, high = arms.limits(0.9)
    for one in (arms, gapped):
        for compare, mover in (("difference", mover_difference), ("ratio", mover_ratio)):
            found = against(one, 0, compare).limits(0.9)
            for k, index in enumerate((1, 2)):
                expected = mover(arms.values[index], (low[index], high[index]), arms.values[0], (low[0], high[0]))
                assert (found[0][k], found[1][k]) == tuple(expected)


def test_ends_add_up_and_sampling_squares_against_theory():
    a, b = Ranged(0.30, 0.40, 0.60, 0.68), Ranged(0.25, 0.30, 0.50, 0.56)
    found = ranged_difference(a, b)
    assert found.low == pytest.approx(0.40 - 0.50 - np.hypot(0.10, 0.06))
    assert found.high == pytest.approx(0.60 - 0.30 + np.hypot(0.08, 0.05))
    assert tuple(ranged_difference(b, a)) == pytest.approx((-found.high, -found.low))
    ratio, inverse = ranged_ratio(a, b), ranged_ratio(b, a)
    assert ratio.low < 0.40 / 0.50 < 0.60 / 0.30 < ratio.high
    assert (ratio.low, ratio.high) == pytest.approx((1 / inverse.high, 1 / inverse.low))


@pytest.mark.parametrize("bound", [{"compare": "difference", "at_most": 0.17}, {"compare": "ratio", "at_least": 0.7}])
@pytest.mark.parametrize("reference", [None, {"group": "g0"}])
def test_a_gap_that_the_missing_may_hide_is_not_called_closed(bound, reference):
    requirement = Requirement(id="R", metric="violation_rate", across="group", **bound)
    seen, worst = (1600, 1600, 800), [(2400, 1600, 0), (1600, 2400, 0)]
    verdict = judge(requirement, "e", [arms_of(seen, seen)], reference=reference)
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.needed is None  # more cases of this kind bring more that is missing
    assert "could turn it either way" in verdict.why
    assert judge(requirement, "e", [arms_of(*worst)], reference=None).outcome is Outcome.BREACHED
    full = (1600, 1600, 0)
    assert judge(requirement, "e", [arms_of(full, full)], reference=reference).outcome is Outcome.MET


@pytest.mark.slow
def test_a_gap_behind_missing_outcomes_is_rarely_met_against_simulation():
    """Two groups at a gap of exactly .15; what is missing hides it. Three more groups make it all pairs."""
    rng, met, runs = np.random.default_rng(3), 0, 400
    requirement = Requirement(id="R", metric="violation_rate", across="group", compare="difference", at_most=0.15)
    for _ in range(runs):
        hits = rng.binomial(2_000, [0.35, 0.20, 0.28, 0.28])
        groups = [(h, 2_000 - h, 0) for h in hits]
        gone = rng.binomial(hits[0], 0.20)  # hits of the worst group, and misses of the best
        kept = rng.binomial(2_000 - hits[1], 0.05)
        groups[0] = (hits[0] - gone, 2_000 - hits[0], gone)
        groups[1] = (hits[1], 2_000 - hits[1] - kept, kept)
        met += judge(requirement, "e", [arms_of(*groups)]).outcome is Outcome.MET
    assert met / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_the_correlation_of_shared_units_is_that_of_the_ends_against_reference():
    rng = np.random.default_rng(6)
    units = rng.multinomial(6, [0.3, 0.5, 0.2], size=(40, 2)).astype(float)  # (unit, slice, term)

    def arms(of):
        sums = of.sum(axis=0)
        return measure_outcome(
            METRIC,
            Tally(
                terms=tuple(term(METRIC, stratum) for stratum in STRATA),
                parts=("group",),
                keys=(("a",), ("b",)),
                rows=sums.sum(axis=1),
                sums=sums,
                raw=sums,
                second=np.einsum("ust,usv->stv", of, of),
                units=np.full(2, 40.0),
                largest=np.full(2, 6.0),
                clustered=True,
                cross=np.einsum("ust,urv->strv", of, of),
            ),
            CONTEXT,
            judged=False,
            labelled=False,
        )

    filled = units.copy()
    filled[:, 0, 1] += filled[:, 0, 2]  # the first slice's missing are misses, the second's hits
    filled[:, 1, 0] += filled[:, 1, 2]
    filled[:, :, 2] = 0
    found, expected = arms(units), arms(filled)
    assert found.correlation[0, 1] == pytest.approx(expected.correlation[0, 1])
    lows = [all_pairs(one, "difference").limits(0.9, exact=True)[0][0] for one in (found, expected)]
    assert lows[0] == pytest.approx(lows[1])
    highs = [all_pairs(one, "ratio").limits(0.9)[1][1] for one in (found, expected)]
    assert highs[0] == pytest.approx(highs[1])


# ---- two versions of which a judge's word is corrected --------------------------------------------------------------

NAMES = [(version, term(METRIC, stratum, part)) for version in VERSIONS for part in PARTS for stratum in STRATA]


def change_of(truths, verdicts, labelled):
    """Corrected change between two versions from rows: truths, verdicts (1, 0, -1: none) and labelled, each (2, n)."""
    terms = []
    for truth, verdict, seen in zip(truths, verdicts, labelled, strict=True):
        where = [verdict == 1, verdict == 0, verdict == -1]
        terms += where + [w & seen for w in where] + [w & seen & truth for w in where]
    rows = np.stack(terms, axis=1).astype(float)
    sums = rows.sum(axis=0)[None, :]
    n = np.array([float(rows.shape[0])])
    tally = Tally(
        terms=tuple(NAMES), parts=(), keys=((),), rows=n, sums=sums, raw=sums, second=(rows.T @ rows)[None], units=n,
        largest=np.ones(1),
    )  # fmt: skip
    return measure_corrected_change(METRIC, tally, CONTEXT, baseline="old")


def drawn(rng, n, rho, *, errs=0.05, labels=400):
    """Two versions with a rate of .5 whose outcomes on the same cases have correlation rho."""
    old = rng.random(n) < 0.5
    new = np.where(rng.random(n) < (1 + rho) / 2, old, ~old)
    truths = np.stack([old, new])
    verdicts = (truths ^ (rng.random(truths.shape) < errs)).astype(int)
    return truths, verdicts, rng.random(truths.shape) < labels / n


def test_answers_that_nobody_looked_at_are_taken_at_their_worst_in_both_versions():
    rng = np.random.default_rng(2)
    truths, verdicts, _ = drawn(rng, 2_000, 0.0)
    verdicts[:, :573] = -1
    found = change_of(truths, verdicts, verdicts != -1).estimates(0.95)[0]
    assert found.low < found.value - 573 / 2_000 < found.value + 573 / 2_000 < found.high


def test_versions_of_which_one_loses_what_the_other_gains_have_wider_limits():
    rng = np.random.default_rng(4)
    alike = change_of(*drawn(rng, 2_000, 0.9))
    apart = change_of(*drawn(rng, 2_000, -0.9))
    width = [float(np.ptp([side[0] for side in arms.limits(0.9)])) for arms in (alike, apart)]
    assert width[1] > 1.1 * width[0]


@pytest.mark.slow
@pytest.mark.parametrize("rho", [-1.0, -0.5, 0.0, 0.8])
def test_a_change_is_falsely_met_no_more_than_declared_against_simulation(rho):
    """Where one version loses what the other gains, limits as of different cases erred in 12 % of runs."""
    rng, runs = np.random.default_rng(9), 1_500
    limits = np.array([np.ravel(change_of(*drawn(rng, 2_000, rho, errs=0.02)).gate(0.9)) for _ in range(runs)])
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert np.mean(limits[:, 1] < 0) <= allowed
    assert np.mean(limits[:, 0] > 0) <= allowed


def test_a_missing_outcome_of_a_cluster_never_narrows_an_interval():
    """No hit among 12 clusters of 6. One hit shows that cases of a cluster differ; what may be a hit shows nothing."""
    names = [term(METRIC, stratum) for stratum in STRATA]
    units = np.array([[[0, 6, 0]] * 12, [[0, 6, 0]] * 11 + [[0, 5, 1]], [[0, 6, 0]] * 11 + [[1, 5, 0]]], dtype=float)
    sums, second = units.sum(axis=1), np.einsum("sut,suv->stv", units, units)
    tally = replace(
        tally_of(sums, names, units=np.full(3, 12.0)), second=second, largest=np.full(3, 6.0), clustered=True
    )
    arms = measure_outcome(METRIC, tally, CONTEXT, judged=False, labelled=False)
    for limits in (arms.limits, arms.gate):
        high = limits(0.95)[1]
        assert high[1] >= high[0]
        assert high[1] >= high[2]
    assert arms.limits(0.95)[1][1] == pytest.approx(arms.limits(0.95)[1][0])
