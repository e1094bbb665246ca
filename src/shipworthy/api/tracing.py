"""Traceability of a system, put together from its plan and the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shipworthy.api.changes import Looking
from shipworthy.api.checking import load
from shipworthy.api.handing import Handed, packages
from shipworthy.api.recording import kept_plan
from shipworthy.api.runs import MOST, current, decision_of, runs_with
from shipworthy.api.standing import Standing, standing
from shipworthy.api.systems import system_of
from shipworthy.charts.flow import Box, flow
from shipworthy.evidence import trace as graph
from shipworthy.evidence.controls import Controls, controls
from shipworthy.gates.fitness import REQUIRED
from shipworthy.plan.models import Tier
from shipworthy.present.verdicts import mark
from shipworthy.record import documents

if TYPE_CHECKING:
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
    system_of(record, plan.system.name)
    newest = next(iter(record.runs(system=plan.system.name, version=plan.system.version, limit=1)), None)
    stands = None if newest is None else stand_of(record, newest, base=base, now=now)
    promises = graph.promises_of(plan)
    return _traced(record, plan.system.name, plan.system.version, newest, promises, stands=stands, today=now.date())


def stand_of(record: Record, run: KeptRun, *, base: Path, now: datetime) -> Standing:
    """Where a run's decision stands. Its data are not read again; `shipworthy status` does that."""
    return standing(record, run, Looking(base=base, now=now, data=False))


def trace_system(
    record: Record, system: str, *, stand: Callable[[KeptRun], Standing | None], today: date
) -> graph.Trace:
    """The map of a system by its newest run, whether or not a decision rests on that one: what it judged, and what its
    plan names beside it. Where the newest decision on it rests on others too, they are traced with it.

    stand: where the decision on a run stands, such as `stand_of`; None where that cannot be said, and nothing is said
    of signatures. Raises Unusable (GOVERN002).
    """
    system_of(record, system)
    newest = next(iter(record.runs(system=system, limit=1)), None)
    version, judged = None, list[graph.Promise]()
    if newest is not None:
        runs = _traced_runs(record, newest)
        version = newest.facts.version
        digests = list(dict.fromkeys(one.facts.plan_digest for one in runs))
        promised = {
            one.id: one for plan in digests if (kept := kept_plan(record, plan)) for one in graph.promises_of(kept)
        }
        verdicts = record.verdicts_of(*(one.facts.digest for one in runs))
        judged = list({one.requirement: promised.get(one.requirement) or _promise(one) for one in verdicts}.values())
        plans = [found for one in digests if (found := record.get("plan", one)) is not None]
    else:
        plans = list(record.find("plan", system=system, limit=MOST))
    known = {one.id for one in judged}
    named = dict.fromkeys(
        name for one in plans if isinstance(one.document, documents.Plan) for name in one.document.requirements
    )
    promises = [*judged, *(graph.Promise(id=name, evaluation="not recorded") for name in named if name not in known)]
    stands = None if newest is None else stand(newest)
    return _traced(record, system, version, newest, promises, stands=stands, today=today)


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
    newest: KeptRun | None,
    promises: Iterable[graph.Promise],
    *,
    stands: Standing | None,
    today: date,
) -> graph.Trace:
    asked, tier = tuple(promises), system_of(record, system).system.tier
    runs = _traced_runs(record, newest) if newest is not None else ()
    own = record.verdicts_of(*(one.facts.digest for one in runs))
    judged: dict[str, KeptVerdict] = {}
    for one in own:  # of two on one requirement the worse, as the decision has it
        before = judged.get(one.requirement)
        if before is None or _rank(one) < _rank(before):
            judged[one.requirement] = one
    found = {
        one.id: verdict
        for one in asked
        if (verdict := judged.get(one.id) or _newest(record, system, version, one.id)) is not None
    }
    mitigations = _documents(record, documents.Mitigation, "mitigation", system)
    named = {one.run for one in found.values()} | {one.verification for one in mitigations if one.verification}
    named |= {one.facts.digest for one in runs}
    waivers = [one for one in _documents(record, documents.Waiver, "waiver", system) if one.status == "approved"]
    signatures = tuple(_signatures(stands, tier)) if newest is None or stands is not None else ()
    held = {name: found_of(verdict) for name, verdict in found.items()}
    return graph.trace(
        graph.Facts(
            system=system, version=version, tier=tier, today=today, promises=asked, found=held,
            run=newest.facts.digest if newest is not None else None,
            beside=tuple(one.facts.digest for one in runs if one is not newest),
            risks=tuple(_documents(record, documents.Risk, "risk", system)), mitigations=tuple(mitigations),
            waivers=tuple(waivers), runs={one.facts.digest: one.facts.run for one in record.runs_named(*sorted(named))},
            signatures=signatures,
            controls=controls_of(
                record, system, tier, asked, {one: said.verdict for one, said in held.items()},
                is_signed=any(one.counts for one in signatures),
            ),
        )
    )  # fmt: skip


