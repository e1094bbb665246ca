"""Results of `promptfoo eval -o results.json`, format version 3.

Format: promptfoo's `EvaluateSummaryV3` within an output file, read from results of promptfoo 0.121.20. Provider, prompt
and test are three axes of one file: the provider and the prompt become tags, the test the cluster, and repeats trials.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from shipworthy.subjects.imports.claims import Claim, How
from shipworthy.subjects.imports.reading import (
    Row,
    Rows,
    a_list,
    an_object,
    columns,
    document,
    scored,
    text,
    unsupported,
)

TOOL: Final = "promptfoo"
KNOWN: Final = "promptfoo results version 3"
_ERROR: Final = 2  # failureReason of a result that is no verdict


def is_promptfoo(head: bytes) -> bool:
    """Whether a file begins as promptfoo's results do."""
    return re.match(rb'\s*\{\s*"(evalId|results)"\s*:\s*(null\s*,|"[^"]*"\s*,|\{\s*"version")', head) is not None


def promptfoo_rows(path: Path) -> Rows:
    """One row for each result, in the file's order. Raises DataError (IMPT001, IMPT002)."""
    results = _results(path)
    several = len({_provider(each) for each in results["results"] if isinstance(each, dict)}) > 1
    asked: Counter[str] = Counter()
    for number, result in enumerate(results["results"]):
        where = f"{path} results[{number}]"
        row = _row(an_object(TOOL, result, where, "a result"), where, several=several)
        row["trial"] = asked[row["id"]]
        asked[row["id"]] += 1
        yield where, row


def promptfoo_claims(path: Path) -> tuple[Claim, ...]:
    """Its counts of successes, failures and errors, and for each prompt its passes and sums of scores."""
    results, where = _results(path), str(path)
    stats = an_object(TOOL, results.get("stats"), where, "stats")
    kinds: tuple[tuple[str, How], ...] = (("successes", "ones"), ("failures", "zeros"), ("errors", "errors"))
    found = [Claim(title=f"stats.{name}", value=stats[name], how=how, score="success") for name, how in kinds]
    for at, prompt in enumerate(a_list(TOOL, results.get("prompts") or [], where, "prompts")):
        metrics = prompt.get("metrics") if isinstance(prompt, dict) else None
        if not isinstance(metrics, dict):
            continue
        within = {"prompt_index": str(at)}
        title = f"prompts[{at}]"
        found.append(
            Claim(title=f"{title} passed", value=metrics["testPassCount"], how="ones", score="success", within=within)
        )
        found.append(Claim(title=f"{title} score", value=metrics["score"], how="sum", score="score", within=within))
        for name, value in (metrics.get("namedScores") or {}).items():
            found.append(Claim(title=f"{title} {name}", value=value, how="sum", score=name, within=within))
    return tuple(found)


def _results(path: Path) -> Mapping[str, Any]:
    whole, where = document(TOOL, path), str(path)
    results = an_object(TOOL, whole.get("results"), where, "results")
    if results.get("version") != 3:
        raise unsupported(TOOL, results.get("version"), KNOWN, where)
    a_list(TOOL, results.get("results"), where, "results.results")
    return results


def _provider(result: Mapping[str, Any]) -> str:
    provider = result.get("provider")
    if isinstance(provider, dict):
        return str(text(provider.get("label")) or provider.get("id") or "unknown")
    return str(provider or "unknown")


def _row(result: Mapping[str, Any], where: str, *, several: bool) -> Row:
    prompt = an_object(TOOL, result.get("prompt"), where, "prompt")
    test = result.get("testCase")
    test = test if isinstance(test, dict) else {}
    raw = prompt.get("raw")
    raw = raw if isinstance(raw, str) else json.dumps(raw)
    family = _digest([result.get("vars"), test.get("assert")])
    provider = _provider(result)
    case = _digest([family, raw])
    graded = result.get("gradingResult")
    failed = result.get("failureReason", _ERROR if graded is None and result.get("error") else 0) == _ERROR
    response = result.get("response")
    response = response if isinstance(response, dict) else {"output": response}
    usage = response.get("tokenUsage") or result.get("tokenUsage")
    usage = usage if isinstance(usage, dict) else {}
    metadata = test.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    tags = {
        "provider": provider,
        "prompt_index": str(result.get("promptIdx")),
        "prompt_label": str(prompt.get("label") or ""),
    }
    if not failed:
        named = result.get("namedScores")
        tags |= scored("success", bool(result.get("success"))) | scored("score", result.get("score"))
        tags |= {key: value for name, each in (named or {}).items() for key, value in scored(name, each).items()}
    return columns({key: value for key, value in metadata.items() if not str(key).startswith("_")}) | {
        "id": f"{case}/{provider}" if several else case,
        **_asked(raw),
        "system": None,
        "response": _output(response.get("output")),
        "tool_calls": None,
        "expect": None,
        "hazard": text(metadata.get("pluginId")) or text(metadata.get("category")),
        "attack": text(metadata.get("strategyId")),
        "cluster": family,
        "passages": None,
        "reference": None,
        "secrets": None,
        "latency_ms": result.get("latencyMs"),
        "ttft_ms": None,
        "tokens_in": usage.get("prompt"),
        "tokens_out": usage.get("completion"),
        "cost": result.get("cost"),
        "status": "error" if failed else "ok",
        "error": str(result.get("error") or response.get("error") or "unknown") if failed else None,
        "at": None,
        "tags": tags,
    }


def _digest(value: Any) -> str:
    """A short stable name of what was asked; results name a test by its number alone, which repeats shift."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _asked(raw: str) -> Row:
    """A prompt is a text, or the JSON of a conversation that ends with the user's turn."""
    found: Any = None
    if raw.lstrip().startswith("["):
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found = None
    talks = isinstance(found, list) and found and all(isinstance(each, dict) and "role" in each for each in found)
    if talks and any(each["role"] == "user" for each in found):
        return {"prompt": None, "messages": found}
    return {"prompt": raw, "messages": None}


def _output(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
