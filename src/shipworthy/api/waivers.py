"""Waivers: asked for by one person, approved by others, ended by themselves. The record keeps who may do what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from shipworthy.api.acting import acting
from shipworthy.api.recording import kept_plan
from shipworthy.api.runs import MOST, find_run
from shipworthy.errors import Fault, Unusable
from shipworthy.record.documents import Scope, System, Waiver

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptVerdict, RunFacts
    from shipworthy.record.store import Record

Answer: TypeAlias = Literal["approve", "refuse", "withdraw"]
_NUMBERED = re.compile(r"W-([1-9][0-9]{0,8})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The terms of a waiver that somebody asks for."""

    requirement: str
    reason: str
    control: str  # what protects people meanwhile
    ends: date  # the last day on which it holds
    starts: date | None = None  # default: today
    slice: Mapping[str, str] | None = None  # column -> level, as people write it
    risk: str | None = None  # id of the risk that it leaves open
    any_version: bool = False  # it also holds for other versions than the run's


def request(record: Record, run: str, wanted: Wanted, *, actor: str | None, now: datetime) -> Waiver:
    """Ask for a waiver of a requirement that a run did not meet. run: its folder, id, digest, or "latest".

    Raises Unusable: GOVERN001, GOVERN002, GOVERN005 where there is nothing to waive, GOVERN006 for a slice or risk that
    is not there, and a slice that the requirement does not look at, RECORD010 and RECORD014 for terms that no waiver
    can have.
    """
    facts = find_run(record, run).facts
    verdicts = record.verdicts(run=facts.digest, limit=MOST)
    verdict = next((one for one in verdicts if one.requirement == wanted.requirement), None)
    if verdict is None or verdict.verdict == "met":
        what = "is met by this run" if verdict else "is no requirement of this run"
        open_ones = ", ".join(one.requirement for one in verdicts if one.verdict != "met") or "none"
        where, mend = f"run {facts.run}", f"not met are: {open_ones}"
        raise Unusable(Fault(code="GOVERN005", what=f"{wanted.requirement[:80]!r} {what}", where=where, mend=mend))
    if wanted.risk is not None:
        _refuse_unknown_risk(record, wanted.risk, facts.system)
    system = record.get("system", facts.system)
    assert system is not None  # a run is recorded with its system
    assert isinstance(system.document, System)
    asker = acting(record, actor)
    scope = Scope(
        version=None if wanted.any_version else facts.version,
        evaluation=verdict.body.get("evaluation"),
        requirement_digest=verdict.body.get("terms"),
        slice=_slice(record, facts, verdict, wanted.slice) if wanted.slice else None,
    )
    while True:
        waiver = Waiver.model_construct(
            id=_next_id(record), system=facts.system, tier=system.document.tier, requirement=wanted.requirement,
            scope=scope, reason=wanted.reason, control=wanted.control, risk=wanted.risk, requester=asker.person,
            starts=wanted.starts or now.date(), ends=wanted.ends,
        )  # fmt: skip
        try:
            record.write(asker.person, now, waiver, action="request", based_on={("waiver", waiver.id): 0})
        except Unusable as error:
            if error.faults[0].code != "RECORD015":  # somebody took the number first: of all who try, one gets on
                raise
        else:
            return waiver


def answer(record: Record, id_: str, said: Answer, *, actor: str | None, now: datetime) -> Waiver:
    """Approve, refuse or withdraw a waiver. It is approved once as many have approved as its tier asks for.

    Raises Unusable: GOVERN001, GOVERN007 where it is not in a state for that, RECORD014 and RECORD016 where this person
    may not: who asks does not approve.
    """
    kept = record.get("waiver", id_)
    if kept is None or not isinstance(kept.document, Waiver):
        raise _not_now(id_, "there is no such waiver")
    old = kept.document
    person = acting(record, actor).person
    if said != "withdraw" and old.status != "requested":
        raise _not_now(id_, f"it is {old.status}")
    if said == "refuse" and person == old.requester:
        raise _not_now(id_, "who asked for it does not refuse it, but withdraws it")
    if said == "withdraw" and old.status in ("refused", "withdrawn"):
        raise _not_now(id_, f"it was {old.status}")
    if said == "approve":
        if now.date() > old.ends:
            raise _not_now(id_, f"it ended on {old.ends}")
        approvers = (*old.approvers, person)
        status = "approved" if len(set(approvers)) >= old.needed else "requested"
        new = old.model_copy(update={"approvers": approvers, "status": status})
    else:
        new = old.model_copy(update={"status": "refused" if said == "refuse" else "withdrawn"})
    record.write(person, now, new, action=said, based_on={("waiver", id_): kept.version})
    return new


