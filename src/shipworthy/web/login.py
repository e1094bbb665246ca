"""Signing in and out, one's own account, and the people that admins look after: plain forms, answered by pages."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from shipworthy.api import accounts as verbs
from shipworthy.api.accounts import EVERY, PERMITTED, ROLES
from shipworthy.errors import Fault, Unusable
from shipworthy.web.access import Visitor, posted, require, unknown, visitor_of
from shipworthy.web.sessions import BEFORE, SESSION, Team, csrf_of
from shipworthy.web.showing import Name, Site, Word, add_page, page

if TYPE_CHECKING:
    from shipworthy.record.accounts import Account, Status

_LONGEST = 1_000  # characters of a field


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRow:
    """A token, without its secret."""

    id: str
    name: str
    scopes: list[str]
    system: str
    created: datetime
    ends: datetime
    used: datetime | None
    has_ended: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnPage:
    """What somebody's own account is."""

    account: verbs.Shown
    sessions: int
    tokens: list[TokenRow]
    scopes: list[str]  # that a token may have


@dataclass(frozen=True, kw_only=True, slots=True)
class PeoplePage:
    """Who may do what."""

    accounts: list[verbs.Shown]
    systems: list[str]  # on which the visitor may hand out roles; EVERY: on all
    roles: dict[str, list[str]]  # what each allows


class _Fields(dict[str, str]):
    """The fields of a form, each at most once and not too long."""

    def __init__(self, told: dict[str, list[str]]) -> None:
        super().__init__({name: values[-1] for name, values in told.items()})
        for name, values in told.items():
            if len(values) > 1 or len(values[0]) > _LONGEST or "\0" in values[0]:
                what = f"the field {name[:40]!r} stands twice, or is too long"
                raise Unusable(Fault(code="WEB013", what=what, where="body", mend="open the page anew, and send"))

    def __missing__(self, name: str) -> str:
        return ""


async def _sent(request: Request) -> _Fields:
    return _Fields(await posted(request))


Sent = Annotated[_Fields, Depends(_sent)]
Who = Annotated[Visitor, Depends(visitor_of)]


def add_sign_in(app: FastAPI, site: Site, team: Team) -> None:
    """Serve the way in and out, and what people do with accounts."""
    _add_door(app, site, team)
    if team.provider is not None:
        _add_provider(app, site, team)
    _add_own(app, site, team)
    _add_people(app, site, team)


def _add_door(app: FastAPI, site: Site, team: Team) -> None:
    @app.get("/login", include_in_schema=False)
    def login(request: Request, next: Word = None) -> Response:
        """The form to sign in with."""
        if visitor_of(request).way == "session":
            return RedirectResponse(inside(next), status_code=303)
        return _door(request, site, team, wanted=inside(next))

    @app.post("/login", include_in_schema=False)
    async def enter(request: Request) -> Response:
        """Sign in by address and password."""
        before = team.cookies.read(request.scope, BEFORE)
        told = _Fields(await posted(request, most=16 << 10, csrf=csrf_of(before) if before else ""))
        wanted = inside(told["next"])
        account = await run_in_threadpool(team.sign_in, request.scope, told["email"], told["password"])
        if account is None:
            what = "the address, or the password, is not right"
            fault = Fault(code="WEB015", what=what, where="form", mend="try again, or ask an admin for a new password")
            return await run_in_threadpool(
                _door, request, site, team, wanted=wanted, email=told["email"], fault=fault, status=401
            )
        return await run_in_threadpool(_entered, request, team, account, wanted)

    @app.post("/logout", include_in_schema=False)
    def leave(request: Request, told: Sent) -> Response:  # noqa: ARG001  its token was looked at
        """End this session."""
        if secret := team.cookies.read(request.scope, SESSION):
            team.accounts.end(verbs.secret_digest(secret))
        done = RedirectResponse("/login", status_code=303)
        team.cookies.wipe(done, SESSION)
        return done


def _add_provider(app: FastAPI, site: Site, team: Team) -> None:
    provider = team.provider
    if provider is None:
        return

    @app.get("/login/oidc", include_in_schema=False)
    async def begin(request: Request, next: Word = None) -> Response:
        """Go to the provider."""
        team.tries_of_client.take(team.client(request.scope), site.clock())
        before = team.cookies.read(request.scope, BEFORE) or secrets.token_urlsafe(32)
        address = await provider.begin(before, wanted=inside(next), now=site.clock())
        going = RedirectResponse(address, status_code=303)
        team.cookies.write(going, BEFORE, before)
        return going

    @app.get("/login/oidc/back", include_in_schema=False)
    async def back(request: Request) -> Response:
        """Come back from the provider."""
        team.tries_of_client.take(team.client(request.scope), site.clock())
        before = team.cookies.read(request.scope, BEFORE)
        found = await provider.finish(before, list(request.query_params.multi_items()), now=site.clock())
        account = await run_in_threadpool(
            verbs.let_in, team.accounts, issuer=found.issuer, subject=found.subject, email=found.email,
            name=found.name, default=provider.default, now=site.clock(),
        )  # fmt: skip
        if account is None:
            what = "the provider knows you, and there is no account for you here"
            mend = "ask an admin of this site to make one for the address that the provider has of you"
            raise Unusable(Fault(code="WEB017", what=what, where="account", mend=mend))
        return await run_in_threadpool(_entered, request, team, account, found.wanted)


