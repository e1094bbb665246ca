import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.power import TTestIndPower

from shipworthy.errors import NotEstimable
from shipworthy.stats import power as w
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.mean import mean_t
from shipworthy.stats.paired import mcnemar
from shipworthy.stats.proportion import wilson


def test_two_proportions_against_reference():
    """R power.prop.test: .50 against .75 at power .90 needs 76.7; 50 per arm have power .740."""
    assert w.power_two_proportions(76.7, 0.5, 0.75) == pytest.approx(0.9, abs=5e-5)
    assert w.n_two_proportions(0.5, 0.75, power=0.9) == 77
    assert w.power_two_proportions(50, 0.5, 0.75) == pytest.approx(0.740, abs=5e-4)


def test_t_test_against_reference():
    """R power.t.test: n = 20, delta 1 has power .8690; .90 needs 22.02."""
    assert w.power_t_test(20, 1.0) == pytest.approx(0.8690, abs=5e-5)
    assert w.power_t_test(22.02, 1.0) == pytest.approx(0.90, abs=1e-4)
    assert w.n_t_test(1.0) == 23
    both = TTestIndPower().power(0.5, 64, 0.05)
    assert w.power_t_test(64, 0.5) == pytest.approx(both, abs=1e-4)


def test_paired_against_reference():
    """Table 3.9: .80 against .83 at power .80."""
    assert w.n_two_proportions(0.8, 0.83) == 2629
    assert [w.n_paired(0.03, psi) for psi in (0.05, 0.1, 0.2)] == [434, 870, 1742]


def test_closed_forms_against_reference():
    assert w.n_non_inferiority(0.85, 0.10) == 268
    assert w.n_miller(0.03, 1 / 9) == 969
    assert (w.n_without_failure(0.01), w.n_without_failure(0.001)) == (299, 2995)
    # Section 3.7: fixed plans for a gate at .90, 71, 239, 362 and 101.2.
    assert [w.n_for_proportion_bound(p, 0.9) for p in (0.98, 0.95, 0.85, 0.8)] == [71, 239, 362, 102]


def test_equal_groups_against_reference():
    """Section 2.2."""
    assert [w.n_for_equal_groups(0.1, 0.05, k) for k in (2, 4, 10, 40)] == [780, 1116, 1501, 2041]
    predicted = [w.power_equal_groups(0.1, 0.05, k, 800) for k in (2, 4, 10)]
    assert predicted == pytest.approx([0.909, 0.670, 0.198], abs=5e-4)
    assert w.smallest_group_that_can_pass(0.1, 0.05) == pytest.approx(200, abs=5)


def test_smallest_group_against_theory():
    n = w.smallest_group_that_can_pass(0.1, 0.05)

    def bound(size):
        limits = wilson(0.1 * size, size, level=0.9)
        return mover_difference(0.1, limits, 0.1, limits).high

    assert bound(n) < 0.05 <= bound(n - 1)
    assert w.smallest_group_that_can_pass(0.1, 0.05, other=100_000) < n
    with pytest.raises(NotEstimable, match="cases would be needed"):
        w.smallest_group_that_can_pass(0.1, 0.05, other=50)


def test_miller_against_theory():
    """With all noise within prompts, K samples divide the need by K; between-prompt noise stays."""
    assert w.n_miller(0.1, 0.0, within_a=0.2, samples_a=4) == w.n_miller(0.1, 0.05)


@pytest.mark.parametrize(("p", "limit"), [(0.05, 0.10), (0.95, 0.90), (0.03, 0.05)])
def test_proportion_bound_against_theory(p, limit):
    """Exact binomial chance that the Wilson bound clears the limit at the planned n."""
    n = w.n_for_proportion_bound(p, limit, power=0.9)
    x = np.arange(n + 1)
    low, high = wilson(x, np.full(n + 1, n), level=0.9)
    clears = high < limit if p < limit else low > limit
    assert binom.pmf(x, n, p)[clears].sum() == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(("psi", "n", "expected"), [(0.05, 434, 0.836), (0.1, 870, 0.805), (0.2, 1742, 0.802)])
def test_paired_power_against_simulation(psi, n, expected):
    """Table 3.9: McNemar's asymptotic test at the planned number of pairs."""
    rng, runs = np.random.default_rng(39), 40_000
    b, c, _ = rng.multinomial(n, [(psi + 0.03) / 2, (psi - 0.03) / 2, 1 - psi], size=runs).T
    found = np.mean((b - c) ** 2 > 3.841459 * (b + c))
    assert found == pytest.approx(expected, abs=3 * np.sqrt(2 * expected * (1 - expected) / runs))


def test_allocation_against_theory():
    assert w.allocation(100, [0.5, 0.3, 0.1], floor=10).tolist() == [66, 24, 10]
    assert w.allocation(90, [1, 1, 1]).tolist() == [30, 30, 30]
    assert w.allocation(91, [1, 1, 1]).tolist() == [31, 30, 30]
    assert w.allocation(100, [0.4, 0.2], weight=[0.5, 0.5]).tolist() == [67, 33]
    assert w.allocation(10, [0.0, 0.0]).tolist() == [5, 5]
    assert w.allocation(12, [1.0, 2.0], floor=[6, 6]).tolist() == [6, 6]
    with pytest.raises(NotEstimable, match="floors"):
        w.allocation(5, [1, 1], floor=3)


