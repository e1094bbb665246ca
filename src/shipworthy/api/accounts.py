"""Accounts: which rights a role gives, who is let in by which secret, and what admins do.

Secrets are passwords, of which argon2id hashes are kept, and random words of 256 bits, of which SHA-256 digests are.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import BoundedSemaphore
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from shipworthy.api import keeping
from shipworthy.api.acting import said
from shipworthy.api.recording import TOOL
from shipworthy.digest import digest
from shipworthy.errors import Fault, MissingExtra, Unusable
from shipworthy.integrity.persons import identity, why_no_address, why_no_name

if TYPE_CHECKING:
    from argon2 import PasswordHasher

    from shipworthy.record.accounts import Account, Accounts, Session, Status, Token
    from shipworthy.record.store import Record

Role: TypeAlias = Literal["viewer", "evaluator", "approver", "auditor", "admin"]
Permission: TypeAlias = Literal["read", "run", "write", "approve", "pack", "audit", "administer"]
Grants: TypeAlias = Mapping[str, frozenset[Role]]  # of a system, or of EVERY one

ROLES: tuple[Role, ...] = get_args(Role)
PERMITTED: tuple[Permission, ...] = get_args(Permission)
ALL: frozenset[Permission] = frozenset(PERMITTED)
EVERY = "*"  # stands for all systems, those to come as well

# Nobody has by one role alone what two persons are to do: who asks for leave does not give it, and who hands out roles
# gives no leave either. A person may hold several roles; the record still refuses that one person is both.
PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        "viewer": frozenset({"read"}),
        "evaluator": frozenset({"read", "run", "write", "pack"}),
        "approver": frozenset({"read", "approve", "pack"}),
        "auditor": frozenset({"read", "pack", "audit"}),
        "admin": frozenset({"read", "pack", "audit", "administer"}),
    }
)

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 128  # characters: NIST SP 800-63B asks for length, and for no kinds of signs
LONGEST_TOKEN = timedelta(days=366)
IDLE = timedelta(hours=2)  # without a request, after which a session ends
LONGEST_SESSION = timedelta(hours=12)
PREFIX = "swt_"
_TOKEN = re.compile(r"swt_[A-Za-z0-9_-]{43}")
_hashing = BoundedSemaphore(4)  # each hash takes 64 MiB while it runs


def granted(grants: Grants, system: str) -> frozenset[Permission]:
    """What grants allow on a system; on EVERY one: what they allow whichever system it is."""
    roles = grants.get(EVERY, frozenset()) | grants.get(system, frozenset())
    return frozenset[Permission]().union(*(PERMISSIONS[role] for role in roles))


def systems_of(grants: Grants, permission: Permission) -> frozenset[str] | None:
    """The systems on which grants allow something; None: on all of them."""
    if permission in granted(grants, EVERY):
        return None
    return frozenset(system for system in grants if permission in granted(grants, system))


def grants_of(account: Account, *, only: str = EVERY) -> Grants:
    """What an account was given. only: narrowed to one system; roles that are none give nothing."""
    known = {
        system: frozenset(cast("Role", role) for role in roles if role in PERMISSIONS)
        for system, roles in account.grants.items()
    }
    if only == EVERY:
        return known
    return {only: known.get(EVERY, frozenset()) | known.get(only, frozenset())}


# Passwords


def refuse_password(password: str, *, email: str, name: str = "") -> None:
    """Raise Unusable (ACCOUNT003) for a password that is too short, too long, or says who they are."""
    mend = f"choose {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; four words drawn by chance are a good choice"
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        what = f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
        raise Unusable(Fault(code="ACCOUNT003", what=what, where="password", mend=mend))
    if identity(password) in {identity(email), identity(name)} or len(set(password)) < 5:
        what = "the password is the address or the name, or the same few characters again and again"
        raise Unusable(Fault(code="ACCOUNT003", what=what, where="password", mend=mend))


def hashed(password: str) -> str:
    """The argon2id hash of a password, with its salt and costs. Raises MissingExtra without argon2-cffi."""
    with _hashing:
        return _hasher().hash(password)


def signed_in(accounts: Accounts, email: str, password: str) -> Account | None:
    """The active account that an address and a password open; None otherwise, and never why.

    It takes one hash whether there is such an account or not. Raises MissingExtra.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    account = accounts.find(email)
    kept = accounts.password(account.id) if account is not None else None
    is_it = False
    with _hashing:
        try:
            is_it = _hasher().verify(kept or _nobodys(), password[: LONGEST_PASSWORD + 1])
        except (VerificationError, InvalidHashError):
            is_it = False
    if not is_it or account is None or kept is None or account.status != "active":
        return None
    if _hasher().check_needs_rehash(kept):
        accounts.rehash(account.id, hashed(password))
    return account


