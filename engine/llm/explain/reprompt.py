"""Margins and losses of the prompt written again with only some of its demonstrations: the second truth.

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
from engine.llm.scoring.log_probs import Head, Prefix, extend, prefill
from engine.llm.scoring.measures import Reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Edit
from engine.prompts import Fitted


class Reprompts:
    """An Objective (engine/lrgd/objective.py) of rewritten prompts: a demonstration of weight 0 is left out.

    `head`: keys and values of the whole prompt before the query. Keeps those of the coalitions asked about.
    What is written is weighted as in mode `direct`. There is no gradient: a demonstration is there or not.
    Nothing can be built on edited keys and values: with `edits`, every prompt is read from its start.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        fitted: Fitted,
        head: Prefix,
        reading: Reading,
        edits: Sequence[Edit] = (),
        cache: PrefillCache | None = None,
    ) -> None:
        self._loaded, self._reading = loaded, reading
        self._edits, self._cache = edits, cache or PrefillCache()
        ids = fitted.encoded.ids
        demos = [span for span in fitted.encoded.spans if span.kind == "demo"]
        self._demos = [ids[span.start : span.stop] for span in demos]
        self._rows = reading.behind(ids[len(head) :])
        # Whatever the full prompt begins with is there already.
        stops = [len(fitted.encoded.before("demo")), *(span.stop for span in demos)]
        if edits:
            stops = stops[-1:]
        first = len(demos) + 1 - len(stops)
        self._heads = {tuple(range(count)): head.cut(stop) for count, stop in enumerate(stops, first)}
        self._opening = ids[: len(fitted.encoded.before("demo"))]

    def costs(self, alpha: Tensor) -> Tensor:
        """[m, 1 or 2] at weightings alpha [m, k]: the reading's cost, then the loss where that is another."""
        costs = torch.zeros(len(alpha), self._reading.columns, dtype=torch.float64, device=alpha.device)
        # Shorter ones first: longer ones begin with them.
        for row in sorted(range(len(alpha)), key=lambda row: int((alpha[row] > 0).sum())):
            costs[row] = self._cost(alpha[row])
        return costs

    def value(self, alpha: Tensor) -> Tensor:
        """Costs [m] at weightings alpha [m, k]."""
        return self.costs(alpha)[:, 0]

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Not defined."""
        raise ValueError("a rewritten prompt has no gradient in its demonstrations' weights")

    @torch.no_grad()
    def _cost(self, alpha: Tensor) -> Tensor:
        members = tuple(torch.nonzero(alpha > 0)[:, 0].tolist())
        gate = log_gate(alpha)[None] if bool((alpha[list(members)] != 1).any()) else None
        found = self._reading.logprobs(self._loaded, self._head(members), self._rows, gate)
        return self._reading.costs(found)[0]

    @torch.no_grad()
    def _head(self, members: tuple[int, ...]) -> Head:
        """Keys and values of the prompt with these demonstrations, from the longest beginning known."""
        if members not in self._heads and self._edits:
            self._heads[members] = self._edited(members)
        elif members not in self._heads:
            known = next(size for size in range(len(members) - 1, -1, -1) if members[:size] in self._heads)
            more: Sequence[tuple[int, int]] = [
                (token, b) for b in members[known:] for token in self._demos[b]
            ]
            whole = extend(
                self._loaded, self._heads[members[:known]], [t for t, _ in more], [b for _, b in more]
            )
            start = len(whole)
            for size in range(len(members), known, -1):  # shorter ones that it begins with, for others
                self._heads[members[:size]] = whole.cut(start)
                start -= len(self._demos[members[size - 1]])
        return self._heads[members]

    def _edited(self, members: tuple[int, ...]) -> Head:
        tokens = [(token, -1) for token in self._opening]
        tokens += [(token, b) for b in members for token in self._demos[b]]
        if not tokens:
            return Head((), (), torch.zeros(0, dtype=torch.long, device=self._loaded.device), ())
        prefix = prefill(self._loaded, [token for token, _ in tokens], [b for _, b in tokens])
        for edit in self._edits:
            prefix = edit(self._loaded, prefix, self._cache)
        return prefix.head()


def reprompt_costs(
    loaded: LoadedModel, fitted: Fitted, reading: Reading, weights: Sequence[float], full: Prefix
) -> Tensor:
    """Costs [1 or 2] of a rewritten prompt, which shares with `full` what both begin with."""
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
    gate = None
    if weights:
        gate = log_gate(torch.tensor([list(weights)], dtype=torch.float64, device=loaded.device))
    with torch.no_grad():
        found = reading.logprobs(loaded, base, reading.behind(ids[len(part) :]), gate)
    return reading.costs(found)[0]
