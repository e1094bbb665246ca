"""The tables. Times are text, ISO 8601 in UTC with microseconds: they sort as they read, alike in every database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sqlalchemy as sa

from shipworthy.errors import Damaged, Fault

VERSION = "0006"  # of these tables; the newest of migrations/versions
VERSION_TABLE = "shipworthy_schema"

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


_ANYTHING: ContextVar[bool] = ContextVar("anything", default=False)


@contextmanager
def anything() -> Iterator[None]:
    """Whatever is read meanwhile comes as it is, for who looks for damage; else a value of another type is refused."""
    before = _ANYTHING.set(True)
    try:
        yield
    finally:
        _ANYTHING.reset(before)


def _only(kinds: tuple[type, ...], what: str) -> Callable[[Any], Any]:
    """Passes values of these types; SQLite keeps any in any column. Raises Damaged (RECORD009) for others."""

    def passed(value: Any) -> Any:
        if value is None or type(value) in kinds or _ANYTHING.get():
            return value
        said = f"a value that the record keeps is no {what}: it was changed there"
        mend = "`shipworthy record verify` says where; then restore a backup"
        raise Damaged(Fault(code="RECORD009", what=said, where=repr(value)[:80], mend=mend))

    return passed


class _Text(sa.Text):
    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:  # noqa: ARG002  SQLAlchemy's own
        return _only((str,), "text")


class _Whole(sa.Integer):
    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:  # noqa: ARG002
        return _only((int,), "whole number")


class _Real(sa.Double[float]):
    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:  # noqa: ARG002
        return _only((float, int), "number")


def text() -> sa.Text:
    """Text compared byte by byte: a server's language changes no order and no match."""
    return _Text().with_variant(sa.Text(collation="C"), "postgresql")


def column(name: str, *more: sa.ForeignKey, null: bool = False, key: bool = False) -> sa.Column[str]:
    """A column of text."""
    return sa.Column(name, text(), *more, nullable=null, primary_key=key)


def _number(name: str, *more: sa.ForeignKey, null: bool = False, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(_Whole(), "sqlite"), *more, nullable=null, primary_key=key,
                     autoincrement=False)  # fmt: skip


def _measure(name: str) -> sa.Column[float]:
    return sa.Column(name, _Real(), nullable=True)


people = sa.Table(  # the openings of commitments; all but the commitment is null once a person was erased
    "people",
    metadata,
    column("person", key=True),
    column("salt", null=True),
    column("email", null=True),
    column("name", null=True),
    sa.UniqueConstraint("email", "name"),
)

documents = sa.Table(  # every version of every document; `body` and `salt` are null once a version was forgotten
    "documents",
    metadata,
    column("kind", key=True),
    column("id", key=True),
    _number("version", key=True),
    column("body", null=True),
    column("salt", null=True),
    column("digest"),
    column("previous", null=True),
    column("at"),
    column("actor"),
    _number("seq"),
    sa.Index(None, "seq"),
)

heads = sa.Table(  # the newest version of each document, with what is searched
    "heads",
    metadata,
    column("kind", key=True),
    column("id", key=True),
    _number("version"),
    column("digest"),
    column("system", null=True),
    column("status", null=True),
    column("owner", null=True),
    column("due", null=True),
    _number("score", null=True),  # of a risk: likelihood × severity of what is left of it
    column("words"),  # its texts, case folded
    column("at"),
    sa.Index(None, "kind", "system"),
    sa.Index(None, "kind", "due"),
    sa.Index(None, "kind", "status", "due"),
    sa.Index(None, "kind", "status", "score", "id"),
    sa.Index(None, "system"),
    sa.Index(None, "at"),
)

runs = sa.Table(
    "runs",
    metadata,
    _number("number", key=True),
    column("digest"),  # of the run's manifest
    column("run"),
    column("system"),
    column("version"),
    column("plan_digest"),
    column("locked", null=True),
    column("created"),
    column("decision"),
    column("baseline", null=True),
    column("place"),
    column("body"),  # what the log's digest covers, canonical JSON
    column("at"),
    column("actor"),
    _number("seq"),
    sa.UniqueConstraint("digest"),
    sa.Index(None, "system", "created"),
    sa.Index(None, "created"),
    sa.Index(None, "run"),
    sa.Index(None, "version", "created"),
    sa.Index(None, "seq"),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    _number("number", sa.ForeignKey("runs.number"), key=True),
    _number("position", key=True),
    column("requirement"),
    column("verdict"),
    column("severity"),
    column("body"),  # as results.json has it
    sa.Index(None, "requirement", "number"),
    sqlite_with_rowid=False,
)

