"""Sufficient statistics: what is kept of the rows, and all that inference ever sees."""

from __future__ import annotations

from collections.abc import Sequence
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
    `sums` adds up t_u and `second` adds up the outer products t_u t_u', so any smooth function of the sums has a linearised
    variance that honours clusters and weights, whatever the number of rows.
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

    def fold(self, fewest: int) -> Tally:
        """Merge the levels with fewer than `fewest` rows into one, when there are two or more of them."""
        rare = self.rows < fewest
        if len(self.parts) == 0 or rare.sum() < 2:
            return self
        keep = np.flatnonzero(~rare)
        target = np.empty(len(self.keys), dtype=int)
        target[keep] = np.arange(len(keep))
        target[rare] = len(keep)
        size = len(keep) + 1

        def merged(values: Array) -> Array:
            out = np.zeros((size, *values.shape[1:]))
            np.add.at(out, target, values)
            return out

        largest = np.zeros(size)
        np.maximum.at(largest, target, self.largest)
        cross = None
        if self.cross is not None:
            cross = merged(self.cross)
            cross = np.moveaxis(merged(np.moveaxis(cross, 2, 0)), 0, 2)
        second = merged(self.second)
        if cross is not None:
            second[-1] = cross[-1, :, -1, :]
        return replace(
            self,
            keys=(*(self.keys[index] for index in keep), (FOLDED, *([None] * (len(self.parts) - 1)))),
            rows=merged(self.rows),
            sums=merged(self.sums),
            raw=merged(self.raw),
            second=second,
            units=merged(self.units),
            largest=largest,
            cross=cross,
            folded=int(rare.sum()),
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

    def fold(self, fewest: int) -> Histograms:
        """Merge the levels with fewer than `fewest` rows into one, when there are two or more of them."""
        rare = self.rows < fewest
        if len(self.parts) == 0 or rare.sum() < 2:
            return self
        together = [one for one, is_rare in zip(self.slices, rare, strict=True) if is_rare]
        score = np.concatenate([one.score for one in together])
        order, where = np.unique(score, return_inverse=True)
        positives = np.bincount(where, np.concatenate([one.positives for one in together]), len(order))
        negatives = np.bincount(where, np.concatenate([one.negatives for one in together]), len(order))
        merged = Histogram(score=order, positives=positives, negatives=negatives, binned=together[0].binned)
        kept = [
            (key, rows, one) for key, rows, one, r in zip(self.keys, self.rows, self.slices, rare, strict=True) if not r
        ]
        return replace(
            self,
            keys=(*(key for key, _, _ in kept), (FOLDED, *([None] * (len(self.parts) - 1)))),
            rows=np.array([*(rows for _, rows, _ in kept), self.rows[rare].sum()]),
            slices=(*(one for _, _, one in kept), merged),
            folded=int(rare.sum()),
        )


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Row arrays of one axis, for the few statistics that no sum replaces."""

    parts: tuple[str, ...]
    keys: tuple[Key, ...]
    slice: NDArray[np.int64]  # (n,) index into keys
    columns: dict[str, NDArray[np.float64]]  # (n,) each
    unit: NDArray[np.int64] | None  # (n,) cluster of each row; None: rows are independent
