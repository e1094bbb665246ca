"""Calling a subject that is plain code: in threads, or as a coroutine, and out of its exceptions' reach."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from numbers import Real
from queue import SimpleQueue
from time import perf_counter
from typing import Any, TypeAlias

from shipworthy.collect.apart import Apart, Raised
from shipworthy.collect.jobs import Job, spelled
from shipworthy.collect.pace import CHARACTERS_A_TOKEN, Pace
from shipworthy.collect.sending import Closed
from shipworthy.errors import Unusable
from shipworthy.exchange import STATUSES, Answer, Message, Status
from shipworthy.subjects.assistants import Function
from shipworthy.subjects.faults import quoted, raised

_Call: TypeAlias = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class Threads:
    """Daemon threads that are reused. One that does not come back is left behind; it keeps no process alive."""

    def __init__(self) -> None:
        self._idle: list[SimpleQueue[_Call | None]] = []

    async def run(self, call: Callable[[], Any]) -> Any:
        """Return what `call` returns, or raise what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._idle:
            queue = self._idle.pop()
        else:
            queue = SimpleQueue()
            threading.Thread(target=self._work, args=(queue,), name="shipworthy-ask", daemon=True).start()
        queue.put((call, future, loop))
        return await future

    def close(self) -> None:
        """Let the idle ones end."""
        for queue in self._idle:
            queue.put(None)
        self._idle.clear()

    def _work(self, queue: SimpleQueue[_Call | None]) -> None:
        while (work := queue.get()) is not None:
            call, future, loop = work
            try:
                outcome, failed = call(), None
            except BaseException as error:  # SystemExit too: a stranger's code does not end the process
                outcome, failed = None, error
            try:
                loop.call_soon_threadsafe(self._tell, queue, future, outcome, failed)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _tell(
        self, queue: SimpleQueue[_Call | None], future: asyncio.Future[Any], outcome: Any, failed: BaseException | None
    ) -> None:
        self._idle.append(queue)
        if future.done():  # given up
            return
        if failed is None:
            future.set_result(outcome)
        else:
            future.set_exception(Raised(failed))


class Caller:
    """Asks a function: in an event loop apart where it is a coroutine, else in a thread."""

    def __init__(
        self,
        function: Function,
        *,
        timeout: float,
        pace: Pace,
        clock: Callable[[], datetime],
        threads: Threads,
        apart: Apart,
    ) -> None:
        self._function = function
        self._timeout = timeout
        self._pace = pace
        self._clock = clock
        self._threads = threads
        self._apart = apart
        self._awaited = inspect.iscoroutinefunction(function.ask) or getattr(function, "is_async", False)

    async def ask(self, job: Job, conversation: tuple[Message, ...], session: str) -> tuple[Answer, Closed]:
        """Ask once. Whatever the function raises or returns is an answer; it is never closed."""
        taken = await self._pace.wait(sum(len(message.content) for message in conversation) / CHARACTERS_A_TOKEN)
        start = perf_counter()
        answer = await self._called(job, conversation, session)
        self._pace.correct(answer, taken)
        latency = 1000 * (perf_counter() - start) if answer.latency_ms is None else answer.latency_ms
        closed: Closed = "again" if answer.status == "error" else "no"
        return replace(answer, latency_ms=latency, at=spelled(self._clock())), closed

    async def _called(self, job: Job, conversation: tuple[Message, ...], session: str) -> Answer:
        def call() -> Any:
            return self._function.ask(job.case, conversation, trial=job.trial, session=session)

        start = perf_counter()
        try:
            if self._awaited:
                return _checked(await self._apart.run(call, within=self._timeout))
            async with asyncio.timeout(self._timeout):
                answer = await self._threads.run(call)
            if inspect.isawaitable(answer):
                answer = await self._apart.run(lambda: answer, within=start + self._timeout - perf_counter())
        except BaseException as caught:
            task = asyncio.current_task()
            if isinstance(caught, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            error = caught.error if isinstance(caught, Raised) else caught
            if error is caught and isinstance(error, TimeoutError) and not str(error):
                return Answer(status="timeout", error=f"no answer within {self._timeout:g} s")
            status: Status = "timeout" if isinstance(error, TimeoutError) else "error"
            told = (
                quoted(error.faults[0].what)
                if isinstance(error, Unusable) and error.faults
                else f"it raised {raised(error)}"
            )
            return Answer(status=status, error=told)
        return _checked(answer)


def _checked(answer: Any) -> Answer:
    if not isinstance(answer, Answer):
        return Answer(status="error", error=f"it returned {type(answer).__name__}, not an Answer")
    numbers = (answer.latency_ms, answer.ttft_ms, answer.tokens_in, answer.tokens_out, answer.cost)
    if (
        answer.status not in STATUSES
        or not isinstance(answer.text, str)
        or not all(number is None or isinstance(number, Real) for number in numbers)
    ):
        return Answer(status="error", error="it returned an Answer whose status, text or numbers are none")
    return answer
