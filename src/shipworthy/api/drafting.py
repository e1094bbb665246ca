"""A first plan for a data file."""

from __future__ import annotations

import os
from pathlib import Path

from shipworthy.errors import Fault, Unusable
from shipworthy.observations.profiles import profile
from shipworthy.observations.sources import connect, open_source
from shipworthy.plan.drafting import draft_plan
from shipworthy.plan.drafting_answers import draft_plan_of_answers


def draft(data: Path, plan: Path) -> tuple[str, int]:
    """Look at `data` and write a commented plan to `plan`. Returns its text and the number of columns.

    Raises DataError when the data cannot be read, Unusable (RUN001) when the plan cannot be written.
    """
    backend = connect()
    source = open_source(str(data), connection=None, backend=backend, where=str(data))
    columns = profile(source.table, backend)
    try:
        relative = Path(os.path.relpath(data.absolute(), plan.absolute().parent)).as_posix()
        if not (plan.parent / relative).exists():  # the way up from a linked folder is another one than its name says
            relative = Path(os.path.relpath(data.resolve(), plan.resolve().parent)).as_posix()
        text = draft_plan_of_answers(columns, data=relative) or draft_plan(columns, data=relative)
        plan.write_text(text, "utf-8")
    except OSError as error:
        raise Unusable(
            Fault(
                code="RUN001",
                what=f"the plan cannot be written: {error.strerror}",
                where=str(plan),
                mend="give --plan another place",
            )
        ) from error
    return text, len(columns)
