"""Limits that claims about means are judged on."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import skew

import shipworthy as sw
from shipworthy.estimate.means import shuffled, skewed_limits
from shipworthy.stats.mean import betting, mean_t
from shipworthy.stats.paired import sign_flip_interval


def moments(x):
    return np.full(len(x), x.shape[1]), x.mean(axis=1), x.std(axis=1, ddof=1), skew(x, axis=1)


def test_skewed_limits_properties():
    x = np.random.default_rng(0).normal(size=(1, 400)) ** 2
    n, mean, sd, g = moments(x)
    plain = mean_t(mean, sd, n, level=0.9)
    low, high = skewed_limits(n, mean, sd, g, level=0.9)
    assert low == pytest.approx(plain.low)  # a long right tail costs on the right only
    assert high > plain.high
    mirrored = skewed_limits(n, -mean, sd, -g, level=0.9)
    assert (mirrored[0], mirrored[1]) == (pytest.approx(-high), pytest.approx(-low))
    assert skewed_limits(n, mean, sd, 0 * g, level=0.9)[1] == pytest.approx(plain.high)
    for undecided in ((n, mean, 0 * sd, np.array([np.nan])), (n, mean, sd, np.array([4.1])), (n / 300, mean, sd, g)):
        assert np.isinf(skewed_limits(*undecided, level=0.9)).all()


def found_arms(evaluate, frame, metric, slices=(), **roles):
    measured = evaluate(frame, metrics=[metric], slices=slices, **roles).evaluated.measured
    arms = measured.values[None, metric, "".join(slices)]
    return arms, arms.gate


@pytest.fixture
def predicted():
    rng = np.random.default_rng(4)
    n = 7000
    y = rng.random(n) < 0.2
    score = np.clip(0.2 + 0.3 * y + rng.normal(0, 0.1, n), 0, 1)
    group = np.where(np.arange(n) < 6000, "large", np.where(np.arange(n) < 6950, "small", "tiny"))
    return pd.DataFrame({"y": y.astype(int), "score": score, "group": group})


def test_bounded_mean_against_reference(predicted, evaluate):
    """Few rows: betting, whatever the order of the rows. Many rows: from sums."""
    _, gate = found_arms(evaluate, predicted, "brier", ["group"], label="y", score="score")
    _, again = found_arms(evaluate, predicted.sample(frac=1, random_state=1), "brier", ["group"], label="y",
                          score="score")  # fmt: skip
    low, high = gate(0.9)
    assert np.array_equal(np.stack(again(0.9))[:, 1:], np.stack([low, high])[:, 1:])
    for s, name in enumerate(("large", "small", "tiny")):
        mine = predicted[predicted.group == name]
        squared = ((mine.score - mine.y) ** 2).to_numpy()
        if name == "large":
            expected = [limit[0] for limit in skewed_limits(*moments(squared[None]), level=0.9)]
            assert (low[s], high[s]) == pytest.approx(tuple(expected))
        else:
            expected = betting(squared, rng=np.random.default_rng(9), level=0.9)
            assert (low[s], high[s]) == pytest.approx(tuple(expected), rel=0.15)


def test_unbounded_mean_against_reference(evaluate):
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"y": rng.normal(size=3000)})
    frame["guess"] = frame.y + rng.normal(size=3000)
    error = (frame.guess - frame.y).to_numpy()
    for metric, each, move in (("mae", np.abs(error), float), ("rmse", error**2, np.sqrt)):
        arms, gate = found_arms(evaluate, frame, metric, label="y", prediction="guess")
        expected = [float(move(limit[0])) for limit in skewed_limits(*moments(each[None]), level=0.9)]
        assert tuple(float(limit[0]) for limit in gate(0.9)) == pytest.approx(tuple(expected))
        assert gate(0.9)[1][0] >= arms.limits(0.9)[1][0]


def test_too_skewed_or_dependent_samples(evaluate):
    """One row holds nearly everything: no limits to judge on, while the display stays; under clusters too."""
    frame = pd.DataFrame({"y": np.zeros(100), "guess": np.r_[50, np.linspace(0.1, 0.2, 99)], "home": range(100)})
    arms, gate = found_arms(evaluate, frame, "mae", label="y", prediction="guess")
    assert [float(limit[0]) for limit in gate(0.9)] == [0, np.inf]  # no error is below 0, whatever the sample
    assert np.isfinite(arms.limits(0.9)).all()
    clustered = found_arms(evaluate, frame, "mae", label="y", prediction="guess", cluster="home")[1]
    assert [float(limit[0]) for limit in clustered(0.9)] == [0, np.inf]


def test_few_cases_of_an_unbounded_mean_decide_nothing(evaluate):
    """299 cases may have missed what one in a hundred is like. An RMSE has a floor, so that it can still be breached."""
    rng = np.random.default_rng(12)
    for n, decides in ((299, False), (300, True)):
        frame = pd.DataFrame({"y": rng.normal(size=n), "guess": 0.0})
        arms, gate = found_arms(evaluate, frame, "rmse", label="y", prediction="guess")
        low, high = gate(0.9)
        assert np.isfinite(low[0])
        assert np.isfinite(high[0]) == decides
        assert (arms.gate_reasons[0] is None) == decides
        assert (
            np.isfinite(found_arms(evaluate, frame, "mean_error", label="y", prediction="guess")[1](0.9)[0]) == decides
        )


@pytest.mark.parametrize("extra", [{"cluster": "home"}, {"weight": "heavy"}])
def test_units_of_one_row_against_reference(extra, evaluate):
    """Clusters of one row, or equal weights, are independent rows."""
    rng = np.random.default_rng(13)
    frame = pd.DataFrame({"y": rng.normal(size=800), "guess": 0.0, "home": range(800), "heavy": 2.0})
    plain = found_arms(evaluate, frame, "mae", label="y", prediction="guess")[1]
    found = found_arms(evaluate, frame, "mae", label="y", prediction="guess", **extra)[1]
    assert np.ravel(found(0.9)) == pytest.approx(np.ravel(plain(0.9)), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("chance", "most"), [(0.01, 0.05), (0.02, 0.05), (0.05, 0.05), (0.005, 0.25)])
def test_rare_and_huge_against_simulation(chance, most):
    """A value of 50 among values of about 1. Of 300 cases, .99^300 = .049 hold none of a kind that one in 100 is of; a
    kind that one in 200 is of is missed by .22 of the samples, which no method can tell (docs/statistics.md).
    """
    runs, rng = 4000, np.random.default_rng(14)
    truth = np.sqrt(2 / np.pi) + 50 * chance
    for n in (300, 1000):
        x = np.abs(rng.normal(size=(runs, n))) + 50 * (rng.random((runs, n)) < chance)
        low, high = skewed_limits(*moments(x), level=0.9)
        assert (high < truth).mean() <= most + 3 * np.sqrt(most * (1 - most) / runs)
        assert (low > truth).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "mean", "n"), [
    (lambda rng, size: np.where(rng.random(size) < 0.04, rng.random(size), 0), 0.02, 30),
    (lambda rng, size: np.where(rng.random(size) < 0.04, rng.random(size), 0), 0.02, 100),
    (lambda rng, size: rng.lognormal(size=size), np.exp(0.5), 300),
    (lambda rng, size: rng.beta(0.2, 0.05, size), 0.8, 30),
    (lambda rng, size: rng.beta(8, 2, size), 0.8, 100),
], ids=["zeros-30", "zeros-100", "lognormal-300", "bimodal-30", "concentrated-100"])  # fmt: skip
def test_table_of_means_at_the_bound_against_simulation(draw, mean, n, evaluate):
    """The populations of table 3.4, through the gate: false met and false breached at most .05 each, or undecided."""
    rng, runs = np.random.default_rng(15), 300
    x = draw(rng, runs * n)
    frame = pd.DataFrame({"y": 0.0, "guess": x, "run": np.repeat(np.arange(runs), n)})
    _, gate = found_arms(evaluate, frame, "mae", ["run"], label="y", prediction="guess")
    low, high = gate(0.9)
    most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert (high < mean).mean() <= most
    assert (low > mean).mean() <= most
    if n < 300:
        assert np.isinf(high).all()


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize(("draw", "mean"), [
    (lambda rng, size: np.where(rng.random(size) < 0.04, rng.exponential(size=size), 0), 0.04),
    (lambda rng, size: rng.exponential(size=size), 1.0),
    (lambda rng, size: rng.normal(size=size) ** 2, 1.0),
    (lambda rng, size: np.exp(rng.normal(size=size)), np.exp(0.5)),
    (lambda rng, size: np.exp(2 * rng.normal(size=size)), np.exp(2)),
    (lambda rng, size: rng.normal(size=size), 0.0),
], ids=["rare", "exponential", "squares", "lognormal", "heavy", "normal"])  # fmt: skip
def test_mean_at_the_bound_against_simulation(draw, mean, n):
    """The true mean lies beyond a one-sided 5 % limit at most that often; Student's t reached .32 here."""
    runs = 3000
    low, high = skewed_limits(*moments(draw(np.random.default_rng(2), (runs, n))), level=0.9)
    most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert (high < mean).mean() <= most
    assert (low > mean).mean() <= most


