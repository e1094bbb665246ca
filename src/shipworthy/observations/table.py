"""The observations table: raw columns brought to one form, whatever they were called.

Columns of the table: `case`, `label`, `prediction`, `score`, `lower`, `upper`, `query`, `cluster`, `weight`, `at`; a variant's own
`prediction@<variant>` and `score@<variant>`; a class's `scores.<class>`; and one `slice.<name>` for every sliced attribute.
The dots and at-signs keep them apart from each other and from whatever the data calls its columns.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ibis
import ibis.expr.types as ir

from shipworthy.errors import DataError, Fault
from shipworthy.observations.conditions import shorten, translate
from shipworthy.observations.findings import Exclusion
from shipworthy.observations.sources import Source
from shipworthy.plan.models import Bins, Evaluation, Level, Roles, Task

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
    exclusions: tuple[Exclusion, ...]
    variants: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()  # which canonical columns there are
    score_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # column -> (lowest, highest)
    classes: tuple[str, ...] = ()
    minimum_group: int = 5
    fold_below: int = 10

    def axis(self, across: str | Sequence[str] | None) -> Axis:
        """The axis that a requirement's `across:` names. Raises KeyError with the names there are."""
        if across is None:
            return EVERYONE
        name = across if isinstance(across, str) else " × ".join(across)
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise KeyError(", ".join(axis.name for axis in self.axes) or "none")


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
    builder.add_roles()
    axes = builder.add_axes(extra_axes)
    builder.fail_on_faults()
    table = source.table
    if model.where is not None:
        condition = translate(model.where, table, where=locate("where"))
        if not isinstance(condition, ir.BooleanValue):
            raise DataError(
                Fault(code="DATA003", what=f"{shorten(model.where)!r} is not a condition", where=locate("where"),
                      mend="write a comparison, such as age >= 18")
            )  # fmt: skip
        table = table.filter(condition)
    table = table.select(**builder.columns)
    return builder.finish(name, table, axes)


