"""A run laid out for reading: which estimate belongs to which claim, evaluation and picture."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from shipworthy.charts import calibration, forest
from shipworthy.charts.axis import Axis
from shipworthy.charts.calibration import Calibration
from shipworthy.charts.forest import Forest, Row
from shipworthy.charts.heatmap import is_mapped
from shipworthy.charts.tradeoff import Tradeoff
from shipworthy.estimate.estimates import Comparison, Estimate, SliceKey
from shipworthy.evidence.answers import STATUS, Answers, answers
from shipworthy.evidence.run import Run
from shipworthy.evidence.versions import Versions, safety_against_usefulness, versions
from shipworthy.gates.verdicts import Outcome, Piece, Verdict
from shipworthy.observations.findings import Exclusion, Finding, Input
from shipworthy.plan.models import Evaluation, Requirement
from shipworthy.present import numbers, sentences, slices
from shipworthy.present.safe import plain
from shipworthy.present.vocabulary import importance, words

MOST_PICTURES = 40  # of measurements that nothing was claimed of, per evaluation
MOST_CURVES = 12


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A requirement with its verdict and pictures. `verdict` is None when it was not evaluated."""

    number: int
    requirement: Requirement
    verdict: Verdict | None
    deciding: Forest | None  # the one row that decides, for the requirement table
    pieces: Forest | None  # every slice or pair that the claim is about
    rates: tuple[Forest, ...]  # for gaps: the rates that they are gaps between
    pair: str  # the deciding gap in whole cases
    spread: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One evaluation: what was tested, and everything measured on it."""

    number: int
    name: str
    plan: Evaluation | None
    inputs: tuple[Input, ...]
    overall: tuple[Row, ...]
    claims: tuple[Claim, ...]
    others: tuple[Forest, ...]
    left_out: int  # pictures that are not shown
    curves: tuple[Calibration, ...]
    curves_left_out: int
    findings: tuple[Finding, ...]
    excluded: tuple[Exclusion, ...]
    answers: Answers | None  # None: decisions were evaluated, not answers


@dataclass(frozen=True, kw_only=True)
class Outline:
    """The whole run, in reading order."""

    claims: tuple[Claim, ...]  # worst first
    versions: Versions | None
    tradeoff: Tradeoff | None
    changes: tuple[tuple[Row, Axis], ...]
    changed: str  # what the changes are between
    chapters: tuple[Chapter, ...]


def outline(run: Run) -> Outline:
    """Lay a run out: claims worst first, changes by size, then one chapter for each evaluation."""
    values = _values(run.estimates)
    axes = _axes(run)
    claims = [_claim(number, verdict, values, axes) for number, verdict in enumerate(run.verdicts, 1)]
    judged = {verdict.requirement.id for verdict in run.verdicts}
    left = [r for r in run.plan.requirements if r.id not in judged]
    claims += [
        Claim(number=n, requirement=r, verdict=None, deciding=None, pieces=None, rates=(), pair="", spread=None)
        for n, r in enumerate(left, len(claims) + 1)
    ]
    names = dict.fromkeys(
        chain(
            run.plan.evaluations,
            (e.evaluation for e in run.estimates),
            (v.evaluation for v in run.verdicts),
            (i.evaluation for i in run.inputs),
        )
    )
    return Outline(
        claims=tuple(claims),
        versions=versions(run),
        tradeoff=safety_against_usefulness(run),
        changes=_changes(run),
        changed=_changed(run),
        chapters=tuple(_chapter(run, n, name, claims, axes) for n, name in enumerate(names, 1)),
    )


_Values = Mapping[tuple[str, str, "str | None"], Mapping[frozenset[tuple[str, object]], Estimate]]
_Axes = Mapping[tuple[str, Comparison], Axis]


def _key(key: SliceKey) -> frozenset[tuple[str, object]]:
    return frozenset(key.items())


def _values(estimates: Iterable[Estimate]) -> _Values:
    found: dict[tuple[str, str, str | None], dict[frozenset[tuple[str, object]], Estimate]] = defaultdict(dict)
    for e in estimates:
        if e.compare == "value":
            found[e.evaluation, e.metric, e.variant][_key(e.slice)] = e
    return found


def _axes(run: Run) -> _Axes:
    """One axis for each metric and comparison, so that the same metric has the same range all over the report."""
    rows: dict[tuple[str, Comparison], list[Estimate]] = defaultdict(list)
    ends: dict[tuple[str, Comparison], list[float | None]] = defaultdict(list)
    for e in run.estimates:
        rows[e.metric, e.compare].append(e)
    for verdict in run.verdicts:
        key = _terms(verdict.requirement)
        rows[key] += [piece.estimate for piece in verdict.pieces]
        ends[key] += forest.good_side(verdict.requirement)
        if verdict.estimate is not None:
            rows[key].append(verdict.estimate)
    return {key: forest.fit(found, metric=key[0], compare=key[1], bounds=ends[key]) for key, found in rows.items()}


def _columns(requirement: Requirement) -> tuple[str, ...]:
    across = requirement.across
    return () if across is None else (across,) if isinstance(across, str) else tuple(across)


def _terms(requirement: Requirement) -> tuple[str, Comparison]:
    return sentences.metrics_of(requirement)[0], sentences.compare_of(requirement)


def _claim(number: int, verdict: Verdict, values: _Values, axes: _Axes) -> Claim:
    requirement = verdict.requirement
    scale = axes.get(_terms(requirement))
    if requirement.across is None and verdict.estimate is not None:
        # One interval against one bound: a range shared with small slices would hide how they lie.
        metric, compare = _terms(requirement)
        ends = forest.good_side(requirement)
        scale = forest.fit([verdict.estimate], metric=metric, compare=compare, bounds=ends, zero=False)
    rates = {m: values.get((verdict.evaluation, m, requirement.variant), {}) for m in sentences.metrics_of(requirement)}
    drawn = None
    pair = ""
    if verdict.estimate is not None:
        deciding = next((p for p in verdict.pieces if p.estimate == verdict.estimate), None)
        shown = Piece(
            estimate=verdict.estimate,
            met_low=None,
            met_high=None,
            breach_low=None,
            breach_high=None,
            outcome=verdict.outcome,
            needed=deciding.needed if deciding else verdict.needed,
        )
        drawn = forest.of_claim(requirement, [shown], scale=scale)
        if verdict.estimate.reference is not None:
            known = rates.get(verdict.estimate.metric, {})
            one, other = known.get(_key(verdict.estimate.slice)), known.get(_key(verdict.estimate.reference))
            pair = sentences.pair(one, other) if one is not None and other is not None else ""
    many = len(verdict.pieces) > 1 or requirement.across is not None
    return Claim(
        number=number,
        requirement=requirement,
        verdict=verdict,
        deciding=drawn,
        pieces=forest.of_claim(requirement, verdict.pieces, scale=scale) if many and verdict.pieces else None,
        rates=_rates(verdict, rates, axes) if sentences.compare_of(requirement) in ("difference", "ratio") else (),
        pair=pair,
        spread=verdict.spread,
    )


def _rates(
    verdict: Verdict, known: Mapping[str, Mapping[frozenset[tuple[str, object]], Estimate]], axes: _Axes
) -> tuple[Forest, ...]:
    """The rates behind a gap claim, one picture for each metric; muted where no gap of a slice could be decided."""
    pieces: dict[tuple[str, frozenset[tuple[str, object]]], list[Piece]] = defaultdict(list)
    for p in verdict.pieces:
        for side in (p.estimate.slice, p.estimate.reference):
            if side is not None:
                pieces[p.estimate.metric, _key(side)].append(p)
    pictures = []
    for metric, rates in known.items():
        found = sorted((e for key, e in rates.items() if (metric, key) in pieces), key=forest.worst_first)
        if found:
            drawn = forest.of_estimates(found, title=words(metric).title, scale=axes.get((metric, "value")))
            rows = tuple(_carried(row, pieces[metric, _key(row.estimate.slice)]) for row in drawn.rows)
            pictures.append(replace(drawn, rows=rows))
    return tuple(pictures)


def _carried(row: Row, pieces: Sequence[Piece]) -> Row:
    if any(p.outcome is not Outcome.UNDECIDED for p in pieces):
        return row
    growth = max((p.needed / max(p.estimate.n, 1) for p in pieces if p.needed), default=0.0)  # of all slices alike
    more = math.ceil(growth * row.estimate.n)
    note = f"too few: needs {numbers.rounded(more)} more of its own" if more else "too few to tell"
    return replace(row, note=note, muted=True)


def _changes(run: Run) -> tuple[tuple[Row, Axis], ...]:
    """Every change: those beyond noise first, of these what is counted in points, the largest at the top."""
    kinds = ("share", "score", "duration", "number")

    def order(e: Estimate) -> tuple[bool, bool, int, float]:
        unknown, noise, size = forest.strongest_first(e)
        return unknown, noise, kinds.index(words(e.metric).kind), size

    found = sorted((e for e in run.estimates if e.compare == "change"), key=order)
    alone = len({(e.variant, e.baseline) for e in found}) < 2

    def family(e: Estimate) -> str:
        kind = words(e.metric).kind
        return e.metric if kind == "number" else kind

    def drawn(e: Estimate) -> Row:
        row = forest.row(e, gravity=True)
        return replace(row, name=slices.slice_name(e.slice)) if alone else row

    families: dict[str, list[Estimate]] = defaultdict(list)
    for e in found:
        families[family(e)].append(e)
    axes = {name: forest.fit(rows, metric=rows[0].metric, compare="change") for name, rows in families.items()}
    return tuple((drawn(e), axes[family(e)]) for e in found)


def _changed(run: Run) -> str:
    """What the changes are between, where it is one pair of versions."""
    pairs = {(e.variant, e.baseline) for e in run.estimates if e.compare == "change"}
    if len(pairs) != 1:
        return ""
    variant, baseline = next(iter(pairs))
    return f"{plain(variant or 'this version')} against {plain(baseline or 'the baseline')}"


def _chapter(run: Run, number: int, name: str, claims: Sequence[Claim], axes: _Axes) -> Chapter:
    values = [e for e in run.estimates if e.evaluation == name and e.compare == "value"]
    about = answers(run, name)
    mine = tuple(c for c in claims if (c.verdict.evaluation if c.verdict else c.requirement.evaluation) == name)
    claimed = {
        (metric, _columns(c.requirement), c.requirement.variant)
        for c in mine
        if c.pieces
        for metric in sentences.metrics_of(c.requirement)
    }
    groups: dict[tuple[str, tuple[str, ...], str | None], list[Estimate]] = defaultdict(list)
    for e in values:
        if e.slice and not (about is not None and is_mapped(e)):  # a heat map shows it
            groups[e.metric, slices.axis(e.slice), e.variant].append(e)
    others = [
        forest.of_estimates(
            sorted(rows, key=forest.worst_first),
            title=f"{words(metric).title} by {slices.axis_name(columns)}" + (f", {plain(variant)}" if variant else ""),
            scale=axes.get((metric, "value")),
        )
        for (metric, columns, variant), rows in sorted(
            groups.items(), key=lambda g: (importance(g[0][0]), bool(g[0][2]))
        )
        if (metric, columns, variant) not in claimed
    ]
    whole = [e for e in values if not e.slice]
    curves = [c for c in run.curves if c.evaluation == name]
    curves.sort(key=lambda c: (bool(c.slice), -sum(p.n for p in c.points)))
    scale = calibration.scores(curves) if curves else None
    pictures = tuple(
        calibration.of_curve(
            c, title=slices.slice_name(c.slice) + (f", {plain(c.variant)}" if c.variant else ""), across=scale
        )
        for c in curves[:MOST_CURVES]
    )
    return Chapter(
        number=number,
        name=name,
        plan=run.plan.evaluations.get(name),
        inputs=tuple(i for i in run.inputs if i.evaluation == name),
        overall=tuple(forest.row(e) for e in sorted(whole, key=lambda e: importance(e.metric))),
        claims=mine,
        others=tuple(others[:MOST_PICTURES]),
        left_out=max(0, len(others) - MOST_PICTURES),
        curves=pictures,
        curves_left_out=max(0, len(curves) - MOST_CURVES),
        findings=tuple(f for f in run.findings if f.evaluation == name and not (about and f.check.startswith(STATUS))),
        excluded=tuple(e for e in run.excluded if e.evaluation == name),
        answers=about,
    )
