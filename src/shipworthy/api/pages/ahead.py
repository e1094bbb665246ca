"""Finding out ahead of visitors which systems are fit to ship, a little at a time, so that no page has to wait for all.

What is found out is remembered as `memory` says, so that a page still looks at whatever may have changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from threading import Event, Thread

from sqlalchemy.exc import SQLAlchemyError

from shipworthy.api.pages.library import Library
from shipworthy.api.pages.portfolio import rows_of
from shipworthy.errors import ShipworthyError

MOST = 1_500  # systems: the memory holds two things of each
AGAIN = 60.0  # seconds after which a new day, or a new line of the log, is noticed
SHARE = 4  # for each second of work, so many seconds of rest


class Ahead:
    """Looks at one system after the other, in a thread that rests most of the time and ends with the process."""

    def __init__(self, library: Library, clock: Callable[[], datetime]) -> None:
        self._library, self._clock, self._over = library, clock, Event()
        self._thread = Thread(target=self._work, name="shipworthy-ahead", daemon=True)

    def __enter__(self) -> Ahead:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=5)

    def round(self) -> int:
        """Look at every system once; how many there were. What cannot be looked at now is left to whoever asks."""
        count = 0
        for kept in self._library.record.find("system", limit=MOST):
            began = time.monotonic()
            with suppress(ShipworthyError, SQLAlchemyError, OSError, ValueError):
                rows_of(self._library, [kept], now=self._clock())
            count += 1
            if self._over.wait(SHARE * (time.monotonic() - began)):
                break
        return count

    def _work(self) -> None:
        seen: tuple[date, int] | None = None
        while not self._over.is_set():
            with suppress(ShipworthyError, SQLAlchemyError):  # the record is busy, or gone: the pages say so
                now = self._clock().date(), self._library.record.size()
                if now != seen:
                    self.round()
                    seen = now
            self._over.wait(AGAIN)
