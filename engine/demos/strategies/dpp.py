"""DPP demonstrations: a set of windows that is both relevant and diverse.

A determinantal point process with kernel `L_ij = q_i s_ij q_j`, quality `q_i = exp(QUALITY x cosine to the
query)` and s the cosine between windows. The likeliest set is found by the greedy algorithm of arXiv
1709.05135, which keeps a Cholesky factor: one more window costs O(pool x chosen).
"""

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetInfo
from db.store import Store
from engine.demos.candidate_pool import compared
from engine.demos.query import Query
from engine.demos.reader import Embed
from engine.demos.windows import Offer

QUALITY = 2.0
"""Weight of relevance against diversity (0 = diversity alone)."""

NOISE = 1e-3
"""Added to the diagonal of s: equal windows stay possible, but come last."""


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int, embed: Embed) -> list[Offer]:
    """Up to `size` windows in the order chosen; similarity = cosine to the query, 0 where negative."""
    pool = compared(store, dataset, query, size, seed, embed)
    quality = np.exp(QUALITY * pool.relevance)
    likeness = pool.vectors @ pool.vectors.T + NOISE * np.eye(len(quality))
    return pool.chosen(likeliest(quality[:, None] * likeness * quality, size))


def likeliest(kernel: NDArray[np.float64], size: int) -> list[int]:
    """Places of up to `size` items, each the one that multiplies det(L) [n, n] of the chosen the most."""
    gain = kernel.diagonal().copy()  # by what the determinant is multiplied
    factor = np.zeros((0, len(kernel)))  # Cholesky rows of the chosen against all, [chosen, n]
    chosen: list[int] = []
    while len(chosen) < min(size, len(kernel)):
        best = int(np.argmax(gain.round(12)))
        if gain[best] <= 0:
            break
        row = (kernel[best] - factor[:, best] @ factor) / np.sqrt(gain[best])
        factor = np.vstack([factor, row])
        gain = gain - row**2
        gain[best] = -np.inf
        chosen.append(best)
    return chosen
