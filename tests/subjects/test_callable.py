import sys

import pyarrow as pa
import pytest

from shipworthy.api.checking import check
from shipworthy.errors import SubjectError
from shipworthy.testing import check_subject


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def module(tmp_path):
    def write(code: str, name: str = "scoring"):
        (tmp_path / f"{name}.py").write_text(code)
        return f"{name}:predict"

    return write


ANSWERS = {
    "arrow": "import pyarrow.compute as pc\ndef predict(t): return pc.greater(t['debt'], 0.5)",
    "table": "import pyarrow as pa, pyarrow.compute as pc\n"
    "def predict(t): return pa.table({'prediction': pc.greater(t['debt'], 0.5)})",
    "batch": "import pyarrow as pa, pyarrow.compute as pc\n"
    "def predict(t): return pa.record_batch({'prediction': pc.greater(t['debt'], 0.5).combine_chunks()})",
    "list": "def predict(t): return [d > 0.5 for d in t['debt'].to_pylist()]",
    "dict": "def predict(t): return {'prediction': [d > 0.5 for d in t['debt'].to_pylist()]}",
    "numpy": "def predict(t): return t['debt'].to_numpy() > 0.5",
    "column": "def predict(t): return (t['debt'].to_numpy() > 0.5).reshape(-1, 1)",
    "pandas series": "import pandas as pd\ndef predict(t: pd.DataFrame): return t['debt'] > 0.5",
    "pandas named": "def predict(t: 'pandas.DataFrame'): return t['debt'] > 0.5",
    "pandas frame": "import pandas as pd\ndef predict(t: pd.DataFrame):\n"
    "    return (t[['debt']] > 0.5).rename(columns={'debt': 'prediction'}).set_index(t['region'])",
    "polars series": "import polars as pl\ndef predict(t: pl.DataFrame): return t['debt'] > 0.5",
    "polars frame": "import polars as pl\ndef predict(t: pl.DataFrame) -> pl.DataFrame:\n"
    "    return t.select((pl.col('debt') > 0.5).alias('prediction'))",
    "postponed": "from __future__ import annotations\nimport polars as pl\n"
    "def predict(t: pl.DataFrame): return t.select(prediction=pl.col('debt') > 0.5)",
}


@pytest.mark.parametrize("code", ANSWERS.values(), ids=ANSWERS)
def test_every_shape_of_answer_is_one_table(code, module, load, rows):
    predicted = load(python=module(code)).predict(rows)
    assert predicted.column_names == ["prediction"]
    assert predicted["prediction"].to_pylist() == [debt > 0.5 for debt in rows["debt"].to_pylist()]


def test_scores_of_classes_and_nulls_come_through(module, load, rows):
    code = """
def predict(t):
    n = len(t)
    return {"prediction": ["a"] * n, "score[a]": [1] * n, "score[b, c]": [None] + [0.25] * (n - 1)}
"""
    predicted = load(python=module(code)).predict(rows)
    assert predicted.column_names == ["prediction", "score[a]", "score[b, c]"]
    assert predicted.schema.field("score[a]").type == pa.float64()
    assert predicted["score[b, c]"].null_count == 1


def test_batches_features_and_helper_modules(module, load, rows, tmp_path):
    (tmp_path / "helper_of_scoring.py").write_text("SEEN = []")
    target = module("import helper_of_scoring as h\ndef predict(t):\n    h.SEEN.append(t)\n    return t['debt']")
    load(python=target, features=("debt", "income"), batch=25).predict(rows)
    seen = sys.modules.pop("helper_of_scoring").SEEN
    assert [part.num_rows for part in seen] == [25, 25, 10]
    assert seen[0].column_names == ["debt", "income"]


def test_what_runs_is_what_the_digest_names(module, load, rows):
    one = load(python=module("def predict(t): return [1] * len(t)"))
    two = load(python=module("def predict(t): return [2] * len(t)"))
    assert (one.predict(rows)["prediction"][0].as_py(), two.predict(rows)["prediction"][0].as_py()) == (1, 2)
    assert one.describe()["digest"] != two.describe()["digest"]
    assert one.describe()["target"] == "scoring:predict"


