"""Whatever can be written by the pages: by form and by JSON as by the API, and nothing that should not be."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace
from urllib.parse import unquote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_desk import ADA, BEA, CID, NAME, desk_of
from web_reader import Page
from web_story import HOSTILE, NAMES, NOW

from shipworthy.api import incidents, mitigations, risks, signing, systems, waivers
from shipworthy.api.checking import check
from shipworthy.errors import Unusable
from shipworthy.gates.tiers import Intake
from shipworthy.web import addresses
from shipworthy.web.app import ACTS
from shipworthy.web.forms import signing as form_of_signing
from shipworthy.web.forms.fields import Choice, Field, Wrong
from shipworthy.web.sending import MOST_BYTES

RISK = {"system": NAME, "title": "Refusals rise", "cause": "A shift in who applies.", "harm": "People get no credit.",
        "likelihood": 3, "severity": 4}  # fmt: skip
INTAKE = {
    "name": "chat-help", "purpose": "Answers customers.", "output": "content", "exposure": "customers",
    "autonomy": "alone", "affected": ["consumers", "minors"], "banned_practice": False, "safety_component": False,
    "areas": [], "profiling": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def only(place, tmp_path_factory):
    with desk_of(place, tmp_path_factory.mktemp("desk") / "project") as found:
        yield found


@pytest.fixture
def desk(only):
    """A desk with the record as it was at first."""
    only.reset()
    yield only
    only.reset()


@pytest.fixture
def shared(only):
    """A desk for tests that write nothing, which each of them has to show."""
    return only


def newest(desk):
    return desk.record.runs(system=NAME)[0].facts


def as_form(body):
    """A JSON body as the fields of a form."""
    told = {}
    for key, value in body.items():
        if isinstance(value, bool):
            told[key] = ("yes" if value else "no") if key not in ("any_version",) else ("yes" if value else None)
        elif isinstance(value, list):
            is_many = key == "others" or (key in ("affected", "areas", "exits") and "purpose" in body)
            told[key] = value if is_many else "\n".join(value)
        else:
            told[key] = None if value is None else str(value)
    return told


def content(document):
    return document.model_dump(mode="json")


WANTED = {"requirement": "FAIR-2", "reason": "It ships in December.", "control": "A person reads each refusal.",
          "ends": "2026-12-24", "slice": ["sex=female"], "any_version": True}  # fmt: skip


def _waiver(record, run):
    wanted = waivers.Wanted(
        requirement="FAIR-2", reason="It ships in December.", control="A person reads each refusal.",
        ends=date(2026, 12, 24), slice={"sex": "female"}, any_version=True,
    )  # fmt: skip
    return waivers.request(record, run, wanted, actor=BEA, now=NOW)


# What is done -> who, the address, the body, and the same by the API.
SAME = {
    "system-add": (BEA, "/intake", INTAKE, lambda r: systems.intake(r, Intake.model_validate({**INTAKE, "affected": ("consumers", "minors"), "areas": ()}), actor=BEA, now=NOW).system),
    "risk-add": (BEA, "/risks/new", {**RISK, "affected": ["women", "men"], "owner": "credit-risk", "due": "2026-12-01", "requirements": ["FAIR-1"], "taxonomy": ["owasp-llm@2025:LLM01"]},
                 lambda r: risks.add(r, **{**RISK, "affected": ["women", "men"], "owner": "credit-risk", "due": date(2026, 12, 1), "requirements": ["FAIR-1"], "taxonomy": ["owasp-llm@2025:LLM01"]}, actor=BEA, now=NOW)),
    "risk-edit": (BEA, "/documents/risk/R-2/edit", {"version": 1, "title": "Few cases", "severity": 4}, lambda r: risks.update(r, "R-2", {"title": "Few cases"}, severity=4, actor=BEA, now=NOW)),
    "risk-treat": (BEA, "/documents/risk/R-2/treat", {"version": 1, "treatment": "mitigate", "likelihood": 1, "severity": 3, "why": "Fewer."},
                   lambda r: risks.treat(r, "R-2", "mitigate", likelihood=1, severity=3, why="Fewer.", due=None, actor=BEA, now=NOW)),
    "risk-accept": (BEA, "/documents/risk/R-1/accept", {"version": 1, "why": "It is small.", "review": "2027-01-01"},
                    lambda r: risks.accept(r, "R-1", why="It is small.", review=date(2027, 1, 1), actor=BEA, now=NOW)),
    "risk-close": (BEA, "/documents/risk/R-1/close", {"version": 1, "why": "Retired."}, lambda r: risks.close(r, "R-1", why="Retired.", actor=BEA, now=NOW)),
    "risk-measure": (BEA, "/documents/risk/R-2/measure", {"version": 1, "run": "RUN", "requirement": "ACC-1", "side": "residual", "severity": None},
                     lambda r: risks.measure(r, "R-2", r.runs(system=NAME)[0].facts.digest, "ACC-1", side="residual", actor=BEA, now=NOW).risk),
    "mitigation-add": (BEA, "/mitigations/new", {"system": NAME, "title": "More data", "what": "Collect on the islands.", "risks": ["R-2"], "requirements": ["ACC-2"], "due": "2026-12-01", "owner": ""},
                       lambda r: mitigations.add(r, system=NAME, title="More data", what="Collect on the islands.", risks=["R-2"], requirements=["ACC-2"], due=date(2026, 12, 1), actor=BEA, now=NOW)),
    "mitigation-edit": (BEA, "/documents/mitigation/M-1/edit", {"version": 1, "what": "Other thresholds.", "status": "implemented"},
                        lambda r: mitigations.update(r, "M-1", {"what": "Other thresholds.", "status": "implemented"}, actor=BEA, now=NOW)),
    "waiver-request": (BEA, "/runs/RUN/waive", WANTED, lambda r: _waiver(r, r.runs(system=NAME)[0].facts.digest)),
    "waiver-approve": (BEA, "/documents/waiver/W-2/approve", {"version": 1}, lambda r: waivers.answer(r, "W-2", "approve", actor=BEA, now=NOW)),
    "waiver-refuse": (BEA, "/documents/waiver/W-2/refuse", {"version": 1}, lambda r: waivers.answer(r, "W-2", "refuse", actor=BEA, now=NOW)),
    "waiver-withdraw": (ADA, "/documents/waiver/W-1/withdraw", {"version": 2}, lambda r: waivers.answer(r, "W-1", "withdraw", actor=ADA, now=NOW)),
    "sign-withdraw": (BEA, "/documents/sign-off/S-1/withdraw", {"version": 1}, lambda r: signing.withdraw(r, "S-1", actor=BEA, now=NOW)),
    "incident-open": (BEA, "/incidents/new", {"system": NAME, "title": "Twice", "severity": "high", "what": "Scored twice.", "detected": "2026-11-20T08:00", "harms": ["delay"], "reportable": "general", "risks": ["R-1"], "owner": ""},
                      lambda r: incidents.open_incident(r, system=NAME, title="Twice", severity="high", what="Scored twice.", detected=NOW.replace(day=20, hour=8, minute=0), harms=["delay"], reportable="general", risks=["R-1"], actor=BEA, now=NOW)),
    "incident-edit": (BEA, "/documents/incident/I-1/edit", {"version": 1, "cause": "A queue delivered twice.", "severity": "low", "note": "Found it."},
                      lambda r: incidents.update(r, "I-1", {"cause": "A queue delivered twice.", "severity": "low"}, event="Found it.", actor=BEA, now=NOW)),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_an_act_ends_in_the_same_document_and_line_of_the_log(desk, name):
    actor, address, body, by_api = SAME[name]
    ends = {}
    for way in ("form", "json", "api"):
        desk.reset()
        run, lines = newest(desk).digest, desk.record.size()
        told = {key: run if value == "RUN" else value for key, value in body.items()}
        to = address.replace("RUN", addresses.segment(run))
        if way == "api":
            written = by_api(desk.record)
        elif way == "json":
            answer = desk.send_json(actor, to, told)
            assert answer.status_code in (200, 201), answer.text
            written = answer.json()
        else:
            start = desk.get(actor, f"{to}.json").json()["values"]
            answer = desk.send(actor, to, **as_form({**start, **told}))
            assert answer.status_code == 303, Page(answer.text).text
            page = desk.get(actor, answer.headers["location"])
            assert (page.status_code, Page(page.text).wrong) == (200, [])
            kind = next(one.writes for one in ACTS if one.name == name).model_fields["kind"].default
            about = re.search(r"([^/]+)$", answer.headers["location"])[1]
            written = desk.record.get(kind, addresses.named(about)).document
        # People are commitments with a salt of their own: in each copy a new one for whoever is new.
        text = json.dumps(written if isinstance(written, dict) else content(written), sort_keys=True)
        who = {one: person.email for one, person in desk.record.people().items()}
        for one, email in who.items():
            text = text.replace(one, str(email))
        action, thing, by = desk.head()
        ends[way] = text, action, thing, who[by], desk.record.size() - lines
    assert ends["form"] == ends["api"]
    assert ends["json"] == ends["api"]
    assert ends["api"][3] in actor


def test_a_signature_says_what_it_covers_and_is_given_in_a_second_step(desk):
    run = newest(desk)
    address = addresses.run(run.digest) + "/sign"
    word = {"role": "risk", "verdict": "approve"}
    before = desk.record.size()
    page = desk.send(BEA, address, **word)
    read = Page(page.text)
    assert (page.status_code, read.wrong) == (200, [])
    assert desk.record.size() == before  # nothing is written yet
    looking = signing.Looking(base=desk.place.parent, now=NOW)
    proposal = signing.propose(desk.record, run.digest, signing.Word(**word), actor=BEA, looking=looking)
    bound = proposal.signoff.bindings
    for shown in (proposal.signoff.statement, bound.decision, bound.evidence, bound.policy, run.digest, *proposal.stale_if,
                  "Women are refused loans", *(one.digest for one in bound.waivers)):  # fmt: skip
        assert shown in read.text
    seal = re.search(r'name="seal" value="(sha256:[0-9a-f]{64})"', page.text)[1]
    again = desk.send(BEA, address, **word, seal=seal, send="again")
    assert (again.status_code, "may be left open" in again.text, desk.record.size()) == (200, True, before)
    other = desk.send(BEA, address, **{**word, "role": "legal"}, seal=seal)  # the seal is of another proposal
    assert (other.status_code, "WEB027" in other.text or "no longer what was shown" in other.text) == (409, True)
    assert desk.record.size() == before
    done = desk.send(BEA, address, **word, seal=seal)
    assert done.status_code == 303
    signed = desk.record.get("sign-off", addresses.named(unquote(done.headers["location"].rpartition("/")[2]))).document
    assert content(signed) == content(proposal.signoff)
    assert desk.head()[0] == "sign-off.sign"


def test_a_signature_is_refused_once_anything_has_changed_since_it_was_shown(desk):
    address = addresses.run(newest(desk).digest) + "/sign"
    word = {"role": "risk", "verdict": "approve"}
    shown = desk.send_json(BEA, address, word)
    assert (shown.status_code, set(shown.json())) == (200, {"proposal", "seal"})
    risks.add(desk.record, **RISK, actor=ADA, now=NOW)  # what is left is part of what is signed
    late = desk.send_json(BEA, address, {**word, "seal": shown.json()["seal"]})
    assert (late.status_code, late.json()["faults"][0]["code"]) == (409, "WEB027")
    assert late.json()["seal"] != shown.json()["seal"]
    assert "Refusals rise" in json.dumps(late.json()["proposal"])
    done = desk.send_json(BEA, address, {**word, "seal": late.json()["seal"]})
    assert (done.status_code, done.json()["role"]) == (201, "risk")
    assert desk.send_json(ADA, address, word).status_code == 409  # who prepared it does not approve it


def test_runs_of_one_version_are_ticked_and_signed_together(desk):
    project = desk.place.parents[1]
    check(project / "plan.yaml", now=NOW - timedelta(hours=1), out=project / "again", record=desk.place, actor=CID)
    run, other = (one for one in desk.record.runs(system=NAME)[:2])
    run = run.facts
    assert run.version == other.facts.version
    address = addresses.run(run.digest) + "/sign"
    form = desk.get(BEA, address).text
    assert f'type="checkbox" name="others" value="{other.facts.digest}"' in form
    word = {"role": "risk", "verdict": "reject", "others": [other.facts.digest]}
    client, csrf = desk.person(BEA)
    page = desk.shown(client.post(address, data={"csrf": csrf, **word}))
    read = Page(page.text)
    assert (page.status_code, read.wrong) == (200, [])
    for shown in ("the worst of whose decisions counts", run.digest, other.facts.digest):
        assert shown in read.text
    by_json = desk.send_json(BEA, address, word).json()
    seal = re.search(r'name="seal" value="(sha256:[0-9a-f]{64})"', page.text)[1]
    assert (by_json["seal"], len(by_json["proposal"]["runs"])) == (seal, 2)
    done = client.post(address, data={"csrf": csrf, **word, "seal": seal})
    assert done.status_code == 303
    decision = by_json["proposal"]["decision"]["id"]
    assert desk.record.get("decision", decision).document.runs == (run.digest, other.facts.digest)
    # From the page of the other run it is the same decision, whose runs are ticked already.
    back = addresses.run(other.facts.digest) + "/sign"
    assert desk.get(BEA, f"{back}.json").json()["values"]["others"] == [run.digest]
    again = desk.send_json(BEA, back, {**word, "others": [run.digest]}).json()["proposal"]
    assert again["decision"]["id"] == decision
    assert again["signoff"]["id"].endswith(":2")
    alone = desk.send_json(BEA, back, {**word, "others": []})
    assert (alone.status_code, alone.json()["faults"][0]["code"]) == (400, "GOVERN002")  # the wider one is newer
    for one in (run.digest, other.facts.digest):
        assert "rests on 2 runs" in Page(desk.get(BEA, addresses.run(one)).text).text
        told = desk.get(BEA, f"{addresses.run(one)}.json").json()
        assert (told["fit"]["fit"], len(told["fit"]["runs"]), len(told["beside"])) == ("hold", 2, 1)
    assert "run 2" in Page(desk.get(BEA, f"/sign-offs?system={NAME}").text).text
    elsewhere = desk.record.runs(system=NAMES[0])[0].facts.digest
    assert desk.send_json(BEA, address, {**word, "others": [elsewhere]}).status_code == 400


def test_a_breach_that_a_waiver_covers_is_counted_as_waived(desk):
    """The page for signing says of a run what the run's own page says."""
    kept = desk.record.runs(system=NAME, limit=1)[0]
    known = desk.record.verdicts(run=kept.facts.digest)
    waived = [replace(one, verdict="breached", body={**one.body, "waiver": {"id": "W-1"}}) for one in known]
    ask = SimpleNamespace(record=SimpleNamespace(verdicts=lambda **_: waived, get=desk.record.get), of_run=lambda: kept)
    told = {one.label: one.text for one in form_of_signing._about(ask)}
    assert told["Requirements"] == f"{len(waived)} waived"


