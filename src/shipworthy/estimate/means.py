"""What a claim about a mean of independent rows is judged on: limits that a skewed sample cannot fool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from shipworthy.estimate.arms import ROUNDING, Arms, Limits
from shipworthy.metrics.kinds import RowMean
from shipworthy.observations.tally import Array, Key, Rows, Tally
from shipworthy.stats.interval import critical
from shipworthy.stats.mean import betting

MOST_BETS = 5_000  # rows of a slice up to which the limits of a bounded mean hold at any distribution
CAUTION = 25.0  # rows that a mean needs per squared skewness
SEED = 20_240_229  # of the order in which rows are bet on


def mean_gate(metric: RowMean, tally: Tally, arms: Arms, fetch: Callable[[], Rows]) -> Limits:
    """Limits for a claim about a mean, from sums of the rows' values, squares and cubes.

    tally: of independent unweighted rows, with the terms `name`, `name.n` and `name.squares`; arms: its display.
    fetch: brings the rows (column `value`, NaN where there is none); called where the metric is bounded and a slice has
    fewer than MOST_BETS rows, when limits are first asked for. There the limits are those of `betting`; elsewhere those
    of `skewed_limits`.
    """
    bounds = metric.bounds
    few = tally.rows < MOST_BETS if bounds else np.zeros(len(tally.keys), dtype=bool)
    known = ~np.isnan(arms.values)
    n, mean, sd, skewness = _moments(metric, tally)

    @cache
    def values() -> Mapping[Key, Array]:
        rows = fetch()
        order = np.argsort(rows.slice, kind="stable")
        cuts = np.searchsorted(rows.slice[order], np.arange(1, len(rows.keys)))
        return dict(zip(rows.keys, map(_shuffled, np.split(rows.columns["value"][order], cuts)), strict=True))

    def limits(level: float) -> tuple[Array, Array]:
        low, high = skewed_limits(n, mean, sd, skewness, level=level)
        if bounds:
            low, high = np.maximum(low, bounds[0]), np.minimum(high, bounds[1])
            for s in np.flatnonzero(few & known):
                low[s], high[s] = betting(values()[tally.keys[s]], bounds=bounds, level=level)
        if metric.root:
            low, high = np.sqrt(np.maximum(low, 0)), np.sqrt(np.maximum(high, 0))
        return np.where(known, low, -np.inf), np.where(known, high, np.inf)

    return limits


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


def _shuffled(values: Array) -> Array:
    """The values that there are, in an order that depends neither on them nor on how they were stored."""
    return np.random.default_rng(SEED).permutation(np.sort(values[~np.isnan(values)]))
