"""Catalogues as plans, the Python API and the command line meet them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.api import cataloguing
from shipworthy.catalogues.catalogue import EDITIONS
from shipworthy.cli import main
from shipworthy.errors import PlanError
from shipworthy.plan.loading import load_plan

PLAN = """\
system: {name: s}
evaluations:
  d: {data: x.csv, slices: [sex]}
requirements:
  - {id: A, metric: tpr, at_least: 0.8, controls: [CONTROLS]}
"""


def load(folder: Path, controls: str) -> list[tuple[str, str, str, str]]:
    path = folder / "plan.yaml"
    path.write_text(PLAN.replace("CONTROLS", controls))
    try:
        load_plan(path)
    except PlanError as error:
        return [(fault.code, fault.where.removeprefix(f"{folder}/"), fault.what, fault.mend) for fault in error.faults]
    return []


def test_a_plan_may_name_known_controls_and_its_own(tmp_path: Path) -> None:
    assert load(tmp_path, '"nist-ai-rmf@1.0:MEASURE-2.11", "eu-ai-act@2024/1689:art-15.1", "x-acme@2026:DATA-3"') == []


@pytest.mark.parametrize(
    ("control", "code", "mend"),
    [
        ("nist-ai-rmf@1.0:MEASURE-2.14", "PLAN085", "MEASURE-2.1"),
        ("nist-ai-rmf@2.0:MEASURE-2.11", "PLAN085", "editions: 1.0"),
        ("acme@1:DATA-3", "PLAN085", "starts with x-"),
        ("atlas@2026.09:AML.T0058", "PLAN085", "atlas@2026.09:AML.T0115.001"),
        ("LLM03", "PLAN030", "owasp-llm@2025:LLM03 (Supply Chain); owasp-llm@2026:LLM03 (Excessive Agency)"),
        ("MEASURE-2.11", "PLAN030", "nist-ai-rmf@1.0:MEASURE-2.11"),
        ("nist-ai-rmf:MEASURE-2.11", "PLAN030", "framework@edition:id"),
    ],
)
def test_an_unknown_control_is_a_located_fault(tmp_path: Path, control: str, code: str, mend: str) -> None:
    ((found, where, what, how),) = load(tmp_path, f'"nist-ai-rmf@1.0:MAP-1.1", "{control}"')
    assert found == code
    assert where == "plan.yaml:5:79  requirements[0].controls[1]"
    assert what.startswith(f'requirement "A" names the control "{control}"')
    assert mend in how


def test_a_control_is_checked_where_a_pack_names_it(tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text(
        'requirements:\n  - {id: P, metric: tpr, at_least: 0.1, controls: ["atlas@2026.09:AML.T0019"]}\n'
    )
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace("CONTROLS", "").replace("requirements:", "extends: [pack.yaml]\nrequirements:"))
    with pytest.raises(PlanError) as caught:
        load_plan(path)
    (fault,) = caught.value.faults
    assert fault.code == "PLAN085"
    assert "pack.yaml:2:52" in fault.where


def test_a_flood_of_controls_is_one_fault(tmp_path: Path) -> None:
    flood = ", ".join(f'"nist-ai-rmf@1.0:{n}"' for n in range(50_000))
    ((code, _, what, _),) = load(tmp_path, flood)
    assert code == "PLAN085"
    assert "50,000 controls" in what


def test_facts_are_json_and_complete() -> None:
    listed = cataloguing.frameworks()
    assert [each["name"] for each in listed] == list(EDITIONS)
    for each in listed:
        one = cataloguing.controls_of(each["name"])
        assert {key: one[key] for key in each} == each
        assert len(one["controls"]) == sum(each["counts"].values())
        json.dumps(one, allow_nan=False)
    assert [each["from"] for each in cataloguing.explain("art-50.2")["applies_from"]] == ["2026-08-02", "2026-12-02"]


def call(*args: str):
    result = CliRunner().invoke(main, ["catalogues", *args], prog_name="shipworthy")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_lists_frameworks_with_source_counts_and_dates() -> None:
    said = call().stdout
    assert all(f"\n{name} " in f"\n{said}" for name in EDITIONS)
    assert "4 functions, 19 categories, 72 subcategories" in said
    assert "from 2027-12-02 (was 2026-08-02): systems of Annex III" in said
    assert max(map(len, said.splitlines())) <= 100
    assert json.loads(call("--json").stdout) == cataloguing.frameworks()


def test_the_command_lists_one_catalogue() -> None:
    said = call("nist-ai-rmf@1.0").stdout
    assert sum(line.startswith(("GOVERN-", "MAP-", "MEASURE-", "MANAGE-")) for line in said.splitlines()) == 72 + 19
    assert call("nist-ai-rmf").stdout == said
    assert "AML.T0104      retired in 2026.07: now AML.T0115.002" in call("atlas@2026.09").stdout
    assert json.loads(call("owasp-llm@2026", "--json").stdout)["counts"] == {"risk": 10}


def test_the_command_tells_about_one_control() -> None:
    said = call("owasp-llm@2025:LLM07").stdout
    assert "  widened into  owasp-llm@2026:LLM08 Hidden Context Exposure\n" in said
    assert "Robustness and security" in said
    assert "read in a primary source [S]" in said
    assert json.loads(call("owasp-llm@2025:LLM07", "--json").stdout) == cataloguing.explain("owasp-llm@2025:LLM07")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("LLM03", "CATALOGUE004"),
        ("owasp-llm", "CATALOGUE002"),
        ("a@b", "CATALOGUE002"),
        ("a@b:c", "CATALOGUE002"),
        ("zz", "CATALOGUE001"),
        ("\x1b[31m", "CATALOGUE001"),
    ],
)
def test_the_command_refuses_what_it_does_not_know(name: str, code: str) -> None:
    result = call(name)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(code)
    assert "\x1b" not in result.stderr
    assert json.loads(call(name, "--json").stdout)["faults"][0]["code"] == code
