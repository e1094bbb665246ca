"""Which controls a system of a tier has to have evidence for, and which of them have it.

Ours, and no legal opinion: each tier asks for some rows of the crosswalk (`catalogues.crosswalk`), and a row asks for
the controls that it names. What a plan maps its requirements to is asked for beside that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shipworthy.catalogues.crosswalk import topics
from shipworthy.plan.models import Tier

# Rows that evaluations speak to (fairness, privacy ...) are asked for by the plan, which knows what the system does.
# Incidents and monitoring are not asked for: that there was none is no gap, and monitors are not recorded yet.
_MINIMAL = ("intake",)
_LIMITED = (*_MINIMAL, "plan", "gate")
_HIGH = (*_LIMITED, "risks", "package", "oversight", "audit-trail")
ROWS: Mapping[Tier, tuple[str, ...]] = {
    "minimal": _MINIMAL,
    "limited": _LIMITED,
    "high": _HIGH,
    "critical": (*_HIGH, "supply-chain"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row that a tier asks for."""

    id: str
    title: str
    controls: tuple[str, ...]  # full ids
    has_evidence: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Controls:
    """The controls that a system has to have evidence for, each in one of three sets."""

    rows: tuple[Row, ...]
    covered: frozenset[str]
    waived: frozenset[str]  # by a requirement that is waived; not covered
    missing: frozenset[str]

    @property
    def required(self) -> int:
        """How many there are."""
        return len(self.covered) + len(self.waived) + len(self.missing)


def controls(tier: Tier, evidence: Collection[str], promised: Mapping[str, str]) -> Controls:
    """Whether each required control has evidence.

    evidence: ids of rows for which the record has some. promised: control -> how the requirements that are mapped to it
    stand: "met" where all are, else "waived", "breached", "undecided" or "missing".
    """
    known = {topic.id: topic for topic in topics()}
    rows = tuple(
        Row(id=one, title=known[one].title, controls=known[one].controls, has_evidence=one in evidence)
        for one in ROWS[tier]
    )
    asked = {control for row in rows for control in row.controls} | promised.keys()
    covered = {control for row in rows if row.has_evidence for control in row.controls}
    covered = {one for one in covered if promised.get(one, "met") == "met"}
    covered |= {one for one, said in promised.items() if said == "met"}
    waived = {one for one in asked - covered if promised.get(one) == "waived"}
    return Controls(
        rows=rows, covered=frozenset(covered), waived=frozenset(waived), missing=frozenset(asked - covered - waived)
    )
