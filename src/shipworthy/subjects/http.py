"""An endpoint as a subject: rows go out as JSON batches, a few at a time, and predictions come back.

The standard library's plainest client carries it, which knows no proxies of the environment and follows no redirect:
rows and headers, with their secrets, go to the host that the plan names and to no other. A batch is thousands of rows,
so the model is what takes the time, and plain threads work under any event loop (a notebook has one running).
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import unquote, urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.compute as pc

from shipworthy.errors import SubjectError
from shipworthy.subjects.deadline import LateError, Worker
from shipworthy.subjects.faults import quoted, raised, subject_error
from shipworthy.subjects.predictions import MOST_CLASSES, tabulate
from shipworthy.subjects.protocol import Declaration
from shipworthy.version import __version__

ATTEMPTS: Final = 4  # per batch
IN_FLIGHT: Final = 4  # batches at once
LONGEST_WAIT: Final = 60.0  # seconds; an endpoint that asks for more is taken as down
LARGEST_ANSWER: Final = 256 * 2**20  # bytes
_LARGEST_ERROR: Final = 65_536  # bytes read of a response that is none
_OK: Final = range(200, 300)
_RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _PassingError(Exception):
    """An attempt that failed in a way that may pass. `wait` is what the endpoint asked for, in seconds."""

    def __init__(self, why: str, *, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpSubject:
    """An endpoint that takes `{"rows": [{...}, ...]}` and answers `{"predictions": [...], "scores": [...]}`.

    Either list may be left out. A score is a number, or an object of class -> number.
    """

    name: str
    url: str = field(repr=False)  # its query may hold a secret
    headers: Mapping[str, str] = field(repr=False)  # with the secrets filled in
    secrets: tuple[str, ...] = field(repr=False)
    batch: int  # rows per request
    timeout: float  # seconds per request, from first to last byte
    sleep: Callable[[float], None] = time.sleep

    def predict(self, rows: pa.Table) -> pa.Table:
        """Send `rows` in batches, at most four at once; answers come back in the order of the rows.

        Asks again, up to four times a batch, after 408, 425, 429, 5xx, a broken connection or a time-out, waiting as
        long as `Retry-After` says. Raises SubjectError: SUBJ010 no answer, SUBJ011 refused, SUBJ012 not understood, and
        those of `tabulate`.
        """
        batches = [rows.slice(start, self.batch) for start in range(0, rows.num_rows, self.batch)]
        with ThreadPoolExecutor(max_workers=IN_FLIGHT) as pool:
            answers = list(pool.map(self._ask, batches))  # the first failure cancels what has not been sent
        return pa.concat_tables(answers, promote_options="permissive")

    def _ask(self, batch: pa.Table) -> pa.Table:
        body = json.dumps({"rows": list(self._rows(batch))}, allow_nan=False).encode()
        why = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._table(self._post(body), batch.num_rows)
            except _PassingError as retry:
                why = str(retry)
                wait = 0.5 * 2 ** (attempt - 1) if retry.wait is None else retry.wait
                if wait > LONGEST_WAIT:
                    why = f"{why}, and asked to be left alone for {wait:.0f} s"
                    break
                if attempt < ATTEMPTS:
                    self.sleep(wait)
        raise self._error("SUBJ010", f"{self._address} gave no answer in {attempt} attempts: {why}", "is it running?")

    def _post(self, body: bytes) -> bytes:
        connection = self._connection()
        try:
            return Worker().run(lambda: self._exchanged(connection, body), within=self.timeout)
        except TimeoutError as error:
            if isinstance(error, LateError):
                _hang_up(connection)
            raise _PassingError(f"no answer within {self.timeout:g} s") from error
        except (OSError, HTTPException) as error:
            raise _PassingError(raised(error, secrets=self.secrets)) from error

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=self.timeout)

    def _exchanged(self, connection: HTTPConnection, body: bytes) -> bytes:
        parts = urlsplit(self.url)
        headers = {"Content-Type": "application/json", "User-Agent": f"shipworthy/{__version__}", "Connection": "close"}
        if parts.username is not None:
            who = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(who).decode()}"
        path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        try:
            connection.request("POST", path, body, headers | dict(self.headers))
            response = connection.getresponse()
            if response.status in _OK:
                return self._read(response)
            self._refused(response.status, response.headers.get("Retry-After"), _beginning(response))
        finally:
            connection.close()

    def _refused(self, status: int, later: str | None, body: bytes) -> NoReturn:
        said = quoted(body, secrets=self.secrets)
        what = f"HTTP {status}" + (f": {said}" if said else "")
        if status in _RETRIED:
            raise _PassingError(what, wait=_retry_after(later))
        raise self._error("SUBJ011", f"{self._address} answered {what}", _mend(status))

    def _read(self, response: Any) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.read1(1 << 16):
            parts.append(part)
            size += len(part)
            if size > LARGEST_ANSWER:
                raise self._error("SUBJ012", f"{self._address} answered more than 256 MiB", "lower `batch:`")
        return b"".join(parts)

    def _table(self, answer: bytes, rows: int) -> pa.Table:
        expected = 'answer {"predictions": [...], "scores": [...]}, one value for each row sent'
        try:
            said = json.loads(answer)
        except ValueError as error:
            start = quoted(answer, secrets=self.secrets, at_most=80)
            raise self._error("SUBJ012", f"{self._address} answered no JSON: {start}", expected) from error
        if not isinstance(said, dict) or not {"predictions", "scores"} & said.keys():
            raise self._error("SUBJ012", f"{self._address} answered neither predictions nor scores", expected)
        lists = {key: said[key] for key in ("predictions", "scores") if said.get(key) is not None}
        if not all(isinstance(values, list) for values in lists.values()):
            raise self._error("SUBJ012", f"{self._address} answered something else than lists", expected)
        columns = {"prediction": lists["predictions"]} if "predictions" in lists else {}
        columns |= self._scores(lists.get("scores", []))
        return tabulate(columns, rows=rows, name=self.name)

    def _scores(self, scores: list[Any]) -> dict[str, list[Any]]:
        by_class = next((score for score in scores if isinstance(score, dict)), None)
        if by_class is None:
            return {"score": scores} if scores else {}
        if len(by_class) > MOST_CLASSES:
            what = f"{self._address} answered scores of {len(by_class):,} classes for one row"
            raise self._error("SUBJ012", what, f"answer those of {MOST_CLASSES:,} classes at most")
        return {
            f"score[{label}]": [score.get(label) if isinstance(score, dict) else None for score in scores]
            for label in by_class
        }

    def _rows(self, batch: pa.Table) -> Iterator[dict[str, Any]]:
        floats = [field.name for field in batch.schema if pa.types.is_floating(field.type)]
        for title in floats:
            if pc.any(pc.is_inf(batch[title])).as_py():
                raise self._error("SUBJ006", f'column "{quoted(title)}" holds infinity', "JSON has no infinity")
        for row in batch.to_pylist():
            yield {title: _plain(value) for title, value in row.items()}

    @property
    def _address(self) -> str:
        """The URL without what may hide a secret: user, password, query."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return quoted(urlunsplit((parts.scheme, host, parts.path, "", "")), secrets=self.secrets)

    def _error(self, code: str, what: str, mend: str) -> SubjectError:
        return subject_error(self.name, code, what, mend)

    def describe(self) -> Mapping[str, str]:
        """Kind, address and names of the headers; never their values."""
        facts = {"kind": "http", "url": self._address}
        return facts | {"headers": ", ".join(sorted(self.headers))} if self.headers else facts


