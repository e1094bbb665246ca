"""The access matrix: every role, token and stranger against every route and verb, on their system and on another."""

from __future__ import annotations

import inspect
import re

import pytest
from web_people import OURS, PASSWORD, THEIRS, town
from web_story import SCRIPT

from shipworthy.api.accounts import EVERY, PERMITTED
from shipworthy.record import seen
from shipworthy.record.store import Record
from shipworthy.web import addresses
from shipworthy.web.access import PERMISSIONS, ROLES, Visitor, require

OPEN, SIGNED = "open", "signed in"  # everybody; everybody whom the site knows

# What it takes to do what. A route that is not here fails the test: whoever adds one says who may use it.
READ = {
    "/openapi.json", "/", "/systems", "/systems/{name}", "/systems/{name}/trace",
    "/systems/{name}/requirements/{requirement}", "/runs/{digest}", "/runs/{digest}/report", "/compare", "/risks",
    "/waivers", "/sign-offs", "/documents/{kind}/{id}", "/catalogues", "/search", "/mitigations", "/incidents", "/kpis",
    "/runs/{digest}/slices", "/runs/{digest}/transcripts", "/runs/{digest}/transcripts/{of}/{case}/{by}/{trial}",
}  # fmt: skip
ACTS = {
    "/intake": "write",
    "/systems/{name}/intake": "write",
    "/systems/{name}/answer": "write",
    "/risks/new": "write",
    "/documents/risk/{id}/edit": "write",
    "/documents/risk/{id}/treat": "write",
    "/documents/risk/{id}/measure": "write",
    "/documents/risk/{id}/accept": "approve",
    "/documents/risk/{id}/close": "write",
    "/mitigations/new": "write",
    "/documents/mitigation/{id}/edit": "write",
    "/documents/mitigation/{id}/verify": "write",
    "/runs/{digest}/waive": "write",
    "/documents/waiver/{id}/approve": "approve",
    "/documents/waiver/{id}/refuse": "approve",
    "/documents/waiver/{id}/withdraw": "write",
    "/runs/{digest}/sign": "approve",
    "/documents/sign-off/{id}/withdraw": "approve",
    "/incidents/new": "write",
    "/documents/incident/{id}/edit": "write",
    "/documents/incident/{id}/close": "write",
}
NEEDS = {
    **{("GET", path): "read" for path in READ},
    **{(verb, path): permission for path, permission in ACTS.items() for verb in ("GET", "POST")},
    **{
        (verb, path): "run" for verb in ("GET", "POST") for path in ("/runs/{digest}/label", "/systems/{name}/runs/new")
    },
    **{(verb, "/runs/{digest}/packages"): "pack" for verb in ("GET", "POST")},
    ("GET", "/runs/{digest}/packages/{root}"): "pack",
    ("GET", "/systems/{name}/packages"): "pack",
    ("GET", "/jobs/{id}"): "run",
    ("POST", "/jobs/{id}/stop"): "run",
    ("GET", "/audit"): "audit",
    ("GET", "/audit/log.jsonl"): ("audit", EVERY),
    ("GET", "/people"): "administer",
    ("POST", "/people"): ("administer", EVERY),
    ("POST", "/people/{id}/roles"): "administer",
    ("POST", "/people/{id}/status"): ("administer", EVERY),
    ("POST", "/people/{id}/password"): ("administer", EVERY),
    ("POST", "/people/{id}/erase"): ("administer", EVERY),
    ("GET", "/account"): SIGNED,
    ("POST", "/account/password"): SIGNED,
    ("POST", "/account/sessions"): SIGNED,
    ("POST", "/account/tokens"): SIGNED,
    ("POST", "/account/tokens/{id}/revoke"): SIGNED,
    ("POST", "/logout"): SIGNED,
    **{(verb, "/login"): OPEN for verb in ("GET", "POST")},
    **{("GET", path): OPEN for path in ("/style.css", "/icon.svg", "/favicon.ico")},
}
IN_PERSON = {("POST", "/people"), ("POST", "/people/{id}/password")}  # whatever the scopes of a token
REFUSED = (401, 403)
NEW = {"/intake", "/risks/new", "/mitigations/new", "/incidents/new"}  # where fields say what system it is about


