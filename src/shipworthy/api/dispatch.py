"""Packages that are made and handed out from the pages: of a recorded run, one at a time, into the project's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, get_args

from shipworthy.api import packing
from shipworthy.api.acting import everyone, shown
from shipworthy.api.handing import PACKAGE, keep_package, package_of
from shipworthy.api.naming import run_name
from shipworthy.api.pages import Library, RunRow, absent, find, run_row
from shipworthy.api.pages.folders import is_outside
from shipworthy.api.pages.library import system_of
from shipworthy.api.runs import decision_of
from shipworthy.errors import Fault, ShipworthyError, Unusable
from shipworthy.evidence import excerpt
from shipworthy.evidence.documents.fields import Privacy
from shipworthy.present.safe import shorten

if TYPE_CHECKING:
    from shipworthy.record.artifacts import KeptArtifact
    from shipworthy.record.runs import KeptRun

MOST = 100  # packages on a page
MOST_RUNS = 200  # of a system, whose packages are listed


@dataclass(frozen=True, kw_only=True, slots=True)
class Rights:
    """What somebody who may pack may have in a package."""

    personal: bool  # personal data
    whole_log: bool  # the whole audit log, which tells of every system


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """A package that the record knows."""

    root: str  # sha256:..., which names it
    run: str  # digest of the run that it tells of first
    of: str  # that run, as people call it
    audience: str  # the strictest class of information in it; "" where it cannot be read any more
    at: datetime
    by: str
    size: int  # bytes
    why_not: str  # why it cannot be fetched from here; "" where it can
    verify: str  # the command that checks it


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPackages:
    """The packages of a run, and whether another can be made."""

    run: RunRow
    packages: list[Parcel]  # the newest first
    audiences: list[str]  # that can be chosen
    why_not: str  # none can be made from here; "" where one can


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemPackages:
    """The packages of a system."""

    system: str
    packages: list[Parcel]  # the newest first
    left_out: list[str]  # what the page does not show, in sentences


class Dispatch:
    """Where packages are made, one at a time, and fetched."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._busy = Lock()

    def of_run(self, digest: str, *, rights: Rights) -> RunPackages:
        """The packages of a run."""
        record = self.library.record
        kept = find(record, digest)
        outside = is_outside(self.library, kept)
        return RunPackages(
            run=run_row(kept, everyone(record)), packages=self._parcels([kept], rights=rights)[:MOST],
            audiences=list(_audiences(rights=rights)),
            why_not="the run's folder lies outside of the project's" if outside else "",
        )  # fmt: skip

    def of_system(self, name: str, *, rights: Rights) -> SystemPackages:
        """The packages of a system's newest runs. Raises Unusable (WEB001)."""
        record = self.library.record
        runs = record.runs(system=system_of(record, name).id, limit=MOST_RUNS + 1)
        found = self._parcels(runs[:MOST_RUNS], rights=rights)
        left = [f"Packages of the newest {MOST_RUNS} runs are looked at."] if len(runs) > MOST_RUNS else []
        left += [f"The newest {MOST} of {len(found):,} packages are shown."] if len(found) > MOST else []
        return SystemPackages(system=name, packages=found[:MOST], left_out=left)

    def make(self, digest: str, audience: str, *, rights: Rights, actor: str | None, now: datetime) -> str:
        """Pack a run, or the decision on it with all the runs that it rests on, and record that. Its root.

        It is signed by no key: keys stay with people. Raises Unusable: WEB001, WEB024 for an audience that cannot be
        chosen, WEB026 where it cannot be done now, and as `packing.pack` and `handing.keep_package`.
        """
        kept = find(self.library.record, digest)
        if audience not in (known := _audiences(rights=rights)):
            mend = f"choose one of {', '.join(known)}"
            raise Unusable(Fault(code="WEB024", what="it is not said who may read it", where="audience", mend=mend))
        if is_outside(self.library, kept):
            raise _not_now("the run's folder lies outside of the project's", "`shipworthy pack` packs it where it lies")
        if not self._busy.acquire(blocking=False):
            raise _not_now("another package is being made", "try again in a minute")
        try:
            return self._made(kept, audience, actor=actor, now=now)
        except Unusable:
            raise
        except (ShipworthyError, OSError, ValueError) as error:
            why = f"the run cannot be packed: {shorten(error, 300)}"
            raise _not_now(why, "`shipworthy verify` says what has changed") from error
        finally:
            self._busy.release()

    def fetch(self, digest: str, root: str, *, rights: Rights) -> Path:
        """The file of a package of a run, by its root. Raises Unusable (WEB001, WEB007)."""
        kept = find(self.library.record, digest)
        one = next((one for one in self._of(kept) if one.artifact.digest == root), None)
        if one is None:
            raise absent("the record has no such package of this run", "the page of its packages lists them")
        path, _, why = self._looked_at(one, rights=rights)
        if path is None:
            mend = "make a package anew, or ask who keeps the folder"
            raise Unusable(Fault(code="WEB007", what=f"the package is not handed out: {why}", where=root, mend=mend))
        return path

    def _made(self, kept: KeptRun, audience: Privacy, *, actor: str | None, now: datetime) -> str:
        library, record = self.library, self.library.record
        decision = decision_of(record, kept.facts.digest)
        named = decision.id if decision is not None else kept.facts.digest
        wanted = packing.chosen(record, named, library.start)
        stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%S%fZ}"
        out = library.root / ".shipworthy" / "packages" / f"{kept.facts.digest[7:23]}-{stamp}-{audience}.zip"
        if not out.resolve().is_relative_to(library.root.resolve()):
            raise _not_now("the folder of packages is a link to elsewhere", "put a folder in its place")
        packed = packing.pack(
            wanted.folders[0], others=wanted.folders[1:], decision=wanted.decision, out=out, record=library.place,
            audience=audience, zipped=True, now=now, most_log=0,  # of the log what is about this system
        )  # fmt: skip
        keep_package(library.place, packed.path, root=packed.root, about=wanted.about, actor=actor, now=now)
        return packed.root

    def _of(self, kept: KeptRun) -> list[KeptArtifact]:
        record = self.library.record
        decision = decision_of(record, kept.facts.digest)
        names = [f"run/{kept.facts.digest}", *([] if decision is None else [f"decision/{decision.id}"])]
        return [one for name in names for one in record.artifacts(role=PACKAGE, name=name)]

    def _parcels(self, runs: Sequence[KeptRun], *, rights: Rights) -> list[Parcel]:
        people = everyone(self.library.record)
        found = []
        for kept in runs:
            for one in self._of(kept):
                _, audience, why = self._looked_at(one, rights=rights)
                found.append(Parcel(
                    root=one.artifact.digest, run=kept.facts.digest, of=run_name(kept.facts), audience=audience,
                    at=one.at, by=shown(people, one.actor), size=one.artifact.size, why_not=why,
                    verify=f"shipworthy verify {_file(one)} --root {one.artifact.digest}",
                ))  # fmt: skip
        return sorted(found, key=lambda one: one.at, reverse=True)

    def _looked_at(self, one: KeptArtifact, *, rights: Rights) -> tuple[Path | None, str, str]:
        """The file of a package, if it can be handed out; for whom it was made; else why not."""
        root = self.library.root.resolve()
        path = (self.library.start / one.artifact.place).resolve()
        if "://" in one.artifact.place or not path.is_relative_to(root):
            return None, "", "it lies outside of the project's folder"
        found = package_of(one, self.library.start)
        if found is None:
            return None, "", "it is gone from where it was written, or is no longer what was recorded"
        audience = str(found.told.get("audience") or "")
        if not path.is_file():
            return None, audience, "it is a folder, and no one file"
        if audience not in _audiences(rights=rights):
            return None, audience, "it holds personal data, which take the right to audit"
        if excerpt.LOG in found.paths and not rights.whole_log:
            return None, audience, "it holds the log of all systems, which takes the right to audit all of them"
        return path, audience, ""


def _audiences(*, rights: Rights) -> tuple[Privacy, ...]:
    return tuple(one for one in get_args(Privacy) if one != "personal" or rights.personal)


def _file(one: KeptArtifact) -> str:
    """The name under which a package is fetched."""
    return f"package-{one.artifact.digest[7:19]}.zip"


def _not_now(what: str, mend: str) -> Unusable:
    return Unusable(Fault(code="WEB026", what=what, where="package", mend=mend))
