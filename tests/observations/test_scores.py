"""When scores are counted in bins, and when exactly."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import shipworthy as sw
from shipworthy.observations import passes


@pytest.fixture
def few_rows_are_many(monkeypatch):
    """Binning from 5,000 rows on, and a note of every pass."""
    counted = []
    histograms = passes._histograms

    def noted(*args, **kwargs):
        counted.append(kwargs["binned"])
        return histograms(*args, **kwargs)

    monkeypatch.setattr(passes, "EXACT_ROWS", 5_000)
    monkeypatch.setattr(passes, "_histograms", noted)
    return counted


def rows(n=40_000):
    rng = np.random.default_rng(3)
    score = rng.beta(2, 2, n)
    return {"y": (rng.random(n) < score).astype(int), "s": score, "g": np.full(n, "large", dtype=object)}


def aucs(table, slices=("g",)):
    seen = sw.evaluate(table, label="y", score="s", slices=slices, metrics=["auc"])
    return {next(iter(e.slice.values()), ""): e.value for e in seen.estimates}


def test_spread_scores_are_binned_once_although_small_slices_tie_by_chance(few_rows_are_many):
    table = rows()
    table["g"][:6_000] = (np.arange(6_000) // 15).astype(str)
    found = aucs(table)
    assert few_rows_are_many == [True]
    assert found[""] == pytest.approx(roc_auc_score(table["y"], table["s"]), abs=1e-5)


@pytest.mark.parametrize("spoil", ["outlier", "narrow"])
def test_crowded_scores_are_counted_exactly_against_reference(few_rows_are_many, spoil):
    table = rows()
    if spoil == "outlier":
        table["s"][0] = 1e6
    else:
        table["g"][:2_000] = "narrow"
        table["s"][:2_000] = 0.5 + table["s"][:2_000] * 1e-6
    found = aucs(table)
    assert few_rows_are_many == [True, False]
    for group in ("large", "narrow") if spoil == "narrow" else ("large",):
        mine = table["g"] == group
        assert found[group] == pytest.approx(roc_auc_score(table["y"][mine], table["s"][mine]), abs=1e-12)


def test_values_that_overflow_have_no_mean():
    table = {"y": [1e200, -1e200] * 50, "p": [0.0] * 100}
    seen = sw.evaluate(table, label="y", prediction="p", task="regression", metrics=["rmse", "mae"])
    assert [estimate.value for estimate in seen.estimates] == [None, None]
    assert {estimate.reason for estimate in seen.estimates} == {"values too large to add up"}
