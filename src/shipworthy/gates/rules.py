"""From arms to a verdict: met and breached are two hypotheses, each with its own error rate; between them lies
undecided.

*Met* asks every piece of the claim (every slice, every ordered pair of slices) to clear the bound with its own
one-sided limit. Each piece is tested at the full level: for all of them to pass by luck, the worst one must
(intersection-union, Berger 1982). *Breached* asks one piece to lie beyond the bound with a limit corrected for how many
pieces were looked at: Holm over slices, the studentized range over all pairs, Bonferroni over comparisons with a
reference and over the metrics of a summary. For proportions, one slice is judged on its exact limits (Clopper-Pearson;
Korn-Graubard for clusters and weights), and a pair is met on MOVER over the exact limits. All pairs of slices whose
rows are independent are breached on MOVER over Wilson's: enumerated over sizes from 20 to 2,000 and rates from .02 to
.98, neither verdict is wrong more often than declared. Comparisons with a reference, and pairs of slices with clusters,
are breached on the exact limits too: the studentized range leaves room that Bonferroni does not, and on Wilson's limits
they were breached by luck in up to 12 % and 28 % of samples at a nominal 5 %. Whatever is no proportion is judged on
the limits of its gate for both verdicts: a mean of few values, all small by chance, has a narrow t interval far from
its truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shipworthy.errors import NotEstimable
from shipworthy.estimate.arms import Arms
from shipworthy.estimate.estimates import Estimate, SliceKey
from shipworthy.estimate.pairs import Pairs, against, all_pairs
from shipworthy.gates.needed import further_cases
from shipworthy.gates.verdicts import Outcome, Piece, Verdict
from shipworthy.observations.tally import FOLDED, Array
from shipworthy.plan.models import Requirement
from shipworthy.stats.difference import mover_difference
from shipworthy.stats.disparity import simultaneous_level
from shipworthy.stats.power import n_without_failure, smallest_group_that_can_pass
from shipworthy.stats.proportion import wilson

MOST_LABELLED = 40  # open slices for which further labels are counted
MOST_PIECES = 300  # kept on a verdict, worst first


class Grade(IntEnum):
    """What one piece says, the most telling first."""

    BREACHED = 0
    OPEN = 1
    UNKNOWN = 2
    MET = 3


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Every piece of one metric's share of a claim, as arrays of shape (P,)."""

    values: Array
    ends: tuple[Array, Array]  # values if all that is missing were least, or greatest
    met: tuple[Array, Array]
    breach: tuple[Array, Array]
    breach_confidence: float  # one-sided, of `breach`
    corrected: tuple[str, ...]  # what `breach` pays for
    known: NDArray[np.bool_]
    n: Array
    describe: Callable[[int], Estimate]
    blocked: Callable[[int], str | None]  # why no verdict is possible on a sample like this, where that is known
    exact: bool = False  # limits are Clopper and Pearson's, of rates
    twin: NDArray[np.int64] | None = None  # the same pair in the other order


def judge(
    requirement: Requirement,
    evaluation: str,
    arms: Sequence[Arms],
    *,
    reference: SliceKey | None = None,
    spread: Estimate | None = None,
    mixture: str | None = None,
) -> Verdict:
    """Judge one requirement on the arms of its metric, or of each metric of its summary.

    reference: the slice that all others are compared with; None compares all pairs. mixture: why the levels of a slice
    that rare ones were folded into are not judged; a claim about every slice is then not met. None judges it as one.
    """
    parts = [
        _judge_one(requirement, one, reference, mixture if ends_folded(one) else None, family=len(arms)) for one in arms
    ]
    parts = [part for part in parts if len(part.values)]
    if not parts:
        return Verdict(
            requirement=requirement,
            evaluation=evaluation,
            outcome=Outcome.UNDECIDED,
            estimate=None,
            pieces=(),
            needed=None,
            why=f"nothing is in scope: {_scope(arms)}",
        )
    pieces, looked_at, outcome = _assemble(requirement, parts)
    decisive = _decisive(pieces, outcome)
    needed = _needed_in_all(requirement, pieces, arms) if outcome is Outcome.UNDECIDED else None
    labels = _needed_labels(requirement, pieces, arms) if outcome is Outcome.UNDECIDED else None
    return Verdict(
        requirement=requirement,
        evaluation=evaluation,
        outcome=outcome,
        estimate=decisive.estimate,
        pieces=tuple(pieces),
        needed=needed,
        needed_of=_needed_of(pieces, needed),
        why=_why(requirement, decisive, pieces, outcome, looked_at, needed, labels),
        spread=spread,
        needed_labels=labels,
        looked_at=looked_at,
        limits=decisive.decided_by(requirement),
        corrected=decisive.corrected,
    )


