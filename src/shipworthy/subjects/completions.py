"""What providers are asked and what they answer, as clients and gateways log it: requests and responses as objects.

Three layouts are known, and nothing is guessed beyond them. Source: OpenAI API reference, "Create chat completion",
"Create a model response" and "Batch" (whose lines hold either in `body`); Anthropic API reference, "Messages".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shipworthy.exchange import Answer
from shipworthy.subjects.chat import read_completion
from shipworthy.subjects.reading import count

_ITEMS: Final = frozenset({"message", "function_call", "reasoning"})  # of the Responses API's output
_STOPPED: Final = frozenset(
    {"refusal", "content_filter"}
)  # Anthropic's and OpenAI's word for an answer that was stopped
_TOKENS_IN: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")  # Anthropic splits them


def read_response(said: Any) -> Answer | None:
    """The answer in a response: text, tool calls, tokens, and by which status it ended. None for any other value."""
    if isinstance(said, Mapping) and isinstance(said.get("body"), Mapping):
        said = said["body"]
    if isinstance(said, Mapping) and not _is_answer(said):
        if isinstance(said.get("error"), Mapping):
            return read_completion(said)
        if said.get("role") == "assistant" and isinstance(said.get("tool_calls"), list):
            return read_completion({"choices": [{"message": said}]})
    return read_whole({"output": said} if isinstance(said, list) else said)


def read_whole(said: Any) -> Answer | None:
    """As `read_response`, for an object that need not be a response: a row of a log, which may have an `error` too."""
    if not isinstance(said, Mapping) or not _is_answer(said):
        return None
    if "choices" in said:
        first = said["choices"][0]
        return read_completion({**said, "choices": [{"message": {"content": first.get("text")}, **first}]})
    if "stop_reason" in said:
        return _completed(said["content"], said["stop_reason"], said.get("usage"))
    details = said.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    if isinstance(said.get("error"), Mapping):
        return read_completion(said)
    return _completed(said["output"], reason, said.get("usage"))


def read_request(asked: Any) -> dict[str, Any] | None:
    """What was asked, as `messages` or `prompt`, and `system`. None for any other value."""
    if isinstance(asked, list):
        return {"messages": _turns(asked)} if asked and all(map(_is_turn, asked)) else None
    if not isinstance(asked, Mapping):
        return None
    if isinstance(asked.get("body"), Mapping):
        asked = asked["body"]
    given = asked.get("messages", asked.get("input"))
    system = asked.get("system", asked.get("instructions"))
    if isinstance(given, str):
        return {"prompt": given, "system": system}
    found = read_request(given) if isinstance(given, list) else None
    return None if found is None else {"system": system, **found}


def _is_answer(said: Mapping[str, Any]) -> bool:
    choices, output = said.get("choices"), said.get("output")
    if isinstance(choices, list) and choices and isinstance(first := choices[0], Mapping):
        return isinstance(first.get("message"), Mapping) or ("text" in first and "finish_reason" in first)
    if "stop_reason" in said and isinstance(said.get("content"), list):
        return True
    if not isinstance(output, list):
        return False
    return said.get("object") == "response" or (
        bool(output) and all(isinstance(each, Mapping) for each in output) and any(map(_is_item, output))
    )


def _is_item(value: Mapping[str, Any]) -> bool:
    return value.get("type") in _ITEMS and ("content" in value or "arguments" in value or "summary" in value)


def _is_turn(value: Any) -> bool:
    return isinstance(value, Mapping) and ("role" in value or str(value.get("type")).startswith(tuple(_ITEMS)))


def _completed(parts: Any, reason: Any, usage: Any) -> Answer | None:
    """The answer of a completion that says the same as `parts`, blocks of content or items that have such."""
    texts, refusals, calls = [], [], []
    for part in (each for each in parts if isinstance(each, Mapping)):
        inner = part.get("content") if part.get("type") == "message" else [part]
        for block in inner if isinstance(inner, list) else [{"type": "text", "text": inner}]:
            kind = block.get("type") if isinstance(block, Mapping) else None
            if kind in ("text", "output_text"):
                texts.append(block)
            elif kind == "refusal":
                refusals.append(str(block.get("refusal") or ""))
            elif kind in ("tool_use", "function_call"):
                arguments = block.get("arguments", block.get("input"))
                calls.append({"function": {"name": block.get("name"), "arguments": arguments}})
    message = {"content": texts, "refusal": "".join(refusals) or None, "tool_calls": calls}
    given = usage if isinstance(usage, Mapping) else {}
    sent = [found for name in _TOKENS_IN if (found := count(given.get(name))) is not None]
    return read_completion(
        {
            "choices": [{"message": message, "finish_reason": "content_filter" if reason in _STOPPED else reason}],
            "usage": {"prompt_tokens": sum(sent) if sent else None, "completion_tokens": given.get("output_tokens")},
        }
    )


def _turns(asked: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Messages with a role and a content: what tools gave back is the tool's, and calls without words say nothing."""
    found: list[Mapping[str, Any]] = []
    for each in asked:
        content = each.get("content")
        results = [part for part in content if _is_result(part)] if isinstance(content, list) else []
        if each.get("type") == "function_call_output":
            found.append({"role": "tool", "content": each.get("output")})
        elif results and isinstance(content, list):
            found += [{"role": "tool", "content": part.get("content")} for part in results]
            if rest := [part for part in content if part not in results]:
                found.append({**each, "content": rest})
        elif "role" in each:
            found.append(each)
    return found


def _is_result(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "tool_result"
