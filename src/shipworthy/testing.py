"""Conformance kit: the contract that our own extensions pass, for yours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shipworthy.errors import Fault, SubjectError

if TYPE_CHECKING:
    import pyarrow as pa

    from shipworthy.subjects.protocol import Predictor

_TOLERANCE = 1e-5  # relative; single-precision models differ by batch size in the last digits


def check_subject(predictor: Predictor, rows: pa.Table) -> None:
    """Check that `predictor` keeps the promises of `shipworthy.subjects.protocol.Predictor` on `rows`.

    rows: at least four rows that it can predict; the more they differ, the sharper the check.
    Raises SubjectError with one fault (SUBJ015) for every broken promise: it names and describes itself, answers in the
    right shape, twice the same, in the order of the rows, whatever the batch, and leaves its input alone.
    """
    if rows.num_rows < 4:
        raise ValueError(f"check_subject needs at least 4 rows, got {rows.num_rows}")
    name = getattr(predictor, "name", None)
    where = f"subjects.{name}" if isinstance(name, str) and name else type(predictor).__name__
    faults = [Fault(code="SUBJ015", what=what, where=where, mend=mend) for what, mend in _broken(predictor, rows)]
    if faults:
        raise SubjectError(faults)


def _broken(predictor: Predictor, rows: pa.Table) -> Iterator[tuple[str, str]]:
    from shipworthy.subjects.predictions import tabulate

    name = getattr(predictor, "name", None)
    if not isinstance(name, str) or not name:
        yield "its name is no text", "give it a `name`"
    described = predictor.describe()
    if not all(isinstance(part, str) for fact in dict(described).items() for part in fact):
        yield "describe() holds something else than text", "describe it by a dict of str to str"
    before = _copied(rows)
    try:
        first = tabulate(predictor.predict(rows), rows=rows.num_rows, name=str(name))
    except SubjectError as error:
        for fault in error.faults:
            yield f"{fault.code}: {fault.what}", fault.mend
        return
    if not rows.equals(before):
        yield "it changed the rows that it was handed", "copy before writing"
        return
    if not _alike(first, predictor.predict(rows)):
        yield "the same rows got another answer the second time", "fix the seed; predict, do not sample"
        return
    cut = rows.num_rows // 3
    pieces = [predictor.predict(rows.slice(0, cut)), predictor.predict(rows.slice(cut))]
    if not all(_alike(first.slice(start, part.num_rows), part) for start, part in zip((0, cut), pieces, strict=True)):
        yield "a row's answer depends on the rows beside it", "fit on training data, not on the batch"
        return
    backwards = list(range(rows.num_rows))[::-1]
    if not _alike(first.take(backwards), predictor.predict(rows.take(backwards))):
        yield "answers do not follow the order of the rows", "answer in the order of the rows"


def _copied(rows: pa.Table) -> pa.Table:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return pa.ipc.open_stream(sink.getvalue()).read_all()


def _alike(one: pa.Table, other: pa.Table) -> bool:
    import numpy as np
    import pyarrow as pa

    if one.num_rows != other.num_rows or set(one.column_names) != set(other.column_names):
        return False
    for title in one.column_names:
        left, right = one[title], other[title]
        if pa.types.is_floating(left.type) or pa.types.is_floating(right.type):
            ours, theirs = (np.array(column.to_pylist(), dtype=np.float64) for column in (left, right))
            if not np.allclose(ours, theirs, rtol=_TOLERANCE, atol=1e-7, equal_nan=True):
                return False
        elif left.to_pylist() != right.to_pylist():
            return False
    return True
