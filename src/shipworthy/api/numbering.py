"""Documents that are numbered as they come: R-1, R-2 ..., also where several people write at the same moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from shipworthy.errors import Unusable
from shipworthy.record.documents import Document, Kind

if TYPE_CHECKING:
    from shipworthy.record.store import Record

D = TypeVar("D", bound=Document)
MOST = 1_000_000  # documents of one kind
_TRIES = 20  # others write at the same moment


def next_number(record: Record, kind: Kind, letter: str) -> int:
    """One more than the highest number that a document of a kind has."""
    numbered = re.compile(rf"{letter}-([1-9][0-9]{{0,8}})")
    found = (numbered.fullmatch(one) for one in record.ids(kind))
    return max((int(match[1]) for match in found if match), default=0) + 1


def write_numbered(
    record: Record, actor: str, now: datetime, make: Callable[[str], Sequence[D]], *, kind: Kind, letter: str
) -> D:
    """Write a new document under the next free number, and what changes along with it, all or none; the document.

    make: from its id to the document, then whatever changes with it. Raises as `Record.write`.
    """
    for attempt in range(_TRIES):
        id_ = f"{letter}-{next_number(record, kind, letter)}"
        documents = make(id_)
        try:
            record.write(actor, now, *documents, based_on={(kind, id_): 0})
        except Unusable as error:
            if error.faults[0].code != "RECORD015" or attempt == _TRIES - 1:
                raise
        else:
            return documents[0]
    raise AssertionError  # pragma: no cover
