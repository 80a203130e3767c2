"""Shapley values of the demonstrations: exact from all coalitions, or from the smallest and largest ones.

A Shapley value is the mean over coalition sizes s = 0 .. k - 1 of a demonstration's mean marginal
contribution to the coalitions of s others (its strata; arXiv 1306.4265). Where several demonstrations carry
the same answer, each helps much alone and hardly when others are there: marginals fall about as 1 / (1 + s),
quickly at first. So `strata` takes the smallest and largest coalitions and interpolates in 1 / (1 + s).
"""

import itertools
import math

import torch
from torch import Tensor

from engine.lrgd.objective import Effects, Objective

EXACT_LIMIT = 8  # more than 256 losses is refused
PAIRS = 128  # coalitions of two (and of all but two) that are looked at; above 16 demonstrations a design
TOLERANCE = 0.02  # of the gain
FLOOR = 1e-3  # nats; below this an error is of no interest


def exact(objective: Objective, weights: Tensor) -> Effects:
    """Shapley values from the losses of all 2^k coalitions, in one batch. At most 8 demonstrations."""
    k = weights.numel()
    if k > EXACT_LIMIT:
        raise ValueError(f"exact Shapley values take 2^k losses; k = {k} is above the limit of {EXACT_LIMIT}")
    members = coalitions(k, weights)
    losses = objective.value(members * weights)
    shares = shapley(losses)
    error = abs(float(shares.sum()) - float(losses[0] - losses[-1]))
    return Effects(shares, float(losses[0]), float(losses[-1]), "exact", len(losses), error, 0.0)


def coalitions(k: int, like: Tensor) -> Tensor:
    """[2^k, k] of 0 and 1: row r holds demonstration b if bit b of r is set."""
    rows = torch.arange(2**k, device=like.device)[:, None]
    return ((rows >> torch.arange(k, device=like.device)[None]) & 1).to(like.dtype)


def shapley(losses: Tensor) -> Tensor:
    """Shapley values [k] of the loss *reduction*, from losses [2^k] indexed by the coalition's bits."""
    k = losses.numel().bit_length() - 1
    rows = torch.arange(losses.numel(), device=losses.device)
    sizes = sum(((rows >> b) & 1 for b in range(k)), torch.zeros_like(rows))
    weight = torch.tensor(
        [math.factorial(s) * math.factorial(k - s - 1) / math.factorial(k) for s in range(k)],
        dtype=losses.dtype,
        device=losses.device,
    )
    values = []
    for b in range(k):
        out = rows[(rows >> b) & 1 == 0]
        values.append((weight[sizes[out]] * (losses[out] - losses[out + 2**b])).sum())
    return torch.stack(values) if values else losses.new_zeros(0)


def strata(objective: Objective, weights: Tensor) -> Effects:
    """Shapley values [k] from coalitions of none, one, all but one and all; then of two; then of all but two.

    Stops when the last step changed no effect by more than 2 % of the gain (or 0.001 nats); `certified_error`
    is that change. What interpolation leaves of the gain is shared equally, so the effects are complete.
    At k = 8 that is 46 or 74 losses instead of 256.
    """
    k = weights.numel()
    if k < 3:
        return exact(objective, weights)
    joined_pairs = pairs(k)
    everyone = frozenset(range(k))
    losses: dict[frozenset[int], float] = {}

    def mean_marginal(b: int, coalitions: list[frozenset[int]]) -> float:
        return math.fsum(losses[c] - losses[c | {b}] for c in coalitions) / len(coalitions)

    partners: list[list[int]] = [
        [c for pair in joined_pairs if b in pair for c in pair if c != b] for b in range(k)
    ]
    # size of the coalition that b joins -> those coalitions, for each b
    joined = {
        0: [[frozenset()] for b in range(k)],
        k - 1: [[everyone - {b}] for b in range(k)],
        1: [[frozenset({c}) for c in partners[b]] for b in range(k)],
        k - 2: [[everyone - {b, c} for c in partners[b]] for b in range(k)],
    }
    marginals: dict[int, list[float]] = {}
    shares, changed, gain = [0.0] * k, math.inf, 0.0
    for steps in ((0, k - 1), (1,), (k - 2,)):
        wanted = {c | more for s in steps for b in range(k) for c in joined[s][b] for more in (set(), {b})}
        _evaluate(objective, weights, sorted(wanted - losses.keys(), key=sorted), losses)
        for s in steps:
            marginals[s] = [mean_marginal(b, joined[s][b]) for b in range(k)]
        gain = losses[frozenset()] - losses[everyone]
        last, shares = shares, _interpolated(marginals, k, gain)
        changed = max(abs(now - was) for now, was in zip(shares, last, strict=True))
        if len(marginals) > 2 and changed <= max(TOLERANCE * abs(gain), FLOOR):
            break
    values = torch.tensor(shares, dtype=weights.dtype, device=weights.device)
    error = abs(float(values.sum()) - gain)
    return Effects(
        values, losses[frozenset()], losses[everyone], "strata", len(losses), error, max(changed, error)
    )


def pairs(k: int) -> list[tuple[int, int]]:
    """All pairs of k, or about PAIRS of them such that everyone has equally many partners."""
    everyone = list(itertools.combinations(range(k), 2))
    if len(everyone) <= PAIRS:
        return everyone
    # Spread round the circle by the golden ratio, so that partners are not neighbours in the prompt.
    circle = sorted(range(k), key=lambda b: b * 0.6180339887498949 % 1)
    steps = range(1, 1 + max(1, PAIRS // k))
    return [(circle[i], circle[(i + step) % k]) for i in range(k) for step in steps]


def _evaluate(
    objective: Objective, weights: Tensor, members: list[frozenset[int]], losses: dict[frozenset[int], float]
) -> None:
    """The losses of these coalitions, in one batch."""
    if not members:
        return
    rows = [[float(b in coalition) for b in range(weights.numel())] for coalition in members]
    inside = torch.tensor(rows, dtype=weights.dtype, device=weights.device)
    losses.update(zip(members, objective.value(inside * weights).tolist(), strict=True))


def _interpolated(marginals: dict[int, list[float]], k: int, gain: float) -> list[float]:
    """Mean over all sizes [k], interpolated linearly in 1 / (1 + size), shifted to add up to the gain."""
    known = sorted(marginals)
    shares = dict.fromkeys(known, 0.0)
    for size in range(k):
        after = next(s for s in known if s >= size)
        before = next(s for s in reversed(known) if s <= size)
        # How far `size` is from `before` on the way to `after`, where 1 / (1 + size) is the measure.
        way = (
            0.0
            if before == after
            else (1 / (1 + before) - 1 / (1 + size)) / (1 / (1 + before) - 1 / (1 + after))
        )
        shares[before] += (1 - way) / k
        shares[after] += way / k
    values = [math.fsum(shares[s] * marginals[s][b] for s in known) for b in range(k)]
    rest = (gain - math.fsum(values)) / k
    return [value + rest for value in values]
