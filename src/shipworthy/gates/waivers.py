"""Waivers: leave to ship for a while although a requirement is not shown to hold, which stays written beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Self

from shipworthy.digest import digest
from shipworthy.estimate.estimates import SliceKey

if TYPE_CHECKING:
    from shipworthy.gates.verdicts import Verdict
    from shipworthy.plan.models import Requirement


def terms_of(requirement: Requirement) -> str:
    """The digest of what a requirement asks for: a waiver is leave from that, and not from whatever takes its id."""
    return digest(
        {
            "metric": requirement.metric,
            "compare": requirement.compare,
            "across": requirement.across,
            "reference": requirement.reference,
            "variant": requirement.variant,
            "bound": requirement.bound,
            "severity": requirement.severity,
        }
    )


def lies_in(wanted: SliceKey | None, slice_: SliceKey, reference: SliceKey | None, *, is_named: bool) -> bool:
    """Whether a slice, or a pair of slices, lies in the slice of a waiver; None narrows nothing.

    is_named: the requirement names the reference. It is then a side of every pair, and leave for it is leave for none;
    where all pairs are compared, either side counts.
    """
    sides = (slice_,) if is_named or reference is None else (slice_, reference)
    return any((wanted or {}).items() <= side.items() for side in sides)


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """An approved waiver of one requirement. What is None narrows nothing."""

    id: str
    requirement: str
    starts: date
    ends: date  # the last day on which it holds
    reason: str
    control: str  # what protects people meanwhile
    version: str | None = None
    evaluation: str | None = None
    slice: Mapping[str, str | int | float | bool | None] | None = None
    terms: str | None = None  # `terms_of` the requirement as it was when leave was asked for

    def covers(self, verdict: Verdict, *, version: str, today: date) -> bool:
        """Whether it is about this verdict, and in force today.

        A waiver of one slice covers a verdict only where every piece that is not met lies in that slice: it gives no
        leave for another slice that fails beside it, nor where some of the pieces were not kept.
        """
        if (
            self.requirement != verdict.requirement.id
            or not self.starts <= today <= self.ends
            or self.version not in (None, version)
            or self.evaluation not in (None, verdict.evaluation)
            or self.terms not in (None, terms_of(verdict.requirement))
        ):
            return False
        if self.slice is None:
            return True
        failing = [piece for piece in verdict.pieces if piece.outcome.value != "met"]
        all_kept = len(verdict.pieces) >= verdict.looked_at or len(failing) < len(verdict.pieces)
        is_named = verdict.requirement.reference is not None
        return (
            bool(failing)
            and all_kept
            and all(
                lies_in(self.slice, piece.estimate.slice, piece.estimate.reference, is_named=is_named)
                for piece in failing
            )
        )

    @classmethod
    def from_json(cls, record: Mapping[str, str], *, requirement: str) -> Self:
        """The waiver that a verdict of a run carries, without its scope, which had been looked at then."""
        return cls(
            id=record["id"],
            requirement=requirement,
            starts=date.fromisoformat(record["starts"]),
            ends=date.fromisoformat(record["ends"]),
            reason=record["reason"],
            control=record["control"],
        )

    def as_json(self) -> dict[str, object]:
        """The waiver as a verdict of `shipworthy/results@1` carries it."""
        return {
            "id": self.id,
            "starts": self.starts.isoformat(),
            "ends": self.ends.isoformat(),
            "reason": self.reason,
            "control": self.control,
        }


def waive(verdicts: Iterable[Verdict], waivers: Iterable[Waiver], *, version: str, today: date) -> list[Verdict]:
    """The verdicts, each one that is not met with the waiver that covers it: of several the one that ends last.

    version: of the system that was checked. A met requirement needs no waiver and gets none.
    """
    known = sorted(waivers, key=lambda waiver: (waiver.ends, waiver.id), reverse=True)
    return [
        verdict
        if verdict.outcome.value == "met"
        else replace(verdict, waiver=next((w for w in known if w.covers(verdict, version=version, today=today)), None))
        for verdict in verdicts
    ]
