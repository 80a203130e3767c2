"""Item-kNN: an item is likely if those who bought the user's items bought it too.

The similarity of items i and j is |both| / (sqrt(|i| |j|) + shrinkage) over the people who bought them
(Sarwar et al. 2001; shrinkage as in arXiv 1907.06902, where a tuned item-kNN beats most neural models);
a candidate's score is the sum over the user's newest items. Similarities are worked out from the purchases
when they are asked for, so that they can be those of any moment; the cost grows with how often the items at
hand were bought, not with the catalogue.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from db.datasets import DatasetColumns
from engine.baselines.scorer import FitJob, Learns
from engine.data.kept import Kept

LEARNS: Learns = "moments"

SHRINKAGE = 10.0
"""In people: takes away the certainty of pairs that few people bought."""

NEWEST = 10
"""Items of the history that count: as many as the LLM is shown."""


class ItemKnn:
    """Who bought what first when: `users`, `moments` [n] in the order of the items, `starts` [items + 1]."""

    def __init__(
        self,
        starts: NDArray[np.int64],
        users: NDArray[np.int64],
        moments: NDArray[np.int64] | None,
        people: int,
        shrinkage: float = SHRINKAGE,
        newest: int = NEWEST,
    ) -> None:
        self._starts, self._users, self._moments = starts, users, moments
        self._people, self._shrinkage, self._newest = people, shrinkage, newest

    def scores(
        self, history: Sequence[int], candidates: Sequence[int], before: int | None = None
    ) -> NDArray[np.float64]:
        """Summed similarity of each candidate to the newest items of the history [candidates]."""
        own = self._buyers(sorted(set(history[-self._newest :])), before)
        offered = self._buyers(candidates, before)
        both = (own @ offered.T).toarray()  # [own, candidates]
        norms = np.sqrt(np.outer(_counts(own), _counts(offered))) + self._shrinkage
        return np.divide(both, norms, out=np.zeros_like(both), where=both > 0).sum(axis=0)

    def _buyers(self, items: Sequence[int], before: int | None) -> scipy.sparse.csr_matrix:
        """Who had bought each item [items, people], 0 or 1."""
        rows = [self._bought(item, before) for item in items]
        ends = np.cumsum([0, *(len(row) for row in rows)])
        users = np.concatenate([*rows, np.empty(0, dtype=np.int64)])
        return scipy.sparse.csr_matrix((np.ones(len(users)), users, ends), shape=(len(rows), self._people))

    def _bought(self, item: int, before: int | None) -> NDArray[np.int64]:
        span = slice(int(self._starts[item]), int(self._starts[item + 1]))
        if before is None or self._moments is None:
            return self._users[span]
        return self._users[span][self._moments[span] < before]

    def kept(self) -> Kept:
        """The purchases and the settings."""
        tensors = {"starts": self._starts, "users": self._users}
        if self._moments is not None:
            tensors["moments"] = self._moments
        state = {"people": self._people, "shrinkage": self._shrinkage, "newest": self._newest}
        return Kept(tensors, state)


def fit(job: FitJob) -> ItemKnn:
    """Sort the interactions of the mask by item."""
    return buyers_by_item(job.columns, job.mask)


def buyers_by_item(columns: DatasetColumns, mask: NDArray[np.bool_], shrinkage: float = SHRINKAGE) -> ItemKnn:
    """Who bought each item, by the interactions of the mask [n]; of a repeated purchase the first counts."""
    users, items = columns.user[mask].astype(np.int64), columns.item[mask]
    moments = None if columns.timestamp is None else columns.timestamp[mask].astype(np.int64)
    order = np.argsort(
        items, kind="stable"
    )  # within an item they stay by user, and by position: oldest first
    users, items = users[order], items[order]
    first = np.diff(users, prepend=-1) != 0
    first |= np.diff(items, prepend=-1) != 0
    starts = np.concatenate([[0], np.cumsum(np.bincount(items[first], minlength=len(columns.item_ids)))])
    return ItemKnn(
        starts.astype(np.int64),
        users[first],
        None if moments is None else moments[order][first],
        len(columns.user_ids),
        shrinkage,
    )


def rebuilt(kept: Kept) -> ItemKnn:
    """The scorer of what `kept` gave."""
    tensors, state = kept
    return ItemKnn(
        tensors["starts"],
        tensors["users"],
        tensors.get("moments"),
        state["people"],
        state["shrinkage"],
        state["newest"],
    )


def _counts(buyers: scipy.sparse.csr_matrix) -> NDArray[np.int64]:
    return np.diff(buyers.indptr).astype(np.int64)