def test_a_run_whose_folder_is_elsewhere_or_gone_is_not_signed(desk):
    before = desk.record.size()
    for one in desk.record.runs(system=NAMES[0]):
        for verdict in ("approve", "reject"):
            answer = desk.send_json(
                BEA, addresses.run(one.facts.digest) + "/sign", {"role": "risk", "verdict": verdict}
            )
            assert answer.status_code in (400, 409), (one.facts.place, answer.text)
            assert "seal" not in answer.json()
    assert desk.record.size() == before


def test_who_asks_does_not_approve_whatever_the_page_says(desk):
    assert [one for one in Page(desk.get(ADA, "/documents/waiver/W-2").text).links if one.endswith("/approve")] == []
    assert [one for one in Page(desk.get(BEA, "/documents/waiver/W-2").text).links if one.endswith("/approve")]
    before = desk.record.size()
    answer = desk.send(ADA, "/documents/waiver/W-2/approve", version=1)
    assert (answer.status_code, desk.record.size()) == (409, before)
    assert "somebody else does" in Page(answer.text).text


def test_what_others_wrote_meanwhile_is_shown_and_nothing_is_lost(desk):
    start = desk.get(BEA, "/documents/risk/R-2/edit.json").json()
    risks.update(desk.record, "R-2", {"title": "Fewer cases", "harm": "Unseen errors."}, actor=ADA, now=NOW)
    mine = as_form({**start["values"], "title": "Hardly any cases", "cause": "One in a hundred."})
    before = desk.record.size()
    answer = desk.send(BEA, "/documents/risk/R-2/edit", version=start["version"], **mine)
    page = Page(answer.text)
    assert (answer.status_code, page.wrong, desk.record.size()) == (409, [], before)
    assert "was “ Few cases from the islands ”, and is “ Fewer cases" in page.text
    assert 'value="Hardly any cases"' in answer.text  # mine stays, where both want it
    assert "One in a hundred." in answer.text
    assert "Unseen errors." in answer.text  # theirs is taken, where only they did
    version = re.search(r'name="version" value="(\d+)"', answer.text)[1]
    assert int(version) == start["version"] + 1
    told = desk.send_json(BEA, "/documents/risk/R-2/edit", {"version": start["version"], "title": "Hardly any cases"})
    assert (told.status_code, told.json()["version"]) == (409, int(version))
    assert [(one["field"], one["was"], one["now"], one["is_mine"]) for one in told.json()["changed"]] == [
        ("title", "Few cases from the islands", "Fewer cases", True),
        ("harm", "Errors there would not be noticed.", "Unseen errors.", False),
    ]
    done = desk.send(BEA, "/documents/risk/R-2/edit", version=version, **{**mine, "harm": "Unseen errors."})
    assert done.status_code == 303
    now = desk.record.get("risk", "R-2").document
    assert (now.title, now.cause, now.harm) == ("Hardly any cases", "One in a hundred.", "Unseen errors.")


