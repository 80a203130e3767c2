"""Perturbation and regularization of the dual model: named edits of its gradient step, as pure tensor code.

The step of demonstration b is `alpha_b dW_b` with `dW_b = sum_D_b [v_i; 1] phi(k_i)^T` (engine/lrgd/dual.py).
What can be edited of it are the sample weights alpha (noise, dropout, ridge), the values v_i (noise,
negatives) and the order in which demonstrations are read. This is our reading of the robustness part of LRGD
(arXiv 2504.04386), whose exact formulas were not available to us.

Every draw has a generator of its own, made of the seed, the edit's name and the draw's number: draw 3 is the
same however many draws are asked for and in whatever order they are computed.
"""

import math

import torch
from torch import Tensor


def weight_noise(weights: Tensor, draws: int, sigma: float, seed: int) -> Tensor:
    """Sample weights [draws, k] around weights [k]: each times a lognormal of mean 1, log-spread sigma.

    The first row is unperturbed. A weight of 0 stays 0.
    """
    factors = torch.ones(draws, weights.numel(), dtype=torch.float64)
    for draw in range(1, draws):
        noise = _normal(_rng(seed, "weights", draw), weights.numel())
        factors[draw] = torch.exp(sigma * noise - sigma * sigma / 2)
    return weights * factors.to(weights)


def dropout(weights: Tensor, draws: int, rate: float, seed: int) -> Tensor:
    """Sample weights [draws, k]: each demonstration's weight is 0 with probability `rate`.

    The first row is unperturbed. What stays keeps its weight: nothing is scaled up in its place.
    """
    kept = torch.ones(draws, weights.numel(), dtype=torch.float64)
    for draw in range(1, draws):
        kept[draw] = (_uniform(_rng(seed, "dropout", draw), weights.numel()) >= rate).double()
    return weights * kept.to(weights)


def ridge(weights: Tensor, rho: float) -> Tensor:
    """The step shortened: weights times 1 - rho, of any shape."""
    return weights * (1.0 - rho)


def orders(count: int, draws: int, seed: int) -> list[tuple[int, ...]]:
    """Permutations of 0 to count - 1: place p shows demonstration `order[p]`. The first is as it stands."""
    permutations = [torch.randperm(count, generator=_rng(seed, "order", draw)) for draw in range(1, draws)]
    drawn = [tuple(order.tolist()) for order in permutations]
    return [tuple(range(count)), *drawn][:draws]


def value_noise(values: Tensor, owners: Tensor, sigma: float, seed: int, draw: int, layer: int) -> Tensor:
    """Noise eps [..., T, d] for values [..., T, d]: 0 but on demonstration tokens (owners [T] >= 0).

    Its spread is sigma times the root mean square of the demonstration tokens' values of this layer. Added to
    the values, it adds exactly `sum_D a_i eps_i` to the attention's output. Draw 0 is no noise.
    """
    noise = torch.zeros_like(values)
    inside = owners >= 0
    if draw == 0 or not bool(inside.any()):
        return noise
    own = values[..., inside, :]
    # Token by token, so that more tokens leave the earlier ones' noise as it is.
    first = (int(inside.sum()), *own.shape[:-2], own.shape[-1])
    drawn = _normal(_rng(seed, "values", draw, layer), math.prod(first)).view(first).movedim(0, -2)
    scale = own.to(torch.promote_types(own.dtype, torch.float32)).square().mean().sqrt()
    noise[..., inside, :] = (sigma * scale * drawn.to(scale)).to(values.dtype)
    return noise


def negatives(values: Tensor, owners: Tensor, disliked: Tensor, beta: float) -> Tensor:
    """The edit [..., T, d] that takes beta times the mean of the disliked values [..., n, d] off D's values.

    It adds exactly `-beta lam mean` to the attention's output: the more a query looks at the demonstrations,
    the further it is pushed away from what the user disliked.
    """
    shift = -beta * disliked.mean(-2, keepdim=True)
    return torch.where((owners >= 0)[:, None], shift, torch.zeros_like(values))


def robust(values: Tensor, kappa: float) -> Tensor:
    """The robust effect [...] of effects [..., draws]: mean - kappa * standard deviation over the draws."""
    return values.mean(-1) - kappa * values.std(-1, correction=0)


def _rng(seed: int, name: str, *at: int) -> torch.Generator:
    """A generator of its own for every name and place; only the low 32 bits of a CPU seed count."""
    mixed = 0x9E3779B9
    for number in (seed, *name.encode(), *at):
        mixed = ((mixed ^ number) * 0x85EBCA6B + 0xC2B2AE35) % 2**64
        mixed ^= mixed >> 29
    return torch.Generator().manual_seed(mixed % 2**32)


def _uniform(rng: torch.Generator, count: int) -> Tensor:
    """[count] in [0, 1), float64: more of them begin with the same ones."""
    return torch.rand(count, generator=rng, dtype=torch.float64)


def _normal(rng: torch.Generator, count: int) -> Tensor:
    """[count] standard normal. Through the quantile, as `torch.randn` draws other ones for other counts."""
    return torch.special.ndtri(_uniform(rng, count).clamp_min(2.0**-54))
