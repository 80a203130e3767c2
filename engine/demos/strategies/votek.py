"""Vote-k demonstrations: windows that represent many others, then the nearest of these.

The two steps of arXiv 2209.01975 in their fast form, without a model's confidence. Every candidate window
votes for its `NEAREST` nearest; a vote counts `RHO ** -t` where the voter's own nearest hold t windows chosen
already, so that the next choice represents windows not yet represented. Of the `STANDING` windows chosen so,
the ones most similar to the query go into the prompt.
"""

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetInfo
from db.store import Store
from engine.demos.candidate_pool import compared
from engine.demos.query import Query
from engine.demos.reader import Embed
from engine.demos.windows import Offer

NEAREST = 10
RHO = 10.0
STANDING = 18
"""Windows chosen by votes; the paper's smaller budget."""


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int, embed: Embed) -> list[Offer]:
    """Up to `size` windows, best first; similarity = cosine to the query, 0 where negative."""
    pool = compared(store, dataset, query, size, seed, embed)
    standing = elected(pool.vectors @ pool.vectors.T, max(STANDING, size))
    return pool.chosen(sorted(standing)[:size])  # the candidate windows come best match first


def elected(likeness: NDArray[np.float64], size: int, nearest: int = NEAREST) -> list[int]:
    """Places of up to `size` items in the order elected, from pairwise similarity [n, n]."""
    count = len(likeness)
    others = np.where(np.eye(count, dtype=bool), -np.inf, likeness)
    votes = np.zeros((count, count), dtype=bool)  # [voter, voted for]
    voted = np.argsort(-others.round(9), axis=1, kind="stable")[:, : min(nearest, count - 1)]
    np.put_along_axis(votes, voted, True, axis=1)
    chosen: list[int] = []
    left = np.ones(count, dtype=bool)
    while len(chosen) < min(size, count):
        weight = np.where(left, RHO ** -votes[:, chosen].sum(axis=1), 0.0)  # chosen ones vote no more
        best = int(np.argmax(np.where(left, weight @ votes, -np.inf)))
        left[best] = False
        chosen.append(best)
    return chosen
