"""Safety against usefulness: each version a point with both of its intervals, the bounds as lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shipworthy.charts.axis import Axis, axis
from shipworthy.estimate.estimates import Estimate
from shipworthy.present import numbers
from shipworthy.present.safe import shorten
from shipworthy.present.vocabulary import words


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One version: where it lies on both axes."""

    name: str
    across: Estimate
    up: Estimate
    is_main: bool  # the version that is decided on

    @property
    def said(self) -> str:
        """Both numbers in words."""
        return "; ".join(numbers.estimate(each, named=True, n=True) for each in (self.up, self.across))


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A bound that the plan sets on one of the axes."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Tradeoff:
    """Two metrics of which less is better; the lower left corner is the good one."""

    places: tuple[Place, ...]
    across: Axis
    up: Axis
    bounds_across: tuple[Line, ...] = ()
    bounds_up: tuple[Line, ...] = ()
    names_evaluations: bool = False  # the metrics were measured in several

    @property
    def titles(self) -> tuple[str, str]:
        """What the two axes count, and in which evaluation where there are several."""
        first = self.places[0]
        return self._title(first.across), self._title(first.up)

    def _title(self, it: Estimate) -> str:
        of = f" in {shorten(it.evaluation, 40)}" if self.names_evaluations else ""
        return words(it.metric).title + of


def of_places(
    places: Sequence[Place],
    *,
    bounds_across: Sequence[Line] = (),
    bounds_up: Sequence[Line] = (),
    names_evaluations: bool = False,
) -> Tradeoff:
    """The picture of at least one version; both axes begin at zero and hold every interval and bound."""

    def fitted(estimates: Sequence[Estimate], bounds: Sequence[Line]) -> Axis:
        values = [end for e in estimates for end in (e.value, e.low, e.high)]
        return axis(values, floor=0.0, ceiling=1.0, include=(0.0, *(1.15 * line.at for line in bounds)))

    return Tradeoff(
        places=tuple(places),
        across=fitted([p.across for p in places], bounds_across),
        up=fitted([p.up for p in places], bounds_up),
        bounds_across=tuple(bounds_across),
        bounds_up=tuple(bounds_up),
        names_evaluations=names_evaluations,
    )
