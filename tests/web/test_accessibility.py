"""The axe-core engine looks at every page; nothing is wider than the window.

In each test run the pages of what was measured in dark and wide, those of answers in light and on a phone: a look takes
up to a minute. SHIPWORTHY_AXE=all looks at all of them in both ways.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from web_answers import ADA
from web_browser import CHROMIUM, GENERAL, PHONE, WIDE, browser, paths_of, team_site
from web_story import NAMES, NOW

from shipworthy.api.pages import Library
from shipworthy.api.progress import Yard
from shipworthy.api.recording import open_record
from shipworthy.web import addresses

pytest.importorskip("playwright", reason="needs Playwright, of the extra dev")
axe = pytest.importorskip("axe_playwright_python", reason="needs axe-core, of the extra dev")
NAME = "lending-decisions"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
ENGINE = (Path(axe.__file__).parent / "axe.min.js").read_text("utf-8")
UNSENT = ("/intake", "/risks/new", "/mitigations/new", "/incidents/new")  # forms that are sent empty, and come back
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser (Debian's package chromium)"),
]


@pytest.fixture(scope="module")
def chromium():
    with browser() as opened:
        yield opened


def served(folder, system, *others):
    """A copy of a project for a team, its paths, and the cookie of somebody who may do everything."""
    place = folder / ".shipworthy" / "record.db"
    with open_record(place) as record, team_site(record, place, lambda: NOW) as site:
        paths = [*paths_of(record, system), *(path for one in others for path in paths_of(record, one)[:6])]
        paths += GENERAL if others else ()
        runs = [one.facts.digest for one in record.runs(system=system)]
        if len(runs) > 1:
            paths.append(addresses.with_query("/compare", before=runs[1], after=runs[0]))
        roles = ("viewer", "evaluator", "approver", "auditor", "admin")
        yield site, paths, site.cookie(site.account("Cora Klein", *roles))


@pytest.fixture(scope="module")
def measured(place, tmp_path_factory):
    """A project with documents of all kinds, and a system whose every text means harm."""
    folder = tmp_path_factory.mktemp("measured") / "copy"
    shutil.copytree(place.parents[1], folder)
    yield from served(folder, NAME, NAMES[0], "w" * 200)


@pytest.fixture(scope="module")
def answered(small, tmp_path_factory):
    """A project with answers to read and to label, and a run that was started from its pages."""
    folder = tmp_path_factory.mktemp("answered") / "copy"
    shutil.copytree(small, folder)
    for site, paths, cookie in served(folder, "desk"):
        (folder / "broken.yaml").write_text(
            (folder / "shipworthy.yaml").read_text().replace("cases.jsonl", "none.jsonl")
        )
        with open_record(folder / ".shipworthy" / "record.db") as record:
            library = Library(record=record, place=folder / ".shipworthy" / "record.db")
            job = Yard(library).start("desk", "broken.yaml", actor=ADA, shown="Ada", now=NOW)
            run = addresses.run(record.runs(limit=1)[0].facts.digest)
        answer = addresses.answer(run.partition("/runs/")[2], "safety", ("c0", "none", 0), {})
        more = [
            addresses.job(job.id),
            answer,
            f"{run}/transcripts?hazard=S1",
            f"{run}/slices?by=hazard&by=language",
            f"{run}/packages",
            "/systems/desk/packages",
            "/systems/desk/answer",
        ]
        yield site, [*paths, *more], cookie


NIGHT, PHONED = pytest.param("dark", WIDE, id="dark, wide"), pytest.param("light", PHONE, id="light, phone")
ALL = os.environ.get("SHIPWORTHY_AXE") == "all"  # colours do not hang on the size, nor the layout on the colours


@pytest.mark.parametrize(("scheme", "size"), [NIGHT, PHONED] if ALL else [NIGHT])
def test_no_page_of_what_was_measured_has_a_violation(chromium, measured, scheme, size):
    assert violations(chromium, measured, scheme, size) == {}


@pytest.mark.parametrize(("scheme", "size"), [NIGHT, PHONED] if ALL else [PHONED])
def test_no_page_of_answers_has_a_violation(chromium, answered, scheme, size):
    assert violations(chromium, answered, scheme, size) == {}


def violations(chromium, served_, scheme, size):
    """What the engine finds, by path: on the way in, on each page, and on forms that came back."""
    site, paths, cookie = served_
    context = chromium.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
    page, found = context.new_page(), {}
    page.goto(f"{site.address}/login")
    look(page, found, "/login")
    page.get_by_label("Address").fill("nobody@example.org")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()
    look(page, found, "/login, refused")
    context.add_cookies([cookie])
    for path in paths:
        page.goto(site.address + path)
        look(page, found, path)
        if path in UNSENT or path.endswith(("/waive", "/sign", "/answer")):
            button = page.locator("form.act button.main")
            if button.count():
                button.click()
                page.wait_for_load_state()
                assert page.get_by_role("alert").count(), path
                look(page, found, f"{path}, sent empty")
        if path.endswith("/sign") and page.locator("form.act button.main").count():
            page.get_by_label("Role in which you sign").fill("product")
            page.get_by_role("radio", name="Approve", exact=True).check()
            page.get_by_role("button", name="Show what I would sign").click()
            page.wait_for_load_state()
            assert page.get_by_role("button", name="Sign this as").count(), page.inner_text("main")[:500]
            look(page, found, f"{path}, before it is signed")
    context.close()
    return found


def look(page, found, path):
    """Let the engine look at what the page shows."""
    page.evaluate(ENGINE)
    result = page.evaluate("rules => axe.run(document, rules)", RULES)
    assert result["passes"], path  # the engine did look
    for one in result["violations"]:
        found.setdefault(path, []).append((one["id"], [node["html"][:120] for node in one["nodes"]][:3]))
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if overflow > 0:
        found.setdefault(path, []).append(("wider than the window", overflow))


def test_every_kind_of_page_is_looked_at(measured, answered):
    site, paths, _ = measured
    seen = [path.partition("?")[0] for path in (*paths, *answered[1], "/login")]
    files = (
        "/style.css",
        "/icon.svg",
        "/favicon.ico",
        "/audit/log.jsonl",
        "/openapi.json",
        "/runs/{digest}/packages/{root}",
    )
    missing = [
        one.path for one in site.app.routes
        if "GET" in one.methods and not one.path.endswith(".json") and one.path not in files
        and not any(re.fullmatch(one.path_regex, path) for path in seen)
    ]  # fmt: skip
    assert missing == []


def test_the_engine_finds_what_is_wrong(chromium):
    page = chromium.new_page()
    page.set_content("<html><body><img src='x.png'><input></body></html>")
    page.evaluate(ENGINE)
    result = page.evaluate("rules => axe.run(document, rules)", RULES)
    assert {"image-alt", "label", "html-has-lang"} <= {one["id"] for one in result["violations"]}
    page.close()
