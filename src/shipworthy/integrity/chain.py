"""The audit log's algebra: each entry is one line of canonical JSON that names the hash of the line before.

A line's hash is its RFC 6962 leaf hash, so the chain and the Merkle tree over the log are made of the same hashes. A
log is JSON Lines of exactly those bytes: who verifies hashes what is there and never serialises it again. Persons stand
in it as salted commitments, and objects as salted digests; what opens them lies elsewhere and can be erased while the
chain stays whole.

What a chain cannot show: it detects changes and prevents none, and whoever holds only the log can cut entries off its
end, or write it anew from the first to the last, without a trace. Against that helps nothing but a signed checkpoint
that lies where the log's keeper cannot reach it; every verification says how far such checkpoints reached.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson

from shipworthy.digest import Json, canonical
from shipworthy.errors import Fault
from shipworthy.integrity import checkpoints as notes
from shipworthy.integrity import merkle
from shipworthy.integrity.checkpoints import Checkpoint
from shipworthy.integrity.keys import NO_KEYS, Register

MOST_LINE = 64 << 10  # bytes of an entry
SHORTEST_SALT = 16  # bytes

_FIELDS = ("action", "actor", "after", "at", "before", "object", "previous", "seq")
_KEYS = frozenset(_FIELDS)
_KEYS_AND_DETAILS = _KEYS | {"details"}
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_ACTOR = re.compile(r"person:[0-9a-f]{64}|tool:[a-z0-9][a-z0-9._/-]{0,63}")
_AT = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
)
_PLAIN = (str, int, bool, type(None))


def commitment(name: str, email: str, *, salt: bytes) -> str:
    """How a person stands in the log: `person:` and SHA-256 over the salt and canonical {"email", "name"}.

    salt: at least 16 random bytes, kept apart from the log; without them nobody can guess the person.
    """
    return f"person:{hashlib.sha256(_salt(salt) + canonical({'email': email, 'name': name})).hexdigest()}"


def opens(actor: str, name: str, email: str, *, salt: bytes) -> bool:
    """Whether a commitment in the log is that of this person."""
    return hmac.compare_digest(actor.encode(), commitment(name, email, salt=salt).encode())


def body_digest(body: Json, *, salt: bytes) -> str:
    """How an object's body stands in the log: the digest of canonical {"body", "salt"}, the salt in hexadecimal."""
    return f"sha256:{hashlib.sha256(canonical({'body': body, 'salt': _salt(salt).hex()})).hexdigest()}"


def entry(
    *,
    seq: int,
    previous: str | None,
    at: datetime,
    actor: str,
    action: str,
    object: str,
    before: str | None,
    after: str | None,
    details: Mapping[str, Json] | None = None,
) -> bytes:
    """The line of one entry, without its line end.

    seq: its place, from 0. previous: hash of the line before; None for the first. at: with its time zone. actor:
    `person:` and a commitment, or `tool:` and a program's name. action, object: what was done to what, 1 to 256
    characters. before, after: digests of the object's body; None where there was, or is, none. details: small, and
    never personal. Raises ValueError for what `verify_log` would refuse.
    """
    if at.tzinfo is None:
        raise ValueError("the time of an entry has no time zone")
    record: dict[str, Json] = {
        "action": action,
        "actor": actor,
        "after": after,
        "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "before": before,
        "object": object,
        "previous": previous,
        "seq": seq,
    }
    if details is not None:
        record["details"] = details
    line = canonical(record)
    if wrong := _too_long(line) or _wrong(orjson.loads(line), line):  # as it will be read: 2.0**53 comes back too large
        raise ValueError(f"no entry: {wrong}")
    return line


def entry_hash(line: bytes) -> str:
    """The hash by which the next entry names this line (without its line end)."""
    return f"sha256:{merkle.leaf_hash(line).hex()}"


def log_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a log's file, each with its end; of an endless line only as much as shows that it is too long."""
    while line := file.readline(MOST_LINE + 2):
        yield line


@dataclass(frozen=True, kw_only=True, slots=True)
class LogCheck:
    """What verifying a log found."""

    fault: Fault | None  # the first thing wrong; None: nothing is
    entries: int  # that were read and are whole, up to the fault
    head: str | None  # hash of the last of them
    tree: merkle.Tree  # over them
    covered: int  # entries under a checkpoint that was given, is signed and agrees
    caveat: str  # what this check cannot have seen, in a sentence


