"""Claims that rest on little: unequal clusters, few labels, few lists, few values. None is decided by luck alone."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import shipworthy as sw
from shipworthy.api.sizing import size
from shipworthy.estimate.arms import Context, measure
from shipworthy.estimate.lists import measure_rows
from shipworthy.estimate.scores import measure_scores
from shipworthy.gates.verdicts import Decision, Outcome, Verdict, decide
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Histogram, Histograms, Rows, Tally
from shipworthy.stats.cluster import least_design_effect
from shipworthy.stats.discrimination import (
    auc,
    auc_interval,
    average_precision,
    average_precision_influence,
    delong_variance,
    placements,
    sure_auc,
    tied_limits,
)
from shipworthy.stats.proportion import clopper_pearson
from shipworthy.stats.quantile import clustered_quantile_interval

CONTEXT = Context(evaluation="rows", minimum_group=1)
TWENTIES = np.repeat([20, 1], [20, 100])
FIFTIES = np.repeat([50, 10, 1], [8, 40, 100])
MANY = np.repeat([20, 1], [20, 400])
FIVES = np.full(40, 5)


def error(runs, share=0.05):
    """Three Monte Carlo standard errors."""
    return share + 3 * np.sqrt(share * (1 - share) / runs)


def clustered(rng, runs, sizes, rate, icc):
    """Arms of a rate, one slice for each run."""
    shape = (runs, len(sizes))
    chance = rng.random(shape) < rate if icc == 1 else rng.beta(rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1), shape)
    hits = rng.binomial(sizes, chance)
    cells = np.stack([sizes - hits, hits], axis=2).astype(float)
    tally = Tally(
        terms=((0,), (1,)), parts=("run",), keys=tuple((k,) for k in range(runs)), rows=np.full(runs, sizes.sum()),
        sums=cells.sum(axis=1), raw=cells.sum(axis=1), second=np.einsum("sgt,sgu->stu", cells, cells),
        units=np.full(runs, float(len(sizes))), largest=np.full(runs, float(sizes.max())), clustered=True,
    )  # fmt: skip
    return measure(lookup("selection_rate", "binary"), tally, CONTEXT)


@pytest.mark.parametrize("sizes", [TWENTIES, FIFTIES, MANY, FIVES], ids=["twenties", "fifties", "many", "fives"])
@pytest.mark.parametrize(("rate", "icc"), [(0.05, 0.5), (0.05, 1.0), (0.1, 0.1), (0.1, 0.5), (0.3, 0.1), (0.3, 0.5)])
def test_clusters_of_unequal_size_against_simulation(sizes, rate, icc):
    """Without a floor a sample that misses the large clusters meets claims falsely: .35 at twenties, .05 and 1."""
    runs = 2000
    low, high = clustered(np.random.default_rng(20), runs, sizes, rate, icc).gate(0.9)
    assert np.mean(high <= rate) <= error(runs)
    assert np.mean(low > rate) <= error(runs)


def test_clusters_still_decide_against_simulation():
    """The floor leaves rates alone that rest on enough clusters."""
    arms = clustered(np.random.default_rng(21), 500, np.full(150, 5), 0.1, 0.1)
    assert np.median(arms.effective) > 750 / 1.4 * 0.95
    assert np.mean(arms.gate(0.9)[1] <= 0.15) > 0.8


def test_least_design_effect_against_theory():
    sizes = np.repeat([5.0], 60)
    hits = np.repeat([5.0, 0.0], [20, 40])  # whole clusters
    assert least_design_effect(*sums(hits, sizes), 5) == pytest.approx(5)
    assert least_design_effect(*sums(sizes - hits, sizes), 5) == pytest.approx(5)
    assert least_design_effect(*sums(np.ones(60), sizes), 5) == pytest.approx(1)  # one in each: no two are alike
    assert least_design_effect(*sums(np.eye(60)[0], sizes), 5) == pytest.approx(5)  # one hit shows nothing
    assert least_design_effect(*sums(np.zeros(60), sizes), 5) == pytest.approx(5)
    assert least_design_effect(*sums(hits > 0, np.ones(60)), 1) == pytest.approx(1)
    mixed = np.repeat([20.0, 1.0], [20, 100])
    singles = np.repeat([0.0, 1.0], [20, 100])  # no large cluster was hit
    assert least_design_effect(*sums(singles, mixed), 20) == pytest.approx((mixed**2).sum() / mixed.sum())


def sums(h, c):
    return h.sum(), c.sum(), h @ h, h @ c, c @ c


@pytest.mark.parametrize(("q", "icc"), [(0.95, 1.0), (0.95, 0.5), (0.9, 0.5)])
def test_quantile_of_unequal_clusters_against_simulation(q, icc):
    rng, runs, unit = np.random.default_rng(22), 400, np.repeat(np.arange(len(TWENTIES)), TWENTIES)
    wrong = 0
    for _ in range(runs):
        x = np.sqrt(icc) * rng.normal(size=len(TWENTIES))[unit] + np.sqrt(1 - icc) * rng.normal(size=len(unit))
        wrong += clustered_quantile_interval(x, unit, q, level=0.9).high < ndtri(q)
    assert wrong / runs <= error(runs)


def scored(metric, labels, scores):
    """Arms of a score metric, one slice for each run."""
    slices = []
    for label, score in zip(labels, scores, strict=True):
        distinct, place = np.unique(score, return_inverse=True)
        positives, negatives = (np.bincount(place, label == y, len(distinct)) for y in (1, 0))
        slices.append(Histogram(score=distinct, positives=positives, negatives=negatives, binned=False))
    keys = tuple((k,) for k in range(len(slices)))
    held = np.concatenate(scores)
    histograms = Histograms(
        parts=("run",), keys=keys, rows=np.array([len(label) for label in labels]), slices=tuple(slices),
        lowest=held.min(), highest=held.max(),
    )  # fmt: skip
    return measure_scores(lookup(metric, "binary"), histograms, CONTEXT, rng=np.random.default_rng(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("area", "positives", "negatives"),
    [(0.9, 10, 100), (0.95, 20, 500), (0.9, 40, 500), (0.95, 100, 1000), (0.8, 20, 2000), (0.9, 100, 100)],
)
def test_auc_claims_against_simulation(area, positives, negatives):
    rng, runs = np.random.default_rng(23), 1500
    label = np.repeat([1.0, 0.0], [positives, negatives])
    scores = rng.normal(size=(runs, len(label))) + ndtri(area) * np.sqrt(2) * label
    arms = scored("auc", np.broadcast_to(label, scores.shape), scores)
    low, high = arms.gate(0.9)
    assert np.mean(low >= area) <= error(runs)
    assert np.mean(high < area) <= error(runs)
    assert np.isinf(low).all() == (positives < 20)
    assert (arms.gate_reasons[0] is None) == (positives >= 20)
    if positives == 100:
        assert np.mean(low >= area - 0.1) > 0.7


@pytest.mark.slow
def test_calibration_claims_against_simulation():
    """One case in twenty scores .95 and is right in .8: "at most" a little less than it is was met in .14 of samples."""
    rng, runs = np.random.default_rng(28), 300
    scores = np.where(rng.random((runs, 400)) < 0.05, 0.95, 0.05)
    labels = (rng.random((runs, 400)) < np.where(scores > 0.5, 0.8, 0.05)).astype(float)
    arms = scored("ece", labels, scores)
    truth = np.sqrt(0.05) * 0.15
    for side in (arms.gate(0.9)[0] > truth, arms.gate(0.9)[1] < truth):
        assert side.mean() <= error(runs)
    low, high = arms.limits(0.95)
    assert np.mean((low <= truth) & (truth <= high)) >= 1 - error(runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shift", "share", "n"), [(1, 0.1, 1000), (2, 0.1, 300), (2, 0.02, 1000), (2, 0.3, 300), (3, 0.1, 400)]
)
def test_average_precision_claims_against_simulation(shift, share, n):
    rng, runs = np.random.default_rng(24), 1500
    many = (rng.random(1_000_000) < share).astype(float)
    order = np.argsort(rng.normal(size=len(many)) + shift * many)
    truth = average_precision(many[order], 1 - many[order])
    labels = (rng.random((runs, n)) < share).astype(float)
    arms = scored("auprc", labels, rng.normal(size=(runs, n)) + shift * labels)
    low, high = arms.gate(0.9)
    assert np.mean(low >= truth) <= error(runs)
    assert np.mean(high < truth) <= error(runs)
    assert np.isfinite(low).mean() > 0.4


def test_average_precision_influence_against_theory():
    """The change that one more case makes, as a derivative."""
    rng = np.random.default_rng(25)
    positives, negatives = rng.integers(0, 4, 12).astype(float), rng.integers(1, 6, 12).astype(float)
    of_positive, of_negative = average_precision_influence(positives, negatives)
    start, step = average_precision(positives, negatives), 1e-6
    for b in range(12):
        one = np.eye(12)[b] * step
        if positives[b]:
            assert of_positive[b] == pytest.approx(
                (average_precision(positives + one, negatives) - start) / step, abs=1e-4
            )
        assert of_negative[b] == pytest.approx((average_precision(positives, negatives + one) - start) / step, abs=1e-4)
    assert positives @ of_positive + negatives @ of_negative == pytest.approx(0, abs=1e-12)


def sure(positives, negatives, variance=None, level=0.9):
    spread = delong_variance(positives, negatives) if variance is None else variance
    counts = {"positives": int(sum(positives)), "negatives": int(sum(negatives)), "df": np.inf}
    sides = placements(positives, negatives)
    return sure_auc(auc(positives, negatives), spread, sides, **counts, level=level)


def test_sure_auc_properties():
    spread = np.r_[np.zeros(396), np.ones(40)], np.r_[np.ones(396), np.zeros(36), np.ones(4)]  # no ties but at the top
    few = sure(*spread, variance=1e-5)  # none of 40 is misplaced
    assert few.low == pytest.approx(sure(*spread, variance=1e-9).low)
    assert sure([0, 40], [40, 0]).high == 1
    assert np.isinf(sure([0, 19], [400, 0])).all()


def test_tied_scores_against_theory():
    """Scores that are all tied decide nothing; the limits of two scores are those of a binomial share."""
    low, high = sure([40], [40])
    assert low == pytest.approx(1 - high)
    assert 0.5 - low == pytest.approx(float(clopper_pearson(0, 40, level=0.9).high) / 2, abs=0.002)
    assert tied_limits(placements(np.eye(40)[0] * 20 + 20 / 40, np.ones(40)), level=0.9) is not None
    assert tied_limits(placements(np.ones(40), np.ones(40)), level=0.9) is None
    # Perfect on two scores: 20 of 20 positives above all negatives.
    assert tied_limits(placements([0, 20], [2000, 0]), level=0.9).low == pytest.approx(0.05 ** (1 / 20), abs=0.002)
    # The upper limit of a label whose cases sit on a mass is that of the share that leaves it.
    of_share = float(clopper_pearson(3, 200, level=0.9).high)
    assert tied_limits(placements([197, 3], [10**7, 0]), level=0.9).high == pytest.approx(0.5 + of_share / 2, abs=5e-4)


MASS = np.full(50, 0.1 / 50)
COARSE = {
    "rare high among positives": ([0.95, 0.05], [1.0, 0.0]),
    "rare high among negatives": ([1.0, 0.0], [0.95, 0.05]),
    "rare high among both": ([0.96, 0.04], [0.99, 0.01]),
    "rarer": ([0.99, 0.01], [0.996, 0.004]),
    "rare on either side": ([0.01, 0.96, 0.03], [0.03, 0.96, 0.01]),
    "five, three of them rare": ([0.01, 0.01, 0.90, 0.04, 0.04], [0.03, 0.02, 0.94, 0.01, 0.0]),
    "a mass below a few continuous": (np.r_[0.9, MASS], np.r_[0.97, MASS * 0.3]),
}


@pytest.mark.slow
@pytest.mark.parametrize("scores", COARSE)
@pytest.mark.parametrize(("m", "n"), [(20, 20), (50, 500), (200, 2000)])
def test_coarse_auc_claims_against_simulation(scores, m, n):
    """Where nearly all scores are tied a claim was wrong in up to .78 of samples, and the interval covered .22."""
    rng, runs = np.random.default_rng(27), 500
    of_positives, of_negatives = (np.array(side) for side in COARSE[scores])
    truth, beyond, covered = auc(of_positives, of_negatives), np.zeros(2), 0
    for _ in range(runs):
        positives, negatives = rng.multinomial(m, of_positives), rng.multinomial(n, of_negatives)
        low, high = sure(positives, negatives)
        beyond += [low > truth + 1e-12, high < truth - 1e-12]
        value, spread = auc(positives, negatives), delong_variance(positives, negatives)
        low, high = auc_interval(value, spread, placements(positives, negatives), positives=m, negatives=n)
        covered += low - 1e-12 <= truth <= high + 1e-12
    assert (beyond / runs <= error(runs)).all()
    assert covered / runs >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("statistic", ["ndcg@20", "mrr"])
def test_list_claims_against_simulation(statistic):
    """One list in twenty is bad, and a sample without it promised too much with chance .14."""
    rng, runs, missed = np.random.default_rng(26), 400, 0
    value = {"ndcg@20": lambda place: 1 / np.log2(place + 2), "mrr": lambda place: 1 / (place + 1)}[statistic]
    truth = 0.9 + 0.05 * value(1) + 0.05 * value(19)
    for n in (20, 50):
        for _ in range(runs // 2):
            relevant = np.zeros((n, 20))
            relevant[np.arange(n), rng.choice([0, 1, 19], p=[0.9, 0.05, 0.05], size=n)] = 1
            query = np.repeat(np.arange(n), 20)
            rows = Rows(
                parts=(), keys=((),), slice=np.zeros(20 * n, dtype=int), unit=query,
                columns={"label": relevant.ravel(), "score": np.tile(-np.arange(20.0), n), "query": query * 1.0},
            )  # fmt: skip
            arms = measure_rows(lookup(statistic, "ranking"), rows, CONTEXT)
            missed += arms.gate(0.9)[0][0] >= truth
    assert missed / runs <= error(runs)


@pytest.mark.slow
def test_difference_of_means_is_not_held_by_luck(evaluate):
    """A rare bad score of one group unseen: its narrow t interval lies far from the truth, in 8 of 20 samples."""
    held = 0
    for seed in range(15):
        rng, n = np.random.default_rng(seed), 20
        frame = pd.DataFrame({
            "y": np.r_[rng.random(n) < 0.05, rng.random(n) < 0.5].astype(int),
            "score": np.r_[rng.uniform(0.02, 0.04, n), rng.uniform(0.48, 0.52, n)],
            "group": ["a"] * n + ["b"] * n,
        })  # fmt: skip
        found = evaluate(frame, metrics=["brier"], slices=["group"], label="y", score="score")
        verdict = found.judge("brier", "group", compare="difference", at_most=0.203)
        held += verdict.outcome is Outcome.BREACHED
    assert held <= 2


@pytest.mark.parametrize("events", [10, 30])
def test_calibration_claims_rest_on_enough(events):
    rng = np.random.default_rng(27)
    score = rng.uniform(0.05, 0.3, 400)
    label = np.zeros(400)
    label[np.argsort(-score + rng.normal(0, 0.2, 400))[:events]] = 1
    slope = scored("calibration_slope", [label], [score])
    assert np.isfinite(slope.gate(0.9)[0][0]) == (events >= 20)
    assert (slope.gate_reasons[0] is None) == (events >= 20)


def test_mean_residual_claims_against_simulation():
    """Events rarer than the sample can show: a t interval of residuals that are all small misses in .36 of samples."""
    rng, runs, n = np.random.default_rng(28), 300, 50
    labels = (rng.random((runs, n)) < 0.02).astype(float)
    arms = scored("calibration_in_the_large", labels, rng.uniform(0.004, 0.006, (runs, n)))
    low, high = arms.gate(0.9)
    assert np.mean(high <= 0.015) <= error(runs)
    assert np.mean(low > 0.015) <= error(runs)


def test_size_of_a_summary_against_theory(tmp_path):
    """Equalized odds holds where both of its rates do: planned apart, they would together in .65 of samples."""
    plan = """
