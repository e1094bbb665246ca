"""Whether the newest decision of a system holds today, as pages say it; looked at again where something changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from shipworthy.api import keys
from shipworthy.api.changes import Looking
from shipworthy.api.pages.folders import is_outside
from shipworthy.api.pages.library import Library
from shipworthy.api.runs import current, runs_with
from shipworthy.api.standing import Standing, standing
from shipworthy.cases.suite import open_suite
from shipworthy.errors import Damaged, PlanError, ShipworthyError
from shipworthy.evidence.store import plan_folder
from shipworthy.integrity.reading import read_bytes, read_json
from shipworthy.plan.packs import OURS
from shipworthy.plan.tree import parse, read_text
from shipworthy.present.safe import shorten
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Record

Stands: TypeAlias = Standing | str | None  # a reason where it cannot be said; None where nothing was run
_MOST_PLAN = 8 << 20
_LONGEST_PATH = 1_000
_CODE = re.compile(r"[\w.]+:[\w.]+")
_NO_PATH = re.compile(r"[\n\0]|://")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """Whether the newest decision of a system holds today."""

    fit: str  # ship | hold | undecided | stale | unknown
    until: date | None = None
    reasons: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)  # what is no longer what it was
    notes: list[str] = field(default_factory=list)
    run: str | None = None  # digest of the run that it is about, the first of several
    runs: list[str] = field(default_factory=list)  # digests of all of them
    version: str | None = None


def stand(library: Library, system: str, *, now: datetime) -> Stands:
    """Where a system's newest decision stands; a reason where that cannot be said; None where nothing was run."""
    return stands(library, [system], now=now)[system]


def stands(library: Library, systems: Sequence[str], *, now: datetime) -> dict[str, Stands]:
    """Where the newest decisions of systems stand."""
    run = {one.facts.system for one in library.record.newest_runs(systems)}
    seq = library.memory.look(library.record)
    return {name: _recall(library, name, now, seq) if name in run else None for name in systems}


def fit_of(library: Library, system: str, found: Stands) -> Fit:
    """The answer to "fit to ship now?" for a page."""
    if found is None:
        return Fit(fit="unknown", reasons=["nothing was run yet"])
    if isinstance(found, str):
        run = library.record.runs(system=system, limit=1)[0].facts
        return Fit(fit="unknown", reasons=[found], run=run.digest, runs=[run.digest], version=run.version)
    return Fit(
        fit=found.fitness.fit,
        until=found.fitness.until,
        reasons=list(found.fitness.reasons),
        changes=[change.what for change in found.changes],
        notes=list(found.notes),
        run=found.run.facts.digest,
        runs=[one.facts.digest for one in found.runs],
        version=found.run.facts.version,
    )


def _recall(library: Library, system: str, now: datetime, seq: int) -> Stands:
    find = partial(_look, library, system, now)
    return library.memory.recall(system, "standing", seq=seq, today=now.date(), find=find)


def _look(library: Library, system: str, now: datetime) -> tuple[Stands, Iterable[Path] | None]:
    """Where a decision stands, and what it rests on."""
    with library.record.one_state():
        try:
            kept = current(library.record, system)
        except Damaged as error:
            return f"its decisions cannot be read: {error.faults[0].where}: `shipworthy record verify`", None
        found, runs = _look_at(library, kept, now), runs_with(library.record, kept)
        if any(is_outside(library, one) for one in runs):
            return found, ()
        files = [_rests_on(library, one) for one in runs]
        return found, None if None in files else [path for each in files for path in each or ()]


def look_at(library: Library, kept: KeptRun, *, now: datetime) -> Standing | str:
    """Where the decision on a run stands; a reason where that cannot be said. Its data are not read again."""
    known = stand(library, kept.facts.system, now=now)
    if isinstance(known, Standing) and kept.facts.digest in {one.facts.digest for one in known.runs}:
        return known
    return _look_at(library, kept, now)


def _look_at(library: Library, kept: KeptRun, now: datetime) -> Standing | str:
    if any(is_outside(library, one) for one in runs_with(library.record, kept)):
        return "the run's folder lies outside of the project's, and was not looked at"
    try:
        return standing(library.record, kept, Looking(base=library.start, now=now, data=False))
    except (ShipworthyError, OSError, ValueError) as error:
        return f"its run cannot be looked at again: {shorten(error, 200)}"


def _rests_on(library: Library, kept: KeptRun) -> list[Path] | None:
    """The files that `standing` looks at, and where it would look for those that are not there.

    None where a plan does not name them all: it extends a pack by its path, or its cases come from somebody's code.
    """
    if not _is_by_itself(library.record, kept):
        return None
    folder = library.start / kept.facts.place
    found = [folder, keys.REGISTER]
    try:
        home = plan_folder(folder)
        said = read_json(read_bytes(folder / "environment.json", most=_MOST_PLAN))["plan"]
        plans = [read_json(read_bytes(folder / "plan.json", most=_MOST_PLAN))]
    except (OSError, ValueError, LookupError, TypeError):
        return found  # there is nothing else to look at before the folder changes
    place = (folder / str(said)).resolve()
    found.append(place)
    with suppress(PlanError, OSError, ValueError):  # a plan that cannot be read cannot before its file changes
        plans.append(parse(read_text(place, place.name), place.name).root.plain())
    for plan in plans:
        rests = _named(plan, home) if isinstance(plan, dict) else None
        if rests is None:
            return None
        found += rests
    return found


def _named(plan: Mapping[str, Any], home: Path) -> list[Path] | None:
    """Files that a plan names, and its suites; None where it does not name them all."""
    packs, models = plan.get("extends") or (), plan.get("evaluations") or {}
    if not isinstance(packs, list | tuple) or any(not str(one).startswith(OURS) for one in packs):
        return None
    found = list(_texts(plan, home))
    try:
        for name, model in models.items():
            suites = model.get("suite") or ()
            for each in suites if isinstance(suites, list) else [suites] if suites else []:
                if not (files := open_suite(each, folder=home, where=str(name)).files):
                    return None
                found += files
    except (ShipworthyError, OSError, AttributeError, TypeError, ValueError):
        return None
    return found


def _is_by_itself(record: Record, kept: KeptRun) -> bool:
    """Whether all waivers that a run names are of its own system, whose changes are told apart from others'."""
    for verdict in record.verdicts_of(kept.facts.digest):
        waiver = verdict.body.get("waiver")
        known = record.get("waiver", str(waiver.get("id"))) if isinstance(waiver, Mapping) else None
        if waiver and (
            known is None
            or not isinstance(known.document, documents.Waiver)
            or known.document.system != kept.facts.system
        ):
            return False
    return True


def _texts(plan: Mapping[str, Any], home: Path) -> Iterator[Path]:
    """Whatever in a plan may be the path of a file: texts of its evaluations and subjects, and its baseline."""
    waiting: list[Any] = [plan.get("evaluations"), plan.get("subjects"), plan.get("baseline")]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif (
            isinstance(one, str) and 0 < len(one) <= _LONGEST_PATH and not {"\n", "\0"} & set(one) and "://" not in one
        ):
            if _CODE.fullmatch(one):
                yield home / f"{one.partition(':')[0].replace('.', '/')}.py"
            path = home / one
            yield path.parent if _GLOB.search(path.name) else path
