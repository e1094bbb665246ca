"""Grouped passes over the rows: each collects the sufficient statistics of many metrics and slices at once."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shipworthy.errors import DataError, Fault
from shipworthy.observations.table import EVERYONE, MOST_CELLS, Axis, Observations
from shipworthy.observations.tally import FOLDED, Array, Histogram, Histograms, Key, Level, Rows, Tally, Term
from shipworthy.observations.truth import as_number

MOST_LEVELS = 20_000  # of one axis
EXACT_ROWS = 500_000  # up to here scores are kept as they are; beyond, in SCORE_BINS bins
SCORE_BINS = 2_048
CHANCE_TIES = 50  # tied pairs of one slice that are put down to chance
MOST_TIED = 0.005  # share of pairs in one bin: with scores spread evenly it is 1 / SCORE_BINS, a tenth of this
MOST_CROSSED = (
    2_000  # slices times terms, up to which moments between slices are kept; beyond, slices count as independent
)


def tally_cells(observations: Observations, axes: Sequence[Axis], columns: Sequence[str]) -> dict[str, Tally]:
    """Count rows by the joint values of outcome columns, e.g. ("label", "prediction"), for each axis.

    Returns axis name -> Tally whose terms are tuples of values, None for one that is missing. Binary outcomes get all
    cells, empty ones too.
    """
    table = observations.table
    universe: list[Term] = []
    if observations.task == "binary":
        values = [(0, 1, None) if observations.missing.get(column) else (0, 1) for column in columns]
        universe = list(product(*values))
    else:
        found = observations.backend.to_pyarrow(table.select(*columns).distinct())
        seen: list[Key] = list(zip(*(found[column].to_pylist() for column in columns), strict=True))
        universe = [*sorted(seen, key=_rank)]
        if len(universe) > 2_500:
            raise _too_many(f"{' and '.join(columns)} take {len(universe)} combinations of values", 2_500)
    if "cluster" in observations.roles or "weight" in observations.roles:
        conditions: dict[Term, ir.Value] = {}
        for cell in universe:
            same = [
                table[column].isnull() if value is None else table[column] == value
                for column, value in zip(columns, cell, strict=True)
            ]
            conditions[cell] = as_number(ibis.and_(*same))
        return tally_terms(observations, axes, conditions)
    keys = [f"c{index}" for index in range(len(columns))]
    by = {key: table[column] for key, column in zip(keys, columns, strict=True)}
    index = {cell: position for position, cell in enumerate(universe)}
    tallies = {}
    counted = _counted(observations, axes, columns, keys) or _by_axis(observations, axes, by, {"rows": table.count()})
    for axis, counts in counted:
        slices, levels, folded = _slice_codes(counts, axis, observations, counts["rows"].to_numpy())
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
            folded=folded,
        )
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
        return {axis.name: _tally_clusters(observations, axis, terms) for axis in axes}
    table, names = _with_values(observations.table, terms), list(terms)
    weighted = "weight" in observations.roles
    weight = table["weight"] if weighted else None
    sums: dict[str, ir.Value] = {"rows": table.count()}
    values = [table[f"term {i}"] for i in range(len(names))]
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
    for axis, found in _by_axis(observations, axes, {}, sums, table=table):
        slices, levels, folded = _slice_codes(found, axis, observations, found["rows"].to_numpy())
        column = {name: _added(_numbers(found, name), slices, len(levels)) for name in sums}
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
            folded=folded,
        )
    return tallies


def _with_values(table: ir.Table, terms: Mapping[Any, ir.Value]) -> ir.Table:
    """The table with each term as a column: a term may be a window function, which no sum can hold."""
    return table.mutate(**{f"term {i}": as_number(value) for i, value in enumerate(terms.values())})


def _tally_clusters(observations: Observations, axis: Axis, terms: Mapping[Any, ir.Value]) -> Tally:
    """One pass that adds up each cluster; memory grows with the number of clusters, not of rows."""
    table, names = _with_values(observations.table, terms), list(terms)
    weighted = "weight" in observations.roles
    aggregates: dict[str, ir.Value] = {"rows": table.count()}
    for i in range(len(names)):
        value = table[f"term {i}"]
        aggregates[f"r{i}"] = value.sum()
        aggregates[f"s{i}"] = (value * table["weight"]).sum() if weighted else aggregates[f"r{i}"]
    per_cluster = table.group_by([*axis.columns, "cluster"]).aggregate(**aggregates)
    found = observations.backend.to_pyarrow(per_cluster)
    slices, levels, folded = _slice_codes(found, axis, observations, found["rows"].to_numpy())
    _, clusters = np.unique(_codes(found["cluster"]), return_inverse=True)
    pairs, unit = np.unique(slices * (clusters.max() + 1) + clusters, return_inverse=True)
    slices, clusters = np.divmod(pairs, clusters.max() + 1)
    size, count = len(levels), len(names)

    def matrix(prefix: str) -> Array:
        return np.stack([_added(_numbers(found, f"{prefix}{i}"), unit, len(pairs)) for i in range(count)], axis=1)

    weighted_sums, rows = matrix("s"), _added(_numbers(found, "rows"), unit, len(pairs))
    largest = np.zeros(size)
    np.maximum.at(largest, slices, rows)
    cross = None
    if size > 1 and size * count <= MOST_CROSSED and len(np.unique(clusters)) < len(clusters):
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
        rows=_added(rows, slices, size),
        sums=_added(weighted_sums, slices, size),
        raw=_added(matrix("r"), slices, size),
        second=np.stack([weighted_sums[slices == s].T @ weighted_sums[slices == s] for s in range(size)]),
        units=np.bincount(slices, minlength=size).astype(float),
        largest=largest,
        clustered=True,
        weighted=weighted,
        cross=cross,
        folded=folded,
    )


def _numbers(found: pa.Table, column: str) -> Array:
    """A column as floats; a sum over nothing is zero."""
    return np.asarray(
        np.nan_to_num(found[column].to_numpy(zero_copy_only=False).astype(float)),
        dtype=float,
    )


def _added(values: Array, where: NDArray[np.int64], size: int) -> Array:
    """Values added up by position."""
    out = np.zeros((size, *values.shape[1:]))
    np.add.at(out, where, values)
    return out


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """A number for every distinct value, missing ones included."""
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def histograms(observations: Observations, axes: Sequence[Axis], score: str) -> dict[str, Histograms]:
    """Scores by label for each axis: exact up to EXACT_ROWS rows, beyond that in SCORE_BINS bins of equal width.

    A bin's cases count as tied, which moves an AUC by about 1e-7 for scores spread over their range. Where scores crowd
    into few bins (tiny probabilities, one outlier that stretches the range) they are counted exactly after all, at the
    price of holding every distinct score in memory. Scores of few values, such as deciles, lose nothing.
    """
    found = _histograms(observations, axes, score, binned=observations.rows > EXACT_ROWS)
    if any(_is_crowded(one) for histogram in found.values() for one in histogram.slices):
        return _histograms(observations, axes, score, binned=False)
    return found


def _is_crowded(histogram: Histogram) -> bool:
    """Whether so many pairs of a positive and a negative share a bin that the order inside bins could matter.

    In a small slice a pair or two share one by chance, which is no reason to read every score of every slice.
    """
    pairs = histogram.positives.sum() * histogram.negatives.sum()
    tied = histogram.positives @ histogram.negatives
    return bool(histogram.binned and tied > max(MOST_TIED * pairs, CHANCE_TIES))


def _histograms(observations: Observations, axes: Sequence[Axis], score: str, *, binned: bool) -> dict[str, Histograms]:
    table = observations.table
    lowest, highest = observations.score_ranges[score]
    value = table[score]
    binned = binned and highest > lowest
    if binned:
        width = (highest - lowest) / SCORE_BINS
        value = ((value - lowest) / width).floor().clip(0, SCORE_BINS - 1).cast("int32")
    sums = {"n": table.count(), "positives": table["label"].sum(), "total": table[score].sum()}
    result = {}
    for axis, counted in _by_axis(observations, axes, {"bin": value}, sums, table=table, most=2_000_000):
        slices, levels, folded = _slice_codes(counted, axis, observations, _numbers(counted, "n"))
        found, slices = _with(counted, ["bin"], slices)
        n = _numbers(found, "n")
        values, where = np.unique(found["bin"].to_numpy(), return_inverse=True)
        pairs, unit = np.unique(slices * len(values) + where, return_inverse=True)
        n, positives = _added(n, unit, len(pairs)), _added(_numbers(found, "positives"), unit, len(pairs))
        slices, where = np.divmod(pairs, len(values))
        mean = _added(_numbers(found, "total"), unit, len(pairs)) / n if binned else values[where].astype(float)
        cuts = np.searchsorted(slices, np.arange(1, len(levels)))
        pieces = zip(*(np.split(a, cuts) for a in (mean, positives, n)), strict=True)
        one = tuple(Histogram(score=m, positives=p, negatives=c - p, binned=binned) for m, p, c in pieces)
        result[axis.name] = Histograms(
            parts=axis.parts,
            keys=levels,
            rows=np.array([h.cases.sum() for h in one]),
            slices=one,
            lowest=lowest,
            highest=highest,
            folded=folded,
        )
    return result


def fetch_rows(observations: Observations, axis: Axis, columns: Sequence[str]) -> Rows:
    """Bring the named columns of all rows that have them into memory, with slice and cluster codes. All are numbers but
    `query`, which comes as a number for each list. The slices are those of all rows.
    """
    table = observations.table
    extra = [column for column in ("cluster", "weight") if column in observations.roles]
    found = observations.backend.to_pyarrow(table.select(*axis.columns, *dict.fromkeys([*columns, *extra])))
    slices, levels, _ = _slice_codes(found, axis, observations, np.ones(found.num_rows))
    found, slices = _with(found, columns, slices)
    unit = _codes(found["cluster"]) if "cluster" in observations.roles else None
    numbers = [column for column in dict.fromkeys([*columns, *extra]) if column != "cluster"]
    return Rows(
        parts=axis.parts,
        keys=levels,
        slice=slices,
        columns={
            c: _codes(found[c]).astype(float) if c == "query" else found[c].to_numpy(zero_copy_only=False)
            for c in numbers
        },
        unit=unit,
    )


def _with(found: pa.Table, columns: Sequence[str], slices: NDArray[np.int64]) -> tuple[pa.Table, NDArray[np.int64]]:
    """The result rows that have all of these columns, and their slices."""
    if not any(found[column].null_count for column in columns):
        return found, slices
    complete = functools.reduce(pc.and_, (found[column].is_valid() for column in columns))
    return found.filter(complete), slices[complete.to_numpy()]


def _by_axis(
    observations: Observations,
    axes: Sequence[Axis],
    by: Mapping[str, ir.Value],
    sums: Mapping[str, ir.Value],
    *,
    table: ir.Table | None = None,
    most: int = MOST_CELLS,
) -> list[tuple[Axis, pa.Table]]:
    """Group once by all sliced attributes together and add up per axis; group per axis where that would be too many
    cells.
    """
    table = observations.table if table is None else table
    everything = list(dict.fromkeys(column for axis in axes for column in axis.columns))
    to_arrow = observations.backend.to_pyarrow

    def grouped(columns: Sequence[str]) -> ir.Table:
        keys = {column: table[column] for column in columns} | dict(by)
        return table.group_by(**keys).aggregate(**sums) if keys else table.aggregate(**sums)

    joint = to_arrow(grouped(everything).limit(most + 1)) if everything else to_arrow(grouped(()))
    if joint.num_rows > most:
        return [(axis, to_arrow(grouped(axis.columns))) for axis in axes]
    return [(axis, _marginal(joint, [*axis.columns, *by], list(sums), everything)) for axis in axes]


def _counted(
    observations: Observations, axes: Sequence[Axis], columns: Sequence[str], names: Sequence[str]
) -> list[tuple[Axis, pa.Table]] | None:
    """The counts of each axis from the cells that were counted when the rows were prepared; None without them."""
    cells = observations.cells
    needed = {*columns, *(column for axis in axes for column in axis.columns)}
    if cells is None or not needed <= set(cells.column_names):
        return None
    found = []
    for axis in axes:
        kept = [*axis.columns, *columns]
        added = cells.group_by(kept).aggregate([("rows", "sum")]).select([*kept, "rows_sum"])
        found.append((axis, added.rename_columns([*axis.columns, *names, "rows"])))
    return found


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
    found: pa.Table, axis: Axis, observations: Observations, rows: NDArray[Any]
) -> tuple[NDArray[np.int64], tuple[Key, ...], int]:
    """Index of each result row's slice, the slices in a stable order (by value, missing last), and how many were
    folded.

    rows: how many rows each result row stands for. Two or more levels with fewer rows than the plan's `fold_below`
    become one.
    """
    if not axis.parts:
        return np.zeros(found.num_rows, dtype=np.int64), ((),), 0
    codes = np.zeros(found.num_rows, dtype=np.int64)
    columns = []
    for name in axis.columns:
        encoded = pc.dictionary_encode(found[name].combine_chunks(), null_encoding="encode")
        columns.append(encoded.dictionary.to_pylist())
        codes = codes * max(len(columns[-1]), 1) + encoded.indices.to_numpy(zero_copy_only=False)
    seen, where = np.unique(codes, return_inverse=True)
    if len(seen) > MOST_LEVELS:
        raise _too_many(f"the slice {axis.name!r} has {len(seen)} levels")
    levels = [_key(int(code), columns) for code in seen]
    order = sorted(range(len(levels)), key=lambda index: _rank(levels[index]))
    rare = np.bincount(where, rows, len(seen))[order] < observations.fold_below
    target = np.arange(len(seen))
    if rare.sum() >= 2:
        target = np.where(rare, (~rare).sum(), np.cumsum(~rare) - 1)
        kept = [levels[index] for index, is_rare in zip(order, rare, strict=True) if not is_rare]
        keys: tuple[Key, ...] = (*kept, (FOLDED, *([None] * (len(axis.parts) - 1))))
    else:
        keys = tuple(levels[index] for index in order)
    place = np.empty(len(seen), dtype=np.int64)
    place[order] = target
    return place[where], keys, int(rare.sum()) if rare.sum() >= 2 else 0


def rare_levels(observations: Observations, axis: Axis) -> int:
    """How many levels of an axis have fewer rows than the plan's `fold_below`."""
    counted = observations.table.group_by(list(axis.columns)).aggregate(rows=lambda table: table.count())
    rare = counted.filter(counted["rows"] < observations.fold_below).count()
    return int(observations.backend.to_pyarrow(rare).as_py())


def _key(code: int, columns: Sequence[list[Level]]) -> Key:
    """The levels that a mixed-radix code stands for."""
    key: list[Level] = []
    for levels in reversed(columns):
        code, position = divmod(code, len(levels))
        key.append(levels[position])
    return tuple(reversed(key))


def _rank(key: Key) -> list[tuple[bool, bool, Any]]:
    """Numbers before text before what is missing."""
    return [(value is None, isinstance(value, str), 0 if value is None else value) for value in key]


def _too_many(what: str, most: int = MOST_LEVELS) -> DataError:
    """Where the plan says so is added by whoever knows the plan."""
    return DataError(
        Fault(
            code="DATA015",
            what=f"{what}; more than {most:,} cannot be told apart by any sample",
            mend="cut a number into bins ({name: {column: ..., edges: [...]}}), or drop what may be an identifier",
        )
    )


__all__ = ["EVERYONE", "fetch_rows", "histograms", "tally_cells", "tally_terms"]