@cache
def _hasher() -> PasswordHasher:
    try:
        from argon2 import PasswordHasher
    except ModuleNotFoundError as error:
        raise MissingExtra(package="argon2-cffi", extra="web", purpose="a password") from error
    return PasswordHasher()  # the second choice of RFC 9106: argon2id, 3 passes over 64 MiB in 4 lanes


@cache
def _nobodys() -> str:
    return _hasher().hash(secrets.token_urlsafe(32))


# Sessions and tokens


def fresh_secret() -> str:
    """256 bits by chance, as 43 characters."""
    return secrets.token_urlsafe(32)


def secret_digest(secret: str) -> str:
    """What is kept of a secret of 256 bits: nobody guesses these, so that a plain SHA-256 does."""
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


def begin_session(accounts: Accounts, account: Account, *, now: datetime) -> str:
    """The secret of a new session, which a cookie carries."""
    secret = fresh_secret()
    accounts.begin(account.id, secret_digest(secret), now=now, ends=now + LONGEST_SESSION)
    return secret


def session_of(accounts: Accounts, secret: str, *, now: datetime) -> Session | None:
    """The session of a cookie's secret, while it runs."""
    return accounts.session(secret_digest(secret), now=now, idle=IDLE) if len(secret) == 43 else None


def token_of(accounts: Accounts, secret: str, *, now: datetime) -> tuple[Token, Account] | None:
    """The token that a program shows, with its account; None for what is unknown, ended or revoked."""
    return accounts.token(secret_digest(secret), now=now) if _TOKEN.fullmatch(secret) else None


def new_token(
    accounts: Accounts, account: Account, *, name: str, scopes: Iterable[str], system: str, days: int, now: datetime
) -> tuple[Token, str]:
    """A token for an account, and its secret, which nobody sees again.

    system: one, or EVERY that the account may see. Used, it allows what the account's own roles allow then, or less.
    Raises Unusable (ACCOUNT004 no scope, ACCOUNT006 no name, or an end too far away).
    """
    wanted = frozenset(scopes)
    if not wanted or wanted - ALL:
        what = f"a token has scopes, of {', '.join(PERMITTED)}"
        raise Unusable(Fault(code="ACCOUNT004", what=what, where="scopes", mend="choose at least one of these"))
    if not 1 <= days <= LONGEST_TOKEN.days or not 1 <= len(name.strip()) <= 80:
        what = f"a token has a name of at most 80 characters, and ends within {LONGEST_TOKEN.days} days"
        raise Unusable(Fault(code="ACCOUNT006", what=what, where="token", mend="say what it is for, and for how long"))
    if system != EVERY and not granted(grants_of(account), system):
        what = f"the account has no role on {system[:80]!r}, so that the token would do nothing"
        raise Unusable(Fault(code="ACCOUNT006", what=what, where="system", mend="name a system that you may see"))
    secret = PREFIX + fresh_secret()
    ends = now + timedelta(days=days)
    kept = accounts.add_token(
        account.person,
        now,
        account.id,
        secret_digest(secret),
        name=name.strip(),
        scopes=wanted,
        system=system,
        ends=ends,
    )
    return kept, secret


# What admins do


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """An account, as pages and `--json` show it."""

    id: str
    email: str
    name: str
    status: str
    grants: dict[str, list[str]]
    signs_in_by: list[str]
    since: datetime


def shown(account: Account) -> Shown:
    """An account without anything secret."""
    ways = [way for way, is_there in (("password", account.has_password), ("provider", account.has_login)) if is_there]
    roles = {system: sorted(some) for system, some in account.grants.items()}
    return Shown(
        id=account.id, email=account.email, name=account.name, status=account.status, grants=roles, signs_in_by=ways,
        since=account.at,
    )  # fmt: skip


def opened(record: Record) -> Accounts:
    """The accounts of a record."""
    from shipworthy.record.accounts import Accounts

    return Accounts(record)


def actor_of(record: Record, stated: str | None) -> str:
    """The commitment of who changes accounts, as stated; this tool where nobody is: so the first account is made."""
    if stated is None:
        return TOOL
    person = said(stated)
    return record.person(person.email, person.name)


