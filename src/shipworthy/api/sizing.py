"""How large a sample has to be, planned from the requirements before any data exist."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from shipworthy.api.asking import refuse_unaskable, suites_of
from shipworthy.api.evaluating import metrics_of
from shipworthy.errors import NotEstimable
from shipworthy.estimate.arms import FEWEST_CLUSTERS
from shipworthy.estimate.changes import exact_change
from shipworthy.metrics.catalogue import UnknownMetric, load_custom, lookup
from shipworthy.metrics.kinds import CellRate, Metric, OutcomeRate, RowMean
from shipworthy.observations.answers import Column, judged_columns
from shipworthy.plan.loading import LoadedPlan, load_plan
from shipworthy.plan.models import CustomMetric, Evaluation, Requirement
from shipworthy.scorers.catalogue import open_scorer
from shipworthy.scorers.protocol import AskedScorer
from shipworthy.stats.cluster import FEWEST_BEHIND, kish_design_effect
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.interval import Array, Interval, critical
from shipworthy.stats.judged_power import JudgedArm, judged_size
from shipworthy.stats.power import LARGEST, n_for_exact_bound, n_to_show_close
from shipworthy.stats.ratio import mover_ratio

ASSUMED_SENSITIVITY, ASSUMED_SPECIFICITY = 0.85, 0.95  # of a judge
WORST_RATE = 0.5  # at which a rate varies most
ASSUMED_GROUPS = 2
ASSUMED_DISCORDANCE = 0.1
ASSUMED_CLUSTER = 5  # rows in a cluster
ASSUMED_ICC_OF_ANSWERS = 0.5  # of one case, asked several times
ASSUMED_ICC = 0.1  # how alike they are: the share of the variance that lies between clusters


@dataclass(frozen=True, kw_only=True)
class SliceSize:
    """What one slice needs."""

    level: str
    share: float | None  # of the population, where the plan states it
    cases: int  # of the metric's denominator
    total: int | None  # rows in all at which this slice is expected to hold that many
    labels: int | None = None  # of people, on each verdict of the judge


@dataclass(frozen=True, kw_only=True)
class Size:
    """The sample that one requirement needs, or the reason why none can be planned."""

    requirement: str
    metric: str
    cases: int | None  # per slice
    among: str  # what a case is, e.g. "rows with a positive label"
    slices: tuple[SliceSize, ...]
    total: (
        int | None
    )  # rows in all: with shares, as many as fill the smallest slice; None when cases are some of the rows
    assumes: tuple[str, ...]
    reason: str | None = None
    labels: int | None = None  # of people, on each verdict of the judge: per slice, and of a change per version too


def size(
    plan: Path | str, *, sensitivity: float = ASSUMED_SENSITIVITY, specificity: float = ASSUMED_SPECIFICITY
) -> list[Size]:
    """Plan the sample for every requirement of a plan. Needs no data.

    sensitivity, specificity: of a judge that is corrected with labels of people (`human_labels`), in (0, 1]: the share
    of hits that it calls one, and of the others that it does not. Raises PlanError, Unusable, ValueError.
    """
    for name, value in (("sensitivity", sensitivity), ("specificity", specificity)):
        if not 0 < value <= 1:
            raise ValueError(f"{name} must be above 0 and at most 1. Got {value!r}")
    loaded = open_plan(plan)
    judges = {name: _judges(loaded, name) for name, each in loaded.plan.evaluations.items() if each.is_generative}
    return [_size(loaded, requirement, judges, (sensitivity, specificity)) for requirement in loaded.plan.requirements]


@dataclass(frozen=True, kw_only=True)
class _Judge:
    """A scorer whose word is corrected, or should be."""

    columns: frozenset[str]  # where its word counts: its own, and outcomes
    labelled: bool  # people's labels are planned


def open_plan(plan: Path | str, *, labels: bool = True) -> LoadedPlan:
    """Load a plan of which the files of labels need not be there yet. labels: say in it where they will be.

    Raises PlanError with every fault.
    """

    def mend(name: str) -> str | None:
        try:
            lookup(name)
        except UnknownMetric as error:
            return error.faults[0].mend
        return None

    loaded = load_plan(Path(plan), known_metric=mend)
    evaluations = {
        name: each.model_copy(update={"scorers": tuple(_bare(spec) for spec in each.scorers)})
        for name, each in loaded.plan.evaluations.items()
    }
    bare = replace(loaded, plan=loaded.plan.model_copy(update={"evaluations": evaluations}))
    refuse_unaskable(bare)
    return loaded if labels else bare


def _bare(spec: Any) -> Any:
    return {k: v for k, v in spec.items() if k != "human_labels"} if isinstance(spec, Mapping) else spec


def _judges(loaded: LoadedPlan, name: str) -> list[_Judge]:
    """The judges of an evaluation."""
    model = loaded.plan.evaluations[name]
    found = []
    specs: list[Any] = list(model.scorers) or [spec for suite in suites_of(loaded, name) for spec in suite.scorers]
    for index, spec in enumerate(specs):
        labelled = isinstance(spec, Mapping) and "human_labels" in spec
        where = loaded.locate(("evaluations", name, "scorers", index) if model.scorers else ("evaluations", name))
        scorer = open_scorer(_bare(spec), folder=loaded.path.parent, where=where)
        if labelled or isinstance(scorer, AskedScorer):
            column = Column(name=scorer.name, measures=scorer.measures, judged=True)
            found.append(_Judge(columns=judged_columns([column]), labelled=labelled))
    return found


def _size(
    loaded: LoadedPlan,
    requirement: Requirement,
    judges: Mapping[str, Sequence[_Judge]],
    assumed: tuple[float, float],
) -> Size:
    name = requirement.evaluation or next(iter(loaded.plan.evaluations), None)
    evaluation = loaded.plan.evaluations.get(name) if name else None
    customs = [entry for entry in evaluation.metrics if isinstance(entry, CustomMetric)] if evaluation else []
    own = [load_custom(entry.python, entry.name) for entry in customs]
    metrics, summary = metrics_of(requirement, evaluation.task if evaluation else None, own)
    compare = summary.compare if summary else requirement.compare
    levels = _levels(requirement, evaluation)
    assumes: list[str] = []
    spoken = {metric.outcome for metric in metrics if isinstance(metric, OutcomeRate)}
    asked = [judge for judge in judges.get(name or "", ()) if judge.columns & spoken]
    labels = None
    try:
        power = 1 - (1 - requirement.power) / len(metrics)  # for all metrics of a summary to be met together
        cases, share = max(_cases(requirement, compare, metric, levels, assumes, power=power) for metric in metrics)
        size, icc = _clusters(requirement, evaluation)
        if size > 1:
            groups = (len(levels) or ASSUMED_GROUPS) if requirement.across is not None else 1
            shown = _that_show(min(share, 1 - share), power=1 - (1 - power) / groups, size=size, icc=icc)
            alike = _in_clusters(cases, 1 - requirement.confidence, size=size, icc=1.0)  # as judged where few show it
            cases = min(max(_in_clusters(cases, 1 - requirement.confidence, size=size, icc=icc), shown), alike)
            assumes.append(
                f"clusters of {size} rows with an intraclass correlation of {icc:g}: for others "
                f"multiply by (1 + (rows - 1) × correlation) / {kish_design_effect(size, icc):g}"
            )
        if asked and all(judge.labelled for judge in asked):
            arm = JudgedArm(rate=share, sensitivity=assumed[0], specificity=assumed[1], cluster=size, icc=icc)
            cases, labels = _labelled(requirement, compare, arm, levels, assumes, power=power, start=cases)
        elif asked:
            _say(
                assumes,
                f"the judge of {requirement.metric} is right: plan human_labels: for it, and labels are counted",
            )
        if evaluation is not None and evaluation.roles.weight is not None:
            assumes.append("equal weights: for others multiply by 1 + the squared coefficient of variation")
    except NotEstimable as error:
        return Size(
            requirement=requirement.id,
            metric=requirement.metric,
            cases=None,
            among="",
            slices=(),
            total=None,
            assumes=tuple(assumes),
            reason=str(error),
        )
    if requirement.across is not None and not levels:
        assumes.append(f"{ASSUMED_GROUPS} slices of equal size (state the levels under population:)")
    known = (
        levels or dict.fromkeys((f"slice {i + 1}" for i in range(ASSUMED_GROUPS)), None) if requirement.across else {}
    )
    among = _among(metrics)
    if among != "rows":
        assumes.append(f"cases are {among}: for rows in all, divide by their share among the rows")
    slices = tuple(
        SliceSize(
            level=level,
            share=share,
            cases=cases,
            total=math.ceil(cases / share) if share and among == "rows" else None,
            labels=labels,
        )
        for level, share in known.items()
    )
    totals = [one.total for one in slices if one.total is not None]
    return Size(
        requirement=requirement.id,
        metric=requirement.metric,
        cases=cases,
        among=among,
        slices=slices,
        total=max(totals, default=None if among != "rows" else cases * max(len(slices), 1)),
        assumes=tuple(assumes),
        labels=labels,
    )


def _labelled(
    requirement: Requirement,
    compare: str,
    arm: JudgedArm,
    levels: Mapping[str, float | None],
    assumes: list[str],
    *,
    power: float,
    start: int,
) -> tuple[int, int]:
    """Cases in each slice and labels on each verdict, for the limits on which corrected rates are judged."""
    groups = (len(levels) or ASSUMED_GROUPS) if requirement.across is not None else 1
    low = -math.inf if requirement.low is None else requirement.low
    high = math.inf if requirement.high is None else requirement.high
    arms, first, second = groups, np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    if compare == "change":
        arm, arms = replace(arm, rate=WORST_RATE), 2 * groups
        first, second = np.arange(groups), np.arange(groups, 2 * groups)
        _say(assumes, f"of a judge's word, a rate of {WORST_RATE:g} in both versions, whose answers all differ")
    elif compare != "value":
        arms = max(groups, 2)
        first, second = np.nonzero(~np.eye(arms, dtype=bool))
        if requirement.reference is not None:
            first, second = np.arange(1, arms), np.zeros(arms - 1, dtype=int)
    together = -1.0 if arm.cluster > 1 and compare != "change" else 0.0  # clusters may lie in several slices
    between = mover_ratio if compare == "ratio" else mover_difference

    def met(values: Array, lower: Array, upper: Array) -> Array:
        if compare != "value":
            a, b = (Interval(lower[:, at], upper[:, at]) for at in (first, second))
            lower, upper = map(np.asarray, between(values[:, first], a, values[:, second], b, correlation=together))
        return np.asarray(((lower >= low) & (upper <= high)).all(axis=1))

    found = judged_size(arm, arms, met, alpha=1 - requirement.confidence, power=power, start=start)
    _say(
        assumes,
        f"a judge with a sensitivity of {arm.sensitivity:g} and a specificity of {arm.specificity:g} "
        "(--sensitivity, --specificity)",
    )
    _say(
        assumes, "labels are of answers drawn at random from each verdict of the judge: all of them, where it has fewer"
    )
    return found.cases, found.labels


def _levels(requirement: Requirement, evaluation: Evaluation | None) -> Mapping[str, float | None]:
    """Levels of the axis with their shares; an intersection takes the product of its parts, as if independent."""
    if requirement.across is None or evaluation is None:
        return {}
    named = {
        name
        for entry in evaluation.slices
        if isinstance(entry, dict)
        for name, rule in entry.items()
        if isinstance(rule, str)
    }
    if requirement.across in named and requirement.compare in ("value", "change"):
        return {str(requirement.across): None}
    if evaluation is not None and evaluation.is_generative and requirement.across == "attack":
        return dict.fromkeys(evaluation.attacks, 1 / len(evaluation.attacks))
    parts = (requirement.across,) if isinstance(requirement.across, str) else requirement.across
    levels: dict[str, float] = {"": 1.0}
    for part in parts:
        shares = evaluation.population.get(part)
        if not shares:
            return {}
        levels = {
            f"{name} × {level}".strip(" ×"): share * own
            for name, share in levels.items()
            for level, own in shares.items()
        }
    return {**levels}


def _cases(
    requirement: Requirement,
    compare: str,
    metric: Metric,
    levels: Mapping[str, float | None],
    assumes: list[str],
    *,
    power: float,
) -> tuple[int, float]:
    """Independent cases in each slice, and the share of them that are hits (that differ, of a change)."""
    alpha = 1 - requirement.confidence
    groups = (len(levels) or ASSUMED_GROUPS) if requirement.across is not None else 1
    is_own = isinstance(metric, RowMean) and len(metric.tasks) == 4
    if is_own:
        _say(assumes, f"{metric.name} says yes or no of every row")
    is_count = isinstance(metric, OutcomeRate) or (isinstance(metric, CellRate) and metric.transform is None)
    is_rate = is_own or is_count or metric.name in (*_COVERAGES, "failure_rate")
    if not is_rate:
        raise NotEstimable(f"no sample size is known for {metric.name!r}; plan it on a rate, or from a pilot run")
    bounds = [bound for bound in (requirement.low, requirement.high) if bound is not None]
    if compare == "value":
        each = 1 - (1 - power) / (groups * len(bounds))  # every slice has to clear every bound
        sizes = []
        for bound in bounds:
            truth = requirement.expect
            if truth is None and len(bounds) == 2:
                truth = sum(bounds) / 2
            elif truth is None:
                truth = bound / 2 if bound == requirement.high else (1 + bound) / 2
            _say(
                assumes,
                f"a true {metric.name} of {truth:g}" + ("" if requirement.expect is not None else " (state expect:)"),
            )
            sizes.append((n_for_exact_bound(truth, bound, alpha=alpha, power=each), truth))
        return max(sizes)
    if compare == "change":
        discordance = requirement.expect if requirement.expect is not None else ASSUMED_DISCORDANCE
        _say(
            assumes,
            f"no true change, and {discordance:g} of the cases decided differently"
            + ("" if requirement.expect else " (state expect:)"),
        )
        margin = min(abs(bound) for bound in bounds)
        if margin == 0:
            raise NotEstimable(
                "no sample can show that nothing has changed for the worse when nothing has changed; allow a margin"
            )
        each = 1 - (1 - power) / (groups * len(bounds))
        return _for_no_change(discordance, margin, alpha=alpha, power=each), discordance
    rate = requirement.expect if requirement.expect is not None else 0.5
    _say(
        assumes,
        f"a {metric.name} of {rate:g} in every slice" + ("" if requirement.expect is not None else " (state expect:)"),
    )
    groups = max(groups, 2)
    if requirement.reference is not None and groups > 2:
        power, groups = 1 - (1 - power) / (groups - 1), 2
    if compare == "difference":
        gap = min(abs(bound) for bound in bounds)
        return n_to_show_close(rate, gap, groups, compare="difference", alpha=alpha, power=power), rate
    limit = max(bound if bound < 1 else 1 / bound for bound in bounds)
    return n_to_show_close(rate, limit, groups, compare="ratio", alpha=alpha, power=power), rate


def _for_no_change(discordance: float, margin: float, *, alpha: float, power: float) -> int:
    """Cases at which the exact limits of an unchanged rate stay within the margin with chance `power`."""

    def enough(n: int) -> bool:
        each, cases = np.array([discordance * n / 2]), np.array([float(n)])
        reach = -float(np.ravel(exact_change(each, each, cases, level=1 - 2 * alpha).low)[0])
        return reach + float(ndtri(power)) * math.sqrt(discordance / n) <= margin

    return _least(enough)


def _clusters(requirement: Requirement, evaluation: Evaluation | None) -> tuple[int, float]:
    """How many rows a cluster has, and how alike they are: of answers, a case under all its attacks and trials."""
    if evaluation is not None and evaluation.is_generative:
        attacks = 1 if requirement.across == "attack" else len(evaluation.attacks)
        return attacks * evaluation.trials, ASSUMED_ICC_OF_ANSWERS
    clustered = evaluation is not None and evaluation.roles.cluster is not None
    return ASSUMED_CLUSTER if clustered else 1, ASSUMED_ICC


def _in_clusters(cases: int, alpha: float, *, size: int, icc: float) -> int:
    """As many cases in clusters of `size` as are worth `cases` independent ones to Korn and Graubard's limits."""
    effect = float(kish_design_effect(size, icc))

    def enough(n: int) -> bool:
        clusters = n / size
        if clusters < FEWEST_CLUSTERS:
            return False
        student = float(critical(1 - 2 * alpha, clusters - 1)) / float(critical(1 - 2 * alpha))
        return n / effect / student**2 >= cases

    return _least(enough)


