"""The answers of a run as an Inspect log in JSON, format version 2, which Inspect's viewer and `read_eval_log` read.

Format: inspect_ai, `log/_log.py`, as of inspect_ai 0.3.285. A sample is written as soon as its row is read; memory
grows with the number of cases, not with their texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Row = Mapping[str, Any]
VERSION: Final = 2
_SHOWN: Final = frozenset(  # columns that have a place of their own in a sample
    ("case", "trial", "error", "messages", "response", "tool_calls", "latency_ms", "tokens_in", "tokens_out", "at")
)
_DERIVED: Final = ("outcome.", "judged.", "slice.", "score.")
_FAILED: Final = ("error", "timeout", "skipped")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogFacts:
    """What a log says before its samples."""

    run: str
    created: str  # RFC 3339
    evaluation: str
    model: str  # name of the subject that answered
    system: Mapping[str, str]
    plan_digest: str
    version: str  # of Shipworthy


@dataclass(slots=True)
class _Score:
    """One scorer's mean over the cases, of its means over a case's trials."""

    by_case: dict[str, tuple[float, int]] = field(default_factory=dict)
    texts: int = 0
    unscored: int = 0

    def take(self, case: str, value: Any) -> None:
        if value is None:
            self.unscored += 1
        elif isinstance(value, str):
            self.texts += 1
        else:
            total, count = self.by_case.get(case, (0.0, 0))
            self.by_case[case] = (total + float(value), count + 1)


def scorers_of(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns that scorers filled: those with a reason beside them."""
    known = list(columns)
    return tuple(name for name in known if f"{name}_why" in known)


def inspect_log(rows: Callable[[], Iterable[Row]], columns: Iterable[str], facts: LogFacts) -> Iterator[str]:
    """The log as pieces of JSON text. `rows` are read twice: for the results, which stand first, and for the samples.

    columns: of the rows, in order.
    """
    names = scorers_of(columns)
    scores = {name: _Score() for name in names}
    ids: dict[str, None] = {}
    count = failed = epochs = tokens_in = tokens_out = 0
    for row in rows():
        ids.setdefault(_id(row))
        count += 1
        failed += row["status"] in _FAILED
        epochs = max(epochs, _epoch(row))
        tokens_in += int(row.get("tokens_in") or 0)
        tokens_out += int(row.get("tokens_out") or 0)
        for name, score in scores.items():
            score.take(_id(row), row[name])
    usage = {"input_tokens": tokens_in, "output_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    head = {
        "version": VERSION,
        "status": "success",
        "eval": _spec(facts, tuple(ids), names, epochs),
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": count,
            "completed_samples": count - failed,
            "scores": [_result(name, score) for name, score in scores.items()],
        },
        "stats": {
            "started_at": facts.created,
            "completed_at": facts.created,
            "model_usage": {facts.model: usage},
            "role_usage": {},
        },
    }
    yield json.dumps(head)[:-1] + ', "samples": ['
    for number, row in enumerate(rows()):
        yield (",\n" if number else "\n") + json.dumps(_sample(row, names, facts.model))
    yield "\n]}\n"


def _id(row: Row) -> str:
    attack = row.get("attack")
    return str(row["case"]) if attack in (None, "none") else f"{row['case']} ({attack})"


def _epoch(row: Row) -> int:
    return int(row["trial"]) + 1


def _spec(facts: LogFacts, ids: tuple[str, ...], names: tuple[str, ...], epochs: int) -> dict[str, Any]:
    return {
        "eval_id": f"{facts.run}:{facts.evaluation}",
        "run_id": facts.run,
        "created": facts.created,
        "task": facts.evaluation,
        "task_id": facts.evaluation,
        "task_version": 0,
        "dataset": {"name": facts.evaluation, "samples": len(ids), "sample_ids": ids, "shuffled": False},
        "model": facts.model,
        "config": {"epochs": max(1, epochs), "epochs_reducer": ["mean"]},
        "packages": {"shipworthy": facts.version},
        "metadata": {**facts.system, "plan_digest": facts.plan_digest},
        "scorers": [{"name": name, "options": {}, "metrics": [], "metadata": {}} for name in names],
    }


def _result(name: str, score: _Score) -> dict[str, Any]:
    means = [total / count for total, count in score.by_case.values()]
    value = sum(means) / len(means) if means else None
    metrics = {} if value is None else {"mean": {"name": "mean", "value": value, "params": {}}}
    return {
        "name": name,
        "scorer": name,
        "reducer": "mean",
        "scored_samples": len(means),
        "unscored_samples": score.unscored,
        "params": {},
        "metrics": metrics,
    }


def _sample(row: Row, names: tuple[str, ...], model: str) -> dict[str, Any]:
    asked = json.loads(row["messages"])
    text = row["response"] or ""
    calls = [
        {"id": f"call-{at}", "function": call["name"], "arguments": call["arguments"], "type": "function"}
        for at, call in enumerate(json.loads(row["tool_calls"]) if row["tool_calls"] else [])
    ]
    said = {"role": "assistant", "content": text, "source": "generate", "model": model}
    if calls:
        said["tool_calls"] = calls
    status = row["status"]
    tokens_in, tokens_out = (int(row[key] or 0) for key in ("tokens_in", "tokens_out"))
    output: dict[str, Any] = {"model": model, "choices": [], "completion": text}
    if status not in _FAILED:
        output["choices"] = [{"message": said, "stop_reason": "content_filter" if status == "filtered" else "stop"}]
    if tokens_in or tokens_out:
        output["usage"] = {
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        }
    if row["latency_ms"] is not None:
        output["time"] = row["latency_ms"] / 1000
    sample: dict[str, Any] = {
        "id": _id(row),
        "epoch": _epoch(row),
        "input": asked,
        "target": "",
        "messages": [*asked, said] if status not in _FAILED else asked,
        "output": output,
        "scores": {
            name: {"value": row[name], "explanation": row[f"{name}_why"], "history": []}
            for name in names
            if row[name] is not None
        },
        "metadata": {key: value for key, value in row.items() if _is_metadata(key, value, names)},
        "store": {},
        "events": [],
        "model_usage": {model: output["usage"]} if "usage" in output else {},
        "attachments": {},
    }
    if row["at"]:
        sample["completed_at"] = row["at"]
    if status in _FAILED:
        sample["error"] = {"message": row["error"] or status, "traceback": "", "traceback_ansi": ""}
    return sample


def _is_metadata(key: str, value: Any, names: tuple[str, ...]) -> bool:
    scored = key in names or key.removesuffix("_why") in names
    return value is not None and key not in _SHOWN and not scored and not key.startswith(_DERIVED)
