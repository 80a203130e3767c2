"""Demonstrations by id: read from the store, rejected where they are not known yet at the query."""

from collections.abc import Sequence

from db import demonstrations
from db.datasets import DatasetInfo
from db.demonstrations import Demonstration
from db.errors import BadInput, NotFound
from db.store import Store
from engine.demos import selection
from engine.demos.query import PoolEntry, Query
from engine.demos.sources import aggregated, hand_written, neighbours, proximal
from engine.demos.strategies import placebo
from engine.demos.windows import Offer, Window, entries, load_stored, shared_part


def named(store: Store, dataset: DatasetInfo, query: Query, ids: Sequence[str]) -> list[PoolEntry]:
    """Stored demonstrations in the order given; their similarity is that of their source.

    NotFound for an id the data set does not have. BadInput for one that is not known yet at the query: what
    is valid for one query can reveal the target of another.
    """
    stored = demonstrations.get_many(store, ids, dataset.id)
    for name in ids:
        if name not in stored:
            raise NotFound(
                f"{dataset.name!r} has no demonstration {name!r}. Choose one from the query's pool."
            )
    found = [_window(store, dataset, query, stored[name]) for name in ids]
    rated = _similarities(store, dataset, query, found)
    offers = [
        Offer(source, window, similarity, stored[name] if source == hand_written.SOURCE else None)
        for name, (source, window), similarity in zip(ids, found, rated, strict=True)
    ]
    return entries(store, dataset, query, offers)


def _window(
    store: Store, dataset: DatasetInfo, query: Query, demonstration: Demonstration
) -> tuple[str, Window]:
    """The window of a stored demonstration and its source relative to this query."""
    windows = load_stored(store, dataset, query, demonstration)
    if windows is None:
        raise BadInput(
            f"Demonstration {demonstration.id!r} (a window of user {demonstration.user_id!r}) is not known "
            f"yet when the next purchase of {query.user_id!r} is predicted. Choose one from the query's pool."
        )
    if demonstration.source == hand_written.SOURCE:
        return hand_written.SOURCE, hand_written.window(store, dataset, demonstration)
    if demonstration.source == placebo.SOURCE:
        return placebo.SOURCE, placebo.joined(windows)
    window = aggregated.merge(windows) if demonstration.merged else windows[0]
    return _source(query, demonstration, window), window


def _similarities(
    store: Store, dataset: DatasetInfo, query: Query, found: Sequence[tuple[str, Window]]
) -> list[float]:
    """Of each window, in the sense of its source. A source is asked once: what it reads of the query is the
    same for all of them."""
    rated: dict[int, float] = {}
    for name in dict.fromkeys(source for source, _ in found):
        places = [place for place, (source, _) in enumerate(found) if source == name]
        windows = [found[place][1] for place in places]
        if name == placebo.SOURCE:
            values = [shared_part(query, window) for window in windows]
        else:
            values = selection.source(name).similarities(store, dataset, query, windows)
        rated |= dict(zip(places, values, strict=True))
    return [rated[place] for place in range(len(found))]


def _source(query: Query, demonstration: Demonstration, window: Window) -> str:
    """The source of the window relative to this query; the store holds the source relative to the query that
    first found it.
    """
    if demonstration.merged or demonstration.source == hand_written.SOURCE:
        return demonstration.source
    if window.user == query.user:
        return proximal.SOURCE
    return neighbours.SOURCE if demonstration.source == proximal.SOURCE else demonstration.source
