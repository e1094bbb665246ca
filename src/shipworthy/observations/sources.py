"""Where rows come from: files, globs, URLs, a SELECT on any Ibis backend, or a table in memory."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shlex
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot
from sqlglot import exp

from shipworthy.errors import DataError, Fault, MissingExtra
from shipworthy.observations.conditions import shorten
from shipworthy.observations.delimited import Header, read_header, reason

Frame: TypeAlias = Any  # an Arrow table, or anything that turns into one: pandas, Polars, a dict of columns

_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_COMPRESSED = {".gz", ".zst", ".bz2"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """An opened source: a lazy table, the name it is known by, and the files behind it."""

    table: ir.Table
    name: str  # as the evidence names it: no absolute path, no secret
    files: tuple[Path, ...] = ()
    columns: tuple[str, ...] = ()


def connect() -> Any:
    """A private, embedded DuckDB backend that streams and spills instead of growing."""
    backend = ibis.duckdb.connect()
    backend.raw_sql("SET preserve_insertion_order = false")
    _stay_here(backend)
    return backend


def _stay_here(backend: Any) -> None:
    """DuckDB loads what is installed, and downloads no native code by itself."""
    backend.raw_sql("SET autoinstall_known_extensions = false")


def open_source(data: str, *, connection: str | None, backend: Any, where: str) -> Source:
    """Open what a plan's `data:` names.

    data: a path or glob (already resolved against the plan's folder), an fsspec URL, or a SELECT.
    connection: Ibis URL of another backend, which then runs the SELECT and every query over it.
    where: where the plan says so, for errors.
    Raises DataError (DATA001 cannot be read, DATA004 not a plain SELECT) or MissingExtra.
    """
    if _is_select(data, where):
        if connection is not None:
            elsewhere = _connect_elsewhere(connection, where)
            if elsewhere.name == "duckdb":
                _stay_here(elsewhere)
            read = _view if elsewhere.name == "duckdb" else lambda query, there: there.sql(query)
            return _guarded(lambda: _opened(read(data, elsewhere), name="SELECT"), data, where)
        return _guarded(lambda: _opened(_view(data, backend), name="SELECT"), data, where)
    if connection is not None:
        raise DataError(
            Fault(
                code="DATA004",
                what="a connection goes with a SELECT, and this data is not one",
                where=where,
                mend="write data: SELECT ... FROM ..., or drop connection:",
            )
        )
    return _guarded(lambda: _open_files(data, backend, where), data, where)


def open_frame(frame: Frame, *, backend: Any, name: str = "table") -> Source:
    """Open a table that is in memory: Arrow, pandas, Polars, or a mapping of column name to values."""
    table = to_arrow(frame)
    _refuse_repeats(table.column_names)
    if not table.column_names:
        raise DataError(Fault(code="DATA007", what="the table has no columns", mend="give a table that has some"))
    table = _readable(table)
    unique = ibis.util.gen_name("frame")
    backend.con.register(unique, table)
    return Source(table=backend.table(unique), name=name, columns=tuple(table.column_names))


def to_arrow(frame: Frame) -> pa.Table:
    """Turn a table into Arrow without copying where that is possible. Raises DataError (DATA006)."""
    try:
        if isinstance(frame, pa.Table):
            return frame
        if isinstance(frame, dict):
            _refuse_lengths(frame)
            return pa.table(frame)
        if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
            _refuse_repeats([str(column) for column in frame.columns])
            return pa.Table.from_pandas(frame, preserve_index=False)
        if hasattr(frame, "to_arrow"):
            return frame.to_arrow()
        if isinstance(frame, pa.RecordBatch):
            return pa.Table.from_batches([frame])
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.table(frame)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise DataError(
            Fault(
                code="DATA006",
                what=f"the table does not convert to Arrow: {shorten(str(error), 200)}",
                mend="give every column one type",
            )
        ) from error
    raise DataError(
        Fault(
            code="DATA006",
            what=f"a {type(frame).__name__} is not a table",
            mend="give a pandas, Polars or Arrow table, or a dict of columns",
        )
    )


def _refuse_repeats(names: Sequence[str]) -> None:
    counts = Counter(names)
    if counts.total() > len(counts):
        ((name, _),) = counts.most_common(1)
        what = f"column {shorten(name)!r} stands twice"
        raise DataError(Fault(code="DATA005", what=what, mend="rename one of them"))


def _refuse_lengths(columns: Mapping[Any, Any]) -> None:
    lengths = {str(name): len(values) for name, values in columns.items() if hasattr(values, "__len__")}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} has {length:,}" for name, length in list(lengths.items())[:8])
        raise DataError(
            Fault(
                code="DATA006",
                what=f"the columns differ in length: {shorten(told, 300)}",
                where=", ".join(list(lengths)[:8]),
                mend="give every column one value for each row",
            )
        )


def _readable(table: pa.Table) -> pa.Table:
    """Every column as a type that the engine reads. Raises DataError (DATA006) that names the column."""
    for place, column in enumerate(table.columns):
        name = table.column_names[place]
        try:
            column.validate(full=pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
            narrower = _narrower(column.type)
            if narrower is not None:
                table = table.set_column(place, name, column.cast(narrower))
        except (pa.ArrowException, ValueError) as error:
            raise DataError(
                Fault(
                    code="DATA006",
                    what=f"column {shorten(name)!r}, of type {column.type}, cannot be read: {shorten(str(error), 200)}",
                    where=f"column {shorten(name)}",
                    mend="convert it, or leave it out of the table",
                )
            ) from error
    return table


def _narrower(kind: pa.DataType) -> pa.DataType | None:
    """What a type that the engine does not know is turned into; None for one that it knows."""
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal(kind) and kind.bit_width > 128:
        return pa.float64()
    if pa.types.is_timestamp(kind) and kind.unit in ("s", "ms"):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_union(kind):
        raise ValueError("a column has one type")
    return None


def file_digest(files: tuple[Path, ...]) -> str:
    """SHA-256 over the bytes of the files, in sorted order; tells whether a source is the very same."""
    total = hashlib.sha256()
    for path in sorted(files):
        with path.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{total.hexdigest()}"


def _is_select(data: str, where: str) -> bool:
    first = data.lstrip(" \t\r\n(").split(None, 1)[0].upper() if data.strip(" \t\r\n(") else ""
    if first not in ("SELECT", "WITH", "FROM"):
        return False
    try:
        statements = sqlglot.parse(data, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise _not_select(f"it does not parse: {str(error).splitlines()[0]}", where) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise _not_select("it is not one single SELECT", where)
    return True


def _view(query: str, backend: Any) -> ir.Table:
    """The query as a view. (Ibis 12 reads a query's columns by a call that DuckDB 2 no longer has.)"""
    name = ibis.util.gen_name("query")
    # A query that draws or cuts rows at random gives others every time it is read, so it is read once.
    kind = "TABLE" if _UNSTEADY.search(query) else "VIEW"
    statement = f"CREATE TEMP {kind} {name} AS (\n{query.strip().rstrip(';')}\n)"
    if len(backend.con.extract_statements(statement)) != 1:
        raise ValueError("it is not one single SELECT")
    backend.con.execute(statement)
    return backend.table(name)


_UNSTEADY = re.compile(
    r"\b(random|uuid|gen_random_uuid|setseed|sample|tablesample|limit|now|nextval|row_number)\b", re.I
)


def _not_select(reason: str, where: str) -> DataError:
    return DataError(
        Fault(
            code="DATA004", what=f"the query cannot be used: {reason}", where=where, mend="write one SELECT statement"
        )
    )


def _connect_elsewhere(connection: str, where: str) -> Any:
    scheme = connection.partition(":")[0]
    url, secrets = _with_secrets(connection, where)
    _refuse_new_file(scheme, url, where)
    try:
        return ibis.connect(url)
    except ImportError as error:
        package = str(error.name or scheme)
        if (extra := _EXTRAS.get(scheme)) is not None:
            raise MissingExtra(package=package, extra=extra, purpose=f"a {scheme} connection") from error
        raise DataError(
            Fault(
                code="EXTRA001",
                what=f"a {shorten(scheme)} connection needs the package {package!r}, which is not installed",
                where=where,
                mend=f'pip install "ibis-framework[{shorten(scheme)}]"',
            )
        ) from error
    except Exception as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        for secret in secrets:
            told = told.replace(secret, "***")
        raise DataError(
            Fault(
                code="DATA001",
                what=f"the connection cannot be opened: {shorten(told, 200)}",
                where=where,
                mend="check the Ibis URL, e.g. postgres://user:${DATABASE_PASSWORD}@host/database",
            )
        ) from None  # the cause may quote the URL


def _refuse_new_file(scheme: str, url: str, where: str) -> None:
    """A database in a file is there already: opening one that is not would make an empty one."""
    path = url.partition("://")[2].partition("?")[0]
    if scheme not in ("sqlite", "duckdb") or not path or path.strip("/").startswith((":memory:", "md:")):
        return
    if not (Path(path).is_file() or Path(unquote(path)).is_file()):
        raise DataError(
            Fault(
                code="DATA001",
                what=f"there is no database file {shorten(PurePosixPath(path).name)!r}",
                where=where,
                mend="name a file that is there; a relative path starts where the command is run",
            )
        )


_EXTRAS = {"postgres": "postgres", "postgresql": "postgres", "pyspark": "spark"}


def _with_secrets(connection: str, where: str) -> tuple[str, list[str]]:
    """The URL with ${NAME} read from the environment, and what must not be shown. A plan is kept with its evidence, so
    a password never stands in it.
    """
    secrets: list[str] = []

    def read(match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise DataError(
                Fault(
                    code="DATA022",
                    what=f"the connection asks for ${{{match[1]}}}, which the environment does not have",
                    where=where,
                    mend=f"export {match[1]}=...",
                )
            )
        secrets.append(value)
        return quote(value, safe="")

    password = re.search(r"://[^/@:]*:([^@/]+)@", connection)
    if password is not None and not _NAME.fullmatch(password[1]):
        raise DataError(
            Fault(
                code="DATA022",
                what="the connection holds a password, and a plan is kept with its evidence",
                where=where,
                mend="write ${NAME} in its place, and set NAME in the environment",
            )
        )
    return _NAME.sub(read, connection), secrets


_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _opened(table: ir.Table, *, name: str, files: tuple[Path, ...] = ()) -> Source:
    """A source, with columns of a type that nothing here computes with (numbers of 400 digits) as the text they are."""
    strange = [column for column, kind in table.schema().items() if isinstance(kind, dt.Unknown)]
    if strange and table.get_backend().name == "duckdb":
        table = table.mutate(**{column: table[column].cast("string") for column in strange})
    return Source(table=table, name=name, files=files, columns=tuple(table.columns))


def _guarded(open_it: Callable[[], Source], data: str, where: str) -> Source:
    try:
        return open_it()
    except (DataError, MissingExtra):
        raise
    except (duckdb.Error, OSError, EOFError, zlib.error, ValueError, pa.ArrowException, ibis.IbisError) as error:
        why = reason(error)
        if unknown := _UNKNOWN_FILE.search(str(error)):
            file = shorten(unknown[1], 200)
            mend = f"write FROM read_parquet('{file}')" if file.lower().endswith(".pq") else _READERS
            what = f"the file {shorten(_display(file))!r} has an ending that a SELECT has no reader for"
            raise DataError(Fault(code="DATA001", what=what, where=where, mend=mend)) from error
        if extension := _EXTENSION.search(str(error)):
            raise _extension_missing(extension[1] or extension[2], _display(data), where) from error
        raise DataError(
            Fault(
                code="DATA001",
                what=f"{shorten(_display(data))!r} cannot be read: {shorten(why, 240)}",
                where=where,
                mend=_mend_unread(data, why),
            )
        ) from error


def _mend_unread(data: str, why: str) -> str:
    if "not utf-8" in why:
        file = shorten(_display(data), 200)
        literal = file.replace("'", "''")
        return (
            f"if it is Latin-1, write in the plan: data: SELECT * FROM read_csv('{literal}', encoding='latin-1'); or "
            "convert it, which `init` needs: "
            f"iconv -f latin1 -t utf-8 {shlex.quote(file)} > utf8.csv"
        )
    if why.startswith("line "):
        return "mend the line, or say how it is to be read: data: SELECT * FROM read_csv(...)"
    return "check that the file is whole and has the format its ending says"


_UNKNOWN_FILE = re.compile(r"""No extension found that is capable of reading the file "([^"]+)\"""")
_READERS = "name its reader: FROM read_csv('...'), read_parquet('...') or read_json('...')"
_EXTENSION = re.compile(r"""\bINSTALL '?(\w+)|extension '(\w+)""")
_INSTEAD = {  # what reads the same without native code that has to be downloaded
    "httpfs": "write the address itself, data: https://..., which is read by fsspec, or keep a copy beside the plan",
    "sqlite_scanner": "write connection: sqlite:///file.db and data: SELECT ... FROM table",
    "postgres_scanner": "write connection: postgres://... and data: SELECT ... FROM table",
    "excel": "save the sheet as CSV or Parquet",
}


def _extension_missing(extension: str, name: str, where: str) -> DataError:
    instead = _INSTEAD.get(extension, "write the rows as Parquet or CSV")
    return DataError(
        Fault(
            code="DATA001",
            what=f"{shorten(name)!r} needs DuckDB's extension {shorten(extension)!r}, which is not installed, and "
            "native code is never downloaded unasked",
            where=where,
            mend=f"{instead}; or install it yourself: python -c 'import duckdb; "
            f'duckdb.install_extension("{shorten(extension)}")\'',
        )
    )


def _display(data: str) -> str:
    """The name of a source in evidence: the last two parts of a path, a URL without credentials."""
    if "://" in data:
        scheme, _, rest = data.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
    return "/".join(PurePosixPath(data).parts[-2:])


def _format(data: str, where: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(data.partition("?")[0]).suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    kind = _FORMATS.get(suffixes[-1]) if suffixes else None
    if kind is None:
        raise DataError(
            Fault(
                code="DATA001",
                what=f"{shorten(_display(data))!r} has an ending that no reader is known for",
                where=where,
                mend=f"use one of {' '.join(sorted(_FORMATS))}, or a SELECT",
            )
        )
    return kind


def _open_files(data: str, backend: Any, where: str) -> Source:
    kind = _format(data, where)
    if "://" in data:
        return _opened(_read(_register_url(data, backend), kind, backend), name=_display(data))
    literal = Path(data)  # a name that stands there is meant, brackets and all
    paths = (literal,) if literal.exists() else tuple(Path(path) for path in sorted(glob.glob(data, recursive=True)))
    paths = paths or (literal,)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(
            Fault(
                code="DATA001",
                what=f"{shorten(_display(str(missing[0])))!r} is not a file"
                if missing[0].exists()
                else f"there is no file {shorten(_display(str(missing[0])))!r}",
                where=where,
                mend="name files that can be read twice: no folder, pipe or device"
                if missing[0].exists()
                else "a relative path is looked up from the plan's folder",
            )
        )
    if all(path.stat().st_size == 0 for path in paths):
        raise DataError(
            Fault(
                code="DATA007",
                what=f"{shorten(_display(data))!r} is empty",
                where=where,
                mend="point data: at a file with rows",
            )
        )
    names = [glob.escape(str(path)) for path in paths] if kind != "arrow" else [str(path) for path in paths]
    header = read_header(paths[0]) if kind == "csv" else None
    if header is not None:
        _refuse_header(header, _display(data), where)
    table = _read(names, kind, backend, header)
    if header is not None and header.repeats:
        table = _merge_repeats(table, header, backend, where)
    return _opened(table, name=_display(data), files=paths)


def _refuse_header(header: Header, name: str, where: str) -> None:
    if any("\x00" in column for column in header.columns):
        raise DataError(
            Fault(
                code="DATA001",
                what=f"{shorten(name)!r} cannot be read: its first line holds null characters, so it is not UTF-8 text",
                where=where,
                mend="save the file as UTF-8",
            )
        )
    if not any(header.columns):
        raise DataError(
            Fault(
                code="DATA007",
                what=f"the first line of {shorten(name)!r} is empty, and should name the columns",
                where=where,
                mend="put the names of the columns into the first line",
            )
        )
    if header.lookalikes is not None:
        first, second = header.lookalikes
        raise DataError(
            Fault(
                code="DATA005",
                what=f"columns {shorten(first)!r} and {shorten(second)!r} differ only in upper and lower case",
                where=where,
                mend="rename one of them",
            )
        )


def _merge_repeats(table: ir.Table, header: Header, backend: Any, where: str) -> ir.Table:
    """Drop a column that repeats another, name and values, as some published files do; refuse one with other values."""
    names = table.columns
    dropped = [again for _, again in header.repeats]
    for first, again in header.repeats:
        differ = table.filter(~table[names[first]].identical_to(table[names[again]]))
        if backend.to_pyarrow(differ.count()).as_py():
            raise DataError(
                Fault(
                    code="DATA005",
                    what=f"column {shorten(header.columns[first])!r} stands twice, with different values",
                    where=where,
                    mend="rename one of them",
                )
            )
    return table.select([name for place, name in enumerate(names) if place not in dropped])


def _read(names: list[str], kind: str, backend: Any, header: Header | None = None) -> ir.Table:
    if kind == "parquet":
        return _remote(names[0], "read_parquet", backend) if _is_url(names[0]) else backend.read_parquet(names)
    if kind == "arrow":
        import pyarrow.dataset

        unique = ibis.util.gen_name("arrow")
        backend.con.register(unique, pyarrow.dataset.dataset(names, format="ipc"))
        return backend.table(unique)
    text, words = (_read_json(names, backend), []) if kind == "json" else _read_csv(names, backend, header)
    # Text is parsed once: every later pass reads the parsed rows, and a fault of the file shows up here.
    unique = ibis.util.gen_name("parsed")
    parsed = backend.create_table(unique, text, temp=True)
    return _with_truth(parsed, unique, words, backend) if words else parsed


def _read_json(names: list[str], backend: Any) -> ir.Table:
    return _remote(names[0], "read_json_auto", backend) if _is_url(names[0]) else backend.read_json(names)


def _read_csv(names: list[str], backend: Any, header: Header | None) -> tuple[ir.Table, list[str]]:
    """The rows, and the columns that the reader would take for truth values, as the words that the file has."""
    text = _sniffed(names, backend, header)
    words = [column for column in text.columns if text[column].type().is_boolean()]
    return (_sniffed(names, backend, header, types=dict.fromkeys(words, "string")), words) if words else (text, [])


def _with_truth(table: ir.Table, unique: str, words: list[str], backend: Any) -> ir.Table:
    """`true` and `false` are truth values; `yes` and `no`, `t` and `f` stay what the file calls its groups."""
    said = {column: table[column].lower().isin(["true", "false"]).all() for column in words}
    (found,) = backend.to_pyarrow(table.aggregate(**said)).to_pylist()
    for column in (column for column, literal in found.items() if literal):
        quoted = column.replace('"', '""')
        backend.con.execute(f'ALTER TABLE {unique} ALTER "{quoted}" TYPE BOOLEAN')
    return backend.table(unique)


def _sniffed(names: list[str], backend: Any, header: Header | None, **more: Any) -> ir.Table:
    more["sample_size"] = 200_000
    if _is_url(names[0]):
        return _remote(names[0], "read_csv", backend, header=True, **more)
    if header is None:
        return backend.read_csv(names, **more)
    try:
        return backend.read_csv(names, **more, **header.options)
    except duckdb.InvalidInputException:  # the sniffer says only that it failed
        if header.crlf:  # it takes a lone line feed in a quoted cell for the end of lines
            return backend.read_csv(names, new_line="\\r\\n", **more, **header.options)
        named = {name or f"column{place}": "VARCHAR" for place, name in enumerate(header.columns)}
        text = backend.read_csv(names, auto_detect=False, columns=named, **header.options)
        backend.to_pyarrow(text.count())  # reading everything as text says which line it was
        raise


def _is_url(name: str) -> bool:
    return "://" in name


def _remote(url: str, reader: str, backend: Any, **options: Any) -> ir.Table:
    """What a URL holds, over a registered file system. (Ibis asks for DuckDB's httpfs, which is native code.)"""
    told = "".join(f", {name} = {_literal(value)}" for name, value in options.items())
    return _view(f"SELECT * FROM {reader}({_literal(url)}{told})", backend)


def _literal(value: str | int | bool | Mapping[str, str]) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_literal(key)}: {_literal(each)}' for key, each in value.items())}}}"
    return exp.convert(value).sql("duckdb")


def _register_url(data: str, backend: Any) -> list[str]:
    scheme = data.partition("://")[0]
    try:
        import fsspec

        files = fsspec.filesystem(scheme, skip_instance_cache=True)  # ours alone: it is changed below
        if type(files).modified is fsspec.AbstractFileSystem.modified:  # HTTP; DuckDB asks, and caches nothing by it
            files.modified = lambda _: datetime(1970, 1, 1, tzinfo=UTC)
        backend.con.register_filesystem(files)
    except ImportError as error:
        raise MissingExtra(
            package=str(error.name or "fsspec"), extra="fsspec", purpose=f"reading {scheme}://"
        ) from error
    return [data]