def test_a_change_between_the_form_and_the_database_is_found_there(desk, monkeypatch):
    """Not only what was written before the request: also what is written while it is answered."""
    real = risks.risk_of

    def slipped(record, id_):
        found = real(record, id_)
        if found[1].title != "Slipped in":
            changed = found[1].model_copy(update={"title": "Slipped in"})
            desk.record.write(desk.record.person("ada@example.org", "Ada Lovelace"), NOW, changed)
            found = real(record, id_)
        return found

    monkeypatch.setattr(risks, "risk_of", slipped)
    answer = desk.send_json(BEA, "/documents/risk/R-2/edit", {"version": 1, "harm": "Other."})
    assert (answer.status_code, answer.json()["faults"][0]["code"]) == (409, "RECORD015")
    assert desk.record.get("risk", "R-2").document.title == "Slipped in"


WRONG = {
    "system": ("nobody", "one of those that the form offers"), "title": ("", "is needed"), "cause": ("x" * 9_000, "at most 8,000 fit"),
    "harm": ("a\x1b[31mb", "control character"), "likelihood": ("9", "has to lie between 1 and 5"),
    "severity": ("three", "whole number"), "why": ("w\x00", "control character"), "affected": ("\n".join(map(str, range(101))), "101 entries"),
    "requirements": ("r" * 201, "of 201 characters"), "taxonomy": ("t" * 300, "of 300 characters"), "owner": ("o" * 321, "has 321 characters"),
    "due": ("2026-13-01", "has to be a day"), "review": ("tomorrow", "has to be a day"),
}  # fmt: skip


