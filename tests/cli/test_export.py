"""`shipworthy export`: an Inspect log that Inspect reads, CSV that no spreadsheet executes, JSON Lines."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.api.importing import recompute
from shipworthy.cli import main
from shipworthy.subjects.recording import open_recording

LOGS = Path(__file__).parents[1] / "subjects/fixtures"
EVIL = [
    "=1+1",
    "+2",
    "-cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "＝1+1",
    "\x1b[31m<script>",
    'a "b"\r\nc',
]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run over two recordings: Inspect's, with a hostile twin as a variant, and predictions."""
    folder = tmp_path_factory.mktemp("plan")
    rows = [{"id": e.case.id, "prompt": "?", "trial": e.trial, "response": EVIL[at % len(EVIL)], "score.includes": "1",
             "score.style.polite": "0.5", "status": "error" if at == 3 else "ok", "error": "gone" if at == 3 else None}
            for at, e in enumerate(open_recording(LOGS / "inspect/capitals.eval").exchanges())]  # fmt: skip
    (folder / "evil.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "rows.csv").write_text("id,y,p\n" + "".join(f"{n},{n % 2},{n % 3 % 2}\n" for n in range(30)))
    (folder / "shipworthy.yaml").write_text(f"""
system: {{name: capitals, version: "2"}}
subjects: {{main: {{log: {LOGS}/inspect/capitals.eval}}, evil: {{log: evil.jsonl}}}}
evaluations:
  answers:
    subject: main
    variants: {{twin: {{subject: evil}}}}
    scorers: [{{recorded: includes}}, {{recorded: style.polite, measures: quality}}]
  rows: {{data: rows.csv, roles: {{label: y, prediction: p}}}}
requirements: []
""")
    assert call("check", str(folder / "shipworthy.yaml"), "--out", str(folder / "run")).exit_code in (0, 3)
    return folder / "run"


def call(*words: str):
    return CliRunner().invoke(main, list(words))


def exported(run: Path, *words: str) -> str:
    done = call("export", str(run), *words)
    assert done.exit_code == 0, done.output
    return done.stdout


def shape(value):
    """Names and kinds of what is there."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


def strange(ours, theirs, at="") -> list[str]:
    """Where ours has a name or a kind that theirs has not; names of scores and columns are free, lists may be empty."""
    if at.endswith(("metadata", "scores", "model_usage", "packages", "metrics")):
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        unknown = sorted(f"{at}.{key}" for key in ours.keys() - theirs.keys())
        return unknown + [
            w for key in ours.keys() & theirs.keys() for w in strange(ours[key], theirs[key], f"{at}.{key}")
        ]
    if isinstance(ours, list) and isinstance(theirs, list):
        return strange(ours[0], theirs[0], at)
    if (ours == "list" and isinstance(theirs, list)) or (theirs == "list" and isinstance(ours, list)):
        return []
    return (
        [] if ours == theirs or {*map(str, (ours, theirs))} <= {"int", "float"} else [f"{at}: {ours} is not {theirs}"]
    )


def test_an_inspect_log_has_the_shape_of_inspects_own(run):
    log = json.loads(exported(run, "--to", "inspect", "--evaluation", "answers"))
    theirs = json.loads((LOGS / "inspect/capitals.json").read_text())
    assert {"version", "status", "eval", "plan", "results", "stats", "samples"} <= log.keys()
    talks = [sample for sample in theirs["samples"] if isinstance(sample["input"], list)]
    found = strange(shape(log | {"samples": log["samples"][:1]}), shape(theirs | {"samples": talks}))
    assert found == [".eval.metadata", ".eval.dataset.name"]  # Inspect writes these where a task has them
    for key in ("eval_id", "run_id", "created", "task", "model", "dataset", "config"):  # required by Inspect
        assert log["eval"][key]


def test_an_exported_log_comes_back_with_the_same_numbers(run, tmp_path):
    target = tmp_path / "log.json"
    call("export", str(run), "--to", "inspect", "--evaluation", "answers", "-o", str(target))
    found = recompute(target)
    assert {each.claim.title: each.claim.value for each in found} == {
        "includes mean, mean of epochs": 0.5, "style_polite mean, mean of epochs": 0.3125,
    }  # fmt: skip
    assert all(each.agrees for each in found)
    ours = list(open_recording(target).exchanges())
    theirs = list(open_recording(LOGS / "inspect/capitals.eval").exchanges())
    assert [(e.case.id, e.trial, e.answer.text, e.case.turns) for e in ours] == [
        (e.case.id, e.trial, e.answer.text, e.case.turns) for e in theirs
    ]


def test_another_version_is_exported_by_name(run, tmp_path):
    log = json.loads(exported(run, "--to", "inspect", "--evaluation", "answers", "--variant", "twin"))
    assert log["eval"]["model"] == "evil"
    assert {sample["output"]["completion"] for sample in log["samples"]} >= set(EVIL)
    (failed,) = [sample for sample in log["samples"] if "error" in sample]
    assert failed["error"]["message"] == "gone"
    assert failed["scores"] == {}
    assert log["results"]["completed_samples"] == 31


@pytest.mark.skipif(importlib.util.find_spec("inspect_ai") is None, reason="inspect_ai is not installed")
@pytest.mark.filterwarnings("ignore")
def test_inspect_reads_the_log_against_reference(run, tmp_path):
    from inspect_ai.log import read_eval_log

    for words in ((), ("--variant", "twin")):
        target = tmp_path / "log.json"
        call("export", str(run), "--to", "inspect", "--evaluation", "answers", "-o", str(target), *words)
        assert len(read_eval_log(str(target)).samples) == 32


def test_no_cell_of_the_csv_is_a_formula(run, tmp_path):
    target = tmp_path / "rows.csv"
    exported(run, "--to", "csv", "--evaluation", "answers", "--variant", "twin", "-o", str(target))
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 32
    for row in rows:
        for cell in row.values():
            assert cell[:1] not in ("\t", "\r")
            assert cell.lstrip()[:1] not in tuple("=+-@＝")
    assert {row["response"].removeprefix("'") for row in rows} == set(EVIL)


def test_json_lines_hold_every_row_and_column(run):
    rows = [json.loads(line) for line in exported(run, "--to", "jsonl", "--evaluation", "answers").splitlines()]
    assert len(rows) == 32
    assert {"case", "trial", "status", "response", "includes", "outcome.correct"} <= rows[0].keys()
    assert not any("@" in name for name in rows[0])
    assert len(exported(run, "--to", "csv", "--evaluation", "rows").splitlines()) == 31


def test_a_file_is_written_whole_and_told(run, tmp_path):
    target = tmp_path / "rows.jsonl"
    done = call("export", str(run), "--to", "jsonl", "--evaluation", "rows", "-o", str(target), "--json")
    assert json.loads(done.stdout) == {"evaluation": "rows", "rows": 30, "file": "rows.jsonl", "format": "jsonl"}
    assert len(target.read_text().splitlines()) == 30
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "csv"], "EXPO001"),
        (["--to", "csv", "--evaluation", "absent"], "EXPO001"),
        (["--to", "csv", "--evaluation", "answers", "--variant", "absent"], "EXPO001"),
        (["--to", "inspect", "--evaluation", "rows"], "EXPO001"),
        (["--to", "csv", "--evaluation", "rows", "-o", "/proc/absent/x"], "EXPO002"),
    ],
)
def test_what_cannot_be_exported_is_said_validates_input(run, words, said):
    done = call("export", str(run), *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_what_is_no_run_is_said_validates_input(tmp_path):
    assert "RUN002" in call("export", str(tmp_path), "--to", "csv").stderr
