"""Asking an endpoint: requests out, responses in, and what went wrong in between."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

import aiohttp
from yarl import URL

from shipworthy.collect.jobs import Job, spelled
from shipworthy.collect.limits import LONGEST_WAIT, Limits, backoff, retry_after
from shipworthy.collect.pace import CHARACTERS_A_TOKEN, Pace
from shipworthy.errors import ShipworthyError
from shipworthy.exchange import Answer, Message, Status, ToolCall
from shipworthy.subjects.assistants import Endpoint, Request
from shipworthy.subjects.faults import quoted, raised, without
from shipworthy.version import __version__

LARGEST: Final = 20_000_000  # bytes of one answer
_LARGEST_ERROR: Final = 65_536  # bytes read of a response that is none
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_NO_ENTRY: Final = frozenset({401, 402})  # whatever is asked, until somebody changes the key or pays
_PERHAPS_NO_ENTRY: Final = frozenset({403, 404, 405})  # or a gateway's way to block one request
LONGEST_CONNECT: Final = 15.0  # seconds
_LARGE_BODY: Final = 1 << 20  # bytes; aiohttp wants more than that as a stream


Closed: TypeAlias = Literal[
    "no",
    "again",  # it is open, and what failed would fail in the same way if it were tried again
    "perhaps",  # nobody is let in, if nobody ever was
    "yes",  # nothing answers there, or nobody is let in
]


@runtime_checkable
class ReadsErrors(Protocol):
    """An endpoint that can tell an answer, such as a block by a content filter, from an HTTP error."""

    def read_error(self, status: int, body: bytes) -> Answer | None:
        """The answer that a response of another status than 200 is; None when it is an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt that brought no answer."""

    status: Status  # error or timeout
    why: str
    passing: bool = True  # worth another attempt
    closed: Closed = "no"
    wait: float | None = None  # seconds that the endpoint asked for


def open_session(limits: Limits) -> aiohttp.ClientSession:
    """A session that talks to nobody but the endpoint: no proxies of the environment, no cookies."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limits.max_concurrency, keepalive_timeout=30, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"shipworthy/{__version__}", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=limits.timeout, sock_connect=min(limits.timeout, LONGEST_CONNECT)),
        trust_env=False,
    )


