"""What a plan must agree on with itself: names that exist, ids that differ, bounds that something could meet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from shipworthy.catalogues.catalogue import UnknownControl
from shipworthy.catalogues.finding import find, is_own
from shipworthy.errors import Fault
from shipworthy.plan.models import CustomMetric, Evaluation, Requirement
from shipworthy.plan.suggestions import did_you_mean
from shipworthy.plan.tree import Loc, Source, shown

KnownMetric: TypeAlias = Callable[[str], str | None]  # None: known; else how to mend it

OF_ANSWERS = frozenset({"cluster"})  # roles that a generative evaluation can name
EACH_PROTECTED = "each-protected"  # an axis that only a pack can name: it becomes each protected attribute
MOST_CONTROLS = 200  # of one requirement; unknown ones are compared with all that are known
_CONTROL = re.compile(r"[^\s@:]+@[^\s@:]+:\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sited:
    """A requirement, and where it is written: in the plan, or in a pack."""

    requirement: Requirement
    source: Source
    loc: Loc

    def fault(self, code: str, key: str, what: str, mend: str) -> Fault:
        """A fault at one key of the requirement."""
        text = f"requirement {shown(self.requirement.id)} {what}"
        return Fault(code=code, what=text, where=self.source.where((*self.loc, key)), mend=mend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a plan that are valid by themselves, beside the names of all that were declared."""

    source: Source
    folder: Path
    declared: frozenset[str]  # evaluations, the unreadable ones included
    subjects: frozenset[str]
    variants: frozenset[str]  # of all evaluations, the unreadable ones included
    evaluations: Mapping[str, Evaluation]
    requirements: Sequence[Sited]
    baseline: Any


def check(parts: Parts, known_metric: KnownMetric | None = None) -> Iterator[Fault]:
    """Every disagreement that can be told from the plan alone; whether columns exist is for the data to say."""
    for name, evaluation in parts.evaluations.items():
        yield from _evaluation(parts, name, evaluation, known_metric)
    yield from _baseline(parts)
    seen: dict[str, Sited] = {}
    for sited in parts.requirements:
        first = seen.setdefault(sited.requirement.id, sited)
        if first is not sited:
            place = first.source.where((*first.loc, "id")).rpartition("  ")[0]
            yield sited.fault("PLAN023", "id", f"has the id of another, at {place}", "give each requirement its own id")
        yield from _names(parts, sited, known_metric)
        yield from _comparison(parts, sited)
        yield from _attainable(sited)
        yield from _controls(sited)


def _evaluation(parts: Parts, name: str, evaluation: Evaluation, known_metric: KnownMetric | None) -> Iterator[Fault]:
    where: Loc = ("evaluations", name)
    if evaluation.subject is not None and evaluation.subject not in parts.subjects:
        what = f"evaluation {shown(name)} names the subject {shown(evaluation.subject)}, which is not declared"
        mend = did_you_mean(evaluation.subject, parts.subjects)
        yield Fault(code="PLAN022", what=what, where=parts.source.where((*where, "subject")), mend=mend)
    for index, metric in enumerate(evaluation.metrics):
        if isinstance(metric, str) and known_metric and (unknown := known_metric(metric)) is not None:
            what = f"nothing provides the metric {shown(metric)}"
            yield Fault(code="PLAN050", what=what, where=parts.source.where((*where, "metrics", index)), mend=unknown)
    yield from _slices(parts.source, (*where, "slices"), evaluation)
    if evaluation.is_generative:
        named: list[Loc] = [("roles", role) for role, value in evaluation.roles if value and role not in OF_ANSWERS]
        for variant, other in evaluation.variants.items():
            named += [("variants", variant, role) for role, value in other if value and role != "subject"]
        for loc in named:
            what = f"evaluation {shown(name)} names the role {loc[-1]}, which answers do not have"
            mend = "remove it; answers have a cluster, and their cases, scorers and suite say the rest"
            yield Fault(code="PLAN086", what=what, where=parts.source.where((*where, *loc)), mend=mend)
    for column, shares in evaluation.population.items():
        if sum(shares.values()) > 1.001:
            what = f"the shares of {shown(column)} add up to {sum(shares.values()):g}"
            at = parts.source.where((*where, "population", column))
            yield Fault(code="PLAN034", what=what, where=at, mend="shares of one population add up to 1")


