import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import NotEstimable
from shipworthy.stats.cluster import (
    cluster_wilson,
    design_effect,
    icc_anova,
    kish_design_effect,
    ratio_standard_error,
)
from shipworthy.stats.mean import mean_t
from shipworthy.stats.proportion import wilson


def moments(hits, cases):
    hits, cases = np.broadcast_arrays(hits, cases)
    terms = (hits, cases, hits**2, hits * cases, cases**2)
    return (*(term.sum(axis=-1) for term in terms), hits.shape[-1])


def intervals(hits, cases):
    """Cluster-Wilson limits per run of hits, shape (runs, units), `cases` rows in each unit."""
    p = hits.mean(axis=1) / cases
    total, units = hits.shape[1] * cases, hits.shape[1]
    deff = design_effect(p, total, ratio_standard_error(*moments(hits, cases)), cases)
    return cluster_wilson(p, total, deff, units)


def test_moments_validate_input():
    with pytest.raises(NotEstimable, match="no cases"):
        ratio_standard_error(0, 0, 0, 0, 0, 5)
    with pytest.raises(NotEstimable, match="only 1 unit"):
        ratio_standard_error(1, 2, 1, 2, 4, 1)
    with pytest.raises(ValueError, match="finite"):
        ratio_standard_error(np.nan, 2, 1, 2, 4, 3)
    with pytest.raises(ValueError, match="negative"):
        ratio_standard_error(1, -2, 1, 2, 4, 3)


def test_design_effect_validates_input():
    for p, cases, se, largest in [(1.1, 10, 0.1, 2), (0.5, -1, 0.1, 2), (0.5, 10, -0.1, 2), (0.5, 10, 0.1, 0)]:
        with pytest.raises(ValueError, match="design effect needs"):
            design_effect(p, cases, se, largest)
    with pytest.raises(NotEstimable, match="no cases"):
        design_effect(0.5, 0, 0.1, 2)
    for m, icc in [(0.5, 0.1), (5, 1.1)]:
        with pytest.raises(ValueError, match="m >= 1"):
            kish_design_effect(m, icc)


def test_cluster_wilson_validates_input():
    with pytest.raises(NotEstimable, match="only 7 clusters: "):
        cluster_wilson([0.5, 0.5], 100, 2, [20, 7])
    with pytest.raises(NotEstimable, match="no cases"):
        cluster_wilson(0.5, 0, 1, 20)
    for p, deff in [(1.2, 2), (0.5, 0.5)]:
        with pytest.raises(ValueError, match="clustered rate needs"):
            cluster_wilson(p, 100, deff, 20)


def test_icc_anova_validates_input():
    with pytest.raises(NotEstimable, match="only 1 unit"):
        icc_anova(hits=1, cases=2, squares=1, means2=0.5, cases2=4, units=1)
    with pytest.raises(NotEstimable, match="one case per unit"):
        icc_anova(hits=1, cases=2, squares=1, means2=1, cases2=2, units=2)


def test_ratio_standard_error_of_balanced_clusters_against_theory():
    # With equal cluster sizes it is the standard error of the cluster means.
    hits = np.random.default_rng(1).normal(size=40)
    expected = (hits / 5).std(ddof=1) / np.sqrt(40)
    assert ratio_standard_error(*moments(hits, 5.0)) == pytest.approx(expected, rel=1e-14)


def test_ratio_standard_error_of_unbalanced_clusters_against_theory():
    rng = np.random.default_rng(2)
    unit = np.repeat(np.arange(30), rng.integers(1, 9, size=30))
    y = rng.random(unit.size)
    residual = np.bincount(unit, weights=y - y.mean())
    expected = np.sqrt(30 / 29 * np.sum(residual**2)) / unit.size  # the sandwich formula, from rows
    actual = ratio_standard_error(*moments(np.bincount(unit, weights=y), np.bincount(unit).astype(float)))
    assert actual == pytest.approx(expected, rel=1e-12)


def test_singleton_clusters_against_theory():
    # One case per unit is no clustering: the design effect is 1 up to G / (G - 1), the limits are Wilson's with t.
    hits = np.repeat([1.0, 0.0], [30, 70])
    se = ratio_standard_error(*moments(hits, 1.0))
    assert se**2 == pytest.approx(0.3 * 0.7 / 99)
    assert design_effect(0.3, 100, se, 1) == 1
    assert cluster_wilson(0.3, 100, 1, 100) == wilson(30, 100, df=99)


def test_design_effect_at_the_edges_against_theory():
    assert design_effect([0, 1, 0.5, 0.5], 100, [0, 0, 0, 9], 5).tolist() == [5, 5, 1, 5]
    low, high = cluster_wilson(1.0, 100, design_effect(1.0, 100, 0.0, 5), 20)
    assert (low, high) == wilson(20, 20, df=19)


def test_icc_anova_against_reference():
    # Shrout and Fleiss (1979), table 2: 6 targets by 4 judges, ICC(1,1) = .17
    scores = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
    )
    hits = scores.sum(axis=1)
    icc = icc_anova(
        hits=hits.sum(), cases=24, squares=(scores**2).sum(), means2=(hits**2 / 4).sum(), cases2=6 * 16, units=6
    )
    assert round(icc, 2) == 0.17


def test_icc_anova_against_simulation():
    rng = np.random.default_rng(4)
    hits = beta_binomial(rng, rate=0.7, icc=0.3, cases=5, size=(200, 400)).astype(float)
    icc = icc_anova(
        hits=hits.sum(axis=1),
        cases=2000,
        squares=hits.sum(axis=1),
        means2=(hits**2 / 5).sum(axis=1),
        cases2=400 * 25,
        units=400,
    )
    assert icc.mean() == pytest.approx(0.3, abs=3 * icc.std() / np.sqrt(200))


