"""What effects are taken of: a loss of the demonstrations' weights; and what comes out.

The players are the k demonstrations; demonstration b scales between weight 0 (removed) and its weight w_b.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


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
    """effects [k] in nats. `nodes`: weightings it took, for aumann gradients.

    completeness_error: |sum of effects - (loss_off - loss_on)| in nats. certified_error: what the estimator
    knows of its own error, nats: 0 (exact), the completeness error (aumann), the largest change of an effect
    when the last coalitions were added (strata), or what each was given of the rest of the gain (path).
    """

    effects: Tensor
    loss_off: float
    loss_on: float
    estimator: str
    nodes: int
    completeness_error: float
    certified_error: float

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
            losses = self._objective.value(alpha[list(new.values())])
            self._known.update(zip(new, losses, strict=True))
        return torch.stack([self._known[name] for name in names])

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Losses [m] and gradients [m, k], always computed."""
        return self._objective.gradient(alpha)
