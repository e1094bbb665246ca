"""What somebody who verifies brings along, and what the verification says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

from shipworthy.digest import Json
from shipworthy.errors import Fault
from shipworthy.integrity.checkpoints import Checkpoint
from shipworthy.integrity.keys import Register
from shipworthy.integrity.reading import Newer

MOST_FAULTS = 1_000
NEWER = "install a newer Shipworthy, and verify again"
_AGAIN = "get the package again from its maker"
_MENDS = {
    "PACK014": "compare the root with whoever told it to you; if theirs is another, get the package again",
    "PACK017": "get the package again from its maker; what is not listed is no part of it, and nobody vouches for it",
    "PACK018": "ask its maker to pack it again for these readers",
    "PACK019": "ask its maker for a package with all its signatures",
    "PACK020": "ask who signed it what they signed, and for a package that holds just that",
    "PACK022": "ask its maker which of the two is true, and for a package in which they agree",
    "PACK023": "ask its maker for the whole log, and compare with a checkpoint that was kept elsewhere",
}

Kind: TypeAlias = Literal["package", "log", "run"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """What the verifier brings along, from where the maker of the evidence cannot reach."""

    register: Register | None = None  # whose keys count; None: what the package says of itself
    threshold: int | None = None  # persons that must have signed; None: 1, where it is signed at all
    checkpoints: tuple[Checkpoint, ...] = ()  # of the log
    root: str | None = None  # sha256:..., of the package


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What verifying found."""

    kind: Kind
    faults: tuple[Fault, ...]  # the first thing wrong first, at most MOST_FAULTS; none: nothing is
    notes: tuple[str, ...]  # how far it reaches, in sentences
    facts: Mapping[str, Json]

    @property
    def headline(self) -> str:
        """What was shown, in one line."""
        if self.faults:
            more = "at least " if len(self.faults) >= MOST_FAULTS else ""
            return f"Not intact: {more}{len(self.faults):,} fault{'s' * (len(self.faults) != 1)}."
        if self.kind == "run":
            return "Intact: every file is as it was written."
        if self.kind == "log":
            entries, covered = self.facts["entries"], self.facts["covered"]
            return f"Intact: {entries:,} entries follow each other; {covered:,} are under a checkpoint."
        withheld = f", {self.facts['withheld']:,} withheld" if self.facts["withheld"] else ""
        by = self.facts["signed_by"]
        signed = f"signed by {', '.join(map(str, by))}" if isinstance(by, list) and by else "not signed"
        log = f"; {self.facts['entries']:,} log entries" if self.facts["entries"] else ""
        return f"Intact: {self.facts['files']:,} files{withheld}{log}; {signed}; root {self.facts['root']}"


def told(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The first faults, as many as are told."""
    return tuple(islice(faults, MOST_FAULTS))


def fault(code: str, what: str, where: str, *, mend: str | None = None) -> Fault:
    """A fault of a package. where: a path in it. mend: what to do, where that is not what the code asks for."""
    return Fault(code=code, what=what, where=where[:300], mend=mend or _MENDS.get(code, _AGAIN))


def unreadable(code: str, what: str, where: str, error: Exception) -> Fault:
    """The fault of a file that cannot be read, with the reason."""
    return fault(code, f"{what} cannot be read: {error}", where, mend=NEWER if isinstance(error, Newer) else _AGAIN)
