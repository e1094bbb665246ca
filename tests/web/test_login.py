"""Signing in and out: what a password opens, how long, how often it may be tried, and what other sites cannot do."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from argon2 import PasswordHasher, extract_parameters
from web_people import OURS, PASSWORD, town
from web_reader import Page
from web_site import HOST

from shipworthy.api import accounts as verbs
from shipworthy.errors import Unusable
from shipworthy.web.login import inside
from shipworthy.web.sessions import Limit, csrf_of


@pytest.fixture
def site(place, tmp_path):
    with town(place, tmp_path) as made:
        yield made


@pytest.fixture
def ada(site):
    return site.person("Ada", "admin", "evaluator", password=PASSWORD)


def form(client, address="/login"):
    return re.search('name="csrf" value="([^"]+)"', client.get(address).text)[1]


def sign_in(client, email, password, **more):
    return client.post("/login", data={"csrf": form(client), "email": email, "password": password, **more})


def test_a_password_opens_a_session_and_leaving_ends_it(site, ada):
    client = site.client()
    answer = sign_in(client, "ADA@example.org ", PASSWORD, next="/risks")
    assert (answer.status_code, answer.headers["location"]) == (303, "/risks")
    page = client.get("/")
    assert "Signed in as" in page.text
    assert Page(page.text).wrong == []
    secret = client.cookies["shipworthy"]
    assert client.post("/logout", data={"csrf": "no"}).status_code == 403
    assert client.post("/logout", data={"csrf": form(client, "/account")}).status_code == 303
    assert site.client(cookies={"shipworthy": secret}).get("/systems.json").status_code == 401


def test_cookies_can_be_read_by_this_host_alone(site, ada, place, tmp_path):
    told = sign_in(site.client(), "ada@example.org", PASSWORD).headers.get_list("set-cookie")[0]
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(told.split("; "))
    assert "Domain" not in told
    (tmp_path / "over").mkdir()
    with town(place, tmp_path / "over", is_secure=True) as other:
        told = other.client().get("/login").headers["set-cookie"]
    assert told.startswith("__Host-shipworthy-login=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(told.split("; "))
    assert "Domain" not in told


def test_only_digests_of_secrets_are_kept(site, ada):
    client = site.client()
    sign_in(client, "ada@example.org", PASSWORD)
    page = client.post(
        "/account/tokens",
        data={"csrf": form(client, "/account"), "name": "ci", "scope-read": "1", "system": "*", "days": "9"},
    )
    token = re.search("swt_[A-Za-z0-9_-]{43}", page.text)[0]
    assert token not in client.get("/account").text
    assert len(client.cookies["shipworthy"]) == 43
    kept = b"".join(path.read_bytes() for path in site.place.parent.glob("record.db*"))
    for secret in (PASSWORD, client.cookies["shipworthy"], token, csrf_of(client.cookies["shipworthy"])):
        assert secret.encode() not in kept
    assert b"$argon2id$" in kept
    log = b"\n".join(site.record.log())
    assert b"account.create" in log
    assert b"token.create" in log
    for word in (b"ada@example.org", b"Ada", b"argon2", token.encode()):
        assert word not in log[log.index(b"account.create") :]


def test_a_session_is_new_at_each_sign_in(site, ada):
    client = site.client(cookies={"shipworthy": "a" * 43})
    sign_in(client, "ada@example.org", PASSWORD)
    first = [one.value for one in client.cookies.jar if one.name == "shipworthy" and one.value != "a" * 43][0]
    again = site.client(cookies={"shipworthy": first})
    told = again.post(
        "/account/password",
        data={
            "csrf": csrf_of(first),
            "current": PASSWORD,
            "new": "other words by chance",
            "again": "other words by chance",
        },
    )
    assert told.status_code == 303
    assert site.client(cookies={"shipworthy": first}).get("/systems.json").status_code == 401
    second = re.search("shipworthy=([^;]{43})", " ".join(told.headers.get_list("set-cookie")))[1]
    assert site.client(cookies={"shipworthy": second}).get("/systems.json").status_code == 200


@pytest.mark.parametrize(
    ("idle", "total", "status"), [(119, 119, 200), (121, 121, 401), (100, 719, 200), (100, 721, 401)]
)
def test_sessions_end_by_themselves(site, ada, idle, total, status):
    client, passed = site.browser(ada), 0
    while passed + idle < total:
        passed += idle
        site.clock.now += timedelta(minutes=idle)
        assert client.get("/systems.json").status_code == 200
    site.clock.now += timedelta(minutes=total - passed)
    assert client.get("/systems.json").status_code == status


@pytest.mark.parametrize("how", ["password", "granted", "taken", "disabled", "erased"])
def test_sessions_end_with_what_they_stood_on(site, ada, how):
    other = site.person("Bob", "viewer")
    browser, program = site.browser(other), site.program(other, "read")
    assert browser.get("/systems.json").status_code == program.get("/systems.json").status_code == 200
    now = site.clock()
    if how == "password":
        verbs.change_password(site.accounts, other, actor=ada.person, password=PASSWORD, now=now)
    elif how == "granted":
        verbs.change_role(site.accounts, other, "auditor", system=OURS, give=True, actor=ada.person, now=now)
    elif how == "taken":
        verbs.change_role(site.accounts, other, "viewer", system="*", give=False, actor=ada.person, now=now)
    elif how == "disabled":
        verbs.change_status(site.accounts, other, "disabled", actor=ada.person, now=now)
    else:
        verbs.erase(site.record, site.accounts, other, actor=ada.actor, now=now)
    assert browser.get("/systems.json").status_code == 401
    gone = {"password": 200, "granted": 200, "taken": 403, "disabled": 401, "erased": 401}
    assert program.get("/systems.json").status_code == gone[how]
    assert site.record.verify().faults == ()


def test_an_erased_person_is_gone_even_where_only_the_record_erased_them(site, ada):
    other = site.person("Bob", "viewer", password=PASSWORD)
    browser, program = site.browser(other), site.program(other, "read")
    site.record.erase(ada.person, site.clock(), other.person)
    assert browser.get("/systems.json").status_code == program.get("/systems.json").status_code == 401
    assert sign_in(site.client(), "bob@example.org", PASSWORD).status_code == 401
    assert [one.email for one in site.accounts.all()] == ["ada@example.org"]


def answers(site, email, password):
    client = site.client()
    answer = sign_in(client, email, password)
    return answer.status_code, re.sub('value="[^"]*"', "", answer.text)


def test_nobody_learns_which_accounts_there_are(site, ada):
    bob = site.person("Bob", "viewer", password=PASSWORD)
    site.person("Ida", "viewer")  # has no password
    verbs.change_status(site.accounts, bob, "disabled", actor=ada.person, now=site.clock())
    wrong = answers(site, "ada@example.org", "not the password")
    assert wrong[0] == 401
    for email in ("nobody@example.org", "bob@example.org", "ida@example.org", "x", "ada@example.org\n"):
        assert answers(site, email, PASSWORD if email != "ada@example.org\n" else "no") == wrong, email


@pytest.mark.parametrize("email", ["nobody@example.org", "ida@example.org", "x" * 1_000])
def test_an_unknown_account_takes_as_much_work_as_a_wrong_password(site, ada, email, monkeypatch):
    site.person("Ida", "viewer")  # has no password
    costs, verify = [], PasswordHasher.verify

    def counted(hasher, kept, password):
        costs.append((extract_parameters(kept), len(password)))
        return verify(hasher, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for one in ("ada@example.org", email):
        assert verbs.signed_in(site.accounts, one, "not the password") is None
    known, unknown = costs  # one hash each
    assert unknown == known


def test_passwords_cannot_be_tried_without_end(site, ada):
    client = site.client()
    said = [sign_in(client, "ada@example.org", f"guess number {i}").status_code for i in range(12)]
    assert said == [401] * 10 + [429] * 2
    other = site.client()
    assert sign_in(other, "ada@example.org", PASSWORD).status_code == 429  # the account rests, whoever asks
    assert sign_in(other, "nobody@example.org", PASSWORD).status_code == 401
    site.clock.now += timedelta(seconds=91)
    assert sign_in(other, "ada@example.org", PASSWORD).status_code == 303


def test_a_client_cannot_try_many_accounts(site):
    client = site.client()
    said = [sign_in(client, f"nobody{i}@example.org", "guess").status_code for i in range(42)]
    assert said == [401] * 40 + [429] * 2


def test_a_proxy_says_who_asks_and_its_clients_do_not(place, tmp_path):
    with town(place, tmp_path, is_behind=True) as site:
        scope = {"headers": [(b"x-forwarded-for", b"6.6.6.6, 192.0.2.9")], "client": ("10.0.0.1", 1)}
        assert site.team.client(scope) == "192.0.2.9"
    scope["headers"] += [(b"x-forwarded-for", b"198.51.100.7")]
    assert site.team.client(scope) == "198.51.100.7"
    site.team._is_behind = False
    assert site.team.client(scope) == "10.0.0.1"


def test_what_is_sent_is_limited_as_well(site, ada):
    client = site.browser(ada)
    said = [client.post("/account/sessions", data={"csrf": client.csrf}).status_code for _ in range(122)]
    assert said == [303] * 120 + [429] * 2
    assert client.get("/systems.json").status_code == 200


def test_limits_forget_and_are_bounded():
    from web_story import NOW

    limit = Limit(2, each=10)
    for at in (0, 0, 10, 20):
        limit.take("a", NOW + timedelta(seconds=at))
    with pytest.raises(Unusable, match="WEB014"):
        limit.take("a", NOW + timedelta(seconds=20))
    limit.take("b", NOW)
    limit.give_back("a")
    limit.take("a", NOW + timedelta(seconds=20))


OTHER_SITES = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"},
    {"origin": f"http://{HOST}.evil.example"},
]


@pytest.mark.parametrize("headers", OTHER_SITES)
def test_other_sites_cannot_send_forms(site, ada, headers):
    client = site.browser(ada)
    answer = client.post("/account/sessions", data={"csrf": client.csrf}, headers=headers)
    assert (answer.status_code, "WEB012" in answer.text) == (403, True)
    fresh = site.client()
    token = form(fresh)
    answer = fresh.post(
        "/login", data={"csrf": token, "email": "ada@example.org", "password": PASSWORD}, headers=headers
    )
    assert answer.status_code == 403
    assert "shipworthy" not in fresh.cookies


@pytest.mark.parametrize(
    "headers", [{}, {"origin": f"http://{HOST}"}, {"sec-fetch-site": "same-origin", "origin": "null"}]
)
def test_this_site_can(site, ada, headers):
    client = site.browser(ada)
    assert client.post("/account/sessions", data={"csrf": client.csrf}, headers=headers).status_code == 303


@pytest.mark.parametrize("given", ["", "x", None, "of another"])
def test_forms_need_the_token_of_their_own_session(site, ada, given):
    client = site.browser(ada)
    other = site.browser(site.person("Bob", "admin"))
    told = {"csrf": other.csrf if given == "of another" else given} if given is not None else {}
    for address in ("/account/sessions", "/account/tokens", "/people", "/logout"):
        assert client.post(address, data=told).status_code == (400 if given is None else 403), address


def test_a_login_form_of_another_browser_does_not_sign_this_one_in(site, ada):
    theirs, client = site.client(), site.client()
    form(client)
    told = {"csrf": form(theirs), "email": "ada@example.org", "password": PASSWORD}
    assert client.post("/login", data=told).status_code == 403
    assert site.client().post("/login", data={**told, "csrf": csrf_of("")}).status_code == 403


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b'{"csrf": 1}', "application/json"),
        (b"csrf=%FF", "application/x-www-form-urlencoded"),
        (b"csrf=\xff", "application/x-www-form-urlencoded"),
        (b"a=1&" * 600, "application/x-www-form-urlencoded"),
        (b"a=" + b"x" * 300_000, "application/x-www-form-urlencoded"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
    ],
)
def test_what_is_no_form_is_refused(site, ada, sent, kind):
    answer = site.browser(ada).post("/account/sessions", content=sent, headers={"content-type": kind})
    assert (answer.status_code, "WEB013" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", "/" + "x" * 3000, "evil",
     "/login", "/logout", "", None, "/\u202e"],
)  # fmt: skip
def test_after_signing_in_one_stays_on_this_site(site, ada, wanted):
    assert inside(wanted) == "/"
    answer = sign_in(site.client(), "ada@example.org", PASSWORD, next=wanted or "")
    assert answer.status_code == 400 if len(wanted or "") > 1_000 else answer.headers["location"] == "/"


@pytest.mark.parametrize(
    ("password", "is_taken"),
    [("x" * 11, False), ("a1b2c3d4e5f", False), ("ada@example.org", False), ("ADA@EXAMPLE.ORG", False), ("aaaaaaaaaaaa", False),
     ("abcdefghij" * 13, False), ("abcdefghij" * 12, True), ("пароль із слів", True), ("four words drawn", True)],
)  # fmt: skip
def test_passwords_are_measured_by_length(site, ada, password, is_taken):
    client = site.browser(ada)
    told = {"csrf": client.csrf, "current": PASSWORD, "new": password, "again": password}
    answer = client.post("/account/password", data=told)
    assert (answer.status_code == 303) == is_taken
    assert is_taken or "ACCOUNT003" in answer.text


def test_a_stolen_browser_cannot_change_the_password(site, ada):
    client = site.browser(ada)
    told = {
        "csrf": client.csrf,
        "current": "not this one",
        "new": "other words by chance",
        "again": "other words by chance",
    }
    assert client.post("/account/password", data=told).status_code == 401
    assert verbs.signed_in(site.accounts, "ada@example.org", PASSWORD) is not None


def test_others_can_be_signed_out(site, ada):
    here, there = site.browser(ada), site.browser(ada)
    assert here.post("/account/sessions", data={"csrf": here.csrf}).status_code == 303
    assert (here.get("/systems.json").status_code, there.get("/systems.json").status_code) == (200, 401)


def test_tokens_are_bounded_shown_once_end_and_can_be_revoked(site, ada):
    client = site.browser(ada)
    told = {"csrf": client.csrf, "name": "<b>ci</b>", "scope-read": "1", "system": "*", "days": "366"}
    for bad in (
        {"days": "367"},
        {"days": "0"},
        {"days": "x"},
        {"days": "²"},
        {"name": ""},
        {"name": "x" * 81},
        {"scope-read": ""},
        {"system": "x" * 201},
    ):
        answer = client.post("/account/tokens", data={**told, **bad})
        assert (answer.status_code, "ACCOUNT00" in answer.text) == (400, True), bad
    page = client.post("/account/tokens", data=told)
    assert page.headers["cache-control"] == "no-store"
    assert "<b>" not in page.text
    assert Page(page.text).wrong == []
    secret = re.search("swt_[A-Za-z0-9_-]{43}", page.text)[0]
    program = site.client(headers={"authorization": f"Bearer {secret}"})
    assert program.get("/systems.json").status_code == 200
    assert client.get("/account.json").json()["tokens"][0]["used"] is not None
    site.clock.now += timedelta(days=366)
    assert program.get("/systems.json").status_code == 401
    site.clock.now -= timedelta(days=1)
    assert program.get("/systems.json").status_code == 200
    client = site.browser(ada)
    (one,) = site.accounts.tokens(ada.id)
    other = site.browser(site.person("Bob", "viewer"))
    assert other.post(f"/account/tokens/{one.id}/revoke", data={"csrf": other.csrf}).status_code == 404
    assert client.post(f"/account/tokens/{one.id}/revoke", data={"csrf": client.csrf}).status_code == 303
    assert program.get("/systems.json").status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer swt_", "Basic YTpi", "bearer " + "x" * 47, "Bearer swt_" + "x" * 43, "Bearer \xff"]
)
def test_a_wrong_token_is_never_helped_by_a_cookie(site, ada, header):
    client = site.browser(ada)
    answer = client.get("/systems.json", headers={"authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.json()["faults"][0]["code"]) == (401, "WEB010")


def test_tokens_cannot_be_guessed_without_end(site):
    client = site.client()
    said = [client.get("/systems.json", headers={"authorization": f"Bearer swt_{i}"}).status_code for i in range(42)]
    assert said == [401] * 40 + [429] * 2


def test_admins_look_after_people(site, ada):
    client = site.browser(ada)
    told = {
        "csrf": client.csrf,
        "email": "bea@example.org",
        "name": "Bea",
        "password": PASSWORD,
        "role": "viewer",
        "system": OURS,
    }
    assert client.post("/people", data=told).status_code == 303
    assert client.post("/people", data={**told, "email": "BEA@example.org"}).status_code == 409
    for bad in (
        {"email": "bea"},
        {"email": "<x>@y"},
        {"name": "a<b"},
        {"name": ""},
        {"password": "short"},
        {"role": "king"},
    ):
        assert client.post("/people", data={**told, "email": "new@example.org", **bad}).status_code == 400, bad
    bea = site.accounts.find("bea@example.org")
    assert bea.grants == {OURS: frozenset({"viewer"})}
    page = client.get("/people")
    assert Page(page.text).wrong == []
    at = f"/people/{bea.id}"
    assert client.post(f"{at}/roles", data={"csrf": client.csrf, "role": "approver", "system": "*"}).status_code == 303
    assert (
        client.post(
            f"{at}/roles", data={"csrf": client.csrf, "role": "viewer", "system": OURS, "do": "take"}
        ).status_code
        == 303
    )
    assert site.accounts.get(bea.id).grants == {"*": frozenset({"approver"})}
    assert client.post(f"{at}/password", data={"csrf": client.csrf, "new": "other words by chance"}).status_code == 303
    assert client.post(f"{at}/status", data={"csrf": client.csrf, "do": "disable"}).status_code == 303
    assert verbs.signed_in(site.accounts, "bea@example.org", "other words by chance") is None
    assert client.post(f"{at}/status", data={"csrf": client.csrf, "do": "enable"}).status_code == 303
    assert verbs.signed_in(site.accounts, "bea@example.org", "other words by chance") is not None


def test_nobody_gives_themselves_a_role_and_somebody_always_can(site, ada):
    client, at = site.browser(ada), f"/people/{ada.id}"
    told = {"csrf": client.csrf, "role": "approver", "system": "*"}
    answer = client.post(f"{at}/roles", data=told)
    assert (answer.status_code, "ACCOUNT008" in answer.text) == (403, True)
    for address, more in (
        ("roles", {"role": "admin", "do": "take"}),
        ("status", {"do": "disable"}),
        ("erase", {"email": "ada@example.org"}),
    ):
        answer = client.post(f"{at}/{address}", data={**told, **more})
        assert (answer.status_code, "ACCOUNT005" in answer.text) == (409, True), address
    assert site.accounts.get(ada.id) == ada


def test_a_person_is_erased_by_their_address_alone(site, ada):
    bob = site.person("Bob", "viewer")
    client = site.browser(ada)
    assert (
        client.post(f"/people/{bob.id}/erase", data={"csrf": client.csrf, "email": "ada@example.org"}).status_code
        == 400
    )
    assert (
        client.post(f"/people/{bob.id}/erase", data={"csrf": client.csrf, "email": "Bob@example.org"}).status_code
        == 303
    )
    assert "Bob" not in Page(client.get("/people").text).text  # a token for forms may hold the letters by chance
    assert site.record.verify().faults == ()


def test_no_secret_and_no_address_is_logged(site, ada, caplog):
    caplog.set_level(logging.DEBUG)
    client = site.client()
    sign_in(client, "ada@example.org", "a wrong pass phrase")
    sign_in(client, "ada@example.org", PASSWORD)
    page = client.post(
        "/account/tokens",
        data={"csrf": form(client, "/account"), "name": "ci", "scope-read": "1", "system": "*", "days": "9"},
    )
    token = re.search("swt_[A-Za-z0-9_-]{43}", page.text)[0]
    site.client(headers={"authorization": f"Bearer {token}"}).get("/systems.json")
    site.client(headers={"authorization": "Bearer swt_wrong"}).get("/systems.json")
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))]
    for secret in (
        PASSWORD,
        "a wrong pass phrase",
        token,
        client.cookies["shipworthy"],
        "ada@example.org",
        "swt_wrong",
    ):
        assert not [line for line in ours if secret in line]
