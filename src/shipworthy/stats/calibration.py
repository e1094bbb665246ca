"""Whether scores can be read as probabilities: calibration errors, curves, tests and proper-score decompositions.

Input everywhere is a fine histogram of three vectors over bins: `mean_score` in [0, 1], `cases` and `positives`. One
bin per distinct score loses nothing; with coarser bins the spread of scores inside a bin is taken as 0. Empty bins are
ignored. Cases are taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Array, Interval, critical
from shipworthy.stats.proportion import clopper_pearson, wilson

Strategy: TypeAlias = Literal["width", "mass"]  # bins of equal width on the score, or of equal numbers of cases
Measure: TypeAlias = Literal["ece", "root", "smooth"]

_GRID = 1024  # cells of [0, 1] for smoothing and resampling; linear splitting makes the error of order 1 / _GRID**2
_NORMAL_FROM = 30.0  # variance of a sum of outcomes from which its noise is drawn as normal


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityCurve:
    """Observed against predicted rate per bin; all fields of shape (non-empty bins,), ascending in score."""

    mean_score: Array
    observed_rate: Array
    low: Array  # pointwise Wilson limits of observed_rate
    high: Array
    cases: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class BrierDecomposition:
    """brier = reliability - resolution + uncertainty + within_bin."""

    brier: float
    reliability: (
        float  # squared distance of rates from scores; 0 is calibrated; negative values are possible once corrected
    )
    resolution: float  # squared distance of bin rates from the base rate; higher is better
    uncertainty: float  # base rate x (1 - base rate), a property of the data
    within_bin: float  # what binning hides; 0 when each bin holds one distinct score


@dataclass(frozen=True, kw_only=True, slots=True)
class CoxCalibration:
    """Logistic recalibration log-odds(y) = intercept + slope x log-odds(score); (0, 1) is calibrated."""

    intercept: float
    slope: float  # below 1: overconfident
    intercept_se: float
    slope_se: float
    covariance: float


class CalibrationTest(NamedTuple):
    """A calibration error against its distribution for a perfectly calibrated model with the same scores."""

    statistic: float
    null_mean: float  # statistic - null_mean is fit for display
    p_value: float  # at least 1 / (draws + 1)


class CalibrationInTheLarge(NamedTuple):
    """Mean outcome minus mean score, with its interval."""

    difference: float
    interval: Interval


class _Histogram(NamedTuple):
    """A checked histogram: non-empty bins in ascending order of score."""

    score: Array
    cases: Array
    positives: Array

    @property
    def total(self) -> float:
        return float(self.cases.sum())


def _histogram(mean_score: ArrayLike, cases: ArrayLike, positives: ArrayLike) -> _Histogram:
    score, n, x = (np.asarray(column, dtype=float) for column in (mean_score, cases, positives))
    if score.ndim != 1 or score.shape != n.shape or score.shape != x.shape:
        raise ValueError(
            "mean_score, cases and positives must be vectors of one length. "
            f"Got shapes {score.shape}, {n.shape} and {x.shape}"
        )
    if not (np.all(np.isfinite(n)) and np.all((x >= 0) & (x <= n))):
        raise ValueError("cases and positives must be counts with 0 <= positives <= cases")
    held = n > 0
    if not held.any():
        raise NotEstimable("calibration needs at least one case")
    score, n, x = score[held], n[held], x[held]
    if not np.all((score >= 0) & (score <= 1)):
        raise ValueError("mean_score must be in [0, 1] wherever there are cases")
    if np.any(np.diff(score) < 0):
        order = np.argsort(score, kind="stable")
        score, n, x = score[order], n[order], x[order]
    return _Histogram(score, n, x)


def _assign(histogram: _Histogram, bins: int, strategy: Strategy) -> NDArray[np.int64]:
    """The coarse bin of every fine bin."""
    if bins != int(bins) or bins < 1:
        raise ValueError(f"bins must be an integer, 1 or more. Got {bins!r}")
    if strategy == "width":
        place = np.ceil(histogram.score * bins) - 1  # bins (a, b], the first closed at 0 as well
    elif strategy == "mass":
        place = np.floor(bins * (np.cumsum(histogram.cases) - histogram.cases / 2) / histogram.total)
    else:
        raise ValueError(f'strategy must be "width" or "mass". Got {strategy!r}')
    assigned: NDArray[np.int64] = np.clip(place, 0, bins - 1).astype(np.int64)
    return assigned


def _sums(place: NDArray[np.int64], values: Array, size: int = 0) -> Array:
    return np.bincount(place, weights=values, minlength=size).astype(np.float64)


def _gather(histogram: _Histogram, place: NDArray[np.int64]) -> _Histogram:
    n = _sums(place, histogram.cases)
    held = n > 0
    score = _sums(place, histogram.cases * histogram.score)[held] / n[held]
    return _Histogram(np.clip(score, 0, 1), n[held], _sums(place, histogram.positives)[held])


def _coarse(mean_score: ArrayLike, cases: ArrayLike, positives: ArrayLike, bins: int, strategy: Strategy) -> _Histogram:
    histogram = _histogram(mean_score, cases, positives)
    return _gather(histogram, _assign(histogram, bins, strategy))


def expected_calibration_error(
    mean_score: ArrayLike, cases: ArrayLike, positives: ArrayLike, *, bins: int = 15, strategy: Strategy = "width"
) -> float:
    """Expected calibration error: the case-weighted mean of |observed rate - mean score| over coarse bins.

    Biased upward: a perfect model shows about .115 with 100 cases, .036 with 1 000 and .012 with 10 000 (15 bins). Show
    it for comparison with published numbers; judge by `calibration_test` and `debiased_squared_ece`.
    Source: Naeini, Cooper, Hauskrecht (2015), AAAI; Guo et al. (2017), ICML, eq. 3, whose bins (a, b] are used.
    """
    coarse = _coarse(mean_score, cases, positives, bins, strategy)
    return float(np.abs(coarse.positives - coarse.cases * coarse.score).sum() / coarse.total)


def debiased_squared_ece(
    mean_score: ArrayLike, cases: ArrayLike, positives: ArrayLike, *, bins: int = 15, strategy: Strategy = "width"
) -> float:
    """Squared binned calibration error with the sampling noise taken out; negative about half of the time for a perfect
    model.

    Returns sum_b w_b [(ybar_b - pbar_b)^2 - ybar_b (1 - ybar_b) / (n_b - 1)]. A bin with one case cannot be debiased:
    it is left out and the weights are scaled up. Raises NotEstimable when no bin has two cases.
    Source: Kumar, Liang, Ma (2019), NeurIPS, arXiv 1909.10155, definition 5.1.
    """
    coarse = _coarse(mean_score, cases, positives, bins, strategy)
    held = coarse.cases >= 2
    if not held.any():
        raise NotEstimable("a debiased calibration error needs a bin with two cases or more")
    n, rate = coarse.cases[held], coarse.positives[held] / coarse.cases[held]
    squared = (rate - coarse.score[held]) ** 2 - rate * (1 - rate) / (n - 1)
    return float(n @ squared / n.sum())


def _split(score: Array, mass: Array) -> Array:
    """Spread masses at scores over the cell centres of the grid, linearly between the two nearest."""
    position = np.clip(score * _GRID - 0.5, 0, _GRID - 1)
    left = np.minimum(position.astype(np.int64), _GRID - 2)
    right_share = position - left
    return _sums(left, mass * (1 - right_share), _GRID) + _sums(left + 1, mass * right_share, _GRID)


def _spectrum(residual: Array) -> NDArray[np.complex128]:
    """Fourier coefficients of the even extension of `residual` (..., _GRID): reflection at 0 and 1 comes for free."""
    spectrum: NDArray[np.complex128] = np.fft.rfft(np.concatenate([residual, residual[..., ::-1]], axis=-1), axis=-1)
    return spectrum


def _damping(bandwidth: float | Array) -> Array:
    """The reflected Gaussian kernel in the frequency domain; period 2, so the k-th frequency is pi k."""
    waves = np.pi * np.arange(_GRID + 1)
    damping: Array = np.exp(-((np.asarray(bandwidth)[..., None] * waves) ** 2) / 2)
    return damping


def _smoothed(spectrum: NDArray[np.complex128], bandwidth: float) -> Array:
    smooth: Array = np.fft.irfft(spectrum * _damping(bandwidth), axis=-1)[..., :_GRID]
    return smooth


def _fixed_point(spectrum: NDArray[np.complex128]) -> float:
    """The bandwidth that equals the absolute smoothed residual it leaves, which falls as the bandwidth grows."""
    low, high = 0.0, 1.0
    for _ in range(26):
        middle = (low + high) / 2
        if float(np.abs(_smoothed(spectrum, middle)).sum()) > middle:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def smooth_ece(mean_score: ArrayLike, cases: ArrayLike, positives: ArrayLike) -> float:
    """SmoothECE: the mean absolute residual after smoothing with a reflected Gaussian kernel whose width equals the
    result.

    Free of bins and continuous in the scores; like every plug-in error it is above 0 for a perfect model (.045 at 300
    cases, .014 at 10 000). Computed on a grid of 1024 cells by FFT, whatever the number of bins.
    Source: Blasiok & Nakkiran (2023), arXiv 2309.12236, definition 7 and section 3.2 (fixed-point bandwidth).
    """
    histogram = _histogram(mean_score, cases, positives)
    residual = (histogram.positives - histogram.cases * histogram.score) / histogram.total
    # Smoothing never adds to the residuals of the distinct scores; a kernel narrower than the grid would, by rounding.
    _, place = np.unique(histogram.score, return_inverse=True)
    bound = float(np.abs(_sums(place, residual)).sum())
    return min(bound, _fixed_point(_spectrum(_split(histogram.score, residual))))


def reliability_curve(
    mean_score: ArrayLike,
    cases: ArrayLike,
    positives: ArrayLike,
    *,
    bins: int = 15,
    strategy: Strategy = "width",
    level: float = 0.95,
) -> ReliabilityCurve:
    """Observed rate against mean score per coarse bin, with pointwise Wilson limits. Empty bins are left out.

    Source: Bröcker & Smith (2007), Weather Forecast. 22, 651-661; Wilson (1927) for the limits.
    """
    coarse = _coarse(mean_score, cases, positives, bins, strategy)
    low, high = wilson(coarse.positives, coarse.cases, level=level)
    return ReliabilityCurve(
        mean_score=coarse.score,
        observed_rate=coarse.positives / coarse.cases,
        low=np.asarray(low),
        high=np.asarray(high),
        cases=coarse.cases.astype(np.int64),
    )


def _compressed(histogram: _Histogram, place: NDArray[np.int64]) -> tuple[_Histogram, NDArray[np.int64]]:
    """Merge fine bins of one coarse bin whose scores differ by under 1/1024: it moves a variance by less than 1e-6 per
    case.
    """
    if histogram.score.size <= _GRID:
        return histogram, place
    cell = place * (_GRID + 1) + np.floor(histogram.score * _GRID).astype(np.int64)
    distinct, compact = np.unique(cell, return_inverse=True)
    return _gather(histogram, compact), distinct // (_GRID + 1)


def _measure(name: Measure, residual: Array, weights: Array) -> Array:
    """The error of residuals per case, shape (..., cells): sums over bins, or the smoothed curve for "smooth"."""
    error: Array = np.sqrt((residual**2 / weights).sum(axis=-1)) if name == "root" else np.abs(residual).sum(axis=-1)
    return error


def _noise(histogram: _Histogram, rates: Array, rng: np.random.Generator, draws: int) -> Array:
    """Resampled positives minus their expectation, shape (draws, bins)."""
    noise: Array = rng.binomial(histogram.cases.astype(np.int64), rates, size=(draws, rates.size)) - (
        histogram.cases * rates
    )
    return noise


def _coarse_noise(
    fine: _Histogram, place: NDArray[np.int64], rates: Array, rng: np.random.Generator, draws: int
) -> Array:
    """`_noise` summed over coarse bins, shape (draws, coarse bins). A sum with a large variance is drawn as one normal,
    which it then is to within a skewness of 1 / sqrt(variance); the others cell by cell.
    """
    variance = _sum_by(place, fine.cases * rates * (1 - rates))
    noise = rng.normal(size=(draws, variance.size)) * np.sqrt(variance)
    coarse = np.cumsum(np.concatenate([[0], np.diff(place) > 0]))
    exact = (variance < _NORMAL_FROM)[coarse]
    if exact.any():
        small = _Histogram(fine.score[exact], fine.cases[exact], fine.positives[exact])
        noise[:, variance < _NORMAL_FROM] = _sum_by(place[exact], _noise(small, rates[exact], rng, draws))
    return noise


def _check_measure(measure: str, draws: int) -> None:
    if measure not in {"ece", "root", "smooth"}:
        raise ValueError(f'measure must be "ece", "root" or "smooth". Got {measure!r}')
    if draws < 1:
        raise ValueError(f"draws must be 1 or more. Got {draws!r}")


def _sum_by(place: NDArray[np.int64], values: Array) -> Array:
    """Sum columns (draws, fine) by their coarse bin, giving (draws, coarse bins that are held)."""
    starts = np.flatnonzero(np.concatenate([[True], np.diff(place) > 0]))
    summed: Array = np.add.reduceat(values, starts, axis=-1)
    return summed


def calibration_test(
    mean_score: ArrayLike,
    cases: ArrayLike,
    positives: ArrayLike,
    *,
    rng: np.random.Generator,
    draws: int = 1000,
    measure: Measure = "ece",
    bins: int = 15,
    strategy: Strategy = "width",
) -> CalibrationTest:
    """Test of perfect calibration: redraw every outcome from its score and recompute the error.

    measure: "ece" (binned, absolute), "root" (binned, root mean square) or "smooth". Under the null the p-value is
    exact up to the resolution 1/1024 of the scores, at every sample size and for every spread of scores.
    Source: Bröcker & Smith (2007); Vaicenavicius et al. (2019), AISTATS, section 5 (consistency resampling).
    """
    _check_measure(measure, draws)
    histogram = _histogram(mean_score, cases, positives)
    fine, place = _compressed(histogram, _assign(histogram, bins, strategy))
    residual = fine.positives - fine.cases * fine.score
    if measure == "smooth":
        simulated = _noise(fine, fine.score, rng, draws)
        statistic = smooth_ece(mean_score, cases, positives)
        null = np.array([_fixed_point(_spectrum(_split(fine.score, row / fine.total))) for row in simulated])
    else:
        weights = _sum_by(place, fine.cases) / fine.total
        statistic = float(_measure(measure, _sum_by(place, residual) / fine.total, weights))
        null = _measure(measure, _coarse_noise(fine, place, fine.score, rng, draws) / fine.total, weights)
    as_large = int(np.count_nonzero(null >= statistic - 1e-12))
    return CalibrationTest(statistic, float(null.mean()), (1 + as_large) / (draws + 1))


def calibration_error_interval(
    mean_score: ArrayLike,
    cases: ArrayLike,
    positives: ArrayLike,
    *,
    rng: np.random.Generator,
    draws: int = 1000,
    level: float = 0.95,
    measure: Measure = "root",
    bins: int = 15,
    strategy: Strategy = "width",
) -> Interval:
    """Interval of a calibration error by inverting its test, on the scale of the error.

    measure: "root" is the root of what `debiased_squared_ece` estimates, "ece" the binned absolute error, "smooth"
    SmoothECE; each as it would be with endless data, without the noise that the plug-in value carries.
    A percentile bootstrap never covers 0, as resampling adds noise to an error that is already too large. Instead the
    residual curve of the data is scaled by t, binomial noise is added, and those t are kept at which the observed error
    lies between the tail quantiles; t = 0 is the calibrated model, so the interval starts at exactly 0 whenever its
    test
    does not reject. The upper limit never uses an error below the median of a calibrated model, so luck is not read as
    precision.
    Measured at level .95 (200 runs a setting, standard error .016; 200 draws, 15 bins, uniform and Beta(.5, 3) scores):
    a calibrated model is covered .96 to .985. Slope .9, slope .5 and shift .5 of the log-odds are covered .90 to .98
    with
    1 000 cases and .905 to .97 with 10 000, .94 in the mean. Where the error lies in a bin with few cases it is too
    short: with one case in twenty at .95 that is right in .80, it covers .885 at 400 cases, and one-sided claims at 5 %
    err in .143. `binned_error_interval` holds its level there; take the wider of both.
    Raises NotEstimable when every bin meets its score exactly.
    Source: Efron & Tibshirani (1993), section 12.3 (inverting simulated tests); the median rule is the power constraint
    of Cowan et al. (2011), arXiv 1105.3166.
    """
    _check_measure(measure, draws)
    critical(level)
    histogram = _histogram(mean_score, cases, positives)
    fine, place = _compressed(histogram, _assign(histogram, bins, strategy))
    residual = (fine.positives - fine.cases * fine.score) / fine.total
    weights = _sum_by(place, fine.cases) / fine.total
    coarse = np.cumsum(np.concatenate([[0], np.diff(place) > 0]))
    moved = np.clip(fine.score + (_sum_by(place, residual) / (weights + 2 / fine.total))[coarse], 0, 1)

    if measure == "smooth":
        observed = _fixed_point(_spectrum(_split(fine.score, residual)))
        shape = _smoothed(_spectrum(_split(fine.score, residual)), observed)
        # A draw's fixed point exceeds the observed one exactly when its smoothed error at the observed bandwidth does.
        signal = _smoothed(_spectrum(shape), observed)
    else:
        shape = signal = _sum_by(place, residual)
        observed = float(_measure(measure, signal, weights))
    if observed < 1e-9:
        raise NotEstimable("every bin meets its score exactly: there is no residual to take a shape from")

    def noise(rates: Array) -> Array:
        if measure != "smooth":
            return _coarse_noise(fine, place, rates, rng, draws) / fine.total
        fluctuation = _noise(fine, rates, rng, draws) / fine.total
        return _smoothed(_spectrum(np.array([_split(fine.score, row) for row in fluctuation])), observed)

    # Outcomes fluctuate as the scores say for the calibrated model, as the observed rates say for any other.
    calibrated, seen = noise(fine.score), noise(moved)

    def quantile(scale: float, share: float) -> float:
        around = seen if scale > 0 else calibrated
        errors = _measure(measure, scale * signal + around, weights)
        rank = round(share * (draws - 1))  # the bisections ask for a thousand of these: no interpolation
        return float(np.partition(errors, rank)[rank])

    def error(scale: float) -> float:
        if scale == 0 or measure != "smooth":
            return scale * observed
        return _fixed_point(scale * _spectrum(shape))

    tail = (1 - level) / 2
    low = _scale_at(lambda scale: quantile(scale, 1 - tail), observed)
    high = _scale_at(lambda scale: quantile(scale, tail), max(observed, quantile(0.0, 0.5)))
    return Interval(error(low), min(1.0, error(high)))


def binned_error_interval(
    mean_score: ArrayLike,
    cases: ArrayLike,
    positives: ArrayLike,
    *,
    level: float = 0.95,
    bins: int = 15,
    strategy: Strategy = "width",
    exact: bool = False,
) -> Interval:
    """Interval of the root of what `debiased_squared_ece` estimates, from the limits of every bin, by MOVER.

    The squared distance of rate and score has the limits that those of the bin's rate give it, and the share of cases
    in the bin, which is counted too, has its own; the distances of all of them are squared and added. exact: the limits
    of both shares are Clopper and Pearson's, for claims; else Wilson's. Unlike `calibration_error_interval` it knows
    how little a bin with few cases tells, and with many bins that meet their scores its lower limit is too high in up
    to .10 of samples (one-sided 5 %). The wider of both, simulated over two or three scores, uniform and Beta scores,
    faults in one bin and in all, 200 to 5 000 cases: one-sided claims at 5 % err in at most .063, shown intervals at 95
    % cover .96 or more.
    Raises NotEstimable when no bin has two cases.
    Source: Zou, Huang and Zhang (2009), Comput. Stat. Data Anal. 53, 1080-1085, for a weighted sum.
    """
    centre = debiased_squared_ece(mean_score, cases, positives, bins=bins, strategy=strategy)
    coarse = _coarse(mean_score, cases, positives, bins, strategy)
    of = clopper_pearson if exact else wilson
    weight, total = coarse.cases / coarse.total, np.full(len(coarse.cases), coarse.total)
    below, above = (np.asarray(limit) - coarse.score for limit in of(coarse.positives, coarse.cases, level=level))
    fewer, more = (np.abs(np.asarray(limit) - weight) for limit in of(coarse.cases, total, level=level))
    squared = (coarse.positives / coarse.cases - coarse.score) ** 2
    least = np.where((below < 0) & (above > 0), 0, np.minimum(below**2, above**2))
    greatest = np.maximum(below**2, above**2)
    lean = squared - weight @ squared  # a bin with more cases moves the error by what sets it apart from the others
    down = np.sum((weight * (squared - least)) ** 2 + (np.where(lean > 0, fewer, more) * lean) ** 2)
    up = np.sum((weight * (greatest - squared)) ** 2 + (np.where(lean > 0, more, fewer) * lean) ** 2)
    low, high = centre - math.sqrt(down), centre + math.sqrt(up)
    return Interval(math.sqrt(max(0.0, low)), min(1.0, math.sqrt(max(0.0, high))))


def _scale_at(simulated: Callable[[float], float], value: float) -> float:
    """The scale >= 0 at which a simulated quantile, growing with the scale, reaches `value`."""
    if simulated(0.0) >= value:
        return 0.0
    low, high = 0.0, 1.0
    while simulated(high) < value:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        if simulated(middle) < value:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def brier(mean_score: ArrayLike, cases: ArrayLike, positives: ArrayLike) -> float:
    """Brier score: the mean squared distance of score and outcome, in [0, 1]. Source: Brier (1950), Mon. Weather Rev.
    78, 1-3.
    """
    score, n, x = _histogram(mean_score, cases, positives)
    return float((x @ (1 - score) ** 2 + (n - x) @ score**2) / n.sum())


def murphy_decomposition(
    mean_score: ArrayLike,
    cases: ArrayLike,
    positives: ArrayLike,
    *,
    bins: int | None = None,
    strategy: Strategy = "width",
    corrected: bool = False,
) -> BrierDecomposition:
    """Brier score as reliability - resolution + uncertainty, over the histogram's own bins or `bins` coarser ones.

    corrected: take the sampling noise out of the three parts, which binned rates carry (reliability and resolution are
    both too large by the mean of ybar_b (1 - ybar_b) / (n_b - 1)); bins with one case keep theirs. With one case in
    each bin the parts mean nothing: pass `bins`.
    Source: Murphy (1973), J. Appl. Meteorol. 12, 595-600; Ferro & Fricker (2012), Q. J. R. Meteorol. Soc. 138,
    1954-1960, eq. 7-9.
    """
    histogram = _histogram(mean_score, cases, positives)
    score, n, x = histogram if bins is None else _gather(histogram, _assign(histogram, bins, strategy))
    total = float(n.sum())
    base, rate = float(x.sum()) / total, x / n
    reliability = float(n @ (rate - score) ** 2) / total
    resolution = float(n @ (rate - base) ** 2) / total
    uncertainty = base * (1 - base)
    value = brier(mean_score, cases, positives)
    within = value - (reliability - resolution + uncertainty)
    if corrected:
        if total < 2:
            raise NotEstimable("a corrected decomposition needs two cases or more")
        noise = float(n @ (rate * (1 - rate) / np.maximum(n - 1, 1))) / total
        base_noise = uncertainty / (total - 1)
        reliability, resolution = reliability - noise, resolution - noise + base_noise
        uncertainty += base_noise
    return BrierDecomposition(
        brier=value, reliability=reliability, resolution=resolution, uncertainty=uncertainty, within_bin=within
    )


def calibration_in_the_large(
    mean_score: ArrayLike, cases: ArrayLike, positives: ArrayLike, *, level: float = 0.95
) -> CalibrationInTheLarge:
    """Mean outcome minus mean score over cases, with a t interval on the residuals, clipped to [-1, 1].

    Positive: events are commoner than the scores say. Raises NotEstimable with one case, or when all residuals are
    equal. Source: Cox (1958), Biometrika 45, 562-565, on the scale of rates.
    """
    score, n, x = _histogram(mean_score, cases, positives)
    total = float(n.sum())
    if total < 2:
        raise NotEstimable("an interval of calibration-in-the-large needs two cases or more")
    difference = float((x - n * score).sum() / total)
    variance = float((x @ (1 - score - difference) ** 2 + (n - x) @ (score + difference) ** 2) / (total - 1) / total)
    if variance == 0:
        raise NotEstimable("all residuals are equal: calibration-in-the-large has no sampling variance here")
    reach = float(critical(level, total - 1)) * math.sqrt(variance)
    return CalibrationInTheLarge(difference, Interval(max(-1.0, difference - reach), min(1.0, difference + reach)))


def cox_calibration(
    mean_score: ArrayLike, cases: ArrayLike, positives: ArrayLike, *, clip: float = 1e-6
) -> CoxCalibration:
    """Calibration intercept and slope by maximum likelihood, with standard errors from the information matrix.

    clip: scores are held inside [clip, 1 - clip], as log-odds of 0 and 1 do not exist; a slope that moves with it is no
    finding. Raises NotEstimable when one outcome or one distinct score is seen, or the outcomes are separated by the
    score. Source: Cox (1958), Biometrika 45, 562-565; Miller, Hui, Tierney (1991), Stat. Med. 10, 1213-1226.
    """
    if not 0 < clip < 0.5:
        raise ValueError(f"clip must be in (0, 0.5). Got {clip!r}")
    score, n, x = _histogram(mean_score, cases, positives)
    odds = logit(np.clip(score, clip, 1 - clip))
    if x.sum() in {0.0, n.sum()} or np.ptp(odds) == 0:
        raise NotEstimable("a calibration slope needs both outcomes and two distinct scores")
    with_event, without = odds[x > 0], odds[x < n]
    if with_event.min() >= without.max() or with_event.max() <= without.min():
        raise NotEstimable("the score separates the outcomes: the calibration slope is infinite")
    coefficients = np.array([0.0, 1.0])
    for _ in range(100):
        information, gradient, likelihood = _information(odds, n, x, coefficients)
        step = np.linalg.solve(information, gradient)
        while _information(odds, n, x, coefficients + step)[2] < likelihood - 1e-9 * abs(likelihood):
            step /= 2
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-10:
            break
    covariance = np.linalg.inv(_information(odds, n, x, coefficients)[0])
    return CoxCalibration(
        intercept=float(coefficients[0]),
        slope=float(coefficients[1]),
        intercept_se=math.sqrt(covariance[0, 0]),
        slope_se=math.sqrt(covariance[1, 1]),
        covariance=float(covariance[0, 1]),
    )


def _information(odds: Array, n: Array, x: Array, coefficients: Array) -> tuple[Array, Array, float]:
    linear = coefficients[0] + coefficients[1] * odds
    fitted = expit(linear)
    weight, residual = n * fitted * (1 - fitted), x - n * fitted
    cross = float(weight @ odds)
    information = np.array([[float(weight.sum()), cross], [cross, float(weight @ odds**2)]])
    likelihood = float(x @ linear - n @ np.logaddexp(0, linear))
    return information, np.array([float(residual.sum()), float(residual @ odds)]), likelihood


def spiegelhalter_z(mean_score: ArrayLike, cases: ArrayLike, positives: ArrayLike) -> float:
    """Spiegelhalter's z for the Brier score of a calibrated model: standard normal under calibration.

    Nearly blind to some shapes (power .08 against .67 for calibration-in-the-large in one simulation at 300 cases):
    never the only test. Raises NotEstimable when every score is 0, 1/2 or 1. Source: Spiegelhalter (1986), Stat. Med.
    5, 421-433, eq. 7.
    """
    score, n, x = _histogram(mean_score, cases, positives)
    variance = float(n @ ((1 - 2 * score) ** 2 * score * (1 - score)))
    if variance == 0:
        raise NotEstimable("Spiegelhalter's z has no variance when every score is 0, 1/2 or 1")
    return float((x - n * score) @ (1 - 2 * score)) / math.sqrt(variance)
