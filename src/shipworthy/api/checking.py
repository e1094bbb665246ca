"""The main job: a plan in, a decision out, with everything it rests on."""

from __future__ import annotations

import contextlib
import functools
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from shipworthy.api.asking import Asked, ask, broken_off_at, refuse_unaskable, suites_of
from shipworthy.api.evaluating import Evaluated, evaluate_rows, metrics_of
from shipworthy.api.foreseeing import foresee, told_of
from shipworthy.api.judging import judge_cards
from shipworthy.api.materials import materials
from shipworthy.api.measuring import measure_all
from shipworthy.api.recording import keep_run, known_waivers
from shipworthy.digest import digest
from shipworthy.errors import DataError, Fault, SubjectError, Unusable
from shipworthy.estimate.arms import Arms
from shipworthy.estimate.estimates import Estimate, SliceKey
from shipworthy.estimate.spread import between_slices
from shipworthy.evidence.placing import recover, undisturbed
from shipworthy.evidence.run import Run
from shipworthy.evidence.store import open_baseline, refuse_target, write_run
from shipworthy.gates.rules import ends_folded, judge
from shipworthy.gates.verdicts import Outcome, Verdict, decide
from shipworthy.gates.waivers import Waiver, waive
from shipworthy.metrics.catalogue import UnknownMetric, lookup
from shipworthy.metrics.kinds import Metric
from shipworthy.observations.findings import Finding
from shipworthy.observations.passes import rare_levels
from shipworthy.observations.tally import FOLDED
from shipworthy.observations.transcripts import worst
from shipworthy.plan.loading import LoadedPlan, load_plan
from shipworthy.plan.lock import lock_path, read_lock
from shipworthy.plan.models import Evaluation, Plan, Requirement

Progress = Callable[[str], None]
DISPLAY_LEVEL = 0.95
MOST_PAIRED = 2_000  # slices; four million ordered pairs


def load(path: Path | str) -> LoadedPlan:
    """Load a plan, with the metrics, suites, attacks and scorers there are. Raises PlanError with every fault."""
    loaded = load_plan(Path(path), known_metric=functools.cache(_mend_metric))
    refuse_unaskable(loaded)
    return loaded


def check(
    plan: Path | str,
    *,
    out: Path | str | None = None,
    seed: int | None = None,
    now: datetime | None = None,
    progress: Progress = lambda step: None,
    write: bool = True,
    fresh: bool = False,
    record: Path | str | None = None,
    actor: str | None = None,
    tell: Progress = lambda words: None,
) -> Run:
    """Evaluate what a plan names, judge what it requires, decide, and write the run's folder.

    out: the run's folder; default `.shipworthy/runs/<run>/` beside the plan. seed: overrides the plan's.
    fresh: ask everything again, instead of going on from a check of the same plan that was broken off.
    record: the file or URL of the record, whose waivers count and which the run goes into; None: neither.
    actor: who checks, as "Ada <ada@example.org>"; default `SHIPWORTHY_ACTOR`, else this tool.
    tell: is told what a person should know at once, also without a terminal: that an older run was put back which a
    killed process had moved, what its cases cannot decide, and that this check goes on from one that was broken off.
    Raises Unusable (PlanError, DataError, SubjectError, MissingExtra): nothing is written then.
    """
    loaded = load(plan)
    if seed is not None:  # a run says which seed it used
        seeded = loaded.plan.model_copy(update={"seed": seed})
        loaded = replace(loaded, plan=seeded)
    started = now or datetime.now(UTC)
    notes = _put_back(run_parent(loaded.path, out)) if write else []
    if write and out is not None:
        refuse_target(Path(out))
    rests_on = materials(loaded)
    waivers = known_waivers(record, loaded.plan.system.name, actor=actor) if record is not None else []
    unfinished = unfinished_folder(loaded)
    if fresh:
        shutil.rmtree(unfinished, ignore_errors=True)
    broken_off = broken_off_at(unfinished)
    suites = {name: suites_of(loaded, name) for name, model in loaded.plan.evaluations.items() if model.is_generative}
    foreseen = foresee(loaded, suites)
    for said in (*notes, *told_of(foreseen), *([broken_off.said] if broken_off else [])):
        tell(said)
    evaluated = []
    resumed = 0
    journals: dict[str, tuple[Path, ...]] = {}
    seeds = np.random.SeedSequence(loaded.plan.seed).spawn(len(loaded.plan.evaluations) + 1)
    for (name, model), own in zip(loaded.plan.evaluations.items(), seeds, strict=False):
        progress(f"evaluating {name}")
        with _located(loaded):
            mine = suites.get(name)
            asked = ask(name, loaded, folder=unfinished, say=progress, suites=mine) if mine is not None else None
            journals[name] = asked.journals if asked is not None else ()
            resumed += asked.resumed if asked is not None else 0
            evaluated.append(_evaluate(loaded, name, model, asked, np.random.default_rng(own)))
    progress("judging")
    baselines = _baselines(loaded, evaluated, np.random.default_rng(seeds[-1]))
    run = _run(
        loaded,
        evaluated,
        baselines,
        started,
        rng=np.random.default_rng(seeds[-1]),
        waivers=waivers,
        rests_on=rests_on.digests,
    )
    first = next(iter(loaded.plan.evaluations), "")
    history = [Finding(evaluation=first, check="recovery", gravity="warning", what=note) for note in notes]
    if broken_off is not None and resumed:
        history.append(broken_off.finding(first, resumed, now=started))
    run = replace(run, findings=(*history, *foreseen, *run.findings))
    if write:
        progress("writing the evidence")
        write_run(
            run,
            run_folder(run, loaded.path, out),
            loaded=loaded,
            tables={one.name: one.observations for one in evaluated},
            journals=[journal for mine in journals.values() for journal in mine],
            texts=rests_on.rubrics,
        )
        with undisturbed():
            shutil.rmtree(unfinished, ignore_errors=True)
        if record is not None:
            progress("recording the run")
            with _whole_in(run_folder(run, loaded.path, out)):
                keep_run(record, run_folder(run, loaded.path, out), loaded.plan, actor=actor, now=started)
    return run


