"""Aggregated demonstrations: what several similar users bought last, merged in time order.

After the aggregated demonstrations of arXiv 2403.10135: one example that represents `USERS` users. Each of
them gives the `EACH` newest purchases of a neighbour's window, so that a demonstration is as long as a plain
one; the newest of all is the answer. Without timestamps the order between users is unknown: one user's
purchases then follow the other's, the nearest neighbour's last.
"""

from collections.abc import Sequence

from db.datasets import DatasetInfo, Interaction
from db.store import Store
from engine.demos.query import Query
from engine.demos.sources import neighbours
from engine.demos.windows import Offer, Window

SOURCE = "aggregated"

USERS = 3
EACH = 2


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Up to `size` of them, of the nearest neighbours first; similarity = the mean of the neighbours'."""
    near = neighbours.find(store, dataset, query, USERS * size, seed)
    groups: list[list[Offer]] = []
    while near and len(groups) < size:
        group = _different_users(near)
        if len(group) < 2:
            break
        near = [offer for offer in near if offer not in group]
        groups.append(group)
    merged = [merge([offer.window for offer in group]) for group in groups]
    windows = [window for window in merged if window.history]  # empty where all bought a single item
    rated = similarities(store, dataset, query, windows)
    return [Offer(SOURCE, window, rating) for window, rating in zip(windows, rated, strict=True)]


def similarities(store: Store, dataset: DatasetInfo, query: Query, windows: Sequence[Window]) -> list[float]:
    """The mean of what `neighbours` gives to the windows each one was made of."""
    parts = [part for window in windows for part in window.parts]
    rated = iter(neighbours.similarities(store, dataset, query, parts))
    means = [[next(rated) for _ in window.parts] for window in windows]
    return [sum(ratings) / len(ratings) for ratings in means]


def merge(windows: Sequence[Window]) -> Window:
    """One window of the newest purchases of these, the nearest neighbour's first; an item is shown once."""
    rows: list[tuple[int, int, Interaction, Window]] = []
    for rank, window in enumerate(windows):
        newest = [*window.history, window.answer][-EACH:]
        rows += [(row.timestamp or 0, -rank, row, window) for row in newest]
    rows.sort(key=lambda row: (row[0], row[1], row[2].position))
    last = {row.item: place for place, (_, _, row, _) in enumerate(rows)}
    kept = [rows[place] for place in sorted(last.values())]
    *before, (_, _, answer, window) = kept
    return Window(window.user, [row for _, _, row, _ in before], answer, tuple(windows))


def _different_users(near: Sequence[Offer]) -> list[Offer]:
    """The best window of each of the first `USERS` users."""
    taken: dict[int, Offer] = {}
    for offer in near:
        if len(taken) == USERS:
            break
        taken.setdefault(offer.window.user, offer)
    return list(taken.values())
