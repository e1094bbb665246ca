"""Difference and ratio of estimates that are known only up to a range, such as shares with missing outcomes.

What is not known does not average out: an arm lies anywhere between its least and its greatest completion (Horowitz &
Manski 2000, J. Am. Stat. Assoc. 95, 77-84), and both arms may lie at their worst ends together. So ends are added as
they are, and MOVER squares and adds only what sampling leaves open beyond them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shipworthy.stats.difference import mover_difference
from shipworthy.stats.interval import Interval, Number
from shipworthy.stats.ratio import mover_ratio


class Ranged(NamedTuple):
    """An estimate at either end of what is not known, and the limits beyond. Floats, or arrays of one shape.

    Where nothing is missing both ends are the estimate itself, and (low, high) its interval.
    """

    low: Number  # lower limit of `least`
    least: Number
    greatest: Number
    high: Number  # upper limit of `greatest`


Correlations = tuple[ArrayLike, ArrayLike]  # of (first at least, second at greatest) and (greatest, least), in [-1, 1]


def ranged_difference(first: Ranged, second: Ranged, *, correlation: Correlations = (0.0, 0.0)) -> Interval:
    """Limits for first - second, whatever is missing in either: `mover_difference` where nothing is.

    Everything broadcasts. Raises ValueError as `mover_difference` does.
    Source: Newcombe (1998b), Stat. Med. 17, 873-890, method 10; Zou and Donner (2008), Stat. Med. 27, 1693-1702.
    """
    a, b = first, second
    low = mover_difference(a.least, (a.low, a.least), b.greatest, (b.greatest, b.high), correlation=correlation[0]).low
    high = mover_difference(a.greatest, (a.greatest, a.high), b.least, (b.low, b.least), correlation=correlation[1])
    return Interval(low, high.high)


def ranged_ratio(first: Ranged, second: Ranged, *, correlation: Correlations = (0.0, 0.0)) -> Interval:
    """Limits for first / second, whatever is missing in either: `mover_ratio` where nothing is.

    Both are at least 0; a lower limit below 0 counts as 0. No upper limit (+inf) where second's lower limit is 0.
    Everything broadcasts. Raises ValueError as `mover_ratio` does.
    Source: Donner and Zou (2012), Stat. Methods Med. Res. 21, 347-359.
    """
    a, b = (side._replace(low=np.maximum(side.low, 0)) for side in (first, second))
    low = mover_ratio(a.least, (a.low, a.least), b.greatest, (b.greatest, b.high), correlation=correlation[0]).low
    high = mover_ratio(a.greatest, (a.greatest, a.high), b.least, (b.low, b.least), correlation=correlation[1])
    return Interval(low, high.high)
