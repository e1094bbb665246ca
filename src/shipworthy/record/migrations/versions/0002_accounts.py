"""Accounts, what they may do, their sessions and tokens.

They are written out here and not taken from `schema`, which moves on while this stays.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_TABLES = ("accounts", "grants", "sessions", "tokens")


def _texts(*names: str, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=null) for name in names]


def _key(table: str, *names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*names, name=f"pk_{table}")


def _unique(table: str, name: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(name, name=f"uq_{table}_{name}")


def _of(table: str, name: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([name], [other], name=f"fk_{table}_{name}")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        *_texts("account", "person"),
        *_texts("password", "login", null=True),
        *_texts("status", "at"),
        _key("accounts", "account"),
        _unique("accounts", "person"),
        _unique("accounts", "login"),
        _of("accounts", "person", "people.person"),
    )
    op.create_table(
        "grants",
        *_texts("account", "system", "role"),
        _key("grants", "account", "system", "role"),
        _of("grants", "account", "accounts.account"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sessions",
        *_texts("digest", "account", "created", "seen", "ends"),
        _key("sessions", "digest"),
        _of("sessions", "account", "accounts.account"),
    )
    op.create_table(
        "tokens",
        *_texts("token", "digest", "account", "name", "scopes", "system", "created", "ends"),
        *_texts("used", null=True),
        _key("tokens", "token"),
        _unique("tokens", "digest"),
        _of("tokens", "account", "accounts.account"),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"])
    op.create_index("ix_tokens_account", "tokens", ["account"])


def downgrade() -> None:
    """Drop them."""
    for table in reversed(_TABLES):
        op.drop_table(table)
