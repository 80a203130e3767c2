"""The list of data sets: look up, delete into the bin, restore, purge."""

import difflib
import json
import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from db.datasets import drafts
from db.errors import Conflict, Damaged, NotFound
from db.names import quoted
from db.ratings import Scale
from db.schema import datasets
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

    @property
    def forgotten(self) -> list[dict]:
        """What is forgotten of it (`db.forgotten`), ready for JSON; empty where everything is read."""
        return self.report.get("forgotten", {}).get("entries", [])

    @property
    def origin_id(self) -> int:
        """The id of the data set as imported, to which demonstrations, sets and runs belong."""
        return self.report.get("forgotten", {}).get("of", self.id)

    @property
    def origin(self) -> str:
        """The fingerprint of the data set as imported, by which draws are seeded: forgetting changes none."""
        return self.report.get("forgotten", {}).get("fingerprint", self.fingerprint)

    @property
    def scale(self) -> Scale:
        """The scale of its ratings, which says what was liked and disliked."""
        return Scale.from_json(self.report.get("scale"))


_OF_ITS_STATE = ("deleted_at", "writing_until", "content", "layer", "layer_of")


def listing(store: Store) -> list[DatasetInfo]:
    """All data sets that are not deleted, by name, without what is forgotten of them."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(datasets).where(datasets.c.deleted_at.is_(None)).order_by(datasets.c.name)
        ).all()
        return [info_of(_as_read(connection, row)) for row in rows]


def fingerprints(store: Store) -> list[str]:
    """Fingerprints of all data sets, those in the bin and those being written among them."""
    with store.read() as connection:
        return list(connection.execute(sa.select(datasets.c.fingerprint).distinct()).scalars())


def fingerprint_of(store: Store, dataset_id: int | None) -> str | None:
    """The fingerprint of a data set, in the bin or not; None where it was purged."""
    query = sa.select(datasets.c.fingerprint).where(datasets.c.id == dataset_id)
    with store.read() as connection:
        return connection.execute(query).scalar_one_or_none()


def is_simulated(store: Store, dataset_id: int | None) -> bool | None:
    """Whether a data set is simulated, in the bin or not; None where it was purged."""
    query = sa.select(datasets.c.simulated).where(datasets.c.id == dataset_id)
    with store.read() as connection:
        return connection.execute(query).scalar_one_or_none()


def get(store: Store, name: str) -> DatasetInfo:
    """The data set of this name as it is to be read: the one place where what is forgotten is left out.

    Raises NotFound, naming near matches.
    """
    with store.read() as connection:
        row = row_of(connection, name)
        if row is None:
            raise _not_found(connection, name)
        return info_of(_as_read(connection, row))


def origin(dataset_id: int) -> sa.ScalarSelect[int]:
    """The id of the data set as imported, of one that may be read in its place."""
    of = sa.func.coalesce(datasets.c.layer_of, datasets.c.id)
    return sa.select(of).where(datasets.c.id == dataset_id).scalar_subquery()


def _as_read(connection: Connection, row: Row) -> Row:
    """The row of the data set that is read in place of this one, where something is forgotten. Raises Damaged
    where it is gone: what is forgotten must not be read."""
    if row.layer is None:
        return row
    layer = connection.execute(sa.select(datasets).where(datasets.c.id == row.layer)).one_or_none()
    if layer is None:
        raise Damaged(
            f"What is forgotten of the data set {row.name!r} is not in the store any more. Nothing is read. "
            "Restore a backup, or import the data set anew."
        )
    return layer


def delete(store: Store, name: str) -> None:
    """Move the data set to the bin and free its name; `restore` undoes it. Raises NotFound."""
    with store.write() as connection:
        row = row_of(connection, name)
        if row is None:
            in_bin = sa.select(datasets.c.id).where(datasets.c.name == name, _IN_BIN)
            if connection.execute(in_bin).first() is not None:
                raise NotFound(f"The data set {quoted(name)} is deleted already. It is in the bin.")
            raise _not_found(connection, name)
        connection.execute(sa.update(datasets).where(datasets.c.id == row.id).values(deleted_at=time.time()))


@dataclass(frozen=True)
class Deleted:
    """A data set in the bin. `deleted_at`: unix seconds; `bytes`: about how much its rows take."""

    info: DatasetInfo
    deleted_at: float
    bytes: int


def deleted(store: Store) -> list[Deleted]:
    """Deleted data sets that can be restored, the one deleted last first."""
    query = sa.select(datasets).where(_IN_BIN).order_by(datasets.c.deleted_at.desc(), datasets.c.id.desc())
    with store.read() as connection:
        rows = list(connection.execute(query))
    return [Deleted(info, row.deleted_at, _bytes(info)) for row in rows for info in [info_of(row)]]


def restore(store: Store, number: int) -> DatasetInfo:
    """Take the data set of this id out of the bin. Raises NotFound, or Conflict where its name is in use."""
    with store.write() as connection:
        row = _in_bin(connection, number)
        if row_of(connection, row.name) is not None:
            raise Conflict(
                f"The deleted data set {row.name!r} cannot come back: another one has that name now. "
                "Delete that one first. Both are kept."
            )
        connection.execute(sa.update(datasets).where(datasets.c.id == number).values(deleted_at=None))
    return info_of(row)


def purge(store: Store, number: int, progress: drafts.Progress = drafts.silent) -> DatasetInfo:
    """Remove the data set of this id from the bin for good, free its space, and return what it was.

    Stored runs stay readable. It cannot be restored once this has begun; what a killed process leaves is
    removed by the next `drafts.sweep`. Raises NotFound.
    """
    with store.write() as connection:
        row = _in_bin(connection, number)
        all_of_it = sa.or_(datasets.c.id == number, datasets.c.layer_of == number)
        connection.execute(sa.update(datasets).where(all_of_it).values(writing_until=0.0))
    drafts.sweep(store, progress)
    store.compact(lambda: progress(None, "Giving the space back to the disk"))
    return info_of(row)


def row_of(connection: Connection, name: str) -> Row | None:
    """The row of the data set of this name that is not deleted."""
    return connection.execute(
        sa.select(datasets).where(datasets.c.name == name, datasets.c.deleted_at.is_(None))
    ).one_or_none()


def info_of(row: Row) -> DatasetInfo:
    """The typed form of a row of `datasets`."""
    fields = {name: value for name, value in row._asdict().items() if name not in _OF_ITS_STATE}
    return DatasetInfo(**{**fields, "report": json.loads(row.report)})


_IN_BIN = sa.and_(
    datasets.c.deleted_at.is_not(None), datasets.c.writing_until.is_(None), datasets.c.layer_of.is_(None)
)


def _in_bin(connection: Connection, number: int) -> Row:
    row = connection.execute(sa.select(datasets).where(datasets.c.id == number, _IN_BIN)).one_or_none()
    if row is None:
        raise NotFound(
            "That data set is no longer in the bin: it was restored or removed. Nothing was changed."
        )
    return row


def _bytes(info: DatasetInfo) -> int:
    """Bytes of its rows, from what rows take in SQLite on average; reading all of them would take seconds."""
    return 46 * info.interactions + 170 * info.items + 45 * info.users


def _not_found(connection: Connection, name: str) -> NotFound:
    binned = sa.select(datasets.c.id).where(datasets.c.name == name, _IN_BIN).limit(1)
    if connection.execute(binned).first() is not None:
        return NotFound(
            f"The data set {name!r} was deleted. It is in the bin: restore it in the Library, or "
            "import it again."
        )
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
    return NotFound(f"No data set is called {quoted(name)}. {hint}")
