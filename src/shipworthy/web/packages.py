"""The pages on which the evidence of a run is packed and handed out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from shipworthy.api import dispatch
from shipworthy.api.dispatch import Dispatch, Rights
from shipworthy.api.pages import find
from shipworthy.errors import Unusable
from shipworthy.web import addresses
from shipworthy.web.access import EVERY, Visitor, posted, require, visitor_of
from shipworthy.web.remembering import Once
from shipworthy.web.sending import REFUSED, read_as, sent_json, takes
from shipworthy.web.showing import Name, Site, add_page, page, status_of
from shipworthy.web.writing import nameless

Who = Annotated[Visitor, Depends(visitor_of)]
_MOST = 8 << 10  # bytes of a form


def add_packages(app: FastAPI, site: Site) -> None:
    """Serve packages."""
    room = Dispatch(site.library)

    once = Once()

    def allowed(who: Visitor, system: str) -> Rights:
        require(who, "pack", system)
        return Rights(personal=who.may("audit", system), whole_log=who.may("audit", EVERY))

    def on_run(who: Visitor, digest: str) -> Rights:
        return allowed(who, find(site.library.record, digest).facts.system)

    def of_run(*, who: Who, digest: Name) -> dispatch.RunPackages:
        """The packages of a run: who made them, when, for whom, and how to verify them."""
        return room.of_run(digest, rights=on_run(who, digest))

    def of_system(*, who: Who, name: Name) -> dispatch.SystemPackages:
        """The packages of a system."""
        return room.of_system(name, rights=allowed(who, name))

    def make(who: Visitor, digest: str, audience: str) -> str:
        rights = on_run(who, digest)
        if who.actor is None:
            raise Unusable(nameless())
        return room.make(digest, audience, rights=rights, actor=who.actor, now=site.clock())

    add_page(app, site, "/runs/{digest}/packages", of_run, "packages.html.j2")
    add_page(app, site, "/systems/{name}/packages", of_system, "packed.html.j2")

    @app.post("/runs/{digest}/packages", include_in_schema=False)
    async def pack(request: Request, digest: Name) -> Response:
        given = await posted(request, most=_MOST)
        return await run_in_threadpool(packed, request, digest, given)

    def packed(request: Request, digest: str, given: dict[str, list[str]]) -> Response:
        who, chosen = visitor_of(request), given.get("audience", [])
        rights = on_run(who, digest)
        try:
            with once.sending(who, digest, given.get("once", [""])[0], list(chosen)) as sending:
                sending.leads = sending.leads or make(who, digest, chosen[0] if len(chosen) == 1 else "")
        except Unusable as error:
            facts = {"it": room.of_run(digest, rights=rights), "faults": error.faults, "chosen": chosen}
            return page(request, site, "packages.html.j2", facts, status=status_of(error.faults))
        return RedirectResponse(addresses.packages(digest), status_code=303)

    @app.post(
        "/runs/{digest}/packages.json", operation_id="pack", summary="Pack the evidence of a run", tags=["acts"],
        description="Make a package of a run, or of the decision on it; what comes back lists it first.",
        status_code=201, response_model=dispatch.RunPackages, responses=REFUSED, openapi_extra=takes(ChosenAudience),
    )  # fmt: skip
    async def pack_json(request: Request, response: Response, digest: Name) -> dispatch.RunPackages:
        given = await sent_json(request)
        root = await run_in_threadpool(packed_json, visitor_of(request), digest, given)
        response.headers["location"] = addresses.packages(digest, root)
        return await run_in_threadpool(of_run, who=visitor_of(request), digest=digest)

    def packed_json(who: Visitor, digest: str, given: dict[str, Any]) -> str:
        on_run(who, digest)
        return make(who, digest, read_as(ChosenAudience, given).audience)

    @app.get("/runs/{digest}/packages/{root}", tags=["record"], response_class=FileResponse, operation_id="package",
             responses={200: {"content": {"application/zip": {}}}})  # fmt: skip
    def fetch(*, who: Who, digest: Name, root: Name) -> FileResponse:
        """A package, byte for byte: a zip file, fit for `shipworthy verify`."""
        path = room.fetch(digest, root, rights=on_run(who, digest))
        return FileResponse(
            path, media_type="application/zip", filename=f"package-{root[7:19]}.zip",
            headers={"x-content-type-options": "nosniff"},
        )  # fmt: skip


class ChosenAudience(BaseModel):
    """For whom a package is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    audience: Annotated[str, Field(min_length=1, max_length=40)]  # the strictest class that its readers may see
