"""Every table of the store, as SQLAlchemy Core metadata.

Boundary: shapes only. The tables are created by the migrations in `db/migrations`; a test holds the two
equal. Times are unix seconds in double precision; JSON is canonical text (`db.canonical`); `dataset_id`,
`user` and `item` are row numbers, `user_id` and `item_id` the names in the source.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

# The newest migration; `Store.open` compares it with the database before it touches anything.
REVISION = "0014"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _dataset(nullable: bool = False) -> Column:
    """A reference to a data set; what hangs on it goes when the data set is purged (runs outlive it)."""
    action = "SET NULL" if nullable else "CASCADE"
    return Column(
        "dataset_id",
        Integer,
        ForeignKey("datasets.id", ondelete=action),
        nullable=nullable,
        primary_key=not nullable,
    )


datasets = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("users", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("interactions", BigInteger, nullable=False),
    Column("has_timestamps", Boolean, nullable=False),
    Column("has_ratings", Boolean, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("deleted_at", Double),
    Column("report", Text, nullable=False),
    # Until when its writer may still be at work; NULL once it is complete. Such a data set counts as deleted.
    Column("writing_until", Double),
    # SHA-256 of the rows (`db.datasets.columns.content`); NULL before migration 0007
    Column("content", Text),
    # While something is forgotten (`db.forgotten`): the data set that is read in this one's place; and, of
    # that one, which counts as deleted, the one in whose place it is read.
    Column("layer", Integer),
    Column("layer_of", Integer),
    Index(
        "uq_datasets_name",
        "name",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

items = Table(
    "items",
    metadata,
    _dataset(),
    Column("item", Integer, primary_key=True),
    Column("item_id", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("category", Text),
    Column("brand", Text),
    Column("folded", Text, nullable=False),
    Column("attributes", Text),
    Index("uq_items_item_id", "dataset_id", "item_id", unique=True),
    sqlite_with_rowid=False,
)

users = Table(
    "users",
    metadata,
    _dataset(),
    Column("user", Integer, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("length", Integer, nullable=False),
    Column("last_timestamp", BigInteger),
    Column("tie", Boolean, nullable=False),
    Index("uq_users_user_id", "dataset_id", "user_id", unique=True),
    sqlite_with_rowid=False,
)

# Clustered by user: a history is one short range read. References to users and items are checked once, in
# memory, when a data set is inserted (`db.datasets.columns`), not row by row.
interactions = Table(
    "interactions",
    metadata,
    _dataset(),
    Column("user", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("item", Integer, nullable=False),
    Column("timestamp", BigInteger),
    Column("rating", Double),
    sqlite_with_rowid=False,
)

# The same interactions clustered by item and numbered within it in the order they became known (by time), so
# that a uniform sample of an item's buyers up to some moment costs a few look-ups, however popular the item.
occurrences = Table(
    "occurrences",
    metadata,
    _dataset(),
    Column("item", Integer, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("user", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    sqlite_with_rowid=False,
)

texts = Table(
    "texts",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("text", Text, nullable=False),
)

demonstrations = Table(
    "demonstrations",
    metadata,
    _dataset(),
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("history", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("position", Integer),
    Column("timestamp", BigInteger),
    Column("text_hash", Text, ForeignKey("texts.hash")),
    Column("merged", Text),
    Index("ix_demonstrations_id", "id"),
)

candidate_lists = Table(
    "candidate_lists",
    metadata,
    _dataset(),
    Column("user", Integer, primary_key=True),
    Column("target_position", Integer, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("size", Integer, primary_key=True),
    Column("seed", BigInteger, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("items", Text, nullable=False),
)

# What systems outside of this program scored (`db.outside`): JSON, user id -> list's fingerprint and scores.
outside_systems = Table(
    "outside_systems",
    metadata,
    _dataset(),
    Column("name", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("size", Integer, primary_key=True),
    Column("seed", BigInteger, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("users", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("scores", Text, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("architecture", Text, nullable=False),
    Column("parameters", BigInteger, nullable=False),
    Column("context_length", Integer, nullable=False),
    Column("details", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("deleted_at", Double),
)

# People's own prompt templates; a text that was replaced stays, as runs name it by its digest.
templates = Table(
    "templates",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("scorings", Text, nullable=False),  # names, with blanks between
    Column("created_at", Double, nullable=False),
    Column("deleted_at", Double),
)

_KEPT = text("deleted_at IS NULL")

# `user_id`: the user a set was made for; NULL for one that all users of the data set share. `digest`: of its
# current version; the others stay, as runs name them.
demonstration_sets = Table(
    "demonstration_sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset_id", Integer, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("user_id", Text),
    Column("note", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("deleted_at", Double),
    Index(
        "uq_demonstration_sets_name",
        "dataset_id",
        "name",
        unique=True,
        sqlite_where=_KEPT,
        postgresql_where=_KEPT,
    ),
    sqlite_autoincrement=True,
)

demonstration_set_versions = Table(
    "demonstration_set_versions",
    metadata,
    Column("set_id", Integer, ForeignKey("demonstration_sets.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("saved_at", Double, nullable=False),
    Column("demonstrations", Text, nullable=False),
)

# Policy files as they were written (`db.policies`), to tell which of them show something.
policies = Table(
    "policies",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("text", Text, nullable=False),
)

# The wide columns come last: a listing reads past none of them.
runs = Table(
    "runs",
    metadata,
    Column("key", Text, primary_key=True),
    _dataset(nullable=True),
    Column("dataset", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("deleted_at", Double),
    Column("starred", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("timings_ms", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("content", Text),  # SHA-256 of what never changes (`db.runs.content`)
    Index("ix_runs_created_at", "created_at"),
    Index("ix_runs_dataset_user_id", "dataset", "user_id"),
)

# What lists of runs are filtered and sorted by, in rows as narrow as can be. It follows from `runs` and is
# written with it (`db.runs.index`). `demonstrations`: how many; `folded`: the text of searches. Clustered by
# time: the newest runs are read first, and reading on until enough are found sorts nothing.
run_index = Table(
    "run_index",
    metadata,
    Column("created_at", Double, primary_key=True),
    Column("run_key", Text, ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True),
    Column("deleted_at", Double),
    Column("starred", Boolean, nullable=False),
    Column("demonstrations", Integer, nullable=False),
    Column("rank", Double),
    Column("margin", Double),
    Column("ndcg10", Double),
    Column("seconds", Double),
    Column("dataset", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("scoring", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("margin_gain", Double),  # what the demonstrations added: margin in nats, NDCG@10
    Column("ndcg10_gain", Double),
    Column("set_digest", Text),  # of the demonstrations shown (`db.sets`); None for none
    Index("uq_run_index_run_key", "run_key", unique=True),
    Index("ix_run_index_set_digest", "set_digest"),
    sqlite_with_rowid=False,
)

run_requests = Table(
    "run_requests",
    metadata,
    Column("request_digest", Text, primary_key=True),
    Column("run_key", Text, ForeignKey("runs.key", ondelete="CASCADE"), nullable=False),
)

effects = Table(
    "effects",
    metadata,
    Column("effects_key", Text, primary_key=True),
    Column("run_key", Text, ForeignKey("runs.key", ondelete="CASCADE"), nullable=False),
    Column("options", Text, nullable=False),
    Column("timings_ms", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("result", Text, nullable=False),
    Column("content", Text),
    Index("ix_effects_run_key", "run_key"),
)

optimizations = Table(
    "optimizations",
    metadata,
    Column("key", Text, primary_key=True),
    Column("dataset_id", Integer, ForeignKey("datasets.id", ondelete="CASCADE")),
    Column("user_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("result", Text, nullable=False),
    Index("ix_optimizations_dataset_id_user_id", "dataset_id", "user_id"),
)


def _judging() -> Column:
    """A reference to a blind comparison; what hangs on it goes with it."""
    return Column("judging_id", Integer, ForeignKey("judgings.id", ondelete="CASCADE"), primary_key=True)


# Blind comparisons (`db.judging`). `token`: what the judges' link names. Nothing refers to a run: a pair
# keeps what is shown of its runs, and outlives them.
judgings = Table(
    "judgings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("label_a", Text, nullable=False),
    Column("label_b", Text, nullable=False),
    Column("length", Integer, nullable=False),  # titles of each list
    Column("seed", BigInteger, nullable=False),
    Column("left_out", Text, nullable=False),  # JSON: reason -> pairs
    Column("created_at", Double, nullable=False),
    Column("deleted_at", Double),
    Index("uq_judgings_token", "token", unique=True),
    sqlite_autoincrement=True,
)

judging_pairs = Table(
    "judging_pairs",
    metadata,
    _judging(),
    Column("pair", Integer, primary_key=True),
    Column("shown", Text, nullable=False),
)

judges = Table(
    "judges",
    metadata,
    _judging(),
    Column("judge", Integer, primary_key=True),  # in the order in which they came, from 0
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("joined_at", Double, nullable=False),
    Index("uq_judges_folded", "judging_id", "folded", unique=True),
)

# `choice`: a, b or tie; `left_side`: which of a and b stood on the left.
judgements = Table(
    "judgements",
    metadata,
    _judging(),
    Column("judge", Integer, primary_key=True),
    Column("pair", Integer, primary_key=True),
    Column("choice", Text, nullable=False),
    Column("left_side", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("judged_at", Double, nullable=False),
)

# `setting`: digest of all that its numbers depend on (`db.experiments`)
experiment_cells = Table(
    "experiment_cells",
    metadata,
    Column("setting", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("draw", Integer, primary_key=True),
    Column("cell", Text, nullable=False),
    sqlite_with_rowid=False,
)

_OPEN_JOB = text("state IN ('QUEUED', 'RUNNING') AND NOT stop_asked")

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("payload_digest", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("stop_asked", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("owner", Text),
    Column("lease_until", Double),
    Column("progress", Double),
    Column("message", Text, nullable=False),
    Column("error", Text),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("heartbeat_at", Double),
    Column("payload", Text, nullable=False),
    Column("result", Text),
    Column("partial", Text),
    Column("wanted_until", Double),
    Column("left_low_s", Double),
    Column("left_high_s", Double),
    Column("furthest", Double),
    Index(
        "uq_jobs_payload_digest",
        "payload_digest",
        unique=True,
        sqlite_where=_OPEN_JOB,
        postgresql_where=_OPEN_JOB,
    ),
    Index("ix_jobs_state_priority_id", "state", "priority", "id"),
    sqlite_autoincrement=True,
)

workers = Table(
    "workers",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("host", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("dtype", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("beat_at", Double, nullable=False),
    Column("supervisor", Integer),
)
