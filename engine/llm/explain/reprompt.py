"""Losses of the prompt written again with only some of its demonstrations: the second of two ground truths.

The first, `removal`, leaves every position as it was and later demonstrations as they read; here what comes
after a demonstration that is left out moves up and never saw it. A prompt shares its keys and values with the
longest shorter one that it begins with, so all 2^k take one reading of a demonstration and one of query and
answer each.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.log_probs import (
    Head,
    Prefix,
    Row,
    extend,
    suffix_logprobs,
)
from engine.llm.scoring.modes import Question, combine, loss_rows
from engine.prompts import Fitted


class Reprompts:
    """An Objective (engine/lrgd/objective.py) of rewritten prompts: a demonstration of weight 0 is left out.

    `head`: keys and values of the whole prompt before the query. Keeps those of the coalitions asked about.
    What is written is weighted as in mode `direct`. There is no gradient: a demonstration is there or not.
    """

    def __init__(self, loaded: LoadedModel, fitted: Fitted, head: Prefix, question: Question) -> None:
        self._loaded, self._question = loaded, question
        ids = fitted.encoded.ids
        demos = [span for span in fitted.encoded.spans if span.kind == "demo"]
        self._demos = [ids[span.start : span.stop] for span in demos]
        self._rows = [
            Row((*ids[len(head) :], *row.ids), row.scored) for row in loss_rows(loaded.encoder, question)
        ]
        # Whatever the full prompt begins with is there already.
        stops = [len(fitted.encoded.before("demo")), *(span.stop for span in demos)]
        self._heads = {tuple(range(count)): head.cut(stop) for count, stop in enumerate(stops)}

    def value(self, alpha: Tensor) -> Tensor:
        """Losses [m] (nats) at weightings alpha [m, k]."""
        losses = alpha.new_zeros(len(alpha))
        # Shorter ones first: longer ones begin with them.
        for row in sorted(range(len(alpha)), key=lambda row: int((alpha[row] > 0).sum())):
            losses[row] = self._loss(alpha[row])
        return losses

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Not defined."""
        raise ValueError("a rewritten prompt has no gradient in its demonstrations' weights")

    @torch.no_grad()
    def _loss(self, alpha: Tensor) -> float:
        members = tuple(torch.nonzero(alpha > 0)[:, 0].tolist())
        gate = log_gate(alpha)[None] if bool((alpha[list(members)] != 1).any()) else None
        logprobs = suffix_logprobs(self._loaded, self._head(members), self._rows, gate)
        return float(combine(self._question, logprobs[None])[0])

    def _head(self, members: tuple[int, ...]) -> Head:
        """Keys and values of the prompt with these demonstrations, from the longest beginning known."""
        if members not in self._heads:
            known = next(size for size in range(len(members) - 1, -1, -1) if members[:size] in self._heads)
            more: Sequence[tuple[int, int]] = [
                (token, b) for b in members[known:] for token in self._demos[b]
            ]
            whole = extend(
                self._loaded, self._heads[members[:known]], [t for t, _ in more], [b for _, b in more]
            )
            self._heads[members] = whole.head()
        return self._heads[members]


def reprompt_loss(
    loaded: LoadedModel, fitted: Fitted, question: Question, weights: Sequence[float], full: Prefix
) -> float:
    """Loss of a rewritten prompt, which shares with `full` the tokens up to the first difference."""
    ids, owners = fitted.encoded.ids, fitted.encoded.owners()
    part = fitted.encoded.before("query")
    same = next((i for i, (a, b) in enumerate(zip(part.ids, full.ids, strict=False)) if a != b), len(part))
    same = min(same, len(full))
    base = full.cut(same)
    base = Head(
        base.keys, base.values, torch.tensor(owners[:same], device=loaded.device, dtype=torch.long), base.ids
    )
    if same < len(part):
        base = extend(loaded, base, ids[same : len(part)], owners[same : len(part)]).head()
    rows = [Row((*ids[len(part) :], *row.ids), row.scored) for row in loss_rows(loaded.encoder, question)]
    gate = None
    if weights:
        gate = log_gate(torch.tensor([list(weights)], dtype=torch.float64, device=loaded.device))
    with torch.no_grad():
        logprobs = suffix_logprobs(loaded, base, rows, gate)
    return float(combine(question, logprobs[None])[0])
