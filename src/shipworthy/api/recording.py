"""The record as the verbs use it: where it lies, who acts, what of a run goes into it, and which waivers come out."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipworthy.digest import digest
from shipworthy.errors import Fault, ShipworthyError, Unusable
from shipworthy.evidence.manifest import NAME as MANIFEST
from shipworthy.gates.verdicts import decided
from shipworthy.gates.waivers import Waiver
from shipworthy.integrity.persons import Person, person
from shipworthy.plan.models import Plan
from shipworthy.plan.packs import OURS
from shipworthy.version import __version__

if TYPE_CHECKING:
    from shipworthy.plan.loading import LoadedPlan
    from shipworthy.record import documents
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Record

TOOL = f"tool:shipworthy/{__version__}"  # who acts when nobody says who does
MOST = 10_000  # waivers of one system
PLAN_MOST = 200_000  # characters of a plan, and of its packs, that the record keeps
PLACE = Path(".shipworthy") / "record.db"  # of the record, from the folder of its plans


def place_of(folder: Path, stated: str | Path | None = None) -> str | Path:
    """Where the record lies: as stated, as `SHIPWORTHY_RECORD` says, or `.shipworthy/record.db` in a plan's folder."""
    return stated or os.environ.get("SHIPWORTHY_RECORD") or folder / PLACE


def open_record(place: str | Path, *, create: bool = True) -> Record:
    """Open the record; make it where there is none, unless `create` is False. Raises Unusable (RECORD001 to 008)."""
    from shipworthy.record.store import Record

    return Record.open(place, create=create)


def open_or_begin(place: str | Path, say: Callable[[str], None]) -> Record:
    """Open the record; where there is none at the usual place, begin one, and say so.

    One that somebody named is not made: it may be mistyped. Raises Unusable (RECORD001 to 008).
    """
    try:
        return open_record(place, create=False)
    except Unusable as error:
        if error.faults[0].code != "RECORD001" or Path(place) != PLACE:
            raise
    begun = open_record(place)
    say(f"There was no record here: a new one was begun, {place}.")
    return begun


def actor_of(record: Record, stated: str | None = None) -> str:
    """The commitment of who acts: "Ada <ada@example.org>", as stated or as `SHIPWORTHY_ACTOR` says; else this tool."""
    acting = _said(stated)
    return TOOL if acting is None else record.person(acting.email, acting.name)


def _said(stated: str | None) -> Person | None:
    """Who acts; None where nobody says. Raises Unusable (KEYS001)."""
    said = stated or os.environ.get("SHIPWORTHY_ACTOR") or ""
    return person(said) if said else None


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
    new = _unknown(record, plan, facts.plan_digest, facts.locked, lambda: _body_of(folder, facts.plan_digest))
    if new:
        record.write(actor, now, *new, action="register")
    estimates = pq.read_table(folder / "estimates.parquet")
    return record.add_run(actor, now, facts, _keepable(results["verdicts"]), estimates, _keepable(results["inputs"]))


def keep_lock(place: str | Path, loaded: LoadedPlan, *, locked: datetime, actor: str, now: datetime) -> None:
    """Record who locked a plan, and what it said, before anything is checked. actor: "Ada <ada@example.org>".

    Raises Unusable (RECORD001 to 008, 017).
    """
    from shipworthy.record import documents

    if isinstance(place, Path):
        place.parent.mkdir(parents=True, exist_ok=True)
    plan, digest_ = loaded.plan, loaded.digest
    packs = {site.source.file: site.source.text for site in loaded.sites if site.source is not loaded.file}
    body = _plan_body(loaded.source, plan.model_dump_json(indent=2), _named(packs, loaded.path.parent))
    with open_record(place) as record:
        new = _unknown(record, plan, digest_, locked, lambda: body)
        known = record.get("plan", digest_)
        promised = known.document if known is not None else None
        if isinstance(promised, documents.Plan) and promised.locked is None and not new:
            new = [promised.model_copy(update={"locked": locked})]
        if new:
            record.write(actor_of(record, actor), now, *new, action="lock")


def _unknown(
    record: Record, plan: Plan, digest_: str, locked: datetime | None, body: Callable[[], dict[str, Any]]
) -> list[documents.Document]:
    """Documents of a plan's system, its version and the plan itself, where the record has them not, or without text."""
    from shipworthy.record import documents

    system, new = plan.system, list[documents.Document]()
    if record.get("system", system.name) is None:
        new.append(
            documents.System(
                id=system.name,
                purpose=system.purpose,
                tier=system.tier,
                tier_reason="as its plan states",
                owner=system.owner,
            )
        )
    if record.get("version", version := version_id(system.name, system.version)) is None:
        new.append(documents.Version(id=version, system=system.name, version=system.version))
    known = record.get("plan", digest_)
    promised = known.document if known is not None and isinstance(known.document, documents.Plan) else None
    if promised is None or (not promised.body and body()):
        new.append(
            documents.Plan(
                id=digest_,
                system=system.name,
                digest=digest_,
                locked=promised.locked if promised is not None else locked,
                requirements=tuple(requirement.id for requirement in plan.requirements),
                body=body(),
            )
        )
    return new


def _plan_body(text: str, resolved: str, packs: Mapping[str, str]) -> dict[str, Any]:
    """What the record keeps of a plan: its file, what it says with its packs resolved, and the packs' files; each part
    of more than PLAN_MOST characters is left out."""
    texts = {"plan.yaml": _keepable(text), "plan.json": _keepable(resolved)}
    if sum(map(len, texts.values())) > PLAN_MOST:
        return {}
    kept = {name: _keepable(pack) for name, pack in packs.items()}
    return {**texts, "packs": kept} if sum(map(len, kept.values())) <= PLAN_MOST else texts


def _body_of(folder: Path, digest_: str) -> dict[str, Any]:
    """The plan of a run's folder; with its packs where the plan still is what the run followed."""
    from shipworthy.evidence.store import plan_folder
    from shipworthy.plan.loading import load_plan

    text, resolved = ((folder / name).read_text("utf-8", "replace") for name in ("plan.yaml", "plan.json"))
    packs: dict[str, str] = {}
    try:
        said = json.loads((folder / "environment.json").read_bytes())["plan"]
        loaded = load_plan(plan_folder(folder) / Path(str(said)).name)
    except (ShipworthyError, OSError, ValueError, LookupError, TypeError):
        return _plan_body(text, resolved, packs)
    if loaded.digest == digest_:
        packs = {site.source.file: site.source.text for site in loaded.sites if site.source is not loaded.file}
    return _plan_body(text, resolved, _named(packs, loaded.path.parent))


def _named(packs: Mapping[str, str], start: Path) -> dict[str, str]:
    """Packs by their paths from the plan's folder; those that come with Shipworthy by their names."""
    return {
        name if name.startswith(OURS) else Path(os.path.relpath(name, start)).as_posix(): text
        for name, text in packs.items()
    }


def kept_plan(record: Record, digest_: str) -> Plan | None:
    """The plan of this digest as the record keeps it, packs resolved; None where it keeps none that can be believed."""
    from shipworthy.plan.loading import plan_digest
    from shipworthy.record import documents

    kept = record.get("plan", digest_)
    text = kept.document.body.get("plan.json") if kept and isinstance(kept.document, documents.Plan) else None
    if not isinstance(text, str):
        return None
    try:
        plan = Plan.model_validate_json(text)
    except ValueError:
        return None
    return plan if plan_digest(plan) == digest_ else None


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
