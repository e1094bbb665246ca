import gzip
import json
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from shipworthy.errors import DataError
from shipworthy.observations.sources import connect, file_digest, open_frame, open_source, to_arrow

ROWS = {"who": ["ana", "bo", None, "שלום"], "n": [1, 2, 3, None], "x": [0.5, None, 2.0, -1.0]}
TABLE = pa.table(ROWS)


def read(source):
    table = source.table.get_backend().to_pyarrow(source.table)
    return sorted(table.to_pylist(), key=lambda row: (row["x"] is None, row["x"] or 0))


EXPECTED = sorted(TABLE.to_pylist(), key=lambda row: (row["x"] is None, row["x"] or 0))


def write(kind, path):
    text = "who,n,x\nana,1,0.5\nbo,2,\n,3,2.0\nשלום,,-1.0\n"
    if kind in ("parquet", "pq"):
        pyarrow.parquet.write_table(TABLE, path)
    elif kind == "csv":
        path.write_text(text, encoding="utf-8")
    elif kind == "tsv":
        path.write_text(text.replace(",", "\t"), encoding="utf-8")
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif kind in ("jsonl", "ndjson"):
        path.write_text("".join(json.dumps(row) + "\n" for row in TABLE.to_pylist()), encoding="utf-8")
    elif kind == "json":
        path.write_text(json.dumps(TABLE.to_pylist()), encoding="utf-8")
    else:
        pyarrow.feather.write_feather(TABLE, path, compression="uncompressed")


def opened(data, **settings):
    return open_source(str(data), connection=None, backend=connect(), where="plan.yaml:4", **settings)


@pytest.mark.parametrize(
    "kind", ["parquet", "pq", "csv", "tsv", "csv.gz", "jsonl", "ndjson", "json", "arrow", "feather", "ipc"]
)
def test_every_format_gives_the_same_rows(tmp_path, kind):
    path = tmp_path / f"rows 'odd' 🚢.{kind}"
    write(kind, path)
    source = opened(path)
    assert read(source) == EXPECTED
    assert source.files == (path,)
    assert source.columns == ("who", "n", "x")
    assert str(tmp_path.parent) not in source.name


def test_glob_reads_all_parts(tmp_path):
    for part in ("a", "b"):
        write("parquet", tmp_path / f"{part}.parquet")
    source = opened(tmp_path / "*.parquet")
    assert len(read(source)) == 8
    assert [path.name for path in source.files] == ["a.parquet", "b.parquet"]


def test_brackets_in_a_name_are_no_pattern(tmp_path):
    folder = tmp_path / "run [1]"
    folder.mkdir()
    write("csv", folder / "rows.csv")
    assert read(opened(folder / "rows.csv")) == EXPECTED


def test_select(tmp_path):
    write("csv", tmp_path / "rows.csv")
    source = opened(f"SELECT * FROM '{tmp_path}/rows.csv' WHERE n >= 2 OR n IS NULL")
    assert len(read(source)) == 3
    assert source.name == "SELECT"
    assert len(read(opened(f"with t as (select 1 as x) select t.x, r.who from t, '{tmp_path}/rows.csv' r"))) == 4


def test_fsspec_url():
    memory = fsspec.filesystem("memory")
    with memory.open("/data/rows.csv", "w", encoding="utf-8") as stream:
        stream.write("who,x\nana,1.5\n")
    source = opened("memory://data/rows.csv")
    assert read(source) == [{"who": "ana", "x": 1.5}]
    assert source.name == "memory://data/rows.csv"


def test_names_hide_secrets():
    from shipworthy.observations.sources import _display

    assert _display("s3://key:secret@bucket/rows.parquet?token=abc") == "s3://bucket/rows.parquet"
    assert _display("/home/someone/private/data/rows.parquet") == "data/rows.parquet"


@pytest.mark.parametrize(
    "frame",
    [ROWS, TABLE, pd.DataFrame(ROWS), pl.DataFrame(ROWS), pl.DataFrame(ROWS).lazy().collect(), TABLE.to_batches()[0]],
    ids=["dict", "arrow", "pandas", "polars", "lazy", "batch"],
)
def test_frames_give_the_same_rows(frame):
    source = open_frame(frame, backend=connect())
    assert read(source) == EXPECTED


def test_other_databases(tmp_path):
    """A SELECT on an Ibis connection runs there, SQLite or another DuckDB file."""
    with duckdb.connect(str(tmp_path / "other.duckdb")) as other:
        other.execute("CREATE TABLE people AS SELECT * FROM (VALUES ('ana', 1), ('bo', 2)) AS t(who, n)")
    source = open_source(
        "SELECT * FROM people WHERE n > 1", connection=f"duckdb://{tmp_path}/other.duckdb", backend=connect(), where=""
    )
    assert source.table.get_backend().to_pyarrow(source.table).to_pylist() == [{"who": "bo", "n": 2}]


