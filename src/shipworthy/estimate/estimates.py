"""The record of one estimated quantity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Comparison: TypeAlias = Literal["value", "difference", "ratio", "change"]
SliceKey: TypeAlias = Mapping[
    str, "str | int | float | bool | None"
]  # column -> value; {} is everyone; {"name": ...} a condition


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Estimate:
    """A value with its interval, or the reason why there is none."""

    evaluation: str
    metric: str
    compare: Comparison = "value"
    slice: SliceKey
    reference: SliceKey | None = None  # the other slice of a difference or ratio: `slice` minus, or over, `reference`
    variant: str | None = None  # None: the main predictions
    baseline: str | None = None  # the other side of a change: `variant` minus `baseline`
    value: float | None  # None only with a `reason`
    low: float | None  # None without an interval, or where the limit does not exist at this n
    high: float | None
    level: float  # two-sided confidence level of (low, high)
    n: int  # cases in the denominator, after exclusions
    effective_n: float | None  # cases with an outcome, divided by the design effect of clusters and weights
    method: str | None
    reason: str | None = None  # why there is no value, or no interval
    missing: int = 0  # cases of n without a known outcome: (low, high) holds whatever it was

    def __repr__(self) -> str:
        where = ", ".join(f"{column}={level}" for column, level in self.slice.items()) or "everyone"
        if self.value is None:
            return f"<Estimate {self.metric}, {where}: none ({self.reason})>"
        low, high = ("-" if limit is None else f"{limit:.4g}" for limit in (self.low, self.high))
        return f"<Estimate {self.metric}, {where}: {self.value:.4g} ({low} to {high}), n={self.n}>"

    def as_json(self) -> dict[str, object]:
        """The estimate as `shipworthy/results@1` writes it."""
        record: dict[str, object] = {
            "evaluation": self.evaluation,
            "metric": self.metric,
            "compare": self.compare,
            "slice": dict(self.slice),
            "variant": self.variant,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "n": self.n,
            "effective_n": self.effective_n,
            "method": self.method,
            "reason": self.reason,
        }
        if self.reference is not None:
            record["reference"] = dict(self.reference)
        if self.missing:
            record["missing"] = self.missing
        if self.baseline is not None:
            record["baseline"] = self.baseline
        return record
