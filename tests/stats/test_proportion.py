import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm, t

from shipworthy.errors import NotEstimable
from shipworthy.stats.proportion import (
    agresti_coull,
    clopper_pearson,
    jeffreys,
    lower_tail,
    mid_p,
    upper_tail,
    wilson,
    wilson_corrected,
)

METHODS = [wilson, wilson_corrected, clopper_pearson, jeffreys, agresti_coull, mid_p]
RATES = np.linspace(0.005, 0.15, 1451)


def coverage(method, n, rates, **options):
    x = np.arange(n + 1)
    low, high = method(x, n, **options)
    rates = np.asarray(rates)[..., None]
    return (binom.pmf(x, n, rates) * ((low <= rates) & (rates <= high))).sum(axis=-1)


@pytest.mark.parametrize("method", METHODS)
def test_interval_validates_input(method):
    for successes, trials in [(3, 2), (-1, 2), (np.nan, 2), (1, np.nan), (1, np.inf), ([1, 5], 4)]:
        with pytest.raises(ValueError, match="0 <= successes <= trials"):
            method(successes, trials)
    for level in (0, 1, 95, np.nan):
        with pytest.raises(ValueError, match="level must be in"):
            method(1, 2, level=level)
    with pytest.raises(NotEstimable, match="no cases"):
        method([1, 0], [2, 0])


@pytest.mark.parametrize("tail", [lower_tail, upper_tail])
def test_tail_validates_input(tail):
    with pytest.raises(ValueError, match="p0 must be in"):
        tail(1, 2, 1.1)
    with pytest.raises(ValueError, match="successes <= trials"):
        tail(3, 2, 0.5)
    with pytest.raises(NotEstimable):
        tail(0, 0, 0.5)


@pytest.mark.parametrize(
    ("method", "successes", "trials", "expected"),
    [
        # Newcombe (1998a), table I
        (wilson, 81, 263, (0.2553, 0.3662)),
        (wilson, 15, 148, (0.0624, 0.1605)),
        (wilson, 0, 20, (0, 0.1611)),
        (wilson, 1, 29, (0.0061, 0.1718)),
        (clopper_pearson, 81, 263, (0.2527, 0.3676)),
        (clopper_pearson, 15, 148, (0.0578, 0.1617)),
        (clopper_pearson, 0, 20, (0, 0.1684)),
        (clopper_pearson, 1, 29, (0.0009, 0.1776)),
        (wilson_corrected, 81, 263, (0.2535, 0.3682)),
        (wilson_corrected, 15, 148, (0.0598, 0.1644)),
        (wilson_corrected, 0, 20, (0, 0.2005)),
        (wilson_corrected, 1, 29, (0.0018, 0.1963)),
        # Fagerland, Lydersen and Laake (2017), as in R contingencytables
        (wilson, 13, 16, (0.5699, 0.9341)),
        (clopper_pearson, 13, 16, (0.5435, 0.9595)),
        (jeffreys, 13, 16, (0.5792, 0.9442)),
        (wilson_corrected, 13, 16, (0.5369, 0.9503)),
    ],
)
def test_interval_against_reference(method, successes, trials, expected):
    assert np.round(method(successes, trials), 4).tolist() == list(expected)


def test_wilson_of_rogan_gladen_against_reference():
    # epiR example: 23 of 150 positive, sensitivity .96, specificity .89
    limits = (np.array(wilson(23, 150)) + 0.89 - 1) / (0.96 + 0.89 - 1)
    assert np.round(100 * limits, 2).tolist() == [-0.66, 12.89]


def test_clopper_pearson_rule_of_three_against_theory():
    assert clopper_pearson(0, 300, level=0.9).high == pytest.approx(1 - 0.05 ** (1 / 300), rel=1e-12)
    assert round(clopper_pearson(0, 300, level=0.9).high, 6) == 0.009936
    assert round(clopper_pearson(0, 300).high, 6) == 0.012221
    n = np.arange(1, 4000)
    high = clopper_pearson(0, n, level=0.9).high
    assert n[high < 0.01][0] == 299
    assert n[high < 0.001][0] == 2995


def test_clopper_pearson_inverts_its_tails_against_theory():
    for successes, trials in [(3, 17), (0.4, 9.3), (12.5, 20.25)]:
        low, high = clopper_pearson(successes, trials)
        assert upper_tail(successes, trials, low) == pytest.approx(0.025)
        assert lower_tail(successes, trials, high) == pytest.approx(0.025)


def test_mid_p_inverts_its_tails_against_theory():
    for successes, trials in [(1, 9), (3, 17), (16, 17)]:
        low, high = mid_p(successes, trials)
        half = binom.pmf(successes, trials, [low, high]) / 2
        assert upper_tail(successes, trials, low) - half[0] == pytest.approx(0.025)
        assert lower_tail(successes, trials, high) - half[1] == pytest.approx(0.025)


def test_tails_against_reference():
    for successes, trials, p0 in [(0, 9, 0.3), (4, 9, 0.3), (9, 9, 0.3), (4, 9, 0.0), (9, 9, 1.0), (0, 9, 0.0)]:
        less, greater = (binomtest(successes, trials, p0, alternative=side).pvalue for side in ("less", "greater"))
        assert lower_tail(successes, trials, p0) == pytest.approx(less)
        assert upper_tail(successes, trials, p0) == pytest.approx(greater)


