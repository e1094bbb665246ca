"""Times as text: ISO 8601 in UTC, always with microseconds, so that they sort as they read."""

from __future__ import annotations

from datetime import UTC, datetime

from shipworthy.errors import Damaged, Fault, Unusable


def stamp(now: datetime) -> str:
    """A moment as text, such as 2026-11-21T09:30:00.000000Z. Raises Unusable (RECORD018) for one without its offset."""
    if now.tzinfo is None:
        what = "a time without its offset from UTC, which is no moment"
        raise Unusable(Fault(code="RECORD018", what=what, where=repr(now), mend="use datetime.now(UTC)"))
    try:
        return now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError as error:
        what = "a time beyond what UTC can name"
        raise Unusable(Fault(code="RECORD018", what=what, where=repr(now), mend="check the clock")) from error


def moment(text: str) -> datetime:
    """The moment that `stamp` wrote. Raises Damaged (RECORD009) where something else was put in its place."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        what, mend = (
            "a time that the record keeps is none: it was changed there",
            "`shipworthy record verify` says where",
        )
        raise Damaged(Fault(code="RECORD009", what=what, where=str(text)[:80], mend=mend)) from error