def test_sqlite(tmp_path):
    pytest.importorskip("ibis.backends.sqlite", reason="needs the SQLite backend of Ibis")
    pytest.importorskip("regex", reason="needs the SQLite backend of Ibis (ibis-framework[sqlite])")
    with sqlite3.connect(tmp_path / "other.sqlite") as other:
        other.execute("CREATE TABLE people (who TEXT, n INTEGER)")
        other.execute("INSERT INTO people VALUES ('ana', 1), ('bo', 2)")
    source = open_source(
        "SELECT * FROM people WHERE n > 1", connection=f"sqlite://{tmp_path}/other.sqlite", backend=connect(), where=""
    )
    assert source.table.get_backend().to_pyarrow(source.table).to_pylist() == [{"who": "bo", "n": 2}]


def fault_of(call):
    with pytest.raises(DataError) as caught:
        call()
    (fault,) = caught.value.faults
    assert fault.mend
    return fault


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("nowhere.csv", "DATA001"), ("rows.xlsx", "DATA001"), ("rows", "DATA001"), ("", "DATA001"), ("*.parquet", "DATA001"),
        ("SELECT 1; DROP TABLE x", "DATA004"), ("select from where", "DATA004"), ("SELECT * FROM nowhere", "DATA001"),
        ("with x as (select 1) delete from y", "DATA004"), ("SELECT", "DATA001"),
        ("FROM (COPY x TO 'y')", "DATA004"),
    ],
)  # fmt: skip
def test_open_source_validates_input(tmp_path, data, code):
    where = f"{tmp_path}/{data}" if data and "." in data and " " not in data else data
    fault = fault_of(lambda: opened(where))
    assert fault.code == code
    assert fault.where == "plan.yaml:4"
    assert str(tmp_path) not in fault.what


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.parquet", b"PAR1 not really"),
        ("rows.arrow", b"\x00" * 50),
        ("rows.jsonl", b"{'a': \n"),
        ("rows.csv.gz", b"no gzip"),
    ],
)
def test_broken_files_are_told(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert fault_of(lambda: opened(tmp_path / name)).code == "DATA001"


def test_empty_file_is_told(tmp_path):
    for name in ("rows.csv", "rows.parquet", "rows.jsonl"):
        (tmp_path / name).write_bytes(b"")
        assert fault_of(lambda name=name: opened(tmp_path / name)).code == "DATA007"


def test_a_connection_wants_a_select(tmp_path):
    fault = fault_of(lambda: open_source("rows.csv", connection="duckdb://", backend=connect(), where="here"))
    assert fault.code == "DATA004"
    fault = fault_of(lambda: open_source("SELECT 1", connection="nonsense://x", backend=connect(), where="here"))
    assert fault.code == "DATA001"


def test_a_parquet_file_of_a_short_ending_is_named_with_its_reader(tmp_path):
    pyarrow.parquet.write_table(TABLE, tmp_path / "x.pq")
    (tmp_path / "x.rows").write_text("a")

    def read_from(source):
        return open_source(f"SELECT * FROM {source}", connection=None, backend=connect(), where="here")

    fault = fault_of(lambda: read_from(f"'{tmp_path}/x.pq'"))
    assert (fault.code, fault.mend) == ("DATA001", f"write FROM read_parquet('{tmp_path}/x.pq')")
    assert read(read_from(f"read_parquet('{tmp_path}/x.pq')")) == EXPECTED
    assert "read_csv('...')" in fault_of(lambda: read_from(f"'{tmp_path}/x.rows'")).mend


def test_a_column_that_stands_twice_is_named_whatever_the_frame():
    rows = pd.DataFrame([[0, 1, 1]], columns=["y", "p", "p"])
    fault = fault_of(lambda: open_frame(rows, backend=connect()))
    assert (fault.code, fault.what, fault.mend) == ("DATA005", "column 'p' stands twice", "rename one of them")


def test_frames_validate_input():
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert fault_of(lambda: open_frame(twice, backend=connect())).code == "DATA005"
    for wrong in (
        3,
        "text",
        [1, 2],
        None,
        {"a": [1, 2], "b": [1]},
        {"a": [1, "x"]},
        pd.DataFrame({"a": [1, "x", object()]}),
    ):
        assert fault_of(lambda wrong=wrong: to_arrow(wrong)).code == "DATA006"


def test_file_digest_properties(tmp_path):
    one, two = tmp_path / "1.csv", tmp_path / "2.csv"
    one.write_text("a\n1\n")
    two.write_text("a\n2\n")
    assert file_digest((one, two)) == file_digest((two, one))
    assert file_digest((one,)) != file_digest((two,))


def texts_that_are_not_utf8(n: int) -> pa.Array:
    offsets = pa.py_buffer(b"".join(i.to_bytes(4, "little") for i in range(n + 1)))
    return pa.Array.from_buffers(pa.utf8(), n, [None, offsets, pa.py_buffer(b"\xff" * n)])


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.5, 0.5], pa.float16()), pa.array([1, 2], pa.decimal256(60, 2)), pa.array([1, 2], pa.timestamp("s", "Mars/Olympus")),
        pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array([[1, 2], [3]])),
    ],
    ids=["float16", "decimal256", "zone", "lists"],
)  # fmt: skip
def test_columns_of_rare_types_are_read(column):
    assert len(read(open_frame(pa.table({"x": column}), backend=connect()))) == 2


