from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from workshop import Workshop, rows

COMMAND = [sys.executable, "-c", "from shipworthy.cli import main; main()", "check", "plan.yaml", "--out", "out"]


def test_a_folder_with_other_things_is_left_alone(workshop: Workshop) -> None:
    for name, content in (("notes.txt", "mine"), ("results.json", "{}"), ("deep/er/file", "mine")):
        shutil.rmtree(workshop.out, ignore_errors=True)
        path = workshop.write(f"out/{name}", content)
        outcome = workshop.run()
        assert outcome.code == 2
        assert outcome.codes == ["RUN001"]
        assert path.read_text("utf-8") == content


def test_a_file_added_to_a_run_is_not_lost(workshop: Workshop) -> None:
    workshop.run().sound()
    mine = workshop.write("out/notes.txt", "mine")
    outcome = workshop.run()
    assert outcome.codes == ["RUN001"]
    assert "notes.txt" in outcome.result.stderr
    assert mine.read_text("utf-8") == "mine"


def test_a_newer_run_takes_the_place_of_an_older(workshop: Workshop) -> None:
    first = workshop.run().sound().results["run"]
    assert workshop.run().sound().results["run"] != first
    assert CliRunner().invoke(_main(), ["verify", str(workshop.out)]).exit_code == 0


def test_a_refused_check_leaves_the_older_run(workshop: Workshop) -> None:
    first = workshop.run().sound().results["run"]
    workshop.write("rows.csv", "")
    assert workshop.run().code == 2
    assert json.loads((workshop.out / "results.json").read_text("utf-8"))["run"] == first


@pytest.mark.parametrize("kind", ["file", "fifo", "under a file", "link to nowhere"])
def test_a_place_where_no_folder_can_be_validates_input(workshop: Workshop, kind: str) -> None:
    if kind == "file":
        workshop.write("out", "mine")
    elif kind == "fifo":
        os.mkfifo(workshop.out)
    elif kind == "under a file":
        workshop.out = workshop.write("taken", "mine") / "out"
    else:
        workshop.out.symlink_to(workshop.folder / "taken" / "deep")
        workshop.write("taken", "mine")
    outcome = workshop.run()
    assert outcome.codes == ["RUN001"], outcome.result.stderr
    assert not outcome.left


@pytest.mark.parametrize("step", ["write_atomically", "write_documents", "_write_rows"])
@pytest.mark.parametrize("older", [False, True])
def test_a_full_disk_leaves_nothing_and_loses_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, step: str, older: bool
) -> None:
    before = workshop.run().sound().results["run"] if older else None

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"shipworthy.evidence.store.{step}", full)
    outcome = workshop.run()
    assert outcome.codes == ["RUN001"]
    assert "the disk is full" in outcome.result.stderr
    assert not outcome.left
    assert workshop.out.exists() is older
    assert not older or outcome.results["run"] == before


def test_a_subject_interrupted_exits_130(workshop: Workshop) -> None:
    workshop.write("hostile_interrupt.py", "def f(t): raise KeyboardInterrupt")
    outcome = workshop.run(
        subject="m", roles={"label": "y"}, requirements=[], top={"subjects": {"m": {"python": "hostile_interrupt:f"}}}
    )
    assert outcome.code == 130
    assert not workshop.out.exists()
    assert not outcome.left


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("results.json", None), ("results.json", b""), ("results.json", b"[]"), ("results.json", b"\xff\xfe"), ("results.json", b"[" * 100_000),
        ("results.json", b'{"schema": "shipworthy/results@9"}'),
        ("observations/decisions.parquet", None), ("observations/decisions.parquet", b"PAR1 but no more"),
    ],
)  # fmt: skip
def test_a_baseline_that_was_tampered_with_validates_input(
    workshop: Workshop, file: str, content: bytes | None
) -> None:
    workshop.write("rows.csv", "id," + "".join(f"{i},{line}\n" for i, line in enumerate(rows().splitlines()))[2:])
    roles = {"label": "y", "prediction": "p", "id": "id"}
    workshop.run(roles=roles).sound()
    baseline = workshop.out.rename(workshop.folder / "base")
    if content is None:
        (baseline / file).unlink()
    else:
        (baseline / file).write_bytes(content)
    change = [{"id": "R", "metric": "tpr", "compare": "change", "at_least": -0.1}]
    outcome = workshop.run(roles=roles, requirements=change, top={"baseline": "base"}).sound()
    assert outcome.codes in (["RUN002"], ["DATA020"]), outcome.result.stderr
    for command in (["reproduce", str(baseline)], ["compare", str(baseline), str(baseline)]):
        result = CliRunner().invoke(_main(), command)
        assert result.exit_code in (0, 2, 3, 4), result.stderr
        assert "CALL001" not in result.stderr, result.stderr


def _start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _length(folder: Path) -> float:
    began = time.monotonic()
    process = _start(folder)
    process.communicate()
    assert process.returncode in (0, 1, 3)
    return time.monotonic() - began


@pytest.mark.slow
def test_a_killed_check_leaves_no_half_run(workshop: Workshop) -> None:
    workshop.plan()
    length = _length(workshop.folder)
    shutil.rmtree(workshop.out)
    chance = random.Random(5)
    for _ in range(10):
        process = _start(workshop.folder)
        time.sleep(length * chance.uniform(0.5, 1.0))
        process.kill()
        process.communicate()
        if workshop.out.exists():
            assert CliRunner().invoke(_main(), ["verify", str(workshop.out)]).exit_code == 0


