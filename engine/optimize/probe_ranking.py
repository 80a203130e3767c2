"""A query's candidate list ranked with demonstrations: how the optimizer looks at lists.

Boundary: demonstrations and weights in, losses and NDCG@10 with and without them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db import datasets
from db.datasets import DatasetInfo
from db.models import ModelInfo
from db.requests import OptimizeRequest
from engine.context import Engine
from engine.data.candidates import candidate_list
from engine.demos.query import PoolEntry, Query
from engine.evaluation.metrics import ndcg, rank_of

CANDIDATES = 20


@dataclass(frozen=True)
class Ranked:
    """Loss (nats) and NDCG@10 of the purchase among 20 random candidates, with demonstrations and without."""

    loss: float
    ndcg10: float
    loss_zero_shot: float
    ndcg10_zero_shot: float


def scoring_of(request: OptimizeRequest, model: ModelInfo) -> str:
    """How titles are scored: the model's own way, unless the request names one."""
    return model.scoring if request.scoring == "auto" else request.scoring


def ranked(
    engine: Engine,
    dataset: DatasetInfo,
    request: OptimizeRequest,
    query: Query,
    entries: Sequence[PoolEntry],
    weights: Sequence[float] | None = None,
) -> Ranked:
    """The list of a query's own purchase."""
    from engine.llm.scoring.measure import Task, rank_candidates

    listed = candidate_list(
        engine.store, dataset, query.user, query.target_position, "random", CANDIDATES, request.seed
    )
    items = datasets.items(engine.store, dataset.id, listed.items)
    model = engine.registered(request.model)
    target = listed.items.index(query.target.item)
    task = Task(
        demos=tuple(entry.example for entry in entries),
        history=tuple(row.title for row in query.history),
        candidates=tuple(items[item].title for item in listed.items),
        target=target,
        scoring=scoring_of(request, model),  # type: ignore[arg-type]  # checked with the request
        weights=None if weights is None else tuple(weights),
        template=request.template,
        seed=request.seed,
    )
    done = rank_candidates(engine.load(model), task, engine.prefills)
    assert done.loss is not None
    assert done.loss_zero_shot is not None
    return Ranked(
        done.loss,
        ndcg(rank_of(done.scores, target), 10),
        done.loss_zero_shot,
        ndcg(rank_of(done.scores_zero_shot, target), 10),
    )
