"""The observations table: raw columns brought to one form, whatever they were called.

Answers keep their columns as they are (see `api/asking.py`). Columns of other rows: `case`, `label`, `prediction`,
`score`, `lower`, `upper`, `query`, `cluster`, `weight`, `at`; a
variant's own `prediction@<variant>` and `score@<variant>`; a class's `scores.<class>`; and one `slice.<name>` for every
sliced attribute. The dots and at-signs keep them apart from each other and from whatever the data calls its columns.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from shipworthy.errors import DataError, Fault
from shipworthy.observations.conditions import shorten, suggest, translate
from shipworthy.observations.findings import Exclusion
from shipworthy.observations.sources import Source
from shipworthy.observations.tasks import score_of_positive
from shipworthy.observations.truth import as_number
from shipworthy.plan.drafting import YES
from shipworthy.plan.models import Bins, Evaluation, Level, Roles, Task

MOST_CELLS = 200_000  # of a joint grouping of all sliced attributes; beyond, every axis is grouped by itself
Locate = Callable[..., str]  # path inside the evaluation -> where it stands in the plan


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One way of slicing: an attribute, an intersection of attributes, or a named condition."""

    name: str  # as `across:` names it; parts of an intersection joined by " × "
    parts: tuple[str, ...]  # attributes; their columns are slice.<part>
    is_condition: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the observations table that hold the levels."""
        return tuple(f"slice.{part}" for part in self.parts)


LARGEST_WEIGHT = 1e12  # the squares of products of weights are added up
EVERYONE = Axis(name="", parts=())


@dataclass(frozen=True, kw_only=True)
class Observations:
    """One evaluation's rows, ready to be counted."""

    evaluation: str
    task: Task
    table: ir.Table
    backend: Any
    axes: tuple[Axis, ...]  # without EVERYONE
    rows: int  # after exclusions
    scope: int  # rows that `where:` leaves, before other exclusions
    outside: int = 0  # rows that it does not
    source: ir.Table | None = None  # the source's own columns of the same rows; None for rows that a run kept
    exclusions: tuple[Exclusion, ...]
    variants: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()  # which canonical columns there are
    score_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # column -> (lowest, highest)
    classes: tuple[str, ...] = ()
    minimum_group: int = 5
    fold_below: int = 10
    judged: frozenset[str] = frozenset()  # columns that hold a judge's word
    missing: Mapping[str, int] = field(default_factory=dict)  # column that the system fills -> rows where it did not
    odd: Mapping[str, int] = field(default_factory=dict)  # of those, rows whose number is infinite or none
    cells: pa.Table | None = None  # rows by all slices and binary outcomes at once, where they are few

    @property
    def is_embedded(self) -> bool:
        """The rows are here. In another backend they stay where they are, and only counts and sums travel."""
        return bool(self.backend.name == "duckdb")

    def axis(self, across: str | Sequence[str] | None) -> Axis:
        """The axis that a requirement's `across:` names. Raises KeyError with the names there are."""
        if across is None:
            return EVERYONE
        name = across if isinstance(across, str) else " × ".join(across)
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise KeyError(", ".join(axis.name for axis in self.axes) or "none")


def of_system(role: str) -> bool:
    """Whether a canonical column of rows holds what the system says: where it is missing the system has failed, and the
    row counts all the same.
    """
    base = role.partition("@")[0]
    return base in ("prediction", "score", "lower", "upper") or base.startswith("scores.")


def missing_of(table: ir.Table, backend: Any) -> dict[str, int]:
    """Rows without a value, for each column that a system has to fill and did not everywhere."""
    asked = {column: table[column].isnull().sum() for column in table.columns if of_system(column)}
    found = backend.to_pyarrow(table.aggregate(**asked)).to_pylist()[0] if asked else {}
    return {column: rows for column, rows in found.items() if rows}


