"""Asking beside the floor and the peers, and scoring what was recorded: `make bench`. Writes docs/performance.md.

    python benchmarks/asking.py [--quick] [--cases 20000] [--peer-cases 2000] [--only NAME ...] [--dry]

One local server without latency, in a process of its own, answers everybody; each system runs in processes of its own.
What a run takes with as many cases as are asked at once is told apart: start-up, processes, connections. The floor, our
collector (asking and journal) and our whole check (suite read, asked, journalled, scored, rows, estimates, verdict,
report) take turns, because a machine that others use too is faster now and slower then: what counts is the median of
the ratios of neighbours in time. Peak memory is that of all processes of a run together, pages that they share counted
once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import collecting
import page

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers"
TITLES = {
    "lm_eval": "lm-eval",
    "deepeval": "DeepEval",
    "garak": "garak",
    "promptfoo": "promptfoo",
    "inspect": "Inspect",
    "mlflow": "mlflow",
}
SLOW = {"inspect": 4, "mlflow": 16}  # asked this part of the cases
NOISE = 0.1  # of the first cases' time: what comes after them has to take longer, to be told apart
UNSURE = "within noise | – | – | –"
LONGEST = 400  # seconds that a peer may take
PLAN = """system: {{name: benchmark, version: "1"}}
subjects:
  assistant: {{chat: "{base}", model: local, limits: {{max_concurrency: {concurrency}}}}}
evaluations:
  answers: {{suite: cases.jsonl, subject: assistant, scorers: [refusal]}}
requirements:
  - {{id: USE-1, evaluation: answers, metric: false_refusal_rate, at_most: 0.5, severity: major}}
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One process tree from its start to its end."""

    wall: float  # seconds
    cpu: float  # seconds, with those of its children
    peak: float  # MiB
    results: int
    fault: str | None = None


class Watch(threading.Thread):
    """The most memory that the processes of one session held together, pages that they share counted once."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session, self.peak, self.over = str(session), 0.0, threading.Event()

    def run(self) -> None:
        pause = 0.05
        while not self.over.wait(pause):
            start = time.perf_counter()
            self.peak = max(self.peak, sum(self._held()))
            pause = max(0.05, 20 * (time.perf_counter() - start))  # looking takes a twentieth of the time at most

    def _held(self) -> Iterator[float]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[3] == self.session:
                    yield int((process / "smaps_rollup").read_text().split("Pss:", 1)[1].split(None, 1)[0]) / 1024
            except (OSError, IndexError):  # it ended meanwhile
                continue


def timed(command: list[str], folder: Path, *, longest: float) -> tuple[Run, str]:
    """Run a command in a session of its own; what it printed is in the second."""
    with (folder / "stdout").open("w+b") as out, (folder / "stderr").open("w+b") as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, start_new_session=True)
        watch = Watch(process.pid)
        watch.start()
        clock = threading.Timer(longest, os.killpg, (process.pid, signal.SIGKILL))
        clock.start()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        late = not clock.is_alive()
        clock.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.over.set()
        watch.join()
        out.seek(0)
        err.seek(0)
        said, why = out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace")
    fault = None
    if process.returncode:
        fault = f"stopped after {longest:.0f} s" if late else f"exit code {process.returncode}: {why.strip()[-300:]}"
    cpu = used.ru_utime + used.ru_stime
    return Run(wall=wall, cpu=cpu, peak=watch.peak, results=0, fault=fault), said


