"""Looking more than once: constants for a few planned looks, and e-processes for as many as one likes.

Group-sequential constants are one-sided critical values for z statistics at planned information fractions. The
e-process watches a Bernoulli rate case by case: its running value exceeds 1 / alpha with chance alpha at most, over the
whole future.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, ndtr, xlog1py, xlogy

from shipworthy.stats.boundaries import best_weight
from shipworthy.stats.interval import Array, Interval

Side: TypeAlias = Literal["above", "below"]

FACTORS = (1.2, 1.5, 2.0, 3.0)  # odds ratios of the alternatives that the default mixture bets on

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_FLOOR = -8.0  # standard deviations below 0 where a path is taken to be lost for the upper boundary


class SprtThresholds(NamedTuple):
    """Limits on the log likelihood ratio of the alternative over the null."""

    accept_alternative: float
    accept_null: float


def _fractions(looks: int, fractions: Sequence[float] | None) -> tuple[float, ...]:
    if looks != int(looks) or looks < 1:
        raise ValueError(f"looks must be an integer, 1 or more. Got {looks!r}")
    if fractions is None:
        return tuple((np.arange(1, looks + 1) / looks).tolist())
    times = tuple(float(value) for value in fractions)
    ordered = all(a < b for a, b in pairwise(times))
    if len(times) != looks or not ordered or not times or times[0] <= 0 or times[-1] > 1 + 1e-12:
        raise ValueError(f"fractions must be {looks} increasing values in (0, 1]. Got {times!r}")
    return times


def crossing_probability(bounds: Sequence[float], fractions: Sequence[float]) -> float:
    """Chance that z at some look is at or above its bound, when nothing differs.

    bounds: one-sided critical values for z per look; fractions: information at each look, increasing, in (0, 1].
    Source: Armitage, McPherson, Rowe (1969), JRSS A 132, 235-244: recursive integration, here by Gauss-Legendre.
    """
    times = _fractions(len(bounds), fractions)
    crossed = 0.0
    points = density = np.empty(0)
    for look, (bound, time) in enumerate(zip(bounds, times, strict=True)):
        top, bottom = bound * math.sqrt(time), _FLOOR * math.sqrt(time)
        step = math.sqrt(time - (times[look - 1] if look else 0.0))
        if look == 0:
            crossed += float(ndtr(-bound))
        else:
            crossed += float(density @ ndtr(-(top - points) / step))
        if top <= bottom:
            return 1.0
        nodes = bottom + (top - bottom) * (_NODES + 1) / 2
        weights = _WEIGHTS * (top - bottom) / 2 / (step * math.sqrt(2 * math.pi))
        if look == 0:
            density = weights * np.exp(-((nodes / step) ** 2) / 2)
        else:
            density = weights * (np.exp(-(((nodes[:, None] - points) / step) ** 2) / 2) @ density)
        points = nodes
    return crossed


@lru_cache(maxsize=256)
def _constant(times: tuple[float, ...], alpha: float, power: float) -> float:
    """The c for which bounds c * t ** power are crossed with chance alpha."""
    low, high = 0.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        if crossing_probability([middle * time**power for time in times], times) > alpha:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _alpha(alpha: float) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must be in (0, .5). Got {alpha!r}")


def pocock_constant(looks: int, *, alpha: float = 0.05, fractions: Sequence[float] | None = None) -> float:
    """Critical value to use at every one of `looks` planned looks, for a one-sided error of alpha over all of them.

    fractions: information at each look over that at the last (cases, for a rate); None for equal steps. For doubling
    looks (1/16, 1/8, 1/4, 1/2, 1) and alpha .05 it is 2.20. Source: Pocock (1977), Biometrika 64, 191-199.
    """
    _alpha(alpha)
    return _constant(_fractions(looks, fractions), alpha, 0.0)


def obrien_fleming_constant(looks: int, *, alpha: float = 0.05, fractions: Sequence[float] | None = None) -> float:
    """Critical value at the last of `looks` planned looks; at information fraction t use the constant over sqrt(t).

    Hard to cross early and nearly the fixed-sample value at the end: 1.68 for doubling looks and one-sided alpha .05.
    Source: O'Brien & Fleming (1979), Biometrics 35, 549-556.
    """
    _alpha(alpha)
    return _constant(_fractions(looks, fractions), alpha, -0.5)


def mixture_log_e(
    successes: ArrayLike, trials: ArrayLike, p0: float, *, side: Side, factors: Sequence[float] = FACTORS
) -> Array:
    """Logarithm of a one-sided e-process: evidence that a Bernoulli rate lies above (below) p0.

    successes, trials: running counts, any shape, 0 <= successes <= trials; side: "above" tests the null rate <= p0,
    "below" rate >= p0. factors: each above 1; the alternatives, weighted alike, are the rates whose odds are those of
    p0 times (over) a factor.
    Claim when it reaches log(1 / alpha), at any time: under the null (every case's rate, given the cases before it, on
    the null's side) the chance of ever doing so is alpha at most. Randomise the order of a finite list of cases first.
    Any factors are valid. The default is quickest where a rate is off by half to three times: limit .05, five doubling
    looks to 3 200, a mean of 1 175 cases at .03 and 804 at .08; limit .90 and a look after every case, 83, 205, 292 and
    83 cases at true rates .98, .95, .85 and .80. A uniform mixture takes 1 323 and 1 299; 74, 191, 396 and 105.
    Returns an array of the shape of the counts. Source: Robbins (1970), Ann. Math. Statist. 41, 1397-1409; Ville
    (1939).
    """
    x, n = _running(successes, trials, p0)
    if side not in {"above", "below"}:
        raise ValueError(f'side must be "above" or "below". Got {side!r}')
    ratios = np.asarray(factors, dtype=float)
    if ratios.ndim != 1 or ratios.size == 0 or not np.all(np.isfinite(ratios) & (ratios > 1)):
        raise ValueError(f"factors must be finite numbers above 1. Got {factors!r}")
    odds = p0 / (1 - p0) * (ratios if side == "above" else 1 / ratios)
    log_e = np.full(np.broadcast_shapes(x.shape, n.shape), -np.inf)
    for rate in odds / (1 + odds):  # one at a time: no array larger than the counts
        likelihood_ratio = x * math.log(rate / p0) + (n - x) * math.log((1 - rate) / (1 - p0))
        log_e = np.logaddexp(log_e, likelihood_ratio - math.log(ratios.size))
    return log_e


def _running(successes: ArrayLike, trials: ArrayLike, p0: float) -> tuple[Array, Array]:
    x, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    if not 0 < p0 < 1:
        raise ValueError(f"p0 must be in (0, 1). Got {p0!r}")
    if not np.all((x >= 0) & (x <= n) & np.isfinite(n)):
        raise ValueError("successes and trials must be counts with 0 <= successes <= trials")
    return x, n


def confidence_sequence(
    successes: int, trials: int, *, level: float = 0.95, narrowest_at: float | None = None
) -> Interval:
    """Two-sided interval for a Bernoulli rate that holds at all times at once: the rates that a Beta mixture has not
    ruled out.

    successes, trials: counts so far, trials 0 or more (then [0, 1]). narrowest_at: the number of cases at which it is
    to be narrowest, at level .95; the mixture is then centred at each rate in turn, and worth
    `best_weight(narrowest_at, alpha=.05)` cases less one. None: the uniform mixture.
    Source: Robbins (1970); Howard, Ramdas, McAuliffe, Sekhon (2021), Ann. Statist. 49, 1055-1080, proposition 7.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1). Got {level!r}")
    if narrowest_at is not None and not narrowest_at > 0:
        raise ValueError(f"narrowest_at must be above 0. Got {narrowest_at!r}")
    _running(successes, trials, 0.5)
    weight = None if narrowest_at is None else max(best_weight(narrowest_at, alpha=0.05) - 1, 1e-3)
    threshold = -math.log1p(-level)

    def excess(rate: float) -> float:
        a, b = (1.0, 1.0) if weight is None else (weight * rate, weight * (1 - rate))
        if min(a, b) == 0:  # the mixture has shrunk to the rate itself, 0 or 1
            return -threshold if successes == rate * trials else math.inf
        evidence = float(betaln(a + successes, b + trials - successes) - betaln(a, b))
        return evidence - float(xlogy(successes, rate) + xlog1py(trials - successes, -rate)) - threshold

    rate = successes / trials if trials else 0.5
    low = 0.0 if excess(0.0) <= 0 else _root(excess, 0.0, rate)
    high = 1.0 if excess(1.0) <= 0 else _root(excess, 1.0, rate)
    return Interval(low, high)


def _root(function: Callable[[float], float], outside: float, inside: float) -> float:
    """Where `function` falls to 0 on the way from `outside`, where it is positive, to `inside`."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if function(middle) > 0:
            outside = middle
        else:
            inside = middle
    return (outside + inside) / 2


def sprt_thresholds(*, alpha: float = 0.05, beta: float = 0.1) -> SprtThresholds:
    """Wald's limits on the log likelihood ratio of a simple alternative over a simple null: accept one or the other
    when crossed.

    alpha, beta: errors of first and second kind, alpha + beta < 1. For simple hypotheses only; gates use
    `mixture_log_e`. Source: Wald (1945), Ann. Math. Statist. 16, 117-186, eq. 3.11.
    """
    if not (0 < alpha < 1 and 0 < beta < 1 and alpha + beta < 1):
        raise ValueError(f"alpha and beta must be in (0, 1) with a sum below 1. Got {alpha!r} and {beta!r}")
    return SprtThresholds(math.log((1 - beta) / alpha), math.log(beta / (1 - alpha)))
