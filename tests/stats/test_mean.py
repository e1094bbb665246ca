import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, ttest_1samp

from shipworthy.errors import NotEstimable
from shipworthy.stats.mean import acceleration, bca, betting, mean_t

SPATIAL = np.array(  # Efron and Tibshirani (1993), table 14.1, test A
    [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41], dtype=float
)
LAW = np.array(  # Efron and Tibshirani (1993), table 3.1: LSAT, GPA
    [
        (576, 3.39), (635, 3.30), (558, 2.81), (578, 3.03), (666, 3.44), (580, 3.07), (555, 3.00), (661, 3.43),
        (651, 3.36), (605, 3.13), (653, 3.12), (575, 2.74), (545, 2.76), (572, 2.88), (594, 2.96),
    ]
)  # fmt: skip


def variance(samples):
    return samples.var(axis=1)


def correlation(samples):
    centred = samples - samples.mean(axis=1, keepdims=True)
    x, y = centred[..., 0], centred[..., 1]
    return (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))


def test_mean_t_validates_input():
    for mean, sd, n in [(np.nan, 1, 5), (0, -1, 5), (0, 1, -5), (0, np.inf, 5)]:
        with pytest.raises(ValueError, match="finite moments"):
            mean_t(mean, sd, n)
    with pytest.raises(NotEstimable, match="only 1"):
        mean_t([0, 0], 1, [5, 1])
    with pytest.raises(ValueError, match="level"):
        mean_t(0, 1, 5, level=1)


def test_bca_validates_input():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="finite numbers"):
        bca([1.0, np.nan], rng=rng)
    with pytest.raises(ValueError, match="one dimension"):
        bca([[1.0, 2.0]], rng=rng)
    with pytest.raises(ValueError, match="level"):
        bca([1.0, 2.0], rng=rng, level=0)
    with pytest.raises(ValueError, match="draws"):
        bca([1.0, 2.0], rng=rng, draws=0)
    with pytest.raises(NotEstimable, match="only 1"):
        bca([1.0], rng=rng)


def test_betting_validates_input():
    with pytest.raises(ValueError, match="within the bounds"):
        betting([0.5, 1.5])
    with pytest.raises(ValueError, match="within the bounds"):
        betting([0.5, np.nan])
    with pytest.raises(ValueError, match="bounds must be"):
        betting([0.5], bounds=(1, 0))
    with pytest.raises(ValueError, match="level"):
        betting([0.5], level=1)
    with pytest.raises(NotEstimable, match="no values"):
        betting([])


def test_mean_t_against_reference():
    values = np.random.default_rng(1).normal(size=15)
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    assert mean_t(values.mean(), values.std(ddof=1), 15, level=0.9) == pytest.approx((expected.low, expected.high))


def test_constant_values_against_theory():
    # A spread that was not seen is unknown, not zero.
    assert mean_t(0.5, 0, 30) == (-np.inf, np.inf)
    assert bca([0.1] * 30, rng=np.random.default_rng(0), draws=99) == (-np.inf, np.inf)
    low, high = betting([1.0] * 30)
    assert 0.7 < low < 1
    assert high == 1


def test_acceleration_against_reference():
    left_out = [np.delete(SPATIAL, i).var() for i in range(SPATIAL.size)]
    assert round(SPATIAL.var(), 2) == 171.53
    assert round(acceleration(left_out), 4) == 0.0612
    assert round(float(correlation(LAW[None])[0]), 4) == 0.7764


def test_bca_against_reference():
    # Efron and Tibshirani (1993), section 14.2: (115.8, 259.6) from 2 000 resamples; SD of their limits about 1.5 and 4
    low, high = bca(SPATIAL, rng=np.random.default_rng(14), draws=20_000, level=0.9, statistic=variance)
    assert low == pytest.approx(115.8, abs=4)
    assert high == pytest.approx(259.6, abs=10)


def test_bca_of_paired_rows_against_reference():
    def pearson(x, y, axis=-1):
        x, y = x - x.mean(axis=axis, keepdims=True), y - y.mean(axis=axis, keepdims=True)
        return (x * y).sum(axis=axis) / np.sqrt((x**2).sum(axis=axis) * (y**2).sum(axis=axis))

    options = {"n_resamples": 20_000, "method": "BCa", "paired": True, "vectorized": True}
    expected = bootstrap((LAW[:, 0], LAW[:, 1]), pearson, rng=np.random.default_rng(1), **options).confidence_interval
    actual = bca(LAW, rng=np.random.default_rng(2), draws=20_000, statistic=correlation)
    assert actual == pytest.approx((expected.low, expected.high), abs=0.02)


def test_betting_against_theory():
    # A limit is the mean at which the best capital on its way is exactly 2 / alpha.
    x = np.random.default_rng(6).beta(2, 5, size=40)
    low, high = betting(x)
    for mean, sign in [(low, 1), (high, -1)]:
        capital, best, total, squares = 1.0, 0.0, 0.5, 0.25
        for i, value in enumerate(x):
            bet = np.sqrt(2 * np.log(2 / 0.05) / (40 * squares / (i + 1)))
            bet = min(bet, 0.5 / mean if sign > 0 else 0.5 / (1 - mean))
            capital *= 1 + sign * bet * (value - mean)
            best = max(best, capital)
            total += value
            squares += (value - total / (i + 2)) ** 2
        assert best == pytest.approx(40, rel=1e-6)


