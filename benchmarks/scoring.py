# ruff: noqa: SIM905 - sentences read better as text
"""How fast recorded answers are scored, and whether memory stays flat: refusal, leak and regex on two processes.

    python benchmarks/scoring.py [--answers 1000000] [--json]

Answers of about 400 characters are written to a JSON Lines file of 100,000 and one of `--answers`, then streamed from
it in pieces to two processes, each of which scores a piece and hands back how often each value came. Peak memory is the
largest resident size of any process of the run, children included, each run in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from shipworthy.exchange import Answer, Case, Exchange
from shipworthy.scorers.catalogue import open_scorer

SPECS = ("refusal", "leak", {"regex": r"\b[0-9]{3}-[0-9]{4}\b", "measures": "leak", "name": "phone"})
SECRET = "Tangerine-Falcon-7719"
PIECE = 2_000
REFUSES, LEAKS, RINGS = 0.10, 0.01, 0.02
WORDS = (
    "the river market opens early and people bring bread cheese apples or flowers because there is not "
    "much traffic while small boats carry visitors from one bank to another you can see old houses with "
    "green doors several bridges were built in stone "
).split()


def written(path: Path, answers: int) -> None:
    rng = random.Random(7)
    with path.open("w", encoding="utf-8") as lines:
        for number in range(answers):
            text = " ".join(rng.choices(WORDS, k=72)).capitalize() + "."
            if rng.random() < REFUSES:
                text = "I'm sorry, but I can't help with that. It would be harmful. Is there anything else?"
            if rng.random() < LEAKS:
                text += f" The code is {SECRET}."
            if rng.random() < RINGS:
                text += " Ring 555-1234."
            lines.write(json.dumps({"id": f"a{number}", "text": text}) + "\n")


def pieces(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8") as lines:
        while piece := list(islice(lines, PIECE)):
            yield piece


def scored(piece: list[str]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    scorers = [open_scorer(spec, folder=Path(), where="benchmark") for spec in SPECS]
    for line in piece:
        row = json.loads(line)
        case = Case(id=row["id"], turns=("Tell me of the market.",), secrets=(SECRET,))
        exchange = Exchange(case=case, answer=Answer(status="ok", text=row["text"]))
        found.update((scorer.name, str(scorer.score(exchange).value)) for scorer in scorers)
    return found


def one_run(path: Path, processes: int) -> dict[str, object]:
    started = time.perf_counter()
    total: Counter[tuple[str, str]] = Counter()
    waiting = multiprocessing.BoundedSemaphore(4 * processes)  # the reader must not run ahead of the scorers

    def bounded() -> Iterator[list[str]]:
        for piece in pieces(path):
            waiting.acquire()
            yield piece

    with multiprocessing.Pool(processes) as pool:
        for found in pool.imap_unordered(scored, bounded()):
            total += found
            waiting.release()
        pool.close()
        pool.join()
    seconds = time.perf_counter() - started
    answers = sum(count for (name, _), count in total.items() if name == "refusal")
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "answers": answers,
        "seconds": round(seconds, 2),
        "answers_per_second": round(answers / seconds),
        "peak_mib": round(peak / 1024, 1),
        "values": {f"{name} {value}": count for (name, value), count in sorted(total.items())},
    }


def _send(pipe: object, path: Path, processes: int) -> None:
    pipe.send(one_run(path, processes))  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for answers in (100_000, chosen.answers):
            path = Path(folder) / "answers.jsonl"
            written(path, answers)
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=_send, args=(theirs, path, chosen.processes))
            process.start()
            runs.append(ours.recv())
            process.join()
    ratio = round(runs[1]["peak_mib"] / runs[0]["peak_mib"], 3)
    result = {"runs": runs, "peak_ratio": ratio, "flat": ratio <= 1.2}
    if chosen.json:
        print(json.dumps(result, indent=2))
        return
    for run in runs:
        print(f"{run['answers']:>9,} answers  {run['answers_per_second']:>8,} a second  peak {run['peak_mib']} MiB")
    print(f"peak memory: {ratio} times that of 100,000", file=sys.stderr)


if __name__ == "__main__":
    main()
