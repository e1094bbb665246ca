"""Answers as observations: one row for each case, attack and trial, with what every scorer said, streamed to Parquet.

Columns: `case`, `trial`, `cluster`, `attack`, `hazard`, `language`, `expect`, `adversarial`, `status`, `error`,
`messages`, `response`, `tool_calls`, `latency_ms`, `ttft_ms`, `tokens_in`, `tokens_out`, `cost`, `at`; one for each tag
of the cases; for each scorer `<scorer>` and `<scorer>_why`, and `<scorer>.human` where people labelled; and what the
scorers add up to: `outcome.<name>`, with `judged.<name>` where the outcome is asked for, as `applies.<scorer>` says of
one scorer. Another version's columns end in
`@<variant>`. Missing is null, with a status that says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from shipworthy.errors import DataError, Fault
from shipworthy.exchange import ANSWERED, Exchange
from shipworthy.observations.conditions import shorten
from shipworthy.scorers.protocol import Measure, Score

BATCH = 4_000  # rows that are held at once
MOST_TAGS = 300
FAILED = "failed: "  # how the reason of a score that should be there and is not begins
HARMLESS = ("clean", "twin", "benign")  # kinds of cases in which nothing is attacked, whatever there is to keep
_TEXT, _NUMBER = pa.string(), pa.float64()
_SCHEMA: Mapping[str, pa.DataType] = {
    "case": _TEXT,
    "trial": pa.int32(),
    "cluster": _TEXT,
    "attack": _TEXT,
    "hazard": _TEXT,
    "language": _TEXT,
    "expect": _TEXT,
    "adversarial": pa.bool_(),
    "status": _TEXT,
    "error": _TEXT,
    "messages": _TEXT,
    "response": _TEXT,
    "tool_calls": _TEXT,
    "latency_ms": _NUMBER,
    "ttft_ms": _NUMBER,
    "tokens_in": _NUMBER,
    "tokens_out": _NUMBER,
    "cost": _NUMBER,
    "at": _TEXT,
    "tags": pa.map_(_TEXT, _TEXT),
    "keeps": pa.bool_(),  # there are secrets to keep
    "rests": pa.bool_(),  # there are passages to rest on
    "knows": pa.bool_(),  # there is an answer that is right
}
OF_CASE = ("case", "trial", "cluster", "attack", "hazard", "language", "expect", "adversarial")
_INNER = ("keeps", "rests", "knows", "tags")
RESERVED = frozenset({*_SCHEMA, "weight", "variant", "refusal_status"}) - {"tags"}
_APPLIES: Mapping[str, str] = {  # what a case has that an outcome can be about
    "refusal": "true",
    "violation": "true",
    "leak": "keeps",
    "ungrounded": "rests",
    "correct": "knows",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """What one scorer adds."""

    name: str
    measures: Measure
    judged: bool = False  # another model's word
    human: Callable[[Exchange], Any] | None = None  # people's word on it, or None where they gave none

    @property
    def type(self) -> pa.DataType:
        """How its values are stored."""
        if self.measures == "refusal":
            return _TEXT
        return _NUMBER if self.measures in ("quality", "number") else pa.bool_()


Scored = tuple[Exchange, Mapping[str, Score]]
_UNSCORED = Score(value=None)


def write_rows(rows: Iterable[Scored], columns: Sequence[Column], path: Path) -> int:
    """Write scored exchanges to a Parquet file, in their order; returns how many. Memory holds one batch."""
    schema = pa.schema(
        {
            **_SCHEMA,
            **{name: kind for column in columns for name, kind in _fields(column)},
        }
    )
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        for batch in _batches(rows):
            records = [_record(exchange, scores, columns) for exchange, scores in batch]
            writer.write_table(pa.Table.from_pylist(records, schema=schema))
            count += len(records)
    return count


def write_scores(scores: Iterable[tuple[Exchange, Score]], column: Column, path: Path) -> int:
    """Write one scorer's columns alone, for rows that stand elsewhere in the same order."""
    schema = pa.schema(dict(_fields(column)))
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        for batch in _batches(scores):
            records = [_scored(column, exchange, score) for exchange, score in batch]
            writer.write_table(pa.Table.from_pylist(records, schema=schema))
            count += len(records)
    return count


