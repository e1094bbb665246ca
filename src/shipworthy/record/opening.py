"""A database found, made or brought up to date, and its troubles told in one sentence each."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Hashable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError, SQLAlchemyError

from shipworthy.errors import Fault, MissingExtra, Unusable
from shipworthy.record.schema import VERSION, VERSION_TABLE, metadata

PATIENCE = 30.0  # seconds that a writer waits for the others
_WRITES = "shipworthy_writes"
_LOCK = 0x73686970_776F7274  # "shipwort": the advisory lock that every writer of one database takes first
_FOREIGN = 0x53485057  # "SHPW": how a SQLite file says what it is


def open_database(place: str | Path, *, create: bool, patience: float = PATIENCE) -> Engine:
    """An engine on an up-to-date record. place: a file, or a URL of SQLite or PostgreSQL.

    Safe for many processes at once, also where none of them finds a record: one makes it, the others wait.
    Raises Unusable (RECORD001 to RECORD008), MissingExtra without a driver.
    """
    url = _url(place)
    shown = _shown(url)
    if url.get_backend_name() == "sqlite":
        _prepare_file(url, create=create, shown=shown)
    engine = _engine(url, patience)
    try:
        with told(shown):
            _bring_up_to_date(engine, create=create, shown=shown, patience=patience)
    except BaseException:
        engine.dispose()
        raise
    return engine


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """One state of a database, which everything reads that is read meanwhile."""

    engine: Engine
    connection: Connection
    known: dict[Hashable, Any] = field(default_factory=dict)  # what was read of it, by the question


_STATE: ContextVar[State | None] = ContextVar("state", default=None)


@contextlib.contextmanager
def one_state(engine: Engine) -> Iterator[None]:
    """Whatever this thread reads meanwhile is of one state of the database, over one connection.

    What is written meanwhile is not seen before the end.
    """
    if state_of(engine) is not None:
        yield
        return
    with reading(engine) as connection:
        before = _STATE.set(State(engine=engine, connection=connection))
        try:
            yield
        finally:
            _STATE.reset(before)


def state_of(engine: Engine) -> State | None:
    """The state of a database that is read now, where it was said that everything reads one."""
    state = _STATE.get()
    return state if state is not None and state.engine is engine else None


@contextlib.contextmanager
def reading(engine: Engine, *, anew: bool = False) -> Iterator[Connection]:
    """A connection on one state of the database, from begin to end. anew: on its newest, whatever `one_state` reads."""
    if not anew and (state := state_of(engine)) is not None:
        with told(_shown(engine.url)):
            yield state.connection
        return
    options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with told(_shown(engine.url)), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """The one connection that writes: nobody else does before it ends, whole or not at all.

    One lock, taken before anything else, so that writers can wait for each other but never deadlock.
    """
    connect = engine.connect().execution_options(**{_WRITES: True})
    with told(_shown(engine.url)), connect as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        yield connection


def scrub(engine: Engine) -> None:
    """Let go of what was deleted from SQLite's write-ahead log; its file wipes what is deleted by itself.

    While others read an older state it stays until the next call. PostgreSQL forgets by VACUUM, which is its keeper's.
    """
    if engine.dialect.name == "sqlite":
        with told(_shown(engine.url)), contextlib.closing(engine.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextlib.contextmanager
def told(shown: str) -> Iterator[None]:
    """Turn a database's errors into one fault. shown: the database without its password."""
    try:
        yield
    except DBAPIError as error:
        raise Unusable(_fault(error, shown)) from error
    except SQLAlchemyError as error:
        what = f"the record cannot be used: {_first_line(error)}"
        raise Unusable(Fault(code="RECORD001", what=what, where=shown, mend="check the address")) from error
    except UnicodeDecodeError as error:  # what SQLite says of a damaged file quotes names that are no text any more
        raise Unusable(_damaged(shown, "its names are no text")) from error
    except UnicodeEncodeError as error:
        what = "half a character (a lone surrogate), which is no text"
        raise Unusable(Fault(code="RECORD011", what=what, where=shown, mend="write it otherwise")) from error


