"""Signed checkpoints: a log's size and root in four lines of text, fit to be kept where the log's keeper cannot reach.

A checkpoint is worth what its distance from the log is worth: one that lies beside the log can be replaced together
with it. Kept elsewhere (a tag, a message, a counterparty's copy), it shows every later change of what it covers.
Source: C2SP tlog-checkpoint and signed-note v1.0.0, signature type 0x01 (Ed25519).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import datetime

from shipworthy.errors import Fault, Unusable
from shipworthy.integrity import merkle
from shipworthy.integrity.keys import Register, SigningKey
from shipworthy.integrity.persons import Person
from shipworthy.integrity.reading import from_base64

MOST_BYTES = 64 << 10  # of a checkpoint
MOST_SIGNATURES = 64
_ED25519 = b"\x01"
_LARGEST = 1 << 63


@dataclass(frozen=True, kw_only=True, slots=True)
class NoteSignature:
    """One signature line: who says to have signed, and what."""

    name: str
    key: bytes  # 4 bytes: a short id of name and key
    sig: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What a log says of itself at one size. Nothing in it is true before `verify` says so."""

    origin: str  # the log's name, such as "example.org/lending/audit"
    size: int  # entries
    root: bytes  # 32 bytes, RFC 6962
    extensions: tuple[str, ...] = ()
    signatures: tuple[NoteSignature, ...] = ()

    @property
    def text(self) -> str:
        """What is signed: origin, size and root, a line each."""
        lines = (self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vouched:
    """What verifying a checkpoint found."""

    fault: Fault | None  # None: signed by a registered key that counts, and no signature of a registered key is wrong
    persons: tuple[Person, ...]


def key_id(name: str, raw: bytes) -> bytes:
    """The 4 bytes by which a note names an Ed25519 key: of its name, the signature type and the public key."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + raw).digest()[:4]


def sign(origin: str, tree: merkle.Tree, key: SigningKey) -> Checkpoint:
    """A checkpoint of a log as it is now, signed in the log's own name. Raises ValueError for an origin that cannot
    name a key: empty, or with spaces, a plus sign or control characters."""
    return sign_also(Checkpoint(origin=origin, size=tree.size, root=tree.root()), key, name=origin)


def sign_also(checkpoint: Checkpoint, key: SigningKey, *, name: str) -> Checkpoint:
    """The checkpoint with one more signature, of a witness for instance, under the name that the witness goes by."""
    if not _is_key_name(name):
        raise ValueError(f"{name[:100]!r} cannot name a key: it is empty, or has spaces, plus or control characters")
    line = NoteSignature(name=name, key=key_id(name, key.public.raw), sig=key.sign(checkpoint.text.encode()))
    return replace(checkpoint, signatures=(*checkpoint.signatures, line))


def to_text(checkpoint: Checkpoint) -> bytes:
    """The checkpoint's file, UTF-8."""
    lines = [f"— {one.name} {b64encode(one.key + one.sig).decode()}\n" for one in checkpoint.signatures]
    return (checkpoint.text + "\n" + "".join(lines)).encode()


def read(data: bytes, *, where: str) -> Checkpoint:
    """A checkpoint from outside, of at most 64 KiB and 64 signatures. Raises Unusable (CHKP001)."""
    try:
        return _read(data)
    except ValueError as error:
        what = f"the checkpoint cannot be read: {error}"
        mend = "get the checkpoint again from where it was kept"
        raise Unusable(Fault(code="CHKP001", what=what, where=where, mend=mend)) from error


def verify(checkpoint: Checkpoint, register: Register, *, where: str, at: datetime | None = None) -> Vouched:
    """Check who signed a checkpoint. Lines of unknown keys are ignored; one wrong line of a registered key refuses it
    all, as the format asks.

    at: when it was signed, if that is known for certain; without it a revoked key counts for nothing. Fault: CHKP002.
    """
    text = checkpoint.text.encode()
    good: list[str] = []
    for line in checkpoint.signatures:
        named = [one for one in register.keys.values() if key_id(line.name, one.public.raw) == line.key]
        right = [one.public.id for one in named if one.public.verify(line.sig, text)]
        if named and not right:
            return _refused(f"the signature of {line.name[:100]!r} is wrong: its text was changed", where)
        good += right
    persons = register.persons(good, at=at)
    if not good:
        return _refused("no registered key signed it", where)
    if not persons:
        return _refused("only revoked keys signed it", where)
    return Vouched(fault=None, persons=persons)


def _refused(why: str, where: str) -> Vouched:
    mend = "compare with a copy kept elsewhere; a register that lacks the log's key has to learn it first"
    fault = Fault(code="CHKP002", what=f"the checkpoint cannot be believed: {why}", where=where, mend=mend)
    return Vouched(fault=fault, persons=())


def _read(data: bytes) -> Checkpoint:
    if len(data) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    try:
        note = data.decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if any(ord(char) < 32 and char != "\n" for char in note) or not note.endswith("\n"):
        raise ValueError("it holds control characters or does not end with its line")
    text, blank, signatures = note.rpartition("\n\n")
    lines = text.split("\n")
    if not blank or len(lines) < 3 or not all(lines):
        raise ValueError("it is not origin, size and root with signatures after an empty line")
    origin, size, root, *extensions = lines
    if not (size.isascii() and size.isdigit()) or len(size) > 19 or str(int(size)) != size or int(size) >= _LARGEST:
        raise ValueError("its size is not a number as it would be written")
    found = Checkpoint(
        origin=origin,
        size=int(size),
        root=from_base64(root),
        extensions=tuple(extensions),
        signatures=tuple(_signature(line) for line in signatures.removesuffix("\n").split("\n")[: MOST_SIGNATURES + 1]),
    )
    if len(found.root) != merkle.SIZE:
        raise ValueError(f"its root has not {merkle.SIZE} bytes")
    if len(found.signatures) > MOST_SIGNATURES:
        raise ValueError(f"it has more than {MOST_SIGNATURES} signatures")
    return found


def _signature(line: str) -> NoteSignature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "—" or not _is_key_name(name):
        raise ValueError("a signature line is not a dash, a name and base64")
    data = from_base64(encoded)
    if len(data) < 5:
        raise ValueError("a signature is too short")
    return NoteSignature(name=name, key=data[:4], sig=data[4:])


def _is_key_name(name: str) -> bool:
    return 0 < len(name) <= 255 and "+" not in name and all(c.isprintable() and not c.isspace() for c in name)
