"""Any HTTP application, by configuration alone: what to send, and where things stand in what comes back.

    assistant:
      http: https://help.example.org/api/ask
      headers: {Authorization: "Bearer ${HELP_TOKEN}"}
      request: {question: "{prompt}", session: "{session}", options: {top_k: 5}}
      response: {answer: result.text, passages: "result.sources[*].text", tokens_out: usage.output}

In `request`, a text that is exactly one placeholder becomes the thing itself ({messages} and {passages} are lists,
{trial} is a number); elsewhere placeholders become text. Nothing else in braces means anything, and what a case says
is never read as a template. `${NAME}` is read from the environment, in headers, the address and `request`.

`response` is a mapping of paths (`subjects.paths`); `text`, or an answer at `$`, means that the body is the answer.
With `stream`, the body is server-sent events: `stream` is the path of the next piece in each event's JSON, `$` the
event's whole data; the other paths hold for the last event that has them.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as Folder
from typing import Any, Final, NoReturn, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from shipworthy.digest import digest
from shipworthy.errors import Fault, SubjectError
from shipworthy.exchange import Answer, Case, Message, Status, ToolCall
from shipworthy.subjects.assistants import Reader, Request
from shipworthy.subjects.faults import listed, quoted, subject_error
from shipworthy.subjects.paths import Path, parse_path
from shipworthy.subjects.reading import count, is_deep, number

LARGEST_RESPONSE: Final = 64 * 2**20  # bytes
_START: Final = 20_000  # characters of a stream that are kept, to say what came in place of events
PLACEHOLDERS: Final = ("prompt", "session", "messages", "system", "trial", "passages")
_HOLE = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_SLIP = re.compile(r"\{[A-Za-z_]{1,40}\}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PARTS: Final = ("answer", "passages", "tokens_in", "tokens_out", "cost", "refused", "error", "stream")
_METHODS: Final = ("POST", "GET", "PUT", "PATCH")
_NO: Final = frozenset({"", "0", "false", "no", "none", "null"})


class Declaration(Protocol):
    """How the plan declares an HTTP application."""

    http: str | None
    method: str  # POST, GET, PUT or PATCH
    headers: Mapping[str, str]
    request: Any  # JSON template, or a text that is sent as it is; None: {"prompt": "{prompt}"}, nothing with GET
    response: Any  # paths, as a mapping or a record of the plan, or "text"; None: {"answer": "answer"}
    # `history`, which may be absent: send the whole conversation as {messages}; None: where `request` has {messages}


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where things stand in a response. An answer of None: the whole body."""

    answer: Path | None = None
    stream: Path | None = None
    passages: Path | None = None
    tool_calls: Path | None = None
    call_name: Path
    call_arguments: Path
    tokens_in: Path | None = None
    tokens_out: Path | None = None
    cost: Path | None = None
    refused: Path | None = None
    error: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """An `Endpoint` by configuration."""

    name: str
    url: str = field(repr=False)  # variables filled in, placeholders not
    method: str
    headers: Mapping[str, str] = field(repr=False)  # variables filled in
    template: Any = field(repr=False)  # variables filled in; None: no body
    places: Places
    history: bool
    secrets: tuple[str, ...] = field(repr=False)
    facts: Mapping[str, str]

    def request(self, case: Case, conversation: Sequence[Message], *, trial: int, session: str) -> Request:
        """The request for the last user message. Raises SubjectError (SUBJ042) where it would leave out what was said
        before.
        """
        system = conversation[0].content if conversation and conversation[0].role == "system" else None
        spoken = conversation[1:] if system is not None else conversation
        if len(spoken) > 1 and not self.history and (case.before or "{session}" not in self._asks()):
            raise subject_error(
                self.name,
                "SUBJ042",
                f"the case {quoted(case.id)[:80]} has a conversation before its last message, which would not be sent",
                "put {messages} into request"
                + ("" if case.before else ", or send {session} to an application that remembers"),
            )
        sent = conversation if self.history else [*conversation[: system is not None], *spoken[-1:]]
        held: dict[str, Any] = {
            "prompt": spoken[-1].content if spoken else "",
            "session": session,
            "messages": [{"role": message.role, "content": message.content} for message in sent],
            "system": system,
            "trial": trial,
            "passages": list(case.passages),
        }
        filled = _filled(self.template, held)
        if self.template is None:
            body = b""
        elif isinstance(self.template, str):
            body = _text(filled).encode("utf-8", "replace")
        else:
            body = json.dumps(filled).encode()
        return Request(
            url=_HOLE.sub(lambda hole: quote(_text(held[hole[1]]).encode("utf-8", "replace"), safe=""), self.url),
            body=body,
            headers={
                name: _HOLE.sub(lambda hole: quote(_text(held[hole[1]]).encode("utf-8", "replace")), value)
                for name, value in self.headers.items()
            },
            method=self.method,
            secrets=self.secrets,
            streams=self.places.stream is not None,
        )

    def _asks(self) -> str:
        return "\n".join((self.url, *self.headers.values(), *_texts(self.template)))

    def reader(self) -> Reader:
        """Read one response."""
        return _Stream(self.places, self.secrets) if self.places.stream else _Whole(self.places, self.secrets)

    def describe(self) -> Mapping[str, str]:
        """Kind, address, names of the headers, digest of the declared request and response; never a secret."""
        return self.facts


