"""Shares of answers: outcomes that are missing count either way, and a judge's verdicts are corrected with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shipworthy.estimate.arms import Arms, Context, Limits, few, proportion, slice_of
from shipworthy.estimate.changes import measure_change
from shipworthy.metrics.kinds import CellRate, OutcomeRate
from shipworthy.observations.tally import Array, Tally, Term
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.judged import Corrected, strat_mover
from shipworthy.stats.labelling import labels_to_decide

Stratum: TypeAlias = Literal["yes", "no", "none"]
STRATA: tuple[Stratum, ...] = ("yes", "no", "none")  # what the scorer said: a hit, no hit, nothing
UNCORRECTED = "judge uncorrected"
EITHER_WAY = "missing counted either way"
MISSING = -1
CLAIMED = (1.0, 0.0)  # what a judge's verdicts yes and no claim, where nobody has looked


def term(metric: OutcomeRate, stratum: Stratum, part: Literal["rows", "labelled", "positive"] = "rows") -> str:
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

    ok = ~np.isnan(known.values)
    reasons = tuple(
        "no outcome is known: every case failed" if all_missing else reason
        for reason, all_missing in zip(known.reasons, (missing > 0) & (known.n == 0), strict=True)
    )
    return replace(
        known,
        n=tally.raw @ everyone,
        missing=missing,
        reasons=reasons,
        method=f"{known.method}, {EITHER_WAY}",
        limits=_between(least.limits, most.limits, ok),
        gate=_between(least.gate or least.limits, most.gate or most.limits, ok),
        gate_method=f"{known.gate_method}, {EITHER_WAY}",
    )


def _corrected(metric: OutcomeRate, tally: Tally, context: Context) -> Arms:
    """Post-stratified on what the judge said, from the labels of the same slice; rows without a verdict are a stratum
    of their own, of which nothing is known until people label some.
    """

    def counts(part: Literal["rows", "labelled", "positive"]) -> Array:
        places = [tally.terms.index(term(metric, stratum, part)) for stratum in STRATA]
        return tally.raw[:, places]

    cases, labelled, positives = counts("rows"), counts("labelled"), counts("positive")
    n = cases.sum(axis=1)
    reasons = few(n, tally, context, case=_vector(metric, tally, *STRATA))
    reasons = [
        reason or (None if one else "no labels of people here: the judge cannot be corrected")
        for reason, one in zip(reasons, (labelled.sum(axis=1) > 0).tolist(), strict=True)
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

    values = np.full(size, np.nan)
    values[ok] = at(0.95, "wilson").estimate
    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(tally.parts, key, context.conditions) for key in tally.keys),
        values=values,
        n=n,
        effective=np.where(ok, labelled.sum(axis=1), np.nan),
        reasons=tuple(reasons),
        method="strat-mover",
        limits=limits_by("wilson"),
        gate=limits_by("clopper-pearson"),
        gate_method="strat-mover on clopper-pearson",
        straddling=tally.clustered,
        lowest=0.0,
        highest=1.0,
        variant=context.variant,
        missing=cases[:, STRATA.index("none")],
        needed_labels=needed_labels,
    )


def _working(cases: Array, labelled: Array, positives: Array) -> Array:
    """(S, 3) values of what nobody labelled, for the estimate alone: yes and no as the judge claims, and rows without a
    verdict as those with one. The limits take all of them as 0 and as 1.
    """
    claimed = np.broadcast_to(CLAIMED, (len(cases), 2))
    rate = np.divide(positives[:, :2], labelled[:, :2], out=claimed.copy(), where=labelled[:, :2] > 0)
    total = cases[:, :2].sum(axis=1)
    known = np.divide((cases[:, :2] * rate).sum(axis=1), total, out=np.full(len(cases), 0.5), where=total > 0)
    return np.column_stack([claimed, known])


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
    """Design effects of clusters: (S,) of the verdicts' shares, (S, 3) of the labels, and (S, 3) degrees of freedom."""
    if tally.is_simple:
        return np.ones(len(cases)), np.ones(cases.shape), None
    rate = np.divide(positives, labelled, out=np.full(cases.shape, 0.5), where=labelled > 0)
    total = np.maximum(cases.sum(axis=1), 1)
    value = (cases * rate).sum(axis=1) / total

    def vectors(part: Literal["rows", "labelled", "positive"]) -> Array:
        return np.array([[name == term(metric, h, part) for name in tally.terms] for h in STRATA], dtype=float)

    rows, seen, hits = vectors("rows"), vectors("labelled"), vectors("positive")
    correction = tally.units / np.maximum(tally.units - 1, 1)

    def effect(residual: Array, spread: Array) -> Array:
        """Variance over clusters against that of as many independent rows; at worst the largest cluster."""
        found = np.einsum("st,stu,su->s", residual, tally.second, residual) * correction
        ratio = np.divide(found, spread, out=np.broadcast_to(tally.largest, found.shape).copy(), where=spread > 0)
        return np.asarray(np.clip(ratio, 1, np.maximum(tally.largest, 1)))

    shares = effect((rate - value[:, None]) @ rows, (cases * (rate - value[:, None]) ** 2).sum(axis=1))
    effects, freedom = np.ones(cases.shape), np.ones(cases.shape)
    for h in range(len(STRATA)):
        q = rate[:, h]
        effects[:, h] = effect(hits[h] - q[:, None] * seen[h], labelled[:, h] * q * (1 - q))
        squares = np.einsum("t,stu,u->s", seen[h], tally.second, seen[h])
        freedom[:, h] = np.divide(labelled[:, h] ** 2, squares, out=np.zeros(len(cases)), where=squares > 0) - 1
    effects = np.minimum(effects, np.maximum(labelled, 1))
    return shares, effects, freedom


