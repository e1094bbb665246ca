from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop

SMUGGLED = [
    "y = 1; DROP TABLE x",
    "y in (select 1)",
    "read_text('/etc/passwd') is not null",
    "exists(select * from read_text('/etc/passwd'))",
    "COPY x TO '{target}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "ATTACH '{target}'",
    "PRAGMA database_list",
    "1 = 1 union select 1",
    "system('id') = 'x'",
    "getenv('HOME') = 'x'",
    "count(*) > 1",
    "row_number() over () = 1",
    "list_filter([1], x -> x) is null",
    "sex ~ '(a+)+$'",
    "? = 1",
    "$x = 1",
    "*",
    "",
    "   ",
    "y in ()",
    "y between 1",
    "y is 'a'",
    "(" * 3_000 + "y = 1" + ")" * 3_000,
    "not " * 900 + "y = 1",
    "y" + " + 1" * 900 + " = 1",
]


@pytest.mark.parametrize("text", SMUGGLED)
@pytest.mark.parametrize("place", ["where", "slice", "label", "bins"])
def test_nothing_is_smuggled_into_an_expression(workshop: Workshop, text: str, place: str) -> None:
    text = text.format(target=workshop.folder / "stolen") if "{" in text else text
    changes: dict[str, dict[str, Any]] = {
        "where": {"where": text},
        "slice": {"slices": [{"mine": text}]},
        "label": {"roles": {"label": text, "prediction": "p"}},
        "bins": {"slices": [{"mine": {"column": text, "edges": [1]}}]},
    }
    outcome = workshop.run(**changes[place], requirements=[]).sound()
    assert outcome.code == 2, outcome.result.stdout
    assert set(outcome.codes) <= {"DATA002", "DATA003", "PLAN015", "PLAN033"}, outcome.result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "y = 1 -- and p = 0",
        "y = 1 /* x */ and 1 = 1",
        '"y" = 1',
        "sex like '%%%%%%%%%%'",
        "s < 1e999",
        "y in (" + "1, " * 800 + "0)",
    ],
)
def test_odd_but_honest_conditions_hold(workshop: Workshop, text: str) -> None:
    assert workshop.run(where=text).sound().code in (0, 3)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT 1; DROP TABLE x", "DATA004"),
        ("FROM 'rows.csv'; COPY (SELECT 1) TO '{target}'", "DATA004"),
        ("WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a", "DATA004"),
        ("SELECT * FROM (COPY (SELECT 1) TO '{target}')", "DATA004"),
        ("SELECT FROM WHERE", "DATA004"),
        ("SELECT " + "(" * 2_000 + "1" + ")" * 2_000, "DATA004"),
        ("SELECT 1) ; COPY (SELECT 1) TO '{target}'; CREATE VIEW z AS (SELECT 1", "DATA004"),
        ("COPY (SELECT 1) TO '{target}'", "DATA001"),
        ("ATTACH '{target}'", "DATA001"),
        ("INSTALL httpfs", "DATA001"),
        ("SELECT * FROM 'none.csv'", "DATA001"),
        ("SELECT nothing FROM 'rows.csv'", "DATA001"),
        ("SELECT y, p, s, cast(sex AS int) AS sex FROM 'rows.csv'", "DATA001"),
    ],
)
def test_data_is_one_select_and_no_more(workshop: Workshop, query: str, code: str) -> None:
    target = workshop.folder / "stolen"
    workshop.run(data=query.replace("{target}", str(target))).refused(code)
    assert not target.exists()


@pytest.mark.parametrize(
    "query",
    ["SELECT * FROM 'rows.csv'", "(SELECT * FROM 'rows.csv')", "FROM 'rows.csv' -- all", "SELECT * FROM 'rows.csv';"],
)
def test_a_select_is_read(workshop: Workshop, query: str) -> None:
    assert workshop.run(data=query).sound().results["inputs"][0]["rows"] == 120


CRASHES = {
    "raises": ("def f(t): raise ValueError('boom\\n<script>')", "SUBJ006"),
    "leaves": ("import sys\ndef f(t): sys.exit(0)", "SUBJ006"),
    "never ends": ("def f(t): return f(t)", "SUBJ006"),
    "answers too little": ("def f(t): return [1]", "SUBJ007"),
    "answers nothing": ("def f(t): return []", "SUBJ007"),
    "returns None": ("def f(t): return None", "SUBJ008"),
    "answers NaN": ("def f(t): return [float('nan')] * len(t)", "SUBJ009"),
    "is not Python": ("def f(t) return", "SUBJ002"),
    "leaves on import": ("raise SystemExit(0)", "SUBJ002"),
    "has no such function": ("x = 1", "SUBJ001"),
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_subject_that_fails_validates_input(workshop: Workshop, name: str) -> None:
    source, code = CRASHES[name]
    module = f"hostile_{abs(hash(name))}"
    workshop.write(f"{module}.py", source)
    outcome = workshop.run(
        subject="m", roles={"label": "y"}, requirements=[], top={"subjects": {"m": {"python": f"{module}:f"}}}
    )
    outcome.refused(code)


def test_plan_files_that_are_none_validates_input(workshop: Workshop) -> None:
    from click.testing import CliRunner

    from shipworthy.cli import main

    for path in (workshop.folder, workshop.folder / "none.yaml", Path("/dev/zero"), Path("/dev/null")):
        result = CliRunner().invoke(main, ["check", str(path), "--out", str(workshop.out)])
        assert result.exit_code == 2, result.stdout
        assert result.stderr.startswith("PLAN00")
