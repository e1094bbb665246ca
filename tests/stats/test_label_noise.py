import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import NotEstimable
from shipworthy.stats.judged import strat_mover
from shipworthy.stats.label_noise import consensus_labels, measured_noise, noise_bounds, symmetric_noise

RUNS = 2000


def judged_and_labelled(rng, rate, missed, alarmed, *, labels=200, twice=100, others=2000):
    """Single labels and, on `twice` of them, second labels: the corrected rate, and the rate of disagreement."""
    cells = np.array([[rate * 0.9, (1 - rate) * 0.05], [rate * 0.1, (1 - rate) * 0.95]])
    said = np.array([1 - missed, alarmed])
    rest = rng.multinomial(others, cells.ravel(), size=RUNS).reshape(RUNS, 2, 2)
    once, both = (
        rng.multinomial(size, cells.ravel(), size=RUNS).reshape(RUNS, 2, 2) for size in (labels - twice, twice)
    )
    first = rng.binomial(both, said)
    second_yes, second_no = rng.binomial(first, said), rng.binomial(both - first, said)
    positives = (rng.binomial(once, said) + first).sum(axis=2)
    differ = (first - second_yes + second_no).sum(axis=2)
    judged = (rest + once + both).sum(axis=2)
    single = strat_mover(judged, (once + both).sum(axis=2), positives, working=[1, 0])
    return single, strat_mover(judged, both.sum(axis=2), differ, working=[0, 0])


def covers(interval, truth):
    return np.mean((interval.low <= truth) & (truth <= interval.high))


@pytest.mark.parametrize(("rate", "noise"), [(0.5, 0.05), (0.8, 0.05), (0.9, 0.05), (0.95, 0.05), (0.8, 0.1)])
def test_symmetric_noise_against_simulation(rate, noise):
    single, differ = judged_and_labelled(np.random.default_rng(1), rate, noise, noise)
    estimate, interval = symmetric_noise(single, differ)
    assert covers(interval, rate) >= 0.945
    assert np.mean(estimate) == pytest.approx(rate, abs=0.005)
    if rate > 0.5:
        assert covers(single.interval, rate) < 0.8  # labels taken at their word
    assert covers(noise_bounds(single, differ), rate) >= 0.99


@pytest.mark.parametrize(("rate", "missed", "alarmed"), [(0.8, 0.1, 0.0), (0.8, 0.0, 0.1), (0.9, 0.08, 0.02)])
def test_one_sided_noise_against_simulation(rate, missed, alarmed):
    rng = np.random.default_rng(2)
    single, differ = judged_and_labelled(rng, rate, missed, alarmed)
    assert covers(noise_bounds(single, differ), rate) >= 0.99
    positives, negatives = np.full(RUNS, 60), np.full(RUNS, 60)
    estimate, interval = measured_noise(
        single,
        missed=rng.binomial(positives, missed),
        true_positives=positives,
        false_alarms=rng.binomial(negatives, alarmed),
        true_negatives=negatives,
    )
    assert covers(interval, rate) >= 0.94
    assert np.mean(estimate) == pytest.approx(rate, abs=0.005)
    if 0 in (missed, alarmed):  # the wrong assumption is the wrong answer
        assert covers(symmetric_noise(single, differ)[1], rate) < 0.9


def test_noise_against_theory():
    # no noise, known for certain, changes nothing
    single = strat_mover([1500, 500], [60, 40], [58, 10])
    sure = strat_mover([1500, 500], [1500, 500], [0, 0], finite=True)
    for estimate, interval in [symmetric_noise(single, sure), (single.estimate, noise_bounds(single, sure))]:
        assert estimate == pytest.approx(single.estimate)
        assert tuple(interval) == pytest.approx(tuple(single.interval), abs=1e-9)
    # two populations of answers that the same raters cannot tell apart: both ends of the ridge fit exactly
    for theta, missed, alarmed in [(0.8, 0.1, 0.0), (0.8, 0.0, 0.1)]:
        p = theta * (1 - missed) + (1 - theta) * alarmed
        d = 2 * (theta * missed * (1 - missed) + (1 - theta) * alarmed * (1 - alarmed))
        ends = 1 - (1 - p) ** 2 / (1 - p - d / 2), p**2 / (p - d / 2)
        assert theta == pytest.approx(ends[alarmed == 0])


