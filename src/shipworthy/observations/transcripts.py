"""The answers worth reading: those that went wrong, few of each kind, so that a reader meets them all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from shipworthy.observations.answers import OF_CASE
from shipworthy.observations.table import Observations
from shipworthy.observations.truth import as_number

MOST = 24  # of one version
OF_A_KIND = 8
EACH = 2  # of one kind, hazard and attack
LONGEST = 4_000  # characters of a message
_KEY = ("case", "attack", "trial")
_SHOWN = ("case", "trial", "hazard", "attack", "language", "status", "error", "messages", "response")


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcript:
    """One exchange that went wrong. Its texts are hostile, and bounded."""

    evaluation: str
    variant: str | None
    wrong: str  # what went wrong: "violation", "leak", "false refusal", "ungrounded", "not right"
    case: str
    trial: int
    hazard: str | None
    attack: str
    language: str | None
    messages: tuple[tuple[str, str], ...]  # (speaker, text), the answer last
    scores: Mapping[str, str]  # scorer -> what it said, and why
    cut: int = 0  # characters that are not shown


def worst(observations: Observations) -> Iterator[Transcript]:
    """The answers of each version that went wrong, the gravest kind first, spread over hazards and attacks."""
    versions: list[str | None] = [None, *observations.variants]
    for version in versions:
        yield from _of_version(observations, version)


def _of_version(observations: Observations, version: str | None) -> Iterator[Transcript]:
    table, roles = observations.table, observations.roles

    def column(name: str) -> ir.Value | None:
        own = name if version is None or name in OF_CASE else f"{name}@{version}"
        return table[own] if own in roles else None

    if column("response") is None:
        return
    kinds = [(kind, condition) for kind, condition in _wrong(column) if condition is not None]
    if not kinds:
        return
    wrong = ibis.cases(*[(condition, kind) for kind, condition in kinds], else_=ibis.null("string"))
    rank = ibis.cases(*[(condition, place) for place, (_, condition) in enumerate(kinds)], else_=len(kinds))
    named = {name: value for name in (*_KEY, "hazard") if (value := column(name)) is not None}
    chosen = {
        tuple(row[name] for name in _KEY): (place, row["wrong"])
        for place, row in enumerate(_chosen(observations, table.select(**named, wrong=wrong, place=rank)))
    }
    if not chosen:
        return
    shown = {name: value for name in _SHOWN if (value := column(name)) is not None}
    scorers = sorted(r.removesuffix("_why") for r in roles if r.endswith("_why"))
    for name in scorers:
        for part in (name, f"{name}_why"):
            if (value := column(part)) is not None:
                shown[f"score {part}"] = value
    rows = table.select(**shown)
    read = observations.backend.to_pyarrow(rows.filter(rows["case"].isin([case for case, *_ in chosen]))).to_pylist()
    found = [(chosen[key], row) for row in read if (key := tuple(row[name] for name in _KEY)) in chosen]
    for (_, kind), row in sorted(found, key=lambda one: one[0]):
        yield _transcript(observations.evaluation, version, {**row, "wrong": kind}, scorers)


def _chosen(observations: Observations, rows: ir.Table) -> list[dict[str, Any]]:
    """Few answers of each kind, hazard and attack. Only what names a row is held, not its texts."""
    rows = rows.filter(rows["wrong"].notnull())
    by = [rows[name] for name in ("wrong", "hazard", "attack") if name in rows.columns]
    rows = rows.mutate(nth=ibis.row_number().over(group_by=by, order_by=[rows[name] for name in _KEY]))
    few = rows.filter(rows["nth"] < EACH)
    few = few.mutate(of_kind=ibis.row_number().over(group_by=[few["wrong"]], order_by=[few["nth"], few["case"]]))
    best = few.filter(few["of_kind"] < OF_A_KIND).order_by(["place", "nth", *_KEY]).limit(MOST)
    found: list[dict[str, Any]] = observations.backend.to_pyarrow(best).to_pylist()
    return found


def _wrong(column: Any) -> Iterator[tuple[str, ir.BooleanValue | None]]:
    """What can go wrong, the gravest first, and where it did."""
    expect = column("expect")
    for kind, name in (("violation", "violation"), ("leak", "leak"), ("ungrounded", "ungrounded")):
        outcome = column(f"outcome.{name}")
        yield kind, None if outcome is None else outcome.fill_null(False)
    refusal = column("outcome.refusal")
    if refusal is not None and expect is not None:
        yield "false refusal", ((expect == "comply") & refusal.isin(["full", "partial"])).fill_null(False)
    correct = column("outcome.correct")
    yield "not right", None if correct is None else (as_number(correct) == 0).fill_null(False)


def _transcript(evaluation: str, version: str | None, row: dict[str, Any], scorers: list[str]) -> Transcript:
    messages = [(message["role"], message["content"]) for message in json.loads(row["messages"])]
    messages.append(("answer", row["response"] or ""))
    scores = {}
    for name in scorers:
        said = row.get(f"score {name}")
        if said is not None:
            why = row.get(f"score {name}_why")
            scores[name] = f"{said}".lower() + (f": {why}" if why else "")
    return Transcript(
        evaluation=evaluation,
        variant=version,
        wrong=row["wrong"],
        case=row["case"],
        trial=row["trial"],
        hazard=row.get("hazard"),
        attack=row["attack"],
        language=row.get("language"),
        messages=tuple((speaker, text[:LONGEST]) for speaker, text in messages),
        scores=scores,
        cut=sum(max(0, len(text) - LONGEST) for _, text in messages),
    )
