"""Traceability of a system, put together from its plan and the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shipworthy.api.changes import Looking
from shipworthy.api.checking import load
from shipworthy.api.handing import Handed, packages
from shipworthy.api.recording import kept_plan
from shipworthy.api.runs import MOST, decision_of
from shipworthy.api.standing import standing
from shipworthy.api.systems import system_of
from shipworthy.charts.flow import Box, flow
from shipworthy.evidence import trace as graph
from shipworthy.evidence.controls import Controls, controls
from shipworthy.gates.fitness import REQUIRED
from shipworthy.plan.models import Tier
from shipworthy.present.verdicts import mark
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.plan.models import Plan
    from shipworthy.record.runs import KeptRun, KeptVerdict
    from shipworthy.record.store import Record

HEADINGS: dict[graph.Kind, str] = {
    "requirement": "Requirement", "evaluation": "Evaluation", "run": "Run", "verdict": "Verdict", "waiver": "Waiver",
    "risk": "Risk", "mitigation": "Mitigation", "verification": "Verified by run", "sign-off": "Sign-off",
}  # fmt: skip
D = TypeVar("D", bound=documents.Document)
_LOOKED = 200  # newest verdicts of a requirement among which that of a version is looked for
_WORST = ("missing", "breached", "undecided", "waived", "met")


def trace_plan(record: Record, path: Path, *, base: Path, now: datetime) -> graph.Trace:
    """The map of what a plan promises, as it stands for the version that the plan is about.

    base: the folder that places of runs start from. Raises PlanError, Unusable (GOVERN002).
    """
    plan = load(path).plan
    return _traced(record, plan.system.name, plan.system.version, _promises(plan), base=base, now=now)


def trace_system(record: Record, system: str, *, base: Path, now: datetime) -> graph.Trace:
    """The map of a system by its newest run: what that run judged, and what its plan names beside it.

    Raises Unusable (GOVERN002).
    """
    system_of(record, system)
    runs = record.runs(system=system, limit=1)
    version, judged = None, list[graph.Promise]()
    if runs:
        facts = runs[0].facts
        version = facts.version
        promised = {one.id: one for one in _promises(plan)} if (plan := kept_plan(record, facts.plan_digest)) else {}
        judged = [
            promised.get(one.requirement) or _promise(one) for one in record.verdicts(run=facts.digest, limit=MOST)
        ]
        kept = record.get("plan", facts.plan_digest)
        plans = [kept] if kept is not None else []
    else:
        plans = list(record.find("plan", system=system, limit=MOST))
    known = {one.id for one in judged}
    named = dict.fromkeys(
        name for one in plans if isinstance(one.document, documents.Plan) for name in one.document.requirements
    )
    promises = [*judged, *(graph.Promise(id=name, evaluation="not recorded") for name in named if name not in known)]
    return _traced(record, system, version, promises, base=base, now=now)


def _promises(plan: Plan) -> list[graph.Promise]:
    alone = next(iter(plan.evaluations)) if len(plan.evaluations) == 1 else None
    return [
        graph.Promise(
            id=one.id, text=one.text, severity=one.severity, evaluation=one.evaluation or alone, controls=one.controls
        )
        for one in plan.requirements
    ]


def _controls(stated: object) -> tuple[str, ...]:
    """The controls that a recorded verdict names; none where it holds something else."""
    return tuple(str(one) for one in stated) if isinstance(stated, list) else ()


def _promise(verdict: KeptVerdict) -> graph.Promise:
    body = verdict.body
    return graph.Promise(
        id=verdict.requirement, severity=verdict.severity, controls=_controls(body.get("controls")),
        evaluation=(body.get("estimate") or {}).get("evaluation") or "not estimated",
    )  # fmt: skip


def _traced(
    record: Record,
    system: str,
    version: str | None,
    promises: Iterable[graph.Promise],
    *,
    base: Path,
    now: datetime,
) -> graph.Trace:
    asked, tier = tuple(promises), system_of(record, system).system.tier
    found = {one.id: verdict for one in asked if (verdict := _newest(record, system, version, one.id))}
    mitigations = _documents(record, documents.Mitigation, "mitigation", system)
    named = {one.run for one in found.values()} | {one.verification for one in mitigations if one.verification}
    waivers = [one for one in _documents(record, documents.Waiver, "waiver", system) if one.status == "approved"]
    newest = record.runs(system=system, version=version, limit=1)
    signatures = tuple(_signatures(record, newest[0] if newest else None, tier, base=base, now=now))
    held = {name: _found(verdict) for name, verdict in found.items()}
    return graph.trace(
        graph.Facts(
            system=system, version=version, tier=tier, today=now.date(), promises=asked, found=held,
            risks=tuple(_documents(record, documents.Risk, "risk", system)), mitigations=tuple(mitigations),
            waivers=tuple(waivers), runs={one: runs[0].facts.run for one in named if (runs := record.runs(digest=one))},
            signatures=signatures,
            controls=controls_of(record, system, tier, asked, {one: said.verdict for one, said in held.items()}),
        )
    )  # fmt: skip


def _newest(record: Record, system: str, version: str | None, requirement: str) -> KeptVerdict | None:
    for one in record.verdicts(system=system, requirement=requirement, limit=_LOOKED):
        if version in (None, one.version):
            return one
    return None


def _day(stated: object) -> date:
    """When a waiver ends, as a recorded verdict says; long ago where it says something else."""
    try:
        return date.fromisoformat(str(stated))
    except ValueError:
        return date.min


def _found(verdict: KeptVerdict) -> graph.Found:
    waiver = verdict.body.get("waiver") or {}
    ends = waiver.get("ends")
    return graph.Found(
        run=verdict.run, name=verdict.name, waiver=waiver.get("id"),
        verdict=verdict.verdict if verdict.verdict in _WORST else "undecided",
        waiver_ends=_day(ends) if ends else None,
    )  # fmt: skip


def _signatures(
    record: Record, kept: KeptRun | None, tier: Tier, *, base: Path, now: datetime
) -> Iterator[graph.Signature]:
    """What each required role says of the newest run. Its data are not read again; `shipworthy status` does that."""
    stands = None if kept is None else standing(record, kept, Looking(base=base, now=now, data=False))
    for role in REQUIRED[tier].roles:
        said = [one for one in stands.signatures if one.document.role == role] if stands else []
        last = said[-1] if said else None
        is_stale = last is not None and stands is not None and bool(last.changes or stands.changes)
        if last is None:
            yield graph.Signature(role=role, said="", counts=False)
        elif last.document.withdrawn or last.document.verdict == "reject" or is_stale:
            why = "withdrawn" if last.document.withdrawn else "rejected" if not is_stale else "stale"
            yield graph.Signature(role=role, said=f"{why} ({last.signer})", counts=False)
        else:
            yield graph.Signature(role=role, said=last.signer, counts=True)


def packages_of(record: Record, system: str, version: str | None) -> list[Handed]:
    """The packages that were handed out of the newest run of a version, or of its decision; the newest first."""
    newest = record.runs(system=system, version=version, limit=1)
    if not newest:
        return []
    digest = newest[0].facts.digest
    decision = decision_of(record, digest)
    return packages(record, digest, decision.id if decision else None)


def controls_of(
    record: Record, system: str, tier: Tier, promises: Iterable[graph.Promise], standings: dict[str, str]
) -> Controls:
    """The controls that a system needs evidence for. standings: requirement -> its newest verdict, or "waived"."""
    held: dict[str, str] = {}
    for one in promises:
        for control in one.controls:
            both = (held.get(control, "met"), standings.get(one.id, "missing"))
            held[control] = min(both, key=_WORST.index)
    return controls(tier, evidence_rows(record, system), held)


def evidence_rows(record: Record, system: str) -> frozenset[str]:
    """The rows of the crosswalk for which the record has something about a system that is finished."""
    rows = {"audit-trail"} if record.size() else set()
    if any(
        isinstance(one, documents.Answers) and one.questionnaire.startswith("intake@") and one.status != "draft"
        for one in _documents(record, documents.Answers, "answers", system)
    ):
        rows.add("intake")
    if record.find("plan", system=system, status="locked", limit=1):
        rows.add("plan")
    approved = record.find("sign-off", system=system, status=["approve", "approve with conditions"], limit=1)
    if approved:
        rows |= {"gate", "oversight"}
    if record.find("risk", system=system, limit=1):
        rows.add("risks")
    if record.verdicts(system=system, limit=1):
        rows.add("package")
    if any(one.digests for one in _documents(record, documents.Version, "version", system)):
        rows.add("supply-chain")
    return frozenset(rows)


def _documents(record: Record, model: type[D], kind: documents.Kind, system: str) -> list[D]:
    found = (one.document for one in record.find(kind, system=system, limit=MOST))
    return [one for one in found if isinstance(one, model)]


def picture(found: graph.Trace) -> str:
    """The map as an SVG picture of its own."""
    columns = [(HEADINGS[kind], [_box(node) for node in nodes]) for kind, nodes in graph.columns(found)]
    facts = found.facts
    title = f"Traceability of {facts.system} {facts.version or ''}: {len(found.gaps)} gaps"
    signed = {node.id for node in found.nodes if node.kind == "sign-off"}  # of the whole: no line leads there
    ways = [edge for edge in found.edges if edge[1] not in signed]
    return str(flow(columns, ways, title=title)) + "\n"


def _box(node: graph.Node) -> Box:
    verdict = mark(node.state) if node.kind == "verdict" else None
    return Box(id=node.id, text=node.text, state=node.state, mark=verdict, is_gap=node.gap is not None)
