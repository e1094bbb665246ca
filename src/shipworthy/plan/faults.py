"""What pydantic found wrong, said as faults: one for each mistake, with its place and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shipworthy.errors import Fault
from shipworthy.plan.models import (
    Bins,
    CustomMetric,
    Evaluation,
    Limits,
    Model,
    Plan,
    Prices,
    Requirement,
    Response,
    Roles,
    Subject,
    System,
    Variant,
)
from shipworthy.plan.suggestions import did_you_mean
from shipworthy.plan.tree import Loc, Source, shown

M = TypeVar("M", bound=BaseModel)

# Where each model stands; `*` is any one step. Unknown keys are compared with the fields of the model there.
_MODELS: dict[tuple[str, ...], type[Model]] = {
    ("system",): System,
    ("subjects", "*"): Subject,
    ("subjects", "*", "limits"): Limits,
    ("subjects", "*", "prices"): Prices,
    ("subjects", "*", "response"): Response,
    ("evaluations", "*"): Evaluation,
    ("evaluations", "*", "roles"): Roles,
    ("evaluations", "*", "variants", "*"): Variant,
    ("evaluations", "*", "slices", "*", "*"): Bins,
    ("evaluations", "*", "metrics", "*"): CustomMetric,
    ("requirements", "*"): Requirement,
}
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_SCHEMA = "`shipworthy schema` says what may stand here"
_LIMITS = {
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
}


def validated(model: type[M], value: Any) -> M | ValidationError:
    """A value as a model, or what is wrong with it. Strict: text is not read as a number, nor a number as text."""
    try:
        return model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        return error


def validation_faults(
    source: Source, error: ValidationError, top: type[Model] = Plan, at: Loc = (), *, mend: str = _SCHEMA
) -> list[Fault]:
    """One fault for each mistake. at: where in the source the validated value stands. mend: where the field says
    nothing of itself."""
    found = error.errors(include_url=False, include_context=True)
    return [_fault(source, top, loc, details, mend) for loc, details in _one_per_mistake(source, at, found)]


def _one_per_mistake(
    source: Source, at: Loc, found: Iterable[ErrorDetails]
) -> Iterator[tuple[Loc, list[ErrorDetails]]]:
    """Real places, with the errors there. A value that may take several forms fails each; the nearest miss speaks."""
    forks: dict[Loc, list[tuple[Loc, Loc, ErrorDetails]]] = {}
    for details in found:
        loc, fork, form = _untangled(source, at, details)
        forks.setdefault(fork, []).append((loc, form, details))
    for tried in forks.values():
        deepest = max(len(loc) for loc, _, _ in tried)
        nearest = {form for loc, form, _ in tried if len(loc) == deepest}
        mistakes: dict[Loc, list[ErrorDetails]] = {}
        for loc, form, details in tried:
            if form in nearest:
                mistakes.setdefault(loc, []).append(details)
        yield from mistakes.items()


def _untangled(source: Source, at: Loc, details: ErrorDetails) -> tuple[Loc, Loc, Loc]:
    """The real place; where the first form was tried; and the names of the forms, which pydantic mixes into its loc."""
    node = source.root
    for step in at:
        node = node.child(step) or node
    loc, fork, form = list(at), None, []
    for depth, step in enumerate(details["loc"]):
        inner = node.child(step)
        if inner is not None:
            node = inner
            loc.append(step)
        elif details["type"] == "missing" and depth == len(details["loc"]) - 1:
            loc.append(step)
        else:
            fork = tuple(loc) if fork is None else fork
            form.append(step)
    return tuple(loc), tuple(loc) if fork is None else fork, tuple(form)


def _fault(source: Source, top: type[Model], loc: Loc, errors: list[ErrorDetails], mend: str) -> Fault:
    chosen = min(errors, key=lambda details: _RANK.get(details["type"], 1))
    kind, context, name = chosen["type"], chosen.get("ctx", {}), _name(loc) if loc else f"the {top.__name__.lower()}"
    if kind == "extra_forbidden":
        return Fault(
            code="PLAN012", what=f"unknown key {name}", where=source.where(loc, key=True), mend=_known_keys(top, loc)
        )
    where = source.where(loc)
    if kind == "missing":
        if isinstance(loc[-1], int):
            count = f"needs a further value: it has {loc[-1]}"
            return Fault(
                code="PLAN015", what=f"{shown(str(loc[-2]))} {count}", where=source.where(loc[:-1]), mend="add it"
            )
        model = _model_at(top, loc[:-1])
        field = model.model_fields.get(loc[-1]) if model else None
        about = f": {field.description}" if field and field.description else ""
        return Fault(code="PLAN013", what=f"the key {name} is missing", where=where, mend=f"add `{loc[-1]}`{about}")
    if kind in _EXPECTED:
        wanted = list(dict.fromkeys(_EXPECTED[details["type"]] for details in errors if details["type"] in _EXPECTED))
        got = chosen["input"]
        what = f"{name} must be {' or '.join(wanted)}. Got {_got(got)}"
        return Fault(code="PLAN014", what=what, where=where, mend=_retype(wanted, got))
    if kind == "literal_error":
        options = [part.strip(" '") for part in str(context["expected"]).replace(" or ", ", ").split(",")]
        got = shown(str(chosen["input"]))
        return Fault(
            code="PLAN015",
            what=f"{name} cannot be {got}",
            where=where,
            mend=did_you_mean(str(chosen["input"]), options),
        )
    if kind == "value_error":
        return Fault(code="PLAN016", what=f"{name}: {context['error']}", where=where, mend=_see(top, loc) or mend)
    if kind == "string_pattern_mismatch":
        return Fault(
            code="PLAN015",
            what=f"{name} cannot be {shown(str(chosen['input']))}",
            where=where,
            mend="use letters of ASCII (a to z, A to Z), digits and _ . : - only, starting with a letter or digit",
        )
    rule = _LIMITS[kind].format(**context) if kind in _LIMITS else chosen["msg"]
    return Fault(
        code="PLAN015", what=f"{name} {rule}. Got {_got(chosen['input'])}", where=where, mend=_see(top, loc) or mend
    )


def _name(loc: Loc) -> str:
    """What a message calls a value: its key, with its index in a list."""
    return shown(f"{loc[-2]}[{loc[-1]}]" if isinstance(loc[-1], int) and len(loc) > 1 else str(loc[-1]))


_RANK = {"extra_forbidden": 0, "missing": 0, **dict.fromkeys(_EXPECTED, 2)}


def _model_at(top: type[Model], loc: Loc) -> type[Model] | None:
    if not loc:
        return top
    for pattern, model in _MODELS.items():
        if len(pattern) == len(loc) and all(step in ("*", here) for step, here in zip(pattern, loc, strict=True)):
            return model
    return None


def _known_keys(top: type[Model], loc: Loc) -> str:
    model = _model_at(top, loc[:-1])
    if model is Evaluation and loc[-1] in Roles.model_fields:
        return f"write it under `roles`: roles: {{{loc[-1]}: ...}}"
    return did_you_mean(str(loc[-1]), model.model_fields) if model else "remove it"


def _got(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, (int, float)):
        return f"the number {value:g}" if isinstance(value, float) else f"the number {value}"
    return "a list" if isinstance(value, (list, tuple)) else "a mapping"


def _retype(wanted: list[str], got: Any) -> str:
    if got is None:
        return "give it a value, or remove the key"
    scalar = isinstance(got, (bool, int, float, str))
    if "text" in wanted and scalar:
        return f"put it in quotes: {shown(str(got).lower() if isinstance(got, bool) else str(got))}"
    if wanted == ["a list"] and scalar:
        return f"write a list: [{shown(got) if isinstance(got, str) else got}]"
    if isinstance(got, str) and wanted[0] in ("a number", "a whole number", "true or false"):
        return "write it without quotes and without units"
    return f"write {' or '.join(wanted)} here"


def _see(top: type[Model], loc: Loc) -> str:
    model = _model_at(top, loc[:-1]) if loc and isinstance(loc[-1], str) else None
    field = model.model_fields.get(str(loc[-1])) if model else None
    return field.description if field and field.description else ""
