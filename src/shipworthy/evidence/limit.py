"""One thing that a run leaves unknown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One thing that is not known: in a few words, and in a sentence or two."""

    evaluation: str | None  # None: the run as a whole
    title: str
    text: str
