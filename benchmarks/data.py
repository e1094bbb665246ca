"""Seeded synthetic decisions, written once per size and kept under benchmarks/out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

OUT = Path(__file__).parent / "out"
RACES = ("Asian", "Black", "Hispanic", "Other", "White")
CHUNK = 1_000_000


def decisions(rows: int, groups: int = 10) -> Path:
    """A Parquet file of `rows` decisions in `groups` cells of race x sex (10), or of `groups` units (more)."""
    path = OUT / f"decisions-{rows}-{groups}.parquet"
    if path.is_file():
        return path
    OUT.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    writer = None
    for number, start in enumerate(range(0, rows, CHUNK)):
        table = _chunk(min(CHUNK, rows - start), groups, np.random.default_rng([7, number]))
        writer = writer or pq.ParquetWriter(part, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()
    part.rename(path)
    return path


def _chunk(rows: int, groups: int, rng: np.random.Generator) -> pa.Table:
    race = rng.choice(len(RACES), rows, p=[0.07, 0.25, 0.15, 0.03, 0.5])
    sex = rng.integers(0, 2, rows)
    score = rng.beta(2, 2, rows)
    label = (rng.random(rows) < score).astype(np.int64)
    prediction = (score + 0.05 * (race == 1) > 0.5).astype(np.int64)
    columns = {
        "race": pa.DictionaryArray.from_arrays(race.astype(np.int32), list(RACES)).cast(pa.string()),
        "sex": pa.DictionaryArray.from_arrays(sex.astype(np.int32), ["Female", "Male"]).cast(pa.string()),
        "label": label,
        "prediction": prediction,
        "score": score,
    }
    if groups != 10:
        unit = rng.integers(0, groups, rows).astype(np.int32)
        columns["unit"] = pa.DictionaryArray.from_arrays(unit, [f"unit-{i:05d}" for i in range(groups)]).cast(
            pa.string()
        )
    return pa.table(columns)
