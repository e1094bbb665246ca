"""The heat map: a rate by two attributes, such as hazard and attack; a cell says its value, its interval and its n."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shipworthy.charts import forest
from shipworthy.charts.axis import Axis
from shipworthy.estimate.estimates import Estimate
from shipworthy.gates.verdicts import Piece
from shipworthy.present import numbers, slices
from shipworthy.present.safe import shorten
from shipworthy.present.verdicts import Mark, mark
from shipworthy.present.vocabulary import words

STEPS = 9  # shades, from the best value of the scale to its worst
MOST_ROWS = 24
MOST_COLUMNS = 14
STILL = "none"  # the level of `attack` that changes nothing: what the others are compared with
_ACROSS = "attack"  # the attribute that is laid out as columns

State: TypeAlias = Literal["known", "thin", "unknown", "empty"]  # with interval, without one, no value, nothing asked


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One combination, or the margin of a row or column."""

    state: State
    shade: int | None  # 0 to STEPS - 1, the more the worse; None without a value
    value: str
    limits: str  # the interval without its unit
    n: str
    said: str  # all of it in one sentence, for whoever does not see the shade
    mark: Mark | None = None  # where something was claimed of this very cell
    reason: str = ""  # why there is no value, or no interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A row: its name, the margin over its columns where it was measured, and its cells."""

    name: str
    margin: Cell | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Heatmap:
    """A metric of one version by two attributes, worst rows and columns first."""

    title: str
    metric: str
    rows_by: str
    columns_by: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    margin: Line | None  # over all rows
    scale: Axis
    standing: str  # how far the judge behind it can be trusted; "" where there is none
    left_out: tuple[int, int]  # rows and columns that are not drawn
    order: tuple[tuple[str, ...], tuple[str, ...]]  # every row and column, as they come

    @property
    def states(self) -> frozenset[State]:
        """What kinds of cells there are: only these need a key."""
        return frozenset(cell.state for line in self.lines for cell in line.cells)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why cells have no value or no interval, each reason once; those that differ in their numbers alone."""
        found: dict[str, str] = {}
        for line in self.lines:
            for cell in line.cells:
                if cell.reason:
                    found.setdefault(re.sub(r"\d[\d.,]*", "#", cell.reason), cell.reason)
        return tuple(found.values())[:4]

    @property
    def ends(self) -> tuple[str, str]:
        """What the lightest and the darkest shade stand for."""
        low, high = (numbers.bound_value(end, self.metric) for end in (self.scale.low, self.scale.high))
        return (high, low) if words(self.metric).good == "high" else (low, high)


def of_estimates(
    estimates: Sequence[Estimate],
    *,
    title: str,
    scale: Axis,
    margins: Iterable[Estimate] = (),
    pieces: Iterable[Piece] = (),
    like: Heatmap | None = None,
) -> Heatmap:
    """The heat map of estimates whose slices all name the same two columns.

    scale: shared by the versions of a metric, so that their shades compare. margins: estimates of the same metric and
    version by one of the two columns, or of everyone. pieces: what was claimed of the cells. like: a heat map whose
    order of rows and columns this one takes, so that two versions lie side by side.
    """
    down, across = _oriented(estimates)
    cells = {(_level(e, down), _level(e, across)): e for e in estimates}
    by_row = {_level(e, down): e for e in margins if tuple(e.slice) == (down,)}
    by_column = {_level(e, across): e for e in margins if tuple(e.slice) == (across,)}
    whole = next((e for e in margins if not e.slice), None)
    judged = {(_level(p.estimate, down), _level(p.estimate, across)): mark(p.outcome) for p in pieces}
    rows = _worst_first({_level(e, down) for e in estimates}, by_row, cells, 0)
    columns = _worst_first({_level(e, across) for e in estimates}, by_column, cells, 1)
    columns.sort(key=lambda level: level != STILL)
    if like is not None:
        rows, columns = ([*dict.fromkeys([*old, *new])] for old, new in zip(like.order, (rows, columns), strict=True))
    shown_rows, shown_columns = rows[:MOST_ROWS], columns[:MOST_COLUMNS]

    def cell(estimate: Estimate | None, name: str, verdict: Mark | None = None) -> Cell:
        return _cell(estimate, name, scale, verdict)

    return Heatmap(
        title=title,
        metric=estimates[0].metric,
        rows_by=shorten(down, 60),
        columns_by=shorten(across, 60),
        columns=tuple(shorten(level, 60) for level in shown_columns),
        lines=tuple(
            Line(
                name=shorten(row, 60),
                margin=cell(by_row.get(row), row) if by_row else None,
                cells=tuple(
                    cell(cells.get((row, column)), f"{row}, {column}", judged.get((row, column)))
                    for column in shown_columns
                ),
            )
            for row in shown_rows
        ),
        margin=Line(
            name="all",
            margin=cell(whole, "all") if by_row else None,
            cells=tuple(cell(by_column.get(column), f"all, {column}") for column in shown_columns),
        )
        if by_column
        else None,
        scale=scale,
        standing=next((said for e in estimates if (said := numbers.judged(e).partition(" with ")[0])), ""),
        order=(tuple(rows), tuple(columns)),
        left_out=(len(rows) - len(shown_rows), len(columns) - len(shown_columns)),
    )


def is_mapped(estimate: Estimate) -> bool:
    """Whether an estimate is a cell of some heat map: a rate by two attributes, of which one way is good."""
    speak = words(estimate.metric)
    return len(estimate.slice) == 2 and estimate.compare == "value" and speak.kind == "share" and speak.good is not None


def _oriented(estimates: Sequence[Estimate]) -> tuple[str, str]:
    """Which column goes down and which across: attacks go across, else what has fewer levels does."""
    one, other = estimates[0].slice
    if _ACROSS in (one, other):
        return (other, one) if one == _ACROSS else (one, other)
    sizes = {key: len({_level(e, key) for e in estimates}) for key in (one, other)}
    return (one, other) if sizes[other] <= sizes[one] else (other, one)


def _level(estimate: Estimate, column: str) -> str:
    return slices.level_name(estimate.slice[column], column)


def _worst_first(
    levels: set[str],
    margins: Mapping[str, Estimate],
    cells: Mapping[tuple[str, str], Estimate],
    place: int,
) -> list[str]:
    """Levels by their margin; by their worst cell where there is none."""

    def badness(level: str) -> tuple[bool, float, str]:
        mine = [e for key, e in cells.items() if key[place] == level]
        unknown, worst = forest.worst_first(margins[level]) if level in margins else min(map(forest.worst_first, mine))
        return unknown, worst, level

    return sorted(levels, key=badness)


def _cell(estimate: Estimate | None, name: str, scale: Axis, verdict: Mark | None) -> Cell:
    if estimate is None:
        return Cell(state="empty", shade=None, value="", limits="", n="", said=f"{name}: nothing was asked")
    n = numbers.count(estimate.n)
    said = f"{shorten(name, 120)}: {numbers.estimate(estimate)}, n = {n}" + (f"; {verdict.word}" if verdict else "")
    reason = shorten(estimate.reason or "", 160)
    if estimate.value is None:
        return Cell(
            state="unknown", shade=None, value=numbers.NOTHING, limits="", n=n, said=said, mark=verdict, reason=reason
        )
    share = scale.at(estimate.value) / 100
    if words(estimate.metric).good == "high":
        share = 1 - share
    limits = numbers.limits(estimate)
    return Cell(
        state="known" if limits else "thin",
        shade=round((STEPS - 1) * share),
        value=numbers.value(estimate.value, estimate.metric, scale=scale.high).removesuffix(" %"),
        limits=limits or "no interval",
        n=n,
        said=said if limits or not reason else f"{said}; {reason}",
        mark=verdict,
        reason="" if limits else reason,
    )
