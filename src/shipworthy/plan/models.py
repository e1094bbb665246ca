"""The plan file's models: what was promised about a system, and on which data it is to be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

Tier: TypeAlias = Literal["minimal", "limited", "high", "critical"]
Severity: TypeAlias = Literal["blocker", "major", "minor"]
Comparison: TypeAlias = Literal["value", "difference", "ratio", "change"]
Task: TypeAlias = Literal["binary", "multiclass", "regression", "ranking", "generative"]
Kind: TypeAlias = Literal["python", "sklearn", "onnx", "http", "chat", "huggingface", "log", "simulated"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Level: TypeAlias = str | int | float | bool  # a value of a column, as YAML writes it


_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_PRIVATE = frozenset({"secret", "password", "passwd", "authorization", "apikey"})
_BEFORE_KEY = frozenset({"api", "access", "auth", "bearer", "private", "secret", "client", "refresh", "account"})
_KEY_SHAPE = re.compile(r"(?=\S*[0-9])(?=\S*[A-Za-z])[\w.+/=-]{16,}")
_KEY_PREFIX = re.compile(
    r"\b(sk-[\w-]{20}|gh[pousr]_\w{36}|github_pat_\w{20}|xox[abposr]-[\w-]{10}|(AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{35}"
    r"|hf_[A-Za-z0-9]{30}|[rs]k_live_\w{20}|eyJ[\w-]{8,}\.eyJ)"
)


def is_secret(name: str, value: str) -> bool:
    """Whether a text that a plan writes out looks like a key or a password, by what it is called or how it begins.

    Placeholders, such as `${NAME}` or `{prompt}`, and words, such as `EMPTY` or a column's name, are none.
    """
    if _KEY_PREFIX.search(value):
        return True
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or "{" in value or len(value) < 6:
        return False
    if words[-1] in _PRIVATE or (words[-1] in ("key", "token") and len(words) > 1 and words[-2] in _BEFORE_KEY):
        return True
    return words[-1] in ("key", "token") and _KEY_SHAPE.fullmatch(value) is not None


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


class Prices(Model):
    """What a million tokens cost."""

    input: float = Field(default=0.0, ge=0, description="Per million tokens sent.")
    output: float = Field(default=0.0, ge=0, description="Per million tokens received.")


class Limits(Model):
    """How hard a subject may be asked, and how much it may cost."""

    max_concurrency: int = Field(default=8, ge=1, le=10_000, description="Requests on their way at once.")
    requests_per_minute: float | None = Field(default=None, gt=0, description="Rate limit on requests.")
    tokens_per_minute: float | None = Field(default=None, gt=0, description="Rate limit on tokens.")
    max_cost: float | None = Field(default=None, ge=0, description="Stop asking when this much was spent.")
    retries: int = Field(default=4, ge=0, le=20, description="Further attempts after a failure that may pass.")


class Response(Model):
    """Where things stand in an application's response, as paths such as `choices[0].text` or `docs[*].content`."""

    answer: str = Field(min_length=1, description="The answer's text.")
    passages: str | None = Field(default=None, description="What it retrieved, a list.")
    tool_calls: str | None = Field(default=None, description="Tools that it called, a list.")
    tool_name: str = Field(default="name", description="A tool call's name, inside of it.")
    tool_arguments: str = Field(default="arguments", description="A tool call's arguments, inside of it.")
    tokens_in: str | None = Field(default=None, description="Tokens sent.")
    tokens_out: str | None = Field(default=None, description="Tokens received.")
    cost: str | None = Field(default=None, description="What the call cost.")
    refused: str | None = Field(default=None, description="Truth value: the application refused.")
    error: str | None = Field(default=None, description="An error told in a response of status 200.")
    stream: str | None = Field(default=None, description="The text of one server-sent event, where it streams.")


