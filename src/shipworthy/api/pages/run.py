"""A run, as the record holds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shipworthy.api.acting import everyone
from shipworthy.api.pages.fit import Fit, fit_of, stand
from shipworthy.api.pages.folders import inside, promises, report_of
from shipworthy.api.pages.library import MOST, Library, find
from shipworthy.api.pages.measured import RANK, Measured, headline, measured
from shipworthy.api.pages.shown import RunRow, run_row


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPage:
    """A run."""

    run: RunRow
    headline: str
    verdicts: list[Measured]
    estimates: int
    fit: Fit | None  # only of the run that the system's newest decision rests on
    folder: str | None  # as seen from the project; None where it is not read
    why_no_report: str  # "" where there is one
    earlier: RunRow | None  # the run before it, to be compared with
    left_out: list[str]  # what the page does not show, in sentences


def run_page(library: Library, digest: str, *, now: datetime) -> RunPage:
    """One run, as the record holds it."""
    record = library.record
    kept, people = find(record, digest), everyone(record)
    promised = promises(library, kept)
    found = [measured(one, promised) for one in record.verdicts(run=kept.facts.digest, limit=MOST)]
    found.sort(key=lambda one: RANK.get(one.verdict, 4))
    counts = record.count_verdicts(kept.facts.digest) if len(found) == MOST else {}
    more = sum(counts.values()) - MOST
    folder, why = report_of(library, kept)
    stands = stand(library, kept.facts.system, now=now)
    is_current = stands is not None and not isinstance(stands, str) and stands.run.facts.digest == kept.facts.digest
    before = record.runs(system=kept.facts.system, before=kept.facts.created, limit=1)
    return RunPage(
        run=run_row(kept, people),
        headline=headline(kept.facts.decision, [one.verdict for one in found]),
        verdicts=found,
        estimates=record.count_estimates(kept.facts.digest),
        fit=fit_of(library, kept.facts.system, stands) if is_current else None,
        folder=None if folder is None else inside(library, folder),
        why_no_report=why,
        earlier=run_row(before[0], people) if before else None,
        left_out=[f"The first {MOST:,} of {MOST + more:,} verdicts are shown and counted."] if more > 0 else [],
    )