def test_an_installed_function_and_a_method(load, module, rows):
    target = module("class Model:\n    @staticmethod\n    def predict(t): return t['debt']\n").replace(":", ":Model.")
    assert load(python=target).predict(rows).num_rows == 60
    assert load(python="builtins:len").describe()["kind"] == "python"


def test_own_output_goes_to_stderr(module, load, rows, capsys):
    load(python=module("print('hello')\ndef predict(t):\n    print('there')\n    return t['debt']")).predict(rows)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\nthere\n"


def test_conformance(module, load, rows):
    check_subject(load(python=module(ANSWERS["numpy"])), rows)


LOADING = {
    "no function": ("def other(t): ...", "scoring:predict", "SUBJ001", "it has: other"),
    "no callable": ("predict = 3", "scoring:predict", "SUBJ001", "it has: none"),
    "no module": ("", "scorring:predict", "SUBJ001", "beside the plan"),
    "no dotted module": ("", "scorring.inner:predict", "SUBJ001", "beside the plan"),
    "no colon": ("", "scoring.predict", "SUBJ001", "module:function"),
    "empty": ("", ":", "SUBJ001", "module:function"),
    "syntax": ("def predict(:", "scoring:predict", "SUBJ002", "SyntaxError"),
    "raises": ("1 / 0", "scoring:predict", "SUBJ002", "scoring.py, line 1"),
    "exits": ("raise SystemExit(3)", "scoring:predict", "SUBJ002", "SystemExit"),
    "lacks a package": ("import nowhere_to_be_found", "scoring:predict", "SUBJ002", "nowhere_to_be_found"),
}


@pytest.mark.parametrize(("code", "target", "expected", "told"), LOADING.values(), ids=LOADING)
def test_loading_validates_input(code, target, expected, told, module, load):
    module(code)
    with pytest.raises(SubjectError) as caught:
        load(python=target)
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == (expected, "subjects.scorer")
    assert told in str(fault)
    assert fault.mend


def test_a_namesake_of_a_package_beside_the_plan_validates_input(tmp_path, load):
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "decoder.py").write_text("def predict(t): ...")
    with pytest.raises(SubjectError) as caught:
        load(python="json.decoder:predict")
    assert "was imported first" in str(caught.value)


ANSWERING = {
    "raises": ("    raise ValueError('boom')", "SUBJ006", "ValueError: boom (scoring.py, line 2)"),
    "exits": ("    raise SystemExit('bye')", "SUBJ006", "SystemExit"),
    "too short": ("    return [1]", "SUBJ007", "60 rows and answered 1"),
    "nothing": ("    return None", "SUBJ008", "NoneType"),
    "a number": ("    return 1", "SUBJ008", "int"),
    "text": ("    return 'x' * len(t)", "SUBJ008", "str"),
    "a matrix": ("    import numpy as np; return np.ones((len(t), 2))", "SUBJ008", "ndarray"),
    "mixed types": ("    return [1, 'a'] * 30", "SUBJ008", "list"),
    "unknown column": ("    return {'predictions': [1] * len(t)}", "SUBJ008", '"predictions"'),
    "no columns": ("    return {}", "SUBJ008", "no columns"),
    "ragged": ("    return {'prediction': [1] * 60, 'score': [1.0]}", "SUBJ007", '"prediction" 60, "score" 1'),
    "text scores": ("    return {'score': ['a'] * len(t)}", "SUBJ008", "not numbers"),
    "nested": ("    return [[1]] * len(t)", "SUBJ008", "list<"),
    "NaN": (
        "    return [float('nan')] * 2 + [None] + [1.0] * 57",
        "SUBJ009",
        "2 NaN, 0 infinite and 1 null values among 60",
    ),
    "infinite": ("    return {'score': [float('-inf')] + [1.0] * 59}", "SUBJ009", "0 NaN, 1 infinite"),
    "unstable types": (
        "    return ['a'] * len(t) if t['debt'][0].as_py() > 0.5 else [1] * len(t)",
        "SUBJ008",
        "batches",
    ),
}


