"""Canonical JSON and the digests that tie evidence to what it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import rfc8785

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_CHUNK = 1 << 20


def canonical(value: Json) -> bytes:
    """The one UTF-8 spelling of a JSON value: keys sorted by UTF-16 code units, numbers as ECMAScript prints them.

    value: None, bool, int within ±(2**53 - 1), finite float, str without lone surrogates, and lists, tuples or
    mappings with str keys of these. 1 and 1.0 are one number, as they are in JSON. Raises ValueError for anything else.
    Source: RFC 8785, JSON Canonicalization Scheme.
    """
    try:
        return rfc8785.dumps(value)
    except ValueError as error:  # its own errors, and those of encoding a key
        raise ValueError(f"not a JSON value that every reader keeps exactly: {error}") from error


def digest(value: Json) -> str:
    """The digest of a JSON value, as `sha256:<64 hex digits>`: equal for equal values, however they were written."""
    return f"sha256:{hashlib.sha256(canonical(value)).hexdigest()}"


class _Path(Protocol):
    """A path, named by what `open` needs of it: who computes may import digests, and reaches no files by that."""

    def __fspath__(self) -> str: ...


def file_digest(path: _Path) -> str:
    """The digest of a file's bytes, as `sha256:<64 hex digits>`, read in pieces. Raises OSError."""
    content = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123
        while piece := file.read(_CHUNK):
            content.update(piece)
    return f"sha256:{content.hexdigest()}"
