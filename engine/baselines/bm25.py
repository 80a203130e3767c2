"""BM25: the item whose title shares the most telling words with the titles of the user's newest items.

Learns from titles alone, so no interaction can leak; the bar for what plain text knows without any model.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.baselines.scorer import FitJob, Learns
from engine.data import similar_titles
from engine.data.kept import Kept
from engine.data.similar_titles import TitleIndex

LEARNS: Learns = "titles"
INDEX = (similar_titles.INDEX, *similar_titles.VERSION)
"""The index that it shares with whoever else compares titles."""

NEWEST = 10
"""Items of the history whose titles are the query: as many as the LLM is shown."""


class Bm25:
    """An index over the catalogue's titles [items]."""

    def __init__(self, index: TitleIndex) -> None:
        self._index = index

    def scores(
        self, history: Sequence[int], candidates: Sequence[int], before: int | None = None
    ) -> NDArray[np.float64]:
        """BM25 of each candidate's title for the words of the newest titles [candidates]."""
        del before  # titles have no moment
        query = " ".join(self._index.title(item) for item in history[-NEWEST:])
        return self._index.scores(query)[list(candidates)].astype(np.float64)

    def kept(self) -> Kept:
        """The index."""
        return self._index.kept()


def fit(job: FitJob) -> Bm25:
    """Index the catalogue's titles; the interactions play no part."""
    return Bm25(TitleIndex(job.columns.titles))


def rebuilt(kept: Kept) -> Bm25:
    """The scorer of what `kept` gave."""
    return Bm25(TitleIndex.rebuilt(kept))
