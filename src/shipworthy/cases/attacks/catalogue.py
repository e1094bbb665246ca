"""From the name of an attack in a plan to the attack, and from a case to the cases it becomes.

roleplay             an attack
best-of-n(16)        one that takes a number
roleplay+base64      one after the other, from left to right
none                 the case as it is
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from shipworthy import registry
from shipworthy.cases.attacks import characters, conversations, encodings, formats, framings, sampling
from shipworthy.cases.attacks.protocol import Attack, Family
from shipworthy.errors import Fault, Unusable
from shipworthy.exchange import Case

LONGEST_TURN = 250_000  # characters of a turn that an attack takes; a longer one loses its middle and is tagged `cut`
MOST_STEPS = 5
MOST_DRAWS = 512  # of one case
NONE = Attack(
    name="none",
    title="No attack",
    kind="framing",
    what="Leaves the case as it is: the reference that attacks are compared with.",
    source="The control arm of any comparison.",
    technique="",
    misleads="Without it nobody can say what an attack adds.",
    apply=lambda case, rng: case,
)
_ROOMS = (framings, formats, encodings, characters, sampling, conversations)
_ONE: Mapping[str, Attack] = {attack.name: attack for room in _ROOMS for attack in room.ATTACKS}
_FAMILIES: Mapping[str, Family] = {f.name: f for room in (formats, encodings, sampling) for f in room.FAMILIES}
_PART = re.compile(r"([^()+]+)(?:\(([0-9]{1,6})\))?")


def attack(name: str, *, where: str = "") -> Attack:
    """Find an attack, or a chain of attacks, by its name.

    where: what asked for it (a place in the plan), for the error message.
    A package that registers an `Attack` or a `Family` under the entry point `shipworthy.attacks` is asked when none of
    ours has the name. Raises Unusable: ATTACK001 nothing has this name, ATTACK002 its number or its length is out of
    bounds, ATTACK003 what is registered is no attack; or what the registry raises.
    """
    try:
        return _found(name)
    except Unusable as error:
        raise Unusable([replace(fault, where=where or fault.where) for fault in error.faults]) from error.__cause__


def names() -> list[str]:
    """Every attack there is, sorted, without `none`. Nothing of a stranger's is imported."""
    return sorted({*_ONE, *_FAMILIES, *registry.names("attacks")})


def built_in() -> Iterator[Attack]:
    """Our own attacks, those that take a number with their default."""
    yield from _ONE.values()
    yield from (family.make(family.default) for family in _FAMILIES.values())


def apply_attack(name: str, case: Case, *, seed: int) -> tuple[Case, ...]:
    """The cases that an attack makes of a case: one, or one for each draw of an attack that samples.

    They keep id, family, expectation and hazard; `attack` is the name as written, and several draws are told apart by
    `tags["draw"]`. The same seed, name and family give the same draws: twins are treated alike, and the draws of
    `best-of-n(8)` are the first of `best-of-n(16)`. `none` gives the case itself.
    Raises Unusable as `attack` does, and ATTACK003 when a stranger's attack fails or asks nothing.
    """
    found = attack(name)
    if found is NONE:
        return (case,)
    return tuple(_drawn(found, case, seed, draw) for draw in range(found.samples))


def _drawn(found: Attack, case: Case, seed: int, draw: int) -> Case:
    stem = re.sub(r"\([0-9]+\)", "", found.name)
    entropy = hashlib.sha256(ascii((seed, stem, case.family, draw)).encode()).digest()
    rng = np.random.default_rng(np.random.SeedSequence(int.from_bytes(entropy)))
    try:
        changed = found.apply(_bounded(case), rng)
    except Exception as error:  # of a stranger's code; ours take any text
        raise _no_attack(found.name, f"failed: {type(error).__name__}: {error}"[:300]) from error
    if not isinstance(changed, Case) or (case.prompt.strip() and not all(turn.strip() for turn in changed.turns)):
        raise _no_attack(found.name, "returned no case that asks something")
    return replace(
        changed,
        id=case.id,
        cluster=case.cluster,
        expect=case.expect,
        hazard=case.hazard,
        attack=found.name,
        tags={**changed.tags, "draw": str(draw)} if found.samples > 1 else changed.tags,
    )


def _bounded(case: Case) -> Case:
    if len(case.prompt) <= LONGEST_TURN:
        return case
    half = LONGEST_TURN // 2
    kept = case.prompt[:half] + case.prompt[-half:]
    return case.asked(*case.turns[:-1], kept, tags={**case.tags, "cut": str(len(case.prompt))})


@lru_cache(maxsize=1024)
def _found(name: str) -> Attack:
    parts = name.split("+")
    if len(parts) > MOST_STEPS:
        raise _out_of_bounds(f"{name[:80]!r} chains {len(parts)} attacks", f"chain at most {MOST_STEPS}")
    chain = [_single(part) for part in parts]
    return chain[0] if len(chain) == 1 else _chained(name, chain)


def _single(part: str) -> Attack:
    written = _PART.fullmatch(part)
    if written is None:
        raise _unknown(part)
    stem, number = written[1], written[2]
    found: object = NONE if stem == NONE.name else _ONE.get(stem) or _FAMILIES.get(stem)
    if found is None:
        if stem not in registry.names("attacks"):
            raise _unknown(stem)
        found = registry.load("attacks", stem)
    if isinstance(found, Family):
        value = found.default if number is None else int(number)
        if not found.least <= value <= found.most:
            raise _out_of_bounds(f"{part!r} is out of range", f"write a number from {found.least} to {found.most}")
        return replace(found.make(value), name=part)
    if not isinstance(found, Attack):
        raise _no_attack(stem, f"is a {type(found).__name__}")
    if number is not None:
        raise _out_of_bounds(f"{stem!r} takes no number", f"write {stem}")
    return replace(found, name=part) if found.name != part else found


def _chained(name: str, chain: list[Attack]) -> Attack:
    samples = math.prod(each.samples for each in chain)
    if samples > MOST_DRAWS:
        raise _out_of_bounds(f"{name[:80]!r} makes {samples} cases of one", f"stay within {MOST_DRAWS}")

    def apply(case: Case, rng: np.random.Generator) -> Case:
        for each in chain:
            case = each.apply(_bounded(case), rng)
        return case

    return Attack(
        name=name,
        title=", then ".join(each.title for each in chain),
        kind=chain[-1].kind,
        what=" Then: ".join(each.what for each in chain),
        source="; ".join(dict.fromkeys(each.source for each in chain)),
        technique="+".join(dict.fromkeys(each.technique for each in chain if each.technique)),
        misleads=" ".join(dict.fromkeys(each.misleads for each in chain)),
        apply=apply,
        samples=samples,
        random=any(each.random for each in chain),
    )


def _unknown(name: str) -> Unusable:
    close = difflib.get_close_matches(name[:80], names(), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    mend = f"{hint}there are: none, {', '.join(names())}"
    return Unusable(Fault(code="ATTACK001", what=f"no attack is called {name[:80]!r}", mend=mend))


def _out_of_bounds(what: str, mend: str) -> Unusable:
    return Unusable(Fault(code="ATTACK002", what=what, mend=mend))


def _no_attack(name: str, what: str) -> Unusable:
    mend = "tell its authors: it must be an Attack or a Family of shipworthy.cases.attacks.protocol"
    return Unusable(Fault(code="ATTACK003", what=f"what is registered as attack {name[:80]!r} {what}", mend=mend))
