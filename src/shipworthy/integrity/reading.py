"""Files and JSON from outside, read so that no two readers can disagree on what they say."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import stat
from pathlib import Path
from typing import Any, NoReturn, cast

MOST_BYTES = 16 << 20
_VERSION = re.compile(r"([a-z0-9/-]{1,60})@([1-9][0-9]{0,5})")


def read_bytes(path: Path, *, most: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file; a symbolic link in its last place is not followed.

    most: bytes. Raises OSError where it cannot be read, ValueError where it is no file or larger than `most`.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is not a regular file")
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    return data


def read_json(data: bytes, *, most: int = MOST_BYTES) -> Any:
    """A JSON value of at most `most` bytes. Raises ValueError, with a reason fit to be shown, for anything that is not
    UTF-8, has a key twice in one object, a number that JSON does not know, or is nested too deeply."""
    if len(data) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} in line {error.lineno}") from None


class Newer(ValueError):
    """A file of a version that this Shipworthy does not know yet."""


def following(found: Any, *schemas: str) -> dict[str, Any]:
    """A JSON object that follows one of the schemas that can be read, such as `shipworthy/package@1`, in `schema`.

    schemas: versions of one kind of file, at least one, oldest first. Raises ValueError, with a reason fit to be shown;
    Newer where a later Shipworthy wrote it.
    """
    stated = found.get("schema") if isinstance(found, dict) else None
    if stated in schemas:
        return cast("dict[str, Any]", found)
    kind, _, last = schemas[-1].partition("@")
    said = _VERSION.fullmatch(stated) if isinstance(stated, str) else None
    if said and said[1] == kind and int(said[2]) > int(last):
        raise Newer(
            f"it was written by a newer Shipworthy: it follows {stated}, and this one reads {' and '.join(schemas)}"
        )
    raise ValueError(f"it does not follow {' or '.join(schemas)}")


def from_base64(text: str, *, url_safe: bool = False) -> bytes:
    """The bytes of a base64 text in its one spelling: padded, no foreign characters, no stray bits at its end.

    url_safe: also read the URL-safe alphabet. Raises ValueError. Source: RFC 4648, sections 4 and 5.
    """
    plain = text
    if url_safe and not set("+/") & set(text):
        plain = text.replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None
    if base64.b64encode(data).decode() != plain:
        raise ValueError("it is not base64 as it would be written")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return record


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no JSON number")
