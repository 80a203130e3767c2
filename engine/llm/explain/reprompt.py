"""Margins and losses of the prompt written again with only some of its demonstrations: the second truth.

The first, `removal`, leaves every position as it was and later demonstrations as they read; here what comes
after a demonstration that is left out moves up and never saw it. Coalitions form a tree by what they begin
with: each reads its last demonstration behind the keys and values of the one before it, and all that have as
many are read side by side. So all 2^k take one reading of a demonstration and one of query and answers each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.log_probs import Head, Prefix, prefill
from engine.llm.scoring.measures import Reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.packed import Prompt, ending, read
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
        self._query = ids[len(head) :]
        # Whatever the full prompt begins with is there already.
        stops = [len(fitted.encoded.before("demo")), *(span.stop for span in demos)]
        if edits:
            stops = stops[-1:]
        first = len(demos) + 1 - len(stops)
        self._heads = {tuple(range(count)): head.cut(stop) for count, stop in enumerate(stops, first)}
        self._opening = ids[: len(fitted.encoded.before("demo"))]

    @torch.no_grad()
    def costs(self, alpha: Tensor) -> Tensor:
        """[m, 1 or 2] at weightings alpha [m, k]: the reading's cost, then the loss where that is another."""
        members = [tuple(torch.nonzero(row > 0)[:, 0].tolist()) for row in alpha]
        logprobs: dict[int, Tensor] = {}
        for rows, begun in self._rounds(members):
            asked = [self._asked(members[row], alpha[row]) for row in rows]
            places: dict[tuple[int, ...], int] = {}
            for some in begun:
                place = next((n for n, row in enumerate(rows) if members[row] == some), len(asked))
                if place == len(asked):
                    asked.append(self._behind(some, None))
                asked[place] = replace(asked[place], kept=len(self._demos[some[-1]]))
                places[some] = place
            told = read(self._loaded, asked)
            logprobs.update({row: found.logprobs for row, found in zip(rows, told, strict=False)})
            for some, place in places.items():
                prefix = told[place].prefix
                assert prefix is not None
                self._heads[some] = prefix.head()
        return self._reading.costs(torch.stack([logprobs[row] for row in range(len(alpha))]))

    def _rounds(self, members: list[tuple[int, ...]]) -> Iterator[tuple[list[int], list[tuple[int, ...]]]]:
        """What is read side by side: places of coalitions, and what longer ones begin with and is to be kept.

        Edited keys and values cannot be built on: each coalition is read by itself then.
        """
        if self._edits:
            yield list(range(len(members))), []
            return
        for size in range(len(self._demos) + 1):
            begun = {some[:size] for some in members if len(some) > size} - self._heads.keys()
            yield [row for row, some in enumerate(members) if len(some) == size], sorted(begun)

    def value(self, alpha: Tensor) -> Tensor:
        """Costs [m] at weightings alpha [m, k]."""
        return self.costs(alpha)[:, 0]

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Not defined."""
        raise ValueError("a rewritten prompt has no gradient in its demonstrations' weights")

    def _asked(self, members: tuple[int, ...], alpha: Tensor) -> Prompt:
        """The prompt of one coalition with its answers, to be read from the longest beginning known."""
        if self._edits and members not in self._heads:
            self._heads[members] = self._edited(members)
        gate = log_gate(alpha) if bool((alpha[list(members)] != 1).any()) else None
        return ending(self._behind(members, gate), self._query, self._reading.rows)

    def _behind(self, members: tuple[int, ...], gate: Tensor | None) -> Prompt:
        """The same up to the query."""
        known = next(size for size in range(len(members), -1, -1) if members[:size] in self._heads)
        more = [(token, b) for b in members[known:] for token in self._demos[b]]
        line, owners = tuple(token for token, _ in more), tuple(b for _, b in more)
        return Prompt(line, owners, (), self._heads[members[:known]], gate)

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
    gate = None
    if any(weight != 1 for weight in weights):
        gate = log_gate(torch.tensor(list(weights), dtype=torch.float64, device=loaded.device))
    shared = Prompt(ids[same : len(part)], tuple(owners[same : len(part)]), (), base, gate)
    found = read(loaded, [ending(shared, ids[len(part) :], reading.rows)])[0].logprobs
    return reading.costs(found[None])[0]
