"""Accounts: who may sign in, which roles they were given, and the secrets by which they are known, as digests alone.

The record keeps what roles a person has and tells of every change in its log; what a role allows is not its business.
Address and name are the person's: once these are erased, no account, session or token of theirs is found any more.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.errors import Fault, Unusable
from shipworthy.integrity.persons import why_no_address
from shipworthy.record import audit, people
from shipworthy.record.moments import moment, stamp
from shipworthy.record.opening import reading, scrub, writing
from shipworthy.record.reading import unkeepable
from shipworthy.record.schema import accounts, grants, sessions, tokens
from shipworthy.record.schema import people as persons
from shipworthy.record.store import Record

Status: TypeAlias = Literal["active", "disabled"]
EVERY = "*"  # the name that stands for all systems
MOST_SESSIONS = 20  # of one account; the oldest gives way
MOST_TOKENS = 50
MOST_GRANTS = 1_000
SEEN = timedelta(minutes=1)  # how exactly the last use of a session is kept
_LONGEST = 200  # characters of a system's name
_KEEPER = ("admin", EVERY)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Somebody who may sign in."""

    id: str
    person: str  # the commitment
    email: str
    name: str
    status: Status
    has_password: bool
    has_login: bool  # at a provider of OpenID Connect
    grants: Mapping[str, frozenset[str]]  # roles by system
    at: datetime  # since when

    @property
    def actor(self) -> str:
        """As the verbs take who acts."""
        return f"{self.name} <{self.email}>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A browser that somebody has signed in with."""

    digest: str
    account: Account
    created: datetime
    seen: datetime
    ends: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """What a program shows in the place of its owner."""

    id: str
    account: str
    name: str
    scopes: frozenset[str]
    system: str
    created: datetime
    ends: datetime
    used: datetime | None


