"""The risk register in and out: CSV files, and issues as files. Nothing is sent anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from shipworthy.api.numbering import MOST, next_number
from shipworthy.api.recording import actor_of
from shipworthy.api.risks import as_far_as_accepted, checked_ids, owner_of, refuse_unfounded
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence import register
from shipworthy.evidence.files import write_atomically
from shipworthy.integrity.reading import read_bytes
from shipworthy.record.documents import Risk
from shipworthy.record.reading import read_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipworthy.record.store import Record

_NUMBER = re.compile(r"R-[1-9][0-9]{0,8}")  # that the record gives, as `next_number` counts
_PROJECT = re.compile(r"[A-Z][A-Z0-9_]{1,31}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What an import did."""

    new: tuple[str, ...]  # ids
    changed: tuple[str, ...]
    unchanged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Issues:
    """Issues that were written as files."""

    folder: Path
    written: tuple[str, ...]  # file names
    left: tuple[str, ...]  # of earlier exports, whose risk is open no longer; they are not touched


def import_csv(record: Record, path: Path, *, actor: str | None, now: datetime) -> Imported:
    """Add the risks of a CSV file and change those that it names by id, all or none.

    A row without an id is a new risk and takes the next number; one with an id of one's own that the record does not
    have is added under it. A column that is left out keeps what the risk had before.

    Raises Unusable: RISK008 with every fault and its line, RISK001 for a number that nobody gave, the codes of
    `risks.refuse_unfounded`, the CATALOGUE codes, RECORD016 where a row accepts a risk for somebody else.
    """
    try:
        data = read_bytes(path, most=register.MOST_BYTES)
    except (OSError, ValueError) as error:
        what = f"it cannot be read: {getattr(error, 'strerror', None) or error}"
        raise Unusable(Fault(code="RISK008", what=what, where=str(path), mend="name a CSV file")) from error
    by = actor_of(record, actor)
    number, based_on = next_number(record, "risk", "R"), dict[tuple[str, str], int]()
    made, ids, systems = list[Risk](), set[str](), {one.id for one in record.find("system", limit=MOST)}

    def known(id_: str) -> dict[str, Any]:
        kept = record.get("risk", id_)
        return kept.document.model_dump(mode="json") if kept is not None and kept.document is not None else {}

    for at, body in register.from_csv(data, path.name, known).items():
        kept = record.get("risk", str(body["id"])) if "id" in body else None
        if kept is None and _NUMBER.fullmatch(body.get("id", "")):
            mend = "leave its id out: a new risk takes the next number"
            raise Unusable(Fault(code="RISK001", what=f"there is no risk {body['id']!r}", where=at, mend=mend))
        if "id" not in body:
            while f"R-{number}" in ids:
                number += 1
            body["id"], number = f"R-{number}", number + 1
        if body["id"] in ids:
            what = f"the risk {body['id'][:80]!r} stands there twice"
            raise Unusable(Fault(code="RISK008", what=what, where=at, mend="keep one of the rows"))
        ids.add(body["id"])
        if body["system"] not in systems:
            what = f"there is no system {body['system'][:80]!r}"
            raise Unusable(Fault(code="GOVERN002", what=what, where=at, mend="`shipworthy system list`"))
        body["taxonomy"] = list(checked_ids(body.get("taxonomy") or (), where=at))
        if owner := body.get("owner"):
            body["owner"] = owner if owner.startswith("person:") else owner_of(record, owner)
        row, old = cast("Risk", read_document("risk", body)), kept.document if kept is not None else None
        before = old if isinstance(old, Risk) else None
        refuse_unfounded(record, before, row, where=at)
        made.append(row if before is None else as_far_as_accepted(before, row))
        based_on["risk", body["id"]] = kept.version if kept else 0
    written = record.write(by, now, *made, action="import", based_on=based_on)
    new = tuple(one.id for one in written if one.is_new and one.version == 1)
    changed = tuple(one.id for one in written if one.is_new and one.version > 1)
    return Imported(new=new, changed=changed, unchanged=len(written) - len(new) - len(changed))


def export_csv(risks: Sequence[Risk]) -> str:
    """The register as CSV."""
    return register.to_csv(risks)


def export_issues(risks: Sequence[Risk], folder: Path, *, to: str, project: str | None = None) -> Issues:
    """Write one file for each open risk: Markdown for GitHub, JSON for Jira. The same risks give the same bytes.

    to: "github" or "jira"; project: the Jira project's key. Raises Unusable (RISK009).
    """
    if to == "jira" and (project is None or not _PROJECT.fullmatch(project)):
        mend = "--project RISK, as Jira shows it before the number of an issue"
        raise Unusable(
            Fault(code="RISK009", what="an issue in Jira needs a project's key", where="--project", mend=mend)
        )
    files: Mapping[str, str] = register.to_jira(risks, str(project)) if to == "jira" else register.to_github(risks)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():
            raise NotADirectoryError(0, "it is a link")
        for name, text in files.items():
            write_atomically(folder / name, text)
        end = ".json" if to == "jira" else ".md"
        left = sorted(
            path.name
            for path in folder.iterdir()
            if register.is_ours(path.name) and path.suffix == end and path.name not in files
        )
    except OSError as error:
        what = f"the issues cannot be written: {error.strerror or error}"
        raise Unusable(Fault(code="RISK009", what=what, where=str(folder), mend="name another --out")) from error
    return Issues(folder=folder, written=tuple(files), left=tuple(left))
