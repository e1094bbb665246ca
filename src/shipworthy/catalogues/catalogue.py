"""One edition of a framework: its controls, where they were read, and how sure that reading is."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import orjson

from shipworthy.errors import Fault, Unusable

Mark: TypeAlias = Literal["S", "T", "U"]  # read in a primary source, in what others wrote of it, or unverified

MARKS: Mapping[Mark, str] = MappingProxyType(
    {"S": "read in a primary source", "T": "read in what others wrote of it", "U": "unverified: check before relying"}
)
# The editions there are, in the order in which they are listed.
EDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "nist-ai-rmf@1.0": "nist-ai-rmf-1.0",
        "nist-ai-600-1@2024": "nist-ai-600-1-2024",
        "eu-ai-act@2024/1689": "eu-ai-act-2024-1689",
        "iso-42001@2023": "iso-42001-2023",
        "owasp-llm@2025": "owasp-llm-2025",
        "owasp-llm@2026": "owasp-llm-2026",
        "owasp-agentic@2026": "owasp-agentic-2026",
        "atlas@2026.09": "atlas-2026.09",
        "ailuminate@1.0": "ailuminate-1.0",
        "us-ugesp@1978": "us-ugesp-1978",
        "nyc-ll144@2021": "nyc-ll144-2021",
    }
)


class UnknownControl(Unusable):
    """A framework, an edition or a control that no catalogue has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Applies:
    """From when an obligation applies, to whom, and which act says so."""

    scope: str
    since: date
    act: str
    mark: Mark
    was: date | None = None  # the date before the act changed it


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One thing that a framework asks for, or warns of."""

    catalogue: str  # framework@edition
    id: str
    kind: str  # in the framework's words: subcategory, article, hazard ...
    title: str
    text: str  # what it is about in one line, in our words
    parent: str | None  # id within the same catalogue
    applies: tuple[Applies, ...]  # empty where the framework sets no dates
    mark: Mark
    maturity: str | None  # MITRE ATLAS: feasible, demonstrated or realized

    @property
    def ref(self) -> str:
        """The full id, as plans and records name it."""
        return f"{self.catalogue}:{self.id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Retired:
    """An id that an earlier edition had, and what took its place."""

    id: str
    title: str
    by: tuple[str, ...]  # ids of the same catalogue
    since: str  # the framework's edition that dropped it
    mark: Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """One edition of one framework."""

    framework: str
    edition: str
    title: str
    publisher: str
    published: str  # as exact as is known: year, month or day
    citation: str
    address: str
    licence: str  # of the source's text
    read_on: date
    mark: Mark  # of whatever has none of its own
    status: str  # "current", or what took its place
    complete: bool  # False: a selection, and the framework has further ids
    counts: Mapping[str, int]  # kind -> how many, as the file declares
    counted: frozenset[str]  # kinds that coverage counts, where they have no counted parts
    notes: tuple[str, ...]
    digest: str  # of the file's content without this field
    controls: Mapping[str, Control]
    retired: Mapping[str, Retired]

    @property
    def name(self) -> str:
        """`framework@edition`."""
        return f"{self.framework}@{self.edition}"


def catalogue(framework: str, edition: str, *, where: str = "") -> Catalogue:
    """The catalogue of one edition. where: what asked for it, for the message. Raises UnknownControl (CATALOGUE002)."""
    name = f"{framework}@{edition}"
    if name in EDITIONS:
        return _read(name)
    others = [each for each in EDITIONS if each.partition("@")[0] == framework]
    if others:
        what = f"there is no edition {edition[:80]!r} of {framework}"
        mend = f"editions: {', '.join(each.partition('@')[2] for each in others)}"
    else:
        import difflib

        what = f"there is no framework {framework[:80]!r}"
        known = list(dict.fromkeys(each.partition("@")[0] for each in EDITIONS))
        near = difflib.get_close_matches(framework[:80].casefold(), known, n=1)
        mend = f"did you mean {near[0]!r}? " if near else ""
        mend += f"known: {', '.join(known)}; one of your own starts with x-, as in x-acme@1:DATA-3"
    raise UnknownControl(Fault(code="CATALOGUE002", what=what, where=where, mend=mend))


def all_catalogues() -> tuple[Catalogue, ...]:
    """Every catalogue there is."""
    return tuple(map(_read, EDITIONS))


def content(file: str) -> Any:
    """The content of one file of `editions/`, as JSON."""
    return orjson.loads((resources.files("shipworthy.catalogues") / "editions" / f"{file}.json").read_bytes())


@functools.cache
def _read(name: str) -> Catalogue:
    body = content(EDITIONS[name])
    schedules = {key: tuple(map(_applies, each)) for key, each in body.get("schedules", {}).items()}
    controls = (
        Control(
            catalogue=name,
            id=each["id"],
            kind=each["kind"],
            title=each["title"],
            text=each["text"],
            parent=each.get("parent"),
            applies=schedules[each["applies"]] if "applies" in each else (),
            mark=each.get("mark", body["mark"]),
            maturity=each.get("maturity"),
        )
        for each in body["controls"]
    )
    retired = {
        key: Retired(id=key, title=each["title"], by=tuple(each["by"]), since=each["since"], mark=each["mark"])
        for key, each in body["retired"].items()
    }
    same = ("framework", "edition", "title", "publisher", "published", "citation", "address", "licence", "mark")
    return Catalogue(
        **{key: body[key] for key in (*same, "status", "complete", "digest")},
        read_on=date.fromisoformat(body["read_on"]),
        counts=MappingProxyType(body["counts"]),
        counted=frozenset(body["counted"]),
        notes=tuple(body["notes"]),
        controls=MappingProxyType({control.id: control for control in controls}),
        retired=MappingProxyType(retired),
    )


def _applies(each: Mapping[str, Any]) -> Applies:
    return Applies(
        scope=each["scope"],
        since=date.fromisoformat(each["from"]),
        act=each["act"],
        mark=each["mark"],
        was=date.fromisoformat(each["was"]) if "was" in each else None,
    )
