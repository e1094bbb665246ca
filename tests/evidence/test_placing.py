"""At every instant a run's folder is the older run or the newer one, whole: real processes, stopped at the swap."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shipworthy.evidence import placing

# The signal comes at a step of the swap, from within, so that it comes at exactly that step.
WRITER = """
import os, pathlib, signal, sys
from shipworthy.evidence import placing
folder, step, number, can_exchange = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "yes"
exchange, rename = placing._exchange, pathlib.Path.rename

if number in (signal.SIGTERM, signal.SIGHUP):  # whoever started the tests may have had it ignored, as nohup does
    signal.signal(number, signal.SIG_DFL)

def stop(at):
    if at == step:
        os.kill(os.getpid(), number)

def exchanged(one, other):
    if not can_exchange:
        return False
    stop("before")
    done = exchange(one, other)
    stop("between")
    return done

def renamed(self, target):
    stop("before" if target.name == "older" else "never")
    found = rename(self, target)
    stop("between" if target.name == "older" else "after")
    return found

placing._exchange, pathlib.Path.rename = exchanged, renamed
with placing.beside(folder) as part:
    (part / "run").mkdir()
    (part / "run" / "which").write_text("newer")
    placing.place(part, folder)
    stop("after") if can_exchange else None
print("done")
"""


def stopped(folder: Path, step: str, number: int, *, exchanges: bool) -> subprocess.CompletedProcess[str]:
    arguments = [str(folder), step, str(int(number)), "yes" if exchanges else "no"]
    return subprocess.run(
        [sys.executable, "-c", WRITER, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "out"
    place.mkdir()
    (place / "which").write_text("older")
    return place


def which(folder: Path) -> str:
    return (folder / "which").read_text()


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("step", ["before", "between", "after"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_swap_loses_no_run_survives_signals(folder: Path, number: int, step: str, exchanges: bool):
    outcome = stopped(folder, step, number, exchanges=exchanges)
    assert which(folder) == "newer", outcome.stderr  # it came once the swap had begun, which is then finished
    if step != "after" or number != signal.SIGINT:
        assert "Traceback" not in outcome.stderr
        assert outcome.returncode == (0 if number == signal.SIGINT else -number)
    if left := list(folder.parent.glob(".*.part")):  # by SIGTERM just after the swap: the next check clears it away
        assert placing.recover(folder.parent) == []
        assert not any(path.exists() for path in left)
        assert which(folder) == "newer"


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("step", ["before", "between", "after"])
def test_a_killed_swap_loses_no_run_survives_kill(folder: Path, step: str, exchanges: bool):
    outcome = stopped(folder, step, signal.SIGKILL, exchanges=exchanges)
    assert outcome.returncode == -signal.SIGKILL
    gone = step == "between" and not exchanges
    assert folder.exists() is not gone
    assert placing.recover(folder.parent) == (["out"] if gone else [])
    assert which(folder) == ("older" if gone or step == "before" else "newer")
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_a_first_run_needs_no_exchange(tmp_path: Path):
    outcome = stopped(tmp_path / "deep" / "out", "never", 0, exchanges=True)
    assert outcome.returncode == 0, outcome.stderr
    assert which(tmp_path / "deep" / "out") == "newer"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2 is Linux's")
def test_two_folders_are_exchanged_at_once(folder: Path, tmp_path: Path):
    (tmp_path / "new").mkdir()
    inodes = folder.stat().st_ino, (tmp_path / "new").stat().st_ino
    assert placing._exchange(tmp_path / "new", folder)
    assert ((tmp_path / "new").stat().st_ino, folder.stat().st_ino) == inodes


def test_a_swap_that_fails_leaves_the_older_run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(placing, "_exchange", lambda one, other: False)
    with pytest.raises(OSError, match="No such file"), placing.beside(folder) as part:  # there is no run in it
        placing.place(part, folder)
    assert which(folder) == "older"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_what_another_process_is_writing_is_left_alone(folder: Path):
    with placing.beside(folder) as part:
        (part / "run").mkdir()
        code = f"from pathlib import Path; from shipworthy.evidence.placing import recover; print(recover(Path({str(folder.parent)!r})))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
        assert found.stdout.strip() == "[]"
        assert (part / "run").is_dir()
    assert not part.exists()


@pytest.mark.parametrize("name", ["../elsewhere", "/etc/x", "", "a/b"])
def test_recovery_moves_nothing_out_of_its_folder(tmp_path: Path, name: str):
    part = tmp_path / "runs" / ".x.abc.part"
    (part / "older").mkdir(parents=True)
    (part / "place").write_text(name)
    assert placing.recover(tmp_path / "runs") == []
    assert (part / "older").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_recovery_leaves_folders_of_others_alone(tmp_path: Path):
    theirs = tmp_path / ".mine.part"
    (theirs / "work").mkdir(parents=True)
    (tmp_path / "linked").mkdir()
    (tmp_path / ".link.part").symlink_to(tmp_path / "linked")
    (tmp_path / ".file.part").write_text("mine")
    assert placing.recover(tmp_path) == []
    assert (theirs / "work").is_dir()
    assert (tmp_path / "linked").is_dir()
    assert (tmp_path / ".file.part").read_text() == "mine"
