"""The effect of each demonstration on a loss: exact Shapley values, or a path integral that certifies itself.

The players are the k demonstrations; demonstration b scales between weight 0 (removed) and its weight w_b.
The effect of b is the part of the gain `loss(0) - loss(w)` that is due to b, in nats; the effects add up to
the gain. Exact Shapley values take 2^k losses; the Aumann-Shapley path integral (arXiv 1703.01365) follows
alpha = t^p w from t = 0 to 1 and takes one gradient per node. Where demonstrations interact the two differ:
name the one used. This is a reconstruction of LRGD's effect (arXiv 2504.04386), not its exact formula.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

EXACT_UP_TO = 6  # demonstrations for which `auto` takes all 2^k losses: 64 cost less than the path's nodes
EXACT_LIMIT = 8  # more than 256 losses is refused
POWER = 6  # the loss moves mostly at small weights; t^6 spreads the nodes there
ORDER = 3  # Gauss-Legendre nodes per interval
START = 4  # intervals before any is halved
NODES = 32  # gradients the path integral may take
TOLERANCE = 0.02  # of the gain
FLOOR = 1e-3  # nats; below this a completeness error is of no interest
Estimator = Literal["auto", "exact", "path"]


class Objective(Protocol):
    """A loss of the demonstrations' weights, many weightings at once."""

    def value(self, alpha: Tensor) -> Tensor:
        """Losses [m] (nats) at weightings alpha [m, k]."""
        ...

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Losses [m] and their gradients [m, k] at weightings alpha [m, k]."""
        ...


@dataclass(frozen=True)
class Effects:
    """effects [k] in nats. `nodes`: weightings (exact) or gradients (path) it took.

    completeness_error: |sum of effects - (loss_off - loss_on)| in nats.
    """

    effects: Tensor
    loss_off: float
    loss_on: float
    estimator: str
    nodes: int
    completeness_error: float

    @property
    def total(self) -> float:
        """The gain: loss with all demonstrations at weight 0, minus loss at their own weights."""
        return self.loss_off - self.loss_on


class Differentiable:
    """An Objective from a function alpha [m, k] -> losses [m] that autograd can follow."""

    def __init__(self, loss: Callable[[Tensor], Tensor]) -> None:
        self._loss = loss

    def value(self, alpha: Tensor) -> Tensor:
        """Losses [m]."""
        with torch.no_grad():
            return self._loss(alpha)

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Losses [m] and gradients [m, k]; rows are independent, so one backward pass gives all."""
        with torch.enable_grad():
            leaf = alpha.detach().clone().requires_grad_(True)
            losses = self._loss(leaf)
            (slopes,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), slopes


class Remembered:
    """An Objective that computes each weighting's loss once."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._known: dict[tuple[float, ...], Tensor] = {}

    def value(self, alpha: Tensor) -> Tensor:
        """Losses [m]; only weightings not seen before are computed, in one batch."""
        names = [tuple(row) for row in alpha.tolist()]
        new = {name: row for row, name in enumerate(names) if name not in self._known}
        if new:
            found = self._objective.value(alpha[list(new.values())])
            self._known.update(zip(new, found, strict=True))
        return torch.stack([self._known[name] for name in names])

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Losses [m] and gradients [m, k], always computed."""
        return self._objective.gradient(alpha)


def effects(objective: Objective, weights: Tensor, estimator: Estimator = "auto") -> Effects:
    """Effect of each demonstration at weights [k]. `auto`: exact up to 6 demonstrations, else the path."""
    few = weights.numel() <= EXACT_UP_TO
    if weights.numel() == 0 or estimator == "exact" or (estimator == "auto" and few):
        return exact(objective, weights)
    return path(objective, weights)


def exact(objective: Objective, weights: Tensor) -> Effects:
    """Shapley values from the losses of all 2^k coalitions, in one batch. At most 8 demonstrations."""
    k = weights.numel()
    if k > EXACT_LIMIT:
        raise ValueError(f"exact Shapley values take 2^k losses; k = {k} is above the limit of {EXACT_LIMIT}")
    members = coalitions(k, weights)
    losses = objective.value(members * weights)
    shares = shapley(losses)
    error = abs(float(shares.sum()) - float(losses[0] - losses[-1]))
    return Effects(shares, float(losses[0]), float(losses[-1]), "exact", len(losses), error)


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
    found = []
    for b in range(k):
        out = rows[(rows >> b) & 1 == 0]
        found.append((weight[sizes[out]] * (losses[out] - losses[out + 2**b])).sum())
    return torch.stack(found) if found else losses.new_zeros(0)