def test_every_fault_comes_back_beside_its_field_with_what_was_typed(shared):
    before = shared.record.size()
    fields = next(one.fields for one in ACTS if one.name == "risk-add")
    assert {one.name for one in fields} == set(WRONG)
    answer = shared.send(BEA, "/risks/new", **{name: text for name, (text, _) in WRONG.items()})
    page = Page(answer.text)
    assert (answer.status_code, page.wrong, shared.record.size()) == (400, [], before)
    for name, (text, why) in WRONG.items():
        beside = answer.text.partition(f'id="f-{name}-wrong"')[2].partition("</span>")[0]
        assert why.casefold() in beside.replace("&#39;", "'").casefold(), name
        assert f'href="#f-{name}"' in answer.text
        assert f"f-{name}-wrong" in re.search(rf'<[a-z]+ id="f-{name}"[^>]*aria-describedby="([^"]*)"', answer.text)[1]
        assert f'id="f-{name}"' in answer.text
        kept = text.replace("\x1b", "\u241b").replace("\x00", "\u2400")
        assert kept[:200] in answer.text or not text, name
    told = shared.send_json(
        BEA, "/risks/new", {name: text for name, (text, _) in WRONG.items() if name not in ("title",)}
    )
    assert told.status_code == 400
    assert {one["where"] for one in told.json()["faults"]} == set(WRONG)
    assert {one["code"] for one in told.json()["faults"]} == {"WEB024"}


@pytest.mark.parametrize(
    ("act", "body", "field", "why"),
    [
        ("/risks/new", {**RISK, "owner": "bea@example.org"}, "owner", "address without a name"),
        ("/risks/new", {**RISK, "requirements": ["NOPE-1"]}, "requirements", "has no requirement"),
        ("/risks/new", {**RISK, "taxonomy": ["owasp-llm@2025:LLM99"]}, "taxonomy", "LLM99"),
        ("/incidents/new", {"system": NAME, "title": "t", "severity": "low", "detected": "2026-11-22T00:00"}, "detected", "lies ahead"),
        ("/incidents/new", {"system": NAME, "title": "t", "severity": "low", "detected": "2026-11-20T00:00", "started": "2026-11-20T08:00"}, "detected", "is before"),
        ("/intake", {**INTAKE, "name": NAME}, "name", "already"),
        ("/intake", {**INTAKE, "exits": ["narrow-task"]}, "exits", "lead out of"),
        ("/intake", {**INTAKE, "tier": "minimal"}, "tier", "asks for less"),
        ("/runs/RUN/waive", {**WANTED, "ends": "2028-01-01"}, "ends", "at most 366 days; bring “The last day on which it holds” nearer"),
        ("/runs/RUN/waive", {**WANTED, "ends": "2026-11-01"}, "ends", "is before “The first day”; name a later day"),
        ("/risks/new", {**RISK, "owner": "<b>x</b> @"}, "owner", "write it as"),
        ("/risks/new", {**RISK, "due": "2020-01-01"}, "due", "is past"),
        ("/risks/new", {**RISK, "review": "2020-01-01"}, "review", "is past"),
        ("/documents/risk/R-2/edit", {"version": 1, "owner": "<b>x</b> @"}, "owner", "write it as"),
        ("/documents/risk/R-2/treat", {"version": 1, "treatment": "mitigate", "why": "w"}, "why", "likelihood of what is left"),
        ("/mitigations/new", {"system": NAME, "title": "t", "what": "w", "risks": ["R-99"]}, "risks", "“Risks” shows them"),
        ("/mitigations/new", {"system": NAME, "title": "t", "what": "w", "owner": "<b>x</b> @"}, "owner", "write it as"),
        ("/documents/mitigation/M-1/edit", {"version": 1, "risks": ["R-99"]}, "risks", "there is no risk"),
        ("/documents/mitigation/M-1/verify", {"version": 1, "run": "RUN"}, "run", "is not verified by"),
        ("/documents/incident/I-1/edit", {"version": 1, "resolved": "2019-01-01T00:00"}, "resolved", "is before"),
        ("/runs/RUN/waive", {**WANTED, "slice": ["planet=mars"]}, "slice", "no slice of the run"),
        ("/runs/RUN/waive", {**WANTED, "slice": ["female"]}, "slice", "column=level"),
        ("/runs/RUN/sign", {"role": "risk", "verdict": "approve", "conditions": ["x"]}, "conditions", "conditions go with"),
        ("/runs/RUN/sign", {"role": "PRODUCT manager", "verdict": "approve"}, "role", "write it as in product"),
        ("/runs/RUN/sign", {"role": "", "verdict": "approve"}, "role", "is needed"),
        ("/runs/RUN/sign", {"role": "risk", "verdict": "approve", "reason": "why"}, "reason", "a reason is for"),
        ("/documents/risk/R-2/edit", {"version": 1}, None, "nothing is to be changed"),
    ],
)  # fmt: skip
def test_what_the_record_refuses_comes_back_beside_its_field(shared, act, body, field, why):
    before = shared.record.size()
    to = act.replace("RUN", addresses.segment(newest(shared).digest))
    body = {key: newest(shared).digest if text == "RUN" else text for key, text in body.items()}
    start = shared.get(BEA, f"{to}.json").json()["values"]
    answer = shared.send(BEA, to, **as_form({**start, **body}))
    assert (answer.status_code in (400, 409), shared.record.size()) == (True, before), Page(answer.text).text
    summary = answer.text.partition('role="alert"')[2].partition("</div>")[0]
    assert (f'href="#f-{field}"' in summary) == (field is not None)
    beside = answer.text.partition(f'id="f-{field}-wrong"')[2].partition("</span>")[0] if field else summary
    assert why.casefold() in beside.casefold()
    for told in (Page(beside).text, Page(summary).text):  # it speaks of the page, not of the command line
        assert not re.search(r"--|`|shipworthy ", told)
    told = shared.send_json(BEA, to, body)
    assert (told.status_code, shared.record.size()) == (answer.status_code, before)
    assert field in (None, *(one["where"] for one in told.json()["faults"]))