@settings(max_examples=100)
@given(
    st.integers(0, 5000),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 50)), min_size=1, max_size=20),
)
def test_allocation_properties(total, slices):
    deviation, floor = np.array(slices).T
    if floor.sum() > total:
        return
    shares = w.allocation(total, deviation, floor=floor)
    assert shares.sum() == total
    assert np.all(shares >= floor)


@settings(max_examples=60)
@given(st.floats(0.02, 0.98), st.floats(0.02, 0.3), st.integers(2, 60), st.floats(0.5, 0.99))
def test_equal_groups_properties(p, limit, groups, power):
    n = w.n_for_equal_groups(p, limit, groups, power=power)
    assert w.power_equal_groups(p, limit, groups, n) >= power - 1e-9
    assert n == 1 or w.power_equal_groups(p, limit, groups, n - 1) <= power
    assert w.n_for_equal_groups(p, limit, groups + 1, power=power) >= n
    assert w.n_for_ratio_groups(p, 0.8, groups + 1, power=power) >= w.n_for_ratio_groups(p, 0.8, groups, power=power)


def test_validates_input():
    for call in (
        lambda: w.n_for_proportion_bound(0.1, 0.1),
        lambda: w.n_two_proportions(0.3, 0.3),
        lambda: w.n_t_test(0.0),
        lambda: w.n_paired(0.0, 0.1),
        lambda: w.n_miller(0.0, 1.0),
        lambda: w.n_non_inferiority(0.5, 1e-6),
    ):
        with pytest.raises(NotEstimable):
            call()
    for call in (
        lambda: w.n_for_proportion_bound(1.2, 0.1),
        lambda: w.n_for_equal_groups(0.0, 0.1, 3),
        lambda: w.n_for_equal_groups(0.1, 0.1, 1),
        lambda: w.n_for_equal_groups(0.1, 0.1, 3, power=1.0),
        lambda: w.n_paired(0.2, 0.1),
        lambda: w.power_t_test(1, 0.5),
        lambda: w.power_two_proportions(0, 0.5, 0.6),
        lambda: w.smallest_group_that_can_pass(0.1, 0.05, alpha=0.5),
        lambda: w.n_miller(0.1, -1.0),
        lambda: w.allocation(10, []),
        lambda: w.allocation(10, [1, 2], weight=[1, -1]),
    ):
        with pytest.raises(ValueError, match="must be"):
            call()


@pytest.mark.parametrize(
    ("discordance", "pairs", "printed"),
    [(0.05, 434, (0.836, 0.822, 0.768)), (0.1, 870, (0.805, 0.801, 0.771)), (0.2, 1742, (0.802, 0.802, 0.788))],
)
def test_power_of_mcnemar_against_theory(discordance, pairs, printed):
    """Table 3.9, .80 against .83: the chance, summed exactly, that each McNemar test finds the difference at that n."""
    assert w.n_paired(0.03, discordance) == pairs
    assert w.n_two_proportions(0.8, 0.83) == 2629
    total = np.arange(pairs + 1)
    share = binom.pmf(total, pairs, discordance)
    kept = total[share > 1e-12]
    better = np.arange(kept.max() + 1)[:, None]
    weight = binom.pmf(better, kept, (discordance + 0.03) / 2 / discordance) * share[kept]
    for method, expected in zip(("asymptotic", "mid-p", "exact"), printed, strict=True):
        rejected = (better <= kept) & (mcnemar(better, np.maximum(kept - better, 0), method=method) <= 0.05)
        assert (weight * rejected).sum() == pytest.approx(expected, abs=0.009)  # 3 errors of 20 000 runs


def test_seed_noise_against_simulation():
    """Section 3.9, two recipes alike but for seed noise of SD .01, 2 000 items: a test on the items alone names a winner
    in 42 % of comparisons, at one seed as at five; a paired t over five seeds in 4 %.
    """
    rng, runs, items, discordance = np.random.default_rng(39), 6000, 2000, 0.08
    apart = rng.normal(0, 0.01 * np.sqrt(2), size=(runs, 5))
    better = rng.binomial(items, (discordance + apart) / 2)
    worse = rng.binomial(items - better, (discordance - apart) / 2 / (1 - (discordance + apart) / 2))
    one_seed = mcnemar(better[:, 0], worse[:, 0]) <= 0.05
    five_seeds = mcnemar(better.sum(axis=1), worse.sum(axis=1)) <= 0.05
    differences = (better - worse) / items
    low, high = mean_t(differences.mean(axis=1), differences.std(axis=1, ddof=1), 5)
    for found, expected in ((one_seed, 0.42), (five_seeds, 0.42), ((low > 0) | (high < 0), 0.04)):
        error = 3 * np.sqrt(expected * (1 - expected) * (1 / runs + 1 / 2000))
        assert np.mean(found) == pytest.approx(expected, abs=error + 0.005)
