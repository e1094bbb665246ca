from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2_contingency, norm
from scipy.stats import studentized_range as scipy_range

from shipworthy.errors import NotEstimable
from shipworthy.stats import disparity as d
from shipworthy.stats.cluster import cluster_wilson, design_effect
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.power import n_for_ratio_groups, power_equal_groups
from shipworthy.stats.proportion import wilson
from shipworthy.stats.ratio import mover_ratio

OFF = {k: ~np.eye(k, dtype=bool) for k in (2, 4, 6, 10, 20, 40)}


def pairs(bound, x, n, level):
    """Limits for all ordered pairs, shape (runs, groups, groups)."""
    return ordered(bound, x / n, wilson(x, np.broadcast_to(n, x.shape), level=level))


def ordered(bound, p, limits):
    low, high = limits
    return bound(p[:, :, None], (low[:, :, None], high[:, :, None]), p[:, None, :], (low[:, None, :], high[:, None, :]))


def draw(rates, n, runs, rng):
    return rng.binomial(n, rates, size=(runs, len(rates))).astype(float)


def difference_gate(x, n, limit, alpha=0.05):
    """(PASS, FAIL) per run: intersection-union PASS, studentized-range FAIL."""
    groups = x.shape[1]
    highs = pairs(mover_difference, x, n, 1 - 2 * alpha).high
    lows = pairs(mover_difference, x, n, d.simultaneous_level(groups, 1 - alpha)).low
    off = OFF[groups]
    return np.all((highs < limit)[:, off], axis=1), np.any((lows > limit)[:, off], axis=1)


def ratio_gate(x, n, limit, alpha=0.05):
    groups = x.shape[1]
    lows = pairs(mover_ratio, x, n, 1 - 2 * alpha).low
    highs = pairs(mover_ratio, x, n, d.simultaneous_level(groups, 1 - alpha)).high
    off = OFF[groups]
    return np.all((lows > limit)[:, off], axis=1), np.any((highs < limit)[:, off], axis=1)


def near(got, expected, runs, reference_runs):
    """Three standard errors of the difference of two simulations, plus half a unit of the printed third digit."""
    spread = max(expected * (1 - expected), 0.001)
    return abs(got - expected) <= 3 * np.sqrt(spread * (1 / runs + 1 / reference_runs)) + 0.0005


def test_studentized_range_against_reference():
    assert d.studentized_range(3, 0.95) == pytest.approx(3.314, abs=6e-4)
    assert d.studentized_range(10, 0.95) == pytest.approx(4.474, abs=6e-4)
    for groups, level in ((2, 0.9), (7, 0.99), (100, 0.5)):
        expected = scipy_range.ppf(level, groups, np.inf)
        assert d.studentized_range(groups, level) == pytest.approx(expected, abs=1e-6)
    # Demsar (2006): critical difference of mean ranks, 4 classifiers on 14 data sets.
    assert d.studentized_range(4, 0.95) / np.sqrt(2) * np.sqrt(4 * 5 / (6 * 14)) == pytest.approx(1.25, abs=0.005)


def test_studentized_range_against_simulation():
    rng = np.random.default_rng(1)
    widths = np.ptp(rng.normal(size=(20_000, 200)), axis=1)
    assert np.mean(widths <= d.studentized_range(200, 0.9)) == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / 20_000))


def test_levels_against_theory():
    assert d.simultaneous_level(2, 0.95) == pytest.approx(0.95, abs=1e-10)
    assert norm.ppf((1 + d.simultaneous_level(10, 0.95)) / 2) == pytest.approx(4.4741242 / np.sqrt(2), abs=1e-6)
    assert d.dunnett_level(2, 0.95) == pytest.approx(0.95, abs=1e-10)
    assert d.dunnett_level(6, 0.95, 0.0) == pytest.approx(0.95 ** (1 / 5), abs=1e-10)  # Sidak


