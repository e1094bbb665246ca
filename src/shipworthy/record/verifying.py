"""The record against its own log: the chain is whole, and the tables hold what the log says was written.

Every column is held against a line of the log, or is made anew from what is; docs/record.md names those that are not.
The database is hostile input: its cells may hold anything, of any type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain as one_after_another
from itertools import groupby, islice
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.digest import canonical, digest
from shipworthy.errors import Fault, Unusable
from shipworthy.integrity import chain
from shipworthy.integrity import checkpoints as signed
from shipworthy.integrity.chain import LogCheck
from shipworthy.integrity.keys import Register
from shipworthy.integrity.merkle import Tree, leaf_hash
from shipworthy.record import audit as log
from shipworthy.record import people as persons
from shipworthy.record.documents import KINDS
from shipworthy.record.estimates import changed_series
from shipworthy.record.labels import Label
from shipworthy.record.reading import LONGEST_WORDS, kept_document, words_of
from shipworthy.record.runs import OF_BODY, are_told
from shipworthy.record.schema import (
    VERSION_TABLE,
    accounts,
    anything,
    artifacts,
    audit,
    checkpoints,
    documents,
    estimates,
    grants,
    heads,
    inputs,
    labels,
    metadata,
    people,
    runs,
    series,
    tokens,
    verdicts,
)

MOST_FAULTS = 50
_BATCH = 2_000  # entries checked at once
_WHERE = "audit log"
_UNLIKE = (Unusable, KeyError, TypeError, ValueError, AttributeError)  # what reading a value of another shape ends in


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What verifying a record found."""

    log: LogCheck  # of the chain; its `caveat` says what it cannot have seen
    faults: tuple[Fault, ...]  # the chain's first, then those of the tables, at most MOST_FAULTS; empty: all is well
    objects: int  # entries whose object was compared with the tables


@dataclass(kw_only=True, slots=True)
class _Account:
    """An account as the log tells of it."""

    person: str
    at: str  # since when
    status: str = "active"
    grants: set[tuple[str, str]] = field(default_factory=set)  # system and role


@dataclass(kw_only=True, slots=True)
class _Story:
    """What the log tells of that stands in it without a digest, gathered line by line."""

    objects: int = 0
    forgotten: set[tuple[str, str, int]] = field(default_factory=set)  # versions of documents
    people: set[str] = field(default_factory=set)  # who stands in it
    erased: set[str] = field(default_factory=set)
    accounts: dict[str, _Account] = field(default_factory=dict)
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)  # account, scopes, system, beginning and end

    def hear(self, entry: Mapping[str, Any]) -> None:
        """Take in the next line. Raises one of _UNLIKE for details that no record writes."""
        if entry["actor"].startswith("person:"):
            self.people.add(entry["actor"])
        if entry["after"] is not None or entry["before"] is not None:
            self.objects += 1
            return
        kind, _, done = entry["action"].partition(".")
        name, details = entry["object"].removeprefix(f"{kind}/"), entry.get("details", {})
        match kind, done:
            case "person", "erase":
                self.erased.add(entry["object"])
            case "account", "create":
                self.people.add(details["person"])
                given = {(system, role) for system, role in details["roles"]}
                self.accounts[name] = _Account(person=details["person"], at=entry["at"], grants=given)
            case "account", "grant":
                self.accounts[name].grants.add((details["system"], details["role"]))
            case "account", "ungrant":
                self.accounts[name].grants.discard((details["system"], details["role"]))
            case "account", "enable":
                self.accounts[name].status = "active"
            case "account", "disable":
                self.accounts[name].status = "disabled"
                self.tokens = {token: told for token, told in self.tokens.items() if told[0] != name}
            case "token", "create":
                its = details["account"], details["scopes"], details["system"], entry["at"], details["ends"]
                self.tokens[name] = its
            case "token", "revoke":
                del self.tokens[name]
            case _, "forget":
                self.forgotten |= {(kind, name, version) for version in details["versions"]}


class _Written(NamedTuple):
    """An object as the tables have it: what its line of the log has to say."""

    seq: int
    object: str
    before: str | None
    after: str | None
    at: str
    actor: str
    why: str = ""  # what is wrong with it by itself


def verify(connection: Connection, register: Register | None, origin: str | None) -> Verified:
    """Check the chain, then everything that it tells of. Faults: those of `chain.verify_log`, CHKP001, RECORD020."""
    with anything():
        return _verified(connection, register, origin)


