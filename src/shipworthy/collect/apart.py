"""An event loop of its own for a stranger's coroutines, so that one that blocks it stops nobody else's clock."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final, TypeAlias

ANSWERS_WITHIN: Final = 0.5  # seconds in which a loop that is not blocked takes notice
TIDIES_WITHIN: Final = 1.0  # seconds that the end waits for what coroutines still have to put away
_Call: TypeAlias = Callable[[], Any]


class Raised(Exception):
    """Carries what a call raised: a future takes neither StopIteration nor SystemExit."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Apart:
    """Runs coroutines in one event loop, in a daemon thread, each no longer than it may take.

    All share the loop, as clients that keep connections expect it. A coroutine that blocks the loop (`time.sleep`)
    cannot be stopped: its loop is left behind with it, whatever had not begun there begins in a new loop, and the old
    one ends once it comes back. No thread of this keeps the process alive.
    """

    def __init__(self) -> None:
        self._loop: _Loop | None = None

    async def run(self, call: _Call, *, within: float) -> Any:
        """Return what `call` returns, awaited where it is awaitable; TimeoutError `within` seconds after it began.

        Raises Raised with whatever it raised.
        """
        while True:
            loop = self._loop = self._loop or _Loop()
            work = _Work(call)
            loop.add(work)
            try:
                return await self._outcome(loop, work, within)
            except _Moved:
                continue
            finally:
                loop.drop(work)

    async def _outcome(self, loop: _Loop, work: _Work, within: float) -> Any:
        left = within
        while True:
            done, _ = await asyncio.wait([work.future], timeout=left)
            if done:
                return work.future.result()
            if not await loop.takes_notice():
                self._leave(loop)
            if work.future.done():  # by now, or handed on
                return work.future.result()
            left = within if work.begun is None else work.begun + within - perf_counter()
            if left <= 0:
                raise TimeoutError

    def _leave(self, loop: _Loop) -> None:
        if self._loop is loop:
            self._loop = None
        loop.leave()

    def close(self) -> None:
        """Let the loop end."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None


class _Moved(Exception):
    """The call had not begun in a loop that is blocked: it may begin in another."""


class _Work:
    """One call, and where its outcome is waited for."""

    __slots__ = ("begun", "calls", "future", "task")

    def __init__(self, call: _Call) -> None:
        self.calls = [call]  # empty once somebody has taken it: popping a list is atomic
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.begun: float | None = None
        self.task: asyncio.Task[None] | None = None


class _Loop:
    """The thread with its loop. `add` to `leave` are for the loop that waits; the rest runs in the thread."""

    def __init__(self) -> None:
        self._waits = asyncio.get_running_loop()
        self._runs = asyncio.new_event_loop()
        self._coming: deque[_Work] = deque()
        self._settled: deque[tuple[_Work, Any, BaseException | None]] = deque()
        self._is_called = self._has_called = False  # each side is woken once for all that has come
        self._works: set[_Work] = set()
        self._is_left = False
        self._moved_at = perf_counter()  # when a call last began or ended
        self._thread = threading.Thread(target=self._work, name="shipworthy-async", daemon=True)
        self._thread.start()

    def add(self, work: _Work) -> None:
        self._works.add(work)
        self._coming.append(work)
        if not self._is_called:
            self._is_called = True
            self._runs.call_soon_threadsafe(self._begin)

    def drop(self, work: _Work) -> None:
        """Nobody waits for it any more: what still runs is cancelled."""
        self._works.discard(work)
        if not work.future.done():
            work.future.cancel()
            self._call(self._cancel, work)
        elif not work.future.cancelled():
            work.future.exception()  # looked at, if whoever waited was stopped before that
        if self._is_left and not self._works:
            self._call(self._runs.stop)

    async def takes_notice(self) -> bool:
        """Whether the loop runs: in one that is blocked no call begins or ends, and nothing is let through."""
        if perf_counter() - self._moved_at < ANSWERS_WITHIN:
            return True
        heard: asyncio.Future[None] = self._waits.create_future()

        def hear() -> None:
            with contextlib.suppress(RuntimeError):
                self._waits.call_soon_threadsafe(lambda: None if heard.done() else heard.set_result(None))

        self._call(hear)
        done, _ = await asyncio.wait([heard], timeout=ANSWERS_WITHIN)
        return bool(done)

    def leave(self) -> None:
        """Take no more; hand on what has not begun. What has begun may still come back in its time."""
        self._is_left = True
        for work in self._works:
            if work.calls and not work.future.done():
                with contextlib.suppress(IndexError):  # it begins this very moment
                    work.calls.pop()
                    work.future.set_exception(_Moved())

    def close(self) -> None:
        self._call(self._runs.stop)
        self._thread.join(TIDIES_WITHIN)

    def _call(self, callback: Callable[..., Any], *values: Any) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended
            self._runs.call_soon_threadsafe(callback, *values)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._runs) as runner:
            asyncio.set_event_loop(runner.get_loop())
            self._runs.run_forever()  # until stopped; then the runner cancels what is left, and closes

    def _begin(self) -> None:
        self._is_called = False
        while self._coming:
            work = self._coming.popleft()
            work.task = self._runs.create_task(self._run(work))

    async def _run(self, work: _Work) -> None:
        try:
            call = work.calls.pop()
        except IndexError:  # it was handed on
            return
        work.begun = self._moved_at = perf_counter()
        try:
            outcome, failed = call(), None
            if inspect.isawaitable(outcome):
                outcome = await outcome
        except BaseException as error:  # SystemExit too: a stranger's code does not end the process
            outcome, failed = None, error
        work.task = None
        self._moved_at = perf_counter()
        self._settled.append((work, outcome, failed))
        if not self._has_called:
            self._has_called = True
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                self._waits.call_soon_threadsafe(self._tell)

    @staticmethod
    def _cancel(work: _Work) -> None:
        if work.task is not None:
            work.task.cancel()

    def _tell(self) -> None:
        self._has_called = False
        while self._settled:
            work, outcome, failed = self._settled.popleft()
            if work.future.done():  # given up
                continue
            if failed is None:
                work.future.set_result(outcome)
            else:
                work.future.set_exception(Raised(failed))
