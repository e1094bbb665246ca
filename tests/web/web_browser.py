"""A real browser at the pages: Debian's Chromium, driven by Playwright, over a server of the tests' own."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from shipworthy.api import accounts as verbs
from shipworthy.api.accounts import EVERY, TOOL
from shipworthy.api.pages import Library
from shipworthy.web import addresses
from shipworthy.web.sessions import Team

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PASSWORD = "four words drawn by chance"
_REFUSED = "Failed to load resource: the server responded with a status of 4"


def bound():
    """A socket on a port that nobody else has, and its host as browsers name it."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made, f"127.0.0.1:{made.getsockname()[1]}"


@contextmanager
def running(app, on):
    """The address of an application that is served on a socket until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, args=([on],))
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{on.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def browser():
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=120_000)
        try:
            yield opened
        finally:
            opened.close()


@dataclass(frozen=True, kw_only=True)
class Served:
    """A team's site that browsers reach."""

    address: str
    app: Any
    accounts: Any
    clock: Any

    def account(self, name, *roles, password=PASSWORD):
        """Somebody who may sign in, with roles on all systems."""
        return verbs.create(
            self.accounts, actor=TOOL, email=f"{name.split()[0].lower()}@example.org", name=name, password=password,
            roles=roles, system=EVERY, now=self.clock(),
        )  # fmt: skip

    def cookie(self, account):
        """What the browser of somebody who is signed in keeps."""
        secret = verbs.begin_session(self.accounts, account, now=self.clock())
        return {"name": "shipworthy", "value": secret, "url": self.address}


@contextmanager
def team_site(record, place, clock):
    """The pages of a record, for people with accounts, on a port of their own."""
    from shipworthy.web.app import Site, create_app

    on, host = bound()
    accounts = verbs.opened(record)
    team = Team(accounts, clock=clock, is_secure=False)
    library = Library(record=record, place=place)
    app = create_app(Site(library=library, hosts=(host,), clock=clock, knows=team))
    with running(app, on) as address:
        yield Served(address=address, app=app, accounts=accounts, clock=clock)


@dataclass(kw_only=True)
class Window:
    """A browser of its own, and all that it says and asks for."""

    context: Any
    page: Any
    site: str
    said: list[str] = field(default_factory=list)  # in the console, but that a page was refused
    refused: list[tuple[int, str]] = field(default_factory=list)  # pages
    elsewhere: list[str] = field(default_factory=list)  # addresses of other hosts

    def go(self, path):
        return self.page.goto(self.site + path)

    @property
    def path(self):
        return urlsplit(self.page.url).path

    def field(self, label):
        """A field of a form, by what stands above it."""
        return self.page.get_by_label(re.compile(rf"^{re.escape(label)}( \(may be left open\))?$"))

    def fill(self, **values):
        """Fill in fields; in their labels, `_` stands for a space."""
        for label, value in values.items():
            self.field(label.replace("_", " ")).fill(value)

    def pick(self, question, *answers):
        """Tick answers of a question."""
        group = self.page.get_by_role("group", name=re.compile(f"^{re.escape(question)}"))
        for one in answers:
            name = re.compile(rf"^{re.escape(one)}( –.*)?$")
            group.get_by_role("radio", name=name).or_(group.get_by_role("checkbox", name=name)).check()

    def press(self, name):
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()
        self.page.wait_for_load_state()

    def follow(self, name):
        """Follow a link of the page itself."""
        self.page.get_by_role("main").get_by_role("link", name=name, exact=True).first.click()
        self.page.wait_for_load_state()

    @property
    def text(self):
        """What the page says."""
        return self.page.get_by_role("main").inner_text()

    def sign_in(self, name, password=PASSWORD):
        """By the form, wherever somebody is sent who is not known."""
        if self.path != "/login":
            self.go("/login")
        self.page.get_by_label("Address").fill(f"{name.split()[0].lower()}@example.org")
        self.page.get_by_label("Password").fill(password)
        self.press("Sign in")
        assert name in self.page.get_by_role("banner").inner_text()
        return self

    @property
    def wrong(self):
        """What no page may do."""
        return [*self.said, *(f"asked for {one}" for one in self.elsewhere)]


@contextmanager
def window(chromium, site, **options):
    """A window on a site, which closes by itself."""
    context = chromium.new_context(**options)
    context.set_default_timeout(120_000)
    page = context.new_page()
    made = Window(context=context, page=page, site=site)
    here = urlsplit(site).netloc

    def answered(response):
        if response.status >= 400:
            made.refused.append((response.status, urlsplit(response.url).path))

    def said(message):
        if not message.text.startswith(_REFUSED):  # which `refused` tells
            made.said.append(f"{message.type}: {message.text}")

    def asked(request):
        if urlsplit(request.url).netloc != here:
            made.elsewhere.append(request.url)

    def opened(dialog):
        made.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    context.on("response", answered)
    context.on("console", said)
    context.on("weberror", lambda error: made.said.append(f"error: {error.error}"))
    context.on("request", asked)
    page.on("dialog", opened)
    try:
        yield made
    finally:
        context.close()


def paths_of(record, system):
    """Every page about a system, and about its newest run."""
    about = ("risks", "waivers", "mitigations", "incidents", "sign-offs", "compare", "catalogues", "kpis", "search")
    about += ("risks/new", "mitigations/new", "incidents/new")
    found = [addresses.system(system, part) for part in ("", "trace", "runs/new", "intake")]
    found += [addresses.with_query(f"/{one}", system=system) for one in about]
    for kind, acts in _ACTS.items():
        for one in record.find(kind, system=system, limit=1):
            page = addresses.document(kind, one.document.id)
            found += [page, *(f"{page}/{act}" for act in acts)]
    for one in record.runs(system=system, limit=1):
        run = addresses.run(one.facts.digest)
        found += [run, *(f"{run}/{part}" for part in ("report", "slices", "transcripts", "label", "waive", "sign"))]
        verdicts = record.verdicts(run=one.facts.digest)
        found += [addresses.requirement(system, verdict.requirement) for verdict in verdicts[:1]]
    return found


_ACTS = {
    "risk": ("edit", "treat", "measure", "accept", "close"),
    "mitigation": ("edit", "verify"),
    "waiver": ("approve", "refuse", "withdraw"),
    "sign-off": ("withdraw",),
    "incident": ("edit", "close"),
}
GENERAL = (
    "/", "/systems", "/intake", "/risks", "/waivers", "/mitigations", "/incidents", "/sign-offs", "/compare",
    "/catalogues", "/kpis", "/audit", "/audit?check=true", "/search", "/search?q=alert", "/account", "/people",
    "/risks/new", "/mitigations/new", "/incidents/new", "/nope",
)  # fmt: skip
