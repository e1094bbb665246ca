"""Rows that the system left without a prediction or score count either way, and those of one version in it alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from shipworthy.api.measuring import measure_all
from shipworthy.gates.verdicts import Outcome
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.checks import check_rows

CELLS = ["accuracy", "error_rate", "tpr", "tnr", "fpr", "fnr", "ppv", "npv", "fdr", "for", "f1", "selection_rate",
         "base_rate", "balanced_accuracy", "mcc"]  # fmt: skip
ROLES = {"label": "y", "prediction": "p", "task": "binary"}


def predictions(n=1000, *, gap=5):
    """Half positive, all right, and every `gap`th without a prediction."""
    y = [i % 2 for i in range(n)]
    return {"y": y, "p": [None if i % gap == 0 else y[i] for i in range(n)]}


def small(rng, n=24, gone=5):
    y = rng.integers(0, 2, n)
    p = np.where(rng.random(n) < 0.7, y, 1 - y).astype(float)
    p[rng.choice(n, gone, replace=False)] = np.nan
    return pd.DataFrame({"y": y, "p": p, "g": rng.choice(["a", "b"], n)})


def test_a_metric_cannot_be_met_by_leaving_predictions_out(evaluate):
    found = evaluate(predictions(), **ROLES, metrics=["accuracy", "error_rate", "tpr"])
    accuracy = found("accuracy")
    assert (accuracy.value, accuracy.n, accuracy.missing) == (1.0, 1000, 200)
    assert accuracy.low == pytest.approx(0.7741, abs=1e-3)
    assert accuracy.high == 1.0
    assert (found("tpr").n, found("tpr").missing) == (500, 100)  # of the positives alone
    assert found.judge("accuracy", at_least=0.95).outcome is Outcome.UNDECIDED
    assert found.judge("error_rate", at_most=0.05).outcome is Outcome.UNDECIDED
    assert found.judge("accuracy", at_least=0.7).outcome is Outcome.MET
    assert "could turn it either way" in found.judge("accuracy", at_least=0.95).why


def test_where_leaves_them_out_on_purpose(evaluate):
    rows = predictions()
    whole = {key: [v for v, p in zip(values, rows["p"], strict=True) if p is not None] for key, values in rows.items()}
    found, kept = (
        evaluate(data, **ROLES, metrics=CELLS[:-1], **more)
        for data, more in ((rows, {"where": "p is not null"}), (whole, {}))
    )
    for metric in CELLS[:-1]:
        assert found(metric) == kept(metric)
    assert found("accuracy").missing == 0


@pytest.mark.parametrize("metric", CELLS)
@pytest.mark.parametrize("seed", range(3))
def test_ends_are_those_of_all_completions_against_enumeration(evaluate, metric, seed):
    rows = small(np.random.default_rng(seed))
    found = evaluate(rows, **ROLES, metrics=[metric])
    arms = found.evaluated.measured.values[None, metric, ""]
    values, lows, highs = [], [], []
    for fill in product((0.0, 1.0), repeat=int(rows.p.isna().sum())):
        full = rows.copy()
        full.loc[full.p.isna(), "p"] = fill
        each = evaluate(full, **ROLES, metrics=[metric])(metric)
        values.append(each.value), lows.append(each.low), highs.append(each.high)
    mine = arms.estimates(0.95)[0]
    least, greatest = arms.ends or (arms.values, arms.values)
    assert (least[0], greatest[0]) == pytest.approx((min(values), max(values)))
    assert (mine.low <= min(lows) + 1e-12 and mine.high >= max(highs) - 1e-12) or metric == "mcc"
    assert (mine.missing > 0) == (max(values) > min(values))


@pytest.mark.parametrize("metric", ["accuracy", "tpr", "ppv", "f1", "balanced_accuracy", "mcc", "selection_rate"])
def test_changes_hold_all_completions_against_enumeration(evaluate, metric):
    rng = np.random.default_rng(2)
    rows = small(rng, 40, 3)
    rows["q"] = np.where(rng.random(40) < 0.3, 1.0 - rows.y, rows.y)
    rows.loc[rng.choice(40, 2, replace=False), "q"] = np.nan
    more = {**ROLES, "metrics": [metric], "variants": {"old": {"prediction": "q"}}, "baseline": "old"}
    arms = evaluate(rows, **more).evaluated.measured.changes[None, metric, ""]
    gone, other = rows.p.isna(), rows.q.isna()
    values = []
    for fill in product((0.0, 1.0), repeat=int(gone.sum() + other.sum())):
        full = rows.copy()
        full.loc[gone, "p"], full.loc[other, "q"] = fill[: gone.sum()], fill[gone.sum() :]
        values.append(evaluate(full, **more).evaluated.measured.changes[None, metric, ""].values[0])
    least, greatest = arms.ends
    assert (least[0], greatest[0]) == pytest.approx((min(values), max(values)))
    assert arms.missing[0] == ((gone | other) & ((rows.y == 1) if metric == "tpr" else True)).sum()
    complete = evaluate(rows[~gone & ~other], **more).evaluated.measured.changes[None, metric, ""]
    assert arms.values[0] == pytest.approx(complete.values[0])


def test_another_version_takes_no_rows_from_this_one(evaluate):
    """All predicted and 80 % right; the old version said nothing where this one errs."""
    n = 1000
    y = [i % 2 for i in range(n)]
    rows = {"y": y, "p": [1 - v if i % 5 == 0 else v for i, v in enumerate(y)],
            "q": [None if i % 5 == 0 else v for i, v in enumerate(y)]}  # fmt: skip
    alone = evaluate(rows, **ROLES, metrics=["accuracy"])
    found = evaluate(rows, **ROLES, metrics=["accuracy"], variants={"old": {"prediction": "q"}}, baseline="old")
    assert found("accuracy") == alone("accuracy")
    assert found("accuracy").value == 0.8
    assert found("accuracy").missing == 0
    assert found.judge("accuracy", at_least=0.95).outcome is Outcome.BREACHED
    old = found("accuracy", variant="old")
    assert (old.value, old.missing, old.n) == (1.0, 200, 1000)
    assert old.low < 0.8
    (change,) = found.change("accuracy", None)
    assert (change.value, change.missing) == (0.0, 200)
    assert change.low < -0.2
    assert change.high > 0
    told = [finding for finding in check_rows(found.evaluated.observations) if finding.check == "missing values"]
    assert [(one.rows, "of old alone, and in changes against it" in one.what) for one in told] == [(200, True)]


def test_many_missing_labels_are_a_warning(evaluate):
    def told(gap):
        y = [None if i % gap == 0 else i % 2 for i in range(200)]
        found = evaluate({"y": y, "p": [i % 2 for i in range(200)]}, **ROLES, metrics=["accuracy"])
        return [one.rows for one in check_rows(found.evaluated.observations) if one.check == "missing labels"]

    assert (told(5), told(50)) == ([40], [])


def scored(n=300, gone=12, seed=1):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    s = np.clip(0.25 + 0.4 * y + rng.normal(0, 0.2, n), 0, 1).round(2)
    s[rng.choice(n, gone, replace=False)] = np.nan
    return pd.DataFrame({"y": y, "s": s, "g": rng.choice(["a", "b"], n), "c": np.arange(n) // 3})


@pytest.mark.parametrize("more", [{}, {"cluster": "c"}])
def test_scores_hold_random_completions(evaluate, more):
    rows = scored()
    roles = {"label": "y", "score": "s", "metrics": ["auc", "auprc", "calibration_in_the_large", "brier", "ece"]}
    found = evaluate(rows, **roles, **more)
    rng, gone = np.random.default_rng(2), rows.s.isna()
    for draw in range(8):
        fill = {0: np.where(rows.y[gone] == 1, 0, 1), 1: np.where(rows.y[gone] == 1, 1, 0)}.get(draw)
        fill = rng.choice([0, 0.5, 1.0], gone.sum()) if fill is None else fill
        full = evaluate(rows.assign(s=rows.s.where(~gone, pd.Series(0.0, rows.index).mask(gone, np.nan))).assign(
            s=lambda t, fill=fill: t.s.mask(gone, pd.Series(fill, rows.index[gone]))), **roles, **more)  # fmt: skip
        for metric in roles["metrics"]:
            least, greatest = found.evaluated.measured.values[None, metric, ""].ends
            assert least[0] - 1e-12 <= full(metric).value <= greatest[0] + 1e-12, metric
            if metric != "ece" and full(metric).low is not None:
                assert found(metric).low <= full(metric).low + 0.003, metric
                assert found(metric).high >= full(metric).high - 0.003, metric
    for metric in roles["metrics"]:
        assert (found(metric).n, found(metric).missing) == (300, 12)


def test_scores_without_a_bound_are_undecided_and_say_what_to_do(evaluate):
    rows = scored()
    found = evaluate(rows, label="y", score="s", metrics=["log_loss", "calibration_slope"])
    for metric, bound in (("log_loss", {"at_most": 50.0}), ("calibration_slope", {"within": [-50, 50]})):
        verdict = found.judge(metric, **bound)
        assert verdict.outcome is Outcome.UNDECIDED
        assert "12 rows have no score: say `where:` to leave them out on purpose" in str(verdict.pieces[0].blocked)


def test_numbers_are_undecided_without_a_bound(evaluate):
    rng = np.random.default_rng(0)
    y = rng.normal(size=400)
    p = y + rng.normal(0, 0.1, 400)
    p[:3] = np.nan
    found = evaluate({"y": y, "p": p}, label="y", prediction="p", task="regression",
                     metrics=["mae", "rmse", "r2", "median_absolute_error", "quantile_coverage"])  # fmt: skip
    for metric in ("mae", "rmse", "r2"):
        assert found(metric).missing == 3
        assert np.isfinite(found(metric).value)
        assert found.judge(metric, within=[-1e6, 1e6]).outcome is Outcome.UNDECIDED
    whole = evaluate({"y": y[3:], "p": p[3:]}, label="y", prediction="p", task="regression", metrics=["r2", "mae"])
    assert found("r2").value == pytest.approx(whole("r2").value, rel=1e-3)
    assert found("median_absolute_error").missing == 3  # as less and as more than any other
    assert found.judge("median_absolute_error", at_most=1.0).outcome is Outcome.MET
    assert found("quantile_coverage").missing == 3
    assert found("quantile_coverage").high < 1


def test_classes(evaluate):
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b", "c"], 600)
    p = np.where(rng.random(600) < 0.9, y, "a").astype(object)
    p[:30] = None
    found = evaluate({"y": y, "p": p}, label="y", prediction="p", task="multiclass",
                     metrics=["accuracy", "macro_recall", "macro_precision", "macro_f1", "recall[b]"])  # fmt: skip
    arms = found.evaluated.measured.values
    known = (y[30:] == p[30:]).sum()
    least, greatest = arms[None, "accuracy", ""].ends
    assert (least[0], greatest[0]) == pytest.approx((known / 600, (known + 30) / 600))
    shares = [[((y == k)[30:] & (p == k)[30:]).sum() / (y == k).sum() for k in "abc"],
              [(((y == k) & (p == k))[30:].sum() + (y == k)[:30].sum()) / (y == k).sum() for k in "abc"]]  # fmt: skip
    ends = arms[None, "macro_recall", ""].ends
    assert (ends[0][0], ends[1][0]) == pytest.approx(tuple(np.mean(side) for side in shares))
    for metric in ("macro_precision", "macro_f1"):
        assert found.judge(metric, at_least=0.01).outcome is Outcome.UNDECIDED
    assert found("recall[b]").missing == (y[:30] == "b").sum()


def test_lists_with_an_unranked_item_could_be_as_good_or_as_bad_as_any(evaluate):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"q": np.repeat(np.arange(60), 5), "y": rng.integers(0, 2, 300), "s": rng.random(300)})
    rows["t"] = rows.s
    rows.loc[[0, 7], "s"] = np.nan
    more = {"label": "y", "score": "s", "query": "q", "metrics": ["ndcg@3", "exposure"]}
    found = evaluate(rows, **more, variants={"old": {"score": "t"}}, baseline="old")
    some = found("ndcg@3")
    assert some.missing == 2
    whole = evaluate(rows[rows.q > 1], **more)("ndcg@3")
    assert some.value == pytest.approx(whole.value)
    least, greatest = found.evaluated.measured.values[None, "ndcg@3", ""].ends
    known = some.n - 2
    assert (least[0], greatest[0]) == pytest.approx((known * some.value / some.n, (known * some.value + 2) / some.n))
    (change,) = found.change("ndcg@3", None)
    assert (change.value, change.missing) == (0.0, 2)
    assert found.judge("exposure", at_least=0.01).outcome is Outcome.UNDECIDED


@pytest.mark.parametrize("more", [{"cluster": "c"}, {"weight": "w"}, {"cluster": "c", "weight": "w"}])
def test_clusters_and_weights_are_wider_than_the_ends(evaluate, more):
    rng = np.random.default_rng(5)
    n = 900
    rows = pd.DataFrame({"y": rng.integers(0, 2, n), "c": np.arange(n) // 3, "w": rng.uniform(0.5, 2, n),
                         "g": rng.choice(["a", "b"], n)})  # fmt: skip
    rows["p"] = np.where(rng.random(n) < 0.8, rows.y, 1 - rows.y).astype(float)
    rows.loc[rng.choice(n, 60, replace=False), "p"] = np.nan
    found = evaluate(rows, **ROLES, **more, metrics=["accuracy", "balanced_accuracy", "ppv", "f1"], slices=["g"])
    w = rows.w if "weight" in more else pd.Series(1.0, rows.index)
    right, gone = w[rows.y == rows.p].sum() / w.sum(), w[rows.p.isna()].sum() / w.sum()
    least, greatest = found.evaluated.measured.values[None, "accuracy", ""].ends
    assert (least[0], greatest[0]) == pytest.approx((right, right + gone))
    for metric in ("accuracy", "balanced_accuracy", "ppv", "f1"):
        arms = found.evaluated.measured.values[None, metric, "g"]
        low, high = arms.limits(0.95)
        assert (low < arms.ends[0]).all()
        assert (high > arms.ends[1]).all()
        assert (arms.correlation is not None) == ("cluster" in more)


def test_counted_cells_and_pushed_down_rows_agree(evaluate):
    rng = np.random.default_rng(9)
    rows = small(rng, 400, 40)
    rows["q"] = rows.p.fillna(1).where(rng.random(400) < 0.9)
    rows.loc[:4, "y"] = -1
    rows["y"] = rows.y.replace(-1, np.nan)
    found = evaluate(rows, **ROLES, metrics=CELLS, slices=["g"], variants={"old": {"prediction": "q"}}, baseline="old")
    observations = found.evaluated.observations
    assert observations.cells is not None
    assert set(observations.missing) == {"prediction", "prediction@old"}
    metrics = [lookup(name, "binary") for name in CELLS]
    pushed = measure_all(
        replace(observations, cells=None), metrics, rng=np.random.default_rng(7), baseline="old", with_curves=False
    )
    for mine, theirs in (
        (found.evaluated.measured.values, pushed.values),
        (found.evaluated.measured.changes, pushed.changes),
    ):
        assert mine.keys() == theirs.keys()
        for key, arms in mine.items():
            assert arms.estimates(0.95) == theirs[key].estimates(0.95), key


def test_a_calibration_error_under_clusters_has_no_limit_and_says_why(evaluate):
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"y": rng.integers(0, 2, 400), "s": rng.random(400), "c": np.arange(400) // 4})
    data.loc[:3, "s"] = np.nan
    found = evaluate(data, label="y", score="s", task="binary", cluster="c", metrics=["ece"])("ece")
    assert (found.low, found.high, found.missing) == (None, None, 4)
    assert found.reason == "no interval: this one needs independent rows"
