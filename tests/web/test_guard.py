"""Who may ask, what errors say, and what of a disk can be reached."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_site import HOST, served
from web_story import NAMES, NOW

from shipworthy.api import pages
from shipworthy.api.pages import Library, folders
from shipworthy.api.recording import open_record
from shipworthy.web import addresses
from shipworthy.web.guard import POLICY

NAME = "lending-decisions"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8300", "127.0.0.1", "127.0.0.1:80", "localhost:8300.evil.example", ""]
)
def test_another_name_that_leads_here_is_not_answered(client, host):
    answer = client.get("/", headers={"host": host})
    assert (answer.status_code, "WEB002" in answer.text) == (421, True)
    assert answer.headers["content-security-policy"] == POLICY
    assert NAME not in answer.text
    assert f"http://{HOST}/" in answer.text


def test_names_of_this_machine_are_answered_in_any_case(client):
    assert client.get("/", headers={"host": "LocalHost:8300"}).status_code == 200


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/nope", 404, "WEB001"),
        ("/systems/nobody", 404, "WEB001"),
        ("/systems/nobody/trace", 404, "WEB001"),
        (f"/systems/{NAME}/requirements/nope", 404, "WEB001"),
        ("/runs/sha256:00", 404, "WEB001"),
        ("/runs/../../etc/passwd", 404, "WEB001"),
        ("/documents/risk/nope", 404, "WEB001"),
        ("/documents/people/x", 404, "WEB001"),
        ("/compare?before=x&after=y", 404, "WEB001"),
        ("/?page=0", 400, "WEB003"),
        ("/risks?page=99999999999", 400, "WEB003"),
        ("/audit?below=-1", 400, "WEB003"),
        ("/audit?below=" + "9" * 400, 400, "WEB003"),
        ("/?tier=huge", 400, "WEB003"),
        ("/search?q=" + "x" * 3000, 400, "WEB003"),
    ],
)
def test_errors_say_what_is_wrong_and_how_to_mend_it(client, address, status, code):
    page, told = client.get(address), client.get(address, headers={"accept": "application/json"})
    assert (page.status_code, told.status_code) == (status, status)
    assert code in page.text
    assert "What to do" in page.text
    fault = told.json()["faults"][0]
    assert (fault["code"], bool(fault["mend"])) == (code, True)
    assert page.headers["content-security-policy"] == POLICY


def test_nothing_can_be_written(client):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = client.request(method, "/risks")
        assert (answer.status_code, answer.headers["content-security-policy"]) == (405, POLICY)


def test_a_defect_tells_no_traceback(client, monkeypatch):
    def fail(*given, **more):
        raise RuntimeError("secret /home/ada")

    monkeypatch.setattr(pages, "portfolio", fail)
    for answer in (client.get("/"), client.get("/systems.json")):
        assert answer.status_code == 500
        assert "WEB006" in answer.text
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert answer.headers["content-security-policy"] == POLICY


def test_no_folder_outside_of_the_project_is_read(place, record, client, monkeypatch, tmp_path):
    read = []
    real = folders.read_bytes
    monkeypatch.setattr(folders, "read_bytes", lambda path, **most: (read.append(path), real(path, **most))[1])
    root = Library(record=record, place=place).root
    for one in record.runs(system=NAMES[0]):
        page = client.get(addresses.run(one.facts.digest))
        assert page.status_code == 200
        assert "The whole report is not shown" in page.text
        answer = client.get(addresses.run(one.facts.digest) + "/report")
        assert (answer.status_code, "WEB007" in answer.text) == (404, True)
    client.get(addresses.run(record.runs(system=NAME)[0].facts.digest))
    assert read
    assert all(path.resolve().is_relative_to(root) for path in read)


@pytest.fixture
def moved(place, tmp_path):
    """A project of its own, to be tampered with."""
    shutil.copytree(place.parents[1], tmp_path / "copy")
    with open_record(tmp_path / "copy" / ".shipworthy" / "record.db") as record:
        yield (
            served(tmp_path / "copy" / ".shipworthy" / "record.db", record),
            record,
            tmp_path / "copy" / "runs" / "2026.11",
        )


def test_a_report_is_served_as_it_was_written(moved):
    client, record, folder = moved
    address = addresses.run(record.runs(system=NAME)[0].facts.digest)
    assert client.get(address + "/report").content == (folder / "report.html").read_bytes()
    assert "The whole report" in client.get(address).text
    assert client.get(address + ".json").json()["folder"] == "runs/2026.11"


@pytest.mark.parametrize("how", ["changed", "gone", "linked", "manifest", "device", "moved out"])
def test_a_report_that_is_not_what_was_written_is_not_served(moved, how, tmp_path):
    client, record, folder = moved
    report, outside = folder / "report.html", tmp_path / "report.html"
    if how == "changed":
        report.write_text("<script>alert(1)</script>")
    elif how == "gone":
        shutil.rmtree(folder)
    elif how == "linked":
        shutil.move(report, outside)
        report.symlink_to(outside)
    elif how == "device":
        report.unlink()
        report.symlink_to("/dev/zero")
    elif how == "manifest":
        (folder / "manifest.json").write_text("{}")
    else:
        shutil.move(folder, tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    address = addresses.run(record.runs(system=NAME)[0].facts.digest)
    answer = client.get(address + "/report")
    assert (answer.status_code, "WEB007" in answer.text) == (404, True)
    page = client.get(address)
    assert page.status_code == 200
    assert "The whole report is not shown" in page.text
    assert "FAIR-1" in page.text  # what the record holds is there all the same


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60) | st.sampled_from(NAMES))
def test_addresses_of_names_properties(name):
    from urllib.parse import unquote

    segment = addresses.segment(name)
    assert addresses.named(unquote(segment)) == name
    assert segment.isascii()
    assert not set("/\\?#%") & set(unquote(segment))
    assert set(unquote(segment)) != {"."}
    assert not unquote(segment).endswith(".json")


def test_a_broken_chain_is_said_loudly(moved):
    import sqlalchemy as sa

    client, record, _ = moved
    with record._engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE documents SET body = replace(body, 'Few cases', 'Many cases') WHERE id = 'R-2'")
        )
    assert "The chain is broken" in client.get("/audit").text
    assert client.get("/audit.json").json()["faults"][0]["code"] == "RECORD020"


def test_the_clock_and_the_record_are_handed_in(place, record):
    assert pages.portfolio(Library(record=record, place=place), now=NOW).total == len(NAMES) + 1
