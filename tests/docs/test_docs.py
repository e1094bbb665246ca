"""The documentation runs, is complete and is current."""

import os
import re
import warnings
from pathlib import Path
from unittest.mock import patch

import pytest
from docs_runner import DOCS, UPDATE, run
from generated import filled

from shipworthy.metrics import fairness
from shipworthy.metrics.catalogue import lookup, names

ROOT = DOCS.parent
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
OTHERS = {"errors.md", "performance.md", "statistics-ratio-gates.md"}  # tested where they are written
DATA = {  # the name a reader gives to the download -> where it lies in ../shared/data
    "adult.md": {"adult.parquet": "adult/adults.parquet"},
    "german-credit.md": {"german.csv": "german_credit/german.csv"},
}
HEADINGS = ["What it measures", "When it misleads", "Interval", "Example", "Source"]
HERE = [path for path in PAGES if path.name not in OTHERS]
SLOW = {"journey.md"}  # longer than a few seconds


def title(path: Path) -> str:
    return str(path.relative_to(ROOT))


def compas_as_published(shared_data, folder: Path) -> None:
    """The download has names, and two columns twice; our copy has neither."""
    rows = shared_data("compas/compas-two-years-deidentified.csv").read_text("utf-8").splitlines()
    header = rows[0].split(",")
    twice = [header.index("decile_score"), header.index("priors_count")]
    cells = [[*row.split(","), *(row.split(",")[at] for at in twice), f"person {i}"] for i, row in enumerate(rows)]
    cells[0][-1] = "name"
    (folder / "compas-scores-two-years.csv").write_text("\n".join(map(",".join, cells)) + "\n", "utf-8")


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[pytest.mark.slow] * (path.name in SLOW)) for path in HERE], ids=title
)
def test_every_snippet_runs_and_prints_what_the_page_shows(path, tmp_path, monkeypatch, shared_data):
    for name, source in DATA.get(path.name, {}).items():
        (tmp_path / name).symlink_to(shared_data(source))
    if path.name in ("compas.md", "journey.md"):
        compas_as_published(shared_data, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings(), patch.dict(os.environ):  # which a page may set, for itself
        warnings.simplefilter("ignore")  # of scikit-learn and pandas, whose users see them too
        faults = run(path, tmp_path)
    assert not faults, "\n\n".join(faults)


@pytest.mark.parametrize("name", ["cli.md", "plan.md"])
def test_generated_parts_are_current(name):
    page = (DOCS / name).read_text("utf-8")
    assert "<!-- generated: " in page
    if UPDATE:
        (DOCS / name).write_text(page := filled(page), "utf-8")
    assert page == filled(page), "SHIPWORTHY_UPDATE_DOCS=1 pytest tests/docs writes it anew"


def sections(page: str) -> dict[str, str]:
    return {m[1]: m[2] for m in re.finditer(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)}


def test_every_metric_has_its_section_under_the_fixed_headings():
    found = sections((DOCS / "metrics.md").read_text("utf-8"))
    named = {name: text for title, text in found.items() for name in re.findall(r"`([^`]+)`", title)}
    assert set(named) >= set(names()), set(names()) - set(named)
    for name, text in named.items():
        assert re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE) == HEADINGS, name


def test_every_metric_named_on_the_page_exists():
    found = sections((DOCS / "metrics.md").read_text("utf-8"))
    for title_of in found:
        for name in re.findall(r"`([^`]+)`", title_of):
            lookup(name.replace("@k", "@3").replace("pinball@3", "pinball@0.3").replace("[class]", "[spam]"))


def test_every_other_name_of_a_metric_is_told():
    from shipworthy.metrics import binary, multiclass, ranking, regression, scores

    page = (DOCS / "metrics.md").read_text("utf-8")
    for room in (binary, multiclass, ranking, regression, scores, fairness):
        for alias in room.ALIASES:
            assert f"`{alias}`" in page, alias


@pytest.mark.parametrize("path", PAGES, ids=title)
def test_links_lead_somewhere(path):
    page = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", page):
        if re.match(r"https?:|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        goal = (path.parent / file).resolve() if file else path
        assert goal.exists(), f"{title(path)} -> {target}"
        if anchor and goal.suffix == ".md":
            heads = re.findall(r"^#+ (.+)$", goal.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}
            assert anchor in anchors, f"{title(path)} -> {target}"


def test_every_page_can_be_reached_from_the_index():
    seen, ahead = set(), [DOCS / "index.md"]
    while ahead:
        path = ahead.pop()
        if path in seen or not path.is_file() or path.suffix != ".md":
            continue
        seen.add(path)
        ahead += [
            (path.parent / t.split("#")[0]).resolve() for t in re.findall(r"\]\(([^)\s:]+)\)", path.read_text("utf-8"))
        ]
    assert {path for path in PAGES if path.parent != ROOT} <= seen


def test_every_error_code_of_the_pages_has_its_section():
    known = (DOCS / "errors.md").read_text("utf-8")
    for path in HERE:
        for code in set(re.findall(r"\b(?:PLAN|DATA|SUBJ|RUN|REG|CALL|EXTRA)\d{3}\b", path.read_text("utf-8"))):
            assert f"## {code}" in known, f"{title(path)}: {code}"
