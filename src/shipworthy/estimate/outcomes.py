"""Shares of answers: outcomes that are missing count either way, and a judge's verdicts are corrected with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shipworthy.estimate.arms import Arms, Context, Limits, correlated, few, proportion, slice_of
from shipworthy.estimate.changes import measure_change
from shipworthy.metrics.kinds import CellRate, OutcomeRate
from shipworthy.observations.tally import Array, Tally, Term
from shipworthy.stats.judged import Corrected, strat_mover
from shipworthy.stats.labelling import labels_to_decide
from shipworthy.stats.ranged import Ranged, ranged_difference

Stratum: TypeAlias = Literal["yes", "no", "none", "sure yes", "sure no"]
Part: TypeAlias = Literal["rows", "labelled", "positive"]
PARTS: tuple[Part, ...] = ("rows", "labelled", "positive")
STRATA: tuple[Stratum, ...] = ("yes", "no", "none")  # what the scorer said: a hit, no hit, nothing
SURE: tuple[Stratum, ...] = ("sure yes", "sure no")  # no judge's word counts here, and nobody has to label
UNCORRECTED = "judge uncorrected"
EITHER_WAY = "missing counted either way"
MISSING = -1
NO_RANGE = "some of its cases have no value, and what they could be has no known range"
CLAIMED = (1.0, 0.0)  # what a judge's verdicts yes and no claim, where nobody has looked


def term(metric: OutcomeRate, stratum: Stratum, part: Part = "rows") -> str:
    """Name of the tally's term for rows of a stratum, for those with a human label, or for those labelled a hit."""
    return f"{metric.name}.{stratum}.{part}"


def measure_outcome(metric: OutcomeRate, tally: Tally, context: Context, *, judged: bool, labelled: bool) -> Arms:
    """A share whose outcome may be missing. judged: it is a judge's word. labelled: people labelled some of the rows.

    Missing outcomes make the value a range (Horowitz & Manski 2000, J. Am. Stat. Assoc. 95, 77-84): the limits are
    those of the share with every missing outcome a hit, and with none; the value is the share among what is known.
    """
    if judged and labelled:
        return _corrected(metric, tally, context)
    arms = _bounded(metric, tally, context)
    if not judged:
        return arms
    return replace(arms, method=f"{arms.method}, {UNCORRECTED}", notes=(*arms.notes, UNCORRECTED))


def _vector(metric: OutcomeRate, tally: Tally, *strata: Stratum) -> Array:
    """1 for the terms of these strata's rows."""
    names = [term(metric, stratum) for stratum in strata]
    return np.array([name in names for name in tally.terms], dtype=float)


def _bounded(metric: OutcomeRate, tally: Tally, context: Context) -> Arms:
    everyone = _vector(metric, tally, *STRATA)
    known = proportion(metric, tally, context, _vector(metric, tally, "yes"), _vector(metric, tally, "yes", "no"))
    missing = tally.raw @ _vector(metric, tally, "none")
    if not missing.any():
        return known
    least = proportion(metric, tally, context, _vector(metric, tally, "yes"), everyone)
    most = proportion(metric, tally, context, _vector(metric, tally, "yes", "none"), everyone)

    reasons = tuple(
        "no outcome is known: every case failed" if all_missing else reason
        for reason, all_missing in zip(known.reasons, (missing > 0) & (known.n == 0), strict=True)
    )
    arms = either_way(known, least, most, missing=missing, n=tally.raw @ everyone)
    assert arms.ends is not None
    ok = ~np.isnan(arms.ends[0])
    hits = _vector(metric, tally, "yes"), _vector(metric, tally, "yes", "none")
    residuals = [hit - end[ok, None] * everyone for hit, end in zip(hits, arms.ends, strict=True)]
    (low, low_squares), high = ((r, np.einsum("st,stu,su->s", r, tally.second[ok], r)) for r in residuals)
    return replace(arms, reasons=reasons, correlation=correlated(tally, ok, low, low_squares, high))


