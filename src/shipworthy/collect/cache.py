"""Answers kept between runs, in one SQLite file. A trial has an answer of its own, so repeats stay independent."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from shipworthy.collect.journal import answer_bytes, answer_from
from shipworthy.errors import Fault, Unusable
from shipworthy.exchange import ANSWERED, Answer
from shipworthy.subjects.faults import quoted

_AT_ONCE: Final = 256  # answers in one transaction


class Cache:
    """Answered cases by their key (`jobs.job_key`). Errors are not kept: they may pass.

    Raises Unusable (COLL005) when the file is no cache or cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[str, Answer] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=30, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def get(self, key: str) -> Answer | None:
        """The answer under this key, if it is known."""
        if key in self._held:
            return self._held[key]
        try:
            found = self._file.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return None if found is None else answer_from(found[0], where=str(self._path))

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer, if it is one."""
        if answer.status in ANSWERED:
            self._held[key] = answer
            if len(self._held) >= _AT_ONCE:
                self._write()

    def close(self) -> None:
        """Write what is held."""
        try:
            self._write()
        finally:
            self._file.close()

    def _write(self) -> None:
        """In one short transaction: other runs may use the file too."""
        rows = [(key, answer_bytes(answer)) for key, answer in self._held.items()]
        try:
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        self._held.clear()

    def _unusable(self, error: Exception) -> Unusable:
        return Unusable(
            Fault(
                code="COLL005",
                what=f"the cache cannot be used: {quoted(error)}",
                where=str(self._path),
                mend="delete the file, or run without a cache",
            )
        )
