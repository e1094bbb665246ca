"""Team mode: who asks is known by a session's cookie, or by a token that a program sends; how often they may try."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, cast

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from shipworthy.api import accounts as verbs
from shipworthy.api.accounts import ALL, Permission
from shipworthy.errors import Fault, Unusable
from shipworthy.integrity.persons import identity
from shipworthy.web.access import NOBODY, Visitor, unknown
from shipworthy.web.guard import Scope

if TYPE_CHECKING:
    from shipworthy.record.accounts import Account, Accounts
    from shipworthy.web.oidc import Provider

_NAME = "shipworthy"
_MOST_KEYS = 50_000  # of a limit, of which the longest unused is forgotten


class Limit:
    """So many at once, and from then on one each so many seconds, for each key by itself."""

    def __init__(self, burst: int, *, each: float) -> None:
        self._burst = burst
        self._each = each
        self._free: OrderedDict[str, float] = (
            OrderedDict()
        )  # key -> when the next would be free, had there been no burst

    def take(self, key: str, now: datetime) -> None:
        """Count one. Raises Unusable (WEB014) where there were too many."""
        at = now.timestamp()
        due = max(self._free.get(key, at), at)
        if due > at + (self._burst + 1) * self._each:  # the clock was set back
            due = at
        wait = due + self._each - at - self._burst * self._each
        if wait > 0:
            what = "that was tried too often" if self._burst < 100 else "too much was sent at once"
            mend = f"wait {max(1, round(wait))} seconds, and try again"
            raise Unusable(Fault(code="WEB014", what=what, where="rate", mend=mend))
        self._free[key] = due + self._each
        self._free.move_to_end(key)
        while len(self._free) > _MOST_KEYS:
            self._free.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Forget what was counted for a key."""
        self._free.pop(key, None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cookies:
    """What a browser keeps for this site. Over TLS their names have the prefix that binds them to this host alone."""

    is_secure: bool

    def read(self, scope: Scope, name: str) -> str:
        """The secret in a cookie; empty where there is none, or more than one."""
        found = [value.decode("latin-1") for key, value in scope["headers"] if key == b"cookie"]
        try:
            jar = SimpleCookie("; ".join(found)[:8_192])
        except CookieError:
            return ""
        called = self._called(name)
        if sum(part.strip().partition("=")[0] == called for part in "; ".join(found).split(";")) != 1:
            return ""
        return jar[called].value if called in jar else ""

    def write(self, response: Response, name: str, secret: str) -> None:
        """Hand a browser a secret, until it is closed."""
        response.set_cookie(self._called(name), secret, path="/", secure=self.is_secure, httponly=True, samesite="lax")

    def wipe(self, response: Response, name: str) -> None:
        """Have a browser forget a secret."""
        response.delete_cookie(self._called(name), path="/", secure=self.is_secure, httponly=True, samesite="lax")

    def _called(self, name: str) -> str:
        return f"__Host-{_NAME}{name}" if self.is_secure else f"{_NAME}{name}"


SESSION, BEFORE = "", "-login"  # the session's cookie, and that of a browser on its way to one


class Team:
    """The people of a record: who has an account signs in, and programs of theirs send tokens.

    is_secure: browsers reach the pages by TLS. is_behind: a proxy stands before the server, and says who asks.
    provider: of OpenID Connect. Limits count in this process; a restart forgets them.
    """

    def __init__(
        self,
        accounts: Accounts,
        *,
        clock: Callable[[], datetime],
        is_secure: bool,
        is_behind: bool = False,
        provider: Provider | None = None,
    ) -> None:
        self.accounts = accounts
        self.clock = clock
        self.cookies = Cookies(is_secure=is_secure)
        self.provider = provider
        self._is_behind = is_behind
        self.tries_of_account = Limit(10, each=90)
        self.tries_of_client = Limit(40, each=20)
        self._sent = Limit(120, each=0.5)

    async def visitor(self, scope: Scope) -> Visitor:
        """Who asks. Raises Unusable: WEB010 a token that does not count, WEB014 too much was sent."""
        told = [value.decode("latin-1") for key, value in scope["headers"] if key == b"authorization"]
        if told:
            self._refuse_many(scope, f"token {hashlib.sha256(told[0].encode()).hexdigest()}")
            return await run_in_threadpool(self._by_token, scope, told)
        secret = self.cookies.read(scope, SESSION)
        found = await run_in_threadpool(self._by_session, secret) if secret else NOBODY
        self._refuse_many(scope, found.account or self.client(scope))
        return found

    def client(self, scope: Scope) -> str:
        """The address that a request comes from: behind a proxy, the one that the proxy itself has seen."""
        told = [value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for"]
        if self._is_behind and told:
            return str(told[-1]).rpartition(",")[2].strip()[:64]
        client = scope.get("client")
        return str(client[0]) if client else ""

    def _refuse_many(self, scope: Scope, key: str) -> None:
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            self._sent.take(key, self.clock())

    def _by_session(self, secret: str) -> Visitor:
        session = verbs.session_of(self.accounts, secret, now=self.clock())
        if session is None:
            return NOBODY
        one = session.account
        return Visitor(
            actor=one.actor, shown=one.name, csrf=csrf_of(secret), grants=verbs.grants_of(one), way="session",
            account=one.id,
        )  # fmt: skip

    def _by_token(self, scope: Scope, told: list[str]) -> Visitor:
        scheme, _, secret = told[0].partition(" ")
        found = None
        if len(told) == 1 and scheme.lower() == "bearer":
            found = verbs.token_of(self.accounts, secret.strip(), now=self.clock())
        if found is None:
            self.tries_of_client.take(self.client(scope), self.clock())
            raise Unusable(unknown())
        token, one = found
        scopes = frozenset(cast("Permission", scope_) for scope_ in token.scopes) & ALL
        grants = verbs.grants_of(one, only=token.system)
        return Visitor(
            actor=one.actor, shown=f"{one.name} by {token.name}", csrf="", grants=grants, way="token", scopes=scopes,
            account=one.id,
        )  # fmt: skip

    def sign_in(self, scope: Scope, email: str, password: str) -> Account | None:
        """The account that an address and a password open. Raises Unusable (WEB014): who it is does not change when."""
        now, client = self.clock(), self.client(scope)
        key = hashlib.sha256(identity(email[:400]).encode()).hexdigest()
        self.tries_of_client.take(client, now)
        self.tries_of_account.take(key, now)
        found = verbs.signed_in(self.accounts, email, password)
        if found is not None:
            self.tries_of_account.give_back(key)
        return found


def csrf_of(secret: str) -> str:
    """What the forms of a session carry: it follows from the cookie's secret, and does not tell it."""
    return hashlib.sha256(f"csrf {secret}".encode()).hexdigest()
