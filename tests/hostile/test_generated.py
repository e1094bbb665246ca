from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from workshop import Outcome, Workshop

COLUMNS = ("y", "p", "s", "g", "h", "id")
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "binary": st.sampled_from([0, 1]),
    "words": st.sampled_from(
        ["yes", "no", "maybe", "", "NaN", "null", "=1+1", "<b>", "é", "\u202e", "a,b", 'a"b', "a\nb"]
    ),
    "numbers": st.one_of(
        st.integers(-5, 5), st.floats(-1e6, 1e6), st.sampled_from([1e308, -1e308, 5e-324, "inf", "nan", ""])
    ),
    "shares": st.floats(0, 1),
    "constant": st.just("x"),
    "nothing": st.just(""),
    "mixed": st.one_of(st.integers(0, 3), st.sampled_from(["a", "", "true", "2020-01-01"])),
}
NATURAL = {"y": "binary", "p": "binary", "s": "shares", "g": "words", "h": "mixed", "id": "numbers"}
METRICS = (
    "accuracy", "tpr", "fpr", "precision", "selection_rate", "base_rate", "auc", "ece", "brier", "log_loss", "mcc", "mae", "rmse", "r2",
    "macro_f1", "ndcg@10", "mrr", "equalized_odds_difference", "demographic_parity_ratio", "nothing_of_the_kind",
)  # fmt: skip
EXPRESSIONS = (
    *COLUMNS,
    "zz",
    "s >= 0.5",
    "y = 1 and s < 0.3",
    "g is null",
    "y + p",
    "1",
    "'a'",
    "y; drop table x",
    "cast(g as double) > 1",
    "s / y > 1",
)
AXES = st.one_of(
    st.sampled_from(COLUMNS),
    st.tuples(st.sampled_from(COLUMNS), st.sampled_from(COLUMNS)).map(list),
    st.fixed_dictionaries({"cond": st.sampled_from(EXPRESSIONS)}),
    st.fixed_dictionaries(
        {"bins": st.fixed_dictionaries({"column": st.sampled_from(EXPRESSIONS), "quantiles": st.integers(2, 6)})}
    ),
    st.fixed_dictionaries(
        {"cut": st.fixed_dictionaries({"column": st.sampled_from(EXPRESSIONS), "edges": st.just([-1, 0.5, 7])})}
    ),
)
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2)
)


@st.composite
def tables(draw: st.DrawFn) -> str:
    rows = draw(st.sampled_from([0, 1, 2, 5, 30, 80]))
    kinds = {name: draw(st.sampled_from([NATURAL[name]] * 6 + list(CELLS))) for name in COLUMNS}
    seed = draw(
        st.lists(
            st.fixed_dictionaries({name: CELLS[kinds[name]] for name in COLUMNS}), min_size=min(rows, 8), max_size=12
        )
    )
    lines = [",".join(COLUMNS)]
    for index in range(rows):
        cells = (str(seed[index % len(seed)][name]) for name in COLUMNS)
        lines.append(
            ",".join('"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n') else cell for cell in cells)
        )
    return "\n".join(lines) + "\n"


def optional(keys: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    column = st.sampled_from(EXPRESSIONS)
    roles = {"label": "y", "prediction": "p"} | draw(
        optional({"score": st.just("s"), "id": st.just("id"), "cluster": column, "weight": column, "query": column, "at": column,
                  "label": column, "prediction": column, "positive": st.sampled_from(["yes", 1, True, "x"])})
    )  # fmt: skip
    evaluation: dict[str, Any] = {"data": "rows.csv", "roles": roles, "slices": draw(st.lists(AXES, max_size=3))}
    evaluation |= draw(
        optional({"metrics": st.lists(st.sampled_from(METRICS), max_size=4), "where": column, "fold_below": st.integers(0, 40),
                  "minimum_group": st.integers(1, 40), "task": st.sampled_from(["binary", "multiclass", "regression", "ranking"]),
                  "variants": st.just({"new": {"prediction": "1 - p", "score": "s"}}), "train": st.just("rows.csv"),
                  "population": st.just({"g": {"yes": 0.5, "zz": 0.5}})})
    )  # fmt: skip
    requirement = st.fixed_dictionaries(
        {"metric": st.sampled_from(METRICS), "at_least": st.sampled_from([-1, 0, 0.1, 0.8, 5])},
        optional={"across": st.sampled_from([*COLUMNS, "cond", "bins", "cut", "zz"]), "reference": st.sampled_from(["yes", "1", "x"]),
                  "compare": st.sampled_from(["value", "difference", "ratio", "change"]), "variant": st.just("new"),
                  "confidence": st.sampled_from([0.5, 0.95, 0.999])},
    )  # fmt: skip
    requirements = draw(st.lists(requirement, max_size=3))
    plan = {
        "system": {"name": "generated"},
        "evaluations": {"e": evaluation},
        "requirements": [{"id": f"R{index}", **one} for index, one in enumerate(requirements)],
    }
    if draw(st.integers(0, 9)) == 0:  # and now and then something that no plan holds
        target = draw(st.sampled_from([plan, plan["system"], evaluation, roles]))
        target[draw(st.sampled_from(["name", "data", "slices", "label", "metrics", "odd"]))] = draw(ANYTHING)
    return plan


def check(plan: dict[str, Any], table: str) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        workshop.write("rows.csv", table)
        text = json.dumps(plan).encode("ascii", "replace")
        return workshop.run(text).sound()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=25, suppress_health_check=list(HealthCheck), derandomize=True, phases=[Phase.generate])
@given(plan=plans(), table=tables())
def test_any_plan_on_any_table_properties(plan: dict[str, Any], table: str) -> None:
    check(plan, table)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=80, suppress_health_check=list(HealthCheck), derandomize=True, phases=[Phase.generate])
@given(plan=plans(), table=tables(), other=st.just("draws"))
def test_many_plans_on_many_tables_properties(plan: dict[str, Any], table: str, other: str) -> None:
    check(plan, table)
