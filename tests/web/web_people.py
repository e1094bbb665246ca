"""A record with people in it: one for each role on one system, one for each on all, and how they ask."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi.testclient import TestClient
from web_site import HOST
from web_story import NAMES, NOW

from shipworthy.api import accounts as verbs
from shipworthy.api.accounts import EVERY, ROLES, TOOL
from shipworthy.api.pages import Library
from shipworthy.api.recording import open_record
from shipworthy.web.sessions import Team, csrf_of

OURS, THEIRS = "lending-decisions", NAMES[0]  # the system that people have roles on, and one that they have none on
PASSWORD = "four words drawn by chance"


class Clock:
    """A clock that tests set."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@dataclass(frozen=True, kw_only=True)
class Town:
    """A served record with its people."""

    app: object
    record: object
    accounts: object
    team: Team
    clock: Clock
    place: object

    def client(self, **kwargs):
        return TestClient(self.app, base_url=f"http://{HOST}", follow_redirects=False, **kwargs)

    def person(self, name, *roles, system=EVERY, password=None):
        return verbs.create(
            self.accounts, actor=TOOL, email=f"{name.lower().replace(' ', '.')}@example.org", name=name,
            password=password, roles=roles, system=system, now=self.clock(),
        )  # fmt: skip

    def browser(self, account):
        """A client that is signed in, and what its forms carry."""
        secret = verbs.begin_session(self.accounts, account, now=self.clock())
        client = self.client(cookies={"shipworthy": secret})
        client.csrf = csrf_of(secret)
        return client

    def program(self, account, *scopes, system=EVERY, days=30):
        """A client that sends a token."""
        _, secret = verbs.new_token(
            self.accounts, account, name="a program", scopes=scopes, system=system, days=days, now=self.clock()
        )
        return self.client(headers={"authorization": f"Bearer {secret}"})


@contextmanager
def town(place, folder, *, provider=None, is_behind=False, is_secure=False):
    """A copy of the filled project with a team's site over it."""
    from shipworthy.web.app import Site, create_app

    copied = folder / "copy" / ".shipworthy" / "record.db"
    shutil.copytree(place.parents[1], folder / "copy")
    with open_record(copied) as record:
        clock = Clock()
        accounts = verbs.opened(record)
        team = Team(accounts, clock=clock, is_secure=is_secure, is_behind=is_behind, provider=provider)
        library = Library(record=record, place=copied)
        app = create_app(Site(library=library, hosts=(HOST,), clock=clock, knows=team))
        yield Town(app=app, record=record, accounts=accounts, team=team, clock=clock, place=copied)


__all__ = ["OURS", "PASSWORD", "ROLES", "THEIRS", "Town", "town"]
