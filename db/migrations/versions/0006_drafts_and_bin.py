"""Data sets that are still being written, and removed models that can come back."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("writing_until", sa.Double))
    op.add_column("models", sa.Column("deleted_at", sa.Double))
