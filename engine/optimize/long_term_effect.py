"""Long-term effect: does a set chosen once keep helping? It is scored on each newer purchase of its user.

Boundary: an `OptimizeRequest` in, one point per newer purchase out, each with the set as it was, with fresh
neighbours' demonstrations and with a set optimized again at that moment, which sees nothing of that purchase.
"""

from __future__ import annotations

from typing import Any

from db import datasets
from db.errors import BadInput
from db.requests import OptimizeRequest
from engine.context import Context, Engine, resolve
from engine.data.splits import MIN_HISTORY
from engine.demos import query as queries
from engine.demos import selection
from engine.demos.named import named
from engine.demos.query import PoolEntry, Query
from engine.optimize.probe_ranking import ranked
from engine.optimize.two_stage import at_query
from engine.progress import Report, quiet

WAYS = {"stale": "chosen then", "fresh": "neighbours now", "reoptimized": "optimized now"}


def long_term_effect(
    engine: Engine, request: OptimizeRequest, start: int | None = None, report: Report = quiet
) -> dict[str, Any]:
    """`{user, start, chosen, points}`: a point per purchase from place `start` (default: the middle) on.

    A point has `place`, `elapsed_s` (since the set was chosen) and per way (`zero_shot`, `stale`, `fresh`,
    `reoptimized`) `margin`, `loss` (nats), `effect` (over zero-shot, in the request's measure) and `ndcg10`
    among 20 random candidates; `measure` says which.
    BadInput for a data set without timestamps and a history too short.
    """
    context = resolve(engine, request)
    store, dataset = context.store, context.dataset
    user = datasets.user(store, dataset.id, request.user)
    own = datasets.history(store, dataset.id, user.user)
    first = max(MIN_HISTORY, len(own) // 2) if start is None else start
    if not MIN_HISTORY <= first < len(own) - 1:
        raise BadInput(
            f"start is {first}: a set chosen before purchase {first} of {len(own)} needs that and a newer "
            f"one; choose {MIN_HISTORY} to {len(own) - 2}, or a user with a longer history."
        )
    places = range(first, len(own))
    then = _before(context, first)
    chosen = at_query(then, report).result["chosen"]
    points: list[dict[str, Any]] = []
    for done, place in enumerate(places):
        report(done / len(places), f"purchase {place + 1} of {len(own)}", {"points": points})
        points.append(_point(_before(context, place), then.query, chosen))
    return {
        "user": request.user,
        "measure": request.measure,
        "start": first,
        "chosen": chosen,
        "ways": WAYS,
        "points": points,
    }


def _before(context: Context[OptimizeRequest], place: int) -> Context[OptimizeRequest]:
    """The moment before the purchase at this place of the user's history."""
    request = context.request
    return context.at(queries.at(context.store, context.dataset, request.user, place, request.history))


def _point(now: Context[OptimizeRequest], then: Query, chosen: list[dict[str, Any]]) -> dict[str, Any]:
    """One newer purchase under every way."""
    query, request = now.query, now.request
    neighbours = selection.choose(now.store, now.dataset, query, f"neighbours:{request.size}", request.seed)
    sets = {
        "stale": _entries(now, chosen),
        "fresh": (neighbours, (1.0,) * len(neighbours)),
        "reoptimized": _entries(now, at_query(now).result["chosen"]),
    }
    rankings = {way: ranked(now, entries, weights) for way, (entries, weights) in sets.items()}
    elapsed = None
    if query.target_timestamp is not None and then.target_timestamp is not None:
        elapsed = query.target_timestamp - then.target_timestamp
    bare = rankings["stale"]
    zero = {
        "margin": bare.margin_zero_shot,
        "loss": bare.loss_zero_shot,
        "ndcg10": bare.ndcg10_zero_shot,
    }
    return {
        "place": query.target_position,
        "elapsed_s": elapsed,
        "zero_shot": zero,
        **{
            way: {
                "margin": ranking.margin,
                "loss": ranking.loss,
                "ndcg10": ranking.ndcg10,
                "effect": ranking.effect(request.measure),
            }
            for way, ranking in rankings.items()
        },
    }


def _entries(
    context: Context[OptimizeRequest], chosen: list[dict[str, Any]]
) -> tuple[list[PoolEntry], tuple[float, ...]]:
    ids = [demonstration["id"] for demonstration in chosen]
    entries = named(context.store, context.dataset, context.query, ids)
    return entries, tuple(float(demonstration["weight"]) for demonstration in chosen)
