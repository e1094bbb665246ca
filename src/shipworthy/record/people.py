"""People: everywhere a commitment stands for them; here alone it can be opened, until they are erased."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.errors import Fault, Unusable
from shipworthy.record import audit
from shipworthy.record.reading import unkeepable
from shipworthy.record.schema import people

_TOOL = re.compile(r"tool:[a-z0-9][a-z0-9._/-]{0,63}")  # an actor that is no person, such as tool:shipworthy/0.1
LONGEST = 320  # characters of an address, and of a name


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
    if not (email or name) or max(len(email), len(name)) > LONGEST:
        what = f"a person has an address or a name, each of at most {LONGEST} characters"
        raise Unusable(Fault(code="RECORD017", what=what, where="person", mend="write them otherwise"))


def address(email: str) -> str:
    """What people are told apart by: an address whatever its case, without blanks around it."""
    return unicodedata.normalize("NFKC", email).strip().casefold()


def find(connection: Connection, email: str, name: str) -> str | None:
    """The commitment that stands for a person already: whoever has the address, however the name is spelt.

    Who has no address is found by name.
    """
    wanted = address(email)
    rows = connection.execute(
        sa.select(people.c.person, people.c.email, people.c.name)
        .where(people.c.email.is_not(None))
        .order_by(people.c.person)
    )
    return next((one for one, its, known in rows if address(its) == wanted and (wanted or known == name)), None)


def commit_to(connection: Connection, email: str, name: str) -> str:
    """A new commitment that stands for a person."""
    salt = audit.fresh_salt()
    person = audit.commitment(salt, email, name)
    connection.execute(sa.insert(people).values(person=person, salt=salt, email=email, name=name))
    return person


def everyone(connection: Connection) -> dict[str, Person]:
    """All people by commitment."""
    rows = connection.execute(sa.select(people.c.person, people.c.email, people.c.name).order_by(people.c.person))
    return {person: Person(person=person, email=email, name=name) for person, email, name in rows}


def require(connection: Connection, *actors: str) -> None:
    """Raise Unusable (RECORD017) unless the record knows every one of these people; a tool is known by its name."""
    for person in actors:
        if (
            not _TOOL.fullmatch(person)
            and connection.execute(sa.select(people.c.person).where(people.c.person == person)).scalar() is None
        ):
            what = f"nobody is known as {person[:80]!r}"
            mend = "make the person known first, by address and name"
            raise Unusable(Fault(code="RECORD017", what=what, where="person", mend=mend))


def forget(connection: Connection, person: str) -> None:
    """Delete the opening of a commitment: address, name and the salt without which neither can be guessed."""
    connection.execute(sa.update(people).where(people.c.person == person).values(salt=None, email=None, name=None))
