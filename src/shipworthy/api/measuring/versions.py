"""The versions of a system in one table: each as its metrics see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import ibis
import ibis.expr.types as ir
import numpy as np

from shipworthy.estimate.arms import Arms, Context
from shipworthy.metrics.kinds import Metric
from shipworthy.observations.table import Observations

UNWEIGHTED = "this metric is not defined here for weighted rows"
Condition: TypeAlias = Callable[[Any], ir.BooleanValue]  # of a table


def column_of(role: str, version: str | None) -> str:
    """The column of a role of a version."""
    return role if version is None else f"{role}@{version}"


def has_version(observations: Observations, version: str | None) -> bool:
    """Whether there is anything of a version; the main places may be empty where there are variants."""
    if version is None:
        return not observations.variants or bool({"prediction", "score", "scores", "status"} & observations.roles)
    return True


def context_of(observations: Observations, version: str | None) -> Context:
    """What the arms of a version are measured in."""
    return Context(
        evaluation=observations.evaluation,
        minimum_group=observations.minimum_group,
        conditions=frozenset(axis.name for axis in observations.axes if axis.is_condition),
        variant=version,
    )


def seen_as(observations: Observations, version: str | None) -> Observations:
    """The same rows with a variant's prediction and score in the main places."""
    if version is None:
        return observations
    moved = {
        role.removesuffix(f"@{version}"): observations.table[role]
        for role in observations.roles
        if role.endswith(f"@{version}")
    }
    cells = observations.cells
    if cells is not None and "prediction" in moved:
        others = [column for column in cells.column_names if column != "prediction"]
        cells = cells.select(others).append_column("prediction", cells[column_of("prediction", version)])
    varying = {"prediction", "score"} | {role.rpartition("@")[0] for role in observations.roles if "@" in role}
    roles = observations.roles - varying | set(moved)  # what a variant does not have is not borrowed
    missing = {role: observations.missing.get(column_of(role, version) if role in moved else role, 0) for role in roles}
    missing = {role: rows for role, rows in missing.items() if rows}
    table = observations.table.mutate(**moved)
    return replace(observations, table=table, roles=roles, cells=cells, missing=missing)


def unfilled_columns(metric: Metric, *versions: Observations) -> list[str]:
    """The columns that a metric reads of these versions and that the system did not fill everywhere."""
    found = {
        role
        for version in versions
        for role in version.missing
        if role in metric.needs or (role.startswith("scores.") and "scores" in metric.needs)
    }
    return sorted(found)


def lacking(columns: Sequence[str]) -> Condition:
    """Where one of the columns is missing."""
    return lambda table: ibis.or_(*(table[column].isnull() for column in columns))


def of_version(table: ir.Table, version: str | None) -> Any:
    """The table as a metric sees it: with a version's columns in the main places."""
    return View(table, version)


class View:
    """A table seen through one version: its prediction and score stand in the main places."""

    def __init__(self, table: ir.Table, version: str | None) -> None:
        self._table, self._version = table, version

    def __getattr__(self, name: str) -> ir.Value:
        return self[name]

    def __getitem__(self, name: str) -> ir.Value:
        own = column_of(name, self._version)
        return self._table[own if own in self._table.columns else name]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._table.columns)


def without_values(arms: Arms, reason: Callable[[str | None], str | None]) -> Arms:
    """The same slices with no value, each for its reason."""
    size = len(arms.slices)
    return replace(
        arms,
        values=np.full(size, np.nan),
        effective=np.full(size, np.nan),
        reasons=tuple(reason(known) for known in arms.reasons),
        limits=lambda level: (np.full(size, -np.inf), np.full(size, np.inf)),
        gate=None,
    )
