"""The pages on which runs are started, watched and stopped."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from shipworthy.api import progress
from shipworthy.api.progress import Yard
from shipworthy.errors import Fault, Unusable
from shipworthy.web import addresses
from shipworthy.web.access import Visitor, posted, require, visitor_of
from shipworthy.web.remembering import Once
from shipworthy.web.sending import REFUSED, read_as, sent_json, takes
from shipworthy.web.showing import Name, Site, add_page

Who = Annotated[Visitor, Depends(visitor_of)]
_MOST = 8 << 10  # bytes of a form


def add_running(app: FastAPI, site: Site) -> None:
    """Serve runs that are started from the pages."""
    yard, once = Yard(site.library), Once()

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
        chosen = given.get("plan", [])
        if len(chosen) != 1:
            require(who, "run", name)
            raise Unusable(Fault(code="WEB024", what="no plan was chosen", where="plan", mend="choose one, then send"))
        with once.sending(who, name, given.get("once", [""])[0], chosen[0]) as sending:
            is_again = bool(sending.leads)
            sending.leads = sending.leads or started(who, name, chosen[0]).id
        told = {"watch": "true", "again": "true" if is_again else None}
        return RedirectResponse(addresses.job(sending.leads, **told), status_code=303)

    def started(who: Visitor, name: str, plan: str) -> progress.Job:
        require(who, "run", name)
        return yard.start(name, plan, actor=who.actor, shown=who.shown, now=site.clock())

    @app.post(
        "/systems/{name}/runs/new.json", operation_id="start-run", summary="Start a run", tags=["acts"],
        description="Check a plan of the project's folder; the job that comes back says how far it is.",
        status_code=201, response_model=progress.Job, responses=REFUSED, openapi_extra=takes(ChosenPlan),
    )  # fmt: skip
    async def begin_json(request: Request, response: Response, name: Name) -> progress.Job:
        found = await run_in_threadpool(begun_json, visitor_of(request), name, await sent_json(request))
        response.headers["location"] = addresses.job(found.id)
        return found

    def begun_json(who: Visitor, name: str, given: dict[str, Any]) -> progress.Job:
        require(who, "run", name)
        return started(who, name, read_as(ChosenPlan, given).plan)

    @app.post("/jobs/{id}/stop", include_in_schema=False)
    async def stop(request: Request, id: Name) -> Response:
        await posted(request, most=_MOST)
        await run_in_threadpool(stopped, visitor_of(request), id)
        return RedirectResponse(addresses.job(id, watch="true"), status_code=303)

    def stopped(who: Visitor, id_: str) -> progress.JobPage:
        require(who, "run", yard.job(id_).system)
        yard.stop(id_)
        return yard.job_page(id_)

    @app.post(
        "/jobs/{id}/stop.json", operation_id="stop-run", summary="Stop a run", tags=["acts"], responses=REFUSED,
        description="Ask a run to stop, as Ctrl-C does: what was answered stays, and the next check goes on from it.",
        response_model=progress.JobPage, openapi_extra=takes(Nothing),
    )  # fmt: skip
    async def stop_json(request: Request, id: Name) -> progress.JobPage:
        given = await sent_json(request)
        return await run_in_threadpool(stopped_json, visitor_of(request), id, given)

    def stopped_json(who: Visitor, id_: str, given: dict[str, Any]) -> progress.JobPage:
        require(who, "run", yard.job(id_).system)
        read_as(Nothing, given)
        return stopped(who, id_)


class ChosenPlan(BaseModel):
    """Which plan to check."""

    model_config = ConfigDict(extra="forbid", strict=True)

    plan: Annotated[str, Field(min_length=1, max_length=255)]  # name of its file in the project's folder


class Nothing(BaseModel):
    """An empty object: it carries nothing but the will."""

    model_config = ConfigDict(extra="forbid")
