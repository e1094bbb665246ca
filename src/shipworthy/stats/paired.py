"""Two versions on the same cases: paired proportions from the four counts, and per-unit differences.

The four counts are a: both succeed, b: only the first, c: only the second, d: neither.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, chdtrc, stdtr

from shipworthy.errors import NotEstimable
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.interval import Array, Interval, Number, critical
from shipworthy.stats.mean import mean_t
from shipworthy.stats.proportion import as_interval, crossing, plain, wilson

McNemar = Literal["asymptotic", "corrected", "exact", "mid-p"]

MOST_FLIPPED = 20  # units of which all 2^units sets are visited
ROUNDING = 1e-12  # relative


def mcnemar(b: ArrayLike, c: ArrayLike, *, method: McNemar = "mid-p") -> Number:
    """Two-sided McNemar p-value for equal success rates of two versions on the same cases.

    b, c: counts of cases that only the first, only the second version got right; whole numbers >= 0, broadcast.
    method: "mid-p" holds its level and loses no power; "exact" is conservative (type I error .022 at n = 100 with 10 %
    discordant); "asymptotic" is (b - c)^2 / (b + c) on chi-squared; "corrected" subtracts 1 from |b - c|.
    Returns p in (0, 1], 1 where b + c == 0. Raises ValueError on impossible counts and unknown methods.
    Source: McNemar (1947), Psychometrika 12; Fagerland, Lydersen and Laake (2013), BMC Med. Res. Methodol. 13:91.
    """
    first, second = np.broadcast_arrays(np.asarray(b, dtype=float), np.asarray(c, dtype=float))
    if not np.all((first >= 0) & (second >= 0) & (first % 1 == 0) & (second % 1 == 0)):
        raise ValueError(f"discordant counts must be whole numbers >= 0. Got {b!r} and {c!r}")
    total, gap = first + second, np.abs(first - second)
    fewer = np.minimum(first, second)
    if method in ("asymptotic", "corrected"):
        distance = np.maximum(gap - 1, 0) if method == "corrected" else gap
        p = chdtrc(1, distance**2 / np.maximum(total, 1))
    elif method in ("exact", "mid-p"):
        tail = bdtr(fewer, total.astype(int), 0.5)
        point = tail - np.where(fewer > 0, bdtr(np.maximum(fewer - 1, 0), total.astype(int), 0.5), 0)
        p = np.minimum(2 * tail, 1)
        if method == "mid-p":
            p = p - np.where(gap > 0, point, point / 2)
    else:
        raise ValueError(f"method must be 'asymptotic', 'corrected', 'exact' or 'mid-p'. Got {method!r}")
    return plain(np.where(total > 0, p, 1.0))


def tango(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike, *, level: float = 0.95) -> Interval:
    """Tango score interval for p1 - p2 = (b - c) / n on paired cases: all differences that the score test keeps.

    a, b, c, d: counts >= 0 of pairs (both succeed, only first, only second, neither), broadcast; may be fractional.
    level: two-sided, in (0, 1). Limits in [-1, 1], bisected to the precision of a double.
    Raises NotEstimable without pairs. Small n, nominal .95, exact enumeration over discordant shares .05-.6 and
    differences up to three quarters of these: coverage at least .951 at n = 10, .946 at 20, .938 at 30, .943 at 50; on
    average .983, .973, .965, .958.
    Source: Tango (1998), Stat. Med. 17, 891-908.
    """
    a, b, c, d = _table(a, b, c, d)
    n = a + b + c + d
    z = critical(level)

    def lower(b: Array, c: Array) -> Array:
        estimate = (b - c) / n

        def rejected(delta: Array) -> NDArray[np.bool_]:
            linear = (2 * n - b + c) * delta - b - c
            root = np.sqrt(np.maximum(linear**2 + 8 * n * c * delta * (1 - delta), 0))
            second = np.maximum((root - linear) / (4 * n), 0)  # P(only the second) at the likelihood's maximum
            variance = np.maximum(2 * second + delta * (1 - delta), 0) / n
            return np.asarray(estimate - delta > z * np.sqrt(variance))

        return crossing(rejected, np.full_like(n, -1), estimate)

    return as_interval(lower(b, c), -lower(c, b))


def newcombe_paired(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike, *, level: float = 0.95) -> Interval:
    """Newcombe square-and-add interval for p1 - p2 on paired cases: MOVER on two Wilson intervals with correlation.

    Arguments, scale and errors as `tango`. The correlation is phi, shrunk towards 0 by a continuity correction.
    Source: Newcombe (1998c), Stat. Med. 17, 2635-2650, method 10.
    """
    a, b, c, d = _table(a, b, c, d)
    n = a + b + c + d
    excess = a * d - b * c
    excess = np.where(excess > 0, np.maximum(excess - n / 2, 0), excess)
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    phi = np.clip(np.divide(excess, np.sqrt(margins), out=np.zeros_like(n), where=margins > 0), -1, 1)
    first, second = a + b, a + c
    arms = wilson(first, n, level=level), wilson(second, n, level=level)
    return mover_difference(first / n, arms[0], second / n, arms[1], correlation=phi)


def bonett_price(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike, *, level: float = 0.95) -> Interval:
    """Bonett-Price interval for p1 - p2 on paired cases: normal, after one more discordant pair each way, clipped.

    Arguments, scale and errors as `tango`. Its centre is pulled towards 0, so it may exclude the plain estimate.
    Source: Bonett and Price (2012), J. Educ. Behav. Stat. 37, 479-488.
    """
    a, b, c, d = _table(a, b, c, d)
    n = a + b + c + d + 2
    first, second = (b + 1) / n, (c + 1) / n
    gap = first - second
    half = critical(level) * np.sqrt(np.maximum(first + second - gap**2, 0) / n)
    return as_interval(np.clip(gap - half, -1, 1), np.clip(gap + half, -1, 1))


def sign_flip_interval(totals: ArrayLike, sizes: ArrayLike | None = None, *, level: float = 0.95) -> Interval:
    """All means of per-unit differences that a sign-flip permutation test keeps; for few units.

    totals: one finite sum of differences per independent unit (prompt, family, user), shape (units,), at most
    MOST_FLIPPED; sizes: what it is a sum of, above 0, None for 1 each. level: two-sided; each limit errs with chance
    (1 - level) / 2 at most, where a unit's total lies as often above as below what its size lets expect.
    The limits are order statistics of the means of all 2^units - 1 sets of units; none (-inf, inf) where the test can
    reject nothing: with 5 units its smallest two-sided p is 2 / 2^5 = .063.
    Raises NotEstimable without units or with more than MOST_FLIPPED.
    Source: Fisher (1935), The Design of Experiments; Hartigan (1969), JASA 64, 1303-1317, for its inversion.
    """
    units = _units(totals)
    weights = np.ones(units.size) if sizes is None else np.asarray(sizes, dtype=float)
    if weights.shape != units.shape or not np.all(np.isfinite(weights) & (weights > 0)):
        raise ValueError("sizes must be one number above 0 per unit")
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1). Got {level!r}")
    if units.size > MOST_FLIPPED:
        raise NotEstimable(f"{units.size} units: too many sets of them to visit, and enough for Student's t")
    sums, cases = np.zeros(1), np.zeros(1)
    for total, size in zip(units, weights, strict=True):
        sums, cases = np.concatenate([sums, sums + total]), np.concatenate([cases, cases + size])
    kept = int((1 - level) / 2 * sums.size * (1 + ROUNDING))  # patterns that a rejection may leave as extreme
    if kept < 1:
        return Interval(-np.inf, np.inf)
    means = np.sort(sums[1:] / cases[1:])
    return Interval(float(means[kept - 1]), float(means[-kept]))


def paired_mean(differences: ArrayLike, *, level: float = 0.95) -> Interval:
    """Student-t interval for the mean of per-unit differences: the interval for epochs, clusters and scores.

    differences: one finite number per independent unit, shape (units,); average a unit's trials first.
    Returns an Interval on the scale of the differences; no limits (-inf, inf) where all are equal, for then their
    spread is unknown. Raises NotEstimable below 2 units. Source: Miller (2024), arXiv 2411.00640.
    """
    units = _units(differences)
    return mean_t(units.mean(), _spread(units), units.size, level=level)


def non_inferiority(differences: ArrayLike, *, margin: float) -> float:
    """One-sided t-test p-value against a mean per-unit difference of -margin or less: small where no worse by margin.

    differences: as in `paired_mean`, higher is better; margin >= 0 on their scale. 1 where all differences are equal.
    Raises NotEstimable below 2 units. Source: Schuirmann (1987), J. Pharmacokinet. Biopharm. 15, one of the two tests.
    """
    units = _units(differences)
    if not margin >= 0:
        raise ValueError(f"margin must not be negative. Got {margin!r}")
    if units.size < 2:
        raise NotEstimable("only 1 unit: its spread is unknown")
    error = _spread(units) / np.sqrt(units.size)
    return float(stdtr(units.size - 1, -(units.mean() + margin) / error)) if error > 0 else 1.0


def _table(*cells: ArrayLike) -> list[Array]:
    table = [np.asarray(cell, dtype=float) for cell in np.broadcast_arrays(*cells)]
    if not all(np.all((cell >= 0) & np.isfinite(cell)) for cell in table):
        raise ValueError(f"pair counts must be finite and not negative. Got {cells!r}")
    if np.any(sum(table) == 0):
        raise NotEstimable("no pairs: nothing was measured under both versions")
    return table


def _units(differences: ArrayLike) -> Array:
    units = np.asarray(differences, dtype=float)
    if units.ndim != 1 or not np.all(np.isfinite(units)):
        raise ValueError("differences must be one finite number per unit")
    if units.size == 0:
        raise NotEstimable("no units: nothing was measured under both versions")
    return units


def _spread(units: Array) -> float:
    """Standard deviation, exactly 0 where all units are equal: rounding in the mean must not look like spread."""
    return float(units.std(ddof=1)) if units.size > 1 and np.ptp(units) > 0 else 0.0
