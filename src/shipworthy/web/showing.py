"""How a page is shown: one call of `api`, as HTML, and as JSON where `.json` or Accept asks for it; errors likewise."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import wraps
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import AfterValidator, TypeAdapter

from shipworthy.api.pages import Library
from shipworthy.errors import Fault
from shipworthy.web import addresses, rendering
from shipworthy.web.access import Alone, Knows, Visitor, visitor_of
from shipworthy.web.remembering import token

Name = Annotated[str, Path(max_length=2_000), AfterValidator(addresses.named)]
Word = Annotated[str | None, Query(max_length=2_000), AfterValidator(lambda text: text or None)]
Page = Annotated[int, Query(ge=1, le=10_000)]

_STATUS = {
    "WEB001": 404, "WEB007": 404, "GOVERN002": 404, "RISK001": 404, "WEB010": 401, "WEB011": 403, "WEB012": 403,
    "WEB014": 429, "WEB015": 401, "WEB016": 502, "WEB017": 403, "WEB019": 403, "ACCOUNT001": 404, "ACCOUNT002": 409,
    "ACCOUNT005": 409, "ACCOUNT008": 403, "RECORD021": 404, "WEB020": 413, "WEB021": 415, "WEB025": 403, "WEB026": 409,
    "WEB027": 409, "GOVERN001": 403, "GOVERN007": 409, "GOVERN008": 409, "RECORD014": 409, "RECORD015": 409,
    "RECORD016": 409, "RECORD009": 409, "RECORD020": 409, "RECORD022": 409, "RECORD004": 503, "RECORD006": 503,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """Something that a visitor can do from a page."""

    name: str
    title: str
    address: str


class Offers(Protocol):
    """What can be done from where: on a document, a run or a system, or anew."""

    def __call__(self, visitor: Visitor, about: str, id_: str, **query: str | None) -> Sequence[Offer]:
        """Those that this visitor may do, and that can be done now."""


def _nothing(visitor: Visitor, about: str, id_: str, **query: str | None) -> Sequence[Offer]:  # noqa: ARG001
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What is served, and how the clock goes."""

    library: Library
    hosts: tuple[str, ...]  # that a browser may ask for, with their port
    clock: Callable[[], datetime]
    scheme: str = "http"
    knows: Knows = field(default_factory=Alone)  # who asks
    offers: Offers = _nothing


def add_page(app: FastAPI, site: Site, path: str, endpoint: Callable[..., Any], template: str) -> None:
    """Serve what a call returns under a path, as HTML by a template, and under the path with `.json` as JSON.

    endpoint: its parameters are those of the address; its annotation of what it returns is the schema.
    """
    name = template.removesuffix(".html.j2")
    app.get(f"{path}.json", name=f"{name}.json", tags=["record"])(_of_one_state(endpoint, site))
    page = _shown(endpoint, template, site)
    for address in ("/", path) if path == "/systems" else (path,):
        app.get(address, name=name, include_in_schema=False, response_model=None)(page)


def page(request: Request, site: Site, template: str, facts: Mapping[str, Any], *, status: int = 200) -> Response:
    """A page as HTML, with what every page has: who asks, what day it is, and how people are called."""
    visitor = visitor_of(request)
    people = site.library.record.people()
    shown = {
        "path": request.url.path, "again": request.query_params.get("again") == "true", "once": token(),
        "today": site.clock().date(), "visitor": visitor,
        "names": {person: one.name or one.email or person[:15] for person, one in people.items()},
        "offers": lambda about, id_="", **query: site.offers(visitor, about, id_, **query), **facts,
    }  # fmt: skip
    return HTMLResponse(rendering.render(template, shown), status_code=status, headers={"vary": "accept"})


def _of_one_state(endpoint: Callable[..., Any], site: Site) -> Callable[..., Any]:
    """The same call, all of whose answer is of one state of the record."""

    @wraps(endpoint)
    def answer(**given: Any) -> Any:
        with site.library.record.one_state():
            return endpoint(**given)

    answer.__signature__ = inspect.signature(endpoint, eval_str=True)  # type: ignore[attr-defined]
    return answer


def _shown(endpoint: Callable[..., Any], template: str, site: Site) -> Callable[..., Response]:
    """The same call as HTML; as JSON where Accept prefers that."""
    told = inspect.signature(endpoint, eval_str=True)
    spelled = TypeAdapter(told.return_annotation)

    @wraps(endpoint)
    def show(_request: Request, **given: Any) -> Response:
        with site.library.record.one_state():
            facts = endpoint(**given)
            if wants_json(_request.scope):
                return Response(spelled.dump_json(facts), media_type="application/json", headers={"vary": "accept"})
            return page(_request, site, template, {"it": facts})

    first = inspect.Parameter("_request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in told.parameters.values()]
    show.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    show.__annotations__ = {}
    del show.__wrapped__
    return show


def wants_json(scope: Any) -> bool:
    """Whether the address or the Accept header asks for JSON rather than a page."""
    if scope["path"].endswith(".json"):
        return True
    accept = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), "")
    return "application/json" in accept and "text/html" not in accept


def as_json(value: object, status: int = 200, **headers: str) -> Response:
    """A JSON answer in ASCII: half a character in a text stays an escape."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return Response(text, status_code=status, media_type="application/json", headers=headers)


def answer(scope: Any, faults: Iterable[Fault], status: int) -> Response:
    """What is wrong, as a page or as JSON."""
    told = list(faults)[:50]
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    if wants_json(scope):
        return as_json({"faults": [asdict(one) for one in told]}, status, **headers)
    shown = {"faults": told, "path": scope["path"], "status": status, "visitor": visitor_of(Request(scope))}
    return HTMLResponse(rendering.render("error.html.j2", shown), status_code=status, headers=headers)


def status_of(faults: Sequence[Fault]) -> int:
    """The HTTP status of faults: that of the first which has one of its own."""
    return next((_STATUS[one.code] for one in faults if one.code in _STATUS), 400)
