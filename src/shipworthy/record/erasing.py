"""Where documents say in words who somebody is, and the same documents without the words for one person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shipworthy.record.documents import Document
from shipworthy.record.reading import read_document

# Keys of a document, at any depth, whose text says who somebody is. In all other fields a person is a commitment, or is
# spoken of in prose, which people write anew.
NAMED = ("owner", "by")
ERASED = "somebody who was erased"


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """How a person is written."""

    email: str  # "" where there is none
    name: str  # "" where it is another's too, and names nobody

    def is_named(self, text: str) -> bool:
        """Whether a text says that it is this person: by address, or by the name alone."""
        told = text.strip().casefold()
        return bool((self.email and self.email.casefold() in told) or (self.name and told == self.name.casefold()))


def names(document: Document, known: Known) -> bool:
    """Whether a document says in words that somebody is this person."""
    return any(known.is_named(text) for text in _said(document.model_dump(mode="json")))


def unnamed(document: Document, known: Known) -> Document:
    """The same document without the words for this person. Raises Unusable where it is none any more (RECORD014)."""
    return read_document(document.kind, _without(document.model_dump(mode="json"), known))


def _said(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in NAMED and isinstance(inner, str):
                yield inner
            else:
                yield from _said(inner)
    elif isinstance(value, list):
        for one in value:
            yield from _said(one)


def _without(value: Any, known: Known) -> Any:
    if isinstance(value, dict):
        return {
            key: ERASED if key in NAMED and isinstance(inner, str) and known.is_named(inner) else _without(inner, known)
            for key, inner in value.items()
        }
    return [_without(one, known) for one in value] if isinstance(value, list) else value
