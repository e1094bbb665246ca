"""A real browser loads every page: nothing is refused by the policy, nothing is said in its console."""

from __future__ import annotations

import subprocess

import pytest
from web_browser import CHROMIUM, bound, running
from web_site import served_app
from web_story import NAMES

from shipworthy.web import addresses
from shipworthy.web.guard import Guard

NAME = "lending-decisions"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser (Debian's package chromium)"),
]


def load(address, home):
    """What the browser made of a page, and what its console said."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={home}"]
    done = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", address], capture_output=True, text=True, timeout=300, check=False
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_every_page_loads_in_silence(place, record, tmp_path):
    runs = [one.facts.digest for one in record.runs(system=NAME)]
    evil = record.runs(system=NAMES[0])[0].facts.digest
    paths = [
        "/", addresses.system(NAME), addresses.system(NAMES[0]), addresses.system(NAME, "trace"),
        addresses.requirement(NAME, "FAIR-1"), addresses.run(runs[0]), addresses.run(runs[0]) + "/report",
        addresses.run(evil), addresses.with_query("/compare", before=runs[1], after=runs[0]), "/risks", "/waivers",
        "/sign-offs", "/catalogues", "/audit", "/search?q=alert", "/nope",
    ]  # fmt: skip
    on, host = bound()
    with running(served_app(place, record, host), on) as site:
        for path in paths:
            page, console = load(site + path, tmp_path / "home")
            assert console == [], path
            assert "</footer>" in page, path
            assert "<title>owned" not in page, path


def test_the_console_does_say_what_the_policy_refuses(tmp_path):
    async def hostile(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"<title>x</title><script>document.title='owned'</script>"})

    on, host = bound()
    with running(Guard(hostile, hosts=[host], answer=None), on) as site:
        page, console = load(site, tmp_path / "home")
    assert "<title>x</title>" in page
    assert console
