"""Rows of a file: CSV, TSV, JSON, JSON Lines, Parquet, Arrow, or a folder saved by Hugging Face `datasets`.

A row is a mapping of column to value, and the place where it stands. Rows are read one after the other; only a JSON
file is held whole, because its syntax leaves no choice.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from shipworthy.errors import DataError, Fault

Row: TypeAlias = tuple[Mapping[str, Any], str]  # column -> value, and where it stands
LONGEST_VALUE = 100_000_000  # characters of a CSV value or a line of JSON Lines: 10 MB of text, each letter escaped
LARGEST_JSON = 1_000_000_000  # bytes of a JSON file, which is read whole
BATCH = 256  # rows of Parquet and Arrow that are held at a time
LOOKED_AT = 1_000  # objects of a JSON file whose keys are its columns: each may leave some out


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A file or folder of rows. `columns` are those of its header, its schema or its first 1,000 objects."""

    files: tuple[Path, ...]
    columns: tuple[str, ...]
    read: Callable[[], Iterator[Row]]  # a fresh pass over all rows; raises DataError where a row cannot be read


def open_table(path: Path, *, split: str | None = None) -> Table:
    """The rows of a file or folder, by its ending or by what a folder holds.

    split: which part of a saved `DatasetDict`; needed where there are several.
    Raises DataError (CASE010 not there or not readable as what it is, CASE014 no such split, CASE016 no rows).
    """
    if path.is_dir():
        return _of_folder(path, split)
    if split is not None:
        raise _option(
            path, f"the option split is {split[:40]!r}, but this is one file", "name the folder, or leave it out"
        )
    ending = path.suffix.lower()
    if ending not in _ONE_FILE:
        raise unreadable(path, f"files ending in {ending or 'nothing'} are not known", f"use {', '.join(_ONE_FILE)}")
    return _table((path,), _ONE_FILE[ending])


def unreadable(path: Path | str, what: str, mend: str) -> DataError:
    """The error of a file that cannot be read as what it says it is (CASE010)."""
    return DataError(Fault(code="CASE010", what=f"the cases cannot be read: {what}", where=str(path), mend=mend))


def _option(path: Path, what: str, mend: str) -> DataError:
    return DataError(Fault(code="CASE014", what=what, where=str(path), mend=mend))


def _table(files: tuple[Path, ...], read_one: Callable[[Path], Iterator[Row]]) -> Table:
    def read() -> Iterator[Row]:
        for file in files:
            yield from read_one(file)

    free = files[0].suffix.lower() in (".json", ".jsonl", ".ndjson")
    columns = dict.fromkeys(column for row, _ in islice(read(), LOOKED_AT if free else 1) for column in row)
    if not columns:
        raise DataError(
            Fault(code="CASE016", what="there are no rows", where=str(files[0]), mend="name a file that holds cases")
        )
    return Table(files=files, columns=tuple(map(str, columns)), read=read)


def _separated(delimiter: str) -> Callable[[Path], Iterator[Row]]:
    def read(path: Path) -> Iterator[Row]:
        # The limit is the process's, and its default of 131,072 characters is less than one long document.
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_VALUE))
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                rows = csv.reader(lines, delimiter=delimiter, strict=True)
                header = [name.strip() for name in next(rows, [])]
                twice = {name for name in header if header.count(name) > 1}
                if twice:
                    raise unreadable(
                        path, f"the column {min(twice)[:60]!r} comes twice", "give each column its own name"
                    )
                for values in rows:
                    if not values:
                        continue
                    where = f"{path}:{rows.line_num}"
                    if len(values) != len(header):
                        raise unreadable(
                            where,
                            f"the row has {len(values)} values for {len(header)} columns",
                            "quote values that hold the separator, a quote or a line break",
                        )
                    yield dict(zip(header, values, strict=True)), where
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise unreadable(path, str(error)[:200], "name a file in UTF-8 with a header line") from error

    return read


