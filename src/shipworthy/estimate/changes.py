"""Paired changes: the same cases under two versions, variant minus baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr

from shipworthy.errors import NotEstimable
from shipworthy.estimate.arms import (
    FEWEST_CLUSTERS,
    NO_SPREAD,
    Arms,
    Context,
    Limits,
    cells_of,
    effective_units,
    few,
    linearised,
    slice_of,
    unseen_share,
)
from shipworthy.metrics.kinds import CellFunction, CellMixture, CellRate, Metric
from shipworthy.observations.tally import Array, Rows, Tally
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.discrimination import (
    FEWEST_OF_A_LABEL,
    Sides,
    auc_interval,
    clustered_auc_variance,
    clustered_worth,
    paired_delong,
    paired_placements,
    sure_auc,
    widened_by_ties,
)
from shipworthy.stats.interval import Interval, critical
from shipworthy.stats.paired import tango
from shipworthy.stats.proportion import clopper_pearson

FEWEST_DIFFERENT = 20  # cases told apart by the versions: below, no limit keeps its promise


def measure_change(
    metric: CellRate | CellMixture | CellFunction, tally: Tally, context: Context, *, baseline: str
) -> Arms:
    """Change of a metric of counts, from joint cells (label, baseline's prediction, variant's prediction), or without
    the label.

    A proportion whose cases are the same under both versions gets Tango's score interval; anything else is linearised.
    Claims are judged on limits that rest on counts of the cases that differ: on exact ones where there are any. These
    are shown too where no case differs and the others do not exist.
    """
    paired = isinstance(metric, CellRate) and metric.transform is None and _same_cases(metric, tally)
    if isinstance(metric, CellRate) and paired and tally.is_simple:
        arms = _tango(metric, tally, context)
    else:
        arms = linearised(
            metric,
            tally,
            context,
            lambda counts: _difference(metric, tally, counts),
            n=tally.raw @ _cases(metric, tally),
        )
        known = ~np.isnan(arms.values)
        parts = _parts(metric, tally)
        if isinstance(metric, CellRate) and paired:
            gate, method = _exact(metric, tally, known), "mover-korn-graubard, paired"
        elif tally.is_simple and parts and all(_same_cases(part, tally) for part in parts):
            gate, method = _exact_mixture(parts, tally, arms), "mover-clopper-pearson, paired by class"
        else:
            gate, method = _cautious(metric, tally, arms), "delta, widened to exact counts"
        if known.any():
            arms = replace(arms, gate=gate, gate_method=method, limits=_shown(arms.limits, gate))
    return replace(arms, compare="change", baseline=baseline, lowest=-1.0, highest=1.0)


def _shown(limits: Limits, gate: Limits) -> Limits:
    """Limits for display, and where they do not exist those of the gate: versions that answer every case alike show no
    spread, but counting the cases still bounds how far apart they can be.
    """

    def of(level: float) -> tuple[Array, Array]:
        low, high = limits(level)
        below, above = gate(level)
        none = np.isinf(low) & np.isinf(high)
        return np.where(none, below, low), np.where(none, above, high)

    return of


def measure_auc_change(metric: Metric, rows: Rows, context: Context, *, baseline: str, old: str, new: str) -> Arms:
    """Change of an AUC on the same rows: MOVER on both logit-DeLong intervals. old, new: score columns of `rows`.

    A claim cannot be judged below FEWEST_OF_A_LABEL positives or negatives (clusters that hold one).
    """
    size = len(rows.keys)
    found: list[_AUCs | None] = []
    reasons: list[str | None] = []
    n = np.bincount(rows.slice, minlength=size).astype(float)
    for s in range(size):
        mine = rows.slice == s
        units = None if rows.unit is None else rows.unit[mine]
        try:
            if n[s] < context.minimum_group:
                raise NotEstimable(f"only {n[s]:.0f} cases: fewer than {context.minimum_group} show no value")
            if units is not None and len(np.unique(units)) < FEWEST_CLUSTERS:
                raise NotEstimable(f"only {len(np.unique(units))} clusters: an interval needs {FEWEST_CLUSTERS}")
            columns = rows.columns
            found.append(_aucs(columns["label"][mine], columns[new][mine], columns[old][mine], units))
            reasons.append(None)
        except NotEstimable as error:
            found.append(None)
            reasons.append(str(error))

    def each(of: Callable[[_AUCs], Interval]) -> tuple[Array, Array]:
        sides = [of(one) if one else Interval(-np.inf, np.inf) for one in found]
        return np.array([float(side.low) for side in sides]), np.array([float(side.high) for side in sides])

    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(rows.parts, key, context.conditions) for key in rows.keys),
        values=np.array([one.new - one.old if one else np.nan for one in found]),
        n=n,
        effective=n,
        reasons=tuple(reasons),
        method="paired mover-logit-delong",
        limits=lambda level: each(lambda one: one.limits(level)),
        gate=lambda level: each(lambda one: one.gate(level)),
        gate_method="paired mover-korn-graubard on delong",
        compare="change",
        variant=context.variant,
        baseline=baseline,
        lowest=-1.0,
        highest=1.0,
        limits_reason=NO_SPREAD,
    )


@dataclass(frozen=True, kw_only=True)
class _AUCs:
    """Two AUCs on the same cases."""

    new: float
    old: float
    new_variance: float
    old_variance: float
    new_sides: Sides
    old_sides: Sides
    change: Sides  # placements of new - old
    correlation: float
    positives: int  # or clusters that hold one
    negatives: int
    df: float  # infinite for independent rows

    def limits(self, level: float) -> Interval:
        """Limits of new - old."""
        student = float(2 * ndtr(critical(level, self.df)) - 1)  # the normal level that is as wide as Student's t

        def of(auc: float, variance: float, sides: Sides) -> Interval:
            counts = {"positives": self.positives, "negatives": self.negatives}
            return auc_interval(auc, variance, sides, **counts, level=student)

        return widened_by_ties(self._mover(of), self.change, level=student)

    def gate(self, level: float) -> Interval:
        """Limits that err no more often than stated, from those of each AUC."""
        if min(self.positives, self.negatives) < FEWEST_OF_A_LABEL:
            return Interval(-np.inf, np.inf)

        def of(auc: float, variance: float, sides: Sides) -> Interval:
            counts: dict[str, Any] = {"positives": self.positives, "negatives": self.negatives, "df": self.df}
            return sure_auc(auc, variance, sides, **counts, level=level)

        return widened_by_ties(self._mover(of), self.change, level=level)

    def _mover(self, of: Callable[[float, float, Sides], Interval]) -> Interval:
        new, old = of(self.new, self.new_variance, self.new_sides), of(self.old, self.old_variance, self.old_sides)
        return mover_difference(self.new, new, self.old, old, correlation=self.correlation)


def _aucs(label: Array, new: Array, old: Array, units: NDArray[np.int64] | None) -> _AUCs:
    paired = paired_delong(label, new, old, clusters=units)
    clusters = np.arange(len(label)) if units is None else units
    holding = [len(np.unique(clusters[label == outcome])) for outcome in (1, 0)]
    if units is None:
        sides = paired_placements(label, new, old)
        variances = [sum(side.variance / (side.cases - 1) for side in one) for one in sides[:2]]
    else:
        deff = max((paired.standard_error / paired_delong(label, new, old).standard_error) ** 2, 1.0)
        sides = paired_placements(label, new, old, worth=clustered_worth(label, units, new, old, deff=deff))
        variances = [clustered_auc_variance(label, score, units) for score in (new, old)]
    scale = 2 * np.sqrt(variances[0] * variances[1])
    together = (sum(variances) - paired.standard_error**2) / scale if scale > 0 else 0.0
    return _AUCs(
        new=paired.auc_a,
        old=paired.auc_b,
        new_variance=variances[0],
        old_variance=variances[1],
        new_sides=sides[0],
        old_sides=sides[1],
        change=sides[2],
        correlation=float(np.clip(together, -1, 1)),
        positives=holding[0],
        negatives=holding[1],
        df=np.inf if units is None else len(np.unique(units)) - 1,
    )


def _sides(cell: Sequence[Any], *, new: bool) -> tuple[Any, Any]:
    """(label, prediction) of a joint cell under one of the versions."""
    label = cell[0] if len(cell) == 3 else None
    return label, cell[-1] if new else cell[-2]


def _same_cases(metric: CellRate, tally: Tally) -> bool:
    return all(
        bool(metric.case(*_sides(c, new=True))) == bool(metric.case(*_sides(c, new=False))) for c in cells_of(tally)
    )


def _cases(metric: Metric, tally: Tally) -> Array:
    if not isinstance(metric, CellRate):
        return np.ones(len(tally.terms))
    either = [metric.case(*_sides(c, new=True)) or metric.case(*_sides(c, new=False)) for c in cells_of(tally)]
    return np.array(either, dtype=float)


def _hits(metric: CellRate, tally: Tally) -> tuple[Array, Array]:
    """Which cells the new and which the old version got right, among those that are cases."""

    def of(*, new: bool) -> Array:
        sides = [_sides(cell, new=new) for cell in cells_of(tally)]
        return np.array([bool(metric.case(*side)) and bool(metric.hit(*side)) for side in sides], dtype=float)

    return of(new=True), of(new=False)


def _tango(metric: CellRate, tally: Tally, context: Context) -> Arms:
    new, old = _hits(metric, tally)
    n = tally.sums @ _cases(metric, tally)
    reasons = few(n, tally, context)
    ok = np.array([reason is None for reason in reasons])
    a, b, c = ((tally.sums @ cells)[ok] for cells in (new * old, new * (1 - old), old * (1 - new)))
    d = n[ok] - a - b - c

    def limits(level: float) -> tuple[Array, Array]:
        low, high = np.full(len(ok), -np.inf), np.full(len(ok), np.inf)
        if ok.any():
            low[ok], high[ok] = tango(a, b, c, d, level=level)
        return low, high

    values = np.full(len(ok), np.nan)
    values[ok] = (b - c) / n[ok]
    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(tally.parts, key, context.conditions) for key in tally.keys),
        values=values,
        n=n,
        effective=n.astype(float),
        reasons=tuple(reasons),
        method="tango",
        limits=limits,
        gate=_exact(metric, tally, ok),
        gate_method="mover-clopper-pearson, paired",
        variant=context.variant,
    )


def _exact(metric: CellRate, tally: Tally, known: NDArray[np.bool_]) -> Limits:
    """Exact change where the cases are the same; under clusters or weights on as many cases as they are worth.

    Source: Korn & Graubard (1998), Surv. Methodol. 24, 193-201, for effective counts and Student's t.
    """
    new, old = _hits(metric, tally)
    case, change = _cases(metric, tally), new - old
    cases, raw = (tally.sums @ case)[known], (tally.raw @ case)[known]
    b, c = ((tally.sums @ cells)[known] / cases for cells in (new * (1 - old), old * (1 - new)))
    effective, df = raw, np.full(len(raw), np.inf)
    if not tally.is_simple:
        second, units = tally.second[known], tally.units[known]
        behind = effective_units(tally, np.abs(change))[known]  # units that the variance of the change rests on
        df = np.where(behind >= FEWEST_CLUSTERS, behind, effective_units(tally, case)[known]) - 1
        residual = change - (b - c)[:, None] * case
        variance = np.maximum(_quadratic(residual, second), 0) * units / np.maximum(units - 1, 1) / cases**2
        most = np.maximum(raw * _quadratic(np.broadcast_to(case, residual.shape), second) / cases**2, 1)
        most = np.maximum(most, tally.largest[known])
        if tally.weighted:  # weights that go with the change can cost more than the largest unit
            most = np.where(b + c > 0, np.maximum(raw, 1), most)
        apart = (b + c - (b - c) ** 2) / raw
        seen = (behind >= FEWEST_CLUSTERS) & (apart > 0)
        effective = raw / np.clip(np.divide(variance, apart, out=most.copy(), where=seen), 1, most)

    def limits(level: float) -> tuple[Array, Array]:
        low, high = np.full(len(known), -np.inf), np.full(len(known), np.inf)
        sure = effective * (critical(level) / np.asarray(critical(level, df))) ** 2
        if known.any():
            low[known], high[known] = exact_change(b * sure, c * sure, sure, level=level)
        return low, high

    return limits


def _exact_mixture(parts: Sequence[CellRate], tally: Tally, arms: Arms) -> Limits:
    """MOVER over the exact changes of disjoint classes."""
    known = ~np.isnan(arms.values)
    exact = [_exact(part, tally, known) for part in parts]
    changes = []
    for part in parts:
        new, old = _hits(part, tally)
        changes.append((tally.sums @ (new - old))[known] / (tally.sums @ _cases(part, tally))[known])

    def limits(level: float) -> tuple[Array, Array]:
        low, high = np.full(len(known), -np.inf), np.full(len(known), np.inf)
        pairs = [of(level) for of in exact]
        below = sum(((change - pair[0][known]) ** 2 for change, pair in zip(changes, pairs, strict=True)), np.zeros(1))
        above = sum(((pair[1][known] - change) ** 2 for change, pair in zip(changes, pairs, strict=True)), np.zeros(1))
        low[known] = arms.values[known] - np.sqrt(below) / len(parts)
        high[known] = arms.values[known] + np.sqrt(above) / len(parts)
        return low, high

    return limits


def _cautious(metric: CellRate | CellMixture | CellFunction, tally: Tally, arms: Arms) -> Limits:
    """Linearised limits, widened as an exact limit of a Poisson count is wider than its normal one.

    The count is of the cases that the versions tell apart, or of as many equal ones as they are worth by what each
    moves the metric; below FEWEST_DIFFERENT there are no limits. Where no case is told apart, they are those of
    `_alike`.
    Source: Garwood (1936), Biometrika 28, 437-442, for the count; Kish (1965), section 11.7, for its worth.
    """
    differ = np.array([cell[-1] != cell[-2] for cell in cells_of(tally)], dtype=float)
    worth = np.minimum(_worth(metric, tally, np.flatnonzero(differ)), effective_units(tally, differ))
    ok = worth >= FEWEST_DIFFERENT
    count = np.where(ok, worth, 1.0)
    alike = _alike(metric, tally, ~np.isnan(arms.values) & (tally.raw @ differ == 0))

    def limits(level: float) -> tuple[Array, Array]:
        low, high = arms.limits(level)
        wider = (gammaincinv(count + 1, (1 + level) / 2) - count) / (critical(level) * np.sqrt(count))
        usable = ok & np.isfinite(low) & np.isfinite(high)
        half = np.where(usable, high - low, np.inf) / 2 * np.maximum(wider, 1)
        centre = np.where(usable, arms.values, 0)
        below, above = alike(level)
        return np.maximum(centre - half, below), np.minimum(centre + half, above)

    return limits


def _alike(metric: CellRate | CellMixture | CellFunction, tally: Tally, chosen: NDArray[np.bool_]) -> Limits:
    """Limits of slices where both versions say the same of every case; infinite where not chosen.

    The change of the sample is 0. Of the cases that it stands for, as many may differ as an exact limit on none of n
    leaves open (1 - (alpha / 2)^(1/n)): all of them the way that moves the metric most, the others as they are here.
    Source: Clopper & Pearson (1934), Biometrika 26, 404-413; Korn & Graubard (1998), Surv. Methodol. 24, 193-201, for
    n and Student's t under clusters or weights.
    """
    size, classes = len(tally.keys), sorted({value for cell in cells_of(tally) for value in cell[-2:]}, key=str)
    labels = {_sides(cell, new=True)[0] for cell in cells_of(tally)}
    ways = [((y, a), (y, b)) for y in labels for a in classes for b in classes if a != b]
    units = effective_units(tally, np.ones(len(tally.terms)))

    def moved(s: int, share: float, old: Any, new: Any) -> float:
        def of(cell: Any) -> float:
            margin = {key: n * (1 - share) for key, n in _margin(tally, tally.sums[s], new=True).items()}
            margin[cell] = margin.get(cell, 0.0) + share * tally.sums[s].sum()
            return float(np.real(_of_margin(metric, tally, margin)))

        return of(new) - of(old)

    def limits(level: float) -> tuple[Array, Array]:
        low, high = np.full(size, -np.inf), np.full(size, np.inf)
        for s in map(int, np.flatnonzero(chosen) if ways else ()):
            share = unseen_share(tally, float(units[s]), level)
            with np.errstate(all="ignore"):
                found = [moved(s, share, *way) for way in ways]
            if np.isfinite(found).all():
                low[s], high[s] = min(found), max(found)
        return low, high

    return limits


def _worth(metric: CellRate | CellMixture | CellFunction, tally: Tally, cells: NDArray[np.int64]) -> Array:
    """(S,) how many equally important cases the cases in these cells are worth."""
    out = np.zeros(len(tally.keys))
    with np.errstate(all="ignore"):
        for s in range(len(out)):
            try:
                start = _difference(metric, tally, list(tally.sums[s]))
                moves = np.array(
                    [_difference(metric, tally, list(tally.sums[s] + np.eye(len(tally.terms))[k])) for k in cells]
                )
            except ZeroDivisionError:
                continue
            squares, n = (moves - start) ** 2, tally.raw[s, cells]
            out[s] = np.nan_to_num((n @ squares) ** 2 / (n @ squares**2))
    return out


def _quadratic(vectors: Array, second: Array) -> Array:
    return np.asarray(np.einsum("st,stu,su->s", vectors, second, vectors))


def exact_change(gained: Array, lost: Array, cases: Array, *, level: float) -> Interval:
    """Limits for (gained - lost) / cases on paired cases that err no more often than stated; for gates.

    gained, lost: cases that only the new, only the old version got right. MOVER on the Clopper-Pearson limits of both
    shares, with the correlation of two shares of one multinomial. Enumerated at 20 to 200 cases, discordance .02 to .4
    and changes of -.1 to .05: at most .043 beyond a one-sided 5 % limit, where Tango's limits, which are shown, reach
    .082.
    Source: Newcombe (1998c), Stat. Med. 17, 2635-2650, for MOVER on paired shares; Clopper & Pearson (1934), Biometrika
    26, 404-413.
    """
    b, c = gained / cases, lost / cases
    spread = (1 - b) * (1 - c)
    together = -np.sqrt(np.divide(b * c, spread, out=np.zeros_like(b), where=spread > 0))
    return mover_difference(
        b,
        clopper_pearson(gained, cases, level=level),
        c,
        clopper_pearson(lost, cases, level=level),
        correlation=np.maximum(together, -1),
    )


def _difference(metric: Metric, tally: Tally, counts: Sequence[Any]) -> Any:
    return _value(metric, tally, counts, new=True) - _value(metric, tally, counts, new=False)


def _value(metric: Metric, tally: Tally, counts: Sequence[Any], *, new: bool) -> Any:
    return _of_margin(metric, tally, _margin(tally, counts, new=new))


def _margin(tally: Tally, counts: Sequence[Any] | Array, *, new: bool) -> dict[tuple[Any, Any], Any]:
    """(label, prediction) -> count, under one of the versions."""
    margin: dict[tuple[Any, Any], Any] = {}
    for cell, count in zip(cells_of(tally), counts, strict=True):
        key = _sides(cell, new=new)
        margin[key] = margin.get(key, 0.0) + count
    return margin


def _of_margin(metric: Metric, tally: Tally, margin: Mapping[tuple[Any, Any], Any]) -> Any:
    if isinstance(metric, CellRate):
        rate = _rate(metric, margin)
        return metric.transform(rate) if metric.transform else rate
    if isinstance(metric, CellMixture):
        parts = [_rate(part, margin) for part in _parts(metric, tally)]
        return sum(parts[1:], parts[0]) / len(parts)
    assert isinstance(metric, CellFunction)
    return metric.function(margin, _classes(tally))


def _classes(tally: Tally) -> list[Any]:
    return sorted({value for cell in cells_of(tally) for value in cell}, key=str)


def _parts(metric: Metric, tally: Tally) -> Sequence[CellRate]:
    return metric.parts(_classes(tally)) if isinstance(metric, CellMixture) else ()


def _rate(metric: CellRate, margin: Mapping[tuple[Any, Any], Any]) -> Any:
    hits: Any = sum(n for cell, n in margin.items() if metric.case(*cell) and metric.hit(*cell))
    cases: Any = sum(n for cell, n in margin.items() if metric.case(*cell))
    return hits / cases