def _url(place: str | Path) -> URL:
    if isinstance(place, Path) or "://" not in place:
        if not str(place) or "\0" in str(place):
            what = "the record's path is empty or holds a NUL"
            raise Unusable(Fault(code="RECORD001", what=what, where="record", mend="name a file"))
        return URL.create("sqlite", database=str(place))
    try:
        url = make_url(place)
    except (ArgumentError, ValueError):
        url = None
    if url is not None and url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url is not None and url.drivername == "sqlite" and url.database and url.database != ":memory:" and not url.query:
        return url
    raise Unusable(
        Fault(
            code="RECORD001",
            what="the record's address is neither a file nor a URL that the record can use",
            where="record",
            mend="write a path, sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE",
        )
    )


def _shown(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)


def _prepare_file(url: URL, *, create: bool, shown: str) -> None:
    """Make the folder and the file, which only its owner can read, unless they are there."""
    path = Path(str(url.database))
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise Unusable(Fault(code="RECORD002", what="not a record: no plain file", where=shown, mend=_OTHER))
        if path.exists():
            return
        if not create:
            mend = "check the path, or run `shipworthy check`, which makes one"
            raise Unusable(Fault(code="RECORD001", what="there is no record", where=shown, mend=mend))
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process was first
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error).lower()
        what = f"the record cannot be made: {reason}"
        raise Unusable(
            Fault(code="RECORD001", what=what, where=shown, mend="name a place that can be written")
        ) from error


def _engine(url: URL, patience: float) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": patience}, **_frozen(Path(str(url.database))))
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return sa.create_engine(
            url,
            pool_pre_ping=True,
            use_native_hstore=False,  # nor is it asked for at each first connection
            connect_args={
                "connect_timeout": max(2, min(10, int(patience))),
                "options": f"{url.query.get('options', '')} -c lock_timeout={max(1, int(patience * 1000))}".strip(),
            },
        )
    except ImportError as error:
        raise MissingExtra(package="psycopg", extra="postgres", purpose="a record in PostgreSQL") from error


def _frozen(path: Path) -> dict[str, Any]:
    """How a file is opened on a file system where nobody writes: SQLite has no place for its two files beside it."""
    try:
        is_frozen = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
        log = path.with_name(f"{path.name}-wal")
        if not is_frozen or (log.exists() and log.stat().st_size):  # what stands in it belongs to the record
            return {}
    except (AttributeError, OSError):  # no POSIX
        return {}
    address = f"{path.absolute().as_uri()}?immutable=1"
    return {"creator": lambda: sqlite3.connect(address, uri=True, check_same_thread=False)}


def _set_up_sqlite(raw: sqlite3.Connection, _record: object) -> None:
    raw.isolation_level = None  # we say BEGIN ourselves; Python's driver would say it late, and never IMMEDIATE
    for pragma in ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON", "trusted_schema = OFF"):
        raw.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up_to_date(engine: Engine, *, create: bool, shown: str, patience: float) -> None:
    with engine.connect() as connection, connection.begin():
        found = _version(connection, shown)
    if found == VERSION:
        return
    if found is None and not create:
        raise Unusable(Fault(code="RECORD002", what="not a record: the database is empty", where=shown, mend=_OTHER))
    from shipworthy.record.migrations import upgrade

    if engine.dialect.name == "sqlite":
        _use_wal(engine, patience)
    with writing(engine) as connection:
        if _version(connection, shown) != VERSION:  # unless another process was first
            upgrade(connection, VERSION)
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql(f"PRAGMA application_id = {_FOREIGN}")


