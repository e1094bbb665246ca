"""What is found in the record: which documents meet a condition, in which order and how many, and lines of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, Literal, TypeAlias, TypedDict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shipworthy.record.audit import LINE, TOLD
from shipworthy.record.documents import KINDS
from shipworthy.record.schema import audit, documents, heads, runs, verdicts

LONGEST_SEARCH = 200  # characters
LONGEST_ACTION = 60
_MOST_ACTIONS = 100
_OBJECTS = (*KINDS, "run", "artifact")  # kinds of objects whose lines name them by kind, slash and name

Order: TypeAlias = Literal["id", "due", "newest", "worst"]
Condition: TypeAlias = sa.ColumnElement[bool]


class Where(TypedDict, total=False):
    """What documents have to meet; None asks for nothing."""

    system: str | Sequence[str] | None
    status: str | Sequence[str] | None
    owner: str | None
    due_before: date | None  # due earlier than that day
    due_from: date | None  # due on that day or later
    starts_after: date | None  # of waivers: not in force on that day yet
    starts_by: date | None  # of waivers: from that day at the latest
    live_on: date | None  # of waivers: asked for, or approved and not ended before that day
    over_on: date | None  # of waivers: all others
    tier: str | None
    text: str | None  # stands in the document, in any case, as one piece


def field(connection: Connection, name: str) -> sa.ColumnElement[str]:
    """A text of a document's body, by its key."""
    return sa.literal_column(
        f"json_extract(body, '$.{name}')" if connection.dialect.name == "sqlite" else f"(body::jsonb ->> '{name}')",
        sa.Text(),
    )


def tally(
    connection: Connection, kinds: Sequence[str], where: Where, only: Sequence[Condition]
) -> dict[tuple[str, str, str], tuple[int, int | None]]:
    """How many documents of each of some kinds every system has in each state, and the worst of their scores."""
    by = (heads.c.kind, heads.c.system, heads.c.status)
    chosen = sa.select(*by, sa.func.count(), sa.func.max(heads.c.score))
    rows = connection.execute(chosen.where(*_conditions(connection, kinds, where), *only).group_by(*by))
    return {(kind, system or "", status or ""): (int(count), worst) for kind, system, status, count, worst in rows}


def find_documents(  # noqa: PLR0917  a question in its parts
    connection: Connection, kind: str, where: Where, only: Sequence[Condition], order: Order, limit: int, offset: int
) -> sa.CursorResult[Any]:
    """Rows of the newest versions of documents of a kind."""
    given = {key: value for key, value in where.items() if value is not None}
    if order == "id" and given.keys() == {"system"} and isinstance(given["system"], str) and not only:
        named = {"of_kind": kind, "of_system": given["system"], "most": limit, "start": offset}
        return connection.execute(_OF_SYSTEM, named)
    said = _conditions(connection, kind, where)
    of_system = where.get("system") is not None  # as in `_conditions`
    by: dict[Order, tuple[sa.ColumnElement[Any], ...]] = {
        "id": (heads.c.id.concat("") if of_system else heads.c.id,),
        "due": (heads.c.due, heads.c.id),
        "newest": (heads.c.at.desc(), heads.c.id),
        "worst": _worst(heads, (heads.c.score + 0 if of_system else heads.c.score)),
    }
    # Put in order by what stands in an index: to pass over rows, or to sort whole documents, takes a database longer.
    status = where.get("status")
    if order == "worst" and not of_system and status and not isinstance(status, str):
        # An index has them in order state by state: the worst of all are among the worst of each.
        parts = []
        for one in _texts(status):
            asked = _conditions(connection, kind, {**where, "status": one})
            part = _with_bodies(sa.select(heads.c.kind, heads.c.id, heads.c.score), where).where(*asked, *only)
            parts.append(sa.select(part.order_by(*by[order]).limit(limit + offset).subquery()))
        found = sa.union_all(*parts).subquery()
        page = sa.select(found).order_by(*_worst(found, found.c.score)).limit(limit).offset(offset).subquery()
    else:
        chosen = _with_bodies(sa.select(heads.c.kind, heads.c.id), where).where(*said, *only)
        page = chosen.order_by(*by[order]).limit(limit).offset(offset).subquery()
    same = sa.and_(page.c.kind == heads.c.kind, page.c.id == heads.c.id)
    shown = sa.select(documents, TOLD).select_from(page).join(heads, same).join(documents, _NEWEST)
    return connection.execute(shown.order_by(*by[order]))


