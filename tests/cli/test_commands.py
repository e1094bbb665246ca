"""The command line: what goes to stdout, what to stderr, and which exit code says what."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from shipworthy.cli import main

HEAVY = ("numpy", "pyarrow", "duckdb", "ibis", "pydantic", "scipy", "rich", "pandas", "jinja2", "ruamel")
COMMANDS = list(main.list_commands(click.Context(main)))
ROWS = "id,group,y,p\n" + "".join(
    f"{i},{'ab'[i % 2]},{int(i % 4 > 1)},{int(i % 4 > 1 if i % 10 else i % 4 < 2)}\n" for i in range(400)
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(ROWS)
    return tmp_path


def plan(*requirements: str, name: str = "shipworthy.yaml") -> str:
    Path(name).write_text(
        "system: {name: s}\nevaluations:\n"
        "  d: {data: rows.csv, roles: {label: y, prediction: p, id: id}, slices: [group]}\n"
        "requirements:\n" + "".join(f"  - {{id: R{i}, {text}}}\n" for i, text in enumerate(requirements))
    )
    return name


MET = "metric: accuracy, at_least: 0.8"
BREACHED = "metric: accuracy, at_least: 0.97"
OPEN = "metric: accuracy, at_least: 0.89"


def call(*args: str):
    result = CliRunner().invoke(main, args, prog_name="shipworthy")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("requirements", "code", "decision"),
    [
        ([MET], 0, "SHIP"),
        ([MET, BREACHED], 1, "HOLD"),
        ([MET, OPEN], 3, "UNDECIDED"),
        ([OPEN, BREACHED], 1, "HOLD"),
        ([MET, f"{BREACHED}, severity: minor"], 0, "SHIP"),
    ],
)
def test_the_exit_code_says_the_decision(folder, requirements, code, decision):
    result = call("check", plan(*requirements), "--quiet")
    assert result.exit_code == code
    assert result.stdout.startswith(f"{decision}: ")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""


def test_json_goes_to_stdout_and_words_to_stderr(folder):
    result = call("check", plan(MET, OPEN), "--json", "--out", "run")
    assert json.loads(result.stdout) == json.loads(Path("run/results.json").read_text())
    assert "UNDECIDED" in result.stderr
    assert "run/report.html" in result.stderr
    quiet = call("check", plan(MET, OPEN), "--json", "--quiet", "--out", "run")
    assert json.loads(quiet.stdout)["decision"] == "undecided"
    assert quiet.stderr == ""


def test_words_name_the_requirement_its_estimate_and_what_is_needed(folder):
    result = call("check", plan(OPEN), "--out", "run")
    assert "◐ undecided" in result.stdout
    assert "90.0 % (86.7 to 92.6)" in result.stdout
    assert "more cases" in result.stdout


def test_verbose_tells_every_finding(folder):
    plain, verbose = (call("check", plan(MET), "--out", "run", *more).stdout for more in ((), ("--verbose",)))
    assert "every id stands once" in verbose
    assert "every id stands once" not in plain


def test_the_file_that_is_missing_from_a_run_is_named(folder):
    Path("run").mkdir()
    Path("run/manifest.json").write_text('{"schema": "shipworthy/manifest@1", "run": "x", "files": []}')
    result = call("verify", "run")
    assert (result.exit_code, "results.json" in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("check", "none.yaml"), "PLAN001"),
        (("check", "bad.yaml"), "PLAN012"),
        (("check", "lost.yaml"), "DATA001"),
        (("size", "none.yaml"), "PLAN001"),
        (("lock", "none.yaml"), "PLAN001"),
        (("verify", "none"), "RUN002"),
        (("reproduce", "none"), "RUN002"),
        (("compare", "none", "none2"), "RUN002"),
        (("pack", "latest"), "RECORD001"),
        (("init", "none.csv"), "DATA001"),
        (("metrics", "fqr"), "did you mean 'fpr'?"),
        (("chekc",), "Did you mean 'check'?"),
        (("check", "--sed", "1"), "--seed"),
    ],
)
def test_what_cannot_be_used_exits_with_2_and_says_why_on_stderr(folder, args, said):
    Path("bad.yaml").write_text("system: {name: s}\nrequirments: []\n")
    Path("lost.yaml").write_text("system: {name: s}\nevaluations: {d: {data: lost.csv, roles: {prediction: p}}}\n")
    result = call(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_all_faults_of_a_plan_are_told_at_once(folder):
    Path("bad.yaml").write_text("system: {nam: s}\nrequirements:\n  - {id: A, metric: fqr, at_most: 1}\n")
    result = call("check", "bad.yaml")
    assert result.exit_code == 2
    assert "bad.yaml:1:" in result.stderr
    assert "bad.yaml:3:" in result.stderr
    assert "Nothing was written." in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["bad.yaml", "rows.csv"]


def test_a_changed_run_exits_with_4(folder):
    call("check", plan(MET), "--out", "run")
    assert call("verify", "run").exit_code == 0
    assert call("reproduce", "run", "--root", ".").exit_code == 0
    Path("run/memo.md").write_text("ship it")
    changed = call("verify", "run", "--json")
    assert changed.exit_code == 4
    assert json.loads(changed.stdout)["intact"] is False
    Path("rows.csv").write_text(ROWS.replace("\n0,a,0,1", "\n0,a,0,0"))
    again = call("reproduce", "run", "--root", ".", "--json")
    assert again.exit_code == 4
    assert json.loads(again.stdout)["reproduced"] is False


def test_compare_pairs_two_runs(folder):
    for name in ("old", "new"):
        call("check", plan(MET), "--out", name)
    result = call("compare", "old", "new", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["decision"] == "ship"


def test_lock_then_check_says_locked(folder):
    plan(MET)
    digest = json.loads(call("lock", "--json").stdout)["plan_digest"]
    run = json.loads(call("check", "--json", "-q").stdout)
    assert run["plan_digest"] == digest
    assert run["plan_locked_at"] is not None


def test_init_writes_a_plan_that_runs_and_never_overwrites(folder):
    assert call("init", "rows.csv").exit_code == 0
    assert call("size").exit_code == 0
    again = call("init", "rows.csv")
    assert again.exit_code == 2
    assert "CALL004" in again.stderr
    assert call("init", "rows.csv", "--force").exit_code == 0


def test_the_schema_accepts_the_plan_that_ran(folder):
    import jsonschema
    from ruamel.yaml import YAML

    schema = json.loads(call("schema").stdout)
    jsonschema.validate(YAML(typ="safe").load(Path(plan(MET)).read_text()), schema)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_back(shell):
    result = call("completion", shell)
    assert result.exit_code == 0
    assert "_SHIPWORTHY_COMPLETE" in result.stdout


def test_completion_offers_the_commands():
    env = os.environ | {"_SHIPWORTHY_COMPLETE": "bash_complete", "COMP_WORDS": "shipworthy c", "COMP_CWORD": "1"}
    code = "from shipworthy.cli import main; main(prog_name='shipworthy')"
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert {line.split(",")[1] for line in ran.stdout.splitlines()} == {"catalogues", "check", "compare", "completion"}


@pytest.mark.parametrize("args", [("--help",), ("-h",), ("--version",), *((name, "--help") for name in COMMANDS)])
def test_help_loads_no_heavy_module(args):
    code = (
        "import sys\n"
        "from shipworthy.cli import main\n"
        f"try: main({list(args)!r}, prog_name='shipworthy')\n"
        "except SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == "[]"
    assert ran.stdout


def test_every_command_says_what_it_does_in_the_list_and_in_its_own_words():
    listed = call("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in listed
        assert call(name, "--help").stdout.startswith(f"Usage: shipworthy {name}")


def test_many_faults_are_cut_for_people_and_whole_for_machines(folder):
    path = plan(*["metric: acuracy, at_least: 0.8"] * 120)
    told = call("check", path).stderr
    assert told.count("PLAN050") == 50
    assert "… and 70 more faults" in told
    assert "120 faults. Nothing was written." in told
    assert len(json.loads(call("check", path, "--json").stdout)["faults"]) == 120


def test_a_metric_that_ends_the_process_ships_nothing(folder, monkeypatch):
    Path("ending.py").write_text("import sys\ndef mine(label): sys.exit(0)\n")
    monkeypatch.syspath_prepend(folder)
    path = plan(MET)
    Path(path).write_text(Path(path).read_text().replace("slices:", "metrics: [{python: 'ending:mine'}], slices:"))
    result = call("check", path, "--out", "run")
    assert result.exit_code == 2
    assert "CALL006" in result.stderr
    assert "ending.py, line 2" in result.stderr
    assert not Path("run").exists()


def test_a_subject_that_fails_is_placed_in_the_plan(folder):
    path = plan(MET)
    text = Path(path).read_text().replace("roles:", "subject: m, roles:").replace("prediction: p, ", "")
    Path(path).write_text("subjects: {m: {python: 'nowhere:f'}}\n" + text)
    assert f"  where  {path}:1:" in call("check", path).stderr


def test_too_many_levels_are_placed_in_the_plan(folder):
    Path("rows.csv").write_text("id,group,y,p\n" + "".join(f"{i},g{i},1,1\n" for i in range(20_002)))
    told = call("check", plan(MET)).stderr
    assert "DATA015" in told
    assert "  where  shipworthy.yaml:3:" in told


def test_compare_takes_versions_of_a_plan_by_name(folder):
    Path("v.yaml").write_text(
        "system: {name: s}\nsubjects:\n  a: {python: 'asked:first'}\n  b: {python: 'asked:second'}\nevaluations:\n"
        "  d: {data: rows.csv, subject: a, roles: {label: y, id: id}, variants: {other: {subject: b}}}\n"
        "requirements:\n  - {id: A, metric: accuracy, at_least: 0.1}\n"
    )
    Path("asked.py").write_text(
        "def first(rows):\n    return [int(i % 4 > 1) for i in rows['id'].to_pylist()]\n\n\n"
        "def second(rows):\n    return [0] * rows.num_rows\n"
    )
    assert call("check", "v.yaml", "--out", "run", "--quiet").exit_code == 0
    told = json.loads(Path("run/results.json").read_text())["estimates"]
    assert {one["variant"] for one in told} == {None, "other"}
    for old, new, code in (("other", "main", 0), ("other", "a", 0), ("main", "other", 1)):
        found = call("compare", old, new, "--plan", "v.yaml")
        assert found.exit_code == code, found.stdout
        assert "judged by the margin of this call" in found.stdout
    wrong = call("compare", "main", "nix", "--plan", "v.yaml")
    assert wrong.exit_code == 2
    assert "main, other" in wrong.stderr


def test_a_wrong_across_is_located_at_its_requirement(folder):
    done = call("check", plan(MET, f"{MET}, across: nix"))
    assert "requirements[1].across" in done.stderr


def test_lock_refuses_a_condition_that_does_not_parse(folder):
    text = Path(plan(MET)).read_text().replace("slices: [group]", "where: 'y = 1 and ('")
    Path("broken.yaml").write_text(text)
    assert "DATA003" in call("lock", "broken.yaml").stderr
    assert not Path("broken.lock.json").exists()
    Path("latin.csv").write_bytes("y,p,n\n1,1,Größe\n0,0,b\n".encode("latin-1") * 30)
    told = call("init", "latin.csv", "--plan", "new.yaml").stderr
    assert "encoding='latin-1'" in told
    assert "iconv" in told