def test_dunnett_against_reference():
    """Dunnett (1964), two-sided .05, infinite degrees of freedom: 2.21, 2.35, 2.44, 2.51 for 2-5 treatments."""
    got = [norm.ppf((1 + d.dunnett_level(groups, 0.95)) / 2) for groups in (3, 4, 5, 6)]
    assert got == pytest.approx([2.21, 2.35, 2.44, 2.51], abs=0.006)


def test_chi2_against_reference():
    x, n = np.array([30, 44, 12]), np.array([200, 250, 120])
    expected = chi2_contingency([x, n - x], correction=False)
    assert d.chi2_omnibus(x, n) == pytest.approx((expected.statistic, 2, expected.pvalue))


def test_variance_against_theory():
    """Exact expectation over all outcomes of three groups of 2, 3 and 4 cases equals the true variance of their
    rates.
    """
    n, rates = np.array([2, 3, 4]), np.array([0.2, 0.5, 0.9])
    mean = sum(
        np.prod(binom.pmf(x, n, rates)) * d.between_group_variance(np.array(x), n)
        for x in product(range(3), range(4), range(5))
    )
    assert mean == pytest.approx(np.var(rates, ddof=1), abs=1e-12)


def test_shrink_against_theory():
    assert d.shrink([5, 5], [10, 10]) == pytest.approx([0.5, 0.5])
    assert d.shrink([0, 10, 0], [10, 10, 0])[2] == pytest.approx(0.5)
    # Only between-cell variance: nothing is shrunk.
    assert d.shrink([0, 1000], [1000, 1000]) == pytest.approx([0.0, 1.0], abs=0.01)
    with pytest.raises(NotEstimable, match="two non-empty"):
        d.shrink([1, 0], [2, 0])