def either_way(known: Arms, least: Arms | None, most: Arms | None, *, missing: Array, n: Array) -> Arms:
    """What is known, with limits that hold whatever is missing. least, most: with all that is missing at either end of
    its range; None: the range has no such end, and no limit holds there. n: cases, missing ones included.
    """
    ok = ~np.isnan(known.values)
    open_ended = ok & (missing > 0) & (least is None or most is None)

    def side(end: Arms | None, which: Callable[[Arms], Limits]) -> Limits:
        def limits(level: float) -> tuple[Array, Array]:
            low, high = which(end or known)(level)
            return (low, high) if end else (np.where(missing > 0, -np.inf, low), np.where(missing > 0, np.inf, high))

        return limits

    def both(which: Callable[[Arms], Limits]) -> Limits:
        return _between(side(least, which), side(most, which), ok)

    ends = [np.where(missing > 0, worst, known.values) if arms is None else arms.values
            for arms, worst in ((least, -np.inf), (most, np.inf))]  # fmt: skip
    gate_reasons = known.gate_reasons or (None,) * len(ok)
    return replace(
        known,
        n=n,
        missing=missing,
        method=f"{known.method}, {EITHER_WAY}",
        limits=both(lambda arms: arms.limits),
        gate=both(lambda arms: arms.gate or arms.limits),
        gate_method=f"{known.gate_method}, {EITHER_WAY}",
        gate_reasons=tuple(NO_RANGE if is_open else why for is_open, why in zip(open_ended, gate_reasons, strict=True)),
        ends=(np.where(ok, ends[0], np.nan), np.where(ok, ends[1], np.nan)),
        limits_reason=f"no interval: {NO_RANGE}" if open_ended.any() else known.limits_reason,
    )


def _corrected(metric: OutcomeRate, tally: Tally, context: Context) -> Arms:
    """Post-stratified on what the judge said, from the labels of the same slice; rows without a verdict are a stratum
    of their own, of which nothing is known until people label some.
    """

    strata, judged = _strata(metric, tally), slice(len(STRATA))

    def counts(part: Part) -> Array:
        return tally.raw[:, [tally.terms.index(term(metric, stratum, part)) for stratum in strata]]

    cases, labelled, positives = counts("rows"), counts("labelled"), counts("positive")
    n = cases.sum(axis=1)
    reasons = few(n, tally, context, case=_vector(metric, tally, *strata))
    people = labelled[:, judged].sum(axis=1)
    is_known = (people > 0) | (cases[:, judged].sum(axis=1) == 0)
    reasons = [
        reason or (None if one else "no labels of people here: the judge cannot be corrected")
        for reason, one in zip(reasons, is_known.tolist(), strict=True)
    ]
    ok = np.array([reason is None for reason in reasons])
    size = len(reasons)
    if not ok.any():
        return _unknown(metric, tally, context, n, reasons)
    share_effect, effect, freedom = _design(metric, tally, cases, labelled, positives)

    working = _working(cases, labelled, positives)

    def at(level: float, method: Literal["wilson", "clopper-pearson"]) -> Corrected:
        return strat_mover(
            cases[ok],
            labelled[ok],
            positives[ok],
            working=working[ok],
            level=level,
            method=method,
            deff=effect[ok],
            df=None if freedom is None else freedom[ok],
            share_deff=share_effect[ok],
        )

    def limits_by(method: Literal["wilson", "clopper-pearson"]) -> Limits:
        def limits(level: float) -> tuple[Array, Array]:
            low, high = np.full(size, -np.inf), np.full(size, np.inf)
            found = at(level, method).interval
            low[ok], high[ok] = found.low, found.high
            return low, high

        return limits

    def needed_labels(index: int, bound: float, alpha: float, power: float) -> int | None:
        if not ok[index] or not 0 < bound < 1:
            return None
        found = (part[index] for part in (cases, labelled, positives))  # as if rows were independent
        return labels_to_decide(*found, bound=bound, alpha=alpha, power=power, method="clopper-pearson")

    found = at(0.95, "wilson")  # of which estimate and ends depend neither on the level nor on the method
    values, least, greatest = np.full((3, size), np.nan)
    values[ok], least[ok], greatest[ok] = found.estimate, found.least, found.greatest
    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(tally.parts, key, context.conditions) for key in tally.keys),
        values=values,
        n=n,
        effective=np.where(ok, np.where(people > 0, people, n), np.nan),
        reasons=tuple(reasons),
        method="strat-mover",
        limits=limits_by("wilson"),
        gate=limits_by("clopper-pearson"),
        gate_method="strat-mover on clopper-pearson",
        ends=(least, greatest),
        straddling=tally.clustered,
        lowest=0.0,
        highest=1.0,
        variant=context.variant,
        missing=cases[:, STRATA.index("none")],
        needed_labels=needed_labels,
    )


def _strata(metric: OutcomeRate, tally: Tally) -> tuple[Stratum, ...]:
    """The strata that a tally has terms of: STRATA, and SURE where an outcome is not the judge's alone."""
    return (*STRATA, *(stratum for stratum in SURE if term(metric, stratum) in tally.terms))


def _working(cases: Array, labelled: Array, positives: Array) -> Array:
    """(S, strata) values of what nobody labelled, for the estimate alone: yes and no as the judge claims, and rows
    without a verdict as those with one. The limits take all of them as 0 and as 1.
    """
    claimed = np.broadcast_to(CLAIMED, (len(cases), 2))
    rate = np.divide(positives[:, :2], labelled[:, :2], out=claimed.copy(), where=labelled[:, :2] > 0)
    total = cases[:, :2].sum(axis=1)
    known = np.divide((cases[:, :2] * rate).sum(axis=1), total, out=np.full(len(cases), 0.5), where=total > 0)
    sure = np.broadcast_to(CLAIMED, (len(cases), 2))  # labelled by themselves
    return np.column_stack([claimed, known, sure])[:, : cases.shape[1]]


