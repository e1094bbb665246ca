"""The audit log in the database: the one place where the record meets the log's algebra in `integrity`."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.errors import Damaged, Fault, Unusable
from shipworthy.integrity import chain
from shipworthy.integrity import checkpoints as signed
from shipworthy.integrity.merkle import Tree, leaf_hash
from shipworthy.record.schema import audit, checkpoints, documents, runs

SALT_BYTES = 32
_BATCH = 5_000  # lines on their way at once
# Bytes, whatever somebody else has put there.
LINE = sa.cast(audit.c.line, sa.LargeBinary).label("line")
NOTE = sa.cast(checkpoints.c.note, sa.LargeBinary).label("note")
TREE = sa.cast(checkpoints.c.tree, sa.LargeBinary).label("tree")
_FIRST = 200  # lines that are read first: who wants few need not wait for many


def _beside(table: sa.Table, value: sa.ColumnElement[Any], name: str) -> sa.Label[Any]:
    """What stands in the line of the log that tells of a row, beside the row."""
    chosen = sa.select(value).where(audit.c.seq == table.c.seq).correlate(table)
    return chosen.scalar_subquery().label(name)


TOLD = _beside(documents, LINE, "told")  # the line that tells of a version of a document
TOLD_OF_RUN = (_beside(runs, LINE, "told"), _beside(runs, audit.c.salt, "told_salt"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that was done, to be told in one line of the log."""

    action: str  # what was done, such as risk.update
    object: str  # to what, such as risk/R-1; stays for ever, so it names no person
    before: str | None = None  # salted digests of the object
    after: str | None = None
    salt: str | None = None  # of `after`, where the object keeps none itself
    details: dict[str, Any] | None = None  # small, never personal


def fresh_salt() -> str:
    """A new salt, as hexadecimal digits."""
    return secrets.token_hex(SALT_BYTES)


def commitment(salt: str, email: str, name: str) -> str:
    """What stands for a person in the log: it tells nothing without the salt."""
    return chain.commitment(name, email, salt=bytes.fromhex(salt))


def opens(person: str, salt: object, email: object, name: object) -> bool:
    """Whether these are what a commitment was made of; whatever a database may hold in their place is not."""
    if not (isinstance(salt, str) and isinstance(email, str) and isinstance(name, str)):
        return False
    try:
        plain = bytes.fromhex(salt)
        return plain.hex() == salt and chain.opens(str(person), name, email, salt=plain)  # in its one spelling
    except ValueError:
        return False


def sealed(body: bytes, salt: str) -> str:
    """The salted digest of an object's body, which is canonical JSON: that of `chain.body_digest`, from the bytes."""
    opened = b"".join((b'{"body":', body, b',"salt":"', salt.encode(), b'"}'))
    return f"sha256:{hashlib.sha256(opened).hexdigest()}"


def refuse_unlike(line: bytes | None, **written: Any) -> None:
    """Raise Damaged (RECORD020) unless a line of the log says just that of what was written.

    written: fields of the line, such as object, after, at and actor.
    """
    try:
        told = {} if line is None else orjson.loads(line)
        wrong = [name for name, value in written.items() if told.get(name, line) != value]
    except (ValueError, AttributeError):
        wrong = ["line"]
    if wrong:
        raise changed(f"its {', '.join(wrong)}", str(written["object"]))


def changed(what: str, where: str) -> Damaged:
    """That something is not what was written (RECORD020)."""
    said = f"it is not what the log says was written ({what}): the database was changed"
    mend = "nothing rests on it: `shipworthy record verify`, and restore a backup"
    return Damaged(Fault(code="RECORD020", what=said, where=where[:200], mend=mend))


def size(connection: Connection) -> int:
    """How many lines the log has; also the number of its next one."""
    newest = connection.execute(sa.select(sa.func.max(audit.c.seq))).scalar()
    return 0 if newest is None else int(newest) + 1


def append(connection: Connection, *, at: datetime, actor: str, changes: list[Change]) -> None:
    """Append one line for each change. The caller holds the writer's lock, so that the chain cannot fork."""
    newest = connection.execute(sa.select(audit.c.seq, LINE).order_by(audit.c.seq.desc()).limit(1)).first()
    seq, previous = (0, None) if newest is None else (newest.seq + 1, chain.entry_hash(newest.line))
    rows = []
    for change in changes:
        line = chain.entry(
            seq=seq, previous=previous, at=at, actor=actor, action=change.action, object=change.object,
            before=change.before, after=change.after, details=change.details,
        )  # fmt: skip
        told = {"object": change.object, "action": change.action, "salt": change.salt}
        rows.append({"seq": seq, "line": line, **told})
        seq, previous = seq + 1, chain.entry_hash(line)
    connection.execute(sa.insert(audit), rows)


def lines(connection: Connection, start: int, end: int) -> Iterator[bytes]:
    """The lines start, ..., end - 1, as they were written, without their newlines."""
    size = _FIRST
    while start < end:
        chosen = (
            sa.select(audit.c.seq, LINE)
            .where(audit.c.seq >= start, audit.c.seq < end)
            .order_by(audit.c.seq)
            .limit(size)
        )
        rows = connection.execute(chosen).all()
        yield from (bytes(row.line) for row in rows)
        if len(rows) < size:
            return
        start, size = rows[-1].seq + 1, _BATCH


def tree(connection: Connection) -> Tree:
    """The Merkle tree over the whole log; it goes on from the newest checkpoint, and costs what came since."""
    newest = connection.execute(
        sa.select(checkpoints.c.size, TREE).order_by(checkpoints.c.size.desc()).limit(1)
    ).first()
    grown = Tree() if newest is None else Tree(newest.size, _hashes(newest.tree))
    for line in lines(connection, grown.size, size(connection)):
        grown.append(leaf_hash(line))
    return grown


def keep_checkpoint(connection: Connection, grown: Tree, note: bytes, at: str) -> None:
    """Keep a signed checkpoint with the tree's state; one for each size, the newest.

    Raises Unusable (CHKP001 no checkpoint, RECORD018 of another log or size).
    """
    found = signed.read(note, where="checkpoint")
    if (found.size, found.root) != (grown.size, grown.root()):
        what = "the signed checkpoint is not of this log at this size"
        raise Unusable(Fault(code="RECORD018", what=what, where="checkpoint", mend="sign the tree that is handed over"))
    connection.execute(sa.delete(checkpoints).where(checkpoints.c.size == grown.size))
    connection.execute(sa.insert(checkpoints).values(size=grown.size, note=note, tree=b"".join(grown.peaks), at=at))


def notes(connection: Connection) -> tuple[bytes, ...]:
    """The signed checkpoints, the oldest first."""
    chosen = connection.execute(sa.select(NOTE).order_by(checkpoints.c.size))
    return tuple(bytes(note) for note in chosen.scalars())


def _hashes(state: bytes) -> list[bytes]:
    return [state[start : start + 32] for start in range(0, len(state), 32)]
