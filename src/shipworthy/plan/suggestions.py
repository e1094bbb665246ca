"""Did you mean: the nearest known name for one that is not known."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from shipworthy.plan.tree import shown

LONGEST_WORD = 80  # characters of a name that are compared; nobody mistypes a longer one
MOST_COMPARED = 1_000  # known names that are compared with one that is not


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """How to mend a name that is not known: the nearest known one, and all of them while they are few."""
    return _mend(word[:LONGEST_WORD], known if isinstance(known, frozenset) else frozenset(known))


@functools.lru_cache(maxsize=1_000)
def _mend(word: str, known: frozenset[str]) -> str:
    folded, listed = _listed(known)
    if not folded:
        return "nothing is declared to name"
    near = get_close_matches(word.casefold().replace("-", "_"), folded, n=1, cutoff=0.6)
    return f"did you mean {shown(folded[near[0]])}? known: {listed}" if near else f"known: {listed}"


@functools.lru_cache(maxsize=32)
def _listed(known: frozenset[str]) -> tuple[Mapping[str, str], str]:
    """Known names by how they are compared, and the first of them as a list."""
    names = sorted(known)
    folded = {name[:LONGEST_WORD].casefold().replace("-", "_"): name for name in names[:MOST_COMPARED]}
    return folded, ", ".join(map(shown, names[:12])) + (", ..." if len(names) > 12 else "")
