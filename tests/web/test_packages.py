"""Packages that are made and fetched on the pages: for whom they are, by whom, and nothing but packages."""

from __future__ import annotations

import re

import pytest
from web_desk import ADA, BEA, NAME, desk_of
from web_people import OURS, town
from web_reader import Page
from web_story import NOW

from shipworthy.api.dispatch import Dispatch, Rights
from shipworthy.api.handing import PACKAGE, keep_package
from shipworthy.api.packing import pack
from shipworthy.api.pages import Library
from shipworthy.errors import Unusable
from shipworthy.evidence.verifying import Trust, verify_package
from shipworthy.web import addresses


@pytest.fixture(scope="module")
def only(place, tmp_path_factory):
    with desk_of(place, tmp_path_factory.mktemp("packages") / "project") as found:
        yield found


@pytest.fixture
def desk(only):
    only.reset()
    yield only
    only.reset()


def packages(desk):
    return f"{addresses.run(desk.record.runs(system=NAME)[0].facts.digest)}/packages"


def test_a_package_is_made_recorded_listed_fetched_and_verified(desk, tmp_path):
    at = packages(desk)
    answer = desk.send(BEA, at, audience="internal")
    assert (answer.status_code, answer.headers["location"]) == (303, at)
    (kept,) = desk.record.artifacts(role=PACKAGE)
    assert desk.head()[:2] == ("artifact.add", f"artifact/{kept.artifact.digest}")
    assert desk.record.people()[kept.actor].email == "bea@example.org"
    for address in (at, f"/systems/{NAME}/packages"):
        page = desk.get(BEA, address)
        assert (page.status_code, Page(page.text).wrong) == (200, [])
        assert f"--root {kept.artifact.digest}" in page.text
        assert f'href="{at}/{kept.artifact.digest}"' in page.text
    file = desk.get(BEA, f"{at}/{kept.artifact.digest}")
    assert file.headers["content-type"] == "application/zip"
    assert file.headers["content-disposition"].startswith('attachment; filename="package-')
    assert file.headers["x-content-type-options"] == "nosniff"
    (tmp_path / "p.zip").write_bytes(file.content)
    found = verify_package(tmp_path / "p.zip", Trust(root=kept.artifact.digest))
    assert found.faults == ()


def test_as_json(desk):
    at = packages(desk)
    answer = desk.send_json(ADA, at, {"audience": "public"})
    assert answer.status_code == 201, answer.text
    one = answer.json()["packages"][0]
    assert (one["audience"], one["why_not"], one["by"]) == ("public", "", "Ada Lovelace")
    assert desk.get(ADA, answer.headers["location"]).status_code == 200
    assert desk.send_json(ADA, at, {"audience": "everybody"}).json()["faults"][0]["where"] == "audience"
    told = desk.get(ADA, "/openapi.json").json()["paths"]
    assert told["/runs/{digest}/packages.json"]["post"]["operationId"] == "pack"


@pytest.mark.parametrize("fields", [{}, {"audience": "everybody"}, {"audience": ["public", "internal"]}])
def test_who_does_not_say_for_whom_is_asked_again(desk, fields):
    answer = desk.send(BEA, packages(desk), **fields)
    assert answer.status_code == 400
    assert 'href="#f-audience"' in answer.text
    assert "who may read it" in answer.text.partition('id="f-audience-wrong"')[2].partition("</span>")[0]
    assert desk.record.artifacts(role=PACKAGE) == []


def test_only_recorded_packages_of_this_run_inside_the_project_are_fetched(desk, tmp_path):
    at, run = packages(desk), desk.record.runs(system=NAME)[0].facts
    rights = {"rights": Rights(personal=False, whole_log=False)}
    room = Dispatch(Library(record=desk.record, place=desk.place))
    folder = desk.place.parent / run.place
    for root in ("..~2F..~2Frecord.db", "sha256:" + "0" * 64, "x" * 3000):
        assert desk.get(BEA, f"{at}/{root}").status_code in (400, 404)
    outside = pack(folder, out=tmp_path / "p.zip", record=desk.place, zipped=True, now=NOW)
    whole = pack(folder, out=desk.place.parent / "p.zip", record=desk.place, zipped=True, now=NOW.replace(hour=1))
    personal = pack(folder, out=desk.place.parent / "q.zip", record=desk.place, zipped=True, audience="personal",
                    most_log=0, now=NOW)  # fmt: skip
    for made in (outside, whole, personal):
        keep_package(desk.place, made.path, root=made.root, about=f"run/{run.digest}", actor=BEA, now=NOW)
    for made, why in ((outside, "outside of the project"), (whole, "log of all systems"), (personal, "personal data")):
        with pytest.raises(Unusable, match=why):
            room.fetch(run.digest, made.root, **rights)
    assert sorted(one.why_not == "" for one in room.of_run(run.digest, **rights).packages) == [False] * 3
    everything = {"rights": Rights(personal=True, whole_log=True)}
    assert room.fetch(run.digest, whole.root, **everything) == whole.path.resolve()
    whole.path.write_bytes(personal.path.read_bytes())  # another package in its place
    with pytest.raises(Unusable, match="no longer what was recorded"):
        room.fetch(run.digest, whole.root, **everything)


def test_one_is_made_at_a_time_and_a_changed_run_is_not_packed(desk):
    run = desk.record.runs(system=NAME)[0].facts
    room = Dispatch(Library(record=desk.record, place=desk.place))
    rights = Rights(personal=False, whole_log=False)
    with room._busy, pytest.raises(Unusable, match="another package"):
        room.make(run.digest, "internal", rights=rights, actor=BEA, now=NOW)
    with pytest.raises(Unusable, match="who may read it"):
        room.make(run.digest, "personal", rights=rights, actor=BEA, now=NOW)
    file = desk.place.parent / run.place / "report.html"
    before = file.read_bytes()
    file.write_bytes(b"changed")
    try:
        answer = desk.send(BEA, packages(desk), audience="internal")
        assert (answer.status_code, "cannot be packed" in answer.text) == (409, True)
    finally:
        file.write_bytes(before)
    room.make(run.digest, "internal", rights=rights, actor=BEA, now=NOW)  # nothing is left locked


def test_personal_data_take_the_right_to_audit(place, tmp_path):
    with town(place, tmp_path / "town") as site:
        run = site.record.runs(system=OURS)[0].facts.digest
        at = f"{addresses.run(run)}/packages"
        for role, offered, status in (("evaluator", False, 400), ("auditor", True, 303)):
            client = site.browser(site.person(f"Our {role}", role, system=OURS))
            assert ('value="personal"' in client.get(at).text) == offered
            assert client.post(at, data={"csrf": client.csrf, "audience": "personal"}).status_code == status
        viewer = site.browser(site.person("Our viewer", "viewer", system=OURS))
        assert not re.search(r'href="[^"]*/packages"', viewer.get(addresses.run(run)).text)
        assert viewer.get(at).status_code == 403
