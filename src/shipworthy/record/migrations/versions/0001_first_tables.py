"""The first tables.

They are written out here and not taken from `schema`, which moves on while this stays.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _texts(*names: str, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=null) for name in names]


def _numbers(*names: str, null: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, _NUMBER, nullable=null, autoincrement=False) for name in names]


def _measures(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double(), nullable=True) for name in names]


def _key(table: str, *names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*names, name=f"pk_{table}")


def _unique(table: str, *names: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*names, name=f"uq_{table}_{'_'.join(names)}")


def _of(table: str, name: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([name], [other], name=f"fk_{table}_{name}")


_INDEXES = (
    ("documents", "seq"),
    ("heads", "kind", "system"),
    ("heads", "kind", "due"),
    ("heads", "system"),
    ("runs", "system", "created"),
    ("runs", "created"),
    ("runs", "run"),
    ("runs", "seq"),
    ("artifacts", "seq"),
    ("verdicts", "requirement", "number"),
    ("inputs", "digest"),
    ("labels", "run", "evaluation", "case"),
    ("audit", "object"),
)
_TABLES = (
    "people", "documents", "heads", "runs", "verdicts", "inputs", "series", "estimates", "labels", "artifacts", "audit",
    "checkpoints",
)  # fmt: skip


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "people",
        *_texts("person"),
        *_texts("salt", "email", "name", null=True),
        _key("people", "person"),
        _unique("people", "email", "name"),
    )
    op.create_table(
        "documents",
        *_texts("kind", "id"),
        *_numbers("version"),
        *_texts("body", "salt", null=True),
        *_texts("digest"),
        *_texts("previous", null=True),
        *_texts("at", "actor"),
        *_numbers("seq"),
        _key("documents", "kind", "id", "version"),
    )
    op.create_table(
        "heads",
        *_texts("kind", "id"),
        *_numbers("version"),
        *_texts("digest"),
        *_texts("system", "status", "owner", "due", null=True),
        *_texts("words", "at"),
        _key("heads", "kind", "id"),
    )
    op.create_table(
        "runs",
        *_numbers("number"),
        *_texts("digest", "run", "system", "version", "plan_digest"),
        *_texts("locked", null=True),
        *_texts("created", "decision"),
        *_texts("baseline", null=True),
        *_texts("place", "body", "at", "actor"),
        *_numbers("seq"),
        _key("runs", "number"),
        _unique("runs", "digest"),
    )
    op.create_table(
        "verdicts",
        *_numbers("number", "position"),
        *_texts("requirement", "verdict", "severity", "body"),
        _key("verdicts", "number", "position"),
        _of("verdicts", "number", "runs.number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "inputs",
        *_numbers("number", "position"),
        *_texts("evaluation", "source"),
        *_texts("digest", null=True),
        *_numbers("rows"),
        _key("inputs", "number", "position"),
        _of("inputs", "number", "runs.number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "series",
        *_numbers("series"),
        *_texts("key", "evaluation", "metric", "compare", "slice"),
        *_texts("reference", "variant", "baseline", null=True),
        *_measures("level"),
        *_texts("method", null=True),
        _key("series", "series"),
        _unique("series", "key"),
    )
    op.create_table(
        "estimates",
        *_numbers("number", "position", "series"),
        *_measures("value", "low", "high"),
        *_numbers("n", null=True),
        *_measures("effective_n"),
        *_texts("reason", null=True),
        _key("estimates", "number", "position"),
        _of("estimates", "number", "runs.number"),
        _of("estimates", "series", "series.series"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "labels",
        *_numbers("seq", "position"),
        *_texts("run", "evaluation", "case", "attack"),
        *_numbers("trial"),
        *_texts("variant", "response", "scorer", "label", "why", "rater"),
        _key("labels", "seq", "position"),
        _of("labels", "rater", "people.person"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "artifacts",
        *_texts("digest"),
        *_numbers("size"),
        *_texts("media_type", "role", "name", "place", "at", "actor"),
        *_numbers("seq"),
        _key("artifacts", "digest"),
    )
    op.create_table(
        "audit",
        *_numbers("seq"),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        *_texts("object"),
        *_texts("salt", null=True),
        _key("audit", "seq"),
    )
    op.create_table(
        "checkpoints",
        *_numbers("size"),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("tree", sa.LargeBinary(), nullable=False),
        *_texts("at"),
        _key("checkpoints", "size"),
    )
    for table, *columns in _INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def downgrade() -> None:
    """Drop them."""
    for table in reversed(_TABLES):
        op.drop_table(table)