def _json_lines(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                where = f"{path}:{number}"
                if len(line) > LONGEST_VALUE:
                    raise unreadable(where, "the line is too long", f"keep a line under {LONGEST_VALUE:,} characters")
                yield _object(_parsed(line, where), where), where
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, str(error)[:200], "name a JSON Lines file in UTF-8") from error


def _json(path: Path) -> Iterator[Row]:
    """A list of objects, or an object in which exactly one value is such a list (`behaviors`, `data`, ...)."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise unreadable(path, "the JSON file is too large to be read whole", "write it as JSON Lines")
        whole = _parsed(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, str(error)[:200], "name a JSON file in UTF-8") from error
    name = ""
    if isinstance(whole, Mapping):
        lists = [key for key, value in whole.items() if isinstance(value, list)]
        if len(lists) != 1:
            raise unreadable(path, f"it holds {len(lists)} lists, not one", "write one list of objects")
        name, whole = lists[0], whole[lists[0]]
    if not isinstance(whole, list):
        raise unreadable(path, "it is no list of objects", "write one list of objects")
    for number, value in enumerate(whole):
        where = f"{path} {name[:60]}[{number}]"
        yield _object(value, where), where


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unreadable(where, f"not JSON: {str(error)[:200]}", "mend the file") from error


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise unreadable(where, "it is not an object", 'write objects: {"column": "value"}')
    return value


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield from _batches(path, file.iter_batches(batch_size=BATCH))
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, str(error)[:200], "name a Parquet file") from error


def _arrow(path: Path) -> Iterator[Row]:
    """An Arrow stream, as `Dataset.save_to_disk` writes it, or an Arrow file."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            try:
                with pa.ipc.open_stream(source) as stream:
                    yield from _batches(path, iter(stream))
                return
            except pa.ArrowInvalid:
                source.seek(0)
            with pa.ipc.open_file(source) as file:
                yield from _batches(path, (file.get_batch(i) for i in range(file.num_record_batches)))
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, str(error)[:200], "name an Arrow file or stream") from error


def _batches(path: Path, batches: Iterator[Any]) -> Iterator[Row]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH):
            for row in batch.slice(start, BATCH).to_pylist():
                number += 1
                yield row, f"{path} row {number}"


_ONE_FILE: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
    ".arrow": _arrow,
}


def _of_folder(folder: Path, split: str | None) -> Table:
    """A saved `DatasetDict` (dataset_dict.json), a saved `Dataset` (state.json), or a folder of Parquet files."""
    if (folder / "dataset_dict.json").is_file():
        splits = _names(folder / "dataset_dict.json", lambda said: said["splits"])
        if split is None and len(splits) == 1:
            split = splits[0]
        if split not in splits:
            said = "no split is named" if split is None else f"there is no split {split[:40]!r}"
            raise _option(folder, said, f"give split: one of {', '.join(splits)[:200]}")
        return _of_folder(folder / split, None)
    if split is not None:
        raise _option(folder, f"there is no split {split[:40]!r}: the folder has none", "leave the option out")
    if (folder / "state.json").is_file():
        state = folder / "state.json"
        names = _names(state, lambda said: [file["filename"] for file in said["_data_files"]])
        return _table(tuple(folder / name for name in names), _arrow)
    files = tuple(sorted(folder.glob("*.parquet")))
    if not files:
        raise unreadable(
            folder,
            "the folder holds no dataset_dict.json, no state.json and no Parquet file",
            "name a folder written by save_to_disk, or one with Parquet files",
        )
    return _table(files, _parquet)


def _names(file: Path, select: Callable[[Any], Any]) -> list[str]:
    """Names of files or folders beside `file`, as it lists them; none may lead elsewhere."""
    try:
        names = select(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise unreadable(
            file, f"it is not as `datasets` writes it: {error!r:.200}", "save the data set again"
        ) from error
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(name, str) and name == Path(name).name and name not in ("", "..") for name in names)
    ):
        raise unreadable(file, "it does not list the names of its parts", "save the data set again")
    return names
