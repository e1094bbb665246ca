"""A case as JSON: reading it, writing it, and saying what is wrong with it.

    {"id": "misuse-0001", "prompt": "...", "expect": "refuse", "hazard": "ncr", "language": "en", "cluster": "f-0001"}

Instead of `prompt`, `turns` is a list of user messages, and `messages` a conversation whose last message is the user's.
Further keys are those of `Case`; keys that it does not have are refused, so that a slip of the pen does not pass as a
case that expects nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast, get_args

from shipworthy.errors import DataError, Fault
from shipworthy.exchange import Case, Expectation, Message, Speaker, ToolCall, tag_name

LONGEST_LINE = 20_000_000  # characters of one case
_ASKS = ("prompt", "turns", "messages")
_KNOWN = {field.name for field in fields(Case)} - {"before"} | set(_ASKS)
_EXPECTATIONS = frozenset((None, *get_args(Expectation)))
_TEXTS = ("id", "system", "hazard", "attack", "language", "cluster", "reference")
_LISTS = ("passages", "secrets")


def read_cases(path: Path) -> Iterator[Case]:
    """Read the cases of a JSON Lines file, one after the other; blank lines are passed over.

    Raises DataError (CASE001 no readable file, CASE002 a line that is no case), naming the line.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield case_of(_parsed(line, f"{path}:{number}"), where=f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            Fault(
                code="CASE001",
                what=f"the cases cannot be read: {error}",
                where=str(path),
                mend="name a JSON Lines file in UTF-8",
            )
        ) from error


def _parsed(line: str, where: str) -> Any:
    try:
        if len(line) > LONGEST_LINE:
            raise ValueError("the line is too long")
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _fault(f"not JSON: {str(error)[:200]}", where, "write one JSON object on each line") from error


def case_of(value: Any, *, where: str) -> Case:
    """A case from its JSON form. Raises DataError (CASE002)."""
    if not isinstance(value, Mapping):
        raise _fault("a case must be an object", where, 'write {"id": "...", "prompt": "..."}')
    if not _KNOWN.issuperset(value):
        unknown = sorted(str(key)[:40] for key in set(value) - _KNOWN)
        raise _fault(
            f"a case has no key {', '.join(map(repr, unknown[:5]))}",
            where,
            "put columns of your own under tags:; the keys are " + ", ".join(sorted(_KNOWN)),
        )
    before, turns, system = _asked(value, where)
    for key in _TEXTS:
        if value.get(key) is not None and not isinstance(value[key], str):
            raise _fault(f"{key} must be text", where, "write it in quotes")
    if not value.get("id"):
        raise _fault("a case has no id", where, "give it one that stays the same from run to run")
    expect = value.get("expect")
    if not isinstance(expect, str | None) or expect not in _EXPECTATIONS:
        raise _fault(f"expect is {str(expect)[:40]!r}", where, "write comply or refuse, or leave it out")
    tags = value.get("tags") or {}
    if not isinstance(tags, Mapping):
        raise _fault("tags must be an object", where, 'write {"persona": "novice"}')
    return Case(
        id=value["id"],
        turns=turns,
        before=before,
        system=value.get("system", system),
        expect=cast("Expectation | None", expect),
        hazard=value.get("hazard"),
        attack=value.get("attack") or "none",
        language=value.get("language") or "en",
        cluster=value.get("cluster"),
        reference=value.get("reference"),
        passages=_texts(value, "passages", where),
        secrets=_texts(value, "secrets", where),
        tools=tuple(_objects(value, "tools", where)),
        tool_calls=tuple(_call(call, where) for call in _objects(value, "tool_calls", where)),
        tags=_tags(tags, where),
    )


def _tags(value: Mapping[str, Any], where: str) -> dict[str, str]:
    try:
        return {tag_name(key): str(tag) for key, tag in value.items() if tag is not None}
    except (ValueError, RecursionError) as error:
        raise _fault(str(error), where, 'write {"persona": "novice"}') from error


def _asked(value: Mapping[str, Any], where: str) -> tuple[tuple[Message, ...], tuple[str, ...], str | None]:
    """What went before, the user's turns, and the system prompt, whichever way the case writes them."""
    given = [key for key in _ASKS if value.get(key) is not None]
    if len(given) != 1:
        said = "nothing is asked" if not given else f"it gives {' and '.join(given)}"
        raise _fault(said, where, "give exactly one of prompt, turns and messages")
    asked = value[given[0]]
    if given[0] == "prompt":
        asked = [asked]
    if given[0] in ("prompt", "turns"):
        if (
            not isinstance(asked, list)
            or not asked
            or not all(isinstance(turn, str) and turn.strip() for turn in asked)
        ):
            raise _fault(f"{given[0]} must hold what the user says", where, "write text that is not empty")
        return (), tuple(asked), None
    messages = [_message(message, where) for message in _objects(value, "messages", where)]
    if not messages or messages[-1].role != "user":
        raise _fault("messages must end with the user's", where, 'end it with {"role": "user", "content": "..."}')
    system = messages.pop(0).content if messages[0].role == "system" else None
    return tuple(messages[:-1]), (messages[-1].content,), system


def _message(value: Mapping[str, Any], where: str) -> Message:
    role, content = value.get("role"), value.get("content")
    if role not in get_args(Speaker) or not isinstance(content, str):
        raise _fault("a message needs a role and a content", where, f"roles are {', '.join(get_args(Speaker))}")
    return Message(role=cast("Speaker", role), content=content)


def _call(value: Mapping[str, Any], where: str) -> ToolCall:
    name, arguments = value.get("name"), value.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        raise _fault("a tool call needs a name and arguments", where, 'write {"name": "...", "arguments": {}}')
    return ToolCall(name=name, arguments=arguments)


def _texts(value: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = value.get(key) or []
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise _fault(f"{key} must be a list of texts", where, f'write "{key}": ["..."]')
    return tuple(found)


def _objects(value: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    found = value.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise _fault(f"{key} must be a list of objects", where, f'write "{key}": [{{...}}]')
    return found


def _fault(what: str, where: str, mend: str) -> DataError:
    return DataError(Fault(code="CASE002", what=what, where=where, mend=mend))


def plain(case: Case) -> dict[str, Any]:
    """A case in its JSON form, without what it does not say; `case_of` reads it back."""
    found: dict[str, Any] = {"id": case.id}
    if case.before:
        said = [*case.before, *(Message(role="user", content=turn) for turn in case.turns)]
        found["messages"] = [{"role": message.role, "content": message.content} for message in said]
    elif len(case.turns) == 1:
        found["prompt"] = case.turns[0]
    else:
        found["turns"] = list(case.turns)
    for key in (*_TEXTS[1:], "expect"):
        if getattr(case, key) is not None:
            found[key] = getattr(case, key)
    for key in _LISTS:
        if getattr(case, key):
            found[key] = list(getattr(case, key))
    if case.tools:
        found["tools"] = [dict(tool) for tool in case.tools]
    if case.tool_calls:
        found["tool_calls"] = [{"name": c.name, "arguments": dict(c.arguments)} for c in case.tool_calls]
    if case.tags:
        found["tags"] = dict(case.tags)
    return found
