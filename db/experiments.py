"""What experiments measured, cell by cell: one user under one setting and one draw of its random choices.

A setting is named by the digest of all that its numbers depend on, so that experiments share their cells, and
one that is extended computes only what is missing. What a cell holds is the engine's
(`engine.studies.experiments.cells`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from db.canonical import canonical_json
from db.schema import experiment_cells as table
from db.store import Store

MEASURES: Mapping[str, str] = {
    "ndcg10": "NDCG@10",
    "hr1": "HR@1",
    "hr10": "HR@10",
    "mrr": "MRR",
    "uauc": "uAUC",
    "auc": "AUC",
    "popularity": "popularity of the top 10",
    "diversity": "diversity of the top 10",
    "complied": "answers that could be read",
    "effect": "effect (nats)",
    "tokens": "tokens",
}
"""Measures that are means over users, as people write them. The catalogue's coverage is none."""

AT_ONCE = 500  # names in one query: both databases take more


class Place(NamedTuple):
    """Where a cell stands. `setting`: a digest; `user`: an id; `draw`: from 0."""

    setting: str
    user: str
    draw: int = 0


def put(store: Store, cells: Mapping[Place, Mapping[str, Any]]) -> None:
    """Store these, all or none; what is stored already stays as it is."""
    if not cells:
        return
    rows = [
        {"setting": place.setting, "user_id": place.user, "draw": place.draw, "cell": canonical_json(cell)}
        for place, cell in cells.items()
    ]
    with store.write() as connection:
        connection.execute(store.insert(table).on_conflict_do_nothing(), rows)


def get(store: Store, setting: str, users: Sequence[str]) -> dict[Place, dict[str, Any]]:
    """The stored cells of a setting for these users."""
    found: dict[Place, dict[str, Any]] = {}
    with store.read() as connection:
        for some in _parts(users):
            query = sa.select(table).where(table.c.setting == setting, table.c.user_id.in_(some))
            for row in connection.execute(query):
                found[Place(row.setting, row.user_id, row.draw)] = json.loads(row.cell)
    return found


def _parts(users: Sequence[str]) -> Iterable[list[str]]:
    return (list(users[start : start + AT_ONCE]) for start in range(0, len(users), AT_ONCE))
