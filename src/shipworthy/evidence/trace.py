"""Traceability: from each requirement to its test, verdict, risk, mitigation and signature, and every gap.

`trace` draws the map of a system from what is recorded of it today, for the command, the page and the indicators;
`trace_run` writes the table of one run, as its package keeps it, with the same gaps. What hangs on a requirement is
told in one place for it and for the page of a requirement: `hanging_on`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import Any, Literal, TypeAlias, TypeVar

from shipworthy.digest import Json
from shipworthy.errors import Fault
from shipworthy.evidence.controls import Controls
from shipworthy.evidence.documents.known import Known, RecordFacts
from shipworthy.gates.fitness import REQUIRED
from shipworthy.gates.waivers import terms_of
from shipworthy.plan.models import Plan, Tier
from shipworthy.record.documents import STILL_OPEN, Document, Mitigation, Risk, Waiver

SCHEMA = "shipworthy/trace-graph@1"
SCHEMA_OF_RUN = "shipworthy/trace@1"
T = TypeVar("T")
D = TypeVar("D", bound=Document)
Body: TypeAlias = Mapping[str, Any]
Kind: TypeAlias = Literal[
    "requirement", "evaluation", "run", "verdict", "waiver", "risk", "mitigation", "verification", "sign-off"
]
KINDS: tuple[Kind, ...] = (  # from left to right
    "requirement", "evaluation", "run", "verdict", "waiver", "risk", "mitigation", "verification", "sign-off",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """One requirement of the plan."""

    id: str
    text: str = ""
    severity: str = ""
    evaluation: str | None = None
    controls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The newest verdict on a requirement."""

    run: str  # digest
    name: str  # of the run
    verdict: str
    terms: str | None = None  # digest of what the requirement asked for
    waiver: str | None = None  # id of the waiver that the run counted
    waiver_ends: date | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """What one required role says."""

    role: str
    said: str  # who and what, or ""
    counts: bool  # an approval that is neither withdrawn nor stale


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is recorded of a system."""

    system: str
    version: str | None
    tier: Tier
    today: date
    run: str | None = None  # digest of the run that is traced; a requirement that it did not judge has an earlier one
    beside: tuple[str, ...] = ()  # the other runs that the newest decision on it rests on, traced with it
    promises: tuple[Promise, ...]
    found: Mapping[str, Found]  # requirement -> its newest verdict
    risks: tuple[Risk, ...]
    mitigations: tuple[Mitigation, ...]
    waivers: tuple[Waiver, ...]  # approved
    runs: Mapping[str, str]  # digest -> name, of every run that something names
    signatures: tuple[Signature, ...]  # one for each required role
    controls: Controls


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One thing on the map."""

    id: str
    kind: Kind
    text: str  # outside text
    state: str = ""  # a word or two
    gap: str | None = None  # code of the gap; a node with text "" stands for what is missing


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """The map."""

    facts: Facts
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    gaps: tuple[Fault, ...]
    paths: Mapping[str, tuple[tuple[str, ...], ...]]  # requirement -> its paths, as ids of nodes
    loose: tuple[tuple[str, ...], ...]  # paths that begin at no requirement of the plan

    def on(self, requirement: str, kind: Kind) -> tuple[Node, ...]:
        """What of a kind stands on the paths of a requirement, each once; not the empty places."""
        wanted = dict.fromkeys(id_ for path in self.paths.get(requirement, ()) for id_ in path)
        return tuple(one for one in self.nodes if one.kind == kind and one.text and one.id in wanted)

    def gaps_on(self, requirement: str) -> tuple[Fault, ...]:
        """The gaps of a requirement, and of the risks and mitigations that hang on it."""
        of: dict[GapOf, set[str]] = {
            "requirement": {requirement},
            "risk": {one.text for one in self.on(requirement, "risk")},
            "mitigation": {one.text for one in self.on(requirement, "mitigation")},
        }
        return tuple(one for one in self.gaps if one.where in of.get(GAP_OF[one.code], ()))

    def as_json(self) -> dict[str, Json]:
        """For machines: `shipworthy/trace-graph@1`."""
        facts = self.facts
        return {
            "schema": SCHEMA,
            "system": facts.system,
            "version": facts.version,
            "tier": facts.tier,
            "run": facts.run,
            "beside": list(facts.beside),
            "nodes": [
                {"id": one.id, "kind": one.kind, "text": one.text, "state": one.state, "gap": one.gap}
                for one in self.nodes
            ],
            "edges": [{"from": one, "to": other} for one, other in self.edges],
            "controls": {
                "required": facts.controls.required,
                "covered": sorted(facts.controls.covered),
                "waived": sorted(facts.controls.waived),
                "missing": sorted(facts.controls.missing),
            },
            "gaps": [{"code": one.code, "gap": one.what, "of": one.where, "mend": one.mend} for one in self.gaps],
        }