@pytest.mark.slow
def test_rare_events_at_the_bound_against_simulation(evaluate):
    """Brier score of true chances around .02: Student's t calls it small enough in 14 % of samples."""
    rng = np.random.default_rng(3)
    runs, n = 300, 100
    score = rng.uniform(0.01, 0.03, runs * n)
    frame = pd.DataFrame(
        {"y": (rng.random(runs * n) < score).astype(int), "score": score, "group": np.repeat(np.arange(runs), n)}
    )
    arms, gate = found_arms(evaluate, frame, "brier", ["group"], label="y", score="score")
    truth = 0.02 - (0.02**2 + 0.02**2 / 12)
    most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert (gate(0.9)[1] < truth).mean() <= most
    assert (gate(0.9)[0] > truth).mean() <= most
    assert (arms.limits(0.9)[1] < truth).mean() > most


def test_changes_of_few_clusters_against_reference(evaluate):
    """Fewer than 20 clusters: the limits of a sign-flip test on what each adds up to; from 20 on, Student's t."""
    rng = np.random.default_rng(16)
    for stores, flipped in ((12, True), (20, False)):
        store = np.repeat(np.arange(stores), 30)
        frame = pd.DataFrame({"y": rng.normal(size=len(store)), "store": store})
        frame["old"], frame["new"] = (frame.y + rng.normal(0, s, len(store)) for s in (1.2, 1.0))
        variants = {name: {"prediction": name} for name in ("old", "new")}
        found = evaluate(frame, label="y", cluster="store", variants=variants, baseline="old", metrics=["mae"])
        arms = found.evaluated.measured.changes["new", "mae", ""]
        change = ((frame.new - frame.y).abs() - (frame.old - frame.y).abs()).groupby(store).sum()
        expected = sign_flip_interval(change, np.full(stores, 30.0), level=0.9) if flipped else None
        low, high = (float(limit[0]) for limit in arms.gate(0.9))
        if expected is None:
            expected = tuple(float(limit[0]) for limit in arms.limits(0.9))
            assert low <= expected[0] + 1e-12
            assert high >= expected[1] - 1e-12
        else:
            assert (low, high) == pytest.approx(tuple(expected))


