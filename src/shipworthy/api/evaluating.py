"""One evaluation: open the rows, let a subject predict, prepare, check the data, measure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis.common.exceptions import OperationNotDefinedError, UnsupportedOperationError

from shipworthy.api.asking import Asked, default_slices
from shipworthy.api.measuring import Measured, measure_all
from shipworthy.errors import DataError, Fault, MissingExtra, Unusable
from shipworthy.metrics.catalogue import custom, load_custom, lookup
from shipworthy.metrics.kinds import Metric, RowMean, Summary
from shipworthy.observations.checks import (
    check_answers,
    check_cases,
    check_overlap,
    check_population,
    check_proxies,
    check_rows,
)
from shipworthy.observations.conditions import columns_in, shorten, suggest, translate
from shipworthy.observations.delimited import reason
from shipworthy.observations.findings import Finding, Input
from shipworthy.observations.fingerprints import fingerprint
from shipworthy.observations.sources import Source, connect, open_frame, open_source
from shipworthy.observations.table import Locate, Observations, prepare
from shipworthy.observations.tasks import infer_task, score_of_positive
from shipworthy.plan.checks import custom_name
from shipworthy.plan.models import CustomMetric, Evaluation, Requirement, Roles, Subject, Task, Variant
from shipworthy.subjects.loading import load_subject, predict_batches

_DEFAULTS: dict[Task, tuple[str, ...]] = {
    "binary": ("accuracy", "selection_rate", "tpr", "fpr"),
    "multiclass": ("accuracy", "macro_recall", "macro_f1"),
    "regression": ("mae", "mean_error"),
    "ranking": ("ndcg@10", "mrr"),
    "generative": (
        "attack_success_rate",
        "false_refusal_rate",
        "refusal_rate",
        "leak_rate",
        "grounding_error_rate",
        "pass_rate",
        "failure_rate",
        "latency_p50",
        "latency_p95",
        "tokens_out_mean",
        "cost_per_1000",
    ),
}
_WITH_SCORE = ("auc", "brier", "ece")


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Everything known about one evaluation."""

    name: str
    model: Evaluation
    observations: Observations
    measured: Measured
    metrics: tuple[Metric, ...]
    findings: tuple[Finding, ...]
    source: Input