def open_app(name: str, declared: Declaration, *, folder: Folder) -> App:  # noqa: ARG001  one door for all
    """Make ready to ask an application; nothing is sent yet.

    Raises SubjectError: SUBJ001 no http address, SUBJ013 a variable that the environment lacks or that breaks a header,
    SUBJ041 a request or response that means nothing.
    """
    declared_url = declared.http or ""
    if not _is_address(declared_url):
        raise subject_error(name, "SUBJ001", f'"{quoted(declared_url)}" is no http address', "write http://host/path")
    method = declared.method.upper()
    if method not in _METHODS:
        _wrong(name, "method", f'"{quoted(method)}" is not offered', f"write one of {', '.join(_METHODS)}")
    environment = _Environment(name)
    url = environment.filled("http", declared_url)
    headers = {header: environment.filled(f"headers.{header}", text) for header, text in declared.headers.items()}
    for header, value in headers.items():
        if not (value + header).isprintable():
            what = f'header "{quoted(header)}" holds a line break'
            raise subject_error(name, "SUBJ013", what, "strip the variable's value")
    template = declared.request
    if template is None and method != "GET" and not _HOLE.search(declared_url):
        template = {"prompt": "{prompt}"}
    _check_template(name, template, declared_url)
    if template is not None and not any(header.lower() == "content-type" for header in headers):
        headers["Content-Type"] = "text/plain; charset=utf-8" if isinstance(template, str) else "application/json"
    response = _as_mapping(declared.response)
    places = _places(name, response)
    history = getattr(declared, "history", None)
    parts = urlsplit(url)
    shown = urlsplit(declared_url)
    return App(
        name=name,
        url=url,
        method=method,
        headers=headers,
        template=_mapped(template, lambda text: environment.filled("request", text)),
        places=places,
        history=any("{messages}" in t for t in _texts(template)) if history is None else history,
        secrets=tuple(dict.fromkeys((*environment.used, *(part for part in (parts.password,) if part)))),
        facts={
            "kind": "app",
            "url": quoted(urlunsplit((shown.scheme, shown.netloc.rpartition("@")[2], shown.path, "", ""))),
            "method": method,
            "headers": ", ".join(sorted(headers)),
            "request": digest(template),
            "response": digest(response),
        },
    )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


