from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from shipworthy.api import reproducing
from shipworthy.api.checking import check
from shipworthy.api.packing import pack
from shipworthy.api.reproducing import reproduce
from shipworthy.cli import main

PLAN = """\
system: {name: loans, version: "1"}
evaluations:
  loans: {data: loans.csv, roles: {label: repaid, prediction: approved}}
requirements:
  - {id: ACC-1, metric: accuracy, at_least: 0.5}
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "loans.csv").write_text("repaid,approved\n" + "1,1\n0,0\n1,0\n0,0\n" * 50)
    (tmp_path / "plan.yaml").write_text(PLAN)
    check(tmp_path / "plan.yaml", out=tmp_path / "run")
    return tmp_path / "run"


def test_packages_of_other_versions_are_told(run, monkeypatch):
    found = reproduce(run)
    assert found.reproduced
    assert found.other_versions == ()
    assert {"python", "numpy"} <= {one.what for one in found.versions}
    here = reproducing.environment()
    monkeypatch.setattr(reproducing, "environment", lambda: {**here, "numpy": "0.1"})
    (other,) = reproduce(run).other_versions
    assert (other.what, other.recorded, other.found) == ("numpy", here["numpy"], "0.1")
    package = pack(run, audience="personal").path
    assert [one.what.rpartition(": ")[2] for one in reproduce(package).other_versions] == ["numpy"]

    def said(*more):
        done = CliRunner().invoke(main, ["reproduce", str(run), *more])
        assert done.exit_code == 0
        return done

    note = f"Computed with numpy {here['numpy']}, here 0.1"
    assert said().stderr.count("Computed with") == 1
    assert note in said().stderr
    assert said().stdout.startswith("Reproduced: ")
    assert f"Computed with python {here['python']}, the same here" in said("-v").stderr
    versions = {one["what"]: one for one in json.loads(said("--json").stdout)["versions"]}
    assert versions["numpy"] == {"what": "numpy", "recorded": here["numpy"], "found": "0.1"}