@contextmanager
def server(delay_ms: float) -> Iterator[int]:
    """The port of a local server that answers after so long."""
    command = [sys.executable, str(HERE / "collecting.py"), "--task", "serve", "--delay-ms", str(delay_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def write_cases(path: Path, cases: int) -> None:
    with path.open("w", encoding="utf-8") as lines:
        for number in range(cases):
            case = {"id": f"c{number}", "prompt": collecting.PROMPT.format(number), "expect": "comply"}
            lines.write(json.dumps(case) + "\n")


def write_peer_cases(path: Path, cases: int) -> None:
    with path.open("w", encoding="utf-8") as lines:
        for number in range(cases):
            case = {"id": f"c{number}", "prompt": collecting.PROMPT.format(number), "word": "help"}
            lines.write(json.dumps(case) + "\n")


def whole(port: int, cases: int, concurrency: int) -> Run:
    """`shipworthy check` of a plan with one chat endpoint, as a user calls it."""
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        write_cases(folder / "cases.jsonl", cases)
        plan = PLAN.format(base=f"http://127.0.0.1:{port}/v1", concurrency=concurrency)
        (folder / "shipworthy.yaml").write_text(plan, "utf-8")
        command = [str(Path(sys.executable).parent / "shipworthy"), "check", "--quiet", "--out", "run"]
        run, _ = timed(command, folder, longest=600)
        if run.fault and not (folder / "run" / "results.json").is_file():  # few cases decide nothing: exit code 3
            raise SystemExit(f"shipworthy check failed: {run.fault}")
        import pyarrow.parquet as pq

        found = pq.read_metadata(folder / "run" / "observations" / "answers.parquet").num_rows
        assert (folder / "run" / "report.html").is_file()
        return Run(wall=run.wall, cpu=run.cpu, peak=run.peak, results=found)


def peer(name: str, port: int, cases: int, concurrency: int) -> Run:
    """One peer in its environment."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as held:
        folder = Path(held)
        (folder / "home").mkdir()
        write_peer_cases(folder / "cases.jsonl", cases)
        command = [str(python_of(name)), str(HERE / "peers.py"), name, f"http://127.0.0.1:{port}/v1"]
        command += [str(folder / "cases.jsonl"), str(concurrency), str(folder / "home")]
        run, said = timed(command, folder, longest=LONGEST)
        results = 0 if run.fault else int(json.loads(said)["results"])
        return Run(wall=run.wall, cpu=run.cpu, peak=run.peak, results=results, fault=run.fault)


def python_of(name: str) -> Path:
    """The interpreter of the environment that has a peer."""
    return (PEERS / "inspect" if name == "inspect" else PEERS) / "bin" / "python"


def version_of(name: str) -> str | None:
    """Of a peer; None where it is not installed."""
    python = python_of(name)
    if not python.is_file():
        return None
    done = subprocess.run([str(python), str(HERE / "peers.py"), "versions"], capture_output=True, text=True, check=True)
    found: str | None = json.loads(done.stdout)[name]
    return found


def told(what: str, run: Run) -> None:
    print(f"{what:<28} {run.wall:8.2f} s {run.cpu:8.2f} s CPU {run.peak:7.0f} MiB {run.fault or ''}", flush=True)


def of_client(task: str, port: int, cases: int, concurrency: int) -> Run:
    """The floor or our collector; imports stand outside its clock."""
    found = collecting.measure(task, port, cases, concurrency)
    run = Run(wall=found["wall"], cpu=found["cpu"], peak=found["peak"], results=cases)
    told(task, run)
    return run


def ours(delay_ms: float, cases: int, concurrency: int, repeats: int) -> list[str]:
    """The floor, our collector and our whole check in turns; rows of a table."""
    runs: dict[str, list[Run]] = {"floor": [], "ours": [], "whole": [], "start": []}
    with server(delay_ms) as port:
        whole(port, 2, concurrency)  # its files are in memory from here on
        for _ in range(repeats):
            runs["floor"].append(of_client("floor", port, cases, concurrency))
            runs["ours"].append(of_client("ours", port, cases, concurrency))
            for key, count in (("start", concurrency), ("whole", cases)):
                runs[key].append(whole(port, count, concurrency))
                told(f"whole, {count:,} cases", runs[key][-1])
    first = Run(
        wall=statistics.median(run.wall for run in runs["start"]),
        cpu=statistics.median(run.cpu for run in runs["start"]),
        peak=0.0,
        results=concurrency,
    )
    apart = [
        Run(wall=run.wall - first.wall, cpu=run.cpu - first.cpu, peak=run.peak, results=run.results)
        for run in runs["whole"]
    ]
    rows = []
    for name, mine, start in (
        ("Bare aiohttp loop (the floor)", runs["floor"], None),
        ("**Shipworthy**, asking and journal", runs["ours"], None),
        ("**Shipworthy**, the whole check", apart, first.wall),
    ):
        each = cases - concurrency if start else cases
        wall, cpu = statistics.median(run.wall for run in mine), statistics.median(run.cpu for run in mine)
        peak = max(run.peak for run in mine)
        came = "all" if all(run.results == cases for run in mine) else f"{min(run.results for run in mine):,}"
        begun = "–" if start is None else f"{start:.1f}"
        pairs = list(zip(runs["floor"], mine, strict=True))
        numbers = UNSURE
        if start is None or (wall > NOISE * start and all(run.wall > 0 and run.cpu > 0 for run in mine)):
            ratio = each / cases * statistics.median(floor.wall / run.wall for floor, run in pairs)
            by_cpu = each / cases * statistics.median(floor.cpu / run.cpu for floor, run in pairs)
            numbers = f"{each / wall:,.0f} | {ratio:.2f} | {by_cpu:.2f} | {1000 * cpu / each:.2f}"
        rows.append(f"| {name} | {cases:,} | {numbers} | {begun} | {peak:,.0f} | {came} |")
    return rows


def peers(most: int, concurrency: int, wanted: list[str]) -> list[str]:
    """Each peer that is installed, beside the floor just before it."""
    rows = []
    with server(0.0) as port:
        for name in wanted:
            version = version_of(name)
            if version is None:
                rows.append(f"| {TITLES[name]} | not installed | – | – | – | – | – | – | – |")
                continue
            cases = most // SLOW.get(name, 1)
            floor = of_client("floor", port, cases, concurrency)
            peer(name, port, 2, concurrency)  # its files are in memory from here on
            start = peer(name, port, concurrency, concurrency)
            told(f"{name}, {concurrency:,} cases", start)
            run = start if start.fault else peer(name, port, cases, concurrency)
            told(f"{name}, {cases:,} cases", run)
            title = f"{TITLES[name]} {version}"
            if run.fault:
                why = " ".join(run.fault.replace("|", "/").split())
                rows.append(f"| {title} | {cases:,} | {why} | – | – | – | {start.wall:.1f} | {run.peak:,.0f} | – |")
                continue
            wall, cpu, each = run.wall - start.wall, run.cpu - start.cpu, cases - concurrency
            came = "all" if run.results == cases else f"{run.results:,} of {cases:,}"
            numbers = UNSURE
            if wall > NOISE * start.wall and cpu > 0:
                ratio, by_cpu = each / cases * floor.wall / wall, each / cases * floor.cpu / cpu
                numbers = f"{each / wall:,.0f} | {ratio:.3f} | {by_cpu:.3f} | {1000 * cpu / each:.2f}"
            rows.append(f"| {title} | {cases:,} | {numbers} | {start.wall:.1f} | {run.peak:,.0f} | {came} |")
    return rows


def scoring(answers: int) -> list[str]:
    """Recorded answers scored on two processes."""
    command = [sys.executable, str(HERE / "scoring.py"), "--answers", str(answers), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"scoring failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    lines = ["| answers | seconds | answers a second | peak of one process, MiB |", "|---|---|---|---|"]
    for run in found["runs"]:
        lines.append(
            f"| {run['answers']:,} | {run['seconds']:.1f} | {run['answers_per_second']:,} | {run['peak_mib']:.0f} |"
        )
    return [*lines, "", f"Peak memory with all answers is {found['peak_ratio']:.2f} times that with 100,000."]


HEAD = [
    "| system | cases | cases a second | of the floor | of the floor, by CPU | CPU ms a case | first cases, s "
    "| peak memory, MiB | results |",
    "|---|---|---|---|---|---|---|---|---|",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="for the floor and ours")
    parser.add_argument("--peer-cases", type=int, default=20_000)
    parser.add_argument("--answers", type=int, default=1_000_000, help="to score")
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(TITLES), default=list(TITLES), help="peers")
    parser.add_argument("--quick", action="store_true", help="a tenth of ours, a quarter of the peers', once")
    parser.add_argument("--dry", action="store_true", help="print the section and do not write it")
    given = parser.parse_args()
    if given.quick:
        given.cases, given.peer_cases, given.answers = given.cases // 10, given.peer_cases // 4, given.answers // 5
        given.repeats = 1
    about = page.machine("aiohttp", "orjson")
    section = [
        "## Asking: a local endpoint without latency, "
        f"{given.concurrency} requests at once{', quick' if given.quick else ''}",
        "",
        f"Measured by `benchmarks/asking.py` on {about}. Wall time; *first cases* is a run of "
        f"{given.concurrency} cases with its start-up, which the rates leave out. The check reads its suite, asks, "
        "journals, scores refusals, writes rows, estimates, decides and writes the report. Every peer scores by one "
        "string and keeps what it keeps by default; each asks through its own client for OpenAI-compatible servers, "
        "but DeepEval, which leaves asking to its users, through a bare aiohttp loop, and mlflow through the openai "
        "client, as its documentation does. Ratios are of neighbours in time.",
        "",
        *HEAD,
        *ours(0.0, given.cases, given.concurrency, given.repeats),
        *peers(given.peer_cases, given.concurrency, given.only),
        "",
        "## Asking: 50 ms latency",
        "",
        *HEAD,
        *ours(50.0, given.cases, given.concurrency, min(given.repeats, 2)),
        "",
        "## Scoring recorded answers: refusal, leak and one pattern, two processes",
        "",
        *scoring(given.answers),
    ]
    text = "\n".join(section)
    if given.dry:
        print(text)
    else:
        page.write("generative", text)


if __name__ == "__main__":
    main()