system: {name: a}
evaluations:
  e: {data: d.csv, roles: {label: y, prediction: p}, slices: [g], population: {g: {a: 0.5, b: 0.5}}}
requirements:
  - {id: S, metric: equalized_odds_difference, across: g, at_most: 0.1, expect: 0.3, power: 0.8}
  - {id: M, metric: tpr, compare: difference, across: g, at_most: 0.1, expect: 0.3, power: 0.9}
"""
    (tmp_path / "plan.yaml").write_text(plan)
    both, one = size(tmp_path / "plan.yaml")
    assert both.cases == one.cases


@pytest.mark.parametrize("outcome", list(Outcome))
def test_minor_requirements_alone_decide_nothing(build, outcome):
    def verdict(severity, outcome):
        return Verdict(
            requirement=build.requirement(at_most=0.1, severity=severity), evaluation="e", outcome=outcome, estimate=None,
            pieces=(), needed=None, why="",
        )  # fmt: skip

    assert decide([verdict("minor", outcome)]) is Decision.UNDECIDED
    assert decide([verdict("minor", outcome), verdict("major", Outcome.MET)]) is Decision.SHIP
    assert decide([]) is Decision.UNDECIDED


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "n", "scale"), [(1.0, 300, 0.1), (1.5, 1000, 0.05)])
def test_rates_with_weights_that_go_with_the_outcome_are_not_met_by_luck_against_simulation(spread, n, scale):
    """Without room for heavy rows that a sample does not hold, the second was met falsely in 11 % of samples."""
    runs, met, rng = 250, 0, np.random.default_rng(21)
    weights = np.random.default_rng(5).lognormal(0, spread, 4_000_000)
    chance = np.minimum(scale * np.sqrt(weights), 1)
    truth = float((weights * chance).sum() / weights.sum())
    for _ in range(4):
        weight = rng.lognormal(0, spread, runs * n)
        hit = rng.random(runs * n) < np.minimum(scale * np.sqrt(weight), 1)
        told = {"run": np.repeat(np.arange(runs).astype(str), n), "hit": hit, "weight": weight}
        found = sw.evaluate(told, prediction="hit", weight="weight", slices=["run"], metrics=["selection_rate"])
        claim = found.require("selection_rate", across="run", at_most=truth)
        met += sum(piece.outcome is Outcome.MET for piece in claim.pieces)
    assert met / (4 * runs) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / (4 * runs))
