"""Indicators of the programme: the facts behind them, read from the record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from shipworthy.api import handing, incidents, tracing
from shipworthy.api.acting import everyone
from shipworthy.api.changes import Looking
from shipworthy.api.numbering import MOST
from shipworthy.api.recording import kept_plan, version_id
from shipworthy.api.standing import Standing, standing
from shipworthy.api.systems import QUESTIONNAIRE
from shipworthy.errors import Fault, ShipworthyError, Unusable
from shipworthy.evidence import kpis as indicators
from shipworthy.evidence import trace as graph
from shipworthy.evidence.history import (
    ApprovalFact,
    DecisionFact,
    History,
    IncidentFact,
    MitigationFact,
    Outcome,
    PackageFact,
    ReproductionFact,
    RiskFact,
    RunFact,
    SliceFact,
    SystemFact,
    UseFact,
    WaiverFact,
    Window,
    end_of,
)
from shipworthy.evidence.kpis import DEFINITIONS, Definition, Kpi
from shipworthy.gates.fitness import REQUIRED
from shipworthy.metrics.catalogue import lookup
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun, KeptVerdict
    from shipworthy.record.store import Kept, Record

DAYS = 90  # of a window whose beginning nobody states
D = TypeVar("D", bound=documents.Document)


def window(since: datetime | None, until: datetime | None, now: datetime) -> Window:
    """The window that is meant; default the last DAYS days. Raises Unusable (KPI001)."""
    end = until or now
    first = datetime.min.replace(tzinfo=UTC)
    start = since or max(end, first + timedelta(days=DAYS)) - timedelta(days=DAYS)
    if end > now or start >= end:
        what = "the window's end lies ahead" if end > now else "the window ends before it begins"
        mend = "--since and --until are days, the first before the second, and neither to come"
        raise Unusable(Fault(code="KPI001", what=what, where="--since, --until", mend=mend))
    return Window(since=start, until=end)


def explain(name: str) -> Definition:
    """What an indicator is. Raises Unusable (KPI002)."""
    if name in DEFINITIONS:
        return DEFINITIONS[name]
    import difflib

    near = difflib.get_close_matches(name, DEFINITIONS, n=1)
    mend = f"did you mean {near[0]}? " if near else ""
    what = f"there is no indicator {name[:80]!r}"
    raise Unusable(Fault(code="KPI002", what=what, where="--explain", mend=f"{mend}there are {', '.join(DEFINITIONS)}"))


def kpis(record: Record, over: Window, *, base: Path, now: datetime) -> tuple[Kpi, ...]:
    """Every indicator over a window. base: the folder that places of runs start from."""
    return indicators.kpis(history(record, over, base=base, now=now), over)


def history(record: Record, over: Window, *, base: Path, now: datetime) -> History:
    """What the record knows of a window, and of what went before it.

    Documents are read as they were at its end; of incidents, the newest version with its own times, which `over` cuts.
    """
    runs = record.runs(before=over.until, limit=MOST)
    verdicts = record.verdicts(limit=MOST)
    by_run: defaultdict[str, list[KeptVerdict]] = defaultdict(list)
    for one in verdicts:
        by_run[one.run].append(one)
    judged = [one for one in verdicts if one.created < over.until]
    systems = _all(record, documents.System, "system", over.until)
    decisions = _all(record, documents.Decision, "decision")
    looking = Looking(base=base, now=now, data=False)
    known = {one.facts.digest: one for one in runs}
    signed = dict.fromkeys(one.runs[0] for _, one in decisions if one.runs[0] in known)
    stands = [standing(record, known[one], looking) for one in signed]
    return History(
        systems=[_system(record, one, judged, over, base=base, now=now) for _, one in systems],
        runs=[_run(one, by_run[one.facts.digest]) for one in runs],
        decisions=list(_decisions(record, decisions, over)),
        approvals=list(_approvals(record, stands, over)),
        waivers=[
            WaiverFact(system=one.system, starts=one.starts, ends=one.ends, is_open=_is_open(one, judged))
            for kept, one in _all(record, documents.Waiver, "waiver", over.until)
            if _was_approved(record, kept, one, over)
        ],
        risks=[_risk(record.history("risk", kept.id), over) for kept, _ in _all(record, documents.Risk, "risk")],
        mitigations=[
            MitigationFact(
                at=record.history("mitigation", kept.id)[0].at,
                is_verified=one.status == "verified",
                is_effective=_effect(record, one),
            )
            for kept, one in _all(record, documents.Mitigation, "mitigation", over.until)
            if one.status in ("implemented", "verified")
        ],
        incidents=[_incident(one, judged, known) for _, one in _all(record, documents.Incident, "incident")],
        packages=[
            PackageFact(about=one.artifact.name, at=one.at, weights=handing.completeness_of(one, base))
            for one in handing.all_of(record, handing.PACKAGE)
        ],
        reproductions=[
            ReproductionFact(at=one.at, reproduced=handing.outcome_of(one, base))
            for one in handing.all_of(record, handing.REPRODUCTION)
        ],
        slices=[
            fact for _, one in systems if one.status == "active" for fact in _slices(record, _newest(runs, one.id))
        ],
    )


def _newest(runs: Sequence[KeptRun], system: str) -> KeptRun | None:
    """The newest run of a system; runs: the newest first."""
    return next((one for one in runs if one.facts.system == system), None)


def _slices(record: Record, kept: KeptRun | None) -> Iterator[SliceFact]:
    """The slices of a run along the axes that its plan names, where the record keeps the plan."""
    plan = None if kept is None else kept_plan(record, kept.facts.plan_digest)
    if kept is None or plan is None:
        return
    largest: dict[tuple[str, str], int] = {}
    for row in record.estimates(run=kept.facts.digest, compare="value").to_pylist():
        if (row["slice"] or "{}") != "{}":
            key = (row["evaluation"], row["slice"])
            largest[key] = max(row["n"] or 0, largest.get(key, 0))
    for (evaluation, _), n in largest.items():
        if (model := plan.evaluations.get(evaluation)) is not None:
            yield SliceFact(n=n, least=model.minimum_group)


def _all(record: Record, model: type[D], kind: documents.Kind, until: datetime | None = None) -> list[tuple[Kept, D]]:
    """Every document of a kind, as it is, or as it was at a moment: what was written from then on is not seen."""
    found = (_as_of(record, kept, until) for kept in record.find(kind, limit=MOST))
    return [(kept, kept.document) for kept in found if kept is not None and isinstance(kept.document, model)]


def _as_of(record: Record, kept: Kept, until: datetime | None) -> Kept | None:
    """The version of a document that was there before a moment; None where it was not there, or that was forgotten."""
    if until is None or kept.at < until:
        return kept
    before = [one for one in record.history(kept.kind, kept.id) if one.at < until]
    return before[-1] if before else None


def _system(
    record: Record, system: documents.System, judged: Sequence[KeptVerdict], over: Window, *, base: Path, now: datetime
) -> SystemFact:
    stand = partial(tracing.stand_of, record, base=base, now=now)
    found = tracing.trace_system(record, system.id, stand=stand, today=now.date())
    failed = {one.requirement for one in judged if one.system == system.id and one.verdict != "met"}
    asked = found.facts.controls
    return SystemFact(
        name=system.id, tier=system.tier, has_intake=_has_intake(record, system.id, over),
        statuses=tuple(
            (one.at, one.document.status)
            for one in record.history("system", system.id)
            if one.at < over.until and isinstance(one.document, documents.System)
        ),
        required=asked.required, covered=len(asked.covered), waived=len(asked.waived),
        promises=len(found.paths), traced=graph.closed(found, failed),
    )  # fmt: skip


def _has_intake(record: Record, system: str, over: Window) -> bool:
    found = record.get("answers", version_id(QUESTIONNAIRE, system))
    kept = _as_of(record, found, over.until) if found is not None else None
    return kept is not None and isinstance(kept.document, documents.Answers) and kept.document.status != "draft"


def _run(kept: KeptRun, verdicts: Sequence[KeptVerdict]) -> RunFact:
    facts = kept.facts
    return RunFact(
        digest=facts.digest, system=facts.system, version=facts.version, created=facts.created,
        decision=cast("Outcome", facts.decision), locked=facts.locked,
        verdicts=tuple(
            (one.requirement, one.verdict, bool(one.body.get("waiver")) and one.verdict != "met", _has_interval(one))
            for one in verdicts
        ),
    )  # fmt: skip


def _has_interval(verdict: KeptVerdict) -> bool:
    estimate = verdict.body.get("estimate") or {}
    return estimate.get("low") is not None or estimate.get("high") is not None


def _decisions(
    record: Record, decisions: Sequence[tuple[Kept, documents.Decision]], over: Window
) -> Iterator[DecisionFact]:
    for kept, _ in decisions:
        versions = [one for one in record.history("decision", kept.id) if one.at < over.until and one.document]
        if versions:
            last = cast("documents.Decision", versions[-1].document)
            yield DecisionFact(
                system=last.system, decided=versions[0].at, outcome=last.outcome, automated=last.automated,
                uses=tuple(
                    UseFact(run=run, at=at, changed=_changed(record, last, at, over), is_relied_on=run in last.runs)
                    for run, at in _named(versions).items()
                ),
            )  # fmt: skip


def _named(versions: Sequence[Kept]) -> dict[str, datetime]:
    """When the versions of a decision, the oldest first, named each run first."""
    named: dict[str, datetime] = {}
    for one in versions:
        for run in cast("documents.Decision", one.document).runs:
            named.setdefault(run, one.at)
    return named


def _changed(record: Record, decision: documents.Decision, at: datetime, over: Window) -> bool | None:
    """Whether a digest of the decision's version is another one than it was then; None where there were none."""
    kept = record.history("version", version_id(decision.system, decision.version))
    then = [one.document for one in kept if one.at <= at and isinstance(one.document, documents.Version)]
    now = [one.document for one in kept if one.at < over.until and isinstance(one.document, documents.Version)]
    if not then or not then[-1].digests:
        return None
    return then[-1].digests != now[-1].digests


