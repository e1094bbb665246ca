"""Samples of lm-evaluation-harness (`samples_<task>_<time>.jsonl`), with the results that lie beside them.

Format: lm_eval's `evaluator.py` and `loggers/evaluation_tracker.py`, read from outputs of lm_eval 0.4.13. Samples name
no version; their keys are checked instead, and the version of the results file where there is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from shipworthy.subjects.imports.claims import Claim
from shipworthy.subjects.imports.reading import Row, Rows, an_object, damaged, document, lines, scored, unsupported

TOOL: Final = "lm-eval"
KNOWN: Final = "lm_eval 0.4 (samples with resps, filtered_resps and filter)"
_KEYS: Final = frozenset({"doc_id", "doc", "target", "arguments", "resps", "filtered_resps"})
_FURTHER: Final = frozenset({"filter", "metrics"})
_VERSION: Final = re.compile(r"0\.4(\.\w+)*")
_NAME: Final = re.compile(r"samples_(.+)_(\d{4}-\d\d-\d\dT[\d.-]+)")


def is_lm_eval(head: bytes) -> bool:
    """Whether a file begins as samples do."""
    return re.match(rb'\s*\{\s*"doc_id"', head) is not None and b'"doc"' in head


def lm_eval_rows(path: Path) -> Rows:
    """One row for each document and filter, in the file's order. Raises DataError (IMPT001, IMPT002)."""
    task = _name(path)[0]
    for where, sample in lines(TOOL, path):
        missing = (_KEYS | _FURTHER) - sample.keys()
        if missing:
            raise unsupported(TOOL, "without " + ", ".join(sorted(missing)), KNOWN, where)
        yield where, _row(sample, task, where)


def lm_eval_claims(path: Path) -> tuple[Claim, ...]:
    """The metrics of the task that are means over its documents; none where no results file lies beside the samples."""
    task, stamp = _name(path)
    results = path.with_name(f"results_{stamp}.json")
    if not stamp or not results.is_file():
        return ()
    whole, where = document(TOOL, results), str(results)
    if not _VERSION.fullmatch(str(whole.get("lm_eval_version"))):
        raise unsupported(TOOL, whole.get("lm_eval_version"), KNOWN, where)
    stated = an_object(TOOL, whole.get("results"), where, "results").get(task)
    config = an_object(TOOL, whole.get("configs"), where, "configs").get(task)
    if not isinstance(stated, dict) or not isinstance(config, dict):
        raise damaged(TOOL, f"it says nothing about the task {task[:80]!r}", where)
    means = {
        each.get("metric") for each in config.get("metric_list") or () if each.get("aggregation", "mean") == "mean"
    }
    found = []
    for name, value in stated.items():
        metric, _, chosen = name.partition(",")
        if metric in means and isinstance(value, int | float):
            within = {"filter": chosen}
            found.append(Claim(title=name, value=float(value), how="mean", score=metric, within=within))
    return tuple(found)


def _name(path: Path) -> tuple[str, str]:
    """Task and time of a file of samples."""
    match = _NAME.fullmatch(path.name.removesuffix(".jsonl"))
    return (match[1], match[2]) if match else (path.stem.removeprefix("samples_"), "")


def _row(sample: Mapping[str, Any], task: str, where: str) -> Row:
    metrics = sample["metrics"]
    if not isinstance(metrics, list) or not all(isinstance(each, str) for each in metrics):
        raise damaged(TOOL, "metrics is no list of names", where)
    tags = {
        key: tag
        for name in metrics
        if isinstance(sample.get(name), int | float)  # others are parts of a score over all documents
        for key, tag in scored(name, sample[name]).items()
    }
    chosen = str(sample["filter"])
    requests = _requests(sample["arguments"], where)
    offered = [str(each[1]) for each in requests if len(each) > 1 and isinstance(each[1], str)]
    response = _generated(sample) if not offered else _likeliest(sample["resps"], offered)
    doc = str(sample["doc_id"])
    target = sample["target"]
    target = target if isinstance(target, str) else json.dumps(target, ensure_ascii=False)
    if len(offered) > 1 and target.isdecimal() and int(target[:9]) < len(offered):
        target = offered[int(target[:9])].strip()
    asked = requests[0][0] if requests and requests[0] else ""
    return {
        "id": f"{task}/{doc}" if chosen == "none" else f"{task}/{doc}/{chosen}",
        **_asked(asked),
        "response": response,
        "cluster": f"{task}/{doc}",
        "reference": target,
        "status": "ok" if tags or response else "empty",
        "tags": tags | {"filter": chosen, "task": task},
    }


def _requests(arguments: Any, where: str) -> list[list[Any]]:
    """What was asked, request by request."""
    if isinstance(arguments, dict):
        return [list(each.values()) for each in arguments.values() if isinstance(each, dict)]
    if isinstance(arguments, list):
        return [each for each in arguments if isinstance(each, list)]
    raise damaged(TOOL, "arguments is neither an object nor a list", where)


def _asked(prompt: Any) -> Row:
    """A prompt, or a conversation, as chat templates leave it: JSON, in a list."""
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], str):
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt.lstrip().startswith("[{"):
        try:
            prompt = json.loads(prompt)
        except (ValueError, RecursionError):
            return {"prompt": prompt}
    if isinstance(prompt, list) and all(isinstance(each, dict) and "role" in each for each in prompt) and prompt:
        return {"messages": prompt}
    return {"prompt": prompt if isinstance(prompt, str) else json.dumps(prompt)}


def _generated(sample: Mapping[str, Any]) -> str:
    """What was generated first, before the filter."""
    found: Any = sample["resps"]
    while isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, str) else ""


def _likeliest(resps: Any, offered: list[str]) -> str:
    """The continuation with the highest likelihood; of one alone, whether it is what greedy decoding gives."""
    likelihoods: list[tuple[float, str]] = []
    for at, each in enumerate(resps if isinstance(resps, list) else []):
        found = each
        while isinstance(found, list) and found and isinstance(found[0], list):
            found = found[0]
        try:
            value = float(found[0])
        except (TypeError, ValueError, IndexError, KeyError):
            return ""
        greedy = str(found[-1]).lower() == "true"
        if at < len(offered) and (len(offered) > 1 or greedy):
            likelihoods.append((value, offered[at]))
    return max(likelihoods, key=lambda one: one[0])[1].strip() if likelihoods else ""
