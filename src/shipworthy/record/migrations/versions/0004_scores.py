"""What is left of each risk stands beside its newest version, so that the worst are found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEX = "ix_heads_kind_status_score_id"
_RATED = (  # likelihood × severity of what is left, else of what there was
    "SELECT coalesce({residual}, {inherent}) FROM documents "
    "WHERE documents.kind = heads.kind AND documents.id = heads.id AND documents.version = heads.version"
)
_PRODUCT = {
    "sqlite": "json_extract(body, '$.{0}.likelihood') * json_extract(body, '$.{0}.severity')",
    "postgresql": "(body::jsonb #>> '{{{0},likelihood}}')::bigint * (body::jsonb #>> '{{{0},severity}}')::bigint",
}


def upgrade() -> None:
    """Add the column, fill it from the risks, and make its index."""
    op.add_column("heads", sa.Column("score", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
    product = _PRODUCT[op.get_bind().dialect.name]
    rated = _RATED.format(residual=product.format("residual"), inherent=product.format("inherent"))
    op.get_bind().exec_driver_sql(f"UPDATE heads SET score = ({rated}) WHERE kind = 'risk'")
    op.create_index(_INDEX, "heads", ["kind", "status", "score", "id"])


def downgrade() -> None:
    """Drop both."""
    op.drop_index(_INDEX, "heads")
    op.drop_column("heads", "score")
