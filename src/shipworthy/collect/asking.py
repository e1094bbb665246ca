"""Asking a subject every case of a plan: bounded, journalled, resumed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from shipworthy.collect.apart import Apart
from shipworthy.collect.cache import Cache
from shipworthy.collect.calling import Caller, Threads
from shipworthy.collect.jobs import Job, described, job_key
from shipworthy.collect.journal import Journal, read_journal
from shipworthy.collect.limits import Limits
from shipworthy.collect.pace import Pace
from shipworthy.collect.progress import Progress
from shipworthy.collect.sending import Closed, Sender, open_session
from shipworthy.errors import SubjectError
from shipworthy.exchange import Answer, Message, Status
from shipworthy.subjects.assistants import Assistant, Endpoint
from shipworthy.subjects.faults import gist, subject_error

GIVES_UP_AFTER: Final = 8  # cases in a row that the subject let nobody in for
ALIKE: Final = 20  # first cases that all failed in one way, after which no others are paid for
_REPORTS_EVERY: Final = 0.2  # seconds
_OPEN: Final[Closed] = "no"
_GOES_ON: Final = frozenset({"ok", "refused"})  # a conversation goes on after these
_ASKS_NOTHING: Final = Answer(status="error", error="the case asks nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What asking came to. Iterating gives the answers in the order of the jobs, read from the journal."""

    journal: Path
    jobs: int
    asked: int  # by this run, the cached ones not counted
    cached: int
    resumed: int  # finished by earlier runs
    statuses: Mapping[Status, int]  # of all jobs
    spent: float  # by all runs of the journal
    seconds: float
    skipped: str | None  # why jobs were left out, where some were

    def __iter__(self) -> Iterator[Answer]:
        return read_journal(self.journal)


def ask_all(
    subject: Assistant,
    jobs: Callable[[], Iterable[Job]],
    *,
    total: int | None,
    journal: Path,
    limits: Limits,
    cache: Path | None = None,
    unusable: Callable[[Job, Answer], str | None] = lambda _, __: None,
    progress: Callable[[Progress], None] = lambda _: None,
    clock: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    rng: random.Random | None = None,
) -> Collected:
    """Ask `subject` every job that the journal does not hold yet, and journal each as it is finished.

    jobs: gives them anew at each call, their `seq` counting from 0. total: how many, where that is known.
    unusable: why an answer, though there is one, is of no use to who asks; None where it is of use.
    clock: the wall clock, for when an answer was finished and for `Retry-After`. rng: draws the waits between attempts.
    Ctrl-C stops asking, leaves the journal whole and raises KeyboardInterrupt.
    Raises SubjectError when nothing answers or nobody is let in (COLL010), when a ceiling on cost is set and the
    answers name no cost (COLL011), when the first ALIKE cases failed in one way that asking again would not change
    (COLL012: these are not journalled, and asked again next time); Unusable COLL001 to COLL005 for journal and cache;
    and what `jobs` raises. What was finished until then stays, and the same call goes on from there.
    """
    with (
        Journal(journal, subject=subject.describe()) as writer,
        contextlib.closing(Cache(cache)) if cache is not None else contextlib.nullcontext() as kept,
    ):
        asking = _Asking(
            subject,
            jobs,
            total=total,
            journal=writer,
            limits=limits,
            cache=kept,
            unusable=unusable,
            progress=progress,
            clock=clock,
            rng=rng or random.Random(secrets.randbits(64)),
        )
        _run(asking.run())
        return asking.collected()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, also where an event loop is running already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(work)  # the first Ctrl-C cancels `work`, the second ends at once
        return
    beside = _Beside(work)
    beside.start()
    try:
        beside.join()
    except KeyboardInterrupt:
        beside.stop()
        beside.join()
        raise
    if beside.error is not None:
        raise beside.error


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop, where the extra `generative` brought it: it takes a third less time for each request."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class _Beside(threading.Thread):
    """An event loop of its own, in a thread."""

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        super().__init__(name="shipworthy-collect", daemon=True)
        self._work = work
        self._loop = _new_loop()
        self._task: asyncio.Task[None] | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._main())
            except BaseException as error:
                self.error = error

    async def _main(self) -> None:
        self._task = asyncio.current_task()
        await self._work

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # closed already
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())


