"""Asking subjects all cases: bounded, journalled, resumed."""

from shipworthy.collect.asking import Collected, ask_all
from shipworthy.collect.jobs import Job
from shipworthy.collect.journal import read_journal
from shipworthy.collect.limits import Limits
from shipworthy.collect.progress import Progress

__all__ = ["Collected", "Job", "Limits", "Progress", "ask_all", "read_journal"]
