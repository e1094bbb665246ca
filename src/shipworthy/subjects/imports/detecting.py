"""Which tool wrote a log, told by how the file begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipworthy.subjects.faults import raised
from shipworthy.subjects.imports.claims import Claim
from shipworthy.subjects.imports.garak import garak_claims, garak_rows, is_garak
from shipworthy.subjects.imports.inspect_log import inspect_claims, inspect_rows, is_inspect
from shipworthy.subjects.imports.lm_eval import is_lm_eval, lm_eval_claims, lm_eval_rows
from shipworthy.subjects.imports.promptfoo import is_promptfoo, promptfoo_claims, promptfoo_rows
from shipworthy.subjects.imports.reading import Rows, damaged

HEAD: Final = 8_192  # bytes that tell


_SHAPES: Final = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A tool whose logs can be read."""

    name: str
    begins: Callable[[bytes], bool]
    reads: Callable[[Path], Rows]
    states: Callable[[Path], tuple[Claim, ...]]

    def rows(self, path: Path) -> Rows:
        """The log's rows for a recording. Raises DataError: IMPT001 an unknown version, IMPT002 a damaged log."""
        last = str(path)
        try:
            for where, row in self.reads(path):
                last = where
                yield where, row
        except _SHAPES as error:
            what = f"a value after this place is not of the shape that is known: {raised(error)}"
            raise damaged(self.name, what, last) from error

    def claims(self, path: Path) -> tuple[Claim, ...]:
        """What the log states about itself. Raises DataError as `rows` does."""
        try:
            return self.states(path)
        except _SHAPES as error:
            what = f"what it states is not of the shape that is known: {raised(error)}"
            raise damaged(self.name, what, str(path)) from error


TOOLS: Final = (
    Tool(name="Inspect", begins=is_inspect, reads=inspect_rows, states=inspect_claims),
    Tool(name="promptfoo", begins=is_promptfoo, reads=promptfoo_rows, states=promptfoo_claims),
    Tool(name="garak", begins=is_garak, reads=garak_rows, states=garak_claims),
    Tool(name="lm-eval", begins=is_lm_eval, reads=lm_eval_rows, states=lm_eval_claims),
)


def tool_of(path: Path) -> Tool | None:
    """The tool that wrote a file, or None for a recording of another kind. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD).removeprefix(b"\xef\xbb\xbf")
    return next((tool for tool in TOOLS if tool.begins(head)), None)
