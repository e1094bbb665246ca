"""How much of each framework there is evidence for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shipworthy.catalogues.catalogue import EDITIONS, Catalogue, catalogue
from shipworthy.catalogues.finding import find, is_own


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """Of one catalogue: which of its controls have evidence.

    Counted are the controls of the kinds that a catalogue names, where none of their parts is counted: a control with
    parts is covered part by part.
    """

    catalogue: str  # framework@edition
    covered: tuple[str, ...]  # ids
    total: int | None  # None: a framework of one's own, whose size nobody told
    missing: tuple[str, ...]  # ids; with `covered` they make up `total`
    beside: tuple[str, ...]  # ids with evidence that are not counted: groups, areas, controls with parts


def coverage(controls_with_evidence: Iterable[str]) -> tuple[Coverage, ...]:
    """The coverage of every catalogue, and of frameworks of one's own that are named.

    controls_with_evidence: full ids, in any order; naming one twice counts once.
    Raises UnknownControl for the first id that no catalogue has.
    """
    named: dict[str, set[str]] = {name: set() for name in EDITIONS}
    own: dict[str, set[str]] = {}
    for ref in controls_with_evidence:
        if is_own(ref):
            framework, _, identity = ref.partition(":")
            own.setdefault(framework, set()).add(identity)
        else:
            control = find(ref)
            named[control.catalogue].add(control.id)
    ours = (_of(catalogue(*name.split("@", 1)), found) for name, found in named.items())
    theirs = (
        Coverage(catalogue=name, covered=tuple(sorted(found)), total=None, missing=(), beside=())
        for name, found in sorted(own.items())
    )
    return (*ours, *theirs)


def units(one: Catalogue) -> tuple[str, ...]:
    """The ids that coverage counts, in the framework's order."""
    candidates = [control for control in one.controls.values() if control.kind in one.counted]
    whole = {control.parent for control in candidates}
    return tuple(control.id for control in candidates if control.id not in whole)


def _of(one: Catalogue, found: set[str]) -> Coverage:
    counted = units(one)
    return Coverage(
        catalogue=one.name,
        covered=tuple(each for each in counted if each in found),
        total=len(counted),
        missing=tuple(each for each in counted if each not in found),
        beside=tuple(each for each in one.controls if each in found and each not in counted),
    )
