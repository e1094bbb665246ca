"""The application: every page is one call of `api`, shown as HTML, and as JSON where `.json` or Accept asks for it.

What is written comes from the acts of `forms`, by the one way of `writing`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from shipworthy.api import pages, registers
from shipworthy.errors import Fault, Unusable
from shipworthy.record.documents import Tier
from shipworthy.record.seen import Seen
from shipworthy.version import __version__
from shipworthy.web import rendering
from shipworthy.web.access import Doorkeeper, readable
from shipworthy.web.forms import incidents, mitigations, risks, signing, systems, waivers
from shipworthy.web.guard import Guard
from shipworthy.web.kpis import add_kpis
from shipworthy.web.labelling import add_labelling
from shipworthy.web.login import add_sign_in
from shipworthy.web.packages import add_packages
from shipworthy.web.running import add_running
from shipworthy.web.sessions import Team
from shipworthy.web.showing import Name, Page, Site, Word, add_page, answer, status_of
from shipworthy.web.slices import add_slices
from shipworthy.web.transcripts import add_transcripts
from shipworthy.web.writing import Act, Desk, add_act

__all__ = ["ACTS", "Site", "create_app"]

ACTS: tuple[Act, ...] = (
    *systems.ACTS,
    *risks.ACTS,
    *mitigations.ACTS,
    *waivers.ACTS,
    *signing.ACTS,
    *incidents.ACTS,
)  # the order of buttons on a page
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.5" fill="none" '
    'stroke="#00609c" stroke-width="2"/><path d="M8 1.5a6.5 6.5 0 0 0 0 13z" fill="#00609c"/></svg>'
)


def create_app(site: Site) -> FastAPI:
    """The pages of a record, of which each request sees what its visitor may read."""
    site = replace(site, library=replace(site.library, record=Seen(site.library.record, readable)))
    app = FastAPI(
        title="Shipworthy", version=__version__, docs_url=None, redoc_url=None,
        description="The record as JSON: every page of the site under its address with `.json`.",
    )  # fmt: skip
    site = replace(site, offers=Desk(site.library, site.clock, ACTS))
    for act in ACTS:
        add_act(app, site, act)
    _add_pages(app, site)
    _add_files(app, site)
    add_transcripts(app, site)
    add_running(app, site)
    add_packages(app, site)
    add_kpis(app, site)
    add_slices(app, site)
    add_labelling(app, site)
    if isinstance(site.knows, Team):
        add_sign_in(app, site, site.knows)
    app.add_exception_handler(Unusable, _unusable)
    app.add_exception_handler(RequestValidationError, _wrong_query)
    app.add_exception_handler(404, _refused)
    app.add_exception_handler(405, _refused)
    app.add_middleware(
        Doorkeeper,
        knows=site.knows,
        answer=lambda scope, fault, status: answer(scope, [fault], status),
        status=lambda code: status_of([Fault(code=code, what=code)]),
    )
    app.add_middleware(
        Guard, hosts=site.hosts, scheme=site.scheme,
        answer=lambda scope, fault, status: answer(scope, [fault], status),
    )  # fmt: skip
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

    def mitigations(system: Word = None, status: Word = None, page: Page = 1) -> registers.Listed:
        """What is done against risks."""
        return registers.listed(library, "mitigation", today=clock().date(), system=system, status=status, page=page)

    def incidents(system: Word = None, status: Word = None, page: Page = 1) -> registers.Listed:
        """What went wrong in use."""
        return registers.listed(library, "incident", today=clock().date(), system=system, status=status, page=page)

    def sign_offs(system: Word = None, page: Page = 1) -> registers.SignOffs:
        """Who signed the decision that each system stands on, and whether that still counts."""
        return registers.sign_offs(library, now=clock(), system=system, page=page)

    def document(kind: Name, id: Name) -> registers.DocumentPage:
        """A document with its versions."""
        return registers.document_page(library, kind, id, now=clock())

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

    def search(q: Word = None, system: Word = None) -> registers.SearchPage:
        """Whatever the record has of a piece of text."""
        return registers.search_page(library, q or "", today=clock().date(), system=system)

    for path, endpoint, template in (
        ("/systems", portfolio, "portfolio"),
        ("/systems/{name}", system, "system"),
        ("/systems/{name}/trace", trace, "trace"),
        ("/systems/{name}/requirements/{requirement}", requirement, "requirement"),
        ("/runs/{digest}", run, "run"),
        ("/compare", compare, "compare"),
        ("/risks", risks, "risks"),
        ("/waivers", waivers, "waivers"),
        ("/mitigations", mitigations, "mitigations"),
        ("/incidents", incidents, "incidents"),
        ("/sign-offs", sign_offs, "signoffs"),
        ("/documents/{kind}/{id}", document, "document"),
        ("/audit", audit, "audit"),
        ("/catalogues", catalogues, "catalogues"),
        ("/search", search, "search"),
    ):
        add_page(app, site, path, endpoint, f"{template}.html.j2")


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


def _unusable(request: Request, error: Exception) -> Response:
    faults = error.faults if isinstance(error, Unusable) else ()
    return answer(request.scope, faults, status_of(faults))


def _wrong_query(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    faults = [
        Fault(code="WEB003", what=f"{one['loc'][-1]}: {one['msg']}"[:300], where=" ".join(map(str, one["loc"]))[:100],
              mend="leave it out, or choose one of the values that the page offers")
        for one in found
    ]  # fmt: skip
    return answer(request.scope, faults, 400)


def _refused(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    if status == 405:
        what, mend = "nothing can be sent to this address", "a form says where it goes; `/openapi.json` lists them all"
    else:
        what, mend = "there is no page at this address", "start at the first page, or search"
    fault = Fault(code="WEB001", what=what, where=request.url.path[:200], mend=mend)
    return answer(request.scope, [fault], status)
