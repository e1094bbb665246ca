"""A record in SQLite and in a real PostgreSQL, which is started here."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipworthy.record.documents import Rating, Risk
from shipworthy.record.store import Record

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The port of a throw-away cluster on the loopback address, run by an unprivileged user."""
    psycopg = pytest.importorskip("psycopg", reason="needs the extra postgres")
    if not SERVERS:
        pytest.skip("needs a PostgreSQL server (Debian's package postgresql)")
    home = tmp_path_factory.mktemp("postgres")
    as_root = os.geteuid() == 0
    if as_root:
        open_to_all(home)
        shutil.chown(home, "postgres")
    run = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if as_root else []
    programs, data = SERVERS[-1].parent, home / "data"
    subprocess.run(
        [*run, programs / "initdb", "-D", data, "-U", "keeper", "--auth=trust", "-E", "UTF8"],
        check=True, capture_output=True, cwd="/",
    )  # fmt: skip
    held = socket.socket()  # keeps others from the port, and not PostgreSQL, which says the same of its own
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    process = subprocess.Popen(
        [*run, programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data, "-c", "fsync=off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    try:
        for _ in range(3_000):
            assert process.poll() is None
            try:
                psycopg.connect(host="127.0.0.1", port=port, user="keeper", dbname="postgres").close()
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield port
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for connections
        process.wait(timeout=300)
        held.close()


def open_to_all(home: Path) -> None:
    """Let other users pass through the folders above."""
    for folder in (home, *home.parents):
        if folder.stat().st_uid == 0 and folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(0o711)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """The address of a record that is not there yet."""
    if request.param == "sqlite":
        return str(tmp_path / "deep" / "record.db")
    import psycopg

    port, name = request.getfixturevalue("server"), f"record_{next(_numbers)}"
    with psycopg.connect(host="127.0.0.1", port=port, user="keeper", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://keeper@127.0.0.1:{port}/{name}"


@pytest.fixture
def record(place):
    with Record.open(place) as opened:
        yield opened


@pytest.fixture(scope="session")
def now():
    return datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.fixture
def ann(record):
    return record.person("ann@example.org", "Ann")


@pytest.fixture
def bo(record):
    return record.person("bo@example.org", "Bo")


@pytest.fixture(scope="session")
def risk():
    """Makes risks."""

    def make(name="R-1", **more):
        given = {
            "system": "lending",
            "title": "Bias",
            "cause": "few cases",
            "harm": "Loans denied",
            "inherent": Rating(likelihood=3, severity=4, basis="judged"),
        }
        return Risk(id=name, **{**given, **more})

    return make
