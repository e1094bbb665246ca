"""Grouped passes over the rows: each collects the sufficient statistics of many metrics and slices at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipworthy.errors import DataError, Fault
from shipworthy.observations.tally import Array, Histogram, Histograms, Key, Rows, Tally, Term
from shipworthy.observations.table import EVERYONE, Axis, Observations

MOST_CELLS = 200_000  # of the joint grouping of all sliced attributes; beyond, every axis is grouped by itself
MOST_LEVELS = 20_000  # of one axis
EXACT_ROWS = 500_000  # up to here scores are kept as they are; beyond, in SCORE_BINS bins
SCORE_BINS = 8_192


def tally_cells(observations: Observations, axes: Sequence[Axis], columns: Sequence[str]) -> dict[str, Tally]:
    """Count rows by the joint values of outcome columns, e.g. ("label", "prediction"), for each axis.

    Returns axis name -> Tally whose terms are tuples of values. Binary outcomes get all cells, empty ones too.
    """
    table = observations.table
    universe: list[Term] = list(product((0, 1), repeat=len(columns))) if observations.task == "binary" else []
    if not universe:
        found = observations.backend.to_pyarrow(table.select(*columns).distinct())
        universe = sorted(zip(*(found[column].to_pylist() for column in columns), strict=True))
        if len(universe) > 2_500:
            raise _too_many(f"{' and '.join(columns)} take {len(universe)} combinations of values", observations)
    if "cluster" in observations.roles or "weight" in observations.roles:
        conditions: dict[Term, ir.Value] = {}
        for cell in universe:
            same = [table[column] == value for column, value in zip(columns, cell, strict=True)]
            conditions[cell] = ibis.and_(*same).cast("float64")
        return tally_terms(observations, axes, conditions)
    keys = [f"c{index}" for index in range(len(columns))]
    by = {key: table[column] for key, column in zip(keys, columns, strict=True)}
    index = {cell: position for position, cell in enumerate(universe)}
    tallies = {}
    for axis, counts in _by_axis(observations, axes, by, {"rows": table.count()}):
        slices, levels = _slice_codes(counts, axis, observations)
        cells = np.array(
            [index[cell] for cell in zip(*(counts[key].to_pylist() for key in keys), strict=True)], dtype=int
        )
        sums = np.zeros((len(levels), len(universe)))
        np.add.at(sums, (slices, cells), counts["rows"].to_numpy().astype(float))
        rows = sums.sum(axis=1)
        tallies[axis.name] = Tally(
            terms=tuple(universe),
            parts=axis.parts,
            keys=levels,
            rows=rows,
            sums=sums,
            raw=sums,
            second=sums[:, :, None] * np.eye(len(universe)),
            units=rows,
            largest=np.ones(len(levels)),
        ).fold(observations.fold_below)
    return tallies


def tally_terms(
    observations: Observations,
    axes: Sequence[Axis],
    terms: Mapping[Any, ir.Value],
    together: Sequence[Sequence[Any]] | None = None,
) -> dict[str, Tally]:
    """Sum row terms and their products for each axis, over rows or, where there are clusters, over clusters.

    together: which terms belong to one metric, so that only their products are needed; None: all of them do.
    """
    if "cluster" in observations.roles:
        return {axis.name: _tally_clusters(observations, axis, terms).fold(observations.fold_below) for axis in axes}
    table, names = observations.table, list(terms)
    weighted = "weight" in observations.roles
    weight = table["weight"] if weighted else None
    sums: dict[str, ir.Value] = {"rows": table.count()}
    values = [terms[name].cast("float64") for name in names]
    products = sorted(
        {
            (i, j)
            for group in together or [names]
            for i in map(names.index, group)
            for j in map(names.index, group)
            if i <= j
        }
    )
    for i, value in enumerate(values):
        sums[f"r{i}"] = value.sum()
        sums[f"s{i}"] = (value * weight).sum() if weight is not None else sums[f"r{i}"]
    for i, j in products:
        both = values[i] * values[j]
        sums[f"m{i}_{j}"] = (both * weight * weight if weight is not None else both).sum()
    tallies = {}
    for axis, found in _by_axis(observations, axes, {}, sums):
        slices, levels = _slice_codes(found, axis, observations)
        order = np.argsort(slices)
        column = {name: np.nan_to_num(found[name].to_numpy(zero_copy_only=False).astype(float))[order] for name in sums}
        second = np.zeros((len(levels), len(names), len(names)))
        for i, j in products:
            second[:, i, j] = second[:, j, i] = column[f"m{i}_{j}"]
        tallies[axis.name] = Tally(
            terms=tuple(names),
            parts=axis.parts,
            keys=levels,
            rows=column["rows"],
            sums=np.stack([column[f"s{i}"] for i in range(len(names))], axis=1),
            raw=np.stack([column[f"r{i}"] for i in range(len(names))], axis=1),
            second=second,
            units=column["rows"],
            largest=np.ones(len(levels)),
            weighted=weighted,
        ).fold(observations.fold_below)
    return tallies


def _tally_clusters(observations: Observations, axis: Axis, terms: Mapping[Any, ir.Value]) -> Tally:
    """One pass that adds up each cluster; memory grows with the number of clusters, not of rows."""
    table, names = observations.table, list(terms)
    weighted = "weight" in observations.roles
    aggregates: dict[str, ir.Value] = {"rows": table.count()}
    for i, name in enumerate(names):
        value = terms[name].cast("float64")
        aggregates[f"r{i}"] = value.sum()
        aggregates[f"s{i}"] = (value * table["weight"]).sum() if weighted else aggregates[f"r{i}"]
    per_cluster = table.group_by([*axis.columns, "cluster"]).aggregate(**aggregates)
    found = observations.backend.to_pyarrow(per_cluster)
    slices, levels = _slice_codes(found, axis, observations)
    size, count = len(levels), len(names)

    def matrix(prefix: str) -> Array:
        columns = [found[f"{prefix}{i}"].to_numpy(zero_copy_only=False).astype(float) for i in range(count)]
        return np.nan_to_num(np.stack(columns, axis=1))

    weighted_sums, raw, rows = matrix("s"), matrix("r"), found["rows"].to_numpy().astype(float)
    sums, counts, units, total = np.zeros((size, count)), np.zeros((size, count)), np.zeros(size), np.zeros(size)
    np.add.at(sums, slices, weighted_sums)
    np.add.at(counts, slices, raw)
    np.add.at(units, slices, 1.0)
    np.add.at(total, slices, rows)
    largest = np.zeros(size)
    np.maximum.at(largest, slices, rows)
    second = np.stack([weighted_sums[slices == s].T @ weighted_sums[slices == s] for s in range(size)])
    clusters = pc.dictionary_encode(found["cluster"].combine_chunks()).indices.to_numpy()
    cross = None
    if size > 1 and size * count <= 2_000 and len(np.unique(clusters)) < len(clusters):
        from scipy.sparse import csr_array

        position = slices[:, None] * count + np.arange(count)
        spread = csr_array(
            (weighted_sums.ravel(), (np.repeat(clusters, count), position.ravel())),
            shape=(int(clusters.max()) + 1, size * count),
        )
        cross = (spread.T @ spread).toarray().reshape(size, count, size, count)
    return Tally(
        terms=tuple(names),
        parts=axis.parts,
        keys=levels,
        rows=total,
        sums=sums,
        raw=counts,
        second=second,
        units=units,
        largest=largest,
        clustered=True,
        weighted=weighted,
        cross=cross,
    )


def histograms(observations: Observations, axes: Sequence[Axis], score: str) -> dict[str, Histograms]:
    """Scores by label for each axis: exact up to EXACT_ROWS rows, beyond that in SCORE_BINS bins of equal width.

    A bin's cases count as tied, which moves an AUC by less than half the share of pairs that fall into one bin.
    """
    table = observations.table.filter(observations.table[score].notnull())
    lowest, highest = observations.score_ranges[score]
    value = table[score]
    binned = False
    if observations.rows > EXACT_ROWS:
        few = observations.backend.to_pyarrow(table.aggregate(n=value.approx_nunique())).to_pylist()[0]["n"]
        binned = few > SCORE_BINS
    if binned:
        width = (highest - lowest) / SCORE_BINS
        value = ((value - lowest) / width).floor().clip(0, SCORE_BINS - 1).cast("int32")
    sums = {"n": table.count(), "positives": table["label"].sum(), "total": table[score].sum()}
    result = {}
    for axis, found in _by_axis(observations, axes, {"bin": value}, sums, table=table, most=2_000_000):
        slices, levels = _slice_codes(found, axis, observations)
        bins, n = found["bin"].to_numpy(), found["n"].to_numpy().astype(float)
        positives = found["positives"].to_numpy().astype(float)
        mean = found["total"].to_numpy() / n if binned else bins.astype(float)
        order = np.lexsort((bins, slices))
        cuts = np.searchsorted(slices[order], np.arange(1, len(levels)))
        pieces = zip(*(np.split(a[order], cuts) for a in (mean, positives, n)), strict=True)
        one = tuple(Histogram(score=m, positives=p, negatives=c - p, binned=binned) for m, p, c in pieces)
        result[axis.name] = Histograms(
            parts=axis.parts,
            keys=levels,
            rows=np.array([h.cases.sum() for h in one]),
            slices=one,
            lowest=lowest,
            highest=highest,
        ).fold(observations.fold_below)
    return result


def fetch_rows(observations: Observations, axis: Axis, columns: Sequence[str]) -> Rows:
    """Bring the named numeric columns of all rows that have them into memory, with slice and cluster codes."""
    table = observations.table.filter([observations.table[column].notnull() for column in columns])
    extra = [column for column in ("cluster", "weight") if column in observations.roles]
    found = observations.backend.to_pyarrow(table.select(*axis.columns, *dict.fromkeys([*columns, *extra])))
    slices, levels = _slice_codes(found, axis, observations)
    counts = np.bincount(slices, minlength=len(levels))
    rare = counts < observations.fold_below
    if axis.parts and rare.sum() >= 2:
        from shipworthy.observations.tally import FOLDED

        keep = np.flatnonzero(~rare)
        target = np.full(len(levels), len(keep))
        target[keep] = np.arange(len(keep))
        slices, levels = target[slices], (*(levels[i] for i in keep), (FOLDED, *([None] * (len(axis.parts) - 1))))
    unit = None
    if "cluster" in observations.roles:
        unit = pc.dictionary_encode(found["cluster"].combine_chunks()).indices.to_numpy().astype(np.int64)
    numbers = [column for column in dict.fromkeys([*columns, *extra]) if column != "cluster"]
    return Rows(
        parts=axis.parts,
        keys=levels,
        slice=slices,
        columns={c: found[c].to_numpy(zero_copy_only=False) for c in numbers},
        unit=unit,
    )


def _by_axis(
    observations: Observations,
    axes: Sequence[Axis],
    by: Mapping[str, ir.Value],
    sums: Mapping[str, ir.Value],
    *,
    table: ir.Table | None = None,
    most: int = MOST_CELLS,
) -> list[tuple[Axis, pa.Table]]:
    """Group once by all sliced attributes together and add up per axis; group per axis where that would be too many cells."""
    table = observations.table if table is None else table
    everything = list(dict.fromkeys(column for axis in axes for column in axis.columns))
    to_arrow = observations.backend.to_pyarrow

    def grouped(columns: Sequence[str]) -> ir.Table:
        keys = {column: table[column] for column in columns} | dict(by)
        return table.group_by(**keys).aggregate(**sums) if keys else table.aggregate(**sums)

    joint = to_arrow(grouped(everything).limit(most + 1)) if len(everything) else to_arrow(grouped(()))
    if joint.num_rows > most:
        return [(axis, to_arrow(grouped(axis.columns))) for axis in axes]
    return [(axis, _marginal(joint, [*axis.columns, *by], list(sums), everything)) for axis in axes]


def _marginal(joint: pa.Table, keys: list[str], sums: list[str], everything: list[str]) -> pa.Table:
    if set(everything) <= set(keys):
        return joint
    if not keys:
        return pa.table({name: [pc.sum(joint[name]).as_py() or 0] for name in sums})
    added = joint.group_by(keys).aggregate([(name, "sum") for name in sums])
    return added.rename_columns(
        [name.removesuffix("_sum") if name not in keys else name for name in added.column_names]
    )


def _slice_codes(
    found: pa.Table, axis: Axis, observations: Observations
) -> tuple[np.ndarray[Any, Any], tuple[Key, ...]]:
    """Index of each result row's slice, and the slices in a stable order: by value, missing last."""
    if not axis.parts:
        return np.zeros(found.num_rows, dtype=int), ((),)
    columns = [pc.dictionary_encode(found[column].combine_chunks(), null_encoding="encode") for column in axis.columns]
    columns = [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in columns]
    codes = np.zeros(found.num_rows, dtype=np.int64)
    for column in columns:
        codes = codes * len(column.dictionary) + column.indices.to_numpy(zero_copy_only=False)
    seen, inverse = np.unique(codes, return_inverse=True)
    if len(seen) > MOST_LEVELS:
        raise _too_many(f"the slice {axis.name!r} has {len(seen)} levels", observations)
    levels: list[Key] = []
    for code in seen:
        key, rest = [], int(code)
        for column in reversed(columns):
            rest, position = divmod(rest, len(column.dictionary))
            key.append(column.dictionary[position].as_py())
        levels.append(tuple(reversed(key)))
    order = sorted(
        range(len(levels)),
        key=lambda i: [(v is None, isinstance(v, str), v if v is not None else 0) for v in levels[i]],
    )
    rank = np.empty(len(levels), dtype=int)
    rank[order] = np.arange(len(levels))
    return rank[inverse], tuple(levels[i] for i in order)


def _too_many(what: str, observations: Observations) -> DataError:
    return DataError(
        Fault(
            code="DATA015",
            what=f"{what}; more than {MOST_LEVELS:,} cannot be told apart by any sample",
            where=f"evaluations.{observations.evaluation}.slices",
            mend="cut a number into bins ({name: {column: ..., edges: [...]}}), or drop the slice: it may be an identifier",
        )
    )


__all__ = ["EVERYONE", "fetch_rows", "histograms", "tally_cells", "tally_terms"]
