"""From an id to its control, or to what is wrong with the id."""

from __future__ import annotations

import difflib
import re

from shipworthy.catalogues.catalogue import Catalogue, Control, UnknownControl, all_catalogues, catalogue
from shipworthy.errors import Fault

_FULL = re.compile(r"(?P<framework>[^\s@:]+)@(?P<edition>[^\s@:]+):(?P<id>\S+)")
_OWN = re.compile(r"x(-[^\s@:]+)?")
_LONGEST = 80  # characters of an id that are compared and shown


def is_own(ref: str) -> bool:
    """Whether a full id is of a framework of one's own: `x@1:A-3`, or `x-acme@2026:A-3`. No catalogue lists these."""
    full = _FULL.fullmatch(ref)
    return full is not None and _OWN.fullmatch(full["framework"]) is not None


def find(ref: str, *, where: str = "") -> Control:
    """The control that an id names.

    ref: `framework@edition:id`; a bare id will do where one catalogue alone has it.
    where: what asked for it (a place in a plan), for the message.
    Raises UnknownControl: CATALOGUE001 not an id at all, CATALOGUE002 no such framework or edition, CATALOGUE003 no
    such control, CATALOGUE004 a bare id of several editions, CATALOGUE005 an id that its framework retired.
    """
    full = _FULL.fullmatch(ref)
    if full is None:
        return _bare(ref, where)
    if is_own(ref):
        what = f"{full['framework'][:_LONGEST]!r} is a framework of your own, which no catalogue lists"
        mend = "plans may name it; to look an id up, name a framework that `shipworthy catalogues` lists"
        raise UnknownControl(Fault(code="CATALOGUE002", what=what, where=where, mend=mend))
    named = catalogue(full["framework"], full["edition"], where=where)
    if (control := named.controls.get(full["id"])) is not None:
        return control
    raise UnknownControl(_unknown(named, full["id"], where))


def _bare(ref: str, where: str) -> Control:
    having = [each for each in all_catalogues() if ref in each.controls]
    if len(having) == 1:
        return having[0].controls[ref]
    if having:
        could = "; ".join(f"{each.name}:{ref} ({each.controls[ref].title})" for each in having)
        what = f"the id {ref!r} stands for different things in {len(having)} catalogues"
        raise UnknownControl(Fault(code="CATALOGUE004", what=what, where=where, mend=f"write which: {could}"))
    for each in all_catalogues():
        if ref in each.retired:
            raise UnknownControl(_unknown(each, ref, where))
    near = [each for part in all_catalogues() for each in _near(part, ref)][:3]
    mend = f"did you mean {' or '.join(near)}? " if near else ""
    mend += "ids are written framework@edition:id, as in nist-ai-rmf@1.0:MEASURE-2.11"
    what = f"{ref[:_LONGEST]!r} names no control"
    raise UnknownControl(Fault(code="CATALOGUE001", what=what, where=where, mend=mend))


def _unknown(named: Catalogue, identity: str, where: str) -> Fault:
    if (gone := named.retired.get(identity)) is not None:
        by = " and ".join(f"{named.name}:{each}" for each in gone.by)
        what = f"{identity} ({gone.title}) was retired in {named.framework} {gone.since}"
        return Fault(code="CATALOGUE005", what=what, where=where, mend=f"write what took its place: {by}")
    what = f"{named.name} has no control {identity[:_LONGEST]!r}"
    near = _near(named, identity)
    mend = f"did you mean {' or '.join(near)}? " if near else ""
    mend += f"`shipworthy catalogues {named.name}` lists {'them all' if named.complete else 'what it holds'}"
    if not named.complete:
        what += "; it holds a selection"
        mend += "; name what it lacks in a framework of your own, as in x-acme@1:DATA-3"
    return Fault(code="CATALOGUE003", what=what, where=where, mend=mend)


def _near(named: Catalogue, identity: str) -> list[str]:
    """Up to three full ids that look like this one: the same but for its spelling, else the closest."""
    folded = {_folded(key): key for key in named.controls}
    wanted = _folded(identity[:_LONGEST])
    close = [wanted] if wanted in folded else difflib.get_close_matches(wanted, folded, n=3, cutoff=0.75)
    return [f"{named.name}:{folded[each]}" for each in close]


def _folded(identity: str) -> str:
    """An id without what people spell differently: `Measure 2.11` and `art-10(2)(f)` are close to what they mean."""
    return re.sub(r"[.\-_ ]+", ".", re.sub(r"[()\[\]]", ".", identity.casefold())).strip(".")
