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
) -> int | None:
    """Further cases after which the claim would come out decided with probability `power`, if the estimate is the truth.

    value: the estimate; n: cases behind it; met, breach: its limits for either verdict; low, high: the bound.
    A limit's distance from the estimate shrinks with the root of n, and has to become smaller than the distance to the bound by
    the factor (z_confidence + z_power) / z_confidence. Returns None when the estimate sits on the bound, or where the number
    exceeds PRACTICAL: then nobody can tell, whatever the sample.
    """
    factor = float((ndtri(confidence) + ndtri(power)) / ndtri(confidence)) if power > 0.5 else 1.0
    above = high is not None and value > high
    below = low is not None and value < low
    if above or below:
        bound = high if above else low
        gaps = [(value - breach[0] if above else breach[1] - value, bound)]
    else:
        gaps = [(met[1] - value, high), (value - met[0], low)]
    wanted = 0.0
    for half, bound in gaps:
        if bound is None:
            continue
        distance = abs(bound - value)
        if not math.isfinite(half) or distance <= 0:
            return None
        wanted = max(wanted, n * (factor * half / distance) ** 2)
    more = math.ceil(wanted - n)
    return None if more > PRACTICAL else max(more, 1)