def test_betting_in_other_units_against_theory():
    x = np.random.default_rng(6).beta(2, 5, size=40)
    low, high = betting(x)
    assert betting(10 * x - 5, bounds=(-5, 5)) == pytest.approx((10 * low - 5, 10 * high - 5))


def test_betting_shuffled_by_rng_properties():
    x = np.sort(np.random.default_rng(6).beta(2, 5, size=40))
    first, again = (betting(x, rng=np.random.default_rng(1)) for _ in range(2))
    assert first == again
    assert first != betting(x)


def zeros_mostly(rng, size):
    return np.where(rng.random(size) < 0.04, rng.random(size), 0.0)


POPULATIONS = {
    "bimodal": (lambda rng, size: rng.beta(0.2, 0.05, size), 0.8),
    "concentrated": (lambda rng, size: rng.beta(8, 2, size), 0.8),
    "zeros": (zeros_mostly, 0.02),
    "lognormal": (lambda rng, size: rng.lognormal(size=size), np.exp(0.5)),
}


def compare(low, high, truth, *, coverage, width, printed_runs=4000, grid=0.0):
    """Hold coverage and mean width against printed ones, within 3 Monte-Carlo standard errors of both simulations.

    Constant samples count as a miss of width 0, as in the printed table.
    """
    seen = np.isfinite(low)
    widths, share = np.where(seen, high - low, 0), 1 / low.size + 1 / printed_runs
    covered = np.mean(seen & (low <= truth) & (truth <= high))
    assert covered == pytest.approx(coverage, abs=3 * np.sqrt(max(coverage * (1 - coverage), 0.001) * share) + 0.0005)
    assert widths.mean() == pytest.approx(width, abs=3 * widths.std() * np.sqrt(share) + 0.0005 + grid)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("population", "n", "coverage", "width"),
    [
        ("bimodal", 30, 0.941, 0.265),
        ("bimodal", 300, 0.953, 0.081),
        ("concentrated", 100, 0.953, 0.048),
        ("zeros", 30, 0.614, 0.062),
        ("zeros", 100, 0.871, 0.043),
        ("lognormal", 100, 0.923, 0.813),
    ],
)
def test_mean_t_against_simulation(population, n, coverage, width):
    draw, truth = POPULATIONS[population]
    x = draw(np.random.default_rng(34), (10_000, n))
    low, high = mean_t(x.mean(axis=1), x.std(axis=1, ddof=1), n)
    compare(low, high, truth, coverage=coverage, width=width)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("population", "n", "runs", "coverage", "width"),
    [
        ("bimodal", 30, 1500, 0.956, 0.256),
        ("bimodal", 300, 400, 0.950, 0.081),
        ("concentrated", 100, 800, 0.943, 0.047),
        ("zeros", 30, 1500, 0.629, 0.071),
        ("zeros", 100, 800, 0.901, 0.048),
        ("lognormal", 100, 800, 0.927, 0.847),
    ],
)
def test_bca_against_simulation(population, n, runs, coverage, width):
    rng = np.random.default_rng(35)
    draw, truth = POPULATIONS[population]
    limits = np.array([bca(x, rng=rng, draws=1000) for x in draw(rng, (runs, n))])
    compare(*limits.T, truth, coverage=coverage, width=width)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("population", "n", "coverage", "width"),
    [
        ("bimodal", 30, 0.993, 0.338),
        ("bimodal", 300, 0.985, 0.098),
        ("concentrated", 100, 0.993, 0.087),
        ("zeros", 30, 1.000, 0.225),
        ("zeros", 100, 0.998, 0.090),
    ],
)
def test_betting_against_simulation(population, n, coverage, width):
    rng = np.random.default_rng(36)
    draw, truth = POPULATIONS[population]
    limits = np.array([betting(x) for x in draw(rng, (1500, n))])
    compare(*limits.T, truth, coverage=coverage, width=width, printed_runs=1000, grid=0.0025)
    covered = np.mean((limits[:, 0] <= truth) & (truth <= limits[:, 1]))
    assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1500)


@given(mean=st.floats(-10, 10), sd=st.floats(1e-3, 10), n=st.integers(2, 1000))
def test_mean_t_properties(mean, sd, n):
    low, high = mean_t(mean, sd, n)
    assert type(low) is float
    assert low < mean < high
    assert mean_t(-mean, sd, n) == pytest.approx((-high, -low))
    wider = mean_t(mean, sd, n, level=0.99)
    assert wider.low < low
    assert high < wider.high


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.5, 0.999))
def test_betting_properties(values, level):
    x = np.array(values)
    low, high = betting(x, level=level)
    assert 0 <= low < high <= 1
    assert betting(1 - x, level=level) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    wider = betting(x, level=level + 0.0005)
    assert wider.low <= low + 0.01  # bets depend on the level, so that nesting holds only nearly
    assert wider.high >= high - 0.01


@settings(max_examples=30)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=20))
def test_bca_properties(values):
    low, high = bca(values, rng=np.random.default_rng(0), draws=200)
    assert low <= high
    if np.isfinite(low):
        slack = 1e-12 * max(map(abs, values))  # a mean of equal numbers rounds
        assert min(values) - slack <= low
        assert high <= max(values) + slack
