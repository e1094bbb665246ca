import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from shipworthy.errors import NotEstimable
from shipworthy.stats.quantile import clustered_quantile_interval, quantile_interval, quantile_ranks, smallest_n


def coverage(n, q, *, level=0.95):
    """P(x_(j) <= quantile < x_(k)) for any continuous distribution."""
    j, k = quantile_ranks(n, q, level=level)
    return binom.cdf(n if k is None else k - 1, n, q) - (0 if j is None else binom.cdf(j - 1, n, q))


def test_quantile_validates_input():
    for q in (0, 1, 95, np.nan):
        with pytest.raises(ValueError, match="q must be"):
            quantile_ranks(10, q)
    for level in (0, 1):
        with pytest.raises(ValueError, match="level must be"):
            quantile_ranks(10, 0.5, level=level)
    for n in (-1, 2.5):
        with pytest.raises(ValueError, match="n must be"):
            quantile_ranks(n, 0.5)
    with pytest.raises(ValueError, match="NaN"):
        quantile_interval([1.0, np.nan], 0.5)
    with pytest.raises(ValueError, match="one dimension"):
        quantile_interval([[1.0]], 0.5)
    with pytest.raises(NotEstimable, match="no values"):
        quantile_interval([], 0.5)
    with pytest.raises(ValueError, match="side must be"):
        smallest_n(0.5, side="both")


@pytest.mark.parametrize(
    ("n", "q", "ranks", "covered"),
    [
        (10, 0.5, (2, 9), 0.9785),
        (20, 0.5, (6, 15), 0.9586),
        (100, 0.9, (84, 96), 0.9557),
        (200, 0.95, (184, 197), 0.9672),
    ],
)
def test_quantile_ranks_against_theory(n, q, ranks, covered):
    assert quantile_ranks(n, q) == ranks
    assert round(coverage(n, q), 4) == covered


@pytest.mark.parametrize(("q", "level", "n"), [(0.95, 0.95, 72), (0.95, 0.90, 59), (0.99, 0.95, 368)])
def test_smallest_n_against_theory(q, level, n):
    assert smallest_n(q, level=level) == n
    assert quantile_ranks(n, q, level=level)[1] == n
    assert quantile_ranks(n - 1, q, level=level)[1] is None
    assert smallest_n(1 - q, level=level, side="lower") == n
    assert quantile_ranks(n, 1 - q, level=level)[0] == 1
    assert quantile_ranks(n - 1, 1 - q, level=level)[0] is None


@pytest.mark.parametrize("n", [60, 100, 200, 500, 1000])
def test_p95_coverage_against_theory(n):
    assert 0.96 <= round(coverage(n, 0.95), 2) <= 0.99


def test_quantile_interval_against_simulation():
    samples = np.random.default_rng(95).lognormal(size=(4000, 100))
    truth = np.exp(1.6448536)
    hits = np.mean([low <= truth <= high for low, high in (quantile_interval(x, 0.95) for x in samples)])
    expected = coverage(100, 0.95)
    assert hits == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / 4000))


def test_quantile_interval_without_limits_against_theory():
    assert quantile_interval([3.0, 1.0, 2.0], 0.5) == (-np.inf, np.inf)
    assert quantile_interval(np.arange(71), 0.95) == (62, np.inf)
    assert quantile_interval(np.append(np.arange(71), np.inf), 0.95) == (63, np.inf)  # a timeout has no upper limit


@given(n=st.integers(1, 2000), q=st.floats(0.01, 0.99), level=st.floats(0.5, 0.999))
def test_quantile_ranks_properties(n, q, level):
    j, k = quantile_ranks(n, q, level=level)
    assert coverage(n, q, level=level) >= level - 1e-9
    if j is not None:
        assert 1 <= j <= n
        assert binom.cdf(j, n, q) > (1 - level) / 2 - 1e-9  # the next rank would err too often
    if k is not None:
        assert 1 <= k <= n
        assert binom.sf(k - 2, n, q) > (1 - level) / 2 - 1e-9
    if j is not None and k is not None:
        assert j < k
    mirrored = quantile_ranks(n, 0.5, level=level)
    if None not in mirrored:
        assert sum(mirrored) == n + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clusters", "q", "share"), [(60, 0.5, 0.5), (200, 0.95, 0.5), (200, 0.95, 0.0), (400, 0.9, 0.9)]
)
def test_clustered_limits_cover_against_simulation(clusters, q, share):
    """Log-normal latencies of five answers to each case; `share` of the variance of their logarithm is the case's."""
    rng = np.random.default_rng(clusters + int(100 * q) + int(10 * share))
    runs, size = 1_000, 5
    truth = np.exp(norm.ppf(q))
    unit = np.repeat(np.arange(clusters), size)
    covered = 0
    for _ in range(runs):
        of_case = rng.normal(0, np.sqrt(share), clusters)[unit]
        values = np.exp(of_case + rng.normal(0, np.sqrt(1 - share), clusters * size))
        low, high = clustered_quantile_interval(values, unit, q)
        covered += low <= truth <= high
    assert covered / runs >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / runs)


def test_clustered_limits_of_single_rows_are_close_to_those_of_independent_ones():
    values = np.random.default_rng(5).lognormal(size=400)
    ours, exact = clustered_quantile_interval(values, np.arange(400), 0.95), quantile_interval(values, 0.95)
    ordered = np.sort(values)
    for one, other in zip(ours, exact, strict=True):
        assert abs(np.searchsorted(ordered, one) - np.searchsorted(ordered, other)) <= 2
    with pytest.raises(NotEstimable):
        clustered_quantile_interval(values, np.zeros(400), 0.5)
    assert clustered_quantile_interval(values[:30], np.arange(30), 0.99).high == np.inf