def test_an_incident_that_is_not_settled_says_where_to_say_so(desk):
    incidents.open_incident(desk.record, system=NAME, title="t", severity="low", actor=BEA, now=NOW)
    answer = desk.send(BEA, "/documents/incident/I-2/close", version=1)
    summary = Page(answer.text.partition('role="alert"')[2].partition("</div>")[0]).text
    assert answer.status_code == 400
    assert "its cause is not written down. “Change” says so before." in summary
    assert "I-2" not in summary
    assert "--" not in summary


def test_only_a_page_of_this_site_opened_by_this_visitor_may_send(shared):
    before = shared.record.size()
    other = shared.person(CID)[1]
    client, csrf = shared.person(BEA)
    form = {key: str(value) for key, value in RISK.items()}
    for token, headers in (
        (None, {}), ("", {}), ("x" * 43, {}), (other, {}), ("ü", {}), (csrf, {"sec-fetch-site": "cross-site"}),
        (csrf, {"sec-fetch-site": "same-site"}), (csrf, {"origin": "http://evil.example"}), (csrf, {"origin": "null"}),
    ):  # fmt: skip
        told = {**form, **({"csrf": token} if token is not None else {})}
        answer = client.post("/risks/new", data=told, headers=headers)
        assert (answer.status_code, "WEB012" in answer.text) == (403, True), (token, headers)
        headers = {**headers, **({"x-csrf-token": token} if token and token.isascii() else {})}
        answer = client.post("/risks/new.json", json=RISK, headers=headers)
        assert (answer.status_code, answer.json()["faults"][0]["code"]) == (403, "WEB012")
    twice = f"csrf={other}&csrf={csrf}&" + "&".join(f"{key}={value}" for key, value in form.items())
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/risks/new", content=twice, headers=kind).status_code == 403
    assert shared.record.size() == before


def test_nobody_writes_where_nobody_said_who_acts(shared, monkeypatch):
    monkeypatch.setenv("SHIPWORTHY_ACTOR", ADA)  # of the server's process, not of whoever asks
    before = shared.record.size()
    page = shared.get(None, "/risks/new")
    assert (page.status_code, Page(page.text).wrong) == (200, [])
    assert "shipworthy serve --as" in page.text
    assert '<form class="act"' not in page.text
    assert shared.get(None, "/risks/new.json").json()["why_not"]
    answer = shared.send(None, "/risks/new", **{key: str(value) for key, value in RISK.items()})
    assert (answer.status_code, "serve --as" in answer.text) == (403, True)
    told = shared.send_json(None, "/risks/new", RISK)
    assert (told.status_code, told.json()["faults"][0]["code"]) == (403, "WEB025")
    assert shared.record.size() == before


def test_who_may_not_sees_no_button_and_is_told_who_could(shared):
    from fastapi.testclient import TestClient
    from web_site import HOST

    from shipworthy.api.pages import Library
    from shipworthy.web.access import EVERY, Visitor
    from shipworthy.web.app import Site, create_app

    class Reader:
        async def visitor(self, scope):
            grants = {EVERY: frozenset({"viewer"})}
            return Visitor(actor=BEA, shown="Bea", csrf="c" * 43, grants=grants, way="session")

    site = Site(
        library=Library(record=shared.record, place=shared.place), hosts=(HOST,), clock=lambda: NOW, knows=Reader()
    )
    client = TestClient(create_app(site), base_url=f"http://{HOST}", follow_redirects=False)
    before = shared.record.size()
    run = newest(shared).digest
    for address in (
        "/",
        "/risks",
        f"/systems/{NAME}",
        addresses.run(run),
        "/documents/risk/R-1",
        "/documents/waiver/W-2",
    ):
        page = client.get(address)
        assert (page.status_code, 'class="acts"' in page.text) == (200, False), address
    names = {"risk": "R-2", "waiver": "W-2", "mitigation": "M-1", "incident": "I-1", "sign-off": "S-1", "system": NAME}
    for act in ACTS:
        address = act.address(run if act.about == "run" else names.get(act.about, ""))
        shown = client.get(address)
        assert (shown.status_code, "WEB011" in shown.text, "approver" in shown.text or "evaluator" in shown.text) == (
            403, True, True), act.name  # fmt: skip
        assert client.get(f"{address}.json").status_code == 403
        sent = client.post(f"{address}.json", json={"version": 1}, headers={"x-csrf-token": "c" * 43})
        assert (sent.status_code, sent.json()["faults"][0]["code"]) == (403, "WEB011"), act.name
        assert client.post(address, data={"csrf": "c" * 43, "version": "1"}).status_code == 403
    assert shared.record.size() == before