def test_kish_design_effect_against_theory():
    assert kish_design_effect(5, 0.5) == 3
    assert kish_design_effect([1, 5], 0.1).tolist() == pytest.approx([1, 1.4])


def beta_binomial(rng, *, rate, icc, cases, size):
    scale = 1 / icc - 1
    return rng.binomial(cases, rng.beta(rate * scale, (1 - rate) * scale, size=size))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "icc", "units", "naive", "cr0", "by_t", "by_wilson", "bootstrap"),
    [
        (0.7, 0.5, 10, 0.697, 0.876, 0.922, 0.949, 0.898),
        (0.7, 0.1, 20, 0.903, 0.920, 0.940, 0.956, 0.921),
        (0.7, 0.5, 20, 0.740, 0.917, 0.937, 0.956, 0.912),
        (0.7, 0.5, 50, 0.735, 0.947, 0.954, 0.958, 0.954),
        (0.7, 0.5, 100, 0.741, 0.945, 0.950, 0.954, 0.945),
        (0.7, 0.5, 400, 0.747, 0.952, 0.954, 0.954, 0.936),
        (0.95, 0.5, 20, None, None, 0.753, 0.970, None),
        (0.95, 0.5, 50, None, None, 0.883, 0.915, None),
        (0.95, 0.5, 100, None, None, 0.910, 0.933, None),
    ],
)
def test_cluster_coverage_against_simulation(rate, icc, units, naive, cr0, by_t, by_wilson, bootstrap):
    """Table 3.3: rows taken as independent (Wald), cluster-robust with z, Student's t on the means of the units, ours,
    and a percentile bootstrap of the units.
    """
    runs, printed_runs, resampled = 10_000, 4000, 1000  # the table's own Monte-Carlo error counts as well
    rng = np.random.default_rng(33)
    hits = beta_binomial(rng, rate=rate, icc=icc, cases=5, size=(runs, units)).astype(float)
    means = hits / 5
    p = means.mean(axis=1)
    t, w = mean_t(p, means.std(axis=1, ddof=1), units), intervals(hits, 5)
    seen = np.isfinite(t.low)  # where every unit agrees the table's t has no width and misses
    rows = 1.959964 * np.sqrt(p * (1 - p) / (5 * units))
    sandwich = 1.959964 * means.std(axis=1) / np.sqrt(units)
    columns = [
        (naive, np.abs(p - rate) <= rows),
        (cr0, np.abs(p - rate) <= sandwich),
        (by_t, seen & (t.low <= rate) & (rate <= t.high)),
        (by_wilson, (w.low <= rate) & (rate <= w.high)),
    ]
    if bootstrap is not None:
        levels = np.arange(6)
        shares = (hits[:resampled, :, None] == levels).mean(axis=1)
        again = np.stack([rng.multinomial(units, share, size=500) @ levels for share in shares]) / (5 * units)
        low, high = np.quantile(again, [0.025, 0.975], axis=1)
        columns.append((bootstrap, (low <= rate) & (rate <= high)))
    for expected, covered in columns:
        if expected is not None:
            runs_here = 1 / covered.size + 1 / (printed_runs if covered.size == runs else 1000)
            error = np.sqrt(expected * (1 - expected) * runs_here)
            assert covered.mean() == pytest.approx(expected, abs=3 * error + 0.0005)


def test_two_versions_on_the_same_prompts_against_simulation():
    """Section 3.3, 100 prompts of 5 epochs, no difference: rows taken as independent claim one in .005 of samples,
    paired t in .052, with .41 of the unpaired standard error.
    """
    runs, rng, scale = 8000, np.random.default_rng(34), 1.0  # ICC .5
    tendency = rng.beta(0.7 * scale, 0.3 * scale, (runs, 100))
    one, two = (rng.binomial(5, tendency) / 5 for _ in range(2))
    p, q = one.mean(axis=1), two.mean(axis=1)
    naive = np.abs(p - q) > 1.959964 * np.sqrt((p * (1 - p) + q * (1 - q)) / 500)
    apart = (one - two).std(axis=1, ddof=1)
    low, high = mean_t(p - q, apart, 100)
    unpaired = np.sqrt(one.var(axis=1, ddof=1) + two.var(axis=1, ddof=1))
    for got, expected in ((naive, 0.005), ((low > 0) | (high < 0), 0.052)):
        assert got.mean() == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) * (1 / runs + 1 / 4000)))
    assert (apart / unpaired).mean() == pytest.approx(0.41, abs=0.005)


@given(
    st.lists(st.tuples(st.integers(1, 20), st.floats(0, 1)), min_size=10, max_size=60),
)
def test_cluster_wilson_properties(units):
    cases = np.array([size for size, _ in units], dtype=float)
    hits = np.array([round(size * share) for size, share in units], dtype=float)
    p, total = hits.sum() / cases.sum(), cases.sum()
    deff = design_effect(p, total, ratio_standard_error(*moments(hits, cases)), cases.max())
    assert 1 <= deff <= cases.max()
    low, high = cluster_wilson(p, total, deff, len(units))
    assert type(low) is float
    assert 0 <= low <= p <= high <= 1
    simple = wilson(hits.sum(), total)
    assert low <= simple.low + 1e-12
    assert high >= simple.high - 1e-12
    flipped = design_effect(1 - p, total, ratio_standard_error(*moments(cases - hits, cases)), cases.max())
    assert cluster_wilson(1 - p, total, flipped, len(units)) == pytest.approx((1 - high, 1 - low), abs=1e-6)