def _traced_runs(record: Record, newest: KeptRun) -> tuple[KeptRun, ...]:
    """The newest run, and those that its decision rests on with it."""
    return newest, *(one for one in runs_with(record, newest) if one.facts.digest != newest.facts.digest)


def _rank(verdict: KeptVerdict) -> int:
    state = "waived" if verdict.body.get("waiver") and verdict.verdict != "met" else verdict.verdict
    return _WORST.index(state) if state in _WORST else 0


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


def found_of(verdict: KeptVerdict) -> graph.Found:
    """A recorded verdict, as it is traced."""
    stated, terms = verdict.body.get("waiver"), verdict.body.get("terms")
    waiver = stated if isinstance(stated, dict) else {}
    ends = waiver.get("ends")
    return graph.Found(
        run=verdict.run, name=verdict.name, waiver=waiver.get("id"), terms=terms if isinstance(terms, str) else None,
        verdict=verdict.verdict if verdict.verdict in _WORST else "undecided",
        waiver_ends=_day(ends) if ends else None,
    )  # fmt: skip


def _signatures(stands: Standing | None, tier: Tier) -> Iterator[graph.Signature]:
    """What each required role says of the newest run."""
    for role in REQUIRED[tier].roles:
        said = [one for one in stands.signatures if one.document.role == role] if stands else []
        counting = [one for one in said if one.state == "counts"]
        rejections = [one for one in counting if one.document.verdict == "reject"]
        if not said:
            yield graph.Signature(role=role, said="", counts=False)
        elif rejections or not counting:
            last = (rejections or said)[-1]
            why = "rejected" if rejections else last.state
            yield graph.Signature(role=role, said=f"{why} ({last.signer})", counts=False)
        else:
            yield graph.Signature(role=role, said=counting[-1].signer, counts=True)


def decided_elsewhere(record: Record, found: graph.Trace, *, version: str | None = None) -> KeptRun | None:
    """The run that `shipworthy status` looks at, where that is another than the one that is traced.

    version: the one that is asked about; None: whichever was decided on last.
    """
    if found.facts.run is None:
        return None
    kept = current(record, found.facts.system, version)
    is_same = found.facts.run in {one.facts.digest for one in runs_with(record, kept)}
    return None if is_same else kept


def packages_of(record: Record, system: str, version: str | None) -> list[Handed]:
    """The packages that were handed out of the newest run of a version, or of its decision; the newest first."""
    newest = record.runs(system=system, version=version, limit=1)
    if not newest:
        return []
    digest = newest[0].facts.digest
    decision = decision_of(record, digest)
    return packages(record, digest, decision.id if decision else None)


def controls_of(
    record: Record,
    system: str,
    tier: Tier,
    promises: Iterable[graph.Promise],
    standings: dict[str, str],
    *,
    is_signed: bool,
) -> Controls:
    """The controls that a system needs evidence for.

    standings: requirement -> its newest verdict, or "waived". is_signed: an approval of its newest run counts today.
    """
    held: dict[str, str] = {}
    for one in promises:
        for control in one.controls:
            both = (held.get(control, "met"), standings.get(one.id, "missing"))
            held[control] = min(both, key=_WORST.index)
    rows = evidence_rows(record, system) | ({"gate"} if is_signed else frozenset())
    return controls(tier, rows, held)


def evidence_rows(record: Record, system: str) -> frozenset[str]:
    """The rows of the crosswalk for which the record has something about a system that is finished, but for the gate.

    A run alone is no documentation, and a signature no oversight of a system that works: a package has to have been
    handed out, and somebody to have said who can stop the system.
    """
    rows = {"audit-trail"} if record.size() else set()
    answered = [one for one in _documents(record, documents.Answers, "answers", system) if one.status != "draft"]
    if any(one.questionnaire.startswith("intake@") for one in answered):
        rows.add("intake")
    if any(one.answers.get("oversight.measures") for one in answered):
        rows.add("oversight")
    if record.find("plan", system=system, status="locked", limit=1):
        rows.add("plan")
    if record.find("risk", system=system, limit=1):
        rows.add("risks")
    if packages_of(record, system, None):
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
