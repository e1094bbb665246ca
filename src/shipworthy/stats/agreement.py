"""How far raters agree beyond chance, with limits, and whom to believe where they do not.

Ratings are numbers (category codes, or values for interval and ratio scales), shape (items, raters), NaN where a rater
did not rate an item. The item is the unit that was sampled: every standard error is over items. Report AC1 and alpha
together: kappa and alpha fall to .25 at 95 % prevalence with unchanged raters, AC1 does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Array, Interval, critical
from shipworthy.stats.proportion import clopper_pearson

NO_SPREAD = 1e-9  # a standard error, or a range of agreement between items, below which they are all alike

Weights: TypeAlias = Literal["identity", "linear", "quadratic", "ordinal"]
Scale: TypeAlias = Literal["nominal", "ordinal", "interval", "ratio"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """A chance-corrected agreement coefficient. 1 is full agreement, 0 what chance gives, below 0 worse than chance."""

    value: float
    se: float  # over items; the large-sample formula, or the jackknife where `interval` says so
    # Student t with items - 1, cut at 1 and at -1 (below which missing ratings may push a value); where all items are
    # alike, as raters who never differ leave them, what the exact limit on none of that many leaves open (`_unseen`)
    interval: Interval
    items: int  # items that entered, rated by at least one (alpha: two) raters


@dataclass(frozen=True, kw_only=True, slots=True)
class Kappa(Agreement):
    """Cohen's kappa. `interval` is from the jackknife over items.

    With 50 items, raters 95 % right and a prevalence of 95 % it covers 87 % where `se` covers 85 % and AC1 91 %; kappa
    on few items of one kind is hardly estimable.
    """

    null_se: float  # standard error if the raters agreed by chance alone: kappa / null_se tests that


@dataclass(frozen=True, kw_only=True, slots=True)
class Consensus:
    """The Dawid-Skene latent-class model at its maximum."""

    posterior: Array  # (items, categories): chance that each category is the true one
    prior: Array  # (categories,): how common each is
    confusion: Array  # (raters, true category, given category); uniform for a true category a rater never met
    log_likelihood: float
    iterations: int
    converged: bool


def category_counts(ratings: ArrayLike, categories: ArrayLike | None = None) -> tuple[Array, Array]:
    """How many raters put each item in each category: counts (items, categories), and the categories in order.

    categories: all that were on offer, including unused ones; None for those that occur. Unused ones change AC1 and
    Brennan-Prediger. Raises ValueError on a rating outside them.
    """
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2 or np.any(np.isinf(table)):
        raise ValueError("ratings must be finite numbers or NaN, shape (items, raters)")
    given = ~np.isnan(table)
    scale = np.unique(table[given] if categories is None else np.asarray(categories, dtype=float))
    place = np.searchsorted(scale, np.where(given, table, scale[0] if scale.size else 0))
    place = np.minimum(place, max(scale.size - 1, 0))
    if scale.size == 0 or np.any(scale[place][given] != table[given]):
        raise ValueError("every rating must be one of the categories, and one at least must be given")
    rows = np.broadcast_to(np.arange(table.shape[0])[:, None], table.shape)
    counts = np.zeros((table.shape[0], scale.size))
    np.add.at(counts, (rows[given], place[given]), 1)
    return counts, scale


def weight_matrix(categories: ArrayLike, kind: Weights) -> Array:
    """Credit for each pair of categories, 1 on the diagonal: how bad is it to say k for l.

    "linear" and "quadratic" use the categories' values, "ordinal" only their order. Source: Gwet (2014), section 3.5.
    """
    values = np.asarray(categories, dtype=float)
    size = values.size
    if kind == "identity":
        return np.eye(size)
    gap = np.abs(values[:, None] - values)
    if kind in ("linear", "quadratic"):
        gap = gap if kind == "linear" else gap**2
    elif kind == "ordinal":
        steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
        gap = steps * (steps + 1) / 2.0
    else:
        raise ValueError(f"weights must be 'identity', 'linear', 'quadratic' or 'ordinal'. Got {kind!r}")
    return np.asarray(1 - gap / gap.max()) if size > 1 else np.ones((1, 1))


def percent_agreement(counts: ArrayLike, *, weights: ArrayLike | None = None, level: float = 0.95) -> Agreement:
    """Share of agreeing rater pairs, averaged over items; uncorrected. Arguments as `gwet_ac`."""
    found = _coefficient(counts, weights, level, lambda w, share: (0.0, np.zeros_like(share)))
    return replace(found, interval=Interval(max(found.interval.low, 0.0), found.interval.high))  # it is a share


def gwet_ac(counts: ArrayLike, *, weights: ArrayLike | None = None, level: float = 0.95) -> Agreement:
    """Gwet's AC1, or AC2 with weights: agreement that stays put where one category is common.

    counts: raters per item and category, shape (items, categories), from `category_counts`; items with one rating
    inform chance agreement only, items with none nothing. weights: `weight_matrix`; None for identity (AC1).
    Raises NotEstimable below 2 items, 2 categories, or where no item has 2 ratings.
    Source: Gwet (2008), Br. J. Math. Stat. Psychol. 61, 29-48; missing ratings as Gwet (2014), chapter 5.
    """

    def chance(w: Array, share: Array) -> tuple[float, Array]:
        scale = w.sum() / (share.size * (share.size - 1))
        return float(scale * (share * (1 - share)).sum()), scale * (1 - share)

    return _coefficient(counts, weights, level, chance)


def fleiss_kappa(counts: ArrayLike, *, weights: ArrayLike | None = None, level: float = 0.95) -> Agreement:
    """Fleiss' kappa for any number of raters per item; Scott's pi where there are two. Arguments as `gwet_ac`.

    Raises NotEstimable also where all ratings fall in one category. Source: Fleiss (1971), Psychol. Bull. 76, 378-382;
    standard error and missing ratings as Gwet (2014), chapter 5.
    """

    def chance(w: Array, share: Array) -> tuple[float, Array]:
        spread = (w @ share + share @ w) / 2
        return float(share @ w @ share), spread

    return _coefficient(counts, weights, level, chance)


def brennan_prediger(counts: ArrayLike, *, weights: ArrayLike | None = None, level: float = 0.95) -> Agreement:
    """Brennan-Prediger coefficient: chance as if every category were equally likely. Arguments as `gwet_ac`.

    Source: Brennan and Prediger (1981), Educ. Psychol. Meas. 41, 687-699.
    """
    return _coefficient(counts, weights, level, lambda w, share: (float(w.sum() / share.size**2), np.zeros_like(share)))


def scott_pi(table: ArrayLike, *, weights: ArrayLike | None = None, level: float = 0.95) -> Agreement:
    """Scott's pi of two raters from their cross table, shape (categories, categories).

    Source: Scott (1955), Public Opin. Q. 19, 321-325.
    """
    return fleiss_kappa(_spread_out(table), weights=weights, level=level)


def cohen_kappa(table: ArrayLike, *, weights: ArrayLike | None = None, level: float = 0.95) -> Kappa:
    """Cohen's kappa of two raters from their cross table, shape (categories, categories); weighted with `weights`.

    Raises NotEstimable below 2 items and where both raters used one and the same category throughout.
    Source: Cohen (1960); standard errors of Fleiss, Cohen and Everitt (1969), Psychol. Bull. 72, 323-327.
    """
    cells = _square(table)
    w = _weights(weights, cells.shape[0])
    n = cells.sum()
    value, chance = _kappa(cells, w)
    p = cells / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    mean = (w @ columns)[:, None] + rows @ w
    variance = (p * (w - mean * (1 - value)) ** 2).sum() - (value - chance * (1 - value)) ** 2
    null = (np.outer(rows, columns) * (w - mean) ** 2).sum() - chance**2
    scale = float(np.sqrt(n)) * (1 - chance)

    # Every item of one cell leaves the same kappa behind.
    filled = np.argwhere(cells > 0)
    left = np.array([_jackknifed(_kappa_value, _without(cells, tuple(at)), w) for at in filled])
    many = cells[tuple(filled.T)]
    spread = float(np.sqrt((n - 1) / n * (many * (left - (many * left).sum() / n) ** 2).sum()))
    return Kappa(
        value=value,
        se=float(np.sqrt(max(variance, 0))) / scale,
        interval=_limits(value, spread, n, level) if spread > NO_SPREAD else _mixed(_kappa_value, cells, w, n, level),
        items=int(n),
        null_se=float(np.sqrt(max(null, 0))) / scale,
    )


def krippendorff_alpha(
    counts: ArrayLike, *, categories: ArrayLike | None = None, scale: Scale = "nominal", level: float = 0.95
) -> Agreement:
    """Krippendorff's alpha: one minus observed over expected disagreement, among items with 2 ratings or more.

    counts: as for `gwet_ac`; categories: the values behind its columns, needed for "interval" and "ratio", increasing
    for "ordinal". The standard error is the jackknife over items. Raises NotEstimable below 3 such items and where all
    ratings are equal. Source: Krippendorff (2019), Content Analysis, 4th ed., chapter 12.
    """
    rated = _counts(counts)
    given = rated.sum(axis=1)
    rated, given = rated[given >= 2], given[given >= 2]
    if len(rated) < 3:
        raise NotEstimable(f"only {len(rated)} items with 2 ratings: their spread is unknown")
    values = np.arange(rated.shape[1], dtype=float) if categories is None else np.asarray(categories, dtype=float)
    if values.shape != rated.shape[1:]:
        raise ValueError("categories must name every column of the counts")
    if scale not in ("nominal", "ordinal", "interval", "ratio"):
        raise ValueError(f"scale must be 'nominal', 'ordinal', 'interval' or 'ratio'. Got {scale!r}")
    weighted = rated / (given - 1)[:, None]
    pairs = weighted.T @ rated - np.diag(weighted.sum(axis=0))  # the coincidence matrix
    value = _alpha(pairs, values, scale)

    left = np.empty(len(rated))
    for item, (row, share) in enumerate(zip(rated, weighted, strict=True)):
        rest = pairs - (np.outer(share, row) - np.diag(share))
        left[item] = _jackknifed(_alpha, np.maximum(rest, 0), values, scale)
    n = len(rated)
    se = float(np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum()))
    if se > NO_SPREAD:
        return Agreement(value=value, se=se, interval=_limits(value, se, n, level), items=n)

    def mixed(cells: Array, values: Array) -> float:
        return _alpha((cells + cells.T) / 2, values, scale)

    return Agreement(value=value, se=se, interval=_mixed(mixed, pairs, values, n, level), items=n)


def votes(ratings: ArrayLike, categories: ArrayLike | None = None) -> tuple[Array, Array]:
    """Votes per item, rater and category, as `dawid_skene` reads them, and the categories. Arguments as
    `category_counts`.
    """
    table = np.asarray(ratings, dtype=float)
    _, scale = category_counts(table, categories)
    return (table[:, :, None] == scale).astype(float), scale


def dawid_skene(
    votes: ArrayLike, *, rounds: int = 1000, tolerance: float = 1e-9, start: ArrayLike | None = None
) -> Consensus:
    """Each rater's errors and each item's probable truth, by EM on the latent-class model of Dawid and Skene.

    votes: how often each rater put each item in each category, shape (items, raters, categories).
    start: first posterior, (items, categories); None for the vote shares. Stops when the log-likelihood gains less than
    `tolerance` per item, or after `rounds`. Errors are taken to be independent given the truth: a bias that raters
    share is invisible. Raises NotEstimable where an item has no vote.
    Source: Dawid and Skene (1979), Appl. Statist. 28, 20-28.
    """
    given = np.asarray(votes, dtype=float)
    if given.ndim != 3 or 0 in given.shape or not np.all((given >= 0) & np.isfinite(given)):
        raise ValueError("votes must be counts, shape (items, raters, categories)")
    total = given.sum(axis=1)
    if np.any(total.sum(axis=1) == 0):
        raise NotEstimable("an item without a vote has no consensus")
    posterior = total if start is None else np.asarray(start, dtype=float)
    if posterior.shape != total.shape or not np.all((posterior >= 0) & np.isfinite(posterior)):
        raise ValueError("start must be shares, shape (items, categories)")
    posterior = posterior / posterior.sum(axis=1, keepdims=True)
    items, _, size = given.shape
    reached, turn, converged = -np.inf, 0, False
    while turn < rounds and not converged:
        turn += 1
        prior = posterior.mean(axis=0)
        confusion = np.einsum("ij,irk->rjk", posterior, given)
        met = confusion.sum(axis=2, keepdims=True)
        confusion = np.divide(confusion, met, out=np.full_like(confusion, 1 / size), where=met > 0)
        # A vote that a rater cannot cast for a category rules it out; 0 log 0 is 0.
        with np.errstate(divide="ignore"):
            logs = np.maximum(np.log(confusion), -1e300)
            joint = np.log(prior) + np.einsum("irk,rjk->ij", given, logs)
        evidence = logsumexp(joint, axis=1)
        posterior = np.exp(joint - evidence[:, None])
        likelihood = float(evidence.sum())
        converged = likelihood - reached < tolerance * items
        reached = likelihood
    return Consensus(
        posterior=posterior,
        prior=prior,
        confusion=confusion,
        log_likelihood=reached,
        iterations=turn,
        converged=converged,
    )


def _coefficient(
    counts: ArrayLike, weights: ArrayLike | None, level: float, chance: Callable[[Array, Array], tuple[float, Array]]
) -> Agreement:
    """(pa - pe) / (1 - pe) with Gwet's linearised standard error.

    chance: from the weights and the mean share of each category, pe and half its derivative by each share.
    """
    rated = _counts(counts)
    given = rated.sum(axis=1)
    rated, given = rated[given > 0], given[given > 0]
    n, size = rated.shape
    paired = given >= 2
    if n < 2 or not paired.any():
        raise NotEstimable("agreement needs 2 rated items, and one at least with 2 ratings")
    if size < 2:
        raise NotEstimable("agreement needs 2 categories to choose from")
    w = _weights(weights, size)
    agreeing = (rated * (rated @ w.T - 1)).sum(axis=1)
    observed = np.divide(agreeing, given * (given - 1), out=np.zeros(n), where=paired)
    shares = rated / given[:, None]
    expected, slope = chance(w, shares.mean(axis=0))
    if 1 - expected < 1e-12:
        raise NotEstimable("all ratings fall in one category: agreement cannot be told from chance")
    scale = n / paired.sum()
    value = (observed[paired].mean() - expected) / (1 - expected)
    each = scale * (observed - expected * paired) / (1 - expected)
    by_chance = shares @ slope
    each = each - 2 * (1 - value) * (by_chance - by_chance.mean()) / (1 - expected)
    se = float(np.sqrt(((each - value) ** 2).sum() / (n * (n - 1))))
    interval = _limits(float(value), se, n, level)
    if np.ptp(observed[paired]) < NO_SPREAD:
        share, alike = _unseen(int(paired.sum()), level), observed[paired].mean()
        least, most = ((alike * (1 - share) + end - expected) / (1 - expected) for end in (0, share))
        interval = Interval(min(interval.low, max(-1.0, float(least))), max(interval.high, min(1.0, float(most))))
    return Agreement(value=float(value), se=se, interval=interval, items=n)


def _unseen(items: float, level: float) -> float:
    """The largest share of items unlike all of these, by the exact limit on none of them: 1 - (alpha / 2)^(1 / items).

    Source: Clopper and Pearson (1934), Biometrika 26, 404-413.
    """
    return float(clopper_pearson(0, items, level=level).high)


def _mixed(
    coefficient: Callable[[Array, Array], float], cells: Array, rest: Array, items: float, level: float
) -> Interval:
    """Limits of a coefficient of a square table whose items are all alike: `_unseen` of them in the one cell, among the
    categories that occur, that moves it most.
    """
    share, used = _unseen(items, level), np.flatnonzero(cells.sum(axis=0) + cells.sum(axis=1))
    found = [coefficient(cells, rest)]
    for at in itertools.product(used, used):
        moved = cells * (1 - share)
        moved[at] += cells.sum() * share
        found.append(coefficient(moved, rest))
    return Interval(min(found), max(found))


def _jackknifed(coefficient: Callable[..., float], *rest: object) -> float:
    try:
        return coefficient(*rest)
    except NotEstimable:
        raise NotEstimable("one item alone breaks the raters' uniformity: its spread over items is unknown") from None


def _kappa_value(cells: Array, w: Array) -> float:
    return _kappa(cells, w)[0]


def _limits(value: float, se: float, n: float, level: float) -> Interval:
    half = float(critical(level, n - 1)) * se
    return Interval(max(value - half, min(-1.0, value)), min(value + half, 1.0))


def _alpha(pairs: Array, values: Array, scale: Scale) -> float:
    margin = pairs.sum(axis=1)
    if scale == "nominal":
        gap = 1 - np.eye(values.size)
    elif scale == "ordinal":
        middle = np.cumsum(margin) - margin / 2
        gap = (middle[:, None] - middle) ** 2
    else:
        gap = (values[:, None] - values) ** 2
        if scale == "ratio":
            both = (values[:, None] + values) ** 2
            gap = np.divide(gap, both, out=np.zeros_like(gap), where=both > 0)
    expected = (np.outer(margin, margin) * gap).sum() / (margin.sum() - 1)
    if expected <= 0:
        raise NotEstimable("all ratings are equal: agreement cannot be told from chance")
    return float(1 - (pairs * gap).sum() / expected)


def _kappa(cells: Array, w: Array) -> tuple[float, float]:
    p = cells / cells.sum()
    chance = float(p.sum(axis=1) @ w @ p.sum(axis=0))
    if 1 - chance < 1e-12:
        raise NotEstimable("all ratings fall in one category: agreement cannot be told from chance")
    return float(((w * p).sum() - chance) / (1 - chance)), chance


def _without(cells: Array, at: tuple[int, ...]) -> Array:
    fewer = cells.copy()
    fewer[at] -= 1
    return np.maximum(fewer, 0)


def _square(table: ArrayLike) -> Array:
    cells = np.asarray(table, dtype=float)
    if cells.ndim != 2 or cells.shape[0] != cells.shape[1] or not np.all((cells >= 0) & np.isfinite(cells)):
        raise ValueError("a cross table of two raters must be square and hold counts")
    if cells.sum() < 2:
        raise NotEstimable("fewer than 2 items: their spread is unknown")
    return cells


def _spread_out(table: ArrayLike) -> Array:
    """One row of category counts per item of a cross table."""
    cells = _square(table)
    if np.any(cells % 1 != 0):
        raise ValueError("a cross table must hold whole numbers")
    eye = np.eye(cells.shape[0])
    rows = (eye[:, None] + eye).reshape(-1, cells.shape[0])
    return np.asarray(np.repeat(rows, cells.astype(int).ravel(), axis=0))


def _weights(weights: ArrayLike | None, size: int) -> Array:
    w = np.eye(size) if weights is None else np.asarray(weights, dtype=float)
    if w.shape != (size, size) or not np.all((w >= 0) & (w <= 1)) or not np.allclose(np.diag(w), 1):
        raise ValueError(f"weights must be a {size} x {size} matrix in [0, 1] with 1 on its diagonal")
    return w


def _counts(counts: ArrayLike) -> Array:
    rated = np.asarray(counts, dtype=float)
    if rated.ndim != 2 or not np.all((rated >= 0) & np.isfinite(rated)):
        raise ValueError("counts must be raters per item and category, shape (items, categories)")
    return rated
