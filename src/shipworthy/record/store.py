"""The record: one database, opened from code; every change is one transaction with its lines in the audit log."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, Unpack

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from shipworthy.digest import canonical
from shipworthy.errors import Damaged, Fault, Unusable
from shipworthy.record import artifacts as files
from shipworthy.record import audit, finding, people
from shipworthy.record import labels as words_of_people
from shipworthy.record import runs as kept_runs
from shipworthy.record.artifacts import Artifact, KeptArtifact
from shipworthy.record.documents import Document, Kind, System
from shipworthy.record.finding import Where
from shipworthy.record.labels import Label
from shipworthy.record.moments import moment, stamp
from shipworthy.record.opening import PATIENCE, one_state, open_database, reading, scrub, state_of, writing
from shipworthy.record.people import Person
from shipworthy.record.reading import body_bytes, checked, kept_document, words_of
from shipworthy.record.runs import KeptRun, KeptVerdict, RunFacts
from shipworthy.record.schema import artifacts as known_files
from shipworthy.record.schema import documents as versions
from shipworthy.record.schema import heads, runs, series, verdicts
from shipworthy.record.separation import breaches

if TYPE_CHECKING:
    import pyarrow as pa

    from shipworthy.integrity.keys import Register
    from shipworthy.integrity.merkle import Tree
    from shipworthy.record.verifying import Verified

MOST = 1_000  # what one question brings back, unless it asks for more
MOST_SEARCHED = 20_000  # documents, the newest, whose texts a search reads
_ACTION = re.compile(r"[a-z][a-z -]{0,39}")

# Built once: to build a statement anew takes SQLAlchemy longer than the database takes to run it.
_OF_ONE = (versions.c.kind == sa.bindparam("of_kind"), versions.c.id == sa.bindparam("of_id"))
_ALL = sa.select(versions, audit.TOLD).where(*_OF_ONE)
_NEWEST = _ALL.order_by(versions.c.version.desc()).limit(1)
_VERSION = _ALL.where(versions.c.version == sa.bindparam("of_version"))
_HISTORY = _ALL.order_by(versions.c.version)
_FIRST = (
    sa.select(versions.c.id, versions.c.seq, versions.c.at)
    .join(heads, sa.and_(heads.c.kind == versions.c.kind, heads.c.id == versions.c.id))
    .where(
        heads.c.kind == sa.bindparam("of_kind"), heads.c.system == sa.bindparam("of_system"), versions.c.version == 1
    )
)
_INSERT, _INSERT_HEAD = sa.insert(versions), sa.insert(heads)
SYSTEM: sa.ColumnElement[str] = sa.func.coalesce(heads.c.system, heads.c.id)  # a system is about itself
_MOVE_HEAD = sa.update(heads).where(heads.c.kind == sa.bindparam("of_kind"), heads.c.id == sa.bindparam("of_id"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One version of a document, as the record keeps it."""

    kind: Kind
    id: str
    version: int  # 1, 2, ...
    document: Document | None  # None once this version was forgotten
    digest: str  # salted, as the audit log has it
    salt: str | None  # hexadecimal; with the body it makes the digest; None once this version was forgotten
    previous: str | None  # of the version before
    at: datetime
    actor: str
    seq: int  # of its audit entry
    is_new: bool = False  # written by this very call
    fault: Fault | None = None  # why it cannot be read, where a list was asked for with those that are damaged


P = ParamSpec("P")
T = TypeVar("T")


def _once(ask: Callable[Concatenate[Record, P], T]) -> Callable[Concatenate[Record, P], T]:
    """A question that is answered once in one state of the database."""

    @wraps(ask)
    def answer(self: Record, /, *given: P.args, **named: P.kwargs) -> T:
        state = state_of(self._engine)
        if state is None:
            return ask(self, *given, **named)
        said = ((key, tuple(one) if isinstance(one, list) else one) for key, one in sorted(named.items()))
        question = (self, ask.__name__, given, tuple(said))
        if question not in state.known:
            state.known[question] = ask(self, *given, **named)
        found: T = state.known[question]
        return found

    return answer


