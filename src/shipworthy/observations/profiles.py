"""A look at a table before any plan: what each column holds."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from shipworthy.plan.drafting import ColumnProfile, Kind

SHOWN_LEVELS = 12


def profile(table: ir.Table, backend: Any) -> list[ColumnProfile]:
    """Describe every column: kind, nulls, distinct values, commonest levels, range. Two passes over the rows."""
    rows = int(backend.to_pyarrow(table.aggregate(n=table.count())).to_pylist()[0]["n"])
    kinds = {column: _kind(table[column]) for column in table.columns}
    facts: dict[str, ir.Value] = {}
    for index, column in enumerate(table.columns):
        value = table[column]
        facts[f"nulls{index}"], facts[f"distinct{index}"] = value.isnull().sum(), value.nunique()
        if kinds[column] in ("int", "float"):
            facts[f"low{index}"], facts[f"high{index}"] = value.cast("float64").min(), value.cast("float64").max()
    found = backend.to_pyarrow(table.aggregate(**facts)).to_pylist()[0] if facts else {}
    profiles = []
    for index, column in enumerate(table.columns):
        distinct = int(found[f"distinct{index}"] or 0)
        profiles.append(
            ColumnProfile(
                name=column,
                kind=kinds[column],
                rows=rows,
                nulls=int(found[f"nulls{index}"] or 0),
                distinct=distinct,
                top=_top(table, column, backend) if distinct <= 200 else (),
                minimum=found.get(f"low{index}"),
                maximum=found.get(f"high{index}"),
            )
        )
    return profiles


def _kind(value: ir.Value) -> Kind:
    kind = value.type()
    if kind.is_boolean():
        return "bool"
    if kind.is_integer():
        return "int"
    if kind.is_numeric():
        return "float"
    return "time" if kind.is_temporal() else "text"


def _top(table: ir.Table, column: str, backend: Any) -> tuple[tuple[str, int], ...]:
    levels = table.select(level=table[column].cast("string")).filter(lambda t: t.level.notnull())
    counts = levels.group_by("level").aggregate(n=lambda t: t.count())
    found = backend.to_pyarrow(counts.order_by([counts.n.desc(), counts.level]).limit(SHOWN_LEVELS))
    return tuple(zip(found["level"].to_pylist(), found["n"].to_pylist(), strict=True))
