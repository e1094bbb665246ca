import numpy as np
import pandas as pd
import pytest
from scipy.stats.contingency import association

from shipworthy.api.evaluating import evaluate_rows
from shipworthy.observations.checks import check_overlap, check_population, check_proxies, check_rows
from shipworthy.observations.sources import open_frame
from shipworthy.plan.models import Evaluation


@pytest.fixture
def rows():
    rng = np.random.default_rng(1)
    n = 800
    sex = rng.choice(["f", "m"], n)
    return pd.DataFrame(
        {"id": np.arange(n), "y": rng.integers(0, 2, n), "p": 1, "sex": sex, "name": np.where(rng.random(n) < 0.9, sex, "x"),
         "height": rng.normal(170, 7, n) + 9 * (sex == "m"), "noise": rng.random(n), "flag": rng.random(n) < 0.5}
    )  # fmt: skip


def checked(evaluate, rows, **settings):
    found = evaluate(rows, label="y", prediction="p", id="id", slices=["sex"], metrics=["accuracy"], **settings)
    return found.evaluated.observations


def test_rows(evaluate, rows):
    findings = {f.check: f for f in check_rows(checked(evaluate, rows))}
    assert findings["constant column"].what == "every row has the same prediction"
    assert findings["duplicate ids"].gravity == "ok"
    twice = pd.concat([rows, rows.head(7)])
    twice.loc[100:129, "sex"] = None
    findings = {f.check: f for f in check_rows(checked(evaluate, twice, cluster="noise"))}
    assert (findings["duplicate ids"].gravity, findings["duplicate ids"].rows) == ("warning", 7)
    assert findings["missing values"].rows == 30
    assert "800 clusters" in findings["clusters"].what


def test_a_score_that_is_no_probability_among_others_is_counted(evaluate, rows):
    scored = rows.assign(score=0.25)
    scored.loc[3, "score"] = 1.2

    def found(data):
        return [f for f in check_rows(checked(evaluate, data, score="score")) if f.check == "improbable scores"]

    (finding,) = found(scored)
    assert (finding.rows, finding.gravity) == (1, "warning")
    assert "0.25 to 1.2" in finding.what
    assert found(scored.assign(score=lambda r: r.score * 700)) == []  # points, all of them


def test_overlap(evaluate, rows):
    observations = checked(evaluate, rows)
    table = open_frame(rows, backend=observations.backend).table

    def found(train, key):
        return check_overlap(observations, table, open_frame(train, backend=observations.backend).table, key=key)

    assert found(rows.tail(30).assign(noise=9.0), "id").rows == 30
    assert found(rows.tail(30).assign(noise=9.0), None).gravity == "ok"
    assert found(pd.concat([rows.tail(30)] * 2), None).rows == 30
    assert found(rows.assign(id=lambda r: r.id + 10_000), "id").gravity == "ok"
    assert "unknown" in found(pd.DataFrame({"other": [1]}), "id").what


def test_overlap_takes_missing_values_as_equal(evaluate, rows):
    rows = rows.assign(name=None)
    observations = checked(evaluate, rows)
    table = open_frame(rows, backend=observations.backend).table
    assert check_overlap(observations, table, table, key=None).rows == 800


def test_population(evaluate, rows):
    observations = checked(evaluate, rows)
    table = open_frame(rows, backend=observations.backend).table
    findings = list(check_population(observations, table, "sex", {"f": 0.5, "m": 0.25, "d": 0.25}))
    assert [f.gravity for f in findings] == ["ok", "warning", "warning"]
    assert findings[2].rows == 0
    findings = list(check_population(observations, table, "name", {"f": 0.45}))
    assert [f.gravity for f in findings] == ["ok", "note", "note"]


def test_proxies_against_reference(evaluate, rows):
    """Bias-corrected Cramér's V, as SciPy's plain one after Bergsma's correction."""
    observations = checked(evaluate, rows)
    table = open_frame(rows, backend=observations.backend).table
    (finding,) = check_proxies(observations, table, ["sex"], ignore=frozenset({"id", "y", "p"}))
    assert finding.gravity == "warning"
    assert finding.what.index("name") < finding.what.index("height")
    counts = pd.crosstab(rows.sex, rows.name)
    n, r, k = len(rows), *counts.shape
    phi2 = association(counts, "cramer") ** 2 * (min(r, k) - 1)
    corrected = max(0, phi2 - (k - 1) * (r - 1) / (n - 1))
    v = np.sqrt(corrected / (min(k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)) - 1))
    assert f"name {v:.2f}" in finding.what
    (quiet,) = check_proxies(observations, table, ["sex"], ignore=frozenset({"id", "y", "p", "name", "height"}))
    assert quiet.gravity == "ok"
    assert list(check_proxies(observations, table, ["sex"], ignore=frozenset(rows.columns))) == []


def test_proxies_of_odd_columns(evaluate, rows):
    """Missing numbers, one constant column, and one with a level for every row."""
    odd = rows.assign(
        noise=np.where(rows.noise < 0.5, np.nan, rows.noise), flag=True, who=[f"w{k}" for k in range(800)]
    )
    observations = checked(evaluate, odd)
    table = open_frame(odd, backend=observations.backend).table
    assert len(list(check_proxies(observations, table, ["sex"], ignore=frozenset({"id", "y", "p"})))) == 1


def test_all_checks_are_about_the_rows_in_scope(rows, tmp_path):
    """Out of scope, and without a label: rows of the training data, of one sex, with a column that gives it away."""
    rows = rows.assign(scope=1, hint=rows.flag)
    outside = rows.assign(id=lambda r: r.id + 800, scope=0, sex="f", hint=True)
    unlabelled = rows.head(9).assign(id=lambda r: r.id + 1_600, y=None)
    pd.concat([outside.assign(id=lambda r: r.id % 10), outside, rows, unlabelled]).to_csv(tmp_path / "pop.csv")
    pd.concat([outside, unlabelled]).to_csv(tmp_path / "train.csv")
    found = evaluate_rows(
        "rows",
        Evaluation(
            data=str(tmp_path / "pop.csv"), where="scope = 1", train=str(tmp_path / "train.csv"), slices=("sex",),
            roles={"label": "y", "prediction": "p", "id": "id"}, population={"sex": {"f": 0.5, "m": 0.5}},
        ),
        resolve=str, locate=lambda *path: ".".join(map(str, path)), rng=np.random.default_rng(1),
    ).findings  # fmt: skip
    kinds = {"overlap with training", "population", "duplicate ids"}
    assert {finding.gravity for finding in found if finding.check in kinds} == {"ok"}
    assert sum(finding.rows for finding in found if finding.check == "population") == 800
    (proxies,) = [finding.what for finding in found if finding.check == "proxies"]
    assert "name" in proxies
    assert "hint" not in proxies
