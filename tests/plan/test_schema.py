import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shipworthy.errors import PlanError
from shipworthy.plan.loading import load_plan
from shipworthy.plan.schema import plan_schema

VALIDATOR = jsonschema.Draft202012Validator(plan_schema())
GOOD: dict[str, Any] = {
    "system": {"name": "s", "tier": "high"},
    "subjects": {"m": {"python": "a:b", "headers": {"X": "1"}}},
    "evaluations": {
        "d": {
            "data": "x.csv",
            "task": "binary",
            "roles": {"label": "y", "positive": True, "scores": {"a": "p"}},
            "slices": ["sex", ["sex", "race"], {"young": "age < 25", "age": {"column": "age", "edges": [1, 2]}}],
            "metrics": ["tpr", {"python": "a:b"}],
            "variants": {"v": {"prediction": "p"}},
            "population": {"sex": {"f": 0.5}},
        }
    },
    "requirements": [{"id": "A", "metric": "tpr", "across": ["sex"], "within": [0.1, 0.9], "controls": ["x@1:y"]}],
    "seed": 3,
}
# Where, and what is put there; `...` removes the key.
MUTATIONS: list[tuple[tuple[str | int, ...], Any]] = [
    ((), GOOD),
    (("system",), ...),
    (("system",), []),
    (("system", "name"), ...),
    (("system", "name"), ""),
    (("system", "name"), "x" * 201),
    (("system", "name"), 5),
    (("system", "name"), None),
    (("system", "tier"), "High"),
    (("system", "tier"), "minimal"),
    (("system", "x"), 1),
    (("x",), 1),
    (("subjects", "m", "python"), ...),
    (("subjects", "m", "onnx"), "m.onnx"),
    (("subjects", "m", "onnx"), None),
    (("subjects", "m", "batch"), 0),
    (("subjects", "m", "batch"), "10"),
    (("subjects", "m", "timeout"), 0),
    (("subjects", "m", "timeout"), 1),
    (("subjects", "m", "trust"), "yes"),
    (("subjects", "m", "headers", "X"), 1),
    (("evaluations",), []),
    (("evaluations", "d", "data"), ...),
    (("evaluations", "d", "task"), "binary?"),
    (("evaluations", "d", "task"), None),
    (("evaluations", "d", "roles", "positive"), 1.5),
    (("evaluations", "d", "roles", "positive"), []),
    (("evaluations", "d", "roles", "lable"), "y"),
    (("evaluations", "d", "slices"), "sex"),
    (("evaluations", "d", "slices", 0), 3),
    (("evaluations", "d", "slices", 1, 0), 3),
    (("evaluations", "d", "slices", 2, "young"), 3),
    (("evaluations", "d", "slices", 2, "age", "edges"), ...),
    (("evaluations", "d", "slices", 2, "age", "edges"), []),
    (("evaluations", "d", "slices", 2, "age", "quantiles"), 4),
    (("evaluations", "d", "slices", 2, "age"), {"column": "a", "quantiles": 4}),
    (("evaluations", "d", "slices", 2, "age"), {"column": "a", "quantiles": 1}),
    (("evaluations", "d", "slices"), ["a"] * 101),
    (("evaluations", "d", "metrics", 1), {"pyhton": "a:b"}),
    (("evaluations", "d", "metrics", 1), None),
    (("evaluations", "d", "population", "sex", "f"), 1.5),
    (("evaluations", "d", "variants", "v", "label"), "y"),
    (("requirements", 0, "within"), [1]),
    (("requirements", 0, "within"), [0, 1, 2]),
    (("requirements", 0, "within"), ...),
    (("requirements", 0, "at_least"), 0.5),
    (("requirements", 0, "at_least"), None),
    (("requirements", 0, "confidence"), 0.5),
    (("requirements", 0, "confidence"), 0.5001),
    (("requirements", 0, "confidence"), True),
    (("requirements", 0, "severity"), "critical"),
    (("requirements", 0, "id"), "a b"),
    (("requirements", 0, "id"), "x" * 81),
    (("requirements", 0, "metric"), ""),
    (("requirements", 0, "across"), 5),
    (("requirements", 0, "across"), None),
    (("requirements",), {}),
    (("seed",), -1),
    (("seed",), 1.5),
    (("extends",), "shipworthy/high-risk"),
]


def mutated(where: tuple[str | int, ...], value: Any) -> Any:
    if not where:
        return value
    plan = copy.deepcopy(GOOD)
    here: Any = plan
    for step in where[:-1]:
        here = here[step]
    if value is ...:
        del here[where[-1]]
    else:
        here[where[-1]] = value
    return plan


def loads(plan: Any, folder: Path) -> bool:
    path = folder / "plan.yaml"
    path.write_text(json.dumps(plan))
    try:
        load_plan(path)
    except PlanError:
        return False
    return True


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(plan_schema())
    assert plan_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(("where", "value"), MUTATIONS, ids=lambda part: str(part)[:40])
def test_schema_and_loader_agree(where: tuple[str | int, ...], value: Any, tmp_path: Path) -> None:
    plan = mutated(where, value)
    assert VALIDATOR.is_valid(plan) == loads(plan, tmp_path)


def test_the_mutations_go_both_ways() -> None:
    valid = sum(VALIDATOR.is_valid(mutated(*mutation)) for mutation in MUTATIONS)
    assert valid >= 8
    assert len(MUTATIONS) - valid >= 40


def test_every_key_is_described() -> None:
    schema = plan_schema()
    for part in (schema, *schema["$defs"].values()):
        assert part["description"]
        for key, value in part.get("properties", {}).items():
            assert value["description"], key
            assert value["title"].endswith(f": {key}")