@dataclass(slots=True)
class _Map:
    """The graph while it is drawn."""

    facts: Facts
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], None] = field(default_factory=dict)
    gaps: list[Fault] = field(default_factory=list)

    def put(self, node: Node, after: str | None = None) -> str:
        self.nodes.setdefault(node.id, node)
        if after is not None:
            self.edges[after, node.id] = None
        return node.id

    def miss(self, code: str, kind: Kind, of: str, after: str | None) -> str:
        """A gap, and the empty place where something should stand."""
        self.note(code, of)
        return self.put(Node(id=f"missing {kind}: {of}", kind=kind, text="", state=_GAPS[code][0], gap=code), after)

    def note(self, code: str, of: str, what: str = "") -> None:
        words, mend = _GAPS[code]
        if what.startswith("rejected"):  # nothing is missing that could be added
            mend = "mend what it was rejected for, check again, and have that run signed"
        self.gaps.append(Fault(code=code, what=what or words, where=of, mend=mend))


_GAPS: Mapping[str, tuple[str, str]] = {
    "TRACE001": ("no evaluation", "name the `evaluation` of the requirement in the plan"),
    "TRACE002": ("never run", "`shipworthy check`"),
    "TRACE003": ("no risk, no waiver", "`shipworthy risk add --requirement`, or `shipworthy waiver request`"),
    "TRACE004": ("no owner", "`shipworthy risk update --owner`"),
    "TRACE005": ("no treatment", "`shipworthy risk treat`"),
    "TRACE006": ("no mitigation", "`shipworthy mitigation add --risk`"),
    "TRACE007": ("not verified", "`shipworthy mitigation verify` with a run that meets what the one before did not"),
    "TRACE008": ("nobody has approved", "`shipworthy sign`"),
    "TRACE009": ("no evidence", "`shipworthy catalogues CONTROL` says what speaks to it"),
}


GapOf: TypeAlias = Literal["requirement", "risk", "mitigation", "sign-off", "control"]
GAP_OF: Mapping[str, GapOf] = {  # code of a gap -> what is named as where it is
    "TRACE001": "requirement", "TRACE002": "requirement", "TRACE003": "requirement", "TRACE004": "risk",
    "TRACE005": "risk", "TRACE006": "risk", "TRACE007": "mitigation", "TRACE008": "sign-off", "TRACE009": "control",
}  # fmt: skip


