"""A run's folder takes its place in one step: at every instant there is the older run or the newer one, whole.

A run is written into a hidden folder beside its place, `.<name>.<random>.part`, which its process keeps locked:

    place   the name of the folder that is meant
    run     the run as it is written; once the two were exchanged, the older run
    older   the older run, on file systems that cannot exchange two folders

A process that is killed leaves such a folder behind without its lock; `recover` clears it away, and puts an older run
back that had already left its place.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_PARTS: Final = {"place", "run", "older"}
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)
_CANNOT: Final = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)  # this kernel, or this file system
_DEFERRED = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT") if hasattr(signal, name))


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder`, for what is to take its place; gone afterwards. Raises OSError."""
    part, lock = _hidden(folder)
    try:
        (part / "place").write_text(folder.name, "utf-8", "surrogateescape")
        yield part
    finally:
        with undisturbed():
            if folder.exists() or not (part / "older").exists():
                shutil.rmtree(part, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def place(part: Path, folder: Path) -> None:
    """Let `run` of a hidden folder take the place of `folder`, which need not be there. Raises OSError, and then
    `folder` is what it was.

    A signal that comes meanwhile waits; Ctrl-C is too late then, and is dropped: the run stands.
    """
    whole, older = part / "run", part / "older"
    with undisturbed():
        if not folder.exists():
            whole.rename(folder)
        elif not _exchange(whole, folder):
            folder.rename(older)
            try:
                whole.rename(folder)
            except OSError:
                older.rename(folder)
                raise


def recover(parent: Path) -> list[str]:
    """Clear away what killed processes left in a folder of runs; names of the older runs that were put back.

    Touches nothing but hidden folders of our making whose process is gone.
    """
    found = []
    with contextlib.suppress(OSError):  # not there, or not ours to look at: writing says so
        for part in sorted(parent.glob(".*.part")):
            with contextlib.suppress(OSError):
                found += _recovered(part)
    return found


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let signals that stop a process wait until this is done. Ctrl-C comes too late then, and is dropped.

    Only the main thread can: elsewhere Python raises no KeyboardInterrupt, and `recover` mends the rest.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    kept: dict[int, Any] = {}
    try:
        for number in map(int, _DEFERRED):
            if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                kept[number] = handler
                signal.signal(number, lambda sent, _: came.append(sent))
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    for number in dict.fromkeys(came):
        if number != signal.SIGINT:
            signal.raise_signal(number)


def _hidden(folder: Path) -> tuple[Path, int | None]:
    """A new hidden folder and its lock, which ends with the process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    while True:
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:100]}.", suffix=".part"))
        lock = _locked(part)
        if sys.platform == "win32" or (lock is not None and part.exists()):
            return part, lock
        if lock is not None:  # another process took it for one that was left behind
            os.close(lock)


def _locked(part: Path) -> int | None:
    """A lock on a folder; None where another process holds it, or where the system has none."""
    if sys.platform == "win32":
        return None
    import fcntl

    with contextlib.suppress(FileNotFoundError):
        opened = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(opened)
        else:
            return opened
    return None


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders take each other's place at once; False where that cannot be. Raises OSError."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _recovered(part: Path) -> list[str]:
    lock = _locked(part)
    if lock is None:
        return []
    try:
        if not {path.name for path in part.iterdir()} <= _PARTS or (part / "place").is_symlink():
            return []
        name = (part / "place").read_text("utf-8", "surrogateescape") if (part / "place").is_file() else ""
        older = part / "older"
        if older.exists():
            if not name or Path(name).name != name or older.is_symlink():
                return []
            if not (part.parent / name).exists():
                older.rename(part.parent / name)
                shutil.rmtree(part, ignore_errors=True)
                return [name]
        shutil.rmtree(part, ignore_errors=True)
        return []
    finally:
        os.close(lock)
