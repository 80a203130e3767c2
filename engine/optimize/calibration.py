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
from db.datasets.known import user_ids
from db.optimizations import Optimization
from db.requests import OptimizeRequest
from db.version import ENGINE_VERSION
from engine.context import Context
from engine.data.draws import keys, shuffled
from engine.data.splits import MIN_HISTORY
from engine.demos import query as queries
from engine.demos import selection
from engine.demos.query import Query
from engine.optimize.guard import bound
from engine.optimize.probe_ranking import ranked
from engine.progress import Report

STARTS = ("neighbours", "aggregated", "bm25", "recent")
"""Strategies that are tried, and whose sets a search begins with."""

PART = 10  # users that are stored together
BATCH, EARLY = 60, 0.99
"""After each so many users: where a strategy helps as reliably as this, no more users are tried."""


def gains(context: Context[OptimizeRequest], report: Report) -> dict[str, NDArray[np.float64]]:
    """Per strategy the gains in NDCG@10 over zero-shot [n] on others' purchases known at the query.

    The query's own user is left out. Empty where nothing of others' purchases may be known.
    """
    query = context.query
    rows = _stored(context, report)
    known = [row for row in rows if row["user"] != query.user_id and _known(row, query)]
    return {name: np.array([row["gain"][name] for row in known], dtype=np.float64) for name in STARTS}


def _known(row: dict[str, Any], query: Query) -> bool:
    """Whether this purchase was known when the query is predicted."""
    if query.known_before is None or row["timestamp"] is None:
        # Without times everybody's newest ones are unknown, and these are the newest but one.
        return query.held_out < 2
    return row["timestamp"] < query.known_before


def _stored(context: Context[OptimizeRequest], report: Report) -> list[dict[str, Any]]:
    store, dataset, model = context.store, context.dataset, context.model
    key = key_of(context)
    stored = optimizations.find(store, key)
    if stored is None:
        rows = _tried(context, report)
        stored = optimizations.save(store, Optimization(key, dataset.id, "", model.name, {"rows": rows}))
    return stored.result["rows"]


def key_of(context: Context[OptimizeRequest]) -> str:
    """SHA-256 over everything that the gains depend on."""
    request = context.request
    ask = [request.size, request.history, context.template.key, request.scoring, request.calibrate]
    computed_by = [context.identity.as_dict(), ENGINE_VERSION]
    return digest(["calibration", ask, list(STARTS), context.dataset.fingerprint, *computed_by])


def _tried(context: Context[OptimizeRequest], report: Report) -> list[dict[str, Any]]:
    """A row per user: whose purchase, when, and the gain of each strategy.

    Everybody who asks gets the same ones: what is drawn does not depend on the request's seed.
    """
    rows: list[dict[str, Any]] = []
    context = context.asking(replace(context.request, seed=0))
    users = _users(context)
    for start in range(0, len(users), PART):
        part = users[start : start + PART]

        def say(within: int, start: int = start) -> None:
            number = start + within
            user = f"user {number + 1} of {len(users)}"
            report(number / len(users), f"trying strategies on {user} (once for each data set and model)")

        rows += _part(context, start, part, say)
        if len(rows) % BATCH == 0 and _clear(rows):
            break
    return rows


def _part(
    context: Context[OptimizeRequest], start: int, users: Sequence[str], say: Callable[[int], None]
) -> list[dict[str, Any]]:
    """The rows of some users, stored on their own: with a model that takes seconds all of them take an hour,
    and a search that was stopped goes on from here."""
    key = digest([key_of(context), "part", start, list(users)])
    stored = optimizations.find(context.store, key)
    if stored is None:
        rows = []
        for number, user in enumerate(users):
            say(number)
            rows.append(_row(context, user))
        made = Optimization(key, context.dataset.id, "", context.model.name, {"rows": rows})
        stored = optimizations.save(context.store, made)
    return stored.result["rows"]


def _row(context: Context[OptimizeRequest], user: str) -> dict[str, Any]:
    past = context.at(_earlier(context, user))
    gain = {}
    for name in STARTS:
        spec = f"{name}:{context.request.size}"
        entries = selection.choose(past.store, past.dataset, past.query, spec, context.request.seed)
        ranking = ranked(past, entries)
        gain[name] = ranking.ndcg10 - ranking.ndcg10_zero_shot
    return {"user": user, "timestamp": past.query.target_timestamp, "gain": gain}


def _clear(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether one of the strategies helps so reliably that no more users are needed."""
    gains = [np.array([row["gain"][name] for row in rows]) for name in STARTS]
    return any(bound(gain, np.ones(len(rows)), EARLY).low > 0 for gain in gains)


def _earlier(context: Context[OptimizeRequest], user: str) -> Query:
    """The moment of a purchase before the user's last: any one where it is known what others had bought."""
    store, dataset, request = context.store, context.dataset, context.request
    if not dataset.has_timestamps:
        return queries.build(store, dataset, user, "probe", request.history)
    length = datasets.user(store, dataset.id, user).length
    drawn = keys(1, dataset.origin, "calibration", user, request.seed)[0]
    place = MIN_HISTORY + int(drawn % (length - 1 - MIN_HISTORY))
    return queries.at(store, dataset, user, place, request.history)


def _users(context: Context[OptimizeRequest]) -> Sequence[str]:
    """Ids of so many users, drawn, with at least four purchases."""
    store, dataset, request = context.store, context.dataset, context.request
    order = shuffled(dataset.users, dataset.origin, "calibration", request.seed).tolist()
    lengths = datasets.lengths(store, dataset.id, order[: 8 * request.calibrate])
    chosen = [user for user in order[: 8 * request.calibrate] if lengths.get(user, 0) >= 4]
    names = user_ids(store, dataset.id, chosen[: request.calibrate])
    return [names[user] for user in chosen[: request.calibrate]]
