"""Any table as cases, by a mapping of a case's keys to the table's columns.

columns: {prompt: question, reference: answer, id: qid, tags.topic: topic}
values: {expect: {safe: comply, unsafe: refuse}}
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from shipworthy.cases.formats.tables import Table
from shipworthy.cases.reading import case_of
from shipworthy.errors import DataError, Fault
from shipworthy.exchange import Case

ASKS = ("prompt", "turns", "messages")
_TEXTS = ("id", "prompt", "system", "expect", "hazard", "attack", "language", "cluster", "reference")
_LISTS = ("turns", "passages", "secrets")
_OBJECTS = ("messages", "tools", "tool_calls")
KEYS = frozenset((*_TEXTS, *_LISTS, *_OBJECTS, "tags"))
_TAG = "tags."


def by_name(columns: Iterable[str]) -> dict[str, str]:
    """The mapping of a table whose columns carry the names of a case's keys; columns of other names are passed over."""
    return {column: column for column in columns if column in KEYS or column.startswith(_TAG)}


def check_mapping(table: Table, columns: Mapping[str, str] | None) -> None:
    """That a mapping, or the columns' own names where there is none, says what is asked.

    Raises DataError (CASE012 a column that the table lacks or nothing that is asked, CASE014 a key that a case lacks).
    """
    where = str(table.files[0])
    mapping = by_name(table.columns) if columns is None else columns
    faults = [
        Fault(
            code="CASE014",
            what=f"a case has no key {key[:60]!r}",
            where=f"{where} columns.{key[:60]}",
            mend=f"map {', '.join(sorted(KEYS))}, or tags.<name>",
        )
        for key in mapping
        if key not in KEYS and not (key.startswith(_TAG) and len(key) > len(_TAG))
    ]
    faults += [missing(where, [column], table.columns) for column in mapping.values() if column not in table.columns]
    if not faults and sum(key in mapping for key in ASKS) != 1:
        faults.append(
            Fault(
                code="CASE012",
                what="no column says what is asked"
                if not mapping.keys() & set(ASKS)
                else "several columns say what is asked",
                where=where,
                mend=f"give columns: {{prompt: <column>}}; {advice(table.columns)}",
            )
        )
    if faults:
        raise DataError(faults)


def missing(where: str, lacking: list[str], columns: tuple[str, ...]) -> Fault:
    """The fault of columns that a table does not have (CASE012)."""
    return Fault(
        code="CASE012",
        what=f"there is no column {', '.join(repr(name[:60]) for name in lacking)}",
        where=where,
        mend=advice(columns),
    )


def advice(columns: tuple[str, ...]) -> str:
    """What there is in place of a column that is not: the names, or that they stand behind another separator."""
    named = f"the columns are {listed(columns)}"
    for mark, separator in _SEPARATORS.items():
        if sum(column.count(mark) for column in columns) >= len(columns):
            return (
                f"{named}: these are separated by {separator}, and cases are read from a .csv by commas and from a "
                ".tsv by tabs; save the file as one of these, or as Parquet"
            )
    return named


_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}


def listed(columns: tuple[str, ...]) -> str:
    """Names of columns, bounded, for a message."""
    return ", ".join(name[:60] for name in columns[:40])


def mapped_case(
    row: Mapping[str, Any], where: str, mapping: Mapping[str, str], values: Mapping[str, Mapping[str, str]]
) -> Case:
    """A row as a case. Without an id column, the id is made of what is asked. Raises DataError (CASE002, CASE013)."""
    found: dict[str, Any] = {}
    tags: dict[str, str] = {}
    for key, column in mapping.items():
        value = _translated(row.get(column), values.get(key), key, where)
        if value is None or value in ("", []):
            continue
        if key.startswith(_TAG):
            tags[key.removeprefix(_TAG)] = str(value)
        elif key == "tags":
            if not isinstance(value, Mapping):
                raise DataError(
                    Fault(
                        code="CASE013",
                        what=f"the column {column[:60]!r} holds no object of tags",
                        where=where,
                        mend="map a column of texts to tags.<name>",
                    )
                )
            tags.update({str(tag): str(said) for tag, said in value.items() if said is not None})
        elif key in _LISTS and isinstance(value, str):
            found[key] = [value]
        else:
            found[key] = value if key in (*_LISTS, *_OBJECTS) else str(value)
    if tags:
        found["tags"] = tags
    found.setdefault("id", f"row-{fingerprint(*(repr(found.get(key)) for key in (*ASKS, 'system', 'passages')))}")
    return case_of(found, where=where)


def _translated(value: Any, words: Mapping[str, str] | None, key: str, where: str) -> Any:
    if words is None or value is None:
        return value
    if str(value) not in words:
        raise DataError(
            Fault(
                code="CASE013",
                what=f"values.{key[:60]} does not say what {str(value)[:60]!r} means",
                where=where,
                mend=f"it knows {', '.join(map(repr, list(words)[:10]))}",
            )
        )
    return words[str(value)]


def fingerprint(*texts: str) -> str:
    """16 hexadecimal digits that stay the same for the same texts: an id for rows that have none."""
    joined = "\x1f".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:16]
