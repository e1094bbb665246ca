import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import NotEstimable
from shipworthy.stats.proportion import wilson
from shipworthy.stats.ratio import adjusted_log, katz, koopman, miettinen_nurminen_ratio, mover_ratio


def mover_wilson(x1, n1, x2, n2, *, level=0.95):
    x1, n1, x2, n2 = np.broadcast_arrays(x1, n1, x2, n2)
    return mover_ratio(x1 / n1, wilson(x1, n1, level=level), x2 / n2, wilson(x2, n2, level=level))


METHODS = [katz, adjusted_log, koopman, miettinen_nurminen_ratio, mover_wilson]


@st.composite
def tables(draw):
    n1, n2 = draw(st.integers(2, 200)), draw(st.integers(2, 200))
    return draw(st.integers(0, n1)), n1, draw(st.integers(0, n2)), n2


@pytest.mark.parametrize("method", METHODS[:-1])
def test_interval_validates_input(method):
    with pytest.raises(ValueError, match="successes <= trials"):
        method(3, 2, 1, 2)
    with pytest.raises(ValueError, match="level"):
        method(1, 2, 1, 2, level=0)
    with pytest.raises(NotEstimable):
        method(1, 2, 0, 0)


def test_mover_ratio_validates_input():
    with pytest.raises(ValueError, match="negative"):
        mover_ratio(-0.1, (-0.2, 0.1), 0.5, (0.4, 0.6))
    with pytest.raises(ValueError, match="ordered"):
        mover_ratio(0.5, (0.6, 0.4), 0.5, (0.4, 0.6))
    with pytest.raises(ValueError, match="finite"):
        mover_ratio(np.nan, (0, 1), 0.5, (0.4, 0.6))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (katz, (0.9096, 53.8695)),
        (adjusted_log, (0.9241, 27.0523)),
        (koopman, (1.2209, 42.5757)),
        (miettinen_nurminen_ratio, (1.2086, 43.0330)),
        (mover_wilson, (1.1537, 41.9763)),
    ],
)
def test_interval_against_reference(method, expected):
    # Perondi et al. (2004), 7 of 34 against 1 of 34, as in Fagerland, Lydersen and Laake (2015)
    assert np.round(method(7, 34, 1, 34), 4).tolist() == list(expected)


def test_koopman_against_reference():
    assert np.round(koopman(36, 40, 16, 80), 3).tolist() == [2.940, 7.152]  # Nam (1995)


def test_koopman_against_theory():
    # The limits solve Koopman's own form of the statistic, the sum of both arms' chi-squared, at the constrained rates.
    for x1, n1, x2, n2 in [(7, 34, 1, 34), (36, 40, 16, 80), (3, 50, 40, 45)]:
        for ratio in koopman(x1, n1, x2, n2):
            roots = np.roots([(n1 + n2) * ratio, -(ratio * (n1 + x2) + n2 + x1), x1 + x2])
            p2 = roots.min()
            p1 = ratio * p2
            chi2 = (x1 - n1 * p1) ** 2 / (n1 * p1 * (1 - p1)) + (x2 - n2 * p2) ** 2 / (n2 * p2 * (1 - p2))
            assert chi2 == pytest.approx(3.841459, rel=1e-5)


@pytest.mark.parametrize("method", [koopman, miettinen_nurminen_ratio, mover_wilson, katz])
def test_interval_at_zero_counts_against_theory(method):
    assert method(0, 10, 0, 20) == (0, np.inf)
    low, high = method(0, 10, 5, 20)
    assert low == 0
    assert high > 0
    low, high = method(5, 10, 0, 20)
    assert high == np.inf
    assert low >= 0
    assert (low > 0) == (method is not katz)


def test_mover_ratio_without_limits_properties():
    inf = np.inf
    assert mover_ratio(0.5, (-inf, inf), 0.5, (0.4, 0.6)) == (0, inf)
    assert mover_ratio(0.5, (0.4, 0.6), 0.5, (-inf, inf)) == (0, inf)
    low, high = mover_ratio(0.5, (0.4, inf), 0.5, (0.4, 0.6))
    assert 0 < low < 1
    assert high == inf
    assert mover_ratio(0.0, (0.0, 0.0), 0.0, (0.0, inf)) == (0, inf)


