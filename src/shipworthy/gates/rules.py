"""From arms to a verdict: met and breached are two hypotheses, each with its own error rate; between them lies undecided.

*Met* asks every piece of the claim (every slice, every ordered pair of slices) to clear the bound with its own one-sided limit. Each piece is
tested at the full level: for all of them to pass by luck, the worst one must (intersection-union, Berger 1982). *Breached* asks one piece to lie
beyond the bound with a limit corrected for how many pieces were looked at: Holm over slices, the studentized range over all pairs,
Bonferroni over comparisons with a reference and over the metrics of a summary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shipworthy.estimate.arms import Arms
from shipworthy.estimate.estimates import Estimate, SliceKey
from shipworthy.estimate.pairs import Pairs, against, all_pairs
from shipworthy.gates.needed import further_cases
from shipworthy.gates.verdicts import Outcome, Piece, Verdict
from shipworthy.observations.tally import Array
from shipworthy.plan.models import Requirement
from shipworthy.stats.disparity import simultaneous_level

MOST_PIECES = 300  # kept on a verdict, worst first


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Every piece of one metric's share of a claim, as arrays of shape (P,)."""

    values: Array
    met: tuple[Array, Array]
    breach: tuple[Array, Array]
    known: NDArray[np.bool_]
    n: Array
    describe: Callable[[int], Estimate]
    twin: NDArray[np.int64] | None = None  # the same pair in the other order


def judge(
    requirement: Requirement,
    evaluation: str,
    arms: Sequence[Arms],
    *,
    reference: SliceKey | None = None,
    spread: Estimate | None = None,
) -> Verdict:
    """Judge one requirement on the arms of its metric, or of each metric of its summary.

    reference: the slice that all others are compared with; None compares all pairs.
    """
    parts = [_judge_one(requirement, one, reference, family=len(arms)) for one in arms]
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
    needed = None
    if outcome is Outcome.UNDECIDED:
        known = [piece.needed for piece in pieces if piece.outcome is Outcome.UNDECIDED and piece.needed is not None]
        needed = (
            max(known) if known and requirement.compare in ("difference", "ratio") else sum(known) if known else None
        )
    return Verdict(
        requirement=requirement,
        evaluation=evaluation,
        outcome=outcome,
        estimate=decisive.estimate,
        pieces=tuple(pieces),
        needed=needed,
        why=_why(requirement, decisive, pieces, outcome, looked_at, needed),
        spread=spread,
        looked_at=looked_at,
    )


def _scope(arms: Sequence[Arms]) -> str:
    slices = max((len(one.slices) for one in arms), default=0)
    return (
        "there is only one slice, so there is nothing to compare it with"
        if slices == 1
        else "there are no slices to judge"
    )


def _judge_one(requirement: Requirement, arms: Arms, reference: SliceKey | None, *, family: int) -> _Judged:
    if requirement.compare in ("value", "change"):
        return _slices(requirement, arms, family)
    compare = "difference" if requirement.compare == "difference" else "ratio"
    if reference is not None:
        position = arms.slices.index(reference)
        return _pairs(requirement, against(arms, position, compare), family, groups=None)
    groups = int(sum(reason is None for reason in arms.reasons))
    return _pairs(requirement, all_pairs(arms, compare), family, groups=groups)


def _sides(requirement: Requirement) -> int:
    return (requirement.low is not None) + (requirement.high is not None)


def _slices(requirement: Requirement, arms: Arms, family: int) -> _Judged:
    alpha = 1 - requirement.confidence
    limits = arms.gate or arms.limits
    known = np.array([reason is None for reason in arms.reasons], dtype=bool)
    met = limits(1 - 2 * alpha)
    flagged = np.zeros(len(known), dtype=bool)
    while True:  # Holm: whatever is flagged leaves the family, and the rest is looked at again
        left = max(int((known & ~flagged).sum()), 1)
        level = 1 - 2 * alpha / (left * family * _sides(requirement))
        low, high = limits(level)
        now = flagged | (known & _beyond(requirement, low, high))
        if (now == flagged).all():
            break
        flagged = now
    display = arms.estimates(requirement.confidence)
    return _Judged(
        values=arms.values, met=met, breach=(low, high), known=known, n=arms.n, describe=lambda index: display[index]
    )


