"""An index by which the artifacts that are about one thing are found: its packages, or its reproductions."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INDEX = "ix_artifacts_name_role_seq"


def upgrade() -> None:
    """Make it."""
    op.create_index(_INDEX, "artifacts", ["name", "role", "seq"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index(_INDEX, "artifacts")
