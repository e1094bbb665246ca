"""A document before it is rendered: a shape, with every field of it as far as it is filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shipworthy.digest import Json, digest
from shipworthy.evidence.documents import content
from shipworthy.evidence.documents.fields import Privacy
from shipworthy.evidence.documents.filling import STATES, Completeness, Entry, Filled, State, completeness
from shipworthy.evidence.documents.shapes import Section, Shape
from shipworthy.gates.verdicts import Decision
from shipworthy.present.safe import plain, shorten
from shipworthy.version import __version__

SCHEMA = "shipworthy/document@1"
_NAME = 120
_SAID: Mapping[State, str] = {
    "known": "known from the run or the record",
    "answered": "answered by people",
    "missing": "missing",
    "withheld": "withheld",
    "not applicable": "not applicable",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """A section of a shape with its entries."""

    section: Section
    entries: tuple[Entry, ...]

    @property
    def is_part(self) -> bool:
        """Whether it lies inside of the section before."""
        number = self.section.number
        return number[:1].isdigit() and ("." in number or number[1:2] == "(")


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """Everything that a rendering shows, as visible text."""

    shape: Shape
    system: str
    version: str
    headline: str  # the decision in one line: how it stands, where that is not what the rules said, and what they said
    bare: str  # the same without reasons, which are of class internal
    decision: Decision  # what the rules said
    fit: str  # how it stands; what the rules said, where no record tells
    run: str
    plan_digest: str
    locked_at: datetime | None
    made: datetime
    chapters: tuple[Chapter, ...]
    audience: Privacy = "personal"  # the strictest class that it shows
    withheld: tuple[tuple[str, str], ...] = ()  # what else was taken out: where, and the digest of what it was

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of all sections, each field once."""
        found = {entry.field.id: entry for chapter in self.chapters for entry in chapter.entries}
        return tuple(found.values())

    @property
    def completeness(self) -> Completeness:
        """The completeness of this document."""
        return completeness(self.entries)

    @property
    def score(self) -> str:
        """The completeness in one sentence."""
        found = self.completeness
        parts = [f"{found.counts[state]} {_SAID[state]}" for state in STATES if found.counts.get(state, 0)]
        share = "nothing applies" if found.score is None else f"{100 * found.score:.0f} % filled in"
        return f"{share} (weight {found.filled} of {found.applicable}): {', '.join(parts)}"

    def as_json(self) -> dict[str, Json]:
        """The machine's view of the document: schema `shipworthy/document@1`."""
        return {
            "schema": SCHEMA,
            "kind": self.shape.kind,
            "title": self.shape.title,
            "basis": self.shape.basis,
            "audience": self.audience,
            "system": {"name": self.system, "version": self.version},
            "decision": self.decision.value,
            "fit": self.fit,
            "headline": self.headline,
            "run": self.run,
            "plan_digest": self.plan_digest,
            "plan_locked_at": self.locked_at.isoformat() if self.locked_at else None,
            "made": self.made.astimezone(UTC).isoformat(),
            "made_by": f"shipworthy {__version__}",
            "completeness": self.completeness.as_json(),
            "withheld": [{"where": where, "digest": of} for where, of in self.withheld],
            "sections": [
                {
                    "number": chapter.section.number,
                    "title": chapter.section.title,
                    "fields": [_entry(entry) for entry in chapter.entries],
                }
                for chapter in self.chapters
            ],
        }

    @property
    def digest(self) -> str:
        """The digest of the machine's view, which every rendering shows: `sha256:...`."""
        return digest(self.as_json())


def _entry(entry: Entry) -> Json:
    field = entry.field
    found: dict[str, Json] = {
        "id": field.id,
        "title": field.title,
        "question": field.question,
        "asked_of": field.role,
        "weight": field.weight,
        "class": entry.privacy,
        "state": entry.state,
        "content": content.as_json(entry.content),
    }
    extra = {"source": entry.source, "by": entry.by, "at": entry.at, "note": entry.note, "digest": entry.digest}
    return found | {key: value for key, value in extra.items() if value}


def document(shape: Shape, filled: Filled) -> Document:
    """Lay a filled-in catalogue out as a document, whole; renderings of a short one show what of it fits."""
    run, stands = filled.known.run, filled.known.stands
    ruled, said = plain(run.headline), run.decision.value
    return Document(
        shape=shape,
        system=shorten(run.plan.system.name, _NAME),
        version=shorten(run.plan.system.version, 80),
        headline=stands.headline(ruled, said, with_reasons=True) if stands else ruled,
        bare=stands.headline(ruled, said, with_reasons=False) if stands else ruled,
        decision=run.decision,
        fit=stands.fit if stands else said,
        run=shorten(run.id, 80),
        plan_digest=shorten(run.plan_digest, 80),
        locked_at=run.locked_at,
        made=filled.known.now,
        chapters=tuple(
            Chapter(section=section, entries=tuple(filled.entries[field] for field in section.fields))
            for section in shape.sections
        ),
    )
