"""Exact Shapley values of the demonstrations, and the interactions of every two, from all coalitions.

A Shapley value is the mean over coalition sizes s = 0 .. k - 1 of a demonstration's mean marginal
contribution to the coalitions of s others (Shapley 1953). The interaction of two is what one adds to the
other's marginal contribution, averaged likewise (Grabisch and Roubens 1999): below 0 where they teach the
same, above 0 where they need each other.
"""

import math

import torch
from torch import Tensor

from engine.lrgd.objective import Effects, Objective

EXACT_LIMIT = 8  # more than 256 costs is refused


def exact(objective: Objective, weights: Tensor) -> Effects:
    """Shapley values from the costs of all 2^k coalitions, in one batch. At most 8 demonstrations."""
    k = weights.numel()
    if k > EXACT_LIMIT:
        raise ValueError(f"exact Shapley values take 2^k costs; k = {k} is above the limit of {EXACT_LIMIT}")
    costs = objective.value(coalitions(k, weights) * weights)
    return Effects(
        effects=shapley(costs),
        cost_off=float(costs[0]),
        cost_on=float(costs[-1]),
        estimator="exact",
        passes=len(costs),
        reach=costs.new_zeros(k),
        noisy=costs.new_full((k,), math.sqrt(sum(2 * math.comb(k - 1, s) * w * w for s, w in _weights(k)))),
        interactions=interactions(costs),
    )


def coalitions(k: int, like: Tensor) -> Tensor:
    """[2^k, k] of 0 and 1: row r holds demonstration b if bit b of r is set."""
    rows = torch.arange(2**k, device=like.device)[:, None]
    return ((rows >> torch.arange(k, device=like.device)[None]) & 1).to(like.dtype)


def shapley(costs: Tensor) -> Tensor:
    """Shapley values [k] of the cost *reduction*, from costs [2^k] indexed by the coalition's bits."""
    k = costs.numel().bit_length() - 1
    rows, sizes = _sizes(costs)
    weight = costs.new_tensor([w for _, w in _weights(k)])
    values = []
    for b in range(k):
        out = rows[(rows >> b) & 1 == 0]
        values.append((weight[sizes[out]] * (costs[out] - costs[out + 2**b])).sum())
    return torch.stack(values) if values else costs.new_zeros(0)


def interactions(costs: Tensor) -> Tensor:
    """Shapley interactions [k, k] of the cost reduction, from costs [2^k]; 0 on the diagonal."""
    k = costs.numel().bit_length() - 1
    rows, sizes = _sizes(costs)
    weight = costs.new_tensor(
        [math.factorial(s) * math.factorial(k - s - 2) / math.factorial(k - 1) for s in range(k - 1)]
    )
    found = costs.new_zeros(k, k)
    for a in range(k):
        for b in range(a):
            out = rows[((rows >> a) & 1 == 0) & ((rows >> b) & 1 == 0)]
            both, first, second = out + 2**a + 2**b, out + 2**a, out + 2**b
            joint = costs[first] + costs[second] - costs[both] - costs[out]
            found[a, b] = found[b, a] = (weight[sizes[out]] * joint).sum()
    return found


def last_interactions(objective: Objective, weights: Tensor) -> Tensor:
    """What two lose together beyond what each loses alone, the others being there [k, k]; 0 on the diagonal.

    The interaction in the whole set, v(N) - v(N-a) - v(N-b) + v(N-a-b), from 1 + k + k (k - 1) / 2 costs:
    where all coalitions are too many. Below 0 where they teach the same.
    """
    k = weights.numel()
    keep = 1 - torch.eye(k, dtype=weights.dtype, device=weights.device)
    first, second = torch.triu_indices(k, k, 1, device=weights.device)
    costs = objective.value(torch.cat([weights[None], keep * weights, keep[first] * keep[second] * weights]))
    alone, both = costs[1 : k + 1], costs[k + 1 :]
    found = costs.new_zeros(k, k)
    found[first, second] = found[second, first] = alone[first] + alone[second] - costs[0] - both
    return found


def _weights(k: int) -> list[tuple[int, float]]:
    """What a marginal contribution to a coalition of each size counts."""
    return [(s, math.factorial(s) * math.factorial(k - s - 1) / math.factorial(k)) for s in range(k)]


def _sizes(costs: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [2^k] and the sizes of their coalitions [2^k]."""
    rows = torch.arange(costs.numel(), device=costs.device)
    bits = costs.numel().bit_length() - 1
    return rows, sum(((rows >> b) & 1 for b in range(bits)), torch.zeros_like(rows))
