"""Who asks, and what they may do: found out once for each request, before any page is made.

Reads are filtered below the pages: while a request is answered, the record shows the systems that its visitor may read,
and none where nobody said who asks. What a visitor wants to do is checked with `require`, by each page that does it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl, quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse

from shipworthy.api.accounts import ALL, EVERY, PERMISSIONS, ROLES, Permission, Role, granted, systems_of
from shipworthy.errors import Fault, Unusable
from shipworthy.web.guard import Answer, App, Receive, Scope, Send

__all__ = [
    "EVERY", "PERMISSIONS", "ROLES", "Alone", "Doorkeeper", "Permission", "Role", "Visitor", "Way", "checked", "posted",
    "readable", "require", "visitor_of",
]  # fmt: skip

Way: TypeAlias = Literal["alone", "session", "token", "nobody"]
MOST_BYTES = 256 << 10  # of a form
MOST_FIELDS = 500
CSRF = "csrf"  # the field of a form
CSRF_HEADER = "x-csrf-token"
OPEN = frozenset({"/login", "/login/oidc", "/login/oidc/back", "/style.css", "/icon.svg", "/favicon.ico"})
_ASKED: Mapping[str, tuple[Permission | None, str | None]] = {  # what it takes to come near a path and what is below
    "/audit/log.jsonl": ("audit", EVERY),  # a part of the log cannot be verified
    "/audit": ("audit", None),
    "/people": ("administer", None),
    "/account": (None, None),
    "/logout": (None, None),
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NOTHING: frozenset[str] = frozenset()
_seen: ContextVar[frozenset[str] | None] = ContextVar("readable", default=_NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """Who asks for a page."""

    actor: str | None  # "Ada <ada@example.org>", as the verbs of `api` take it; None: nobody says who acts
    shown: str  # how the pages call them
    csrf: str  # what each of their forms carries
    grants: Mapping[str, frozenset[Role]] = field(default_factory=dict)  # by system; EVERY: on all
    way: Way = "nobody"
    scopes: frozenset[Permission] = ALL  # of a token: what it may be used for, of what its account may do
    account: str | None = None  # id, where there is one

    def may(self, permission: Permission, system: str | None) -> bool:
        """Whether they may do something on a system. None: on anything at all; EVERY: on whichever system it is."""
        if permission not in self.scopes:
            return False
        if system is None:
            return any(permission in granted(self.grants, one) for one in self.grants)
        return permission in granted(self.grants, system)

    def systems(self, permission: Permission) -> frozenset[str] | None:
        """The systems on which they may do something; None: all of them."""
        return systems_of(self.grants, permission) if permission in self.scopes else _NOTHING


NOBODY = Visitor(actor=None, shown="", csrf="")


class Knows(Protocol):
    """How a server finds out who asks."""

    async def visitor(self, scope: Scope) -> Visitor:
        """Who asks; NOBODY where that is not known. Raises Unusable for what is given and wrong."""


class Alone:
    """One person on their own machine, without a login: they may do everything, under the name they started with."""

    def __init__(self, actor: str | None = None) -> None:
        self._one = Visitor(
            actor=actor or None, shown=(actor or "").partition("<")[0].strip() or (actor or ""),
            csrf=secrets.token_urlsafe(32), grants={EVERY: frozenset(ROLES)}, way="alone",
        )  # fmt: skip

    async def visitor(self, scope: Scope) -> Visitor:  # noqa: ARG002
        """The one there is."""
        return self._one


class Doorkeeper:
    """Finds out who asks; sends away whom nobody knows, and lets the rest see what they may see."""

    def __init__(self, app: App, *, knows: Knows, answer: Answer, status: Callable[[str], int]) -> None:
        self._app = app
        self._knows = knows
        self._answer = answer
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            visitor = await self._knows.visitor(scope)
        except Unusable as error:
            fault = error.faults[0]
            await self._answer(scope, fault, self._status(fault.code))(scope, receive, send)
            return
        scope.setdefault("state", {})["visitor"] = visitor
        if visitor.way == "nobody" and scope["path"] not in OPEN:
            await self._sent_away(scope)(scope, receive, send)
            return
        permission, system = _asked(scope["path"])
        if permission is not None:
            try:
                require(visitor, permission, system)
            except Unusable as error:
                await self._answer(scope, error.faults[0], 403)(scope, receive, send)
                return
        with _seeing(visitor.systems(permission or "read")):
            await self._app(scope, receive, send)

    def _sent_away(self, scope: Scope) -> App:
        accept = _header(scope, b"accept") or ""
        if scope["method"] in _SAFE and "text/html" in accept and not scope["path"].endswith(".json"):
            query = scope.get("query_string", b"").decode("latin-1")
            wanted = quote(scope["path"], safe="/") + (f"?{query}" if query else "")
            return RedirectResponse(f"/login?next={quote(wanted[:2_000], safe='')}", status_code=303)
        return self._answer(scope, unknown(), 401)


def readable() -> frozenset[str] | None:
    """The systems that whoever asks may read; None: all. Outside of a request: none."""
    return _seen.get()


def visitor_of(request: Request) -> Visitor:
    """Who asks."""
    found = request.scope.get("state", {}).get("visitor", NOBODY)
    return found if isinstance(found, Visitor) else NOBODY


def unknown() -> Fault:
    """What is said to somebody whom nobody knows."""
    mend = "sign in at /login, or send a token: Authorization: Bearer swt_..."
    return Fault(code="WEB010", what="nobody is signed in", where="Cookie, Authorization", mend=mend)


def require(visitor: Visitor, permission: Permission, system: str | None) -> None:
    """Raise Unusable unless a visitor may do something: WEB010 where nobody is signed in, else WEB011."""
    if visitor.may(permission, system):
        return
    if visitor.way == "nobody":
        raise Unusable(unknown())
    on = "" if system is None else " on all systems" if system == EVERY else f" on {system[:80]!r}"
    roles = [role for role, gives in PERMISSIONS.items() if permission in gives]
    which = f"the role {roles[0]}" if len(roles) == 1 else f"one of the roles {', '.join(roles)}"
    what, mend = f"this takes the right to {permission}{on}", f"an admin can give {which}"
    if permission not in visitor.scopes:
        mend = f"make a token with the scope {permission} at /account"
    raise Unusable(Fault(code="WEB011", what=what, where=visitor.shown[:100] or "visitor", mend=mend))


def checked(request: Request, token: str | None, *, csrf: str | None = None) -> None:
    """Raise Unusable (WEB012) unless a request that changes something comes from a page of this very site.

    token: what the form, or else the header X-CSRF-Token, carries. csrf: what it should; by default the visitor's.
    Who sends a token for programs needs neither: no browser adds that by itself.
    """
    visitor = visitor_of(request)
    if visitor.way == "token":
        return
    expected = visitor.csrf if csrf is None else csrf
    given = token or request.headers.get(CSRF_HEADER) or ""
    is_ours = bool(expected) and hmac.compare_digest(given.encode(), expected.encode())
    if not is_ours or not _from_here(request):
        what = "this did not come from a page of this site, or from one that was opened before you signed in"
        raise Unusable(
            Fault(code="WEB012", what=what, where=request.url.path[:200], mend="open the page anew, and send")
        )


def _from_here(request: Request) -> bool:
    """What the browser says of the page that sends. With no-referrer, its Origin is null even on our own."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or origin.lower() in (f"http://{_host(request)}", f"https://{_host(request)}")


