"""SARIF 2.1.0: each requirement a rule and a result, located at its line of the plan."""

from __future__ import annotations

import hashlib
import json
import math
import re
from urllib.parse import quote

from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.run import Run
from shipworthy.gates.verdicts import Outcome, Verdict
from shipworthy.plan.models import Requirement
from shipworthy.present import numbers, sentences
from shipworthy.present.safe import plain, shorten
from shipworthy.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_KINDS = {Outcome.MET: "pass", Outcome.BREACHED: "fail", Outcome.UNDECIDED: "open"}
_ID = re.compile(r"""(?:^|[\s{,-])id:\s*["']?([A-Za-z0-9][A-Za-z0-9_.:-]*)["']?\s*(?=$|[,}#])""")
_LEVELS = {"blocker": "error", "major": "error", "minor": "warning"}


def sarif(run: Run, *, plan_uri: str = "plan.yaml", plan_text: str = "") -> str:
    """The verdicts as a SARIF log. Only a breached requirement has a level; the standard wants "none" for every
    other kind.

    plan_uri: where the plan file is, relative to the repository or run folder. plan_text: its text, so that lines
    can be told.
    """
    verdicts = {verdict.requirement.id: verdict for verdict in run.verdicts}
    requirements = list({r.id: r for r in (*(v.requirement for v in run.verdicts), *run.plan.requirements)}.values())
    lines = _lines(plan_text)
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Shipworthy",
                        "semanticVersion": __version__,
                        "rules": [_rule(requirement) for requirement in requirements],
                    }
                },
                "automationDetails": {"id": f"shipworthy/{shorten(run.id, 200)}"},
                "invocations": [
                    {"executionSuccessful": True, "endTimeUtc": run.created.strftime("%Y-%m-%dT%H:%M:%SZ")}
                ],
                "results": [
                    _result(requirement, index, verdicts.get(requirement.id), plan_uri, lines.get(requirement.id, 1))
                    for index, requirement in enumerate(requirements)
                ],
                "columnKind": "unicodeCodePoints",
                "properties": {"decision": run.decision.value, "planDigest": plain(run.plan_digest)},
            }
        ],
    }
    return json.dumps(log, indent=1, allow_nan=False) + "\n"


def _rule(requirement: Requirement) -> dict[str, object]:
    return {
        "id": plain(requirement.id),
        "shortDescription": {"text": shorten(sentences.title(requirement), 300)},
        "fullDescription": {"text": shorten(sentences.claim(requirement), 900)},
        "defaultConfiguration": {"level": _LEVELS[requirement.severity]},
        "properties": {
            "tags": [shorten(control, 120) for control in requirement.controls],
            "severity": requirement.severity,
        },
    }


def _result(requirement: Requirement, index: int, verdict: Verdict | None, uri: str, line: int) -> dict[str, object]:
    kind = _KINDS[verdict.outcome] if verdict else "notApplicable"
    message = [sentences.why(verdict) if verdict else "Not evaluated."]
    if verdict and verdict.estimate is not None:
        missing = sentences.missing(verdict.estimate)
        message.append(f"n = {numbers.count(verdict.estimate.n)}{f', {missing}' if missing else ''}.")
    if verdict and verdict.outcome is not Outcome.MET:
        message.append(f"What next: {sentences.next_step(verdict)}.")
    result: dict[str, object] = {
        "ruleId": plain(requirement.id),
        "ruleIndex": index,
        "kind": kind,
        "level": _LEVELS[requirement.severity] if kind == "fail" else "none",
        "message": {"text": shorten(" ".join(message), 900)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(uri)},
                    "region": {"startLine": line},
                }
            }
        ],
        "partialFingerprints": {"requirement/v1": hashlib.sha256(requirement.id.encode()).hexdigest()},
        "properties": {"outcome": verdict.outcome.value, "estimate": _numbers(verdict.estimate)} if verdict else {},
    }
    if verdict and verdict.waiver is not None:  # the standard has no end of a suppression: the justification says it
        why = shorten(sentences.next_step(verdict), 900)
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return result


def _lines(text: str) -> dict[str, int]:
    """The first line of the plan that names each requirement."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for requirement in _ID.findall(line):
            found.setdefault(requirement, number)
    return found


def _numbers(estimate: Estimate | None) -> dict[str, float | int | None] | None:
    """The numbers of an estimate; JSON knows no infinity, so a limit that does not exist is null."""
    if estimate is None:
        return None
    named = {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "n": estimate.n,
    }
    return {name: value if value is not None and math.isfinite(value) else None for name, value in named.items()}
