"""How a decision stands at the moment when documents are made of it, as plain facts: what the record knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from shipworthy.digest import Json
from shipworthy.gates.fitness import Fit
from shipworthy.present.safe import shorten

_WIDE = 120  # characters of the reason that a headline names


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """One person's word on the decision that is packed, and on nothing else."""

    id: str
    role: str
    person: str  # the commitment
    name: str
    at: datetime  # UTC
    verdict: str
    conditions: tuple[str, ...] = ()
    due: date | None = None  # conditions are met by then
    statement: str = ""
    state: Literal["withdrawn", "superseded", "stale", "counts"] = "counts"
    why: tuple[str, ...] = ()  # it no longer counts

    @property
    def is_approval(self) -> bool:
        """Whether it approves, and counts."""
        return self.state == "counts" and self.verdict != "reject"

    @property
    def said(self) -> str:
        """Its verdict, and whether that holds."""
        return self.verdict if self.state == "counts" else f"{self.verdict}; {self.state}, no longer counts"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stands:
    """Whether a decision is fit to ship, who gave their word on it, and which of its waivers have ended."""

    fit: Fit
    until: date | None = None  # the last day on which it holds by itself
    against: tuple[str, ...] = ()  # what speaks against it, in sentences; of class internal
    given: tuple[Given, ...] = ()  # the oldest first
    missing: tuple[str, ...] = ()  # roles that are required, and in which nobody's word counts
    ended: Mapping[str, str] = field(default_factory=dict)  # waivers that it counted: id -> "was withdrawn on ..."

    def headline(self, ruled: str, decision: str, *, with_reasons: bool) -> str:
        """How it stands, with what the rules said: "HOLD: risk rejected it; the rules said SHIP: ..."; what the rules
        said alone, where it stands as they said.

        ruled: the headline of the run. decision: what the rules said, in one word.
        """
        if self.fit == decision:
            return ruled
        first, *others = self.against if with_reasons else (None,)
        why = "" if first is None else f"{shorten(first, _WIDE)}{f' (and {len(others)} more)' if others else ''}; "
        return f"{self.fit.upper()}: {why}the rules said {ruled}"

    def as_json(self, *, with_reasons: bool) -> dict[str, Json]:
        """For machines."""
        return {"fit": self.fit, "reasons": list(self.against)} if with_reasons else {"fit": self.fit}
