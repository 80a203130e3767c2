"""The demonstrations that could be put before a user's history, for a person to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db import demonstrations
from db.demonstrations import HAND_WRITTEN
from db.requests import RunRequest
from engine.context import Engine, resolve
from engine.demos.named import by_hand
from engine.demos.strategies import registry
from engine.tasks import proxy_scoring, results


def pool(engine: Engine, request: RunRequest, sources: Sequence[str], size: int) -> list[dict[str, Any]]:
    """Demonstrations that could be put before a user's history, best first within each source.

    Besides the sources of `engine.demos.strategies` there is `hand-written`: what was written so far. Where
    the request names a model to prescore with, its effect in nats stands with each, the best of all first.
    """
    context = resolve(engine, request)
    store, dataset, query, seed = context.store, context.dataset, context.query, request.seed
    automatic = [source for source in sources if source != HAND_WRITTEN]
    offered = registry.pool(store, dataset, query, automatic, size, seed)
    if HAND_WRITTEN in sources:
        offered += by_hand(store, dataset, query, size)
    demonstrations.save_many(store, [entry.demonstration for entry in offered])
    rows = [results.demonstration(entry, 1.0, context.request) for entry in offered]
    if context.proxy is None:
        return rows
    gains = proxy_scoring.effects(context, offered)
    return [{**rows[place], "prescore": gains[place]} for place in proxy_scoring.best(gains)]
