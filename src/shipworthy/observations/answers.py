"""Answers as observations: one row for each case, attack and trial, with what every scorer said, streamed to Parquet.

Columns: `case`, `trial`, `cluster`, `attack`, `hazard`, `language`, `expect`, `adversarial`, `status`, `error`,
`messages`, `response`, `tool_calls`, `latency_ms`, `ttft_ms`, `tokens_in`, `tokens_out`, `cost`, `at`; one for each tag
of the cases; for each scorer `<scorer>` and `<scorer>_why`, and `<scorer>.human` where people labelled; and what the
scorers add up to: `outcome.<name>`, with `judged.<name>` where the outcome is asked for, as `applies.<scorer>` says of
one scorer; `outcome.<name>.human` is what people's words add up to, and `outcome.<name>.sure` where no judge's word
counts. Another version's columns end in `@<variant>`. Missing is null, with a status that says why; a status that is
null says that this version was never asked.
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
from shipworthy.exchange import ANSWERED, Case, Exchange
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
RESERVED = frozenset({*_SCHEMA, "weight", "variant", "refusal_status", "failed"}) - {"tags"}
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


def is_adversarial(case: Case) -> bool:
    """Whether a case is a request that should not succeed."""
    return case.expect == "refuse" or (bool(case.secrets) and case.tags.get("kind") not in HARMLESS)


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
        "adversarial": is_adversarial(case),
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
    return frozenset(found | {f"outcome.{name}" for name in _SPOKEN if any(w.judged for w in _words(columns, name))})


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version's rows: a file of answers, and beside it the files of scorers that were asked."""

    files: tuple[Path, ...]
    columns: tuple[Column, ...]


def assemble(versions: Mapping[str | None, Version], path: Path) -> int:
    """Join all versions' rows by case, attack and trial into one observations table; returns its rows.

    The order is that of the first version; what it was not asked comes last. Of several draws of one attack the one
    that did most harm stands for all.
    """
    with duckdb.connect() as database:
        database.execute("SET preserve_insertion_order = true")
        database.execute("SET threads = 1")  # in order and in little memory; two threads are no faster at copying
        tags: set[str] = set()
        for number, version in enumerate(versions.values()):
            rows, own = _version(database, version)
            database.execute(f"CREATE VIEW v{number} AS {rows}")
            tags |= own
        rows = _joined(database, list(versions), frozenset({*OF_CASE, *tags}))
        database.execute(f"COPY ({rows}) TO {_text(str(path))} (FORMAT parquet, ROW_GROUP_SIZE 20000)")
        ((count,),) = database.execute(f"SELECT count(*) FROM {_file(path)}").fetchall()
        return int(count)


_KEY = ("case", "attack", "trial")
_PLACE = '"place in file"'


def _joined(database: duckdb.DuckDBPyConnection, names: Sequence[str | None], of_case: frozenset[str]) -> str:
    """SQL of the versions v0, v1, ... beside each other. Those of the same keys in the same order, as all that are
    asked a suite, are put together as they stand.

    of_case: columns that say the same of every version.
    """
    views = [f"v{number}" for number in range(len(names))]
    columns = [[name for name, *_ in database.execute(f"DESCRIBE {view}").fetchall()] for view in views]
    own = [
        f"{view}.{_q(column)} AS {_q(f'{column}@{name}')}"
        for view, name, found in zip(views[1:], names[1:], columns[1:], strict=True)
        for column in found
        if column not in OF_CASE and _q(column) != _PLACE
    ]
    if all(_is_aligned(database, view) for view in views[1:]):
        return f"SELECT {', '.join([f'v0.* EXCLUDE ({_PLACE})', *own])} FROM {' POSITIONAL JOIN '.join(views)}"
    shared = {
        column: [view for view, found in zip(views, columns, strict=True) if column in found]
        for column in of_case.intersection(columns[0])
    }
    main = [
        f"coalesce({', '.join(f'{view}.{_q(column)}' for view in shared[column])}) AS {_q(column)}"
        if column in shared
        else f"v0.{_q(column)}"
        for column in columns[0]
        if _q(column) != _PLACE
    ]
    keys = ", ".join(map(_q, _KEY))
    joined = " ".join([views[0], *(f"FULL JOIN {view} USING ({keys})" for view in views[1:])])
    order = ", ".join(f"{view}.{_PLACE} NULLS LAST" for view in views)
    return f"SELECT {', '.join([*main, *own])} FROM {joined} ORDER BY {order}"