def _unknown(metric: OutcomeRate, tally: Tally, context: Context, n: Array, reasons: Sequence[str | None]) -> Arms:
    size = len(reasons)
    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(tally.parts, key, context.conditions) for key in tally.keys),
        values=np.full(size, np.nan),
        n=n,
        effective=np.full(size, np.nan),
        reasons=tuple(reasons),
        method="strat-mover",
        limits=lambda level: (np.full(size, -np.inf), np.full(size, np.inf)),
        variant=context.variant,
    )


def _design(
    metric: OutcomeRate, tally: Tally, cases: Array, labelled: Array, positives: Array
) -> tuple[Array, Array, Array | None]:
    """Design effects of clusters: (S,) of the verdicts' shares; (S, strata) of the labels, and degrees of freedom."""
    if tally.is_simple:
        return np.ones(len(cases)), np.ones(cases.shape), None
    rate = np.divide(positives, labelled, out=np.full(cases.shape, 0.5), where=labelled > 0)
    total = np.maximum(cases.sum(axis=1), 1)
    value = (cases * rate).sum(axis=1) / total

    def vectors(part: Part) -> Array:
        strata = _strata(metric, tally)
        return np.array([[name == term(metric, h, part) for name in tally.terms] for h in strata], dtype=float)

    rows, seen, hits = vectors("rows"), vectors("labelled"), vectors("positive")
    correction = tally.units / np.maximum(tally.units - 1, 1)

    def effect(residual: Array, spread: Array) -> Array:
        """Variance over clusters against that of as many independent rows; at worst the largest cluster."""
        found = np.einsum("st,stu,su->s", residual, tally.second, residual) * correction
        ratio = np.divide(found, spread, out=np.broadcast_to(tally.largest, found.shape).copy(), where=spread > 0)
        return np.asarray(np.clip(ratio, 1, np.maximum(tally.largest, 1)))

    shares = effect((rate - value[:, None]) @ rows, (cases * (rate - value[:, None]) ** 2).sum(axis=1))
    effects, freedom = np.ones(cases.shape), np.ones(cases.shape)
    for h in range(cases.shape[1]):
        q = rate[:, h]
        effects[:, h] = effect(hits[h] - q[:, None] * seen[h], labelled[:, h] * q * (1 - q))
        squares = np.einsum("t,stu,u->s", seen[h], tally.second, seen[h])
        freedom[:, h] = np.divide(labelled[:, h] ** 2, squares, out=np.zeros(len(cases)), where=squares > 0) - 1
    effects = np.minimum(effects, np.maximum(labelled, 1))
    return shares, effects, freedom


VERSIONS = ("old", "new")  # of which the terms of a corrected change are pairs with `term`'s names


def measure_corrected_change(metric: OutcomeRate, tally: Tally, context: Context, *, baseline: str) -> Arms:
    """Change of a judge-corrected share, on the cases that both versions were asked.

    tally: with the terms (version, `term`), for each of VERSIONS.
    """
    names = [term(metric, stratum, part) for part in PARTS for stratum in (*STRATA, *SURE)]
    sides = [
        tally.merged({(version, name): name for name in names if (version, name) in tally.terms})
        for version in VERSIONS
    ]
    old, new = (_corrected(metric, side, context) for side in sides)
    scores = [_influence(metric, side) @ _places(tally, side, name) for side, name in zip(sides, VERSIONS, strict=True)]
    shared, one, other = (
        np.einsum("st,stu,su->s", scores[i], tally.second, scores[j]) for i, j in ((0, 1), (0, 0), (1, 1))
    )
    scale = np.sqrt(one * other)
    correlation = np.divide(shared, scale, out=np.zeros_like(scale), where=scale > 0)
    return corrected_change(old, new, baseline=baseline, correlation=np.clip(correlation, -1, 0))


def _places(tally: Tally, side: Tally, version: str) -> Array:
    """(terms of one version, T) 1 where a term of the tally is that version's."""
    return np.array([[each == (version, name) for each in tally.terms] for name in side.terms], dtype=float)