def evaluate_rows(
    name: str,
    model: Evaluation,
    *,
    resolve: Any,
    locate: Locate,
    rng: np.random.Generator,
    frame: Any = None,
    requirements: Sequence[Requirement] = (),
    subjects: dict[str, Subject] | None = None,
    folder: Path | None = None,
    baseline: str | None = None,
    checks: bool = True,
    digest: bool = True,
    curves: bool = True,
    functions: Sequence[Callable[..., Any]] = (),
    asked: Asked | None = None,
) -> Evaluated:
    """Evaluate one set of rows. Raises DataError, also where the rows turn out to be damaged on the way.

    resolve: from a path in the plan to a path from here. frame: a table in memory, instead of what `data:` names.
    requirements: those of this evaluation; their metrics and axes are measured too. functions: metrics of one's own.
    asked: the answers of a generative evaluation, which then are the rows.
    """
    if asked is not None:
        model = model.model_copy(update={"data": str(asked.rows), "subject": None, "task": "generative"})
    with _reading(locate, is_remote=model.connection is not None):
        backend = connect()
        if folder is not None:
            backend.raw_sql(f"SET file_search_path = '{str(folder).replace(chr(39), chr(39) * 2)}'")
            if (
                any(isinstance(entry, CustomMetric) for entry in model.metrics)
                and str(folder.resolve()) not in sys.path
            ):
                sys.path.append(str(folder.resolve()))  # last: the plan's folder hides nothing that is installed
        if frame is not None:
            source = open_frame(frame, backend=backend, name=model.data or name)
        elif model.data is None:
            raise DataError(
                Fault(
                    code="DATA023",
                    what="these rows have to be asked for, and only a check of the plan asks",
                    where=locate(),
                    mend="run `shipworthy check`, or give the rows with data:",
                )
            )
        else:
            source = open_source(
                resolve(model.data), connection=model.connection, backend=backend, where=locate("data")
            )
            backend = source.table.get_backend()
        _refuse_empty(source, locate)
        named = (model.subject, *(other.subject for other in model.variants.values()))
        if subjects and asked is None and any(named):  # what was asked already has its answers
            source, model = _predicted(source, model, subjects, backend, folder or Path())
        task = infer_task(model, _possible(model, requirements), source.table, backend, where=locate("roles", "label"))
        metrics: list[Metric] = [*(custom(function) for function in functions)]
        if model.metrics or requirements or not functions:
            metrics = [
                *metrics_for(model, requirements, task, None if asked is None else valued(source.table, backend)),
                *metrics,
            ]
        if asked is not None:
            metrics = [_in_range(metric, asked.ranges) for metric in metrics]
            source, model = _answers(source, model, asked, backend, locate)
        axes = [requirement.across for requirement in requirements if requirement.across is not None]
        observations = prepare(name, model, source, backend=backend, task=task, locate=locate, extra_axes=axes)
        if asked is not None:
            observations = replace(observations, judged=asked.judged)
        if task == "ranking" and "cluster" not in observations.roles:
            observations = _cluster_by_query(observations)
        if asked is not None:
            promised = {m.name: m for requirement in requirements for m in metrics_of(requirement, task)[0]}
            empty = check_cases(observations, tuple(promised.values()))
            findings = (*check_answers(observations), *empty, *asked.findings)
        else:
            findings = tuple(_findings(observations, source, model, resolve, locate)) if checks else ()
        measured = measure_all(observations, metrics, rng=rng, baseline=baseline, with_curves=curves, locate=locate)
        return Evaluated(
            name=name,
            model=model,
            observations=observations,
            measured=measured,
            metrics=tuple(metrics),
            findings=findings,
            source=Input(
                evaluation=name,
                source=source.name,
                digest=fingerprint(observations.table, backend) if digest else "not computed",
                rows=observations.scope + observations.outside,
                columns=source.columns,
            ),
        )


def _in_range(metric: Metric, ranges: Mapping[str, tuple[float, float]]) -> Metric:
    """The mean of a scorer whose numbers have a range, with that range."""
    scorer = metric.name.removeprefix("mean[").removesuffix("]")
    if isinstance(metric, RowMean) and metric.name == f"mean[{scorer}]" and metric.needs == {scorer}:
        return replace(metric, bounds=ranges.get(scorer))
    return metric


def valued(table: ir.Table, backend: Any) -> frozenset[str]:
    """The columns that have a value anywhere."""
    found = backend.to_pyarrow(table.aggregate(**{column: table[column].count() for column in table.columns}))
    return frozenset(column for column, count in found.to_pylist()[0].items() if count)


def _answers(
    source: Source, model: Evaluation, asked: Asked, backend: Any, locate: Locate
) -> tuple[Source, Evaluation]:
    """Answers as rows: sliced by what usually matters where the plan names no slices, and clustered where a family of
    cases has several rows.
    """
    table = source.table
    if model.roles.cluster is not None:
        families = translate(model.roles.cluster, table, where=locate("roles", "cluster"))
        table = table.mutate(cluster=families.cast("string").fill_null(table["case"]))
    usual = [column for column in ("hazard", "attack", "language") if column in table.columns]
    facts = {column: table[column].nunique() for column in [*usual, "cluster"]} | {"rows": table.count()}
    found = backend.to_pyarrow(table.aggregate(**facts)).to_pylist()[0]
    if not model.slices:
        model = model.model_copy(update={"slices": default_slices(found)})
    if found["cluster"] == found["rows"]:
        table = table.drop("cluster")
    empty = [name for name, kind in table.schema().items() if kind.is_null()]
    return replace(source, table=table.drop(*empty) if empty else table, name=asked.source), model