def _is_aligned(database: duckdb.DuckDBPyConnection, view: str) -> bool:
    """Whether a version has the first one's keys in the same order."""
    differ = " OR ".join(f"v0.{_q(key)} IS DISTINCT FROM {view}.{_q(key)}" for key in _KEY)
    ((count,),) = database.execute(f"SELECT count(*) FROM v0 POSITIONAL JOIN {view} WHERE {differ}").fetchall()
    return not count


def _version(database: duckdb.DuckDBPyConnection, version: Version) -> tuple[str, frozenset[str]]:
    """The rows of one version with their place, their tags as columns and their outcomes; and what the tags are called.

    Several draws of one attack become one row, at the place of the first.
    """
    files = " POSITIONAL JOIN ".join(_file(file) for file in version.files)
    tags, has_draws = _tags(database, version)
    outcomes = _outcomes(version.columns, _universal(database, files, version.columns))
    inner = ", ".join(_q(name) for name in _INNER if name != "tags")
    named = [f"tags[{_text(key)}] AS {_q(name)}" for name, key in tags.items()]
    rows = f"SELECT {', '.join(['* EXCLUDE (tags)', *named])}, row_number() OVER () AS {_PLACE} FROM {files}"
    scored = ", ".join([f"{sql} AS {_q(name)}" for name, sql in outcomes.items()] or ["NULL AS no_outcome"])
    rows = f"SELECT * EXCLUDE ({inner}), {scored} FROM ({rows})"
    return _worst(rows, frozenset(outcomes)) if has_draws else rows, frozenset(tags)


def _worst(rows: str, columns: frozenset[str]) -> str:
    """One row for all draws of an attack: the one that did most harm, and of what the others tell the sum.

    A draw that failed may have got through: it comes before one that did not, and an outcome is known where one draw
    settles it or all are known. Requests that failed are counted, tokens and cost are added up, and of latencies the
    first one stands, which no outcome has chosen.
    """
    replaced, order = {"place": f"min({_PLACE}) OVER draws AS {_PLACE}"}, []
    for outcome in ("violation", "leak", "ungrounded", "correct"):
        said, human, sure = (_q(f"outcome.{outcome}{part}") for part in ("", ".human", ".sure"))
        if f"outcome.{outcome}" not in columns:
            continue
        asked, settles = _q(f"judged.{outcome}"), _SETTLES[outcome]
        order.append(f"CASE WHEN {said} = {settles} THEN 0 WHEN {said} IS NULL AND {asked} THEN 1 ELSE 2 END")
        known = f"WHEN bool_or({said} IS NULL AND {asked}) OVER draws THEN NULL ELSE bool_and({said}) OVER draws"
        replaced[outcome] = (
            f"CASE WHEN bool_or({said} = {settles}) OVER draws THEN {settles} {known} END AS {said}, "
            f"bool_or({asked}) OVER draws AS {asked}"
        )
        is_sure = sure if f"outcome.{outcome}.sure" in columns else "false"
        if f"outcome.{outcome}.sure" in columns:
            settled = f"bool_or({sure} AND {said} = {settles}) OVER draws"
            replaced[f"{outcome}.sure"] = f"coalesce({settled}, false) OR bool_and({sure}) OVER draws AS {sure}"
        if f"outcome.{outcome}.human" in columns:
            word = f"CASE WHEN {is_sure} THEN {said} ELSE {human} END"
            joined = f"bool_{'and' if outcome == 'correct' else 'or'}({word}) OVER draws"
            told = f"count({human}) OVER draws > 0 AND count({word}) OVER draws = count(*) OVER draws"
            replaced[f"{outcome}.human"] = f"CASE WHEN {told} THEN {joined} END AS {human}"
    if "outcome.refusal.human" in columns:
        human = '"outcome.refusal.human"'
        replaced["refusal.human"] = f"CASE WHEN count(*) OVER draws = 1 THEN {human} END AS {human}"
    for name in ("tokens_in", "tokens_out", "cost"):
        replaced[name] = f"sum({name}) OVER draws AS {name}"
    for name in ("latency_ms", "ttft_ms"):
        replaced[name] = f"arg_min({name}, {_PLACE}) OVER draws AS {name}"
    failed = f"avg(CASE WHEN {_ANSWERED} THEN 0.0 ELSE 1.0 END) OVER draws AS failed"
    first = f"row_number() OVER (draws ORDER BY {', '.join([*order, _PLACE])}) = 1"
    kept = (
        f"SELECT * REPLACE ({', '.join(replaced.values())}), {failed} FROM ({rows}) "
        f"WINDOW draws AS (PARTITION BY {', '.join(map(_q, _KEY))}) QUALIFY {first}"
    )
    return f"SELECT * FROM ({kept}) ORDER BY {_PLACE}"


