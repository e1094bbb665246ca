"""The folder of a recorded run, read only as far as its bytes are those that the record and the manifest name."""

from __future__ import annotations

import hashlib
import os
import stat
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from shipworthy.api.pages import Library, find, report_of
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.manifest import NAME as MANIFEST
from shipworthy.integrity.reading import read_bytes, read_json
from shipworthy.present.safe import shorten

if TYPE_CHECKING:
    from shipworthy.plan.models import Plan
    from shipworthy.record.runs import KeptRun

_MOST_MANIFEST = 32 << 20
_PLAN = ("results.json", "plan.json", "plan.yaml", "environment.json")


def plan_of(library: Library, digest: str) -> tuple[KeptRun, Path, Plan]:
    """A recorded run, its folder and its plan. Raises Unusable: WEB001 no such run, WEB007 what cannot be read."""
    from shipworthy.evidence.store import read_plan

    kept = find(library.record, digest)
    folder, why = report_of(library, kept)
    if folder is None:
        raise unreadable(why, digest)
    _check(folder, kept.facts.digest, *(folder / name for name in _PLAN))
    return kept, folder, read_plan(folder).plan


def rows_of(folder: Path, digest: str, evaluation: str) -> Path:
    """The file of an evaluation's rows. digest: of the run. Raises Unusable (WEB007) where there is none, unchanged."""
    from shipworthy.evidence.store import rows_path

    path = rows_path(folder, evaluation)
    _check(folder, digest, path)
    return path


def unreadable(why: str, digest: str) -> Unusable:
    """The error of a page about rows that cannot be read."""
    mend = "look at what the record holds of it, or put its folder back where it lay"
    what = f"the rows of this run are not shown: {why}"
    return Unusable(Fault(code="WEB007", what=what, where=shorten(digest, 100), mend=mend))


def _check(folder: Path, digest: str, *paths: Path) -> None:
    """Raise Unusable (WEB007) unless each file is as the recorded manifest lists it."""
    try:
        data = read_bytes(folder / MANIFEST, most=_MOST_MANIFEST)
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise ValueError("its manifest was changed")
        listed = {one["path"]: one["sha256"] for one in read_json(data, most=_MOST_MANIFEST)["files"]}
        for path in paths:
            name = path.relative_to(folder).as_posix()
            if name not in listed:
                raise ValueError(f"it kept no {name}")
            if path.resolve() != path:
                raise ValueError(f"its {name} leads elsewhere")
            if _sum_of(path) != listed[name]:
                raise ValueError(f"its {name} was changed after it was written")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise unreadable(shorten((isinstance(error, OSError) and error.strerror) or error, 160), digest) from error


def _sum_of(path: Path) -> str:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a regular file")
    return _summed(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@lru_cache(maxsize=256)
def _summed(path: Path, *state: int) -> str:  # noqa: ARG001
    """SHA-256 of a file, added up again once anything about it is no longer what it was."""
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
