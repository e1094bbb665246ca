"""The public names: few, documented, loaded when used."""

import inspect
import subprocess
import sys

import pytest

import shipworthy as sw

HEAVY = ("numpy", "pyarrow", "duckdb", "ibis", "pydantic", "scipy", "rich", "pandas")


def test_the_names_are_these_and_no_others():
    assert sw.__all__ == [
        "Evaluation", "ShipworthyError", "Unusable", "__version__", "check", "compare", "evaluate", "metric",
        "reproduce", "size",
    ]  # fmt: skip
    assert dir(sw) == sw.__all__


@pytest.mark.parametrize("name", [name for name in sw.__all__ if name != "__version__"])
def test_every_name_can_be_had_and_says_what_it_is(name):
    assert len(inspect.getdoc(getattr(sw, name)) or "") > 30


@pytest.mark.parametrize("name", ["check", "compare", "evaluate", "reproduce", "size"])
def test_every_verb_is_typed(name):
    signature = inspect.signature(getattr(sw, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = sw.chekc


def test_importing_costs_nothing():
    code = f"import sys, shipworthy; sys.exit(str([m for m in {HEAVY!r} if m in sys.modules] or '') or 0)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_metric_of_ones_own_is_three_lines():
    def overruled(label, prediction):
        """The share of positives that was decided negatively."""
        return (label == 1) & (prediction == 0)

    own = sw.metric(overruled)
    assert (own.name, own.needs) == ("overruled", {"label", "prediction"})
    assert own.meaning == "The share of positives that was decided negatively."
    seen = sw.evaluate({"y": [0, 1, 1, 0], "p": [0, 1, 0, 0]}, label="y", prediction="p", metrics=[overruled])
    assert [(e.metric, e.value, e.n) for e in seen.estimates] == [("overruled", None, 4)]


def test_a_metric_of_ones_own_can_be_required(tmp_path, monkeypatch):
    def granted(label, prediction):
        return (label == 0) & (prediction == 1)

    rows = {"y": [0, 1, 1, 0] * 50, "p": [0, 1, 0, 0] * 49 + [1, 1, 1, 1]}
    seen = sw.evaluate(rows, label="y", prediction="p", metrics=[granted])
    assert seen.require("granted", at_most=0.1).outcome == "met"

    (tmp_path / "own_metrics.py").write_text(
        "def granted(label, prediction): return (label == 0) & (prediction == 1)\n"
    )
    (tmp_path / "rows.csv").write_text("y,p\n" + "".join(f"{y},{p}\n" for y, p in zip(*rows.values(), strict=True)))
    (tmp_path / "plan.yaml").write_text(
        "system: {name: s}\nevaluations:\n  d: {data: rows.csv, roles: {label: y, prediction: p},"
        " metrics: [{python: 'own_metrics:granted'}]}\nrequirements:\n  - {id: A, metric: granted, at_most: 0.1}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert sw.check(tmp_path / "plan.yaml", write=False).decision == "ship"
    assert sw.size(tmp_path / "plan.yaml")[0].cases > 0


def test_the_verdict_has_the_words_and_the_cases_still_needed():
    rows = {"y": [0] * 100 + [1] * 100, "p": [0] * 88 + [1] * 112}
    seen = sw.evaluate(rows, label="y", prediction="p", metrics=["fpr"])
    verdict = seen.require("fpr", at_most=0.15)
    assert verdict.outcome == "undecided"
    assert verdict.needed > 100
    assert seen.require("fpr", at_most=0.3).outcome == "met"
    assert seen.require("fpr", at_most=0.02).outcome == "breached"


def test_a_claim_that_cannot_be_read_validates_input():
    seen = sw.evaluate({"y": [0, 1] * 20, "p": [0, 1] * 20}, label="y", prediction="p")
    with pytest.raises(sw.Unusable, match="bound"):
        seen.require("fpr")
    with pytest.raises(sw.Unusable):
        seen.require("auc", at_least=0.5)


@pytest.mark.parametrize(
    ("argument", "what", "where"),
    [
        ({"slices": [{"q": {"column": "s", "edges": [0.5, 0.2]}}]}, "edges must ascend without repeats", "slices[0].q"),
        ({"slices": [{"q": {"column": "s"}}]}, "give either edges or quantiles", "slices[0].q"),
        ({"slices": [{"q": {"colum": "s", "edges": [1]}}]}, 'unknown key "colum"', "slices[0].q.colum"),
        ({"slices": [3]}, '"slices[0]" must be text or a list or a mapping. Got the number 3', "slices[0]"),
        ({"positive": [1]}, '"positive" must be text or a whole number', "roles.positive"),
        ({"slicess": ["s"]}, 'unknown key "slicess"', "slicess"),
    ],
)
def test_an_argument_is_told_of_as_a_plan_is(argument, what, where):
    rows = {"y": [0, 1] * 20, "p": [0, 1] * 20, "s": [0.1, 0.9] * 20}
    with pytest.raises(sw.Unusable) as caught:
        sw.evaluate(rows, label="y", prediction="p", **argument)
    assert {fault.code for fault in caught.value.faults} == {"CALL005"}
    assert where in [fault.where for fault in caught.value.faults]
    assert what in str(caught.value)
    assert not any(told in str(caught.value) for told in ("Bins", "tuple[", "union[", "None"))


@pytest.mark.parametrize("ask", ["require", "gaps", "chart"])
def test_an_axis_that_was_not_sliced_is_told(ask):
    seen = sw.evaluate({"y": [0, 1] * 20, "p": [0, 1] * 20}, label="y", prediction="p")
    claim = {"at_most": 0.1} if ask == "require" else {}
    with pytest.raises(sw.Unusable, match=r"PLAN071.*slices of 'age'"):
        getattr(seen, ask)("fpr", across="age", **claim)


def test_gaps_of_a_metric_that_was_not_measured_are_told():
    seen = sw.evaluate({"y": [0, 1] * 20, "p": [0, 1] * 20, "g": [1, 2] * 20}, label="y", prediction="p", slices=["g"])
    with pytest.raises(sw.Unusable, match="PLAN071"):
        seen.gaps("auc", "g")
