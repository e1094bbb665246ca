"""The indicators as a page: the same numbers as the command, with their definition, n and interval."""

from __future__ import annotations

from datetime import timedelta

import pytest
from web_reader import Page
from web_story import NOW

from shipworthy.api.kpis import kpis, window
from shipworthy.api.runs import base_of
from shipworthy.evidence.kpis import DEFINITIONS


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
            assert is_finite or shown["text"] == "not reached in this window"


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
