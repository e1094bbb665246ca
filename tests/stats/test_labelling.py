import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.stats.judged import strat_mover
from shipworthy.stats.labelling import allocate_labels, labels_to_decide


def test_labelling_validates_input():
    with pytest.raises(ValueError, match="one slice"):
        labels_to_decide([[5, 5]], [[1, 1]], [[1, 1]], bound=0.5)
    with pytest.raises(ValueError, match="bound must be"):
        labels_to_decide([5, 5], [1, 1], [1, 1], bound=1)
    with pytest.raises(ValueError, match="alpha must be"):
        labels_to_decide([5, 5], [1, 1], [1, 1], bound=0.5, alpha=0.5)
    with pytest.raises(ValueError, match="power must be"):
        labels_to_decide([5, 5], [1, 1], [1, 1], bound=0.5, power=1)
    with pytest.raises(ValueError, match="positives <= labelled"):
        allocate_labels(5, [5, 5], [6, 1], [1, 1])
    with pytest.raises(ValueError, match="design must be"):
        allocate_labels(5, [5, 5], [1, 1], [1, 1], design="random")
    with pytest.raises(ValueError, match="not be negative"):
        allocate_labels(-5, [5, 5], [1, 1], [1, 1])


def test_balanced_allocation_against_theory():
    # half to each verdict, old and new together
    assert allocate_labels(100, [1500, 500], [0, 0], 0).tolist() == [50, 50]
    assert allocate_labels(60, [1500, 500], [30, 10], [28, 2]).tolist() == [20, 40]
    # a verdict with few cases is labelled throughout, the rest goes to the other
    assert allocate_labels(100, [1500, 20], [0, 0], 0).tolist() == [80, 20]
    # all slices reach the floor before any gets more
    spread = allocate_labels(40, [[900, 100], [90, 10], [9, 1]], 0, 0, floor=5)
    assert np.all(spread >= [[5, 5], [5, 5], [5, 1]])
    assert spread.sum() == 40
    # then the slice with more cases and mixed verdicts takes most
    assert spread[0].sum() > spread[1].sum() > spread[2].sum()


def test_neyman_allocation_against_theory():
    cases, n, k = np.array([8000, 2000]), np.array([100, 100]), np.array([98, 40])
    extra = allocate_labels(1000, cases, n, k, design="neyman")
    rate = (k + 1) / (n + 2)
    target = cases * np.sqrt(rate * (1 - rate))
    assert (n + extra) / 1200 == pytest.approx(target / target.sum(), abs=1e-3)


@given(st.data())
def test_allocation_properties(data):
    slices, strata = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    n = np.array(data.draw(st.lists(st.integers(0, 30), min_size=slices * strata, max_size=slices * strata)))
    k = np.array([data.draw(st.integers(0, int(size))) for size in n])
    cases = n + np.array([data.draw(st.integers(0, 200)) for _ in n])
    shape = (slices, strata)
    total = data.draw(st.integers(0, 500))
    design = data.draw(st.sampled_from(["balanced", "neyman"]))
    extra = allocate_labels(total, *(part.reshape(shape) for part in (cases, n, k)), design=design)
    assert extra.shape == shape
    assert extra.sum() == min(total, (cases - n).sum())
    assert np.all(extra >= 0)
    assert np.all(extra.ravel() <= cases - n)


def test_labels_to_decide_against_theory():
    strata = [1500, 500], [60, 40], [58, 10]
    assert labels_to_decide(*strata, bound=0.70) == 0  # decided already
    assert labels_to_decide(*strata, bound=0.95) == 0  # on the other side
    near, far = (labels_to_decide(*strata, bound=bound) for bound in (0.75, 0.74))
    assert 0 < far < near
    assert labels_to_decide(*strata, bound=0.785) is None  # 2 000 judged cases cannot tell .7875 from it
    assert labels_to_decide([1500, 500], [0, 0], [0, 0], bound=0.5) is None
    assert labels_to_decide(*strata, bound=0.75, power=0.5) < near
    assert labels_to_decide(*strata, bound=0.75, method="clopper-pearson") > near


@pytest.mark.parametrize(("rate", "bound"), [(0.8, 0.75), (0.9, 0.86), (0.6, 0.64)])
def test_labels_to_decide_against_simulation(rate, bound):
    # where the present estimate is the truth, four in five runs of that many labels decide, or more
    cells = np.array([rate * 0.9, (1 - rate) * 0.1, rate * 0.1, (1 - rate) * 0.9])
    judged = np.array([cells[:2].sum(), cells[2:].sum()]) * 10_000
    share = np.array([cells[0] / cells[:2].sum(), cells[2] / cells[2:].sum()])
    n = np.array([40, 40])
    k = np.round(n * share)
    needed = labels_to_decide(np.round(judged), n, k, bound=bound)
    rng = np.random.default_rng(1)

    def decided(more):
        extra = allocate_labels(more, np.round(judged), n, k)
        found = rng.binomial(extra[None], np.broadcast_to(k / n, (4000, 2))) + k
        low, high = strat_mover(np.round(judged), n + extra, found, level=0.9).interval
        return np.mean(low >= bound) if rate > bound else np.mean(high <= bound)

    assert decided(needed) > 0.78
    assert decided(needed // 4) < 0.7
