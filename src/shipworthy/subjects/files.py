"""A model file on disk: found, or told that it is not there."""

from __future__ import annotations

from pathlib import Path

from shipworthy.subjects.faults import quoted, subject_error


def found(name: str, stated: str, *, folder: Path) -> Path:
    """Return the file that the plan in `folder` states for subject `name`. Raises SubjectError SUBJ001."""
    path = folder / stated
    if not path.is_file():
        raise subject_error(
            name,
            "SUBJ001",
            f'there is no file "{quoted(stated)}"',
            "give the path of the model file, relative to the plan",
        )
    return path
