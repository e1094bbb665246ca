"""Ed25519 keys, and the register that says whose they are: what counts is how many persons signed, not how many keys.

A private key lies in its owner's folder as encrypted PKCS#8 (PBES2: scrypt with N = 2**14, r = 8, p = 5, as
much memory as OpenSSL's own tools allow, and AES-256-CBC; RFC 8018 and RFC 7914, section 7). Its public half lies
beside it, and in a register.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipworthy.digest import Json, canonical
from shipworthy.errors import Fault, Unusable
from shipworthy.integrity.persons import Person, person
from shipworthy.integrity.reading import following, read_bytes, read_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_SCHEMA = "shipworthy/key@1"
REGISTER_SCHEMA = "shipworthy/key-register@1"
SHORTEST_PASSPHRASE = 12  # characters
MOST_KEYS = 1_000  # in a register

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MOST_PRIVATE = 16 << 10  # bytes
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 5}  # 16 MiB


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicKey:
    """The half of a key that verifies."""

    raw: bytes  # 32 bytes, RFC 8032

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise ValueError("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> str:
        """64 hexadecimal digits: SHA-256 of the key as canonical JSON, the id that TUF, in-toto and securesystemslib
        give to the same key."""
        public: dict[str, Json] = {"keytype": "ed25519", "keyval": {"public": self.raw.hex()}, "scheme": "ed25519"}
        return hashlib.sha256(canonical(public)).hexdigest()

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `data`. Source: RFC 8032."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class SigningKey:
    """A key that is open for signing. It never shows itself."""

    name: str
    public: PublicKey
    private: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"SigningKey(name={self.name!r}, id={self.public.id[:16]!r})"

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`, 64 bytes."""
        return self.private.sign(data)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFile:
    """What a key's public file says."""

    name: str
    public: PublicKey
    person: Person | None  # None: of a machine, or not said
    created: datetime  # UTC

    def as_json(self) -> dict[str, Json]:
        """The file `NAME.pub.json`."""
        return {
            "schema": KEY_SCHEMA,
            "name": self.name,
            "id": self.public.id,
            "public": self.public.raw.hex(),
            "person": str(self.person) if self.person else None,
            "created": _time(self.created),
        }


def keys_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where keys lie: `SHIPWORTHY_KEYS`, or `.config/shipworthy/keys` under the home folder."""
    stated = environ.get("SHIPWORTHY_KEYS")
    return Path(stated) if stated else home / ".config" / "shipworthy" / "keys"


def signing_key(name: str, seed: bytes) -> SigningKey:
    """A key from its 32 secret bytes; for those that keep secrets elsewhere than in a folder."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(seed)
    return SigningKey(name=name, public=PublicKey(raw=private.public_key().public_bytes_raw()), private=private)


