"""A verdict has a shape, a word and a colour; never a colour alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """How one outcome looks."""

    shape: str
    word: str
    style: str  # CSS class and theme colour name
    terminal: str  # rich style

    def __str__(self) -> str:
        return f"{self.shape} {self.word}"


MET = Mark(shape="●", word="met", style="met", terminal="blue")
BREACHED = Mark(shape="▲", word="breached", style="breached", terminal="bold red")
UNDECIDED = Mark(shape="◐", word="undecided", style="undecided", terminal="yellow")
WAIVED = Mark(shape="◇", word="waived", style="waived", terminal="magenta")
NOT_EVALUATED = Mark(shape="○", word="not evaluated", style="none", terminal="dim")

_MARKS = {"met": MET, "breached": BREACHED, "undecided": UNDECIDED, "waived": WAIVED}
_DECISIONS = {"ship": MET, "hold": BREACHED, "undecided": UNDECIDED}


def mark(outcome: str | None) -> Mark:
    """The mark of an outcome; None, or a word that is not one, was not evaluated."""
    return _MARKS.get(str(outcome), NOT_EVALUATED)


def read(text: str) -> Mark:
    """The mark that a text begins with."""
    return next((mark for mark in _MARKS.values() if text.startswith(mark.shape)), NOT_EVALUATED)


def decision_mark(decision: str) -> Mark:
    """The mark whose colour a decision wears: ship looks met, hold looks breached."""
    return _DECISIONS.get(str(decision), NOT_EVALUATED)