@contextlib.contextmanager
def _whole_in(folder: Path) -> Iterator[None]:
    """Say of a record that fails that the run itself is there, and how to record it."""
    try:
        yield
    except Unusable as error:
        then = f"`shipworthy record add {shlex.quote(str(folder))}`"
        there = f"the run itself is whole in {folder}, and {then} records it then"
        raise type(error)(replace(one, mend=f"{one.mend}; {there}") for one in error.faults) from error


@contextlib.contextmanager
def _located(loaded: LoadedPlan) -> Iterator[None]:
    """Say of a subject's fault where the plan declares the subject: a subject itself knows only its name."""
    try:
        yield
    except SubjectError as error:
        places = {f"subjects.{name}": loaded.locate(("subjects", name)) for name in loaded.plan.subjects}
        raise SubjectError(
            replace(fault, where=places.get(fault.where, fault.where)) for fault in error.faults
        ) from error


def _put_back(runs: Path) -> list[str]:
    """Clear away what killed checks left among the runs, and say which older run was put back."""
    return [f"the older run {name!r} was put back: a check was killed while it replaced it" for name in recover(runs)]


def unfinished_folder(loaded: LoadedPlan) -> Path:
    """Where the journals of a plan lie until its run is written: a check that was broken off goes on from there."""
    return loaded.path.parent.resolve() / ".shipworthy" / "unfinished" / loaded.digest.removeprefix("sha256:")[:16]


def run_parent(plan: Path | str, out: Path | str | None = None) -> Path:
    """The folder that a run's folder lies in: that of `out`, or `.shipworthy/runs` beside the plan."""
    return Path(out).resolve().parent if out is not None else Path(plan).parent / ".shipworthy" / "runs"


def run_folder(run: Run, plan: Path | str, out: Path | str | None = None) -> Path:
    """Where a run lies: `out`, or its own folder under `.shipworthy/runs` beside the plan."""
    return Path(out) if out is not None else run_parent(plan) / run.id


def _mend_metric(name: str) -> str | None:
    try:
        lookup(name)
    except UnknownMetric as error:
        return error.faults[0].mend
    return None


def locate_in(loaded: LoadedPlan, name: str, *path: Any) -> str:
    """Where a part of an evaluation stands; what its rows are sliced by for a requirement stands there: `across`."""
    if path[:1] == ("across",):
        asked = [index for index, one in enumerate(loaded.plan.requirements)
                 if one.across == path[1] and (one.evaluation in (name, None))]  # fmt: skip
        return loaded.locate(("requirements", asked[0], "across") if asked else ("evaluations", name))
    return loaded.locate(("evaluations", name, *path))