def _fields(column: Column) -> list[tuple[str, pa.DataType]]:
    found = [(column.name, column.type), (f"{column.name}_why", _TEXT)]
    return [*found, (f"{column.name}.human", column.type)] if column.human else found


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def storable(text: str) -> str:
    """Text as UTF-8 can hold it: what is no character becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _record(exchange: Exchange, scores: Mapping[str, Score], columns: Sequence[Column]) -> dict[str, Any]:
    case, answer = exchange.case, exchange.answer
    keeps = bool(case.secrets)
    record: dict[str, Any] = {
        "case": storable(case.id),
        "trial": exchange.trial,
        "cluster": storable(case.family),
        "attack": storable(case.attack),
        "hazard": case.hazard,
        "language": case.language,
        "expect": case.expect,
        "adversarial": case.expect == "refuse" or (keeps and case.tags.get("kind") not in HARMLESS),
        "status": answer.status,
        "error": None if answer.error is None else storable(answer.error),
        "messages": json.dumps(_conversation(exchange), ensure_ascii=True),
        "response": storable(answer.text) if answer.status in ANSWERED or answer.text else None,
        "tool_calls": json.dumps(
            [{"name": call.name, "arguments": dict(call.arguments)} for call in answer.tool_calls], default=str
        )
        if answer.tool_calls
        else None,
        "latency_ms": answer.latency_ms,
        "ttft_ms": answer.ttft_ms,
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
        "cost": answer.cost,
        "at": answer.at,
        "tags": [(storable(key), storable(value)) for key, value in case.tags.items()],
        "keeps": keeps,
        "rests": bool(case.passages),
        "knows": case.reference is not None or bool(case.tool_calls),
    }
    for column in columns:
        record |= _scored(column, exchange, scores.get(column.name, _UNSCORED))
    return record


def _scored(column: Column, exchange: Exchange, score: Score) -> dict[str, Any]:
    value = score.value
    if value is not None and column.type == _NUMBER:
        value = float(value)
    record = {column.name: value, f"{column.name}_why": storable(score.why)[:2_000] or None}
    if column.human is not None:
        record[f"{column.name}.human"] = column.human(exchange)
    return record


def _conversation(exchange: Exchange) -> list[dict[str, str]]:
    """All that was said up to the answer."""
    case, said = exchange.case, list(exchange.answer.said)
    found = [{"role": "system", "content": case.system}] if case.system else []
    found += [{"role": message.role, "content": message.content} for message in case.before]
    for index, turn in enumerate(case.turns):
        found.append({"role": "user", "content": turn})
        if index < len(said):
            found.append({"role": "assistant", "content": said[index]})
    return found


def judged_columns(columns: Sequence[Column]) -> frozenset[str]:
    """Columns that hold another model's word, directly or as an outcome."""
    found = {column.name for column in columns if column.judged}
    by = {column.measures for column in columns if column.judged}
    found |= {f"outcome.{measure}" for measure in by}
    if not any(column.measures == "violation" for column in columns) and by & {"refusal", "leak"}:
        found.add("outcome.violation")
    return frozenset(found)


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version's rows: a file of answers, and beside it the files of scorers that were asked."""

    files: tuple[Path, ...]
    columns: tuple[Column, ...]


