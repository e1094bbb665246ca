"""Two runs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from shipworthy.api.acting import everyone
from shipworthy.api.pages.folders import promises
from shipworthy.api.pages.library import MOST, PAGE, Library, find
from shipworthy.api.pages.measured import RANK, Measured, measured
from shipworthy.api.pages.shown import RunRow, run_row
from shipworthy.estimate.estimates import Estimate

Way: TypeAlias = Literal["worse", "better", "same", "added", "dropped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A requirement in two runs."""

    requirement: str
    claim: str
    before: Measured | None
    after: Measured | None
    way: Way
    is_loud: bool  # the verdict changed, or the two intervals do not overlap


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two runs side by side; or only the runs to choose from."""

    before: RunRow | None
    after: RunRow | None
    pairs: list[Pair]
    choices: list[RunRow]
    left_out: list[str]  # what the page does not show, in sentences


def comparison(library: Library, before: str | None, after: str | None, *, system: str | None = None) -> Comparison:
    """Two runs, requirement by requirement: the worse first, then the better, then what stayed."""
    record, people = library.record, everyone(library.record)
    choices = [run_row(one, people) for one in record.runs(system=system, limit=PAGE)]
    if not before or not after:
        return Comparison(before=None, after=None, pairs=[], choices=choices, left_out=[])
    old, new = find(record, before), find(record, after)
    sides = [
        {one.requirement: measured(one, required) for one in record.verdicts(run=run.facts.digest, limit=MOST)}
        for run, required in ((run, promises(library, run)) for run in (old, new))
    ]
    pairs = [_pair(name, sides[0].get(name), sides[1].get(name)) for name in dict.fromkeys([*sides[1], *sides[0]])]
    order = ("worse", "better", "dropped", "added", "same")
    pairs.sort(key=lambda one: (order.index(one.way), not one.is_loud))
    left = [
        f"Of the run {row.run}, the first {MOST:,} verdicts were compared."
        for row, side in ((run_row(old, people), sides[0]), (run_row(new, people), sides[1]))
        if len(side) == MOST
    ]
    return Comparison(
        before=run_row(old, people), after=run_row(new, people), pairs=pairs, choices=choices, left_out=left
    )


def _pair(name: str, before: Measured | None, after: Measured | None) -> Pair:
    one = after or before
    way: Way = "same"
    is_loud = False
    if before is None or after is None:
        way = "added" if before is None else "dropped"
    else:
        was, now = RANK.get(before.verdict, 4), RANK.get(after.verdict, 4)
        way = "same" if was == now else "worse" if now < was else "better"
        is_loud = was != now or _apart(before.estimate, after.estimate)
    return Pair(
        requirement=name, claim=one.claim if one else "", before=before, after=after, way=way, is_loud=is_loud
    )  # fmt: skip


def _apart(one: Estimate | None, other: Estimate | None) -> bool:
    """Whether two intervals of one quantity do not overlap."""
    if one is None or other is None or (one.metric, one.compare) != (other.metric, other.compare):
        return False
    low, high = (one, other) if (one.value or 0) <= (other.value or 0) else (other, one)
    return low.high is not None and high.low is not None and low.high < high.low
