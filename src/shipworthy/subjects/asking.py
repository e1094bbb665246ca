"""From a declaration in the plan to something that can be asked: the one door to a generative subject."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from shipworthy import registry
from shipworthy.subjects.assistants import Assistant
from shipworthy.subjects.faults import subject_error

OPENERS: Final = {  # key of the declaration -> name under which its opener is registered
    "chat": "chat",
    "http": "app",  # `http` and `python` open systems that predict
    "python": "function",
    "huggingface": "huggingface",
    "simulated": "simulated",
}


def load_assistant(name: str, declaration: Any, *, folder: Path) -> Assistant:
    """Return the generative subject that the plan in `folder` declares as `name`. Nothing is asked yet.

    declaration: has one of the keys of `OPENERS` that is not None, and the keys of its opener.
    Raises SubjectError (SUBJ046: it declares no generative subject; and its opener's codes), MissingExtra, and what the
    registry raises.
    """
    declared = [key for key in OPENERS if getattr(declaration, key, None) is not None]
    if len(declared) != 1:
        raise subject_error(
            name,
            "SUBJ046",
            f"it is declared by {' and '.join(declared)}" if declared else "it is nothing that can be asked",
            f"name exactly one of {', '.join(OPENERS)}",
        )
    opener = registry.load("subjects", OPENERS[declared[0]], where=f"subjects.{name}")
    found: Assistant = opener(name, declaration, folder=folder)
    return found
