"""A Python function as an assistant: `module:function`, plain or async, from the plan's folder or what is installed.

It takes what its parameters are named after, among `prompt` (the last user message), `messages` (the conversation, as
role and content), `case`, `session`, `trial` and `passages`; a single parameter of another name gets the messages where
its annotation is a list, else the prompt. It returns a text, a dict with `text` and any of `tool_calls`, `passages`,
`tokens_in`, `tokens_out`, `cost` and `refused`, or an `Answer`.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol, cast

from shipworthy.errors import SubjectError
from shipworthy.exchange import Answer, Case, Message, ToolCall
from shipworthy.subjects.faults import listed, quoted, raised, subject_error
from shipworthy.subjects.importing import import_function, place
from shipworthy.subjects.reading import number

OFFERED: Final = ("prompt", "messages", "case", "session", "trial", "passages")
_RETURNED: Final = ("text", "tool_calls", "passages", "tokens_in", "tokens_out", "cost", "refused")


class Declaration(Protocol):
    """How the plan declares a Python function."""

    python: str | None  # module:function


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionAssistant:
    """A `Function` that calls a stranger's code. What that code prints is not caught: calls may overlap."""

    name: str
    target: str  # module:function, as the plan writes it
    function: Callable[..., Any]
    wants: tuple[tuple[str, str], ...]  # (parameter, which of OFFERED it gets); a parameter of "" stands first, unnamed
    digest: str | None  # of the module's source; None when it has no file

    @property
    def is_async(self) -> bool:
        """Whether calling the function does nothing but make a coroutine."""
        return inspect.iscoroutinefunction(self.function)

    def ask(
        self, case: Case, conversation: Sequence[Message], *, trial: int, session: str
    ) -> Answer | Awaitable[Answer]:
        """Call the function. Raises SubjectError: SUBJ006 it raised, SUBJ043 it returned something else."""
        offered: dict[str, Callable[[], Any]] = {
            "prompt": lambda: conversation[-1].content if conversation else case.prompt,
            "messages": lambda: [{"role": message.role, "content": message.content} for message in conversation],
            "case": lambda: case,
            "session": lambda: session,
            "trial": lambda: trial,
            "passages": lambda: list(case.passages),
        }
        unnamed = [offered[offer]() for parameter, offer in self.wants if not parameter]
        named = {parameter: offered[offer]() for parameter, offer in self.wants if parameter}
        try:
            said = self.function(*unnamed, **named)
        except (KeyboardInterrupt, TimeoutError):
            raise
        except BaseException as error:  # a stranger's code may raise anything
            self._failed(error)
        return self._awaited(said) if inspect.isawaitable(said) else self._answer(said)

    async def _awaited(self, said: Awaitable[Any]) -> Answer:
        try:
            value = await said
        except TimeoutError:
            raise
        except (Exception, SystemExit) as error:
            self._failed(error)
        return self._answer(value)

    def _failed(self, error: BaseException) -> NoReturn:
        raise subject_error(
            self.name, "SUBJ006", f"{self.target} raised {raised(error)}{place(error)}", "call it by hand"
        ) from error

    def _answer(self, said: Any) -> Answer:
        if isinstance(said, Answer):
            return said
        if isinstance(said, str):
            said = {"text": said}
        if not isinstance(said, Mapping):
            raise self._misread(f"returned {type(said).__name__}")
        unknown = [str(key) for key in said if key not in _RETURNED]
        if unknown:
            raise self._misread(f"returned a dict with {listed(unknown)}")
        text, calls = said.get("text"), tuple(map(self._call, _list(said.get("tool_calls"))))
        if text is None:
            text = ""
        if not isinstance(text, str):
            raise self._misread(f"returned a text of type {type(text).__name__}")
        passages = _list(said.get("passages"))
        if not all(isinstance(passage, str) for passage in passages):
            raise self._misread("returned passages that are not texts")
        counts = {key: self._number(key, said.get(key)) for key in ("tokens_in", "tokens_out", "cost")}
        return Answer(
            status="refused" if said.get("refused") else "ok" if text.strip() or calls else "empty",
            text=text,
            tool_calls=calls,
            passages=tuple(passages),
            tokens_in=None if counts["tokens_in"] is None else int(counts["tokens_in"]),
            tokens_out=None if counts["tokens_out"] is None else int(counts["tokens_out"]),
            cost=counts["cost"],
        )

    def _call(self, value: Any) -> ToolCall:
        if isinstance(value, ToolCall):
            return value
        if isinstance(value, Mapping) and isinstance(value.get("name"), str):
            arguments = value.get("arguments") or {}
            if isinstance(arguments, str):
                with contextlib.suppress(ValueError, RecursionError):
                    arguments = json.loads(arguments)
            if isinstance(arguments, Mapping):
                return ToolCall(name=value["name"], arguments=arguments)
        raise self._misread("returned a tool call that is no {name, arguments}")

    def _number(self, key: str, value: Any) -> float | None:
        if value is None:
            return None
        try:
            found = number(float(value))
        except (TypeError, ValueError, OverflowError):
            found = None
        if found is None:
            raise self._misread(f"returned {key} of {quoted(value)[:60]}")
        return found

    def _misread(self, what: str) -> SubjectError:
        return subject_error(
            self.name,
            "SUBJ043",
            f"{self.target} {what}",
            f"return a text, an Answer, or a dict with keys among {', '.join(_RETURNED)}",
        )

    def describe(self) -> Mapping[str, str]:
        """Kind, target, what it takes, and the digest of its module's source."""
        facts = {"kind": "function", "target": self.target, "takes": ", ".join(offer for _, offer in self.wants)}
        return facts if self.digest is None else facts | {"digest": self.digest}


