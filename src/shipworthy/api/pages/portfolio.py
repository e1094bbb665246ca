"""The portfolio: every system in a line, with whether it is fit to ship now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shipworthy.api.acting import everyone, shown
from shipworthy.api.pages.fit import Fit, fit_of, stands
from shipworthy.api.pages.library import MOST, PAGE, Library
from shipworthy.api.pages.shown import SETTLED, RunRow, run_row, score, show
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.record.store import Kept, Record

FILTERED = 200  # systems that are looked at to find those of one fitness
SORTED = 50  # systems up to which all are looked at, to show those first that need somebody
_WITH_A_DAY: tuple[documents.Kind, ...] = ("risk", "mitigation", "incident")


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemRow:
    """A system in one line."""

    name: str
    purpose: str
    tier: str
    owner: str
    status: str
    released: str | None  # the version in use
    newest: RunRow | None
    fit: Fit
    open_risks: int  # not closed, treated and accepted ones among them
    worst_risk: int | None  # likelihood × severity of what is left
    overdue: dict[str, int]  # kind of document -> how many are past their day; kinds without any are left out
    last_incident: datetime | None
    open_incidents: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Portfolio:
    """Every system."""

    systems: list[SystemRow]
    tier: str | None
    fit: str | None
    page: int
    has_more: bool
    total: int  # that the record knows, before filters
    left_out: int = 0  # that a filter by fitness did not look at


def portfolio(
    library: Library, *, now: datetime, tier: str | None = None, fit: str | None = None, page: int = 1
) -> Portfolio:
    """Every system with whether it is fit to ship now, those that need somebody first; beyond SORTED, by name."""
    record = library.record
    total = record.count("system")
    matching = record.count("system", tier=tier) if tier is not None else total
    start = (page - 1) * PAGE
    if fit is None and matching > SORTED:
        rows = rows_of(library, record.find("system", tier=tier, limit=PAGE, offset=start), now=now)
        has_more = matching > start + PAGE
    else:
        rows = rows_of(library, record.find("system", tier=tier, limit=FILTERED), now=now)
        rows = sorted((row for row in rows if fit in (None, row.fit.fit)), key=_urgency)[start:]
        has_more = len(rows) > PAGE
    return Portfolio(
        systems=rows[:PAGE], tier=tier, fit=fit, page=page, has_more=has_more, total=total,
        left_out=max(0, matching - FILTERED) if fit is not None else 0,
    )  # fmt: skip


def _urgency(row: SystemRow) -> tuple[bool, bool, int, int, str]:
    order = ("hold", "stale", "undecided", "unknown", "ship")
    return row.status == "retired", row.newest is None, order.index(row.fit.fit), -sum(row.overdue.values()), row.name


def rows_of(library: Library, kept: Iterable[Kept], *, now: datetime) -> list[SystemRow]:
    """Systems in a line each, in their order."""
    systems = [one.document for one in kept if isinstance(one.document, documents.System)]
    found = stands(library, [one.id for one in systems], now=now)
    seq, today = library.memory.look(library.record), now.date()
    rows = []
    for one in systems:
        find = partial(_row, library.record, one, today)
        row = library.memory.recall(one.id, "row", seq=seq, today=today, find=find)
        rows.append(replace(row, fit=fit_of(library, one.id, found[one.id])))
    return rows


def _row(record: Record, system: documents.System, today: date) -> tuple[SystemRow, tuple[Path, ...]]:
    """A system in one line, but for whether it is fit; it rests on no file."""
    name, people = system.id, everyone(record)
    runs = record.runs(system=name, limit=1)
    worst = record.find("risk", system=name, status=documents.STILL_OPEN, order="worst", limit=1)
    late = {
        kind: sum(n for state, n in record.states(kind, system=name, due_before=today).items() if state not in SETTLED)
        for kind in _WITH_A_DAY
    }
    incidents = [one.document for one in record.find("incident", system=name, limit=MOST)]
    detected = [one.detected for one in incidents if isinstance(one, documents.Incident)]
    open_ones = [one for one in incidents if isinstance(one, documents.Incident) and one.status not in SETTLED]
    row = SystemRow(
        name=name,
        purpose=system.purpose,
        tier=system.tier,
        owner=shown(people, system.owner) if system.owner else "",
        status=system.status,
        released=_released(record, name),
        newest=run_row(runs[0], people) if runs else None,
        fit=Fit(fit="unknown"),
        open_risks=record.count("risk", system=name, status=documents.STILL_OPEN),
        worst_risk=next((score(show(one, today, people)) for one in worst), None),
        overdue={str(kind): count for kind, count in late.items() if count},
        last_incident=max(detected, default=None),
        open_incidents=len(open_ones),
    )
    return row, ()


def _released(record: Record, system: str) -> str | None:
    found = [one.document for one in record.find("version", system=system, status="released", limit=MOST)]
    ordered = sorted(
        (one for one in found if isinstance(one, documents.Version)),
        key=lambda one: one.released.isoformat() if one.released else "",
    )
    return ordered[-1].version if ordered else None
