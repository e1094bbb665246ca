"""Runs started from the pages: a queue on the disk, one process for each check, and how far it has come.

A job is a folder under `.shipworthy/jobs/`: what was asked (`job.json`), what the check says of itself (`step.json`),
how it ended (`ended.json`), and what it printed (`output.txt`). The process holds a lock as long as it lives, so
whoever looks knows whether it does, also after the server was started anew, or the process was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from shipworthy.api.pages import Library, RunRow, absent, run_row
from shipworthy.errors import Fault, Unusable
from shipworthy.present.safe import plain, shorten

if sys.platform != "win32":
    import fcntl

MOST_WAITING = 8
MOST_PLANS = 50
MOST_KEPT = 100  # jobs that are over
LONGEST_PLAN = 1 << 20  # bytes
_TAIL = 16 << 10  # bytes of the output that are looked at
_LINES = 40
_LARGEST = 16 << 20  # bytes of output that are kept; what is printed beyond takes their place
_OFTEN = 0.5  # seconds between two words on how far asking is
_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")
_ASKED = re.compile(r"(\d[\d,]{0,20}) of (\d[\d,]{0,20})")
_NAMES = ("shipworthy.yaml", "shipworthy.yml")

State: TypeAlias = Literal["waiting", "running", "stopping", "done", "stopped", "failed", "gone"]
OVER: frozenset[State] = frozenset({"done", "stopped", "failed", "gone"})


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanFile:
    """A plan in the project's folder."""

    name: str  # of the file
    version: str
    evaluations: list[str]
    requirements: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A run that was asked for."""

    id: str
    system: str
    plan: str  # name of the file
    by: str  # how whoever asked is called
    at: datetime
    state: State
    step: str  # what the check is doing, in its own words
    finished: int | None  # answers, of `total`
    total: int | None
    decision: str | None
    run: str | None  # its id
    code: int | None  # exit code
    faults: list[Fault]


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPage:
    """A job, with the last lines that it printed."""

    job: Job
    lines: list[str]
    cut: bool  # there are earlier ones
    recorded: RunRow | None
    watch: bool  # the page looks again by itself


@dataclass(frozen=True, kw_only=True, slots=True)
class StartPage:
    """What can be started for a system, and what was."""

    system: str
    plans: list[PlanFile]
    jobs: list[Job]
    waiting: int
    most: int
    folder: str  # name of the project's


class Yard:
    """Where jobs are started, watched and stopped."""

    def __init__(self, library: Library) -> None:
        self.library = library

    @property
    def place(self) -> Path:
        """The folder of the jobs."""
        return self.library.root.resolve() / ".shipworthy" / "jobs"

    def start_page(self, system: str) -> StartPage:
        """The plans of a system, and its jobs. Raises Unusable (WEB001)."""
        if self.library.record.get("system", system) is None:
            raise absent(f"the record has no system {shorten(system, 80)!r}", "the first page lists those that it has")
        self.advance()
        jobs = self.jobs()
        return StartPage(
            system=system, plans=self.plans(system), jobs=[one for one in jobs if one.system == system][:20],
            waiting=sum(one.state == "waiting" for one in jobs), most=MOST_WAITING,
            folder=self.library.root.resolve().name,
        )  # fmt: skip

    def job_page(self, id_: str, *, watch: bool = False) -> JobPage:
        """A job. Raises Unusable (WEB001), also for one of a system that the record does not show."""
        self.advance()
        job = self.job(id_)
        if self.library.record.get("system", job.system) is None:
            raise _no_job(id_)
        lines, cut = _tail(self.place / job.id / "output.txt")
        runs = self.library.record.runs(run=job.run, limit=1) if job.run else ()
        return JobPage(
            job=job, lines=lines, cut=cut, recorded=run_row(runs[0], {}) if runs else None,
            watch=watch and job.state not in OVER,
        )  # fmt: skip

    def plans(self, system: str) -> list[PlanFile]:
        """The plans that lie in the project's folder itself and are about a system."""
        root = self.library.root.resolve()
        with contextlib.suppress(OSError):
            paths = [path for path in sorted(root.iterdir()) if path.suffix in (".yaml", ".yml")]
            paths.sort(key=lambda path: path.name not in _NAMES)
            found = (_plan(path, system) for path in paths[:MOST_PLANS] if _is_plain(path))
            return [one for one in found if one is not None]
        return []

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        with contextlib.suppress(OSError):
            ids = sorted((one.name for one in self.place.iterdir() if _ID.fullmatch(one.name)), reverse=True)
            return [job for one in ids if (job := self._read(one)) is not None]
        return []

    def job(self, id_: str) -> Job:
        """A job. Raises Unusable (WEB001)."""
        found = self._read(id_) if _ID.fullmatch(id_) else None
        if found is None:
            raise _no_job(id_)
        return found

    def start(self, system: str, plan: str, *, actor: str | None, shown: str, now: datetime) -> Job:
        """Ask for a run of one of the plans of a system; it starts at once, or when those before it are over.

        Raises Unusable: WEB001 no such plan here, JOB001 too many are waiting, JOB002 it cannot be written down.
        """
        if plan not in {one.name for one in self.plans(system)}:
            mend = "put it into the project's folder itself; the page lists the plans that lie there"
            raise absent(f"there is no plan {shorten(plan, 60)!r} of this system in the project's folder", mend)
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            with self._alone():
                jobs = self.jobs()
                if sum(one.state == "waiting" for one in jobs) >= MOST_WAITING:
                    what = f"{MOST_WAITING} runs are waiting already"
                    raise Unusable(Fault(code="JOB001", what=what, where=system[:80], mend="wait, or stop one of them"))
                for old in [one for one in jobs if one.state in OVER][MOST_KEPT:]:
                    shutil.rmtree(self.place / old.id, ignore_errors=True)
                stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%S}"
                same = sum(one.id.startswith(stamp) for one in jobs) % 0x10000  # those of one second keep their order
                id_ = f"{stamp}-{same:04x}{secrets.token_hex(2)}"
                folder = self.place / id_
                folder.mkdir(mode=0o700)
                asked = {"system": system, "plan": plan, "actor": actor, "by": shown, "at": now.isoformat()}
                _put(folder / "job.json", asked)
        except OSError as error:
            what = f"the run cannot be started: {error.strerror or error}"
            mend = "give the server leave to write there"
            raise Unusable(Fault(code="JOB002", what=what, where=".shipworthy/jobs", mend=mend)) from error
        self.advance()
        return self.job(id_)

    def stop(self, id_: str) -> None:
        """Stop a job as Ctrl-C does: what was answered is kept, and the same plan goes on from there."""
        job = self.job(id_)
        folder = self.place / job.id
        with self._alone():
            if job.state == "waiting":
                _put(folder / "ended.json", {"state": "stopped", "code": None})
            elif (
                job.state in ("running", "stopping")
                and _is_held(folder / "lock")
                and isinstance(pid := _get(folder / "pid.json").get("pid"), int)
            ):
                (folder / "stopping").touch()
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGINT)

    def advance(self) -> None:
        """Start what waits, where nothing else of its system runs."""
        if not self.place.is_dir():
            return
        with self._alone():
            jobs = self.jobs()
            busy = {one.system for one in jobs if one.state in ("running", "stopping")}
            for job in reversed(jobs):
                if job.state == "waiting" and job.system not in busy:
                    busy.add(job.system)
                    self._begin(job)

    def _begin(self, job: Job) -> None:
        folder = self.place / job.id
        asked = _get(folder / "job.json")
        place = self.library.place
        environment = {**os.environ, "SHIPWORTHY_RECORD": str(place if "://" in str(place) else Path(place).resolve())}
        environment.pop("SHIPWORTHY_ACTOR", None)
        if asked.get("actor"):  # not among the arguments, which anyone on the machine can read
            environment["SHIPWORTHY_ACTOR"] = str(asked["actor"])
        plan = self.library.root.resolve() / job.plan
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # whoever looks whether it is held lets go at once
            with (folder / "output.txt").open("ab") as output:
                process = subprocess.Popen(  # our own interpreter, and a plan of a list
                    [sys.executable, "-m", "shipworthy.api.progress", str(folder), str(plan)], stdin=subprocess.DEVNULL,
                    stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True, pass_fds=(lock,),
                )  # fmt: skip
            _put(folder / "pid.json", {"pid": process.pid})
        except OSError as error:
            fault = Fault(code="JOB002", what=f"it cannot be started: {error.strerror or error}", where=job.plan)
            _put(folder / "ended.json", {"state": "failed", "code": None, "faults": [asdict(fault)]})
            return
        finally:
            os.close(lock)  # the process has its own handle on it
        threading.Thread(target=self._wait, args=(process,), daemon=True, name=f"job {job.id}").start()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self.advance()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Whatever changes who runs is done by one at a time, also of several servers."""
        if sys.platform == "win32":
            what, mend = "runs cannot be started from the pages here", "run `shipworthy check` on the command line"
            raise Unusable(Fault(code="JOB003", what=what, where=sys.platform, mend=mend))
        handle = os.open(self.place / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self, id_: str) -> Job | None:
        folder = self.place / id_
        asked = _get(folder / "job.json")
        try:
            at = datetime.fromisoformat(asked["at"])
            system, plan = str(asked["system"]), str(asked["plan"])
        except (LookupError, ValueError, TypeError):
            return None
        # In this order: a process writes how it ended before it lets go of the lock.
        has_begun, is_alive = (folder / "lock").exists(), _is_held(folder / "lock")
        ended, step = _get(folder / "ended.json"), _get(folder / "step.json")
        is_told_to = (folder / "stopping").exists()
        state: State = ended.get("state", "gone") if ended or has_begun else "waiting"
        if not ended and is_alive:
            state = "stopping" if is_told_to else "running"
        elif state == "gone" and is_told_to:  # before it came to say so itself
            state = "stopped"
        said = str(step.get("step") or "")
        numbers = _ASKED.search(said)
        return Job(
            id=id_, system=system, plan=plan, by=str(asked.get("by") or ""), at=at, state=state,
            step=shorten(said, 200),
            finished=_number(numbers[1]) if numbers else None, total=_number(numbers[2]) if numbers else None,
            decision=ended.get("decision"), run=ended.get("run"), code=ended.get("code"),
            faults=[Fault(**one) for one in ended.get("faults", ())],
        )  # fmt: skip


def work(folder: Path, plan: Path) -> int:
    """Check a plan, and keep the job's folder up to date: what the process of a job does. Returns the exit code."""
    from shipworthy.api.checking import check
    from shipworthy.api.recording import place_of

    last = 0.0

    def say(step: str) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= _OFTEN or " of " not in step:
            last = now
            _put(folder / "step.json", {"step": plain(step)})

    def tell(text: str) -> None:
        print(plain(text), flush=True)  # into the job's output

    def end(state: State, code: int, **more: Any) -> int:
        _put(folder / "ended.json", {"state": state, "code": code, **more})
        return code

    try:
        run = check(plan, record=place_of(plan.parent), progress=say, tell=tell)
    except KeyboardInterrupt:
        tell("Stopped. No run was written; what was answered is kept, and the same plan goes on from there.")
        return end("stopped", 130)
    except Unusable as error:
        for fault in error.faults[:50]:
            for line in str(fault).splitlines():
                tell(line)
        return end("failed", 2, faults=[{k: plain(v) for k, v in asdict(one).items()} for one in error.faults[:50]])
    except Exception as error:
        what = f"an unexpected {type(error).__name__}: {plain(error)[:400]}"
        mend = "run `shipworthy check --verbose` on the command line, and report what it prints"
        fault = Fault(code="CALL001", what=what, where=plan.name, mend=mend)
        tell(str(fault))
        return end("failed", 2, faults=[asdict(fault)])
    tell(run.headline)
    code = {"ship": 0, "hold": 1, "undecided": 3}[run.decision.value]
    return end("done", code, decision=run.decision.value, run=run.id)