def _slices(source: Source, where: Loc, evaluation: Evaluation) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, part in enumerate(evaluation.slices):
        named = dict(part) if isinstance(part, dict) else {}
        pieces = [part] if isinstance(part, str) else [*part] if isinstance(part, tuple) else [*named, *named.values()]
        if not pieces or any(isinstance(piece, str) and not piece.strip() for piece in pieces):
            mend = "name a column, a list of columns, or a name with a condition: {young: age < 25}"
            yield Fault(code="PLAN033", what="the slice is empty", where=source.where((*where, index)), mend=mend)
        for name in [part] if isinstance(part, str) else named:
            if name in seen:
                what = f"the slice {shown(name)} is declared twice; first as slices[{seen[name]}]"
                at = source.where((*where, index))
                yield Fault(code="PLAN032", what=what, where=at, mend="remove one, or give it another name")
            seen.setdefault(name, index)


def _baseline(parts: Parts) -> Iterator[Fault]:
    if not isinstance(parts.baseline, str) or parts.baseline in parts.variants:
        return
    if not _is_folder(parts.folder, parts.baseline):
        what = f"the baseline {shown(parts.baseline)} is neither a variant nor a folder that exists"
        mend = "give the folder of an earlier run, relative to the plan" + (
            f"; variants: {did_you_mean(parts.baseline, parts.variants)}"
            if parts.variants
            else ", or declare a variant"
        )
        yield Fault(code="PLAN028", what=what, where=parts.source.where(("baseline",)), mend=mend)


def _is_folder(folder: Path, text: str) -> bool:
    try:
        return bool(text.strip()) and (folder / text).is_dir()
    except (OSError, ValueError):  # too long for a path, or holding a null character
        return False


def _names(parts: Parts, sited: Sited, known_metric: KnownMetric | None) -> Iterator[Fault]:
    requirement = sited.requirement
    if requirement.evaluation is None and len(parts.declared) != 1:
        what = "names no evaluation, and the plan has " + ("several" if parts.declared else "none")
        mend = did_you_mean("", parts.declared).replace("known:", "add `evaluation:` with one of")
        mend = mend if parts.declared else "declare what is evaluated under `evaluations`"
        yield sited.fault("PLAN021", "evaluation", what, mend)
    elif requirement.evaluation is not None and requirement.evaluation not in parts.declared:
        what = f"names the evaluation {shown(requirement.evaluation)}, which the plan does not declare"
        yield sited.fault("PLAN020", "evaluation", what, did_you_mean(requirement.evaluation, parts.declared))
    evaluation = evaluation_of(requirement, parts.evaluations)
    if evaluation and requirement.variant is not None and requirement.variant not in evaluation.variants:
        what = f"names the variant {shown(requirement.variant)}, which its evaluation does not declare"
        yield sited.fault("PLAN029", "variant", what, did_you_mean(requirement.variant, evaluation.variants))
    if evaluation is None and (requirement.evaluation is None or requirement.evaluation in parts.declared):
        return  # it cannot be read, and may declare a metric of this name
    customs = [metric for metric in evaluation.metrics if isinstance(metric, CustomMetric)] if evaluation else []
    if known_metric and requirement.metric not in map(custom_name, customs):
        unknown = known_metric(requirement.metric)
        if unknown is not None:
            what = f"names the metric {shown(requirement.metric)}, which nothing provides"
            yield sited.fault("PLAN050", "metric", what, unknown)


def custom_name(metric: CustomMetric) -> str:
    """The name that requirements use for a metric of the user's own."""
    return metric.name or metric.python.rpartition(":")[2]


def evaluation_of(requirement: Requirement, evaluations: Mapping[str, Evaluation]) -> Evaluation | None:
    """The evaluation that a requirement is about, where that is clear."""
    if requirement.evaluation is None:
        return next(iter(evaluations.values())) if len(evaluations) == 1 else None
    return evaluations.get(requirement.evaluation)


