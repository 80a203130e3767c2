"""How far effects agree with leaving a demonstration out: losses without each, and rank correlation."""

from collections.abc import Sequence

import torch
from scipy import stats
from torch import Tensor

from engine.lrgd.effects import Objective


def removal(objective: Objective, weights: Tensor) -> Tensor:
    """What the loss rises by when demonstration b's weight goes to 0 and all else stays [k], in nats.

    Exact in the model: positions do not move. k + 1 weightings in one batch.
    """
    k = weights.numel()
    if not k:
        return weights.new_zeros(0)
    keep = 1 - torch.eye(k, dtype=weights.dtype, device=weights.device)
    losses = objective.value(torch.cat([weights[None], keep * weights]))
    return losses[1:] - losses[0]


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None where it is undefined (fewer than two values, or all equal)."""
    if len(first) < 2 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return float(stats.spearmanr(first, second)[0])  # type: ignore[reportArgumentType]
