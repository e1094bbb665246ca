"""Traceability: from each requirement to the run that tested it, its verdict, its risks, what was done, who signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipworthy.digest import Json
from shipworthy.evidence.documents.known import RecordFacts
from shipworthy.plan.models import Plan

SCHEMA = "shipworthy/trace@1"

Body = Mapping[str, Any]


def trace(
    results: Mapping[str, Any],
    plan: Plan,
    record: RecordFacts,
    *,
    run_digest: str,
    known_runs: Mapping[str, str],
) -> dict[str, Json]:
    """Every requirement with what stands behind it, and every gap.

    record: kind -> bodies; a kind that is absent was not looked up, and leaves no gap. known_runs: digest -> run, of
    the runs that the record knows.
    """
    risks, mitigations = _of(record, "risk"), _of(record, "mitigation")
    verdicts = {verdict["requirement"]: verdict for verdict in results["verdicts"]}
    gaps: list[Json] = []
    links: list[Json] = []
    for requirement in plan.requirements:
        verdict = verdicts.get(requirement.id, {})
        own = [risk for risk in risks if requirement.id in (risk.get("requirements") or ())]
        names = {risk["id"] for risk in own}
        done = [
            one
            for one in mitigations
            if requirement.id in (one.get("requirements") or ())
            or names & set(one.get("risks") or ())
            or any(one["id"] in (risk.get("mitigations") or ()) for risk in own)
        ]
        waivers = [w["id"] for w in _of(record, "waiver") if w.get("requirement") == requirement.id]
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
                "waived_by": (verdict.get("waiver") or {}).get("id"),
                "waivers": list(waivers),
                "risks": [_risk(risk) for risk in own],
                "mitigations": [_mitigation(one, known_runs) for one in done],
            }
        )
        if not requirement.controls:
            gaps.append(_gap("requirement", requirement.id, "it is mapped to no control"))
        if verdict.get("verdict") != "met" and "risk" in record and not own:
            gaps.append(_gap("requirement", requirement.id, "it is not met, and no risk says what may follow"))
        if verdict.get("verdict") != "met" and "mitigation" in record and not done:
            gaps.append(_gap("requirement", requirement.id, "it is not met, and nothing is done about it"))
    for risk in risks:
        told = set(risk.get("mitigations") or ()) | {m["id"] for m in mitigations if risk["id"] in m.get("risks", ())}
        if risk.get("treatment") == "mitigate" and not told:
            gaps.append(_gap("risk", risk["id"], "it is to be mitigated, and no mitigation is named"))
        if risk.get("status") == "open" and risk.get("treatment") is None:
            gaps.append(_gap("risk", risk["id"], "it is open, and nobody said how it is treated"))
    for one in mitigations:
        if one.get("verification") is None:
            gaps.append(_gap("mitigation", one["id"], "no run shows that it works"))
        elif one["verification"] not in known_runs:
            gaps.append(_gap("mitigation", one["id"], "the run that verified it is not known"))
    signatures = _of(record, "sign-off")
    if "sign-off" in record and not any(_approves(one) for one in signatures):
        gaps.append(_gap("run", str(results["run"]), "nobody has approved"))
    if not results.get("plan_locked_at"):
        gaps.append(_gap("plan", str(results["plan_digest"]), "it was not locked before the run"))
    return {
        "schema": SCHEMA,
        "system": plan.system.name,
        "version": plan.system.version,
        "run": {"run": str(results["run"]), "digest": run_digest},
        "decision": results["decision"],
        "requirements": links,
        "sign_offs": [
            {key: one.get(key) for key in ("id", "role", "verdict", "conditions", "withdrawn", "bindings")}
            for one in signatures
        ],
        "not_looked_up": sorted({"risk", "mitigation", "waiver", "sign-off"} - set(record)),
        "gaps": gaps,
    }


def _of(record: RecordFacts, kind: str) -> Sequence[Body]:
    return record.get(kind, ())


def _risk(risk: Body) -> Json:
    rating = risk.get("residual") or risk.get("inherent") or {}
    return {
        "id": risk["id"],
        "title": risk.get("title"),
        "status": risk.get("status"),
        "treatment": risk.get("treatment"),
        "rating": {key: rating.get(key) for key in ("likelihood", "severity", "basis")},
        "is_residual": risk.get("residual") is not None,
    }


def _mitigation(one: Body, known_runs: Mapping[str, str]) -> Json:
    digest = one.get("verification")
    verified: Json = None if digest is None else {"digest": digest, "run": known_runs.get(digest)}
    return {"id": one["id"], "title": one.get("title"), "status": one.get("status"), "verification": verified}


def _approves(one: Body) -> bool:
    return one.get("verdict") in ("approve", "approve with conditions") and not one.get("withdrawn")


def _gap(kind: str, name: str, what: str) -> Json:
    return {"of": kind, "id": name, "gap": what}
