"""The record as somebody sees it who may read some systems only: what belongs to others is not there for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from shipworthy.digest import canonical
from shipworthy.errors import Fault, Unusable
from shipworthy.record.documents import System
from shipworthy.record.opening import reading
from shipworthy.record.schema import heads, runs
from shipworthy.record.store import MOST, SYSTEM, Record

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from shipworthy.integrity.keys import Register
    from shipworthy.record.artifacts import Artifact, KeptArtifact
    from shipworthy.record.documents import Document, Kind
    from shipworthy.record.labels import Label
    from shipworthy.record.runs import KeptRun, RunFacts
    from shipworthy.record.store import Kept
    from shipworthy.record.verifying import Verified

WITHHELD = "withheld"  # stands for what a line of the log is about that may not be seen


class Seen(Record):
    """A record, of which every reading shows only what belongs to systems that may be read, and that takes no other.

    may: the systems, or None for all; asked anew each time. People are known to everyone, by name.
    """

    def __init__(self, record: Record, may: Callable[[], frozenset[str] | None]) -> None:
        super().__init__(record._engine)
        self._may = may

    def get(self, kind: Kind, id: str, *, version: int | None = None) -> Kept | None:
        """As `Record.get`."""
        return super().get(kind, id, version=version) if self._sees(f"{kind}/{id}") else None

    def history(self, kind: Kind, id: str) -> tuple[Kept, ...]:
        """As `Record.history`."""
        return super().history(kind, id) if self._sees(f"{kind}/{id}") else ()

    def write(
        self,
        actor: str,
        now: datetime,
        *documents: Document,
        action: str | None = None,
        based_on: Mapping[tuple[str, str], int] | None = None,
    ) -> tuple[Kept, ...]:
        """As `Record.write`. Raises Unusable (RECORD021) for a document of a system that may not be read, too."""
        self._refuse(one.id if isinstance(one, System) else str(getattr(one, "system", "")) for one in documents)
        return super().write(actor, now, *documents, action=action, based_on=based_on)

    def add_run(  # noqa: PLR0917  as the record's own
        self,
        actor: str,
        now: datetime,
        run: RunFacts,
        verdicts: Sequence[Mapping[str, Any]],
        estimates: pa.Table,
        inputs: Sequence[Mapping[str, Any]],
    ) -> KeptRun:
        """As `Record.add_run`. Raises Unusable (RECORD021), too."""
        self._refuse([run.system])
        return super().add_run(actor, now, run, verdicts, estimates, inputs)

    def add_labels(self, actor: str, now: datetime, labels: Sequence[Label]) -> None:
        """As `Record.add_labels`. Raises Unusable (RECORD021), too."""
        if self._may() is not None and not {f"run/{one.run}" for one in labels} <= self._objects():
            raise Unusable(_not_seen())
        super().add_labels(actor, now, labels)

    def labels(
        self, *, run: str | None = None, evaluation: str | None = None, scorer: str | None = None
    ) -> tuple[Label, ...]:
        """As `Record.labels`."""
        found = super().labels(run=run, evaluation=evaluation, scorer=scorer)
        objects = None if self._may() is None else self._objects()
        return tuple(one for one in found if objects is None or f"run/{one.run}" in objects)

    def artifact(self, digest: str) -> Artifact | None:
        """As `Record.artifact`; files belong to no system, and are there for who sees all."""
        return super().artifact(digest) if self._may() is None else None

    def artifacts(self, *, role: str | None = None, name: str | None = None, limit: int = MOST) -> list[KeptArtifact]:
        """As `Record.artifacts`; of those that are named after a run or a document."""
        found = super().artifacts(role=role, name=name, limit=limit)
        objects = None if self._may() is None else self._objects()
        return [one for one in found if objects is None or one.artifact.name in objects]

    def log(self, start: int = 0) -> Iterator[bytes]:
        """As `Record.log`; of a line about something that may not be seen only its place and time are shown."""
        if self._may() is None:
            yield from super().log(start)
            return
        objects = self._objects()
        for line in super().log(start):
            entry = orjson.loads(line)
            yield line if entry["object"] in objects else _withheld(entry)

    def verify(self, register: Register | None = None, *, origin: str | None = None) -> Verified:
        """As `Record.verify`, of the whole record; faults name only what may be seen."""
        found = super().verify(register, origin=origin)
        if self._may() is None or not found.faults:
            return found
        objects = self._objects()
        told = (one if one.where in objects else replace(one, where=WITHHELD) for one in found.faults)
        return replace(found, faults=tuple(told))

    def _only(self, system: sa.ColumnElement[str]) -> list[sa.ColumnElement[bool]]:
        may = self._may()
        return [] if may is None else [system.in_(sorted(may))]

    def _refuse(self, systems: Iterable[str]) -> None:
        may = self._may()
        if may is not None and not may.issuperset(systems):
            raise Unusable(_not_seen())

    def _sees(self, name: str) -> bool:
        may = self._may()
        if may is None:
            return True
        kind, _, id_ = name.partition("/")
        with reading(self._engine) as connection:
            chosen = sa.select(SYSTEM).where(heads.c.kind == kind, heads.c.id == id_)
            return connection.execute(chosen).scalar() in may

    def _objects(self) -> set[str]:
        """Everything that may be seen, as the log calls it."""
        with reading(self._engine) as connection:
            known = connection.execute(sa.select(heads.c.kind, heads.c.id).where(*self._only(SYSTEM)))
            found = {f"{kind}/{id_}" for kind, id_ in known}
            digests = connection.execute(sa.select(runs.c.digest).where(*self._only(runs.c.system)))
            return found | {f"run/{digest}" for digest in digests.scalars()}


def _withheld(entry: dict[str, Any]) -> bytes:
    kept = {key: entry[key] for key in ("seq", "at")}
    gone = {"actor": f"tool:{WITHHELD}", "action": WITHHELD, "object": f"{WITHHELD}/"}
    return canonical({**kept, **gone, "before": None, "after": None, "previous": None})


def _not_seen() -> Fault:
    what, mend = "there is no such system for who asks", "ask an admin for a role on it"
    return Fault(code="RECORD021", what=what, where="system", mend=mend)