def trace(facts: Facts) -> Trace:
    """The map of a system, and what is missing on it (TRACE001 to TRACE009)."""
    drawn = _Map(facts)
    ends = {promise.id: list(_ends(drawn, promise)) for promise in facts.promises}
    loose = list[tuple[str, ...]]()
    for risk in _open(facts):
        if f"risk: {risk.id}" not in drawn.nodes:
            loose += _risk(drawn, risk, None)
    for one in facts.mitigations:
        if f"mitigation: {one.id}" not in drawn.nodes and one.status != "abandoned":
            loose.append(_mitigation(drawn, one, None))
    verdicts = [id_ for id_, node in drawn.nodes.items() if node.kind == "verdict"]
    for signature in facts.signatures:
        id_ = f"sign-off: {signature.role}"
        if signature.counts:
            drawn.put(Node(id=id_, kind="sign-off", text=signature.role, state=signature.said))
        else:
            drawn.note("TRACE008", signature.role, signature.said or f"nobody has approved as {signature.role}")
            word = signature.said or "missing"
            drawn.put(Node(id=id_, kind="sign-off", text=signature.role, state=word, gap="TRACE008"))
        for verdict in verdicts:
            drawn.edges[verdict, id_] = None
    _controls(drawn)
    return Trace(
        facts=facts, nodes=tuple(drawn.nodes.values()), edges=tuple(drawn.edges), gaps=tuple(drawn.gaps),
        paths={name: tuple(found) for name, found in ends.items()}, loose=tuple(loose),
    )  # fmt: skip


def _open(facts: Facts) -> Iterator[Risk]:
    return (one for one in facts.risks if one.status in STILL_OPEN)


def _ends(drawn: _Map, promise: Promise) -> Iterator[tuple[str, ...]]:
    """Draw what follows from a requirement; every path, from left to right."""
    facts, found = drawn.facts, drawn.facts.found.get(promise.id)
    start = drawn.put(
        Node(id=f"requirement: {promise.id}", kind="requirement", text=promise.id, state=promise.severity)
    )
    if promise.evaluation is None:
        yield start, drawn.miss("TRACE001", "evaluation", promise.id, start)
        return
    name = promise.evaluation
    path: tuple[str, ...] = (start, drawn.put(Node(id=f"evaluation: {name}", kind="evaluation", text=name), start))
    if found is None:
        yield *path, drawn.miss("TRACE002", "run", promise.id, path[-1])
        return
    path = (*path, drawn.put(Node(id=f"run: {found.run}", kind="run", text=found.name), path[-1]))
    waiver = waiver_today(
        promise.id, found, facts.waivers, version=facts.version, evaluation=promise.evaluation, today=facts.today
    )
    state = "waived" if waiver else found.verdict
    path = (*path, drawn.put(Node(id=f"verdict: {promise.id}", kind="verdict", text=promise.id, state=state), path[-1]))
    tails = list(_tails(drawn, promise, found, path[-1], waiver))
    yield from ((*path, *tail) for tail in tails or [()])


def _tails(
    drawn: _Map, promise: Promise, found: Found, after: str, waiver: tuple[str, date] | None
) -> Iterator[tuple[str, ...]]:
    if waiver is not None:
        id_, ends = waiver
        yield (drawn.put(Node(id=f"waiver: {id_}", kind="waiver", text=id_, state=f"until {ends}"), after),)
    risks = [one for one in _open(drawn.facts) if promise.id in one.requirements]
    for risk in risks:
        yield from _risk(drawn, risk, after, of=promise.id)
    of_risks = {one for risk in risks for one in risk.mitigations}
    for one in drawn.facts.mitigations:
        is_loose = one.id not in of_risks and not set(one.risks) & {risk.id for risk in risks}
        if promise.id in one.requirements and is_loose and one.status != "abandoned":
            yield _mitigation(drawn, one, after)
    if found.verdict == "breached" and not risks and waiver is None:
        yield (drawn.miss("TRACE003", "risk", promise.id, after),)


