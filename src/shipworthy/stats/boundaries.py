"""Curves that a running sum of centred values crosses with chance alpha at most, over the whole future.

s is the sum so far and v its intrinsic time: the sum of variances, or of their stand-ins. A mixture's `..._log_value`
is the logarithm of a nonnegative supermartingale that starts at 1, so that a claim at log(1 / alpha) is false with
chance alpha at most (Ville 1939); its boundary is where it gets there.
Source of all: Howard, Ramdas, McAuliffe, Sekhon (2021), Ann. Statist. 49, 1055-1080, arXiv 1810.08240.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import betainc, betaln, gammainc, gammaln, log_ndtr, zeta


def best_weight(v: float, *, alpha: float = 0.05) -> float:
    """The mixture weight (rho) at which a two-sided normal mixture is narrowest at intrinsic time v.

    For a one-sided mixture at alpha pass 2 alpha. Source: the
    closed approximation that the authors' package confseq uses for the Lambert function of their section 3.5.
    """
    if not (v > 0 and 0 < alpha < 1):
        raise ValueError(f"v must be above 0 and alpha in (0, 1). Got {v!r} and {alpha!r}")
    reach = 2 * math.log(1 / alpha)
    return v / (reach + math.log1p(reach))


def normal_log_value(s: float, v: float, *, weight: float) -> float:
    """Two-sided normal mixture, for sub-Gaussian sums. Source: proposition 5."""
    return 0.5 * math.log(weight / (v + weight)) + s * s / (2 * (v + weight))


def normal_boundary(v: float, *, weight: float, alpha: float = 0.05) -> float:
    """Where `normal_log_value` reaches log(1 / alpha), in closed form: |s| stays below it for ever."""
    return math.sqrt((v + weight) * math.log((v + weight) / (alpha**2 * weight)))


def half_normal_log_value(s: float, v: float, *, weight: float) -> float:
    """One-sided normal mixture: the half above zero. Source: proposition 6."""
    spread = math.sqrt(v + weight)
    return 0.5 * math.log(4 * weight / (v + weight)) + s * s / (2 * (v + weight)) + float(log_ndtr(s / spread))


def gamma_exponential_log_value(s: float, v: float, *, weight: float, scale: float) -> float:
    """One-sided gamma-exponential mixture, for sub-exponential sums with scale c > 0. Source: proposition 9."""
    rho, time, total = weight / scale**2, (v + weight) / scale**2, (scale * s + v) / scale**2
    start = rho * math.log(rho) - float(gammaln(rho)) - math.log(float(gammainc(rho, rho)))
    now = float(gammaln(time)) + math.log(float(gammainc(time, total + rho)))
    return start + now - time * math.log(total + rho) + total


def beta_binomial_log_value(
    s: float, v: float, *, weight: float, below: float, above: float, one_sided: bool = False
) -> float:
    """Beta-binomial mixture, for sums of values from -below to above. Source: propositions 7 and 8."""
    g, h = below, above
    rho = max(weight - g * h, 1e-3 * g * h)
    edge = h / (g + h) if one_sided else 1.0

    def log_beta(a: float, b: float) -> float:
        return float(betaln(a, b)) + math.log(float(betainc(a, b, edge)))

    down, up = (v - g * s) / (g * (g + h)), (v + h * s) / (h * (g + h))  # how many steps of either kind make s
    mixed = log_beta(rho / (g * (g + h)) + down, rho / (h * (g + h)) + up)
    start = log_beta(rho / (g * (g + h)), rho / (h * (g + h)))
    return mixed - start + (down + up) * math.log(g + h) - up * math.log(g) - down * math.log(h)


def stitched_boundary(v: float, *, least: float, alpha: float = 0.05, scale: float = 0.0, power: float = 1.4) -> float:
    """Polynomial stitching, one-sided, for sub-gamma sums with scale c: within a constant of sqrt(v log log v).

    least: intrinsic time up to which the curve is flat; stages double. Source: theorem 1, equation 10.
    """
    stage = 2.0
    time = max(v, least)
    level = power * math.log(math.log(stage * time / least))
    level += math.log(float(zeta(power)) / (alpha * math.log(stage) ** power))
    first, second = (stage**0.25 + stage**-0.25) / math.sqrt(2), (math.sqrt(stage) + 1) / 2
    return math.sqrt(first**2 * time * level + (second * scale * level) ** 2) + second * scale * level


def boundary_of(log_value: Callable[[float], float], *, alpha: float = 0.05, highest: float = 1e12) -> float:
    """The s at which an increasing `log_value` reaches log(1 / alpha), bisected; `highest` where it never does.

    log_value: of s at a fixed intrinsic time; highest: the largest sum that is possible then.
    """
    goal, low, high = math.log(1 / alpha), 0.0, min(1.0, highest)
    while high < highest and log_value(high) < goal:
        low, high = high, min(2 * high, highest)
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if log_value(middle) < goal:
            low = middle
        else:
            high = middle
    return high
