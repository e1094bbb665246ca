"""A chat endpoint as a subject: the OpenAI protocol, which vLLM, llama.cpp, Ollama, Azure and most others speak.

Sans-IO: it says which bytes to send and reads which bytes come back, whole or as server-sent events. Source: OpenAI API
reference, "Create chat completion" and "The chat completion chunk object"; for blocked requests, Azure OpenAI
"Content filtering" (HTTP 400 with code `content_filter`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit, urlunsplit

import orjson

from shipworthy.exchange import Answer, Case, Message, ToolCall
from shipworthy.subjects.assistants import Reader, Request
from shipworthy.subjects.faults import quoted, subject_error
from shipworthy.subjects.reading import count, is_deep

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PATH: Final = "/chat/completions"
_BLOCKED: Final = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})


class TokenPrices(Protocol):
    """What a million tokens cost."""

    @property
    def input(self) -> float:
        """Sent."""

    @property
    def output(self) -> float:
        """Received."""


class ChatDeclaration(Protocol):
    """How the plan declares a chat endpoint (`plan.models.Subject`; this floor lies below the plan)."""

    @property
    def chat(self) -> str | None:
        """Base URL, such as http://localhost:8000/v1; a query is kept."""

    @property
    def model(self) -> str | None:
        """The model to ask for."""

    @property
    def system(self) -> str | None:
        """System prompt: text, or a .md or .txt file of the plan's folder."""

    @property
    def key(self) -> str | None:
        """`${NAME}` of the environment, or `file:PATH`."""

    @property
    def headers(self) -> Mapping[str, str]:
        """More headers, with `${NAME}` of the environment."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Sent with each request. A `seed` grows with the trial; null takes out what we would send."""

    @property
    def stream(self) -> bool:
        """Ask for server-sent events, which tell the time to the first token."""

    @property
    def prices(self) -> TokenPrices | None:
        """Of tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatSubject:
    """An endpoint that takes a conversation and answers with its next message."""

    name: str
    url: str = field(repr=False)  # its query may hold a secret
    headers: Mapping[str, str] = field(repr=False)  # with the secrets filled in
    secrets: tuple[str, ...] = field(repr=False)
    model: str | None
    system: str | None
    parameters: Mapping[str, Any]
    streams: bool
    price_in: float | None  # of one token; both or none
    price_out: float | None

    def request(self, case: Case, conversation: Sequence[Message], *, trial: int, session: str) -> Request:  # noqa: ARG002  the protocol has no sessions
        """The next completion. The subject's own system prompt stands in where the case has none."""
        messages = _spoken(conversation, case.tools)
        if self.system is not None and (not conversation or conversation[0].role != "system"):
            messages.insert(0, {"role": "system", "content": self.system})
        body: dict[str, Any] = {"messages": messages}
        if self.model is not None:
            body["model"] = self.model
        if case.tools:
            body["tools"] = [_offered(tool) for tool in case.tools]
        if self.streams:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        body.update(self.parameters)
        if isinstance(body.get("seed"), int):
            body["seed"] += trial
        for unwanted in [name for name, value in self.parameters.items() if value is None]:
            del body[unwanted]
        return Request(
            url=self.url, body=_dumped(body), headers=self.headers, secrets=self.secrets, streams=self.streams
        )

    def reader(self) -> Reader:
        """Reads a completion, or its events where we stream."""
        return (_Events if self.streams else _Whole)(self._priced, self.secrets)

    def read_error(self, status: int, body: bytes) -> Answer | None:  # noqa: ARG002  endpoints differ in it
        """A request that a content policy blocked is an answer; any other error is none (None)."""
        try:
            said = _loaded(body)
        except ValueError:
            return None
        error = said.get("error") if isinstance(said, dict) else None
        if not isinstance(error, dict):
            return None
        inner = error.get("innererror")
        codes = {str(error.get("code")), str(error.get("type"))}
        codes |= {str(inner.get("code"))} if isinstance(inner, dict) else set()
        detail = error.get("metadata")
        flagged = isinstance(detail, dict) and "flagged_input" in detail  # OpenRouter's moderation
        if not (codes & _BLOCKED or flagged):
            return None
        return Answer(status="filtered", error=quoted(error.get("message") or "blocked", secrets=self.secrets))

    def describe(self) -> Mapping[str, str]:
        """Kind, address, model, parameters, names of the headers, digest of the system prompt; no secret."""
        facts = {"kind": "chat", "url": _address(self.url), "model": self.model or ""}
        if self.parameters:
            facts["parameters"] = json.dumps(dict(self.parameters), sort_keys=True)
        if self.streams:
            facts["stream"] = "true"
        if names := sorted(name for name in self.headers if name.lower() not in ("authorization", "content-type")):
            facts["headers"] = ", ".join(names)
        if self.system is not None:
            content = self.system.encode("utf-8", "surrogatepass")
            facts["system"] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return facts

    def _priced(self, answer: Answer) -> Answer:
        if self.price_in is None or self.price_out is None or answer.tokens_in is None or answer.tokens_out is None:
            return answer
        return replace(answer, cost=answer.tokens_in * self.price_in + answer.tokens_out * self.price_out)


