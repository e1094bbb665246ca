"""Slices of a run, as one looks around in them: one metric by one or two attributes, each with its interval and n.

What the run recorded is shown as recorded. What it did not, such as two attributes crossed, is measured from its
rows, where its folder is at hand and unchanged. Looking around is no claim: with many slices some stand out by chance,
so each also has the wider interval that holds for all that are shown at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from shipworthy.api.acting import everyone
from shipworthy.api.intact import plan_of, rows_of
from shipworthy.api.pages import Library, RunRow, absent, asks, find, run_row
from shipworthy.charts import forest
from shipworthy.errors import ShipworthyError, Unusable
from shipworthy.estimate.estimates import Comparison, Estimate
from shipworthy.present import numbers, sentences, slices
from shipworthy.present.safe import shorten
from shipworthy.present.vocabulary import importance

if TYPE_CHECKING:
    import pyarrow as pa

    from shipworthy.observations.table import Observations
    from shipworthy.plan.models import Plan

LEVEL = 0.95
MOST_ROWS = 1_000
MOST_ESTIMATES = 200_000
CONDITIONS = "named conditions"
_COMPARES: tuple[Comparison, ...] = ("value", "difference", "ratio", "change")

Order: TypeAlias = Literal["worst", "highest", "lowest", "largest", "name"]
Source: TypeAlias = Literal["record", "rows", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What to look at. None: the first there is."""

    evaluation: str | None = None
    metric: str | None = None
    compare: Comparison = "value"
    by: str | None = None  # an attribute; None: everyone, and each attribute's first
    across: str | None = None  # a second attribute
    version: str | None = None
    order: Order = "worst"


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """One slice, or one pair of slices."""

    name: str
    estimate: Estimate
    low_of_all: float | None  # limits that hold for all slices at once
    high_of_all: float | None
    for_all: str  # the same, written
    stands_out: bool  # even so, it leaves out the value of everyone, or no gap at all
    missing: str  # how many have no outcome, where the rows, or the record, say so
    alike: str  # what its interval takes for granted


@dataclass(frozen=True, kw_only=True, slots=True)
class SlicesPage:
    """A metric by slices."""

    run: RunRow
    asks: bool  # there may be answers to read
    view: View  # settled
    evaluations: list[str]
    metrics: list[str]
    compares: list[str]
    attributes: list[str]
    versions: list[str]
    everyone: Estimate | None
    slices: list[Slice]
    left_out: int
    level: float
    level_of_all: float | None  # of each interval, for all to hold at `level`
    source: Source
    why: str  # why nothing, or no wider interval, is shown; "" where all is


