"""Losses of the prompt written again with only some of its demonstrations: the second of two ground truths.

The first, `removal`, leaves every position as it was; here what comes after a demonstration that is left out
moves up. A prompt shares its keys and values with the longest shorter one that it begins with, so all 2^k
take one reading of a demonstration and one of query and answer each.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.llm.load import LoadedModel
from engine.llm.question import Question, combine, loss_rows
from engine.llm.score import Head, Prefix, Row, extend, suffix_logprobs
from engine.prompts import Fitted


class Reprompts:
    """Losses (nats) of the prompts with some demonstrations; each coalition's is computed once.

    `head`: keys and values of the whole prompt before the query. Keeps those of the coalitions asked about.
    """

    def __init__(self, loaded: LoadedModel, fitted: Fitted, head: Prefix, question: Question) -> None:
        self._loaded, self._question, self._full = loaded, question, head
        ids = fitted.encoded.ids
        demos = [span for span in fitted.encoded.spans if span.kind == "demo"]
        self._demos = [ids[span.start : span.stop] for span in demos]
        self._rows = [
            Row((*ids[len(head) :], *row.ids), row.scored) for row in loss_rows(loaded.encoder, question)
        ]
        # Whatever the full prompt begins with is there already.
        stops = [len(fitted.encoded.before("demo")), *(span.stop for span in demos)]
        self._heads = {tuple(range(count)): self._plain(head.cut(stop)) for count, stop in enumerate(stops)}
        self._losses: dict[tuple[int, ...], float] = {}

    def __call__(self, coalitions: Sequence[Sequence[int]]) -> list[float]:
        """The loss with each of these coalitions (numbers of demonstrations in prompt order)."""
        for members in sorted({tuple(one) for one in coalitions}, key=lambda one: (len(one), one)):
            if members not in self._losses:
                self._losses[members] = self._loss(members)
        return [self._losses[tuple(one)] for one in coalitions]

    def all(self) -> Tensor:
        """Losses [2^k], float64: bit b of the place says whether demonstration b is there."""
        k = len(self._demos)
        found = self([[b for b in range(k) if place >> b & 1] for place in range(2**k)])
        return torch.tensor(found, dtype=torch.float64)

    @torch.no_grad()
    def _loss(self, members: tuple[int, ...]) -> float:
        logprobs = suffix_logprobs(self._loaded, self._head(members), self._rows)
        return float(combine(self._question, logprobs[None])[0])

    def _head(self, members: tuple[int, ...]) -> Head:
        """Keys and values of the prompt with these demonstrations, from the longest beginning known."""
        if members not in self._heads:
            known = next(size for size in range(len(members) - 1, -1, -1) if members[:size] in self._heads)
            ids = [token for b in members[known:] for token in self._demos[b]]
            whole = extend(self._loaded, self._heads[members[:known]], ids, [-1] * len(ids))
            self._heads[members] = whole.head()
        return self._heads[members]

    @staticmethod
    def _plain(head: Head) -> Head:
        """Without owners: nothing is gated here."""
        return Head(head.keys, head.values, torch.full_like(head.owners, -1), head.ids)
