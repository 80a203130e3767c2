"""The candidate pool of strategies that compare titles; all of them share it.

The best neighbours' windows and some random ones, so that the cost does not grow with the catalogue. The
user's own windows are excluded: they hold the query's own words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetInfo
from db.store import Store
from engine.demos.query import Query
from engine.demos.reader import Embed, directions, unit
from engine.demos.sources import neighbours, random_users
from engine.demos.windows import Offer

NEIGHBOURS = 96
RANDOM = 32
"""Candidate windows per source."""


def at_hand(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Neighbours' windows, then random ones; at least `size` of each where there are that many."""
    near = neighbours.find(store, dataset, query, max(NEIGHBOURS, size), seed)
    places = {offer.window.place for offer in near}
    far = random_users.find(store, dataset, query, max(RANDOM, size), seed)
    return near + [offer for offer in far if offer.window.place not in places]


@dataclass(frozen=True)
class Compared:
    """The candidate windows as unit vectors [n, d] (mean of their titles'), and their cosine to the query
    [n].

    Negative cosines become 0, because they serve as the offers' similarity.
    """

    offers: list[Offer]
    vectors: NDArray[np.float64]
    relevance: NDArray[np.float64]

    def chosen(self, places: Sequence[int]) -> list[Offer]:
        """The offers at these places, in this order."""
        return [self.offers[place] for place in places]


def compared(
    store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int, embed: Embed
) -> Compared:
    """The candidate windows ranked by the similarity of their titles' vectors to the query's history, best
    first.
    """
    pool = at_hand(store, dataset, query, size, seed)
    asked = [row.title for row in query.history]
    shown = [[row.title for row in (*offer.window.history, offer.window.answer)] for offer in pool]
    titles = list(dict.fromkeys(title for group in (asked, *shown) for title in group))
    vector = dict(zip(titles, directions(embed, titles), strict=True))
    means = np.stack([np.mean([vector[title] for title in group], axis=0) for group in (asked, *shown)])
    rows = unit(means)
    relevance = np.clip(rows[1:] @ rows[0], 0.0, 1.0)
    # Rounded, so that the last bits of a sum break no tie.
    best = np.argsort(-relevance.round(9), kind="stable")
    rated = [replace(pool[i], similarity=float(relevance[i])) for i in best]
    return Compared(rated, rows[1:][best], relevance[best])