class _Builder:
    """Collects the canonical columns and every fault on the way."""

    def __init__(self, *, model: Evaluation, table: ir.Table, backend: Any, task: Task, locate: Locate) -> None:
        self.model, self.table, self.backend, self.task, self.locate = model, table, backend, task, locate
        self.columns: dict[str, ir.Value] = {}
        self.raw: dict[str, ir.Value] = {}
        self.faults: list[Fault] = []

    def fail_on_faults(self) -> None:
        if self.faults:
            raise DataError(self.faults)

    def read(self, text: str, *path: object) -> ir.Value | None:
        try:
            return translate(text, self.table, where=self.locate(*path))
        except DataError as error:
            self.faults.extend(error.faults)
            return None

    def add_roles(self) -> None:
        roles: Roles = self.model.roles
        for role in ("label", "prediction"):
            self._add_outcome(role, getattr(roles, role), "roles", role)
        for role in ("score", "lower", "upper", "weight"):
            self._add_number(role, getattr(roles, role), "roles", role)
        for role, column in (("case", roles.id), ("cluster", roles.cluster), ("query", roles.query), ("at", roles.at)):
            if (
                column is not None
                and (value := self.read(column, "roles", "id" if role == "case" else role)) is not None
            ):
                self.columns[role] = value
        for name, column in roles.scores.items():
            self._add_number(f"scores.{name}", column, "roles", "scores", name)
        for variant, model in self.model.variants.items():
            self._add_outcome(f"prediction@{variant}", model.prediction, "variants", variant, "prediction")
            self._add_number(f"score@{variant}", model.score, "variants", variant, "score")

    def _add_outcome(self, column: str, text: str | None, *path: object) -> None:
        if text is None or (value := self.read(text, *path)) is None:
            return
        self.raw[column] = value
        if self.task == "binary":
            converted = self._binary(value, path)
        elif self.task == "multiclass":
            converted = value.cast("string")
        else:
            converted = self._number(value, path)
        if converted is not None:
            self.columns[column] = converted

    def _add_number(self, column: str, text: str | None, *path: object) -> None:
        if text is not None and (value := self.read(text, *path)) is not None:
            number = self._number(value, path)
            if number is not None:
                self.columns[column] = number

    def _binary(self, value: ir.Value, path: tuple[object, ...]) -> ir.Value | None:
        positive: Level | None = self.model.roles.positive
        kind = value.type()
        if positive is not None:
            same = value == _as_type(positive, kind)
            return ibis.cases((value.isnull(), ibis.null("int8")), (same, 1), else_=0).cast("int8")
        if kind.is_boolean():
            return value.cast("int8")
        if kind.is_numeric():
            number = value.cast("float64")
            missing = number.isnull() | number.isnan()
            return ibis.cases((missing, ibis.null("int8")), (number == 1, 1), (number == 0, 0), else_=2).cast("int8")
        if kind.is_null():
            return value.cast("int8")
        self.faults.append(
            Fault(
                code="DATA010",
                what=f"{'.'.join(map(str, path))} holds text ({', '.join(self._examples(value))}), so which value is positive is unknown",
                where=self.locate(*path),
                mend="add positive: <value> under roles",
            )
        )
        return None

    def _number(self, value: ir.Value, path: tuple[object, ...]) -> ir.Value | None:
        kind = value.type()
        if not (kind.is_numeric() or kind.is_boolean() or kind.is_null()):
            self.faults.append(
                Fault(
                    code="DATA012",
                    what=f"{'.'.join(map(str, path))} holds {str(kind).removeprefix('!')} ({', '.join(self._examples(value))}), not numbers",
                    where=self.locate(*path),
                    mend="name a numeric column, or convert it: cast(column as double)",
                )
            )
            return None
        number = value.cast("float64")
        return ibis.ifelse(number.isnan() | number.isinf(), ibis.null("float64"), number)

    def _examples(self, value: ir.Value, most: int = 4) -> list[str]:
        found = self.table.select(value=value).filter(lambda t: t.value.notnull()).distinct().limit(most + 1)
        values = [repr(shorten(str(item), 30)) for item in self.backend.to_pyarrow(found)["value"].to_pylist()]
        return sorted(values)[:most] + (["…"] if len(values) > most else [])

    def add_axes(self, extra: Sequence[str | tuple[str, ...]]) -> tuple[Axis, ...]:
        axes: dict[str, Axis] = {}
        for index, entry in enumerate(self.model.slices):
            for axis in self._axes_of(entry, ("slices", index)):
                if axis.name in axes and axes[axis.name] != axis:
                    self.faults.append(
                        Fault(code="DATA013", what=f"two slices are called {axis.name!r}", where=self.locate("slices", index),
                              mend="give one of them another name")
                    )  # fmt: skip
                axes[axis.name] = axis
        for across in extra:
            name = across if isinstance(across, str) else " × ".join(across)
            if name not in axes:
                for axis in self._axes_of(across, ("slices",)):
                    axes[axis.name] = axis
        return tuple(axes.values())

    def _axes_of(self, entry: Any, path: tuple[object, ...]) -> list[Axis]:
        if isinstance(entry, str):
            self._add_attribute(entry, entry, path)
            return [Axis(name=entry, parts=(entry,))]
        if isinstance(entry, tuple):
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
                        Fault(code="DATA003", what=f"the slice {name!r} is not a condition: {shorten(rule)!r}",
                              where=self.locate(*path, name), mend="write a comparison, such as age < 25")
                    )  # fmt: skip
                elif value is not None:
                    self.columns[f"slice.{name}"] = value.fill_null(False)
                axes.append(Axis(name=name, parts=(name,), is_condition=True))
        return axes

    def _add_attribute(self, name: str, column: str, path: tuple[object, ...]) -> None:
        if column not in self.table.columns:
            near = difflib.get_close_matches(column, self.table.columns, n=1)
            self.faults.append(
                Fault(
                    code="DATA002",
                    what=f"there is no column {shorten(column)!r} to slice by",
                    where=self.locate(*path),
                    mend=f"did you mean {near[0]!r}?"
                    if near
                    else f"the columns are {shorten(', '.join(map(repr, self.table.columns)), 300)}",
                )
            )
            return
        value = self.table[column]
        kind = value.type()
        if kind.is_floating():
            value = ibis.ifelse(value.isnan(), ibis.null(kind), value)
        elif not (kind.is_integer() or kind.is_string() or kind.is_boolean()):
            value = value.cast("string")
        self.columns[f"slice.{name}"] = value

    def _add_bins(self, name: str, rule: Bins, path: tuple[object, ...]) -> None:
        value = self.read(rule.column, *path)
        if value is None or (number := self._number(value, path)) is None:
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

    def finish(self, name: str, table: ir.Table, axes: tuple[Axis, ...]) -> Observations:
        """One scan over the rows: what is missing, what is impossible, and the range of every score."""
        have = set(self.columns)
        outcomes = [column for column in ("label", "prediction", *self._of_variants("prediction")) if column in have]
        scores = [c for c in have if c == "score" or c.startswith(("score@", "scores."))]
        checks: dict[str, ir.Value] = {"rows": table.count()}
        for column in [*outcomes, *(c for c in ("weight", "cluster", "query") if c in have)]:
            checks[f"missing {column}"] = table[column].isnull().sum()
        if self.task == "binary":
            for column in outcomes:
                checks[f"impossible {column}"] = (table[column] == 2).sum()
                checks[f"positive {column}"] = (table[column] == 1).sum()
        for column in scores:
            checks[f"low {column}"], checks[f"high {column}"] = table[column].min(), table[column].max()
        if "weight" in have:
            checks["low weight"] = table["weight"].min()
        profile = self.backend.to_pyarrow(table.aggregate(**checks)).to_pylist()[0]
        profile = {key: value or 0 if not key.startswith(("low", "high")) else value for key, value in profile.items()}
        rows = profile["rows"]
        self._refuse_impossible(profile, outcomes, rows)
        required = [*outcomes, *(c for c in ("weight", "cluster", "query") if c in have)]
        exclusions = [
            Exclusion(evaluation=name, reason=f"{column} missing", rows=profile[f"missing {column}"])
            for column in required
        ]
        if any(exclusion.rows for exclusion in exclusions):
            table = table.filter([table[column].notnull() for column in required])
            rows = self.backend.to_pyarrow(table.aggregate(rows=table.count())).to_pylist()[0]["rows"]
        if rows == 0:
            raise DataError(
                Fault(code="DATA007", what="no row is left to evaluate", where=self.locate(),
                      mend="; ".join(f"{e.rows} rows: {e.reason}" for e in exclusions if e.rows) or "the data has no rows")
            )  # fmt: skip
        return Observations(
            evaluation=name,
            task=self.task,
            table=table,
            backend=self.backend,
            axes=axes,
            rows=rows,
            exclusions=tuple(exclusions),
            variants=tuple(self.model.variants),
            roles=frozenset(have),
            score_ranges={
                c: (profile[f"low {c}"], profile[f"high {c}"]) for c in scores if profile[f"low {c}"] is not None
            },
            minimum_group=self.model.minimum_group,
            fold_below=self.model.fold_below,
        )

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
                        mend="add positive: <value> under roles, write a condition such as decile_score >= 5, or set task:",
                    )
                )
            elif (
                column == "label"
                and positive is not None
                and rows
                and not profile[f"positive {column}"]
                and self.task == "binary"
            ):
                self.faults.append(
                    Fault(
                        code="DATA011",
                        what=f"no label equals the positive value {positive!r} (values: {', '.join(self._examples(self.raw[column]))})",
                        where=self.locate("roles", "positive"),
                        mend="write the value as the data spells it",
                    )
                )
        if profile.get("low weight") is not None and profile["low weight"] < 0:
            self.faults.append(
                Fault(code="DATA014", what="some weights are negative", where=self.locate("roles", "weight"),
                      mend="weights are inverse selection probabilities: zero or more")
            )  # fmt: skip
        self.fail_on_faults()


def bin_labels(edges: Sequence[float]) -> list[str]:
    """Names of the bins that `edges` cut, e.g. [25, 45] -> ["< 25", "25 to < 45", "≥ 45"]."""
    said = [f"{edge:g}" for edge in edges]
    if not said:
        return ["all"]
    middle = [f"{low} to < {high}" for low, high in zip(said[:-1], said[1:], strict=True)]
    return [f"< {said[0]}", *middle, f"≥ {said[-1]}"]


def _as_type(positive: Level, kind: Any) -> ir.Value:
    if kind.is_string():
        return ibis.literal(str(positive))
    if kind.is_boolean():
        return ibis.literal(str(positive).lower() in ("true", "1"))
    if kind.is_numeric() and isinstance(positive, str):
        try:
            return ibis.literal(float(positive))
        except ValueError:
            return ibis.null("float64")
    return ibis.literal(positive)


def with_axes(observations: Observations, axes: Sequence[Axis]) -> Observations:
    """The same rows, sliced another way (the columns must be there already)."""
    return replace(observations, axes=tuple(axes))
