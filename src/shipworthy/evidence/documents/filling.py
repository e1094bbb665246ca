"""Filling the catalogue in: what is known, what people answered, what is missing, and how much of it all there is."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from shipworthy.digest import Json
from shipworthy.evidence.documents.answers import MAX_BYTES, Answer, read_answers
from shipworthy.evidence.documents.content import Content, written
from shipworthy.evidence.documents.facts import FACTS, NotApplicable
from shipworthy.evidence.documents.fields import FIELDS, PRIVACIES, Field, Privacy
from shipworthy.evidence.documents.known import Known, RecordFacts, run_of
from shipworthy.evidence.documents.standing import Stands
from shipworthy.plan.models import Plan
from shipworthy.present.safe import plain, shorten

State: TypeAlias = Literal["known", "answered", "missing", "withheld", "not applicable"]
STATES: tuple[State, ...] = ("known", "answered", "missing", "withheld", "not applicable")

_SPACES = re.compile(r"\s+")
_EMPTY = re.compile(r"[\W_]*")
# What stands for an answer that nobody gave, alone or at the beginning of a text.
_WHOLE = re.compile(
    r"(n/?a|n\.a\.?|not applicable|none yet|tb[adcs]|t\.b\.[adcs]\.?|to ?do|fixme|xx+|wip|pending|placeholder|later"
    r"|to be (added|completed|confirmed|decided|defined|determined|done|written)|fill (this )?in|ask \w+|\?+)[\s.!…]*"
)
_BEGINS = re.compile(
    r"(todo|tbd|tbc|fixme|to be (added|completed|confirmed|decided|defined|determined|done|written))\b"
)
_INSIDE = re.compile(
    r"lorem ipsum|\[(insert|todo|tbd|your |missing)[^\]]*\]|<(insert|todo|tbd|your )[^>]*>|\b(?-i:TODO|TBD|FIXME)\b"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A field as far as it is filled in."""

    field: Field
    state: State
    content: Content = ()
    source: str = ""  # what it was read from, or that a person said it
    by: str = ""  # who answered
    at: str = ""  # when
    note: str = ""  # why it is missing, does not apply, or is withheld
    privacy: Privacy
    digest: str | None = None  # of what is withheld


@dataclass(frozen=True, kw_only=True, slots=True)
class Completeness:
    """How much of what applies is filled in, by weight."""

    filled: int
    applicable: int
    counts: Mapping[State, int]

    @property
    def score(self) -> float | None:
        """Weight filled ÷ weight applicable; None where nothing applies."""
        return self.filled / self.applicable if self.applicable else None

    def as_json(self) -> Json:
        """The score with what it is made from."""
        return {
            "score": self.score,
            "weight_filled": self.filled,
            "weight_applicable": self.applicable,
            "fields": {state: self.counts.get(state, 0) for state in STATES},
        }


def completeness(entries: Iterable[Entry]) -> Completeness:
    """The completeness of some entries. What is withheld is filled in; what is not applicable counts nowhere."""
    found = list(entries)
    applicable = [entry for entry in found if entry.state != "not applicable"]
    return Completeness(
        filled=sum(entry.field.weight for entry in applicable if entry.state != "missing"),
        applicable=sum(entry.field.weight for entry in applicable),
        counts=Counter(entry.state for entry in found),
    )


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Every field of the catalogue, and what it was filled in from."""

    known: Known
    entries: Mapping[str, Entry]

    @property
    def completeness(self) -> Completeness:
        """The completeness of the whole catalogue."""
        return completeness(self.entries.values())


def fill(
    results: Mapping[str, object],
    plan: Plan,
    environment: Mapping[str, str],
    answers: Mapping[str, object],
    record_facts: RecordFacts,
    *,
    now: datetime,
    stands: Stands | None = None,
) -> Filled:
    """Fill the catalogue in.

    results: `results.json` as it is, or `Run.as_json()`. answers: field id -> text, or {text, by, at, privacy}, or
    {not_applicable: reason}. record_facts: kind of document -> bodies; leave out a kind that was not looked up.
    now: UTC; tells which waivers are in force. stands: how the decision stands now, where a record knows it. Raises
    Unusable: DOC002 for answers to unknown fields or of another shape, DOC003 for results that are not whole.
    """
    given = read_answers(answers)
    known = Known(run=run_of(results, plan, environment), record=record_facts, now=now, stands=stands)
    return Filled(known=known, entries={name: _entry(field, known, given.get(name)) for name, field in FIELDS.items()})


def is_placeholder(text: str, question: str = "") -> bool:
    """Whether a text only stands where an answer should: "TODO", "n.a.", "lorem ipsum ...", the question itself."""
    seen = _SPACES.sub(" ", unicodedata.normalize("NFKC", plain(text))).strip()
    folded = seen.casefold()
    return bool(
        _EMPTY.fullmatch(seen)
        or _WHOLE.fullmatch(folded)
        or _BEGINS.match(folded)
        or _INSIDE.search(seen)
        or _INSIDE.search(folded)
        or folded == question.casefold()
    )


def _entry(field: Field, known: Known, answer: Answer | None) -> Entry:
    fact = FACTS[field.id](known) if field.id in FACTS else None
    privacy = _stricter(field.privacy, answer.privacy if answer else None)
    by, at = (plain(answer.by), plain(answer.at)) if answer else ("", "")
    told, note = _told(field, answer)
    if fact and not isinstance(fact, NotApplicable):
        return Entry(
            field=field, state="known", content=(*fact, *told), source=field.source, by=by, at=at, privacy=privacy
        )
    if told:
        return Entry(field=field, state="answered", content=told, source="answers", by=by, at=at, privacy=privacy)
    if isinstance(fact, NotApplicable):
        return Entry(field=field, state="not applicable", source=field.source, note=fact.reason, privacy=privacy)
    if answer is not None and answer.not_applicable and not note:
        reason = shorten(answer.not_applicable, 600)
        return Entry(field=field, state="not applicable", source="answers", by=by, at=at, note=reason, privacy=privacy)
    return Entry(field=field, state="missing", source=field.source, note=note, by=by, at=at, privacy=privacy)


def _told(field: Field, answer: Answer | None) -> tuple[Content, str]:
    """What a person said, or why it does not count."""
    if answer is None:
        return (), ""
    if answer.not_applicable:
        if not field.optional:
            return (), "was said to be not applicable, but it applies to every system"
        if is_placeholder(answer.not_applicable, field.question):
            return (), "was said to be not applicable, without a reason"
        return (), ""
    if is_placeholder(answer.text, field.question):
        return (), "holds only placeholder text" if plain(answer.text) else "the answer is empty"
    return written(answer.text, MAX_BYTES), ""


def _stricter(one: Privacy, other: Privacy | None) -> Privacy:
    return max(one, other or one, key=PRIVACIES.index)
