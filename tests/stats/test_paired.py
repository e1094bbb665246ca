import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import chdtri
from scipy.stats import binom, multinomial, permutation_test, ttest_1samp

from shipworthy.errors import NotEstimable
from shipworthy.stats.paired import (
    bonett_price,
    mcnemar,
    newcombe_paired,
    non_inferiority,
    paired_mean,
    sign_flip_interval,
    tango,
)

METHODS = [tango, newcombe_paired, bonett_price]
CAVO, BENTUR, APPROVAL = (59, 6, 16, 80), (1, 1, 7, 12), (794, 150, 86, 570)


@st.composite
def tables(draw):
    table = [draw(st.integers(0, 60)) for _ in range(4)]
    return table if sum(table) else [0, 0, 0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_interval_validates_input(method):
    for table in [(-1, 1, 1, 1), (np.nan, 1, 1, 1), (np.inf, 1, 1, 1)]:
        with pytest.raises(ValueError, match="pair counts"):
            method(*table)
    with pytest.raises(ValueError, match="level"):
        method(1, 1, 1, 1, level=2)
    with pytest.raises(NotEstimable, match="no pairs"):
        method(0, 0, 0, 0)


def test_mcnemar_validates_input():
    for b, c in [(-1, 2), (1.5, 2), (np.nan, 2)]:
        with pytest.raises(ValueError, match="whole numbers"):
            mcnemar(b, c)
    with pytest.raises(ValueError, match="method must be"):
        mcnemar(1, 2, method="midp")


def test_units_validate_input():
    for call in (paired_mean, sign_flip_interval, lambda d: non_inferiority(d, margin=0.1)):
        with pytest.raises(ValueError, match="one finite number per unit"):
            call([1.0, np.nan])
        with pytest.raises(ValueError, match="one finite number per unit"):
            call([[1.0, 2.0]])
        with pytest.raises(NotEstimable):
            call([])
    for call in (paired_mean, lambda d: non_inferiority(d, margin=0.1)):
        with pytest.raises(NotEstimable, match="only 1"):
            call([1.0])
    with pytest.raises(ValueError, match="margin"):
        non_inferiority([1.0, 2.0], margin=-0.1)


@pytest.mark.parametrize(
    ("table", "digits", "expected"),
    [(CAVO, 6, (0.033006, 0.055009, 0.052479, 0.034690)), (BENTUR, 4, (0.0339, 0.0771, 0.0703, 0.0391))],
)
def test_mcnemar_against_reference(table, digits, expected):
    # Cavo et al. (2012) and Bentur et al. (2009), as in Fagerland, Lydersen and Laake (2013, 2014)
    methods = ("asymptotic", "corrected", "exact", "mid-p")
    assert tuple(round(mcnemar(table[1], table[2], method=method), digits) for method in methods) == expected


def test_mcnemar_of_equal_counts_against_theory():
    assert mcnemar(5, 5) == pytest.approx(1 - binom.pmf(5, 10, 0.5) / 2)
    assert mcnemar(5, 5, method="exact") == 1
    assert mcnemar(0, 0) == 1


def test_mcnemar_statistic_against_reference():
    # Agresti, approval of the prime minister: the p-values must be those of the printed chi-squared
    assert round(chdtri(1, mcnemar(150, 86, method="asymptotic")), 3) == 17.356
    assert round(chdtri(1, mcnemar(150, 86, method="corrected")), 3) == 16.818


@pytest.mark.parametrize(
    ("method", "table", "expected"),
    [
        (tango, CAVO, (-0.1240, -0.0054)),
        (newcombe_paired, CAVO, (-0.1186, -0.0046)),
        (bonett_price, CAVO, (-0.1195, -0.0032)),
        (tango, BENTUR, (-0.5172, -0.0260)),
        (newcombe_paired, BENTUR, (-0.5069, -0.0256)),
    ],
)
def test_interval_against_reference(method, table, expected):
    assert np.round(method(*table), 4).tolist() == list(expected)


def test_tango_without_discordant_pairs_against_theory():
    z2 = chdtri(1, 0.05)
    assert tango(5, 0, 0, 5) == pytest.approx((-z2 / (10 + z2), z2 / (10 + z2)))


def test_tango_agrees_with_mcnemar_against_theory():
    # At a difference of 0 Tango's statistic is McNemar's: 0 is a limit at the level 1 - p.
    p = mcnemar(6, 16, method="asymptotic")
    assert tango(*CAVO, level=1 - p).high == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("method", "expected"), [("asymptotic", 0.043), ("mid-p", 0.041), ("exact", 0.022)])
def test_mcnemar_type_i_error_against_theory(method, expected):
    total = np.arange(101)
    b = np.arange(101)[:, None]
    rejected = (b <= total) & (mcnemar(b, np.maximum(total - b, 0), method=method) <= 0.05)
    weight = binom.pmf(b, total, 0.5) * binom.pmf(total, 100, 0.1)
    assert round(float((weight * rejected).sum()), 3) == expected


