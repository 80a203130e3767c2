"""Random demonstrations: one window at a random place of the history of each of some random other users.

The control that every other source has to beat: same form and length, without selection.
"""

from collections.abc import Sequence

from db.datasets import DatasetInfo
from db.datasets.known import known_lengths
from db.store import Store
from engine.data.draws import Part, keys, shuffled
from engine.demos.query import Query
from engine.demos.windows import Offer, Window, load, shared_part

SOURCE = "random"

TRIES = 16
"""Users drawn per window wanted: before an early target many of them have bought nothing yet."""


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Up to `size` windows of different users in random order; similarity = shared part of its items."""
    windows: list[Window] = []
    drawn = _others(dataset, query, size, seed)
    for start in range(0, len(drawn), 2 * size):
        windows += load(store, dataset, query, places(store, dataset, query, drawn[start : start + 2 * size]))
        if len(windows) >= size:
            break
    rated = similarities(store, dataset, query, windows)
    return [Offer(SOURCE, window, rating) for window, rating in zip(windows, rated, strict=True)][:size]


def similarities(store: Store, dataset: DatasetInfo, query: Query, windows: Sequence[Window]) -> list[float]:
    """Share of each window's items that are in the query's history."""
    return [shared_part(query, window) for window in windows]


def users_drawn(dataset: DatasetInfo, wanted: int, *parts: Part) -> list[int]:
    """Different users in random order: all of a small data set, about `wanted` of a large one."""
    if dataset.users <= 2 * wanted:
        return shuffled(dataset.users, *parts).tolist()
    return list(dict.fromkeys(key % dataset.users for key in keys(wanted, *parts).tolist()))


def places(
    store: Store, dataset: DatasetInfo, query: Query, drawn: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """One answer per (user, key) with at least two known interactions: any but the first, by the key."""
    known = known_lengths(
        store,
        dataset.id,
        [user for user, _ in drawn],
        before=query.known_before,
        hide_last=query.held_out,
    )
    return [(user, 1 + key % (known[user] - 1)) for user, key in drawn if known.get(user, 0) >= 2]


def _others(dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[tuple[int, int]]:
    """Different users other than the query's, in random order, each with the key of a random place."""
    parts = (SOURCE, dataset.origin, query.user, query.target_position, seed)
    users = [user for user in users_drawn(dataset, TRIES * size, *parts) if user != query.user]
    return list(zip(users, keys(len(users), "place", *parts).tolist(), strict=True))