def _approvals(record: Record, stands: Sequence[Standing], over: Window) -> Iterator[ApprovalFact]:
    people = everyone(record)
    states = {one.document.id: one.state for each in stands for one in each.signatures}

    def identity(person: str) -> str:
        return people[person].identity if person in people else person

    for kept, said in _all(record, documents.SignOff, "sign-off", over.until):
        if said.withdrawn or said.verdict == "reject":
            continue
        at = record.history("sign-off", kept.id)[0].at
        system = _system_at(record, said.system, at)
        waivers = (record.get("waiver", bound.id) for bound in said.bindings.waivers)
        asked = [getattr(waiver.document, "requester", "") for waiver in waivers if waiver is not None]
        others = {identity(one) for one in (*said.prepared_by, *asked, system.owner if system else "") if one}
        state = states.get(said.id, "superseded")  # another decision on its run took the place of its own
        yield ApprovalFact(
            at=at,
            is_required=said.role in REQUIRED[system.tier if system else "critical"].roles,
            is_independent=identity(said.signer) not in others,
            is_in_force=state not in ("withdrawn", "superseded"), is_valid=state == "counts",
        )  # fmt: skip


def _system_at(record: Record, name: str, moment: datetime) -> documents.System | None:
    """A system as it was at a moment."""
    found = record.get("system", name)
    kept = _as_of(record, found, moment + datetime.resolution) if found is not None else None
    return kept.document if kept is not None and isinstance(kept.document, documents.System) else None


