"""The pages on which runs are started, watched and stopped."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from shipworthy.api import progress
from shipworthy.api.progress import Yard
from shipworthy.errors import Fault, Unusable
from shipworthy.web import addresses
from shipworthy.web.access import Visitor, posted, require, visitor_of
from shipworthy.web.showing import Name, Site, add_page

Who = Annotated[Visitor, Depends(visitor_of)]
_MOST = 8 << 10  # bytes of a form


def add_running(app: FastAPI, site: Site) -> None:
    """Serve runs that are started from the pages."""
    yard = Yard(site.library)

    def start(*, who: Who, name: Name) -> progress.StartPage:
        """The plans of a system that can be run from here, and the runs that were."""
        require(who, "run", name)
        return yard.start_page(name)

    def job(*, who: Who, id: Name, watch: bool = False) -> progress.JobPage:
        """A run that was started here: how far it is, and what it printed last."""
        require(who, "run", yard.job(id).system)
        return yard.job_page(id, watch=watch)

    add_page(app, site, "/systems/{name}/runs/new", start, "start.html.j2")
    add_page(app, site, "/jobs/{id}", job, "job.html.j2")

    @app.post("/systems/{name}/runs/new", include_in_schema=False)
    async def begin(request: Request, name: Name) -> Response:
        given = await posted(request, most=_MOST)
        return await run_in_threadpool(begun, visitor_of(request), name, given)

    def begun(who: Visitor, name: str, given: dict[str, list[str]]) -> Response:
        require(who, "run", name)
        chosen = given.get("plan", [])
        if len(chosen) != 1:
            raise Unusable(Fault(code="WEB024", what="no plan was chosen", where="plan", mend="choose one, then send"))
        found = yard.start(name, chosen[0], actor=who.actor, shown=who.shown, now=site.clock())
        return RedirectResponse(addresses.job(found.id, watch="true"), status_code=303)

    @app.post("/jobs/{id}/stop", include_in_schema=False)
    async def stop(request: Request, id: Name) -> Response:
        await posted(request, most=_MOST)
        return await run_in_threadpool(stopped, visitor_of(request), id)

    def stopped(who: Visitor, id_: str) -> Response:
        require(who, "run", yard.job(id_).system)
        yard.stop(id_)
        return RedirectResponse(addresses.job(id_, watch="true"), status_code=303)