class Subject(Model):
    """A system under test: one that predicts for rows, or one that answers requests. Exactly one key names its kind."""

    python: str | None = Field(default=None, description="A callable, as module:function.")
    sklearn: str | None = Field(default=None, description="A scikit-learn model file: .skops, or .joblib with `trust`.")
    onnx: str | None = Field(default=None, description="An ONNX model file.")
    http: str | None = Field(default=None, description="URL that scores a JSON batch; with `request`, an application.")
    chat: str | None = Field(default=None, description="Base URL of an OpenAI-compatible endpoint, up to /v1.")
    huggingface: str | None = Field(default=None, description="Folder or name of a Hugging Face model, run here.")
    log: str | None = Field(default=None, description="Recorded answers: JSON Lines, Parquet, CSV, or OTel spans.")
    simulated: dict[str, JsonValue] | None = Field(
        default=None, description="A simulated assistant with known flaws: an instrument to test the instrument."
    )
    features: tuple[str, ...] = Field(default=(), description="Columns handed over, in order; empty: all of them.")
    trust: bool = Field(default=False, description="Load a format that can execute code (joblib).")
    batch: int = Field(default=10_000, ge=1, le=1_000_000, description="Rows per call.")
    timeout: float = Field(default=60.0, gt=0, description="Seconds per call.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="HTTP headers; ${NAME} is read from the environment."
    )
    model: str | None = Field(default=None, description="The model to ask for (chat).")
    system: str | None = Field(default=None, description="System prompt: text, or a .md or .txt file beside the plan.")
    key: str | None = Field(default=None, description="API key as ${NAME}, from the environment, or file:PATH.")
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict, description="Sent with each request: temperature, max_tokens, seed, ..."
    )
    stream: bool = Field(default=False, description="Stream answers, and measure the time to the first token (chat).")
    prices: Prices | None = Field(default=None, description="Price of tokens, for cost and its ceiling.")
    limits: Limits = Field(default_factory=Limits, description="How hard it may be asked, and what it may cost.")
    method: Literal["POST", "PUT", "GET"] = Field(default="POST", description="HTTP method (http with request).")
    request: JsonValue = Field(default=None, description="Body of a request, with {prompt}, {session}, {messages} ...")
    response: Response | None = Field(default=None, description="Where things stand in a response.")
    fields: dict[str, str] = Field(default_factory=dict, description="Our name -> column of the log.")

    @property
    def kind(self) -> Kind:
        """Which kind of subject it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Subject:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise ValueError(f"name exactly one of {', '.join(KINDS)}")
        for name, value in self.headers.items():
            if re.search(r"auth|cookie|key|secret|token", name, re.IGNORECASE) and "${" not in value:
                raise ValueError(
                    f"the header {name} holds a secret, and a plan is kept with its evidence: write ${{NAME}}"
                )
        for url in filter(None, (self.http, self.chat)):
            _refuse_secret_address(url)
        written = {"headers": dict(self.headers), "parameters": self.parameters, "request": self.request}
        for path, name, value in _texts(written, ""):
            if is_secret(name, value):
                raise ValueError(
                    f"{path[1:]} holds a secret, and a plan is kept with its evidence: send it by key: or headers:, "
                    "as ${NAME} of the environment"
                )
        if self.key is not None and not re.fullmatch(r"\$\{\w+\}|file:.+", self.key):
            raise ValueError("the key is a secret, and a plan is kept with its evidence: write ${NAME} or file:PATH")
        if (self.request is None) != (self.response is None):
            raise ValueError("an application needs both: request, and where the answer stands in its response")
        return self


def _refuse_secret_address(url: str) -> None:
    query = url.partition("?")[2].partition("#")[0]
    pairs = (pair.partition("=") for pair in query.split("&"))
    named = {name: value for name, _, value in pairs if is_secret(name, value)}
    found = re.match(r"\w+://[^/?#@:]*:([^/?#]+)@", url)
    password = found[1] if found else ""
    if named or (password and "${" not in password):
        what = f"the address holds a secret in its {next(iter(named))}" if named else "the address holds a password"
        raise ValueError(
            f"{what}, and a plan is kept with its evidence: send it by key: or headers:, as ${{NAME}} of the "
            "environment"
        )


def _texts(value: Any, path: str, name: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, name and text of every text in a JSON value; what stands in a list is called as the list is."""
    if isinstance(value, str):
        yield path, name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}", key)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]", name)


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
    """Another version, on the same cases: the roles that differ, or the subject that is asked instead."""

    subject: str | None = Field(default=None, description="Name of the subject that is asked instead.")
    prediction: str | None = Field(default=None, description="What this version decided.")
    score: str | None = Field(default=None, description="The score behind it.")
    scores: dict[str, str] = Field(default_factory=dict, description="Class -> its score column (multiclass).")

    @model_validator(mode="after")
    def _differs(self) -> Variant:
        if self.subject is None and self.prediction is None and self.score is None and not self.scores:
            raise ValueError("name what differs: subject, prediction, score or scores")
        return self


class CustomMetric(Model):
    """A metric of your own: a function of the columns, as module:function."""

    python: str = Field(min_length=1, description="The function, as module:function.")
    name: str | None = Field(default=None, description="Name used in requirements; default: the function's.")


class Evaluation(Model):
    """What is evaluated: rows of decisions (`data`), or the answers of a subject to a suite of cases (`scorers`).

    Slicing, metrics and what small groups show are the same for both.
    """

    data: str | None = Field(default=None, min_length=1, description="File, glob, fsspec URL, or a SELECT.")
    suite: str | dict[str, JsonValue] | tuple[str | dict[str, JsonValue], ...] | None = Field(
        default=None,
        description="Cases to ask: shipworthy/<name>, a suite's folder, a file of cases, or {path: ..., format: ...}.",
    )
    attacks: tuple[str, ...] = Field(
        default=("none",), min_length=1, max_length=200, description="How cases are asked: none, roleplay, a+b, ..."
    )
    trials: int = Field(default=1, ge=1, le=1_000, description="How often each case is asked.")
    scorers: tuple[str | dict[str, JsonValue], ...] = Field(
        default=(), max_length=50, description="What judges an answer; left out: what the suite names."
    )
    sample: int | None = Field(default=None, ge=1, description="Ask only so many cases, drawn by the seed.")
    only: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Ask only cases with these values: {language: [en, de]}."
    )
    cache: bool = Field(default=False, description="Keep answers, and do not ask the same of the same subject twice.")
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

    @property
    def is_generative(self) -> bool:
        """Whether its rows are answers: asked for, or recorded."""
        return self.data is None

    @model_validator(mode="after")
    def _one_origin(self) -> Evaluation:
        if self.data is not None and self.suite is not None:
            raise ValueError("rows come from data or from asking a suite: give one of them")
        if self.data is None and self.suite is None and self.subject is None:
            raise ValueError("say where rows come from: data, or a suite and the subject to ask")
        if self.suite is not None and self.subject is None:
            raise ValueError("a suite is asked of a subject: add `subject:`")
        asking = ("scorers", "attacks", "trials", "sample", "only")
        if self.data is not None:
            for key in asking:
                if getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True):
                    raise ValueError(f"{key} belongs to a suite that is asked, and these rows come from data")
        return self


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
    subjects: dict[str, Subject] = Field(default_factory=dict, description="Name -> a system under test.")
    evaluations: dict[str, Evaluation] = Field(default_factory=dict, description="Name -> what is evaluated.")
    baseline: str | None = Field(default=None, description="A run folder, or the name of a variant.")
    requirements: tuple[Requirement, ...] = Field(default=(), description="What was promised.")
    seed: int = Field(default=20_250_101, ge=0, lt=2**53, description="Seed of everything that is drawn.")