def _scope(arms: Sequence[Arms]) -> str:
    slices = max((len(one.slices) for one in arms), default=0)
    return (
        "there is only one slice, so there is nothing to compare it with"
        if slices == 1
        else "there are no slices to judge"
    )


def _judge_one(
    requirement: Requirement, arms: Arms, reference: SliceKey | None, mixture: str | None, *, family: int
) -> _Judged:
    if requirement.compare in ("value", "change"):
        return _slices(requirement, arms, mixture, family)
    compare: Literal["difference", "ratio"] = "difference" if requirement.compare == "difference" else "ratio"
    arms = arms if mixture is None else _without_mixture(arms, mixture)
    if reference is not None:
        position = arms.slices.index(reference)
        return _pairs(requirement, against(arms, position, compare), family, groups=None)
    groups = int(sum(reason is None for reason in arms.reasons))
    return _pairs(requirement, all_pairs(arms, compare), family, groups=groups)


def _sides(requirement: Requirement) -> int:
    return (requirement.low is not None) + (requirement.high is not None)


def _corrected(rule: str | None, family: int, sides: int) -> tuple[str, ...]:
    """What a breach pays for: the rule over its pieces, if there are several, and Bonferroni over metrics and ends."""
    told = [f"bonferroni over {count} {what}" for count, what in ((family, "metrics"), (sides, "ends")) if count > 1]
    return (*([rule] if rule else []), *told)


def _slices(requirement: Requirement, arms: Arms, mixture: str | None, family: int) -> _Judged:
    alpha = 1 - requirement.confidence
    limits = arms.gate or arms.limits
    known = np.array([reason is None for reason in arms.reasons], dtype=bool)
    met = limits(1 - 2 * alpha)
    looks = int(known.sum())
    flagged = np.zeros(len(known), dtype=bool)
    while True:  # Holm: whatever is flagged leaves the family, and the rest is looked at again
        left = max(int((known & ~flagged).sum()), 1)
        level = 1 - 2 * alpha / (left * family * _sides(requirement))
        low, high = limits(level)
        now = flagged | (known & _beyond(requirement, low, high))
        if (now == flagged).all():
            break
        flagged = now
    if mixture is not None and not (arms.is_proportion and flagged[-1]):  # a rate beyond a bound has a level beyond it
        arms = _without_mixture(arms, mixture)
        known[-1] = False
    display = arms.estimates(requirement.confidence)
    return _Judged(
        values=arms.values,
        ends=arms.ends or (arms.values, arms.values),
        met=met,
        breach=(low, high),
        breach_confidence=(1 + level) / 2,
        corrected=_corrected(f"holm over {looks} slices" if looks > 1 else None, family, _sides(requirement)),
        known=known,
        n=arms.n,
        describe=lambda index: display[index],
        blocked=lambda index: _too_small_for_any(requirement, arms, index) or _unjudged(arms, index),
        exact=arms.is_proportion and arms.compare == "value" and arms.gate is not None,
    )


def ends_folded(arms: Arms) -> bool:
    """Whether the last slice is the one that rare levels were folded into: no group, but what was left of several."""
    return bool(arms.slices) and next(iter(arms.slices[-1].values()), None) == FOLDED


def _without_mixture(arms: Arms, why: str) -> Arms:
    """The arms with no value for the slice that rare levels were folded into."""
    reasons = (*arms.reasons[:-1], arms.reasons[-1] or why)
    return replace(arms, values=np.append(arms.values[:-1], np.nan), reasons=reasons)


def _unjudged(arms: Arms, index: int) -> str | None:
    return arms.gate_reasons[index] if arms.gate_reasons else None


