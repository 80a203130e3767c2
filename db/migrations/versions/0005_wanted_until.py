"""Until when the pages that watch a job want it, how long it still takes, and who restarts a worker."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for name in ("wanted_until", "left_low_s", "left_high_s"):
        op.add_column("jobs", sa.Column(name, sa.Double))
    op.add_column("workers", sa.Column("supervisor", sa.Integer))
