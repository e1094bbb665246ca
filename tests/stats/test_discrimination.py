"""AUROC and average precision.

The fast code is held against a slow O(m n) implementation of the paper's formulas on random tied data, against
scikit-learn, and against pROC's results on its data set aSAH. These 113 rows are not kept here, since pROC is under the
GPL: that test runs where the data lie at ../shared/data/asah/asah.csv (columns poor, wfns, s100b, ndka, as R writes
with `write.csv(transform(pROC::aSAH, poor = as.integer(outcome == "Poor")), row.names = FALSE)`).
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from shipworthy.errors import NotEstimable
from shipworthy.stats import discrimination as d


def histogram(label, score):
    values, place = np.unique(score, return_inverse=True)
    return (
        np.bincount(place[label == 1], minlength=values.size),
        np.bincount(place[label == 0], minlength=values.size),
    )


def slow_components(label, score):
    """Every pair, one by one, as DeLong et al. write it."""
    x, y = score[label == 1], score[label == 0]
    psi = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    return psi.mean(axis=1), psi.mean(axis=0), psi.mean()


def rows(seed, n=120, levels=9):
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.4).astype(int)
    score = np.round(rng.normal(label, 1.3) * levels / 4)
    return rng, label, score


@pytest.mark.parametrize("seed", range(5))
def test_auc_and_precision_against_reference(seed):
    _, label, score = rows(seed)
    assert d.auc(*histogram(label, score)) == pytest.approx(roc_auc_score(label, score), abs=1e-14)
    assert d.average_precision(*histogram(label, score)) == pytest.approx(
        average_precision_score(label, score), abs=1e-14
    )


@pytest.mark.parametrize("seed", range(5))
def test_delong_against_theory(seed):
    _, label, score = rows(seed)
    v10, v01, area = slow_components(label, score)
    slow = v10.var(ddof=1) / v10.size + v01.var(ddof=1) / v01.size
    assert d.auc(*histogram(label, score)) == pytest.approx(area, abs=1e-14)
    assert d.delong_variance(*histogram(label, score)) == pytest.approx(slow, rel=1e-12)
    assert d.clustered_auc_variance(label, score, np.arange(label.size)) == pytest.approx(slow, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_paired_delong_against_theory(seed):
    rng, label, a = rows(seed)
    b = np.round(a + rng.normal(0, 2, a.size))
    (a10, a01, area_a), (b10, b01, area_b) = slow_components(label, a), slow_components(label, b)
    s10, s01 = np.cov(a10, b10), np.cov(a01, b01)
    covariance = s10 / a10.size + s01 / a01.size
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    result = d.paired_delong(label, a, b)
    assert (result.auc_a, result.auc_b) == pytest.approx((area_a, area_b))
    assert result.standard_error == pytest.approx(error, rel=1e-12)
    assert result.p_value == pytest.approx(2 * norm.sf(abs(area_a - area_b) / error), rel=1e-9)
    assert result.interval == pytest.approx(
        (area_a - area_b - 1.959964 * error, area_a - area_b + 1.959964 * error), abs=1e-7
    )
    assert result.units == label.size


def test_clustered_variance_against_theory():
    """Obuchowski's formula spelled out cluster by cluster."""
    rng, label, score = rows(8)
    clusters = rng.integers(0, 25, label.size)
    v10, v01, area = slow_components(label, score)
    m, n = v10.size, v01.size
    groups = np.unique(clusters)
    t10 = np.array([np.sum(v10[clusters[label == 1] == g] - area) for g in groups])
    t01 = np.array([np.sum(v01[clusters[label == 0] == g] - area) for g in groups])
    i10 = np.unique(clusters[label == 1]).size
    i01 = np.unique(clusters[label == 0]).size
    s10 = i10 / ((i10 - 1) * m) * np.sum(t10**2)
    s01 = i01 / ((i01 - 1) * n) * np.sum(t01**2)
    s11 = groups.size / (groups.size - 1) * np.sum(t10 * t01)
    expected = s10 / m + s01 / n + 2 * s11 / (m * n)
    assert d.clustered_auc_variance(label, score, clusters) == pytest.approx(expected, rel=1e-12)


def test_hanley_mcneil_against_reference():
    assert d.hanley_mcneil_se(0.893, positives=51, negatives=58) == pytest.approx(0.0325, abs=5e-5)


