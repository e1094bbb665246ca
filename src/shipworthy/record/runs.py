"""Runs in the record: what a run found, kept to be searched. Its folder stays the evidence; its digest is here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.digest import canonical, digest
from shipworthy.errors import Damaged, Fault, Unusable
from shipworthy.record import audit
from shipworthy.record.moments import moment, stamp
from shipworthy.record.reading import unkeepable
from shipworthy.record.schema import heads, inputs, runs, verdicts

OF_BODY = ("digest", "run", "system", "version", "plan_digest", "created", "decision", "locked", "baseline")
_OF_INPUT = ("evaluation", "source", "digest", "rows")
_NAMES = 500  # systems, or runs, in one question: older SQLite takes 999 parameters
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
    chosen = sa.select(runs, *audit.TOLD_OF_RUN).where(*where)
    newest_first = chosen.order_by(runs.c.created.desc(), runs.c.number.desc()).limit(limit)
    return tuple(
        KeptRun(
            facts=RunFacts(
                digest=row.digest, run=row.run, system=row.system, version=row.version, plan_digest=row.plan_digest,
                created=moment(row.created), decision=row.decision, locked=moment(row.locked) if row.locked else None,
                baseline=row.baseline, place=row.place,
            ),
            at=moment(row.at), actor=row.actor, seq=row.seq,
        )
        for row in map(_held, connection.execute(newest_first))
    )  # fmt: skip


def _held(row: Any) -> Any:
    """The row of a run, held against its body and the log. Raises Damaged (RECORD020)."""
    after = audit.sealed(row.body.encode(), row.told_salt or "")
    name = f"run/{row.digest}"
    audit.refuse_unlike(row.told, object=name, before=None, after=after, at=row.at, actor=row.actor)
    told = _json(row.body, name)
    if wrong := [column for column in OF_BODY if told.get(column) != getattr(row, column)]:
        raise audit.changed(f"its {', '.join(wrong)}", name)
    return row


def refuse_changed(connection: Connection, digests: Sequence[str]) -> None:
    """Raise Damaged (RECORD009, RECORD020) unless the verdicts of these runs are what the log covers."""
    for start in range(0, len(digests), _NAMES):
        wanted = runs.c.digest.in_(digests[start : start + _NAMES])
        judged: dict[int, list[Any]] = {}
        chosen = sa.select(verdicts).join(runs, runs.c.number == verdicts.c.number).where(wanted)
        for row in connection.execute(chosen.order_by(verdicts.c.number, verdicts.c.position)):
            judged.setdefault(row.number, []).append(row)
        for row in map(_held, connection.execute(sa.select(runs, *audit.TOLD_OF_RUN).where(wanted))):
            name = f"run/{row.digest}"
            if not are_told(judged.get(row.number, []), _json(row.body, name).get("verdicts"), name):
                raise audit.changed("its verdicts", name)


def are_told(judged: Sequence[Any], told: object, name: str) -> bool:
    """Whether rows of verdicts, in their order, are what a run's body tells by one digest. Raises Damaged."""
    # Each is kept as canonical JSON, and so is the list that was digested.
    listed = hashlib.sha256(f"[{','.join(one.body for one in judged)}]".encode()).hexdigest()
    return f"sha256:{listed}" == told and all(
        getattr(one, column) == said.get(column)
        for one, said in ((one, _json(one.body, name)) for one in judged)
        for column in ("requirement", "verdict", "severity")
    )


