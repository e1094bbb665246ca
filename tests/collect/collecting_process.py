"""A process that asks and may be killed: URL JOURNAL TAG CASES [LIMITS as JSON]."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from shipworthy.collect import Job, Limits, ask_all
from shipworthy.exchange import Case
from shipworthy.subjects.chat import open_chat

WHATS = ("wait 0.02", "wait 0.01", "429*1@0", "refusal", "500*1", "half", "drop*1", "500*9999", "empty", "wait 0.03")


def jobs(tag: str, cases: int):
    for seq in range(cases):
        turns = tuple(f"{tag} {seq}.{turn} | {WHATS[seq % 10]}" for turn in range(1 + (seq % 7 == 0)))
        yield Job(seq=seq, case=Case(id=f"c{seq // 2}", turns=turns), trial=seq % 2)


def main(url: str, journal: str, tag: str, cases: str, limits: str = "{}") -> None:
    declared = SimpleNamespace(
        chat=url, model="m", system=None, key=None, headers={}, parameters={"seed": 5}, stream=False, prices=None
    )
    subject = open_chat("assistant", declared, folder=Path())
    print("ready", flush=True)
    settings = {"max_concurrency": 10, "backoff": 0.01, "timeout": 60.0, "retries": 2, **json.loads(limits)}
    found = ask_all(
        subject, lambda: jobs(tag, int(cases)), total=int(cases), journal=Path(journal), limits=Limits(**settings)
    )
    print(json.dumps({"asked": found.asked, "resumed": found.resumed}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
