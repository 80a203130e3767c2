"""Shapley values of more demonstrations than all coalitions can be taken of, each with a 95 % interval.

The costs of the smallest and largest coalitions (none, one, two; all, all but one, all but two), where a
demonstration's contribution changes most, and of a few random ones in the middle are continued to all
coalitions by universal kriging: additive in the demonstrations, plus a Gaussian field in which two coalitions
that differ in h demonstrations correlate by rho^h (Matheron 1969). The estimate is the Shapley value of that
continuation, and the field's own uncertainty of it is the interval. A field that errs on the random
coalitions more than it should, each predicted from all others, is taken to be as uncertain as it errs.
Everything has a closed form; the effects add up to the gain.
"""

import math
from dataclasses import replace
from functools import cache

import torch
from scipy import stats
from torch import Tensor

from engine.lrgd.objective import Effects, Objective
from engine.lrgd.shapley import exact

PAIRS = 128  # coalitions of two (and of all but two) that are taken; above 16 demonstrations a design
MIDDLE = 3  # random coalitions of a middle size, each with its complement
SURE = 0.95  # nominal coverage of the intervals
_RHO = (0.1, 0.3, 0.5, 0.65, 0.75, 0.85, 0.9, 0.94, 0.97)  # the likeliest of these is taken
_NUGGET = 1e-10  # keeps the solution stable; far below what the arithmetic of a cost errs by
_NOTHING = 1e-18  # variance below which there is none


def kriging(objective: Objective, weights: Tensor) -> Effects:
    """Effects [k] from about k^2 + k + 8 costs: 80 at k = 8, and at most 2 k + 264. Few: all coalitions."""
    k = weights.numel()
    members = torch.tensor(design(k), dtype=torch.float64)
    if len(members) >= 2**k:
        return exact(objective, weights)
    costs = objective.value(members.to(weights) * weights)
    found = continued(members, costs.double().cpu())
    return replace(
        found,
        **{name: getattr(found, name).to(costs.device) for name in ("effects", "reach", "noisy")},
        passes=len(members),
    )


def taken(k: int) -> int:
    """How many costs `kriging` takes."""
    return min(2**k, len(design(k)))


