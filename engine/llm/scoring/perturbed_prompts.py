"""Perturbed prompts: a task under the named edits of the dual model, draw by draw, and the ranking it gives.

The edits are those of `db.requests.edits`, their arithmetic is engine/lrgd/perturb.py. Weights and titles are
edited in the task; values are edited where the demonstrations' keys and values stand, before the query looks
at them, so demonstrations themselves are read as they are and edge gates act as ever. A reconstruction of
the robustness part of LRGD (arXiv 2504.04386).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from db.requests.edits import Edit, drawn
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.ensemble import averaged
from engine.llm.scoring.log_probs import Prefix, prefill
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import RankResult, Task, rank_candidates
from engine.lrgd import perturb
from engine.prompts import Example, Segment, encode, render
from engine.prompts.misspelt import cut_short, misspelt
from engine.prompts.segments import title_answer

DRAWS = 8  # of a random edit that a ranking averages; the first is the prompt as it stands


@dataclass(frozen=True)
class Draw:
    """One draw: the task as it is then. order: place p shows demonstration `order[p]` of the given task."""

    task: Task
    order: tuple[int, ...]


@dataclass(frozen=True)
class ValueNoise:
    """Noise on the demonstrations' values, every layer's drawn anew (`perturb.value_noise`)."""

    sigma: float
    seed: int
    draw: int

    def __call__(self, loaded: LoadedModel, head: Prefix, cache: PrefillCache) -> Prefix:
        values = [
            value + perturb.value_noise(value, head.owners, self.sigma, self.seed, self.draw, layer)
            for layer, value in enumerate(head.values)
        ]
        return replace(head, values=tuple(values))


@dataclass(frozen=True)
class Negatives:
    """The mean value of disliked titles taken off the demonstrations' values (`perturb.negatives`).

    A disliked title's values are those of its tokens where it stands alone as a purchase after the prefix.
    """

    beta: float
    disliked: tuple[str, ...]
    template: str

    def __call__(self, loaded: LoadedModel, head: Prefix, cache: PrefillCache) -> Prefix:
        values = [
            value + perturb.negatives(value, head.owners, disliked, self.beta)
            for value, disliked in zip(head.values, self._values(loaded, cache), strict=True)
        ]
        return replace(head, values=tuple(values))

    def _values(self, loaded: LoadedModel, cache: PrefillCache) -> tuple[torch.Tensor, ...]:
        """Per layer [1, Hkv, n, d]: of all tokens of all disliked titles."""

        def make() -> tuple[torch.Tensor, ...]:
            prefix = render(self.template, "sum", [], [])[0]
            found = []
            for title in self.disliked:
                written = Segment("query", 0, ("Bought:\n", "-", *title_answer(title)))
                ids = encode(loaded.encoder, [prefix, written]).ids
                own = len(loaded.encoder.joined(title_answer(title)))
                head = prefill(loaded, ids, [-1] * len(ids))
                found.append([value[:, :, -own:] for value in head.values])
            return tuple(torch.cat(layer, dim=2) for layer in zip(*found, strict=True))

        key = (loaded.key, "disliked", self.template, self.disliked)
        return cache.get(key, make, lambda made: sum(t.numel() * t.element_size() for t in made))


@dataclass(frozen=True)
class _At:
    """What an edit is drawn from."""

    seed: int
    draw: int
    disliked: tuple[str, ...]


def _weights(task: Task) -> torch.Tensor:
    return torch.tensor(task.weights or (1.0,) * len(task.demos), dtype=torch.float64)


def _weight_noise(task: Task, amount: float, at: _At) -> Task:
    noisy = perturb.weight_noise(_weights(task), at.draw + 1, amount, at.seed)[at.draw]
    return replace(task, weights=tuple(noisy.tolist()))


def _dropout(task: Task, amount: float, at: _At) -> Task:
    kept = perturb.dropout(_weights(task), at.draw + 1, amount, at.seed)[at.draw]
    return replace(task, weights=tuple(kept.tolist()))


def _ridge(task: Task, amount: float, at: _At) -> Task:
    return replace(task, weights=tuple(perturb.ridge(_weights(task), amount).tolist()))


def _value_noise(task: Task, amount: float, at: _At) -> Task:
    return replace(task, edits=(*task.edits, ValueNoise(amount, at.seed, at.draw)))


def _negatives(task: Task, amount: float, at: _At) -> Task:
    return replace(task, edits=(*task.edits, Negatives(amount, at.disliked, task.template)))


def _typos(task: Task, amount: float, at: _At) -> Task:
    return _retitled(task, lambda title: misspelt(title, amount, at.seed, at.draw))


def _truncation(task: Task, amount: float, at: _At) -> Task:
    return _retitled(task, lambda title: cut_short(title, amount, at.seed, at.draw))


def _retitled(task: Task, change: Callable[[str], str]) -> Task:
    def changed(demo: Example) -> Example:
        return replace(demo, history=tuple(map(change, demo.history)), answer=change(demo.answer))

    return replace(task, demos=tuple(map(changed, task.demos)))


_ACTS: dict[str, Callable[[Task, float, _At], Task]] = {
    "weights": _weight_noise,
    "dropout": _dropout,
    "values": _value_noise,
    "typos": _typos,
    "truncation": _truncation,
    "ridge": _ridge,
    "negatives": _negatives,
}


def draws_of(
    task: Task, edits: Sequence[Edit], seed: int, draws: Sequence[int], disliked: tuple[str, ...] = ()
) -> list[Draw]:
    """The task under the edits, one for each number in `draws`; number 0 is without what chance does.

    disliked: titles that `negatives` takes off; at least one where it is among the edits.
    """
    return [_draw(task, edits, _At(seed, draw, disliked)) for draw in draws]


def _draw(task: Task, edits: Sequence[Edit], at: _At) -> Draw:
    order = tuple(range(len(task.demos)))
    for edit in edits:
        if edit.name == "order":
            order = perturb.orders(len(task.demos), at.draw + 1, at.seed)[at.draw]
        else:
            task = _ACTS[edit.name](task, edit.amount or 0.0, at)
    weights = task.weights
    return Draw(
        replace(
            task,
            demos=tuple(task.demos[b] for b in order),
            weights=None if weights is None else tuple(weights[b] for b in order),
        ),
        order,
    )


def rank_perturbed(
    loaded: LoadedModel,
    task: Task,
    edits: Sequence[Edit],
    seed: int,
    cache: PrefillCache | None = None,
    disliked: tuple[str, ...] = (),
) -> RankResult:
    """The ranking under the edits: mean scores of `DRAWS` draws where chance has a part, else of one.

    text, kept and dropped are those of the first draw, in which nothing is left to chance.
    """
    cache = cache or PrefillCache()
    draws = draws_of(task, edits, seed, range(DRAWS if drawn(edits) else 1), disliked)
    results = [rank_candidates(loaded, draw.task, cache) for draw in draws]
    return averaged(results, task.target)