group_counts = st.lists(
    st.integers(2, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=12
)


@settings(max_examples=60)
@given(group_counts, st.integers(0, 2**32 - 1))
def test_properties(groups, seed):
    x, n = np.array(groups).T
    mirrored = d.between_group_variance(n - x, n)
    assert mirrored == pytest.approx(d.between_group_variance(x, n), abs=1e-12)
    assert d.between_group_sd(x, n) >= 0
    observed, null_mean, p_value = d.permutation_range(x, n, rng=np.random.default_rng(seed), draws=50)
    assert 1 / 51 <= p_value <= 1
    assert 0 <= null_mean <= 1
    assert observed == pytest.approx(np.ptp(x / n))
    low, high = d.between_group_sd_interval(x, n, rng=np.random.default_rng(seed), draws=50)
    assert 0 <= low <= high
    again = d.between_group_sd_interval(x, n, rng=np.random.default_rng(seed), draws=50)
    assert (low, high) == again
    cells = d.shrink(x, n)
    overall = x.sum() / n.sum()
    assert np.all((cells - overall) * (x / n - overall) >= -1e-12)  # towards the overall rate, never past it
    assert np.all(np.abs(cells - overall) <= np.abs(x / n - overall) + 1e-12)


@settings(max_examples=40)
@given(st.integers(2, 3000), st.floats(0.01, 0.999))
def test_range_properties(groups, level):
    quantile = d.studentized_range(groups, level)
    assert d.range_probability(groups, quantile) == pytest.approx(level, abs=1e-9)
    assert d.studentized_range(groups + 1, level) > quantile
    assert d.dunnett_level(groups, level) <= d.simultaneous_level(groups, level) + 1e-9


def test_validates_input():
    with pytest.raises(ValueError, match="groups"):
        d.studentized_range(1, 0.95)
    with pytest.raises(ValueError, match="level"):
        d.studentized_range(3, 1.0)
    with pytest.raises(ValueError, match="correlation"):
        d.dunnett_level(3, 0.95, 1.0)
    for bad in (([1], [2]), ([1, 2], [2, 1]), ([0.5, 1], [2, 2]), ([-1, 1], [2, 2]), ([1, 1], [2, 2, 2])):
        with pytest.raises(ValueError, match="successes"):
            d.between_group_variance(*bad)
    with pytest.raises(NotEstimable, match="fewer than 2"):
        d.between_group_variance([1, 1], [1, 5])
    with pytest.raises(NotEstimable, match="fewer than 1"):
        d.permutation_range([0, 1], [0, 5], rng=np.random.default_rng(0))
    with pytest.raises(NotEstimable, match="same outcome"):
        d.chi2_omnibus([0, 0], [3, 4])
    with pytest.raises(ValueError, match="draws"):
        d.permutation_range([1, 1], [2, 5], rng=np.random.default_rng(0), draws=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "rate", "mean_range", "wide", "four_fifths", "bootstrap", "best_pair", "claim"),
    [
        (2, 0.1, 0.048, 0.40, 0.69, 0.92, 0.03, 0.032),
        (4, 0.1, 0.086, 0.82, 0.96, 0.00, 0.15, 0.022),
        (10, 0.1, 0.128, 1.00, 1.00, 0.00, 0.50, 0.007),
        (20, 0.1, 0.155, 1.00, 1.00, 0.00, 0.82, 0.002),
        (40, 0.1, 0.179, 1.00, 1.00, 0.00, 0.97, 0.001),
        (4, 0.5, 0.146, 0.96, 0.67, 0.00, 0.23, 0.065),
        (10, 0.5, 0.217, 1.00, 0.98, 0.00, 0.66, 0.055),
        (40, 0.5, 0.305, 1.00, 1.00, 0.00, 1.00, 0.039),
    ],
)
def test_equal_groups_against_simulation(groups, rate, mean_range, wide, four_fifths, bootstrap, best_pair, claim):
    """Table 3.2, first part, 50 cases per group and no difference: what naive rules make of it, and ours.

    In its order: mean of max - min, P(gap > .05), P(min / max < .8), how often a percentile bootstrap of the gap covers
    0, how often the best of all pairs is "significant" without correction, the omnibus test, the simultaneous claim.
    """
    runs, rng = 1000 if groups == 40 else 4000, np.random.default_rng(32)
    x = draw(np.full(groups, rate), 50, runs, rng)
    least, most = x.min(axis=1) / 50, x.max(axis=1) / 50
    gap = most - least
    assert abs(gap.mean() - mean_range) <= 3 * gap.std() * np.sqrt(1 / runs + 1 / 4000) + 0.0005
    rounding = 0.0045  # the table prints two digits
    assert abs(np.mean(gap > 0.05 + 1e-9) - wide) <= rounding + 3 * np.sqrt(0.25 * (1 / runs + 1 / 4000))
    ratio = np.divide(least, most, out=np.ones(runs), where=most > 0)
    assert near(np.mean(ratio < 0.8 - 1e-9), four_fifths, runs, 4000) or abs(np.mean(ratio < 0.8) - four_fifths) < 0.02
    resampled = rng.binomial(50, x[:300, None, :] / 50, size=(300, 400, groups)) / 50
    covers = np.quantile(np.ptp(resampled, axis=2), 0.025, axis=1) <= 1e-12
    assert abs(covers.mean() - bootstrap) <= rounding + 3 * np.sqrt(max(bootstrap * (1 - bootstrap), 0.001) * 2 / 300)
    naive = pairs(mover_difference, x, 50, 0.95).low
    assert abs(np.mean((naive > 0).any(axis=(1, 2))) - best_pair) <= rounding + 3 * np.sqrt(
        max(best_pair * (1 - best_pair), 0.001) * (1 / runs + 1 / 4000)
    )
    flagged = [d.chi2_omnibus(row, np.full(groups, 50)).p_value <= 0.05 for row in x[:1000] if row.sum() > 0]
    assert abs(np.mean(flagged) - 0.05) <= rounding + 3 * np.sqrt(0.05 * 0.95 * (1 / 1000 + 1 / 4000))
    lows = pairs(mover_difference, x, 50, d.simultaneous_level(groups, 0.95)).low
    assert near(np.mean((lows > 0).any(axis=(1, 2))), claim, runs, 4000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "rate", "expected"),
    [(2, 0.1, 0.030), (4, 0.1, 0.040), (10, 0.1, 0.040), (20, 0.1, 0.032), (40, 0.1, 0.022), (4, 0.5, 0.048),
     (10, 0.5, 0.043), (40, 0.5, 0.033)],
)  # fmt: skip
def test_permutation_range_against_simulation(groups, rate, expected):
    """Table 3.2, last column."""
    rng, runs = np.random.default_rng(4), 800
    n = np.full(groups, 50)
    hits = [
        d.permutation_range(x, n, rng=rng, draws=299).p_value <= 0.05
        for x in rng.binomial(50, rate, size=(runs, groups))
    ]
    assert near(np.mean(hits), expected, runs, 1000)


