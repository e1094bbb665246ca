"""From a plan file to a plan that can be relied upon, or to every fault in it at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from shipworthy.digest import digest
from shipworthy.errors import Fault, PlanError
from shipworthy.plan.checks import KnownMetric, Parts, Sited, check
from shipworthy.plan.faults import validated, validation_faults
from shipworthy.plan.models import Evaluation, Plan, Requirement
from shipworthy.plan.packs import Inherited, inherit
from shipworthy.plan.tree import Loc, Source, parse, read_text

Part = TypeVar("Part", Requirement, Evaluation)

_PLACE = re.compile(r"(.*?):(\d+):(\d+)(?:  |$)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")
_STATEMENT = re.compile(r"\s*\(*\s*(select\s|from\s+\S+\s|with\s.*\bas\s*\()", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class LoadedPlan:
    """A plan with its packs resolved, and where each part of it is written."""

    plan: Plan  # the plan's own requirements first, in its order, then those that packs add
    path: Path
    source: str  # the text of the file
    notes: tuple[str, ...]  # what a pack asks that fits no evaluation here
    file: Source
    sites: tuple[Sited, ...]  # where each of plan.requirements is written

    @cached_property
    def digest(self) -> str:
        """Of the plan as resolved: comments, order of keys and spelling do not change it."""
        return plan_digest(self.plan)

    def locate(self, loc: Loc) -> str:
        """`file:line:column  path` of a part of the plan; a requirement that a pack added stands in the pack."""
        if len(loc) > 1 and loc[0] == "requirements" and isinstance(loc[1], int) and loc[1] < len(self.sites):
            site = self.sites[loc[1]]
            return site.source.where((*site.loc, *loc[2:]))
        return self.file.where(loc)

    def resolve(self, text: str) -> str:
        """A path of the plan, which starts at the plan's folder, as one from here. URLs and SELECTs stay."""
        if _SCHEME.match(text) or _STATEMENT.match(text) or Path(text).is_absolute():
            return text
        return str(self.path.parent / text)


def load_plan(path: Path, *, known_metric: KnownMetric | None = None) -> LoadedPlan:
    """Read, check and complete a plan file.

    known_metric: says None of a metric's name that something provides, else how to mend it; left out, any name passes.
    Raises PlanError with every fault found, whatever the file holds.
    """
    file = str(path)
    source = parse(read_text(path, file), file)
    plain = source.root.plain()
    plan = validated(Plan, plain)
    faults = validation_faults(source, plan) if isinstance(plan, ValidationError) else []
    parts, extends = _salvage(source, path.parent, plain)
    inherited = inherit(source, extends, path.parent, None if faults else parts.evaluations, parts.requirements)
    sites = (*parts.requirements, *inherited.requirements)
    faults += [*check(replace(parts, requirements=sites), known_metric), *inherited.faults]
    if faults or isinstance(plan, ValidationError):
        raise PlanError(sorted(dict.fromkeys(faults), key=_position))
    return _loaded(plan, path, source, sites, inherited)


def _loaded(plan: Plan, path: Path, source: Source, sites: tuple[Sited, ...], inherited: Inherited) -> LoadedPlan:
    resolved = plan.model_copy(update={"requirements": tuple(site.requirement for site in sites)})
    return LoadedPlan(
        plan=resolved,
        path=path,
        source=source.text,
        notes=tuple(inherited.notes),
        file=source,
        sites=sites,
    )


def plan_digest(plan: Plan) -> str:
    """The digest of all that a plan says, defaults included."""
    return digest(plan.model_dump(mode="json"))


# Keys that no check of the rest depends on: a part that is wrong only there is checked without them.
_APART = {
    Requirement: {"text", "confidence", "severity", "controls", "expect", "power"},
    Evaluation: set(Evaluation.model_fields) - {"data", "variants", "metrics"},
}


def _salvage(source: Source, folder: Path, plain: dict[str, Any]) -> tuple[Parts, tuple[str, ...]]:
    """The parts that are valid by themselves, so that one bad key does not hide what is wrong elsewhere."""
    evaluations, extends = _mapping(plain, "evaluations"), _list(plain, "extends")
    requirements = [
        Sited(requirement=requirement, source=source, loc=("requirements", index))
        for index, value in enumerate(_list(plain, "requirements"))
        if (requirement := _readable(Requirement, value))
    ]
    readable = {name: _readable(Evaluation, value) for name, value in evaluations.items()}
    parts = Parts(
        source=source,
        folder=folder,
        declared=frozenset(evaluations),
        subjects=frozenset(_mapping(plain, "subjects")),
        variants=frozenset(name for value in evaluations.values() for name in _mapping(value, "variants")),
        evaluations={name: value for name, value in readable.items() if value},
        requirements=requirements,
        baseline=plain.get("baseline"),
    )
    return parts, tuple(extends) if all(isinstance(name, str) for name in extends) else ()


def _readable(model: type[Part], value: Any) -> Part | None:
    """A part, without its faulty keys where the rest means the same without them."""
    part = validated(model, value)
    if not isinstance(part, ValidationError):
        return part
    faulty = {str(error["loc"][0]) for error in part.errors(include_url=False) if error["loc"]}
    if not isinstance(value, dict) or any(key in model.model_fields and key not in _APART[model] for key in faulty):
        return None
    rest = validated(model, {key: each for key, each in value.items() if key not in faulty})
    return None if isinstance(rest, ValidationError) else rest


def _mapping(plain: Any, key: str) -> dict[str, Any]:
    value = plain.get(key) if isinstance(plain, dict) else None
    return value if isinstance(value, dict) else {}


def _list(plain: dict[str, Any], key: str) -> list[Any]:
    value = plain.get(key)
    return value if isinstance(value, list) else []


def _position(fault: Fault) -> tuple[str, int, int, str]:
    """Where a fault stands, for faults in the order of the file."""
    match = _PLACE.match(fault.where)
    return (match[1], int(match[2]), int(match[3]), fault.code) if match else (fault.where, 0, 0, fault.code)
