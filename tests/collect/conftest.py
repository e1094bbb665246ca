import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shipworthy.collect import Collected, Job, Limits, ask_all
from shipworthy.exchange import Case
from shipworthy.subjects.chat import ChatSubject, open_chat

HERE = Path(__file__).parent
_NUMBERS = count()


@dataclass
class Server:
    """The scripted server, and a tag for what one test asks of it."""

    url: str
    tag: str

    def asked(self) -> list[str]:
        return self._log()["asked"]

    def busiest(self) -> int:
        return self._log()["busiest"]

    def _log(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url.removesuffix('/v1')}/log?tag={self.tag}", timeout=120) as response:
            return json.load(response)

    def jobs(self, *whats: str, trials: int = 1) -> Callable[[], list[Job]]:
        cases = [Case(id=f"c{n}", turns=(f"{self.tag} {n} | {what}",)) for n, what in enumerate(whats)]
        pairs = [(case, trial) for case in cases for trial in range(trials)]
        return lambda: [Job(seq=seq, case=case, trial=trial) for seq, (case, trial) in enumerate(pairs)]

    def subject(self, **declared: Any) -> ChatSubject:
        settings = {
            "chat": self.url,
            "model": "m",
            "system": None,
            "key": None,
            "headers": {},
            "parameters": {},
            "stream": False,
            "prices": None,
        }
        return open_chat("assistant", SimpleNamespace(**settings | declared), folder=HERE)


@pytest.fixture(scope="session")
def server_url():
    process = subprocess.Popen(
        [sys.executable, str(HERE / "chat_server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    process.stdin.close()
    process.stdout.close()
    process.kill()
    process.wait()


@pytest.fixture
def server(server_url) -> Server:
    return Server(url=server_url, tag=f"tag{next(_NUMBERS)}")


@pytest.fixture
def collect(server, tmp_path) -> Callable[..., Collected]:
    """Ask the server: `collect(jobs, subject=..., retries=..., ...)`, limits by name."""

    def run(jobs, *, subject=None, journal="journal.jsonl", cache=None, progress=lambda _: None, **limits):
        settings = {"backoff": 0.01, "timeout": 60.0, "retries": 2, **limits}
        return ask_all(
            subject or server.subject(),
            jobs,
            total=None,
            journal=tmp_path / journal,
            limits=Limits(**settings),
            cache=cache,
            progress=progress,
        )

    return run
