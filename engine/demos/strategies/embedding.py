"""Embedding demonstrations: the candidate windows nearest to the query in a model's embedding space.

The kNN retrieval of demonstrations of arXiv 2101.06804, on windows of titles.
"""

from db.datasets import DatasetInfo
from db.store import Store
from engine.demos.candidate_pool import compared
from engine.demos.query import Query
from engine.demos.reader import Embed
from engine.demos.windows import Offer


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int, embed: Embed) -> list[Offer]:
    """Up to `size` windows, best first; similarity = cosine of mean title vectors, 0 where negative."""
    return compared(store, dataset, query, size, seed, embed).offers[:size]
