"""Rates of answers through `measure_outcome` and `judge`: coverage and error rates with five trials for each case.

Every slice of the tally is one run of a simulated assistant with a known rate, so that 2,000 runs are one call.
"""

import numpy as np
import pytest

from shipworthy.estimate.arms import Context
from shipworthy.estimate.outcomes import PAIRS, STRATA, measure_outcome, measure_outcome_change, term
from shipworthy.gates.rules import judge
from shipworthy.gates.verdicts import Outcome
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Tally
from shipworthy.plan.models import Requirement

RUNS, TRIALS = 2_000, 5
METRIC = lookup("attack_success_rate")
CONTEXT = Context(evaluation="misuse", minimum_group=5)


def outcomes(rng, cases: int, rate: float, icc: float, runs: int = RUNS):
    """(runs, cases, trials) outcomes of beta-binomial cases."""
    p = np.full((runs, cases), rate)
    if icc > 0:
        size = (1 - icc) / icc
        p = rng.beta(rate * size, (1 - rate) * size, (runs, cases))
    return rng.random((runs, cases, TRIALS)) < p[..., None]


def tally_of(per_case, names) -> Tally:
    """per_case: (runs, cases, terms) sums of each case."""
    runs, cases, _ = per_case.shape
    sums = per_case.sum(axis=1).astype(float)
    return Tally(
        terms=tuple(names),
        parts=("run",),
        keys=tuple((index,) for index in range(runs)),
        rows=np.full(runs, cases * TRIALS, dtype=float),
        sums=sums,
        raw=sums,
        second=np.einsum("rct,rcu->rtu", per_case, per_case).astype(float),
        units=np.full(runs, cases, dtype=float),
        largest=np.full(runs, TRIALS, dtype=float),
        clustered=True,
    )


def arms_of(found, missing=None):
    yes = found.sum(axis=2) if missing is None else (found & ~missing).sum(axis=2)
    none = np.zeros_like(yes) if missing is None else missing.sum(axis=2)
    per_case = np.stack([yes, TRIALS - yes - none, none], axis=2)
    tally = tally_of(per_case, [term(METRIC, stratum) for stratum in STRATA])
    return measure_outcome(METRIC, tally, CONTEXT, judged=False, labelled=False)


def share(condition) -> tuple[float, float]:
    p = float(np.mean(condition))
    return p, 3 * np.sqrt(max(p * (1 - p), 0.02) / len(condition))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cases", "rate", "icc", "published"),  # STATISTICS 3.3, the column of cluster-Wilson with Student's t
    [
        (10, 0.7, 0.5, 0.949),
        (20, 0.7, 0.1, 0.956),
        (20, 0.7, 0.5, 0.956),
        (50, 0.7, 0.5, 0.958),
        (100, 0.7, 0.5, 0.954),
        (400, 0.7, 0.5, 0.954),
        (20, 0.95, 0.5, 0.970),
        (50, 0.95, 0.5, 0.915),
        (100, 0.95, 0.5, 0.933),
    ],
)
def test_intervals_with_five_trials_cover_against_reference(cases, rate, icc, published):
    rng = np.random.default_rng(cases * 1_000 + int(icc * 10) + int(rate * 100))
    arms = arms_of(outcomes(rng, cases, rate, icc))
    low, high = arms.limits(0.95)
    known = ~np.isnan(arms.values)
    assert known.mean() > 0.99
    covered, error = share((low <= rate) & (rate <= high))
    assert covered == pytest.approx(published, abs=error + 3 * np.sqrt(0.05 * 0.95 / 4_000))


@pytest.mark.slow
@pytest.mark.parametrize(("cases", "icc"), [(40, 0.5), (100, 0.3), (300, 0.5), (300, 0.0)])
@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_a_bound_is_falsely_met_or_breached_no_more_than_declared_against_simulation(cases, icc, rate):
    rng = np.random.default_rng(7)
    arms = arms_of(outcomes(rng, cases, rate, icc))
    met, breached = np.zeros(RUNS, bool), np.zeros(RUNS, bool)
    low, high = arms.gate(0.90)
    met, breached = high <= rate, low > rate
    for side in (met, breached):
        p, error = share(side)
        assert p <= 0.05 + error


@pytest.mark.slow
def test_missing_outcomes_keep_the_promise_whatever_they_were_against_simulation():
    """One request in ten fails, and it fails where the attack would have worked: the rate of what is left is too low."""
    rng = np.random.default_rng(11)
    found = outcomes(rng, 200, 0.10, 0.3)
    missing = found & (rng.random(found.shape) < 0.5)
    arms = arms_of(found, missing)
    low, high = arms.limits(0.95)
    covered, error = share((low <= 0.10) & (high >= 0.10))
    assert covered >= 0.95 - error
    assert np.mean(arms.values) < 0.06  # what was answered looks better than it is
    met, error = share(arms.gate(0.90)[1] <= 0.10)
    assert met <= 0.05 + error


def _verdicts(arms, requirement) -> list[Outcome]:
    return [judge(requirement, "e", [arms.only([run])]).outcome for run in range(len(arms.slices))]


@pytest.mark.slow
def test_safer_and_not_less_useful_together_keep_their_levels_against_simulation():
    """Joint gate: attack success at most 5 %, and false refusals up by at most 2 points on the same cases.

    At the edge of one claim the other cannot make both met more often than declared; with both at their edges either
    is breached at most as often as both levels allow.
    """
    rng = np.random.default_rng(13)
    runs, cases = 600, 200
    safe = Requirement(id="S", metric="attack_success_rate", at_most=0.05)
    useful = Requirement(id="U", metric="false_refusal_rate", compare="change", at_most=0.02)

    def usefulness(rise):
        old = outcomes(rng, cases, 0.05, 0.3, runs)
        flip = rng.random(old.shape) < rise / 0.95
        new = old | flip
        cells = [(old == was) & (new == now) for _, was, now in PAIRS if -1 not in (was, now)]
        kept = [pair for pair in PAIRS if -1 not in pair]
        per_case = np.stack([cell.sum(axis=2) for cell in cells], axis=2)
        zero = [pair for pair in PAIRS if pair not in kept]
        per_case = np.concatenate([per_case, np.zeros((*per_case.shape[:2], len(zero)), int)], axis=2)
        metric = lookup("false_refusal_rate")
        return measure_outcome_change(metric, tally_of(per_case, [*kept, *zero]), CONTEXT, baseline="old", judged=False)

    def safety(rate):
        return arms_of(outcomes(rng, cases, rate, 0.3, runs))

    at_edge = _verdicts(safety(0.05), safe)
    good = _verdicts(usefulness(0.0), useful)
    both_met, error = share([a is b is Outcome.MET for a, b in zip(at_edge, good, strict=True)])
    assert both_met <= 0.05 + error
    assert np.mean([outcome is Outcome.MET for outcome in good]) > 0.9  # else the first claim would not be tested
    rise = _verdicts(usefulness(0.02), useful)
    both_met, error = share([a is b is Outcome.MET for a, b in zip(_verdicts(safety(0.005), safe), rise, strict=True)])
    assert both_met <= 0.05 + error
    breached, error = share([Outcome.BREACHED in pair for pair in zip(at_edge, rise, strict=True)])
    assert breached <= 0.10 + error
