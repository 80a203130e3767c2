"""What one more demonstration would do to a prompt's target, for every demonstration of a pool.

It goes last, next to the query, behind those that are in the prompt already: where a person adds it. Two
ways, which `dualens bench pool` measures against prompts that are written and run one by one:

- `added`: the prompt with each of them. Opening and demonstrations that are there are read once, those of
  the pool behind them in batches, and query and answers behind each. Equal to the prompt written with it.
- `slopes`: all of the pool side by side at the place of the added one, each with a small weight, and the
  slope of the target's margin in each weight by one backward pass. Several times cheaper, and an estimate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from db.errors import BadInput
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.log_probs import Head, Row, continuations, prefill
from engine.llm.scoring.measures import SIGNS, Measure, reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, kept_weights, prepare
from engine.progress import plan
from engine.prompts import Example, fit

_AT_ONCE = 16  # demonstrations whose keys and values are computed in one go


@dataclass(frozen=True)
class Added:
    """value: the measure without any of the pool (margin, or loss in nats). effects: what each adds to the
    margin or takes off the loss, above 0 where it helps; None where the context has no room for it."""

    value: float
    effects: list[float | None]


def added(
    loaded: LoadedModel,
    task: Task,
    pool: Sequence[Example],
    measure: Measure = "margin",
    cache: PrefillCache | None = None,
) -> Added:
    """The effect of adding each demonstration of `pool`, alone and at weight 1, to the task's prompt.

    Where one has room only in place of history or of other demonstrations, the prompt without those is
    measured, as it would be run. Raises BadInput without a target and under edits, ModelError, OutOfMemory.
    """
    prompts = _Prompts(loaded, task, pool, measure, cache or PrefillCache())
    prompts.planned()
    bare = prompts.bare()
    costs: dict[int, float] = {}
    for start in range(0, len(prompts.whole), _AT_ONCE):
        part = prompts.whole[start : start + _AT_ONCE]
        for i, own in zip(part, prompts.heads(part), strict=True):
            costs[i] = prompts.behind(own)
    for i in set(prompts.fitting) - costs.keys():
        costs[i] = prompts.rewritten(i)
    effects = [bare - costs[i] if i in costs else None for i in range(len(pool))]
    return Added(SIGNS[measure] * bare, effects)


def slopes(
    loaded: LoadedModel,
    task: Task,
    pool: Sequence[Example],
    measure: Measure = "margin",
    cache: PrefillCache | None = None,
) -> list[float | None]:
    """The slope of the margin (of the loss: downward) in the weight of each demonstration of `pool`, all of
    them shown at a weight of one part of the pool. None where one has no room without shortening the prompt.

    Not for models whose sliding window is shorter than the pool. Raises what `added` raises.
    """
    prompts = _Prompts(loaded, task, pool, measure, cache or PrefillCache())
    many = len(prompts.whole)
    if not many:
        return [None] * len(pool)
    cost = side_by_side(prompts)
    with torch.enable_grad():
        leaf = torch.full((many,), 1 / many, dtype=prompts.dtype, device=loaded.device, requires_grad=True)
        (found,) = torch.autograd.grad(cost(leaf), leaf)
    by_place = dict(zip(prompts.whole, (-found).tolist(), strict=True))
    return [by_place.get(i) for i in range(len(pool))]


def side_by_side(prompts: "_Prompts") -> Callable[[Tensor], Tensor]:
    """The cost of the prompt that shows the whole pool in one place, as a function of its weights [k]."""
    packed = joined(prompts.head, prompts.heads(prompts.whole))
    fixed = torch.tensor(prompts.weights, dtype=prompts.dtype, device=prompts.loaded.device)

    def cost(weights: Tensor) -> Tensor:
        gate = log_gate(torch.cat([fixed, weights]))[None]
        found = prompts.reading.logprobs(prompts.loaded, packed, prompts.rows, gate)
        return prompts.reading.costs(found)[0, 0]

    return cost


class _Prompts:
    """The task's prompt, and the same with each of the pool behind its demonstrations.

    fitting: places in the pool of those that have room; whole: of those beside which nothing else had to go.
    head: keys and values of what stands before the added one; may be empty. rows: query and answers.
    """

    def __init__(
        self, loaded: LoadedModel, task: Task, pool: Sequence[Example], measure: Measure, cache: PrefillCache
    ) -> None:
        if task.target is None:
            raise BadInput("Effects of a pool need a target: say which candidate is the right one.")
        if task.edits:
            raise BadInput("Effects of a pool are those of plain prompts: leave perturb and forward out.")
        self.loaded, self._task, self._cache = loaded, task, cache
        self.dtype = torch.promote_types(loaded.dtype, torch.float32)
        question, self._bare, _, room = prepare(loaded, task)
        self.reading = reading(loaded, question, measure, cache)
        self.weights = kept_weights(task, self._bare)
        last, demos = len(task.demos), list(task.demos)
        self._grown = [
            fit(loaded.encoder, task.template, task.scoring, [*demos, demo], task.history, room, task.hint)
            for demo in pool
        ]
        self.fitting = [i for i, prompt in enumerate(self._grown) if last in prompt.kept]
        alike = ((*self._bare.kept, last), self._bare.history)
        # Like lengths together: little is padded then.
        self.whole = sorted(
            (i for i in self.fitting if (self._grown[i].kept, self._grown[i].history) == alike),
            key=lambda i: len(self._grown[i].encoded),
        )

    def planned(self) -> None:
        """Say how many tokens are about to be computed."""
        answers = sum(len(row.ids) for row in self.reading.rows)
        before = len(self._bare.encoded.before("query"))
        bare = len(self._bare.encoded) + answers
        each = [len(self._grown[i].encoded) - before + answers for i in self.fitting]
        plan(self.loaded.layers * (bare + sum(each)))

    def bare(self) -> float:
        """The cost of the task's own prompt."""
        shown = self._bare.encoded
        start = len(shown.before("query"))
        head = self._read(shown.ids[:start], shown.owners()[:start])
        return self._cost(head, self.reading.behind(shown.ids[start:]), self.weights)

    def behind(self, own: Head) -> float:
        """The cost of the prompt with one more, whose keys and values these are."""
        return self._cost(joined(self.head, [own]), self.rows, [*self.weights, 1.0])

    def rewritten(self, place: int) -> float:
        """The cost of the prompt with this one, which shows less of the rest."""
        prompt = self._grown[place]
        given = [*(self._task.weights or [1.0] * len(self._task.demos)), 1.0]
        ids, start = prompt.encoded.ids, len(prompt.encoded.before("query"))
        head = self._read(ids[:start], prompt.encoded.owners()[:start])
        rows = self.reading.behind(ids[start:])
        return self._cost(head, rows, [float(given[b]) for b in prompt.kept])

    def heads(self, places: Sequence[int]) -> list[Head]:
        """Keys and values of these of the pool behind the head, from the cache or in one go."""
        head = self.head
        rows = [self._grown[i].encoded.before("query").ids[len(head.ids) :] for i in places]
        return self._cache.get_all(
            [(self.loaded.key, "per_demo", head.ids, ids) for ids in rows],
            lambda missing: continuations(self.loaded, head, [key[-1] for key in missing]),  # type: ignore[index]
            lambda own: own.nbytes,
        )

    @cached_property
    def head(self) -> Head:  # not that of `bare`: an opening may be written only where demonstrations follow
        shown = self._grown[self.whole[0]].encoded
        start = max(span.start for span in shown.spans if span.kind == "demo")
        return self._read(shown.ids[:start], shown.owners()[:start])

    @cached_property
    def rows(self) -> list[Row]:
        shown = self._grown[self.whole[0]].encoded
        return self.reading.behind(shown.ids[len(shown.before("query")) :])

    def _read(self, ids: tuple[int, ...], owners: Sequence[int]) -> Head:
        if not ids:
            return Head((), (), torch.zeros(0, dtype=torch.long, device=self.loaded.device), ())
        key = (self.loaded.key, "prefill", ids, tuple(owners))
        made = self._cache.get(key, lambda: prefill(self.loaded, ids, owners), lambda prefix: prefix.nbytes)
        return made.head()

    @torch.no_grad()
    def _cost(self, base: Head, rows: Sequence[Row], weights: Sequence[float]) -> float:
        gate = None
        if any(weight != 1 for weight in weights):
            gate = log_gate(torch.tensor([list(weights)], dtype=torch.float64, device=self.loaded.device))
        found = self.reading.logprobs(self.loaded, base, rows, gate)
        return float(self.reading.costs(found)[0, 0])


def joined(head: Head, own: Sequence[Head]) -> Head:
    """Keys and values of these demonstrations behind the head, each as one more demonstration of it.

    Of several, all stand where one would; what follows stands behind the longest of them.
    """
    shown = [head, *own] if head.ids else list(own)
    first = int(head.owners.max()) + 1 if head.ids else 0
    marks = [torch.full_like(each.owners, first + b) for b, each in enumerate(own)]
    longest = max(own, key=lambda each: len(each.ids))
    return Head(
        tuple(torch.cat(layer, dim=2) for layer in zip(*(each.keys for each in shown), strict=True)),
        tuple(torch.cat(layer, dim=2) for layer in zip(*(each.values for each in shown), strict=True)),
        torch.cat([head.owners, *marks]),
        (*head.ids, *longest.ids),  # as long as what follows is far from the start
    )
