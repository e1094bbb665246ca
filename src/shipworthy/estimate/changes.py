"""Paired changes: the same cases under two versions, variant minus baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shipworthy.errors import NotEstimable
from shipworthy.estimate.arms import FEWEST_CLUSTERS, NO_SPREAD, Arms, Context, cells_of, few, linearised, slice_of
from shipworthy.metrics.kinds import CellFunction, CellMixture, CellRate, Metric
from shipworthy.observations.tally import Array, Rows, Tally
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.discrimination import paired_delong
from shipworthy.stats.interval import Interval, critical
from shipworthy.stats.paired import tango
from shipworthy.stats.proportion import clopper_pearson


def measure_change(
    metric: CellRate | CellMixture | CellFunction, tally: Tally, context: Context, *, baseline: str
) -> Arms:
    """Change of a metric of counts, from joint cells (label, baseline's prediction, variant's prediction), or without
    the label.

    A proportion whose cases are the same under both versions gets Tango's score interval; anything else is linearised.
    """
    if isinstance(metric, CellRate) and metric.transform is None and tally.is_simple and _same_cases(metric, tally):
        arms = _tango(metric, tally, context)
    else:
        arms = linearised(
            metric,
            tally,
            context,
            lambda counts: _value(metric, tally, counts, new=True) - _value(metric, tally, counts, new=False),
            n=tally.raw @ _cases(metric, tally),
        )
    return replace(arms, compare="change", baseline=baseline, lowest=-1.0, highest=1.0)


def measure_auc_change(metric: Metric, rows: Rows, context: Context, *, baseline: str, old: str, new: str) -> Arms:
    """Change of an AUC on the same rows, by the paired DeLong variance. old, new: score columns of `rows`."""
    size = len(rows.keys)
    values, se, df = np.full(size, np.nan), np.zeros(size), np.full(size, np.inf)
    reasons: list[str | None] = []
    n = np.bincount(rows.slice, minlength=size).astype(float)
    for s in range(size):
        mine = rows.slice == s
        units = None if rows.unit is None else rows.unit[mine]
        try:
            if n[s] < context.minimum_group:
                raise NotEstimable(f"only {n[s]:.0f} cases: fewer than {context.minimum_group} show no value")
            if units is not None:
                df[s] = len(np.unique(units)) - 1
                if df[s] < FEWEST_CLUSTERS - 1:
                    raise NotEstimable(f"only {df[s] + 1:.0f} clusters: an interval needs {FEWEST_CLUSTERS}")
            found = paired_delong(
                rows.columns["label"][mine], rows.columns[new][mine], rows.columns[old][mine], clusters=units
            )
            values[s], se[s] = found.difference, found.standard_error
            reasons.append(None)
        except NotEstimable as error:
            reasons.append(str(error))

    def limits(level: float) -> tuple[Array, Array]:
        ok, half = se > 0, critical(level, df) * se
        return np.where(ok, values - half, -np.inf), np.where(ok, values + half, np.inf)

    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(rows.parts, key, context.conditions) for key in rows.keys),
        values=values,
        n=n,
        effective=n,
        reasons=tuple(reasons),
        method="paired delong",
        limits=limits,
        compare="change",
        variant=context.variant,
        baseline=baseline,
        lowest=-1.0,
        highest=1.0,
        limits_reason=NO_SPREAD,
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


def _tango(metric: CellRate, tally: Tally, context: Context) -> Arms:
    groups: dict[tuple[bool, bool], Array] = {}
    for old in (True, False):
        for new in (True, False):
            chosen = [
                bool(metric.case(*_sides(c, new=True)))
                and bool(metric.hit(*_sides(c, new=True))) is new
                and bool(metric.hit(*_sides(c, new=False))) is old
                for c in cells_of(tally)
            ]
            groups[new, old] = tally.sums @ np.array(chosen, dtype=float)
    n = sum(groups.values(), np.zeros(len(tally.keys)))
    reasons = few(n, tally, context)
    ok = np.array([reason is None for reason in reasons])
    a, b, c, d = (groups[key][ok] for key in ((True, True), (True, False), (False, True), (False, False)))

    def limits(level: float) -> tuple[Array, Array]:
        low, high = np.full(len(ok), -np.inf), np.full(len(ok), np.inf)
        if ok.any():
            low[ok], high[ok] = tango(a, b, c, d, level=level)
        return low, high

    def exact(level: float) -> tuple[Array, Array]:
        low, high = np.full(len(ok), -np.inf), np.full(len(ok), np.inf)
        if ok.any():
            low[ok], high[ok] = exact_change(b, c, n[ok], level=level)
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
        gate=exact,
        gate_method="mover-clopper-pearson, paired",
        variant=context.variant,
    )


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


def _value(metric: Metric, tally: Tally, counts: Sequence[Any], *, new: bool) -> Any:
    margin: dict[tuple[Any, Any], Any] = {}
    for cell, count in zip(cells_of(tally), counts, strict=True):
        key = _sides(cell, new=new)
        margin[key] = margin.get(key, 0.0) + count
    if isinstance(metric, CellRate):
        rate = _rate(metric, margin)
        return metric.transform(rate) if metric.transform else rate
    classes = sorted({value for cell in cells_of(tally) for value in cell}, key=str)
    if isinstance(metric, CellMixture):
        parts = [_rate(part, margin) for part in metric.parts(classes)]
        return sum(parts[1:], parts[0]) / len(parts)
    assert isinstance(metric, CellFunction)
    return metric.function(margin, classes)


def _rate(metric: CellRate, margin: Mapping[tuple[Any, Any], Any]) -> Any:
    hits: Any = sum(n for cell, n in margin.items() if metric.case(*cell) and metric.hit(*cell))
    cases: Any = sum(n for cell, n in margin.items() if metric.case(*cell))
    return hits / cases
