"""What the record offers as answers: systems, runs, requirements and risks that there are, and who owns something."""

from __future__ import annotations

from collections.abc import Iterable

from shipworthy.api.acting import everyone, said
from shipworthy.api.naming import run_end
from shipworthy.api.risks import known_requirements
from shipworthy.errors import Unusable
from shipworthy.gates.tiers import TIERS
from shipworthy.present.safe import shorten
from shipworthy.record.documents import Risk, System
from shipworthy.record.runs import RunFacts
from shipworthy.web.forms.fields import Choice, Field
from shipworthy.web.writing import Act, Ask, system_of

MOST = 500  # options of a list
_RUNS = 50

LIKELIHOODS = tuple(
    Choice(value=str(step), label=f"{step}: {word}")
    for step, word in enumerate(("rare", "unlikely", "possible", "likely", "almost certain"), start=1)
)
SEVERITIES = tuple(
    Choice(value=str(step), label=f"{step}: {word}")
    for step, word in enumerate(("negligible", "minor", "moderate", "major", "severe"), start=1)
)
TIER_CHOICES = tuple(Choice(value=tier) for tier in TIERS)
OWNER = Field(
    name="owner", label="Owner", help="Who answers for it: a team, or a person as in Ada Lovelace <ada@example.org>.",
    longest=320, also=("RISK002", "KEYS001"),
)  # fmt: skip
SYSTEM = Field(name="system", label="System", kind="choice", is_needed=True, also=("GOVERN002",))


def systems(ask: Ask, act: Act) -> tuple[Choice, ...]:
    """The systems on which a visitor may do something."""
    found = (one.document for one in ask.record.find("system", limit=MOST))
    return tuple(
        Choice(value=one.id, label=shorten(one.id, 80))
        for one in found
        if isinstance(one, System) and ask.visitor.may(act.permission, one.id)
    )


def requirements(ask: Ask, system: str | None = None) -> tuple[Choice, ...]:
    """The requirements of a system's plans."""
    system = system or system_of(ask) or ask.query.get("system")
    known = known_requirements(ask.record, system) if system else frozenset()
    return tuple(Choice(value=one, label=shorten(one, 60)) for one in sorted(known)[:MOST])


def runs(ask: Ask) -> tuple[Choice, ...]:
    """The newest runs of a system, by digest."""
    found = ask.record.runs(system=system_of(ask), limit=_RUNS)
    return tuple(Choice(value=one.facts.digest, label=run_words(one.facts)) for one in found)


def run_words(facts: RunFacts) -> str:
    """A run, as a list names it."""
    made = f"{facts.created:%Y-%m-%d %H:%M} UTC"
    return f"{made}, version {shorten(facts.version, 40)}: {shorten(facts.decision, 12)} (run …{run_end(facts)})"


def risks(ask: Ask, system: str | None) -> tuple[Choice, ...]:
    """The risks of a system."""
    found = (one.document for one in ask.record.find("risk", system=system, limit=MOST)) if system else ()
    known = [one for one in found if isinstance(one, Risk)]
    return tuple(Choice(value=one.id, label=f"{shorten(one.id, 20)}: {shorten(one.title, 70)}") for one in known)


def owner(ask: Ask, kept: str) -> str:
    """An owner as a form shows it: a person by name and address."""
    found = ask.record.people().get(kept)
    if found is None or not found.email:
        return kept
    return f"{found.name or ''} <{found.email}>".strip()


def me(ask: Ask) -> tuple[Choice, ...]:
    """Who asks, as an owner."""
    return (Choice(value=ask.actor),) if ask.actor else ()


def is_me(ask: Ask, person: str) -> bool:
    """Whether a commitment stands for the visitor."""
    try:
        identity = said(ask.actor).identity if ask.actor else None
    except Unusable:
        return False
    known = everyone(ask.record).get(person)
    return known is not None and identity is not None and known.identity == identity


def names(ask: Ask, people: Iterable[str]) -> str:
    """People by name."""
    known = everyone(ask.record)
    return ", ".join(known[one].shown if one in known else shorten(one, 15) for one in people)
