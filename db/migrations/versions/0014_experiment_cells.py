"""What experiments measured of each user under each setting."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "experiment_cells",
        sa.Column("setting", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("draw", sa.Integer, nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("setting", "user_id", "draw", name="pk_experiment_cells"),
        sqlite_with_rowid=False,
    )
