"""The console's own process: an exit code of 0 says that a run was written, and --json keeps stdout for the result."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CONSOLE = [sys.executable, "-c", "import sys; from shipworthy.cli import main; sys.exit(main())"]
ROWS = "id,group,y\n" + "".join(f"{i},{'ab'[i % 2]},{int(i % 4 > 1)}\n" for i in range(200))
RIGHT = "return [int(i % 4 > 1) for i in t['id'].to_pylist()]"
PLAN = """
system: {name: s}
subjects: {m: {python: "model:predict"}}
evaluations:
  d: {data: rows.csv, roles: {label: y, id: id}, slices: [group], subject: m}
requirements:
  - {id: R, metric: accuracy, at_least: 0.5}
"""
LOUD = f"""
import atexit, os, subprocess, sys
print("import")
atexit.register(print, "exit")
def predict(t):
    print("x" * 100_000)
    os.write(1, b"descriptor\\n")
    os.system("echo shell")
    {RIGHT}
"""


AT_MOST = 300  # seconds for what is over in a few: what takes as long hangs
HANGS = f"time.sleep({2 * AT_MOST})"


def start(folder: Path, code: str, *more: str) -> subprocess.Popen:
    (folder / "rows.csv").write_text(ROWS)
    (folder / "shipworthy.yaml").write_text(PLAN)
    (folder / "model.py").write_text(code)
    return subprocess.Popen(
        [*CONSOLE, "check", "--out", "run", *more],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\ndef predict(t): os._exit(0)", "CALL006"),
        ("import os\nos._exit(0)", "CALL006"),
        ("import os, threading\ndef predict(t):\n    import time\n"
         "    threading.Thread(target=lambda: os._exit(0)).start(); time.sleep(600)", "CALL006"),
        ("import ctypes\ndef predict(t): ctypes.string_at(0)", "SIGSEGV"),
        ("import os, signal\ndef predict(t): os.kill(os.getpid(), signal.SIGKILL)", "memory"),
        ("import sys\ndef predict(t): sys.exit(0)", "SUBJ006"),
        ("import sys\nsys.exit(0)", "SUBJ002"),
    ],
)  # fmt: skip
def test_a_process_that_is_ended_from_within_is_a_fault_and_no_ship(tmp_path, code, said):
    process = start(tmp_path, code)
    told, error = process.communicate(timeout=AT_MOST)
    assert process.returncode == 2, error
    assert said in error
    assert "  where  " in error
    assert "Traceback" not in error
    assert told == ""
    assert not (tmp_path / "run").exists()


def test_ending_the_process_after_the_decision_does_not_change_it(tmp_path):
    process = start(tmp_path, f"import atexit, os\natexit.register(os._exit, 7)\ndef predict(t): {RIGHT}")
    _, error = process.communicate(timeout=AT_MOST)
    assert process.returncode == 0, error
    assert json.loads((tmp_path / "run/results.json").read_text())["decision"] == "ship"


def test_json_stays_json_however_loud_the_subject_is(tmp_path):
    process = start(tmp_path, LOUD, "--json")
    told, error = process.communicate(timeout=AT_MOST)
    assert process.returncode == 0, error
    assert json.loads(told) == json.loads((tmp_path / "run/results.json").read_text())
    for noise in ("import", "xxx", "descriptor", "shell", "exit"):
        assert noise in error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_worker_and_stops_the_command(tmp_path, number):
    process = start(tmp_path, f"import time\ndef predict(t): open('here', 'w').close(); {HANGS}")
    _wait_for(tmp_path / "here")
    process.send_signal(number)
    _, error = process.communicate(timeout=AT_MOST)
    assert process.returncode == 128 + number
    assert "Traceback" not in error


def test_the_worker_does_not_outlive_a_killed_command(tmp_path):
    code = "import os, time\ndef predict(t):\n    with open('mine', 'w') as f: f.write(str(os.getpid()))\n"
    process = start(tmp_path, f"{code}    os.rename('mine', 'here')\n    {HANGS}")
    _wait_for(tmp_path / "here")
    worker = int((tmp_path / "here").read_text())
    process.kill()
    process.communicate(timeout=AT_MOST)  # ends when nobody holds its pipes any more
    assert any(not _alive(worker) or time.sleep(0.05) for _ in range(20 * AT_MOST))


def _alive(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")  # a worker that nobody waits for stays as a zombie where no init reaps
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def _wait_for(file: Path) -> None:
    for _ in range(20 * AT_MOST):
        if file.exists():
            return
        time.sleep(0.05)
    raise AssertionError("the subject was never asked")


@pytest.mark.parametrize("more", ["", "import atexit; atexit.register(open, 'left', 'w')\n"])
def test_a_thread_that_is_left_behind_does_not_hold_the_command(tmp_path, more):
    code = "import threading, time\n" + more
    code += f"def predict(t):\n    threading.Thread(target=time.sleep, args=({2 * AT_MOST},)).start()\n    {RIGHT}"
    process = start(tmp_path, code)
    told, error = process.communicate(timeout=AT_MOST)
    assert process.returncode == 0, error
    assert "SHIP" in told
    assert (tmp_path / "left").exists() == bool(more)  # what asks to be called at exit is called


def called(*arguments: str, cwd: Path, redirect: str = "", environment: dict[str, str] | None = None):
    """The console, called through a shell, which closes and redirects descriptors as a person does."""
    line = f'"$0" -c "from shipworthy.cli import main; main()" "$@" {redirect}'
    return subprocess.run(
        ["bash", "-c", line, sys.executable, *arguments],
        cwd=cwd, capture_output=True, text=True, errors="replace", timeout=AT_MOST, check=False,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip


@pytest.fixture
def checkable(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "shipworthy.yaml").write_text(PLAN)
    (tmp_path / "model.py").write_text(f"def predict(t): {RIGHT}\n")
    return tmp_path


@pytest.mark.parametrize("command", [["check", "--out", "run", "--no-record"], ["metrics"]])
def test_a_reader_that_goes_away_is_no_fault(checkable, command):
    outcome = called(*command, cwd=checkable, redirect='| true; exit "${PIPESTATUS[0]}"')
    assert outcome.returncode == 141, outcome.stderr
    assert outcome.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", [["check", "--out", "run", "--no-record"], ["metrics"], ["check", "--json", "--quiet", "--no-record"]])  # fmt: skip
def test_a_full_disk_behind_stdout_is_one_error(checkable, command):
    outcome = called(*command, cwd=checkable, redirect="> /dev/full")
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("CALL007  the result cannot be written: No space left on device")
    assert len(outcome.stderr.splitlines()) == 3


@pytest.mark.parametrize("redirect", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2> /dev/full", "2>&1 > /dev/null | true"])
def test_words_that_nobody_hears_change_no_result(checkable, redirect):
    check = ["check", "--out", "run", "--no-record"]
    outcome = called(*check, cwd=checkable, redirect=f'{redirect}; exit "${{PIPESTATUS[0]}}"')
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads((checkable / "run" / "results.json").read_text())["decision"] == "ship"


def test_an_encoding_without_the_characters_changes_no_result(checkable):
    check = ["check", "--out", "run", "--no-record"]
    outcome = called(*check, cwd=checkable, environment={"PYTHONIOENCODING": "latin-1"})
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("SHIP")
    plan = PLAN.replace("{name: s}", '{name: "Ω"}')
    (checkable / "shipworthy.yaml").write_text(plan, "utf-8")
    outcome = called(*check, "--json", cwd=checkable, environment={"PYTHONIOENCODING": "latin-1"})
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["system"]["name"] == "Ω"


def test_a_folder_that_is_gone_is_no_defect(checkable):
    check = ["check", str(checkable / "shipworthy.yaml"), "--out", "run", "--no-record"]
    line = 'mkdir gone && cd gone && rmdir ../gone && "$0" -c "from shipworthy.cli import main; main()" "$@"'
    outcome = subprocess.run(
        ["bash", "-c", line, sys.executable, *check],
        cwd=checkable, capture_output=True, text=True, timeout=AT_MOST, check=False,
    )  # fmt: skip
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("CALL008  the folder that the command was called in is gone")
    assert "defect" not in outcome.stderr
