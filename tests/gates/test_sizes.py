"""The sample that `shipworthy size` plans decides as often as it promises, through the gate itself."""

import json

import numpy as np
import pytest

from shipworthy.api.sizing import ASSUMED_CLUSTER, ASSUMED_ICC, size
from shipworthy.estimate.arms import measure
from shipworthy.gates.rules import judge
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Tally

PLAN = """
system: {{name: a}}
baseline: old
evaluations:
  e:
    data: d.csv
    roles: {{prediction: p, positive: 1{cluster}}}
    variants: {{old: {{prediction: q}}}}
    slices: [group]
    population: {{group: {shares}}}
requirements:
  - {{id: R, metric: selection_rate, across: group, power: 0.8, {asked}}}
"""
POWER = 0.8


def planned(tmp_path, groups, asked, cluster=""):
    path = tmp_path / "plan.yaml"
    shares = "{" + ", ".join(f"g{k}: {1 / groups:.6f}" for k in range(groups)) + "}"
    path.write_text(PLAN.format(shares=shares, asked=json.dumps(asked)[1:-1], cluster=cluster))
    (found,) = size(path)
    assert found.reason is None
    return found


def requirement(build, asked):
    return build.requirement(power=POWER, **{key: value for key, value in asked.items() if key != "expect"})


def slack(runs):
    return 3 * np.sqrt(POWER * (1 - POWER) / runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "asked", "most"),
    [
        (1, {"at_most": 0.1, "expect": 0.05}, 0.90),
        (4, {"at_most": 0.1, "expect": 0.05}, 0.90),
        (2, {"at_least": 0.9, "expect": 0.95}, 0.92),
        (2, {"compare": "difference", "at_most": 0.05, "expect": 0.1}, 0.85),
        (4, {"compare": "difference", "at_most": 0.05, "expect": 0.1}, 0.85),
        (4, {"compare": "difference", "at_most": 0.1, "expect": 0.5}, 0.85),
        (2, {"compare": "ratio", "at_least": 0.8, "expect": 0.5}, 0.86),
        (4, {"compare": "ratio", "at_least": 0.8, "expect": 0.3}, 0.86),
        (3, {"within": [0.2, 0.4], "expect": 0.3}, 0.93),
    ],
)
def test_planned_sizes_against_simulation(groups, asked, most, build, tmp_path):
    """Met about as often as the power says; `most` keeps the plan from being wasteful."""
    n, runs, rng = planned(tmp_path, groups, asked).cases, 1000, np.random.default_rng(62)
    rate = asked["expect"]
    claim = requirement(build, asked)
    draws = rng.binomial(n, rate, size=(runs, groups))
    met = np.mean([judge(claim, "rows", [build.rates(x, np.full(groups, n))]).outcome == "met" for x in draws])
    assert POWER - slack(runs) <= met <= most + slack(runs)


@pytest.mark.slow
@pytest.mark.parametrize("discordance", [0.04, 0.2])
def test_planned_change_against_simulation(discordance, build, tmp_path):
    asked = {"compare": "change", "at_least": -0.03, "expect": discordance}
    n, runs, rng = planned(tmp_path, 1, asked).cases, 1000, np.random.default_rng(63)
    claim = build.requirement(metric="accuracy", compare="change", at_least=-0.03, power=POWER)
    cells = rng.multinomial(n, [0.1, discordance / 2, discordance / 2, 0.9 - discordance], size=runs)
    met = np.mean([judge(claim, "rows", [build.paired([row])]).outcome == "met" for row in cells])
    assert POWER - slack(runs) <= met <= 0.87


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked", [{"at_most": 0.1, "expect": 0.05}, {"compare": "difference", "at_most": 0.1, "expect": 0.3}]
)
def test_planned_clusters_against_simulation(asked, build, tmp_path):
    """Clusters as the plan assumes them to be."""
    found = planned(tmp_path, 2, asked, cluster=", cluster: home")
    assert any("intraclass correlation" in text for text in found.assumes)
    rate = asked["expect"]
    units, runs, rng = -(-found.cases // ASSUMED_CLUSTER), 600, np.random.default_rng(64)
    scale = 1 / ASSUMED_ICC - 1
    tendency = rng.beta(rate * scale, (1 - rate) * scale, (runs, 2, units))
    hits = rng.binomial(ASSUMED_CLUSTER, tendency).astype(float)
    cells = np.stack([ASSUMED_CLUSTER - hits, hits], axis=3)
    claim = requirement(build, asked)
    met = 0
    for mine in cells:
        tally = Tally(
            terms=((0,), (1,)), parts=("group",), keys=(("a",), ("b",)), rows=np.full(2, units * ASSUMED_CLUSTER),
            sums=mine.sum(axis=1), raw=mine.sum(axis=1), second=np.einsum("sgt,sgu->stu", mine, mine),
            units=np.full(2, float(units)), largest=np.full(2, float(ASSUMED_CLUSTER)), clustered=True,
        )  # fmt: skip
        arms = measure(lookup("selection_rate", "binary"), tally, build.context)
        met += judge(claim, "rows", [arms]).outcome == "met"
    assert POWER - slack(runs) <= met / runs <= 0.92
