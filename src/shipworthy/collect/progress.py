"""How far asking has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A moment of asking. Counts are of cases in a trial."""

    total: int | None  # None: not known yet
    finished: int  # with those of earlier runs
    asked: int  # by this run, the cached ones not counted
    cached: int
    failed: int  # of this run: error or timeout
    spent: float  # by all runs of the journal
    tokens: int  # in and out, by this run
    seconds: float  # since this run began

    @property
    def per_second(self) -> float:
        """Cases that this run finished, a second."""
        return (self.asked + self.cached) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At this pace; None while that cannot be told."""
        if self.total is None or not self.per_second:
            return None
        return max(0, self.total - self.finished) / self.per_second
