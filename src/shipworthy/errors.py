"""The error tree. Every error says what is wrong, where, and how to mend it, under a stable code with a page in
`docs/errors.md`.

ShipworthyError
├── NotEstimable            a quantity has no value on these data; caught by `estimate` and recorded as a reason
├── Unusable                the plan, the data or the call cannot be used: exit code 2
│   ├── PlanError           faults of a plan file, all of them at once
│   ├── DataError           faults of the data that a plan names
│   ├── SubjectError        a system under test that cannot be reached, loaded or believed
│   └── MissingExtra        an optional dependency that is not installed
└── Stale                   evidence that no longer matches what it was made from: exit code 4
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong: what, where, how to mend."""

    code: str  # stable, e.g. "PLAN014"; each has a page
    what: str
    where: str = ""  # file:line:column and the path inside, or a column of a table
    mend: str = ""

    def __str__(self) -> str:
        lines = [f"{self.code}  {self.what}"]
        if self.where:
            lines.append(f"  where  {self.where}")
        if self.mend:
            lines.append(f"  mend   {self.mend}")
        return "\n".join(lines)


class ShipworthyError(Exception):
    """Root of everything that Shipworthy raises on purpose."""


class NotEstimable(ShipworthyError):
    """A quantity that has no value on these data. Its message is the reason, fit to be shown."""


class Unusable(ShipworthyError):
    """The plan, the data or the call cannot be used. Carries every fault that was found."""

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n\n".join(str(fault) for fault in self.faults))


class Damaged(Unusable):
    """Something that the record keeps and that can no longer be read."""


class PlanError(Unusable):
    """Faults of a plan file."""


class DataError(Unusable):
    """Faults of the data that a plan names."""


class SubjectError(Unusable):
    """A system under test that cannot be reached, loaded or believed."""


class MissingExtra(Unusable):
    """An optional dependency that is not installed."""

    def __init__(self, *, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            Fault(
                code="EXTRA001",
                what=f"{purpose} needs the package {package!r}, which is not installed",
                mend=f'pip install "shipworthy[{extra}]"',
            )
        )


class Stale(ShipworthyError):
    """Evidence that no longer matches what it was made from."""
