"""Estimates in bulk: what is estimated is told once, as a series; each run adds a row of numbers to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from shipworthy.errors import Damaged, Fault, Unusable
from shipworthy.record.schema import estimates, runs, series

_SERIES = ("evaluation", "metric", "compare", "slice", "reference", "variant", "baseline", "level", "method")
_NEEDED = ("evaluation", "metric", "compare", "slice")
_NUMBERS = ("value", "low", "high", "n", "effective_n", "reason")
_TYPES = {
    **dict.fromkeys(_SERIES, pa.string()),
    **dict.fromkeys(("level", "value", "low", "high", "effective_n"), pa.float64()),
    "n": pa.int64(),
    "reason": pa.string(),
}
_CHUNK = 100_000  # rows on their way at once
_KEYS = 500  # names in one question: SQLite takes 32,766 parameters, older ones 999
LONGEST = 20_000  # bytes of what names a series, and of a reason
SCHEMA = pa.schema({"run": pa.string(), **{name: _TYPES[name] for name in (*_SERIES, *_NUMBERS)}})


def read_estimates(table: pa.Table, where: str) -> pa.Table:
    """The columns that the record keeps, typed. Columns that it does not know are left out, absent ones are null.

    table: as `estimates.parquet` of a run. Raises Unusable (RECORD018) for a column that is missing or of another type,
    for a number that is not finite, and for a text that cannot be kept.
    """
    columns = {}
    for name, type_ in _TYPES.items():
        if name not in table.column_names:
            if name in _NEEDED:
                raise _wrong(f"the column {name!r} is missing", where)
            columns[name] = pa.chunked_array([pa.nulls(table.num_rows, type_)])
            continue
        try:
            columns[name] = table[name].cast(type_)
        except pa.ArrowException as error:
            raise _wrong(f"the column {name!r} is no {type_}: {str(error).splitlines()[0][:200]}", where) from error
        column = columns[name]
        if name in _NEEDED and column.null_count:
            raise _wrong(f"the column {name!r} has {column.null_count:,} empty cells", where)
        if type_ == pa.float64() and not pc.all(pc.is_finite(column), min_count=0).as_py():
            raise _wrong(
                f"the column {name!r} holds a number that is not finite; nothing is null, with a reason", where
            )
        if type_ == pa.string():
            if pc.any(pc.match_substring(column, "\0"), min_count=0).as_py():
                raise _wrong(f"the column {name!r} holds a NUL character, which PostgreSQL cannot keep", where)
            if (pc.max(pc.binary_length(column)).as_py() or 0) > LONGEST:
                raise _wrong(f"the column {name!r} holds a text of more than {LONGEST:,} bytes", where)
    return pa.table(columns)


def add_estimates(connection: Connection, number: int, table: pa.Table) -> None:
    """Insert what `read_estimates` read as the estimates of run `number`."""
    for start in range(0, table.num_rows, _CHUNK):
        part = table.slice(start, _CHUNK)
        rows = pa.table(
            {
                "number": pa.repeat(pa.scalar(number, pa.int64()), part.num_rows),
                "position": pa.array(np.arange(start, start + part.num_rows)),
                "series": pa.array(_series_of(connection, part)),
                **{name: part[name] for name in _NUMBERS},
            }
        )
        _insert(connection, estimates, rows)


def find_estimates(connection: Connection, where: Sequence[sa.ColumnElement[bool]], limit: int | None) -> pa.Table:
    """Estimates as an Arrow table with the columns of SCHEMA, by run and in the order in which the run has them."""
    chosen = (
        sa.select(runs.c.digest, *(series.c[name] for name in _SERIES), *(estimates.c[name] for name in _NUMBERS))
        .select_from(estimates)
        .join(runs, runs.c.number == estimates.c.number)
        .join(series, series.c.series == estimates.c.series)
        .where(*where)
        .order_by(estimates.c.number, estimates.c.position)
        .limit(limit)
    )
    found = connection.execution_options(stream_results=True).execute(chosen)
    batches = []
    while rows := found.fetchmany(_CHUNK):
        columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)]
        _refuse_no_objects(columns[SCHEMA.get_field_index(name)] for name in ("slice", "reference"))
        batches.append(pa.record_batch(columns, schema=SCHEMA))
    return pa.Table.from_batches(batches, schema=SCHEMA)


def _series_of(connection: Connection, table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The number of each row's series, made where it is new."""
    spelled = _spelled(table)
    keys = [hashlib.sha256(key.encode()).hexdigest() for key in spelled.dictionary.to_pylist()]
    codes: np.ndarray[Any, np.dtype[np.int64]] = spelled.indices.to_numpy().astype(np.int64)
    known = _known(connection, keys)
    missing = [place for place, key in enumerate(keys) if key not in known]
    if missing:
        first = np.unique(codes, return_index=True)[1][missing]  # codes run from 0 in the order of the dictionary
        start = (connection.execute(sa.select(sa.func.max(series.c.series))).scalar() or 0) + 1
        numbers = range(start, start + len(missing))
        new = [keys[place] for place in missing]
        rows = table.select(_SERIES).take(pa.array(first))
        rows = rows.add_column(0, "key", pa.array(new, pa.string())).add_column(
            0, "series", pa.array(numbers, pa.int64())
        )
        _insert(connection, series, rows)
        known.update(zip(new, numbers, strict=True))
    places: np.ndarray[Any, np.dtype[np.int64]] = np.array([known[key] for key in keys], dtype=np.int64)[codes]
    return places


