"""Which controls of different frameworks belong together, and which evidence of ours speaks to them.

Ours, as a start, and no official mapping: `editions/crosswalk.json` says what was added beyond the table it is from.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from shipworthy.catalogues.catalogue import Control, Mark, content
from shipworthy.catalogues.finding import find

_SAID = {"widened": ("widened into", "narrower in")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """A kind of evaluation or a process of ours, and the controls that its results are evidence for."""

    id: str
    title: str
    kind: Literal["evaluation", "process"]
    controls: tuple[str, ...]  # full ids
    whole: tuple[str, ...]  # catalogues to all of whose controls it speaks
    metrics: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    scorers: tuple[str, ...] = ()
    records: tuple[str, ...] = ()  # kinds of things in the record


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """From one control to another."""

    to: str  # full id
    relation: str  # how the other stands to this one: "continues as", "widened into", "shares evidence" ...
    through: tuple[str, ...]  # topics that both are in; empty for a new edition of the same thing
    mark: Mark


def topics() -> tuple[Topic, ...]:
    """Every kind of evaluation and process."""
    return _read()[0]


def crosswalk(ref: str) -> tuple[Link, ...]:
    """What corresponds to a control: its other editions first, then controls of other frameworks that share evidence.

    ref: as in `find`, which says what it raises.
    """
    control = find(ref)
    framework = control.ref.partition("@")[0]
    links = [link for start, link in _read()[1] if start == control.ref]
    known = {link.to for link in links}
    shared: dict[str, list[str]] = {}
    for topic in topics():
        if control.ref in topic.controls:
            for other in topic.controls:
                if other not in known and other.partition("@")[0] != framework:
                    shared.setdefault(other, []).append(topic.id)
    return (
        *links,
        *(Link(to=to, relation="shares evidence", through=tuple(via), mark="U") for to, via in shared.items()),
    )


def evidence_for(ref: str) -> tuple[Topic, ...]:
    """The evaluations and processes whose results speak to a control, those about it first.

    A topic that names a control speaks to its parts as well; one for a whole catalogue comes last.
    ref: as in `find`, which says what it raises.
    """
    control = find(ref)
    names = {f"{control.catalogue}:{each}" for each in _upwards(control)}
    direct = [topic for topic in topics() if control.ref in topic.controls]
    above = [topic for topic in topics() if topic not in direct and names & set(topic.controls)]
    whole = [topic for topic in topics() if topic not in (*direct, *above) and control.catalogue in topic.whole]
    return (*direct, *above, *whole)


def _upwards(control: Control) -> Iterator[str]:
    current: Control | None = control
    while current is not None:
        yield current.id
        current = find(f"{control.catalogue}:{current.parent}") if current.parent else None


@functools.cache
def _read() -> tuple[tuple[Topic, ...], tuple[tuple[str, Link], ...]]:
    body = content("crosswalk")
    lists = ("whole", "metrics", "suites", "scorers", "records")
    found = tuple(
        Topic(
            id=each["id"],
            title=each["title"],
            kind=each["kind"],
            controls=(*each["controls"], *each["ours"]),
            **{key: tuple(each.get(key, ())) for key in lists},
        )
        for each in body["topics"]
    )
    links: list[tuple[str, Link]] = []
    for each in body["links"]:
        there, back = _SAID.get(each["relation"], ("continues as", "continues"))
        links.append((each["from"], Link(to=each["to"], relation=there, through=(), mark=each["mark"])))
        links.append((each["to"], Link(to=each["from"], relation=back, through=(), mark=each["mark"])))
    return found, tuple(links)
