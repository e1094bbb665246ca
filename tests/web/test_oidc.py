"""Signing in by OpenID Connect, against a provider that runs here: what it vouches for, and every way to cheat."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("joserfc", reason="needs the extra web")

import web_provider as cheats
from web_people import PASSWORD, town
from web_provider import CLIENT, SECRET
from web_site import HOST

from shipworthy.errors import Unusable
from shipworthy.web.oidc import Provider, provider_from

BACK = f"http://{HOST}/login/oidc/back"


@pytest.fixture
def provider():
    one = cheats.Provider()
    yield one
    one.close()


@pytest.fixture
def site(place, tmp_path, provider):
    ours = Provider(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, redirect=BACK)
    with town(place, tmp_path, provider=ours) as made:
        provider.now = made.clock
        yield made


@pytest.fixture
def ada(site):
    return site.person("Ada", "viewer")


def go(client, wanted="/risks"):
    answer = client.get("/login/oidc", params={"next": wanted})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come(client, query):
    return client.get("/login/oidc/back", params=query)


def sign_in(site, provider, **who):
    client = site.client()
    return client, come(client, provider.visit(go(client), **who))


def refused(answer, code="WEB019"):
    assert answer.status_code in (403, 502), answer.text
    assert code in answer.text
    assert "shipworthy=" not in " ".join(answer.headers.get_list("set-cookie"))


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # which the provider does
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "Ed25519"])
def test_whom_the_provider_vouches_for_is_let_in(site, ada, provider, algorithm):
    provider.algorithm = algorithm
    client, answer = sign_in(site, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/risks")
    assert client.get("/account.json").json()["account"]["email"] == "ada@example.org"
    assert site.accounts.get(ada.id).has_login


def test_the_page_offers_the_provider(site, provider):
    assert "Sign in with" in site.client().get("/login").text


def test_nobody_gets_an_account_by_themselves(site, provider):
    _, answer = sign_in(site, provider, email="stranger@example.org")
    refused(answer, "WEB017")
    assert site.accounts.all() == ()


def test_a_default_role_lets_strangers_look(site, provider):
    site.team.provider.default = "viewer"
    client, answer = sign_in(site, provider, email="stranger@example.org")
    assert answer.status_code == 303
    shown = client.get("/account.json").json()["account"]
    assert (shown["name"], shown["grants"]) == ("Ada Lovelace", {"*": ["viewer"]})
    assert site.record.verify().faults == ()


def test_an_account_stays_that_of_whom_it_was_bound_to(site, ada, provider):
    assert sign_in(site, provider)[1].status_code == 303
    refused(sign_in(site, provider, subject="somebody-else")[1], "WEB017")  # who has the address now
    client, answer = sign_in(site, provider, email="renamed@example.org")  # whom the provider calls otherwise now
    assert answer.status_code == 303
    assert client.get("/account.json").json()["account"]["id"] == ada.id


def test_a_disabled_account_is_let_in_by_nobody(site, ada, provider):
    boss = site.person("Boss", "admin")
    site.accounts.set_status(boss.person, site.clock(), ada.id, "disabled")
    refused(sign_in(site, provider)[1], "WEB017")


CLAIMS = {
    "another nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "another client"},
    "no audience": {"aud": None},
    "many audiences, none authorized": {"aud": [CLIENT, "another"]},
    "for another party": {"aud": [CLIENT, "another"], "azp": "another"},
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "expired": {"exp": 1, "iat": 0},
    "endless": {"exp": None},
    "an end that is no time": {"exp": "tomorrow"},
    "made in the future": {"iat": 99999999999, "exp": 99999999999},
    "not yet": {"nbf": 99999999999},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "an address not verified": {"email_verified": False},
    "an address said to be verified": {"email_verified": "true"},
    "nothing of the address": {"email_verified": None},
    "no address": {"email": None},
    "an address that is none": {"email": ["ada@example.org"]},
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
def test_a_token_that_says_something_else_is_refused(site, ada, provider, claims):
    provider.claims = claims
    refused(sign_in(site, provider)[1])


SIGNED = [
    "unsigned",
    "with_the_public_key",
    "with_another_key",
    "with_its_own_key",
    "with_changed_claims",
    "without_signature",
]


@pytest.mark.parametrize("how", SIGNED)
def test_a_token_that_the_provider_has_not_signed_is_refused(site, ada, provider, how):
    provider.sign = getattr(cheats, how)
    refused(sign_in(site, provider)[1])


@pytest.mark.parametrize(
    "head",
    [
        {"kid": "nobody's"},
        {"kid": "ec"},
        {"kid": ["rsa"]},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": ["RS256"]},
        {"alg": None},
    ],
)
def test_a_token_chooses_neither_key_nor_algorithm(site, ada, provider, head):
    provider.sign = lambda own, claims: ".".join(
        [
            cheats.encoded({**own, **head}),
            *cheats.jwt.encode(own | {"alg": "RS256"}, claims, cheats.KEYS["RS256"], algorithms=["RS256"]).split(".")[
                1:
            ],
        ]
    )
    refused(sign_in(site, provider)[1])


def test_a_token_without_a_key_id_is_taken_where_only_one_key_can_be_meant(site, ada, provider):
    provider.head = {"kid": None}
    assert sign_in(site, provider)[1].status_code == 303
    provider.keys.append(cheats.RSAKey.generate_key(2048, {"kid": "second", "use": "sig"}))
    site.clock.now += timedelta(hours=2)
    refused(sign_in(site, provider)[1])


def test_new_keys_are_asked_for_and_not_too_often(site, ada, provider):
    whole, provider.keys = provider.keys, provider.keys[1:]
    refused(sign_in(site, provider)[1])
    asked = provider.asked.count("/keys")
    refused(sign_in(site, provider)[1])
    assert provider.asked.count("/keys") == asked
    provider.keys = whole
    site.clock.now += timedelta(minutes=2)
    assert sign_in(site, provider)[1].status_code == 303


def test_a_short_key_signs_nothing(site, ada, provider, recwarn):
    weak = cheats.RSAKey.generate_key(1024, {"kid": "rsa", "use": "sig"}, auto_kid=False)
    provider.keys = [weak]
    provider.sign = lambda head, claims: cheats.jwt.encode(head, claims, weak, algorithms=["RS256"])
    refused(sign_in(site, provider)[1], "WEB016")


def test_each_state_counts_once(site, ada, provider):
    client = site.client()
    query = provider.visit(go(client))
    assert come(client, query).status_code == 303
    refused(come(client, query))


def test_a_state_ends(site, ada, provider):
    client = site.client()
    query = provider.visit(go(client))
    site.clock.now += timedelta(minutes=11)
    refused(come(client, query))


@pytest.mark.parametrize("state", ["", "x" * 43, None])
def test_a_state_that_is_not_ours_is_refused(site, ada, provider, state):
    client = site.client()
    query = provider.visit(go(client)) | {"state": state}
    refused(come(client, {key: value for key, value in query.items() if value is not None}))


def test_nobody_is_signed_in_as_somebody_else_by_a_link(site, ada, provider):
    attacker, victim = site.client(), site.client()
    query = provider.visit(go(attacker))
    refused(come(victim, query))  # has begun nothing
    attacker, victim = site.client(), site.client()
    query = provider.visit(go(attacker))
    go(victim)
    refused(come(victim, query))  # has begun something else


def test_a_code_of_another_sign_in_is_not_redeemed(site, ada, provider):
    mine, theirs = site.client(), site.client()
    query, stolen = provider.visit(go(mine)), provider.visit(go(theirs))
    refused(come(mine, query | {"code": stolen["code"]}), "WEB016")  # its proof of possession is another


@pytest.mark.parametrize("iss", ["https://evil.example", None, ""])
def test_another_provider_does_not_answer_for_this_one(site, ada, provider, iss):
    client = site.client()
    query = provider.visit(go(client)) | {"iss": iss}
    refused(come(client, {key: value for key, value in query.items() if value is not None}))


def test_a_provider_that_never_names_itself_is_taken(site, ada, provider):
    provider.discovery = {"authorization_response_iss_parameter_supported": None}
    client = site.client()
    query = provider.visit(go(client))
    del query["iss"]
    assert come(client, query).status_code == 303


def test_a_query_that_says_things_twice_is_refused(site, ada, provider):
    client = site.client()
    query = provider.visit(go(client))
    refused(come(client, [*query.items(), ("code", "another")]))


def test_an_error_of_the_provider_lets_nobody_in_and_is_not_repeated(site, ada, provider):
    client = site.client()
    query = provider.visit(go(client))
    answer = come(
        client, {"state": query["state"], "iss": query["iss"], "error": "<script>", "error_description": "owned"}
    )
    refused(answer)
    assert "owned" not in answer.text


BROKEN = {
    "another issuer": {"issuer": "https://evil.example"},
    "endpoints in the clear": {"token_endpoint": "http://evil.example/token"},
    "keys from a file": {"jwks_uri": "file:///etc/passwd"},
    "no endpoint": {"authorization_endpoint": None},
    "credentials in it": {"token_endpoint": "https://a:b@evil.example/token"},
}


@pytest.mark.parametrize("discovery", BROKEN.values(), ids=BROKEN)
def test_a_provider_that_describes_itself_wrongly_is_not_used(site, provider, discovery):
    provider.discovery = discovery
    answer = site.client().get("/login/oidc")
    assert (answer.status_code, "WEB016" in answer.text) == (502, True)


@pytest.mark.parametrize(
    "reply", [(500, {}), (302, {}), (200, b"x" * 300_000), (200, b"[]"), (200, b"[" * 100_000), (200, b"\xff")]
)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
def test_answers_of_the_provider_are_not_trusted(site, ada, provider, reply, path):
    provider.answers[path] = reply
    client = site.client()
    begun = client.get("/login/oidc")
    if path.startswith("/.well"):
        refused(begun, "WEB016")
        return
    answer = come(client, provider.visit(begun.headers["location"]))
    assert answer.status_code == 502
    assert "/elsewhere" not in provider.asked


def test_a_provider_that_is_gone_is_said(site, provider):
    site.team.provider._issuer = "http://127.0.0.1:9"
    answer = site.client().get("/login/oidc")
    assert (answer.status_code, "WEB016" in answer.text) == (502, True)


def test_no_code_and_no_secret_is_logged_or_shown(site, ada, provider, caplog):
    caplog.set_level(logging.DEBUG)
    provider.claims = {"nonce": "wrong"}
    client = site.client()
    query = provider.visit(go(client))
    page = come(client, query).text
    site.client()
    ours = page + "\n".join(
        one.getMessage() for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))
    )
    for secret in (query["code"], query["state"], SECRET):
        assert secret not in ours
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", ours)  # no token of the provider


def test_what_is_sent_to_the_provider(site, provider):
    asked = {key: values[0] for key, values in parse_qs(urlsplit(go(site.client())).query).items()}
    assert asked["redirect_uri"] == BACK
    assert asked["client_id"] == CLIENT
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) == 43


@pytest.mark.parametrize(
    "environ",
    [
        {"SHIPWORTHY_OIDC_ISSUER": "http://id.example.org", "SHIPWORTHY_OIDC_CLIENT_ID": "x"},
        {"SHIPWORTHY_OIDC_ISSUER": "https://id.example.org"},
        {"SHIPWORTHY_OIDC_ISSUER": "https://u:p@id.example.org", "SHIPWORTHY_OIDC_CLIENT_ID": "x"},
        {
            "SHIPWORTHY_OIDC_ISSUER": "https://id.example.org",
            "SHIPWORTHY_OIDC_CLIENT_ID": "x",
            "SHIPWORTHY_OIDC_DEFAULT_ROLE": "admin",
        },
    ],
)
def test_settings_that_are_not_safe_are_refused(environ):
    with pytest.raises(Unusable, match="WEB018"):
        provider_from(environ, public_url="https://shipworthy.example.org/")


def test_settings_come_from_the_environment():
    assert provider_from({}, public_url="https://x/") is None
    environ = {
        "SHIPWORTHY_OIDC_ISSUER": "https://id.example.org",
        "SHIPWORTHY_OIDC_CLIENT_ID": "x",
        "SHIPWORTHY_OIDC_DEFAULT_ROLE": "viewer",
    }
    found = provider_from(environ, public_url="https://shipworthy.example.org/")
    assert (found.default, found._redirect) == ("viewer", "https://shipworthy.example.org/login/oidc/back")


def test_a_password_is_no_way_round_the_provider(site, ada, provider):
    assert sign_in(site, provider)[1].status_code == 303
    from shipworthy.api import accounts as verbs

    assert verbs.signed_in(site.accounts, "ada@example.org", PASSWORD) is None