class Record:
    """What was promised, measured, decided, waived and signed. Safe for many processes at once; `with` closes it.

    Actors are commitments of people (`person`), and `now` is handed in: the record has no clock of its own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, place: str | Path, *, create: bool = True, patience: float = PATIENCE) -> Self:
        """Open the record in a file or under a URL; make it, or bring its tables up to date, where that is needed.

        create: make one where there is none. patience: seconds that a writer waits for others.
        Raises Unusable: RECORD001 not there, RECORD002 not a record or damaged, RECORD003 from a newer Shipworthy,
        RECORD004 locked by others, RECORD005 read-only, RECORD006 no answer, RECORD007 out of room, RECORD008 refused.
        """
        return cls(open_database(place, create=create, patience=patience))

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def copy_to(self, other: Record) -> int:
        """Copy everything into another record, which has to be empty, in one transaction; the number of rows.

        Raises Unusable (RECORD019).
        """
        from shipworthy.record.moving import copy_rows

        with writing(self._engine) as source, writing(other._engine) as target:
            return copy_rows(source, target)

    def one_state(self) -> AbstractContextManager[None]:
        """Whatever is read of the record meanwhile, in this thread, is of one state, and what is asked twice read once.

        What is written meanwhile is not seen before the end.
        """
        return one_state(self._engine)

    # People

    def person(self, email: str, name: str) -> str:
        """The commitment that stands for a person from now on. Raises Unusable (RECORD011, RECORD017).

        An address that the record knows keeps its commitment and the name that was written first.
        """
        email, name = email.strip(), name.strip()
        people.refuse(email, name)
        with reading(self._engine) as connection:
            known = people.find(connection, email, name)
        if known is not None:
            return known
        with writing(self._engine) as connection:
            return people.find(connection, email, name) or people.commit_to(connection, email, name)

    @_once
    def people(self, only: Collection[str] | None = None) -> dict[str, Person]:
        """Everyone whom the record knows, by commitment; without address and name once erased.

        only: commitments that are asked for, a few.
        """
        with reading(self._engine) as connection:
            return people.everyone(connection, only)

    def erase(self, actor: str, now: datetime, person: str) -> None:
        """Forget who stands behind a commitment. The log keeps the commitment, and says that it was erased.

        What documents say about the person in words is forgotten with `forget`. Raises Unusable (RECORD017).
        """
        with writing(self._engine) as connection:
            people.require(connection, actor, person)
            people.forget(connection, person)
            change = audit.Change(action="person.erase", object=person)
            audit.append(connection, at=now, actor=actor, changes=[change])
        scrub(self._engine)

    # Documents

    def write(
        self,
        actor: str,
        now: datetime,
        *documents: Document,
        action: str | None = None,
        based_on: Mapping[tuple[str, str], int] | None = None,
    ) -> tuple[Kept, ...]:
        """Write documents, all or none, each as a new version with its line in the log; what did not change is left.

        action: what is done, in lower-case words; by default create or update.
        based_on: (kind, id) -> version that the caller read; 0 says that there was none.
        Raises Unusable: RECORD010 to RECORD014 and RECORD016 for a document that cannot be, RECORD015 where somebody
        else has written since `based_on`, RECORD017 for an unknown actor.
        """
        if action is not None and not _ACTION.fullmatch(action):
            what = f"{action[:60]!r} is no action"
            raise Unusable(Fault(code="RECORD017", what=what, where="action", mend="use at most 40 lower-case letters"))
        ready = _all_checked(documents)
        at = stamp(now)
        with writing(self._engine) as connection:
            people.require(connection, actor)
            _refuse_overtaken(connection, based_on or {})
            seq, kept = audit.size(connection), []
            for document in ready:
                head = _newest(connection, document.kind, document.id)
                system = document if isinstance(document, System) else _system_of(connection, document)
                if broken := breaches(head.document if head else None, document, actor=actor, system=system):
                    raise Unusable(broken)
                if head is not None and head.document == document:
                    kept.append(head)
                    continue
                new = _insert(connection, document, head, at=at, actor=actor, seq=seq)
                done = action or ("update" if head else "create")
                change = audit.Change(
                    action=f"{document.kind}.{done}",
                    object=f"{document.kind}/{document.id}",
                    before=new.previous,
                    after=new.digest,
                )
                audit.append(connection, at=now, actor=actor, changes=[change])  # at once: the next may rest on it
                kept.append(new)
                seq += 1
        return tuple(kept)

    @_once
    def get(self, kind: Kind, id: str, *, version: int | None = None) -> Kept | None:
        """The newest version of a document, or the one asked for; None where there is none."""
        named: dict[str, str | int] = {"of_kind": kind, "of_id": id}
        chosen = _NEWEST if version is None else _VERSION
        with reading(self._engine) as connection:
            row = connection.execute(chosen, named if version is None else {**named, "of_version": version}).first()
            return None if row is None else _kept(row)

    @_once
    def history(self, kind: Kind, id: str) -> tuple[Kept, ...]:
        """Every version of a document, the oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(_HISTORY, {"of_kind": kind, "of_id": id})
            return tuple(_kept(row) for row in rows)

    @_once
    def begun(self, kind: Kind, system: str) -> dict[str, tuple[int, datetime]]:
        """When each document of a kind of a system was first written: id -> the line of the log, and its time."""
        named = {"of_kind": kind, "of_system": system}
        with reading(self._engine) as connection:
            rows = connection.execute(_FIRST.where(*self._only(SYSTEM)), named)
            return {row.id: (row.seq, moment(row.at)) for row in rows}

    @_once
    def find(
        self,
        kind: Kind,
        *,
        order: finding.Order = "id",
        limit: int = MOST,
        offset: int = 0,
        damaged: bool = False,
        **where: Unpack[Where],
    ) -> tuple[Kept, ...]:
        """The newest versions of documents that meet every condition.

        order: by id; by the day on which they are due; those first that were written last; of risks, the worst first.
        damaged: one that cannot be read comes too, with its `fault` and without what it says, for who only shows them;
        else it is refused. Raises Damaged (RECORD009).
        """
        with reading(self._engine) as connection:
            found = finding.find_documents(connection, kind, where, self._only(SYSTEM), order, limit, offset)
            return tuple(_kept(row, damaged=damaged) for row in found)

    def count(self, kind: Kind, **where: Unpack[Where]) -> int:
        """How many documents `find` finds without a limit."""
        with reading(self._engine) as connection:
            return finding.count_documents(connection, kind, where, self._only(SYSTEM))

    def kinds(self, system: str | None = None) -> dict[str, int]:
        """How many documents there are of which kind, of one system or of all."""
        where = [*self._only(SYSTEM), *([heads.c.system == system] if system is not None else [])]
        kind = heads.c.kind.concat("") if system is not None else heads.c.kind  # by the index of systems
        chosen = sa.select(kind, sa.func.count()).where(*where).group_by(kind)
        with reading(self._engine) as connection:
            return {one: int(count) for one, count in connection.execute(chosen)}

    def states(self, kind: Kind, **where: Unpack[Where]) -> dict[str, int]:
        """How many documents have which status; "" for those without one."""
        with reading(self._engine) as connection:
            return finding.count_states(connection, kind, where, self._only(SYSTEM))

    def tally(self, *kinds: Kind, **where: Unpack[Where]) -> dict[tuple[str, str, str], tuple[int, int | None]]:
        """How many documents of some kinds systems have in each state, and the worst of their scores.

        (kind, system, status) -> (how many, likelihood × severity of the worst risk).
        """
        with reading(self._engine) as connection:
            return finding.tally(connection, kinds, where, self._only(SYSTEM))

    def search(
        self, text: str, *, system: str | None = None, most: int = MOST_SEARCHED, limit: int = MOST
    ) -> tuple[tuple[Kept, ...], int]:
        """Documents in which a text stands as one piece, in any case, or whose id begins with it; by kind and id.

        The texts of the `most` documents are searched that were written last; the second part says how many those were.
        """
        with reading(self._engine) as connection:
            only = self._only(SYSTEM)
            rows, looked = finding.find_by_words(connection, text, only, system=system, most=most, limit=limit)
            return tuple(_kept(row, damaged=True) for row in rows), looked

    def ids(self, kind: Kind) -> tuple[str, ...]:
        """The ids that are taken, of whatever system: what is numbered anew must not meet one."""
        with reading(self._engine) as connection:
            return tuple(connection.execute(sa.select(heads.c.id).where(heads.c.kind == kind)).scalars())

    def forget(self, actor: str, now: datetime, kind: Kind, id: str, *forgotten: int) -> None:
        """Forget what older versions of a document said; that they were there, when and by whom, stays.

        Raises Unusable (RECORD017) for the newest version, which is replaced first, and for one that is not there.
        """
        with writing(self._engine) as connection:
            people.require(connection, actor)
            here = (versions.c.kind == kind, versions.c.id == id)
            found = set(connection.execute(sa.select(versions.c.version).where(*here)).scalars())
            for version in forgotten:
                if version not in found or version == max(found):
                    why = "the newest one: write one that does not say it first" if version in found else "not there"
                    what, where = (
                        f"version {version} of {kind} {id[:80]!r} cannot be forgotten: it is {why}",
                        f"{kind} {id!r}",
                    )
                    raise Unusable(Fault(code="RECORD017", what=what, where=where[:200], mend="name older versions"))
            if not forgotten:
                return
            these = (*here, versions.c.version.in_(forgotten))
            connection.execute(sa.update(versions).where(*these).values(body=None, salt=None))
            details = {"versions": sorted(set(forgotten))}
            change = audit.Change(action=f"{kind}.forget", object=f"{kind}/{id}", details=details)
            audit.append(connection, at=now, actor=actor, changes=[change])
        scrub(self._engine)

    # Runs

    def add_run(  # noqa: PLR0917  who, when and the parts of one run
        self,
        actor: str,
        now: datetime,
        run: RunFacts,
        verdicts: Sequence[Mapping[str, Any]],
        estimates: pa.Table,
        inputs: Sequence[Mapping[str, Any]],
    ) -> KeptRun:
        """Record a run with what it found, once: a run whose digest is known already is left as it is.

        verdicts, inputs: the lists of results.json. estimates: `estimates.parquet`. Raises Unusable (RECORD011,
        RECORD017, RECORD018).
        """
        from shipworthy.record.estimates import add_estimates, read_estimates

        body = kept_runs.read_run(run, verdicts, inputs, estimates.num_rows)
        table = read_estimates(estimates, "run: estimates")
        at, salt = stamp(now), audit.fresh_salt()
        with writing(self._engine) as connection:
            people.require(connection, actor)
            if known := kept_runs.find_runs(connection, [runs.c.digest == run.digest], 1):
                return known[0]
            seq = audit.size(connection)
            number = kept_runs.insert_run(connection, run, verdicts, inputs, body=body, at=at, actor=actor, seq=seq)
            add_estimates(connection, number, table)
            after = audit.sealed(body, salt)
            change = audit.Change(action="run.record", object=f"run/{run.digest}", after=after, salt=salt)
            audit.append(connection, at=now, actor=actor, changes=[change])
        return KeptRun(facts=run, at=moment(at), actor=actor, seq=seq, is_new=True)

    @_once
    def runs(
        self,
        *,
        digest: str | None = None,
        run: str | None = None,
        system: str | None = None,
        version: str | None = None,
        decision: str | None = None,
        plan_digest: str | None = None,
        since: datetime | None = None,
        before: datetime | None = None,
        limit: int = MOST,
    ) -> tuple[KeptRun, ...]:
        """Recorded runs that meet every condition, the newest first. since, before: when they were made."""
        where = _equal(runs, digest=digest, run=run, system=system, decision=decision, plan_digest=plan_digest)
        if version is not None:  # of one system not by its own index: others have versions of the same name
            where.append((runs.c.version if system is None else runs.c.version.concat("")) == version)
        where += self._only(runs.c.system)
        if since is not None:
            where.append(runs.c.created >= stamp(since))
        if before is not None:
            where.append(runs.c.created < stamp(before))
        with reading(self._engine) as connection:
            return kept_runs.find_runs(connection, where, limit)

    def verdicts(
        self,
        *,
        run: str | None = None,
        system: str | None = None,
        requirement: str | None = None,
        verdict: str | None = None,
        limit: int = MOST,
    ) -> tuple[KeptVerdict, ...]:
        """Verdicts of recorded runs that meet every condition, the newest first. run: its digest."""
        where = [*_equal(runs, digest=run, system=system), *_equal(verdicts, requirement=requirement, verdict=verdict)]
        where += self._only(runs.c.system)
        with reading(self._engine) as connection:
            kept_runs.refuse_changed(connection, [run] if run is not None else [])
            return kept_runs.find_verdicts(connection, where, limit)

    def newest_runs(self, systems: Sequence[str]) -> tuple[KeptRun, ...]:
        """The newest run of each of these systems that has one."""
        with reading(self._engine) as connection:
            return kept_runs.find_newest(connection, systems, self._only(runs.c.system))

    def runs_named(self, *digests: str) -> tuple[KeptRun, ...]:
        """Those of the runs of these digests that there are."""
        with reading(self._engine) as connection:
            return kept_runs.find_named(connection, digests, self._only(runs.c.system))

    def verdicts_of(self, *digests: str) -> tuple[KeptVerdict, ...]:
        """The verdicts of these runs, by their digests."""
        with reading(self._engine) as connection:
            kept_runs.refuse_changed(connection, digests)
            where = [runs.c.digest.in_(digests), *self._only(runs.c.system)]
            return kept_runs.find_verdicts(connection, where, None)

    def histories(
        self, system: str, *, requirement: str | None = None, longest: int, limit: int = MOST
    ) -> tuple[tuple[KeptVerdict, ...], dict[str, int]]:
        """The `longest` newest verdicts on each requirement of a system, the newest first, and how many there are.

        limit: requirements whose verdicts are read, those first whose newest verdict is worst; the others are counted.
        """
        where = [runs.c.system == system, *self._only(runs.c.system)]
        if requirement is not None:  # not by its own index: other systems have requirements of the same id
            where.append(verdicts.c.requirement.concat("") == requirement)
        with reading(self._engine) as connection:
            return kept_runs.find_histories(connection, where, longest, limit)

    def count_verdicts(self, run: str) -> dict[str, int]:
        """How many verdicts of which kind a run has. run: its digest."""
        chosen = (
            sa.select(verdicts.c.verdict, sa.func.count())
            .join(runs, runs.c.number == verdicts.c.number)
            .where(runs.c.digest == run, *self._only(runs.c.system))
            .group_by(verdicts.c.verdict)
        )
        with reading(self._engine) as connection:
            return {word: int(count) for word, count in connection.execute(chosen)}

    def count_runs(self, system: str) -> int:
        """How many runs of a system there are."""
        chosen = sa.select(sa.func.count()).select_from(runs).where(runs.c.system == system, *self._only(runs.c.system))
        with reading(self._engine) as connection:
            return int(connection.execute(chosen).scalar_one())

    def systems_of(self, requirement: str, *, limit: int = MOST) -> list[str]:
        """Systems of which a run has looked at a requirement of this id."""
        with reading(self._engine) as connection:
            return finding.find_systems_of(connection, requirement, self._only(runs.c.system), limit)

    def count_estimates(self, run: str) -> int:
        """How many estimates a run has. run: its digest."""
        from shipworthy.record.schema import estimates

        chosen = (
            sa.select(sa.func.count())
            .select_from(estimates)
            .join(runs, runs.c.number == estimates.c.number)
            .where(runs.c.digest == run, *self._only(runs.c.system))
        )
        with reading(self._engine) as connection:
            return int(connection.execute(chosen).scalar_one())

    def estimates(
        self,
        *,
        run: str | None = None,
        system: str | None = None,
        evaluation: str | None = None,
        metric: str | None = None,
        compare: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Estimates of recorded runs as an Arrow table: `run` (its digest), then the columns of estimates.parquet."""
        from shipworthy.record.estimates import find_estimates

        where = [
            *_equal(runs, digest=run, system=system),
            *_equal(series, evaluation=evaluation, metric=metric, compare=compare),
            *self._only(runs.c.system),
        ]
        with reading(self._engine) as connection:
            return find_estimates(connection, where, limit)

    # Labels and artifacts

    def add_labels(self, actor: str, now: datetime, labels: Sequence[Label]) -> None:
        """Add what people said of answers, with one line in the log for all. Raises Unusable (RECORD011, 017, 018)."""
        if not labels:
            return
        rows = words_of_people.read_labels(labels)
        salt = audit.fresh_salt()
        with writing(self._engine) as connection:
            people.require(connection, actor, *sorted({label.rater for label in labels}))
            words_of_people.insert_labels(connection, rows, audit.size(connection))
            change = audit.Change(
                action="labels.add",
                object="labels",
                after=audit.sealed(canonical(rows), salt),
                salt=salt,
                details={"rows": len(rows)},
            )
            audit.append(connection, at=now, actor=actor, changes=[change])

    def labels(
        self, *, run: str | None = None, evaluation: str | None = None, scorer: str | None = None
    ) -> tuple[Label, ...]:
        """What people said: of two words of one rater on one answer the later one. run: its digest."""
        with reading(self._engine) as connection:
            return words_of_people.find_labels(connection, run=run, evaluation=evaluation, scorer=scorer)

    def add_artifacts(self, actor: str, now: datetime, *artifacts: Artifact) -> tuple[Artifact, ...]:
        """Make files known by what they hold; those that are known already are left. Returns the new ones.

        Raises Unusable (RECORD011, RECORD017, RECORD018).
        """
        rows = files.read_artifacts(artifacts)
        at = stamp(now)
        with writing(self._engine) as connection:
            people.require(connection, actor)
            known = {one for one in rows if files.find_artifact(connection, one)}
            new = {digest: row for digest, row in rows.items() if digest not in known}
            seq, changes = audit.size(connection), list[audit.Change]()
            for digest, row in new.items():
                salt = audit.fresh_salt()
                after = audit.sealed(canonical(row), salt)
                files.insert_artifact(connection, row, at=at, actor=actor, seq=seq + len(changes))
                changes.append(audit.Change(action="artifact.add", object=f"artifact/{digest}", after=after, salt=salt))
            if changes:
                audit.append(connection, at=now, actor=actor, changes=changes)
        return tuple(one for one in dict.fromkeys(artifacts) if one.digest in new)

    def artifact(self, digest: str) -> Artifact | None:
        """The file that has this digest, where one is known."""
        with reading(self._engine) as connection:
            return files.find_artifact(connection, digest)

    def artifacts(self, *, role: str | None = None, name: str | None = None, limit: int = MOST) -> list[KeptArtifact]:
        """The files of a role, or of a name, the newest first."""
        with reading(self._engine) as connection:
            return files.find_artifacts(connection, _equal(known_files, role=role, name=name), limit)

    # The log

    def log(self, start: int = 0) -> Iterator[bytes]:
        """The audit log's lines from number `start` on, as they are exported, without newlines; one state, streamed."""
        with reading(self._engine) as connection:
            yield from audit.lines(connection, start, audit.size(connection))

    def lines(
        self, *, action: str | None = None, about: str | None = None, below: int, most: int = MOST, farthest: int
    ) -> tuple[list[tuple[int, bytes]], int]:
        """Lines of the log below a number, the newest first, and the number down to which the whole log was read.

        action: how it begins. about: how the object begins, where that is its kind, a slash and more; else a piece of
        it, looked for among the `farthest` newest lines. Lines about what may not be seen are left out.
        """
        with reading(self._engine) as connection:
            only = self._only(SYSTEM), self._only(runs.c.system)
            return finding.find_lines(connection, action, about, below, only, most=most, farthest=farthest)

    def touched(self, since: int, *, most: int = MOST) -> frozenset[str] | None:
        """The systems that lines of the log from number `since` on are about; None where they may be about any."""
        with reading(self._engine) as connection:
            return finding.touched(connection, since, most)

    def size(self, *, anew: bool = False) -> int:
        """How many lines the log has. anew: has now, whatever `one_state` reads."""
        with reading(self._engine, anew=anew) as connection:
            return audit.size(connection)

    def checkpoint(self, sign: Callable[[Tree], bytes], now: datetime) -> bytes:
        """Sign the log as it is now, and keep the signed checkpoint.

        sign: from the log's Merkle tree to the checkpoint's file (`integrity.checkpoints.sign` and `to_text`). It runs
        while nobody waits for it, so that it may ask for a passphrase. Raises Unusable (RECORD018, CHKP001) for a
        checkpoint of something else.
        """
        at = stamp(now)
        with reading(self._engine) as connection:
            tree = audit.tree(connection)
        note = sign(tree)
        with writing(self._engine) as connection:
            audit.keep_checkpoint(connection, tree, note, at)
        return note

    def checkpoints(self) -> tuple[bytes, ...]:
        """The signed checkpoints' files, the oldest first."""
        with reading(self._engine) as connection:
            return audit.notes(connection)

    def verify(self, register: Register | None = None, *, origin: str | None = None) -> Verified:
        """Check the whole log, and that documents, runs, labels and artifacts are what the log says.

        register: whose keys may sign checkpoints; without it the checkpoints in the database are not looked at.
        """
        from shipworthy.record.verifying import verify

        with reading(self._engine) as connection:
            return verify(connection, register, origin)

    def _only(self, system: sa.ColumnElement[str]) -> list[sa.ColumnElement[bool]]:  # noqa: ARG002
        """What narrows a reading by the system it is about; nothing here, see `seen`."""
        return []


def _all_checked(documents: Iterable[Document]) -> list[Document]:
    """Documents through every rule; the faults of all of them at once."""
    ready, faults = list[Document](), list[Fault]()
    for document in documents:
        try:
            ready.append(checked(document))
        except Unusable as error:
            faults += error.faults
    if faults:
        raise Unusable(faults)
    return ready


def _refuse_overtaken(connection: Connection, based_on: Mapping[tuple[str, str], int]) -> None:
    faults = []
    for (kind, id_), version in based_on.items():
        chosen = sa.select(heads.c.version).where(heads.c.kind == kind, heads.c.id == id_)
        newest = connection.execute(chosen).scalar() or 0
        if newest != version:
            what = f"somebody has written since: version {newest} is there, and this change is based on {version}"
            mend = "read the newest version, and make the change to that"
            faults.append(Fault(code="RECORD015", what=what, where=f"{kind} {id_!r}"[:200], mend=mend))
    if faults:
        raise Unusable(faults)


def _newest(connection: Connection, kind: str, id_: str | None) -> Kept | None:
    row = connection.execute(_NEWEST, {"of_kind": kind, "of_id": id_}).first()
    return None if row is None else _kept(row)


def _system_of(connection: Connection, document: Document) -> System | None:
    kept = _newest(connection, "system", getattr(document, "system", None))
    return kept.document if kept is not None and isinstance(kept.document, System) else None


def _insert(connection: Connection, document: Document, head: Kept | None, *, at: str, actor: str, seq: int) -> Kept:
    body, salt = body_bytes(document), audit.fresh_salt()
    new = Kept(
        kind=document.kind, id=document.id, version=head.version + 1 if head else 1, document=document,
        digest=audit.sealed(body, salt), salt=salt, previous=head.digest if head else None, at=moment(at),
        actor=actor, seq=seq, is_new=True,
    )  # fmt: skip
    row = {
        "kind": new.kind, "id": new.id, "version": new.version, "body": body.decode(), "salt": salt,
        "digest": new.digest, "previous": new.previous, "at": at, "actor": actor, "seq": seq,
    }  # fmt: skip
    connection.execute(_INSERT, row)
    words = words_of(document.model_dump(mode="json"))
    shown = {**document.heading(), "version": new.version, "digest": new.digest, "words": words, "at": at}
    if head is None:
        connection.execute(_INSERT_HEAD, {"kind": new.kind, "id": new.id, **shown})
    else:
        connection.execute(_MOVE_HEAD, {"of_kind": new.kind, "of_id": new.id, **shown})
    return new


def _kept(row: Any, *, damaged: bool = False) -> Kept:
    document, fault = None, None
    try:
        document = None if row.body is None else kept_document(row.kind, row.id, row.body)
        is_its = row.body is None or audit.sealed(row.body.encode(), row.salt or "") == row.digest
        audit.refuse_unlike(
            row.told, object=f"{row.kind}/{row.id}", before=row.previous, after=row.digest if is_its else "",
            at=row.at, actor=row.actor,
        )  # fmt: skip
    except Damaged as error:
        if not damaged:
            raise
        document, fault = None, error.faults[0]
    return Kept(
        kind=row.kind, id=row.id, version=row.version, document=document, digest=row.digest, salt=row.salt,
        previous=row.previous,
        at=moment(row.at), actor=row.actor, seq=row.seq, fault=fault,
    )  # fmt: skip


def _equal(table: sa.Table, **values: str | None) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in values.items() if value is not None]