def _pairs(requirement: Requirement, pairs: Pairs, family: int, *, groups: int | None) -> _Judged:
    alpha = 1 - requirement.confidence
    met = pairs.limits(1 - 2 * alpha)
    values = pairs.values
    known = ~np.isnan(values) & np.isfinite(met[0])
    if groups is not None:
        level = simultaneous_level(max(groups, 2), 1 - alpha / family)
        method = "mover, studentized range" if groups > 2 else "mover"
    else:
        level = 1 - 2 * alpha / (max(int(known.sum()), 1) * family * _sides(requirement))
        method = "mover, Bonferroni" if known.sum() > 1 else "mover"
    breach = pairs.limits(level)
    twin = _twins(pairs, len(pairs.arms.slices)) if groups is not None else None
    shown_level = level if groups is not None else requirement.confidence
    shown = breach if groups is not None else pairs.limits(shown_level)
    return _Judged(
        values=values,
        met=met,
        breach=breach,
        known=known,
        n=pairs.arms.n[pairs.first] + pairs.arms.n[pairs.second],
        describe=lambda index: pairs.estimate(
            index,
            float(shown[0][index]),
            float(shown[1][index]),
            requirement.confidence,
            f"{method} on {pairs.arms.method}",
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
        met = part.known & _inside(requirement, *part.met)
        breached = part.known & _beyond(requirement, *part.breach)
        all_met &= bool(met.all())
        any_breached |= bool(breached.any())
        room = np.where(part.known, _slack(requirement, *part.met), -np.inf)
        kept = np.arange(len(part.values))
        if part.twin is not None:
            other = room[part.twin]
            kept = np.flatnonzero((room < other) | ((room == other) & (kept < part.twin)))
            met, breached = met & met[part.twin], breached | breached[part.twin]
        looked_at += len(kept)
        grade = np.where(
            breached[kept], 0, np.where(~met[kept] & part.known[kept], 1, np.where(~part.known[kept], 2, 3))
        )
        order = np.lexsort((room[kept], grade))[:MOST_PIECES]
        ranked += [(int(grade[i]), float(room[kept[i]]), number, int(kept[i])) for i in order]
    ranked.sort()
    outcomes = {0: Outcome.BREACHED, 1: Outcome.UNDECIDED, 2: Outcome.UNDECIDED, 3: Outcome.MET}
    pieces = [
        _piece(requirement, parts[number], index, outcomes[grade]) for grade, _, number, index in ranked[:MOST_PIECES]
    ]
    outcome = Outcome.BREACHED if any_breached else Outcome.MET if all_met else Outcome.UNDECIDED
    return pieces, looked_at, outcome


def _piece(requirement: Requirement, part: _Judged, index: int, outcome: Outcome) -> Piece:
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
            power=requirement.power,
        )
    return Piece(
        estimate=part.describe(index),
        met_low=limit(part.met[0]) if requirement.low is not None else None,
        met_high=limit(part.met[1]) if requirement.high is not None else None,
        breach_low=limit(part.breach[0]) if requirement.high is not None else None,
        breach_high=limit(part.breach[1]) if requirement.low is not None else None,
        outcome=outcome,
        needed=needed,
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


def _why(
    requirement: Requirement,
    piece: Piece,
    pieces: Sequence[Piece],
    outcome: Outcome,
    looked_at: int,
    needed: int | None,
) -> str:
    estimate = piece.estimate
    subject = _named(estimate.slice)
    if estimate.compare == "difference":
        subject = f"{subject} minus {_named(estimate.reference)}"
    elif estimate.compare == "ratio":
        subject = f"{subject} over {_named(estimate.reference)}"
    if estimate.reason and estimate.value is None:
        blocked = sum(p.estimate.value is None for p in pieces)
        more = f" (and {blocked - 1} more)" if blocked > 1 else ""
        return f"{estimate.metric}, {subject}{more}: {estimate.reason}, so the claim cannot be shown for it"
    bounds = " and ".join(
        text
        for text in (
            f"at least {requirement.low:g}" if requirement.low is not None else "",
            f"at most {requirement.high:g}" if requirement.high is not None else "",
        )
        if text
    )
    said = f"{estimate.metric}, {subject}: {estimate.value:.4g}"
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
    ask = (
        f"; about {needed:,} more cases would probably decide it"
        if needed
        else "; no practical number of cases would decide it"
    )
    return f"{said} does not settle a bound of {bounds}{ask}"
