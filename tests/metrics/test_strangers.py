"""Metrics that another package registers under the entry point `shipworthy.metrics`."""

import sys

import pytest
from click.testing import CliRunner

import shipworthy as sw
from shipworthy.cli import main
from shipworthy.metrics.catalogue import BrokenMetric, UnknownMetric, lookup, names


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    info = tmp_path / "kind_metrics-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kind-metrics\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[shipworthy.metrics]\nharm = kind_metrics:harm\n")
    (tmp_path / "kind_metrics.py").write_text(
        'def harm(label, prediction):\n    """A missed positive."""\n    return (label == 1) & (prediction == 0)\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kind_metrics", raising=False)


@pytest.mark.usefixtures("stranger")
def test_a_strangers_metric_is_measured_like_ours():
    assert "harm" in names()
    assert lookup("harm").meaning == "A missed positive."
    seen = sw.evaluate(
        {"y": [1] * 30 + [0] * 70, "p": [0] * 10 + [1] * 90}, label="y", prediction="p", metrics=["harm"]
    )
    (estimate,) = seen.estimates
    assert estimate.value == pytest.approx(0.1)
    assert estimate.method == "wilson"


def test_an_unknown_metric_validates_input():
    with pytest.raises(UnknownMetric, match="PLAN050"):
        lookup("harm")


def raising(label, prediction):
    return 1 / 0


def one_row_at_a_time(label, prediction):
    return label == 1 and prediction == 0


def no_expression(label):
    return 1.0


def words(label):
    return label.cast("string")


@pytest.mark.parametrize(("function", "why", "line"), [
    (raising, "raises ZeroDivisionError: division by zero", 1),
    (one_row_at_a_time, "raises ValueError: The truth value of an Ibis expression", 1),
    (no_expression, "returns a float, no condition or number of its columns", 0),
    (words, "returns a StringColumn, no condition or number of its columns", 0),
])  # fmt: skip
def test_a_metric_of_ones_own_that_fails_is_told_with_its_place(function, why, line):
    with pytest.raises(BrokenMetric) as caught:
        sw.evaluate({"y": [0, 1] * 20, "p": [1] * 40}, label="y", prediction="p", metrics=[function])
    (fault,) = caught.value.faults
    assert fault.code == "PLAN052"
    assert fault.what.startswith(f"the metric {function.__name__!r} {why}")
    assert fault.where == f"{__file__}:{function.__code__.co_firstlineno + line}  {function.__name__}"


def test_a_metric_of_a_plan_that_fails_is_told_with_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "costs_that_fail.py").write_text("def regret(label, prediction):\n    return 1 / 0\n")
    (tmp_path / "rows.csv").write_text("y,p\n" + "0,1\n1,1\n" * 20)
    (tmp_path / "plan.yaml").write_text(
        "system: {name: x, version: '1'}\n"
        "evaluations: {d: {data: rows.csv, roles: {label: y, prediction: p},"
        " metrics: [{python: 'costs_that_fail:regret'}]}}\n"
        "requirements: [{id: R, metric: regret, at_most: 0.5}]\n"
    )
    shown = CliRunner().invoke(main, ["check", "plan.yaml", "--out", "run"])
    assert shown.exit_code == 2
    assert "PLAN052" in shown.output
    assert "costs_that_fail.py:2  regret" in shown.output
