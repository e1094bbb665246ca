"""Reading a stranger's file: bounded, located, and closed to what is not known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from shipworthy.errors import DataError, Fault
from shipworthy.subjects.faults import quoted

LARGEST_DOCUMENT: Final = 512_000_000  # bytes of one JSON document, which is read whole
LONGEST_LINE: Final = 64_000_000  # bytes of one line
LONGEST_LABEL: Final = 80  # characters of the name of a score or of a column
SCORE: Final = "score."  # how tags begin that hold what the tool scored; `scorers.recorded` reads them
UNSCORED: Final = "unscored"  # the tool tried to score it and could not

Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]  # where a row stands, and the row


def unsupported(tool: str, found: object, known: str, where: str) -> DataError:
    """The fault of a version that this reader does not know."""
    return DataError(
        Fault(
            code="IMPT001",
            what=f"{tool}: version {quoted(found)[:60]!r} of its format is not known",
            where=where,
            mend=f"supported: {known}; export the log with such a version, or as JSON Lines of prompt and response",
        )
    )


def damaged(tool: str, what: str, where: str) -> DataError:
    """The fault of a log that cannot be read as what it claims to be."""
    return DataError(
        Fault(code="IMPT002", what=f"{tool}: {what}", where=where, mend="export the log again, whole and unchanged")
    )


def parsed(tool: str, raw: bytes, where: str) -> Any:
    """JSON, whatever its encoding holds. NaN and infinities are read, as these tools write them."""
    try:
        return json.loads(raw.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        raise damaged(tool, f"it is not JSON: {quoted(error)}", where) from error


def document(tool: str, path: Path) -> Mapping[str, Any]:
    """A JSON object that fills its file."""
    with path.open("rb") as file:
        raw = file.read(LARGEST_DOCUMENT + 1)
    if len(raw) > LARGEST_DOCUMENT:
        raise damaged(tool, f"it is larger than {LARGEST_DOCUMENT:,} bytes", str(path))
    return an_object(tool, parsed(tool, raw, str(path)), str(path))


def lines(tool: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a JSON Lines file, with where each stands."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
            where = f"{path}:{number}"
            if len(line) == LONGEST_LINE:
                raise damaged(tool, f"the line is longer than {LONGEST_LINE:,} bytes", where)
            if not line.isspace():
                yield where, an_object(tool, parsed(tool, line, where), where)


def an_object(tool: str, value: Any, where: str, name: str = "it") -> Mapping[str, Any]:
    """The value, if it is an object."""
    if not isinstance(value, dict):
        raise damaged(tool, f"{name} is no object", where)
    return value


def a_list(tool: str, value: Any, where: str, name: str) -> list[Any]:
    """The value, if it is a list."""
    if not isinstance(value, list):
        raise damaged(tool, f"{name} is no list", where)
    return value


def text(value: Any) -> str | None:
    """A text that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def scored(name: str, value: Any) -> dict[str, str]:
    """What a tool scored, as tags: one for a plain value, one for each part of a composite one.

    A value that is not a number (NaN) says that the tool could not score it, and no value that it did not try.
    """
    label = f"{SCORE}{name}"[: len(SCORE) + LONGEST_LABEL]
    if isinstance(value, Mapping):
        return {key: tag for part, each in value.items() for key, tag in scored(f"{name}.{part}", each).items()}
    if isinstance(value, list):
        return {key: tag for at, each in enumerate(value) for key, tag in scored(f"{name}.{at}", each).items()}
    if value is None:
        return {}
    if isinstance(value, float) and math.isnan(value):
        return {label: UNSCORED}
    return {label: str(value).lower() if isinstance(value, bool) else str(value)}


def columns(said: Any) -> Row:
    """Metadata of a case as further columns of its row: short scalars only, which become tags."""
    if not isinstance(said, Mapping):
        return {}
    kept = (str, int, float, bool)
    return {str(key)[:LONGEST_LABEL]: each for key, each in said.items() if key and isinstance(each, kept)}