def test_delong_normal_limits_against_reference():
    """Normal limits of the published aSAH AUROC .731369 (.63012-.83262) bracket the logit ones as they should."""
    error = (0.83262 - 0.63012) / 2 / 1.959964
    low, high = d.logit_delong(0.731369, error**2, positives=41, negatives=72)
    assert 0.61 < low < 0.63012
    assert 0.815 < high < 0.83262


ASAH = Path(__file__).parents[2] / "../shared/data/asah/asah.csv"


@pytest.mark.skipif(not ASAH.is_file(), reason="pROC's data set aSAH is not at ../shared/data/asah/asah.csv")
def test_delong_of_subarachnoid_haemorrhage_against_reference():
    """pROC on aSAH: 41 poor and 72 good outcomes, three markers."""
    found = np.genfromtxt(ASAH, delimiter=",", names=True)
    label, results = found["poor"].astype(int), {}
    assert (label.sum(), (1 - label).sum()) == (41, 72)
    for one, other in (("wfns", "s100b"), ("wfns", "ndka"), ("ndka", "s100b")):
        results[one, other] = d.paired_delong(label, found[one], found[other])
    first = results["wfns", "s100b"]
    assert (first.auc_a, first.auc_b) == pytest.approx((0.823679, 0.731369), abs=5e-7)
    assert results["ndka", "s100b"].auc_a == pytest.approx(0.611958, abs=5e-7)
    assert first.interval == pytest.approx((0.010406, 0.174214), abs=5e-7)
    printed = {("wfns", "s100b"): (2.208984, 0.0271758), ("wfns", "ndka"): (2.797776, 0.0051456),
               ("ndka", "s100b"): (-1.390770, 0.1642952)}  # fmt: skip
    for pair, (z, p) in printed.items():
        assert results[pair].z == pytest.approx(z, abs=5e-7)
        assert results[pair].p_value == pytest.approx(p, abs=5e-8)
    error = np.sqrt(d.delong_variance(*histogram(label, found["s100b"])))
    assert 0.731369 + np.array([-1, 1]) * 1.959964 * error == pytest.approx((0.63012, 0.83262), abs=5e-6)


def test_perfect_separation_against_theory():
    low, high = d.logit_delong(1.0, 0.0, positives=10, negatives=90)
    assert (low, high) == (pytest.approx(0.025**0.1), 1.0)
    assert d.logit_delong(0.0, 0.0, positives=90, negatives=10) == pytest.approx((0.0, 1 - 0.025**0.1))
    assert d.average_precision_interval(1.0, positives=10).low == pytest.approx(0.025**0.1)


def test_average_precision_interval_against_theory():
    low, high = d.average_precision_interval(0.5, positives=100)
    assert np.log(high / (1 - high)) == pytest.approx(1.959964 / 5, rel=1e-6)
    assert low == pytest.approx(1 - high)


def test_large_histogram_is_one_pass():
    ones = np.ones(1_000_000)
    assert d.auc(ones, ones) == pytest.approx(0.5)
    assert d.delong_variance(ones, ones) == pytest.approx(1 / 6e6, rel=1e-5)


def test_validates_input():
    with pytest.raises(NotEstimable, match="at least one positive"):
        d.auc([0, 0], [1, 2])
    with pytest.raises(NotEstimable, match="two positives"):
        d.delong_variance([0, 1], [1, 2])
    with pytest.raises(NotEstimable, match="tied"):
        d.logit_delong(0.5, 0.0, positives=5, negatives=5)
    with pytest.raises(NotEstimable, match="positive case"):
        d.average_precision([0], [4])
    with pytest.raises(NotEstimable, match="alike"):
        d.paired_delong([0, 1, 0, 1], [1, 2, 3, 4], [10, 20, 30, 40])
    with pytest.raises(NotEstimable, match="10 clusters"):
        d.clustered_auc_variance([0, 1, 0, 1], [1, 2, 3, 4], [1, 1, 2, 2])
    for bad in ([-1, 2], [np.nan, 1], [np.inf, 1], [[1, 2]], [1, 2, 3]):
        with pytest.raises(ValueError, match="positives"):
            d.auc(bad, [1, 1])
    with pytest.raises(ValueError, match="label"):
        d.paired_delong([0, 2], [1, 2], [1, 2])
    with pytest.raises(ValueError, match="finite"):
        d.paired_delong([0, 1], [1, np.nan], [1, 2])
    with pytest.raises(ValueError, match="level"):
        d.logit_delong(0.7, 0.01, positives=5, negatives=5, level=1.0)


