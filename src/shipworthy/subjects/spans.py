"""OpenTelemetry `gen_ai` spans as rows of a recording: OTLP JSON, or attributes flattened into a row.

Source: OpenTelemetry semantic conventions for generative AI. Older attribute names are read by `RENAMED`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

OPERATIONS: Final = frozenset({"chat", "generate_content", "text_completion", "invoke_agent"})
CUT_OFF: Final = frozenset(  # parts of a message that are no text: of the convention, then of the providers
    {"tool_call", "reasoning", "blob", "file", "uri"}
    | {"image_url", "input_audio", "input_image", "input_file", "image", "document"}
    | {"tool_use", "function_call", "thinking", "redacted_thinking"}
)
RENAMED: Final[Mapping[str, str]] = {
    "gen_ai.system": "gen_ai.provider.name",
    "gen_ai.usage.prompt_tokens": "gen_ai.usage.input_tokens",
    "gen_ai.usage.completion_tokens": "gen_ai.usage.output_tokens",
    "llm.usage.prompt_tokens": "gen_ai.usage.input_tokens",
    "llm.usage.completion_tokens": "gen_ai.usage.output_tokens",
    "gen_ai.prompt": "gen_ai.input.messages",
    "gen_ai.completion": "gen_ai.output.messages",
}
_COLUMNS: Final[Mapping[str, str]] = {
    "gen_ai.usage.input_tokens": "tokens_in",
    "gen_ai.usage.output_tokens": "tokens_out",
    "gen_ai.conversation.id": "cluster",
    "gen_ai.retrieval.documents": "passages",
    "error.type": "error",
    "gen_ai.request.model": "model",
    "gen_ai.provider.name": "provider",
}
_VALUES: Final = ("stringValue", "boolValue", "doubleValue", "bytesValue")


def is_telemetry(row: Mapping[str, Any]) -> bool:
    """Whether a row is an OTLP export, a span, or has `gen_ai` attributes of its own."""
    if "resourceSpans" in row:
        return True
    attributes = row.get("attributes")
    if isinstance(attributes, list | dict) and ("spanId" in row or "span_id" in row or "context" in row):
        return True
    return any(key.startswith("gen_ai.") for key in row)


def rows_of(row: Mapping[str, Any]) -> Iterator[dict[str, Any] | None]:
    """Each span as a row with our names; None for a span that is no exchange. Raises ValueError and its like."""
    for span in _spans(row):
        yield _row(span)


def _spans(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "resourceSpans" not in row:
        yield row
        return
    for resource in row["resourceSpans"]:
        for scope in resource.get("scopeSpans") or resource.get("instrumentationLibrarySpans") or ():
            yield from scope.get("spans", ())


def _row(span: Mapping[str, Any]) -> dict[str, Any] | None:
    told = _attributes(span.get("attributes"))
    told |= {key: value for key, value in span.items() if key.startswith(("gen_ai.", "error.", "llm."))}
    for event in span.get("events") or ():
        told = {key: value for key, value in _attributes(event.get("attributes")).items() if "gen_ai." in key} | told
    for old, new in RENAMED.items():
        if old in told:
            told.setdefault(new, told.pop(old))
    for new, old in (("gen_ai.input.messages", "gen_ai.prompt"), ("gen_ai.output.messages", "gen_ai.completion")):
        numbered = _numbered(told, old)
        if numbered:
            told.setdefault(new, numbered)
    asked, said = (
        _unpacked(told.pop("gen_ai.input.messages", None)),
        _unpacked(told.pop("gen_ai.output.messages", None)),
    )
    operation = told.get("gen_ai.operation.name", "chat")
    failed = told.get("error.type")
    if operation not in OPERATIONS or asked is None or (said is None and failed is None):
        return None
    row: dict[str, Any] = {"prompt" if isinstance(asked, str) else "messages": asked, "response": _answered(said)}
    calls = _called(said)
    if calls:
        row["tool_calls"] = calls
    row["id"] = "/".join(str(part) for part in _identity(span)) or None
    instructions = _unpacked(told.pop("gen_ai.system_instructions", None))
    if instructions is not None:
        row["system"] = instructions
    reasons = told.pop("gen_ai.response.finish_reasons", None)
    if isinstance(said, list) and not reasons:
        reasons = [each.get("finish_reason") for each in said if isinstance(each, Mapping)]
    if "content_filter" in (reasons if isinstance(reasons, list) else [reasons]):
        row["status"] = "filtered"
    first = told.pop("gen_ai.response.time_to_first_chunk", None)
    if first is not None:
        row["ttft_ms"] = float(first) * 1000.0
    row |= _clocked(span)
    for key, value in told.items():
        row.setdefault(_COLUMNS.get(key, key), value)
    for key, value in span.items():
        if key not in _SPAN and key not in told:
            row.setdefault(key, value)
    return row


_SPAN: Final = frozenset(
    {
        "attributes",
        "events",
        "links",
        "context",
        "traceId",
        "spanId",
        "trace_id",
        "span_id",
        "parentSpanId",
        "parent_id",
        "parent_span_id",
        "startTimeUnixNano",
        "endTimeUnixNano",
        "start_time",
        "end_time",
        "status",
        "kind",
        "flags",
        "traceState",
        "resource",
        "name",
        *RENAMED,
        *RENAMED.values(),
    }
)


def _attributes(value: Any) -> dict[str, Any]:
    """Attributes as a dict: OTLP's list of keys and typed values, or a dict already."""
    if isinstance(value, Mapping):
        return dict(value)
    return {each["key"]: _plain(each.get("value", {})) for each in value or ()}


