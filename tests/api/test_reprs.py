"""What an interactive session prints, and what it says of a table that is none."""

from __future__ import annotations

import pytest

import shipworthy as sw

ROWS = {"y": [1, 0, None] * 50, "p": [1, 0, 1] * 50}


def test_columns_of_different_lengths_are_told_with_their_lengths() -> None:
    with pytest.raises(sw.Unusable) as error:
        sw.evaluate({"y": [1, 0], "p": [1]}, label="y", prediction="p")
    (fault,) = error.value.faults
    assert fault.code == "DATA006"
    assert fault.what == "the columns differ in length: 'y' has 2, 'p' has 1"
    assert "type" not in fault.mend


def test_results_print_in_a_line_each(tmp_path) -> None:
    rows = "".join(f"{i},{i % 2},{int(i % 5 > 0) * (i % 2)}\n" for i in range(200))
    (tmp_path / "d.csv").write_text("id,y,p\n" + rows)
    (tmp_path / "p.yaml").write_text(
        "system: {name: s}\nevaluations: {d: {data: d.csv, roles: {label: y, prediction: p, id: id}}}\n"
        "requirements: [{id: A, metric: accuracy, at_least: 0.5}]\n"
    )
    run = sw.check(tmp_path / "p.yaml", out=tmp_path / "run")
    assert repr(run) == f"<Run {run.id} SHIP: 1 of 1 requirement met>"
    assert repr(run.verdicts[0]).startswith("<Verdict A met: accuracy")
    assert repr(sw.reproduce(tmp_path / "run")).endswith(f"reproduced, {len(run.estimates)} estimates>")
    for each in (run, *run.verdicts, *run.estimates):
        assert len(repr(each)) < 200


def test_exclusions_are_named() -> None:
    seen = sw.evaluate(ROWS, label="y", prediction="p", metrics=["tpr"])
    assert [(each.reason, each.rows) for each in seen.exclusions] == [("label missing", 50)]
    assert repr(seen.estimates[0]) == "<Estimate tpr, everyone: 1 (0.9287 to 1), n=50>"
