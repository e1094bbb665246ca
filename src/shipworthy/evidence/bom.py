"""The bill of materials: CycloneDX 1.6 with a model card whose every number has its interval.

Source: CycloneDX 1.6 JSON schema, `modelCard`. It has no field for n, level, method or the reason why there is no
value: these stand in the card's properties, one for each metric, in the same order.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Literal, TypeAlias, cast

from shipworthy.digest import Json, canonical, digest
from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.documents.content import Paragraph, Points
from shipworthy.evidence.documents.facts import open_risks
from shipworthy.evidence.documents.fields import Privacy
from shipworthy.evidence.documents.filling import Filled
from shipworthy.evidence.documents.known import Known, text
from shipworthy.evidence.documents.privacy import is_visible
from shipworthy.gates.verdicts import Outcome
from shipworthy.present import sentences, slices
from shipworthy.present.safe import shorten
from shipworthy.version import __version__

Kind: TypeAlias = Literal["model", "data", "code"]
MOST_METRICS = 5_000  # what is beyond is counted in a property

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/shipworthy/bom")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_VERSION = re.compile(r"v?[0-9][0-9A-Za-z.+!_-]*")
_TYPES = {"model": "machine-learning-model", "data": "data", "code": "file"}
_MACHINE = ("python", "platform")
_NOT_PACKAGES = (*_MACHINE, "plan")  # where the plan lay


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """Something that the run used, by digest."""

    kind: Kind
    name: str
    digest: str  # sha256:<64 hex digits>
    of: Literal["bytes", "content"] = "bytes"  # of a file's bytes, or of what it holds in whatever order or folder
    version: str = ""


def bom(filled: Filled, *, artifacts: Sequence[Artifact] = (), audience: Privacy = "internal") -> dict[str, Json]:
    """The bill of materials of a run as CycloneDX 1.6; the same input gives the same bytes.

    artifacts: models, further data and code; the rows that were evaluated are in the run already. audience: the
    strictest class of field that it may quote. The serial number is made from the digest of everything else; the
    timestamp is the moment that the documents were filled in at. `documents.machine.to_json` makes a file of it.
    Raises ValueError for what is no digest.
    """
    known = filled.known
    system = known.run.plan.system
    model = digest({"name": system.name, "version": system.version, "plan": known.run.plan_digest})
    parts = [_artifact(artifact) for artifact in _unique([*artifacts, *_rows(known)])]
    libraries = [
        library for name, version in sorted(known.run.environment.items()) if (library := _library(name, version))
    ]
    body: dict[str, Json] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": known.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "shipworthy", "version": __version__}]},
            "component": {
                "type": "machine-learning-model",
                "bom-ref": model,
                "name": _text(system.name, 200),
                "version": _text(system.version, 200),
                **({"description": _text(system.purpose, 600)} if system.purpose else {}),
                "modelCard": _card(filled, audience, [part["bom-ref"] for part in parts if part["type"] == "data"]),
                "properties": _properties(known),
            },
        },
        "components": [*parts, *libraries],
        "dependencies": [{"ref": model, "dependsOn": sorted(str(part["bom-ref"]) for part in [*parts, *libraries])}],
    }
    timeless = {**body, "metadata": {**cast("dict[str, Json]", body["metadata"]), "timestamp": None}}
    return {**body, "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest(timeless))}"}


def _text(value: object, width: int) -> str:
    return shorten(value, width) or "unnamed"


def _rows(known: Known) -> list[Artifact]:
    return [
        Artifact(kind="data", name=f"rows of {shorten(i.evaluation, 120)}", digest=i.digest, of="content")
        for i in known.run.inputs
        if _SHA256.fullmatch(i.digest)
    ]


def _unique(artifacts: Sequence[Artifact]) -> list[Artifact]:
    return list({(a.kind, a.name, a.digest): a for a in artifacts}.values())


def _artifact(artifact: Artifact) -> dict[str, Json]:
    if not (match := _SHA256.fullmatch(artifact.digest)):
        raise ValueError(f"the digest of {shorten(artifact.name, 80)!r} is not sha256: and 64 hexadecimal digits")
    ref = digest({"kind": artifact.kind, "name": artifact.name, "digest": artifact.digest})
    found: dict[str, Json] = {"type": _TYPES[artifact.kind], "bom-ref": ref, "name": _text(artifact.name, 200)}
    if artifact.version:
        found["version"] = _text(artifact.version, 200)
    if artifact.kind == "data":
        found["data"] = [{"type": "dataset", "bom-ref": f"{ref}#data", "name": _text(artifact.name, 200)}]
    # `hashes` promises a hash of bytes; a digest of content is another thing, and says so.
    if artifact.of == "bytes":
        return found | {"hashes": [{"alg": "SHA-256", "content": match[1]}]}
    return found | {"properties": [{"name": "shipworthy:content-digest", "value": artifact.digest}]}


def _library(name: str, version: str) -> dict[str, Json] | None:
    """A package that the numbers depend on; one that was not installed is none."""
    if name in _NOT_PACKAGES or not _VERSION.fullmatch(version):
        return None
    plain = re.sub(r"[-_.]+", "-", name).lower()
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", plain):
        return {"type": "library", "bom-ref": f"library:{digest(name)}", "name": _text(name, 200), "version": version}
    purl = f"pkg:pypi/{plain}@{version.replace('+', '%2B').replace('!', '%21')}"
    return {"type": "library", "bom-ref": purl, "name": plain, "version": version, "purl": purl}


def _properties(known: Known) -> list[Json]:
    run, environment = known.run, known.run.environment
    facts = {
        "shipworthy:run": run.id,
        "shipworthy:plan-digest": run.plan_digest,
        "shipworthy:plan-locked-at": run.locked_at.isoformat() if run.locked_at else "not locked before the run",
        "shipworthy:decision": run.decision.value,
        "shipworthy:risk-tier": run.plan.system.tier,
        **{f"shipworthy:{name}": environment[name] for name in _MACHINE if name in environment},
    }
    return [{"name": name, "value": shorten(value, 300)} for name, value in facts.items()]


def _card(filled: Filled, audience: Privacy, datasets: Sequence[Json]) -> Json:
    known = filled.known
    estimates = [e for e in known.run.estimates if e.compare == "value"]
    shown = estimates[:MOST_METRICS]
    properties = [{"name": "shipworthy:metric", "value": canonical(_about(e)).decode()} for e in shown]
    if len(estimates) > len(shown):
        properties.append({"name": "shipworthy:metrics-left-out", "value": str(len(estimates) - len(shown))})
    tasks = sorted(
        {"generative" if e.is_generative else e.task or "decisions" for e in known.run.plan.evaluations.values()}
    )
    considerations: dict[str, Json] = {
        "users": _said(filled, "use.users", audience),
        "useCases": _said(filled, "system.purpose", audience),
        "technicalLimitations": [
            *_said(filled, "use.excluded", audience, "Not for: "),
            *_said(filled, "limits.known", audience),
        ],
        "performanceTradeoffs": _said(filled, "design.logic", audience),
        "ethicalConsiderations": _ethics(known)
        if is_visible(filled.entries["risk.register"].privacy, audience)
        else [],
        "fairnessAssessments": _fairness(known),
    }
    parameters: dict[str, Json] = {"task": ", ".join(tasks), "datasets": [{"ref": ref} for ref in datasets]}
    return {
        "modelParameters": {key: value for key, value in parameters.items() if value},
        "quantitativeAnalysis": {"performanceMetrics": [_metric(e) for e in shown]},
        "considerations": {key: value for key, value in considerations.items() if value},
        "properties": cast("list[Json]", properties),
    }


def _metric(e: Estimate) -> Json:
    named = slices.slice_name(e.slice, columns=True) + (f", {e.variant}" if e.variant else "")
    found: dict[str, Json] = {"type": _text(e.metric, 120), "slice": _text(f"{e.evaluation}: {named}", 300)}
    if (value := _number(e.value)) is not None:
        found["value"] = value
    ends = {"lowerBound": _number(e.low), "upperBound": _number(e.high)}
    interval: dict[str, Json] = {key: end for key, end in ends.items() if end is not None}
    return found | ({"confidenceInterval": interval} if interval else {})


def _number(value: float | None) -> str | None:
    """A number as every reader of floating point gets it back; an infinite limit is no limit."""
    return repr(float(value)) if value is not None and math.isfinite(value) else None


def _about(e: Estimate) -> dict[str, Json]:
    """What the standard has no field for."""
    key = {
        shorten(column, 120): level if isinstance(level, bool | None) else shorten(level, 120)
        for column, level in e.slice.items()
    }
    found: dict[str, Json] = {
        "evaluation": shorten(e.evaluation, 120),
        "metric": shorten(e.metric, 120),
        "slice": key,
        "n": e.n,
        "level": e.level,
        "method": shorten(e.method or "", 120) or None,
        "reason": shorten(e.reason or "", 300) or None,
    }
    return found


def _said(filled: Filled, name: str, audience: Privacy, prefix: str = "") -> list[Json]:
    """What a field says, where it says something that the audience may read."""
    entry = filled.entries[name]
    if entry.state not in ("known", "answered") or not is_visible(entry.privacy, audience):
        return []
    found: list[Json] = []
    for block in entry.content:
        if isinstance(block, Paragraph):
            found.append(prefix + block.text)
        elif isinstance(block, Points):
            found += [prefix + item for item in block.items]
    return found


def _ethics(known: Known) -> list[Json]:
    """Open risks of the register, the gravest first."""
    done = {text(m, "id"): text(m, "title") for m in known.bodies("mitigation") or ()}
    found: list[Json] = []
    for risk in open_risks(known)[:200]:
        linked = risk.get("mitigations")
        names = [done.get(str(m), str(m)) for m in linked] if isinstance(linked, (list, tuple)) else []
        strategy = shorten(", ".join(names), 300) or text(risk, "treatment") or "none recorded"
        found.append({"name": _text(risk.get("title") or risk.get("id") or "", 300), "mitigationStrategy": strategy})
    return found


def _fairness(known: Known) -> list[Json]:
    """Each requirement across groups: who is at risk, what was found, and what is done where it does not hold."""
    found: list[Json] = []
    for verdict in known.run.verdicts:
        it = verdict.estimate
        if verdict.requirement.across is None or it is None or not it.slice:
            continue
        waiver = known.waiver(verdict)
        assessment: dict[str, Json] = {
            "groupAtRisk": _text(slices.subject(it, columns=True), 300),
            "harms": f"{verdict.requirement.id} {verdict.outcome.value}. {shorten(sentences.why(verdict), 600)}",
        }
        if waiver is not None:
            assessment["mitigationStrategy"] = f"Waived until {waiver.ends}"
        elif verdict.outcome is not Outcome.MET:
            assessment["mitigationStrategy"] = shorten(sentences.next_step(verdict), 300)
        found.append(assessment)
    return found
