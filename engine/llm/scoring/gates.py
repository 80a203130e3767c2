"""The target's loss as a function of the demonstrations' weights, for engine/lrgd to take effects of.

Demonstrations come first and are causal, so in `direct` mode their keys and values do not depend on the gate:
they are computed once, and many weightings of the suffix (query, ask, answer) run as rows of one batch.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from engine.llm.attention.lens import Seen
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import (
    Prefix,
    Row,
    elements_per_row,
    suffix_logprobs,
)
from engine.llm.scoring.memory import in_batches, rows_at_once
from engine.llm.scoring.modes import Question, combine, loss_rows
from engine.prompts import Fitted

Mode = Literal["direct", "total"]


def log_gate(alpha: Tensor) -> Tensor:
    """log alpha; exactly -inf with gradient 0 (not nan) where alpha is 0."""
    on = alpha > 0
    return torch.where(on, torch.log(torch.where(on, alpha, 1.0)), float("-inf"))


class DemonstrationLoss:
    """An Objective (engine/lrgd/effects.py): weightings alpha [m, k] -> losses [m] in nats.

    mode `direct` gates edges from query and answer to demonstration b; `total` runs again from the first
    demonstration on and gates later demonstrations' edges to b too.
    """

    def __init__(
        self, loaded: LoadedModel, fitted: Fitted, head: Prefix, question: Question, mode: Mode = "direct"
    ) -> None:
        start = len(head) if mode == "direct" else len(fitted.encoded.before("demo"))
        ids, owners = fitted.encoded.ids, fitted.encoded.owners()
        self._loaded, self._question = loaded, question
        self._base = head.cut(start)
        self._rows = [
            Row((*ids[start:], *row.ids), row.scored) for row in loss_rows(loaded.encoder, question)
        ]
        self._owners = None if mode == "direct" else owners[start:]
        self._kept = len(fitted.kept)
        self.dtype = torch.promote_types(loaded.dtype, torch.float32)

    def value(self, alpha: Tensor) -> Tensor:
        """Losses [m] without a graph."""
        with torch.no_grad():
            return self._losses(alpha)

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Losses [m] and gradients [m, k]; one backward pass per micro-batch of weightings."""
        longest = max(len(row.ids) for row in self._rows)
        # A graph keeps every layer's score matrix: fewer rows at once than without one.
        elements = elements_per_row(self._loaded, len(self._base.ids), longest, 1) * self._loaded.layers
        size = max(1, rows_at_once(self._loaded.device, elements // 4) // len(self._rows))

        def work(chosen: Sequence[int]) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                leaf = alpha[list(chosen)].detach().clone().requires_grad_(True)
                losses = self._losses(leaf)
                (slopes,) = torch.autograd.grad(losses.sum(), leaf)
            return losses.detach(), slopes

        parts = in_batches(range(len(alpha)), size, work, "the effects of the demonstrations")
        return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    @torch.no_grad()
    def attention_mass(self, weights: Tensor) -> Tensor:
        """lam_b [k] at the positions that predict the answer, averaged over layers, heads and rows."""
        if not self._kept:
            return weights.new_zeros(0)
        totals: list[Tensor] = []
        for row in self._rows:
            owners = self._base.owners.tolist()
            own = list(self._owners or []) + [-1] * (len(row.ids) - 1 - len(self._owners or []))
            place = torch.tensor(owners + own, device=weights.device)
            table = torch.nn.functional.one_hot(place + 1, self._kept + 1)[:, 1:].to(weights.dtype)

            def note(seen: Seen, scored: int = row.scored, table: Tensor = table) -> None:
                if seen.weights is not None:
                    mass = seen.weights[:, :, -scored:].to(table.dtype) @ table  # [1, H, scored, k]
                    totals.append(mass.mean((0, 1, 2)))

            gate = log_gate(weights)[None]
            suffix_logprobs(self._loaded, self._base, [row], gate, owners=self._owners, observe=note)
        return torch.stack(totals).mean(0)

    def _losses(self, alpha: Tensor) -> Tensor:
        many = len(alpha)
        rows = [row for _ in range(many) for row in self._rows]
        gates = [m for m in range(many) for _ in self._rows]
        gate = log_gate(alpha) if self._kept else None
        logprobs = suffix_logprobs(self._loaded, self._base, rows, gate, gates, self._owners)
        return combine(self._question, logprobs.view(many, -1))
