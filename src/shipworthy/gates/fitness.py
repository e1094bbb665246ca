"""Fit to ship now? A decision, who signed it, the waivers that it rests on and what has changed since, added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

from shipworthy.plan.models import Tier

Fit: TypeAlias = Literal["ship", "hold", "undecided", "stale"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Required:
    """Who has to approve before anything ships."""

    roles: tuple[str, ...]
    persons: int = 1  # different ones at least, in these roles; 0 where nobody signs


REQUIRED: Mapping[Tier, Required] = {
    "minimal": Required(roles=(), persons=0),
    "limited": Required(roles=("product",)),
    "high": Required(roles=("product", "risk"), persons=2),
    "critical": Required(roles=("product", "risk", "legal"), persons=2),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """What is to be shipped, or not."""

    outcome: Literal["ship", "hold", "undecided"]
    by_person: bool = False  # a person decided it otherwise than the rules
    stale: tuple[str, ...] = ()  # what has changed since it was decided, each a sentence


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """One person's word on the decision. Withdrawn ones are not handed in."""

    role: str
    person: str  # what persons are counted by
    verdict: Literal["approve", "reject", "approve with conditions"]
    conditions: tuple[str, ...] = ()
    due: date | None = None  # the last day to meet the conditions
    stale: tuple[str, ...] = ()  # why this word, beside the decision's own staleness, no longer counts
    is_same_version: bool = True  # of the system as the decision: such a rejection holds even when it is stale

    def lapsed(self, today: date) -> tuple[str, ...]:
        """Why it does not count today; nothing where it does."""
        if self.verdict == "approve with conditions" and self.due is not None and self.due < today:
            return (*self.stale, f"its conditions were due on {self.due}")
        return self.stale


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitness:
    """The answer, with everything that speaks for or against it."""

    fit: Fit
    until: date | None  # the last day on which it holds by itself; None: no day is set, or it is not fit
    reasons: tuple[str, ...]
    against: tuple[str, ...] = ()  # those that speak against it, as they stand in `reasons`

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "fit": self.fit,
            "until": self.until.isoformat() if self.until else None,
            "reasons": list(self.reasons),
        }


def fitness(
    decision: Decided,
    signoffs: Sequence[Signed],
    required: Required,
    waivers: Mapping[str, date],
    today: date,
) -> Fitness:
    """Add it up: a rejection holds; then what is stale is stale; then the rules' hold; then what is missing is missing.

    signoffs: the oldest first; of two by one person in one role the later counts. A rejection of the same version holds
    until its signer withdraws it or signs again, whatever has changed since: no edit talks it away. waivers: id ->
    last day, of those that the decision rests on. A required role is given by an approval that is not stale;
    persons are counted over these roles alone. Conditions do not stop a release until their day has passed. What
    minimal tiers do not require still counts: a rejection holds there too.
    """
    newest = list({(one.role, one.person): one for one in signoffs}.values())
    valid = [one for one in newest if not one.lapsed(today)]
    approvals = [one for one in valid if one.verdict != "reject"]
    rejections = [one for one in newest if one.verdict == "reject" and (one.is_same_version or not one.stale)]
    stale = [*decision.stale, *(f"waiver {id_} ended on {end}" for id_, end in waivers.items() if end < today)]
    gone, missing = _not_given(newest, approvals, required, today)
    few = len({one.person for one in approvals if one.role in required.roles})
    apart = (
        [f"{few} of {required.persons} different persons have approved in the roles that its tier asks for"]
        if not missing and not gone and few < required.persons
        else []
    )
    against: list[tuple[Fit, list[str]]] = [
        ("hold", [f"{one.role} rejected it" for one in rejections]),
        ("stale", stale),
        ("hold", [_decided(decision)] if decision.outcome == "hold" else []),
        ("stale", gone),
        ("undecided", [_decided(decision)] if decision.outcome == "undecided" else []),
        ("undecided", [*missing, *apart]),
    ]
    fit: Fit = next((each for each, reasons in against if reasons), "ship")
    ends = [*waivers.values(), *(one.due for one in approvals if one.conditions and one.due)]
    said = tuple(reason for _, reasons in against for reason in reasons)
    return Fitness(
        fit=fit,
        until=min(ends, default=None) if fit == "ship" else None,
        reasons=(*said, *_shown(approvals, waivers, today)),
        against=said,
    )


def _decided(decision: Decided) -> str:
    """Who says that it is not to be shipped."""
    if decision.by_person:
        return "a person decided to hold" if decision.outcome == "hold" else "a person left it undecided"
    return "the rules say hold" if decision.outcome == "hold" else "the rules say undecided: the data cannot tell"


def _not_given(
    newest: Sequence[Signed], approvals: Sequence[Signed], required: Required, today: date
) -> tuple[list[str], list[str]]:
    """Required roles whose approval no longer counts, and those that nobody has given."""
    gone, missing = [], []
    for role in required.roles:
        if any(one.role == role for one in approvals):
            continue
        if old := [one for one in newest if one.role == role and one.lapsed(today)]:
            gone.append(f"{role} signed, and that no longer counts: {'; '.join(old[-1].lapsed(today))}")
        elif not any(one.role == role for one in newest):
            missing.append(f"{role} has not signed")
    return gone, missing


def _shown(approvals: Iterable[Signed], waivers: Mapping[str, date], today: date) -> Iterator[str]:
    """What bounds the answer without speaking against it."""
    for one in approvals:
        by = f", due {one.due}" if one.due else ""
        yield from (f"{one.role} approved on a condition{by}: {condition}" for condition in one.conditions)
    yield from (f"waiver {id_} ends on {end}" for id_, end in waivers.items() if end >= today)
