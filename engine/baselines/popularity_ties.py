"""Another baseline with its ties broken by popularity: of equal scores, what was bought more often is first.

A variant of its own, as it knows more: item-kNN scores most candidates 0 on sparse data, and what orders
those is popularity alone. The plain baselines leave their ties open.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.baselines import bm25, itemknn, popularity
from engine.baselines.scorer import FitJob, Learns, Scorer

LEARNS: Learns = "moments"

FIRST = {"itemknn-popularity": itemknn, "bm25-popularity": bm25}
"""Kind -> the baseline whose ties are broken."""


class PopularityTies:
    """`first` decides, then how often an item was bought."""

    def __init__(self, first: Scorer, second: Scorer) -> None:
        self._both = (first, second)

    def scores(
        self, history: Sequence[int], candidates: Sequence[int], before: int | None = None
    ) -> NDArray[np.float64]:
        """The place of each candidate from below, 0 the lowest; equal in both is equal [candidates]."""
        both = [scorer.scores(history, candidates, before) for scorer in self._both]
        _, places = np.unique(np.stack(both, axis=1), axis=0, return_inverse=True)
        return places.reshape(-1).astype(np.float64)


def parts(kind: str) -> tuple[str, str]:
    """The two baselines that one of this kind is made of; nothing of its own is kept."""
    return kind.removesuffix("-popularity"), "popularity"


def joined(parts: Sequence[Scorer]) -> PopularityTies:
    """The one made of these two."""
    return PopularityTies(*parts)


def fit(job: FitJob) -> PopularityTies:
    """Both, fitted to the interactions of the mask."""
    return PopularityTies(FIRST[job.kind].fit(job), popularity.fit(job))