def open_chat(name: str, declaration: ChatDeclaration, *, folder: Path) -> ChatSubject:
    """Make ready to ask a chat endpoint; nothing is sent yet.

    Raises SubjectError: SUBJ001 no http address, SUBJ013 a header that cannot be filled in, SUBJ020 a key that is not
    there or cannot be sent, SUBJ021 a system prompt that cannot be read.
    """
    parts = urlsplit(declaration.chat or "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        shown = quoted(_address(declaration.chat or ""))
        raise subject_error(name, "SUBJ001", f'"{shown}" is no http address', "write http://host:port/v1")
    path = parts.path.rstrip("/")
    path = path if path.endswith(_PATH) else path + _PATH
    headers = {"Content-Type": "application/json"}
    secrets = [part for part in (parts.password, parts.query) if part]
    if declaration.key is not None:
        key = _key(name, declaration.key, folder)
        headers["Authorization"] = f"Bearer {key}"
        secrets.append(key)
    for header, value in declaration.headers.items():
        headers[header] = _filled(name, header, value)
        secrets += [os.environ[variable] for variable in _VARIABLE.findall(value)]
    prices = declaration.prices
    return ChatSubject(
        name=name,
        url=urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")),
        headers=headers,
        secrets=tuple(secrets),
        model=declaration.model,
        system=_system(name, declaration.system, folder),
        parameters=dict(declaration.parameters),
        streams=declaration.stream,
        price_in=None if prices is None else prices.input / 1e6,
        price_out=None if prices is None else prices.output / 1e6,
    )


def _key(name: str, said: str, folder: Path) -> str:
    variable = _VARIABLE.fullmatch(said)
    if variable:
        key = os.environ.get(variable[1], "")
        source, mend = f"the environment variable {variable[1]}", f"export {variable[1]}=... before the run"
    elif said.startswith("file:"):
        file = folder / Path(said.removeprefix("file:")).expanduser()
        source, mend = f"the file {quoted(file)}", "write the key, and nothing else, into that file"
        try:
            key = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = f"its key cannot be read from {source}: {type(error).__name__}"
            raise subject_error(name, "SUBJ020", why, mend) from error
    else:
        raise subject_error(
            name, "SUBJ020", "its key stands in the plan", "write ${NAME} of an environment variable, or file:PATH"
        )
    key = key.strip()
    if not key:
        raise subject_error(name, "SUBJ020", f"its key is missing: {source} is not set or empty", mend)
    if not (key.isascii() and key.isprintable()):
        raise subject_error(name, "SUBJ020", f"its key, from {source}, holds characters that no header carries", mend)
    return key


def _filled(name: str, header: str, value: str) -> str:
    for variable in _VARIABLE.findall(value):
        if variable not in os.environ:
            raise subject_error(
                name,
                "SUBJ013",
                f'header "{quoted(header)}" needs the environment variable {variable}, which is not set',
                f"export {variable}=... before the run",
            )
    filled = _VARIABLE.sub(lambda match: os.environ[match[1]], value)
    if not (filled + header).isprintable():
        raise subject_error(
            name, "SUBJ013", f'header "{quoted(header)}" holds a line break', "strip the variable's value"
        )
    return filled


def _system(name: str, said: str | None, folder: Path) -> str | None:
    if said is None or "\n" in said or not said.endswith((".md", ".txt")):
        return said
    file = folder / said
    try:
        return file.read_text(encoding="utf-8").rstrip("\n") if file.is_file() else said
    except (OSError, UnicodeDecodeError) as error:
        why = f"its system prompt {quoted(said)} cannot be read: {quoted(error)}"
        raise subject_error(name, "SUBJ021", why, "write it in UTF-8, where the run may read it") from error


def _address(url: str) -> str:
    """The URL without what may hide a secret: user, password, query."""
    parts = urlsplit(url)
    return quoted(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")))


def _spoken(conversation: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages of the protocol. A tool's result has to follow a call of it, which is made up where it is missing."""
    found: list[dict[str, Any]] = []
    calls = 0
    for message in conversation:
        if message.role != "tool":
            found.append({"role": message.role, "content": message.content})
            continue
        if not found or found[-1]["role"] not in ("assistant", "tool"):
            found.append({"role": "assistant", "content": ""})
        caller = next(each for each in reversed(found) if each["role"] == "assistant")
        name = str(_offered(tools[0])["function"].get("name")) if len(tools) == 1 else "lookup"
        caller.setdefault("tool_calls", []).append(
            {"id": f"call_{calls}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        )
        found.append({"role": "tool", "content": message.content, "tool_call_id": f"call_{calls}"})
        calls += 1
    return found


def _offered(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool in the protocol's form, whether the case writes its wrapper or not."""
    if isinstance(tool.get("function"), Mapping):
        return tool
    return {"type": "function", "function": tool}


def read_completion(said: Mapping[str, Any], *, secrets: Sequence[str] = ()) -> Answer | None:
    """The answer of a completion's first choice, or the error in its place; None where there is neither."""
    if said.get("error") and not said.get("choices"):
        return Answer(status="error", error=_told(said["error"], secrets))
    choices = said.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return None
    parts = _Parts()
    parts.usage(said.get("usage"))
    parts.message(message)
    parts.reason = choice.get("finish_reason")
    return parts.answer()


class _Whole:
    """Reads a completion in one JSON object."""

    def __init__(self, priced: Any, secrets: Sequence[str]) -> None:
        self._priced, self._secrets = priced, secrets
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> bool:
        self._pieces.append(chunk)
        return bool(chunk)

    def finish(self) -> Answer:
        body = b"".join(self._pieces)
        try:
            said = _loaded(body)
        except ValueError:
            return _broken("it answered no whole JSON", body, self._secrets)
        if not isinstance(said, dict):
            return _broken("it answered no JSON object", body, self._secrets)
        found = read_completion(said, secrets=self._secrets)
        if found is None:
            return _broken("its answer has no choices[0].message", body, self._secrets)
        answer: Answer = self._priced(found)
        return answer


class _Events:
    """Reads a completion in server-sent events."""

    def __init__(self, priced: Any, secrets: Sequence[str]) -> None:
        self._priced, self._secrets = priced, secrets
        self._line: list[bytes] = []  # pieces of a line whose end is not in yet
        self._parts = _Parts()
        self._whole: _Whole | None = None  # for an endpoint that does not stream
        self._untouched = True
        self._done = False
        self._fault: str | None = None

    def feed(self, chunk: bytes) -> bool:
        if self._untouched and chunk.strip():
            self._untouched = False
            if chunk.lstrip().startswith(b"{"):
                self._whole = _Whole(self._priced, self._secrets)
        if self._whole is not None:
            return self._whole.feed(chunk)
        if b"\n" not in chunk:
            self._line.append(chunk)
            return self._parts.begun
        *lines, rest = b"".join([*self._line, chunk]).split(b"\n")
        self._line = [rest]
        for line in lines:
            self._read(line)
        return self._parts.begun

    def finish(self) -> Answer:
        if self._whole is not None:
            return self._whole.finish()
        self._read(b"".join(self._line))
        if self._fault is not None:
            return Answer(status="error", error=self._fault)
        if not (self._done or self._parts.reason):
            return Answer(status="error", error="its stream broke off before its end")
        answer: Answer = self._priced(self._parts.answer())
        return answer

    def _read(self, line: bytes) -> None:
        if not line.startswith(b"data:") or self._done or self._fault is not None:
            return  # comments, names of events, blank lines
        data = line[5:].strip()
        if data == b"[DONE]":
            self._done = True
            return
        try:
            said = _loaded(data)
        except ValueError:
            self._fault = _broken("an event of its stream is no whole JSON", data, self._secrets).error
            return
        if not isinstance(said, dict):
            return
        if said.get("error"):
            self._fault = _told(said["error"], self._secrets)
            return
        self._parts.usage(said.get("usage"))
        choices = said.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                if isinstance(choice.get("delta"), dict):
                    self._parts.message(choice["delta"])
                self._parts.reason = choice.get("finish_reason") or self._parts.reason


class _Parts:
    """What a message is made of, gathered from one object or from many deltas."""

    def __init__(self) -> None:
        self.begun = False  # a first token was seen
        self.reason: Any = None
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls: dict[Any, tuple[list[str], list[str]]] = {}  # by index: name, arguments
        self._tokens: tuple[int | None, int | None] = (None, None)

    def usage(self, said: Any) -> None:
        if isinstance(said, dict):
            self._tokens = count(said.get("prompt_tokens")), count(said.get("completion_tokens"))

    def message(self, said: Mapping[str, Any]) -> None:
        content = said.get("content")
        if isinstance(content, str):
            self._texts.append(content)
        elif isinstance(content, list):
            self._texts += [
                part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
            ]
        if isinstance(said.get("refusal"), str):
            self._refusals.append(said["refusal"])
        calls = said.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                self._call(call.get("index", place), call.get("function"))
        if isinstance(said.get("function_call"), dict):
            self._call(0, said["function_call"])
        thought = said.get("reasoning_content") or said.get("reasoning")
        self.begun = self.begun or bool(content or said.get("refusal") or calls or thought)

    def _call(self, index: Any, function: Any) -> None:
        if not isinstance(function, dict):
            return
        name, arguments = self._calls.setdefault(str(index), ([], []))
        if isinstance(function.get("name"), str):
            name.append(function["name"])
        given = function.get("arguments")
        if given is not None:
            arguments.append(given if isinstance(given, str) else json.dumps(given))

    def answer(self) -> Answer:
        text, refusal = _text(self._texts), _text(self._refusals)
        calls = tuple(
            ToolCall(name=_text(name), arguments=_arguments(_text(arguments)))
            for name, arguments in self._calls.values()
        )
        found = Answer(status="ok", text=text, tool_calls=calls, tokens_in=self._tokens[0], tokens_out=self._tokens[1])
        if refusal:
            return replace(found, status="refused", text=text or refusal)
        if isinstance(self.reason, str) and self.reason.startswith("content_filter"):
            return replace(found, status="filtered", error="its content filter cut the answer off")
        if not text.strip() and not calls:
            why = f"it answered neither text nor a tool call (finish_reason {quoted(self.reason)})"
            return replace(found, status="empty", error=why)
        return found


def _arguments(said: str) -> Mapping[str, Any]:
    """What a tool is called with; whatever is no JSON object is kept as text under `unparsed`."""
    try:
        found = _loaded(said.encode("utf-8", "surrogatepass")) if said.strip() else {}
    except ValueError:
        found = None
    return found if isinstance(found, dict) and not is_deep(found) else {"unparsed": said}


def _text(pieces: list[str]) -> str:
    """The pieces in one, with surrogates that were cut apart put together again."""
    text = pieces[0] if len(pieces) == 1 else "".join(pieces)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return text


def _told(error: Any, secrets: Sequence[str]) -> str:
    message = error.get("message", error) if isinstance(error, dict) else error
    return f"it answered an error: {quoted(message, secrets=secrets)}"


def _broken(what: str, body: bytes, secrets: Sequence[str]) -> Answer:
    start = quoted(body, secrets=secrets, at_most=200)
    return Answer(status="error", error=f"{what}: {start}" if start else f"{what}: nothing")


def _loaded(body: bytes) -> Any:
    """JSON, also with lone surrogates and with bytes that are no UTF-8. Raises ValueError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body.decode("utf-8", "replace"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # lone surrogates, numbers beyond 64 bits, mappings of our own
        return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
