"""The indicators as a page: the same numbers as the command, with their definition, n and interval."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from web_reader import Page
from web_site import served
from web_story import NOW

from shipworthy.api.kpis import kpis, window
from shipworthy.api.recording import open_record
from shipworthy.api.runs import base_of
from shipworthy.cli import main
from shipworthy.evidence.kpis import DEFINITIONS
from shipworthy.record.documents import Incident, System


def test_a_page_has_every_indicator_with_its_definition(client):
    told = client.get("/kpis.json").json()
    names = [one["name"] for one in (*told["known"], *told["unknown"])]
    assert sorted(names) == sorted(DEFINITIONS)
    assert all(one["definition"] == DEFINITIONS[one["name"]].definition for one in told["known"])
    page = client.get("/kpis")
    assert Page(page.text).wrong == []
    assert all(one.definition.split(".")[0][:40].replace("'", "&#39;") in page.text for one in DEFINITIONS.values())


def test_numbers_are_those_of_the_command(client, record, place):
    since = NOW - timedelta(days=200)
    told = client.get("/kpis.json", params={"since": since.date().isoformat()}).json()
    over = window(since.replace(hour=0, minute=0), None, NOW)
    known = {one.name: one for one in kpis(record, over, base=base_of(place), now=NOW) if not one.reason}
    assert {one["name"] for one in told["known"]} == set(known)
    for one in told["known"]:
        kpi = known[one["name"]]
        assert (one["n"], one["open"]) == (kpi.n, kpi.open)
        for shown, figure in zip(one["figures"], kpi.figures, strict=True):
            is_finite = figure.value != float("inf")
            assert shown["value"] == (pytest.approx(figure.value) if is_finite else None)
            assert is_finite or shown["text"].startswith("not reached in this window")
            assert ("(no limits)" in shown["text"]) == (figure.low == -float("inf"))


def test_what_was_left_out_is_told_alike_by_the_page_its_twin_and_the_command(tmp_path):
    place, day = tmp_path / "record.db", datetime(2026, 6, 1, tzinfo=UTC)
    over = Incident(id="I-1", system="s", title="t", severity="low", detected=day, resolved=day + timedelta(1))
    with open_record(place) as record:
        record.write(record.person("a@example.org", "A"), day, System(id="s", tier="limited"), over)
        client = served(place, record)
        asked = {"since": "2026-05-01", "until": "2026-07-31"}
        told, page = client.get("/kpis.json", params=asked).json(), Page(client.get("/kpis", params=asked).text).text
    twin = {one["name"]: one["excluded"] for one in (*told["known"], *told["unknown"])}
    words = ["kpi", "--record", str(place), "--since", asked["since"], "--until", asked["until"]]
    printed, body = (CliRunner().invoke(main, [*words, *more]).output for more in ((), ("--json",)))
    assert twin == {one["name"]: one["excluded"] for one in json.loads(body)["kpis"]}
    assert {name for name, left in twin.items() if left} == {"mttd", "mtta", "mttm", "repeat-failure-rate"}
    for why in (why for one in twin.values() for why in one):
        assert f"left out: 1 ({why})" in page
        assert f"left out: 1 ({why})" in printed


def test_what_is_not_known_says_why(client):
    told = client.get("/kpis.json").json()
    assert told["unknown"]
    assert all(one["reason"] and not one["figures"] for one in told["unknown"])
    text = Page(client.get("/kpis").text).text
    assert "An indicator that is guessed is worse than none" in text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"since": "2026-11-20", "until": "2026-11-01"}, 400),
        ({"until": "2027-01-01"}, 400),
        ({"since": "yesterday"}, 400),
        ({"since": "2026-06-01", "until": "2026-09-01"}, 200),
        ({"since": "1000-01-01"}, 200),
    ],
)
def test_a_window_is_one_or_says_what_is_wrong(client, query, status):
    page = client.get("/kpis", params=query)
    assert page.status_code == status
    assert Page(page.text).wrong == []
    if status == 200 and "until" in query:
        assert f"{query['since']} to {query['until']}" in page.text


def test_an_empty_record_says_what_to_do(empty):
    page = empty.get("/kpis")
    assert page.status_code == 200
    assert Page(page.text).wrong == []
    assert "shipworthy check" in page.text
