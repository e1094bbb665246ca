"""A site over a filled record, and over an empty one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the suite imports its modules by path, so neighbours need this

pytest.importorskip("fastapi", reason="needs the extra web")

from web_site import served
from web_story import fill

from shipworthy.api.recording import open_record


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def record(place):
    with open_record(place) as opened:
        yield opened


@pytest.fixture(scope="session")
def client(place, record):
    return served(place, record)


@pytest.fixture
def empty(tmp_path):
    with open_record(tmp_path / "record.db") as record:
        yield served(tmp_path / "record.db", record)


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """A project with a run of answers, its record, and a browser on its pages as Ada."""
    from web_answers import opened

    with opened(tmp_path_factory.mktemp("desk"), longest=10_000_000) as found:
        yield found


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The folder of a small project with a run of answers, to be copied and changed."""
    from web_answers import project

    folder = tmp_path_factory.mktemp("small")
    project(folder, count=30)
    return folder
