"""Metrics that another package registers under the entry point `shipworthy.metrics`."""

import sys

import pytest

import shipworthy as sw
from shipworthy.metrics.catalogue import UnknownMetric, lookup, names


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
