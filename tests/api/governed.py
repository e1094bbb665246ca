"""Records with runs in them, made without evaluating anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from shipworthy.api import tracing
from shipworthy.digest import digest
from shipworthy.record import documents
from shipworthy.record.estimates import SCHEMA
from shipworthy.record.runs import RunFacts

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
ADA, BEA, CY = "Ada Lovelace <ada@example.org>", "Bea <bea@example.org>", "Cy <cy@example.org>"


def verdict(requirement="LEAK", said="breached", *, value=0.04, low=0.03, high=0.06, n=800, **more):
    """A verdict as results.json has it."""
    estimate = {
        "evaluation": "decisions", "metric": "leak_rate", "compare": "value", "slice": {}, "variant": None,
        "value": value, "low": low, "high": high, "level": 0.95, "n": n, "effective_n": n, "method": "wilson",
        "reason": None, **{key: more.pop(key) for key in ("metric", "compare", "evaluation") if key in more},
    }  # fmt: skip
    return {
        "requirement": requirement, "verdict": said, "severity": "blocker", "estimate": estimate,
        "bound": {"at_most": 0.05}, "needed": None, "needed_labels": None, "waiver": None, "controls": [], "why": "",
        **more,
    }  # fmt: skip


def register(record, actor, *, system="assistant", tier="high", requirements=("LEAK",)):
    """Make a system and its plan known."""
    plan = documents.Plan(
        id=digest(["plan", system]), system=system, digest=digest(["plan", system]), requirements=requirements
    )
    record.write(actor, NOW, documents.System(id=system, tier=tier), plan)


def run(record, actor, name, verdicts, *, system="assistant", version="1", days=0, decision="hold", locked=True):
    """Record a run; its digest."""
    made = NOW + timedelta(days)
    facts = RunFacts(
        digest=digest(["run", system, name]), run=name, system=system, version=version,
        plan_digest=digest(["plan", system]), created=made, decision=decision,
        locked=made - timedelta(1) if locked else None,
    )  # fmt: skip
    record.add_run(actor, made, facts, verdicts, SCHEMA.empty_table(), [])
    return facts.digest


def traced(record, system, base, now):
    """The map of a system, as the command draws it."""
    stand = partial(tracing.stand_of, record, base=base, now=now)
    return tracing.trace_system(record, system, stand=stand, today=now.date())
