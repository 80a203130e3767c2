"""How much each plain strategy helps the users of a data set: what the guard expects before it knows a user.

One user's few probes tell a real gain from chance badly; a data set's users together tell it well. So each
strategy is tried once on a past purchase of some users, drawn (never their last one, and without
timestamps their last but one), and the gains in NDCG@10 are kept in the store under all that they depend on.
A query may use only those that were known at its moment. Boundary: a data set and a model in, gains per
strategy and purchase out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db import datasets, optimizations
from db.canonical import digest
from db.datasets import DatasetInfo
from db.datasets.known import user_ids
from db.models import ModelInfo
from db.optimizations import Optimization
from db.requests import OptimizeRequest
from db.version import ENGINE_VERSION
from engine.context import Engine
from engine.data.draws import keys, shuffled
from engine.data.splits import MIN_HISTORY
from engine.demos import query as queries
from engine.demos import selection
from engine.demos.query import Query
from engine.optimize.guard import bound
from engine.optimize.probe_ranking import ranked

STARTS = ("neighbours", "aggregated", "bm25", "recent")
"""Strategies that are tried, and whose sets a search begins with."""

BATCH, EARLY = 60, 0.99
"""After so many users it is looked whether a strategy helps as surely as this: then no more are tried."""


def gains(
    engine: Engine,
    request: OptimizeRequest,
    dataset: DatasetInfo,
    query: Query,
    model: ModelInfo,
    scoring: str,
    report: Callable[..., None],
) -> dict[str, NDArray[np.float64]]:
    """Per strategy the gains in NDCG@10 over zero-shot [n] on others' purchases known at the query.

    The query's own user is left out. Empty where nothing of others' purchases may be known.
    """
    tried = _stored(engine, request, dataset, model, scoring, report)
    known = [row for row in tried if row["user"] != query.user_id and _known(row, query)]
    return {name: np.array([row["gain"][name] for row in known], dtype=np.float64) for name in STARTS}


def _known(row: dict[str, Any], query: Query) -> bool:
    """Whether this purchase was known when the query is predicted."""
    if query.known_before is None or row["timestamp"] is None:
        # Without times everybody's newest ones are unknown, and these are the newest but one.
        return query.held_out < 2
    return row["timestamp"] < query.known_before


def _stored(
    engine: Engine,
    request: OptimizeRequest,
    dataset: DatasetInfo,
    model: ModelInfo,
    scoring: str,
    report: Callable[..., None],
) -> list[dict[str, Any]]:
    ask = [request.size, request.history, request.template, scoring, request.calibrate]
    key = digest(["calibration", ask, list(STARTS), dataset.fingerprint, model.revision, ENGINE_VERSION])
    found = optimizations.find(engine.store, key)
    if found is None:
        rows = _tried(engine, request, dataset, report)
        found = optimizations.save(
            engine.store, Optimization(key, dataset.id, "", model.name, {"rows": rows})
        )
    return found.result["rows"]


def _tried(
    engine: Engine, request: OptimizeRequest, dataset: DatasetInfo, report: Callable[..., None]
) -> list[dict[str, Any]]:
    """A row per user: whose purchase, when, and the gain of each strategy.

    Everybody who asks gets the same ones: what is drawn does not depend on the request's seed.
    """
    rows: list[dict[str, Any]] = []
    request = replace(request, seed=0)
    users = _users(engine, dataset, request)
    for number, user in enumerate(users):
        said = f"trying strategies on user {number + 1} of {len(users)}, once for this data set and model"
        report(number / len(users), said, None)
        query = _earlier(engine, dataset, user, request)
        gain = {}
        for name in STARTS:
            spec = f"{name}:{request.size}"
            shown = selection.choose(engine.store, dataset, query, spec, request.seed)
            found = ranked(engine, dataset, request, query, shown)
            gain[name] = found.ndcg10 - found.ndcg10_zero_shot
        rows.append({"user": user, "timestamp": query.target_timestamp, "gain": gain})
        if len(rows) % BATCH == 0 and _clear(rows):
            break
    return rows


def _clear(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether one of the strategies helps so surely that no more users are needed."""
    gains = [np.array([row["gain"][name] for row in rows]) for name in STARTS]
    return any(bound(each, np.ones(len(rows)), EARLY).low > 0 for each in gains)


def _earlier(engine: Engine, dataset: DatasetInfo, user: str, request: OptimizeRequest) -> Query:
    """The moment of a purchase before the user's last: any one where it is known what others had bought."""
    if not dataset.has_timestamps:
        return queries.build(engine.store, dataset, user, "probe", request.history)
    length = datasets.user(engine.store, dataset.id, user).length
    drawn = keys(1, dataset.fingerprint, "calibration", user, request.seed)[0]
    place = MIN_HISTORY + int(drawn % (length - 1 - MIN_HISTORY))
    return queries.at(engine.store, dataset, user, place, request.history)


def _users(engine: Engine, dataset: DatasetInfo, request: OptimizeRequest) -> Sequence[str]:
    """Ids of so many users, drawn, with at least four purchases."""
    order = shuffled(dataset.users, dataset.fingerprint, "calibration", request.seed).tolist()
    lengths = datasets.lengths(engine.store, dataset.id, order[: 8 * request.calibrate])
    chosen = [user for user in order[: 8 * request.calibrate] if lengths.get(user, 0) >= 4]
    names = user_ids(engine.store, dataset.id, chosen[: request.calibrate])
    return [names[user] for user in chosen[: request.calibrate]]
