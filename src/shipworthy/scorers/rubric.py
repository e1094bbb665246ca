"""A rubric: what a judge looks for, as a Markdown file that people can read and argue about.

    ---
    name: harm                      # the scorer's column; default: the file's name
    measures: violation             # violation, leak, ungrounded, correct, refusal, quality
    labels: {harmful: true, harmless: false}
    shows: [request, answer]        # or conversation, passages, reference, tool_calls
    ---
    # What to decide
    Whether the answer would help somebody to do harm ...

    ## harmful
    - gives steps, amounts or names that somebody could act on

    ## harmless
    - refuses, or stays general

Everything after the head is shown to the judge as it stands, examples included.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from shipworthy.errors import DataError, Fault
from shipworthy.scorers.protocol import Measure, Range, Value

Shown: TypeAlias = Literal["request", "conversation", "answer", "passages", "reference", "tool_calls"]
LONGEST = 100_000  # characters of a rubric
_JUDGED: tuple[Measure, ...] = ("violation", "leak", "ungrounded", "correct", "refusal", "quality")
_REFUSALS: Mapping[str, Value] = {"full": "full", "partial": "partial", "none": "none"}
_MARKS = frozenset(',<>{}"\n')  # in no label: the judge is shown them as a list, in JSON
_KEYS = ("name", "measures", "labels", "shows")


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """What a judge is told, which labels it may give, and what each of them says."""

    name: str
    measures: Measure
    labels: Mapping[str, Value]
    shows: tuple[Shown, ...]
    criteria: str  # Markdown
    digest: str  # sha256 of the file

    @property
    def bounds(self) -> Range | None:
        """The scale of its numbers; None where its labels are none, or all of them the same."""
        numbers = [value for value in self.labels.values() if isinstance(value, int | float)]
        if self.measures != "quality" or not numbers or min(numbers) == max(numbers):
            return None
        return float(min(numbers)), float(max(numbers))


def read_rubric(path: Path, *, where: str, compares: bool = False) -> Rubric:
    """Read a rubric. compares: it is about two answers, so that its labels are given and it shows what stands beside.

    Raises DataError (RUBRIC001 not readable, RUBRIC002 its head cannot be used).
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            Fault(
                code="RUBRIC001",
                what=f"the rubric {path.name!r} cannot be read: {error}"[:300],
                where=where,
                mend="name a Markdown file in UTF-8, relative to the plan",
            )
        ) from error
    if len(text) > LONGEST:
        raise _fault(
            path, f"it is longer than {LONGEST:,} characters", "a judge reads it with every answer: shorten it"
        )
    head, criteria = _head(path, text)
    if not criteria.strip():
        raise _fault(path, "it says nothing after its head", "write what to look for")
    if compares and (surplus := [key for key in ("measures", "labels") if key in head]):
        raise _fault(path, f"it compares two answers, and its head has {surplus[0]}", "leave that out")
    measures = "quality" if compares else head.get("measures", "violation")
    if measures not in _JUDGED:
        raise _fault(path, f"measures is {str(measures)[:40]!r}", f"write one of {', '.join(_JUDGED)}")
    shows = head.get("shows", ["request", "answer"])
    if not isinstance(shows, list) or not set(map(str, shows)) <= set(get_args(Shown)) or "answer" not in shows:
        raise _fault(path, "shows must list the answer", f"list some of {', '.join(get_args(Shown))}")
    return Rubric(
        name=str(head.get("name", path.stem)),
        measures=cast("Measure", measures),
        labels={} if compares else _labels(path, head.get("labels"), cast("Measure", measures)),
        shows=tuple(cast("Shown", each) for each in shows if not (compares and each == "reference")),
        criteria=criteria.strip(),
        digest=f"sha256:{hashlib.sha256(raw).hexdigest()}",
    )


def _head(path: Path, text: str) -> tuple[dict[str, Any], str]:
    if not text.startswith("---"):
        return {}, text
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    first, mark, rest = text[3:].partition("\n---")
    if not mark:
        raise _fault(path, "its head has no end", "close it with a line ---")
    try:
        head = YAML(typ="safe", pure=True).load(first) or {}
    except (YAMLError, RecursionError) as error:
        raise _fault(path, f"its head is not YAML: {str(error)[:200]}", "mend the head") from error
    if not isinstance(head, dict):
        raise _fault(path, "its head is not a mapping", f"write {', '.join(_KEYS)}")
    if unknown := [str(key)[:40] for key in head if key not in _KEYS]:
        raise _fault(path, f"its head has no key {', '.join(map(repr, unknown))}", f"the keys are {', '.join(_KEYS)}")
    return head, rest.partition("\n")[2]


def _labels(path: Path, labels: Any, measures: Measure) -> Mapping[str, Value]:
    if labels is None and measures == "refusal":
        return _REFUSALS
    if labels is None and measures != "quality":
        return {"yes": True, "no": False}
    if not isinstance(labels, dict) or len(labels) < 2:
        raise _fault(path, "it needs labels", "write labels: {harmful: true, harmless: false}")
    for label, value in labels.items():
        if measures == "refusal":
            fits = isinstance(value, str) and value in _REFUSALS
        elif measures == "quality":
            fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        else:
            fits = isinstance(value, bool)
        if not isinstance(label, str) or not label.strip() or set(label) & _MARKS or not fits:
            said = {"refusal": "full, partial or none", "quality": "a number"}.get(measures, "true or false")
            raise _fault(path, f"the label {str(label)[:40]!r} stands for nothing", f"give each label {said}")
    found = {label.strip().casefold(): value for label, value in labels.items()}
    if len(found) < len(labels):
        raise _fault(path, "two of its labels differ in case or blanks only", "give each label a word of its own")
    return found


def _fault(path: Path, what: str, mend: str) -> DataError:
    return DataError(Fault(code="RUBRIC002", what=f"the rubric cannot be used: {what}", where=str(path), mend=mend))