def test_wilson_with_student_t_against_theory():
    # x of n with critical value t is Wilson's interval at the normal level that has this critical value.
    low, high = wilson([3, 3], 40, df=np.array([9.0, 1e9]))
    assert low[0] < low[1]
    assert high[0] > high[1]
    assert (low[1], high[1]) == pytest.approx(wilson(3, 40), rel=1e-6)
    assert wilson(3, 40, df=9) == pytest.approx(wilson(3, 40, level=2 * norm.cdf(t.ppf(0.975, 9)) - 1))


@pytest.mark.parametrize(
    ("n", "p", "expected"),
    [
        (20, 0.01, (0.983, 0.983, 0.983, 0.983, 0.983)),
        (20, 0.05, (0.925, 0.984, 0.984, 0.984, 0.984)),
        (20, 0.10, (0.957, 0.957, 0.957, 0.989, 0.989)),
        (50, 0.01, (0.911, 0.986, 0.986, 0.986, 0.986)),
        (50, 0.05, (0.962, 0.962, 0.885, 0.962, 0.988)),
        (50, 0.10, (0.970, 0.970, 0.942, 0.942, 0.970)),
        (100, 0.01, (0.921, 0.982, 0.982, 0.982, 0.982)),
        (100, 0.05, (0.966, 0.966, 0.935, 0.935, 0.983)),
        (200, 0.01, (0.948, 0.984, 0.984, 0.984, 0.984)),
        (500, 0.01, (0.962, 0.962, 0.929, 0.929, 0.980)),
        (500, 0.05, (0.950, 0.950, 0.950, 0.950, 0.960)),
    ],
)
def test_coverage_against_theory(n, p, expected):
    methods = (wilson, agresti_coull, jeffreys, mid_p, clopper_pearson)
    assert tuple(round(float(coverage(method, n, p)), 3) for method in methods) == expected


@pytest.mark.parametrize(
    ("n", "method", "mean", "worst"),
    [
        (20, wilson, 0.956, 0.838),
        (20, clopper_pearson, 0.987, 0.975),
        (100, wilson, 0.953, 0.895),
        (100, clopper_pearson, 0.971, 0.951),
        (500, wilson, 0.951, 0.929),
        (500, clopper_pearson, 0.961, 0.950),
    ],
)
def test_coverage_over_rates_against_theory(n, method, mean, worst):
    covered = coverage(method, n, RATES)
    assert (round(covered.mean(), 3), round(covered.min(), 3)) == (mean, worst)


@pytest.mark.parametrize(
    ("method", "least", "most"), [(wilson, 0.018, 0.058), (jeffreys, 0.034, 0.133), (clopper_pearson, 0.018, 0.039)]
)
def test_one_sided_false_pass_against_theory(method, least, most):
    rates = []
    for n in (50, 100, 200, 500):
        x = np.arange(n + 1)
        high = method(x, n, level=0.9).high
        rates += [binom.pmf(x[high < p0], n, p0).sum() for p0 in (0.02, 0.05, 0.1)]
    possible = [rate for rate in rates if rate > 0]  # a bound that cannot pass at this n errs never
    assert (round(min(possible), 3), round(max(possible), 3)) == (least, most)


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_interval_properties(method, data):
    n = data.draw(st.integers(1, 400))
    k = data.draw(st.integers(0, n))
    level = data.draw(st.floats(0.5, 0.999))
    low, high = method(k, n, level=level)
    assert type(low) is float
    assert 0 <= low <= k / n <= high <= 1
    assert low < high
    assert method(n - k, n, level=level) == pytest.approx((1 - high, 1 - low), abs=1e-9)  # relabelling success mirrors
    wider = method(k, n, level=level + 0.0005)
    assert wider.low <= low + 1e-12
    assert high - 1e-12 <= wider.high
    if k < n:
        better = method(k + 1, n, level=level)
        assert better.low >= low
        assert better.high >= high - 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_interval_at_the_edges_properties(method):
    assert method(0, 20).low == 0
    assert method(20, 20).high == 1


@pytest.mark.parametrize("method", METHODS)
@given(n=st.floats(0.01, 1e6), share=st.floats(0, 1))
def test_interval_of_fractional_counts_properties(method, n, share):
    low, high = method(n * share, n)
    assert 0 <= low <= n * share / n <= high <= 1


@pytest.mark.parametrize("method", METHODS)
def test_interval_of_arrays_properties(method):
    low, high = method(np.array([[0], [3]]), np.array([5, 50, 500]))
    assert low.shape == high.shape == (2, 3)
    assert (low[1, 2], high[1, 2]) == method(3, 500)


@given(n=st.integers(1, 300), data=st.data(), p0=st.floats(1e-6, 1 - 1e-6))
def test_tails_properties(n, data, p0):
    k = data.draw(st.integers(0, n))
    below, above = lower_tail(k, n, p0), upper_tail(k, n, p0)
    assert 0 <= below <= 1
    assert below + above == pytest.approx(1 + binom.pmf(k, n, p0), abs=1e-9)
    assert upper_tail(n - k, n, 1 - p0) == pytest.approx(below, abs=1e-9)
