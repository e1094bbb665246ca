"""Who is let in, and what roles allow: without pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("argon2", reason="needs the extra web")

from hypothesis import given
from hypothesis import strategies as st

from shipworthy.api import accounts as verbs
from shipworthy.api.accounts import EVERY, PERMISSIONS, PERMITTED, ROLES, TOOL, granted, systems_of
from shipworthy.api.recording import open_record
from shipworthy.errors import Unusable

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
PASSWORD = "four words drawn by chance"


@pytest.fixture
def record(tmp_path):
    with open_record(tmp_path / "record.db") as opened:
        yield opened


@pytest.fixture
def accounts(record):
    return verbs.opened(record)


def make(accounts, name="Ada", password=PASSWORD, **more):
    given = {"actor": TOOL, "email": f"{name.lower()}@example.org", "name": name, "password": password, "now": NOW}
    return verbs.create(accounts, **{**given, **more})


def test_the_roles_are_what_the_documentation_says():
    assert {role: sorted(gives) for role, gives in PERMISSIONS.items()} == {
        "viewer": ["read"],
        "evaluator": ["pack", "read", "run", "write"],
        "approver": ["approve", "pack", "read"],
        "auditor": ["audit", "pack", "read"],
        "admin": ["administer", "audit", "pack", "read"],
    }


roles = st.sets(st.sampled_from(ROLES)).map(frozenset)
names = st.sampled_from([EVERY, "a", "b", "c"])


@given(st.dictionaries(names, roles), st.sampled_from(PERMITTED), names)
def test_rights_properties(grants, permission, system):
    by_list = systems_of(grants, permission)
    allowed = permission in granted(grants, system)
    assert allowed == (by_list is None or (system in by_list and system != EVERY))
    assert granted(grants, EVERY) <= granted(grants, system)  # on all is on each
    more = {**grants, system: grants.get(system, frozenset()) | {"viewer"}}
    assert granted(grants, system) <= granted(more, system)
    for other in {"a", "b", "c"} - {system}:
        if system != EVERY:
            assert granted(more, other) == granted(grants, other)


def test_a_password_opens_its_account_alone(accounts):
    ada, bea = make(accounts), make(accounts, "Bea", "another four words drawn")
    assert verbs.signed_in(accounts, "ADA@example.org", PASSWORD) == ada
    assert verbs.signed_in(accounts, "bea@example.org", PASSWORD) is None
    for password in ("", PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper(), "x" * 10_000, "\0"):
        assert verbs.signed_in(accounts, "ada@example.org", password) is None
    assert verbs.signed_in(accounts, "x" * 10_000, PASSWORD) is None
    assert accounts.password(bea.id).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert accounts.password(bea.id) != accounts.password(ada.id)


def test_a_weaker_hash_is_renewed_when_its_password_is_used(accounts):
    from argon2 import PasswordHasher

    ada = make(accounts)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    accounts.rehash(ada.id, weak)
    assert verbs.signed_in(accounts, "ada@example.org", "wrong") is None
    assert accounts.password(ada.id) == weak
    assert verbs.signed_in(accounts, "ada@example.org", PASSWORD) is not None
    assert "m=65536" in accounts.password(ada.id)


def test_an_account_without_a_password_has_none_to_guess(accounts):
    make(accounts, password=None)
    for password in ("", "None", "null"):
        assert verbs.signed_in(accounts, "ada@example.org", password) is None


@pytest.mark.parametrize(
    "wrong",
    [{"email": "ada"}, {"email": "a b@example.org"}, {"email": "a@b@c"}, {"email": "<a>@b"}, {"email": "a@" + "b" * 400},
     {"name": ""}, {"name": "  "}, {"name": "a<b"}, {"name": "a\x1bb"}, {"name": "x" * 201}, {"roles": ["king"]},
     {"password": "short"}, {"password": "x" * 129}, {"password": "ada@example.org"}, {"system": ""}],
)  # fmt: skip
def test_what_is_no_account_is_refused(accounts, wrong):
    with pytest.raises(Unusable, match=r"ACCOUNT00[347]|RECORD011"):
        make(accounts, **{"roles": ["viewer"], "email": "ada@example.org", **wrong})
    assert accounts.all() == ()


def test_a_name_can_act(record, accounts):
    """What an account is called is what the verbs take, so that its person is the record's."""
    from shipworthy.api.acting import acting

    ada = make(accounts, "  Ada   O'Neil (she)  ", email="Ada.O'Neil+x@example.org")
    assert acting(record, ada.actor).person == ada.person
    assert ada.name == "Ada O'Neil (she)"