def _worst(rows: sa.FromClause, score: sa.ColumnElement[int]) -> tuple[sa.ColumnElement[Any], ...]:
    """Risks by what is left of them, the most first; R-2 before R-10."""
    return score.desc(), sa.func.length(rows.c.id), rows.c.id


def count_documents(connection: Connection, kind: str, where: Where, only: Sequence[Condition]) -> int:
    """How many documents of a kind meet every condition."""
    chosen = _with_bodies(sa.select(sa.func.count()).select_from(heads), where)
    return int(connection.execute(chosen.where(*_conditions(connection, kind, where), *only)).scalar_one())


def _with_bodies(chosen: sa.Select[Any], where: Where) -> sa.Select[Any]:
    """With the documents themselves, where a condition is about what only they hold."""
    if all(where.get(key) is None for key in ("tier", "starts_after", "starts_by")):
        return chosen
    return chosen.join(documents, _NEWEST)


_NEWEST: Condition = sa.and_(
    documents.c.kind == heads.c.kind, documents.c.id == heads.c.id, documents.c.version == heads.c.version
)


def _of_system() -> sa.Select[Any]:
    """What is asked for most, built once: to build a statement takes longer than to run this one."""
    here = (heads.c.kind == sa.bindparam("of_kind"), heads.c.system == sa.bindparam("of_system"))
    by = heads.c.id.concat("")
    chosen = sa.select(heads.c.kind, heads.c.id).where(*here).order_by(by)
    page = chosen.limit(sa.bindparam("most")).offset(sa.bindparam("start")).subquery()
    named = sa.and_(page.c.kind == heads.c.kind, page.c.id == heads.c.id)
    shown = sa.select(documents, TOLD).select_from(page).join(heads, named)
    return shown.join(documents, _NEWEST).order_by(by)


_OF_SYSTEM = _of_system()


def count_states(connection: Connection, kind: str, where: Where, only: Sequence[Condition]) -> dict[str, int]:
    """How many documents of a kind have each status."""
    status = heads.c.status.concat("") if where.get("system") is not None else heads.c.status  # as in `_conditions`
    chosen = sa.select(status, sa.func.count()).where(*_conditions(connection, kind, where), *only).group_by(status)
    return {str(status or ""): int(count) for status, count in connection.execute(chosen)}


def find_by_words(
    connection: Connection, text: str, only: Sequence[Condition], *, system: str | None, most: int, limit: int
) -> tuple[Sequence[Any], int]:
    """Rows of the newest documents in which a text stands or whose id begins with it, and how many were read for it.

    Of a whole record the `most` that were written last are read; whose id begins with the text is found among all.
    """
    wanted = text[:LONGEST_SEARCH]
    within = [*only, *([heads.c.system == system] if system is not None else [])]
    read = (heads.c.kind, heads.c.id, heads.c.words, heads.c.at)
    newest = sa.select(*read).where(*within).order_by(heads.c.at.desc()).limit(most).subquery()
    found = connection.execute(
        sa.select(newest.c.kind, newest.c.id)
        .where(newest.c.words.contains(wanted.casefold(), autoescape=True))
        .order_by(newest.c.at.desc())
        .limit(limit)
    ).all()
    named = [sa.and_(heads.c.kind == kind, *_begins(heads.c.id, wanted)) for kind in KINDS]
    by_id = [
        row
        for one in named
        for row in connection.execute(
            sa.select(heads.c.kind, heads.c.id).where(one, *within).order_by(heads.c.id).limit(limit)
        )
    ]
    keys = list(dict.fromkeys((row.kind, row.id) for row in (*by_id, *found)))
    rows: list[Any] = []
    for kind in KINDS:
        ids = [id_ for its, id_ in keys if its == kind]
        chosen = sa.select(documents, TOLD).join(heads, _NEWEST).where(heads.c.kind == kind, heads.c.id.in_(ids))
        rows += connection.execute(chosen.order_by(documents.c.id)).all() if ids else []
    size = int(connection.execute(sa.select(sa.func.count()).select_from(heads).where(*within)).scalar_one())
    return rows, min(size, most)


