"""Runs in the record: what a run found, kept to be searched. Its folder stays the evidence; its digest is here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.digest import canonical, digest
from shipworthy.errors import Fault, Unusable
from shipworthy.record.moments import moment, stamp
from shipworthy.record.reading import unkeepable
from shipworthy.record.schema import inputs, runs, verdicts

_OF_INPUT = ("evaluation", "source", "digest", "rows")
LONGEST = 2_000  # characters of a name, a place or a source


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """What is known of a run before anything else."""

    digest: str  # sha256:... of its manifest: the run's name in the record
    run: str  # its own id
    system: str
    version: str
    plan_digest: str
    created: datetime
    decision: str  # ship | hold | undecided
    locked: datetime | None = None  # when its plan was locked
    baseline: str | None = None
    place: str = ""  # where its folder lies, relative to the record or as a URL; no part of what the log covers


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptRun:
    """A run as the record keeps it."""

    facts: RunFacts
    at: datetime  # when it was recorded
    actor: str
    seq: int  # of its audit entry
    is_new: bool = False  # recorded by this very call


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptVerdict:
    """One verdict of a recorded run."""

    run: str  # digest of the run
    name: str  # the run's own id
    system: str
    version: str
    created: datetime
    requirement: str
    verdict: str
    severity: str
    body: dict[str, Any]  # as results.json has it


def read_run(
    facts: RunFacts, found: Sequence[Mapping[str, Any]], sources: Sequence[Mapping[str, Any]], estimates: int
) -> bytes:
    """What the log's digest covers of a run, as canonical JSON.

    found, sources: `verdicts` and `inputs` of results.json. Raises Unusable (RECORD011, RECORD018).
    """
    known = {
        "digest": facts.digest, "run": facts.run, "system": facts.system, "version": facts.version,
        "plan_digest": facts.plan_digest, "created": stamp(facts.created), "decision": facts.decision,
        "locked": stamp(facts.locked) if facts.locked else None, "baseline": facts.baseline,
    }  # fmt: skip
    faults = [*unkeepable({**known, "place": facts.place}, "run")]
    faults += [fault for i, one in enumerate(found) for fault in unkeepable(one, f"run: verdicts[{i}]")]
    faults += [fault for i, one in enumerate(sources) for fault in unkeepable(one, f"run: inputs[{i}]")]
    if faults:
        raise Unusable(faults)
    for name, text in (*known.items(), ("place", facts.place)):
        if isinstance(text, str) and len(text) > LONGEST:
            faults.append(_wrong(f"{name!r} has more than {LONGEST:,} characters", "run"))
    if not facts.digest.startswith("sha256:") or len(facts.digest) != 71:
        faults.append(_wrong("`digest` is not the run's, as sha256:<64 hex digits>", "run"))
    for i, one in enumerate(found):
        if not all(isinstance(one.get(key), str) for key in ("requirement", "verdict", "severity")):
            faults.append(_wrong("a verdict lacks its requirement, verdict or severity", f"run: verdicts[{i}]"))
    for i, one in enumerate(sources):
        if not isinstance(one.get("evaluation"), str) or not isinstance(one.get("source"), str):
            faults.append(_wrong("an input lacks its evaluation or source", f"run: inputs[{i}]"))
        elif type(one.get("rows")) is not int or not isinstance(one.get("digest"), str | None):
            faults.append(_wrong("an input lacks its rows, or its digest is no text", f"run: inputs[{i}]"))
    if faults:
        raise Unusable(faults)
    read = [{name: one.get(name) for name in _OF_INPUT} for one in sources]
    return canonical({**known, "verdicts": digest(list(found)), "inputs": digest(read), "estimates": estimates})


def insert_run(
    connection: Connection,
    facts: RunFacts,
    found: Sequence[Mapping[str, Any]],
    sources: Sequence[Mapping[str, Any]],
    *,
    body: bytes,
    at: str,
    actor: str,
    seq: int,
) -> int:
    """Insert a run that the record does not know yet, with its verdicts and inputs; its number."""
    number = int(connection.execute(sa.select(sa.func.max(runs.c.number))).scalar() or 0) + 1
    connection.execute(
        sa.insert(runs).values(
            number=number, digest=facts.digest, run=facts.run, system=facts.system, version=facts.version,
            plan_digest=facts.plan_digest, locked=stamp(facts.locked) if facts.locked else None,
            created=stamp(facts.created), decision=facts.decision, baseline=facts.baseline, place=facts.place,
            body=body.decode(), at=at, actor=actor, seq=seq,
        )
    )  # fmt: skip
    if found:
        columns = ("requirement", "verdict", "severity")
        connection.execute(
            sa.insert(verdicts),
            [
                {
                    "number": number,
                    "position": i,
                    **{name: one[name] for name in columns},
                    "body": canonical(one).decode(),
                }
                for i, one in enumerate(found)
            ],
        )
    if sources:
        connection.execute(
            sa.insert(inputs),
            [
                {"number": number, "position": i, **{name: one.get(name) for name in _OF_INPUT}}
                for i, one in enumerate(sources)
            ],
        )
    return number


def find_runs(connection: Connection, where: Sequence[sa.ColumnElement[bool]], limit: int) -> tuple[KeptRun, ...]:
    """Recorded runs, the newest first."""
    chosen = sa.select(runs).where(*where).order_by(runs.c.created.desc(), runs.c.number.desc()).limit(limit)
    return tuple(
        KeptRun(
            facts=RunFacts(
                digest=row.digest, run=row.run, system=row.system, version=row.version, plan_digest=row.plan_digest,
                created=moment(row.created), decision=row.decision, locked=moment(row.locked) if row.locked else None,
                baseline=row.baseline, place=row.place,
            ),
            at=moment(row.at), actor=row.actor, seq=row.seq,
        )
        for row in connection.execute(chosen)
    )  # fmt: skip


def find_verdicts(
    connection: Connection, where: Sequence[sa.ColumnElement[bool]], limit: int
) -> tuple[KeptVerdict, ...]:
    """Verdicts of recorded runs, the newest run first, in each the order that results.json has."""
    chosen = (
        sa.select(runs.c.digest, runs.c.run, runs.c.system, runs.c.version, runs.c.created, verdicts)
        .join(runs, runs.c.number == verdicts.c.number)
        .where(*where)
        .order_by(runs.c.created.desc(), runs.c.number.desc(), verdicts.c.position)
        .limit(limit)
    )
    return tuple(
        KeptVerdict(
            run=row.digest, name=row.run, system=row.system, version=row.version, created=moment(row.created),
            requirement=row.requirement, verdict=row.verdict, severity=row.severity, body=json.loads(row.body),
        )
        for row in connection.execute(chosen)
    )  # fmt: skip


def _wrong(what: str, where: str) -> Fault:
    return Fault(code="RECORD018", what=what, where=where, mend="hand over what results.json of the run has")