def _verified(connection: Connection, register: Register | None, origin: str | None) -> Verified:
    faults: list[Fault] = []
    notes: list[signed.Checkpoint] = []
    for note in log.notes(connection) if register is not None else ():
        try:
            notes.append(signed.read(note, where=_WHERE))
        except Unusable as error:
            faults += error.faults
    size = log.size(connection)
    whole = (line + b"\n" for line in log.lines(connection, 0, size))
    if register is None:
        checked = chain.verify_log(whole, where=_WHERE)
    else:
        checked = chain.verify_log(whole, notes, register, where=_WHERE, origin=origin)
    if checked.fault is not None:
        return Verified(log=checked, faults=(*faults, checked.fault), objects=0)
    story = _Story()
    wrong = one_after_another(
        _objects_told(connection, size, story), _beside(connection, size, story), _everybody(connection, story),
        _let_in(connection, story), _checkpoints(connection, size), _uncovered(connection), _strangers(connection),
    )  # fmt: skip
    faults += [_fault(what, where) for what, where in islice(wrong, MOST_FAULTS - len(faults))]
    return Verified(log=checked, faults=tuple(faults), objects=story.objects)


def _objects_told(connection: Connection, size: int, story: _Story) -> Iterator[tuple[str, str]]:
    """Lines of the log against the objects that they tell of, some thousands at a time."""
    lines = sa.select(audit.c.seq, log.LINE, audit.c.object, audit.c.action, audit.c.salt).order_by(audit.c.seq)
    for start in range(0, size, _BATCH):
        told: dict[int, dict[str, Any]] = {}
        salts: dict[int, Any] = {}
        for seq, line, name, action, salt in connection.execute(
            lines.where(audit.c.seq >= start, audit.c.seq < start + _BATCH)
        ):
            entry = orjson.loads(line)
            if (seq, name, action) != (entry["seq"], entry["object"], entry["action"]):
                yield f"entry {entry['seq']:,} is found under another number, object or action than its own", _WHERE
            try:
                story.hear(entry)
            except _UNLIKE:
                yield f"entry {seq:,} tells of what cannot have been", _WHERE
            if entry["after"] is not None or entry["before"] is not None:
                told[seq] = entry
            salts[seq] = salt
            if salt is not None and (entry["after"] is None or entry["object"].partition("/")[0] in KINDS):
                yield f"entry {seq:,} has a salt that is not its own", _WHERE
        yield from _batch(connection, told, salts, start, start + _BATCH)


def _batch(
    connection: Connection, told: Mapping[int, Mapping[str, Any]], salts: Mapping[int, Any], start: int, end: int
) -> Iterator[tuple[str, str]]:
    """Objects written by entries start, ..., end - 1 against these entries."""
    seen = set()
    for one in _objects(connection, told, salts, start, end):
        seen.add(one.seq)
        entry = told.get(one.seq)
        if one.why:
            yield one.why, one.object
        elif entry is None:
            yield f"entry {one.seq:,} of the log does not tell of it", one.object
        elif wrong := [name for name in _COMPARED if entry[name] != getattr(one, name)]:
            yield f"entry {one.seq:,} of the log says otherwise: its {', its '.join(wrong)}", one.object
    for seq in sorted(told.keys() - seen):
        yield f"entry {seq:,} of the log tells of it, and it is not there", told[seq]["object"]


_COMPARED = ("object", "before", "after", "at", "actor")


def _objects(
    connection: Connection, told: Mapping[int, Mapping[str, Any]], salts: Mapping[int, Any], start: int, end: int
) -> Iterator[_Written]:
    """Everything that these entries should tell of."""

    def written(table: sa.Table) -> Any:
        return connection.execute(sa.select(table).where(table.c.seq >= start, table.c.seq < end).order_by(table.c.seq))

    for kind, id_, version, body, salt, sealed, previous, at, actor, seq in written(documents):
        is_it = salt is None if body is None else _sealed(body, salt) == sealed
        why = "" if is_it else f"version {version} is not what was written"
        yield _Written(seq, f"{kind}/{id_}", previous, sealed, at, actor, why)
    for row, why in _runs(connection, written(runs).all(), start, end):
        after = _sealed(row.body, salts.get(row.seq))
        yield _Written(row.seq, f"run/{row.digest}", None, after, row.at, row.actor, why)
    columns = list(artifacts.c)[: list(artifacts.c).index(artifacts.c.at)]
    for row in written(artifacts):
        after = _sealed({column.name: getattr(row, column.name) for column in columns}, salts.get(row.seq))
        yield _Written(row.seq, f"artifact/{row.digest}", None, after, row.at, row.actor)
    said = connection.execute(
        sa.select(labels).where(labels.c.seq >= start, labels.c.seq < end).order_by(labels.c.seq, labels.c.position)
    )
    for seq, rows in groupby(said, key=lambda row: row.seq):
        batch = list(rows)
        body = [{name: getattr(row, name) for name in Label.__dataclass_fields__} for row in batch]
        entry = told.get(seq, {})  # has the time and the actor of labels, which have none of their own
        why = "" if _in_places(batch) else "they are not in the order in which they were said"
        after = _sealed(body, salts.get(seq))
        yield _Written(seq, "labels", None, after, entry.get("at", ""), entry.get("actor", ""), why)