def waiver_today(
    requirement: str, found: Found, waivers: Iterable[Waiver], *, version: str | None, evaluation: str | None,
    today: date,
) -> tuple[str, date] | None:  # fmt: skip
    """The waiver that a requirement has leave by today, with its last day; None for one that is met, or has none.

    It is the one that the run counted, while it is in force, or else one that was approved since. Every face that says
    how a requirement stands today asks here. waivers: those of the system that are approved.
    """
    if found.verdict == "met":
        return None
    approved = tuple(waivers)
    is_left = any(one.id == found.waiver for one in approved)  # else it was withdrawn since
    if found.waiver is not None and found.waiver_ends is not None and found.waiver_ends >= today and is_left:
        return found.waiver, found.waiver_ends
    known = [
        one
        for one in approved
        if one.requirement == requirement
        and one.starts <= today <= one.ends
        and one.scope.version in (None, version)
        and one.scope.evaluation in (None, evaluation)
        and (found.terms is None or one.scope.requirement_digest in (None, found.terms))
        and one.scope.slice is None  # whether it covers every slice that fails, the next run says
    ]
    return max(((one.id, one.ends) for one in known), key=lambda pair: (pair[1], pair[0]), default=None)


def _risk(drawn: _Map, risk: Risk, after: str | None, *, of: str | None = None) -> Iterator[tuple[str, ...]]:
    """The paths through a risk. of: the requirement that they begin at: a mitigation that says which requirements it is
    for stands on the paths of these alone."""
    is_new = f"risk: {risk.id}" not in drawn.nodes
    score = (risk.residual or risk.inherent).score
    gaps = [code for code, missing in (("TRACE004", not risk.owner), ("TRACE005", risk.treatment is None)) if missing]
    state = ", ".join([f"{score} {risk.status}", *(_GAPS[code][0] for code in gaps)])
    node = Node(id=f"risk: {risk.id}", kind="risk", text=risk.id, state=state, gap=gaps[0] if gaps else None)
    here = drawn.put(node, after)
    for code in gaps if is_new else ():
        drawn.note(code, risk.id)
    facts = drawn.facts
    done = [
        one
        for one in facts.mitigations
        if (one.id in risk.mitigations or risk.id in one.risks) and one.status != "abandoned"
    ]
    here_too = [one for one in done if of is None or not one.requirements or of in one.requirements]
    for one in here_too:
        yield here, *_mitigation(drawn, one, here)
    if risk.treatment == "mitigate" and not done:
        missing = f"missing mitigation: {risk.id}"
        yield here, missing if not is_new else drawn.miss("TRACE006", "mitigation", risk.id, here)
    elif not here_too:
        yield (here,)


def _mitigation(drawn: _Map, one: Mitigation, after: str | None) -> tuple[str, ...]:
    is_new = f"mitigation: {one.id}" not in drawn.nodes
    here = drawn.put(Node(id=f"mitigation: {one.id}", kind="mitigation", text=one.id, state=one.status), after)
    run = drawn.facts.runs.get(one.verification or "")
    if run is None:
        missing = f"missing verification: {one.id}"
        return here, missing if not is_new else drawn.miss("TRACE007", "verification", one.id, here)
    return here, drawn.put(Node(id=f"verification: {one.verification}", kind="verification", text=run), here)


def _controls(drawn: _Map) -> None:
    asked = drawn.facts.controls
    told = set[str]()
    for row in asked.rows:
        lost = [one for one in row.controls if one in asked.missing]
        if lost and not row.has_evidence:
            told |= set(lost)
            some = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
            what = f"tier {drawn.facts.tier} asks for {row.title[:1].lower()}{row.title[1:]}: no evidence for {some}"
            drawn.note("TRACE009", row.id, what)
    for control in sorted(asked.missing - told):
        drawn.note("TRACE009", control, "no requirement that is mapped to it is met")


def lines(found: Trace) -> Iterator[str]:
    """The map in words, one path to a line, from left to right; texts are as they were recorded."""
    nodes = {one.id: one for one in found.nodes}
    for paths in found.paths.values():
        yield from (" → ".join(_word(nodes[id_]) for id_ in path) for path in paths)
    yield from (" → ".join(["(no requirement)", *(_word(nodes[id_]) for id_ in path)]) for path in found.loose)


