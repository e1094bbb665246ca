"""A system: its versions with their decisions, its requirements in time, and who owes what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from shipworthy.api.acting import everyone, shown
from shipworthy.api.pages.fit import Fit, fit_of, stand
from shipworthy.api.pages.library import MOST, PAGE, Library, system_of
from shipworthy.api.pages.measured import History, histories
from shipworthy.api.pages.shown import SETTLED, People, RunRow, Shown, left_out, of_system, open_risks, run_row, show
from shipworthy.api.runs import decisions
from shipworthy.api.standing import Standing
from shipworthy.errors import Damaged
from shipworthy.present.safe import shorten
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Record

SOON = timedelta(days=30)
RUNS = 200  # whose decisions are shown
_LEFT = "accept or close what is left of the risk"
_OWED: tuple[documents.Kind, ...] = ("risk", "mitigation", "incident", "waiver")


@dataclass(frozen=True, kw_only=True, slots=True)
class Owed:
    """Something that somebody still has to do."""

    what: str
    who: str
    due: date | None
    is_overdue: bool
    kind: str = ""  # and id: of the document that it is about
    id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRow:
    """A version with the decisions on it."""

    version: str
    status: str
    first: datetime | None
    runs: list[RunRow]  # the newest first
    decision: str | None  # signed, else of its newest run
    is_signed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemPage:
    """A system."""

    system: Shown
    fit: Fit
    versions: list[VersionRow]
    histories: list[History]
    owed: list[Owed]
    runs: list[RunRow]
    open_risks: list[Shown]
    left_out: list[str]  # what the page does not show, in sentences


def system_page(library: Library, name: str, *, now: datetime) -> SystemPage:
    """One system: its versions with their decisions, its requirements in time, and who owes what."""
    record, today = library.record, now.date()
    kept, people = system_of(record, name), everyone(record)
    runs = record.runs(system=name, limit=RUNS)
    stands = stand(library, name, now=now)
    found, more = histories(library, name, today=today)
    left = left_out(record, name, "version", "decision", *_OWED)
    if more:
        left.append(f"{more:,} further requirements, whose newest verdict is better, are left out.")
    if len(runs) == RUNS and (count := record.count_runs(name)) > RUNS:
        left.append(f"Versions and decisions are those of the newest {RUNS:,} of {count:,} runs.")
    return SystemPage(
        system=show(kept, today, people),
        fit=fit_of(library, name, stands),
        versions=_versions(record, name, runs, people),
        histories=found,
        owed=owed(record, name, stands, today, people=people),
        runs=[run_row(one, people) for one in runs[:PAGE]],
        open_risks=open_risks(record, name, today, people=people),
        left_out=left,
    )


def _versions(record: Record, system: str, runs: Iterable[KeptRun], people: People) -> list[VersionRow]:
    """The versions in the order in which they were first seen."""
    by_version: dict[str, list[KeptRun]] = {}
    for run in runs:
        by_version.setdefault(run.facts.version, []).append(run)
    known = [one.document for one in record.find("version", system=system, limit=MOST, damaged=True)]
    status = {one.version: one.status for one in known if isinstance(one, documents.Version)}
    try:
        signed = {one.version: one.outcome for one in decisions(record, system)}  # the newest decides
    except Damaged:  # which one, `left_out` says
        signed = {}
    rows = []
    for version in dict.fromkeys([*status, *by_version]):
        own = by_version.get(version, [])
        decision = signed.get(version) or (own[0].facts.decision if own else None)
        rows.append(
            VersionRow(
                version=version, status=str(status.get(version, "candidate")),
                first=own[-1].facts.created if own else None,
                runs=[run_row(one, people) for one in own[:10]], decision=decision, is_signed=version in signed,
            )
        )  # fmt: skip
    return sorted(rows, key=lambda one: (one.first is None, one.first.isoformat() if one.first else "", one.version))


def owed(
    record: Record, system: str, stands: Standing | str | None, today: date, *, people: People | None = None
) -> list[Owed]:
    """What is still to be done for a system, the most pressing first. people: where the caller has them."""
    people = everyone(record) if people is None else people
    found: list[Owed] = []
    if isinstance(stands, Standing):
        found += [
            Owed(what=f"sign the decision, in the role “{role}”", who=role, due=None, is_overdue=False)
            for role in stands.missing
        ]
    doing: tuple[tuple[documents.Kind, str], ...] = (
        ("risk", "treat the risk"),
        ("mitigation", "carry out"),
        ("incident", "close the incident"),
    )
    for kind, verb in doing:
        for one in of_system(record, kind, system, today, people=people):
            body = one.body or {}
            if one.state == "unreadable":
                what = f"bring back the {kind} {shorten(one.id, 60)}, which cannot be read: `shipworthy record verify`"
                found.append(Owed(what=what, who="", due=None, is_overdue=True, kind=kind, id=one.id))
                continue
            title, who = f"“{shorten(body.get('title', ''), 90)}”", ""
            if body.get("owner"):
                who = shown(people, body["owner"])
            review = date.fromisoformat(body["review"]) if kind == "risk" and body.get("review") else today
            if review < today and one.state != "closed":
                what = f"look again at the risk {title}"
                found.append(Owed(what=what, who=who, due=review, is_overdue=True, kind=kind, id=one.id))
            if one.state in SETTLED or (one.due is None and kind != "incident"):
                continue
            what = f"{_LEFT if one.state == 'treated' else verb} {title}"
            found.append(Owed(what=what, who=who, due=one.due, is_overdue=one.is_overdue, kind=kind, id=one.id))
    for one in of_system(record, "waiver", system, today, people=people):
        body = one.body or {}
        name, by = shorten(body.get("requirement", ""), 60), shown(people, body.get("requester", ""))
        if body.get("status") == "requested" and not one.is_overdue:
            what = f"answer the request to waive {name}"
            found.append(Owed(what=what, who="approvers", due=one.due, is_overdue=False, kind="waiver", id=one.id))
        elif body.get("status") == "approved" and one.due is not None and today <= one.due <= today + SOON:
            what = f"meet {name} before its waiver ends"
            found.append(Owed(what=what, who=by, due=one.due, is_overdue=False, kind="waiver", id=one.id))
    return sorted(found, key=lambda one: (not one.is_overdue, one.due or date.max, one.what))