def _door(
    request: Request,
    site: Site,
    team: Team,
    *,
    wanted: str,
    email: str = "",
    fault: Fault | None = None,
    status: int = 200,
) -> Response:
    before = team.cookies.read(request.scope, BEFORE) or secrets.token_urlsafe(32)
    facts = {
        "csrf": csrf_of(before), "next": wanted, "email": email[:320], "fault": fault,
        "provider": team.provider.shown if team.provider is not None else None,
    }  # fmt: skip
    shown = page(request, site, "login.html.j2", facts, status=status)
    team.cookies.write(shown, BEFORE, before)
    return shown


def _entered(request: Request, team: Team, account: Account, wanted: str) -> Response:
    """A new session, whatever the browser had before."""
    if old := team.cookies.read(request.scope, SESSION):
        team.accounts.end(verbs.secret_digest(old))
    going = RedirectResponse(wanted, status_code=303)
    team.cookies.write(going, SESSION, verbs.begin_session(team.accounts, account, now=team.clock()))
    team.cookies.wipe(going, BEFORE)
    return going


def inside(wanted: str | None) -> str:
    """Where to go after signing in: a page of this site, or else the first."""
    text = wanted or ""
    is_ours = text.startswith("/") and text[1:2] not in ("/", "\\") and text.isascii() and text.isprintable()
    return text if is_ours and len(text) <= 2_000 and not text.startswith(("/login", "/logout")) else "/"


def _add_own(app: FastAPI, site: Site, team: Team) -> None:
    def own(visitor: Who) -> OwnPage:
        """One's own account: its roles, tokens and sessions."""
        return _own(team, _self(team, visitor), site.clock())

    add_page(app, site, "/account", own, "account.html.j2")

    @app.post("/account/password", include_in_schema=False)
    def password(request: Request, told: Sent, visitor: Who) -> Response:
        """Change one's password; every other session ends."""
        account = _self(team, visitor)
        if account.has_password and team.sign_in(request.scope, account.email, told["current"]) is None:
            what = "the password that you have now is another one"
            raise Unusable(Fault(code="WEB015", what=what, where="current", mend="write it again"))
        if told["new"] != told["again"]:
            what = "the new password was written in two ways"
            raise Unusable(Fault(code="ACCOUNT003", what=what, where="again", mend="write the same twice"))
        verbs.change_password(
            team.accounts, account, actor=account.person, password=told["new"], now=site.clock()
        )  # fmt: skip
        return _entered(request, team, account, "/account")

    @app.post("/account/sessions", include_in_schema=False)
    def sessions(request: Request, told: Sent, visitor: Who) -> Response:  # noqa: ARG001  its token was looked at
        """End every other session."""
        secret = team.cookies.read(request.scope, SESSION)
        team.accounts.end_all(_self(team, visitor).id, but=verbs.secret_digest(secret))
        return RedirectResponse("/account", status_code=303)

    @app.post("/account/tokens", include_in_schema=False)
    def token(request: Request, told: Sent, visitor: Who) -> Response:
        """Make a token, and show its secret this once."""
        account, now = _self(team, visitor), site.clock()
        scopes = [one for one in PERMITTED if told[f"scope-{one}"]]
        days = int(told["days"]) if told["days"].isdecimal() and len(told["days"]) <= 4 else 0
        made, secret = verbs.new_token(
            team.accounts, account, name=told["name"], scopes=scopes, system=told["system"] or EVERY, days=days, now=now
        )
        facts = {"it": _own(team, account, now), "made": made, "secret": secret}
        return page(request, site, "account.html.j2", facts)

    @app.post("/account/tokens/{id}/revoke", include_in_schema=False)
    def revoke(id: Name, told: Sent, visitor: Who) -> Response:  # noqa: ARG001  its token was looked at
        """End a token."""
        account = _self(team, visitor)
        team.accounts.revoke(account.person, site.clock(), id, of=account.id)
        return RedirectResponse("/account", status_code=303)


def _self(team: Team, visitor: Visitor) -> Account:
    """The account of who asks, in person."""
    _require_person(visitor)
    found = team.accounts.get(visitor.account or "")
    if found is None:
        raise Unusable(unknown())
    return found


def _require_person(visitor: Visitor) -> None:
    """Raise Unusable (WEB011) for a token: it changes nothing of the account that it is of, and lets nobody in, since
    by another way in it could do what its scopes do not allow."""
    if visitor.way != "session":
        what, mend = "this is for the person alone, and not for a token", "sign in with a browser"
        raise Unusable(Fault(code="WEB011", what=what, where="account", mend=mend))


