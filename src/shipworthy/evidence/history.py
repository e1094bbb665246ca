"""What happened in a programme, as facts that indicators are computed from, and the window that they look through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, TypeAlias

from shipworthy.plan.models import Tier

Outcome: TypeAlias = Literal["ship", "hold", "undecided"]
Status: TypeAlias = Literal["proposed", "active", "retired"]
MONTH = 30.4375  # days


def end_of(day: date) -> datetime:
    """When a day is over (UTC). day: before the last one that there is."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The time that is looked at: since <= moment < until."""

    since: datetime
    until: datetime  # no later than now

    def has(self, moment: datetime | None) -> bool:
        """Whether a moment lies in it."""
        return moment is not None and self.since <= moment < self.until

    @property
    def last(self) -> datetime:
        """The last moment in it."""
        return self.until - datetime.resolution


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemFact:
    """A system as it was at the window's end, and what is asked of it."""

    name: str
    tier: Tier
    has_intake: bool  # complete, with a tier
    statuses: tuple[tuple[datetime, Status], ...]  # each as it was written, from when on; the first is the oldest
    required: int = 0  # controls; these counts are of today
    covered: int = 0
    waived: int = 0
    promises: int = 0  # active requirements
    traced: int = 0  # of them with a closed path

    def status_at(self, moment: datetime) -> Status | None:
        """What it was; None before the record knew it."""
        return next((status for since, status in reversed(self.statuses) if since <= moment), None)

    def active_within(self, window: Window) -> timedelta:
        """For how long it was active in a window."""
        active, end = timedelta(0), window.until
        for moment, status in reversed(self.statuses):
            start = min(max(moment, window.since), end)
            active += end - start if status == "active" else timedelta(0)
            end = start
        return active


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFact:
    """A recorded run: a submission to the gate."""

    digest: str
    system: str
    version: str
    created: datetime
    decision: Outcome
    locked: datetime | None
    verdicts: tuple[tuple[str, str, bool, bool], ...]  # requirement, verdict, waived, has an interval


@dataclass(frozen=True, kw_only=True, slots=True)
class UseFact:
    """A run that a decision was written on."""

    run: str
    at: datetime  # when the decision named it first
    changed: bool | None  # whether a digest of the version is another one since; None: there are none
    is_relied_on: bool = True  # the decision names it still


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionFact:
    """A decision that a person wrote down, as it was at the window's end."""

    system: str
    decided: datetime  # first written
    outcome: Outcome
    automated: Outcome
    uses: tuple[UseFact, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovalFact:
    """An approval, no rejection, that was not withdrawn before the window's end."""

    at: datetime
    is_required: bool  # its role has to sign at the system's tier
    is_independent: bool
    is_valid: bool  # everything that it is bound to is as it was; today
    is_in_force: bool = True  # neither withdrawn nor given anew since; today


@dataclass(frozen=True, kw_only=True, slots=True)
class WaiverFact:
    """A waiver that was approved at the window's end, or when it ended."""

    system: str
    starts: date
    ends: date
    is_open: bool  # the newest verdict on its requirement, before `until` and of whatever version, is not met


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskFact:
    """A risk at both ends of the window: its score, or None where it was not there or was closed."""

    before: int | None
    after: int | None
    is_known_before: bool  # it was there, open or closed
    is_treated: bool = False  # treated, accepted or closed within the window


@dataclass(frozen=True, kw_only=True, slots=True)
class MitigationFact:
    """A mitigation that was in place at the window's end."""

    at: datetime  # first written
    is_verified: bool
    is_effective: bool | None = None  # by paired changes that its run measured; None: it measured none


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentFact:
    """An incident."""

    system: str
    severity: str
    detected: datetime
    started: datetime | None = None
    acknowledged: datetime | None = None
    mitigated: datetime | None = None
    resolved: datetime | None = None
    closed: datetime | None = None
    signature: str = ""
    reportable: bool = False
    report_due: datetime | None = None
    reported: datetime | None = None
    is_tested: bool = False  # a regression test failed before and passed after
    actions: tuple[tuple[date, date | None], ...] = ()  # due, and when a run showed that it was done


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFact:
    """A package that was handed out: how complete its documents are, by weight."""

    about: str  # what it was made of
    at: datetime
    weights: tuple[int, int] | None  # filled in, applicable; None: its file is no longer where it was written


@dataclass(frozen=True, kw_only=True, slots=True)
class ReproductionFact:
    """An attempt to reproduce a run."""

    at: datetime
    reproduced: bool | None  # None: the file that says so is gone


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceFact:
    """A slice along an axis that a plan names, in a system's newest run."""

    n: int  # cases, the most of any metric
    least: int  # that the plan asks for


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything that indicators are computed from."""

    systems: Sequence[SystemFact] = ()
    runs: Sequence[RunFact] = ()
    decisions: Sequence[DecisionFact] = ()
    approvals: Sequence[ApprovalFact] = ()
    waivers: Sequence[WaiverFact] = ()
    risks: Sequence[RiskFact] = ()
    mitigations: Sequence[MitigationFact] = ()
    incidents: Sequence[IncidentFact] = ()
    packages: Sequence[PackageFact] = ()
    reproductions: Sequence[ReproductionFact] = ()
    slices: Sequence[SliceFact] = ()
