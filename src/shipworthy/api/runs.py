"""Runs in the record, found by what people call them, and the decisions that rest on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from shipworthy.api.recording import run_digest
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.manifest import NAME as MANIFEST
from shipworthy.record.documents import Decision

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Record

MOST = 10_000  # decisions, waivers or sign-offs of one system
_RANKED = ("ship", "undecided", "hold")


def base_of(place: str | Path) -> Path:
    """The folder that places of runs start from: the record's; under a database's URL, where the command runs."""
    return Path() if "://" in str(place) else Path(place).parent


def folder_of(text: str) -> Path | None:
    """The run's folder that a text names; None where it names none."""
    try:
        return Path(text) if (Path(text) / MANIFEST).is_file() else None
    except (OSError, ValueError):  # too long for a name
        return None


def find_run(record: Record, text: str) -> KeptRun:
    """A recorded run by its folder, its id, its digest, or "latest". Raises Unusable (GOVERN002)."""
    folder = folder_of(text)
    if folder is not None:
        found = record.runs(digest=run_digest(folder), limit=1)
        what = "this run is not in the record, or was changed after it was recorded"
    elif text == "latest":
        found, what = record.runs(limit=1), "the record has no run yet"
    else:
        found = record.runs(run=text, limit=1) or record.runs(digest=text, limit=1)
        what = "there is no run of that folder, id or digest in the record"
    if not found:
        raise Unusable(Fault(code="GOVERN002", what=what, where=text[:200], mend="`shipworthy check` records its runs"))
    return found[0]


def current(record: Record, system: str, version: str | None = None) -> KeptRun:
    """The first run that the newest decision rests on, whatever came after it; where nothing was signed, the newest.

    version: only decisions and runs of that version. Raises Unusable (GOVERN002).
    """
    found = [one for one in decisions(record, system) if version in (None, one.version)]
    if found and (rests_on := runs_of(record, found[-1])):
        return rests_on[0]
    runs = record.runs(system=system, version=version, limit=1)
    if not runs:
        of = f" {version!r}" if version else ""
        what = f"the record has no run of {system!r}{of}"
        raise Unusable(Fault(code="GOVERN002", what=what, where=system[:200], mend="run `shipworthy check` first"))
    return runs[0]


def systems(record: Record) -> list[str]:
    """The names of the systems that the record knows."""
    return [one.id for one in record.find("system", limit=MOST)]


def decision_of(record: Record, run: str) -> Decision | None:
    """The newest decision that rests on a run, alone or with others. run: its digest."""
    facts = record.runs(digest=run, limit=1)
    found = decisions(record, facts[0].facts.system) if facts else []
    return next((one for one in reversed(found) if run in one.runs), None)


def runs_of(record: Record, decision: Decision) -> tuple[KeptRun, ...]:
    """The runs that a decision rests on, in its order: those that the record has."""
    return tuple(kept for one in decision.runs for kept in record.runs(digest=one, limit=1))


def runs_with(record: Record, kept: KeptRun) -> tuple[KeptRun, ...]:
    """The runs that the newest decision on a run rests on; before there is one, that run alone."""
    decision = decision_of(record, kept.facts.digest)
    return (kept,) if decision is None else runs_of(record, decision)


def decisions(record: Record, system: str) -> list[Decision]:
    """A system's decisions, in the order in which they were first written."""
    kept, begun = record.find("decision", system=system, limit=MOST), record.begun("decision", system)
    ordered = sorted(kept, key=lambda one: begun[one.id])
    return [one.document for one in ordered if isinstance(one.document, Decision)]


def worst(outcomes: Iterable[str]) -> str:
    """What several decisions come to: hold beats undecided, which beats ship."""
    return max(outcomes, key=_RANKED.index)