def test_tokens_never_allow_more_than_their_account(accounts):
    ada = make(accounts, roles=["viewer"], system="loans")
    _, secret = verbs.new_token(accounts, ada, name="ci", scopes=PERMITTED, system=EVERY, days=1, now=NOW)
    token, account = verbs.token_of(accounts, secret, now=NOW)
    assert token.scopes == frozenset(PERMITTED)
    assert granted(verbs.grants_of(account, only=token.system), "loans") == {"read"}
    assert granted(verbs.grants_of(account, only=token.system), EVERY) == frozenset()
    make(accounts, "Bea", roles=["admin"])
    both = verbs.grants_of(accounts.find("bea@example.org"), only="loans")
    assert granted(both, EVERY) == frozenset()
    assert "administer" in granted(both, "loans")
    with pytest.raises(Unusable, match="ACCOUNT006"):
        verbs.new_token(accounts, ada, name="ci", scopes=["read"], system="other", days=1, now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [{"days": 0}, {"days": 367}, {"name": " "}, {"name": "x" * 81}, {"scopes": []}, {"scopes": ["read", "root"]}],
)
def test_a_token_is_bounded(accounts, wrong):
    ada = make(accounts, roles=["viewer"])
    with pytest.raises(Unusable, match=r"ACCOUNT00[46]"):
        verbs.new_token(
            accounts, ada, **{"name": "ci", "scopes": ["read"], "system": EVERY, "days": 1, "now": NOW, **wrong}
        )


@pytest.mark.parametrize(
    "secret", ["", "swt_", "swt_" + "x" * 43, "swt_" + "x" * 44, "SWT_" + "x" * 43, "swt_" + "ö" * 43]
)
def test_what_is_no_token_opens_nothing(accounts, secret):
    assert verbs.token_of(accounts, secret, now=NOW) is None


def test_a_session_is_256_bits_by_chance(accounts):
    ada = make(accounts)
    secrets = {verbs.begin_session(accounts, ada, now=NOW) for _ in range(5)}
    assert {len(one) for one in secrets} == {43}
    assert len(secrets) == 5
    one = secrets.pop()
    assert verbs.session_of(accounts, one, now=NOW + verbs.IDLE - timedelta(seconds=1)).account == ada
    assert verbs.session_of(accounts, one, now=NOW + 3 * verbs.IDLE) is None
    assert verbs.session_of(accounts, one[:-1], now=NOW) is None


def test_erasing_a_person_is_refused_where_they_stand_in_something_open(record, accounts, monkeypatch):
    from shipworthy.api import keeping

    admin, ada = make(accounts, "Boss", roles=["admin"]), make(accounts)
    monkeypatch.setattr(keeping, "_open", lambda record, people, today: ["waiver W-1"])
    with pytest.raises(Unusable, match="KEEP004"):
        verbs.erase(record, accounts, ada, actor=admin.actor, now=NOW)
    assert accounts.get(ada.id).status == "active"
    monkeypatch.undo()
    verbs.erase(record, accounts, ada, actor=admin.actor, now=NOW)
    with pytest.raises(Unusable, match="ACCOUNT005"):
        verbs.erase(record, accounts, admin, actor=admin.actor, now=NOW)
    assert record.verify().faults == ()


@pytest.mark.parametrize(
    "email", ["e\u200bva@example.org", "eva@example.org\u034f", "e\u3164va@example.org", "еva@example.org"]
)
def test_no_account_looks_like_another(accounts, email):
    make(accounts, "Eva")
    with pytest.raises(Unusable, match="ACCOUNT007"):
        make(accounts, "Eva", email=email)
    assert accounts.find(email) is None
    told = {"issuer": "i", "subject": "s", "name": "Eva", "default": None, "now": NOW}
    assert verbs.let_in(accounts, email=email, **told) is None


def test_a_provider_lets_in_by_the_spelling_of_an_address(accounts):
    made = make(accounts, "Eva", email="strasse@example.org")
    told = {"issuer": "i", "name": "Eva", "default": None, "now": NOW}
    assert verbs.let_in(accounts, email="straße@example.org", subject="other", **told) is None
    assert verbs.let_in(accounts, email="Strasse@Example.org", subject="own", **told).id == made.id
