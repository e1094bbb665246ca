"""The predictive benchmarks: `make bench`. Writes its section of docs/performance.md.

Each task runs in a process of its own; what counts is its CPU time (median of the repeats after a warm-up), because the
wall time of a shared machine says little. Ratios are taken within one run. `--quick` leaves out what takes minutes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import page
from data import decisions

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"


def measure(task: str, path: Path, repeats: int, python: str | Path = sys.executable) -> dict[str, float]:
    """One task in a process of its own."""
    command = [str(python), str(HERE / "tasks.py"), task, str(path), str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{task} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{task:<22} {path.name:<28} {found['cpu']:9.3f} s CPU {found['peak']:8.0f} MiB", flush=True)
    return found


def groups(quick: bool) -> list[str]:
    """A million rows, two attributes intersected: ours beside the floor and the peers."""
    million, tenth = decisions(1_000_000), decisions(100_000)
    floor = measure("floor-duckdb", million, 9)
    rows = [("DuckDB, bare grouped counts (the floor)", "10^6", floor["cpu"], floor["peak"])]

    def add(name: str, task: str, path: Path, repeats: int, python: str | Path = sys.executable) -> None:
        found = measure(task, path, repeats, python)
        size = "10^6" if path == million else "10^5"
        rows.append((name, size, found["cpu"], found["peak"]))

    add("Polars, bare grouped counts", "floor-polars", million, 9)
    add("**Shipworthy**: ten metrics, intervals, two calibrated gap claims", "ours-counts", million, 9)
    add("**Shipworthy**: AUC and calibration error with intervals, one gap claim", "ours-scores", million, 9)
    if PEERS.is_file():
        add("Fairlearn MetricFrame, four metrics, no intervals", "fairlearn", million, 3, PEERS)
        add("Aequitas, disparities with significance", "aequitas", million, 1, PEERS)
        add("Fairlearn MetricFrame, 10 bootstrap draws", "fairlearn-boot-10", tenth, 1, PEERS)
        if not quick:
            add("Fairlearn MetricFrame, 2 bootstrap draws", "fairlearn-boot-2", million, 1, PEERS)
            add("Fairlearn MetricFrame, 100 bootstrap draws", "fairlearn-boot-100", tenth, 1, PEERS)
    lines = [
        "| system | rows | CPU seconds | times the floor at 10^6 rows | peak memory, MiB |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {n} | {size} | {cpu:,.3f} | {cpu / floor['cpu']:,.1f} | {peak:,.0f} |" for n, size, cpu, peak in rows]
    return lines


def growth(quick: bool) -> list[str]:
    """What grows with rows and with groups: ten metrics with intervals and gap claims, and AUC with calibration."""
    lines = [
        "| what | rows | groups | CPU seconds | floor | ratio | peak memory, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    sizes = [("counts", 100_000), ("counts", 1_000_000), ("counts", 10_000_000)]
    sizes += [("scores", 1_000_000), ("scores", 10_000_000)]
    shown = [*((what, rows, 10) for what, rows in sizes), ("counts", 1_000_000, 100), ("counts", 1_000_000, 1_000)]
    for what, rows, count in shown:
        path, repeats = decisions(rows, count), 3 if rows > 1_000_000 else 7
        mine = measure(f"ours-{what}" if count == 10 else "ours-units", path, repeats)
        floor = measure("floor-duckdb" if count == 10 else "floor-units", path, repeats)
        taken = f"{mine['cpu']:.3f} | {floor['cpu']:.3f} | {mine['cpu'] / floor['cpu']:.1f} | {mine['peak']:,.0f}"
        lines.append(f"| {what} | {rows:,} | {count:,} | {taken} |")
    if not quick:
        for rows in (10_000_000, 50_000_000):
            for what in ("counts", "scores"):
                found = measure(f"ours-{what}", decisions(rows), 1)
                lines.append(f"| {what}, cold | {rows:,} | 10 | {found['cpu']:.2f} | – | – | {found['peak']:,.0f} |")
    return lines


def help_time() -> list[str]:
    """Wall time of `shipworthy --help` as a whole process."""
    command = [str(Path(sys.executable).parent / "shipworthy"), "--help"]
    taken = []
    for _ in range(21):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        taken.append(time.perf_counter() - start)
    return [f"`shipworthy --help`: median {statistics.median(taken):.3f} s, slowest {max(taken):.3f} s of 21 runs."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    about = page.machine("duckdb", "ibis-framework", "numpy", "pyarrow", "polars")
    section = f"""## A million rows, two attributes intersected (10 groups), string keys, from Parquet

Measured by `benchmarks/run.py`{" (quick)" if quick else ""} on {about}; peers: fairlearn 0.15.0, aequitas 1.1.0.
CPU time of the task alone, imports apart: the median of several runs in one process after a warm-up.

{chr(10).join(groups(quick))}

## Growth

{chr(10).join(growth(quick))}

## The command line

{chr(10).join(help_time())}
"""
    page.write("predictive", section)


if __name__ == "__main__":
    main()
