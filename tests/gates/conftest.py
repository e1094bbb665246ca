from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shipworthy.estimate.arms import Arms, Context, measure
from shipworthy.estimate.changes import measure_change
from shipworthy.gates.rules import judge
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Tally
from shipworthy.plan.models import Requirement

CONTEXT = Context(evaluation="rows", minimum_group=5)


def tally_of(terms: tuple[Any, ...], cells: Any) -> Tally:
    """A tally of independent rows: cells has shape (slices, terms)."""
    sums = np.asarray(cells, dtype=float)
    rows = sums.sum(axis=1)
    return Tally(
        terms=terms, parts=("group",), keys=tuple((f"g{k}",) for k in range(len(sums))), rows=rows, sums=sums, raw=sums,
        second=sums[:, :, None] * np.eye(len(terms)), units=rows, largest=np.ones(len(sums)),
    )  # fmt: skip


def rates(hits: Any, n: Any, metric: str = "selection_rate") -> Arms:
    """Arms of one proportion: hits of n in every group."""
    hits, n = np.asarray(hits), np.asarray(n)
    return measure(lookup(metric, "binary"), tally_of(((0,), (1,)), np.stack([n - hits, hits], axis=1)), CONTEXT)


def outcomes(cells: Any, *metrics: str) -> list[Arms]:
    """Arms of metrics from TN, FP, FN, TP in every group."""
    tally = tally_of(((0, 0), (0, 1), (1, 0), (1, 1)), cells)
    return [measure(lookup(metric, "binary"), tally, CONTEXT) for metric in metrics]


def paired(cells: Any) -> Arms:
    """Arms of a paired change of accuracy: in every group counts of (both wrong, gained, lost, both right)."""
    tally = tally_of(((1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)), cells)
    return measure_change(lookup("accuracy", "binary"), tally, CONTEXT, baseline="old")  # type: ignore[arg-type]


def requirement(**settings: Any) -> Requirement:
    return Requirement(**{"id": "R", "metric": "selection_rate", "across": "group"} | settings)


@pytest.fixture(scope="session")
def build() -> SimpleNamespace:
    """Arms from counts, without any rows."""
    return SimpleNamespace(
        tally_of=tally_of, rates=rates, outcomes=outcomes, paired=paired, requirement=requirement, context=CONTEXT
    )


@pytest.fixture
def shares() -> Callable[..., dict[str, float]]:
    """How often each verdict comes out, over draws of the arms."""

    def run(draw: Callable[[np.random.Generator], list[Arms]], *, runs: int, seed: int = 1, reference: int | None = None,
            **bound: Any) -> dict[str, float]:  # fmt: skip
        rng, asked, seen = np.random.default_rng(seed), requirement(**bound), Counter[str]()
        for _ in range(runs):
            arms = draw(rng)
            key = None if reference is None else arms[0].slices[reference]
            seen[judge(asked, "rows", arms, reference=key).outcome.value] += 1
        return {name: seen[name] / runs for name in ("met", "breached", "undecided")}

    return run
