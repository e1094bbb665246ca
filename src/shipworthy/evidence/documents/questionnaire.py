"""The answers file that asks for what is still missing."""

from __future__ import annotations

from collections.abc import Iterable

from shipworthy.evidence.documents.filling import Entry


def questionnaire(entries: Iterable[Entry]) -> str:
    """An answers file that asks for every missing field, by who is asked, the weightiest first; as YAML."""
    missing = sorted(
        (entry for entry in entries if entry.state == "missing"),
        key=lambda entry: (entry.field.role, -entry.field.weight, entry.field.id),
    )
    lines = [
        "# Answers that only people can give. Write text after the colon, or {text: ..., by: ..., at: ...};",
        "# where a field may be left out: {not_applicable: the reason}. Empty ones stay missing.",
    ]
    role = ""
    for entry in missing:
        if entry.field.role != role:
            role = entry.field.role
            lines += ["", f"# --- asked of: {role}"]
        leave = "; may be not applicable" if entry.field.optional else ""
        lines += ["", f"# {entry.field.question} (weight {entry.field.weight}{leave})", f"{entry.field.id}:"]
    return "\n".join(lines) + "\n"