def test_mover_ratio_of_all_pairs_properties():
    hits, n = np.array([0, 4, 30, 50]), 50
    p, (low, high) = hits / n, wilson(hits, n)
    ratio = mover_ratio(p[:, None], (low[:, None], high[:, None]), p, (low, high))
    assert ratio.low.shape == (4, 4)
    assert not np.any(np.isnan(ratio.low) | np.isnan(ratio.high))
    assert np.all(ratio.high[:, 0] == np.inf)
    assert (ratio.low[2, 1], ratio.high[2, 1]) == mover_wilson(30, n, 4, n)


@pytest.mark.parametrize("method", METHODS)
@given(table=tables(), level=st.floats(0.5, 0.999))
def test_interval_properties(method, table, level):
    x1, n1, x2, n2 = table
    low, high = method(*table, level=level)
    assert type(low) is float
    assert 0 <= low <= high
    if x2 > 0 and method is not adjusted_log:
        assert low <= x1 / n1 / (x2 / n2) * (1 + 1e-9)
        assert high >= x1 / n1 / (x2 / n2) * (1 - 1e-9)
    swapped = method(x2, n2, x1, n1, level=level)
    assert swapped.low == pytest.approx(1 / high if high else np.inf, rel=1e-6)
    assert swapped.high == pytest.approx(1 / low if low else np.inf, rel=1e-6)
    wider = method(*table, level=level + 0.0005)
    assert wider.low <= low * (1 + 1e-9)
    assert wider.high >= high * (1 - 1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_interval_of_arrays_properties(method):
    low, high = method(np.array([[0], [3], [10]]), 10, np.array([0, 1, 20]), 20)
    assert low.shape == high.shape == (3, 3)
    assert not np.any(np.isnan(low) | np.isnan(high))
    assert (low[1, 1], high[1, 1]) == pytest.approx(method(3, 10, 1, 20), rel=1e-9)


def test_mover_ratio_of_correlated_arms_against_theory():
    """Both limits solve the same quadratic: the MOVER interval for p1 - limit p2 just touches 0."""
    for p1, p2, r in [(0.3, 0.5, 0.6), (0.3, 0.5, -0.6), (0.02, 0.05, 0.4), (0.9, 0.8, 0.99), (0.4, 0.4, -1.0)]:
        (l1, u1), (l2, u2) = wilson(p1 * 200, 200), wilson(p2 * 150, 150)
        low, high = mover_ratio(p1, (l1, u1), p2, (l2, u2), correlation=r)
        for ratio, a, b in ((low, p1 - l1, u2 - p2), (high, u1 - p1, p2 - l2)):
            variance = a**2 + (ratio * b) ** 2 - 2 * r * a * ratio * b
            assert (p1 - ratio * p2) ** 2 == pytest.approx(variance, rel=1e-6, abs=1e-12)


@given(table=tables(), correlation=st.floats(-1, 1))
def test_mover_ratio_of_correlated_arms_properties(table, correlation):
    """Holds the estimate, turns over with the ratio, and is narrower the more the arms rise and fall together."""
    x1, n1, x2, n2 = table
    p1, p2, limits1, limits2 = x1 / n1, x2 / n2, wilson(x1, n1), wilson(x2, n2)
    low, high = mover_ratio(p1, limits1, p2, limits2, correlation=correlation)
    assert 0 <= low <= high
    if x2 > 0:
        assert low <= p1 / p2 * (1 + 1e-9)
        assert high >= p1 / p2 * (1 - 1e-9)
    turned = mover_ratio(p2, limits2, p1, limits1, correlation=correlation)
    assert turned.low == pytest.approx(1 / high if high else np.inf, rel=1e-5)
    worst = mover_ratio(p1, limits1, p2, limits2, correlation=-1)
    assert worst.low <= low * (1 + 1e-9)
    assert worst.high >= high * (1 - 1e-9)


def test_correlation_validates_input():
    with pytest.raises(ValueError, match="correlation"):
        mover_ratio(0.5, (0.4, 0.6), 0.5, (0.4, 0.6), correlation=1.1)
    unbounded = mover_ratio(0.5, (-np.inf, np.inf), 0.5, (-np.inf, np.inf), correlation=[-1, 0, 1])
    assert (unbounded.low.tolist(), unbounded.high.tolist()) == ([0] * 3, [np.inf] * 3)
