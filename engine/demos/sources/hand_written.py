"""Hand-written demonstrations: titles that a person wrote or edited (`db.demonstrations.hand_written`).

An edited window is known when the window is. For one written freely nothing tells when its purchases were
made, so nothing here can keep it from giving a target away: a run that shows one says so.
"""

from collections.abc import Sequence

from db import datasets, demonstrations
from db.datasets import DatasetInfo, Interaction
from db.demonstrations import Demonstration
from db.store import Store
from engine.demos.query import PoolEntry, Query

NOT_AN_ITEM = -1
"""Item number of a title that is none of the catalogue's."""


def stored(store: Store, dataset: DatasetInfo, limit: int) -> list[Demonstration]:
    """What was written for this data set so far."""
    return demonstrations.written(store, dataset.id, limit)


def entry(store: Store, dataset: DatasetInfo, query: Query, written: Demonstration) -> PoolEntry:
    """The demonstration as it is shown; similarity = shared part of its items."""
    titles = (written.text_override or "").split("\n")
    ids = [*written.history, written.answer]
    items = datasets.item_by_ids(store, dataset.id, [item for item in ids if item])
    numbers = [items[item].item if item in items else NOT_AN_ITEM for item in ids]
    rows = [
        _row(place, number, item, title, written.timestamp)
        for place, (number, item, title) in enumerate(zip(numbers, ids, titles, strict=True))
    ]
    shared = len(query.items.intersection(numbers))
    return PoolEntry(written, rows[:-1], rows[-1], sum(n in query.items for n in numbers) / len(rows), shared)


def _row(place: int, number: int, item: str, title: str, timestamp: int | None) -> Interaction:
    return Interaction(
        position=place,
        item=number,
        item_id=item,
        title=title,
        timestamp=timestamp,
        rating=None,
        category=None,
        brand=None,
    )


def places(written: Demonstration) -> Sequence[tuple[str, int]]:
    """(user id, position of the answer) of the windows that must be known for it to be shown."""
    if written.merged:
        return written.merged
    return [] if written.position is None else [(written.user_id, written.position)]
