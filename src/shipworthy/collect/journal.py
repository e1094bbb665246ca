"""The journal: one JSON line for each finished case, written before the case counts.

    {"schema":"shipworthy/journal@1","subject":{...}}
    {"seq":0,"key":"<32 hex digits>","status":"ok","spent":0.0021,"answer":{...}}
    {"seq":1,"key":null}
    {"ended":{"jobs":2,"why":null}}

Of two records of one `seq` the later counts; a null key takes an earlier one back, because the plan now asks something
else there. A process that is killed leaves at worst half a last line, which the next one drops. One process writes.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import orjson

from shipworthy.errors import DataError, Fault, Unusable
from shipworthy.exchange import STATUSES, Answer, Status, ToolCall
from shipworthy.subjects.faults import quoted, raised

SCHEMA: Final = "shipworthy/journal@1"
NOT_ASKED: Final = "not asked: the run was broken off"
_HEADER: Final = b'{"schema":"' + SCHEMA.encode() + b'"'
_RECORD = re.compile(
    rb'\{"seq":(\d{1,15}),"key":(?:null\}\n|"([0-9a-f]{32})","status":"([a-z]+)","spent":([0-9.eE+-]+),)'
)
_ENDED: Final = b'{"ended":'
_NUMBER: Final = {status.encode(): number for number, status in enumerate(STATUSES, 1)}  # 0: no record
_ROW = np.dtype([("offset", "i8"), ("size", "i8"), ("key", "u8"), ("status", "u1")])


class Index:
    """Where the record of each job stands: about 25 bytes a job, however long its answer."""

    def __init__(self) -> None:
        self.rows = np.zeros(1024, dtype=_ROW)
        self.spent = 0.0  # for all records, also for those that no longer count
        self.jobs: int | None = None  # how many there were, where the last run came to its end
        self.why: str | None = None  # why it left some out
        self.highest = -1

    def put(self, seq: int, *, key: str, status: bytes, offset: int, size: int, spent: float) -> None:
        """Note a record; an empty key takes one back."""
        while seq >= len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros(len(self.rows), dtype=_ROW)])
        self.rows[seq] = (offset, size, int(key[:16], 16), _NUMBER[status]) if key else (0, 0, 0, 0)
        self.spent += spent
        self.highest = max(self.highest, seq)

    def finished(self, seq: int) -> bool:
        """Whether there is a record of this job."""
        return seq < len(self.rows) and bool(self.rows["status"][seq])

    def holds(self, seq: int, key: str) -> bool:
        """Whether there is a record of this job that answers what is asked now."""
        return self.finished(seq) and int(self.rows["key"][seq]) == int(key[:16], 16)

    def statuses(self, jobs: int) -> dict[Status, int]:
        """How many of the first `jobs` have each status; those without a record are skipped."""
        found = Counter(dict(enumerate(np.bincount(self.rows["status"][:jobs], minlength=len(STATUSES) + 1).tolist())))
        counts = {status: found[number] for number, status in enumerate(STATUSES, 1)}
        counts["skipped"] += jobs - sum(counts.values())
        return {status: count for status, count in counts.items() if count}


class Journal:
    """The journal that this process writes. Closed by `close`, or by leaving its `with` block."""

    def __init__(self, path: Path, *, subject: Mapping[str, str]) -> None:
        """Open or go on with a journal. Raises Unusable: COLL001 another process writes it, COLL002 it is no journal,
        COLL003 it is damaged, COLL004 it cannot be written.
        """
        self.path = path
        header = _line({"schema": SCHEMA, "subject": dict(subject)})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            _lock(self._file, path)
            with path.open("rb") as file:
                self.index, self._end, last = _scanned(file, path)
            os.ftruncate(self._file, self._end)
            if last != header:
                self._write(header)
        except BaseException:
            os.close(self._file)
            raise

    def add(self, seq: int, key: str, answer: Answer, *, spent: float) -> None:
        """Write the answer of a finished job, in one piece. It counts from here on.

        What a function answers may be no JSON at all; that is an error of the function, and journalled as such.
        """
        try:
            content = answer_bytes(answer)
        except Exception as error:  # the repr of somebody's object may raise anything
            answer = Answer(status="error", error=f"its answer cannot be written down: {raised(error)}", at=answer.at)
            content = answer_bytes(answer)
        status = answer.status.encode()
        line = b'{"seq":%d,"key":"%s","status":"%s","spent":%s,"answer":%s}\n' % (
            seq,
            key.encode(),
            status,
            orjson.dumps(spent),
            content,
        )
        offset = self._end
        self._write(line)
        self.index.put(seq, key=key, status=status, offset=offset, size=len(line), spent=spent)

    def take_back(self, seq: int) -> None:
        """Let the record of a job no longer count."""
        self._write(b'{"seq":%d,"key":null}\n' % seq)
        self.index.put(seq, key="", status=b"", offset=0, size=0, spent=0.0)

    def end(self, *, jobs: int, why: str | None) -> None:
        """Note that all jobs were seen, and why some of them were left out, if any were."""
        if (self.index.jobs, self.index.why) != (jobs, why):
            self._write(_line({"ended": {"jobs": jobs, "why": why}}))
            self.index.jobs, self.index.why = jobs, why

    def close(self) -> None:
        """Bring everything to the disk and let go of the lock."""
        os.fsync(self._file)
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, line: bytes) -> None:
        try:
            written = os.write(self._file, line)
            if written != len(line):  # a full disk
                os.ftruncate(self._file, self._end)
                raise OSError(f"{written} of {len(line)} bytes were written")
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._end += written


def read_journal(path: Path) -> Iterator[Answer]:
    """The answers of a journal in the order of their jobs, one at a time; a job without a record gives one of status
    skipped. A journal that is being written is read up to where it is.

    Raises Unusable: COLL002 no journal, COLL003 a damaged record.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise _no_journal(path, str(error)) from error
    with file:
        index, _, _ = _scanned(file, path)
        why = index.why or NOT_ASKED
        jobs = index.highest + 1 if index.jobs is None else index.jobs
        for seq in range(jobs):
            if not index.finished(seq):
                yield Answer(status="skipped", error=why)
                continue
            row = index.rows[seq]
            file.seek(int(row["offset"]))
            yield answer_from(file.read(int(row["size"])), where=f"{path}  seq {seq}")