def _hidden(requirement: Requirement, part: _Judged, index: int) -> str | None:
    """Whether what is missing alone leaves a claim open, however many cases like these there were."""
    least, greatest = (end[index : index + 1] for end in part.ends)
    settled = _inside(requirement, least, greatest) | _beyond(requirement, least, greatest)
    if not least < greatest or settled[0]:
        return None
    if np.isinf([side[index] for side in part.met]).all():
        return part.describe(index).reason  # why there is no limit at all
    return "what is not known of its cases could turn it either way, however many cases like these there were"


def _too_small_for_any(requirement: Requirement, arms: Arms, index: int) -> str | None:
    """Whether even a slice of this size without a single failure could not meet the claim: the rule of three. Where no
    sample could, and the estimate is beyond the bound, a breach is what it takes.
    """
    bounds = [requirement.high, None if requirement.low is None else 1 - requirement.low]
    failing = [bound for bound in bounds if bound is not None]
    value = float(arms.values[index])
    judgeable = arms.is_proportion and arms.compare == "value" and not np.isnan(value)
    if not judgeable or len(failing) != 1 or not 0 < failing[0] < 1:
        return None
    try:
        least = n_without_failure(failing[0], alpha=1 - requirement.confidence)
    except NotEstimable as error:
        return None if _is_bad(requirement, value) else str(error)
    if arms.effective[index] >= least:
        return None
    perfect = 0 if requirement.high is not None else 1
    return f"no sample of this size could meet it: even an observed {perfect} takes {least:,} independent cases"


def _too_small_for_a_pair(requirement: Requirement, pairs: Pairs, index: int) -> str | None:
    """Whether even equal rates in slices of these sizes could not meet a claim that they are close; likewise."""
    arms, ends = pairs.arms, np.array([pairs.first[index], pairs.second[index]])
    room = [requirement.high, None if requirement.low is None else -requirement.low]
    bounds = [bound for bound in room if bound is not None]
    judgeable = arms.is_proportion and pairs.compare == "difference" and not np.isnan(arms.values[ends]).any()
    if not judgeable or not all(0 < bound < 1 for bound in bounds):
        return None
    small, large = sorted(float(size) for size in arms.effective[ends])
    rate, limit, alpha = float(arms.values[ends].mean()), min(bounds), 1 - requirement.confidence
    level = 1 - 2 * alpha
    sides = [wilson(rate * size, size, level=level) for size in (small, large)]
    if max(float(mover_difference(rate, a, rate, b).high) for a, b in (sides, sides[::-1])) < limit:
        return None
    try:
        least = smallest_group_that_can_pass(rate, limit, alpha=alpha)
        if large >= least:
            least = smallest_group_that_can_pass(rate, limit, alpha=alpha, other=int(large))
    except NotEstimable as error:
        return None if _is_bad(requirement, float(pairs.values[index])) else str(error)
    if small >= least:
        return None
    return f"slices of this size could not meet it even at equal rates: the smaller takes about {least:,} cases"


def _pairs(requirement: Requirement, pairs: Pairs, family: int, *, groups: int | None) -> _Judged:
    alpha = 1 - requirement.confidence
    met = pairs.limits(1 - 2 * alpha, exact=True)
    values = pairs.values
    known = ~np.isnan(values) & np.isfinite(met[0])
    if groups is not None:
        level = simultaneous_level(max(groups, 2), 1 - alpha / family)
        method = "mover, studentized range" if groups > 2 else "mover"
        corrected = _corrected(f"studentized range over {groups} slices" if groups > 2 else "two-sided", family, 1)
    else:
        looks = max(int(known.sum()), 1)
        level = 1 - 2 * alpha / (looks * family * _sides(requirement))
        method = "mover, Bonferroni" if looks > 1 else "mover"
        compared = f"bonferroni over {looks} comparisons" if looks > 1 else None
        corrected = _corrected(compared, family, _sides(requirement))
    shown = pairs.limits(level)
    by_wilson = pairs.arms.is_proportion and groups is not None and not pairs.arms.is_clustered
    breach = shown if by_wilson else pairs.limits(level, exact=True)
    twin = _twins(pairs, len(pairs.arms.slices)) if groups is not None else None
    if groups is None:
        shown = pairs.limits(requirement.confidence)
    return _Judged(
        values=values,
        ends=pairs.ends,
        met=met,
        breach=breach,
        breach_confidence=(1 + level) / 2,
        corrected=corrected,
        known=known,
        n=pairs.arms.n[pairs.first] + pairs.arms.n[pairs.second],
        describe=lambda index: pairs.estimate(
            index,
            float(shown[0][index]),
            float(shown[1][index]),
            requirement.confidence,
            f"{method} on {pairs.arms.method}",
        ),
        blocked=lambda index: (
            _too_small_for_a_pair(requirement, pairs, index)
            or _unjudged(pairs.arms, int(pairs.first[index]))
            or _unjudged(pairs.arms, int(pairs.second[index]))
        ),
        twin=twin,
    )