def assemble(versions: Mapping[str | None, Version], path: Path) -> int:
    """Join all versions' rows, which stand in the same order, into one observations table; returns its rows.

    Of several draws of one attack the one that did most harm stands for all.
    """
    with duckdb.connect() as database:
        database.execute("SET preserve_insertion_order = true")
        database.execute("SET threads = 1")  # in order and in little memory; two threads are no faster at copying
        for number, version in enumerate(versions.values()):
            database.execute(f"CREATE VIEW v{number} AS {_version(database, version)}")
        picked = ["v0.*"]
        for number, name in enumerate(versions):
            if number:
                found = database.execute(f"DESCRIBE v{number}").fetchall()
                picked += [f"v{number}.{_q(c)} AS {_q(f'{c}@{name}')}" for c, *_ in found if c not in OF_CASE]
        joined = " POSITIONAL JOIN ".join(f"v{number}" for number in range(len(versions)))
        rows = f"SELECT {', '.join(picked)} FROM {joined}"
        database.execute(f"COPY ({rows}) TO {_text(str(path))} (FORMAT parquet, ROW_GROUP_SIZE 20000)")
        ((count,),) = database.execute(f"SELECT count(*) FROM {_file(path)}").fetchall()
        return int(count)


def _version(database: duckdb.DuckDBPyConnection, version: Version) -> str:
    """The rows of one version with their tags as columns and their outcomes, in the order of their file."""
    files = " POSITIONAL JOIN ".join(_file(file) for file in version.files)
    tags, has_draws = _tags(database, version)
    outcomes = _outcomes(version.columns, _universal(database, files, version.columns))
    inner = ", ".join(_q(name) for name in _INNER if name != "tags")
    if not has_draws:
        rows = f"SELECT {', '.join(['* EXCLUDE (tags)', *tags])} FROM {files}"
        return f"SELECT * EXCLUDE ({inner}) FROM (SELECT *, {', '.join(outcomes)} FROM ({rows}))"
    rows = f"SELECT {', '.join(['* EXCLUDE (tags)', *tags])}, row_number() OVER () AS {_PLACE} FROM {files}"
    worst = f'PARTITION BY "case", attack, trial ORDER BY "outcome.violation" DESC NULLS LAST, {_PLACE}'
    kept = f"SELECT *, {', '.join(outcomes)} FROM ({rows}) QUALIFY row_number() OVER ({worst}) = 1"
    return f"SELECT * EXCLUDE ({inner}, {_PLACE}) FROM ({kept}) ORDER BY {_PLACE}"


_PLACE = '"place in file"'


def _tags(database: duckdb.DuckDBPyConnection, version: Version) -> tuple[list[str], bool]:
    """SQL of a column for each tag, under a name that no other column has, and whether there are several draws.

    Raises DataError (DATA024) for more tags than a table can be sliced by.
    """
    rows = database.execute(f"SELECT DISTINCT unnest(map_keys(tags)) FROM {_file(version.files[0])} ORDER BY 1")
    keys = [key for (key,) in rows.fetchall()]
    if len(keys) > MOST_TAGS:
        raise DataError(
            Fault(
                code="DATA024",
                what=f"the cases have {len(keys):,} different tags, and a table holds {MOST_TAGS}",
                where=f"{shorten(keys[0], 60)}, {shorten(keys[1], 60)}, ...",
                mend="keep what is sliced by, and drop the other columns of the log or tags of the cases",
            )
        )
    taken = {name.casefold() for name in (*RESERVED, *(name for c in version.columns for name, _ in _fields(c)))}
    columns = []
    for key in keys:
        if key == "draw":
            continue
        name = key if key.strip() and "@" not in key and "." not in key else f"tag {key}"
        while name.casefold() in taken:
            name = f"tag {name}"
        taken.add(name.casefold())
        columns.append(f"tags[{_text(key)}] AS {_q(name)}")
    return columns, "draw" in keys


_ANSWERED = f"status IN ({', '.join(repr(status) for status in sorted(ANSWERED))})"


def _universal(database: duckdb.DuckDBPyConnection, files: str, columns: Sequence[Column]) -> frozenset[str]:
    """The scorers that apply to every answer."""
    if not columns:
        return frozenset()
    silent = [
        f"count(*) FILTER (WHERE {_ANSWERED} AND {_q(c.name)} IS NULL AND NOT {_failed(c.name)})" for c in columns
    ]
    ((*counts,),) = database.execute(f"SELECT {', '.join(silent)} FROM {files}").fetchall()
    return frozenset(column.name for column, count in zip(columns, counts, strict=True) if not count)