def _host(request: Request) -> str:
    return request.headers.get("host", "").lower()


async def posted(request: Request, *, most: int = MOST_BYTES, csrf: str | None = None) -> dict[str, list[str]]:
    """The fields of a form that a page of this site has sent: its texts by name, without the token.

    most: bytes. Raises Unusable: WEB012 from elsewhere, WEB013 too large or no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Unusable(_no_form("what was sent is not a form", "send application/x-www-form-urlencoded"))
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise Unusable(_no_form(f"the form is larger than {most:,} bytes", "shorten its texts"))
    except ClientDisconnect as error:
        raise Unusable(_no_form("the form did not arrive whole", "send it again")) from error
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise Unusable(_no_form("the form cannot be read", "send text as UTF-8, in fewer fields")) from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    checked(request, fields.pop(CSRF, [""])[0], csrf=csrf)
    return fields


def _no_form(what: str, mend: str) -> Fault:
    return Fault(code="WEB013", what=what, where="body", mend=mend)


def _asked(path: str) -> tuple[Permission | None, str | None]:
    if path in OPEN:
        return None, None
    near = (what for begin, what in _ASKED.items() if path == begin or path.startswith((f"{begin}/", f"{begin}.")))
    return next(near, ("read", None))


def _header(scope: Scope, name: bytes) -> str | None:
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else None


@contextmanager
def _seeing(systems: frozenset[str] | None) -> Iterator[None]:
    before = _seen.set(systems)
    try:
        yield
    finally:
        _seen.reset(before)
