"""The record of incidents: what went wrong in use, how it was mended, and by when authorities have to hear of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from shipworthy.api.numbering import MOST, write_numbered
from shipworthy.api.recording import actor_of
from shipworthy.api.risks import owner_of
from shipworthy.api.systems import system_of
from shipworthy.errors import Fault, Unusable
from shipworthy.record.documents import Event, Incident

if TYPE_CHECKING:
    from shipworthy.record.store import Kept, Record

Class: TypeAlias = Literal["general", "death", "widespread", "critical-infrastructure"]
STEPS = ("acknowledged", "mitigated", "resolved", "reported")

# EU AI Act (Regulation 2024/1689), Article 73(2) to (4): days from awareness in which a serious incident is reported.
CLOCKS: Mapping[Class, int] = {"general": 15, "death": 10, "widespread": 2, "critical-infrastructure": 2}
CLASSES: Mapping[Class, str] = {
    "general": "serious incident", "death": "death", "widespread": "widespread infringement",
    "critical-infrastructure": "critical infrastructure",
}  # fmt: skip
_PREFIX = "art-73:"  # how a harm names its class


def harm_in_words(harm: str) -> str:
    """A class of harm; one of Article 73 in words: "art-73:general" is "serious incident (Article 73)"."""
    named = harm.removeprefix(_PREFIX)
    known = harm.startswith(_PREFIX) and named in CLASSES
    return f"{CLASSES[cast('Class', named)]} (Article 73)" if known else harm


def class_of(incident: Incident) -> Class | None:
    """The class of Article 73 that an incident was given: of several the one with the shortest clock."""
    found = [one.removeprefix(_PREFIX) for one in incident.harms if one.startswith(_PREFIX)]
    return min((cast("Class", one) for one in found if one in CLOCKS), key=lambda one: CLOCKS[one], default=None)


def report_due(incident: Incident) -> datetime | None:
    """By when it has to be reported: its clock, from detection; None where it was given no class."""
    named = class_of(incident)
    return None if named is None else incident.detected + timedelta(days=CLOCKS[named])


def clock_in_words(incident: Incident, now: datetime) -> str:
    """The same for a page, in a sentence, with the hour, the zone and the class; empty where no report is due."""
    named, due = class_of(incident), report_due(incident)
    if named is None or due is None:
        return ""
    by = f"by {due:%Y-%m-%d %H:%M} UTC, {CLOCKS[named]} days after it was detected ({CLASSES[named]})"
    if incident.reported is not None:
        when = f"{'late, ' if incident.reported > due else ''}on {incident.reported:%Y-%m-%d %H:%M} UTC"
        return f"Reported to the authority {when}; due {by}."
    passed = "That time has passed." if now > due else "No report is noted yet."
    return f"The report to the authority under Article 73 of the EU AI Act is due {by}. {passed}"


def clock(incident: Incident, now: datetime) -> str:
    """How it stands with its report, in a few words; empty where none is due."""
    due = report_due(incident)
    if due is None:
        return ""
    if incident.reported is not None:
        late = incident.reported > due
        return f"reported {incident.reported:%Y-%m-%d}{', late' if late else ''}"
    return f"REPORT OVERDUE since {due:%Y-%m-%d %H:%M}" if now > due else f"report by {due:%Y-%m-%d %H:%M} UTC"


def open_incident(
    record: Record,
    *,
    system: str,
    title: str,
    severity: Literal["critical", "high", "medium", "low"],
    detected: datetime | None = None,
    started: datetime | None = None,
    what: str = "",
    version: str | None = None,
    source: str = "",
    affected: Sequence[str] = (),
    harms: Sequence[str] = (),
    reportable: Class | None = None,
    risks: Sequence[str] = (),
    owner: str = "",
    actor: str | None,
    now: datetime,
) -> Incident:
    """Register an incident under the next number. detected: default now. reportable: its class, which sets the due day.

    Raises Unusable: GOVERN002, RISK002, RISK010 for a moment that lies ahead, RECORD010 and RECORD014.
    """
    system_of(record, system)
    moments = {"detected": detected or now, "started": started}
    _refuse_ahead(moments, now)
    by, owned = actor_of(record, actor), owner_of(record, owner)
    seen = detected or now

    def made(id_: str) -> list[Incident]:
        return [Incident.model_construct(
            id=id_, system=system, version=version, title=title, what=what, severity=severity, source=source,
            affected=tuple(affected), owner=owned, detected=seen, started=started, risks=tuple(risks),
            harms=(*harms, *((_PREFIX + reportable,) if reportable else ())),
            due=(seen + timedelta(days=CLOCKS[reportable])).date() if reportable else None,
        )]  # fmt: skip

    return write_numbered(record, by, now, made, kind="incident", letter="I")


def incident_of(record: Record, id_: str) -> tuple[Kept, Incident]:
    """An incident as the record has it. Raises Unusable (RISK001)."""
    kept = record.get("incident", id_)
    if kept is None or not isinstance(kept.document, Incident):
        what, mend = f"there is no incident {id_[:80]!r}", "`shipworthy incident list` shows them"
        raise Unusable(Fault(code="RISK001", what=what, where=id_[:200], mend=mend))
    return kept, kept.document


def update(
    record: Record,
    id_: str,
    changes: Mapping[str, Any],
    *,
    steps: Mapping[str, datetime] | None = None,
    reportable: Class | None = None,
    event: str | None = None,
    actor: str | None,
    now: datetime,
) -> Incident:
    """Change what an incident says, note the steps that were reached, and add a line to its timeline.

    changes: field of `documents.Incident` -> its new value. steps: one of STEPS -> when it was reached. reportable: its
    class of Article 73, which sets its due day anew. Raises Unusable: RISK001, RISK002, RISK004 where nothing changes,
    RISK010, RECORD010, RECORD014.
    """
    kept, old = incident_of(record, id_)
    new: dict[str, Any] = {**changes, **(steps or {})}
    _refuse_ahead(dict(steps or {}), now)
    if "owner" in new:
        new["owner"] = owner_of(record, new["owner"])
    if reportable is not None:
        kinds = tuple(one for one in new.get("harms", old.harms) if not one.startswith(_PREFIX))
        new["harms"] = (*kinds, _PREFIX + reportable)
        new["due"] = (old.detected + timedelta(days=CLOCKS[reportable])).date()
    elif "harms" in new:
        new["harms"] = (*new["harms"], *(one for one in old.harms if one.startswith(_PREFIX)))
    if event is not None:
        new["timeline"] = (*old.timeline, Event.model_construct(at=now, what=event))
    if not new:
        mend = "name what changes, as in --resolved or --cause"
        raise Unusable(Fault(code="RISK004", what="nothing is to be changed", where=id_[:200], mend=mend))
    return _written(record, kept, old, new, actor=actor, now=now)


def close(record: Record, id_: str, *, at: datetime | None, actor: str | None, now: datetime) -> Incident:
    """Close an incident that was resolved, and of which the cause is written down. at: default now.

    Raises Unusable (RISK001, RISK010).
    """
    kept, old = incident_of(record, id_)
    lacking = [
        word
        for word, is_there in (
            ("it was not resolved", old.resolved is not None),
            ("its cause is not written down", bool(old.cause.strip())),
            ("it was not reported, and has to be", report_due(old) is None or old.reported is not None),
        )
        if not is_there
    ]
    if lacking or old.closed is not None:
        what = (
            "it is closed already" if old.closed else f"an incident is closed once it is settled: {'; '.join(lacking)}"
        )
        mend = "`shipworthy incident update` says so before"
        raise Unusable(Fault(code="RISK010", what=what, where=id_[:200], mend=mend))
    _refuse_ahead({"closed": at}, now)
    return _written(record, kept, old, {"closed": at or now}, actor=actor, now=now, action="close")


def incidents(
    record: Record, *, system: str | None = None, only_open: bool = False, damaged: bool = False
) -> list[Incident]:
    """Incidents, the newest first. damaged: passing over those that cannot be read, which else are refused."""
    found = [one.document for one in record.find("incident", system=system, limit=MOST, damaged=damaged)]
    known = [one for one in found if isinstance(one, Incident) and not (only_open and one.closed)]
    return sorted(known, key=lambda one: (one.detected, len(one.id), one.id), reverse=True)


def is_overdue(incident: Incident, today: date) -> bool:
    """Whether it should have been settled by now."""
    return incident.closed is None and incident.due is not None and incident.due < today


def _refuse_ahead(moments: Mapping[str, datetime | None], now: datetime) -> None:
    ahead = [name for name, moment in moments.items() if moment is not None and moment > now]
    if ahead:
        mend = "name a moment that has come; times are UTC unless they say otherwise"
        raise Unusable(Fault(code="RISK010", what=f"`{ahead[0]}` lies ahead", where=ahead[0], mend=mend))


def _written(
    record: Record,
    kept: Kept,
    old: Incident,
    new: dict[str, Any],
    *,
    actor: str | None,
    now: datetime,
    action: str | None = None,
) -> Incident:
    after = old.model_copy(update=new)
    by = actor_of(record, actor)
    return cast(
        "Incident",
        record.write(by, now, after, action=action, based_on={("incident", kept.id): kept.version})[0].document,
    )
