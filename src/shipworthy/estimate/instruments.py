"""How far a judge can be trusted: its report card, from the answers that people labelled too."""

from __future__ import annotations

from dataclasses import dataclass

from shipworthy.estimate.estimates import SliceKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One figure of a judge, with its interval."""

    name: str  # "sensitivity", "specificity", "AC1", "kappa"
    value: float | None  # None: too few labels to tell
    low: float | None
    high: float | None
    n: int  # labelled answers behind it
    level: float = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeCard:
    """A judge on one slice of one version's answers; `slice` is {} for all of them."""

    evaluation: str
    scorer: str
    variant: str | None
    slice: SliceKey
    judged: int  # answers that it was asked about
    failed: int  # of these, without a verdict
    labelled: int  # of these, with a label of people
    readings: tuple[Reading, ...] = ()  # empty without labels: the judge's numbers are uncorrected
    notes: tuple[str, ...] = ()  # what a reader must know: a sensitivity that differs between slices, say
