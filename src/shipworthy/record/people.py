"""People: everywhere a commitment stands for them; here alone it can be opened, until they are erased."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.errors import Fault, Unusable
from shipworthy.integrity import persons
from shipworthy.record import audit
from shipworthy.record.reading import unkeepable
from shipworthy.record.schema import people

_TOOL = re.compile(r"tool:[a-z0-9][a-z0-9._/-]{0,63}")  # an actor that is no person, such as tool:shipworthy/0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who stands behind a commitment."""

    person: str  # person:<64 hex digits>
    email: str | None  # None once erased
    name: str | None


def refuse(email: str, name: str) -> None:
    """Raise Unusable (RECORD011, RECORD017) for what names no person, or cannot be kept."""
    if faults := [*unkeepable(email, "person: email"), *unkeepable(name, "person: name")]:
        raise Unusable(faults)
    why = "" if email or name else "there is neither address nor name"
    if why := why or (email and persons.why_no_address(email)) or (name and persons.why_no_name(name)):
        what = f"this names no person: {why}"
        raise Unusable(Fault(code="RECORD017", what=what, where="person", mend="write address or name otherwise"))


def told_apart_by(email: str, name: str) -> tuple[str, str]:
    """What makes two people two: the address, however it is spelt; the name where there is none."""
    wanted = persons.identity(email)
    return wanted, "" if wanted else persons.identity(name)


def find(connection: Connection, email: str, name: str) -> str | None:
    """The commitment that stands for a person already: whoever has the address, however the name is spelt.

    Who has no address is found by name. Raises Unusable (RECORD022) where the record is not what it was.
    """
    wanted = told_apart_by(email, name)
    rows = connection.execute(sa.select(people).where(people.c.email.is_not(None)).order_by(people.c.person)).all()
    found = [row for row in rows if told_apart_by(str(row.email), str(row.name)) == wanted]
    if len(found) > 1:
        raise Unusable(_changed("two people have the same address", found[0].person))
    for row in found:
        _refuse_changed(row)
    return found[0].person if found else None


def commit_to(connection: Connection, email: str, name: str) -> str:
    """A new commitment that stands for a person."""
    salt = audit.fresh_salt()
    person = audit.commitment(salt, email, name)
    connection.execute(sa.insert(people).values(person=person, salt=salt, email=email, name=name))
    return person


def everyone(connection: Connection, only: Collection[str] | None = None) -> dict[str, Person]:
    """All people by commitment, or a few; who was erased, or whose row was changed, has neither address nor name."""
    found, chosen = {}, sa.select(people).order_by(people.c.person)
    if only is not None:
        chosen = chosen.where(people.c.person.in_(only))
    for person, salt, email, name in connection.execute(chosen):
        is_theirs = audit.opens(person, salt, email, name)
        found[person] = Person(person=person, email=email if is_theirs else None, name=name if is_theirs else None)
    return found


def require(connection: Connection, *actors: str) -> None:
    """Raise Unusable unless the record knows every one of these people (RECORD017), and by what the commitment was made
    of (RECORD022); a tool is known by its name."""
    for person in actors:
        if _TOOL.fullmatch(person):
            continue
        row = connection.execute(sa.select(people).where(people.c.person == person)).first()
        if row is None:
            what = f"nobody is known as {person[:80]!r}"
            mend = "make the person known first, by address and name"
            raise Unusable(Fault(code="RECORD017", what=what, where="person", mend=mend))
        if row.salt is not None or row.email is not None or row.name is not None:  # not erased
            _refuse_changed(row)


def _refuse_changed(row: Any) -> None:
    if not audit.opens(row.person, row.salt, row.email, row.name):
        raise Unusable(_changed("address or name are not those that a commitment was made of", row.person))


def _changed(what: str, person: object) -> Fault:
    mend = "nobody can act as this person: `shipworthy record verify`, and restore a backup"
    return Fault(code="RECORD022", what=f"{what}: the database was changed", where=str(person)[:80], mend=mend)


def forget(connection: Connection, person: str) -> None:
    """Delete the opening of a commitment: address, name and the salt without which neither can be guessed."""
    connection.execute(sa.update(people).where(people.c.person == person).values(salt=None, email=None, name=None))
