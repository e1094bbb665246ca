"""Mitigations: what is done against risks, and the run that shows that it works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from shipworthy.api.numbering import MOST, write_numbered
from shipworthy.api.recording import actor_of
from shipworthy.api.risks import owner_of, refuse_past, refuse_unknown_requirements, risk_of
from shipworthy.api.runs import find_run
from shipworthy.api.systems import system_of
from shipworthy.errors import Fault, Unusable
from shipworthy.record.documents import Mitigation, Risk

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptVerdict, RunFacts
    from shipworthy.record.store import Kept, Record

Progress: TypeAlias = Literal["proposed", "in progress", "implemented", "abandoned"]
_PROMISE = ("metric", "evaluation", "compare", "variant")


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One requirement before a mitigation and after it."""

    requirement: str
    before: KeptVerdict
    after: KeptVerdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A mitigation that a run has shown to work."""

    mitigation: Mitigation
    compared: tuple[Comparison, ...]


def add(
    record: Record,
    *,
    system: str | None,
    title: str,
    what: str,
    risks: Sequence[str] = (),
    requirements: Sequence[str] = (),
    owner: str = "",
    due: date | None = None,
    actor: str | None,
    now: datetime,
) -> Mitigation:
    """Register a mitigation under the next number; its risks name it from then on.

    system: None takes that of its risks. Raises Unusable: RISK001, RISK002, RISK003, RISK006 where it fits no system,
    RISK011 for a day that is past, GOVERN002.
    """
    found = [risk_of(record, one) for one in dict.fromkeys(risks)]
    about = system or (found[0][1].system if found else None)
    strange = [risk.id for _, risk in found if risk.system != about]
    if about is None or strange:
        why = f"risk {strange[0]} is of another system" if strange else "it names neither a risk nor a system"
        fault = Fault(
            code="RISK006", what=f"a mitigation is of one system: {why}", where="--risk", mend="name --system"
        )
        raise Unusable(fault)
    system_of(record, about)
    refuse_past(now, {"--due": due})
    refuse_unknown_requirements(record, about, requirements, where="--requirement")
    by, owned = actor_of(record, actor), owner_of(record, owner)

    def made(id_: str) -> list[Mitigation]:
        new = Mitigation.model_construct(
            id=id_, system=about, title=title, what=what, risks=tuple(risk.id for _, risk in found),
            requirements=tuple(dict.fromkeys(requirements)), owner=owned, due=due,
        )  # fmt: skip
        named = (
            risk.model_copy(update={"mitigations": tuple(dict.fromkeys((*risk.mitigations, id_)))}) for _, risk in found
        )
        return cast("list[Mitigation]", [new, *named])

    return write_numbered(record, by, now, made, kind="mitigation", letter="M")


def mitigation_of(record: Record, id_: str) -> tuple[Kept, Mitigation]:
    """A mitigation as the record has it. Raises Unusable (RISK001)."""
    kept = record.get("mitigation", id_)
    if kept is None or not isinstance(kept.document, Mitigation):
        what, mend = f"there is no mitigation {id_[:80]!r}", "`shipworthy mitigation list` shows them"
        raise Unusable(Fault(code="RISK001", what=what, where=id_[:200], mend=mend))
    return kept, kept.document


def mitigations(record: Record, *, system: str | None = None, damaged: bool = False) -> list[Mitigation]:
    """Every mitigation, by number. damaged: passing over those that cannot be read, which else are refused."""
    found = [one.document for one in record.find("mitigation", system=system, limit=MOST, damaged=damaged)]
    known = [one for one in found if isinstance(one, Mitigation)]
    return sorted(known, key=lambda one: (len(one.id), one.id))


def update(record: Record, id_: str, changes: dict[str, Any], *, actor: str | None, now: datetime) -> Mitigation:
    """Change what a mitigation says. Whoever changes what is done, or to what, undoes its verification.

    changes: field of `documents.Mitigation` -> its new value; `status` may be any Progress. Raises Unusable: RISK001 to
    RISK004.
    """
    kept, old = mitigation_of(record, id_)
    if not changes:
        mend = "name what changes, as in --status or --due"
        raise Unusable(Fault(code="RISK004", what="nothing is to be changed", where=id_[:200], mend=mend))
    new = dict(changes)
    if "requirements" in new:
        refuse_unknown_requirements(record, old.system, new["requirements"], where="--requirement")
    if "owner" in new:
        new["owner"] = owner_of(record, new["owner"])
    named = [risk_of(record, one) for one in dict.fromkeys(new.get("risks", ()))]
    if strange := [risk.id for _, risk in named if risk.system != old.system]:
        what = f"a mitigation is of one system: risk {strange[0]} is of another"
        raise Unusable(Fault(code="RISK006", what=what, where="--risk", mend=f"name risks of {old.system[:80]}"))
    if old.status == "verified" and new.keys() & {"what", "requirements", "status"}:
        new = {"status": "implemented", **new, "verification": None}
    after = old.model_copy(update=new)
    risks = [
        risk.model_copy(update={"mitigations": (*risk.mitigations, id_)})
        for _, risk in named
        if id_ not in risk.mitigations
    ]
    based_on = {("mitigation", id_): kept.version, **{("risk", one.id): one.version for one, _ in named}}
    record.write(actor_of(record, actor), now, after, *risks, based_on=based_on)
    return after


def verify(
    record: Record, id_: str, run: str, *, before: str | None = None, actor: str | None, now: datetime
) -> Verified:
    """Mark a mitigation as verified, where a run meets every requirement that it is for and the run before did not.

    Both verdicts have to be on the same promise: another bound, metric or evaluation shows nothing about what was done.
    A waived requirement is not met. run: folder, id, digest, or "latest". before: the run to compare with; default, for
    each requirement, the newest earlier run of the system that has it.

    Raises Unusable: RISK001, GOVERN002, RISK007 with every reason why it is not verified.
    """
    kept, old = mitigation_of(record, id_)
    after, earlier = find_run(record, run).facts, find_run(record, before).facts if before else None
    wanted = old.requirements or _of_risks(record, old)
    faults = list(_unfit(old, after, earlier, wanted))
    compared = list[Comparison]()
    for name in wanted if not faults else ():
        found = _compared(record, old.system, name, after, earlier)
        if isinstance(found, Comparison):
            compared.append(found)
        else:
            faults.append(
                Fault(code="RISK007", what=f"{id_[:80]} is not verified by {name}: {found}", where=name, mend=_MEND)
            )
    if faults:
        raise Unusable(faults)
    new = old.model_copy(update={"status": "verified", "verification": after.digest})
    record.write(actor_of(record, actor), now, new, action="verify", based_on={("mitigation", id_): kept.version})
    return Verified(mitigation=new, compared=tuple(compared))


_MEND = "check again once it is in place, and verify with that run; --before names the run to compare with"


def _of_risks(record: Record, mitigation: Mitigation) -> tuple[str, ...]:
    found = (record.get("risk", one) for one in mitigation.risks)
    risks = (kept.document for kept in found if kept is not None)
    return tuple(dict.fromkeys(name for risk in risks if isinstance(risk, Risk) for name in risk.requirements))


def _unfit(mitigation: Mitigation, after: RunFacts, before: RunFacts | None, wanted: Sequence[str]) -> Iterator[Fault]:
    if mitigation.status == "abandoned":
        mend = "`shipworthy mitigation update` takes it up again"
        yield Fault(code="RISK007", what="it was abandoned", where=mitigation.id, mend=mend)
    if not wanted:
        what, mend = "neither it nor its risks name a requirement", "name one: `shipworthy mitigation update`"
        yield Fault(code="RISK007", what=what, where=mitigation.id, mend=mend)
    for run in filter(None, (after, before)):
        if run.system != mitigation.system:
            what = f"run {run.run} is of another system than the mitigation"
            yield Fault(code="RISK007", what=what, where=run.run, mend=f"name a run of {mitigation.system[:80]}")
    if before is not None and before.created >= after.created:
        what = f"run {before.run} is not older than run {after.run}"
        yield Fault(code="RISK007", what=what, where="--before", mend="name an older one")


def _compared(record: Record, system: str, name: str, after: RunFacts, before: RunFacts | None) -> Comparison | str:
    """The two verdicts, or why they show nothing."""
    now = next(iter(record.verdicts(run=after.digest, requirement=name, limit=1)), None)
    if now is None:
        return f"run {after.run} has no such requirement"
    if now.verdict != "met":
        return f"in run {after.run} it is {now.verdict}"
    if before is not None:
        then = next(iter(record.verdicts(run=before.digest, requirement=name, limit=1)), None)
    else:
        older = (one for one in record.verdicts(system=system, requirement=name, limit=MOST))
        then = next((one for one in older if one.created < after.created), None)
    if then is None:
        return "no earlier run shows how it was before"
    if then.verdict == "met":
        return f"it was met before, in run {then.name}: this run shows no change"
    if _promise(then) != _promise(now):
        return f"run {then.name} was held against another bound, metric or evaluation"
    return Comparison(requirement=name, before=then, after=now)


def _promise(verdict: KeptVerdict) -> dict[str, Any]:
    estimate = verdict.body.get("estimate") or {}
    return {"bound": verdict.body.get("bound"), **{key: estimate.get(key) for key in _PROMISE}}
