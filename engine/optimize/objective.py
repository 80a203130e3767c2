"""What a weighted set of demonstrations costs the probes: what both stages bring down.

Boundary: titles and a loaded model in, costs out, lower is better: minus the probe's margin (the log of its
share among its candidates), or the loss of its title (nats), as a run's target has them. Prompts are really
written: what a probe must not see does not stand in its prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.log_probs import Head, Prefix, extend, prefill
from engine.llm.scoring.measures import Measure, reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import Question
from engine.llm.scoring.ranking import Edit
from engine.prompts import Example, Template, encode, render
from engine.prompts.encode import Encoded
from engine.prompts.orders import cyclic_orders


@dataclass(frozen=True)
class Trial:
    """A probe in titles: its history, oldest first, and candidates, the right one first."""

    history: tuple[str, ...]
    candidates: tuple[str, ...]


class ProbeCosts:
    """Costs of P trials under demonstrations and weightings of them.

    Keys and values of demonstrations are computed once per set; a set that only adds one at the end to a set
    seen before computes that one.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        template: Template,
        scoring: str,
        trials: Sequence[Trial],
        measure: Measure = "margin",
        cache: PrefillCache | None = None,
    ) -> None:
        self._loaded, self._template, self._scoring = loaded, template, scoring
        self._cache = cache or PrefillCache()
        self._readings = [reading(loaded, self._question(trial), measure, self._cache) for trial in trials]
        self._rows = [
            ask.behind(self._query(trial)) for trial, ask in zip(trials, self._readings, strict=True)
        ]

    def fits(self, demos: Sequence[Example]) -> bool:
        """Whether every trial has room after these demonstrations."""
        longest = max(len(row.ids) for rows in self._rows for row in rows)
        return len(self._before(demos).ids) + longest <= self._loaded.context_length

    def costs(
        self,
        demos: Sequence[Example],
        alpha: Tensor | None = None,
        hidden: Tensor | None = None,
        edits: Sequence[Edit] = (),
    ) -> Tensor:
        """Costs [m, P] (float64, on the CPU) at weightings alpha [m, k]; None: one, all at 1.

        hidden [P, k]: which demonstrations a trial must not see, as they would give it away: its prompt is
        written without them. edits: what is done to the keys and values of prefix and demonstrations before a
        trial looks at them. Raises ModelError where a prompt is too long, OutOfMemory.
        """
        if alpha is None:
            alpha = torch.ones(1, len(demos), dtype=torch.float64)
        with torch.no_grad():
            return self._costs(demos, alpha, hidden, edits).cpu()

    def gradient(
        self, demos: Sequence[Example], alpha: Tensor, hidden: Tensor, share: Tensor
    ) -> tuple[float, Tensor]:
        """Cost summed over trials by their `share` [P], and its gradient [k] at weights alpha [k]."""
        leaf = alpha.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            costs = self._costs(demos, leaf[None], hidden, ())[0]
            cost = (costs * share.to(costs)).sum()
            if not cost.requires_grad:  # nobody sees any of them
                return float(cost), torch.zeros_like(alpha)
            (slope,) = torch.autograd.grad(cost, leaf)
        return float(cost.detach()), slope

    def _costs(
        self, demos: Sequence[Example], alpha: Tensor, hidden: Tensor | None, edits: Sequence[Edit]
    ) -> Tensor:
        """Costs [m, P], differentiable in alpha [m, k]."""
        columns: dict[int, Tensor] = {}
        for shown, places in _alike(hidden, len(demos), len(self._rows)):
            head = self._head([demos[b] for b in shown], edits)
            gate = log_gate(alpha[:, shown]).to(self._loaded.device) if shown else None
            for place in places:
                ask = self._readings[place]
                found = ask.costs(ask.logprobs(self._loaded, head, self._rows[place], gate))[:, 0]
                columns[place] = found.expand(len(alpha))
        return torch.stack([columns[place] for place in range(len(self._rows))], dim=1)

    def _question(self, trial: Trial) -> Question:
        listwise = self._scoring == "listwise"
        orders = cyclic_orders(len(trial.candidates), 0) if listwise else ()
        return Question(self._template, self._scoring, trial.candidates, 0, True, orders)

    def _query(self, trial: Trial) -> tuple[int, ...]:
        encoded = encode(self._loaded.encoder, render(self._template, self._scoring, [], trial.history))
        return encoded.ids[len(encoded.before("query")) :]

    def _before(self, demos: Sequence[Example]) -> Encoded:
        """Prefix and demonstrations; what the query is plays no part."""
        encoded = encode(self._loaded.encoder, render(self._template, self._scoring, demos, ["-"]))
        return encoded.before("query")

    def _head(self, demos: Sequence[Example], edits: Sequence[Edit] = ()) -> Head:
        """Keys and values of prefix and demonstrations; edited ones are not kept."""
        part = self._before(demos)

        def computed() -> Prefix:
            shorter = self._before(demos[:-1]) if demos else part
            if demos and self._key(shorter) in self._cache:
                size = len(shorter.ids)
                return extend(self._loaded, self._head(demos[:-1]), part.ids[size:], part.owners()[size:])
            return prefill(self._loaded, part.ids, part.owners())

        prefix = self._cache.get(self._key(part), computed, lambda prefix: prefix.nbytes)
        for edit in edits:
            prefix = edit(self._loaded, prefix, self._cache)
        return prefix.head()

    def _key(self, part: Encoded) -> tuple[object, ...]:
        return (self._loaded.key, "prefill", part.ids, tuple(part.owners()))


def _alike(hidden: Tensor | None, count: int, trials: int) -> Iterator[tuple[list[int], list[int]]]:
    """Which demonstrations are shown, and to which trials: those that see the same ones together."""
    rows = [[False] * count] * trials if hidden is None else hidden.tolist()
    for row in dict.fromkeys(map(tuple, rows)):
        yield (
            [b for b, hides in enumerate(row) if not hides],
            [place for place, other in enumerate(rows) if tuple(other) == row],
        )
