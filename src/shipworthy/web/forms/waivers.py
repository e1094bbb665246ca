"""Waivers: asked for from the run that did not meet a requirement, and answered by somebody else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from shipworthy.api import waivers
from shipworthy.errors import Fault, Unusable
from shipworthy.present.safe import shorten
from shipworthy.record.documents import LONGEST_WAIVER, Document, Waiver
from shipworthy.web import addresses
from shipworthy.web.forms import offering
from shipworthy.web.forms.fields import Choice, Field
from shipworthy.web.writing import Act, Ask, Fact, Values, system_of


def _open_ones(ask: Ask) -> tuple[Choice, ...]:
    """The requirements that the run did not meet."""
    verdicts = ask.record.verdicts(run=ask.of_run().facts.digest, limit=offering.MOST)
    return tuple(
        Choice(value=one.requirement, label=f"{shorten(one.requirement, 60)}: {shorten(one.verdict, 12)}")
        for one in verdicts
        if one.verdict != "met"
    )


def _wanted(ask: Ask) -> Values:
    asked = ask.query.get("requirement")
    known = [one.value for one in _open_ones(ask)]
    return {"requirement": asked if asked in known else known[0] if len(known) == 1 else None, "starts": ask.now.date()}


def _request(ask: Ask, values: Values) -> Document:
    pairs = [one.partition("=") for one in values["slice"]]
    if any(not (sign and column.strip()) for column, sign, _ in pairs):
        raise Unusable(Fault(code="WEB024", what="a slice is written as column=level, one to a line", where="slice",
                             mend="as in sex=female"))  # fmt: skip
    wanted = waivers.Wanted(
        requirement=values["requirement"], reason=values["reason"], control=values["control"], ends=values["ends"],
        starts=values["starts"], slice={column.strip(): level.strip() for column, _, level in pairs} or None,
        risk=values["risk"] or None, any_version=values["any_version"],
    )  # fmt: skip
    return waivers.request(ask.record, ask.of_run().facts.digest, wanted, actor=ask.actor, now=ask.now)


def _about_run(ask: Ask) -> Sequence[Fact]:
    facts = ask.of_run().facts
    return (
        Fact(label="System", text=f"{facts.system}, version {facts.version}", address=addresses.system(facts.system)),
        Fact(label="Run", text=offering.run_words(facts), address=addresses.run(facts.digest)),
    )


def _terms(ask: Ask) -> Sequence[Fact]:
    return tuple(_terms_of(ask, ask.about(Waiver)))


def _terms_of(ask: Ask, one: Waiver) -> Iterator[Fact]:
    """Everything that an approver agrees to."""
    yield Fact(label="Requirement", text=one.requirement, address=addresses.requirement(one.system, one.requirement))
    yield Fact(label="System", text=f"{one.system}, tier {one.tier}", address=addresses.system(one.system))
    slice_ = ", ".join(f"{column} = {level}" for column, level in (one.scope.slice or {}).items())
    version = f"version {one.scope.version}" if one.scope.version else "every version"
    yield Fact(label="Covers", text=f"{version}{f', only {slice_}' if slice_ else ''}")
    yield Fact(label="Holds", text=f"from {one.starts} until {one.ends}")
    yield Fact(label="Why", text=one.reason)
    yield Fact(label="What protects people meanwhile", text=one.control)
    if one.risk:
        yield Fact(label="Leaves open", text=one.risk, address=addresses.document("risk", one.risk))
    yield Fact(label="Asked for by", text=offering.names(ask, [one.requester]))
    given = offering.names(ask, one.approvers) if one.approvers else "nobody yet"
    yield Fact(label="Approved by", text=f"{given}; {one.needed} {'has' if one.needed == 1 else 'have'} to")


def _closed(said: Literal["approve", "refuse", "withdraw"], ask: Ask) -> str:
    one = ask.about(Waiver)
    if said == "withdraw":
        return f"it was {one.status}" if one.status in ("refused", "withdrawn") else ""
    if one.status != "requested":
        return f"it is {one.status} already"
    if offering.is_me(ask, one.requester):
        return f"who asks for a waiver does not {said} it: somebody else does"
    if said == "approve" and ask.now.date() > one.ends:
        return f"it ended on {one.ends}"
    if said == "approve" and any(offering.is_me(ask, person) for person in one.approvers):
        return "you have approved it already; another person has to as well"
    return ""


def _answered(said: Literal["approve", "refuse", "withdraw"], title: str, does: str, says: str) -> Act:
    """The act that gives one answer."""
    return Act(
        name=f"waiver-{said}", path=f"/documents/waiver/{{id}}/{said}", title=title, does=does, says=says,
        menu=said.capitalize(), permission="write" if said == "withdraw" else "approve", writes=Waiver, about="waiver",
        tells=_terms, closed=lambda ask: _closed(said, ask), fields=(),
        do=lambda ask, values: waivers.answer(ask.record, ask.about(Waiver).id, said, actor=ask.actor, now=ask.now),
    )  # fmt: skip


ACTS: tuple[Act, ...] = (
    Act(
        name="waiver-request", path="/runs/{digest}/waive", title="Ask for a waiver", does="Ask for the waiver",
        says=(
            "Leave to ship although a requirement is not met, for a while. Somebody else approves it; at tier critical "
            "two do. What it covers stays visible as waived, and counts as not met again when it ends."
        ),
        permission="write", writes=Waiver, about="run", do=_request, start=_wanted, tells=_about_run,
        closed=lambda ask: "" if _open_ones(ask) else "every requirement of this run is met: there is nothing to waive",
        choices=lambda ask: {"requirement": _open_ones(ask), "risk": offering.risks(ask, system_of(ask))},
        fields=(
            Field(name="requirement", label="Requirement that the run did not meet", kind="choice", is_needed=True,
                  also=("GOVERN005",)),
            Field(name="reason", label="Why it may ship nevertheless", kind="text", is_needed=True),
            Field(name="control", label="What protects people meanwhile", kind="text", is_needed=True),
            Field(name="ends", label="The last day on which it holds", kind="day", is_needed=True,
                  help=f"At most {LONGEST_WAIVER.days} days after the first.", group="For how long"),
            Field(name="starts", label="The first day", kind="day", help="Today, where it is left open."),
            Field(name="slice", label="Only for this slice", kind="lines", longest=420, group="How far it reaches",
                  help="One column=level to a line, as in sex=female. Left open, it covers the whole requirement."),
            Field(name="any_version", label="It also holds for other versions than the run's", kind="flag"),
            Field(name="risk", label="The risk that it leaves open", kind="choice"),
        ),
    ),
    _answered(
        "approve", "Approve the waiver", "Approve it, under my name",
        "You give leave to ship on these terms. If anybody changes them, your approval no longer counts.",
    ),
    _answered("refuse", "Refuse the waiver", "Refuse it", "Nobody can approve it any more; another may be asked for."),
    _answered("withdraw", "Take the waiver back", "Take it back", "What it covered counts as not met again, at once."),
)  # fmt: skip
