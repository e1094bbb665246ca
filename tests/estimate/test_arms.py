"""Clusters and weights: sufficient statistics against the rows, standard errors against statsmodels."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from shipworthy.estimate.arms import HEAVY, Context, effective_units, measure
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.passes import tally_cells
from shipworthy.stats.interval import critical
from shipworthy.stats.proportion import clopper_pearson, wilson


def households(seed=1, *, clusters=60, weight=False, straddle=True):
    """Rows in households of 1 to 9 that share a tendency; sex differs within a household unless `straddle` is off."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 10, clusters)
    home = np.repeat(np.arange(clusters), size)
    tendency = np.repeat(rng.beta(1.5, 1.5, clusters), size)
    n = len(home)
    sex = rng.choice(["f", "m"], n) if straddle else np.repeat(rng.choice(["f", "m"], clusters), size)
    frame = {
        "label": rng.integers(0, 2, n), "prediction": (rng.random(n) < tendency).astype(int), "home": home, "sex": sex,
        "score": rng.random(n),
    }  # fmt: skip
    return pd.DataFrame(frame | ({"w": rng.uniform(0.5, 4, n)} if weight else {}))


@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("cluster", [False, True])
def test_second_moments_against_rows(evaluate, weight, cluster):
    """Sums, outer products within a slice and across slices, as one would add them up by hand."""
    if not (weight or cluster):
        pytest.skip("counts are their own second moments")
    rows = households(weight=weight)
    found = evaluate(
        rows, label="label", prediction="prediction", slices=["sex"], metrics=["accuracy"],
        **({"weight": "w"} if weight else {}), **({"cluster": "home"} if cluster else {}),
    )  # fmt: skip
    observations = found.evaluated.observations
    axis = observations.axis("sex")
    tally = tally_cells(observations, [axis], ["label", "prediction"])["sex"]
    assert tally.keys == (("f",), ("m",))
    cells = np.stack([(rows.label == y) & (rows.prediction == p) for y, p in tally.terms], axis=1).astype(float)
    weights = rows.w.to_numpy() if weight else np.ones(len(rows))
    unit = rows.home.to_numpy() if cluster else np.arange(len(rows))
    per_unit = {
        sex: np.stack(
            [((cells * weights[:, None])[(rows.sex == sex) & (unit == u)]).sum(axis=0) for u in np.unique(unit)]
        )
        for sex in "fm"
    }
    for s, sex in enumerate("fm"):
        mine = (rows.sex == sex).to_numpy()
        assert tally.sums[s] == pytest.approx((cells * weights[:, None])[mine].sum(axis=0))
        assert tally.raw[s] == pytest.approx(cells[mine].sum(axis=0))
        assert tally.second[s] == pytest.approx(per_unit[sex].T @ per_unit[sex])
        assert tally.units[s] == len(np.unique(unit[mine]))
        assert tally.largest[s] == np.bincount(unit[mine]).max()
    if cluster:
        assert tally.cross[0, :, 1] == pytest.approx(per_unit["f"].T @ per_unit["m"])
        assert tally.cross[1, :, 1] == pytest.approx(tally.second[1])


def cluster_se(y, groups, weights=None):
    """statsmodels' cluster-robust SE of a mean, with the factor G / (G - 1) alone."""
    model = sm.OLS(y, np.ones(len(y))) if weights is None else sm.WLS(y, np.ones(len(y)), weights=weights)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    count = len(np.unique(groups))
    return fit.bse[0] * np.sqrt(count / (count - 1))


@pytest.mark.parametrize("weight", [False, True])
def test_cluster_interval_against_reference(evaluate, weight):
    """A mean's half-width over its t quantile is statsmodels' standard error; a rate's design effect is built on it."""
    rows = households(2, weight=weight)
    settings = {"label": "label", "prediction": "prediction", "score": "score", "cluster": "home"}
    found = evaluate(rows, metrics=["brier", "selection_rate"], **settings, **({"weight": "w"} if weight else {}))
    weights = rows.w.to_numpy() if weight else None
    se = cluster_se(((rows.score - rows.label) ** 2).to_numpy(), rows.home.to_numpy(), weights)
    brier = found("brier")
    assert brier.value == pytest.approx(np.average((rows.score - rows.label) ** 2, weights=weights))
    mass = np.bincount(rows.home, weights)
    worth = mass.sum() ** 2 / (mass**2).sum()
    assert (brier.high - brier.low) / 2 == pytest.approx(critical(0.95, worth - 1) * se, rel=1e-6)

    se = cluster_se(rows.prediction.to_numpy(float), rows.home.to_numpy(), weights)
    rate = found("selection_rate")
    n, p = len(rows), np.average(rows.prediction, weights=weights)
    assert rate.value == pytest.approx(p)
    assert rate.effective_n == pytest.approx(min(n, p * (1 - p) / se**2), rel=1e-6)
    expected = wilson(p * rate.effective_n, rate.effective_n, df=worth - 1)
    assert (rate.low, rate.high) == pytest.approx(expected)
    assert rate.method == "cluster-wilson"


