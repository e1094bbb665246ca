"""The documents of the record that a package holds: risks, waivers, sign-offs, decisions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from shipworthy.errors import Fault
from shipworthy.evidence.verifying.outcome import fault
from shipworthy.evidence.verifying.reading import DECISIONS, KINDS, Document, Package
from shipworthy.integrity import chain


def kept(package: Package) -> Iterator[Fault]:
    """Read every document of the record that the package holds; what has not the form of one is left out."""
    places = [(kind, f"risk/{kind}s.json", "documents") for kind in KINDS]
    found: dict[int, Document] = {}
    for kind, path, key in (*places, ("decision", DECISIONS, "decisions")):
        if (stated := package.json(path)) is None:
            continue
        listed = stated.get(key)
        if not isinstance(listed, list):
            yield fault("PACK022", f"it holds no list of documents under {key!r}", path)
            continue
        for one in listed:
            try:
                document = _document(kind, one, path)
            except ValueError as error:
                yield fault("PACK022", f"a document has not the form of one of the record: {error}", path)
                continue
            if document.is_bound is False:
                what = f"the text of {kind} {document.id[:80]!r} is not the one that its digest was made of"
                yield fault("PACK022", what, path)
            if (other := found.setdefault(document.seq, document)) is not document:
                what = (
                    f"{other.kind} {other.id[:80]!r} and {kind} {document.id[:80]!r} name one entry of the log, "
                    f"{document.seq:,}, which can tell of one alone"
                )
                yield fault("PACK022", what, path)
    package.documents = tuple(found.values())
    if loose := sum(one.is_bound is None for one in package.documents):
        package.notes.append(
            f"The text of {loose:,} documents is not bound to the log: their digests are here, and their salts are not."
        )


def _document(kind: str, one: Any, path: str) -> Document:
    """A document from outside. Raises ValueError."""
    if not isinstance(one, dict) or not isinstance(one.get("body"), dict):
        raise ValueError("it has no body")
    if type(one.get("seq")) is not int or not 0 <= one["seq"] < 2**53:
        raise ValueError("its seq is not the number of an entry")
    if not all(isinstance(one.get(key), str) for key in ("id", "digest", "at", "actor")):
        raise ValueError("its id, digest, time or actor is not text")
    one["id"].encode()
    if (body := one["body"]) and (body.get("kind"), body.get("id")) != (kind, one["id"]):
        raise ValueError("its body is that of another")
    try:
        at = datetime.fromisoformat(one["at"]).astimezone(UTC)
    except OverflowError:
        raise ValueError("its time is none") from None
    when = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told = (f"{kind}/{one['id']}", one["digest"], when, one["actor"])
    return Document(
        path=path, kind=kind, id=one["id"], seq=one["seq"], told=told, body=body, is_bound=_is_bound(one)
    )  # fmt: skip


def _is_bound(one: dict[str, Any]) -> bool | None:
    """Whether the digest of a document was made of its text; None without its salt. Raises ValueError."""
    if (salt := one.get("salt")) is None or not one["body"]:
        return None if one["body"] else True
    if not isinstance(salt, str):
        raise ValueError("its salt is not text")
    return bool(chain.body_digest(one["body"], salt=bytes.fromhex(salt)) == one["digest"])
