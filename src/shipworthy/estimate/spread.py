"""How far slices lie apart in general: the standard deviation between them, freed of sampling noise."""

from __future__ import annotations

import numpy as np

from shipworthy.errors import NotEstimable
from shipworthy.estimate.arms import Arms
from shipworthy.estimate.estimates import Estimate
from shipworthy.stats.disparity import between_group_sd, between_group_sd_interval


def between_slices(arms: Arms, *, level: float, rng: np.random.Generator) -> Estimate | None:
    """Bias-corrected standard deviation of a proportion between the slices; None where counts are not binomial."""
    known = np.array([reason is None for reason in arms.reasons]) & (arms.n >= 2)
    if not arms.is_proportion or arms.method != "wilson" or known.sum() < 3:
        return None
    n = arms.n[known].astype(int)
    hits = np.rint(arms.values[known] * n).astype(int)
    try:
        value = between_group_sd(hits, n)
        low, high = between_group_sd_interval(hits, n, rng=rng, level=level)
    except NotEstimable:
        return None
    return Estimate(
        evaluation=arms.evaluation,
        metric=f"sd between slices of {arms.metric}",
        slice={},
        variant=arms.variant,
        value=float(value),
        low=float(low),
        high=float(high),
        level=level,
        n=int(n.sum()),
        effective_n=float(n.sum()),
        method="double-corrected bootstrap",
    )
