"""What forms have sent, remembered for a while by this process, so that the browser's own ways do no harm.

A form carries a token of its own. Sent a second time with the same content, as by two clicks or by going back, it leads
to what the first sending wrote. What came back with faults, or to be looked at once more, gets an address, so that no
page of the history is the answer to a POST.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from shipworthy.digest import Json, digest
from shipworthy.web.access import Visitor

_MOST_SENT = 10_000
_MOST_KEPT = 300  # each of at most as many bytes as a form may send

T = TypeVar("T")


def token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(16)


@dataclass(kw_only=True, slots=True)
class Sending:
    """One sending of a form, in which only one request at a time is at work."""

    leads: str = ""  # to what it wrote; "" before
    lock: Lock = field(default_factory=Lock)


class Once:
    """What was written by which sending; the longest unused is forgotten first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sent: OrderedDict[str, Sending] = OrderedDict()

    @contextmanager
    def sending(self, visitor: Visitor, address: str, told: str | None, content: Json) -> Iterator[Sending]:
        """The sending that a request is part of. told: the form's token; without one it is a sending of its own."""
        if not told:
            yield Sending()
            return
        key = digest([visitor.csrf, visitor.account, address, told[:200], content])
        with self._lock:
            one = self._sent.setdefault(key, Sending())
            self._sent.move_to_end(key)
            while len(self._sent) > _MOST_SENT:
                self._sent.popitem(last=False)
        with one.lock:
            yield one


class Kept(Generic[T]):
    """What is to be shown once more to whoever sent it; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str, str], T] = OrderedDict()

    def keep(self, visitor: Visitor, address: str, one: T) -> str:
        """Remember something; the token by which the same visitor finds it at the same address."""
        told = token()
        with self._lock:
            self._kept[visitor.csrf, address, told] = one
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return told

    def find(self, visitor: Visitor, address: str, told: str) -> T | None:
        """What was kept; None where it is forgotten, or another visitor's."""
        with self._lock:
            return self._kept.get((visitor.csrf, address, told))
