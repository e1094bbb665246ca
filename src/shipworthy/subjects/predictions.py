"""What a subject may answer, brought into one shape and checked before anything is computed from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shipworthy.subjects.faults import listed, quoted, subject_error

MOST_CLASSES = 1_000  # with a score each; rows times classes are held at once
_COLUMN = re.compile(r"prediction|score|score\[.+\]", re.DOTALL)
_SHAPES = (
    "return one column of predictions (array, Series or list), or a table, frame or dict with columns among "
    "prediction, score and score[<class>]"
)


def tabulate(raw: Any, *, rows: int, name: str) -> pa.Table:
    """Return the answer of subject `name` for `rows` rows as a checked table.

    raw: an Arrow table or batch, a pandas or Polars frame, a mapping of columns, or one bare column of predictions
    (array, Series, list; a bare column is always the prediction, whatever its type).
    Scores become float64; dictionary-encoded predictions are decoded.
    Raises SubjectError: SUBJ007 wrong length, SUBJ008 wrong shape, column or type, SUBJ009 NaN or infinite.
    """
    try:
        columns = _columns(raw)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise subject_error(
            name, "SUBJ008", f"its answer, a {type(raw).__name__}, is no table: {quoted(error)}", _SHAPES
        ) from error
    _check_names([title for title, _ in columns], name)
    lengths = {title: len(column) for title, column in columns}
    if set(lengths.values()) != {rows}:
        told = ", ".join(f'"{quoted(title)}" {length}' for title, length in list(lengths.items())[:4])
        what = str(lengths[columns[0][0]]) if len(set(lengths.values())) == 1 else f"columns of other lengths: {told}"
        raise subject_error(
            name, "SUBJ007", f"it was given {rows} rows and answered {what}", "answer every row, in order"
        )
    return pa.table({title: _checked(column, title, name) for title, column in columns})


def _columns(raw: Any) -> list[tuple[str, pa.ChunkedArray]]:
    """Each column with its name; of a mapping they may differ in length."""
    if isinstance(raw, Mapping):
        return [(str(column), _column(values)) for column, values in raw.items()]
    table = _table(raw)
    return list(zip(table.column_names, table.columns, strict=True))


def _table(raw: Any) -> pa.Table:
    if isinstance(raw, pa.Table):
        return raw
    if isinstance(raw, pa.RecordBatch):
        return pa.Table.from_batches([raw])
    if hasattr(raw, "columns") and type(raw).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(raw, preserve_index=False)
    if hasattr(raw, "columns") and hasattr(raw, "__arrow_c_stream__"):  # Polars and others
        return pa.table(raw)
    return pa.table({"prediction": _column(raw)})


def _column(values: Any) -> pa.ChunkedArray:
    if isinstance(values, pa.ChunkedArray):
        return values
    if isinstance(values, pa.Array):
        return pa.chunked_array([values])
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise TypeError(f"a column cannot be a {type(values).__name__}")
    if getattr(values, "ndim", 1) == 2 and values.shape[1] == 1:
        values = values[:, 0]
    column = pa.array(values)
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _check_names(titles: list[str], name: str) -> None:
    if len(set(titles)) < len(titles):
        raise subject_error(name, "SUBJ008", "its answer has two columns of one name", _SHAPES)
    strange = [column for column in titles if not _COLUMN.fullmatch(column)]
    if strange:
        raise subject_error(name, "SUBJ008", f"its answer has columns that mean nothing: {listed(strange)}", _SHAPES)
    if len(titles) > MOST_CLASSES + 2:
        what = f"its answer has {len(titles):,} columns"
        raise subject_error(name, "SUBJ008", what, f"answer the scores of {MOST_CLASSES:,} classes at most")
    if not titles:
        raise subject_error(name, "SUBJ008", "its answer has no columns", _SHAPES)


def _checked(column: pa.ChunkedArray, title: str, name: str) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if title != "prediction":
        if not (number or pa.types.is_null(kind)):
            raise subject_error(
                name, "SUBJ008", f'its column "{quoted(title)}" holds {kind}, not numbers', "answer scores as floats"
            )
        column = column.cast(pa.float64())
    elif not (
        number
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    ):
        raise subject_error(
            name, "SUBJ008", f"its predictions are of type {kind}", "answer numbers, text or true and false"
        )
    if pa.types.is_floating(column.type):
        _check_finite(column, title, name)
    return column


def _check_finite(column: pa.ChunkedArray, title: str, name: str) -> None:
    nans = pc.sum(pc.is_nan(column)).as_py() or 0
    infinite = pc.sum(pc.is_inf(column)).as_py() or 0
    if nans or infinite:
        raise subject_error(
            name,
            "SUBJ009",
            f'its column "{quoted(title)}" has {nans} NaN, {infinite} infinite and {column.null_count} null values '
            f"among {len(column)}",
            "answer null (None) for a row that has no answer; such rows count either way",
        )
