# ruff: noqa: SIM905 - tables of words read better as text
"""Reading the settings that a plan gives a scorer, with faults that say where and how to mend them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from shipworthy.errors import Fault, Unusable
from shipworthy.scorers.protocol import Measure

LONGEST_NAME = 60
LARGEST_FILE = 10_000_000  # bytes of a file that a setting names
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TAKEN = frozenset(
    """case variant trial cluster at weight status error messages response tool_calls hazard attack language expect
    latency_ms ttft_ms tokens_in tokens_out cost""".split()
)
_SHARED = ("name", "measures")


class Options:
    """The settings of one scorer. Each is read once, by kind; `done` refuses what nobody read.

    Every method raises Unusable: SCORE002 for a setting that cannot be used, SCORE003 for a file.
    """

    def __init__(self, kind: str, argument: Any, given: Mapping[str, Any], *, folder: Path, where: str) -> None:
        self.kind = kind
        self.argument = argument  # what stands after the kind: `{contains: reference}` has "reference"; None if nothing
        self.folder = folder
        self.where = where
        self._given = dict(given)
        self._known = list(_SHARED)

    def fault(self, what: str, mend: str, *, code: str = "SCORE002") -> Unusable:
        """A fault of this scorer's settings."""
        return Unusable(Fault(code=code, what=f"scorer {self.kind!r}: {what}", where=self.where, mend=mend))

    def name(self, default: str = "") -> str:
        """The scorer's column: `name:`, or the kind."""
        name = self._given.pop("name", default or self.kind)
        if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise self.fault(f"{str(name)[:80]!r} is no name of a column", "use letters, digits and _, a letter first")
        if name in _TAKEN or name.endswith("_why"):
            raise self.fault(f"the column {name!r} is taken", "give the scorer another name with name:")
        return name

    def measures(self, default: Measure, *allowed: Measure) -> Measure:
        """What its value says: `measures:`, or the default."""
        chosen = self._given.pop("measures", default)
        choices = allowed or (default,)
        if chosen not in choices:
            raise self.fault(f"it cannot measure {str(chosen)[:40]!r}", f"measures: is one of {', '.join(choices)}")
        return cast("Measure", chosen)

    def measures_bool(self, default: Measure) -> Measure:
        """As `measures`, for a value of yes or no that may mean any of them."""
        return self.measures(default, *(m for m in get_args(Measure) if m not in ("refusal", "quality", "number")))

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty; `key` may be the kind itself, for its argument."""
        value = self._take(key, default)
        if not isinstance(value, str) or not value:
            raise self.fault(f"{key} must be a text", f'write {key}: "..."')
        return value

    def choice(self, key: str, default: str, choices: Iterable[str]) -> str:
        """One of a few words."""
        value, choices = self._take(key, default), tuple(choices)
        if value not in choices:
            close = difflib.get_close_matches(str(value)[:80], choices, n=1)
            hint = f'did you mean "{close[0]}"? ' if close else ""
            raise self.fault(f"{key} is {str(value)[:80]!r}", f"{hint}it is one of {', '.join(choices)}")
        return cast("str", value)

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """A number within [low, high]."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.fault(f"{key} is {str(value)[:40]!r}", f"write a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, key: str, default: int, *, low: int, high: int) -> int:
        """A whole number within [low, high]."""
        value = self.number(key, default, low=low, high=high)
        if value != int(value):
            raise self.fault(f"{key} is {value:g}", "write a whole number")
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.fault(f"{key} is {str(value)[:40]!r}", "write true or false")
        return value

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of texts; one text alone is a list of one."""
        value = self._take(key, default)
        value = (value,) if isinstance(value, str) else value
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
            raise self.fault(f"{key} must be a list of texts", f'write {key}: ["...", "..."]')
        return tuple(value)

    def file(self, key: str) -> str:
        """The text of a file, by a path from the plan's folder."""
        path = self.folder / self.text(key)
        try:
            with path.open("rb") as stream:
                read = stream.read(LARGEST_FILE + 1)
            if len(read) > LARGEST_FILE:
                raise ValueError(f"it is larger than {LARGEST_FILE:,} bytes")
            return read.decode("utf-8")
        except (OSError, ValueError) as error:
            raise self.fault(f"{path.name} cannot be read: {error}", "name a file in UTF-8", code="SCORE003") from error

    def done(self) -> None:
        """Refuse settings that this scorer does not have. Read everything first."""
        unknown = [str(key)[:60] for key in self._given]
        if unknown:
            close = difflib.get_close_matches(unknown[0], self._known, n=1)
            hint = f'did you mean "{close[0]}"? ' if close else ""
            raise self.fault(
                f"it has no setting {', '.join(map(repr, unknown[:5]))}", f"{hint}it has: {', '.join(self._known)}"
            )

    def _take(self, key: str, default: Any) -> Any:
        if key == self.kind:
            return default if self.argument is None else self.argument
        self._known.append(key)
        value = self._given.pop(key, None)
        return default if value is None else value
