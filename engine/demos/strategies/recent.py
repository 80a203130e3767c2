"""Recent demonstrations: of the neighbours' windows, the ones whose answer was bought last before the query.

Without timestamps the order between users is unknown: the nearer an answer is to the end of its user's
history, the later it counts.
"""

from db.datasets import DatasetInfo
from db.datasets.known import known_lengths
from db.store import Store
from engine.demos.query import Query
from engine.demos.sources import neighbours
from engine.demos.windows import Offer

POOL = 64
"""Neighbours' windows from which the newest are taken."""


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Up to `size` windows, newest answer first; the similarity stays the neighbours'."""
    pool = neighbours.find(store, dataset, query, max(POOL, size), seed)
    if query.target_timestamp is not None:
        return sorted(pool, key=lambda offer: -(offer.window.answer.timestamp or 0))[:size]
    lengths = known_lengths(
        store,
        dataset.id,
        [offer.window.user for offer in pool],
        before=None,
        hide_last=query.held_out,
    )
    return sorted(pool, key=lambda offer: lengths[offer.window.user] - offer.window.answer.position)[:size]
