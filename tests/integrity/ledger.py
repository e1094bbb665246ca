"""Keys that are made at once, and logs to break."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shipworthy.integrity import chain, checkpoints, merkle
from shipworthy.integrity.checkpoints import Checkpoint
from shipworthy.integrity.keys import NO_KEYS, Register, SigningKey, signing_key
from shipworthy.integrity.persons import Person

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
ORIGIN = "example.org/lending/audit"
SALT = bytes(range(32))
ADA, BOB, EVE = (Person(name=n, email=f"{n.lower()}@example.org") for n in ("Ada", "Bob", "Eve"))


def key(number: int) -> SigningKey:
    return signing_key(f"key-{number}", bytes([number]) * 32)


def registered(*pairs: tuple[SigningKey, Person]) -> Register:
    register = NO_KEYS
    for one, owner in pairs:
        register = register.add(one.public, owner, now=NOW)
    return register


def write_log(count: int) -> list[bytes]:
    lines: list[bytes] = []
    for seq in range(count):
        lines.append(
            chain.entry(
                seq=seq,
                previous=chain.entry_hash(lines[-1]) if lines else None,
                at=NOW + timedelta(seconds=seq),
                actor=chain.commitment(ADA.name, ADA.email, salt=SALT),
                action="risk.updated",
                object=f"risk/R-{seq % 5}",
                before=chain.body_digest({"n": seq}, salt=SALT) if seq else None,
                after=chain.body_digest({"n": seq + 1}, salt=SALT),
                details={"status": "öpen", "n": seq} if seq % 3 == 0 else None,
            )
        )
    return lines


def checkpoint(lines: list[bytes], with_key: SigningKey, *, origin: str = ORIGIN) -> Checkpoint:
    tree = merkle.Tree()
    for line in lines:
        tree.append(merkle.leaf_hash(line))
    return checkpoints.sign(origin, tree, with_key)