@dataclass(frozen=True)
class _Piece:
    """The path between two times: what each demonstration contributed, and what the losses say in all."""

    start: float
    stop: float
    parts: Tensor  # [k]
    drop: float  # loss(start) - loss(stop)

    @property
    def error(self) -> float:
        return abs(float(self.parts.sum()) - self.drop)


def path(
    objective: Objective,
    weights: Tensor,
    *,
    tolerance: float = TOLERANCE,
    floor: float = FLOOR,
    budget: int = NODES,
    power: int = POWER,
    order: int = ORDER,
) -> Effects:
    """Aumann-Shapley effects by adaptive Gauss-Legendre integration of `-d loss / d alpha` along t^power w.

    Every interval is checked against the exact losses at its ends. While the intervals' errors add up to more
    than `tolerance` times the gain (or `floor` nats), those that err most are halved, until `budget`
    gradients are spent. The completeness error that was reached is reported, never spread over the effects.
    """
    losses: dict[float, float] = {}
    spans = [(i / START, (i + 1) / START) for i in range(START)]
    pieces = _integrate(objective, weights, spans, losses, power, order)
    nodes = START * order
    while True:
        gain = losses[0.0] - losses[1.0]
        allowed = max(tolerance * abs(gain), floor)
        chosen = _to_split(pieces, allowed, (budget - nodes) // (2 * order))
        if not chosen:
            break
        halves = [h for p in chosen for m in [(p.start + p.stop) / 2] for h in ((p.start, m), (m, p.stop))]
        pieces = [p for p in pieces if p not in chosen]
        pieces += _integrate(objective, weights, halves, losses, power, order)
        nodes += order * len(halves)
    found = torch.stack([p.parts for p in pieces]).sum(0)
    error = abs(float(found.sum()) - gain)
    return Effects(found, losses[0.0], losses[1.0], "path", nodes, error)


def _to_split(pieces: list[_Piece], allowed: float, most: int) -> list[_Piece]:
    """Pieces to halve: the worst ones, until what remains would pass if the halved ones were exact."""
    left = sum(p.error for p in pieces)
    chosen: list[_Piece] = []
    for piece in sorted(pieces, key=lambda p: -p.error):
        if left <= allowed or len(chosen) >= most:
            break
        chosen.append(piece)
        left -= piece.error
    return chosen


def _integrate(
    objective: Objective,
    weights: Tensor,
    spans: list[tuple[float, float]],
    losses: dict[float, float],
    power: int,
    order: int,
) -> list[_Piece]:
    """All nodes of all spans in one gradient batch, all new ends in one loss batch."""
    ends = sorted({t for span in spans for t in span} - losses.keys())
    at = torch.tensor(ends, dtype=weights.dtype, device=weights.device)[:, None] ** power * weights
    losses.update(zip(ends, objective.value(at).tolist(), strict=True))
    x, w = _legendre(order)
    times = torch.tensor(
        [[(b - a) / 2 * xi + (a + b) / 2 for xi in x] for a, b in spans],
        dtype=weights.dtype,
        device=weights.device,
    )  # [spans, order]
    alpha = times.reshape(-1, 1) ** power * weights
    _, slopes = objective.gradient(alpha)  # [spans * order, k]
    speed = power * times.reshape(-1, 1) ** (power - 1) * weights  # d alpha / d t
    rate = (-slopes * speed).view(len(spans), order, -1)
    by = torch.tensor(w, dtype=weights.dtype, device=weights.device)[None, :, None]
    return [
        _Piece(a, b, part * (b - a) / 2, losses[a] - losses[b])
        for (a, b), part in zip(spans, (rate * by).sum(1), strict=True)
    ]


def _legendre(order: int) -> tuple[list[float], list[float]]:
    """Gauss-Legendre nodes and weights on [-1, 1] by the Golub-Welsch eigenvalue method."""
    n = torch.arange(1, order, dtype=torch.float64)
    off = n / torch.sqrt(4 * n * n - 1)
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    return nodes.tolist(), (2 * vectors[0] ** 2).tolist()
