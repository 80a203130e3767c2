"""Results of searches among one user's demonstrations, stored once per key: of the optimizer, and the
effects of a pool.

Boundary: plain JSON in and out; the engine computes keys and results, this keeps them. The first writer of a
key wins.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from db.canonical import canonical_json
from db.schema import optimizations as table
from db.store import Store


@dataclass(frozen=True)
class Optimization:
    """A stored result (see `engine.optimize` and `engine.tasks.predicted`). `created_at`: unix seconds."""

    key: str
    dataset_id: int | None
    user_id: str
    model: str
    result: dict[str, Any]
    created_at: float = 0.0


def save(store: Store, made: Optimization) -> Optimization:
    """Store a result under its key; returns the stored one: the first, where two computed the same."""
    values = {
        "key": made.key,
        "dataset_id": made.dataset_id,
        "user_id": made.user_id,
        "model": made.model,
        "result": canonical_json(made.result),
        "created_at": time.time(),
    }
    with store.write() as connection:
        connection.execute(store.insert(table).values(**values).on_conflict_do_nothing())
        row = connection.execute(sa.select(table).where(table.c.key == made.key)).one()
    return _typed(row)


def find(store: Store, key: str) -> Optimization | None:
    """The result under this key, or None."""
    with store.read() as connection:
        row = connection.execute(sa.select(table).where(table.c.key == key)).one_or_none()
    return None if row is None else _typed(row)


def listing(store: Store, dataset_id: int, user_id: str) -> list[Optimization]:
    """Results of one user, newest first."""
    query = sa.select(table).where(table.c.dataset_id == dataset_id, table.c.user_id == user_id)
    with store.read() as connection:
        return [_typed(row) for row in connection.execute(query.order_by(table.c.created_at.desc()))]


def _typed(row: sa.Row) -> Optimization:
    return Optimization(**{**row._asdict(), "result": json.loads(row.result)})
