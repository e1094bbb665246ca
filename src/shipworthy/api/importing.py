"""Another tool's log, held against itself: every number that the tool states, recomputed from its own samples."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shipworthy.errors import DataError, Fault
from shipworthy.exchange import Exchange
from shipworthy.scorers.recorded import PREFIX, UNSCORED, number_of
from shipworthy.subjects.imports.claims import Claim
from shipworthy.subjects.imports.detecting import TOOLS, tool_of
from shipworthy.subjects.recording import open_recording

TOLERANCE: Final = 1e-9  # sums in another order differ by rounding alone


@dataclass(frozen=True, kw_only=True, slots=True)
class Recomputed:
    """One number that a tool states, and what its samples give."""

    claim: Claim
    value: float | None  # None: no sample has the score

    @property
    def agrees(self) -> bool:
        """Whether both are the same, but for rounding."""
        return self.value is not None and math.isclose(
            self.value, self.claim.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE
        )


@dataclass(slots=True)
class _Tally:
    """What a claim is recomputed from, while exchanges stream by."""

    claim: Claim
    errors: int = 0
    scores: list[float] = field(default_factory=list)
    by_case: dict[str, list[str]] = field(default_factory=dict)

    def take(self, exchange: Exchange) -> None:
        tags = {"attack": exchange.case.attack, **exchange.case.tags}
        if any(tags.get(key) != value for key, value in self.claim.within.items()):
            return
        self.errors += exchange.answer.status == "error"
        told = tags.get(PREFIX + self.claim.score)
        if told is None or told == UNSCORED:
            return
        if self.claim.how == "mean":
            self.by_case.setdefault(exchange.case.id, []).append(told)
        else:
            self.scores.append(self.number(told))

    def number(self, told: str) -> float:
        found = number_of(told)
        value = math.nan if found is None else found
        least = self.claim.at_least
        return value if least is None else float(value >= least)

    def value(self) -> float | None:
        match self.claim.how:
            case "errors":
                return float(self.errors)
            case "mean":
                return statistics.fmean(self.reduced(told) for told in self.by_case.values()) if self.by_case else None
            case "sum":
                return math.fsum(self.scores) if self.scores else None
            case "ones":
                return float(sum(score == 1.0 for score in self.scores))
            case "zeros":
                return float(sum(score == 0.0 for score in self.scores))
            case "scored":
                return float(len(self.scores))

    def reduced(self, told: Sequence[str]) -> float:
        """The value of one case, of what was recorded in its trials."""
        reducer = self.claim.reducer
        if reducer == "mode":
            return self.number(Counter(told).most_common(1)[0][0])
        values = [self.number(each) for each in told]
        if reducer.startswith("at_least_"):
            return float(sum(value >= 1.0 for value in values) >= int(reducer.removeprefix("at_least_")))
        if reducer == "median":
            return statistics.median(values)
        return max(values) if reducer == "max" else statistics.fmean(values)


def recompute(path: str | Path) -> tuple[Recomputed, ...]:
    """Recompute what a log of Inspect, promptfoo, garak or lm-eval states about itself, from its samples.

    Memory grows with the cases, not with their texts. Raises DataError: IMPT003 the log is none of these, and those of
    reading it.
    """
    path = Path(path)
    recording = open_recording(path)
    tool = tool_of(path)
    if tool is None:
        raise DataError(
            Fault(
                code="IMPT003",
                what=f"{path.name!r} is no log of {', '.join(each.name for each in TOOLS)}",
                where=str(path),
                mend="name a log that one of these tools wrote; other recordings state nothing about themselves",
            )
        )
    return hold(tool.claims(path), recording.exchanges())


def hold(claims: Iterable[Claim], exchanges: Iterable[Exchange]) -> tuple[Recomputed, ...]:
    """Recompute claims from exchanges, which are read once."""
    tallies = [_Tally(claim) for claim in claims]
    for exchange in exchanges:
        for tally in tallies:
            tally.take(exchange)
    return tuple(Recomputed(claim=tally.claim, value=tally.value()) for tally in tallies)