def waivers(
    record: Record, *, system: str | None = None, ending: int | None = None, today: date, damaged: bool = False
) -> list[Waiver]:
    """Waivers, by their last day. ending: only those in force or asked for that end within so many days. damaged:
    passing over those that cannot be read, which else are refused."""
    found = [one.document for one in record.find("waiver", system=system, limit=MOST, damaged=damaged)]
    known = [one for one in found if isinstance(one, Waiver)]
    if ending is not None:
        last = today + timedelta(days=ending)
        known = [one for one in known if one.status in ("requested", "approved") and today <= one.ends <= last]
    return sorted(known, key=lambda one: (one.ends, one.id))


def state(waiver: Waiver, today: date) -> str:
    """What a waiver is worth today, in a word or two."""
    if waiver.status == "requested":
        return f"requested, {len(waiver.approvers)} of {waiver.needed} approved"
    if waiver.status != "approved":
        return waiver.status
    if today > waiver.ends:
        return "ended"
    return "in force" if today >= waiver.starts else f"from {waiver.starts}"


def _next_id(record: Record) -> str:
    ids = [_NUMBERED.fullmatch(one) for one in record.ids("waiver")]
    return f"W-{max((int(found[1]) for found in ids if found), default=0) + 1}"


def _refuse_unknown_risk(record: Record, risk: str, system: str) -> None:
    kept = record.get("risk", risk)
    if kept is None or getattr(kept.document, "system", None) != system:
        what = f"{system!r} has no risk {risk[:80]!r}"
        raise Unusable(Fault(code="GOVERN006", what=what, where="--risk", mend="register the risk first"))


def _slice(
    record: Record, facts: RunFacts, verdict: KeptVerdict, wanted: Mapping[str, str]
) -> dict[str, str | int | float | bool]:
    """The levels that people wrote, as the run has them: `true` may be a word or a truth value.

    Refused where no slice that the requirement looks at lies in them: such a waiver would never cover anything.
    """
    import json

    estimate = verdict.body.get("estimate") or {}
    table = record.estimates(run=facts.digest, evaluation=estimate.get("evaluation"))
    slices = [json.loads(text) for text in table.column("slice").unique().to_pylist()]
    found: dict[str, str | int | float | bool] = {}
    for column, said in wanted.items():
        levels = {str(one[column]): one[column] for one in slices if one.get(column) is not None}
        if said not in levels:
            columns = ", ".join(sorted({name for one in slices for name in one}))
            known = f"levels are {', '.join(sorted(levels)[:12])}" if levels else f"columns are {columns or 'none'}"
            what = f"no slice of the run has {column} = {said}"
            raise Unusable(Fault(code="GOVERN006", what=what[:200], where="--slice", mend=f"the {known}"))
        found[column] = levels[said]
    plan = kept_plan(record, facts.plan_digest)
    asked = next((one for one in plan.requirements if one.id == verdict.requirement), None) if plan else None
    axes, compared = set(estimate.get("slice") or {}), asked is not None and asked.reference is not None
    if asked is not None and asked.across is not None:
        axes = {asked.across} if isinstance(asked.across, str) else set(asked.across)
    others = [one for one in slices if set(one) == axes and not (compared and one == estimate.get("reference"))]
    if not any(found.items() <= one.items() for one in others):
        what = f"{verdict.requirement[:80]!r} looks at no slice {', '.join(f'{a} = {b}' for a, b in found.items())}"
        about = f"it is about slices by {', '.join(sorted(axes))}" if axes else "it is about everyone"
        mend = "name one of these, and not the one that others are compared with" if axes else "leave --slice out"
        raise Unusable(Fault(code="GOVERN006", what=f"{what[:200]}: {about}", where="--slice", mend=mend))
    return found


def _not_now(id_: str, why: str) -> Unusable:
    what = f"nothing can be done to waiver {id_[:80]!r}: {why}"
    return Unusable(Fault(code="GOVERN007", what=what, where=id_[:200], mend="`shipworthy waiver list` shows them"))
