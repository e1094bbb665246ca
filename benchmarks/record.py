"""The record and its pages at the size of years: `make bench-record`. Writes docs/performance.md.

    python benchmarks/record.py [--systems 1000] [--postgresql] [--requests 60] [--into FOLDER] [--dry]

Each system has 100 runs of 50 estimates and 1,000 lines in the log, so that 1,000 systems are 100,000 runs, 5 million
estimates and a million lines; `filling` says how they are made. `Record.verify` then checks every row of it. The pages
are asked of `shipworthy serve`, in a process of its own, over one connection: each time for another object, and each
kind of page once before it is measured, so that imports and templates do not count. What a page costs that nobody
looked at before is measured too: "fit to ship now?" of 50 systems is then found out, and not remembered.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import filling
import page

from shipworthy.integrity import chain
from shipworthy.record.runs import RunFacts
from shipworthy.record.store import Record

BOUND = 0.150  # seconds, for the slowest in twenty
EVENTS = 50_000  # lines a second that the log is to be verified at
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A kind of page."""

    name: str
    seconds: list[float]
    cpu: float  # seconds a request that the server's process worked

    def row(self) -> str:
        taken = (statistics.median(self.seconds), self.slow, max(self.seconds))
        shown = " | ".join(f"{1e3 * one:,.0f}" for one in (*taken, self.cpu))
        return f"| {self.name} | {len(self.seconds)} | {shown} |"

    @property
    def slow(self) -> float:
        """The slowest in twenty."""
        return sorted(self.seconds)[-(-len(self.seconds) * 19 // 20) - 1]


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A throw-away server on the loopback address; the URL of an empty database."""
    if not SERVERS:
        raise SystemExit("needs a PostgreSQL server (Debian's package postgresql)")
    as_root, home = os.geteuid() == 0, folder / "postgres"
    home.mkdir()
    if as_root:
        for above in (folder, folder.parent):
            above.chmod(0o711)  # so that its user can reach what is its own
        shutil.chown(home, "postgres")
    run = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if as_root else []
    programs, data = SERVERS[-1].parent, home / "data"
    subprocess.run([*run, programs / "initdb", "-D", data, "-U", "keeper", "--auth=trust", "-E", "UTF8"],
                   check=True, capture_output=True, cwd="/")  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*run, programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/") as process:
        try:
            import psycopg

            for _ in range(100):
                try:
                    psycopg.connect(host="127.0.0.1", port=port, user="keeper", dbname="postgres").close()
                    break
                except psycopg.OperationalError:
                    time.sleep(0.1)
            yield f"postgresql://keeper@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def serving(place: str, folder: Path) -> Iterator[tuple[Callable[[str], float], Callable[[], float]]]:
    """A server of its own process: what it takes to answer an address, and what it has worked so far, in seconds."""
    command = [Path(sys.executable).with_name("shipworthy"), "serve", "--port", "0", "--record", place]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            found = re.search(r"http://([\d.]+):(\d+)/", process.stderr.readline() if process.stderr else "")
            if not found:
                raise SystemExit("the server did not start")
            line = http.client.HTTPConnection(found[1], int(found[2]), timeout=600)

            def ask(address: str) -> float:
                line.connect()  # the server lets go of a line that was still for five seconds
                start = time.perf_counter()
                line.request("GET", address, headers={"accept": "text/html"})
                answer = line.getresponse()
                answer.read()
                taken = time.perf_counter() - start
                if answer.status != 200:
                    raise SystemExit(f"{address} is answered with {answer.status}")
                return taken

            def worked() -> float:
                user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
                return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

            yield ask, worked
        finally:
            process.send_signal(signal.SIGINT)


def addresses(filled: filling.Filled, requests: int) -> dict[str, list[str]]:
    """What is asked for, by kind of page."""
    draw = random.Random(7)
    systems = draw.sample(filled.systems, min(requests, len(filled.systems)))
    runs = draw.sample(filled.runs, requests)
    words = [*filling.WORDS, *(f"{one} appl" for one in filling.WORDS), *(f"for {one}" for one in filling.WORDS)]
    ids = ("FAIR-1", "ACC-1", "ACC-2", "ACC-3", "RATE-1", "FAIR-2")
    last = max(
        1, len(filled.systems) // 50
    )  # page of systems; there are 60 times as many risks, 20 times as many waivers
    pages = [draw.randrange(1, last * 60 + 1) for _ in range(requests)]

    def under(path: str, **query: object) -> str:
        return f"{path}?{urlencode(query)}"

    shown = {
        "Portfolio, first looks": [under("/systems", page=1 + i) for i in range(last)],
        "Portfolio, again": [under("/systems", page=1 + i % last) for i in range(requests)],
        "Portfolio of a tier": [under("/", tier=("critical", "high", "limited")[i % 3]) for i in range(requests)],
        "System": [f"/systems/{one}" for one in systems],
        "Trace": [f"/systems/{one}/trace" for one in systems],
        "Requirement": [f"/systems/{one}/requirements/{ids[i % 6]}" for i, one in enumerate(systems)],
        "Run": [f"/runs/{one}" for one in runs],
        "Two runs": [under("/compare", before=one, after=two) for one, two in zip(runs, reversed(runs), strict=True)],
        "Risks of a system": [under("/risks", system=one) for one in systems],
        "Risks of all, any page": [under("/risks", page=one) for one in pages],
        "Open risks of all": [under("/risks", status="open", page=1 + one % (last * 40)) for one in pages],
        "Waivers of all": [under("/waivers", page=1 + i * 7 % (last * 20)) for i in range(requests)],
        "Waivers in force": [under("/waivers", status="in force", page=1 + i % (last * 3)) for i in range(requests)],
        "Sign-offs of a system": [under("/sign-offs", system=one) for one in systems],
        "Sign-offs of 20 systems": [under("/sign-offs", page=1 + i % (last * 2)) for i in range(requests)],
        "Document": [f"/documents/{kind}/{quote(one)}" for kind, one in draw.sample(filled.objects, requests)],
        "Log, any place": [under("/audit", below=draw.randrange(200, filled.size)) for _ in range(requests)],
        "Log by action": [
            under("/audit", action=("risk.", "run.record", "waiver.update", "system.create", "incident.")[i % 5],
                  below=draw.randrange(200, filled.size)) for i in range(requests)
        ],
        "Log of an object": [under("/audit", about="/".join(one)) for one in draw.sample(filled.objects, requests)],
        "Log, a piece of a name": [under("/audit", about=f"-{i}", below=draw.randrange(200, filled.size))
                                   for i in range(requests)],
        "Controls of all systems": ["/catalogues"] * requests,
        "Controls of a system": [under("/catalogues", system=one) for one in systems],
        "Search": [under("/search", q=one) for one in words[:requests]],
        "Search in a system": [under("/search", q=words[i % 60], system=one) for i, one in enumerate(systems)],
    }  # fmt: skip
    return {name: each for name, each in shown.items() if each}


def measure(place: str, base: Path, filled: filling.Filled, requests: int) -> list[Timed]:
    """Every kind of page."""
    found = []
    with serving(place, base) as (ask, worked):
        for name, asked in addresses(filled, requests).items():
            if name == "Portfolio, first looks":
                ask("/catalogues")
            else:
                settle(worked)
                ask(asked[0])
            before = worked()
            taken = [ask(one) for one in asked]
            found.append(Timed(name=name, seconds=taken, cpu=(worked() - before) / len(asked)))
            print(found[-1].row(), file=sys.stderr, flush=True)
    return found


def settle(worked: Callable[[], float]) -> None:
    """Wait until the server has looked at all systems, which it does by itself, resting most of the time."""
    since, known = time.monotonic(), worked()
    while time.monotonic() - since < 3:
        time.sleep(0.2)
        if (now := worked()) - known > 0.03:
            since, known = time.monotonic(), now


def recording(record: Record, base: Path, count: int) -> float:
    """Runs a second that are recorded, each in a transaction of its own, with its estimates, as a check does."""
    one = filling.check_some(base / "recording")[0]
    now, ready = datetime.now(UTC), []
    for i in range(count):
        digest = f"sha256:{i:064x}"
        ready.append(
            RunFacts(digest=digest, run=f"recording-{i}", system="system-0000", version="2026.04", created=now,
                     plan_digest=str(one.results["plan_digest"]), decision=str(one.results["decision"]))
        )  # fmt: skip
    start = time.perf_counter()
    for facts in ready:
        record.add_run(filling.TOOL, now, facts, one.results["verdicts"], one.estimates, one.results["inputs"])
    return count / (time.perf_counter() - start)


def section(place: str, base: Path, systems: int, requests: int, title: str) -> list[str]:
    """Fill, verify, serve and write."""
    with Record.open(place) as record:
        start = time.perf_counter()
        filled = filling.fill(record, base, systems, datetime.now(UTC).date())
        print(f"filled in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        with record._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if connection.dialect.name == "sqlite":
                size = sum(file.stat().st_size for file in base.glob("record.db*"))
            else:
                connection.exec_driver_sql("VACUUM ANALYZE")  # as its keeper's autovacuum does by and by
                size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
        start = time.perf_counter()
        checked = chain.verify_log((line + b"\n" for line in record.log()), where="log")
        alone = time.perf_counter() - start
        start = time.perf_counter()
        verified = record.verify()
        whole = time.perf_counter() - start
        if checked.fault or verified.faults:
            raise SystemExit(f"the record is not whole: {(checked.fault, *verified.faults)[:3]}")
        shown = measure(place, base, filled, requests)
        rate = recording(record, base, 200)
    slow = [one.name for one in shown if one.slow > BOUND]
    return [
        f"## {title}: {systems:,} systems, {systems * filling.RUNS:,} runs, "
        f"{systems * filling.RUNS * filling.ESTIMATES:,} estimates, {filled.size:,} lines in the log",
        "",
        f"{size / 2**30:.2f} GiB, {size / filled.size:,.0f} bytes a line with all that it tells of.",
        "",
        "| what | lines | seconds | lines a second |",
        "|---|---|---|---|",
        *(
            f"| {what} | {filled.size:,} | {taken:.1f} | {filled.size / taken:,.0f} |"
            for what, taken in (
                ("the chain of the log, as `shipworthy verify LOG` checks it", alone),
                ("the log and every row that it tells of, as `shipworthy record verify` does", whole),
            )
        ),
        "",
        f"Aim: over {EVENTS:,} lines a second. A run with {filling.ESTIMATES} estimates is recorded {rate:,.0f} times "
        "a second, each in a transaction of its own.",
        "",
        "| page | requests | median, ms | slowest in twenty, ms | slowest, ms | CPU a request, ms |",
        "|---|---|---|---|---|---|",
        *(one.row() for one in shown),
        "",
        f"Aim: under {BOUND * 1e3:.0f} ms for the slowest in twenty. "
        + (f"Missed by: {', '.join(slow).lower()}." if slow else "Met by every page."),
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", type=int, default=1_000)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--postgresql", action="store_true", help="in PostgreSQL, a tenth of it")
    parser.add_argument("--only-postgresql", action="store_true")
    parser.add_argument("--into", type=Path, help="keep what was made here")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        base = given.into or Path(scratch)
        lines = [
            f"Measured by `benchmarks/record.py` on {page.machine('sqlalchemy', 'fastapi', 'uvicorn', 'jinja2')}. Wall "
            "time at the other end of an open line to `shipworthy serve`, each request for another object. *First "
            "looks* find out whether 50 systems are fit to ship, as soon as the server has started. It then looks at "
            "all by itself, a fifth of the time, and remembers it as long as neither record, nor files, nor the "
            "day has changed; the other pages were asked for after that.",
            "",
        ]
        if not given.only_postgresql:
            (base / "sqlite").mkdir(parents=True)
            place = base / "sqlite" / "record.db"
            lines += section(str(place), base / "sqlite", given.systems, given.requests, "The record in SQLite")
        if given.postgresql or given.only_postgresql:
            (base / "postgresql").mkdir(parents=True)
            with postgresql(base / "postgresql") as place:
                home, few = base / "postgresql" / "project", max(1, given.systems // 10)
                home.mkdir()
                lines += section(place, home, few, given.requests, "The record in PostgreSQL")
    text = "\n".join(lines)
    if given.dry:
        print(text)
    else:
        page.write("record", text)


if __name__ == "__main__":
    main()
