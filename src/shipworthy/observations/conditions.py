"""SQL expressions of a plan, turned into expressions that any backend runs.

Only what is listed here is understood: columns, literals, comparisons, arithmetic, boolean logic, CASE, CAST and a few
functions. A sub-query, a second statement or a function that reads a file has no translation, so it cannot be smuggled
in.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import sqlglot
from sqlglot import exp

from shipworthy.errors import DataError, Fault

_COMPARE: Mapping[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
_LOGIC: Mapping[type[exp.Expression], Callable[[Any, Any], Any]] = {exp.And: operator.and_, exp.Or: operator.or_}
_ARITHMETIC: Mapping[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
    exp.Mod: operator.mod,
}
_PATTERN: Mapping[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.Like: lambda text, pattern: text.like(pattern),
    exp.ILike: lambda text, pattern: text.ilike(pattern),
}
_NUMERIC: Mapping[type[exp.Expression], Callable[[Any], Any]] = {
    exp.Neg: operator.neg,
    exp.Abs: lambda number: number.abs(),
    exp.Floor: lambda number: number.floor(),
    exp.Ceil: lambda number: number.ceil(),
}
_TEXT: Mapping[type[exp.Expression], Callable[[Any], Any]] = {
    exp.Lower: lambda text: text.lower(),
    exp.Upper: lambda text: text.upper(),
    exp.Trim: lambda text: text.strip(),
    exp.Length: lambda text: text.length(),
}
_MOMENT: Mapping[type[exp.Expression], Callable[[Any], Any]] = {
    exp.Year: lambda moment: moment.year(),
    exp.Month: lambda moment: moment.month(),
}
# Which parts of a node are read here. A node with any other part means something else, and is refused rather than
# misread.
_PARTS: Mapping[type[exp.Expression], frozenset[str]] = {
    exp.Div: frozenset({"this", "expression", "safe", "typed"}),  # how the dialect divides; DuckDB gives a fraction
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.ILike: frozenset({"this", "expression", "negate"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.In: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Coalesce: frozenset({"this", "expressions"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.Round: frozenset({"this", "decimals"}),
}
_LONGEST = 4_000  # characters; a condition longer than this is not a condition
# What is quoted, or a word that calls nothing and introduces no literal.
_WORD = re.compile(r"""'[^']*'|"[^"]*"|(?<![\w.])[^\W\d]\w*(?![\w.])(?!\s*[('])""")
_OURS = frozenset(  # words of an expression, which a column of that name does not take over
    word
    for line in ("and or not in is null true false like ilike between", "case when then else end as distinct from")
    for word in line.split()
)
_COMPARES = re.compile(r"[<>=]")


def translate(text: str, table: ir.Table, *, where: str) -> ir.Value:
    """Translate one SQL expression over the columns of `table`.

    text: a column name exactly as the table spells it, or an expression such as `age < 25 and region = 'rural'`.
    where: where the expression stands in the plan, for the error.
    Raises DataError (DATA002 unknown column, DATA003 not understood).
    """
    if text in table.columns:
        return table[text]
    try:
        return _build(_parsed(text, table.columns), table, where)
    except (sqlglot.errors.SqlglotError, _NotUnderstood, RecursionError) as error:
        deep = isinstance(error, RecursionError) or "recursion" in str(error)
        reason = "it is nested too deeply" if deep or not str(error) else _said(error)
        raise DataError(
            Fault(
                code="DATA003",
                what=f"{shorten(text)!r} is neither a column nor an expression over columns: {reason}",
                where=where,
                mend=suggest(text, table.columns) if text.strip().isidentifier() else _MEND,
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


def columns_in(text: str, columns: Sequence[str]) -> frozenset[str]:
    """Which of the columns an expression uses; none of one that cannot be read, which `translate` refuses."""
    if text in columns:
        return frozenset({text})
    try:
        used = _parsed(text, columns).find_all(exp.Column)
    except (sqlglot.errors.SqlglotError, _NotUnderstood, RecursionError):
        return frozenset()
    return frozenset(".".join(part.name for part in node.parts) for node in used) & frozenset(columns)


def refuse_broken(text: str, *, where: str) -> None:
    """Refuse a comparison that no columns could make one, before the data is opened. Raises DataError (DATA003)."""
    words = {word for word in _WORD.findall(text) if word.lower() not in _OURS}
    try:
        _parsed(text, words)
    except (sqlglot.errors.SqlglotError, _NotUnderstood, RecursionError) as error:
        if _COMPARES.search(text):  # else it may be a column of an odd name
            what = f"{shorten(text)!r} is no expression over columns: {_said(error)}"
            raise DataError(Fault(code="DATA003", what=what, where=where, mend=_MEND)) from error


def _parsed(text: str, columns: Collection[str]) -> Any:
    """The tree of one expression. A column's name that stands as a bare word is that column, also where SQL has a
    command or keyword of that name. Raises SqlglotError, _NotUnderstood, RecursionError.
    """
    if len(text) > _LONGEST:
        raise _NotUnderstood(f"it is longer than {_LONGEST} characters")

    def spelled(found: re.Match[str]) -> str:
        word, before = found[0], text[: found.start()].split()[-1:]
        is_type = bool(before) and before[0].lower() == "as"
        is_column = word in columns and word.isidentifier() and word.lower() not in _OURS
        return f'"{word}"' if is_column and not is_type else word

    statements = sqlglot.parse(_WORD.sub(spelled, text), read="duckdb")
    if len(statements) != 1 or statements[0] is None:
        raise _NotUnderstood("it is not a single expression")
    return statements[0]


def _said(error: Exception) -> str:
    """Why a text is no expression, without the parser's own names of things."""
    if not isinstance(error, sqlglot.errors.ParseError) or not error.errors:
        return shorten(str(error).splitlines()[0], 160)
    found = error.errors[0]
    place = str(found.get("highlight") or found.get("start_context") or "its start")
    return f"it does not parse near {shorten(place, 40)!r}"


