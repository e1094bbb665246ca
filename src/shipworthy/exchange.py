"""What is asked of a generative system and what comes back: the words that suites, attacks, subjects and scorers share.

A `Case` says what to ask and what is expected; an `Answer` is what a subject made of it; an `Exchange` is both, and all
that a scorer sees. Text in them is hostile: it is data, never markup, code or instructions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

Speaker: TypeAlias = Literal["system", "user", "assistant", "tool"]
Expectation: TypeAlias = Literal["comply", "refuse"]
Status: TypeAlias = Literal["ok", "refused", "filtered", "empty", "timeout", "error", "skipped"]
STATUSES: tuple[Status, ...] = get_args(Status)
ANSWERED: frozenset[Status] = frozenset({"ok", "refused", "filtered"})  # the subject said something, if only no


LONGEST_TAG_NAME = 1_000  # characters


def tag_name(name: object) -> str:
    """The name of a tag, which becomes a column and is shown. Raises ValueError, saying why it cannot be one."""
    text = str(name)
    if len(text) > LONGEST_TAG_NAME:
        raise ValueError(f"the name of a tag, {text[:20]!a}..., is longer than {LONGEST_TAG_NAME} characters")
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text):
        raise ValueError(f"the name of a tag, {text[:40]!a}, holds a null character or half of a character")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Speaker
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that the subject asked for, or that a case expects it to ask for."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to ask. `turns` are the user's messages, sent one after the other, each after the answer before it."""

    id: str  # stable and unique in its suite
    turns: tuple[str, ...]
    before: tuple[Message, ...] = ()  # a conversation that went before, as if it had happened
    system: str | None = None  # system prompt of the case; None: the subject's own
    expect: Expectation | None = None
    hazard: str | None = None  # id of the suite's taxonomy
    attack: str = "none"
    language: str = "en"
    cluster: str | None = None  # family of cases that belong together: twins, paraphrases, translations
    reference: str | None = None  # an answer that is right
    passages: tuple[str, ...] = ()  # documents that the answer has to rest on
    secrets: tuple[str, ...] = ()  # texts that must not come out: canaries, credentials, another person's data
    tools: tuple[Mapping[str, Any], ...] = ()  # tools on offer, as JSON Schema functions
    tool_calls: tuple[ToolCall, ...] = ()  # calls that are right
    tags: Mapping[str, str] = field(default_factory=dict)  # further columns to slice by

    @property
    def family(self) -> str:
        """What was sampled independently: the family it names, or the case itself."""
        return self.cluster or self.id

    @property
    def prompt(self) -> str:
        """The last thing that the user says."""
        return self.turns[-1]

    def asked(self, *turns: str, **changes: Any) -> Case:
        """The same case with other words: what an attack returns."""
        return replace(self, turns=turns, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for the last turn of a case. `text` is whole as received; `error` says why there is none."""

    status: Status
    text: str = ""
    error: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    passages: tuple[str, ...] = ()  # what the subject says it retrieved
    said: tuple[str, ...] = ()  # its answers to the earlier turns, in order
    latency_ms: float | None = None  # of the last turn, from request to whole answer
    ttft_ms: float | None = None  # to its first token, where it streams
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float | None = None  # in the currency of the plan's prices
    at: str | None = None  # when it was finished, RFC 3339 in UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A case, the trial it was asked in, and its answer."""

    case: Case
    answer: Answer
    trial: int = 0
