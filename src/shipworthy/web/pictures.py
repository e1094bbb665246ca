"""What pages draw: the claims of a run against their bounds, and a requirement over its runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from markupsafe import Markup

from shipworthy.api.pages import History, Measured
from shipworthy.api.slicing import Slice
from shipworthy.charts import forest, history, svg
from shipworthy.charts.axis import Axis, axis
from shipworthy.charts.forest import Forest
from shipworthy.estimate.estimates import Estimate
from shipworthy.present import numbers
from shipworthy.present.verdicts import mark
from shipworthy.present.vocabulary import words


def claim(it: Measured, beside: Iterable[Measured] = ()) -> Forest | None:
    """The interval of a verdict against its bound; beside: others of the page, which share its axis."""
    if it.estimate is None:
        return None
    return Forest(
        title=it.claim,
        metric=it.estimate.metric,
        compare=it.estimate.compare,
        axis=_axis(it.estimate, [it, *beside]),
        rows=(replace(forest.row(it.estimate), mark=mark(it.verdict)),),
        bounds=it.good,
    )


def of_slices(found: Sequence[Slice]) -> Forest | None:
    """Slices of one metric on one axis; None where there are none."""
    if not found:
        return None
    return forest.of_estimates([one.estimate for one in found], title=words(found[0].estimate.metric).title)


def share(name: str, value: float, low: float | None, high: float | None, *, n: int) -> Markup:
    """A share with its interval, on an axis from 0 to 1."""
    estimate = Estimate(
        evaluation="", metric="share", slice={}, value=value, low=low, high=high, level=0.95, n=n, effective_n=n,
        method=None,
    )  # fmt: skip
    return svg.bar(replace(forest.row(estimate), name=name), axis=axis([0.0, 1.0], floor=0.0, ceiling=1.0))


def over_runs(it: History, *, tall: bool = False) -> Markup:
    """A requirement over its runs."""
    newest = it.points[-1]
    known = [one for one in it.points if one.estimate is not None]
    if newest.estimate is None or not known:
        return Markup("")
    metric, compare = newest.estimate.metric, newest.estimate.compare
    axis = _axis(newest.estimate, known, zero=False)
    moments = [
        history.Moment(
            name=one.version, mark=mark(one.verdict),
            text=numbers.estimate(one.estimate) if one.estimate else "nothing was measured",
            value=one.estimate.value if one.estimate else None, low=one.estimate.low if one.estimate else None,
            high=one.estimate.high if one.estimate else None,
        )
        for one in it.points
    ]  # fmt: skip
    ends = (axis.low, axis.high) if not tall else axis.ticks
    labels = [(at, numbers.bound_value(at, metric, compare)) for at in ends]
    picture = history.History(
        title=it.claim or it.requirement, axis=axis, moments=moments, bounds=newest.good
    )  # fmt: skip
    return history.history(picture, tall=tall, labels=labels)


def _axis(estimate: Estimate, beside: Sequence[Measured], *, zero: bool = True) -> Axis:
    """One axis for everything of one metric and comparison."""
    same = [
        one
        for one in beside
        if one.estimate is not None
        and (one.estimate.metric, one.estimate.compare) == (estimate.metric, estimate.compare)
    ]
    ends = [end for one in same for end in one.good]
    found = [one.estimate for one in same if one.estimate is not None]
    return forest.fit(found, metric=estimate.metric, compare=estimate.compare, bounds=ends, zero=zero)
