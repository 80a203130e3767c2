"""Digests of what is stored, for `db.integrity`, and how far a job ever was; rows before have none."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for table in ("datasets", "runs", "effects"):
        op.add_column(table, sa.Column("content", sa.Text))
    op.add_column("jobs", sa.Column("furthest", sa.Double))
