"""Policy packs: requirements that many plans share. A plan may tighten what a pack asks, never loosen it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field, ValidationError, field_validator

from shipworthy.errors import Fault, PlanError
from shipworthy.plan.checks import EACH_PROTECTED, Sited
from shipworthy.plan.faults import validated, validation_faults
from shipworthy.plan.models import Bins, Evaluation, Model, Requirement, Severity, Task
from shipworthy.plan.suggestions import did_you_mean
from shipworthy.plan.tree import Loc, Source, parse, read_text, shown

OURS = "shipworthy/"

Need: TypeAlias = Literal["label", "prediction", "score", "at", "cluster", "weight"]
_SEVERITIES: tuple[Severity, ...] = ("minor", "major", "blocker")
_SAME = ("metric", "compare", "reference", "across")


class Defaults(Model):
    """What the pack's requirements say when they leave it out."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Confidence of the verdicts.")
    severity: Severity = Field(default="blocker", description="A blocker or major stops a release; a minor does not.")
    power: float = Field(default=0.8, gt=0, lt=1, description="Wanted chance that a true promise comes out met.")


class PackRequirement(Requirement):
    """A requirement for plans not yet written: asked of each evaluation that it fits."""

    needs: tuple[Need, ...] = Field(default=(), description="Roles without which it does not fit an evaluation.")
    task: Task | None = Field(default=None, description="Fits evaluations of this task, or of none stated.")
    scorers: tuple[str, ...] = Field(
        default=(), description="Fits answers judged by one of these, or by what their suite names."
    )


class Pack(Model):
    """A file of requirements to be shared."""

    about: str = Field(default="", description="What the pack stands for, in a sentence.")
    extends: tuple[str, ...] = Field(default=(), description="Packs that it builds on.")
    defaults: Defaults = Field(default_factory=Defaults, description="What its requirements say by default.")
    requirements: tuple[PackRequirement, ...] = Field(description="What is asked.")

    @field_validator("requirements")
    @classmethod
    def _asks_something(cls, requirements: tuple[PackRequirement, ...]) -> tuple[PackRequirement, ...]:
        if not requirements:
            raise ValueError("a pack asks for something")
        return requirements