def _that_show(rate: float, *, power: float, size: int, icc: float) -> int:
    """Cases in clusters of `size` at which enough clusters hold a hit, with chance `power`, to show how alike they are.

    rate: of the rarer outcome. The clusters that hold one vary about as a Poisson count.
    """
    each = size * rate / (1 + (size - 1) * (rate + icc * (1 - rate)))  # clusters with a hit, in equal ones

    def enough(n: int) -> bool:
        shown = n / size * each
        return shown - float(ndtri(power)) * math.sqrt(shown) >= FEWEST_BEHIND

    return _least(enough) if rate > 0 else 0


def _least(enough: Callable[[int], bool]) -> int:
    """Smallest n with enough(n), a condition that stays true once it is."""
    low, high = 1, 1
    while not enough(high):
        low, high = high + 1, 2 * high
        if high > LARGEST:
            raise NotEstimable(f"more than {LARGEST:,} cases would be needed")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


_COVERAGES = ("interval_coverage", "quantile_coverage")


def _say(assumes: list[str], text: str) -> None:
    if text not in assumes:
        assumes.append(text)


def _among(metrics: list[Metric]) -> str:
    said = {
        "tpr": "rows with a positive label",
        "fnr": "rows with a positive label",
        "fpr": "rows with a negative label",
        "tnr": "rows with a negative label",
        "ppv": "rows with a positive prediction",
        "fdr": "rows with a positive prediction",
        "npv": "rows with a negative prediction",
        "for": "rows with a negative prediction",
    }
    from shipworthy.metrics import binary

    found = {
        "answers that it is about"
        if isinstance(metric, OutcomeRate) and metric.case is not None
        else said.get(binary.ALIASES.get(metric.name, metric.name), "rows")
        for metric in metrics
    }
    return " and as many ".join(sorted(found))