def slices_page(library: Library, digest: str, view: View) -> SlicesPage:
    """A metric of a run by one or two attributes. Raises Unusable (WEB001)."""
    kept = find(library.record, digest)
    found = _Recorded.of(library.record.estimates(run=kept.facts.digest, limit=MOST_ESTIMATES))
    rows, why = _rows(library, digest)
    view = _settled(view, found, rows)
    of_metric = found.only(view.evaluation, view.metric)
    parts = tuple(dict.fromkeys(one for one in (view.by, view.across) if one))
    shown = [one for one in of_metric if one.compare == view.compare and one.variant == view.version]
    recorded = [one for one in shown if set(one.slice) == _keys(parts) and (parts or one.reference is None)]
    own = _measured(rows, view, parts) if view.compare == "value" and parts and CONDITIONS not in parts else _None()
    source: Source = "record" if recorded else "rows" if own.estimates else "none"
    estimates = recorded or own.estimates
    whole = next((one for one in shown if not one.slice), None) or own.everyone
    wide, measured = ({_key(one): one for one in found} for found in (own.wide, own.estimates))
    told = [_slice(one, measured.get(_key(one)), wide.get(_key(one)), whole) for one in estimates]
    told.sort(key=_ordered(view.order))
    if not estimates:
        why = own.why or why or "the run recorded nothing of this kind; choose another comparison, or other attributes"
    elif own.wide:
        why = ""
    else:
        why = own.why or why or "intervals for all at once are known for values alone"
    return SlicesPage(
        run=run_row(kept, everyone(library.record)), asks=asks(library, kept), view=view,
        evaluations=found.evaluations(rows),
        metrics=found.metrics(view.evaluation),
        compares=[one for one in _COMPARES if one in {each.compare for each in of_metric}],
        attributes=found.attributes(view.evaluation, rows),
        versions=sorted({one.variant for one in of_metric if one.variant}),
        everyone=whole, slices=told[:MOST_ROWS], left_out=max(0, len(told) - MOST_ROWS), level=LEVEL,
        level_of_all=own.level if own.wide else None, source=source, why=why if len(estimates) != 1 else "",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Recorded:
    """The estimates of a run, as the record holds them."""

    estimates: list[Estimate]

    @classmethod
    def of(cls, table: pa.Table) -> _Recorded:
        return cls(estimates=[one for row in table.to_pylist() if (one := _estimate(row)) is not None])

    def only(self, evaluation: str | None, metric: str | None) -> list[Estimate]:
        return [one for one in self.estimates if one.evaluation == evaluation and one.metric == metric]

    def evaluations(self, rows: _Rows | None) -> list[str]:
        return list(
            dict.fromkeys([*(one.evaluation for one in self.estimates), *(rows.plan.evaluations if rows else ())])
        )

    def metrics(self, evaluation: str | None) -> list[str]:
        found = dict.fromkeys(one.metric for one in self.estimates if one.evaluation == evaluation)
        return sorted(found, key=lambda name: (importance(name), list(found).index(name)))

    def attributes(self, evaluation: str | None, rows: _Rows | None) -> list[str]:
        named = [tuple(one.slice) for one in self.estimates if one.evaluation == evaluation and one.slice]
        found = [CONDITIONS if name == "name" else name for parts in named for name in parts]
        if rows is not None and (observations := rows.of(evaluation)) is not None:
            found += [part for axis in observations.axes if not axis.is_condition for part in axis.parts]
        return list(dict.fromkeys(found))


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The rows of a run, opened where they are asked for."""

    plan: Plan
    folder: Path
    digest: str
    opened: dict[str, Observations | None]

    def of(self, evaluation: str | None) -> Observations | None:
        """An evaluation's rows; None where the run kept none that can be read."""
        from shipworthy.evidence.store import reopen

        if evaluation is None or evaluation not in self.plan.evaluations:
            return None
        if evaluation not in self.opened:
            try:
                rows_of(self.folder, self.digest, evaluation)
                found, _ = reopen(self.folder, evaluation, self.plan.evaluations[evaluation])
            except Unusable:
                found = None
            self.opened[evaluation] = found
        return self.opened[evaluation]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    """What was measured from rows."""

    estimates: list[Estimate]
    wide: list[Estimate]
    everyone: Estimate | None = None
    level: float | None = None
    why: str = ""


def _None(why: str = "") -> _Measured:  # noqa: N802
    return _Measured(estimates=[], wide=[], why=why)


def _rows(library: Library, digest: str) -> tuple[_Rows | None, str]:
    try:
        kept, folder, plan = plan_of(library, digest)
    except Unusable as error:
        return None, error.faults[0].what
    return _Rows(plan=plan, folder=folder, digest=kept.facts.digest, opened={}), ""


def _settled(view: View, found: _Recorded, rows: _Rows | None) -> View:
    """The view with what was left open filled in. Raises Unusable (WEB001) for what the run does not have."""
    evaluations = found.evaluations(rows)
    evaluation = view.evaluation or next(iter(evaluations), None)
    metrics = found.metrics(evaluation)
    metric = view.metric or next(iter(metrics), None)
    attributes = found.attributes(evaluation, rows)
    for value, there, what in (
        (evaluation, evaluations, "evaluation"), (metric, metrics, "metric"),
        (view.by, attributes, "attribute"), (view.across, attributes, "attribute"),
    ):  # fmt: skip
        if value is not None and value not in there:
            raise absent(f"this run has no {what} {shorten(value, 60)!r}", "choose one that the page offers")
    by = view.by if view.by is not None else next(iter(attributes), None)
    return replace(view, evaluation=evaluation, metric=metric, by=by, across=None if view.across == by else view.across)


def _measured(rows: _Rows | None, view: View, parts: Sequence[str]) -> _Measured:
    """A metric on an axis, from the run's rows, at the level of one and at that of all."""
    import numpy as np

    from shipworthy.api.measuring import measure_all
    from shipworthy.metrics.catalogue import lookup
    from shipworthy.metrics.kinds import Summary
    from shipworthy.observations.table import Axis

    observations = rows.of(view.evaluation) if rows is not None else None
    if rows is None or observations is None or view.metric is None:
        return _None()
    if not {f"slice.{part}" for part in parts} <= set(observations.table.columns):
        return _None("the run kept no rows with these attributes")
    try:
        metric = lookup(view.metric, observations.task)
        if isinstance(metric, Summary):
            return _None("this metric is a gap itself")
        axis = Axis(name=" × ".join(parts), parts=tuple(parts))
        chosen = replace(observations, axes=(axis,), cells=None)
        rng = np.random.default_rng(rows.plan.seed)
        found = measure_all(chosen, [metric], rng=rng, with_curves=False).values
    except ShipworthyError as error:
        return _None(shorten(error.faults[0].what if isinstance(error, Unusable) else error, 200))
    arms, whole = (found.get((view.version, metric.name, name)) for name in (axis.name, ""))
    if arms is None:
        return _None("the rows say nothing of this metric and version")
    known = sum(reason is None for reason in arms.reasons)
    level = float(LEVEL ** (1 / max(known, 1)))  # Šidák: slices of one axis share no case
    return _Measured(
        estimates=arms.estimates(LEVEL), wide=arms.estimates(level) if known > 1 else [],
        everyone=whole.estimates(LEVEL)[0] if whole is not None else None, level=level,
    )  # fmt: skip


def _key(one: Estimate) -> str:
    return json.dumps(dict(one.slice), sort_keys=True, default=str)


def _slice(one: Estimate, measured: Estimate | None, wide: Estimate | None, whole: Estimate | None) -> Slice:
    """measured: the same from the rows, where they are at hand, which know how many have no outcome."""
    low, high = (wide.low, wide.high) if wide is not None else (None, None)
    still = whole.value if one.compare == "value" and whole is not None else 1.0 if one.compare == "ratio" else 0.0
    is_apart = still is not None and ((low is not None and low > still) or (high is not None and high < still))
    return Slice(
        name=shorten(slices.subject(replace(one, variant=None) if one.compare == "value" else one), 160), estimate=one,
        low_of_all=low, high_of_all=high,
        for_all="" if wide is None else numbers.limits(wide), stands_out=is_apart and wide is not None,
        missing=sentences.missing(measured or one), alike=sentences.counted_as_alike(one),
    )  # fmt: skip


def _ordered(order: Order) -> Any:
    def value(one: Slice) -> float:
        return one.estimate.value if one.estimate.value is not None else 0.0

    def key(one: Slice) -> tuple[Any, ...]:
        unknown = one.estimate.value is None
        if order == "name":
            return (one.name,)
        if order == "largest":
            return -one.estimate.n, one.name
        if order == "worst" and one.estimate.compare == "value":
            return *forest.worst_first(one.estimate), one.name
        if order == "worst":
            return *forest.strongest_first(one.estimate), one.name
        return unknown, -value(one) if order == "highest" else value(one), one.name

    return key


def _keys(parts: Iterable[str]) -> set[str]:
    return {"name" if part == CONDITIONS else part for part in parts}


def _estimate(row: dict[str, Any]) -> Estimate | None:
    """A row of the record; None where it does not say of which slice it is."""
    try:
        slice_ = json.loads(row["slice"])
        reference = json.loads(row["reference"]) if row["reference"] else None
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(slice_, dict) or not isinstance(reference, dict | None) or row["compare"] not in _COMPARES:
        return None
    return Estimate(
        evaluation=row["evaluation"], metric=row["metric"], compare=row["compare"], slice=slice_, reference=reference,
        variant=row["variant"], baseline=row["baseline"], value=row["value"], low=row["low"], high=row["high"],
        level=row["level"] or LEVEL, n=row["n"] or 0, effective_n=row["effective_n"], method=row["method"],
        reason=row["reason"] or (None if row["value"] is not None else "the record does not say why"),
    )  # fmt: skip
