"""Histories, windows and items of a data set.

Boundary: row numbers in, frozen rows out; every read is a short range of a clustered table.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db import bulk
from db.datasets.columns import DatasetColumns
from db.schema import datasets, interactions
from db.schema import items as item_table
from db.schema import occurrences as table
from db.schema import users as user_table
from db.store import Store

_PER_QUERY = 5_000
_SPANS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Interaction:
    """One purchase. `position` counts from 0, oldest first; `timestamp` unix seconds."""

    position: int
    item: int
    item_id: str
    title: str
    timestamp: int | None
    rating: float | None
    category: str | None
    brand: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """One item; `count` = interactions with it in the whole data set."""

    item: int
    item_id: str
    title: str
    category: str | None
    brand: str | None
    count: int


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All items, by row number."""

    item_ids: list[str]
    titles: list[str]
    counts: np.ndarray  # int64 [items]


_ITEM = (
    item_table.c.item,
    item_table.c.item_id,
    item_table.c.title,
    item_table.c.category,
    item_table.c.brand,
    item_table.c.count,
)

_HISTORY = (
    sa.select(
        interactions.c.position,
        interactions.c.item,
        item_table.c.item_id,
        item_table.c.title,
        interactions.c.timestamp,
        interactions.c.rating,
        item_table.c.category,
        item_table.c.brand,
    )
    .join(
        item_table,
        (item_table.c.dataset_id == interactions.c.dataset_id) & (item_table.c.item == interactions.c.item),
    )
    .where(
        interactions.c.dataset_id == sa.bindparam("dataset_id"), interactions.c.user == sa.bindparam("user")
    )
    .order_by(interactions.c.position)
)


def history(store: Store, dataset_id: int, user: int) -> list[Interaction]:
    """The user's interactions, oldest first; empty for an unknown user."""
    with store.read() as connection:
        rows = connection.execute(_HISTORY, {"dataset_id": dataset_id, "user": int(user)})
        return [Interaction(*row) for row in rows]


def bought(store: Store, dataset_id: int, user: int, until: int) -> list[int]:
    """Item numbers of the user's interactions at positions below `until`, oldest first.

    A tenth of the time that `history` takes, which is what counts where it is long.
    """
    query = sa.select(interactions.c.item).where(
        interactions.c.dataset_id == int(dataset_id),
        interactions.c.user == int(user),
        interactions.c.position < int(until),
    )
    with store.read() as connection:
        parts = bulk.fetched(connection, query.order_by(interactions.c.position))
        return [item for rows in parts for (item,) in rows]


def rated_below(store: Store, dataset_id: int, user: int, until: int, rating: float) -> list[str]:
    """Titles of the user's interactions at positions below `until` that are rated below `rating`, oldest
    first; those without a rating are not."""
    rows = _HISTORY.where(interactions.c.position < int(until), interactions.c.rating < rating)
    with store.read() as connection:
        found = connection.execute(rows, {"dataset_id": dataset_id, "user": int(user)})
        return [row.title for row in found]


def windows(store: Store, dataset_id: int, spans: Sequence[tuple[int, int, int]]) -> list[list[Interaction]]:
    """For each (user, start, stop): that user's interactions at positions start <= p < stop, in order."""
    found: list[list[Interaction]] = [[] for _ in spans]
    with store.read() as connection:
        for first in range(0, len(spans), _SPANS_PER_QUERY):
            part = enumerate(spans[first : first + _SPANS_PER_QUERY], first)
            # Whole numbers written into the statement: thousands of bound values would cost more than the
            # read.
            values = ", ".join(f"({n}, {int(u)}, {int(a)}, {int(b)})" for n, (u, a, b) in part)
            for row in connection.exec_driver_sql(_WINDOWS.format(values=values, dataset_id=int(dataset_id))):
                found[row[0]].append(Interaction(*row[1:]))
    return found


_WINDOWS = """
WITH spans (n, u, a, b) AS (VALUES {values})
SELECT s.n, x.position, x.item, i.item_id, i.title, x.timestamp, x.rating, i.category, i.brand
FROM spans s
CROSS JOIN interactions x
CROSS JOIN items i
WHERE x.dataset_id = {dataset_id} AND x."user" = s.u AND x.position >= s.a AND x.position < s.b
  AND i.dataset_id = {dataset_id} AND i.item = x.item
ORDER BY s.n, x.position
"""


def items(store: Store, dataset_id: int, items: Iterable[int]) -> dict[int, Item]:
    """Items by row number; unknown numbers are left out."""
    with store.read() as connection:
        found = _items_where(connection, dataset_id, item_table.c.item, [int(item) for item in items])
        return {item.item: item for item in found}


def item_by_ids(store: Store, dataset_id: int, item_ids: Iterable[str]) -> dict[str, Item]:
    """Items by their id in the source; unknown ids are left out."""
    with store.read() as connection:
        found = _items_where(connection, dataset_id, item_table.c.item_id, list(item_ids))
        return {item.item_id: item for item in found}


