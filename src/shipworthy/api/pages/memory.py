"""What was found out about systems, remembered as long as nothing that it rests on has changed.

Three things can change it, and each is looked at anew whenever it is asked for: the record, of which every change is a
line of the log about a system; files, by what the file system says of them; and the day. What a run measured, nothing
changes.
"""

from __future__ import annotations

import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from shipworthy.record.store import Record

T = TypeVar("T")
Signature: TypeAlias = tuple[object, ...]
MOST = 4_096  # things that are remembered; what was asked for longest ago gives way
MOST_RUNS = 16_384  # things of runs that are remembered
MOST_FILES = 2_000  # below one folder; what rests on more is looked at each time
_SETTLED_NS = 2_000_000_000  # a file that was written this lately may change again and keep its time


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    value: object
    day: date
    paths: tuple[Path, ...]
    files: Signature


class Memory:
    """Safe for many threads at once; of one record, however many look at it."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._runs: OrderedDict[tuple[str, str], object] = OrderedDict()
        self._seq = 0  # lines of the log that were looked at
        self._lock = Lock()

    def look(self, record: Record) -> int:
        """Forget what lines of the log are about that came since the last look; the lines that there are now."""
        size = record.size()
        with self._lock:
            since, is_empty = self._seq, not self._known
        if size == since or (size < since <= record.size(anew=True)):  # another thread has looked at a newer state
            return size
        names = record.touched(since) if size > since and not is_empty else None
        with self._lock:
            if self._seq == since:
                gone = self._known if names is None else [key for key in self._known if key[0] in names]
                for key in list(gone):
                    del self._known[key]
                self._seq = size
        return size

    def recall(
        self, system: str, what: str, *, seq: int, today: date, find: Callable[[], tuple[T, Iterable[Path] | None]]
    ) -> T:
        """What is known of a system, found out where it is not.

        what: names what is asked for. seq: as `look` said. find: the value and the files and folders that it rests on;
        None where these cannot be named, so that nothing may be remembered.
        """
        with self._lock:
            known = self._known.get((system, what))
            if known is not None:
                self._known.move_to_end((system, what))
        if known is not None and known.day == today and known.files == signature(known.paths):
            return cast("T", known.value)
        began = time.time_ns()
        value, paths = find()
        if paths is not None:
            self._keep(system, what, value, seq=seq, today=today, paths=tuple(dict.fromkeys(paths)), began=began)
        return value

    def recall_all(
        self,
        systems: Sequence[str],
        what: str,
        *,
        seq: int,
        today: date,
        find: Callable[[list[str]], Mapping[str, T]],
    ) -> dict[str, T]:
        """As `recall`, of what rests on no file: what is not known of some is found out of all of these at once."""
        with self._lock:
            held = {one: self._known.get((one, what)) for one in systems}
            for one in held:
                if (one, what) in self._known:
                    self._known.move_to_end((one, what))
        known = {one: cast("T", it.value) for one, it in held.items() if it is not None and it.day == today}
        began = time.time_ns()
        new = find(missing) if (missing := [one for one in systems if one not in known]) else {}
        for one, value in new.items():
            self._keep(one, what, value, seq=seq, today=today, paths=(), began=began)
        return {**known, **new}

    def _keep(
        self,
        system: str,
        what: str,
        value: object,
        *,
        seq: int,
        today: date,
        paths: tuple[Path, ...],
        began: int,
    ) -> None:
        """Remember what was found out from a moment on, unless something that it rests on may have changed since."""
        files = signature(paths)
        # Files that were written while this was found out, or just before, may not be those that were read.
        if files is None or _newest(files) >= began - _SETTLED_NS:
            return
        with self._lock:
            if self._seq == seq:
                self._known[system, what] = _Known(value=value, day=today, paths=paths, files=files)
                while len(self._known) > MOST:
                    self._known.popitem(last=False)

    def of_runs(self, what: str, digests: Sequence[str], find: Callable[[list[str]], Mapping[str, T]]) -> dict[str, T]:
        """What runs measured, by their digests; what is not known of some is found out of all of these at once."""
        with self._lock:
            known = {one: self._runs[what, one] for one in digests if (what, one) in self._runs}
        new = find(missing) if (missing := [one for one in digests if one not in known]) else {}
        with self._lock:
            self._runs |= {(what, one): value for one, value in new.items()}
            while len(self._runs) > MOST_RUNS:
                self._runs.popitem(last=False)
        return cast("dict[str, T]", {**known, **new})


def signature(paths: Iterable[Path]) -> Signature | None:
    """What the file system says of files, of everything below folders, and of what is not there.

    None for what cannot be told so: too many files, a link, something that is neither file nor folder.
    """
    found: list[object] = []
    for path in paths:
        try:
            said = path.lstat()
        except (OSError, ValueError):
            found.append(None)
            continue
        if stat.S_ISDIR(said.st_mode):
            if (below := _below(path)) is None:
                return None
            found.append(below)
        elif stat.S_ISREG(said.st_mode):
            found.append(_of(said))
        else:
            return None
    return tuple(found)


def _below(folder: Path) -> Signature | None:
    found: list[tuple[str, Signature]] = []
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if len(found) >= MOST_FILES or entry.is_symlink():
                        return None
                    found.append((entry.path, _of(entry.stat(follow_symlinks=False))))
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            return None
    return tuple(sorted(found))


def _of(said: os.stat_result) -> Signature:
    return said.st_mtime_ns, said.st_ctime_ns, said.st_size, said.st_ino, said.st_mode


def _newest(files: Signature) -> int:
    """When the newest of them was written or changed, in nanoseconds."""
    newest = 0
    for one in files:
        if isinstance(one, tuple):
            its = [one] if one and isinstance(one[0], int) else [below for _, below in one]
            newest = max(newest, *(max(each[0], each[1]) for each in its), 0)
    return newest