def prepare(
    name: str,
    model: Evaluation,
    source: Source,
    *,
    backend: Any,
    task: Task,
    locate: Locate,
    extra_axes: Sequence[str | tuple[str, ...]] = (),
) -> Observations:
    """Bring a source's columns to the observations table, and count what cannot enter.

    extra_axes: axes that requirements name without the evaluation declaring them.
    Raises DataError with every fault found.
    """
    builder = _Builder(model=model, table=source.table, backend=backend, task=task, locate=locate)
    if task == "generative":
        builder.columns |= {column: source.table[column] for column in source.table.columns}
    else:
        builder.add_roles()
    axes = builder.add_axes(extra_axes)
    builder.fail_on_faults()
    table, outside = source.table, 0
    if model.where is not None:
        condition = translate(model.where, table, where=locate("where"))
        if not isinstance(condition, ir.BooleanValue):
            raise DataError(
                Fault(
                    code="DATA003",
                    what=f"{shorten(model.where)!r} is not a condition",
                    where=locate("where"),
                    mend="write a comparison, such as age >= 18",
                )
            )
        outside = backend.to_pyarrow(table.aggregate(rows=(~condition.fill_null(False)).sum())).to_pylist()[0]["rows"]
        table = table.filter(condition)
    if not builder.columns:
        raise DataError(
            Fault(
                code="DATA016",
                what="neither a role nor a slice names a column",
                where=locate("roles"),
                mend="say what to evaluate: label and prediction, or score",
            )
        )
    builder.count_odd(table)
    return builder.finish(name, table, axes, outside=outside or 0)


