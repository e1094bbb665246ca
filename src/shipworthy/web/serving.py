"""The server: one process on this machine's own address, for the one person who started it."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from shipworthy.api.pages import Library
from shipworthy.api.recording import open_record
from shipworthy.errors import Fault, MissingExtra, Unusable


def serve(host: str, port: int, place: str | Path, *, say: Callable[[str], None], verbose: bool = False) -> None:
    """Serve the record of a place until it is stopped.

    port: 0 takes a free one. say: told the address, once the server can be reached. Raises MissingExtra, and Unusable:
    WEB004 for a host that others can reach, WEB005 for a port that is taken, RECORD001 to 008.
    """
    try:
        import uvicorn

        from shipworthy.web.app import Site, create_app
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "starlette", "uvicorn"):
            raise
        raise MissingExtra(package=error.name, extra="web", purpose="serving pages") from error
    family = loopback(host)
    with open_record(place, create=False) as record, _bound(family, host, port) as listening:
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        number = listening.getsockname()[1]
        hosts = tuple(dict.fromkeys(f"{name}:{number}" for name in (shown.lower(), "127.0.0.1", "localhost", "[::1]")))
        site = Site(library=Library(record=record, place=place), hosts=hosts, clock=lambda: datetime.now(UTC))
        level = "debug" if verbose else "error"
        config = uvicorn.Config(
            create_app(site), log_level=level, access_log=verbose, server_header=False, proxy_headers=False, ws="none",
            lifespan="off", limit_concurrency=64, timeout_graceful_shutdown=2,
        )  # fmt: skip
        say(f"http://{shown}:{number}/")
        uvicorn.Server(config).run(sockets=[listening])


def loopback(host: str) -> socket.AddressFamily:
    """The family of a loopback address. Raises Unusable (WEB004) for any other host: there is no login."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host.lower() == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        what = f"{host[:80]!r} can be reached by others, and the pages know no login yet"
        mend = "leave --host out, or name 127.0.0.1; from another machine: ssh -L 8300:127.0.0.1:8300 THIS-MACHINE"
        raise Unusable(Fault(code="WEB004", what=what, where="--host", mend=mend))
    return socket.AF_INET6 if address.version == 6 else socket.AF_INET


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
