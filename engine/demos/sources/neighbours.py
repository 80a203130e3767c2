"""Neighbour demonstrations: what others bought right after the items of this user's recent history.

Session-based nearest neighbours (arXiv 1803.09587) turned into windows. Every other person's purchase of an
item of the query's history points at the purchases that followed it; a window scores, over the shared items
before its answer, the sum of

    recency of the item in the query x rarity of the item x nearness to the window's answer.

Cost: a bounded sample of each history item's purchases and the best windows' rows are read, however large the
data set. A neighbour gives one window, and no two windows hold the same items, unless there are too few. Of
windows that score alike the newest come first: what people buy next changes.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from db.datasets import DatasetInfo
from db.datasets.known import Purchases, known_purchases
from db.store import Store
from engine.data.draws import keys_of
from engine.demos.query import Query
from engine.demos.windows import LENGTH, Offer, Place, Window, load

SOURCE = "neighbours"

LOOK_BACK = 20
"""Newest items of the query's history that are looked up; older ones would have almost no weight."""

PER_ITEM = 200
"""Purchases read of each of these items; of an item bought more often, a sample."""

RECENCY = 0.5
"""What an item counts, relative to the one bought right after it in the query.

Measured on the probes of 1,000 simulated shoppers: the probe is among the answers of 4 windows for 59 % of
them, for 47 % at a recency of 0.8, and for no more below 0.5. Real data sets point the same way.
"""

NEARNESS = 1 / np.arange(1, LENGTH + 1)
"""What a shared item counts by its distance before the answer [LENGTH]: right before it counts most."""

READ_AT_MOST = 512
"""Windows looked at before the source makes do with what it found."""

COMPARED = 12
"""Windows read for each one that is asked for, so that there is a choice among those that score alike.

The probe is among 4 windows' answers for 74 % of 600 simulated shoppers with the newest first, for 72 %
without; Beauty points the same way (2.8 and 2.5 %).
"""


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Up to `size` windows of other users, best first; similarity = score, 1 being the most."""
    known = _known(store, dataset, query, PER_ITEM, seed)
    weights = item_weights(query, known)
    places = ranked(known, weights, seed)[:READ_AT_MOST]
    best_first = _read(store, dataset, query, places, COMPARED * size)
    compared = newest_first(itertools.islice(best_first, COMPARED * size), weights)
    windows = spread(itertools.chain(compared, best_first), size)
    offers = [Offer(SOURCE, window, similarity(window, weights)) for window in windows]
    return sorted(offers, key=lambda offer: -offer.similarity)


def similarities(store: Store, dataset: DatasetInfo, query: Query, windows: Sequence[Window]) -> list[float]:
    """The similarity `find` gives to these windows."""
    weights = item_weights(query, _known(store, dataset, query, 0, 0))
    return [similarity(window, weights) for window in windows]


def item_weights(query: Query, known: Mapping[int, Purchases]) -> dict[int, float]:
    """Recency x rarity of each item that others bought, adding up to 1; rarity = inverse log of the count."""
    newest_first = [row.item for row in reversed(query.history)]
    weights = {
        item: RECENCY ** newest_first.index(item) / math.log2(1 + purchases.count)
        for item, purchases in known.items()
        if purchases.count
    }
    total = sum(weights.values())
    return {item: weight / total for item, weight in weights.items()}


def similarity(window: Window, weights: Mapping[int, float]) -> float:
    """Weight x nearness of the shared items before the answer, each counted once, where it is nearest."""
    before = len(window.history) - 1
    nearest = {row.item: float(NEARNESS[before - place]) for place, row in enumerate(window.history)}
    return math.fsum(weights.get(item, 0.0) * nearness for item, nearness in nearest.items())


def ranked(known: Mapping[int, Purchases], weights: Mapping[int, float], seed: int) -> list[Place]:
    """The places that follow these purchases, best first; equal ones in an order drawn from `seed`.

    Scored from the sampled purchases alone: the order in which it pays to read the windows themselves.
    """
    rows = [(user, place, item) for item, bought in known.items() for user, place in bought.sample]
    user, position, item = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    weight = np.array([weights[number] for number in item.tolist()], dtype=np.float64)
    answer = position[:, None] + np.arange(1, LENGTH + 1)  # [n, LENGTH]
    places, inverse = np.unique(user[:, None] << 32 | answer, return_inverse=True)
    scores = np.bincount(inverse.ravel(), (weight[:, None] * NEARNESS).ravel(), minlength=len(places))
    # Rounded, so that the order of summation decides no tie.
    best = places[np.lexsort((keys_of(places, SOURCE, seed), -scores.round(12)))]
    return [(place >> 32, place & 0xFFFFFFFF) for place in best.tolist()]


def newest_first(windows: Iterable[Window], weights: Mapping[int, float]) -> list[Window]:
    """Best first, and of equally good ones the newest; in the order given where there are no timestamps."""
    # Rounded, so that the order of summation decides no tie.
    return sorted(windows, key=lambda w: (-round(similarity(w, weights), 12), -(w.answer.timestamp or 0)))


def spread(windows: Iterable[Window], size: int) -> list[Window]:
    """The first `size` windows that differ in user and in items; where they are too few, others fill up."""
    taken: list[Window] = []
    spare: list[Window] = []
    users: set[int] = set()
    contents: set[tuple[int, ...]] = set()
    for window in windows:
        content = tuple(window.items)
        if window.user in users or content in contents:
            spare.append(window)
            continue
        taken.append(window)
        users.add(window.user)
        contents.add(content)
        if len(taken) == size:
            break
    return taken + spare[: size - len(taken)]


def _known(
    store: Store, dataset: DatasetInfo, query: Query, per_item: int, seed: int
) -> dict[int, Purchases]:
    """Known purchases by others of the newest items of the query."""
    return known_purchases(
        store,
        dataset.id,
        [row.item for row in query.history[-LOOK_BACK:]],
        before=query.known_before,
        hide_last=query.held_out,
        without=query.user,
        per_item=per_item,
        seed=seed,
    )


def _read(
    store: Store, dataset: DatasetInfo, query: Query, places: Sequence[Place], at_once: int
) -> Iterator[Window]:
    """Those of the windows that are known, in order, read a few at a time."""
    for start in range(0, len(places), at_once):
        yield from load(store, dataset, query, places[start : start + at_once])
