"""A requirement as a test: what passes, what fails and with which words, and that pytest starts as fast as before."""

import subprocess
import sys

import ibis.backends.duckdb  # noqa: F401  (pytester forgets what a run imported, and NumPy cannot be imported twice)
import pytest

import shipworthy.api.frames  # noqa: F401

pytest_plugins = ["pytester"]

ROWS = "group,y,p\n" + "a,0,0\n" * 900 + "a,0,1\n" * 100 + "b,0,0\n" * 500 + "b,0,1\n" * 500
PLAN = """
system: {name: lender}
evaluations:
  decisions: {data: rows.csv, roles: {label: y, prediction: p}, slices: [group]}
requirements:
  - {id: GAP, text: False alarms are alike., metric: fpr, across: group, compare: difference, at_most: 0.1}
  - {id: ALL, metric: fpr, at_most: 0.5}
  - {id: OPEN, metric: fpr, at_most: 0.31}
  - {id: MINOR, metric: fpr, at_most: 0.1, severity: minor}
"""
CLAIM = """
    import pytest
    @pytest.mark.parametrize("bound", [0.5, 0.31, 0.1])
    def test_claim(shipworthy, bound):
        rows = {"y": [0] * 1000 + [1] * 50, "p": [0] * 700 + [1] * 350}
        seen = shipworthy.evaluate(rows, label="y", prediction="p")
        verdict = seen.require("fpr", at_most=bound)
        assert verdict.outcome == "met"
"""


@pytest.fixture
def plan(pytester):
    pytester.path.joinpath("rows.csv").write_text(ROWS)
    path = pytester.path / "shipworthy.yaml"
    path.write_text(PLAN)
    return path


def test_each_requirement_is_a_test_with_its_words(pytester, plan):
    ran = pytester.runpytest("-p", "no:cacheprovider", "-rA", plan)
    ran.assert_outcomes(passed=1, failed=2, skipped=1)
    text = ran.stdout.str()
    assert "breached: GAP: False alarms are alike." in text
    assert "difference between any two of group: at most 10 points" in text
    assert "+40.0 points" in text
    assert "undecided: OPEN" in text
    assert "more cases" in text
    assert "minor, breached: MINOR" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(("choice", "outcome"), [("skip", {"skipped": 2}), ("xfail", {"xfailed": 1, "skipped": 1})])
def test_undecided_can_skip_or_xfail(pytester, plan, choice, outcome):
    ran = pytester.runpytest("-p", "no:cacheprovider", f"--shipworthy-undecided={choice}", plan)
    ran.assert_outcomes(passed=1, failed=1, **outcome)


def test_the_ini_file_names_plans_and_the_choice(pytester, plan):
    folder = pytester.mkdir("tests")
    folder.joinpath("test_own.py").write_text("def test_own(): pass\n")
    pytester.makeini("[pytest]\ntestpaths = tests\nshipworthy_plans = shipworthy.yaml\nshipworthy_undecided = skip\n")
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=2, failed=1, skipped=2)
    pytester.runpytest("-p", "no:cacheprovider", "tests").assert_outcomes(passed=1)


def test_a_plan_in_a_test_folder_is_collected_only_when_named(pytester, plan):
    pytester.makepyfile("def test_own(): pass")
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)
    pytester.makeini("[pytest]\nshipworthy_plans = shipworthy.yaml\n")
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=2, failed=2, skipped=1)


def test_other_yaml_is_left_to_others(pytester):
    path = pytester.path / "other.yaml"
    path.write_text("stages: [1]\n")
    assert pytester.runpytest("-p", "no:cacheprovider", path).ret == pytest.ExitCode.USAGE_ERROR


def test_faults_of_a_plan_are_a_collection_error(pytester, plan):
    plan.write_text(PLAN.replace("at_most: 0.5", "at_mots: 0.5").replace("across: group", "acros: group"))
    ran = pytester.runpytest("-p", "no:cacheprovider", plan)
    ran.assert_outcomes(errors=1)
    assert "at_mots" in ran.stdout.str()
    assert "acros" in ran.stdout.str()


def test_data_that_cannot_be_used_fail_every_test_without_a_traceback(pytester, plan):
    pytester.path.joinpath("rows.csv").unlink()
    ran = pytester.runpytest("-p", "no:cacheprovider", plan)
    ran.assert_outcomes(failed=4)
    assert "DATA001" in ran.stdout.str()
    assert "Traceback" not in ran.stdout.str()


def test_an_empty_plan_validates_input(pytester, plan):
    plan.write_text("system: {name: lender}\nevaluations: {d: {data: rows.csv, roles: {label: y, prediction: p}}}\n")
    ran = pytester.runpytest("-p", "no:cacheprovider", plan)
    ran.assert_outcomes(errors=1)
    assert "requires nothing" in ran.stdout.str()


def test_the_fixture_fails_with_the_sentence(pytester):
    pytester.makepyfile(CLAIM)
    ran = pytester.runpytest("-p", "no:cacheprovider", "-W", "error")
    ran.assert_outcomes(passed=1, failed=2)
    text = ran.stdout.str()
    assert "breached: claim: False positive rate: at most 10 %" in text
    assert "30.0 % (27.2 to 32.9), n = 1,000" in text
    assert "seen.require(" in text, "the line that asked is shown"
    assert "pytest_plugin.py" not in text, "and not the lines of the plugin"
    pytester.runpytest("-p", "no:cacheprovider", "--shipworthy-undecided=skip").assert_outcomes(
        passed=1, failed=1, skipped=1
    )


def test_a_table_that_cannot_be_used_says_why(pytester):
    pytester.makepyfile("def test_it(shipworthy): shipworthy.evaluate({'y': [0, 1]}, label='z', prediction='y')")
    ran = pytester.runpytest("-p", "no:cacheprovider")
    ran.assert_outcomes(failed=1)
    assert "DATA002" in ran.stdout.str()
    assert "frames.py" not in ran.stdout.str()


def test_a_wrong_choice_validates_input(pytester):
    pytester.makeini("[pytest]\nshipworthy_undecided = maybe\n")
    assert pytester.runpytest("-p", "no:cacheprovider").ret == pytest.ExitCode.USAGE_ERROR


def test_the_plugin_costs_pytest_nothing():
    code = (
        "import sys, shipworthy.pytest_plugin\n"
        "heavy = {'numpy', 'pyarrow', 'duckdb', 'ibis', 'pydantic', 'scipy', 'rich', 'pandas'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
