import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from shipworthy.stats import boundaries as b

TWO_SIDED, ONE_SIDED = b.best_weight(100), b.best_weight(100, alpha=0.1)
MIXTURES = {
    "two-sided normal": lambda s, v=100.0: b.normal_log_value(s, v, weight=TWO_SIDED),
    "one-sided normal": lambda s, v=100.0: b.half_normal_log_value(s, v, weight=ONE_SIDED),
    "gamma-exponential": lambda s, v=100.0: b.gamma_exponential_log_value(s, v, weight=ONE_SIDED, scale=2),
    "beta-binomial": lambda s, v=100.0: b.beta_binomial_log_value(s, v, weight=TWO_SIDED, below=0.2, above=0.8),
    "one-sided beta-binomial": lambda s, v=100.0: b.beta_binomial_log_value(
        s, v, weight=ONE_SIDED, below=0.2, above=0.8, one_sided=True
    ),
}


@pytest.mark.parametrize(
    ("mixture", "bound", "at_ten"),
    [
        ("two-sided normal", 30.35209, -0.6510052),
        ("one-sided normal", 27.66071, -0.06502391),
        ("gamma-exponential", 33.02017, -0.2490165),
        ("beta-binomial", 31.4308, -0.6941012),
        ("one-sided beta-binomial", 28.41238, -0.07134019),
    ],
)
def test_mixture_against_reference(mixture, bound, at_ten):
    """confseq's own tests: tuned to v = 100 at alpha .05, at v = 100."""
    assert b.boundary_of(MIXTURES[mixture], highest=499) == pytest.approx(bound, abs=6e-6)
    assert MIXTURES[mixture](10) == pytest.approx(at_ten, abs=6e-8)


def test_closed_forms_against_reference():
    assert b.best_weight(100) == pytest.approx(12.60056, abs=5e-6)
    assert b.normal_boundary(100, weight=TWO_SIDED) == pytest.approx(30.35209, abs=5e-6)
    assert b.stitched_boundary(100, least=10, scale=3) == pytest.approx(64.48755, abs=5e-6)
    assert b.stitched_boundary(100, least=10, scale=-1) == pytest.approx(28.99389, abs=5e-6)
    with pytest.raises(ValueError, match="v must be above 0"):
        b.best_weight(0)


@given(st.floats(-20, 20), st.floats(1, 200))
def test_normal_mixtures_are_martingales_properties(s, v):
    """A standard normal step keeps the expected value."""
    steps, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    for name in ("two-sided normal", "one-sided normal"):
        ahead = sum(w * np.exp(MIXTURES[name](s + z, v + 1)) for z, w in zip(steps, weights, strict=True))
        assert ahead == pytest.approx(np.exp(MIXTURES[name](s, v)), rel=1e-6)


@given(st.integers(0, 60), st.integers(0, 60))
def test_beta_binomial_mixtures_are_martingales_properties(up, down):
    """A step of .8 with chance .2, or of -.2, keeps the expected value."""
    s, v = 0.8 * up - 0.2 * down, 0.16 * (up + down)
    for name in ("beta-binomial", "one-sided beta-binomial"):
        now = np.exp(MIXTURES[name](s, v))
        ahead = 0.2 * np.exp(MIXTURES[name](s + 0.8, v + 0.16)) + 0.8 * np.exp(MIXTURES[name](s - 0.2, v + 0.16))
        assert ahead == pytest.approx(now, rel=1e-6)


def test_boundaries_against_simulation():
    """Sums of 2 000 standard normal steps: the sharp one is crossed nearly as often as allowed, none more often."""
    runs, steps = 2000, 2000
    total = np.cumsum(np.random.default_rng(8).normal(size=(runs, steps)), axis=1)
    v = np.arange(1.0, steps + 1)
    error = 3 * np.sqrt(0.05 * 0.95 / runs)
    crossed = np.mean(np.any(np.abs(total) >= [b.normal_boundary(t, weight=TWO_SIDED) for t in v], axis=1))
    assert 0.01 < crossed <= 0.05 + error
    stitched = [b.stitched_boundary(t, least=10) for t in v]
    assert np.mean(np.any(total >= stitched, axis=1)) <= 0.05 + error
    assert norm.sf(stitched[99] / 10) < 0.05  # wider than a look at one time
