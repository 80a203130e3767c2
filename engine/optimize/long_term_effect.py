"""Long term: does a set chosen once go on helping? It is scored again on each newer purchase of its user.

Boundary: an `OptimizeRequest` in, one point per newer purchase out, each with the set as it was, with fresh
neighbours' demonstrations and with a set optimized anew at that moment, which sees nothing of that purchase.
"""

from __future__ import annotations

from typing import Any

from db import datasets
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.requests import OptimizeRequest
from engine.context import Engine
from engine.data.splits import MIN_HISTORY
from engine.demos import query as queries
from engine.demos import selection
from engine.demos.named import named
from engine.demos.query import PoolEntry, Query
from engine.optimize.probe_ranking import ranked
from engine.optimize.two_stage import at_query

WAYS = {"stale": "chosen then", "fresh": "neighbours now", "reoptimized": "optimized now"}


def lasting(
    engine: Engine, request: OptimizeRequest, start: int | None = None, report=lambda *said: None
) -> dict[str, Any]:
    """`{user, start, chosen, points}`: a point per purchase from place `start` (default: the middle) on.

    A point has `place`, `elapsed_s` (since the set was chosen) and per way (`zero_shot`, `stale`, `fresh`,
    `reoptimized`) `loss` (nats), `effect` (nats over zero-shot) and `ndcg10` among 20 random candidates.
    BadInput for a data set without timestamps and a history too short.
    """
    dataset = datasets.get(engine.store, request.dataset)
    user = datasets.user(engine.store, dataset.id, request.user)
    own = datasets.history(engine.store, dataset.id, user.user)
    first = max(MIN_HISTORY, len(own) // 2) if start is None else start
    if not MIN_HISTORY <= first < len(own) - 1:
        raise BadInput(
            f"start is {first}: a set chosen before purchase {first} of {len(own)} needs that and a newer "
            f"one; choose {MIN_HISTORY} to {len(own) - 2}, or a user with a longer history."
        )
    places = range(first, len(own))
    then = _query(engine, dataset, request, first)
    chosen = at_query(engine, request, dataset, then, report).result["chosen"]
    points = []
    for done, place in enumerate(places):
        report(done / len(places), f"purchase {place + 1} of {len(own)}", {"points": points})
        query = _query(engine, dataset, request, place)
        points.append(_point(engine, dataset, request, query, then, chosen))
    return {"user": request.user, "start": first, "chosen": chosen, "ways": WAYS, "points": points}


def _query(engine: Engine, dataset: DatasetInfo, request: OptimizeRequest, place: int) -> Query:
    return queries.at(engine.store, dataset, request.user, place, request.history)


def _point(
    engine: Engine,
    dataset: DatasetInfo,
    request: OptimizeRequest,
    query: Query,
    then: Query,
    chosen: list[dict[str, Any]],
) -> dict[str, Any]:
    """One newer purchase under every way."""
    store = engine.store
    fresh = selection.choose(store, dataset, query, f"neighbours:{request.size}", request.seed)
    anew = at_query(engine, request, dataset, query).result["chosen"]
    sets = {
        "stale": _entries(engine, dataset, query, chosen),
        "fresh": (fresh, (1.0,) * len(fresh)),
        "reoptimized": _entries(engine, dataset, query, anew),
    }
    found = {way: ranked(engine, dataset, request, query, *each) for way, each in sets.items()}
    elapsed = None
    if query.target_timestamp is not None and then.target_timestamp is not None:
        elapsed = query.target_timestamp - then.target_timestamp
    any_ = found["stale"]
    zero = {"loss": any_.loss_zero_shot, "ndcg10": any_.ndcg10_zero_shot}
    return {
        "place": query.target_position,
        "elapsed_s": elapsed,
        "zero_shot": zero,
        **{
            way: {"loss": one.loss, "ndcg10": one.ndcg10, "effect": zero["loss"] - one.loss}
            for way, one in found.items()
        },
    }


def _entries(
    engine: Engine, dataset: DatasetInfo, query: Query, chosen: list[dict[str, Any]]
) -> tuple[list[PoolEntry], tuple[float, ...]]:
    entries = named(engine.store, dataset, query, [each["id"] for each in chosen])
    return entries, tuple(float(each["weight"]) for each in chosen)
