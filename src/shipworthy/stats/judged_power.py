"""How many cases, and how many labels of people, a claim about judge-corrected rates needs before there are any.

The chance of a verdict is counted over runs drawn from an assumed rate and an assumed judge, on the limits that decide
such a claim. Draws come from the same seed for every size, so that sizes are compared on the same luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from shipworthy.errors import NotEstimable
from shipworthy.stats.cluster import kish_design_effect
from shipworthy.stats.interval import Array, Interval, critical
from shipworthy.stats.judged import Corrected, strat_mover
from shipworthy.stats.proportion import clopper_pearson

# values, lower and upper limits of the arms, (runs, arms) each -> (runs,) whether the claim is met
Met: TypeAlias = Callable[[Array, Array, Array], Array]

RUNS = 1_000
SURE = 2.0  # standard errors of the count of runs that a planned chance lies above the wanted one
FEWEST_LABELS = 10  # per verdict; fewer say next to nothing
MOST_CASES = 10_000_000
CLOSE = 1.03  # ratio of the ends at which a search stops
ANSWERS = 2.0  # cases planned, over those that would do if all were labelled: answers are cheap, labels are not


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedArm:
    """What is assumed of an arm (a slice, or a version of one)."""

    rate: float  # true share of hits, in [0, 1]
    sensitivity: float  # share of hits that the judge calls one, in [0, 1]
    specificity: float  # share of the others that it does not
    cluster: int = 1  # cases in a cluster
    icc: float = 0.0  # how alike they are, in [0, 1]

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not all(0 <= value <= 1 for value in (self.rate, self.sensitivity, self.specificity, self.icc)):
            raise ValueError(f"rate, sensitivity, specificity and icc must be in [0, 1]. Got {self!r}")
        if self.cluster < 1:
            raise ValueError(f"cluster must be at least 1. Got {self.cluster!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedSize:
    """What each arm needs."""

    cases: int  # judged
    labels: int  # of people, on each verdict of the judge, or on all of its cases where it has fewer


def judged_size(
    arm: JudgedArm, arms: int, met: Met, *, alpha: float = 0.05, power: float = 0.9, start: int = 100
) -> JudgedSize:
    """Cases and labels per verdict with which a claim about `arms` like arms comes out met with chance `power`.

    met: the claim, from one-sided limits at error alpha. start: cases from which to look. Cases are ANSWERS times as
    many as would do if every one were labelled; labels are then the fewest that do. Clusters are judged as if the cases
    of each were all alike, as the gate does where few labels show how alike they are.
    Raises NotEstimable where MOST_CASES do not do.
    """
    if not 0 < alpha < 0.5 or not 0 < power < 1 or arms < 1:
        raise ValueError(f"a plan needs 0 < alpha < .5, 0 < power < 1 and an arm. Got {alpha!r}, {power!r}, {arms!r}")
    wanted = power + SURE * math.sqrt(power * (1 - power) / RUNS)

    def chance(cases: int, labels: int) -> float:
        found = simulated(arm, arms, cases, labels, level=1 - 2 * alpha)
        return float(np.mean(met(*(np.asarray(part) for part in (found.estimate, *found.interval)))))

    def least(enough: Callable[[int], bool], low: int, high: int) -> int:
        """Smallest number in (low, high] with enough(), as closely as CLOSE; enough(high) holds."""
        while high > max(low * CLOSE, low + 1):
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    wanted = min(wanted, (1 + power) / 2)
    below, cases = 0, max(start, 10 * arm.cluster)
    while chance(cases, cases) < wanted:
        below, cases = cases, 2 * cases
        if cases > MOST_CASES:
            raise NotEstimable(f"more than {MOST_CASES:,} cases would be needed, even if people labelled all of them")
    cases = math.ceil(ANSWERS * least(lambda n: chance(n, n) >= wanted, below, cases))
    fewest = 1 if chance(cases, FEWEST_LABELS) >= wanted else FEWEST_LABELS
    labels = FEWEST_LABELS if fewest == 1 else least(lambda n: chance(cases, n) >= wanted, fewest, cases)
    return JudgedSize(cases=cases, labels=labels)


def simulated(arm: JudgedArm, arms: int, cases: int, labels: int, *, level: float, runs: int = RUNS) -> Corrected:
    """Corrected rates of `arms` like arms in as many runs, shape (runs, arms), with the limits that a gate judges on.

    cases: judged, in each arm; labels: drawn at random from each verdict, as far as it has cases.
    """
    rng, shape = np.random.default_rng(0), (runs, arms)
    worth = max(round(cases / float(kish_design_effect(arm.cluster, arm.icc))), 1)
    hits = np.rint(rng.binomial(worth, arm.rate, shape) * (cases / worth)).astype(np.int64)
    caught, alarmed = rng.binomial(hits, arm.sensitivity), rng.binomial(cases - hits, 1 - arm.specificity)
    judged = np.stack([caught + alarmed, cases - caught - alarmed], axis=-1)
    true = np.stack([caught, hits - caught], axis=-1)
    labelled = np.minimum(judged, labels)
    positives = np.where(judged > 0, rng.hypergeometric(true, judged - true, np.minimum(labelled, judged)), 0)
    drawn = None
    if arm.cluster > 1:
        unseen = np.where(labelled > 0, 0, judged)
        known = np.divide(positives, labelled, out=np.zeros(judged.shape), where=labelled > 0) * judged
        rates = (known.sum(axis=-1) / cases, (known + unseen).sum(axis=-1) / cases)
        sure = cases / arm.cluster
        sure *= (float(critical(level)) / float(critical(level, max(sure - 1, 1)))) ** 2
        low, high = (clopper_pearson(rate * sure, sure, level=level)[side] for side, rate in enumerate(rates))
        drawn = Interval(low, high)
    return strat_mover(judged, labelled, positives, working=[1, 0], level=level, method="clopper-pearson", drawn=drawn)
