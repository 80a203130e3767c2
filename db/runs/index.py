"""The narrow row of each run that lists of runs are filtered and sorted by.

A row of `runs` holds the whole result: reading past 100,000 of them takes seconds. What is here follows from
that row and is written in the same transaction; nothing else is the home of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.demonstrations import set_digest
from db.names import fold
from db.requests import RunRequest
from db.schema import run_index as table
from db.store import Store

CUSTOM_SET = "custom set"
"""The strategy, in words, of demonstrations that were chosen one by one."""


def put(store: Store, connection: Connection, values: Mapping[str, Any]) -> None:
    """Write the row of a run that was stored just now."""
    connection.execute(store.insert(table).values(**values).on_conflict_do_nothing())


def change(connection: Connection, keys: Sequence[str], **values: Any) -> None:
    """Write these columns of the runs `keys`."""
    connection.execute(sa.update(table).where(table.c.run_key.in_(keys)).values(**values))


def strategy(request: RunRequest) -> str:
    """How the demonstrations were chosen, without their number."""
    if request.demonstrations is None:
        return request.demos.partition(":")[0]
    return CUSTOM_SET if request.demonstrations else "none"


def row(
    key: str,
    request: RunRequest,
    result: Mapping[str, Any],
    timings_ms: Mapping[str, Any],
    kept: Mapping[str, Any],
) -> dict[str, Any]:
    """The row of a run. `kept`: what its row of `runs` has in columns of the same names."""
    metrics, total = result.get("metrics", {}), timings_ms.get("total")
    return {
        "run_key": key,
        "dataset": request.dataset,
        "strategy": strategy(request),
        "demonstrations": len(result.get("demonstrations", ())),
        "scoring": request.scoring,
        "template": request.template,
        "rank": metrics.get("rank"),
        "ndcg10": metrics.get("ndcg10"),
        "margin": result.get("margin"),
        "seconds": None if total is None else total / 1000,
        "margin_gain": _gain(result.get("margin_zero_shot"), result.get("margin")),
        "ndcg10_gain": _gain(metrics.get("zero_shot", {}).get("ndcg10"), metrics.get("ndcg10")),
        "set_digest": shown_set(result),
        **{name: kept[name] for name in ("user_id", "model", "created_at", "starred", "tags", "folded")},
    }


def shown_set(result: Mapping[str, Any]) -> str | None:
    """The digest of the demonstrations that a run was shown, or of the stored set that it took them from, of
    which it may have left some out. None for none, and for several prompts, each with a set of its own."""
    if used := result.get("set"):
        return used["digest"]
    shown = result.get("demonstrations", ())
    if not shown or result.get("prompts"):
        return None
    return set_digest((one["id"], one.get("weight", 1.0)) for one in shown)


def _gain(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else now - before


def words(dataset: str, user_id: str, model: str, title: str, note: str, tags: Sequence[str]) -> str:
    """The text that a run is searched in."""
    return fold(" ".join((dataset, user_id, model, title, note, *tags)))
