"""The record's log: exported, or as much of it as a package holds, with the documents that it tells of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from shipworthy.digest import Json, canonical
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence import excerpt
from shipworthy.evidence.verifying.outcome import Checked, Trust, fault, unreadable
from shipworthy.evidence.verifying.reading import KINDS, Package
from shipworthy.integrity import chain, merkle
from shipworthy.integrity import checkpoints as notes_of
from shipworthy.integrity.checkpoints import Checkpoint
from shipworthy.integrity.keys import NO_KEYS
from shipworthy.integrity.reading import read_json

_UNUSED_KEYS = "The keys were not used: a log is signed by its checkpoints, and none was given (--checkpoint)."


def verify_log(path: Path, trust: Trust) -> Checked:
    """A log's file, JSON Lines; `chain.verify_log` says what is found. Raises OSError."""
    with path.open("rb") as file:
        found = chain.verify_log(
            chain.log_lines(file), trust.checkpoints, trust.register or NO_KEYS, where=path.name[:100]
        )
    faults = () if found.fault is None else (found.fault,)
    if not faults and not found.entries:
        what, mend = "the log is empty: it holds no entry that could be verified", "export the log again"
        faults = (Fault(code="LOG001", what=what, where=path.name[:100], mend=mend),)
    notes = [found.caveat]
    if trust.register is not None and not trust.checkpoints:
        notes.append(_UNUSED_KEYS)
    facts: dict[str, Json] = {"entries": found.entries, "head": found.head, "covered": found.covered}
    return Checked(kind="log", faults=faults, notes=tuple(notes), facts=facts)


def log_inside(package: Package) -> Iterator[Fault]:
    """The log in a package, its checkpoints and proofs; and whether it tells of the documents as they are here."""
    own = []
    for path in sorted(package.there(f"{excerpt.CHECKPOINTS}*.txt")):
        try:
            own.append(notes_of.read(package.data(path), where=path))
        except Unusable as error:
            yield from error.faults
    if not package.is_there(excerpt.PROOFS):
        if package.trust.checkpoints:
            what = "a checkpoint was given, and this package holds no log that can be compared"
            yield fault(
                "PACK025", what, excerpt.PROOFS, mend="ask for a package with the log, or leave --checkpoint out"
            )
        return
    try:
        told, proofs = excerpt.read_proofs(package.data(excerpt.PROOFS))
    except ValueError as error:
        yield unreadable("PACK023", "the proofs", excerpt.PROOFS, error)
        return
    root = bytes.fromhex(told["root"])
    if told["complete"]:
        yield from _whole_log(package, own, told["size"], root, {proof.seq for proof in proofs})
    else:
        about = told.get("about")
        cut = type(about) is int and about > len(proofs)
        yield from _part_of_log(package, own, told["size"], root, proofs, cut=cut)
    for proof in proofs:
        if not merkle.verify_inclusion(proof.leaf, proof.seq, told["size"], proof.steps, root):
            yield fault("PACK023", f"the proof of entry {proof.seq:,} does not lead to the root", excerpt.PROOFS)


def _whole_log(
    package: Package, own: Sequence[Checkpoint], size: int, root: bytes, proven: Set[int]
) -> Iterator[Fault]:
    """proven: numbers of the entries about the system, as the maker of the package says."""
    promised = proven | {one.seq for one in package.documents}
    decided = [f"sign-off/{one.id}:" for one in package.documents if one.kind == "decision"]
    marks = [canonical(name)[1:-1] for name in decided]
    seen: dict[int, Mapping[str, Any]] = {}

    def told(lines: Iterable[bytes]) -> Iterator[bytes]:
        for number, line in enumerate(lines):
            if number in promised or any(name in line for name in marks):
                seen[number] = _object(line)
            yield line

    try:
        with package.container.open(excerpt.LOG) as file:
            found = chain.verify_log(
                told(chain.log_lines(file)),  # type: ignore[arg-type]
                [*own, *package.trust.checkpoints],
                package.register,
                where=excerpt.LOG,
            )
    except ValueError as error:
        yield unreadable("PACK016", "a file", excerpt.LOG, error)
        return
    package.entries = found.entries
    package.notes.append(found.caveat)
    if found.fault is not None:
        yield found.fault
        return
    if (found.tree.size, found.tree.root()) != (size, root):
        yield fault("PACK023", "the proofs are about another log than the one that is here", excerpt.PROOFS)
    yield from _told_of(package, seen)
    yield from _left_out(package, [one for number, one in seen.items() if number in proven or _is_of(one, decided)])


