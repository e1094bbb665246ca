"""A stranger's call, and no longer than it may take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
_Outcome: TypeAlias = "tuple[Any, BaseException | None]"
_Call: TypeAlias = "tuple[Callable[[], Any], SimpleQueue[_Outcome]]"


class LateError(TimeoutError):
    """A call did not come back in time: ours, and not one that the call raised."""


class Worker:
    """Makes calls one after the other in a daemon thread; one that does not come back in time is left behind there.

    The thread is the same from call to call, as connections and models that are kept by thread expect it.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] | None = None
        self._lock = threading.Lock()

    def run(self, call: Callable[[], T], *, within: float) -> T:
        """Return what `call` returns, or raise what it raises; LateError after `within` seconds."""
        with self._lock:
            if self._calls is None:
                self._calls = SimpleQueue()
                threading.Thread(target=_work, args=(self._calls,), name="shipworthy-call", daemon=True).start()
            told: SimpleQueue[_Outcome] = SimpleQueue()
            self._calls.put((call, told))
            try:
                outcome, failed = told.get(timeout=min(within, threading.TIMEOUT_MAX))
            except BaseException as stopped:
                self.close()
                if isinstance(stopped, Empty):
                    raise LateError from None
                raise
        if failed is not None:
            raise failed
        result: T = outcome
        return result

    def close(self) -> None:
        """Let the thread end, once it comes back."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None

    def __del__(self) -> None:
        self.close()


def _work(calls: SimpleQueue[_Call | None]) -> None:
    while (work := calls.get()) is not None:
        call, told = work
        try:
            outcome: _Outcome = (call(), None)
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: they are for whoever waits
            outcome = (None, error)
        told.put(outcome)
        del work, call, told, outcome  # nothing of it is kept until the next call