def _effect(record: Record, one: documents.Mitigation) -> bool | None:
    """Whether the run that verifies a mitigation shows it to work by paired changes, at the expense of no other metric
    that is asked for; None where it measured no such change."""
    if one.verification is None:
        return None
    changed: defaultdict[tuple[str, str], list[int | None]] = defaultdict(list)
    for row in record.estimates(run=one.verification, compare="change").to_pylist():
        if (row["slice"] or "{}") == "{}":
            changed[row["evaluation"], row["metric"]].append(_side(row))
    own, others = list[int | None](), list[int | None]()
    for verdict in record.verdicts(run=one.verification, limit=MOST):
        asked = verdict.body.get("estimate") or {}
        key = (str(asked.get("evaluation")), str(asked.get("metric")))
        (own if verdict.requirement in one.requirements else others).extend(changed.get(key, ()))
    if not own or None in own:
        return None
    return all(side == 1 for side in own) and -1 not in others


def _side(change: Mapping[str, Any]) -> int | None:
    """On which side of zero the interval of a change lies: 1 the better one, -1 the worse one, 0 it holds zero; None
    where there is no interval, or no side is better."""
    try:
        better = getattr(lookup(str(change["metric"])), "better", None)
    except ShipworthyError:
        return None
    low, high = change["low"], change["high"]
    if better is None or low is None or high is None:
        return None
    side = 1 if low > 0 else -1 if high < 0 else 0
    return side if better == "higher" else -side