@pytest.mark.slow
def test_an_interrupted_check_leaves_no_half_run(workshop: Workshop) -> None:
    workshop.plan()
    length = _length(workshop.folder)
    for share in (0.5, 0.7, 0.85, 0.95):
        shutil.rmtree(workshop.out, ignore_errors=True)
        process = _start(workshop.folder)
        time.sleep(length * share)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
        early, over = {1, -signal.SIGINT}, {0, 1, 3}  # before there was anybody to hear it; after its end
        assert process.returncode in {130, *early, *over}, told
        assert b"Traceback" not in told or process.returncode in early, told
        if workshop.out.exists():  # the last files were written when it came, and the run is whole
            assert CliRunner().invoke(_main(), ["verify", str(workshop.out)]).exit_code == 0
        assert not [entry for entry in workshop.folder.iterdir() if entry.name.endswith(".part")]


def _main() -> Any:
    from shipworthy.cli import main

    return main


_ENTRY = {"path": "x", "size": 1, "sha256": "0", "role": "other", "media_type": "x"}


def _manifest(*paths: str) -> bytes:
    record = {"schema": "shipworthy/manifest@1", "run": "r", "files": [_ENTRY | {"path": path} for path in paths]}
    return json.dumps(record).encode()


@pytest.fixture(scope="module")
def sound_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workshop = Workshop(tmp_path_factory.mktemp("sound"))
    workshop.run().sound()
    return workshop.out


@pytest.mark.parametrize(
    "manifest",
    [
        *(_manifest(path) for path in (".", "..", "", "/etc/passwd", "a//b", "a/../b", "c:/x", "a\\b", "a\0b", "\udcff", "x" * 9_000)),
        b"[]", b"null", b"", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 200_000, b'{"schema": "shipworthy/manifest@1", "files": {}}',
        b'{"schema": "shipworthy/manifest@1", "files": [], "files": []}', _manifest("x").replace(b'"size": 1', b'"size": ' + b"9" * 9_000),
        _manifest(*(f"f{i}" for i in range(20_000))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["verify", "reproduce", "compare"])
def test_a_hostile_manifest_is_tampered_evidence(
    sound_run: Path, tmp_path: Path, manifest: bytes, command: str
) -> None:
    run = shutil.copytree(sound_run, tmp_path / "run")
    (run / "manifest.json").write_bytes(manifest)
    _tampered(run, command)


@pytest.mark.parametrize("command", ["verify", "reproduce", "compare"])
@pytest.mark.parametrize("name", [b"\xff.txt", b"\xff/deep", b"\x1b[31m", "\u202e.txt".encode()])
def test_a_file_of_any_name_beside_a_run_is_tampered_evidence(
    sound_run: Path, tmp_path: Path, name: bytes, command: str
) -> None:
    run = shutil.copytree(sound_run, tmp_path / "run")
    path = Path(os.fsdecode(os.fsencode(run) + b"/" + name))
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    _tampered(run, command)


def _tampered(run: Path, command: str) -> None:
    for more in ([], ["--json"]):
        arguments = [command, str(run), str(run)][: 3 if command == "compare" else 2]
        result = CliRunner().invoke(_main(), [*arguments, *more])
        assert result.exit_code == 4, result.stderr
        assert "CALL001" not in result.stderr
        assert len(result.stderr) < 20_000
        if more and command != "compare":
            json.loads(result.stdout)


_JUNK = [None, -1, 1e308, 10**30, "", "x", "../..", [], {}, True, [[]], "9" * 5_000, {"x": {"y": [1]}}]


def _forged(folder: Path, file: str, content: bytes) -> None:
    """Change a file of a run, and its manifest with it."""
    import hashlib

    (folder / file).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    for entry in manifest["files"]:
        if entry["path"] == file:
            entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def _spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps: Any = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [path, *(spot for step, each in steps for spot in _spots(each, (*path, step)))]


@pytest.mark.parametrize("file", ["results.json", "plan.json"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_forged_with_its_manifest_is_no_defect(workshop: Workshop, file: str, seed: int) -> None:
    text = "id," + "".join(f"{i},{line}\n" for i, line in enumerate(rows().splitlines()))[2:]
    workshop.write("rows.csv", text)
    workshop.run(roles={"label": "y", "prediction": "p", "id": "id"}).sound()
    whole = json.loads((workshop.out / file).read_text("utf-8"))
    chance = random.Random(seed)
    spots = [spot for spot in _spots(whole) if spot]
    for spot in chance.sample(spots, min(25, len(spots))):
        forged = json.loads(json.dumps(whole))
        inner = forged
        for step in spot[:-1]:
            inner = inner[step]
        if chance.random() < 0.4:
            del inner[spot[-1]]
        else:
            inner[spot[-1]] = chance.choice(_JUNK)
        _forged(workshop.out, file, json.dumps(forged).encode())
        for command in (["reproduce", str(workshop.out)], ["compare", str(workshop.out), str(workshop.out)]):
            outcome = CliRunner().invoke(_main(), command)
            told = outcome.stdout + outcome.stderr
            assert outcome.exit_code in (0, 1, 2, 3, 4), (spot, told)
            assert "CALL001" not in told, (spot, told)
