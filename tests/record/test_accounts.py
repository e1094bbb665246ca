"""Accounts in the record, in both databases: what is kept, what the log tells, and what ends with what."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest

from shipworthy.errors import Unusable
from shipworthy.record.accounts import MOST_SESSIONS, MOST_TOKENS, Accounts
from shipworthy.record.documents import Risk, System
from shipworthy.record.labels import Label
from shipworthy.record.seen import Seen
from shipworthy.record.store import Record

TOOL = "tool:shipworthy/0.1.0"
IDLE = timedelta(hours=2)


@pytest.fixture
def accounts(record):
    return Accounts(record)


@pytest.fixture
def ada(accounts, now):
    return accounts.create(
        TOOL, now, email="Ada@example.org", name="Ada", password="hash", given=[("*", "admin"), ("loans", "viewer")]
    )


def told(record):
    return [json.loads(line) for line in record.log()]


def fault(code):
    return pytest.raises(Unusable, match=code)


def test_an_account_is_found_however_its_address_is_spelt(accounts, ada):
    assert accounts.find(" ADA@EXAMPLE.org") == accounts.get(ada.id) == ada
    assert accounts.find("") is accounts.find("bob@example.org") is accounts.get("account-x") is None
    assert (ada.grants, ada.status, ada.has_password, ada.has_login) == (
        {"*": frozenset({"admin"}), "loans": frozenset({"viewer"})}, "active", True, False,
    )  # fmt: skip
    assert ada.actor == "Ada <Ada@example.org>"


def test_an_account_is_that_of_the_person_whom_the_record_knew(record, accounts, now):
    person = record.person("bea@example.org", "Bea Okafor")
    account = accounts.create(TOOL, now, email="BEA@example.org", name="B.", password=None)
    assert (account.person, account.name, account.has_password) == (person, "Bea Okafor", False)
    with fault("ACCOUNT002"):
        accounts.create(TOOL, now, email="bea@example.org", name="Bea", password=None)


def test_every_change_is_told_in_the_log_without_secrets_and_names(record, accounts, ada, now):
    bob = accounts.create(ada.person, now, email="bob@example.org", name="Bob", password=None)
    accounts.grant(ada.person, now, bob.id, "loans", "viewer")
    accounts.grant(ada.person, now, bob.id, "loans", "viewer")  # has it already
    accounts.ungrant(ada.person, now, bob.id, "loans", "viewer")
    accounts.set_password(ada.person, now, bob.id, "a hash")
    token = accounts.add_token(
        bob.person, now, bob.id, "sha256:x", name="Bob's", scopes=["read"], system="*", ends=now + timedelta(days=1)
    )
    accounts.revoke(bob.person, now, token.id)
    accounts.bind(now, bob.id, "sha256:login")
    accounts.set_status(ada.person, now, bob.id, "disabled")
    accounts.set_status(ada.person, now, bob.id, "active")
    lines = told(record)
    assert [one["action"] for one in lines] == [
        "account.create", "account.create", "account.grant", "account.ungrant", "account.password", "token.create",
        "token.revoke", "account.bind", "account.disable", "account.enable",
    ]  # fmt: skip
    assert {one["actor"] for one in lines} == {TOOL, ada.person, bob.person}
    assert lines[2]["details"] == {"system": "loans", "role": "viewer"}
    text = json.dumps(lines)
    for word in ("example.org", "Bob", "Ada", "hash", "sha256:x", "sha256:login"):
        assert word not in text.replace(lines[-1]["previous"], "")
    verified = record.verify()
    assert verified.faults == ()


@pytest.mark.parametrize("actor", ["person:" + "0" * 64, "nobody", ""])
def test_nobody_unknown_changes_anything(record, accounts, ada, now, actor):
    size = record.size()
    for change in (
        lambda: accounts.grant(actor, now, ada.id, "x", "viewer"),
        lambda: accounts.ungrant(actor, now, ada.id, "loans", "viewer"),
        lambda: accounts.set_password(actor, now, ada.id, "other"),
        lambda: accounts.set_status(actor, now, ada.id, "disabled"),
    ):
        with fault("RECORD017"):
            change()
    assert (accounts.get(ada.id), accounts.password(ada.id), record.size()) == (ada, "hash", size)


def test_somebody_can_always_hand_out_roles(accounts, ada, now):
    with fault("ACCOUNT005"):
        accounts.set_status(TOOL, now, ada.id, "disabled")
    with fault("ACCOUNT005"):
        accounts.ungrant(TOOL, now, ada.id, "*", "admin")
    assert accounts.get(ada.id) == ada
    bob = accounts.create(TOOL, now, email="bob@example.org", name="Bob", password=None, given=[("*", "admin")])
    accounts.set_status(bob.person, now, ada.id, "disabled")
    with fault("ACCOUNT005"):
        accounts.ungrant(TOOL, now, bob.id, "*", "admin")


def test_two_who_leave_at_once_do_not_both(place, now):
    with Record.open(place) as record:
        accounts = Accounts(record)
        both = [
            accounts.create(TOOL, now, email=f"{i}@example.org", name=str(i), password=None, given=[("*", "admin")])
            for i in range(2)
        ]

        def leave(one, said):
            try:
                accounts.set_status(TOOL, now, one.id, "disabled")
                said.append("left")
            except Unusable as error:
                said.append(error.faults[0].code)

        said = []
        threads = [threading.Thread(target=leave, args=(one, said)) for one in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(said) == ["ACCOUNT005", "left"]
        assert record.verify().faults == ()


def test_sessions_end_when_idle_when_old_and_with_the_account(accounts, ada, now):
    accounts.begin(ada.id, "d1", now=now, ends=now + timedelta(hours=12))
    assert accounts.session("d1", now=now + timedelta(minutes=119), idle=IDLE).account == ada
    assert accounts.session("d1", now=now + timedelta(minutes=237), idle=IDLE) is not None  # it was used meanwhile
    assert accounts.session("d1", now=now + timedelta(hours=6), idle=IDLE) is None
    assert accounts.session("d1", now=now, idle=IDLE) is None  # gone for good
    accounts.begin(ada.id, "d2", now=now, ends=now + timedelta(hours=1))
    assert accounts.session("d2", now=now + timedelta(hours=1), idle=IDLE) is None
    assert accounts.session("nothing", now=now, idle=IDLE) is None
    for end in (
        lambda: accounts.set_password(TOOL, now, ada.id, "x"),
        lambda: accounts.grant(TOOL, now, ada.id, "new", "viewer"),
        lambda: accounts.ungrant(TOOL, now, ada.id, "new", "viewer"),
        lambda: accounts.end_all(ada.id),
        lambda: accounts.end("d3"),
    ):
        accounts.begin(ada.id, "d3", now=now, ends=now + timedelta(hours=1))
        end()
        assert accounts.session("d3", now=now, idle=IDLE) is None
    accounts.begin(ada.id, "d4", now=now, ends=now + timedelta(hours=1))
    accounts.end_all(ada.id, but="d4")
    assert (accounts.session("d4", now=now, idle=IDLE) is not None, accounts.sessions(ada.id)) == (True, 1)


def test_sessions_and_tokens_of_an_account_are_bounded(accounts, ada, now):
    for i in range(MOST_SESSIONS + 3):
        accounts.begin(ada.id, f"d{i}", now=now + timedelta(seconds=i), ends=now + timedelta(hours=1))
    assert accounts.sessions(ada.id) == MOST_SESSIONS
    assert accounts.session("d0", now=now, idle=IDLE) is None
    for i in range(MOST_TOKENS):
        accounts.add_token(TOOL, now, ada.id, f"t{i}", name="x", scopes=["read"], system="*", ends=now + IDLE)
    with fault("ACCOUNT006"):
        accounts.add_token(TOOL, now, ada.id, "one more", name="x", scopes=["read"], system="*", ends=now + IDLE)


def test_tokens_end_and_belong_to_somebody(accounts, ada, now):
    ends = now + timedelta(days=2)
    token = accounts.add_token(
        ada.person, now, ada.id, "d", name="ci", scopes=["read", "run"], system="loans", ends=ends
    )
    found, account = accounts.token("d", now=now)
    assert (found, account) == (token, ada)
    assert accounts.tokens(ada.id)[0].used == now
    assert accounts.token("d", now=ends) is None
    assert accounts.token("e", now=now) is None
    with fault("ACCOUNT001"):
        accounts.revoke(TOOL, now, token.id, of="account-other")
    with fault("ACCOUNT001"):
        accounts.add_token(TOOL, now, "account-none", "f", name="x", scopes=["read"], system="*", ends=ends)
    accounts.revoke(TOOL, now, token.id)
    assert accounts.token("d", now=now) is None


def test_who_is_erased_can_do_nothing_any_more(record, accounts, ada, now):
    bob = accounts.create(TOOL, now, email="bob@example.org", name="Bob", password="bobs hash", given=[("*", "admin")])
    accounts.begin(bob.id, "d", now=now, ends=now + IDLE)
    accounts.add_token(bob.person, now, bob.id, "t", name="x", scopes=["read"], system="*", ends=now + IDLE)
    accounts.bind(now, bob.id, "login")
    record.erase(TOOL, now, bob.person)
    assert accounts.get(bob.id) is accounts.find("bob@example.org") is accounts.by_login("login") is None
    assert accounts.session("d", now=now, idle=IDLE) is accounts.token("t", now=now) is None
    assert accounts.all() == (ada,)
    accounts.close(bob.person)
    assert accounts.password(bob.id) is None
    assert record.verify().faults == ()
    again = accounts.create(TOOL, now, email="bob@example.org", name="Bob", password=None)
    assert again.person != bob.person


@pytest.mark.parametrize("system", ["", "x" * 201, "a\0b", "\ud800"])
def test_roles_are_on_systems_that_can_be_kept(accounts, ada, now, system):
    with pytest.raises(Unusable, match=r"ACCOUNT004|RECORD011"):
        accounts.grant(TOOL, now, ada.id, system, "viewer")
    with pytest.raises(Unusable, match=r"ACCOUNT004|RECORD011"):
        accounts.create(TOOL, now, email="x@example.org", name="X", password=None, given=[(system, "viewer")])
    assert len(accounts.all()) == 1


def test_a_record_that_is_moved_takes_its_accounts_along(record, accounts, ada, now, tmp_path):
    with Record.open(tmp_path / "other.db") as other:
        record.copy_to(other)
        assert Accounts(other).all() == (ada,)
        assert Accounts(other).password(ada.id) == "hash"


# What is seen of a record


@pytest.fixture
def two(record, now, risk):
    who = record.person("ada@example.org", "Ada")
    systems = [System(id=name, tier="high", purpose="x") for name in ("ours", "theirs")]
    record.write(who, now, *systems, *(risk(f"R-{name}", system=name) for name in ("ours", "theirs")))
    return who


def test_only_what_may_be_read_is_there(record, two):
    seen = Seen(record, lambda: frozenset({"ours"}))
    assert [one.id for one in seen.find("risk")] == ["R-ours"]
    assert [one.id for one in seen.find("system")] == ["ours"]
    assert seen.find("risk", system="theirs") == seen.find("risk", text="R-theirs", offset=0) == ()
    assert (
        seen.get("risk", "R-theirs") is seen.get("risk", "R-theirs", version=1) is seen.get("system", "theirs") is None
    )
    assert seen.history("risk", "R-theirs") == ()
    assert (seen.get("risk", "R-ours") is not None, len(seen.history("system", "ours"))) == (True, 1)
    objects = [json.loads(line)["object"] for line in seen.log()]
    assert objects == ["system/ours", "withheld/", "risk/R-ours", "withheld/"]
    assert [json.loads(line)["seq"] for line in seen.log(2)] == [2, 3]
    assert b"theirs" not in b"".join(seen.log())
    assert set(seen.ids("risk")) == {"R-ours", "R-theirs"}


def test_who_may_read_nothing_reads_nothing(record, two):
    seen = Seen(record, frozenset)
    assert seen.find("risk") == seen.find("system") == seen.runs() == seen.verdicts() == seen.labels() == ()
    assert seen.estimates().num_rows == 0
    assert {json.loads(line)["object"] for line in seen.log()} == {"withheld/"}


def test_who_may_read_all_reads_all(record, two):
    seen = Seen(record, lambda: None)
    assert seen.find("risk") == record.find("risk")
    assert list(seen.log()) == list(record.log())
    assert (seen.verify().faults, seen.verify().log.head) == ((), record.verify().log.head)


def test_nothing_is_written_that_may_not_be_read(record, two, risk, now):
    seen, size = Seen(record, lambda: frozenset({"ours"})), record.size()
    for document in (
        risk("R-new", system="theirs"),
        risk("R-theirs", system="theirs", title="Mine"),
        System(id="theirs", tier="minimal", purpose="Mine"),
        System(id="new", tier="minimal", purpose="Mine"),
    ):
        with fault("RECORD021"):
            seen.write(two, now, document)
    with fault("RECORD016"):  # an id that is another system's
        seen.write(two, now, risk("R-theirs", system="ours"))
    with fault("RECORD021"):
        seen.add_labels(two, now, [Label(run="sha256:x", evaluation="e", case="c", scorer="s", label="l", rater=two)])
    assert record.size() == size
    seen.write(two, now, risk("R-2", system="ours"))
    assert isinstance(record.get("risk", "R-2").document, Risk)


def test_faults_of_what_may_not_be_read_are_told_without_their_place(record, two):
    import sqlalchemy as sa

    with record._engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE documents SET body = replace(body, 'high', 'minimal') WHERE kind = 'system'")
        )
    found = Seen(record, lambda: frozenset({"ours"})).verify()
    assert {one.where for one in found.faults} >= {"withheld"}
    assert "theirs" not in str(found.faults)
    assert len(found.faults) == len(record.verify().faults)