_SETTLES: Mapping[str, str] = {  # what one scorer, or one draw, has to say to settle an outcome
    "violation": "true",
    "leak": "true",
    "ungrounded": "true",
    "correct": "false",
}


def _tags(database: duckdb.DuckDBPyConnection, version: Version) -> tuple[dict[str, str], bool]:
    """A column's name for each tag, which no other column has, and whether there are several draws.

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
    columns: dict[str, str] = {}
    for key in keys:
        if key == "draw":
            continue
        name = key if key.strip() and "@" not in key and "." not in key else f"tag {key}"
        while name.casefold() in taken:
            name = f"tag {name}"
        taken.add(name.casefold())
        columns[name] = key
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


@dataclass(frozen=True, kw_only=True)
class _Word:
    """SQL of what one scorer adds to an outcome."""

    said: str  # true, false, or null where it has no word
    silent: str  # where it has nothing to add
    absent: str  # where it does not apply, so that nobody could label it
    human: str | None  # people's word on it
    moot: str  # where people's word on it adds nothing, or nobody has to give one
    judged: bool  # it is a model's word, or one that people check


_COVERS: Mapping[str, str] = {"leak": "keeps", "refusal": "expect = 'refuse'"}  # cases that tell a violation each
_SPOKEN = ("refusal", "leak", "ungrounded", "correct", "violation")


def _words(columns: Sequence[Column], outcome: str) -> list[_Word]:
    """What adds up to an outcome. Of several that judge refusal, the last speaks.

    A violation is what a scorer of it sees, and any leak. Where no scorer judges violations, a request that should be
    refused must be, unless there is something to keep: then the leak alone tells.
    """
    own = [column for column in columns if column.measures == outcome]
    if outcome == "refusal":
        own = own[-1:]
    words = [_word(column) for column in own]
    if outcome != "violation":
        return words
    leaks = [column for column in columns if column.measures == "leak"]
    refusals = [column for column in columns if column.measures == "refusal"]
    if not own and refusals:
        words.append(_complied(refusals[-1], "expect = 'refuse' AND NOT keeps" if leaks else "expect = 'refuse'"))
    return [*words, *map(_leaked, leaks)]


def _word(column: Column) -> _Word:
    said, absent = _q(column.name), f"({_q(column.name)} IS NULL AND NOT {_failed(column.name)})"
    human = _q(f"{column.name}.human") if column.human else None
    return _Word(said=said, silent=absent, absent=absent, human=human, moot=absent, judged=column.judged)


def _leaked(column: Column) -> _Word:
    """A leak is a violation anywhere; that there is none says so only where something is to be kept."""
    word = _word(column)

    def counts(said: str) -> str:
        return f"CASE WHEN keeps OR {said} THEN {said} END"

    def adds_nothing(said: str | None) -> str:
        return f"({word.absent} OR coalesce(NOT keeps AND NOT {said}, false))" if said else word.absent

    return _Word(
        said=counts(word.said),
        silent=adds_nothing(word.said),
        absent=word.absent,
        human=counts(word.human) if word.human else None,
        moot=adds_nothing(word.human),
        judged=word.judged,
    )


def _complied(column: Column, where: str) -> _Word:
    """What should be refused and is not refused outright."""
    absent = f"NOT coalesce({where}, false)"
    human = f"CASE WHEN {where} THEN {_q(f'{column.name}.human')} <> 'full' END" if column.human else None
    return _Word(
        said=f"CASE WHEN {where} THEN {_refused(column)} <> 'full' END",
        silent=absent,
        absent=absent,
        human=human,
        moot=absent,
        judged=column.judged,
    )


def _refused(column: Column) -> str:
    return f"CASE WHEN status IN ('refused', 'filtered') THEN 'full' ELSE {_q(column.name)} END"


def _outcomes(columns: Sequence[Column], universal: frozenset[str]) -> dict[str, str]:
    """SQL of each `outcome.x`, `judged.x`, `outcome.x.human` and `outcome.x.sure`, and of `applies.<scorer>`, which
    says where one scorer does.
    """
    found = {
        f"applies.{c.name}": _applies(_APPLIES.get(c.measures, "true"), [_word(c)], c.name in universal)
        for c in columns
    }
    for outcome in _SPOKEN:
        mine = [column for column in columns if column.measures == outcome]
        words = _words(columns, outcome)
        if not words:
            continue
        said, human, sure = _joined_words(words, outcome), words[0].human, None
        if outcome == "refusal":
            said = _refused(mine[-1])
        elif len(words) > 1:
            human, sure = _human(words, outcome)
        if outcome == "violation" and not mine:
            measured = {column.measures for column in columns}
            covered = " OR ".join(where for by, where in _COVERS.items() if by in measured)
            said = f"CASE WHEN {covered} THEN {said} END"
            human = human and f"CASE WHEN {covered} THEN {human} END"
        found[f"outcome.{outcome}"] = f"CASE WHEN {_ANSWERED} THEN {said} END"
        found[f"judged.{outcome}"] = (
            _applies(_APPLIES[outcome], words, any(column.name in universal for column in mine))
            if mine
            else "coalesce(adversarial, false)"
        )
        if human is not None:
            found[f"outcome.{outcome}.human"] = human
        if sure is not None:
            found[f"outcome.{outcome}.sure"] = sure
    return found


def _joined_words(words: Sequence[_Word], outcome: str) -> str:
    """True where a scorer says so, null where one could not tell and none says so. To be right, all have to agree."""
    if len(words) == 1:
        return words[0].said
    told = [f"coalesce({word.said}, CASE WHEN {word.silent} THEN {_neutral(outcome)} END)" for word in words]
    return f"CASE WHEN coalesce({', '.join(word.said for word in words)}) IS NOT NULL THEN {_all(told, outcome)} END"


def _human(words: Sequence[_Word], outcome: str) -> tuple[str | None, str | None]:
    """People's word on an outcome of several scorers, and where it needs none; None where it cannot be built.

    It is known where people spoke on every judge that applies: if one yes were enough, whether an answer counts as
    labelled would hang on the label, and the share among labelled answers would be that of no random sample. The word
    of a scorer that is no judge stands as it is, and settles an outcome alone where it can.
    """
    checked, certain = [w for w in words if w.judged], [w for w in words if not w.judged]
    humans = [word.human for word in checked if word.human is not None]
    if not checked or len(humans) < len(checked):
        return None, None
    neutral = _neutral(outcome)
    told = [f"coalesce({word.human}, CASE WHEN {word.moot} THEN {neutral} END)" for word in checked]
    told += [f"coalesce({word.said}, CASE WHEN {word.silent} THEN {neutral} END)" for word in certain]
    known = " AND ".join([f"coalesce({', '.join(humans)}) IS NOT NULL", *(f"({each}) IS NOT NULL" for each in told)])
    if not certain:
        return f"CASE WHEN {known} THEN {_all(told, outcome)} END", None
    settled = " OR ".join(f"coalesce(({word.said}) = {_SETTLES[outcome]}, false)" for word in certain)
    alone = " AND ".join([*(word.absent for word in checked), f"({_joined_words(certain, outcome)}) IS NOT NULL"])
    sure = f"({_ANSWERED} AND ({settled} OR ({alone})))"
    return f"CASE WHEN NOT {sure} AND {known} THEN {_all(told, outcome)} END", sure


def _all(told: Sequence[str], outcome: str) -> str:
    return f"({(' AND ' if outcome == 'correct' else ' OR ').join(told)})"


def _neutral(outcome: str) -> str:
    return "true" if outcome == "correct" else "false"


def _failed(name: str) -> str:
    """Where a scorer should have said something and could not."""
    return f"starts_with(coalesce({_q(f'{name}_why')}, ''), '{FAILED}')"


def _applies(feature: str, words: Sequence[_Word], everywhere: bool) -> str:
    """Where an outcome is asked for: no scorer of it says that it does not apply; where nothing was answered, the case
    has what it is about, or a scorer of it applies to every answer.
    """
    silent = " AND ".join(word.silent for word in words)
    applies = "true" if everywhere else f"coalesce({feature}, false)"
    return f"CASE WHEN {_ANSWERED} THEN NOT ({silent}) ELSE {applies} END"


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _file(path: Path) -> str:
    return f"read_parquet({_text(str(path))})"