def _sealed(body: object, salt: Any) -> str:
    """The salted digest of what was kept, canonical JSON as it is; empty for what no record has written."""
    try:
        return log.sealed(body.encode() if isinstance(body, str) else canonical(body), salt or "")  # type: ignore[arg-type]
    except _UNLIKE:
        return ""


def _in_places(rows: Sequence[Any]) -> bool:
    return [row.position for row in rows] == list(range(len(rows)))


def _runs(connection: Connection, found: Sequence[Any], start: int, end: int) -> Iterator[tuple[Any, str]]:
    """The runs of these entries, and why the rows of each are not what its body says; empty where they are."""
    if not found:
        return
    these = sa.select(runs.c.number).where(runs.c.seq >= start, runs.c.seq < end)

    def of_runs(table: sa.Table) -> dict[int, list[Any]]:
        rows = connection.execute(
            sa.select(table).where(table.c.number.in_(these)).order_by(table.c.number, table.c.position)
        )
        return {number: list(own) for number, own in groupby(rows, key=lambda one: one.number)}

    judged, read = of_runs(verdicts), of_runs(inputs)
    count = sa.select(estimates.c.number, sa.func.count()).where(estimates.c.number.in_(these))
    counts = {row[0]: int(row[1]) for row in connection.execute(count.group_by(estimates.c.number))}
    for row in found:
        try:
            why = _run(row, judged.get(row.number, []), read.get(row.number, []), counts.get(row.number, 0))
        except _UNLIKE:
            why = "its rows are not what was written"
        yield row, why


def _run(row: Any, judged: Sequence[Any], read: Sequence[Any], count: int) -> str:
    """Why a run's rows are not what its body says; empty where they are. Raises one of _UNLIKE."""
    body = orjson.loads(row.body)
    for column in OF_BODY:
        if body.get(column) != getattr(row, column):
            return f"its {column} is not what was written"
    if not _in_places(judged) or not are_told(judged, body.get("verdicts"), ""):
        return "its verdicts are not what was written"
    names = ("evaluation", "source", "digest", "rows")
    told = digest([{name: getattr(one, name) for name in names} for one in read])
    if told != body.get("inputs") or not _in_places(read):
        return "its inputs are not what was written"
    if count != body.get("estimates"):
        return "some of its estimates are missing, or were added"
    return ""


def _beside(connection: Connection, size: int, story: _Story) -> Iterator[tuple[str, str]]:
    """What the log's entries cannot meet one by one: rows that none of them tells of, bodies gone unsaid, versions and
    runs out of their order, heads that are not newest."""
    count = sa.func.count()
    newest = int(connection.execute(sa.select(sa.func.max(runs.c.number))).scalar() or 0)
    beyond = [
        (table, (table.c.seq >= size) | (table.c.seq < 0)) for table in (audit, documents, runs, artifacts, labels)
    ]
    beyond += [(table, (table.c.number > newest) | (table.c.number < 1)) for table in (verdicts, inputs, estimates)]
    for table, where in beyond:
        if stray := connection.execute(sa.select(count).select_from(table).where(where)).scalar():
            yield f"{stray:,} rows belong to no entry of the log", f"table {table.name}"
    gone = sa.select(documents.c.kind, documents.c.id, documents.c.version).where(documents.c.body.is_(None))
    missing = {(kind, name, version) for kind, name, version in connection.execute(gone)}
    for kind, name, version in sorted(missing - story.forgotten, key=str):
        yield f"version {version} is gone, and the log does not say that it was forgotten", f"{kind}/{name}"
    for kind, name, version in sorted(story.forgotten - missing, key=str):
        yield f"version {version} was forgotten, says the log, and it is there", f"{kind}/{name}"
    before = documents.alias()
    follows = sa.and_(
        before.c.kind == documents.c.kind, before.c.id == documents.c.id,
        before.c.version == documents.c.version - 1, before.c.digest == documents.c.previous,
    )  # fmt: skip
    first = sa.and_(documents.c.version == 1, documents.c.previous.is_(None))
    unled = sa.select(documents.c.kind, documents.c.id, documents.c.version).outerjoin(before, follows)
    for kind, name, version in connection.execute(unled.where(before.c.kind.is_(None), sa.not_(first))):
        yield f"version {version} does not follow the one before it", f"{kind}/{name}"
    placed = sa.select(runs.c.digest, runs.c.number, sa.func.row_number().over(order_by=runs.c.seq).label("place"))
    counted = placed.subquery()
    for name in connection.execute(sa.select(counted.c.digest).where(counted.c.number != counted.c.place)).scalars():
        yield "it does not stand at the number at which it was recorded", f"run/{name}"
    yield from _heads(connection)


