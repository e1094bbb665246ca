"""A whole record into another database, row by row and byte by byte: the log that arrives is the log that left."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.errors import Fault, Unusable
from shipworthy.record.schema import metadata

_BATCH = 5_000  # rows on their way at once


def copy_rows(source: Connection, target: Connection) -> int:
    """Copy every row of one record into another, which has to be empty; how many rows there were.

    Raises Unusable (RECORD019) where the other record holds anything.
    """
    tables = metadata.sorted_tables  # those that others point to come first
    for table in tables:
        if target.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            what = f"the record to copy into is not empty: it has rows in {table.name}"
            raise Unusable(Fault(code="RECORD019", what=what, where=table.name, mend="name a new database"))
    copied = 0
    for table in tables:
        found = source.execution_options(stream_results=True).execute(sa.select(table))
        while rows := found.fetchmany(_BATCH):
            target.execute(sa.insert(table), [dict(row._mapping) for row in rows])
            copied += len(rows)
    return copied
