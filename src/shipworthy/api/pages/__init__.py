"""What the pages show of what was measured and decided: systems, runs, requirements in time, two runs side by side.

Everything is read from the record. A run's folder is read only where it lies in the project's folder, and only as
far as its bytes have the digests that the record and the manifest give them.
"""

from __future__ import annotations

from shipworthy.api.pages.comparison import Comparison, Pair, comparison
from shipworthy.api.pages.fit import Fit, fit_of, stand, stands
from shipworthy.api.pages.folders import asks, promises, report_bytes, report_of
from shipworthy.api.pages.library import PAGE, Library, absent, find
from shipworthy.api.pages.measured import History, Measured, claim, controls, histories
from shipworthy.api.pages.portfolio import Portfolio, SystemRow, portfolio
from shipworthy.api.pages.requirement import RequirementPage, requirement_page
from shipworthy.api.pages.run import RunPage, run_page
from shipworthy.api.pages.shown import People, RunRow, Shown, left_out, of_system, open_risks, run_row, score, show
from shipworthy.api.pages.system import Owed, SystemPage, VersionRow, owed, system_page

__all__ = [
    "PAGE",
    "Comparison",
    "Fit",
    "History",
    "Library",
    "Measured",
    "Owed",
    "Pair",
    "People",
    "Portfolio",
    "RequirementPage",
    "RunPage",
    "RunRow",
    "Shown",
    "SystemPage",
    "SystemRow",
    "VersionRow",
    "absent",
    "asks",
    "claim",
    "comparison",
    "controls",
    "find",
    "fit_of",
    "histories",
    "left_out",
    "of_system",
    "open_risks",
    "owed",
    "portfolio",
    "promises",
    "report_bytes",
    "report_of",
    "requirement_page",
    "run_page",
    "run_row",
    "score",
    "show",
    "stand",
    "stands",
    "system_page",
]