def verify_log(
    lines: Iterable[bytes],
    checkpoints: Sequence[Checkpoint] = (),
    register: Register = NO_KEYS,
    *,
    where: str,
    origin: str | None = None,
    at: datetime | None = None,
) -> LogCheck:
    """Check a whole log, in one pass and with memory that does not grow.

    lines: with their line ends, as `log_lines` reads them. checkpoints: of this log, in any order, best from where the
    log's keeper cannot reach; register: whose keys may sign them. origin: the log's name; left out, that of the first
    checkpoint. at: see `checkpoints.verify`. where: names the log in faults.

    Finds every flipped, dropped, doubled, moved or added entry before the last one, and by the checkpoints also a
    changed last entry, a log cut short, and one written anew. Without a checkpoint that was kept elsewhere, entries cut
    off the end, or a log written anew from the start, cannot be seen: `covered` and `caveat` say how far it reaches.

    Faults: CHKP002 checkpoint not signed, CHKP003 of another log, CHKP004 it disagrees with the log, CHKP005 the log
    is shorter than it; LOG001 a line is no entry, LOG002 entries are missing, doubled or moved, LOG003 an entry does
    not follow the one before.
    """
    tree = merkle.Tree()
    fault = _unbelievable(checkpoints, register, origin=origin, where=where, at=at)
    pending = sorted(checkpoints, key=lambda one: one.size, reverse=True)
    covered, head = 0, None
    if fault is None:
        fault = _disagreement(pending, tree, covered, where)
    if fault is None:
        for line in lines:
            fault, leaf = _follow(line, tree.size, head, where, vouched=covered == tree.size)
            if fault is not None:
                break
            tree.append(leaf)
            head = f"sha256:{leaf.hex()}"
            if pending and pending[-1].size == tree.size:
                fault = _disagreement(pending, tree, covered, where)
                if fault is not None:
                    break
                covered = tree.size
        else:
            if pending:
                fault = _shortened(tree.size, pending[0].size, where)
    return LogCheck(
        fault=fault, entries=tree.size, head=head, tree=tree, covered=covered, caveat=_caveat(tree.size, covered)
    )


def _follow(line: bytes, seq: int, head: str | None, where: str, *, vouched: bool) -> tuple[Fault | None, bytes]:
    """What is wrong with the next line, and its hash. vouched: a checkpoint covers all lines before it."""
    body = line[:-1]
    if line[-1:] != b"\n" or len(body) > MOST_LINE:
        why = _too_long(body) or "it is not whole: its line end is missing"
        return _bad_line(why, seq, where), b""
    try:
        record: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _bad_line("it is not JSON", seq, where), b""
    why = _wrong(record, body)
    if why:
        return _bad_line(why, seq, where), b""
    if record["seq"] != seq:
        return _misplaced(record["seq"], seq, where), b""
    if record["previous"] != head:
        return _unlinked(seq, where, vouched=vouched), b""
    return None, hashlib.sha256(b"\0" + body).digest()


def _wrong(record: Any, line: bytes) -> str:
    """Why a line is no entry; empty for one that is."""
    if type(record) is not dict:
        return "it is not an object"
    if record.keys() != _KEYS and record.keys() != _KEYS_AND_DETAILS:
        return f"its fields are not {', '.join(_FIELDS)}"
    if type(record["seq"]) is not int or record["seq"] < 0:
        return "seq is not a count"
    for name in ("before", "after", "previous"):
        value = record[name]
        if value is not None and (type(value) is not str or not _HASH.fullmatch(value)):
            return f"{name} is not a digest"
    if type(record["actor"]) is not str or not _ACTOR.fullmatch(record["actor"]):
        return "actor is neither a commitment to a person nor a tool"
    if type(record["at"]) is not str or not _AT.fullmatch(record["at"]):
        return "at is not a time in UTC with microseconds"
    for name in ("action", "object"):
        value = record[name]
        if type(value) is not str or not 0 < len(value) <= 256:
            return f"{name} is not a text of 1 to 256 characters"
    if "details" in record and not isinstance(record["details"], Mapping):
        return "details is not an object"
    if _canonical(record, line) != line:
        return "it is not canonical JSON"
    return ""


