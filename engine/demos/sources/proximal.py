"""Proximal demonstrations: the user's own earlier windows (arXiv 2405.02778 shows a user's own past as
examples).

Windows that overlap say the same thing twice, so the newest window comes first, then the newest one that ends
before it begins, and so on; overlapping ones are used only where the history is too short for more.
"""

from collections.abc import Sequence

from db.datasets import DatasetInfo
from db.datasets.known import known_lengths
from db.store import Store
from engine.demos.query import Query
from engine.demos.windows import LENGTH, Offer, Window, load

SOURCE = "proximal"


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Up to `size` own windows, newest first; similarity = 1 / steps from the target. Nothing is drawn."""
    end = query.target_position
    if query.known_until is not None:
        known = known_lengths(store, dataset.id, [query.user], before=query.known_until, hide_last=0)
        end = min(end, known.get(query.user, 0))
    places = [(query.user, position) for position in answers(end, size)]
    windows = load(store, dataset, query, places)
    newest_first = sorted(windows, key=lambda window: -window.answer.position)
    rated = similarities(store, dataset, query, newest_first)
    return [Offer(SOURCE, window, rating) for window, rating in zip(newest_first, rated, strict=True)]


def similarities(store: Store, dataset: DatasetInfo, query: Query, windows: Sequence[Window]) -> list[float]:
    """1 / steps from each window's answer to the target."""
    return [1 / (query.target_position - window.answer.position) for window in windows]


def answers(end: int, size: int) -> list[int]:
    """Positions below `end` of up to `size` answers: windows that do not overlap first, newest first."""
    apart = range(end - 1, 0, -(LENGTH + 1))
    others = (position for position in range(end - 1, 0, -1) if position not in apart)
    return [*apart, *others][:size]
