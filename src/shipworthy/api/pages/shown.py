"""Documents and runs as pages show them, each in a line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from shipworthy.api import waivers as leave
from shipworthy.api.acting import Actor, everyone, shown
from shipworthy.api.pages.library import MOST
from shipworthy.present.safe import shorten
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Kept, Record

People: TypeAlias = "dict[str, Actor]"
SETTLED = ("closed", "accepted", "verified", "abandoned", "resolved", "ended", "refused", "withdrawn", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """The newest version of a document."""

    kind: str
    id: str
    version: int
    at: datetime
    by: str  # who wrote it, by name where that is known
    digest: str
    seq: int  # of its entry in the audit log
    state: str  # its status today
    due: date | None = None
    is_overdue: bool = False
    body: dict[str, Any] | None  # None once it was forgotten


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """A recorded run."""

    digest: str
    run: str
    system: str
    version: str
    decision: str
    created: datetime
    locked: datetime | None
    plan_digest: str
    by: str
    seq: int


def run_row(kept: KeptRun, people: People) -> RunRow:
    """A run in one line."""
    facts = kept.facts
    return RunRow(
        digest=facts.digest, run=facts.run, system=facts.system, version=facts.version, decision=facts.decision,
        created=facts.created, locked=facts.locked, plan_digest=facts.plan_digest,
        by=shown(people, kept.actor), seq=kept.seq,
    )  # fmt: skip


def show(kept: Kept, today: date, people: People) -> Shown:
    """A document with its state today."""
    document = kept.document
    due = getattr(document, "due", None)
    due = due.date() if isinstance(due, datetime) else due
    state = str(getattr(document, "status", "") or ("unreadable" if kept.fault else "" if document else "forgotten"))
    if isinstance(document, documents.Waiver):
        state = leave.state(document, today)
    is_over = due is not None and due < today and state not in SETTLED
    return Shown(
        kind=kept.kind, id=kept.id, version=kept.version, at=kept.at, by=shown(people, kept.actor),
        digest=kept.digest, seq=kept.seq, state=state, due=due,
        is_overdue=is_over, body=document.model_dump(mode="json") if document is not None else None,
    )  # fmt: skip


def of_system(
    record: Record, kind: documents.Kind, system: str | None, today: date, *, people: People | None = None
) -> list[Shown]:
    """The documents of a kind, of one system or of all, the first MOST by id. people: where the caller has them."""
    known = everyone(record) if people is None else people
    return [show(one, today, known) for one in record.find(kind, system=system, limit=MOST, damaged=True)]


def open_risks(record: Record, system: str, today: date, *, people: People | None = None) -> list[Shown]:
    """The risks of a system that are not closed, the worst first."""
    known = everyone(record) if people is None else people
    found = record.find("risk", system=system, status=documents.STILL_OPEN, order="worst", limit=MOST, damaged=True)
    return [show(one, today, known) for one in found]


def left_out(record: Record, system: str, *kinds: documents.Kind) -> list[str]:
    """What `of_system` leaves out of a system, and what of it cannot be read, in sentences."""
    damaged = [
        f"The {kind} {shorten(one.id, 60)} cannot be read: `shipworthy record verify` says what was changed."
        for kind in kinds
        for one in record.find(kind, system=system, limit=MOST, damaged=True)
        if one.fault is not None
    ]
    return damaged + [
        f"Of {count:,} documents of the kind {kind}, the first {MOST:,} by id were looked at."
        for kind, count in record.kinds(system).items()
        if kind in kinds and count > MOST
    ]


def score(risk: Shown) -> int | None:
    """What is left of a risk: likelihood × severity, residual where that was rated."""
    body = risk.body or {}
    rating = body.get("residual") or body.get("inherent")
    return rating["likelihood"] * rating["severity"] if rating else None