def new_key(name: str, *, folder: Path, passphrase: str, now: datetime, owner: Person | None = None) -> KeyFile:
    """Make a key and write `NAME.pem` (encrypted, readable by its owner alone) and `NAME.pub.json` into `folder`.

    Its secret comes from the operating system, never from a seed. Raises Unusable: KEYS002 for a name that cannot be a
    file's, KEYS003 where there is one of that name, KEYS004 for a passphrase under 12 characters, KEYS005 where the
    folder cannot be written.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE or not passphrase.isprintable():
        raise _fault(
            "KEYS004",
            f"the passphrase has {len(passphrase)} characters; it needs {SHORTEST_PASSPHRASE} or more, all visible",
            mend="take several random words",
        )
    private_path, public_path = _paths(folder, name)
    secret = secrets.token_bytes(32)
    made = KeyFile(name=name, public=signing_key(name, secret).public, person=owner, created=now)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if public_path.exists() or public_path.is_symlink():
            raise FileExistsError
        _create(private_path, _encrypted(secret, passphrase), mode=0o600)
        try:
            _create(public_path, _written(made.as_json()), mode=0o644)
        except BaseException:
            private_path.unlink(missing_ok=True)
            raise
    except FileExistsError:
        mend = "choose another name: a key is never replaced"
        raise _fault("KEYS003", f"there is a key {name!r} already", str(private_path), mend) from None
    except OSError as error:
        mend = "name a folder of your own in SHIPWORTHY_KEYS"
        raise _fault("KEYS005", f"the key cannot be written: {error.strerror}", str(folder), mend) from error
    return made


def open_key(name: str, *, folder: Path, passphrase: str) -> SigningKey:
    """Open a private key for signing. Raises Unusable: KEYS006 where there is none that can be read, KEYS007 for a
    wrong passphrase, KEYS008 where its two files do not belong together."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private_path, _ = _paths(folder, name)
    stated = read_key(name, folder=folder)
    try:
        data = read_bytes(private_path, most=_MOST_PRIVATE)
        if b"BEGIN ENCRYPTED PRIVATE KEY" not in data:
            raise ValueError("it is not encrypted PKCS#8")
    except (OSError, ValueError) as error:
        raise _unreadable(name, private_path, error) from error
    try:
        private = load_pem_private_key(data, passphrase.encode())
    except (ValueError, TypeError, OverflowError, MemoryError):
        mend = "give the passphrase that the key was made with; nobody can recover it"
        raise _fault("KEYS007", f"the passphrase does not open the key {name!r}", str(private_path), mend) from None
    if not isinstance(private, Ed25519PrivateKey) or private.public_key().public_bytes_raw() != stated.public.raw:
        mend = "restore both files from where they were kept, or make a new key"
        raise _fault("KEYS008", f"the two files of the key {name!r} do not belong together", str(private_path), mend)
    return SigningKey(name=name, public=stated.public, private=private)


def read_key(name: str, *, folder: Path) -> KeyFile:
    """What the public file of a key says. Raises Unusable (KEYS002, KEYS006)."""
    path = _paths(folder, name)[1]
    try:
        return parse_key(read_json(read_bytes(path, most=_MOST_PRIVATE)))
    except (OSError, ValueError) as error:
        raise _unreadable(name, path, error) from error


def write_key(key: KeyFile, path: Path) -> None:
    """Write what is public of a key, whole or not at all. Raises Unusable (KEYS005)."""
    _replace(path, key.as_json(), what="the key")


def list_keys(folder: Path) -> list[KeyFile]:
    """The keys of a folder, by name. Raises Unusable (KEYS006) at the first that cannot be read."""
    names = sorted(path.name.removesuffix(".pub.json") for path in folder.glob("*.pub.json"))
    return [read_key(name, folder=folder) for name in names]


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """One key of a register: whose it is, and until when."""

    public: PublicKey
    person: Person
    registered: datetime  # UTC
    revoked: datetime | None = None  # UTC; from then on nothing that it signs counts
    reason: str | None = None  # why it was revoked

    def counts(self, at: datetime | None) -> bool:
        """Whether a signature that was made at a time known for certain counts; None: the time is not known, and a
        revoked key then never counts, since whoever holds it can write any date."""
        return self.revoked is None or (at is not None and at < self.revoked)

    def as_json(self) -> dict[str, Json]:
        """The entry of a register's file."""
        return {
            "id": self.public.id,
            "public": self.public.raw.hex(),
            "person": str(self.person),
            "registered": _time(self.registered),
            "revoked": _time(self.revoked) if self.revoked else None,
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True)
class Register:
    """Which key belongs to whom. One person may hold several keys."""

    keys: Mapping[str, Registration]  # by key id

    def add(self, public: PublicKey, owner: Person, *, now: datetime) -> Register:
        """The register with one more key. Raises Unusable (KEYS010) for a key that is in it, revoked or not."""
        if public.id in self.keys:
            raise _fault("KEYS010", f"the key {public.id[:16]} is registered already", mend="a key is registered once")
        return Register(keys={**self.keys, public.id: Registration(public=public, person=owner, registered=_utc(now))})

    def revoke(self, key: str, *, now: datetime, reason: str) -> Register:
        """The register with a key withdrawn from `now` on.

        key: its id, or a beginning of it of at least 8 digits. Raises Unusable (KEYS011) where that is not one key
        in force, KEYS012 for a reason that is not 1 to 500 visible characters.
        """
        if not 0 < len(reason.strip()) <= 500 or not reason.isprintable():
            raise _fault("KEYS012", "the reason is not 1 to 500 visible characters", mend="say it in one line")
        found = [one for one in self.keys if one == key or (len(key) >= 8 and one.startswith(key))]
        if len(found) != 1 or self.keys[found[0]].revoked is not None:
            state = "revoked already" if len(found) == 1 else f"{len(found) or 'none'} of the registered keys"
            raise _fault("KEYS011", f"{key[:64]!r} is {state}", mend="give the id of a key in force")
        gone = replace(self.keys[found[0]], revoked=_utc(now), reason=reason)
        return Register(keys={**self.keys, found[0]: gone})

    def persons(self, ids: Iterable[str], *, at: datetime | None = None) -> tuple[Person, ...]:
        """The persons behind keys, each once, in the order of the first; revoked and unknown keys stand for nobody."""
        found: dict[str, Person] = {}
        for one in ids:
            registration = self.keys.get(one)
            if registration is not None and registration.counts(at):
                found.setdefault(registration.person.identity, registration.person)
        return tuple(found.values())

    def as_json(self) -> dict[str, Json]:
        """The file, keys in the order in which they were registered."""
        return {
            "schema": REGISTER_SCHEMA,
            "keys": [one.as_json() for one in self.keys.values()],
        }