def find_lines(
    connection: Connection,
    action: str | None,
    about: str | None,
    below: int,
    only: tuple[Sequence[Condition], Sequence[Condition]],
    *,
    most: int,
    farthest: int,
) -> tuple[list[tuple[int, bytes]], int]:
    """Lines of the log below a number that meet every condition, the newest first, and the number down to which the
    whole log was read.

    action: how it begins. about: how the object begins, where that is its kind, a slash and more; else a piece of it,
    looked for among the `farthest` newest lines. only: what narrows documents, and runs, to those that may be seen.
    """
    said: list[Condition] = []
    if only[0]:
        seen = sa.select(heads.c.kind + "/" + heads.c.id).where(*only[0])
        said.append(audit.c.object.in_(seen.union_all(sa.select("run/" + runs.c.digest).where(*only[1]))))
    of_kind = list(_begins(audit.c.action, action[:LONGEST_ACTION])) if action else []
    begins = about if about and about.partition("/")[0] in _OBJECTS and "/" in about else None
    found: list[tuple[int, bytes]] = []
    if begins is None:
        if about:
            said.append(audit.c.object.contains(about[:LONGEST_SEARCH], autoescape=True))
        start = max(0, below - farthest) if said else 0  # no index knows what else is asked for
        near = [audit.c.seq >= start, audit.c.seq < below, *said]
        for one in _actions(connection, of_kind) if of_kind else [None]:
            exact = [audit.c.action == one] if one is not None else []
            found += _lines(connection, [*near, *exact], audit.c.seq, most)
        found = sorted(found, reverse=True)[:most]
        kind = action.partition(".")[0] if action and "." in action and not about else None
        if len(found) == most or start == 0 or kind not in _OBJECTS:
            return found, found[-1][0] if len(found) == most else start
        # Few of the newest lines are like that: all of this kind are asked for, by the index of objects.
        begins, below = f"{kind}/", start
    seq = audit.c.seq + 0  # so that the database goes by the index of objects, and not down the log
    said = [seq < below, *_begins(audit.c.object, begins), *of_kind, *(said if only[0] else [])]
    found += _lines(connection, said, seq, most - len(found))
    return found, found[-1][0] if len(found) == most else 0


def _actions(connection: Connection, where: Sequence[Condition]) -> list[str]:
    """The different actions of the log, each found by one look into its index."""
    found: list[str] = []
    newest = sa.select(sa.func.min(audit.c.action)).where(*where)
    while (one := connection.execute(newest).scalar()) is not None and len(found) < _MOST_ACTIONS:
        found.append(str(one))
        newest = sa.select(sa.func.min(audit.c.action)).where(*where, audit.c.action > one)
    return found


def _lines(
    connection: Connection, where: Sequence[Condition], seq: sa.ColumnElement[int], most: int
) -> list[tuple[int, bytes]]:
    chosen = sa.select(audit.c.seq, LINE).where(*where).order_by(seq.desc()).limit(most)
    return [(row.seq, bytes(row.line)) for row in connection.execute(chosen)]