class _Environment:
    """Fills `${NAME}` in, and remembers what it filled in."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.used: list[str] = []

    def filled(self, where: str, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                raise subject_error(
                    self.name,
                    "SUBJ013",
                    f'"{quoted(where)}" needs the environment variable {match[1]}, which is not set',
                    f"export {match[1]}=... before the run",
                )
            if os.environ[match[1]]:
                self.used.append(os.environ[match[1]])
            return os.environ[match[1]]

        return _VARIABLE.sub(value, text)


def _check_template(name: str, template: Any, url: str) -> None:
    try:
        digest(template)
        texts = list(_texts(template))
    except (TypeError, ValueError, RecursionError) as error:
        _wrong(name, "request", f"is not JSON: {quoted(error)}", "write objects, lists, texts and numbers", error)
    slips = sorted({text for text in texts if _SLIP.fullmatch(text) and not _HOLE.fullmatch(text)})
    known = ", ".join(f"{{{hole}}}" for hole in PLACEHOLDERS)
    if slips:
        _wrong(name, "request", f"has {listed(slips)}, which nothing fills", f"the placeholders are {known}")
    if not any("{prompt}" in text or "{messages}" in text for text in (*texts, url)):
        _wrong(name, "request", "asks nothing", "put {prompt} or {messages} where the question goes")


def _as_mapping(declared: Any) -> Any:
    """`response` as a mapping of what it says, also where it is a record of the plan."""
    if declared is None:
        return {"answer": "answer"}
    if isinstance(declared, Mapping | str):
        return declared
    told = {part: getattr(declared, part, None) for part in (*_PARTS, "tool_calls")}
    if told["tool_calls"] is not None:
        told["tool_calls"] = {
            "at": told["tool_calls"],
            "name": declared.tool_name,
            "arguments": declared.tool_arguments,
        }
    return {part: path for part, path in told.items() if path is not None}


def _places(name: str, declared: Mapping[str, Any] | str) -> Places:
    if declared == "text":
        declared = {}
    elif not isinstance(declared, Mapping) or not ({"answer", "stream"} & declared.keys()):
        _wrong(name, "response", "does not say where the answer is", "write {answer: path}, {stream: path}, or text")
    unknown = sorted(str(key) for key in declared if key not in {*_PARTS, "tool_calls"})
    if unknown:
        _wrong(name, "response", f"has {listed(unknown)}", f"the keys are {', '.join((*_PARTS, 'tool_calls'))}")
    calls = declared.get("tool_calls") or {}
    if isinstance(calls, str):
        calls = {"at": calls}
    if (
        not isinstance(calls, Mapping)
        or (calls and "at" not in calls)
        or not calls.keys() <= {"at", "name", "arguments"}
    ):
        _wrong(name, "response.tool_calls", "must be a path, or {at, name, arguments}", "write at: choices[0].tools[*]")
    return Places(
        tool_calls=_path(name, "tool_calls.at", calls.get("at")),
        call_name=_path(name, "tool_calls.name", calls.get("name", "name")) or parse_path("name"),
        call_arguments=_path(name, "tool_calls.arguments", calls.get("arguments", "arguments"))
        or parse_path("arguments"),
        **{part: _path(name, part, declared.get(part)) for part in _PARTS},
    )


def _path(name: str, part: str, text: Any) -> Path | None:
    if text is None:
        return None
    try:
        if not isinstance(text, str):
            raise ValueError("must be text")
        return parse_path(text)
    except ValueError as error:
        _wrong(name, f"response.{part}", f'the path "{quoted(text)}" {error}', "write a path such as a.b[0].c", error)


def _wrong(name: str, key: str, what: str, mend: str, cause: Exception | None = None) -> NoReturn:
    fault = Fault(code="SUBJ041", what=f"{key}: {what}", where=f"subjects.{name}.{key}", mend=mend)
    raise SubjectError(fault) from cause


def _texts(template: Any) -> Iterator[str]:
    """Every text of a template that is a value."""
    if isinstance(template, str):
        yield template
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from _texts(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from _texts(value)


def _mapped(template: Any, change: Callable[[str], Any]) -> Any:
    if isinstance(template, str):
        return change(template)
    if isinstance(template, Mapping):
        return {key: _mapped(value, change) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [_mapped(value, change) for value in template]
    return template


def _filled(template: Any, held: Mapping[str, Any]) -> Any:
    def fill(text: str) -> Any:
        alone = _HOLE.fullmatch(text)
        return held[alone[1]] if alone else _HOLE.sub(lambda hole: _text(held[hole[1]]), text)

    return _mapped(template, fill)


def _text(value: Any) -> str:
    """A thing that stands within a text."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n\n".join(f"{each['role']}: {each['content']}" if isinstance(each, dict) else each for each in value)
    return str(value)


class _Whole:
    """Reads a response that comes at once, as JSON or as text."""

    def __init__(self, places: Places, secrets: Sequence[str]) -> None:
        self._places, self._secrets = places, secrets
        self._body = bytearray()

    def feed(self, chunk: bytes) -> bool:
        if len(self._body) <= LARGEST_RESPONSE:
            self._body += chunk
        return False

    def finish(self) -> Answer:
        if len(self._body) > LARGEST_RESPONSE:
            return _failed(f"the response is longer than {LARGEST_RESPONSE} bytes")
        text = self._body.decode("utf-8", "replace")
        if self._places.answer is None or not self._places.answer.steps:
            return Answer(status="ok" if text.strip() else "empty", text=text)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            start = quoted(text, secrets=self._secrets, at_most=200)
            return _failed(f"the response is not JSON: {start or 'it is empty'}")
        return _answer(self._places, [value], None, self._secrets)