NO_KEYS = Register(keys={})


def parse_register(data: bytes, *, where: str) -> Register:
    """Read a register's bytes. Raises Unusable (KEYS009) unless it is whole: ids that are the keys' own, no key twice,
    every person named, every date in UTC."""
    try:
        found = _fields(read_json(data), REGISTER_SCHEMA, "keys")["keys"]
        if not isinstance(found, list) or len(found) > MOST_KEYS:
            raise ValueError(f"keys is not a list of at most {MOST_KEYS:,}")
        keys: dict[str, Registration] = {}
        for item in found:
            public, record = _public(item, "person", "registered", "revoked", "reason")
            if public.id in keys:
                raise ValueError(f"the key {public.id[:16]} stands twice")
            if record["reason"] is not None and not isinstance(record["reason"], str):
                raise ValueError("a reason is not text")
            keys[public.id] = Registration(
                public=public,
                person=_person(record["person"]),
                registered=_read_time(record["registered"]),
                revoked=None if record["revoked"] is None else _read_time(record["revoked"]),
                reason=record["reason"],
            )
    except ValueError as error:
        mend = "get the register again from who keeps it"
        raise _fault("KEYS009", f"the register of keys cannot be read: {error}", where, mend) from error
    return Register(keys=keys)


def read_register(path: Path) -> Register:
    """Read a register's file. Raises Unusable (KEYS009)."""
    try:
        data = read_bytes(path)
    except (OSError, ValueError) as error:
        mend = "name the file that `shipworthy keys register` wrote"
        raise _fault("KEYS009", f"the register of keys cannot be read: {_why(error)}", str(path), mend) from error
    return parse_register(data, where=str(path))


def write_register(register: Register, path: Path) -> None:
    """Write a register, whole or not at all. Raises Unusable (KEYS005)."""
    _replace(path, register.as_json(), what="the register")


