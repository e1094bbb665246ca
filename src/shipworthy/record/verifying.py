"""The record against its own log: the chain is whole, and the tables hold what the log says was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.digest import canonical, digest
from shipworthy.errors import Fault, Unusable
from shipworthy.integrity import chain
from shipworthy.integrity import checkpoints as signed
from shipworthy.integrity.chain import LogCheck
from shipworthy.integrity.keys import Register
from shipworthy.record import audit as log
from shipworthy.record.documents import KINDS
from shipworthy.record.labels import Label
from shipworthy.record.reading import kept_document
from shipworthy.record.schema import artifacts, audit, documents, estimates, heads, inputs, labels, runs, verdicts

MOST_FAULTS = 50
_BATCH = 2_000  # entries checked at once
_WHERE = "audit log"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What verifying a record found."""

    log: LogCheck  # of the chain; its `caveat` says what it cannot have seen
    faults: tuple[Fault, ...]  # the chain's first, then those of the tables, at most MOST_FAULTS; empty: all is well
    objects: int  # entries whose object was compared with the tables


def verify(connection: Connection, register: Register | None, origin: str | None) -> Verified:
    """Check the chain, then every object that it tells of. Faults: those of `chain.verify_log`, CHKP001, RECORD020."""
    faults: list[Fault] = []
    notes: list[signed.Checkpoint] = []
    for note in log.notes(connection) if register is not None else ():
        try:
            notes.append(signed.read(note, where=_WHERE))
        except Unusable as error:
            faults += error.faults
    size = log.size(connection)
    whole = (line + b"\n" for line in log.lines(connection, 0, size))
    if register is None:
        checked = chain.verify_log(whole, where=_WHERE)
    else:
        checked = chain.verify_log(whole, notes, register, where=_WHERE, origin=origin)
    if checked.fault is not None:
        return Verified(log=checked, faults=(*faults, checked.fault), objects=0)
    objects, forgotten = 0, set[tuple[str, str, int]]()
    for start in range(0, size, _BATCH):
        entries = [orjson.loads(line) for line in log.lines(connection, start, min(size, start + _BATCH))]
        for entry in entries:
            kind, _, name = entry["object"].partition("/")
            if entry["action"] == f"{kind}.forget":
                forgotten |= {(kind, name, version) for version in entry["details"]["versions"]}
        told = {entry["seq"]: entry for entry in entries if entry["after"] is not None or entry["before"] is not None}
        objects += len(told)
        for what, where in _batch(connection, told, start, start + _BATCH):
            faults.append(_fault(what, where))
            if len(faults) >= MOST_FAULTS:
                return Verified(log=checked, faults=tuple(faults), objects=objects)
    for what, where in _beside(connection, size, forgotten):
        faults.append(_fault(what, where))
        if len(faults) >= MOST_FAULTS:
            break
    return Verified(log=checked, faults=tuple(faults), objects=objects)


def _batch(connection: Connection, told: dict[int, Any], start: int, end: int) -> Iterator[tuple[str, str]]:
    """Objects written by entries start, ..., end - 1 against these entries."""
    salts = dict(
        connection.execute(
            sa.select(audit.c.seq, audit.c.salt).where(
                audit.c.seq >= start, audit.c.seq < end, audit.c.salt.is_not(None)
            )
        ).all()
    )
    seen = set()
    for seq, name, after, why in _objects(connection, salts, start, end):
        seen.add(seq)
        entry = told.get(seq)
        if why:
            yield why, name
        elif entry is None or entry["object"] != name or entry["after"] != after:
            yield f"entry {seq:,} of the log says otherwise", name
    for seq in sorted(told.keys() - seen):
        yield f"entry {seq:,} of the log tells of it, and it is not there", told[seq]["object"]


def _objects(
    connection: Connection, salts: dict[int, str], start: int, end: int
) -> Iterator[tuple[int, str, str | None, str]]:
    """Everything that these entries should tell of: entry, object, salted digest, and what is wrong by itself."""

    def written(table: sa.Table) -> Any:
        return connection.execute(sa.select(table).where(table.c.seq >= start, table.c.seq < end).order_by(table.c.seq))

    for row in written(documents):
        name, why = f"{row.kind}/{row.id}", ""
        if row.body is not None and log.sealed(row.body.encode(), row.salt or "") != row.digest:
            why = f"version {row.version} is not what was written"
        yield row.seq, name, row.digest, why
    for row, why in _runs(connection, written(runs).all(), start, end):
        yield row.seq, f"run/{row.digest}", log.sealed(row.body.encode(), salts.get(row.seq, "")), why
    columns = list(artifacts.c)[: list(artifacts.c).index(artifacts.c.at)]
    for row in written(artifacts):
        body = {column.name: getattr(row, column.name) for column in columns}
        yield row.seq, f"artifact/{row.digest}", log.sealed(canonical(body), salts.get(row.seq, "")), ""
    batches: dict[int, list[dict[str, Any]]] = {}
    for row in connection.execute(
        sa.select(labels).where(labels.c.seq >= start, labels.c.seq < end).order_by(labels.c.seq, labels.c.position)
    ):
        batches.setdefault(row.seq, []).append({name: getattr(row, name) for name in Label.__dataclass_fields__})
    for seq, batch in batches.items():
        yield seq, "labels", log.sealed(canonical(batch), salts.get(seq, "")), ""


