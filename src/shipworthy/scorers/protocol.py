"""What a scorer is: something with a name that says one thing about one exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


class Scorer(Protocol):
    """Pure: the same exchange gives the same score, nothing is read, sent or changed."""

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
