"""A recorded log as the source of exchanges: nothing is asked, what was said is read.

JSON Lines, JSON (a list, or one OTLP export), CSV, Parquet, OpenTelemetry `gen_ai` spans (`subjects.spans`), and logs
of Inspect, promptfoo, garak and lm-eval (`subjects.imports`), which are known by their content. A row gives a prompt or
messages, and a response; further columns are recognised by the names in `RECOGNISED` or named in `fields`. Requests and
responses of providers, logged as objects, are read by `subjects.completions`; any other object in the place of a text
is refused. Columns that nobody names become tags where they hold short scalars. Rows stream: memory does not grow with
the file, except for `.json`, which is read whole.
"""

from __future__ import annotations

import csv
import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, cast, get_args

from shipworthy.errors import DataError, Fault
from shipworthy.exchange import (
    STATUSES,
    Answer,
    Case,
    Exchange,
    Expectation,
    Message,
    Speaker,
    Status,
    ToolCall,
    tag_name,
)
from shipworthy.subjects.completions import read_request, read_response, read_whole
from shipworthy.subjects.faults import listed, quoted
from shipworthy.subjects.imports.detecting import tool_of
from shipworthy.subjects.reading import DEEPEST, LARGEST, is_deep
from shipworthy.subjects.spans import CUT_OFF, is_telemetry, rows_of

LONGEST_LINE: Final = 64_000_000  # bytes of one row
LARGEST_JSON: Final = 512_000_000  # bytes of a .json file, which is read whole
MOST_COMPARED: Final = 1_000  # columns among which a misspelled one is looked for
LONGEST_TAG: Final = 200  # characters; longer texts are content, not tags
MOST_TRIALS: Final = 2**31  # the observations count them in 32 bits
BATCH: Final = 1_024  # rows of a Parquet file held at once
MADE_UP: Final = "row-"  # how the id of a row that has none begins; its number follows, in seven digits

RECOGNISED: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id", "case", "case_id", "sample_id", "prompt_id"),
    "prompt": ("prompt", "input", "question", "query", "request", "instruction", "user_input"),
    "messages": ("messages", "conversation", "input_messages"),
    "system": ("system", "system_prompt"),
    "response": ("response", "output", "answer", "completion", "generation", "reply", "model_output"),
    "tool_calls": ("tool_calls",),
    "expect": ("expect",),
    "hazard": ("hazard", "category"),
    "attack": ("attack", "technique"),
    "language": ("language", "lang"),
    "cluster": ("cluster", "family"),
    "trial": ("trial", "epoch", "repeat"),
    "passages": ("passages", "contexts", "context", "documents", "retrieved_contexts"),
    "reference": ("reference", "ground_truth", "expected", "target", "gold"),
    "secrets": ("secrets", "canary"),
    "latency_ms": ("latency_ms", "duration_ms"),
    "ttft_ms": ("ttft_ms",),
    "tokens_in": ("tokens_in", "input_tokens", "prompt_tokens"),
    "tokens_out": ("tokens_out", "output_tokens", "completion_tokens"),
    "cost": ("cost", "cost_usd"),
    "status": ("status",),
    "error": ("error",),
    "at": ("at", "timestamp", "created_at", "time"),
    "tags": ("tags",),
}
_ROLES: Final[Mapping[str, Speaker]] = {
    "human": "user",
    "ai": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "developer": "system",
    "function": "tool",
    **{role: role for role in get_args(Speaker)},
}
_STATES: Final[Mapping[str, Status]] = {
    "success": "ok",
    "completed": "ok",
    "failed": "error",
    "timed_out": "timeout",
    "content_filter": "filtered",
    "blocked": "filtered",
    **{status: status for status in STATUSES},
}
_SUFFIXES: Final = (".eval", ".jsonl", ".ndjson", ".json", ".csv", ".parquet")


class _RowError(Exception):
    """A row that is no exchange. Its message says why, and `mend` what to do."""

    def __init__(self, why: str, mend: str = "mend the row, or name columns by fields:") -> None:
        super().__init__(why)
        self.mend = mend