def test_weights_against_reference(evaluate):
    """Weighted rows: statsmodels' robust SE gives the effective size, and the gate is Korn and Graubard's interval."""
    rows = households(3, weight=True)
    found = evaluate(rows, prediction="prediction", weight="w", metrics=["selection_rate"])
    n, p = len(rows), np.average(rows.prediction, weights=rows.w)
    fit = sm.WLS(rows.prediction.astype(float), np.ones(n), weights=rows.w).fit(cov_type="HC0")
    se = fit.bse.iloc[0] * np.sqrt(n / (n - 1))
    effective = p * (1 - p) / se**2
    rate = found("selection_rate")
    assert (rate.value, rate.method) == (pytest.approx(p), "weighted-wilson")
    assert rate.effective_n == pytest.approx(effective, rel=1e-6)
    arms = found.evaluated.measured.values[None, "selection_rate", ""]
    worth = rows.w.sum() ** 2 / (rows.w**2).sum()
    sure = effective / (len(rows) / worth) ** HEAVY * (critical(0.9) / critical(0.9, worth - 1)) ** 2
    assert np.concatenate(arms.gate(0.9)) == pytest.approx(
        np.array(clopper_pearson(p * sure, sure, level=0.9)), rel=1e-6
    )


def test_equal_weights_change_nothing(evaluate):
    rows = households(4).assign(w=2.5)
    plain = evaluate(rows, label="label", prediction="prediction", metrics=["fpr"])("fpr")
    weighted = evaluate(rows, label="label", prediction="prediction", weight="w", metrics=["fpr"])("fpr")
    assert (weighted.value, weighted.n) == (pytest.approx(plain.value), plain.n)
    assert (weighted.low, weighted.high) == pytest.approx((plain.low, plain.high), abs=0.003)  # t for z


def test_clusters_of_one_row_are_rows(evaluate):
    rows = households(5).assign(home=lambda frame: np.arange(len(frame)))
    plain = evaluate(rows, label="label", prediction="prediction", metrics=["tpr"])("tpr")
    alone = evaluate(rows, label="label", prediction="prediction", cluster="home", metrics=["tpr"])("tpr")
    assert alone.value == plain.value
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high), abs=0.003)


@pytest.mark.parametrize(("alike", "narrower"), [(True, True), (False, False)])
def test_clusters_that_straddle_slices_against_reference(evaluate, alike, narrower):
    """A household's shared tendency cancels in a difference within it, and adds up where it pulls the sexes apart."""
    rng = np.random.default_rng(6)
    tendency = np.repeat(rng.beta(1, 1, 150), 2)
    sex = np.tile(["f", "m"], 150)
    pull = np.where((sex == "f") | alike, tendency, 1 - tendency)
    rows = pd.DataFrame(
        {"home": np.repeat(np.arange(150), 2), "sex": sex, "prediction": (rng.random(300) < pull).astype(int)}
    )

    def width(**roles):
        piece = (
            evaluate(rows, prediction="prediction", slices=["sex"], metrics=["selection_rate"], **roles)
            .judge("selection_rate", "sex", compare="difference", at_most=0.5)
            .pieces[0]
        )
        return piece.estimate.high - piece.estimate.low

    together, apart = width(cluster="home"), width()
    assert (together < apart * 0.95) if narrower else (together > apart * 1.05)
    design = np.stack([sex == "m", np.ones(300)], axis=1).astype(float)
    fit = sm.OLS(rows.prediction.astype(float), design).fit(cov_type="cluster", cov_kwds={"groups": rows.home})
    assert together / 2 == pytest.approx(1.96 * fit.bse.iloc[0], rel=0.04)


def test_few_clusters_with_cases_show_no_rate(evaluate):
    """Forty clusters, but negatives in three of them: a false positive rate rests on three."""
    home = np.repeat(np.arange(40), 10)
    rows = {"home": home, "label": (home >= 3).astype(int), "prediction": np.arange(400) % 2}
    found = evaluate(rows, label="label", prediction="prediction", cluster="home", metrics=["fpr", "tpr"])
    assert found("tpr").value is not None
    assert found("fpr").value is None
    assert "worth only 3 equal clusters" in found("fpr").reason


