import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from shipworthy.errors import NotEstimable
from shipworthy.stats.difference import agresti_caffo, mee, miettinen_nurminen, mover_difference, newcombe
from shipworthy.stats.interval import critical
from shipworthy.stats.proportion import wilson

METHODS = [newcombe, mee, miettinen_nurminen, agresti_caffo]


@st.composite
def tables(draw):
    n1, n2 = draw(st.integers(2, 200)), draw(st.integers(2, 200))
    return draw(st.integers(0, n1)), n1, draw(st.integers(0, n2)), n2


@pytest.mark.parametrize("method", METHODS)
def test_interval_validates_input(method):
    with pytest.raises(ValueError, match="successes <= trials"):
        method(3, 2, 1, 2)
    with pytest.raises(ValueError, match="level"):
        method(1, 2, 1, 2, level=1.5)
    with pytest.raises(NotEstimable):
        method(1, 2, 0, 0)


def test_miettinen_nurminen_validates_input():
    with pytest.raises(NotEstimable, match="one case"):
        miettinen_nurminen(0.1, 0.5, 0.2, 0.5)


def test_mover_difference_validates_input():
    for p, limits in [(np.nan, (0, 1)), (np.inf, (0, 1)), (0.5, (np.nan, 1)), (0.5, (0.6, 0.4))]:
        with pytest.raises(ValueError, match="finite and limits ordered"):
            mover_difference(p, limits, 0.5, (0.4, 0.6))
    with pytest.raises(ValueError, match="correlation"):
        mover_difference(0.5, (0.4, 0.6), 0.5, (0.4, 0.6), correlation=1.1)


@pytest.mark.parametrize(
    ("method", "table", "expected"),
    [
        # Newcombe (1998b), table II, method 10
        (newcombe, (56, 70, 48, 80), (0.0524, 0.3339)),
        (newcombe, (9, 10, 3, 10), (0.1705, 0.8090)),
        (newcombe, (6, 7, 2, 7), (0.0582, 0.8062)),
        (newcombe, (5, 56, 0, 29), (-0.0381, 0.1926)),
        (newcombe, (0, 10, 0, 20), (-0.1611, 0.2775)),
        (newcombe, (0, 10, 0, 10), (-0.2775, 0.2775)),
        (newcombe, (10, 10, 0, 20), (0.6791, 1)),
        (newcombe, (10, 10, 0, 10), (0.6075, 1)),
        # score intervals; statsmodels 0.15 gets the first Miettinen-Nurminen one wrong
        (mee, (7, 34, 1, 34), (0.0284, 0.3439)),
        (miettinen_nurminen, (7, 34, 1, 34), (0.0270, 0.3453)),
        (miettinen_nurminen, (0, 16, 15, 72), (-0.3164, -0.0056)),
        (miettinen_nurminen, (9, 10, 3, 10), (0.1700, 0.8406)),
        (mee, (56, 70, 48, 80), (0.0533, 0.3377)),
        (miettinen_nurminen, (56, 70, 48, 80), (0.0528, 0.3382)),
        (newcombe, (7, 34, 1, 34), (0.0189, 0.3404)),
        (agresti_caffo, (7, 34, 1, 34), (0.0116, 0.3217)),
    ],
)
def test_interval_against_reference(method, table, expected):
    assert np.round(method(*table), 4).tolist() == list(expected)


def log_likelihood(successes, trials, p):
    failures = trials - successes
    return (successes * np.log(p) if successes else 0) + (failures * np.log1p(-p) if failures else 0)


@pytest.mark.parametrize(
    "table", [(7, 34, 1, 34), (1, 9, 0, 300), (0, 16, 15, 72), (3, 3, 1, 40), (120, 800, 100, 900)]
)
def test_score_limits_against_theory(table):
    # At a score limit |d - delta| is z standard errors at the constrained maximum, found here by search, not by cubic.
    x1, n1, x2, n2 = table
    for method, factor in [(mee, 1), (miettinen_nurminen, (n1 + n2) / (n1 + n2 - 1))]:
        for delta in method(*table):
            least, most = max(0, -delta), min(1, 1 - delta)
            p2 = minimize_scalar(
                lambda p, delta=delta: -log_likelihood(x1, n1, p + delta) - log_likelihood(x2, n2, p),
                bounds=(least, most),
                method="bounded",
                options={"xatol": 1e-12},
            ).x
            p1 = p2 + delta
            error = np.sqrt(factor * (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2))
            assert abs(x1 / n1 - x2 / n2 - delta) / error == pytest.approx(critical(0.95), rel=2e-4)


