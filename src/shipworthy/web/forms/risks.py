"""The risk register, to be written in: what may go wrong, how it is treated, who accepts what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shipworthy.api import risks
from shipworthy.errors import Unusable
from shipworthy.record.documents import Document, Rating, Risk
from shipworthy.web import addresses
from shipworthy.web.forms import offering
from shipworthy.web.forms.fields import Choice, Field
from shipworthy.web.writing import Act, Ask, Fact, Values, changes

_TITLE = Field(name="title", label="Risk", help="In one line.", is_needed=True)
_CAUSE = Field(name="cause", label="Cause", kind="text", help="What may bring it about.", is_needed=True)
_HARM = Field(name="harm", label="Harm", kind="text", help="What it does, and to whom.", is_needed=True)
_WHY = Field(name="why", label="Why it is rated so", kind="text", also=("inherent",))
_LIKELIHOOD = Field(
    name="likelihood", label="Likelihood", kind="number", least=1, most=5, choices=offering.LIKELIHOODS, is_needed=True,
    help="Before anything is done.", group="How bad it is",
)  # fmt: skip
_SEVERITY = Field(
    name="severity", label="Severity", kind="number", least=1, most=5, choices=offering.SEVERITIES, is_needed=True,
    help="Before anything is done.",
)  # fmt: skip
_LEFT = (
    Field(name="likelihood", label="Likelihood of what is left", kind="number", least=1, most=5,
          choices=offering.LIKELIHOODS, help="Leave it open where nobody knows yet.", group="What is left of it",
          also=("residual",)),
    Field(name="severity", label="Severity of what is left", kind="number", least=1, most=5,
          choices=offering.SEVERITIES),
)  # fmt: skip
_DUE = Field(
    name="due", label="Treated by", kind="day", help="The day by which it is treated, and what is left is accepted."
)
_DETAILS = (
    Field(name="affected", label="Who is affected", kind="lines", help="Groups of people, one to a line.",
          longest=200, group="Whom and what it concerns"),
    Field(name="requirements", label="Requirements that test it", kind="lines", help="Ids, one to a line.",
          longest=200, also=("requirement",)),
    Field(name="taxonomy", label="Catalogue ids", kind="lines", help="One to a line, as in owasp-llm@2025:LLM01.",
          longest=200),
    replace(offering.OWNER, group="Who, and until when"),
    _DUE,
    Field(name="review", label="Looked at again on", kind="day"),
)  # fmt: skip


def _add(ask: Ask, values: Values) -> Document:
    return risks.add(ask.record, **values, actor=ask.actor, now=ask.now)


def _for_new(ask: Ask) -> Values:
    named = ask.query.get("requirement")
    return {"system": ask.query.get("system"), "requirements": (named,) if named else (), "owner": ask.actor or ""}


def _offers_new(ask: Ask) -> Mapping[str, Sequence[Choice]]:
    return {
        "system": offering.systems(ask, ADD),
        "requirements": offering.requirements(ask),
        "owner": offering.me(ask),
    }


def _as_it_is(ask: Ask) -> Values:
    one = ask.about(Risk)
    return {
        "title": one.title, "cause": one.cause, "harm": one.harm, "likelihood": one.inherent.likelihood,
        "severity": one.inherent.severity, "why": one.inherent.why, "affected": one.affected,
        "requirements": one.requirements, "taxonomy": one.taxonomy, "owner": offering.owner(ask, one.owner),
        "due": one.due, "review": one.review,
    }  # fmt: skip


def _edit(ask: Ask, values: Values) -> Document:
    new = changes(_as_it_is(ask), values)
    rating = {key: new.pop(key, None) for key in ("likelihood", "severity", "why")}
    return risks.update(ask.record, ask.about(Risk).id, new, **rating, actor=ask.actor, now=ask.now)


def _treatment(ask: Ask) -> Values:
    one = ask.about(Risk)
    left = one.residual
    return {
        "treatment": one.treatment, "likelihood": left and left.likelihood, "severity": left and left.severity,
        "why": left.why if left else "", "due": one.due,
    }  # fmt: skip


def _treat(ask: Ask, values: Values) -> Document:
    new = changes(_treatment(ask), values)
    rated = {key: values[key] or None for key in ("likelihood", "severity", "why")} if _is_rated(new) else {}
    return risks.treat(
        ask.record, ask.about(Risk).id, values["treatment"], **rated, due=new.get("due"), actor=ask.actor, now=ask.now
    )


def _is_rated(new: Mapping[str, Any]) -> bool:
    return bool(new.keys() & {"likelihood", "severity", "why"})


def _accepted(ask: Ask) -> Values:
    return {"review": ask.about(Risk).review}


def _accept(ask: Ask, values: Values) -> Document:
    return risks.accept(ask.record, ask.about(Risk).id, **values, actor=ask.actor, now=ask.now)


def _close(ask: Ask, values: Values) -> Document:
    return risks.close(ask.record, ask.about(Risk).id, why=values["why"], actor=ask.actor, now=ask.now)


def _measure(ask: Ask, values: Values) -> Document:
    done = risks.measure(
        ask.record, ask.about(Risk).id, values["run"], values["requirement"], side=values["side"],
        severity=values["severity"], actor=ask.actor, now=ask.now,
    )  # fmt: skip
    return done.risk


def _tells(ask: Ask) -> Sequence[Fact]:
    """The risk in short."""
    one = ask.about(Risk)
    return (
        Fact(label="Risk", text=f"{one.id}: {one.title}", address=addresses.document("risk", one.id)),
        Fact(label="Harm", text=one.harm),
        Fact(label="Before anything is done", text=_rated(one.inherent)),
        Fact(label="What is left", text=_rated(one.residual) if one.residual else "nobody has said yet"),
        Fact(label="State", text=f"{one.status}{f', to {one.treatment}' if one.treatment else ''}"),
        Fact(label="Owner", text=offering.names(ask, [one.owner]) if one.owner.startswith("person:") else one.owner),
    )


def _rated(one: Rating) -> str:
    return f"{one.likelihood} × {one.severity} = {one.score} of 25, {one.basis}{f': {one.why}' if one.why else ''}"


def _closed(ask: Ask) -> str:
    return "the risk is closed: register a new one, which may name it" if ask.about(Risk).status == "closed" else ""


def _not_acceptable(ask: Ask) -> str:
    one = ask.about(Risk)
    if one.owner and offering.is_me(ask, one.owner):
        return "who owns a risk does not accept it: another person does"
    return _closed(ask)


def _not_closable(ask: Ask) -> str:
    one = ask.about(Risk)
    if one.treatment is None or one.residual is None:
        return "a risk is closed once it was treated, and somebody said what is left of it"
    return _closed(ask)


def _rates(ask: Ask) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """The requirements of the system's runs by which a risk can be rated, and why the others cannot rate it."""
    can, why = set[str](), dict[str, str]()
    for one in ask.record.verdicts_of(*(run.value for run in offering.runs(ask))):
        try:
            risks.failure_rate(one)
            can.add(one.requirement)
        except Unusable as error:
            why[one.requirement] = error.faults[0].what
    return tuple(sorted(can)), {name: text for name, text in sorted(why.items()) if name not in can}


