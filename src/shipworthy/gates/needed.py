"""How many further cases would probably decide an open claim."""

from __future__ import annotations

import math

from scipy.special import ndtri

PRACTICAL = 1_000_000_000  # beyond this, more data is not the answer


def further_cases(
    value: float,
    *,
    n: float,
    met: tuple[float, float],
    breach: tuple[float, float],
    low: float | None,
    high: float | None,
    confidence: float,
    power: float,
    breach_confidence: float | None = None,
    ends: tuple[float, float] | None = None,
) -> int | None:
    """Further cases after which the claim would come out decided with probability `power`, if the estimate is the
    truth.

    value: the estimate; n: cases behind it; low, high: the bound. met, breach: its one-sided limits for either verdict,
    at `confidence` and at `breach_confidence` (None: the same), which is stricter where many pieces are looked at.
    A limit lies z standard errors from the estimate, and these shrink with the root of n. To clear the bound with
    probability `power` the bound has to be z + z_power of them away, so n has to grow by the square of (z + z_power) /
    z times the limit's distance over the bound's. Returns None when the estimate sits on the bound, or where the number
    exceeds PRACTICAL: then nobody can tell.
    """
    above = high is not None and value > high
    below = low is not None and value < low
    least, greatest = ends or (value, value)
    if above or below:
        sides = [(least - breach[0], high, least) if above else (breach[1] - greatest, low, greatest)]
        z = ndtri(breach_confidence or confidence)
    else:
        sides = [(met[1] - greatest, high, greatest), (least - met[0], low, least)]
        z = ndtri(confidence)
    factor = float((z + max(ndtri(power), 0.0)) / z)
    wanted = 0.0
    for half, bound, end in sides:
        if bound is None:
            continue
        distance = abs(bound - end) if (end > bound) == (value > bound) else 0.0
        if not math.isfinite(half) or distance <= 0:
            return None
        times = factor * half / distance
        if times > PRACTICAL:  # its square may not even be a number
            return None
        wanted = max(wanted, n * times**2)
    more = math.ceil(wanted - n)
    return None if more > PRACTICAL else max(more, 1)
