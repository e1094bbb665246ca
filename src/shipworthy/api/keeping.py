"""Looking after the record: runs added, the log exported, signed and verified, everything moved, people erased."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from shipworthy.api import keys
from shipworthy.api.acting import acting, everyone, said
from shipworthy.api.recording import actor_of, open_record, record_run, run_place
from shipworthy.api.runs import MOST, current
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.files import write_atomically
from shipworthy.evidence.manifest import verify_manifest
from shipworthy.evidence.store import read_plan
from shipworthy.integrity import chain, checkpoints
from shipworthy.integrity.keys import SigningKey
from shipworthy.integrity.persons import Person
from shipworthy.record import documents, erasing

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Record
    from shipworthy.record.verifying import Verified


def add_runs(place: str | Path, folders: Iterable[Path], *, actor: str | None, now: datetime) -> list[KeptRun]:
    """Record runs that `check` wrote elsewhere, or without a record. Raises Unusable (KEEP001 for what is no run)."""
    kept = []
    with open_record(place) as record:
        who = actor_of(record, actor)
        for folder in folders:
            if faults := verify_manifest(folder):
                what = f"this is no run as `shipworthy check` wrote it: {faults[0].what}"
                mend = "name a run's folder; `shipworthy verify` tells what is wrong with it"
                raise Unusable(Fault(code="KEEP001", what=what, where=str(folder)[:200], mend=mend))
            plan = read_plan(folder).plan
            kept.append(record_run(record, folder, plan, actor=who, now=now, place=run_place(folder, place)))
    return kept


def export_log(record: Record, path: Path) -> int:
    """Write the log to a file, a line for each entry, for `shipworthy verify`; the number of lines."""
    lines = list(record.log())
    try:
        write_atomically(path, b"".join(line + b"\n" for line in lines))
    except OSError as error:
        what = f"the log cannot be written: {(error.strerror or str(error)).lower()}"
        raise Unusable(Fault(code="KEEP002", what=what, where=str(path)[:200], mend="name another file")) from error
    return len(lines)


def sign_log(record: Record, key: SigningKey, *, origin: str | None, now: datetime) -> bytes:
    """Sign the log as it is now; the checkpoint's file, of which a copy belongs elsewhere.

    origin: the log's name in its checkpoints; default `origin_of`.
    """
    name = origin or origin_of(record)
    return record.checkpoint(lambda tree: checkpoints.to_text(checkpoints.sign(name, tree, key)), now)


def origin_of(record: Record) -> str:
    """The log's name in its checkpoints: that of the newest one, else one made of its first entry."""
    if older := record.checkpoints():
        return checkpoints.read(older[-1], where="record").origin
    first = next(iter(record.log()), b"")
    return f"shipworthy.dev/record/{chain.entry_hash(first).removeprefix('sha256:')[:16]}"


def verify_record(record: Record, register: Path | None) -> Verified:
    """The record against its own log; with a register also its checkpoints."""
    return record.verify(keys.registered(register) if register is not None else None)


def move(place: str | Path, target: str | Path) -> int:
    """Copy a whole record into a new one, as from SQLite to PostgreSQL; the number of rows. Raises Unusable
    (RECORD019)."""
    with open_record(place, create=False) as old, open_record(target) as new:
        return old.copy_to(new)


def erase(record: Record, email: str, *, actor: str | None, now: datetime) -> int:
    """Forget everyone with this address, and how they signed in: the log keeps its lines, and nobody can tell any more
    whom they name. What documents have as the name of an owner, or of who answered, is written anew without it, and the
    versions that had it are forgotten.

    Raises Unusable: GOVERN001 where no person says who erases, KEEP003 where nobody has the address, KEEP004 while
    they stand in an open waiver or a sign-off in force: as somebody new they could approve what they asked for.
    """
    from shipworthy.record.accounts import Accounts

    said(actor)
    wanted = Person(name="", email=email.strip()).identity
    found = {one.person for one in everyone(record).values() if one.identity == wanted and one.identity != one.person}
    if not found:
        what = f"nobody in the record has the address {email[:80]!r}"
        raise Unusable(Fault(code="KEEP003", what=what, where="EMAIL", mend="write it as the record has it"))
    if bound := _open(record, found, now.date()):
        what = f"they stand in {', '.join(bound[:10])}{' and others' if len(bound) > 10 else ''}"
        mend = "erase them once these have ended or were withdrawn"
        raise Unusable(Fault(code="KEEP004", what=what, where="EMAIL", mend=mend))
    who = acting(record, actor).person
    for person in sorted(found):
        _unname(record, person, by=who, now=now)
        record.erase(who, now, person)
        Accounts(record).close(person)
    return len(found)


def _unname(record: Record, person: str, *, by: str, now: datetime) -> None:
    """Write every document anew that says who a person is in words, and forget its versions that did."""
    people = record.people()
    one = people[person]
    is_shared = any(other.name == one.name for id_, other in people.items() if id_ != person)
    known = erasing.Known(email=one.email or "", name="" if is_shared else one.name or "")
    for kind in documents.KINDS:
        for id_ in record.ids(kind):
            history = record.history(kind, id_)
            told = [kept for kept in history if kept.document is not None and erasing.names(kept.document, known)]
            if told and told[-1] is history[-1] and told[-1].document is not None:
                new = erasing.unnamed(told[-1].document, known)
                record.write(by, now, new, action="erase a name", based_on={(kind, id_): told[-1].version})
            record.forget(by, now, kind, id_, *(kept.version for kept in told))


def _open(record: Record, people: set[str], today: date) -> list[str]:
    """Waivers requested or in force, and sign-offs not withdrawn on the current version, in which somebody stands."""
    found = []
    for kept in record.find("waiver", limit=MOST):
        one = kept.document
        if (
            isinstance(one, documents.Waiver)
            and people & {one.requester, *one.approvers}
            and (one.status == "requested" or (one.status == "approved" and one.ends >= today))
        ):
            found.append(f"waiver {one.id}")
    for kept in record.find("sign-off", limit=MOST):
        one = kept.document
        if (
            isinstance(one, documents.SignOff)
            and one.signer in people
            and not one.withdrawn
            and one.version == current(record, one.system).facts.version
        ):
            found.append(f"sign-off {one.id}")
    return found