def corrected_change(old: Arms, new: Arms, *, baseline: str) -> Arms:
    """Change between two judge-corrected versions: each by its own labels, so that a judge that errs more on one of
    them invents no difference. MOVER on both limits, as if the versions had been asked different cases.
    """

    def between(which: Callable[[Arms], Limits]) -> Limits:
        def limits(level: float) -> tuple[Array, Array]:
            low, high = np.full(len(known), -np.inf), np.full(len(known), np.inf)
            ours, theirs = ([side[known] for side in which(arms)(level)] for arms in (new, old))
            found = mover_difference(new.values[known], (ours[0], ours[1]), old.values[known], (theirs[0], theirs[1]))
            low[known], high[known] = found.low, found.high
            return low, high

        return limits

    known = ~(np.isnan(new.values) | np.isnan(old.values))
    return replace(
        new,
        values=new.values - old.values,
        effective=np.fmin(new.effective, old.effective),
        reasons=tuple(one or other for one, other in zip(new.reasons, old.reasons, strict=True)),
        method=f"mover on {new.method}",
        limits=between(lambda arms: arms.limits),
        gate=between(lambda arms: arms.gate or arms.limits),
        gate_method=f"mover on {new.gate_method}",
        compare="change",
        baseline=baseline,
        lowest=-1.0,
        needed_labels=None,
    )


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
        arms = replace(
            known,
            n=tally.raw.sum(axis=1),
            missing=missing,
            method=f"{known.method}, {EITHER_WAY}",
            limits=_between(least.limits, most.limits, ~np.isnan(known.values)),
            gate=_between(least.gate or least.limits, most.gate or most.limits, ~np.isnan(known.values)),
            gate_method=f"{known.gate_method}, {EITHER_WAY}",
        )
    return replace(arms, method=f"{arms.method}, {UNCORRECTED}") if judged else arms


def _filled(outcome: int, value: int | None) -> int:
    return value if outcome == MISSING and value is not None else outcome


def _between(lower: Limits, upper: Limits, known: NDArray[np.bool_]) -> Limits:
    """The lower limit of one and the upper limit of the other, where there is a value."""

    def limits(level: float) -> tuple[Array, Array]:
        low, high = lower(level)[0], upper(level)[1]
        return np.where(known, low, -np.inf), np.where(known, high, np.inf)

    return limits