def count_finished(path: Path) -> int:
    """How many jobs a journal holds an answer to. Raises Unusable: COLL002 no journal, COLL003 a damaged record."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise _no_journal(path, str(error)) from error
    with file:
        index, _, _ = _scanned(file, path)
    return int(np.count_nonzero(index.rows["status"]))


def _scanned(file: BinaryIO, path: Path) -> tuple[Index, int, bytes]:
    """The index of a journal, where its last whole line ends, and its last header line."""
    index, end, header = Index(), 0, b""
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):  # the process was killed while it wrote
            if number == 1 and not (_HEADER.startswith(line) or line.startswith(_HEADER)):
                raise _no_journal(path, "its first line is not one of a journal")
            break
        if line.startswith(_HEADER):
            header = line
        elif number == 1:
            raise _no_journal(path, "its first line is not one of a journal")
        else:
            _note(index, line, end, f"{path}:{number}")
        end += len(line)
    return index, end, header


def _note(index: Index, line: bytes, offset: int, where: str) -> None:
    found = _RECORD.match(line)
    if found and (found[2] is None or (found[3] in _NUMBER and line.endswith(b"}}\n"))):
        index.jobs = None
        index.put(
            int(found[1]),
            key=(found[2] or b"").decode(),
            status=found[3] or b"",
            offset=offset,
            size=len(line),
            spent=float(found[4] or 0),
        )
        return
    try:
        if not line.startswith(_ENDED):
            raise ValueError
        ended = orjson.loads(line)["ended"]
        index.jobs, index.why = int(ended["jobs"]), ended["why"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(where) from error


def answer_bytes(answer: Answer) -> bytes:
    """An answer in its JSON form, in one line; `answer_from` reads it back. Any text survives: lone surrogates too."""
    try:
        return orjson.dumps(answer, default=_plain)
    except TypeError:  # lone surrogates, numbers beyond 64 bits
        return json.dumps(answer, default=_plain, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return value.item() if isinstance(value, np.generic) else repr(value)  # whatever a function calls a tool with


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=str).encode() + b"\n"


def answer_from(line: bytes, *, where: str) -> Answer:
    """Read an answer, or the record that holds it. Raises DataError (COLL003)."""
    try:
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError:  # lone surrogates
            said = json.loads(line)
        said = said.get("answer", said)
        calls = tuple(ToolCall(name=call["name"], arguments=call["arguments"]) for call in said.pop("tool_calls"))
        passages, earlier = tuple(said.pop("passages")), tuple(said.pop("said"))
        return Answer(**said, tool_calls=calls, passages=passages, said=earlier)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(where) from error


def _lock(file: int, path: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, 1 << 62, os.SEEK_SET)  # a byte that is never written
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise Unusable(
            Fault(
                code="COLL001",
                what="another process is asking the cases of this journal",
                where=str(path),
                mend="wait for it, stop it, or give this run a folder of its own",
            )
        ) from error


def _no_journal(path: Path, why: str) -> DataError:
    return DataError(
        Fault(
            code="COLL002",
            what=f"there is no journal to read: {quoted(why)}",
            where=str(path),
            mend="name the journal of a run, or a file that is not there yet",
        )
    )


def _damaged(where: str) -> DataError:
    return DataError(
        Fault(
            code="COLL003",
            what="a record of the journal is damaged",
            where=where,
            mend="delete its line, and resume the run: its case is asked again",
        )
    )


def _unwritable(path: Path, error: OSError) -> Unusable:
    return Unusable(
        Fault(
            code="COLL004",
            what=f"the journal cannot be written: {quoted(error)}",
            where=str(path),
            mend="make room or choose another folder, and resume the run: what is written stays",
        )
    )
