"""A query's candidate list ranked with demonstrations: how the optimizer looks at lists.

Boundary: demonstrations and weights in, margin, loss and NDCG@10 with and without them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db import datasets
from db.requests import OptimizeRequest
from engine.context import Context
from engine.data.candidates import candidate_list
from engine.demos.query import PoolEntry
from engine.evaluation.metrics import ndcg, standing

CANDIDATES = 20


@dataclass(frozen=True)
class Ranked:
    """Margin, loss (nats) and NDCG@10 of the purchase among 20 random candidates, with demonstrations and
    without."""

    margin: float
    loss: float
    ndcg10: float
    margin_zero_shot: float
    loss_zero_shot: float
    ndcg10_zero_shot: float

    def effect(self, measure: str) -> float:
        """What the demonstrations add to the measure, above 0 where they help."""
        if measure == "margin":
            return self.margin - self.margin_zero_shot
        return self.loss_zero_shot - self.loss


def ranked(
    context: Context[OptimizeRequest], entries: Sequence[PoolEntry], weights: Sequence[float] | None = None
) -> Ranked:
    """The list of the query's own purchase."""
    from engine.llm.scoring.ranking import Task, rank_candidates

    store, dataset, query, request = context.store, context.dataset, context.query, context.request
    place = query.target_position
    listed = candidate_list(store, dataset, query.user, place, "random", CANDIDATES, request.seed)
    items = datasets.items(store, dataset.id, listed.items)
    target = listed.items.index(query.target.item)
    task = Task(
        demos=tuple(map(context.example, entries)),
        history=context.history(query.history),
        candidates=tuple(items[item].title for item in listed.items),
        target=target,
        scoring=request.scoring,  # type: ignore[arg-type]  # checked with the request
        weights=None if weights is None else tuple(weights),
        template=context.template,
        seed=request.seed,
    )
    ranking = rank_candidates(context.loaded, task, context.engine.prefills)
    margin, loss = ranking.margin, ranking.loss
    bare_margin, bare_loss = ranking.margin_zero_shot, ranking.loss_zero_shot
    if margin is None or loss is None or bare_margin is None or bare_loss is None:
        raise ValueError("a purchase that is not ranked has no margin")
    return Ranked(
        margin,
        loss,
        ndcg(standing(ranking.scores, target), 10),
        bare_margin,
        bare_loss,
        ndcg(standing(ranking.scores_zero_shot, target), 10),
    )
