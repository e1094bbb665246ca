"""The intake of a system: what it is and does, from which its tier follows, and who must sign."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import ValidationError

from shipworthy.api import answering, systems
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.documents.answers import read_answers
from shipworthy.evidence.documents.fields import FIELDS, PRIVACIES
from shipworthy.gates.tiers import Area, Exit, Group, Intake
from shipworthy.plan.faults import validated
from shipworthy.record.documents import Answers, Document, System
from shipworthy.web import addresses
from shipworthy.web.forms import offering
from shipworthy.web.forms.fields import Choice, Field
from shipworthy.web.writing import Act, Ask, Fact, Values


def _about(name: str) -> str:
    """What the questionnaire says of a question."""
    return (Intake.model_fields[name].description or "").replace("; [] for none", "").replace("; [] for nobody", "")


def _choices(words: Iterable[str]) -> tuple[Choice, ...]:
    return tuple(Choice(value=one, label=one.replace("-", " ")) for one in words)


_NAME = Field(name="name", label="Name", help=_about("name"), is_needed=True, longest=200, also=("GOVERN002",))
_QUESTIONS = (
    Field(name="purpose", label="Purpose", kind="text", help=_about("purpose"), is_needed=True),
    Field(name="owner", label="Owner", help=_about("owner"), longest=320),
    Field(name="output", label="What comes out", kind="choice", is_needed=True, group="What it does", choices=(
        Choice(value="decisions", label="Decisions and scores"), Choice(value="content", label="Generated content"),
        Choice(value="both", label="Both"))),
    Field(name="exposure", label=_about("exposure").rstrip("."), kind="choice", is_needed=True,
          choices=_choices(("internal", "customers", "public"))),
    Field(name="autonomy", label="How far it acts alone", kind="choice", is_needed=True, choices=(
        Choice(value="advises", label="Advises", help="a person decides"),
        Choice(value="supervised", label="Supervised", help="it acts, and a person can step in"),
        Choice(value="alone", label="Alone", help="it acts alone"))),
    Field(name="affected", label="Who is affected", kind="many", choices=_choices(get_args(Group)),
          help="Leave all of them open where it affects nobody."),
    Field(name="banned_practice", label="Banned practices", kind="yes or no", help=_about("banned_practice"),
          is_needed=True, group="The EU AI Act"),
    Field(name="safety_component", label="Product or safety component", kind="yes or no",
          help=_about("safety_component"), is_needed=True),
    Field(name="areas", label="Areas of Annex III that it is used in", kind="many", choices=_choices(get_args(Area))),
    Field(name="profiling", label="Profiling", kind="yes or no", help=_about("profiling"), is_needed=True),
    Field(name="exits", label="Why it poses no significant risk, although in an area", kind="many",
          help="Article 6(3), (a) to (d) in this order.", choices=_choices(get_args(Exit))),
    Field(name="exit_reason", label="The assessment behind that", kind="text", help="Article 6(4): it must be kept."),
    Field(name="tier", label="Another tier than the answers give", kind="choice", choices=offering.TIER_CHOICES,
          help="Left open, the answers decide.", group="The tier"),
    Field(name="reason", label="Why the tier is another", kind="text", help="A lower one needs it."),
)  # fmt: skip


def _as_it_is(ask: Ask) -> Values:
    system = ask.about(System)
    known = systems.system_of(ask.record, system.id)
    if known.answers is None:
        return {"purpose": system.purpose, "owner": offering.owner(ask, system.owner)}
    answers: dict[str, Any] = dict(known.answers)
    return {key: value for key, value in answers.items() if key != "name"}


def _intake(ask: Ask, name: str, values: Values) -> Document:
    said = {key: value for key, value in values.items() if key in Intake.model_fields}
    answers = validated(Intake, {**said, "name": name})
    if isinstance(answers, ValidationError):
        told = [
            (str(one.get("ctx", {}).get("error", one["msg"])), ".".join(map(str, one["loc"])))
            for one in answers.errors(include_url=False)[:20]
        ]
        raise Unusable(Fault(code="WEB024", what=what, where=where) for what, where in told)
    done = systems.intake(
        ask.record, answers, tier=values["tier"] or None, reason=values["reason"], actor=ask.actor, now=ask.now
    )
    return done.system


def _new(ask: Ask, values: Values) -> Document:
    if ask.record.get("system", values["name"]) is not None:
        what, mend = "there is a system of that name already", "answer the questions anew on its page"
        raise Unusable(Fault(code="WEB024", what=what, where="name", mend=mend))
    return _intake(ask, values["name"], values)


_SAID = Field(
    name="question", label="Question", kind="choice", is_needed=True,
    choices=tuple(
        Choice(value=one.id, label=f"{one.title} ({one.role})")
        for one in sorted(FIELDS.values(), key=lambda one: (one.role, one.title))
    ),
    help="The documents of a package ask it; in brackets, who usually knows.",
)  # fmt: skip
_ANSWER = (
    _SAID,
    Field(name="text", label="Answer", kind="text", longest=20_000, also=("DOC002",),
          help="Left open, what was said before is taken back."),
    Field(name="not_applicable", label="Or why the question does not arise", kind="text"),
    Field(name="by", label="Who says it", longest=320, help="Shown to those alone who may read names of persons."),
    Field(name="privacy", label="Who may read it", kind="choice", choices=_choices(PRIVACIES),
          help="The strictest class; left open, that of the question. It can only be made stricter."),
)  # fmt: skip


def _said(ask: Ask) -> tuple[Fact, ...]:
    """What was said so far."""
    found = answering.answers_of(ask.record, ask.about(System).id)
    known = read_answers({name: one for name, one in found.items() if name in FIELDS})
    return tuple(
        Fact(label=FIELDS[name].title, text=one.text or f"does not arise: {one.not_applicable}")
        for name, one in known.items()
    )


def _answer(ask: Ask, values: Values) -> Document:
    system, name = ask.about(System).id, str(values["question"])
    said = {key: values[key] for key in ("text", "not_applicable", "by", "privacy") if values.get(key)}
    given = said if {"text", "not_applicable"} & said.keys() else ""
    if not given and name not in answering.answers_of(ask.record, system):
        what, mend = "there is neither an answer nor a reason why none is due", "write one of the two"
        raise Unusable(Fault(code="WEB024", what=what, where="text", mend=mend))
    answering.keep_answers(ask.record, system, {name: given}, actor=ask.actor, now=ask.now)
    return answering.kept(ask.record, system)


ACTS: tuple[Act, ...] = (
    Act(
        name="system-add", path="/intake", title="Make a system known", does="Keep the answers", permission="write",
        says="From the answers follow its risk tier, the policy packs that fit, and who must sign.",
        writes=System, do=_new, system=lambda ask, values: values.get("name"), where=("systems",),
        leads=lambda one: addresses.system(one.id), fields=(_NAME, *_QUESTIONS),
    ),
    Act(
        name="system-intake", path="/systems/{name}/intake", title="Answer the intake questions", menu="Intake",
        does="Keep the answers", permission="write", writes=System, about="system", start=_as_it_is,
        says="From the answers follow its risk tier, the policy packs that fit, and who must sign.",
        do=lambda ask, values: _intake(ask, ask.about(System).id, values),
        leads=lambda one: addresses.system(one.id), fields=_QUESTIONS,
    ),
    Act(
        name="system-answer", path="/systems/{name}/answer", title="Answer a question of the documents",
        menu="Answer a question", does="Keep the answer", permission="write", writes=Answers, about="system",
        says="Some things no run can measure. What is said once goes into every package to come.",
        tells=_said, do=_answer, leads=lambda one: addresses.system(one.system), fields=_ANSWER,
    ),
)  # fmt: skip
