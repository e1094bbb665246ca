import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, fisher_exact

from shipworthy.errors import NotEstimable
from shipworthy.stats.judge_quality import judge_report, judge_strength, sensitivity_by_group
from shipworthy.stats.proportion import wilson


def test_judge_report_validates_input():
    with pytest.raises(ValueError, match="pass, fail"):
        judge_report([5], [2], [1])
    with pytest.raises(ValueError, match="positives <= labelled"):
        judge_report([5, 5], [2, 6], [1, 1])
    with pytest.raises(NotEstimable, match="no judged"):
        judge_report([0, 0], 0, 0)
    with pytest.raises(ValueError, match="per group and verdict"):
        sensitivity_by_group([5, 5], [1, 1])


def test_proportional_labels_against_theory():
    report = judge_report([1500, 450, 50], [75, 22, 3], [72, 4, 1], proportional=True)
    assert report.sensitivity.value == 72 / 77
    assert tuple(report.sensitivity.interval) == pytest.approx(tuple(wilson(72, 77)))
    assert report.specificity.value == 18 / 23
    assert report.no_verdict == 0.025
    assert report.agreement.items == 97


def test_weighing_back_against_simulation():
    # 50 labels from each verdict of a judge with .9 and .8 at a rate of .7
    rng = np.random.default_rng(1)
    cells = np.array([0.7 * 0.9, 0.3 * 0.2, 0.7 * 0.1, 0.3 * 0.8])
    hits, runs = np.zeros(3), 1500
    agree, positive = 0.7 * 0.9 + 0.3 * 0.8, (0.7 + 0.69) / 2
    ac1 = 1 - (1 - agree) / (1 - 2 * positive * (1 - positive))
    naive = []
    for _ in range(runs):
        every = rng.multinomial(4000, cells)
        judged = np.array([every[:2].sum(), every[2:].sum()])
        positives = rng.hypergeometric(every[[0, 2]], every[[1, 3]], [50, 50])
        report = judge_report(judged, [50, 50], positives)
        pairs = (report.sensitivity.interval, 0.9), (report.specificity.interval, 0.8), (report.agreement.interval, ac1)
        hits += [low <= truth <= high for (low, high), truth in pairs]
        naive.append(positives[0] / positives.sum())
    assert np.all(hits / runs > 0.93)
    assert np.mean(naive) < 0.85  # what ignoring the design would have called sensitivity


@pytest.mark.parametrize(
    ("labels", "rates", "share"), [(20, (0.97, 0.03), 0.5), (45, (0.98, 0.02), 0.2), (50, (0.8, 0.3), 0.3)]
)
def test_agreement_of_few_labels_against_simulation(labels, rates, share):
    """Verdicts without an error seen made AC1 certain: it covered .71 and .69 in the first two."""
    rng, runs, hits = np.random.default_rng(6), 600, 0
    weight, rate = np.array([share, 1 - share]), np.array(rates)
    agree, positive = weight @ [rate[0], 1 - rate[1]], (weight[0] + weight @ rate) / 2
    truth = 1 - (1 - agree) / (1 - 2 * positive * (1 - positive))
    for _ in range(runs):
        low, high = judge_report(weight * 1e6, labels, rng.binomial(labels, rate)).agreement.interval
        assert low < high
        hits += low <= truth <= high
    assert hits / runs >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / runs)


def test_labels_all_alike_leave_agreement_open():
    low, high = judge_report([100, 60], [12, 12], [12, 12]).agreement.interval  # all positive, and half were failed
    assert low < judge_report([100, 60], [12, 12], [12, 12]).agreement.value < high
    low, high = judge_report([100, 60], [12, 12], [12, 0]).agreement.interval  # no error at all
    assert low < 0.75
    assert high == 1


def test_sensitivity_by_group_against_reference():
    first, second = sensitivity_by_group([[50, 50], [50, 50]], [[48, 3], [40, 20]])
    assert (first.measure, first.test, second.measure) == ("sensitivity", "fisher", "specificity")
    assert first.p_value == pytest.approx(fisher_exact([[48, 40], [3, 20]]).pvalue)
    assert second.p_value == pytest.approx(fisher_exact([[47, 30], [2, 10]]).pvalue)
    assert first.adjusted == pytest.approx(2 * min(first.p_value, second.p_value))
    assert [round(rate.value, 3) for rate in first.rates] == [0.941, 0.667]
    many, _ = sensitivity_by_group([[60, 40]] * 3, [[50, 10], [45, 15], [40, 20]])
    assert many.test == "chi2"
    assert many.p_value == pytest.approx(chi2_contingency([[50, 45, 40], [10, 15, 20]], correction=False).pvalue)
    sparse, none = sensitivity_by_group([[9, 4]] * 3, [[9, 1], [8, 1], [9, 4]])
    assert sparse.test == "fisher"
    assert 0 < sparse.p_value <= 1
    assert none.rates[2].value is None  # no labelled case of the third group is negative


def test_sensitivity_by_group_against_simulation():
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(600):
        hits, cleared = rng.binomial(70, 0.9, 2), rng.binomial(30, 0.9, 2)
        labelled = np.stack([hits + 30 - cleared, 70 - hits + cleared], axis=1)
        tests = sensitivity_by_group(labelled, np.stack([hits, 70 - hits], axis=1))
        alarms += min(test.adjusted for test in tests) < 0.05
    assert alarms / 600 < 0.05  # Fisher is conservative


def test_strength_against_theory():
    good = judge_strength([1500, 500], [60, 40], [58, 10])
    assert (good.grade, good.carries) == ("useful", True)
    assert "narrow the interval by 30%" in good.reason
    coin = judge_strength([1000, 1000], [50, 50], [40, 40])
    assert (coin.grade, coin.carries) == ("weak", False)
    assert coin.gain.value == pytest.approx(0)
    inverted = judge_strength([1000, 1000], [50, 50], [5, 45])
    assert (inverted.grade, inverted.carries) == ("inverted", False)
    one_sided = judge_strength([1000, 1000], [50, 50], [50, 50])
    assert one_sided.grade == "unknown"
    assert "no labelled case is negative" in one_sided.reason
    blank = judge_strength([1000, 1000], [0, 0], [0, 0])
    assert (blank.grade, blank.carries, blank.width) == ("unknown", False, 1)


@given(st.data())
def test_judge_properties(data):
    strata = data.draw(st.integers(2, 3))
    n = data.draw(st.lists(st.integers(0, 40), min_size=strata, max_size=strata))
    k = [data.draw(st.integers(0, size)) for size in n]
    cases = [size + data.draw(st.integers(1, 300)) for size in n]
    for report in (judge_report(cases, n, k), judge_report(cases, n, k, proportional=True)):
        for rate in (report.sensitivity, report.specificity):
            assert (rate.value is None) == (rate.interval is None)
            if rate.value is not None:
                assert 0 <= rate.interval.low <= rate.value + 1e-9
                assert rate.value <= rate.interval.high + 1e-9 <= 1 + 1e-9
    found = judge_strength(cases, n, k)
    assert 0 <= found.width <= 1
    assert found.reason
    if found.gain.value is not None:
        assert found.gain.interval.low <= found.gain.value + 1e-9
        assert found.gain.value <= found.gain.interval.high + 1e-9
