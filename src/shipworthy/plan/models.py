"""The plan file's models: what was promised about a system, and on which data it is to be shown."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Tier: TypeAlias = Literal["minimal", "limited", "high", "critical"]
Severity: TypeAlias = Literal["blocker", "major", "minor"]
Comparison: TypeAlias = Literal["value", "difference", "ratio", "change"]
Task: TypeAlias = Literal["binary", "multiclass", "regression", "ranking"]
Level: TypeAlias = str | int | float | bool  # a value of a column, as YAML writes it


class Model(BaseModel):
    """A part of the plan: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class System(Model):
    """What is under test, and how much hangs on it."""

    name: str = Field(min_length=1, max_length=200, description="Stable name of the system.")
    version: str = Field(default="unversioned", min_length=1, max_length=200, description="Version under test.")
    purpose: str = Field(default="", description="What the system is for, in a sentence.")
    tier: Tier = Field(default="limited", description="Risk tier; picks defaults and what must be signed.")
    owner: str = Field(default="", description="Who answers for it: a person, team or address.")


class Subject(Model):
    """A system that predicts. Exactly one of `python`, `sklearn`, `onnx` and `http` names it."""

    python: str | None = Field(default=None, description="A callable, as module:function, that takes a table.")
    sklearn: str | None = Field(default=None, description="A scikit-learn model file: .skops, or .joblib with `trust`.")
    onnx: str | None = Field(default=None, description="An ONNX model file.")
    http: str | None = Field(default=None, description="URL that scores a JSON batch.")
    features: tuple[str, ...] = Field(default=(), description="Columns handed over, in order; empty: all of them.")
    trust: bool = Field(default=False, description="Load a format that can execute code (joblib).")
    batch: int = Field(default=10_000, ge=1, le=1_000_000, description="Rows per call.")
    timeout: float = Field(default=60.0, gt=0, description="Seconds per call (http).")
    headers: dict[str, str] = Field(
        default_factory=dict, description="HTTP headers; ${NAME} is read from the environment."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Subject:
        if sum(kind is not None for kind in (self.python, self.sklearn, self.onnx, self.http)) != 1:
            raise ValueError("name exactly one of python, sklearn, onnx, http")
        for name, value in self.headers.items():
            if re.search(r"auth|cookie|key|secret|token", name, re.IGNORECASE) and "${" not in value:
                raise ValueError(
                    f"the header {name} holds a secret, and a plan is kept with its evidence: write ${{NAME}}"
                )
        return self


class Roles(Model):
    """Which column plays which part. A role is a column name, or a SQL expression over columns such as `score >= 5`."""

    label: str | None = Field(default=None, description="What turned out to be true (relevance, for ranking).")
    prediction: str | None = Field(default=None, description="What the system decided.")
    score: str | None = Field(default=None, description="Score or probability behind the decision.")
    scores: dict[str, str] = Field(default_factory=dict, description="Class -> its score column (multiclass).")
    lower: str | None = Field(default=None, description="Lower end of a predicted interval, or a predicted quantile.")
    upper: str | None = Field(default=None, description="Upper end of a predicted interval.")
    positive: Level | None = Field(
        default=None, description="The value of label and prediction that counts as positive."
    )
    id: str | None = Field(default=None, description="Stable id of a case; pairs runs and variants.")
    cluster: str | None = Field(default=None, description="What was sampled independently: a household, user, day.")
    query: str | None = Field(default=None, description="The list that an item is ranked in (ranking).")
    weight: str | None = Field(default=None, description="Sampling weight.")
    at: str | None = Field(default=None, description="When the decision was made.")


class Bins(Model):
    """Levels cut from a numeric column: at the given edges, or at quantiles of the evaluated data."""

    column: str = Field(min_length=1, description="Numeric column, or a SQL expression, that is cut.")
    edges: tuple[float, ...] = Field(default=(), max_length=100, description="Cut points, ascending; left-closed bins.")
    quantiles: int | None = Field(default=None, ge=2, le=50, description="Number of equally filled bins.")

    @model_validator(mode="after")
    def _one_rule(self) -> Bins:
        if bool(self.edges) == (self.quantiles is not None):
            raise ValueError("give either edges or quantiles")
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must ascend without repeats")
        return self


Slice: TypeAlias = str | tuple[str, ...] | dict[str, str | Bins]


class Variant(Model):
    """Another version of the same decisions, on the same cases: the roles that differ."""

    prediction: str | None = Field(default=None, description="What this version decided.")
    score: str | None = Field(default=None, description="The score behind it.")
    scores: dict[str, str] = Field(default_factory=dict, description="Class -> its score column (multiclass).")

    @model_validator(mode="after")
    def _differs(self) -> Variant:
        if self.prediction is None and self.score is None and not self.scores:
            raise ValueError("name what differs: prediction, score or scores")
        return self


class CustomMetric(Model):
    """A metric of your own: a function of the columns, as module:function."""

    python: str = Field(min_length=1, description="The function, as module:function.")
    name: str | None = Field(default=None, description="Name used in requirements; default: the function's.")


class Evaluation(Model):
    """Decisions to be evaluated: where the rows are, what the columns mean, how to slice, what to measure."""

    data: str = Field(min_length=1, description="File, glob, fsspec URL, or a SELECT.")
    connection: str | None = Field(default=None, description="Ibis URL of the backend that runs the SELECT.")
    task: Task | None = Field(default=None, description="Kind of decision; told from the metrics when left out.")
    subject: str | None = Field(default=None, description="Name of a subject that predicts for these rows.")
    roles: Roles = Field(default_factory=Roles, description="Which column plays which part.")
    variants: dict[str, Variant] = Field(default_factory=dict, description="Other versions on the same cases.")
    slices: tuple[Slice, ...] = Field(
        default=(),
        max_length=100,
        description="Axes: a column, a list of columns to intersect, or a name with a SQL condition or bins.",
    )
    metrics: tuple[str | CustomMetric, ...] = Field(
        default=(), max_length=200, description="What to measure, beside what the requirements name."
    )
    where: str | None = Field(default=None, description="SQL condition: only these rows are in scope.")
    train: str | None = Field(default=None, description="Training data: rows found in it are reported.")
    population: dict[str, dict[str, Annotated[float, Field(ge=0, le=1)]]] = Field(
        default_factory=dict, description="Reference population: column -> level -> share."
    )
    protected: tuple[str, ...] = Field(default=(), description="Protected attributes; default: the sliced columns.")
    minimum_group: int = Field(default=5, ge=1, description="Fewer cases than this show no rate.")
    fold_below: int = Field(default=10, ge=0, description="Levels with fewer rows than this are folded into one.")


class Requirement(Model):
    """One promise: a metric, an axis, a comparison and a bound, with its severity."""

    id: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", description="Stable id.")
    text: str = Field(default="", description="The promise in plain words.")
    evaluation: str | None = Field(default=None, description="Which evaluation; may be left out when there is one.")
    metric: str = Field(min_length=1, description="What is measured.")
    across: str | tuple[str, ...] | None = Field(default=None, description="Slice axis; left out: everyone.")
    compare: Comparison = Field(
        default="value",
        description="value of every slice; difference or ratio between slices; paired change against the baseline.",
    )
    reference: str | None = Field(default=None, description="Level that the others are compared with.")
    at_least: float | None = Field(default=None, description="The claim must not fall below this.")
    at_most: float | None = Field(default=None, description="The claim must not exceed this.")
    within: tuple[float, float] | None = Field(default=None, description="Both ends: [low, high].")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Confidence of the verdict.")
    severity: Severity = Field(default="blocker", description="A blocker or major stops a release; a minor does not.")
    controls: tuple[str, ...] = Field(default=(), description="Controls it serves, as framework@edition:id.")
    variant: str | None = Field(default=None, description="Variant that the promise is about; default: the main one.")
    expect: float | None = Field(default=None, description="True value assumed when planning the sample.")
    power: float = Field(default=0.8, gt=0, lt=1, description="Wanted chance that a true promise comes out met.")

    @field_validator("within")
    @classmethod
    def _ordered(cls, within: tuple[float, float] | None) -> tuple[float, float] | None:
        if within is not None and within[0] >= within[1]:
            raise ValueError("the lower end must be below the upper end")
        return within

    @model_validator(mode="after")
    def _one_bound(self) -> Requirement:
        if (self.within is not None) == (self.at_least is not None or self.at_most is not None):
            raise ValueError("give a bound: at_least, at_most, or within")
        if self.at_least is not None and self.at_most is not None:
            raise ValueError("give one of at_least and at_most; for both ends write within: [low, high]")
        return self

    @property
    def low(self) -> float | None:
        """The value that the claim must not fall below."""
        return self.within[0] if self.within else self.at_least

    @property
    def high(self) -> float | None:
        """The value that the claim must not exceed."""
        return self.within[1] if self.within else self.at_most

    @property
    def bound(self) -> dict[str, Any]:
        """The bound as the plan wrote it."""
        stated = {"at_least": self.at_least, "at_most": self.at_most, "within": self.within}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in stated.items()
            if value is not None
        }


class Plan(Model):
    """Policy as code: the system, what is evaluated, and what is required."""

    system: System = Field(description="What is under test.")
    extends: tuple[str, ...] = Field(default=(), description="Policy packs: shipworthy/<name>, or a path.")
    subjects: dict[str, Subject] = Field(default_factory=dict, description="Name -> a system that predicts.")
    evaluations: dict[str, Evaluation] = Field(default_factory=dict, description="Name -> decisions to be evaluated.")
    baseline: str | None = Field(default=None, description="A run folder, or the name of a variant.")
    requirements: tuple[Requirement, ...] = Field(default=(), description="What was promised.")
    seed: int = Field(default=20_250_101, ge=0, description="Seed of everything that is drawn.")
