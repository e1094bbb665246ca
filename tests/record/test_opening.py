"""Opening a record: each trouble is one fault that says what to do, and tells no password."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shipworthy.errors import Unusable
from shipworthy.record.documents import System
from shipworthy.record.opening import writing
from shipworthy.record.schema import VERSION, VERSION_TABLE
from shipworthy.record.store import Record


def fault(place, **options):
    with pytest.raises(Unusable) as caught:
        Record.open(place, **options)
    (one,) = caught.value.faults
    assert one.mend
    assert one.where
    return one


@pytest.fixture
def path(tmp_path):
    with Record.open(tmp_path / "record.db") as record:
        record.person("ann@example.org", "Ann")
    return tmp_path / "record.db"


def test_a_record_is_made_where_there_is_none(tmp_path):
    path = tmp_path / "a b%20?#" / "rec'ord.db"
    with Record.open(path) as record:
        assert record.size() == 0
    assert path.stat().st_mode & 0o077 == 0
    with contextlib.closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with Record.open(str(path), create=False) as record:
        assert record.people() == {}


def test_a_record_that_is_not_there(tmp_path):
    assert fault(tmp_path / "none.db", create=False).code == "RECORD001"
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "file").write_text("x")
    assert fault(tmp_path / "file" / "record.db").code == "RECORD001"


@pytest.mark.parametrize(
    "place",
    ["", "a\0b", "mysql://u:s3cret@h/db", "sqlite://", "sqlite:///:memory:", "http://h", "://", "sqlite:///x?y=1"],
)
def test_addresses_validates_input(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = fault(place)
    assert found.code == "RECORD001"
    assert "s3cret" not in str(found)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_record(tmp_path):
    (tmp_path / "text.db").write_text("Dear diary, " * 1000)
    assert fault(tmp_path / "text.db").code == "RECORD002"
    assert (tmp_path / "text.db").read_text() == "Dear diary, " * 1000
    assert fault(tmp_path).code == "RECORD002"
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE recipes (x)")
    other.close()
    found = fault(tmp_path / "other.db")
    assert found.code == "RECORD002"
    assert "recipes" in found.what
    (tmp_path / "empty.db").touch()
    assert fault(tmp_path / "empty.db", create=False).code == "RECORD002"
    os.mkfifo(tmp_path / "pipe")
    assert fault(tmp_path / "pipe").code == "RECORD002"


@pytest.mark.parametrize("version", ["9999", "abc", "0001; DROP"])
def test_a_record_of_a_newer_version(place, version):
    import sqlalchemy as sa

    with Record.open(place) as record, writing(record._engine) as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = :v"), {"v": version})
    found = fault(place)
    assert found.code == "RECORD003"
    assert VERSION in found.what


def test_a_damaged_file(path, now):
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):
        data[start : start + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(Unusable) as caught, Record.open(path) as record:
        record.verify()
    assert [f.code for f in caught.value.faults] == ["RECORD002"]


@pytest.mark.parametrize(("start", "step"), [(8192, 997), (4096, 997), (2000, 3001), (4100, 1009), (100, 10007)])
def test_a_file_in_which_bytes_were_turned_over(path, start, step):
    """What SQLite says of it quotes names that are no text any more."""
    data = bytearray(path.read_bytes())
    for place in range(start, len(data), step):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(Unusable) as caught, Record.open(path) as record:
        record.verify()
    assert [f.code for f in caught.value.faults] == ["RECORD002"]


def test_text_that_is_none_is_damage_and_is_not_repeated(path):
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE people SET email = CAST(x'736563726574ff' AS TEXT)")
        raw.commit()
    with pytest.raises(Unusable) as caught, Record.open(path) as record:
        record.people()
    assert [f.code for f in caught.value.faults] == ["RECORD002"]
    assert "secret" not in str(caught.value)


def test_a_time_that_is_none_is_told(path, now):
    with Record.open(path) as record:
        record.write("tool:test", now, System(id="s", tier="minimal"))
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE documents SET at = 'soon'")
        raw.commit()
    with pytest.raises(Unusable) as caught, Record.open(path) as record:
        record.get("system", "s")
    assert [f.code for f in caught.value.faults] == ["RECORD020"]  # it is not the time that the log tells


def test_a_file_cut_short(path):
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(Unusable) as caught, Record.open(path) as record:
        record.verify()
    assert [f.code for f in caught.value.faults] == ["RECORD002"]


def test_a_locked_record(path):
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with Record.open(path, patience=0.2) as record:
            assert len(record.people()) == 1
            with pytest.raises(Unusable) as caught:
                record.person("bo@example.org", "Bo")
    finally:
        holder.close()
    assert [f.code for f in caught.value.faults] == ["RECORD004"]


def test_a_locked_server(server, place):
    if "://" not in place:
        pytest.skip("the other test is SQLite's")
    with Record.open(place) as holder, Record.open(place, patience=0.2) as record, writing(holder._engine):
        with pytest.raises(Unusable) as caught:
            record.person("bo@example.org", "Bo")
        assert record.people() == {}
    assert [f.code for f in caught.value.faults] == ["RECORD004"]


READ_ONLY = """
import os, sys
from shipworthy.errors import Unusable
from shipworthy.record.store import Record
Record.open(sys.argv[1]).close()
"x".encode("utf-16be")  # codecs and modules are read from files that another user may not see
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
with Record.open(sys.argv[1]) as record:
    print(len(record.people()))
    try:
        record.person("bo@example.org", "Bo")
    except Unusable as error:
        print([fault.code for fault in error.faults])
