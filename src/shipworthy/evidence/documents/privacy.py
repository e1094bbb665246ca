"""Who may read what: the classes of fields and of a package's files, and documents with the rest withheld in sight.

What is withheld keeps its place, its class and a digest. Short answers could be guessed from a bare digest, so each is
salted with a key of its own, which opens that one and no other.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from shipworthy.digest import Json, digest
from shipworthy.evidence.documents import content
from shipworthy.evidence.documents.fields import PRIVACIES, Privacy

if TYPE_CHECKING:  # `verify` classes files, and need not load what documents are filled in from
    from shipworthy.evidence.documents.document import Document
    from shipworthy.evidence.documents.filling import Entry

SHORTEST_SALT = 16  # bytes
_SOMEBODY = "a person, withheld"

# The first pattern that fits decides. `*` crosses folders. What is not known is restricted.
_FILES: tuple[tuple[str, Privacy], ...] = (
    ("manifest.json", "public"),
    ("package.json", "public"),
    ("README.md", "public"),
    ("keys/*.pub", "public"),
    ("keys/*", "personal"),  # the register says whose key is whose
    ("attestations/*", "public"),
    ("bom/*", "internal"),
    ("trace/*", "internal"),
    ("gates/*", "internal"),
    ("plan/*", "internal"),
    ("audit/*", "internal"),
    ("risk/waivers.json", "internal"),  # who works with a breach may read why it is let through; the run says so too
    ("risk/*", "restricted"),
    ("docs/model_card.*", "public"),
    ("docs/launch-memo.*", "restricted"),
    ("docs/report.*", "restricted"),  # as in the run
    ("docs/*", "internal"),
    ("runs/*/observations/*", "personal"),
    ("runs/*/journal/*", "personal"),
    ("runs/*/report.html", "restricted"),  # shows transcripts; patterns take out most of what is personal, not all
    ("runs/*/report.pdf", "restricted"),
    ("runs/*", "internal"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WithheldFile:
    """A file of a package that is not handed over; the package's root still proves that it is part of it."""

    path: str
    size: int  # bytes
    sha256: str  # hexadecimal
    privacy: Privacy

    def as_json(self) -> Json:
        """The line that stands in the file's place."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256, "class": self.privacy, "withheld": True}


def file_class(path: str) -> Privacy:
    """The class of a file of a package, by its path in it (with forward slashes). What is not known is restricted."""
    if ".." in path.split("/"):
        return "personal"
    return next((privacy for pattern, privacy in _FILES if fnmatchcase(path, pattern)), "restricted")


def is_visible(privacy: Privacy, audience: Privacy) -> bool:
    """Whether an audience, named by the strictest class that it may read, sees something of a class."""
    return PRIVACIES.index(privacy) <= PRIVACIES.index(audience)


def withhold_file(path: str, *, size: int, sha256: str, audience: Privacy) -> WithheldFile | None:
    """What stands in place of a file that an audience may not read; None where it may."""
    privacy = file_class(path)
    if is_visible(privacy, audience):
        return None
    return WithheldFile(path=path, size=size, sha256=sha256, privacy=privacy)


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