def _replace(path: Path, record: Mapping[str, Json], *, what: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _whole_file(path.parent, _written(record), mode=0o644) as written:
            written.replace(path)
    except OSError as error:
        mend = "name a file in a folder of your own"
        raise _fault("KEYS005", f"{what} cannot be written: {error.strerror}", str(path), mend) from error


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    if not _NAME.fullmatch(name):
        mend = "take small letters, digits, dots, dashes and underscores, 64 at most"
        raise _fault("KEYS002", f"{name[:80]!r} cannot be the name of a key", mend=mend)
    return folder / f"{name}.pem", folder / f"{name}.pub.json"


def _create(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that was not there, or none. Raises FileExistsError."""
    with _whole_file(path.parent, data, mode=mode) as written:
        os.link(written, path)  # unlike a rename, it never replaces


@contextmanager
def _whole_file(folder: Path, data: bytes, *, mode: int) -> Iterator[Path]:
    """A file that is whole and on the disk, under a name that goes unless it is renamed."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")  # readable by its owner alone
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _written(record: Mapping[str, Json]) -> bytes:
    import orjson

    return orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _encrypted(secret: bytes, passphrase: str) -> bytes:
    """The PEM file of a private key; cryptography's own writer derives with 2,048 rounds of PBKDF2, which is too few.

    Source: RFC 8018 (PBES2, appendix A), RFC 7914 (scrypt), RFC 8410 (Ed25519 in PKCS#8), RFC 7468 (PEM).
    """
    import base64

    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    salt, vector = secrets.token_bytes(16), secrets.token_bytes(16)
    derived = hashlib.scrypt(passphrase.encode(), salt=salt, dklen=32, maxmem=32 << 20, **_SCRYPT)
    plain = _der(0x30, _integer(0), _der(0x30, bytes.fromhex("06032b6570")), _der(0x04, _der(0x04, secret)))
    pad = 16 - len(plain) % 16
    cipher = Cipher(AES256(derived), CBC(vector)).encryptor()
    body = cipher.update(plain + bytes([pad]) * pad) + cipher.finalize()
    scrypt = _der(
        0x30,
        bytes.fromhex("06092b06010401da47040b"),
        _der(0x30, _der(0x04, salt), *(_integer(_SCRYPT[name]) for name in ("n", "r", "p"))),
    )
    aes = _der(0x30, bytes.fromhex("060960864801650304012a"), _der(0x04, vector))
    pbes2 = _der(0x30, bytes.fromhex("06092a864886f70d01050d"), _der(0x30, scrypt, aes))
    text = base64.b64encode(_der(0x30, pbes2, _der(0x04, body)))
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + lines + b"\n-----END ENCRYPTED PRIVATE KEY-----\n"


def _der(tag: int, *parts: bytes) -> bytes:
    """One value of the Distinguished Encoding Rules, shorter than 256 bytes."""
    body = b"".join(parts)
    return bytes([tag, len(body)] if len(body) < 128 else [tag, 0x81, len(body)]) + body


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def parse_key(found: Any) -> KeyFile:
    """Read what a key's public file says, from its JSON. Raises ValueError."""
    public, record = _public(_fields(found, KEY_SCHEMA), "name", "person", "created")
    if not isinstance(record["name"], str) or not _NAME.fullmatch(record["name"]):
        raise ValueError("its name cannot be that of a key")
    owner = None if record["person"] is None else _person(record["person"])
    return KeyFile(name=record["name"], public=public, person=owner, created=_read_time(record["created"]))


def _fields(found: Any, schema: str, *names: str) -> dict[str, Any]:
    stated = following(found, schema)
    if not set(names) <= set(stated):
        raise ValueError(f"it lacks one of {', '.join(names)}")
    return stated


def _public(found: Any, *names: str) -> tuple[PublicKey, dict[str, Any]]:
    if not isinstance(found, dict) or not {"id", "public", *names} <= set(found):
        raise ValueError(f"a key lacks one of id, public, {', '.join(names)}")
    if not isinstance(found["public"], str) or not re.fullmatch(r"[0-9a-f]{64}", found["public"]):
        raise ValueError("a public key is not 64 hexadecimal digits")
    public = PublicKey(raw=bytes.fromhex(found["public"]))
    if found["id"] != public.id:
        raise ValueError("the id of a key is not its own")
    return public, found


def _person(found: Any) -> Person:
    if not isinstance(found, str):
        raise ValueError("a person is not named")
    try:
        return person(found)
    except Unusable as error:
        raise ValueError(error.faults[0].what) from None


def _time(moment: datetime) -> str:
    return _utc(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _read_time(found: Any) -> datetime:
    if not isinstance(found, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", found):
        raise ValueError("a date is not written as 2026-11-21T08:30:00Z")
    return datetime.fromisoformat(found)


def _why(error: Exception) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error)


def _unreadable(name: str, path: Path, error: Exception) -> Unusable:
    mend = "`shipworthy keys list` names the keys there are; `shipworthy keys new` makes one"
    return _fault("KEYS006", f"the key {name!r} cannot be read: {_why(error)}", str(path), mend)


def _fault(code: str, what: str, where: str = "", mend: str = "") -> Unusable:
    return Unusable(Fault(code=code, what=what, where=where, mend=mend))
