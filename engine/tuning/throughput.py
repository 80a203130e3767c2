"""How near a training run comes to what the machine can multiply."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from engine.tuning.trainer import precision

if TYPE_CHECKING:
    from engine.tuning.trainer import State

_SIZES = {"cpu": 1024, "cuda": 8192}  # rows and columns: large enough that starting a product costs nothing


def flop_floor_ratio(model: torch.nn.Module, state: State, device: torch.device) -> float:
    """Seconds the steps took over those its matrix products alone need at the measured rate (1 = the floor).

    6 flops per parameter and token where all parameters learn (forward 2, backward 4), 4 where only a few do
    (no gradients of the frozen weights); embeddings looked up and attention scores not counted.
    """
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    embedded = model.get_input_embeddings().weight.numel()  # type: ignore[operator,union-attr]
    whole = sum(p.numel() for p in model.parameters())
    per_token = (6 if learning > whole / 2 else 4) * max(1, whole - embedded)
    return round(state.working / (per_token * state.tokens / matmul_rate(device)), 2)


def matmul_rate(device: torch.device) -> float:
    """Flops per second of a matrix product in the precision that training uses, the best of a few."""
    size = _SIZES[device.type]
    with torch.no_grad(), precision(device):
        matrix = torch.randn(size, size, device=device) / size**0.5
        matrix = torch.mm(matrix, matrix)  # comes out in the precision of the block
        return rate_of(lambda: torch.mm(matrix, matrix), 2 * size**3, device)


def rate_of(multiply: Callable[[], object], flops: float, device: torch.device) -> float:
    """Flops per second of a product that takes so many flops: the best of a few calls."""
    best = float("inf")
    for _ in range(6):
        _wait(device)
        started = time.perf_counter()
        multiply()
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return flops / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
