"""The slice explorer: what the run recorded, what its rows tell beside, and how many were looked at."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from web_answers import ADA, cases, opened
from web_reader import Page
from web_story import HOSTILE, NAMES, NOW

from shipworthy.api.checking import check
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


def test_the_order_is_said(client, digest):
    said = "The order is that of the better end of each interval"
    query = {"metric": "accuracy", "by": "region"}
    assert said in client.get(path(digest, **query)).text
    assert said not in client.get(path(digest, order="name", **query)).text


def test_what_an_interval_rests_on_is_said_beside_it(tmp_path):
    """Of cases without an outcome the record does not know; the rows do."""
    made, place = tmp_path / "made", ".shipworthy/record.db"
    made.mkdir()
    (made / "cases.jsonl").write_text(cases(60), "utf-8")
    asked = {"suite": "cases.jsonl", "subject": "bot", "trials": 3, "scorers": ["refusal"], "slices": ["hazard"]}
    plan = {
        "system": {"name": "desk", "version": "1"},
        "subjects": {"bot": {"simulated": {"refusal": 1.0, "errors": 0.1, "seed": 3}}},
        "evaluations": {"safety": asked},
        "requirements": [{"id": "SAFE-1", "metric": "attack_success_rate", "at_most": 0.3}],
    }
    (made / "plan.yaml").write_text(json.dumps(plan), "utf-8")
    check(made / "plan.yaml", now=NOW, out=made / "runs" / "first", record=made / place, actor=ADA)
    with opened(tmp_path / "desk", like=made) as desk:
        ada, query = desk.client(), {"metric": "attack_success_rate", "by": "hazard"}
        found = ada.get(path(desk.digest, ".json", **query)).json()["slices"]
        assert len(found) == 2
        for one in found:
            assert re.fullmatch(r"\d+ without an outcome", one["missing"])
            assert one["alike"] == "no hit: a cluster counts once"
        assert "an interval without a hit can be wider than one with" in ada.get(path(desk.digest, **query)).text


def test_tabs_of_answers_stand_only_where_answers_were_asked_for(client, digest, tmp_path, small):
    tabs = {f"{addresses.run(digest)}/{part}" for part in ("transcripts", "label")}
    for address in (addresses.run(digest), path(digest)):
        assert tabs.isdisjoint(Page(client.get(address).text).links)
    with opened(tmp_path, like=small) as desk:
        for address in (addresses.run(desk.digest), path(desk.digest)):
            links = Page(desk.client().get(address).text).links
            assert {f"{addresses.run(desk.digest)}/{part}" for part in ("transcripts", "label")} <= set(links)