def spread(groups, centre, variance):
    """Evenly spaced rates with this variance (ddof 1)."""
    steps = np.linspace(-1, 1, groups)
    return centre + steps * np.sqrt(variance / np.var(steps, ddof=1)) if variance else np.full(groups, centre)


def test_between_group_variance_against_simulation():
    """Section 3.2, ten groups of 50 around 15 %: naive .00255 and .00348, corrected -.00001 and .00094, where the truth
    is 0 and .00090.
    """
    rng, runs = np.random.default_rng(6), 4000
    for truth, naive, printed in ((0.0, 0.00255, -0.00001), (0.0009, 0.00348, 0.00094)):
        x = draw(spread(10, 0.15, truth), 50, runs, rng)
        plain = np.var(x / 50, axis=1, ddof=1)
        corrected = np.array([d.between_group_variance(row, np.full(10, 50)) for row in x])
        error = 3 * corrected.std() / np.sqrt(runs)
        assert plain.mean() == pytest.approx(naive, abs=np.sqrt(2) * error + 5e-6)
        assert corrected.mean() == pytest.approx(truth, abs=error)
        assert corrected.mean() == pytest.approx(printed, abs=np.sqrt(2) * error + 5e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "truth", "naive", "single", "double"),
    [(10, 0.0, 0.00, 0.84, 1.00), (40, 0.0009, 0.00, 0.17, 0.995), (40, 0.0064, 0.03, 0.70, 0.98)],
)
def test_between_group_sd_interval_against_simulation(groups, truth, naive, single, double):
    """Section 3.2, bootstrap coverage of the between-group variance without, with one and with Lum's double
    correction.
    """
    rng, runs, draws = np.random.default_rng(7), 400, 400
    rates, n = spread(groups, 0.15, truth), np.full(groups, 50)
    hits = np.zeros(3)
    for x in rng.binomial(n, rates, size=(runs, groups)):
        again = rng.binomial(n, x / n, size=(draws, groups)) / n
        plain = np.var(again, axis=1, ddof=1)
        for place, noise in enumerate((0, np.mean(again * (1 - again) / (n - 1), axis=1))):
            low, high = np.quantile(plain - noise, [0.025, 0.975])
            hits[place] += low - 1e-12 <= truth <= high + 1e-12
        low, high = d.between_group_sd_interval(x, n, rng=rng, draws=draws)
        hits[2] += low - 1e-12 <= np.sqrt(truth) <= high + 1e-12
    for got, expected in zip(hits / runs, (naive, single, double), strict=True):
        assert near(got, expected, runs, 400) or abs(got - expected) <= 0.005