def open_endpoint(name: str, declared: Declaration, *, folder: Path) -> HttpSubject:  # noqa: ARG001  one door for all
    """Make ready to ask an endpoint; nothing is sent yet.

    Raises SubjectError: SUBJ001 no http address, SUBJ013 a header that names a variable which the environment lacks, or
    that holds a line break.
    """
    url = declared.http or ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        usable = False
    if not usable:
        raise subject_error(name, "SUBJ001", f'"{quoted(url)}" is no http address', "write http://host:port/path")
    secrets = tuple(
        os.environ[variable]
        for value in declared.headers.values()
        for variable in _VARIABLE.findall(value)
        if variable in os.environ
    )
    return HttpSubject(
        name=name,
        url=url,
        headers={header: _filled(name, header, value) for header, value in declared.headers.items()},
        secrets=(*secrets, *(part for part in (parts.password, parts.query) if part)),
        batch=declared.batch,
        timeout=declared.timeout,
    )


def _filled(name: str, header: str, value: str) -> str:
    unknown = [variable for variable in _VARIABLE.findall(value) if variable not in os.environ]
    if unknown:
        raise subject_error(
            name,
            "SUBJ013",
            f'header "{quoted(header)}" needs the environment variable {unknown[0]}, which is not set',
            f"export {unknown[0]}=... before the run",
        )
    filled = _VARIABLE.sub(lambda match: os.environ[match[1]], value)
    if not (filled + header).isprintable():
        raise subject_error(
            name, "SUBJ013", f'header "{quoted(header)}" holds a line break', "strip the variable's value"
        )
    return filled


def _retry_after(said: str | None) -> float | None:
    """Seconds to wait, from a number or an HTTP date; None when there is none."""
    if said is None:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            until = parsedate_to_datetime(said)
        except ValueError:
            return None
        seconds = (until - datetime.now(tz=until.tzinfo or UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _mend(status: int) -> str:
    if status in {401, 403}:
        return "give the secret by `headers:`, as ${NAME} of an environment variable"
    if 300 <= status < 400:
        return "declare the address that it redirects to"
    if status == 413:
        return "lower `batch:`"
    return "check the address and what the endpoint expects"


def _beginning(response: Any) -> bytes:
    try:
        found: bytes = response.read(_LARGEST_ERROR)
    except IncompleteRead as broken:
        return broken.partial
    return found


def _hang_up(connection: HTTPConnection) -> None:
    """End a connection that another thread still reads from, and so its reading."""
    with contextlib.suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)


def _plain(value: Any) -> Any:
    """Return a cell as JSON has it: NaN as null, times in ISO 8601, other things as text."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