@pytest.mark.parametrize(
    "column",
    [
        texts_that_are_not_utf8(2), pa.array([2**62, 1], pa.timestamp("s")),
        pa.UnionArray.from_dense(pa.array([0, 0], pa.int8()), pa.array([0, 1], pa.int32()), [pa.array(["a", "b"])]),
    ],
    ids=["text", "time", "union"],
)  # fmt: skip
def test_columns_that_cannot_be_read_are_named(column):
    fault = fault_of(lambda: open_frame(pa.table({"odd": column}), backend=connect()))
    assert (fault.code, fault.where) == ("DATA006", "column odd")


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_a_database_that_is_not_there_is_not_made(tmp_path, scheme):
    url = f"{scheme}://{tmp_path}/typo.db"
    fault = fault_of(lambda: open_source("SELECT 1 AS x", connection=url, backend=connect(), where="plan:3"))
    assert (fault.code, fault.where) == ("DATA001", "plan:3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "read_as"),
    [
        (("yes", "no"), ("yes", "no")), (("Yes", "No"), ("Yes", "No")), (("t", "f"), ("t", "f")), (("T", ""), ("T", None)),
        (("true", "false"), (True, False)), (("True", "FALSE"), (True, False)), (("true", ""), (True, None)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["b", 'a "b" 🙂'])
def test_words_of_a_csv_stay_words_and_only_true_and_false_are_truth(tmp_path, words, read_as, name):
    header = '"' + name.replace('"', '""') + '"'
    (tmp_path / "rows.csv").write_text(f"x,{header}\n" + "".join(f"{i},{word}\n" for i, word in enumerate(words)))
    found = read(opened(tmp_path / "rows.csv"))
    assert tuple(row[name] for row in found) == read_as


def test_numbers_of_hundreds_of_digits_are_the_text_they_are(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,n\n" + "".join(f"{i},1{'0' * 400}\n" for i in range(20)))
    for data in (path, f"SELECT * FROM read_csv('{path}')"):
        table = opened(data).table
        assert table.schema()["n"].is_string()
        assert read_column(table, "n") == {"1" + "0" * 400}


def read_column(table, name):
    return set(table.get_backend().to_pyarrow(table)[name].to_pylist())


@pytest.mark.parametrize(
    ("data", "extension", "mend"),
    [
        ("SELECT * FROM sqlite_scan('d.db', 't')", "sqlite_scanner", "connection: sqlite:///file.db"),
        ("SELECT * FROM read_xlsx('d.xlsx')", "excel", "CSV or Parquet"),
        ("SELECT * FROM read_csv('https://127.0.0.1:9/x.csv')", "httpfs", "data: https://"),
        ("SELECT * FROM iceberg_scan('x')", "iceberg", "Parquet or CSV"),
    ],
)
def test_native_code_is_never_downloaded_unasked(tmp_path, data, extension, mend):
    backend = connect()
    backend.raw_sql(f"SET extension_directory = '{tmp_path}'")
    with pytest.raises(DataError) as caught:
        open_source(data, connection=None, backend=backend, where="plan.yaml:4")
    (fault,) = caught.value.faults
    assert fault.code == "DATA001"
    assert extension in fault.what
    assert mend in fault.mend
    assert list(tmp_path.iterdir()) == []
    assert backend.raw_sql("SELECT current_setting('autoinstall_known_extensions')").fetchone() == (False,)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "jsonl"])
def test_an_address_is_read_by_fsspec_and_not_by_native_code(tmp_path, kind):
    write(kind, tmp_path / f"rows.{kind}")

    class Ranges(BaseHTTPRequestHandler):
        def do_GET(self):
            content = (tmp_path / self.path[1:]).read_bytes()
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            piece = content[int(first) : int(last or len(content)) + 1]
            self.send_response(206 if "Range" in self.headers else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(piece) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(piece)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(piece)

        def do_HEAD(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Ranges) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        assert read(opened(f"http://127.0.0.1:{server.server_port}/rows.{kind}")) == EXPECTED
        server.shutdown()


def test_words_of_an_address_stay_what_the_file_calls_them(tmp_path):
    with fsspec.filesystem("memory").open("data/words.csv", "wb") as file:
        file.write(b"a,'b\nyes,true\nno,false\n")
    table = opened("memory://data/words.csv").table
    assert (read_column(table, "a"), read_column(table, "'b")) == ({"yes", "no"}, {True, False})
