"""What a claim about a mean is judged on: limits that a skewed sample cannot fool."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipworthy.estimate.arms import ROUNDING, Arms, differentiated, effective_units, of_sums
from shipworthy.metrics.kinds import RowFunction, RowMean
from shipworthy.observations.tally import Array, Key, Rows, Tally
from shipworthy.stats.interval import critical
from shipworthy.stats.mean import betting
from shipworthy.stats.paired import sign_flip_interval

MOST_BETS = 5_000  # rows of a slice up to which the limits of a bounded mean hold at any distribution
MOST_SKEWED = 50_000  # rows of a slice up to which the skewness of a function of sums is looked at
FEWEST_UNBOUNDED = 300  # cases: what one case in a hundred is like stays unseen with chance .99^300 = .049
TOO_FEW = f"a claim about it needs {FEWEST_UNBOUNDED} cases, for rare and large values to show"
FEWEST_FOR_T = 20  # clusters of paired changes below which a sign-flip test takes the place of Student's t
CAUTION = 25.0  # units that a mean needs per squared skewness
_KEY = b"the order in which rows are bet on"


def judged_mean(metric: RowMean, tally: Tally, arms: Arms, fetch: Callable[[], Rows], *, paired: bool = False) -> Arms:
    """The arms of a mean, with the limits that a claim about one slice is judged on.

    tally: with the terms `name`, `name.n` and, of independent unweighted rows, `name.squares`; arms: its display.
    fetch: brings the rows (column `value`, NaN where there is none; `weight` and unit where there are any) of slices
    with fewer than MOST_BETS rows; called once, when limits that need rows are first asked for. paired: the values are
    changes between two versions.
    Independent rows of a metric bounded on both sides have the limits of `betting` in slices with fewer than MOST_BETS
    rows, or, if paired, FEWEST_UNBOUNDED, for changes are small against their range. Changes of fewer than FEWEST_FOR_T
    clusters have those of a sign-flip test. All else has `skewed_limits`, on rows or on units; Student's t on units
    where the rows are too many to bring. No sample limits a mean on a side where its values have no bound: there a
    slice with fewer than FEWEST_UNBOUNDED cases has no limit, and a larger one's rests on values rarer than about 3 / n
    not mattering.
    Source: Bahadur & Savage (1956), Ann. Math. Statist. 27, 1115-1122, for why no method does without.
    """
    known = ~np.isnan(arms.values)
    least, most = (0.0, np.inf) if metric.root else (-np.inf, np.inf) if metric.bounds is None else metric.bounds
    is_bounded = bool(np.isfinite(least) and np.isfinite(most))
    by_rows = known & (tally.rows < (FEWEST_UNBOUNDED if paired and tally.is_simple else MOST_BETS))
    flips = by_rows & paired & tally.clustered & (tally.units < FEWEST_FOR_T)
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
            for s in np.flatnonzero(flips & (of_units()[2] > 0) if flips.any() else flips):
                low[s], high[s] = sign_flip_interval(*_by_unit(values()[tally.keys[s]]), level=level)
        low, high = np.maximum(low, least), np.minimum(high, most)
        if is_bounded and tally.is_simple:
            for s in np.flatnonzero(by_rows):
                mine = shuffled(values()[tally.keys[s]].columns["value"])
                low[s], high[s] = betting(mine, bounds=(least, most), level=level)
        if metric.root and tally.is_simple:
            low, high = np.sqrt(low), np.sqrt(high)
        low = np.where(known & ~(unseen & np.isinf(least)), low, -np.inf)
        return low, np.where(known & ~(unseen & np.isinf(most)), high, np.inf)

    return replace(
        arms,
        gate=limits,
        gate_method="betting or skewness-corrected t" if tally.is_simple else "skewness-corrected t on units",
        gate_reasons=tuple(TOO_FEW if few and not is_bounded else None for few in unseen & known),
    )


def judged_function(metric: RowFunction, tally: Tally, arms: Arms, fetch: Callable[[], Rows]) -> Arms:
    """The arms of a linearised function of sums of unbounded values, with the limits that a claim is judged on.

    fetch: brings the rows (a column for each of the tally's terms) of slices with at most MOST_SKEWED rows. There the
    limits are moved outwards where the terms of the linearised value are skewed, and there are none where they are so
    skewed that a sample of this size shows too little; everywhere, none below FEWEST_UNBOUNDED cases.
    """
    enough = arms.n >= FEWEST_UNBOUNDED
    known = enough & ~np.isnan(arms.values) & (tally.rows <= MOST_SKEWED)

    @cache
    def skewness() -> Array:
        found, parts = np.zeros(len(tally.keys)), _parted(fetch()) if known.any() else {}
        for s in np.flatnonzero(known):
            _, gradient = differentiated(of_sums(metric, tally), tally.sums[s])
            rows = parts[tally.keys[s]]
            each = sum(slope * rows.columns[str(term)] for slope, term in zip(gradient, tally.terms, strict=True))
            totals, _ = _by_unit(replace(rows, columns={**rows.columns, "value": np.asarray(each)}))
            square = float(np.mean(totals**2))
            found[s] = float(np.mean(totals**3)) / square**1.5 if square > 0 else 0.0
        return found

    def limits(level: float) -> tuple[Array, Array]:
        low, high = arms.limits(level)
        units = np.maximum(tally.units, 2)
        t = critical(level, units - 1)
        with np.errstate(invalid="ignore"):
            moved = (high - low) / (2 * t) * skewness() * (1 + 2 * t**2) / (6 * np.sqrt(units))
            low, high = low - np.maximum(-moved, 0), high + np.maximum(moved, 0)
        ok = enough & ~(known & too_skewed())
        return np.where(ok, low, -np.inf), np.where(ok, high, np.inf)

    def too_skewed() -> NDArray[np.bool_]:
        return np.asarray(tally.units < CAUTION * skewness() ** 2)

    return replace(
        arms,
        gate=limits,
        gate_method=f"{arms.method}, skewness-corrected, {FEWEST_UNBOUNDED} cases or more",
        gate_reasons=tuple(None if sure or why else TOO_FEW for sure, why in zip(enough, arms.reasons, strict=True)),
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
        totals, sizes = _by_unit(parts[tally.keys[s]])
        mean[s] = totals.sum() / sizes.sum()
        residual = totals - mean[s] * sizes
        square, units = float(np.mean(residual**2)), len(residual)
        if units > 1 and square > ROUNDING * float(np.mean(totals**2 + (mean[s] * sizes) ** 2)):
            skewness[s] = np.mean(residual**3) / square**1.5
            sd[s] = np.sqrt(units**2 / (units - 1) * square * n[s]) / sizes.sum()
    return n, mean, np.nan_to_num(sd), skewness


def _by_unit(rows: Rows) -> tuple[Array, Array]:
    """Weighted total and weight of the values that there are, of each unit (a cluster, else a row)."""
    there = ~np.isnan(rows.columns["value"])
    x, weight = rows.columns["value"][there], rows.columns.get("weight", np.ones(len(there)))[there]
    unit = np.arange(len(x)) if rows.unit is None else np.unique(rows.unit[there], return_inverse=True)[1]
    totals, sizes = np.zeros((2, int(unit.max(initial=-1)) + 1))
    np.add.at(totals, unit, weight * x)
    np.add.at(sizes, unit, weight)
    return totals[sizes > 0], sizes[sizes > 0]


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


def shuffled(values: Array) -> Array:
    """The values that there are, in a random order that does not depend on how they were stored.

    The seed is a digest of the values: one permutation for all samples of a size would put each rank always in the same
    place, which is no random order.
    """
    ordered = np.sort(values[~np.isnan(values)])
    seed = hashlib.blake2b(ordered.astype("<f8").tobytes(), digest_size=16, key=_KEY).digest()
    return np.random.default_rng(int.from_bytes(seed, "big")).permutation(ordered)
