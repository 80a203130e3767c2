"""How often demonstrations helped, hurt or did nothing, over the users that studies measured last.

Boundary: a study of strategies notes for each user it measured what a strategy did to the target's rank
(`turned` of its result, a mark per user in the order they were measured); this reads and counts the marks.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from db.datasets import DatasetInfo
from db.jobs import BACKGROUND, COMPLETED
from db.models import ModelInfo
from db.schema import jobs as table
from db.store import Store

HELPED, HURT, SAME = "+", "-", "="
"""The target's rank with demonstrations is better than without, worse, the same."""

MOST_USERS = 200
_STUDIES = 50  # that are looked through


@dataclass(frozen=True)
class Outcomes:
    """Over `helped + hurt + same` users. `strategy`: which demonstrations; `studies`: the numbers of those it
    comes from, the newest first."""

    strategy: str
    helped: int
    hurt: int
    same: int
    studies: tuple[int, ...]

    @property
    def users(self) -> int:
        """How many users were measured."""
        return self.helped + self.hurt + self.same


def newest(store: Store) -> int:
    """The number of the study or tuning that ended last as filed; 0 without any. Reads an index alone."""
    query = sa.select(sa.func.max(table.c.id)).where(*_ENDED)
    with store.read() as connection:
        return connection.execute(query).scalar() or 0


def measured(store: Store, dataset: DatasetInfo, model: ModelInfo, strategy: str) -> Outcomes | None:
    """Over the last users measured with this model and data set; None where there are none.

    `strategy`: whose demonstrations, where they were measured, else the best one's of the newest study. Of
    studies with the same seed, which draw the same users, the newest counts.
    """
    marks, numbers, seeds = "", [], set()
    for number, asked, result in _studies(store, dataset, model):
        turned = result.get("turned") or {}
        strategy = strategy if strategy in turned or numbers else str(result.get("best"))
        seed = asked.get("seed", 0)
        if strategy not in turned or seed in seeds:
            continue
        marks += turned[strategy][: MOST_USERS - len(marks)]
        numbers.append(number)
        seeds.add(seed)
        if len(marks) >= MOST_USERS:
            break
    if not marks:
        return None
    helped, hurt, same = (marks.count(mark) for mark in (HELPED, HURT, SAME))
    return Outcomes(strategy, helped, hurt, same, tuple(numbers))


_ENDED = (table.c.state == COMPLETED, table.c.priority == BACKGROUND)  # found by the index of open jobs, too


def _studies(
    store: Store, dataset: DatasetInfo, model: ModelInfo
) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """Number, request and result of the studies of strategies with this model and data set, newest first."""
    query = sa.select(table.c.id, table.c.payload, table.c.created_at).where(*_ENDED, table.c.kind == "study")
    with store.read() as connection:
        rows = connection.execute(query.order_by(table.c.id.desc()).limit(_STUDIES)).all()
    wanted = ("strategies", dataset.name, model.name)
    for row in rows:
        asked = json.loads(row.payload)
        if (asked.get("study"), asked.get("dataset"), asked.get("model", "embedded")) != wanted:
            continue
        if row.created_at < dataset.created_at:
            continue  # of a data set of this name that was replaced since
        with store.read() as connection:
            found = connection.execute(sa.select(table.c.result).where(table.c.id == row.id)).scalar()
        result = json.loads(found or "{}")
        if (result.get("model") or {}).get("revision", model.revision) == model.revision:
            yield row.id, asked, result