class _NoText(Exception):
    """An object that holds a text under no name that is known."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        super().__init__()
        self.value = value


@dataclass(kw_only=True, slots=True)
class Recording:
    """A log on disk. Its counts hold once `exchanges()` has come to its end."""

    path: Path
    fields: Mapping[str, str] = field(default_factory=dict)  # our name -> column, or path in an object: output.text
    replaced: int = 0  # lines whose invalid UTF-8 was replaced
    passed_over: int = 0  # spans that are no exchange: tools, embeddings, retrieval
    unnamed: int = 0  # rows without an id
    where: str = ""  # the row that was given last
    _absent: set[str] = field(default_factory=set, repr=False)  # columns of `fields` that no row had so far
    _seen: dict[str, None] = field(default_factory=dict, repr=False)  # columns that rows had, the first of them
    _columns: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict, repr=False)  # found before, by header

    def exchanges(self) -> Iterator[Exchange]:
        """Each row as an exchange, in the order of the log; a row without an id is `row-<number>`.

        Raises DataError: RECD001 the file cannot be read, RECD002 a row is no exchange, RECD003 a column is missing;
        the last two name the line or row.
        """
        self.replaced = self.passed_over = self.unnamed = 0
        self._absent, self._seen = set(self.fields.values()), {}
        number = 0
        for where, found in self._rows():
            for row in self._spans(found, where):
                number += 1
                self.where = where
                if self._absent:
                    self._look_for(row)
                try:
                    yield self._exchange(row, number, where)
                except _RowError as error:
                    self._refuse_absent("prompt", "messages", "response")
                    raise _fault("RECD002", str(error), where, error.mend) from error
        if number:
            self._refuse_absent(*self.fields)

    def _look_for(self, row: Mapping[str, Any]) -> None:
        """Note which columns of `fields` a row has; the header of a table holds for all of its rows."""
        self._absent.difference_update(row)
        if self._absent:
            self._absent.difference_update([path for path in self._absent if _at(row, path) is not None])
        if len(self._seen) < MOST_COMPARED:
            self._seen.update(dict.fromkeys(str(key) for key in row))
        if self.path.suffix.lower() in (".csv", ".parquet"):
            self._refuse_absent(*self.fields)

    def _refuse_absent(self, *names: str) -> None:
        """Refuse `fields` whose column no row has: what they measure would be missing without a word."""
        faults = []
        for name in names:
            column = self.fields.get(name)
            if column in self._absent and column is not None:
                near = difflib.get_close_matches(column[:LONGEST_TAG], self._seen, n=1)
                guess = f'did you mean "{quoted(near[0])}"? ' if near else ""
                faults.append(
                    Fault(
                        code="RECD003",
                        what=f'no row has a column "{quoted(column, at_most=80)}", which fields: names as its {name}',
                        where=str(self.path),
                        mend=f"{guess}there are {listed(tuple(self._seen))}",
                    )
                )
        if faults:
            raise DataError(faults)

    def _spans(self, row: Mapping[str, Any], where: str) -> Iterator[Mapping[str, Any]]:
        if not is_telemetry(row):
            yield row
            return
        try:
            for span in rows_of(row):
                if span is None:
                    self.passed_over += 1
                else:
                    yield span
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, OSError, RecursionError) as error:
            what = f"the span cannot be read: {quoted(error)}"
            raise _fault("RECD002", what, where, "export spans as OTLP JSON") from error

    def _rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        readers = {".csv": self._csv, ".parquet": self._parquet, ".json": self._json}
        try:
            tool = tool_of(self.path)
            if tool is not None:
                yield from tool.rows(self.path)
                return
            yield from readers.get(self.path.suffix.lower(), self._lines)()
        except OSError as error:
            what = f"the recording cannot be read: {quoted(error)}"
            raise _fault("RECD001", what, str(self.path), "name a file that is there") from error

    def _text(self) -> Iterator[tuple[int, str]]:
        """Lines with their numbers, their line ends kept."""
        with self.path.open("rb") as file:
            for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
                if len(line) == LONGEST_LINE:
                    what = f"the line is longer than {LONGEST_LINE} bytes"
                    raise _fault("RECD002", what, f"{self.path}:{number}", "write one row on each line")
                try:
                    text = line.decode()
                except UnicodeDecodeError:
                    text = line.decode("utf-8", "replace")
                    self.replaced += 1
                yield number, text.removeprefix("\ufeff") if number == 1 else text

    def _lines(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for number, line in self._text():
            if line.isspace():
                continue
            where = f"{self.path}:{number}"
            yield where, _object(_parsed(line, where), where)

    def _json(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if self.path.stat().st_size > LARGEST_JSON:
            what = f"the file is larger than {LARGEST_JSON} bytes, and .json is read whole"
            raise _fault("RECD001", what, str(self.path), "write JSON Lines (.jsonl)")
        raw = self.path.read_bytes()
        text = raw.decode("utf-8-sig", "replace")
        self.replaced += text.count("\ufffd") != raw.count("\ufffd".encode())
        try:
            whole = _decoded(text)
        except (ValueError, RecursionError):
            yield from self._lines()  # OTLP exporters write JSON Lines under .json; a fault is then located
            return
        for number, row in enumerate(whole if isinstance(whole, list) else [whole]):
            yield f"{self.path}[{number}]", _object(row, f"{self.path}[{number}]")

    def _csv(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        csv.field_size_limit(LONGEST_LINE)
        reader = csv.reader((line for _, line in self._text()), strict=True)
        try:
            header = next(reader, [])
            if len(set(header)) < len(header):
                raise _fault("RECD002", "two columns have one name", f"{self.path}:1", "rename one of them")
            for values in reader:
                if not values:
                    continue
                where = f"{self.path}:{reader.line_num}"
                if len(values) != len(header):
                    what = f"the row has {len(values)} values and the header {len(header)} columns"
                    raise _fault("RECD002", what, where, "quote texts that hold commas or line breaks")
                yield where, dict(zip(header, values, strict=True))
        except csv.Error as error:
            where = f"{self.path}:{reader.line_num}"
            raise _fault("RECD002", f"it is no CSV: {quoted(error)}", where, "quote texts by double quotes") from error

    def _parquet(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path, memory_map=False) as file:
                number = 0
                for batch in file.iter_batches(batch_size=BATCH):
                    for row in self._listed(batch):
                        number += 1
                        yield f"{self.path} row {number}", row
        except pa.ArrowException as error:
            what = f"the recording cannot be read: {quoted(error)}"
            raise _fault("RECD001", what, str(self.path), "write it as Parquet") from error

    def _listed(self, batch: Any) -> list[dict[str, Any]]:
        import pyarrow as pa

        try:
            rows: list[dict[str, Any]] = batch.to_pylist()
        except UnicodeDecodeError:
            texts = [n for n, each in enumerate(batch.schema) if pa.types.is_string(each.type)]
            for n in texts:
                batch = batch.set_column(n, batch.schema[n].name, batch.column(n).cast(pa.binary()))
            rows = [
                {
                    key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                    for key, value in row.items()
                }
                for row in batch.to_pylist()
            ]
            self.replaced += sum(any("\ufffd" in v for v in row.values() if isinstance(v, str)) for row in rows)
        return rows

    def _where_to_look(self, row: Mapping[str, Any], where: str) -> dict[str, str]:
        header = tuple(row)
        if header in self._columns:
            return self._columns[header]
        chosen = dict(self.fields)
        taken = set(chosen.values())
        for name, aliases in RECOGNISED.items():
            if name not in chosen:
                column = next((each for each in aliases if each in row and each not in taken), None)
                if column is not None:
                    chosen[name] = column
                    taken.add(column)
        if "prompt" not in chosen and "messages" not in chosen:
            mend = "name one by fields: {prompt: column, response: column}"
            raise _fault("RECD003", f"no column holds the prompt; there are {listed(header)}", where, mend)
        if not {"response", "error", "status", "messages", "tool_calls"} & chosen.keys():
            mend = "name one by fields: {response: column}"
            raise _fault("RECD003", f"no column holds the response; there are {listed(header)}", where, mend)
        if len(self._columns) < 1_000:  # rows of JSON Lines may each have keys of their own
            self._columns[header] = chosen
        return chosen

    def _exchange(self, row: Mapping[str, Any], number: int, where: str) -> Exchange:
        if is_deep(row):
            raise _RowError(f"it has lists or objects inside each other more than {DEEPEST} levels deep")
        chosen = self._where_to_look(row, where)
        value = {name: _at(row, column) for name, column in chosen.items()}
        said = self._unwrap(row, value)
        messages = _messages(value.get("messages"))
        response, calls = value.get("response"), _calls(value.get("tool_calls"))
        if response is None and said is None and len(messages) > 1 and messages[-1].role == "assistant":
            response = messages.pop().content
        system = _told("system", value["system"], chosen) if value.get("system") else None
        if messages and messages[0].role == "system":
            first = messages.pop(0).content
            system = first if system is None else system
        retrieved: list[str] = []
        if value.get("prompt") is None:
            while messages and messages[-1].role != "user":  # what tools said after the user spoke
                last = messages.pop()
                if last.role == "tool":
                    retrieved.insert(0, last.content)
            if not messages:
                raise _RowError("it has no prompt, and its messages have none of the user's")
            prompt = messages.pop().content
        else:
            prompt = _told("prompt", value["prompt"], chosen)
        expect = _text(value.get("expect"))
        if expect is not None and expect not in get_args(Expectation):
            raise _RowError(f"expect is {quoted(expect)[:60]!r}, not comply or refuse")
        passages = _list(value.get("passages"))
        given = _text(value.get("id"))
        self.unnamed += given is None
        case = Case(
            id=given or f"{MADE_UP}{number:07d}",
            turns=(prompt,),
            before=tuple(messages),
            system=system,
            expect=cast("Expectation | None", expect),
            hazard=_text(value.get("hazard")),
            attack=_text(value.get("attack")) or "none",
            language=_text(value.get("language")) or "en",
            cluster=_text(value.get("cluster")),
            reference=_text(value.get("reference")),
            passages=passages,
            secrets=_list(value.get("secrets")),
            tags=self._tags(row, chosen, value.get("tags")),
        )
        error = _text(value.get("error"))
        if said is None:
            text = "" if response is None else _told("response", response, chosen)
            said = Answer(status="ok" if text.strip() or calls else "empty", text=text)
        answer = replace(
            said,
            status=_status(value.get("status"), error, said.status),
            error=said.error if error is None else quoted(error),
            tool_calls=calls or said.tool_calls,
            passages=(*passages, *retrieved),
            latency_ms=_number(value.get("latency_ms"), "latency_ms"),
            ttft_ms=_number(value.get("ttft_ms"), "ttft_ms"),
            tokens_in=_first(_count(value.get("tokens_in"), "tokens_in"), said.tokens_in),
            tokens_out=_first(_count(value.get("tokens_out"), "tokens_out"), said.tokens_out),
            cost=_number(value.get("cost"), "cost"),
            at=_time(value.get("at")),
        )
        return Exchange(case=case, answer=answer, trial=_count(value.get("trial"), "trial", below=MOST_TRIALS) or 0)

    @staticmethod
    def _unwrap(row: Mapping[str, Any], value: dict[str, Any]) -> Answer | None:
        """A provider's response, whose request takes its place in `value`; None where the row has its texts itself."""
        whole = read_whole(row)
        if whole is not None:  # `status` and `error` are then the provider's own
            value.update(status=None, error=None)
        said = whole or read_response(_opened(value.get("response")))
        asked = value.get("prompt")
        request = read_request(asked if said is None else _opened(asked))
        if request is not None:
            value.update({"prompt": None} | {name: told for name, told in request.items() if told is not None})
        return said

    @staticmethod
    def _tags(row: Mapping[str, Any], chosen: Mapping[str, str], given: Any) -> dict[str, str]:
        told = given if isinstance(given, Mapping) else {}
        tags = {_tag(key): str(value)[:LONGEST_TAG] for key, value in told.items() if value is not None}
        if len(row) > len(chosen):
            taken = set(chosen.values())
            for key, value in row.items():
                if key in taken or not isinstance(value, str | int | float | date):
                    continue
                text = json.dumps(value) if isinstance(value, bool) else str(value)
                if text and len(text) <= LONGEST_TAG:
                    tags[_tag(key)] = text
        return tags


