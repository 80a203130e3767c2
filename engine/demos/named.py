"""Demonstrations by their id: read anew from the store, refused where the query could not know them yet."""

from collections.abc import Sequence

from db import datasets, demonstrations
from db.datasets import DatasetInfo
from db.demonstrations import HAND_WRITTEN, Demonstration
from db.errors import BadInput, NotFound
from db.store import Store
from engine.demos.query import PoolEntry, Query
from engine.demos.sources import (
    aggregated,
    hand_written,
    neighbours,
    proximal,
)
from engine.demos.strategies.registry import SOURCES
from engine.demos.windows import Offer, Window, entries, load


def named(store: Store, dataset: DatasetInfo, query: Query, ids: Sequence[str]) -> list[PoolEntry]:
    """Stored demonstrations in the order given; their similarity is that of their source.

    NotFound for an id the data set does not have. BadInput for one that is not known yet at the query: what
    may stand before one query can give away the target of another.
    """
    stored = demonstrations.get_many(store, ids, dataset.id)
    for name in ids:
        if name not in stored:
            raise NotFound(
                f"{dataset.name!r} has no demonstration {name!r}. Choose one from the query's pool."
            )
    return [_entry(store, dataset, query, stored[name]) for name in ids]


def by_hand(store: Store, dataset: DatasetInfo, query: Query, size: int) -> list[PoolEntry]:
    """Up to `size` of the demonstrations written for this data set that the query may know."""
    found = []
    for one in hand_written.stored(store, dataset, size):
        if _windows(store, dataset, query, one) is not None:
            found.append(hand_written.entry(store, dataset, query, one))
    return found


def _entry(store: Store, dataset: DatasetInfo, query: Query, one: Demonstration) -> PoolEntry:
    windows = _windows(store, dataset, query, one)
    if windows is None:
        raise BadInput(
            f"Demonstration {one.id!r} (a window of user {one.user_id!r}) is not known yet when "
            f"the next purchase of {query.user_id!r} is predicted. Choose one from the query's pool."
        )
    if one.source == HAND_WRITTEN:
        return hand_written.entry(store, dataset, query, one)
    window = aggregated.merge(windows) if one.merged else windows[0]
    source = _source(query, one, window)
    [rating] = SOURCES[source].similarities(store, dataset, query, [window])
    return entries(store, dataset, query, [Offer(source, window, rating)])[0]


def _source(query: Query, one: Demonstration, window: Window) -> str:
    """What the window is to this query: it is stored as what it was to the query that first found it."""
    if one.merged:
        return one.source
    if window.user == query.user:
        return proximal.SOURCE
    return neighbours.SOURCE if one.source == proximal.SOURCE else one.source


def _windows(store: Store, dataset: DatasetInfo, query: Query, one: Demonstration) -> list[Window] | None:
    """The windows it was made of (none for one written freely), or None where one is not known yet."""
    wanted = [
        (datasets.user(store, dataset.id, user_id).user, position)
        for user_id, position in hand_written.places(one)
    ]
    windows = load(store, dataset, query, wanted)
    return windows if len(windows) == len(wanted) else None