def _items_where(
    connection: Connection, dataset_id: int, column: sa.Column, wanted: Iterable[int | str]
) -> Iterator[Item]:
    distinct = list(dict.fromkeys(wanted))
    for start in range(0, len(distinct), _PER_QUERY):
        query = sa.select(*_ITEM).where(
            item_table.c.dataset_id == dataset_id, column.in_(distinct[start : start + _PER_QUERY])
        )
        for row in connection.execute(query):
            yield Item(*row)


def catalogue(store: Store, dataset_id: int) -> Catalogue:
    """Ids, titles and popularity of every item."""
    with store.read() as connection:
        ids, titles, counts = _lists(connection, item_table, dataset_id, "item_id", "title", "count")
    return Catalogue(ids, titles, np.array(counts, dtype=np.int64))


def item_counts(store: Store, dataset_id: int) -> np.ndarray:
    """How often each item was bought, int64 [items]."""
    with store.read() as connection:
        return np.array(_lists(connection, item_table, dataset_id, "count")[0], dtype=np.int64)


def occurrences(
    store: Store, dataset_id: int, items: Sequence[int], per_item: int = 200, seed: int = 0
) -> list[tuple[int, int, int]]:
    """Where these items were bought: (item, user, position), items in the order given, each oldest first.

    An item bought more than `per_item` times gives a uniform sample of that size, drawn by the seed.
    """
    found = []
    with store.read() as connection:
        counts = {
            item.item: item.count
            for item in _items_where(connection, dataset_id, item_table.c.item, [int(item) for item in items])
        }
        for item in (item for item in dict.fromkeys(int(item) for item in items) if item in counts):
            query = _OCCURRENCES.where(table.c.dataset_id == dataset_id, table.c.item == item)
            if counts[item] > per_item:
                drawn = np.random.default_rng((seed, item)).choice(counts[item], per_item, replace=False)
                query = query.where(table.c.ordinal.in_(drawn.tolist()))
            found.extend((item, row[0], row[1]) for row in connection.execute(query))
    return found


_OCCURRENCES = sa.select(table.c.user, table.c.position).order_by(table.c.ordinal)


def columns(store: Store, dataset_id: int) -> DatasetColumns:
    """The whole data set, as it was inserted (missing ratings NaN)."""
    with store.read() as connection:
        fields = ("item_id", "title", "category", "brand", "attributes")
        item_ids, titles, categories, brands, attributes = _lists(connection, item_table, dataset_id, *fields)
        user_ids, counts, tie = _lists(connection, user_table, dataset_id, "user_id", "length", "tie")
        lengths = np.array(counts, dtype=np.int64)
        item, timestamp, rating = _interaction_columns(connection, dataset_id, int(lengths.sum()))
    return DatasetColumns(
        item_ids=item_ids,
        titles=titles,
        categories=categories,
        brands=brands,
        attributes=_attributes(attributes),
        user_ids=user_ids,
        user=np.repeat(np.arange(len(user_ids), dtype=np.int32), lengths),
        item=item,
        timestamp=timestamp,
        rating=rating,
        tie=np.array(tie, dtype=bool),
    )


def _lists(connection: Connection, of: sa.Table, dataset_id: int, *names: str) -> list[list]:
    """Whole columns of the items or users of a data set, in order."""
    number = of.c["item" if of is item_table else "user"]
    query = sa.select(*(of.c[name] for name in names)).where(of.c.dataset_id == dataset_id).order_by(number)
    found: list[list] = [[] for _ in names]
    for rows in bulk.fetched(connection, query):
        for column, part in zip(found, zip(*rows, strict=True), strict=True):
            column.extend(part)
    return found


def _attributes(stored: list[str | None]) -> list[dict] | None:
    if not any(stored):
        return None
    return [json.loads(entry) if entry else {} for entry in stored]


def _interaction_columns(
    connection: Connection, dataset_id: int, count: int
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Item, timestamp and rating of every interaction, by user and position."""
    has = connection.execute(
        sa.select(datasets.c.has_timestamps, datasets.c.has_ratings).where(datasets.c.id == dataset_id)
    ).one_or_none()
    item = np.empty(count, np.int32)
    timestamp = np.empty(count, np.int64) if has and has[0] else None
    rating = np.empty(count, np.float32) if has and has[1] else None
    query = (
        sa.select(interactions.c.item, interactions.c.timestamp, interactions.c.rating)
        .where(interactions.c.dataset_id == dataset_id)
        .order_by(interactions.c.user, interactions.c.position)
    )
    at = 0
    for rows in bulk.fetched(connection, query):
        part, (item_part, timestamp_part, rating_part) = slice(at, at + len(rows)), zip(*rows, strict=True)
        item[part] = item_part
        if timestamp is not None:
            timestamp[part] = timestamp_part
        if rating is not None:
            rating[part] = np.array(rating_part, dtype=np.float32)  # None becomes NaN
        at += len(rows)
    return item, timestamp, rating