_MEND = (
    "write a column name, or comparisons joined by and/or, e.g. age >= 18 and region = 'north'; the name of a column "
    'that is no plain word, or a word of SQL, goes in double quotes: "from" = 1'
)


def shorten(text: str, longest: int = 80) -> str:
    """Cut text for a message, and say so with an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


class _NotUnderstood(Exception):
    pass


_COMPARED = 1_000  # columns whose names are compared


def suggest(name: str, columns: Sequence[str]) -> str:
    """How to mend a column that is not there: what the backend made of its name, the nearest one, or what there is."""
    numbered = (column for column in columns if column.startswith(f"{name}_") and column[len(name) + 1 :].isdecimal())
    twins = [column for column in columns if column.casefold() == name.casefold()]
    if twins and (renamed := next(numbered, None)) is not None:
        return (
            f"write {renamed!r}: names that differ only in case, such as {twins[0]!r} and {name!r}, are told apart by "
            "a number; or rename one of them"
        )
    near = difflib.get_close_matches(name, columns, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    nearest = difflib.get_close_matches(name, columns[:_COMPARED], n=12, cutoff=0.0) if len(columns) > 12 else columns
    shown = ", ".join(repr(shorten(column, 40)) for column in nearest)
    return f"the columns are {shown}{' …' if len(columns) > 12 else ''}"


def _build(node: Any, table: ir.Table, where: str) -> ir.Value:
    """The expression of one node. Each family of nodes says which types it takes, so that nothing is converted
    silently.
    """
    kind = type(node)
    extra = {part for part, value in node.args.items() if value} - _PARTS.get(kind, frozenset({"this", "expression"}))
    if kind is exp.Column and extra <= {"table", "db", "catalog"}:
        return _column(node, table, where)
    if extra:
        raise _NotUnderstood(f"{', '.join(sorted(extra))} of {node.key.upper()} is not allowed here")

    def build(inner: Any) -> ir.Value:
        return _build(inner, table, where)

    if kind is exp.Paren:
        return build(node.this)
    if kind is exp.Literal:
        return ibis.literal(node.this if node.is_string else _number(node.this))
    if kind is exp.Boolean:
        return ibis.literal(bool(node.this))
    if kind is exp.Null:
        return ibis.null()
    if kind in _COMPARE:
        return _compare(_COMPARE[kind], build(node.this), build(node.expression))
    if kind in _LOGIC:
        return _LOGIC[kind](_condition(build(node.this)), _condition(build(node.expression)))
    if kind is exp.Not:
        return _negated(_condition(build(node.this)))
    if kind in _ARITHMETIC:
        return _ARITHMETIC[kind](_numeric(build(node.this)), _numeric(build(node.expression)))
    if kind in _NUMERIC:
        return _NUMERIC[kind](_numeric(build(node.this)))
    if kind in _TEXT:
        return _TEXT[kind](_text(build(node.this)))
    if kind in _MOMENT:
        return _MOMENT[kind](build(node.this))
    if kind in _PATTERN:
        found = _PATTERN[kind](_text(build(node.this)), _text(build(node.expression)))
        return _negated(found) if node.args.get("negate") else found
    if kind is exp.Round:
        decimals = node.args.get("decimals")
        return _numeric(build(node.this)).round(int(decimals.this) if decimals is not None else 0)
    if kind is exp.Is:
        return _is(build(node.this), node.expression)
    if kind in (exp.NullSafeEQ, exp.NullSafeNEQ):
        same = _same(build(node.this), build(node.expression))
        return same if kind is exp.NullSafeEQ else _negated(same)
    if kind is exp.In:
        value = build(node.this)
        found = [_compare(operator.eq, value, build(item)) for item in node.expressions]
        if not found:
            raise _NotUnderstood("IN needs a list of values")
        while len(found) > 1:  # in pairs, so that a long list does not become a deep expression
            pairs = zip(found[::2], found[1::2], strict=False)
            found = [*(a | b for a, b in pairs), *(found[-1:] if len(found) % 2 else [])]
        return found[0]
    if kind is exp.Between:
        value = build(node.this)
        above = _compare(operator.ge, value, build(node.args["low"]))
        return above & _compare(operator.le, value, build(node.args["high"]))
    if kind is exp.Coalesce:
        return ibis.coalesce(*_alike([build(item) for item in [node.this, *node.expressions]]))
    if kind is exp.Cast:
        return build(node.this).cast(_cast_target(node))
    if kind is exp.Case:
        return _case(node, build)
    raise _NotUnderstood(f"{node.key.upper()} is not allowed here")


def _column(node: Any, table: ir.Table, where: str) -> ir.Value:
    name = ".".join(part.name for part in node.parts)  # a column's name may hold dots: subject.prediction
    if isinstance(node.this, exp.Identifier) and name in table.columns:
        return table[name]
    text = node.sql(dialect="duckdb")
    raise DataError(
        Fault(
            code="DATA002",
            what=f"there is no column {shorten(text)!r}",
            where=where,
            mend=f"{suggest(name, table.columns)} (text goes in single quotes: 'text')",
        )
    )


def _family(value: ir.Value) -> str:
    operation, kind = value.op(), value.type()
    if isinstance(operation, ops.Literal) and operation.value is None:
        return "null"
    for family in ("null", "boolean", "numeric", "string", "temporal"):
        if getattr(kind, f"is_{family}")():
            return family
    return str(kind)


def _alike(values: list[ir.Value]) -> list[ir.Value]:
    families = {_family(value) for value in values} - {"null"}
    if len(families) > 1:
        raise _NotUnderstood(f"{' and '.join(sorted(families))} do not go together; cast() converts")
    return values


def _compare(operation: Callable[[Any, Any], Any], left: ir.Value, right: ir.Value) -> ir.Value:
    families = {_family(left), _family(right)}
    if "null" in families:
        return ibis.null("boolean")
    if families != {"temporal", "string"}:  # a date is compared with a quoted date
        _alike([left, right])
    return operation(left, right)


def _same(left: ir.Value, right: ir.Value) -> ir.Value:
    """Equal, with missing values equal to each other."""
    if _family(left) == "null" or _family(right) == "null":
        return left.isnull() & right.isnull()
    return _compare(operator.eq, left, right).fill_null(False) | (left.isnull() & right.isnull())


def _condition(value: ir.Value) -> Any:
    return _of_family(value, "boolean", ibis.null("boolean"), "a condition")


def _numeric(value: ir.Value) -> Any:
    return _of_family(value, "numeric", ibis.null("float64"), "a number")


def _text(value: ir.Value) -> Any:
    return _of_family(value, "string", ibis.null("string"), "text")


def _negated(condition: Any) -> Any:
    """Written as a comparison: Ibis prints NOT without the parentheses that `not x is null` needs."""
    return ibis.null("boolean") if _family(condition) == "null" else condition == ibis.literal(False)


def _of_family(value: ir.Value, family: str, missing: ir.Value, said: str) -> ir.Value:
    found = _family(value)
    if found == "null":
        return missing
    if found != family:
        raise _NotUnderstood(f"{said} is needed where there is {found}; cast() converts")
    return value


def _case(node: Any, build: Callable[[Any], ir.Value]) -> ir.Value:
    subject = None if node.this is None else build(node.this)

    def holds(test: Any) -> ir.Value:
        return _condition(build(test)) if subject is None else _compare(operator.eq, subject, build(test))

    tests = [holds(branch.this) for branch in node.args["ifs"]]
    default = node.args.get("default")
    values = [build(branch.args["true"]) for branch in node.args["ifs"]]
    otherwise = ibis.null() if default is None else build(default)
    _alike([*values, otherwise])
    return ibis.cases(*zip(tests, values, strict=True), else_=otherwise)


def _is(inner: ir.Value, expected: Any) -> ir.Value:
    if isinstance(expected, exp.Null):
        return inner.isnull()
    if isinstance(expected, exp.Not) and isinstance(expected.this, exp.Null):
        return _negated(inner.isnull())
    if isinstance(expected, exp.Boolean):
        truth = bool(expected.this)
        known = _condition(inner).fill_null(not truth)
        return known if truth else _negated(known)
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


def _cast_target(node: Any) -> str:
    name = node.to.this.name if hasattr(node.to.this, "name") else str(node.to.this)
    name = name.removesuffix("NTZ")  # a timestamp without a time zone, as sqlglot calls what DuckDB calls TIMESTAMP
    if name not in _CASTS:
        raise _NotUnderstood(f"CAST to {name} is not allowed; use {', '.join(sorted(set(_CASTS)))}")
    return _CASTS[name]
