"""How documents and runs are called: by what they are about, and never by a digest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shipworthy.api.naming import name_of, run_name
from shipworthy.record import documents
from shipworthy.record.runs import RunFacts

D = f"sha256:{'0' * 64}"


def plan(text):
    return documents.Plan.model_construct(
        id=D, system="triage", digest=D, body={} if text is None else {"plan.json": text}
    )


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (plan('{"system": {"version": "2.1"}}'), "Plan of triage 2.1"),
        (plan(None), "Plan of triage"),
        (plan("[" * 100_000), "Plan of triage"),
        (plan('{"system": []}'), "Plan of triage"),
        (plan(" " * 300_000), "Plan of triage"),
        (documents.Decision.model_construct(id="x", system="triage", version="2.1"), "Decision on triage 2.1"),
        (
            documents.SignOff.model_construct(id="x", system="triage", version="2", role="product", verdict="approve"),
            "Product approved triage 2",
        ),
        (
            documents.SignOff.model_construct(id="x", system="triage", version="2", role="risk", verdict="reject"),
            "Risk rejected triage 2",
        ),
        (documents.Waiver.model_construct(id="W-1", requirement="FAIR-1"), "Waiver of FAIR-1"),
        (documents.Version.model_construct(id="x", system="triage", version="2"), "triage 2"),
        (documents.Risk.model_construct(id="R-1", title="Leaks"), "Leaks"),
        (documents.System.model_construct(id="triage"), "triage"),
        (documents.Risk.model_construct(id="R-1", title="x" * 500), "x" * 199 + "…"),
    ],
)
def test_names(document, name):
    assert name_of(document) == name


def test_a_run_is_called_by_system_version_time_and_the_end_of_its_id():
    at = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    facts = RunFacts(
        digest=D, run="2026-11-22-a1b2c3", system="triage", version="2", plan_digest=D, created=at, decision="ship"
    )
    assert run_name(facts) == "Run of triage 2, 2026-11-22 09:30 UTC (…a1b2c3)"