def _locator(loaded: LoadedPlan, name: str) -> Callable[..., str]:
    return functools.partial(locate_in, loaded, name)


def requirements_of(loaded: LoadedPlan, name: str) -> list[Requirement]:
    """The requirements about one evaluation; one that names none is about the only one there is."""
    return [r for r in loaded.plan.requirements if (r.evaluation or next(iter(loaded.plan.evaluations), None)) == name]


def _evaluate(
    loaded: LoadedPlan, name: str, model: Evaluation, asked: Asked | None, rng: np.random.Generator
) -> Evaluated:
    variant = loaded.plan.baseline if loaded.plan.baseline in model.variants else None
    return evaluate_rows(
        name,
        model,
        resolve=loaded.resolve,
        locate=_locator(loaded, name),
        rng=rng,
        requirements=requirements_of(loaded, name),
        subjects=dict(loaded.plan.subjects),
        folder=loaded.path.parent,
        baseline=variant,
        asked=asked,
    )


def _baselines(loaded: LoadedPlan, evaluated: Sequence[Evaluated], rng: np.random.Generator) -> dict[str, Evaluated]:
    """Changes against a baseline run: each evaluation joined with the baseline's predictions, case by case."""
    stated = loaded.plan.baseline
    if stated is None or any(stated in one.model.variants for one in evaluated):
        return {}
    folder = Path(loaded.resolve(stated))
    joined = {}
    for one in evaluated:
        observations, finding = open_baseline(folder, one.observations, where=loaded.locate(("baseline",)))
        measured = measure_all(observations, one.metrics, rng=rng, baseline="baseline", with_curves=False)
        joined[one.name] = replace(one, measured=measured, findings=(finding,))
    return joined


def _run(
    loaded: LoadedPlan,
    evaluated: Sequence[Evaluated],
    baselines: Mapping[str, Evaluated],
    started: datetime,
    *,
    rng: np.random.Generator,
    waivers: Sequence[Waiver],
    rests_on: Mapping[str, str],
) -> Run:
    by_name = {one.name: one for one in evaluated}
    verdicts = plan_verdicts(loaded.plan, by_name, baselines, loaded.locate, rng)
    verdicts = waive(verdicts, waivers, version=loaded.plan.system.version, today=started.date())
    digests = {one.name: one.source.digest for one in evaluated}
    return Run(
        id=_run_id(loaded, started, "".join(digests.values())),
        created=started,
        plan=loaded.plan,
        plan_digest=loaded.digest,
        locked_at=_locked_at(loaded, started, digests, rests_on),
        decision=decide(verdicts),
        verdicts=tuple(verdicts),
        estimates=tuple(_estimates(evaluated, baselines)),
        curves=tuple(curve for one in evaluated for curve in one.measured.curves),
        inputs=tuple(one.source for one in evaluated),
        excluded=tuple(exclusion for one in evaluated for exclusion in one.observations.exclusions),
        findings=(
            *_notes(loaded, digests, rests_on),
            *(f for one in [*evaluated, *baselines.values()] for f in one.findings),
            *(f for one in evaluated for f in _folded(one)),
        ),
        environment=environment(),
        materials=rests_on,
        baseline=loaded.plan.baseline,
        command=f"shipworthy check {loaded.path.name}",
        judges=tuple(card for one in evaluated for card in judge_cards(one.observations)),
        transcripts=tuple(
            t for one in evaluated if one.observations.task == "generative" for t in worst(one.observations)
        ),
    )


def _locked_at(
    loaded: LoadedPlan, started: datetime, digests: Mapping[str, str], rests_on: Mapping[str, str]
) -> datetime | None:
    """When the plan was locked, if the lock still covers it, the data and the materials, and was there first."""
    lock = read_lock(lock_path(loaded.path))
    if lock is None or lock.locked_at > started or lock.covers(loaded, inputs=digests, materials=rests_on):
        return None
    return lock.locked_at


