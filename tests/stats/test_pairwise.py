import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from shipworthy.errors import NotEstimable
from shipworthy.stats.paired import tango
from shipworthy.stats.pairwise import bradley_terry, pairwise_accuracy, position_bias, win_rate
from shipworthy.stats.proportion import wilson

# Citations among statistics journals (Stigler 1994): Biometrika, Comm. Statist., JASA, JRSS-B.
JOURNALS = [[714, 730, 498, 221], [33, 425, 68, 17], [320, 813, 1072, 142], [284, 276, 325, 188]]


@pytest.fixture(scope="module")
def llmbar(shared_data):
    """Gold verdicts (+1 the first output is better) of all 419 pairs, and a code per prompt."""
    folder = shared_data("llmbar")
    rows = [row for file in sorted(folder.glob("*.json")) for row in json.loads(file.read_text(encoding="utf-8"))]
    prompt = np.unique([row["input"] for row in rows], return_inverse=True)[1]
    return np.array([1 if row["label"] == 1 else -1 for row in rows]), prompt


def judge(rng, gold, *, accuracy, first=0.0, tie=0.0, shape=None):
    """Verdicts in both orders of a judge that prefers the first place with chance `first`, else is right at `accuracy`."""
    shape = shape or gold.shape

    def verdict(place):
        opinion = np.where(rng.random(shape) < accuracy, gold, -gold)
        opinion = np.where(rng.random(shape) < first, place, opinion)
        return np.where(rng.random(shape) < tie, 0, opinion)

    return verdict(1), verdict(-1)


def test_pairwise_validates_input():
    for a, b in [([1, 2], [1, 1]), ([1], [1, 1]), ([[1]], [[1]]), ([np.nan], [1])]:
        with pytest.raises(ValueError, match="verdicts must be"):
            position_bias(a, b)
    with pytest.raises(NotEstimable, match="no items"):
        win_rate([], [])
    with pytest.raises(ValueError, match="gold must be"):
        pairwise_accuracy([1], [1], [0])
    with pytest.raises(ValueError, match="one code per item"):
        win_rate([1, 1], [1, 1], clusters=[1])
    with pytest.raises(NotEstimable, match="only 2 clusters"):
        win_rate([1] * 4, [1] * 4, clusters=[1, 1, 2, 2])


def test_position_bias_against_theory():
    original = np.repeat([1, 1, -1, -1], [40, 12, 3, 45])
    swapped = np.repeat([1, -1, 1, -1], [40, 12, 3, 45])
    found = position_bias(original, swapped)
    assert found.consistent.value == 0.85
    assert tuple(found.consistent.interval) == pytest.approx(tuple(wilson(85, 100)))
    assert found.bias == pytest.approx(0.09)
    assert tuple(found.interval) == pytest.approx(tuple(tango(85, 12, 3, 0)))
    assert found.first.value == pytest.approx(0.545)
    assert found.p_value < 0.05
    # swapping the names of the answers changes nothing
    assert position_bias(-swapped, -original).bias == pytest.approx(found.bias)
    # exchanging the orders turns the bias round
    assert position_bias(swapped, original).bias == pytest.approx(-found.bias)


def test_accuracy_and_wins_against_theory():
    original, swapped = np.array([1, 1, -1, 0, 1, -1]), np.array([1, -1, 1, 1, 0, -1])
    gold = np.array([1, 1, 1, 1, -1, -1])
    found = pairwise_accuracy(original, swapped, gold)
    assert found.half.value == pytest.approx((1 + 0.5 + 0.5 + 0.75 + 0.25 + 1) / 6)
    assert found.strict.value == pytest.approx(2 / 6)
    wins = win_rate(original, swapped)
    assert (wins.wins, wins.ties, wins.losses) == (3, 2, 1)
    assert wins.rate.value == pytest.approx((1 + 0.5 + 0.5 + 0.75 + 0.75 + 0) / 6)


@pytest.mark.parametrize(("first", "tie"), [(0.0, 0.0), (0.1, 0.0), (0.3, 0.0), (0.2, 0.15)])
def test_known_position_bias_against_simulation(llmbar, first, tie):
    # P(first place | no tie) exceeds the swapped order's by exactly `first`; a tie takes its share away
    gold, prompt = llmbar
    rng = np.random.default_rng(1)
    expected, hits, grouped, called = first * (1 - tie), 0, 0, 0
    for _ in range(500):
        a, b = judge(rng, gold, accuracy=0.8, first=first, tie=tie)
        found = position_bias(a, b)
        hits += found.interval.low <= expected <= found.interval.high
        called += found.p_value < 0.05
        low, high = position_bias(a, b, clusters=prompt).interval
        grouped += low <= expected <= high
    assert hits / 500 == pytest.approx(0.95, abs=0.03)
    assert grouped / 500 == pytest.approx(0.95, abs=0.03)
    assert called / 500 == pytest.approx(0.05, abs=0.03) if first == 0 else called / 500 > 0.75


