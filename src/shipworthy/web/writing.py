"""Writing from the pages: an act is declared once, and has a form, its sending, its JSON and their description.

`GET path` is the form, filled with what is known; `POST path` takes it, and leads to what was written, or back to the
form with the faults beside its fields and nothing lost; either way by a redirection, so that going back never sends
again, and what is sent twice is written once. `GET path.json` says what the act takes; `POST path.json` does
it. An act on a document says which version of it was looked at: if somebody has written since, nothing is done (409).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool

from shipworthy.api.pages import Library, absent
from shipworthy.digest import Json, digest
from shipworthy.errors import Fault, Unusable
from shipworthy.present.safe import plain, shorten
from shipworthy.record.documents import Document, Kind
from shipworthy.web import addresses
from shipworthy.web.access import EVERY, Permission, Visitor, posted, require, visitor_of
from shipworthy.web.forms.faults import field_of, in_words
from shipworthy.web.forms.fields import Choice, Field, Value, Wrong
from shipworthy.web.remembering import Kept as KeptSendings
from shipworthy.web.remembering import Once
from shipworthy.web.sending import FAULTS, FORM, MOST_BYTES, REFUSED, bounded, sent_json
from shipworthy.web.showing import Name, Offer, Site, as_json, page, status_of, wants_json

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Kept, Record

_MOST_QUERY = 2_000
_KEPT = "kept"  # in an address: which sending is shown
_CALENDARS = {
    "day": ("date", r"\d{4}-\d\d-\d\d"),
    "moment": ("datetime-local", r"\d{4}-\d\d-\d\dT\d\d:\d\d"),
}
_OWN = ("version", "seal", "send", "once")  # what a form carries beside its fields

D = TypeVar("D", bound=Document)
About: TypeAlias = "Kind | Literal['run', 'nothing']"
Values: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """What a form says of the thing that it is about."""

    label: str
    text: str  # may quote outside text
    address: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Who wants to do something, when, and to what."""

    library: Library
    record: Record  # that takes a change only where the subject is still as it was shown
    visitor: Visitor
    now: datetime
    query: Mapping[str, str]
    subject: Document | None = None  # that the address names, as it was shown
    run: KeptRun | None = None

    @property
    def actor(self) -> str | None:
        """Who acts, as the verbs of `api` take it."""
        return self.visitor.actor

    def about(self, model: type[D]) -> D:
        """The document that the address names."""
        if not isinstance(self.subject, model):
            raise TypeError(f"the act is about a {model.__name__}")
        return self.subject

    def of_run(self) -> KeptRun:
        """The run that the address names."""
        if self.run is None:
            raise TypeError("the act is about a run")
        return self.run


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What would be written, to be looked at before it is: nothing is written without its seal."""

    template: str  # shows `facts`
    facts: Mapping[str, Any]
    body: dict[str, Json]  # the whole of it, for machines; its digest is the seal
    write: Callable[[], Document]

    @property
    def seal(self) -> str:
        """What names exactly this proposal."""
        return digest(self.body)


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """One thing that a person can do, as the form and its JSON ask for it.

    `do` calls the verb of `api`, under the name of the visitor; what it raises comes back beside the fields.
    """

    name: str  # of the operation
    path: str  # with at most one name in braces
    title: str  # what is done, as a heading
    does: str  # what the button says
    says: str  # what it leads to, in a sentence or two
    permission: Permission
    fields: tuple[Field, ...]
    writes: type[Document]
    do: Callable[[Ask, Values], Document | Proposal]
    about: About = "nothing"
    system: Callable[[Ask, Values], str | None] = lambda ask, values: system_of(ask) or values.get("system")
    start: Callable[[Ask], Values] = lambda ask: {}  # what is known, by field
    choices: Callable[[Ask], Mapping[str, Sequence[Choice]]] = (
        lambda ask: {}
    )  # of fields, where they hang on the record
    tells: Callable[[Ask], Sequence[Fact]] = lambda ask: ()
    closed: Callable[[Ask], str] = lambda ask: ""  # why it cannot be done now; "" where it can
    leads: Callable[[Any], str] = lambda one: addresses.document(one.kind, one.id)  # to what was written
    menu: str = ""  # how a link to it is called; default as its title
    where: tuple[str, ...] = ()  # which further pages offer it
    is_proposed: bool = False  # it is shown whole first, and done once it is sent again with the seal of that

    @property
    def creates(self) -> bool:
        """Whether what it writes is new."""
        return bool(self.about != self.writes.model_fields["kind"].default)

    @property
    def parameter(self) -> str | None:
        """The name in its path."""
        found = re.search(r"\{(\w+)\}", self.path)
        return found[1] if found else None

    def address(self, id_: str = "", **query: str | None) -> str:
        """Where its form is."""
        return addresses.with_query(re.sub(r"\{\w+\}", lambda _: addresses.segment(id_), self.path), **query)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A field as a form shows it."""

    field: Field
    value: tuple[str, ...]
    faults: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The one text that it holds."""
        return self.value[0] if self.value else ""

    @property
    def input_type(self) -> str:
        """How the browser asks for it: by a calendar, unless it would drop what somebody has typed."""
        kind, shape = _CALENDARS.get(self.field.kind, ("text", ""))
        return kind if not self.text or (not self.faults and re.fullmatch(shape, self.text)) else "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """What somebody else has changed since a form was made."""

    field: str
    label: str
    was: str
    now: str
    is_mine: bool  # the visitor wants to change it too


@dataclass(frozen=True, kw_only=True, slots=True)
class Blank:
    """What an act takes, for machines."""

    act: str
    title: str
    says: str
    send_to: str
    system: str | None
    version: int | None  # of the document that it is about; goes into what is sent
    values: dict[str, Any]  # as they are now
    fields: dict[str, dict[str, Any]]  # a JSON Schema of each
    needed: list[str]
    why_not: str  # it cannot be done now; "" where it can


@dataclass(kw_only=True, slots=True)
class _Attempt:
    """One request to do an act, and what came of it."""

    act: Act
    ask: Ask
    fields: tuple[Field, ...]  # with the choices of the moment
    version: int | None
    values: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)  # by field
    faults: list[Fault] = field(default_factory=list)  # all of them
    general: list[Fault] = field(default_factory=list)  # those of no field
    changed: list[Changed] = field(default_factory=list)
    written: Document | None = None
    proposal: Proposal | None = None


def system_of(ask: Ask) -> str | None:
    """The system of what the address names."""
    if ask.run is not None:
        return ask.run.facts.system
    return getattr(ask.subject, "system", None) if ask.subject is not None else None


def changes(start: Values, values: Values) -> dict[str, Any]:
    """What was filled in otherwise than it was."""
    return {name: value for name, value in values.items() if not _is_same(value, start.get(name))}


def _is_same(one: Value, other: Value) -> bool:
    """Whether a form shows two values alike: it tells times to the minute."""
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one.replace(second=0, microsecond=0) == other.replace(second=0, microsecond=0)
    return one == other or (one in (None, "") and other in (None, ""))


class Desk:
    """What can be done from which page, for `Site.offers`."""

    def __init__(self, library: Library, clock: Callable[[], datetime], acts: Sequence[Act]) -> None:
        self._library, self._clock, self._acts = library, clock, acts

    def __call__(self, visitor: Visitor, about: str, id_: str, **query: str | None) -> Sequence[Offer]:
        """Those acts on a document, a run or a system that this visitor may do, and that can be done now."""
        found = []
        ask: Ask | None = None
        for act in self._acts:
            if about == act.about and act.about != "nothing":
                ask = ask or _Wanted(act=act, library=self._library, visitor=visitor, now=self._clock(), name=id_,
                                     query=query).ask()  # fmt: skip
                is_open = visitor.may(act.permission, act.system(ask, {})) and not act.closed(ask)
            else:
                is_open = about in act.where and visitor.may(act.permission, query.get("system"))
            if is_open:
                told = query if act.about in ("nothing", "run") else {}
                address = act.address(id_ if act.parameter else "", **told)
                found.append(Offer(name=act.name, title=act.menu or act.title, address=address))
        return found


def add_act(app: FastAPI, site: Site, act: Act) -> None:
    """Serve an act: its form and where it is sent to, and both as JSON."""

    def wanted(request: Request, names: Mapping[str, str]) -> _Wanted:
        return _Wanted(act=act, library=site.library, visitor=visitor_of(request), now=site.clock(),
                       name=names.get(act.parameter or "", ""), query=dict(request.query_params))  # fmt: skip

    once, kept = Once(), KeptSendings[_Attempt]()

    def form(request: Request, **names: str) -> Response:
        ask = wanted(request, names).ask()
        start = act.start(ask)
        require(ask.visitor, act.permission, act.system(ask, start))
        told = request.query_params.get(_KEPT, "")
        if told and (found := kept.find(ask.visitor, _here(request), told)) and not wants_json(request.scope):
            return _page(request, site, found, _status(found))
        attempt = _Attempt(act=act, ask=ask, fields=_offered(act, ask), version=_version(ask))
        if wants_json(request.scope):
            return Response(_BLANK.dump_json(_blank(attempt, start, request)), media_type="application/json",
                            headers={"vary": "accept"})  # fmt: skip
        attempt.raw = {one.name: one.written(start.get(one.name)) for one in attempt.fields}
        return _page(request, site, attempt)

    async def send(request: Request, **names: str) -> Response:
        is_json = request.url.path.endswith(".json")
        given = await (_sent_json(request) if is_json else _sent_form(request))
        return await run_in_threadpool(act_on, request, wanted(request, names), given)

    def act_on(request: Request, want: _Wanted, given: _Given) -> Response:
        if given.is_json:
            return _told_json(_attempt(want, given))
        visitor, here = want.visitor, _here(request)
        content = [[name, list(texts)] for name, texts in given.values.items()]
        with once.sending(visitor, here, given.seal or given.once, [given.again, *content]) as sending:
            if sending.leads:
                return RedirectResponse(addresses.with_query(sending.leads, again="true"), status_code=303)
            attempt = _attempt(want, given)
            if attempt.written is not None:
                sending.leads = act.leads(attempt.written)
                return RedirectResponse(sending.leads, status_code=303)
        back = kept.keep(visitor, here, attempt)
        return RedirectResponse(f"{here}{'&' if '?' in here else '?'}{_KEPT}={back}", status_code=303)

    for handler in (form, send):
        _sign(handler, act)
    same: dict[str, Any] = {"tags": ["acts"]}
    app.get(act.path, include_in_schema=False, name=act.name)(form)
    app.post(act.path, include_in_schema=False, name=act.name)(send)
    app.get(f"{act.path}.json", operation_id=f"{act.name}-form", summary=f"What it takes: {act.title}",
            response_model=Blank, name=f"{act.name}.json", **same)(form)  # fmt: skip
    app.post(
        f"{act.path}.json", operation_id=act.name, summary=act.title, description=act.says, name=f"{act.name}.json",
        status_code=201 if act.creates else 200, responses=_responses(act), openapi_extra=_request_schema(act), **same,
    )(send)  # fmt: skip


def _sign(handler: Callable[..., Any], act: Act) -> None:
    """Tell the framework which names the path has."""
    kinds = inspect.Parameter.KEYWORD_ONLY
    told = [inspect.Parameter("request", kinds, annotation=Request)]
    if act.parameter:
        told.append(inspect.Parameter(act.parameter, kinds, annotation=Name))
    handler.__signature__ = inspect.Signature(told)  # type: ignore[attr-defined]
    handler.__annotations__ = {}


# What is asked about


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """A request for an act, as far as its address says."""

    act: Act
    library: Library
    visitor: Visitor
    now: datetime
    name: str  # in the address
    query: Mapping[str, str | None]

    def ask(self, version: int | None = None) -> Ask:
        """What the act is asked about. version: of the document, as it was shown; None: as it is.

        Raises Unusable: WEB001 where there is nothing of that name, WEB023 where there is no such version.
        """
        record, about, name = self.library.record, self.act.about, self.name
        query = {key: text[:_MOST_QUERY] for key, text in self.query.items() if text and _is_text(text)}
        found = Ask(library=self.library, record=record, visitor=self.visitor, now=self.now, query=query)
        if about == "nothing":
            return found
        if about == "run":
            runs = record.runs(digest=name, limit=1) if _is_text(name) else ()
            if not runs:
                raise absent("the record has no such run", "the page of a system lists its runs")
            return replace(found, run=runs[0])
        kept = record.get(about, name) if _is_text(name) else None
        if kept is None or kept.document is None:
            raise absent(f"there is no {about} {name[:80]!r}", "follow a link of the lists, or search")
        shown = kept if version in (None, kept.version) else record.get(about, name, version=version)
        if shown is None or shown.document is None:
            mend = f"open the form anew: it is version {kept.version} now"
            raise Unusable(
                Fault(code="WEB023", what=f"there is no version {version} of it", where="version", mend=mend)
            )
        rests = _resting(record, {(about, name): shown.version}) if version is not None else record
        return replace(found, record=rests, subject=shown.document)


def _is_text(text: str) -> bool:
    """Whether a database can be asked for it."""
    return text.isprintable() or not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text)


def _resting(record: Record, on: Mapping[tuple[str, str], int]) -> Record:
    """The same record, which takes changes only where these documents are still of the version that was looked at."""
    bound = copy(record)

    def write(
        actor: str, now: datetime, *documents: Document, action: str | None = None,
        based_on: Mapping[tuple[str, str], int] | None = None,
    ) -> tuple[Kept, ...]:  # fmt: skip
        return record.write(actor, now, *documents, action=action, based_on={**(based_on or {}), **on})

    vars(bound)["write"] = write
    return bound


def _version(ask: Ask) -> int | None:
    if ask.subject is None:
        return None
    kept = ask.record.get(ask.subject.kind, ask.subject.id)
    return kept.version if kept else None


def _offered(act: Act, ask: Ask) -> tuple[Field, ...]:
    """The fields, with the choices of the moment."""
    found = act.choices(ask)
    return tuple(replace(one, choices=tuple(found[one.name])) if one.name in found else one for one in act.fields)


# What was sent


@dataclass(frozen=True, kw_only=True, slots=True)
class _Given:
    """What came with a request."""

    values: Mapping[str, Any]  # by field: texts of a form, or JSON values
    is_json: bool
    version: Any = None
    seal: str | None = None
    once: str | None = None  # the token of the form
    again: bool = False  # the form is wanted once more, as it was filled


async def _sent_form(request: Request) -> _Given:
    found = await posted(bounded(request, FORM), most=MOST_BYTES)
    own = {name: next(iter(found.pop(name, ())), None) for name in _OWN}
    return _Given(values=found, is_json=False, version=own["version"], seal=own["seal"], once=own["once"],
                  again=own["send"] == "again")  # fmt: skip


async def _sent_json(request: Request) -> _Given:
    found = await sent_json(request)
    seal = found.pop("seal", None)
    version = found.pop("version", None)
    return _Given(values=found, is_json=True, version=version, seal=seal if isinstance(seal, str) else None)


def _attempt(wanted: _Wanted, given: _Given) -> _Attempt:
    """Do an act as far as it can be done."""
    act, visitor = wanted.act, wanted.visitor
    version = _stated(act, given)
    ask = wanted.ask(version)
    require(visitor, act.permission, system_of(ask))
    attempt = _Attempt(act=act, ask=ask, fields=_offered(act, ask), version=version)
    _read(attempt, given)
    system = act.system(ask, attempt.values)
    require(visitor, act.permission, system if system is not None or attempt.wrong else EVERY)
    if attempt.wrong or attempt.faults or given.again:
        return attempt
    try:
        if why := act.closed(ask):
            raise Unusable(Fault(code="WEB026", what=why, where=act.title, mend="look at how it stands now"))
        if visitor.actor is None:
            raise Unusable(nameless())
        done = act.do(ask, attempt.values)
        if isinstance(done, Proposal):
            attempt.proposal = done
            if given.seal == done.seal:
                attempt.written = done.write()
            elif given.seal is not None:
                what = "what would be signed is no longer what was shown"
                mend = "read it again: this is how it stands now"
                raise Unusable(Fault(code="WEB027", what=what, where="seal", mend=mend))
        else:
            attempt.written = done
    except Unusable as error:
        _sort(attempt, error.faults)
        if any(one.code == "RECORD015" for one in error.faults):
            _merge(attempt, wanted)
    return attempt


def nameless() -> Fault:
    """What is said where nobody says who acts."""
    return Fault(
        code="WEB025", what="this is done by a person, and nobody has said who you are", where="shipworthy serve",
        mend='stop the server, and start it with your name: shipworthy serve --as "Ada <ada@example.org>"',
    )  # fmt: skip


def _stated(act: Act, given: _Given) -> int | None:
    """The version that the sender looked at. Raises Unusable (WEB023) where an act on a document does not say it."""
    if act.about in ("nothing", "run"):
        return None
    said = given.version
    if isinstance(said, str) and re.fullmatch(r"[1-9][0-9]{0,8}", said):
        return int(said)
    if isinstance(said, int) and not isinstance(said, bool) and 0 < said < 10**9:
        return said
    mend = "name the `version` that you looked at: the form, or its JSON, has it"
    raise Unusable(Fault(code="WEB023", what="it is not said which version this rests on", where="version", mend=mend))


def _read(attempt: _Attempt, given: _Given) -> None:
    """Fill in the values, and what is wrong with them."""
    known = {one.name for one in attempt.fields}
    strange = [name for name in given.values if name not in known]
    if strange:
        mend = f"it takes {', '.join(sorted(known)) or 'no field'}"
        said = (f"there is no field {shorten(name, 60)!r}" for name in strange[:20])
        attempt.faults += [Fault(code="WEB024", what=what, where="body", mend=mend) for what in said]
        attempt.general += attempt.faults
    start = attempt.act.start(attempt.ask) if given.is_json and attempt.ask.subject is not None else {}
    for one in attempt.fields:
        sent = given.values.get(one.name)
        if not given.is_json:
            attempt.raw[one.name] = tuple(sent or ())
        try:
            if given.is_json and one.name not in given.values and one.name in start:
                attempt.values[one.name] = start[one.name]
            else:
                attempt.values[one.name] = one.take(sent) if given.is_json else one.read(sent or ())
        except Wrong as error:
            attempt.wrong.setdefault(one.name, []).append(str(error))
            attempt.faults.append(Fault(code="WEB024", what=f"“{one.label}” {error}", where=one.name, mend=one.help))


def _sort(attempt: _Attempt, faults: Sequence[Fault]) -> None:
    """Lay each fault beside the field that it is about, in words of the page."""
    for fault in faults:
        about = field_of(attempt.fields, fault)
        what, mend = (in_words(attempt.fields, text) for text in (fault.what, fault.mend))
        told = replace(fault, what=what, mend=mend, where=about or fault.where)
        attempt.faults.append(told)
        if about is None:
            attempt.general.append(told)
        else:
            attempt.wrong.setdefault(about, []).append(f"{what}{f'; {mend}' if mend else ''}")


def _merge(attempt: _Attempt, wanted: _Wanted) -> None:
    """Put what others have changed since into the form, but for what the visitor wants to change as well."""
    act, ask = attempt.act, attempt.ask
    newest = wanted.ask()
    before, after = act.start(ask), act.start(newest)
    for one in attempt.fields:
        was, now = before.get(one.name), after.get(one.name)
        is_mine = not _is_same(attempt.values.get(one.name), was)
        if not _is_same(was, now):
            attempt.changed.append(Changed(field=one.name, label=one.label, was=_said(one, was), now=_said(one, now),
                                           is_mine=is_mine))  # fmt: skip
            if not is_mine:
                attempt.values[one.name] = now
    if not attempt.changed and ask.subject is not None and newest.subject is not None:
        attempt.changed += _differences(ask.subject, newest.subject)
    attempt.raw = {one.name: one.written(attempt.values.get(one.name)) for one in attempt.fields}
    attempt.version = _version(newest)
    attempt.ask = newest


def _differences(before: Document, after: Document) -> Iterator[Changed]:
    """What of a document is no longer as it was, where no field of the form is about it."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for key in old:
        if old[key] != new[key]:
            was, now = _brief(old[key]), _brief(new[key])
            yield Changed(field="", label=key.replace("_", " "), was=was, now=now, is_mine=False)