@pytest.mark.parametrize(("body", "expected", "told"), ANSWERING.values(), ids=ANSWERING)
def test_answers_validate(body, expected, told, module, load, rows):
    subject = load(
        python=module(f"def predict(t):\n{body}\n"), batch=1 if expected == "SUBJ008" and told == "batches" else 100
    )
    with pytest.raises(SubjectError) as caught:
        subject.predict(rows)
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == (expected, "subjects.scorer")
    assert told in fault.what
    assert fault.mend


def test_an_async_function_validates_input(module, load, rows):
    with pytest.raises(SubjectError, match="async"):
        load(python=module("async def predict(t): return t")).predict(rows)


def test_features_validate_input(module, load, rows):
    with pytest.raises(SubjectError, match="SUBJ005") as caught:
        load(python=module("def predict(t): return t['debt']"), features=("debt", "wealth")).predict(rows)
    assert '"wealth"' in str(caught.value)


def test_a_message_is_bounded_printable_and_without_secrets(module, load, rows):
    code = r"""
def predict(t):
    secrets = "api_key=abc123 Authorization: Bearer s3cr3t postgres://me:hunter2@db/x "
    raise RuntimeError("\x1b[31mred\n" + secrets + "y" * 9000)
"""
    with pytest.raises(SubjectError) as caught:
        load(python=module(code)).predict(rows)
    (fault,) = caught.value.faults
    assert len(fault.what) < 500
    assert fault.what.isprintable()
    for secret in ("abc123", "s3cr3t", "hunter2"):
        assert secret not in str(fault)


def test_a_call_that_does_not_come_back_is_a_located_timeout(module, load, rows, tmp_path):
    code = f"import time\ndef predict(t): time.sleep(60); open({str(tmp_path / 'back')!r}, 'w').close()"
    slow = load(python=module(code), timeout=0.1)
    with pytest.raises(SubjectError) as caught:
        slow.predict(rows)
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == ("SUBJ010", "subjects.scorer")
    assert "scoring:predict gave no answer within 0.1 s for 60 rows" in fault.what
    assert not (tmp_path / "back").exists(), "nobody waited for it"


def test_a_timeout_of_its_own_is_not_taken_for_ours(module, load, rows):
    own = load(python=module("def predict(t): raise TimeoutError('of the database')"))
    with pytest.raises(SubjectError, match=r"SUBJ006.*of the database"):
        own.predict(rows)


def test_calls_share_a_thread_so_that_connections_can_be_kept(module, load, rows):
    code = """
import sqlite3
kept = []
def predict(t):
    kept or kept.append(sqlite3.connect(":memory:"))
    return [kept[0].execute("select 1").fetchone()[0]] * len(t)
"""
    assert load(python=module(code), batch=7).predict(rows)["prediction"].to_pylist() == [1] * 60


def test_nobody_predicts_from_the_outcome_however_the_plan_writes_it(tmp_path):
    (tmp_path / "peeking.py").write_text(
        "from pathlib import Path\ndef predict(table):\n"
        "    Path(__file__).with_name('seen').write_text(' '.join(table.column_names))\n    return [True] * len(table)\n"
    )
    (tmp_path / "d.csv").write_text("class,debt,weight kg\n" + "good,1,2\nbad,2,3\n" * 30)
    (tmp_path / "shipworthy.yaml").write_text(
        'system: {name: s, version: "1"}\nsubjects:\n  m: {python: "peeking:predict"}\nevaluations:\n  d:\n    data: d.csv\n'
        '    subject: m\n    roles: {label: "\\"class\\" = \'good\'", weight: \'"weight kg" / 2\'}\n'
        "    metrics: [accuracy]\nrequirements:\n  - {id: A, metric: accuracy, at_least: 0.1}\n"
    )
    check(tmp_path / "shipworthy.yaml", write=False)
    assert (tmp_path / "seen").read_text() == "debt"
