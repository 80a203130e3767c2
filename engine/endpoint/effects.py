"""Effects of the demonstrations of a model behind an endpoint, by writing the prompt again without some.

The same players, costs and estimators as for a local model in mode `reprompt` (`engine.lrgd`); a server
answers. Every coalition costs calls, so exact values are taken of few demonstrations, and beyond them what
is lost when each one alone is left out.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from db.endpoints import EXACT_UP_TO
from db.errors import BadInput
from engine.endpoint.scoring import Asked, Remote, in_prompt, note_missing
from engine.llm.explain.effects import EffectsResult, check_effects, result_of
from engine.llm.scoring.measures import Measure, Reading
from engine.llm.scoring.modes import Question, candidate_rows, loss_rows
from engine.llm.scoring.ranking import Task, prepare
from engine.lrgd import agreement
from engine.lrgd.effects import Estimator, effects
from engine.lrgd.objective import Effects, Remembered
from engine.lrgd.shapley import coalitions
from engine.progress import Clock, announce
from engine.prompts import Fitted

LEFT_OUT = "leave_one_out"


class Rewritten:
    """An Objective (engine/lrgd/objective.py) of prompts with the demonstrations of weight above 0."""

    def __init__(self, remote: Remote, fitted: Fitted, question: Question, measure: Measure) -> None:
        rows = loss_rows if measure == "loss" else candidate_rows
        self._rows = rows(remote.encoder, question)
        self.reading = Reading(question, measure, tuple(self._rows), None)
        self._remote, self._asked = remote, Asked(remote, question, self._rows)
        ids, spans = fitted.encoded.ids, fitted.encoded.spans
        demos = [span for span in spans if span.kind == "demo"]
        self._demos = [ids[span.start : span.stop] for span in demos]
        self._opening = ids[: len(fitted.encoded.before("demo"))]
        self._query = ids[len(fitted.encoded.before("query")) :]

    @property
    def columns(self) -> int:
        """How many numbers `costs` gives: the measure's, and the loss where that is another."""
        return self.reading.columns

    def costs(self, alpha: Tensor) -> Tensor:
        """[m, 1 or 2] at weightings alpha [m, k], all asked for at once; lower is better."""
        return self.of_prompts(self.prompts(alpha))

    def value(self, alpha: Tensor) -> Tensor:
        """Costs [m] at weightings alpha [m, k]."""
        return self.costs(alpha)[:, 0]

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Not defined."""
        del alpha
        raise ValueError("a rewritten prompt has no gradient in its demonstrations' weights")

    def of_prompts(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """The same of any prompts."""
        measured = self._asked.behind(prompts)
        note_missing(self._remote, measured)
        return replace(self.reading, norms=measured.norms).costs(measured.logprobs)

    def prompts(self, alpha: Tensor) -> list[tuple[int, ...]]:
        """What is sent at weightings alpha [m, k]."""
        members = [torch.nonzero(row > 0)[:, 0].tolist() for row in alpha]
        return [
            (*self._opening, *(i for b in some for i in self._demos[b]), *self._query) for some in members
        ]

    def calls(self, prompts: Sequence[Sequence[int]]) -> tuple[int, int]:
        """How many calls these prompts take, and about how many tokens."""
        return self._asked.calls(prompts), self._asked.estimate(prompts)


def remote_effects(
    remote: Remote,
    task: Task,
    estimator: Estimator = "auto",
    leave_one_out: bool = False,
    measure: Measure = "margin",
) -> EffectsResult:
    """The effect of each demonstration that is written, by prompts without some of the others.

    estimator: auto is exact up to 4 demonstrations and leave-one-out beyond. Says how many calls that takes
    before it makes one. Raises BadInput and EndpointError.
    """
    clock = Clock()
    places, written = in_prompt(task)
    question, fitted, zero, _ = prepare(remote, written)
    k = len(fitted.kept)
    alone = estimator == "auto" and k > EXACT_UP_TO
    check_effects(written, k, estimator, "reprompt")
    rewritten = Rewritten(remote, fitted, question, measure)
    objective, weights = Remembered(rewritten, rewritten.columns), torch.ones(k, dtype=torch.float64)
    everything = torch.cat([weights[None], 1 - torch.eye(k).double(), 0 * weights[None]]) if alone else None
    if everything is None and (estimator == "exact" or k <= EXACT_UP_TO):
        everything = coalitions(k, weights)
    if everything is not None:
        calls, tokens = rewritten.calls([*rewritten.prompts(everything), zero.encoded.ids])
        announce(f"{calls:,} calls to {remote.name}, about {tokens:,} tokens")
        if tokens > remote.endpoint.budget:
            raise BadInput(
                f"These effects take about {tokens:,} tokens in {calls:,} calls, and the budget of "
                f"{remote.name!r} is {remote.endpoint.budget:,}. Nothing was asked. Use fewer demonstrations "
                "or candidates, or register the model again with a larger --budget."
            )
        objective.value(everything)  # all at once
    with clock("effects"):
        measured, losses = (
            _left_out(each, weights) if alone else effects(each, weights, estimator)
            for each in (objective, objective.column(rewritten.columns - 1))
        )
    with clock("zero_shot"):
        bare = float(rewritten.of_prompts([zero.encoded.ids])[0, 0])
    lost = agreement.removal(objective, weights).tolist() if leave_one_out and not alone else None
    in_task = replace(fitted, kept=tuple(places[b] for b in fitted.kept))
    result = result_of(
        task, in_task, rewritten.reading, "reprompt", measured, losses, 0.0, bare, None, lost, clock.read()
    )
    return replace(result, tokens=remote.tokens(len(fitted.encoded)))


def _left_out(objective: Remembered, weights: Tensor) -> Effects:
    """What the cost rises by when each one alone is left out; the gain is that of all of them together."""
    ends = objective.value(torch.stack([0 * weights, weights])).tolist()
    k = weights.numel()
    zeros = weights.new_zeros(k)
    return Effects(
        agreement.removal(objective, weights), ends[0], ends[1], LEFT_OUT, k + 2, zeros, zeros + 2**0.5
    )