class Accounts:
    """The accounts of a record. Every change is one transaction with its line in the audit log; sign-ins are none."""

    def __init__(self, record: Record) -> None:
        self._engine = record._engine

    # Accounts

    def all(self) -> tuple[Account, ...]:
        """Every account whose person is not erased, by address."""
        with reading(self._engine) as connection:
            return tuple(sorted(_accounts(connection), key=lambda one: one.email.casefold()))

    def get(self, id: str) -> Account | None:
        """An account by its id."""
        with reading(self._engine) as connection:
            return _one(connection, accounts.c.account == id)

    def find(self, email: str) -> Account | None:
        """The account of an address, however it is spelt."""
        with reading(self._engine) as connection:
            person = None if why_no_address(email.strip()) else people.find(connection, email, "")
            return None if person is None else _one(connection, accounts.c.person == person)

    def by_login(self, login: str) -> Account | None:
        """The account that is bound to somebody at a provider. login: digest of provider and subject."""
        with reading(self._engine) as connection:
            return _one(connection, accounts.c.login == login)

    def password(self, id: str) -> str | None:
        """The hash of an account's password; None where there is none."""
        with reading(self._engine) as connection:
            found = connection.execute(sa.select(accounts.c.password).where(accounts.c.account == id)).scalar()
            return None if found is None else str(found)

    def create(
        self,
        actor: str | None,
        now: datetime,
        *,
        email: str,
        name: str,
        password: str | None,
        given: Iterable[tuple[str, str]] = (),
    ) -> Account:
        """Make an account. given: pairs of system and role. actor: None for the person themselves.

        Raises Unusable (ACCOUNT002 there is one already, RECORD011, RECORD017).
        """
        people.refuse(email, name)
        pairs = sorted(set(given))
        _refuse_systems(system for system, _ in pairs)
        with writing(self._engine) as connection:
            person = people.find(connection, email, name) or people.commit_to(connection, email, name)
            people.require(connection, actor or person)
            if connection.execute(sa.select(accounts.c.account).where(accounts.c.person == person)).scalar():
                what = "there is an account with this address already"
                raise Unusable(Fault(code="ACCOUNT002", what=what, where="email", mend="change that one"))
            id_ = f"account-{secrets.token_hex(8)}"
            row = {"account": id_, "person": person, "password": password, "login": None, "status": "active"}
            connection.execute(sa.insert(accounts).values(**row, at=stamp(now)))
            rows = [{"account": id_, "system": system, "role": role} for system, role in pairs]
            if rows:
                connection.execute(sa.insert(grants), rows)
            told = {"person": person, "roles": [[one["system"], one["role"]] for one in rows]}
            _tell(connection, now, actor or person, "account.create", id_, told)
            return _known(connection, id_)

    def set_password(self, actor: str, now: datetime, id: str, password: str | None) -> None:
        """Change the hash of a password, or take it away; every session ends. Raises Unusable (ACCOUNT001)."""
        with writing(self._engine) as connection:
            self._change(connection, actor, now, id, "account.password", password=password)
        scrub(self._engine)

    def rehash(self, id: str, password: str) -> None:
        """Keep the same password under a newer kind of hash: nothing that anyone has to be told."""
        with writing(self._engine) as connection:
            connection.execute(sa.update(accounts).where(accounts.c.account == id).values(password=password))

    def set_status(self, actor: str, now: datetime, id: str, status: Status) -> None:
        """Disable an account, whose sessions and tokens end, or enable it. Raises Unusable (ACCOUNT001, ACCOUNT005)."""
        with writing(self._engine) as connection:
            done = "account.disable" if status == "disabled" else "account.enable"
            self._change(connection, actor, now, id, done, status=status)
            if status == "disabled":
                connection.execute(sa.delete(tokens).where(tokens.c.account == id))
            _refuse_unkept(connection)

    def bind(self, now: datetime, id: str, login: str) -> None:
        """Bind an account to somebody at a provider, for ever. Raises Unusable (ACCOUNT001, ACCOUNT002)."""
        with writing(self._engine) as connection:
            account = _known(connection, id)
            if account.has_login:
                what = "the account is bound to another sign-in already"
                raise Unusable(Fault(code="ACCOUNT002", what=what, where="account", mend="ask an admin"))
            connection.execute(sa.update(accounts).where(accounts.c.account == id).values(login=login))
            _tell(connection, now, account.person, "account.bind", id)

    def close(self, person: str) -> None:
        """Wipe what the account of a person who was erased still held. The log has told of the erasure."""
        with writing(self._engine) as connection:
            own = sa.select(accounts.c.account).where(accounts.c.person == person)
            for table in (sessions, tokens, grants):
                connection.execute(sa.delete(table).where(table.c.account.in_(own)))
            gone = {"password": None, "login": None, "status": "disabled"}
            connection.execute(sa.update(accounts).where(accounts.c.person == person).values(**gone))
        scrub(self._engine)

    # Roles

    def grant(self, actor: str, now: datetime, id: str, system: str, role: str) -> None:
        """Give a role on a system; every session ends. Raises Unusable (ACCOUNT001, ACCOUNT004)."""
        _refuse_systems([system])
        with writing(self._engine) as connection:
            account = _known(connection, id)
            if role in account.grants.get(system, ()):
                return
            if sum(map(len, account.grants.values())) >= MOST_GRANTS:
                raise Unusable(_no_system(f"an account has at most {MOST_GRANTS:,} roles", f"give one on {EVERY}"))
            people.require(connection, actor)
            connection.execute(sa.insert(grants).values(account=id, system=system, role=role))
            _end_sessions(connection, id)
            _tell(connection, now, actor, "account.grant", id, {"system": system, "role": role})

    def ungrant(self, actor: str, now: datetime, id: str, system: str, role: str) -> None:
        """Take a role away; every session ends. Raises Unusable (ACCOUNT001, ACCOUNT005 the last keeper)."""
        with writing(self._engine) as connection:
            if role not in _known(connection, id).grants.get(system, ()):
                return
            people.require(connection, actor)
            these = (grants.c.account == id, grants.c.system == system, grants.c.role == role)
            connection.execute(sa.delete(grants).where(*these))
            _end_sessions(connection, id)
            _tell(connection, now, actor, "account.ungrant", id, {"system": system, "role": role})
            _refuse_unkept(connection)

    # Sessions

    def begin(self, id: str, digest: str, *, now: datetime, ends: datetime) -> None:
        """Begin a session; those that ended are forgotten. Raises Unusable (ACCOUNT001)."""
        at = stamp(now)
        with writing(self._engine) as connection:
            _known(connection, id)
            connection.execute(sa.delete(sessions).where(sessions.c.ends <= at))
            own = sa.select(sessions.c.digest).where(sessions.c.account == id).order_by(sessions.c.created.desc())
            old = connection.execute(own.offset(MOST_SESSIONS - 1)).scalars().all()
            connection.execute(sa.delete(sessions).where(sessions.c.digest.in_(old)))
            row = {"digest": digest, "account": id, "created": at, "seen": at, "ends": stamp(ends)}
            connection.execute(sa.insert(sessions).values(**row))

    def session(self, digest: str, *, now: datetime, idle: timedelta) -> Session | None:
        """A session that still runs, of an active account; that it was used is kept."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(sessions).where(sessions.c.digest == digest)).first()
            found = None if row is None else _one(connection, accounts.c.account == row.account)
        if row is None or found is None or found.status != "active":
            return None
        seen = moment(row.seen)
        if stamp(now) >= row.ends or now - seen >= idle:
            self.end(digest)
            return None
        if now - seen >= SEEN:
            with writing(self._engine) as connection:
                connection.execute(sa.update(sessions).where(sessions.c.digest == digest).values(seen=stamp(now)))
        return Session(
            digest=digest, account=found, created=moment(row.created), seen=max(seen, now), ends=moment(row.ends)
        )

    def sessions(self, id: str) -> int:
        """How many sessions an account has."""
        with reading(self._engine) as connection:
            count = sa.select(sa.func.count()).select_from(sessions).where(sessions.c.account == id)
            return int(connection.execute(count).scalar() or 0)

    def end(self, digest: str) -> None:
        """End a session."""
        with writing(self._engine) as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.digest == digest))

    def end_all(self, id: str, *, but: str | None = None) -> None:
        """End every session of an account. but: the digest of one that goes on."""
        with writing(self._engine) as connection:
            _end_sessions(connection, id, but=but)

    # Tokens

    def add_token(
        self,
        actor: str,
        now: datetime,
        id: str,
        digest: str,
        *,
        name: str,
        scopes: Iterable[str],
        system: str,
        ends: datetime,
    ) -> Token:
        """Keep a token by the digest of its secret. Raises Unusable (ACCOUNT001, ACCOUNT004, ACCOUNT006)."""
        _refuse_systems([system])
        if faults := [*unkeepable(name, "token: name")]:
            raise Unusable(faults)
        with writing(self._engine) as connection:
            _known(connection, id)
            people.require(connection, actor)
            count = sa.select(sa.func.count()).select_from(tokens).where(tokens.c.account == id)
            if (connection.execute(count).scalar() or 0) >= MOST_TOKENS:
                what = f"an account has at most {MOST_TOKENS} tokens"
                raise Unusable(Fault(code="ACCOUNT006", what=what, where="token", mend="revoke those not in use"))
            row = {
                "token": f"token-{secrets.token_hex(6)}", "digest": digest, "account": id, "name": name,
                "scopes": " ".join(sorted(set(scopes))), "system": system, "created": stamp(now), "ends": stamp(ends),
                "used": None,
            }  # fmt: skip
            connection.execute(sa.insert(tokens).values(**row))
            told = {"account": id, "scopes": row["scopes"], "system": system, "ends": row["ends"]}
            _tell(connection, now, actor, "token.create", row["token"] or "", told)
            return _token(connection.execute(sa.select(tokens).where(tokens.c.digest == digest)).one())

    def token(self, digest: str, *, now: datetime) -> tuple[Token, Account] | None:
        """A token that has not ended, with its account where that is active; the day of its use is kept."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(tokens).where(tokens.c.digest == digest)).first()
            found = None if row is None else _one(connection, accounts.c.account == row.account)
        if row is None or found is None or found.status != "active" or stamp(now) >= row.ends:
            return None
        if row.used is None or row.used[:10] != stamp(now)[:10]:
            with writing(self._engine) as connection:
                connection.execute(sa.update(tokens).where(tokens.c.digest == digest).values(used=stamp(now)))
        return _token(row), found

    def tokens(self, id: str | None = None) -> tuple[Token, ...]:
        """The tokens of an account, or of all, the newest first."""
        chosen = sa.select(tokens).order_by(tokens.c.created.desc(), tokens.c.token)
        if id is not None:
            chosen = chosen.where(tokens.c.account == id)
        with reading(self._engine) as connection:
            return tuple(_token(row) for row in connection.execute(chosen))

    def revoke(self, actor: str, now: datetime, token: str, *, of: str | None = None) -> None:
        """End a token. of: only where it is that account's. Raises Unusable (ACCOUNT001)."""
        with writing(self._engine) as connection:
            these = [tokens.c.token == token, *([tokens.c.account == of] if of is not None else [])]
            people.require(connection, actor)
            if not connection.execute(sa.delete(tokens).where(*these)).rowcount:
                what = f"there is no token {token[:60]!r}"
                raise Unusable(Fault(code="ACCOUNT001", what=what, where="token", mend="list those that there are"))
            _tell(connection, now, actor, "token.revoke", token)

    @staticmethod
    def _change(connection: Connection, actor: str, now: datetime, id_: str, done: str, **values: Any) -> None:
        _known(connection, id_)
        people.require(connection, actor)
        connection.execute(sa.update(accounts).where(accounts.c.account == id_).values(**values))
        _end_sessions(connection, id_)
        _tell(connection, now, actor, done, id_)


