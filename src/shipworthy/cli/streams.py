"""Where a command's words go, so that a terminal that is gone or a full disk is not mistaken for anything else.

Results go to stdout: where they are lost, the command says so, or ends quietly where nobody reads on (`| head`). Words
go to stderr: where they are lost, the result still counts. A character that the encoding lacks becomes a `?` on stdout
and an escape on stderr. A descriptor that the caller closed is the null device, so that no pipe or file takes its
number.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO


class OutputLost(BaseException):
    """A result could not be written to stdout. No library in between may take it for an error of its own."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        super().__init__(str(error))


class _Results(io.FileIO):
    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            raise OutputLost(error) from None


class _Words(io.FileIO):
    def write(self, content: Any, /) -> int:
        with contextlib.suppress(OSError):
            return super().write(content)
        return memoryview(content).nbytes


def open_streams() -> None:
    """Let `sys.stdout` and `sys.stderr` of this process be streams as above, and descriptors 0 to 2 be open."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdout = results(1)
    said = _encoding(sys.stderr)
    raw = io.BufferedWriter(_Words(2, "wb", closefd=False))
    sys.stderr = io.TextIOWrapper(raw, encoding=said, errors="backslashreplace", line_buffering=True)


def results(descriptor: int) -> TextIO:
    """A stream for results, encoded as stdout is."""
    raw = _Results(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=_encoding(sys.stdout), errors="replace", line_buffering=raw.isatty()
    )


def _encoding(stream: TextIO | None) -> str:
    return stream.encoding if stream is not None else "utf-8"
