"""What an attack is: a named, seeded transformation of a case, with what an auditor asks about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from shipworthy.exchange import Case

Step: TypeAlias = Callable[[Case, np.random.Generator], Case]
Kind: TypeAlias = Literal["framing", "format", "encoding", "characters", "sampling", "conversation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A transformation of a case and its page.

    `apply` changes what is asked (`turns`, `before`, `passages`) and takes chance from its generator alone. It must
    take any text, return no blank turn, and never look at `expect` or `hazard`: a benign twin is wrapped as its harmful
    one.
    """

    name: str  # kebab-case
    title: str
    kind: Kind
    what: str  # what it does, in one sentence
    source: str  # who described it
    technique: str  # MITRE ATLAS id, e.g. AML.T0054; several of a chain are joined by +
    misleads: str  # when a result of it misleads
    apply: Step
    samples: int = 1  # independent draws that one case becomes; more than 1: every draw is asked
    random: bool = False  # another seed gives another text


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Attacks that differ by one whole number: `many-shot(32)`."""

    default: int  # the number of the bare name
    least: int
    most: int
    make: Callable[[int], Attack]  # its name is the bare one

    @property
    def name(self) -> str:
        """The name without the number."""
        return self.make(self.default).name


def on_text(change: Callable[[str], str]) -> Step:
    """Change the words of the last turn."""
    return lambda case, rng: case.asked(*case.turns[:-1], change(case.prompt))


def on_text_by_chance(change: Callable[[str, np.random.Generator], str]) -> Step:
    """Change the words of the last turn, by chance."""
    return lambda case, rng: case.asked(*case.turns[:-1], change(case.prompt, rng))
