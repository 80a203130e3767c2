"""Hand-written demonstrations: titles written or edited by hand (`db.demonstrations.hand_written`).

An edited window is known when the window is. One written from scratch has no date, so nothing here can
prevent it from revealing a target: a run that shows one says so.
"""

from collections.abc import Sequence

from db import datasets, demonstrations
from db.datasets import DatasetInfo, Interaction
from db.demonstrations import Demonstration
from db.store import Store
from engine.demos.query import Query
from engine.demos.windows import Offer, Window, load_stored, shared_part

SOURCE = demonstrations.HAND_WRITTEN

NOBODY = -1
"""User number of a window of none of the data set's users."""

NOT_AN_ITEM = -1
"""Item number of a title that is none of the catalogue's."""


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Those of the first `size` written for this data set that the query may know. Nothing is drawn."""
    written = [
        demonstration
        for demonstration in demonstrations.written(store, dataset.id, size)
        if load_stored(store, dataset, query, demonstration) is not None
    ]
    windows = [window(store, dataset, demonstration) for demonstration in written]
    rated = similarities(store, dataset, query, windows)
    return [Offer(SOURCE, *parts) for parts in zip(windows, rated, written, strict=True)]


def similarities(store: Store, dataset: DatasetInfo, query: Query, windows: Sequence[Window]) -> list[float]:
    """Share of each window's titles whose items are in the query's history."""
    return [shared_part(query, window) for window in windows]


def window(store: Store, dataset: DatasetInfo, written: Demonstration) -> Window:
    """The titles as a window, with the items whose ids they carry."""
    titles = (written.text_override or "").split("\n")
    ids = [*written.history, written.answer]
    items = datasets.item_by_ids(store, dataset.id, [item for item in ids if item])
    numbers = [items[item].item if item in items else NOT_AN_ITEM for item in ids]
    rows = [
        _row(place, number, item, title, written.timestamp)
        for place, (number, item, title) in enumerate(zip(numbers, ids, titles, strict=True))
    ]
    return Window(NOBODY, rows[:-1], rows[-1])


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
