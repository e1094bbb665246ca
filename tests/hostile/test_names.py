from __future__ import annotations

import csv
import html
import io
import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from workshop import Workshop, claim


def table(header: list[str], levels: tuple[str, str] = ("f", "m"), n: int = 60) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    for i in range(n):
        writer.writerow([i % 2, i // 2 % 2, i % 10 / 10, levels[i // 3 % 2]])
    return buffer.getvalue()


STRANGE = [
    "😀 smile", "مرحبا", "a\u202ecd", "a\u200bb", "a\x07b", 'we"ird', "o'neil", "a.b.c", "100%", "two\nlines", "`x`", "[x]{y}",
    "a\\b", "a;b", "$1", "a@b", "a:b", "x--y", "/*x*/", "<script>alert(1)</script>", "\x1b[31mred", "=1+1", "é", "e\u0301", "c" * 500,
]  # fmt: skip
RESERVED = [
    "case", "variant", "trial", "cluster", "at", "weight", "status", "error", "label", "prediction", "score", "slice.sex",
    "prediction@x", "scores.a", "bin", "n", "rows", "r0", "s0", "m0_0", "c0", "level", "key", "k0", "a", "b", "name", "value", "query",
    "group", "select", "rowid", "positives", "total", "case_key", "__index__",
]  # fmt: skip


@pytest.mark.parametrize("name", STRANGE + RESERVED)
def test_a_column_may_be_called_anything(workshop: Workshop, name: str) -> None:
    workshop.write("rows.csv", table(["y", "p", "s", name]))
    bins = {"q": {"column": "s", "quantiles": 3}}
    outcome = workshop.run(slices=[name, bins], metrics=["accuracy", "auc"], requirements=claim(name)).sound()
    assert outcome.code == 3, outcome.result.stderr
    assert {level for estimate in outcome.results["estimates"] for level in estimate["slice"]} == {name, "q"}


@pytest.mark.parametrize("name", RESERVED)
def test_a_role_may_be_played_by_a_column_with_a_reserved_name(workshop: Workshop, name: str) -> None:
    workshop.write("rows.csv", table([name, "p", "s", "sex"]))
    roles = {"label": name, "prediction": "p", "score": "s", "cluster": "s", "weight": "s"}
    workshop.run(roles=roles, metrics=["accuracy"]).sound()


def test_a_run_with_strange_names_opens_again(workshop: Workshop) -> None:
    from click.testing import CliRunner

    from shipworthy.cli import main

    strange = 'o\'neil "😀" \\ مرحبا'
    workshop.write("rows.csv", table(["y", "p", "s", strange]))
    assert workshop.run(slices=[strange], requirements=claim(strange)).sound().code == 3
    for command in (["reproduce", str(workshop.out)], ["verify", str(workshop.out)]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.stdout + result.stderr


MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ESCAPES = "\x1b]0;owned\x07\x1b[31m\u202eevil\x9b31m"
HOSTILE = MARKUP + ESCAPES + " ](javascript:alert(3)) | ```` =cmd() ]]> &"


@pytest.fixture
def hostile_run(workshop: Workshop) -> tuple[Workshop, str]:
    column, level = "col " + HOSTILE, "level " + HOSTILE
    workshop.write("rows.csv", table(["y", "p", "s", column], (level, "m")))
    outcome = workshop.run(
        slices=[column],
        requirements=[*claim(column, text="text " + HOSTILE)],
        top={"system": {"name": "sys " + HOSTILE, "version": "1 " + MARKUP, "purpose": HOSTILE, "owner": HOSTILE}},
    ).sound()
    return workshop, outcome.result.stdout + outcome.result.stderr


def test_markup_from_plan_and_data_is_inert(hostile_run: tuple[Workshop, str]) -> None:
    folder = hostile_run[0].out
    page = (folder / "report.html").read_text("utf-8")
    assert html.escape("<script>alert(1)</script>", quote=False) in page.replace("&#34;", '"')
    texts = [(folder / name).read_text("utf-8") for name in ("model_card.md", "memo.md", "datasheet.md", "summary.md")]
    texts = [text.split("\n---\n", 1)[-1] for text in texts]  # what a page shows, without the metadata above it
    for text in [page, *texts]:
        assert "<script>alert(1)" not in text
        assert "<img src=x" not in text
    assert not [text for text in texts if re.search(r"(?<!\\)\]\(javascript:", text)]
    suite = ET.fromstring((folder / "junit.xml").read_text("utf-8"))
    assert not [element for element in suite.iter() if element.tag in ("script", "img")]
    json.loads((folder / "report.sarif").read_text("utf-8"))


def test_escapes_never_reach_terminal_or_documents(hostile_run: tuple[Workshop, str]) -> None:
    workshop, told = hostile_run
    names = ("report.html", "model_card.md", "memo.md", "datasheet.md", "summary.md", "junit.xml", "report.sarif")
    for text in [told, *((workshop.out / name).read_text("utf-8") for name in names)]:
        assert not set("\x1b\x9b\x07\u202e") & set(text)


def test_escapes_in_an_error_never_reach_the_terminal(workshop: Workshop) -> None:
    outcome = workshop.run(slices=["no \x1b[31m\u202esuch"], requirements=[])
    assert outcome.code == 2
    assert not set("\x1b\u202e") & set(outcome.result.stderr)


def evaluate(frame: Any, **settings: Any) -> Any:
    import shipworthy as sw

    return sw.evaluate(frame, **settings)


def test_the_python_face_refuses_the_same_validates_input() -> None:
    from shipworthy.errors import Unusable

    sound = {"y": [0, 1] * 30, "p": [1, 0] * 30, "sex": ["f", "m"] * 30}
    roles: dict[str, Any] = {"label": "y", "prediction": "p"}
    spoilt: list[tuple[Any, dict[str, Any]]] = [
        (None, roles), (3, roles), ("rows.csv", roles), ([1, 2], roles), ({}, roles), ({"y": [1], "p": [1, 2]}, roles),
        ({"y": [], "p": []}, roles), (sound, {}), (sound, {"label": "z"}), (sound, {"label": 3}), (sound, roles | {"slices": 3}),
        (sound, roles | {"slices": ["sxe"]}), (sound, roles | {"metrics": ["acuracy"]}), (sound, roles | {"task": "other"}),
        (sound, roles | {"unknown": 1}), (sound, roles | {"where": "y = 7"}), (sound, roles | {"score": "sex", "metrics": ["auc"]}),
        ({"y": [None] * 9, "p": [1] * 9}, roles), ({"y": [object()] * 9, "p": [1] * 9}, roles), (sound, roles | {"slices": [[]]}),
        (sound, roles | {"slices": [{"old": "read_text('/etc/passwd') is null"}]}), (sound, roles | {"minimum_group": 0}),
    ]  # fmt: skip
    for frame, settings in spoilt:
        with pytest.raises(Unusable) as caught:
            evaluate(frame, **settings)
        assert all(fault.code and fault.what and fault.mend for fault in caught.value.faults), (frame, settings)
