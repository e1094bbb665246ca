"""The server: one process, for the one person who started it, or for a team that signs in."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shipworthy.api.pages import Library
from shipworthy.api.pages.ahead import Ahead
from shipworthy.api.recording import open_or_begin
from shipworthy.errors import Fault, MissingExtra, Unusable

if TYPE_CHECKING:
    from shipworthy.record.store import Record
    from shipworthy.web.access import Knows

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How a team's browsers reach the pages."""

    public_url: str | None  # the address that they open
    is_behind: bool = False  # a proxy stands before this server, and speaks TLS with them
    cert: Path | None = None  # else this server does, with these two files
    key: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """What follows from where and for whom is served."""

    hosts: tuple[str, ...]
    scheme: str
    shown: str


def serve(
    host: str,
    port: int,
    place: str | Path,
    *,
    say: Callable[[str], None],
    begun: Callable[[str], None],
    verbose: bool = False,
    actor: str | None = None,
    team: Reach | None = None,
) -> None:
    """Serve the record of a place until it is stopped.

    port: 0 takes a free one. say: told the address, once the server can be reached. begun: told, in a sentence, where
    there was no record and a new one was made. actor: under whose name the one
    who started it writes. team: who has an account signs in; None: nobody does, and only this machine is answered.
    Raises MissingExtra, and Unusable: WEB004 for a host that others can reach, WEB005 for a port that is taken, WEB018
    for a team that could not be served safely, RECORD001 to 008, KEYS001 for an actor who is no person.
    """
    try:
        import uvicorn

        from shipworthy.web.app import Site, create_app
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "starlette", "uvicorn"):
            raise
        raise MissingExtra(package=error.name, extra="web", purpose="serving pages") from error
    family = loopback(host) if team is None else reachable(host, team)
    with _bound(family, host, port) as listening, open_or_begin(place, begun) as record:
        number = listening.getsockname()[1]
        plan = _alone(family, host, number) if team is None else _public(team, number)
        knows = _knows(record, actor, team, plan)
        site = Site(
            library=Library(record=record, place=place), hosts=plan.hosts, clock=lambda: datetime.now(UTC),
            scheme=plan.scheme, knows=knows,
        )  # fmt: skip
        with_tls: dict[str, Any] = {}
        if team is not None and team.cert and team.key:
            with_tls = {"ssl_certfile": team.cert, "ssl_keyfile": team.key}
        level = "debug" if verbose else "error"
        config = uvicorn.Config(
            create_app(site), log_level=level, access_log=verbose, server_header=False, proxy_headers=False, ws="none",
            lifespan="off", limit_concurrency=64 if team is None else 256, timeout_graceful_shutdown=2, **with_tls,
        )  # fmt: skip
        logging.getLogger("uvicorn.access").addFilter(_without_query)
        say(plan.shown)
        with Ahead(site.library, site.clock):
            uvicorn.Server(config).run(sockets=[listening])


def loopback(host: str) -> socket.AddressFamily:
    """The family of a loopback address. Raises Unusable (WEB004) for any other host: there is no login."""
    address = _address(host)
    if address is None or not address.is_loopback:
        what = f"{host[:80]!r} can be reached by others, and without --team nobody has to sign in"
        mend = "leave --host out, or serve a --team; from another machine: ssh -L 8300:127.0.0.1:8300 THIS-MACHINE"
        raise Unusable(Fault(code="WEB004", what=what, where="--host", mend=mend))
    return _family(address)