@pytest.mark.slow
@pytest.mark.parametrize("n", [400, 801])
def test_the_order_of_bets_is_as_good_as_random_against_simulation(n):
    """With one permutation for all samples of a size, 22 % of claims about a perfectly calibrated Brier score of 400
    rows were met falsely at a declared 5 %.
    """
    rng, runs, met = np.random.default_rng(29), 400, 0
    score = 1 / (1 + np.exp(-rng.normal(-1, 1.2, (runs, n))))
    truth = 0.17066726  # the mean of s (1 - s)
    for row, happened in zip(score, rng.random((runs, n)) < score, strict=True):
        met += betting(shuffled((happened - row) ** 2), bounds=(0.0, 1.0), level=0.9).high < truth
    assert met / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_the_order_of_bets_hangs_on_the_values_and_not_on_how_they_are_stored():
    values = np.random.default_rng(1).random(50)
    assert (shuffled(values) == shuffled(values[::-1])).all()
    assert (shuffled(np.append(values, np.nan)) == shuffled(values)).all()
    ranks = [np.argsort(np.argsort(shuffled(values + shift))) for shift in (0.0, 1.0)]
    assert (ranks[0] != ranks[1]).any()


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "n"), [("normal", 320), ("laplace", 320), ("lognormal", 400), ("lognormal", 2000)])
def test_r2_of_skewed_errors_is_not_met_by_luck_against_simulation(noise, n):
    """Without a look at skewness, R² of lognormal errors was met falsely in 19 % of samples at a declared 5 %."""
    runs, met, rng = 250, 0, np.random.default_rng(8)
    variance = {"normal": 1.0, "laplace": 2.0, "lognormal": (np.e - 1) * np.e}[noise]
    for _ in range(4):
        x = rng.normal(0, 1.5, runs * n)
        error = getattr(rng, noise)(0, 1, runs * n) - (np.exp(0.5) if noise == "lognormal" else 0)
        told = {"run": np.repeat(np.arange(runs).astype(str), n), "y": x + error, "p": x}
        found = sw.evaluate(told, label="y", prediction="p", slices=["run"], metrics=["r2"])
        claim = found.require("r2", across="run", at_least=1 - variance / (2.25 + variance))
        met += sum(piece.outcome.value == "met" for piece in claim.pieces)
    assert met / (4 * runs) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / (4 * runs))
