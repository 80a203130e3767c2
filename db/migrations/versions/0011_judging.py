"""Blind comparisons: the pairs of lists that people judge, who judges, and what they said."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "judgings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("label_a", sa.Text, nullable=False),
        sa.Column("label_b", sa.Text, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("left_out", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("deleted_at", sa.Double),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_judgings_token", "judgings", ["token"], unique=True)
    op.create_table(
        "judging_pairs",
        _judging(),
        sa.Column("pair", sa.Integer, primary_key=True),
        sa.Column("shown", sa.Text, nullable=False),
    )
    op.create_table(
        "judges",
        _judging(),
        sa.Column("judge", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("joined_at", sa.Double, nullable=False),
    )
    op.create_index("uq_judges_folded", "judges", ["judging_id", "folded"], unique=True)
    op.create_table(
        "judgements",
        _judging(),
        sa.Column("judge", sa.Integer, primary_key=True),
        sa.Column("pair", sa.Integer, primary_key=True),
        sa.Column("choice", sa.Text, nullable=False),
        sa.Column("left_side", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("judged_at", sa.Double, nullable=False),
    )


def _judging() -> sa.Column:
    return sa.Column(
        "judging_id", sa.Integer, sa.ForeignKey("judgings.id", ondelete="CASCADE"), primary_key=True
    )