def reachable(host: str, team: Reach) -> socket.AddressFamily:
    """The family of an address that a team may be served at. Raises Unusable (WEB018) where others could listen in."""
    address = _address(host)
    if address is None:
        raise _unsafe(f"{host[:80]!r} is no address of a machine", "--host", "write one, such as 0.0.0.0")
    if bool(team.cert) != bool(team.key):
        raise _unsafe("TLS takes a certificate and its key", "--tls-cert, --tls-key", "name both files")
    for path in (team.cert, team.key):
        if path is not None and not os.access(path, os.R_OK):
            raise _unsafe("the file cannot be read", str(path), "check the path, and who may read it")
    if not address.is_loopback and not team.cert and not team.is_behind:
        what = "passwords and cookies would travel in the clear, for everybody on the way to read"
        mend = "give --tls-cert and --tls-key, or --behind-proxy where a proxy speaks TLS for it"
        raise _unsafe(what, "--host", mend)
    parts = urlsplit(team.public_url or "")
    try:
        is_one = parts.scheme in _PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_one = False
    if not is_one or parts.username or parts.path not in ("", "/") or parts.query or parts.fragment:
        what = "a team needs the address that its browsers open, without a path"
        raise _unsafe(what, "--public-url", "write it as https://shipworthy.example.org")
    named = _address(parts.hostname or "")
    is_local = named is not None and named.is_loopback and address.is_loopback
    if parts.scheme == "http" and (not is_local or team.is_behind or team.cert):
        what = "the address is one of http, and cookies are kept for https alone"
        raise _unsafe(what, "--public-url", "write https://, or serve 127.0.0.1 under http://127.0.0.1")
    if parts.scheme == "https" and not team.cert and not team.is_behind:
        what = "the address is one of https, and nothing here speaks TLS"
        raise _unsafe(what, "--public-url", "give --tls-cert and --tls-key, or --behind-proxy")
    return _family(address)


def _knows(record: Record, actor: str | None, team: Reach | None, plan: _Plan) -> Knows:
    from shipworthy.api import accounts
    from shipworthy.api.acting import said
    from shipworthy.web.access import Alone
    from shipworthy.web.oidc import provider_from
    from shipworthy.web.sessions import Team

    if team is None:
        stated = actor or os.environ.get("SHIPWORTHY_ACTOR") or None
        return Alone(str(said(stated)) if stated else None)
    provider = provider_from(os.environ, public_url=plan.shown)
    known = accounts.opened(record)
    if provider is None and not any(one.status == "active" for one in known.all()):
        what = "nobody could sign in: the record has no account"
        raise _unsafe(what, "--team", 'shipworthy account add EMAIL --name "..." --role admin')
    return Team(
        known, clock=lambda: datetime.now(UTC), is_secure=plan.scheme == "https", is_behind=team.is_behind,
        provider=provider,
    )  # fmt: skip


def _alone(family: socket.AddressFamily, host: str, number: int) -> _Plan:
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    hosts = tuple(dict.fromkeys(f"{name}:{number}" for name in (shown.lower(), "127.0.0.1", "localhost", "[::1]")))
    return _Plan(hosts=hosts, scheme="http", shown=f"http://{shown}:{number}/")


def _public(team: Reach, number: int) -> _Plan:
    """What a team's browsers ask for. An http address without a port has the one that was taken."""
    parts = urlsplit(team.public_url or "")
    name = parts.hostname or ""
    name = f"[{name}]" if ":" in name else name
    usual = _PORTS[parts.scheme]
    told = parts.port if parts.port is not None else (number if parts.scheme == "http" else usual)
    hosts = (name, f"{name}:{told}") if told == usual else (f"{name}:{told}",)
    return _Plan(hosts=hosts, scheme=parts.scheme, shown=f"{parts.scheme}://{hosts[0]}/")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address("127.0.0.1" if host.lower() == "localhost" else host)
    except ValueError:
        return None


def _family(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> socket.AddressFamily:
    return socket.AF_INET6 if address.version == 6 else socket.AF_INET


def _unsafe(what: str, where: str, mend: str) -> Unusable:
    return Unusable(Fault(code="WEB018", what=what, where=where, mend=mend))


def _without_query(record: logging.LogRecord) -> bool:
    """Of an address, a query is not logged: it may hold the code that a provider has sent."""
    if isinstance(record.args, tuple):
        record.args = tuple(one.partition("?")[0] if isinstance(one, str) else one for one in record.args)
    return True


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)  # from here on a browser waits, and is not refused
    except OSError as error:
        listening.close()
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        mend = "stop that program, or choose another one, such as --port 0 for any that is free"
        raise Unusable(Fault(code="WEB005", what=f"port {port} {why}", where="--port", mend=mend)) from error
    return listening
