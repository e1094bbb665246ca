"""The lock of a plan: what was promised before the first case was asked, and what has changed since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from shipworthy.digest import digest
from shipworthy.errors import Fault, PlanError
from shipworthy.plan.faults import validated
from shipworthy.plan.loading import LoadedPlan
from shipworthy.plan.models import Model, Plan, Requirement
from shipworthy.plan.tree import Loc, path_text, shown

_ABSENT = object()


class LockedRequirement(Model):
    """One promise, as it stood: the part of the lock that people read."""

    id: str
    metric: str
    bound: dict[str, float | tuple[float, float]]
    confidence: float
    severity: str


class Lock(Model):
    """A plan as it was promised."""

    model_config = ConfigDict(serialize_by_alias=True)

    format: Literal["shipworthy/lock@1"] = Field(default="shipworthy/lock@1", alias="schema")
    plan_digest: str  # of `plan`
    locked_at: datetime  # with its time zone
    seed: int
    requirements: tuple[LockedRequirement, ...]
    inputs: dict[str, str] = Field(default_factory=dict)  # evaluation, or name of a material -> digest
    plan: dict[str, Any]  # the resolved plan, defaults included

    def is_whole(self) -> bool:
        """Whether the plan in the lock is the one whose digest the lock states."""
        try:
            return digest(self.plan) == self.plan_digest
        except ValueError:  # edited into something that is no JSON value
            return False

    def covers(
        self,
        loaded: LoadedPlan,
        *,
        inputs: Mapping[str, str] | None = None,
        materials: Mapping[str, str] | None = None,
    ) -> list[Fault]:
        """What has changed since the plan was locked, key by key; nothing when the lock still covers it.

        inputs: evaluation -> digest of its data, compared with those locked, if they were. materials: what else decides
        the result (suites, rubrics, labels, prompts, attacks) -> digest; all of them have to be locked. A key that the
        locked plan could not know, because a later release added it, is no change while it has its default.
        """
        if not self.is_whole():
            what = "the lock does not match its own digest: it was edited by hand"
            return [Fault(code="PLAN061", what=what, where=str(lock_path(loaded.path)), mend=_AGAIN)]
        faults = [_changed(loaded, *change) for change in _changes(self.plan, loaded.plan.model_dump(mode="json"), ())]
        for evaluation, found in (inputs or {}).items():
            if (locked := self.inputs.get(evaluation)) is not None and locked != found:
                what = f"the data of {shown(evaluation)} are not those that were locked: {found}, not {locked}"
                where = loaded.locate(("evaluations", evaluation, "data"))
                faults.append(Fault(code="PLAN063", what=what, where=where, mend=_AGAIN))
        for name, found in (materials or {}).items():
            locked = self.inputs.get(name)
            if locked != found:
                how = "is not in the lock" if locked is None else f"has changed: it was {locked}, and is {found}"
                faults.append(Fault(code="PLAN064", what=f"{name} {how}", where=str(loaded.path), mend=_AGAIN))
        return faults


_AGAIN = "restore what was locked, or lock again and say why: what was looked at before the lock counts as exploration"


def lock_path(plan: Path) -> Path:
    """Where the lock of a plan file lies: `plan.yaml` has `plan.lock.json` beside it."""
    return plan.with_name(f"{plan.stem}.lock.json")


def write_lock(loaded: LoadedPlan, *, now: datetime, inputs: Mapping[str, str] | None = None) -> Lock:
    """Lock a plan as it stands, in a file beside it. now: with a time zone. inputs: digests of its data and materials.

    Raises OSError, ValueError.
    """
    if now.tzinfo is None:
        raise ValueError("now must have a time zone")
    plan = loaded.plan
    lock = Lock(
        plan_digest=loaded.digest,
        locked_at=now,
        seed=plan.seed,
        requirements=tuple(map(_promise, plan.requirements)),
        inputs=dict(inputs or {}),
        plan=plan.model_dump(mode="json"),
    )
    text = json.dumps(lock.model_dump(mode="json"), indent=2, ensure_ascii=False)
    lock_path(loaded.path).write_text(text + "\n", encoding="utf-8")
    return lock


def _promise(requirement: Requirement) -> LockedRequirement:
    return LockedRequirement(
        id=requirement.id,
        metric=requirement.metric,
        bound=requirement.bound,
        confidence=requirement.confidence,
        severity=requirement.severity,
    )


def read_lock(path: Path) -> Lock | None:
    """The lock in a file; None where there is no file. Raises PlanError where the file is not a lock."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise PlanError(
            Fault(code="PLAN060", what=f"cannot read the lock: {error}", where=str(path), mend=_LOCK)
        ) from error
    lock = validated(Lock, value)
    if isinstance(lock, ValidationError):
        first = lock.errors(include_url=False)[0]
        what = f"this is no lock: {path_text(first['loc'])}: {first['msg']}"
        raise PlanError(Fault(code="PLAN060", what=what, where=str(path), mend=_LOCK))
    return lock