def _notes(loaded: LoadedPlan, digests: Mapping[str, str], rests_on: Mapping[str, str]) -> list[Finding]:
    """What a policy pack asks that fits no evaluation here, and what has changed since the plan was locked."""
    name = next(iter(loaded.plan.evaluations), "")
    notes = [Finding(evaluation=name, check="policy pack", gravity="warning", what=note) for note in loaded.notes]
    lock = read_lock(lock_path(loaded.path))
    for fault in lock.covers(loaded, inputs=digests, materials=rests_on)[:5] if lock is not None else []:
        what = f"the plan was locked and has changed since: {fault.what}"
        notes.append(Finding(evaluation=name, check="lock", gravity="warning", what=what))
    return notes


def plan_verdicts(
    plan: Plan,
    evaluated: Mapping[str, Evaluated],
    baselines: Mapping[str, Evaluated],
    locate: Callable[[tuple[str | int, ...]], str],
    rng: np.random.Generator,
) -> list[Verdict]:
    """Judge every requirement of a plan; worst first."""
    verdicts = [
        _verdict(requirement, locate(("requirements", index)), evaluated, baselines, rng)
        for index, requirement in enumerate(plan.requirements)
    ]
    rank = {Outcome.BREACHED: 0, Outcome.UNDECIDED: 1, Outcome.MET: 2}
    severity = {"blocker": 0, "major": 1, "minor": 2}
    return sorted(verdicts, key=lambda verdict: (rank[verdict.outcome], severity[verdict.requirement.severity]))


def _run_id(loaded: LoadedPlan, started: datetime, digests: str) -> str:
    return f"{started:%Y%m%dT%H%M%S%f}-{digest([loaded.digest, digests]).removeprefix('sha256:')[:8]}"


def environment() -> dict[str, str]:
    """Versions of what computes: Python, the platform, and the packages that numbers depend on."""
    packages = ("shipworthy", "numpy", "scipy", "duckdb", "ibis-framework", "pyarrow", "pydantic", "sqlglot")
    found = {"python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}"}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _estimates(evaluated: Sequence[Evaluated], baselines: Mapping[str, Evaluated]) -> list[Estimate]:
    found: list[Estimate] = []
    for one in evaluated:
        for arms in one.measured.values.values():
            found += arms.estimates(DISPLAY_LEVEL)
        for arms in (
            *one.measured.changes.values(),
            *(baselines[one.name].measured.changes.values() if one.name in baselines else ()),
        ):
            found += arms.estimates(DISPLAY_LEVEL)
    return found


def _verdict(
    requirement: Requirement,
    where: str,
    evaluated: Mapping[str, Evaluated],
    baselines: Mapping[str, Evaluated],
    rng: np.random.Generator,
) -> Verdict:
    name = requirement.evaluation or next(iter(evaluated))
    one = evaluated[name]
    metrics, summary = metrics_of(requirement, one.observations.task, one.metrics)
    if summary is not None:
        requirement = requirement.model_copy(update={"compare": summary.compare})
    axis = one.observations.axis(requirement.across)
    if requirement.compare in ("difference", "ratio") and not axis.parts:
        raise Unusable(
            Fault(
                code="PLAN070",
                what=f"a {requirement.compare} compares slices, and {requirement.id!r} names none",
                where=where,
                mend="add across: <slice>",
            )
        )
    everyone_with_everyone = requirement.compare in ("difference", "ratio") and requirement.reference is None
    table = one.measured.values
    if requirement.compare == "change":
        table = baselines[name].measured.changes if name in baselines else one.measured.changes
    found: list[Arms] = []
    for metric in metrics:
        arms = table.get((requirement.variant, metric.name, axis.name)) or _alias(table, requirement, metric, axis.name)
        if arms is None:
            raise Unusable(
                Fault(
                    code="PLAN071",
                    what=f"{requirement.id!r} asks for {_asked(requirement, metric.name)}, which is not measured here",
                    where=where,
                    mend="a change is measured for counts, means and AUC; a variant needs its own column"
                    if requirement.compare == "change" or requirement.variant
                    else f"add {metric.name!r} to the metrics",
                )
            )
        if everyone_with_everyone and len(arms.slices) > MOST_PAIRED:
            raise Unusable(
                Fault(
                    code="PLAN072",
                    what=f"{requirement.id!r} compares each of {len(arms.slices):,} slices with every other; "
                    f"at most {MOST_PAIRED:,} can be",
                    where=where,
                    mend="name a reference: slice, cut the column into bins, or raise fold_below:",
                )
            )
        _refuse_unreachable(requirement, arms, where)
        found.append(_in_scope(arms, axis.is_condition, requirement))
    spread = None
    if requirement.compare in ("difference", "ratio") and len(found) == 1:
        groups = found[0] if requirement.reference == FOLDED else _groups(found[0])
        spread = between_slices(groups, level=DISPLAY_LEVEL, rng=rng)
    mixture = None
    if requirement.reference != FOLDED and any(map(ends_folded, found)):
        rare = rare_levels(one.observations, axis)
        mixture = f"{rare} levels with few rows" if rare > 1 else "levels with few rows"
        mixture += ", not judged one by one (set fold_below: 1, merge them into a column, or claim over named groups)"
    reference = _reference(requirement, found[0], where)
    return judge(requirement, name, found, reference=reference, spread=spread, mixture=mixture)