class Sender:
    """Asks an endpoint, as often as it takes."""

    def __init__(
        self,
        endpoint: Endpoint,
        session: aiohttp.ClientSession,
        *,
        limits: Limits,
        pace: Pace,
        clock: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._endpoint = endpoint
        self._session = session
        self._limits = limits
        self._pace = pace
        self._clock = clock
        self._rng = rng
        self._read_error = endpoint.read_error if isinstance(endpoint, ReadsErrors) else None
        self._url = ("", URL())  # the last one, parsed

    async def ask(self, job: Job, conversation: tuple[Message, ...], session: str) -> tuple[Answer, Closed]:
        """The answer to the last message, and whether the door was closed. After what may pass, asks again."""
        try:
            request = self._endpoint.request(job.case, conversation, trial=job.trial, session=session)
        except ShipworthyError:
            raise
        except Exception as error:
            return Answer(status="error", error=f"its request cannot be made: {raised(error)}", at=self._at()), "again"
        attempt = 0
        while True:
            attempt += 1
            taken = await self._pace.wait(len(request.body) / CHARACTERS_A_TOKEN)
            outcome = await self._attempt(request)
            if isinstance(outcome, Answer):
                self._pace.correct(outcome, taken)
                return outcome, "again" if outcome.status == "error" else "no"
            if not outcome.passing or attempt > self._limits.retries:
                tried = f" ({attempt} attempts)" if attempt > 1 else ""
                lasts = outcome.closed == "no" and not outcome.passing
                answer = Answer(status=outcome.status, error=outcome.why + tried, at=self._at())
                return answer, "again" if lasts else outcome.closed
            if outcome.wait is not None:
                self._pace.quiet(outcome.wait)
            await asyncio.sleep(backoff(attempt, base=self._limits.backoff, rng=self._rng))

    async def _attempt(self, request: Request) -> Answer | Failure:
        try:
            return await self._send(request)
        except aiohttp.ConnectionTimeoutError:
            return Failure(status="timeout", why="no connection within the time for it", closed="yes")
        except TimeoutError:
            return Failure(status="timeout", why=f"no answer within {self._limits.timeout:g} s")
        except aiohttp.ClientConnectorCertificateError as error:
            why = raised(error.certificate_error, secrets=request.secrets)
            return Failure(status="error", why=f"no connection: {why}", passing=False, closed="yes")
        except aiohttp.ClientConnectorError as error:
            absent = isinstance(error, aiohttp.ClientConnectorDNSError | aiohttp.ClientSSLError)
            closed = absent or isinstance(error.os_error, ConnectionRefusedError)
            why = raised(error.os_error, secrets=request.secrets)
            passing = not isinstance(error, aiohttp.ClientSSLError)
            return Failure(
                status="error", why=f"no connection: {why}", passing=passing, closed="yes" if closed else "no"
            )
        except aiohttp.InvalidURL:  # its message repeats the address, and so a secret of it
            return Failure(status="error", why="its address cannot be used", passing=False, closed="yes")
        except (ValueError, TypeError) as error:  # a header that cannot be sent
            why = raised(error, secrets=request.secrets)
            return Failure(status="error", why=f"the request cannot be sent: {why}", passing=False, closed="yes")
        except aiohttp.ClientResponseError as error:  # no HTTP; its text repeats the address too
            why = quoted(error.message, secrets=request.secrets)
            return Failure(status="error", why=f"its response cannot be read: {why}")
        except (aiohttp.ClientError, OSError, EOFError) as error:
            why = raised(error, secrets=request.secrets)
            return Failure(status="error", why=f"the connection broke: {why}")

    async def _send(self, request: Request) -> Answer | Failure:
        if self._url[0] != request.url:
            self._url = (request.url, URL(request.url))
        body = request.body if len(request.body) < _LARGE_BODY else io.BytesIO(request.body)
        start = perf_counter()
        async with self._session.request(
            request.method, self._url[1], data=body, headers=request.headers, allow_redirects=False
        ) as response:
            if response.status != HTTPStatus.OK:
                return self._failed(response, await _beginning(response.content), request)
            reader = self._endpoint.reader()
            first: float | None = None
            size = 0
            content = response.content
            while not content.at_eof():
                piece = await content.readany()
                size += len(piece)
                if size > LARGEST:
                    response.close()
                    why = f"it answered more than {LARGEST // 1_000_000} MB"
                    return Answer(status="error", error=why, at=self._at())
                try:
                    begun = reader.feed(piece)
                except Exception as error:
                    return self._unread(error)
                if begun and first is None:
                    first = perf_counter()
        try:
            answer = reader.finish()
        except Exception as error:
            return self._unread(error)
        if request.secrets:
            answer = _unsaid(answer, request.secrets)
        return replace(
            answer,
            at=self._at(),
            error=None if answer.error is None else quoted(answer.error, secrets=request.secrets),
            latency_ms=1000 * (perf_counter() - start),
            ttft_ms=1000 * (first - start) if first is not None and request.streams else None,
        )

    def _failed(self, response: aiohttp.ClientResponse, body: bytes, request: Request) -> Answer | Failure:
        if self._read_error is not None and (answer := self._read_error(response.status, body)) is not None:
            return replace(answer, at=self._at())
        said = quoted(body, secrets=request.secrets)
        wait = retry_after(response.headers.get("Retry-After"), now=self._clock())
        spent = b"insufficient_quota" in body  # said with 429 by endpoints whose account is empty
        gone = spent or response.status in _NO_ENTRY or (wait or 0.0) > LONGEST_WAIT
        return Failure(
            status="error",
            why=f"HTTP {response.status}" + (f": {said}" if said else ""),
            passing=response.status in _PASSING and not gone,
            closed="yes" if gone else "perhaps" if response.status in _PERHAPS_NO_ENTRY else "no",
            wait=wait,
        )

    def _unread(self, error: Exception) -> Answer:
        """A reader that breaks its promise costs one case, not the run."""
        return Answer(status="error", error=f"its answer could not be read: {raised(error)}", at=self._at())

    def _at(self) -> str:
        return spelled(self._clock())


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    found = bytearray()
    while not content.at_eof() and len(found) < _LARGEST_ERROR:
        found += await content.readany()
    return bytes(found)


def _unsaid(answer: Answer, secrets: Sequence[str]) -> Answer:
    """The same answer without the key, where it says it: in its text, in what it retrieved and in what it called."""
    return replace(
        answer,
        text=without(answer.text, secrets),
        passages=tuple(without(passage, secrets) for passage in answer.passages),
        tool_calls=tuple(
            ToolCall(name=without(call.name, secrets), arguments=_kept(call.arguments, secrets))
            for call in answer.tool_calls
        ),
    )


def _kept(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return without(value, secrets)
    if isinstance(value, Mapping):
        return {without(str(key), secrets): _kept(each, secrets) for key, each in value.items()}
    return [_kept(each, secrets) for each in value] if isinstance(value, list | tuple) else value
