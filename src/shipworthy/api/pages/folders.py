"""Folders of runs: read only inside the project's folder, and only where their bytes are the recorded ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from shipworthy.api.pages.library import Library, find
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.manifest import NAME as MANIFEST
from shipworthy.integrity.reading import read_bytes, read_json
from shipworthy.plan.models import Requirement
from shipworthy.present.safe import shorten

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun

_MOST_MANIFEST = 32 << 20
_MOST_REPORT = 64 << 20
_REQUIREMENTS = TypeAdapter(list[Requirement])


def promises(library: Library, kept: KeptRun) -> Mapping[str, Requirement]:
    """What a run's plan requires, by id; nothing where its folder is not at hand."""
    folder, _ = _folder(library, kept)
    if folder is None:
        return {}
    try:
        resolved = read_json(_listed(folder, kept.facts.digest, "plan.json"))
        return {one.id: one for one in _REQUIREMENTS.validate_json(json.dumps(resolved["requirements"]))}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def asks(library: Library, kept: KeptRun) -> bool:
    """Whether a run asked for answers, or read recorded ones; True where its plan is not at hand to tell."""
    folder, _ = _folder(library, kept)
    if folder is None:
        return True
    try:
        evaluations = read_json(_listed(folder, kept.facts.digest, "plan.json"))["evaluations"]
        return any(one.get("data") is None for one in evaluations.values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return True


def report_of(library: Library, kept: KeptRun) -> tuple[Path | None, str]:
    """The folder that holds a run's report, unchanged; else None and why not."""
    folder, why = _folder(library, kept)
    if folder is None:
        return None, why
    try:
        _listed(folder, kept.facts.digest, "report.html")
    except (OSError, ValueError) as error:
        return None, _said(error)
    return folder, ""


def report_bytes(library: Library, digest: str) -> bytes:
    """The report of a run, byte for byte as its manifest says. Raises Unusable (WEB001, WEB007)."""
    kept = find(library.record, digest)
    folder, why = report_of(library, kept)
    if folder is not None:
        try:
            return _listed(folder, kept.facts.digest, "report.html")
        except (OSError, ValueError) as error:
            why = _said(error)
    mend = "look at what the record holds of it, or put its folder back where it lay"
    raise Unusable(Fault(code="WEB007", what=f"the report cannot be shown: {why}", where=digest, mend=mend))


def is_outside(library: Library, kept: KeptRun) -> bool:
    """Whether a run's folder lies where it is not read."""
    place = kept.facts.place
    return "://" in place or not (library.start / place).resolve().is_relative_to(library.root)


def _folder(library: Library, kept: KeptRun) -> tuple[Path | None, str]:
    """A run's folder, whose manifest is the recorded one; else None and why not."""
    if not kept.facts.place:
        return None, "the record does not say where its folder lies"
    if is_outside(library, kept):
        return None, "its folder lies outside of the project's, and is not read from here"
    folder = (library.start / kept.facts.place).resolve()
    if not folder.is_dir():
        return None, "its folder is not where it lay"
    try:
        data = read_bytes(folder / MANIFEST, most=_MOST_MANIFEST)
    except (OSError, ValueError) as error:
        return None, f"its manifest cannot be read: {_said(error)}"
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != kept.facts.digest:
        return None, "another run lies in its folder, or its manifest was changed"
    return folder, ""


def _listed(folder: Path, digest: str, name: str) -> bytes:
    """A file of a run, as the recorded manifest lists it. Raises OSError, ValueError."""
    data = read_bytes(folder / MANIFEST, most=_MOST_MANIFEST)
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise ValueError("its manifest was changed")
    listed = {one["path"]: one["sha256"] for one in read_json(data)["files"]}
    if name not in listed:
        raise ValueError(f"the run has no {name}")
    content = read_bytes(folder / name, most=_MOST_REPORT)
    if hashlib.sha256(content).hexdigest() != listed[name]:
        raise ValueError(f"its {name} was changed after it was written")
    return content


def inside(library: Library, folder: Path) -> str:
    """A folder as seen from the project's."""
    return folder.relative_to(library.root).as_posix()


def _said(error: Exception) -> str:
    return shorten((isinstance(error, OSError) and error.strerror) or error, 160)
