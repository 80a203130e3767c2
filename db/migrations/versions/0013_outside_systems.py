"""Scores of systems outside of this program, given to candidate lists."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    dataset = sa.ForeignKey("datasets.id", ondelete="CASCADE")
    op.create_table(
        "outside_systems",
        sa.Column("dataset_id", sa.Integer, dataset, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("size", sa.Integer, primary_key=True),
        sa.Column("seed", sa.BigInteger, primary_key=True),
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("users", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("scores", sa.Text, nullable=False),
    )
