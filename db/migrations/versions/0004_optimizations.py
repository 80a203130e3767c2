"""Optimized demonstrations and the path that led to them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "optimizations",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("dataset_id", sa.Integer, sa.ForeignKey("datasets.id", ondelete="CASCADE")),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
    )
    op.create_index("ix_optimizations_dataset_id_user_id", "optimizations", ["dataset_id", "user_id"])