class _Builder:
    """Collects the canonical columns and every fault on the way."""

    def __init__(self, *, model: Evaluation, table: ir.Table, backend: Any, task: Task, locate: Locate) -> None:
        self.model, self.table, self.backend, self.task, self.locate = model, table, backend, task, locate
        self.columns: dict[str, ir.Value] = {}
        self.raw: dict[str, ir.Value] = {}
        self.faults: list[Fault] = []
        self.odd: dict[str, int] = {}  # canonical column -> rows whose number is infinite or NaN

    def fail_on_faults(self) -> None:
        if self.faults:
            raise DataError(self.faults)

    def read(self, text: str, *path: object) -> ir.Value | None:
        try:
            return translate(text, self.table, where=self.locate(*path))
        except DataError as error:
            self.faults.extend(error.faults)
            return None

    def count_odd(self, table: ir.Table) -> None:
        """Count the numbers that are none: they become null, and would look as if they had been missing."""
        known = self.backend.has_operation(ops.IsNan) and self.backend.has_operation(ops.IsInf)
        asked = {
            column: self._not_finite(value).sum()
            for column, value in self.raw.items()
            if known and column in self.columns and value.type().is_floating() and not isinstance(value, ir.Scalar)
        }
        if asked:
            self.odd = {c: n for c, n in self.backend.to_pyarrow(table.aggregate(**asked)).to_pylist()[0].items() if n}

    def add_roles(self) -> None:
        roles: Roles = self.model.roles
        for role in ("label", "prediction"):
            self._add_outcome(role, getattr(roles, role), "roles", role)
        self._add_number("score", score_of_positive(roles) if self.task == "binary" else roles.score, "roles", "score")
        for role in ("lower", "upper", "weight"):
            self._add_number(role, getattr(roles, role), "roles", role)
        for role, column in (("case", roles.id), ("cluster", roles.cluster), ("query", roles.query), ("at", roles.at)):
            if (
                column is not None
                and (value := self.read(column, "roles", "id" if role == "case" else role)) is not None
            ):
                self.columns[role] = value.cast("string") if value.type().is_nested() else value
        for name, column in roles.scores.items():
            self._add_number(f"scores.{name}", column, "roles", "scores", name)
        for variant, model in self.model.variants.items():
            self._add_outcome(f"prediction@{variant}", model.prediction, "variants", variant, "prediction")
            own = roles.model_copy(update={"score": model.score, "scores": model.scores})
            score = score_of_positive(own) if self.task == "binary" else model.score
            self._add_number(f"score@{variant}", score, "variants", variant, "score")

    def _add_outcome(self, column: str, text: str | None, *path: object) -> None:
        if text is None or (value := self.read(text, *path)) is None:
            return
        self.raw[column] = value
        if self.task == "binary":
            converted = self._binary(value, path)
        elif self.task == "multiclass":
            finite = (
                ibis.ifelse(self._not_finite(value), ibis.null(value.type()), value)
                if value.type().is_floating()
                else value
            )
            converted = finite.cast("string")
        else:
            converted = self._number(value, path)
        if converted is not None:
            self.columns[column] = converted

    def _add_number(self, column: str, text: str | None, *path: object) -> None:
        if text is not None and (value := self.read(text, *path)) is not None:
            self.raw[column] = value
            number = self._number(value, path)
            if number is not None:
                self.columns[column] = number

    def _binary(self, value: ir.Value, path: tuple[object, ...]) -> ir.Value | None:
        positive: Level | None = self.model.roles.positive
        kind = value.type()
        is_condition = kind.is_boolean() and path[-1] != "label" and str(positive).strip().lower() not in _TRUE | _FALSE
        if positive is not None and not is_condition:  # a condition says itself when it holds
            same = value == _as_type(positive, kind)
            unknown = value.isnull() | self._not_finite(value) if kind.is_floating() else value.isnull()
            return ibis.cases((unknown, ibis.null("int8")), (same, 1), else_=0).cast("int8")
        if kind.is_boolean():
            return as_number(value, "int8")
        if kind.is_numeric():
            number = value if kind.is_integer() else value.cast("float64")
            missing = number.isnull() if kind.is_integer() else number.isnull() | self._not_finite(number)
            return ibis.cases((missing, ibis.null("int8")), (number == 1, 1), (number == 0, 0), else_=2).cast("int8")
        examples = self._examples(value)
        if kind.is_null() or not examples:
            return ibis.null("int8")
        self.faults.append(
            Fault(
                code="DATA010",
                what=f"the {path[-1]} {shorten(self._written(path) or '', 60)!r} holds {_kind(kind)} "
                f"({', '.join(examples)}): which is positive?",
                where=self.locate(*path),
                mend=self._how_to_say(path, examples),
            )
        )
        return None

    def _how_to_say(self, path: tuple[Any, ...], examples: Sequence[str]) -> str:
        """How a plan says which value is positive: one for all outcomes, or a condition where label and prediction have
        words of their own, for which one value cannot do.
        """
        role = str(path[-1])
        outcomes = {"label": self.model.roles.label, "prediction": self.model.roles.prediction}
        outcomes |= {role: self._written(path)}
        literals: dict[str, list[str]] = {}
        for name, text in outcomes.items():
            with suppress(DataError):
                if text is not None and not (value := translate(text, self.table, where="")).type().is_boolean():
                    literals[name] = self._literals(value)
        words = {name: said for name, said in literals.items() if not set(said) <= _ZERO_AND_ONE}
        is_alone = all(outcomes.values()) and len(words) == 1  # the other one is a condition already, or 0 and 1
        if not is_alone and (len(words) < 2 or set(words["label"]) & set(words["prediction"])):
            return f"add positive: {_likely(examples)} under roles, or another of these values"
        yes = _likely(words.get("label", ["no"]))
        is_asked = "prediction" in literals and str(outcomes["prediction"]).startswith("subject.")
        if is_asked and yes.strip("'").casefold() not in _FALSE:
            # Both are in the words of the same levels, so that `positive:` alone says what the label means.
            is_positive = self._condition(outcomes["prediction"], literals["prediction"])
            return f"add positive: {yes} and prediction: {is_positive} under roles, or other values of these"
        conditions = " and ".join(f"{name}: {self._condition(outcomes[name], said)}" for name, said in words.items())
        if is_alone:
            return f"say when it is positive, such as {conditions}"
        return f"label and prediction have no value in common: say of each when it is positive, such as {conditions}"

    def _condition(self, text: str | None, literals: Sequence[str]) -> str:
        """That an outcome has its likely value, as a plan writes it: in quotes, and with quotes inside where the
        column's name needs them.
        """
        plain = f"{text} = {_likely(literals)}"
        try:
            translate(plain, self.table, where="")
        except DataError:
            name = str(text).replace('"', '""')
            plain = f'"{name}" = {_likely(literals)}'
        return json.dumps(plain, ensure_ascii=False)

    def _written(self, path: tuple[Any, ...]) -> str | None:
        """The text that the plan gives an outcome, by its place."""
        if path[0] == "variants":
            return self.model.variants[path[1]].prediction
        return self.model.roles.label if path[-1] == "label" else self.model.roles.prediction

    def _not_finite(self, value: ir.Value) -> ir.Value:
        """Where a number is NaN or infinite. A backend that has no word for it (SQLite) cannot hold NaN."""
        if self.backend.has_operation(ops.IsNan) and self.backend.has_operation(ops.IsInf):
            return value.isnan() | value.isinf()
        return value.isnull()

    def _number(self, value: ir.Value, path: tuple[object, ...]) -> ir.Value | None:
        kind = value.type()
        if not (kind.is_numeric() or kind.is_boolean() or kind.is_null()):
            if not (examples := self._examples(value)):
                return ibis.ifelse(value.isnull(), ibis.null("float64"), 0.0)
            self.faults.append(
                Fault(
                    code="DATA012",
                    what=f"{'.'.join(map(str, path))} holds {_kind(kind)} ({', '.join(examples)}), not numbers",
                    where=self.locate(*path),
                    mend=self._how_to_number(examples),
                )
            )
            return None
        number = as_number(value)
        return ibis.ifelse(self._not_finite(number), ibis.null("float64"), number)

    def _how_to_number(self, examples: Sequence[str]) -> str:
        """How text becomes numbers. A decimal comma is the reader's to read: a cast would not."""
        found = [_DECIMAL_COMMA.fullmatch(each) for each in examples if each != "…"]
        if not all(found) or {len(each[1]) for each in found if each} == {3}:  # three digits may be thousands
            return "name a numeric column, or convert it: cast(column as double)"
        data = str(self.model.data)
        if self.model.connection is not None or not _TEXT_FILE.search(data):
            return "these are decimal commas: turn them into points where the rows come from"
        file = data.replace("'", "''")
        return f"these are decimal commas: write data: SELECT * FROM read_csv('{file}', decimal_separator=',')"

    def _examples(self, value: ir.Value, most: int = 4) -> list[str]:
        values = [repr(shorten(str(item), 30)) for item in self._values(value, most + 1)]
        return sorted(values)[:most] + (["…"] if len(values) > most else [])

    def _literals(self, value: ir.Value) -> list[str]:
        """Some of the values of a column, as a condition spells them: numbers bare, all else in single quotes."""
        found = sorted(self._values(value, 50), key=str)
        if value.type().is_numeric():
            return [f"{float(item):.15g}" for item in found]
        return ["'" + shorten(str(item), 200).replace("'", "''") + "'" for item in found]

    def _values(self, value: ir.Value, most: int) -> list[Any]:
        found = self.table.select(value=value).filter(lambda t: t.value.notnull()).distinct().limit(most)
        return list(self.backend.to_pyarrow(found)["value"].to_pylist())

    def add_axes(self, extra: Sequence[str | tuple[str, ...]]) -> tuple[Axis, ...]:
        axes: dict[str, Axis] = {}
        for index, entry in enumerate(self.model.slices):
            for axis in self._axes_of(entry, ("slices", index)):
                if axis.name in axes and axes[axis.name] != axis:
                    self.faults.append(
                        Fault(
                            code="DATA013",
                            what=f"two slices are called {axis.name!r}",
                            where=self.locate("slices", index),
                            mend="give one of them another name",
                        )
                    )
                axes[axis.name] = axis
        for across in extra:
            name = across if isinstance(across, str) else " × ".join(across)
            if name not in axes:
                for axis in self._axes_of(across, ("across", across)):
                    axes[axis.name] = axis
        return tuple(axes.values())

    def _axes_of(self, entry: Any, path: tuple[object, ...]) -> list[Axis]:
        if isinstance(entry, str):
            self._add_attribute(entry, entry, path)
            return [Axis(name=entry, parts=(entry,))]
        if isinstance(entry, tuple):
            if len(set(entry)) < len(entry):
                self.faults.append(
                    Fault(
                        code="PLAN033",
                        what=f"the slice {' × '.join(entry)!r} names a column twice",
                        where=self.locate(*path),
                        mend="name each column once",
                    )
                )
            for part in entry:
                if f"slice.{part}" not in self.columns:
                    self._add_attribute(part, part, path)
            return [Axis(name=" × ".join(entry), parts=tuple(entry))]
        axes = []
        for name, rule in entry.items():
            if isinstance(rule, Bins):
                self._add_bins(name, rule, (*path, name))
                axes.append(Axis(name=name, parts=(name,)))
            else:
                value = self.read(rule, *path, name)
                if value is not None and not isinstance(value, ir.BooleanValue):
                    self.faults.append(
                        Fault(
                            code="DATA003",
                            what=f"the slice {name!r} is not a condition: {shorten(rule)!r}",
                            where=self.locate(*path, name),
                            mend="write a comparison, such as age < 25",
                        )
                    )
                elif value is not None:
                    self.columns[f"slice.{name}"] = value.fill_null(False)
                axes.append(Axis(name=name, parts=(name,), is_condition=True))
        return axes

    def _add_attribute(self, name: str, column: str, path: tuple[object, ...]) -> None:
        if column not in self.table.columns:
            self.faults.append(
                Fault(
                    code="DATA002",
                    what=f"there is no column {shorten(column)!r} to slice by",
                    where=self.locate(*path),
                    mend=suggest(column, self.table.columns),
                )
            )
            return
        value = self.table[column]
        kind = value.type()
        if kind.is_floating():
            value = ibis.ifelse(self._not_finite(value), ibis.null(kind), value)
        elif not (kind.is_integer() or kind.is_string() or kind.is_boolean()):
            value = value.cast("string")
        self.columns[f"slice.{name}"] = value

    def _add_bins(self, name: str, rule: Bins, path: tuple[object, ...]) -> None:
        value = self.read(rule.column, *path)
        if value is None or (number := self._number(value, path)) is None:
            return
        if isinstance(number, ir.Scalar):
            self.faults.append(
                Fault(
                    code="DATA003",
                    what=f"{shorten(rule.column)!r} is the same in every row: no bins can be cut",
                    where=self.locate(*path),
                    mend="name a numeric column",
                )
            )
            return
        edges = list(rule.edges)
        if rule.quantiles is not None:
            shares = [k / rule.quantiles for k in range(1, rule.quantiles)]
            row = self.table.aggregate(**{f"q{k}": number.quantile(share) for k, share in enumerate(shares)})
            found = self.backend.to_pyarrow(row).to_pylist()[0]
            edges = sorted({float(edge) for edge in found.values() if edge is not None})
        branches: list[tuple[Any, Any]] = [(number.isnull(), ibis.null("string"))]
        branches += [(number < edge, label) for edge, label in zip(edges, bin_labels(edges), strict=False)]
        self.columns[f"slice.{name}"] = ibis.cases(*branches, else_=bin_labels(edges)[-1])

    def finish(self, name: str, source: ir.Table, axes: tuple[Axis, ...], *, outside: int) -> Observations:
        """One scan over the rows: what is missing, what is impossible, and the range of every score.

        source: the rows in scope. outside: how many there are beside them. Those without a label, weight, cluster or
        query are no evidence of anything and left out. Those that the system left without a prediction or score stay:
        what is measured says what becomes of them.
        """
        table, have = source.select(**self.columns), set(self.columns)
        is_asked = self.task == "generative"  # answers tell by their status what is missing
        outcomes = [column for column in ("label", "prediction", *self._of_variants("prediction")) if column in have]
        scores = [c for c in have if c == "score" or c.startswith(("score@", "scores."))]
        systems = [] if is_asked else sorted(filter(of_system, have))
        required = [c for c in outcomes if c not in systems]
        cells = None
        if units := [c for c in ("weight", "cluster", "query") if c in have]:
            required += units
        else:
            cells = self._count_cells(table, axes, outcomes, scores, systems)
        if cells is not None:
            profile = _profile_of(cells, outcomes, scores, systems)
        else:
            profile = self._profile(table, [*required, *systems], scores)
        rows = scope = profile["rows"]
        self._refuse_impossible(profile, outcomes, rows)
        missing = {column: profile[f"missing {column}"] for column in required}
        exclusions = (
            []
            if not self.model.where
            else [Exclusion(evaluation=name, reason=f"outside of `where: {shorten(self.model.where)}`", rows=outside)]
        )
        exclusions += [
            Exclusion(evaluation=name, reason=f"{column} missing", rows=rows - self.odd.get(column, 0))
            for column, rows in missing.items()
        ]
        exclusions += [
            Exclusion(evaluation=name, reason=f"{column} infinite or not a number", rows=rows)
            for column, rows in self.odd.items()
            if column in missing
        ]
        short = {column: profile[f"missing {column}"] for column in systems}
        if any(missing.values()):
            source = source.filter([self.columns[column].notnull() for column in required])
            table = table.filter([table[column].notnull() for column in required])
            counted = {"rows": table.count()} | {column: table[column].isnull().sum() for column in systems}
            short = self.backend.to_pyarrow(table.aggregate(**counted)).to_pylist()[0]
            rows = short.pop("rows")
            if cells is not None:
                cells = cells.filter(pc.invert(functools.reduce(pc.or_, (pc.is_null(cells[c]) for c in required))))
        if rows == 0:
            raise DataError(
                Fault(
                    code="DATA007",
                    what="no row is left to evaluate",
                    where=self.locate(),
                    mend="; ".join(f"{e.rows:,} rows: {e.reason}" for e in exclusions if e.rows) or self._why_empty(),
                )
            )
        return Observations(
            evaluation=name,
            task=self.task,
            table=table,
            backend=self.backend,
            axes=axes,
            rows=rows,
            scope=scope,
            outside=outside,
            source=source,
            exclusions=tuple(exclusions),
            variants=tuple(self.model.variants),
            roles=frozenset(have),
            score_ranges={
                c: (profile[f"low {c}"], profile[f"high {c}"]) for c in scores if profile[f"low {c}"] is not None
            },
            minimum_group=self.model.minimum_group,
            fold_below=self.model.fold_below,
            missing={column: count for column, count in short.items() if count},
            odd={column: count for column, count in self.odd.items() if column not in missing},
            cells=cells,
        )

    def _profile(self, table: ir.Table, required: Sequence[str], scores: Sequence[str]) -> dict[str, Any]:
        checks: dict[str, ir.Value] = {"rows": table.count()}
        for column in required:
            checks[f"missing {column}"] = table[column].isnull().sum()
            if self.task == "binary" and column.startswith(("label", "prediction")):
                checks[f"impossible {column}"] = (table[column] == 2).sum()
                checks[f"positive {column}"] = (table[column] == 1).sum()
        for column in [*scores, *(c for c in required if c == "weight")]:
            checks[f"low {column}"], checks[f"high {column}"] = table[column].min(), table[column].max()
        found = self.backend.to_pyarrow(table.aggregate(**checks)).to_pylist()[0]
        return {key: value or 0 if not key.startswith(("low", "high")) else value for key, value in found.items()}

    def _count_cells(
        self,
        table: ir.Table,
        axes: Sequence[Axis],
        outcomes: Sequence[str],
        scores: Sequence[str],
        systems: Sequence[str],
    ) -> pa.Table | None:
        """Rows by all slices and outcomes at once: what is wrong with binary outcomes and what is counted of them, in
        one scan. None where there would be too many cells, or nothing to count.
        """
        if self.task != "binary" or not outcomes:
            return None
        keys = [*dict.fromkeys(column for axis in axes for column in axis.columns), *outcomes]
        ranges = {f"low {c}": table[c].min() for c in scores} | {f"high {c}": table[c].max() for c in scores}
        short = {f"missing {c}": table[c].isnull().sum() for c in systems if c not in outcomes}
        counted = table.group_by(keys).aggregate(rows=table.count(), **ranges, **short)
        found = self.backend.to_pyarrow(counted.limit(MOST_CELLS + 1))
        return found if found.num_rows <= MOST_CELLS else None

    def _why_empty(self) -> str:
        return "no row fulfils where:" if self.model.where is not None else "name data that have rows"

    def _of_variants(self, role: str) -> list[str]:
        return [f"{role}@{variant}" for variant in self.model.variants]

    def _refuse_impossible(self, profile: Mapping[str, Any], outcomes: Sequence[str], rows: int) -> None:
        positive = self.model.roles.positive
        for column in outcomes:
            role = column.partition("@")[0]
            where = self.locate("roles", role)
            if rows and profile[f"missing {column}"] == rows:
                self.faults.append(
                    Fault(
                        code="DATA008",
                        what=f"the {column} is missing in every row",
                        where=where,
                        mend="name the column that holds it",
                    )
                )
            elif profile.get(f"impossible {column}"):
                self.faults.append(
                    Fault(
                        code="DATA009",
                        what=f"{profile[f'impossible {column}']} rows have a {column} that is neither 0 nor 1 "
                        f"(values: {', '.join(self._examples(self.raw[column]))})",
                        where=where,
                        mend="add positive: <value> under roles, write a condition such as score >= 5, or set task:",
                    )
                )
            elif self.task == "binary" and positive is not None and rows and not profile[f"positive {column}"]:
                self._refuse_foreign(column, positive)
        if profile.get("low weight") is not None and profile["low weight"] < 0:
            self.faults.append(
                Fault(
                    code="DATA014",
                    what="some weights are negative",
                    where=self.locate("roles", "weight"),
                    mend="weights are inverse selection probabilities: zero or more",
                )
            )
        if profile.get("high weight") is not None and profile["high weight"] > LARGEST_WEIGHT:
            self.faults.append(
                Fault(
                    code="DATA014",
                    what=f"some weights are beyond {LARGEST_WEIGHT:g}",
                    where=self.locate("roles", "weight"),
                    mend="only their proportions count: divide them all by the same number",
                )
            )
        self.fail_on_faults()

    def _refuse_foreign(self, column: str, positive: Level) -> None:
        """No value of an outcome is the positive one: fine for predictions that speak as the labels do, else a
        mistake.
        """
        role = column.partition("@")[0]
        known = set(self._examples(self.raw["label"], 50)) if "label" in self.raw else set()
        values = self._examples(self.raw[column])
        variant = column.partition("@")[2]
        text = self._written(("variants", variant, role) if variant else ("roles", role))
        if role == "prediction" and known and set(values) <= known:
            return
        is_positive = self._condition(text, self._literals(self.raw[column]))
        self.faults.append(
            Fault(
                code="DATA011",
                what=f"no {column} equals the positive value {positive!r} (values: {', '.join(values)})",
                where=self.locate("roles", "positive"),
                mend="write the value as the data spells it"
                + ("" if role == "label" else f", or say when it is positive: {role}: {is_positive}"),
            )
        )


