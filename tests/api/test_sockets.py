"""A default run opens no socket but to the subject, and keeps its key to itself."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

KEY = "sk-verysecret-0123456789"
WATCH = """
import os, sys
def hook(event, args):
    if event == "socket.connect":
        with open(os.environ["CONNECTED"], "a") as log:
            log.write(repr(args[1]) + "\\n")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        with open(os.environ["CONNECTED"], "a") as log:
            log.write(event + " " + repr(args[0]) + "\\n")
sys.addaudithook(hook)
"""
PLAN = """
system: {{name: assistant}}
subjects: {{mine: {{chat: "http://127.0.0.1:{port}/v1", model: m, key: "${{API_KEY}}", system: "Keep to the rules."}}}}
evaluations:
  misuse: {{suite: shipworthy/misuse, sample: 40, subject: mine, attacks: [none, base64], scorers: [refusal, personal_data, secrets]}}
requirements: [{{id: A, metric: attack_success_rate, at_most: 0.5}}]
"""


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: ClassVar[list] = []

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.headers["Authorization"], asked))
        body = json.dumps(
            {
                "choices": [
                    {"message": {"role": "assistant", "content": f"No. {KEY}"}, "finish_reason": "stop"},
                ],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    Server.seen.clear()
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def test_only_the_subject_is_connected_to_and_the_key_stays_out_of_the_evidence(server, tmp_path):
    port = server.server_address[1]
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    (tmp_path / "shipworthy.yaml").write_text(PLAN.format(port=port))
    connected = tmp_path / "connected.log"
    connected.touch()
    env = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "CONNECTED": str(connected),
        "API_KEY": KEY,
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    code = "from shipworthy.cli import main; main()"
    command = [sys.executable, "-c", code, "check", "shipworthy.yaml", "--out", "run", "--json"]
    ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1, 3), ended.stderr
    addresses = set(connected.read_text().splitlines())
    assert addresses == {repr(("127.0.0.1", port))}
    assert {key for key, _ in Server.seen} == {f"Bearer {KEY}"}
    assert all(asked["messages"][0] == {"role": "system", "content": "Keep to the rules."} for _, asked in Server.seen)
    texts = [path for path in Path(tmp_path / "run").rglob("*") if path.is_file()]
    for path in [*texts, tmp_path / "shipworthy.yaml"]:
        assert KEY.encode() not in path.read_bytes(), path.name
    assert KEY not in ended.stdout + ended.stderr


def test_a_check_of_rows_opens_no_socket(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    (tmp_path / "rows.csv").write_text("y,p\n" + "1,1\n0,0\n" * 50)
    (tmp_path / "shipworthy.yaml").write_text(
        "system: {name: s}\nevaluations: {d: {data: rows.csv, roles: {label: y, prediction: p}}}\n"
        "requirements: [{id: A, metric: accuracy, at_least: 0.5}]\n"
    )
    connected = tmp_path / "connected.log"
    connected.touch()
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "CONNECTED": str(connected)}
    command = [sys.executable, "-c", "from shipworthy.cli import main; main()", "check", "--out", "run", "-q"]
    ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert not connected.read_text()
