"""The page on which people label answers: one after the other, without the judge's verdict."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from shipworthy.api import sittings
from shipworthy.api.pages import find
from shipworthy.api.sittings import Judge, Room
from shipworthy.errors import Fault, Unusable
from shipworthy.web import addresses
from shipworthy.web.access import Visitor, posted, require, visitor_of
from shipworthy.web.showing import Name, Site, Word, add_page
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
        return await run_in_threadpool(taken, visitor_of(request), digest, given)

    def taken(who: Visitor, digest: str, given: dict[str, list[str]]) -> Response:
        require(who, "run", find(site.library.record, digest).facts.system)
        if who.actor is None:
            raise Unusable(nameless())
        judge = Judge(evaluation=_one(given, "evaluation"), scorer=_one(given, "scorer"))
        trial = _one(given, "trial")
        if not trial.isascii() or not trial.isdecimal() or len(trial) > 9:
            raise Unusable(_wrong("trial", "a number"))
        key = (_one(given, "case"), _one(given, "attack"), int(trial), (given.get("version") or [""])[0] or None)
        second = (given.get("second") or [""])[0] == "true"
        room.give(
            digest, key, judge=judge, response=_one(given, "response"), label=_one(given, "label"), actor=who.actor,
            now=site.clock(), second=second,
        )  # fmt: skip
        query = {"evaluation": judge.evaluation, "scorer": judge.scorer, "second": "true" if second else None}
        return RedirectResponse(addresses.with_query(f"{addresses.run(digest)}/label", **query), status_code=303)


def _one(given: dict[str, list[str]], name: str) -> str:
    """The one value of a field. Raises Unusable (WEB024)."""
    found = given.get(name, [])
    if len(found) != 1 or not found[0]:
        raise Unusable(_wrong(name, "a label" if name == "label" else "its value"))
    return found[0]


def _wrong(name: str, needed: str) -> Fault:
    mend = "choose one of the labels, then send" if name == "label" else "open the page anew"
    return Fault(code="WEB024", what=f"{name!r} lacks {needed}", where=name, mend=mend)