@cache
def design(k: int) -> tuple[tuple[int, ...], ...]:
    """Coalitions as rows of 0 and 1: none and all first. The same for every game of k."""
    chosen = [(), *((b,) for b in range(k)), *_pairs(k)]
    draw = torch.Generator().manual_seed(k)
    sizes = list(range(3, k - 2))
    for n in range(MIDDLE if sizes else 0):
        size = sizes[(len(sizes) // 2 + n) % len(sizes)]
        chosen.append(tuple(torch.randperm(k, generator=draw)[:size].tolist()))
    rows = [tuple(int(b in coalition) for b in range(k)) for coalition in chosen]
    both = [row for one in rows for row in (one, tuple(1 - bit for bit in one))]
    return tuple(dict.fromkeys(both))


def _pairs(k: int) -> list[tuple[int, ...]]:
    """All pairs of k, or about PAIRS of them; after every step everyone has equally many partners."""
    # Spread round the circle by the golden ratio, so that partners are not neighbours in the prompt.
    circle = sorted(range(k), key=lambda b: b * 0.6180339887498949 % 1)
    steps = range(1, 1 + min(k // 2, max(1, PAIRS // max(1, k))))
    turned = [(circle[i], circle[(i + step) % k]) for step in steps for i in range(k)]
    return list(dict.fromkeys((min(pair), max(pair)) for pair in turned))


def continued(members: Tensor, costs: Tensor, doubt: float = 0.0) -> Effects:
    """Shapley values [k] of the continuation of costs [n] of coalitions.

    members [n, k]: rows of 0 and 1: none, all, and at least k more that tell the demonstrations apart. doubt:
    fields whose log-likelihood falls short of the best one's by no more than this count too: an interval
    reaches as far as any of theirs.
    """
    mean = torch.cat([torch.ones(len(members), 1, dtype=torch.float64), members], dim=1)  # [n, 1 + k]
    apart = torch.cdist(members, members, p=1)  # in how many two coalitions differ
    gains = costs[0] - costs
    fits = [_Field(rho, mean, apart, gains) for rho in _RHO]
    likeliest = max(fits, key=lambda fit: fit.likelihood)
    linear, reach = _values(likeliest, members, gains)
    for fit in fits:
        if fit is not likeliest and fit.likelihood >= likeliest.likelihood - doubt:
            other, its_reach = _values(fit, members, gains)
            reach = torch.maximum(reach, its_reach + ((other - linear) @ gains).abs())
    linear_of_costs = -linear
    linear_of_costs[:, 0] += linear.sum(1)
    return Effects(
        effects=linear @ gains,
        cost_off=float(costs[0]),
        cost_on=float(costs[1]),
        estimator="kriging",
        passes=len(members),
        reach=reach,
        noisy=linear_of_costs.square().sum(1).sqrt(),
    )


def _values(field: "_Field", members: Tensor, gains: Tensor) -> tuple[Tensor, Tensor]:
    """Of one field: gains -> effects [k, n], and half the width of each one's interval [k]."""
    n, k = members.shape
    middle = (members.sum(1) - k / 2).abs() < k / 2 - 2  # the random ones
    variance = field.variance
    if bool(middle.any()):
        off = (field.pull @ gains)[middle] / field.pull.diagonal()[middle].sqrt()
        variance = max(variance, float(off.square().mean()))
    own = torch.eye(k + 1, dtype=torch.float64)[1:]  # Shapley values of the mean's parts [k, 1 + k]
    across = _shapley_of_kernel(field.rho, members)  # [k, n]
    linear = own @ field.steady + across @ field.pull
    rest = own - across @ field.solved_mean
    spread = (
        _prior(field.rho, k)
        - torch.einsum("bn,nm,bm->b", across, field.inverse, across)
        + torch.einsum("bi,ij,bj->b", rest, field.mean_inverse, rest)
    ).clamp_min(0.0)
    reach = float(stats.t.ppf((1 + SURE) / 2, n - k - 1)) * (max(variance, _NOTHING) * spread).sqrt()
    return linear, reach


class _Field:
    """Universal kriging with correlation rho^apart: its solution, scale and restricted likelihood."""

    def __init__(self, rho: float, mean: Tensor, apart: Tensor, gains: Tensor) -> None:
        n, parts = mean.shape
        kernel = rho**apart + _NUGGET * torch.eye(n, dtype=torch.float64)
        self.rho, self.inverse = rho, torch.linalg.inv(kernel)
        self.solved_mean = self.inverse @ mean  # [n, p]
        normal = mean.T @ self.solved_mean
        self.mean_inverse = torch.linalg.inv(normal)
        self.steady = self.mean_inverse @ self.solved_mean.T  # [p, n]: gains -> the mean's coefficients
        self.pull = self.inverse - self.solved_mean @ self.steady  # [n, n]
        self.variance = max(float(gains @ self.pull @ gains) / (n - parts), _NOTHING)
        volumes = torch.linalg.slogdet(kernel)[1] + torch.linalg.slogdet(normal)[1]
        self.likelihood = -((n - parts) * math.log(self.variance) + float(volumes)) / 2


def _shapley_of_kernel(rho: float, members: Tensor) -> Tensor:
    """[k, n]: Shapley values of S -> rho^|S differs from T|, for each coalition T, members [n, k]."""
    k = members.shape[1]
    # A demonstration in T brings others nearer by a factor of rho; one that is not takes them away from it.
    near = members.new_tensor([_mean_kernel(rho, k - 1, others) for others in range(k)])
    sizes = members.sum(1).long()  # [n]
    inside = near[(sizes - 1).clamp_min(0)][:, None]
    outside = near[sizes.clamp_max(k - 1)][:, None]
    return ((1 - rho) * torch.where(members > 0, inside, -outside)).T


@cache
def _mean_kernel(rho: float, n: int, inside: int) -> float:
    """Mean of rho^|S differs from T| over a random S of n others, |T| = inside, all sizes of S alike."""
    return math.fsum(
        math.comb(inside, i) * math.comb(n - inside, j) * _share(n, i + j) * rho ** (inside - i + j)
        for i in range(inside + 1)
        for j in range(n - inside + 1)
    )


def _share(n: int, size: int) -> float:
    """What one coalition of this size of n others counts in a Shapley value."""
    return 1 / ((n + 1) * math.comb(n, size))


@cache
def _prior(rho: float, k: int) -> float:
    """Variance of a Shapley value in a field of variance 1."""
    n = k - 1
    return (
        2
        * (1 - rho)
        * math.fsum(math.comb(n, t) * _share(n, t) * _mean_kernel(rho, n, t) for t in range(n + 1))
    )