def _heads(connection: Connection) -> Iterator[tuple[str, str]]:
    newest = (
        sa.select(documents.c.kind, documents.c.id, sa.func.max(documents.c.version).label("version"))
        .group_by(documents.c.kind, documents.c.id)
        .subquery()
    )
    same = sa.and_(newest.c.kind == heads.c.kind, newest.c.id == heads.c.id)
    lost = sa.select(newest.c.kind, newest.c.id).outerjoin(heads, same).where(heads.c.id.is_(None))
    for kind, name in connection.execute(lost):
        yield "it cannot be found: its head is missing", f"{kind}/{name}"
    for kind, name in connection.execute(sa.select(heads.c.kind, heads.c.id).where(heads.c.kind.not_in(KINDS))):
        yield "there is no such kind of document", f"{kind}/{name}"
    here = (documents.c.kind == newest.c.kind, documents.c.id == newest.c.id, documents.c.version == newest.c.version)
    chosen = (
        sa.select(
            heads, newest.c.version.label("newest"), documents.c.digest.label("written"), documents.c.body,
            documents.c.salt, documents.c.at.label("since"),
        )
        .outerjoin(newest, same)
        .outerjoin(documents, sa.and_(*here))
    )  # fmt: skip
    for kind in KINDS:
        for row in connection.execute(chosen.where(heads.c.kind == kind)):
            if (row.version, row.digest, row.at) != (row.newest, row.written, row.since):
                yield "its head is not its newest version", f"{kind}/{row.id}"
            elif _sealed(row.body, row.salt) == row.written and (why := _head(kind, row)):  # else that was told before
                yield why, f"{kind}/{row.id}"


def _head(kind: str, row: Any) -> str:
    """Why a document is not searched by what it says; empty where it is."""
    try:
        heading = kept_document(kind, row.id, row.body).heading()
        told, texts = row.words.split("\n"), words_of(orjson.loads(row.body)).split("\n")
    except Unusable as error:
        return error.faults[0].what
    except _UNLIKE:
        return "it is searched by another text than it has"
    wrong = [name for name, value in heading.items() if getattr(row, name) != value]
    # In whatever order they were read; of long ones, the last may be cut.
    if not wrong and sorted(told) != sorted(texts) and not (
        len(row.words) == LONGEST_WORDS and Counter(told[:-1]) <= Counter(texts)
    ):  # fmt: skip
        wrong = ["text"]
    return f"it is searched by another {wrong[0]} than it has" if wrong else ""


def _everybody(connection: Connection, story: _Story) -> Iterator[tuple[str, str]]:
    """People against the commitments that stand for them, which nobody can open otherwise."""
    known, called = set(), Counter[tuple[str, str]]()
    for person, salt, email, name in connection.execute(sa.select(people).order_by(people.c.person)):
        known.add(person)
        if salt is None and email is None and name is None:
            if person not in story.erased:
                yield "address and name are gone, and the log does not say that they were erased", str(person)
        elif not log.opens(person, salt, email, name):
            yield "address, name or salt are not those that this commitment was made of", str(person)
        elif person in story.erased:
            yield "this person was erased, says the log, and address and name are there", str(person)
        else:
            called[one := persons.told_apart_by(email, name)] += 1
            if called[one] > 1:
                yield "another commitment stands for the same address: one person would count as two", person
    raters = connection.execute(sa.select(labels.c.rater).distinct()).scalars()
    for person in sorted(map(str, story.people.union(raters) - known)):
        yield "the record rests on this person, who is not among its people", person


