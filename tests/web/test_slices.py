"""The slice explorer: what the run recorded, what its rows tell beside, and how many were looked at."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from web_answers import opened
from web_reader import Page
from web_story import HOSTILE, NAMES

from shipworthy.stats.proportion import wilson
from shipworthy.web import addresses

NAME = "lending-decisions"


@pytest.fixture(scope="module")
def digest(record):
    return record.runs(system=NAME, limit=1)[0].facts.digest


def path(digest, twin="", **query):
    return addresses.with_query(f"{addresses.run(digest)}/slices{twin}", **query)


def test_recorded_slices_are_shown_as_recorded(client, record, digest):
    told = client.get(path(digest, ".json", metric="selection_rate", by="sex")).json()
    assert told["source"] == "record"
    kept = {
        row["slice"]: row
        for row in record.estimates(run=digest, metric="selection_rate", compare="value").to_pylist()
        if row["slice"] in ('{"sex": "female"}', '{"sex": "male"}')
    }
    assert len(told["slices"]) == len(kept) == 2
    for one in told["slices"]:
        row = kept[json.dumps(one["estimate"]["slice"])]
        assert [one["estimate"][name] for name in ("value", "low", "high", "n")] == [
            row[name] for name in ("value", "low", "high", "n")
        ]


def test_two_attributes_that_the_plan_never_crossed_against_the_rows(client, record, digest, place):
    told = client.get(path(digest, ".json", metric="selection_rate", by="sex", across="region")).json()
    assert told["source"] == "rows"
    rows = pq.read_table(
        place.parent / record.runs(digest=digest)[0].facts.place / "observations" / "decisions.parquet"
    )
    sex, region, hit = (np.array(rows[name].to_pylist()) for name in ("slice.sex", "slice.region", "prediction"))
    assert len(told["slices"]) == 8
    for one in told["slices"]:
        mine = (sex == one["estimate"]["slice"]["sex"]) & (region == one["estimate"]["slice"]["region"])
        assert one["estimate"]["n"] == mine.sum()
        hits = int(np.isin(hit[mine].astype(str), ["1", "True", "1.0"]).sum())
        assert one["estimate"]["value"] == pytest.approx(hits / mine.sum())
        low, high = wilson(hits, int(mine.sum()), level=0.95 ** (1 / 8))
        assert (one["low_of_all"], one["high_of_all"]) == pytest.approx((float(low), float(high)))
    assert told["level_of_all"] == pytest.approx(0.95 ** (1 / 8))


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("highest", lambda one: -one["estimate"]["value"]), ("lowest", lambda one: one["estimate"]["value"]),
        ("largest", lambda one: -one["estimate"]["n"]), ("name", lambda one: one["name"]),
    ],
)  # fmt: skip
def test_slices_come_in_the_order_that_is_asked_for(client, digest, order, key):
    found = client.get(path(digest, ".json", metric="accuracy", by="region", order=order)).json()["slices"]
    assert found == sorted(found, key=key)
    assert len(found) == 4


def test_pages_say_that_this_is_no_claim(client, digest):
    for query in ({}, {"by": "region", "metric": "accuracy"}):
        page = client.get(path(digest, **query))
        assert page.status_code == 200
        assert Page(page.text).wrong == []
        assert "This is exploring, and not a claim" in page.text
        assert "Slice" in page.text


@pytest.mark.parametrize("query", [{"metric": "x"}, {"by": "x"}, {"across": "<b>"}, {"evaluation": "x"}])
def test_what_a_run_does_not_have_is_refused(client, digest, query):
    assert client.get(path(digest, **query)).status_code == 404


@pytest.mark.parametrize("query", [{"compare": "x"}, {"order": "x"}])
def test_what_is_no_choice_is_refused(client, digest, query):
    assert client.get(path(digest, **query)).status_code == 400


def test_runs_of_hostile_names_and_places_do_no_harm(client, record):
    for one in record.runs(system=NAMES[0]):
        page = client.get(path(one.facts.digest))
        assert page.status_code == 200
        assert Page(page.text).wrong == []
        assert HOSTILE not in page.text


def test_without_its_folder_the_record_alone_is_shown(tmp_path, small):
    with opened(tmp_path, like=small) as desk:
        ada = desk.client()
        before = ada.get(path(desk.digest, ".json", by="hazard", metric="attack_success_rate")).json()
        assert before["level_of_all"] is not None
        shutil.rmtree(desk.folder / "runs")
        after = ada.get(path(desk.digest, ".json", by="hazard", metric="attack_success_rate")).json()
        assert [one["estimate"] for one in after["slices"]] == [one["estimate"] for one in before["slices"]]
        assert after["level_of_all"] is None
        assert "folder" in after["why"]
        crossed = ada.get(path(desk.digest, by="hazard", across="language", metric="attack_success_rate"))
        assert "There is nothing to show" in crossed.text
