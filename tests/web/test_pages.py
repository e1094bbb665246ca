"""Every page, with everything that it links to: read as a browser reads it, and as JSON against its own schema."""

from __future__ import annotations

import json
import re
import shutil
from datetime import timedelta
from functools import partial
from urllib.parse import urlencode

import pytest
from web_reader import Page
from web_site import served
from web_story import HOSTILE, NAMES, NOW, SCRIPT

from shipworthy.api import risks, tracing
from shipworthy.api.changes import Looking
from shipworthy.api.kpis import kpis, window
from shipworthy.api.recording import open_record
from shipworthy.api.runs import base_of, current
from shipworthy.api.standing import standing
from shipworthy.record.documents import Rating, Scope, Waiver
from shipworthy.web import addresses
from shipworthy.web.guard import POLICY

jsonschema = pytest.importorskip("jsonschema", reason="needs the extra generative")
NAME = "lending-decisions"
PARTS = ("/systems", "/risks", "/waivers", "/sign-offs", "/compare", "/catalogues", "/audit", "/search")


def twin(address: str) -> str:
    path, mark, query = address.partition("?")
    return ("/systems.json" if path == "/" else f"{path}.json") + mark + query


# Reached from answers, packages and runs started here, of which this record has none: their own tests go there.
ELSEWHERE = ("/jobs/", "/runs/{digest}/transcripts/{of}", "/runs/{digest}/packages/{root}", "/openapi.json")


def routes(client) -> set[str]:
    return {route.path for route in client.app.routes if not route.path.startswith(ELSEWHERE)}


def matching(client, address: str) -> str:
    scope = {"type": "http", "method": "GET", "path": client.build_request("GET", address).url.path, "headers": []}
    return next((route.path for route in client.app.routes if route.matches(scope)[0].name == "FULL"), "")


@pytest.fixture(scope="module")
def site(client):
    """Every address that can be reached by links from the first page, with what came back."""
    found, waiting = (
        {},
        ["/", "/systems", "/search?q=women", "/search?q=alert", "/favicon.ico", "/style.css", "/icon.svg"],
    )
    while waiting:
        address = waiting.pop(0).partition("#")[0]
        if not address or address in found:
            continue
        found[address] = client.get(address)
        if found[address].headers["content-type"].startswith("text/html") and not address.endswith("/report"):
            waiting += Page(found[address].text).links
    return found


def pages(site) -> dict[str, object]:
    return {
        address: one
        for address, one in site.items()
        if one.headers["content-type"].startswith("text/html") and not address.endswith("/report")
    }


def test_every_route_is_reached_by_links_alone(site, client):
    reached = {matching(client, address) for address in site} | {
        matching(client, twin(address)) for address in pages(site)
    }
    assert reached == routes(client)


def test_every_page_is_well_formed_inert_and_accessible(site):
    wrong = {address: Page(one.text).wrong for address, one in pages(site).items()}
    assert {address: faults for address, faults in wrong.items() if faults} == {}
    assert len(wrong) > 60


def test_every_link_leads_somewhere(site):
    gone = {address: one.status_code for address, one in site.items() if one.status_code != 200}
    # What a document names and nobody has written has no page; the page says so.
    assert set(gone.values()) <= {404}
    assert all(address.startswith(("/documents/", addresses.system(NAMES[0]) + "/requirements")) for address in gone)
    assert all("WEB001" in site[address].text for address in gone)


def test_every_answer_carries_its_headers(site):
    for address, one in site.items():
        policy = one.headers["content-security-policy"]
        if address.endswith("/report") and one.status_code == 200:
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
            assert "sandbox" in policy
        else:
            assert policy == POLICY
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["referrer-policy"] == "no-referrer"


@pytest.mark.slow
def test_json_twins_validate_against_the_published_schema(site, client):
    schema = client.get("/openapi.json").json()
    looked = 0
    for address, page in pages(site).items():
        answer = client.get(twin(address))
        assert answer.status_code == page.status_code, address
        assert answer.headers["content-type"] == "application/json"
        told = json.loads(answer.text, parse_constant=pytest.fail)
        if answer.status_code != 200:
            assert set(told) == {"faults"}
            continue
        route = matching(client, twin(address))
        body = schema["paths"][route]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(told, {**body, "components": schema["components"]})
        looked += 1
    assert looked > 60