def test_few_weighted_rows_show_no_rate(evaluate):
    rows = {"p": [0, 1] * 3, "w": [1.0, 2.0] * 3}
    estimate = evaluate(rows, prediction="p", weight="w", metrics=["selection_rate"])("selection_rate")
    assert estimate.value is None
    assert "weighted cases" in estimate.reason


def test_zero_weights_show_no_rate(evaluate):
    rows = {"p": [0, 1] * 30, "w": [0.0] * 60, "score": [0.5] * 60, "y": [0, 1] * 30}
    found = evaluate(
        rows, label="y", prediction="p", score="score", weight="w", metrics=["selection_rate", "brier", "mcc"]
    )
    for name in ("selection_rate", "brier", "mcc"):
        assert found(name).value is None
        assert found(name).reason


def test_effective_units_properties():
    """Never more than the units there are, equal to them when cases spread evenly, and 1 when one unit holds them
    all.
    """
    from shipworthy.observations.tally import Tally

    def worth(*cases):
        c = np.array(cases, dtype=float)
        tally = Tally(
            terms=("c",), parts=(), keys=((),), rows=np.array([c.sum()]), sums=np.array([[c.sum()]]),
            raw=np.array([[c.sum()]]), second=np.array([[[(c**2).sum()]]]), units=np.array([float(len(c))]),
            largest=np.array([c.max()]), clustered=True,
        )  # fmt: skip
        return effective_units(tally, np.array([1.0]))[0]

    assert worth(*[7] * 30) == 30
    assert worth(50, *[0] * 29) == 1
    assert 1 < worth(50, *[1] * 29) < 30


