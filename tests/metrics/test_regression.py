import numpy as np
import pytest
from sklearn import metrics as sk


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(9)
    label = rng.gamma(3, 20, 1200)
    prediction = label * rng.lognormal(0.05, 0.2, 1200) + rng.normal(0, 4, 1200)
    return {
        "label": label, "prediction": prediction, "low": prediction - 20, "high": prediction + 15,
        "group": rng.choice(["x", "y", "z"], 1200),
    }  # fmt: skip


REFERENCE = {
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
    "median_absolute_error": sk.median_absolute_error,
    "mean_error": lambda y, p: np.mean(p - y),
    "pinball@0.5": lambda y, p: sk.mean_pinball_loss(y, p, alpha=0.5),
    "pinball@0.9": lambda y, p: sk.mean_pinball_loss(y, p, alpha=0.9),
    "quantile_coverage": lambda y, p: np.mean(y <= p),
}


def test_regression_against_reference(rows, evaluate):
    found = evaluate(
        rows, label="label", prediction="prediction", lower="low", upper="high", slices=["group"],
        metrics=[*REFERENCE, "interval_coverage", "interval_width"], task="regression",
    )  # fmt: skip
    for group in (None, "x", "y", "z"):
        chosen = np.ones(1200, dtype=bool) if group is None else rows["group"] == group
        y, p = rows["label"][chosen], rows["prediction"][chosen]
        for name, score in REFERENCE.items():
            estimate = found(name) if group is None else found(name, "group", group)
            assert estimate.value == pytest.approx(score(y, p), rel=1e-9), name
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.n == chosen.sum()
    covered = (rows["label"] >= rows["low"]) & (rows["label"] <= rows["high"])
    assert found("interval_coverage").value == pytest.approx(covered.mean())
    assert found("interval_coverage").method == "wilson"
    assert found("interval_width").value == pytest.approx(35)


def test_mean_interval_against_theory(rows, evaluate):
    """The t interval of scipy, on the absolute errors."""
    from scipy import stats

    found = evaluate(rows, label="label", prediction="prediction", metrics=["mae"], task="regression")("mae", at=0.9)
    errors = np.abs(rows["prediction"] - rows["label"])
    expected = stats.t.interval(0.9, len(errors) - 1, errors.mean(), stats.sem(errors))
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-9)


def test_r2_interval_against_simulation(evaluate):
    from shipworthy.estimate.arms import Context, measure
    from shipworthy.metrics.catalogue import lookup
    from shipworthy.observations.tally import Tally

    rng = np.random.default_rng(2)
    runs, n = 1000, 300
    y = rng.normal(10, 2, (runs, n))
    p = y + rng.normal(0, 1, (runs, n))
    terms = np.stack([np.ones_like(y), (p - y) ** 2, y, y * y], axis=2)
    tally = Tally(
        terms=("r2.n", "r2.error", "r2.y", "r2.y2"), parts=("run",), keys=tuple((k,) for k in range(runs)),
        rows=np.full(runs, float(n)), sums=terms.sum(axis=1), raw=terms.sum(axis=1),
        second=np.einsum("rnt,rnu->rtu", terms, terms), units=np.full(runs, float(n)), largest=np.ones(runs),
    )  # fmt: skip
    low, high = measure(lookup("r2", "regression"), tally, Context(evaluation="e", minimum_group=1)).limits(0.95)
    assert np.mean((low <= 0.75) & (high >= 0.75)) == pytest.approx(0.95, abs=0.025)


def test_equal_values_show_no_interval(evaluate):
    rows = {"label": [1.1] * 40, "prediction": [1.4] * 40}
    found = evaluate(rows, label="label", prediction="prediction", metrics=["mae", "r2"], task="regression")
    assert found("mae").value == pytest.approx(0.3)
    assert (found("mae").low, found("mae").high) == (None, None)
    assert "no spread" in found("mae").reason
    assert found("r2").value is None
    assert found.judge("mae", at_most=10.0).outcome == "undecided"
