"""What was made of a run and left the house: packages that were handed out, and attempts to reproduce it.

The record knows each by what it holds (`artifacts`), with who and when, under the name that the log gives to what it is
about: `run/<digest>` or `decision/<id>`. The files lie where they were written; one that has gone, or is no longer what
was recorded, tells nothing any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipworthy.api.acting import everyone, shown
from shipworthy.api.recording import actor_of, open_record, run_place
from shipworthy.api.runs import MOST
from shipworthy.digest import Json
from shipworthy.errors import Unusable
from shipworthy.evidence import package as layout
from shipworthy.evidence.container import opened
from shipworthy.evidence.documents.machine import to_json
from shipworthy.evidence.files import write_atomically
from shipworthy.integrity.reading import read_bytes, read_json
from shipworthy.record.artifacts import Artifact

if TYPE_CHECKING:
    from shipworthy.record.artifacts import KeptArtifact
    from shipworthy.record.store import Record

PACKAGE, REPRODUCTION = "package", "reproduction"  # roles of artifacts
SCHEMA = "shipworthy/reproduction@1"
_MOST_TEXT = 1 << 20  # bytes of a file that is read back


@dataclass(frozen=True, kw_only=True, slots=True)
class Handed:
    """A package that was handed out."""

    root: str  # sha256:...
    about: str  # run/<digest> or decision/<id>
    place: str  # from the record's folder, or from where the command ran
    at: datetime  # UTC
    by: str  # name of who packed it

    def as_json(self) -> dict[str, str]:
        """For machines."""
        return {"root": self.root, "about": self.about, "place": self.place, "at": self.at.isoformat(), "by": self.by}


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """A package that is still what was recorded."""

    told: Mapping[str, Any]  # what it says of itself, in its `package.json`
    paths: frozenset[str]  # of its files


def keep_package(
    place: str | Path, path: Path, *, root: str, about: str, actor: str | None, now: datetime
) -> tuple[Artifact, ...]:
    """Make a package known to the record of a place; nothing where it is known already.

    root: the package's digest. about: run/<digest> or decision/<id>. Raises Unusable (RECORD001 to 008, 017).
    """
    made = Artifact(
        digest=root, size=_size(path), role=PACKAGE, name=about, place=run_place(path.resolve(), _resolved(place)),
        media_type="application/zip" if path.is_file() else "application/octet-stream",
    )  # fmt: skip
    with open_record(place, create=False) as record:
        return record.add_artifacts(actor_of(record, actor), now, made)


def packages(record: Record, run: str, decision: str | None) -> list[Handed]:
    """The packages that were made of a run, by its digest, or of the decision on it, by its id; the newest first."""
    people, names = everyone(record), [f"run/{run}", *([] if decision is None else [f"decision/{decision}"])]
    found = [one for name in names for one in record.artifacts(role=PACKAGE, name=name)]
    return [
        Handed(
            root=one.artifact.digest,
            about=one.artifact.name,
            place=one.artifact.place,
            at=one.at,
            by=shown(people, one.actor),
        )
        for one in sorted(found, key=lambda one: one.at, reverse=True)
    ]


def keep_reproduction(
    place: str | Path, told: Mapping[str, Json], *, about: str, actor: str | None, now: datetime
) -> Path:
    """Write what an attempt to reproduce a run came to beside the record, and make the file known to it.

    told: `Reproduction.as_json()`, or what kept it from being run. Raises Unusable (RECORD001 to 008, 017), OSError.
    """
    at = now.astimezone(UTC)
    data = to_json({"schema": SCHEMA, "about": about, "at": at.isoformat(), **told}).encode()
    digest = hashlib.sha256(data).hexdigest()
    folder = (Path() if "://" in str(place) else Path(place).parent) / "reproductions"
    with open_record(place, create=False) as record:
        who = actor_of(record, actor)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{at:%Y%m%dT%H%M%SZ}-{digest[:8]}.json"
        write_atomically(path, data)
        made = Artifact(
            digest=f"sha256:{digest}", size=len(data), role=REPRODUCTION, name=about,
            place=run_place(path.resolve(), _resolved(place)), media_type="application/json",
        )  # fmt: skip
        record.add_artifacts(who, now, made)
    return path


def completeness_of(one: KeptArtifact, base: Path) -> tuple[int, int] | None:
    """Weight filled in and weight applicable of a recorded package's documents; None where it cannot be read any more,
    or is no longer the package that was recorded. base: the folder that places start from."""
    try:
        found = package_of(one, base)
        told = found.told["completeness"] if found is not None else {}
        return _weight(told["weight_filled"]), _weight(told["weight_applicable"])
    except (ValueError, LookupError, TypeError):
        return None


def package_of(one: KeptArtifact, base: Path) -> Whole | None:
    """What a recorded package says of itself; None where it cannot be read any more, or is no longer the package that
    was recorded. base: the folder that places start from."""
    try:
        with opened(base / one.artifact.place) as package:
            listed, said = layout.read_manifest(package.read(layout.MANIFEST, most=layout.MOST_MANIFEST))
            data = package.read(layout.PACKAGE, most=_MOST_TEXT)
        item = listed.get(layout.PACKAGE)
        is_it = said.get("root") == layout.root(listed.values()) == one.artifact.digest
        if not is_it or item is None or item.sha256 != hashlib.sha256(data).hexdigest():
            return None
        told = read_json(data)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Whole(told=told, paths=frozenset(listed)) if isinstance(told, dict) else None


def outcome_of(one: KeptArtifact, base: Path) -> bool | None:
    """Whether a recorded attempt reproduced its run; None where its file cannot be read any more."""
    try:
        data = read_bytes(base / one.artifact.place, most=_MOST_TEXT)
        found = read_json(data)
    except (OSError, ValueError):
        return None
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != one.artifact.digest or not isinstance(found, dict):
        return None
    return found.get("reproduced") is True


def all_of(record: Record, role: str) -> list[KeptArtifact]:
    """Every recorded file of a role, the newest first."""
    return record.artifacts(role=role, limit=MOST)


def failed(error: Unusable) -> dict[str, Json]:
    """What is told of an attempt that could not be run: it counts as one that failed."""
    return {"reproduced": False, "could_not_run": [f"{one.code}: {one.what}"[:400] for one in error.faults[:20]]}


def _weight(found: Any) -> int:
    if type(found) is not int or not 0 <= found < 1 << 31:
        raise ValueError("no weight")
    return found


def _resolved(place: str | Path) -> str | Path:
    return place if "://" in str(place) else Path(place).resolve()


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