def _word(node: Node) -> str:
    state = f" ({node.state})" if node.state else ""
    if node.gap is not None and not node.text:
        return f"✗ {node.state}"
    if node.kind == "verdict":
        return node.state
    name = {"run": "run ", "verification": "verified by run ", "waiver": "waiver "}.get(node.kind, "")
    return f"{'✗ ' if node.gap else ''}{name}{node.text}{state}"


def columns(found: Trace) -> Sequence[tuple[Kind, Sequence[Node]]]:
    """The nodes by kind, from left to right; kinds of which there are none are left out."""
    by_kind: dict[Kind, list[Node]] = {kind: [] for kind in KINDS}
    for node in found.nodes:
        by_kind[node.kind].append(node)
    return [(kind, nodes) for kind, nodes in by_kind.items() if nodes]


def closed(found: Trace, ever_failed: Collection[str]) -> int:
    """How many requirements have a path without a gap; one that ever failed also needs a mitigation that was verified.

    ever_failed: requirements that some run did not meet.
    """
    gaps = {one.id for one in found.nodes if one.gap is not None}
    whole = 0
    for name, paths in found.paths.items():
        has_run = name in found.facts.found and not any(gaps & set(path) for path in paths)
        is_mended = any(one.startswith("verification: ") for path in paths for one in path)
        whole += has_run and (name not in ever_failed or is_mended)
    return whole


def promises_of(plan: Plan) -> tuple[Promise, ...]:
    """What a plan promises, each with the evaluation that it is about where there is only one."""
    alone = next(iter(plan.evaluations)) if len(plan.evaluations) == 1 else None
    return tuple(
        Promise(
            id=one.id, text=one.text, severity=one.severity, evaluation=one.evaluation or alone, controls=one.controls
        )
        for one in plan.requirements
    )


def hanging_on(
    requirement: str, risks: Sequence[T], mitigations: Sequence[T], *, body: Callable[[T], Body]
) -> tuple[list[T], list[T]]:
    """The risks that name a requirement; and the mitigations that name it, or name no requirement and hang on such a
    risk.

    body: what a risk or mitigation says, as JSON.
    """

    def names(one: T, key: str) -> frozenset[str]:
        return frozenset(body(one).get(key) or ())

    own = [one for one in risks if requirement in names(one, "requirements")]
    ids, told = {body(one)["id"] for one in own}, {name for one in own for name in names(one, "mitigations")}
    done = [
        one
        for one in mitigations
        if requirement in (of := names(one, "requirements"))
        or (not of and (ids & names(one, "risks") or body(one).get("id") in told))
    ]
    return own, done