counts = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30)


@settings(max_examples=100)
@given(counts)
def test_properties(pairs):
    positives, negatives = np.array(pairs).T
    if min(positives.sum(), negatives.sum()) < 2:
        return
    area, variance = d.auc(positives, negatives), d.delong_variance(positives, negatives)
    assert 0 <= area <= 1
    assert variance >= 0
    assert d.auc(positives[::-1], negatives[::-1]) == pytest.approx(1 - area)  # a reversed score mirrors it
    assert d.auc(negatives, positives) == pytest.approx(1 - area)
    assert d.delong_variance(negatives, positives) == pytest.approx(variance)
    prevalence = positives.sum() / (positives.sum() + negatives.sum())
    assert 0 < d.average_precision(positives, negatives) <= 1
    assert d.average_precision([positives.sum()], [negatives.sum()]) == pytest.approx(prevalence)
    if 0 < area < 1 and variance > 1e-12:
        low, high = d.logit_delong(area, variance, positives=positives.sum(), negatives=negatives.sum())
        assert 0 <= low <= area <= high <= 1


def coverage(area, m, n, runs, rng):
    shift = np.sqrt(2) * norm.ppf(area)
    logit_hits = plain_hits = 0
    for _ in range(runs):
        label = np.repeat([1, 0], [m, n])
        score = rng.normal(shift * label)
        order = np.argsort(score)
        positives, negatives = label[order], 1 - label[order]
        value, variance = d.auc(positives, negatives), d.delong_variance(positives, negatives)
        low, high = d.logit_delong(value, variance, positives=m, negatives=n)
        logit_hits += low <= area <= high
        plain_hits += abs(value - area) <= 1.959964 * np.sqrt(variance)
    return logit_hits / runs, plain_hits / runs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("m", "n", "area", "logit", "plain"),
    [
        (10, 90, 0.9, 0.919, 0.854),
        (10, 90, 0.98, 0.953, 0.732),
        (20, 80, 0.9, 0.936, 0.908),
        (50, 150, 0.98, 0.934, 0.878),
    ],
)
def test_logit_delong_against_simulation(m, n, area, logit, plain):
    """Table 3.4: coverage of logit-DeLong and of plain DeLong (measured there with 4 000 runs)."""
    runs = 3000
    got_logit, got_plain = coverage(area, m, n, runs, np.random.default_rng(34))
    for got, expected in ((got_logit, logit), (got_plain, plain)):
        assert got == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) * (1 / runs + 1 / 4000)))


@pytest.mark.slow
def test_clustered_paired_delong_against_simulation():
    """Two equally good scores, 60 clusters of 5: the clustered test keeps its level, the row test does not."""
    rng = np.random.default_rng(5)
    runs, clustered, naive = 800, 0, 0
    for _ in range(runs):
        cluster = np.repeat(np.arange(60), 5)
        label = (rng.random(60) < 0.5).astype(int)[cluster]
        a = label + rng.normal(size=60)[cluster] + 0.6 * rng.normal(size=300)
        b = label + rng.normal(size=60)[cluster] + 0.6 * rng.normal(size=300)
        clustered += d.paired_delong(label, a, b, clusters=cluster).p_value < 0.05
        naive += d.paired_delong(label, a, b).p_value < 0.05
    assert clustered / runs == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / runs))
    assert naive / runs > 0.15


@pytest.mark.slow
@pytest.mark.parametrize(("positives", "negatives", "shift"), [(20, 80, 1.0), (50, 150, 2.0), (100, 900, 1.0)])
def test_average_precision_interval_against_simulation(positives, negatives, shift):
    """Binormal scores: the logit interval covers at least its level (it runs from .96 to .99, so it is cautious)."""
    rng = np.random.default_rng(29)

    def draw(factor=1):
        scores = np.r_[rng.normal(shift, 1, positives * factor), rng.normal(0, 1, negatives * factor)]
        label = np.r_[np.ones(positives * factor), np.zeros(negatives * factor)][np.argsort(scores)]
        return d.average_precision(label, 1 - label)

    truth = np.mean([draw(200) for _ in range(5)])
    draws = 1500
    intervals = [d.average_precision_interval(draw(), positives=positives) for _ in range(draws)]
    covered = np.mean([low <= truth <= high for low, high in intervals])
    assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / draws)
