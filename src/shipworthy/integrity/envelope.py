"""Signed statements: DSSE envelopes with any number of Ed25519 signatures, counted by the persons behind them.

The signature covers the payload's type and its bytes as they are, so nothing is ever serialised again to be verified.
Source: DSSE protocol 1.0 (secure-systems-lab/dsse, protocol.md and envelope.md).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, product
from typing import Any

from shipworthy.errors import Fault, Unusable
from shipworthy.integrity.keys import Register, SigningKey
from shipworthy.integrity.persons import Person
from shipworthy.integrity.reading import MOST_BYTES, from_base64, read_json

IN_TOTO = "application/vnd.in-toto+json"
MOST_SIGNATURES = 64
MOST_WORK = 1 << 30  # bytes hashed for signatures that do not name their keys; a few seconds
_WORK_OF_A_TRY = 4096  # bytes that could be hashed while a signature is checked

_MEND = "get the envelope again from who signed it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """One signature. Its key id is a hint that nobody vouches for."""

    keyid: str  # may be empty
    sig: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """A payload with its signatures. Nothing in it is true before `verify` says so."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """What verifying an envelope found."""

    fault: Fault | None  # the first thing wrong; None: signed as required
    persons: tuple[Person, ...]  # who signed, each once, with keys that count
    keys: tuple[str, ...]  # ids of registered keys whose signature is right, revoked ones too


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding of a type and a body."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, keys: Sequence[SigningKey], *, payload_type: str = IN_TOTO) -> Envelope:
    """A payload in an envelope, signed with each key."""
    envelope = Envelope(payload=payload, payload_type=payload_type, signatures=())
    for key in keys:
        envelope = sign_also(envelope, key)
    return envelope


def sign_also(envelope: Envelope, key: SigningKey) -> Envelope:
    """The envelope with one more signature; those that are there are neither checked nor changed."""
    sig = key.sign(pae(envelope.payload_type, envelope.payload))
    return replace(envelope, signatures=(*envelope.signatures, Signature(keyid=key.public.id, sig=sig)))


def to_json(envelope: Envelope) -> bytes:
    """The envelope's file: one line of JSON with its line end."""
    import orjson

    return orjson.dumps(
        {
            "payload": b64encode(envelope.payload).decode(),
            "payloadType": envelope.payload_type,
            "signatures": [{"keyid": one.keyid, "sig": b64encode(one.sig).decode()} for one in envelope.signatures],
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def read(data: bytes, *, where: str, most: int = MOST_BYTES) -> Envelope:
    """An envelope from outside, of at most `most` bytes and 64 signatures; unknown fields are ignored, as DSSE asks.

    Raises Unusable (SIGN001) for anything that is not one.
    """
    try:
        found = read_json(data, most=most)
        if not isinstance(found, dict):
            raise ValueError("it is not an object")
        signatures = found.get("signatures")
        if not isinstance(signatures, list) or not 1 <= len(signatures) <= MOST_SIGNATURES:
            raise ValueError(f"it has not 1 to {MOST_SIGNATURES} signatures")
        return Envelope(
            payload=_bytes(found, "payload"),
            payload_type=_text(found, "payloadType"),
            signatures=tuple(_signature(one) for one in signatures),
        )
    except ValueError as error:
        raise Unusable(
            Fault(code="SIGN001", what=f"the envelope cannot be read: {error}", where=where, mend=_MEND)
        ) from error


def verify(
    envelope: Envelope,
    register: Register,
    *,
    where: str,
    threshold: int = 1,
    at: datetime | None = None,
    types: Collection[str] = (IN_TOTO,),
) -> Signed:
    """Check who signed an envelope. Every signature is tried with the key that it names, then with every
    registered key, as far as MOST_WORK goes: a hint vouches for nothing.

    threshold: how many persons must have signed; two keys of one person count once. at: when it was signed, if that
    is known for certain (from an audit log under a checkpoint); without it a revoked key counts for nothing. types:
    payload types that the caller can read. Faults: SIGN002 for another type, SIGN003 where no signature is that of a
    registered key, SIGN004 where only revoked keys signed, SIGN005 for too few persons,
    SIGN006 where finding out takes more work than an honest envelope needs.
    """
    if threshold < 1:
        raise ValueError("at least one person has to sign")
    if envelope.payload_type not in types:
        what = f"the payload is of the type {envelope.payload_type[:100]!r}, not {' or '.join(sorted(types))}"
        return _refused("SIGN002", what, where)
    signed = pae(envelope.payload_type, envelope.payload)
    keys: dict[str, None] = {}
    unnamed = []
    for one in envelope.signatures:
        hinted = register.keys.get(one.keyid)
        if hinted is not None and hinted.public.verify(one.sig, signed):
            keys[hinted.public.id] = None
        else:
            unnamed.append(one)
    tries = MOST_WORK // (len(signed) + _WORK_OF_A_TRY)
    for one, known in islice(product(unnamed, register.keys.values()), tries):
        if known.public.verify(one.sig, signed):
            keys[known.public.id] = None
    persons = register.persons(keys, at=at)
    if len(persons) < threshold and tries < len(unnamed) * len(register.keys):
        what = f"{len(unnamed)} signatures do not name a registered key, and the payload is too large to try all keys"
        return replace(_refused("SIGN006", what, where, tuple(keys)), persons=persons)
    if not keys:
        return _refused("SIGN003", "no signature is right for a registered key", where)
    if not persons:
        named = ", ".join(key[:16] for key in keys)
        return _refused("SIGN004", f"it is signed with revoked keys only: {named}", where, tuple(keys))
    if len(persons) < threshold:
        what = f"{len(persons)} of {threshold} persons signed it"
        return replace(_refused("SIGN005", what, where, tuple(keys)), persons=persons)
    return Signed(fault=None, persons=persons, keys=tuple(keys))


_MENDS = {
    "SIGN002": _MEND,
    "SIGN003": "add the signer's key to the register, if you trust it; else the payload was changed or is not theirs",
    "SIGN004": "have it signed again with a key in force",
    "SIGN006": "have it signed again with key ids, or take the signatures out that are not by registered keys",
    "SIGN005": "have further persons sign: several keys of one person count once",
}


def _refused(code: str, what: str, where: str, keys: tuple[str, ...] = ()) -> Signed:
    return Signed(fault=Fault(code=code, what=what, where=where, mend=_MENDS[code]), persons=(), keys=keys)


def _signature(found: Any) -> Signature:
    if not isinstance(found, dict):
        raise ValueError("a signature is not an object")
    return Signature(keyid=_text(found, "keyid") if found.get("keyid") is not None else "", sig=_bytes(found, "sig"))


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half a character") from None
    return value


def _bytes(found: dict[str, Any], name: str) -> bytes:
    try:
        return from_base64(_text(found, name), url_safe=True)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
