"""Another baseline with its ties broken by popularity: of equal scores, what was bought more often is first.

A variant of its own, as it knows more: item-kNN scores most candidates 0 on sparse data, and what orders
those is popularity alone. The plain baselines leave their ties open.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.baselines import bm25, itemknn, popularity, saved
from engine.baselines.scorer import FitJob, Learns

KIND = "popularity ties"
LEARNS: Learns = "moments"

FIRST = {"itemknn-popularity": itemknn, "bm25-popularity": bm25}
"""Kind -> the baseline whose ties are broken."""


class PopularityTies:
    """`first` decides, then how often an item was bought."""

    def __init__(self, kind: str, first: itemknn.ItemKnn | bm25.Bm25, second: popularity.Popularity) -> None:
        self._kind, self._first, self._second = kind, first, second

    def scores(
        self, history: Sequence[int], candidates: Sequence[int], before: int | None = None
    ) -> NDArray[np.float64]:
        """The place of each candidate from below, 0 the lowest; equal in both is equal [candidates]."""
        both = [scorer.scores(history, candidates, before) for scorer in (self._first, self._second)]
        _, places = np.unique(np.stack(both, axis=1), axis=0, return_inverse=True)
        return places.reshape(-1).astype(np.float64)

    def save(self, path: Path) -> None:
        """Write what both keep."""
        (first, state), (second, _) = self._first.kept(), self._second.kept()
        tensors = {f"first/{name}": tensor for name, tensor in first.items()}
        tensors |= {f"second/{name}": tensor for name, tensor in second.items()}
        saved.write(path, tensors, {"kind": KIND, "of": self._kind, "first": state})


def fit(job: FitJob) -> PopularityTies:
    """Both, fitted to the interactions of the mask."""
    return PopularityTies(job.kind, FIRST[job.kind].fit(job), popularity.fit(job))


def load(path: Path) -> PopularityTies:
    """Read what `save` wrote. Raises ModelError."""
    tensors, state = saved.read(path, KIND)
    first, second = (
        {name.removeprefix(part): tensor for name, tensor in tensors.items() if name.startswith(part)}
        for part in ("first/", "second/")
    )
    kind = state["of"]
    return PopularityTies(kind, FIRST[kind].rebuilt(first, state["first"]), popularity.rebuilt(second, {}))
