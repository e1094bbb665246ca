"""SQL expressions of a plan, turned into expressions that any backend runs.

Only what is listed here is understood: columns, literals, comparisons, arithmetic, boolean logic, CASE, CAST and a few functions.
A sub-query, a second statement or a function that reads a file has no translation, so it cannot be smuggled in.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
import sqlglot
from sqlglot import exp

from shipworthy.errors import DataError, Fault

_BINARY: Mapping[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.And: operator.and_,
    exp.Or: operator.or_,
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
    exp.Mod: operator.mod,
    exp.Like: lambda text, pattern: text.like(pattern),
    exp.ILike: lambda text, pattern: text.ilike(pattern),
}
_UNARY: Mapping[type[exp.Expression], Callable[[Any], Any]] = {
    exp.Not: operator.invert,
    exp.Neg: operator.neg,
    exp.Paren: lambda inner: inner,
    exp.Lower: lambda text: text.lower(),
    exp.Upper: lambda text: text.upper(),
    exp.Trim: lambda text: text.strip(),
    exp.Length: lambda text: text.length(),
    exp.Abs: lambda number: number.abs(),
    exp.Floor: lambda number: number.floor(),
    exp.Ceil: lambda number: number.ceil(),
    exp.Year: lambda moment: moment.year(),
    exp.Month: lambda moment: moment.month(),
}
_LONGEST = 4_000  # characters; a condition longer than this is not a condition


def translate(text: str, table: ir.Table, *, where: str) -> ir.Value:
    """Translate one SQL expression over the columns of `table`.

    text: a column name exactly as the table spells it, or an expression such as `age < 25 and region = 'rural'`.
    where: where the expression stands in the plan, for the error.
    Raises DataError (DATA002 unknown column, DATA003 not understood).
    """
    if text in table.columns:
        return table[text]
    try:
        if len(text) > _LONGEST:
            raise _NotUnderstood(f"it is longer than {_LONGEST} characters")
        statements = sqlglot.parse(text, read="duckdb")
        if len(statements) != 1 or statements[0] is None:
            raise _NotUnderstood("it is not a single expression")
        built = _build(statements[0], table, where)
        return built if isinstance(built, ir.Value) else ibis.literal(built)
    except (sqlglot.errors.SqlglotError, _NotUnderstood, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is nested too deeply"
        raise DataError(
            Fault(
                code="DATA003",
                what=f"{shorten(text)!r} is neither a column nor an expression over columns: {reason}",
                where=where,
                mend=_suggest(text, table.columns)
                or "write a column name, or comparisons joined by and/or, e.g. age >= 18 and region = 'north'",
            )
        ) from error
    except DataError:
        raise
    except Exception as error:  # ibis refuses an operation between these types
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            Fault(
                code="DATA003",
                what=f"{shorten(text)!r} does not fit the types of its columns: {shorten(reason, 160)}",
                where=where,
                mend="compare numbers with numbers and text with quoted text; cast(column as double) converts",
            )
        ) from error


def shorten(text: str, longest: int = 80) -> str:
    """Cut text for a message, and say so with an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


class _NotUnderstood(Exception):
    pass


def _suggest(name: str, columns: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, columns, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(repr(shorten(column, 40)) for column in columns[:12])
    return f"the columns are {shown}{' …' if len(columns) > 12 else ''}"


def _build(node: exp.Expression, table: ir.Table, where: str) -> Any:  # noqa: C901 - a dispatch over node types
    kind = type(node)
    if kind is exp.Column:
        name = node.name
        if node.args.get("table") is not None or name not in table.columns:
            raise DataError(
                Fault(
                    code="DATA002",
                    what=f"there is no column {shorten(name)!r}",
                    where=where,
                    mend=_suggest(name, table.columns),
                )
            )
        return table[name]
    if kind is exp.Literal:
        return node.this if node.is_string else _number(node.this)
    if kind is exp.Boolean:
        return node.this
    if kind is exp.Null:
        return ibis.null()
    if kind in _UNARY:
        inner = _build(node.this, table, where)
        return _UNARY[kind](inner if not isinstance(inner, int | float | str) else ibis.literal(inner))
    if kind in _BINARY:
        left, right = _build(node.this, table, where), _build(node.expression, table, where)
        if not isinstance(left, ir.Value) and not isinstance(right, ir.Value):
            left = ibis.literal(left)
        return _BINARY[kind](left, right)
    if kind is exp.Is:
        return _is(node, table, where)
    if kind is exp.In:
        if node.args.get("query") is not None or node.args.get("unnest") is not None:
            raise _NotUnderstood("a sub-query is not allowed")
        return _build(node.this, table, where).isin([_build(item, table, where) for item in node.expressions])
    if kind is exp.Between:
        low, high = _build(node.args["low"], table, where), _build(node.args["high"], table, where)
        return _build(node.this, table, where).between(low, high)
    if kind is exp.Coalesce:
        return ibis.coalesce(*(_build(item, table, where) for item in [node.this, *node.expressions]))
    if kind is exp.Cast:
        return _build(node.this, table, where).cast(_cast_target(node))
    if kind is exp.Case and node.this is None:
        branches = [(_build(b.this, table, where), _build(b.args["true"], table, where)) for b in node.args["ifs"]]
        default = node.args.get("default")
        return ibis.cases(*branches, else_=None if default is None else _build(default, table, where))
    raise _NotUnderstood(f"{node.key.upper()} is not allowed here")


def _is(node: exp.Expression, table: ir.Table, where: str) -> ir.Value:
    inner = _build(node.this, table, where)
    if isinstance(node.expression, exp.Null):
        return inner.isnull()
    if isinstance(node.expression, exp.Not) and isinstance(node.expression.this, exp.Null):
        return inner.notnull()
    if isinstance(node.expression, exp.Boolean):
        return inner.fill_null(not node.expression.this) == node.expression.this
    raise _NotUnderstood("IS takes null, true or false")


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


_CASTS: Mapping[str, str] = {
    "INT": "int64",
    "BIGINT": "int64",
    "DOUBLE": "float64",
    "FLOAT": "float64",
    "TEXT": "string",
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}


def _cast_target(node: exp.Expression) -> str:
    name = node.to.this.name if hasattr(node.to.this, "name") else str(node.to.this)
    if name not in _CASTS:
        raise _NotUnderstood(f"CAST to {name} is not allowed; use {', '.join(sorted(set(_CASTS)))}")
    return _CASTS[name]
