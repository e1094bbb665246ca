"""The indicators of the programme, as a page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from shipworthy.api.kpis import DAYS, kpis, window
from shipworthy.api.pages import Library
from shipworthy.evidence.kpis import settings

if TYPE_CHECKING:
    from shipworthy.evidence.kpis import Figure, Kpi

_LAST = date.max - timedelta(days=1)  # a day that has a next one
_UNITS = {"ratio": " %", "points": "", "days": " days"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A number of an indicator."""

    label: str
    text: str  # written, with its interval
    unit: str
    value: float | None  # None: not reached in the window
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Indicator:
    """An indicator over the window."""

    name: str
    title: str
    definition: str
    note: str  # how the definition was read
    figures: list[Shown]  # empty exactly where there is a reason
    n: int
    open: int  # of n, still open at the end of the window: they count as open
    excluded: dict[str, int]  # why -> how many
    reason: str  # why there is no number; "" where there is one


@dataclass(frozen=True, kw_only=True, slots=True)
class KpisPage:
    """The indicators that have something to say, and those that do not, with the reason."""

    since: date
    until: date
    known: list[Indicator]
    unknown: list[Indicator]
    days: int  # of the usual window
    appetite: float  # declared beforehand, as the digest of all that was
    digest: str


def kpis_page(library: Library, *, since: date | None, until: date | None, now: datetime) -> KpisPage:
    """The indicators from one day to another, both counted in; default the last DAYS days. Raises Unusable (KPI001)."""
    start = _midnight(since) if since is not None else None
    end = None if until is None else now if until == now.date() else _midnight(min(until, _LAST)) + timedelta(days=1)
    over = window(start, end, now)
    found = [_indicator(one) for one in kpis(library.record, over, base=library.start, now=now)]
    declared = settings()
    is_today = end is None or end == now
    return KpisPage(
        since=over.since.date(), until=now.date() if is_today else (over.until - timedelta(days=1)).date(),
        known=[one for one in found if not one.reason], unknown=[one for one in found if one.reason], days=DAYS,
        appetite=float(str(declared["appetite"])), digest=str(declared["digest"]),
    )  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _indicator(one: Kpi) -> Indicator:
    return Indicator(
        name=one.name, title=one.title, definition=one.definition, note=one.note,
        figures=[_shown(figure) for figure in one.figures], n=one.n, open=one.open, excluded=dict(one.excluded),
        reason=one.reason or "",
    )  # fmt: skip


def _shown(one: Figure) -> Shown:
    value, low, high = (_finite(each) for each in (one.value, one.low, one.high))
    unit = _UNITS.get(one.unit, f" {one.unit}")
    text = "not reached in this window" if value is None else f"{_written(value, one.unit)}{unit}"
    if one.low is not None:
        text += " (no limits)" if low is None else f" ({_written(low, one.unit)} to {_written(high, one.unit)})"
    label = "" if one.label == "share" else one.label
    return Shown(label=label, text=text, unit=one.unit, value=value, low=low, high=high)


def _finite(value: float | None) -> float | None:
    return None if value is None or value in (float("inf"), float("-inf")) else value


def _written(value: float | None, unit: str) -> str:
    if value is None:
        return "not reached"
    if unit == "ratio":
        return f"{value * 100:.1f}"
    return f"{value:,.0f}" if unit == "points" else f"{value:,.1f}"
