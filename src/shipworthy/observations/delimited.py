"""Delimited text: the header line settles the dialect, and no line is skipped, padded or guessed away."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DELIMITERS = ",;\t|"
_OPENERS: Mapping[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open}
_LONGEST = 1 << 20  # bytes; a header line longer than this is none


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line of a file, and what it says about the others."""

    columns: tuple[str, ...]
    delimiter: str
    crlf: bool = False  # lines end with a carriage return and a line feed

    @property
    def lookalikes(self) -> tuple[str, str] | None:
        """Two columns whose names differ only in upper and lower case, which SQL does not tell apart."""
        seen: dict[str, str] = {}
        for column in filter(None, self.columns):
            if seen.setdefault(column.casefold(), column) != column:
                return seen[column.casefold()], column
        return None

    @property
    def repeats(self) -> list[tuple[int, int]]:
        """Positions (first, again) of every name that stands more than once."""
        return [
            (first, again) for again, name in enumerate(self.columns) if (first := self.columns.index(name)) < again
        ]

    @property
    def options(self) -> dict[str, Any]:
        """What DuckDB's reader is told. Its sniffer, left to guess, drops all lines above a row that is too long."""
        return {
            "header": True,
            "delim": self.delimiter,
            "quote": '"',
            "escape": '"',
            "comment": "",
            "skip": 0,
            "null_padding": False,
        }


def read_header(path: Path) -> Header | None:
    """The header line of a CSV or TSV file. None: it is compressed in a way that only DuckDB reads. Raises OSError."""
    suffix = path.suffix.lower()
    if suffix == ".zst":
        return None
    opener = _OPENERS.get(suffix)
    with opener(path) if opener else path.open("rb") as stream:
        text = stream.read(_LONGEST).decode("utf-8-sig", "replace")
    is_tsv = ".tsv" in (part.lower() for part in path.suffixes)
    bare = "".join(text.split('"')[::2]).partition("\n")[0]  # delimiters inside quotes are text
    delimiter = "\t" if is_tsv else max(_DELIMITERS, key=bare.count)
    try:
        columns = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return None
    return Header(columns=tuple(columns), delimiter=delimiter, crlf=bare.endswith("\r"))


def reason(error: Exception) -> str:
    """What DuckDB says about a file, in one line, with the line of the file where it names one."""
    lines = [line.strip() for line in str(error).strip().splitlines()] or [type(error).__name__]
    first = lines[0].partition("Error: ")[2] or lines[0]
    if not first.startswith("CSV Error on Line: "):
        return first
    told = ("Expected Number", "Value with", "Invalid unicode", "Error when", "Maximum line")
    why = next((line for line in lines[1:] if line.startswith(told)), "it does not parse").rstrip(".")
    if counts := re.fullmatch(r"Expected Number of Columns: (\d+) Found: (\d+)", why):
        why = f"the header has {counts[1]} columns, and this line has {'more' if counts[2] > counts[1] else counts[2]}"
    return f"line {first.partition('Line: ')[2]}: {why[0].lower()}{why[1:]}"
