"""A Python function as a subject: `module:function`, from the plan's folder or from what is installed."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from shipworthy.errors import MissingExtra
from shipworthy.subjects.deadline import LateError, Worker
from shipworthy.subjects.faults import raised, subject_error
from shipworthy.subjects.importing import import_function, place
from shipworthy.subjects.predictions import tabulate
from shipworthy.subjects.protocol import Declaration

Frame: TypeAlias = Literal["pyarrow", "pandas", "polars"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CallableSubject:
    """A function of a table: a pandas or Polars frame where its first annotation says so, else an Arrow table."""

    name: str
    target: str  # module:function, as the plan writes it
    function: Callable[[Any], Any]
    frame: Frame
    digest: str | None  # of the module's source; None when it has no file
    timeout: float  # seconds per call
    worker: Worker = field(default_factory=Worker, repr=False, compare=False)

    def predict(self, rows: pa.Table) -> pa.Table:
        """Call the function once. What it prints goes to stderr.

        Raises SubjectError: SUBJ006 to SUBJ009, and SUBJ010 when it does not come back in time.
        """
        handed = _as_frame(rows, self.frame)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                answer = self.worker.run(lambda: self.function(handed), within=self.timeout)
        except LateError as late:
            what = f"{self.target} gave no answer within {self.timeout:g} s for {rows.num_rows:,} rows"
            raise subject_error(self.name, "SUBJ010", what, "raise `timeout:`, or lower `batch:`") from late
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's code may raise anything
            raise subject_error(
                self.name,
                "SUBJ006",
                f"{self.target} raised {raised(error)}{place(error)}",
                "call it on a few rows of the data by hand",
            ) from error
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise subject_error(self.name, "SUBJ008", f"{self.target} is async", "name a plain function")
        return tabulate(answer, rows=rows.num_rows, name=self.name)

    def describe(self) -> Mapping[str, str]:
        """Kind, target, the frame it takes, and the digest of its module's source."""
        facts = {"kind": "python", "target": self.target, "takes": self.frame}
        return facts if self.digest is None else facts | {"digest": self.digest}


def open_callable(name: str, declared: Declaration, *, folder: Path) -> CallableSubject:
    """Import `module:function`. Raises SubjectError: SUBJ001 not there, SUBJ002 its import failed.

    A top-level module in the plan's folder is executed afresh from its file: what runs is what the digest names.
    """
    target = declared.python or ""
    found = import_function(name, target, folder=folder)
    return CallableSubject(
        name=name,
        target=target,
        function=found.function,
        frame=_wanted_frame(found.function),
        digest=found.digest,
        timeout=declared.timeout,
    )


def _wanted_frame(function: Callable[[Any], Any]) -> Frame:
    try:
        annotations = [parameter.annotation for parameter in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):  # a builtin without a signature
        return "pyarrow"
    first = annotations[0] if annotations else ""
    text = first if isinstance(first, str) else f"{getattr(first, '__module__', '')}.{getattr(first, '__name__', '')}"
    root = text.partition(".")[0]
    if root in {"pandas", "pd"}:
        return "pandas"
    return "polars" if root in {"polars", "pl"} else "pyarrow"


def _as_frame(rows: pa.Table, frame: Frame) -> Any:
    if frame == "pandas":
        return rows.to_pandas()
    if frame == "polars":
        try:
            import polars
        except ImportError as error:
            raise MissingExtra(
                package="polars", extra="polars", purpose="a subject that takes a Polars frame"
            ) from error
        return polars.from_arrow(rows)
    return rows