def _twins(pairs: Pairs, size: int) -> NDArray[np.int64]:
    """Position of (b, a) for every (a, b), when pairs are all off-diagonal positions of a square in row order."""
    a, b = pairs.first, pairs.second
    return np.asarray(b * (size - 1) + a - (a > b), dtype=np.int64)


def _beyond(requirement: Requirement, low: Array, high: Array) -> NDArray[np.bool_]:
    """Where a limit lies on the bad side of the bound."""
    out = np.zeros(len(low), dtype=bool)
    if requirement.high is not None:
        out |= low > requirement.high
    if requirement.low is not None:
        out |= high < requirement.low
    return out


def _inside(requirement: Requirement, low: Array, high: Array) -> NDArray[np.bool_]:
    """Where both limits that could hurt lie on the good side."""
    out = np.ones(len(low), dtype=bool)
    if requirement.high is not None:
        out &= high <= requirement.high
    if requirement.low is not None:
        out &= low >= requirement.low
    return out


def _slack(requirement: Requirement, low: Array, high: Array) -> Array:
    """How far the limits stay inside the bound; negative where they do not."""
    room = np.full(len(low), np.inf)
    if requirement.high is not None:
        room = np.minimum(room, requirement.high - high)
    if requirement.low is not None:
        room = np.minimum(room, low - requirement.low)
    return room


def _assemble(requirement: Requirement, parts: Sequence[_Judged]) -> tuple[list[Piece], int, Outcome]:
    """Pieces of all metrics, worst first, and what they add up to."""
    ranked: list[tuple[int, float, int, int]] = []
    looked_at, all_met, any_breached = 0, True, False
    for number, part in enumerate(parts):
        room = np.where(part.known, _slack(requirement, *part.met), -np.inf)
        grade = np.select(
            [part.known & _beyond(requirement, *part.breach), ~part.known, _inside(requirement, *part.met)],
            [Grade.BREACHED, Grade.UNKNOWN, Grade.MET],
            Grade.OPEN,
        )
        all_met &= bool((grade == Grade.MET).all())
        any_breached |= bool((grade == Grade.BREACHED).any())
        kept = np.arange(len(grade))
        if part.twin is not None:  # of both orders of a pair, the one that decides speaks for both
            mine, other = (np.stack([grade[at], room[at], at]) for at in (kept, part.twin))
            differs = np.argmax(mine != other, axis=0)
            kept = np.flatnonzero(mine[differs, kept] < other[differs, kept])
        looked_at += len(kept)
        order = np.lexsort((room[kept], grade[kept]))[:MOST_PIECES]
        ranked += [(int(grade[kept[i]]), float(room[kept[i]]), number, int(kept[i])) for i in order]
    ranked.sort()
    outcomes = {Grade.BREACHED: Outcome.BREACHED, Grade.MET: Outcome.MET}
    still_open = max(sum(grade == Grade.OPEN for grade, *_ in ranked), 1)
    power = 1 - (1 - requirement.power) / still_open  # for all of them to be decided together
    pieces = [
        _piece(
            requirement, parts[number], index, outcomes.get(Grade(grade), Outcome.UNDECIDED), power, explain=not rank
        )
        for rank, (grade, _, number, index) in enumerate(ranked[:MOST_PIECES])
    ]
    outcome = Outcome.BREACHED if any_breached else Outcome.MET if all_met else Outcome.UNDECIDED
    return pieces, looked_at, outcome


