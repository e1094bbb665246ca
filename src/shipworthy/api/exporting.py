"""A run's rows for other tools: an Inspect log, CSV or JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.inspect_log import LogFacts, inspect_log
from shipworthy.evidence.store import read_plan, read_results, rows_path
from shipworthy.observations.answers import OF_CASE
from shipworthy.version import __version__

Format: TypeAlias = Literal["inspect", "csv", "jsonl"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
_FORMULAS: Final = tuple("=+-@＝＋－＠")  # what begins a formula, in a spreadsheet of whatever script
BATCH: Final = 1_000  # rows that are held at once


@dataclass(frozen=True, kw_only=True)
class Export:
    """What is exported: its text piece by piece, which is read as it is written."""

    evaluation: str
    variant: str | None
    rows: int
    pieces: Iterator[str]


def export(folder: Path | str, *, to: Format, evaluation: str | None = None, variant: str | None = None) -> Export:
    """Export the rows of one evaluation of a run.

    evaluation: its name; may be left out when the run has one. variant: another version's answers instead of the main
    ones (of answers only). Raises Unusable: RUN002 the folder is no run, EXPO001 it has no such rows or they do not fit
    the format.
    """
    folder = Path(folder)
    results, plan = read_results(folder), read_plan(folder).plan
    name = _evaluation(folder, list(plan.evaluations), evaluation)
    path, model = rows_path(folder, name), plan.evaluations[name]
    try:
        file = pq.ParquetFile(path, memory_map=False)
        total, columns = file.metadata.num_rows, file.schema_arrow.names
        file.close()
    except (OSError, pa.ArrowException) as error:
        raise _fault(f"the run kept no rows of {name!r}", folder, "run the check again") from error
    if variant is not None and variant not in model.variants:
        raise _fault(f"{name!r} has no variant {variant[:80]!r}", folder, _there_are("variants", model.variants))
    if to == "inspect" and not model.is_generative:
        raise _fault(f"{name!r} holds predictions, and an Inspect log holds answers", folder, "use --to csv or jsonl")
    chosen = _columns(columns, variant)

    def rows() -> Iterator[Mapping[str, Any]]:
        return _rows(path, chosen)

    if to == "inspect":
        subject = model.variants[variant].subject if variant is not None else model.subject
        facts = LogFacts(
            run=str(results["run"]),
            created=str(results.get("created", "")),
            evaluation=name if variant is None else f"{name}@{variant}",
            model=str(subject or model.subject),
            system={"system": plan.system.name, "system_version": plan.system.version},
            plan_digest=str(results["plan_digest"]),
            version=__version__,
        )
        pieces = inspect_log(rows, list(chosen.values()), facts)
    else:
        pieces = (_csv if to == "csv" else _jsonl)(rows, list(chosen.values()))
    return Export(evaluation=name, variant=variant, rows=total, pieces=pieces)


def _evaluation(folder: Path, there: list[str], wanted: str | None) -> str:
    if wanted is None and len(there) == 1:
        return there[0]
    if wanted not in there:
        what = "say which evaluation" if wanted is None else f"the run has no evaluation {wanted[:80]!r}"
        raise _fault(what, folder, _there_are("evaluations", there))
    return wanted


def _there_are(what: str, names: Iterable[str]) -> str:
    return f"there are {what}: {', '.join(names) or 'none'}"


def _fault(what: str, folder: Path, mend: str) -> Unusable:
    return Unusable(Fault(code="EXPO001", what=what, where=str(folder), mend=mend))


def _columns(columns: list[str], variant: str | None) -> dict[str, str]:
    """Column of the file -> its name in the export."""
    if variant is None:
        return {name: name for name in columns if "@" not in name}
    mine = {name: name.removesuffix(f"@{variant}") for name in columns if name.endswith(f"@{variant}")}
    return {name: name for name in OF_CASE if name in columns} | mine


def _rows(path: Path, chosen: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    with pq.ParquetFile(path, memory_map=False) as file:
        for batch in file.iter_batches(batch_size=BATCH, columns=list(chosen)):
            for row in batch.to_pylist():
                yield {name: row[column] for column, name in chosen.items()}


def _csv(rows: Callable[[], Iterable[Mapping[str, Any]]], columns: list[str]) -> Iterator[str]:
    """RFC 4180 in UTF-8; what a spreadsheet would take for a formula begins with an apostrophe."""
    line = io.StringIO()
    writer = csv.writer(line)

    def written(values: Iterable[Any]) -> str:
        line.seek(0)
        line.truncate()
        writer.writerow(["" if value is None else _cell(value) for value in values])
        return line.getvalue()

    yield written(columns)
    for row in rows():
        yield written(row.values())


def _cell(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value, default=str)
    return "'" + value if value[:1] in ("\t", "\r") or value.lstrip()[:1] in _FORMULAS else value


def _jsonl(rows: Callable[[], Iterable[Mapping[str, Any]]], columns: list[str]) -> Iterator[str]:  # noqa: ARG001
    for row in rows():
        yield json.dumps(dict(row), default=str) + "\n"


def write(exported: Export, path: Path) -> None:
    """Write an export to a file, whole or not at all. Raises Unusable (EXPO002) where it cannot be written."""
    part = path.with_name(f".{path.name[:100]}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(exported.pieces)
        part.replace(path)
    except OSError as error:
        raise Unusable(
            Fault(
                code="EXPO002",
                what=f"the export cannot be written: {error.strerror or error}",
                where=str(path),
                mend="name a file in a folder that is there and may be written",
            )
        ) from error
    finally:
        part.unlink(missing_ok=True)
