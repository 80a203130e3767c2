"""BM25: the item whose title shares the most telling words with the titles of the user's newest items.

Learns from titles alone, so no interaction can leak; the bar for what plain text knows without any model.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.baselines import saved
from engine.baselines.scorer import FitJob, Learns
from engine.data.similar_titles import TitleIndex

KIND = "bm25"
LEARNS: Learns = "titles"

NEWEST = 10
"""Items of the history whose titles are the query: as many as the LLM is shown."""


class Bm25:
    """An index over the catalogue's titles [items]."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = list(titles)
        self._index = TitleIndex(self._titles)

    def scores(
        self, history: Sequence[int], candidates: Sequence[int], before: int | None = None
    ) -> NDArray[np.float64]:
        """BM25 of each candidate's title for the words of the newest titles [candidates]."""
        del before  # titles have no moment
        query = " ".join(self._titles[item] for item in history[-NEWEST:])
        return self._index.scores(query)[list(candidates)].astype(np.float64)

    def kept(self) -> saved.Kept:
        """The titles; the index is made of them."""
        text = json.dumps(self._titles, ensure_ascii=False).encode()
        return {"titles": np.frombuffer(text, dtype=np.uint8)}, {"kind": KIND}

    def save(self, path: Path) -> None:
        """Write what it keeps."""
        saved.write(path, *self.kept())


def fit(job: FitJob) -> Bm25:
    """Index the catalogue's titles; the interactions play no part."""
    return Bm25(job.columns.titles)


def load(path: Path) -> Bm25:
    """Read what `save` wrote. Raises ModelError."""
    return rebuilt(*saved.read(path, KIND))


def rebuilt(tensors: saved.Tensors, state: saved.State) -> Bm25:
    """The scorer of what `kept` gave."""
    del state
    return Bm25(json.loads(tensors["titles"].tobytes()))
