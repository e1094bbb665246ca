"""The risk register: what may go wrong, how likely a run shows it to be, what is done, and who accepts the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from shipworthy.api.acting import acting
from shipworthy.api.numbering import MOST, write_numbered
from shipworthy.api.recording import actor_of
from shipworthy.api.runs import find_run
from shipworthy.api.systems import system_of
from shipworthy.catalogues.finding import find, is_own
from shipworthy.errors import Fault, ShipworthyError, Unusable
from shipworthy.present import numbers
from shipworthy.record.documents import STILL_OPEN, Plan, Rating, Risk

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptVerdict
    from shipworthy.record.store import Kept, Record

Treatment: TypeAlias = Literal["mitigate", "accept", "transfer", "avoid"]
Side: TypeAlias = Literal["inherent", "residual"]

# The upper limit of the measured rate of failure, per case -> likelihood. Ours, a decade or so to each step; a limit
# that equals an end belongs to the lower step.
LIKELIHOODS: tuple[tuple[float, int], ...] = ((0.001, 1), (0.01, 2), (0.05, 3), (0.2, 4), (1.0, 5))


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """How likely a run shows a risk to be."""

    risk: Risk
    likelihood: int
    rate: float  # upper limit of the rate of failure, per case
    level: float  # two-sided confidence of the interval that it is the end of
    said: str  # the sentence that the rating carries


def likelihood(rate: float) -> int:
    """The likelihood, 1 to 5, of a rate of failure per case. rate: in [0, 1], the upper limit of its interval."""
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be in [0, 1]. Got {rate!r}")
    return next(step for end, step in LIKELIHOODS if rate <= end)


def current(risk: Risk) -> Rating:
    """What is left of a risk: its residual rating where it has one, else the inherent."""
    return risk.residual or risk.inherent


def is_overdue(risk: Risk, today: date) -> bool:
    """Whether somebody should have dealt with it or looked at it again by now; a closed risk is never overdue.

    It is dealt with once what is left of it was accepted, or it was closed: to have treated it is not enough.
    """
    late_work = risk.status in ("open", "treated") and risk.due is not None and risk.due < today
    late_review = risk.status != "closed" and risk.review is not None and risk.review < today
    return late_work or late_review


def owner_of(record: Record, said: str) -> str:
    """An owner as documents keep it: a person's commitment for "Ada <ada@example.org>", or a team in words.

    Raises Unusable: KEYS001 for what names no person, RISK002 for a bare address, which would outlive erasure.
    """
    if "<" in said:
        return acting(record, said).person
    if "@" in said:
        what, mend = f"{said[:80]!r} is an address without a name", 'write "Ada <ada@example.org>", or name a team'
        raise Unusable(Fault(code="RISK002", what=what, where="--owner", mend=mend))
    return said.strip()


def checked_ids(taxonomy: Sequence[str], *, where: str = "--taxonomy") -> tuple[str, ...]:
    """Taxonomy ids in full, each once; those of a framework of one's own as they are.

    Raises Unusable with every id that no catalogue has (the CATALOGUE codes).
    """
    found, faults = list[str](), list[Fault]()
    for each in taxonomy:
        try:
            found.append(each if is_own(each) else find(each, where=where).ref)
        except Unusable as error:
            faults += error.faults
    if faults:
        raise Unusable(faults)
    return tuple(dict.fromkeys(found))


def refuse_unknown_requirements(record: Record, system: str, requirements: Sequence[str], *, where: str) -> None:
    """Raises Unusable (RISK003) for a requirement that no recorded plan or run of the system has, once there is one."""
    known = known_requirements(record, system)
    strange = [one for one in requirements if one not in known]
    if known and strange:
        what = f"{system[:80]!r} has no requirement {', '.join(map(repr, strange))[:200]}"
        raise Unusable(Fault(code="RISK003", what=what, where=where, mend=f"it has {', '.join(sorted(known)[:20])}"))


def refuse_unfounded(record: Record, old: Risk | None, new: Risk, *, where: str) -> None:
    """Raises Unusable for what a changed or new risk says of the record, and the record does not: RISK003 for
    requirements, RISK001 for mitigations, RISK005 for a likelihood that its run does not show. What was there stays.
    """
    added = [one for one in new.requirements if old is None or one not in old.requirements]
    refuse_unknown_requirements(record, new.system, added, where=where)
    for id_ in new.mitigations:
        if old is not None and id_ in old.mitigations:
            continue
        kept = record.get("mitigation", id_)
        if kept is None or getattr(kept.document, "system", None) != new.system:
            what, mend = (
                f"{new.system[:80]!r} has no mitigation {id_[:80]!r}",
                "`shipworthy mitigation list` shows them",
            )
            raise Unusable(Fault(code="RISK001", what=what, where=where, mend=mend))
    before = (old.inherent, old.residual) if old is not None else ()
    for rating in (new.inherent, new.residual):
        if rating is not None and rating.basis == "measured" and rating not in before:
            _refuse_unmeasured(record, new, rating, where)


def _refuse_unmeasured(record: Record, risk: Risk, rating: Rating, where: str) -> None:
    shown = dict[str, int]()
    for verdict in record.verdicts(run=rating.run, system=risk.system, limit=MOST):
        if verdict.requirement in risk.requirements:
            with suppress(Unusable):  # no rate of failures
                shown[verdict.requirement] = likelihood(failure_rate(verdict)[0])
    if rating.likelihood in shown.values():
        return
    by = ", ".join(f"{step} by {name[:80]}" for name, step in shown.items()) or "none by a requirement of this risk"
    what = f"the run {(rating.run or '')[:19]} does not measure likelihood {rating.likelihood}: it gives {by}"
    mend = "write judged as its basis, and no run; `shipworthy risk measure` rates it by a run"
    raise Unusable(Fault(code="RISK005", what=what, where=where, mend=mend))


def known_requirements(record: Record, system: str) -> frozenset[str]:
    """The requirements of every recorded plan of a system."""
    plans = (one.document for one in record.find("plan", system=system, limit=MOST))
    return frozenset(name for plan in plans if isinstance(plan, Plan) for name in plan.requirements)


def refuse_past(now: datetime, days: Mapping[str, date | None]) -> None:
    """Raises Unusable (RISK011) for each day that somebody sets and that is over; an imported register keeps its own.

    days: option -> the day, UTC; None: none is set.
    """
    faults = [
        Fault(code="RISK011", what=f"the day {day} is past", where=name, mend="name today, or a day to come")
        for name, day in days.items()
        if day is not None and day < now.date()
    ]
    if faults:
        raise Unusable(faults)


def as_far_as_accepted(old: Risk, new: Risk) -> Risk:
    """The changed risk. An acceptance covers what was accepted: it ends where more is left, or is treated otherwise.

    Then the risk is treated as it was before; it is open where all of it was accepted and nothing done.
    """
    if old.status != "accepted" or new.status != "accepted" or new.accepted_by != old.accepted_by:
        return new if new.status in ("accepted", "closed") else new.model_copy(update={"accepted_by": None})
    if current(new).score <= current(old).score and new.treatment == old.treatment:
        return new
    if _is_as_it_was(new):
        return new.model_copy(update={"status": "open", "accepted_by": None, "residual": None})
    return new.model_copy(update={"status": "treated", "accepted_by": None})


def _is_as_it_was(risk: Risk) -> bool:
    """Whether what is left is what there was: an acceptance wrote it down, and nothing was done."""
    return risk.residual is not None and risk.residual.model_copy(update={"why": risk.inherent.why}) == risk.inherent


def add(
    record: Record,
    *,
    system: str,
    title: str,
    cause: str,
    harm: str,
    likelihood: int,
    severity: int,
    why: str = "",
    affected: Sequence[str] = (),
    taxonomy: Sequence[str] = (),
    requirements: Sequence[str] = (),
    owner: str = "",
    due: date | None = None,
    review: date | None = None,
    actor: str | None,
    now: datetime,
) -> Risk:
    """Register a risk, rated by judgement, under the next number.

    Raises Unusable: GOVERN002 for an unknown system, the CATALOGUE codes for unknown taxonomy ids, RISK002, RISK003,
    RISK011 for days that are past, and RECORD010 or RECORD014 for what no risk can be.
    """
    system_of(record, system)
    refuse_past(now, {"--due": due, "--review": review})
    refuse_unknown_requirements(record, system, requirements, where="--requirement")
    ids, by, owned = checked_ids(taxonomy), actor_of(record, actor), owner_of(record, owner)
    rating = judged(likelihood, severity, why)

    def made(id_: str) -> list[Risk]:
        return [Risk.model_construct(
            id=id_, system=system, title=title, cause=cause, harm=harm, affected=tuple(affected), taxonomy=ids,
            inherent=rating, owner=owned, due=due, review=review, requirements=tuple(dict.fromkeys(requirements)),
        )]  # fmt: skip

    return write_numbered(record, by, now, made, kind="risk", letter="R")


def judged(likelihood: int, severity: int, why: str = "") -> Rating:
    """A rating by judgement. The record refuses one that is out of range."""
    return Rating.model_construct(likelihood=likelihood, severity=severity, basis="judged", run=None, why=why)


def risk_of(record: Record, id_: str) -> tuple[Kept, Risk]:
    """A risk as the record has it. Raises Unusable (RISK001)."""
    kept = record.get("risk", id_)
    if kept is None or not isinstance(kept.document, Risk):
        mend = "`shipworthy risk list` shows them"
        raise Unusable(Fault(code="RISK001", what=f"there is no risk {id_[:80]!r}", where=id_[:200], mend=mend))
    return kept, kept.document


def update(
    record: Record,
    id_: str,
    changes: dict[str, Any],
    *,
    likelihood: int | None = None,
    severity: int | None = None,
    why: str | None = None,
    actor: str | None,
    now: datetime,
) -> Risk:
    """Change what a risk says, and its inherent rating where a part of that is given; that is judged, then.

    changes: field of `documents.Risk` -> its new value, but for ratings, treatment and status. Raises as `add`, and
    Unusable (RISK001, RISK004 where nothing is to be changed).
    """
    kept, old = risk_of(record, id_)
    new = dict(changes)
    if "taxonomy" in new:
        new["taxonomy"] = checked_ids(new["taxonomy"])
    if "requirements" in new:
        refuse_unknown_requirements(record, old.system, new["requirements"], where="--requirement")
        new["requirements"] = tuple(dict.fromkeys(new["requirements"]))
    if "owner" in new:
        new["owner"] = owner_of(record, new["owner"])
    if (likelihood, severity, why) != (None, None, None):
        new["inherent"] = _rated(old.inherent, likelihood, severity, why)
    if not new:
        mend = "name what changes, as in --owner or --due"
        raise Unusable(Fault(code="RISK004", what="nothing is to be changed", where=id_[:200], mend=mend))
    return _written(record, kept, old, new, by=actor_of(record, actor), now=now)


def treat(
    record: Record,
    id_: str,
    treatment: Treatment,
    *,
    likelihood: int | None = None,
    severity: int | None = None,
    why: str | None = None,
    due: date | None = None,
    actor: str | None,
    now: datetime,
) -> Risk:
    """Say how a risk is treated. It is treated once somebody says what is left of it; until then it stays open.

    likelihood, severity: of what is left; one that is not given stays what it was. Raises Unusable (RISK001, RISK004
    for a risk that is closed, RISK011).
    """
    kept, old = risk_of(record, id_)
    _refuse_closed(old)
    refuse_past(now, {"--due": due})
    new: dict[str, Any] = {"treatment": treatment}
    if due is not None:
        new["due"] = due
    if (likelihood, severity) != (None, None):
        new |= {"residual": _rated(current(old), likelihood, severity, why), "status": "treated"}
    elif why is not None:
        what, mend = "`why` says why what is left is rated so", "give --likelihood, --severity, or both with it"
        raise Unusable(Fault(code="RISK004", what=what, where="--why", mend=mend))
    return _written(record, kept, old, new, by=actor_of(record, actor), now=now, action="treat")


def accept(
    record: Record,
    id_: str,
    *,
    why: str,
    likelihood: int | None = None,
    severity: int | None = None,
    review: date | None = None,
    actor: str | None,
    now: datetime,
) -> Risk:
    """Accept what is left of a risk: its residual rating, else the inherent one as it is. Not by who owns it.

    Raises Unusable: GOVERN001 where nobody says who accepts, RISK001, RISK004, RISK011, RECORD014 where the owner does.
    """
    kept, old = risk_of(record, id_)
    _refuse_closed(old)
    refuse_past(now, {"--review": review})
    person = acting(record, actor).person
    rating = current(old)
    if (likelihood, severity) != (None, None):
        rating = _rated(rating, likelihood, severity, why)
    else:
        rating = rating.model_copy(update={"why": why if not rating.why else f"{rating.why}\nAccepted: {why}"})
    new: dict[str, Any] = {
        "status": "accepted", "accepted_by": person, "residual": rating, "treatment": old.treatment or "accept",
    }  # fmt: skip
    if review is not None:
        new["review"] = review
    return _written(record, kept, old, new, by=person, now=now, action="accept")


def close(record: Record, id_: str, *, why: str, actor: str | None, now: datetime) -> Risk:
    """Close a risk that was treated or accepted: it can no longer come about. Raises Unusable (RISK001, RISK004)."""
    kept, old = risk_of(record, id_)
    _refuse_closed(old)
    if old.treatment is None or old.residual is None:
        what = "a risk is closed once it was treated, and somebody said what is left of it"
        raise Unusable(Fault(code="RISK004", what=what, where=id_[:200], mend="`shipworthy risk treat` comes before"))
    said = "\n".join(filter(None, [old.residual.why, f"Closed: {why}"]))
    new = {"status": "closed", "residual": old.residual.model_copy(update={"why": said})}
    return _written(record, kept, old, new, by=actor_of(record, actor), now=now, action="close")


def measure(
    record: Record,
    id_: str,
    run: str,
    requirement: str,
    *,
    side: Side = "inherent",
    severity: int | None = None,
    actor: str | None,
    now: datetime,
) -> Measured:
    """Rate a risk's likelihood by a requirement of a recorded run, with LIKELIHOODS.

    The rate is that of failure: the metric where less of it is better, one minus the metric where more is; of slices,
    the one that the verdict rests on. What counts is the upper limit of its interval, never the estimate: a small
    sample makes a risk likelier. A risk whose treatment was said is treated once a run says what is left of it.

    run: its folder, id, digest, or "latest". severity: None leaves it as it is.

    Raises Unusable: RISK001, GOVERN002, RISK005 where the run has no such requirement, or it measures no rate.
    """
    kept, old = risk_of(record, id_)
    _refuse_closed(old)
    facts = find_run(record, run).facts
    if facts.system != old.system:
        what = f"run {facts.run} is of {facts.system[:80]!r}, and the risk of {old.system[:80]!r}"
        raise Unusable(Fault(code="RISK005", what=what, where=id_[:200], mend=f"name a run of {old.system[:80]}"))
    found = record.verdicts(run=facts.digest, requirement=requirement, limit=1)
    if not found:
        names = ", ".join(one.requirement for one in record.verdicts(run=facts.digest)) or "none"
        what = f"run {facts.run} has no requirement {requirement[:80]!r}"
        raise Unusable(Fault(code="RISK005", what=what, where=facts.run, mend=f"it has {names[:400]}"))
    rate, level, said = failure_rate(found[0])
    step = likelihood(rate)
    before = (old.residual or old.inherent) if side == "residual" else old.inherent
    rating = Rating.model_construct(
        likelihood=step, severity=before.severity if severity is None else severity, basis="measured",
        run=facts.digest, why=said,
    )  # fmt: skip
    new = {side: rating, "requirements": tuple(dict.fromkeys((*old.requirements, requirement)))}
    if side == "residual" and old.treatment is not None and old.status == "open":
        new["status"] = "treated"
    risk = _written(record, kept, old, new, by=actor_of(record, actor), now=now, action="measure")
    return Measured(risk=risk, likelihood=step, rate=rate, level=level, said=said)


def failure_rate(verdict: KeptVerdict) -> tuple[float, float, str]:
    """The upper limit of the rate of failure that a verdict rests on, its level, and both in a sentence.

    Raises Unusable (RISK005) where the verdict has no rate: a difference, a score, a metric of one's own, or nothing
    that could be estimated.
    """
    estimate = verdict.body.get("estimate") or {}
    name, better = str(estimate.get("metric") or ""), _better(estimate)
    low, high = estimate.get("low"), estimate.get("high")
    end = high if better == "lower" else None if low is None else 1 - low
    if better is None or end is None or not 0 <= end <= 1:
        why = "is no rate of failures" if better is None else "has no upper limit"
        kind = "" if (compare := estimate.get("compare", "value")) == "value" else f"{str(compare)[:20]} of "
        measured = f"{kind}{name[:60]}" if name else "no estimate"
        what = f"{verdict.requirement[:80]!r} {why}, from which a likelihood follows: {measured}"
        mend = "name a requirement on the value of a rate, such as recall or leak_rate; or judge the likelihood"
        raise Unusable(Fault(code="RISK005", what=what, where=verdict.name, mend=mend))
    said = (
        f"{verdict.requirement} of run {verdict.name}: fails in at most {100 * end:.3g} % of cases "
        f"(upper limit, {numbers.level(estimate['level'])} interval, n = {numbers.count(estimate.get('n'))})"
    )
    return end, estimate["level"], said


def _better(estimate: dict[str, Any]) -> Literal["higher", "lower", None]:
    """Which way a rate is better; None where an estimate is no rate, or has no better side."""
    from shipworthy.metrics.catalogue import lookup
    from shipworthy.metrics.kinds import CellRate, OutcomeRate, RowMean

    if estimate.get("compare") != "value":
        return None
    try:
        metric = lookup(str(estimate.get("metric")))
    except ShipworthyError:
        return None
    is_rate = (
        (isinstance(metric, CellRate) and metric.transform is None)
        or isinstance(metric, OutcomeRate)
        or (isinstance(metric, RowMean) and metric.name.endswith("_rate"))
    )
    return cast("Any", metric).better if is_rate else None


def risks(
    record: Record,
    *,
    system: str | None = None,
    overdue: bool = False,
    above: int | None = None,
    today: date,
    damaged: bool = False,
) -> list[Risk]:
    """Risks, the highest score of what is left first, and closed ones last. above: only scores higher than that.
    damaged: passing over those that cannot be read, which else are refused."""
    states: tuple[str | tuple[str, ...], ...] = (STILL_OPEN, "closed")
    found = (
        record.find("risk", system=system, status=one, order="worst", limit=MOST, damaged=damaged) for one in states
    )
    return [
        one
        for kept in chain.from_iterable(found)
        if isinstance(one := kept.document, Risk)
        and (above is None or current(one).score > above)
        and (not overdue or is_overdue(one, today))
    ]


def _rated(before: Rating, likelihood: int | None, severity: int | None, why: str | None) -> Rating:
    """A rating by judgement, with what is not given as it was."""
    return judged(
        before.likelihood if likelihood is None else likelihood,
        before.severity if severity is None else severity,
        before.why if why is None else why,
    )


def _refuse_closed(risk: Risk) -> None:
    if risk.status == "closed":
        mend = "register a new one, which may name it"
        raise Unusable(Fault(code="RISK004", what="the risk is closed", where=risk.id[:200], mend=mend))


def _written(
    record: Record,
    kept: Kept,
    old: Risk,
    new: dict[str, Any],
    *,
    by: str,
    now: datetime,
    action: str | None = None,
) -> Risk:
    after = as_far_as_accepted(old, old.model_copy(update=new))
    written = record.write(by, now, after, action=action, based_on={("risk", kept.id): kept.version})
    return cast("Risk", written[0].document)
