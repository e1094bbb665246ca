"""Answers of a run: found, paged, read; whatever they say, they do nothing, and what must not spread is taken out."""

from __future__ import annotations

import html
import shutil
from urllib.parse import quote

import pytest
from web_answers import ANSI, BIDI, opened
from web_reader import Page

from shipworthy.api.transcripts import PAGE
from shipworthy.errors import Unusable
from shipworthy.web import addresses


@pytest.fixture(scope="module")
def ada(desk):
    return desk.client()


@pytest.fixture
def at(desk):
    def address(part="", **query):
        return addresses.with_query(f"{addresses.run(desk.digest)}/transcripts{part}", **query)

    return address


def answer(case, **query):
    return addresses.with_query(f"/safety/{case}/none/0", **query)


def test_the_list_pages_through_every_answer_once(ada, at):
    first = ada.get(at(".json")).json()
    assert (first["total"], first["matching"], first["evaluations"]) == (60, 60, ["safety"])
    seen = []
    for page in (1, 2, 3):
        told = ada.get(at(".json", page=page)).json()
        seen += [one["case"] for one in told["lines"]]
        assert told["has_more"] is (page < 3)
    assert len(first["lines"]) == PAGE
    assert sorted(seen) == sorted(f"c{n}" for n in range(60))


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ({"hazard": "S1"}, lambda one: int(one["case"][1:]) % 2 == 0),
        ({"language": "de", "hazard": "S2"}, lambda one: int(one["case"][1:]) % 6 == 3),
        ({"said": "refusal=full"}, lambda one: {e["scorer"]: e["word"] for e in one["said"]}.get("refusal") == "full"),
        ({"said": "harm=yes"}, lambda one: {e["scorer"]: e["word"] for e in one["said"]}.get("harm") == "yes"),
        ({"people": "labelled"}, lambda one: 10 <= int(one["case"][1:]) < 16),
        ({"people": "harm=yes"}, lambda one: one["case"] in ("c10", "c15")),
        ({"text": "first PART"}, lambda one: int(one["case"][1:]) % 5 == 0 and int(one["case"][1:]) > 6),
        ({"text": "c41"}, lambda one: one["case"] == "c41"),
        ({"status": "nonsense"}, lambda one: False),
    ],
)  # fmt: skip
def test_a_filter_shows_what_holds_and_nothing_else(ada, at, query, holds):
    everything = [one for page in (1, 2, 3) for one in ada.get(at(".json", page=page)).json()["lines"]]
    wanted = {one["case"] for one in everything if holds(one)}
    told = ada.get(at(".json", **query)).json()
    assert told["matching"] == len(wanted)
    assert {one["case"] for one in told["lines"]} <= wanted
    assert len(told["lines"]) == min(len(wanted), PAGE)
    assert Page(ada.get(at(**query)).text).wrong == []


def test_a_disagreement_is_where_people_say_otherwise(ada, at):
    labelled = ada.get(at(".json", people="labelled")).json()["lines"]
    apart = {
        one["case"] for one in labelled for each in one["said"] if each["people"] and each["people"] != each["word"]
    }
    assert {one["case"] for one in ada.get(at(".json", people="differ")).json()["lines"]} == apart
    counts = {one["value"]: one["count"] for one in ada.get(at(".json")).json()["choices"]["people"]}
    assert (counts["labelled"], counts["unlabelled"], counts["differ"]) == (6, 54, len(apart))


def test_every_answer_has_an_address_and_is_inert(ada, at):
    for n in range(12):
        page = ada.get(at(answer(f"c{n}")))
        assert page.status_code == 200
        assert len(page.content) < 300_000
        assert Page(page.text).wrong == []
        assert "<script" not in page.text
        assert not set(page.text) & set("\x1b\x9b\x07\u202e\u2066\ud83d")
    text = ada.get(at(answer("c0"))).text
    assert html.escape("<script>document.title=", quote=False) in text
    assert ANSI not in ada.get(at(".json")).text
    assert BIDI not in ada.get(at()).text


