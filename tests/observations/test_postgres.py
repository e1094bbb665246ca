"""The same plan on a real PostgreSQL, started here: rows stay there, and the numbers are those of DuckDB."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from shipworthy.cli import main

psycopg = pytest.importorskip("psycopg", reason="needs the extra postgres")
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
if not SERVERS:
    pytest.skip("needs a PostgreSQL server (Debian's package postgresql)", allow_module_level=True)
PLAN = """
system: {{name: loans}}
evaluations:
  decisions:
    data: {data}
    {connection}
    roles: {{label: repaid, prediction: approved, score: score, id: id}}
    slices: [sex, {{young: "age < 30"}}, {{band: {{column: age, edges: [30, 50]}}}}, {{part: {{column: age, quantiles: 3}}}}]
    metrics: [accuracy, tpr, fpr, f1, auc, ece, brier]
requirements:
  - {{id: A, metric: tpr, across: sex, compare: difference, at_most: 0.3}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A throw-away cluster on a free port of the loopback address, as an unprivileged user."""
    home = tmp_path_factory.mktemp("postgres")
    as_root = os.geteuid() == 0
    if as_root:
        for folder in (home, *home.parents):
            if folder.stat().st_uid == 0 and folder != Path("/") and not folder.stat().st_mode & 0o001:
                folder.chmod(0o711)
        shutil.chown(home, "postgres")
    run = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if as_root else []
    programs, data = SERVERS[-1].parent, home / "data"
    subprocess.run(
        [*run, programs / "initdb", "-D", data, "-U", "reader", "--auth=trust", "-E", "UTF8"],
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
                psycopg.connect(host="127.0.0.1", port=port, user="reader", dbname="postgres").close()
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield port
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for connections
        process.wait(timeout=300)
        held.close()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    score = rng.beta(2, 2, 3000).round(3)
    return pd.DataFrame(
        {
            "id": np.arange(3000),
            "repaid": rng.random(3000) < score,
            "approved": (score > 0.45).astype(int),
            "score": score,
            "sex": rng.choice(["female", "male", "ünbekannt 'x'"], 3000, p=[0.5, 0.45, 0.05]),
            "age": rng.integers(18, 80, 3000),
        }
    )


def check(folder, text, env=None):
    (folder / "plan.yaml").write_text(text, "utf-8")
    arguments = ["check", str(folder / "plan.yaml"), "--out", str(folder / "run")]
    return CliRunner().invoke(main, arguments, env=env)


@pytest.mark.filterwarnings("ignore")
def test_the_numbers_are_those_of_duckdb_and_the_rows_stay(server, rows, tmp_path, monkeypatch):
    with psycopg.connect(host="127.0.0.1", port=server, user="reader", dbname="postgres") as connection:
        connection.execute(
            "CREATE TABLE loans (id int, repaid boolean, approved int, score double precision, sex text, age int)"
        )
        with connection.cursor().copy("COPY loans FROM STDIN") as copy:
            for row in rows.itertuples(index=False):
                copy.write_row(row)
    monkeypatch.setenv("LOANS_PASSWORD", "s3cret-w0rd")
    url = f"connection: 'postgres://reader:${{LOANS_PASSWORD}}@127.0.0.1:{server}/postgres'"
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    rows.to_parquet(here / "loans.parquet")
    remote = check(there, PLAN.format(data="SELECT * FROM loans", connection=url))
    local = check(here, PLAN.format(data="loans.parquet", connection=""))
    assert remote.exit_code == local.exit_code == 0, remote.output
    one, other = (json.loads((folder / "run" / "results.json").read_text())["estimates"] for folder in (there, here))
    assert len(one) == len(other) > 50
    by_key = {(e["metric"], json.dumps(e["slice"])): e for e in other}
    for estimate in one:
        twin = by_key[estimate["metric"], json.dumps(estimate["slice"])]
        for part in ("value", "low", "high", "n"):
            assert estimate[part] == pytest.approx(twin[part], rel=1e-9, abs=1e-12)
    assert not list((there / "run" / "observations").iterdir())
    for path in (there / "run").rglob("*"):
        assert not path.is_file() or b"s3cret-w0rd" not in path.read_bytes()


def test_secrets_validate_input(tmp_path):
    plain = check(
        tmp_path, PLAN.format(data="SELECT 1", connection="connection: 'postgres://me:hunter2@127.0.0.1:9/db'")
    )
    assert plain.exit_code == 2
    assert "DATA022" in plain.output
    assert "hunter2" not in plain.output
    missing = check(
        tmp_path, PLAN.format(data="SELECT 1", connection="connection: 'postgres://me:${NO_SUCH_NAME}@h/db'")
    )
    assert "NO_SUCH_NAME" in missing.output
    closed = check(
        tmp_path,
        PLAN.format(data="SELECT 1", connection="connection: 'postgres://me:${PG_TEST}@127.0.0.1:9/db'"),
        env={"PG_TEST": "hunter2"},
    )
    assert closed.exit_code == 2
    assert "DATA001" in closed.output
    assert "hunter2" not in closed.output
