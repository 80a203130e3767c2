"""What was known of a data set when something is to be predicted: the reading side of "no leakage".

Boundary: row numbers and a moment in, row numbers out. With timestamps an interaction is known if it
happened before the moment `before` (unix seconds, strictly). Without them (`before` None) it is known unless
it is among the last `hide_last` of its user. Answers depend on known interactions only: changing any other
one changes nothing. Cost grows with what is asked for, not with the data set.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.schema import interactions
from db.schema import items as item_table
from db.schema import users as user_table
from db.store import Store

_PROBES = 32
_PER_QUERY = 5_000


@dataclass(frozen=True)
class Purchases:
    """The known purchases of one item: how many there are, and (user, position) of a sample of them."""

    count: int
    sample: list[tuple[int, int]]


def known_purchases(
    store: Store,
    dataset_id: int,
    items: Sequence[int],
    *,
    before: int | None,
    hide_last: int,
    without: int,
    per_item: int,
    seed: int,
) -> dict[int, Purchases]:
    """Known purchases of each of these items by other users than `without`, oldest first.

    The sample holds all of them or, where an item was bought more than `per_item` times, about as many drawn
    uniformly; items there are not are left out. Purchases of an item are numbered in the order in which they
    became known (`db.datasets.insertion`), so the known ones are the first n; n is found by search.
    """
    with store.read() as connection:
        rows = connection.execute(
            sa.select(item_table.c.item, item_table.c.count).where(
                item_table.c.dataset_id == dataset_id, item_table.c.item.in_([int(item) for item in items])
            )
        )
        totals = {row[0]: row[1] for row in rows}
        counts = _known_counts(connection, dataset_id, totals, before, hide_last)
        drawn = [
            (item, ordinal)
            for item, count in sorted(counts.items())
            for ordinal in _drawn(count, per_item, f"{seed}:{item}")
        ]
        found: dict[int, list[tuple[int, int]]] = {item: [] for item in counts}
        for item, _, user, position, _ in _at(connection, dataset_id, drawn, before, hide_last):
            if user != without:
                found[item].append((user, position))
        own = _bought_by(connection, dataset_id, without, list(counts), before, hide_last)
    return {item: Purchases(counts[item] - own.get(item, 0), sample) for item, sample in found.items()}


def known_lengths(
    store: Store, dataset_id: int, users: Sequence[int], *, before: int | None, hide_last: int
) -> dict[int, int]:
    """Known interactions of each of these users; a user with none may be left out."""
    wanted = [int(user) for user in users]
    if before is None:
        query = sa.select(user_table.c.user, user_table.c.length - hide_last).where(
            user_table.c.dataset_id == dataset_id, user_table.c.user.in_(wanted)
        )
    else:
        query = (
            sa.select(interactions.c.user, sa.func.count())
            .where(
                interactions.c.dataset_id == dataset_id,
                interactions.c.user.in_(wanted),
                interactions.c.timestamp < before,
            )
            .group_by(interactions.c.user)
        )
    with store.read() as connection:
        return {row[0]: max(0, row[1]) for row in connection.execute(query)}


def user_ids(store: Store, dataset_id: int, users: Sequence[int]) -> dict[int, str]:
    """The ids in the source of users given by row number; unknown numbers are left out."""
    query = sa.select(user_table.c.user, user_table.c.user_id).where(
        user_table.c.dataset_id == dataset_id, user_table.c.user.in_([int(user) for user in users])
    )
    with store.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def _known_counts(
    connection: Connection, dataset_id: int, totals: dict[int, int], before: int | None, hide_last: int
) -> dict[int, int]:
    """How many purchases of each item are known: a search for the first unknown one, all items at once."""
    low, high = dict.fromkeys(totals, 0), dict(totals)  # known below `low`, unknown from `high` on
    while open_ := [item for item in totals if low[item] < high[item]]:
        probes = []
        for item in open_:
            span = high[item] - low[item]
            steps = min(_PROBES, span)
            probes += [(item, low[item] + span * step // steps) for step in range(steps)]
        for item, ordinal, _, _, known in _at(connection, dataset_id, probes, before, hide_last):
            if known:
                low[item] = max(low[item], ordinal + 1)
            else:
                high[item] = min(high[item], ordinal)
    return low


def _bought_by(
    connection: Connection,
    dataset_id: int,
    user: int,
    items: Sequence[int],
    before: int | None,
    hide_last: int,
) -> dict[int, int]:
    """How often a user is known to have bought these items."""
    table = interactions
    own = (table.c.dataset_id == dataset_id, table.c.user == int(user))
    if before is None:
        length = (
            sa.select(user_table.c.length)
            .where(user_table.c.dataset_id == dataset_id, user_table.c.user == int(user))
            .scalar_subquery()
        )
        known = table.c.position < length - hide_last
    else:
        known = table.c.timestamp < before
    query = sa.select(table.c.item, sa.func.count()).where(*own, table.c.item.in_(items), known)
    return {row[0]: row[1] for row in connection.execute(query.group_by(table.c.item))}


def _drawn(count: int, size: int, seed: str) -> list[int]:
    """`size` of the numbers below `count`, or all of them, in order."""
    return sorted(random.Random(seed).sample(range(count), size)) if count > size else list(range(count))


def _at(
    connection: Connection,
    dataset_id: int,
    places: Sequence[tuple[int, int]],
    before: int | None,
    hide_last: int,
) -> list[tuple[int, int, int, int, bool]]:
    """(item, ordinal, user, position, known) of purchases given by (item, ordinal)."""
    # Whole numbers written into the statement: thousands of bound values would cost more than the read.
    statement = _BY_LENGTH if before is None else _BY_TIME
    limits = {"dataset_id": int(dataset_id), "before": before and int(before), "hide_last": int(hide_last)}
    found = []
    for start in range(0, len(places), _PER_QUERY):
        part = places[start : start + _PER_QUERY]
        values = ", ".join(f"({int(item)}, {int(ordinal)})" for item, ordinal in part)
        rows = connection.exec_driver_sql(statement.format(values=values, **limits))
        found += [(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]
    return found


_BY_TIME = """
WITH places (i, o) AS (VALUES {values})
SELECT x.item, x.ordinal, x."user", x.position, y.timestamp < {before}
FROM places p
CROSS JOIN occurrences x
CROSS JOIN interactions y
WHERE x.dataset_id = {dataset_id} AND x.item = p.i AND x.ordinal = p.o
  AND y.dataset_id = {dataset_id} AND y."user" = x."user" AND y.position = x.position
ORDER BY x.item, x.ordinal
"""

_BY_LENGTH = """
WITH places (i, o) AS (VALUES {values})
SELECT x.item, x.ordinal, x."user", x.position, x.position < u.length - {hide_last}
FROM places p
CROSS JOIN occurrences x
CROSS JOIN users u
WHERE x.dataset_id = {dataset_id} AND x.item = p.i AND x.ordinal = p.o
  AND u.dataset_id = {dataset_id} AND u."user" = x."user"
ORDER BY x.item, x.ordinal
"""