def test_shrink_against_simulation():
    """Section 3.2, 40 cells of 10-200 rows: range .130 in truth, .323 raw, .067 shrunk; error per cell .064 and .028;
    the cell that looks worst has .171 (raw) or .183 (shrunk), and shows .334 or .187.

    The notes do not give the population: sizes spread evenly on a logarithmic scale and rates from a Beta distribution
    with mean .15 and deviation .03 give the raw error and the true range.
    """
    rng, runs = np.random.default_rng(9), 400
    found = []
    for _ in range(runs):
        n = np.rint(np.exp(rng.uniform(np.log(10), np.log(200), 40))).astype(int)
        rates = rng.beta(0.15 * 140.7, 0.85 * 140.7, size=40)
        x = rng.binomial(n, rates)
        raw, cells = x / n, d.shrink(x, n)
        worst, chosen = raw.argmax(), cells.argmax()
        found.append(
            (np.ptp(rates), np.ptp(raw), np.ptp(cells), np.sqrt(np.mean((raw - rates) ** 2)),
             np.sqrt(np.mean((cells - rates) ** 2)), rates[worst], rates[chosen], raw[worst], cells[chosen])
        )  # fmt: skip
    means, errors = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(runs)
    printed = (0.130, 0.323, 0.067, 0.064, 0.028, 0.171, 0.183, 0.334, 0.187)
    assert np.all(np.abs(means - printed) <= 3 * np.sqrt(2) * errors + 0.0005)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rates", "n", "passes", "fails"),
    [
        ([0.1] * 4, 200, 0.0, 0.0),
        ([0.1] * 4, 800, 0.66, 0.0),
        ([0.1] * 10, 800, 0.20, 0.0),
        ([0.1] * 10, 3200, 1.0, 0.0),
        ([0.075, 0.125], 3200, 0.048, 0.022),
        ([0.075, 0.1, 0.1, 0.125], 3200, 0.052, 0.004),
        ([0.075] * 5 + [0.125] * 5, 3200, 0.0, 0.014),
        ([0.05, 0.05, 0.15, 0.15], 800, 0.0, 0.97),
    ],
)
def test_gap_gate_against_simulation(rates, n, passes, fails):
    """Table 3.2, gate "gap < .05": PASS by intersection-union, FAIL by the studentized range.

    The table does not say which four rates make its last row's gap of .10; .05, .05, .15, .15 give its .97, while
    .05, .10, .10, .15 give .80.
    """
    runs = 4000
    passed, failed = difference_gate(draw(rates, n, runs, np.random.default_rng(23)), n, 0.05)
    assert not np.any(passed & failed)
    assert near(passed.mean(), passes, runs, 4000)
    assert near(failed.mean(), fails, runs, 4000)


@pytest.mark.slow
def test_gap_gate_with_forty_groups_against_simulation():
    runs, rng = 500, np.random.default_rng(40)
    passed, failed = difference_gate(draw([0.1] * 40, 2041, runs, rng), 2041, 0.05)
    assert near(passed.mean(), power_equal_groups(0.1, 0.05, 40, 2041), runs, np.inf)
    assert failed.mean() == 0
    _, failed = difference_gate(draw([0.075] * 20 + [0.125] * 20, 800, runs, rng), 800, 0.05)
    assert failed.mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rates", "passes", "fails"),
    [
        ([0.1] * 6, 0.38, 0.0),
        ([0.075, 0.1, 0.1, 0.1, 0.1, 0.125], 0.023, 0.002),
        ([0.125, 0.1, 0.1, 0.1, 0.1, 0.075], 0.023, 0.002),
        ([0.075, 0.125] * 3, 0.0, 0.015),
    ],
)
def test_unequal_groups_against_simulation(rates, passes, fails):
    """Section 3.2, six groups of 300 to 6 000; a claim of any difference .043, the point estimate passes .48 of the gaps
    that sit on the limit.
    """
    runs, rng = 3000, np.random.default_rng(60)
    n = np.array([300, 600, 1200, 2000, 4000, 6000])
    x = draw(rates, n, runs, rng)
    passed, failed = difference_gate(x, n, 0.05)
    assert near(passed.mean(), passes, runs, 3000)
    assert near(failed.mean(), fails, runs, 3000)
    if passes == 0.38:
        lows = pairs(mover_difference, x, n, d.simultaneous_level(6, 0.95)).low
        assert near(np.mean((lows > 0).any(axis=(1, 2))), 0.043, runs, 3000)
    elif passes > 0:
        assert near(np.mean(np.ptp(x / n, axis=1) < 0.05), 0.48, runs, 3000)


