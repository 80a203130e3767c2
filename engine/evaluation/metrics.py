"""Ranking metrics for one relevant item among candidates. Pure functions: no store, no model.

With one relevant item at rank r: HR@k = [r <= k], NDCG@k = [r <= k] / log2(r + 1), MRR = 1 / r (no cut-off).

Ties are counted against the target (pessimistic rank): a model that gives every candidate the same score has
learned nothing, and must not look good because the target is first in the list. The area under the curve
counts a tie as half, as is usual.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CUTOFF = 10


def rank_of(scores: Sequence[float], target: int) -> int:
    """Rank (1 = best) of `scores[target]`, higher scores being better; equals rank before it.

    A score that is NaN is worse than every number, for the target as for the others.
    """
    own = _comparable(scores[target])
    return 1 + sum(_comparable(score) >= own for place, score in enumerate(scores) if place != target)


def order(scores: Sequence[float], target: int | None = None) -> list[int]:
    """Places of `scores` best first; equal scores keep their order, but the target comes after its equals.

    So `order(scores, t).index(t) + 1 == rank_of(scores, t)`: the shown order is the measured order.
    """
    return sorted(range(len(scores)), key=lambda place: (-_comparable(scores[place]), place == target, place))


def metrics(rank: int) -> dict[str, float]:
    """`{rank, hr1, hr10, ndcg10, mrr}` of one list whose target stands at `rank` (1 = best)."""
    if rank < 1:
        raise ValueError(f"a rank starts at 1, got {rank}")
    return {
        "rank": rank,
        "hr1": hit_rate(rank, 1),
        "hr10": hit_rate(rank, CUTOFF),
        "ndcg10": ndcg(rank, CUTOFF),
        "mrr": 1 / rank,
    }


def hit_rate(rank: int, k: int) -> float:
    """1 where the target is among the first k, else 0."""
    return float(rank <= k)


def ndcg(rank: int, k: int) -> float:
    """NDCG@k with one relevant item: the ideal gain is 1, so the discount at `rank` is the whole of it."""
    return 1 / math.log2(rank + 1) if rank <= k else 0.0


def uauc(scores: Sequence[float], target: int) -> float:
    """Area under the ROC curve of one user's list: the share of the others that stand below the target.

    Its mean over users is uAUC. Needs another candidate than the target.
    """
    own = _comparable(scores[target])
    others = [_comparable(score) for place, score in enumerate(scores) if place != target]
    return sum((other < own) + (other == own) / 2 for other in others) / len(others)


def auc_parts(targets: Sequence[float], others: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """What each user contributes to the AUC of all users' candidates pooled together [users].

    `targets` [users]: scores of the targets; `others`: of each user's negatives, the same number for each.
    The mean of the parts is the AUC: the chance that some user's target is scored above some user's negative,
    ties half. Part = share of all negatives below the user's target + share of all targets above the user's
    negatives - AUC, the structural components of DeLong et al. 1988 in the form for clusters of Obuchowski
    1997, so that a bootstrap or a paired test over users is one over the parts.
    """
    sizes = {len(row) for row in others}
    if len(targets) != len(others) or len(sizes) != 1 or 0 in sizes:
        raise ValueError("every user needs a target and the same number of negatives, at least one")
    positive = np.array([_comparable(score) for score in targets])
    negative = np.array([[_comparable(score) for score in row] for row in others])
    below = _share_below(positive, negative.ravel())
    above = (1 - _share_below(negative.ravel(), positive)).reshape(negative.shape).mean(axis=1)
    return below + above - below.mean()


def _share_below(values: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of `among` below each value, equal ones counting half."""
    ordered = np.sort(among)
    left, right = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (left + right) / (2 * len(ordered))


def _comparable(score: float) -> float:
    return -math.inf if math.isnan(score) else float(score)
