"""The parts of the documentation that are written from the code: command help, and the keys of the plan file."""

from __future__ import annotations

import re
from typing import Any

import click

from shipworthy.cli import main
from shipworthy.plan.schema import plan_schema

_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PARTS = (
    "Plan", "System", "Evaluation", "Roles", "Bins", "Variant", "CustomMetric", "Requirement", "Subject", "Limits",
    "Prices", "Response",
)  # fmt: skip
_PLAIN = {"JsonValue": "any"}  # parts without keys of their own
_TITLES = {
    "Plan": "The file", "System": "system", "Evaluation": "evaluations.<name>", "Roles": "roles",
    "Bins": "bins of a slice", "Variant": "variants.<name>", "CustomMetric": "a metric of your own",
    "Requirement": "requirements[]", "Subject": "subjects.<name>", "Limits": "limits", "Prices": "prices",
    "Response": "response",
}  # fmt: skip


def filled(page: str) -> str:
    """The page with every generated part as it should be."""
    makers = {"cli": command_help, "plan": plan_keys}
    return _PART.sub(lambda m: m[1] + "\n" + makers[m[2]]().strip() + "\n\n" + m[3], page)


def command_help() -> str:
    root = main.make_context("shipworthy", ["--help"], resilient_parsing=True, terminal_width=98)
    text = f"```text\n{main.get_help(root)}\n```\n"
    for name in main.list_commands(root):
        command = main.get_command(root, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=root)
        text += f"\n## shipworthy {name}\n\n```text\n{command.get_help(context)}\n```\n"
    return text


def plan_keys() -> str:
    schema = plan_schema()
    parts = {"Plan": schema, **schema["$defs"]}
    assert set(parts) - set(_PLAIN) == set(_PARTS), "every part of the schema has its table"
    return "\n".join(_table(name, parts[name]) for name in _PARTS)


def _table(name: str, part: dict[str, Any]) -> str:
    needed = set(part.get("required", ()))
    lines = [f"### `{_TITLES[name]}`", "", "| key | kind | default | meaning |", "|---|---|---|---|"]
    for key, value in part["properties"].items():
        default = "needed" if key in needed else _default(value)
        lines.append(f"| `{key}` | {_kind(value)} | {default} | {value.get('description', '')} |")
    return "\n".join(lines) + "\n"


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    return (
        "" if default in (None, [], {}, "") else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    )


def _kind(value: dict[str, Any]) -> str:
    if "enum" in value:
        return " · ".join(f"`{one}`" for one in value["enum"])
    if "$ref" in value and _referred(value) in _PLAIN:
        return _PLAIN[_referred(value)]
    if "$ref" in value:
        return f"[{_TITLES[_referred(value)]}](#{_anchor(_TITLES[_referred(value)])})"
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_kind(one) for one in value["anyOf"] if one.get("type") != "null"))
    if value.get("type") == "array":
        if "prefixItems" in value:
            return f"list of {len(value['prefixItems'])} numbers"
        item = _kind(value["items"])
        return f"list of ({item})" if " or " in item else f"list of {item}"
    if value.get("type") == "object":
        inner = value.get("additionalProperties")
        return f"name → {_kind(inner)}" if isinstance(inner, dict) else "names"
    return {"string": "text", "number": "number", "integer": "whole number", "boolean": "yes or no"}[value["type"]]


def _referred(value: dict[str, Any]) -> str:
    return str(value["$ref"]).rsplit("/", 1)[1]


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-")
