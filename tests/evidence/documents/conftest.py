from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime

import numpy as np
import pytest

from shipworthy.api.checking import check
from shipworthy.evidence.documents.document import document
from shipworthy.evidence.documents.filling import fill
from shipworthy.evidence.documents.shapes import SHAPES
from shipworthy.evidence.documents.standing import Given, Stands
from shipworthy.plan.models import Plan

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PERSON = "person:" + "ab" * 32
PLAN = """\
system:
  name: lending-decisions
  version: "2026.11"
  purpose: Rank personal-loan applications for manual review.
  tier: high
  owner: credit-risk@example.org
evaluations:
  decisions:
    data: loans.csv
    roles: {label: repaid, prediction: approved, score: score, id: id}
    slices: [sex]
    metrics: [accuracy, selection_rate, fpr]
requirements:
  - {id: FAIR-1, text: Approval rates are alike., metric: selection_rate, across: sex, compare: difference, at_most: 0.05}
  - {id: ACC-1, metric: accuracy, at_least: 0.6, severity: major, controls: ["nist-ai-rmf@1.0:MEASURE-2.5"]}
"""
RECORD = {
    "risk": [
        {
            "id": "R1",
            "title": "Women are approved less often",
            "cause": "Scores are lower for women",
            "harm": "Refused credit",
            "affected": ["women"],
            "inherent": {"likelihood": 4, "severity": 5, "basis": "measured"},
            "residual": {"likelihood": 2, "severity": 5, "basis": "judged"},
            "treatment": "mitigate",
            "status": "open",
            "owner": "credit-risk",
            "mitigations": ["M1"],
        },
        {
            "id": "R2",
            "title": "Nobody questions the score",
            "cause": "Automation bias",
            "harm": "Wrong refusals stay",
            "inherent": {"likelihood": 3, "severity": 4, "basis": "judged"},
            "residual": None,
            "status": "open",
        },
    ],
    "mitigation": [{"id": "M1", "title": "Second review", "what": "A second person looks", "status": "implemented"}],
    "waiver": [
        {
            "id": "W1",
            "requirement": "FAIR-1",
            "scope": {"version": None, "evaluation": None, "slice": None},
            "reason": "Retraining is under way",
            "control": "Second review of refusals",
            "requester": PERSON,
            "approvers": [PERSON],
            "starts": "2026-11-01",
            "ends": "2026-12-31",
            "status": "approved",
        }
    ],
    "sign-off": [],
    "incident": [],
}
STANDS = Stands(
    fit="hold",
    against=("the rules say hold",),
    given=(
        Given(
            id="S1", role="model risk", person=PERSON, name="Bea", at=NOW, verdict="reject", statement="Not like this."
        ),
    ),
)
ANSWERS = {
    "use.excluded": {"text": "Decisions without a person.", "by": "anna@example.org", "at": "2026-11-20"},
    "security.measures": "Signed model files; rate limits of 20 a minute.",
    "impact.groups": "Applicants.\nPeople who live with them.",
    "system.pictures": {"not_applicable": "It is a service."},
    "oversight.measures": "TODO",
}


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """The folder of a real run: women are approved less often, beyond chance."""
    where = tmp_path_factory.mktemp("lending")
    rng = np.random.default_rng(3)
    lines = ["id,sex,repaid,approved,score"]
    for i in range(1500):
        woman, repaid = rng.random() < 0.5, rng.random() < 0.7
        score = min(1.0, max(0.0, 0.35 + 0.3 * repaid + 0.15 * (not woman) + rng.normal(0, 0.15)))
        lines.append(f"{i},{'female' if woman else 'male'},{int(repaid)},{int(score > 0.5)},{score:.4f}")
    (where / "loans.csv").write_text("\n".join(lines) + "\n")
    (where / "plan.yaml").write_text(PLAN)
    check(where / "plan.yaml", out=where / "run", now=NOW)
    return where / "run"


@pytest.fixture
def files(run_folder):
    """What `fill` is given of a real run: results, plan, environment."""
    results = json.loads((run_folder / "results.json").read_text())
    plan = Plan.model_validate_json((run_folder / "plan.json").read_text())
    return results, plan, json.loads((run_folder / "environment.json").read_text())


@pytest.fixture
def filled(files):
    return fill(*files, ANSWERS, RECORD, now=NOW, stands=STANDS)


@pytest.fixture
def bare(files):
    """Nobody answered anything, and no record was looked at."""
    return fill(*files, {}, {}, now=NOW)


@pytest.fixture(params=SHAPES)
def made(request, filled):
    return document(SHAPES[request.param], filled)


def inflated(pdf: bytes) -> bytes:
    """A PDF with every compressed stream opened, one after the other."""
    found = [pdf]
    for piece in pdf.split(b"stream\n")[1:]:
        try:
            found.append(zlib.decompressobj().decompress(piece))
        except zlib.error:
            continue
    return b"\n".join(found)