"""


def test_a_read_only_file(path):
    """Reading goes on, and writing says why not; as another user where this one may write everywhere."""
    path.chmod(0o444)
    if os.geteuid() == 0:
        for folder in (path.parent, *path.parent.parents):
            if folder.stat().st_uid == 0 and folder != Path("/"):
                folder.chmod(0o777 if folder == path.parent else folder.stat().st_mode | 0o001)
    command = [sys.executable, "-c", READ_ONLY, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert ran.stdout.split("\n")[:2] == ["1", "['RECORD005']"], ran.stderr


def test_a_read_only_file_system(path):
    """As a disc that was put aside, or a container's image: reading works, and writing says why not."""
    mount = f"mount --bind '{path.parent}' '{path.parent}' && mount -o remount,ro,bind '{path.parent}'"
    own = ["unshare", "-rm", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*own, mount], capture_output=True, check=False).returncode:
        pytest.skip("needs a name space of its own to mount in")
    command = [*own, f"{mount} && exec '{sys.executable}' -c \"$1\" '{path}'", "sh", FROZEN]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout.split("\n")[:3] == ["['Ann']", "()", "['RECORD005']"], ran.stderr


FROZEN = """
import sys
from shipworthy.errors import Unusable
from shipworthy.record.store import Record
with Record.open(sys.argv[1], create=False) as record:
    print([one.name for one in record.people().values()])
    print(record.verify().faults)
    try:
        record.person("bo@example.org", "Bo")
    except Unusable as error:
        print([fault.code for fault in error.faults])
"""

NO_ROOM = """
import resource, sys
from shipworthy.errors import Unusable
from shipworthy.record.store import Record
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    Record.open(sys.argv[1])
except Unusable as error:
    print([fault.code for fault in error.faults])
"""


@pytest.mark.parametrize("limit", [1_000, 20_000, 50_000])
def test_no_room_is_no_damage(tmp_path, limit):
    command = [sys.executable, "-c", NO_ROOM, str(tmp_path / "record.db"), str(limit)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout == "['RECORD007']\n", ran.stderr


def test_a_server_that_does_not_answer():
    found = fault("postgresql://ann:s3cret@127.0.0.1:9/db", patience=2)
    assert found.code == "RECORD006"
    assert "s3cret" not in str(found)


def test_a_database_that_is_not_there(server):
    found = fault(f"postgres://keeper:s3cret@127.0.0.1:{server}/none")
    assert found.code == "RECORD006"
    assert "s3cret" not in str(found)


def test_no_chain_of_errors_tells_the_password():
    with pytest.raises(Unusable) as caught:
        Record.open("postgresql://ann:s3cret@127.0.0.1:9/db", patience=2)
    assert "s3cret" not in str(caught.value.__cause__)