def open_recording(path: str | Path, *, fields: Mapping[str, str] | None = None, where: str = "") -> Recording:
    """A recording, which is read when its exchanges are asked for.

    fields: our name -> column, for columns that are not recognised. where: what names it in the plan.
    Raises DataError: RECD001 no such file or an unknown format, RECD003 a field that means nothing.
    """
    path, fields = Path(path), fields or {}
    unknown = [name for name in fields if name not in RECOGNISED]
    if unknown:
        raise _fault("RECD003", f"there are no fields {listed(unknown)}", where, f"write {', '.join(RECOGNISED)}")
    if not path.is_file():
        raise _fault("RECD001", f'there is no recording "{quoted(path)}"', where, "name a file")
    if path.suffix.lower() not in _SUFFIXES:
        what = f'"{quoted(path.name)}" is of no known format'
        raise _fault("RECD001", what, where, f"the endings are {', '.join(_SUFFIXES)}")
    return Recording(path=path, fields=dict(fields))


def _fault(code: str, what: str, where: str, mend: str) -> DataError:
    return DataError(Fault(code=code, what=what, where=where, mend=mend))


def _not_finite(name: str) -> float | None:
    return None if name == "NaN" else float(name)  # Python and pandas write a missing text as NaN


_JSON = json.JSONDecoder(parse_constant=_not_finite)


