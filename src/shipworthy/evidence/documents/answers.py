"""What people answered, read from `answers.yaml` or the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from shipworthy.errors import Fault, PlanError, Unusable
from shipworthy.evidence.documents.fields import FIELDS, PRIVACIES, Privacy
from shipworthy.plan.suggestions import did_you_mean
from shipworthy.plan.tree import parse
from shipworthy.present.safe import shorten

MAX_BYTES = 2_000_000  # of all answers, none of which is cut
_KEYS = ("text", "by", "at", "privacy", "not_applicable")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one person said to one question."""

    text: str = ""
    by: str = ""  # a person
    at: str = ""  # a date
    privacy: Privacy | None = None  # raises the class of the field; never lowers it
    not_applicable: str = ""  # the reason why the question does not arise


def load_answers(path: Path) -> dict[str, object]:
    """The mapping of an answers file. Raises Unusable (DOC001) when it cannot be read as one."""
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise ValueError("it is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
        found = parse(content.decode("utf-8-sig"), path.name).root.plain()
    except PlanError as error:
        raise Unusable(replace(fault, code="DOC001") for fault in error.faults) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror or "") if isinstance(error, OSError) else str(error)
        if isinstance(error, UnicodeDecodeError):
            reason = "it is not UTF-8 text"
        raise Unusable(
            Fault(
                code="DOC001",
                what=f"the answers cannot be read: {reason.lower()}",
                where=path.name,
                mend="name a YAML file that maps field ids to answers",
            )
        ) from error
    if not isinstance(found, dict):
        raise Unusable(
            Fault(
                code="DOC001",
                what="the answers are not a mapping of field ids to answers",
                where=path.name,
                mend="write `field.id: your answer`, one field a line",
            )
        )
    return found


def read_answers(given: Mapping[str, object]) -> dict[str, Answer]:
    """Answers by field id. Raises Unusable (DOC002) with every answer to an unknown field or of another shape; an
    empty answer is none."""
    faults: list[Fault] = []
    found: dict[str, Answer] = {}
    for name, value in given.items():
        if name not in FIELDS:
            mend = did_you_mean(str(name), FIELDS)
            faults.append(_fault(str(name), f"no document has a field {shorten(name, 80)!r}", mend))
        elif (problem := _problem(value)) is not None:
            faults.append(_fault(name, f"the answer {problem}", "write text, or {text, by, at}, or {not_applicable}"))
        elif isinstance(value, Mapping):
            said = {str(key): _text(part) for key, part in value.items() if key != "privacy"}
            found[name] = Answer(**said, privacy=cast("Privacy | None", value.get("privacy")))
        elif value is not None:
            found[name] = Answer(text=_text(value))
    if faults:
        raise Unusable(faults)
    return found


def _text(value: object) -> str:
    if value is None:
        return ""
    return "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _is_text(value: object) -> bool:
    one = str | int | float | None
    return isinstance(value, one) or (isinstance(value, (list, tuple)) and all(isinstance(v, one) for v in value))


def _problem(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None if _is_text(value) else "is no text"
    if strange := [key for key in value if key not in _KEYS]:
        return f"has an unknown key {shorten(strange[0], 40)!r}"
    if value.get("privacy") not in (None, *PRIVACIES):
        return f"has an unknown class; known: {', '.join(PRIVACIES)}"
    if value.get("text") and value.get("not_applicable"):
        return "has a text and is not applicable, too"
    return None if all(_is_text(part) for part in value.values()) else "holds something that is no text"


def _fault(name: str, what: str, mend: str) -> Fault:
    return Fault(code="DOC002", what=what, where=shorten(name, 80), mend=mend)
