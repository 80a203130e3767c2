"""Ranking metrics for one relevant item among candidates. Pure functions: no store, no model.

With one relevant item at rank r: HR@k = [r <= k], NDCG@k = [r <= k] / log2(r + 1), MRR = 1 / r (no cut-off).

Ties are counted against the target (pessimistic rank): a model that gives every candidate the same score has
learned nothing, and must not look good because the target happened to stand first in the list.
"""

import math
from collections.abc import Sequence

CUTOFF = 10


def rank_of(scores: Sequence[float], target: int) -> int:
    """Rank (1 = best) of `scores[target]`, higher scores being better; equals rank before it.

    A score that is NaN is worse than every number, for the target as for the others.
    """
    own = _comparable(scores[target])
    return 1 + sum(_comparable(score) >= own for place, score in enumerate(scores) if place != target)


def order(scores: Sequence[float], target: int | None = None) -> list[int]:
    """Places of `scores` best first; equal scores keep their order, but the target comes after its equals.

    So `order(scores, t).index(t) + 1 == rank_of(scores, t)`: what a person sees is what is counted.
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


def _comparable(score: float) -> float:
    return -math.inf if math.isnan(score) else float(score)