@dataclass(kw_only=True)
class Inherited:
    """What the packs add to a plan."""

    requirements: list[Sited] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what a pack asks that fits no evaluation
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A requirement of a pack, before it is fitted to evaluations."""

    requirement: PackRequirement
    pack: str
    source: Source
    loc: Loc


def inherit(
    source: Source,
    extends: Sequence[str],
    folder: Path,
    evaluations: Mapping[str, Evaluation] | None,
    own: Sequence[Sited],
) -> Inherited:
    """The requirements that packs add to a plan, fitted to its evaluations, with every fault found on the way.

    evaluations: None when the plan has faults, and packs are only read. own: the plan's requirements; one with the id
    of a pack's replaces it, and must ask at least as much.
    """
    result = Inherited()
    asked: list[_Asked] = []
    read: set[str] = set()
    for index, name in enumerate(extends):
        at = source.where(("extends", index))
        try:
            asked += _collect(name, folder, at, chain=(), read=read)
        except PlanError as error:
            result.faults += error.faults
    if evaluations is None or result.faults:
        return result
    by_id = {sited.requirement.id: sited for sited in own}
    fitted: dict[str, tuple[Sited, str]] = {}
    useful: dict[str, bool] = {}
    for ask in asked:
        pieces = list(_fitted(ask, evaluations))
        useful[ask.pack] = useful.get(ask.pack, False) or bool(pieces)
        if not pieces:
            result.notes.append(f"{ask.requirement.id} of {ask.pack} fits no evaluation: {_wants(ask)}")
            if any(_fits(ask.requirement, name, evaluation) for name, evaluation in evaluations.items()):
                result.faults.append(_unfitted(source, extends, ask))
        elif ask.requirement.across == EACH_PROTECTED:
            bare = [name for name in evaluations if name not in {piece.evaluation for piece in pieces}]
            result.notes += [f"{ask.requirement.id} of {ask.pack} asks nothing of {shown(name)}" for name in bare]
        if ask.requirement.across == EACH_PROTECTED and (own_one := by_id.get(ask.requirement.id)):
            names = ", ".join(shown(piece.id) for piece in pieces) or "none here"
            what = f"has the id of a template of the pack {ask.pack}"
            result.faults.append(own_one.fault("PLAN042", "id", what, f"tighten what it becomes: {names}"))
        for piece in pieces:
            _merge(piece, ask, evaluations=evaluations, own=by_id, fitted=fitted, faults=result.faults)
    for ask in asked:
        if not useful[ask.pack]:
            result.faults.append(_unfitted(source, extends, ask))
            useful[ask.pack] = True  # say it once
    result.faults = list(dict.fromkeys(result.faults))
    result.requirements = [sited for key, (sited, _) in fitted.items() if key not in by_id]
    return result


def _merge(
    piece: Requirement,
    ask: _Asked,
    *,
    evaluations: Mapping[str, Evaluation],
    own: Mapping[str, Sited],
    fitted: dict[str, tuple[Sited, str]],
    faults: list[Fault],
) -> None:
    """Add one fitted requirement; whatever already has its id, in the plan or an earlier pack, must ask as much."""
    if piece.id in own and (why := looser(own[piece.id].requirement, piece, evaluations)):
        key, how = why
        what = f"asks for less than {shown(ask.requirement.id)} of the pack {ask.pack}: {how}"
        faults.append(own[piece.id].fault("PLAN042", key, what, "ask for as much or more, or give it an id of its own"))
    sited = Sited(requirement=piece, source=ask.source, loc=ask.loc)
    if piece.id not in fitted:
        fitted[piece.id] = (sited, ask.pack)
        return
    earlier, pack = fitted[piece.id]
    why = looser(piece, earlier.requirement, evaluations)
    if why is None:
        fitted[piece.id] = (sited, ask.pack)
    elif looser(earlier.requirement, piece, evaluations):
        what = f"of the pack {ask.pack} asks for more than the one of {pack}, and also for less: {why[1]}"
        faults.append(sited.fault("PLAN042", why[0], what, "give one of the two another id"))


def looser(mine: Requirement, theirs: Requirement, evaluations: Mapping[str, Evaluation]) -> tuple[str, str] | None:
    """The first key, with the reason, on which a requirement asks for less than another; None when on none."""
    for key in _SAME:
        if getattr(mine, key) != getattr(theirs, key):
            return key, f"its {key} is {_said(getattr(mine, key))}, not {_said(getattr(theirs, key))}"
    only = next(iter(evaluations)) if len(evaluations) == 1 else None
    if (mine.evaluation or only) != (theirs.evaluation or only):
        return "evaluation", "it is about another evaluation"
    if mine.variant != theirs.variant:
        return "variant", "it is about another variant"
    stated = next(key for key in ("within", "at_least", "at_most") if getattr(mine, key) is not None)
    if theirs.low is not None and (mine.low is None or mine.low < theirs.low):
        return stated, f"the pack asks for at least {theirs.low:g}"
    if theirs.high is not None and (mine.high is None or mine.high > theirs.high):
        return stated, f"the pack asks for at most {theirs.high:g}"
    if mine.confidence < theirs.confidence:
        return "confidence", f"the pack asks for a confidence of {theirs.confidence:g}"
    if _SEVERITIES.index(mine.severity) < _SEVERITIES.index(theirs.severity):
        return "severity", f"the pack makes it a {theirs.severity}"
    return None


def _said(value: Any) -> str:
    return "left out" if value is None else shown(value) if isinstance(value, str) else str(list(value))


def _collect(name: str, folder: Path, at: str, *, chain: tuple[str, ...], read: set[str]) -> list[_Asked]:
    """All that a pack asks, those that it extends first. at: where it was named; read: packs that were asked before."""
    text, file, key, inner = _open(name, folder, at)
    if key in chain:
        ring = " → ".join(shown(Path(step).name) for step in (*chain[chain.index(key) :], key))
        mend = "remove one of the `extends` on the way"
        raise PlanError(Fault(code="PLAN041", what=f"packs extend each other in a ring: {ring}", where=at, mend=mend))
    if key in read:
        return []
    read.add(key)
    source = parse(text, file)
    plain = source.root.plain()
    plain = plain if not isinstance(plain.get("requirements"), list) else {**plain, "requirements": _defaulted(plain)}
    pack = validated(Pack, plain)
    if isinstance(pack, ValidationError):
        raise PlanError(validation_faults(source, pack, Pack))
    asked: list[_Asked] = []
    for index, below in enumerate(pack.extends):
        asked += _collect(below, inner, source.where(("extends", index)), chain=(*chain, key), read=read)
    for index, requirement in enumerate(pack.requirements):
        asked.append(_Asked(requirement=requirement, pack=name, source=source, loc=("requirements", index)))
    return asked


def _defaulted(plain: dict[str, Any]) -> list[Any]:
    defaults = plain.get("defaults")
    if not isinstance(defaults, dict):
        return list(plain["requirements"])
    known = {key: value for key, value in defaults.items() if key in Defaults.model_fields}
    if isinstance(validated(Defaults, known), ValidationError):
        return list(plain["requirements"])  # the fault is said once, at the defaults
    return [{**known, **each} if isinstance(each, dict) else each for each in plain["requirements"]]


def our_packs() -> tuple[str, ...]:
    """The names of the packs that come with Shipworthy."""
    folder = resources.files("shipworthy.plan") / "packs"
    return tuple(sorted(f"{OURS}{file.name.removesuffix('.yaml')}" for file in folder.iterdir() if _is_yaml(file.name)))


def _is_yaml(name: str) -> bool:
    return name.endswith(".yaml")


def _open(name: str, folder: Path, at: str) -> tuple[str, str, str, Path]:
    """Text, file name for faults, identity, and the folder that the pack's own paths start from."""
    if name.startswith(OURS):
        if name not in our_packs():
            mend = did_you_mean(name, our_packs())
            raise PlanError(Fault(code="PLAN040", what=f"there is no pack {shown(name)}", where=at, mend=mend))
        file = f"{name.removeprefix(OURS)}.yaml"
        content = (resources.files("shipworthy.plan") / "packs" / file).read_text(encoding="utf-8")
        return content, name, name, folder
    path = folder / name
    try:
        identity = str(path.resolve())
        return read_text(path, str(path)), str(path), identity, path.parent
    except (PlanError, OSError, ValueError) as error:
        if isinstance(error, PlanError) and error.faults[0].code != "PLAN001":
            raise
        mend = f"give a path relative to this file, or one of ours: {', '.join(our_packs())}"
        what = f"cannot read the pack {shown(name)}"
        raise PlanError(Fault(code="PLAN040", what=what, where=at, mend=mend)) from error


