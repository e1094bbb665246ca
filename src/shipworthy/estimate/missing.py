"""What a system left without a prediction or score counts either way: never for it, and never as if it were not there.

A row with a label and no prediction is a failure of the system, not of the data. The value is that of the rows that
have one; the limits are those with every missing one at its worst and at its best (Horowitz & Manski 2000, J. Am. Stat.
Assoc. 95, 77-84). Where no such completion bounds a metric, no claim about it is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np

from shipworthy.estimate.arms import Arms, Context, Limits, cells_of, correlated, measure
from shipworthy.estimate.changes import measure_change
from shipworthy.estimate.outcomes import either_way
from shipworthy.metrics.kinds import CellFunction, CellMixture, CellRate
from shipworthy.observations.tally import Array, Tally, Term
from shipworthy.stats.proportion import clopper_pearson

CellMetric: TypeAlias = CellRate | CellMixture | CellFunction
End: TypeAlias = Literal["least", "greatest"]
ENDS: tuple[End, End] = ("least", "greatest")
ANOTHER = "(another class)"  # what a missing prediction could have been, where the data know one class only
_Become: TypeAlias = Mapping[Term, Term | None]


def measure_counts(metric: CellMetric, tally: Tally, context: Context) -> Arms:
    """A metric of counts, of cells (label, prediction) or of one of them, where a prediction may be None."""
    if not _gaps(tally):
        return measure(metric, tally, context)
    known, least, greatest = (
        None if become is None else measure(metric, tally.merged(become), context)
        for become in (_known(metric, tally, sides=1), *(_completed(metric, tally, end) for end in ENDS))
    )
    assert known is not None
    arms = completed_by(known, (least, greatest), missing=_missing(metric, tally, sides=1), what="prediction")
    if tally.cross is None or arms.ends is None:
        return arms
    return replace(arms, correlation=_together(metric, tally, arms.ends), straddling=True)


def measure_counts_change(metric: CellMetric, tally: Tally, context: Context, *, baseline: str) -> Arms:
    """Paired change of a metric of counts, of cells (label, baseline's prediction, variant's) or without the label.

    The value is that of complete pairs; a missing side is at its worst in one version and at its best in the other.
    """
    if not _gaps(tally):
        return measure_change(metric, tally, context, baseline=baseline)
    known, least, greatest = (
        None if become is None else measure_change(metric, tally.merged(become), context, baseline=baseline)
        for become in (_known(metric, tally, sides=2), *(_completed_pairs(metric, tally, end) for end in ENDS))
    )
    assert known is not None
    arms = completed_by(known, (least, greatest), missing=_missing(metric, tally, sides=2), what="prediction")
    return replace(arms, correlation=None, straddling=tally.cross is not None)


def completed_by(
    known: Arms, ends: tuple[Arms | None, Arms | None], *, missing: Array, what: str, why: str | None = None
) -> Arms:
    """What is known, with limits that hold whatever is missing; ends: with all of it least, and greatest.

    what: "prediction" or "score". why: what stands in for the reason where an end is open.
    """
    if not missing.any():
        return known
    nothing = f"no {what} is known here"
    reasons = tuple(
        nothing if gone > 0 and n == 0 else reason
        for reason, gone, n in zip(known.reasons, missing, known.n, strict=True)
    )
    arms = either_way(replace(known, reasons=reasons), *ends, missing=missing, n=known.n + missing)
    if all(end is not None for end in ends):
        return arms
    said = [
        why
        or f"{int(gone):,} row{'s have' if gone > 1 else ' has'} no {what}: say `where:` to leave them out on purpose"
        for gone in missing
    ]
    return replace(
        arms,
        gate_reasons=tuple(
            told if gone > 0 and known.reasons[s] is None else before
            for s, (told, gone, before) in enumerate(
                zip(said, missing, known.gate_reasons or [None] * len(said), strict=True)
            )
        ),
        limits_reason=f"no interval: rows have no {what}, and what it could be has no bound; "
        "say `where:` to leave them out on purpose",
    )


def bounded_error(known: Arms, missing: Array) -> tuple[Arms, Arms]:
    """The least and the greatest that a root mean squared calibration error can be, from that of the rows with a score.

    The squared gap between score and rate is convex in the rows behind a score, so that over all rows its mean is at
    most that of either part, each in its share; a part without scores has at most 1. Half of the error goes to the
    share. Where the rows with a score have no limits, as under clusters, there are none of all rows either.
    """
    cases = np.maximum(known.n + missing, 1)

    def greatest(limits: Limits) -> Limits:
        def of(level: float) -> tuple[Array, Array]:
            half = 1 - (1 - level) / 2
            low, high = limits(half)
            share = np.asarray(clopper_pearson(missing, cases, level=half)[1])
            return low, _mixed(high, share)

        return of

    def nothing(level: float) -> tuple[Array, Array]:
        low, high = known.limits(level)
        return np.where(np.isinf(low) & np.isinf(high), low, 0.0), np.full(len(known.values), np.inf)

    least = replace(known, values=np.where(np.isnan(known.values), np.nan, 0.0), limits=nothing, gate=nothing)
    most = replace(
        known,
        values=_mixed(known.values, missing / cases),
        limits=greatest(known.limits),
        gate=greatest(known.gate or known.limits),
    )
    return least, most


def _mixed(error: Array, share: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(np.isinf(error), error, np.sqrt((1 - share) * np.minimum(error, 1) ** 2 + share)))


def _gaps(tally: Tally) -> list[tuple[Any, ...]]:
    return [cell for cell in cells_of(tally) if None in cell]


def _known(metric: CellMetric, tally: Tally, *, sides: int) -> _Become:
    """Cells left out where what is missing makes a difference; elsewhere any prediction will do."""
    classes, matters = _classes(tally), _matters(metric, tally, sides=sides)
    return {
        cell: None if out else tuple(classes[0] if value is None else value for value in cell)
        for cell, out in zip(cells_of(tally), matters, strict=True)
    }


def _completed(metric: CellMetric, tally: Tally, end: End) -> _Become | None:
    """Every missing prediction as the one that makes the metric least, or greatest; None where no one choice does."""
    classes = _classes(tally)
    become: dict[Term, Term | None] = {cell: cell for cell in cells_of(tally)}
    for cell in _gaps(tally):
        found = _choice(metric, cell[0] if len(cell) == 2 else None, classes, end)
        if found is None:
            return None
        become[cell] = (*cell[:-1], found)
    return become


def _completed_pairs(metric: CellMetric, tally: Tally, end: End) -> _Become | None:
    """The same of pairs: the variant's at this end, and the baseline's at the other."""
    classes, other = _classes(tally), ENDS[end == "least"]
    become: dict[Term, Term | None] = {cell: cell for cell in cells_of(tally)}
    for cell in _gaps(tally):
        label = cell[0] if len(cell) == 3 else None
        sides = [
            value if value is not None else _choice(metric, label, classes, which)
            for value, which in zip(cell[-2:], (other, end), strict=True)
        ]
        if None in sides:
            return None
        become[cell] = (*cell[:-2], *sides)
    return become


def _classes(tally: Tally) -> list[Any]:
    known = sorted({value for cell in cells_of(tally) for value in cell if value is not None}, key=str)
    return known if len(known) > 1 else [*known, ANOTHER]


def _choice(metric: CellMetric, label: Any, classes: Sequence[Any], end: End) -> Any:
    """The prediction that makes a metric least, or greatest, whatever the other rows are; None where it depends."""
    pick = min if end == "least" else max
    if isinstance(metric, CellFunction):
        if not metric.monotone or label is None:
            return None
        others = [value for value in classes if value != label]
        return label if end == "greatest" else others[0] if len(others) == 1 else None
    parts = [metric] if isinstance(metric, CellRate) else metric.parts(classes)
    ranks = {value: [_rank(part, label, value) for part in parts] for value in classes}
    best = [pick(rank[k] for rank in ranks.values()) for k in range(len(parts))]
    return next((value for value, rank in ranks.items() if rank == best), None)


def _rank(metric: CellRate, label: Any, prediction: Any) -> int:
    """0: a miss, which never raises a share; 1: no case of it; 2: a hit, which never lowers it."""
    label = prediction if label is None else label
    return 1 if not metric.case(label, prediction) else 2 if metric.hit(label, prediction) else 0


def _matters(metric: CellMetric, tally: Tally, *, sides: int) -> list[bool]:
    """Which cells have a missing prediction that could make a difference. sides: predictions in a cell, behind the
    label if there is one.
    """
    classes = _classes(tally)

    def matters(cell: tuple[Any, ...]) -> bool:
        if None not in cell or isinstance(metric, CellFunction):
            return None in cell
        label = cell[0] if len(cell) > sides else None
        parts = [metric] if isinstance(metric, CellRate) else metric.parts(classes)
        return any(len({_rank(part, label, value) for value in classes}) > 1 for part in parts)

    return [matters(cell) for cell in cells_of(tally)]


def _missing(metric: CellMetric, tally: Tally, *, sides: int) -> Array:
    """(S,) rows of those cells."""
    return np.asarray(tally.raw @ np.array(_matters(metric, tally, sides=sides), dtype=float))


def _together(metric: CellMetric, tally: Tally, ends: tuple[Array, Array]) -> Array | None:
    """(S, S) correlation of slices, each with least (rows) with each greatest (columns); None where it is not known."""
    if isinstance(metric, CellFunction):
        return None
    ok = ~np.isnan(ends[0] + ends[1])
    sides = []
    for end in ENDS:
        become = _completed(metric, tally, end)
        if become is None:
            return None
        moves = _influence(metric, tally, become)[ok]
        sides.append((moves, np.einsum("st,stu,su->s", moves, tally.second[ok], moves)))
    return correlated(tally, ok, *sides[0], sides[1])


def _influence(metric: CellRate | CellMixture, tally: Tally, become: _Become) -> Array:
    """(S, T) what a row of each cell adds to a share, or to a mean of shares, linearised."""
    parts = [metric] if isinstance(metric, CellRate) else metric.parts(_classes(tally))
    completed = [become[cell] for cell in cells_of(tally)]
    cells = [(cell[0], cell[-1]) for cell in completed if isinstance(cell, tuple)]
    found = np.zeros(tally.sums.shape)
    for part in parts:
        case = np.array([bool(part.case(*cell)) for cell in cells], dtype=float)
        hit = np.array([bool(part.hit(*cell)) for cell in cells], dtype=float) * case
        cases = np.maximum(tally.sums @ case, 1e-300)[:, None]
        found += (hit - (tally.sums @ hit)[:, None] / cases * case) / cases / len(parts)
    return found
