"""Demonstrations made of several users' windows say which."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("demonstrations", sa.Column("merged", sa.Text))