def test_score_limits_of_rare_events_against_theory():
    # Without any success the lower limit has p1 = 0 and p2 = -delta: delta^2 = z^2 p2 (1 - p2) / n2, whatever n1.
    z2 = critical(0.95) ** 2
    for n1 in (1, 1000):
        assert mee(0, n1, 0, 10**7).low == pytest.approx(-z2 / (10**7 + z2), rel=1e-6)
    assert mee(5, 10**6, 0, 10**6).high == pytest.approx(wilson(5, 10**6).high, rel=1e-3)


def test_mover_difference_with_correlation_against_theory():
    # Perfectly correlated estimates with equal limits leave no uncertainty; anticorrelated ones add their distances.
    limits = (0.4, 0.7)
    assert mover_difference(0.5, limits, 0.5, limits, correlation=-1) == pytest.approx((-0.3, 0.3))
    zero = mover_difference(0.5, (0.4, 0.6), 0.5, (0.4, 0.6), correlation=1)
    assert zero == pytest.approx((0, 0), abs=1e-7)
    assert mover_difference(3.0, (1.0, 6.0), 1.0, (0.0, 5.0)) == pytest.approx(
        (2 - np.sqrt(4 + 16), 2 + np.sqrt(9 + 1))
    )


def test_mover_difference_of_all_pairs_properties():
    hits, n = np.array([0, 4, 30, 50]), 50
    p, (low, high) = hits / n, wilson(hits, n)
    gap = mover_difference(p[:, None], (low[:, None], high[:, None]), p, (low, high))
    assert gap.low.shape == (4, 4)
    assert (gap.low[2, 1], gap.high[2, 1]) == newcombe(30, n, 4, n)
    np.testing.assert_allclose(gap.low, -gap.high.T)


@pytest.mark.parametrize("correlation", [-1, 0, 0.5, 1])
def test_mover_difference_with_missing_limits_properties(correlation):
    low, high = mover_difference(0.5, (0.5, np.inf), 0.2, ([0.1, -np.inf], [0.3, np.inf]), correlation=correlation)
    assert high.tolist() == [np.inf, np.inf]
    assert low[0] == pytest.approx(0.2)
    assert low[1] == -np.inf


@pytest.mark.parametrize("method", METHODS)
@given(table=tables(), level=st.floats(0.5, 0.999))
def test_interval_properties(method, table, level):
    x1, n1, x2, n2 = table
    low, high = method(*table, level=level)
    assert type(low) is float
    assert -1 <= low <= high <= 1
    if method is not agresti_caffo:
        assert low <= x1 / n1 - x2 / n2 + 1e-12
        assert high >= x1 / n1 - x2 / n2 - 1e-12
    assert method(x2, n2, x1, n1, level=level) == pytest.approx((-high, -low), abs=1e-7)  # arms swapped
    assert method(n1 - x1, n1, n2 - x2, n2, level=level) == pytest.approx((-high, -low), abs=1e-7)  # success relabelled
    wider = method(*table, level=level + 0.0005)
    assert wider.low <= low + 1e-7
    assert high - 1e-7 <= wider.high


@pytest.mark.parametrize("method", METHODS)
def test_interval_of_arrays_properties(method):
    x1, x2 = np.array([[0], [3], [10]]), np.array([0, 1, 20])
    low, high = method(x1, 10, x2, 20)
    assert low.shape == high.shape == (3, 3)
    assert np.all(np.isfinite(low) & np.isfinite(high))
    assert (low[1, 1], high[1, 1]) == pytest.approx(method(3, 10, 1, 20), abs=1e-12)