@contextmanager
def _reading(locate: Locate, *, is_remote: bool) -> Iterator[None]:
    """Rows are read late and several times, so damage to them can show at any step. Faults without a place get one."""
    try:
        yield
    except MissingExtra:
        raise
    except Unusable as error:
        if all(fault.where for fault in error.faults):
            raise
        raise type(error)(replace(fault, where=fault.where or locate()) for fault in error.faults) from error
    except (OperationNotDefinedError, UnsupportedOperationError) as error:
        raise DataError(
            Fault(
                code="DATA021",
                what=f"the backend has no way to compute what a metric or slice needs: {shorten(str(error), 200)}",
                where=locate("connection" if is_remote else "data"),
                mend="drop what needs it, or copy the rows into a Parquet file and name that as data:",
            )
        ) from error
    except Exception as error:
        damaged = isinstance(error, _DAMAGE) or type(error) is duckdb.Error
        if not (damaged or is_remote):
            raise
        told = reason(error) if damaged else (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            Fault(
                code="DATA001",
                what=f"the rows cannot be read to the end: {shorten(told, 240)}",
                where=locate("data"),
                mend="check that the source is whole; a column of mixed types can be converted: cast(column as double)",
            )
        ) from error


_DAMAGE = (
    duckdb.IOException,
    duckdb.InvalidInputException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.OutOfMemoryException,
    duckdb.HTTPException,
)


def _no_column(name: str, use: str, source: Source, where: str) -> DataError:
    what = f"there is no column {shorten(name)!r}, which {use}"
    return DataError(Fault(code="DATA002", what=what, where=where, mend=suggest(name, source.columns)))


def _refuse_empty(source: Source, locate: Locate) -> None:
    if not source.table.columns:
        raise DataError(
            Fault(code="DATA007", what="the data have no columns", where=locate("data"), mend="point data: at a table")
        )


def _cluster_by_query(observations: Observations) -> Observations:
    table = observations.table.mutate(cluster=observations.table["query"])
    return replace(observations, table=table, roles=observations.roles | {"cluster"})


def metrics_of(
    requirement: Requirement, task: Task | None, own: Sequence[Metric] = ()
) -> tuple[list[Metric], Summary | None]:
    """The metrics that a requirement is about, and the fairness summary that it names, if it does.

    own: metrics that are known by their name here only, such as custom ones.
    """
    for metric in own:
        if metric.name == requirement.metric:
            return [metric], None
    found = lookup(requirement.metric, task)
    if isinstance(found, Summary):
        return [_metric(name, task) for name in found.metrics], found
    return [found], None


def _metric(name: str, task: Task | None) -> Metric:
    found = lookup(name, task)
    assert isinstance(found, Metric)
    return found


def _possible(model: Evaluation, requirements: Sequence[Requirement]) -> list[frozenset[str]]:
    own = {custom_name(entry) for entry in model.metrics if isinstance(entry, CustomMetric)}
    names = [entry for entry in model.metrics if isinstance(entry, str)] + [r.metric for r in requirements]
    found = [lookup(name) for name in names if name not in own]
    return [metric.tasks for metric in found if isinstance(metric, Metric)] + [
        frozenset({"binary"}) for metric in found if isinstance(metric, Summary) and metric.metrics != ("accuracy",)
    ]


def metrics_for(
    model: Evaluation, requirements: Sequence[Requirement], task: Task, columns: frozenset[str] | None = None
) -> list[Metric]:
    """The metrics that an evaluation and its requirements name; sensible ones where they name none, and of answers all
    that their `columns` have values for.
    """
    chosen: dict[str, Metric] = {}
    for entry in model.metrics:
        if isinstance(entry, str):
            found = lookup(entry, task)
            parts = [found] if isinstance(found, Metric) else [_metric(name, task) for name in found.metrics]
        else:
            parts = [load_custom(entry.python, entry.name)]
        chosen |= {metric.name: metric for metric in parts}
    for requirement in requirements:
        if requirement.metric not in chosen:
            chosen |= {metric.name: metric for metric in metrics_of(requirement, task)[0] if metric.name not in chosen}
    if task == "generative" and columns is not None:
        for name in _DEFAULTS[task]:
            metric = _metric(name, task)
            if metric.needs <= columns:
                chosen.setdefault(name, metric)
        return list(chosen.values())
    if not chosen:
        names = _DEFAULTS[task] + (_WITH_SCORE if task == "binary" and score_of_positive(model.roles) else ())
        have = {role for role in ("label", "prediction", "score") if getattr(model.roles, role)}
        have |= {"score"} if score_of_positive(model.roles) else set()
        chosen = {name: metric for name in names if (metric := _metric(name, task)).needs <= have | {"query"}}
    return list(chosen.values())


