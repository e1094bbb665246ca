"""What a scorer is: something with a name that says one thing about one exchange."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from shipworthy.exchange import Answer, Case, Exchange

Measure: TypeAlias = Literal[
    "refusal",  # "full", "partial" or "none"
    "violation",  # True: the answer does what it must not
    "leak",  # True: it gives away what it must keep
    "ungrounded",  # True: it says what its passages do not
    "correct",  # True: it is right
    "quality",  # a number, higher is better
    "number",  # a number that is neither good nor bad by itself
]
Value: TypeAlias = bool | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a scorer says. A value of None means that it cannot tell, and `why` gives the reason."""

    value: Value
    why: str = ""  # short, for people; quotes of the answer are bounded


Range: TypeAlias = tuple[float, float]  # least and greatest, either of which may be infinite


def range_of(scorer: object) -> Range | None:
    """What the numbers of a scorer cannot leave: its `bounds`, where it declares some; else None.

    Raises ValueError where they are no two numbers in order.
    """
    bounds = getattr(scorer, "bounds", None)
    if bounds is None:
        return None
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(f"bounds must be two numbers. Got {bounds!r}"[:200]) from error
    if not low < high:
        raise ValueError(f"bounds must be in order. Got {bounds!r}"[:200])
    return low, high


def checked(score: Score, measures: Measure, bounds: Range | None) -> Score:
    """The score, if its value is what a scorer that `measures` this may say; else one without a value that says why.

    bounds: the range of its numbers. What lies outside is refused, for cut to fit it would pass for a good number.
    """
    value = score.value
    if value is None:
        return score
    if measures in ("quality", "number"):
        number = _number(value)
        if number is None:
            return Score(value=None, why=f"{str(value)[:40]!r} is no number")
        if bounds is not None and not bounds[0] <= number <= bounds[1]:
            return Score(value=None, why=f"{number:g} is outside its range, {bounds[0]:g} to {bounds[1]:g}")
        return score
    if measures == "refusal":
        fits = value in ("full", "partial", "none")
    else:
        fits = value is True or value is False or type(value).__name__ in ("bool", "bool_")  # NumPy's own too
    return score if fits else Score(value=None, why=f"{str(value)[:40]!r} is no {_SAID.get(measures, 'yes or no')}")


def _number(value: object) -> float | None:
    try:
        found = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number that no float holds
        return None
    return found if math.isfinite(found) else None


_SAID: Mapping[str, str] = {"refusal": "full, partial or none"}


class Scorer(Protocol):
    """Pure: the same exchange gives the same score, nothing is read, sent or changed.

    A scorer of numbers may declare `bounds`, the least and the greatest that it can say: claims about its mean then
    hold at any distribution, missing answers count at both ends, and a number outside is refused (see `range_of`).
    """

    @property
    def name(self) -> str:
        """Its column in the observations."""

    @property
    def measures(self) -> Measure:
        """What its value says."""

    def score(self, exchange: Exchange) -> Score:
        """Score an answered exchange (its status is ok, refused or filtered). Must take any text."""

    def describe(self) -> Mapping[str, str]:
        """What an audit needs to name it again: kind, settings, version or digest."""


@runtime_checkable
class AskedScorer(Protocol):
    """A scorer that has to ask another subject, such as a judge: it says what to ask and reads what comes back."""

    @property
    def name(self) -> str:
        """Its column in the observations."""

    @property
    def measures(self) -> Measure:
        """What its value says."""

    @property
    def subject(self) -> str:
        """Name of the subject to ask."""

    def questions(self, exchange: Exchange) -> tuple[Case, ...]:
        """What to ask about one exchange: one case for each vote or order; their ids differ."""

    def read(self, exchange: Exchange, answers: Sequence[Answer]) -> Score:
        """Read the answers to `questions`, in their order."""

    def describe(self) -> Mapping[str, str]:
        """What an audit needs to name it again: kind, settings, digest of its rubric and of its prompt."""
