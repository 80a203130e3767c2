"""What is measured of a target: its margin (log-share among the candidates) or its loss.

The margin says whether the recommendation got better, the loss how well the model writes the target's title;
they can move apart. The margin takes the answers of all candidates, which stand as branches behind one query
(`log_probs.tree_logprobs`), and the target's loss comes with it from the same passes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.llm.attention.lens import Seen
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Head, Row, suffix_logprobs, tree_logprobs
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import (
    Question,
    candidate_rows,
    candidate_scores,
    combine,
    loss_rows,
    norms_of,
    target_rows,
)

Measure = Literal["margin", "loss"]
SIGNS = {"margin": -1.0, "loss": 1.0}  # a measure's value from its cost, which is lower where it is better


@dataclass(frozen=True)
class Reading:
    """Rows to put behind the query, and what their log-probabilities say.

    rows: of all candidates for the margin, of the target for the loss. norms [C]: what their log-likelihoods
    are compared with.
    """

    question: Question
    measure: Measure
    rows: tuple[Row, ...]
    norms: Tensor | None

    @property
    def columns(self) -> int:
        """How many numbers `costs` gives: the measure's, and the loss where that is another."""
        return 1 if self.measure == "loss" else 2

    def behind(self, ids: Sequence[int]) -> list[Row]:
        """The rows with these tokens before them."""
        return [Row((*ids, *row.ids), row.scored) for row in self.rows]

    def logprobs(
        self,
        loaded: LoadedModel,
        base: Head,
        rows: Sequence[Row],
        log_alpha: Tensor | None,
        owners: Sequence[int] | None = None,
        observe: Callable[[Seen], None] | None = None,
    ) -> Tensor:
        """Log-probabilities [G, R] of `behind`'s rows under gates [G, k], None: one."""
        if self.measure == "margin":
            return tree_logprobs(loaded, base, rows, log_alpha, owners, observe)
        many = 1 if log_alpha is None else len(log_alpha)
        each = [row for _ in range(many) for row in rows]
        gates = [gate for gate in range(many) for _ in rows]
        return suffix_logprobs(loaded, base, each, log_alpha, gates, owners, observe).view(many, -1)

    def costs(self, logprobs: Tensor) -> Tensor:
        """[m, 1 or 2], float64, from log-probabilities [m, R]; lower is better: minus the margin, then the
        loss (nats)."""
        if self.measure == "loss":
            return combine(self.question, logprobs).double()[:, None]
        if logprobs.requires_grad:
            logprobs.register_hook(without_specks)
        scores = candidate_scores(self.question, logprobs.double(), self.norms)
        margin = torch.log_softmax(scores, dim=1)[:, self.question.target]
        loss = combine(self.question, logprobs[:, target_rows(self.question)])
        return torch.stack([-margin, loss.to(margin)], dim=1)


def without_specks(slopes: Tensor) -> Tensor:
    """Slopes [m, R] without those that rounding loses beside the largest of their row: 0 instead.

    A candidate with hardly any share has hardly any slope. Further back it would become denormal numbers,
    which a processor multiplies so slowly that a whole gradient took four times as long.
    """
    size = slopes.abs()
    least = torch.finfo(slopes.dtype).eps / 64
    return slopes.where(size >= least * size.amax(1, keepdim=True), 0.0)


def reading(loaded: LoadedModel, question: Question, measure: Measure, cache: PrefillCache) -> Reading:
    """What is to be asked about the question's target. Raises ValueError without one."""
    if question.target is None:
        raise ValueError("a measure needs a target")
    if measure == "loss":
        return Reading(question, measure, tuple(loss_rows(loaded.encoder, question)), None)
    rows = tuple(candidate_rows(loaded.encoder, question))
    return Reading(question, measure, rows, norms_of(loaded, question, cache))
