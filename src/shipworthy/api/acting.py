"""Who acts where only people can: they ask, approve and sign under their name, and are counted by their address."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipworthy.errors import Fault, Unusable
from shipworthy.integrity import persons

if TYPE_CHECKING:
    from shipworthy.record.store import Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """A person as the record knows them."""

    person: str  # the commitment
    shown: str  # name, else address, else the beginning of the commitment
    identity: str  # what persons are counted by: two spellings of a name with one address are one person


def acting(record: Record, stated: str | None) -> Actor:
    """Who acts: "Ada <ada@example.org>", as stated or as `SHIPWORTHY_ACTOR` says.

    An address that the record knows is that person, however the name is spelt now: nobody becomes two people, of whom
    one asks and the other approves. Raises Unusable (GOVERN001, KEYS001).
    """
    person = said(stated)
    commitment = record.person(person.email, person.name)
    return everyone(record)[commitment]


def said(stated: str | None) -> persons.Person:
    """Who is stated to act, not yet looked up. Raises Unusable (GOVERN001, KEYS001)."""
    text = stated or os.environ.get("SHIPWORTHY_ACTOR") or ""
    if not text:
        what, mend = "this is done by a person, and nobody says who it is", '--as "Ada <ada@example.org>"'
        raise Unusable(Fault(code="GOVERN001", what=what, where="--as, or SHIPWORTHY_ACTOR", mend=mend))
    return persons.person(text)


def everyone(record: Record, only: Collection[str] | None = None) -> dict[str, Actor]:
    """All people by commitment, or those of a few commitments; an erased one is counted by the commitment alone."""
    found = {}
    known = record.people() if only is None else record.people(tuple(sorted(set(only))))
    for commitment, one in known.items():
        identity = persons.identity(one.email) if one.email else commitment
        shown = one.name or one.email or commitment[:15]
        found[commitment] = Actor(person=commitment, shown=shown, identity=identity)
    return found


def shown(people: dict[str, Actor], actor: str) -> str:
    """How an actor is called: by name; a tool as it is."""
    return people[actor].shown if actor in people else actor[:60]
