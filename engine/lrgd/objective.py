"""What effects are taken of: a cost of the demonstrations' weights; and what comes out.

The players are the k demonstrations; demonstration b scales between weight 0 (removed) and its weight w_b. A
cost is lower where the target is better off: its loss, or minus its margin.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Objective(Protocol):
    """A cost of the demonstrations' weights, many weightings at once."""

    def value(self, alpha: Tensor) -> Tensor:
        """Costs [m] at weightings alpha [m, k]."""
        ...

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Costs [m] and their gradients [m, k] at weightings alpha [m, k]."""
        ...


@dataclass(frozen=True)
class Effects:
    """effects [k]: what of the gain is due to each. passes: weightings it took, for aumann gradients.

    reach [k]: half the width of each effect's 95 % interval, from the design alone: 0 where nothing was
    sampled, None where the estimator knows nothing of its error. noisy [k]: by how many times the error of a
    single cost an effect is off, if costs err independently; None as before. interactions [k, k]: Shapley
    interaction of every two, None where not all coalitions were taken.
    """

    effects: Tensor
    cost_off: float
    cost_on: float
    estimator: str
    passes: int
    reach: Tensor | None
    noisy: Tensor | None
    interactions: Tensor | None = None

    @property
    def total(self) -> float:
        """The gain: cost with all demonstrations at weight 0, minus cost at their own weights."""
        return self.cost_off - self.cost_on

    @property
    def completeness_error(self) -> float:
        """|sum of the effects - gain|. That a sum is right says nothing of its parts."""
        return abs(float(self.effects.sum()) - self.total)


class Differentiable:
    """An Objective from a function alpha [m, k] -> costs [m] that autograd can follow."""

    def __init__(self, cost: Callable[[Tensor], Tensor]) -> None:
        self._cost = cost

    def value(self, alpha: Tensor) -> Tensor:
        """Costs [m]."""
        with torch.no_grad():
            return self._cost(alpha)

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Costs [m] and gradients [m, k]; rows are independent, so one backward pass gives all."""
        with torch.enable_grad():
            leaf = alpha.detach().clone().requires_grad_(True)
            costs = self._cost(leaf)
            (slopes,) = torch.autograd.grad(costs.sum(), leaf)
        return costs.detach(), slopes


class Remembered:
    """An Objective that computes each weighting once.

    With `columns`, `objective` has `costs(alpha)` [m, columns] instead, several readings of the same pass;
    this is an Objective of one of them, and `column` gives that of another with the same memory.
    """

    def __init__(self, objective: Objective, columns: int = 0) -> None:
        self._objective, self._columns, self._column = objective, columns, 0
        self._known: dict[tuple[float, ...], Tensor] = {}

    def column(self, number: int) -> "Remembered":
        """The Objective of another reading of the same passes. Its gradient is not to be had."""
        other = Remembered(self._objective, self._columns)
        other._known, other._column = self._known, number
        return other

    def table(self) -> dict[str, list[float]]:
        """The costs known so far, of every reading, by who takes part: "101" is the first and the third."""
        return {_who(alpha): costs.reshape(-1).tolist() for alpha, costs in self._known.items()}

    def value(self, alpha: Tensor) -> Tensor:
        """Costs [m]; only weightings not seen before are computed, in one batch."""
        names = [tuple(row) for row in alpha.tolist()]
        new = {name: row for row, name in enumerate(names) if name not in self._known}
        if new:
            rows = alpha[list(new.values())]
            costs = self._objective.costs(rows) if self._columns else self._objective.value(rows)  # type: ignore[attr-defined]
            self._known.update(zip(new, costs, strict=True))
        found = torch.stack([self._known[name] for name in names])
        return found[:, self._column] if self._columns else found

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Costs [m] and gradients [m, k] of the first reading, always computed."""
        if self._column:
            raise ValueError("only the first reading has a gradient")
        return self._objective.gradient(alpha)


class Tabled:
    """An Objective of one reading of a table (`Remembered.table`), for weightings that are in it."""

    def __init__(self, table: Mapping[str, Sequence[float]], column: int = 0) -> None:
        self._table, self._column = table, column

    def value(self, alpha: Tensor) -> Tensor:
        """Costs [m], double. Raises KeyError for a weighting that the table does not hold."""
        costs = [self._table[_who(row)][self._column] for row in alpha.tolist()]
        return torch.tensor(costs, dtype=torch.float64, device=alpha.device)

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Not known."""
        del alpha
        raise ValueError("a table has no gradient")


def _who(alpha: Sequence[float]) -> str:
    return "".join("1" if weight > 0 else "0" for weight in alpha)
