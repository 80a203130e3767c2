"""What a weighted set of demonstrations costs the probes: the loss that both stages bring down.

Boundary: titles and a loaded model in, losses in nats out. The loss of a probe is that of a run's target: the
negative log-likelihood of its title, or of the right answer under yes_no and listwise scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.log_probs import (
    Head,
    Prefix,
    Row,
    extend,
    prefill,
    suffix_logprobs,
)
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import (
    Question,
    combine,
    cyclic_orders,
    loss_rows,
)
from engine.llm.scoring.ranking import Edit
from engine.prompts import Example, encode, render
from engine.prompts.encode import Encoded


@dataclass(frozen=True)
class Trial:
    """A probe in titles: its history, oldest first, and candidates, the right one first."""

    history: tuple[str, ...]
    candidates: tuple[str, ...]


class ProbeLoss:
    """Losses of P trials under demonstrations and weightings of them.

    Keys and values of demonstrations are computed once per set; a set that only adds one at the end to a set
    seen before computes that one.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        template: str,
        scoring: str,
        trials: Sequence[Trial],
        cache: PrefillCache | None = None,
    ) -> None:
        self._loaded, self._template, self._scoring = loaded, template, scoring
        self._cache = cache or PrefillCache()
        self._questions = [self._question(trial) for trial in trials]
        self._rows = [
            [Row((*self._query(trial), *row.ids), row.scored) for row in loss_rows(loaded.encoder, question)]
            for trial, question in zip(trials, self._questions, strict=True)
        ]

    def fits(self, demos: Sequence[Example]) -> bool:
        """Whether every trial has room after these demonstrations."""
        longest = max(len(row.ids) for rows in self._rows for row in rows)
        return len(self._before(demos).ids) + longest <= self._loaded.context_length

    def losses(
        self,
        demos: Sequence[Example],
        alpha: Tensor | None = None,
        hidden: Tensor | None = None,
        edits: Sequence[Edit] = (),
    ) -> Tensor:
        """Losses [m, P] (nats, float64, on the CPU) at weightings alpha [m, k]; None: one, all at 1.

        hidden [P, k]: which demonstrations a trial must not see, as they would give it away. edits: what is
        done to the keys and values of prefix and demonstrations before a trial looks at them.
        Raises ModelError where a prompt is too long, OutOfMemory.
        """
        if alpha is None:
            alpha = torch.ones(1, len(demos), dtype=torch.float64)
        with torch.no_grad():
            return self._losses(self._head(demos, edits), alpha, hidden).double().cpu()

    def gradient(
        self, demos: Sequence[Example], alpha: Tensor, hidden: Tensor, share: Tensor
    ) -> tuple[float, Tensor]:
        """Loss summed over trials by their `share` [P], and its gradient [k] at weights alpha [k]."""
        leaf = alpha.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            losses = self._losses(self._head(demos), leaf[None], hidden)[0]
            loss = (losses * share.to(losses)).sum()
            (slope,) = torch.autograd.grad(loss, leaf)
        return float(loss.detach()), slope

    def _losses(self, head: Head, alpha: Tensor, hidden: Tensor | None) -> Tensor:
        """Losses [m, P], differentiable in alpha [m, k]."""
        many, count = len(alpha), len(self._rows)
        gate = None
        if alpha.shape[1]:
            gate = log_gate(alpha)[:, None].expand(-1, count, -1)  # [m, P, k]
            if hidden is not None:
                gate = torch.where(hidden[None], float("-inf"), gate)
            gate = gate.reshape(many * count, -1).to(self._loaded.device)
        cells = [(m * count + p, row) for m in range(many) for p in range(count) for row in self._rows[p]]
        which = None if gate is None else [cell for cell, _ in cells]
        logprobs = suffix_logprobs(self._loaded, head, [row for _, row in cells], gate, which)
        parts = logprobs.split([len(self._rows[p]) for _ in range(many) for p in range(count)])
        losses = [combine(self._questions[n % count], part[None])[0] for n, part in enumerate(parts)]
        return torch.stack(losses).view(many, count)

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