def _brief(value: Any) -> str:
    """A part of a document in a few words; of people and digests, how many."""
    if isinstance(value, dict) and "likelihood" in value:
        return f"{value['likelihood']} × {value['severity']}"
    entries = value if isinstance(value, list | tuple) else [value] if value not in (None, "") else []
    if any(isinstance(one, dict) or str(one).startswith(("person:", "sha256:")) for one in entries):
        return "one" if len(entries) == 1 else str(len(entries))
    return shorten(", ".join(map(str, entries)) or "nothing", 200)


def _said(one: Field, value: Value) -> str:
    labels = {each.value: each.shown for each in one.choices}
    return shorten(", ".join(labels.get(text, text) for text in one.written(value)) or "nothing", 300)


# What is answered


def _page(request: Request, site: Site, attempt: _Attempt, status: int = 200) -> Response:
    act, ask = attempt.act, attempt.ask
    why = act.closed(ask)
    blocked = nameless() if ask.visitor.actor is None else None
    if why:
        blocked = Fault(code="WEB026", what=why, mend="look at how it stands now")
    asked = [
        Asked(field=one, value=attempt.raw.get(one.name, ()), faults=tuple(attempt.wrong.get(one.name, ())))
        for one in attempt.fields
    ]
    facts = {
        "act": act, "asked": asked, "version": attempt.version, "tells": act.tells(ask), "blocked": blocked,
        "system": act.system(ask, attempt.values or act.start(ask)), "general": attempt.general,
        "changed": attempt.changed, "send_to": _here(request), "proposal": attempt.proposal,
        "is_wrong": bool(attempt.faults),
    }  # fmt: skip
    template = attempt.proposal.template if attempt.proposal else "form.html.j2"
    shown = {**facts, **(attempt.proposal.facts if attempt.proposal else {})}
    return page(request, site, template, shown, status=status)


