"""What is forgotten of a data set, as another one that is read in its place; the policy files written."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("layer", sa.Integer))
    op.add_column("datasets", sa.Column("layer_of", sa.Integer))
    op.create_table(
        "policies",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_policies"),
    )