def _json(text: str, name: str) -> dict[str, Any]:
    """A JSON object that the record keeps. Raises Damaged (RECORD009)."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        what = "something that the record keeps is no JSON object: it was changed there"
        mend = "`shipworthy record verify` says where; then restore a backup"
        raise Damaged(Fault(code="RECORD009", what=what, where=name[:200], mend=mend))
    return found


def find_newest(
    connection: Connection, systems: Sequence[str], where: Sequence[sa.ColumnElement[bool]]
) -> tuple[KeptRun, ...]:
    """The newest run of each of these systems that has one."""
    found: list[KeptRun] = []
    for start in range(0, len(systems), _NAMES):
        wanted = systems[start : start + _NAMES]
        its = sa.select(heads.c.id).where(heads.c.kind == "system", heads.c.id.in_(wanted)).subquery()
        one = runs.alias()
        newest = (
            sa.select(one.c.number)
            .where(one.c.system == its.c.id)
            .order_by(one.c.created.desc(), one.c.number.desc())
            .limit(1)
            .scalar_subquery()
        )
        found += find_runs(connection, [runs.c.number.in_(sa.select(newest).select_from(its)), *where], len(wanted))
    return tuple(found)


def find_named(
    connection: Connection, digests: Sequence[str], where: Sequence[sa.ColumnElement[bool]]
) -> tuple[KeptRun, ...]:
    """Those of the runs of these digests that there are."""
    found: list[KeptRun] = []
    for start in range(0, len(digests), _NAMES):
        wanted = digests[start : start + _NAMES]
        found += find_runs(connection, [runs.c.digest.in_(wanted), *where], len(wanted))
    return tuple(found)


_OF_RUN = (runs.c.digest, runs.c.run, runs.c.system, runs.c.version, runs.c.created)
_BY_RUN = (runs.c.created.desc(), runs.c.number.desc(), verdicts.c.position)


def find_verdicts(
    connection: Connection, where: Sequence[sa.ColumnElement[bool]], limit: int | None
) -> tuple[KeptVerdict, ...]:
    """Verdicts of recorded runs, the newest run first, in each the order that results.json has."""
    chosen = sa.select(*_OF_RUN, verdicts).join(runs, runs.c.number == verdicts.c.number).where(*where)
    return tuple(_verdict(row) for row in connection.execute(chosen.order_by(*_BY_RUN).limit(limit)))


def find_histories(
    connection: Connection, where: Sequence[sa.ColumnElement[bool]], longest: int, limit: int
) -> tuple[tuple[KeptVerdict, ...], dict[str, int]]:
    """The `longest` newest verdicts on each requirement, the newest first, and how many there are in all.

    limit: requirements whose verdicts are read, those first whose newest verdict is worst.
    """
    each = verdicts.c.requirement
    ranked = (
        sa.select(
            verdicts.c.number, verdicts.c.position, verdicts.c.requirement, verdicts.c.verdict,
            sa.func.row_number().over(partition_by=each, order_by=_BY_RUN).label("place"),
            sa.func.count().over(partition_by=each).label("count"),
        )
        .join(runs, runs.c.number == verdicts.c.number)
        .where(*where)
        .subquery()
    )  # fmt: skip
    worst = sa.case({"breached": 0, "undecided": 1}, value=ranked.c.verdict, else_=2)
    newest = sa.select(ranked.c.requirement, ranked.c.count).where(ranked.c.place == 1)
    counts = {one: int(count) for one, count in connection.execute(newest.order_by(worst, ranked.c.requirement))}
    wanted = list(counts)[:limit]
    same = sa.and_(ranked.c.number == verdicts.c.number, ranked.c.position == verdicts.c.position)
    chosen = (
        sa.select(*_OF_RUN, verdicts)
        .join(runs, runs.c.number == verdicts.c.number)
        .join(ranked, same)
        .where(ranked.c.place <= longest, *where)
        .order_by(*_BY_RUN)
    )
    if len(wanted) < len(counts):
        chosen = chosen.where(ranked.c.requirement.in_(wanted))
    return tuple(_verdict(row) for row in connection.execute(chosen)), counts


def _verdict(row: Any) -> KeptVerdict:
    return KeptVerdict(
        run=row.digest, name=row.run, system=row.system, version=row.version, created=moment(row.created),
        requirement=row.requirement, verdict=row.verdict, severity=row.severity,
        body=_json(row.body, f"run/{row.digest}"),
    )  # fmt: skip


def _wrong(what: str, where: str) -> Fault:
    return Fault(code="RECORD018", what=what, where=where, mend="hand over what results.json of the run has")
