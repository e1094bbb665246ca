"""Bringing columns to one form: every fault is told with its code and its place, and what cannot enter is counted."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.api.checking import check
from shipworthy.errors import DataError
from shipworthy.observations.table import bin_labels

GOOD = {
    "y": [0, 1] * 20, "p": [1, 1, 0, 0] * 10, "s": [0.25, 0.75] * 20, "sex": ["f", "m", None, "f"] * 10,
    "age": list(range(20, 60)), "text": ["yes", "no"] * 20, "grade": [1, 2, 3, 4] * 10, "w": [1.0, 2.0] * 20,
}  # fmt: skip
ROLES = {"label": "y", "prediction": "p"}


@pytest.mark.parametrize(
    ("settings", "code", "where"),
    [
        ({"label": "yy"}, "DATA002", "roles.label"),
        ({"label": "yy = 1"}, "DATA002", "roles.label"),
        ({"slices": ["sexx"]}, "DATA002", "slices.0"),
        ({"slices": [["sex", "agee"]]}, "DATA002", "slices.0"),
        ({"slices": [{"young": "age"}]}, "DATA003", "slices.0.young"),
        ({"slices": [{"young": "age <"}]}, "DATA003", "slices.0.young"),
        ({"slices": [{"young": "1; drop table x"}]}, "DATA003", "slices.0.young"),
        ({"where": "age"}, "DATA003", "where"),
        ({"where": "text > 3"}, "DATA003", "where"),
        ({"where": "age > 1000"}, "DATA007", ""),
        ({"label": "null"}, "DATA008", "roles.label"),
        ({"label": "grade", "task": "binary"}, "DATA009", "roles.label"),
        ({"label": "s", "task": "binary"}, "DATA009", "roles.label"),
        ({"label": "text", "task": "binary"}, "DATA010", "roles.label"),
        ({"label": "text", "prediction": "text", "positive": "ja"}, "DATA011", "roles.positive"),
        ({"score": "text", "metrics": ["auc"]}, "DATA012", "roles.score"),
        ({"slices": [{"band": {"column": "text", "edges": [1]}}]}, "DATA012", "slices.0.band"),
        ({"slices": [{"sex": "age < 30"}, "sex"]}, "DATA013", "slices.1"),
        ({"weight": "w - 1.5"}, "DATA014", "roles.weight"),
        ({"metrics": ["auc"]}, "DATA016", "roles"),
        ({"metrics": ["mae"], "task": "binary"}, "DATA017", "roles"),
        ({"metrics": ["accuracy"], "variants": {"a": {"prediction": "p"}}, "baseline": "b"}, "DATA018", "roles"),
    ],
)  # fmt: skip
def test_prepare_validates_input(evaluate, settings, code, where):
    with pytest.raises(DataError) as caught:
        evaluate(GOOD, **ROLES | {"metrics": ["accuracy"]} | settings)
    fault = caught.value.faults[0]
    assert fault.code == code, fault
    assert where in fault.where
    assert fault.mend


def test_rows_outside_of_the_scope_are_counted(evaluate):
    rows = {"y": [1, 0] * 50, "p": [1, 0] * 50, "age": [*range(90), *([None] * 10)]}
    seen = evaluate(rows, label="y", prediction="p", where="age >= 30", metrics=["accuracy"]).evaluated.observations
    told = [(one.reason, one.rows) for one in seen.exclusions if one.rows]
    assert told == [("outside of `where: age >= 30`", 40)]
    assert (seen.rows, seen.scope, seen.outside) == (60, 60, 40)


def test_scores_alone_are_told_how_they_become_decisions(evaluate):
    rows = {"subject.score": [0.9, 0.2, 0.7, 0.4] * 10, "y": [1, 0, 0, 1] * 10}
    roles = {"label": "y", "score": "subject.score"}
    with pytest.raises(DataError) as caught:
        evaluate(rows, **roles, metrics=["accuracy"])
    assert "prediction: 'subject.score >= 0.5'" in caught.value.faults[0].mend
    assert evaluate(rows, **roles, prediction="subject.score >= 0.5", metrics=["accuracy"])


ASKED = {
    "subject.prediction": ["approve", "no"] * 30,
    "order": ["fine", "poor"] * 30,
    "y": [1, 0] * 30,
    "n": [2, 1] * 30,
}


@pytest.mark.parametrize(
    ("label", "mend", "mended"),
    [
        ("y", "prediction: \"subject.prediction = 'approve'\"", {}),
        (
            "order",
            "add positive: 'fine' and prediction: \"subject.prediction = 'approve'\" under roles",
            {"positive": "fine"},
        ),
    ],
)
def test_a_subject_with_words_of_its_own_is_mended_as_told(evaluate, label, mend, mended):
    with pytest.raises(DataError) as caught:
        evaluate(ASKED, label=label, prediction="subject.prediction", metrics=["accuracy"], task="binary")
    assert {fault.code for fault in caught.value.faults} == {"DATA010"}
    assert all(mend in fault.mend for fault in caught.value.faults)
    settings = {"label": label, "prediction": "subject.prediction = 'approve'"} | mended
    assert evaluate(ASKED, **settings, task="binary", metrics=["accuracy"])("accuracy").value == 1


def test_a_condition_in_a_mend_spells_numbers_and_names_as_it_is_read(evaluate):
    rows = {"n": ASKED["n"], "said so": ASKED["order"]}
    with pytest.raises(DataError) as caught:
        evaluate(rows, label="n", prediction="said so", metrics=["accuracy"], task="binary")
    (fault,) = caught.value.faults
    assert 'label: "n = 1" and prediction: "\\"said so\\" = \'fine\'"' in fault.mend
    roles = {"label": "n = 1", "prediction": "\"said so\" = 'fine'"}
    assert evaluate(rows, **roles, task="binary", metrics=["accuracy"])("accuracy").value == 0


def test_decimal_commas_are_read_as_the_mend_says(tmp_path):
    def measured(data):
        plan = tmp_path / "plan.yaml"
        evaluation = f'{{data: "{data}", roles: {{label: y, score: score}}, metrics: [auc]}}'
        plan.write_text(f"system: {{name: s}}\nevaluations: {{e: {evaluation}}}\n")
        return check(plan, write=False)

    lines = [f"{i % 2};{str(i / 100).replace('.', ',')}" for i in range(100)]
    (tmp_path / "semi.csv").write_text("y;score\n" + "\n".join(lines))
    with pytest.raises(DataError) as caught:
        measured("semi.csv")
    (fault,) = caught.value.faults
    assert fault.code == "DATA012"
    told = "SELECT * FROM read_csv('semi.csv', decimal_separator=',')"
    assert fault.mend == f"these are decimal commas: write data: {told}"
    assert measured(told)


def test_thousands_are_not_taken_for_decimal_commas(evaluate):
    with pytest.raises(DataError, match=r"DATA012[^\0]*cast\(column as double\)"):
        evaluate({"y": [0, 1] * 20, "s": ["1,200", "3,400"] * 20}, label="y", score="s", metrics=["auc"])


def test_every_fault_is_told_at_once(evaluate):
    with pytest.raises(DataError) as caught:
        evaluate(
            GOOD, label="yy", prediction="text", slices=["sexx", {"old": "age >"}], metrics=["accuracy"], task="binary"
        )
    assert sorted(fault.code for fault in caught.value.faults) == ["DATA002", "DATA002", "DATA003", "DATA010"]


def test_too_many_levels_are_told(evaluate):
    rows = {"y": [0, 1] * 12_000, "id": list(range(24_000))}
    with pytest.raises(DataError, match="DATA015"):
        evaluate(rows, label="y", slices=["id"], metrics=["base_rate"])


def test_labels_in_many_spellings(evaluate):
    """Booleans, numbers, floats and text name the same outcome."""
    base = [True, False, True, True] * 10
    for label, extra in (
        (base, {}), ([int(v) for v in base], {}), ([float(v) for v in base], {}),
        (["yes" if v else "no" for v in base], {"positive": "yes"}), (["1" if v else "0" for v in base], {"positive": 1}),
        ([5 if v else 7 for v in base], {"positive": 5}), ([5 if v else 7 for v in base], {"positive": "5"}),
    ):  # fmt: skip
        found = evaluate({"y": label}, label="y", metrics=["base_rate"], **extra)
        assert found("base_rate").value == 0.75


def test_what_is_missing_is_counted_with_its_reason(evaluate):
    rows = pd.DataFrame(GOOD).astype({"y": "Float64", "p": "Float64"})
    rows.loc[:4, "y"] = pd.NA
    rows.loc[3:6, "p"] = pd.NA
    found = evaluate(rows, **ROLES, metrics=["accuracy"])
    seen = found.evaluated.observations
    assert [(e.reason, e.rows) for e in seen.exclusions] == [("label missing", 5)]
    assert seen.rows == found("accuracy").n == 35
    assert dict(seen.missing) == {"prediction": 2}
    assert found("accuracy").missing == 2


def test_nan_and_infinity_are_missing(evaluate):
    rows = {"y": [0.0, 1.0, np.nan] * 20, "s": [0.2, np.inf, 0.3, np.nan] * 15, "g": [1.5, np.nan] * 30}
    found = evaluate(rows, label="y", score="s", slices=["g"], metrics=["auc", "base_rate"])
    assert found("base_rate").n == 40
    assert (found("auc").n, found("auc").missing) == (40, 20)
    assert found.values("base_rate", "g").keys() == {1.5, None}


def test_missing_levels_are_a_slice(evaluate):
    found = evaluate(GOOD, **ROLES, slices=["sex"], metrics=["accuracy"])
    assert set(found.values("accuracy", "sex")) == {"f", "m", None}


def test_conditions_and_bins(evaluate):
    band = {"band": {"column": "age", "edges": [30, 50]}, "quarter": {"column": "age", "quantiles": 4}}
    found = evaluate(GOOD, **ROLES, slices=[{"young": "age < 30"}, band], metrics=["base_rate"])
    arms = found.evaluated.measured.values
    assert dict(zip([k["name"] for k in arms[None, "base_rate", "young"].slices], [30, 10], strict=True)) == {
        "not young": 30, "young": 10,
    }  # fmt: skip
    assert list(arms[None, "base_rate", "young"].n) == [30, 10]
    assert {tuple(k.values())[0]: n for k, n in zip(arms[None, "base_rate", "band"].slices, arms[None, "base_rate", "band"].n, strict=True)} == {
        "< 30": 10, "30 to < 50": 20, "≥ 50": 10,
    }  # fmt: skip
    assert list(arms[None, "base_rate", "quarter"].n) == [10] * 4


def test_a_condition_that_is_missing_is_not_fulfilled(evaluate):
    found = evaluate(GOOD, **ROLES, slices=[{"women": "sex = 'f'"}], metrics=["base_rate"])
    assert list(found.evaluated.measured.values[None, "base_rate", "women"].n) == [20, 20]


def test_columns_named_like_ours_and_like_code(evaluate):
    rows = {
        "label": GOOD["y"], "prediction": GOOD["p"], "slice.sex": GOOD["sex"], "score@new": GOOD["s"], "rows": GOOD["age"],
        "Zufällig 🚢 שלום": GOOD["grade"], "select": GOOD["sex"], "=cmd()": GOOD["sex"], "n": GOOD["grade"],
    }  # fmt: skip
    slices = ["slice.sex", "Zufällig 🚢 שלום", "select", "=cmd()", "rows", "n"]
    found = evaluate(rows, label="label", prediction="prediction", score="score@new", slices=slices,
                     metrics=["accuracy", "auc"], fold_below=0)  # fmt: skip
    for name in slices:
        assert sum(found.evaluated.measured.values[None, "accuracy", name].n) == 40


@given(st.lists(st.floats(-1e6, 1e6), min_size=0, max_size=6, unique=True))
def test_bin_labels_properties(edges):
    labels = bin_labels(sorted(edges))
    assert len(labels) == len(edges) + 1
    assert all(labels)


@settings(max_examples=25)
@given(st.data())
def test_rows_are_never_lost_properties(evaluate, data):
    """Evaluated and excluded rows add up to all of them, and the slices of an axis to the evaluated ones."""
    n = data.draw(st.integers(1, 60))
    rows = {
        "y": data.draw(st.lists(st.sampled_from([0, 1, None]), min_size=n, max_size=n)),
        "p": data.draw(st.lists(st.sampled_from([True, False, None]), min_size=n, max_size=n)),
        "g": data.draw(st.lists(st.none() | st.text(max_size=3), min_size=n, max_size=n)),
        "k": data.draw(st.lists(st.none() | st.integers(0, 3), min_size=n, max_size=n)),
    }
    whole = sum(y is not None for y in rows["y"])
    try:
        found = evaluate(
            rows, label="y", prediction="p", slices=["g", "k", ["g", "k"]], metrics=["accuracy"], task="binary"
        )
    except DataError as error:
        assert error.faults[0].code in ("DATA007", "DATA008")
        assert whole == 0 or error.faults[0].code == "DATA008"
        return
    assert found.evaluated.observations.rows == whole
    for axis in ("", "g", "k", "g × k"):
        assert sum(found.evaluated.measured.values[None, "accuracy", axis].n) == whole


@pytest.mark.parametrize("odd", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_are_none_are_counted_with_their_reason(evaluate, odd):
    score = [i / 40 for i in range(40)]
    score[3] = odd
    rows = {"y": [float(i % 2) for i in range(40)], "s": score, "p": [i % 2 for i in range(40)]}
    found = evaluate(rows, label="y", prediction="p", score="s", metrics=["auc", "accuracy"]).evaluated.observations
    assert found.rows == 40
    assert not any(exclusion.rows for exclusion in found.exclusions)
    assert dict(found.odd) == dict(found.missing) == {"score": 1}
    rows["y"][0] = odd
    rows["y"][2] = None
    for more in ({}, {"positive": 1}):
        found = evaluate(rows, label="y", prediction="p", metrics=["accuracy"], **more).evaluated.observations
        told = {exclusion.reason: exclusion.rows for exclusion in found.exclusions}
        assert (found.rows, told["label missing"], told["label infinite or not a number"]) == (38, 1, 1)


def test_outcomes_with_words_of_their_own_are_told_apart_at_once(evaluate):
    table = pd.DataFrame({"hired": ["good", "bad"] * 30, "listed": ["yes", "no"] * 30, "other": ["good", "bad"] * 30})
    with pytest.raises(DataError) as caught:
        evaluate(table, label="hired", prediction="listed", task="binary", metrics=["accuracy"])
    for fault in caught.value.faults:
        assert fault.code == "DATA010"
        assert "label: \"hired = 'good'\"" in fault.mend
        assert "prediction: \"listed = 'yes'\"" in fault.mend
    mended = {"label": "hired = 'good'", "prediction": "listed = 'yes'"}
    assert evaluate(table, **mended, task="binary", metrics=["accuracy"])("accuracy").value == 1
    with pytest.raises(DataError, match="add positive: 'good' under roles"):
        evaluate(table, label="hired", prediction="other", task="binary", metrics=["accuracy"])
    with pytest.raises(DataError, match="prediction: \"listed = 'yes'\""):
        evaluate(table, label="hired", prediction="listed", positive="good", task="binary", metrics=["accuracy"])
