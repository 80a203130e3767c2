"""A narrow row for each run, so that lists of 100,000 runs are filtered and sorted without reading them."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_ROWS = 200  # runs read at once: their results are large
_KEPT = ("user_id", "model", "created_at", "deleted_at", "starred", "tags", "folded")


def upgrade() -> None:
    index = op.create_table(
        "run_index",
        sa.Column("created_at", sa.Double, primary_key=True),
        sa.Column("run_key", sa.Text, sa.ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True),
        sa.Column("deleted_at", sa.Double),
        sa.Column("starred", sa.Boolean, nullable=False),
        sa.Column("demonstrations", sa.Integer, nullable=False),
        sa.Column("rank", sa.Double),
        sa.Column("margin", sa.Double),
        sa.Column("ndcg10", sa.Double),
        sa.Column("seconds", sa.Double),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("scoring", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("uq_run_index_run_key", "run_index", ["run_key"], unique=True)
    _fill(op.get_bind(), index)


def _fill(connection: sa.Connection, index: sa.Table) -> None:
    """A row for each run there is."""
    names = ("key", "dataset", "request", "timings_ms", "result")
    runs = sa.table("runs", *(sa.column(name) for name in (*names, *_KEPT)))
    keys = list(connection.execute(sa.select(runs.c.key).order_by(runs.c.key)).scalars())
    for start in range(0, len(keys), _ROWS):
        part = sa.select(runs).where(runs.c.key.in_(keys[start : start + _ROWS]))
        rows = [_row(row._asdict()) for row in connection.execute(part)]
        connection.execute(sa.insert(index), rows)


def _row(run: dict[str, Any]) -> dict[str, Any]:
    request, result = _read(run["request"]), _read(run["result"])
    metrics, total = result.get("metrics") or {}, _read(run["timings_ms"]).get("total")
    chosen = request.get("demonstrations")
    strategy = str(request.get("demos", "none")).partition(":")[0]
    return {
        "run_key": run["key"],
        "dataset": run["dataset"],
        "strategy": strategy if chosen is None else "custom set" if chosen else "none",
        "demonstrations": len(result.get("demonstrations") or ()),
        "scoring": request.get("scoring", "auto"),
        "template": request.get("template", "plain"),
        "rank": metrics.get("rank"),
        "ndcg10": metrics.get("ndcg10"),
        "margin": result.get("margin"),
        "seconds": None if total is None else total / 1000,
        **{name: run[name] for name in _KEPT},
        "starred": bool(run["starred"]),
    }


def _read(text: str) -> dict[str, Any]:
    """The JSON of a run; nothing where it is damaged, which `check` reports and which hides no other run."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