def test_a_page_and_its_twin_come_from_one_call(client):
    address = f"/systems/{NAME}"
    by_address, by_header = client.get(f"{address}.json"), client.get(address, headers={"accept": "application/json"})
    assert by_address.json() == by_header.json()
    assert client.get(address, headers={"accept": "text/html,application/json;q=0.9"}).text.startswith(
        "<!doctype html>"
    )


def test_hostile_names_have_pages_of_their_own(client):
    for name in NAMES:
        told = client.get(addresses.system(name) + ".json").json()
        assert told["system"]["id"] == name
        page = Page(client.get(addresses.system(name)).text)
        assert page.wrong == []


def test_hostile_text_is_shown_and_not_run(client):
    page = client.get("/risks").text
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    shown = Page(client.get(addresses.document("risk", "../R?#/" + SCRIPT)).text).text
    assert "{{7*7}}" in shown  # as it was written, and not what a template makes of it
    assert "\u202e" not in page
    answer = client.get("/search?" + urlencode({"q": HOSTILE}))
    assert Page(answer.text).wrong == []
    assert answer.status_code == 200


def test_the_first_page_says_who_is_fit_and_those_first_that_need_somebody(client):
    told = client.get("/systems.json").json()
    assert [row["name"] for row in told["systems"][:2]] == [NAME, NAMES[0]]
    row = told["systems"][0]
    assert (row["released"], row["open_risks"], row["worst_risk"], row["overdue"]) == ("2026.10", 2, 15, {"risk": 1})
    assert row["fit"]["fit"] == row["newest"]["decision"]
    assert client.get("/systems.json?tier=high").json()["systems"] == [row]
    assert client.get("/systems.json?fit=ship").json()["systems"] == []
    assert "No system is like that" in client.get("/?fit=ship").text


def test_a_system_shows_its_requirements_over_its_runs(client, record):
    told = client.get(f"/systems/{NAME}.json").json()
    assert [one["version"] for one in told["versions"]] == ["2026.06", "2026.08", "2026.10", "2026.11"]
    histories = {one["requirement"]: one for one in told["histories"]}
    assert set(histories) == {"FAIR-1", "FAIR-2", "ACC-1", "ACC-2"}
    for one in histories.values():
        kept = record.verdicts(system=NAME, requirement=one["requirement"])[::-1]
        assert [point["estimate"]["value"] for point in one["points"]] == [v.body["estimate"]["value"] for v in kept]
    assert histories["ACC-1"]["text"] == "At least eight in ten decisions are right"
    assert [one["what"] for one in told["owed"] if one["is_overdue"]] == [
        "treat the risk “Women are refused loans that men are granted”"
    ]
    assert any(one["who"] == "risk" and "sign" in one["what"] for one in told["owed"])


def test_comparison_puts_the_worse_first_and_only_changes_are_loud(client, record):
    first, last = record.runs(system=NAME)[-1].facts.digest, record.runs(system=NAME)[0].facts.digest
    told = client.get("/compare.json", params={"before": first, "after": last}).json()
    back = client.get("/compare.json", params={"before": last, "after": first}).json()
    assert [one["way"] for one in told["pairs"]][0] == "better"
    assert [one["way"] for one in back["pairs"]][0] == "worse"
    assert {one["requirement"]: one["way"] for one in told["pairs"]}["ACC-1"] == "better"
    for one in told["pairs"]:
        changed = one["before"]["verdict"] != one["after"]["verdict"]
        apart = one["before"]["estimate"]["high"] < one["after"]["estimate"]["low"]
        apart |= one["after"]["estimate"]["high"] < one["before"]["estimate"]["low"]
        assert one["is_loud"] == (changed or apart)
    same = client.get("/compare.json", params={"before": last, "after": last}).json()
    assert not any(one["is_loud"] for one in same["pairs"])