def _use_wal(engine: Engine, patience: float) -> None:
    """Turn on write-ahead logging, which stays on. SQLite does not wait for others here: we do."""
    raw = engine.raw_connection()
    try:
        end = time.monotonic() + patience
        while True:
            try:
                raw.cursor().execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise OperationalError("PRAGMA journal_mode", None, error) from error
                time.sleep(0.02)
    finally:
        raw.close()


_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    "postgresql": "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()",
}


def _version(connection: Connection, shown: str) -> str | None:
    """The version of the tables; None for an empty database. Raises Unusable for one that is not ours, or too new."""
    names = set(connection.exec_driver_sql(_TABLES[connection.dialect.name]).scalars())
    if VERSION_TABLE not in names:
        strangers = names & set(metadata.tables) if connection.dialect.name == "postgresql" else names
        if strangers:
            what = f"not a record: the database holds the table {min(strangers)[:80]!r} of something else"
            raise Unusable(Fault(code="RECORD002", what=what, where=shown, mend=_OTHER))
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
    if found is not None and (not re.fullmatch(r"\d{4}", str(found)) or str(found) > VERSION):
        raise Unusable(
            Fault(
                code="RECORD003",
                what=f"the record has version {str(found)[:40]!r} of the tables; this Shipworthy knows {VERSION}",
                where=shown,
                mend="use the version of Shipworthy that wrote it, or a newer one",
            )
        )
    return None if found is None else str(found)


_OTHER = "name the record's file or database, or a new one"


def _fault(error: DBAPIError, shown: str) -> Fault:
    said = _first_line(error.orig or error)
    state = getattr(error.orig, "sqlstate", None)
    if getattr(error.orig, "sqlite_errorname", None) in _NO_ROOM:
        return Fault(code="RECORD007", what=f"the record cannot grow: the disk is full, or a limit is reached ({said})",
                     where=shown, mend="make room or raise the limit on a file's size, then repeat")  # fmt: skip
    if re.search(_DAMAGE, said, re.IGNORECASE):
        return _damaged(shown, said.partition(" with text")[0])
    for code, pattern, states, what, mend in _TROUBLES:
        if state in states or re.search(pattern, said, re.IGNORECASE):
            return Fault(code=code, what=f"{what} ({said})", where=shown, mend=mend)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return Fault(code="RECORD006", what=f"the database does not answer ({said})", where=shown,
                     mend="check address, user and password, and that it runs")  # fmt: skip
    if isinstance(error, DatabaseError):
        return Fault(code="RECORD008", what=f"the database refuses ({said})", where=shown,
                     mend="verify the record, and restore a backup where it is damaged")  # fmt: skip
    return Fault(code="RECORD008", what=f"the database fails ({said})", where=shown, mend="see the database's log")


def _damaged(shown: str, said: str) -> Fault:
    what, mend = f"the file is damaged, or not a record ({said})", "restore a backup, or name another file"
    return Fault(code="RECORD002", what=what, where=shown, mend=mend)


_DAMAGE = (
    "not a database|malformed|file is encrypted|disk i/o error|unsupported file format|could not decode to utf-8"
    "|no such (table|column)"
)
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")  # the latter two past a file's largest size
_TROUBLES: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    ("RECORD004", "database( table)? is locked|locking protocol|busy", ("55P03", "40P01", "40001"),
     "others kept the record locked for too long", "try again; end what holds it where that hangs"),
    ("RECORD005", "readonly database|read-only|permission denied for", ("25006", "42501"),
     "the record can be read but not written", "make the file and its folder writable, or name another record"),
    ("RECORD007", "disk is full|no space left|too many connections|remaining connection slots|out of memory",
     ("53100", "53200", "53300", "53400"), "the database has run out of room or connections", "free some, then repeat"),
    ("RECORD001", "unable to open database file", (),
     "the record cannot be opened", "check that its file and folder can be read and written"),
)  # fmt: skip


def _first_line(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return re.sub(r"password=\S+|://[^@\s/]*@", "…", lines[0])[:300] if lines else type(error).__name__
