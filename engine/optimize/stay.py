"""Demonstrations that stay: sets are chosen and weighted around them.

Pure: demonstrations are places of a pool. Without any, every function gives back what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.requests.keep import around
from engine.optimize.choose import Set

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Stay:
    """What stays. `places`: of the pool; `at`: their places in the prompt, from 1; `fixed`: their weights."""

    places: Set = ()
    at: tuple[int, ...] = ()
    fixed: tuple[float, ...] = ()

    def around(self, chosen: Set, weights: Sequence[float] | None = None) -> tuple[Set, list[float]]:
        """The whole set in prompt order and its weights, those of the chosen 1 where none are given."""
        free = zip(chosen, weights or (1.0,) * len(chosen), strict=True)
        stay = zip(self.at, zip(self.places, self.fixed, strict=True), strict=True)
        whole = around(list(free), stay)
        return tuple(place for place, _ in whole), [weight for _, weight in whole]

    def free(self, count: int) -> list[int]:
        """Where in a whole set of `count` the chosen ones stand."""
        numbers: list[int | None] = list(range(count - len(self.places)))
        whole = around(numbers, [(place, None) for place in self.at])
        return [at for at, number in enumerate(whole) if number is not None]

    def weights(self, given: Tensor) -> Tensor:
        """Weightings of the whole set [m, n] from those of the chosen [m, k]."""
        if not self.places:
            return given
        count = given.shape[1] + len(self.places)
        free = self.free(count)
        whole = given.new_empty(len(given), count)
        whole[:, free] = given
        kept = [at for at in range(count) if at not in free]
        order = sorted(range(len(self.at)), key=lambda one: self.at[one])
        whole[:, kept] = given.new_tensor([self.fixed[one] for one in order])
        return whole


NOTHING = Stay()
