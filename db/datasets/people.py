"""Users of a data set: search, pick, count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from db.errors import BadInput, NotFound
from db.names import clean_text, fold, like, quoted
from db.schema import items, occurrences
from db.schema import users as table
from db.store import Store

# Bounds of a title search, so that "the" costs as little as "zelda".
_MOST_ITEMS = 500
_MOST_OCCURRENCES = 20_000
_PER_QUERY = 5_000


@dataclass(frozen=True)
class UserInfo:
    """One user. `length` interactions; `last_timestamp` unix seconds; `tie`: a tie decides the target."""

    user: int
    user_id: str
    length: int
    last_timestamp: int | None
    tie: bool


def users(
    store: Store,
    dataset_id: int,
    search: str = "",
    min_length: int = 0,
    max_length: int | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[UserInfo]:
    """A page of users, in the order of the source; an exact match of the user id comes first.

    `search`: part of the user id, or words that all stand in one title of the history (case and accents do
    not count). The title search looks at the 500 most bought matching items and about 20,000 purchases of
    them.
    """
    if limit < 0 or offset < 0:
        raise BadInput(f"limit and offset count users; got {limit} and {offset}.")
    search = clean_text(search).strip()
    with store.read() as connection:
        query = sa.select(*_FIELDS).where(table.c.dataset_id == dataset_id, table.c.length >= min_length)
        if max_length is not None:
            query = query.where(table.c.length <= max_length)
        if search:
            query = query.where(_matches(connection, dataset_id, search))
            query = query.order_by(sa.case((table.c.user_id == search, 0), else_=1))
        rows = connection.execute(query.order_by(table.c.user).limit(limit).offset(offset))
        return [_info(row) for row in rows]


def user(store: Store, dataset_id: int, user_id: str) -> UserInfo:
    """The user of this name. Raises NotFound, naming ids that begin alike."""
    user_id = clean_text(user_id)
    with store.read() as connection:
        query = sa.select(*_FIELDS).where(table.c.dataset_id == dataset_id)
        row = connection.execute(query.where(table.c.user_id == user_id)).one_or_none()
        if row is None:
            after = query.where(table.c.user_id >= user_id).order_by(table.c.user_id).limit(3)
            near = [entry.user_id for entry in connection.execute(after)]
            hint = f" The next ids are {', '.join(map(repr, near))}." if near else ""
            raise NotFound(f"The data set has no user {quoted(user_id)}.{hint} Search users by id or title.")
    return _info(row)


def random_user(
    store: Store, dataset_id: int, seed: int, min_length: int = 0, other_than: str | None = None
) -> UserInfo:
    """A user drawn uniformly by the seed among those with enough history, but not `other_than`.

    Raises NotFound if there is none.
    """
    with store.read() as connection:
        query = sa.select(*_FIELDS).where(table.c.dataset_id == dataset_id, table.c.length >= min_length)
        if other_than is not None:
            query = query.where(table.c.user_id != other_than)
        count = connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
        if not count:
            other = "" if other_than is None else "other "
            raise NotFound(
                f"No {other}user of the data set has {min_length} or more interactions. Ask for fewer."
            )
        at = int(np.random.default_rng(seed).integers(count))
        return _info(connection.execute(query.order_by(table.c.user).limit(1).offset(at)).one())


def lengths(store: Store, dataset_id: int, users: Sequence[int]) -> dict[int, int]:
    """Number of interactions of each of these users; unknown ones are left out."""
    wanted, found = [int(entry) for entry in dict.fromkeys(users)], {}
    with store.read() as connection:
        for start in range(0, len(wanted), _PER_QUERY):
            query = sa.select(table.c.user, table.c.length).where(
                table.c.dataset_id == dataset_id, table.c.user.in_(wanted[start : start + _PER_QUERY])
            )
            found.update((row[0], row[1]) for row in connection.execute(query))
    return found


_FIELDS = (table.c.user, table.c.user_id, table.c.length, table.c.last_timestamp, table.c.tie)


def _info(row: Row) -> UserInfo:
    return UserInfo(*row)


def _matches(connection: Connection, dataset_id: int, search: str) -> sa.ColumnElement[bool]:
    by_id = sa.func.lower(table.c.user_id).like(like(search.lower()), escape="\\")
    bought = _items_titled(connection, dataset_id, fold(search).split())
    if not bought:
        return by_id
    buyers = sa.select(occurrences.c.user).where(
        occurrences.c.dataset_id == dataset_id, occurrences.c.item.in_(bought)
    )
    return sa.or_(by_id, table.c.user.in_(buyers))


def _items_titled(connection: Connection, dataset_id: int, words: list[str]) -> list[int]:
    """Most bought items whose title holds all the words, as many as the bounds allow."""
    if not words:
        return []
    query = sa.select(items.c.item, items.c.count).where(
        items.c.dataset_id == dataset_id, *(items.c.folded.like(like(word), escape="\\") for word in words)
    )
    found, total = [], 0
    for row in connection.execute(query.order_by(items.c.count.desc(), items.c.item).limit(_MOST_ITEMS)):
        total += row[1]
        if found and total > _MOST_OCCURRENCES:
            break
        found.append(row[0])
    return found
