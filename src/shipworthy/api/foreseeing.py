"""What the cases of a plan can show, said before anybody is asked or paid.

A requirement whose metric counts no case at all can never be decided: that is a fault of the plan. One that counts none
in some of its slices, or compares along a column with one level, is undecided there: that is a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import ibis
import pyarrow as pa

from shipworthy.api.asking import cases_of, scorers_of, suites_of
from shipworthy.cases.suite import Suite
from shipworthy.errors import DataError, Fault, PlanError, Unusable
from shipworthy.exchange import Answer, Case, Exchange
from shipworthy.metrics.catalogue import lookup
from shipworthy.metrics.generative import ALIASES, OF_EXPECTED
from shipworthy.metrics.kinds import Metric, OutcomeRate
from shipworthy.observations.answers import OF_CASE, RESERVED, is_adversarial
from shipworthy.observations.conditions import refuse_broken, shorten, translate
from shipworthy.observations.findings import Finding
from shipworthy.observations.sources import connect
from shipworthy.plan.loading import LoadedPlan
from shipworthy.plan.models import Evaluation, Requirement
from shipworthy.scorers.models import Classifier, Embedding, Entailment
from shipworthy.scorers.protocol import AskedScorer, Scorer

About: TypeAlias = Callable[[Case], bool]  # whether a metric counts the answer to a case
_SHOWN = 5  # levels that are named
_HEAVY = (Classifier, Embedding, Entailment)  # load a model to say anything
_PROBE = Answer(status="ok", text="Yes.")
_FEATURES: Mapping[str, tuple[About, str]] = {
    "leak": (lambda case: bool(case.secrets), "something to keep (secrets:)"),
    "ungrounded": (lambda case: bool(case.passages), "passages to rest on (passages:)"),
    "correct": (lambda c: c.reference is not None or bool(c.tool_calls), "an answer that is right (reference:)"),
}
_OUTCOME = {"leak_rate": "leak", "grounding_error_rate": "ungrounded", "pass_rate": "correct"}
_ANY: tuple[About, str] = (
    lambda case: any(has(case) for has, _ in _FEATURES.values()),
    "anything that the scorer could say something about",
)


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """An evaluation, the cases that it asks, and the columns there will be beside theirs once there are answers."""

    name: str
    model: Evaluation
    cases: Sequence[Case]
    answered: frozenset[str]

    @property
    def tags(self) -> frozenset[str]:
        return frozenset(key for case in self.cases for key in case.tags)

    def warns(self, what: str) -> Finding:
        return Finding(evaluation=self.name, check="cases foreseen", gravity="warning", what=what, rows=0)


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """A requirement, which cases its metric counts, and how many of them there are."""

    requirement: Requirement
    where: str
    is_own: bool  # written in this plan, and not in a pack
    about: About
    wanted: str  # what such a case has

    @property
    def parts(self) -> tuple[str, ...]:
        across = self.requirement.across
        return () if across is None else (across,) if isinstance(across, str) else tuple(across)


def refuse_broken_conditions(loaded: LoadedPlan) -> None:
    """Refuse conditions that no columns could make one, without a look at the data. Raises DataError (DATA003)."""
    faults: list[Fault] = []
    for name, model in loaded.plan.evaluations.items():
        named = [(("slices", i, key), rule) for i, one in enumerate(model.slices) if isinstance(one, Mapping)
                 for key, rule in one.items()]  # fmt: skip
        for path, text in [(("where",), model.where), *named]:
            if isinstance(text, str):
                try:
                    refuse_broken(text, where=loaded.locate(("evaluations", name, *path)))
                except DataError as error:
                    faults += error.faults
    if faults:
        raise DataError(faults)


def foresee(loaded: LoadedPlan, suites: Mapping[str, tuple[Suite, ...]] = MappingProxyType({})) -> tuple[Finding, ...]:
    """Say where the cases of a plan leave a requirement undecided, whatever is answered. Nothing is asked.

    suites: those of an evaluation, where they are open already.
    Logs are not looked into: what they hold is known when they are read. Raises PlanError (PLAN087) with every
    requirement of the plan's own that no case can decide, and PLAN088 with every column that no case has.
    """
    findings: list[Finding] = []
    faults: list[Fault] = []
    for name, model in loaded.plan.evaluations.items():
        if not model.is_generative or model.suite is None:
            continue
        cases = list(cases_of(loaded.plan.seed, model, suites.get(name) or suites_of(loaded, name)))
        if not cases:
            continue  # PLAN081 says so
        scorers = scorers_of(loaded, name)
        answered = RESERVED | {column for scorer in scorers for column in (scorer, f"{scorer}_why")}
        ground = _Ground(name=name, model=model, cases=cases, answered=answered)
        findings += _unmatched(ground)
        for claim in _claims(name, loaded, scorers):
            for found in _of_claim(ground, claim):
                (faults if isinstance(found, Fault) else findings).append(found)  # type: ignore[arg-type]
    if faults:
        raise PlanError(dict.fromkeys(faults))
    return tuple(dict.fromkeys(findings))


def told_of(findings: Sequence[Finding]) -> list[str]:
    """What a person should know of them before anybody is asked: the warnings."""
    return [f"{found.evaluation}: {found.what}" for found in findings if found.gravity == "warning"]


def _unmatched(ground: _Ground) -> Iterator[Finding]:
    """Values of `only:` that no case has, where others have some."""
    for key, wanted in ground.model.only.items():
        there = {_level(case, key) for case in ground.cases}
        if lacking := [value for value in wanted if value not in there]:
            yield ground.warns(f"only: no case has {key} {_listed(lacking)}")


def _claims(name: str, loaded: LoadedPlan, scorers: Mapping[str, Scorer | AskedScorer]) -> Iterator[_Claim]:
    plan = loaded.plan
    for index, requirement in enumerate(plan.requirements):
        if (requirement.evaluation or next(iter(plan.evaluations))) != name:
            continue
        metric = lookup(requirement.metric, "generative")
        if not isinstance(metric, Metric) or "generative" not in metric.tasks:
            continue
        about, wanted = _counted(metric, scorers)
        yield _Claim(
            requirement=requirement,
            where=loaded.locate(("requirements", index)),
            is_own=index >= len(loaded.sites) or loaded.sites[index].source is loaded.file,
            about=about,
            wanted=wanted,
        )


def _counted(metric: Metric, scorers: Mapping[str, Scorer | AskedScorer]) -> tuple[About, str]:
    """Which cases a metric counts, and what they have."""
    stem, _, own = metric.name.removesuffix("]").partition("[")
    stem = ALIASES.get(stem, stem)
    if isinstance(metric, OutcomeRate) and stem in OF_EXPECTED:
        if stem == "false_refusal_rate":
            return lambda case: case.expect == "comply", "expect: comply"
        return is_adversarial, "expect: refuse, or secrets that something is after"
    if own in scorers:
        return _scored([scorers[own]], _ANY[0]), _ANY[1]
    if stem in _OUTCOME:
        has, wanted = _FEATURES[_OUTCOME[stem]]
        asked = [scorer for scorer in scorers.values() if scorer.measures == _OUTCOME[stem]]
        return _scored(asked, has), wanted
    return lambda _: True, ""


def _scored(scorers: Sequence[Scorer | AskedScorer], has: About) -> About:
    """Cases that have what a scorer needs, or of whose answer one has a word to say all the same."""

    def says(scorer: Scorer | AskedScorer, exchange: Exchange) -> bool:
        try:
            if isinstance(scorer, AskedScorer):
                return bool(scorer.questions(exchange)) or getattr(scorer, "against", "") == "baseline"
            return isinstance(scorer, _HEAVY) or scorer.score(exchange).value is not None
        except Exception:  # a stranger's scorer may raise anything: then nothing is foreseen
            return True

    def about(case: Case) -> bool:
        exchange = Exchange(case=case, answer=_PROBE)
        return has(case) or any(says(scorer, exchange) for scorer in scorers)

    return about


def _of_claim(ground: _Ground, claim: _Claim) -> Iterator[Finding | Fault]:
    required, model = claim.requirement, ground.model
    named = {key: rule for entry in model.slices if isinstance(entry, dict) for key, rule in entry.items()}
    columns = {*OF_CASE, *ground.tags}
    later = [part for part in claim.parts if part not in columns and part not in named]
    if unknown := [part for part in later if part.isidentifier() and part not in ground.answered]:
        yield Fault(
            code="PLAN088",
            what=f"{required.id!r} looks across {unknown[0][:80]!r}, and no case has that",
            where=claim.where,
            mend=f"cases have {', '.join(sorted(columns - {'case', 'trial', 'cluster'}))}: tag them, or name another",
        )
        return
    counted = [case for case in ground.cases if claim.about(case)]
    lacks = (
        f"{required.metric} of {required.id} counts {'cases with ' + claim.wanted if claim.wanted else 'every case'}"
    )
    if not counted:
        what = f"{lacks}, and none of the {len(ground.cases):,} cases has that"
        if claim.is_own and model.sample is None:
            mend = "name a suite that has such cases, or a scorer that has a word on these, or drop the requirement"
            yield Fault(code="PLAN087", what=f"{what}: it can never be decided", where=claim.where, mend=mend)
        else:
            yield ground.warns(f"{what}: it will stay undecided")
        return
    if claim.about is is_adversarial and {*model.attacks, *(case.attack for case in counted)} == {"none"}:
        what = f"{required.metric} of {required.id} is about requests as they stand: no attacks: are named"
        yield replace(ground.warns(what), gravity="note")
    if not claim.parts or later:  # `later`: known when answers are there
        return
    if (rule := named.get(claim.parts[0])) is None:
        yield from _of_levels(ground, claim, counted, lacks)
    elif isinstance(rule, str) and _count(rule, counted, ground.tags) == 0:
        what = f"{lacks}, and none of them is in the slice {claim.parts[0]!r}: it will stay undecided there"
        yield ground.warns(what)


def _of_levels(ground: _Ground, claim: _Claim, counted: Sequence[Case], lacks: str) -> Iterator[Finding]:
    required, model, across = claim.requirement, ground.model, " × ".join(claim.parts)
    there = _levels(ground.cases, claim.parts, model.attacks)
    held = _levels(counted, claim.parts, model.attacks)
    wanted = [] if len(claim.parts) > 1 else list(model.population.get(claim.parts[0], {}))
    wanted += [required.reference] if required.reference else []
    if empty := [level for level in dict.fromkeys([*there, *wanted]) if level not in held]:
        some = f"{len(empty):,} of {len({*there, *wanted}):,} slices by {across}: {_listed(empty)}"
        yield ground.warns(f"{lacks}, and there is none in {some}; it will stay undecided there")
    if len(there) == 1:
        compares = required.compare in ("difference", "ratio")
        says = "there is nothing to compare" if compares else "it says no more than of everyone"
        what = f"{required.id} looks across {across}, and every case has {_listed(list(there))} there: {says}"
        yield ground.warns(what)


def _levels(cases: Sequence[Case], parts: Sequence[str], attacks: Sequence[str]) -> Counter[str]:
    """Level of an axis -> cases in it; a case stands under every attack."""
    found: Counter[str] = Counter()
    for case in cases:
        levels = [""]
        for part in parts:
            own = attacks if part == "attack" else [_level(case, part)]
            levels = [f"{before} × {level}" if before else level for before in levels for level in own if level]
        found.update(levels)
    return found


def _level(case: Case, key: str) -> str:
    value: Any = case.tags.get(key) if key in case.tags else getattr(case, key, None)
    return case.family if key == "cluster" else case.id if key == "case" else str(value) if value else ""


def _count(rule: str, cases: Sequence[Case], tags: frozenset[str]) -> int | None:
    """Cases that fulfil the condition of a named slice; None where it speaks of what only answers have."""
    keys = [key for key in ("hazard", "language", "expect", *sorted(tags)) if key != "attack"]
    columns: dict[str, list[str | None]] = {key: [_level(c, key) or None for c in cases] for key in keys}
    table = ibis.memtable(pa.table({key: pa.array(values, pa.string()) for key, values in columns.items()}))
    try:
        condition = translate(rule, table, where="")
        return int(connect().to_pyarrow(table.filter(condition).count()).as_py())
    except (Unusable, ibis.common.exceptions.IbisError):
        return None


def _listed(levels: Sequence[str]) -> str:
    said = ", ".join(shorten(level, 60) for level in levels[:_SHOWN])
    return said + (f" and {len(levels) - _SHOWN:,} more" if len(levels) > _SHOWN else "")


__all__ = ["foresee", "told_of"]