def _piece(
    requirement: Requirement, part: _Judged, index: int, outcome: Outcome, power: float, *, explain: bool
) -> Piece:
    def limit(values: Array) -> float | None:
        return float(values[index]) if np.isfinite(values[index]) else None

    needed = None
    if outcome is Outcome.UNDECIDED and part.known[index]:
        needed = further_cases(
            float(part.values[index]),
            n=float(part.n[index]),
            met=(float(part.met[0][index]), float(part.met[1][index])),
            breach=(float(part.breach[0][index]), float(part.breach[1][index])),
            low=requirement.low,
            high=requirement.high,
            confidence=requirement.confidence,
            power=power,
            breach_confidence=part.breach_confidence,
            ends=(float(part.ends[0][index]), float(part.ends[1][index])),
            exact=part.exact,
        )
    return Piece(
        estimate=part.describe(index),
        met_low=limit(part.met[0]) if requirement.low is not None else None,
        met_high=limit(part.met[1]) if requirement.high is not None else None,
        breach_low=limit(part.breach[0]) if requirement.high is not None else None,
        breach_high=limit(part.breach[1]) if requirement.low is not None else None,
        outcome=outcome,
        needed=needed,
        corrected=part.corrected,
        blocked=(
            part.blocked(index) or _hidden(requirement, part, index)
            if explain and outcome is Outcome.UNDECIDED
            else None
        ),
    )


def _needed_in_all(requirement: Requirement, pieces: Sequence[Piece], arms: Sequence[Arms]) -> int | None:
    """Further cases over all slices after which the claim would probably be decided.

    Where an estimate is on the bad side, showing the clearest such breach settles the claim. Else every open piece has
    to be met, so every slice has to grow by what its most demanding piece asks for; one slice that shows no value
    leaves the number unknown.
    """
    still_open = [piece for piece in pieces if piece.outcome is Outcome.UNDECIDED]
    bad = [
        piece.needed
        for piece in still_open
        if piece.needed is not None and piece.estimate.value is not None and _is_bad(requirement, piece.estimate.value)
    ]
    if bad:
        return min(bad)
    sizes: dict[tuple[object, ...], float] = {
        (one.metric, *key.items()): n for one in arms for key, n in zip(one.slices, one.n, strict=True)
    }
    growth: dict[tuple[object, ...], float] = {}
    for piece in still_open:
        if piece.needed is None:
            return None
        for key in (piece.estimate.slice, piece.estimate.reference):
            if key is not None:
                name: tuple[object, ...] = (piece.estimate.metric, *key.items())
                growth[name] = max(growth.get(name, 0.0), piece.needed / max(piece.estimate.n, 1))
    return sum(ceil(sizes[name] * times) for name, times in growth.items())


def _needed_of(pieces: Sequence[Piece], needed: int | None) -> tuple[SliceKey, ...] | None:
    """The slices that the further cases are of; none: all that are open. None where nothing tells slices apart."""
    if not needed or len(pieces) < 2:
        return None
    same = [one.estimate for one in pieces if one.needed == needed and one.outcome is Outcome.UNDECIDED]
    if len(same) != 1:
        return ()
    return tuple(one for one in (same[0].slice, same[0].reference) if one is not None)


def _needed_labels(requirement: Requirement, pieces: Sequence[Piece], arms: Sequence[Arms]) -> int | None:
    """Further labels of people after which a claim about corrected rates would probably be decided.

    Where an estimate is on the bad side, the cheapest such slice settles the claim; else all open slices have to.
    """
    places = {
        (one.metric, *key.items()): (one.needed_labels, place)
        for one in arms
        if one.needed_labels is not None
        for place, key in enumerate(one.slices)
    }
    still_open = [piece for piece in pieces if piece.outcome is Outcome.UNDECIDED]
    if requirement.compare != "value" or not places or len(still_open) > MOST_LABELLED:
        return None
    bounds = [bound for bound in (requirement.low, requirement.high) if bound is not None]
    found: list[tuple[bool, int | None]] = []
    for piece in still_open:
        value = piece.estimate.value
        needed, place = places.get((piece.estimate.metric, *piece.estimate.slice.items()), (None, 0))
        if value is None or needed is None:
            return None
        more = [needed(place, bound, 1 - requirement.confidence, requirement.power) for bound in bounds]
        numbers = [each for each in more if each is not None]
        found.append((_is_bad(requirement, value), max(numbers) if len(numbers) == len(more) else None))
    bad = [more for is_bad, more in found if is_bad and more]
    if bad:
        return min(bad)
    known = [more for _, more in found if more is not None]
    return sum(known) or None if len(known) == len(found) else None