def _alias(
    table: Mapping[tuple[str | None, str, str], Arms], requirement: Requirement, metric: Metric, axis: str
) -> Arms | None:
    """The same metric, measured under another of its names: recall, tpr and true_positive_rate are one."""
    for (variant, name, measured_axis), arms in table.items():
        if variant == requirement.variant and measured_axis == axis and metrics_titled(name) == metric.title:
            return arms
    return None


def metrics_titled(name: str) -> str | None:
    """The title of a metric, by which its aliases are known; None for one that the catalogue does not have."""
    try:
        return lookup(name).title
    except UnknownMetric:
        return None


def _refuse_unreachable(requirement: Requirement, arms: Arms, where: str) -> None:
    """A bound that no rate can reach is a slip of the pen: 10 for 10 %."""
    widest = {"value": (0.0, 1.0), "difference": (-1.0, 1.0), "change": (-1.0, 1.0)}.get(requirement.compare)
    if widest is None or not arms.is_proportion:
        return
    for bound in (requirement.low, requirement.high):
        if bound is not None and not widest[0] <= bound <= widest[1]:
            raise Unusable(
                Fault(
                    code="PLAN073",
                    what=f"{requirement.id!r} bounds a rate by {bound:g}, which none can reach",
                    where=where,
                    mend=f"rates run from 0 to 1: write {bound / 100:g} for {bound:g} %",
                )
            )


def _asked(requirement: Requirement, metric: str) -> str:
    variant = f" of variant {requirement.variant!r}" if requirement.variant else ""
    return f"the {requirement.compare} of {metric!r}{variant}"


def _in_scope(arms: Arms, is_condition: bool, requirement: Requirement) -> Arms:
    """A claim about a named condition is about the rows that fulfil it; a comparison sets them against the others."""
    if requirement.compare in ("difference", "ratio") or not is_condition:
        return arms
    return arms.only([i for i, key in enumerate(arms.slices) if not str(key["name"]).startswith("not ")])


def _groups(arms: Arms) -> Arms:
    """The slices without the one that rare levels were folded into: it is no group, but what was left of several.

    It leaves claims about every slice undecided, and stands in a comparison whose `reference:` names it.
    """
    return arms.only(range(len(arms.slices) - 1)) if ends_folded(arms) and len(arms.slices) > 1 else arms


def _folded(one: Evaluated) -> Iterator[Finding]:
    """Which groups are not judged, so that nobody takes silence for consent."""
    cases: dict[str, int] = {}
    for (_, _, axis), arms in one.measured.values.items():
        if ends_folded(arms):
            cases[axis] = max(cases.get(axis, 0), int(arms.n[-1]))
    for axis, most in cases.items():
        what = (
            f"levels of {axis} with fewer than {one.observations.fold_below} rows each are shown together as {FOLDED} "
            f"({most:,} cases); they are no group, and leave a claim about every group undecided"
        )
        yield Finding(evaluation=one.name, check="rare levels", gravity="note", what=what, rows=most)


def _reference(requirement: Requirement, arms: Arms, where: str) -> SliceKey | None:
    if requirement.reference is None or requirement.compare not in ("difference", "ratio"):
        return None
    for key in arms.slices:
        if requirement.reference in (" × ".join(map(str, key.values())), ", ".join(map(str, key.values()))):
            return key
    levels = ", ".join(repr(" × ".join(map(str, key.values()))) for key in arms.slices[:12])
    raise DataError(
        Fault(
            code="DATA019",
            what=f"the reference {requirement.reference!r} is not among the slices",
            where=where,
            mend=f"the slices are {levels}",
        )
    )