def _fitted(ask: _Asked, evaluations: Mapping[str, Evaluation]) -> Iterator[Requirement]:
    """The requirement, for each evaluation that it fits, and for each protected attribute where it asks for that."""
    base = ask.requirement
    fits = [name for name, evaluation in evaluations.items() if _fits(base, name, evaluation)]
    for name in fits:
        axes = protected_axes(evaluations[name]) if base.across == EACH_PROTECTED else (None,)
        for axis in axes:
            suffix = ([id_part(name)] if len(fits) > 1 else []) + ([id_part(axis)] if axis is not None else [])
            fields = {key: getattr(base, key) for key in Requirement.model_fields}
            fields |= {"id": _joined(base.id, suffix), "evaluation": base.evaluation or name}
            yield Requirement(**(fields if axis is None else fields | {"across": axis}))


def _fits(asked: PackRequirement, name: str, evaluation: Evaluation) -> bool:
    """Roles are about rows of data and scorers about answers: a requirement that names either fits no other kind."""
    if asked.evaluation not in (None, name):
        return False
    if evaluation.is_generative:
        stated = {scorer if isinstance(scorer, str) else next(iter(scorer), "") for scorer in evaluation.scorers}
        judged = not asked.scorers or not stated or bool(stated & set(asked.scorers))
        return judged and not asked.needs and asked.task in (None, "generative")
    if asked.scorers or (asked.task and evaluation.task not in (None, asked.task)) or asked.task == "generative":
        return False
    given = {need for need in asked.needs if getattr(evaluation.roles, need) is not None}
    if evaluation.subject is not None:
        given |= {"prediction", "score"}
    return given >= set(asked.needs)


def protected_axes(evaluation: Evaluation) -> tuple[str, ...]:
    """The axes of the protected attributes: those declared, else the columns and bins that are sliced.

    A declared attribute that is cut into bins stands for the bins. Intersections and conditions are no attributes.
    """
    bins = {
        inner.column: name
        for part in evaluation.slices
        if isinstance(part, dict)
        for name, inner in part.items()
        if isinstance(inner, Bins)
    }
    if evaluation.protected:
        return tuple(dict.fromkeys(bins.get(column, column) for column in evaluation.protected))
    columns = [part for part in evaluation.slices if isinstance(part, str)]
    return tuple(dict.fromkeys([*columns, *bins.values()]))


def id_part(name: str) -> str:
    """A name as part of a requirement's id: itself where it fits, else its legible letters and a short digest."""
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", name):
        return name
    legible = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-")[:24]
    mark = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{legible}-{mark}" if legible else mark


def _joined(base: str, suffix: list[str]) -> str:
    whole = ":".join([base, *suffix])
    return whole if len(whole) <= 80 else f"{whole[:73]}-{hashlib.sha256(whole.encode()).hexdigest()[:6]}"


def _wants(ask: _Asked) -> str:
    wants = [f"the role {need}" for need in ask.requirement.needs]
    wants += [f"task {ask.requirement.task}"] if ask.requirement.task else []
    wants += [f"answers judged by {' or '.join(ask.requirement.scorers)}"] if ask.requirement.scorers else []
    wants += [f"the evaluation {shown(ask.requirement.evaluation)}"] if ask.requirement.evaluation else []
    wants += ["a protected attribute or sliced column"] if ask.requirement.across == EACH_PROTECTED else []
    return f"it needs {', '.join(wants)}"


def _unfitted(source: Source, extends: Sequence[str], ask: _Asked) -> Fault:
    index = extends.index(ask.pack) if ask.pack in extends else 0
    what = f"the pack {shown(ask.pack)} asks for {shown(ask.requirement.id)}, which fits no evaluation: {_wants(ask)}"
    mend = "give the roles and slices that it needs, or extend another pack"
    return Fault(code="PLAN044", what=what, where=source.where(("extends", index)), mend=mend)
