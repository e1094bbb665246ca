"""Judges that compare two answers: does the order decide, who is right, who wins, and a ranking from many pairs.

A verdict is +1 for answer A, -1 for answer B, 0 for a tie. Each item is judged twice: `original` saw A first, `swapped`
saw B first. Scores of an item average its two verdicts, which cancels an advantage of the first place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from shipworthy.errors import NotEstimable
from shipworthy.stats.cluster import cluster_wilson, design_effect, ratio_standard_error
from shipworthy.stats.interval import Array, Interval, critical
from shipworthy.stats.paired import mcnemar, paired_mean, tango
from shipworthy.stats.proportion import wilson

STEPS = 100  # Newton steps of the Bradley-Terry fit; it takes about 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A share in [0, 1] with its limits."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class PositionBias:
    """What the order of two answers does to a judge."""

    items: int
    consistent: Share  # same verdict in both orders
    first: Share  # verdicts for the answer shown first, ties half; 1/2 without bias
    bias: float  # chance that A wins when first, less when second: 2 * first - 1
    interval: Interval  # of bias; Tango without ties and clusters, else Student t
    p_value: float  # McNemar mid-p of items won by the first place twice against those won by the second twice


@dataclass(frozen=True, kw_only=True, slots=True)
class PairwiseAccuracy:
    """Agreement of a pairwise judge with the known better answer."""

    items: int
    half: Share  # an inconsistent item, or a tie, counts half
    strict: Share  # right in both orders, else wrong


@dataclass(frozen=True, kw_only=True, slots=True)
class WinRate:
    """How often answer A wins, ties and inconsistent items half."""

    wins: int  # A in both orders, or A and a tie
    ties: int  # verdicts that cancel, or two ties
    losses: int
    rate: Share


@dataclass(frozen=True, kw_only=True, slots=True)
class BradleyTerry:
    """Abilities on the log-odds scale: A beats B with chance expit(ability A - ability B)."""

    ability: Array  # (players,); 0 for the reference
    se: Array  # (players,)
    low: Array
    high: Array
    covariance: Array  # (players, players), for differences between any two
    first: float | None  # log odds gained by being shown first; None where order was not told
    first_interval: Interval | None


def position_bias(
    original: ArrayLike, swapped: ArrayLike, *, clusters: ArrayLike | None = None, level: float = 0.95
) -> PositionBias:
    """Whether a pairwise judge follows the order in which it sees the answers.

    original, swapped: verdicts (+1 A, -1 B, 0 tie) with A first and with B first, shape (items,). clusters: a code per
    item (its prompt), where several items share one. level: two-sided.
    A judge that is inconsistent without bias errs as often towards the first place as towards the second.
    Raises NotEstimable without items, or below 10 clusters.
    Source: paired difference of two proportions, Tango (1998); McNemar (1947) mid-p.
    """
    a, b = _verdicts(original, swapped)
    unit = _codes(clusters, a.size)
    gap = (a - b) / 2  # 1 where the first place won twice, -1 where the second did
    both_first, both_second = int((gap == 1).sum()), int((gap == -1).sum())
    if unit is None and np.all(a != 0) and np.all(b != 0):
        agreed = int(a.size - both_first - both_second)
        interval = tango(agreed, both_first, both_second, 0, level=level)
    else:
        interval = paired_mean(_unit_means(gap, unit), level=level)
        interval = Interval(max(float(interval.low), -1.0), min(float(interval.high), 1.0))
    value = float(gap.mean())
    low, high = float(interval.low), float(interval.high)
    return PositionBias(
        items=a.size,
        consistent=_share((a == b).astype(float), unit, level),
        first=Share(value=(1 + value) / 2, interval=Interval((1 + low) / 2, (1 + high) / 2)),
        bias=value,
        interval=Interval(low, high),
        p_value=float(mcnemar(both_first, both_second)),
    )


def pairwise_accuracy(
    original: ArrayLike,
    swapped: ArrayLike,
    gold: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> PairwiseAccuracy:
    """How often a pairwise judge picks the better answer, with inconsistent items as half and as wrong.

    gold: +1 or -1 per item; the rest as `position_bias`. Wilson limits, on effective counts under clusters; with half
    points they are wider than need be, for a half varies less than a coin. Raises as `position_bias`.
    """
    a, b = _verdicts(original, swapped)
    better = np.asarray(gold, dtype=float)
    if better.shape != a.shape or not np.all(np.abs(better) == 1):
        raise ValueError("gold must be +1 or -1, one per item")
    unit = _codes(clusters, a.size)
    half = (2 + a * better + b * better) / 4
    right = ((a == better) & (b == better)).astype(float)
    return PairwiseAccuracy(items=a.size, half=_share(half, unit, level), strict=_share(right, unit, level))


def win_rate(
    original: ArrayLike, swapped: ArrayLike, *, clusters: ArrayLike | None = None, level: float = 0.95
) -> WinRate:
    """How often answer A wins over both orders, ties half. Arguments, limits and errors as `pairwise_accuracy`."""
    a, b = _verdicts(original, swapped)
    score = a + b
    return WinRate(
        wins=int((score > 0).sum()),
        ties=int((score == 0).sum()),
        losses=int((score < 0).sum()),
        rate=_share((2 + score) / 4, _codes(clusters, a.size), level),
    )


def bradley_terry(
    wins: ArrayLike, *, shown_second: ArrayLike | None = None, reference: int = 0, level: float = 0.95
) -> BradleyTerry:
    """Bradley-Terry abilities from wins of each player over each other, by maximum likelihood.

    wins: wins[i, j] counts how often i beat j, shape (players, players), ties half to each; or (units, players,
    players) with one table per independent unit (prompt): then standard errors are cluster-robust with Student's t.
    shown_second: where given, `wins` holds wins of i shown first and this those of i shown second, and the advantage of
    the first place is fitted along. reference: the player whose ability is 0.
    Raises NotEstimable where some players never lost to, or never beat, any of the rest: no finite estimate exists.
    Source: Bradley and Terry (1952), Biometrika 39, 324-345; existence by Ford (1957); Newton steps; sandwich
    variance with G / (G - 1).
    """
    tables = _tables(wins)
    seconds = None if shown_second is None else _tables(shown_second)
    if seconds is not None and seconds.shape != tables.shape:
        raise ValueError("shown_second must have the shape of wins")
    size = tables.shape[-1]
    if not 0 <= reference < size:
        raise ValueError(f"reference must be a player, 0 to {size - 1}. Got {reference!r}")
    if seconds is None:
        hits = np.triu(tables, 1)
        met = hits + np.triu(np.swapaxes(tables, 1, 2), 1)
        beaten = tables.sum(axis=0)
    else:
        hits = tables * (1 - np.eye(size))
        met = hits + np.swapaxes(seconds, 1, 2) * (1 - np.eye(size))
        beaten = (tables + seconds).sum(axis=0)
    if connected_components(beaten > 0, connection="strong")[0] > 1:
        raise NotEstimable("some players never beat, or never lost to, the rest: their ability has no finite estimate")
    order = seconds is not None
    keep = np.append(np.arange(size) != reference, order)
    played, won = met.sum(axis=0), hits.sum(axis=0)
    fitted = np.zeros(size + 1)
    for _ in range(STEPS):
        chance = expit(fitted[:size, None] - fitted[:size] + fitted[size])
        step = np.zeros(size + 1)
        information = _information(played * chance * (1 - chance))[np.ix_(keep, keep)]
        try:
            step[keep] = np.linalg.solve(information, _gradient(won - played * chance)[keep])
        except np.linalg.LinAlgError:
            raise NotEstimable("order and abilities cannot be told apart: too few pairs were shown both ways") from None
        fitted = fitted + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    else:
        raise NotEstimable("the abilities run away: one place or player won nearly always")
    chance = expit(fitted[:size, None] - fitted[:size] + fitted[size])
    inverse = np.linalg.inv(_information(played * chance * (1 - chance))[np.ix_(keep, keep)])
    units = len(tables)
    quantile = float(critical(level))
    if units > 1:
        scores = _gradient(hits - met * chance)[:, keep]
        inverse = units / (units - 1) * inverse @ (scores.T @ scores) @ inverse
        quantile = float(critical(level, units - 1))
    covariance = np.zeros((size + 1, size + 1))
    covariance[np.ix_(keep, keep)] = inverse
    se = np.sqrt(np.maximum(np.diag(covariance), 0))
    low, high = fitted - quantile * se, fitted + quantile * se
    return BradleyTerry(
        ability=fitted[:size],
        se=se[:size],
        low=low[:size],
        high=high[:size],
        covariance=covariance[:size, :size],
        first=float(fitted[size]) if order else None,
        first_interval=Interval(float(low[size]), float(high[size])) if order else None,
    )


def _verdicts(original: ArrayLike, swapped: ArrayLike) -> tuple[Array, Array]:
    a, b = np.asarray(original, dtype=float), np.asarray(swapped, dtype=float)
    if a.ndim != 1 or a.shape != b.shape or not np.all(np.isin(a, (-1, 0, 1)) & np.isin(b, (-1, 0, 1))):
        raise ValueError("verdicts must be +1, 0 or -1, one per item and order")
    if a.size == 0:
        raise NotEstimable("no items were judged in both orders")
    return a, b


def _codes(clusters: ArrayLike | None, items: int) -> Array | None:
    if clusters is None:
        return None
    codes = np.asarray(clusters)
    if codes.shape != (items,):
        raise ValueError("clusters must hold one code per item")
    return np.asarray(np.unique(codes, return_inverse=True)[1].reshape(-1), dtype=float)


def _share(score: Array, unit: Array | None, level: float) -> Share:
    value = float(score.mean())
    if unit is None:
        low, high = wilson(min(float(score.sum()), score.size), score.size, level=level)
    else:
        place = unit.astype(int)
        hits, cases = np.bincount(place, score), np.bincount(place).astype(float)
        moments = ((hits**2).sum(), (hits * cases).sum(), (cases**2).sum())
        se = ratio_standard_error(hits.sum(), cases.sum(), *moments, cases.size)
        deff = design_effect(value, cases.sum(), se, cases.max())
        low, high = cluster_wilson(value, cases.sum(), deff, cases.size, level=level)
    return Share(value=value, interval=Interval(float(low), float(high)))


def _unit_means(gap: Array, unit: Array | None) -> Array:
    """Per-unit values whose mean is the mean over items, for a t interval: linearised where units differ in size."""
    if unit is None:
        return gap
    place = unit.astype(int)
    total, cases = np.bincount(place, gap), np.bincount(place)
    mean = gap.mean()
    return np.asarray(mean + (total - mean * cases) / cases.mean())


def _tables(wins: ArrayLike) -> Array:
    tables = np.asarray(wins, dtype=float)
    tables = tables[None] if tables.ndim == 2 else tables
    if tables.ndim != 3 or tables.shape[1] != tables.shape[2] or tables.shape[1] < 2 or len(tables) == 0:
        raise ValueError("wins must be square, shape (players, players) or (units, players, players)")
    if not np.all((tables >= 0) & np.isfinite(tables)):
        raise ValueError("wins must be counts")
    return tables


def _gradient(residual: Array) -> Array:
    """Score of (abilities, first) from wins less expected wins of row over column, shape (..., players, players)."""
    ability = residual.sum(axis=-1) - residual.sum(axis=-2)
    return np.concatenate([ability, residual.sum(axis=(-1, -2))[..., None]], axis=-1)


def _information(v: Array) -> Array:
    """Fisher information of (abilities, first) from the binomial variance of each ordered pair."""
    rows, columns = v.sum(axis=1), v.sum(axis=0)
    ability = np.diag(rows + columns) - v - v.T
    cross = rows - columns
    return np.block([[ability, cross[:, None]], [cross[None], np.array([[v.sum()]])]])
