"""Fifty processes write at once, and some are killed: nothing is half written, nothing said to be written is lost."""

import json
import subprocess
import sys

import pytest

from shipworthy.record.store import Record

WORKERS, KILLED = 50, 20

# One process imports, then forks: fifty interpreters of their own would do little but start.
NURSERY = """
import os, random, signal, sys, time
with __import__("contextlib").suppress(ImportError):
    import psycopg
import pyarrow as pa
import sqlalchemy.dialects.postgresql.psycopg, sqlalchemy.dialects.sqlite.pysqlite, alembic.command
import shipworthy.record.estimates
from datetime import UTC, datetime
from shipworthy.record.documents import Mitigation, Rating, Risk
from shipworthy.record.runs import RunFacts
from shipworthy.record.store import Record

place, folder, workers, killed = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
now = datetime(2026, 11, 21, tzinfo=UTC)
rating = Rating(likelihood=1, severity=1, basis="judged")
table = pa.table({"evaluation": ["e"] * 40, "metric": ["m"] * 40, "compare": ["value"] * 40,
                  "slice": [f'{{"g": {i}}}' for i in range(40)], "value": [0.5] * 40})
verdicts = [{"requirement": f"F-{i}", "verdict": "met", "severity": "minor"} for i in range(5)]

def work(number):
    told = os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with Record.open(place, patience=600) as record:
        me = record.person(f"w{number}@example.org", f"Worker {number}")
        step = 0
        while step == 0 or not os.path.exists(f"{folder}/over"):
            step += 1
            pair = f"{number}-{step % 3}"
            risk = Risk(id=pair, system="s", title=str(step), cause="c", harm="h", inherent=rating)
            record.write(me, now, risk, Mitigation(id=pair, system="s", title=str(step), what="w"))
            os.write(told, b"d")
            run = RunFacts(digest=f"sha256:{number * 10**6 + step:064x}", run="r", system="s", version="1",
                           plan_digest="sha256:" + "1" * 64, created=now, decision="ship")
            record.add_run(me, now, run, verdicts, table, [])
            os.write(told, b"r")

children = []
for number in range(workers):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(number)
            code = 0
        except BaseException as error:
            print(number, repr(error)[:500], file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    children.append(child)
chance = random.Random(5)
victims = chance.sample(range(workers), killed)
for victim in victims:
    time.sleep(chance.uniform(0.1, 0.8))
    os.kill(children[victim], signal.SIGKILL)
open(f"{folder}/over", "x").close()
ends = [os.waitpid(child, 0)[1] for child in children]
print([number for number, status in enumerate(ends) if status and number not in victims])
print(sum(os.WIFSIGNALED(status) for status in ends))
"""


@pytest.mark.slow
def test_the_record_survives_kill(place, tmp_path):
    told = tmp_path / "told"
    told.mkdir()
    arguments = [place, str(told), str(WORKERS), str(KILLED)]
    ran = subprocess.run(
        [sys.executable, "-c", NURSERY, *arguments], capture_output=True, text=True, check=False, timeout=1800
    )
    failed, dead = ran.stdout.split("\n")[:2]
    assert failed == "[]", ran.stderr
    assert int(dead) == KILLED
    with Record.open(place, create=False) as record:
        found = record.verify()
        assert found.faults == ()
        entries = [json.loads(line) for line in record.log()]
        assert len(entries) == found.log.entries > WORKERS
        runs = {kept.facts.digest for kept in record.runs(limit=10**6)}
        assert record.estimates().num_rows == 40 * len(runs)
        for number in range(WORKERS):
            path = told / str(number)
            words = path.read_bytes() if path.exists() else b""
            # What was told to be written is there; one more may be, of who was killed before telling.
            written = sum(len(record.history("risk", f"{number}-{i}")) for i in range(3))
            assert words.count(b"d") <= written <= words.count(b"d") + 1
            mine = words.count(b"r")
            assert (
                mine <= sum(int(digest.removeprefix("sha256:"), 16) // 10**6 == number for digest in runs) <= mine + 1
            )
            for i in range(3):  # a pair is written together
                risks, mitigations = (
                    record.history("risk", f"{number}-{i}"),
                    record.history("mitigation", f"{number}-{i}"),
                )
                assert [kept.document.title for kept in risks] == [kept.document.title for kept in mitigations]
                assert [kept.seq + 1 for kept in risks] == [kept.seq for kept in mitigations]