def watch(output: Path, most: int = _LARGEST, often: float = 1.0) -> None:
    """Empty what a job printed whenever it is larger than `most` bytes, as long as its process lives."""
    while True:
        with contextlib.suppress(OSError):
            if output.stat().st_size > most:
                os.truncate(output, 0)  # it is opened to append, so that the next line is written at its start
        time.sleep(often)


def _plan(path: Path, system: str) -> PlanFile | None:
    """A plan, if a file is one and is about a system. Nothing that it names is opened."""
    from shipworthy.plan.tree import parse, read_text

    try:
        found = parse(read_text(path, path.name), path.name).root.plain()
    except (Unusable, OSError, RecursionError):
        return None
    about = found.get("system") if isinstance(found, Mapping) else None
    if not isinstance(about, Mapping) or about.get("name") != system:
        return None
    evaluations, requirements = found.get("evaluations"), found.get("requirements")
    return PlanFile(
        name=path.name, version=str(about.get("version") or ""),
        evaluations=[str(one) for one in evaluations][:20] if isinstance(evaluations, Mapping) else [],
        requirements=len(requirements) if isinstance(requirements, list) else 0,
    )  # fmt: skip


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size <= LONGEST_PLAN and path.name.isprintable()


def _no_job(id_: str) -> Unusable:
    return absent(f"there is no job {shorten(id_, 40)!r}", "the page on which runs are started lists them")


def _put(path: Path, value: Mapping[str, Any]) -> None:
    from shipworthy.evidence.files import write_atomically

    write_atomically(path, json.dumps(value))


def _get(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes()[: 1 << 20])
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_held(path: Path) -> bool:
    """Whether a living process holds a lock."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _tail(path: Path) -> tuple[list[str], bool]:
    """The last lines of what was printed, harmless; whether there are earlier ones."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            text = file.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return [], False
    lines = [line for one in text.splitlines() if (line := shorten(one, 300))]
    return lines[-_LINES:], size > _TAIL or len(lines) > _LINES


def _number(text: str) -> int:
    return int(text.replace(",", ""))


if __name__ == "__main__":
    # A server that was started in the background ignores Ctrl-C, and what it starts would as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=watch, args=(Path(sys.argv[1]) / "output.txt",), daemon=True, name="output").start()
    sys.exit(work(Path(sys.argv[1]), Path(sys.argv[2])))
