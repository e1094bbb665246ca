"""What people said of answers, one by one, by whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.errors import Fault, Unusable
from shipworthy.record.reading import unkeepable
from shipworthy.record.schema import labels

LONGEST = 20_000  # characters of a text
_SAME = ("run", "evaluation", "case", "attack", "trial", "variant", "response", "scorer", "rater")


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """One rater's word on one answer. What an answer does not have is empty."""

    run: str  # digest
    evaluation: str
    case: str
    scorer: str  # what was judged
    label: str
    rater: str  # person:...
    attack: str = ""
    trial: int = 0
    variant: str = ""
    response: str = ""  # digest of the answer that was read
    why: str = ""


def read_labels(found: Sequence[Label]) -> list[dict[str, Any]]:
    """Labels as JSON objects. Raises Unusable (RECORD011, RECORD018) for texts that cannot be kept or are too long."""
    rows, faults = [], list[Fault]()
    for i, label in enumerate(found):
        row = asdict(label)
        faults += unkeepable(row, f"labels[{i}]")
        if any(isinstance(value, str) and len(value) > LONGEST for value in row.values()):
            what = f"a text of a label has more than {LONGEST:,} characters"
            faults.append(Fault(code="RECORD018", what=what, where=f"labels[{i}]", mend="shorten it"))
        rows.append(row)
    if faults:
        raise Unusable(faults)
    return rows


def insert_labels(connection: Connection, rows: Sequence[dict[str, Any]], seq: int) -> None:
    """Insert labels that one line of the log, number `seq`, tells of."""
    connection.execute(sa.insert(labels), [{"seq": seq, "position": i, **row} for i, row in enumerate(rows)])


def find_labels(
    connection: Connection, *, run: str | None, evaluation: str | None, scorer: str | None
) -> tuple[Label, ...]:
    """Labels in the order in which they were said, the later word of a rater in place of the earlier one."""
    asked = {"run": run, "evaluation": evaluation, "scorer": scorer}
    where = [labels.c[name] == value for name, value in asked.items() if value is not None]
    latest: dict[tuple[Any, ...], Label] = {}
    for label in labels_of(connection, where):
        key = tuple(getattr(label, name) for name in _SAME)
        latest.pop(key, None)
        latest[key] = label
    return tuple(latest.values())


def labels_of(connection: Connection, where: Sequence[sa.ColumnElement[bool]]) -> list[Label]:
    """Every label that was said, in its order."""
    columns = [labels.c[name] for name in Label.__dataclass_fields__]
    rows = connection.execute(sa.select(*columns).where(*where).order_by(labels.c.seq, labels.c.position))
    return [Label(**row._mapping) for row in rows]