def _let_in(connection: Connection, story: _Story) -> Iterator[tuple[str, str]]:
    """Accounts, their roles and their tokens; of those who were erased nothing counts."""
    kept = sa.select(accounts.c.account, accounts.c.person, accounts.c.at, accounts.c.status)
    rows = {row[0]: tuple(row[1:]) for row in connection.execute(kept)}
    given: dict[str, set[tuple[str, str]]] = {}
    for id_, system, role in connection.execute(sa.select(grants.c.account, grants.c.system, grants.c.role)):
        given.setdefault(id_, set()).add((system, role))
    its = (tokens.c.account, tokens.c.scopes, tokens.c.system, tokens.c.created, tokens.c.ends)
    held = {row[0]: tuple(row[1:]) for row in connection.execute(sa.select(tokens.c.token, *its))}
    for id_ in sorted(map(str, (rows.keys() | given.keys()) - story.accounts.keys())):
        yield "no entry of the log tells of it", f"account/{id_}"
    closed = set()
    for id_, told in story.accounts.items():
        if told.person in story.erased:
            closed.add(id_)
        elif rows.get(id_) != (told.person, told.at, told.status):
            yield "its person, status or beginning is not what the log tells", f"account/{id_}"
        elif given.get(id_, set()) != told.grants:
            yield "its roles are not those that the log tells of", f"account/{id_}"
    for token in sorted(map(str, held.keys() | story.tokens.keys())):
        told_of = story.tokens.get(token)
        if held.get(token) != told_of and not (told_of is not None and told_of[0] in closed):
            yield "it is not what the log tells of it", f"token/{token}"


def _checkpoints(connection: Connection, size: int) -> Iterator[tuple[str, str]]:
    """Checkpoints against the log, whoever signed them; one that was taken away does not show."""
    grown = Tree()
    kept = sa.select(checkpoints.c.size, log.NOTE, log.TREE).order_by(checkpoints.c.size)
    for end, note, tree in connection.execute(kept).all():
        try:
            for line in log.lines(connection, grown.size, min(end, size)):
                grown.append(leaf_hash(line))
            said = signed.read(bytes(note), where=_WHERE)
            is_ours = (end, said.size, said.root) == (grown.size, grown.size, grown.root())
        except _UNLIKE:
            is_ours = False
        if not is_ours or tree != b"".join(grown.peaks):
            yield f"the checkpoint of {end} entries is not one of this log", "table checkpoints"


def _uncovered(connection: Connection) -> Iterator[tuple[str, str]]:
    """Estimates, whose values no digest covers: that they are numbers, and that what is estimated is what it was."""
    if connection.dialect.name == "sqlite":
        kinds = {sa.Float: ("real", "integer"), sa.Integer: ("integer",), sa.Text: ("text",)}
        for one in (column for table in (series, estimates) for column in table.c):
            is_of = next(known for kind, known in kinds.items() if isinstance(one.type, kind) or _is_whole(one, kind))
            other = sa.func.typeof(one).not_in([*is_of, *(["null"] if one.nullable else [])])
            count = sa.select(sa.func.count()).select_from(one.table).where(other)
            if wrong := connection.execute(count).scalar():
                yield f"{wrong:,} values of its column {one.name} cannot be read", f"table {one.table.name}"
    if wrong := changed_series(connection):
        yield f"{wrong:,} rows are not what was written", "table series"


def _is_whole(one: sa.Column[Any], kind: type) -> bool:
    return kind is sa.Integer and isinstance(one.type, sa.BigInteger)


_STRANGERS = {
    "sqlite": (
        "SELECT type, name FROM sqlite_master "
        "WHERE type IN ('table', 'trigger', 'view') AND substr(name, 1, 7) <> 'sqlite_'"
    ),
    "postgresql": (
        "SELECT 'trigger', tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace "
        "UNION ALL SELECT 'rule', rulename FROM pg_rules WHERE schemaname = current_schema()"
    ),
}


def _strangers(connection: Connection) -> Iterator[tuple[str, str]]:
    """What no record makes, and what may change what is written or shown: triggers, rules, views, in a file tables."""
    known = {*metadata.tables, VERSION_TABLE}
    for kind, name in sorted(connection.exec_driver_sql(_STRANGERS[connection.dialect.name]).all(), key=str):
        if kind != "table" or name not in known:
            yield f"a {kind} that no record makes", f"{kind} {name}"


def _fault(what: str, where: str) -> Fault:
    mend = "find out who could write to the database; the log, its exports and backups say what was there"
    return Fault(code="RECORD020", what=what, where=where[:300] or "a row without a name", mend=mend)