@pytest.mark.parametrize(
    ("n", "worst", "mean"), [(10, 0.951, 0.983), (20, 0.946, 0.973), (30, 0.938, 0.965), (50, 0.943, 0.958)]
)
def test_tango_coverage_in_small_samples_against_theory(n, worst, mean):
    b, c = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    b, c = b[b + c <= n], c[b + c <= n]
    low, high = tango(n - b - c, b, c, 0)
    covered = []
    for discordant in (0.05, 0.1, 0.2, 0.4, 0.6):
        for share in (0, 0.25, 0.5, 0.75):
            first, second = discordant * (1 + share) / 2, discordant * (1 - share) / 2
            inside = (low <= first - second + 1e-12) & (first - second - 1e-12 <= high)
            weight = multinomial.pmf(np.stack([b, c, n - b - c], axis=1), n, [first, second, 1 - discordant])
            covered.append(weight[inside].sum())
    assert (round(min(covered), 3), round(np.mean(covered), 3)) == (worst, mean)


def test_sign_flip_against_reference():
    """SciPy's permutation test keeps the means just inside a limit and rejects those just outside."""
    differences = np.array([0.31, -0.1, 0.42, 0.2, 0.03, 0.5, -0.22, 0.1])
    for level in (0.9, 0.95):
        low, high = sign_flip_interval(differences, level=level)
        for limit, inwards, alternative in ((low, 1, "greater"), (high, -1, "less")):
            p = [
                permutation_test(
                    (differences - limit - side * 1e-9, np.zeros(8)), lambda x, y: np.mean(x - y),
                    permutation_type="samples", alternative=alternative,
                ).pvalue
                for side in (inwards, -inwards)
            ]  # fmt: skip
            assert p[1] <= (1 - level) / 2 + 1e-12 < p[0]


def test_sign_flip_of_few_units_against_theory():
    assert sign_flip_interval([1, 2, 3, 4, 5]) == (-np.inf, np.inf)  # 2 / 2^5 is above .05
    assert sign_flip_interval([1, 2, 3, 4, 5], level=0.9) == (1, 5)  # 1 / 2^5 is below .05
    assert sign_flip_interval([0.0] * 9) == (0, 0)
    # A unit of twice the size counts for two: sums 4 of 2 and 1 of 1, so the means are 1, 5/3 and 2.
    assert sign_flip_interval([4, 1], [2, 1], level=0.4) == (1, 2)


def test_sign_flip_validates_input():
    for sizes in ([1.0], [1.0, 0.0], [1.0, np.nan]):
        with pytest.raises(ValueError, match="sizes"):
            sign_flip_interval([1.0, 2.0], sizes)
    with pytest.raises(ValueError, match="level"):
        sign_flip_interval([1.0], level=1)
    with pytest.raises(NotEstimable, match="21 units"):
        sign_flip_interval(np.ones(21))
    with pytest.raises(NotEstimable, match="no units"):
        sign_flip_interval([])


def test_sign_flip_against_simulation():
    """Heavy tails, eight units: each limit errs in 12 of 256 patterns, exactly; Student's t in fewer."""
    rng, runs = np.random.default_rng(5), 4000
    limits = np.array([sign_flip_interval(sample, level=0.9) for sample in rng.standard_t(2, size=(runs, 8))])
    for wrong in (limits[:, 0] > 0, limits[:, 1] < 0):
        assert wrong.mean() == pytest.approx(12 / 256, abs=3 * np.sqrt(12 / 256 * 244 / 256 / runs))


def test_paired_mean_against_reference():
    differences = np.random.default_rng(2).normal(size=12)
    expected = ttest_1samp(differences, 0).confidence_interval(0.9)
    assert paired_mean(differences, level=0.9) == pytest.approx((expected.low, expected.high))
    reference = ttest_1samp(differences, -0.3, alternative="greater").pvalue
    assert non_inferiority(differences, margin=0.3) == pytest.approx(reference)


def test_equal_differences_against_theory():
    # No spread was seen, so none is known: identical answers of three units must not pass any gate.
    assert paired_mean([0.1, 0.1, 0.1]) == (-np.inf, np.inf)
    assert non_inferiority([0.1, 0.1, 0.1], margin=0.5) == 1


@given(b=st.integers(0, 200), c=st.integers(0, 200))
def test_mcnemar_properties(b, c):
    for method in ("asymptotic", "corrected", "exact", "mid-p"):
        p = mcnemar(b, c, method=method)
        assert type(p) is float
        assert 0 < p <= 1
        assert mcnemar(c, b, method=method) == p
        if b > c:
            assert mcnemar(b + 1, c, method=method) <= p + 1e-12
    assert mcnemar(b, c, method="mid-p") <= mcnemar(b, c, method="exact")


@pytest.mark.parametrize("method", METHODS)
@given(table=tables(), level=st.floats(0.5, 0.999))
def test_interval_properties(method, table, level):
    a, b, c, d = table
    low, high = method(a, b, c, d, level=level)
    assert type(low) is float
    assert -1 - 1e-12 <= low <= high <= 1 + 1e-12
    if method is not bonett_price:
        assert low - 1e-9 <= (b - c) / sum(table) <= high + 1e-9
    assert method(a, c, b, d, level=level) == pytest.approx((-high, -low), abs=1e-9)  # versions swapped
    assert method(d, b, c, a, level=level) == pytest.approx((low, high), abs=1e-9) or method is newcombe_paired
    wider = method(a, b, c, d, level=level + 0.0005)
    assert wider.low <= low + 1e-9
    assert high - 1e-9 <= wider.high


@pytest.mark.parametrize("method", METHODS)
def test_interval_of_arrays_properties(method):
    low, high = method(np.array([[1], [0]]), np.array([0, 3, 9]), 2, 0)
    assert low.shape == high.shape == (2, 3)
    assert (low[0, 1], high[0, 1]) == pytest.approx(method(1, 3, 2, 0), abs=1e-12)
