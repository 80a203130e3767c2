"""What a weighted set of demonstrations costs the probes: the loss that both stages bring down.

Boundary: titles and a loaded model in, losses in nats out. The loss of a probe is minus the log of the right
title's share among a few candidates, by the scores that rank (`margin` of engine/llm/measure.py), so that
what is optimized is what a ranking shows; under yes_no and listwise scoring it is the right answer's loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.llm.gates import log_gate
from engine.llm.load import LoadedModel
from engine.llm.memory import PrefillCache
from engine.llm.question import Question, combine, cyclic_orders, loss_rows, prior
from engine.llm.score import (
    Head,
    Row,
    continuations,
    extend,
    prefill,
    side_by_side,
    suffix_logprobs,
    windowed,
)
from engine.prompts import Example, encode, render
from engine.prompts.segments import title_answer

_SIDE_BY_SIDE = 16  # queries whose keys stand in one pass; each row sees only its own
LEARN_AMONG = 3  # candidates whose scores a gradient goes through


@dataclass(frozen=True)
class Trial:
    """A probe in titles: its history, oldest first, and a few candidates, the right one first."""

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
        self.trials = tuple(trials)
        self._loaded, self._template, self._scoring = loaded, template, scoring
        self._cache = cache or PrefillCache()
        self._titles = scoring in ("sum", "mean", "calibrated")
        self._queries = [self._query(trial) for trial in self.trials]
        self._offsets = [self._offset(trial) for trial in self.trials] if self._titles else []
        self._rows = [] if self._titles else [loss_rows(loaded.encoder, q) for q in self._questions()]

    def fits(self, demos: Sequence[Example]) -> bool:
        """Whether every trial has room after these demonstrations."""
        longest = max(len(query) + self._tail(p) for p, query in enumerate(self._queries))
        return len(self._before(demos).ids) + longest <= self._loaded.context_length

    def losses(
        self, demos: Sequence[Example], alpha: Tensor | None = None, hidden: Tensor | None = None
    ) -> Tensor:
        """Losses [m, P] (nats, float64, on the CPU) at weightings alpha [m, k]; None: one, all at 1.

        hidden [P, k]: which demonstrations a trial must not see, as they would give it away.
        Raises ModelError where a prompt is too long, OutOfMemory.
        """
        head = self._head(demos)
        gates = self._gates(len(demos), alpha, hidden)
        many = 1 if gates is None else len(gates)
        with torch.no_grad():
            if self._titles:
                found = self._shares(self._title_logprobs(head, gates, many))
            else:
                found = self._asked(head, gates, many)
        return found.double().cpu()

    def gradient(
        self, demos: Sequence[Example], alpha: Tensor, hidden: Tensor, share: Tensor
    ) -> tuple[float, Tensor]:
        """Loss summed over trials by their `share` [P], and its gradient [k] at weights alpha [k].

        Titles are compared among the first `LEARN_AMONG` candidates only: a gradient needs every row's graph.
        """
        head = self._head(demos)
        total, slope = 0.0, torch.zeros_like(alpha)
        for p in range(len(self.trials)):
            leaf = alpha.detach().clone().requires_grad_(True)
            gate = torch.where(hidden[p], float("-inf"), log_gate(leaf))[None]
            with torch.enable_grad():
                loss = self._one(head, gate.to(self._loaded.device), p)
                (own,) = torch.autograd.grad(loss, leaf)
            total += float(share[p]) * float(loss.detach())
            slope = slope + share[p] * own
        return total, slope

    def _one(self, head: Head, gate: Tensor, p: int) -> Tensor:
        """One trial's loss with a graph."""
        query = self._queries[p]
        if not self._titles:
            rows = [Row((*query, *row.ids), row.scored) for row in self._rows[p]]
            return combine(self._questions()[p], suffix_logprobs(self._loaded, head, rows, gate)[None])[0]
        answers = self._answers(p)[:LEARN_AMONG]
        rows = [Row((*query, *answer), len(answer)) for answer in answers]
        scores = self._scored(suffix_logprobs(self._loaded, head, rows, gate)[None], p)
        return -torch.log_softmax(scores, dim=1)[0, 0]

    def _gates(self, count: int, alpha: Tensor | None, hidden: Tensor | None) -> Tensor | None:
        """Gates [m, P, k], or None where every demonstration is plain for every trial."""
        if not count or (alpha is None and (hidden is None or not bool(hidden.any()))):
            return None
        weights = torch.ones(1, count, dtype=torch.float64) if alpha is None else alpha.double()
        gates = log_gate(weights)[:, None].expand(-1, len(self.trials), -1)
        if hidden is not None:
            gates = torch.where(hidden[None], float("-inf"), gates)
        return gates.to(self._loaded.device)

    def _title_logprobs(self, head: Head, gates: Tensor | None, many: int) -> list[list[Tensor]]:
        """Log-probabilities [C] of every candidate, per weighting and trial.

        Two passes: all queries over the demonstrations, then all answers over all queries side by side.
        """
        cells = [(m, p) for m in range(many) for p in range(len(self.trials))]
        gate = None if gates is None else gates.reshape(len(cells), -1)
        shown = [self._queries[p][:-1] for _, p in cells]
        blocks = continuations(self._loaded, head, shown, gate, range(len(cells)))
        step = 1 if windowed(self._loaded) else _SIDE_BY_SIDE
        found: list[list[Tensor]] = [[] for _ in range(many)]
        for start in range(0, len(cells), step):
            part = cells[start : start + step]
            inner = None if gate is None else gate[start : start + step]
            logprobs = self._after(head, blocks[start : start + step], [p for _, p in part], inner)
            for (m, _), values in zip(part, logprobs, strict=True):
                found[m].append(values)
        return found

    def _after(
        self, head: Head, blocks: Sequence[Head], places: Sequence[int], inner: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Log-probabilities [C] of each block's candidates; a row sees one block and its gated demos."""
        count = len(blocks)
        kept = 1 + max(head.owners.tolist(), default=-1)
        gates = torch.full((count, kept + count), float("-inf"), dtype=torch.float64)
        gates[:, :kept] = 0.0 if inner is None else inner.cpu()
        gates[:, kept:].fill_diagonal_(0.0)
        rows, which, starts, sizes = [], [], [], []
        for b, p in enumerate(places):
            answers = self._answers(p)
            rows += [Row((self._queries[p][-1], *answer), len(answer)) for answer in answers]
            which += [b] * len(answers)
            starts += [len(head.ids) + len(blocks[b].ids)] * len(answers)
            sizes.append(len(answers))
        base = side_by_side(head, blocks)
        logprobs = suffix_logprobs(
            self._loaded, base, rows, gates.to(self._loaded.device), which, starts=starts
        )
        return logprobs.split(sizes)

    def _shares(self, logprobs: Sequence[Sequence[Tensor]]) -> Tensor:
        """Losses [m, P] from log-probabilities [C] per weighting and trial."""
        return torch.stack(
            [
                torch.stack(
                    [
                        -torch.log_softmax(self._scored(found[None], p), dim=1)[0, 0]
                        for p, found in enumerate(each)
                    ]
                )
                for each in logprobs
            ]
        )

    def _scored(self, logprobs: Tensor, p: int) -> Tensor:
        """Scores [1, C'] of the first candidates as the scoring mode counts them."""
        factor, offset = self._offsets[p]
        size = logprobs.shape[1]
        return logprobs * factor[:size].to(logprobs) - offset[:size].to(logprobs)

    def _offset(self, trial: Trial) -> tuple[Tensor, Tensor]:
        """What a title's log-probability is multiplied by, and what is taken off it then: [C] each."""
        answers = [self._loaded.encoder.joined(title_answer(title)) for title in trial.candidates]
        ones, zeros = torch.ones(len(answers)), torch.zeros(len(answers))
        if self._scoring == "mean":
            return torch.tensor([1 / len(answer) for answer in answers]), zeros
        if self._scoring == "calibrated":
            question = Question(self._template, self._scoring, trial.candidates, 0, True, ())
            return ones, torch.tensor(prior(self._loaded, question, answers, self._cache))
        return ones, zeros

    def _asked(self, head: Head, gates: Tensor | None, many: int) -> Tensor:
        """Losses [m, P] of the right answers where a mode asks instead of reading a title's likelihood."""
        found = []
        for p, question in enumerate(self._questions()):
            rows = [Row((*self._queries[p], *row.ids), row.scored) for row in self._rows[p]]
            which = [m for m in range(many) for _ in rows]
            gate = None if gates is None else gates[:, p]
            logprobs = suffix_logprobs(self._loaded, head, rows * many, gate, which)
            found.append(combine(question, logprobs.view(many, -1)))
        return torch.stack(found, dim=1)

    def _questions(self) -> list[Question]:
        listwise = self._scoring == "listwise"
        return [
            Question(
                self._template,
                self._scoring,
                trial.candidates,
                0,
                True,
                cyclic_orders(len(trial.candidates), 0) if listwise else (),
            )
            for trial in self.trials
        ]

    def _answers(self, p: int) -> list[tuple[int, ...]]:
        return [self._loaded.encoder.joined(title_answer(title)) for title in self.trials[p].candidates]

    def _tail(self, p: int) -> int:
        if self._titles:
            return max(len(answer) for answer in self._answers(p))
        return max(len(row.ids) for row in self._rows[p])

    def _query(self, trial: Trial) -> tuple[int, ...]:
        encoded = encode(self._loaded.encoder, render(self._template, self._scoring, [], list(trial.history)))
        return encoded.ids[len(encoded.before("query")) :]

    def _before(self, demos: Sequence[Example]):
        encoded = encode(self._loaded.encoder, render(self._template, self._scoring, demos, ["-"]))
        return encoded.before("query")

    def _head(self, demos: Sequence[Example]) -> Head:
        """Keys and values of prefix and demonstrations."""
        part = self._before(demos)
        owners = tuple(part.owners())

        def make():
            shorter = self._before(demos[:-1]) if demos else part
            if demos and self._key(shorter) in self._cache:
                size = len(shorter.ids)
                return extend(self._loaded, self._head(demos[:-1]), part.ids[size:], owners[size:])
            return prefill(self._loaded, part.ids, owners)

        return self._cache.get(self._key(part), make, lambda made: made.nbytes).head()

    def _key(self, part) -> tuple:
        return (self._loaded.key, "prefill", part.ids, tuple(part.owners()))