def routes(app):
    for route in app.routes:
        for verb in sorted(route.methods - {"HEAD"}):
            yield verb, route.path


def needs(verb, path):
    path = path.removesuffix(".json") if path != "/openapi.json" else path
    return NEEDS[verb, path]


@pytest.fixture(scope="module")
def site(place, tmp_path_factory):
    with town(place, tmp_path_factory.mktemp("access")) as made:
        yield made


@pytest.fixture(scope="module")
def people(site):
    """Who asks, with what they may do on which system."""
    found = {}
    for role in ROLES:
        found[f"{role} of ours"] = (
            site.browser(site.person(f"Our {role}", role, system=OURS)),
            {OURS: PERMISSIONS[role]},
        )
        found[f"{role} of all"] = site.browser(site.person(f"Any {role}", role)), {EVERY: PERMISSIONS[role]}
    found["no role"] = site.browser(site.person("Roleless")), {}
    whole = site.person("Whole", *ROLES)
    for scope in PERMITTED:
        scopes = {scope, "read"}
        found[f"token to {scope}"] = site.program(whole, *scopes), {EVERY: frozenset(scopes)}
        found[f"token to {scope} on ours"] = site.program(whole, *scopes, system=OURS), {OURS: frozenset(scopes)}
    weak = site.person("Weak", "viewer", system=OURS)
    found["token of a viewer to do all"] = site.program(weak, *PERMITTED), {OURS: frozenset({"read"})}
    return found


@pytest.fixture(scope="module")
def target(site):
    """What a path is about, on a system."""
    somebody = site.person("Somebody")

    def address(path, system):
        run = site.record.runs(system=system, limit=1)[0]
        kinds = dict(re.findall(r"/documents/([a-z-]+)/(\{id\})", path))
        kind = next((kind for kind in kinds if kind != "{kind}"), "risk")
        kept = site.record.find(kind, system=system)
        id_ = kept[0].id if kept else "nothing"
        if path.startswith("/people/"):
            id_ = somebody.id
        required = site.record.verdicts(run=run.facts.digest, limit=1)[0].requirement
        told = dict.fromkeys(("of", "case", "by"), "x") | {"trial": "1"}
        told |= {"root": "sha256:" + "0" * 64}
        told |= {"name": system, "requirement": required, "digest": run.facts.digest, "kind": kind, "id": id_}
        return re.sub(r"\{(\w+)\}", lambda found: addresses.segment(told[found[1]]), path)

    return address


def ask(client, verb, address, system):
    if verb == "GET":
        return client.get(address, headers={"accept": "application/json"})
    told = {"system": system, "name": system}
    if address.endswith(".json"):
        told |= {"version": 1}
        return client.post(address, json=told, headers={"x-csrf-token": getattr(client, "csrf", "")})
    told |= {"version": "1"} if address.startswith(("/documents/", "/systems/")) else {}
    told |= {"csrf": getattr(client, "csrf", ""), "role": "viewer", "do": "take", "email": "x", "new": "x"}
    return client.post(address, data=told, headers={"accept": "application/json"})


def may(rights, needed, system):
    if needed in (OPEN, SIGNED):
        return True
    permission, on = needed if isinstance(needed, tuple) else (needed, system)
    return permission in rights.get(EVERY, ()) or (on != EVERY and permission in rights.get(on, ()))


def is_there(site, path, system):
    """Whether the story has what a path is about."""
    if path.removesuffix(".json").endswith(("/report", "/runs/new")):
        return system == OURS
    if path.endswith("/{root}"):
        return False  # nothing was packed
    if path.startswith("/jobs/") or "/transcripts/" in path or "/label" in path:
        return False  # the story asks no model for answers
    kind = re.search(r"/documents/([a-z-]+)/", path)
    return kind is None or bool(site.record.find(kind[1], system=system))


