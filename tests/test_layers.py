"""The contracts between the rooms (pyproject.toml, importlinter) hold, and can fail."""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "shipworthy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lint(config: Path, **env: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(tool), "--config", str(config), "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=env,
    )


def test_contracts_are_kept():
    ran = lint(ROOT / "pyproject.toml")
    assert ran.returncode == 0, ran.stdout
    assert "0 broken" in ran.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("stats/proportion.py", "import shipworthy.gates", "Imports run one way"),
        ("stats/proportion.py", "import pathlib", "What is computed never reaches"),
        ("stats/proportion.py", "import pandas", "Statistics stand on"),
        ("gates/__init__.py", "import shipworthy.subjects.http", "What is computed never reaches"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(tmp_path, file, line, contract):
    for source in SOURCE.rglob("*.py"):
        copy = tmp_path / "shipworthy" / source.relative_to(SOURCE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(source.read_text())
    with (tmp_path / "shipworthy" / file).open("a") as target:
        target.write(f"\n{line}\n")
    ran = lint(ROOT / "pyproject.toml", PYTHONPATH=str(tmp_path))
    assert ran.returncode == 1, ran.stdout
    assert [told for told in ran.stdout.splitlines() if told.startswith(contract) and told.endswith("BROKEN")]


@pytest.mark.parametrize(("folder", "dev"), [("src", False), ("tests", True)])
def test_every_imported_package_is_declared(folder, dev):
    files = list((ROOT / folder).rglob("*.py"))
    optional = {name: needs for name, needs in PROJECT["optional-dependencies"].items() if dev or name != "dev"}
    declared = {_normal(need) for need in chain(PROJECT["dependencies"], *optional.values())}
    declared |= {"pydantic-core", "tokenizers", "starlette"}  # which pydantic, transformers and fastapi pin themselves
    ours = {path.stem for path in files} | sys.stdlib_module_names | {"shipworthy", "lending", "filling", "tests"}
    distributions = packages_distributions()
    strangers = {
        f"{path.name}: {module}"
        for path in files
        for module in _imported(path) - ours
        if not declared & {_normal(owner) for owner in distributions.get(module, [module])}
    }
    assert not strangers


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


def _normal(requirement: str) -> str:
    name = requirement
    for stop in "[<>=!~; ":
        name = name.partition(stop)[0]
    return name.lower().replace("_", "-")


def test_every_dependency_is_bounded_and_every_lock_is_hashed_and_names_no_host():
    for requirement in PROJECT["dependencies"]:
        assert "<" in requirement, requirement
    for lock in (ROOT / "requirements").glob("*.lock"):
        text = lock.read_text()
        assert "://" not in text
        assert "--index" not in text
        assert "--hash=sha256:" in text
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert pins
        assert all("==" in pin for pin in pins)
