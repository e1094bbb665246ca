"""Faults of the API, for somebody who has a form: which field each is about, and in words of the pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from shipworthy.errors import Fault
from shipworthy.web.forms.fields import Field

_OPTION = re.compile(r"--([a-z][a-z-]*)")
_QUOTED = re.compile(r"`([a-z_]+)`")
_COMMAND = re.compile(r"`shipworthy ([a-z][a-z -]*[a-z])[^`]*`")
_PLACES: Mapping[str, str] = {  # command -> where the pages have the same
    "catalogues": "“Catalogues”", "check": "a new run", "incident list": "“Incidents”", "incident update": "“Change”",
    "mitigation list": "“Mitigations”", "mitigation update": "“Change”", "risk list": "“Risks”",
    "risk treat": "“Treat”", "signoffs": "“Sign-offs”", "system intake": "“Make a system known”",
    "system list": "the first page", "waiver list": "“Waivers”",
}  # fmt: skip


def field_of(fields: Sequence[Field], fault: Fault) -> str | None:
    """The field that a fault is about: named as an option, as a place in a document or in words, else by its code.

    None where it is about none of them: it is of the whole form.
    """
    last = fault.where.rpartition(": ")[2]
    said = [
        last.removeprefix("--").replace("-", "_"), last.rpartition(".")[2], re.split(r"[.\[]", last)[0],
        *_QUOTED.findall(f"{fault.what} {fault.mend}"), fault.code,
    ]  # fmt: skip
    return next((one.name for name in said for one in fields if name == one.name or name in one.also), None)


def in_words(fields: Sequence[Field], text: str) -> str:
    """A message that speaks of options, of keys in a document and of commands, by the labels that a page has."""
    names = {name: one.label for one in fields for name in (one.name, *one.also)}

    def label(found: re.Match[str]) -> str:
        known = names.get(found[1].replace("-", "_"))
        return f"“{known}”" if known else found[0].strip("`").replace("_", " ")

    def place(found: re.Match[str]) -> str:
        return _PLACES.get(found[1], _PLACES.get(found[1].partition(" ")[0], found[0]))

    return _QUOTED.sub(label, _OPTION.sub(label, _COMMAND.sub(place, text)))