def test_rare_levels_are_folded_with_their_number(evaluate):
    """Levels below `fold_below` rows become one; the counts stay whole, for clusters that straddle them as well."""
    level = ["big"] * 50 + [f"tiny{k % 7}" for k in range(28)] + ["mid"] * 20
    rows = pd.DataFrame(
        {"level": level, "p": np.arange(98) % 2, "y": np.arange(98) // 3 % 2, "home": np.arange(98) % 13}
    )
    rows["score"] = np.linspace(0.1, 0.9, 98)
    rows["w"] = 1.0 + np.arange(98) % 3
    for extra in ({}, {"cluster": "home"}, {"weight": "w"}):
        found = evaluate(
            rows, label="y", prediction="p", score="score", slices=["level"], metrics=["selection_rate", "brier", "auc"],
            fold_below=10, **extra,
        )  # fmt: skip
        for metric in ("selection_rate", "brier", "auc"):
            arms = found.evaluated.measured.values[None, metric, "level"]
            assert [next(iter(key.values())) for key in arms.slices] == ["big", "mid", "(rare levels)"]
            assert list(arms.n) == [50, 20, 28]
        tally = tally_cells(found.evaluated.observations, found.evaluated.observations.axes, ["label", "prediction"])[
            "level"
        ]
        assert (tally.folded, tally.raw.sum()) == (7, 98)
        if extra == {"cluster": "home"}:
            assert tally.units[-1] == 13  # and not once per folded level
    lone = evaluate(
        rows[rows.level.isin(["big", "tiny0"])], prediction="p", slices=["level"], metrics=["selection_rate"]
    )
    assert "tiny0" in lone.values("selection_rate", "level")  # a single rare level has nothing to be folded with


def of_counts(draws):
    """The tally of samples, each of (TN, FP, FN, TP)."""
    from shipworthy.observations.tally import Tally

    draws = np.asarray(draws, dtype=float)
    n = draws.sum(axis=1)
    return Tally(
        terms=((0, 0), (0, 1), (1, 0), (1, 1)), parts=("r",), keys=tuple((k,) for k in range(len(draws))), rows=n,
        sums=draws, raw=draws, second=draws[:, :, None] * np.eye(4), units=n, largest=np.ones(len(draws)),
    )  # fmt: skip


def test_f1_interval_against_simulation():
    """F1 by its Jaccard index: Wilson's limits, carried over, cover."""
    rng = np.random.default_rng(3)
    tally = of_counts(rng.multinomial(200, [0.5, 0.1, 0.15, 0.25], size=3000))
    truths = {"f1": 2 * 0.25 / (2 * 0.25 + 0.25), "balanced_accuracy": (0.5 / 0.6 + 0.25 / 0.4) / 2,
              "mcc": (0.25 * 0.5 - 0.1 * 0.15) / np.sqrt(0.35 * 0.4 * 0.6 * 0.65)}  # fmt: skip
    for name, truth in truths.items():
        low, high = measure(lookup(name, "binary"), tally, Context(evaluation="e", minimum_group=1)).limits(0.95)
        assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(
            0.95, abs=3 * np.sqrt(0.0475 / 3000) + 0.003
        ), name


def test_correlation_without_an_error_against_theory():
    """Rounding decided: 1.0 had limits of .9999999999990, or none. Now: what no error among n leaves open."""
    sizes = [6, 10, 40, 200, 10**7]
    rows = [[n / 2, 0, 0, n / 2] for n in sizes] + [[0, n / 2, n / 2, 0] for n in sizes]
    arms = measure(lookup("mcc", "binary"), of_counts(rows), Context(evaluation="e", minimum_group=1))
    low, high = arms.limits(0.95)
    share = 1 - 0.025 ** (1 / np.array(sizes))
    left = (1 - share) / 2  # all that may be wrong is wrong on one side
    least = left * left / np.sqrt((left + share) * left * left * (left + share))
    assert arms.values == pytest.approx(np.repeat([1, -1], len(sizes)))
    assert low[: len(sizes)] == pytest.approx(least)
    assert high[len(sizes) :] == pytest.approx(-least)
    assert ((low <= arms.values) & (arms.values <= high) & (low < high)).all()
    one = measure(
        lookup("mcc", "binary"), of_counts([[5 * 10**6 - 1, 1, 0, 5 * 10**6]]), Context(evaluation="e", minimum_group=1)
    )
    assert 0 < float(one.limits(0.95)[1][0] - one.limits(0.95)[0][0]) < 2e-6  # one error of ten million is no rounding


@pytest.mark.parametrize(
    ("n", "of_positives", "errors"), [(20, 0.5, 0.01), (40, 0.5, 0.01), (40, 0.5, 0.05), (100, 0.1, 0.01)]
)
def test_correlation_near_one_against_simulation(n, of_positives, errors):
    """At .98 and 40 cases two thirds of the intervals had no width, and .28 were right."""
    cells = np.array(
        [
            (1 - of_positives) * (1 - errors),
            (1 - of_positives) * errors,
            of_positives * errors,
            of_positives * (1 - errors),
        ]
    )
    tn, fp, fn, tp = cells
    truth = (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    draws = np.random.default_rng(8).multinomial(n, cells, size=1500)
    low, high = measure(lookup("mcc", "binary"), of_counts(draws), Context(evaluation="e", minimum_group=1)).limits(
        0.95
    )
    assert (low < high).all()
    assert np.mean((low <= truth) & (truth <= high)) > 0.93


def test_mean_of_rates_in_clusters_against_rows(evaluate):
    """Balanced accuracy: the limits of both rates put together, with the correlation that the households give them."""
    rows = households(7, clusters=90)
    found = evaluate(
        rows, label="label", prediction="prediction", cluster="home", metrics=["balanced_accuracy", "tpr", "tnr"]
    )
    rates = [found("tpr"), found("tnr")]
    right = (rows.label == rows.prediction).to_numpy(float)
    left = [np.bincount(rows.home, (right - rates[1 - y].value) * (rows.label == y)) for y in (1, 0)]
    rho = left[0] @ left[1] / np.sqrt(left[0] @ left[0] * (left[1] @ left[1]))
    assert abs(rho) > 0.1
    below, above = ([abs(rate.value - getattr(rate, side)) for rate in rates] for side in ("low", "high"))
    both = found("balanced_accuracy")
    assert both.value == pytest.approx((rates[0].value + rates[1].value) / 2)
    assert both.value - both.low == pytest.approx(
        np.sqrt(below[0] ** 2 + below[1] ** 2 + 2 * rho * below[0] * below[1]) / 2
    )
    assert both.high - both.value == pytest.approx(
        np.sqrt(above[0] ** 2 + above[1] ** 2 + 2 * rho * above[0] * above[1]) / 2
    )
    assert both.method == "mover-cluster-wilson"


def test_mean_of_rates_in_few_clusters_shows_none(evaluate):
    """Negatives in three households: what rests on them shows no value either."""
    rows = {"home": np.repeat(np.arange(40), 10), "prediction": np.arange(400) % 2}
    rows["label"] = (rows["home"] >= 3).astype(int)
    found = evaluate(rows, label="label", prediction="prediction", cluster="home", metrics=["balanced_accuracy"])
    assert found("balanced_accuracy").value is None
    assert "tnr: worth only 3 equal clusters" in found("balanced_accuracy").reason


def test_effective_size_of_a_weighted_mean_against_theory(evaluate):
    rows = households(8, weight=True)
    found = evaluate(rows, label="label", score="score", weight="w", metrics=["brier"])
    assert found("brier").effective_n == pytest.approx(rows.w.sum() ** 2 / (rows.w**2).sum())
