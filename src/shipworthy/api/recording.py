"""The record as the verbs use it: where it lies, who acts, what of a run goes into it, and which waivers come out."""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipworthy.digest import digest
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.manifest import NAME as MANIFEST
from shipworthy.gates.verdicts import decided
from shipworthy.gates.waivers import Waiver
from shipworthy.plan.models import Plan
from shipworthy.version import __version__

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Record

TOOL = f"tool:shipworthy/{__version__}"  # who acts when nobody says who does
MOST = 10_000  # waivers of one system
_PERSON = re.compile(r"\s*([^<>]*?)\s*<\s*([^<>\s]+)\s*>\s*")


def place_of(folder: Path, stated: str | Path | None = None) -> str | Path:
    """Where the record lies: as stated, as `SHIPWORTHY_RECORD` says, or `.shipworthy/record.db` in a plan's folder."""
    return stated or os.environ.get("SHIPWORTHY_RECORD") or folder / ".shipworthy" / "record.db"


def open_record(place: str | Path, *, create: bool = True) -> Record:
    """Open the record; make it where there is none, unless `create` is False. Raises Unusable (RECORD001 to 008)."""
    from shipworthy.record.store import Record

    return Record.open(place, create=create)


def actor_of(record: Record, stated: str | None = None) -> str:
    """The commitment of who acts: "Ada <ada@example.org>", as stated or as `SHIPWORTHY_ACTOR` says; else this tool."""
    person = _said(stated)
    return TOOL if person is None else record.person(*person)


def _said(stated: str | None) -> tuple[str, str] | None:
    """Address and name of who acts; None where nobody says."""
    said = stated or os.environ.get("SHIPWORTHY_ACTOR") or ""
    if not said:
        return None
    if (parts := _PERSON.fullmatch(said)) is None:
        what = f"{said[:80]!r} does not say who acts"
        mend = 'write name and address, as in "Ada Lovelace <ada@example.org>"'
        raise Unusable(Fault(code="RECORD017", what=what, where="--as, or SHIPWORTHY_ACTOR", mend=mend))
    return parts[2], parts[1]


def waivers_of(record: Record, system: str) -> list[Waiver]:
    """The approved waivers of a system; the gate looks whether each is in force, and what it covers.

    One that fewer have approved than the tier of today asks for gives no leave: the system's tier was raised since.
    """
    from shipworthy.record import documents

    found = []
    least = approvers_today(record, system)
    for kept in record.find("waiver", system=system, status="approved", limit=MOST):
        one = kept.document
        if isinstance(one, documents.Waiver) and len(one.approvers) >= least:
            found.append(
                Waiver(
                    id=one.id,
                    requirement=one.requirement,
                    starts=one.starts,
                    ends=one.ends,
                    reason=one.reason,
                    control=one.control,
                    version=one.scope.version,
                    evaluation=one.scope.evaluation,
                    slice=one.scope.slice,
                    terms=one.scope.requirement_digest,
                )
            )
    return found


def approvers_today(record: Record, system: str) -> int:
    """How many must approve a waiver of a system, at the tier that the record knows now."""
    from shipworthy.record import documents

    kept = record.get("system", system)
    known = kept.document if kept is not None else None
    return documents.approvers_at(known.tier) if isinstance(known, documents.System) else 1


def known_waivers(place: str | Path, system: str, *, actor: str | None = None) -> list[Waiver]:
    """The approved waivers of a system in the record of a place; none where there is no record yet.

    actor: who will write to it, looked at now: a check that takes hours does not fail at its end for a name.
    """
    _said(actor)
    if _is_absent(place):
        return []
    with open_record(place) as record:
        return waivers_of(record, system)


def keep_run(place: str | Path, folder: Path, plan: Plan, *, actor: str | None, now: datetime) -> KeptRun:
    """Record a run in the record of a place, which is made where there is none; `record_run` says what it raises."""
    if isinstance(place, Path):
        place.parent.mkdir(parents=True, exist_ok=True)
    with open_record(place) as record:
        where = run_place(folder, place)
        return record_run(record, folder, plan, actor=actor_of(record, actor), now=now, place=where)


def _is_absent(place: str | Path) -> bool:
    return "://" not in str(place) and not Path(place).exists()


def run_place(folder: Path, place: str | Path) -> str:
    """A run's folder as seen from the record's; under a database's URL, from where the command runs."""
    base = Path() if "://" in str(place) else Path(place).parent
    return Path(os.path.relpath(folder, base)).as_posix()


def record_run(record: Record, folder: Path, plan: Plan, *, actor: str, now: datetime, place: str = "") -> KeptRun:
    """Record a run from its folder, once, and make its system, version and plan known where they are not.

    place: where the folder lies, relative to the record. Raises Unusable (RECORD004 to 008, 011, 017, 018).
    """
    import pyarrow.parquet as pq

    from shipworthy.record import documents
    from shipworthy.record.runs import RunFacts

    results: dict[str, Any] = json.loads((folder / "results.json").read_bytes())
    if results["decision"] != (given := decided(results)):
        what = f"it says {str(results['decision'])[:40]!r}, and its verdicts and waivers give {given.value!r}"
        mend = "check again: results.json was written by another hand"
        raise Unusable(Fault(code="RECORD018", what=what, where="results.json: decision", mend=mend))
    locked = results["plan_locked_at"]
    facts = RunFacts(
        digest=run_digest(folder),
        run=results["run"],
        system=plan.system.name,
        version=plan.system.version,
        plan_digest=results["plan_digest"],
        created=datetime.fromisoformat(results["created"]),
        decision=results["decision"],
        locked=datetime.fromisoformat(locked) if locked else None,
        place=place,
    )
    new: list[documents.Document] = []
    if record.get("system", plan.system.name) is None:
        new.append(
            documents.System(
                id=plan.system.name,
                purpose=plan.system.purpose,
                tier=plan.system.tier,
                tier_reason="as its plan states",
                owner=plan.system.owner,
            )
        )
    if record.get("version", version := version_id(plan.system.name, plan.system.version)) is None:
        new.append(documents.Version(id=version, system=plan.system.name, version=plan.system.version))
    if record.get("plan", facts.plan_digest) is None:
        new.append(
            documents.Plan(
                id=facts.plan_digest,
                system=plan.system.name,
                digest=facts.plan_digest,
                locked=facts.locked,
                requirements=tuple(requirement.id for requirement in plan.requirements),
            )
        )
    if new:
        record.write(actor, now, *new, action="register")
    estimates = pq.read_table(folder / "estimates.parquet")
    return record.add_run(actor, now, facts, _keepable(results["verdicts"]), estimates, _keepable(results["inputs"]))


def _keepable(value: Any) -> Any:
    """A value of results.json as every database keeps it: integers beyond 2**53 - 1 as text, and no NUL in texts."""
    if isinstance(value, dict):
        return {_keepable(key): _keepable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_keepable(inner) for inner in value]
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
    is_exact = isinstance(value, bool | None) or not isinstance(value, int | float) or abs(value) < 2**53
    return value if is_exact else str(value)


def run_digest(folder: Path) -> str:
    """What names a run in the record: the digest of its manifest, which lists every file by its digest."""
    return f"sha256:{hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()}"


def version_id(system: str, version: str) -> str:
    """The id of a version's document."""
    whole = f"{system} {version}"
    return whole if len(whole) <= 200 else digest([system, version])
