"""How people call what the record keeps: a decision, a plan or a run by what it is about, and never by a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipworthy.integrity.reading import read_json
from shipworthy.present.safe import plain, shorten
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.record.runs import RunFacts

_MOST = 200_000  # characters of a plan that are read for the version that it says
_SAID = {"approve": "approved", "reject": "rejected", "approve with conditions": "approved on conditions"}


def name_of(document: documents.Document) -> str:
    """A document in a few words, as a heading has it; at most 200 characters of outside text."""
    match document:
        case documents.Decision():
            text = f"Decision on {document.system} {document.version}"
        case documents.SignOff():
            role = document.role[:1].upper() + document.role[1:]
            text = f"{role} {_SAID[document.verdict]} {document.system} {document.version}"
        case documents.Plan():
            text = f"Plan of {document.system} {_version_of(document)}".strip()
        case documents.Version():
            text = f"{document.system} {document.version}"
        case documents.Waiver():
            text = f"Waiver of {document.requirement}"
        case documents.Answers():
            text = f"Answers on {document.about or document.system}"
        case _:
            text = str(getattr(document, "title", "")) or document.id
    return shorten(text, 200)


def run_name(facts: RunFacts) -> str:
    """A run in a few words; its end tells runs of one minute apart."""
    about = shorten(f"Run of {facts.system} {facts.version}, {facts.created:%Y-%m-%d %H:%M} UTC", 180)
    return f"{about} (…{run_end(facts)})"


def run_end(facts: RunFacts) -> str:
    """The end of a run's id, by which two runs of one minute are told apart."""
    return plain(facts.run)[-6:]


def _version_of(plan: documents.Plan) -> str:
    """The version that a plan is for; empty where the record does not know what the plan says."""
    text = plan.body.get("plan.json")
    if not isinstance(text, str) or len(text) > _MOST:
        return ""
    try:
        said: Any = read_json(text.encode())
        return str(said["system"]["version"])
    except (ValueError, LookupError, TypeError):
        return ""
