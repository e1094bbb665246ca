"""The page on which people label answers: one after the other, without the judge's verdict."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from shipworthy.api import sittings
from shipworthy.api.pages import find
from shipworthy.api.sittings import Judge, Room
from shipworthy.errors import Fault, Unusable
from shipworthy.web import addresses
from shipworthy.web.access import Visitor, posted, require, visitor_of
from shipworthy.web.sending import REFUSED, read_as, sent_json, takes
from shipworthy.web.showing import Name, Site, Word, add_page, page
from shipworthy.web.writing import nameless

Who = Annotated[Visitor, Depends(visitor_of)]
_MOST = 32 << 10  # bytes of a form


def add_labelling(app: FastAPI, site: Site) -> None:
    """Serve labelling."""
    room = Room(site.library)

    def label(
        *, who: Who, digest: Name, evaluation: Word = None, scorer: Word = None, second: bool = False,
        back: bool = False,
    ) -> sittings.LabelPage:  # fmt: skip
        """The next answer to label, for whoever asks, and how far people agree."""
        require(who, "run", find(site.library.record, digest).facts.system)
        return room.page(digest, actor=who.actor, evaluation=evaluation, scorer=scorer, second=second, back=back)

    add_page(app, site, "/runs/{digest}/label", label, "label.html.j2")

    @app.post("/runs/{digest}/label", include_in_schema=False)
    async def give(request: Request, digest: Name) -> Response:
        given = await posted(request, most=_MOST)
        return await run_in_threadpool(taken, request, digest, given)

    def taken(request: Request, digest: str, given: dict[str, list[str]]) -> Response:
        who = visitor_of(request)
        require(who, "run", find(site.library.record, digest).facts.system)
        if not any(given.get("label", ())):
            return asked_again(request, digest, given)
        trial = _one(given, "trial")
        if not trial.isascii() or not trial.isdecimal() or len(trial) > 9:
            raise Unusable(_wrong("trial", "a number"))
        said = {key: _one(given, key) for key in ("evaluation", "scorer", "case", "attack", "response", "label")}
        version, second = (given.get("version") or [""])[0] or None, (given.get("second") or [""])[0] == "true"
        put(who, digest, GivenLabel(**said, trial=int(trial), version=version, second=second))
        query = {"evaluation": said["evaluation"], "scorer": said["scorer"], "second": "true" if second else None}
        return RedirectResponse(addresses.with_query(f"{addresses.run(digest)}/label", **query), status_code=303)

    def asked_again(request: Request, digest: str, given: dict[str, list[str]]) -> Response:
        """The page as it was, and that no label was chosen."""
        fault = Fault(code="WEB024", what="choose one of the labels, or skip", where="label")
        told = {key: (given.get(key) or [""])[0] for key in ("evaluation", "scorer", "second", "back")}
        shown = room.page(
            digest, actor=visitor_of(request).actor, evaluation=told["evaluation"] or None,
            scorer=told["scorer"] or None, second=told["second"] == "true", back=told["back"] == "true",
        )  # fmt: skip
        return page(request, site, "label.html.j2", {"it": shown, "fault": fault}, status=400)

    @app.post(
        "/runs/{digest}/label.json", operation_id="label", summary="Label an answer", tags=["acts"],
        description="Give your label of one answer; what comes back is the next answer to label.",
        response_model=sittings.LabelPage, responses=REFUSED, openapi_extra=takes(GivenLabel),
    )  # fmt: skip
    async def give_json(request: Request, digest: Name) -> sittings.LabelPage:
        return await run_in_threadpool(taken_json, visitor_of(request), digest, await sent_json(request))

    def taken_json(who: Visitor, digest: str, given: dict[str, Any]) -> sittings.LabelPage:
        require(who, "run", find(site.library.record, digest).facts.system)
        one = read_as(GivenLabel, given)
        put(who, digest, one)
        return room.page(digest, actor=who.actor, evaluation=one.evaluation, scorer=one.scorer, second=one.second,
                         back=False)  # fmt: skip

    def put(who: Visitor, digest: str, one: GivenLabel) -> None:
        if who.actor is None:
            raise Unusable(nameless())
        judge = Judge(evaluation=one.evaluation, scorer=one.scorer)
        key = (one.case, one.attack, one.trial, one.version)
        room.give(
            digest, key, judge=judge, response=one.response, label=one.label, actor=who.actor, now=site.clock(),
            second=one.second,
        )  # fmt: skip


class GivenLabel(BaseModel):
    """A label of one answer, as a program sends it; what names the answer stands in the page's JSON."""

    model_config = ConfigDict(extra="forbid", strict=True)

    evaluation: str
    scorer: str
    case: str
    attack: str
    trial: Annotated[int, Field(ge=0, lt=10**9)]
    version: str | None = None
    response: str  # digest of the answer that was read
    label: Annotated[str, Field(min_length=1)]
    second: bool = False


def _one(given: dict[str, list[str]], name: str) -> str:
    """The one value of a field. Raises Unusable (WEB024)."""
    found = given.get(name, [])
    if len(found) != 1 or not found[0]:
        raise Unusable(_wrong(name, "its value"))
    return found[0]


def _wrong(name: str, needed: str) -> Fault:
    return Fault(code="WEB024", what=f"{name!r} lacks {needed}", where=name, mend="open the page anew")