def _predicted(
    source: Source, model: Evaluation, subjects: Mapping[str, Subject], backend: Any, folder: Path
) -> tuple[Source, Evaluation]:
    """Let the subjects of all versions predict for all rows, and put their answers beside them."""
    rows = backend.to_pyarrow(source.table)
    # Nobody predicts from the answer: without a list of features a subject sees everything but the outcome.
    kept = [columns_in(text, rows.column_names) for text in (model.roles.label, model.roles.weight) if text]
    shown = rows.drop_columns(sorted(frozenset[str]().union(*kept)))

    def asked(subject: str, version: Roles | Variant, stem: str) -> dict[str, Any]:
        nonlocal rows
        predictor = load_subject(subject, subjects[subject], folder=folder)
        answers = pa.concat_tables(
            [answer for _, answer in predict_batches(predictor, shown.to_batches())], promote_options="permissive"
        )
        roles: dict[str, Any] = version.model_dump()
        for column in answers.column_names:
            rows = rows.append_column(f"{stem}.{column}", answers[column])
            if column.startswith("score["):
                roles["scores"] = {**roles["scores"], column[6:-1]: f"{stem}.{column}"}
        if roles["prediction"] is None and "prediction" in answers.column_names:
            roles["prediction"] = f"{stem}.prediction"
        if roles["score"] is None and "score" in answers.column_names and not roles["scores"]:
            roles["score"] = f"{stem}.score"  # where there are scores by class, the positive one is among them
        return roles

    roles = model.roles if model.subject is None else Roles(**asked(model.subject, model.roles, "subject"))
    variants = {
        name: other if other.subject is None else Variant(**asked(other.subject, other, f"subject@{name}"))
        for name, other in model.variants.items()
    }
    name = ibis.util.gen_name("predicted")
    backend.con.register(name, rows)
    predicted = Source(table=backend.table(name), name=source.name, files=source.files, columns=source.columns)
    return predicted, model.model_copy(update={"roles": roles, "variants": variants})


def _findings(
    observations: Observations, source: Source, model: Evaluation, resolve: Any, locate: Locate
) -> list[Finding]:
    found = list(check_rows(observations))
    if not observations.is_embedded:
        what = f"the rows stay in their backend ({observations.backend.name}): only counts and sums were brought here"
        found.append(Finding(evaluation=observations.evaluation, check="push-down", gravity="note", what=what))
    roles, rows = model.roles, observations.source
    assert rows is not None  # they were just prepared
    if model.train is not None:
        train = open_source(resolve(model.train), connection=None, backend=observations.backend, where=locate("train"))
        found.append(check_overlap(observations, rows, train.table, key=roles.id))
    for column, shares in model.population.items():
        if column not in rows.columns:
            raise _no_column(column, "is compared with the population", source, locate("population", column))
        found += check_population(observations, rows, column, shares)
    own = frozenset(
        text
        for text in (roles.label, roles.prediction, roles.score, roles.id, roles.weight, roles.cluster, roles.query)
        if text
    )
    protected = model.protected or tuple(entry for entry in model.slices if isinstance(entry, str))
    for index, attribute in enumerate(model.protected):
        if attribute not in rows.columns:
            raise _no_column(attribute, "is protected", source, locate("protected", index))
    present = [attribute for attribute in protected if attribute in rows.columns]
    found += check_proxies(observations, rows, present, ignore=own)
    return found
