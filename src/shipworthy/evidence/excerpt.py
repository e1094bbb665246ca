"""What a package holds of the record's log: all of it, or what is about one system; with proofs for each such entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shipworthy.digest import Json
from shipworthy.evidence.documents.machine import to_json
from shipworthy.integrity import checkpoints as notes
from shipworthy.integrity import merkle
from shipworthy.integrity.checkpoints import Checkpoint
from shipworthy.integrity.reading import following, read_json

SCHEMA = "shipworthy/log-proofs@1"
LOG = "audit/log.jsonl"  # the whole log
ENTRIES = "audit/entries.jsonl"  # or what is about the system
PROOFS = "audit/proofs.json"
CHECKPOINTS = "audit/checkpoints/"
MOST_WHOLE = 50_000  # entries; of a longer log, only those about the system are packed
MOST_PROOFS = 20_000
MOST_BYTES = 64 << 20  # of the proofs


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What shows that an entry is in the log."""

    seq: int
    leaf: bytes
    steps: tuple[bytes, ...]


def excerpt(
    lines: Iterable[bytes],
    is_about: Callable[[str], bool],
    checkpoints: Iterable[Checkpoint],
    *,
    most: int = MOST_WHOLE,
) -> dict[str, bytes]:
    """The files of `audit/`.

    lines: the whole log, without line ends. is_about: whether an entry's object belongs to what is packed.
    checkpoints: believed ones of this log; with less than the whole log, only one of just its size can be used.
    most: entries up to which the whole log is packed. Of a longer one only hashes stay in memory, and what is about.
    """
    leaves: list[bytes] = []
    every: list[bytes] = []
    about: dict[int, bytes] = {}
    for seq, line in enumerate(lines):
        leaves.append(merkle.leaf_hash(line))
        if seq < most:
            every.append(line)
        if is_about(orjson.loads(line)["object"]):
            about[seq] = line
    whole = len(leaves) <= most
    chosen = list(about)[-MOST_PROOFS:]
    kept = every if whole else [about[seq] for seq in chosen]
    files = {LOG if whole else ENTRIES: b"".join(line + b"\n" for line in kept)}
    proofs: list[Json] = [
        {"seq": seq, "hash": leaves[seq].hex(), "proof": [step.hex() for step in steps]}
        for seq, steps in zip(chosen, inclusion_proofs(leaves, chosen), strict=True)
    ]
    told: dict[str, Json] = {
        "schema": SCHEMA,
        "complete": whole,
        "size": len(leaves),
        "root": merkle.root(leaves).hex(),
        "about": len(about),  # entries about the system, of which the newest are proven
        "entries": proofs,
    }
    files[PROOFS] = to_json(told).encode()
    for one in checkpoints:
        if whole or one.size == len(leaves):
            files[f"{CHECKPOINTS}{one.size:012}.txt"] = notes.to_text(one)
    return files


def inclusion_proofs(leaves: Sequence[bytes], chosen: Iterable[int]) -> list[list[bytes]]:
    """The inclusion proofs of several leaves (hashes), with every node hashed once: a level's odd last node moves up as
    it is, which gives the tree of RFC 6962."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [merkle.node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
        levels.append([*above, below[-1]] if len(below) % 2 else above)
    proofs = []
    for place in chosen:
        steps, at = [], place
        for level in levels[:-1]:
            if (beside := at ^ 1) < len(level):
                steps.append(level[beside])
            at >>= 1
        proofs.append(steps)
    return proofs


def read_proofs(data: bytes) -> tuple[Mapping[str, Any], list[Proof]]:
    """`proofs.json` from outside. Raises ValueError; Newer for a version that is not known yet."""
    found = following(read_json(data, most=MOST_BYTES), SCHEMA)
    if not isinstance(found.get("entries"), list):
        raise ValueError("it has no list of entries")
    if type(found.get("size")) is not int or type(found.get("complete")) is not bool:
        raise ValueError("it does not say how long the log is, and whether it is whole")
    proofs = []
    for one in found["entries"]:
        if not isinstance(one, dict) or type(one.get("seq")) is not int or not isinstance(one.get("proof"), list):
            raise ValueError("a proof lacks its number or its hashes")
        proofs.append(
            Proof(seq=one["seq"], leaf=_hash(one.get("hash")), steps=tuple(_hash(step) for step in one["proof"]))
        )
    _hash(found.get("root"))
    return found, proofs


def _hash(text: object) -> bytes:
    if not isinstance(text, str) or len(text) != 64:
        raise ValueError("a hash is not 64 hexadecimal digits")
    return bytes.fromhex(text)