def find_systems_of(connection: Connection, requirement: str, only: Sequence[Condition], limit: int) -> list[str]:
    """Systems of which a run has looked at a requirement of this id."""
    chosen = (
        sa.select(runs.c.system)
        .join(verdicts, verdicts.c.number == runs.c.number)
        .where(verdicts.c.requirement == requirement, *only)
        .distinct()
        .limit(limit)
    )
    return list(connection.execute(chosen).scalars())


def touched(connection: Connection, since: int, most: int) -> frozenset[str] | None:
    """The systems that lines of the log from number `since` on are about; None where they may be about any.

    A document never moves to another system, so that its head says whose it is.
    """
    objects = list(connection.execute(sa.select(audit.c.object).where(audit.c.seq >= since).limit(most + 1)).scalars())
    if len(objects) > most:
        return None
    found: set[str] = set()
    ids: dict[str, set[str]] = {}
    for one in objects:
        kind, slash, name = one.partition("/")
        if slash:
            ids.setdefault(kind, set()).add(name)
        elif kind != "labels":
            return None  # a person was erased: whoever had signed is no longer known by an address
    for kind, names in ids.items():
        if kind == "run":
            found |= set(connection.execute(sa.select(runs.c.system).where(runs.c.digest.in_(names))).scalars())
        elif kind in KINDS:
            chosen = sa.select(heads.c.system, heads.c.id).where(heads.c.kind == kind, heads.c.id.in_(names))
            found |= {system or id_ for system, id_ in connection.execute(chosen)}
    return frozenset(found)


def _conditions(connection: Connection, kind: str | Sequence[str], where: Where) -> list[Condition]:
    given = {key: value for key, value in where.items() if value is not None}
    status, text = given.pop("status", None), given.pop("text", None)
    found: list[Condition] = [heads.c.kind == kind if isinstance(kind, str) else heads.c.kind.in_(kind)]
    of_system = given.get("system") is not None

    def column(name: str) -> sa.ColumnElement[Any]:
        """Of one system, the index of systems finds few documents: no other is offered, which might be taken."""
        return heads.c[name].concat("") if of_system and name != "system" else heads.c[name]

    if status is not None:
        state = column("status")
        found.append(state == status if isinstance(status, str) else state.in_(list(_texts(status))))
    if text:
        found.append(heads.c.words.contains(str(text)[:LONGEST_SEARCH].casefold(), autoescape=True))
    for key, value in given.items():
        stated = value.isoformat() if isinstance(value, date) else value
        match key:
            case "due_before":
                found.append(column("due") < stated)
            case "due_from":
                found.append(column("due") >= stated)
            case "starts_after":
                found.append(field(connection, "starts") > stated)
            case "starts_by":
                found.append(field(connection, "starts") <= stated)
            case "live_on":
                found.append(_live(column, stated))
            case "over_on":
                found.append(sa.not_(_live(column, stated)))
            case "tier":
                found.append(field(connection, "tier") == stated)
            case _:
                one = column(key)
                found.append(one == stated if isinstance(stated, str) else one.in_(list(_texts(stated))))
    return found


def _live(column: Callable[[str], sa.ColumnElement[Any]], day: Any) -> Condition:
    return sa.or_(column("status") == "requested", sa.and_(column("status") == "approved", column("due") >= day))


def _texts(values: object) -> Iterable[str]:
    return (str(one) for one in values) if isinstance(values, Iterable) else ()


def _begins(column: sa.ColumnElement[Any], start: str | bytes) -> list[Condition]:
    """That a column begins with a text, as a range that an index answers; texts are compared byte by byte."""
    if isinstance(start, bytes):
        return [column >= start, column < start[:-1] + bytes([start[-1] + 1])]
    last = ord(start[-1])
    after = chr(last + 1 if last + 1 not in range(0xD800, 0xE000) else 0xE000) if last < 0x10FFFF else None
    return [column >= start, *([column < start[:-1] + after] if after else [])]