inputs = sa.Table(
    "inputs",
    metadata,
    _number("number", sa.ForeignKey("runs.number"), key=True),
    _number("position", key=True),
    column("evaluation"),
    column("source"),
    column("digest", null=True),
    _number("rows"),
    sa.Index(None, "digest"),
    sqlite_with_rowid=False,
)

series = sa.Table(  # what is estimated, told once for all the runs that estimate it
    "series",
    metadata,
    _number("series", key=True),
    column("key"),  # digest of what follows
    column("evaluation"),
    column("metric"),
    column("compare"),
    column("slice"),  # JSON object
    column("reference", null=True),  # JSON object
    column("variant", null=True),
    column("baseline", null=True),
    _measure("level"),
    column("method", null=True),
    sa.UniqueConstraint("key"),
)

estimates = sa.Table(
    "estimates",
    metadata,
    _number("number", sa.ForeignKey("runs.number"), key=True),
    _number("position", key=True),
    _number("series", sa.ForeignKey("series.series")),
    _measure("value"),
    _measure("low"),
    _measure("high"),
    _number("n", null=True),
    _measure("effective_n"),
    column("reason", null=True),
    sqlite_with_rowid=False,
)

labels = sa.Table(  # what people said of answers; of two words of one rater on one answer the later counts
    "labels",
    metadata,
    _number("seq", key=True),
    _number("position", key=True),
    column("run"),  # digest of the run
    column("evaluation"),
    column("case"),
    column("attack"),
    _number("trial"),
    column("variant"),
    column("response"),  # digest of the answer that was read
    column("scorer"),
    column("label"),
    column("why"),
    column("rater", sa.ForeignKey("people.person")),
    sa.Index(None, "run", "evaluation", "case"),
    sqlite_with_rowid=False,
)

artifacts = sa.Table(  # files, by what they hold; the files themselves lie elsewhere
    "artifacts",
    metadata,
    column("digest", key=True),
    _number("size"),
    column("media_type"),
    column("role"),
    column("name"),
    column("place"),
    column("at"),
    column("actor"),
    _number("seq"),
    sa.Index(None, "seq"),
    sa.Index(None, "name", "role", "seq"),
)

audit = sa.Table(  # the log: each line exactly as it is exported
    "audit",
    metadata,
    _number("seq", key=True),
    sa.Column("line", sa.LargeBinary(), nullable=False),
    column("object"),
    column("salt", null=True),  # of the line's `after`, where that is no document's
    column("action"),
    sa.Index(None, "object"),
    sa.Index(None, "action", "seq"),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    _number("size", key=True),
    sa.Column("note", sa.LargeBinary(), nullable=False),  # the signed text
    sa.Column("tree", sa.LargeBinary(), nullable=False),  # the Merkle tree's state at that size
    column("at"),
)

accounts = sa.Table(  # who may sign in; address and name are the person's, and gone with them
    "accounts",
    metadata,
    column("account", key=True),
    column("person", sa.ForeignKey("people.person")),
    column("password", null=True),  # its argon2id hash
    column("login", null=True),  # digest of who they are at the provider of OpenID Connect
    column("status"),
    column("at"),
    sa.UniqueConstraint("person"),
    sa.UniqueConstraint("login"),
)

grants = sa.Table(
    "grants",
    metadata,
    column("account", sa.ForeignKey("accounts.account"), key=True),
    column("system", key=True),  # `*` for all of them
    column("role", key=True),
    sqlite_with_rowid=False,
)

sessions = sa.Table(  # of browsers
    "sessions",
    metadata,
    column("digest", key=True),  # of the secret in the cookie
    column("account", sa.ForeignKey("accounts.account")),
    column("created"),
    column("seen"),
    column("ends"),
    sa.Index(None, "account"),
)

tokens = sa.Table(  # of programs
    "tokens",
    metadata,
    column("token", key=True),  # how it is called
    column("digest"),  # of the secret
    column("account", sa.ForeignKey("accounts.account")),
    column("name"),
    column("scopes"),  # words, parted by blanks
    column("system"),  # `*` for all that its account may see
    column("created"),
    column("ends"),
    column("used", null=True),
    sa.UniqueConstraint("digest"),
    sa.Index(None, "account"),
)