def test_personal_data_is_taken_out_of_page_and_twin(ada, at):
    for address in (at(answer("c3")), at("/safety/c3/none/0.json"), at(), at(".json")):
        text = ada.get(address).text
        assert "maria.lopez" not in text
        assert "4111 1111" not in text
    assert "[e-mail address]" in ada.get(at(answer("c3"))).text


def test_a_long_answer_is_cut_and_says_so(ada, at):
    told = ada.get(at("/safety/c6/none/0.json")).json()
    last = told["turns"][-1]
    assert sum(map(len, last["lines"])) <= 20_000
    assert last["cut"] > 100_000


def test_turns_before_the_last_are_folded(ada, at):
    page = ada.get(at(answer("c7"))).text
    assert "<details><summary>" in page
    assert "earlier turns" in page
    assert "<details><summary>" not in ada.get(at(answer("c8"))).text


def test_answers_before_and_after_are_of_the_same_filter(ada, at):
    told = ada.get(at("/safety/c10/none/0.json", hazard="S1", people="labelled")).json()
    assert told["before"] is None
    assert told["after"]["case"] == "c12"
    page = ada.get(at(answer("c10", hazard="S1", people="labelled"))).text
    assert "people=labelled" in page


@pytest.mark.parametrize("part", ["/safety/none/none/0", "/other/c1/none/0", "/safety/c1/none/7", "/safety/c1/x/0"])
def test_what_is_not_there_has_no_page(ada, at, part):
    assert ada.get(at(part)).status_code == 404
    assert ada.get(at(evaluation="other")).status_code == 404
    assert ada.get(at(version="other")).status_code == 404


@pytest.mark.parametrize("text", ["'; DROP TABLE answers; --", "$version", "\0", "%", "\ud83d", "x" * 3000, "{{7*7}}"])
def test_what_is_searched_for_is_never_a_query(ada, at, text):
    for query in ({"text": text}, {"said": text}, {"people": text}, {"hazard": text}, {"said": f"harm={text}"}):
        address = at() + "?" + "&".join(f"{key}={quote(value, errors='surrogatepass')}" for key, value in query.items())
        assert ada.get(address).status_code in (200, 400)
    assert ada.get(at(".json")).json()["total"] == 60


def test_a_run_without_answers_says_so(client, record):
    digest = record.runs(system="lending-decisions", limit=1)[0].facts.digest
    page = client.get(f"{addresses.run(digest)}/transcripts")
    assert page.status_code == 200
    assert "asked nobody" in page.text
    assert Page(page.text).wrong == []


def test_changed_rows_are_not_shown(tmp_path, small):
    with opened(tmp_path, like=small) as desk:
        ada, path = desk.client(), f"{addresses.run(desk.digest)}/transcripts"
        assert ada.get(path).status_code == 200
        rows = desk.folder / "runs" / "first" / "observations" / "safety.parquet"
        kept = tmp_path / "kept.parquet"
        shutil.copy(rows, kept)
        data = bytearray(rows.read_bytes())
        data[len(data) // 2] ^= 1
        rows.write_bytes(data)
        page = ada.get(path)
        assert "was changed after it was written" in page.text
        assert ada.get(f"{path}/safety/c1/none/0").status_code == 404
        rows.unlink()
        rows.symlink_to(kept)
        assert "leads elsewhere" in ada.get(path).text
        rows.unlink()
        shutil.copy(kept, rows)
        assert ada.get(f"{path}/safety/c1/none/0").status_code == 200


def test_the_error_names_its_code(desk):
    from shipworthy.api.transcripts import Place, Shelf, Wanted, transcript_page

    with pytest.raises(Unusable) as raised:
        transcript_page(
            Shelf(desk.library), desk.digest, Place(case="x", attack="none", trial=0), Wanted(evaluation="safety")
        )
    assert raised.value.faults[0].code == "WEB001"
