from __future__ import annotations

from dataclasses import replace

import pytest

from shipworthy.charts import heatmap
from shipworthy.charts.axis import axis
from shipworthy.estimate.estimates import Estimate
from shipworthy.gates.verdicts import Outcome, Piece

SCALE = axis([0.0, 0.4], floor=0.0, ceiling=1.0)


def cell(value: float | None, half: float | None = 0.02, metric: str = "leak_rate", **key: str) -> Estimate:
    known = value is not None and half is not None
    return Estimate(
        evaluation="e",
        metric=metric,
        slice=key,
        value=value,
        low=value - half if known else None,
        high=value + half if known else None,
        level=0.95,
        n=72,
        effective_n=None,
        method="wilson",
        reason=None if known else "worth only 6 clusters",
    )


CELLS = [
    cell(0.1, hazard="a", attack="none"),
    cell(0.2, hazard="a", attack="roleplay"),
    cell(0.4, hazard="b", attack="none"),
    cell(0.3, None, hazard="b", attack="roleplay"),
    cell(None, hazard="c", attack="none"),
]


def test_rows_and_columns_come_worst_first_and_no_attack_leads():
    drawn = heatmap.of_estimates(CELLS, title="t", scale=SCALE)
    assert [line.name for line in drawn.lines] == ["b", "a", "c"]
    assert drawn.columns == ("none", "roleplay")
    assert (drawn.rows_by, drawn.columns_by) == ("hazard", "attack")
    margins = [cell(0.3, hazard="a"), cell(0.1, hazard="b"), cell(0.01, hazard="c"), cell(0.2)]
    drawn = heatmap.of_estimates(CELLS, title="t", scale=SCALE, margins=margins)
    assert [line.name for line in drawn.lines] == ["a", "b", "c"]
    assert drawn.lines[0].margin.value == "30.0"
    assert drawn.margin is None  # nothing was measured by attack alone


def test_states_and_shades_against_reference():
    drawn = heatmap.of_estimates(CELLS, title="t", scale=SCALE)
    found = {
        (line.name, column): each
        for line in drawn.lines
        for column, each in zip(drawn.columns, line.cells, strict=True)
    }
    assert [found[key].state for key in (("a", "none"), ("b", "roleplay"), ("c", "none"), ("c", "roleplay"))] == [
        "known",
        "thin",
        "unknown",
        "empty",
    ]
    assert [found[key].shade for key in (("a", "none"), ("a", "roleplay"), ("b", "none"), ("c", "none"))] == [
        2,
        4,
        8,
        None,
    ]
    assert found["a", "none"].limits == "8.0 to 12.0"
    assert found["b", "roleplay"].said == "b, roleplay: 30.0 % (no interval), n = 72; worth only 6 clusters"
    assert drawn.states == {"known", "thin", "unknown", "empty"}
    assert drawn.reasons == ("worth only 6 clusters",)
    assert drawn.ends == ("0 %", "40 %")


def test_where_more_is_good_the_least_is_the_darkest():
    rows = [replace(e, metric="pass_rate") for e in CELLS[:3]]
    drawn = heatmap.of_estimates(rows, title="t", scale=SCALE)
    assert [line.name for line in drawn.lines] == ["a", "b"]
    assert drawn.lines[0].cells[0].shade == 6
    assert drawn.ends == ("40 %", "0 %")


def test_two_versions_lie_side_by_side():
    first = heatmap.of_estimates(CELLS, title="t", scale=SCALE)
    other = [replace(e, variant="old", value=0.4 - (e.value or 0)) for e in CELLS if e.value]
    second = heatmap.of_estimates([*other, cell(0.1, hazard="z", attack="none")], title="t", scale=SCALE, like=first)
    assert [line.name for line in second.lines] == ["b", "a", "c", "z"]
    assert second.columns == first.columns


def test_what_was_claimed_of_a_cell_marks_it():
    piece = Piece(
        estimate=CELLS[2],
        met_low=None,
        met_high=None,
        breach_low=None,
        breach_high=None,
        outcome=Outcome.BREACHED,
        needed=None,
    )
    drawn = heatmap.of_estimates(CELLS, title="t", scale=SCALE, pieces=[piece])
    assert drawn.lines[0].cells[0].mark.word == "breached"
    assert drawn.lines[0].cells[0].said.endswith("; breached")
    assert drawn.lines[1].cells[0].mark is None


def test_size_is_bounded_and_what_is_left_out_is_the_least_bad():
    many = [cell(i / 100, hazard=f"h{i}", attack=f"a{j}") for i in range(40) for j in range(20)]
    drawn = heatmap.of_estimates(many, title="t", scale=SCALE)
    assert (len(drawn.lines), len(drawn.columns)) == (heatmap.MOST_ROWS, heatmap.MOST_COLUMNS)
    assert drawn.left_out == (40 - heatmap.MOST_ROWS, 20 - heatmap.MOST_COLUMNS)
    assert drawn.lines[0].name == "h39"


@pytest.mark.parametrize(
    ("metric", "key", "mapped"),
    [
        ("leak_rate", {"hazard": "a", "attack": "b"}, True),
        ("leak_rate", {"hazard": "a"}, False),
        ("refusal_rate", {"hazard": "a", "attack": "b"}, False),
        ("latency_p95", {"hazard": "a", "attack": "b"}, False),
    ],
)
def test_only_rates_of_which_one_way_is_good_are_mapped(metric, key, mapped):
    assert heatmap.is_mapped(cell(0.1, metric=metric, **key)) is mapped