def _spelled(table: pa.Table) -> Any:
    """What the key of each row's series is the digest of."""
    # Length and content of each cell: two different rows never spell the same key.
    cells = [pc.cast(table[name], pa.string()) for name in _SERIES]
    lengths = [pc.cast(pc.binary_length(cell), pa.string()) for cell in cells]
    parts = [
        pc.fill_null(pc.binary_join_element_wise(n, cell, ":"), "-") for n, cell in zip(lengths, cells, strict=True)
    ]
    spelled = pc.binary_join_element_wise(*parts, "").combine_chunks().dictionary_encode()
    return spelled.combine_chunks() if isinstance(spelled, pa.ChunkedArray) else spelled


def changed_series(connection: Connection) -> int:
    """How many series are not what their keys are digests of, whatever the database holds in their place."""
    found = connection.execute(sa.select(series.c.key, *(series.c[name] for name in _SERIES)))
    wrong = 0
    while rows := found.fetchmany(_CHUNK):
        try:
            wrong += _unlike(rows)
        except _NO_VALUES:
            wrong += sum(map(_is_unlike, rows))
    return wrong


_NO_VALUES = (pa.ArrowException, TypeError, ValueError, OverflowError)


def _is_unlike(row: sa.Row[Any]) -> bool:
    try:
        return _unlike([row]) > 0
    except _NO_VALUES:
        return True


def _unlike(rows: Sequence[sa.Row[Any]]) -> int:
    keys, *cells = zip(*rows, strict=True)
    table = pa.table({name: pa.array(some, _TYPES[name]) for name, some in zip(_SERIES, cells, strict=True)})
    spelled = _spelled(table).cast(pa.string()).to_pylist()
    return sum(hashlib.sha256(one.encode()).hexdigest() != key for one, key in zip(spelled, keys, strict=True))


def _refuse_no_objects(columns: Iterable[pa.Array]) -> None:
    for text in {text for column in columns for text in pc.unique(column).to_pylist() if text is not None}:
        try:
            is_object = isinstance(json.loads(text), dict)
        except ValueError:
            is_object = False
        if not is_object:
            what = "what the record keeps of a slice is no JSON object: it was changed there"
            mend = "`shipworthy record verify` says where; then restore a backup"
            raise Damaged(Fault(code="RECORD009", what=what, where="table series", mend=mend))


def _known(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(keys), _KEYS):
        asked = sa.select(series.c.key, series.c.series).where(series.c.key.in_(keys[start : start + _KEYS]))
        found.update((key, place) for key, place in connection.execute(asked))
    return found


def _insert(connection: Connection, table: sa.Table, rows: pa.Table) -> None:
    names = ", ".join(f'"{name}"' for name in rows.column_names)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * rows.num_columns)
        columns = [column.to_pylist() for column in rows.itercolumns()]
        statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
        connection.exec_driver_sql(statement, list(zip(*columns, strict=True)))
        return
    import psycopg
    from pyarrow import csv

    sink = pa.BufferOutputStream()
    csv.write_csv(rows, sink, csv.WriteOptions(include_header=False))
    statement = f"COPY {table.name} ({names}) FROM STDIN (FORMAT csv)"
    raw: Any = connection.connection.driver_connection
    try:
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(sink.getvalue().to_pybytes())
    except psycopg.Error as error:
        raise DBAPIError(statement, None, error) from error


def _wrong(what: str, where: str) -> Unusable:
    return Unusable(
        Fault(code="RECORD018", what=what, where=where, mend="hand over the run's estimates.parquet as it is")
    )