def _for_rating(ask: Ask) -> Values:
    can, _ = _rates(ask)
    return {"side": "inherent", "requirement": next((one for one in ask.about(Risk).requirements if one in can), None)}


def _tells_rating(ask: Ask) -> Sequence[Fact]:
    _, why = _rates(ask)
    return (*_tells(ask), *([Fact(label="Cannot rate it", text="; ".join(why.values()))] if why else []))


def _not_measurable(ask: Ask) -> str:
    if why := _closed(ask):
        return why
    if not offering.runs(ask):
        return "its system has no run yet"
    return "" if _rates(ask)[0] else "no requirement of its system's runs is on a rate: judge the likelihood"


ADD: Act = Act(
    name="risk-add", path="/risks/new", title="Write down a risk", does="Register the risk",
    says="It gets the next number, and is open until somebody says how it is treated. It scores likelihood × severity.",
    permission="write", writes=Risk, do=_add, start=_for_new, choices=_offers_new,
    where=("risks", "system", "requirement"),
    fields=(
        offering.SYSTEM, _TITLE, _CAUSE, _HARM, _LIKELIHOOD,
        _SEVERITY, _WHY, *_DETAILS,
    ),
)  # fmt: skip

ACTS: tuple[Act, ...] = (
    ADD,
    Act(
        name="risk-edit", path="/documents/risk/{id}/edit", title="Change what the risk says", does="Save the changes",
        menu="Change", says="A rating that is changed here is a judgement from then on, even if a run had measured it.",
        permission="write", writes=Risk, about="risk", do=_edit, start=_as_it_is,
        choices=lambda ask: {"requirements": offering.requirements(ask), "owner": offering.me(ask)},
        fields=(_TITLE, _CAUSE, _HARM, _LIKELIHOOD, _SEVERITY, _WHY, *_DETAILS),
    ),
    Act(
        name="risk-treat", path="/documents/risk/{id}/treat", title="Say how the risk is treated",
        does="Save the treatment", menu="Treat",
        says="With a rating of what is left it counts as treated; without one it stays open.",
        permission="write", writes=Risk, about="risk", do=_treat, start=_treatment, tells=_tells, closed=_closed,
        fields=(
            Field(name="treatment", label="Treatment", kind="choice", is_needed=True, choices=(
                Choice(value="mitigate", label="Mitigate", help="something is done that makes it smaller"),
                Choice(value="accept", label="Accept", help="it is borne as it is; a person then accepts it by name"),
                Choice(value="transfer", label="Transfer", help="somebody else bears it, by contract or insurance"),
                Choice(value="avoid", label="Avoid", help="what brings it about is not done"),
            )),
            *_LEFT, Field(name="why", label="Why what is left is rated so", kind="text"),
            _DUE,
        ),
    ),
    Act(
        name="risk-measure", path="/documents/risk/{id}/measure", title="Rate the risk by a run",
        does="Rate it by this run", menu="Rate by a run", permission="write", writes=Risk, about="risk", do=_measure,
        tells=_tells_rating, closed=_not_measurable,
        says=(
            "The likelihood follows from the upper limit of the rate of failure: up to 0.1 % of cases is 1, 1 % is 2, "
            "5 % is 3, 20 % is 4, and beyond that it is 5. Severity no run measures."
        ),
        start=_for_rating,
        choices=lambda ask: {"run": offering.runs(ask), "requirement": [Choice(value=one) for one in _rates(ask)[0]]},
        fields=(
            Field(name="run", label="Run", kind="choice", is_needed=True, also=("GOVERN002",)),
            Field(name="requirement", label="Requirement", kind="choice", is_needed=True, also=("RISK005",),
                  help="One on the value of a rate, such as recall or leak_rate."),
            Field(name="side", label="What the run shows", kind="choice", is_needed=True, choices=(
                Choice(value="inherent", label="The risk before anything is done"),
                Choice(value="residual", label="What is left of it"),
            )),
            Field(name="severity", label="Severity", kind="number", least=1, most=5, choices=offering.SEVERITIES,
                  help="Leave it open to keep it as it is."),
        ),
    ),
    Act(
        name="risk-accept", path="/documents/risk/{id}/accept", title="Accept what is left of the risk",
        does="Accept it, under my name", menu="Accept what is left", permission="approve", writes=Risk, about="risk",
        do=_accept, start=_accepted, tells=_tells, closed=_not_acceptable,
        says="You put your name to what is left. That ends by itself once more is left, or it is treated otherwise.",
        fields=(
            Field(name="why", label="Why what is left is acceptable", kind="text", is_needed=True),
            *_LEFT,
            Field(name="review", label="Looked at again on", kind="day"),
        ),
    ),
    Act(
        name="risk-close", path="/documents/risk/{id}/close", title="Close the risk", does="Close the risk",
        menu="Close", says="A closed risk can no longer come about. It stays in the register, and is not opened again.",
        permission="write", writes=Risk, about="risk", do=_close, tells=_tells, closed=_not_closable,
        fields=(Field(name="why", label="Why it can no longer come about", kind="text", is_needed=True),),
    ),
)  # fmt: skip