@pytest.mark.slow
def test_small_unequal_groups_against_simulation():
    """Section 3.2, six groups of 50 to 800: never PASS, FAIL at most .021."""
    runs, rng, n = 3000, np.random.default_rng(61), np.array([50, 100, 200, 300, 500, 800])
    for rates in ([0.1] * 6, [0.075, 0.1, 0.1, 0.1, 0.1, 0.125], [0.075, 0.125] * 3):
        passed, failed = difference_gate(draw(rates, n, runs, rng), n, 0.05)
        assert not passed.any()
        assert failed.mean() <= 0.021 + 3 * np.sqrt(0.021 * 0.979 * 2 / runs)


@pytest.mark.slow
def test_clustered_groups_against_simulation():
    """Section 3.2: 4 groups, 1 600 prompts, 5 epochs, ICC .5, gap exactly .05: PASS .049 and FAIL .005; .169 and .067
    naively.
    """
    runs, prompts, epochs, rng = 1000, 1600, 5, np.random.default_rng(50)
    rates = np.array([0.075, 0.1, 0.1, 0.125])
    share = rng.beta(rates, 1 - rates, size=(runs, prompts, 4))  # a + b = 1 makes the ICC 1 / 2
    means = rng.binomial(epochs, share) / epochs
    p, error = means.mean(axis=1), means.std(axis=1, ddof=1) / np.sqrt(prompts)
    cases = prompts * epochs

    def verdicts(limits):
        highs = ordered(mover_difference, p, limits(0.9)).high
        lows = ordered(mover_difference, p, limits(d.simultaneous_level(4, 0.95))).low
        return np.mean(np.all((highs < 0.05)[:, OFF[4]], axis=1)), np.mean(np.any((lows > 0.05)[:, OFF[4]], axis=1))

    deff = design_effect(p, cases, error, epochs)
    got = verdicts(lambda level: cluster_wilson(p, cases, deff, prompts, level=level))
    naive = verdicts(lambda level: wilson(p * cases, cases, level=level))
    for value, expected in zip((*got, *naive), (0.049, 0.005, 0.169, 0.067), strict=True):
        assert near(value, expected, runs, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("groups", [2, 4, 10, 40])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_ratio_gate_against_simulation(groups, rate):
    """docs/statistics-ratio-gates.md: at a ratio of exactly .8 neither verdict is wrong more than 5 % of the time."""
    runs, rng = {2: 4000, 4: 4000, 10: 1500, 40: 150}[groups], np.random.default_rng(80)
    extremes = np.full(groups, 0.9 * rate)
    extremes[0], extremes[-1] = 0.8 * rate, rate
    halves = np.full(groups, rate)
    halves[: groups // 2] *= 0.8
    ceiling = 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    for rates in (extremes, halves):
        for n in (200, 3200):
            passed, failed = ratio_gate(draw(rates, n, runs, rng), n, 0.8)
            assert passed.mean() <= ceiling
            assert failed.mean() <= ceiling


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "rate", "n", "expected"), [(2, 0.3, 1015, 0.894), (4, 0.1, 5601, 0.896), (10, 0.5, 837, 0.89)]
)
def test_ratio_sizes_against_simulation(groups, rate, n, expected):
    assert n_for_ratio_groups(rate, 0.8, groups) == n
    runs = 3000
    passed, _ = ratio_gate(draw(np.full(groups, rate), n, runs, np.random.default_rng(81)), n, 0.8)
    assert near(passed.mean(), expected, runs, 8000)