def _accounts(connection: Connection, *where: sa.ColumnElement[bool]) -> list[Account]:
    chosen = (
        sa.select(accounts, persons.c.email, persons.c.name)
        .join(persons, persons.c.person == accounts.c.person)
        .where(persons.c.email.is_not(None), *where)
    )
    rows = connection.execute(chosen).all()
    roles: dict[str, dict[str, set[str]]] = {}
    given = sa.select(grants)
    if where:
        given = given.where(grants.c.account.in_([row.account for row in rows]))
    for row in connection.execute(given):
        roles.setdefault(row.account, {}).setdefault(row.system, set()).add(row.role)
    return [
        Account(
            id=row.account, person=row.person, email=row.email, name=row.name or "", status=row.status,
            has_password=row.password is not None, has_login=row.login is not None, at=moment(row.at),
            grants={system: frozenset(some) for system, some in sorted(roles.get(row.account, {}).items())},
        )
        for row in rows
    ]  # fmt: skip


def _one(connection: Connection, where: sa.ColumnElement[bool]) -> Account | None:
    return next(iter(_accounts(connection, where)), None)


def _known(connection: Connection, id_: str) -> Account:
    found = _one(connection, accounts.c.account == id_)
    if found is None:
        what = f"there is no account {id_[:60]!r}"
        raise Unusable(Fault(code="ACCOUNT001", what=what, where="account", mend="list those that there are"))
    return found


