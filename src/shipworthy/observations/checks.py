"""Data checks, made before anyone believes a metric. Each is a finding; what makes data unusable is an error
elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import numpy as np

from shipworthy.metrics.generative import OF_EXPECTED
from shipworthy.metrics.kinds import Metric, OutcomeRate
from shipworthy.observations.answers import FAILED
from shipworthy.observations.conditions import shorten
from shipworthy.observations.findings import Finding, Gravity
from shipworthy.observations.table import Observations
from shipworthy.observations.truth import as_number
from shipworthy.stats.proportion import wilson
from shipworthy.subjects.faults import gist

MOST_COLUMNS = 60  # that proxies are looked for in
MOST_LEVELS = 50  # of a column that is taken as categories
MANY_UNLABELLED = 0.05  # share of rows in scope from which it is a warning that nobody knows the truth about them
FEW_BEYOND = 0.1  # share of scores outside of 0 to 1 below which the others are meant as probabilities
STRONG_PROXY = 0.3  # Cramér's V from which a column gives a protected attribute away


def check_rows(observations: Observations) -> Iterator[Finding]:
    """Constant columns, duplicate ids, missing scores, and how much of the data the evaluation is about."""
    name, table, backend = observations.evaluation, observations.table, observations.backend
    questions: dict[str, ir.Value] = {}
    for column in sorted(observations.roles & {"label", "prediction", "score", "weight"}):
        questions[f"distinct {column}"] = table[column].nunique()
    for column in sorted(role for role in observations.roles if role.startswith("slice.")):
        questions[f"missing {column}"] = table[column].isnull().sum()
    if "case" in observations.roles:
        questions["distinct case"], questions["missing case"] = table["case"].nunique(), table["case"].isnull().sum()
    if "cluster" in observations.roles:
        questions["distinct cluster"] = table["cluster"].nunique()
    improbable = [column for column, ends in observations.score_ranges.items() if ends[0] < 0 or ends[1] > 1]
    for column in improbable:
        questions[f"beyond {column}"] = ((table[column] < 0) | (table[column] > 1)).sum()
    yield from _unlabelled(observations)
    yield from _unpredicted(observations)
    found: Mapping[str, Any] = backend.to_pyarrow(table.aggregate(**questions)).to_pylist()[0] if questions else {}
    for question, count in found.items():
        kind, _, column = question.partition(" ")
        if kind == "missing" and count:
            yield _warn(
                name, "missing values", f"{count:,} of {observations.rows:,} rows have no {_plain(column)}", count
            )
        elif kind == "distinct" and count == 1 and column in ("label", "prediction", "score"):
            yield _warn(name, "constant column", f"every row has the same {column}", observations.rows)
        elif kind == "beyond" and 0 < count < FEW_BEYOND * observations.rows:
            low, high = observations.score_ranges[column]
            what = (
                f"{count:,} of {observations.rows:,} rows have a {_plain(column)} that is no probability, unlike the "
            )
            what += f"others: they run from {low:.4g} to {high:.4g}"
            yield _warn(name, "improbable scores", what, count)
    if "case" in observations.roles:
        twice = observations.rows - (found["missing case"] or 0) - found["distinct case"]
        if twice:
            yield _warn(name, "duplicate ids", f"{twice:,} rows repeat an id that another row has", twice)
        else:
            yield Finding(evaluation=name, check="duplicate ids", gravity="ok", what="every id stands once")
    if "cluster" in observations.roles:
        clusters = found["distinct cluster"]
        what = f"{observations.rows:,} rows in {clusters:,} clusters; intervals count clusters, not rows"
        yield Finding(evaluation=name, check="clusters", gravity="note", what=what, rows=observations.rows)


def _unlabelled(observations: Observations) -> Iterator[Finding]:
    """Rows left out because nobody knows the truth about them, where they are many."""
    gone = sum(one.rows for one in observations.exclusions if one.reason.startswith("label "))
    scope = observations.scope
    if gone > MANY_UNLABELLED * scope:
        what = (
            f"{gone:,} of {scope:,} rows have no label and are left out: what is measured is of the rest, "
            "and may not hold for them"
        )
        yield _warn(observations.evaluation, "missing labels", what, gone)


def _unpredicted(observations: Observations) -> Iterator[Finding]:
    """What the system, or another version of it, left empty: such rows count either way, of that version alone."""
    for column, count in observations.missing.items():
        role, _, version = column.partition("@")
        of = f" of {version}" if version else ""
        what = f"{count:,} of {observations.rows:,} rows have no {role}{of}"
        if odd := min(observations.odd.get(column, 0), count):
            what += f" ({odd:,} infinite or not a number)"
        alone = f"of {version} alone, and in changes against it" if version else "of this version"
        what += f"; they count either way in what is measured {alone}"
        yield _warn(observations.evaluation, "missing values", what, count)


_MOST_REASONS = 5_000  # different ones that are counted
_SHOWN_REASONS = 3
_GRAVITY: Mapping[str, Gravity] = {"ok": "ok", "refused": "ok", "filtered": "note", "skipped": "warning"}
_TOLD = {
    "ok": "were answered",
    "refused": "were refused by the subject's own flag",
    "filtered": "were stopped by a content filter",
    "empty": "came back empty",
    "timeout": "ran out of time",
    "error": "failed",
    "skipped": "were not asked",
}


def check_answers(observations: Observations) -> Iterator[Finding]:
    """How requests ended, by status, for each version, and why where they failed; which answers a scorer could not
    score, and why; and how many families the rows come from.
    """
    name, table, backend = observations.evaluation, observations.table, observations.backend
    for column in sorted(role for role in observations.roles if role.partition("@")[0] == "status"):
        version = column.partition("@")[2]
        counted = backend.to_pyarrow(table.group_by(status=table[column]).aggregate(rows=table.count())).to_pylist()
        asked = sum(row["rows"] for row in counted if row["status"] is not None)
        for row in sorted(counted, key=lambda row: -row["rows"]):
            status, rows = row["status"], row["rows"]
            if status is None:  # what versions were not asked alike is told where they are paired
                continue
            of = f" of {version}" if version else ""
            of += ", of several draws by the one that counts," if "failed" in table.columns else ""
            what = f"{rows:,} of {asked:,} requests{of} {_TOLD[status]}"
            if status not in ("ok", "refused", "filtered"):
                what += "; their outcomes count either way"
            error = f"error@{version}" if version else "error"
            if status in ("error", "timeout") and error in table.columns:
                what += _reasons(observations, table[column] == status, table[error].cast("string"))
            gravity = _GRAVITY.get(status, "warning")
            yield Finding(evaluation=name, check=f"status {status}", gravity=gravity, what=what, rows=rows)
    yield from _unscored(observations)
    if "cluster" in observations.roles:
        families = backend.to_pyarrow(table.aggregate(n=table["cluster"].nunique())).to_pylist()[0]["n"]
        what = f"{observations.rows:,} answers to {families:,} families of cases; intervals count families, not answers"
        yield Finding(evaluation=name, check="clusters", gravity="note", what=what, rows=observations.rows)


def check_cases(observations: Observations, metrics: Sequence[Metric]) -> Iterator[Finding]:
    """Metrics of answers that count none of these rows, and what would have to be known for them to count some."""
    table = observations.table
    counted: dict[str, ir.Value] = {"expect": table["expect"].count()} if "expect" in table.columns else {}
    about = [m for m in metrics if isinstance(m, OutcomeRate) and m.case is not None and m.needs <= observations.roles]
    counted |= {f"metric {m.name}": m.case(table).fill_null(False).sum() for m in about if m.case is not None}
    if not about:
        return
    found = observations.backend.to_pyarrow(table.aggregate(**counted)).to_pylist()[0]
    for metric in about:
        if found[f"metric {metric.name}"]:
            continue
        what = f"{metric.name} counts none of these answers"
        if metric.name.partition("[")[0] in OF_EXPECTED:
            wanted = "should be answered (expect: comply)" if "refusal" in metric.name else "should not succeed"
            what += f": it is about requests that {wanted}, "
            unsaid = "and no row says what was expected: give each case, or row of a log, expect: comply or refuse; a "
            unsaid += "column of another name is named under the subject: fields: {expect: <column>}"
            what += "and none of these is one" if found.get("expect") else unsaid
        yield _warn(observations.evaluation, "no cases", what, 0)


def _unscored(observations: Observations) -> Iterator[Finding]:
    """Answers that a scorer, or a judge, could not score."""
    table = observations.table
    for column in sorted(name for name in table.columns if name.partition("@")[0].endswith("_why")):
        scorer, _, version = column.partition("@")
        failed = table[column].cast("string").startswith(FAILED).fill_null(False)
        rows = int(observations.backend.to_pyarrow(table.aggregate(n=failed.sum())).to_pylist()[0]["n"] or 0)
        if not rows:
            continue
        of = f" of {version}" if version else ""
        of = f"{rows:,} of {observations.rows:,} answers{of}"
        what = f"{scorer.removesuffix('_why')} has no word on {of}; their outcomes count either way"
        what += _reasons(observations, failed, table[column].cast("string").substr(len(FAILED)))
        yield _warn(observations.evaluation, "unscored answers", what, rows)


def _reasons(observations: Observations, rows: ir.BooleanValue, why: ir.Value) -> str:
    """The commonest reasons of some rows, with an example of the first. They come from a subject, and were made fit to
    be shown when they were kept.
    """
    grouped = observations.table.filter(rows).group_by(why=why.fill_null("")).aggregate(n=ibis._.count())
    commonest = grouped.order_by(ibis.desc("n"), "why").limit(_MOST_REASONS)
    counts: Counter[str] = Counter()
    example: dict[str, str] = {}
    for row in observations.backend.to_pyarrow(commonest).to_pylist():
        reason = gist(row["why"]) or "no reason was kept"
        counts[reason] += row["n"]
        example.setdefault(reason, row["why"])
    told = [f"{reason} ({count:,})" for reason, count in counts.most_common(_SHOWN_REASONS)]
    if len(counts) > _SHOWN_REASONS:
        told.append(f"{len(counts) - _SHOWN_REASONS} other reasons")
    first = example[counts.most_common(1)[0][0]]
    return f". Why: {', '.join(told)}" + (
        f"; for example: {shorten(first, 160)}" if first and first not in counts else ""
    )


def check_overlap(observations: Observations, rows: ir.Table, train: ir.Table, *, key: str | None) -> Finding:
    """How many evaluated rows also stand in the training data: by id where both have it, else by all shared columns."""
    name = observations.evaluation
    shared = (
        [key]
        if key and key in rows.columns and key in train.columns
        else [c for c in rows.columns if c in train.columns]
    )
    if not shared:
        return _warn(
            name,
            "overlap with training",
            "the training data share no column with the evaluated data, so overlap is unknown",
        )
    left = rows.select(**{f"k{i}": rows[c].cast("string").fill_null("\x00") for i, c in enumerate(shared)})
    right = train.select(
        **{f"k{i}": train[c].cast("string").fill_null("\x00") for i, c in enumerate(shared)}
    ).distinct()
    both = left.semi_join(right, [f"k{i}" for i in range(len(shared))])
    count = int(observations.backend.to_pyarrow(both.aggregate(n=both.count())).to_pylist()[0]["n"])
    basis = f"the id {key!r}" if shared == [key] else f"all {len(shared)} shared columns"
    if count:
        return _warn(
            name,
            "overlap with training",
            f"{count:,} evaluated rows also stand in the training data (by {basis})",
            count,
        )
    return Finding(
        evaluation=name,
        check="overlap with training",
        gravity="ok",
        what=f"no evaluated row stands in the training data (by {basis})",
    )


def check_population(
    observations: Observations, rows: ir.Table, column: str, shares: Mapping[str, float]
) -> Iterator[Finding]:
    """Shares of the evaluated rows against those of a reference population, level by level."""
    name = observations.evaluation
    counts = observations.backend.to_pyarrow(
        rows.select(level=rows[column].cast("string")).group_by("level").aggregate(n=lambda t: t.count())
    ).to_pylist()
    by_level = {row["level"]: row["n"] for row in counts}
    total = sum(by_level.values())
    for level, share in shares.items():
        n = by_level.get(level, 0)
        low, high = wilson(n, total)
        what = (
            f"{column} = {level}: {n / total:.1%} of the rows ({low:.1%} to {high:.1%}), {share:.1%} of the population"
        )
        off = not low <= share <= high and abs(n / total - share) > 0.2 * share
        yield Finding(evaluation=name, check="population", gravity="warning" if off else "ok", what=what, rows=n)
    for level in sorted((str(level) for level in by_level if level not in shares), key=str):
        what = f"{column} = {level} is in the data and not in the stated population"
        yield Finding(evaluation=name, check="population", gravity="note", what=what)


def check_proxies(
    observations: Observations, rows: ir.Table, attributes: Sequence[str], *, ignore: frozenset[str]
) -> Iterator[Finding]:
    """Which other columns give a protected attribute away: bias-corrected Cramér's V of each, numbers cut into ten
    bins.

    Source: Bergsma (2013), J. Korean Stat. Soc. 42, 323-328.
    """
    others = [column for column in rows.columns if column not in ignore and column not in attributes][:MOST_COLUMNS]
    levels = _levels(observations, rows, others)
    for attribute in attributes:
        strengths = []
        for column, level in levels.items():
            pairs = rows.select(a=rows[attribute].cast("string"), b=level)
            counted = pairs.group_by(["a", "b"]).aggregate(n=lambda t: t.count()).limit(5_000)
            strength = _cramers_v(observations.backend.to_pyarrow(counted))
            if strength is not None:
                strengths.append((strength, column))
        if not strengths:
            continue
        strengths.sort(reverse=True)
        said = ", ".join(f"{column} {strength:.2f}" for strength, column in strengths[:3])
        strong = strengths[0][0] >= STRONG_PROXY
        what = (
            f"{attribute} shows through other columns (Cramér's V: {said})"
            if strong
            else f"no single column gives {attribute} away (Cramér's V: {said})"
        )
        gravity: Gravity = "warning" if strong else "ok"
        yield Finding(evaluation=observations.evaluation, check="proxies", gravity=gravity, what=what)


def _levels(observations: Observations, rows: ir.Table, columns: Sequence[str]) -> dict[str, ir.Value]:
    """Every column as a few levels: text as it is, numbers in bins that hold about equally many rows."""
    has_quantiles = observations.backend.has_operation(ops.ApproxQuantile)
    numbers = [column for column in columns if has_quantiles and rows[column].type().is_numeric()]
    asked = {
        f"q{i}_{k}": rows[column].cast("float64").approx_quantile(k / 10)
        for i, column in enumerate(numbers)
        for k in range(1, 10)
    }
    found = observations.backend.to_pyarrow(rows.aggregate(**asked)).to_pylist()[0] if asked else {}
    levels: dict[str, ir.Value] = {}
    for column in columns:
        value = rows[column]
        if column in numbers:
            i = numbers.index(column)
            cuts = sorted({cut for k in range(1, 10) if (cut := found[f"q{i}_{k}"]) is not None})
            steps = [as_number(value.cast("float64") >= cut, "int64") for cut in cuts]
            if steps:
                levels[column] = sum(steps[1:], steps[0]).cast("string")
        elif value.type().is_string() or value.type().is_boolean():
            levels[column] = value.cast("string")
    return levels


def _cramers_v(table: Any) -> float | None:
    a, b = table["a"].to_pylist(), table["b"].to_pylist()
    rows, columns = list(dict.fromkeys(a)), list(dict.fromkeys(b))
    if len(rows) < 2 or len(columns) < 2 or len(columns) > MOST_LEVELS or len(rows) > MOST_LEVELS:
        return None
    counts = np.zeros((len(rows), len(columns)))
    np.add.at(counts, ([rows.index(x) for x in a], [columns.index(x) for x in b]), table["n"].to_numpy().astype(float))
    n = counts.sum()
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / n
    phi2 = float(((counts - expected) ** 2 / expected).sum() / n)
    r, k = counts.shape
    corrected = max(0.0, phi2 - (k - 1) * (r - 1) / (n - 1))
    smaller = min(k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(corrected / smaller)) if smaller > 0 else None


def _plain(column: str) -> str:
    return column.removeprefix("slice.")


def _warn(evaluation: str, check: str, what: str, rows: int | None = None) -> Finding:
    return Finding(evaluation=evaluation, check=check, gravity="warning", what=what, rows=rows)
