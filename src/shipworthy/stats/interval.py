"""The pair of limits that every interval function returns."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Array: TypeAlias = NDArray[np.float64]
Number: TypeAlias = "float | Array"


class Interval(NamedTuple):
    """Lower and upper confidence limit, on the scale of the estimate.

    Both are floats, or both arrays of one shape. A limit that does not exist at this sample size is -inf or +inf.
    """

    low: Number
    high: Number


def critical(level: float, df: Number | None = None) -> Number:
    """Two-sided critical value: the normal quantile, or Student's t with `df` degrees of freedom.

    level: two-sided confidence level in (0, 1). For a one-sided bound at error alpha pass level = 1 - 2 * alpha.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1). Got {level!r}")
    tail = (1 + level) / 2
    if df is None:
        return float(ndtri(tail))
    quantile = stdtrit(df, tail)
    return float(quantile) if np.ndim(quantile) == 0 else quantile
