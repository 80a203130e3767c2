"""The first tables: data sets, prompts, models, runs, jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _data_sets()
    _interactions()
    _prompts()
    _runs()
    _jobs()


def _data_sets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("users", sa.Integer, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("interactions", sa.BigInteger, nullable=False),
        sa.Column("has_timestamps", sa.Boolean, nullable=False),
        sa.Column("has_ratings", sa.Boolean, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("deleted_at", sa.Double),
        sa.Column("report", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_datasets_name",
        "datasets",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "items",
        sa.Column("dataset_id", sa.Integer, nullable=False),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("category", sa.Text),
        sa.Column("brand", sa.Text),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("attributes", sa.Text),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_items_dataset_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "item", name="pk_items"),
        sqlite_with_rowid=False,
    )
    op.create_index("uq_items_item_id", "items", ["dataset_id", "item_id"], unique=True)
    op.create_table(
        "users",
        sa.Column("dataset_id", sa.Integer, nullable=False),
        sa.Column("user", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("last_timestamp", sa.BigInteger),
        sa.Column("tie", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_users_dataset_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "user", name="pk_users"),
        sqlite_with_rowid=False,
    )
    op.create_index("uq_users_user_id", "users", ["dataset_id", "user_id"], unique=True)


def _interactions() -> None:
    op.create_table(
        "interactions",
        sa.Column("dataset_id", sa.Integer, nullable=False),
        sa.Column("user", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("timestamp", sa.BigInteger),
        sa.Column("rating", sa.Double),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_interactions_dataset_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "user", "position", name="pk_interactions"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "occurrences",
        sa.Column("dataset_id", sa.Integer, nullable=False),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("user", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_occurrences_dataset_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "item", "ordinal", name="pk_occurrences"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "candidate_lists",
        sa.Column("dataset_id", sa.Integer, nullable=False),
        sa.Column("user", sa.Integer, nullable=False),
        sa.Column("target_position", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_candidate_lists_dataset_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "user", "target_position", "kind", "size", "seed", name="pk_candidate_lists"
        ),
    )


def _prompts() -> None:
    op.create_table(
        "texts",
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_texts"),
    )
    op.create_table(
        "demonstrations",
        sa.Column("dataset_id", sa.Integer, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("history", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("position", sa.Integer),
        sa.Column("timestamp", sa.BigInteger),
        sa.Column("text_hash", sa.Text),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_demonstrations_dataset_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["text_hash"], ["texts.hash"], name="fk_demonstrations_text_hash"),
        sa.PrimaryKeyConstraint("dataset_id", "id", name="pk_demonstrations"),
    )
    op.create_index("ix_demonstrations_id", "demonstrations", ["id"])
    op.create_table(
        "models",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("architecture", sa.Text, nullable=False),
        sa.Column("parameters", sa.BigInteger, nullable=False),
        sa.Column("context_length", sa.Integer, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_models"),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("dataset_id", sa.Integer),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("deleted_at", sa.Double),
        sa.Column("starred", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("request_digest", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("timings_ms", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_runs_dataset_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_runs"),
    )
    op.create_index("ix_runs_created_at", "runs", ["created_at"])
    op.create_index("ix_runs_dataset_user_id", "runs", ["dataset", "user_id"])
    op.create_table(
        "run_requests",
        sa.Column("request_digest", sa.Text, nullable=False),
        sa.Column("run_key", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_key"], ["runs.key"], name="fk_run_requests_run_key", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("request_digest", name="pk_run_requests"),
    )
    op.create_table(
        "effects",
        sa.Column("effects_key", sa.Text, nullable=False),
        sa.Column("run_key", sa.Text, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("timings_ms", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["run_key"], ["runs.key"], name="fk_effects_run_key", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("effects_key", name="pk_effects"),
    )
    op.create_index("ix_effects_run_key", "effects", ["run_key"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload_digest", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("stop_asked", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("lease_until", sa.Double),
        sa.Column("progress", sa.Double),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("heartbeat_at", sa.Double),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_state_priority_id", "jobs", ["state", "priority", "id"])
    op.create_index(
        "uq_jobs_payload_digest",
        "jobs",
        ["payload_digest"],
        unique=True,
        sqlite_where=sa.text("state IN ('QUEUED', 'RUNNING') AND NOT stop_asked"),
        postgresql_where=sa.text("state IN ('QUEUED', 'RUNNING') AND NOT stop_asked"),
    )
    op.create_table(
        "workers",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("dtype", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("beat_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_workers"),
    )
