"""One draw of a task under edits: what `engine.llm.scoring.edits` take and give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from engine.llm.scoring.ranking import Edit, Task
from engine.prompts import Example


@dataclass(frozen=True)
class Draw:
    """A task as the edits so far have left it.

    order: place p shows demonstration `order[p]` of the task as it was given. seed, number: what chance is
    drawn from; draw number 0 is without what chance does. disliked: titles the user disliked, for edits whose
    row in `db.choices` says that they take them.
    """

    task: Task
    order: tuple[int, ...]
    seed: int
    number: int
    disliked: tuple[str, ...] = ()

    @property
    def weights(self) -> torch.Tensor:
        """The sample weights [k], float64."""
        return torch.tensor(self.task.weights or (1.0,) * len(self.task.demos), dtype=torch.float64)

    def weighted(self, weights: torch.Tensor) -> "Draw":
        """With these sample weights [k]."""
        return replace(self, task=replace(self.task, weights=tuple(weights.tolist())))

    def retitled(self, change: Callable[[str], str]) -> "Draw":
        """With every title of the demonstrations changed."""

        def changed(demo: Example) -> Example:
            return replace(demo, history=tuple(map(change, demo.history)), answer=change(demo.answer))

        return replace(self, task=replace(self.task, demos=tuple(map(changed, self.task.demos))))

    def editing(self, edit: Edit) -> "Draw":
        """With an edit of the keys and values of prefix and demonstrations, after those it has."""
        return replace(self, task=replace(self.task, edits=(*self.task.edits, edit)))

    def reordered(self, order: Sequence[int]) -> "Draw":
        """With the demonstration of place `order[p]` at place p."""
        weights, demos = self.task.weights, self.task.demos
        task = replace(
            self.task,
            demos=tuple(demos[place] for place in order),
            weights=None if weights is None else tuple(weights[place] for place in order),
        )
        return replace(self, task=task, order=tuple(self.order[place] for place in order))