class _Stream:
    """Reads server-sent events. Source: WHATWG HTML, section 9.2.6."""

    def __init__(self, places: Places, secrets: Sequence[str]) -> None:
        self._places, self._secrets = places, secrets
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
        self._line: list[str] = []
        self._data: list[str] = []
        self._event = ""
        self._pieces: list[str] = []
        self._kept: list[Any] = []  # events with something else than pieces of text
        self._bytes = 0
        self._start = ""
        self._fault: str | None = None

    def feed(self, chunk: bytes) -> bool:
        self._bytes += len(chunk)
        if self._bytes <= LARGEST_RESPONSE:
            self._take(self._decoder.decode(chunk))
        return bool(self._pieces)

    def _take(self, text: str) -> None:
        if len(self._start) < _START:
            self._start += text[:_START]
        *whole, rest = text.split("\n")
        for line in whole:
            self._line.append(line)
            self._read("".join(self._line))
            self._line = []
        if rest:
            self._line.append(rest)

    def _read(self, line: str) -> None:
        if not line:
            self._dispatch()
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value

    def _dispatch(self) -> None:
        data, self._data = "\n".join(self._data), []
        event, self._event = self._event, ""
        if event == "error":
            self._fault = data or "an error event"
        if not data or data == "[DONE]" or self._places.stream is None:
            return
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            if self._places.stream.steps:
                self._fault = self._fault or f"an event is not JSON: {quoted(data, secrets=self._secrets, at_most=200)}"
                return
            value = data
        if not self._places.stream.steps and not isinstance(value, str):
            value = data  # plain text that happens to read as JSON
        try:
            piece = self._places.stream.find(value)
        except LookupError:
            piece = None
        if piece not in (None, "", []):
            self._pieces.append(_said(piece))
        if isinstance(value, dict):
            self._kept.append(value)

    def finish(self) -> Answer:
        if self._bytes > LARGEST_RESPONSE:
            return _failed(f"the response is longer than {LARGEST_RESPONSE} bytes")
        self._take(self._decoder.decode(b"", final=True) + "\n\n")
        if self._fault:
            return _failed(quoted(self._fault, secrets=self._secrets))
        if not self._pieces and not self._kept:
            start = quoted(self._start, secrets=self._secrets, at_most=200)
            return _failed(f"the response holds no events: {start or 'it is empty'}")
        return _answer(self._places, self._kept[::-1], "".join(self._pieces), self._secrets)


def _answer(places: Places, values: Sequence[Any], streamed: str | None, secrets: Sequence[str]) -> Answer:
    """Read an answer from JSON values, of which the first that has something counts."""
    error = _first(places.error, values)
    if _true(error):
        return _failed(quoted(_said(error), secrets=secrets) or "the application reports an error")
    calls = _calls(places, _first(places.tool_calls, values))
    text = streamed or ""
    if streamed is None or (not streamed and places.answer):
        try:
            text = _said(places.answer.find(values[0]) if places.answer else values[0])
        except LookupError as missing:
            if not calls and streamed is None:
                return _failed(
                    quoted(f"the response has no answer at {places.answer and places.answer.text}: {missing}")
                )
    found = _first(places.passages, values)
    status: Status = "ok" if text.strip() or calls else "empty"
    if _true(_first(places.refused, values)):
        status = "refused"
    return Answer(
        status=status,
        text=text,
        tool_calls=calls,
        passages=tuple(map(_said, found if isinstance(found, list) else [] if found is None else [found])),
        tokens_in=count(_first(places.tokens_in, values)),
        tokens_out=count(_first(places.tokens_out, values)),
        cost=number(_first(places.cost, values)),
    )


def _calls(places: Places, found: Any) -> tuple[ToolCall, ...]:
    calls = []
    for each in found if isinstance(found, list) else [found]:
        try:
            name, arguments = places.call_name.find(each), places.call_arguments.find(each)
        except LookupError:
            try:
                name, arguments = places.call_name.find(each), {}
            except LookupError:
                continue
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except (ValueError, RecursionError):
                arguments = {"": arguments}
        calls.append(
            ToolCall(
                name=_said(name),
                arguments=arguments
                if isinstance(arguments, dict) and not is_deep(arguments)
                else {"": _said(arguments) if is_deep(arguments) else arguments},
            )
        )
    return tuple(calls)


def _first(path: Path | None, values: Sequence[Any]) -> Any:
    if path is None:
        return None
    for value in values:
        try:
            found = path.find(value)
        except LookupError:
            continue
        if found is not None and found != []:
            return found
    return None


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "".join(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deep to be written)"


def _true(value: Any) -> bool:
    return value.strip().lower() not in _NO if isinstance(value, str) else bool(value)


def _failed(why: str) -> Answer:
    return Answer(status="error", error=why)
