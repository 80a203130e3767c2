"""The target's margin or loss as a function of the demonstrations' weights: what effects are taken of.

Demonstrations come first and are causal, so in `direct` mode their keys and values do not depend on the gate:
they are computed once, and many weightings of the suffix (query, ask, answers) run as rows of one batch.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from engine.llm.attention.lens import Seen
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Prefix, Row, elements_per_row, suffix_logprobs
from engine.llm.scoring.measures import Reading
from engine.llm.scoring.memory import in_batches, rows_at_once
from engine.llm.scoring.modes import loss_rows
from engine.prompts import Fitted

Mode = Literal["direct", "total"]


def log_gate(alpha: Tensor) -> Tensor:
    """log alpha; exactly -inf with gradient 0 (not nan) where alpha is 0."""
    on = alpha > 0
    return torch.where(on, torch.log(torch.where(on, alpha, 1.0)), float("-inf"))


class WeightedPrompt:
    """An Objective (engine/lrgd/objective.py): what a reading costs at weightings alpha [m, k].

    mode `direct` gates edges from query and answer to demonstration b; `total` runs again from the first
    demonstration on and gates later demonstrations' edges to b too.
    """

    def __init__(
        self, loaded: LoadedModel, fitted: Fitted, head: Prefix, reading: Reading, mode: Mode = "direct"
    ) -> None:
        start = len(head) if mode == "direct" else len(fitted.encoded.before("demo"))
        ids, owners = fitted.encoded.ids, fitted.encoded.owners()
        self._loaded, self._reading = loaded, reading
        self._base = head.cut(start)
        self._suffix = ids[start:]
        self._rows = reading.behind(self._suffix)
        self._owners = None if mode == "direct" else owners[start:]
        self._kept = len(fitted.kept)
        self.dtype = torch.promote_types(loaded.dtype, torch.float32)

    def costs(self, alpha: Tensor) -> Tensor:
        """[m, 1 or 2] without a graph: the reading's cost, then the loss where that is another (nats)."""
        with torch.no_grad():
            return self._costs(alpha)

    def value(self, alpha: Tensor) -> Tensor:
        """Costs [m] without a graph."""
        return self.costs(alpha)[:, 0]

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Costs [m] and gradients [m, k]; one backward pass per micro-batch of weightings."""
        longest = max(len(row.ids) for row in self._rows)
        own = longest + sum(len(row.ids) for row in self._reading.rows)  # about: the query and all answers
        # A graph keeps every layer's score matrix: fewer rows at once than without one.
        elements = elements_per_row(self._loaded, len(self._base.ids), own, 1) * self._loaded.layers
        size = max(1, rows_at_once(self._loaded.device, elements // 4))

        def work(chosen: Sequence[int]) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                leaf = alpha[list(chosen)].detach().clone().requires_grad_(True)
                costs = self._costs(leaf)[:, 0]
                (slopes,) = torch.autograd.grad(costs.sum(), leaf)
            return costs.detach(), slopes

        parts = in_batches(range(len(alpha)), size, work, "the effects of the demonstrations")
        return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    @torch.no_grad()
    def attention_mass(self, weights: Tensor) -> Tensor:
        """lam_b [k] at the positions that predict the answer, averaged over layers, heads and rows."""
        if not self._kept:
            return weights.new_zeros(0)
        places = torch.tensor(self._prompt_owners(), device=weights.device)
        table = torch.nn.functional.one_hot(places + 1, self._kept + 1)[:, 1:].to(weights.dtype)
        return self.attention(weights).mean((0, 1)) @ table

    @torch.no_grad()
    def attention(self, weights: Tensor) -> Tensor:
        """[layers, H, n]: attention on each token of the prompt, averaged over the positions that predict the
        answer and over rows."""
        length = len(self._base.ids) + len(self._suffix)
        rows: list[Tensor] = []
        for answer in loss_rows(self._loaded.encoder, self._reading.question):
            row = Row((*self._suffix, *answer.ids), answer.scored)
            layers: dict[int, Tensor] = {}

            def note(seen: Seen, scored: int = row.scored, layers: dict[int, Tensor] = layers) -> None:
                if seen.weights is not None:
                    layers[seen.layer] = seen.weights[0, :, -scored:, :length].to(weights.dtype).mean(1)

            gate = log_gate(weights)[None] if self._kept else None
            suffix_logprobs(self._loaded, self._base, [row], gate, owners=self._owners, observe=note)
            rows.append(torch.stack([layers[at] for at in sorted(layers)]))
        return torch.stack(rows).mean(0)

    def watched(self, alpha: Tensor, observe: Callable[[Seen], None]) -> Tensor:
        """`costs` with a graph, where one is wanted; `observe` sees each layer while they are computed."""
        return self._costs(alpha, observe)

    def _prompt_owners(self) -> list[int]:
        """Demonstration of each token of the prompt, or -1."""
        return [*self._base.owners.tolist(), *(self._owners or [-1] * len(self._suffix))]

    def _costs(self, alpha: Tensor, observe: Callable[[Seen], None] | None = None) -> Tensor:
        gate = log_gate(alpha) if self._kept else None  # without demonstrations every weighting is the same
        found = self._reading.logprobs(self._loaded, self._base, self._rows, gate, self._owners, observe)
        return self._reading.costs(found).expand(len(alpha), -1)
