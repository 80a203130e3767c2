"""Scores that systems outside of this program gave to candidate lists, kept under a name.

A system is kept for one data set and one kind of lists (`Lists`); keeping it again replaces it. Each user's
scores stand beside the fingerprint of the list they are of, so that scores of a list that is another one by
now are told from those of today's. Nothing here says which candidate is the target.
"""

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import sqlalchemy as sa

from db.canonical import canonical_json
from db.datasets import DatasetInfo
from db.errors import NotFound
from db.names import check_name, clean_text, quoted
from db.schema import outside_systems as table
from db.store import Store

WHAT = "system"


@dataclass(frozen=True)
class Lists:
    """Which candidate lists of a data set: one per user, `size` items, drawn by `kind` from `seed`."""

    kind: str = "random"
    size: int = 20
    seed: int = 0
    target: str = "test"

    @property
    def words(self) -> str:
        """The same for people."""
        return f"{self.size} {self.kind} candidates, seed {self.seed}, target {self.target}"


@dataclass(frozen=True)
class System:
    """A system as it was kept. `users`: how many lists it scored; `source`: the file's name."""

    name: str
    lists: Lists
    users: int
    source: str
    created_at: float


class Scored(NamedTuple):
    """A user's scores in the list's order, higher is better, and the fingerprint of the list."""

    fingerprint: str
    scores: list[float]


def save(
    store: Store,
    info: DatasetInfo,
    lists: Lists,
    name: str,
    scored: Mapping[str, Scored],
    source: str = "",
) -> System:
    """Keep a system's scores, by user id, in place of what it had for these lists. Raises BadInput."""
    check_name(WHAT, name)
    values = {
        "users": len(scored),
        "source": clean_text(source),
        "created_at": time.time(),
        "scores": canonical_json({user: list(row) for user, row in scored.items()}),
    }
    keys = {"dataset_id": info.origin_id, "name": name, **asdict(lists)}
    insert = store.insert(table).values(**keys, **values)
    with store.write() as connection:
        connection.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=values))
    return get(store, info, lists, name)


def listing(store: Store, info: DatasetInfo, lists: Lists | None = None) -> list[System]:
    """The systems kept for a data set, or for these lists of it alone, by name."""
    columns = [column for column in table.c if column.name != "scores"]
    query = sa.select(*columns).where(table.c.dataset_id == info.origin_id, *_of(lists))
    order = (table.c.name, table.c.target, table.c.kind, table.c.size, table.c.seed)
    with store.read() as connection:
        return [_system(row) for row in connection.execute(query.order_by(*order))]


def names(store: Store, info: DatasetInfo, lists: Lists) -> list[str]:
    """Names of the systems kept for these lists."""
    return [system.name for system in listing(store, info, lists)]


def get(store: Store, info: DatasetInfo, lists: Lists, name: str) -> System:
    """The system of this name. Raises NotFound, naming those there are."""
    known = listing(store, info, lists)
    for system in known:
        if system.name == name:
            return system
    there = ", ".join(system.name for system in known[:5]) or "none yet"
    raise NotFound(
        f"{info.name!r} has no outside system {quoted(name)} for {lists.words}; there are: {there}. "
        f"`dualens lists score FILE --name NAME` stores one."
    )


def scored(store: Store, info: DatasetInfo, lists: Lists, name: str) -> dict[str, Scored]:
    """What a system was kept with, by user id. Raises NotFound."""
    get(store, info, lists, name)
    query = sa.select(table.c.scores).where(
        table.c.dataset_id == info.origin_id, table.c.name == name, *_of(lists)
    )
    with store.read() as connection:
        written = connection.execute(query).scalar_one()
    return {user: Scored(*row) for user, row in json.loads(written).items()}


def delete(store: Store, info: DatasetInfo, name: str, lists: Lists | None = None) -> int:
    """Remove a system's scores of these lists, or of all lists of the data set; of how many. Raises
    NotFound."""
    wanted = (table.c.dataset_id == info.origin_id, table.c.name == name, *_of(lists))
    with store.write() as connection:
        count = connection.execute(sa.delete(table).where(*wanted)).rowcount
    if not count:
        raise NotFound(
            f"{info.name!r} has no outside system {quoted(name)}. Nothing was changed. "
            f"`dualens lists scored -d {shlex.quote(info.name)}` lists those there are."
        )
    return count


def _of(lists: Lists | None) -> tuple[sa.ColumnElement[bool], ...]:
    return () if lists is None else tuple(table.c[field] == value for field, value in asdict(lists).items())


def _system(row: sa.Row) -> System:
    lists = Lists(row.kind, row.size, row.seed, row.target)
    return System(row.name, lists, row.users, row.source, row.created_at)