def _is_bad(requirement: Requirement, value: float) -> bool:
    return (requirement.high is not None and value > requirement.high) or (
        requirement.low is not None and value < requirement.low
    )


def _decisive(pieces: Sequence[Piece], outcome: Outcome) -> Piece:
    """The piece that a verdict rests on: the clearest breach, or the one that keeps it open, or the narrowest pass."""
    if outcome is Outcome.BREACHED:
        return max((piece for piece in pieces if piece.outcome is Outcome.BREACHED), key=_excess)
    return pieces[0]


def _excess(piece: Piece) -> float:
    """How far the corrected limit lies out: larger is a clearer breach."""
    outs = [
        piece.breach_low if piece.breach_low is not None else -np.inf,
        -piece.breach_high if piece.breach_high is not None else -np.inf,
    ]
    return float(max(outs))


def _named(key: SliceKey | None) -> str:
    if not key:
        return "everyone"
    return ", ".join("missing" if value is None else str(value) for value in key.values())


def _why(  # noqa: PLR0917
    requirement: Requirement,
    piece: Piece,
    pieces: Sequence[Piece],
    outcome: Outcome,
    looked_at: int,
    needed: int | None,
    labels: int | None,
) -> str:
    estimate = piece.estimate
    measured, subject = estimate.metric, _named(estimate.slice)
    if estimate.compare == "change":
        measured = f"change of {estimate.metric} against {estimate.baseline or 'the baseline'}"
    if estimate.compare == "difference":
        subject = f"{subject} minus {_named(estimate.reference)}"
    elif estimate.compare == "ratio":
        subject = f"{subject} over {_named(estimate.reference)}"
    if estimate.reason and estimate.value is None:
        blocked = sum(p.estimate.value is None for p in pieces)
        more = f" (and {blocked - 1} more)" if blocked > 1 else ""
        so = {Outcome.BREACHED: "so it lies beyond any bound", Outcome.MET: "so it clears any bound"}
        return (
            f"{measured}, {subject}{more}: {estimate.reason}, {so.get(outcome, 'so the claim cannot be shown for it')}"
        )
    bounds = " and ".join(
        text
        for text in (
            f"at least {requirement.low:g}" if requirement.low is not None else "",
            f"at most {requirement.high:g}" if requirement.high is not None else "",
        )
        if text
    )
    said = f"{measured}, {subject}: {estimate.value:.4g}"
    if estimate.low is not None or estimate.high is not None:
        low = "no lower limit" if estimate.low is None else f"{estimate.low:.4g}"
        high = "no upper limit" if estimate.high is None else f"{estimate.high:.4g}"
        said += f" ({low} to {high})"
    if outcome is Outcome.BREACHED:
        count = sum(p.outcome is Outcome.BREACHED for p in pieces)
        return f"{said} lies beyond the bound of {bounds}" + (
            f"; {count} of {looked_at} are beyond it" if looked_at > 1 else ""
        )
    if outcome is Outcome.MET:
        return (
            f"{said} is the closest to the bound of {bounds} and clears it"
            if looked_at > 1
            else f"{said} clears the bound of {bounds}"
        )
    silent = sum(p.estimate.value is None for p in pieces)
    ask = "; no practical number of cases would decide it"
    if labels:
        ask = f"; about {labels:,} more labels of people would probably decide it"
    elif needed:
        alike = ", labelled as these are," if "strat-mover" in (estimate.method or "") else ""
        ask = f"; about {needed:,} more cases{alike} would probably decide it"
        if piece.blocked:
            ask = f"; {piece.blocked}{ask}"
    elif silent:
        ask = f"; {silent} of {looked_at} show no value at all"
    elif estimate.low is None and estimate.high is None and estimate.reason:
        ask = f"; {estimate.reason}"
    elif piece.blocked:
        ask = f"; {piece.blocked}"
    behind = [f"{limit:.4g}" for limit in piece.held_open_by(requirement) if limit is not None]
    decided_by = f" (the limit that decides is {' and '.join(behind)})" if behind else ""
    return f"{said} does not settle a bound of {bounds}{decided_by}{ask}"
