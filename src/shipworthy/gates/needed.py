"""How many further cases would probably decide an open claim."""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import bdtrik, betaincc, ndtri

PRACTICAL = 1_000_000_000  # beyond this, more data is not the answer
MOST_SEARCHED = 1_000_000  # cases up to which exact limits are followed; beyond, the normal ones are as good
STEP, CLOSE = 1.25, 1.001  # of the search, and how near both its ends are at last


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
    exact: bool = False,
) -> int | None:
    """Further cases after which the claim would come out decided with probability `power`, if the estimate is the
    truth.

    value: the estimate; n: cases behind it; low, high: the bound. met, breach: its one-sided limits for either verdict,
    at `confidence` and at `breach_confidence` (None: the same), which is stricter where many pieces are looked at.
    ends: the estimate if all that is missing were least, or greatest. exact: the limits are Clopper and Pearson's, on
    n cases or on fewer that they are worth: then the number is that from which on such limits clear the bound often
    enough. Other limits lie z standard errors from the estimate, and these shrink with the root of n: to clear the
    bound with probability `power` it has to be z + z_power of them away, so n has to grow by the square of (z +
    z_power) / z times the limit's distance over the bound's. Returns None when the estimate sits on the bound, or where
    the number exceeds PRACTICAL: then nobody can tell.
    """
    above = high is not None and value > high
    below = low is not None and value < low
    least, greatest = ends or (value, value)
    if above or below:
        sides = [(breach[0], high, least) if above else (breach[1], low, greatest)]
        error = 1 - (breach_confidence or confidence)
    else:
        sides = [(met[1], high, greatest), (met[0], low, least)]
        error = 1 - confidence
    asked = [(limit, bound, end) for limit, bound, end in sides if bound is not None]
    power = 1 - (1 - power) / len(asked)
    wanted = 0.0
    for limit, bound, end in asked:
        away = abs(bound - end) if (end > bound) == (value > bound) else 0.0
        if not math.isfinite(limit) or away <= 0 or away * PRACTICAL < abs(limit - end):
            return None
        if exact:
            total = _exact(end, n=n, limit=limit, bound=bound, error=error, power=power)
        else:
            times = (1 + max(ndtri(power), 0.0) / ndtri(1 - error)) * abs(limit - end) / away
            total = n * times**2
        wanted = max(wanted, total)
    if not wanted - n <= PRACTICAL:
        return None
    return max(math.ceil(wanted - n), 1)


def _exact(p: float, *, n: float, limit: float, bound: float, error: float, power: float) -> float:
    """Cases from which on the exact limit of a rate clears `bound` with chance `power`, if the rate is p.

    limit: the present one, on the same side of p as the bound; from it follows how many independent cases one is worth.
    The chance saws up and down with the cases; its lower envelope is followed.
    Source: Clopper and Pearson (1934), Biometrika 26, 404-413; Korn and Graubard (1998), Surv. Methodol. 24, 193-201.
    """
    if bound < p:
        p, limit, bound = 1 - p, 1 - limit, 1 - bound
    if not p < bound < 1 or (bound - p) * PRACTICAL < 1:
        return math.inf

    def reaches(size: float) -> bool:
        """Whether the upper limit of the present rate on so many cases lies at the present one or below."""
        return float(betaincc(p * size + 1, (1 - p) * size, limit)) <= error * (1 + 1e-9)

    def clears(size: float) -> bool:
        """Whether the limit clears the bound where hits are as many as they are at most with chance `power`."""
        hits = 0.0 if (1 - p) ** size >= power else float(bdtrik(power, size, p)) + 1
        return hits < size and float(betaincc(hits + 1, size - hits, bound)) <= error

    reach = ndtri(1 - error) * math.sqrt(bound * (1 - bound)) + max(ndtri(power), 0.0) * math.sqrt(p * (1 - p))
    about = (reach / (bound - p)) ** 2 + 1 / (bound - p)
    size = about if about > MOST_SEARCHED else _least(clears, about)
    return size * n / (_least(reaches, n) if limit < 1 and reaches(n / CLOSE) else n)


def _least(enough: Callable[[float], bool], start: float) -> float:
    """Smallest size with enough(size), a condition that stays true once it is, searched from `start`."""
    low = high = start
    while not enough(high) and high < PRACTICAL:
        low, high = high, high * STEP
    while low == high or enough(low):
        if low < 1:
            return low
        low, high = low / STEP, low
    while high > low * CLOSE:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
