from __future__ import annotations

import json
import math
from xml.etree import ElementTree as ET

import pytest

from shipworthy.charts import calibration, forest, svg, vega
from shipworthy.estimate.curves import CalibrationCurve, CurvePoint
from shipworthy.estimate.estimates import Estimate
from shipworthy.gates.verdicts import Outcome, Piece
from shipworthy.plan.models import Requirement

GAP = Requirement(id="F", metric="fpr", across="race", compare="difference", at_most=0.05)
RATIO = Requirement(id="F", metric="selection_rate", across="sex", compare="ratio", at_least=0.8)


def estimate(value: float | None, low: float | None, high: float | None, **changes: object) -> Estimate:
    given: dict[str, object] = {
        "evaluation": "e",
        "metric": "fpr",
        "slice": {"race": "A<b>"},
        "value": value,
        "low": low,
        "high": high,
        "level": 0.95,
        "n": 100,
        "effective_n": None,
        "method": "wilson",
    }
    return Estimate(**(given | changes))


def piece(it: Estimate, outcome: Outcome, needed: int | None = None) -> Piece:
    return Piece(
        estimate=it, met_low=None, met_high=None, breach_low=None, breach_high=None, outcome=outcome, needed=needed
    )


@pytest.fixture
def gaps() -> forest.Forest:
    def gap(value: float | None, low: float | None, high: float | None) -> Estimate:
        return estimate(value, low, high, compare="difference", reference={"race": "B"})

    return forest.of_claim(
        GAP,
        [
            piece(gap(0.21, 0.18, 0.25), Outcome.BREACHED),
            piece(gap(0.02, -0.1, 0.14), Outcome.UNDECIDED, 780),
            piece(gap(0.3, None, math.inf), Outcome.UNDECIDED),
            piece(gap(None, None, None), Outcome.UNDECIDED),
            piece(gap(0.0, -0.01, 0.01), Outcome.MET),
        ],
    )


def draw(picture: forest.Forest, row: int) -> ET.Element:
    return ET.fromstring(str(svg.bar(picture.rows[row], axis=picture.axis, bounds=picture.bounds, still=picture.zero)))


def test_the_good_side_of_gaps_has_no_direction_against_reference():
    assert forest.good_side(GAP) == (-0.05, 0.05)
    assert forest.good_side(RATIO) == (0.8, 1.25)
    assert forest.good_side(GAP.model_copy(update={"reference": "B"})) == (None, 0.05)
    assert forest.good_side(Requirement(id="F", metric="disparate_impact", across="sex", at_least=0.8)) == (0.8, 1.25)
    assert forest.good_side(Requirement(id="F", metric="fpr", at_most=0.3)) == (None, 0.3)


def test_bars_lie_where_their_numbers_are_against_reference(gaps):
    drawn = draw(gaps, 0)
    whisker = next(e for e in drawn.iter("line") if e.get("class") == "whisker")
    assert whisker.get("x1") == f"{gaps.axis.at(0.18):g}%"
    assert whisker.get("x2") == f"{gaps.axis.at(0.25):g}%"
    bounds = [e.get("x1") for e in drawn.iter("line") if e.get("class") == "bound"]
    assert bounds == [f"{gaps.axis.at(end):g}%" for end in (-0.05, 0.05)]
    wrong = [e for e in drawn.iter("rect") if e.get("class") == "wrong"]
    assert float(str(wrong[1].get("x")).rstrip("%")) == gaps.axis.at(0.05)
    assert "breached" in str(drawn.get("aria-label"))
    assert [e.get("class") for e in drawn.iter("g")] == ["breached"]


def test_a_missing_limit_is_an_arrow_and_an_unknown_value_no_point_properties(gaps):
    open_ended = forest.row(estimate(0.2, None, 0.25))
    drawn = ET.fromstring(str(svg.bar(open_ended, axis=gaps.axis)))
    assert [e.get("class") for e in drawn.iter("path") if e.get("class") in ("arrow", "cap")] == ["arrow", "cap"]
    assert not list(draw(gaps, 3).iter("g"))
    assert not [e for e in draw(gaps, 2).iter("line") if e.get("class") == "whisker"]


def test_rows_that_cannot_carry_the_claim_are_muted_properties(gaps):
    assert [row.muted for row in gaps.rows] == [False, True, True, True, False]
    assert gaps.rows[1].note == "needs 780 more"


def test_svg_is_inert_and_stays_within_its_axis_properties(gaps):
    for row in gaps.rows:
        text = str(svg.bar(row, axis=gaps.axis, bounds=gaps.bounds))
        assert "<b>" not in text
        assert "style=" not in text
        for element in ET.fromstring(text).iter():
            for name in ("x", "x1", "x2"):
                value = element.get(name)
                assert value is None or 0 <= float(value.rstrip("%")) <= 100


def test_summaries_name_the_metric_of_each_row_against_reference():
    odds = Requirement(id="F", metric="equalized_odds_difference", across="race", at_most=0.05)
    pieces = [
        piece(estimate(0.2, 0.1, 0.3, compare="difference", reference={"race": "B"}, metric=metric), Outcome.BREACHED)
        for metric in ("tpr", "fpr")
    ]
    picture = forest.of_claim(odds, pieces)
    assert [row.name for row in picture.rows] == ["TPR, A<b> − B", "FPR, A<b> − B"]
    assert (picture.unit, picture.zero, picture.bounds) == (" points", 0.0, (-0.05, 0.05))


