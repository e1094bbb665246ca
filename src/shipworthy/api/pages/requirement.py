"""A requirement of a system over all its runs, with everything that hangs on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shipworthy.api.acting import everyone
from shipworthy.api.pages.library import Library, absent, system_of
from shipworthy.api.pages.measured import History, histories
from shipworthy.api.pages.shown import Shown, left_out, of_system
from shipworthy.evidence.trace import hanging_on
from shipworthy.present.safe import shorten


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementPage:
    """A requirement, with everything that hangs on it."""

    system: str
    history: History
    controls: list[str]
    risks: list[Shown]
    mitigations: list[Shown]
    waivers: list[Shown]
    left_out: list[str]  # what the page does not show, in sentences


def requirement_page(library: Library, system: str, requirement: str, *, now: datetime) -> RequirementPage:
    """One requirement of a system over all its runs, with its risks, mitigations and waivers."""
    record, today, people = library.record, now.date(), everyone(library.record)
    system_of(record, system)
    found, _ = histories(library, system, today=today, requirement=requirement)
    if not found:
        what = f"no run of {shorten(system, 60)!r} has looked at a requirement {shorten(requirement, 60)!r}"
        raise absent(what, "the system's page lists those that were looked at")
    risks, mitigations = hanging_on(
        requirement,
        of_system(record, "risk", system, today, people=people),
        of_system(record, "mitigation", system, today, people=people),
        body=lambda one: one.body or {},
    )
    waivers = of_system(record, "waiver", system, today, people=people)
    return RequirementPage(
        system=system,
        history=found[0],
        controls=found[0].points[-1].controls,
        risks=risks,
        mitigations=mitigations,
        waivers=[one for one in waivers if (one.body or {}).get("requirement") == requirement],
        left_out=left_out(record, system, "risk", "mitigation", "waiver"),
    )
