"""What was done stands beside each line of the log, so that the lines of one action are found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEX = "ix_audit_action_seq"
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_FILL = {  # a line is canonical JSON, so that it begins with its action
    "sqlite": "UPDATE audit SET action = "
    "CAST(substr(line, 12, instr(substr(line, 12, 200), CAST('\"' AS BLOB)) - 1) AS TEXT)",
    "postgresql": "UPDATE audit SET action = "
    "convert_from(substring(line FROM 12 FOR position('\"'::bytea IN substring(line FROM 12 FOR 200)) - 1), 'UTF8')",
}


def upgrade() -> None:
    """Add the column, fill it from the lines, and make its index."""
    op.add_column("audit", sa.Column("action", _TEXT, nullable=False, server_default=""))
    op.get_bind().exec_driver_sql(_FILL[op.get_bind().dialect.name])
    op.create_index(_INDEX, "audit", ["action", "seq"])


def downgrade() -> None:
    """Drop both."""
    op.drop_index(_INDEX, "audit")
    op.drop_column("audit", "action")
