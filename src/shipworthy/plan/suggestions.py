"""Did you mean: the nearest known name for one that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from shipworthy.plan.tree import shown


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """How to mend a name that is not known: the nearest known one, and all of them while they are few."""
    names = sorted(set(known))
    if not names:
        return "nothing is declared to name"
    folded = {name.casefold().replace("-", "_"): name for name in names}
    near = get_close_matches(word.casefold().replace("-", "_"), folded, n=1, cutoff=0.6)
    listed = ", ".join(map(shown, names[:12])) + (", ..." if len(names) > 12 else "")
    return f"did you mean {shown(folded[near[0]])}? known: {listed}" if near else f"known: {listed}"
