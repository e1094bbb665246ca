"""Calibration curves, as the report draws them."""

from __future__ import annotations

from dataclasses import dataclass

from shipworthy.estimate.estimates import SliceKey


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """One bin of scores: how often the event happened among the cases scored there."""

    score: float  # mean score in the bin
    rate: float  # observed share of positives
    low: float  # Wilson limits of `rate`
    high: float
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationCurve:
    """Observed rate against score, for one slice."""

    evaluation: str
    slice: SliceKey
    variant: str | None
    points: tuple[CurvePoint, ...]
    is_probability: bool  # False: scores are not in [0, 1], so there is no diagonal to compare with
