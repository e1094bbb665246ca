"""Who may read what of a document, with the rest withheld in sight.

What is withheld keeps its place, its class and a digest. Short answers could be guessed from a bare digest, so each is
salted with a key of its own, which opens that one and no other.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from shipworthy.digest import Json, digest
from shipworthy.evidence.documents import content
from shipworthy.evidence.documents.fields import PRIVACIES, Privacy

if TYPE_CHECKING:  # `verify` compares classes, and need not load what documents are filled in from
    from shipworthy.evidence.documents.document import Document
    from shipworthy.evidence.documents.filling import Entry

SHORTEST_SALT = 16  # bytes
_SOMEBODY = "a person, withheld"


def is_visible(privacy: Privacy, audience: Privacy) -> bool:
    """Whether an audience, named by the strictest class that it may read, sees something of a class."""
    return PRIVACIES.index(privacy) <= PRIVACIES.index(audience)


def opening(salt: bytes, name: str) -> str:
    """The key that opens what was withheld under one name, and nothing else; hexadecimal.

    Raises ValueError for a salt of fewer than 16 bytes.
    """
    if len(salt) < SHORTEST_SALT:
        raise ValueError(f"a salt has at least {SHORTEST_SALT} bytes, so that nobody can guess it; got {len(salt)}")
    return hmac.new(salt, name.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def commitment(body: Json, key: str) -> str:
    """The digest of something with the key that opens it: anybody who is given both can check it."""
    return digest({"body": body, "salt": key})


def redact(document: Document, audience: Privacy, *, salt: bytes) -> Document:
    """The document as an audience may read it: what is of a stricter class is shown as withheld, with its class and a
    digest of what it said; nothing is dropped.

    audience: the strictest class that it may read. salt: random bytes that stay with the whole document.
    """
    chapters = tuple(
        replace(chapter, entries=tuple(_redacted(entry, audience, salt) for entry in chapter.entries))
        for chapter in document.chapters
    )
    strictest = min(audience, document.audience, key=PRIVACIES.index)
    hidden = () if is_visible("personal", audience) else document.entries
    names = Counter(entry.by for entry in hidden if entry.by not in ("", _SOMEBODY))
    withheld = tuple(
        (f"who answered {count} of the fields", commitment(name, opening(salt, f"by:{name}")))
        for name, count in names.items()
    )
    headline = document.headline if is_visible("internal", audience) else document.bare
    return replace(
        document,
        chapters=chapters,
        headline=headline,
        audience=strictest,
        withheld=tuple(sorted({*document.withheld, *withheld})),
    )


def _redacted(entry: Entry, audience: Privacy, salt: bytes) -> Entry:
    if entry.by and not is_visible("personal", audience):
        entry = replace(entry, by=_SOMEBODY)
    if is_visible(entry.privacy, audience) or entry.state in ("missing", "withheld") or entry.digest:
        return entry
    body: Json = {"content": content.as_json(entry.content), "note": entry.note, "state": entry.state}
    held = f"of class {entry.privacy}; this copy shows up to {audience}"
    digest_of = commitment(body, opening(salt, entry.field.id))
    if entry.state == "not applicable":
        return replace(entry, note=f"the reason is withheld, {held}", digest=digest_of)
    return replace(entry, state="withheld", content=(), note=held, digest=digest_of)
