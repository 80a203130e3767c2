"""What a running job has so far: the curve of a tuning, the users a study has done."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("partial", sa.Text))
