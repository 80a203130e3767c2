"""MMR demonstrations: similar to the query and different from those already chosen.

Maximal marginal relevance (Carbonell and Goldstein 1998): the next window is the one with the most

    RELEVANCE x cosine to the query - (1 - RELEVANCE) x largest cosine to a chosen window.
"""

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetInfo
from db.store import Store
from engine.demos.candidate_pool import compared
from engine.demos.query import Query
from engine.demos.reader import Embed
from engine.demos.windows import Offer

RELEVANCE = 0.7


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int, embed: Embed) -> list[Offer]:
    """Up to `size` windows in the order chosen; similarity = cosine to the query, 0 where negative."""
    pool = compared(store, dataset, query, size, seed, embed)
    return pool.chosen(marginal(pool.relevance, pool.vectors @ pool.vectors.T, size))


def marginal(
    relevance: NDArray[np.float64], likeness: NDArray[np.float64], size: int, share: float = RELEVANCE
) -> list[int]:
    """Places of up to `size` in the order chosen, from relevance [n] and pairwise similarity [n, n]."""
    chosen: list[int] = []
    nearest = np.zeros(len(relevance))
    left = np.ones(len(relevance), dtype=bool)
    while len(chosen) < min(size, len(relevance)):
        value = share * relevance - (1 - share) * nearest
        best = int(np.argmax(np.where(left, value, -np.inf)))
        nearest = likeness[best].copy() if not chosen else np.maximum(nearest, likeness[best])
        left[best] = False
        chosen.append(best)
    return chosen
