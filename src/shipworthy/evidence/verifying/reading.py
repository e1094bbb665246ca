"""A package while it is verified: what of it is there, and how its files are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from shipworthy.digest import Json
from shipworthy.errors import Fault
from shipworthy.evidence import package as layout
from shipworthy.evidence.attestations import STATEMENT
from shipworthy.evidence.container import Container
from shipworthy.evidence.formats import SCHEMA
from shipworthy.evidence.package import Item
from shipworthy.evidence.verifying.outcome import Trust, unreadable
from shipworthy.integrity.keys import NO_KEYS, Register
from shipworthy.integrity.persons import Person
from shipworthy.integrity.reading import following, read_json

MOST_TEXT = 64 << 20  # bytes of a file that is read and not only hashed
DECISIONS = "gates/decision.json"
RESULTS = "runs/*/results.json"
RESULTS_SCHEMA = "shipworthy/results@1"
KINDS = ("risk", "mitigation", "waiver", "sign-off", "incident")  # each in risk/, in a file of its own
_SCHEMAS: Mapping[str, str] = MappingProxyType(
    {
        layout.PACKAGE: layout.PACKAGE_SCHEMA,
        DECISIONS: layout.GATE_SCHEMA,
        RESULTS: RESULTS_SCHEMA,
        **{f"risk/{kind}s.json": f"shipworthy/{kind}s@1" for kind in KINDS},
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A document of the record as a package carries it."""

    path: str  # of the file that holds it
    kind: str
    id: str
    seq: int  # of the log's entry that tells of it
    told: tuple[str, str, str, str]  # what that entry has to say: object, after, at and actor
    is_bound: bool | None  # whether its digest was made of this text; None where its salt is not here
    body: dict[str, Any]  # empty where it was forgotten


@dataclass(kw_only=True)
class Package:
    """A package while it is verified. Each step fills in what the next ones ask for."""

    container: Container
    trust: Trust
    manifest: bytes = b""
    schema: str = SCHEMA  # of the manifest
    listed: dict[str, Item] = field(default_factory=dict)
    register: Register = NO_KEYS
    signers: tuple[Person, ...] = ()
    documents: tuple[Document, ...] = ()
    entries: int = 0
    notes: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Json]:
        """What a verification without faults has shown."""
        return {
            "files": len(self.listed),
            "withheld": sum(item.withheld for item in self.listed.values()),
            "root": layout.root(self.listed.values()),
            "evidence": layout.evidence_root(self.listed.values()),
            "signed_by": [named(one) for one in self.signers],
            "entries": self.entries,
        }

    def is_there(self, path: str) -> bool:
        """Whether a file is listed, is not withheld, and lies in the package."""
        return path in self.listed and path in self.container.sizes and not self.listed[path].withheld

    def there(self, pattern: str) -> list[str]:
        """The files that are there and fit a pattern, in which `*` does not cross folders."""
        return [path for path in self.listed if _fits(path, pattern) and self.is_there(path)]

    def data(self, path: str) -> bytes:
        """The bytes of a file; none where it cannot be read, which `files` has told."""
        try:
            return self.container.read(path, most=MOST_TEXT)
        except ValueError:
            return b""

    def json(self, path: str) -> Any:
        """A file's JSON; None where it is withheld, cannot be read, or is of an unknown version, as `schemas` tells."""
        if not self.is_there(path):
            return None
        try:
            found = read_json(self.data(path), most=MOST_TEXT)
            schema = next((schema for pattern, schema in _SCHEMAS.items() if _fits(path, pattern)), None)
            return found if schema is None else following(found, schema)
        except ValueError:
            return None


def schemas(package: Package) -> Iterator[Fault]:
    """Every file from which something follows is of a version that is known here."""
    for pattern, schema in _SCHEMAS.items():
        for path in package.there(pattern):
            try:
                following(read_json(package.data(path), most=MOST_TEXT), schema)
            except ValueError as error:
                yield unreadable("PACK022", "this file", path, error)


def named(person: Person) -> str:
    """A person as a note names one: without an address where there is none."""
    return person.name if person.email.endswith("@withheld.invalid") else str(person)


def statement(payload: bytes) -> dict[str, Any] | None:
    """The in-toto statement of an envelope; None where it is none."""
    try:
        found = read_json(payload, most=MOST_TEXT)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("_type") == STATEMENT else None


def _fits(path: str, pattern: str) -> bool:
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
