"""Inspect logs: `.eval` (a zip of JSON, stored, deflated or compressed by zstd) and `.json`, format version 2.

Format: inspect_ai, `log/_log.py` and `log/_recorders/`, read from logs of inspect_ai 0.3.285. Members are read one by
one, so memory holds one sample of an `.eval` log.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from shipworthy.subjects.imports.claims import Claim
from shipworthy.subjects.imports.reading import (
    Row,
    Rows,
    a_list,
    an_object,
    columns,
    damaged,
    document,
    parsed,
    scored,
    text,
    unsupported,
)

TOOL: Final = "Inspect"
KNOWN: Final = "Inspect log format 2"
LARGEST_MEMBER: Final = 256_000_000  # bytes of one sample, decompressed
LARGEST_RATIO: Final = 2_000  # times that a member above FREE bytes may grow
FREE: Final = 32_000_000
_ZSTD: Final = 93  # method of the zip format
_SAMPLE: Final = re.compile(r"samples/(.+)_epoch_(\d{1,9})\.json")
_CHUNKED: Final = re.compile(r"samples/.+_epoch_\d{1,9}/sample\.json")
_ATTACHMENT: Final = "attachment://"
_MEANS: Final = ("accuracy", "mean")
_REDUCERS: Final = re.compile(r"mean|mode|median|max|at_least_\d{1,6}")


def is_inspect(head: bytes) -> bool:
    """Whether a file begins as an Inspect log does."""
    if head.startswith(b"PK\x03\x04"):
        return True
    return re.match(rb'\s*\{\s*"version"', head) is not None and all(
        each in head for each in (b'"status"', b'"eval"', b'"task')
    )


def inspect_rows(path: Path) -> Rows:
    """One row for each sample and epoch, in the order of the dataset. Raises DataError (IMPT001, IMPT002)."""
    header, samples = _opened(path)
    model = text(_in(header, "eval").get("model"))
    for where, sample in samples:
        row = _row(sample, where, model)
        if header.get("status") not in (None, "success"):
            row["tags"]["log_status"] = str(header["status"])[:40]
        yield where, row


def inspect_claims(path: Path) -> tuple[Claim, ...]:
    """Its accuracies and means, for the epoch reducers that are known."""
    header, _ = _opened(path)
    metrics = {each.get("name"): each.get("metrics") for each in _in(header, "eval").get("scorers") or ()}
    found = []
    for score in _in(header, "results").get("scores") or ():
        reducer = score.get("reducer") or "mean"
        if not _REDUCERS.fullmatch(reducer):
            continue
        name, scorer = score["name"], score.get("scorer")
        if _is_part(name, scorer, metrics.get(scorer)):
            name = f"{scorer}.{name}"
        for metric in (score.get("metrics") or {}).values():
            kind = str(metric.get("name")).rsplit("/", 1)[-1]
            value = metric.get("value")
            if kind in _MEANS and not metric.get("params") and isinstance(value, int | float):
                title = f"{score['name']} {kind}, {reducer} of epochs"
                found.append(Claim(title=title, value=float(value), how="mean", score=name, reducer=reducer))
    return tuple(found)


def _is_part(name: str, scorer: str, metrics: Any) -> bool:
    """Whether a result is about one part of a composite score: metrics by part, or such ones among plain ones."""
    mixed = isinstance(metrics, list) and any(isinstance(each, dict) and "name" not in each for each in metrics)
    return isinstance(metrics, dict) or (mixed and name != scorer)


def _in(header: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = header.get(key)
    return value if isinstance(value, Mapping) else {}


def _opened(path: Path) -> tuple[Mapping[str, Any], Iterator[tuple[str, Mapping[str, Any]]]]:
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if zipped:
        return _archive(path)
    log = document(TOOL, path)
    _refuse_unknown(log, str(path))
    samples = a_list(TOOL, log.get("samples") or [], str(path), "samples")
    each = [(f"{path} samples[{n}]", an_object(TOOL, one, str(path), "a sample")) for n, one in enumerate(samples)]
    place = _places(log)
    return log, iter(sorted(each, key=lambda one: (*_place(place, str(one[1].get("id"))), one[1].get("epoch") or 1)))


def _archive(path: Path) -> tuple[Mapping[str, Any], Iterator[tuple[str, Mapping[str, Any]]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}  # the last of one name counts
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise damaged(TOOL, f"it is no zip file: {str(error)[:100]}", str(path)) from error
    if sum(member.compress_size for member in members.values()) > path.stat().st_size:
        raise damaged(TOOL, "its members overlap", str(path))
    named = next((name for name in ("header.json", "_journal/start.json") if name in members), None)
    if named is None:
        raise damaged(TOOL, "it has no header.json", str(path))
    header = an_object(TOOL, _member(path, members[named]), f"{path}:{named}")
    _refuse_unknown(header, f"{path}:{named}")
    if any(_CHUNKED.fullmatch(name) for name in members):
        raise unsupported(TOOL, "2 with chunked samples", KNOWN + " with one member for each sample", str(path))
    place = _places(header)
    found = [(match, members[match[0]]) for name in members if (match := _SAMPLE.fullmatch(name))]
    found.sort(key=lambda one: (*_place(place, one[0][1]), int(one[0][2])))

    def samples() -> Iterator[tuple[str, Mapping[str, Any]]]:
        for match, member in found:
            where = f"{path}:{match[0]}"
            yield where, an_object(TOOL, _member(path, member), where)

    return header, samples()


def _places(header: Mapping[str, Any]) -> dict[str, int]:
    ids = _in(_in(header, "eval"), "dataset").get("sample_ids")
    return {str(each): at for at, each in enumerate(ids)} if isinstance(ids, list) else {}


def _place(places: Mapping[str, int], name: str) -> tuple[int, str]:
    return places.get(name, len(places)), name


def _refuse_unknown(header: Mapping[str, Any], where: str) -> None:
    if header.get("version") != 2 or isinstance(header.get("version"), bool):
        raise unsupported(TOOL, header.get("version"), KNOWN, where)


def _member(path: Path, member: zipfile.ZipInfo) -> Any:
    """The JSON of one member. No more is unpacked than its size claims, and no larger claim is believed."""
    where = f"{path}:{member.filename}"
    if member.flag_bits & 1:
        raise damaged(TOOL, "it is encrypted", where)
    allowed = min(LARGEST_MEMBER, max(FREE, LARGEST_RATIO * member.compress_size))
    if member.file_size > allowed:
        raise damaged(TOOL, f"a member grows beyond {allowed:,} bytes", where)
    try:
        raw = _unpacked(_packed(path, member), member.compress_type, member.file_size)
        if len(raw) != member.file_size or zlib.crc32(raw) != member.CRC:
            raise ValueError("its size or its checksum is wrong")
    except (zlib.error, EOFError, OSError, ValueError) as error:
        raise damaged(TOOL, f"a member cannot be read: {str(error)[:100]}", where) from error
    return parsed(TOOL, raw, where)


def _packed(path: Path, member: zipfile.ZipInfo) -> bytes:
    """A member as it lies in the file, behind its local header. The standard library opens no zstd before 3.14."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        local = file.read(30)
        if len(local) < 30 or not local.startswith(b"PK\x03\x04"):
            raise ValueError("there is none where the directory says")
        file.seek(int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little"), 1)
        return file.read(member.compress_size)


def _unpacked(packed: bytes, method: int, size: int) -> bytes:
    """Its content, of as many bytes as the directory says; a lie about that is an error, or fails the checksum."""
    if method == zipfile.ZIP_STORED:
        return packed
    if method == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
    if method != _ZSTD:
        raise ValueError(f"it is compressed by method {method}, not stored, deflated or zstd")
    import pyarrow as pa

    content: bytes = pa.Codec("zstd").decompress(packed, size, asbytes=True)
    return content


def _row(sample: Mapping[str, Any], where: str, model: str | None) -> Row:
    attached = sample.get("attachments")
    attached = attached if isinstance(attached, dict) else {}
    output = _in(sample, "output")
    choices = output.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    said = sample.get("messages") or sample.get("input")
    messages = [_message(each, attached, where) for each in said] if isinstance(said, list) else []
    calls = [call for message in messages for call in message.pop("calls")]
    response = output.get("completion")
    if response is None and choice:
        response = _said(_in(choice, "message").get("content"), attached)
    if messages and messages[-1]["role"] == "assistant":
        last = messages.pop()["content"]
        response = last if response is None else response
    target = sample.get("target")
    target = target[0] if isinstance(target, list) and target else target
    usage = _usage(sample, model)
    spent = output.get("time")
    scores = {
        key: value
        for name, score in _in(sample, "scores").items()
        for key, value in scored(name, score.get("value") if isinstance(score, dict) else score).items()
    }
    tags = {key: str(value) for key, value in _limits(sample).items()} | scores
    talks = any(each["role"] == "user" for each in messages)
    return columns(sample.get("metadata")) | {
        "id": str(sample.get("id")),
        "prompt": None if talks else _said(said, attached),
        "messages": messages if talks else None,
        "system": None,
        "response": _resolved(response, attached) if isinstance(response, str) else response,
        "tool_calls": calls or None,
        "expect": None,
        "cluster": None,
        "trial": max(0, int(sample.get("epoch") or 1) - 1),
        "passages": None,
        "reference": text(target),
        "secrets": None,
        "latency_ms": spent * 1000 if isinstance(spent, int | float) else None,
        "ttft_ms": None,
        "tokens_in": usage.get("input_tokens"),
        "tokens_out": usage.get("output_tokens"),
        "cost": usage.get("total_cost"),
        **_ending(sample, choice, response, scores),
        "at": text(sample.get("completed_at")),
        "tags": tags,
    }


def _ending(sample: Mapping[str, Any], choice: Mapping[str, Any], response: Any, scores: Mapping[str, str]) -> Row:
    error = sample.get("error")
    if error:
        told = error.get("message") if isinstance(error, dict) else error
        return {"status": "error", "error": str(told)}
    output_error = _in(sample, "output").get("error")
    if choice.get("stop_reason") == "content_filter":
        return {"status": "filtered", "error": None}
    if scores or response:
        return {"status": "ok", "error": None}
    if output_error:
        return {"status": "error", "error": str(output_error)}
    timed = _in(sample, "limit").get("type") in ("time", "working")
    return {"status": "timeout" if timed else "empty", "error": None}


def _limits(sample: Mapping[str, Any]) -> Row:
    found: Row = {}
    if sample.get("limit"):
        found["limit"] = _in(sample, "limit").get("type") or "unknown"
    if sample.get("invalidation"):
        found["invalidated"] = "true"
    return found


def _usage(sample: Mapping[str, Any], model: str | None) -> Mapping[str, Any]:
    spent = _in(sample, "model_usage")
    own = spent.get(model or "")
    return own if isinstance(own, dict) else _in(_in(sample, "output"), "usage")


def _message(value: Any, attached: Mapping[str, Any], where: str) -> Row:
    message = an_object(TOOL, value, where, "a message")
    calls = [
        {"name": call["function"], "arguments": call.get("arguments") or {}}
        for call in message.get("tool_calls") or ()
        if isinstance(call, dict) and isinstance(call.get("function"), str)
    ]
    return {"role": message.get("role"), "content": _said(message.get("content"), attached), "calls": calls}


def _said(content: Any, attached: Mapping[str, Any]) -> str:
    """What was said in words; other parts are named by their kind. A model's reasoning is not part of its answer."""
    if isinstance(content, str):
        return _resolved(content, attached)
    parts: Iterable[Any] = content if isinstance(content, list) else ()
    told = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            told.append(_resolved(part["text"], attached))
        elif isinstance(part, dict) and "role" in part:
            told.append(_said(part.get("content"), attached))
        elif kind != "reasoning":
            told.append(f"[{str(kind)[:40]}]")
    return "\n".join(told)


def _resolved(words: str, attached: Mapping[str, Any]) -> str:
    if not words.startswith(_ATTACHMENT):
        return words
    found = attached.get(words.removeprefix(_ATTACHMENT))
    return found if isinstance(found, str) else words