def _runs(connection: Connection, found: Sequence[Any], start: int, end: int) -> Iterator[tuple[Any, str]]:
    """The runs of these entries, and why the rows of each are not what its body says; empty where they are."""
    if not found:
        return
    these = sa.select(runs.c.number).where(runs.c.seq >= start, runs.c.seq < end)

    def of_runs(table: sa.Table) -> dict[int, list[Any]]:
        rows = connection.execute(
            sa.select(table).where(table.c.number.in_(these)).order_by(table.c.number, table.c.position)
        )
        return {number: list(own) for number, own in groupby(rows, key=lambda one: one.number)}

    judged, read = of_runs(verdicts), of_runs(inputs)
    count = sa.select(estimates.c.number, sa.func.count()).where(estimates.c.number.in_(these))
    counts = {row[0]: int(row[1]) for row in connection.execute(count.group_by(estimates.c.number))}
    for row in found:
        yield row, _run(row, judged.get(row.number, []), read.get(row.number, []), counts.get(row.number, 0))


def _run(row: Any, judged: Sequence[Any], read: Sequence[Any], count: int) -> str:
    """Why a run's rows are not what its body says; empty where they are."""
    try:
        body = orjson.loads(row.body)
    except orjson.JSONDecodeError:
        return "its body is not JSON"
    for column in ("digest", "run", "system", "version", "plan_digest", "created", "decision", "locked", "baseline"):
        if body.get(column) != getattr(row, column):
            return f"its {column} is not what was written"
    # Each is kept as canonical JSON, and so is the list that was digested.
    listed = hashlib.sha256(f"[{','.join(one.body for one in judged)}]".encode()).hexdigest()
    if f"sha256:{listed}" != body.get("verdicts") or any(
        getattr(one, name) != told.get(name)
        for one, told in ((one, orjson.loads(one.body)) for one in judged)
        for name in ("requirement", "verdict", "severity")
    ):
        return "its verdicts are not what was written"
    names = ("evaluation", "source", "digest", "rows")
    if digest([{name: getattr(one, name) for name in names} for one in read]) != body.get("inputs"):
        return "its inputs are not what was written"
    if count != body.get("estimates"):
        return "some of its estimates are missing, or were added"
    return ""


def _beside(connection: Connection, size: int, forgotten: set[tuple[str, str, int]]) -> Iterator[tuple[str, str]]:
    """What the log's entries cannot meet: rows beyond its end, bodies gone unsaid, heads that are not newest."""
    for table in (documents, runs, artifacts, labels):
        beyond = sa.select(sa.func.count()).where((table.c.seq >= size) | (table.c.seq < 0)).select_from(table)
        if count := connection.execute(beyond).scalar():
            yield f"{count:,} rows belong to no entry of the log", f"table {table.name}"
    gone = sa.select(documents.c.kind, documents.c.id, documents.c.version).where(documents.c.body.is_(None))
    for kind, name, version in connection.execute(gone):
        if (kind, name, version) not in forgotten:
            yield f"version {version} is gone, and the log does not say that it was forgotten", f"{kind}/{name}"
    newest = (
        sa.select(documents.c.kind, documents.c.id, sa.func.max(documents.c.version).label("version"))
        .group_by(documents.c.kind, documents.c.id)
        .subquery()
    )
    same = sa.and_(newest.c.kind == heads.c.kind, newest.c.id == heads.c.id)
    lost = sa.select(newest.c.kind, newest.c.id).outerjoin(heads, same).where(heads.c.id.is_(None))
    for kind, name in connection.execute(lost):
        yield "it cannot be found: its head is missing", f"{kind}/{name}"
    for kind in KINDS:
        yield from _heads(connection, kind, newest, same)


def _heads(connection: Connection, kind: str, newest: Any, same: Any) -> Iterator[tuple[str, str]]:
    here = (documents.c.kind == newest.c.kind, documents.c.id == newest.c.id, documents.c.version == newest.c.version)
    chosen = (
        sa.select(heads, newest.c.version.label("newest"), documents.c.digest.label("written"), documents.c.body)
        .outerjoin(newest, same)
        .outerjoin(documents, sa.and_(*here))
        .where(heads.c.kind == kind)
    )
    for row in connection.execute(chosen):
        if row.version != row.newest or row.digest != row.written:
            yield "its head is not its newest version", f"{kind}/{row.id}"
        elif row.body is not None:
            heading = kept_document(kind, row.body).heading()
            if wrong := [name for name, value in heading.items() if getattr(row, name) != value]:
                yield f"it is searched by another {wrong[0]} than it has", f"{kind}/{row.id}"


def _fault(what: str, where: str) -> Fault:
    mend = "find out who could write to the database; the log, its exports and backups say what was there"
    return Fault(code="RECORD020", what=what, where=where[:300], mend=mend)
