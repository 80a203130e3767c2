"""How far scores of demonstrations agree with a truth: costs without each, correlations, the best one."""

from collections.abc import Sequence
from itertools import combinations

import torch
from scipy import stats
from torch import Tensor

from engine.lrgd.objective import Objective


def removal(objective: Objective, weights: Tensor) -> Tensor:
    """What the cost rises by when demonstration b's weight goes to 0 and all else stays [k].

    Exact in the model: positions do not move. k + 1 weightings in one batch.
    """
    k = weights.numel()
    if not k:
        return weights.new_zeros(0)
    keep = 1 - torch.eye(k, dtype=weights.dtype, device=weights.device)
    costs = objective.value(torch.cat([weights[None], keep * weights]))
    return costs[1:] - costs[0]


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None where it is undefined (fewer than two values, or all equal)."""
    if len(first) < 2 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return float(stats.spearmanr(first, second)[0])  # type: ignore[reportArgumentType]


def pearson(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's linear correlation; None where it is undefined (fewer than two values, or all equal)."""
    if len(first) < 2 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return float(stats.pearsonr(first, second)[0])  # type: ignore[reportArgumentType]


def same_best(scores: Sequence[float], truth: Sequence[float], tolerance: float = 0.0) -> float:
    """The chance that a demonstration drawn from those with the highest score is one of the truly best.

    Truly best: within `tolerance` of the highest truth.
    """
    highest, most = max(scores), max(truth)
    chosen = [true >= most - tolerance for score, true in zip(scores, truth, strict=True) if score == highest]
    return sum(chosen) / len(chosen)


def same_order(scores: Sequence[float], truth: Sequence[float], tolerance: float) -> float | None:
    """Of the pairs whose truths are more than `tolerance` apart: share ordered alike minus share reversed.

    Pairs with equal scores count as neither; None where no pair is apart. Goodman and Kruskal's gamma, but
    that a score cannot gain by leaving pairs undecided.
    """
    agreements = [
        (first > second) - (first < second) if ours > theirs else (first < second) - (first > second)
        for (first, ours), (second, theirs) in combinations(zip(scores, truth, strict=True), 2)
        if abs(ours - theirs) > tolerance
    ]
    return sum(agreements) / len(agreements) if agreements else None
