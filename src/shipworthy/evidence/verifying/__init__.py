"""Verification of a package, a log or a run: with no database and no network, and nothing of it is believed or run."""

from __future__ import annotations

from shipworthy.evidence.verifying.log import verify_log
from shipworthy.evidence.verifying.outcome import Checked, Kind, Trust
from shipworthy.evidence.verifying.package import is_package, verify_package
from shipworthy.evidence.verifying.run import verify_run

__all__ = ["Checked", "Kind", "Trust", "is_package", "verify_log", "verify_package", "verify_run"]
