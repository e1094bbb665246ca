"""Paired changes: two versions on the same cases."""

import numpy as np
import pandas as pd
import pytest

from shipworthy.estimate.changes import exact_change
from shipworthy.stats.discrimination import clustered_auc_variance, paired_delong
from shipworthy.stats.paired import paired_mean, tango


@pytest.fixture
def rows():
    rng = np.random.default_rng(8)
    n = 600
    label = rng.integers(0, 2, n)
    old = np.clip(0.3 * label + rng.normal(0.35, 0.2, n), 0, 1)
    new = np.clip(0.7 * old + 0.25 * label + rng.normal(0.02, 0.08, n), 0, 1)
    return pd.DataFrame(
        {"y": label, "old": old, "new": new, "old_p": (old > 0.5).astype(int), "new_p": (new > 0.5).astype(int),
         "group": rng.choice(["a", "b"], n), "home": np.arange(n) // 3}
    )  # fmt: skip


VARIANTS = {"old": {"prediction": "old_p", "score": "old"}, "new": {"prediction": "new_p", "score": "new"}}
METRICS = ["accuracy", "tpr", "fpr", "ppv", "f1", "mcc", "balanced_accuracy", "selection_rate", "auc", "brier"]


@pytest.fixture
def found(rows, evaluate):
    return evaluate(rows, label="y", variants=VARIANTS, baseline="old", slices=["group"], metrics=METRICS)


@pytest.mark.parametrize(("metric", "kept", "hit"), [
    ("accuracy", lambda r: r.y >= 0, lambda r, p: r[p] == r.y),
    ("tpr", lambda r: r.y == 1, lambda r, p: r[p] == 1),
    ("fpr", lambda r: r.y == 0, lambda r, p: r[p] == 1),
    ("selection_rate", lambda r: r.y >= 0, lambda r, p: r[p] == 1),
])  # fmt: skip
def test_change_of_a_rate_against_reference(rows, found, metric, kept, hit):
    """Tango on the table that one counts by hand, for everyone and in each slice."""
    for across, mine in (("", rows), ("group", rows[rows.group == "b"])):
        mine = mine[kept(mine)]
        new, old = hit(mine, "new_p"), hit(mine, "old_p")
        table = [(new & old).sum(), (new & ~old).sum(), (~new & old).sum(), (~new & ~old).sum()]
        estimate = found.change(metric, "new", across)[-1]
        assert estimate.value == pytest.approx((table[1] - table[2]) / len(mine))
        assert (estimate.low, estimate.high) == pytest.approx(tuple(tango(*table)))
        assert (estimate.n, estimate.method, estimate.compare) == (len(mine), "tango", "change")
        assert (estimate.variant, estimate.baseline) == ("new", "old")


def test_change_equals_difference_of_values(found):
    for metric in METRICS:
        now, before = found(metric, variant="new").value, found(metric, variant="old").value
        (change,) = found.change(metric, "new")
        assert change.value == pytest.approx(now - before, abs=1e-9), metric
        assert change.low < change.value < change.high


def test_change_of_auc_against_reference(rows, found):
    """MOVER by hand on both logit-DeLong intervals, with the correlation that the paired variance implies."""
    expected = paired_delong(rows.y, rows.new, rows.old)
    (change,) = found.change("auc", "new")
    new, old = found("auc", variant="new"), found("auc", variant="old")
    a, b = (clustered_auc_variance(rows.y, rows[column], np.arange(len(rows))) for column in ("new", "old"))
    r = (a + b - expected.standard_error**2) / (2 * np.sqrt(a * b))
    below = [new.value - new.low, old.high - old.value]
    above = [new.high - new.value, old.value - old.low]
    reach = [np.sqrt(x**2 + y**2 - 2 * r * x * y) for x, y in (below, above)]
    assert change.value == pytest.approx(expected.difference)
    assert (change.low, change.high) == pytest.approx((change.value - reach[0], change.value + reach[1]), abs=1e-4)
    assert change.high - change.low == pytest.approx(2 * 1.96 * expected.standard_error, rel=0.1)


def test_change_of_a_mean_against_reference(rows, found):
    (change,) = found.change("brier", "new")
    each = (rows.new - rows.y) ** 2 - (rows.old - rows.y) ** 2
    assert (change.low, change.high) == pytest.approx(tuple(paired_mean(each)))


@pytest.mark.parametrize("metric", ["ppv", "f1", "mcc", "balanced_accuracy"])
def test_linearised_change_against_bootstrap(rows, found, metric):
    """The linearised standard error agrees with resampled cases."""
    rng = np.random.default_rng(1)
    cells = rows.groupby(["y", "old_p", "new_p"]).size()
    counts = rng.multinomial(600, cells / 600, size=4000)

    def value(column):
        by = {(y, p): counts[:, [k for k, c in enumerate(cells.index) if (c[0], c[column]) == (y, p)]].sum(axis=1)
              for y in (0, 1) for p in (0, 1)}  # fmt: skip
        tn, fp, fn, tp = (by[cell].astype(float) for cell in ((0, 0), (0, 1), (1, 0), (1, 1)))
        return {
            "ppv": tp / (tp + fp), "f1": 2 * tp / (2 * tp + fp + fn),
            "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
            "mcc": (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
        }[metric]  # fmt: skip

    (change,) = found.change(metric, "new")
    assert (change.high - change.low) / 2 / 1.96 == pytest.approx((value(2) - value(1)).std(), rel=0.06)


def test_paired_is_narrower_than_apart(found):
    (change,) = found.change("accuracy", "new")
    new, old = found("accuracy", variant="new"), found("accuracy", variant="old")
    apart = np.hypot(new.high - new.low, old.high - old.low)
    assert change.high - change.low < 0.8 * apart


def test_clustered_change_is_linearised_over_clusters(rows, evaluate):
    home = rows.assign(old_p=lambda r: np.repeat(r.old_p[::3].to_numpy(), 3), y=lambda r: np.repeat(r.y[::3].to_numpy(),
    3),
                       new_p=lambda r: np.repeat(r.new_p[::3].to_numpy(), 3))  # fmt: skip
    roles = {"label": "y", "variants": VARIANTS, "baseline": "old", "metrics": ["accuracy", "auc"]}
    (alone,), (together,) = (
        evaluate(home, **roles, **extra).change("accuracy", "new") for extra in ({}, {"cluster": "home"})
    )
    assert together.value == pytest.approx(alone.value)
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(3), rel=0.05)
    assert together.method == "delta"


def test_identical_versions(rows, evaluate):
    """No change at all: what counts is how many cases there were; what rests on scores shows no interval."""
    same = {"old": {"prediction": "old_p", "score": "old"}, "new": {"prediction": "old_p", "score": "old"}}
    counted = ["accuracy", "ppv", "npv", "fdr", "for", "f1", "mcc", "balanced_accuracy"]
    settings = {"label": "y", "variants": same, "baseline": "old", "metrics": [*counted, "auc", "brier"]}
    found, clustered = evaluate(rows, **settings), evaluate(rows, cluster="home", **settings)
    for metric in counted:
        (change,), (wider,) = found.change(metric, "new"), clustered.change(metric, "new")
        assert change.value == 0
        assert change.low == pytest.approx(-change.high)
        assert 0 < change.high < 0.03
        assert wider.high > 2 * change.high  # 200 homes
    for metric in ("brier", "auc"):
        (change,) = found.change(metric, "new")
        assert change.value in (0, None)
        assert (change.low, change.high) == (None, None)
        assert change.reason


def test_versions_that_only_look_alike_against_theory(evaluate):
    """The new version flags one more negative in 300: the sample shows none, and the limits still hold what it costs."""
    label, flagged = np.repeat([1, 1, 0, 0], [90, 30, 20, 160]), np.repeat([1, 0, 1, 0], [90, 30, 20, 160])
    same = {name: {"prediction": "p"} for name in ("old", "new")}
    found = evaluate({"y": label, "p": flagged}, label="y", variants=same, baseline="old", metrics=["ppv", "f1", "mcc"])
    share = 1 - 0.05 ** (1 / 300)
    tp, fp = 90 * (1 - share), 20 * (1 - share)
    low, high = found.evaluated.measured.changes["new", "ppv", ""].gate(0.9)
    assert low[0] == pytest.approx(tp / (tp + fp + 300 * share) - tp / (tp + fp))
    assert low[0] < 90 / (110 + 1) - 90 / 110 < 0 < high[0]


def test_exact_change_never_errs_more_than_declared():
    """Every table of 30 and of 80 paired cases, summed: at most 5 % beyond a one-sided 95 % limit."""
    from scipy.stats import multinomial

    for n in (30, 80):
        gained, lost = (m.ravel() for m in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
        kept = gained + lost <= n
        gained, lost = gained[kept].astype(float), lost[kept].astype(float)
        low, high = exact_change(gained, lost, np.full(len(gained), n), level=0.9)
        assert np.all(low <= (gained - lost) / n + 1e-12)
        assert np.all((gained - lost) / n <= high + 1e-12)
        for p, q in ((0.05, 0.15), (0.01, 0.04), (0.2, 0.2), (0.02, 0.02), (0.3, 0.1)):
            share = multinomial.pmf(np.stack([gained, lost, n - gained - lost], axis=1), n, [p, q, 1 - p - q])
            assert share[low > p - q + 1e-12].sum() <= 0.05
            assert share[high < p - q - 1e-12].sum() <= 0.05


@pytest.fixture
def ranked():
    """120 lists of 8 items under two scores, three lists to a user."""
    rng = np.random.default_rng(21)
    queries, depth = 120, 8
    relevant = (rng.random((queries, depth)) < 0.3).astype(int)
    relevant[:, 0] = 1
    old = relevant + rng.normal(0, 1.5, relevant.shape)
    new = relevant + rng.normal(0, 1.0, relevant.shape)
    query = np.repeat(np.arange(queries), depth)
    return pd.DataFrame({"y": relevant.ravel(), "old": old.ravel(), "new": new.ravel(), "q": query, "user": query // 3})


SCORES = {"old": {"score": "old"}, "new": {"score": "new"}}


@pytest.mark.parametrize("metric", ["ndcg@5", "mrr", "map", "recall@3"])
def test_change_of_a_list_metric_against_reference(ranked, evaluate, metric):
    """Student's t on the differences of the queries, each query measured on its own; by user where there are users."""
    from shipworthy.estimate.lists import list_values
    from shipworthy.metrics.catalogue import lookup

    found = evaluate(ranked, label="y", query="q", variants=SCORES, baseline="old", metrics=[metric])
    quality = lookup(metric, "ranking")
    new, old = (
        np.array([list_values(quality, *(part[c].to_numpy(float) for c in ("y", score, "q")))[0][0]
                  for _, part in ranked.groupby("q")])
        for score in ("new", "old")
    )  # fmt: skip
    (change,) = found.change(metric, "new")
    assert change.value == pytest.approx((new - old).mean())
    assert (change.low, change.high) == pytest.approx(tuple(paired_mean(new - old)))
    assert (change.n, change.method) == (120, "paired t over queries")
    arms = found.evaluated.measured.changes["new", metric, ""]
    assert arms.gate(0.9)[0][0] <= arms.limits(0.9)[0][0]
    clustered = evaluate(
        ranked, label="y", query="q", cluster="user", variants=SCORES, baseline="old", metrics=[metric]
    )
    (change,) = clustered.change(metric, "new")
    assert (change.low, change.high) == pytest.approx(tuple(paired_mean((new - old).reshape(40, 3).mean(axis=1))))
    assert change.effective_n == 40


def test_change_of_few_or_equal_lists_is_open(ranked, evaluate):
    few = ranked[ranked.q < 9]
    found = evaluate(few, label="y", query="q", variants=SCORES, baseline="old", metrics=["mrr"])
    assert "only 9 queries" in found.change("mrr", "new")[0].reason
    same = {"old": {"score": "old"}, "new": {"score": "old"}}
    found = evaluate(ranked, label="y", query="q", variants=same, baseline="old", metrics=["mrr"])
    (change,) = found.change("mrr", "new")
    assert (change.value, change.low, change.high) == (0, None, None)


@pytest.fixture
def forecasts():
    rng = np.random.default_rng(22)
    truth = rng.normal(50, 10, 900)
    return pd.DataFrame(
        {"y": truth, "old": truth + rng.normal(0, 4, 900), "new": truth + rng.normal(0, 3, 900),
         "store": np.arange(900) // 9}
    )  # fmt: skip


@pytest.mark.parametrize("metric", ["rmse", "r2"])
def test_change_of_a_function_of_sums_against_reference(forecasts, evaluate, metric):
    """By delta: the standard error is close to that of a bootstrap of the rows, or of the stores."""
    variants = {"old": {"prediction": "old"}, "new": {"prediction": "new"}}

    def value(frame, column):
        error = ((frame[column] - frame.y) ** 2).mean()
        return np.sqrt(error) if metric == "rmse" else 1 - error / frame.y.var(ddof=0)

    rng = np.random.default_rng(23)
    for extra, units in ((None, 900), ("store", 100)):
        roles = {} if extra is None else {"cluster": extra}
        found = evaluate(forecasts, label="y", variants=variants, baseline="old", metrics=[metric], **roles)
        (change,) = found.change(metric, "new")
        assert change.value == pytest.approx(value(forecasts, "new") - value(forecasts, "old"))
        blocks = np.arange(900).reshape(units, -1)
        again = [forecasts.iloc[blocks[rng.integers(0, units, units)].ravel()] for _ in range(400)]
        error = np.std([value(frame, "new") - value(frame, "old") for frame in again])
        assert (change.high - change.low) / 2 / 1.96 == pytest.approx(error, rel=0.15)
    few = evaluate(forecasts[:200], label="y", variants=variants, baseline="old", metrics=[metric])
    assert np.isinf(few.evaluated.measured.changes["new", metric, ""].gate(0.9)).all()


def test_few_scores_of_a_bounded_mean_still_decide(rows, evaluate):
    """A Brier score lies in [0, 1], its change in [-1, 1]: below 300 cases betting holds whatever was not seen."""
    found = evaluate(rows[:200], label="y", variants=VARIANTS, baseline="old", metrics=["brier", "log_loss"])
    changes = found.evaluated.measured.changes
    low, high = changes["new", "brier", ""].gate(0.9)
    inner_low, inner_high = changes["new", "brier", ""].limits(0.9)
    assert low[0] < inner_low[0] < inner_high[0] < high[0] < 0.1
    assert np.isinf(changes["new", "log_loss", ""].gate(0.9)).all()


@pytest.mark.parametrize("metric", ["accuracy", "tpr", "balanced_accuracy", "selection_rate"])
def test_versions_that_answer_alike_have_an_interval_where_a_limit_exists(rows, evaluate, metric):
    """Clusters leave no spread to linearise; the count of clusters still bounds how far apart the versions can be."""
    same = {"old": {"prediction": "new_p"}, "new": {"prediction": "new_p"}}
    found = evaluate(rows, label="y", variants=same, baseline="old", metrics=[metric], cluster="home")
    (arms,) = (
        arms
        for (variant, name, axis), arms in found.evaluated.measured.changes.items()
        if variant == "new" and not axis
    )
    low, high = arms.limits(0.95)
    below, above = arms.gate(0.95)
    assert arms.values[0] == 0
    assert np.isfinite([below, above]).all() == np.isfinite([low, high]).all()
    if metric != "balanced_accuracy":
        assert -0.1 < low[0] < 0 < high[0] < 0.1
        assert arms.estimates(0.95)[0].reason is None