def test_trace_follows_a_requirement_and_marks_the_gaps_of_the_command(client, record, place):
    told = client.get(f"/systems/{NAME}/trace.json").json()
    links = {one["requirement"]: one for one in told["links"]}
    fair = links["FAIR-1"]
    assert [[one["id"] for one in fair[key]] for key in ("risks", "mitigations", "waivers")] == [
        ["R-1"],
        ["M-1"],
        ["W-1"] if fair["standing"] == "waived" else [],
    ]
    assert [one["version"] for one in fair["verified_by"]] == ["2026.06"]
    assert [one["id"] for one in told["loose"]] == ["R-2"]
    stand = partial(tracing.stand_of, record, base=base_of(place), now=NOW)
    drawn = tracing.trace_system(record, NAME, stand=stand, today=NOW.date()).as_json()
    assert told["gaps"] == drawn["gaps"]
    assert told["run"]["digest"] == drawn["run"] == record.runs(system=NAME)[0].facts.digest
    assert told["decided"] is None
    on_links = [gap for link in told["links"] for gap in link["gaps"]]
    assert all(gap in told["gaps"] for gap in on_links)
    assert (told["covered"], told["required"]) == (
        len(drawn["controls"]["covered"]), drawn["controls"]["required"]
    )  # fmt: skip
    shown = Page(client.get(f"/systems/{NAME}/trace").text).text
    assert f"{len(told['gaps'])} gaps" in shown
    for gap in told["gaps"]:
        assert gap["gap"][1:60] in shown


@pytest.fixture
def moved_on(place, tmp_path):
    """The same project, whose plan is about the next version by now, and whose worst risk was treated for the worse."""
    shutil.copytree(place.parent.parent, tmp_path / "project")
    plan = tmp_path / "project" / "plan.yaml"
    plan.write_text(plan.read_text().replace('version: "2026.11"', 'version: "2026.12"'))
    here = tmp_path / "project" / ".shipworthy" / "record.db"
    with open_record(here) as record:
        ada = record.person("ada@example.org", "Ada Lovelace")
        risk = record.get("risk", "R-2").document
        worse = Rating(likelihood=5, severity=5, basis="judged")
        told = {"residual": worse, "status": "treated", "treatment": "mitigate", "due": NOW.date() - timedelta(days=1)}
        record.write(ada, NOW, risk.model_copy(update=told))
        yield served(here, record), record, here


def test_a_signature_that_is_stale_for_all_is_stale_on_every_face(moved_on):
    client, record, place = moved_on
    stands = standing(record, current(record, NAME), Looking(base=base_of(place), now=NOW, data=False))
    expected = [(one.document.id, one.state, [change.what for change in one.stale]) for one in stands.signatures]
    assert {state for _, state, _ in expected} == {"stale"}
    assert all("the plan is about version 2026.12 by now, and this is 2026.11" in why for _, _, why in expected)
    for told in (
        client.get("/sign-offs.json", params={"system": NAME}).json()["decisions"][0]["signatures"],
        client.get(f"/systems/{NAME}/trace.json").json()["signatures"],
    ):
        assert [(one["id"], one["state"], one["stale"]) for one in told] == expected
    (decision,) = client.get("/sign-offs.json", params={"system": NAME}).json()["decisions"]
    assert decision["missing"] == list(stands.missing) == ["product", "risk"]
    assert "stale" in Page(client.get(f"/systems/{NAME}/trace").text).text
    later = NOW + timedelta(days=1)
    found = {one.name: one for one in kpis(record, window(None, None, later), base=base_of(place), now=later)}
    assert found["sign-off-validity"].figures[0].value == 0


def test_a_treated_risk_stays_open_and_stands_first_by_what_is_left(moved_on):
    client, record, _ = moved_on
    row = next(one for one in client.get("/systems.json").json()["systems"] if one["name"] == NAME)
    assert (row["open_risks"], row["worst_risk"], row["overdue"]) == (2, 25, {"risk": 2})
    told = client.get(f"/systems/{NAME}.json").json()
    assert [one["id"] for one in told["open_risks"]] == ["R-2", "R-1"]
    assert "accept or close what is left of the risk “Few cases from the islands”" in {
        one["what"] for one in told["owed"]
    }
    listed = [one["id"] for one in client.get("/risks.json").json()["items"]]
    assert listed == [one.id for one in risks.risks(record, today=NOW.date())]
    assert listed[0] == "R-2"
    assert "more than before" in Page(client.get("/risks").text).text