def test_every_route_says_who_may_use_it(site):
    unknown = {(verb, path) for verb, path in routes(site.app)} - {
        (verb, path + end) for verb, path in NEEDS for end in ("", ".json")
    }
    assert unknown == set()


def test_every_entry_is_of_a_route(site):
    assert {key for key in NEEDS if key not in set(routes(site.app))} == set()


WHO = [
    *(f"{role} of {which}" for role in ROLES for which in ("ours", "all")),
    *(f"token to {scope}{on}" for scope in PERMITTED for on in ("", " on ours")),
    "no role", "token of a viewer to do all",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("system", [OURS, THEIRS], ids=["ours", "theirs"])
def test_the_matrix(site, people, target, who, system, monkeypatch):
    monkeypatch.setattr(site.team, "_sent", type(site.team._sent)(10_000, each=0.001))
    client, rights = people[who]
    wrong = []
    for verb, path in routes(site.app):
        needed = needs(verb, path)
        if path in ("/login", "/logout") or path.startswith("/account"):
            continue
        bare = "{" not in path and verb == "GET"  # lists, that show what may be seen; looked at below
        where = next(iter(rights), system) if bare and isinstance(needed, str) else system
        before = site.record.size()
        answer = ask(client, verb, target(path, system), system)
        is_allowed = may(rights, needed, where) and not ("token" in who and (verb, path) in IN_PERSON)
        refusals = (*REFUSED, 404, 400) if path.removesuffix(".json") in NEW and verb == "POST" else (*REFUSED, 404)
        is_back = "?kept=" in answer.headers.get("location", "")  # a form that came back with its faults, nothing done
        status = 400 if is_back else answer.status_code
        wanted = status not in (*REFUSED, 404) if is_allowed else status in refusals
        if is_allowed and answer.status_code == 404 and not is_there(site, path, system):
            wanted = True
        if answer.status_code >= 500 or not wanted:
            wrong.append((verb, path, answer.status_code, answer.text[:200]))
        if not is_allowed and site.record.size() != before:
            wrong.append((verb, path, "has written"))
    assert wrong == []


WHOLE = {
    "/risks/new.json": {"title": "t", "cause": "c", "harm": "h", "likelihood": 1, "severity": 1},
    "/mitigations/new.json": {"title": "t", "what": "w"},
    "/incidents/new.json": {"title": "t", "severity": "low", "detected": "2026-11-20T09:00:00Z"},
}


@pytest.mark.parametrize("path", WHOLE)
def test_nothing_new_is_written_about_another_system(site, people, path):
    client, _ = people["evaluator of ours"]
    size, headers = site.record.size(), {"x-csrf-token": client.csrf}
    answer = client.post(path, json={**WHOLE[path], "system": THEIRS}, headers=headers)
    assert (answer.status_code in (400, 403, 404), site.record.size()) == (True, size), answer.text
    for who in ("viewer of ours", "approver of ours", "auditor of ours", "admin of ours"):
        other, _ = people[who]
        answer = other.post(path, json={**WHOLE[path], "system": OURS}, headers={"x-csrf-token": other.csrf})
        assert (answer.status_code, site.record.size()) == (403, size), answer.text
    answer = client.post(path, json={**WHOLE[path], "system": OURS}, headers=headers)
    assert answer.status_code == 201, answer.text


def test_nobody_gets_nothing(site, target):
    client, wrong = site.client(), []
    for verb, path in routes(site.app):
        answer = ask(client, verb, target(path, OURS), OURS)
        is_open = needs(verb, path) == OPEN
        if (answer.status_code == 401) == is_open and path != "/login":
            wrong.append((verb, path, answer.status_code))
        if not is_open and (OURS in answer.text or "FAIR-1" in answer.text):
            wrong.append((verb, path, "tells"))
    assert wrong == []


def test_who_opens_a_page_unknown_is_asked_to_sign_in(site):
    answer = site.client().get("/risks?system=a%26b", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Frisks%3Fsystem%3Da%2526b")


def test_a_token_does_not_change_the_account_that_it_is_of(site, people, target):
    client, _ = people["token to administer"]
    for verb, path in routes(site.app):
        if path.startswith("/account"):
            answer = ask(client, verb, target(path, OURS), OURS)
            assert (answer.status_code, "WEB011" in answer.text) == (403, True), path


def test_a_token_does_not_change_its_own_account_as_an_admin_would(site):
    owner = site.person("Owner", *ROLES, password=PASSWORD)
    site.person("Other owner", "admin")
    client, before = site.program(owner, *PERMITTED), site.accounts.get(owner.id)
    told = {"new": "another four drawn words", "do": "take", "role": "viewer", "email": owner.email}
    size, kept = site.record.size(), site.accounts.password(owner.id)
    for what in ("password", "status", "roles", "erase"):
        for do in ("take", "give", "enable", "disable"):
            answer = client.post(f"/people/{owner.id}/{what}", data={**told, "do": do})
            assert (answer.status_code, "WEB011" in answer.text) == (403, True), (what, do)
    assert (site.accounts.get(owner.id), site.accounts.password(owner.id), site.record.size()) == (before, kept, size)


def test_a_token_takes_rights_away_and_lets_nobody_in(site):
    """By a password, a role or an account that it gave, a token could do more than its scopes allow."""
    client = site.program(site.person("Keeper", *ROLES), "administer")
    other = site.person("Disabled", "approver", "viewer")
    at, size = f"/people/{other.id}", site.record.size()
    new = {"email": "new@example.org", "name": "New", "password": PASSWORD, "role": "admin"}
    for path, told in (
        ("/people", new),
        (f"{at}/password", {"new": PASSWORD}),
        (f"{at}/roles", {"do": "give", "role": "admin"}),
        (f"{at}/status", {"do": "enable"}),
    ):
        answer = client.post(path, data=told)
        assert (answer.status_code, "WEB011" in answer.text, site.record.size()) == (403, True, size), path
    assert client.post(f"{at}/roles", data={"do": "take", "role": "viewer"}).status_code == 303
    assert client.post(f"{at}/status", data={"do": "disable"}).status_code == 303
    assert site.accounts.get(other.id).grants == {EVERY: frozenset({"approver"})}
    assert client.post(f"{at}/erase", data={"email": other.email}).status_code == 303
    assert site.accounts.get(other.id) is None


def test_lists_searches_and_twins_hold_nothing_of_another_system(site, people, target):
    client, _ = people["viewer of ours"]
    theirs = ["evil", "etc/passwd", "onerror", site.record.runs(system=THEIRS)[0].facts.digest]
    lists = [
        "/",
        "/systems",
        "/risks",
        "/waivers",
        "/sign-offs",
        "/compare",
        "/catalogues",
        "/search?q=a",
        "/search?q=evil",
    ]
    asked = [address for address in lists if "?" not in address]
    asked += [
        f"{address}?system={addresses.quote(THEIRS)}" for address in ("/risks", "/waivers", "/compare", "/catalogues")
    ]
    for address in {*lists, *asked}:
        for accept in ("text/html", "application/json"):
            answer = client.get(address, headers={"accept": accept})
            told = answer.text.replace(addresses.quote(THEIRS), "")
            if "system=" in address or "q=evil" in address:  # repeats what was asked
                told = told.replace(THEIRS, "").replace("evil", "")
            assert answer.status_code in (200, 404), address
            assert not [word for word in theirs[1:] if word in told and SCRIPT not in word], address
    assert [one["name"] for one in client.get("/systems.json").json()["systems"]] == [OURS]
    assert client.get("/systems.json").json()["total"] == 1
    assert {one["system"] for one in client.get("/search.json?q=a").json()["hits"]} <= {OURS, ""}
    assert {one["body"]["system"] for one in client.get("/risks.json").json()["items"]} == {OURS}
    assert client.get(addresses.document("risk", "../R?#/" + SCRIPT)).status_code == 404
    assert client.get(addresses.system(THEIRS)).status_code == 404


def test_an_auditor_of_one_system_sees_that_others_changed_and_not_what(site, people):
    client, _ = people["auditor of ours"]
    page = client.get("/audit.json").json()
    shown = {one["object"] for one in page["entries"]}
    assert any(one.startswith("sign-off/") for one in shown)
    assert page["size"] == site.record.size()
    assert "evil" not in str(page)
    assert "passwd" not in client.get("/audit?about=system").text
    assert client.get("/audit/log.jsonl").status_code == 403
    assert people["auditor of all"][0].get("/audit/log.jsonl").content.count(b"\n") == site.record.size()


def test_compare_does_not_lead_round(site, people):
    ours, theirs = (site.record.runs(system=one)[0].facts.digest for one in (OURS, THEIRS))
    client, _ = people["viewer of ours"]
    assert client.get(f"/compare?before={theirs}&after={ours}").status_code == 404
    assert client.get(f"/runs/{theirs}").status_code == 404
    assert client.get(f"/runs/{site.record.runs(system=THEIRS)[0].facts.run}").status_code == 404


def test_a_role_on_one_system_hands_out_roles_there_alone(site, people):
    client, _ = people["admin of ours"]
    other = site.person("Newcomer")
    told = {"csrf": client.csrf, "do": "give", "role": "viewer"}
    for system, status in ((THEIRS, 403), (EVERY, 403), ("", 403), (OURS, 303)):
        answer = client.post(f"/people/{other.id}/roles", data={**told, "system": system})
        assert answer.status_code == status, system
    assert site.accounts.get(other.id).grants == {OURS: frozenset({"viewer"})}
    shown = {one["name"]: one["grants"] for one in client.get("/people.json").json()["accounts"]}
    assert shown["Any admin"] == {}


def test_roles_count_at_the_time_of_use(site):
    account = site.person("Passing", "evaluator", system=OURS)
    program = site.program(account, "read", "write")
    assert program.get("/risks/new.json?system=" + OURS).status_code == 200
    site.accounts.ungrant(account.person, site.clock(), account.id, OURS, "evaluator")
    assert program.get("/risks.json").status_code == 403
    site.accounts.grant(account.person, site.clock(), account.id, OURS, "viewer")
    assert (program.get("/risks.json").status_code, program.get("/risks/new.json").status_code) == (200, 403)
    site.accounts.set_status(account.person, site.clock(), account.id, "disabled")
    assert program.get("/risks.json").status_code == 401


def test_what_is_seen_covers_every_reading_of_the_record():
    """A new reading of the record is narrowed, or stands here with its reason."""
    for_all = {
        "open", "close", "copy_to", "person", "people", "erase", "forget", "checkpoint", "checkpoints", "size", "one_state",
        "add_artifacts",
        "ids",  # of all on purpose: numbers are not given twice
        "touched",  # names systems to forget what was remembered of them, and shows nothing
    }  # fmt: skip
    public = {name for name in vars(Record) if not name.startswith("_") and callable(getattr(Record, name))}
    narrowed = {name for name in public if "self._only(" in inspect.getsource(getattr(Record, name))}
    assert public - for_all - narrowed == {name for name in vars(seen.Seen) if not name.startswith("_")}


def test_require_says_which_roles_allow_it():
    visitor = Visitor(actor=None, shown="Ada", csrf="", grants={OURS: frozenset({"viewer"})}, way="session")
    with pytest.raises(Exception, match="approver") as caught:
        require(visitor, "approve", OURS)
    assert caught.value.faults[0].code == "WEB011"
    require(visitor, "read", OURS)
    require(visitor, "read", None)
    with pytest.raises(Exception, match="WEB011"):
        require(visitor, "read", EVERY)


def test_no_role_alone_asks_and_approves():
    assert not [role for role, gives in PERMISSIONS.items() if {"write", "approve"} <= gives]
    assert not [role for role, gives in PERMISSIONS.items() if {"administer", "approve"} <= gives]