def _canonical(record: dict[str, Any], line: bytes) -> bytes | None:
    """The record as it has to be written; None for one that cannot be. Where there are only ASCII keys, texts and whole
    numbers, orjson writes what RFC 8785 asks, and does so fifty times as fast."""
    details = record.get("details")
    if "details" not in record or (
        type(details) is dict
        and all(key.isascii() and type(value) in _PLAIN for key, value in details.items())
        and all(abs(value) < 2**53 for value in details.values() if type(value) is int)
    ):
        try:
            return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # half a character
            return None
    try:
        return canonical(json.loads(line))  # orjson reads a whole number that is too large as a fraction
    except (ValueError, RecursionError):
        return None


def _unbelievable(
    checkpoints: Sequence[Checkpoint],
    register: Register,
    *,
    origin: str | None,
    where: str,
    at: datetime | None,
) -> Fault | None:
    """The first checkpoint that is not one of this log, signed by a key that counts."""
    for one in checkpoints:
        expected = origin if origin is not None else checkpoints[0].origin
        if one.origin != expected:
            what = f"a checkpoint is of the log {one.origin[:100]!r}, not of {expected[:100]!r}"
            return Fault(code="CHKP003", what=what, where=where, mend="give the checkpoints of this log")
        vouched = notes.verify(one, register, where=f"{where}, checkpoint of {one.size:,} entries", at=at)
        if vouched.fault is not None:
            return vouched.fault
    return None


def _disagreement(pending: list[Checkpoint], tree: merkle.Tree, covered: int, where: str) -> Fault | None:
    """Take every checkpoint of the tree's size off the list; the first that gives another root."""
    while pending and pending[-1].size == tree.size:
        if pending.pop().root != tree.root():
            what = f"the first {tree.size:,} entries are not those that a checkpoint was signed for"
            if covered:
                what += f": something changed among entries {covered:,} to {tree.size - 1:,}"
            return Fault(code="CHKP004", what=what, where=where, mend=_MEND)
    return None


def _caveat(entries: int, covered: int) -> str:
    if not covered:
        return (
            "No checkpoint covers this log: entries cut off its end, or a log written anew, cannot be seen. "
            "Compare with a signed checkpoint that was kept elsewhere."
        )
    if covered < entries:
        return (
            f"Checkpoints cover the first {covered:,} of {entries:,} entries: later ones cut off or written "
            "anew cannot be seen."
        )
    return "Checkpoints cover every entry here; entries written after the newest of them and cut off cannot be seen."


_MEND = "compare with a copy of the log that was kept elsewhere, and find out who could write to this one"


def _too_long(line: bytes) -> str:
    return f"it is longer than {MOST_LINE:,} bytes" if len(line) > MOST_LINE else ""


def _bad_line(why: str, seq: int, where: str) -> Fault:
    return Fault(
        code="LOG001", what=f"a line is not an entry of the log: {why}", where=f"{where}, line {seq + 1:,}", mend=_MEND
    )


def _misplaced(found: int, seq: int, where: str) -> Fault:
    if found > seq:
        what = f"entry {seq:,} is missing here: entry {found:,} stands in its place"
    else:
        what = f"entry {found:,} stands again where entry {seq:,} belongs"
    return Fault(code="LOG002", what=what, where=f"{where}, line {seq + 1:,}", mend=_MEND)


def _unlinked(seq: int, where: str, *, vouched: bool) -> Fault:
    if seq == 0:
        what = "entry 0 names an entry before it: the beginning of the log is missing, or it has changed"
    elif vouched:
        what = f"entry {seq:,} has changed: it does not follow entry {seq - 1:,}, which a checkpoint covers"
    else:
        what = f"entry {seq:,} was not written after this entry {seq - 1:,}: one of the two has changed"
    return Fault(code="LOG003", what=what, where=f"{where}, line {seq + 1:,}", mend=_MEND)


def _shortened(entries: int, size: int, where: str) -> Fault:
    what = f"the log ends after {entries:,} of the {size:,} entries that a checkpoint was signed for"
    return Fault(code="CHKP005", what=what, where=where, mend=_MEND)


def _salt(salt: bytes) -> bytes:
    if len(salt) < SHORTEST_SALT:
        raise ValueError(f"a salt has at least {SHORTEST_SALT} bytes")
    return salt
