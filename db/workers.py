"""Engine processes that are alive: each beats every second or two, and is gone when it stops."""

import json
import time
from dataclasses import dataclass, field

import sqlalchemy as sa

from db.canonical import canonical_json
from db.schema import workers as table
from db.store import Store

_FORGET_S = 24 * 3600


@dataclass(frozen=True)
class Worker:
    """One engine process. `owner` is the name it claims jobs under; `models` those it holds in memory."""

    owner: str
    pid: int
    host: str
    device: str
    dtype: str
    state: str
    message: str = ""
    models: list[str] = field(default_factory=list)
    beat_at: float = 0.0


def beat(store: Store, worker: Worker) -> None:
    """Say that the worker is alive now and what it does. Workers silent for a day are forgotten."""
    now = time.time()
    values = {**vars(worker), "models": canonical_json(worker.models), "beat_at": now}
    with store.write() as connection:
        insert = store.insert(table).values(**values)
        connection.execute(insert.on_conflict_do_update(index_elements=["owner"], set_=values))
        connection.execute(sa.delete(table).where(table.c.beat_at < now - _FORGET_S))


def alive(store: Store, within_s: float = 10) -> list[Worker]:
    """Workers that beat within the last `within_s` seconds, by name."""
    query = sa.select(table).where(table.c.beat_at >= time.time() - within_s).order_by(table.c.owner)
    with store.read() as connection:
        rows = connection.execute(query)
        return [Worker(**{**row._asdict(), "models": json.loads(row.models)}) for row in rows]


def gone(store: Store, owner: str) -> None:
    """Forget the worker: it has shut down."""
    with store.write() as connection:
        connection.execute(sa.delete(table).where(table.c.owner == owner))