def _influence(metric: OutcomeRate, tally: Tally) -> Array:
    """(S, T) what a row of each term adds to the corrected share, linearised; where nobody labelled, as working values.

    Source: post-stratification, Cochran (1977), Sampling Techniques, section 5A.9, as `stats.judged` has it.
    """
    strata = _strata(metric, tally)
    at = {part: [tally.terms.index(term(metric, stratum, part)) for stratum in strata] for part in PARTS}
    cases, labelled, positives = (tally.raw[:, at[part]] for part in PARTS)
    total = np.maximum(cases.sum(axis=1, keepdims=True), 1)
    working = _working(cases, labelled, positives)
    rate = np.divide(positives, labelled, out=working, where=labelled > 0)
    worth = np.divide(cases / total, labelled, out=np.zeros(cases.shape), where=labelled > 0)  # of one label
    found = np.zeros(tally.raw.shape)
    found[:, at["rows"]] = (rate - (cases * rate).sum(axis=1, keepdims=True) / total) / total
    found[:, at["labelled"]], found[:, at["positive"]] = -worth * rate, worth
    return found


def corrected_change(old: Arms, new: Arms, *, baseline: str, correlation: Array | float = 0.0) -> Arms:
    """Change between two judge-corrected versions: each by its own labels, so that a judge that errs more on one of
    them invents no difference. MOVER on both limits; what nobody looked at is taken at its worst in both.

    correlation: (S,) of the two shares, in [-1, 0]. Cases on which the versions err together would make the limits
    narrower, by an amount that few labels cannot tell: they count as independent. Cases that one of them loses where
    the other gains make them wider. At 400 to 2,000 cases and rates of .5, limits that left this out missed up to 12 %
    of the time where 5 % were declared.
    """
    known = ~(np.isnan(new.values) | np.isnan(old.values))
    together = np.broadcast_to(np.asarray(correlation, dtype=float), known.shape)[known]

    new_ends, old_ends = (arms.ends or (arms.values, arms.values) for arms in (new, old))

    def between(which: Callable[[Arms], Limits]) -> Limits:
        def limits(level: float) -> tuple[Array, Array]:
            low, high = np.full(len(known), -np.inf), np.full(len(known), np.inf)
            first, second = (_ranged(arms, which(arms)(level), known) for arms in (new, old))
            low[known], high[known] = ranged_difference(first, second, correlation=(together, together))
            return low, high

        return limits

    return replace(
        new,
        values=new.values - old.values,
        effective=np.fmin(new.effective, old.effective),
        reasons=tuple(one or other for one, other in zip(new.reasons, old.reasons, strict=True)),
        method=f"mover on {new.method}",
        limits=between(lambda arms: arms.limits),
        gate=between(lambda arms: arms.gate or arms.limits),
        gate_method=f"mover on {new.gate_method}",
        ends=(new_ends[0] - old_ends[1], new_ends[1] - old_ends[0]),
        compare="change",
        baseline=baseline,
        lowest=-1.0,
        needed_labels=None,
    )


def _ranged(arms: Arms, limits: tuple[Array, Array], known: NDArray[np.bool_]) -> Ranged:
    least, greatest = arms.ends or (arms.values, arms.values)
    return Ranged(limits[0][known], least[known], greatest[known], limits[1][known])


PAIRS: tuple[tuple[int, int, int], ...] = tuple(product((1,), (1, 0, MISSING), (1, 0, MISSING)))


def measure_outcome_change(metric: OutcomeRate, tally: Tally, context: Context, *, baseline: str, judged: bool) -> Arms:
    """Paired change of a share, from counts of PAIRS: (1, baseline's outcome, variant's), each 1, 0 or MISSING.

    Pairs with a missing side count either way: as the smallest change that they allow, and as the largest.
    """
    rate = CellRate(
        name=metric.name,
        title=metric.title,
        meaning=metric.meaning,
        tasks=metric.tasks,
        needs=metric.needs,
        better=metric.better,
        hit=lambda case, outcome: outcome == 1,
        case=lambda case, outcome: case == 1,
    )

    def paired(old: int | None, new: int | None) -> Arms:
        """The change with these values for what is missing; None leaves such pairs out."""
        filled = {pair: (1, _filled(pair[1], old), _filled(pair[2], new)) for pair in PAIRS}
        become: dict[Term, Term | None] = {pair: None if MISSING in to else to for pair, to in filled.items()}
        return measure_change(rate, tally.merged(become), context, baseline=baseline)

    known = paired(None, None)
    missing = tally.raw @ np.array([MISSING in pair for pair in tally.terms], dtype=float)
    arms = known
    if missing.any():
        least, most = paired(1, 0), paired(0, 1)
        arms = either_way(known, least, most, missing=missing, n=tally.raw.sum(axis=1))
    return replace(arms, method=f"{arms.method}, {UNCORRECTED}") if judged else arms


def _filled(outcome: int, value: int | None) -> int:
    return value if outcome == MISSING and value is not None else outcome


def _between(lower: Limits, upper: Limits, known: NDArray[np.bool_]) -> Limits:
    """The lower limit of one and the upper limit of the other, where there is a value."""

    def limits(level: float) -> tuple[Array, Array]:
        low, high = lower(level)[0], upper(level)[1]
        return np.where(known, low, -np.inf), np.where(known, high, np.inf)

    return limits
