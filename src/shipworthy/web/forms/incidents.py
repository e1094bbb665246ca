"""Incidents, to be written in: what went wrong in use, how far it is mended, and whether an authority has to hear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from shipworthy.api import incidents
from shipworthy.record.documents import Document, Incident
from shipworthy.web import addresses
from shipworthy.web.forms import offering
from shipworthy.web.forms.fields import Choice, Field
from shipworthy.web.writing import Act, Ask, Fact, Values, changes, system_of

_UTC = "A time in UTC, as in 2026-11-21 09:30."
_TITLE = Field(name="title", label="Incident", help="What happened, in one line.", is_needed=True)
_WHAT = Field(name="what", label="What happened", kind="text")
_SEVERITY = Field(
    name="severity", label="Severity", kind="choice", is_needed=True,
    choices=tuple(Choice(value=one) for one in ("critical", "high", "medium", "low")),
)  # fmt: skip
_RISKS = Field(
    name="risks", label="Risks that came about", kind="lines", help="Ids, one to a line.", longest=200, also=("risk",)
)
_WORDS: Mapping[str, str] = {"general": "Serious", "death": "Death", "widespread": "Widespread infringement",
                             "critical-infrastructure": "Critical infrastructure"}  # fmt: skip
_REPORTABLE = Field(
    name="reportable", label="Class under Article 73 of the EU AI Act", kind="choice", also=("harms",),
    help="Whether it has to be reported, people decide. Left open, no clock runs.",
    choices=tuple(
        Choice(value=one, label=f"{_WORDS[one]}: reported within {incidents.CLOCKS[one]} days")
        for one in get_args(incidents.Class)
    ),
)  # fmt: skip


def _offers(ask: Ask) -> Mapping[str, Sequence[Choice]]:
    of = system_of(ask) or ask.query.get("system")
    return {"risks": offering.risks(ask, of), "owner": offering.me(ask)}


def _as_it_is(ask: Ask) -> Values:
    one = ask.about(Incident)
    return {
        "title": one.title, "what": one.what, "severity": one.severity, "cause": one.cause, "factors": one.factors,
        "signature": one.signature, "regression_tests": one.regression_tests, "risks": one.risks,
        "owner": offering.owner(ask, one.owner), "reportable": incidents.class_of(one), "note": "",
        **{step: getattr(one, step) for step in incidents.STEPS},
    }  # fmt: skip


def _update(ask: Ask, values: Values) -> Document:
    new = changes(_as_it_is(ask), values)
    steps = {name: new.pop(name) for name in incidents.STEPS if new.get(name) is not None}
    note, reportable = new.pop("note", None), new.pop("reportable", None)
    return incidents.update(
        ask.record, ask.about(Incident).id, new, steps=steps, reportable=reportable or None, event=note or None,
        actor=ask.actor, now=ask.now,
    )  # fmt: skip


def _tells(ask: Ask) -> Sequence[Fact]:
    one = ask.about(Incident)
    clock = incidents.clock(one, ask.now)
    return (
        Fact(label="Incident", text=f"{one.id}: {one.title}", address=addresses.document("incident", one.id)),
        Fact(label="State", text=f"{one.status}, detected {one.detected:%Y-%m-%d %H:%M} UTC"),
        Fact(label="Cause", text=one.cause or "not written down"),
        *((Fact(label="Report", text=clock),) if clock else ()),
    )


def _is_closed(ask: Ask) -> str:
    return "it is closed already" if ask.about(Incident).closed is not None else ""


def _step(name: str, label: str, group: str = "") -> Field:
    return Field(name=name, label=label, kind="moment", help=_UTC, group=group)


ADD: Act = Act(
    name="incident-open", path="/incidents/new", title="Report an incident", does="Register the incident",
    says="It gets the next number. With a class, the clock of Article 73 runs from when somebody became aware of it.",
    permission="write", writes=Incident, where=("incidents", "system"),
    start=lambda ask: {"system": ask.query.get("system"), "detected": ask.now, "owner": ask.actor or ""},
    choices=lambda ask: {**_offers(ask), "system": offering.systems(ask, ADD)},
    do=lambda ask, values: incidents.open_incident(
        ask.record, **{**values, "version": values["version"] or None, "reportable": values["reportable"] or None},
        actor=ask.actor, now=ask.now,
    ),
    fields=(
        offering.SYSTEM, _TITLE, _SEVERITY, _WHAT,
        Field(name="version", label="Version in use", longest=200),
        _step("detected", "When somebody became aware of it", "When, and how it was found"),
        _step("started", "When it began, as far as is known"),
        Field(name="source", label="How it was found", help="A user's report, an audit, a monitor."),
        Field(name="affected", label="Who is affected", kind="lines", help="Groups of people, one to a line.",
              longest=200, group="Whom it harms"),
        Field(name="harms", label="Kinds of harm", kind="lines", help="One to a line.", longest=200),
        _RISKS, _REPORTABLE, offering.OWNER,
    ),
)  # fmt: skip

ACTS: tuple[Act, ...] = (
    ADD,
    Act(
        name="incident-edit", path="/documents/incident/{id}/edit", title="Change what the incident says",
        does="Save the changes", menu="Change", permission="write", writes=Incident, about="incident",
        says="Note the steps that were reached, and what was learnt. A note goes into its timeline, at this moment.",
        do=_update, start=_as_it_is, choices=_offers,
        fields=(
            _TITLE, _SEVERITY, _WHAT,
            Field(name="note", label="A line for its timeline", kind="text"),
            _step("acknowledged", "When somebody took it on", "Steps that were reached"),
            _step("mitigated", "When it did no more harm"), _step("resolved", "When its cause was mended"),
            _step("reported", "When the authority was told"), _REPORTABLE,
            Field(name="cause", label="Root cause", kind="text", group="What was learnt"),
            Field(name="factors", label="What contributed", kind="lines", help="One to a line.", longest=2_000),
            Field(name="signature", label="By what a repeat is known", help="Failure, component and cause."),
            Field(name="regression_tests", label="Requirements that now watch for it", kind="lines", longest=200,
                  help="Ids, one to a line.", also=("test",)),
            _RISKS, offering.OWNER,
        ),
    ),
    Act(
        name="incident-close", path="/documents/incident/{id}/close", title="Close the incident",
        does="Close the incident", menu="Close", permission="write", writes=Incident, about="incident", tells=_tells,
        closed=_is_closed,
        says="It was resolved, its cause is written down, and it was reported where it has to be.",
        do=lambda ask, values: incidents.close(
            ask.record, ask.about(Incident).id, at=values["at"], actor=ask.actor, now=ask.now
        ),
        fields=(Field(name="at", label="When", kind="moment", help=f"{_UTC} Left open, now.", also=("closed",)),),
    ),
)  # fmt: skip