class _Asking:
    """One run over the jobs. All of it happens in one event loop, so that nothing needs a lock."""

    def __init__(
        self,
        subject: Assistant,
        jobs: Callable[[], Iterable[Job]],
        *,
        total: int | None,
        journal: Journal,
        limits: Limits,
        cache: Cache | None,
        unusable: Callable[[Job, Answer], str | None],
        progress: Callable[[Progress], None],
        clock: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self.subject = subject
        self.total = total
        self.journal = journal
        self.limits = limits
        self.cache = cache
        self.clock = clock
        self.rng = rng
        self._unusable = unusable
        self._report_to = progress
        self._described = described(subject)
        self._run_id = secrets.token_hex(4)  # a session that an earlier run broke off is not gone on with
        self._queue = self._pending(jobs)
        self._shut_out: deque[tuple[Job, str, Answer]] = deque()  # not journalled yet
        self._surely_out = 0
        self._alike: deque[tuple[Job, str, Answer]] = deque()  # the first ones, failed in one way; not journalled yet
        self._failure = ""  # that way
        self._differs = False  # something else came back, or an earlier run got past the first ones
        self._seen = self._asked = self._cached = self._resumed = self._failed = self._left_out = 0
        self._tokens = 0
        self._started = self._reported = 0.0
        self._finished_at = 0.0

    async def run(self) -> None:
        time = self._time = asyncio.get_running_loop().time
        self._started = self._reported = time()
        async with contextlib.AsyncExitStack() as stack:
            self._asker = await self._open(stack)
            crew = self.limits.max_concurrency if self.total is None else min(self.limits.max_concurrency, self.total)
            await _together([self._work() for _ in range(max(1, crew))])
        if self._shut_out and not self._let_in():
            raise self._unreachable()
        self._settle_shut_out()
        self._settle_alike()
        self.journal.end(jobs=self._seen, why=self._why_left_out())
        self._finished_at = time()
        self._report(finished=True)

    async def _open(self, stack: contextlib.AsyncExitStack) -> Sender | Caller:
        limits, pace = self.limits, Pace(self.limits, time=self._time)
        if isinstance(self.subject, Endpoint):
            session = await stack.enter_async_context(open_session(limits))
            return Sender(self.subject, session, limits=limits, pace=pace, clock=self.clock, rng=self.rng)
        threads, apart = Threads(), Apart()
        stack.callback(threads.close)
        stack.callback(apart.close)
        return Caller(self.subject, timeout=limits.timeout, pace=pace, clock=self.clock, threads=threads, apart=apart)

    def collected(self) -> Collected:
        return Collected(
            journal=self.journal.path,
            jobs=self._seen,
            asked=self._asked,
            cached=self._cached,
            resumed=self._resumed,
            statuses=self.journal.index.statuses(self._seen),
            spent=self.journal.index.spent,
            seconds=self._finished_at - self._started,
            skipped=self._why_left_out(),
        )

    def _pending(self, jobs: Callable[[], Iterable[Job]]) -> Iterator[tuple[Job, str]]:
        """The jobs that are still to be asked."""
        for job in jobs():
            if job.seq != self._seen:
                raise ValueError(f"job {job.seq} comes where job {self._seen} was due")
            self._seen += 1
            key = job_key(job, self._described)
            if self.journal.index.holds(job.seq, key):
                self._resumed += 1
                continue
            if self.journal.index.finished(job.seq):
                self.journal.take_back(job.seq)
            if self._at_ceiling():
                self._left_out += 1
                continue
            yield job, key

    def _at_ceiling(self) -> bool:
        return self.limits.max_cost is not None and self.journal.index.spent >= self.limits.max_cost

    def _why_left_out(self) -> str | None:
        if not self._left_out:
            return None
        return f"the ceiling of {self.limits.max_cost:g} on cost was reached"

    async def _work(self) -> None:
        for job, key in self._queue:
            if self.cache is not None and (known := self.cache.get(key)) is not None:
                self._finish(job, key, known, spent=0.0)
                self._cached += 1
                await asyncio.sleep(0)  # so that Ctrl-C is heard
                continue
            answer, closed = await self._ask(job, key)
            if closed == "yes" or (closed == "perhaps" and not self._let_in()):
                self._turned_away(job, key, answer, for_sure=closed == "yes")
                continue
            self._settle_shut_out()
            if self._fails_alike(job, key, answer, closed):
                continue
            self._settle_alike()
            self._differs = True
            self._keep(job, key, answer)
            if answer.cost is None and answer.status == "ok" and self.limits.max_cost is not None:
                raise subject_error(
                    self.subject.name,
                    "COLL011",
                    "there is a ceiling on cost, but its answers name no cost",
                    "declare `prices:` (and see that the endpoint tells its usage), or take `max_cost:` away",
                )

    def _keep(self, job: Job, key: str, answer: Answer) -> None:
        self._asked += 1
        self._finish(job, key, answer, spent=answer.cost or 0.0)
        if self.cache is not None:
            self.cache.put(key, answer)

    def _fails_alike(self, job: Job, key: str, answer: Answer, closed: Closed) -> bool:
        """Whether nothing came back so far but one failure, and this is it again, which then is put aside. Too many of
        them stop asking.
        """
        if self._differs or self._resumed or self._cached:
            return False
        why = answer.error or answer.status if closed == "again" else self._unusable(job, answer)
        if why is None or (self._alike and gist(why) != self._failure):
            return False
        self._failure = gist(why)
        self._alike.append((job, key, answer))
        if len(self._alike) >= ALIKE:
            raise subject_error(
                self.subject.name,
                "COLL012",
                f"its first {ALIKE} answers all failed in one way: {why}",
                "mend what the plan says of it (address, model, key, the place of the answer, the rubric) or the "
                "system itself; then run again, which asks these once more and goes on from here",
            )
        return True

    def _settle_alike(self) -> None:
        """Failures that turned out not to be all there is are answers like others."""
        while self._alike:
            self._keep(*self._alike.popleft())

    def _finish(self, job: Job, key: str, answer: Answer, *, spent: float) -> None:
        self.journal.add(job.seq, key, answer, spent=spent)
        self._failed += answer.status in ("error", "timeout")
        if self._time() - self._reported >= _REPORTS_EVERY:
            self._report()

    def _let_in(self) -> bool:
        """Whether the subject ever answered."""
        return bool(self._asked + self._cached + self._resumed)

    def _turned_away(self, job: Job, key: str, answer: Answer, *, for_sure: bool) -> None:
        self._shut_out.append((job, key, answer))
        self._surely_out += for_sure
        if (
            self._surely_out >= min(GIVES_UP_AFTER, self.limits.max_concurrency)
            or len(self._shut_out) >= GIVES_UP_AFTER
        ):
            raise self._unreachable()

    def _settle_shut_out(self) -> None:
        """Those that were turned away while others were let in are errors of their own."""
        self._surely_out = 0
        while self._shut_out:
            job, key, answer = self._shut_out.popleft()
            self._asked += 1
            self._finish(job, key, answer, spent=0.0)

    def _unreachable(self) -> SubjectError:
        return subject_error(
            self.subject.name,
            "COLL010",
            f"it lets nobody in: {self._shut_out[-1][2].error}",
            "see that it runs, and check its address, model and key; then run again, which goes on from here",
        )

    async def _ask(self, job: Job, key: str) -> tuple[Answer, Closed]:
        """The answer to a job, and whether the door was closed."""
        case, session = job.case, f"{key[:16]}-{self._run_id}"
        conversation = [Message(role="system", content=case.system)] if case.system is not None else []
        conversation += case.before
        heard: list[Answer] = []
        answer, closed = _ASKS_NOTHING, _OPEN
        for turn in case.turns:
            conversation.append(Message(role="user", content=turn))
            answer, closed = await self._asker.ask(job, tuple(conversation), session)
            heard.append(answer)
            self._tokens += (answer.tokens_in or 0) + (answer.tokens_out or 0)
            if answer.status not in _GOES_ON:
                break
            conversation.append(Message(role="assistant", content=answer.text))
        if len(heard) < 2:
            return answer, closed
        whole = replace(
            answer,
            said=tuple(each.text for each in heard[:-1]),
            tokens_in=_sum(each.tokens_in for each in heard),
            tokens_out=_sum(each.tokens_out for each in heard),
            cost=_sum(each.cost for each in heard),
        )
        return whole, closed

    def _report(self, *, finished: bool = False) -> None:
        now = self._reported = self._time()
        done = self._resumed + self._asked + self._cached
        self._report_to(
            Progress(
                total=self._seen if finished else self.total,
                finished=done,
                asked=self._asked,
                cached=self._cached,
                failed=self._failed,
                spent=self.journal.index.spent,
                tokens=self._tokens,
                seconds=now - self._started,
            )
        )


async def _together(works: list[Coroutine[Any, Any, None]]) -> None:
    """Run all; the first that fails stops the others, and its error is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION) if tasks else (set(), set())
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _sum(values: Iterable[Any]) -> Any:
    """Of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