_LOCK = "restore the file from version control, or write a new one with `shipworthy lock PLAN`"


def _changes(locked: Any, now: Any, loc: Loc) -> Iterator[tuple[Loc, Any, Any]]:
    """Leaves that differ. Requirements are matched by id, so that moving one is no change."""
    if loc == ("requirements",):
        locked, now = _by_id(locked), _by_id(now)
    if isinstance(locked, dict) and isinstance(now, dict):
        for key in [*locked, *(key for key in now if key not in locked)]:
            yield from _changes(locked.get(key, _ABSENT), now.get(key, _ABSENT), (*loc, key))
    elif locked is _ABSENT and _is_default(now, loc):
        return
    elif locked is _ABSENT or now is _ABSENT or digest(locked) != digest(now):
        yield loc, locked, now


def _by_id(requirements: Any) -> Any:
    return {each["id"]: each for each in requirements} if isinstance(requirements, (list, tuple)) else requirements


def _is_default(value: Any, loc: Loc) -> bool:
    """A key of the models themselves, not a name that the plan declares, standing at its default."""
    model: Any = Plan
    for step in loc[:-1]:
        model = _inner(model, str(step))
    fields = getattr(model, "model_fields", {})
    if loc[-1] not in fields or fields[loc[-1]].is_required():
        return False
    default = fields[loc[-1]].get_default(call_default_factory=True)
    plain = default.model_dump(mode="json") if isinstance(default, Model) else default
    return digest(value) == digest(plain)


def _inner(model: Any, step: str) -> Any:
    """What stands under a key: a model, or for names that the plan declares, a mapping to one."""
    if isinstance(model, dict):
        return model["*"]
    fields = getattr(model, "model_fields", {})
    if step not in fields:
        return None
    found = [each for each in _arguments(fields[step].annotation) if isinstance(each, type) and issubclass(each, Model)]
    if not found:
        return None
    return {"*": found[0]} if fields[step].annotation is not found[0] else found[0]


def _arguments(annotation: Any) -> Iterator[Any]:
    yield annotation
    for each in getattr(annotation, "__args__", ()):
        yield from _arguments(each)


def _changed(loaded: LoadedPlan, loc: Loc, locked: Any, now: Any) -> Fault:
    name = path_text(loc)
    if locked is _ABSENT:
        what = f"{name} was added since the plan was locked"
    elif now is _ABSENT:
        what = f"{name} was removed since the plan was locked"
    else:
        was, is_now = _briefly(locked, now)
        what = f"{name} was {was} when the plan was locked, and is {is_now}"
    return Fault(code="PLAN062", what=what, where=loaded.locate(_sited(loaded, loc)), mend=_AGAIN)


def _sited(loaded: LoadedPlan, loc: Loc) -> Loc:
    """A requirement's id as its index in the plan, where it still has one."""
    if len(loc) < 2 or loc[0] != "requirements":
        return loc
    ids = [requirement.id for requirement in loaded.plan.requirements]
    return ("requirements", ids.index(str(loc[1])), *loc[2:]) if loc[1] in ids else ("requirements",)


def _briefly(*values: Any) -> Iterator[str]:
    """Values as JSON, cut to where they begin to differ."""
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    alike = next((i for i, pair in enumerate(zip(*texts, strict=False)) if len(set(pair)) > 1), min(map(len, texts)))
    start = max(alike - 20, 0) if max(map(len, texts)) > 60 else 0
    for text in texts:
        said = "..." * (start > 0) + text[start:]
        yield said if len(said) <= 60 else said[:57] + "..."
