"""What a tool says about its own log as a whole, in a form that can be recomputed from the log's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

How: TypeAlias = Literal[
    "mean",  # of the score, over the cases
    "sum",  # of the score, over the exchanges
    "ones",  # exchanges whose score is 1
    "zeros",  # exchanges whose score is 0
    "scored",  # exchanges that have the score
    "errors",  # exchanges that ended in an error
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One number that a tool states about its log."""

    title: str  # as the tool calls it
    value: float
    how: How
    score: str = ""  # name of the recorded score; empty for `errors`
    within: Mapping[str, str] = field(default_factory=dict)  # tags, or `attack`, of the rows that it is about
    reducer: str = "mean"  # how the trials of a case become one value, before the mean is taken
    at_least: float | None = None  # the score counts as 1 from here on, else as 0; None: as it stands
