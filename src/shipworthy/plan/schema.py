"""The JSON Schema of a plan: completion and checking in editors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shipworthy.plan.models import KINDS, Plan

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = "https://shipworthy.dev/schema/plan@1.json"


def plan_schema() -> dict[str, Any]:
    """The schema (draft 2020-12). What it refuses, `load_plan` refuses; names and bounds only `load_plan` can check."""
    schema = Plan.model_json_schema(mode="validation")
    parts = schema["$defs"]
    parts["Subject"]["oneOf"] = [_stated(kind, KINDS) for kind in KINDS]
    parts["Bins"]["oneOf"] = [
        {"required": ["edges"], "properties": {"edges": {"minItems": 1}, "quantiles": {"type": "null"}}},
        {"required": ["quantiles"], "properties": {"edges": {"maxItems": 0}, "quantiles": {"type": "integer"}}},
    ]
    parts["Evaluation"]["anyOf"] = [
        {"required": ["data"], "properties": {"data": {"type": "string"}, "suite": {"type": "null"}}},
        {"required": ["suite", "subject"], "properties": {"data": {"type": "null"}}},
        {"required": ["subject"], "properties": {"data": {"type": "null"}, "suite": {"type": "null"}}},
    ]
    parts["JsonValue"]["description"] = "Any JSON value."
    bounds = ("at_least", "at_most", "within")
    parts["Requirement"]["oneOf"] = [_stated(bound, bounds) for bound in bounds]
    for name, part in {"Plan": schema, **parts}.items():
        _entitle(name, part)
    return {"$schema": DIALECT, "$id": ID, **schema, "title": "Shipworthy plan"}


def _stated(key: str, among: Sequence[str]) -> dict[str, Any]:
    """This key has a value, and none of the others has."""
    others = {other: {"type": "null"} for other in among if other != key}
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}, **others}}


def _entitle(name: str, part: dict[str, Any]) -> None:
    """Titles as editors show them: the key itself, with the part that it belongs to."""
    for key, value in part.get("properties", {}).items():
        value["title"] = f"{name.lower()}: {key}"
        if value.get("default", ...) is None:
            del value["default"]
