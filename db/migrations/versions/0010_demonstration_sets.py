"""Named sets of demonstrations, each version of one under its digest, and the digest of each run's."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ROWS = 200  # runs read at once: their results are large


def upgrade() -> None:
    op.create_table(
        "demonstration_sets",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dataset_id", sa.Integer, sa.ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("deleted_at", sa.Double),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_demonstration_sets_name",
        "demonstration_sets",
        ["dataset_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "demonstration_set_versions",
        sa.Column(
            "set_id",
            sa.Integer,
            sa.ForeignKey("demonstration_sets.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("saved_at", sa.Double, nullable=False),
        sa.Column("demonstrations", sa.Text, nullable=False),
    )
    for name, kind in (("margin_gain", sa.Double), ("ndcg10_gain", sa.Double), ("set_digest", sa.Text)):
        op.add_column("run_index", sa.Column(name, kind))
    op.create_index("ix_run_index_set_digest", "run_index", ["set_digest"])
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """What each run was shown, and what that added."""
    runs = sa.table("runs", sa.column("key"), sa.column("result"))
    names = ("run_key", "margin_gain", "ndcg10_gain", "set_digest")
    index = sa.table("run_index", *map(sa.column, names))
    keys = list(connection.execute(sa.select(index.c.run_key).order_by(index.c.run_key)).scalars())
    written = sa.update(index).where(index.c.run_key == sa.bindparam("run"))
    written = written.values({name: sa.bindparam(f"new_{name}") for name in names[1:]})
    for start in range(0, len(keys), _ROWS):
        part = sa.select(runs.c.key, runs.c.result).where(runs.c.key.in_(keys[start : start + _ROWS]))
        rows = [{"run": key, **_row(_read(result))} for key, result in connection.execute(part)]
        connection.execute(written, rows)


def _row(result: dict[str, Any]) -> dict[str, Any]:
    metrics = result.get("metrics") or {}
    return {
        "new_margin_gain": _gain(result.get("margin_zero_shot"), result.get("margin")),
        "new_ndcg10_gain": _gain((metrics.get("zero_shot") or {}).get("ndcg10"), metrics.get("ndcg10")),
        "new_set_digest": _digest(result),
    }


def _gain(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else now - before


def _digest(result: dict[str, Any]) -> str | None:
    """As `db.demonstrations` makes it; None for several prompts, each with a set of its own."""
    shown = result.get("demonstrations") or ()
    if not shown or result.get("prompts"):
        return None
    listed = [[one["id"], float(one.get("weight", 1.0))] for one in shown]
    return hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode()).hexdigest()[:16]


def _read(text: str) -> dict[str, Any]:
    """The JSON of a run; nothing where it is damaged, which `check` reports."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
