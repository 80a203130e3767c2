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
    return entries(store, dataset, query, [_offer(store, dataset, query, stored[name]) for name in ids])


def _offer(store: Store, dataset: DatasetInfo, query: Query, demonstration: Demonstration) -> Offer:
    windows = load_stored(store, dataset, query, demonstration)
    if windows is None:
        raise BadInput(
            f"Demonstration {demonstration.id!r} (a window of user {demonstration.user_id!r}) is not known "
            f"yet when the next purchase of {query.user_id!r} is predicted. Choose one from the query's pool."
        )
    written = demonstration if demonstration.source == hand_written.SOURCE else None
    if written is not None:
        window = hand_written.window(store, dataset, written)
    elif demonstration.source == placebo.SOURCE:
        window = placebo.joined(windows)
        return Offer(placebo.SOURCE, window, shared_part(query, window))
    else:
        window = aggregated.merge(windows) if demonstration.merged else windows[0]
    source = _source(query, demonstration, window)
    [similarity] = selection.source(source).similarities(store, dataset, query, [window])
    return Offer(source, window, similarity, written)


def _source(query: Query, demonstration: Demonstration, window: Window) -> str:
    """The source of the window relative to this query; the store holds the source relative to the query that
    first found it.
    """
    if demonstration.merged or demonstration.source == hand_written.SOURCE:
        return demonstration.source
    if window.user == query.user:
        return proximal.SOURCE
    return neighbours.SOURCE if demonstration.source == proximal.SOURCE else demonstration.source