def _was_approved(record: Record, kept: Kept, waiver: documents.Waiver, over: Window) -> bool:
    """Whether a waiver was approved at the window's end; where it had ended by then, on its last day: what is withdrawn
    later had ended all the same."""
    if waiver.ends < over.last.astimezone(UTC).date():
        then = _as_of(record, kept, end_of(waiver.ends))
        waiver = then.document if then is not None and isinstance(then.document, documents.Waiver) else waiver
    return waiver.status == "approved"


def _is_open(waiver: documents.Waiver, judged: Sequence[KeptVerdict]) -> bool:
    """Whether the newest verdict on what it covers, of whatever version, is not met; where there is none, nothing shows
    that it is."""
    found = (one for one in judged if one.system == waiver.system and one.requirement == waiver.requirement)
    newest = next(found, None)
    return newest is None or newest.verdict != "met"


def _risk(versions: Sequence[Kept], over: Window) -> RiskFact:
    def at(moment: datetime) -> documents.Risk | None:
        known = [one.document for one in versions if one.at < moment and isinstance(one.document, documents.Risk)]
        return known[-1] if known else None

    def score(risk: documents.Risk | None) -> int | None:
        return None if risk is None or risk.status == "closed" else (risk.residual or risk.inherent).score

    before, after = at(over.since), at(over.until)
    was = before.status if before else "open"
    return RiskFact(
        before=score(before), after=score(after), is_known_before=before is not None,
        is_treated=after is not None and after.status not in (was, "open"),
    )  # fmt: skip


def _incident(one: documents.Incident, judged: Sequence[KeptVerdict], runs: dict[str, KeptRun]) -> IncidentFact:
    return IncidentFact(
        system=one.system, severity=one.severity, detected=one.detected, started=one.started,
        acknowledged=one.acknowledged, mitigated=one.mitigated, resolved=one.resolved, closed=one.closed,
        signature=one.signature.strip().casefold(), reportable=incidents.class_of(one) is not None,
        report_due=incidents.report_due(one), reported=one.reported, is_tested=_is_tested(one, judged),
        actions=tuple(
            (action.due, _done(runs.get(action.verification or ""))) for action in one.actions if action.due is not None
        ),
    )  # fmt: skip


def _done(run: KeptRun | None) -> date | None:
    """When an action was shown to be done: the day of a run that would ship."""
    return run.facts.created.date() if run is not None and run.facts.decision == "ship" else None


def _is_tested(incident: documents.Incident, judged: Sequence[KeptVerdict]) -> bool:
    """Whether a regression test failed before the incident was closed, and passed in a later run."""
    for name in incident.regression_tests:
        of_test = [one for one in judged if one.system == incident.system and one.requirement == name]
        failed = [
            one.created
            for one in of_test
            if one.verdict == "breached" and (incident.closed is None or one.created < incident.closed)
        ]
        if failed and any(one.verdict == "met" and one.created > min(failed) for one in of_test):
            return True
    return False
