"""From a declaration in the plan to something that predicts, guarded: the one door to a subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from shipworthy import registry
from shipworthy.errors import ShipworthyError
from shipworthy.subjects.faults import listed, quoted, raised, subject_error
from shipworthy.subjects.predictions import tabulate
from shipworthy.subjects.protocol import Declaration, Predictor

KINDS: Final = ("python", "sklearn", "onnx", "http")
STREAMED_ROWS: Final = 50_000  # rows that are held at once while a stream is predicted


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardedSubject:
    """Any predictor, handed only its features and in batches, its answers checked and its exceptions located."""

    inner: Predictor
    features: tuple[str, ...] = ()  # columns handed over, in order; empty: all of them
    batch: int | None = None  # rows per call; None: all at once

    @property
    def name(self) -> str:
        """Its name in the plan."""
        return self.inner.name

    def describe(self) -> Mapping[str, str]:
        """What the predictor says of itself."""
        return self.inner.describe()

    def predict(self, rows: pa.Table) -> pa.Table:
        """Predict for `rows`, of which there is at least one. Raises SubjectError, whatever goes wrong inside."""
        missing = [feature for feature in self.features if feature not in rows.column_names]
        if missing:
            near = f"the data have {listed(rows.column_names)}"
            raise subject_error(self.name, "SUBJ005", f"the data lack its features {listed(missing)}", near)
        chosen = rows.select(list(self.features)) if self.features else rows
        step = self.batch or max(chosen.num_rows, 1)
        answers = [self._call(chosen.slice(start, step)) for start in range(0, chosen.num_rows, step)]
        if not answers:
            raise subject_error(self.name, "SUBJ007", "there are no rows to predict", "check the data and `where:`")
        _check_alike([answer.schema for answer in answers], self.name)
        return pa.concat_tables(answers, promote_options="permissive")

    def _call(self, rows: pa.Table) -> pa.Table:
        try:
            answer = self.inner.predict(rows)
        except ShipworthyError:
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's code may raise anything
            raise subject_error(
                self.name, "SUBJ006", f"it raised {raised(error)}", "run it on a few rows by hand"
            ) from error
        return tabulate(answer, rows=rows.num_rows, name=self.name)


def load_subject(name: str, model: Declaration, *, folder: Path) -> GuardedSubject:
    """Return the subject that the plan in `folder` declares as `name`, ready to predict.

    model: the plan's declaration (`plan.models.Subject`). Relative files are looked up from `folder`.
    Raises SubjectError (codes SUBJ001 to SUBJ004, SUBJ013, SUBJ014), MissingExtra, and what the registry raises.
    """
    kind = next(kind for kind in KINDS if getattr(model, kind) is not None)
    opener = registry.load("subjects", kind, where=f"subjects.{name}")
    inner: Predictor = opener(name, model, folder=folder)
    whole = kind == "http"  # it cuts its own batches, to have several on their way
    return GuardedSubject(inner=inner, features=model.features, batch=None if whole else model.batch)


def predict_batches(
    subject: Predictor, batches: Iterable[pa.RecordBatch | pa.Table], *, rows: int = STREAMED_ROWS
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Predict for a stream of rows, of which at most about `rows` are held at once.

    Yields (rows, predictions) tables of equal length, in the order of the stream; empty batches are passed over.
    Raises SubjectError, also SUBJ008 when a later answer cannot stand in one table with the earlier ones.
    """
    schemas: list[pa.Schema] = []
    for table in _chunks(batches, rows):
        answer = subject.predict(table)
        if answer.schema not in schemas:
            schemas.append(answer.schema)
            _check_alike(schemas, subject.name)
        yield table, answer


def _chunks(batches: Iterable[pa.RecordBatch | pa.Table], rows: int) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    for batch in batches:
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        if table.num_rows:
            held.append(table)
        if sum(part.num_rows for part in held) >= rows:
            yield from _cut(pa.concat_tables(held), rows)
            held = []
    if held:
        yield from _cut(pa.concat_tables(held), rows)


def _cut(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    return (table.slice(start, rows) for start in range(0, table.num_rows, rows))


def _check_alike(schemas: Sequence[pa.Schema], name: str) -> None:
    try:
        pa.unify_schemas(schemas, promote_options="permissive")
        told = {frozenset(schema.names) for schema in schemas}
    except pa.ArrowException as error:
        why = quoted(error)
    else:
        if len(told) == 1:
            return
        why = " against ".join(sorted(listed(sorted(names)) for names in told))
    raise subject_error(
        name,
        "SUBJ008",
        f"its answers change their columns or types between batches: {why}",
        "answer the same columns, of the same types, every time",
    )