def test_what_is_too_large_or_of_another_kind_is_refused_before_it_is_read(shared):
    before = shared.record.size()
    client, csrf = shared.person(BEA)
    form, token = {"content-type": "application/x-www-form-urlencoded"}, {"x-csrf-token": csrf}

    def chunks():
        for _ in range(200):
            yield b"x" * 60_000

    for path, kind in (("/risks/new", form), ("/risks/new.json", {"content-type": "application/json"})):
        large = client.post(path, content=b"x" * (10 << 20), headers={**kind, **token})
        assert (large.status_code, "WEB020" in large.text) == (413, True)
        assert client.post(path, content=chunks(), headers={**kind, **token}).status_code == 413
        assert client.post(path, content=b"x" * (MOST_BYTES + 1), headers={**kind, **token}).status_code == 413
    for path, kind in (
        ("/risks/new", "multipart/form-data; boundary=x"), ("/risks/new", "application/json"), ("/risks/new", ""),
        ("/risks/new", "application/x-www-form-urlencoded; charset=utf-16"), ("/risks/new.json", "text/plain"),
        ("/risks/new.json", "application/x-www-form-urlencoded"), ("/risks/new.json", ""),
    ):  # fmt: skip
        other = client.post(path, content=b"{}", headers={**({"content-type": kind} if kind else {}), **token})
        assert (other.status_code, "WEB021" in other.text) == (415, True), (path, kind)
    assert shared.record.size() == before


