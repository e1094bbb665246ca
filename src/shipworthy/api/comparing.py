"""Two versions on the same cases: what changed, and whether the new one is worse."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from shipworthy.api.checking import Progress, environment, load, locate_in, plan_verdicts, requirements_of
from shipworthy.api.evaluating import Evaluated, evaluate_rows, metrics_for, valued
from shipworthy.api.measuring import measure_all
from shipworthy.digest import digest
from shipworthy.errors import DataError, Fault, Stale, Unusable
from shipworthy.evidence.manifest import verify_manifest
from shipworthy.evidence.run import Run
from shipworthy.evidence.store import open_baseline, read_plan, reopen, write_run
from shipworthy.gates.verdicts import decide
from shipworthy.metrics.kinds import Metric, RowMean
from shipworthy.observations.findings import Finding
from shipworthy.plan.loading import LoadedPlan
from shipworthy.plan.models import Evaluation, Plan, Requirement, Variant

MARGIN = 0.02


def compare(
    old: str,
    new: str,
    *,
    plan: Path | str | None = None,
    margin: float = MARGIN,
    out: Path | str | None = None,
    now: datetime | None = None,
    progress: Progress = lambda step: None,
) -> Run:
    """Compare two runs, or two versions of a plan, paired case by case: its variants, "main", or prediction columns.

    Every metric with a good direction becomes a requirement: the new version is not worse by more than `margin`
    (non-inferiority).
    All have to be met to ship. Raises Unusable where cases cannot be paired, Stale for a run that was changed.
    """
    if not 0 <= margin < 1:
        raise Unusable(
            Fault(code="CALL002", what=f"the margin {margin} is not in [0, 1)", mend="give a share, such as 0.02")
        )
    started = now or datetime.now(UTC)
    if plan is None:
        loaded, evaluated = _of_runs(Path(old), Path(new), progress)
    else:
        loaded, evaluated = _of_columns(old, new, load(plan), progress)
    requirements = [r for one in evaluated for r in _not_worse(one, margin)]
    dropped = [finding for one in evaluated for finding in _left_out(one)]
    if not requirements:
        raise Unusable(
            Fault(
                code="CALL003",
                what="nothing can be compared: no metric here has a good direction and a paired change",
                mend="name metrics such as accuracy, tpr or auc in the plan",
            )
        )
    judged = Plan(
        system=loaded.plan.system,
        evaluations={one.name: one.model for one in evaluated},
        baseline=old if plan is not None else "baseline",
        requirements=tuple(requirements),
        seed=loaded.plan.seed,
    )
    verdicts = plan_verdicts(
        judged, {one.name: one for one in evaluated}, {}, loaded.locate, np.random.default_rng(judged.seed)
    )
    arms = [a for one in evaluated for a in (*one.measured.values.values(), *one.measured.changes.values())]
    run = Run(
        id=f"compare-{started:%Y%m%dT%H%M%S%f}-{digest([loaded.digest, old, new]).removeprefix('sha256:')[:8]}",
        created=started,
        plan=judged,
        plan_digest=loaded.digest,
        locked_at=None,
        decision=decide(verdicts),
        verdicts=tuple(verdicts),
        estimates=tuple(estimate for one in arms for estimate in one.estimates(0.95)),
        curves=(),
        inputs=tuple(one.source for one in evaluated),
        excluded=tuple(exclusion for one in evaluated for exclusion in one.observations.exclusions),
        findings=(*dropped, *(finding for one in evaluated for finding in one.findings)),
        environment=environment(),
        baseline=Path(old).name,
        command=f"shipworthy compare {Path(old).name} {Path(new).name}",
    )
    if out is not None:
        write_run(run, Path(out), loaded=loaded, tables={})
    return run


MAIN = "main"  # how a call names the version that a plan's evaluation is about; so does its subject


def _of_columns(old: str, new: str, loaded: LoadedPlan, progress: Progress) -> tuple[LoadedPlan, list[Evaluated]]:
    evaluated = []
    for name, model in loaded.plan.evaluations.items():
        progress(f"comparing {name}")
        main = _version(model, new)
        roles = model.roles.model_copy(update=main.model_dump(include={"prediction", "score", "scores"}))
        changed = model.model_copy(
            update={"subject": main.subject, "roles": roles, "variants": {old: _version(model, old)}}
        )
        try:
            one = evaluate_rows(
                name,
                changed,
                resolve=loaded.resolve,
                locate=functools.partial(_locate, loaded, name, old, new),
                rng=np.random.default_rng(loaded.plan.seed),
                subjects=dict(loaded.plan.subjects),
                folder=loaded.path.parent,
                baseline=old,
                curves=False,
            )
        except DataError as error:
            known = ", ".join(filter(None, (MAIN, *model.variants)))
            raise DataError(
                replace(fault, mend=f"{fault.mend}; or name a version of the plan: {known}")
                if fault.code == "DATA002" and "of the call" in fault.where
                else fault
                for fault in error.faults
            ) from error
        evaluated.append(one)
    return loaded, evaluated


def _version(model: Evaluation, name: str) -> Variant:
    """What a call names: a variant of the plan, the main version, or a column of predictions."""
    if name in model.variants:
        return model.variants[name]
    if name in (MAIN, model.subject):
        roles = model.roles
        return Variant.model_construct(
            subject=model.subject, prediction=roles.prediction, score=roles.score, scores=dict(roles.scores)
        )
    return Variant(prediction=name)


def _locate(loaded: LoadedPlan, name: str, old: str, new: str, *path: str | int) -> str:
    """Where something stands: in the plan, or, for a column that the call named, in the call."""
    model = loaded.plan.evaluations[name]
    for side, column, at in (("OLD", old, ("variants", old)), ("NEW", new, ("roles", "prediction"))):
        if path[:2] == at and column not in (*model.variants, MAIN, model.subject):
            return f"{side} of the call: the column {column!r} of evaluation {name!r}"
    return locate_in(loaded, name, *path)


def _of_runs(old: Path, new: Path, progress: Progress) -> tuple[LoadedPlan, list[Evaluated]]:
    for folder in (old, new):
        if not folder.is_dir():
            raise Unusable(
                Fault(
                    code="RUN002",
                    what=f"there is no run {folder.name!r}",
                    where=str(folder),
                    mend="name two folders that `shipworthy check` wrote, or two columns with --plan PLAN",
                )
            )
        if faults := verify_manifest(folder):
            what, where = faults[0].what, faults[0].where
            raise Stale(f"the run {folder.name!r} is not as it was written: {what}: {where[:200]}")
    loaded = read_plan(new)
    evaluated = []
    for name, model in loaded.plan.evaluations.items():
        progress(f"comparing {name}")
        observations, source = reopen(new, name, model)
        metrics = metrics_for(
            model, requirements_of(loaded, name), observations.task, valued(observations.table, observations.backend)
        )
        joined, finding = open_baseline(old, observations, where=str(old))
        measured = measure_all(
            joined, metrics, rng=np.random.default_rng(loaded.plan.seed), baseline="baseline", with_curves=False
        )
        if finding.rows:  # some cases are in one run alone: this run's rates are of its own rows
            own = measure_all(observations, metrics, rng=np.random.default_rng(loaded.plan.seed), with_curves=False)
            measured.values.update(own.values)
        evaluated.append(
            Evaluated(
                name=name,
                model=model,
                observations=joined,
                measured=measured,
                metrics=tuple(metrics),
                findings=(finding,),
                source=source,
            )
        )
    return loaded, evaluated


def _not_worse(one: Evaluated, margin: float) -> Sequence[Requirement]:
    """One requirement for each metric that has a good direction and a paired change."""
    measured = {
        metric
        for (variant, metric, axis), arms in one.measured.changes.items()
        if variant is None and axis == "" and not (_is_alike(one) and not np.isfinite(arms.limits(0.95)[0]).all())
    }
    return [_promise(one.name, m, margin) for m in one.metrics if m.better and _has_scale(m) and m.name in measured]


def _is_alike(one: Evaluated) -> bool:
    """Whether the versions decide and score every case alike: then some changes are 0 and have no spread to judge."""
    table, pairs = one.observations.table, []
    for role in ("prediction", "score"):
        olds = [column for column in table.columns if column.startswith(f"{role}@")]
        pairs += [(role, old) for old in olds if role in table.columns]
    if not pairs:
        return False
    differ = [~table[new].identical_to(table[old]) for new, old in pairs]
    found = table.filter(functools.reduce(operator.or_, differ)).count()
    return int(one.observations.backend.to_pyarrow(found).as_py()) == 0


def _has_scale(metric: Metric) -> bool:
    """Whether one margin fits: the metric runs from 0 to 1. How much worse an error in euros may be, a plan says."""
    return not isinstance(metric, RowMean) or (metric.bounds or (0, np.inf))[1] < np.inf or metric.name in _SHARES


_SHARES = ("top_k_accuracy",)


def _left_out(one: Evaluated) -> list[Finding]:
    """The metrics of the plan that were not compared, so that nobody takes silence for consent."""
    compared = {requirement.metric for requirement in _not_worse(one, 0.0)}
    names = [metric.name for metric in one.metrics if metric.name not in compared]
    if _is_alike(one):
        what = "both versions decide and score every case alike"
        return [Finding(evaluation=one.name, check="comparison", gravity="warning", what=what)]
    if not names:
        return []
    what = f"not compared: {', '.join(names)} (no good direction, no scale from 0 to 1, or no paired change)"
    return [Finding(evaluation=one.name, check="comparison", gravity="warning", what=what)]


def _promise(evaluation: str, metric: Metric, margin: float) -> Requirement:
    bound = {"at_least": -margin} if metric.better == "higher" else {"at_most": margin}
    return Requirement(
        id=f"{evaluation}-{metric.name}".replace("@", "-at-").replace("[", "-").replace("]", "").replace(" ", "-")[:80],
        text=f"{metric.title} is not worse by more than {margin:g}.",
        evaluation=evaluation,
        metric=metric.name,
        compare="change",
        severity="major",
        **bound,  # type: ignore[arg-type]
    )
