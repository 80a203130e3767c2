"""The path integral of Owen: Shapley values as an integral over the chance of being in the prompt.

Let every demonstration be in the prompt with chance t, independently of the others. As t goes from 0 to 1 the
expected loss falls by the gain, and what it falls by because of demonstration b is exactly b's Shapley value
(the multilinear extension; Owen 1972). The integrand is taken at three nodes: at t = 0 (joining nobody) and
t = 1 (joining all others) it takes k losses each and is exact; at t = 1/2 it takes a balanced design of a few
coalitions in which whatever pairs do together cancels (fold-over of a Hadamard matrix, resolution IV).
"""

from dataclasses import replace

import torch
from torch import Tensor

from engine.lrgd.objective import Effects, Objective, Remembered
from engine.lrgd.shapley import exact

WHOLE = 4  # up to so many demonstrations the nodes take every coalition there is


def path(objective: Objective, weights: Tensor) -> Effects:
    """Effects [k] from about 2k + 2n losses, n the power of two from k on: 32 at k = 8, 64 at k = 16.

    The nodes' weights are 1 / k, (k - 2) / k and 1 / k: a Shapley value is the mean over the k sizes of the
    coalition that is joined, the ends are one size each, and t = 1/2 stands for those between. What is left
    of the gain is shared equally, so the effects are complete; `certified_error` is that share.
    """
    k = weights.numel()
    if k <= WHOLE:
        return replace(exact(objective, weights), estimator="path")
    objective = Remembered(objective)
    alone = torch.eye(k, dtype=weights.dtype, device=weights.device)
    ends = torch.cat([torch.zeros_like(alone[:1]), torch.ones_like(alone[:1]), alone, 1 - alone])
    losses = objective.value(ends * weights)
    off, on, first, last = losses[0], losses[1], losses[0] - losses[2 : k + 2], losses[k + 2 :] - losses[1]
    members = design(first)
    middle = -((2 * members - 1).T @ objective.value(members * weights)) * 2 / len(members)
    effects = (first + (k - 2) * middle + last) / k
    gain = float(off - on)
    rest = (gain - float(effects.sum())) / k
    effects = effects + rest
    nodes = len(torch.unique(torch.cat([ends, members]), dim=0))
    error = abs(float(effects.sum()) - gain)
    return Effects(effects, float(off), float(on), "path", nodes, error, abs(rest))


def design(first: Tensor) -> Tensor:
    """Coalitions [2n, k] of 0 and 1, nobody and everybody first: every demonstration is in half of them,
    every two and every three of them in each combination equally often.

    The joint effect of three cannot be separated from that of a fourth with which they make an even count.
    Columns go by `first` [k], what each does alone, largest first: demonstrations that carry one answer,
    whose joint doing is largest, then fall on each other and not on strangers.
    """
    k = first.numel()
    size = 1 << (k - 1).bit_length()
    rows = torch.arange(size, device=first.device)[:, None]
    place = torch.empty(k, dtype=torch.long, device=first.device)
    place[torch.argsort(first, descending=True, stable=True)] = torch.arange(k, device=first.device)
    shared = rows & place[None, :]
    odd = sum(((shared >> bit) & 1 for bit in range(size.bit_length())), torch.zeros_like(shared)) % 2
    folded = torch.stack([odd, 1 - odd], dim=1).reshape(2 * size, k)
    return folded.to(first.dtype)