def test_the_log_is_filtered_paged_and_handed_out_byte_for_byte(client, record):
    told = client.get("/audit.json").json()
    assert told["is_checked"]
    assert told["faults"] == []
    assert told["entries"][0]["seq"] == record.size() - 1
    assert told["checkpoints"][0]["origin"] == "example.org/lending/audit"
    below = client.get("/audit.json?below=3").json()["entries"]
    assert [one["seq"] for one in below] == [2, 1, 0]
    waivers = client.get("/audit.json?action=waiver&about=W-1").json()["entries"]
    assert [one["action"] for one in waivers] == ["waiver.update", "waiver.create"]
    assert waivers[0]["by"] == "Bea Okafor"
    assert client.get("/audit/log.jsonl").content == b"".join(line + b"\n" for line in record.log())


def test_coverage_counts_what_was_measured_and_names_what_is_unknown(client):
    told = client.get("/catalogues.json").json()
    nist = next(one for one in told["catalogues"] if one["name"] == "nist-ai-rmf@1.0")
    assert nist["covered"] == ["MEASURE-2.5", "MEASURE-2.11"]
    assert len(nist["covered"]) + len(nist["missing"]) == nist["total"]
    assert client.get("/catalogues.json", params={"system": NAME}).json()["unknown"] == []
    evil = client.get("/catalogues.json", params={"system": NAMES[0]}).json()
    assert evil["runs"] == 1


def test_search_finds_documents_runs_and_requirements(client, record):
    def hits(text):
        return {(one["kind"], one["id"]) for one in client.get("/search.json", params={"q": text}).json()["hits"]}

    run = record.runs(system=NAME)[0].facts
    assert ("risk", "R-1") in hits("SHORTER for women")
    assert ("run", run.digest) in hits(run.run)
    assert ("run", run.digest) in hits(run.version)
    assert hits("FAIR-1") >= {("requirement", "FAIR-1"), ("waiver", "W-1"), ("risk", "R-1")}
    assert hits("no such words") == set()


def test_pages_of_an_empty_record_say_the_next_command(empty):
    for part in PARTS:
        answer = empty.get(part)
        page = Page(answer.text)
        assert (answer.status_code, page.wrong) == (200, []), part
        assert "shipworthy " in page.text.partition("Search")[2].rpartition("Shipworthy")[0] or part == "/search", part
        assert empty.get(part + ".json").status_code == 200


def test_today_is_the_clock_that_was_handed_in(client):
    assert f"{NOW:%Y-%m-%d}" in client.get("/").text


def test_bounds_are_those_of_the_plan_that_each_run_followed(client, record, place, tmp_path):
    """A gap between any two has no direction, which the record alone does not say; another plan's bound is not lent."""
    told = client.get(f"/systems/{NAME}.json").json()
    good = {one["requirement"]: one["points"][-1]["good"] for one in told["histories"]}
    assert good == {"FAIR-1": [-0.05, 0.05], "FAIR-2": [0.8, 1.25], "ACC-1": [0.8, None], "ACC-2": [0.72, None]}
    from shipworthy.api import pages
    from shipworthy.api.pages import Library, measured

    library = Library(record=record, place=place)
    stricter = {
        id: one.model_copy(update={"at_most": 0.01} if id == "FAIR-1" else {})
        for id, one in pages.promises(library, record.runs(system=NAME)[0]).items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured, "promises", lambda *given: stricter)
        found = {one.requirement: one.points[-1] for one in pages.histories(library, NAME, today=NOW.date())[0]}
    assert (found["FAIR-1"].good, found["FAIR-1"].text) == ((None, 0.05), "")
    assert found["FAIR-2"].good == (0.8, 1.25)


