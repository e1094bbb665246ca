"""What a claim about a mean is judged on: limits that a skewed sample cannot fool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipworthy.estimate.arms import ROUNDING, Arms, effective_units
from shipworthy.metrics.kinds import RowMean
from shipworthy.observations.tally import Array, Key, Rows, Tally
from shipworthy.stats.interval import critical
from shipworthy.stats.mean import betting

MOST_BETS = 5_000  # rows of a slice up to which the limits of a bounded mean hold at any distribution
FEWEST_UNBOUNDED = 300  # cases: what one case in a hundred is like stays unseen with chance .99^300 = .049
CAUTION = 25.0  # units that a mean needs per squared skewness
SEED = 20_240_229  # of the order in which rows are bet on


def judged_mean(
    metric: RowMean, tally: Tally, arms: Arms, fetch: Callable[[], Rows], *, most_bets: int = MOST_BETS
) -> Arms:
    """The arms of a mean, with the limits that a claim about one slice is judged on.

    tally: with the terms `name`, `name.n` and, of independent unweighted rows, `name.squares`; arms: its display.
    fetch: brings the rows (column `value`, NaN where there is none; `weight` and unit where there are any) of slices
    with fewer than MOST_BETS rows; called once, when limits that need rows are first asked for.
    Independent rows of a metric bounded on both sides have the limits of `betting` in slices with fewer than
    `most_bets` rows. All else has `skewed_limits`, on rows or on units; Student's t on units where the rows are too
    many to bring. No sample limits a mean on a side where its values have no bound: there a slice with fewer than
    FEWEST_UNBOUNDED cases has no limit, and a larger one's rests on values rarer than about 3 / n not mattering.
    Source: Bahadur & Savage (1956), Ann. Math. Statist. 27, 1115-1122, for why no method does without.
    """
    known = ~np.isnan(arms.values)
    least, most = (0.0, np.inf) if metric.root else (-np.inf, np.inf) if metric.bounds is None else metric.bounds
    is_bounded = bool(np.isfinite(least) and np.isfinite(most))
    by_rows = known & (tally.rows < (most_bets if tally.is_simple else MOST_BETS))
    unseen = tally.raw[:, tally.terms.index(f"{metric.name}.n")] < FEWEST_UNBOUNDED

    @cache
    def values() -> Mapping[Key, Rows]:
        return _parted(fetch())

    @cache
    def of_units() -> tuple[Array, Array, Array, Array]:
        return _unit_moments(metric, tally, by_rows, values())

    def limits(level: float) -> tuple[Array, Array]:
        if tally.is_simple:
            low, high = skewed_limits(*_moments(metric, tally), level=level)
        else:
            low, high = arms.limits(level)
            if by_rows.any():
                found = skewed_limits(*of_units(), level=level)
                rooted = tuple(np.sqrt(np.maximum(side, 0)) if metric.root else side for side in found)
                low, high = (np.where(by_rows, new, old) for new, old in zip(rooted, (low, high), strict=True))
        low, high = np.maximum(low, least), np.minimum(high, most)
        if is_bounded and tally.is_simple:
            for s in np.flatnonzero(by_rows):
                mine = _shuffled(values()[tally.keys[s]].columns["value"])
                low[s], high[s] = betting(mine, bounds=(least, most), level=level)
        if metric.root and tally.is_simple:
            low, high = np.sqrt(low), np.sqrt(high)
        low = np.where(known & ~(unseen & np.isinf(least)), low, -np.inf)
        return low, np.where(known & ~(unseen & np.isinf(most)), high, np.inf)

    too_few = f"a claim about it needs {FEWEST_UNBOUNDED} cases, for rare and large values to show"
    return replace(
        arms,
        gate=limits,
        gate_method="betting or skewness-corrected t" if tally.is_simple else "skewness-corrected t on units",
        gate_reasons=tuple(too_few if few and not is_bounded else None for few in unseen & known),
    )


def skewed_limits(n: Any, mean: Any, sd: Any, skewness: Any, *, level: float) -> tuple[Array, Array]:
    """Limits for a mean from moments: Student's t, moved outwards on the side where skewness makes it err.

    n, mean, sd, skewness: of independent values, shape (S,). level: two-sided, in (0, 1). Infinite where nothing varies
    and where n < CAUTION * skewness^2, for a sample that looks as skewed as this may have missed what matters most.
    Source: Johnson (1978), JASA 73, 536-544, for g (1 + 2 t^2) / (6 sqrt n), which agrees with BCa to second order
    (Hall 1992, The Bootstrap and Edgeworth Expansion, section 3.10); Cochran (1977), Sampling Techniques, section 2.15,
    for the rule.
    """
    ok = (n >= 2) & (sd > 0) & (n >= CAUTION * skewness**2)
    size = np.where(ok, n, 2)
    t = critical(level, size - 1)
    lean = np.where(ok, skewness, 0) * (1 + 2 * t**2) / (6 * np.sqrt(size))
    with np.errstate(invalid="ignore"):
        se = sd / np.sqrt(size)
        low, high = mean - se * (t + np.maximum(-lean, 0)), mean + se * (t + np.maximum(lean, 0))
    return np.where(ok, low, -np.inf), np.where(ok, high, np.inf)


def _moments(metric: RowMean, tally: Tally) -> tuple[Array, Array, Array, Array]:
    """Number, mean, standard deviation and skewness of the values of each slice."""
    value, one, squares = (tally.terms.index(f"{metric.name}{suffix}") for suffix in ("", ".n", ".squares"))
    with np.errstate(all="ignore"):
        n = tally.sums[:, one]
        mean, square, cube = (
            sums / n for sums in (tally.sums[:, value], tally.sums[:, squares], tally.second[:, value, squares])
        )
        variance = square - mean**2
        variance = np.where(variance <= ROUNDING * square, 0, variance)
        skewness = (cube - 3 * mean * square + 2 * mean**3) / variance**1.5
        return n, mean, np.sqrt(variance * n / (n - 1)), skewness


def _unit_moments(
    metric: RowMean, tally: Tally, chosen: NDArray[np.bool_], parts: Mapping[Key, Rows]
) -> tuple[Array, Array, Array, Array]:
    """As `_moments`, of what each unit (a cluster, or a weighted row) adds to the mean; NaN where not chosen."""
    one = np.array([term == f"{metric.name}.n" for term in tally.terms], dtype=float)
    n, (mean, sd, skewness) = effective_units(tally, one), np.full((3, len(tally.keys)), np.nan)
    for s in np.flatnonzero(chosen):
        rows = parts[tally.keys[s]]
        there = ~np.isnan(rows.columns["value"])
        x, weight = rows.columns["value"][there], rows.columns.get("weight", np.ones(len(there)))[there]
        unit = np.arange(len(x)) if rows.unit is None else np.unique(rows.unit[there], return_inverse=True)[1]
        mean[s] = weight @ x / weight.sum()
        residual = np.bincount(unit, weight * (x - mean[s]))
        square = float(np.mean(residual**2))
        units = len(residual)
        if units > 1 and square > ROUNDING * float(np.mean(np.bincount(unit, weight * np.abs(x)) ** 2)):
            skewness[s] = np.mean(residual**3) / square**1.5
            sd[s] = np.sqrt(units**2 / (units - 1) * square * n[s]) / weight.sum()
    return n, mean, np.nan_to_num(sd), skewness


def _parted(rows: Rows) -> Mapping[Key, Rows]:
    order = np.argsort(rows.slice, kind="stable")
    cuts = np.searchsorted(rows.slice[order], np.arange(1, len(rows.keys)))
    return {
        key: replace(
            rows,
            slice=rows.slice[at],
            columns={name: column[at] for name, column in rows.columns.items()},
            unit=None if rows.unit is None else rows.unit[at],
        )
        for key, at in zip(rows.keys, np.split(order, cuts), strict=True)
    }


def _shuffled(values: Array) -> Array:
    """The values that there are, in an order that depends neither on them nor on how they were stored."""
    return np.random.default_rng(SEED).permutation(np.sort(values[~np.isnan(values)]))
