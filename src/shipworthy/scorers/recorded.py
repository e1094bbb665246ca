"""A score that came with the recording: what another tool said of the answer, taken over as it stands.

Logs of Inspect, promptfoo, garak and lm-eval bring theirs as tags `score.<name>`; any recording may have such columns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shipworthy.exchange import Exchange
from shipworthy.scorers.options import LONGEST_NAME, Options
from shipworthy.scorers.protocol import Measure, Score

PREFIX: Final = "score."  # of the tags; the readers of other tools' logs write them so
UNSCORED: Final = "unscored"  # a tag that says that the tool tried and could not
_WORDS: Final[Mapping[str, float]] = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # Inspect's four letters
_TRUTHS: Final[Mapping[str, float]] = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


def number_of(text: str) -> float | None:
    """A recorded score as a number, by the rules of Inspect's `value_to_float`; None where it is none.

    C, P, I and N are 1, 0.5, 0 and 0; true and yes are 1, false and no are 0; numbers are themselves.
    """
    known = _WORDS.get(text, _TRUTHS.get(text.lower()))
    if known is not None:
        return known
    try:
        found = float(text) if len(text) <= 40 else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a tool scored, as a truth value or as a number."""

    name: str
    measures: Measure
    recorded: str  # name of the score in the log
    at_least: float | None  # from here on it is true; None: 1 is true, 0 is false, and others say nothing
    negate: bool

    def score(self, exchange: Exchange) -> Score:
        """The recorded score; None where the tool gave none."""
        told = exchange.case.tags.get(PREFIX + self.recorded)
        if told is None:
            return Score(value=None, why="no score was recorded")
        if told == UNSCORED:
            return Score(value=None, why="failed: the tool could not score it")
        number = number_of(told)
        if number is None:
            return Score(value=None, why=f"failed: {told[:60]!r} is no score")
        if self.measures in ("quality", "number"):
            return Score(value=number)
        if self.at_least is None and number not in (0.0, 1.0):
            return Score(value=None, why=f"failed: {number:g} is neither true nor false without at_least:")
        holds = number >= (1.0 if self.at_least is None else self.at_least)
        return Score(value=holds is not self.negate, why=f"recorded as {number:g}")

    def describe(self) -> Mapping[str, str]:
        """Kind and settings."""
        return {
            "kind": "recorded",
            "recorded": self.recorded,
            "at_least": "" if self.at_least is None else f"{self.at_least:g}",
            "negate": str(self.negate).lower(),
        }


def open_recorded(options: Options) -> Recorded:
    """`{recorded: match}`, `{recorded: dan.DAN, at_least: 0.5, measures: violation}`, `{..., measures: quality}`."""
    recorded = options.text("recorded", "score")
    given = options.number("at_least", -math.inf, low=-math.inf, high=math.inf)
    least = given if math.isfinite(given) else None
    negate = options.flag("negate", False)
    default = re.sub(r"[^A-Za-z0-9_]", "_", recorded)[:LONGEST_NAME]  # `name:` where that begins with no letter
    measures = options.measures("correct", "correct", "violation", "leak", "ungrounded", "quality", "number")
    name = options.name(default)
    options.done()
    if measures in ("quality", "number") and (least is not None or negate):
        raise options.fault("a number needs no threshold", "leave at_least and negate out, or measure correct")
    return Recorded(name=name, measures=measures, recorded=recorded, at_least=least, negate=negate)
