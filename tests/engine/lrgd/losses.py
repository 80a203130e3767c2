"""Losses with a known structure, for the estimators of effects."""

import torch
from torch import Tensor

from engine.lrgd.objective import Differentiable


def ones(k: int) -> Tensor:
    return torch.ones(k, dtype=torch.float64)


def steep(k: int, seed: int = 0) -> Differentiable:
    """Losses like a small model's: a jump of several nats at small weights, with interactions."""
    draw = torch.Generator().manual_seed(seed)
    pull = torch.rand(k, generator=draw, dtype=torch.float64) * 3 + 0.2
    pairs = torch.randn(k, k, generator=draw, dtype=torch.float64) * 0.3

    def loss(alpha: Tensor) -> Tensor:
        evidence = (alpha / (alpha + 0.05)) @ pull + ((alpha @ pairs) * alpha).sum(1)
        return torch.nn.functional.softplus(6 - 2 * evidence) + 0.1

    return Differentiable(loss)


def copies(k: int, answer: int, seed: int = 0) -> Differentiable:
    """A loss that any of `answer` demonstrations brings down: more of them hardly help."""
    draw = torch.Generator().manual_seed(seed)
    pull = torch.cat([3 + torch.rand(answer, generator=draw), 0.5 * torch.randn(k - answer, generator=draw)])
    return Differentiable(lambda a: 8 / (1 + (torch.exp(a @ pull.to(a.dtype)) - 1)).clamp_min(0.5))
