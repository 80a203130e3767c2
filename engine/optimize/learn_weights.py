"""Stage 2: the sample weights of a chosen set, by gradient descent over the probes.

k numbers per user, in log space, so that a weight stays positive; a ridge draws them toward 1 and every step
sees them under fresh lognormal noise, so that the set keeps helping later interactions. Pure: costs and
gradients come from a function. A reconstruction of the second stage of LRGD (arXiv 2504.04386).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.lrgd.perturb import weight_noise

RATE = 0.6  # length of the first step in log space; later ones shrink with the square root of their number
LARGEST = 3.0  # what a person can set on the desk, too
SMALLEST = 0.05


@dataclass(frozen=True)
class Weights:
    """Learned weights [k] and the cost (without the ridge) before each step."""

    weights: tuple[float, ...]
    costs: tuple[float, ...]


def learn(
    cost_and_slope: Callable[[Tensor], tuple[float, Tensor]],
    count: int,
    *,
    steps: int,
    ridge: float,
    noise: float,
    seed: int,
    report: Callable[[int, float], None] = lambda *_: None,
) -> Weights:
    """Weights [k] that lower a cost, from 1 each.

    cost_and_slope: weights [k] (float64) -> cost and its gradient [k]. Minimizes
    cost(exp(u)) + ridge * mean(u^2) over u = log weights by normalized steps.
    """
    at = torch.zeros(count, dtype=torch.float64)
    low, high = (torch.tensor(bound, dtype=torch.float64).log() for bound in (SMALLEST, LARGEST))
    costs = []
    factors = weight_noise(torch.ones(count, dtype=torch.float64), steps + 1, noise, seed)[1:]
    for step in range(steps):
        alpha = at.exp() * factors[step]
        cost, slope = cost_and_slope(alpha)
        costs.append(cost)
        report(step, cost)
        down = slope.to(at) * alpha + 2 * ridge * at / count  # d cost / d u, u = log weight
        length = float(down.norm())
        if length < 1e-9:
            break
        # A long slope takes a whole step, a short one only as much as it is long.
        at = (at - RATE / (1 + step) ** 0.5 * down / max(1.0, length)).clamp(low, high)
    return Weights(tuple(at.exp().tolist()), tuple(costs))