def _comparison(parts: Parts, sited: Sited) -> Iterator[Fault]:
    requirement = sited.requirement
    across = requirement.across
    if across is not None and not (across if isinstance(across, tuple) else across.strip()):
        yield sited.fault("PLAN033", "across", "has an empty axis", "name a column or slice, or remove `across`")
    elif isinstance(across, tuple) and len(set(across)) < len(across):
        yield sited.fault("PLAN033", "across", "names a column twice", "name each column once")
    elif isinstance(across, tuple) and not all(map(str.strip, across)):
        yield sited.fault("PLAN033", "across", "has an empty column name", "name each column")
    if across == EACH_PROTECTED and EACH_PROTECTED not in _columns(parts, requirement):
        what = f"is across {EACH_PROTECTED}, which only a pack can ask for"
        yield sited.fault("PLAN036", "across", what, "name a column here, or put the requirement into a pack")
    if requirement.compare in ("difference", "ratio"):
        if across is None:
            what = f"compares by {requirement.compare}, but says not across what"
            yield sited.fault("PLAN035", "compare", what, "add `across:` with a column, or compare the value")
    elif requirement.reference is not None:
        what = f"has a reference, which a comparison by {requirement.compare} does not use"
        yield sited.fault("PLAN024", "reference", what, "compare by difference or ratio, or remove `reference`")
    if requirement.compare == "change":
        evaluation = evaluation_of(requirement, parts.evaluations)
        if parts.baseline is None and evaluation is not None and not evaluation.variants:
            what = "asks for a change, but the plan has no baseline"
            yield sited.fault("PLAN025", "compare", what, "add `baseline:` with a run folder, or declare variants")
        elif requirement.variant is not None and requirement.variant == parts.baseline:
            what = f"asks how {shown(requirement.variant)} changes against itself: it is the baseline"
            yield sited.fault("PLAN025", "variant", what, "name another variant, or leave it out for the main one")


def _columns(parts: Parts, requirement: Requirement) -> tuple[str, ...]:
    evaluation = evaluation_of(requirement, parts.evaluations)
    return tuple(part for part in evaluation.slices if isinstance(part, str)) if evaluation else ()


def _attainable(sited: Sited) -> Iterator[Fault]:
    """No data could show these bounds. Without a reference every pair of slices is compared in both orders."""
    requirement = sited.requirement
    low, high = requirement.low, requirement.high
    key = next(key for key in ("within", "at_least", "at_most") if getattr(requirement, key) is not None)
    if requirement.compare == "ratio" and high is not None and high <= 0:
        yield sited.fault("PLAN026", key, f"asks for a ratio of at most {high:g}", "a ratio of rates is positive")
        return
    even = {"ratio": 1, "difference": 0}.get(requirement.compare)
    if even is None or requirement.reference is not None:
        return
    if (low is not None and low >= even) or (high is not None and high <= even):
        what = f"cannot be met: each pair is compared both ways, and {_said(low, high)} leaves no room around {even}"
        mend = f"leave room on both sides of {even}, or name the `reference` slice"
        yield sited.fault("PLAN026", key, what, mend)


def _said(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"[{low:g}, {high:g}]"
    return f"at least {low:g}" if low is not None else f"at most {high:g}"


def _controls(sited: Sited) -> Iterator[Fault]:
    """Controls that cannot be read, and those that no catalogue has; frameworks of one's own are not looked up."""
    if (count := len(sited.requirement.controls)) > MOST_CONTROLS:
        what, mend = f"names {count:,} controls", f"name at most {MOST_CONTROLS}: those that its evidence speaks to"
        yield sited.fault("PLAN085", "controls", what, mend)
        return
    for index, control in enumerate(sited.requirement.controls):
        what = f"requirement {shown(sited.requirement.id)} names the control {shown(control)}"
        at = sited.source.where((*sited.loc, "controls", index))
        full = _CONTROL.fullmatch(control) is not None
        if full and is_own(control):
            continue
        try:
            known = find(control)
        except UnknownControl as error:
            fault = error.faults[0]
            if full:
                yield Fault(code="PLAN085", what=f"{what}: {fault.what}", where=at, mend=fault.mend)
            else:
                yield Fault(code="PLAN030", what=what, where=at, mend=fault.mend)
        else:
            if not full:
                yield Fault(code="PLAN030", what=what, where=at, mend=f"write which edition you mean: {known.ref}")
