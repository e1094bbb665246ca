"""Keys and the register of whose they are: made, listed, registered, revoked."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from shipworthy.errors import Fault, Unusable
from shipworthy.integrity import keys, persons
from shipworthy.integrity.keys import KeyFile, Register, Registration, SigningKey
from shipworthy.integrity.reading import read_bytes, read_json

REGISTER = Path("keys.json")  # where a register lies unless it is said; best under version control


def folder() -> Path:
    """Where this user's keys lie: `SHIPWORTHY_KEYS`, or `~/.config/shipworthy/keys`."""
    return keys.keys_folder(os.environ, Path.home())


def passphrase() -> str | None:
    """The passphrase in `SHIPWORTHY_PASSPHRASE`; None: it has to be asked for."""
    return os.environ.get("SHIPWORTHY_PASSPHRASE") or None


def new(name: str, *, passphrase: str, person: str | None = None, now: datetime | None = None) -> KeyFile:
    """Make a key in this user's folder. person: "Ada <ada@example.org>". Raises Unusable (KEYS001 to KEYS005)."""
    owner = persons.person(person) if person else None
    return keys.new_key(name, folder=folder(), passphrase=passphrase, now=now or datetime.now(UTC), owner=owner)


def open_key(name: str, *, passphrase: str) -> SigningKey:
    """Open one of this user's keys for signing. Raises Unusable (KEYS002, KEYS006 to KEYS008)."""
    return keys.open_key(name, folder=folder(), passphrase=passphrase)


def listed() -> list[KeyFile]:
    """This user's keys, by name. Raises Unusable (KEYS006)."""
    return keys.list_keys(folder())


def public(key: str) -> KeyFile:
    """What is public of a key. key: a name in this user's folder, or a file that `shipworthy keys export` wrote.

    Raises Unusable (KEYS002, KEYS006).
    """
    path = Path(key)
    if path.suffix != ".json":
        return keys.read_key(key, folder=folder())
    try:
        return keys.parse_key(read_json(read_bytes(path)))
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        mend = "name a key of yours, or a file that `shipworthy keys export` wrote"
        fault = Fault(code="KEYS006", what=f"the key {path.name!r} cannot be read: {why}", where=key, mend=mend)
        raise Unusable(fault) from error


def export(name: str, *, out: Path | None = None) -> KeyFile:
    """What is public of one of this user's keys, also written to `out`. Raises Unusable (KEYS002, KEYS005, KEYS006)."""
    found = keys.read_key(name, folder=folder())
    if out is not None:
        keys.write_key(found, out)
    return found


def register(
    key: str, *, path: Path = REGISTER, person: str | None = None, now: datetime | None = None
) -> Registration:
    """Add a key to a register's file, which is made where there is none.

    person: whose it is; left out, whom the key's file names. Raises Unusable (KEYS001, KEYS006, KEYS009, KEYS010).
    """
    found = public(key)
    owner = persons.person(person) if person else found.person
    if owner is None:
        mend = '--person "Ada <ada@example.org>" says whose it is'
        raise Unusable(Fault(code="KEYS001", what=f"the key {found.name!r} names no person", where=key, mend=mend))
    grown = registered(path).add(found.public, owner, now=now or datetime.now(UTC))
    keys.write_register(grown, path)
    return grown.keys[found.public.id]


def revoke(key: str, *, reason: str, path: Path = REGISTER, now: datetime | None = None) -> Registration:
    """Withdraw a key of a register's file from now on. key: its id, or the beginning of it, or a name of one's own.

    Raises Unusable (KEYS009, KEYS011, KEYS012).
    """
    known = keys.read_register(path)
    own = {one.name: one.public.id for one in listed()} if key not in known.keys else {}
    after = known.revoke(own.get(key, key), now=now or datetime.now(UTC), reason=reason)
    keys.write_register(after, path)
    (changed,) = (one for id_, one in after.keys.items() if one != known.keys[id_])
    return changed


def registered(path: Path = REGISTER) -> Register:
    """The register in a file; an empty one where there is none. Raises Unusable (KEYS009)."""
    return keys.read_register(path) if path.exists() or path.is_symlink() else keys.NO_KEYS


def known(stated: Path | Register | None = None) -> Register | None:
    """A register that is at hand, or in a file, default REGISTER in this folder; None where there is none, or nothing
    in it that is at hand. Raises Unusable (KEYS009)."""
    if isinstance(stated, Register):
        return stated if stated.keys else None
    stated = stated or REGISTER
    return registered(stated) if stated.exists() else None
