"""`shipworthy serve`: whom it serves, and what it says where it does not."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.cli import main


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "", "127.0.0.1.example.org"])
def test_a_host_that_others_can_reach_is_refused(place, host):
    done = CliRunner().invoke(main, ["serve", "--host", host, "--record", str(place)])
    assert done.exit_code == 2
    assert "WEB004" in done.output
    assert "ssh -L" in done.output


def test_a_port_that_is_taken_is_said(place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = CliRunner().invoke(main, ["serve", "--port", str(taken.getsockname()[1]), "--record", str(place)])
    assert done.exit_code == 2
    assert "WEB005" in done.output


def test_a_record_that_is_not_there_is_not_made(tmp_path):
    done = CliRunner().invoke(main, ["serve", "--record", str(tmp_path / "record.db")])
    assert done.exit_code == 2
    assert "RECORD001" in done.output
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_begun_where_no_record_was_named(tmp_path, monkeypatch):
    import uvicorn

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHIPWORTHY_RECORD", raising=False)
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    told = [CliRunner().invoke(main, ["serve", "--port", "0"]) for _ in range(2)]
    assert [one.exit_code for one in told] == [0, 0]
    assert "a new one was begun, .shipworthy/record.db" in told[0].output
    assert "was begun" not in told[1].output


@pytest.mark.slow
def test_the_command_serves_until_it_is_stopped(place):
    command = [Path(sys.executable).with_name("shipworthy"), "serve", "--port", "0", "--record", str(place)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
            assert found
            with urllib.request.urlopen(found[0], timeout=120) as answer:
                assert answer.status == 200
                assert "server" not in {name.lower() for name in answer.headers}
                assert "lending-decisions" in answer.read().decode()
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) in (0, 130)
        assert "Traceback" not in process.stderr.read()