def _here(request: Request) -> str:
    """The address of a form, whichever of its sendings is shown."""
    query = "&".join(one for one in request.url.query.split("&") if one and not one.startswith(f"{_KEPT}="))
    return request.url.path + (f"?{query}" if query else "")


def _status(attempt: _Attempt) -> int:
    """What is not there is what a field names: the form itself is."""
    found = status_of(attempt.faults) if attempt.faults else 200
    return 400 if found == 404 else found


def _told_json(attempt: _Attempt) -> Response:
    """The answer to a program."""
    if (written := attempt.written) is not None:
        kept = attempt.ask.record.get(written.kind, written.id)
        headers = {"location": attempt.act.leads(written), **({"etag": f'"{kept.version}"'} if kept else {})}
        return as_json(written.model_dump(mode="json"), 201 if attempt.act.creates else 200, **headers)
    told: dict[str, Any] = {}
    if attempt.faults:
        told["faults"] = [{key: plain(text) for key, text in asdict(one).items()} for one in attempt.faults[:50]]
    if attempt.changed:
        told |= {"changed": [asdict(one) for one in attempt.changed], "version": attempt.version}
    if attempt.proposal is not None:
        told |= {"proposal": attempt.proposal.body, "seal": attempt.proposal.seal}
    return as_json(told, _status(attempt))