def _decoded(text: str) -> Any:
    """JSON, in which NaN, which is none, is nothing: no answer, and not the word."""
    return _JSON.decode(text)


def _parsed(line: str, where: str) -> Any:
    try:
        return _decoded(line)
    except (ValueError, RecursionError) as error:
        raise _fault("RECD002", f"it is not JSON: {quoted(error)}", where, "write one object on each line") from error


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _fault("RECD002", "a row must be an object", where, 'write {"prompt": "...", "response": "..."}')
    return value


def _messages(value: Any) -> list[Message]:
    """A conversation, as a list or as the JSON text of one."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        value = _unpacked(value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _RowError("its messages are no list")
    found = []
    for each in value:
        role = _ROLES.get(str(each.get("role", each.get("from")))) if isinstance(each, Mapping) else None
        if role is None:
            raise _RowError("a message needs a role, such as user or assistant, and a content")
        content = each.get("content", each.get("parts", each.get("value")))
        found.append(Message(role=role, content="" if content is None else _told("messages", content, {})))
    return found


def _at(row: Mapping[str, Any], path: str) -> Any:
    """The value of a column; of a path such as output.text, where no column is called so, what stands at its end."""
    if path in row:
        return row[path]
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _told(name: str, value: Any, chosen: Mapping[str, str]) -> str:
    """What somebody said. Raises _RowError for an object that does not say which of its parts it is."""
    try:
        return _spoken(value)
    except _NoText as error:
        keys = [str(key) for key in error.value]
        path = f"{chosen.get(name, 'column')}.{next((k for k, v in error.value.items() if isinstance(v, str)), 'text')}"
        raise _RowError(
            f"its {name} holds an object with {listed(tuple(keys))} where a text is expected",
            f"name the part that is the text, such as fields: {{{name}: {quoted(path, at_most=80)}}}, or write the "
            "text itself",
        ) from error


def _spoken(value: Any) -> str:
    """What somebody said: a text, a message, or a list of parts, of which the texts count. Raises _NoText."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        if value.get("type") in CUT_OFF:
            return ""
        for key in ("content", "text", "value", "parts", "response", "result", "refusal"):
            if value.get(key) is not None:
                return _spoken(value[key])
        raise _NoText(value)
    if isinstance(value, list | tuple):
        return "".join(map(_spoken, value))
    return "" if value is None else str(value)


