"""Mitigations, to be written in: what is done against risks, how far it is, and the run that shows that it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from shipworthy.api import mitigations
from shipworthy.record.documents import Document, Mitigation
from shipworthy.web import addresses
from shipworthy.web.forms import offering
from shipworthy.web.forms.fields import Choice, Field
from shipworthy.web.writing import Act, Ask, Fact, Values, changes, system_of

_TITLE = Field(name="title", label="Mitigation", help="What is done, in one line.", is_needed=True)
_WHAT = Field(name="what", label="What is done", kind="text", is_needed=True)
_RISKS = Field(
    name="risks", label="Risks that it is against", kind="lines", help="Ids, one to a line.", longest=200,
    also=("risk", "RISK001"),
)  # fmt: skip
_REQUIREMENTS = Field(
    name="requirements", label="Requirements that show it", kind="lines", longest=200, also=("requirement",),
    help="Ids, one to a line. Left open, those of its risks.",
)  # fmt: skip
_DUE = Field(name="due", label="In place by", kind="day")


def _of(ask: Ask) -> str | None:
    return system_of(ask) or ask.query.get("system")


def _for_new(ask: Ask) -> Values:
    risk = ask.query.get("risk")
    return {"system": ask.query.get("system"), "risks": (risk,) if risk else (), "owner": ask.actor or ""}


def _offers(ask: Ask) -> Mapping[str, Sequence[Choice]]:
    return {
        "risks": offering.risks(ask, _of(ask)),
        "requirements": offering.requirements(ask),
        "owner": offering.me(ask),
    }


def _as_it_is(ask: Ask) -> Values:
    one = ask.about(Mitigation)
    return {
        "title": one.title, "what": one.what, "status": one.status, "risks": one.risks,
        "requirements": one.requirements, "owner": offering.owner(ask, one.owner), "due": one.due,
    }  # fmt: skip


def _update(ask: Ask, values: Values) -> Document:
    new = changes(_as_it_is(ask), values)
    return mitigations.update(ask.record, ask.about(Mitigation).id, new, actor=ask.actor, now=ask.now)


def _statuses(ask: Ask) -> tuple[Choice, ...]:
    """How far it may be said to be: verified only as it is already, for a run says that."""
    now = ask.about(Mitigation).status
    known = get_args(mitigations.Progress)
    return tuple(Choice(value=one) for one in (*known, *((now,) if now not in known else ())))


def _verify(ask: Ask, values: Values) -> Document:
    done = mitigations.verify(
        ask.record, ask.about(Mitigation).id, values["run"], before=values["before"] or None, actor=ask.actor,
        now=ask.now,
    )  # fmt: skip
    return done.mitigation


def _not_verifiable(ask: Ask) -> str:
    if ask.about(Mitigation).status == "abandoned":
        return "it was abandoned"
    return "" if offering.runs(ask) else "its system has no run yet"


def _tells(ask: Ask) -> Sequence[Fact]:
    one = ask.about(Mitigation)
    return (
        Fact(label="Mitigation", text=f"{one.id}: {one.title}", address=addresses.document("mitigation", one.id)),
        Fact(label="What is done", text=one.what),
        Fact(label="Against", text=", ".join(one.risks) or "no risk in particular"),
        Fact(label="Shown by", text=", ".join(one.requirements) or "the requirements of its risks"),
    )


ADD: Act = Act(
    name="mitigation-add", path="/mitigations/new", title="Say what is done against a risk", menu="Add a mitigation",
    does="Register the mitigation", says="It gets the next number, and its risks name it from then on.",
    permission="write", writes=Mitigation, start=_for_new, where=("mitigations", "system", "risk"),
    choices=lambda ask: {**_offers(ask), "system": offering.systems(ask, ADD)},
    do=lambda ask, values: mitigations.add(ask.record, **values, actor=ask.actor, now=ask.now),
    fields=(
        offering.SYSTEM, _TITLE, _WHAT, _RISKS, _REQUIREMENTS,
        offering.OWNER, _DUE,
    ),
)  # fmt: skip

ACTS: tuple[Act, ...] = (
    ADD,
    Act(
        name="mitigation-edit", path="/documents/mitigation/{id}/edit", title="Change what the mitigation says",
        does="Save the changes", menu="Change", permission="write", writes=Mitigation, about="mitigation",
        says="Who changes what is done, or which requirements show it, undoes its verification.",
        do=_update, start=_as_it_is, choices=lambda ask: {**_offers(ask), "status": _statuses(ask)},
        fields=(
            _TITLE, _WHAT, Field(name="status", label="How far it is", kind="choice", is_needed=True), _RISKS,
            _REQUIREMENTS, offering.OWNER, _DUE,
        ),
    ),
    Act(
        name="mitigation-verify", path="/documents/mitigation/{id}/verify", title="Show by a run that it works",
        does="Verify it by this run", menu="Verify by a run", permission="write", writes=Mitigation,
        about="mitigation", do=_verify, tells=_tells, closed=_not_verifiable,
        says=(
            "It is verified only where the run meets each of its requirements, and an earlier run, held against the "
            "same bound, did not. A waived requirement is not met."
        ),
        choices=lambda ask: {"run": offering.runs(ask), "before": offering.runs(ask)},
        fields=(
            Field(name="run", label="Run", kind="choice", is_needed=True, also=("RISK007", "GOVERN002")),
            Field(name="before", label="The run before", kind="choice",
                  help="Left open, the newest earlier one that has the requirement."),
        ),
    ),
)  # fmt: skip
