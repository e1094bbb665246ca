"""Labelling on the pages: by several raters at once, blind, into the file that a check reads and into the record."""

from __future__ import annotations

import csv
import re
import threading

import pytest
from web_answers import ADA, BEA, opened
from web_reader import Page

from shipworthy.api.checking import check
from shipworthy.api.labelling import propose
from shipworthy.api.sittings import BATCH, pseudonym
from shipworthy.observations.labels import COLUMNS
from shipworthy.web import addresses


@pytest.fixture
def room(tmp_path, small):
    with opened(tmp_path, like=small) as found:
        yield found


def path(desk, **query):
    return addresses.with_query(f"{addresses.run(desk.digest)}/label", **query)


def form(page):
    """The fields of the form of a page, without the label."""
    found = dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', page.text))
    assert found["csrf"]
    return found


def give(client, desk, label, /, *, page=None, **changed):
    fields = form(page or client.get(path(desk))) | {"label": label} | changed
    return client.post(path(desk), data=fields)


def rows(desk):
    with (desk.folder / "labels" / "harm.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_rater_labels_one_answer_after_the_other(room):
    ada = room.client()
    before, seen = len(rows(room)), []
    for label in ("harmful", "harmless", "skip"):
        page = ada.get(path(room))
        assert Page(page.text).wrong == []
        seen.append(form(page)["case"])
        answer = give(ada, room, label, page=page)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(path(room))
    assert len(set(seen)) == 3
    new = rows(room)[before:]
    assert [one["label"] for one in new] == ["harmful", "harmless", "skip"]
    assert len({one["rater"] for one in new}) == 1
    assert re.fullmatch("person:[0-9a-f]{16}", new[0]["rater"])
    kept = room.record.labels(run=room.digest)
    assert [(one.case, one.label) for one in kept] == list(zip(seen[:2], ("harmful", "harmless"), strict=True))
    assert {pseudonym(one.rater) for one in kept} == {new[0]["rater"]}
    assert room.record.verify().faults == ()


def test_the_count_of_labels_grows_with_each(room):
    ada = room.client()
    began = ada.get(path(room).replace("/label", "/label.json")).json()["labelled"]
    for n, label in enumerate(("harmful", "skip", "harmless")):
        give(ada, room, label)
        told = ada.get(path(room).replace("/label", "/label.json")).json()
        assert told["labelled"] - began == (1, 1, 2)[n]


def test_a_program_labels_as_the_page_does(room):
    ada, before = room.client(), len(rows(room))
    token = {"x-csrf-token": form(ada.get(path(room)))["csrf"]}
    shown = ada.get(f"{addresses.run(room.digest)}/label.json").json()
    said = {key: shown["answer"][key] for key in ("case", "attack", "trial", "version", "response")}
    whole = {**shown["judge"], **said, "label": "harmful"}
    for body in (
        {**whole, "trial": "0"},
        {**whole, "mine": 1},
        {key: whole[key] for key in said},
        {**whole, "label": ""},
    ):
        answer = ada.post(f"{addresses.run(room.digest)}/label.json", json=body, headers=token)
        assert (answer.status_code, answer.json()["faults"][0]["code"]) == (400, "WEB024")
    assert ada.post(f"{addresses.run(room.digest)}/label.json", json=whole).status_code == 403
    assert len(rows(room)) == before
    answer = ada.post(f"{addresses.run(room.digest)}/label.json", json=whole, headers=token)
    assert answer.status_code == 200
    assert answer.json()["mine"] == 1
    assert answer.json()["answer"]["case"] != said["case"]
    assert [one["label"] for one in rows(room)[before:]] == ["harmful"]
    assert "label" in ada.get("/openapi.json").json()["paths"]["/runs/{digest}/label.json"]["post"]["operationId"]


def test_neither_the_judge_nor_others_are_shown_before_ones_own_word(room):
    ada, bea = room.client(ADA), room.client(BEA)
    give(ada, room, "harmful")
    page = bea.get(path(room, second="true"))
    told = bea.get(path(room).replace("/label", "/label.json"), params={"second": "true"}).json()
    assert told["answer"] is not None
    assert told["agreed"] == []
    assert set(told["answer"]) == {"case", "attack", "trial", "version", "response", "turns", "redacted"}
    assert " checked" not in page.text.partition("<fieldset")[2].partition("</fieldset")[0]
    assert "people say" not in page.text.lower()


def test_the_page_can_be_used_with_the_keyboard_alone(room):
    page = room.client().get(path(room)).text
    assert re.findall(r'type="radio" name="label" value="([a-z]+)" accesskey="([a-z])"', page) == [
        ("harmful", "y"), ("harmless", "n"), ("skip", "s"),
    ]  # fmt: skip
    assert page.count("autofocus") == 1
    assert "access key y" in page  # which keys go with it, the browser decides: y alone does nothing
    assert "Harmful: the answer helps" in page
    assert "<script" not in page


def test_who_chooses_nothing_sees_the_same_answer_again_and_what_to_do(room):
    ada = room.client()
    shown = ada.get(path(room)).text
    for label in ("", None):
        answer = give(ada, room, "harmful", label=label)
        case = re.search(r'name="case" value="([^"]*)"', shown)[0]
        assert (answer.status_code, case in answer.text) == (400, True)
        assert 'href="#f-label"' in answer.text
        assert "Choose one of the labels" in answer.text.partition('id="f-label-wrong"')[2].partition("</fieldset>")[0]
    give(ada, room, "harmful")
    answer = give(ada, room, "", page=ada.get(path(room, back="true")))
    assert re.search(r'value="harmful"[^>]*checked', answer.text)  # it was the last one, and still is


def test_the_last_label_can_be_changed(room):
    ada = room.client()
    give(ada, room, "harmful")
    page = ada.get(path(room, back="true"))
    assert re.search(r'value="harmful"[^>]*checked', page.text)
    give(ada, room, "harmless", page=page)
    (kept,) = room.record.labels(run=room.digest)
    assert kept.label == "harmless"
    assert ada.get(path(room).replace("/label", "/label.json")).json()["mine"] == 1


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"label": "dangerous"}, 400, "LABEL007"),
        ({"response": "0" * 16}, 400, "LABEL008"),
        ({"case": "nobody"}, 404, "WEB001"),
        ({"trial": "x"}, 400, "WEB024"),
        ({"scorer": "other"}, 404, "WEB001"),
        ({"csrf": "guess"}, 403, "WEB012"),
        ({"label": ""}, 400, "f-label-wrong"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_written(room, changed, status, code):
    before = rows(room)
    answer = give(room.client(), room, "harmful", **changed)
    assert answer.status_code == status
    assert code in answer.text
    assert rows(room) == before
    assert room.record.labels(run=room.digest) == ()


def test_nobody_labels_without_a_name(room):
    answer = give(room.client(None), room, "harmful")
    assert answer.status_code == 403
    assert "WEB025" in answer.text


def test_two_raters_at_once_lose_no_label(room):
    (room.folder / "labels" / "harm.csv").unlink()
    gone = []

    def sit(client):
        try:
            for n in range(BATCH):
                assert give(client, room, ("harmful", "harmless")[n % 2]).status_code == 303
        except Exception as error:  # told by the main thread
            gone.append(error)

    raters = [threading.Thread(target=sit, args=(room.client(one),)) for one in (ADA, BEA)]
    for one in raters:
        one.start()
    for one in raters:
        one.join()
    assert gone == []
    text = (room.folder / "labels" / "harm.csv").read_text()
    assert text.count(",".join(COLUMNS)) == 1
    given = rows(room)
    assert len(given) == 2 * BATCH
    assert all(one["label"] in ("harmful", "harmless") and len(one["response"]) == 16 for one in given)
    assert len(room.record.labels(run=room.digest)) == 2 * BATCH
    assert room.record.verify().faults == ()


@pytest.mark.slow
def test_labels_of_the_pages_correct_the_judge_in_the_next_check(room):
    ada = room.client()
    for _ in range(6):
        give(ada, room, "harmless")
    again = check(room.folder / "shipworthy.yaml", out=room.folder / "runs" / "second", fresh=True)
    (card,) = [one for one in again.judges if one.scorer == "harm" and not one.slice and one.variant is None]
    assert card.labelled == 6 + 6
    assert propose(
        room.folder / "runs" / "first", labels=room.folder / "labels" / "harm.csv", rater="x", count=3
    ).labelled == 12  # fmt: skip


def test_agreement_has_an_interval_once_two_have_labelled(room):
    ada, bea = room.client(ADA), room.client(BEA)
    for n in range(8):
        give(ada, room, ("harmful", "harmless")[n % 2])
    for n in range(8):
        page = bea.get(path(room, second="true"))
        give(bea, room, "harmful" if n == 0 else "harmless", page=page)
    told = bea.get(path(room).replace("/label", "/label.json"), params={"second": "true"}).json()
    names = [one["name"] for one in told["agreed"]]
    assert names[:2] == ["Same label", "AC1"]
    assert all(one["low"] <= one["value"] <= one["high"] and one["items"] >= 2 for one in told["agreed"])
    assert "How people agree" in bea.get(path(room, second="true")).text


def test_labels_outside_of_the_project_are_not_written(room, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (room.folder / "labels" / "harm.csv").unlink()
    (room.folder / "labels").rmdir()
    (room.folder / "labels").symlink_to(elsewhere)
    answer = room.client().get(path(room))
    assert answer.status_code == 400
    assert "LABEL009" in answer.text
    assert list(elsewhere.iterdir()) == []
