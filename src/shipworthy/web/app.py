"""The application: every page is one call of `api`, shown as HTML, and as JSON where `.json` or Accept asks for it."""

from __future__ import annotations

import base64
import hashlib
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import wraps
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import AfterValidator, TypeAdapter

from shipworthy.api import pages, registers
from shipworthy.api.pages import Library
from shipworthy.errors import Fault, Unusable
from shipworthy.record.documents import Tier
from shipworthy.version import __version__
from shipworthy.web import addresses, rendering
from shipworthy.web.guard import Guard

Name = Annotated[str, Path(max_length=2_000), AfterValidator(addresses.named)]
Word = Annotated[str | None, Query(max_length=2_000), AfterValidator(lambda text: text or None)]
Page = Annotated[int, Query(ge=1, le=10_000)]
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_STATUS = {"WEB001": 404, "WEB007": 404, "GOVERN002": 404, "RECORD004": 503, "RECORD006": 503}
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.5" fill="none" '
    'stroke="#00609c" stroke-width="2"/><path d="M8 1.5a6.5 6.5 0 0 0 0 13z" fill="#00609c"/></svg>'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What is served, and how the clock goes."""

    library: Library
    hosts: tuple[str, ...]  # that a browser may ask for, with their port
    clock: Callable[[], datetime]


def create_app(site: Site) -> FastAPI:
    """The pages of a record, read-only."""
    app = FastAPI(
        title="Shipworthy", version=__version__, docs_url=None, redoc_url=None,
        description="The record as JSON: every page of the site under its address with `.json`.",
    )  # fmt: skip
    _add_pages(app, site)
    _add_files(app, site)
    app.add_exception_handler(Unusable, _unusable)
    app.add_exception_handler(RequestValidationError, _wrong_query)
    app.add_exception_handler(404, _refused)
    app.add_exception_handler(405, _refused)
    app.add_middleware(Guard, hosts=site.hosts, answer=lambda scope, fault, status: _answer(scope, [fault], status))
    return app


def _add_pages(app: FastAPI, site: Site) -> None:
    library, clock = site.library, site.clock

    def portfolio(tier: Tier | None = None, fit: Word = None, page: Page = 1) -> pages.Portfolio:
        """Every system, and whether it is fit to ship now."""
        return pages.portfolio(library, now=clock(), tier=tier, fit=fit, page=page)

    def system(name: Name) -> pages.SystemPage:
        """A system: its versions, its requirements in time, and who owes what."""
        return pages.system_page(library, name, now=clock())

    def trace(name: Name) -> registers.TracePage:
        """From each requirement of a system to who signed, with the gaps."""
        return registers.trace_page(library, name, now=clock())

    def requirement(name: Name, requirement: Name) -> pages.RequirementPage:
        """A requirement over its runs."""
        return pages.requirement_page(library, name, requirement, now=clock())

    def run(digest: Name) -> pages.RunPage:
        """A run, as the record holds it."""
        return pages.run_page(library, digest, now=clock())

    def compare(before: Word = None, after: Word = None, system: Word = None) -> pages.Comparison:
        """Two runs, requirement by requirement."""
        return pages.comparison(library, before, after, system=system)

    def risks(system: Word = None, status: Word = None, page: Page = 1) -> registers.Listed:
        """Risks, the worst first."""
        return registers.listed(library, "risk", today=clock().date(), system=system, status=status, page=page)

    def waivers(system: Word = None, status: Word = None, page: Page = 1) -> registers.Listed:
        """Waivers, those that end first."""
        return registers.listed(library, "waiver", today=clock().date(), system=system, status=status, page=page)

    def sign_offs(system: Word = None) -> registers.SignOffs:
        """Who signed the decision that each system stands on, and whether that still counts."""
        return registers.sign_offs(library, now=clock(), system=system)

    def document(kind: Name, id: Name) -> registers.DocumentPage:
        """A document with its versions."""
        return registers.document_page(library, kind, id, today=clock().date())

    def audit(
        action: Word = None,
        about: Word = None,
        below: Annotated[int | None, Query(ge=0, le=2**53)] = None,
        check: bool = False,
    ) -> registers.AuditPage:
        """The audit log, the newest lines first, and the state of its chain."""
        return registers.audit_page(library, action=action, about=about, below=below, check=check)

    def catalogues(system: Word = None) -> registers.CoveragePage:
        """Which controls there is evidence for."""
        return registers.coverage_page(library, system=system)

    def search(q: Word = None) -> registers.SearchPage:
        """Whatever the record has of a piece of text."""
        return registers.search_page(library, q or "", today=clock().date())

    for path, endpoint, template in (
        ("/systems", portfolio, "portfolio"),
        ("/systems/{name}", system, "system"),
        ("/systems/{name}/trace", trace, "trace"),
        ("/systems/{name}/requirements/{requirement}", requirement, "requirement"),
        ("/runs/{digest}", run, "run"),
        ("/compare", compare, "compare"),
        ("/risks", risks, "risks"),
        ("/waivers", waivers, "waivers"),
        ("/sign-offs", sign_offs, "signoffs"),
        ("/documents/{kind}/{id}", document, "document"),
        ("/audit", audit, "audit"),
        ("/catalogues", catalogues, "catalogues"),
        ("/search", search, "search"),
    ):
        app.get(f"{path}.json", name=f"{template}.json", tags=["record"])(endpoint)
        page = _page(endpoint, f"{template}.html.j2", site)
        for address in ("/", path) if template == "portfolio" else (path,):
            app.get(address, name=template, include_in_schema=False, response_model=None)(page)


def _page(endpoint: Callable[..., Any], template: str, site: Site) -> Callable[..., Response]:
    """The same call as HTML; as JSON where Accept prefers that."""
    told = inspect.signature(endpoint, eval_str=True)
    spelled = TypeAdapter(told.return_annotation)

    @wraps(endpoint)
    def show(_request: Request, **given: Any) -> Response:
        facts = endpoint(**given)
        if _wants_json(_request.scope):
            return Response(spelled.dump_json(facts), media_type="application/json", headers={"vary": "accept"})
        names = {person: one.name or one.email or person[:15] for person, one in site.library.record.people().items()}
        shown = {"it": facts, "path": _request.url.path, "names": names, "today": site.clock().date()}
        return HTMLResponse(rendering.render(template, shown), headers={"vary": "accept"})

    first = inspect.Parameter("_request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in told.parameters.values()]
    show.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    show.__annotations__ = {}
    del show.__wrapped__
    return show


def _add_files(app: FastAPI, site: Site) -> None:
    @app.get("/runs/{digest}/report", include_in_schema=False)
    def report(digest: Name) -> Response:
        """The report as it was written, as a page of its own that may do nothing but be read."""
        data = pages.report_bytes(site.library, digest)
        found = _STYLE.findall(data)
        hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in found[:4])
        policy = (
            f"default-src 'none'; style-src {hashes or chr(39) + 'none' + chr(39)}; img-src data:; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'; sandbox"
        )
        return Response(data, media_type="text/html; charset=utf-8", headers={"content-security-policy": policy})

    @app.get("/audit/log.jsonl", tags=["record"], response_class=PlainTextResponse)
    def log() -> StreamingResponse:
        """The whole audit log, byte for byte: JSON Lines, fit for `shipworthy verify`."""
        lines = (line + b"\n" for line in site.library.record.log())
        name = {"content-disposition": 'attachment; filename="log.jsonl"'}
        return StreamingResponse(lines, media_type="application/jsonl", headers=name)

    @app.get("/style.css", include_in_schema=False)
    def style() -> Response:
        return Response(rendering.style(), media_type="text/css", headers={"cache-control": "max-age=3600"})

    @app.get("/icon.svg", include_in_schema=False)
    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(_ICON, media_type="image/svg+xml", headers={"cache-control": "max-age=3600"})


def _wants_json(scope: Any) -> bool:
    """Whether the address or the Accept header asks for JSON rather than a page."""
    if scope["path"].endswith(".json"):
        return True
    accept = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), "")
    return "application/json" in accept and "text/html" not in accept


def _answer(scope: Any, faults: Iterable[Fault], status: int) -> Response:
    """What is wrong, as a page or as JSON."""
    told = list(faults)[:50]
    if _wants_json(scope):
        return JSONResponse({"faults": [asdict(one) for one in told]}, status_code=status)
    shown = {"faults": told, "path": scope["path"], "status": status}
    return HTMLResponse(rendering.render("error.html.j2", shown), status_code=status)


def _unusable(request: Request, error: Exception) -> Response:
    faults = error.faults if isinstance(error, Unusable) else ()
    return _answer(request.scope, faults, _STATUS.get(faults[0].code, 400) if faults else 400)


def _wrong_query(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    faults = [
        Fault(code="WEB003", what=f"{one['loc'][-1]}: {one['msg']}"[:300], where=" ".join(map(str, one["loc"]))[:100],
              mend="leave it out, or choose one of the values that the page offers")
        for one in found
    ]  # fmt: skip
    return _answer(request.scope, faults, 400)


def _refused(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    if status == 405:
        what, mend = "these pages can be read, and not written to", "write with the command line"
    else:
        what, mend = "there is no page at this address", "start at the first page, or search"
    fault = Fault(code="WEB001", what=what, where=request.url.path[:200], mend=mend)
    return _answer(request.scope, [fault], status)
