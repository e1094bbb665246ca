"""Indexes for the pages: registers by state and day, what was written last, runs of a version."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INDEXES = (("heads", "kind", "status", "due"), ("heads", "at"), ("runs", "version", "created"))


def upgrade() -> None:
    """Make them."""
    for table, *columns in _INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def downgrade() -> None:
    """Drop them."""
    for table, *columns in reversed(_INDEXES):
        op.drop_index(f"ix_{table}_{'_'.join(columns)}", table)