def open_function(name: str, declared: Declaration, *, folder: Path) -> FunctionAssistant:
    """Import the function. Raises SubjectError: SUBJ001 not there, SUBJ002 import failed, SUBJ044 its parameters."""
    target = declared.python or ""
    found = import_function(name, target, folder=folder)
    return FunctionAssistant(
        name=name,
        target=target,
        function=found.function,
        wants=_wants(name, target, found.function),
        digest=found.digest,
    )


def _wants(name: str, target: str, function: Callable[..., Any]) -> tuple[tuple[str, str], ...]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin without a signature
        return (("", "prompt"),)
    kinds = inspect.Parameter
    if any(each.kind is kinds.VAR_KEYWORD for each in parameters):
        return tuple((offer, offer) for offer in OFFERED)
    asked = [each for each in parameters if each.kind is not kinds.VAR_POSITIONAL]
    known = [each for each in asked if each.name in OFFERED and each.kind is not kinds.POSITIONAL_ONLY]
    strange = [each for each in asked if each not in known and each.default is kinds.empty]
    if not strange and known:
        return tuple((each.name, each.name) for each in known)
    first = strange[0] if strange else asked[0] if asked else None
    if first is None or len(strange) > 1 or first is not asked[0] or first.kind is kinds.KEYWORD_ONLY:
        raise subject_error(
            name,
            "SUBJ044",
            f"{target} takes {listed([each.name for each in parameters]) or 'nothing'}, which nothing fills",
            f"name its parameters among {', '.join(OFFERED)}",
        )
    return (("", _offer(first)), *((each.name, each.name) for each in known))


def _offer(parameter: inspect.Parameter) -> str:
    """What a first parameter gets: what it is named after, else messages where it is a list, else the prompt."""
    if parameter.name in OFFERED:
        return parameter.name
    said = parameter.annotation
    text = said if isinstance(said, str) else str(getattr(said, "__origin__", said))
    return "messages" if "list" in text.lower() or "sequence" in text.lower() else "prompt"


def _list(value: Any) -> list[Any]:
    return list(cast("Sequence[Any]", value)) if isinstance(value, list | tuple) else [] if value is None else [value]
