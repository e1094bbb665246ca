"""The manifest: every file of a folder with its size, digest and role; and the check that nothing has changed since."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from shipworthy.errors import Fault
from shipworthy.evidence.files import write_atomically
from shipworthy.integrity.reading import Newer, following

NAME = "manifest.json"
SCHEMA = "shipworthy/manifest@1"

_ROLES = {
    "plan.yaml": "plan",
    "plan.lock.json": "plan lock",
    "environment.json": "environment",
    "results.json": "results",
    "estimates.parquet": "estimates",
    "report.html": "report",
    "model_card.md": "model card",
    "datasheet.md": "datasheet",
    "memo.md": "memo",
    "summary.md": "summary",
    "junit.xml": "export",
    "report.sarif": "export",
}
_FOLDERS = {
    "observations": "observations",
    "journal": "journal",
    "plan": "plan",
    "docs": "document",
    "audit": "audit log",
}
_TYPES = {
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".sarif": "application/sarif+json",
    ".yaml": "application/yaml",
    ".jsonl": "application/jsonl",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One file of the folder."""

    path: str  # relative to the folder, with forward slashes
    size: int  # bytes
    sha256: str  # hexadecimal
    role: str
    media_type: str


def role(path: str) -> str:
    """What a file of a run folder is for."""
    head = PurePosixPath(path).parts[0]
    return _ROLES.get(path) or _FOLDERS.get(head, "other")


def entries(folder: Path) -> list[Entry]:
    """Every file of a folder but its manifest, by path. Raises ValueError at a symbolic link: what it points to is
    not in the folder."""
    found = []
    for path in _files(folder):
        full = folder / path
        if full.is_symlink():
            raise ValueError(f"{path} is a symbolic link: evidence holds only files of its own")
        found.append(
            Entry(
                path=path, size=full.stat().st_size, sha256=_digest(full), role=role(path), media_type=_media_type(path)
            )
        )
    return found


def write_manifest(folder: Path, *, run: str) -> str:
    """Write `manifest.json` for everything that lies in `folder`, and return the manifest's own SHA-256
    (hexadecimal)."""
    files = [
        {"path": e.path, "size": e.size, "sha256": e.sha256, "role": e.role, "media_type": e.media_type}
        for e in entries(folder)
    ]
    text = (
        json.dumps({"schema": SCHEMA, "run": run, "files": files}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    )
    data = text.encode("utf-8", "replace")
    write_atomically(folder / NAME, data)
    return hashlib.sha256(data).hexdigest()


def verify_manifest(folder: Path, *, sha256: str | None = None) -> list[Fault]:
    """Compare a folder with its manifest; an empty list says that every file is there, unchanged, and no other.

    sha256: the manifest's own digest, where it was kept elsewhere; without it someone who can change files can
    change the manifest too.
    """
    path = folder / NAME
    if path.is_symlink() or not path.is_file():
        mend = "name a run's folder, or run the check again"
        return [Fault(code="EVID001", what="there is no manifest", where=NAME, mend=mend)]
    data = path.read_bytes()
    faults = []
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256.removeprefix("sha256:"):
        what = "the manifest is not the one whose digest was kept"
        faults.append(Fault(code="EVID002", what=what, where=NAME, mend="get the folder again"))
    try:
        listed = _read(data)
    except ValueError as problem:
        what = f"the manifest cannot be read: {problem}"
        mend = "install a newer Shipworthy" if isinstance(problem, Newer) else "get the folder again"
        return [*faults, Fault(code="EVID003", what=what, where=NAME, mend=mend)]
    present = set(_files(folder))
    for name, (size, digest) in listed.items():
        fault = (
            _compare(folder, name, size, digest)
            if name in present
            else ("EVID004", "a file of the manifest is not here")
        )
        if fault:
            faults.append(
                Fault(code=fault[0], what=fault[1], where=name, mend="get the folder again, or repeat the run")
            )
    faults += [
        Fault(
            code="EVID006",
            what="a file is not listed in the manifest",
            where=name,
            mend="keep it elsewhere: a run's folder holds only what the check wrote",
        )
        for name in sorted(present - set(listed))
    ]
    return faults


def _compare(folder: Path, name: str, size: int, digest: str) -> tuple[str, str] | None:
    full = folder / name
    if full.is_symlink():
        return "EVID005", "a file was replaced by a symbolic link"
    if not full.is_file():
        return "EVID005", "a file was replaced by something that is none"
    if full.stat().st_size != size:
        return "EVID005", f"a file has changed: {full.stat().st_size:,} bytes instead of {size:,}"
    try:
        return None if _digest(full) == digest else ("EVID005", "a file has changed: its digest differs")
    except OSError as error:
        return "EVID005", f"a file cannot be read: {error.strerror}"


def _read(data: bytes) -> dict[str, tuple[int, str]]:
    try:
        record: Any = json.loads(data, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(following(record, SCHEMA).get("files"), list):
        raise ValueError("it has no list of files")
    listed: dict[str, tuple[int, str]] = {}
    for item in record["files"]:
        name, size, digest = (
            (item.get(k) for k in ("path", "size", "sha256")) if isinstance(item, dict) else (None,) * 3
        )
        if not isinstance(name, str) or type(size) is not int or not isinstance(digest, str):
            raise ValueError("an entry lacks its path, size or sha256")
        parts = PurePosixPath(name)
        if (
            not parts.parts
            or parts.is_absolute()
            or ".." in parts.parts
            or "\\" in name
            or "\0" in name
            or parts.as_posix() != name
            or ":" in parts.parts[0]
        ):
            raise ValueError(f"the path {name[:200]!r} leads out of the folder")
        if name in listed:
            raise ValueError(f"the path {name[:200]!r} is listed twice")
        listed[name] = (size, digest)
    return listed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once: readers differ on which of two they take."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return record


def _files(folder: Path) -> Iterator[str]:
    """Every file and symbolic link under a folder, as relative paths in order; links are not followed."""
    found = []
    for where, folders, files in os.walk(folder, followlinks=False):
        linked = [name for name in folders if (Path(where) / name).is_symlink()]
        found += [(Path(where) / name).relative_to(folder).as_posix() for name in (*files, *linked)]
    return iter(sorted(name for name in found if name != NAME))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _media_type(path: str) -> str:
    suffix = PurePosixPath(path).suffix
    return _TYPES.get(suffix) or mimetypes.guess_type(path, strict=True)[0] or "application/octet-stream"