def _blank(attempt: _Attempt, start: Values, request: Request) -> Blank:
    act, ask = attempt.act, attempt.ask
    return Blank(
        act=act.name, title=act.title, says=act.says, send_to=request.url.path.removesuffix(".json") + ".json",
        system=act.system(ask, start), version=attempt.version,
        values={one.name: start.get(one.name) for one in attempt.fields},
        fields={one.name: one.schema() for one in attempt.fields},
        needed=[one.name for one in attempt.fields if one.is_needed],
        why_not=act.closed(ask) or (nameless().what if ask.visitor.actor is None else ""),
    )  # fmt: skip


_BLANK = TypeAdapter(Blank)


def _request_schema(act: Act) -> dict[str, Any]:
    """What a program sends, as OpenAPI has it."""
    properties = {one.name: one.schema() for one in act.fields}
    needed = [one.name for one in act.fields if one.is_needed] if act.creates else []
    if act.about not in ("nothing", "run"):
        said = "The version of the document that was looked at; GET says it."
        properties["version"] = {"type": "integer", "minimum": 1, "description": said}
        needed.append("version")
    if act.is_proposed:
        properties["seal"] = {
            "type": "string",
            "description": "Of the proposal that is signed; without it, it is shown.",
        }
    schema = {"type": "object", "additionalProperties": False, "properties": properties, "required": needed}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _responses(act: Act) -> dict[int | str, dict[str, Any]]:
    """What comes back, as OpenAPI has it."""
    found = dict(REFUSED)
    found[201 if act.creates else 200] = {"model": act.writes, "description": "What was written"}
    if act.is_proposed:
        found[200] = {"description": "What would be signed, with its seal; nothing is written",
                      "content": {"application/json": {"schema": FAULTS}}}  # fmt: skip
    return found
