"""Data sets that are not complete: begun, filled in small transactions, then published or removed.

A draft counts as deleted, so that no listing shows it and its name is free. Its writer holds a lease, renewed
with every part it writes. A draft whose lease is over belongs to nobody (its process was killed, or its data
set is being purged) and is removed by the next `sweep`.

Boundary: rows of the tables of data sets. Each transaction lasts a fraction of a second: other writers need
not wait, and a job can give way in between.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.errors import Conflict
from db.schema import candidate_lists, datasets, demonstrations, interactions, items, occurrences, users
from db.store import Store

Progress = Callable[[float | None, str], None]
"""Called between transactions with a fraction of the work or None, and a message; may raise to stop it."""

LEASE_S = 600.0  # longer than any job that is let in between two parts
ROWS = 20_000  # deleted in one transaction
FILLED = (interactions, occurrences, items, users, candidate_lists, demonstrations)


def silent(fraction: float | None, message: str) -> None:
    """Progress that nobody watches."""


def begin(store: Store, values: dict[str, Any]) -> int:
    """A new draft with these columns of `datasets`; its id."""
    now = time.time()
    head = {**values, "created_at": now, "deleted_at": now, "writing_until": now + LEASE_S}
    with store.write() as connection:
        return connection.execute(sa.insert(datasets).values(**head).returning(datasets.c.id)).scalar_one()


@contextmanager
def writing(store: Store, draft: int) -> Iterator[Connection]:
    """One transaction that writes a part of the draft and renews its lease. Raises Conflict if it is gone."""
    with store.write() as connection:
        renewed = sa.update(datasets).where(datasets.c.id == draft, datasets.c.writing_until.is_not(None))
        if not connection.execute(renewed.values(writing_until=time.time() + LEASE_S)).rowcount:
            raise Conflict(
                "What was written of this data set was removed, because another process imports it or "
                f"nothing was written for {LEASE_S / 60:.0f} minutes. Nothing was imported; import it again."
            )
        yield connection


def abandon(store: Store, draft: int) -> None:
    """End the lease: the draft belongs to nobody from now on."""
    with store.write() as connection:
        ended = sa.update(datasets).where(datasets.c.id == draft, datasets.c.writing_until.is_not(None))
        connection.execute(ended.values(writing_until=0.0))


def sweep(
    store: Store,
    progress: Progress = silent,
    *,
    twin: tuple[str, str] | None = None,
    seconds: float = math.inf,
) -> None:
    """Remove the drafts that belong to nobody; leave the rest for another time after so many `seconds`.

    `twin`: a name and a fingerprint. Drafts of both are removed as well: who imports the same data set again
    knows that the earlier attempt has ended.
    """
    ended = datasets.c.writing_until < time.time()
    if twin is not None:
        same = sa.and_(datasets.c.name == twin[0], datasets.c.fingerprint == twin[1])
        ended = sa.or_(ended, sa.and_(same, datasets.c.writing_until.is_not(None)))
    with store.read() as connection:
        found = list(connection.execute(sa.select(datasets.c.id, datasets.c.interactions).where(ended)))
    deadline = time.monotonic() + seconds
    for draft, size in found:
        _remove(store, draft, size, progress, deadline)


def _remove(store: Store, draft: int, size: int, progress: Progress, deadline: float) -> None:
    """Delete all rows of a draft, `ROWS` at a time, and then the draft. `size`: its interactions."""
    abandon(store, draft)
    done, most = 0, max(2 * size, 1)
    for table in FILLED:
        keys = [column for column in table.primary_key.columns if column.name != "dataset_id"]
        mine = table.c.dataset_id == draft
        # A part is a range of the primary key, up to its last row. With a list of keys instead, PostgreSQL
        # compares each key with each row of a table that it has not analyzed yet.
        last = sa.select(*keys).where(mine).order_by(*keys).offset(ROWS - 1).limit(1)
        more = True
        while more:
            if time.monotonic() > deadline:
                return
            progress(min(0.99, done / most), "Removing")
            with store.write() as connection:
                end = connection.execute(last).one_or_none()
                more = end is not None
                part = sa.and_(mine, sa.tuple_(*keys) <= sa.tuple_(*end)) if end is not None else mine
                done += connection.execute(sa.delete(table).where(part)).rowcount
    with store.write() as connection:
        connection.execute(sa.delete(datasets).where(datasets.c.id == draft))
