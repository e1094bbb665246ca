"""Rows, models on disk, and a real local server whose behaviour a test scripts."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shipworthy.plan.models import Subject
from shipworthy.subjects.loading import GuardedSubject, load_subject


@pytest.fixture
def rows() -> pa.Table:
    rng = np.random.default_rng(11)
    return pa.table(
        {
            "income": rng.lognormal(3.4, 0.5, 60),
            "debt": rng.uniform(0, 1, 60),
            "region": pa.array(np.array(["north", "south", "east"])[rng.integers(0, 3, 60)].tolist()),
        }
    )


@pytest.fixture
def load(tmp_path) -> Callable[..., GuardedSubject]:
    return lambda **declared: load_subject("scorer", Subject(**declared), folder=tmp_path)


@dataclass
class Endpoint:
    """A server that answers each request by the next scripted reply, and the last one for ever."""

    url: str = ""
    replies: list[Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def score(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        scores = [row["debt"] for row in body["rows"]]
        return 200, {}, json.dumps({"predictions": [int(s > 0.5) for s in scores], "scores": scores}).encode()

    @staticmethod
    def status(code: int, said: str = "", **headers: str) -> Callable[[Any], tuple[int, dict[str, str], bytes]]:
        return lambda _: (code, {name.replace("_", "-"): value for name, value in headers.items()}, said.encode())

    def reply(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            self.asked.append(body)
            self.headers.append(headers)
            made = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return made(body)


@pytest.fixture
def endpoint():
    served = Endpoint(replies=[Endpoint.score])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            code, headers, said = served.reply(body, dict(self.headers))
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):  # a client that gave up is part of the script
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/score"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()