def _calls(value: Any) -> tuple[ToolCall, ...]:
    if isinstance(value, str):
        value = _unpacked(value) if value.strip() else None
    calls = []
    for each in value if isinstance(value, list) else []:
        call = each.get("function", each) if isinstance(each, Mapping) else None
        if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
            raise _RowError("a tool call needs a name")
        arguments = call.get("arguments") or {}
        if isinstance(arguments, str):
            arguments = _unpacked(arguments)
        calls.append(
            ToolCall(name=call["name"], arguments=arguments if isinstance(arguments, Mapping) else {"": arguments})
        )
    return tuple(calls)


def _unpacked(text: str) -> Any:
    """JSON within a text; the text itself where it is none, or one that is nested too deeply."""
    try:
        found = _decoded(text)
    except (ValueError, RecursionError):
        return text
    return text if is_deep(found) else found


def _list(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _unpacked(value)
    if isinstance(value, list | tuple):
        return tuple(_written(each) for each in value)
    return (_written(value),) if value not in (None, "") else ()


def _text(value: Any) -> str | None:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else _written(value)


def _written(value: Any) -> str:
    """As `_spoken`, of what nobody said: an error, a passage. An object is written as JSON."""
    try:
        return _spoken(value)
    except _NoText:
        return json.dumps(value, ensure_ascii=False, default=str)


def _tag(key: Any) -> str:
    try:
        return tag_name(key)
    except ValueError as error:
        raise _RowError(str(error)) from error


def _number(value: Any, name: str, *, below: int = LARGEST) -> float | None:
    if value is None or value == "":
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.inf
    if math.isnan(found):
        return None
    if not 0 <= found < below:
        raise _RowError(f"{name} is {quoted(value, at_most=60)!r}, which is no number from 0 to {below - 1:,}")
    return found


def _count(value: Any, name: str, *, below: int = LARGEST) -> int | None:
    found = _number(value, name, below=below)
    if found is None:
        return None
    if found != int(found):
        raise _RowError(f"{name} is {quoted(value)[:60]!r}, which is no whole number")
    return int(found)


def _time(value: Any) -> str | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return _text(value)


def _first(told: int | None, otherwise: int | None) -> int | None:
    return otherwise if told is None else told


def _opened(value: Any) -> Any:
    """An object that a table wrote as JSON text; any other value as it is."""
    return _unpacked(value) if isinstance(value, str) and value.startswith("{") else value


def _status(given: Any, error: str | None, otherwise: Status) -> Status:
    told = _text(given)
    if told is not None:
        if told.lower() not in _STATES:
            raise _RowError(f"status is {quoted(told)[:60]!r}, not one of {', '.join(STATUSES)}")
        return _STATES[told.lower()]
    if error is not None:
        return "error"
    return otherwise