def _own(team: Team, account: Account, now: datetime) -> OwnPage:
    tokens = [
        TokenRow(
            id=one.id, name=one.name, scopes=sorted(one.scopes), system=one.system, created=one.created, ends=one.ends,
            used=one.used, has_ended=one.ends <= now,
        )
        for one in team.accounts.tokens(account.id)
    ]  # fmt: skip
    return OwnPage(
        account=verbs.shown(account), sessions=team.accounts.sessions(account.id), tokens=tokens, scopes=list(PERMITTED)
    )


def _add_people(app: FastAPI, site: Site, team: Team) -> None:
    accounts = team.accounts

    def people(visitor: Who) -> PeoplePage:
        """Everyone who may sign in, with their roles on the systems that the visitor looks after."""
        may = visitor.systems("administer")
        shown = [verbs.shown(one) for one in accounts.all()]
        if may is not None:
            shown = [_narrowed(one, may) for one in shown]
        return PeoplePage(
            accounts=shown, systems=[EVERY] if may is None else sorted(may),
            roles={role: sorted(verbs.PERMISSIONS[role]) for role in ROLES},
        )  # fmt: skip

    add_page(app, site, "/people", people, "people.html.j2")

    @app.post("/people", include_in_schema=False)
    def create(told: Sent, visitor: Who) -> Response:
        """Make an account."""
        require(visitor, "administer", EVERY)
        _require_person(visitor)
        verbs.create(
            accounts, actor=_person(team, visitor), email=told["email"], name=told["name"],
            password=told["password"] or None, roles=[told["role"]] if told["role"] else [],
            system=told["system"] or EVERY, now=site.clock(),
        )  # fmt: skip
        return RedirectResponse("/people", status_code=303)

    @app.post("/people/{id}/roles", include_in_schema=False)
    def roles(id: Name, told: Sent, visitor: Who) -> Response:
        """Give a role, or take it away."""
        system = told["system"] or EVERY
        require(visitor, "administer", system)
        give = told["do"] != "take"
        verbs.change_role(
            accounts, _account(team, visitor, id, lets_in=give), told["role"], system=system, give=give,
            actor=_person(team, visitor), now=site.clock(),
        )  # fmt: skip
        return RedirectResponse("/people", status_code=303)

    @app.post("/people/{id}/status", include_in_schema=False)
    def status(id: Name, told: Sent, visitor: Who) -> Response:
        """Disable an account, or enable it."""
        require(visitor, "administer", EVERY)
        wanted: Status = "active" if told["do"] == "enable" else "disabled"
        account = _account(team, visitor, id, lets_in=wanted == "active")
        verbs.change_status(
            accounts, account, wanted, actor=_person(team, visitor), now=site.clock()
        )  # fmt: skip
        return RedirectResponse("/people", status_code=303)

    @app.post("/people/{id}/password", include_in_schema=False)
    def password(id: Name, told: Sent, visitor: Who) -> Response:
        """Give an account another password, to be told to its person."""
        require(visitor, "administer", EVERY)
        account = _account(team, visitor, id, lets_in=True)
        verbs.change_password(
            accounts, account, actor=_person(team, visitor), password=told["new"], now=site.clock()
        )  # fmt: skip
        return RedirectResponse("/people", status_code=303)

    @app.post("/people/{id}/erase", include_in_schema=False)
    def erase(id: Name, told: Sent, visitor: Who) -> Response:
        """Forget who stands behind an account."""
        require(visitor, "administer", EVERY)
        account = _account(team, visitor, id, lets_in=False)
        if told["email"].strip().casefold() != account.email.strip().casefold():
            what = "the address that was written to confirm it is another one"
            raise Unusable(Fault(code="ACCOUNT007", what=what, where="email", mend="write the person's address"))
        verbs.erase(site.library.record, accounts, account, actor=visitor.actor, now=site.clock())
        return RedirectResponse("/people", status_code=303)


def _account(team: Team, visitor: Visitor, id_: str, *, lets_in: bool) -> Account:
    """An account that is to be changed. lets_in: so that its person may do more than before."""
    if lets_in or id_ == visitor.account:
        _require_person(visitor)
    return verbs.account_named(team.accounts, id_ if id_.startswith("account-") else "account-")


def _person(team: Team, visitor: Visitor) -> str:
    found = team.accounts.get(visitor.account) if visitor.account else None
    if found is None:
        raise Unusable(unknown())
    return found.person


def _narrowed(one: verbs.Shown, may: frozenset[str]) -> verbs.Shown:
    return verbs.Shown(
        id=one.id, email=one.email, name=one.name, status=one.status, signs_in_by=one.signs_in_by, since=one.since,
        grants={system: roles for system, roles in one.grants.items() if system in may},
    )  # fmt: skip
