"""What pages are made from: a record, and the project in whose folder the folders of its runs may lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from shipworthy.api.pages.memory import Memory
from shipworthy.api.runs import base_of
from shipworthy.errors import Fault, Unusable
from shipworthy.present.safe import shorten

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Kept, Record

PAGE = 50  # rows of a page
MOST = 2_000  # verdicts, or documents of one kind, of one system that are looked at


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """A record that pages are made from, and where the folders of its runs may lie."""

    record: Record
    place: str | Path
    memory: Memory = field(default_factory=Memory, repr=False, compare=False)

    @property
    def start(self) -> Path:
        """The folder that places of runs start from."""
        return base_of(self.place)

    @property
    def root(self) -> Path:
        """The folder that no run's folder is read outside of: that of the project."""
        start = self.start.resolve()
        return start.parent if start.name == ".shipworthy" else start


def absent(what: str, mend: str) -> Unusable:
    """The error of a page about something that is not there."""
    return Unusable(Fault(code="WEB001", what=what, where="address", mend=mend))


def system_of(record: Record, name: str) -> Kept:
    """A system's document. Raises Unusable (WEB001)."""
    kept = record.get("system", name)
    if kept is None:
        raise absent(f"the record has no system {shorten(name, 80)!r}", "the first page lists those that it has")
    return kept


def find(record: Record, digest: str) -> KeptRun:
    """A recorded run by its digest or its own id. Raises Unusable (WEB001)."""
    found = record.runs(digest=digest, limit=1) or record.runs(run=digest, limit=1)
    if not found:
        raise absent(f"the record has no run {shorten(digest, 80)!r}", "`shipworthy check` records its runs")
    return found[0]