def create(
    accounts: Accounts,
    *,
    actor: str | None,
    email: str,
    name: str,
    password: str | None,
    roles: Iterable[str] = (),
    system: str = EVERY,
    now: datetime,
) -> Account:
    """Make an account. password: None for one that signs in by OpenID Connect alone.

    Raises Unusable (ACCOUNT002 there is one, ACCOUNT003, ACCOUNT004 no such role, ACCOUNT007 no address or name).
    """
    email, name = unicodedata.normalize("NFC", email.strip()), " ".join(name.split())
    if why := why_no_address(email):
        what = f"{email[:80]!r} is no address: {why}"
        raise Unusable(Fault(code="ACCOUNT007", what=what, where="email", mend="write it as ada@example.org"))
    if why := why_no_name(name):
        what = f"an account has the name of a person: {why}"
        raise Unusable(Fault(code="ACCOUNT007", what=what, where="name", mend="write it without < and >"))
    if password is not None:
        refuse_password(password, email=email, name=name)
    pairs = [(system, role_named(role)) for role in roles]
    return accounts.create(
        actor, now, email=email, name=name, password=None if password is None else hashed(password), given=pairs
    )


def role_named(text: str) -> Role:
    """A role by its name. Raises Unusable (ACCOUNT004)."""
    found = next((role for role in ROLES if role == text), None)
    if found is None:
        what = f"{text[:40]!r} is no role"
        raise Unusable(Fault(code="ACCOUNT004", what=what, where="role", mend=f"choose one of {', '.join(ROLES)}"))
    return found


def account_named(accounts: Accounts, text: str) -> Account:
    """An account by its address or id. Raises Unusable (ACCOUNT001)."""
    found = accounts.get(text) if text.startswith("account-") else accounts.find(text)
    if found is None:
        what = f"there is no account {text[:80]!r}"
        mend = "`shipworthy account list` lists those that there are"
        raise Unusable(Fault(code="ACCOUNT001", what=what, where="account", mend=mend))
    return found


def change_password(accounts: Accounts, account: Account, *, actor: str, password: str, now: datetime) -> None:
    """Give an account another password; all its sessions end. Raises Unusable (ACCOUNT003)."""
    refuse_password(password, email=account.email, name=account.name)
    accounts.set_password(actor, now, account.id, hashed(password))


def change_status(accounts: Accounts, account: Account, status: Status, *, actor: str, now: datetime) -> None:
    """Disable an account, or enable it. Raises Unusable (ACCOUNT005 the last one that can hand out roles)."""
    accounts.set_status(actor, now, account.id, status)


def change_role(
    accounts: Accounts, account: Account, role: str, *, system: str, give: bool, actor: str, now: datetime
) -> None:
    """Give a role on a system, or on EVERY one, or take it away; all sessions of the account end.

    Raises Unusable (ACCOUNT004 no such role, ACCOUNT005 the last one that can hand out roles, ACCOUNT008 one's own).
    """
    named = role_named(role)
    if not give:
        accounts.ungrant(actor, now, account.id, system, named)
        return
    if account.person == actor:
        what = "nobody gives a role to themselves"
        raise Unusable(Fault(code="ACCOUNT008", what=what, where="account", mend="ask another admin"))
    accounts.grant(actor, now, account.id, system, named)


def erase(record: Record, accounts: Accounts, account: Account, *, actor: str | None, now: datetime) -> None:
    """Forget who stands behind an account: address, name, and every way to sign in. The log keeps the commitment.

    actor: "Ada <ada@example.org>". Raises Unusable (ACCOUNT005 the last one that can hand out roles, KEEP004 they stand
    in something that is still open).
    """
    keepers = [one.id for one in accounts.all() if one.status == "active" and "admin" in one.grants.get(EVERY, ())]
    if keepers == [account.id]:
        what, mend = (
            "this would leave nobody who can hand out roles",
            "make another person an admin of all systems first",
        )
        raise Unusable(Fault(code="ACCOUNT005", what=what, where="account", mend=mend))
    keeping.erase(record, account.email, actor=actor, now=now)


def login_digest(issuer: str, subject: str) -> str:
    """What stands for somebody at a provider."""
    return digest([issuer, subject])


def let_in(
    accounts: Accounts, *, issuer: str, subject: str, email: str, name: str, default: Role | None, now: datetime
) -> Account | None:
    """The active account of somebody whom a provider vouches for, with an address that it has verified.

    The first time the account is found by its address, and bound; from then on by who they are at the provider alone.
    default: the role on all systems of an account that is made for whom nobody made one; None: these get none.
    """
    login = login_digest(issuer, subject)
    account = accounts.by_login(login)
    if account is None:
        account = accounts.find(email)
        if account is not None and account.email.lower() != unicodedata.normalize("NFC", email).lower():
            return None  # it would count as the same person, and may be another's mailbox
        if account is None and default is not None:
            known = name if not why_no_name(name) else email
            account = create(accounts, actor=None, email=email, name=known, password=None, roles=[default], now=now)
        if account is None or account.has_login or account.status != "active":
            return None
        accounts.bind(now, account.id, login)
    return account if account.status == "active" else None
