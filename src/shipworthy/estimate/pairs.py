"""Differences and ratios between the slices of an axis, every ordered pair at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from shipworthy.estimate.arms import Arms
from shipworthy.estimate.estimates import Estimate
from shipworthy.observations.tally import Array
from shipworthy.stats.ranged import Ranged, ranged_difference, ranged_ratio


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Ordered pairs of slices (first against second) of one metric."""

    arms: Arms
    first: np.ndarray[tuple[int], np.dtype[np.int64]]  # (P,)
    second: np.ndarray[tuple[int], np.dtype[np.int64]]  # (P,)
    compare: Literal["difference", "ratio"]

    @cached_property
    def values(self) -> Array:
        """(P,) first minus, or over, second; NaN where one of them has no value, or they have no ratio."""
        return self._compared(self.arms.values, self.arms.values)

    @cached_property
    def ends(self) -> tuple[Array, Array]:
        """(P,) each: `values` if all that is missing made them least, and if it made them greatest."""
        least, greatest = self.arms.ends or (self.arms.values, self.arms.values)
        return self._compared(least, greatest), self._compared(greatest, least)

    def _compared(self, first: Array, second: Array) -> Array:
        a, b = (np.where(np.isfinite(side), side, np.nan) for side in (first, second))
        a, b = a[self.first], b[self.second]
        if self.compare == "difference":
            return np.asarray(a - b)
        return np.asarray(np.divide(a, b, out=np.full(len(a), np.nan), where=(a >= 0) & (b > 0)))

    def limits(self, level: float, *, exact: bool = False) -> tuple[Array, Array]:
        """(P,) limits at a two-sided level, by MOVER on the slices' own limits; infinite where there is none.

        Where outcomes are missing: one slice at the end where they are all hits, the other where none is.
        exact: on the limits that the gate uses for one slice. A claim that two proportions are close is then met by
        luck at most as often as declared, at any size; with Wilson's limits up to 7 % of the time for 20 cases against
        400.
        """
        low, high = (self.arms.gate or self.arms.limits)(level) if exact else self.arms.limits(level)
        a, b = self.first, self.second
        least, greatest = self.arms.ends or (self.arms.values, self.arms.values)
        finite = np.isfinite(low) & np.isfinite(high) & np.isfinite(least) & np.isfinite(greatest)
        known = ~np.isnan(self.values) & finite[a] & finite[b]
        lower, upper = np.full(len(a), -np.inf), np.full(len(a), np.inf)
        i, j = a[known], b[known]
        if len(i):
            together: Array | float = -1.0 if self.arms.straddling else 0.0  # at worst, where it is unknown
            correlation = together, together
            if self.arms.correlation is not None:
                back = self.arms.correlation if self.arms.ends is None else self.arms.correlation.T
                correlation = self.arms.correlation[i, j], back[i, j]
            first, second = (Ranged(low[at], least[at], greatest[at], high[at]) for at in (i, j))
            between = ranged_difference if self.compare == "difference" else ranged_ratio
            lower[known], upper[known] = between(first, second, correlation=correlation)
        return lower, upper

    def estimate(self, index: int, low: float, high: float, level: float, method: str) -> Estimate:
        """One pair as a record."""
        a, b = int(self.first[index]), int(self.second[index])
        value = float(self.values[index])
        reason = self.arms.reason(a) or self.arms.reason(b)
        if reason is None and np.isnan(value):
            zero = self.arms.values[b] == 0
            reason = "what it is divided by is zero" if zero else "a ratio of values below zero says nothing"
        return Estimate(
            evaluation=self.arms.evaluation,
            metric=self.arms.metric,
            compare=self.compare,
            slice=self.arms.slices[a],
            reference=self.arms.slices[b],
            variant=self.arms.variant,
            value=None if reason else value,
            low=None if reason or not np.isfinite(low) else float(low),
            high=None if reason or not np.isfinite(high) else float(high),
            level=level,
            n=int(self.arms.n[a] + self.arms.n[b]),
            effective_n=None if reason else float(self.arms.effective[a] + self.arms.effective[b]),
            method=None if reason else method,
            reason=reason or (None if np.isfinite(low) or np.isfinite(high) else self.arms.limits_reason),
            missing=0 if self.arms.missing is None else int(self.arms.missing[a] + self.arms.missing[b]),
        )


def all_pairs(arms: Arms, compare: Literal["difference", "ratio"]) -> Pairs:
    """Every slice against every other, in both orders."""
    size = len(arms.slices)
    first, second = np.nonzero(~np.eye(size, dtype=bool))
    return Pairs(arms=arms, first=first, second=second, compare=compare)


def against(arms: Arms, reference: int, compare: Literal["difference", "ratio"]) -> Pairs:
    """Every other slice against one reference slice."""
    others = np.array([index for index in range(len(arms.slices)) if index != reference], dtype=np.int64)
    return Pairs(arms=arms, first=others, second=np.full(len(others), reference), compare=compare)
