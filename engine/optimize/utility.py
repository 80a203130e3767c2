"""The utility of sets of a pool on probes, by a model: in a measure for the search, in NDCG@10 for the guard.

Where demonstrations are kept, every set stands around them, and gains are those over them alone: to the
search and the guard they are part of the prompt.

Boundary: places of the pool in, gains per probe out. What is judged are prompts really written: a
demonstration that would give a probe away does not stand in its prompt, and a set is compared with the prompt
without any. Only which one to drop or replace next is proposed by turning each down (`without`), which is
quick; the set that comes of it is written and judged like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from db.requests import OptimizeRequest
from db.requests.edits import drawn
from engine.context import Context
from engine.demos.dislikes import disliked_for
from engine.demos.query import PoolEntry
from engine.evaluation.metrics import ndcg, standing
from engine.llm.scoring.perturbed_prompts import draws_of
from engine.llm.scoring.ranking import Task, rank_all
from engine.lrgd.perturb import robust
from engine.optimize import validation_purchases
from engine.optimize.choose import Set
from engine.optimize.objective import ProbeCosts, Trial
from engine.optimize.stay import NOTHING, Stay
from engine.optimize.validation_purchases import Target
from engine.prompts import Example


class ModelUtility:
    """`engine.optimize.choose.Utility` for the sets of a pool on some of the probes."""

    def __init__(
        self,
        context: Context[OptimizeRequest],
        pool: Sequence[PoolEntry],
        among: Sequence[Target],
        stay: Stay = NOTHING,
    ) -> None:
        request, query = context.request, context.query
        self._request, self._query = request, query
        self._pool, self._among, self._stay = pool, among, stay
        self._template, self._shown = context.template, [context.example(entry) for entry in pool]
        self._loaded, self._cache = context.loaded, context.engine.prefills
        listed = validation_purchases.candidates(context.store, context.dataset, query, among, request.seed)
        self._trials = [
            Trial(context.history(target.history), titles)
            for target, titles in zip(among, listed, strict=True)
        ]
        self._costs = ProbeCosts(
            self._loaded,
            context.template,
            request.scoring,
            self._trials,
            request.measure,  # type: ignore[arg-type]  # checked with the request
            self._cache,
        )
        self._zero = self._baseline()
        self._edits = request.edits
        self._disliked = disliked_for(context.store, context.dataset, query, self._edits)

    def ranking_gains(self, chosen: Set, weights: Sequence[float]) -> np.ndarray:
        """NDCG@10 [P] of each probe among its candidates, less that without the chosen."""
        gains = self._ranked(*self._stay.around(chosen, weights))
        return gains - self._kept_gains if self._stay.places else gains

    @cached_property
    def _kept_gains(self) -> np.ndarray:
        """Of what is kept alone, over no demonstrations at all [P]."""
        return self._ranked(*self._stay.around((), ()))

    def _ranked(self, chosen: Set, weights: Sequence[float]) -> np.ndarray:
        tasks = []
        for trial, hides in zip(self._trials, self._hidden(chosen), strict=True):
            shown = [n for n, hides_one in enumerate(hides) if not hides_one]
            task = Task(
                demos=tuple(self._examples(chosen)[n] for n in shown),
                history=trial.history,
                candidates=trial.candidates,
                target=0,
                scoring=self._request.scoring,  # type: ignore[arg-type]  # checked with the request
                weights=tuple(float(weights[n]) for n in shown),
                template=self._template,
            )
            tasks.append(task)
        return np.array(
            [
                ndcg(standing(ranked.scores, 0), 10) - ndcg(standing(ranked.scores_zero_shot, 0), 10)
                for ranked in rank_all(self._loaded, tasks, self._cache)
            ]
        )

    def fits(self, chosen: Set) -> bool:
        return self._costs.fits(self._examples(self._stay.around(chosen)[0]))

    def gains(self, chosen: Set) -> np.ndarray:
        """[P]."""
        return self._gained(chosen, None)[0]

    def weighted(self, chosen: Set, weights: Sequence[float]) -> np.ndarray:
        """Gains [P] at these weights."""
        return self._gained(chosen, torch.tensor([list(weights)], dtype=torch.float64))[0]

    def without(self, chosen: Set) -> np.ndarray:
        """Gains [k, P] with each turned down in turn: what the next moves are proposed by."""
        count = len(chosen)
        return self._gained(chosen, 1 - torch.eye(count, dtype=torch.float64))

    def robust(self, chosen: Set) -> float:
        ask = self._request
        numbers = range(ask.draws if drawn(self._edits) else 1)
        whole, weights = self._stay.around(chosen)
        given = tuple(weights) if self._stay.places else None
        task = Task(self._examples(whole), (), (), weights=given, template=self._template)
        hidden = torch.from_numpy(self._hidden(whole))
        gains = []
        for draw in draws_of(task, self._edits, ask.seed, numbers, self._disliked):
            weights = None if draw.task.weights is None else torch.tensor([draw.task.weights])
            unseen = hidden[:, list(draw.order)]
            costs = self._costs.costs(draw.task.demos, weights, unseen, draw.task.edits)[0].numpy()
            gains.append(float(validation_purchases.share(self._among) @ (self._zero - costs)))
        return float(robust(torch.tensor(gains, dtype=torch.float64), ask.kappa))

    def slope(self, chosen: Set, share: np.ndarray) -> Callable[[Tensor], tuple[float, Tensor]]:
        """weights [k] -> cost over the probes and its gradient [k]."""
        whole, _ = self._stay.around(chosen)
        mask, examples = torch.from_numpy(self._hidden(whole)), self._examples(whole)

        def cost(alpha: Tensor) -> tuple[float, Tensor]:
            found, slope = self._costs.gradient(
                examples, self._stay.weights(alpha[None])[0], mask, torch.from_numpy(share)
            )
            return found, slope[self._stay.free(len(whole))]

        return cost

    def _gained(self, chosen: Set, weights: Tensor | None) -> np.ndarray:
        """Gains [m, P] at weightings [m, k]; None: one, all at 1."""
        whole, _ = self._stay.around(chosen)
        if self._stay.places:
            given = torch.ones(1, len(chosen), dtype=torch.float64) if weights is None else weights
            weights = self._stay.weights(given)
        mask = torch.from_numpy(self._hidden(whole))
        return self._zero - self._costs.costs(self._examples(whole), weights, mask).numpy()

    def _baseline(self) -> np.ndarray:
        """The costs [P] of the prompts that every gain is a gain over."""
        whole, weights = self._stay.around(())
        if not whole:
            return self._costs.costs([])[0].numpy()
        mask, alpha = torch.from_numpy(self._hidden(whole)), torch.tensor([weights], dtype=torch.float64)
        return self._costs.costs(self._examples(whole), alpha, mask)[0].numpy()

    def _hidden(self, chosen: Set) -> np.ndarray:
        return validation_purchases.hidden(self._among, [self._pool[n] for n in chosen], self._query)

    def _examples(self, chosen: Set) -> tuple[Example, ...]:
        return tuple(self._shown[place] for place in chosen)
