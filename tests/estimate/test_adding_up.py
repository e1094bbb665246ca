"""Corrected rates of outcomes that several scorers add up to: what counts as labelled decides whether they are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from shipworthy.estimate.arms import Context
from shipworthy.estimate.outcomes import PARTS, STRATA, SURE, measure_outcome, term
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Tally

METRIC: Any = lookup("violation_rate", "generative")


def corrected(counts: np.ndarray) -> Any:
    """counts: (parts, strata) of one slice of independent rows."""
    raw = counts.reshape(1, -1).astype(float)
    rows = counts[0].sum(keepdims=True).astype(float)
    tally = Tally(
        terms=tuple(term(METRIC, stratum, part) for part in PARTS for stratum in (*STRATA, *SURE)),
        parts=(),
        keys=((),),
        rows=rows,
        sums=raw,
        raw=raw,
        second=np.zeros((1, raw.shape[1], raw.shape[1])),  # not read: rows are independent
        units=rows,
        largest=np.ones(1),
    )
    context = Context(evaluation="e", minimum_group=1)
    return measure_outcome(METRIC, tally, context, judged=True, labelled=True).estimates(0.95)[0]


def test_what_needs_no_label_counts_as_it_is():
    """100 rows of a judge, half of whose yes are wrong, beside 100 that a canary settled: 60 leaks."""
    found = corrected(np.array([[40, 60, 0, 60, 40], [20, 30, 0, 60, 40], [10, 0, 0, 60, 0]]))
    assert found.value == pytest.approx((40 * 0.5 + 60) / 200)
    only = corrected(np.array([[0, 0, 0, 60, 40], [0, 0, 0, 60, 40], [0, 0, 0, 60, 0]]))
    assert only.value == pytest.approx(0.6)  # nobody is asked for labels where no judge spoke


@pytest.mark.slow
def test_leaks_beside_a_labelled_judge_are_covered_against_simulation():
    """Half of the cases are told by a canary alone. Pooled with the judge's verdicts, 3 % of intervals held the truth."""
    rng, runs, hits = np.random.default_rng(1), 300, 0
    for _ in range(runs):
        keeps = rng.random(2_000) < 0.5
        truth = rng.random(2_000) < np.where(keeps, 0.10, 0.03)
        said = np.where(keeps, truth, rng.random(2_000) < np.where(truth, 0.9, 0.08))
        where = [~keeps & said, ~keeps & ~said, np.zeros(2_000, dtype=bool), keeps & truth, keeps & ~truth]
        seen = keeps | (rng.random(2_000) < 0.2)
        found = corrected(np.array([[part.sum() for part in where], [(part & seen).sum() for part in where],
                                    [(part & seen & truth).sum() for part in where]]))  # fmt: skip
        hits += found.low <= 0.065 <= found.high
    assert binomtest(hits, runs, 0.95, alternative="less").pvalue > 1e-3