def test_noise_validates_input():
    single = strat_mover([1500, 500], [60, 40], [58, 10])
    with pytest.raises(NotEstimable, match="hardly better than chance"):
        symmetric_noise(single, strat_mover([100], [100], [50]))
    with pytest.raises(NotEstimable, match="hardly better than chance"):
        measured_noise(single, missed=10, true_positives=20, false_alarms=9, true_negatives=20)
    with pytest.raises(NotEstimable, match="no cases"):
        measured_noise(single, missed=0, true_positives=0, false_alarms=9, true_negatives=20)
    with pytest.raises(NotEstimable, match="leaves the rate open"):
        symmetric_noise(strat_mover([5, 5], [2, 0], [1, 0]), strat_mover([100], [100], [5]))


@given(st.data())
def test_noise_properties(data):
    n = data.draw(st.integers(20, 200))
    k, d = data.draw(st.integers(0, n)), data.draw(st.integers(0, n // 4))
    single, differ = strat_mover([1000], [n], [k]), strat_mover([1000], [n], [d])
    estimate, interval = symmetric_noise(single, differ)
    assert 0 <= interval.low <= estimate <= interval.high <= 1
    bounds = noise_bounds(single, differ)
    assert 0 <= bounds.low <= bounds.high <= 1
    mirrored = noise_bounds(strat_mover([1000], [n], [n - k]), differ)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx(tuple(bounds), abs=1e-9)


@pytest.mark.slow
def test_consensus_labels_against_simulation():
    # three raters of unequal skill per labelled item; their errors are estimated on the same 150 items
    rng = np.random.default_rng(3)
    rate, runs, hits = 0.85, 60, np.zeros(3)
    for _ in range(runs):
        truth = rng.random(1200) < rate
        verdict = np.where(rng.random(1200) < 0.9, truth, ~truth)
        rated = np.where(rng.random((150, 3)) < [0.95, 0.85, 0.75], truth[:150, None], ~truth[:150, None])
        judged = np.array([verdict.sum(), (~verdict).sum()])
        strata = np.where(verdict[:150], 0, 1)
        found = consensus_labels(np.stack([~rated, rated], axis=2), strata, judged)
        worst = np.bincount(strata, rated[:, 2], minlength=2)
        for place, (positives, options) in enumerate(
            [(found.positives, {"deff": found.deff, "df": found.df}), (found.positives, {}), (worst, {})]
        ):
            low, high = strat_mover(judged, found.labelled, positives, **options).interval
            hits[place] += low <= rate <= high
    aware, blind, single = hits / runs
    assert aware >= 0.9
    assert blind < 0.88
    assert single < 0.1


def test_consensus_labels_validates_input():
    votes = np.tile([[[1, 0]] * 3, [[0, 1]] * 3], (30, 1, 1))
    with pytest.raises(ValueError, match="shape"):
        consensus_labels(votes[:, :, :1], [0] * 60, [100])
    with pytest.raises(ValueError, match="strata must be"):
        consensus_labels(votes, [5] * 60, [100])
    with pytest.raises(NotEstimable, match="only 60 items"):
        consensus_labels(votes, [0] * 60, [100], groups=40)
    with pytest.raises(NotEstimable, match="verdict has no labels"):
        consensus_labels(votes, [0] * 60, [100, 5])
    # raters that never differ are simply labels
    found = consensus_labels(np.random.default_rng(4).permutation(votes), [0, 1, 1, 0] * 15, [100, 200])
    assert found.labelled.tolist() == [30, 30]
    assert found.positives.sum() == pytest.approx(30, abs=1e-6)
    assert 1 <= found.deff < 2