def _token(row: Any) -> Token:
    return Token(
        id=row.token, account=row.account, name=row.name, scopes=frozenset(row.scopes.split()), system=row.system,
        created=moment(row.created), ends=moment(row.ends), used=moment(row.used) if row.used else None,
    )  # fmt: skip


def _end_sessions(connection: Connection, id_: str, *, but: str | None = None) -> None:
    these = [sessions.c.account == id_, *([sessions.c.digest != but] if but is not None else [])]
    connection.execute(sa.delete(sessions).where(*these))


def _refuse_systems(systems: Iterable[str]) -> None:
    for system in systems:
        if faults := [*unkeepable(system, "system")]:
            raise Unusable(faults)
        if not 1 <= len(system) <= _LONGEST:
            raise Unusable(_no_system(f"{system[:60]!r} is no system", f"name one, or {EVERY} for all"))


def _no_system(what: str, mend: str) -> Fault:
    return Fault(code="ACCOUNT004", what=what, where="system", mend=mend)


def _refuse_unkept(connection: Connection) -> None:
    """Raise Unusable (ACCOUNT005) where nobody is left who can hand out roles on everything."""
    role, system = _KEEPER
    if not any(one.status == "active" and role in one.grants.get(system, ()) for one in _accounts(connection)):
        what = "this would leave nobody who can hand out roles"
        mend = "make another person an admin of all systems first"
        raise Unusable(Fault(code="ACCOUNT005", what=what, where="role", mend=mend))


def _tell(  # noqa: PLR0917  the parts of one line
    connection: Connection, now: datetime, actor: str, done: str, id_: str, details: dict[str, Any] | None = None
) -> None:
    change = audit.Change(action=done, object=f"{done.partition('.')[0]}/{id_}", details=details)
    audit.append(connection, at=now, actor=actor, changes=[change])
