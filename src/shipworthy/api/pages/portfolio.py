"""The portfolio: every system in a line, with whether it is fit to ship now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING

from shipworthy.api.acting import everyone, shown
from shipworthy.api.pages.fit import Fit, fit_of, stands
from shipworthy.api.pages.library import MOST, PAGE, Library
from shipworthy.api.pages.shown import SETTLED, RunRow, run_row
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
    unreadable: list[str] = field(default_factory=list)  # systems whose documents cannot be read


def portfolio(
    library: Library, *, now: datetime, tier: str | None = None, fit: str | None = None, page: int = 1
) -> Portfolio:
    """Every system with whether it is fit to ship now, those that need somebody first; beyond SORTED, by name."""
    record = library.record
    total = record.count("system")
    matching = record.count("system", tier=tier) if tier is not None else total
    start = (page - 1) * PAGE
    if fit is None and matching > SORTED:
        kept = record.find("system", tier=tier, limit=PAGE, offset=start, damaged=True)
        rows = rows_of(library, kept, now=now)
        has_more = matching > start + PAGE
    else:
        kept = record.find("system", tier=tier, limit=FILTERED, damaged=True)
        rows = rows_of(library, kept, now=now)
        rows = sorted((row for row in rows if fit in (None, row.fit.fit)), key=_urgency)[start:]
        has_more = len(rows) > PAGE
    return Portfolio(
        systems=rows[:PAGE], tier=tier, fit=fit, page=page, has_more=has_more, total=total,
        left_out=max(0, matching - FILTERED) if fit is not None else 0,
        unreadable=[one.id for one in kept if one.fault is not None],
    )  # fmt: skip


def _urgency(row: SystemRow) -> tuple[bool, bool, int, int, str]:
    order = ("hold", "stale", "undecided", "unknown", "ship")
    return row.status == "retired", row.newest is None, order.index(row.fit.fit), -sum(row.overdue.values()), row.name


def rows_of(library: Library, kept: Iterable[Kept], *, now: datetime) -> list[SystemRow]:
    """Systems in a line each, in their order."""
    systems = [one.document for one in kept if isinstance(one.document, documents.System)]
    names = [one.id for one in systems]
    found = stands(library, names, now=now)
    seq, today, record = library.memory.look(library.record), now.date(), library.record
    known = library.memory.recall_all(names, "row", seq=seq, today=today, find=partial(_rows, record, systems, today))
    return [replace(known[one], fit=fit_of(library, one, found[one])) for one in names]


def _rows(
    record: Record, systems: Sequence[documents.System], today: date, names: Sequence[str]
) -> dict[str, SystemRow]:
    """Systems of these names in a line each, but for whether they are fit; they rest on no file."""
    wanted = [one for one in systems if one.id in set(names)]
    runs = {one.facts.system: one for one in record.newest_runs(names)}
    people = everyone(record, [*(one.owner for one in wanted if one.owner), *(one.actor for one in runs.values())])
    risks = record.tally("risk", system=names, status=documents.STILL_OPEN)
    late = record.tally(*_WITH_A_DAY, system=names, due_before=today)
    most = MOST * len(names)
    incidents, released = defaultdict[str, list[documents.Incident]](list), defaultdict[str, list[str]](list)
    found = record.find("incident", system=names, limit=most, damaged=True)
    for kept in found:
        if isinstance(kept.document, documents.Incident):
            incidents[kept.document.system].append(kept.document)
    every = record.tally("incident", system=names) if any(one.fault for one in found) else {}
    found = record.find("version", system=names, status="released", limit=most, damaged=True)
    versions = [one.document for one in found if isinstance(one.document, documents.Version)]
    for one in sorted(versions, key=_released):
        released[one.system].append(one.version)
    return {
        one.id: SystemRow(
            name=one.id,
            purpose=one.purpose,
            tier=one.tier,
            owner=shown(people, one.owner) if one.owner else "",
            status=one.status,
            released=next(reversed(released[one.id]), None),
            newest=run_row(runs[one.id], people) if one.id in runs else None,
            fit=Fit(fit="unknown"),
            open_risks=sum(count for (_, of, _), (count, _) in risks.items() if of == one.id),
            worst_risk=max(
                (worst for (_, of, _), (_, worst) in risks.items() if of == one.id and worst is not None), default=None
            ),
            overdue=_overdue(late, one.id),
            last_incident=max((each.detected for each in incidents[one.id]), default=None),
            open_incidents=sum(each.status not in SETTLED for each in incidents[one.id])
            + max(0, sum(n for (_, of, _), (n, _) in every.items() if of == one.id) - len(incidents[one.id])),
        )
        for one in wanted
    }


def _overdue(late: Mapping[tuple[str, str, str], tuple[int, int | None]], system: str) -> dict[str, int]:
    """Kind of document -> how many of a system are past their day."""
    found = Counter[str]()
    for (kind, of, state), (count, _) in late.items():
        found[kind] += count if of == system and state not in SETTLED else 0
    return {str(kind): found[kind] for kind in _WITH_A_DAY if found[kind]}


def _released(version: documents.Version) -> str:
    return version.released.isoformat() if version.released else ""
