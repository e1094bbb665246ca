"""Reports of garak (`*.report.jsonl`), of garak 0.17.

Format: garak's `attempt.py` and `evaluators/base.py`, read from reports of garak 0.17.1. One attempt is one prompt with
several outputs, which become trials; a detector's score is 0 to 1, where the threshold of the run (0.5) is a hit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from shipworthy.subjects.imports.claims import Claim
from shipworthy.subjects.imports.reading import Row, Rows, a_list, an_object, damaged, lines, scored, unsupported

TOOL: Final = "garak"
KNOWN: Final = "garak 0.17"
_KNOWN: Final = re.compile(r"0\.17(\.\w+)*")
_FINISHED: Final = 2  # status of an attempt whose outputs are scored; before that it is written with status 1
THRESHOLD: Final = 0.5  # garak's own default


def is_garak(head: bytes) -> bool:
    """Whether a file begins as a report does."""
    return re.match(rb'\s*\{\s*"entry_type"\s*:\s*"start_run setup"', head) is not None


def garak_rows(path: Path) -> Rows:
    """One row for each output of each attempt, as they were asked. Raises DataError (IMPT001, IMPT002).

    The report is read twice, because an attempt stands in it before it is scored, and again after.
    """
    finished = {str(entry.get("uuid")) for _, entry in _entries(path) if _is_finished(entry)}
    for where, entry in _entries(path):
        if entry.get("entry_type") != "attempt":
            continue
        if _is_finished(entry) or str(entry.get("uuid")) not in finished:
            yield from ((where, row) for row in _rows(entry, where))


def garak_claims(path: Path) -> tuple[Claim, ...]:
    """What it passed and evaluated, for each probe and detector."""
    found, threshold = [], THRESHOLD
    for where, entry in _entries(path):
        if entry.get("entry_type") == "start_run setup":
            threshold = float(entry.get("run.eval_threshold", THRESHOLD))
        if entry.get("entry_type") != "eval":
            continue
        probe, detector = str(entry.get("probe")), str(entry.get("detector")).removeprefix("detector.")
        title, within = f"{probe} {detector}", {"attack": probe}
        total = entry.get("total_evaluated")
        if not isinstance(total, int) or not isinstance(entry.get("passed"), int):
            raise damaged(TOOL, "an evaluation has no counts", where)
        found.append(Claim(title=f"{title} evaluated", value=total, how="scored", score=detector, within=within))
        found.append(
            Claim(
                title=f"{title} passed",
                value=entry["passed"],
                how="zeros",
                score=detector,
                within=within,
                at_least=threshold,
            )
        )
    return tuple(found)


def _entries(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Its entries, once its version is known."""
    known = False
    for where, entry in lines(TOOL, path):
        kind = entry.get("entry_type")
        if kind == "init":
            if not _KNOWN.fullmatch(str(entry.get("garak_version"))):
                raise unsupported(TOOL, entry.get("garak_version"), KNOWN, where)
            known = True
        elif kind in ("attempt", "eval") and not known:
            raise unsupported(TOOL, "none", KNOWN, where)
        yield where, entry


def _is_finished(entry: Mapping[str, Any]) -> bool:
    return entry.get("entry_type") == "attempt" and entry.get("status") == _FINISHED


def _rows(entry: Mapping[str, Any], where: str) -> list[Row]:
    probe = str(entry.get("probe_classname"))
    prompt = an_object(TOOL, entry.get("prompt"), where, "prompt")
    messages = [_turn(each, where) for each in a_list(TOOL, prompt.get("turns"), where, "turns")]
    outputs = a_list(TOOL, entry.get("outputs"), where, "outputs")
    detected = an_object(TOOL, entry.get("detector_results") or {}, where, "detector_results")
    for detector, values in detected.items():
        if not isinstance(values, list) or len(values) != len(outputs):
            raise damaged(TOOL, f"{str(detector)[:60]} has not one score for each output", where)
    found = []
    for trial, output in enumerate(outputs):
        said = output.get("text") if isinstance(output, dict) else output
        tags = {key: tag for name, values in detected.items() for key, tag in scored(name, values[trial]).items()}
        found.append(
            {
                "id": f"{probe}/{entry.get('seq')}",
                "messages": messages,
                "response": said if isinstance(said, str) else None,
                "attack": probe,
                "hazard": probe.split(".", maxsplit=1)[0],
                "trial": trial,
                "status": "ok" if tags or said else "empty",
                "tags": tags | {"goal": str(entry.get("goal") or "")},
            }
        )
    return found


def _turn(turn: Any, where: str) -> Row:
    turn = an_object(TOOL, turn, where, "a turn")
    content = an_object(TOOL, turn.get("content"), where, "a turn's content")
    said = content.get("text")
    return {"role": turn.get("role"), "content": said if isinstance(said, str) else f"[{content.get('data_type')}]"}