def _profile_of(
    cells: pa.Table, outcomes: Sequence[str], scores: Sequence[str], systems: Sequence[str]
) -> dict[str, Any]:
    """The profile of the rows behind counted cells."""

    def rows(where: pa.ChunkedArray | None = None) -> int:
        return int(pc.sum(cells["rows"] if where is None else cells["rows"].filter(where)).as_py() or 0)

    profile: dict[str, Any] = {"rows": rows()}
    for column in outcomes:
        profile[f"missing {column}"] = rows(pc.is_null(cells[column]))
        profile[f"impossible {column}"] = rows(pc.fill_null(pc.equal(cells[column], 2), False))
        profile[f"positive {column}"] = rows(pc.fill_null(pc.equal(cells[column], 1), False))
    for column in systems:
        if column not in outcomes:
            profile[f"missing {column}"] = int(pc.sum(cells[f"missing {column}"]).as_py() or 0)
    for column in scores:
        profile[f"low {column}"] = pc.min(cells[f"low {column}"]).as_py()
        profile[f"high {column}"] = pc.max(cells[f"high {column}"]).as_py()
    return profile


def bin_labels(edges: Sequence[float]) -> list[str]:
    """Names of the bins that `edges` cut, e.g. [25, 45] -> ["< 25", "25 to < 45", "≥ 45"]."""
    said = [f"{edge:.15g}" for edge in edges]
    if not said:
        return ["all"]
    middle = [f"{low} to < {high}" for low, high in itertools.pairwise(said)]
    return [f"< {said[0]}", *middle, f"≥ {said[-1]}"]


