"""An exit code that can be believed: a command that runs a stranger's code does its work in a process of its own.

`os._exit(0)` in a subject, a metric or a native library ends a process with 0, "ship", and no handler runs. So the
worker tells its exit code over a pipe once the command has come to its end, and the process that was called waits for
that: a worker that ends without telling is a fault, whatever its status says. Where there is no fork (Windows), the
command runs as it is.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from shipworthy.cli.streams import OutputLost, results

_STOPS = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT") if hasattr(signal, name))
INTERRUPTED, BROKEN_PIPE = 130, 141
_UNUSABLE = 2


def supervised(work: Callable[[], Any]) -> NoReturn:
    """Run a command in a process of its own, and end with the exit code that it tells; with 2 where it tells none."""
    if not hasattr(os, "fork"):
        sys.exit(exit_code(work))
    told, tell = os.pipe()
    lifeline, hold = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        os.close(hold)
        threading.Thread(target=_end_when_orphaned, args=(lifeline,), daemon=True).start()
        with _own_stdout():
            code = exit_code(work)
        os.write(tell, bytes([code]))
        _leave(code)
    os.close(tell)
    os.close(lifeline)
    keys = (signal.SIGINT, signal.SIGQUIT) if _in_foreground() else ()  # they reach the worker by themselves
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN if number in keys else lambda sent, _: _send(child, sent))
    _, status = os.waitpid(child, 0)
    os.set_blocking(told, False)  # a process that the worker has left behind may hold the other end
    try:
        last = os.read(told, 1)
    except BlockingIOError:
        last = b""
    sys.exit(last[0] if last else _ended_early(os.waitstatus_to_exitcode(status)))


def exit_code(work: Callable[[], Any]) -> int:
    """Run a command to its end and return its exit code."""
    code = 0
    try:
        work()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        _say("Stopped. Nothing was written.")
        code = INTERRUPTED
    except OutputLost as lost:
        return _lost(lost.error)
    try:
        print(end="", flush=True)
    except OutputLost as lost:
        return _lost(lost.error)
    except OSError as error:
        return _lost(error)
    return code


def _lost(error: OSError) -> int:
    """What a command ends with whose result could not be written; a reader that went away, as `head` does, is no fault.

    Python flushes stdout once more at its end, which has to go somewhere.
    """
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    _say(f"CALL007  the result cannot be written: {error.strerror}")
    _say("  where  stdout")
    _say("  mend   make room, or send it elsewhere; a run that was written is in its folder, whole")
    return _UNUSABLE


def _leave(code: int) -> NoReturn:
    """End without waiting for threads that a stranger's code has left behind."""
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, broken, or none
            stream.flush()
    os._exit(code)


@contextlib.contextmanager
def _own_stdout() -> Iterator[None]:
    """Keep stdout for the command's own words: what others write to descriptor 1, or print at exit, goes to stderr."""
    if sys.stdout is None or sys.stderr is None:  # closed by the caller
        yield
        return
    saved = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = results(saved)
    try:
        yield
    finally:
        sys.stdout = sys.stderr


def _end_when_orphaned(lifeline: int) -> None:
    """End at once when the process that was called is gone: a killed command does not work on unseen."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _send(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _ended_early(status: int) -> int:
    """Say how a worker ended that told no exit code; a signal that asks to stop is no fault."""
    if -status in _STOPS:
        return 128 - status
    how = f"by itself with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
    _say(f"CALL006  the process was ended {how} before the command was done: no result was written")
    _say(f"  where  {' '.join(sys.argv[1:3])}")
    _say(
        f"  mend   {_MENDS.get(-status, 'look for os._exit, or for what else ends a process, in the code of the plan')}"
    )
    return _UNUSABLE


_MENDS = {
    9: "the system may have run out of memory: use fewer rows, or a larger machine",
    11: "a native library crashed: run the code that the plan names by itself",
}


def _say(words: str) -> None:
    with contextlib.suppress(OSError):
        print(words, file=sys.stderr)