def test_worst_first_is_not_led_by_tiny_groups_against_reference():
    tiny, large, unknown = estimate(0.6, 0.1, 0.95), estimate(0.45, 0.42, 0.47), estimate(None, None, None)
    assert sorted([unknown, tiny, large], key=forest.worst_first) == [large, tiny, unknown]


def test_same_metric_same_axis_holds_everything_properties():
    found = [estimate(0.1, 0.05, 0.2), estimate(0.5, 0.3, 0.7)]
    it = forest.fit(found, metric="fpr", compare="value", bounds=(None, 0.6))
    assert (it.low, it.high >= 0.7, it.high <= 1.0) == (0.0, True, True)


@pytest.fixture
def curve() -> calibration.Calibration:
    points = tuple(
        CurvePoint(score=i / 10, rate=i / 10, low=max(0, i / 10 - 0.1), high=min(1, i / 10 + 0.1), n=10 * i)
        for i in range(1, 10)
    )
    it = CalibrationCurve(evaluation="e", slice={}, variant=None, points=points, is_probability=True)
    return calibration.of_curve(it, title="Everyone <b>")


def test_calibration_against_reference(curve):
    drawn = ET.fromstring(str(svg.curve(curve)))
    assert curve.n == 450
    assert len(list(drawn.iter("circle"))) == 9
    bars = [float(str(e.get("height")).rstrip("%")) for e in drawn.iter("rect") if e.get("class") == "count"]
    assert bars == pytest.approx([18 * i / 9 for i in range(1, 10)], rel=1e-4)
    assert [e for e in drawn.iter("line") if e.get("class") == "diagonal"]
    raw = CalibrationCurve(
        evaluation="e",
        slice={},
        variant=None,
        points=(CurvePoint(score=7, rate=0.5, low=0.2, high=0.8, n=4),),
        is_probability=False,
    )
    picture = calibration.of_curve(raw, title="x")
    assert picture.across.low < 7 < picture.across.high
    assert "diagonal" not in str(svg.curve(picture))


def test_an_empty_curve_is_drawn_properties():
    raw = CalibrationCurve(evaluation="e", slice={}, variant=None, points=(), is_probability=False)
    ET.fromstring(str(svg.curve(calibration.of_curve(raw, title="x"))))


def test_vega_specifications_are_json_without_data_loss(gaps, curve):
    spec = vega.forest(gaps)
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec
    assert spec["$schema"].endswith("/v5.json")
    assert [row["verdict"] for row in spec["data"]["values"]] == [row.mark.word for row in gaps.rows if row.mark]
    assert spec["data"]["values"][3]["value"] is None
    assert vega.forest(gaps, most=2)["description"].endswith("(3 further rows not drawn)")
    picture = vega.calibration(curve)
    assert json.loads(json.dumps(picture, allow_nan=False)) == picture
    assert len(picture["data"]["values"]) == 9
    assert list(vega.mimebundle(spec)) == [vega.MIME, "text/plain"]


def test_ends_are_written_with_their_unit_beside_any_bound():
    """Both ends of the axis always, and the bound on a line of its own where it would touch one."""

    def written(low: float, high: float, bound: float) -> tuple[str, list[tuple[str, str]]]:
        claim = Requirement(id="R", metric="fpr", at_most=bound)
        drawn = ET.fromstring(str(svg.ends(forest.of_claim(claim, [piece(estimate(low, low, high), Outcome.MET)]))))
        return drawn.attrib["class"], [(one.text or "", one.attrib["y"]) for one in drawn]

    assert written(0.2, 0.4, 0.5) == ("scale two", [("0", "14"), ("60 %", "14"), ("bound 50 %", "28")])
    assert written(0.5, 0.7, 0.6) == ("scale", [("50", "14"), ("70 %", "14"), ("bound 60 %", "14")])


def test_zero_is_left_out_where_it_would_squeeze_the_rows():
    def low(*values: float) -> float:
        rows = [estimate(value, value - 0.01, value + 0.01) for value in values]
        return forest.fit(rows, metric="accuracy", compare="value", bounds=(0.6,)).low

    assert low(0.606) > 0.5
    assert low(0.606, 0.2) == 0


@pytest.mark.parametrize(("lowest", "place"), [(-0.2, 0.0), (0.02, 0.1)])
def test_the_bound_of_a_symmetric_range_is_written_where_it_is_drawn(lowest, place):
    """Between both ends, or at the one that is drawn: gaps that are all above zero show that end alone."""
    both = Requirement(id="F", metric="fpr", across="race", compare="difference", within=(-0.1, 0.1))
    gap = estimate(0.05, lowest, 0.09, compare="difference", reference={"race": "B"})
    picture = forest.of_claim(both, [piece(gap, Outcome.MET)])
    ((at, text),) = svg.bound_labels(picture)
    assert (at, text) == (pytest.approx(place), "bound ±10")