@pytest.mark.parametrize("accuracy", [0.6, 0.8, 0.95])
def test_accuracy_against_simulation(llmbar, accuracy):
    gold, prompt = llmbar
    rng = np.random.default_rng(2)
    first = 0.2
    once = (1 - first) * accuracy + first / 2  # over both orders
    agreed = ((1 - first) * accuracy + first) * (1 - first) * accuracy
    hits = np.zeros(3)
    for _ in range(500):
        a, b = judge(rng, gold, accuracy=accuracy, first=first)
        found, grouped = pairwise_accuracy(a, b, gold), pairwise_accuracy(a, b, gold, clusters=prompt)
        for place, (share, truth) in enumerate([(found.half, once), (found.strict, agreed), (grouped.strict, agreed)]):
            hits[place] += share.interval.low <= truth <= share.interval.high
    assert hits[0] / 500 >= 0.95  # halves vary less than the binomial that Wilson assumes
    assert hits[1:] / 500 == pytest.approx([0.95] * 2, abs=0.03)


def test_clusters_against_simulation():
    # five pairs per prompt, on which the judge is right or wrong together
    rng = np.random.default_rng(3)
    gold, prompt = np.ones(300), np.repeat(np.arange(60), 5)
    hits = np.zeros(2)
    for _ in range(500):
        skill = np.where(rng.random(60) < 0.7, 0.95, 0.3)[prompt]
        a, b = judge(rng, gold, accuracy=skill)
        truth = 0.7 * 0.95**2 + 0.3 * 0.3**2
        for place, clusters in enumerate((None, prompt)):
            low, high = pairwise_accuracy(a, b, gold, clusters=clusters).strict.interval
            hits[place] += low <= truth <= high
    assert hits[0] / 500 < 0.85
    assert hits[1] / 500 == pytest.approx(0.95, abs=0.03)


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 0, 1])), min_size=2, max_size=30))
def test_pairwise_properties(verdicts):
    a, b = (np.array(side) for side in zip(*verdicts, strict=True))
    bias = position_bias(a, b)
    assert -1 <= bias.interval.low <= bias.bias + 1e-12
    assert bias.bias <= bias.interval.high + 1e-12 <= 1 + 1e-12
    assert 0 < bias.p_value <= 1
    for share in (bias.consistent, win_rate(a, b).rate):
        assert 0 <= share.interval.low <= share.value <= share.interval.high <= 1
    assert win_rate(a, b).rate.value + win_rate(-a, -b).rate.value == pytest.approx(1)
    order = np.random.default_rng(0).permutation(a.size)
    assert position_bias(a[order], b[order]).bias == pytest.approx(bias.bias)
    found = pairwise_accuracy(a, b, np.ones(a.size))
    assert found.strict.value <= found.half.value == pytest.approx(win_rate(a, b).rate.value)


def test_bradley_terry_validates_input():
    for wins in ([1, 2], [[1, 2]], [[[1]]], [[0, -1], [1, 0]]):
        with pytest.raises(ValueError, match="wins must be"):
            bradley_terry(wins)
    with pytest.raises(ValueError, match="reference must be"):
        bradley_terry(JOURNALS, reference=4)
    with pytest.raises(ValueError, match="shape of wins"):
        bradley_terry(JOURNALS, shown_second=[[0, 1], [1, 0]])
    for wins in ([[0, 3], [0, 0]], [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]):
        with pytest.raises(NotEstimable, match="no finite estimate"):
            bradley_terry(wins)
    with pytest.raises(NotEstimable, match=r"cannot be told apart|run away"):
        bradley_terry([[0, 5], [0, 0]], shown_second=[[0, 0], [3, 0]])


def test_bradley_terry_against_reference():
    found = bradley_terry(JOURNALS)
    assert np.round(found.ability, 5).tolist() == [0, -2.94907, -0.47957, 0.26895]
    assert np.round(found.se, 4).tolist() == [0, 0.1025, 0.0606, 0.0708]
    other = bradley_terry(JOURNALS, reference=2)
    assert other.ability - other.ability[0] == pytest.approx(found.ability)
    assert other.se[0] == pytest.approx(found.se[2])


def test_bradley_terry_with_order_against_theory():
    # against a general-purpose optimiser
    rng = np.random.default_rng(4)
    ability = np.array([0, 0.5, -0.7, 1.1])
    shown = rng.integers(20, 60, (4, 4)) * (1 - np.eye(4, dtype=int))
    first = rng.binomial(shown, expit(ability[:, None] - ability + 0.4))
    second = (shown - first).T  # wins of the player shown second

    def loss(x):
        chance = expit(np.r_[0, x[:3]][:, None] - np.r_[0, x[:3]] + x[3])
        return -(first * np.log(chance) + (shown - first) * np.log(1 - chance)).sum()

    best = minimize(loss, np.zeros(4), options={"gtol": 1e-9})
    found = bradley_terry(first, shown_second=second)
    assert np.r_[found.ability[1:], found.first] == pytest.approx(best.x, abs=1e-5)
    assert found.first_interval.low < 0.4 < found.first_interval.high


def test_bradley_terry_by_prompt_against_simulation():
    # abilities differ by prompt: the counted error is too small, the clustered one is not
    rng = np.random.default_rng(5)
    hits = np.zeros(2)
    runs = 300
    for _ in range(runs):
        shift = rng.normal(0, 1.2, 60)
        beats = rng.binomial(10, expit(shift))
        wins = np.zeros((60, 2, 2))
        wins[:, 0, 1], wins[:, 1, 0] = beats, 10 - beats
        for place, table in enumerate((wins.sum(axis=0), wins)):
            found = bradley_terry(table)
            hits[place] += found.low[1] <= 0 <= found.high[1]
    assert hits[0] / runs < 0.85
    assert hits[1] / runs == pytest.approx(0.95, abs=0.035)
