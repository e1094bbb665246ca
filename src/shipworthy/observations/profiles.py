"""A look at a table before any plan: what each column holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from shipworthy.plan.drafting import ColumnProfile, Kind

SHOWN_LEVELS = 12
MOST_LEVELS = 200  # a column with more has no levels worth showing
_AT_ONCE = 50  # columns that one query asks about: each that counts distinct values holds megabytes for itself


def profile(table: ir.Table, backend: Any) -> list[ColumnProfile]:
    """Describe every column: kind, nulls, distinct values, commonest levels, range.

    backend: the embedded DuckDB. Three looks at each column, in SQL of their own: Ibis takes longer to write a query
    over a thousand columns than DuckDB to answer it.
    """
    rows = f"({ibis.to_sql(table, dialect='duckdb')}) AS t"
    kinds = {column: _kind(table[column]) for column in table.columns}
    numbers = [column for column in table.columns if kinds[column] in ("int", "float")]
    (count,) = backend.con.execute(f"SELECT count(*) FROM {rows}").fetchone()
    facts = _asked("(count({0}), count(DISTINCT {0}))", table.columns, rows, backend)
    ends = _asked("(min({0}::DOUBLE), max({0}::DOUBLE))", numbers, rows, backend)
    few = [column for column in table.columns if facts[column][1] <= MOST_LEVELS]
    levels = _asked("histogram({0}::VARCHAR)", few, rows, backend)
    return [
        ColumnProfile(
            name=column,
            kind=kinds[column],
            rows=count,
            nulls=count - facts[column][0],
            distinct=facts[column][1],
            top=_top(levels.get(column)),
            minimum=ends.get(column, (None, None))[0],
            maximum=ends.get(column, (None, None))[1],
        )
        for column in table.columns
    ]


def _asked(question: str, columns: Sequence[str], rows: str, backend: Any) -> dict[str, Any]:
    """One aggregate of each column."""
    found: list[Any] = []
    for some in _cut(columns):
        asked = ", ".join(question.format(f"t.{_quoted(column)}") for column in some)
        found += backend.con.execute(f"SELECT {asked} FROM {rows}").fetchone()
    return dict(zip(columns, found, strict=True))


def _cut(columns: Sequence[str]) -> Iterator[Sequence[str]]:
    return (columns[start : start + _AT_ONCE] for start in range(0, len(columns), _AT_ONCE))


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _kind(value: ir.Value) -> Kind:
    kind = value.type()
    if kind.is_boolean():
        return "bool"
    if kind.is_integer():
        return "int"
    if kind.is_numeric():
        return "float"
    return "time" if kind.is_temporal() else "text"


def _top(levels: dict[str, int] | None) -> tuple[tuple[str, int], ...]:
    """The commonest levels, and of those that are as common the first by name."""
    return tuple(sorted((levels or {}).items(), key=lambda level: (-level[1], level[0]))[:SHOWN_LEVELS])
