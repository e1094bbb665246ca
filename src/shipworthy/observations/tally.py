"""Sufficient statistics: what is kept of the rows, and all that inference ever sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Level: TypeAlias = str | int | float | bool | None
Key: TypeAlias = tuple[Level, ...]
Array: TypeAlias = NDArray[np.float64]
Term: TypeAlias = str | tuple[Level, ...]  # a named row expression, or a cell such as (label, prediction)

FOLDED = "(rare levels)"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Sums of row terms by slice, with their second moments over independently sampled units.

    With S slices and T terms: for unit u (a row, or a cluster of rows) let t_u be the vector of its weighted term sums.
    `sums` adds up t_u and `second` adds up the outer products t_u t_u', so any smooth function of the sums has a
    linearised variance that honours clusters and weights, whatever the number of rows.
    """

    terms: tuple[Term, ...]
    parts: tuple[str, ...]  # names of the attributes that a key holds levels of; empty for everyone
    keys: tuple[Key, ...]  # S
    rows: Array  # (S,) rows behind each slice
    sums: Array  # (S, T) weighted
    raw: Array  # (S, T) unweighted
    second: Array  # (S, T, T)
    units: Array  # (S,) independently sampled units
    largest: Array  # (S,) rows of the largest unit
    clustered: bool = False
    weighted: bool = False
    cross: Array | None = None  # (S, T, S, T) second moments across slices, where a unit lies in several
    folded: int = 0  # how many rare levels the slice FOLDED stands for

    @property
    def is_simple(self) -> bool:
        """Rows are independent and count alike, so that counts are binomial."""
        return not (self.clustered or self.weighted)

    def select(self, terms: Sequence[Term]) -> Tally:
        """The same slices with some of the terms."""
        chosen = [self.terms.index(term) for term in terms]
        return replace(
            self,
            terms=tuple(terms),
            sums=self.sums[:, chosen],
            raw=self.raw[:, chosen],
            second=self.second[:, chosen][:, :, chosen],
            cross=None if self.cross is None else self.cross[:, chosen][:, :, :, chosen],
        )

    def merged(self, become: Mapping[Term, Term | None]) -> Tally:
        """The same slices with terms added up under other names; terms that become None are left out."""
        names = list(dict.fromkeys(name for name in become.values() if name is not None))
        places = np.array([[become.get(term) == name for name in names] for term in self.terms], dtype=float)
        return replace(
            self,
            terms=tuple(names),
            sums=self.sums @ places,
            raw=self.raw @ places,
            second=places.T @ self.second @ places,
            cross=None if self.cross is None else np.einsum("stru,tv,uw->svrw", self.cross, places, places),
        )


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Scores of one slice by outcome: counts per distinct score, or per narrow bin of scores, in ascending order."""

    score: Array  # (B,) mean score in the bin
    positives: Array  # (B,)
    negatives: Array  # (B,)
    binned: bool  # True: bins hold more than one distinct score

    @property
    def cases(self) -> Array:
        """Cases per bin."""
        return self.positives + self.negatives


@dataclass(frozen=True, kw_only=True)
class Histograms:
    """One histogram for each slice of an axis."""

    parts: tuple[str, ...]
    keys: tuple[Key, ...]
    rows: Array
    slices: tuple[Histogram, ...]
    lowest: float
    highest: float
    folded: int = 0


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Row arrays of one axis, for the few statistics that no sum replaces."""

    parts: tuple[str, ...]
    keys: tuple[Key, ...]
    slice: NDArray[np.int64]  # (n,) index into keys
    columns: dict[str, NDArray[np.float64]]  # (n,) each
    unit: NDArray[np.int64] | None  # (n,) cluster of each row; None: rows are independent