def _is_of(entry: Mapping[str, Any], names: Sequence[str]) -> bool:
    return any(str(entry.get("object")).startswith(name) for name in names)


def _left_out(package: Package, entries: Iterable[Mapping[str, Any]]) -> Iterator[Fault]:
    """Documents that the log tells of, and that are not in the file that lists their kind.

    entries: those about the system, each kind of which is listed whole, though sign-offs only of the version.
    """
    here = {one.told[0] for one in package.documents}
    for name in dict.fromkeys(str(one.get("object")) for one in entries):
        kind, _, id_ = name.partition("/")
        path = f"risk/{kind}s.json"
        if kind in KINDS and name not in here and package.is_there(path):
            yield fault("PACK022", f"the log tells of {kind} {id_[:80]!r}, which is not here", path)


def _told_of(package: Package, entries: Mapping[int, Mapping[str, Any]], first: int = 0) -> Iterator[Fault]:
    """Every document against the log's entry of its number; those before the number `first` are left out."""
    for one in package.documents:
        entry = entries.get(one.seq, {})
        if one.seq >= first and tuple(entry.get(key) for key in ("object", "after", "at", "actor")) != one.told:
            what = (
                f"entry {one.seq:,} of the log does not tell of {one.kind} {one.id[:80]!r} as it stands here: "
                "its id, digest, time or actor is another"
            )
            yield fault("PACK022", what, one.path)


def _part_of_log(
    package: Package,
    own: Sequence[Checkpoint],
    size: int,
    root: bytes,
    proofs: Sequence[excerpt.Proof],
    *,
    cut: bool,
) -> Iterator[Fault]:
    """cut: the oldest entries about the system were left out, for there are too many."""
    given = package.trust.checkpoints
    if other := [one for one in given if one.size != size]:
        what = f"a checkpoint of {other[0].size:,} entries cannot be compared with a part of a log of {size:,}"
        mend = "ask for the whole log, or give the checkpoint of that size"
        yield fault("PACK025", what, excerpt.ENTRIES, mend=mend)
    for one in (*own, *(one for one in given if one.size == size)):
        wrong = notes_of.verify(one, package.register, where=excerpt.CHECKPOINTS).fault
        if wrong is not None:
            yield wrong
        elif (one.size, one.root) != (size, root):
            yield fault("PACK023", "the proofs are about another log than the checkpoint", excerpt.PROOFS)
    covered = size if own or given else 0
    package.notes.append(
        "This is a part of the log: that these entries are in it is proven, and not that there are no others"
        + ("." if covered else "; no checkpoint stands behind its root.")
    )
    try:
        with package.container.open(excerpt.ENTRIES) as file:
            lines = list(chain.log_lines(file))  # type: ignore[arg-type]
    except ValueError as error:
        yield unreadable("PACK016", "a file", excerpt.ENTRIES, error)
        return
    package.entries = len(lines)
    if len(lines) != len(proofs):
        what = f"it holds {len(proofs):,} proofs for the {len(lines):,} entries in {excerpt.ENTRIES}"
        yield fault("PACK023", what, excerpt.PROOFS)
    seen: dict[int, Mapping[str, Any]] = {}
    for line, proof in zip(lines, proofs, strict=False):
        entry = seen[proof.seq] = _object(line)
        if line[-1:] != b"\n" or merkle.leaf_hash(line[:-1]) != proof.leaf or entry.get("seq") != proof.seq:
            what = f"an entry is not the one that was proven: {proof.seq:,}"
            yield fault("PACK023", what, excerpt.ENTRIES)
    first = min(seen, default=size) if cut else 0
    if older := sum(one.seq < first for one in package.documents):
        package.notes.append(f"{older:,} documents are older than this part of the log, and were not compared.")
    yield from _told_of(package, seen, first)
    yield from _left_out(package, seen.values())


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        found = read_json(line, most=chain.MOST_LINE + 2)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
