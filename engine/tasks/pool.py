"""The demonstrations that could be put before a user's history, for a person to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db import demonstrations
from db.requests import RunRequest
from engine.context import Engine, resolve
from engine.demos import selection
from engine.progress import Report, quiet
from engine.tasks import proxy_scoring, results

USUAL_SOURCES = ("neighbours", "proximal", "random")
USUAL_SIZE = 12  # of each source


def pool(
    engine: Engine, request: RunRequest, sources: Sequence[str], size: int, report: Report = quiet
) -> list[dict[str, Any]]:
    """Demonstrations that could be put before a user's history, best first within each source.

    sources: names of `db.choices.SOURCES`. Where the request names a model to prescore with, its effect in
    nats stands with each, the best of all first.
    """
    context = resolve(engine, request)
    store, dataset, query, seed = context.store, context.dataset, context.query, request.choice_seed
    offered = selection.pool(store, dataset, query, sources, size, seed, report)
    demonstrations.save_many(store, [entry.demonstration for entry in offered])
    rows = [results.demonstration(entry, 1.0, context) for entry in offered]
    if context.proxy is None:
        return rows
    gains = proxy_scoring.effects(context, offered)
    return [{**rows[place], "prescore": gains[place]} for place in proxy_scoring.best(gains)]
