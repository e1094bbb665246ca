"""People's labels that are themselves in doubt: carry their error into a judge-corrected rate, or bound what it can do.

Three ways, from the strongest knowledge to the weakest: error rates measured against adjudicated labels; one error rate
on both sides, read off how often two raters disagree; no assumption on the sides, hence bounds. All take raters' errors
to be independent of the judge's verdict given the truth. Where three raters or more labelled each item,
`consensus_labels` puts the posterior of `agreement.dawid_skene` in the place of a label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shipworthy.errors import NotEstimable
from shipworthy.stats.agreement import dawid_skene
from shipworthy.stats.interval import Array, Interval, Number
from shipworthy.stats.judged import Corrected
from shipworthy.stats.proportion import as_interval, counts, plain, wilson

LEAST_GAIN = 0.1  # below this sensitivity + specificity - 1 of a label, its correction is all noise


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsensusLabels:
    """What `strat_mover` needs where a posterior stands for each label."""

    labelled: Array  # (strata,)
    positives: Array  # (strata,): sums of posteriors, fractional
    deff: float  # how much the raters' estimated errors add to the variance of the corrected rate
    df: int


def consensus_labels(votes: ArrayLike, strata: ArrayLike, judged: ArrayLike, *, groups: int = 20) -> ConsensusLabels:
    """Labels from several raters by the Dawid-Skene posterior, with the design effect of not knowing their errors.

    votes: how often each rater put each labelled item in (negative, positive), shape (items, raters, 2); strata: each
    item's verdict, 0 to judged.size - 1, shape (items,); judged: cases per verdict. Items must be in random order: the
    delete-a-group jackknife takes every `groups`-th. Pass deff and df to `strat_mover`.
    Three raters of accuracy .95, .85, .75 on 150 items, a rate of .85: the posterior alone covers 79 %, with deff and
    df 97 %, and the third rater's labels by themselves 0 %. A bias that raters share stays invisible.
    Raises NotEstimable with fewer items than 2 groups, or an unlabelled verdict.
    Source: Dawid and Skene (1979); delete-a-group jackknife, Kott (2001), J. Off. Stat. 17, 521-526.
    """
    given, place = np.asarray(votes, dtype=float), np.asarray(strata)
    cases = np.asarray(judged, dtype=float)
    if given.ndim != 3 or given.shape[2] != 2 or place.shape != given.shape[:1] or cases.ndim != 1:
        raise ValueError(
            "votes must have shape (items, raters, 2), strata one verdict per item, judged one per verdict"
        )
    if not np.all((place >= 0) & (place < cases.size) & (place % 1 == 0)) or groups < 2:
        raise ValueError("strata must be 0 to judged.size - 1, and groups 2 or more")
    if place.size < 2 * groups:
        raise NotEstimable(f"only {place.size} items: the jackknife needs {2 * groups}")
    place = place.astype(int)
    labelled = np.bincount(place, minlength=cases.size).astype(float)
    if np.any((labelled == 0) & (cases > 0)):
        raise NotEstimable("a verdict has no labels: what raters' errors do there is unknown")
    weight = cases / cases.sum()

    def rates(posterior: Array, kept: NDArray[np.int64]) -> Array:
        total = np.bincount(place[kept], posterior[:, 1], minlength=cases.size)
        size = np.bincount(place[kept], minlength=cases.size)
        return np.divide(total, size, out=np.zeros_like(total), where=size > 0)

    every = np.arange(place.size)
    full = dawid_skene(given)
    rate = rates(full.posterior, every)
    left = np.empty(groups)
    for group in range(groups):
        kept = every[every % groups != group]
        part = dawid_skene(given[kept], start=full.posterior[kept])
        left[group] = weight @ rates(part.posterior, kept)
    spread = (groups - 1) / groups * ((left - left.mean()) ** 2).sum()
    binomial = (weight**2 * rate * (1 - rate) / np.maximum(labelled, 1)).sum()
    return ConsensusLabels(
        labelled=labelled,
        positives=np.minimum(rate * labelled, labelled),
        deff=max(1.0, float(spread / binomial)) if binomial > 0 else float(groups),
        df=groups - 1,
    )


def measured_noise(
    corrected: Corrected,
    *,
    missed: ArrayLike,
    true_positives: ArrayLike,
    false_alarms: ArrayLike,
    true_negatives: ArrayLike,
    level: float = 0.95,
) -> tuple[Number, Interval]:
    """True rate behind single labels whose error rates were measured against adjudication.

    corrected: the rate of single labels, from `strat_mover` at the same level. missed of true_positives: adjudicated
    positives that a single label called negative; false_alarms of true_negatives: the reverse. All broadcast.
    theta = (p - a) / (1 - a - b); limits by MOVER over p, a and b, each at the limit that hurts. Clipped to [0, 1].
    Raises NotEstimable without adjudicated labels of both kinds, or where a label is hardly better than chance.
    Source: Rogan and Gladen (1978); Zou and Donner (2008) for recovering variances from limits.
    """
    (b, m1), (a, m0) = counts(missed, true_positives), counts(false_alarms, true_negatives)

    _better_than_chance(a / m0, b / m1)
    false_alarm, miss = wilson(a, m0, level=level), wilson(b, m1, level=level)
    return _recovered(_unmixed, _parts(corrected), (a / m0, *false_alarm), (b / m1, *miss), signs=(1, -1, 1))


def symmetric_noise(corrected: Corrected, disagreement: Corrected) -> tuple[Number, Interval]:
    """True rate behind single labels that err equally often on both sides, from how often two raters disagree.

    corrected: the rate of single labels; disagreement: the rate of items on which two independent raters differ, both
    from `strat_mover` at one level (double-labelled items are its labelled, disagreements its positives).
    Two raters disagree on 2 e (1 - e) of items; theta = (p - e) / (1 - 2 e). Limits by MOVER over p and e, clipped.
    Raises NotEstimable where raters disagree on nearly half of the items.
    Source: Rogan and Gladen (1978); Zou and Donner (2008).
    """

    def error(d: Array) -> Array:
        return np.asarray((1 - np.sqrt(np.maximum(1 - 2 * d, 0))) / 2)

    point, low, high = _parts(disagreement)
    _better_than_chance(error(point), error(point))
    # Correcting pulls away from 1/2: more disagreement, a lower rate below 1/2 and a higher one above.
    side = np.where(_parts(corrected)[0] > 0.5, 1, -1)
    return _recovered(
        lambda p, d: _unmixed(p, error(d), error(d)), _parts(corrected), (point, low, high), signs=(1, side)
    )


def noise_bounds(corrected: Corrected, disagreement: Corrected) -> Interval:
    """Limits of the true rate behind single labels whatever the split of their errors into misses and false alarms.

    Arguments as `symmetric_noise`. At one end every error is a miss, theta = p^2 / (p - d / 2), at the other a false
    alarm, theta = 1 - (1 - p)^2 / (1 - p - d / 2); the interval reaches from the lower limit of the latter to the upper
    limit of the former, by MOVER over p and d. [0, 1] at the end where d / 2 leaves no room.
    Source: the two-rater latent-class model of Hui and Walter (1980), Biometrics 36, 167-171, which one population
    leaves unidentified: these are the ends of its ridge.
    """

    def misses(p: Array, d: Array) -> Array:
        both = p - d / 2
        return np.where(both > 0, np.clip(np.divide(p**2, both, out=np.ones_like(p), where=both > 0), 0, 1), 1.0)

    def alarms(p: Array, d: Array) -> Array:
        return np.asarray(1 - misses(1 - p, d))

    rates, differ = _parts(corrected), _parts(disagreement)
    _, upper = _recovered(misses, rates, differ, signs=(1, 1))
    _, lower = _recovered(alarms, rates, differ, signs=(1, -1))
    return as_interval(lower.low, upper.high)


def _recovered(
    rate: Callable[..., Array], *parts: tuple[ArrayLike, ArrayLike, ArrayLike], signs: tuple[ArrayLike, ...]
) -> tuple[Number, Interval]:
    """A function of independent estimates with limits: move each to the limit that hurts, join in quadrature.

    signs: +1 where the function rises with that part, -1 where it falls.
    """
    points = [np.asarray(part[0], dtype=float) for part in parts]
    points = [np.array(point) for point in np.broadcast_arrays(*points)]
    centre = rate(*points)
    down, up = np.zeros_like(centre), np.zeros_like(centre)
    for place, (part, sign) in enumerate(zip(parts, signs, strict=True)):
        low, high = (np.broadcast_to(np.asarray(side, dtype=float), centre.shape) for side in part[1:])
        rising = np.asarray(sign) > 0
        worst, best = np.where(rising, low, high), np.where(rising, high, low)
        lowered, raised = (
            rate(*(value if i == place else point for i, point in enumerate(points))) for value in (worst, best)
        )
        down, up = down + np.maximum(centre - lowered, 0) ** 2, up + np.maximum(raised - centre, 0) ** 2
    low, high = np.clip(centre - np.sqrt(down), 0, 1), np.clip(centre + np.sqrt(up), 0, 1)
    return plain(centre), as_interval(low, high)


def _parts(corrected: Corrected) -> tuple[Array, Array, Array]:
    point, low, high = (np.asarray(part, dtype=float) for part in (corrected.estimate, *corrected.interval))
    if not np.all(np.isfinite(point)):
        raise NotEstimable("a verdict without labels and without a working value leaves the rate open")
    return point, low, high


def _unmixed(p: Array, a: Array, b: Array) -> Array:
    """(p - a) / (1 - a - b); limits of the errors may pass the least gain, where the result is as good as unlimited."""
    return np.asarray(np.clip((p - a) / np.maximum(1 - a - b, LEAST_GAIN), 0, 1))


def _better_than_chance(a: Array, b: Array) -> None:
    if np.any(1 - a - b < LEAST_GAIN):
        raise NotEstimable("single labels are hardly better than chance: their error cannot be corrected")
