"""A field of a form: how it is asked, and how what comes back is read, from a form or from JSON alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["line", "text", "choice", "many", "day", "moment", "number", "lines", "yes or no", "flag"]
Value: TypeAlias = str | int | bool | date | datetime | tuple[str, ...] | None

MOST_LINES = 100  # of a list
_RADIOS = 5  # options up to which all of them are shown at once
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?(Z|[+-]\d\d:\d\d)?")
_LONGEST: dict[Kind, int] = {"line": 500, "text": 8_000, "lines": 500, "day": 10, "moment": 40, "number": 12}


class Wrong(Exception):
    """A value that cannot be; its message says why, fit to stand beside the field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One of the answers that a field offers."""

    value: str
    label: str = ""  # "": the value itself
    help: str = ""

    @property
    def shown(self) -> str:
        """What stands on it."""
        return self.label or self.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One question of a form.

    choice: one of `choices`. many: any of them. lines: a list, one entry to a line. yes or no: has to be answered.
    flag: a box to tick. Of other kinds, `choices` are no more than suggestions, but for a number; where `is_open`, all
    of them are shown, beside a line for another answer.
    """

    name: str
    label: str
    kind: Kind = "line"
    help: str = ""
    is_needed: bool = False
    choices: tuple[Choice, ...] = ()
    least: int | None = None  # of a number
    most: int | None = None
    longest: int | None = None  # characters; of a list, of each entry
    also: tuple[str, ...] = ()  # what else faults call it, and codes of those that are about it wherever they stand
    group: str = ""  # the heading that it begins
    is_open: bool = False  # of a line

    @property
    def limit(self) -> int:
        """The most characters that it takes."""
        return self.longest or _LONGEST.get(self.kind, 500)

    @property
    def is_radio(self) -> bool:
        """Whether its choices are all shown at once."""
        return self.kind == "yes or no" or (self.kind == "choice" and self.is_needed and len(self.choices) <= _RADIOS)

    @property
    def is_select(self) -> bool:
        """Whether one of its choices is picked from a list."""
        return not self.is_radio and (self.kind == "choice" or (self.kind == "number" and bool(self.choices)))

    def read(self, raw: Sequence[str]) -> Value:
        """What a form sent, as a value. Raises Wrong."""
        if self.kind == "many":
            return self._many(raw)
        if self.is_open:
            raw = tuple(dict.fromkeys(text for text in raw if text.strip()))
        if len(raw) > 1:
            raise Wrong("came more than once: give one answer")
        text = raw[0] if raw else ""
        if self.kind == "lines":
            return self._lines(text.split("\n"))
        text = _kept(text, lines=self.kind == "text").strip()
        if len(text) > self.limit:
            raise Wrong(f"has {len(text):,} characters, and at most {self.limit:,} fit")
        if self.kind == "flag":
            if text not in ("", "yes"):
                raise Wrong("has to be ticked or not")
            return text == "yes"
        if not text:
            if self.is_needed:
                raise Wrong("choose one" if self.is_radio or self.is_select else "is needed")
            return "" if self.kind in ("line", "text") else None
        return self._one(text)

    def take(self, value: object) -> Value:
        """What a JSON document says, as a value. Raises Wrong."""
        if value is None:
            return self.read(())
        if self.kind in ("many", "lines"):
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise Wrong("must be a list of texts")
            if self.kind == "many":
                return self._many(value)
            if any("\n" in one for one in value):
                raise Wrong("has an entry of more than one line")
            return self._lines(value)
        if self.kind in ("flag", "yes or no"):
            if not isinstance(value, bool):
                raise Wrong("must be true or false")
            return value
        if self.kind == "number":
            if isinstance(value, bool) or not isinstance(value, int):
                raise Wrong("must be a whole number")
            return self._number(value)
        if not isinstance(value, str):
            raise Wrong("must be text")
        return self.read((value,))

    def written(self, value: Value) -> tuple[str, ...]:
        """A value as the form shows it."""
        if value is None or (value is False and self.kind == "flag") or value == "":
            return ()
        if isinstance(value, tuple):
            return value if self.kind == "many" else ("\n".join(value),) if value else ()
        if isinstance(value, bool):
            return ("yes" if value else "no",)
        if isinstance(value, datetime):
            return (value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M"),)
        return (value.isoformat() if isinstance(value, date) else str(value),)

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        known = [one.value for one in self.choices]
        about = {"title": self.label, **({"description": self.help} if self.help else {})}
        text: dict[str, Any] = {"type": "string", "maxLength": self.limit}
        if self.kind in ("many", "lines"):
            entry = {"type": "string", "enum": known} if self.kind == "many" and known else text
            return {**about, "type": "array", "items": entry, "maxItems": MOST_LINES}
        if self.kind in ("flag", "yes or no"):
            return {**about, "type": "boolean"}
        if self.kind == "number":
            ends = {"minimum": self.least, "maximum": self.most}
            return self._may_be_null(
                {**about, "type": "integer", **{key: end for key, end in ends.items() if end is not None}}
            )
        if self.kind == "choice" and known:
            return {**about, "enum": known if self.is_needed else [*known, "", None]}
        if self.kind == "day":
            return self._may_be_null({**about, "type": "string", "format": "date"})
        if self.kind == "moment":
            said = f"{self.help} An ISO 8601 time; UTC where it names no offset.".strip()
            return self._may_be_null({**about, **text, "description": said})
        return {**about, **text, **({"minLength": 1} if self.is_needed else {})}

    def _may_be_null(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema if self.is_needed else {**schema, "type": [schema["type"], "null"]}

    def _one(self, text: str) -> Value:
        if self.kind == "yes or no":
            if text not in ("yes", "no"):
                raise Wrong("has to be answered by yes or no")
            return text == "yes"
        if self.kind == "choice":
            if text not in (known := [one.value for one in self.choices]):
                raise Wrong(_none_of(known))
            return text
        if self.kind == "day":
            return _day(text)
        if self.kind == "moment":
            return _moment(text)
        if self.kind == "number":
            if not re.fullmatch(r"-?[0-9]{1,9}", text):
                raise Wrong("must be a whole number")
            return self._number(int(text))
        return text

    def _number(self, number: int) -> int:
        if (self.least is not None and number < self.least) or (self.most is not None and number > self.most):
            raise Wrong(f"has to lie between {self.least} and {self.most}")
        return number

    def _many(self, raw: Sequence[str]) -> tuple[str, ...]:
        known = {one.value for one in self.choices}
        if len(raw) > MOST_LINES or set(raw) - known:
            raise Wrong(_none_of(sorted(known)))
        if self.is_needed and not raw:
            raise Wrong("choose at least one")
        return tuple(dict.fromkeys(raw))

    def _lines(self, entries: Sequence[str]) -> tuple[str, ...]:
        told = tuple(dict.fromkeys(text for one in entries if (text := _kept(one).strip())))
        if len(told) > MOST_LINES:
            raise Wrong(f"has {len(told):,} entries, and at most {MOST_LINES} fit")
        if too_long := [one for one in told if len(one) > self.limit]:
            raise Wrong(f"has an entry of {len(too_long[0]):,} characters, and at most {self.limit:,} fit")
        if self.is_needed and not told:
            raise Wrong("is needed")
        return told


def _none_of(known: Sequence[str]) -> str:
    few = len(known) <= 12 and all(len(one) <= 40 for one in known)
    return f"has to be one of: {', '.join(known)}" if known and few else "has to be one of those that the form offers"


def _kept(text: str, *, lines: bool = False) -> str:
    """The same text, if it has nothing in it that no reader would see and no database keeps. Raises Wrong."""
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs") and char != "\t" and not (lines and char == "\n"):
            what = "a line break" if char == "\n" else "a control character" if char < "\ud800" else "half a character"
            raise Wrong(f"holds {what}, which cannot stand here")
    return text


def _day(text: str) -> date:
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise Wrong("has to be a day, as in 2026-11-21") from None


def _moment(text: str) -> datetime:
    try:
        if not _MOMENT.fullmatch(text) or not text.isascii():
            raise ValueError(text)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Wrong("has to be a time, as in 2026-11-21 09:30") from None