def _plain(value: Mapping[str, Any]) -> Any:
    for kind in _VALUES:
        if kind in value:
            return value[kind]
    if "intValue" in value:  # OTLP writes 64-bit integers as text
        return int(value["intValue"])
    if "arrayValue" in value:
        return [_plain(each) for each in value["arrayValue"].get("values", ())]
    if "kvlistValue" in value:
        return _attributes(value["kvlistValue"].get("values", ()))
    return None


def _numbered(told: dict[str, Any], stem: str) -> list[dict[str, Any]]:
    """Messages written as `gen_ai.prompt.0.role`, `gen_ai.prompt.0.content`, which are taken out of `told`."""
    found: dict[int, dict[str, Any]] = {}
    for key in [key for key in told if key.startswith(f"{stem}.")]:
        place, _, part = key[len(stem) + 1 :].partition(".")
        if place.isdecimal() and len(place) < 6 and part in {"role", "content", "finish_reason"}:
            found.setdefault(int(place), {})[part] = told.pop(key)
    default = "user" if stem.endswith("prompt") else "assistant"
    return [{"role": default} | found[place] for place in sorted(found)]


def _unpacked(value: Any) -> Any:
    """A structure that an exporter wrote as JSON text; other text is left as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in {"[", "{"}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _answered(said: Any) -> Any:
    """What the first choice says."""
    return said[0] if isinstance(said, list) and said else None if said == [] else said


def _called(said: Any) -> list[dict[str, Any]]:
    first = _answered(said)
    parts = first.get("parts") if isinstance(first, Mapping) else None
    return [
        {"name": part.get("name"), "arguments": part.get("arguments")}
        for part in (parts if isinstance(parts, Sequence) and not isinstance(parts, str) else ())
        if isinstance(part, Mapping) and part.get("type") == "tool_call"
    ]


def _identity(span: Mapping[str, Any]) -> list[Any]:
    held = span.get("context") if isinstance(span.get("context"), Mapping) else span
    pairs = (("traceId", "trace_id"), ("spanId", "span_id"))
    return [found for new, old in pairs if (found := (held or {}).get(new, (held or {}).get(old)))]


def _clocked(span: Mapping[str, Any]) -> dict[str, Any]:
    start, end = span.get("startTimeUnixNano"), span.get("endTimeUnixNano")
    if start is None or end is None:
        return {} if span.get("end_time") is None else {"at": span["end_time"]}
    seconds = int(end) // 1_000_000_000
    moment = datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=int(end) // 1000 % 1_000_000)
    return {"latency_ms": max(0, int(end) - int(start)) / 1e6, "at": moment.isoformat()}
