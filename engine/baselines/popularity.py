"""Popularity: the item bought most often until now. The bar that needs no history at all."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.baselines.scorer import FitJob, Learns
from engine.data.kept import Kept

LEARNS: Learns = "moments"


class Popularity:
    """Purchases per item, and when they were made."""

    def __init__(self, starts: NDArray[np.int64], moments: NDArray[np.int64] | None) -> None:
        self._starts = starts  # [items + 1]: where an item's purchases start
        self._moments = moments  # [n], ascending within an item

    def scores(
        self, history: Sequence[int], candidates: Sequence[int], before: int | None = None
    ) -> NDArray[np.float64]:
        """Purchases of each candidate until `before` [candidates]."""
        del history  # the same for everybody
        return np.array([self._count(item, before) for item in candidates], dtype=np.float64)

    def _count(self, item: int, before: int | None) -> int:
        start, stop = int(self._starts[item]), int(self._starts[item + 1])
        if before is None or self._moments is None:
            return stop - start
        return int(np.searchsorted(self._moments[start:stop], before, side="left"))  # strictly before

    def kept(self) -> Kept:
        """The purchases' moments."""
        moments = {} if self._moments is None else {"moments": self._moments}
        return Kept({"starts": self._starts, **moments}, {})


def fit(job: FitJob) -> Popularity:
    """Count the interactions of the mask."""
    columns, mask = job.columns, job.mask
    items = columns.item[mask]
    starts = np.concatenate([[0], np.cumsum(np.bincount(items, minlength=len(columns.item_ids)))])
    moments = None
    if columns.timestamp is not None:
        known = columns.timestamp[mask].astype(np.int64)
        moments = known[np.lexsort((known, items))]
    return Popularity(starts.astype(np.int64), moments)


def rebuilt(kept: Kept) -> Popularity:
    """The scorer of what `kept` gave."""
    return Popularity(kept.tensors["starts"], kept.tensors.get("moments"))
