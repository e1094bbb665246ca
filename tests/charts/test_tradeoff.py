from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest

from shipworthy.charts import svg, tradeoff
from shipworthy.estimate.estimates import Estimate


def rate(metric: str, value: float | None, low: float | None, high: float | None) -> Estimate:
    return Estimate(
        evaluation="e",
        metric=metric,
        slice={},
        value=value,
        low=low,
        high=high,
        level=0.95,
        n=100,
        effective_n=None,
        method="wilson",
    )


def place(name: str, x: tuple, y: tuple, *, is_main: bool) -> tradeoff.Place:
    across, up = rate("false_refusal_rate", *x), rate("attack_success_rate", *y)
    return tradeoff.Place(name=name, across=across, up=up, is_main=is_main)


NEW = place("this <b>version</b>", (0.02, 0.01, 0.04), (0.05, 0.03, 0.08), is_main=True)
OLD = place("before", (0.05, 0.03, 0.08), (0.12, 0.08, 0.16), is_main=False)


def test_every_interval_and_bound_lies_on_the_picture():
    bounds = [tradeoff.Line(at=0.25, label="SAFE-1: at most 25 %")]
    picture = tradeoff.of_places([NEW, OLD], bounds_up=bounds)
    assert picture.up.low == 0.0 == picture.across.low
    assert picture.up.high >= 0.25
    assert picture.across.high >= 0.08
    assert picture.titles == ("False refusal rate", "Attack success rate")


def test_each_version_is_a_cross_with_its_name_and_words():
    picture = tradeoff.of_places([NEW, OLD], bounds_across=[tradeoff.Line(at=0.06, label="U<1>")])
    root = ET.fromstring(str(svg.tradeoff(picture)))
    assert len([e for e in root.iter("line") if e.get("class") == "whisker"]) == 4
    assert len([e for e in root.iter("line") if e.get("class") == "bound"]) == 1
    assert [e.text for e in root.iter("text") if e.get("class") == "name"] == ["before", "this <b>version</b>"]
    assert "before: Attack success 12.0 % (8.0 to 16.0), n = 100; False refusals 5.0 % (3.0 to 8.0)" in root.get(
        "aria-label"
    )
    assert not [e for e in root.iter() if "style" in e.attrib]


@pytest.mark.parametrize("unknown", [(None, None, None), (0.02, None, None), (0.02, None, math.inf)])
def test_what_is_not_known_is_not_drawn_validates_input(unknown):
    odd = place("odd", unknown, (0.05, 0.03, 0.08), is_main=True)
    root = ET.fromstring(str(svg.tradeoff(tradeoff.of_places([odd, OLD]))))
    crosses = [e for e in root.iter("g") if e.get("class") == "main"]
    assert len(crosses) == (0 if unknown[0] is None else 1)
    assert "odd" in root.get("aria-label")
