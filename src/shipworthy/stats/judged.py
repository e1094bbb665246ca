"""A rate that a fallible judge read off every case and people on some: post-stratification on the judge's verdict.

Strata h are the judge's verdicts (pass, fail, no verdict) or bands of its score. N_h cases got verdict h; people
labelled n_h of these and found k_h positive. Labels are a random sample within each verdict, in whatever numbers per
verdict. Arrays end in the axis of strata; axes before it are slices. PPI and Rogan-Gladen are here as cross-checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Array, Interval, Number, critical
from shipworthy.stats.proportion import as_interval, clopper_pearson, counts, plain, wilson

Limits: TypeAlias = Literal["wilson", "clopper-pearson"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Corrected:
    """A judge-corrected rate. Floats, or arrays over slices."""

    estimate: Number  # NaN where a verdict without labels has no working value
    interval: Interval  # within [0, 1]; [0, 1] where nothing is labelled
    least: Number  # the estimate if every case of every unlabelled verdict were negative
    greatest: Number  # and if every one were positive; equal to `estimate` where all verdicts have labels


def strat_mover(
    judged: ArrayLike,
    labelled: ArrayLike,
    positives: ArrayLike,
    *,
    working: ArrayLike | None = None,
    level: float = 0.95,
    method: Limits = "wilson",
    deff: ArrayLike = 1.0,
    df: ArrayLike | None = None,
    share_deff: ArrayLike = 1.0,
    finite: bool = False,
    drawn: Interval | None = None,
) -> Corrected:
    """Rate of positive cases from a judge's verdicts on all and labels on some: Wilson per verdict, joined by MOVER.

    judged, labelled, positives: counts N_h >= n_h >= k_h >= 0, shape (..., strata), broadcast; judged includes the
    labelled. working: the judge's own claim per stratum (1 pass, 0 fail), shape (..., strata): used in the *estimate*
    of a stratum that has cases and no labels; NaN or None leaves such an estimate NaN. The *limits* of such a stratum
    are 0 and 1, taken in full and not in quadrature: what nobody looked at does not average out.
    level: two-sided, in (0, 1); 1 - 2 alpha for a one-sided bound. method: limits within a stratum.
    deff: design effect of the labels, (..., strata), and df: their independent units - 1 for Student's t; a stratum
    with df < 1 counts as unlabelled in the limits. share_deff: design effect of the verdicts' shares, (...). Where
    clusters straddle verdicts, use `drawn`.
    finite: True where the judged cases *are* the population: no sampling error of the shares, and labels drawn without
    replacement (a stratum that is labelled throughout has no error left).
    drawn: what drawing the judged cases leaves open, were all of them labelled: the lower limit of a rate of `least`
    and the upper limit of a rate of `greatest` (...). It takes the place of the shares' variance, and what the labels
    leave open is that of `finite`.
    theta = sum W_h q_h; low = theta - sqrt(sum W_h^2 (q_h - l_h)^2 + z^2 sum W_h (q_h - theta)^2 / N), high alike.
    Raises NotEstimable without judged cases, ValueError on impossible counts.
    Source: MOVER, Zou and Donner (2008), Stat. Med. 27, 1693-1702; post-stratification, Cochran (1977), section 5A.9.
    At 30-200 labels, rates .5-.98 and five judges it covered at least 91.7 %, 95.8 % in the median, with one-sided
    false passes of 5.5 % at most; the normal intervals of PPI++ fell to 43 %. Weak side: false fails, up to 12 % with
    30 labels at a rate of .98.
    """
    cases, n, k = _strata(judged, labelled, positives)
    total = cases.sum(axis=-1)
    if np.any(total == 0):
        raise NotEstimable("no judged cases: the judge's verdicts have no shares")
    weight = cases / total[..., None]
    effect = np.broadcast_to(np.asarray(deff, dtype=float), cases.shape)
    if not np.all(effect >= 1):
        raise ValueError(f"deff must be at least 1. Got {deff!r}")
    z = critical(level)
    freedom = None if df is None else np.broadcast_to(np.asarray(df, dtype=float), cases.shape)
    known = n > 0 if freedom is None else (n > 0) & (freedom >= 1)
    rate = np.divide(k, n, out=np.zeros_like(k), where=n > 0)
    finite = finite or drawn is not None
    low, high = _stratum_limits(
        rate, n, effect, known, freedom, finite=cases if finite else None, level=level, method=method
    )

    claims = (
        np.full(cases.shape, np.nan) if working is None else np.broadcast_to(np.asarray(working, float), cases.shape)
    )
    if np.any((claims < 0) | (claims > 1)):
        raise ValueError(f"working values must be rates in [0, 1]. Got {working!r}")
    estimate = _pooled(weight, np.where(n > 0, rate, claims))
    spread = np.zeros_like(total) if finite else np.asarray(share_deff, dtype=float) / total
    if not np.all(spread >= 0):
        raise ValueError(f"share_deff must not be negative. Got {share_deff!r}")

    def side(guess: float, limit: Array, reach: Number | None) -> tuple[Array, Array]:
        value = np.where(known, rate, guess)
        centre = _pooled(weight, value)
        within = _pooled(weight**2, (value - limit) ** 2)
        between = z**2 * _pooled(weight, (value - centre[..., None]) ** 2) * spread
        if reach is not None:
            between = (centre - reach) ** 2
        return centre, np.asarray(np.sqrt(within + between))

    (least, down), (greatest, up) = (
        side(guess, limit, reach)
        for guess, limit, reach in zip((0.0, 1.0), (low, high), drawn or (None, None), strict=True)
    )
    bottom = np.clip(least - down, 0, np.fmin(least, estimate))
    top = np.clip(greatest + up, np.fmax(greatest, estimate), 1)
    return Corrected(
        estimate=plain(estimate), interval=as_interval(bottom, top), least=plain(least), greatest=plain(greatest)
    )


def ppi(
    labels: ArrayLike,
    claims: ArrayLike,
    others: ArrayLike,
    *,
    weight: float = 1.0,
    level: float = 0.95,
    df: float | None = None,
) -> tuple[Number, Interval]:
    """Prediction-powered estimate and normal interval of a mean: the judge's mean, plus its mean error on labels.

    labels, claims: people's and the judge's values on the same cases, shape (..., n), n >= 2; others: the judge's
    values on unlabelled cases, (..., N), N >= 2. weight: lambda, 0 for labels alone, 1 for plain PPI. df: for Student's
    t, advisable for n < 50; None for the normal. Variances with n - 1.
    For means and scores. For rates near 0 or 1 it covers as little as 43 %: use `strat_mover`.
    Source: Angelopoulos et al. (2023), arXiv 2301.09633, 2311.01453.
    """
    y, f, rest = (np.asarray(part, dtype=float) for part in (labels, claims, others))
    if not all(np.all(np.isfinite(part)) and part.ndim for part in (y, f, rest)) or y.shape != f.shape:
        raise ValueError("labels, claims and others must be finite, and each label needs its claim")
    if min(y.shape[-1], rest.shape[-1]) < 2:
        raise NotEstimable("a prediction-powered mean needs 2 labelled and 2 unlabelled cases")
    return _ppi(y, f, rest, np.asarray(float(weight)), critical(level, df))


def ppi_plus(
    labels: ArrayLike, claims: ArrayLike, others: ArrayLike, *, level: float = 0.95, df: float | None = None
) -> tuple[Number, Interval]:
    """PPI++: `ppi` at the weight that minimises its variance, clipped to [0, 1]. Arguments and warning as `ppi`.

    lambda = Cov(y, f) / ((1 + n / N) Var f), the variance over all cases. Source: arXiv 2311.01453, example 6.1.
    """
    y, f, rest = (np.asarray(part, dtype=float) for part in (labels, claims, others))
    ppi(y, f, rest, level=level)  # speaks about bad input
    n, more = y.shape[-1], rest.shape[-1]
    covariance = ((y - y.mean(axis=-1, keepdims=True)) * (f - f.mean(axis=-1, keepdims=True))).sum(axis=-1) / (n - 1)
    variance = np.concatenate([f, rest], axis=-1).var(axis=-1, ddof=1)
    best = np.divide(covariance, (1 + n / more) * variance, out=np.zeros_like(covariance), where=variance > 0)
    return _ppi(y, f, rest, np.clip(best, 0, 1), critical(level, df))


def rogan_gladen(
    positive: ArrayLike, judged: ArrayLike, *, sensitivity: ArrayLike, specificity: ArrayLike, level: float = 0.95
) -> tuple[Number, Interval]:
    """True rate from an apparent one at *known* error rates: (p + sp - 1) / (se + sp - 1), Wilson limits transformed.

    positive of judged: counts, broadcast; sensitivity + specificity > 1. Estimate and limits are not truncated to
    [0, 1]: outside it the data deny the error rates. Raises NotEstimable for a judge no better than chance.
    Source: Rogan and Gladen (1978), Am. J. Epidemiol. 107, 71-76.
    """
    x, n = counts(positive, judged)
    gain = _gain(sensitivity, specificity)
    limits = wilson(x, n, level=level)
    shift = np.asarray(specificity, dtype=float) - 1
    return plain((x / n + shift) / gain), as_interval(*((np.asarray(side) + shift) / gain for side in limits))


def rogan_gladen_plug_in(  # noqa: PLR0917 (three proportions)
    positive: ArrayLike,
    judged: ArrayLike,
    caught: ArrayLike,
    human_positive: ArrayLike,
    cleared: ArrayLike,
    human_negative: ArrayLike,
    *,
    level: float = 0.95,
) -> tuple[Number, Interval]:
    """True rate with error rates estimated on labels from *elsewhere*: only where their transport can be argued.

    caught of human_positive: labelled positives that the judge called positive; cleared of human_negative: labelled
    negatives that it called negative; positive of judged: its calls on unlabelled cases. All broadcast. Clipped to
    [0, 1]. Raises NotEstimable where an outcome has no label or the judge is no better than chance.
    On labels from the same cases it is wider than `strat_mover` and biased where an outcome has few labels.
    Source: Lee et al. (2025), arXiv 2511.21140: Agresti-Coull shrinkage of all three rates, shifted normal limits.
    """
    (x, n), (a, m1), (b, m0) = counts(positive, judged), counts(caught, human_positive), counts(cleared, human_negative)
    z = critical(level)
    p, se, sp = (x + z**2 / 2) / (n + z**2), (a + 1) / (m1 + 2), (b + 1) / (m0 + 2)
    gain = _gain(se, sp)
    rate = (p + sp - 1) / gain
    low, high = (1 - rate) ** 2 * sp * (1 - sp) / (m0 + 2), rate**2 * se * (1 - se) / (m1 + 2)
    shift = 2 * z**2 * (rate * se * (1 - se) / (m1 + 2) - (1 - rate) * sp * (1 - sp) / (m0 + 2))
    half = z * np.sqrt(p * (1 - p) / (n + z**2) + low + high) / gain
    raw = (x / n + b / m0 - 1) / _gain(a / m1, b / m0)
    limits = (np.clip(rate + shift + side * half, 0, 1) for side in (-1, 1))
    return plain(np.clip(raw, 0, 1)), as_interval(*limits)


def _ppi(y: Array, f: Array, rest: Array, weight: Array, z: Number) -> tuple[Number, Interval]:
    error = y - weight[..., None] * f
    estimate = weight * rest.mean(axis=-1) + error.mean(axis=-1)
    variance = error.var(axis=-1, ddof=1) / y.shape[-1] + weight**2 * rest.var(axis=-1, ddof=1) / rest.shape[-1]
    half = z * np.sqrt(variance)
    return plain(estimate), as_interval(estimate - half, estimate + half)


def _gain(sensitivity: ArrayLike, specificity: ArrayLike) -> Array:
    se, sp = np.asarray(sensitivity, dtype=float), np.asarray(specificity, dtype=float)
    if not np.all((se >= 0) & (se <= 1) & (sp >= 0) & (sp <= 1)):
        raise ValueError(f"sensitivity and specificity must be in [0, 1]. Got {sensitivity!r} and {specificity!r}")
    gain = se + sp - 1
    if np.any(gain <= 0):
        raise NotEstimable("the judge is no better than chance: sensitivity + specificity does not exceed 1")
    return np.asarray(gain)


def _stratum_limits(
    rate: Array,
    n: Array,
    effect: Array,
    known: NDArray[np.bool_],
    df: Array | None,
    *,
    finite: Array | None,
    level: float,
    method: Limits,
) -> tuple[Array, Array]:
    """Limits of each stratum's rate from n labels, each worth 1 / effect; 0 and 1 where not known.

    finite: sizes of finite strata, of which n were drawn without replacement.
    """
    if method not in ("wilson", "clopper-pearson"):
        raise ValueError(f"method must be 'wilson' or 'clopper-pearson'. Got {method!r}")
    size = np.where(known, n / effect, 1.0)
    exhausted = np.zeros(known.shape, dtype=bool)
    if finite is not None:  # variance falls by (N - n) / (N - 1): as if this many more had been drawn with replacement
        left = finite - n
        exhausted = known & (left <= 0)
        size = np.where(known & (left > 0), n / effect * (finite - 1) / np.where(left > 0, left, 1), size)
    freedom = None if df is None else np.where(known, df, 1.0)
    hits = np.minimum(np.where(known, rate, 0) * size, size)
    if method == "wilson":
        low, high = wilson(hits, size, level=level, df=freedom)
    else:
        if freedom is not None:  # Korn and Graubard (1998): effective labels shrink with the units behind them
            shrink = (critical(level) / np.asarray(critical(level, freedom))) ** 2
            size, hits = size * shrink, hits * shrink
        low, high = clopper_pearson(hits, size, level=level)
    low, high = np.where(exhausted, rate, low), np.where(exhausted, rate, high)
    return np.where(known, low, 0.0), np.where(known, high, 1.0)


def _pooled(weight: Array, value: Array) -> Array:
    """Weighted sum over strata; one of weight 0 adds nothing, whatever its value."""
    return np.asarray(np.where(weight > 0, weight * np.where(weight > 0, value, 0), 0).sum(axis=-1))


def _strata(judged: ArrayLike, labelled: ArrayLike, positives: ArrayLike) -> tuple[Array, Array, Array]:
    cases, n, k = (np.array(part, dtype=float) for part in np.broadcast_arrays(judged, labelled, positives))
    if cases.ndim == 0:
        raise ValueError("counts need an axis of strata, one per verdict of the judge")
    if not np.all((k >= 0) & (k <= n) & (n <= cases) & np.isfinite(cases)):
        raise ValueError("strata must satisfy 0 <= positives <= labelled <= judged")
    return cases, n, k
