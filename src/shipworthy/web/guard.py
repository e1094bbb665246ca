"""What every answer goes through: who may ask, which headers it carries, and that no error tells too much."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, TypeAlias

from shipworthy.errors import Fault

# ASGI 3, as its specification has it: https://asgi.readthedocs.io/en/latest/specs/main.html
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer: TypeAlias = Callable[[Scope, Fault, int], App]

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_log = logging.getLogger("shipworthy.web")


class Guard:
    """Let in only who asks for this host by its name: another name that leads here is another site's.

    That is how a page elsewhere would read this one (DNS rebinding).
    """

    def __init__(self, app: App, *, hosts: Collection[str], answer: Answer, scheme: str = "http") -> None:
        self._app = app
        self._scheme = scheme
        self._headers = _HEADERS | ({"strict-transport-security": "max-age=31536000"} if scheme == "https" else {})
        self._hosts = frozenset(hosts)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def dressed(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                told = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in self._headers.items() if k.encode() not in told),
                ]
            await send(message)

        hosts = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            mend = f"open {self._scheme}://{min(self._hosts, key=lambda one: (not one[:1].isdigit(), one))}/"
            what = "this server answers only under the name that it was started with"
            fault = Fault(code="WEB002", what=what, where="Host", mend=mend)
            await self._answer(scope, fault, 421)(scope, receive, dressed)
            return
        try:
            await self._app(scope, receive, dressed)
        except Exception as error:
            _log.error("WEB006 %s", type(error).__name__, exc_info=_log.isEnabledFor(logging.DEBUG))
            if started:
                raise
            what = f"an unexpected {type(error).__name__}"
            mend = "this is a defect of Shipworthy; report the lines that the command `shipworthy serve` has printed"
            await self._answer(scope, Fault(code="WEB006", what=what, where=scope["path"], mend=mend), 500)(
                scope, receive, dressed
            )
