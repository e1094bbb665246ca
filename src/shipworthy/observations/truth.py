"""Truth values as numbers, in words that every backend understands: PostgreSQL casts no boolean to a number."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def as_number(value: ir.Value, kind: str = "float64") -> ir.Value:
    """A number as `kind`; a condition as 1 where it holds, 0 where it does not, and null where nobody knows."""
    if isinstance(value, ir.BooleanValue):
        return ibis.cases((value, 1), (~value, 0), else_=ibis.null("int8")).cast(kind)
    return value.cast(kind)
