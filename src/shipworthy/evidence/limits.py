"""What a run cannot show, derived from its own facts."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.answers import STATUS
from shipworthy.evidence.limit import Limit
from shipworthy.evidence.run import Run
from shipworthy.evidence.unasked import unasked
from shipworthy.gates.verdicts import Outcome
from shipworthy.plan.models import Bins, CustomMetric, Evaluation
from shipworthy.present import numbers, sentences, slices
from shipworthy.present.safe import plain, shorten
from shipworthy.present.vocabulary import words

_FEW = 30  # below this a rate is hardly known: a Wilson interval is then more than 30 points wide at a rate of one half
_LISTED = 6
_NUMBERS = re.compile(r"\d[\d.,]*")


def limits(run: Run, *, verdicts: bool = True) -> list[Limit]:
    """Everything that this run leaves unknown, in the order in which it matters to the decision.

    verdicts: whether undecided requirements are among them; a document that lists them anyway leaves them out.
    """
    found = [*(_open_claims(run) if verdicts else ()), *_promised(run)]
    for name in run.plan.evaluations:
        found += _evaluation(run, name)
    return [*found, *_record(run)]


def _listed(names: list[str]) -> str:
    unique = [shorten(name, 60) for name in dict.fromkeys(names)]
    more = len(unique) - _LISTED
    return ", ".join(unique[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _open_claims(run: Run) -> list[Limit]:
    found = []
    for verdict in run.verdicts:
        if verdict.outcome is not Outcome.UNDECIDED:
            continue
        found.append(
            Limit(
                evaluation=verdict.evaluation,
                title=f"{plain(verdict.requirement.id)} is undecided",
                text=f"{sentences.why(verdict)} What is missing: {sentences.next_step(verdict)}.",
            )
        )
    return found


def _promised(run: Run) -> list[Limit]:
    judged = {verdict.requirement.id for verdict in run.verdicts}
    missing = [r.id for r in run.plan.requirements if r.id not in judged]
    if not run.plan.requirements and not run.verdicts:
        return [
            Limit(
                evaluation=None,
                title="Nothing was promised",
                text="The plan has no requirement, so nothing could be decided.",
            )
        ]
    if missing:
        return [
            Limit(
                evaluation=None, title="Requirements not evaluated", text=f"No verdict exists for {_listed(missing)}."
            )
        ]
    return []


def _evaluation(run: Run, name: str) -> list[Limit]:
    plan = run.plan.evaluations[name]
    estimates = [e for e in run.estimates if e.evaluation == name]
    return [
        *(unasked(run, name) if plan.is_generative else ()),
        *_unmeasured(name, plan, estimates),
        *_unknown(name, estimates),
        *_small(name, estimates),
        *_excluded(run, name),
        *_design(run, name, plan, estimates),
    ]


def _unmeasured(name: str, plan: Evaluation, estimates: list[Estimate]) -> list[Limit]:
    wanted = [m.name or m.python if isinstance(m, CustomMetric) else m for m in plan.metrics]
    missing = [m for m in wanted if m not in {e.metric for e in estimates}]
    if not missing:
        return []
    return [
        Limit(evaluation=name, title="Metrics without a result", text=f"Planned and not measured: {_listed(missing)}.")
    ]


def _unknown(name: str, estimates: list[Estimate]) -> list[Limit]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    first: dict[str, str] = {}  # reasons that differ in their numbers alone are one
    for e in estimates:
        if e.value is None:
            reason = plain(e.reason or "no reason was recorded")
            reason = first.setdefault(_NUMBERS.sub("#", reason), reason)
            by_reason[reason].append(f"{words(e.metric).short} of {slices.subject(e)}")
    return [
        Limit(
            evaluation=name, title="Estimates that do not exist", text=f"{shorten(reason, 200)}: {_listed(subjects)}."
        )
        for reason, subjects in list(by_reason.items())[:_LISTED]
    ]


def _small(name: str, estimates: list[Estimate]) -> list[Limit]:
    sizes: dict[str, int] = {}
    for e in estimates:
        if e.compare == "value" and e.slice and e.variant is None:
            key = slices.slice_name(e.slice, columns=True)
            sizes[key] = min(e.n, sizes.get(key, e.n))
    small = [f"{key} ({n:,})" for key, n in sorted(sizes.items(), key=lambda item: item[1]) if n < _FEW]
    if not small:
        return []
    what = f"{len(small):,} of {len(sizes):,} slices have fewer than {_FEW} cases for at least one rate"
    return [
        Limit(evaluation=name, title="Small groups", text=f"{what}, so little is known about them: {_listed(small)}.")
    ]


def _excluded(run: Run, name: str) -> list[Limit]:
    found = []
    rows = sum(i.rows for i in run.inputs if i.evaluation == name)
    for it in run.excluded:
        if it.evaluation != name or not it.rows:
            continue
        share = f", {100 * it.rows / rows:.1f} % of those read" if it.rows <= rows else ""
        unlabelled = (
            " Rates that need a label speak only of labelled cases; those without one may differ."
            if "label" in it.reason.lower()
            else ""
        )
        text = f"{numbers.count(it.rows)} rows did not enter{share}: {shorten(it.reason, 120)}.{unlabelled}"
        found.append(Limit(evaluation=name, title="Excluded rows", text=text))
    return found[: _LISTED * 2]


def _design(run: Run, name: str, plan: Evaluation, estimates: list[Estimate]) -> list[Limit]:
    found = []
    roles = plan.roles
    if roles.cluster is None and estimates and not plan.is_generative:
        text = (
            "No cluster was named, so rows count as independent. If cases share a person, household or "
            "day, intervals are too narrow."
        )
        found.append(Limit(evaluation=name, title="Independence is assumed", text=text))
    if roles.at is None and estimates and not plan.is_generative:
        text = (
            "The plan names no column that says when decisions were made, so nothing here speaks about "
            "change over time."
        )
        found.append(Limit(evaluation=name, title="Time is not known", text=text))
    single = [plain(s) for s in plan.slices if isinstance(s, str)]
    crossed = any(isinstance(s, tuple) and len(s) > 1 for s in plan.slices)
    if len(single) > 1 and not crossed:
        text = (
            f"Groups were looked at one attribute at a time ({_listed(single)}); people at an intersection "
            "may fare worse."
        )
        found.append(Limit(evaluation=name, title="Intersections were not examined", text=text))
    if not plan.slices and estimates and not any(e.slice for e in estimates):
        found.append(
            Limit(
                evaluation=name,
                title="No slices",
                text="Only the whole population was measured; any group may fare worse.",
            )
        )
    sliced = {
        c for s in plan.slices for c in ([s] if isinstance(s, str) else s if isinstance(s, tuple) else _columns(s))
    }
    unseen = [plain(p) for p in plan.protected if p not in sliced]
    if unseen:
        text = f"Declared as protected and not sliced: {_listed(unseen)}."
        found.append(Limit(evaluation=name, title="Protected attributes without slices", text=text))
    if roles.score is not None and not any(c.evaluation == name for c in run.curves):
        text = "There is a score, and no calibration curve was drawn from it."
        found.append(Limit(evaluation=name, title="Calibration is not known", text=text))
    return found


def _columns(named: dict[str, str | Bins]) -> list[str]:
    return [value.column if isinstance(value, Bins) else key for key, value in named.items()]


def _record(run: Run) -> list[Limit]:
    found = []
    if run.locked_at is None:
        text = "The plan was not locked before this run, so its bounds could have been chosen after seeing the results."
        found.append(Limit(evaluation=None, title="Not pre-registered", text=text))
    if run.baseline is None:
        text = "No baseline was named: this run says how good the system is, not whether it became better or worse."
        found.append(Limit(evaluation=None, title="No comparison", text=text))
    warned = Counter(f.check for f in run.findings if f.gravity == "warning" and not f.check.startswith(STATUS))
    if warned:
        text = f"Data checks warned about {_listed(list(warned))}; see data checks."
        found.append(Limit(evaluation=None, title="Doubts about the data", text=text))
    text = (
        "Intervals cover the chance in which cases were drawn. They do not cover wrong labels, a "
        "population that differs from the one "
        "the system will meet, or harms that no metric here counts."
    )
    found.append(Limit(evaluation=None, title="What no interval covers", text=text))
    return found
