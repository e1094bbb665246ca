"""Two runs side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
    way: Way  # of the outcomes: a breach that is waived is a breach
    changed: list[str]  # what else did, in words
    is_loud: bool  # the outcome or a waiver changed, or the two intervals do not overlap


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two runs side by side; or only the runs to choose from."""

    before: RunRow | None
    after: RunRow | None
    names: tuple[str, str]  # that tell the two apart
    summary: str  # how many stand worse, better, as they were, in one run alone
    pairs: list[Pair]
    choices: list[RunRow]
    left_out: list[str]  # what the page does not show, in sentences


def comparison(library: Library, before: str | None, after: str | None, *, system: str | None = None) -> Comparison:
    """Two runs, requirement by requirement: the worse first, then the better, then what stayed."""
    record, people = library.record, everyone(library.record)
    choices = [run_row(one, people) for one in record.runs(system=system, limit=PAGE)]
    if not before or not after:
        return Comparison(
            before=None, after=None, names=("", ""), summary="", pairs=[], choices=choices, left_out=[]
        )  # fmt: skip
    old, new = find(record, before), find(record, after)
    sides = [
        {one.requirement: measured(one, required) for one in record.verdicts(run=run.facts.digest, limit=MOST)}
        for run, required in ((run, promises(library, run)) for run in (old, new))
    ]
    pairs = [_pair(name, sides[0].get(name), sides[1].get(name)) for name in dict.fromkeys([*sides[1], *sides[0]])]
    order = ("worse", "better", "dropped", "added", "same")
    pairs.sort(key=lambda one: (order.index(one.way), not one.is_loud))
    rows = run_row(old, people), run_row(new, people)
    left = [
        f"Of the run {row.run}, the first {MOST:,} verdicts were compared."
        for row, side in zip(rows, sides, strict=True)
        if len(side) == MOST
    ]
    return Comparison(
        before=rows[0], after=rows[1], names=_names(*rows), summary=_summary([one.way for one in pairs]), pairs=pairs,
        choices=choices, left_out=left,
    )  # fmt: skip


def _names(before: RunRow, after: RunRow) -> tuple[str, str]:
    """What tells two runs apart: their systems, else their versions, else their days, else their ids."""
    if before.system != after.system:
        return f"{before.system} {before.version}", f"{after.system} {after.version}"
    if before.version != after.version:
        return before.version, after.version
    if before.created.date() != after.created.date():
        return tuple(f"{one.version} of {one.created:%Y-%m-%d}" for one in (before, after))  # type: ignore[return-value]
    return before.run, after.run


def _summary(ways: Sequence[Way]) -> str:
    """Of the requirements that both runs have: "1 worse, 0 better, 5 as they were; 1 was dropped, 3 were added"."""
    count = Counter(ways)
    both = count["worse"] + count["better"] + count["same"]
    alone = [f"{n} {'was' if n == 1 else 'were'} {way}" for way in ("dropped", "added") if (n := count[way])]
    if not both:
        return f"No requirement is in both runs: {', '.join(alone)}." if alone else ""
    said = f"{count['worse']} {'stands' if count['worse'] == 1 else 'stand'} worse than before, "
    said += f"{count['better']} better, {count['same']} as {'it was' if count['same'] == 1 else 'they were'}"
    noun = "requirement that both runs have" if both == 1 else "requirements that both runs have"
    return f"Of {both} {noun}, {said}" + (f"; {', '.join(alone)}." if alone else ".")


def _pair(name: str, before: Measured | None, after: Measured | None) -> Pair:
    one = after or before
    if before is None or after is None:
        way: Way = "added" if before is None else "dropped"
        return Pair(
            requirement=name, claim=one.claim if one else "", before=before, after=after, way=way, changed=[],
            is_loud=False,
        )  # fmt: skip
    was, now = RANK.get(before.outcome, 4), RANK.get(after.outcome, 4)
    waivers = bool(before.waiver), bool(after.waiver)
    is_same = _about(before.estimate) == _about(after.estimate)
    moved = was == now and is_same and _apart(before.estimate, after.estimate)
    changed = {
        "now waived": waivers == (False, True),
        "no longer waived": waivers == (True, False),
        "moved, with the same outcome": moved,
        "another bound": before.bound != after.bound,
        "another pair decides" if _is_gap(after.estimate) else "another slice decides": not is_same,
    }
    return Pair(
        requirement=name, claim=after.claim, before=before, after=after,
        way="same" if was == now else "worse" if now < was else "better",
        changed=[said for said, is_so in changed.items() if is_so],
        is_loud=was != now or waivers[0] != waivers[1] or moved,
    )  # fmt: skip


def _about(one: Estimate | None) -> tuple[object, ...]:
    """What an estimate is of."""
    return () if one is None else (one.metric, one.compare, dict(one.slice), one.reference and dict(one.reference))


def _is_gap(one: Estimate | None) -> bool:
    return one is not None and one.reference is not None


def _apart(one: Estimate | None, other: Estimate | None) -> bool:
    """Whether two intervals of one quantity do not overlap."""
    if one is None or other is None:
        return False
    low, high = (one, other) if (one.value or 0) <= (other.value or 0) else (other, one)
    return low.high is not None and high.low is not None and low.high < high.low