def _kind(kind: Any) -> str:
    """A type in a reader's words."""
    named = {"string": "text", "int": "whole numbers", "date": "dates", "timestamp": "times", "array": "lists"}
    text = str(kind).removeprefix("!").lower()
    return next((said for prefix, said in named.items() if text.startswith(prefix)), text)


_ZERO_AND_ONE = frozenset({"0", "1"})
_DECIMAL_COMMA = re.compile(r"'\s*[-+]?\d+,(\d+)\s*'")  # a value as a message shows it
_TEXT_FILE = re.compile(r"^(?!\s*\(*(select|with|from)\s).+\.(csv|tsv)(\.(gz|bz2|zst))?$", re.I)
_TRUE, _FALSE = frozenset({"true", "t", "yes", "y", "on", "1"}), frozenset({"false", "f", "no", "n", "off", "0"})


def _as_type(positive: Level, kind: Any) -> ir.Value:
    if kind.is_string():
        return ibis.literal(str(positive))
    if kind.is_boolean():  # CSV readers turn yes and no, t and f, on and off into truth values
        word = str(positive).strip().lower()
        return ibis.literal(word in _TRUE) if word in _TRUE | _FALSE else ibis.null("boolean")
    if kind.is_numeric() and isinstance(positive, bool):
        return ibis.literal(int(positive))
    if kind.is_numeric() and isinstance(positive, str):
        try:
            return ibis.literal(float(positive))
        except ValueError:
            return ibis.null("float64")
    return ibis.literal(positive)


def with_axes(observations: Observations, axes: Sequence[Axis]) -> Observations:
    """The same rows, sliced another way (the columns must be there already)."""
    return replace(observations, axes=tuple(axes))


def _likely(values: Sequence[str]) -> str:
    """Of some quoted values the one that reads as a yes, else the first."""
    return next((value for value in values if value.strip("'\"").strip().casefold() in YES), values[0])
