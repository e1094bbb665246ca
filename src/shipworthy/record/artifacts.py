"""Files that evidence rests on, known by what they hold; the record keeps where they lie, not the files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.errors import Fault, Unusable
from shipworthy.record.moments import moment
from shipworthy.record.reading import unkeepable
from shipworthy.record.schema import artifacts

LONGEST = 2_000  # characters of a text


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One file: a package, a model, a data set, a document."""

    digest: str  # sha256:<64 hex digits>
    size: int  # bytes
    role: str  # such as package, model, data, document
    name: str
    place: str = ""  # path relative to the record, or a URL
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptArtifact:
    """A file that the record knows, since when and by whom."""

    artifact: Artifact
    at: datetime  # UTC
    actor: str


def read_artifacts(found: Iterable[Artifact]) -> dict[str, dict[str, Any]]:
    """Artifacts as JSON objects, by digest. Raises Unusable (RECORD011, RECORD018)."""
    rows, faults = dict[str, dict[str, Any]](), list[Fault]()
    for artifact in found:
        row = asdict(artifact)
        where = f"artifact {artifact.name[:80]!r}" if isinstance(artifact.name, str) else "artifact"
        faults += unkeepable(row, where)
        if not re.fullmatch("sha256:[0-9a-f]{64}", artifact.digest) or artifact.size < 0:
            what = "an artifact has a digest, as sha256:<64 hex digits>, and a size of no less than 0"
            faults.append(Fault(code="RECORD018", what=what, where=where, mend="hash the file"))
        if any(isinstance(value, str) and len(value) > LONGEST for value in row.values()):
            what = f"a text of an artifact has more than {LONGEST:,} characters"
            faults.append(Fault(code="RECORD018", what=what, where=where, mend="shorten it"))
        rows.setdefault(artifact.digest, row)
    if faults:
        raise Unusable(faults)
    return rows


def insert_artifact(connection: Connection, row: dict[str, Any], *, at: str, actor: str, seq: int) -> None:
    """Insert one artifact that is not known yet."""
    connection.execute(sa.insert(artifacts).values(**row, at=at, actor=actor, seq=seq))


def find_artifact(connection: Connection, digest: str) -> Artifact | None:
    """The artifact that has this digest."""
    columns = [artifacts.c[name] for name in Artifact.__dataclass_fields__]
    row = connection.execute(sa.select(*columns).where(artifacts.c.digest == digest)).first()
    return None if row is None else Artifact(**row._mapping)


def find_artifacts(connection: Connection, where: Sequence[sa.ColumnElement[bool]], limit: int) -> list[KeptArtifact]:
    """Artifacts that meet every condition, the newest first."""
    columns = [artifacts.c[name] for name in Artifact.__dataclass_fields__]
    chosen = sa.select(*columns, artifacts.c.at, artifacts.c.actor).where(*where)
    rows = connection.execute(chosen.order_by(artifacts.c.seq.desc()).limit(limit))
    return [
        KeptArtifact(
            artifact=Artifact(**{name: getattr(row, name) for name in Artifact.__dataclass_fields__}),
            at=moment(row.at),
            actor=row.actor,
        )
        for row in rows
    ]
