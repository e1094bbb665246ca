"""A project of its own, in which people write by the pages."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

from web_site import HOST
from web_story import NOW

from shipworthy.api.pages import Library
from shipworthy.api.recording import open_record

ADA, BEA, CID = "Ada Lovelace <ada@example.org>", "Bea Okafor <bea@example.org>", "Cid Moreau <cid@example.org>"
NAME = "lending-decisions"


class Whoever:
    """Says who asks: whoever is sitting there, with a token of their own."""

    def __init__(self):
        self.alone = {}
        self.now = None

    def sit(self, actor):
        from shipworthy.web.access import Alone

        self.now = self.alone.setdefault(actor, Alone(actor))
        return self.now._one.csrf

    async def visitor(self, scope):
        return await self.now.visitor(scope)


class Desk:
    """A record, and whoever writes in it: one site, for whoever sits there."""

    def __init__(self, record, place):
        from fastapi.testclient import TestClient

        from shipworthy.web.app import Site, create_app

        self.record, self.place = record, place
        self.who = Whoever()
        self._kept = place.with_name("kept.db")
        self.record.close()
        shutil.copy(place, self._kept)
        site = Site(library=Library(record=record, place=place), hosts=(HOST,), clock=lambda: NOW, knows=self.who)
        self.client = TestClient(create_app(site), base_url=f"http://{HOST}", follow_redirects=False)

    def reset(self):
        """The record as it was at first."""
        self.record.close()
        for end in ("-wal", "-shm"):
            self.place.with_name(self.place.name + end).unlink(missing_ok=True)
        shutil.copy(self._kept, self.place)

    def person(self, actor):
        """The browser that somebody uses, and the token of their forms."""
        csrf = self.who.sit(actor)
        return self.client, csrf

    def send(self, actor, address, version=None, **fields):
        """Send a form; what is None is left out."""
        client, csrf = self.person(actor)
        told = {"csrf": csrf, "version": version, **fields}
        return self.shown(client.post(address, data={key: value for key, value in told.items() if value is not None}))

    def shown(self, answer):
        """The page that a form comes back on, where it does; else the answer as it is."""
        back = answer.headers.get("location", "")
        return self.client.get(back) if answer.status_code == 303 and "kept=" in back else answer

    def send_json(self, actor, address, body):
        client, csrf = self.person(actor)
        return client.post(f"{address}.json", json=body, headers={"x-csrf-token": csrf})

    def get(self, actor, address):
        return self.person(actor)[0].get(address)

    def head(self):
        """The newest line of the log, without what hangs on the moment and on salts."""
        import json

        one = json.loads(list(self.record.log())[-1])
        return one["action"], one["object"], one["actor"]


@contextmanager
def desk_of(place, folder):
    """A desk over a copy of a project."""
    shutil.copytree(place.parents[1], folder, dirs_exist_ok=True)
    copied = folder / ".shipworthy" / "record.db"
    with open_record(copied) as record:
        yield Desk(record, copied)
