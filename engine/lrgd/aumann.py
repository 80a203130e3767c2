"""The integral of Aumann and Shapley: effects along alpha = t^p w, with gradients (arXiv 1703.01365).

Complete, and checked against the costs at the ends of its intervals; but where demonstrations interact it is
not the Shapley value: many demonstrations at a small weight are not the same as few at their full weight. How
far it is from it, it cannot say: its effects have no interval.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.lrgd.objective import Effects, Objective

TOLERANCE = 0.02  # of the gain
FLOOR = 1e-3  # of the gain's unit; below this an error is of no interest
POWER = 6  # the cost moves mostly at small weights; t^6 spreads the nodes there
ORDER = 3  # Gauss-Legendre nodes per interval
START = 4  # intervals before any is halved
NODES = 32  # gradients the integral may take


@dataclass(frozen=True)
class _Piece:
    """The path between two times: what each demonstration contributed, and what the costs say in all."""

    start: float
    stop: float
    parts: Tensor  # [k]
    drop: float  # cost(start) - cost(stop)

    @property
    def error(self) -> float:
        return abs(float(self.parts.sum()) - self.drop)


def aumann(
    objective: Objective,
    weights: Tensor,
    *,
    tolerance: float = TOLERANCE,
    floor: float = FLOOR,
    budget: int = NODES,
    power: int = POWER,
    order: int = ORDER,
) -> Effects:
    """Aumann-Shapley effects by adaptive Gauss-Legendre integration of `-d cost / d alpha` along t^power w.

    Every interval is checked against the exact costs at its ends. While the intervals' errors add up to more
    than `tolerance` times the gain (or `floor`), those that err most are halved, until `budget`
    gradients are spent. The completeness error that was reached is reported, never spread over the effects.
    """
    costs: dict[float, float] = {}
    spans = [(i / START, (i + 1) / START) for i in range(START)]
    pieces = _integrate(objective, weights, spans, costs, power, order)
    nodes = START * order
    while True:
        gain = costs[0.0] - costs[1.0]
        allowed = max(tolerance * abs(gain), floor)
        chosen = _to_split(pieces, allowed, (budget - nodes) // (2 * order))
        if not chosen:
            break
        halves = [h for p in chosen for m in [(p.start + p.stop) / 2] for h in ((p.start, m), (m, p.stop))]
        pieces = [p for p in pieces if p not in chosen]
        pieces += _integrate(objective, weights, halves, costs, power, order)
        nodes += order * len(halves)
    effects = torch.stack([p.parts for p in pieces]).sum(0)
    return Effects(effects, costs[0.0], costs[1.0], "aumann", nodes, None, None)


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
    costs: dict[float, float],
    power: int,
    order: int,
) -> list[_Piece]:
    """All nodes of all spans in one gradient batch, all new ends in one cost batch."""
    ends = sorted({t for span in spans for t in span} - costs.keys())
    at = torch.tensor(ends, dtype=weights.dtype, device=weights.device)[:, None] ** power * weights
    costs.update(zip(ends, objective.value(at).tolist(), strict=True))
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
        _Piece(a, b, part * (b - a) / 2, costs[a] - costs[b])
        for (a, b), part in zip(spans, (rate * by).sum(1), strict=True)
    ]


def _legendre(order: int) -> tuple[list[float], list[float]]:
    """Gauss-Legendre nodes and weights on [-1, 1] by the Golub-Welsch eigenvalue method."""
    n = torch.arange(1, order, dtype=torch.float64)
    off = n / torch.sqrt(4 * n * n - 1)
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    return nodes.tolist(), (2 * vectors[0] ** 2).tolist()
