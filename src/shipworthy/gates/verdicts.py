"""What the gate says: a verdict for each requirement, and one decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shipworthy.estimate.estimates import Estimate, SliceKey
from shipworthy.gates.waivers import Waiver, terms_of

if TYPE_CHECKING:  # so that `verify` need not load the models of plans
    from shipworthy.plan.models import Requirement


class Outcome(StrEnum):
    """Three answers. Undecided is an answer: the data cannot tell."""

    MET = "met"
    BREACHED = "breached"
    UNDECIDED = "undecided"


class Decision(StrEnum):
    """What the verdicts add up to."""

    SHIP = "ship"
    HOLD = "hold"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """One part of a claim: a slice, or a pair of slices, with the bounds that judged it."""

    estimate: Estimate  # for display, at the claim's confidence, two-sided
    met_low: float | None  # one-sided limits at the claim's own error rate: met when they lie on the good side
    met_high: float | None
    breach_low: float | None  # limits corrected for how many were looked at: breached when one lies on the bad side
    breach_high: float | None
    outcome: Outcome
    needed: int | None  # further cases (of this piece) that would probably decide it; None: not known or not needed
    blocked: str | None = None  # why no sample like this could meet it, where that is known; of the first piece
    corrected: tuple[str, ...] = ()  # what the breach limits pay for: "holm over 3 slices"; empty: one look alone

    def decided_by(self, requirement: Requirement) -> tuple[float | None, ...]:
        """The limits that decided it, or that hold it open: they need not be ends of the interval that is shown."""
        if self.outcome is Outcome.UNDECIDED:
            return self.held_open_by(requirement)
        if self.outcome is Outcome.MET:
            return tuple(limit for limit in (self.met_low, self.met_high) if limit is not None)
        least, most, found = requirement.low, requirement.high, []
        if self.breach_low is not None and most is not None and self.breach_low > most:
            found.append(self.breach_low)
        if self.breach_high is not None and least is not None and self.breach_high < least:
            found.append(self.breach_high)
        return tuple(found)

    def held_open_by(self, requirement: Requirement) -> tuple[float | None, ...]:
        """The limits that leave an open piece undecided although the interval that is shown lies clear of the bound;
        None for one that does not exist.
        """
        low, high = self.estimate.low, self.estimate.high
        if self.outcome is not Outcome.UNDECIDED or low is None or high is None:
            return ()
        least, most = requirement.low, requirement.high
        if (least is not None and high < least) or (most is not None and low > most):
            return (self.breach_high if least is not None and high < least else self.breach_low,)
        if (least is not None and low < least) or (most is not None and high > most):
            return ()
        sides = ((self.met_low, least, 1), (self.met_high, most, -1))
        return tuple(
            limit
            for limit, bound, sign in sides
            if bound is not None and (limit is None or sign * limit < sign * bound)
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Verdict:
    """The answer to one requirement, with everything that it rests on."""

    requirement: Requirement
    evaluation: str
    outcome: Outcome
    estimate: Estimate | None  # the piece that decided, or that keeps it open; None when nothing was in scope
    pieces: Sequence[Piece]  # worst first
    needed: int | None  # further cases in all that would probably decide it
    why: str  # one sentence
    spread: Estimate | None = None  # bias-corrected standard deviation between the slices
    needed_labels: int | None = (
        None  # further labels of people that would probably decide it, where a judge is corrected
    )
    needed_of: tuple[SliceKey, ...] | None = None  # slices that `needed` counts, as large as now; empty: all open ones
    looked_at: int = 0  # how many pieces were judged; `pieces` holds the worst of them
    waiver: Waiver | None = None  # leave to ship although it is not met
    limits: tuple[float | None, ...] = ()  # one-sided, of the estimate, as `Piece.decided_by` tells them
    corrected: tuple[str, ...] = ()  # what a breach of the estimate's piece pays for, as `Piece.corrected` tells it

    def __repr__(self) -> str:
        return f"<Verdict {self.requirement.id} {self.standing}: {self.why}>"

    @property
    def standing(self) -> str:
        """How it counts today: its outcome, or "waived"."""
        return "waived" if self.waiver is not None else self.outcome.value

    def as_json(self) -> dict[str, object]:
        """The verdict as `shipworthy/results@1` writes it."""
        return {
            "requirement": self.requirement.id,
            "evaluation": self.evaluation,
            "terms": terms_of(self.requirement),
            "verdict": self.outcome.value,
            "severity": self.requirement.severity,
            "estimate": self.estimate.as_json() if self.estimate else None,
            "bound": self.requirement.bound,
            "limits": list(self.limits),
            "corrected": list(self.corrected),
            "needed": self.needed,
            "needed_of": None if self.needed_of is None else [dict(one) for one in self.needed_of],
            "needed_labels": self.needed_labels,
            "waiver": self.waiver.as_json() if self.waiver is not None else None,
            "controls": list(self.requirement.controls),
            "why": self.why,
        }


def decide(verdicts: Iterable[Verdict]) -> Decision:
    """Add the verdicts up: a breached blocker or major holds; else an undecided one leaves it undecided; else ship.

    A minor requirement is reported and never stops a release, nor does a waived one while its waiver lasts. Where no
    requirement could stop a release, the answer is undecided: nothing was promised that holds one back.
    """
    stopping = [verdict for verdict in verdicts if verdict.requirement.severity != "minor"]
    deciding = [verdict.outcome for verdict in stopping if not verdict.waiver]
    if Outcome.BREACHED in deciding:
        return Decision.HOLD
    if Outcome.UNDECIDED in deciding or not stopping:
        return Decision.UNDECIDED
    return Decision.SHIP


def decided(results: Mapping[str, Any]) -> Decision:
    """What `decide` makes of the verdicts that a `results.json` states, whatever decision it states beside them."""
    found = results.get("verdicts")
    entries = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    stopping = [one for one in entries if one.get("severity") != "minor"]
    deciding = [one.get("verdict") for one in stopping if not one.get("waiver")]
    if Outcome.BREACHED in deciding:
        return Decision.HOLD
    if not stopping or any(outcome != Outcome.MET for outcome in deciding):
        return Decision.UNDECIDED
    return Decision.SHIP