def trace_run(
    known: Known, results: Mapping[str, Any], *, run_digest: str, known_runs: Mapping[str, str]
) -> dict[str, Json]:
    """Every requirement of a run with what stands behind it now, and every gap: `shipworthy/trace@1`. What is of a
    stricter class than internal is told by its id alone.

    The gaps are those of `trace`, but for controls, which other things in the record are evidence for. A kind of
    document that was not looked up leaves none. known_runs: digest -> run, of the runs that the record knows.
    """
    plan, record, stands = known.run.plan, known.record, known.stands
    risks, mitigations = _of(record, "risk"), _of(record, "mitigation")
    verdicts = {verdict["requirement"]: verdict for verdict in results["verdicts"]}
    judged = {verdict.requirement.id: verdict for verdict in known.run.verdicts}
    links: list[Json] = []
    for requirement in plan.requirements:
        verdict = verdicts.get(requirement.id, {})
        own, done = hanging_on(requirement.id, risks, mitigations, body=lambda one: one)
        waivers = [w["id"] for w in _of(record, "waiver") if w.get("requirement") == requirement.id]
        said = judged.get(requirement.id)
        waived = known.waiver(said) if said else None
        links.append(
            {
                "requirement": requirement.id,
                "text": requirement.text,
                "severity": requirement.severity,
                "controls": list(requirement.controls),
                "evaluation": (verdict.get("estimate") or {}).get("evaluation") or requirement.evaluation,
                "metric": requirement.metric,
                "run": {"run": str(results["run"]), "digest": run_digest},
                "verdict": verdict.get("verdict"),
                "waived_by": waived.id if waived else None,
                "waivers": list(waivers),
                "risks": [_risk_row(risk) for risk in own],
                "mitigations": [_mitigation_row(one, known_runs) for one in done],
            }
        )
    found = trace(_facts_of_run(known, results, run_digest=run_digest, known_runs=known_runs))
    asked = "risk" in record or "waiver" in record
    return {
        "schema": SCHEMA_OF_RUN,
        "system": plan.system.name,
        "version": plan.system.version,
        "run": {"run": str(results["run"]), "digest": run_digest},
        "decision": results["decision"],
        "locked": results.get("plan_locked_at"),  # when the plan was, before the run
        "requirements": links,
        "stands": stands.as_json(with_reasons=True) if stands else None,
        "sign_offs": [
            {"id": one.id, "role": one.role, "verdict": one.verdict, "state": one.state}
            for one in (stands.given if stands else ())
        ],
        "not_looked_up": sorted({"risk", "mitigation", "waiver", "sign-off"} - set(record)),
        "gaps": [
            {"code": one.code, "of": GAP_OF[one.code], "id": one.where, "gap": one.what}
            for one in found.gaps
            if asked or one.code != "TRACE003"
        ],
    }


def _facts_of_run(known: Known, results: Mapping[str, Any], *, run_digest: str, known_runs: Mapping[str, str]) -> Facts:
    plan, name = known.run.plan, str(results["run"])
    return Facts(
        system=plan.system.name, version=plan.system.version, tier=plan.system.tier, run=run_digest,
        today=known.now.astimezone(UTC).date(), promises=promises_of(plan),
        found={
            one.requirement.id: Found(
                run=run_digest, name=name, verdict=one.outcome.value, terms=terms_of(one.requirement),
                waiver=waiver.id if waiver else None, waiver_ends=waiver.ends if waiver else None,
            )
            for one in known.run.verdicts
            for waiver in (known.waiver(one),)
        },
        risks=_models(Risk, _of(known.record, "risk")),
        mitigations=_models(Mitigation, _of(known.record, "mitigation")),
        waivers=tuple(one for one in _models(Waiver, _of(known.record, "waiver")) if one.status == "approved"),
        runs={**known_runs, run_digest: name},
        signatures=tuple(_given(known, role) for role in REQUIRED[plan.system.tier].roles)
        if "sign-off" in known.record
        else (),
        controls=Controls(rows=(), covered=frozenset(), waived=frozenset(), missing=frozenset()),
    )  # fmt: skip


def _given(known: Known, role: str) -> Signature:
    """What a role says of the decision that is packed; nobody is named."""
    given = [one for one in (known.stands.given if known.stands else ()) if one.role == role]
    if not given:
        return Signature(role=role, said="", counts=False)
    word = "rejected" if given[-1].state == "counts" else given[-1].state
    return Signature(role=role, said=word, counts=given[-1].is_approval)


def _models(model: type[D], bodies: Sequence[Body]) -> tuple[D, ...]:
    """Bodies as documents; one that was forgotten says nothing, and is left out."""
    return tuple(model.model_validate_json(json.dumps(dict(one))) for one in bodies if one)


def _of(record: RecordFacts, kind: str) -> Sequence[Body]:
    return record.get(kind, ())


def _risk_row(risk: Body) -> Json:
    return {key: risk.get(key) for key in ("id", "status", "treatment")}


def _mitigation_row(one: Body, known_runs: Mapping[str, str]) -> Json:
    digest = one.get("verification")
    verified: Json = None if digest is None else {"digest": digest, "run": known_runs.get(digest)}
    return {"id": one["id"], "title": one.get("title"), "status": one.get("status"), "verification": verified}