BODIES = {
    "deep": b"[" * 60_000, "deep object": b'{"a":' * 20_000, "a list": b"[]", "a text": b'"x"', "not json": b"{",
    "not utf-8": b'{"title": "\xff"}', "a number that is none": b'{"likelihood": NaN}', "a key twice": b'{"title":"a","title":"b"}',
    "a huge number": b'{"likelihood": ' + b"9" * 50_000 + b"}", "half a character": b'{"title": "\\ud800"}',
    "half a character in a key": b'{"\\ud800": 1}', "a NUL": b'{"title": "a\\u0000b"}', "nothing": b"",
    "a list for a text": b'{"title": ["a"]}', "an object for a text": b'{"title": {"a": 1}}', "a text for a list": b'{"affected": "a"}',
    "a float": b'{"likelihood": 2.0}', "true for a number": b'{"likelihood": true}', "a text for a number": b'{"likelihood": "2"}',
    "an unknown field": b'{"titel": "a"}', "a script for a key": b'{"<script>": 1}', "null": b"null", "a million fields": b"{" + b",".join(b'"%d":1' % n for n in range(9_000)) + b"}",
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(
    "address", ["/risks/new", "/documents/risk/R-2/edit", "/intake", "/documents/waiver/W-2/approve"]
)
def test_hostile_json_is_refused_and_changes_nothing(shared, name, address):
    before = shared.record.size()
    client, csrf = shared.person(BEA)
    kind = {"content-type": "application/json", "x-csrf-token": csrf}
    answer = client.post(f"{address}.json", content=BODIES[name], headers=kind)
    assert (answer.status_code, shared.record.size()) == (400, before)
    assert all(one["code"].startswith("WEB02") and one["what"] for one in answer.json()["faults"])
    assert "<script>" not in answer.text or answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        "title=a&title=b", "title%5B%5D=a", "%00=a", "title=%00", "title=%FF", "title=%ED%A0%80", "&&&&", "=", "a" * 60_000,
        "&".join(f"f{n}=1" for n in range(600)), "title=" + "%F0%9F%92%A9" * 2_000, "version=x", "version=0", "version=-1",
        "version=99999999999999999999", "version=77", "seal=x", "send=again", "csrf=", "__proto__=1", "title={{7919*7907}}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("address", ["/risks/new", "/documents/risk/R-2/edit", "/documents/waiver/W-2/approve"])
def test_hostile_forms_are_refused_and_change_nothing(shared, body, address):
    if address.endswith("approve") and body in ("send=again", "seal=x"):
        body += "&version=x"
    before = shared.record.size()
    client, csrf = shared.person(BEA)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = shared.shown(client.post(address, content=f"csrf={csrf}&{body}", headers=kind))
    assert (answer.status_code in (200, 400, 403, 409), shared.record.size()) == (True, before), answer.status_code
    assert Page(answer.text).wrong == []
    assert "62615533" not in answer.text  # what a template would make of the product


def test_hostile_text_is_kept_shown_and_not_run(desk):
    told = {**RISK, "title": HOSTILE, "cause": HOSTILE, "harm": f"{HOSTILE}\nsecond line", "affected": [HOSTILE[:190]]}
    written = desk.send_json(BEA, "/risks/new", told)
    assert written.status_code == 201
    assert (written.json()["title"], written.json()["harm"]) == (told["title"], told["harm"])  # no letter is lost
    id_ = written.json()["id"]
    for address in (f"/documents/risk/{id_}", f"/documents/risk/{id_}/edit", f"/documents/risk/{id_}/treat", "/risks"):
        page = desk.get(BEA, address)
        assert (page.status_code, Page(page.text).wrong) == (200, []), address
        assert "<script>" not in page.text
    asked = urlencode({"system": HOSTILE, "requirement": HOSTILE, "risk": "\0", "x": "y" * 5_000})
    for address in ("/risks/new", "/incidents/new", "/mitigations/new"):
        page = desk.get(BEA, f"{address}?{asked}")
        assert (page.status_code, Page(page.text).wrong, "<script>" in page.text) == (200, [], False), address
        assert desk.get(BEA, f"{address}.json?{asked}").json()["values"]["system"] == HOSTILE
    bad = desk.send(BEA, "/risks/new", **as_form({**told, "likelihood": 7, "system": HOSTILE}))
    assert (bad.status_code, Page(bad.text).wrong, "<script>" in bad.text) == (400, [], False)
    start = desk.get(BEA, f"/documents/risk/{id_}/edit.json").json()
    same = desk.send(BEA, f"/documents/risk/{id_}/edit", version=1, **as_form({**start["values"], "why": "x"}))
    assert same.status_code == 303
    after = desk.record.get("risk", id_).document
    assert (after.title, after.harm, after.affected) == (told["title"], told["harm"], tuple(told["affected"]))


@pytest.mark.parametrize("address", ["/runs/nope/sign", "/runs/..~2F..~2Fetc/waive", "/documents/risk/R-99/edit",
                                     "/documents/waiver/~00/approve", "/systems/nobody/intake", "/documents/sign-off/R-1/withdraw"])  # fmt: skip
def test_what_is_not_there_is_said(shared, address):
    assert shared.get(BEA, address).status_code == 404
    assert shared.send(BEA, address, version=1).status_code == 404
    assert shared.send_json(BEA, address, {"version": 1}).status_code == 404


def test_every_act_has_a_form_and_is_described(shared):
    schema = shared.get(BEA, "/openapi.json").json()
    names = {"risk": "R-2", "waiver": "W-2", "mitigation": "M-1", "incident": "I-1", "sign-off": "S-1", "system": NAME}
    run = newest(shared).digest
    for act in ACTS:
        address = act.address(run if act.about == "run" else names.get(act.about, ""))
        page = shared.get(BEA, address)
        assert (page.status_code, Page(page.text).wrong) == (200, []), act.name
        operation = schema["paths"][f"{act.path}.json"]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        assert set(body["properties"]) >= {one.name for one in act.fields}
        assert body["additionalProperties"] is False
        assert ("version" in body["required"]) == (act.about not in ("nothing", "run"))
        ok = operation["responses"]["201" if act.creates else "200"]["content"]["application/json"]["schema"]
        assert ok["$ref"].endswith(act.writes.__name__)
        assert {"400", "401", "403", "404", "409", "413", "415"} <= set(operation["responses"])
        blank = shared.get(BEA, f"{address}.json").json()
        assert set(blank["fields"]) == set(blank["values"]) == {one.name for one in act.fields}
    assert len({one.name for one in ACTS}) == len(ACTS)


def test_every_command_that_changes_a_document_has_its_act():
    """Whoever adds a command adds its form; what stays on the command line is named here."""
    from shipworthy.cli import incident, mitigation, risk, sign, signoffs, system, waiver

    assert sign.command.name == "sign"
    left_out = {"list", "show", "import", "export"}
    words = {
        f"{group.command.name}-{name}"
        for group in (incident, mitigation, risk, system, waiver)
        for name in group.command.commands
        if name not in left_out
    }
    called = {"risk-edit": "risk-update", "mitigation-edit": "mitigation-update", "incident-edit": "incident-update"}
    acts = {called.get(one.name, one.name) for one in ACTS}
    assert words <= acts
    assert acts - words == {"system-add", "sign", "sign-withdraw"}
    assert signoffs is not None


FIELDS = [
    Field(name="f", label="F", kind=kind, is_needed=needed, choices=choices, least=1, most=5)
    for kind in ("line", "text", "choice", "many", "day", "moment", "number", "lines", "yes or no", "flag")
    for needed in (True, False)
    for choices in (((Choice(value="a"), Choice(value="b")) if kind in ("choice", "many") else ()),)
]


@given(st.sampled_from(FIELDS), st.lists(st.text(max_size=40), max_size=3))
def test_fields_properties(field, raw):
    """What is read is shown as it was read, and says the same as JSON."""
    try:
        value = field.read(tuple(raw))
    except Wrong as error:
        assert str(error)
        return
    assert field.read(field.written(value)) == value or (value is False and field.kind == "yes or no")
    as_json = list(value) if isinstance(value, tuple) else value
    if isinstance(value, (str, bool, int, type(None), tuple)) and not (value is None and field.is_needed):
        assert field.take(as_json) == value


ANY = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.dictionaries(st.text(), st.text())


@given(st.sampled_from(FIELDS), ANY | st.lists(ANY, max_size=3) | st.lists(st.text(max_size=9), max_size=3))
def test_fields_take_any_json_or_say_why_not_properties(field, value):
    try:
        found = field.take(value)
    except Wrong as error:
        assert str(error)
    else:
        assert (
            field.take(
                list(found) if isinstance(found, tuple) else found.isoformat() if hasattr(found, "isoformat") else found
            )
            == found
        )


def test_a_name_of_another_spelling_of_the_address_is_the_same_person(desk):
    """Nobody asks under one spelling and approves under another."""
    answer = desk.send(BEA.replace("bea@", "BEA@"), addresses.run(newest(desk).digest) + "/waive", **as_form(WANTED))
    assert answer.status_code == 303
    id_ = answer.headers["location"].rpartition("/")[2]
    assert desk.send(BEA, f"/documents/waiver/{id_}/approve", version=1).status_code == 409
    assert desk.send(CID, f"/documents/waiver/{id_}/approve", version=1).status_code == 303
    assert desk.record.get("waiver", id_).document.status == "approved"


def test_times_that_a_form_shows_to_the_minute_are_kept_to_the_second(desk):
    seen = NOW - timedelta(days=1, seconds=17)
    one = incidents.open_incident(
        desk.record, system=NAME, title="t", severity="low", detected=seen, actor=ADA, now=NOW
    )
    done = incidents.update(
        desk.record, one.id, {}, steps={"resolved": NOW - timedelta(seconds=23)}, actor=ADA, now=NOW
    )
    start = desk.get(BEA, f"/documents/incident/{one.id}/edit.json").json()
    form = {**start["values"], "cause": "c", "resolved": start["values"]["resolved"][:16]}
    assert desk.send(BEA, f"/documents/incident/{one.id}/edit", version=2, **as_form(form)).status_code == 303
    after = desk.record.get("incident", one.id).document
    assert (after.cause, after.resolved) == ("c", done.resolved)


def test_the_api_refuses_what_a_page_cannot_hide(desk):
    """The rules stand in the record: a page that showed a button by mistake would change nothing."""
    with pytest.raises(Unusable):
        waivers.answer(desk.record, "W-2", "approve", actor=ADA, now=NOW)


def test_the_roles_that_a_tier_asks_for_are_offered_first_and_another_is_told_that_it_stands_for_none(shared):
    run = newest(shared).digest
    to = f"{addresses.run(run)}/sign"
    roles = signing.required_roles(shared.record, NAME)
    form = shared.get(BEA, to).text
    assert re.findall(r'type="radio" name="role" value="([^"]*)"', form) == [*roles, ""]
    for role, is_asked_for in ((roles[0], True), ("janitor", False)):
        shown = shared.send(BEA, to, role=role, verdict="approve")
        assert shown.status_code == 200, Page(shown.text).text
        assert ("stands for none of these" in shown.text) != is_asked_for
    client, csrf = shared.person(BEA)
    both = shared.shown(client.post(to, data={"csrf": csrf, "role": [roles[0], "janitor"], "verdict": "approve"}))
    assert "give one answer" in both.text.partition('id="f-role-wrong"')[2].partition("</span>")[0]
    assert 'value="janitor"' in both.text


def test_only_requirements_that_can_rate_a_risk_are_offered_and_why_the_others_cannot(shared):
    to = "/documents/risk/R-2/measure"
    offered = shared.get(BEA, f"{to}.json").json()["fields"]["requirement"]["enum"]
    verdicts = {one.requirement: one for one in shared.record.verdicts(run=newest(shared).digest)}
    assert offered
    for name in offered:
        risks.failure_rate(verdicts[name])
    left = sorted(verdicts.keys() - set(offered))
    page = Page(shared.get(BEA, to).text).text
    assert left
    assert all(f"'{name}' is no rate" in page or f"'{name}' has no upper limit" in page for name in left)
    assert shared.get(BEA, f"{to}.json").json()["values"]["requirement"] in (None, *offered)


TWICE = {
    "system": NAME, "title": "Sent twice", "cause": "Two clicks.", "harm": "Two risks.", "likelihood": "2",
    "severity": "2",
}  # fmt: skip


def test_a_form_that_is_sent_twice_is_written_once(desk):
    once = re.search(r'name="once" value="([^"]+)"', desk.get(ADA, "/risks/new").text)[1]
    first, second = (desk.send(ADA, "/risks/new", once=once, **TWICE) for _ in range(2))
    written = first.headers["location"]
    assert second.headers["location"] == f"{written}?again=true"
    assert "written once" in desk.get(ADA, second.headers["location"]).text
    assert "written once" not in desk.get(ADA, written).text
    other = desk.send(ADA, "/risks/new", once=once, **{**TWICE, "title": "Another one"})
    assert other.headers["location"] not in (written, second.headers["location"])
    anew = re.search(r'name="once" value="([^"]+)"', desk.get(ADA, "/risks/new").text)[1]
    assert desk.send(ADA, "/risks/new", once=anew, **TWICE).headers["location"] != written


def test_two_sendings_at_once_are_written_once(desk):
    from concurrent.futures import ThreadPoolExecutor

    client, csrf = desk.person(ADA)
    with ThreadPoolExecutor(4) as pool:
        told = [pool.submit(client.post, "/risks/new", data={"csrf": csrf, "once": "t", **TWICE}) for _ in range(4)]
        leads = {one.result().headers["location"].partition("?")[0] for one in told}
    assert len(leads) == 1


def test_a_form_with_faults_has_an_address_of_its_own(desk):
    client, csrf = desk.person(ADA)
    sent = client.post("/risks/new?system=" + NAME, data={"csrf": csrf, **TWICE, "title": ""})
    assert sent.status_code == 303
    back = sent.headers["location"]
    for _ in range(2):  # however often it is gone back to
        page = client.get(back)
        assert page.status_code == 400
        assert "Nothing was written" in page.text
        assert "Two clicks." in page.text
        assert f'action="/risks/new?system={NAME}"' in page.text
    assert "Two clicks." not in desk.get(BEA, back).text  # another visitor's
    assert "Two clicks." not in desk.get(ADA, "/risks/new?kept=unknown").text


def test_an_incident_says_by_which_hour_an_authority_has_to_hear_of_it(desk):
    one = incidents.open_incident(
        desk.record, system=NAME, title="T", severity="high", detected=NOW - timedelta(days=20), reportable="general",
        actor=ADA, now=NOW,
    )  # fmt: skip
    page = Page(desk.get(ADA, addresses.document("incident", one.id)).text).text
    due = NOW - timedelta(days=5)
    assert f"due by {due:%Y-%m-%d %H:%M} UTC, 15 days after it was detected (serious incident). That time has" in page
    assert "serious incident (Article 73)" in page
    assert "art-73:general" not in page


def test_what_is_signed_shows_what_was_not_met_with_its_waiver(desk):
    run = desk.record.runs(system=NAME, limit=1)[0].facts
    unmet = [one for one in desk.record.verdicts(run=run.digest) if one.verdict != "met"]
    assert unmet
    page = desk.send(BEA, f"{addresses.run(run.digest)}/sign", role="product", verdict="reject")
    for one in unmet:
        assert f"{one.verdict} {one.requirement}" in Page(page.text).text


def test_a_signature_that_is_sent_twice_leads_to_the_one_that_was_given(desk):
    to = f"{addresses.run(desk.record.runs(system=NAME, limit=1)[0].facts.digest)}/sign"
    word = {"role": "product", "verdict": "reject"}
    seal = re.search(r'name="seal" value="([^"]+)"', desk.send(BEA, to, **word).text)[1]
    first, second = (desk.send(BEA, to, seal=seal, **word) for _ in range(2))
    assert second.headers["location"] == f"{first.headers['location']}?again=true"
    assert "written once" in desk.get(BEA, second.headers["location"]).text
