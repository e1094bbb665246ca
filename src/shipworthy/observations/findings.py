"""What was found in the data before any metric was computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Gravity: TypeAlias = Literal["ok", "note", "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The outcome of one data check. What makes data unusable is a DataError instead."""

    evaluation: str
    check: str  # e.g. "duplicate ids"
    gravity: Gravity
    what: str  # one sentence
    rows: int | None = None  # how many rows it concerns


@dataclass(frozen=True, kw_only=True, slots=True)
class Exclusion:
    """Rows that did not enter, and why."""

    evaluation: str
    reason: str
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """Where rows came from, and a fingerprint of what was read."""

    evaluation: str
    source: str
    digest: str  # sha256 of the content; does not depend on row order
    rows: int
    columns: tuple[str, ...] = ()
