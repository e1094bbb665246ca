"""The site over a record, as tests ask it."""

from __future__ import annotations

from web_story import NOW

from shipworthy.api.pages import Library

HOST = "127.0.0.1:8300"


def served_app(place, record, *hosts):
    from shipworthy.web.app import Site, create_app

    return create_app(Site(library=Library(record=record, place=place), hosts=hosts, clock=lambda: NOW))


def served(place, record):
    from fastapi.testclient import TestClient

    return TestClient(served_app(place, record, HOST, "localhost:8300"), base_url=f"http://{HOST}")
