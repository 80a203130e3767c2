"""The demonstrations that could be put before a user's history, for a person to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db import demonstrations
from db.demonstrations import HAND_WRITTEN
from db.requests import RunRequest
from engine.context import Engine
from engine.demos.named import by_hand
from engine.demos.strategies import registry
from engine.tasks import proxy_scoring, results
from engine.tasks.inputs import query_of


def pool(engine: Engine, request: RunRequest, sources: Sequence[str], size: int) -> list[dict[str, Any]]:
    """Demonstrations that could be put before a user's history, best first within each source.

    Besides the sources of `engine.demos.strategies` there is `hand-written`: what was written so far. Where
    the request names a model to prescore with, its effect in nats stands with each, the best of all first.
    """
    request = engine.resolved(request)
    dataset, query = query_of(engine.store, request)
    found = [source for source in sources if source != HAND_WRITTEN]
    offered = registry.pool(engine.store, dataset, query, found, size, request.seed)
    if HAND_WRITTEN in sources:
        offered += by_hand(engine.store, dataset, query, size)
    demonstrations.save_many(engine.store, [entry.demonstration for entry in offered])
    shown = [results.demonstration(entry, 1.0, request) for entry in offered]
    if request.prescore is None:
        return shown
    found = proxy_scoring.effects(engine, dataset, query, request, offered)
    return [{**shown[i], "prescore": found[i]} for i in proxy_scoring.best(found)]
