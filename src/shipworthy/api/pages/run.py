"""A run, as the record holds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shipworthy.api.acting import everyone
from shipworthy.api.pages.fit import Fit, fit_of, stand
from shipworthy.api.pages.folders import asks, inside, promises, report_of
from shipworthy.api.pages.library import MOST, Library, find
from shipworthy.api.pages.measured import RANK, Leave, Measured, leaves, measured
from shipworthy.api.pages.shown import RunRow, run_row
from shipworthy.api.runs import runs_with
from shipworthy.present import sentences


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPage:
    """A run."""

    run: RunRow
    headline: str
    verdicts: list[Measured]  # as the run had them
    since: dict[str, Leave]  # requirement -> the waiver that covers it today, where the run did not count that one
    estimates: int
    fit: Fit | None  # only of runs that the system's newest decision rests on
    beside: list[RunRow]  # the other runs that the newest decision on this one rests on
    decides: RunRow | None  # that run, where it is another one
    asks: bool  # there may be answers to read
    folder: str | None  # as seen from the project; None where it is not read
    why_no_report: str  # "" where there is one
    earlier: RunRow | None  # the run before it, to be compared with
    left_out: list[str]  # what the page does not show, in sentences


def run_page(library: Library, digest: str, *, now: datetime) -> RunPage:
    """One run, as the record holds it."""
    record = library.record
    kept, people = find(record, digest), everyone(record)
    promised = promises(library, kept)
    verdicts = record.verdicts(run=kept.facts.digest, limit=MOST)
    leave = leaves(record, kept.facts.system, verdicts, today=now.date())
    found = [measured(one, promised) for one in verdicts]
    found.sort(key=lambda one: RANK.get(one.verdict, 4))
    counts = record.count_verdicts(kept.facts.digest) if len(found) == MOST else {}
    more = sum(counts.values()) - MOST
    folder, why = report_of(library, kept)
    fit = fit_of(library, kept.facts.system, stand(library, kept.facts.system, now=now))
    rests_on = kept if fit.run is None or kept.facts.digest in fit.runs else find(record, fit.run)
    before = record.runs(system=kept.facts.system, before=kept.facts.created, limit=1)
    return RunPage(
        run=run_row(kept, people),
        headline=sentences.headline(kept.facts.decision, [(one.verdict, one.severity) for one in found]),
        verdicts=found,
        since={
            one.requirement: today
            for one in found
            if (today := leave.get((one.run, one.requirement))) is not None and today.waiver != one.waiver
        },
        estimates=record.count_estimates(kept.facts.digest),
        fit=fit if rests_on is kept else None,
        beside=[run_row(one, people) for one in runs_with(record, kept) if one.facts.digest != kept.facts.digest],
        decides=None if rests_on is kept else run_row(rests_on, people),
        asks=asks(library, kept),
        folder=None if folder is None else inside(library, folder),
        why_no_report=why,
        earlier=run_row(before[0], people) if before else None,
        left_out=[f"The first {MOST:,} of {MOST + more:,} verdicts are shown and counted."] if more > 0 else [],
    )