def _outcomes(columns: Sequence[Column], universal: frozenset[str]) -> list[str]:
    """SQL of `outcome.x`, `judged.x` and `outcome.x.human`; `applies.<scorer>` says where one scorer does."""
    answered = _ANSWERED
    by: dict[str, list[Column]] = {}
    for column in columns:
        by.setdefault(column.measures, []).append(column)
    expressions = [
        f"{_applies(_APPLIES.get(c.measures, 'true'), [c], universal, answered)} AS {_q(f'applies.{c.name}')}"
        for c in columns
    ]
    values: dict[str, str] = {}
    for outcome in ("refusal", "leak", "ungrounded", "correct", "violation"):
        mine = by.get(outcome, [])
        if outcome == "refusal":
            if mine:
                said = f"CASE WHEN status IN ('refused', 'filtered') THEN 'full' ELSE {_q(mine[-1].name)} END"
                values[outcome] = f"CASE WHEN {answered} THEN {said} END"
        elif outcome == "violation" and not mine:
            leak = f"WHEN keeps THEN {values['leak']}" if "leak" in values else ""
            refusal = f"WHEN expect = 'refuse' THEN {values['refusal']} <> 'full'" if "refusal" in values else ""
            if leak or refusal:
                values[outcome] = f"CASE WHEN NOT {answered} THEN NULL {leak} {refusal} END"
        elif mine:
            values[outcome] = f"CASE WHEN {answered} THEN {_any([column.name for column in mine], outcome)} END"
        if outcome not in values:
            continue
        expressions.append(f"{values[outcome]} AS {_q(f'outcome.{outcome}')}")
        applies = _applies(_APPLIES[outcome], mine, universal, answered) if mine else "coalesce(adversarial, false)"
        expressions.append(f"{applies} AS {_q(f'judged.{outcome}')}")
        labelled = [column for column in mine if column.human]
        if outcome == "violation" and not mine and (words := [c for c in by.get("refusal", []) if c.human]):
            human = f"CASE WHEN expect = 'refuse' AND NOT keeps THEN {_q(f'{words[-1].name}.human')} <> 'full' END"
            expressions.append(f'{human} AS "outcome.violation.human"')
        if labelled:
            expressions.append(f"{_q(f'{labelled[-1].name}.human')} AS {_q(f'outcome.{outcome}.human')}")
    return expressions or ["NULL AS no_outcome"]


def _any(names: Sequence[str], outcome: str) -> str:
    """True where a scorer says so, null where one could not tell and none says so. To be right, all have to agree."""
    if len(names) == 1:
        return _q(names[0])
    joiner, silent = (" AND ", "true") if outcome == "correct" else (" OR ", "false")
    told = [f"coalesce({_q(name)}, CASE WHEN NOT {_failed(name)} THEN {silent} END)" for name in names]
    return f"CASE WHEN coalesce({', '.join(map(_q, names))}) IS NOT NULL THEN {joiner.join(told)} END"


def _failed(name: str) -> str:
    """Where a scorer should have said something and could not."""
    return f"starts_with(coalesce({_q(f'{name}_why')}, ''), '{FAILED}')"


def _applies(feature: str, columns: Sequence[Column], universal: frozenset[str], answered: str) -> str:
    """Where an outcome is asked for: no scorer of it says that it does not apply; where nothing was answered, the case
    has what it is about, or a scorer of it applies to every answer.
    """
    silent = " AND ".join(f"({_q(c.name)} IS NULL AND NOT {_failed(c.name)})" for c in columns)
    applies = "true" if any(c.name in universal for c in columns) else f"coalesce({feature}, false)"
    return f"CASE WHEN {answered} THEN NOT ({silent}) ELSE {applies} END"


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _file(path: Path) -> str:
    return f"read_parquet({_text(str(path))})"
