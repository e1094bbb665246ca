"""What a run's own model card and datasheet ask of people, and how an answer gets into them.

They are written with the run, before anybody has answered; a package carries copies of them with the answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from shipworthy.evidence.documents.content import Content, Paragraph, Points
from shipworthy.evidence.documents.fields import Privacy
from shipworthy.evidence.documents.filling import Entry
from shipworthy.evidence.documents.privacy import is_visible
from shipworthy.evidence.markdown import missing
from shipworthy.present.safe import markdown

# Field of the catalogue -> how the model card and the datasheet ask for it.
PROMPTS: Mapping[str, str] = MappingProxyType(
    {
        "system.owner": "person or team that answers for it",
        "system.purpose": "what the system is for",
        "design.architecture": "architecture, training algorithm, parameters",
        "use.users": "who works with its output",
        "use.excluded": "uses that it was not made or tested for",
        "metrics.why": "which harm each one stands for",
        "data.training": "what it was trained on, and how that was collected",
        "data.representative": "whom the data stand for, and whom they leave out",
        "data.labels": "who or what decided the labels, how often they agree, and what was done to the data before",
        "impact.harms": "people affected, kinds of harm, how grave",
        "safeguards.list": "mitigations and what they cost",
        "oversight.measures": "who can stop or overrule the system",
    }
)


# Field -> between what the run's own model card prints it.
_PRINTED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "system.owner": ("| Owner | ", " |\n"),
        "data.evaluation": ("## Evaluation data\n\n", "\n\n## "),
        "data.training": ("## Training data\n\n", "\n\n## "),
    }
)


def asked(field: str) -> str:
    """The mark that stands where the answer to a field belongs."""
    return missing(PROMPTS[field])


def answered(document: str, entries: Mapping[str, Entry], audience: Privacy) -> str:
    """A model card or datasheet with what is known and was answered since, as far as an audience may read it.

    Marks cannot be forged: brackets of text from outside are escaped.
    """
    for field, (start, end) in _PRINTED.items():
        if not is_visible(entries[field].privacy, audience):
            held = f"{start}▒ Withheld: of class {entries[field].privacy}{end}"
            document = re.sub(rf"^{re.escape(start)}.*?{re.escape(end)}", held, document, flags=re.M | re.S)
    for field in PROMPTS:
        entry = entries[field]
        if not is_visible(entry.privacy, audience) and entry.state != "missing":
            document = document.replace(asked(field), f"▒ Withheld: of class {entry.privacy}")
        elif entry.state == "not applicable":
            document = document.replace(asked(field), f"Not applicable: {markdown(entry.note)}")
        elif said := _line(entry.content):
            document = document.replace(asked(field), said)
    return f"{document.rstrip()}\n\nAnswers are shown up to class {audience}.\n"


def _line(content: Content) -> str:
    """Content in one line of Markdown, whole."""
    found: list[str] = []
    for block in content:
        if isinstance(block, Paragraph):
            found.append(block.text)
        else:
            rows = block.items if isinstance(block, Points) else [": ".join(row[:2]) for row in block.rows]
            found.append("; ".join(rows) + (f"; and {block.more:,} more" if block.more else ""))
    return " ".join(markdown(text) for text in found)
