"""One run, whole: what every document, export and page is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shipworthy.estimate.curves import CalibrationCurve
from shipworthy.estimate.estimates import Estimate
from shipworthy.estimate.instruments import JudgeCard
from shipworthy.gates.verdicts import Decision, Verdict
from shipworthy.observations.findings import Exclusion, Finding, Input
from shipworthy.observations.transcripts import Transcript
from shipworthy.plan.models import Plan
from shipworthy.present import sentences

SCHEMA = "shipworthy/results@1"


@dataclass(frozen=True, kw_only=True, repr=False)
class Run:
    """Everything that a check measured and decided."""

    id: str
    created: datetime  # UTC
    plan: Plan
    plan_digest: str  # sha256:... of the canonical plan, packs resolved
    locked_at: datetime | None  # when the plan was locked; None: it was not locked before this run
    decision: Decision
    verdicts: tuple[Verdict, ...]  # worst first
    estimates: tuple[Estimate, ...]
    curves: tuple[CalibrationCurve, ...]
    inputs: tuple[Input, ...]
    excluded: tuple[Exclusion, ...]
    findings: tuple[Finding, ...]
    environment: Mapping[str, str]  # package -> version, with python and platform
    materials: Mapping[str, str] = field(default_factory=dict)  # suites, rubrics, ... that decided it -> digest
    baseline: str | None = None  # run id or variant that changes are measured against
    command: str = "shipworthy check"  # repeats the run
    transcripts: tuple[Transcript, ...] = ()  # answers that went wrong, the gravest first; hostile text
    judges: tuple[JudgeCard, ...] = ()

    @property
    def can_stop(self) -> bool:
        """Whether some requirement can stop a release; where none can, nothing is decided."""
        return any(verdict.requirement.severity != "minor" for verdict in self.verdicts)

    @property
    def headline(self) -> str:
        """The decision in one line: "HOLD: 2 of 9 requirements breached, 1 undecided"."""
        return sentences.headline(
            self.decision.value, [(one.standing, one.requirement.severity) for one in self.verdicts]
        )

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.headline}>"

    def as_json(self) -> dict[str, object]:
        """The machine's view, stable: schema `shipworthy/results@1`."""
        return {
            "schema": SCHEMA,
            "run": self.id,
            "created": self.created.isoformat(),
            "system": {"name": self.plan.system.name, "version": self.plan.system.version},
            "plan_digest": self.plan_digest,
            "plan_locked_at": self.locked_at.isoformat() if self.locked_at else None,
            "decision": self.decision.value,
            "verdicts": [verdict.as_json() for verdict in self.verdicts],
            "estimates": [estimate.as_json() for estimate in self.estimates],
            "judges": [card.as_json() for card in self.judges],
            "inputs": [
                {"evaluation": i.evaluation, "source": i.source, "digest": i.digest, "rows": i.rows}
                for i in self.inputs
            ],
            "materials": dict(self.materials),
            "excluded": [{"evaluation": e.evaluation, "reason": e.reason, "rows": e.rows} for e in self.excluded],
            "findings": [
                {"evaluation": f.evaluation, "check": f.check, "gravity": f.gravity, "what": f.what, "rows": f.rows}
                for f in self.findings
            ],
        }