def test_a_history_is_drawn_to_its_axis():
    from shipworthy.charts.axis import axis
    from shipworthy.charts.history import History, Moment, history
    from shipworthy.present.verdicts import BREACHED, MET, UNDECIDED

    moments = (
        Moment(name="1", text="t", value=0.25, low=0.0, high=0.5, mark=BREACHED),
        Moment(name="2", text="t", value=None, low=None, high=None, mark=UNDECIDED),
        Moment(name='<3 "x', text="t", value=1.0, low=0.75, high=None, mark=MET),
    )
    drawn = history(
        History(title="T", axis=axis([0, 1]), moments=moments, bounds=(0.5, None)), labels=[(0.5, "<half>")]
    )
    assert '<line class="bound" x2="100%" y1="50%" y2="50%"/>' in drawn
    assert '<rect class="wrong" y="50%" width="100%" height="50%"/>' in drawn  # below the bound
    assert '<line class="whisker" x1="16.6667%" x2="16.6667%" y1="100%" y2="50%"/>' in drawn
    assert 'x1="83.3333%" x2="83.3333%" y1="25%" y2="0%"' in drawn  # no upper limit: to the end of the axis
    assert drawn.count('class="whisker"') == 2
    assert "<3" not in drawn
    assert "<half>" not in drawn


def test_the_page_of_a_signature_says_that_it_is_stale_and_leads_to_its_run(moved_on):
    site, record, _ = moved_on
    signed = site.get("/sign-offs.json").json()["decisions"]
    stale = next(one for each in signed for one in each["signatures"] if one["state"] == "stale")
    told = site.get(f"/documents/sign-off/{stale['id']}.json").json()
    assert told["newest"]["state"] == "stale"
    assert told["because"] == stale["stale"]
    page = site.get(f"/documents/sign-off/{stale['id']}").text
    assert "Stale" in page
    assert stale["stale"][0][1:40] in page
    assert [one["digest"] for one in told["runs"]] == [record.runs(system=NAME, limit=1)[0].facts.digest]
    assert addresses.run(told["runs"][0]["digest"]) in Page(page).links
    waiver = site.get("/documents/waiver/W-1.json").json()
    assert [(one["system"], one["version"]) for one in waiver["runs"]] == [(NAME, "2026.11")]


def test_a_requirement_that_is_waived_after_its_run_is_waived_on_every_face_and_the_run_keeps_its_verdict(moved_on):
    site, record, _ = moved_on
    run = record.runs(system=NAME, limit=1)[0].facts
    open_one = next(one for one in record.verdicts(run=run.digest) if one.verdict != "met" and not one.body["waiver"])
    ada, bea = record.person("ada@example.org", "Ada Lovelace"), record.person("bea@example.org", "Bea Okafor")
    asked = Waiver(
        id="W-9", system=NAME, tier="high", requirement=open_one.requirement, reason="Later.", control="People read.",
        requester=ada, starts=NOW.date(), ends=NOW.date() + timedelta(days=9), scope=Scope(version=run.version),
    )  # fmt: skip
    record.write(ada, NOW, asked)
    assert _standings(site)[open_one.requirement] == open_one.verdict
    record.write(bea, NOW, asked.model_copy(update={"status": "approved", "approvers": (bea,)}))
    assert _standings(site)[open_one.requirement] == "waived"
    told = site.get(f"/runs/{run.digest}.json").json()
    assert {one["requirement"]: one["verdict"] for one in told["verdicts"]}[open_one.requirement] == open_one.verdict
    assert told["since"] == {open_one.requirement: {"waiver": "W-9", "until": str(asked.ends)}}
    assert "waived since by W-9" in Page(site.get(f"/runs/{run.digest}").text).text


def _standings(site):
    """How each requirement stands today: the page of the system and the trace say the same."""
    said = {one["requirement"]: one for one in site.get(f"/systems/{NAME}.json").json()["histories"]}
    traced = {one["requirement"]: one["standing"] for one in site.get(f"/systems/{NAME}/trace.json").json()["links"]}
    assert {name: one["standing"] for name, one in said.items()} == traced
    for name, word in traced.items():
        lead = Page(site.get(f"/systems/{NAME}/requirements/{name}").text).text
        assert (f"{word} by W-9" if word == "waived" else word) in lead
    return traced


@pytest.mark.parametrize("register", ["risks", "mitigations", "incidents", "waivers", "sign-offs", "catalogues"])
def test_a_register_of_a_system_that_is_not_there_is_not_there(client, register):
    assert client.get(f"/{register}", params={"system": "nix"}).status_code == 404


def test_navigation_of_one_page_is_told_apart(client):
    for address in ("/sign-offs", f"/systems/{NAME}"):
        labels = re.findall('<nav[^>]* aria-label="([^"]*)"', client.get(address).text)
        assert len(set(labels)) == len(labels), address
