"""The list of data sets: look up, delete with undo, purge."""

import difflib
import json
import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from db.errors import Conflict, NotFound
from db.schema import candidate_lists, datasets, demonstrations, interactions, items, occurrences, users
from db.store import Store


@dataclass(frozen=True)
class DatasetInfo:
    """One data set. `fingerprint` is the digest of its content; `created_at` unix seconds."""

    id: int
    name: str
    kind: str
    source: str
    fingerprint: str
    users: int
    items: int
    interactions: int
    has_timestamps: bool
    has_ratings: bool
    simulated: bool
    report: dict
    created_at: float


def listing(store: Store) -> list[DatasetInfo]:
    """All data sets that are not deleted, by name."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(datasets).where(datasets.c.deleted_at.is_(None)).order_by(datasets.c.name)
        )
        return [info_of(row) for row in rows]


def get(store: Store, name: str) -> DatasetInfo:
    """The data set of this name. Raises NotFound, naming near matches."""
    with store.read() as connection:
        row = row_of(connection, name)
        if row is None:
            raise _not_found(connection, name)
    return info_of(row)


def delete(store: Store, name: str) -> None:
    """Hide the data set and free its name; `restore` undoes it. Raises NotFound."""
    with store.write() as connection:
        row = row_of(connection, name)
        if row is None and _deleted(connection, name):
            raise NotFound(f"The data set {name!r} is deleted already; it can be restored from the bin.")
        if row is None:
            raise _not_found(connection, name)
        connection.execute(sa.update(datasets).where(datasets.c.id == row.id).values(deleted_at=time.time()))


def restore(store: Store, name: str) -> DatasetInfo:
    """Undo the newest `delete` of this name. Raises NotFound, or Conflict where the name is in use again."""
    with store.write() as connection:
        deleted = _deleted(connection, name)
        if not deleted:
            raise NotFound(f"No deleted data set is called {name!r}; there is nothing to restore.")
        if row_of(connection, name) is not None:
            raise Conflict(
                f"The deleted data set {name!r} cannot come back: another one has that name now. "
                "Delete that one first. Both are kept."
            )
        row = deleted[0]
        connection.execute(sa.update(datasets).where(datasets.c.id == row.id).values(deleted_at=None))
    return info_of(row)


def purge(store: Store, name: str) -> int:
    """Remove for good every deleted data set of this name; their number. Stored runs stay readable."""
    with store.write() as connection:
        ids = [row.id for row in _deleted(connection, name)]
        for table in (interactions, occurrences, items, users, candidate_lists, demonstrations):
            connection.execute(sa.delete(table).where(table.c.dataset_id.in_(ids)))
        connection.execute(sa.delete(datasets).where(datasets.c.id.in_(ids)))
    return len(ids)


def row_of(connection: Connection, name: str) -> Row | None:
    """The row of the data set of this name that is not deleted."""
    return connection.execute(
        sa.select(datasets).where(datasets.c.name == name, datasets.c.deleted_at.is_(None))
    ).one_or_none()


def info_of(row: Row) -> DatasetInfo:
    """The typed form of a row of `datasets`."""
    fields = row._asdict()
    del fields["deleted_at"]
    return DatasetInfo(**{**fields, "report": json.loads(row.report)})


def _deleted(connection: Connection, name: str) -> list[Row]:
    query = sa.select(datasets).where(datasets.c.name == name, datasets.c.deleted_at.is_not(None))
    return list(connection.execute(query.order_by(datasets.c.deleted_at.desc(), datasets.c.id.desc())))


def _not_found(connection: Connection, name: str) -> NotFound:
    names = list(
        connection.execute(sa.select(datasets.c.name).where(datasets.c.deleted_at.is_(None))).scalars()
    )
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = "Did you mean " + " or ".join(repr(entry) for entry in near) + "?"
    elif names:
        hint = "There are: " + ", ".join(repr(entry) for entry in sorted(names)[:10]) + "."
    else:
        hint = "The store holds no data set yet; import one, or run `dualens setup`."
    return NotFound(f"No data set is called {name!r}. {hint}")
