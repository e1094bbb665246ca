"""How long things take, where some are not finished yet: Kaplan-Meier, and limits for its quantiles.

A thing that is still open counts for as long as it has been open. To leave it out, or to end it now, would make
whatever takes long look fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from shipworthy.errors import NotEstimable
from shipworthy.stats.interval import Array, Interval, critical


@dataclass(frozen=True, kw_only=True, slots=True)
class Survival:
    """The Kaplan-Meier estimate at each time at which something ended. Every array has one entry for each such time."""

    times: Array  # distinct, rising
    at_risk: Array  # open just before
    ended: Array
    survival: Array  # share still open just after
    variance: Array  # Greenwood's, of log survival; infinite where survival is 0


def kaplan_meier(durations: ArrayLike, ended: ArrayLike) -> Survival:
    """The share that is still open, by duration.

    durations: shape (n,), >= 0, finite. ended: shape (n,), whether it ended then; else it was open still, and goes on
    for longer. One that ends and one that is left open at the same time: the open one counts as at risk.
    Censoring must not depend on how long a thing would have taken. Raises NotEstimable without durations.
    Source: Kaplan and Meier (1958), J. Am. Stat. Assoc. 53, 457-481; Greenwood (1926), The natural duration of cancer.
    """
    t, d = np.asarray(durations, dtype=float), np.asarray(ended, dtype=bool)
    if t.ndim != 1 or t.shape != d.shape:
        raise ValueError("durations and ended must have one dimension and the same length")
    if not np.all(np.isfinite(t) & (t >= 0)):
        raise ValueError("durations must be finite, and at least 0")
    if t.size == 0:
        raise NotEstimable("no durations: how long nothing takes has no value")
    times = np.unique(t[d])
    at_risk = np.array([np.count_nonzero(t >= one) for one in times], dtype=float)
    ends = np.array([np.count_nonzero(d & (t == one)) for one in times], dtype=float)
    left = at_risk - ends
    with np.errstate(divide="ignore"):
        variance = np.cumsum(ends / (at_risk * left))
    return Survival(times=times, at_risk=at_risk, ended=ends, survival=np.cumprod(left / at_risk), variance=variance)


def survival_quantile(
    durations: ArrayLike, ended: ArrayLike, q: float, *, level: float = 0.95
) -> tuple[float, Interval]:
    """The duration within which a share q has ended, with its limits.

    q: in (0, 1); 0.5 is the median. durations, ended: as `kaplan_meier`. level: two-sided, in (0, 1).
    Returns the smallest duration at which the share still open is at most 1 - q, or infinity where that is not reached
    yet; and the Brookmeyer-Crowley interval on the log-log scale: durations at which a test would not tell that share
    from 1 - q. A limit that does not exist is infinite: -inf the lower,
    inf the upper one.
    Raises NotEstimable without durations. Source: Brookmeyer and Crowley (1982), Biometrics 38, 29-41; log-log scale as
    in Collett (2015), Modelling Survival Data in Medical Research, 3rd edition, section 2.4.
    """
    if not 0 < q < 1:
        raise ValueError(f"q must be in (0, 1). Got {q!r}")
    curve, z = kaplan_meier(durations, ended), float(critical(level))
    wanted = 1 - q + 1e-12  # products of fractions do not come out exactly
    inside = curve.survival > 0
    s = curve.survival[inside]
    error = z * np.sqrt(curve.variance[inside]) / np.abs(np.log(s))
    low, high = s ** np.exp(error), s ** np.exp(-error)
    times = curve.times[inside]
    value = _first(curve.times, curve.survival <= wanted, np.inf)
    return value, Interval(min(_first(times, low <= wanted, -np.inf), value), _first(times, high <= wanted, np.inf))


def _first(times: Array, reached: ArrayLike, otherwise: float) -> float:
    where = np.flatnonzero(reached)
    return float(times[where[0]]) if where.size else otherwise
